//! What is taken for a service that is as promised, and what is not.

use crate::support::at;
use crate::support::fixtures::{balancer, group, server, targets, task, tasks, unread};
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::fleet::{
    Balancer, Bounds, Controller, Deployment, DeploymentStatus, Health, Rollout, Server, ServiceEvent, StopCode,
    Strategy, TargetGroup, TargetState, TaskStatus,
};
use quarterdeck::core::operation::CheckState;
use quarterdeck::core::operation::verify::steady;
use quarterdeck::core::operation::work::{Made, Promise};
use rstest::rstest;

/// A healthy server of three tasks, changed.
fn changed(change: impl FnOnce(&mut Server)) -> Server {
    let mut server = server("time", 3);
    change(&mut server);
    server
}

/// Three tasks, and the deployment and task definition of the fixture.
fn promised() -> Promise {
    let deployment = server("time", 3).deployments.remove(0);
    let made = Some(Made { id: "ecs-svc/1".into(), at: deployment.created_at });
    let count = Some(Bounds { min: 3, max: 3 });
    Promise { count, made, task_definition: Some(deployment.task_definition) }
}

/// Another deployment in force, made so many seconds after the promised one.
fn other(seconds: i64) -> Server {
    changed(|server| {
        let made = server.deployments[0].created_at.expect("a date");
        let deployment = &mut server.deployments[0];
        (deployment.id, deployment.created_at) =
            ("ecs-svc/9".into(), Some(made + jiff::SignedDuration::from_secs(seconds)));
    })
}

#[test]
fn a_newer_deployment_will_do_and_an_older_one_is_a_read_that_lags() {
    assert!(matches!(steady(&other(60), &promised(), at(0)), CheckState::Holds(_)));
    let state = steady(&other(-60), &promised(), at(0));
    assert!(matches!(&state, CheckState::Pending(note) if note.contains("older")), "{state:?}");
}

#[rstest]
#[case::another_count(changed(|server| server.desired = 5), "desired count reads 5, not 3")]
#[case::another_task_definition(changed(|server| server.deployments[0].task_definition = "arn:other:1".into()), "superseded")]
fn what_a_read_that_lags_would_show_is_doubtful(#[case] server: Server, #[case] part: &str) {
    let state = steady(&server, &promised(), at(0));
    assert!(matches!(&state, CheckState::Doubtful(why) if why.contains(part)), "{state:?}");
}

#[rstest]
#[case::as_it_is(changed(|_| ()), "3/3 running, 3/3 targets healthy")]
#[case::no_target_group(changed(|server| server.balancers.clear()), "3/3 running, no target group")]
fn a_steady_service_holds(#[case] server: Server, #[case] note: &str) {
    assert_eq!(steady(&server, &promised(), at(0)), CheckState::Holds(note.into()));
}

#[rstest]
#[case::a_task_short(changed(|server| server.running = 2), "2/3 running")]
#[case::a_target_that_is_not_healthy(changed(|server| targets(server)[0].state = TargetState::Initial), "2/3 targets healthy")]
#[case::no_target_yet(changed(|server| targets(server).clear()), "0/3 targets healthy")]
#[case::a_rollout_under_way(changed(|server| server.deployments[0].rollout = Rollout::InProgress), "rollout IN_PROGRESS")]
#[case::a_rollout_in_a_word_of_later(changed(|server| server.deployments[0].rollout = Rollout::Other("PAUSED".into())), "rollout PAUSED")]
#[case::tasks_that_were_not_read(changed(|server| (server.pending, server.tasks) = (1, unread("ecs:ListTasks"))), "tasks not read: ecs:ListTasks: access denied")]
#[case::the_old_deployment_is_left(changed(|server| server.deployments.push(old())), "3/3 running")]
fn an_unsteady_service_is_waited_for(#[case] server: Server, #[case] part: &str) {
    let state = steady(&server, &Promise::default(), at(0));
    assert!(matches!(&state, CheckState::Pending(note) if note.contains(part)), "{state:?}");
}

#[rstest]
#[case::a_rollout_that_failed(changed(|server| server.deployments[0].rollout = Rollout::Failed), "the deployment failed")]
#[case::tasks_that_only_stop(crashing(true), "3 tasks stopped as soon as they started")]
fn a_service_that_can_no_longer_become_steady_fails(#[case] server: Server, #[case] part: &str) {
    let state = steady(&server, &promised(), at(0));
    assert!(matches!(&state, CheckState::Failed(why) if why.contains(part)), "{state:?}");
}

/// A task of this deployment that stopped by itself so many seconds ago, after it had run for so long.
fn crashed(index: u32, ago: i64, ran: i64) -> quarterdeck::core::fleet::Task {
    let mut task = task("time", 20 + index);
    (task.last_status, task.stop_code) = (TaskStatus::Stopped, Some(StopCode::EssentialContainerExited));
    (task.started_at, task.stopped_at) = (Some(at(-ago - ran)), Some(at(-ago)));
    task
}

