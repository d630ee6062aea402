//! `timeline`: what happened, merged by time.

use futures::{StreamExt, join, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::logs::instant;
use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::cloud::ErrorKind;
use crate::core::fleet::Fleet;
use crate::core::stack::Stack;
use crate::core::timeline::{Moment, merge, of_audit, of_fleet, of_stack};
use crate::run::{Session, read};

/// What is told; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct TimelineOptions {
    /// The server; all, and the stacks that they share, by default.
    pub server: Option<String>,
    /// Where to begin: so long ago (15m, 1d, 1w) or a time (03:15, 2026-01-31, RFC 3339). ECS keeps stopped tasks for
    /// an hour, and the newest hundred events of a service.
    #[arg(long, default_value = "1d")]
    pub since: String,
}

/// Stacks whose events are read at the same time.
const TOGETHER: usize = 4;
/// A change of a stack that began before the window may have events in it for so long: CloudFormation waits for a
/// service for three hours (user guide, "Troubleshooting CloudFormation").
const LONGEST: SignedDuration = SignedDuration::from_hours(4);

/// Prints what happened, oldest first. What could not be read is told, and makes the code 1.
///
/// # Errors
/// When nothing can be read or written, there is no such server, or the time cannot be read.
pub async fn timeline(session: &Session, options: &TimelineOptions, output: Output) -> Result<Exit, Failure> {
    let since = Timestamp::from_millisecond(instant(&options.since, super::logs::now(session))?).unwrap_or_default();
    let server = options.server.as_deref();
    let (fleet, stacks) = match server {
        Some(name) => {
            let (fleet, stack) = join!(read::fleet_about(session, name), read::stack_of(session, name));
            (fleet, stack.map(|stack| stack.into_iter().collect()))
        }
        None => join!(session.cloud.fleet(&session.context.cluster), read::stacks(session)),
    };
    let mut gaps = Vec::new();
    let fleet = match fleet {
        Err(why) if why.kind == ErrorKind::NotFound => Fleet::default(),
        fleet => fleet?,
    };
    gaps.extend(fleet.unread().iter().map(ToString::to_string));
    let stacks: Vec<Stack> = stacks.unwrap_or_else(|why| {
        // An endpoint that lacks stacks has none.
        gaps.extend((why.kind != ErrorKind::Unsupported).then(|| format!("stacks: {why}")));
        Vec::new()
    });
    let known = |name: &str| {
        let gone = fleet.gone.iter().any(|task| task.service == name);
        fleet.server(name).is_some() || fleet.unreadable(name).is_some() || gone || !stacks.is_empty()
    };
    if let Some(name) = server.filter(|name| !known(name)) {
        return Err(read::no_server(session, name).await.into());
    }
    let name = server.map(|name| fleet.server(name).map_or(name, |server| server.name.as_str()));
    let mut all = of_fleet(&fleet, name);
    all.extend(of_stacks(session, &stacks, since, &mut gaps).await);
    match session.audit.records() {
        Ok(records) => all.extend(of_audit(&records, &session.context, name)),
        Err(error) => gaps.push(format!("the audit: {error}")),
    }
    let all = merge(all, since);
    let result = match output {
        Output::Json => print_json(&json!({
            "environment": session.context.environment,
            "cluster": session.context.cluster,
            "since": since,
            "moments": all,
            "gaps": gaps,
        })),
        Output::Text if all.is_empty() => line(&format!("nothing happened since {since:.0}, as far as AWS remembers")),
        Output::Text => line(&all.iter().map(row).collect::<Vec<_>>().join("\n")),
    };
    written(result)?;
    gaps.iter().for_each(|gap| progress(&format!("warning: not read: {gap}")));
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::Failed })
}

fn row(moment: &Moment) -> String {
    let mark = if moment.bad { '!' } else { ' ' };
    let id = moment.finding.map(|id| format!(" [{}]", id.word())).unwrap_or_default();
    format!("{:.0} {mark} {:<10} {:<28} {}{id}", moment.at, moment.kind.word(), moment.subject, moment.what)
}

/// The events of those stacks that changed in the window.
async fn of_stacks(session: &Session, stacks: &[Stack], since: Timestamp, gaps: &mut Vec<String>) -> Vec<Moment> {
    let from = since.checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
    let changed = stacks.iter().filter(|stack| stack.status.busy() || stack.updated_at.is_none_or(|at| at >= from));
    let read = stream::iter(changed).map(async |stack| (stack, session.cloud.stack_detail(&stack.id).await));
    let mut read = read.buffered(TOGETHER);
    let mut all = Vec::new();
    while let Some((stack, detail)) = read.next().await {
        match detail {
            Ok(detail) => all.extend(of_stack(&stack.id.name, &detail)),
            Err(why) => gaps.push(format!("events of {}: {why}", stack.id.name)),
        }
    }
    all
}
