//! What is taken for a service that is as promised, and what is not.

use crate::support::at;
use crate::support::fixtures::{server, targets, task, tasks, unread};
use quarterdeck::core::fleet::{
    Bounds, Deployment, DeploymentStatus, Rollout, Server, StopCode, TargetState, TaskStatus,
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
    assert!(matches!(steady(&other(60), &promised()), CheckState::Holds(_)));
    let state = steady(&other(-60), &promised());
    assert!(matches!(&state, CheckState::Pending(note) if note.contains("older")), "{state:?}");
}

#[rstest]
#[case::another_count(changed(|server| server.desired = 5), "desired count reads 5, not 3")]
#[case::another_task_definition(changed(|server| server.deployments[0].task_definition = "arn:other:1".into()), "superseded")]
fn what_a_read_that_lags_would_show_is_doubtful(#[case] server: Server, #[case] part: &str) {
    let state = steady(&server, &promised());
    assert!(matches!(&state, CheckState::Doubtful(why) if why.contains(part)), "{state:?}");
}

#[rstest]
#[case::as_it_is(changed(|_| ()), "3/3 running, 3/3 targets healthy")]
#[case::no_target_group(changed(|server| server.balancers.clear()), "3/3 running, no target group")]
fn a_steady_service_holds(#[case] server: Server, #[case] note: &str) {
    assert_eq!(steady(&server, &promised()), CheckState::Holds(note.into()));
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
    let state = steady(&server, &Promise::default());
    assert!(matches!(&state, CheckState::Pending(note) if note.contains(part)), "{state:?}");
}

#[rstest]
#[case::a_rollout_that_failed(changed(|server| server.deployments[0].rollout = Rollout::Failed), "the deployment failed")]
#[case::tasks_that_only_stop(crashing(true), "3 tasks stopped as soon as they started")]
fn a_service_that_can_no_longer_become_steady_fails(#[case] server: Server, #[case] part: &str) {
    let state = steady(&server, &promised());
    assert!(matches!(&state, CheckState::Failed(why) if why.contains(part)), "{state:?}");
}

#[test]
fn stopped_tasks_of_the_previous_deployment_do_not_count() {
    let state = steady(&crashing(false), &promised());
    assert!(matches!(&state, CheckState::Pending(_)), "{state:?}");
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
