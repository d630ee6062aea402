//! The budget of calls of FilterLogEvents that all tails of this process share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::core::identity::Context;
use crate::core::logs::Rate;
use crate::core::logs::budget::{Bucket, CALLS_PER_SECOND};

/// Calls a second that an emulator gets.
const EMULATOR_CALLS: f64 = 200.0;

/// Keeps the calls of all tails that share it below the account's quota of FilterLogEvents. Cheap to clone;
/// clones share the budget.
#[derive(Debug, Clone)]
pub struct Budget {
    begun: Instant,
    bucket: Arc<Mutex<Bucket>>,
    /// The part of it that whoever has this takes at most.
    share: Option<Arc<Mutex<Bucket>>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(CALLS_PER_SECOND)
    }
}

impl Budget {
    /// A budget of this many calls a second.
    pub fn of(calls: f64) -> Self {
        Self { begun: Instant::now(), bucket: Arc::new(Mutex::new(Bucket::new(calls))), share: None }
    }

    /// Half of this budget at most, for what is read while nobody waits for it: the rest is for whoever follows a log, and
    /// for others in the account.
    #[must_use]
    pub fn half(&self) -> Self {
        let half = Bucket::new(self.bucket().full() / 2.0);
        Self { share: Some(Arc::new(Mutex::new(half))), ..self.clone() }
    }

    /// The budget for this endpoint: an emulator has no quota that others need.
    pub fn at(context: &Context) -> Self {
        if context.emulated() { Self::of(EMULATOR_CALLS) } else { Self::default() }
    }

    /// How much of it is used.
    pub fn rate(&self) -> Rate {
        let now = self.now();
        self.bucket().rate(now)
    }

    /// Waits until a call may be made, and takes it from the budget.
    pub(in crate::run) async fn wait(&self) {
        for bucket in self.share.iter().chain([&self.bucket]) {
            loop {
                let now = self.now();
                let taken = lock(bucket).take(now);
                match taken {
                    Ok(()) => break,
                    Err(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                }
            }
        }
    }

    /// Must be called when the service says that calls come too fast: the budget becomes smaller for a while.
    pub(in crate::run) fn throttled(&self) {
        let now = self.now();
        self.bucket().throttled(now);
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        lock(&self.bucket)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

fn lock(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn half_of_a_budget_leaves_the_rest_to_others() {
        let all = Budget::of(40.0);
        let half = all.half();
        let begun = Instant::now();
        for _ in 0..24 {
            half.wait().await;
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(190), "20 that were saved up, then 20 a second: {took:?}");
        assert_eq!(all.rate().calls, 24, "they are calls of the whole, too");
        assert!((0..16).all(|_| lock(&all.bucket).take(all.now()).is_ok()), "which has the others left");
    }
}
