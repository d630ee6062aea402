//! Why a command ends without its result.

use std::io;
use std::path::PathBuf;

use super::Exit;
use crate::cloud::CloudError;
use crate::core::error::{ErrorKind, PlanError, Refusal};

/// Why a command ends without its result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A call to the cloud failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// What was asked for is not possible.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The result could not be written to stdout.
    #[error("stdout: {0}")]
    Output(#[source] io::Error),
    /// The audit could not be read.
    #[error("the audit {}: {error}", path.display())]
    Audit {
        /// Its file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Cloud(error) => Self::Cloud(error),
            PlanError::Refused(refusal) => Self::Refused(refusal),
            PlanError::Already(how) => Self::Refused(Refusal::new(ErrorKind::Conflict, how)),
        }
    }
}

impl Failure {
    /// What was asked for is not possible.
    pub(super) fn refused(kind: ErrorKind, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(kind, why).with_hint(hint))
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Cloud(error) => error.hint.as_deref(),
            Self::Refused(refusal) => refusal.hint.as_deref(),
            Self::Output(_) | Self::Audit { .. } => None,
        }
    }

    /// The code that the program ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Cloud(CloudError { kind, .. }) | Self::Refused(Refusal { kind, .. }) => Exit::of(*kind),
            Self::Output(_) | Self::Audit { .. } => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Refusal::new(ErrorKind::NotFound, "there is no server \"x\"").into(), "there is no server \"x\"", Exit::NotFound)]
    #[case(Refusal::new(ErrorKind::Invalid, "there is no theme \"x\"").into(), "there is no theme \"x\"", Exit::Usage)]
    #[case(Refusal::new(ErrorKind::Conflict, "busy").into(), "busy", Exit::Failed)]
    #[case(CloudError::new(ErrorKind::Denied, "ecs:ListServices", "no").into(), "ecs:ListServices: no", Exit::Failed)]
    #[case(Failure::Output(io::ErrorKind::StorageFull.into()), "stdout: no storage space", Exit::Failed)]
    fn a_failure_has_a_message_and_an_exit_code(#[case] failure: Failure, #[case] words: &str, #[case] exit: Exit) {
        assert_eq!((failure.to_string().as_str(), failure.exit()), (words, exit));
    }
}
