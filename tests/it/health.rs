//! What is said of a server's health, and by which evidence.

use crate::support::at;
use crate::support::fixtures::{self, balancer, group, targets, task, tasks, unread};
use quarterdeck::core::fleet::{
    Balancer, Bounds, Controller, Fleet, Scheduling, Server, ServiceStatus, StopCode, Strategy, TargetState, TaskStatus,
};
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
    let mut server = Server { tasks: unread("a"), bounds: unread("c"), logs: unread("d"), ..server };
    server.balancers[0].groups[0].targets = unread("b");
    server
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
#[case::what_was_not_read_is_no_fault_and_no_proof(bare(server(2, 2)), Verdict::Unknown)]
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
    sick.balancers.clear();
    assert!(findings(&sick, at(3_600)).is_empty());
}

#[rstest]
#[case::outside(Read::Known(Some(Bounds { min: 3, max: 6 })), 1)]
#[case::no_autoscaling(Read::Known(None), 0)]
#[case::not_read(unread("application-autoscaling:DescribeScalableTargets"), 0)]
fn a_count_is_held_against_the_bounds_that_are_known(#[case] bounds: Read<Option<Bounds>>, #[case] warnings: usize) {
    assert_eq!(findings(&Server { bounds, ..server(2, 2) }, at(0)).len(), warnings);
}

const HEALTHY: TargetState = TargetState::Healthy;
const SICK: TargetState = TargetState::Unhealthy;

/// Two tasks behind target groups with targets in these states.
fn behind(groups: &[(&str, &[TargetState])]) -> Server {
    let balancers = groups.iter().map(|(name, states)| balancer([group(name, states)])).collect();
    Server { balancers, ..server(2, 2) }
}

#[rstest]
#[case::both_full(behind(&[("a", &[HEALTHY, HEALTHY]), ("b", &[HEALTHY, HEALTHY])]), Verdict::Healthy, None)]
#[case::one_of_two_dark(behind(&[("a", &[HEALTHY, HEALTHY]), ("b", &[SICK, SICK])]), Verdict::Degraded, Some("nothing at the health check's port: 2 targets are unhealthy in b"))]
#[case::one_of_two_empty(behind(&[("a", &[HEALTHY, HEALTHY]), ("b", &[])]), Verdict::Degraded, Some("0 of 2 targets healthy in b"))]
#[case::both_dark(behind(&[("a", &[SICK, SICK]), ("b", &[])]), Verdict::Down, Some("0 of 2 targets healthy in b"))]
#[case::none_of_none_is_not_all(behind(&[("a", &[])]), Verdict::Down, Some("0 of 2 targets healthy in a"))]
#[case::one_is_not_registered(behind(&[("a", &[HEALTHY])]), Verdict::Degraded, Some("1 of 2 targets healthy in a"))]
#[case::unused(behind(&[("a", &[HEALTHY, TargetState::Unused])]), Verdict::Degraded, Some("the load balancer sends them nothing: 1 of 2 targets healthy in a"))]
#[case::of_a_pair_one_is_empty(Server { balancers: vec![balancer([group("a", &[]), group("b", &[HEALTHY, HEALTHY])])], ..server(2, 2) }, Verdict::Healthy, None)]
#[case::while_a_task_starts(pending(1, Server { running: 1, ..behind(&[("a", &[HEALTHY])]) }), Verdict::Changing, None)]
fn each_load_balancer_counts_on_its_own(#[case] server: Server, #[case] expected: Verdict, #[case] fact: Option<&str>) {
    assert_eq!(verdict(&server, at(0)), expected);
    let found = findings(&server, at(0));
    assert_eq!(found.iter().any(|finding| Some(finding.fact.as_str()) == fact), fact.is_some(), "{found:#?}");
}

#[rstest]
#[case::code_deploy(|server: &mut Server| server.shape.controller = Controller::CodeDeploy)]
#[case::blue_and_green(|server: &mut Server| server.shape.strategy = Strategy::BlueGreen)]
fn no_circuit_breaker_is_missed_where_there_can_be_none(#[case] change: fn(&mut Server)) {
    let mut one = Server { circuit_breaker: false, ..server(2, 2) };
    assert_eq!(findings(&one, at(0)).len(), 1);
    change(&mut one);
    assert!(findings(&one, at(0)).is_empty());
}

#[test]
fn a_task_set_that_ecs_calls_steady_is_well_although_nothing_is_registered() {
    let mut one = server(2, 2);
    one.shape.controller = Controller::CodeDeploy;
    one.balancers = vec![Balancer { task_sets: vec!["ecs-svc/1".into()], ..balancer([group("blue", &[])]) }];
    assert_eq!(verdict(&one, at(0)), Verdict::Healthy);
    assert_eq!(findings(&one, at(0))[0].gravity, Gravity::Warning);
    one.deployments[0].rollout = quarterdeck::core::fleet::Rollout::Unsaid;
    assert_eq!(verdict(&one, at(0)), Verdict::Down);
}

#[test]
fn a_service_without_its_task_set_is_down() {
    let mut one = Server { deployments: Vec::new(), balancers: Vec::new(), ..server(0, 2) };
    one.shape.controller = Controller::External;
    assert_eq!(verdict(&one, at(0)), Verdict::Down);
    assert!(findings(&one, at(0))[0].fact.contains("it has no task set"));
}

#[test]
fn a_daemon_without_an_instance_is_no_fault() {
    let mut one = Server { balancers: Vec::new(), bounds: Read::Known(None), ..server(0, 0) };
    one.shape.scheduling = Scheduling::Daemon;
    let found = findings(&one, at(0));
    assert_eq!((verdict(&one, at(0)), found[0].gravity), (Verdict::Stopped, Gravity::Note));
    assert!(found[0].fact.contains("no container instance"));
}

/// Both register their tasks in one target group, and those of `time` are not there.
#[test]
fn healthy_targets_of_another_server_in_the_same_group_do_not_count() {
    let shared = |name: &str, shift: u8| {
        let mut one =
            Server { balancers: vec![balancer([group("both", &[HEALTHY, HEALTHY])])], ..fixtures::server(name, 2) };
        for task in tasks(&mut one) {
            task.address = task.address.take().map(|address| address.replace("10.42.", &format!("10.{shift}.")));
        }
        one
    };
    let mut fleet = Fleet { servers: vec![shared("docs", 42), shared("time", 43)], ..Fleet::default() };
    fleet.part_shared_groups();
    let cells: Vec<String> = fleet.servers.iter().map(Server::target_count).collect();
    assert_eq!(cells, ["2/2", "0/2"]);
    // Where the tasks say no address, or the targets are instances, nobody can tell whose they are.
    let mut bridge = shared("time", 43);
    tasks(&mut bridge).iter_mut().for_each(|task| task.address = None);
    let mut instances = shared("web", 44);
    targets(&mut instances).iter_mut().for_each(|target| target.id = "i-0123".into());
    let mut fleet = Fleet { servers: vec![shared("docs", 42), bridge, instances], ..Fleet::default() };
    fleet.part_shared_groups();
    let cells: Vec<String> = fleet.servers.iter().map(Server::target_count).collect();
    assert_eq!(cells, ["2/2", "2/2", "2/2"]);
}

#[test]
fn a_service_that_is_being_deleted_says_so() {
    let one = Server { status: ServiceStatus::Draining, ..server(2, 2) };
    assert!(findings(&one, at(0)).iter().any(|finding| finding.fact == "the service is draining"));
}
