//! What an operator asks for, and what that means once it is planned.

use serde::{Deserialize, Serialize};

use super::deploy::{Deploy, Destroy};
use super::fact::Facts;
use super::publish::Publish;
use super::quarantine::ChangeQuarantine;
use super::rescue::{CancelUpdate, ContinueRollback, STOPS, StopDeployment};
use super::rotate::{Rotation, UndoRotation};
use super::service::{Restart, Rollback, Scale, StopTask};
use super::shift::ChangeShift;
use super::user::{ChangeUser, UserChange};
use super::variable::SetSecret;
use super::work::Step;
use crate::core::fleet::Bounds;
use crate::core::plan::Plan;
use crate::core::quarantine::Who;

/// What is to be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanRequest {
    /// New desired count or bounds.
    Scale {
        server: String,
        desired: Option<u32>,
        /// New bounds; a missing one keeps its value.
        bounds: Option<Bounds>,
    },
    Restart {
        server: String,
    },
    /// An earlier task definition.
    Rollback {
        server: String,
        /// Revision; `None` is the one before.
        revision: Option<u32>,
    },
    StopTask {
        /// Task id, its beginning, or ARN.
        task: String,
    },
    /// Stop the service deployment that is under way, so that ECS goes back to the revision before.
    StopDeployment {
        server: String,
    },
    /// Cancel the update of a stack that is under way, so that CloudFormation takes it back.
    CancelUpdate {
        /// The stack: `edge`, `network`, `platform`, a server, or its whole name.
        stack: String,
    },
    /// Go on with a rollback of a stack that failed.
    ContinueRollback {
        /// As above.
        stack: String,
        /// Resources that are left as they are: `LogicalId`, or `NestedStackName.LogicalId`.
        skip: Vec<String>,
    },
    /// Create or update the environment's stacks.
    Deploy {
        /// Only these servers (and what they need); empty is all.
        servers: Vec<String>,
    },
    /// Delete the environment's stacks.
    Destroy,
    /// Bring images of servers to their registry.
    Publish {
        /// The servers; empty is all for which the file says where their image comes from, and gangway if it says so
        /// of that.
        servers: Vec<String>,
        /// The image of gangway alone.
        gangway: bool,
        /// An image that is taken instead of what the file says.
        from: Option<String>,
    },
    /// Rotate a client's secret.
    Rotate {
        /// Client id or name.
        client: String,
        /// How long the old credentials stay valid, in seconds.
        grace_seconds: i64,
    },
    /// Set a variable of a server whose value is secret. The value comes apart, and is in no plan.
    SetSecret {
        server: String,
        /// Name of the variable.
        key: String,
    },
    /// Take such a variable away.
    UnsetSecret {
        server: String,
        /// Name of the variable.
        key: String,
    },
    /// Sign a user out, or say whether they may sign in.
    ChangeUser {
        /// Name or e-mail address.
        user: String,
        change: UserChange,
    },
    /// Keep a caller out of all servers for a time, or let it in again.
    Quarantine {
        /// A client's id or name; a `sub`, or a user's name or address.
        who: Who,
        /// For how long from now; `None` lets them in again.
        seconds: Option<i64>,
        /// How many requests they made in the last five minutes, where somebody has counted.
        lately: Option<u64>,
    },
    /// Take a zone out of the load balancer for a time.
    ShiftZone {
        /// Name or id of the zone.
        zone: String,
        /// For how long from now.
        seconds: i64,
    },
    /// Let the zone in again that was taken out.
    CancelShift,
    /// Take an unfinished rotation back.
    UndoRotation {
        plan: Box<Plan>,
        /// Facts that the rotation had learnt.
        learnt: Facts,
    },
}

impl PlanRequest {
    /// Title while the plan is being made; `environment` is the current one.
    pub fn title(&self, environment: &str) -> String {
        match self {
            Self::Scale { server, .. } => format!("scale {server}"),
            Self::Restart { server } => format!("restart {server}"),
            Self::Rollback { server, .. } => format!("roll back {server}"),
            Self::StopTask { task } => format!("stop task {task}"),
            Self::StopDeployment { server } => format!("stop the deployment of {server}"),
            Self::CancelUpdate { stack } => format!("cancel the update of {stack}"),
            Self::ContinueRollback { stack, .. } => format!("continue the rollback of {stack}"),
            Self::Deploy { .. } => format!("deploy {environment}"),
            Self::Destroy => format!("destroy {environment}"),
            Self::Publish { gangway: true, .. } => "publish the image of gangway".to_owned(),
            Self::Publish { servers, .. } if servers.is_empty() => format!("publish the images of {environment}"),
            Self::Publish { servers, .. } => format!("publish the image of {}", servers.join(", ")),
            Self::Rotate { client, .. } => format!("rotate {client}"),
            Self::SetSecret { server, key } => format!("set {key} of {server}"),
            Self::UnsetSecret { server, key } => format!("unset {key} of {server}"),
            Self::ChangeUser { user, change } => format!("{} {user}", change.verb()),
            Self::Quarantine { who, seconds: Some(_), .. } => format!("quarantine {who}"),
            Self::Quarantine { who, seconds: None, .. } => format!("lift the quarantine of {who}"),
            Self::ShiftZone { zone, .. } => format!("take zone {zone} out"),
            Self::CancelShift => "let the zone in again".to_owned(),
            Self::UndoRotation { .. } => "take the rotation back".to_owned(),
        }
    }
}

