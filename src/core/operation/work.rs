//! The single steps of which every operation is made: calls that write, and conditions to wait for.
//!
//! Both are data. A call never carries a secret's value: it names the place in Secrets Manager
//! where the value already lies, so a value is durable before it is live.

use jiff::{SignedDuration, Timestamp};

use super::announcement::Announcement;
use super::fact::Fact;
use crate::core::stack::{ChangeSetRequest, StackRef};

/// A write to the cloud. [`super::Approved`] is the only way to have one carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Service(ServiceCall),
    Stack(StackCall),
    Secret(SecretCall),
    Board(BoardCall),
}

/// A write to a service and its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum ServiceCall {
    /// ECS UpdateService with a new desired count, unless the count is neither `from` nor this.
    SetDesired {
        cluster: String,
        service: String,
        desired: u32,
        from: Option<u32>,
    },
    /// RegisterScalableTarget with new bounds.
    SetBounds {
        cluster: String,
        service: String,
        min: u32,
        max: u32,
    },
    /// ECS UpdateService with force-new-deployment, unless the primary deployment is already another
    /// than `replaces`. Yields [`Fact::Deployment`].
    NewDeployment {
        cluster: String,
        service: String,
        replaces: Option<String>,
    },
    /// ECS UpdateService to another task definition, unless one is in force that is neither this nor
    /// what it `replaces`. Yields [`Fact::Deployment`].
    UseTaskDefinition {
        cluster: String,
        service: String,
        task_definition: String,
        replaces: Option<String>,
    },
    StopTask {
        cluster: String,
        task: String,
        reason: String,
    },
}

/// A write to a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum StackCall {
    /// CreateChangeSet and wait until it is ready. Yields [`Fact::ChangeSet`] and [`Fact::Destroys`].
    DraftChangeSet { request: Box<ChangeSetRequest> },
    /// ExecuteChangeSet under the client request token.
    ExecuteChangeSet { stack: StackRef, change_set: String, token: String },
    /// DeleteStack under the client request token.
    DeleteStack { stack: StackRef, token: String },
}

/// A write to a client's secrets, and to the Secret that carries its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum SecretCall {
    /// Writes the client secret of a new client to its Secret, if that holds none yet.
    PublishClientSecret { pool: String, client: String, secret: String },
    /// Generates a secret value and writes it with the client's id as `AWSPENDING`. Yields [`Fact::Pending`].
    StageNewSecret { client: String, secret: String, token: String },
    /// AddUserPoolClientSecret with the staged value that `probe` names, unless the client already has
    /// a secret that is not among the `known` and that the staged value opens. Yields [`Fact::ClientSecret`].
    AddClientSecret { pool: String, client: String, probe: TokenProbe, known: Vec<String> },
    /// DeleteUserPoolClientSecret, as long as the version `published` of `secret` is `AWSCURRENT`.
    DeleteClientSecret { pool: String, client: String, client_secret: String, secret: String, published: String },
    /// Creates a client with the same name and settings, unless one of this name exists that is not
    /// among the `known`. Yields [`Fact::Client`].
    CopyClient { pool: String, client: String, known: Vec<String> },
    /// Writes id and secret of a client as `AWSPENDING`. Yields [`Fact::Pending`].
    StageClient { pool: String, client: String, secret: String, token: String, also_allow: Vec<String> },
    /// Rewrites `AWSCURRENT` with the same credentials and this list of client ids that servers accept.
    AllowClients { secret: String, clients: Vec<String>, token: String },
    /// Moves `AWSCURRENT` to a version. Yields [`Fact::Previous`].
    Promote { secret: String, version: String },
    /// DeleteUserPoolClient, unless `AWSCURRENT` of `secret` holds its credentials.
    DeleteClient { pool: String, client: String, secret: String },
}

/// What others are told of an operation, as a tag on the cluster. Both can be repeated at will. Where there
/// is no cluster, there is nothing to write on, and that is no failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoardCall {
    /// TagResource; replaces what was announced under the same id.
    Announce { cluster: String, announcement: Announcement },
    /// UntagResource.
    Withdraw { cluster: String, operation: String },
}

