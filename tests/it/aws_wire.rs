//! `AwsCloud` against a server that misbehaves: every failure has a kind and a message and comes in time.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::drive::{Driven, drive, first_call, plan};
use crate::support::scripted::{Reply, Request, Scripted};
use crate::support::world::{Setup, World};
use futures::StreamExt;
use quarterdeck::aws::{Access, AwsCloud, Timeouts, connect, connect_with};
use quarterdeck::cloud::*;
use quarterdeck::core::logs::LogQuery;
use quarterdeck::core::logs::insights::InsightsRequest;
use quarterdeck::core::operation::rotate::{Rotation, Strategy, UndoRotation};
use quarterdeck::core::operation::service::{Scale, ServiceRef};
use quarterdeck::core::operation::work::{LEASE, Label, TokenProbe, Version};
use quarterdeck::core::operation::{Fact, Facts, Intent, Phase};
use quarterdeck::core::stack::StackRef;
use quarterdeck::core::unread::{Part, Read};
use rstest::rstest;
use serde_json::json;

const SHORT: Timeouts = Timeouts {
    connect: Duration::from_millis(400),
    attempt: Duration::from_millis(400),
    read: Duration::from_millis(2_500),
    logs: Duration::from_millis(800),
    write: Duration::from_millis(400),
    draft: Duration::from_millis(1_500),
    silence: None,
};

fn options(endpoint: &str) -> Access {
    Access {
        region: Some("eu-central-1".into()),
        endpoint: Some(endpoint.into()),
        static_credentials: true,
        ..Access::default()
    }
}

async fn cloud(endpoint: &str) -> AwsCloud {
    connect_with(&options(endpoint), SHORT).await.unwrap()
}

/// The failure of a read that gets these replies, and the number of requests.
async fn failure(replies: Vec<Reply>) -> (CloudError, usize) {
    let server = Scripted::script([("ListTaskDefinitions", replies)]).await;
    let error = cloud(&server.url).await.revisions("time").await.unwrap_err();
    assert_eq!(error.call, "ecs:ListTaskDefinitions");
    (error, server.count("ListTaskDefinitions"))
}

#[tokio::test]
async fn a_throttled_read_is_tried_again_and_counted() {
    let revisions = Reply::json(200, json!({ "taskDefinitionArns": ["arn:2", "arn:1"] }));
    let throttled = Reply::error(400, "ThrottlingException", "Rate exceeded");
    let server = Scripted::script([("ListTaskDefinitions", vec![throttled, revisions])]).await;
    let cloud = cloud(&server.url).await;
    assert_eq!(cloud.revisions("time").await.unwrap(), ["arn:2", "arn:1"]);
    assert_eq!((server.count("ListTaskDefinitions"), cloud.calls()), (2, 2));
}

#[rstest]
#[case::throttled(Reply::error(400, "ThrottlingException", "Rate exceeded"), ErrorKind::Throttled, 6)]
#[case::failing(Reply::error(500, "ServerException", "oops"), ErrorKind::Service, 3)]
#[case::unavailable(Reply::Answer(503, "busy".into()), ErrorKind::Service, 3)]
#[case::reset(Reply::Reset, ErrorKind::Unreachable, 3)]
#[case::hanging(Reply::Hang, ErrorKind::TimedOut, 3)]
#[case::expired(Reply::error(400, "ExpiredTokenException", "The security token has expired"), ErrorKind::Expired, 1)]
#[case::invalid_keys(Reply::error(400, "UnrecognizedClientException", "token is invalid"), ErrorKind::Expired, 1)]
#[case::denied(Reply::error(400, "AccessDeniedException", "User is not authorized"), ErrorKind::Denied, 1)]
#[case::not_aws(Reply::Answer(200, "<html>It works!</html>".into()), ErrorKind::Garbled, 1)]
#[case::not_found_page(Reply::Answer(404, "<html>nginx</html>".into()), ErrorKind::Garbled, 1)]
#[case::truncated(Reply::Answer(200, "{\"taskDefinitionArns\":[".into()), ErrorKind::Garbled, 1)]
#[case::wrong_types(Reply::Answer(200, "{\"taskDefinitionArns\":7}".into()), ErrorKind::Garbled, 1)]
#[tokio::test]
async fn each_failure_of_a_read_has_its_kind_and_number_of_attempts(
    #[case] reply: Reply,
    #[case] kind: ErrorKind,
    #[case] attempts: usize,
) {
    let begun = Instant::now();
    let (error, asked) = failure(vec![reply]).await;
    assert_eq!((error.kind, asked), (kind, attempts), "{error}");
    assert!(begun.elapsed() < SHORT.read + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_error_names_the_port_that_refused_the_connection() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = cloud(&format!("http://127.0.0.1:{port}")).await.identity().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert_eq!(error.message, format!("http://127.0.0.1:{port} refuses connections"));
    let hint = error.hint.unwrap_or_default();
    assert!(hint.contains("`quarterdeck local up`") && !hint.contains("--endpoint-url"), "{hint}");
}

#[tokio::test]
async fn a_read_whose_pages_do_not_end_is_given_up() {
    let mut page = 0;
    let server = Scripted::start(move |_| {
        page += 1;
        Reply::json(200, json!({ "serviceArns": [], "nextToken": page.to_string(), "clusters": [] }))
    })
    .await;
    let error = cloud(&server.url).await.fleet("c").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut, "{error}");
}

