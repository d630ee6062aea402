//! Scale, restart, roll back and stop on services of every kind, each killed at every step and gone on with; and
//! what becomes of them when ECS gives a deployment up, slows the caller down or hides a service.

use crate::support::operators::{Desk, Running};
use crate::support::world::{Kind, Service, Setup, World, definition};
use quarterdeck::core::error::{ErrorKind, PlanError};
use quarterdeck::core::fleet::Server;
use quarterdeck::core::health::{Verdict, verdict};
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::verify::steady;
use quarterdeck::core::operation::work::Promise;
use quarterdeck::core::operation::{CheckState, Operation, Phase, PlanRequest, Way};
use quarterdeck::core::unread::Part;
use rstest::rstest;

const CLUSTER: &str = "quarterdeck-prod";

fn kind(name: &str) -> Kind {
    let usual = Kind::default();
    match name {
        "plain" => usual,
        "two balancers" => Kind { groups: vec!["public", "internal"], ..usual },
        "alarms" => Kind { groups: vec!["time"], alarms: true, bakes: 3, ..usual },
        "blue and green" => Kind { groups: vec!["time"], strategy: "BLUE_GREEN", bakes: 2, ..usual },
        "canary" => Kind { groups: vec!["time", "admin"], strategy: "CANARY", bakes: 1, ..usual },
        "classic" => Kind { classic: Some("old-lb"), ..usual },
        "daemon" => Kind { scheduling: "DAEMON", ..usual },
        "code deploy" => Kind { groups: vec!["time"], controller: "CODE_DEPLOY", ..usual },
        "external" => Kind { controller: "EXTERNAL", ..usual },
        other => panic!("{other}"),
    }
}

/// `time` of this kind, at revision 10 of 240, in an environment where all is well.
fn world(kind: Kind) -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 1 });
    {
        let mut state = world.state();
        let service = state.services.get_mut("time").unwrap();
        (service.kind, service.revision, service.registered) = (kind, 10, 240);
        service.deployments.iter_mut().for_each(|one| one.revision = 10);
    }
    ticks(&world);
    world
}

fn ticks(world: &World) {
    (0..6).for_each(|_| world.tick());
}

fn request(what: &str, world: &World) -> PlanRequest {
    let server = || "time".to_owned();
    match what {
        "scale" => PlanRequest::Scale { server: server(), desired: Some(4), bounds: None },
        "restart" => PlanRequest::Restart { server: server() },
        "rollback" => PlanRequest::Rollback { server: server(), revision: None },
        "stop" => PlanRequest::StopTask { task: world.state().services["time"].serving()[0].id.clone() },
        other => panic!("{other}"),
    }
}

fn done(operation: &Operation) {
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{}", operation.plan.title);
}

/// What must be true in the end, whatever happened on the way.
fn as_promised(what: &str, before: &Before, world: &World, most: usize) {
    let state = world.state();
    let (was, is) = (&before.time, &state.services["time"]);
    let count = if what == "scale" { 4 } else { 2 };
    assert_eq!((is.desired, is.serving().len()), (count, count as usize), "{what}");
    let kept = |id: &String| is.serving().iter().any(|task| task.id == *id);
    let ids: Vec<String> = was.serving().iter().map(|task| task.id.clone()).collect();
    let left = ids.iter().filter(|id| kept(id)).count();
    match what {
        "scale" => assert_eq!(left, 2),
        "stop" => assert_eq!(left, 1),
        "rollback" => assert_eq!((left, is.revision, is.deployments[0].revision), (0, 9, 9)),
        _ => assert_eq!((left, is.revision), (0, 10)),
    }
    let written = &state.log[before.writes..];
    assert!((1..=most).contains(&written.len()), "{what}: {written:?}");
}

/// The service and the number of writes before an operation.
struct Before {
    time: Service,
    writes: usize,
}

fn snapshot(world: &World) -> Before {
    let state = world.state();
    Before { time: state.services["time"].clone(), writes: state.log.len() }
}

/// Where a process is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    Never,
    Before(usize),
    After(usize),
}

