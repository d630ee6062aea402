//! What ails below the servers: AWS itself, or one zone.

use crate::support::painted::body;
use crate::support::{Console, World, at, fixtures};
use jiff::SignedDuration;
use quarterdeck::core::finding::{Below, Cause, Finding, Gravity, Id, Remedy, findings};
use quarterdeck::core::fleet::{Fleet, Health, Server, StopCode, TargetState, TaskStatus};
use quarterdeck::core::issue::{Issue, Part, Standing};
use rstest::rstest;

fn issue(service: &str, part: Part) -> Issue {
    Issue {
        arn: format!("arn:aws:health:eu-west-1::event/{service}/1"),
        service: service.into(),
        part,
        region: "eu-west-1".into(),
        standing: Standing::Open,
        since: Some(at(-1_800)),
        said: at(-600),
        zones: ["euw1-az2".to_owned()].into(),
        words: "We are investigating.".into(),
    }
}

/// A server whose tasks are each in a zone and in a state: `a+ b- c?` is one that is well in the zone a, one whose target does
/// not answer in b, and one in c of which the load balancer does not say anything yet. `bx` has stopped, killed by the check,
/// `bo` for lack of memory, `bh` answers with 404, and `b*` is of the revision before.
fn server(name: &str, tasks: &str) -> Server {
    let states: Vec<(char, char)> =
        tasks.split_whitespace().map(|one| (one.chars().next().unwrap(), one.chars().nth(1).unwrap())).collect();
    let mut server = fixtures::server(name, u32::try_from(states.len()).unwrap());
    for (task, (zone, state)) in fixtures::tasks(&mut server).iter_mut().zip(&states) {
        task.zone = format!("eu-west-1{zone}");
        if "xo".contains(*state) {
            (task.last_status, task.health) = (TaskStatus::Stopped, Health::Unknown);
            task.stopped_at = Some(at(-60));
            let (code, reason) = match state {
                'x' => (StopCode::ServiceSchedulerInitiated, "Task failed ELB health checks in (target-group x)"),
                _ => (StopCode::EssentialContainerExited, "OutOfMemoryError: Container killed"),
            };
            (task.stop_code, task.stopped_reason) = (Some(code), Some(reason.into()));
        }
        if *state == '*' {
            task.task_definition = task.task_definition.replace(":7", ":6");
        }
    }
    for (target, (_, state)) in fixtures::targets(&mut server).iter_mut().zip(&states) {
        let (found, reason) = match state {
            '+' | '*' => (TargetState::Healthy, None),
            '-' => (TargetState::Unhealthy, Some("Target.Timeout")),
            'h' => (TargetState::Unhealthy, Some("Target.ResponseCodeMismatch")),
            _ => (TargetState::Initial, None),
        };
        target.state = found;
        target.reason = reason.map(str::to_owned);
        target.description = (*state == 'h').then(|| "Health checks failed with these codes: [404]".to_owned());
    }
    server
}

fn under(below: &Below, server: &Server) -> Vec<Finding> {
    below.under(&server.name, findings(server, at(0)))
}

#[rstest]
#[case::two_servers(&[("time", "a+ b- c+"), ("weather", "a+ b- c+")], Some("eu-west-1b"))]
#[case::three_of_one(&[("time", "a+ b- c+ a+ b- c+ a+ b- c+")], Some("eu-west-1b"))]
#[case::killed_and_replaced_elsewhere(&[("time", "a+ bx c+"), ("weather", "a+ bx c+")], Some("eu-west-1b"))]
#[case::the_third_is_alone_there(&[("time", "a+ b- c+"), ("weather", "a+ b- c+"), ("maps", "b-")], Some("eu-west-1b"))]
#[case::one_is_chance(&[("time", "a+ b- c+")], None)]
#[case::two_of_one_are_chance(&[("time", "a+ b- c+ b-")], None)]
#[case::also_elsewhere(&[("time", "a+ b- c+"), ("weather", "a- b- c+")], None)]
#[case::all_are_sick(&[("time", "b-"), ("weather", "b-")], None)]
#[case::one_zone_alone(&[("time", "b- b- b- b+")], None)]
#[case::most_there_are_well(&[("time", "a+ b- c+"), ("weather", "a+ b- c+"), ("maps", "b+ b+ b+")], None)]
#[case::few_elsewhere_say_that_they_are_well(&[("time", "a+ b- b-"), ("weather", "a? b- b-")], None)]
#[case::only_the_new_revision_is_sick(&[("time", "a* b- c*"), ("weather", "a* b- c*")], None)]
#[case::sick_of_something_else(&[("time", "a+ bo c+"), ("weather", "a+ bh c+")], None)]
#[case::all_well(&[("time", "a+ b+ c+"), ("weather", "a+ b+ c+")], None)]
fn a_zone_ails_where_it_alone_is_sick(#[case] servers: &[(&str, &str)], #[case] zone: Option<&str>) {
    let servers: Vec<Server> = servers.iter().map(|(name, tasks)| server(name, tasks)).collect();
    let below = Below::of(&servers, Vec::new(), at(0));
    assert_eq!(below.zone(), zone);
    let sick = |server: &&Server| Cause::of(&findings(server, at(0))).is_some();
    for server in servers.iter().filter(sick) {
        let all = under(&below, server);
        let first = Cause::of(&all).map(|cause| cause.finding.id);
        assert_eq!(first == Some(Id::ZoneAils), zone.is_some(), "{}: {all:#?}", server.name);
    }
}

