//! The single steps of which every operation is made: calls that write, and conditions to wait for.
//!
//! Both are data. A call never carries a secret's value: it names the place in Secrets Manager
//! where the value already lies, so a value is durable before it is live.

mod check;
mod secret;
mod stack;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::announcement::Announcement;
use super::fact::{Fact, Facts};
use super::quarantine::ChangeQuarantine;
use super::shift::ChangeShift;
use super::user::UserChange;
use crate::core::fleet::Bounds;
use crate::core::image::{EcrImage, Platform};
use crate::core::plan::Confirm;
pub use check::{Check, CheckState, Made, Promise};
pub use secret::{Hold, LEASE, Label, Lease, LeaseFrom, Proof, SecretCall, TokenProbe, Version, labelled};
pub use stack::{Deletion, Shown, StackCall};

/// A write to the cloud. [`super::Approved`] is the only way to have one carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Service(ServiceCall),
    Stack(StackCall),
    Secret(SecretCall),
    Board(BoardCall),
    User(UserCall),
    Quarantine(QuarantineCall),
    Shift(ShiftCall),
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
    /// The same for other processors. With them the name stands for an index (OCI image specification, "Image Index").
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Part>,
}

/// An image of an index that goes to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// As `sha256:…`.
    pub id: String,
    pub platform: Platform,
}

impl Push {
    /// The ids of all its images.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.others.iter().map(|part| part.id.as_str()))
    }

    /// What they are for, as a sentence has it.
    pub fn platforms(&self) -> String {
        let all = std::iter::once(&self.platform).chain(self.others.iter().map(|part| &part.platform));
        all.map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }
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

/// A start or an end of a zonal shift, if what is there is what the plan saw. It can be repeated at will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftCall {
    pub change: ChangeShift,
    /// Id of the operation, which the shift bears.
    pub operation: String,
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

impl From<ShiftCall> for Work {
    fn from(call: ShiftCall) -> Self {
        Self::Apply(Call::Shift(call))
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

impl Step {
    /// Whether nothing is to be done, or was: why, its note says.
    pub fn skipped(&self) -> bool {
        matches!(self.work, Work::Skip(_))
    }
}
