//! A part that cannot be read: what the command line, the screens and the promises make of it. It is
//! never taken for none, for zero or for gone.

use std::process::{Command, Output, Stdio};

use crate::support::fixtures::{self, unread};
use crate::support::painted::{MIDDLE, screen};
use crate::support::scripted::{Reply, Scripted};
use crate::support::{Console, World, pty};
use quarterdeck::core::client::Client;
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::fleet::{Bounds, Server, TargetGroup, Task, TaskStatus, Unreadable};
use quarterdeck::core::operation::CheckState;
use quarterdeck::core::operation::verify::{bounds_are, settled, task_stopped};
use quarterdeck::core::stack::{Stack, StackStatus};
use quarterdeck::core::unread::Read;
use rstest::rstest;
use serde_json::{Value, json};

const DENIED: &str = "access denied";

/// An account with one server and one machine client, in which some calls are denied.
async fn account(denied: &'static [&'static str]) -> Scripted {
    Scripted::start(move |request| match request.call.as_str() {
        call if denied.contains(&call) => Reply::error(400, "AccessDeniedException", DENIED),
        call => answer(call),
    })
    .await
}

fn answer(call: &str) -> Reply {
    let body = match call {
        "ListServices" => json!({ "serviceArns": ["arn:time"] }),
        "DescribeServices" => json!({ "services": [{
            "serviceName": "time", "status": "ACTIVE", "desiredCount": 2, "runningCount": 2, "deployments": [],
        }] }),
        "ListTasks" => json!({ "taskArns": [] }),
        "DescribeScalableTargets" => json!({ "ScalableTargets": [] }),
        "ListUserPoolClients" => {
            json!({ "UserPoolClients": [{ "ClientId": "c1", "ClientName": "prod-time-machine" }] })
        }
        "DescribeUserPoolClient" => json!({ "UserPoolClient": {
            "ClientId": "c1", "ClientName": "prod-time-machine", "ClientSecret": "hush",
        } }),
        "ListUserPoolClientSecrets" => json!({ "ClientSecrets": [{ "ClientSecretId": "c1--1" }] }),
        "ListSecrets" => json!({ "SecretList": [] }),
        "DescribeStacks" => return Reply::Answer(200, PLATFORM.into()),
        _ => return Reply::error(400, "UnknownOperationException", "not in the script"),
    };
    Reply::json(200, body)
}

const PLATFORM: &str = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>\
    <StackName>quarterdeck-prod-platform</StackName><StackId>arn:platform</StackId>\
    <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>\
    <member><OutputKey>UserPoolId</OutputKey><OutputValue>pool</OutputValue></member>\
    <member><OutputKey>TokenEndpoint</OutputKey><OutputValue>https://auth.example.com</OutputValue></member>\
    </Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>";

/// `quarterdeck` in that account.
async fn run(server: &Scripted, args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["--environment", "prod", "--region", "eu-central-1", "--endpoint-url", &server.url]).args(args);
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).current_dir(home.path()).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

async fn document(denied: &'static [&'static str], args: &[&str], code: i32) -> Value {
    let output = run(&account(denied).await, &[args, &["--output", "json"]].concat()).await;
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[rstest]
#[case::nothing_denied(&[], json!([]), Value::Null, json!([]))]
#[case::tasks(&["ListTasks"], json!({ "not_read": "ecs:ListTasks: access denied (AccessDeniedException)" }), Value::Null,
    json!([{ "part": "tasks", "why": "ecs:ListTasks: access denied (AccessDeniedException)" }]))]
#[case::bounds(&["DescribeScalableTargets"], json!([]),
    json!({ "not_read": "application-autoscaling:DescribeScalableTargets: access denied (AccessDeniedException)" }),
    json!([{ "part": "bounds", "why": "application-autoscaling:DescribeScalableTargets: access denied (AccessDeniedException)" }]))]
#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_was_not_read(
    #[case] denied: &'static [&'static str],
    #[case] tasks: Value,
    #[case] autoscaling: Value,
    #[case] gaps: Value,
) {
    let mut status = document(denied, &["status"], 0).await;
    // The script has no log.
    status["gaps"].as_array_mut().unwrap().retain(|gap| gap["part"] != "traffic");
    let server = &status["servers"][0];
    assert_eq!((&server["tasks"], &server["autoscaling"], &status["gaps"]), (&tasks, &autoscaling, &gaps));
    assert_eq!((&server["running"], &server["targets"]), (&json!(2), &Value::Null), "it has no target group");
}

