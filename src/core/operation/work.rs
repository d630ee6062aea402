//! The single steps of which every operation is made: calls that write, and conditions to wait for.
//!
//! Both are data. A call never carries a secret's value: it names the place in Secrets Manager
//! where the value already lies, so a value is durable before it is live.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::announcement::Announcement;
use super::fact::{Fact, Facts};
use super::quarantine::ChangeQuarantine;
use super::rescue::By;
use super::user::UserChange;
use crate::core::fleet::Bounds;
use crate::core::image::{EcrImage, Platform};
use crate::core::plan::Confirm;
use crate::core::stack::{ChangeSetRequest, DeadEnd, Stack, StackRef, StackStatus};

/// A write to the cloud. [`super::Approved`] is the only way to have one carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Service(ServiceCall),
    Stack(StackCall),
    Secret(SecretCall),
    Board(BoardCall),
    User(UserCall),
    Quarantine(QuarantineCall),
    Image(ImageCall),
}

/// A write to a service and its tasks.
///
/// Each names what the plan showed. If that does not hold when the call is made, nothing is written and
/// the answer is [`Applied::Changed`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum ServiceCall {
    /// ECS UpdateService with a new desired count, if the count is `from` or this.
    SetDesired {
        cluster: String,
        service: String,
        desired: u32,
        from: Option<u32>,
    },
    /// ECS UpdateService with the nearest count in these bounds, if the count is outside.
    HoldCount {
        cluster: String,
        service: String,
        bounds: Bounds,
    },
    /// RegisterScalableTarget with new bounds, if the bounds are `from` or these.
    SetBounds {
        cluster: String,
        service: String,
        bounds: Bounds,
        from: Option<Bounds>,
    },
    /// ECS UpdateService with force-new-deployment, if the deployment in force is the one that it
    /// `replaces`. Yields [`Fact::Deployment`] and [`Fact::DeploymentAt`].
    NewDeployment {
        cluster: String,
        service: String,
        replaces: Option<String>,
    },
    /// ECS UpdateService to another task definition, if the one in force is this or what it `replaces`.
    /// Yields [`Fact::Deployment`] and [`Fact::DeploymentAt`].
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
    /// ECS StopServiceDeployment with the stop type ROLLBACK, if the deployment still goes forward. One that is on its
    /// way back already is left alone.
    StopDeployment {
        cluster: String,
        service: String,
        deployment: String,
    },
}

/// A write to a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum StackCall {
    /// CreateChangeSet and wait until it is ready. Yields [`Fact::ChangeSet`] and [`Fact::Destroys`].
    DraftChangeSet { request: Box<ChangeSetRequest> },
    /// ExecuteChangeSet under the client request token. A change set that another change of the stack has
    /// made void is made anew from `request`, and the operator is asked again.
    ExecuteChangeSet { stack: StackRef, change_set: String, token: String, request: Box<ChangeSetRequest> },
    /// DeleteStack, if the stack is the one that was shown.
    DeleteStack(Deletion),
    /// CancelUpdateStack under the client request token, if the update that was shown is under way. One that is being
    /// taken back already is left alone.
    CancelUpdate { stack: StackRef, shown: Shown, token: String },
    /// ContinueUpdateRollback under the client request token for the stack with this ARN, if its rollback has failed
    /// and what `failed` is what was shown. One that goes on already is left alone.
    ContinueRollback { stack: StackRef, arn: String, skip: Vec<String>, failed: Vec<String>, token: String },
}

/// A write to a registry. The container engine of this machine carries it out, not the wall to AWS: the engine has the
/// layers of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageCall {
    /// Pushes an image under a tag, if nothing has that tag. Does nothing if this image has it.
    Push(Push),
}

/// An image that goes to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// The name that it gets, with a tag.
    pub image: EcrImage,
    /// The image as the engine of this machine knows it, as `sha256:…`.
    pub id: String,
    /// For what it was built.
    pub platform: Platform,
}

/// What is deleted, and what was agreed to about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub stack: StackRef,
    /// What the client request token begins with.
    pub token: String,
    /// The stack as the operator knows it.
    pub shown: Option<Shown>,
    /// ARN of the role that CloudFormation acts as.
    pub role: Option<String>,
    /// Where the stack takes no change, the deletion protection of its resources may be switched off.
    pub unprotects: bool,
}

