//! When the change of a stack is over: by the events that bear its token, for a status may be an old one, or
//! somebody else's.

use crate::support::{at, stacks};
use quarterdeck::core::operation::CheckState;
use quarterdeck::core::operation::verify::{changed_last_by, settled};
use quarterdeck::core::stack::{Stack, StackDetail, StackEvent, StackStatus};
use quarterdeck::core::unread::Read;
use rstest::rstest;

const OURS: &str = "op-1";

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
        status: StackStatus((*status).into()),
        reason: None,
        token: (!token.is_empty()).then(|| (*token).to_owned()),
    };
    Read::Known(StackDetail { events: all.iter().enumerate().map(event).collect(), ..StackDetail::default() })
}

#[derive(Debug, PartialEq)]
enum Is {
    Over,
    Pending,
    Failed,
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
    };
    assert_eq!(found, expected);
}

#[rstest]
#[case::ours(&[("UPDATE_COMPLETE", OURS), ("UPDATE_COMPLETE", "old")], true)]
#[case::a_colleague_since(&[("UPDATE_COMPLETE", "theirs"), ("UPDATE_COMPLETE", OURS)], false)]
#[case::unknown(&[("UPDATE_COMPLETE", "")], false)]
fn what_was_agreed_holds_only_for_ones_own_change(#[case] all: &[(&str, &str)], #[case] own: bool) {
    assert_eq!(changed_last_by(&events(all), &stack("UPDATE_COMPLETE"), OURS), own);
}
