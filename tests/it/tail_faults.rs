//! The tail with the real `AwsCloud`, against a CloudWatch that fails: one test for each fault.

use std::time::Duration;

use crate::support::cloudwatch::{CloudWatch, Delivery, Fault, Live};
use crate::support::tailing::{FAST, LATEST, Tailing};
use quarterdeck::cloud::ErrorKind;
use quarterdeck::core::logs::TailState;
use quarterdeck::core::logs::coverage::Pace;
use quarterdeck::core::logs::tail::{End, Follow};
use quarterdeck::run::tail::{Patience, now_millis};
use rstest::rstest;

const GROUP: &str = "/q/prod/time";

/// An endpoint, and a tail that has a live session with it.
async fn live() -> (CloudWatch, Tailing) {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    endpoint.put(GROUP, "before", 0, Delivery::Silent);
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::Live, FAST).await;
    tailing.line("before").await;
    tailing.state("live").await;
    (endpoint, tailing)
}

/// Waits for an event that every way of reading brings, and asserts how often each line came.
async fn counts(endpoint: &CloudWatch, tailing: &mut Tailing, texts: &[&str]) -> Vec<usize> {
    endpoint.put(GROUP, "end", 0, Delivery::LeftOut);
    endpoint.beat(false);
    tailing.line("end").await;
    for text in texts {
        tailing.line(text).await;
    }
    texts.iter().map(|text| tailing.lines[*text]).collect()
}

#[tokio::test]
async fn lines_that_a_sampled_update_left_out_are_fetched_and_the_state_says_so() {
    let (endpoint, mut tailing) = live().await;
    endpoint.put(GROUP, "left out", 0, Delivery::LeftOut);
    tailing.until("sampled", |tailing| tailing.told("sampled")).await;
    tailing.line("left out").await;
    endpoint.beat(false);
    tailing.state("live").await;
    assert_eq!(counts(&endpoint, &mut tailing, &["before", "left out"]).await, [1, 1]);
}

/// A console that was slow, or was suspended, knows nothing of how much is written: what the session may have dropped
/// meanwhile is fetched, and no sample is told of.
#[tokio::test]
async fn what_was_dropped_because_this_process_was_slow_is_fetched_and_is_no_sample() {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    let never = 3_600_000;
    let pace = Pace { sweep: never, audit: never, ..FAST.pace };
    // Each update is taken too late.
    let patience = Patience { slow: Duration::ZERO, pace, ..FAST };
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::Live, patience).await;
    tailing.state("live").await;
    for round in 0..3 {
        let (dropped, brought) = (format!("dropped {round}"), format!("brought {round}"));
        endpoint.put(GROUP, &dropped, 0, Delivery::Silent);
        endpoint.put(GROUP, &brought, 0, Delivery::Brought);
        endpoint.beat(false);
        tailing.line(&dropped).await;
        tailing.line(&brought).await;
    }
    tailing.state("live").await;
    assert!(!tailing.told("sampled"), "{:?}", tailing.states);
    assert_eq!(endpoint.opened(), 1, "no new session was needed, because of which all would have been fetched");
}

#[rstest]
#[case::between_frames(0)]
#[case::in_the_prelude(5)]
#[case::in_the_headers(40)]
#[case::in_the_payload(180)]
#[tokio::test]
async fn lines_that_came_while_the_connection_was_broken_are_fetched(#[case] bytes: usize) {
    let (endpoint, mut tailing) = live().await;
    endpoint.put(GROUP, "a", 0, Delivery::Brought);
    endpoint.cut(bytes);
    endpoint.put(GROUP, "b", LATEST, Delivery::Silent);
    tailing.line("b").await;
    tailing.until("a new session", |_| endpoint.opened() == 2).await;
    assert!(tailing.told("reconnecting"), "{:?}", tailing.states);
    assert_eq!(counts(&endpoint, &mut tailing, &["before", "a", "b"]).await, [1, 1, 1]);
}

#[tokio::test]
async fn a_session_that_times_out_is_opened_again() {
    let (endpoint, mut tailing) = live().await;
    endpoint.time_out();
    endpoint.put(GROUP, "meanwhile", 0, Delivery::Silent);
    tailing.line("meanwhile").await;
    tailing.until("a new session", |_| endpoint.opened() == 2).await;
    let why = tailing.states.iter().find_map(|state| match state {
        TailState::Reconnecting(why, _) => Some(why.clone()),
        _ => None,
    });
    assert!(why.is_some_and(|why| why.contains("timed out")), "{:?}", tailing.states);
}

