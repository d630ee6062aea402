//! What went wrong once when several operators acted at once, or one who was cut off, one story each. After
//! every step callers of every server must be served, and no secret may be in memory alone.

use crate::support::operators::{Desk, Running};
use crate::support::world::{Setup, State, World, secret_of};
use jiff::Timestamp;
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::work::LEASE;
use quarterdeck::core::operation::{Event, Intent, Offer, Operation, Phase, PlanRequest, Standing, Way};
use quarterdeck::core::plan::Confirm;
use rstest::rstest;
use serde_json::json;

const TIME: &str = "quarterdeck-prod-time";

fn world(dual: bool) -> World {
    World::deployed(Setup { dual, servers: vec!["time", "weather"], lag: 1 })
}

fn rotate(grace_seconds: i64) -> PlanRequest {
    PlanRequest::Rotate { client: "prod-time-machine".into(), grace_seconds }
}

fn restart() -> PlanRequest {
    PlanRequest::Restart { server: "time".into() }
}

fn deploy() -> PlanRequest {
    PlanRequest::Deploy { servers: Vec::new() }
}

fn done(operation: &Operation) {
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{}", operation.plan.title);
}

fn ticks(world: &World) {
    (0..6).for_each(|_| world.tick());
}

/// How often somebody wrote this.
fn wrote(world: &World, what: &str) -> usize {
    world.state().log.iter().filter(|line| line.contains(what)).count()
}

/// The number of writes that count for callers: what is announced to colleagues is not among them.
fn writes(world: &World) -> usize {
    world.state().log.len()
}

fn reserved(world: &World) -> bool {
    world.state().secrets[&secret_of("time")].labels.contains_key(LEASE)
}

/// Clients named as the machine client of `time`, and the secrets of all of them.
fn credentials(world: &World) -> (usize, usize) {
    let state = world.state();
    let alike = || state.clients.values().filter(|client| client.name == "prod-time-machine");
    (alike().count(), alike().map(|client| client.secrets.len()).sum())
}

/// A whole operation, at once.
async fn whole(desk: &Desk, request: PlanRequest) -> Operation {
    desk.agree(desk.propose(request).await.yes()).await
}

/// A rotation that has published the new credentials and was left in its grace period; its id.
async fn in_grace(desk: &mut Desk) -> String {
    let running = desk.propose(rotate(3_600)).await.yes();
    desk.killed_before(running, "grace period").await
}

#[rstest]
#[tokio::test]
async fn a_restart_while_the_plan_waits_is_not_taken_for_the_rotations_own(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.propose(rotate(0)).await;
    world.state().deploy_service("time");
    ticks(&world);
    done(&alice.rest(plan.yes()).await);
    assert_eq!(wrote(&world, "alice: restart time"), 1);
}

#[rstest]
#[tokio::test]
async fn a_restart_while_a_rotation_is_cut_off_is_not_taken_for_its_own(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(rotate(0)).await.yes();
    let id = alice.killed_after(running, "AWSPENDING").await;
    world.state().deploy_service("time");
    ticks(&world);
    done(&alice.rest(alice.offer(&id, Way::Finish).await.yes()).await);
    assert_eq!(wrote(&world, "alice: restart time"), 1);
}

#[rstest]
#[tokio::test]
async fn a_colleagues_restart_is_not_taken_for_the_rotations_own(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let before = if dual { "publish it" } else { "let the servers accept both" };
    let running = alice.until(alice.propose(rotate(0)).await.yes(), before).await;
    done(&whole(&bob, restart()).await);
    done(&alice.rest(running).await);
    assert_eq!(wrote(&world, "alice: restart time"), 1);
}

/// A deployment that was started and not recorded may have read the Secret too early.
#[rstest]
#[tokio::test]
async fn a_deployment_whose_answer_was_lost_is_started_again(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(rotate(0)).await.yes();
    let id = alice.killed_after(running, "start a new deployment").await;
    done(&alice.rest(alice.offer(&id, Way::Finish).await.yes()).await);
    assert_eq!(wrote(&world, "alice: restart time"), 2);
}

