//! Operations of others, announced as tags on the cluster: how they are read, and where they are told.

use std::process::{Command, Output, Stdio};

use crate::support::painted::{ALL, SMALL, body};
use crate::support::scripted::{Reply, Scripted};
use crate::support::{Console, at, fixtures, plans, pty, unreachable};
use quarterdeck::aws::{Access, AwsCloud, connect};
use quarterdeck::cloud::{CloudResult, ErrorKind, Services};
use quarterdeck::console::effect::Effect;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::screens::{Answer, Fetch};
use quarterdeck::core::error::CloudError;
use quarterdeck::core::operation::{About, Announced, Announcement};
use rstest::rstest;
use serde_json::{Value, json};

const ALICE: &str = "arn:aws:sts::123456789012:assumed-role/operator/alice";

fn announced(operation: &str, verb: &str, about: About, by: &str, seconds: i64) -> Announced {
    let (operation, verb, by) = (operation.to_owned(), verb.to_owned(), by.to_owned());
    Announced::Clear(Announcement { operation, verb, about, since: at(seconds), by })
}

fn two() -> Vec<Announced> {
    let bob = "arn:aws:iam::123456789012:user/bob";
    vec![
        announced("qd-20270115-072900-0000000b", "deploy", About::Environment, bob, -1_860),
        announced("qd-20270115-075800-0000000a", "restart", About::Server("time".into()), ALICE, -120),
    ]
}

fn denied() -> CloudError {
    CloudError::new(ErrorKind::Denied, "ecs:DescribeClusters", "access denied")
}

/// A console in whose environment this is announced.
fn console(announced: CloudResult<Vec<Announced>>) -> Console {
    let world = crate::support::World { announced: Some(announced), ..fixtures::world() };
    Console::with(world)
}

fn snap(name: &str, console: &Console, sizes: &[(u16, u16)]) {
    for size in sizes {
        insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), body(console, *size));
    }
}

fn shown(console: &Console) -> String {
    body(console, SMALL)
}

#[test]
fn fleet_tells_who_else_is_at_work() {
    let mut busy = console(Ok(two()));
    snap("fleet-others", &busy, ALL);
    snap("fleet-others-smallest", &busy, &[(40, 10)]);
    busy.keys("<enter>");
    assert!(shown(&busy).contains("alice restarts time"), "a drill-in keeps it: {}", shown(&busy));
    let mut trouble = fixtures::trouble();
    let unclear = Announced::Unclear { operation: "qd-9".into(), text: "later".into() };
    trouble.announced = Some(Ok(two().into_iter().chain([unclear]).collect()));
    snap("fleet-others-trouble", &Console::with(trouble), ALL);
}

#[test]
fn the_list_of_operations_names_those_of_others_with_their_ids() {
    let mut busy = console(Ok(two()));
    busy.keys("o");
    snap("operations-of-others", &busy, ALL);
    busy.keys("<esc>T");
    busy.planned(plans::scale());
    busy.keys("y<esc>o");
    snap("operations-and-others", &busy, &[SMALL]);
    busy.keys("jjj<enter>");
    assert!(shown(&busy).contains("scale time"), "others' cannot be opened: {}", shown(&busy));
}

#[test]
fn what_is_this_consoles_own_is_not_told_as_anothers() {
    let own = announced("op-scale", "scale", About::Server("time".into()), ALICE, -5);
    let mut console = console(Ok(vec![own]));
    assert!(shown(&console).contains("alice scales time for 5s"), "not known here: {}", shown(&console));
    console.keys("T");
    console.planned(plans::scale());
    console.keys("y<esc>");
    assert!(!shown(&console).contains("alice"), "{}", shown(&console));
    console.keys("o");
    assert!(!shown(&console).contains("of others"), "{}", shown(&console));
}

#[test]
fn that_they_could_not_be_read_is_told_once() {
    let mut gap = console(Err(denied()));
    snap("fleet-others-unread", &gap, &[SMALL]);
    gap.keys("o");
    assert!(shown(&gap).contains("not read: operations of others: ecs:DescribeClusters"), "{}", shown(&gap));
    let mut down = console(Ok(two()));
    down.world.down = Some(unreachable());
    down.tick(60);
    let text = shown(&down);
    assert!(text.contains("alice restarts time for 3m00s"), "the last good value stays: {text}");
    assert!(!text.contains("operations of others"), "that nothing answers is told by the fleet: {text}");
}

fn reads(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Fetch(Fetch::Announced, _))).count()
}

