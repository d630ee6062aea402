//! What is asked for, over steps of one group or several.

use super::*;

const HOUR: i64 = 3_600_000;

fn coverage() -> Coverage {
    let mut coverage = Coverage::new(Pace::default(), HOUR - 900_000);
    coverage.add("g");
    coverage
}

fn from(wanted: Option<DueWindow>) -> Option<i64> {
    wanted.map(|wanted| wanted[0].1)
}

#[test]
fn the_history_is_read_first_and_then_what_came_before_the_session() {
    let mut coverage = coverage();
    assert_eq!(from(coverage.due(HOUR)), Some(HOUR - 900_000));
    coverage.feed("g", Feed::Whole, HOUR);
    coverage.done(coverage.started);
    assert_eq!(from(coverage.due(HOUR + 10)), Some(HOUR - 60_000), "the session began meanwhile");
    coverage.done(coverage.started);
    assert_eq!(coverage.due(HOUR + 20), None);
    assert!(!coverage.loading());
}

#[test]
fn a_long_sampled_stretch_is_read_from_where_it_began() {
    let mut coverage = coverage();
    coverage.feed("g", Feed::Whole, HOUR);
    coverage.due(HOUR);
    coverage.done(coverage.started);
    coverage.brought("g", HOUR + 500);
    for second in 1..300 {
        coverage.feed("g", Feed::Sampled, HOUR);
        coverage.brought("g", HOUR + second * 1_000);
    }
    assert_eq!(from(coverage.due(HOUR + 300_000)), Some(HOUR + 500 - 300_000), "a deeper look is due, too");
    assert!(coverage.behind(HOUR + 300_000).is_some_and(|behind| behind > 290_000));
}

#[test]
fn without_a_session_it_polls_and_now_and_then_looks_deeper() {
    let mut coverage = coverage();
    coverage.due(HOUR);
    coverage.done(coverage.started);
    assert_eq!(coverage.due(HOUR + 1_000), None);
    assert_eq!(from(coverage.due(HOUR + 2_000)), Some(HOUR - 60_000));
    coverage.read("g", HOUR + 1_000, HOUR + 1_500);
    coverage.done(coverage.started);
    assert_eq!(from(coverage.due(HOUR + 4_000)), Some(HOUR + 1_500 - 30_000));
    coverage.done(coverage.started);
    let settled = HOUR + 1_500;
    assert_eq!(from(coverage.due(HOUR + 61_000)), Some((settled - 300_000).max(HOUR - 900_000)));
}

#[test]
fn a_window_that_fails_is_told_once_and_closed_later() {
    let mut coverage = coverage();
    coverage.feed("g", Feed::Whole, HOUR);
    coverage.due(HOUR);
    let gap = coverage.trouble("throttled", HOUR + 5_000).expect("told");
    assert_eq!((gap.from, gap.to, gap.closed), (HOUR - 900_000, HOUR + 5_000, false));
    assert_eq!(coverage.trouble("again", HOUR + 6_000), None);
    assert_eq!(coverage.done(HOUR + 7_000), [Gap { closed: true, ..gap }]);
}

#[test]
fn a_gap_is_open_until_a_window_that_began_after_it_was_told_is_read() {
    let mut coverage = coverage();
    coverage.add("h");
    coverage.due(HOUR);
    coverage.feed("h", Feed::Whole, HOUR);
    let gap = coverage.trouble("throttled", HOUR + 5_000).expect("told");
    assert_eq!(gap.groups, ["g", "h"]);
    assert_eq!(coverage.done(HOUR + 6_000), [], "what came since it began is not read");
    coverage.due(HOUR + 7_000);
    assert_eq!(coverage.done(HOUR + 7_100), [Gap { closed: true, ..gap }]);
}

#[test]
fn a_gap_grows_by_the_groups_that_owe_something_later() {
    let mut coverage = coverage();
    coverage.add("h");
    coverage.feed("h", Feed::Whole, HOUR);
    coverage.due(HOUR);
    coverage.done(HOUR);
    coverage.due(HOUR + 2_000);
    let first = coverage.trouble("throttled", HOUR + 3_000).expect("told");
    assert_eq!(first.groups, ["g"]);
    coverage.feed("h", Feed::Sampled, HOUR + 4_000);
    let second = coverage.trouble("throttled", HOUR + 5_000).expect("it has grown");
    assert_eq!((second.id, second.to, second.groups), (first.id, HOUR + 5_000, vec!["g".into(), "h".into()]));
}

#[test]
fn a_group_that_comes_back_is_read_from_where_it_left() {
    let mut coverage = coverage();
    coverage.due(HOUR);
    coverage.done(HOUR);
    coverage.remove("g");
    coverage.add("g");
    assert_eq!(from(coverage.due(2 * HOUR)), Some(HOUR - 60_000));
}