#[rstest]
#[tokio::test]
async fn an_undo_at_the_prompt_does_nothing_once_the_rotation_is_finished(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let id = in_grace(&mut alice).await;
    let undo = alice.propose(alice.undo(&alice.left(&id).await)).await;
    let there = alice.beside().await;
    done(&there.rest(there.offer(&id, Way::Finish).await.yes()).await);
    let before = writes(&world);
    let undone = alice.rest(undo.yes()).await;
    assert!(matches!(undone.phase, Phase::Ended(Outcome::Failed { .. })), "{:?}", undone.phase);
    assert_eq!((writes(&world), credentials(&world)), (before, (1, 1)));
}

/// Whoever comes first wins, and the other one stops without harm.
#[rstest]
#[case::before_it_is_sealed("from here on", true)]
#[case::before_the_deletion("delete the old", false)]
#[tokio::test]
async fn an_undo_and_a_finish_at_once(#[case] at: &str, #[case] undone: bool, #[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let id = in_grace(&mut alice).await;
    let there = alice.beside().await;
    let undo = there.propose(there.undo(&there.left(&id).await)).await;
    let finish = alice.until(alice.offer(&id, Way::Finish).await.yes(), at).await;
    let undo = there.rest(undo.yes()).await;
    let finish = alice.rest(finish).await;
    let (won, lost) = if undone { (&undo, &finish) } else { (&finish, &undo) };
    done(won);
    assert!(matches!(lost.phase, Phase::Paused { .. } | Phase::Ended(Outcome::Failed { .. })), "{:?}", lost.phase);
    assert_eq!((credentials(&world), reserved(&world)), ((1, 1), false));
}

#[rstest]
#[case("publish the old")]
#[case("delete the new")]
#[tokio::test]
async fn a_rotation_that_goes_on_while_it_is_taken_back_stops(#[case] at: &str, #[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(rotate(0)).await.yes();
    let id = alice.killed_before(running, "publish").await;
    let there = alice.beside().await;
    let undo = there.propose(there.undo(&there.left(&id).await)).await;
    // It has looked, and is about to publish the new credentials.
    let finish = alice.offer(&id, Way::Finish).await.yes();
    let undo = there.until(undo.yes(), at).await;
    let finish = alice.rest(finish).await;
    assert!(matches!(finish.phase, Phase::Paused { .. }), "{:?}", finish.phase);
    done(&there.rest(undo).await);
    assert_eq!((credentials(&world), reserved(&world)), ((1, 1), false));
}

#[rstest]
#[tokio::test]
async fn a_stale_undo_is_overtaken(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let id = in_grace(&mut alice).await;
    let undo = alice.undo(&alice.left(&id).await);
    let (first, second) = (alice.propose(undo.clone()).await.yes(), alice.propose(undo).await);
    let stale = alice.killed_before(first, "reserve the client").await;
    done(&alice.rest(second.yes()).await);
    done(&whole(&alice, rotate(0)).await);
    done(&whole(&alice, rotate(0)).await);
    closes(&world, &alice, &stale, Way::Resume).await;
}

/// It was cut off between the write that reserves the client and its record.
#[rstest]
#[tokio::test]
async fn a_rotation_that_was_cut_off_as_it_reserved_the_client_is_taken_back(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(rotate(0)).await.yes();
    let id = alice.killed_after(running, "reserve the client").await;
    assert!(reserved(&world));
    done(&whole(&alice, alice.undo(&alice.left(&id).await)).await);
    assert_eq!((credentials(&world), reserved(&world)), ((1, 1), false));
}

/// What is overtaken or void is told as such, and agreeing gives it up and changes nothing.
async fn closes(world: &World, desk: &Desk, id: &str, way: Way) {
    let offered = desk.offer(id, way).await;
    let Phase::Offered { offer, .. } = &offered.operation.phase else { panic!("{:?}", offered.operation.phase) };
    assert!(!offer.standing.resumable(), "{id} can go on");
    let before = writes(world);
    let closed = desk.rest(offered.yes()).await;
    assert!(matches!(closed.phase, Phase::Ended(Outcome::Closed { .. })), "{:?}", closed.phase);
    assert_eq!(writes(world), before, "closing {id} has written");
}

