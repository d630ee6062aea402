//! Conditions that are read back until they hold.

use jiff::{SignedDuration, Timestamp};

use super::{Push, TokenProbe};
use crate::core::fleet::Bounds;
use crate::core::operation::quarantine::ChangeQuarantine;
use crate::core::operation::rescue::By;
use crate::core::operation::shift::ChangeShift;
use crate::core::stack::StackRef;

/// A condition that is read back until it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum Check {
    /// One deployment is left, completed, with all its tasks running and the targets of each load balancer healthy.
    Steady { cluster: String, service: String, promise: Promise },
    /// Whether a server accepts stored credentials; yields [`Fact::Accepts`](super::Fact::Accepts).
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
    /// The load balancer keeps requests away from a zone, or does so no more.
    Shifted { change: Box<ChangeShift>, operation: String },
    /// The registry has the image, under its tag; yields [`Fact::Image`](super::Fact::Image).
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
            | Self::Shifted { .. }
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