#[test]
fn it_says_what_shows_it_and_explains_the_rest() {
    let servers = [server("time", "a+ b- c+"), server("weather", "a+ b- c+")];
    let below = Below::of(&servers, Vec::new(), at(0));
    let all = under(&below, &servers[0]);
    let cause = Cause::of(&all).unwrap();
    assert_eq!(cause.finding.fact, "all 2 tasks that are sick are in eu-west-1b");
    assert_eq!(cause.finding.evidence, "1 of time, 1 of weather; 4 tasks well in eu-west-1a, eu-west-1c");
    assert!(cause.explained().any(|other| other.id == Id::HealthCheckTimeout), "{all:#?}");
}

#[test]
fn what_was_not_read_shows_no_zone() {
    let mut servers = [server("time", "a+ b- c+"), server("weather", "a+ b- c+")];
    servers[0].balancers[0].groups[0].targets = fixtures::unread("elasticloadbalancing:DescribeTargetHealth");
    assert_eq!(Below::of(&servers, Vec::new(), at(0)).zone(), None);
    servers[1].tasks = fixtures::unread("ecs:DescribeTasks");
    assert_eq!(Below::of(&servers, Vec::new(), at(0)).zone(), None);
}

#[test]
fn a_stop_of_long_ago_shows_no_zone() {
    let mut servers = [server("time", "a+ bx c+"), server("weather", "a+ bx c+")];
    let stopped =
        servers.iter_mut().flat_map(|server| fixtures::tasks(server).iter_mut()).filter(|task| task.stopped());
    stopped.for_each(|task| task.stopped_at = Some(at(0) - SignedDuration::from_mins(20)));
    assert_eq!(Below::of(&servers, Vec::new(), at(0)).zone(), None);
}

/// A server that lacks a task, and nothing says why.
fn short() -> Server {
    Server { running: 1, ..fixtures::server("time", 2) }
}

#[rstest]
#[case::of_tasks(Part::Tasks, short(), true)]
#[case::of_all(Part::All, short(), true)]
#[case::of_the_balancer(Part::Balancer, short(), false)]
#[case::of_the_balancer_where_targets_are_silent(Part::Balancer, server("time", "a+ b-"), true)]
#[case::of_sign_in(Part::SignIn, short(), false)]
#[case::a_path_that_does_not_exist(Part::All, server("time", "a+ bh"), false)]
#[case::it_is_well(Part::All, fixtures::server("time", 2), false)]
fn an_issue_is_the_cause_of_what_it_may_bring_about(
    #[case] part: Part,
    #[case] server: Server,
    #[case] expected: bool,
) {
    let below = Below::of(std::slice::from_ref(&server), vec![issue("X", part)], at(0));
    let own = Cause::of(&findings(&server, at(0))).map(|cause| (cause.finding.id, cause.finding.gravity));
    let all = under(&below, &server);
    let cause = Cause::of(&all).map(|cause| (cause.finding.id, cause.finding.gravity));
    let found = own.map(|(id, gravity)| if expected { (Id::AwsIssue, gravity) } else { (id, gravity) });
    assert_eq!(cause, found, "{all:#?}");
    // All share it, as grave as what it brings about.
    let shared = below.shared([all.as_slice()].into_iter());
    let gravity = own.filter(|_| expected).map_or(Gravity::Note, |(_, gravity)| gravity);
    assert_eq!(shared.iter().map(|one| (one.id, one.gravity)).collect::<Vec<_>>(), [(Id::AwsIssue, gravity)]);
}

