//! A part that cannot be read: what the command line, the screens and the promises make of it. It is
//! never taken for none, for zero or for gone.

use std::process::{Command, Output, Stdio};

use crate::support::fixtures::{self, tasks, unread};
use crate::support::painted::{MIDDLE, screen};
use crate::support::scripted::{Reply, Scripted};
use crate::support::{Console, World, pty};
use quarterdeck::core::client::Client;
use quarterdeck::core::fleet::{Bounds, Server, TaskStatus};
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

async fn document(denied: &'static [&'static str], args: &[&str]) -> Value {
    let output = run(&account(denied).await, &[args, &["--output", "json"]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
    let status = document(denied, &["status"]).await;
    let server = &status["servers"][0];
    assert_eq!((&server["tasks"], &server["autoscaling"], &status["gaps"]), (&tasks, &autoscaling, &gaps));
    assert_eq!((&server["running"], &server["targets"]), (&json!(2), &Value::Null), "it has no target group");
}

#[rstest]
#[case::nothing_denied(&[], json!(true), json!([{ "id": "c1--1", "created_at": null }]), Value::Null)]
#[case::what_it_is(&["DescribeUserPoolClient"], Value::Null,
    json!({ "not_read": "cognito-idp:DescribeUserPoolClient: access denied (AccessDeniedException)" }), Value::Null)]
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
    let list = document(denied, &["clients", "list"]).await;
    let client = &list["clients"][0];
    assert_eq!(
        (&client["confidential"], &client["secrets"], &client["stored_in"]),
        (&confidential, &secrets, &stored_in)
    );
    assert_eq!(list["gaps"].as_array().unwrap().len(), denied.len(), "{list}");
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

fn stopped(mut server: Server) -> Server {
    tasks(&mut server)[1].last_status = TaskStatus::Stopped;
    server
}

fn no_tasks(mut server: Server) -> Server {
    tasks(&mut server).clear();
    server
}

#[rstest]
#[case::runs(fixtures::server("time", 2), CheckState::Pending("running".into()))]
#[case::has_stopped(stopped(fixtures::server("time", 2)), CheckState::Holds("stopped".into()))]
#[case::is_gone(no_tasks(fixtures::server("time", 2)), CheckState::Holds("gone".into()))]
#[case::not_read(Server { tasks: unread("ecs:ListTasks"), ..fixtures::server("time", 2) },
    CheckState::Pending("tasks not read: ecs:ListTasks: access denied".into()))]
fn a_task_is_gone_only_from_a_list_that_was_read(#[case] server: Server, #[case] expected: CheckState) {
    let task = fixtures::task("time", 1).arn;
    let mut fleet = fixtures::world().fleet;
    fleet.servers = vec![server];
    assert_eq!(task_stopped(&fleet, &task), expected);
}

#[rstest]
#[case::as_promised(Read::Known(Some(Bounds { min: 1, max: 4 })), CheckState::Holds("1..4".into()))]
#[case::not_yet(Read::Known(Some(Bounds { min: 1, max: 2 })), CheckState::Pending("they read 1..2".into()))]
#[case::none(Read::Known(None), CheckState::Failed("the service has no autoscaling".into()))]
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
        targets: unread("elasticloadbalancing:DescribeTargetHealth"),
        bounds: unread("application-autoscaling:DescribeScalableTargets"),
        logs: unread("ecs:DescribeTaskDefinition"),
        ..one
    };
    world.fleet.servers = vec![docs, Server { targets: Read::Known(None), bounds: Read::Known(None), ..other }];
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

#[test]
fn a_client_of_no_known_kind_is_not_called_public() {
    let mut console = Console::with(world());
    console.keys("4O");
    assert!(!console.toast().contains("public"), "{}", console.toast());
    console.keys("<esc>jO");
    assert!(console.toast().contains("is public"), "{}", console.toast());
}
