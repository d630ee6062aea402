//! Following log groups: what is wanted, how it stands, and what has been seen already.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::LogEvent;

/// What to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailRequest {
    /// Log group names.
    pub groups: Vec<String>,
    /// First millisecond wanted.
    pub from: i64,
    /// Last millisecond wanted, exclusive; `None` follows.
    pub until: Option<i64>,
    /// CloudWatch filter pattern.
    pub pattern: Option<String>,
    /// Whether to follow after the history, and how.
    pub follow: Follow,
}

/// How to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Follow {
    /// StartLiveTail, and polling where it is not to be had.
    #[default]
    Live,
    /// FilterLogEvents again and again.
    Poll,
    /// Not at all: the history alone.
    No,
}

/// How a tail stands. Always on screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TailState {
    /// Nothing is followed.
    #[default]
    Off,
    /// The history is being read; lines so far.
    Loading(u64),
    /// Live events arrive as they are written.
    Live,
    /// More than 500 events a second arrive: CloudWatch sends a sample, the rest is fetched after.
    Sampled,
    /// Read again every few seconds; why.
    Polling(String),
    /// The connection broke; why, and when it is tried again (milliseconds from now).
    Reconnecting(String, u64),
    /// Nothing more will come; why.
    Ended(String),
}

impl TailState {
    /// One word for the status line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Loading(_) => "loading",
            Self::Live => "live",
            Self::Sampled => "sampled",
            Self::Polling(_) => "polling",
            Self::Reconnecting(..) => "reconnecting",
            Self::Ended(_) => "ended",
        }
    }
}

/// Tells events that were seen already from new ones. Live events carry no id, so equal events are
/// told apart by how often they come in one reading: the n-th of them is new if fewer than n were
/// seen. Remembers the last minutes only.
#[derive(Debug, Default)]
pub struct Dedup {
    seen: BTreeMap<i64, HashSet<u64>>,
}

/// One reading: a window read page by page, or a live session. Within it no event comes twice.
#[derive(Debug, Default)]
pub struct Reading {
    ordinals: BTreeMap<i64, HashMap<u64, u32>>,
}

/// How long events are remembered, in milliseconds of their own time.
const MEMORY: i64 = 10 * 60 * 1_000;

impl Dedup {
    /// The events of a reading's next part that are new.
    pub fn fresh(&mut self, reading: &mut Reading, events: Vec<LogEvent>) -> Vec<LogEvent> {
        let mut fresh = Vec::with_capacity(events.len());
        for event in events {
            let at = event.timestamp;
            let identity = hash(&(&event.group, &event.stream, event.ingested, &event.message));
            let ordinal = reading.ordinals.entry(at).or_default().entry(identity).or_default();
            *ordinal += 1;
            if self.seen.entry(at).or_default().insert(hash(&(identity, *ordinal))) {
                fresh.push(event);
            }
        }
        if let Some(newest) = self.seen.keys().next_back().copied() {
            let oldest = newest.saturating_sub(MEMORY);
            self.seen = self.seen.split_off(&oldest);
            reading.ordinals = reading.ordinals.split_off(&oldest);
        }
        fresh
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, message: &str) -> LogEvent {
        LogEvent { timestamp: at, ingested: at + 5, group: "g".into(), stream: "s".into(), message: message.into() }
    }

    #[test]
    fn the_same_event_read_twice_comes_once() {
        let mut dedup = Dedup::default();
        assert_eq!(dedup.fresh(&mut Reading::default(), vec![event(1, "a"), event(2, "b")]).len(), 2);
        let again = dedup.fresh(&mut Reading::default(), vec![event(2, "b"), event(3, "c")]);
        assert_eq!(again, vec![event(3, "c")]);
    }

    #[test]
    fn equal_events_of_one_reading_are_all_kept() {
        let (mut dedup, mut first, mut second) = (Dedup::default(), Reading::default(), Reading::default());
        assert_eq!(dedup.fresh(&mut first, vec![event(1, "a"), event(1, "a")]).len(), 2);
        assert_eq!(dedup.fresh(&mut first, vec![event(1, "a")]).len(), 1, "on the next page");
        assert_eq!(dedup.fresh(&mut second, vec![event(1, "a"); 4]).len(), 1, "the fourth is new");
    }
}
