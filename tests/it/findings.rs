//! Which finding is made of what was read, and which of them is the cause.

use crate::support::fixtures::{self, group, targets, task, tasks, unread};
use crate::support::painted::body;
use crate::support::{Console, World, at, logs, stacks};
use quarterdeck::console::hint;
use quarterdeck::core::finding::{self, Cause, Finding, Gravity, Id, Layer, Remedy, findings};
use quarterdeck::core::fleet::{
    Bounds, Controller, Deployment, DeploymentStatus, Fleet, Health, HealthCheck, Rollout, Server, ServiceEvent,
    Shortfall, StopCode, TargetState, Task, TaskStatus,
};
use quarterdeck::core::health::{Verdict, verdict};
use quarterdeck::core::requests::{Fall, Requests, Why};
use quarterdeck::core::stack::StackStatus;
use quarterdeck::core::unread::Read;
use rstest::rstest;

fn well() -> Server {
    fixtures::server("time", 2)
}

/// A task that stopped half a minute ago and later, each a minute before the one before it.
fn stopped(index: u32, code: StopCode, reason: &str) -> Task {
    let mut task = task("time", 10 + index);
    let at_ = -30 - 60 * i64::from(index);
    task.last_status = TaskStatus::Stopped;
    (task.started_at, task.stopped_at) = (Some(at(at_ - 40)), Some(at(at_)));
    (task.stop_code, task.stopped_reason) = (Some(code), Some(reason.to_owned()));
    task.health = Health::Unknown;
    task.containers[0].last_status = TaskStatus::Stopped;
    task
}

/// A server with so many stops of one kind, and one task too few.
fn with_stops(many: u32, code: &StopCode, reason: &str) -> Server {
    let mut server = Server { running: 1, pending: 1, ..well() };
    let stops = (0..many).map(|index| stopped(index, code.clone(), reason));
    tasks(&mut server).extend(stops);
    server
}

fn exits(many: u32, code: i32) -> Server {
    let mut server = with_stops(many, &StopCode::EssentialContainerExited, "Essential container in task exited");
    tasks(&mut server)
        .iter_mut()
        .filter(|task| task.stopped())
        .for_each(|task| task.containers[0].exit_code = Some(code));
    server
}

fn sick(reason: &str, words: &str) -> Server {
    let mut server = well();
    for target in targets(&mut server) {
        target.state = TargetState::Unhealthy;
        (target.reason, target.description) = (Some(reason.into()), Some(words.into()));
    }
    server
}

fn event(words: &str) -> Server {
    let mut server = Server { running: 0, pending: 0, ..well() };
    tasks(&mut server).clear();
    server
        .events
        .insert(0, ServiceEvent { at: at(-9_000), message: "(service time) has reached a steady state.".into() });
    server.events.insert(0, ServiceEvent { at: at(-60), message: words.into() });
    server
}

/// Two of four run, and none is pending; known to be so since so many seconds.
fn short(since: Option<(i64, bool)>, change: impl FnOnce(&mut Server)) -> Server {
    let mut server = Server { desired: 4, ..well() };
    server.shortfall = since.map(|(ago, seen)| Shortfall { since: at(-ago), seen });
    change(&mut server);
    server
}

/// ECS shows a raised count at once, and starts the tasks some seconds later.
/// ECS may stop all tasks in the same second.
#[test]
fn how_long_stops_took_is_told_where_they_took_some_time() {
    let mut server = exits(3, 1);
    let told = |server: &Server| findings(server, at(0))[0].fact.clone();
    assert!(told(&server).contains("3 tasks stopped within 2m00s, the last 30s ago"), "{}", told(&server));
    tasks(&mut server).iter_mut().filter(|task| task.stopped()).for_each(|task| task.stopped_at = Some(at(-30)));
    assert!(told(&server).contains("3 tasks stopped, the last 30s ago"), "{}", told(&server));
}

#[rstest]
#[case::just_raised(short(Some((5, true)), |_| ()), Gravity::Note, Verdict::Changing, "2 of 4 tasks running, none pending")]
#[case::by_what_ecs_shows(short(Some((25, false)), |_| ()), Gravity::Note, Verdict::Changing, "2 of 4 tasks running, none pending")]
#[case::it_stays(short(Some((30, true)), |_| ()), Gravity::Fault, Verdict::Degraded, "2 of 4 tasks running, none pending for 30s")]
#[case::it_stays_for_long(short(Some((200, true)), |_| ()), Gravity::Fault, Verdict::Degraded, "2 of 4 tasks running, none pending for 3m20s")]
#[case::nothing_has_changed_for_long(short(Some((600, false)), |_| ()), Gravity::Fault, Verdict::Degraded, "2 of 4 tasks running, none pending")]
#[case::nobody_knows(short(None, |_| ()), Gravity::Fault, Verdict::Degraded, "2 of 4 tasks running, none pending")]
#[case::from_zero(short(Some((5, true)), |server| (server.running, server.desired) = (0, 2)), Gravity::Note, Verdict::Changing, "0 of 2 tasks running, none pending")]
#[case::from_zero_and_it_stays(short(Some((31, true)), |server| (server.running, server.desired) = (0, 2)), Gravity::Fault, Verdict::Down, "0 of 2 tasks running, none pending for 31s")]
fn tasks_that_are_not_pending_yet_are_missing_only_if_it_stays(
    #[case] server: Server,
    #[case] gravity: Gravity,
    #[case] is: Verdict,
    #[case] fact: &str,
) {
    let all = findings(&server, at(0));
    let missing = all.iter().find(|finding| finding.id == Id::TasksMissing).unwrap();
    assert_eq!((missing.gravity, verdict(&server, at(0)), missing.fact.as_str()), (gravity, is, fact));
    assert_eq!(Cause::of(&all).is_some(), gravity == Gravity::Fault);
}

/// Where ECS says that it cannot, or tasks stop by themselves, waiting does not help.
#[test]
fn tasks_that_cannot_start_are_missing_at_once() {
    let words = "(service time) was unable to place a task because no container instance met all of its requirements.";
    let cannot = short(Some((5, true)), |server| {
        server.events.insert(0, ServiceEvent { at: at(-3), message: words.into() });
    });
    let stop = short(Some((5, true)), |server| {
        for index in 0..4 {
            tasks(server).push(stopped(index, StopCode::TaskFailedToStart, "CannotPullContainerError: not found"));
        }
    });
    for server in [cannot, stop] {
        let all = findings(&server, at(0));
        let missing = all.iter().find(|finding| finding.id == Id::TasksMissing).unwrap();
        assert_eq!((missing.gravity, verdict(&server, at(0))), (Gravity::Fault, Verdict::Degraded), "{all:?}");
    }
}

/// A deployment of revision 8 that is under way beside that of revision 7, which serves.
fn deploying(since: i64, change: impl FnOnce(&mut Deployment)) -> Server {
    let mut server = well();
    let before = Deployment { status: DeploymentStatus::Active, ..server.deployments[0].clone() };
    let new = &mut server.deployments[0];
    new.id = "ecs-svc/2".into();
    new.task_definition = new.task_definition.replace(":7", ":8");
    (new.running, new.rollout, new.created_at) = (0, Rollout::InProgress, Some(at(since)));
    change(new);
    server.task_definition = new.task_definition.clone();
    server.deployments.push(before);
    server
}

