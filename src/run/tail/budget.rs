//! The process's budget of FilterLogEvents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::core::identity::Context;
use crate::core::logs::Rate;
use crate::core::logs::budget::{Bucket, CALLS_PER_SECOND};

/// Calls a second to an emulator.
const EMULATOR_CALLS: f64 = 200.0;

/// Keeps FilterLogEvents under the account's quota for all readers that share it.
#[derive(Debug, Clone)]
pub struct Budget {
    begun: Instant,
    bucket: Arc<Mutex<Bucket>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(CALLS_PER_SECOND)
    }
}

impl Budget {
    /// A budget of this many calls a second.
    pub fn of(calls: f64) -> Self {
        Self { begun: Instant::now(), bucket: Arc::new(Mutex::new(Bucket::new(calls))) }
    }

    /// The budget of this place: an emulator has no quota that others would miss.
    pub fn at(context: &Context) -> Self {
        if context.emulated() { Self::of(EMULATOR_CALLS) } else { Self::default() }
    }

    /// How it is used.
    pub fn rate(&self) -> Rate {
        let now = self.now();
        self.bucket().rate(now)
    }

    /// Waits for a call.
    pub(super) async fn wait(&self) {
        loop {
            let now = self.now();
            let taken = self.bucket().take(now);
            match taken {
                Ok(()) => return,
                Err(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            }
        }
    }

    /// The service said that calls come too fast.
    pub(super) fn throttled(&self) {
        let now = self.now();
        self.bucket().throttled(now);
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
