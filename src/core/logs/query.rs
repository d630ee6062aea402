//! Requests for log events and their answers, in domain types.

use serde::{Deserialize, Serialize};

/// One CloudWatch log event as it came, not yet sanitised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogEvent {
    /// Milliseconds since the Unix epoch, as the writer gave it.
    pub timestamp: i64,
    /// Milliseconds since the Unix epoch at which CloudWatch took it.
    pub ingested: i64,
    /// Identifier of its log group ([`group`](super::group)).
    pub group: String,
    /// Log stream name; for ECS `prefix/container/task-id`.
    pub stream: String,
    /// The text. Hostile until sanitised.
    pub message: String,
}

/// A request to FilterLogEvents on one log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Identifier of the log group ([`group`](super::group)).
    pub group: String,
    /// Only streams whose names begin so; `None` is all.
    pub prefix: Option<String>,
    /// First millisecond wanted, inclusive.
    pub from: i64,
    /// Last millisecond wanted, exclusive; `None` is now.
    pub until: Option<i64>,
    /// CloudWatch filter pattern; `None` is everything.
    pub pattern: Option<String>,
    /// Token of the page wanted; `None` is the first.
    pub token: Option<String>,
}

/// A page of log events, oldest first. May be empty and still carry a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    pub events: Vec<LogEvent>,
    /// Token of the next page.
    pub next: Option<String>,
}

/// The most events that one FilterLogEvents page holds (CloudWatch Logs API reference).
pub const PAGE_LIMIT: usize = 10_000;

/// What a live tail session sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailUpdate {
    /// The session is open.
    Started {
        /// Groups that it does not bring: they are not there yet, or of a class without live tail.
        absent: Vec<String>,
    },
    /// About once a second; may be empty.
    Events {
        /// Oldest first.
        events: Vec<LogEvent>,
        /// Whether CloudWatch sampled: more than 500 events arrived in this second.
        sampled: bool,
    },
}