fn ids(server: &Server) -> Vec<Id> {
    findings(server, at(0)).iter().map(|finding| finding.id).collect()
}

const FAILED_TO_START: StopCode = StopCode::TaskFailedToStart;
const SCHEDULER: StopCode = StopCode::ServiceSchedulerInitiated;

#[rstest]
#[case::image(with_stops(1, &FAILED_TO_START, "CannotPullContainerError: mcp-time:v9: not found"), Id::ImageMissing, 1)]
#[case::architecture(with_stops(2, &FAILED_TO_START, "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'"), Id::ImageArchitecture, 2)]
#[case::secret(with_stops(4, &FAILED_TO_START, "ResourceInitializationError: unable to pull secrets or registry auth: retrieved secret from Secrets Manager did not contain json key KEY"), Id::SecretMissing, 4)]
#[case::unsaid(with_stops(2, &FAILED_TO_START, "Task failed to start"), Id::StartFailed, 2)]
#[case::one_crash(exits(1, 1), Id::Crash, 1)]
#[case::two_are_no_loop(exits(2, 1), Id::Crash, 2)]
#[case::a_loop_is_one_finding(exits(10, 1), Id::CrashLoop, 10)]
#[case::no_command(exits(1, 127), Id::CommandMissing, 1)]
#[case::spot(with_stops(1, &StopCode::SpotInterruption, "Your Spot Task was interrupted."), Id::SpotTaken, 1)]
#[case::killed_by_its_own_check(with_stops(2, &SCHEDULER, "Task failed container health checks"), Id::ContainerHealthCheck, 2)]
#[case::killed_by_the_balancer(with_stops(3, &SCHEDULER, "Task failed ELB health checks in (target-group arn:x)"), Id::HealthCheckSlow, 3)]
#[case::path(
    sick("Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]"),
    Id::HealthCheckPath,
    2
)]
#[case::auth(
    sick("Target.ResponseCodeMismatch", "Health checks failed with these codes: [401]"),
    Id::HealthCheckAuth,
    2
)]
#[case::errors(
    sick("Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"),
    Id::HealthCheckErrors,
    2
)]
#[case::port(sick("Target.FailedHealthChecks", "Health checks failed"), Id::HealthCheckPort, 2)]
#[case::timeout(sick("Target.Timeout", "Request timed out"), Id::HealthCheckTimeout, 2)]
#[case::quota(
    event(
        "(service time) was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently."
    ),
    Id::Quota,
    1
)]
#[case::capacity(
    event("(service time) was unable to place a task. Reason: Capacity is unavailable at this time."),
    Id::Capacity,
    1
)]
#[case::breaker(deploying(-60, |new| { new.rollout_reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.".into(); }), Id::CircuitBreaker, 1)]
#[case::old(deploying(-3_600, |_| {}), Id::DeploymentOld, 1)]
#[case::empty(Server { balancers: vec![fixtures::balancer([group("a", &[])])], ..well() }, Id::TargetsEmpty, 2)]
#[case::at_the_maximum(Server { bounds: Read::Known(Some(Bounds { min: 1, max: 2 })), ..well() }, Id::BoundsAtMaximum, 1)]
fn each_incident_has_its_finding_first(#[case] server: Server, #[case] id: Id, #[case] count: usize) {
    let all = findings(&server, at(0));
    assert_eq!(all.first().map(|first| (first.id, first.count)), Some((id, count)), "{all:#?}");
    assert_eq!(all.iter().filter(|finding| finding.id == id).count(), 1, "{all:#?}");
    assert_eq!(Cause::of(&all).map(|cause| cause.finding.id), Some(id));
}

#[rstest]
#[case::nobody_knows_the_bounds(unread("denied"), Gravity::Warning)]
#[case::nothing_scales_it(Read::Known(None), Gravity::Warning)]
#[case::it_should_not_be(Read::Known(Some(Bounds { min: 1, max: 2 })), Gravity::Warning)]
#[case::it_may_be(Read::Known(Some(Bounds { min: 0, max: 2 })), Gravity::Note)]
fn whether_nobody_is_to_be_served_say_the_bounds(#[case] bounds: Read<Option<Bounds>>, #[case] gravity: Gravity) {
    let server = Server { desired: 0, running: 0, tasks: Read::Known(Vec::new()), bounds, ..well() };
    let all = findings(&server, at(0));
    let zero: Vec<Gravity> = all.iter().filter(|one| one.id == Id::ScaledToZero).map(|one| one.gravity).collect();
    assert_eq!(zero, [gravity], "{all:#?}");
}

#[test]
fn a_server_that_is_well_has_no_finding_and_no_cause() {
    assert_eq!(ids(&well()), []);
    assert!(Cause::of(&findings(&well(), at(0))).is_none());
}

#[rstest]
#[case("Scaling activity initiated by (deployment ecs-svc/1)")]
#[case("Task stopped by user")]
fn a_task_that_the_scheduler_wanted_gone_is_no_finding(#[case] reason: &str) {
    let mut server = with_stops(5, &SCHEDULER, reason);
    server.running = 2;
    assert_eq!(ids(&server), []);
}

#[test]
fn a_task_killed_by_the_balancer_takes_its_reason_from_the_events() {
    let mut server = with_stops(1, &SCHEDULER, "Task failed ELB health checks in (target-group arn:x)");
    let words = "(service time) (port 8080) is unhealthy in (target-group arn:x) due to (reason Health checks failed with these codes: [401]).";
    server.events.insert(0, ServiceEvent { at: at(-40), message: words.into() });
    assert_eq!(ids(&server)[0], Id::HealthCheckAuth);
}

/// The check of a target group, and the service's grace period.
fn checked(mut server: Server, grace: Option<u32>) -> Server {
    server.grace = grace;
    server.balancers[0].groups[0].check = Some(Read::Known(HealthCheck {
        protocol: Some("HTTP".into()),
        path: Some("/healthz".into()),
        port: Some("traffic-port".into()),
        codes: Some("200-299".into()),
        interval: Some(10),
        timeout: Some(5),
        healthy_after: Some(2),
        unhealthy_after: Some(3),
    }));
    server
}

#[rstest]
#[case::path(
    sick("Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]"),
    "; the check: HTTP /healthz, to be answered with 200-299 within 5 s"
)]
#[case::killed(with_stops(3, &SCHEDULER, "Task failed ELB health checks in (target-group arn:x)"), "; unhealthy after 30 s without an answer, grace period 60 s")]
#[case::of_the_container(with_stops(2, &SCHEDULER, "Task failed container health checks"), "Task failed container health checks")]
fn what_the_check_asks_for_stands_with_what_failed(#[case] server: Server, #[case] end: &str) {
    let all = findings(&checked(server, Some(60)), at(0));
    assert!(all[0].evidence.ends_with(end), "{:?}", all[0]);
}