#[tokio::test]
async fn a_stale_destroy_deletes_nothing_that_was_made_later() {
    let world = world(true);
    let mut alice = Desk::new("alice", &world, 512).await;
    let bob = Desk::new("bob", &world, 512).await;
    let running = alice.propose(PlanRequest::Destroy).await.yes();
    let id = alice.killed_after(running, &format!("delete {TIME}")).await;
    done(&whole(&bob, PlanRequest::Destroy).await);
    done(&whole(&bob, deploy()).await);
    let stacks = world.state().stacks.len();

    // Somebody is faster than the judgement: the name must be typed, and the call itself looks again.
    let mut hasty = Running::from(alice.left(&id).await);
    hasty.handle(Event::Offer(Offer { way: Way::Resume, standing: Standing::Resumable }));
    assert_eq!(*hasty.operation.confirm(), Confirm::Typed("prod".into()));
    hasty.handle(Event::Answer("y".into()));
    assert!(hasty.operation.asks() && !hasty.has_orders(), "it goes on without the name");
    let deleted = wrote(&world, "delete stack");
    let asks = alice.rest(hasty.yes()).await;
    assert!(matches!(asks.phase, Phase::Consent(_)), "{:?}", asks.phase);
    assert_eq!(wrote(&world, "delete stack"), deleted);
    alice.killed(Running::from(asks)).await;

    closes(&world, &alice, &id, Way::Resume).await;
    assert_eq!(world.state().stacks.len(), stacks);
}

#[rstest]
#[tokio::test]
async fn a_finish_asks_while_there_is_grace_left(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let id = in_grace(&mut alice).await;
    let (before, held) = (writes(&world), credentials(&world));
    let kept = alice.rest(alice.offer(&id, Way::Finish).await.no()).await;
    assert!(matches!(kept.phase, Phase::Paused { .. }), "{:?}", kept.phase);
    assert_eq!((writes(&world), credentials(&world)), (before, held));
    done(&alice.rest(alice.offer(&id, Way::Finish).await.yes()).await);
}

#[tokio::test]
async fn a_stale_deploy_rolls_nothing_back() {
    let world = world(true);
    let (alice, mut bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 1024).await);
    let running = bob.propose(deploy()).await.yes();
    let id = bob.killed_before(running, "wait until time is steady").await;
    done(&whole(&alice, deploy()).await);
    closes(&world, &bob, &id, Way::Resume).await;
    let memory = |stack: &crate::support::world::Stack| stack.parameters.get("Memory").cloned();
    let state = world.state();
    assert_eq!(state.stacks.iter().find(|stack| stack.name == TIME).and_then(memory), Some("512".into()));
}

#[rstest]
#[tokio::test]
async fn the_next_deploy_mends_what_an_interrupted_one_has_left(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    done(&whole(&alice, PlanRequest::Destroy).await);
    let running = alice.propose(deploy()).await.yes();
    alice.killed_before(running, "store the client secret").await;
    ticks(&world);
    let bob = Desk::new("bob", &world, 512).await;
    done(&whole(&bob, deploy()).await);
    let state = world.state();
    assert!(state.secrets[&secret_of("time")].current().unwrap()["client_secret"].is_string());
}

fn held(state: &mut State, client: Option<&str>, value: Option<&str>) {
    let secret = state.secrets.get_mut(&secret_of("time")).unwrap();
    let mut current = secret.current().unwrap();
    if let Some(client) = client {
        current["client_id"] = json!(client);
    }
    current["client_secret"] = json!(value);
    secret.versions.insert(secret.labels["AWSCURRENT"].clone(), current.to_string());
}

/// Leaves no task of `time` that accepts anybody.
fn refuses(state: &mut State) {
    let service = state.services.get_mut("time").unwrap();
    service.deployments.iter_mut().flat_map(|one| &mut one.tasks).for_each(|task| task.accepts.clear());
}

