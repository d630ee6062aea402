//! Two task definitions of a server side by side: what is asked of ECS, what the command tells, and where the keys lead.

use std::process::{Command, Output, Stdio};

use crate::support::scripted::{Reply, Scripted};
use crate::support::{Console, at, fixtures, pty};
use quarterdeck::console::effect::Effect;
use quarterdeck::console::screens::revisions::view;
use quarterdeck::console::screens::{Screen, timeline};
use quarterdeck::core::fleet::{Against, DeploymentStatus, Rollout, Server};
use rstest::rstest;
use serde_json::{Value, json};

fn arn(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/time:{revision}")
}

/// What a revision sets: each has another image and another value of its variable, and each from the fifth more memory.
fn definition(revision: u32) -> Value {
    json!({ "taskDefinition": { "taskDefinitionArn": arn(revision), "family": "time", "revision": revision,
        "status": "ACTIVE", "registeredAt": 1.0 + f64::from(revision), "cpu": "256",
        "memory": if revision < 5 { "512" } else { "1024" }, "runtimePlatform": { "cpuArchitecture": "ARM64" },
        "containerDefinitions": [{ "name": "app", "image": format!("time:v{revision}"),
            "environment": [{ "name": "KEY", "value": format!("hunter{revision}") }] }] } })
}

/// A cluster whose server runs its sixth revision; the fourth is not there any more, and the first never was.
async fn account(replaces: Option<u32>) -> Scripted {
    let deployment = |id: &str, status: &str, revision: u32| {
        json!({ "id": id, "status": status, "taskDefinition": arn(revision), "desiredCount": 2, "runningCount": 2,
            "rolloutState": "IN_PROGRESS", "createdAt": 1.0 })
    };
    let mut deployments = vec![deployment("ecs-svc/2", "PRIMARY", 6)];
    deployments.extend(replaces.map(|revision| deployment("ecs-svc/1", "ACTIVE", revision)));
    Scripted::start(move |request| {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let reply = match request.call.as_str() {
            "DescribeServices" if body["services"][0] != "time" => json!({ "services": [], "failures": [] }),
            "DescribeServices" => json!({ "services": [{ "serviceName": "time", "status": "ACTIVE", "desiredCount": 2,
                "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/c/time", "runningCount": 2,
                "taskDefinition": arn(6), "deployments": deployments }] }),
            "ListServices" => json!({ "serviceArns": ["arn:aws:ecs:eu-west-1:123456789012:service/c/time"] }),
            "ListTasks" => json!({ "taskArns": [] }),
            "DescribeScalableTargets" => json!({ "ScalableTargets": [] }),
            "ListTaskDefinitions" => json!({ "taskDefinitionArns": [arn(6), arn(5), arn(3), arn(2)] }),
            "DescribeTaskDefinition" => {
                let revision = body["taskDefinition"].as_str().and_then(|one| one.rsplit(':').next()?.parse().ok());
                match revision.unwrap_or(0) {
                    revision @ 2..=6 => definition(revision),
                    _ => return Reply::error(400, "ClientException", "Unable to describe task definition."),
                }
            }
            _ => return Reply::error(400, "UnknownOperationException", "not in the script"),
        };
        Reply::json(200, reply)
    })
    .await
}

async fn run(replaces: Option<u32>, args: &[&str]) -> Output {
    let account = account(replaces).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["--cluster", "c", "--region", "eu-west-1", "--endpoint-url", &account.url, "revisions"]).args(args);
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).current_dir(home.path()).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect()
}

