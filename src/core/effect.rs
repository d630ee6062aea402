//! Every output of the core: what the driver is to do. Data, never a closure.

use super::fleet::Bounds;
use super::logs::TailRequest;
use super::logs::insights::InsightsRequest;
use super::msg::Slot;
use super::operation::{self, Facts};
use super::plan::Plan;
use super::remote::Generation;
use super::stack::StackRef;

/// Something for the driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read, and answer [`Msg::Loaded`](super::msg::Msg::Loaded).
    Fetch(Slot, Generation),
    /// Follow these log groups instead of whatever was followed.
    Tail(Generation, TailRequest),
    /// Follow these log groups from now on: new ones join what is followed, the others leave.
    Sources(Vec<String>),
    /// Read the window `[from, until)` before what is kept, once.
    Older(Generation, TailRequest),
    /// Run a query, and answer [`Msg::Insights`](super::msg::Msg::Insights) as it goes on.
    Insights(Generation, InsightsRequest),
    /// Stop the query that runs.
    StopInsights,
    /// Plan, and answer [`Msg::Planned`](super::msg::Msg::Planned).
    Plan(Generation, PlanRequest),
    /// Do what an operation wants done.
    Operation(String, operation::Effect),
    /// Discard drafts that nobody will execute.
    Discard(Vec<(StackRef, String)>),
    /// Put text on the clipboard.
    Copy(String),
    /// Save text to a file of this name in the working directory.
    Save(String, String),
    /// End the console.
    Quit,
}

/// What is to be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanRequest {
    /// New desired count or bounds.
    Scale {
        /// Server name.
        server: String,
        /// New desired count.
        desired: Option<u32>,
        /// New bounds; a missing one keeps its value.
        bounds: Option<Bounds>,
    },
    /// A new deployment.
    Restart {
        /// Server name.
        server: String,
    },
    /// An earlier task definition.
    Rollback {
        /// Server name.
        server: String,
        /// Revision; `None` is the one before.
        revision: Option<u32>,
    },
    /// Stop a task.
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
        /// The rotation's plan.
        plan: Box<Plan>,
        /// What it had learnt.
        learnt: Facts,
    },
}
