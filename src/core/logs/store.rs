//! The lines that are kept: in time order, bounded in bytes, filtered and searched a slice at a time.
//!
//! Lines lie in segments of some hundred kilobytes, so that putting a late line in its place,
//! dropping the oldest and putting older windows before all cost little, whatever is kept. The
//! verdict on each line lies beside it. A new filter voids the verdicts; [`Store::work`] renews
//! them a slice at a time, and what is judged already can be drawn meanwhile.

use std::collections::VecDeque;

use super::filter::Filter;
use super::line::{Line, LineRef};
use super::pattern::Pattern;
use super::segment::{New, Segment};
use super::sieve::Sieve;
use super::sources::{Source, Sources};

mod shown;

pub use shown::{Bar, Seek, Wanted};

/// Names one line in the [`Store`], whatever comes or goes around it.
///
/// A row number would not do: late lines, older windows, a filter and dropping the oldest all move
/// rows. The selection and the pause are kept as anchors. If the line itself is dropped, its
/// anchor still leads to the place where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Its time, in milliseconds since the Unix epoch.
    pub at: i64,
    id: u32,
}

/// A line as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    pub anchor: Anchor,
    /// The operator marked it.
    pub marked: bool,
    /// The short name of its task, which no other task has.
    pub tag: &'a str,
    pub line: LineRef<'a>,
}

/// Where to go on judging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toward {
    /// From the newest line backwards.
    Newest,
    /// From a line in both directions.
    Around(Anchor),
    /// From a line on, or back.
    From(Anchor, Direction),
}

/// To newer or to older lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Back,
}

/// The log lines that the console keeps, in time order and bounded in bytes.
///
/// A plain list would be too slow for a million lines: each late line, each older window and each new
/// filter would touch all of it. Here lines lie in segments with a verdict beside each line, and
/// [`Store::work`] judges some thousand lines at a time, so no key waits. Rows count only the lines
/// shown; keep an [`Anchor`] for anything that must survive a change.
#[derive(Debug, Clone)]
pub struct Store {
    segments: VecDeque<Segment>,
    sources: Sources,
    sieve: Sieve,
    len: usize,
    bytes: usize,
    limit: usize,
    next: u32,
    dropped: u64,
}

/// Memory taken by default, in bytes: a million lines of 200 bytes.
pub const DEFAULT_LIMIT: usize = 256 * 1024 * 1024;
/// Text of a segment, in bytes.
const SEGMENT: usize = 256 * 1024;
/// Lines judged in one slice, and bytes of text, at most: some milliseconds at worst.
const SLICE_LINES: usize = 4_096;
const SLICE_BYTES: usize = 1024 * 1024;

impl Default for Store {
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

/// Where a line lies.
type Position = (usize, usize);

impl Store {
    /// An empty store that takes at most `limit` bytes of memory, or one segment.
    pub fn new(limit: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            sources: Sources::default(),
            sieve: Sieve::default(),
            len: 0,
            bytes: 0,
            limit,
            next: 0,
            dropped: 0,
        }
    }

