//! How a step stands, in the words of the command line.

use super::{Operation, Stage};
use crate::core::operation::record::Note;

impl Operation {
    /// How a step stands, in a few words; `None` while there is nothing to tell. What was skipped is told as such: nobody
    /// is to take it for done.
    pub fn stands(&self, index: usize) -> Option<String> {
        let skipped = self.steps().get(index)?.skipped();
        Some(match (self.done.get(&index), self.running.get(&index)) {
            (Some(Note::Done), _) => "done".to_owned(),
            (Some(Note::Told(note)), _) if skipped => format!("skipped: {note}"),
            (Some(Note::Told(note)), _) => format!("done: {note}"),
            (Some(unproven @ Note::Unproven(_)), _) => format!("done, {unproven}"),
            // The recording and the sending of a call are over before anybody could read about them.
            (None, Some(progress)) if matches!(progress.stage, Stage::Recording | Stage::Sent) => return None,
            (None, Some(progress)) => progress.words().to_owned(),
            (None, None) => return None,
        })
    }
}
