//! What can go wrong with the cloud, in the words an operator needs.

use serde::{Deserialize, Serialize};

/// The kinds of failure that the console treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// No credentials were found in the standard chain.
    NoCredentials,
    /// The credentials have expired or are not valid.
    Expired,
    /// The caller may not make this call.
    Denied,
    /// The named thing does not exist.
    NotFound,
    /// The service asks to slow down.
    Throttled,
    /// The thing is busy with another change, or in a state that forbids this one.
    Conflict,
    /// The request is not valid.
    Invalid,
    /// The endpoint does not offer this call (an emulator, a partition).
    Unsupported,
    /// The endpoint could not be reached.
    Unreachable,
    /// No answer in time. For a write: it is unknown whether it happened.
    TimedOut,
    /// The endpoint answered something that is not what the API promises.
    Garbled,
    /// The service failed (5xx).
    Service,
    /// It was not asked, or has not answered yet: no failure.
    NotYet,
}

/// A failed call: what was asked, why it failed, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{call}: {message}")]
pub struct CloudError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The AWS call, as `service:Operation`.
    pub call: String,
    /// The reason, in the service's words where it gave any, sanitised.
    pub message: String,
    /// What the operator can do about it.
    pub hint: Option<String>,
}

/// A request that is refused although no call failed: why, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// What kind of refusal it is: not found, invalid, or in conflict with the present state.
    pub kind: ErrorKind,
    pub why: String,
    /// What the operator can do about it.
    pub hint: Option<String>,
    /// What in the hint is a command of this program.
    pub way: Option<Way>,
}

/// What helps where something else is refused. The command line calls it by a command, the console by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    Status,
    Restart,
    Rollback,
    Scale,
    StopDeployment,
    StopTask,
    Stacks,
    CancelUpdate,
    ContinueRollback,
    Deploy,
    Publish,
    Users,
    Quarantine,
    ShiftZone,
    Operations,
}

impl Hand {
    /// What calls this hand by its command, with other words for it where there are some.
    pub fn called(self, text: &str, command: &str, words: impl FnOnce(Self) -> Option<String>) -> String {
        match words(self) {
            Some(words) => text.replace(&format!("`{command}`"), &words),
            None => text.to_owned(),
        }
    }
}

/// A hand in a hint: which, and the words that are its command there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub hand: Hand,
    pub command: String,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Something could not be read.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// What was asked for is not possible.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nothing to do: it is already as it was wished; how it is.
    #[error("{0}")]
    Already(String),
}

pub type PlanResult<T> = Result<T, PlanError>;

/// Result of a call to the cloud.
pub type CloudResult<T> = Result<T, CloudError>;

impl CloudError {
    /// A failure with the usual hint of its kind.
    pub fn new(kind: ErrorKind, call: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, call: call.into(), message: message.into(), hint: kind.hint().map(Into::into) }
    }

    /// The same failure with a more precise way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the same read may succeed if asked again.
    pub fn retryable(&self) -> bool {
        use ErrorKind::{Garbled, Service, Throttled, TimedOut, Unreachable};
        matches!(self.kind, Throttled | Unreachable | TimedOut | Garbled | Service)
    }

    /// Whether the caller's credentials or permissions are the cause.
    pub fn ours(&self) -> bool {
        matches!(self.kind, ErrorKind::Expired | ErrorKind::NoCredentials | ErrorKind::Denied)
    }

    /// Whether signing in again is the way out.
    pub fn signed_out(&self) -> bool {
        matches!(self.kind, ErrorKind::Expired | ErrorKind::NoCredentials)
    }

    /// Whether a write that failed like this may nevertheless have happened.
    pub fn outcome_unknown(&self) -> bool {
        use ErrorKind::{Garbled, Service, TimedOut, Unreachable};
        matches!(self.kind, TimedOut | Garbled | Service | Unreachable)
    }
}

impl Refusal {
    /// A refusal without a way out.
    pub fn new(kind: ErrorKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into(), hint: None, way: None }
    }

    /// Something that is needed was not read; the way out is that of the failed read.
    pub fn unread(what: &str, error: &CloudError) -> Self {
        Self {
            kind: error.kind,
            why: format!("{what} could not be read: {error}"),
            hint: error.hint.clone(),
            way: None,
        }
    }

    /// The same refusal with a way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the hint calls by this command is this hand.
    #[must_use]
    pub fn with_way(mut self, hand: Hand, command: impl Into<String>) -> Self {
        self.way = Some(Way { hand, command: command.into() });
        self
    }

    /// The hint, with other words for the command in it where there are some.
    pub fn hint_with(&self, words: impl FnOnce(Hand) -> Option<String>) -> Option<String> {
        let hint = self.hint.as_ref()?;
        Some(match &self.way {
            Some(way) => way.hand.called(hint, &way.command, words),
            None => hint.clone(),
        })
    }
}

impl From<CloudError> for Refusal {
    fn from(CloudError { kind, message, hint, .. }: CloudError) -> Self {
        Self { kind, why: message, hint, way: None }
    }
}

impl PlanError {
    /// The same failure with a hint that is a command of this program, and what comes of it.
    #[must_use]
    pub fn with_way(self, hand: Hand, command: &str, then: &str) -> Self {
        match self.with_hint(format!("`{command}` {then}")) {
            Self::Refused(refusal) => Self::Refused(refusal.with_way(hand, command)),
            other => other,
        }
    }

    /// The same failure with a more precise way out.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Cloud(error) => error.with_hint(hint).into(),
            Self::Refused(refusal) => refusal.with_hint(hint).into(),
            already @ Self::Already(_) => already,
        }
    }

    /// The reason, without the call that failed.
    pub fn why(&self) -> &str {
        match self {
            Self::Cloud(error) => &error.message,
            Self::Refused(refusal) => &refusal.why,
            Self::Already(how) => how,
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Cloud(error) => error.hint.as_deref(),
            Self::Refused(refusal) => refusal.hint.as_deref(),
            Self::Already(_) => None,
        }
    }
}

impl ErrorKind {
    /// The way out that holds for every failure of this kind.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::NoCredentials => Some("run `aws configure` or `aws sso login`, or set AWS_PROFILE"),
            Self::Expired => Some("sign in again (`aws sso login`) or refresh the session's keys"),
            Self::Denied => Some("the role lacks this permission; use another with --profile"),
            Self::Throttled => Some("the account's request rate is used up; it is tried again, slower"),
            Self::Unreachable => Some("check the network, the region and --endpoint-url"),
            Self::TimedOut => Some("the endpoint accepted the connection but did not answer"),
            Self::Garbled => Some("is the endpoint really an AWS API?"),
            Self::NotFound | Self::Conflict | Self::Invalid | Self::Unsupported | Self::Service | Self::NotYet => None,
        }
    }
}
