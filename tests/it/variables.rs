//! Secret variables of a server: set by several operators at once and by one who is cut off. No value is lost,
//! none is overwritten, and none is in anything that is written here.

use std::sync::Arc;

use crate::support::operators::Desk;
use crate::support::world::{Secret, Setup, World};
use quarterdeck::core::environment::Environment;
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Operation, Phase, PlanRequest, Standing, Way};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::{Value, json};

const SECRET: &str = "quarterdeck/prod/time/app";
const VALUE: &str = "hunter2-which-nobody-sees";

/// An AWS where `time` has a Secret for its variables, with one in it.
fn world() -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    let version = "0".repeat(32);
    let secret = Secret {
        versions: [(version.clone(), json!({ "OLD": "kept" }).to_string())].into(),
        labels: [("AWSCURRENT".to_owned(), version)].into(),
        complete: true,
    };
    world.state().secrets.insert(SECRET.into(), secret);
    world
}

fn set(key: &str) -> PlanRequest {
    PlanRequest::SetSecret { server: "time".into(), key: key.into() }
}

fn current(world: &World) -> Value {
    world.state().secrets[SECRET].current().unwrap()
}

/// Plans, holds the value, agrees, and goes on to the end.
async fn whole(desk: &Desk, key: &str) -> Operation {
    let running = desk.propose(set(key)).await;
    desk.session.cloud.hold(running.operation.id(), SecretString::from(VALUE));
    desk.rest(running.yes()).await
}

fn failure(operation: &Operation) -> String {
    let Phase::Ended(Outcome::Failed { reason, .. }) = &operation.phase else { panic!("{:?}", operation.phase) };
    reason.clone()
}