#[rstest]
#[case::nothing_denied(&[], json!(true), json!([{ "id": "c1--1", "created_at": null }]), Value::Null)]
#[case::what_it_is(&["DescribeUserPoolClient"], Value::Null,
    json!({ "not_read": "cognito-idp:DescribeUserPoolClient: AccessDeniedException" }), Value::Null)]
#[case::its_secrets(&["ListUserPoolClientSecrets"], json!(true),
    json!({ "not_read": "cognito-idp:ListUserPoolClientSecrets: access denied (AccessDeniedException)" }), Value::Null)]
#[case::where_it_is_stored(&["ListSecrets"], json!(true), json!([{ "id": "c1--1", "created_at": null }]),
    json!({ "not_read": "secretsmanager:ListSecrets: access denied (AccessDeniedException)" }))]
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_clients_tells_it_too(
    #[case] denied: &'static [&'static str],
    #[case] confidential: Value,
    #[case] secrets: Value,
    #[case] stored_in: Value,
) {
    let list = document(denied, &["clients", "list"], i32::from(!denied.is_empty())).await;
    let client = &list["clients"][0];
    assert_eq!(
        (&client["confidential"], &client["secrets"], &client["stored_in"]),
        (&confidential, &secrets, &stored_in)
    );
    assert_eq!(list["gaps"].as_array().unwrap().len(), denied.len(), "{list}");
}

/// Each client is a gap of its own, and none is taken for public.
#[rstest]
#[case::throttled("ThrottlingException")]
#[case::too_many("TooManyRequestsException")]
#[case::denied("AccessDeniedException")]
#[case::failing("InternalErrorException")]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_described_is_no_public_one(#[case] code: &'static str) {
    let clients = json!([{ "ClientId": "c1", "ClientName": "prod-time-machine" }, { "ClientId": "c2", "ClientName": "prod-docs-machine" }]);
    let server = Scripted::start(move |request| match request.call.as_str() {
        "ListUserPoolClients" => Reply::json(200, json!({ "UserPoolClients": clients })),
        "DescribeUserPoolClient" if request.body.contains("c1") => Reply::error(400, code, "no"),
        "DescribeUserPoolClient" => Reply::json(
            200,
            json!({ "UserPoolClient": {
            "ClientId": "c2", "ClientName": "prod-docs-machine", "ClientSecret": "hush" } }),
        ),
        call => answer(call),
    })
    .await;
    let listed = run(&server, &["clients", "list", "--output", "json"]).await;
    let list: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let of = |id: &str| list["clients"].as_array().unwrap().iter().find(|client| client["id"] == id).unwrap().clone();
    assert_eq!((of("c1")["confidential"].clone(), of("c2")["confidential"].clone()), (Value::Null, json!(true)));
    assert_eq!((listed.status.code(), list["gaps"].as_array().unwrap().len()), (Some(1), 1), "{list}");
    let text = run(&server, &["clients", "list"]).await;
    assert!(String::from_utf8_lossy(&text.stdout).contains("prod-time-machine            ?"));
    let refused = run(&server, ROTATE).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("could not be read") && !told.contains("public"), "{told}");
}

/// Who may not read the values of Secrets sees the clients, where their credentials lie, and no gap.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_clients_takes_no_right_to_read_secrets() {
    let server = Scripted::start(move |request| match request.call.as_str() {
        "GetSecretValue" | "DescribeSecret" => Reply::error(400, "AccessDeniedException", DENIED),
        "ListSecrets" => {
            Reply::json(200, json!({ "SecretList": [{ "Name": "quarterdeck/prod/time/machine-client" }] }))
        }
        call => answer(call),
    })
    .await;
    let listed = run(&server, &["clients", "list", "--output", "json"]).await;
    let list: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(list["clients"][0]["stored_in"]["name"], "quarterdeck/prod/time/machine-client");
    assert_eq!((&list["clients"][0]["in_force"], &list["gaps"]), (&json!(true), &json!([])));
    assert_eq!((listed.status.code(), server.count("GetSecretValue")), (Some(0), 0));
}