#[test]
fn where_nobody_has_read_the_check_nothing_is_said_of_it() {
    let all = findings(&sick("Target.Timeout", "Request timed out"), at(0));
    assert_eq!(all[0].evidence, "10.42.0.17:8080: Target.Timeout: Request timed out", "{all:?}");
}

#[rstest]
#[case::it_says_that_it_works(Health::Healthy, -30, Id::HealthCheckPort)]
#[case::it_does_not_say_so_yet(Health::Unknown, -30, Id::HealthCheckSlow)]
#[case::it_has_had_time(Health::Unknown, -3_000, Id::HealthCheckPort)]
fn a_closed_port_of_a_young_task_may_just_be_slow(#[case] health: Health, #[case] started: i64, #[case] id: Id) {
    let mut server = sick("Target.FailedHealthChecks", "Health checks failed");
    for task in tasks(&mut server) {
        (task.health, task.started_at) = (health.clone(), Some(at(started)));
    }
    assert_eq!(ids(&server), [id]);
}

#[test]
fn the_cause_explains_what_follows_from_it() {
    let mut server = deploying(-3_600, |new| new.failed = 4);
    let definition = server.task_definition.clone();
    let stops = (0..4).map(|index| Task {
        task_definition: definition.clone(),
        ..stopped(index, FAILED_TO_START, "CannotPullContainerError: mcp-time:v9: not found")
    });
    tasks(&mut server).extend(stops);
    let all = findings(&server, at(0));
    let cause = Cause::of(&all).unwrap();
    assert_eq!((cause.finding.id, cause.finding.gravity), (Id::ImageMissing, Gravity::Fault));
    // The version before still serves, so going back helps at once.
    assert_eq!(cause.finding.remedy, Some(Remedy::Rollback));
    let explained: Vec<Id> = cause.explained().map(|finding| finding.id).collect();
    assert_eq!(explained, [Id::StartFailures, Id::DeploymentOld]);
    assert_eq!(cause.besides().count(), 0);
}

/// A deployment that goes on for too long is stopped where ECS can: where it deploys, and another revision was before.
#[rstest]
#[case::ecs(Controller::Ecs, ":8", Some(Remedy::Stop))]
#[case::code_deploy(Controller::CodeDeploy, ":8", Some(Remedy::Events))]
#[case::the_same_revision(Controller::Ecs, ":7", Some(Remedy::Events))]
fn a_deployment_that_hangs_is_stopped(#[case] by: Controller, #[case] revision: &str, #[case] next: Option<Remedy>) {
    let mut server = deploying(-3_600, |_| {});
    server.shape.controller = by;
    let definition = server.task_definition.replace(":8", revision);
    server.deployments[0].task_definition = definition;
    let found = findings(&server, at(0));
    let old = found.iter().find(|finding| finding.id == Id::DeploymentOld).unwrap();
    assert_eq!(old.remedy, next, "{found:#?}");
}

/// Revision 8 was tried, its tasks stopped, and the service is on revision 7 again.
fn given_up(back: impl FnOnce(&mut Deployment)) -> Server {
    let mut server = well();
    let failed = Deployment {
        id: "ecs-svc/2".into(),
        status: DeploymentStatus::Active,
        task_definition: server.task_definition.replace(":7", ":8"),
        desired: 0,
        running: 0,
        rollout: Rollout::Failed,
        rollout_reason: "ECS deployment circuit breaker: tasks failed to start.".into(),
        created_at: Some(at(-300)),
        ..server.deployments[0].clone()
    };
    let stops = (0..3).map(|index| Task {
        task_definition: failed.task_definition.clone(),
        ..stopped(index, FAILED_TO_START, "CannotPullContainerError: mcp-time:v9: not found")
    });
    tasks(&mut server).extend(stops);
    back(&mut server.deployments[0]);
    server.deployments.push(failed);
    server
}

/// While ECS goes back, and after it has, what stopped the tasks explains why.
#[rstest]
#[case::on_the_way_back(at(-20), Rollout::InProgress, "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.", Gravity::Fault, &[Id::CircuitBreaker])]
#[case::it_went_on_as_before(at(-7_000), Rollout::Completed, "", Gravity::Fault, &[Id::CircuitBreaker])]
fn stops_of_a_deployment_that_was_given_up_are_the_cause(
    #[case] made: jiff::Timestamp,
    #[case] rollout: Rollout,
    #[case] reason: &str,
    #[case] gravity: Gravity,
    #[case] so: &[Id],
) {
    let server = given_up(|primary| {
        (primary.created_at, primary.rollout, primary.rollout_reason) = (Some(made), rollout, reason.into());
    });
    let all = findings(&server, at(0));
    let cause = Cause::of(&all).unwrap();
    assert_eq!(
        (cause.finding.id, cause.finding.gravity, cause.finding.count),
        (Id::ImageMissing, gravity, 3),
        "{all:#?}"
    );
    assert_eq!(cause.explained().map(|finding| finding.id).collect::<Vec<_>>(), so, "{all:#?}");
}

/// Somebody has put another task definition in place since: what stopped the tasks before is past, unless a stack says
/// that its change failed with it.
#[rstest]
#[case::under_way(Rollout::InProgress, "UPDATE_COMPLETE", Gravity::Note)]
#[case::completed(Rollout::Completed, "UPDATE_COMPLETE", Gravity::Note)]
#[case::of_a_failed_change(Rollout::Completed, "UPDATE_ROLLBACK_COMPLETE", Gravity::Warning)]
fn stops_before_another_deployment_are_past(#[case] rollout: Rollout, #[case] status: &str, #[case] gravity: Gravity) {
    let server = given_up(|primary| {
        (primary.created_at, primary.rollout) = (Some(at(-20)), rollout);
    });
    let stack = stacks::settled().remove(0);
    let stack = quarterdeck::core::stack::Stack { status: StackStatus(status.into()), ..stack };
    let all = finding::of_server(&server, &[(stack, None)], &[], at(0));
    assert_eq!(all.first().map(|first| (first.id, first.gravity)), Some((Id::ImageMissing, gravity)), "{all:#?}");
    assert_eq!(Cause::of(&all).is_some(), gravity == Gravity::Warning);
}

/// AWS takes hosts back, and ECS starts other tasks: that is worth an operator's time only where it happens often, or
/// tasks are missing.
#[rstest]
#[case::once(1, 2, Gravity::Note)]
#[case::again_and_again(3, 2, Gravity::Warning)]
#[case::not_replaced_yet(1, 1, Gravity::Fault)]
fn a_host_that_was_retired(
    #[values(StopCode::TerminationNotice, StopCode::SpotInterruption)] code: StopCode,
    #[case] stops: u32,
    #[case] running: u32,
    #[case] gravity: Gravity,
) {
    let server = Server {
        running,
        ..with_stops(stops, &code, "ECS is performing maintenance on the underlying infrastructure")
    };
    let first = findings(&server, at(0)).into_iter().find(|one| matches!(one.id, Id::Retired | Id::SpotTaken));
    assert_eq!(first.map(|one| one.gravity), Some(gravity));
}