/// What a client request token has between its operation's part and the time of a repeated deletion.
const AGAIN: &str = "-again-";

impl Deletion {
    /// The client request token for a deletion of a stack in this state. CloudFormation takes each token once
    /// (DeleteStack, TokenAlreadyExists), so a deletion that failed is repeated under another one.
    pub fn attempt(&self, status: &StackStatus, now: Timestamp) -> String {
        let token = &self.token;
        if status.dead_end() == Some(DeadEnd::HalfDeleted) {
            format!("{token}{AGAIN}{}", now.as_second())
        } else {
            token.clone()
        }
    }

    /// Whether an event's token is that of an attempt of the deletion with this token.
    pub fn attempted(token: &str, event: &str) -> bool {
        event.strip_prefix(token).is_some_and(|rest| rest.is_empty() || rest.starts_with(AGAIN))
    }
}

impl StackCall {
    /// Whether it executes a change set of this stack.
    pub fn executes(&self, of: &StackRef) -> bool {
        matches!(self, Self::ExecuteChangeSet { stack, .. } if stack == of)
    }
}

/// A stack as an operator was shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The stack's ARN. A stack of the same name that is made later has another one.
    pub arn: String,
    /// Its last change.
    pub updated_at: Option<Timestamp>,
}

impl Shown {
    pub fn of(stack: &Stack) -> Self {
        Self { arn: stack.arn.clone(), updated_at: stack.updated_at }
    }
}

/// As it stands in a fact: the ARN, and the time if it is known.
impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)?;
        self.updated_at.map_or(Ok(()), |at| write!(f, " {at}"))
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        let (arn, at) = text.split_once(' ').unwrap_or((text, ""));
        Self { arn: arn.to_owned(), updated_at: at.parse().ok() }
    }
}

/// A write to a client's secrets, and to the Secret that carries its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum SecretCall {
    /// Sees to it that `AWSCURRENT` holds credentials that open the token endpoint, and the ids of the
    /// clients in use, of which `client` and `users` are those that the stack made. Does nothing if it does.
    PublishClientSecret { pool: String, client: String, users: Option<String>, proof: Proof, token: String },
    /// Reserves a Secret for an operation, if the version `current` is `AWSCURRENT`. Yields [`Fact::Lease`]
    /// and [`Fact::Current`].
    TakeLease { lease: Lease, from: LeaseFrom, current: Option<String> },
    /// Marks the lease so that nobody can take it from the operation in order to take it back.
    SealLease { lease: Lease },
    /// Gives the Secret free.
    ReleaseLease { lease: Lease },
    /// Generates a secret value and writes it with the client's id as `AWSPENDING`. Yields [`Fact::Pending`].
    StageNewSecret { client: String, secret: String, token: String },
    /// AddUserPoolClientSecret with the staged value that `probe` names, unless the client already has
    /// a secret that is not among the `known` and that the staged value opens. Yields [`Fact::ClientSecret`].
    AddClientSecret { pool: String, client: String, probe: TokenProbe, known: Vec<String> },
    /// DeleteUserPoolClientSecret.
    DeleteClientSecret { pool: String, client: String, client_secret: String, hold: Hold },
    /// DeleteUserPoolClientSecret for all secrets of a client but this one.
    DeleteOtherSecrets { pool: String, client: String, keep: String, hold: Hold },
    /// Creates a client with the same name and settings, unless one of this name exists that is not
    /// among the `known`. Yields [`Fact::Client`].
    CopyClient { pool: String, client: String, known: Vec<String> },
    /// Writes id and secret of a client as `AWSPENDING`. Yields [`Fact::Pending`].
    StageClient { pool: String, client: String, secret: String, token: String, also_allow: Vec<String> },
    /// Replaces `AWSCURRENT` by the same credentials with another list of client ids that servers accept.
    /// Yields [`Fact::Allowed`].
    AllowClients { clients: Vec<String>, token: String, hold: Hold, proof: Proof },
    /// Moves `AWSCURRENT` to the version that `proof` proves, or to a copy that names the `client_secret` too:
    /// Cognito never tells which of a client's secrets has which value. Yields [`Fact::Previous`] and
    /// [`Fact::Published`].
    Promote { token: String, client_secret: Option<String>, hold: Hold, proof: Proof },
    /// Replaces `AWSCURRENT` by a copy of the version that `proof` proves, even where that one is
    /// `AWSCURRENT`: a move that another process has begun then finds another version and fails. Yields
    /// [`Fact::Republished`].
    Republish { token: String, hold: Hold, proof: Proof },
    /// Writes a version of a server's Secret with this variable set to the value that is held for the operation, or
    /// without the variable, and moves `AWSCURRENT` to it, if `current` has that label. Yields [`Fact::Published`].
    SetVariable { secret: String, key: String, current: String, operation: String, unset: bool },
    /// DeleteUserPoolClient.
    DeleteClient { pool: String, client: String, hold: Hold },
    /// DeleteUserPoolClient for the clients of this name that are not among the `known`.
    DeleteOtherClients { pool: String, name: String, known: Vec<String>, hold: Hold },
}