/// A Secret belongs to the client that its tag or its description names, whatever it is called.
#[rstest]
#[case::tag(json!({ "Tags": [{ "Key": "quarterdeck:client", "Value": "c1" }] }))]
#[case::description(json!({ "Description": "Credentials of client c1" }))]
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_belongs_to_the_client_that_it_names(#[case] mut entry: Value) {
    entry["Name"] = json!("quarterdeck/prod/credentials-of-time");
    let server = Scripted::start(move |request| match request.call.as_str() {
        "ListSecrets" => Reply::json(200, json!({ "SecretList": [entry] })),
        call => answer(call),
    })
    .await;
    let listed = run(&server, &["clients", "list", "--output", "json"]).await;
    let list: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(list["clients"][0]["stored_in"]["current_client"], "c1", "{list}");
}

#[rstest]
#[case::in_words(&["status", "time"], &["ListTasks"], "    tasks not read: ecs:ListTasks: access denied")]
#[case::no_group_and_no_rollout(&["status"], &[], "2/2         -  ")]
#[case::a_client(&["clients", "list"], &["DescribeUserPoolClient", "ListSecrets"], "?        c1                           ?        ?")]
#[tokio::test(flavor = "multi_thread")]
async fn text_has_a_mark_for_each(
    #[case] args: &[&str],
    #[case] denied: &'static [&'static str],
    #[case] expected: &str,
) {
    let output = run(&account(denied).await, args).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(expected), "{text}");
}

const SCALE: &[&str] = &["scale", "time", "--min", "1", "--max", "4"];
const ROTATE: &[&str] = &["clients", "rotate", "prod-time-machine"];

#[rstest]
#[case::no_autoscaling(SCALE, &[], "time has no autoscaling")]
#[case::bounds(SCALE, &["DescribeScalableTargets"], "the autoscaling bounds of time could not be read")]
#[case::one_bound(&["scale", "time", "--min", "1"], &["DescribeScalableTargets"], "DescribeScalableTargets: access denied")]
#[case::tasks(&["stop", "0123"], &["ListTasks"], "tasks could not be read: ecs:ListTasks: access denied")]
#[case::no_such_task(&["stop", "0123"], &[], "no running task")]
#[case::what_it_is(ROTATE, &["DescribeUserPoolClient"], "the details of client prod-time-machine could not be read")]
#[case::its_secrets(ROTATE, &["ListUserPoolClientSecrets"], "the secrets of client prod-time-machine could not be read")]
#[case::where_it_is_stored(ROTATE, &["ListSecrets"], "the stored secret of client prod-time-machine could not be read")]
#[case::not_stored(ROTATE, &[], "no secret in Secrets Manager holds")]
#[case::its_token(&["clients", "token", "c1"], &["ListSecrets"], "the stored secret of client prod-time-machine could not be read")]
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_refused_with_the_true_reason(
    #[case] args: &[&str],
    #[case] denied: &'static [&'static str],
    #[case] why: &str,
) {
    let output = run(&account(denied).await, args).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains(why), "{told}");
}

#[rstest]
#[case::runs(Some(fixtures::task("time", 1)), CheckState::Pending("running".into()))]
#[case::has_stopped(Some(Task { last_status: TaskStatus::Stopped, ..fixtures::task("time", 1) }), CheckState::Holds("stopped".into()))]
#[case::is_forgotten(None, CheckState::Holds("gone".into()))]
fn a_task_has_stopped_when_ecs_says_so_of_it(#[case] task: Option<Task>, #[case] expected: CheckState) {
    assert_eq!(task_stopped(task.as_ref()), expected);
}

#[rstest]
#[case::as_promised(Read::Known(Some(Bounds { min: 1, max: 4 })), CheckState::Holds("1..4".into()))]
#[case::not_yet(Read::Known(Some(Bounds { min: 1, max: 2 })), CheckState::Pending("they read 1..2".into()))]
#[case::none(Read::Known(None), CheckState::Doubtful("the service has no autoscaling".into()))]
#[case::not_read(unread("a:B"), CheckState::Pending("autoscaling bounds not read: a:B: access denied".into()))]
fn bounds_hold_only_if_they_were_read(#[case] bounds: Read<Option<Bounds>>, #[case] expected: CheckState) {
    let server = Server { bounds, ..fixtures::server("time", 2) };
    assert_eq!(bounds_are(&server, Bounds { min: 1, max: 4 }), expected);
}

