//! Which engine's program is asked, and how it is called.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::QUESTION;

/// Whose program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::local) enum Kind {
    Docker,
    Podman,
}

/// An engine's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::local) struct Program {
    pub(in crate::local) kind: Kind,
    pub(in crate::local) path: PathBuf,
    /// The arguments before any others: which service it asks.
    pub(in crate::local) first: Vec<String>,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl Program {
    pub(super) fn new(kind: Kind, path: PathBuf) -> Self {
        Self { kind, path, first: Vec::new() }
    }

    pub(in crate::local) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.first);
        command
    }

    /// What it prints on standard output; `None` where it fails.
    pub(super) async fn says(&self, args: &[&str]) -> Option<String> {
        let mut command = self.command();
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        let answer = tokio::time::timeout(QUESTION, command.output()).await.ok()?.ok()?;
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }
}

/// The program at a path, by its name.
pub(super) fn program_at(path: PathBuf) -> Program {
    let podman = path.file_name().is_some_and(|name| name.to_string_lossy().contains("podman"));
    Program::new(if podman { Kind::Podman } else { Kind::Docker }, path)
}

/// Whether Docker's engine answers its program. Podman brings a program of this name, too, which is Podman.
pub(super) async fn serves(docker: &Path) -> bool {
    let mut command = Command::new(docker);
    command.args(["version", "--format", "{{.Server.Version}}"]).kill_on_drop(true).stdin(Stdio::null());
    let answer = tokio::time::timeout(QUESTION, command.output()).await;
    let Ok(Ok(answer)) = answer else { return false };
    let podman = String::from_utf8_lossy(&answer.stderr).contains("podman");
    answer.status.success() && !podman
}
