//! What can go wrong here, each with the way out.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the local cloud cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No home directory, so no place for state and data.
    #[error("no home directory: set HOME, or XDG_STATE_HOME and XDG_DATA_HOME")]
    NoHome,
    /// A file or directory.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The state file is there and cannot be understood.
    #[error("{}: {reason}; see what still runs with `ps`, then delete the file", path.display())]
    StateFile {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another `quarterdeck` is starting or stopping the local cloud.
    #[error("another quarterdeck is starting or stopping the local cloud (lock {}); wait until it is done", .0.display())]
    Busy(PathBuf),
    /// A program that is not installed.
    #[error("{program} is not installed: {way_out}")]
    Missing {
        /// Its name.
        program: &'static str,
        /// What to do.
        way_out: String,
    },
    /// A program that failed.
    #[error("{what} failed ({status}){}\n{}", way_out.as_ref().map(|text| format!(": {text}")).unwrap_or_default(), tail.join("\n"))]
    Command {
        /// What it was to do.
        what: String,
        /// Its exit status.
        status: String,
        /// What to do, where we know.
        way_out: Option<String>,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// A program that took too long.
    #[error("{what} was not done within {} s\n{}", limit.as_secs(), tail.join("\n"))]
    TooSlow {
        /// What.
        what: String,
        /// The limit.
        limit: Duration,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// The container engine.
    #[error("container engine at {endpoint}: {reason}")]
    Engine {
        /// Where.
        endpoint: String,
        /// Why, with the way out.
        reason: String,
    },
    /// The port that was asked for.
    #[error("port {0} is taken by another program; give another with --port, or none to take a free one")]
    PortTaken(u16),
    /// A process that would not go.
    #[error("process {pid} ({what}) is still there {} s after SIGKILL", limit.as_secs())]
    WouldNotStop {
        /// Its id.
        pid: u32,
        /// Which of ours.
        what: String,
        /// How long we waited.
        limit: Duration,
    },
}

/// For `map_err` on file operations.
pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> LocalError + '_ {
    move |source| LocalError::File { path: path.to_owned(), source }
}
