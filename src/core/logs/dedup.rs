//! Telling events that were seen already from new ones.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::LogEvent;

/// What has been shown. Live events carry no id, so equal events (group, stream, both times, message)
/// are told apart by how often they come in one reading: the n-th of them is new if fewer than n
/// were shown.
#[derive(Debug, Default)]
pub struct Dedup {
    shown: Counts,
}

/// One reading: a window read page by page, or a live session. Within it no event comes twice.
#[derive(Debug, Default)]
pub struct Reading {
    read: Counts,
}

impl Dedup {
    /// The events of a reading's next part that are new.
    pub fn fresh(&mut self, reading: &mut Reading, events: Vec<LogEvent>) -> Vec<LogEvent> {
        let is_new = |event: &LogEvent| {
            let ordinal = reading.read.add(event);
            self.shown.raise(event, ordinal)
        };
        events.into_iter().filter(is_new).collect()
    }

    /// Forgets what cannot come again: written and taken before this time, in milliseconds since the Unix epoch.
    pub fn forget(&mut self, before: i64) {
        self.shown.forget(before);
    }
}

impl Reading {
    /// Whether some of these events came in an earlier part. In a live session that is either an
    /// event brought twice or a second, equal one: only a window can tell.
    pub fn repeats(&mut self, events: &[LogEvent]) -> bool {
        let repeats = events.iter().any(|event| *self.read.of(event) > 0);
        for event in events {
            self.read.add(event);
        }
        repeats
    }

    /// As [`Dedup::forget`].
    pub fn forget(&mut self, before: i64) {
        self.read.forget(before);
    }
}

/// How often each event came, by the second of the later of its two times: a clock that is ahead
/// or behind must not make an event forgotten early.
#[derive(Debug, Default)]
struct Counts(BTreeMap<i64, HashMap<u64, u32>>);

impl Counts {
    fn of(&mut self, event: &LogEvent) -> &mut u32 {
        let second = event.timestamp.max(event.ingested).div_euclid(1_000);
        self.0.entry(second).or_default().entry(identity(event)).or_default()
    }

    fn add(&mut self, event: &LogEvent) -> u32 {
        let count = self.of(event);
        *count += 1;
        *count
    }

    /// Makes the count at least `ordinal`; whether it was less.
    fn raise(&mut self, event: &LogEvent, ordinal: u32) -> bool {
        let count = self.of(event);
        let less = *count < ordinal;
        *count = ordinal.max(*count);
        less
    }

    fn forget(&mut self, before: i64) {
        self.0 = self.0.split_off(&before.div_euclid(1_000));
    }
}

fn identity(event: &LogEvent) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&event.group, &event.stream, event.timestamp, event.ingested, &event.message).hash(&mut hasher);
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

    #[test]
    fn a_writer_whose_clock_is_ahead_makes_nothing_forgotten() {
        let (mut dedup, hour) = (Dedup::default(), 3_600_000);
        dedup.fresh(&mut Reading::default(), vec![event(hour, "now"), event(3 * hour, "ahead")]);
        dedup.forget(hour - 60_000);
        let again = dedup.fresh(&mut Reading::default(), vec![event(hour, "now"), event(3 * hour, "ahead")]);
        assert_eq!(again, vec![]);
    }

    #[test]
    fn what_was_taken_late_is_remembered_from_then_on() {
        let mut late = event(1_000, "written long ago");
        late.ingested = 900_000;
        let mut dedup = Dedup::default();
        dedup.fresh(&mut Reading::default(), vec![late.clone()]);
        dedup.forget(800_000);
        assert_eq!(dedup.fresh(&mut Reading::default(), vec![late]), vec![]);
    }
}