    /// Adds lines, each at its time: lines of several tasks come slightly out of order. Drops the
    /// oldest where there is no room.
    pub fn extend(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            self.add(&line);
        }
        while self.bytes > self.limit && self.segments.len() > 1 {
            let segment = self.segments.pop_front();
            self.forget(segment);
        }
    }

    /// Adds an older window. Where there is no room the newest lines are dropped; returns the time
    /// of the first of them.
    pub fn extend_back(&mut self, mut lines: Vec<Line>) -> Option<i64> {
        lines.sort_by_key(|line| line.at);
        let begins = self.segments.front().map_or(i64::MAX, Segment::first_at);
        let late = lines.split_off(lines.partition_point(|line| line.at < begins));
        let mut older = VecDeque::new();
        for line in &lines {
            let new = New { flags: 0, ..self.numbered(line) };
            self.append(&mut older, new, &line.text);
        }
        for segment in &mut older {
            segment.seal();
            // Not judged yet: a window may hold more lines than one step has time for.
            segment.filtered = 0;
        }
        older.append(&mut self.segments);
        self.segments = older;
        late.iter().for_each(|line| self.add(line));
        self.bytes = self.segments.iter().map(Segment::bytes).sum();
        let mut gone = None;
        while self.bytes > self.limit && self.segments.len() > 1 {
            let segment = self.segments.pop_back();
            gone = segment.as_ref().map(Segment::first_at);
            self.forget(segment);
        }
        gone
    }

    fn forget(&mut self, segment: Option<Segment>) {
        let Some(segment) = segment else { return };
        self.bytes -= segment.bytes();
        self.len -= segment.len();
        self.dropped += segment.len() as u64;
    }

    /// A line with its number and its source, but without its text.
    fn numbered(&mut self, line: &Line) -> New<'static> {
        let (source, new) = self.sources.number(&line.server, &line.task);
        if new {
            self.sieve.add_source(&line.server, &line.task);
        }
        self.next = self.next.wrapping_add(1);
        New { at: line.at, id: self.next, source, severity: line.severity, text: "", flags: 0 }
    }

    fn add(&mut self, line: &Line) {
        let new = self.numbered(line);
        let new = New { flags: self.sieve.flags(new.source, line.view()), ..new };
        if self.segments.back().is_none_or(|last| last.last_at() <= line.at) {
            let mut segments = std::mem::take(&mut self.segments);
            self.append(&mut segments, new, &line.text);
            self.segments = segments;
        } else {
            self.put(new, &line.text);
        }
    }

    /// Adds a line at the end.
    fn append(&mut self, segments: &mut VecDeque<Segment>, new: New<'_>, text: &str) {
        let size = SEGMENT.min(self.limit / 16);
        if segments.back().is_none_or(|last| last.is_full(text, size)) {
            if let Some(last) = segments.back_mut() {
                let before = last.bytes();
                last.seal();
                self.bytes -= before - last.bytes();
            }
            let mut segment = Segment::new(size);
            self.sieve.stamp(&mut segment);
            self.bytes += segment.bytes();
            segments.push_back(segment);
        }
        let Some(last) = segments.back_mut() else { return };
        let before = last.bytes();
        last.insert(New { text, ..new });
        self.bytes += last.bytes() - before;
        self.len += 1;
    }

    /// Puts a late line in its place.
    fn put(&mut self, new: New<'_>, text: &str) {
        let index = self.segments.partition_point(|segment| segment.first_at() <= new.at).saturating_sub(1);
        let size = SEGMENT.min(self.limit / 16);
        let Some(segment) = self.segments.get_mut(index) else { return };
        self.bytes -= segment.bytes();
        segment.insert(New { text, ..new });
        self.len += 1;
        let second = (segment.is_full(text, size * 2) && segment.len() > 1).then(|| segment.split());
        self.bytes += segment.bytes() + second.as_ref().map_or(0, Segment::bytes);
        if let Some(second) = second {
            self.segments.insert(index + 1, second);
        }
    }

    /// Removes lines that are kept already, where a window overlaps what is kept in one millisecond:
    /// some of that millisecond's lines may have been dropped, and others not.
    pub fn unknown(&self, mut lines: Vec<Line>, at: i64) -> Vec<Line> {
        let before = Anchor { at: at.saturating_sub(1), id: 0 };
        let since = self.after(Some(before), true).skip_while(|kept| kept.line.at < at);
        let mut kept: Vec<LineRef<'_>> = since.take_while(|kept| kept.line.at == at).map(|kept| kept.line).collect();
        lines.retain(|line| {
            let same = kept.iter().position(|kept| line.at == at && *kept == line.view());
            same.map(|index| kept.swap_remove(index)).is_none()
        });
        lines
    }

    /// Forgets all lines; filter, search and sources stay.
    pub fn clear(&mut self) {
        self.segments.clear();
        (self.len, self.bytes, self.dropped) = (0, 0, 0);
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory taken, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lines that had to go to stay within the limit.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Time of the first and the last line.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((self.segments.front()?.first_at(), self.segments.back()?.last_at()))
    }

    /// The tasks that lines came from, in the order in which they came.
    pub fn sources(&self) -> &[Source] {
        self.sources.all()
    }

    /// Which lines are shown.
    pub fn filter(&self) -> &Filter {
        self.sieve.filter()
    }

    pub fn search(&self) -> Option<&Pattern> {
        self.sieve.search()
    }

    /// Shows other lines; [`Self::work`] finds them.
    pub fn set_filter(&mut self, filter: Filter) {
        let sources = self.sources.all().iter().map(|source| (&*source.server, &*source.task));
        self.sieve.set_filter(filter, sources);
    }

    /// Searches for something else; [`Self::work`] finds it.
    pub fn set_search(&mut self, search: Option<Pattern>) {
        self.sieve.set_search(search);
    }

    /// Percentage of the lines that are judged, while not all are.
    pub fn progress(&self) -> Option<usize> {
        let open: usize = self.segments.iter().filter(|one| !self.sieve.is_judged(one)).map(Segment::len).sum();
        (open > 0).then(|| (self.len - open) * 100 / self.len)
    }

    /// Judges some thousand lines more. Returns whether any are left.
    pub fn work(&mut self, toward: Toward) -> bool {
        let (mut lines, mut bytes) = (0, 0);
        while lines < SLICE_LINES && bytes < SLICE_BYTES {
            let Some(index) = self.next_open(toward) else { return false };
            let (sieve, sources) = (&self.sieve, &self.sources);
            let segment = &mut self.segments[index];
            sieve.judge(segment, |source| sources.names(source));
            lines += segment.len();
            bytes += segment.bytes();
        }
        self.next_open(toward).is_some()
    }

    /// The segment to be judged next: the nearest in the direction that is looked at.
    fn next_open(&self, toward: Toward) -> Option<usize> {
        let from = match toward {
            Toward::Newest => self.segments.len(),
            Toward::Around(anchor) | Toward::From(anchor, _) => self.locate(anchor).0,
        };
        let open = (0..self.segments.len()).filter(|index| !self.sieve.is_judged(&self.segments[*index]));
        let behind = |index: usize| match toward {
            Toward::From(_, Direction::Forward) => index < from,
            Toward::From(_, Direction::Back) => index > from,
            Toward::Newest | Toward::Around(_) => false,
        };
        open.min_by_key(|index| (behind(*index), index.abs_diff(from)))
    }
}

#[cfg(test)]
mod tests;
