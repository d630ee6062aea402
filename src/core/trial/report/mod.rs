//! What the operator is told of a trial.

mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kept::{Kept, KeptTools};
use super::scope::{Scope, scopes};
use super::{Answered, Tried};
use crate::core::environment::Tools;
use words::shown;

/// The trial of one server, as a plan shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTrial {
    pub server: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it did without, that it has at AWS: variables that had a placeholder.
    pub placeholders: Vec<String>,
    /// Why it is not known which variables it has in its Secret, so that it had none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// It answered, now or when the same was deployed.
    Fine(Fine),
    /// It could not be started on this machine, which says nothing of it.
    NotTried { why: String },
    /// It ended, or gave no answer of the protocol.
    Failed { why: String, said: Vec<String> },
    /// It ran until the time was over, and had not answered.
    Unknown { why: String, said: Vec<String> },
}

/// What a server has that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fine {
    /// Whether this is what the last deploy has kept, of the same image with the same settings.
    pub kept: bool,
    /// The revision of MCP; `None` where it is kept, which does not say it.
    pub revision: Option<String>,
    /// The scope of each tool, by name. `None` where it is kept, and there was no room for the names.
    pub tools: Option<BTreeMap<String, Scope>>,
    /// Memory after the start, in MiB; `None` where it was not measured.
    pub memory_mib: Option<u64>,
    /// Memory of its task, in MiB.
    pub task_memory_mib: u64,
    /// Most processes of it in a task, each of which takes memory.
    pub processes: u64,
    /// Time from its start until its tools were known, in milliseconds.
    pub answered_ms: u64,
    pub compared: Compared,
}

/// Its tools, compared with those that the last deploy has kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "since", rename_all = "kebab-case")]
pub enum Compared {
    /// No deploy has kept any.
    Nothing,
    Same,
    Changed {
        added: Vec<String>,
        vanished: Vec<String>,
        /// Those that need another scope than before.
        moved: Vec<Moved>,
    },
    /// It is another list, and there was no room to keep which one it was.
    AnotherOf {
        number: u64,
    },
}

/// A tool that needs another scope than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub tool: String,
    pub before: Scope,
    pub after: Scope,
}

impl Compared {
    /// Compares a list with what is kept. `digest` is that of [`super::kept::listed`] of the list.
    pub fn of(before: Option<&Kept>, now: &BTreeMap<String, Scope>, digest: &str) -> Self {
        let was = match before.map(|kept| &kept.tools) {
            None => return Self::Nothing,
            Some(KeptTools::Counted { digest: was, .. }) if was == digest => return Self::Same,
            Some(KeptTools::Counted { number, .. }) => return Self::AnotherOf { number: *number },
            Some(KeptTools::Named(was)) if was == now => return Self::Same,
            Some(KeptTools::Named(was)) => was,
        };
        let without = |these: &BTreeMap<String, Scope>, others: &BTreeMap<String, Scope>| {
            these.keys().filter(|name| !others.contains_key(*name)).cloned().collect()
        };
        let moved = |(tool, after): (&String, &Scope)| {
            let before = *was.get(tool)?;
            (before != *after).then(|| Moved { tool: tool.clone(), before, after: *after })
        };
        Self::Changed {
            added: without(now, was),
            vanished: without(was, now),
            moved: now.iter().filter_map(moved).collect(),
        }
    }
}

impl ServerTrial {
    /// What was kept, of a server whose image and settings are the same as then.
    pub fn kept(trial: &super::Trial, kept: &Kept) -> Self {
        let tools = match &kept.tools {
            KeptTools::Named(tools) => Some(tools.clone()),
            KeptTools::Counted { .. } => None,
        };
        let fine = Fine {
            kept: true,
            revision: None,
            tools,
            memory_mib: kept.memory_mib,
            task_memory_mib: trial.memory_mib,
            processes: trial.processes,
            answered_ms: kept.answered_ms,
            compared: Compared::Same,
        };
        let server = trial.server.clone();
        Self { server, outcome: Outcome::Fine(fine), placeholders: Vec::new(), unread: None }
    }

    /// One that could not be started here.
    pub fn not_tried(server: &str, why: impl Into<String>) -> Self {
        let outcome = Outcome::NotTried { why: why.into() };
        Self { server: server.to_owned(), outcome, placeholders: Vec::new(), unread: None }
    }

    /// What came of a trial. `digest` is that of a text, as hexadecimal digits.
    pub fn of(
        trial: &super::Trial,
        tools: &Tools,
        tried: Tried,
        before: Option<&Kept>,
        digest: fn(&str) -> String,
    ) -> Self {
        let outcome = match tried {
            Tried::NotTried(why) => Outcome::NotTried { why },
            Tried::Failed { why, said } => Outcome::Failed { why, said },
            Tried::Unknown { why, said } => Outcome::Unknown { why, said },
            Tried::Answered(Answered { revision, tools: listed, memory_mib, answered_ms }) => {
                let tools = shown(&scopes(tools, &listed));
                let compared = Compared::of(before, &tools, &digest(&super::kept::listed(&tools)));
                Outcome::Fine(Fine {
                    kept: false,
                    revision: Some(revision),
                    tools: Some(tools),
                    memory_mib,
                    task_memory_mib: trial.memory_mib,
                    processes: trial.processes,
                    answered_ms,
                    compared,
                })
            }
        };
        let (placeholders, unread) = (trial.secrets.clone(), trial.unread.clone());
        Self { server: trial.server.clone(), outcome, placeholders, unread }
    }

    /// What the next deploy keeps of it, as the value of the parameter; `None` where there is nothing new to keep.
    pub fn to_keep(&self, of: &str, digest: fn(&str) -> String) -> Option<String> {
        let Outcome::Fine(Fine { kept: false, tools: Some(tools), memory_mib, answered_ms, .. }) = &self.outcome else {
            return None;
        };
        Some(Kept::written(of, tools, &digest(&super::kept::listed(tools)), *memory_mib, *answered_ms))
    }
}

#[cfg(test)]
mod tests;