/// The reservation of a Secret for one operation, which colleagues on other machines see.
///
/// It is a version of the Secret that says who holds it, and the staging label [`LEASE`] on that version.
/// UpdateSecretVersionStage moves a label only from the version that the caller names, so two operators
/// cannot both get it (API reference, UpdateSecretVersionStage, RemoveFromVersionId).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Name of the Secret.
    pub secret: String,
    /// Id of the operation.
    pub operation: String,
    /// What it does, in a few words.
    pub what: String,
    /// ARN of the caller.
    pub by: String,
    /// Name of the client.
    pub client: String,
}

/// From whom a [`Lease`] may be taken. Versions are named by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseFrom {
    /// From nobody; if somebody holds it, the operator is asked.
    Nobody,
    /// From the operation that holds it with this version, as the operator has decided; or from nobody.
    Holder(String),
    /// Only from the operation that holds it with this version: what is to be done is about that operation.
    Only(String),
}

/// The staging label of a [`Lease`].
pub const LEASE: &str = "quarterdeck-lease";

/// What a write to a Secret, or to credentials in it, relies on. It is read just before the write, and a
/// move of a label names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Name of the Secret.
    pub secret: String,
    /// Id of the operation that must hold the lease.
    pub operation: String,
    /// The version that must be `AWSCURRENT`.
    pub current: String,
}

/// How credentials are proven before they are published: the token endpoint grants them a token, and
/// every server named here accepts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Names the version and the endpoint.
    pub probe: TokenProbe,
    /// URLs of MCP endpoints.
    pub servers: Vec<String>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It was carried out; what it learnt.
    Done(Facts),
    /// Nothing was written: what the plan showed does not hold any more, and the operator must decide.
    Changed(Box<Changed>),
    /// Nothing was written, and nothing can be decided: what the plan was about is gone. Why, in words.
    Void(String),
}

/// What was found instead of what the plan showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The thing, such as `time`.
    pub subject: String,
    /// Its property.
    pub field: String,
    /// As the plan showed it.
    pub planned: String,
    /// As it is now.
    pub now: String,
    /// As going on makes it.
    pub after: String,
    /// What is learnt if the operator agrees, so that the call goes on from what is there now.
    pub seen: Facts,
    /// A name to type, where it weighs more than the plan.
    pub confirm: Option<Confirm>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, field, planned, now, after, .. } = self;
        write!(f, "somebody has acted since this was planned: {field} of {subject} was {planned} and is {now} now; ")?;
        write!(f, "going on makes it {after}")
    }
}

/// A write to a user of a pool, if it is the one with this `subject`. It can be repeated at will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCall {
    pub pool: String,
    /// As Cognito knows them.
    pub user: String,
    /// The `sub` of their tokens.
    pub subject: String,
    pub change: UserChange,
}

/// A write of one entry of the list of callers that are kept out, if the entry is as the plan saw it. It can be
/// repeated at will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineCall {
    pub change: ChangeQuarantine,
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

