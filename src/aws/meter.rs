//! Counts the requests that are sent, repeated attempts included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Interceptor that counts every request of every client.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    calls: Arc<AtomicU64>,
    /// Whether the clients that it counts for go to AWS, whatever endpoint is configured.
    plain: bool,
}

impl Meter {
    pub(super) fn new(plain: bool) -> Self {
        Self { calls: Arc::default(), plain }
    }

    pub(super) fn plain(&self) -> bool {
        self.plain
    }

    /// Requests so far.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