fn console(servers: Vec<Server>, issues: Vec<Issue>) -> Console {
    let fleet = Fleet { servers, ..Fleet::default() };
    Console::with(World { fleet, issues: Some(issues), ..fixtures::world() })
}

#[test]
fn fleet_tells_the_cause_of_all() {
    let short = |name: &str| Server { name: name.into(), ..short() };
    let shown = body(&console(vec![short("time"), short("weather")], vec![issue("ECS", Part::Tasks)]), (160, 40));
    let why = "✖ why  the environment, and so 2 servers → Z: AWS tells of an issue of ECS in eu-west-1 (euw1-az2)";
    assert!(shown.contains(why), "{shown}");
    assert!(shown.lines().any(|line| line.contains("▸ time") && line.contains("AWS tells")), "{shown}");
}

#[test]
fn fleet_notes_an_issue_that_has_reached_nothing() {
    let well = fixtures::world().fleet.servers;
    let shown = body(&console(well.clone(), vec![issue("ECS", Part::Tasks)]), (160, 40));
    assert!(shown.contains("· note  AWS tells of an issue of ECS in eu-west-1 (euw1-az2): AWS Health, at "), "{shown}");
    assert!(!shown.contains("why"), "{shown}");
    assert!(!body(&console(well, Vec::new()), (160, 40)).contains("AWS tells"));
}

/// The key that takes a zone out would let it in again.
#[test]
fn a_zone_that_is_out_is_not_to_be_taken_out() {
    let servers = vec![server("time", "a+ b- c+"), server("weather", "a+ b- c+")];
    let of = |below: &Below| under(below, &servers[0])[0].remedy;
    let below = Below::of(&servers, vec![issue("EC2", Part::All)], at(0));
    assert_eq!(of(&below), Some(Remedy::Shift));
    let below = below.without(vec!["euw1-az2".into(), "eu-west-1b".into()]);
    let all = under(&below, &servers[0]);
    let told: Vec<_> = all.iter().filter(|one| matches!(one.id, Id::AwsIssue | Id::ZoneAils)).collect();
    assert_eq!(told.len(), 2, "{all:#?}");
    for one in told {
        assert_eq!(one.remedy, Some(Remedy::Events), "{one:#?}");
        assert!(one.evidence.ends_with("; the zone is taken out of the load balancer"), "{one:#?}");
    }
    let other = below.without(vec!["euw1-az3".into(), "eu-west-1c".into()]);
    assert_eq!(of(&other), Some(Remedy::Shift));
}

#[test]
fn fleet_tells_of_a_zone() {
    let shown = body(&console(vec![server("time", "a+ b- c+"), server("weather", "a+ b- c+")], Vec::new()), (160, 40));
    assert!(shown.contains("the environment, and so 2 servers"), "{shown}");
    assert!(shown.contains(": all 2 tasks that are sick are in eu-west-1b"), "{shown}");
}

/// AWS's quotas are the user's: what changes seldom is read seldom, and more often only where something is wrong.
#[rstest]
#[case::all_is_well(fixtures::world().fleet.servers, 299, 301)]
#[case::something_is_wrong(vec![short()], 59, 61)]
fn issues_are_read_seldom(#[case] servers: Vec<Server>, #[case] not_yet: i64, #[case] again: i64) {
    let mut console = console(servers, Vec::new());
    let read = |console: &Console| {
        let fleet = &console.model.screens.fleet;
        (fleet.issues.read_at(), fleet.shifts.read_at())
    };
    console.tick(2);
    let first = read(&console);
    let ages = [first.0, first.1].map(|read| at(2).duration_since(read.expect("it was read")).as_secs());
    assert!(ages.iter().all(|age| (0..=2).contains(age)), "{ages:?}");
    for second in 3..not_yet {
        console.tick(second);
    }
    assert_eq!(read(&console), first, "not within {not_yet} s");
    for second in not_yet..again + 3 {
        console.tick(second);
    }
    let now = read(&console);
    assert!(now.0 > first.0 && now.1 > first.1, "after {again} s: {now:?}");
}
