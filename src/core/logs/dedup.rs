//! Tells new events from those that were seen already.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::LogEvent;

/// What has been shown. Live events carry no id, so equal events (group, stream, both times, message)
/// are told apart by how often they come in one reading: the n-th of them is new if fewer than n
/// were shown.
#[derive(Debug)]
pub struct Dedup {
    shown: Seen,
}

/// One reading: a window read page by page, or a live session. Within it no event comes twice.
#[derive(Debug)]
pub struct Reading {
    read: Seen,
}

impl Dedup {
    /// Remembers nothing yet. Events are forgotten by whole stretches of this many milliseconds.
    pub fn new(stretch: i64) -> Self {
        Self { shown: Seen { stretch, groups: HashMap::new() } }
    }

    /// A reading that begins.
    pub fn reading(&self) -> Reading {
        Reading { read: Seen { stretch: self.shown.stretch, groups: HashMap::new() } }
    }

    /// The events of a reading's next part that are new.
    pub fn fresh(&mut self, reading: &mut Reading, events: Vec<LogEvent>) -> Vec<LogEvent> {
        let is_new = |event: &LogEvent| {
            let ordinal = reading.read.add(event);
            self.shown.raise(event, ordinal)
        };
        events.into_iter().filter(is_new).collect()
    }

    /// Forgets events of a group that cannot come again: written and taken before this time, in
    /// milliseconds since the Unix epoch.
    pub fn forget(&mut self, group: &str, before: i64) {
        self.shown.forget(group, before);
    }

    /// Events remembered, about; each takes some 14 bytes.
    pub fn len(&self) -> usize {
        self.shown.groups.values().map(Stretches::len).sum()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The groups, that with the most events first.
    pub fn largest(&self) -> Vec<String> {
        let mut groups: Vec<(&String, usize)> =
            self.shown.groups.iter().map(|(name, group)| (name, group.len())).collect();
        groups.sort_by_key(|(name, len)| (usize::MAX - len, *name));
        groups.into_iter().map(|(name, _)| name.clone()).collect()
    }
}

impl Reading {
    /// Whether some of these events came in an earlier part. In a live session that is either an
    /// event brought twice or a second, equal one: only a window can tell.
    pub fn repeats(&mut self, events: &[LogEvent]) -> bool {
        let repeats = events.iter().any(|event| self.read.of(event) > 0);
        for event in events {
            self.read.add(event);
        }
        repeats
    }

    /// As [`Dedup::forget`], for this reading.
    pub fn forget(&mut self, group: &str, before: i64) {
        self.read.forget(group, before);
    }
}

/// How often each event came.
#[derive(Debug)]
struct Seen {
    /// In milliseconds.
    stretch: i64,
    groups: HashMap<String, Stretches>,
}

/// Events of a log group by the later of their two times, in stretches: a clock that
/// is ahead or behind must not make an event forgotten early.
#[derive(Debug, Default)]
struct Stretches(BTreeMap<i64, Stretch>);

/// Nearly every event comes once, and a set takes half of what a map with counts would.
#[derive(Debug, Default)]
struct Stretch {
    seen: HashSet<u64>,
    /// How often those came that came more than once.
    repeated: HashMap<u64, u32>,
}

impl Seen {
    fn number(&self, event: &LogEvent) -> i64 {
        event.timestamp.max(event.ingested).div_euclid(self.stretch)
    }

    fn of(&self, event: &LogEvent) -> u32 {
        let stretch = self.groups.get(&event.group).and_then(|group| group.0.get(&self.number(event)));
        stretch.map_or(0, |stretch| stretch.of(identity(event)))
    }

    fn stretch(&mut self, event: &LogEvent) -> &mut Stretch {
        let number = self.number(event);
        self.groups.entry(event.group.clone()).or_default().0.entry(number).or_default()
    }

    fn add(&mut self, event: &LogEvent) -> u32 {
        let (stretch, identity) = (self.stretch(event), identity(event));
        let count = stretch.of(identity) + 1;
        stretch.set(identity, count);
        count
    }