/// No stack changes, and yet something that a deploy promises is missing.
#[rstest]
#[case::an_empty_secret(|state: &mut State| held(state, None, None))]
#[case::a_deleted_client(|state: &mut State| held(state, Some("gone"), Some("gone")))]
#[case::a_server_that_refuses_its_client(refuses)]
#[case::too_few_tasks(|state: &mut State| state.services.get_mut("time").unwrap().desired = 1)]
#[tokio::test]
async fn a_deploy_mends_what_is_missing(#[case] breaks: fn(&mut State), #[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    breaks(&mut world.state());
    ticks(&world);
    alice.broken = true;
    done(&whole(&alice, deploy()).await);
    alice.broken = false;
    ticks(&world);
    alice.check();
    {
        let state = world.state();
        assert!(state.secrets[&secret_of("time")].current().unwrap()["client_secret"].is_string());
        assert_eq!(state.services["time"].serving().len(), 2);
    }
    let again = alice.plan(deploy()).await.unwrap();
    assert!(again.is_empty(), "{:?}", again.changes);
}

/// On two machines, or at two terminals of one.
#[rstest]
#[tokio::test]
async fn two_rotations_at_once(
    #[values("AWSPENDING", "publish", "delete the old")] at: &str,
    #[values(true, false)] beside: bool,
    #[values(true, false)] dual: bool,
) {
    let world = world(dual);
    let alice = Desk::new("alice", &world, 512).await;
    let other = if beside { alice.beside().await } else { Desk::new("bob", &world, 512).await };
    let (first, second) = (alice.propose(rotate(0)).await, other.propose(rotate(0)).await);
    let first = alice.until(first.yes(), at).await;
    let mut second = Running::from(other.rest(second.yes()).await);
    if second.operation.asks() {
        assert_eq!(*second.operation.confirm(), Confirm::Typed("prod-time-machine".into()));
        second.handle(Event::Refuse("no".into()));
    }
    let second = other.rest(second).await;
    assert!(
        matches!(second.phase, Phase::Ended(Outcome::Closed { .. } | Outcome::Failed { .. })),
        "{:?}",
        second.phase
    );
    done(&alice.rest(first).await);
    assert_eq!((credentials(&world), reserved(&world)), ((1, 1), false));
    done(&whole(&other, rotate(0)).await);
}

#[rstest]
#[tokio::test]
async fn a_plan_at_the_prompt_is_void_once_another_rotation_is_done(
    #[values(true, false)] beside: bool,
    #[values(true, false)] dual: bool,
) {
    let world = world(dual);
    let alice = Desk::new("alice", &world, 512).await;
    let other = if beside { alice.beside().await } else { Desk::new("bob", &world, 512).await };
    let plan = alice.propose(rotate(0)).await;
    done(&whole(&other, rotate(0)).await);
    let before = writes(&world);
    let void = alice.rest(plan.yes()).await;
    assert!(matches!(void.phase, Phase::Ended(Outcome::Failed { .. })), "{:?}", void.phase);
    assert_eq!((writes(&world), reserved(&world)), (before, false));
    done(&whole(&alice, rotate(0)).await);
}

#[rstest]
#[tokio::test]
async fn a_rotation_in_grace_is_overtaken_by_a_destroy_and_a_deploy(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let bob = Desk::new("bob", &world, 512).await;
    let id = in_grace(&mut alice).await;
    done(&whole(&bob, PlanRequest::Destroy).await);
    done(&whole(&bob, deploy()).await);
    let undo = alice.undo(&alice.left(&id).await);
    assert!(alice.plan(undo).await.is_err(), "there is nothing to go back to");
    closes(&world, &alice, &id, Way::Finish).await;
    done(&whole(&alice, rotate(0)).await);
}

#[rstest]
#[tokio::test]
async fn another_deployment_does_not_keep_a_rotation_from_its_end(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let running = alice.until(alice.propose(rotate(0)).await.yes(), "wait until time is steady").await;
    ticks(&world);
    done(&whole(&bob, restart()).await);
    done(&alice.rest(running).await);
}