#[tokio::test]
async fn a_session_that_stalls_is_replaced() {
    let (endpoint, mut tailing) = live().await;
    endpoint.put(GROUP, "never sent", 0, Delivery::Silent);
    tailing.line("never sent").await;
    tailing.until("a new session", |_| endpoint.opened() >= 2).await;
    assert!(tailing.told("reconnecting"), "{:?}", tailing.states);
}

#[tokio::test]
async fn a_session_is_renewed_before_its_end_without_a_gap() {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    let patience = Patience { renew: Duration::from_millis(50), ..FAST };
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::Live, patience).await;
    let mut texts = Vec::new();
    for number in 0..40 {
        let text = format!("event {number}");
        endpoint.put(GROUP, &text, 0, Delivery::Brought);
        tailing.line(&text).await;
        texts.push(text);
    }
    tailing.until("renewals", |_| endpoint.opened() >= 4).await;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(counts(&endpoint, &mut tailing, &texts).await, [1; 40]);
    assert!(!tailing.told("reconnecting"), "{:?}", tailing.states);
}

#[tokio::test]
async fn equal_events_are_all_shown_and_an_event_that_comes_twice_is_shown_once() {
    let (endpoint, mut tailing) = live().await;
    endpoint.put_all(GROUP, &["same".into(), "same".into(), "same".into()], 0, Delivery::Brought);
    endpoint.put(GROUP, "twice", 0, Delivery::Twice);
    tailing.line("twice").await;
    endpoint.cut(0);
    tailing.until("a new session", |_| endpoint.opened() == 2).await;
    assert_eq!(counts(&endpoint, &mut tailing, &["same", "twice"]).await, [3, 1]);
}

#[rstest]
#[case::throttled(Fault::Throttle)]
#[case::unavailable(Fault::Unavailable)]
#[case::reset(Fault::Reset)]
#[case::expired(Fault::Expired)]
#[tokio::test]
async fn a_gap_that_cannot_be_closed_is_marked_and_closed_later(#[case] fault: Fault) {
    let (endpoint, mut tailing) = live().await;
    endpoint.faults([fault; 5]);
    endpoint.put(GROUP, "in the gap", 0, Delivery::LeftOut);
    tailing.until("the gap", |tailing| !tailing.gaps.is_empty()).await;
    tailing.line("in the gap").await;
    tailing.until("closed", |tailing| tailing.gaps.iter().all(|gap| gap.closed)).await;
    assert_eq!(tailing.gaps[0].groups, [GROUP]);
    assert!(tailing.told("reconnecting"), "{:?}", tailing.states);
    assert_eq!(counts(&endpoint, &mut tailing, &["in the gap"]).await, [1]);
}

#[tokio::test]
async fn a_gap_that_stays_open_covers_every_missing_line() {
    let (endpoint, mut tailing) = live().await;
    endpoint.faults([Fault::Throttle; 100_000]);
    endpoint.put(GROUP, "missing", LATEST, Delivery::LeftOut);
    let missing = now_millis() - LATEST;
    tailing.until("the gap", |tailing| !tailing.gaps.is_empty()).await;
    let gap = &tailing.gaps[0];
    assert!(!gap.closed && gap.from <= missing && missing <= gap.to, "{gap:?} {missing}");
    assert!(!tailing.lines.contains_key("missing"));
}

#[tokio::test]
async fn an_empty_page_is_followed_and_a_refused_token_begins_the_window_again() {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    endpoint.paging(2, true);
    endpoint.faults([Fault::Empty, Fault::Empty, Fault::Empty, Fault::BadToken, Fault::Empty]);
    let texts: Vec<String> = (0..9).map(|number| format!("event {number}")).collect();
    texts.iter().for_each(|text| endpoint.put(GROUP, text, 0, Delivery::Silent));
    endpoint.put_all(GROUP, &["same".into(), "same".into(), "same".into()], 0, Delivery::Silent);
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::No, FAST).await;
    tailing.state("ended").await;
    assert!(texts.iter().all(|text| tailing.lines.get(text) == Some(&1)), "{:?}", tailing.lines);
    assert_eq!(tailing.lines["same"], 3);
    assert_eq!(tailing.order[..9], texts);
}