/// Carries it out, cut there; `false` if it has no such step.
async fn carried_out(what: &str, named: &str, cut: Cut) -> bool {
    let world = world(kind(named));
    let mut desk = Desk::new("alice", &world, 512).await;
    let before = snapshot(&world);
    let running = desk.propose(request(what, &world)).await;
    let titles: Vec<String> = running.operation.steps().iter().map(|step| step.title.clone()).collect();
    let running = running.yes();
    let (operation, most) = match cut {
        Cut::Never => (desk.agree(running).await, 1),
        Cut::Before(step) | Cut::After(step) if step >= titles.len() => return false,
        Cut::Before(step) => {
            let id = desk.killed_before(running, &titles[step]).await;
            (desk.agree(desk.offer(&id, Way::Resume).await.yes()).await, 1)
        }
        Cut::After(step) => {
            let id = desk.killed_after(running, &titles[step]).await;
            (desk.agree(desk.offer(&id, Way::Resume).await.yes()).await, 2)
        }
    };
    done(&operation);
    as_promised(what, &before, &world, most);
    true
}

#[rstest]
#[case::scale("scale", &["plain", "two balancers", "alarms", "blue and green", "canary", "classic", "code deploy", "external"])]
#[case::restart("restart", &["plain", "two balancers", "alarms", "blue and green", "canary", "classic", "daemon"])]
#[case::rollback("rollback", &["plain", "two balancers", "alarms", "blue and green", "canary", "classic", "daemon"])]
#[case::stop("stop", &["plain", "two balancers", "alarms", "blue and green", "canary", "classic", "daemon", "code deploy", "external"])]
#[tokio::test]
async fn each_is_done_on_each_kind_of_service_and_after_each_kill(#[case] what: &str, #[case] kinds: &[&str]) {
    for named in kinds {
        assert!(carried_out(what, named, Cut::Never).await);
        for step in 0.. {
            if !carried_out(what, named, Cut::Before(step)).await {
                break;
            }
            assert!(carried_out(what, named, Cut::After(step)).await);
        }
    }
}

#[rstest]
#[case::daemons_have_no_count("daemon", "scale", "DAEMON service")]
#[case::code_deploy_restarts("code deploy", "restart", "deployed by CodeDeploy")]
#[case::code_deploy_rolls_back("code deploy", "rollback", "deployed by CodeDeploy")]
#[case::others_restart("external", "restart", "EXTERNAL controller")]
#[case::others_roll_back("external", "rollback", "EXTERNAL controller")]
#[tokio::test]
async fn what_ecs_would_refuse_is_refused_while_planning(#[case] named: &str, #[case] what: &str, #[case] why: &str) {
    let world = world(kind(named));
    let desk = Desk::new("alice", &world, 512).await;
    let refusal = desk.plan(request(what, &world)).await.unwrap_err();
    assert!(refusal.why().contains(why), "{refusal}");
    assert!(refusal.hint().is_some_and(|hint| hint.len() > 20), "no way out: {refusal}");
}

/// A rotation must start the tasks of its consumers anew, which ECS would refuse in its midst.
#[tokio::test]
async fn a_rotation_is_refused_whose_servers_ecs_does_not_start_anew() {
    let world = world(kind("code deploy"));
    let desk = Desk::new("alice", &world, 512).await;
    let rotate = PlanRequest::Rotate { client: "prod-time-machine".into(), grace_seconds: 0 };
    let refusal = desk.plan(rotate).await.unwrap_err();
    assert!(refusal.why().contains("deployed by CodeDeploy"), "{refusal}");
}

#[rstest]
#[case::restart("alarms", PlanRequest::Restart { server: "time".into() })]
#[case::rollback("alarms", PlanRequest::Rollback { server: "time".into(), revision: None })]
#[case::both_run("blue and green", PlanRequest::Restart { server: "time".into() })]
#[case::a_deploy("alarms", PlanRequest::Deploy { servers: Vec::new() })]
#[case::a_rotation("alarms", PlanRequest::Rotate { client: "prod-time-machine".into(), grace_seconds: 0 })]
#[tokio::test]
async fn a_plan_tells_that_a_deployment_bakes(#[case] named: &str, #[case] request: PlanRequest) {
    let world = world(kind(named));
    let desk = Desk::new("alice", &world, 1_024).await;
    let plan = desk.plan(request).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.starts_with("baking")), "{:?}", plan.warnings);
}

async fn time(desk: &Desk) -> Server {
    desk.session.cloud.fleet(CLUSTER).await.unwrap().server("time").unwrap().clone()
}

#[tokio::test]
async fn a_full_deployment_that_ecs_still_watches_is_baking() {
    let world = world(kind("alarms"));
    let desk = Desk::new("alice", &world, 512).await;
    world.state().deploy_service("time");
    let mut told = Vec::new();
    for _ in 0..10 {
        world.tick();
        let server = time(&desk).await;
        told.push((server.rollout(), format!("{:?}", steady(&server, &Promise::default(), jiff::Timestamp::now()))));
    }
    assert!(told.iter().any(|(word, note)| word == "baking" && note.contains("baking: ECS watches")), "{told:#?}");
    assert!(told.last().is_some_and(|(word, note)| word == "completed" && note.starts_with("Holds")), "{told:#?}");
}

