//! What an operator asks for, before it is a plan.

use super::fact::Facts;
use crate::core::fleet::Bounds;
use crate::core::plan::Plan;

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
    /// Create or update the environment's stacks.
    Deploy {
        /// Only these servers (and what they need); empty is all.
        servers: Vec<String>,
    },
    /// Delete the environment's stacks.
    Destroy,
    /// Rotate a client's secret.
    Rotate {
        /// Client id or name.
        client: String,
        /// How long the old credentials stay valid, in seconds.
        grace_seconds: i64,
    },
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
            Self::Deploy { .. } => format!("deploy {environment}"),
            Self::Destroy => format!("destroy {environment}"),
            Self::Rotate { client, .. } => format!("rotate {client}"),
            Self::UndoRotation { .. } => "take the rotation back".to_owned(),
        }
    }
}
