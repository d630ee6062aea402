//! Reads a window of several log groups page by page, and merges them in time order.

use std::collections::{BTreeSet, VecDeque};

use super::query::PAGE_LIMIT;
use super::{LogEvent, LogPage, LogQuery};

/// One log group of a window that is being read.
///
/// A page that cannot be parsed because of one event in it is narrowed down: [`GroupWindow::narrow`] halves the
/// stretch that is asked for until it is one millisecond, which is left out.
#[derive(Debug)]
pub struct GroupWindow {
    query: LogQuery,
    /// The end of the whole window; that of `query` may be earlier.
    until: Option<i64>,
    /// Milliseconds that cannot be read.
    skip: BTreeSet<i64>,
    /// An event that cannot be parsed lies before this millisecond.
    suspect: Option<i64>,
    /// Milliseconds left out since the last page that could be read.
    lost: u32,
    buffer: VecDeque<LogEvent>,
    finished: bool,
    last: i64,
    /// The endpoint uses tokens, so a page without one is the last, however full it is.
    pages: bool,
}

impl GroupWindow {
    /// The window that a query asks for, from its first page on, without these milliseconds.
    pub fn new(query: LogQuery, skip: BTreeSet<i64>) -> Self {
        let (from, until) = (query.from, query.until);
        let mut window = Self {
            query,
            until,
            skip,
            suspect: None,
            lost: 0,
            buffer: VecDeque::new(),
            finished: false,
            last: from,
            pages: false,
        };
        window.begin_stretch();
        window
    }

    /// The next page to read, if the merge cannot go on without it.
    pub fn wants(&self) -> Option<&LogQuery> {
        (self.buffer.is_empty() && !self.finished).then_some(&self.query)
    }

    /// Nothing more will come: the group is not there (yet), or cannot be read.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Begins again, without a token, at the first millisecond that was not taken whole. Returns
    /// whether there was a token. Some events then come twice, so this is a new reading.
    pub fn restart(&mut self) -> bool {
        if !(self.finished && self.buffer.is_empty()) {
            self.query.from = self.buffer.front().map_or(self.last, |event| event.timestamp);
            self.buffer.clear();
            self.finished = false;
        }
        self.query.token.take().is_some()
    }

    /// Whether the place of an event that cannot be parsed is being looked for.
    pub fn narrowing(&self) -> bool {
        self.suspect.is_some()
    }

    /// Milliseconds left out since the last page that could be read: where it is none of the events that cannot be
    /// parsed, but every answer.
    pub fn lost_in_a_row(&self) -> u32 {
        self.lost
    }

    /// The page that was wanted cannot be parsed: asks for less. `now` is the end of a window without one. Returns
    /// the millisecond that is left out, once it is found.
    pub fn narrow(&mut self, now: i64) -> Option<i64> {
        let from = self.query.from;
        let until = self.query.until.unwrap_or(now).max(from + 1);
        if until - from > 1 {
            self.suspect = Some(until);
            self.query.until = Some(from + (until - from) / 2);
            return None;
        }
        self.suspect = None;
        self.lost += 1;
        self.skip.insert(from);
        self.begin_stretch();
        Some(from)
    }

    /// Asks for what follows `query.from`, as far as it can be read at once.
    fn begin_stretch(&mut self) {
        while self.skip.contains(&self.query.from) {
            self.query.from += 1;
        }
        let from = self.query.from;
        self.last = self.last.max(from);
        self.suspect = self.suspect.filter(|suspect| *suspect > from);
        let half = self.suspect.map(|suspect| from + ((suspect - from) / 2).max(1));
        let skip = self.skip.range(from..).next().copied();
        self.query.until = [self.until, half, skip].into_iter().flatten().min();
        self.finished |= self.until.is_some_and(|until| from >= until);
    }

    /// What was asked for is read to its end.
    fn end_stretch(&mut self) {
        match self.query.until {
            Some(end) if self.until.is_none_or(|until| end < until) => {
                (self.query.from, self.query.token) = (end, None);
                self.begin_stretch();
            }
            _ => self.finished = true,
        }
    }