/// ECS forgets the deployment that it gave up, and shows the one that it went back to as completed.
#[rstest]
#[case::at_once(1)]
#[case::looked_at_late(20)]
#[tokio::test]
async fn a_deployment_that_ecs_rolls_back_has_failed_in_its_words(
    #[case] late: usize,
    #[values("restart", "rollback")] what: &str,
) {
    let world = world(kind("two balancers"));
    let desk = Desk::new("alice", &world, 512).await;
    world.state().services.get_mut("time").unwrap().broken = true;
    let running = desk.until(desk.propose(request(what, &world)).await.yes(), "wait until").await;
    (0..late).for_each(|_| world.tick());
    let operation = desk.rest(running).await;
    let Phase::Ended(Outcome::Failed { reason, .. }) = &operation.phase else { panic!("{:?}", operation.phase) };
    assert!(reason.starts_with("rolled back: "), "{reason}");
    let said = reason.contains("circuit breaker: rolling back") || reason.contains("tasks failed to start");
    assert!(said, "{reason}");
}

#[tokio::test]
async fn one_balancer_without_a_healthy_target_is_not_hidden_by_another() {
    let world = world(kind("two balancers"));
    let desk = Desk::new("alice", &world, 512).await;
    assert!(matches!(steady(&time(&desk).await, &Promise::default(), jiff::Timestamp::now()), CheckState::Holds(_)));
    world.state().faults.sick_groups.push("internal".into());
    let server = time(&desk).await;
    let state = steady(&server, &Promise::default(), jiff::Timestamp::now());
    assert!(matches!(&state, CheckState::Pending(note) if note.contains("internal 0/2")), "{state:?}");
    assert_eq!(verdict(&server, jiff::Timestamp::now()), Verdict::Degraded);
    assert_eq!(server.target_count(), "0/2 2/2", "the worst comes first");
}

#[tokio::test]
async fn targets_that_the_caller_may_not_read_are_told_at_the_end() {
    let world = world(kind("two balancers"));
    let desk = Desk::new("alice", &world, 512).await;
    world.state().faults.denied_groups.push("internal".into());
    assert_eq!(verdict(&time(&desk).await, jiff::Timestamp::now()), Verdict::Unknown);
    let operation = desk.agree(desk.propose(request("restart", &world)).await.yes()).await;
    done(&operation);
    let proof = operation.proof();
    assert!(proof.starts_with("done, but not all of it could be verified") && proof.contains("internal"), "{proof}");
    // The audit keeps it.
    let kept = desk.session.audit.records().unwrap();
    assert!(kept.iter().any(|record| serde_json::to_string(record).unwrap().contains("not verified: ")));
}

#[tokio::test]
async fn the_bounds_of_autoscaling_hold_the_count() {
    let world = world(kind("plain"));
    world.state().bounds.insert("service/quarterdeck-prod/time".into(), (1, 3));
    let desk = Desk::new("alice", &world, 512).await;
    let scale = |bounds: Option<(u32, u32)>| PlanRequest::Scale {
        server: "time".into(),
        desired: Some(4),
        bounds: bounds.map(|(min, max)| quarterdeck::core::fleet::Bounds { min, max }),
    };
    let operation = desk.agree(desk.propose(scale(Some((2, 6)))).await.yes()).await;
    done(&operation);
    assert_eq!(world.state().bounds["service/quarterdeck-prod/time"], (2, 6));
    world.state().bounds.insert("service/quarterdeck-prod/time".into(), (1, 3));
    ticks(&world);
    let plan = desk.plan(scale(None)).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("outside autoscaling's 1..3")), "{:?}", plan.warnings);
}

#[rstest]
#[tokio::test]
async fn throttled_calls_only_take_longer(#[values("scale", "restart", "rollback", "stop")] what: &str) {
    let world = world(kind("two balancers"));
    let desk = Desk::new("alice", &world, 512).await;
    let before = snapshot(&world);
    let running = desk.propose(request(what, &world)).await.yes();
    let running = desk.until(running, "wait until").await;
    world.state().faults.throttle();
    done(&desk.agree(running).await);
    assert!(world.state().faults.throttled > 0);
    as_promised(what, &before, &world, 1);
}

