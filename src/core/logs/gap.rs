//! A stretch of the log that could not be read, or not yet.

use jiff::Timestamp;
use serde::Serialize;

use super::{Line, LogEvent, Owners};

/// Lines may be missing here. When they are fetched later, the same gap comes again, closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Tells the gaps of one tail apart.
    pub id: u64,
    /// First millisecond since the Unix epoch in which lines may be missing.
    pub from: i64,
    /// Last millisecond since the Unix epoch in which lines may be missing.
    pub to: i64,
    pub groups: Vec<String>,
    /// Why, in words.
    pub why: String,
    /// Whether everything in it has been read by now.
    pub closed: bool,
}

impl Gap {
    /// The gap in words, its times in UTC.
    pub fn words(&self) -> String {
        self.words_by(utc)
    }

    /// The gap in words; `clock` writes its times, in milliseconds since the Unix epoch.
    pub fn words_by(&self, clock: impl Fn(i64) -> String) -> String {
        let groups = self.groups.join(", ");
        let (from, to) = (clock(self.from), clock(self.to));
        if self.closed {
            return format!("gap closed: {from} to {to} on {groups} was read to its end");
        }
        format!("gap {from} to {to} on {groups}: lines may be missing: {}", self.why)
    }

    /// A line that stands in the log where the gap is. It bears the name of the server whose group it is, if it
    /// is that of one server alone.
    pub fn line(&self, owners: &Owners) -> Line {
        let level = if self.closed { "INFO" } else { "WARN" };
        let group = self.groups.first().cloned().unwrap_or_default();
        let event = LogEvent {
            timestamp: if self.closed { self.to } else { self.from },
            ingested: self.to,
            group: group.clone(),
            stream: "gap".into(),
            message: format!("{level} quarterdeck: {}", self.words()),
        };
        Line::new(&event, owners.only_one(&group).unwrap_or(&group), "gap")
    }
}

/// UTC with the day, and with the millisecond.
fn utc(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map(|at| at.strftime("%FT%H:%M:%S%.3fZ").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::logs::Severity;

    #[test]
    fn a_gap_says_where_and_why_and_later_that_it_is_closed() {
        let groups = vec!["/q/prod/time".to_owned()];
        let mut gap = Gap { id: 1, from: 1_000, to: 61_500, groups, why: "throttled".into(), closed: false };
        let line = gap.line(&Owners::default());
        assert_eq!((line.at, line.severity), (1_000, Severity::Warn));
        assert!(
            line.text.contains("gap 1970-01-01T00:00:01.000Z to 1970-01-01T00:01:01.500Z on /q/prod/time"),
            "{}",
            line.text
        );
        assert!(line.text.ends_with("throttled"), "{}", line.text);
        gap.closed = true;
        assert!(gap.words().contains("gap closed"), "{}", gap.words());
    }
}
