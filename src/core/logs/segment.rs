//! A piece of the store: the texts of some lines one after another, and a small record for each.

use super::line::LineRef;
use super::severity::Severity;

/// Which run of the filter or the search has judged a segment; 0 is none.
pub(super) type Epoch = u32;

/// What is known of a line beside its text: 24 bytes.
#[derive(Debug, Clone, Copy)]
struct LineRecord {
    at: i64,
    offset: u32,
    len: u32,
    id: u32,
    /// Source in the upper 24 bits; below them the severity (2 bits) and the flags.
    packed: u32,
}

/// The filter shows the line.
pub(super) const SHOWN: u32 = 1 << 2;
/// The search finds something in the line.
pub(super) const FOUND: u32 = 1 << 3;
/// The operator marked the line.
pub(super) const MARKED: u32 = 1 << 4;
const SEVERITY: u32 = 0b11;
/// How far the source is shifted, which leaves 24 bits for it.
const SOURCE_SHIFT: u32 = 8;

impl LineRecord {
    fn severity(self) -> Severity {
        match self.packed & SEVERITY {
            0 => Severity::Debug,
            1 => Severity::Info,
            2 => Severity::Warn,
            _ => Severity::Error,
        }
    }

    fn has(self, flags: u32) -> bool {
        self.packed & flags == flags
    }
}

/// A line to be put into a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'a> {
    pub at: i64,
    pub id: u32,
    pub source: u32,
    pub severity: Severity,
    pub text: &'a str,
    pub flags: u32,
}

/// How many of the lines shown are of which kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineCounts {
    pub shown: usize,
    pub found: usize,
    pub marked: usize,
    pub warnings: usize,
    pub errors: usize,
}

/// Lines in time order.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    text: String,
    records: Vec<LineRecord>,
    counts: LineCounts,
    pub filtered: Epoch,
    pub searched: Epoch,
}

/// Lines in a segment at most, so that judging one never takes long.
pub(super) const MAX_LINES: usize = 4_096;