/// A server that was scaled up: ECS runs the tasks, and the load balancer has yet to judge them.
#[rstest]
#[case::all_joining(&[TargetState::Healthy, TargetState::Initial], None, Verdict::Changing)]
#[case::first_joining(&[TargetState::Initial, TargetState::Initial], None, Verdict::Changing)]
#[case::one_is_missing(&[TargetState::Initial], Some(Id::TargetsShort), Verdict::Down)]
#[case::one_is_unused(&[TargetState::Healthy, TargetState::Unused], Some(Id::TargetsUnused), Verdict::Degraded)]
#[case::one_is_sick(&[TargetState::Healthy, TargetState::Unhealthy], Some(Id::HealthCheckPort), Verdict::Degraded)]
fn targets_that_are_not_judged_yet_are_no_finding(
    #[case] states: &[TargetState],
    #[case] id: Option<Id>,
    #[case] word: Verdict,
) {
    let server = Server { balancers: vec![fixtures::balancer([group("a", states)])], ..well() };
    assert_eq!(ids(&server).first().copied(), id);
    assert_eq!(verdict(&server, at(0)), word);
}

/// A loop that ended when another task definition came is told, and is no fault any more; one of the same definition
/// may go on.
#[rstest]
#[case::another(":8", -10, Rollout::Completed, Gravity::Note)]
#[case::another_is_coming(":8", -10, Rollout::InProgress, Gravity::Note)]
#[case::the_last_one_stopped_while_it_came(":8", -45, Rollout::Completed, Gravity::Note)]
#[case::and_it_comes_still(":8", -45, Rollout::InProgress, Gravity::Fault)]
#[case::the_same(":7", -10, Rollout::Completed, Gravity::Fault)]
fn a_loop_before_the_deployment_in_force_is_over(
    #[case] revision: &str,
    #[case] made: i64,
    #[case] rollout: Rollout,
    #[case] gravity: Gravity,
) {
    let mut server = exits(4, 1);
    (server.running, server.pending) = (2, 0);
    (server.deployments[0].created_at, server.deployments[0].rollout) = (Some(at(made)), rollout);
    let definition = server.task_definition.replace(":7", revision);
    tasks(&mut server)
        .iter_mut()
        .filter(|task| task.stopped())
        .for_each(|task| task.task_definition = definition.clone());
    let all = findings(&server, at(0));
    assert_eq!(all.first().map(|first| (first.id, first.gravity)), Some((Id::CrashLoop, gravity)), "{all:#?}");
}

#[test]
fn two_faults_at_once_are_both_named() {
    let mut server = exits(3, 137);
    let killed = tasks(&mut server).iter_mut().filter(|task| task.stopped());
    killed.for_each(|task| {
        task.containers[0].reason = Some("OutOfMemoryError: container killed due to memory usage".into())
    });
    targets(&mut server)[0].state = TargetState::Unhealthy;
    targets(&mut server)[0].reason = Some("Target.ResponseCodeMismatch".into());
    targets(&mut server)[0].description = Some("Health checks failed with these codes: [404]".into());
    let all = findings(&server, at(0));
    let cause = Cause::of(&all).unwrap();
    let named: Vec<Id> = std::iter::once(cause.finding).chain(cause.besides()).map(|finding| finding.id).collect();
    assert_eq!(named, [Id::OutOfMemory, Id::HealthCheckPath]);
}

#[test]
fn what_was_not_read_makes_no_finding() {
    let mut server = Server { tasks: unread("a"), bounds: unread("b"), ..exits(10, 1) };
    server.running = 2;
    server.pending = 0;
    server.balancers[0].groups[0].targets = unread("c");
    assert_eq!(ids(&server), []);
}

#[rstest]
#[case::even(&["a", "b"], None)]
#[case::one_more(&["a", "a", "b"], None)]
#[case::uneven(&["a", "a", "a", "b"], Some("its tasks are 3 in a, 1 in b"))]
#[case::one_zone_is_all_that_is_known(&["a", "a", "a"], None)]
fn tasks_should_be_spread_over_the_zones(#[case] zones: &[&str], #[case] fact: Option<&str>) {
    let mut server = fixtures::server("time", u32::try_from(zones.len()).unwrap());
    tasks(&mut server).iter_mut().zip(zones).for_each(|(task, zone)| task.zone = (*zone).into());
    let all = findings(&server, at(0));
    assert_eq!(all.first().map(|finding| finding.fact.as_str()), fact);
    assert!(all.iter().all(|finding| finding.id == Id::ZonesUneven && finding.gravity == Gravity::Note));
}

#[test]
fn events_before_the_last_steady_state_say_nothing() {
    let mut server = event("(service time) was unable to place a task. Reason: Capacity is unavailable at this time.");
    server.events.insert(0, ServiceEvent { at: at(-5), message: "(service time) has reached a steady state.".into() });
    assert_eq!(ids(&server), [Id::TasksMissing]);
}

#[test]
fn a_failed_stack_is_told_by_its_first_failed_resource() {
    let stack = stacks::settled().remove(0);
    let failed = |status: &str| {
        let stack = quarterdeck::core::stack::Stack { status: StackStatus(status.into()), ..stack.clone() };
        finding::of_stacks(&[(stack, Some(Read::Known(stacks::failed().detail)))])
    };
    let stuck = failed("UPDATE_ROLLBACK_FAILED");
    assert_eq!((stuck[0].id, stuck[0].gravity), (Id::StackStuck, Gravity::Fault));
    let next = stuck[0].remedy.map(|remedy| {
        let context = fixtures::context();
        (remedy.command(&context, "time"), remedy.command(&context, ""))
    });
    assert_eq!(next, Some((Some("quarterdeck continue-rollback time".into()), Some("quarterdeck stacks".into()))));
    let back = failed("UPDATE_ROLLBACK_COMPLETE");
    assert_eq!((back[0].id, back[0].gravity), (Id::StackFailed, Gravity::Warning));
    assert!(back[0].evidence.contains("AWS::ECS::Service"), "{}", back[0].evidence);
    assert!(failed("UPDATE_COMPLETE").is_empty());
}

/// The number alone says nothing to most.
#[rstest]
#[case(126, "cannot be carried out")]
#[case(127, "not found")]
#[case(132, "SIGILL: an instruction that this processor does not have")]
#[case(134, "SIGABRT")]
#[case(139, "SIGSEGV")]
#[case(143, "SIGTERM")]
fn an_exit_code_is_told_in_words(#[case] code: i32, #[case] said: &str) {
    let found = findings(&exits(1, code), at(0));
    let all = found.iter().map(|one| one.evidence.as_str()).collect::<Vec<_>>().join("; ");
    assert!(all.contains(&format!("exit {code} (")) && all.contains(said), "{found:#?}");
}

