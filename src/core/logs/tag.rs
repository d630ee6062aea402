//! Short names of tasks and streams, of which no two are alike.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::text::{cut, cut_front, width};

/// Gives each stream a short name, and keeps it: ECS's task ids differ in their first eight characters, but the
/// streams of other writers often begin alike (`[$LATEST]…`, `ip-10-0-…`).
#[derive(Debug, Clone)]
pub struct Tags {
    cells: usize,
    known: BTreeMap<Box<str>, Box<str>>,
    used: BTreeSet<Box<str>>,
}

/// Cells of a short name where it stands in a column.
pub const COLUMN: usize = 8;

impl Default for Tags {
    fn default() -> Self {
        Self::new(COLUMN)
    }
}

impl Tags {
    /// Names of at most so many cells.
    pub fn new(cells: usize) -> Self {
        Self { cells, known: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// The short name of a task or a stream.
    pub fn of(&mut self, task: &str) -> &str {
        if !self.known.contains_key(task) {
            let tag = self.free(task);
            self.used.insert(tag.clone());
            self.known.insert(task.into(), tag);
        }
        self.known.get(task).map_or("", |tag| tag)
    }

    fn free(&self, task: &str) -> Box<str> {
        let numbered = (1u32..).map(|number| format!("…#{number}"));
        let mut wanted = [short(task, self.cells), cut(task, self.cells), cut_front(task, self.cells)].into_iter();
        let first = wanted.find(|tag| !self.used.contains(tag.as_str()));
        first.or_else(|| numbered.into_iter().find(|tag| !self.used.contains(tag.as_str()))).unwrap_or_default().into()
    }
}

/// The first eight characters of an id; a name as far as there is room, its end rather than its beginning.
fn short(task: &str, cells: usize) -> String {
    let last = task.rsplit('/').next().unwrap_or(task);
    // Lambda writes its version in brackets before the id.
    let last = last.rsplit(']').next().filter(|rest| !rest.is_empty()).unwrap_or(last);
    if is_id(last) {
        return last.chars().take(COLUMN.min(cells)).collect();
    }
    if width(task) <= cells {
        return task.to_owned();
    }
    // A host's name without its domain.
    cut_front(last.split('.').next().filter(|host| !host.is_empty()).unwrap_or(last), cells)
}

/// Whether a text is an id made of hexadecimal digits, such as ECS, Lambda and Docker make.
fn is_id(text: &str) -> bool {
    text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(8, "0123456789abcdef0123456789abcdef", "01234567")]
    #[case(8, "2026/11/25/[$LATEST]fedcba98765432100123456789abcdef", "fedcba98")]
    #[case(8, "ip-10-0-1-17.eu-west-1.compute.internal", "…-0-1-17")]
    #[case(60, "ip-10-0-1-17.eu-west-1.compute.internal", "ip-10-0-1-17.eu-west-1.compute.internal")]
    #[case(8, "short", "short")]
    #[case(8, "", "")]
    fn a_name_is_short_where_it_must_be(#[case] cells: usize, #[case] task: &str, #[case] short: &str) {
        assert_eq!(Tags::new(cells).of(task), short);
    }

    #[test]
    fn no_two_streams_have_one_name() {
        let host = |number: u32| format!("ip-10-0-{number}-the-same.eu-west-1.compute.internal");
        let id = |number: u32| format!("0192aaaabbbb-{number:04}");
        let prefixed = |number: u32| format!("2026/11/{number:02}/[$LATEST]same");
        let mut tags = Tags::default();
        let all: BTreeSet<String> = (0..30)
            .flat_map(|number| [host(number), id(number), prefixed(number)])
            .map(|task| tags.of(&task).to_owned())
            .collect();
        assert_eq!(all.len(), 90, "{all:?}");
        assert!(all.iter().all(|tag| width(tag) <= COLUMN), "{all:?}");
        assert_eq!(tags.of(&host(3)).to_owned(), tags.of(&host(3)), "a name stays");
    }
}
