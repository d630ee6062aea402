//! `operations`: what was left unfinished on this machine, what it is worth now, and how it is gone on with.

use serde_json::json;

use super::drive::{agreed, drive, report};
use super::plan::text;
use super::{Consent, Exit, Failure, Output, attempt, json as print_json, line, progress, written};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::environment::names;
use crate::core::operation::{Event, Intent, Offer, Operation, Phase, PlanRequest, Standing, Way};
use crate::core::plan::Place;
use crate::run::audit::Audit;
use crate::run::{Session, judge};

/// What an operation is worth, as far as it was asked.
enum Worth {
    /// It is of the place that is worked on.
    Here(CloudResult<Standing>),
    /// It is of another one, which was not asked.
    Elsewhere,
}

/// Prints the unfinished operations of this machine: those of the place that is worked on, if there is one, with what
/// each is worth now, and of the others which command asks that.
///
/// # Errors
/// When the audit cannot be read, or the result cannot be written.
pub async fn list(audit: &Audit, session: Option<&Session>, output: Output) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for operation in unfinished(audit)? {
        let worth = match session.filter(|session| operation.plan.target.is_in(&session.context)) {
            Some(session) => Worth::Here(judge::judge(session, &operation).await),
            None => Worth::Elsewhere,
        };
        rows.push((operation, worth));
    }
    let result = match output {
        Output::Json => {
            let row = |(operation, worth): &(Operation, Worth)| {
                let (word, why) = match worth {
                    Worth::Here(Ok(Standing::Resumable)) => ("resumable", None),
                    Worth::Here(Ok(Standing::Overtaken(by))) => ("overtaken", Some(by.clone())),
                    Worth::Here(Ok(Standing::Void(why))) => ("void", Some(why.clone())),
                    Worth::Here(Ok(standing @ Standing::Ended(_))) => ("ended", Some(standing.to_string())),
                    Worth::Here(Err(error)) => ("unknown", Some(error.to_string())),
                    Worth::Elsewhere => ("elsewhere", Some(asks(operation))),
                };
                json!({
                    "operation": operation.id(),
                    "title": operation.plan.title,
                    "environment": operation.plan.target.environment,
                    "region": operation.plan.target.region,
                    "started": operation.started,
                    "paused": paused(operation),
                    "standing": word,
                    "why": why,
                    "left": left(operation),
                })
            };
            print_json(&json!({ "operations": rows.iter().map(row).collect::<Vec<_>>() }))
        }
        Output::Text if rows.is_empty() => line("no operation of this machine is unfinished"),
        Output::Text => {
            let row = |(operation, worth): &(Operation, Worth)| {
                let standing = match worth {
                    Worth::Here(Ok(standing)) => standing.to_string(),
                    Worth::Here(Err(error)) => format!("it could not be read what it is worth: {error}"),
                    Worth::Elsewhere => asks(operation),
                };
                let started = operation.started.map(|at| format!("{at:.0}")).unwrap_or_default();
                format!(
                    "{}  {}\n    begun {started}; paused: {}\n    {standing}",
                    operation.id(),
                    operation.plan.title,
                    paused(operation)
                )
            };
            line(&rows.iter().map(row).collect::<Vec<_>>().join("\n"))
        }
    };
    written(result)?;
    Ok(Exit::Done)
}

/// Where an operation is, and what asks there whether it can go on.
fn asks(operation: &Operation) -> String {
    let target = &operation.plan.target;
    format!("of {} in {}: {}", target.environment, target.region, there(operation, "list"))
}

/// A command about operations, in the place of this one.
fn there(operation: &Operation, command: &str) -> String {
    let Place { environment, region, endpoint, cluster, .. } = &operation.plan.target;
    let cluster = cluster.as_deref().map(|cluster| cluster.rsplit('/').next().unwrap_or(cluster));
    let at = match cluster.filter(|cluster| *cluster != names::cluster(environment)) {
        Some(cluster) => format!("--cluster {cluster}"),
        None => format!("-e {environment}"),
    };
    let endpoint = endpoint.as_ref().map(|url| format!(" --endpoint-url {url}")).unwrap_or_default();
    format!("`quarterdeck {at} --region {region}{endpoint} operations {command}`")
}

fn paused(operation: &Operation) -> &str {
    match &operation.phase {
        Phase::Paused { why, .. } => why,
        _ => "",
    }
}

/// Titles of the steps that are not done.
fn left(operation: &Operation) -> Vec<&str> {
    let steps = operation.steps().iter().enumerate();
    steps.filter(|(index, _)| !operation.done.contains_key(index)).map(|(_, step)| step.title.as_str()).collect()
}

fn unfinished(audit: &Audit) -> Result<Vec<Operation>, Failure> {
    audit.unfinished_anywhere().map_err(|error| Failure::Audit { path: audit.path(), error })
}

