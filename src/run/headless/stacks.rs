//! `stacks`: the Stack screen as text or JSON.

use jiff::Timestamp;
use serde_json::json;

use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::cloud::ErrorKind;
use crate::core::environment::names;
use crate::core::finding::{in_short, of_file};
use crate::core::operation::verify::root_cause;
use crate::core::stack::{Stack, StackDetail};
use crate::core::text::age;
use crate::run::{Session, read};

/// Events of a stack that are printed.
const EVENTS: usize = 40;

/// Prints the stacks of the environment, or one of them with its resources and events. Code 1 where a change of one
/// has failed.
///
/// # Errors
/// When they cannot be read or written, or there is no such stack.
pub async fn stacks(session: &Session, part: Option<&str>, output: Output) -> Result<Exit, Failure> {
    let all = read::stacks(session).await?;
    let now = Timestamp::now();
    let Some(part) = part else {
        let result = match output {
            Output::Json => {
                print_json(&json!({ "environment": session.context.environment, "at": now, "stacks": all }))
            }
            Output::Text if all.is_empty() => line(&format!(
                "environment {} has no stack; `quarterdeck deploy` makes them",
                session.context.environment
            )),
            Output::Text => line(&table(&all, now)),
        };
        written(result)?;
        return Ok(exit(&all));
    };
    let stack = named(session, &all, part)?;
    let detail = session.cloud.stack_detail(&stack.id).await?;
    let result = match output {
        Output::Json => {
            let cause = stack.status.failed().then(|| root_cause(&detail, None, stack.reason.as_deref()));
            print_json(&json!({ "at": now, "stack": stack, "cause": cause, "detail": detail }))
        }
        Output::Text => line(&told(stack, &detail, now)),
    };
    written(result)?;
    if detail.events.len() > EVENTS && output == Output::Text {
        progress(&format!("{} older events are left out; --output json has them", detail.events.len() - EVENTS));
    }
    Ok(exit(std::slice::from_ref(stack)))
}

fn exit(stacks: &[Stack]) -> Exit {
    if stacks.iter().any(|stack| stack.status.failed()) { Exit::Failed } else { Exit::Done }
}

/// The stack of this name, or of this part of the environment.
fn named<'a>(session: &Session, all: &'a [Stack], part: &str) -> Result<&'a Stack, Failure> {
    let name = names::stack(&session.context.environment, part);
    let found = all.iter().find(|stack| stack.id.name == part || stack.id.name == name || stack.arn == part);
    found.ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|stack| stack.id.name.as_str()).collect();
        let why = format!("environment {} has no stack {part:?}", session.context.environment);
        Failure::refused(ErrorKind::NotFound, why, format!("it has {}", known.join(", ")))
    })
}

fn table(all: &[Stack], now: Timestamp) -> String {
    let mut out = format!("{:<34} {:<28} {:>8} {:<14} REASON", "STACK", "STATUS", "CHANGED", "REGION");
    for stack in all {
        let changed = stack.updated_at.map(|at| age(now, at)).unwrap_or_default();
        let reason = stack.reason.clone().or_else(|| in_short(stack)).unwrap_or_default();
        let row = format!("{:<34} {:<28} {changed:>8} {:<14} {reason}", stack.id.name, stack.status.0, stack.id.region);
        out += &format!("\n{}", row.trim_end());
    }
    out
}

fn told(stack: &Stack, detail: &StackDetail, now: Timestamp) -> String {
    let mut lines = vec![format!("{} {}", stack.id.name, stack.status.0)];
    if stack.status.failed() {
        lines.push(format!("cause: {}", root_cause(detail, None, stack.reason.as_deref())));
    }
    lines.extend(of_file(stack).map(|drift| format!("not as the file says: {}", drift.evidence)));
    lines.push("resources".to_owned());
    lines.extend(detail.resources.iter().map(|one| {
        let reason = one.reason.clone().unwrap_or_default();
        format!("  {:<32} {:<44} {:<24} {reason}", one.logical_id, one.kind, one.status.0).trim_end().to_owned()
    }));
    lines.push("events, newest first".to_owned());
    lines.extend(detail.events.iter().take(EVENTS).map(|event| {
        let reason = event.reason.clone().unwrap_or_default();
        let row = format!("  {:>8} ago {:<24} {:<32} {reason}", age(now, event.at), event.status.0, event.logical_id);
        row.trim_end().to_owned()
    }));
    lines.join("\n")
}
