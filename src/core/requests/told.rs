//! What tasks say of themselves in their log until it is over, each for itself.

use std::collections::BTreeMap;

use super::{KEPT, MAX_SERIES, SLOT};
use crate::core::logs::Line;

/// What each task has said last of something that is wrong with it.
#[derive(Debug, Clone)]
pub(super) struct Told<T> {
    /// By server and task: when, in milliseconds since the Unix epoch, and what.
    all: BTreeMap<(String, String), (i64, T)>,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { all: BTreeMap::new() }
    }
}

impl<T> Told<T> {
    /// A task says at a time that something is wrong; `None`, that it is over. Lines come in any order, the newest counts.
    pub(super) fn take(&mut self, line: &Line, at: i64, word: Option<T>) {
        let task = (line.server.to_string(), line.task.to_string());
        let known = self.all.get(&task).map(|(at, _)| *at);
        if known.is_some_and(|known| known > at) {
            return;
        }
        let Some(word) = word else {
            self.all.remove(&task);
            return;
        };
        // Tasks that have ended say nothing any more.
        self.all.retain(|_, (said, _)| *said > at - KEPT * SLOT);
        if known.is_some() || self.all.len() < MAX_SERIES {
            self.all.insert(task, (at, word));
        }
    }

    /// Forgets what tasks of a server have said before a time, if it is such a word.
    pub(super) fn forget(&mut self, server: &str, before: i64, such: impl Fn(&T) -> bool) {
        self.all.retain(|(of, _), (at, word)| of != server || *at >= before || !such(word));
    }

    /// What was said and is not over: of which server and task, when, and what.
    pub(super) fn said(&self) -> impl Iterator<Item = (&(String, String), i64, &T)> {
        self.all.iter().map(|(of, (at, word))| (of, *at, word))
    }
}