#[tokio::test]
async fn of_two_clients_of_one_name_the_one_in_force_is_found() {
    let world = world(false);
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let _running = alice.until(alice.propose(rotate(0)).await.yes(), "publish").await;
    assert_eq!(credentials(&world).0, 2);
    let plan = bob.plan(rotate(0)).await.unwrap();
    let Intent::Rotate(rotation) = plan.intent else { panic!("{:?}", plan.intent) };
    let state = world.state();
    let current = state.secrets[&secret_of("time")].current().unwrap();
    assert_eq!(current["client_id"], json!(rotation.client));
}

#[rstest]
#[tokio::test]
async fn servers_accept_no_more_clients_after_five_rotations(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let alice = Desk::new("alice", &world, 512).await;
    for _ in 0..5 {
        done(&whole(&alice, rotate(0)).await);
    }
    let state = world.state();
    let of = |name: &str| state.clients.values().find(|client| client.name == name).unwrap().id.clone();
    let mut expected = [of("prod-time-machine"), of("prod-time-user")];
    let mut accepted = state.secrets[&secret_of("time")].accepted();
    expected.sort();
    accepted.sort();
    assert_eq!(accepted, expected);
}

#[tokio::test]
async fn a_deploy_that_asks_for_two_tasks_is_not_done_with_one() {
    let world = world(true);
    let bob = Desk::new("bob", &world, 1024).await;
    let running = bob.until(bob.propose(deploy()).await.yes(), "wait until time is steady").await;
    world.state().services.get_mut("time").unwrap().desired = 1;
    let failed = bob.rest(running).await;
    let Phase::Ended(Outcome::Failed { reason, .. }) = &failed.phase else { panic!("{:?}", failed.phase) };
    assert!(reason.contains("desired count reads 1, not 2"), "{reason}");
}

#[rstest]
#[tokio::test]
async fn a_colleagues_reservation_is_taken_over_with_its_name(
    #[values("AWSPENDING", "publish", "delete the old")] at: &str,
    #[values(true, false)] dual: bool,
) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let bob = Desk::new("bob", &world, 512).await;
    let running = alice.propose(rotate(0)).await.yes();
    let id = alice.killed_before(running, at).await;
    let mut plan = bob.propose(rotate(0)).await;
    assert_eq!(*plan.operation.confirm(), Confirm::Typed("prod-time-machine".into()));
    plan.handle(Event::Answer("y".into()));
    assert!(!plan.has_orders(), "it is taken over without the name");
    let taken = bob.until(plan.yes(), "publish").await;
    closes(&world, &alice, &id, Way::Finish).await;
    assert!(reserved(&world), "closing what was overtaken gives a colleague's reservation free");
    done(&bob.rest(taken).await);
    assert_eq!((credentials(&world), reserved(&world)), ((1, 1), false));
}

#[rstest]
#[tokio::test]
async fn closing_an_overtaken_rotation_gives_the_client_free(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let bob = Desk::new("bob", &world, 512).await;
    let running = alice.propose(rotate(0)).await.yes();
    let id = alice.killed_before(running, "publish").await;
    {
        // Somebody publishes a version of their own, past every reservation.
        let mut state = world.state();
        let secret = state.secrets.get_mut(&secret_of("time")).unwrap();
        let mut current = secret.current().unwrap();
        current
            .as_object_mut()
            .unwrap()
            .retain(|key, _| key == "client_id" || key.starts_with("client_s") || key == "allowed_client_ids");
        let version = "00000000-0000-0000-0000-00000000beef";
        secret.versions.insert(version.into(), current.to_string());
        secret.labels.insert("AWSCURRENT".into(), version.into());
    }
    let offered = alice.offer(&id, Way::Finish).await;
    let closed = alice.rest(offered.yes()).await;
    assert!(matches!(closed.phase, Phase::Ended(Outcome::Closed { .. })), "{:?}", closed.phase);
    assert!(!reserved(&world));
    done(&whole(&bob, rotate(0)).await);
    assert_eq!(credentials(&world), (1, 1));
}