/// An emulator calls it completed, and its targets healthy, as soon as the tasks run.
#[rstest]
#[case::that_has_just_started(changed(|server| tasks(server)[1].started_at = Some(at(-4))), "the newest task has run for 4s")]
#[case::that_fails_its_check(changed(|server| tasks(server)[1].health = Health::Unhealthy), "fails its health check")]
#[case::beside_one_that_has_just_stopped(changed(|server| tasks(server).push(crashed(0, 20, 3))), "a task has just stopped")]
fn a_task_that_runs_does_not_prove_that_it_stays(#[case] server: Server, #[case] part: &str) {
    for server in [&server, &Server { balancers: Vec::new(), ..server.clone() }] {
        let state = steady(server, &promised(), at(0));
        assert!(
            matches!(&state, CheckState::Pending(note) if note.contains("3/3 running") && note.contains(part)),
            "{state:?}"
        );
    }
    let later = steady(&server, &promised(), at(60));
    assert_eq!(matches!(later, CheckState::Holds(_)), part != "fails its health check", "{later:?}");
}

/// Each has stopped three times over, and for a moment all of them run.
#[test]
fn tasks_that_stop_again_and_again_fail_also_while_they_run() {
    let again = |ran: i64| {
        changed(|server| {
            tasks(server).iter_mut().for_each(|task| task.started_at = Some(at(-ran)));
            let stops = (0..9).map(|index| crashed(index, 20 + 10 * i64::from(index), 3));
            tasks(server).extend(stops.collect::<Vec<_>>());
        })
    };
    let state = steady(&again(5), &promised(), at(0));
    assert!(
        matches!(&state, CheckState::Failed(why) if why.contains("9 tasks stopped as soon as they started")),
        "{state:?}"
    );
    let state = steady(&again(40), &promised(), at(0));
    assert!(matches!(&state, CheckState::Pending(_)), "one that outlives the others may stay: {state:?}");
}

#[test]
fn stopped_tasks_of_the_previous_deployment_do_not_count() {
    let state = steady(&crashing(false), &promised(), at(0));
    assert!(matches!(&state, CheckState::Pending(_)), "{state:?}");
}

const ALL: [TargetState; 3] = [TargetState::Healthy, TargetState::Healthy, TargetState::Healthy];

/// With these balancers, each of one group or of two.
fn balanced(balancers: &[&[TargetGroup]]) -> Server {
    changed(|server| server.balancers = balancers.iter().map(|groups| balancer(groups.iter().cloned())).collect())
}

fn unread_group(name: &str, kind: ErrorKind) -> TargetGroup {
    TargetGroup {
        targets: quarterdeck::core::unread::Read::NotRead(CloudError::new(kind, "elb:X", "why")),
        ..group(name, &[])
    }
}

#[rstest]
#[case::every_one_is_full(balanced(&[&[group("a", &ALL)], &[group("b", &ALL)]]), Ok("a 3/3 targets healthy, b 3/3"))]
#[case::one_is_short(balanced(&[&[group("a", &ALL)], &[group("b", &ALL[1..])]]), Err("b 2/3 targets healthy, a 3/3"))]
#[case::one_is_empty(balanced(&[&[group("a", &ALL)], &[group("b", &[])]]), Err("b 0/3"))]
#[case::twice_as_many_in_one_do_not_help(balanced(&[&[group("a", &[&ALL[..], &ALL[..]].concat())], &[group("b", &[])]]), Err("b 0/3"))]
#[case::of_a_pair_the_first(balanced(&[&[group("a", &ALL), group("b", &[])]]), Ok("a 3/3"))]
#[case::of_a_pair_the_second(balanced(&[&[group("a", &[TargetState::Draining]), group("b", &ALL)]]), Ok("b 3/3"))]
#[case::of_a_pair_the_counts_are_not_added(balanced(&[&[group("a", &ALL[2..]), group("b", &ALL[1..])]]), Err("b 2/3"))]
#[case::of_a_pair_one_may_be_unread(balanced(&[&[unread_group("a", ErrorKind::Denied), group("b", &ALL)]]), Ok("b 3/3"))]
#[case::unused_targets_serve_nobody(balanced(&[&[group("a", &[TargetState::Unused, TargetState::Unused, TargetState::Unused])]]), Err("0/3"))]
#[case::a_read_that_failed_may_work_soon(balanced(&[&[unread_group("a", ErrorKind::Throttled)]]), Err("targets not read"))]
fn each_balancer_is_judged_on_its_own(#[case] server: Server, #[case] expected: Result<&str, &str>) {
    match (steady(&server, &promised(), at(0)), expected) {
        (CheckState::Holds(note), Ok(part)) | (CheckState::Pending(note), Err(part)) => {
            assert!(note.contains(part), "{note}");
        }
        (state, _) => panic!("{state:?}"),
    }
}