#[rstest]
#[case::the_one_before(None, &[], &[
    "time:5 of 1970-01-01T00:00:06Z -> time:6 of 1970-01-01T00:00:07Z: 2 settings differing",
    "app image: time:v5 -> time:v6",
    "app variable KEY: changed; its value is not shown",
])]
#[case::the_one_that_is_replaced(Some(3), &[], &[
    "time:3 of 1970-01-01T00:00:04Z -> time:6 of 1970-01-01T00:00:07Z: 3 settings differing",
    "memory: 512 MiB -> 1024 MiB",
    "app image: time:v3 -> time:v6",
    "app variable KEY: changed; its value is not shown",
])]
#[case::one_that_is_named(None, &["--against", "2"], &[
    "time:2 of 1970-01-01T00:00:03Z -> time:6 of 1970-01-01T00:00:07Z: 3 settings differing",
    "memory: 512 MiB -> 1024 MiB",
    "app image: time:v2 -> time:v6",
    "app variable KEY: changed; its value is not shown",
])]
#[tokio::test]
async fn the_command_tells_what_differs(#[case] replaces: Option<u32>, #[case] args: &[&str], #[case] told: &[&str]) {
    let output = run(replaces, &[&["time"], args].concat()).await;
    assert_eq!(lines(&output), told, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn as_json_every_setting_stands_on_both_sides_and_no_value_of_a_variable() {
    let output = run(None, &["time", "--output", "json"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("hunter"), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&document["before"]["revision"], &document["now"]["revision"]), (&json!(5), &json!(6)));
    let of = |name: &str| document["settings"].as_array().unwrap().iter().find(|one| one["setting"] == name).cloned();
    let (image, cpu) = (of("image").unwrap(), of("cpu").unwrap());
    assert_eq!(
        (&image["before"], &image["now"], &image["differs"]),
        (&json!("time:v5"), &json!("time:v6"), &json!(true))
    );
    assert_eq!((&cpu["container"], &cpu["now"], &cpu["differs"]), (&Value::Null, &json!("256 units"), &json!(false)));
    assert_eq!(of("variable KEY").unwrap()["now"], json!({ "hidden": true }));
}

#[rstest]
#[case::no_such_revision(&["time", "--against", "9"], "time has no such revision")]
#[case::no_such_server(&["clock"], "there is no server \"clock\"")]
#[tokio::test]
async fn what_is_not_there_is_not_found(#[case] args: &[&str], #[case] said: &str) {
    let output = run(None, args).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains(said), "{errors}");
}

/// A fleet in which `time` is being deployed: its sixth revision runs still.
fn deploying() -> Server {
    let mut server = fixtures::server("time", 2);
    let mut old = server.deployments[0].clone();
    server.deployments[0].rollout = Rollout::InProgress;
    (old.id, old.status) = ("ecs-svc/0".into(), DeploymentStatus::Active);
    old.task_definition = old.task_definition.replace(":7", ":3");
    server.deployments.push(old);
    server
}

#[test]
fn a_deployment_under_way_is_compared_with_the_one_that_it_replaces() {
    let asked = deploying().comparison();
    assert!(matches!(&asked.against, Some(Against::This(other)) if other.ends_with("time:3")), "{asked:?}");
    assert_eq!(fixtures::server("time", 2).comparison().against, None);
    let mut drained = deploying();
    (drained.deployments[1].running, drained.deployments[1].desired) = (0, 0);
    assert_eq!(drained.comparison().against, None, "nothing of it runs");
}

fn heads(console: &Console) -> Vec<String> {
    view(&console.model).columns.iter().skip(2).map(|column| column.title.to_string()).collect()
}

#[test]
fn the_steps_back_are_taken_and_returned() {
    let mut console = Console::new();
    console.keys("jv");
    assert_eq!(
        (console.model.screen, heads(&console)),
        (Screen::Revisions, vec!["REVISION 6".into(), "REVISION 7".into()])
    );
    let settings: Vec<String> = view(&console.model).rows.iter().map(|row| row.cells[0].text.clone()).collect();
    assert_eq!(settings, ["memory", "image", "variable GANGWAY_REQUEST_SECONDS", "variable GANGWAY_RESOURCE"]);
    console.keys("z");
    assert_eq!(view(&console.model).rows.len(), 8, "all of them");
    console.keys("[[");
    assert_eq!(heads(&console), ["REVISION 4", "REVISION 7"]);
    console.keys("]");
    assert_eq!(heads(&console), ["REVISION 5", "REVISION 7"]);
    console.keys("]]");
    assert_eq!(
        (heads(&console), console.toast().as_str()),
        (vec!["REVISION 6".into(), "REVISION 7".into()], "this is where it began")
    );
    console.keys("[[[[[[[");
    assert_eq!(console.toast(), "there is no revision before it");
}

#[test]
fn nothing_that_never_changes_is_read_again_and_again() {
    let mut console = Console::new();
    console.keys("jv");
    console.answers = false;
    let reads = |effects: Vec<Effect>| effects.iter().filter(|effect| matches!(effect, Effect::Fetch(..))).count();
    let again: usize = (1..600).map(|second| reads(console.tick(second))).sum();
    assert_eq!(again, 0);
}

#[test]
fn whoever_came_from_another_screen_goes_back_there() {
    let mut console = Console::new();
    console.keys("3");
    let stack = |console: &Console| quarterdeck::console::screens::stack::selected_server(&console.model);
    while stack(&console).is_none() {
        console.keys("j");
    }
    let server = stack(&console);
    console.keys("v");
    assert_eq!(console.model.screens.revisions.asked.as_ref().map(|asked| asked.server.clone()), server);
    console.keys("<esc>");
    assert_eq!(console.model.screen, Screen::Stack);
    console.keys("5");
    console.tick(1);
    let of =
        |console: &Console| timeline::selected(&console.model).and_then(|one| timeline::server_of(&console.model, one));
    for _ in 0..20 {
        if of(&console).is_some() {
            break;
        }
        console.keys("j");
    }
    assert!(of(&console).is_some(), "{:?}", at(0));
    console.keys("v<esc>");
    assert_eq!(console.model.screen, Screen::Timeline);
}
