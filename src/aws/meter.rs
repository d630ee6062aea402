//! Counts the requests that go out, repeats included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

tokio::task_local! {
    /// The count of the refresh that runs on this task.
    static TALLY: Arc<AtomicU32>;
}

/// Interceptor that counts every request of every client.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Requests so far.
    pub(super) fn calls(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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
        self.0.fetch_add(1, Ordering::Relaxed);
        // Outside a counted refresh there is no tally, which is no error.
        let _ = TALLY.try_with(|tally| tally.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

/// Runs a future; its result, and the requests that it made. The future must not spawn.
pub(super) async fn counted<T>(future: impl Future<Output = T>) -> (T, u32) {
    let tally = Arc::new(AtomicU32::new(0));
    let result = TALLY.scope(tally.clone(), future).await;
    (result, tally.load(Ordering::Relaxed))
}
