//! When the change of a stack is over: by the events that bear its token, for a status may be an old one, or
//! somebody else's.

use crate::support::{at, stacks};
use quarterdeck::core::operation::CheckState;
use quarterdeck::core::operation::verify::{changed_last_by, settled};
use quarterdeck::core::stack::{Stack, StackDetail, StackEvent, StackStatus};
use quarterdeck::core::unread::Read;
use rstest::rstest;

const OURS: &str = "op-1";
const BOBS: &str = "qd-2-by-bob";

fn stack(status: &str) -> Stack {
    Stack { status: StackStatus(status.into()), ..stacks::settled().remove(2) }
}

/// Events of the stack itself, the newest first: status and token.
fn events(all: &[(&str, &str)]) -> Read<StackDetail> {
    let event = |(index, (status, token)): (usize, &(&str, &str))| StackEvent {
        id: index.to_string(),
        at: at(-i64::try_from(index).unwrap_or_default()),
        logical_id: "quarterdeck-prod-platform".into(),
        kind: "AWS::CloudFormation::Stack".into(),
        status: StackStatus(status.split(' ').next().unwrap_or_default().into()),
        reason: status.split_once(' ').map(|(_, reason)| reason.to_owned()),
        token: (!token.is_empty()).then(|| (*token).to_owned()),
    };
    Read::Known(StackDetail { events: all.iter().enumerate().map(event).collect(), ..StackDetail::default() })
}

#[derive(Debug, PartialEq)]
enum Is {
    Over,
    Pending,
    Failed,
    Cancelled,
}

#[rstest]
#[case::over("UPDATE_COMPLETE", &[("UPDATE_COMPLETE", OURS), ("UPDATE_IN_PROGRESS", OURS)], Is::Over)]
#[case::under_way("UPDATE_IN_PROGRESS", &[("UPDATE_IN_PROGRESS", OURS)], Is::Pending)]
#[case::read_before_it_began("UPDATE_COMPLETE", &[("UPDATE_COMPLETE", "old")], Is::Pending)]
#[case::the_status_lags("UPDATE_COMPLETE", &[("UPDATE_IN_PROGRESS", OURS), ("UPDATE_COMPLETE", "old")], Is::Pending)]
#[case::rolled_back("UPDATE_ROLLBACK_COMPLETE", &[("UPDATE_ROLLBACK_COMPLETE", OURS)], Is::Failed)]
#[case::rolled_back_and_mended_by_a_colleague(
    "UPDATE_COMPLETE",
    &[("UPDATE_COMPLETE", "theirs"), ("UPDATE_IN_PROGRESS", "theirs"), ("UPDATE_ROLLBACK_COMPLETE", OURS)],
    Is::Failed
)]
#[case::over_and_changed_again("UPDATE_IN_PROGRESS", &[("UPDATE_IN_PROGRESS", "theirs"), ("UPDATE_COMPLETE", OURS)], Is::Over)]
#[case::no_tokens_at_all("UPDATE_COMPLETE", &[("UPDATE_COMPLETE", "")], Is::Over)]
#[case::no_tokens_under_way("UPDATE_IN_PROGRESS", &[("UPDATE_IN_PROGRESS", "")], Is::Pending)]
fn the_events_of_the_operation_decide(#[case] status: &str, #[case] all: &[(&str, &str)], #[case] expected: Is) {
    let found = match settled(Some(&stack(status)), &events(all), Some(OURS)) {
        CheckState::Holds(_) | CheckState::Unproven(_) => Is::Over,
        CheckState::Pending(_) | CheckState::Doubtful(_) => Is::Pending,
        CheckState::Failed(_) => Is::Failed,
        CheckState::Cancelled { .. } => Is::Cancelled,
    };
    assert_eq!(found, expected);
}

