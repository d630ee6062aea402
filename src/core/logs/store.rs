//! The lines that are kept, in time order and bounded in bytes, and the view that filters them.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};

use super::line::{Line, Severity};

/// Number of a line since the store began; stays the same when older ones are dropped.
pub type Seq = u64;

/// Lines in time order, bounded in bytes.
#[derive(Debug, Clone)]
pub struct Store {
    lines: VecDeque<Line>,
    first: Seq,
    bytes: usize,
    limit: usize,
    dropped: u64,
}

/// Text kept by default, in bytes.
pub const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// How far back a late line is put in its place; an older one is put where it came.
const LATE_WINDOW: usize = 4_096;

impl Default for Store {
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

impl Store {
    /// An empty store that keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { lines: VecDeque::new(), first: 0, bytes: 0, limit, dropped: 0 }
    }

    /// Adds lines. Lines of several tasks come slightly out of order, so each is put at its time.
    ///
    /// Returns the first sequence number whose line changed: an index up to there is still right.
    pub fn extend(&mut self, lines: impl IntoIterator<Item = Line>) -> Seq {
        let mut changed = self.end();
        for line in lines {
            let at = self.place(line.at);
            self.bytes += line.size();
            self.lines.insert(at, line);
            changed = changed.min(self.first + at as Seq);
        }
        while self.bytes > self.limit && self.lines.len() > 1 {
            if let Some(line) = self.lines.pop_front() {
                self.bytes -= line.size();
                self.first += 1;
                self.dropped += 1;
            }
        }
        changed.max(self.first)
    }

    fn place(&self, at: i64) -> usize {
        let len = self.lines.len();
        let earliest = len.saturating_sub(LATE_WINDOW);
        (earliest..len).rev().find(|&index| self.lines[index].at <= at).map_or(earliest, |index| index + 1)
    }

    /// Puts an older window before everything that is kept.
    pub fn prepend(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.bytes += line.size();
            self.lines.push_front(line);
        }
        // Sequence numbers begin anew: the caller rebuilds its index.
        self.first = 0;
    }

    /// The line of a number, if it is still kept.
    pub fn get(&self, seq: Seq) -> Option<&Line> {
        self.lines.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }

    /// First number that is kept.
    pub fn start(&self) -> Seq {
        self.first
    }

    /// One past the last number.
    pub fn end(&self) -> Seq {
        self.first + self.lines.len() as Seq
    }

    /// Lines that are kept.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Lines that had to go to stay within the limit.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets all lines.
    pub fn clear(&mut self) {
        *self = Self::new(self.limit);
    }
}

/// A literal or regular expression, matched without regard to case unless it has a capital letter.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// A pattern; text that is no regular expression is taken literally.
    pub fn new(text: &str) -> Self {
        let build = |text: &str| {
            RegexBuilder::new(text).case_insensitive(!text.chars().any(char::is_uppercase)).size_limit(1 << 20).build()
        };
        let regex = build(text).or_else(|_| build(&regex::escape(text)));
        // An escaped literal within the size limit always compiles; one beyond it matches nothing.
        let regex = regex.unwrap_or_else(|_| never());
        Self { text: text.to_owned(), regex }
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it occurs in a line.
    pub fn matches(&self, line: &Line) -> bool {
        self.regex.is_match(&line.text)
    }

    /// Where it occurs in a text, as byte ranges.
    pub fn ranges<'a>(&'a self, text: &'a str) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
        self.regex.find_iter(text).map(|found| found.range()).filter(|range| !range.is_empty())
    }
}

#[allow(clippy::expect_used, reason = "a constant pattern, compiled in a test")]
fn never() -> Regex {
    Regex::new("[^\\s\\S]").expect("a constant pattern")
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Which lines are shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// All of these must match.
    pub keep: Vec<Pattern>,
    /// None of these may match.
    pub hide: Vec<Pattern>,
    /// At least this bad.
    pub level: Option<Severity>,
    /// Only this server.
    pub server: Option<String>,
}

