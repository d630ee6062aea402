//! The trial of a server that knows nothing of gangway: its image is started once on the operator's machine, before
//! anything is deployed, and says which tools it has.
//!
//! What is started, what it said and what that means is here; an [`Engine`](crate::engine::Engine) does it. Nothing is
//! decided by it but what the operator sees: a server that could not be tried here is deployed like any other.

pub mod kept;
mod report;
mod scope;
mod setup;
pub mod talk;

pub use kept::{Kept, KeptTools};
pub use report::{Compared, Fine, Moved, Outcome, ServerTrial};
pub use scope::{Listed, Scope, scope, scopes};
pub use setup::{PLACEHOLDER, Trial, Way};

/// What came of a trial. Four values, of which none may be taken for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It answered.
    Answered(Answered),
    /// It could not be started on this machine, which says nothing of it.
    NotTried(String),
    /// It ended, or gave no answer of the protocol. What it said last, made harmless.
    Failed { why: String, said: Vec<String> },
    /// It ran until the time was over, and had not answered. Nobody knows what it waited for.
    Unknown { why: String, said: Vec<String> },
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The revision of MCP that it speaks.
    pub revision: String,
    /// Its tools, in its order.
    pub tools: Vec<Listed>,
    /// Its memory when its tools were known, in MiB; `None` where the engine did not say.
    pub memory_mib: Option<u64>,
    /// Time from its start until its tools were known, in milliseconds.
    pub answered_ms: u64,
}