#[rstest]
#[case::denied(ErrorKind::Denied)]
#[case::of_a_kind_that_is_not_read(ErrorKind::Unsupported)]
#[case::the_group_is_gone(ErrorKind::NotFound)]
fn targets_that_cannot_be_read_prove_nothing(#[case] kind: ErrorKind) {
    let state = steady(&balanced(&[&[group("a", &ALL)], &[unread_group("b", kind)]]), &promised(), at(0));
    assert!(matches!(&state, CheckState::Unproven(note) if note.contains("b targets not read")), "{state:?}");
}

/// A service of two task sets with their running and desired tasks.
fn task_sets(controller: Controller, sets: &[(&str, u32, u32, Rollout)]) -> Server {
    changed(|server| {
        server.shape.controller = controller;
        let set = server.deployments.remove(0);
        let made = sets.iter().map(|(status, running, desired, rollout)| Deployment {
            id: format!("ecs-svc/{status}"),
            status: (*status).to_owned().into(),
            running: *running,
            desired: *desired,
            rollout: rollout.clone(),
            ..set.clone()
        });
        server.deployments = made.collect();
        server.running = server.deployments.iter().map(|set| set.running).sum();
        server.balancers.clear();
    })
}

#[rstest]
#[case::of_code_deploy(Controller::CodeDeploy, &[("PRIMARY", 3, 3, Rollout::Completed)], Ok("3/3 running"))]
#[case::that_follows_the_count_late(Controller::CodeDeploy, &[("PRIMARY", 2, 2, Rollout::Completed)], Err("2/2"))]
#[case::that_is_not_steady(Controller::CodeDeploy, &[("PRIMARY", 3, 3, Rollout::InProgress)], Err("stabilizing"))]
#[case::while_requests_move(Controller::CodeDeploy, &[("PRIMARY", 3, 3, Rollout::Completed), ("ACTIVE", 3, 3, Rollout::Completed)], Err("6/6"))]
#[case::of_two_parts(Controller::External, &[("PRIMARY", 2, 2, Rollout::Completed), ("ACTIVE", 1, 1, Rollout::Completed)], Ok("3/3 running"))]
#[case::of_parts_that_are_rounded_up(Controller::External, &[("PRIMARY", 2, 2, Rollout::Completed), ("ACTIVE", 2, 2, Rollout::Completed)], Ok("4/4 running"))]
#[case::without_a_primary_one(Controller::External, &[("ACTIVE", 3, 3, Rollout::Completed)], Ok("3/3 running"))]
#[case::that_says_nothing(Controller::External, &[("PRIMARY", 3, 3, Rollout::Unsaid)], Ok("3/3 running"))]
#[case::of_which_one_is_short(Controller::External, &[("PRIMARY", 2, 2, Rollout::Completed), ("ACTIVE", 0, 1, Rollout::InProgress)], Err("2/3"))]
#[case::that_is_leaving(Controller::External, &[("PRIMARY", 3, 3, Rollout::Completed), ("DRAINING", 0, 3, Rollout::InProgress)], Ok("3/3 running"))]
fn task_sets_are_steady_when_ecs_says_so_of_each(
    #[case] controller: Controller,
    #[case] sets: &[(&str, u32, u32, Rollout)],
    #[case] expected: Result<&str, &str>,
) {
    let count = Promise { count: Some(Bounds { min: 3, max: 3 }), ..Promise::default() };
    match (steady(&task_sets(controller, sets), &count, at(0)), expected) {
        (CheckState::Holds(note), Ok(part)) | (CheckState::Pending(note), Err(part)) => {
            assert!(note.contains(part), "{note}");
        }
        (state, _) => panic!("{state:?}"),
    }
}

#[test]
fn a_service_that_should_have_a_task_set_and_has_none_is_not_steady() {
    let state = steady(&task_sets(Controller::External, &[]), &Promise::default(), at(0));
    assert!(matches!(&state, CheckState::Doubtful(why) if why.contains("no task set")), "{state:?}");
}

/// ECS calls a task set steady only behind a healthy load balancer; targets that are there and sick weigh more.
#[rstest]
#[case::healthy(&ALL, true)]
#[case::none_registered(&[], true)]
#[case::sick(&[TargetState::Unhealthy, TargetState::Healthy, TargetState::Healthy], false)]
fn the_targets_of_a_task_set_are_judged_with_it(#[case] states: &[TargetState], #[case] holds: bool) {
    let mut server = task_sets(Controller::CodeDeploy, &[("PRIMARY", 3, 3, Rollout::Completed)]);
    server.balancers =
        vec![Balancer { task_sets: vec!["ecs-svc/PRIMARY".into()], ..balancer([group("blue", states)]) }];
    assert_eq!(matches!(steady(&server, &Promise::default(), at(0)), CheckState::Holds(_)), holds);
}