#[tokio::test]
async fn a_part_of_the_fleet_that_cannot_be_read_is_a_gap() {
    let balancer = json!([{ "targetGroupArn": "arn:tg" }]);
    let service = json!({ "serviceName": "time", "status": "ACTIVE", "desiredCount": -1, "loadBalancers": balancer,
        "events": [{ "message": "\u{1b}[31mhostile" , "createdAt": 1.0 }, { "message": "without a date" }] });
    let denied = || Reply::error(400, "AccessDeniedException", "no");
    let server = Scripted::script([
        ("ListServices", vec![Reply::json(200, json!({ "serviceArns": ["arn:time"] }))]),
        ("DescribeServices", vec![Reply::json(200, json!({ "services": [service] }))]),
        ("ListTasks", vec![denied()]),
        ("DescribeScalableTargets", vec![denied()]),
        (
            "DescribeTargetHealth",
            vec![Reply::Answer(
                403,
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>".into(),
            )],
        ),
    ])
    .await;
    let cloud = cloud(&server.url).await;
    let fleet = cloud.fleet("c").await.unwrap();
    let server = fleet.server("time").unwrap();
    assert_eq!((server.desired, server.events.len()), (0, 1));
    let kinds = [server.tasks.why(), server.bounds.why(), server.targets_unread()].map(|why| why.unwrap().kind);
    assert_eq!(kinds, [ErrorKind::Denied; 3]);
    assert_eq!(server.logs, Read::Known(Vec::new()), "it has no task definition, so it names none");
    assert_eq!(server.events[0].message, "hostile");
    let parts: Vec<Part> = fleet.unread().into_iter().map(|unread| unread.part).collect();
    assert_eq!(parts, [Part::Targets("time".into()), Part::Tasks, Part::Bounds]);
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_not_an_empty_one() {
    let server = Scripted::script([
        ("ListServices", vec![Reply::json(200, json!({ "serviceArns": [] }))]),
        ("DescribeClusters", vec![Reply::json(200, json!({ "clusters": [], "failures": [{ "reason": "MISSING" }] }))]),
        ("ListTasks", vec![Reply::json(200, json!({ "taskArns": [] }))]),
    ])
    .await;
    assert_eq!(cloud(&server.url).await.fleet("c").await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn an_empty_page_with_a_token_is_followed_by_the_next() {
    let server =
        Scripted::script([("FilterLogEvents", vec![Reply::json(200, json!({ "events": [], "nextToken": "t" }))])])
            .await;
    let query = LogQuery { group: "/g".into(), prefix: None, from: 0, until: Some(5), pattern: None, token: None };
    let page = cloud(&server.url).await.log_page(&query).await.unwrap();
    assert_eq!((page.events.len(), page.next.as_deref()), (0, Some("t")));
}

#[tokio::test]
async fn the_log_groups_to_choose_from_are_no_more_than_a_thousand() {
    let page = |name: &str, next: Option<&str>| {
        Reply::json(200, json!({ "logGroups": [{ "logGroupName": name }], "nextToken": next }))
    };
    let server = Scripted::script([("DescribeLogGroups", vec![page("/a", Some("t")), page("/b", None)])]).await;
    assert_eq!(cloud(&server.url).await.log_groups(None).await.unwrap(), ["/a", "/b"]);
    let mut pages = 0;
    let endless = Scripted::start(move |_| {
        pages += 1;
        Reply::json(200, json!({ "logGroups": [{ "logGroupName": "/a" }], "nextToken": pages.to_string() }))
    })
    .await;
    assert_eq!(cloud(&endless.url).await.log_groups(None).await.unwrap().len(), 20, "50 names a page");
}

#[tokio::test]
async fn a_stack_that_does_not_exist_is_none() {
    let body = "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message>\
                </Error></ErrorResponse>";
    let server = Scripted::script([("DescribeStacks", vec![Reply::Answer(400, body.into())])]).await;
    let stack = StackRef { name: "x".into(), region: "us-east-1".into() };
    assert_eq!(cloud(&server.url).await.stack(&stack).await.unwrap(), None);
}

fn scale() -> Intent {
    let service = ServiceRef { cluster: "c".into(), service: "time".into() };
    Intent::Scale(Scale { service, desired: Some(2), from: None, bounds: None, bounds_from: None })
}

#[rstest]
#[case::hanging(Reply::Hang, ErrorKind::TimedOut)]
#[case::reset(Reply::Reset, ErrorKind::Unreachable)]
#[case::failing(Reply::error(500, "ServerException", "oops"), ErrorKind::Service)]
#[case::throttled(Reply::error(400, "ThrottlingException", "Rate exceeded"), ErrorKind::Throttled)]
#[tokio::test]
async fn a_write_is_sent_once(#[case] reply: Reply, #[case] kind: ErrorKind) {
    let server = Scripted::script([("UpdateService", vec![reply])]).await;
    let error = cloud(&server.url).await.apply(first_call(plan("op", scale()))).await.unwrap_err();
    assert_eq!((error.kind, server.count("UpdateService")), (kind, 1), "{error}");
}

#[tokio::test]
async fn a_wrong_region_or_endpoint_is_found_before_any_call() {
    for (region, endpoint) in [("Frankfurt", "http://localhost:1"), ("eu-central-1", "localhost:1")] {
        let options = Access { region: Some(region.into()), ..options(endpoint) };
        let error = connect(&options).await.err().expect("refused");
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(error.hint.is_some());
    }
}

/// Runs this test again in a process without credentials and configuration.
fn in_a_bare_process(test: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os("QUARTERDECK_BARE").is_some() {
        return true;
    }
    let home = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]).env_clear().env("HOME", home.path()).env("QUARTERDECK_BARE", "1");
    let done = child.env("AWS_EC2_METADATA_DISABLED", "true").envs(environment.iter().copied()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    false
}

#[tokio::test]
async fn without_credentials_the_first_call_says_so() {
    if in_a_bare_process("without_credentials_the_first_call_says_so", &[]) {
        let server = Scripted::script([]).await;
        let options = Access { static_credentials: false, ..options(&server.url) };
        let error = connect(&options).await.unwrap().identity().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoCredentials, "{error}");
        assert!(error.hint.unwrap().contains("aws sso login"));
    }
}

#[tokio::test]
async fn without_a_region_connecting_is_refused() {
    if in_a_bare_process("without_a_region_connecting_is_refused", &[]) {
        let error = connect(&Access::default()).await.err().expect("refused");
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(error.hint.unwrap().contains("--region"));
    }
}

#[tokio::test]
async fn the_environment_names_region_and_endpoint() {
    let environment = [("AWS_REGION", "eu-west-3"), ("AWS_ENDPOINT_URL", "http://localhost:4566/")];
    if in_a_bare_process("the_environment_names_region_and_endpoint", &environment) {
        let cloud = connect(&Access::default()).await.unwrap();
        assert_eq!((cloud.region(), cloud.endpoint()), ("eu-west-3", Some("http://localhost:4566")));
    }
}

const SECRET: &str = "quarterdeck/prod/time/machine-client";
/// The machine client of the world's only server, the value of its first secret, and the version that holds it.
const CLIENT: &str = "client5";
const OLD: &str = "cognito-value-5";
const FIRST: &str = "00000000-0000-0000-0000-000000000001";

/// A world of which the answers may get lost.
#[derive(Clone)]
struct Identity {
    world: World,
    /// Calls that are carried out but never answered, once each.
    lost: Arc<Mutex<HashSet<&'static str>>>,
    /// The list of secrets shows only the first one.
    list_lags: Arc<AtomicBool>,
}

impl Identity {
    fn new() -> Self {
        let world = World::deployed(Setup { dual: true, servers: vec!["time"], lag: 0 });
        Self { world, lost: Arc::default(), list_lags: Arc::default() }
    }

    fn answer(&self, request: &Request) -> Reply {
        let reply = self.world.state().answer(request, "alice", "");
        if self.lost.lock().unwrap().remove(request.call.as_str()) {
            return Reply::Reset;
        }
        match reply {
            Reply::Answer(200, body)
                if request.call == "ListUserPoolClientSecrets" && self.list_lags.load(Ordering::SeqCst) =>
            {
                let mut listed: serde_json::Value = serde_json::from_str(&body).unwrap();
                listed["ClientSecrets"].as_array_mut().unwrap().truncate(1);
                Reply::json(200, listed)
            }
            reply => reply,
        }
    }

    /// Ids and values of the client's secrets.
    fn secrets(&self) -> Vec<(String, String)> {
        self.world.state().clients[CLIENT].secrets.clone()
    }

    fn labels(&self) -> BTreeMap<String, String> {
        self.world.state().secrets[SECRET].labels.clone()
    }

    /// Somebody else gives the client a secret.
    fn add(&self, id: &str, value: &str) {
        let mut state = self.world.state();
        state.clients.get_mut(CLIENT).unwrap().secrets.push((format!("{CLIENT}--{id}"), value.to_owned()));
    }
}

fn rotation(server: &Scripted) -> Rotation {
    Rotation {
        pool: "eu-central-1_pool".into(),
        client: CLIENT.into(),
        name: "prod-time-machine".into(),
        secret: SECRET.into(),
        endpoint: format!("{}/oauth2/token", server.url),
        scopes: vec!["https://x/time/mcp/read".into()],
        strategy: Strategy::DualSecret { old_secret: format!("{CLIENT}--5") },
        consumers: Vec::new(),
        grace_seconds: 0,
        by: Some("arn:aws:sts::123456789012:assumed-role/ops/me".into()),
        current: Some(FIRST.into()),
        takes_over: None,
        left_clients: Vec::new(),
        left_secret: None,
        accept: Vec::new(),
    }
}

async fn rotate(identity: &Identity) -> (Driven, AwsCloud, Scripted) {
    let answering = identity.clone();
    let server = Scripted::start(move |request| answering.answer(request)).await;
    let cloud = cloud(&server.url).await;
    let driven = drive(&cloud, plan("op-1", Intent::Rotate(rotation(&server)))).await;
    (driven, cloud, server)
}

/// Asserts that the new secret is the only one, is published, and is written nowhere else.
async fn rotated(identity: &Identity, driven: &Driven, cloud: &AwsCloud, server: &Scripted) {
    assert!(matches!(driven.operation.phase, Phase::Ended(_)), "{}", driven.trouble());
    let new = {
        let secrets = identity.secrets();
        assert_eq!(secrets.len(), 1);
        let (id, value) = &secrets[0];
        assert_ne!(id, &format!("{CLIENT}--5"));
        assert_eq!(value.len(), 40);
        value.clone()
    };
    assert!(!driven.audit.contains(&new) && !driven.audit.contains(OLD));
    assert!(!format!("{:?}", driven.operation).contains(&new));
    let probe = |label: Label| TokenProbe {
        secret: SECRET.into(),
        version: Version::Labelled(label),
        endpoint: format!("{}/oauth2/token", server.url),
        scopes: Vec::new(),
    };
    assert!(matches!(cloud.token(&probe(Label::Current)).await, Ok(TokenAnswer::Granted(_))));
    assert!(identity.labels().keys().all(|label| label != LEASE), "the client is free again");
}

#[tokio::test]
async fn a_rotation_replaces_the_secret() {
    let identity = Identity::new();
    let (driven, cloud, server) = rotate(&identity).await;
    rotated(&identity, &driven, &cloud, &server).await;
}

#[rstest]
#[case("PutSecretValue")]
#[case("AddUserPoolClientSecret")]
#[case("UpdateSecretVersionStage")]
#[case("DeleteUserPoolClientSecret")]
#[tokio::test]
async fn after_a_lost_answer_the_write_is_not_made_twice(#[case] call: &'static str) {
    let (_, _, undisturbed) = rotate(&Identity::new()).await;
    let identity = Identity::new();
    identity.lost.lock().unwrap().insert(call);
    let (driven, cloud, server) = rotate(&identity).await;
    rotated(&identity, &driven, &cloud, &server).await;
    assert_eq!(server.count(call), undisturbed.count(call), "{call} was sent again");
}

#[tokio::test]
async fn a_third_secret_is_refused_and_nothing_is_published() {
    let identity = Identity::new();
    identity.add("9", "foreign");
    identity.list_lags.store(true, Ordering::SeqCst);
    let (driven, ..) = rotate(&identity).await;
    assert!(driven.trouble().contains("AddUserPoolClientSecret: LimitExceededException"), "{}", driven.trouble());
    assert_eq!(identity.labels()["AWSCURRENT"], FIRST);
}

/// Takes a rotation back that knows of no publication.
async fn take_back(server: &Scripted, old: &str, lease: &str) -> Driven {
    let strategy = Strategy::DualSecret { old_secret: old.into() };
    let rotation = Rotation { strategy, ..rotation(server) };
    let learnt = Facts::from([(rotation.current(), FIRST.into()), (Fact::Lease(SECRET.into()), lease.into())]);
    let undo = UndoRotation { rotation, operation: "op-0".into(), learnt, by: None };
    drive(&cloud(&server.url).await, plan("op-2", Intent::UndoRotation(undo))).await
}

#[tokio::test]
async fn a_rotation_that_was_finished_meanwhile_is_not_taken_back() {
    let identity = Identity::new();
    let (driven, _, server) = rotate(&identity).await;
    assert!(matches!(driven.operation.phase, Phase::Ended(_)), "{}", driven.trouble());
    identity.add("5", OLD);
    let driven = take_back(&server, &format!("{CLIENT}--5"), "the-lease-of-the-rotation").await;
    assert!(driven.trouble().contains("has ended"), "{}", driven.trouble());
    assert_eq!(identity.secrets().len(), 2);
    assert_ne!(identity.labels()["AWSCURRENT"], FIRST, "nothing was published");
}

#[tokio::test]
async fn the_secret_of_another_machine_is_not_taken_for_ours() {
    let identity = Identity::new();
    identity.add("9", "foreign");
    let (driven, ..) = rotate(&identity).await;
    assert!(driven.trouble().contains("not the one that was stored"), "{}", driven.trouble());
    assert!(!driven.operation.facts().contains(&Fact::ClientSecret));
    assert_eq!((identity.secrets().len(), identity.labels()["AWSCURRENT"].as_str()), (2, FIRST));
}

#[tokio::test]
async fn the_last_secret_of_a_client_is_not_deleted() {
    let identity = Identity::new();
    let answering = identity.clone();
    let server = Scripted::start(move |request| answering.answer(request)).await;
    let driven = take_back(&server, &format!("{CLIENT}--9"), "").await;
    assert!(driven.trouble().contains("nothing was deleted"), "{}", driven.trouble());
    assert_eq!(identity.secrets().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_lacks_second_secrets_is_asked_once() {
    let server = Scripted::script([]).await;
    let cloud = cloud(&server.url).await;
    assert!(!cloud.has_dual_secrets("p", "c").await.unwrap());
    assert!(!cloud.has_dual_secrets("p", "c").await.unwrap());
    assert_eq!(server.count("ListUserPoolClientSecrets"), 1);
}

#[tokio::test]
async fn clients_whose_stored_secrets_cannot_be_read_have_a_gap() {
    let client = json!({ "ClientId": "c", "ClientName": "prod-time-machine", "ClientSecret": "hush" });
    let server = Scripted::script([
        ("ListUserPoolClients", vec![Reply::json(200, json!({ "UserPoolClients": [client, { "ClientId": "gone" }] }))]),
        (
            "DescribeUserPoolClient",
            vec![
                Reply::json(200, json!({ "UserPoolClient": client })),
                Reply::error(400, "ResourceNotFoundException", "deleted meanwhile"),
            ],
        ),
        ("ListSecrets", vec![Reply::error(400, "AccessDeniedException", "no")]),
    ])
    .await;
    let list = cloud(&server.url).await.clients("p", "prod").await.unwrap();
    let [client] = list.clients.as_slice() else { panic!("{:?}", list.clients) };
    assert_eq!((client.id.as_str(), client.kind().as_str()), ("c", "machine"));
    assert_eq!(client.secrets, Read::Known(None), "the endpoint lists no secrets");
    assert_eq!(client.stored_in.why().unwrap().kind, ErrorKind::Denied);
    let parts: Vec<Part> = list.unread().into_iter().map(|unread| unread.part).collect();
    assert_eq!(parts, [Part::StoredSecrets]);
    assert!(!format!("{client:?}").contains("hush"));
}

#[tokio::test]
async fn the_kind_of_a_client_that_cannot_be_described_is_unknown() {
    let listed = json!([{ "ClientId": "a", "ClientName": "time" }, { "ClientId": "b", "ClientName": "docs" }]);
    let server = Scripted::script([
        ("ListUserPoolClients", vec![Reply::json(200, json!({ "UserPoolClients": listed }))]),
        ("DescribeUserPoolClient", vec![Reply::error(400, "AccessDeniedException", "no")]),
        ("ListSecrets", vec![Reply::json(200, json!({ "SecretList": [] }))]),
    ])
    .await;
    let list = cloud(&server.url).await.clients("p", "prod").await.unwrap();
    let told: Vec<_> = list.clients.iter().map(|client| (client.kind(), client.secret_count())).collect();
    assert_eq!(told, [("?".into(), "?".into()), ("?".into(), "?".into())]);
    assert!(list.clients.iter().all(|client| !client.public() && client.stored_in == Read::Known(None)));
    let parts: Vec<Part> = list.unread().into_iter().map(|unread| unread.part).collect();
    assert_eq!(parts, [Part::ClientDetails(vec!["docs".into(), "time".into()])], "one reason is told once");
    let json = serde_json::to_value(&list.clients[0]).unwrap();
    assert_eq!(
        (&json["confidential"], &json["flows"], &json["created_at"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert!(json.as_object().unwrap().contains_key("confidential"), "{json}");
    assert!(json["not_read"].as_str().unwrap().starts_with("cognito-idp:DescribeUserPoolClient"), "{json}");
}

#[tokio::test]
async fn a_page_of_log_events_has_more_time_than_other_reads_and_one_attempt() {
    assert!(Timeouts::default().logs == Duration::from_secs(30) && SHORT.logs > SHORT.attempt);
    let server = Scripted::script([("FilterLogEvents", vec![Reply::Hang])]).await;
    let query = LogQuery { group: "/g".into(), prefix: None, from: 0, until: Some(5), pattern: None, token: None };
    let begun = Instant::now();
    let error = cloud(&server.url).await.log_page(&query).await.unwrap_err();
    assert_eq!((error.kind, server.count("FilterLogEvents")), (ErrorKind::TimedOut, 1));
    assert!(begun.elapsed() >= SHORT.logs, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_answer_whose_events_cannot_be_parsed_says_nothing_of_their_text() {
    let bad = r#"{"events":[{"timestamp":"secret text","message":"secret text"}]}"#;
    let lone = r#"{"events":[{"timestamp":1,"message":"secret text \ud800"}]}"#;
    for body in [bad, lone, r#"{"events":[{"message":"secret text"#] {
        let server = Scripted::script([("FilterLogEvents", vec![Reply::Answer(200, body.into())])]).await;
        let query = LogQuery { group: "/g".into(), prefix: None, from: 0, until: Some(5), pattern: None, token: None };
        let error = cloud(&server.url).await.log_page(&query).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Garbled, "{error}");
        assert!(!format!("{error:?}").contains("secret text"), "{error:?}");
    }
}

#[tokio::test]
async fn a_live_tail_that_sends_garbage_ends_with_an_error() {
    let group = json!({ "logGroupName": "/g", "arn": "arn:aws:logs:eu-central-1:1:log-group:/g:*" });
    let server = Scripted::script([
        ("DescribeLogGroups", vec![Reply::json(200, json!({ "logGroups": [group] }))]),
        ("StartLiveTail", vec![Reply::Answer(200, "this is no event stream at all, but long enough for one".into())]),
    ])
    .await;
    let error = match cloud(&server.url).await.live_tail(&["/g".into()], None).await {
        Ok(mut tail) => tail.next().await.expect("an item").expect_err("garbage"),
        Err(error) => error,
    };
    assert_eq!(error.kind, ErrorKind::Garbled, "{error}");
    let many: Vec<String> = (0..11).map(|index| format!("/g/{index}")).collect();
    assert_eq!(cloud(&server.url).await.live_tail(&many, None).await.err().unwrap().kind, ErrorKind::Invalid);
}

#[rstest]
#[case::reset(Reply::Reset, ErrorKind::Unreachable)]
#[case::hanging(Reply::Hang, ErrorKind::TimedOut)]
#[case::busy(Reply::Answer(503, "busy".into()), ErrorKind::Service)]
#[case::not_oauth(Reply::Answer(200, "<html>".into()), ErrorKind::Garbled)]
#[case::refused(Reply::json(401, json!({ "error": "invalid_client" })), ErrorKind::Denied)]
#[tokio::test]
async fn each_failure_of_the_token_endpoint_has_its_kind(#[case] reply: Reply, #[case] kind: ErrorKind) {
    let identity = Identity::new();
    let server = Scripted::start(move |request| match request.call.as_str() {
        "/oauth2/token" => reply.clone(),
        _ => identity.answer(request),
    })
    .await;
    let endpoint = format!("{}/oauth2/token", server.url);
    let version = Version::Labelled(Label::Current);
    let probe = TokenProbe { secret: SECRET.into(), version, endpoint, scopes: Vec::new() };
    let error = cloud(&server.url).await.token(&probe).await.and_then(TokenAnswer::granted).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(!error.to_string().contains(OLD));
}

fn accepted() -> ServerAnswer {
    ServerAnswer::Accepted
}

fn refused() -> ServerAnswer {
    ServerAnswer::Refused("401: it does not accept the token".into())
}

fn unclear(status: u16) -> ServerAnswer {
    ServerAnswer::Unclear(format!("HTTP {status}, which is not an MCP server's answer"))
}

#[rstest]
#[case::a_result(Reply::json(200, json!({ "jsonrpc": "2.0", "id": 1, "result": {} })), accepted())]
#[case::a_stream(Reply::Answer(200, "data: {\"jsonrpc\":\"2.0\",\"id\":1}\n\n".into()), accepted())]
#[case::an_error_of_the_protocol(Reply::json(404, json!({ "jsonrpc": "2.0", "error": {} })), accepted())]
#[case::a_token_that_is_refused(Reply::json(401, json!({ "error": "invalid_token" })), refused())]
#[case::a_rule_that_is_missing_at_the_load_balancer(Reply::Answer(404, "not found".into()), unclear(404))]
#[case::a_bad_request_at_the_edge(Reply::Answer(400, "<html>".into()), unclear(400))]
#[case::a_firewall(Reply::Answer(403, "<html>".into()), unclear(403))]
#[case::no_healthy_task(Reply::Answer(503, "<html>".into()), unclear(503))]
#[case::another_page(Reply::Answer(200, "<html>It works!</html>".into()), unclear(200))]
#[tokio::test]
async fn only_a_server_that_answers_in_kind_has_let_the_client_in(
    #[case] reply: Reply,
    #[case] expected: ServerAnswer,
) {
    let identity = Identity::new();
    let server = Scripted::start(move |request| match request.call.as_str() {
        "/time/mcp" => reply.clone(),
        _ => identity.answer(request),
    })
    .await;
    let (endpoint, url) = (format!("{}/oauth2/token", server.url), format!("{}/time/mcp", server.url));
    let version = Version::Labelled(Label::Current);
    let probe = TokenProbe { secret: SECRET.into(), version, endpoint, scopes: Vec::new() };
    assert_eq!(cloud(&server.url).await.accepted(&probe, &url).await.unwrap(), expected);
}

#[tokio::test]
async fn a_query_is_started_read_and_stopped() {
    let value = |field: &str, value: &str| json!({ "field": field, "value": value });
    let statistics = json!({ "recordsMatched": 2.0, "recordsScanned": 9.0, "bytesScanned": 512.0 });
    let rows = json!([
        [value("tool", "now\u{1b}[2J"), value("calls", "2"), value("@ptr", "x")],
        [value("calls", "1"), value("@ptr", "y")],
    ]);
    let running = Reply::json(200, json!({ "status": "Running", "results": [], "statistics": statistics }));
    let complete = Reply::json(200, json!({ "status": "Complete", "results": rows, "statistics": statistics }));
    let failed = Reply::json(200, json!({ "status": "Failed", "results": [] }));
    let ended = Reply::error(400, "InvalidParameterException", "Query is not in Scheduled or Running state");
    let server = Scripted::script([
        ("StartQuery", vec![Reply::json(200, json!({ "queryId": "q-1" }))]),
        ("GetQueryResults", vec![running, complete, failed]),
        ("StopQuery", vec![ended]),
    ])
    .await;
    let cloud = cloud(&server.url).await;
    let request = InsightsRequest { groups: vec!["g".into()], from: 1_500, until: 9_200, query: "q".into() };
    assert_eq!(cloud.insights_start(&request).await.unwrap(), "q-1");
    let sent: serde_json::Value = serde_json::from_str(&server.requests("StartQuery")[0].body).unwrap();
    assert_eq!((&sent["startTime"], &sent["endTime"]), (&json!(1), &json!(10)), "whole seconds around the window");
    assert!(cloud.insights_results("q-1").await.unwrap().running);
    let results = cloud.insights_results("q-1").await.unwrap();
    assert_eq!((results.running, results.columns), (false, vec!["tool".to_owned(), "calls".into()]));
    assert_eq!(results.rows, [["now", "2"], ["", "1"]]);
    let error = cloud.insights_results("q-1").await.unwrap_err();
    assert!(error.message.contains("ended as failed"), "{error}");
    cloud.insights_stop("q-1").await.expect("a query that has ended is stopped");
}

#[tokio::test]
async fn clusters_are_listed_page_by_page_and_counted_where_that_is_allowed() {
    let page = |arns: &[&str], next: Option<&str>| {
        let arns: Vec<String> = arns.iter().map(|name| format!("arn:aws:ecs:eu-central-1:1:cluster/{name}")).collect();
        Reply::json(200, json!({ "clusterArns": arns, "nextToken": next }))
    };
    let of = |name: &str, status: &str, services: u32, tasks: u32| json!({ "clusterName": name, "status": status, "activeServicesCount": services, "runningTasksCount": tasks });
    let described =
        json!({ "clusters": [of("b", "ACTIVE", 2, 5), of("a", "ACTIVE", 0, 0), of("gone", "INACTIVE", 0, 0)] });
    let pages = || vec![page(&["b"], Some("more")), page(&["a", "gone"], None)];
    let script = [("ListClusters", pages()), ("DescribeClusters", vec![Reply::json(200, described)])];
    let server = Scripted::script(script).await;
    let clusters = cloud(&server.url).await.clusters().await.unwrap();
    let told: Vec<_> = clusters.iter().map(|one| (one.name.as_str(), one.services, one.tasks)).collect();
    assert_eq!(told, [("a", Some(0), Some(0)), ("b", Some(2), Some(5))]);
    assert_eq!((server.count("ListClusters"), server.count("DescribeClusters")), (2, 1));

    let denied = Reply::error(400, "AccessDeniedException", "not authorized to perform: ecs:DescribeClusters");
    let script = [("ListClusters", vec![page(&["b", "a"], None)]), ("DescribeClusters", vec![denied])];
    let server = Scripted::script(script).await;
    let clusters = cloud(&server.url).await.clusters().await.unwrap();
    let told: Vec<_> = clusters.iter().map(|one| (one.name.as_str(), one.services)).collect();
    assert_eq!(told, [("a", None), ("b", None)]);
}

/// The one call that no SDK signs: for EC2, in the region, with what it sends.
#[tokio::test]
async fn the_zones_of_the_region_are_asked_for_with_a_signature() {
    let item = |name: &str, id: &str| format!("<item><zoneName>{name}</zoneName><zoneId>{id}</zoneId></item>");
    let zones = [item("eu-west-1a", "euw1-az3"), item("eu-west-1b", "euw1-az1")].concat();
    let answer = format!("<DescribeAvailabilityZonesResponse>{zones}</DescribeAvailabilityZonesResponse>");
    let denied =
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>";
    let replies = [Reply::Answer(200, answer), Reply::Answer(403, denied.into()), Reply::Answer(200, "<html>".into())];
    let server = Scripted::script([("DescribeAvailabilityZones", replies.to_vec())]).await;
    let cloud = cloud(&server.url).await;
    let zones = cloud.zones().await.unwrap();
    let told: Vec<_> = zones.iter().map(|zone| (zone.name.as_str(), zone.id.as_str())).collect();
    assert_eq!(told, [("eu-west-1a", "euw1-az3"), ("eu-west-1b", "euw1-az1")]);
    let request = server.requests("DescribeAvailabilityZones").remove(0);
    assert_eq!(request.body, "Action=DescribeAvailabilityZones&Version=2016-11-15");
    let signed = &request.headers["authorization"];
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=") && signed.contains("/ec2/aws4_request"), "{signed}");
    assert!(signed.contains("SignedHeaders=content-type;host;x-amz-date"), "{signed}");
    let failures = [cloud.zones().await.unwrap_err(), cloud.zones().await.unwrap_err()];
    assert_eq!(failures.map(|why| why.kind), [ErrorKind::Denied, ErrorKind::Garbled]);
    assert_eq!(cloud.calls(), 3);
}

/// What is a colleague's, what is AWS's own, and which of it is in effect.
#[tokio::test]
async fn the_shift_of_an_operator_is_told_from_those_of_aws() {
    let shift = |id: &str, kind: &str, applied: &str| {
        json!({ "zonalShiftId": id, "resourceIdentifier": "r", "awayFrom": "euw1-az1", "comment": "c\u{1b}[2J",
            "startTime": 1_800_000_000.0, "expiryTime": 1_800_003_600.0, "shiftType": kind, "appliedStatus": applied })
    };
    let resource = |shifts: Vec<serde_json::Value>| {
        let autoshift = json!({ "awayFrom": "euw1-az2", "appliedStatus": "NOT_APPLIED", "startTime": 1_800_000_000.0 });
        Reply::json(
            200,
            json!({ "appliedWeights": { "euw1-az1": 0.0, "euw1-az2": 1.0 }, "zonalShifts": shifts,
            "autoshifts": [autoshift] }),
        )
    };
    let practice = shift("p", "PRACTICE_RUN", "NOT_APPLIED");
    let replies = [
        resource(vec![practice.clone(), shift("s", "ZONAL_SHIFT", "APPLIED")]),
        resource(vec![practice]),
        Reply::error(404, "ResourceNotFoundException", "no"),
        Reply::error(403, "AccessDeniedException", "no"),
    ];
    let server = Scripted::script([("GetManagedResource", replies.to_vec())]).await;
    let cloud = cloud(&server.url).await;
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/lb/1";
    let found = cloud.shifts(arn).await.unwrap();
    let own = found.shift.clone().unwrap();
    assert_eq!((own.id.as_str(), own.applied, own.comment.as_str()), ("s", true, "c"));
    assert_eq!(own.until.duration_since(own.since).as_secs(), 3_600);
    assert_eq!((found.zones.len(), found.others.len()), (2, 2));
    assert_eq!(cloud.shifts(arn).await.unwrap().shift, None, "a practice run is nobody's");
    let kinds = [cloud.shifts(arn).await.unwrap_err().kind, cloud.shifts(arn).await.unwrap_err().kind];
    assert_eq!(kinds, [ErrorKind::NotFound, ErrorKind::Denied]);
    let path = &server.requests("GetManagedResource")[0].path;
    assert!(path.contains("loadbalancer%2Fapp%2Flb%2F1"), "{path}");
}
