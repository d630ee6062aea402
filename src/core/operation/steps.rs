//! Collecting the steps of an intent in their order.

use super::work::{Step, Work};

/// Collects steps; each new one comes after the last unless told otherwise.
#[derive(Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    /// Adds a step after the one added last; its index.
    pub(super) fn then(&mut self, title: impl Into<String>, work: impl Into<Work>) -> usize {
        let after = self.0.len().checked_sub(1).into_iter().collect();
        self.add(title, work, after)
    }

    /// Adds a step after the named ones; its index.
    pub(super) fn add(&mut self, title: impl Into<String>, work: impl Into<Work>, after: Vec<usize>) -> usize {
        self.0.push(Step { title: title.into(), work: work.into(), after });
        self.0.len() - 1
    }

    pub(super) fn done(self) -> Vec<Step> {
        self.0
    }
}
