//! Requests, errors and latency of each tool, as lines in CloudWatch's embedded
//! metric format: CloudWatch makes metrics of them, with no agent and no call.
//!
//! A line sums up a minute of one tool. One for each request would say the same
//! at the price of a log that is twice as long. A tool without requests has no
//! line, so an idle server writes none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};

use crate::log::Log;

/// Namespace of the metrics.
pub const NAMESPACE: &str = "quarterdeck";
/// The `tool` of a call whose tool the server does not list: callers must not
/// be able to make up metrics.
const UNLISTED: &str = "other";
/// The `tool` of a request that calls none, or was refused before its body was read.
const NO_TOOL: &str = "none";
/// Most values of one metric in one line.
const MAX_VALUES: u64 = 100;
/// Longer latencies are counted as this one, in microseconds.
const MAX_LATENCY: u64 = 600_000_000;

/// What a request was about, as far as metrics go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool<'a> {
    /// A tool that the server lists.
    Listed(&'a str),
    /// A name that it does not list.
    Unlisted,
    /// No call of a tool.
    None,
}

/// Figures since the last lines.
pub struct Metrics {
    log: Log,
    /// Tells servers of the same name apart.
    environment: Option<String>,
    /// By tool. Has at most two entries more than the server has tools: [`UNLISTED`] and [`NO_TOOL`].
    tools: Mutex<BTreeMap<String, Figures>>,
}

struct Figures {
    requests: u64,
    errors: u64,
    /// In microseconds, with two significant digits: 12 kB, however many requests.
    latency: Histogram<u32>,
}

impl Metrics {
    /// No figures yet; the lines will go to `log`, and carry the environment as a dimension if there is one.
    pub fn new(log: Log, environment: Option<String>) -> Self {
        Self { log, environment, tools: Mutex::default() }
    }

    /// Counts a request. An error is a failure of the server or the tool, not of the caller.
    pub fn count(&self, tool: Tool<'_>, failed: bool, latency: Duration) {
        let name = match tool {
            Tool::Listed(name) => name,
            Tool::Unlisted => UNLISTED,
            Tool::None => NO_TOOL,
        };
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if !tools.contains_key(name) {
            let Ok(latency) = Histogram::new_with_max(MAX_LATENCY, 2) else { return };
            tools.insert(name.to_owned(), Figures { requests: 0, errors: 0, latency });
        }
        let Some(figures) = tools.get_mut(name) else { return };
        figures.requests += 1;
        figures.errors += u64::from(failed);
        figures.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(MAX_LATENCY));
    }

    /// Writes a line for each tool, and starts counting from zero.
    pub fn write(&self) {
        let tools = std::mem::take(&mut *self.tools.lock().unwrap_or_else(PoisonError::into_inner));
        for (tool, figures) in &tools {
            self.log.event_with("info", "metrics", &document(self.environment.as_deref(), tool, figures));
        }
    }

    /// Writes the lines every `interval`, without end.
    pub async fn write_every(self: Arc<Self>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.write();
        }
    }
}

/// The order of the fields is the order in the line: the long parts come last.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    tool: &'a str,
    #[serde(rename = "Requests")]
    requests: u64,
    #[serde(rename = "Errors")]
    errors: u64,
    #[serde(rename = "Latency")]
    latency: Vec<f64>,
    #[serde(rename = "_aws")]
    declared: Value,
}

/// The members that the format asks for. `server` is not among them: every line of the log has it.
/// Each metric exists by tool, and for the whole server; by environment, too, where the server is told which one it is in.
fn document<'a>(environment: Option<&'a str>, tool: &'a str, figures: &Figures) -> Document<'a> {
    let metric = |name: &str, unit: &str| json!({ "Name": name, "Unit": unit });
    let place = if environment.is_some() { &["environment", "server"][..] } else { &["server"] };
    let by_tool: Vec<&str> = place.iter().copied().chain(["tool"]).collect();
    let declared = json!({
        "Timestamp": jiff::Timestamp::now().as_millisecond(),
        "CloudWatchMetrics": [{
            "Namespace": NAMESPACE,
            "Dimensions": [by_tool.as_slice(), place],
            "Metrics": [
                metric("Requests", "Count"),
                metric("Errors", "Count"),
                metric("Latency", "Milliseconds"),
            ],
        }],
    });
    let Figures { requests, errors, latency } = figures;
    Document { environment, tool, requests: *requests, errors: *errors, latency: values(latency), declared }
}

/// The latencies in milliseconds: all of them up to 100, and above that 100 at
/// even ranks from the shortest to the longest, which keeps the percentiles. The number of requests is in
/// `Requests`.
fn values(latency: &Histogram<u32>) -> Vec<f64> {
    let all = latency.len();
    let wanted = all.min(MAX_VALUES);
    let rank = |nth: usize| nth as u64 * all.saturating_sub(1) / wanted.saturating_sub(1).max(1);
    let mut values = Vec::new();
    let mut seen = 0;
    for step in latency.iter_recorded() {
        seen += step.count_since_last_iteration();
        while (values.len() as u64) < wanted && rank(values.len()) < seen {
            values.push(step.value_iterated_to() as f64 / 1000.0);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(latencies: impl Iterator<Item = u64>) -> Vec<f64> {
        let mut histogram = Histogram::new_with_max(MAX_LATENCY, 2).unwrap();
        latencies.for_each(|latency| histogram.saturating_record(latency));
        values(&histogram)
    }

    #[test]
    fn few_latencies_are_all_written() {
        assert_eq!(recorded([].into_iter()), [0.0; 0]);
        assert_eq!(recorded([7].into_iter()), [0.007]);
        assert_eq!(recorded([30, 10, 10, 20].into_iter()), [0.010, 0.010, 0.020, 0.030]);
        assert_eq!(recorded(1..=100).len(), 100);
    }

    #[test]
    fn many_latencies_keep_their_percentiles() {
        let values = recorded((1..=100_000).map(|n| n * 10));
        assert_eq!(values.len(), 100);
        for (rank, wanted) in [(0, 0.010), (49, 495.0), (89, 899.0), (98, 990.0), (99, 1000.0)] {
            assert!((values[rank] - wanted).abs() <= wanted * 0.02, "{rank}: {} for {wanted}", values[rank]);
        }
        assert_eq!(recorded(std::iter::once(u64::MAX)).len(), 1, "longer than the longest");
    }
}
