//! What is said of a server's health, and by which evidence.

use crate::support::at;
use crate::support::fixtures::{self, targets, task, tasks, unread};
use quarterdeck::core::fleet::{Bounds, Server, StopCode, TargetState, TaskStatus};
use quarterdeck::core::health::{Gravity, Verdict, findings, verdict};
use quarterdeck::core::unread::Read;
use rstest::rstest;

fn server(running: u32, desired: u32) -> Server {
    Server { desired, ..fixtures::server("time", running) }
}

fn pending(pending: u32, server: Server) -> Server {
    Server { pending, ..server }
}

fn killed(mut server: Server) -> Server {
    let mut task = task("time", 9);
    (task.last_status, task.stopped_at) = (TaskStatus::Stopped, Some(at(-30)));
    task.stop_code = Some(StopCode::EssentialContainerExited);
    task.containers[0].exit_code = Some(137);
    tasks(&mut server).push(task);
    server
}

fn unhealthy(mut server: Server) -> Server {
    for target in targets(&mut server) {
        (target.state, target.reason) = (TargetState::Unhealthy, Some("Target.ResponseCodeMismatch".into()));
    }
    server
}

/// Nothing of it was read that has a call of its own.
fn bare(server: Server) -> Server {
    Server { tasks: unread("a"), targets: unread("b"), bounds: unread("c"), logs: unread("d"), ..server }
}

#[rstest]
#[case(server(2, 2), Verdict::Healthy)]
#[case(server(0, 0), Verdict::Stopped)]
#[case(server(1, 2), Verdict::Degraded)]
#[case(server(0, 2), Verdict::Down)]
#[case(pending(1, server(1, 2)), Verdict::Changing)]
#[case(pending(2, server(0, 2)), Verdict::Changing)]
#[case(killed(server(2, 2)), Verdict::Healthy)]
#[case(killed(server(1, 2)), Verdict::Degraded)]
#[case(unhealthy(server(2, 2)), Verdict::Down)]
#[case::what_was_not_read_is_no_fault(bare(server(2, 2)), Verdict::Healthy)]
#[case::the_counts_are_known_all_the_same(bare(server(0, 2)), Verdict::Down)]
fn each_state_has_its_verdict(#[case] server: Server, #[case] expected: Verdict) {
    assert_eq!(verdict(&server, at(0)), expected);
}

#[test]
fn a_killed_task_is_explained_by_its_exit_code() {
    let all = findings(&killed(server(1, 1)), at(0));
    assert_eq!(all[0].gravity, Gravity::Warning);
    assert!(all[0].fact.contains("and was replaced"), "{}", all[0].fact);
    assert!(all[0].evidence.contains("exit 137 (SIGKILL"), "{}", all[0].evidence);
}

#[test]
fn the_worst_comes_first_and_an_old_stop_is_forgotten() {
    let mut sick = unhealthy(killed(server(2, 2)));
    assert_eq!(findings(&sick, at(0))[0].gravity, Gravity::Fault);
    sick.targets = Read::Known(None);
    assert!(findings(&sick, at(3_600)).is_empty());
}

#[rstest]
#[case::outside(Read::Known(Some(Bounds { min: 3, max: 6 })), 1)]
#[case::no_autoscaling(Read::Known(None), 0)]
#[case::not_read(unread("application-autoscaling:DescribeScalableTargets"), 0)]
fn a_count_is_held_against_the_bounds_that_are_known(#[case] bounds: Read<Option<Bounds>>, #[case] warnings: usize) {
    assert_eq!(findings(&Server { bounds, ..server(2, 2) }, at(0)).len(), warnings);
}