#[test]
fn they_are_read_every_ten_seconds_where_they_are_shown() {
    let mut console = Console::silent(fixtures::context());
    let first = console.tick(0);
    assert_eq!(reads(&first), 1, "{first:?}");
    let generation = first.iter().find_map(|effect| match effect {
        Effect::Fetch(Fetch::Announced, generation) => Some(*generation),
        _ => None,
    });
    console.send(Msg::Loaded(generation.unwrap(), Answer::Announced(Ok(two()))));
    assert_eq!((reads(&console.tick(9)), reads(&console.keys("4"))), (0, 0));
    assert_eq!(reads(&console.tick(10)), 0, "the list of clients does not show them");
    assert_eq!(reads(&console.keys("o")), 1, "the list of operations does, over any screen");
}

async fn cloud(url: &str) -> AwsCloud {
    let (region, endpoint) = (Some("eu-central-1".into()), Some(url.to_owned()));
    connect(&Access { region, endpoint, static_credentials: true, ..Access::default() }).await.unwrap()
}

const RESTART: &str = "2026-01-31T10:03:12Z restart server/time arn:aws:sts::123456789012:assumed-role/operator/alice";
const DEPLOY: &str = "2026-01-31T11:00:00Z deploy environment arn:aws:iam::123456789012:user/bob";

/// The tags of a cluster, some of them ours.
fn tags() -> Value {
    json!([
        { "key": "quarterdeck:operation:qd-2", "value": DEPLOY },
        { "key": "quarterdeck:environment", "value": "prod" },
        { "key": "quarterdeck:operation:qd-1", "value": RESTART },
        { "key": "team", "value": RESTART },
        { "key": "quarterdeck:operation:qd-3", "value": "\u{1b}[31mlater" },
        { "key": "without a value" },
    ])
}

fn cluster(tags: &Value) -> Reply {
    Reply::json(200, json!({ "clusters": [{ "clusterArn": "arn:c", "status": "ACTIVE", "tags": tags }] }))
}

#[tokio::test]
async fn our_tags_are_read_with_one_call_and_those_of_others_left_alone() {
    let server = Scripted::script([("DescribeClusters", vec![cluster(&tags())])]).await;
    let read = cloud(&server.url).await.announced("c").await.unwrap();
    let ids: Vec<&str> = read.iter().map(Announced::operation).collect();
    assert_eq!(ids, ["qd-1", "qd-2", "qd-3"]);
    let Announced::Clear(first) = &read[0] else { panic!("{read:?}") };
    assert_eq!((first.who(), &first.about, first.value().as_str()), ("alice", &About::Server("time".into()), RESTART));
    assert_eq!(read[2], Announced::Unclear { operation: "qd-3".into(), text: "later".into() });
    let sent: Value = serde_json::from_str(&server.requests("DescribeClusters")[0].body).unwrap();
    assert_eq!((sent, server.count("DescribeClusters")), (json!({ "clusters": ["c"], "include": ["TAGS"] }), 1));
}

#[rstest]
#[case::no_tags(cluster(&json!([])), Ok(0))]
#[case::no_cluster(Reply::json(200, json!({ "clusters": [], "failures": [{ "reason": "MISSING" }] })), Ok(0))]
#[case::deleted(Reply::json(200, json!({ "clusters": [{ "status": "INACTIVE", "tags": tags() }] })), Ok(0))]
#[case::no_such_call(Reply::error(400, "UnknownOperationException", "no"), Ok(0))]
#[case::denied(Reply::error(400, "AccessDeniedException", "no"), Err(ErrorKind::Denied))]
#[case::not_aws(Reply::Answer(200, "<html>".into()), Err(ErrorKind::Garbled))]
#[tokio::test]
async fn nothing_announced_is_not_the_same_as_not_read(#[case] reply: Reply, #[case] found: Result<usize, ErrorKind>) {
    let server = Scripted::script([("DescribeClusters", vec![reply])]).await;
    let read = cloud(&server.url).await.announced("c").await;
    assert_eq!(read.map(|all| all.len()).map_err(|error| error.kind), found);
}

const CALLER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn>\
    <Account>123456789012</Account><UserId>A</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>";
const PLATFORM: &str = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>\
    <StackName>quarterdeck-prod-platform</StackName><StackId>arn:platform</StackId>\
    <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>\
    <member><OutputKey>UserPoolId</OutputKey><OutputValue>pool</OutputValue></member>\
    </Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>";

/// An account with one server, in which DescribeClusters gets this reply.
async fn account(board: Reply) -> Scripted {
    let service = |name: &str| {
        json!({ "serviceName": name, "serviceArn": format!("arn:{name}"), "status": "ACTIVE", "desiredCount": 2,
            "runningCount": 2, "deployments": [{ "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": "" }] })
    };
    let services = json!({ "services": [service("time"), service("weather")] });
    Scripted::start(move |request| {
        let body = match request.call.as_str() {
            "DescribeClusters" => return board.clone(),
            "GetCallerIdentity" => return Reply::Answer(200, CALLER.into()),
            "DescribeStacks" => return Reply::Answer(200, PLATFORM.into()),
            "ListServices" => json!({ "serviceArns": ["arn:time", "arn:weather"] }),
            "DescribeServices" => services.clone(),
            "ListTasks" => json!({ "taskArns": [] }),
            "DescribeScalableTargets" => json!({ "ScalableTargets": [] }),
            "ListUserPoolClients" => json!({ "UserPoolClients": [] }),
            "ListSecrets" => json!({ "SecretList": [] }),
            _ => return Reply::error(400, "UnknownOperationException", "not in the script"),
        };
        Reply::json(200, body)
    })
    .await
}