#[tokio::test]
async fn a_full_page_of_one_millisecond_without_a_token_leaves_a_gap_for_good() {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    endpoint.paging(10_000, false);
    let many: Vec<String> = (0..10_050).map(|number| number.to_string()).collect();
    endpoint.put_all(GROUP, &many, 0, Delivery::Silent);
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::No, FAST).await;
    tailing.state("ended").await;
    assert_eq!(tailing.lines.len(), 10_000);
    assert!(tailing.gaps.len() == 1 && !tailing.gaps[0].closed, "{:?}", tailing.gaps);
}

#[rstest]
#[case::denied(Live::Denied)]
#[case::unknown(Live::Unknown)]
#[tokio::test]
async fn without_live_tail_the_tail_polls_and_says_why_until_there_is_one(#[case] refusal: Live) {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    endpoint.live(refusal);
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::Live, FAST).await;
    let polls = |state: &TailState| matches!(state, TailState::Polling(why) if why.contains("no live tail"));
    tailing.until("polling", |tailing| tailing.states.last().is_some_and(polls)).await;
    endpoint.put(GROUP, "polled", LATEST, Delivery::Silent);
    tailing.line("polled").await;
    endpoint.live(Live::Open);
    tailing.state("live").await;
    assert_eq!(counts(&endpoint, &mut tailing, &["polled"]).await, [1]);
}

#[tokio::test]
async fn an_event_that_comes_very_late_is_found() {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::Poll, FAST).await;
    tailing.state("polling").await;
    endpoint.put(GROUP, "late", FAST.pace.overlap * 2, Delivery::Silent);
    tailing.line("late").await;
}

#[tokio::test]
async fn a_group_that_is_created_later_is_followed_by_itself() {
    let (endpoint, mut tailing) = live().await;
    tailing.follow(&[GROUP, "/q/prod/new"]);
    tailing.state("polling").await;
    endpoint.create("/q/prod/new");
    endpoint.put("/q/prod/new", "first", 0, Delivery::Silent);
    tailing.line("first").await;
    tailing.state("live").await;
    // The old session is left after the new one is open.
    tailing.until("one session has both", |_| endpoint.session_groups() == [[GROUP, "/q/prod/new"]]).await;
    tailing.follow(&[GROUP]);
    tailing.until("it has left", |_| endpoint.session_groups() == [[GROUP]]).await;
}

#[tokio::test]
async fn a_group_without_live_tail_is_polled_while_the_others_are_live() {
    let endpoint = CloudWatch::start(&[GROUP, "/q/prod/rare"]).await;
    endpoint.infrequent("/q/prod/rare");
    let mut tailing = Tailing::start(&endpoint, &[GROUP, "/q/prod/rare"], Follow::Live, FAST).await;
    tailing.until("a session", |_| endpoint.sessions() == 1).await;
    tailing.state("polling").await;
    endpoint.put("/q/prod/rare", "rare", 0, Delivery::Silent);
    endpoint.put(GROUP, "usual", 0, Delivery::Brought);
    tailing.line("rare").await;
    tailing.line("usual").await;
}

#[tokio::test]
async fn more_than_ten_groups_take_several_sessions() {
    let names: Vec<String> = (0..23).map(|number| format!("/q/{number}")).collect();
    let groups: Vec<&str> = names.iter().map(String::as_str).collect();
    let endpoint = CloudWatch::start(&groups).await;
    let mut tailing = Tailing::start(&endpoint, &groups, Follow::Live, FAST).await;
    tailing.state("live").await;
    assert_eq!(endpoint.sessions(), 3);
    for group in &groups {
        endpoint.put(group, group, 0, Delivery::Brought);
    }
    for group in &groups {
        tailing.line(group).await;
    }
    assert!(tailing.lines.values().all(|count| *count == 1), "{:?}", tailing.lines);
}

