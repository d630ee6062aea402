//! The filter and the search together, as they judge a line.

use super::filter::Filter;
use super::line::LineRef;
use super::pattern::Pattern;
use super::segment::{Epoch, FOUND, SHOWN, Segment};

/// What lines are judged by.
#[derive(Debug, Clone)]
pub(super) struct Sieve {
    filter: Filter,
    search: Option<Pattern>,
    /// Whether the lines of a source may be shown, by its number.
    sources: Vec<bool>,
    filtered: Epoch,
    searched: Epoch,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { filter: Filter::default(), search: None, sources: Vec::new(), filtered: 1, searched: 1 }
    }
}

impl Sieve {
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    pub fn search(&self) -> Option<&Pattern> {
        self.search.as_ref()
    }

    /// Takes another filter; verdicts of the one before are void.
    pub fn set_filter<'a>(&mut self, filter: Filter, sources: impl Iterator<Item = (&'a str, &'a str)>) {
        self.sources = sources.map(|(server, task)| filter.shows_source(server, task)).collect();
        self.filter = filter;
        self.filtered = self.filtered.wrapping_add(1).max(1);
    }

    pub fn set_search(&mut self, search: Option<Pattern>) {
        self.search = search;
        self.searched = self.searched.wrapping_add(1).max(1);
    }

    /// Learns of a source that was not there before.
    pub fn add_source(&mut self, server: &str, task: &str) {
        self.sources.push(self.filter.shows_source(server, task));
    }

    /// Whether a segment is judged by the filter that holds.
    pub fn is_filtered(&self, segment: &Segment) -> bool {
        segment.filtered == self.filtered
    }

    /// Whether a segment is judged by the filter and the search that hold.
    pub fn is_judged(&self, segment: &Segment) -> bool {
        self.is_filtered(segment) && segment.searched == self.searched
    }

    /// Marks a segment as judged: it is empty, or its lines were judged as they came.
    pub fn stamp(&self, segment: &mut Segment) {
        (segment.filtered, segment.searched) = (self.filtered, self.searched);
    }

    /// The flags of a line.
    pub fn flags(&self, source: u32, line: LineRef<'_>) -> u32 {
        let allowed = self.sources.get(source as usize).copied().unwrap_or(true);
        if !allowed || !self.filter.shows(line) { 0 } else { SHOWN | self.found(line) }
    }

    fn found(&self, line: LineRef<'_>) -> u32 {
        if self.search.as_ref().is_some_and(|search| search.matches(line.text)) { FOUND } else { 0 }
    }

    /// Judges a segment; a search alone looks only at lines that are shown.
    pub fn judge<'a>(&self, segment: &mut Segment, names: impl Fn(u32) -> (&'a str, &'a str)) {
        if self.is_filtered(segment) {
            segment.judge(FOUND, |_, line, flags| if flags & SHOWN == 0 { 0 } else { self.found(line) });
        } else {
            segment.judge(SHOWN | FOUND, |source, line, _| {
                let (server, task) = names(source);
                self.flags(source, LineRef { server, task, ..line })
            });
        }
        self.stamp(segment);
    }
}