/// Two secrets since the newer one was made, so many hours ago.
#[rstest]
#[case::in_its_grace(2, Some(20), None)]
#[case::one(1, Some(2_000), None)]
#[case::after_its_grace(2, Some(30), Some(Gravity::Note))]
#[case::for_long(2, Some(200), Some(Gravity::Warning))]
#[case::without_dates(2, None, None)]
fn an_old_secret_that_is_still_valid_is_told_after_its_grace(
    #[case] many: usize,
    #[case] hours: Option<i64>,
    #[case] expected: Option<Gravity>,
) {
    use quarterdeck::core::client::ClientSecret;
    let made = |extra: i64| hours.map(|hours| at(-3_600 * (hours + extra)));
    let mut clients = fixtures::clients().clients;
    clients.truncate(1);
    let secrets = [("old", 500), ("new", 0)].map(|(id, extra)| ClientSecret { id: id.into(), created_at: made(extra) });
    clients[0].secrets = Read::Known(Some(secrets[2 - many..].to_vec()));
    let found = finding::of_clients(&clients, at(0));
    assert_eq!(
        found.first().map(|one| (one.id, one.gravity)),
        expected.map(|one| (Id::SecretStillValid, one)),
        "{found:#?}"
    );
    clients[0].secrets = Read::NotRead(crate::support::unreachable());
    assert!(finding::of_clients(&clients, at(0)).is_empty(), "what was not read proves nothing");
}

/// What is over is told below, as a note, and is no cause: `why` finds nothing wrong either.
#[test]
fn a_note_is_no_cause_on_fleet() {
    let mut server = exits(4, 1);
    (server.running, server.pending) = (2, 0);
    server.deployments[0].created_at = Some(at(-10));
    let definition = server.task_definition.replace(":7", ":8");
    let stopped = tasks(&mut server).iter_mut().filter(|task| task.stopped());
    stopped.for_each(|task| task.task_definition = definition.clone());
    assert!(Cause::of(&findings(&server, at(0))).is_none());
    let fleet = Fleet { servers: vec![server], ..Fleet::default() };
    let console = Console::with(World { fleet, ..fixtures::world() });
    let shown = body(&console, (120, 40));
    let row = shown.lines().find(|line| line.contains("▸ time")).expect("its row");
    assert!(row.contains("healthy") && !row.contains("crash loop"), "{row}");
    assert!(shown.contains("· note     crash loop"), "{shown}");
}

#[test]
fn every_id_has_a_word_of_its_own_and_a_fix() {
    let mut words: Vec<&str> = Id::ALL.iter().map(|id| id.word()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Id::ALL.len());
    for id in Id::ALL {
        assert!(id.word().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", id.word());
        assert!(id.fix().len() > 20, "{}", id.word());
        assert_eq!(id.remedy().is_none(), *id == Id::NoCircuitBreaker);
    }
    // The order of the table is that of the layers, so that the guide reads from the origin on.
    assert!(Id::ALL.is_sorted_by_key(|id| id.layer()));
    assert!(Layer::Origin < Layer::Advice);
}

/// The console calls by its key what the command line calls by a command.
#[test]
fn a_fix_names_a_key_where_the_console_has_one() {
    let console = Console::new();
    let told = |id: Id| hint::fix(id, &console.model);
    // A token is piped into that command, so there is no key for it.
    let commands = Id::ALL.iter().filter(|id| told(**id).contains("`quarterdeck "));
    assert_eq!(commands.collect::<Vec<_>>(), [&Id::TokenInvalid]);
    let old = told(Id::DeploymentOld);
    assert!(old.contains("`H` on Fleet") && Id::DeploymentOld.fix().contains("`quarterdeck stop-deployment"), "{old}");
}

#[test]
fn every_finding_has_its_page_in_the_guide() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/incidents");
    let files = std::fs::read_dir(&guide).unwrap().map(|file| file.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|end| end == "md"));
    let pages: Vec<String> = pages.map(|page| std::fs::read_to_string(page).unwrap()).collect();
    for id in Id::ALL {
        let named = format!("`{}`", id.word());
        assert!(pages.iter().any(|page| page.contains(&named)), "{named} is on no page of {}", guide.display());
    }
}

/// Findings are told by stable names, which scripts may rely on.
#[test]
fn a_finding_as_json_has_stable_names() {
    let all: Vec<Finding> = findings(&exits(3, 1), at(0));
    let json = serde_json::to_value(&all[0]).unwrap();
    assert_eq!(json["id"], "crash-loop");
    assert_eq!((json["gravity"].as_str(), json["count"].as_u64()), (Some("fault"), Some(3)));
    assert!(json["at"].is_string() && json["evidence"].as_str().unwrap().contains("exit 1"));
}