/// The version of the steps: raised when those of any intent change in number or order. The audit names
/// steps by their index, so an operation that an earlier version began cannot be gone on with.
pub const LAYOUT: u32 = 3;

/// A write as the operator means it: what is to be true in the end.
///
/// It holds names and the values that the operator saw, but no step: [`Intent::steps`] computes the
/// steps from the intent and the [`Facts`] learnt so far. The audit keeps both, which is enough to go
/// on after a crash. To add a kind of write, add a variant and its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Intent {
    /// Change the number of tasks, or the bounds of autoscaling.
    Scale(Scale),
    /// Replace all tasks by new ones of the same task definition.
    Restart(Restart),
    /// Go back to another task definition.
    Rollback(Rollback),
    /// Stop one task; its service replaces it.
    StopTask(StopTask),
    /// Stop a service deployment; ECS goes back to the revision before.
    StopDeployment(StopDeployment),
    /// Cancel the update of a stack; CloudFormation takes it back.
    CancelUpdate(CancelUpdate),
    /// Go on with a rollback of a stack that failed.
    ContinueRollback(ContinueRollback),
    /// Create or update the stacks of an environment.
    Deploy(Deploy),
    /// Delete the stacks of an environment.
    Destroy(Destroy),
    /// Rotate a client's secret.
    Rotate(Rotation),
    /// Take back a rotation that was not finished.
    UndoRotation(UndoRotation),
    /// Set a variable of a server whose value is secret.
    SetSecret(SetSecret),
    /// Sign a user out, or say whether they may sign in.
    ChangeUser(ChangeUser),
    /// Keep a caller out of all servers for a time, or let it in again.
    Quarantine(ChangeQuarantine),
    /// Take a zone out of the load balancer for a time, or let it in again.
    ZonalShift(ChangeShift),
    /// Bring images of servers to their registry.
    Publish(Publish),
}

impl Intent {
    /// One word for the audit and the screen.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Scale(_) => "scale",
            Self::Restart(_) => "restart",
            Self::Rollback(_) => "rollback",
            Self::StopTask(_) => "stop",
            Self::StopDeployment(_) => STOPS,
            Self::CancelUpdate(_) => "cancel-update",
            Self::ContinueRollback(_) => "continue-rollback",
            Self::Deploy(_) => "deploy",
            Self::Destroy(_) => "destroy",
            Self::Rotate(_) => "rotate",
            Self::UndoRotation(_) => "undo-rotation",
            Self::SetSecret(set) => set.word(),
            Self::ChangeUser(user) => user.change.word(),
            Self::Quarantine(change) => change.word(),
            Self::ZonalShift(change) => change.word(),
            Self::Publish(_) => "publish",
        }
    }

    /// Whether it stays open after a failure, so that it can be resumed or undone.
    pub fn stays_open_on_failure(&self) -> bool {
        matches!(self, Self::Rotate(_) | Self::UndoRotation(_) | Self::Destroy(_) | Self::Publish(_))
    }

    /// The steps, each after those that it needs.
    ///
    /// Their number and titles depend on the intent alone. A step that needs a fact which is not
    /// known yet is [`Work::NotYet`](super::work::Work::NotYet).
    pub fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        match self {
            Self::Scale(scale) => scale.steps(facts),
            Self::Restart(restart) => restart.steps(facts),
            Self::Rollback(rollback) => rollback.steps(facts),
            Self::StopTask(stop) => stop.steps(operation),
            Self::StopDeployment(stop) => stop.steps(),
            Self::CancelUpdate(cancel) => cancel.steps(operation, facts),
            Self::ContinueRollback(go_on) => go_on.steps(operation, facts),
            Self::Deploy(deploy) => deploy.steps(operation, facts),
            Self::Destroy(destroy) => destroy.steps(operation, facts),
            Self::Rotate(rotation) => rotation.steps(operation, facts),
            Self::UndoRotation(undo) => undo.steps(operation, facts),
            Self::SetSecret(set) => set.steps(operation, facts),
            Self::ChangeUser(user) => user.steps(),
            Self::Quarantine(change) => change.steps(),
            Self::ZonalShift(change) => change.steps(operation),
            Self::Publish(publish) => publish.steps(operation, facts),
        }
    }
}
