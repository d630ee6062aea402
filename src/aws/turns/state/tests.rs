//! What is due, by what is looked at and what is known.

use super::*;
use crate::aws::ecs::shown::service;
use aws_sdk_ecs::types as sdk;
use rstest::rstest;

#[rstest]
#[case::nothing(0, (5, 5), (9, true), 0)]
#[case::what_is_seen_and_was_never_read_has_all_of_little_room(1, (20, 20), (80, true), 0)]
#[case::and_all_of_much(12, (20, 20), (80, true), 0)]
#[case::then_a_third_of_what_is_left_is_for_the_rest(12, (20, 6), (80, true), 2)]
#[case::a_third_of_all(12, (20, 0), (80, false), 4)]
#[case::little_room_goes_to_who_has_waited_longest(1, (20, 0), (80, true), 1)]
#[case::or_to_what_is_seen(1, (20, 0), (80, false), 0)]
#[case::what_nobody_needs_is_for_the_rest(9, (3, 3), (80, false), 6)]
#[case::no_more_than_there_are(12, (2, 0), (3, false), 3)]
fn the_room_is_shared(
    #[case] room: usize,
    #[case] first: (usize, usize),
    #[case] rest: (usize, bool),
    #[case] expected: usize,
) {
    assert_eq!(for_rest(room, first, rest), expected);
}

/// Services of one target group each, the first of them on the screen; all but the last `unread` groups were read so
/// long ago.
fn read_ago(services: usize, seen: usize, unread: usize, ago: Duration) -> (State, Attention) {
    let name = |nth: usize| format!("server-{nth:03}");
    let group = |nth: usize| format!("arn:group-{nth:03}");
    let then = Instant::now() - ago;
    let one = |nth: usize| {
        let balancer = sdk::LoadBalancer::builder().target_group_arn(group(nth)).build();
        let found = sdk::Service::builder().service_arn(name(nth)).service_name(name(nth)).status("ACTIVE");
        let service = service(&found.desired_count(1).running_count(1).load_balancers(balancer).build());
        (name(nth), Kept { value: Some((Seen { service, changed: then }, Instant::now())), error: None })
    };
    let mut state = State { services: (0..services).map(one).collect(), ..State::default() };
    state.listed.keep(Ok((0..services).map(name).collect()));
    let read = |nth| (group(nth), Kept { value: Some((Vec::new(), then)), error: None });
    state.targets = (0..services - unread).map(read).collect();
    let seen = (0..seen).map(name).collect();
    (state, Attention { seen, targets: true, ..Attention::default() })
}

#[test]
fn a_fleet_of_which_some_were_never_described_is_not_the_whole() {
    let (mut state, _) = read_ago(3, 0, 0, Duration::ZERO);
    let listing = |state: &State| state.fleet(|_| None).listing;
    assert!(!listing(&state));
    let seen = state.services.remove("server-001").expect("a service");
    assert!(listing(&state), "more will come");
    let why = CloudError::new(ErrorKind::Denied, "ecs:DescribeServices", "no");
    state.services.insert("server-001".into(), Kept { value: None, error: Some((why, Instant::now())) });
    assert!(!listing(&state), "it is told that it cannot be read");
    state.services.insert("server-001".into(), seen);
    assert!(!listing(&state));
}

/// How many target groups on the screen are due after so many milliseconds, and how many others.
fn due(services: usize, seen: usize, unread: usize, after: u64) -> (usize, usize) {
    let (state, attention) = read_ago(services, seen, unread, Duration::from_millis(after));
    let due = state.due_targets(&attention, 1_000);
    let near = due.iter().filter(|(urgency, _)| *urgency == Urgency::Seen).count();
    (near, due.len() - near)
}