/// A task that has a request each tenth of a second for four minutes and counts them once a minute, as gangway does; of the
/// lines every `lost`th never came.
fn counting(mut counted: Requests, lost: Option<u32>, cut: Option<i64>) -> Requests {
    let now = at(0).as_millisecond();
    let task = "a3f1c2d4e5f60718";
    for tenth in 0_i64..2_400 {
        let ago = -240_000 + tenth * 100;
        if cut.is_some_and(|cut| ago < cut) {
            continue;
        }
        if lost.is_none_or(|lost| tenth % i64::from(lost) != 0) {
            let text = format!(r#"{{"event":"request","server":"time",{SERVED},"latency_ms":1.5}}"#);
            counted.take(&logs::line("time", task, ago, &text), now);
        }
        if tenth % 600 == 599 {
            for (tool, requests) in [("now", 550), ("none", 50)] {
                let text = format!(
                    r#"{{"event":"metrics","server":"time","tool":"{tool}","Requests":{requests},"Errors":0}}"#
                );
                counted.take(&logs::line("time", task, ago + 1, &text), now);
            }
        }
    }
    counted
}

#[rstest]
#[case::every_line_came(Requests::whole(), None, None, None)]
#[case::one_of_ten_was_dropped(Requests::whole(), Some(10), None, Some("of 1"))]
#[case::a_few(Requests::whole(), Some(100), None, None)]
#[case::what_was_before_is_not_known(Requests::whole(), None, Some(-150_000), None)]
#[case::one_count_alone_says_nothing(Requests::whole(), Some(2), Some(-50_000), None)]
#[case::lines_that_come_late_may_come_still(Requests::default(), Some(10), None, None)]
fn lines_that_never_came_are_counted(
    #[case] empty: Requests,
    #[case] lost: Option<u32>,
    #[case] cut: Option<i64>,
    #[case] told: Option<&str>,
) {
    let name = str::to_owned;
    let counted = counting(empty, lost, cut);
    let found = finding::of_traffic(&counted, &name, at(20), at(20));
    let all = found.get("time").map(Vec::as_slice).unwrap_or_default();
    let dropped = all.iter().find(|one| one.id == Id::LogsDropped);
    assert_eq!(dropped.is_some(), told.is_some(), "{found:#?}");
    assert!(dropped.is_none_or(|one| one.fact.contains(told.unwrap()) && one.count > 100), "{found:#?}");
}

/// A log may be read from later on than what is asked for.
#[test]
fn up_to_any_time_is_counted_what_came_until_then() {
    let counted = counting(Requests::whole(), Some(10), None);
    let until =
        |seconds: i64| counted.missing(at(0).as_millisecond() + seconds * 1000).get("time").map(|one| one.missing);
    let missing: Vec<_> = (-600..=60).step_by(7).map(until).collect();
    assert!(missing.is_sorted(), "{missing:?}");
    assert!(missing.first() == Some(&None) && missing.last().unwrap() > &Some(0), "{missing:?}");
}

#[test]
fn after_a_part_that_was_not_read_nothing_is_missing() {
    let mut counted = counting(Requests::whole(), Some(10), None);
    assert_eq!(counted.missing(at(20).as_millisecond()).keys().collect::<Vec<_>>(), [&"time"]);
    counted.broken("weather");
    assert_eq!(counted.missing(at(20).as_millisecond()).len(), 1);
    counted.broken("time");
    assert!(counted.missing(at(20).as_millisecond()).is_empty());
}

#[rstest]
#[case::one(&[(9, r#""tool":"forecast","client":"c1","status":500"#)], "forecast fails: 9 of 9 calls")]
#[case::two(&[(9, r#""tool":"forecast","client":"c1","status":500"#), (4, r#""tool":"alerts","client":"c1","status":500"#)], "forecast and 1 other fail: 9 of 9 calls")]
#[case::three(&[(9, r#""tool":"forecast","client":"c1","status":500"#), (4, r#""tool":"alerts","client":"c1","status":500"#), (4, r#""tool":"now","client":"c1","status":500"#)], "forecast and 2 others fail: 9 of 9 calls")]
fn tools_that_fail_are_told_in_a_sentence(#[case] lines: &[(u32, &str)], #[case] fact: &str) {
    let found = finding::of_traffic(&requests(lines), &str::to_owned, at(5), at(5));
    assert!(found["time"][0].fact.starts_with(fact), "{found:#?}");
}

/// Request lines of the last half minute.
fn requests(lines: &[(u32, &str)]) -> Requests {
    let mut counted = Requests::default();
    for (many, fields) in lines {
        for _ in 0..*many {
            let text = format!(r#"{{"event":"request","server":"time",{fields},"latency_ms":1.5}}"#);
            counted.take(&logs::line("time", "a3f1c2d4e5f60718", -30_000, &text), at(0).as_millisecond());
        }
    }
    counted
}

const SERVED: &str = r#""tool":"now","client":"c1","status":200"#;

#[rstest]
#[case::served(&[(50, SERVED)], None)]
#[case::clients_that_learn_where_to_get_a_token(&[(50, SERVED), (9, r#""reason":"no-token","status":401"#)], None)]
#[case::clients_that_went_away(&[(9, r#""client":"c1","reason":"client-gone","status":499"#)], None)]
#[case::one_that_renews_its_token(&[(50, SERVED), (1, r#""client":"c1","reason":"token-expired","status":401"#)], None)]
#[case::an_odd_call_now_and_then(&[(50, SERVED), (2, r#""tool":"now","client":"c1","status":500"#)], None)]
#[case::clients_that_come_and_only_look(&[(12, r#""reason":"no-token","status":401"#), (12, r#""client":"c1","method":"initialize","status":200"#), (12, r#""client":"c1","method":"tools/list","status":200"#)], None)]
#[case::more_than_come(&[(25, r#""reason":"no-token","status":401"#), (12, r#""client":"c1","method":"initialize","status":200"#)], Some((Id::NoToken, Gravity::Fault)))]
#[case::no_token(&[(20, SERVED), (12, r#""reason":"no-token","status":401"#)], Some((Id::NoToken, Gravity::Warning)))]
#[case::nobody_has_a_token(&[(12, r#""reason":"no-token","status":401"#)], Some((Id::NoToken, Gravity::Fault)))]
#[case::expired(&[(50, SERVED), (9, r#""client":"c2","reason":"token-expired","status":401"#)], Some((Id::TokenExpired, Gravity::Warning)))]
#[case::for_another_server(&[(5, SERVED), (3, r#""client":"c2","reason":"audience","audience":"other","status":401"#)], Some((Id::TokenAudience, Gravity::Warning)))]
#[case::id_token(&[(9, r#""client":"c2","reason":"id-token","status":401"#)], Some((Id::IdToken, Gravity::Fault)))]
#[case::forged(&[(9, r#""reason":"token-signature","status":401"#)], Some((Id::TokenInvalid, Gravity::Fault)))]
#[case::keys(&[(50, SERVED), (30, r#""reason":"keys-unavailable","status":503"#)], Some((Id::KeysUnavailable, Gravity::Fault)))]
#[case::rate(&[(9, r#""client":"c2","reason":"rate","status":429"#)], Some((Id::ClientFloods, Gravity::Fault)))]
#[case::body(&[(50, SERVED), (9, r#""client":"c2","reason":"body-size","status":413"#)], Some((Id::BodyTooLarge, Gravity::Warning)))]
#[case::busy(&[(9, r#""reason":"busy","status":503"#)], Some((Id::Saturated, Gravity::Fault)))]
#[case::slow(&[(9, r#""tool":"now","client":"c1","reason":"slow","status":504"#)], Some((Id::AnswersLate, Gravity::Fault)))]
#[case::upstream_gone(&[(9, r#""tool":"now","client":"c1","upstream":"gone","status":502"#)], Some((Id::UpstreamFailing, Gravity::Fault)))]
#[case::upstream_says_no(&[(50, r#""tool":"now","client":"c1","upstream":"ok","status":200"#)], None)]
#[case::a_gangway_that_gives_no_reason(&[(9, r#""client":"c1","status":403"#)], Some((Id::RequestsRefused, Gravity::Fault)))]
#[case::a_reason_of_a_later_gangway(&[(9, r#""client":"c1","reason":"moon","status":400"#)], Some((Id::RequestsRefused, Gravity::Fault)))]
#[case::tool(&[(50, SERVED), (9, r#""tool":"forecast","client":"c1","status":500"#)], Some((Id::ToolFailing, Gravity::Fault)))]
#[case::all_over(&[(50, SERVED), (20, r#""tool":"now","client":"c1","status":500"#)], Some((Id::RequestsFail, Gravity::Fault)))]
fn what_requests_say(#[case] lines: &[(u32, &str)], #[case] expected: Option<(Id, Gravity)>) {
    let name = |id: &str| id.replace('c', "client-");
    let found = finding::of_traffic(&requests(lines), &name, at(5), at(5));
    let first = found.get("time").and_then(|all| all.first());
    assert_eq!(first.map(|one| (one.id, one.gravity)), expected, "{found:#?}");
    if lines.iter().any(|(_, fields)| fields.contains("c2")) && expected.is_some() {
        assert!(first.is_some_and(|one| one.fact.contains("client-2")), "a client is told by its name: {found:#?}");
    }
}

#[test]
fn two_faults_of_the_traffic_are_both_told_and_neither_explains_the_other() {
    let lines = [
        (9, r#""client":"c2","reason":"audience","status":401"#),
        (9, r#""client":"c1","reason":"token-expired","status":401"#),
    ];
    let found = &finding::of_traffic(&requests(&lines), &str::to_owned, at(5), at(5))["time"];
    let cause = Cause::of(found).unwrap();
    assert_eq!((found.len(), cause.besides().count()), (2, 1), "{found:#?}");
}

#[test]
fn a_client_floods_when_it_asks_much_more_than_before() {
    let mut counted = Requests::default();
    let mut send = |from: i64, until: i64, every: i64| {
        for after in (from..until).step_by(usize::try_from(every).unwrap()) {
            let text = format!(r#"{{"event":"request",{SERVED},"latency_ms":1.5}}"#);
            counted.take(&logs::line("time", "a3f1c2d4e5f60718", after, &text), at(0).as_millisecond());
        }
        counted.clone()
    };
    let steady = send(-300_000, -60_000, 1_000);
    assert_eq!(finding::of_traffic(&steady, &str::to_owned, at(0), at(0)).len(), 0);
    let flooded = send(-50_000, -2_000, 50);
    let found = finding::of_traffic(&flooded, &str::to_owned, at(0), at(0));
    assert_eq!(found["time"][0].id, Id::ClientFloods, "{found:#?}");
    // Beside a flood everything else is little: it is not told by its share of that.
    for (many, told) in [(40, true), (9, false)] {
        let mut both = flooded.clone();
        for after in 0..many {
            let text = r#"{"event":"request","reason":"no-token","status":401,"latency_ms":0.2}"#;
            both.take(&logs::line("time", "a3f1c2d4e5f60718", -50_000 + after * 1_000, text), at(0).as_millisecond());
        }
        let found = finding::of_traffic(&both, &str::to_owned, at(0), at(0));
        let ids: Vec<Id> = found["time"].iter().map(|one| one.id).collect();
        assert_eq!((ids.contains(&Id::ClientFloods), ids.contains(&Id::NoToken)), (true, told), "{many}: {found:#?}");
    }
    let young = requests(&[(900, SERVED)]);
    assert_eq!(finding::of_traffic(&young, &str::to_owned, at(5), at(5)).len(), 0, "without a before nobody can tell");
}

/// Requests a minute in stretches that end so many seconds before now.
type Stretches<'a> = &'a [(i64, i64, i64)];

#[rstest]
#[case::soon_after_the_server(&[(110, 80, 60), (80, 0, 2_400)], true)]
#[case::at_once(&[(80, 0, 2_400)], false)]
#[case::for_a_while(&[(890, 300, 60), (300, 0, 2_400)], true)]
#[case::for_ten_minutes(&[(890, 600, 60), (600, 0, 2_400)], true)]
#[case::so_for_long(&[(890, 800, 60), (800, 0, 2_400)], false)]
#[case::much_but_not_much_more(&[(890, 60, 800), (60, 0, 2_400)], false)]
#[case::little(&[(890, 60, 12), (60, 0, 240)], false)]
#[case::after_a_pause_as_before(&[(890, 300, 2_400), (125, 0, 2_400)], false)]
#[case::begun_in_the_midst_of_a_piece(&[(71, 0, 2_400)], false)]
#[case::in_bursts(&[(890, 600, 60), (400, 390, 2_400), (60, 0, 2_400)], true)]
fn a_flood_is_told_by_what_its_client_does_as_a_rule(#[case] stretches: Stretches<'_>, #[case] floods: bool) {
    let mut counted = Requests::default();
    for (from, until, a_minute) in stretches {
        for nth in 0..(from - until) * a_minute / 60 {
            let text = format!(r#"{{"event":"request",{SERVED},"latency_ms":1.5}}"#);
            let after = -from * 1_000 + nth * 60_000 / a_minute;
            counted.take(&logs::line("time", "a3f1c2d4e5f60718", after, &text), at(0).as_millisecond());
        }
    }
    let found = finding::of_traffic(&counted, &str::to_owned, at(0), at(0));
    let told = found.get("time").is_some_and(|all| all.iter().any(|one| one.id == Id::ClientFloods));
    assert_eq!(told, floods, "{found:#?}");
}

/// So many calls of a tool in the half minute that ends so many seconds before now, each of so many milliseconds.
type Calls = (u32, i64, f64);

#[rstest]
#[case::as_before(&[(20, 90, 400.0), (20, 0, 900.0)], None)]
#[case::quick_all_the_same(&[(20, 90, 2.0), (20, 0, 900.0)], None)]
#[case::slower(&[(20, 90, 100.0), (20, 0, 6_000.0)], Some("before took 98.7ms or less"))]
#[case::one_of_many(&[(20, 90, 100.0), (60, 0, 100.0), (1, 0, 60_000.0)], None)]
#[case::too_few(&[(20, 90, 100.0), (3, 0, 6_000.0)], None)]
#[case::slow_ever_since(&[(20, 90, 20_000.0), (20, 0, 20_000.0)], Some("before took"))]
#[case::slow_for_a_while(&[(30, 90, 100.0), (20, 40, 6_000.0), (20, 0, 6_000.0)], Some("before took"))]
#[case::no_before(&[(20, 0, 6_000.0)], None)]
#[case::long_and_no_before(&[(20, 0, 12_000.0)], Some("20 calls"))]
#[case::over_again(&[(20, 60, 6_000.0), (20, 0, 100.0)], None)]
fn a_tool_is_slow_by_what_it_took_before(#[case] calls: &[Calls], #[case] expected: Option<&str>) {
    let mut counted = Requests::default();
    for (many, ago, took) in calls {
        for index in 0..i64::from(*many) {
            let text = format!(r#"{{"event":"request",{SERVED},"latency_ms":{took}}}"#);
            let line = logs::line("time", "a3f1c2d4e5f60718", -ago * 1_000 - 2_100 - index * 400, &text);
            counted.take(&line, at(0).as_millisecond());
        }
    }
    let found = finding::of_traffic(&counted, &str::to_owned, at(0), at(0));
    let first = found.get("time").and_then(|all| all.first());
    assert_eq!(first.map(|one| one.id), expected.map(|_| Id::ToolSlow), "{found:#?}");
    assert!(first.is_none_or(|one| one.evidence.contains(expected.unwrap_or_default())), "{found:#?}");
}

/// What a task's log says of who is kept out: seconds before now, the task, and what it says.
type Said = (i64, &'static str, &'static str);

/// A server of which the log says this, and another one whose lines say it in no way that is read.
fn telling(said: &[Said], others: &[&str]) -> Requests {
    let mut counted = requests(&[(5, SERVED)]);
    for (ago, task, words) in said {
        let text = format!(r#"{{"ts":"x","server":"time","message":"exit code 3",{words}}}"#);
        counted.take(&logs::line("time", task, -ago * 1_000, &text), at(0).as_millisecond());
    }
    for other in others {
        counted.take(&logs::line("weather", ONE, -1_000, other), at(0).as_millisecond());
    }
    counted
}

const ONE: &str = "a3f1c2d4e5f60718";
const OTHER: &str = "b4f1c2d4e5f60718";
const HOLDS: &str = r#""level":"warn","event":"quarantine_unavailable","QuarantineAge":61"#;
const NEVER: &str = r#""level":"error","event":"quarantine_unavailable","QuarantineAge":61"#;
const AGAIN: &str = r#""level":"info","event":"quarantine_available""#;

/// gangway is a package of its own: what it writes and what is read here must be the same words.
#[rstest]
#[case::holds_what_it_had(&[(30, ONE, HOLDS)], Some(Gravity::Warning), "is 61 s old")]
#[case::has_never_known(&[(30, ONE, NEVER)], Some(Gravity::Fault), "lets everybody in")]
#[case::says_nothing_any_more(&[(91, ONE, NEVER)], None, "")]
#[case::can_again(&[(30, ONE, NEVER), (29, ONE, AGAIN)], None, "")]
#[case::could_again_and_cannot(&[(30, ONE, NEVER), (29, ONE, AGAIN), (9, ONE, HOLDS)], Some(Gravity::Warning), "is 61 s old")]
#[case::read_once_more(&[(29, ONE, AGAIN), (30, ONE, HOLDS), (29, ONE, AGAIN)], None, "")]
#[case::another_can(&[(30, ONE, HOLDS), (29, OTHER, AGAIN)], Some(Gravity::Warning), "is 61 s old")]
#[case::the_worst_counts(&[(30, ONE, NEVER), (29, OTHER, HOLDS)], Some(Gravity::Fault), "lets everybody in")]
#[case::the_worst_is_over(&[(30, ONE, NEVER), (29, OTHER, HOLDS), (28, ONE, AGAIN)], Some(Gravity::Warning), "is 61 s old")]
fn a_task_that_cannot_read_who_is_kept_out_is_told(
    #[case] said: &[Said],
    #[case] expected: Option<Gravity>,
    #[case] says: &str,
) {
    let others = [r#"{"event":"quarantine_unavailable"}"#, r#"["quarantine_unavailable"]"#, "quarantine_unavailable"];
    let counted = telling(said, &others);
    let found = finding::of_traffic(&counted, &str::to_owned, at(0), at(0));
    let first = found.get("time").and_then(|all| all.first());
    assert_eq!(first.map(|one| (one.id, one.gravity)), expected.map(|gravity| (Id::QuarantineUnread, gravity)));
    assert!(first.is_none_or(|one| one.fact.contains(says)), "{found:#?}");
    assert!(!found.contains_key("weather"));
}

const MISSING: &str = r#""event":"app_end","reason":"cannot-start""#;
const ENDS: &str = r#""event":"app_end","reason":"exited""#;
const GIVEN_UP: &str = r#""event":"app_given_up","reason":"killed""#;
const NOT_READY: &str = r#""event":"app_end","reason":"not-ready""#;
const WITHOUT: &str = r#""event":"app_end""#;
const UP: &str = r#""event":"app_start""#;

/// What is behind gangway, and does not run: of one server, as its tasks say it.
#[rstest]
#[case::no_such_program(&[(30, ONE, MISSING)], Some(Id::CommandMissing), "or cannot be run")]
#[case::it_ends(&[(30, ONE, ENDS)], Some(Id::AppDown), "ends by itself")]
#[case::it_is_killed(&[(30, ONE, GIVEN_UP)], Some(Id::AppDown), "ended by a signal")]
#[case::of_another_version(&[(30, ONE, WITHOUT)], Some(Id::AppDown), "is down")]
#[case::up_again(&[(30, ONE, ENDS), (29, ONE, UP)], None, "")]
#[case::up_again_in_any_order(&[(29, ONE, UP), (30, ONE, ENDS), (29, ONE, UP)], None, "")]
#[case::and_down_again(&[(30, ONE, UP), (29, ONE, ENDS)], Some(Id::AppDown), "ends by itself")]
#[case::up_in_another_task(&[(30, ONE, ENDS), (29, OTHER, UP)], Some(Id::AppDown), "ends by itself")]
#[case::up_in_a_later_task_where_it_was_given_up(&[(30, ONE, GIVEN_UP), (29, OTHER, UP)], None, "")]
#[case::up_before_it_was_given_up(&[(30, OTHER, UP), (29, ONE, GIVEN_UP)], Some(Id::AppDown), "ended by a signal")]
#[case::in_two_tasks(&[(30, ONE, ENDS), (29, OTHER, MISSING)], Some(Id::CommandMissing), "in 2 tasks")]
#[case::given_up_and_in_the_next_task(&[(30, ONE, GIVEN_UP), (29, OTHER, MISSING)], Some(Id::CommandMissing), "or cannot be run")]
#[case::said_long_ago(&[(91, ONE, ENDS)], None, "")]
#[case::said_seldom(&[(300, ONE, NOT_READY)], Some(Id::AppDown), "does not get ready")]
#[case::said_too_long_ago(&[(361, ONE, NOT_READY)], None, "")]
fn what_is_behind_gangway_and_does_not_run_is_told(
    #[case] said: &[Said],
    #[case] expected: Option<Id>,
    #[case] says: &str,
) {
    let others =
        [r#"{"event":"app","message":"\"app_end\""}"#, r#"["app_end"]"#, "app_end", r#"{"event":"app_dropped"}"#];
    let counted = telling(said, &others);
    let found = finding::of_traffic(&counted, &str::to_owned, at(0), at(0));
    let first = found.get("time").and_then(|all| all.first());
    let fault = |one: &finding::Finding| (one.id, one.gravity);
    assert_eq!(first.map(fault), expected.map(|id| (id, Gravity::Fault)), "{found:#?}");
    let told = |one: &finding::Finding| one.fact.ends_with(says) && one.evidence == "its log says: exit code 3";
    assert!(first.is_none_or(told), "{found:#?}");
    assert!(!found.contains_key("weather"));
}

/// gangway is a package of its own: what it writes and what is read here must be the same words.
#[test]
fn every_kind_of_fall_of_gangway_is_known() {
    let table = include_str!("../../servers/gangway/src/front/fall.rs");
    let rows = table.split("\nfalls! {").nth(1).unwrap().split("\n}").next().unwrap();
    let words: Vec<&str> =
        rows.lines().filter(|row| !row.trim().starts_with("///")).filter_map(|row| row.split('"').nth(1)).collect();
    assert_eq!(words, Fall::ALL.iter().map(|fall| fall.word()).collect::<Vec<_>>());
}

#[test]
fn every_reason_of_gangway_is_known() {
    let table = include_str!("../../servers/gangway/src/reason.rs");
    let rows = table.split("\nreasons! {").nth(1).unwrap().split("\n}").next().unwrap();
    let words: std::collections::BTreeSet<&str> =
        rows.lines().filter(|row| !row.trim().starts_with("///")).filter_map(|row| row.split('"').nth(1)).collect();
    let known = Why::ALL.iter().filter(|why| why.upstream().is_none()).map(|why| why.word()).collect();
    assert_eq!(words, known);
}
