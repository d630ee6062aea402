//! Prints plans and the audit.

use std::fmt::Write;

use super::{Exit, Failure, Output, json, line, progress, written};
use crate::core::operation::PlanRequest;
use crate::core::operation::record::Entry;
use crate::core::plan::{Plan, Risk};
use crate::core::trial::ServerTrial;
use crate::run::audit::Audit;
use crate::run::{Session, operate, planner};

/// Makes a plan, prints it and discards its drafts. Nothing is changed.
///
/// # Errors
/// When it cannot be planned or written.
pub async fn plan_only(session: &Session, request: PlanRequest, output: Output) -> Result<Exit, Failure> {
    let plan = planner::plan(session, request).await?;
    operate::discard(session, &plan.drafts).await;
    let result = match output {
        Output::Json => json(&plan),
        Output::Text if plan.is_empty() => {
            plan.warnings.iter().for_each(|warning| progress(&format!("warning: {warning}")));
            line(&format!("{}: nothing to do", plan.title))
        }
        Output::Text => line(&text(&plan)),
    };
    written(result)?;
    Ok(Exit::Done)
}

/// A plan as text for people.
pub(super) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", plan.title);
    let target = &plan.target;
    let _ = writeln!(out, "  account {}  region {}  as {}", target.account, target.region, target.caller);
    let _ = writeln!(out, "  on {}", target.resource);
    for change in &plan.changes {
        let mark = match change.risk {
            Risk::Safe => ' ',
            Risk::Disruptive => '~',
            Risk::Destructive => '!',
        };
        let values = match (&change.before, &change.after) {
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            (Some(before), None) => before.clone(),
            (None, after) => after.clone().unwrap_or_default(),
        };
        let _ = writeln!(out, "  {mark} {}: {}: {values}", change.subject, change.field);
    }
    if !plan.trials.is_empty() {
        let _ = writeln!(out, "  images, started once on this machine, without network:");
    }
    for (_, line) in plan.trials.iter().flat_map(ServerTrial::lines) {
        let _ = writeln!(out, "    {line}");
    }
    for warning in &plan.warnings {
        let _ = writeln!(out, "  warning: {warning}");
    }
    if let Some(cost) = &plan.cost {
        let _ = writeln!(out, "  cost: {}", cost.summary());
        for detail in cost.details() {
            let _ = writeln!(out, "    {detail}");
        }
    }
    for command in &plan.commands {
        let _ = writeln!(out, "  same as: {command}");
    }
    out.trim_end().to_owned()
}

/// Prints the audit, which is of this machine, wherever its operations went.
///
/// # Errors
/// When it cannot be read or written.
pub fn print_audit(audit: &Audit, output: Output) -> Result<Exit, Failure> {
    let path = audit.path();
    let contents = audit.read().map_err(|error| Failure::Audit { path: path.clone(), error })?;
    if let Some(trouble) = contents.trouble() {
        progress(&format!("warning: {}: {trouble}", path.display()));
    } else if contents.records.is_empty() {
        progress(&format!("{} holds nothing yet", path.display()));
    }
    for record in &contents.records {
        let what = match &record.entry {
            Entry::Intent { caller, plan } => format!("intent: {} by {caller}", plan.title),
            Entry::Agreed { to, .. } => format!("agreed: {to}"),
            Entry::Started { title, .. } => format!("started: {title}"),
            Entry::Done { step, note, .. } => format!("step {} done: {note}", step + 1),
            Entry::Paused { reason, .. } => format!("paused: {reason}"),
            Entry::Outcome { outcome } => format!("outcome: {}", serde_json::to_string(outcome).unwrap_or_default()),
        };
        let result = match output {
            Output::Json => line(&serde_json::to_string(record).unwrap_or_default()),
            Output::Text => line(&format!("{:.0} {} {what}", record.at, record.operation)),
        };
        written(result)?;
    }
    Ok(Exit::Done)
}
