//! What the audit holds: one JSON object per line, append-only, never a secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::work::Facts;
use crate::core::plan::Plan;

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// Operation id.
    pub operation: String,
    /// What happened.
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
        /// Its title.
        title: String,
    },
    /// A step is done.
    Done {
        /// Index of the step.
        step: usize,
        /// What it learnt.
        facts: Facts,
        /// How it stands, in words.
        note: String,
    },
    /// It was left unfinished; it can be resumed.
    Paused {
        /// Why.
        reason: String,
    },
    /// It ended.
    Outcome {
        /// How.
        outcome: Outcome,
    },
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// All steps are done and verified.
    Done,
    /// A step failed for good.
    Failed {
        /// Title of the step.
        step: String,
        /// Why, in words.
        reason: String,
    },
    /// It was taken back by the operation named.
    Undone {
        /// Operation id.
        by: String,
    },
}