/// `quarterdeck` in that account, on a machine whose audit knows the operation `qd-2`.
async fn run(board: Reply, args: &[&str]) -> Output {
    let server = account(board).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["--environment", "prod", "--region", "eu-central-1", "--endpoint-url", &server.url]).args(args);
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    let audit = home.path().join("state/quarterdeck");
    std::fs::create_dir_all(&audit).unwrap();
    let paused = json!({ "at": "2026-01-31T11:05:00Z", "operation": "qd-2", "entry": "paused", "reason": "left" });
    std::fs::write(audit.join("audit.jsonl"), format!("{paused}\n")).unwrap();
    command.envs(pty::homes(home.path())).current_dir(home.path()).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn denial() -> Reply {
    Reply::error(400, "AccessDeniedException", "access denied")
}

#[rstest]
#[case(&["status"])]
#[case(&["clients", "list"])]
#[tokio::test(flavor = "multi_thread")]
async fn documents_name_every_operation_and_whose_it_is(#[case] args: &[&str]) {
    let args = [args, &["--output", "json"]].concat();
    let output = run(cluster(&tags()), &args).await;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!([
        { "operation": "qd-1", "verb": "restart", "about": { "kind": "server", "name": "time" },
          "since": "2026-01-31T10:03:12Z", "by": ALICE, "own": false },
        { "operation": "qd-2", "verb": "deploy", "about": { "kind": "environment" },
          "since": "2026-01-31T11:00:00Z", "by": "arn:aws:iam::123456789012:user/bob", "own": true },
        { "operation": "qd-3", "not_understood": "later", "own": false },
    ]);
    // That this endpoint has no log is told, too.
    let gaps = |document: &Value| {
        let all = document["gaps"].as_array().unwrap().iter().filter(|gap| gap["part"] != "traffic");
        all.cloned().collect::<Vec<_>>()
    };
    assert_eq!((&document["operations"], gaps(&document)), (&expected, Vec::new()));
    let document: Value = serde_json::from_slice(&run(denial(), &args).await.stdout).unwrap();
    let why = "ecs:DescribeClusters: access denied (AccessDeniedException)";
    assert_eq!(document["operations"], json!({ "not_read": why }));
    assert_eq!(gaps(&document), [json!({ "part": "operations", "why": why })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_has_a_line_for_each() {
    let output = run(cluster(&tags()), &["status"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("operation ")).collect();
    assert!(lines[0].starts_with("operation qd-1: alice restarts time for "), "{text}");
    assert!(lines[1].starts_with("operation qd-2: bob deploys prod for "), "{text}");
    assert!(lines[1].ends_with(", unfinished?, from this machine"), "{text}");
    assert!(lines.len() == 3 && lines[2].contains("qd-3: \"later\" is not understood"), "{text}");
    let output = run(cluster(&tags()), &["clients", "list"]).await;
    let (table, beside) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!table.contains("alice") && beside.contains("operation qd-1: alice restarts time for "), "{beside}");
    for args in [&["status"][..], &["clients", "list"]] {
        let output = run(denial(), args).await;
        let beside = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && beside.contains("warning: operations of others: ecs:Desc"), "{beside}");
    }
}

#[rstest]
#[case::the_same_server("time", cluster(&tags()), &["alice restarts time (qd-1, since 2026-01-31T10:03:12Z)", "somebody works on qd-3"], &["bob"])]
#[case::another_server("weather", cluster(&tags()), &["somebody works on qd-3"], &["alice", "bob"])]
#[case::nobody("time", cluster(&json!([])), &[], &["alice", "bob", "somebody", "whether others"])]
#[case::not_read("time", denial(), &["whether others work on this was not read: ecs:DescribeClusters: access denied"], &["alice"])]
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_warns_of_others_and_is_made_all_the_same(
    #[case] server: &str,
    #[case] board: Reply,
    #[case] warned: &[&str],
    #[case] silent: &[&str],
) {
    let output = run(board, &["restart", server]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&format!("restart {server}\n")), "there is a plan: {told}");
    for words in warned {
        assert!(told.contains(&format!("warning: {words}")), "{words}: {told}");
    }
    for words in silent {
        assert!(!told.contains(words), "{words}: {told}");
    }
}