#[tokio::test]
async fn a_variable_is_set_beside_the_others_and_its_value_is_written_nowhere_else() {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let done = whole(&alice, "API_KEY").await;
    assert_eq!(done.phase, Phase::Ended(Outcome::Done));
    assert_eq!(current(&world), json!({ "OLD": "kept", "API_KEY": VALUE }));
    let variables = alice.session.cloud.variables(SECRET).await.unwrap();
    assert_eq!(variables.keys, ["API_KEY", "OLD"]);
    let audit = std::fs::read_to_string(alice.session.audit.path()).unwrap();
    assert!(audit.contains("API_KEY") && audit.contains("set-secret"), "{audit}");
    for text in [audit, format!("{done:?}"), format!("{variables:?}"), serde_json::to_string(&done.plan).unwrap()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    // Another value takes its place, and the plan says that there is one.
    let again = alice.plan(set("API_KEY")).await.unwrap();
    assert_eq!(again.changes[0].before.as_deref(), Some("set"));
}

/// Of two who planned at the same time, the second overwrites nothing of the first.
#[tokio::test]
async fn a_secret_that_somebody_has_changed_since_the_plan_is_left_alone() {
    let world = world();
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let late = bob.propose(set("LATE")).await;
    bob.session.cloud.hold(late.operation.id(), SecretString::from(VALUE));
    assert_eq!(whole(&alice, "FIRST").await.phase, Phase::Ended(Outcome::Done));
    let reason = failure(&bob.rest(late.yes()).await);
    assert!(reason.contains("somebody has changed") && reason.contains("plan it again"), "{reason}");
    assert_eq!(current(&world), json!({ "OLD": "kept", "FIRST": VALUE }));
}

/// The move names the version that the plan saw, so what arrives late moves nothing.
#[tokio::test]
async fn a_move_that_is_under_way_while_somebody_else_publishes_fails() {
    let world = world();
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let late = bob.propose(set("LATE")).await;
    bob.session.cloud.hold(late.operation.id(), SecretString::from(VALUE));
    let flight = bob.on_its_way(late.yes(), "set LATE", "UpdateSecretVersionStage").await;
    assert_eq!(whole(&alice, "FIRST").await.phase, Phase::Ended(Outcome::Done));
    let reason = failure(&bob.arrives(flight).await);
    assert!(reason.contains("somebody has changed"), "{reason}");
    assert_eq!(current(&world), json!({ "OLD": "kept", "FIRST": VALUE }));
}

/// The value is in the memory of the process that began it alone.
#[tokio::test]
async fn an_operation_whose_process_is_gone_before_it_wrote_says_that_the_value_is_gone() {
    let world = world();
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(set("API_KEY")).await;
    alice.session.cloud.hold(running.operation.id(), SecretString::from(VALUE));
    let id = alice.killed_before(running.yes(), "set API_KEY").await;
    // Its call may have been on its way, so it is offered; it then finds that there is nothing to go on with.
    let later = alice.beside().await;
    let resumed = later.offer(&id, Way::Resume).await.yes();
    let reason = failure(&later.rest(resumed).await);
    assert!(reason.contains("in the memory of the process") && reason.contains("set it again"), "{reason}");
    assert_eq!(current(&world), json!({ "OLD": "kept" }));
}

#[tokio::test]
async fn an_operation_that_was_cut_off_after_it_wrote_goes_on_without_the_value() {
    let world = world();
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(set("API_KEY")).await;
    alice.session.cloud.hold(running.operation.id(), SecretString::from(VALUE));
    let id = alice.killed_after(running.yes(), "set API_KEY").await;
    let left = alice.left(&id).await;
    assert_eq!(alice.standing(&left).await, Standing::Resumable);
    let resumed = alice.offer(&id, Way::Resume).await.yes();
    assert_eq!(alice.rest(resumed).await.phase, Phase::Ended(Outcome::Done));
    assert_eq!(current(&world), json!({ "OLD": "kept", "API_KEY": VALUE }));
}

fn unset(key: &str) -> PlanRequest {
    PlanRequest::UnsetSecret { server: "time".into(), key: key.into() }
}

/// Whatever step it is killed before or after: it needs no value, and goes on.
#[rstest]
#[tokio::test]
async fn a_variable_is_taken_away_and_the_others_stay(#[values(0, 1)] step: usize, #[values(true, false)] after: bool) {
    let world = world();
    let mut alice = Desk::new("alice", &world, 512).await;
    assert_eq!(whole(&alice, "API_KEY").await.phase, Phase::Ended(Outcome::Done));
    let running = alice.propose(unset("OLD")).await;
    assert_eq!(running.operation.plan.changes[0].after, None);
    let title = running.operation.steps()[step].title.clone();
    let id = match after {
        true => alice.killed_after(running.yes(), &title).await,
        false => alice.killed_before(running.yes(), &title).await,
    };
    let left = alice.left(&id).await;
    assert_eq!(alice.standing(&left).await, Standing::Resumable);
    let resumed = alice.offer(&id, Way::Resume).await.yes();
    assert_eq!(alice.rest(resumed).await.phase, Phase::Ended(Outcome::Done));
    assert_eq!(current(&world), json!({ "API_KEY": VALUE }));
    assert!(std::fs::read_to_string(alice.session.audit.path()).unwrap().contains(r#""unset":true"#));
    let refusal = alice.plan(unset("OLD")).await.unwrap_err();
    assert!(refusal.why().contains("OLD of time is not set"), "{refusal}");
}

/// What somebody has set since the plan is not taken away with the old version.
#[tokio::test]
async fn what_was_set_since_the_plan_is_not_taken_away() {
    let world = world();
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let late = bob.propose(unset("OLD")).await;
    assert_eq!(whole(&alice, "OLD").await.phase, Phase::Ended(Outcome::Done));
    let reason = failure(&bob.rest(late.yes()).await);
    assert!(reason.contains("somebody has changed"), "{reason}");
    assert_eq!(current(&world), json!({ "OLD": VALUE }));
}

#[rstest]
#[case("weather", "API_KEY", "no secret quarterdeck/prod/weather/app")]
#[case("time", "GANGWAY_APP", "set by gangway or ECS")]
#[case("time", "1ST", "no digit first")]
#[tokio::test]
async fn what_cannot_be_set_is_refused_in_the_plan(#[case] server: &str, #[case] key: &str, #[case] words: &str) {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let request = PlanRequest::SetSecret { server: server.into(), key: key.into() };
    let refusal = alice.plan(request).await.unwrap_err().to_string();
    assert!(refusal.contains(words), "{refusal}");
}

/// Somebody may have written anything into it. Of that nothing is repeated.
#[tokio::test]
async fn a_secret_that_is_no_object_is_not_overwritten_and_not_repeated() {
    let world = world();
    let version = "0".repeat(32);
    world.state().secrets.get_mut(SECRET).unwrap().versions.insert(version, "hunter2".into());
    let alice = Desk::new("alice", &world, 512).await;
    let refusal = alice.plan(set("API_KEY")).await.unwrap_err().to_string();
    assert!(refusal.contains("JSON") && !refusal.contains("hunter2"), "{refusal}");
}

/// ECS takes no name of a Secret, and finds out after minutes that there is none.
#[tokio::test]
async fn secrets_that_the_file_names_are_looked_up_by_the_plan() {
    let world = world();
    let mut alice = Desk::new("alice", &world, 512).await;
    let file = |place: &str| {
        let text = format!(
            "environment = 'prod'\nregion = 'eu-central-1'\n[platform]\ngangway_image = 'gangway:1'\n[[server]]\n\
             name = 'time'\nimage = 'acme/time:1'\n[server.app]\ntransport = 'stdio'\ncommand = ['time']\n\
             secrets = {{ API_KEY = '{place}' }}"
        );
        let environment: Environment = toml::from_str(&text).unwrap();
        environment.validate().unwrap();
        Some(Arc::new(environment))
    };
    alice.session.environment = file(&format!("{SECRET}:OLD"));
    let plan = alice.plan(PlanRequest::Deploy { servers: Vec::new() }).await.unwrap();
    let intent = serde_json::to_string(&plan.intent).unwrap();
    assert!(intent.contains("secret:quarterdeck/prod/time/app-AbCdEf:OLD::"), "{intent}");
    alice.session.environment = file("app/none");
    let refusal = alice.plan(PlanRequest::Deploy { servers: Vec::new() }).await.unwrap_err().to_string();
    assert!(refusal.contains("server.time.app.secrets.API_KEY") && refusal.contains("app/none"), "{refusal}");
}
