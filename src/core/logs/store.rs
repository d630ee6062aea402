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
use super::segment::{Counts, FOUND, MARKED, New, SHOWN, Segment};
use super::severity::Severity;
use super::sieve::Sieve;
use super::sources::{Source, Sources};

/// A line's identity: stays the same whatever comes or goes around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Its time, in milliseconds since the Unix epoch.
    pub at: i64,
    id: u32,
}

/// A line as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Its identity.
    pub anchor: Anchor,
    /// The operator marked it.
    pub marked: bool,
    /// The line.
    pub line: LineRef<'a>,
}

/// What to look for among the lines shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What the search finds.
    Match,
    /// A warning or an error.
    Trouble,
    /// A mark.
    Mark,
}

/// What looking for a line came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// It is here.
    Found(Anchor),
    /// There is none in that direction.
    Nothing,
    /// There may be one where the lines are not judged yet.
    Unknown,
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
    /// To newer ones.
    Forward,
    /// To older ones.
    Back,
}

/// Lines of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bar {
    /// All lines shown.
    pub lines: usize,
    /// Warnings among them.
    pub warnings: usize,
    /// Errors among them.
    pub errors: usize,
}

/// Lines in time order, bounded in bytes.
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
type Place = (usize, usize);

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
        let mut before = segment.bytes();
        segment.insert(New { text, ..new });
        self.len += 1;
        if segment.is_full(text, size * 2) && segment.len() > 1 {
            let second = segment.split();
            before = before.wrapping_sub(second.bytes());
            self.bytes = self.bytes.wrapping_add(segment.bytes().wrapping_sub(before));
            self.segments.insert(index + 1, second);
        } else {
            self.bytes = self.bytes + segment.bytes() - before;
        }
    }

    /// Those of the lines that are not kept already, where a window that was read overlaps what is
    /// kept in one millisecond: the ring may have dropped some of its lines and not others.
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

    /// Lines kept.
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

    /// What is searched.
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

    /// Judges some thousand lines more; whether any are left.
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

    /// What is known of a segment; nothing where it is not judged.
    fn counts(&self, segment: &Segment) -> Counts {
        let counts = segment.counts();
        match (self.sieve.is_filtered(segment), self.sieve.is_judged(segment)) {
            (true, true) => counts,
            (true, false) => Counts { found: 0, ..counts },
            (false, _) => Counts::default(),
        }
    }

    fn total(&self, count: impl Fn(Counts) -> usize) -> usize {
        self.segments.iter().map(|segment| count(self.counts(segment))).sum()
    }

    /// Lines shown, as far as they are judged.
    pub fn shown(&self) -> usize {
        self.total(|counts| counts.shown)
    }

    /// Lines shown in which the search finds something, as far as they are judged.
    pub fn found(&self) -> usize {
        self.total(|counts| counts.found)
    }

    /// Lines shown that are marked.
    pub fn marked(&self) -> usize {
        self.total(|counts| counts.marked)
    }

    /// The line in this row of those shown.
    pub fn row(&self, mut row: usize) -> Option<Kept<'_>> {
        for (index, segment) in self.segments.iter().enumerate() {
            let shown = self.counts(segment).shown;
            if row < shown {
                return self.kept((index, segment.nth_shown(row)?));
            }
            row -= shown;
        }
        None
    }

    fn kept(&self, (segment, index): Place) -> Option<Kept<'_>> {
        let segment = self.segments.get(segment)?;
        let (source, line) = segment.line(index)?;
        let (server, task) = self.sources.names(source);
        let (at, id) = segment.identity(index);
        let line = LineRef { server, task, ..line };
        Some(Kept { anchor: Anchor { at, id }, marked: segment.has(index, MARKED), line })
    }

    /// Row of this line among those shown, or of the first after it.
    pub fn row_of(&self, anchor: Anchor) -> usize {
        self.rank(self.locate(anchor))
    }

    /// Row of the first line shown at this time or after it.
    pub fn row_at(&self, at: i64) -> usize {
        let segment = self.segments.partition_point(|segment| segment.last_at() < at);
        self.rank((segment, self.segments.get(segment).map_or(0, |segment| segment.before(at))))
    }

    fn rank(&self, (segment, index): Place) -> usize {
        let before: usize = self.segments.iter().take(segment).map(|one| self.counts(one).shown).sum();
        let within = self.segments.get(segment).filter(|one| self.sieve.is_filtered(one));
        before + within.map_or(0, |one| one.shown_before(index))
    }

    /// Where a line is, or would be.
    fn locate(&self, Anchor { at, id }: Anchor) -> Place {
        let first = self.segments.partition_point(|segment| segment.last_at() < at);
        let same = (first..self.segments.len()).take_while(|index| self.segments[*index].first_at() <= at);
        let found = same.filter_map(|index| Some((index, self.segments[index].find(at, id)?))).next();
        found.unwrap_or_else(|| (first, self.segments.get(first).map_or(0, |segment| segment.before(at))))
    }

    /// Looks for a line from another one, in one direction.
    pub fn seek(&self, from: Anchor, direction: Direction, wanted: Wanted) -> Seek {
        let (mut segment, index) = self.locate(from);
        let (mut low, mut high) = match direction {
            Direction::Forward => (index + 1, usize::MAX),
            Direction::Back => (0, index),
        };
        while let Some(one) = self.segments.get(segment) {
            if !self.sieve.is_filtered(one) || (wanted == Wanted::Match && !self.sieve.is_judged(one)) {
                return Seek::Unknown;
            }
            let hit = |index: &usize| is_wanted(one, *index, wanted);
            let mut range = low.min(one.len())..high.min(one.len());
            let found = match (has_wanted(one.counts(), wanted), direction) {
                (false, _) => None,
                (true, Direction::Forward) => range.find(hit),
                (true, Direction::Back) => range.rev().find(hit),
            };
            if let Some(index) = found {
                let (at, id) = one.identity(index);
                return Seek::Found(Anchor { at, id });
            }
            (low, high) = (0, usize::MAX);
            match (direction, segment.checked_sub(1)) {
                (Direction::Forward, _) => segment += 1,
                (Direction::Back, Some(before)) => segment = before,
                (Direction::Back, None) => break,
            }
        }
        Seek::Nothing
    }

    /// Sets or takes the mark of a line; whether it has one now.
    pub fn toggle_mark(&mut self, anchor: Anchor) -> bool {
        let (segment, index) = self.locate(anchor);
        self.segments.get_mut(segment).is_some_and(|segment| segment.toggle_mark(index))
    }

    /// Lines shown (or all) after this one, oldest first.
    pub fn after(&self, anchor: Option<Anchor>, all: bool) -> impl Iterator<Item = Kept<'_>> {
        let (first, index) = anchor.map_or((0, 0), |anchor| {
            let (segment, index) = self.locate(anchor);
            let found = self.kept((segment, index)).is_some_and(|kept| kept.anchor == anchor);
            (segment, index + usize::from(found))
        });
        let places = (first..self.segments.len()).flat_map(move |segment| {
            let from = if segment == first { index } else { 0 };
            (from..self.segments[segment].len()).map(move |index| (segment, index))
        });
        let shown = move |(segment, index): &Place| all || self.segments[*segment].has(*index, SHOWN);
        places.filter(shown).filter_map(|place| self.kept(place))
    }

    /// Lines shown over the whole time that is kept, in so many equal stretches.
    pub fn histogram(&self, stretches: usize) -> Vec<Bar> {
        let mut bars = vec![Bar::default(); stretches];
        let Some((first, last)) = self.span() else { return bars };
        let wide = i128::from(last) - i128::from(first) + 1;
        let stretch = |at: i64| {
            let index = (i128::from(at) - i128::from(first)) * stretches as i128 / wide;
            usize::try_from(index).unwrap_or(0)
        };
        for segment in self.segments.iter().filter(|segment| self.sieve.is_filtered(segment)) {
            let (from, to) = (stretch(segment.first_at()), stretch(segment.last_at()));
            if from == to {
                let counts = segment.counts();
                add(&mut bars, from, counts.shown, counts.warnings, counts.errors);
                continue;
            }
            for (at, severity) in segment.shown_times() {
                let (warning, error) = (severity == Severity::Warn, severity == Severity::Error);
                add(&mut bars, stretch(at), 1, usize::from(warning), usize::from(error));
            }
        }
        bars
    }
}

fn add(bars: &mut [Bar], index: usize, lines: usize, warnings: usize, errors: usize) {
    if let Some(bar) = bars.get_mut(index) {
        bar.lines += lines;
        bar.warnings += warnings;
        bar.errors += errors;
    }
}

fn has_wanted(counts: Counts, wanted: Wanted) -> bool {
    match wanted {
        Wanted::Match => counts.found > 0,
        Wanted::Mark => counts.marked > 0,
        Wanted::Trouble => counts.warnings + counts.errors > 0,
    }
}

fn is_wanted(segment: &Segment, index: usize, wanted: Wanted) -> bool {
    match wanted {
        Wanted::Match => segment.has(index, SHOWN | FOUND),
        Wanted::Mark => segment.has(index, SHOWN | MARKED),
        Wanted::Trouble => {
            segment.has(index, SHOWN) && segment.line(index).is_some_and(|(_, line)| line.severity >= Severity::Warn)
        }
    }
}

#[cfg(test)]
mod tests;
