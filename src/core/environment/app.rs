//! `[server.app]`: a server that knows nothing of gangway, which stands in front of it.

mod check;
mod secretive;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::choice::{Sessions, ToolScope, Transport};

pub(super) use check::check;
pub use check::check_variable;
pub use secretive::text as looks_secret;

/// How gangway reaches the server in its image, what the server is given, and what its callers may do.
///
/// It is said as a whole: what it leaves out is the default below, not what is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// How gangway speaks to it.
    pub transport: Transport,
    /// The port on which it listens; with HTTP alone.
    pub port: Option<u32>,
    /// The path of its MCP endpoint; with HTTP alone. `None` is `/mcp`.
    pub path: Option<String>,
    /// The program and its arguments, which no shell reads; `None` is what the image says.
    pub command: Option<Vec<String>>,
    /// Variables, none of them a secret.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Names of variables that look like secrets and are none.
    #[serde(default)]
    pub not_secret: Vec<String>,
    /// Variables whose values lie in Secrets Manager already: the Secret's ARN, with `:KEY` for one key of its
    /// JSON, or its name.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// ARNs of the KMS keys that encrypt those Secrets, where it is not the account's own.
    #[serde(default)]
    pub secret_keys: Vec<String>,
    /// ARN of the Secret with the credentials of a private registry.
    pub registry_secret: Option<String>,
    /// ARNs of the IAM policies that say what it may do at AWS.
    #[serde(default)]
    pub policies: Vec<String>,
    /// User and group by number; `None` is 65532:65532.
    pub user: Option<String>,
    /// Whether its root file system is read-only; `None` is yes.
    pub read_only: Option<bool>,
    /// Folders that it may write to, empty when a task starts; `None` is `/tmp`.
    pub writable: Option<Vec<String>>,
    /// Who shares a process or a session with whom; `None` is all with all.
    pub sessions: Option<Sessions>,
    /// Most processes or sessions at a time that are not shared; `None` is 4.
    pub processes: Option<u32>,
    /// Longest time until an answer begins; `None` is 30.
    pub request_seconds: Option<u32>,
    /// Time to start before its health counts; `None` is 60.
    pub start_seconds: Option<u32>,
    /// Largest request body; `None` is 64.
    pub max_body_kilobytes: Option<u32>,
    /// Most requests at a time and task; `None` is 512.
    pub max_requests: Option<u32>,
    /// Which tools take the scope `write`, and which are not there for callers.
    #[serde(default)]
    pub tools: Tools,
}

/// Scopes by tool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tools {
    /// The scope of a tool that is not named below; `None` goes by its annotations.
    pub default: Option<ToolScope>,
    /// Tools that take `read`.
    pub read: Vec<String>,
    /// Tools that take `write`.
    pub write: Vec<String>,
    /// Tools that are neither listed nor called.
    pub hidden: Vec<String>,
}

/// Folders that a template has volumes for.
pub(super) const MOST_WRITABLE: usize = 4;
/// Secrets that a template has variables for.
pub(super) const MOST_SECRETS: usize = 8;
/// What the arguments of a command are joined with in a template's parameter, which splits them there.
pub const BETWEEN_ARGUMENTS: &str = "~|~";

impl App {
    /// What gangway is told, as the value of `GANGWAY_APP`.
    pub fn json(&self) -> String {
        let mut told = json!({
            "transport": self.transport.to_string(),
            "environment": self.environment,
            "sessions": self.sessions.unwrap_or(Sessions::Shared).to_string(),
            "processes": self.processes.unwrap_or(4),
            "request_seconds": self.request_seconds.unwrap_or(30),
            "tools": {
                "default": self.tools.default.unwrap_or(ToolScope::Annotations).to_string(),
                "read": self.tools.read,
                "write": self.tools.write,
                "hidden": self.tools.hidden,
            },
        });
        if self.transport == Transport::Http {
            told["port"] = json!(self.port);
            told["path"] = Value::from(self.path.as_deref().unwrap_or("/mcp"));
        }
        if let Some(command) = &self.command {
            told["command"] = json!(command);
        }
        told.to_string()
    }

    /// The folders that it may write to.
    pub fn folders(&self) -> Vec<String> {
        self.writable.clone().unwrap_or_else(|| vec!["/tmp".to_owned()])
    }

    /// The command as a template's parameter has it; `None` where the image says it.
    pub(super) fn joined_command(&self) -> Option<String> {
        self.command.as_ref().map(|command| command.join(BETWEEN_ARGUMENTS))
    }

    /// The ARNs of the Secrets that the task may read, without keys and versions, each once.
    pub(super) fn secret_arns(&self) -> Vec<String> {
        let mut all: Vec<String> = self.secrets.values().map(|place| secret_arn(place)).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// What ECS reads the value of a variable from. It wants the stage and the version behind a key, which may both be
/// empty (ECS API reference, Secret).
pub(super) fn value_from(place: &str) -> String {
    let ends = if place.starts_with("arn:") && place.split(':').count() == 8 { "::" } else { "" };
    format!("{place}{ends}")
}

/// The ARN of a Secret without the key, the stage and the version that ECS reads after it.
fn secret_arn(place: &str) -> String {
    place.split(':').take(7).collect::<Vec<_>>().join(":")
}
