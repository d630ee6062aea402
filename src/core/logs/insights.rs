//! CloudWatch Logs Insights: a query over log groups, and what it found and cost.

use crate::core::text::bytes;
use serde::{Deserialize, Serialize};

/// A query to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsightsRequest {
    /// Identifiers of log groups of one region; at most 50 (StartQuery, CloudWatch Logs API reference).
    pub groups: Vec<String>,
    /// First millisecond since the Unix epoch.
    pub from: i64,
    /// Last millisecond since the Unix epoch.
    pub until: i64,
    /// The query, in the Logs Insights language.
    pub query: String,
}

/// The most log groups that a query takes.
pub const MAX_GROUPS: usize = 50;
/// The most rows that are asked for; a `limit` in the query goes before it.
pub const MAX_ROWS: i32 = 1_000;
/// US dollars for a gigabyte scanned in most regions (CloudWatch price list, 2026).
const DOLLARS_PER_GIGABYTE: f64 = 0.005;

/// What a query has found so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InsightsResults {
    /// Whether it goes on.
    pub running: bool,
    /// Names of the fields, in the order of the query.
    pub columns: Vec<String>,
    /// Values by row, sanitised; line breaks are `\n`, and a missing field is empty.
    pub rows: Vec<Vec<String>>,
    pub matched: f64,
    /// Events that were read.
    pub scanned: f64,
    /// Bytes that were read, which are paid for.
    pub bytes: f64,
}

/// A query over those streams alone whose names begin so, of groups that others write to as well.
///
/// # Errors
/// When the query begins with a command that must come first, so that nothing can be put before it.
pub fn of_streams(query: &str, prefixes: &[String]) -> Result<String, String> {
    if prefixes.is_empty() {
        return Ok(query.to_owned());
    }
    let pattern: Vec<String> = prefixes.iter().map(|prefix| regex::escape(prefix).replace('/', "\\/")).collect();
    let filter = format!("filter @logStream like /^({})/", pattern.join("|"));
    let first = query.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    if ["source", "select", "search"].contains(&first.to_lowercase().as_str()) {
        return Err(filter);
    }
    Ok(format!("{filter} | {query}"))
}

impl InsightsResults {
    /// What the bytes read cost, in US dollars, roughly.
    pub fn dollars(&self) -> f64 {
        self.bytes / 1e9 * DOLLARS_PER_GIGABYTE
    }

    /// Bytes read and their price, in words; an emulator bills nothing.
    pub fn cost(&self, emulated: bool) -> String {
        let price = match self.dollars() {
            _ if emulated => "nothing is billed".to_owned(),
            ..0.01 => "under $0.01".to_owned(),
            dollars => format!("about ${dollars:.2}"),
        };
        format!("{} scanned, {price}", bytes(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_query_of_a_server_that_shares_its_group_counts_its_streams_alone() {
        assert_eq!(of_streams("stats count(*)", &[]), Ok("stats count(*)".into()));
        let one = of_streams("stats count(*)", &["api.v1/app/".to_owned()]);
        assert_eq!(one, Ok(r"filter @logStream like /^(api\.v1\/app\/)/ | stats count(*)".into()));
        assert!(of_streams(" SOURCE logGroups() | stats count(*)", &["a/".to_owned()]).is_err());
    }

    #[rstest]
    #[case(512.0, "512 B scanned, under $0.01")]
    #[case(1_250_000.0, "1.2 MB scanned, under $0.01")]
    #[case(10e9, "10.0 GB scanned, about $0.05")]
    fn bytes_and_price_are_told_in_words(#[case] bytes: f64, #[case] words: &str) {
        let results = InsightsResults { bytes, ..InsightsResults::default() };
        assert_eq!(results.cost(false), words);
        let scanned = words.split_once(", ").map(|(scanned, _)| scanned).unwrap_or_default();
        assert_eq!(results.cost(true), format!("{scanned}, nothing is billed"));
    }
}