/// The version that has a staging label, among versions with their labels.
pub fn labelled<'a>(versions: &'a BTreeMap<String, Vec<String>>, label: &str) -> Option<&'a str> {
    let bears = |labels: &Vec<String>| labels.iter().any(|one| one == label);
    versions.iter().find(|(_, labels)| bears(labels)).map(|(version, _)| version.as_str())
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
    /// One deployment is left, completed, with all its tasks running and the targets of each load balancer healthy.
    Steady { cluster: String, service: String, promise: Promise },
    /// Whether a server accepts stored credentials; yields [`Fact::Accepts`].
    Asked { service: String, probe: TokenProbe, url: String },
    /// A server answers at its public address, the URL of its MCP endpoint.
    Reached { url: String },
    /// A server accepts stored credentials.
    Accepted { probe: TokenProbe, url: String },
    /// The autoscaling bounds read back as promised.
    BoundsAre { cluster: String, service: String, bounds: Bounds },
    /// The task has stopped.
    TaskStopped { cluster: String, task: String },
    /// The stack has finished the operation of this token; without a token: it is not changing.
    StackSettled { stack: StackRef, token: Option<String> },
    /// The stack is gone.
    StackGone { stack: StackRef, token: String },
    /// The service deployment was taken back: the service is at the revision before it.
    DeploymentTakenBack { deployment: String },
    /// The update of the stack was taken back; with a token: by the operation of this token, if it fails.
    StackTakenBack { stack: StackRef, token: Option<String> },
    /// The token endpoint grants a token for the stored credentials.
    TokenGranted { probe: TokenProbe },
    /// The token endpoint refuses the stored credentials.
    TokenRefused { probe: TokenProbe },
    /// The version is `AWSCURRENT`, and has the variable, or has it no more.
    VariableSet { secret: String, key: String, version: String, unset: bool },
    /// A user may sign in, or not.
    UserEnabled { pool: String, user: String, enabled: bool },
    /// The list keeps a caller out until then, or does not.
    Quarantined { change: Box<ChangeQuarantine> },
    /// The registry has the image, under its tag; yields [`Fact::Image`].
    Published { server: String, push: Box<Push> },
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
            Self::StackSettled { .. } | Self::StackGone { .. } | Self::StackTakenBack { .. } => {
                Some(SignedDuration::from_mins(120))
            }
            Self::Steady { .. } | Self::DeploymentTakenBack { .. } => Some(SignedDuration::from_mins(60)),
            Self::BoundsAre { .. }
            | Self::TaskStopped { .. }
            | Self::VariableSet { .. }
            | Self::UserEnabled { .. }
            | Self::Quarantined { .. }
            | Self::Published { .. } => Some(SignedDuration::from_mins(15)),
            Self::TokenGranted { .. }
            | Self::TokenRefused { .. }
            | Self::Reached { .. }
            | Self::Asked { .. }
            | Self::Accepted { .. } => Some(SignedDuration::from_mins(15)),
            Self::GraceOver { .. } => None,
        }
    }
}

/// What is promised of a service that becomes steady.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Promise {
    /// Fewest and most tasks; `None`: the service's own desired count.
    pub count: Option<Bounds>,
    /// The deployment that the operation made. A newer one does as well.
    pub made: Option<Made>,
    /// ARN of the task definition that must be in force.
    pub task_definition: Option<String>,
}

/// A deployment that an operation made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub id: String,
    /// When, by the clock of ECS; unknown in audits of older versions.
    pub at: Option<Timestamp>,
}

/// How a condition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckState {
    /// It holds; how, in words.
    Holds(String),
    /// What could be read of it holds, and the rest cannot be read; which, in words.
    Unproven(String),
    /// Not yet; how far it is, in words.
    Pending(String),
    /// It does not hold, unless what was read is older than what was written; why, in words. ECS may show
    /// for some seconds what was there before (ECS API reference, eventual consistency).
    Doubtful(String),
    /// It can no longer hold; why, in words.
    Failed(String),
    /// It can no longer hold, because somebody has wanted so and taken it back: who, and what was taken back.
    Cancelled { by: By, what: String },
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

impl From<UserCall> for Work {
    fn from(call: UserCall) -> Self {
        Self::Apply(Call::User(call))
    }
}

impl From<QuarantineCall> for Work {
    fn from(call: QuarantineCall) -> Self {
        Self::Apply(Call::Quarantine(call))
    }
}

impl From<ImageCall> for Work {
    fn from(call: ImageCall) -> Self {
        Self::Apply(Call::Image(call))
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
