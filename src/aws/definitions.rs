//! Where the containers of task definitions log. A task definition never changes, so each is read once, and kept
//! between runs where somebody keeps it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::logs::ContainerLog;

/// Where the containers of task definitions log, by the ARN of the task definition.
pub type ContainerLogs = HashMap<String, Vec<ContainerLog>>;
/// Keeps those that this run has used. It may block.
pub type Keep = Arc<dyn Fn(&ContainerLogs) + Send + Sync>;

/// What is known of task definitions.
#[derive(Default)]
pub(super) struct Definitions {
    known: Mutex<Known>,
    keep: Option<Keep>,
}

#[derive(Default)]
struct Known {
    /// Read or looked at in this run.
    used: ContainerLogs,
    /// Kept by runs before.
    before: ContainerLogs,
    /// Whether something was read that is not kept yet.
    new: bool,
}

impl Definitions {
    pub(super) fn kept(before: ContainerLogs, keep: Keep) -> Self {
        Self { known: Mutex::new(Known { before, ..Known::default() }), keep: Some(keep) }
    }

    pub(super) fn get(&self, arn: &str) -> Option<Vec<ContainerLog>> {
        let mut known = self.known();
        if let Some(logs) = known.before.remove(arn) {
            known.used.insert(arn.to_owned(), logs);
        }
        known.used.get(arn).cloned()
    }

    pub(super) fn insert(&self, arn: String, logs: Vec<ContainerLog>) {
        let mut known = self.known();
        known.used.insert(arn, logs);
        known.new = true;
    }

    /// Has those kept that were read since the last time.
    pub(super) async fn save(&self) {
        let Some(keep) = self.keep.clone() else { return };
        let used = {
            let mut known = self.known();
            if !std::mem::take(&mut known.new) {
                return;
            }
            known.used.clone()
        };
        // If it cannot be kept, it is read again by the next run.
        let _ = tokio::task::spawn_blocking(move || keep(&used)).await;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
