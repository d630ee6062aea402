//! `insights`: a Logs Insights query for a pipe.

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::logs::{instant, server_groups};
use super::{Exit, Failure, Output, json, line, progress, written};
use crate::core::logs::insights::{InsightsRequest, InsightsResults};
use crate::run::{Session, insights};

/// A Logs Insights query; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct InsightsOptions {
    /// The query, such as 'stats count(*) by tool'.
    pub query: String,
    /// Servers; all by default.
    pub servers: Vec<String>,
    /// Where the window begins: a duration back or a time.
    #[arg(long, default_value = "15m")]
    pub since: String,
    /// Where it ends: a duration back or a time; now by default.
    #[arg(long)]
    pub until: Option<String>,
}

/// Runs the query to its end and prints its results. If the operator interrupts it, it is stopped at AWS.
///
/// # Errors
/// When there is no such server, a time cannot be read, or the query fails.
pub async fn insights(session: &Session, options: &InsightsOptions, output: Output) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    let request = InsightsRequest {
        groups: server_groups(session, &options.servers).await?,
        from: instant(&options.since, now)?,
        until: options.until.as_deref().map_or(Ok(now.as_millisecond()), |until| instant(until, now))?,
        query: options.query.clone(),
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
        results.cost()
    ));
    written(print(&results, output))?;
    Ok(Exit::Done)
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
            results.rows.iter().try_for_each(|row| line(&row.join("\t")))
        }
    }
}