    /// Makes the count at least `ordinal`; whether it was less.
    fn raise(&mut self, event: &LogEvent, ordinal: u32) -> bool {
        let (stretch, identity) = (self.stretch(event), identity(event));
        let less = stretch.of(identity) < ordinal;
        if less {
            stretch.set(identity, ordinal);
        }
        less
    }

    fn forget(&mut self, group: &str, before: i64) {
        if let Some(Stretches(stretches)) = self.groups.get_mut(group) {
            *stretches = stretches.split_off(&before.div_euclid(self.stretch));
        }
    }
}

impl Stretches {
    fn len(&self) -> usize {
        self.0.values().map(|stretch| stretch.seen.len()).sum()
    }
}

impl Stretch {
    fn of(&self, identity: u64) -> u32 {
        let once = || u32::from(self.seen.contains(&identity));
        self.repeated.get(&identity).copied().unwrap_or_else(once)
    }

    fn set(&mut self, identity: u64, count: u32) {
        let new = self.seen.insert(identity);
        if !new || count > 1 {
            self.repeated.insert(identity, count);
        }
    }
}

fn identity(event: &LogEvent) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&event.stream, event.timestamp, event.ingested, &event.message).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, message: &str) -> LogEvent {
        LogEvent { timestamp: at, ingested: at + 5, group: "g".into(), stream: "s".into(), message: message.into() }
    }

    fn reading() -> Reading {
        Dedup::new(1_000).reading()
    }

    #[test]
    fn the_same_event_read_twice_comes_once() {
        let mut dedup = Dedup::new(1_000);
        assert_eq!(dedup.fresh(&mut reading(), vec![event(1, "a"), event(2, "b")]).len(), 2);
        let again = dedup.fresh(&mut reading(), vec![event(2, "b"), event(3, "c")]);
        assert_eq!(again, vec![event(3, "c")]);
    }

    #[test]
    fn equal_events_of_one_reading_are_all_kept() {
        let (mut dedup, mut first, mut second) = (Dedup::new(1_000), reading(), reading());
        assert_eq!(dedup.fresh(&mut first, vec![event(1, "a"), event(1, "a")]).len(), 2);
        assert_eq!(dedup.fresh(&mut first, vec![event(1, "a")]).len(), 1, "on the next page");
        assert_eq!(dedup.fresh(&mut second, vec![event(1, "a"); 4]).len(), 1, "the fourth is new");
    }

    #[test]
    fn a_writer_whose_clock_is_ahead_makes_nothing_forgotten() {
        let (mut dedup, hour) = (Dedup::new(1_000), 3_600_000);
        dedup.fresh(&mut reading(), vec![event(hour, "now"), event(3 * hour, "ahead")]);
        dedup.forget("g", hour - 60_000);
        let again = dedup.fresh(&mut reading(), vec![event(hour, "now"), event(3 * hour, "ahead")]);
        assert_eq!(again, vec![]);
    }

    #[test]
    fn what_was_taken_late_is_remembered_from_then_on() {
        let mut late = event(1_000, "written long ago");
        late.ingested = 900_000;
        let mut dedup = Dedup::new(1_000);
        dedup.fresh(&mut reading(), vec![late.clone()]);
        dedup.forget("g", 800_000);
        assert_eq!(dedup.fresh(&mut reading(), vec![late]), vec![]);
    }

    #[test]
    fn what_is_forgotten_is_forgotten_of_its_group_alone() {
        let other = LogEvent { group: "h".into(), ..event(1, "a") };
        let mut dedup = Dedup::new(1_000);
        dedup.fresh(&mut reading(), vec![event(1, "a"), event(1, "a"), event(1, "b"), other.clone()]);
        assert_eq!((dedup.len(), dedup.largest()), (3, vec!["g".to_owned(), "h".to_owned()]));
        dedup.forget("g", 60_000);
        assert_eq!(dedup.len(), 1);
        assert_eq!(dedup.fresh(&mut reading(), vec![event(1, "a"), other]), [event(1, "a")]);
    }
}