#[test]
fn what_is_forgotten_is_never_read_again() {
    let mut coverage = coverage();
    coverage.due(HOUR);
    assert_eq!(coverage.give_up_depth("g"), Some(HOUR - 900_000), "nothing has come yet");
    coverage.read("g", HOUR - 600_000, HOUR - 590_000);
    assert_eq!(coverage.give_up_depth("g"), Some(HOUR - 630_000), "as far as the window has come");
    assert_eq!(coverage.horizons().next(), Some(("g", HOUR - 630_000)));
    coverage.read("g", HOUR, HOUR);
    assert_eq!(coverage.give_up_depth("g"), Some(HOUR - 60_000), "the next window begins there");
    coverage.done(coverage.started);
    assert_eq!(from(coverage.due(HOUR + 2_000)), Some(HOUR - 30_000));
    coverage.done(coverage.started);
    let deeper = from(coverage.due(HOUR + 62_000));
    assert_eq!(deeper, Some(HOUR - 60_000), "not deeper than what is remembered");
}

#[test]
fn a_group_that_leaves_while_its_history_is_read_comes_back_to_what_is_remembered() {
    let mut coverage = coverage();
    coverage.due(HOUR);
    coverage.read("g", HOUR - 600_000, HOUR - 600_000);
    coverage.give_up_depth("g");
    coverage.remove("g");
    coverage.add("g");
    coverage.done(coverage.started);
    assert_eq!(from(coverage.due(HOUR + 1_000)), Some(HOUR - 630_000));
}

#[test]
fn a_deeper_look_that_takes_long_is_taken_seldom() {
    let mut coverage = coverage();
    coverage.feed("g", Feed::Whole, HOUR);
    coverage.due(HOUR);
    coverage.done(HOUR + 30_000);
    assert_eq!(coverage.due(HOUR + 299_000), None);
    assert!(coverage.due(HOUR + 300_000).is_some());
}

#[test]
fn a_whole_session_is_audited_so_that_a_silent_group_does_not_hold_the_memory() {
    let mut coverage = coverage();
    coverage.feed("g", Feed::Whole, HOUR);
    coverage.due(HOUR);
    coverage.done(coverage.started);
    assert_eq!(coverage.due(HOUR + 59_000), None);
    assert_eq!(from(coverage.due(HOUR + 60_000)), Some(HOUR - 30_000 - 300_000));
    coverage.done(coverage.started);
    assert_eq!(coverage.due(HOUR + 299_000), None);
    assert_eq!(from(coverage.due(HOUR + 300_000)), Some(HOUR + 30_000 - 300_000));
    coverage.done(coverage.started);
    assert_eq!(coverage.horizons().next(), Some(("g", HOUR + 270_000 - 300_000)));
}

#[test]
fn a_group_that_cannot_be_read_is_a_gap_of_its_own_and_the_others_go_on() {
    let mut coverage = coverage();
    coverage.add("h");
    coverage.due(HOUR);
    let gap = coverage.bar("g", "denied", HOUR + 100, 300_000, true).expect("told");
    assert_eq!((gap.groups.clone(), gap.from, gap.to), (vec!["g".to_owned()], HOUR - 900_000, HOUR + 100));
    assert_eq!(coverage.done(HOUR + 200), []);
    assert!(!coverage.loading() && !coverage.hopeless() && coverage.behind(2 * HOUR).is_some());
    let due = coverage.due(HOUR + 2_000).expect("the other one");
    assert_eq!(due.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["h"]);
    coverage.done(coverage.started);
    let due = coverage.due(HOUR + 300_100).expect("both");
    assert_eq!(due[0], ("g".to_owned(), HOUR - 900_000), "from where it could not be read");
    let grown = coverage.bar("g", "denied", HOUR + 300_200, 300_000, true).expect("told");
    assert_eq!((grown.id, grown.from, grown.to), (gap.id, gap.from, HOUR + 300_200));
    coverage.done(coverage.started);
    coverage.due(HOUR + 600_200);
    assert_eq!(coverage.done(HOUR + 600_300), [Gap { closed: true, ..grown }]);
}

#[test]
fn it_is_hopeless_when_no_group_can_be_read() {
    let mut coverage = coverage();
    coverage.add("h");
    coverage.due(HOUR);
    coverage.bar("g", "denied", HOUR, 300_000, true);
    coverage.bar("h", "slow", HOUR, 30_000, false);
    assert!(!coverage.hopeless(), "one may be read later");
    coverage.bar("h", "denied", HOUR, 30_000, true);
    assert!(coverage.hopeless());
}

#[test]
fn an_event_of_a_clock_that_is_ahead_makes_nothing_look_read() {
    let mut coverage = coverage();
    coverage.due(HOUR);
    coverage.read("g", HOUR + 1_200_000, HOUR - 600_000);
    let gap = coverage.trouble("throttled", HOUR + 5_000).expect("told");
    assert_eq!(gap.from, HOUR - 630_000);
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_complete_that_is_still_to_come() {
    let mut coverage = coverage();
    coverage.due(HOUR);
    coverage.done(HOUR);
    coverage.set_clock(-40_000);
    assert_eq!(from(coverage.due(HOUR - 38_000)), Some(HOUR - 30_000 - 40_000 - 30_000));
}

#[test]
fn the_gap_of_a_group_that_comes_back_is_closed_when_it_is_read() {
    let mut coverage = coverage();
    coverage.add("h");
    coverage.due(HOUR);
    let gap = coverage.bar("g", "denied", HOUR, 300_000, true).expect("told");
    coverage.done(HOUR);
    coverage.remove("g");
    coverage.add("g");
    coverage.due(HOUR + 10);
    assert_eq!(coverage.done(HOUR + 20), [Gap { closed: true, ..gap }]);
}