#[tokio::test]
async fn no_more_than_three_sessions_are_held_and_the_groups_beyond_are_polled() {
    let names: Vec<String> = (0..41).map(|number| format!("/q/{number:02}")).collect();
    let groups: Vec<&str> = names.iter().map(String::as_str).collect();
    let endpoint = CloudWatch::start(&groups).await;
    let mut tailing = Tailing::start(&endpoint, &groups, Follow::Live, FAST).await;
    tailing.until("sessions", |_| endpoint.sessions() == 3).await;
    let why = |tailing: &Tailing| matches!(tailing.states.last(), Some(TailState::Polling(why)) if why.contains("11 log groups"));
    tailing.until("the rest is polled", why).await;
    endpoint.put("/q/40", "polled", 0, Delivery::Silent);
    tailing.line("polled").await;
    assert!(endpoint.sessions() <= 3, "{}", endpoint.sessions());
    tailing.follow(&groups[31..]);
    tailing.state("live").await;
    assert_eq!(endpoint.sessions(), 1, "what was beyond has a session now");
}

#[tokio::test]
async fn a_group_that_cannot_be_read_is_a_gap_of_its_own_and_the_others_are_read() {
    let endpoint = CloudWatch::start(&[GROUP, "/q/refused"]).await;
    endpoint.put_all(GROUP, &(0..30).map(|number| number.to_string()).collect::<Vec<_>>(), 0, Delivery::Silent);
    endpoint.paging(10, true);
    endpoint.refuse("/q/refused");
    let mut tailing = Tailing::start(&endpoint, &[GROUP, "/q/refused"], Follow::No, FAST).await;
    tailing.state("ended").await;
    assert_eq!(tailing.states.last(), Some(&TailState::Ended(End::Window)));
    assert_eq!(tailing.lines.len(), 30);
    let [gap] = &tailing.gaps[..] else { panic!("{:?}", tailing.gaps) };
    assert!(!gap.closed && gap.groups == ["/q/refused"] && gap.why.contains("log class"), "{gap:?}");
}

#[tokio::test]
async fn a_group_that_cannot_be_read_is_tried_again_while_the_others_are_followed() {
    let endpoint = CloudWatch::start(&[GROUP, "/q/refused"]).await;
    endpoint.refuse("/q/refused");
    endpoint.deny_tail("/q/refused");
    let mut tailing = Tailing::start(&endpoint, &[GROUP, "/q/refused"], Follow::Live, FAST).await;
    tailing.until("its gap", |tailing| tailing.gaps.len() == 1).await;
    tailing.until("a session of the other", |_| endpoint.session_groups() == [[GROUP]]).await;
    endpoint.put(GROUP, "of the other", 0, Delivery::Brought);
    tailing.line("of the other").await;
    endpoint.put("/q/refused", "read later", 0, Delivery::Silent);
    endpoint.permit("/q/refused");
    tailing.line("read later").await;
    tailing.until("closed", |tailing| tailing.gaps.iter().all(|gap| gap.closed)).await;
    assert!(tailing.lines.values().all(|count| *count == 1), "{:?}", tailing.lines);
}

#[tokio::test]
async fn a_group_that_always_fails_does_not_hold_up_the_others() {
    let endpoint = CloudWatch::start(&[GROUP, "/q/z"]).await;
    endpoint.put("/q/z", "of the other", 0, Delivery::Silent);
    endpoint.fail(GROUP);
    let mut tailing = Tailing::start(&endpoint, &[GROUP, "/q/z"], Follow::Poll, FAST).await;
    tailing.line("of the other").await;
    tailing.until("its gap", |tailing| tailing.gaps.iter().any(|gap| gap.groups == [GROUP])).await;
}

