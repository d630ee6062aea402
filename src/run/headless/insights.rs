//! `insights`: a Logs Insights query for a pipe.

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::logs::instant;
use super::sources::of_servers;
use super::{Exit, Failure, Output, json, line, progress, written};
use crate::core::logs::insights::{InsightsRequest, InsightsResults, of_streams};
use crate::core::logs::{Followed, Owners};
use crate::core::text::row;
use crate::run::{Session, insights};

/// A Logs Insights query; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct InsightsOptions {
    /// The query, such as 'stats count(*) by tool'.
    pub query: String,
    /// Servers; all by default.
    pub servers: Vec<String>,
    /// Where the window begins: so long ago (15m, 1d) or a time (03:15, 2026-01-31, RFC 3339, epoch).
    #[arg(long, default_value = "15m")]
    pub since: String,
    /// Where it ends, in the same forms; now by default.
    #[arg(long)]
    pub until: Option<String>,
}

/// Runs the query to its end and prints its results. If the operator interrupts it, it is stopped at AWS.
///
/// # Errors
/// When there is no such server, a time cannot be read, or the query fails.
pub async fn insights(session: &Session, options: &InsightsOptions, output: Output) -> Result<Exit, Failure> {
    let Followed { groups, owners } = of_servers(session, &options.servers).await?;
    let (now, query) = (session.now(), query(&options.query, &groups, &owners));
    let request = InsightsRequest {
        groups,
        from: instant(&options.since, now)?,
        until: options.until.as_deref().map_or(Ok(now.as_millisecond()), |until| instant(until, now))?,
        query,
    };
    let (found, mut received) = mpsc::channel(4);
    let (stop, stopped) = oneshot::channel();
    let collect = async {
        let mut results = InsightsResults::default();
        let mut stop = Some(stop);
        loop {
            tokio::select! {
                more = received.recv() => match more {
                    Some(more) => results = more,
                    None => return results,
                },
                _ = tokio::signal::ctrl_c() => drop(stop.take()),
            }
        }
    };
    let (ended, results) = tokio::join!(insights::query(session.cloud.clone(), request, stopped, found), collect);
    ended?;
    progress(&format!(
        "quarterdeck: {:.0} of {:.0} events matched; {}",
        results.matched,
        results.scanned,
        results.cost(session.context.emulated())
    ));
    written(print(&results, output))?;
    Ok(Exit::Done)
}

/// The query, over the streams of the servers that are wanted where others write to their groups as well.
fn query(typed: &str, groups: &[String], owners: &Owners) -> String {
    let others = owners.shared_with();
    if others.is_empty() {
        return typed.to_owned();
    }
    let others = others.into_iter().collect::<Vec<_>>().join(", ");
    let shared: Vec<Option<String>> = groups.iter().map(|group| owners.prefix(group)).collect();
    // A filter goes over all groups, so it is put only where each has a prefix.
    let prefixes: Option<Vec<String>> = shared.into_iter().collect();
    match prefixes.map(|prefixes| of_streams(typed, &prefixes)) {
        Some(Ok(query)) => {
            progress(&format!("quarterdeck: the log groups are shared with {others}, so the query is {query}"));
            query
        }
        Some(Err(filter)) => {
            progress(&format!("quarterdeck: the query counts lines of {others} too; leave them out with {filter}"));
            typed.to_owned()
        }
        None => {
            progress(&format!(
                "quarterdeck: the query counts lines of {others} too, which write to the same log groups"
            ));
            typed.to_owned()
        }
    }
}

fn print(results: &InsightsResults, output: Output) -> std::io::Result<()> {
    let object = |row: &Vec<String>| -> Map<String, Value> {
        let named = results.columns.iter().cloned().zip(row.iter().cloned().map(Value::String));
        named.filter(|(_, value)| value != "").collect()
    };
    match output {
        Output::Json => json(&serde_json::json!({
            "rows": results.rows.iter().map(object).collect::<Vec<_>>(),
            "matched": results.matched,
            "scanned": results.scanned,
            "bytes_scanned": results.bytes,
            "dollars": results.dollars(),
        })),
        Output::Text => {
            line(&results.columns.join("\t"))?;
            results
                .rows
                .iter()
                .try_for_each(|values| line(&values.iter().map(|value| row(value)).collect::<Vec<_>>().join("\t")))
        }
    }
}