/// A moment before is half a second: making the state takes time, too.
#[rstest]
#[case::a_few(10, 10, 3_000)]
#[case::sixteen(16, 16, 4_800)]
#[case::a_full_screen(40, 40, 12_000)]
#[case::a_full_screen_of_many(500, 40, 12_000)]
fn targets_on_the_screen_are_read_as_often_as_the_budget_can(
    #[case] services: usize,
    #[case] seen: usize,
    #[case] after: u64,
) {
    assert_eq!(due(services, seen, 0, after - 500), (0, 0));
    assert_eq!(due(services, seen, 0, after), (seen, 0), "the others come in turn");
}

#[test]
fn while_others_were_never_read_those_on_the_screen_wait_twenty_seconds() {
    assert_eq!(due(500, 40, 300, 19_500), (0, 300));
    assert_eq!(due(500, 40, 300, 20_000), (40, 300));
}

#[test]
fn the_rest_is_read_in_turn() {
    assert_eq!(due(100, 40, 0, 50_500), (40, 0));
    assert_eq!(due(100, 40, 0, 51_000), (40, 60), "one in 850 ms");
}

/// Forty on the screen, read five seconds ago.
fn selecting(server: Option<usize>) -> Vec<(Urgency, String)> {
    let (state, attention) = read_ago(100, 40, 0, Duration::from_secs(5));
    let selected = server.map(|server| format!("server-{server:03}"));
    state.due_targets(&Attention { selected, ..attention }, 1_000)
}

#[test]
fn targets_of_what_is_selected_are_read_before_those_of_others_on_the_screen() {
    assert_eq!(selecting(None), [], "forty are read each twelve seconds");
    assert_eq!(selecting(Some(30)), [(Urgency::Selected, "arn:group-030".to_owned())]);
    let (state, attention) = read_ago(100, 40, 0, Duration::from_secs(13));
    let selected = Attention { selected: Some("server-030".into()), ..attention };
    let due = state.due_targets(&selected, 10);
    assert_eq!(due[0], (Urgency::Selected, "arn:group-030".to_owned()), "where all are due");
    assert_eq!(state.due_selected(&selected), ["arn:group-030"]);
}

/// What is remembered of a service whose count is raised from 1, by what ECS shows one after another: desired, running
/// and pending tasks.
fn shortfall(shown: &[(i32, i32, i32)]) -> Option<Shortfall> {
    let mut state = State::default();
    for (desired, running, pending) in shown {
        let found = sdk::Service::builder().service_arn("a").service_name("a").status("ACTIVE");
        let found = found.desired_count(*desired).running_count(*running).pending_count(*pending);
        state.keep_service(&["a".to_owned()], service(&found.build()));
    }
    state.services["a"].value.as_ref().and_then(|(seen, _)| seen.service.server.shortfall)
}

#[test]
fn that_tasks_are_missing_is_remembered_from_when_it_was_first_seen() {
    let before = Timestamp::now();
    assert_eq!(shortfall(&[(1, 1, 0)]), None);
    assert_eq!(shortfall(&[(3, 1, 0)]), None, "when it was first looked at it was so, and ECS does not say since when");
    let raised = shortfall(&[(1, 1, 0), (3, 1, 0)]).unwrap();
    assert!(raised.seen && raised.since >= before);
    assert!(shortfall(&[(1, 1, 0), (3, 1, 0), (3, 1, 0), (4, 1, 0)]).unwrap().seen);
    assert_eq!(shortfall(&[(1, 1, 0), (3, 1, 0), (3, 1, 2)]), None, "they are pending");
}

#[test]
fn a_target_group_is_asked_for_once_at_a_time() {
    let (mut state, _) = read_ago(2, 2, 0, Duration::from_secs(5));
    let (found, arn) = (Instant::now(), "arn:group-001".to_owned());
    assert!(state.ask_targets(&arn, found) && !state.ask_targets(&arn, found), "it is on its way");
    state.keep_targets(arn.clone(), Ok(Vec::new()));
    assert!(!state.ask_targets(&arn, found), "it was read since it was found to be due");
    assert!(state.ask_targets(&arn, Instant::now()));
    state.begin();
    assert!(state.ask_targets(&arn, Instant::now()), "a turn that was broken off reads nothing any more");
}