/// Tells of the unfinished operations of this machine, apart from a command's result. That the audit cannot be
/// read is told elsewhere.
pub(super) fn tell_unfinished(session: &Session) {
    for operation in session.audit.unfinished(&session.context).unwrap_or_default() {
        progress(&format!(
            "unfinished: {} ({}); see `quarterdeck operations list`",
            operation.id(),
            operation.plan.title
        ));
    }
}

/// Whether a word names an operation, by its id or the beginning of it. Every id begins with nothing: an empty variable of
/// a script would name the only one.
fn begins(word: &str, id: &str) -> bool {
    !word.is_empty() && id.starts_with(word)
}

/// The unfinished operation with this id, or the beginning of it.
fn find(session: &Session, id: &str) -> Result<Operation, Failure> {
    let all = unfinished(&session.audit)?;
    let (open, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.plan.target.is_in(&session.context));
    let known: Vec<String> = open.iter().map(|operation| operation.id().to_owned()).collect();
    let mut found = open.into_iter().filter(|operation| begins(id, operation.id()));
    match (found.next(), found.next()) {
        (Some(operation), None) => Ok(operation),
        (Some(_), Some(_)) => {
            let why = format!("{id:?} begins more than one unfinished operation");
            Err(Failure::refused(ErrorKind::Invalid, why, format!("they are {}", known.join(", "))))
        }
        (None, _) => {
            let why = format!("no unfinished operation {id:?} is known here");
            let hint = match others.iter().find(|one| begins(id, one.id())) {
                Some(other) => format!("it is {}", asks(other)),
                None if known.is_empty() => "there is none".into(),
                None => format!("there are {}", known.join(", ")),
            };
            Err(Failure::refused(ErrorKind::NotFound, why, hint))
        }
    }
}

/// Goes on with an unfinished operation, or gives it up.
///
/// # Errors
/// When there is none, it cannot be judged, or the result cannot be written.
pub async fn resume(session: &Session, id: &str, way: Way, consent: &Consent, output: Output) -> Result<Exit, Failure> {
    let operation = find(session, id)?;
    go_on(session, operation, way, consent, output).await
}

/// Takes an unfinished rotation back, by the id of the operation.
///
/// # Errors
/// When there is none, it is no rotation, or the result cannot be written.
pub async fn undo(session: &Session, id: &str, consent: &Consent, output: Output) -> Result<Exit, Failure> {
    let operation = find(session, id)?;
    if !matches!(operation.plan.intent, Intent::Rotate(_)) {
        let why = format!("{} is no rotation: only a rotation can be taken back", operation.plan.title);
        return Err(Failure::refused(ErrorKind::Invalid, why, "resume it, or close it"));
    }
    let learnt = operation.facts().clone();
    let request = PlanRequest::UndoRotation { plan: Box::new(operation.plan), learnt };
    attempt(session, request, consent, output).await
}

/// Shows the plan of an unfinished operation anew with what it is worth now, asks as the plan did, and goes on.
pub(super) async fn go_on(
    session: &Session,
    mut operation: Operation,
    way: Way,
    consent: &Consent,
    output: Output,
) -> Result<Exit, Failure> {
    if session.context.read_only {
        progress("read-only mode: nothing was done");
        return Ok(Exit::Refused);
    }
    let standing = judge::judge(session, &operation).await?;
    match way {
        Way::Close => progress(&operation.plan.title),
        Way::Resume | Way::Finish => progress(&text(&operation.plan)),
    }
    progress(&format!("{} steps of {} are done", operation.done.len(), operation.steps().len()));
    progress(&standing.to_string());
    if way != Way::Close && !standing.resumable() {
        let why = format!("{}: {standing}", operation.plan.title);
        let hint = format!("quarterdeck operations close {}", operation.id());
        return Err(Failure::refused(ErrorKind::Conflict, why, hint));
    }
    if way == Way::Close {
        progress("closing it leaves everything as it is");
    }
    if way == Way::Finish {
        progress("finishing it waives the rest of the grace period and deletes the old credentials");
    }
    operation.handle(Event::Offer(Offer { way, standing }), jiff::Timestamp::now());
    let event = match agreed(&operation, consent).await {
        Ok(answer) => Event::Answer(answer),
        Err(reason) => {
            progress(&reason);
            return Ok(Exit::Refused);
        }
    };
    drive(session, &mut operation, event, consent).await;
    report(&operation, output, None)
}

#[cfg(test)]
mod tests {
    use super::begins;
    use rstest::rstest;

    #[rstest]
    #[case("qd-20260131-030000-89abcdef", true)]
    #[case("qd-2026", true)]
    #[case("89abcdef", false)]
    #[case("", false)]
    fn an_operation_is_named_by_its_beginning_and_by_something(#[case] word: &str, #[case] named: bool) {
        assert_eq!(begins(word, "qd-20260131-030000-89abcdef"), named);
    }
}