#[rstest]
#[case::missing(Some("MISSING"), ErrorKind::NotFound)]
#[case::denied(Some("ACCESS_DENIED"), ErrorKind::Denied)]
#[case::the_whole_call_is_denied(None, ErrorKind::Denied)]
#[tokio::test]
async fn a_service_that_cannot_be_read_is_a_gap_of_its_own(#[case] reason: Option<&str>, #[case] kind: ErrorKind) {
    let names = vec!["time", "weather", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    let world = World::deployed(Setup { dual: true, servers: names.clone(), lag: 0 });
    let desk = Desk::new("alice", &world, 512).await;
    match reason {
        Some(reason) => drop(world.state().faults.failed_services.insert("time".into(), reason.into())),
        None => world.state().faults.denied_services.push("time".into()),
    }
    let fleet = desk.session.cloud.fleet(CLUSTER).await.unwrap();
    assert_eq!(fleet.servers.len(), names.len() - 1);
    let one = fleet.unreadable("time").unwrap();
    assert_eq!((one.why.kind, fleet.server("time")), (kind, None));
    let parts: Vec<Part> = fleet.unread().into_iter().map(|unread| unread.part).collect();
    assert_eq!(parts, [Part::Server("time".into())]);
    assert!(fleet.unread_of("weather").is_empty(), "a gap of one server is told with that server alone");
    let refusal = desk.plan(PlanRequest::Restart { server: "time".into() }).await.unwrap_err();
    // Asked for by its name, one that is missing is not there.
    let why = if reason == Some("MISSING") { "there is no server" } else { "server time could not be read" };
    assert!(refusal.why().contains(why), "{refusal}");
}

#[rstest]
#[case::before_all_pages(None, Ok("quarterdeck-prod-time:9"))]
#[case::by_its_number(Some(3), Ok("quarterdeck-prod-time:3"))]
#[case::a_newer_one(Some(239), Ok("quarterdeck-prod-time:239"))]
#[case::the_one_in_force(Some(10), Err("runs revision 10 already"))]
#[case::none_of_this_number(Some(999), Err("has no revision 999"))]
#[case::deregistered(Some(8), Err("is not active any more"))]
#[tokio::test]
async fn a_revision_is_found_among_hundreds(#[case] revision: Option<u32>, #[case] expected: Result<&str, &str>) {
    let world = world(kind("plain"));
    world.state().faults.inactive.push(8);
    let desk = Desk::new("alice", &world, 512).await;
    let plan = desk.plan(PlanRequest::Rollback { server: "time".into(), revision }).await;
    let already = matches!(&plan, Err(PlanError::Already(_)));
    assert_eq!(already, revision == Some(10), "there is nothing to do where it is so already: {plan:?}");
    match (plan, expected) {
        (Ok(plan), Ok(after)) => assert_eq!(plan.changes[0].after.as_deref(), Some(after)),
        (Err(refusal), Err(why)) => assert!(refusal.why().contains(why), "{refusal}"),
        (plan, _) => panic!("{plan:?}"),
    }
}

/// A deploy goes back to the newer task definition only where the stack names it, and only if it changes the server:
/// CloudFormation does not look at what a service runs.
#[rstest]
#[case::as_it_was_deployed(10, true)]
#[case::changed_by_hand_since(8, false)]
#[tokio::test]
async fn a_rollback_warns_of_the_stack_where_that_names_what_is_left(#[case] deployed: u32, #[case] warns: bool) {
    let world = world(kind("plain"));
    {
        let mut state = world.state();
        let arn = definition("time", deployed);
        let stack = state.stacks.iter_mut().find(|stack| stack.name == "quarterdeck-prod-time").unwrap();
        stack.definition = Some(arn);
    }
    let desk = Desk::new("alice", &world, 512).await;
    let running: Running = desk.propose(request("rollback", &world)).await;
    let warnings = running.operation.plan.warnings.iter();
    let drift: Vec<_> = warnings.filter(|text| text.starts_with("drift:")).collect();
    assert!(drift.iter().all(|text| text.contains("one that changes nothing leaves it as it is")), "{drift:?}");
    assert_eq!(!drift.is_empty(), warns, "{:?}", running.operation.plan.warnings);
}

/// Revision 9 was deregistered, so the one before is 7.
#[tokio::test]
async fn a_rollback_goes_to_the_newest_active_revision_before() {
    let world = world(kind("plain"));
    world.state().faults.inactive.extend([8, 9]);
    let desk = Desk::new("alice", &world, 512).await;
    let running: Running = desk.propose(request("rollback", &world)).await;
    done(&desk.agree(running.yes()).await);
    assert_eq!(world.state().services["time"].revision, 7);
}
