//! What the stacks say: a change that failed, and one that is stuck.

use super::{Finding, Gravity, Id, Remedy};
use crate::core::operation::verify::root_cause;
use crate::core::stack::{Stack, StackDetail};
use crate::core::unread::Read;

/// A stack, with its resources and events where they were read.
pub type Seen = (Stack, Option<Read<StackDetail>>);

/// Stacks whose last change failed, or that no change can be made to.
pub fn of_stacks(stacks: &[Seen]) -> Vec<Finding> {
    stacks
        .iter()
        .filter(|(stack, _)| stack.status.failed())
        .map(|(stack, detail)| failed(stack, detail.as_ref()))
        .collect()
}

fn failed(stack: &Stack, detail: Option<&Read<StackDetail>>) -> Finding {
    let status = stack.status.0.as_str();
    let stuck = stack.status.rollback_failed() || stack.status.dead_end().is_some();
    // A change that was rolled back leaves a stack that works as before.
    let (id, gravity) = match (stuck, stack.status.busy()) {
        (true, _) => (Id::StackStuck, Gravity::Fault),
        (false, _) if stack.status.half_updated() => (Id::StackHalfUpdated, Gravity::Fault),
        (false, true) => (Id::StackFailed, Gravity::Fault),
        (false, false) => (Id::StackFailed, Gravity::Warning),
    };
    let token = None;
    let evidence = match detail {
        Some(Read::Known(detail)) => root_cause(detail, token, stack.reason.as_deref()),
        Some(Read::NotRead(why)) => format!("{}; events not read: {why}", stack.reason.as_deref().unwrap_or_default()),
        None => stack.reason.clone().unwrap_or_default(),
    };
    let finding =
        Finding::new(id, gravity, format!("stack {} is {status}", stack.id.name), evidence).at(stack.updated_at);
    let remedy = if stack.status.rollback_failed() { Some(Remedy::Continue) } else { finding.remedy };
    Finding { remedy, ..finding }
}