    /// Takes a page. Returns a millisecond of which some events cannot be read: it fills a page by
    /// itself, and the endpoint gave no token to go on.
    pub fn take(&mut self, page: LogPage) -> Option<i64> {
        self.lost = 0;
        let full = page.events.len() >= PAGE_LIMIT;
        let mut events = page.events;
        events.sort_by_key(|event| event.timestamp);
        let last = events.last().map(|event| event.timestamp);
        self.last = last.unwrap_or(self.last).max(self.last);
        self.buffer.extend(events);
        match (page.next, last) {
            (Some(token), _) => {
                self.query.token = Some(token);
                self.pages = true;
            }
            // A full page of an endpoint without tokens was cut: its last millisecond is read again, whole.
            (None, Some(last)) if full && !self.pages => {
                self.query.token = None;
                if last > self.query.from {
                    self.buffer.retain(|event| event.timestamp < last);
                    self.query.from = last;
                } else {
                    self.query.from = last + 1;
                    return Some(last);
                }
            }
            (None, _) => self.end_stretch(),
        }
        None
    }
}

/// Takes the events whose order is certain: up to the earliest end of the unfinished buffers.
pub fn merge(sources: &mut [GroupWindow]) -> Vec<LogEvent> {
    let going_on = sources.iter().filter(|source| !source.finished);
    let ends = going_on.filter_map(|source| source.buffer.back().map(|event| event.timestamp));
    let until = ends.min().unwrap_or(i64::MAX);
    let mut events: Vec<LogEvent> = Vec::new();
    for source in sources {
        let ready = source.buffer.partition_point(|event| event.timestamp <= until);
        events.extend(source.buffer.drain(..ready));
    }
    events.sort_by_key(|event| event.timestamp);
    events
}