#[rstest]
#[case(Follow::No)]
#[case(Follow::Poll)]
#[case(Follow::Live)]
#[tokio::test]
async fn an_event_that_cannot_be_parsed_costs_its_millisecond_alone(#[case] follow: Follow) {
    let endpoint = CloudWatch::start(&[GROUP, "/q/other"]).await;
    for (late, text) in [(9_000, "before"), (5_000, "secret text"), (4_999, "right after"), (0, "after")] {
        endpoint.put(GROUP, text, late, Delivery::Silent);
    }
    endpoint.put("/q/other", "of the other", 5_000, Delivery::Silent);
    endpoint.garble("secret text");
    let at = endpoint.stored().into_iter().find(|(_, _, text)| text == "secret text").unwrap().1;
    let patience = Patience { attempts: 6, ..FAST };
    let mut tailing = Tailing::start(&endpoint, &[GROUP, "/q/other"], follow, patience).await;
    for text in ["before", "right after", "after", "of the other"] {
        tailing.line(text).await;
    }
    if follow == Follow::No {
        tailing.state("ended").await;
        assert_eq!(tailing.states.last(), Some(&TailState::Ended(End::Window)));
    } else {
        // Windows go on over the bad millisecond, without looking for it again.
        let reads = endpoint.reads();
        endpoint.put(GROUP, "later", 0, Delivery::Silent);
        tailing.line("later").await;
        assert!(endpoint.reads() - reads < 20, "{} reads", endpoint.reads() - reads);
    }
    let lost: Vec<_> = tailing.gaps.iter().filter(|gap| gap.why.contains("parsed")).collect();
    assert!(lost.iter().any(|gap| (gap.from, gap.to) == (at, at)), "{:?}", tailing.gaps);
    assert_eq!(lost.len(), 1, "told once");
    assert!(!format!("{:?} {:?}", tailing.gaps, tailing.states).contains("secret text"));
    assert!(tailing.lines.values().all(|count| *count == 1), "{:?}", tailing.lines);
}

#[tokio::test]
async fn an_event_of_a_clock_that_is_ahead_is_shown() {
    let (endpoint, mut tailing) = live().await;
    endpoint.put(GROUP, "stamped ahead", -1_200_000, Delivery::Silent);
    tailing.line("stamped ahead").await;
    assert_eq!(counts(&endpoint, &mut tailing, &["before", "stamped ahead"]).await, [1, 1]);
}

#[rstest]
#[case::ours_is_ahead(-40_000)]
#[case::ours_is_behind(40_000)]
#[tokio::test]
async fn lines_are_looked_for_by_the_clock_of_the_service(#[case] ahead: i64) {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    endpoint.set_clock(ahead);
    endpoint.put(GROUP, "before", 0, Delivery::Silent);
    // An answer's time has whole seconds.
    let pace = Pace { overlap: 2_000, deep: 6_000, ..FAST.pace };
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::Live, Patience { pace, ..FAST }).await;
    tailing.line("before").await;
    tailing.state("live").await;
    endpoint.put(GROUP, "left out", 0, Delivery::LeftOut);
    tailing.line("left out").await;
    endpoint.beat(false);
    tailing.state("live").await;
    assert_eq!(counts(&endpoint, &mut tailing, &["before", "left out"]).await, [1, 1]);
}

#[tokio::test]
async fn a_group_that_joins_and_cannot_be_opened_is_not_called_live() {
    let (endpoint, mut tailing) = live().await;
    endpoint.create("/q/joins");
    endpoint.live(Live::Unavailable);
    tailing.follow(&[GROUP, "/q/joins"]);
    let why =
        |tailing: &Tailing| matches!(tailing.states.last(), Some(TailState::Polling(why)) if why.contains("busy"));
    tailing.until("it says why", why).await;
    endpoint.put("/q/joins", "polled", 0, Delivery::Silent);
    tailing.line("polled").await;
    assert_eq!(endpoint.session_groups(), [[GROUP]], "the session that was open goes on");
    endpoint.live(Live::Open);
    tailing.state("live").await;
}

#[tokio::test]
async fn a_group_that_is_missing_is_told_and_so_is_that_it_appears() {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    let mut tailing = Tailing::start(&endpoint, &[GROUP, "/q/later"], Follow::Poll, FAST).await;
    tailing.until("missing", |tailing| tailing.missing.contains("/q/later")).await;
    endpoint.create("/q/later");
    tailing.until("there", |tailing| tailing.missing.is_empty()).await;
}

#[tokio::test]
async fn a_window_that_cannot_be_read_ends_with_a_reason_and_a_gap() {
    let endpoint = CloudWatch::start(&[GROUP]).await;
    endpoint.faults([Fault::Denied]);
    let mut tailing = Tailing::start(&endpoint, &[GROUP], Follow::No, FAST).await;
    tailing.state("ended").await;
    assert!(
        matches!(tailing.states.last(), Some(TailState::Ended(End::Failed(error))) if error.kind == ErrorKind::Denied)
    );
    assert!(tailing.gaps.len() == 1 && !tailing.gaps[0].closed, "{:?}", tailing.gaps);
}