#[rstest]
#[case::on_its_way(
    "UPDATE_IN_PROGRESS",
    CheckState::Pending("UPDATE_IN_PROGRESS, resources not read: a:B: access denied".into())
)]
#[case::failed(
    "UPDATE_ROLLBACK_COMPLETE",
    CheckState::Failed("UPDATE_ROLLBACK_COMPLETE: events not read: a:B: access denied".into())
)]
#[case::settled("UPDATE_COMPLETE", CheckState::Holds("UPDATE_COMPLETE".into()))]
fn a_stack_of_which_no_resource_was_read_has_not_none(#[case] status: &str, #[case] expected: CheckState) {
    let stack = Stack { status: StackStatus(status.into()), reason: None, ..fixtures::world().stacks.remove(0) };
    assert_eq!(settled(Some(&stack), &unread("a:B"), None), expected);
}

/// Nothing was read of the first server or client that has a call of its own.
fn world() -> World {
    let mut world = fixtures::world();
    let (one, other) = (fixtures::server("docs", 2), fixtures::server("time", 2));
    let docs = Server {
        tasks: unread("ecs:ListTasks"),
        balancers: vec![fixtures::balancer([TargetGroup {
            name: "docs".into(),
            targets: unread("elasticloadbalancing:DescribeTargetHealth"),
            check: None,
        }])],
        bounds: unread("application-autoscaling:DescribeScalableTargets"),
        logs: unread("ecs:DescribeTaskDefinition"),
        ..one
    };
    world.fleet.servers = vec![docs, Server { balancers: Vec::new(), bounds: Read::Known(None), ..other }];
    let machine = &mut world.clients.clients[0];
    *machine = Client {
        details: unread("cognito-idp:DescribeUserPoolClient"),
        secrets: unread("cognito-idp:DescribeUserPoolClient"),
        stored_in: unread("secretsmanager:ListSecrets"),
        ..machine.clone()
    };
    world
}

#[rstest]
#[case::fleet("", "fleet-unread")]
#[case::tasks("<enter>", "tasks-unread")]
#[case::described("d", "server-unread")]
#[case::scale("S", "scale-unread")]
#[case::clients("4", "clients-unread")]
#[case::client_described("4d", "client-unread")]
fn the_screens_show_what_was_not_read(#[case] keys: &str, #[case] name: &str) {
    let mut console = Console::with(world());
    console.keys(keys);
    // Without the header: its tabs are another test's.
    let shown = screen(&console, MIDDLE);
    let body: Vec<&str> = shown.lines().skip(2).collect();
    insta::assert_snapshot!(name, body.join("\n"));
}

/// A service that could not be read has a row, and what is not known of one server is told with that one alone.
#[test]
fn gaps_are_told_with_the_server_that_has_them() {
    let mut world = world();
    world
        .fleet
        .servers
        .iter_mut()
        .for_each(|server| (server.tasks, server.bounds) = (Read::Known(Vec::new()), Read::Known(None)));
    let why = CloudError::new(ErrorKind::Denied, "ecs:DescribeServices", "access denied");
    world.fleet.unreadable = vec![Unreadable { name: "zulu".into(), arn: "arn:zulu".into(), why }];
    let mut console = Console::with(world);
    let below = |console: &Console| screen(console, MIDDLE).split("findings of").nth(1).unwrap_or_default().to_owned();
    assert!(screen(&console, MIDDLE).contains("zulu    ? not read"), "{}", screen(&console, MIDDLE));
    let docs = below(&console);
    assert!(
        docs.contains("targets of docs") && docs.contains("log groups of docs") && !docs.contains("zulu"),
        "{docs}"
    );
    console.keys("j");
    let time = below(&console);
    assert!(!time.contains("not read"), "{time}");
    console.keys("j");
    let zulu = below(&console);
    assert!(zulu.contains("server zulu: ecs:DescribeServices: access denied") && !zulu.contains("docs"), "{zulu}");
}

#[test]
fn a_client_of_no_known_kind_is_not_called_public() {
    let mut console = Console::with(world());
    console.keys("4O");
    assert!(!console.toast().contains("public"), "{}", console.toast());
    console.keys("<esc>jO");
    assert!(console.toast().contains("is public"), "{}", console.toast());
}
