//! Calls the servers' tools a few times a second, so that the console has something to show.
//!
//! Some calls are wrong on purpose, because screens must show errors, too.

mod calls;
mod client;
mod wrong;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::Serialize;

use calls::{PlannedCall, plan};
use client::{CallOutcome, McpClient};
pub use wrong::{Wrong, WrongOptions, wrong_traffic};

/// Which servers to call, how often, and how many times.
#[derive(Debug, Clone)]
pub struct TrafficOptions {
    /// Public base URL of the environment; a server's endpoint is base, path, `/mcp`.
    pub base: String,
    /// Servers by name, with their paths, such as `/time`.
    pub servers: BTreeMap<String, String>,
    /// Calls a second, over all servers.
    pub per_second: f64,
    /// The number of calls after which to stop; `None` never stops.
    pub calls: Option<u64>,
    /// Every how manyth call is wrong on purpose; 0 means none.
    pub wrong_every: u64,
}

/// Where access tokens come from.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// An access token for this server.
    ///
    /// # Errors
    /// Why there is none. Then the call counts as refused.
    async fn token(&self, server: &str) -> Result<SecretString, String>;
}

/// How the calls to one server ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// Calls made.
    pub calls: u64,
    /// How many of them were wrong on purpose.
    pub wrong: u64,
    /// Answered with a result.
    pub ok: u64,
    /// Answered with an error of the tool or the protocol.
    pub errors: u64,
    /// Refused: 401 or 403.
    pub refused: u64,
    /// Not answered, or not by an MCP server.
    pub failed: u64,
    /// Milliseconds that the last call took.
    pub last_ms: u64,
    /// Why a call failed that was not wrong on purpose: the last one that did.
    pub last_error: Option<String>,
}

/// CallCounts by server.
pub type Report = BTreeMap<String, CallCounts>;

/// What was told of a report, so that only what is new is told.
#[derive(Debug, Default)]
pub struct Told {
    /// Calls, in tens.
    tens: u64,
    /// Why a call failed last, by server.
    errors: BTreeMap<String, String>,
}

impl Told {
    /// What is new: each ten calls, and each server that fails otherwise than before.
    pub fn news(&mut self, report: &Report) -> Vec<String> {
        let mut news = Vec::new();
        for (server, error) in report.iter().filter_map(|(server, counts)| Some((server, counts.last_error.as_ref()?)))
        {
            if self.errors.get(server) != Some(error) {
                news.push(format!("{server}: {error}"));
                self.errors.insert(server.clone(), error.clone());
            }
        }
        let total: u64 = report.values().map(|counts| counts.calls).sum();
        if total / 10 > self.tens {
            self.tens = total / 10;
            let failed: u64 = report.values().map(|counts| counts.failed).sum();
            let failed = if failed > 0 { format!(", {failed} without an answer") } else { String::new() };
            news.push(format!("{total} calls{failed}"));
        }
        news
    }
}

/// Calls the servers in turn until the number of calls is reached, and reports after each call. Dropping the
/// future stops it.
pub async fn traffic(
    options: &TrafficOptions,
    tokens: &dyn Tokens,
    report: &mut (dyn FnMut(&Report) + Send),
) -> Report {
    let mut counts: Report = options.servers.keys().map(|name| (name.clone(), CallCounts::default())).collect();
    let mut clients: Vec<(&String, McpClient)> = Vec::new();
    for (server, path) in &options.servers {
        clients.push((server, McpClient::new(format!("{}{path}/mcp", options.base.trim_end_matches('/')))));
    }
    if clients.is_empty() {
        return counts;
    }
    let period =
        Duration::try_from_secs_f64(1.0 / options.per_second.clamp(0.01, 1000.0)).unwrap_or(Duration::from_secs(1));
    let mut clock = tokio::time::interval(period);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for turn in 0..options.calls.unwrap_or(u64::MAX) {
        clock.tick().await;
        let servers = clients.len() as u64;
        let index = usize::try_from(turn % servers).unwrap_or_default();
        let Some((server, client)) = clients.get_mut(index) else { break };
        let outcome = one(client, server, tokens, turn / servers, options.wrong_every).await;
        if let Some(counts) = counts.get_mut(*server) {
            note(counts, outcome);
        }
        report(&counts);
    }
    counts
}

