//! `timeline`: what happened, merged by time.

use futures::join;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::logs::instant;
use super::traffic;
use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::cloud::ErrorKind;
use crate::core::fleet::Fleet;
use crate::core::stack::Stack;
use crate::core::timeline::{Moment, bursts, merge, of_fleet};
use crate::run::tail::Budget;
use crate::run::traffic::{self as of_lines, Counted};
use crate::run::{Session, history, read};

/// How long ECS keeps a stopped task (ECS developer guide, "Viewing Amazon ECS stopped task errors").
const FORGETS: SignedDuration = SignedDuration::from_hours(1);

/// What is told; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct TimelineOptions {
    /// The server; all, and the stacks that they share, by default.
    pub server: Option<String>,
    /// Where to begin: so long ago (15m, 1d, 1w) or a time (03:15, 2026-01-31, RFC 3339). ECS keeps stopped tasks for
    /// an hour, and the newest hundred events of a service; the event log of the cluster, where it has one, keeps more.
    /// Autoscaling keeps six weeks.
    #[arg(long, default_value = "1d")]
    pub since: String,
}

/// Prints what happened, oldest first. What could not be read is told, and makes the code 1.
///
/// # Errors
/// When nothing can be read or written, there is no such server, or the time cannot be read.
pub async fn timeline(session: &Session, options: &TimelineOptions, output: Output) -> Result<Exit, Failure> {
    let since = Timestamp::from_millisecond(instant(&options.since, session.now())?).unwrap_or_default();
    let server = options.server.as_deref();
    let (fleet, stacks) = match server {
        Some(name) => join!(read::fleet_about(session, name), history::stacks(session, server)),
        None => join!(session.cloud.fleet(&session.context.cluster), history::stacks(session, server)),
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
    let mut all = of_fleet(&fleet, name, since);
    let before = history::Past::new(Budget::at(&session.context));
    let (past, lines) = join!(history::besides(session, &before, &stacks, name, since), lines(session, &fleet));
    let (lines, lines_not_read) = lines;
    all.extend(past.beyond(Some(&fleet), name));
    let bursts = bursts_of(session, past.counted.as_deref(), lines.as_ref()).await.into_iter();
    all.extend(bursts.filter(|burst| name.is_none_or(|name| name == burst.subject)));
    let price = past.counted.as_ref().map(|counted| counted.price(session.context.emulated()));
    let (captured, not_captured) = (past.captured.is_some(), past.not_captured);
    gaps.extend(past.gaps);
    let all = merge(all, since);
    let result = match output {
        Output::Json => print_json(&json!({
            "environment": session.context.environment,
            "cluster": session.context.cluster,
            "since": since,
            "moments": all,
            "captured": captured,
            "not_captured": not_captured,
            "lines_not_read": lines_not_read,
            "price": price,
            "gaps": gaps,
        })),
        Output::Text if all.is_empty() => line(&format!("nothing happened since {since:.0}, as far as AWS remembers")),
        Output::Text => line(&all.iter().map(row).collect::<Vec<_>>().join("\n")),
    };
    written(result)?;
    let longer = Timestamp::now().duration_since(since) > FORGETS;
    let forgets = if longer { "; ECS itself keeps stopped tasks for an hour" } else { "" };
    not_captured.iter().for_each(|why| progress(&format!("note: not captured: {why}{forgets}")));
    lines_not_read.iter().for_each(|why| progress(&format!("note: not counted from the log: {why}")));
    gaps.iter().for_each(|gap| progress(&format!("warning: not read: {gap}")));
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The request lines of the last minutes, with the time up to which they were read, and what of them was not: of that time
/// CloudWatch has counts, too, and who may look at servers may not read their logs.
async fn lines(session: &Session, fleet: &Fleet) -> (Option<(Timestamp, Counted)>, Vec<String>) {
    if session.context.ours().is_none() {
        return (None, Vec::new());
    }
    let until = session.now();
    match traffic::lines(session, fleet).await {
        Ok(Some(counted)) => {
            let gaps = counted.gaps.clone();
            // What was left out may be of any server.
            (gaps.is_empty().then_some((until, counted)), gaps)
        }
        Ok(None) => (None, Vec::new()),
        Err(why) => (None, vec![why]),
    }
}

/// The bursts of all servers. The names of clients are read only where one is told.
async fn bursts_of(
    session: &Session,
    counted: Option<&bursts::Counted>,
    lines: Option<&(Timestamp, Counted)>,
) -> Vec<Moment> {
    let now = session.now();
    let lines = lines.map(|(until, Counted { requests, .. })| {
        let until = requests.servers().into_iter().map(|server| (server.to_owned(), *until)).collect();
        bursts::Lines { requests, until }
    });
    let by_id = bursts::bursts(counted, lines.as_ref(), &str::to_owned, now);
    if !by_id.iter().any(|one| one.burst.as_ref().is_some_and(|burst| burst.client.is_some())) {
        return by_id;
    }
    let names = of_lines::names(session).await;
    bursts::bursts(counted, lines.as_ref(), &|id| names.get(id).cloned().unwrap_or_else(|| id.to_owned()), now)
}

fn row(moment: &Moment) -> String {
    let mark = if moment.bad { '!' } else { ' ' };
    let id = moment.finding.map(|id| format!(" [{}]", id.word())).unwrap_or_default();
    format!("{:.0} {mark} {:<10} {:<28} {}{id}", moment.at, moment.kind.word(), moment.subject, moment.what)
}
