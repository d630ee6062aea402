//! What all layers use: one value for the whole server.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::config::Config;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::quarantine::Quarantine;
use crate::rate::Rates;
use crate::token::Verifier;

/// What the layers share. Each gets it as its state.
pub struct Shared {
    pub config: Arc<Config>,
    pub log: Log,
    /// `None` if they are switched off.
    pub metrics: Option<Arc<Metrics>>,
    pub verifier: Verifier,
    /// What is known of the server's tools.
    pub tools: Box<dyn Tools>,
    /// One permit for each request that may run at once.
    pub slots: Arc<Semaphore>,
    /// How often each caller asks.
    pub rates: Rates,
    /// Who is kept out.
    pub quarantine: Arc<Quarantine>,
    /// The memory for the requests under way.
    pub budget: Budget,
    /// The requests that a stop waits for.
    pub in_flight: TaskTracker,
}

/// What is known of a server's tools before one is called.
pub trait Tools: Send + Sync {
    /// Whether the server has said which tools it has. Until then nobody can say what a call needs.
    fn are_known(&self) -> bool;
    /// Whether the server has a tool of this name.
    fn lists(&self, tool: &str) -> bool;
    /// Whether a call of it needs the `write` scope.
    fn writes(&self, tool: &str) -> bool;
}
