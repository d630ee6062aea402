//! What the layers have in common.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::token::Verifier;

/// What the layers share.
pub struct Shared {
    pub config: Arc<Config>,
    pub log: Log,
    pub metrics: Option<Arc<Metrics>>,
    pub verifier: Verifier,
    pub write_tools: &'static [&'static str],
    /// Whether the server has a tool of this name.
    pub lists: Box<dyn Fn(&str) -> bool + Send + Sync>,
    pub slots: Arc<Semaphore>,
    pub in_flight: TaskTracker,
}
