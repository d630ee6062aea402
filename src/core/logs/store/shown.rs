//! The lines that the filter shows: by row, by time, in a direction, counted.

use super::{Anchor, Direction, Kept, Position, Store};
use crate::core::logs::line::LineRef;
use crate::core::logs::segment::{FOUND, LineCounts, MARKED, SHOWN, Segment};
use crate::core::logs::severity::Severity;

/// What to look for among the lines shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What the search finds.
    Match,
    /// A warning or an error.
    Trouble,
    Mark,
}

/// The result of looking for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    Found(Anchor),
    /// There is none in that direction.
    Nothing,
    /// There may be one where the lines are not judged yet.
    Unknown,
}

/// Lines of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bar {
    pub lines: usize,
    pub warnings: usize,
    pub errors: usize,
}

impl Store {
    /// What is known of a segment; nothing where it is not judged.
    fn counts(&self, segment: &Segment) -> LineCounts {
        let counts = segment.counts();
        match (self.sieve.is_filtered(segment), self.sieve.is_judged(segment)) {
            (true, true) => counts,
            (true, false) => LineCounts { found: 0, ..counts },
            (false, _) => LineCounts::default(),
        }
    }

    fn total(&self, count: impl Fn(LineCounts) -> usize) -> usize {
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

    fn kept(&self, (segment, index): Position) -> Option<Kept<'_>> {
        let segment = self.segments.get(segment)?;
        let (source, line) = segment.line(index)?;
        let (server, task) = self.sources.names(source);
        let (at, id) = segment.identity(index);
        let line = LineRef { server, task, ..line };
        Some(Kept {
            anchor: Anchor { at, id },
            marked: segment.has(index, MARKED),
            tag: self.sources.tag(source),
            line,
        })
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

    fn rank(&self, (segment, index): Position) -> usize {
        let before: usize = self.segments.iter().take(segment).map(|one| self.counts(one).shown).sum();
        let within = self.segments.get(segment).filter(|one| self.sieve.is_filtered(one));
        before + within.map_or(0, |one| one.shown_before(index))
    }

    /// Where a line is, or would be.
    pub(super) fn locate(&self, Anchor { at, id }: Anchor) -> Position {
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

    /// Sets or removes the mark of a line. Returns whether it has one now.
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
        let shown = move |(segment, index): &Position| all || self.segments[*segment].has(*index, SHOWN);
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

fn has_wanted(counts: LineCounts, wanted: Wanted) -> bool {
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