impl Segment {
    /// An empty one with room for this much text.
    pub fn new(text: usize) -> Self {
        Self { text: String::with_capacity(text), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn counts(&self) -> LineCounts {
        self.counts
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.records.capacity() * size_of::<LineRecord>() + size_of::<Self>()
    }

    /// Whether a text would make it larger than `limit` bytes, or there are lines enough.
    pub fn is_full(&self, text: &str, limit: usize) -> bool {
        self.len() >= MAX_LINES || (self.len() > 0 && self.text.len() + text.len() > limit)
    }

    /// Frees spare memory: no more lines are expected at its end.
    pub fn seal(&mut self) {
        self.text.shrink_to_fit();
        self.records.shrink_to_fit();
    }

    pub fn first_at(&self) -> i64 {
        self.records.first().map_or(i64::MIN, |record| record.at)
    }

    pub fn last_at(&self) -> i64 {
        self.records.last().map_or(i64::MIN, |record| record.at)
    }

    /// Lines before `at`.
    pub fn before(&self, at: i64) -> usize {
        self.records.partition_point(|record| record.at < at)
    }

    /// Time and id of a line.
    pub fn identity(&self, index: usize) -> (i64, u32) {
        self.records.get(index).map_or((i64::MIN, 0), |record| (record.at, record.id))
    }

    /// The line of this time and id.
    pub fn find(&self, at: i64, id: u32) -> Option<usize> {
        let first = self.before(at);
        let mut same = self.records[first..].iter().take_while(|record| record.at == at);
        same.position(|record| record.id == id).map(|index| first + index)
    }

    /// Text, time, severity and source of a line; the source's names are the store's.
    pub fn line(&self, index: usize) -> Option<(u32, LineRef<'_>)> {
        let record = self.records.get(index)?;
        let (from, to) = (record.offset as usize, record.offset as usize + record.len as usize);
        let text = self.text.get(from..to).unwrap_or_default();
        let line = LineRef { at: record.at, server: "", task: "", severity: record.severity(), text };
        Some((record.packed >> SOURCE_SHIFT, line))
    }

    pub fn has(&self, index: usize, flags: u32) -> bool {
        self.records.get(index).is_some_and(|record| record.has(flags))
    }

    /// Puts a line after those of the same time.
    pub fn insert(&mut self, new: New<'_>) {
        let record = LineRecord {
            at: new.at,
            offset: narrow(self.text.len()),
            len: narrow(new.text.len()),
            id: new.id,
            packed: (new.source << SOURCE_SHIFT) | new.severity as u32 | new.flags,
        };
        // A sixteenth at a time: doubling would take half of the memory for nothing.
        if self.text.capacity() - self.text.len() < new.text.len() {
            self.text.reserve_exact(new.text.len().max(self.text.len() / 16));
        }
        if self.records.capacity() == self.len() {
            self.records.reserve_exact((self.len() / 16).max(32));
        }
        self.text.push_str(new.text);
        let index = if self.last_at() <= new.at {
            self.len()
        } else {
            self.records.partition_point(|other| other.at <= new.at)
        };
        self.records.insert(index, record);
        count(&mut self.counts, record);
    }

    /// Cuts it in two, where late lines have made it too large.
    pub fn split(&mut self) -> Self {
        let tail = self.records.split_off(self.len() / 2);
        let whole = std::mem::take(self);
        let second = whole.copy(&tail);
        *self = whole.copy(&whole.records);
        second
    }

    fn copy(&self, records: &[LineRecord]) -> Self {
        let mut part = Self { filtered: self.filtered, searched: self.searched, ..Self::default() };
        part.text.reserve_exact(records.iter().map(|record| record.len as usize).sum());
        part.records.reserve_exact(records.len());
        for record in records {
            let (from, to) = (record.offset as usize, record.offset as usize + record.len as usize);
            let moved = LineRecord { offset: narrow(part.text.len()), ..*record };
            part.text.push_str(self.text.get(from..to).unwrap_or_default());
            part.records.push(moved);
            count(&mut part.counts, moved);
        }
        part
    }

    /// Judges every line anew: `judge` gets the source, the line and its flags, and returns the
    /// flags among `which` that hold.
    pub fn judge(&mut self, which: u32, mut judge: impl FnMut(u32, LineRef<'_>, u32) -> u32) {
        let mut counts = LineCounts::default();
        for index in 0..self.records.len() {
            let flags = self.records[index].packed;
            let verdict = self.line(index).map_or(0, |(source, line)| judge(source, line, flags));
            let record = &mut self.records[index];
            record.packed = (flags & !which) | (verdict & which);
            count(&mut counts, *record);
        }
        self.counts = counts;
    }

    /// Sets or removes a mark. Returns whether the line has one now.
    pub fn toggle_mark(&mut self, index: usize) -> bool {
        let Some(record) = self.records.get_mut(index) else { return false };
        record.packed ^= MARKED;
        let marked = record.has(MARKED);
        if record.has(SHOWN) {
            self.counts.marked = if marked { self.counts.marked + 1 } else { self.counts.marked - 1 };
        }
        marked
    }

    /// Index of the n-th line shown.
    pub fn nth_shown(&self, n: usize) -> Option<usize> {
        if self.counts.shown == self.len() {
            return (n < self.len()).then_some(n);
        }
        let mut shown = self.records.iter().enumerate().filter(|(_, record)| record.has(SHOWN));
        shown.nth(n).map(|(index, _)| index)
    }

    /// Lines shown among the first `index`.
    pub fn shown_before(&self, index: usize) -> usize {
        self.records[..index.min(self.len())].iter().filter(|record| record.has(SHOWN)).count()
    }

    /// Times and severities of the lines shown.
    pub fn shown_times(&self) -> impl Iterator<Item = (i64, Severity)> + '_ {
        self.records.iter().filter(|record| record.has(SHOWN)).map(|record| (record.at, record.severity()))
    }
}

fn count(counts: &mut LineCounts, record: LineRecord) {
    if !record.has(SHOWN) {
        return;
    }
    counts.shown += 1;
    counts.found += usize::from(record.has(FOUND));
    counts.marked += usize::from(record.has(MARKED));
    counts.warnings += usize::from(record.severity() == Severity::Warn);
    counts.errors += usize::from(record.severity() == Severity::Error);
}

/// A segment holds some hundred kilobytes, or one line of at most a megabyte and a bit.
fn narrow(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