/// Whether nothing is left to read or to take.
pub fn finished(sources: &[GroupWindow]) -> bool {
    sources.iter().all(|source| source.finished && source.buffer.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(times: impl IntoIterator<Item = i64>, next: Option<&str>) -> LogPage {
        let event = |timestamp: i64| LogEvent {
            timestamp,
            ingested: timestamp,
            group: "g".into(),
            stream: "s".into(),
            message: String::new(),
        };
        LogPage { events: times.into_iter().map(event).collect(), next: next.map(ToOwned::to_owned) }
    }

    fn window(group: &str, from: i64) -> GroupWindow {
        let group = group.to_owned();
        let query = LogQuery { group, prefix: None, from, until: None, pattern: None, token: None };
        GroupWindow::new(query, BTreeSet::new())
    }

    fn times(events: &[LogEvent]) -> Vec<i64> {
        events.iter().map(|event| event.timestamp).collect()
    }

    #[test]
    fn an_empty_page_with_a_token_is_no_end() {
        let mut source = window("g", 0);
        source.take(page([], Some("t")));
        assert_eq!(source.wants().and_then(|query| query.token.as_deref()), Some("t"));
    }

    #[test]
    fn groups_are_merged_only_as_far_as_all_of_them_are_known() {
        let mut sources = [window("a", 0), window("b", 0)];
        sources[0].take(page([1, 5, 9], Some("t")));
        sources[1].take(page([2, 20], None));
        assert_eq!(times(&merge(&mut sources)), [1, 2, 5, 9]);
        sources[0].take(page([10], None));
        assert_eq!(times(&merge(&mut sources)), [10, 20]);
        assert!(finished(&sources));
    }

    #[test]
    fn a_full_page_without_a_token_is_read_on_from_its_last_millisecond() {
        let mut source = window("g", 0);
        assert_eq!(source.take(page(0..PAGE_LIMIT as i64, None)), None);
        let mut sources = [source];
        assert_eq!(merge(&mut sources).len(), PAGE_LIMIT - 1);
        assert_eq!(sources[0].wants().map(|query| query.from), Some(PAGE_LIMIT as i64 - 1));
    }

    #[test]
    fn a_full_page_that_ends_a_chain_of_tokens_is_the_last() {
        let mut source = window("g", 0);
        source.take(page([1], Some("t")));
        assert_eq!(source.take(page(2..2 + PAGE_LIMIT as i64, None)), None);
        let mut sources = [source];
        assert_eq!(merge(&mut sources).len(), PAGE_LIMIT + 1);
        assert!(finished(&sources));
    }

    #[test]
    fn a_millisecond_that_fills_a_page_by_itself_is_told() {
        let mut source = window("g", 7);
        assert_eq!(source.take(page(std::iter::repeat_n(7, PAGE_LIMIT), None)), Some(7));
        let mut sources = [source];
        assert_eq!(merge(&mut sources).len(), PAGE_LIMIT);
        assert_eq!(sources[0].wants().map(|query| query.from), Some(8));
    }

    #[test]
    fn a_token_that_is_refused_is_answered_by_reading_on_without_it() {
        let mut source = window("g", 0);
        source.take(page([3, 4], Some("t")));
        merge(std::slice::from_mut(&mut source));
        assert!(source.restart());
        assert_eq!(source.wants().map(|query| (query.from, query.token.clone())), Some((4, None)));
        assert!(!source.restart(), "once: without a token it is the query that is refused");
    }

    /// Reads a window of which the page with an event of a bad millisecond cannot be parsed; what was
    /// lost, and what was read.
    fn read(from: i64, until: Option<i64>, bad: &[i64], good: &[i64]) -> (Vec<i64>, Vec<i64>, u32) {
        let query = LogQuery { group: "g".into(), prefix: None, from, until, pattern: None, token: None };
        let mut source = [GroupWindow::new(query, BTreeSet::new())];
        let (mut lost, mut read, mut calls) = (Vec::new(), Vec::new(), 0);
        while !finished(&source) {
            let query = source[0].wants().cloned().expect("it wants a page");
            calls += 1;
            let wanted = |at: &&i64| **at >= query.from && query.until.is_none_or(|until| **at < until);
            if bad.iter().any(|at| wanted(&at)) {
                source[0].restart();
                lost.extend(source[0].narrow(100_000));
            } else {
                source[0].take(page(good.iter().filter(wanted).copied(), None));
            }
            read.extend(times(&merge(&mut source)));
        }
        (lost, read, calls)
    }

    #[test]
    fn an_event_that_cannot_be_parsed_costs_its_millisecond_alone() {
        let good: Vec<i64> = (0..90_000).step_by(997).collect();
        for bad in [vec![50_001], vec![0], vec![89_999], vec![7, 8, 60_000]] {
            for until in [Some(90_000), None] {
                let (lost, read, calls) = read(0, until, &bad, &good);
                let kept: Vec<i64> = good.iter().filter(|at| !bad.contains(at)).copied().collect();
                assert_eq!((lost, read), (bad.clone(), kept));
                assert!(calls < 45 * bad.len() as u32, "{calls}");
            }
        }
    }

    #[test]
    fn a_millisecond_that_is_known_not_to_be_readable_is_not_asked_for() {
        let query = LogQuery { group: "g".into(), prefix: None, from: 5, until: Some(10), pattern: None, token: None };
        let mut source = [GroupWindow::new(query, BTreeSet::from([5, 7, 9]))];
        let mut asked = Vec::new();
        while let Some(query) = source[0].wants() {
            asked.push((query.from, query.until));
            source[0].take(page([], None));
        }
        assert_eq!(asked, [(6, Some(7)), (8, Some(9))]);
        assert!(finished(&source));
    }

    #[test]
    fn answers_that_never_can_be_parsed_are_told_from_one_bad_event() {
        let mut source = window("g", 0);
        let mut lost = Vec::new();
        while source.lost_in_a_row() < 3 {
            lost.extend(source.narrow(1_000));
        }
        assert_eq!(lost, [0, 1, 2]);
        source.take(page([5], None));
        assert_eq!(source.lost_in_a_row(), 0);
    }
}
