//! Carries out an operation without a screen, until it ends or is left.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::plan::text;
use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::core::error::PlanError;
use crate::core::operation::protocol::{Mark, News};
use crate::core::operation::record::Outcome;
use crate::core::operation::{Check, CheckState, Event, Intent, Operation, Order, Phase, PlanRequest, Work};
use crate::core::plan::{Confirm, Plan};
use crate::core::text::short_duration;
use crate::run::{Session, operate as perform, planner};

/// How the operator agrees to a plan in advance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// `--yes`: agrees to what `y` confirms.
    pub yes: bool,
    /// `--confirm NAME`: agrees to what a typed name confirms.
    pub typed: Option<String>,
}

/// Plans a write, and carries it out as [`operate`] does. Where it is already as it was wished, that is told, and is no
/// failure.
///
/// # Errors
/// When it cannot be planned, or the result cannot be written.
pub async fn attempt(
    session: &Session,
    request: PlanRequest,
    consent: &Consent,
    output: Output,
) -> Result<Exit, Failure> {
    match planner::plan(session, request).await {
        Err(PlanError::Already(how)) => already(&how, output),
        plan => operate(session, plan?, consent, output).await,
    }
}

/// Tells that there is nothing to do, and how it is.
fn already(how: &str, output: Output) -> Result<Exit, Failure> {
    let result = match output {
        Output::Json => print_json(&json!({
            "operation": null, "title": null, "result": "unchanged", "detail": how,
            "steps": [], "changes": [], "warnings": [], "facts": {},
        })),
        Output::Text => line(&format!("unchanged: {how}")),
    };
    written(result)?;
    Ok(Exit::Done)
}

/// Shows a plan, asks for consent, carries it out, and tells how it went.
///
/// # Errors
/// When the result cannot be written.
pub async fn operate(session: &Session, plan: Plan, consent: &Consent, output: Output) -> Result<Exit, Failure> {
    if plan.is_empty() {
        perform::discard(session, &plan.drafts).await;
        plan.warnings.iter().for_each(|warning| progress(&format!("warning: {warning}")));
        return report(&Operation::propose(plan, false), output, Some("nothing to do"));
    }
    progress(&text(&plan));
    let mut operation = Operation::propose(plan, session.context.read_only);
    let event = match agreed(&operation, consent).await {
        Ok(answer) => Event::Answer(answer),
        Err(reason) => Event::Refuse(reason),
    };
    drive(session, &mut operation, event, consent).await;
    report(&operation, output, None)
}

/// The operator's answer that confirms the plan, or the reason why there is none.
pub(super) async fn agreed(operation: &Operation, consent: &Consent) -> Result<String, String> {
    // In read-only mode the protocol refuses, whatever the answer is.
    if operation.read_only {
        return Ok(String::new());
    }
    let (question, advance, flag) = match operation.confirm() {
        Confirm::Yes => ("proceed? [y/N] ".to_owned(), consent.yes.then(|| "y".to_owned()), "--yes".to_owned()),
        Confirm::Typed(name) => {
            (format!("type {name:?} to proceed: "), consent.typed.clone(), format!("--confirm {name}"))
        }
    };
    let answer = match advance {
        Some(answer) => answer,
        None if io::stdin().is_terminal() => ask(question).await,
        None => return Err(format!("not confirmed: there is no terminal to ask; pass {flag}")),
    };
    if operation.confirm().accepts(&answer) {
        Ok(answer)
    } else {
        Err(format!("not confirmed: the answer was {answer:?}"))
    }
}

async fn ask(question: String) -> String {
    let read = tokio::task::spawn_blocking(move || {
        // If it cannot be shown, there is somebody who answers nevertheless, or nobody.
        let _ = write!(io::stderr().lock(), "{question}");
        let mut answer = String::new();
        // If the terminal cannot be read, the answer is empty, and nothing is confirmed.
        let _ = io::stdin().lock().read_line(&mut answer);
        answer.trim().to_owned()
    });
    read.await.unwrap_or_default()
}

/// Feeds an operation with events until it ends, pauses or waits for its grace period.
pub(super) async fn drive(session: &Session, operation: &mut Operation, first: Event, consent: &Consent) {
    let mut pending: FuturesUnordered<BoxFuture<'static, Option<Event>>> = FuturesUnordered::new();
    let mut notes = BTreeMap::new();
    let mut next = Some(first);
    loop {
        if let Some(event) = next.take() {
            let waits = waits_in_grace(operation, &event);
            queue(session, operation, event, &pending).await;
            show(operation, &mut notes);
            if waits {
                let leave = Event::Leave(in_grace(operation));
                queue(session, operation, leave, &pending).await;
            }
            if let Phase::Consent(question) = &operation.phase {
                progress(&question.to_string());
                next = Some(match agreed(operation, consent).await {
                    Ok(answer) => Event::Answer(answer),
                    Err(reason) => Event::Refuse(reason),
                });
                continue;
            }
        }
        if !operation.active() {
            // The last records must be on disk before the process ends. A running check need not end.
            while let Some(Some(_)) = futures::future::poll_immediate(pending.next()).await {}
            return;
        }
        next = tokio::select! {
            done = pending.next() => match done {
                Some(event) => event,
                None => return,
            },
            _ = tokio::signal::ctrl_c() => Some(Event::Leave("interrupted".into())),
        };
    }
}