/// Secrets Manager's staging labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Current,
    Pending,
    Previous,
}

impl Label {
    /// The label as Secrets Manager spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    Id(String),
    /// The one that has this label when the call is made.
    Labelled(Label),
}

/// Asks the token endpoint whether stored credentials open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenProbe {
    /// Secret in Secrets Manager that holds `client_id` and `client_secret`.
    pub secret: String,
    pub version: Version,
    /// OAuth 2.0 token endpoint.
    pub endpoint: String,
    /// Scopes to ask for; empty asks for all that the client has.
    pub scopes: Vec<String>,
}

/// A condition that is read back until it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum Check {
    /// One deployment is left, completed, with all its tasks running and its targets healthy.
    Steady {
        cluster: String,
        service: String,
        /// The count that the plan promised; `None`: the service's own desired count.
        desired: Option<u32>,
        /// The deployment that must be the primary one; another means superseded or rolled back.
        deployment: Option<String>,
    },
    /// The autoscaling bounds read back as promised.
    BoundsAre { cluster: String, service: String, min: u32, max: u32 },
    /// The task has stopped.
    TaskStopped { cluster: String, task: String },
    /// The stack has finished the operation of this token; without a token: it is not changing.
    StackSettled { stack: StackRef, token: Option<String> },
    /// The stack is gone.
    StackGone { stack: StackRef, token: String },
    /// The token endpoint grants a token for the stored credentials.
    TokenGranted { probe: TokenProbe },
    /// The token endpoint refuses the stored credentials.
    TokenRefused { probe: TokenProbe },
    /// The old credentials may go.
    GraceOver {
        /// The end of the grace period.
        until: Timestamp,
    },
}

impl Check {
    /// How long to wait before the operator is asked; `None`: no limit, the condition ends by itself.
    ///
    /// A stack of the platform waits for CloudFront, which takes half an hour on a bad day; a
    /// deployment has ECS's circuit breaker, which gives up much earlier.
    pub fn patience(&self) -> Option<SignedDuration> {
        match self {
            Self::StackSettled { .. } | Self::StackGone { .. } => Some(SignedDuration::from_mins(120)),
            Self::Steady { .. } => Some(SignedDuration::from_mins(60)),
            Self::BoundsAre { .. } | Self::TaskStopped { .. } => Some(SignedDuration::from_mins(15)),
            Self::TokenGranted { .. } | Self::TokenRefused { .. } => Some(SignedDuration::from_mins(15)),
            Self::GraceOver { .. } => None,
        }
    }
}

/// How a condition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckState {
    /// It holds; how, in words.
    Holds(String),
    /// Not yet; how far it is, in words.
    Pending(String),
    /// It can no longer hold; why, in words.
    Failed(String),
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Apply(Call),
    /// Wait until it holds.
    Await(Check),
    /// There is nothing to do; why, in words.
    Skip(String),
    /// It cannot be computed before an earlier step has learnt this fact.
    NotYet(Fact),
}

impl From<ServiceCall> for Work {
    fn from(call: ServiceCall) -> Self {
        Self::Apply(Call::Service(call))
    }
}

impl From<StackCall> for Work {
    fn from(call: StackCall) -> Self {
        Self::Apply(Call::Stack(call))
    }
}

impl From<SecretCall> for Work {
    fn from(call: SecretCall) -> Self {
        Self::Apply(Call::Secret(call))
    }
}

impl From<Check> for Work {
    fn from(check: Check) -> Self {
        Self::Await(check)
    }
}

/// Work, or the fact that it still lacks.
impl<T: Into<Work>> From<Result<T, Fact>> for Work {
    fn from(known: Result<T, Fact>) -> Self {
        known.map_or_else(Self::NotYet, Into::into)
    }
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In the imperative, such as `set desired count of time to 3`.
    pub title: String,
    pub work: Work,
    /// Indices of the steps that must be done first.
    pub after: Vec<usize>,
}
