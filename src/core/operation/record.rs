//! What the audit holds: one JSON object per line, append-only, never a secret.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fact::Facts;
use super::rescue::By;
use crate::core::plan::Plan;

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub at: Timestamp,
    pub operation: String,
    #[serde(flatten)]
    pub entry: Entry,
}

/// What happened to an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// It was confirmed and is about to begin.
    Intent {
        /// ARN of the caller.
        caller: String,
        /// The whole plan.
        plan: Box<Plan>,
    },
    /// A step that writes is about to be sent.
    Started {
        /// Index of the step.
        step: usize,
        title: String,
    },
    /// A step is done.
    Done {
        /// Index of the step.
        step: usize,
        facts: Facts,
        /// What there is to say about it.
        note: Note,
    },
    /// The operator agreed to go on although something was not as the plan showed it.
    Agreed {
        /// To what, in words.
        to: String,
        facts: Facts,
    },
    /// It was left unfinished; it can be resumed.
    Paused {
        reason: String,
        /// Index of the step that caused it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
    },
    Outcome {
        outcome: Outcome,
    },
}

/// What there is to say about a step that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Note {
    /// It is done; there is no more to say.
    Done,
    /// More, in words.
    Told(String),
    /// It is done as far as could be read; what could not is among the words.
    Unproven(String),
}

impl Note {
    /// What there is to say, if anything.
    pub fn told(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Told(words) | Self::Unproven(words) => Some(words),
        }
    }
}

/// The audit's word for [`Note::Done`].
const DONE: &str = "done";
/// How the audit begins a [`Note::Unproven`].
const UNPROVEN: &str = "not verified: ";

impl From<String> for Note {
    fn from(words: String) -> Self {
        match words.strip_prefix(UNPROVEN) {
            _ if words == DONE => Self::Done,
            Some(rest) => Self::Unproven(rest.to_owned()),
            None => Self::Told(words),
        }
    }
}

impl From<Note> for String {
    fn from(note: Note) -> Self {
        note.to_string()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str(DONE),
            Self::Told(words) => f.write_str(words),
            Self::Unproven(words) => write!(f, "{UNPROVEN}{words}"),
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// All steps are done and verified.
    Done,
    /// A step failed for good.
    Failed {
        /// Index of the step; missing in audits of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
        /// Title of the step.
        #[serde(rename = "step")]
        title: String,
        /// Why, in words.
        reason: String,
    },
    /// Another operation took it back.
    Undone { by: String },
    /// Somebody has taken back what it was doing, while it waited for that.
    Cancelled {
        /// Index of the step that waited.
        index: Option<usize>,
        /// Title of the step.
        #[serde(rename = "step")]
        title: String,
        by: By,
        /// What was taken back, in words.
        what: String,
    },
    /// The operator closed it unfinished, because it could not go on any more.
    Closed { reason: String },
}