/// Someone has cancelled the update, or has not: by the token of the request, or by CloudFormation's word for it.
#[rstest]
#[case::under_way("UPDATE_ROLLBACK_IN_PROGRESS", &[("UPDATE_ROLLBACK_IN_PROGRESS", BOBS), ("UPDATE_IN_PROGRESS", OURS)], "", Is::Pending)]
#[case::over(
    "UPDATE_ROLLBACK_COMPLETE",
    &[("UPDATE_ROLLBACK_COMPLETE", BOBS), ("UPDATE_ROLLBACK_IN_PROGRESS", BOBS), ("UPDATE_IN_PROGRESS", OURS)],
    "bob (operation qd-2) cancelled",
    Is::Cancelled
)]
#[case::with_the_token_of_the_update(
    "UPDATE_ROLLBACK_COMPLETE",
    &[("UPDATE_ROLLBACK_COMPLETE", OURS), ("UPDATE_ROLLBACK_IN_PROGRESS User Initiated", OURS), ("UPDATE_IN_PROGRESS", OURS)],
    "someone cancelled",
    Is::Cancelled
)]
#[case::in_the_console(
    "UPDATE_ROLLBACK_COMPLETE",
    &[("UPDATE_ROLLBACK_COMPLETE", "Console-Cancel"), ("UPDATE_ROLLBACK_IN_PROGRESS", "Console-Cancel"), ("UPDATE_IN_PROGRESS", OURS)],
    "someone cancelled",
    Is::Cancelled
)]
#[case::and_the_way_back_failed(
    "UPDATE_ROLLBACK_FAILED",
    &[("UPDATE_ROLLBACK_FAILED", BOBS), ("UPDATE_ROLLBACK_IN_PROGRESS", BOBS), ("UPDATE_IN_PROGRESS", OURS)],
    "",
    Is::Failed
)]
#[case::it_failed_by_itself(
    "UPDATE_ROLLBACK_COMPLETE",
    &[("UPDATE_ROLLBACK_COMPLETE", OURS), ("UPDATE_ROLLBACK_IN_PROGRESS", OURS), ("UPDATE_IN_PROGRESS", OURS)],
    "",
    Is::Failed
)]
#[case::the_next_update_was_cancelled(
    "UPDATE_ROLLBACK_COMPLETE",
    &[
        ("UPDATE_ROLLBACK_COMPLETE", BOBS),
        ("UPDATE_ROLLBACK_IN_PROGRESS", BOBS),
        ("UPDATE_IN_PROGRESS", "theirs"),
        ("UPDATE_COMPLETE", OURS),
        ("UPDATE_IN_PROGRESS", OURS)
    ],
    "",
    Is::Over
)]
fn who_cancels_an_update_is_told(
    #[case] status: &str,
    #[case] all: &[(&str, &str)],
    #[case] told: &str,
    #[case] expected: Is,
) {
    let state = settled(Some(&stack(status)), &events(all), Some(OURS));
    let (found, said) = match &state {
        CheckState::Holds(_) | CheckState::Unproven(_) => (Is::Over, String::new()),
        CheckState::Pending(_) | CheckState::Doubtful(_) => (Is::Pending, String::new()),
        CheckState::Failed(_) => (Is::Failed, String::new()),
        CheckState::Cancelled { by, what } => (Is::Cancelled, format!("{by} cancelled: {what}")),
    };
    assert_eq!(found, expected, "{state:?}");
    assert!(said.starts_with(told), "{said}");
}

/// What failed before the way back began was given up, and cannot be skipped; nor can a nested stack that is there.
#[test]
fn only_what_could_not_be_rolled_back_can_be_skipped() {
    let detail = stacks::rollback_failed().detail;
    let names = |detail: &StackDetail| detail.skips().into_iter().map(|skip| skip.name).collect::<Vec<_>>();
    assert_eq!(names(&detail), ["Service", "queues-1A2B.Queue"]);
    let mut gone = detail.clone();
    gone.nested[0].status = None;
    assert_eq!(names(&gone), ["Queues", "Service", "queues-1A2B.Queue"]);
    // It was gone on with, and failed elsewhere before it came to `Service` again, which is as the first attempt left it.
    let mut again = detail.clone();
    let own = |status: &str, of: &StackDetail| {
        let one = of.events.iter().find(|event| event.status.0 == "UPDATE_ROLLBACK_FAILED").unwrap().clone();
        StackEvent { status: StackStatus(status.into()), ..one }
    };
    let more = [own("UPDATE_ROLLBACK_FAILED", &detail), own("UPDATE_ROLLBACK_IN_PROGRESS", &detail)];
    again.events.splice(0..0, more);
    assert_eq!(names(&again), ["Service", "queues-1A2B.Queue"]);
    // What failed on the way back of an earlier update is past.
    let mut later = detail.clone();
    let mut update = own("UPDATE_IN_PROGRESS", &detail);
    update.reason = None;
    later
        .events
        .splice(0..0, [own("UPDATE_ROLLBACK_FAILED", &detail), own("UPDATE_ROLLBACK_IN_PROGRESS", &detail), update]);
    assert_eq!(names(&later), ["queues-1A2B.Queue"]);
    let mut unread = detail;
    unread.events.truncate(2);
    assert_eq!(names(&unread), ["Group", "Service", "queues-1A2B.Queue"], "the beginning of the rollback is not known");
}

#[rstest]
#[case::ours(&[("UPDATE_COMPLETE", OURS), ("UPDATE_COMPLETE", "old")], true)]
#[case::a_colleague_since(&[("UPDATE_COMPLETE", "theirs"), ("UPDATE_COMPLETE", OURS)], false)]
#[case::unknown(&[("UPDATE_COMPLETE", "")], false)]
fn what_was_agreed_holds_only_for_ones_own_change(#[case] all: &[(&str, &str)], #[case] own: bool) {
    assert_eq!(changed_last_by(&events(all), &stack("UPDATE_COMPLETE"), OURS), own);
}
