//! Why the program ends without having done what was asked.

use std::io;

use quarterdeck::cloud::CloudError;
use quarterdeck::core::error::{PlanError, Refusal};
use quarterdeck::local::LocalError;
use quarterdeck::run::headless::{self, Exit};

use crate::config::ConfigError;

/// Why the program ends without having done what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProgramFailure {
    /// A command that works on a cloud failed.
    #[error(transparent)]
    Command(#[from] headless::Failure),
    /// A file of the operator cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The local cloud cannot be started, found or stopped.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A file of the program or the terminal cannot be used.
    #[error("{what}: {error}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        error: io::Error,
    },
}

impl ProgramFailure {
    /// Makes a failure of this file or of the terminal, for `map_err`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |error| Self::Io { what, error }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<&str> {
        if let Self::Command(failure) = self { failure.hint() } else { None }
    }

    /// The code that the program ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Command(failure) => failure.exit(),
            // What was asked for is not possible.
            Self::Config(_) | Self::Local(LocalError::Unplayable { .. }) => Exit::Usage,
            Self::Local(LocalError::NotRunning | LocalError::NoServer { .. }) => Exit::NotFound,
            Self::Local(_) | Self::Io { .. } => Exit::Failed,
        }
    }
}

impl From<CloudError> for ProgramFailure {
    fn from(error: CloudError) -> Self {
        Self::Command(error.into())
    }
}

impl From<Refusal> for ProgramFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Command(refusal.into())
    }
}

impl From<PlanError> for ProgramFailure {
    fn from(error: PlanError) -> Self {
        Self::Command(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_local_cloud_does_not_have_is_not_found() {
        let (server, known) = ("nosuch".to_owned(), "time".to_owned());
        let missing = LocalError::NoServer { fault: "exit", server, known };
        let impossible = LocalError::Unplayable { fault: "memory", reason: "not here".to_owned() };
        let broken = LocalError::Fault { fault: "exit", reason: "it is broken already".to_owned() };
        for (error, exit) in [
            (missing, Exit::NotFound),
            (LocalError::NotRunning, Exit::NotFound),
            (impossible, Exit::Usage),
            (broken, Exit::Failed),
            (LocalError::NoHome, Exit::Failed),
        ] {
            assert_eq!(ProgramFailure::from(error).exit(), exit);
        }
    }
}
