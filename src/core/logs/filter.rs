//! Which lines are shown.

use std::collections::BTreeSet;

use super::expression::Expression;
use super::line::LineRef;

/// Which lines are shown. All parts must agree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// All of these must match.
    pub keep: Vec<Expression>,
    /// None of these may match.
    pub hide: Vec<Expression>,
    /// Only these servers; empty is all.
    pub servers: BTreeSet<String>,
    /// Beside them, the log groups whose lines may be theirs: of those lines it cannot be told whose they are.
    pub untold: BTreeSet<String>,
    /// Without these tasks.
    pub without: BTreeSet<String>,
    /// Only this task; `None` is all.
    pub task: Option<String>,
}

impl Filter {
    /// Whether lines of this server and task may be shown.
    pub fn shows_source(&self, server: &str, task: &str) -> bool {
        let chosen = self.servers.contains(server) || self.untold.contains(server);
        let wanted = self.task.as_ref().is_none_or(|only| only == task);
        (self.servers.is_empty() || chosen) && wanted && !self.without.contains(task)
    }

    /// Whether a line is shown, if its source may be.
    pub fn shows(&self, line: LineRef<'_>) -> bool {
        self.keep.iter().all(|expression| expression.matches(line))
            && !self.hide.iter().any(|expression| expression.matches(line))
    }

    /// Whether everything is shown.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something is kept or hidden by expression.
    pub fn has_expressions(&self) -> bool {
        !self.keep.is_empty() || !self.hide.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[rstest]
    #[case::of_it("time", "a", true)]
    #[case::another_task("time", "b", false)]
    #[case::another_server("weather", "a", false)]
    fn one_task_is_shown_alone(#[case] server: &str, #[case] task: &str, #[case] shown: bool) {
        let filter = Filter { servers: set(&["time"]), task: Some("a".into()), ..Filter::default() };
        assert_eq!(filter.shows_source(server, task), shown);
        assert!(!filter.is_empty(), "something is left out");
    }
}
