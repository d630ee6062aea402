//! Every kind of operation, killed before and after each of its steps, and gone on with.

use std::future::Future;
use std::pin::Pin;

use crate::publish::equip;
use crate::support::engine::FILE;
use crate::support::operators::Desk;
use crate::support::world::{Setup, World};
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Operation, Phase, PlanRequest, Way};
use rstest::rstest;

const PLATFORM: &str = "quarterdeck-prod-platform";

fn setup(dual: bool) -> Setup {
    Setup { dual, servers: vec!["time", "weather"], lag: 1 }
}

fn done(operation: &Operation, killed: &str) {
    let title = &operation.plan.title;
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{title}, killed {killed}");
}

/// What comes before the operation: it may look at what is there, or run another one.
type Before = for<'a> fn(&'a mut Desk) -> Pin<Box<dyn Future<Output = PlanRequest> + 'a>>;

/// Kills an operation before and after each of its steps; after, it cannot be recorded any more. The step is
/// killed whole worlds apart, so that each kill is the only one.
async fn everywhere(world: impl Fn() -> World, before: Before, holds: impl Fn(&World)) {
    let steps: Vec<String> = {
        let world = world();
        let mut desk = Desk::new("alice", &world, 512).await;
        let request = before(&mut desk).await;
        desk.propose(request).await.operation.steps().iter().map(|step| step.title.clone()).collect()
    };
    let mut killed = 0;
    for (title, after) in steps.iter().flat_map(|title| [(title, false), (title, true)]) {
        let world = world();
        let mut alice = Desk::new("alice", &world, 512).await;
        let request = before(&mut alice).await;
        let running = alice.propose(request).await.yes();
        // A step that has nothing to do is skipped.
        let Some(running) = alice.until_if(running, title).await else { continue };
        let id = if after { alice.killed_after(running, title).await } else { alice.killed(running).await };
        let word = if after { "after" } else { "before" };
        done(&alice.agree(alice.offer(&id, Way::Resume).await.yes()).await, &format!("{word} {title:?}"));
        holds(&world);
        killed += 1;
    }
    assert!(killed >= 4, "only {killed} kills of {} steps", steps.len());
}

fn served(world: &World) {
    for server in ["time", "weather"] {
        assert_eq!(world.state().trouble(server), None);
    }
}

/// Everybody is served, and the client has one secret.
fn served_with_one_secret(world: &World) {
    served(world);
    assert_eq!(credentials(world), (1, 1));
}

/// The machine client of `time`: how many there are, and how many secrets they have.
fn credentials(world: &World) -> (usize, usize) {
    let state = world.state();
    let alike = || state.clients.values().filter(|client| client.name == "prod-time-machine");
    (alike().count(), alike().map(|client| client.secrets.len()).sum())
}

fn rotate(grace_seconds: i64) -> PlanRequest {
    PlanRequest::Rotate { client: "prod-time-machine".into(), grace_seconds }
}

#[tokio::test]
async fn a_first_deploy() {
    everywhere(
        || World::empty(setup(true)),
        |_| Box::pin(async { PlanRequest::Deploy { servers: vec!["time".into()] } }),
        |world| {
            let state = world.state();
            assert!(state.stacks.iter().any(|stack| stack.name == PLATFORM && stack.protected()));
            assert!(state.stacks.iter().all(|stack| stack.status.ends_with("_COMPLETE")));
            assert_eq!(state.trouble("time"), None);
        },
    )
    .await;
}

#[tokio::test]
async fn a_destroy() {
    let holds = |world: &World| assert!(world.state().stacks.is_empty());
    everywhere(|| World::deployed(setup(true)), |_| Box::pin(async { PlanRequest::Destroy }), holds).await;
}

/// Cognito tells the value of a client's first secret alone, and not of those that come after it.
#[rstest]
#[tokio::test]
async fn the_second_rotation_of_a_client(#[values(true, false)] dual: bool) {
    everywhere(
        move || World::deployed(setup(dual)),
        |desk| {
            Box::pin(async {
                done(&desk.agree(desk.propose(rotate(0)).await.yes()).await, "never");
                rotate(0)
            })
        },
        served_with_one_secret,
    )
    .await;
}

#[rstest]
#[tokio::test]
async fn an_undo(#[values(true, false)] dual: bool) {
    everywhere(
        move || World::deployed(setup(dual)),
        |desk| {
            Box::pin(async {
                let running = desk.propose(rotate(3_600)).await.yes();
                let id = desk.killed_before(running, "grace period").await;
                desk.undo(&desk.left(&id).await)
            })
        },
        served_with_one_secret,
    )
    .await;
}

#[tokio::test]
async fn a_publish() {
    everywhere(
        || World::deployed(setup(true)),
        |desk| {
            Box::pin(async {
                equip(desk, FILE);
                PlanRequest::Publish { servers: Vec::new(), gangway: false, from: None }
            })
        },
        |world| {
            let state = world.state();
            let stack = state.stacks.iter().find(|stack| stack.name == "quarterdeck-prod-files-Repository");
            assert_eq!(stack.map(|stack| stack.status.as_str()), Some("CREATE_COMPLETE"));
            assert_eq!(state.repositories["quarterdeck/prod/files"].keys().collect::<Vec<_>>(), ["1"]);
        },
    )
    .await;
}

#[tokio::test]
async fn a_scale() {
    everywhere(
        || World::deployed(setup(true)),
        |_| Box::pin(async { PlanRequest::Scale { server: "time".into(), desired: Some(4), bounds: None } }),
        |world| {
            served(world);
            assert_eq!(world.state().services["time"].desired, 4);
        },
    )
    .await;
}

#[tokio::test]
async fn a_restart() {
    let request: Before = |_| Box::pin(async { PlanRequest::Restart { server: "time".into() } });
    everywhere(|| World::deployed(setup(true)), request, served).await;
}
