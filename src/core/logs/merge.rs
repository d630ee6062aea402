//! Reads a window of several log groups page by page, and merges them in time order.

use std::collections::VecDeque;

use super::query::PAGE_LIMIT;
use super::{LogEvent, LogPage, LogQuery};

/// One log group of a window that is being read.
#[derive(Debug)]
pub struct GroupWindow {
    query: LogQuery,
    buffer: VecDeque<LogEvent>,
    finished: bool,
    last: i64,
    /// The endpoint uses tokens, so a page without one is the last, however full it is.
    pages: bool,
}

impl GroupWindow {
    /// The window `[from, until)` of a group, from its first page on.
    pub fn new(group: &str, from: i64, until: Option<i64>, pattern: Option<String>) -> Self {
        let query = LogQuery { group: group.to_owned(), from, until, pattern, token: None };
        Self { query, buffer: VecDeque::new(), finished: false, last: from, pages: false }
    }

    /// The next page to read, if the merge cannot go on without it.
    pub fn wants(&self) -> Option<&LogQuery> {
        (self.buffer.is_empty() && !self.finished).then_some(&self.query)
    }

    /// Nothing more will come: the group is not there (yet).
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

    /// Takes a page. Returns a millisecond of which some events cannot be read: it fills a page by
    /// itself, and the endpoint gave no token to go on.
    pub fn take(&mut self, page: LogPage) -> Option<i64> {
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
            (None, _) => self.finished = true,
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

    fn times(events: &[LogEvent]) -> Vec<i64> {
        events.iter().map(|event| event.timestamp).collect()
    }

    #[test]
    fn an_empty_page_with_a_token_is_no_end() {
        let mut source = GroupWindow::new("g", 0, None, None);
        source.take(page([], Some("t")));
        assert_eq!(source.wants().and_then(|query| query.token.as_deref()), Some("t"));
    }

    #[test]
    fn groups_are_merged_only_as_far_as_all_of_them_are_known() {
        let mut sources = [GroupWindow::new("a", 0, None, None), GroupWindow::new("b", 0, None, None)];
        sources[0].take(page([1, 5, 9], Some("t")));
        sources[1].take(page([2, 20], None));
        assert_eq!(times(&merge(&mut sources)), [1, 2, 5, 9]);
        sources[0].take(page([10], None));
        assert_eq!(times(&merge(&mut sources)), [10, 20]);
        assert!(finished(&sources));
    }

    #[test]
    fn a_full_page_without_a_token_is_read_on_from_its_last_millisecond() {
        let mut source = GroupWindow::new("g", 0, None, None);
        assert_eq!(source.take(page(0..PAGE_LIMIT as i64, None)), None);
        let mut sources = [source];
        assert_eq!(merge(&mut sources).len(), PAGE_LIMIT - 1);
        assert_eq!(sources[0].wants().map(|query| query.from), Some(PAGE_LIMIT as i64 - 1));
    }

    #[test]
    fn a_full_page_that_ends_a_chain_of_tokens_is_the_last() {
        let mut source = GroupWindow::new("g", 0, None, None);
        source.take(page([1], Some("t")));
        assert_eq!(source.take(page(2..2 + PAGE_LIMIT as i64, None)), None);
        let mut sources = [source];
        assert_eq!(merge(&mut sources).len(), PAGE_LIMIT + 1);
        assert!(finished(&sources));
    }

    #[test]
    fn a_millisecond_that_fills_a_page_by_itself_is_told() {
        let mut source = GroupWindow::new("g", 7, None, None);
        assert_eq!(source.take(page(std::iter::repeat_n(7, PAGE_LIMIT), None)), Some(7));
        let mut sources = [source];
        assert_eq!(merge(&mut sources).len(), PAGE_LIMIT);
        assert_eq!(sources[0].wants().map(|query| query.from), Some(8));
    }

    #[test]
    fn a_token_that_is_refused_is_answered_by_reading_on_without_it() {
        let mut source = GroupWindow::new("g", 0, None, None);
        source.take(page([3, 4], Some("t")));
        merge(std::slice::from_mut(&mut source));
        assert!(source.restart());
        assert_eq!(source.wants().map(|query| (query.from, query.token.clone())), Some((4, None)));
        assert!(!source.restart(), "once: without a token it is the query that is refused");
    }
}