#[rstest]
#[tokio::test]
async fn an_operation_of_an_earlier_layout_is_overtaken(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let id = in_grace(&mut alice).await;
    let mut earlier = alice.left(&id).await;
    earlier.plan.layout = 0;
    let standing = alice.standing(&earlier).await;
    assert!(matches!(&standing, Standing::Overtaken(why) if why.contains("earlier version")), "{standing}");
    let orders = earlier.handle(Event::Offer(Offer { way: Way::Finish, standing }), Timestamp::now());
    assert!(orders.is_empty() && *earlier.confirm() == Confirm::Yes, "giving it up changes nothing in the cloud");
}

/// The move of `AWSCURRENT`, or the last proof before it, is on its way while a colleague at another terminal takes the rotation back.
#[rstest]
#[tokio::test]
async fn a_move_on_its_way_does_not_publish_what_an_undo_has_deleted(
    #[values("UpdateSecretVersionStage", "/time/mcp")] call: &str,
    #[values(true, false)] dual: bool,
) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(rotate(0)).await.yes();
    let id = alice.killed_before(running, "publish").await;
    let there = alice.beside().await;
    let undo = there.propose(there.undo(&there.left(&id).await)).await;
    let finish = alice.offer(&id, Way::Finish).await.yes();
    let moving = alice.on_its_way(finish, "publish", call).await;
    done(&there.rest(undo.yes()).await);
    let finish = alice.arrives(moving).await;
    assert!(matches!(finish.phase, Phase::Paused { .. }), "{:?}", finish.phase);
    assert_eq!((credentials(&world), reserved(&world)), ((1, 1), false));
}

/// The same while a colleague takes the client over, who deletes what the rotation has made.
#[rstest]
#[tokio::test]
async fn a_move_on_its_way_does_not_publish_what_a_colleague_has_deleted(
    #[values("UpdateSecretVersionStage", "/time/mcp")] call: &str,
    #[values(true, false)] dual: bool,
) {
    let world = world(dual);
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let running = alice.propose(rotate(0)).await.yes();
    let moving = alice.on_its_way(running, "publish", call).await;
    done(&whole(&bob, rotate(0)).await);
    let lost = alice.arrives(moving).await;
    assert!(matches!(lost.phase, Phase::Paused { .. }), "{:?}", lost.phase);
    assert_eq!((credentials(&world), reserved(&world)), ((1, 1), false));
}

/// They were proven a moment ago, and somebody has deleted them since.
#[rstest]
#[tokio::test]
async fn credentials_that_do_not_work_any_more_are_not_published(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.until(alice.propose(rotate(0)).await.yes(), "publish").await;
    {
        let mut state = world.state();
        let current = state.secrets[&secret_of("time")].current().unwrap();
        if dual {
            let client = state.clients.get_mut(current["client_id"].as_str().unwrap()).unwrap();
            client.secrets.truncate(1);
        } else {
            state.clients.retain(|id, client| client.name != "prod-time-machine" || current["client_id"] == json!(id));
        }
    }
    let paused = alice.rest(running).await;
    assert!(matches!(paused.phase, Phase::Paused { .. }), "{:?}", paused.phase);
}

/// Whatever an undo believes to be the old credentials, those in force are not deleted.
#[rstest]
#[tokio::test]
async fn an_undo_never_deletes_what_is_in_force(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let mut alice = Desk::new("alice", &world, 512).await;
    let id = in_grace(&mut alice).await;
    let left = alice.left(&id).await;
    let Intent::Rotate(rotation) = &left.plan.intent else { panic!("{:?}", left.plan.intent) };
    let mut learnt = left.facts().clone();
    let new = learnt.need(rotation.published()).unwrap();
    learnt.insert(rotation.previous(), new);
    let undo = PlanRequest::UndoRotation { plan: Box::new(left.plan.clone()), learnt };
    let paused = whole(&alice, undo).await;
    assert!(matches!(paused.phase, Phase::Paused { .. }), "{:?}", paused.phase);
}
