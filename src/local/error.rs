//! What can go wrong with the local cloud, and what to do about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the local cloud cannot be started, found or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// There is no home directory, and so no place for state and data.
    #[error("no home directory: set HOME, or XDG_STATE_HOME and XDG_DATA_HOME")]
    NoHome,
    /// A file or directory cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The state file exists but cannot be understood.
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
    /// An image is not there, or cannot be used.
    #[error("image {image}: {reason}; {way_out}")]
    Image {
        /// Its name.
        image: String,
        /// Why.
        reason: String,
        /// What to do.
        way_out: String,
    },
    /// A program is not installed.
    #[error("{program} is not installed: {way_out}")]
    Missing {
        /// Its name.
        program: &'static str,
        /// What to do.
        way_out: String,
    },
    /// A program failed.
    #[error("{what} failed ({status}){}\n{}", way_out.as_ref().map(|text| format!(": {text}")).unwrap_or_default(), tail.join("\n"))]
    Command {
        /// What it was started for.
        what: String,
        /// Its exit status.
        status: String,
        /// What to do about it, if that is known.
        way_out: Option<String>,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// A program took too long.
    #[error("{what} was not done within {} s\n{}", limit.as_secs(), tail.join("\n"))]
    TooSlow {
        /// What.
        what: String,
        /// The limit.
        limit: Duration,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// The container engine does not answer, or refuses.
    #[error("container engine at {endpoint}: {reason}")]
    Engine {
        /// Where.
        endpoint: String,
        /// Why, with the way out.
        reason: String,
    },
    /// The port that was asked for is taken.
    #[error("port {0} is taken by another program; choose another one, or none to take a free one")]
    PortTaken(u16),
    /// There is no local cloud to break or to mend.
    #[error("the local cloud does not run; start it with `quarterdeck local up`")]
    NotRunning,
    /// The emulator cannot play a fault.
    #[error("{fault}: {reason}")]
    Unplayable {
        /// Its name.
        fault: &'static str,
        /// Why not, and where it is played.
        reason: String,
    },
    /// A fault cannot be put into the local cloud as it is now.
    #[error("{fault}: {reason}")]
    Fault {
        /// Its name.
        fault: &'static str,
        /// Why not, with the way out.
        reason: String,
    },
    /// The local cloud has no server of this name to break.
    #[error("{fault}: there is no server {server}; there is {known}")]
    NoServer {
        /// The fault.
        fault: &'static str,
        /// The name.
        server: String,
        /// Those that there are.
        known: String,
    },
    /// The emulator refuses a call, or does not answer.
    #[error("the emulator's {call}: {reason}")]
    Emulated {
        /// The call.
        call: String,
        /// What it says.
        reason: String,
    },
    /// A process cannot be ended.
    #[error("process {pid} ({what}) still runs {} s after SIGKILL", limit.as_secs())]
    WouldNotStop {
        /// Its id.
        pid: u32,
        /// Which of ours.
        what: String,
        /// How long we waited.
        limit: Duration,
    },
}

/// Makes an error of this file, for `map_err`.
pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> LocalError + '_ {
    move |source| LocalError::File { path: path.to_owned(), source }
}