impl Filter {
    /// Whether a line is shown.
    pub fn shows(&self, line: &Line) -> bool {
        self.level.is_none_or(|level| line.severity >= level)
            && self.server.as_deref().is_none_or(|server| server == &*line.server)
            && self.keep.iter().all(|pattern| pattern.matches(line))
            && !self.hide.iter().any(|pattern| pattern.matches(line))
    }

    /// Whether everything is shown.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The numbers of the lines that a filter shows. Grows only by new lines.
#[derive(Debug, Clone, Default)]
pub struct Index {
    shown: VecDeque<Seq>,
    until: Seq,
}

impl Index {
    /// Looks at the lines from `changed` on, and forgets those that are no longer kept.
    pub fn update(&mut self, store: &Store, filter: &Filter, changed: Seq) {
        while self.shown.back().is_some_and(|seq| *seq >= changed) {
            self.shown.pop_back();
        }
        for seq in changed.min(self.until).max(store.start())..store.end() {
            if store.get(seq).is_some_and(|line| filter.shows(line)) {
                self.shown.push_back(seq);
            }
        }
        self.until = store.end();
        while self.shown.front().is_some_and(|seq| *seq < store.start()) {
            self.shown.pop_front();
        }
    }

    /// Looks at all lines again: the filter has changed.
    pub fn rebuild(&mut self, store: &Store, filter: &Filter) {
        *self = Self::default();
        self.update(store, filter, 0);
    }

    /// Lines shown.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether nothing is shown.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Number of the line in this row.
    pub fn get(&self, row: usize) -> Option<Seq> {
        self.shown.get(row).copied()
    }

    /// Row of the first line shown that is not before `seq`.
    pub fn row_of(&self, seq: Seq) -> usize {
        self.shown.partition_point(|shown| *shown < seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(at: i64, text: &str) -> Line {
        Line { at, server: "time".into(), task: "t".into(), severity: Severity::Info, text: text.into() }
    }

    #[test]
    fn late_lines_are_put_at_their_time() {
        let mut store = Store::default();
        store.extend([line(1, "a"), line(3, "c")]);
        let changed = store.extend([line(2, "b"), line(4, "d")]);
        assert_eq!(changed, 1);
        let texts: Vec<&str> = (0..4).filter_map(|seq| store.get(seq)).map(|line| &*line.text).collect();
        assert_eq!(texts, ["a", "b", "c", "d"]);
    }

    #[test]
    fn what_is_dropped_is_counted_and_the_numbers_stay() {
        let size = line(0, "0123456789").size();
        let mut store = Store::new(size * 10);
        store.extend((0..25).map(|at| line(at, "0123456789")));
        assert_eq!((store.len(), store.dropped(), store.start(), store.end()), (10, 15, 15, 25));
        assert_eq!(store.get(14), None);
        assert_eq!(store.get(15).map(|line| line.at), Some(15));
    }

    #[test]
    fn a_pattern_that_is_no_regex_is_literal() {
        assert!(Pattern::new("a[b").matches(&line(0, "xa[by")));
        assert!(Pattern::new("Get").matches(&line(0, "Get")) && !Pattern::new("Get").matches(&line(0, "get")));
        assert!(!never().is_match("anything"));
    }

    proptest! {
        #[test]
        fn the_index_equals_the_naive_filter(batches in prop::collection::vec(prop::collection::vec((0i64..50, "[ab]{0,3}"), 0..20), 0..12)) {
            let filter = Filter { keep: vec![Pattern::new("a")], hide: vec![Pattern::new("bb")], ..Filter::default() };
            let mut store = Store::new(line(0, "abc").size() * 40);
            let mut index = Index::default();
            for batch in batches {
                let changed = store.extend(batch.iter().map(|(at, text)| line(*at, text)));
                index.update(&store, &filter, changed);
                let naive: Vec<Seq> = (store.start()..store.end()).filter(|seq| store.get(*seq).is_some_and(|line| filter.shows(line))).collect();
                let indexed: Vec<Seq> = (0..index.len()).filter_map(|row| index.get(row)).collect();
                prop_assert_eq!(indexed, naive);
            }
        }
    }
}
