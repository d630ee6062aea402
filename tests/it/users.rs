//! People who sign in: signed out, disabled, enabled.

use std::process::{Command, Stdio};

use crate::support::operators::Desk;
use crate::support::pty;
use crate::support::scripted::{Reply, Scripted};
use crate::support::world::{Setup, User, World};
use quarterdeck::core::error::PlanError;
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::user::UserChange;
use quarterdeck::core::operation::{Phase, PlanRequest};
use rstest::rstest;
use serde_json::{Value, json};

fn world() -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time"], lag: 0 });
    world.state().users.insert("anna".into(), User::new("sub-1"));
    world
}

fn request(change: UserChange) -> PlanRequest {
    PlanRequest::ChangeUser { user: "anna@example.com".into(), change }
}

fn written(world: &World) -> Vec<String> {
    let state = world.state();
    let calls = state.log.iter().filter_map(|line| line.strip_prefix("alice: Admin"));
    calls.map(str::to_owned).collect()
}

#[rstest]
#[case::sign_out(UserChange::SignOut, true, &["UserGlobalSignOut anna"])]
#[case::disable(UserChange::Disable, true, &["UserGlobalSignOut anna", "DisableUser anna"])]
#[case::enable(UserChange::Enable, false, &["EnableUser anna"])]
#[tokio::test]
async fn a_user_is_changed_as_was_agreed(#[case] change: UserChange, #[case] enabled: bool, #[case] calls: &[&str]) {
    let world = world();
    world.state().users.get_mut("anna").unwrap().enabled = enabled;
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request(change)).await;
    assert!(written(&world).is_empty(), "a plan changes nothing");
    let told = running.operation.plan.commands.iter().map(|command| command.split_whitespace().nth(2).unwrap());
    let told: Vec<String> = told.map(|call| call.replace("admin-", "").replace('-', "")).collect();
    let called = calls.iter().map(|call| call.split(' ').next().unwrap().to_lowercase());
    assert_eq!(told, called.collect::<Vec<_>>(), "the commands of the plan are all that it does");
    let ended = alice.agree(running).await;
    assert_eq!(ended.phase, Phase::Ended(Outcome::Done));
    assert_eq!(written(&world), calls);
    let user = world.state().users["anna"].clone();
    assert_eq!((user.enabled, user.refreshes), (change != UserChange::Disable, change == UserChange::Enable));
    alice.check();
}

#[tokio::test]
async fn a_plan_tells_how_long_what_was_given_out_goes_on_working() {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(request(UserChange::SignOut)).await.unwrap();
    assert!(plan.warnings[0].contains("until they end: at most 1h00m from now"), "{:?}", plan.warnings);
    let plan = alice.plan(request(UserChange::Enable)).await;
    assert!(matches!(&plan, Err(PlanError::Already(how)) if how.contains("may sign in already")), "{plan:?}");
}

/// Somebody has deleted the user since, and made another one of that name, or none.
#[rstest]
#[case::another(Some("sub-2"))]
#[case::nobody(None)]
#[tokio::test]
async fn nobody_else_is_changed_than_the_one_that_the_plan_showed(#[case] now: Option<&str>) {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request(UserChange::Disable)).await;
    world.state().users.remove("anna");
    world.state().users.extend(now.map(|subject| ("anna".to_owned(), User::new(subject))));
    let ended = alice.agree(running).await;
    assert!(!matches!(ended.phase, Phase::Ended(Outcome::Done)), "{:?}", ended.phase);
    assert_eq!(written(&world), Vec::<String>::new());
}

fn run(users: Value, args: &[&str]) -> (i32, String, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = tempfile::tempdir().unwrap();
    let server = runtime.block_on(Scripted::start(move |request| match request.call.as_str() {
        "ListUsers" => Reply::json(200, users.clone()),
        "DescribeStacks" => Reply::Answer(
            200,
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>\
            <StackName>quarterdeck-prod-platform</StackName><StackId>arn:s</StackId>\
            <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
            <Outputs><member><OutputKey>UserPoolId</OutputKey><OutputValue>pool</OutputValue></member></Outputs>\
            </member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
                .into(),
        ),
        _ => Reply::error(400, "UnknownOperationException", "not in the script"),
    }));
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["-e", "prod", "--region", "eu-west-1", "--endpoint-url", &server.url, "users", "list"]).args(args);
    command.current_dir(home.path()).stdin(Stdio::null());
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    let done = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[test]
fn users_are_listed_and_a_pool_that_has_more_says_so() {
    let user = |name: &str, enabled: bool| {
        json!({ "Username": name, "Enabled": enabled, "UserStatus": "CONFIRMED",
            "Attributes": [{ "Name": "sub", "Value": name }, { "Name": "email", "Value": format!("{name}\u{1b}[31m@x.org") }] })
    };
    let few = json!({ "Users": [user("b", false), user("a", true)] });
    let (code, text, err) = run(few.clone(), &[]);
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["a@x.org", "CONFIRMED", "yes", "-", "a"], ["b@x.org", "CONFIRMED", "no", "-", "b"]], "{err}");
    assert_eq!((code, err.contains("more")), (0, false), "{err}");
    let (_, text, _) = run(few, &["--output", "json"]);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&document["users"][1]["enabled"], &document["more"]), (&json!(false), &json!(false)));
    let (_, _, err) = run(json!({ "Users": [user("a", true)], "PaginationToken": "t" }), &[]);
    assert!(err.contains("these are 10 of more"), "{err}");
}