/// What is read just after a write may show the deployment before, and that one may have failed.
#[rstest]
#[case::it_had_failed(|server: &mut Server| server.deployments[0].rollout = Rollout::Failed)]
#[case::its_tasks_crashed(|server: &mut Server| *server = crashing(true))]
fn a_failure_of_the_deployment_before_is_not_ours(#[case] change: fn(&mut Server)) {
    let mut made = promised();
    made.made = made
        .made
        .map(|made| Made { id: "ecs-svc/9".into(), at: made.at.map(|at| at + jiff::SignedDuration::from_secs(9)) });
    let state = steady(&changed(change), &made, at(0));
    assert!(matches!(&state, CheckState::Pending(note) if note.contains("older than ecs-svc/9")), "{state:?}");
}

#[rstest]
#[case::the_reason_of_the_one_in_force("ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/0.", None)]
#[case::an_event_of_ours("", Some("(service time) (deployment ecs-svc/1) deployment failed: alarm detected."))]
fn a_rollback_of_ecs_is_no_newer_deployment(#[case] reason: &str, #[case] event: Option<&str>) {
    let mut server = other(60);
    server.deployments[0].rollout_reason = reason.into();
    server.events.splice(0..0, event.map(|message| ServiceEvent { at: at(0), message: message.into() }));
    let state = steady(&server, &promised(), at(0));
    let said = if reason.is_empty() { event.unwrap_or_default() } else { reason };
    assert_eq!(state, CheckState::Failed(format!("rolled back: {said}")));
}

#[test]
fn what_is_superseded_is_told_in_the_words_of_ecs() {
    let mut server = changed(|server| server.deployments[0].task_definition = "arn:other:1".into());
    server.deployments[0].rollout_reason = "ECS deployment ecs-svc/1 completed.".into();
    let state = steady(&server, &promised(), at(0));
    assert!(
        matches!(&state, CheckState::Doubtful(why) if why.ends_with("ECS says: ECS deployment ecs-svc/1 completed.")),
        "{state:?}"
    );
}

#[test]
fn a_service_without_a_deployment_is_a_read_that_lags_at_first() {
    let state = steady(&changed(|server| server.deployments.clear()), &promised(), at(0));
    assert!(matches!(state, CheckState::Doubtful(_)), "{state:?}");
}

#[rstest]
#[case::alarms(|server: &mut Server| server.shape.alarms = true, true)]
#[case::both_versions_run(|server: &mut Server| {
    server.shape.strategy = Strategy::BlueGreen;
    server.deployments.push(old());
}, true)]
#[case::the_old_one_still_runs(|server: &mut Server| {
    server.shape.alarms = true;
    server.deployments.push(old());
}, false)]
#[case::nothing_watches_it(|_: &mut Server| (), false)]
fn a_full_deployment_under_way_may_be_baking(#[case] change: fn(&mut Server), #[case] bakes: bool) {
    let server = changed(|server| {
        server.deployments[0].rollout = Rollout::InProgress;
        change(server);
    });
    let state = steady(&server, &promised(), at(0));
    assert!(matches!(&state, CheckState::Pending(note) if note.contains("baking") == bakes), "{state:?}");
    assert_eq!(server.rollout() == "baking", bakes);
}

/// AWS takes spot capacity back without a fault of the tasks.
#[test]
fn spot_tasks_that_were_taken_away_are_no_crashes() {
    let mut server = crashing(true);
    tasks(&mut server).iter_mut().for_each(|task| task.stop_code = Some(StopCode::SpotInterruption));
    assert!(matches!(steady(&server, &promised(), at(0)), CheckState::Pending(_)));
}

fn old() -> Deployment {
    Deployment { id: "ecs-svc/0".into(), status: DeploymentStatus::Active, ..server("time", 1).deployments.remove(0) }
}

/// Three tasks stopped by themselves since the deployment began, and none runs.
fn crashing(of_the_new_one: bool) -> Server {
    changed(|server| {
        (server.running, server.deployments[0].running) = (0, 0);
        server.deployments[0].rollout = Rollout::InProgress;
        let tasks = tasks(server);
        *tasks = (0..3).map(|index| task("time", index)).collect();
        for task in tasks {
            (task.last_status, task.stopped_at) = (TaskStatus::Stopped, Some(at(-60)));
            task.stop_code = Some(StopCode::EssentialContainerExited);
            if !of_the_new_one {
                task.task_definition = task.task_definition.replace(":7", ":6");
            }
        }
    })
}