struct Called {
    planned_wrong: bool,
    outcome: CallOutcome,
    took: Duration,
}

/// Makes the next call to a server. If its tools are not known yet, it asks for them first.
async fn one(client: &mut McpClient, server: &str, tokens: &dyn Tokens, turn: u64, wrong_every: u64) -> Called {
    let began = std::time::Instant::now();
    let called = |planned_wrong, outcome| Called { planned_wrong, outcome, took: began.elapsed() };
    if client.token.is_none() {
        match tokens.token(server).await {
            Ok(token) => client.token = Some(token),
            Err(reason) => return called(false, CallOutcome::Refused(format!("no token: {reason}"))),
        }
    }
    if client.tools.is_empty()
        && let Err(outcome) = client.list_tools().await
    {
        renew(client, server, tokens, &outcome).await;
        return called(false, outcome);
    }
    let PlannedCall { request, with_token, wrong } = plan(&client.tools, turn, wrong_every);
    let outcome = client.call(&request, with_token).await;
    if !wrong {
        renew(client, server, tokens, &outcome).await;
    }
    called(wrong, outcome)
}

/// Prepares the next call after one that went wrong: gets another token if it was refused, and asks for the
/// tools again, which may have changed with a new version of the server.
async fn renew(client: &mut McpClient, server: &str, tokens: &dyn Tokens, outcome: &CallOutcome) {
    if matches!(outcome, CallOutcome::Refused(_)) {
        client.token = tokens.token(server).await.ok();
    }
    if !matches!(outcome, CallOutcome::Ok) {
        client.tools.clear();
    }
}

fn note(counts: &mut CallCounts, called: Called) {
    counts.calls += 1;
    counts.wrong += u64::from(called.planned_wrong);
    counts.last_ms = u64::try_from(called.took.as_millis()).unwrap_or(u64::MAX);
    let (count, reason) = match called.outcome {
        CallOutcome::Ok => (&mut counts.ok, None),
        CallOutcome::Error(reason) => (&mut counts.errors, Some(reason)),
        CallOutcome::Refused(reason) => (&mut counts.refused, Some(reason)),
        CallOutcome::Failed(reason) => (&mut counts.failed, Some(reason)),
    };
    *count += 1;
    if reason.is_some() && !called.planned_wrong {
        counts.last_error = reason;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_was_made_on_purpose_is_counted_but_not_reported() {
        let mut counts = CallCounts::default();
        let called = |planned_wrong| Called {
            planned_wrong,
            outcome: CallOutcome::Error("no such zone".to_owned()),
            took: Duration::from_millis(3),
        };
        note(&mut counts, called(true));
        assert_eq!((counts.errors, counts.wrong, counts.last_error.as_deref()), (1, 1, None));
        note(&mut counts, called(false));
        assert_eq!((counts.calls, counts.errors, counts.last_error.as_deref()), (2, 2, Some("no such zone")));
    }

    #[test]
    fn each_way_to_fail_is_told_once() {
        let report = |calls: u64, failed: u64, last_error: Option<&str>| {
            let last_error = last_error.map(str::to_owned);
            Report::from([("time".to_owned(), CallCounts { calls, failed, last_error, ..CallCounts::default() })])
        };
        let mut told = Told::default();
        assert_eq!(told.news(&report(9, 0, None)), [""; 0]);
        assert_eq!(told.news(&report(10, 0, None)), ["10 calls"]);
        assert_eq!(told.news(&report(11, 1, Some("status 502"))), ["time: status 502"]);
        assert_eq!(told.news(&report(12, 2, Some("status 502"))), [""; 0]);
        let both = ["time: connection refused", "20 calls, 3 without an answer"];
        assert_eq!(told.news(&report(20, 3, Some("connection refused"))), both);
    }
}
