//! What is measured of each tool of a server. Which tools there are, CloudWatch says: those that gangway has counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{PERIOD, Place, Query, SPAN, Series};
use crate::core::error::{CloudError, ErrorKind};
use crate::core::unread::Read;

/// Most servers whose tools are read at once: the series of a search are known only when they come, and a call has room
/// for [`SERIES`](super::SERIES).
pub const SERVERS: usize = 10;

/// What gangway counts by tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfTool {
    Calls,
    Errors,
    /// In milliseconds.
    P95,
}

/// Whether figures are read by tool, too: AWS bills each series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Servers,
    Tools,
}

/// The figures of a server's tools, by tool.
pub type Tools = BTreeMap<OfTool, Read<BTreeMap<String, Series>>>;

impl OfTool {
    pub const ALL: [Self; 3] = [Self::Calls, Self::Errors, Self::P95];

    /// Its name in output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Errors => "errors",
            Self::P95 => "p95",
        }
    }

    /// What to ask CloudWatch for.
    pub(super) fn query(self, place: &Place) -> Result<Query, CloudError> {
        let unknown = || {
            let why = "only tools of an environment's servers are counted";
            CloudError::new(ErrorKind::Unsupported, "cloudwatch:GetMetricData", why)
        };
        let environment = place.environment.clone().ok_or_else(unknown)?;
        let (metric, statistic) = match self {
            Self::Calls => ("Requests", "Sum"),
            Self::Errors => ("Errors", "Sum"),
            Self::P95 => ("Latency", "p95"),
        };
        let dimensions = vec![("environment", environment), ("server", place.server.clone())];
        Ok(Query { namespace: "quarterdeck", metric, dimensions, statistic, each: Some("tool"), period: PERIOD })
    }
}

impl Serialize for OfTool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// A tool in the last hour. What was not read is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    pub tool: &'a str,
    pub calls: Option<f64>,
    pub errors: Option<f64>,
    /// The highest of a minute, in milliseconds; `None` also where there was no call.
    pub p95: Option<f64>,
}

impl Row<'_> {
    /// The tool in words: gangway counts under two names what is no tool of the server's.
    pub fn name(&self) -> &str {
        match self.tool {
            "none" => "(no tool)",
            "other" => "(not listed)",
            tool => tool,
        }
    }
}

/// The tools that were called in the last hour: first those that fail most, then those that are called most.
pub fn rows(tools: &Tools, now: Timestamp) -> Vec<Row<'_>> {
    let since = now.checked_sub(SPAN).unwrap_or(now);
    let known = |of: OfTool| tools.get(&of).and_then(Read::known);
    // gangway writes all three figures of a tool at once, so a minute without data is one without a call.
    let sum = |of, tool: &str| known(of).map(|all| all.get(tool).map_or(0.0, |series| series.sum_since(since)));
    let named = OfTool::ALL.into_iter().filter_map(known).flatten();
    let called: BTreeMap<&str, ()> = named
        .filter(|(_, series)| series.newest().is_some_and(|at| at >= since))
        .map(|(tool, _)| (tool.as_str(), ()))
        .collect();
    let row = |tool| Row {
        tool,
        calls: sum(OfTool::Calls, tool),
        errors: sum(OfTool::Errors, tool),
        p95: known(OfTool::P95).and_then(|all| all.get(tool)?.most_since(since)),
    };
    let mut rows: Vec<Row<'_>> = called.into_keys().map(row).collect();
    let most = |a: Option<f64>, b: Option<f64>| b.unwrap_or_default().total_cmp(&a.unwrap_or_default());
    rows.sort_by(|a, b| most(a.errors, b.errors).then(most(a.calls, b.calls)));
    rows
}

/// Why a figure of the tools was not read, if one was not that could have been.
pub fn unread(tools: &Tools) -> Option<&CloudError> {
    tools.values().filter_map(Read::why).find(|why| why.kind != ErrorKind::Unsupported)
}