/// Handles an event. Records for which the operation does not wait are awaited here, so that none is lost.
async fn queue(
    session: &Session,
    operation: &mut Operation,
    event: Event,
    pending: &FuturesUnordered<BoxFuture<'static, Option<Event>>>,
) {
    let drafts = operation.plan.drafts.clone();
    for effect in operation.handle(event, Timestamp::now()) {
        match effect {
            Order::Discard => perform::discard(session, &drafts).await,
            Order::Tell(approved) => drop(perform::perform(session.clone(), Order::Tell(approved)).await),
            Order::Record(record, Mark::Other) => {
                let recorded = perform::perform(session.clone(), Order::Record(record, Mark::Other)).await;
                if let Some(Event::NotRecorded(why)) = recorded {
                    progress(&format!("warning: the audit could not be written: {why}"));
                }
            }
            other => pending.push(perform::perform(session.clone(), other)),
        }
    }
}

/// Why a rotation is left in its grace period, and how it is gone on with.
fn in_grace(operation: &Operation) -> String {
    let client = match &operation.plan.intent {
        Intent::Rotate(rotation) => rotation.name.as_str(),
        _ => "CLIENT",
    };
    format!(
        "in its grace period; the old credentials still work: `clients rotate {client} --finish` ends it, --undo takes it back"
    )
}

/// The longest grace period, in seconds, for whose end the command waits.
const SHORT_GRACE: i64 = 60;

/// Whether the operation now only waits for the end of a grace period.
fn waits_in_grace(operation: &Operation, event: &Event) -> bool {
    let Event::Step { step, news: News::Checked(CheckState::Pending(_), _) } = event else {
        return false;
    };
    let patience = SignedDuration::from_secs(SHORT_GRACE);
    let grace = |index: &usize| match operation.steps().get(*index).map(|step| &step.work) {
        Some(Work::Await(Check::GraceOver { until })) => until.duration_since(Timestamp::now()) > patience,
        _ => false,
    };
    grace(step) && operation.running.keys().all(grace)
}

/// Prints each step of which there is something new to say.
fn show(operation: &Operation, notes: &mut BTreeMap<usize, String>) {
    let steps = operation.steps();
    let of = steps.len();
    for (index, step) in steps.iter().enumerate() {
        let Some(note) = operation.stands(index) else { continue };
        if notes.get(&index) != Some(&note) {
            let since =
                operation.started.map(|at| short_duration(Timestamp::now().duration_since(at))).unwrap_or_default();
            progress(&format!("[{}/{of}] {since:>6}  {}: {note}", index + 1, step.title));
            notes.insert(index, note);
        }
    }
}

/// Prints how an operation ended; `idle` says why there was nothing to do.
pub(super) fn report(operation: &Operation, output: Output, idle: Option<&str>) -> Result<Exit, Failure> {
    let (word, detail, exit) = match (&operation.phase, idle) {
        (_, Some(why)) => ("unchanged", why.to_owned(), Exit::Done),
        (Phase::Ended(Outcome::Done), _) => ("done", operation.proof(), Exit::Done),
        (Phase::Ended(Outcome::Cancelled { by, what, .. }), _) => {
            ("cancelled", format!("{by} cancelled it: {what}"), Exit::Failed)
        }
        (Phase::Ended(Outcome::Undone { by }), _) => ("undone", format!("taken back by {by}"), Exit::Done),
        (Phase::Ended(Outcome::Closed { reason }), _) => ("closed", reason.clone(), Exit::Done),
        (Phase::Ended(Outcome::Failed { title, reason, .. }), _) => {
            ("failed", format!("{title}: {reason}"), Exit::Failed)
        }
        (Phase::Refused(reason), _) => ("refused", reason.clone(), Exit::Refused),
        (Phase::Paused { why, .. }, _) => ("unfinished", why.clone(), Exit::Unfinished),
        (other, _) => ("unfinished", format!("{other:?}"), Exit::Unfinished),
    };
    let result = match output {
        Output::Json => {
            let steps = operation.steps();
            let steps = steps.iter().enumerate().map(|(index, step)| {
                json!({ "title": step.title, "done": operation.done.contains_key(&index), "note": operation.done.get(&index) })
            });
            print_json(&json!({
                "operation": operation.id(),
                "title": operation.plan.title,
                "result": word,
                "detail": detail,
                "steps": steps.collect::<Vec<_>>(),
                "changes": operation.plan.changes,
                "warnings": operation.plan.warnings,
                "facts": operation.facts(),
            }))
        }
        Output::Text => line(&format!("{}: {word}: {detail}", operation.plan.title)),
    };
    written(result)?;
    Ok(exit)
}
