//! The tasks that lines came from, each with a number that stays.

use std::collections::BTreeMap;

use super::tag::Tags;

/// A task of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub server: Box<str>,
    pub task: Box<str>,
    /// Its short name, of which no other task has the same.
    pub tag: Box<str>,
    /// Lines that came from it, those dropped since included.
    pub lines: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    all: Vec<Source>,
    numbers: BTreeMap<Box<str>, BTreeMap<Box<str>, u32>>,
    last: usize,
    tags: Tags,
}

impl Sources {
    /// The number of a task, and whether it is new. Counts a line of it.
    pub fn number(&mut self, server: &str, task: &str) -> (u32, bool) {
        // Lines come in runs of one task.
        let same = |source: &Source| &*source.task == task && &*source.server == server;
        let known = if self.all.get(self.last).is_some_and(same) {
            Some(self.last)
        } else {
            self.numbers.get(server).and_then(|tasks| tasks.get(task)).map(|number| *number as usize)
        };
        let number = known.unwrap_or_else(|| {
            let number = self.all.len();
            let index = u32::try_from(number).unwrap_or(u32::MAX);
            self.numbers.entry(server.into()).or_default().insert(task.into(), index);
            let tag = self.tags.of(task).into();
            self.all.push(Source { server: server.into(), task: task.into(), tag, lines: 0 });
            number
        });
        self.all[number].lines += 1;
        self.last = number;
        (u32::try_from(number).unwrap_or(u32::MAX), known.is_none())
    }

    /// Server and task of a number.
    pub fn names(&self, number: u32) -> (&str, &str) {
        self.all.get(number as usize).map_or(("", ""), |source| (&source.server, &source.task))
    }

    /// The short name of a number's task.
    pub fn tag(&self, number: u32) -> &str {
        self.all.get(number as usize).map_or("", |source| &source.tag)
    }

    pub fn all(&self) -> &[Source] {
        &self.all
    }
}
