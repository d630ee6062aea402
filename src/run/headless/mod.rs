//! The subcommands: the same work as the screens, without a terminal.
//!
//! Results go to stdout, as text or as JSON with stable names; progress and plans go to stderr.

mod clients;
mod doctor;
mod drive;
mod failure;
mod insights;
mod logs;
mod metrics;
mod operations;
mod others;
mod plan;
mod prompt;
mod quarantine;
mod report;
mod requests;
mod revisions;
mod rights;
mod secret;
mod sources;
mod stacks;
mod status;
mod timeline;
mod traffic;
mod users;
mod why;
mod zones;

use std::io::{self, Write};

pub use clients::{finish_rotation, list as list_clients, token, undo_rotation};
pub use doctor::{DoctorOptions, doctor};
pub use drive::{Consent, attempt, operate};
pub use failure::Failure;
pub use insights::{InsightsOptions, insights};
pub use logs::{LogsOptions, Mode, logs};
pub use metrics::metrics;
pub use operations::{list as list_operations, resume, undo};
pub use plan::{plan_only, print_audit};
pub use quarantine::list_quarantine;
pub use report::{Asked, Question, across};
pub use requests::{RequestsOptions, requests};
pub use revisions::{RevisionsOptions, revisions};
pub use rights::{RightsOf, RightsOptions, rights};
pub use secret::{list_secrets, set_secret};
use serde::Serialize;
pub use stacks::stacks;
pub use status::{FailOn, StatusOptions, status};
pub use timeline::{TimelineOptions, timeline};
pub use users::list_users;
pub use why::why;
pub use zones::list_zones;

use crate::cloud::ErrorKind;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON document; for streams, one on each line.
    Json,
}

/// How a command ended, as the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Usage error.
    Usage = 2,
    /// The named thing does not exist.
    NotFound = 3,
    /// Refused: read-only, or not confirmed.
    Refused = 4,
    /// Unfinished, and resumable.
    Unfinished = 5,
    /// The console was ended by SIGHUP: 128 and the signal's number, as a shell writes it.
    HungUp = 129,
    /// The console was ended by SIGINT.
    Interrupted = 130,
    /// The console was ended by SIGQUIT.
    QuitBySignal = 131,
    /// The console was ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The exit code for a kind of error.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Invalid => Self::Usage,
            _ => Self::Failed,
        }
    }
}

/// Writes a line to stdout.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}

/// Writes a JSON document to stdout.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints a text to stdout.
///
/// # Errors
/// When it cannot be written. That the reader of a pipe has gone away is no error.
pub fn print(text: &str) -> Result<(), Failure> {
    written(line(text))
}

/// Prints a JSON document to stdout.
///
/// # Errors
/// When it cannot be written. That the reader of a pipe has gone away is no error.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    written(json(value))
}

/// Writes a line of progress to stderr. If that fails, nobody reads it, and the work goes on.
pub fn progress(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Turns the result of writing to stdout into the command's. That the reader of a pipe has gone away is
/// no failure.
pub(crate) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}
