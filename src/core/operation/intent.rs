//! What the operator asked for, and the steps that it takes.

use serde::{Deserialize, Serialize};

use super::deploy::{Deploy, Destroy};
use super::fact::Facts;
use super::rotate::{Rotation, UndoRotation};
use super::service::{Restart, Rollback, Scale, StopTask};
use super::work::Step;

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
    /// Create or update the stacks of an environment.
    Deploy(Deploy),
    /// Delete the stacks of an environment.
    Destroy(Destroy),
    /// Rotate a client's secret.
    Rotate(Rotation),
    /// Take back a rotation that was not finished.
    UndoRotation(UndoRotation),
}

impl Intent {
    /// One word for the audit and the screen.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Scale(_) => "scale",
            Self::Restart(_) => "restart",
            Self::Rollback(_) => "rollback",
            Self::StopTask(_) => "stop",
            Self::Deploy(_) => "deploy",
            Self::Destroy(_) => "destroy",
            Self::Rotate(_) => "rotate",
            Self::UndoRotation(_) => "undo-rotation",
        }
    }

    /// Whether it stays open after a failure, so that it can be resumed or undone.
    pub fn stays_open_on_failure(&self) -> bool {
        matches!(self, Self::Rotate(_) | Self::UndoRotation(_) | Self::Destroy(_))
    }

    /// The steps, each after those that it needs.
    ///
    /// Their number and titles depend on the intent alone. A step that needs a fact which is not
    /// known yet is [`Work::NotYet`].
    pub fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        match self {
            Self::Scale(scale) => scale.steps(),
            Self::Restart(restart) => restart.steps(facts),
            Self::Rollback(rollback) => rollback.steps(facts),
            Self::StopTask(stop) => stop.steps(operation),
            Self::Deploy(deploy) => deploy.steps(operation, facts),
            Self::Destroy(destroy) => destroy.steps(operation),
            Self::Rotate(rotation) => rotation.steps(operation, facts),
            Self::UndoRotation(undo) => undo.steps(facts),
        }
    }
}
