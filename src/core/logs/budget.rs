//! The budget of FilterLogEvents: 5 calls a second for a whole account and region (CloudWatch Logs quotas).

use std::collections::VecDeque;

/// Calls a second that the quota of most regions allows.
pub const CALLS_PER_SECOND: f64 = 5.0;
/// The rate never falls below this part of the full one.
const SLOWEST: f64 = 0.1;
/// Part of the full rate that comes back in a second.
const RECOVERY: f64 = 0.05;

/// How the budget is used, to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Rate {
    /// Calls in the last second.
    pub calls: u32,
    /// Calls a second that are allowed now.
    pub allowed: f64,
    /// Answers so far that said "too fast".
    pub throttled: u64,
}

/// A token bucket that slows down when throttled and recovers gradually. Times are milliseconds of any clock.
#[derive(Debug)]
pub struct Bucket {
    full: f64,
    rate: f64,
    tokens: f64,
    at: i64,
    sent: VecDeque<i64>,
    throttled: u64,
}

impl Bucket {
    /// A full bucket of this many calls a second.
    pub fn new(rate: f64) -> Self {
        Self { full: rate, rate, tokens: rate, at: i64::MIN, sent: VecDeque::new(), throttled: 0 }
    }

    /// The calls a second that it was made for.
    pub fn full(&self) -> f64 {
        self.full
    }

    /// Takes a call from the budget.
    ///
    /// # Errors
    /// How long to wait before asking again, in milliseconds.
    pub fn take(&mut self, now: i64) -> Result<(), u64> {
        self.refill(now);
        if self.tokens < 1.0 {
            return Err(((1.0 - self.tokens) / self.rate * 1_000.0).ceil() as u64 + 1);
        }
        self.tokens -= 1.0;
        self.sent.push_back(now);
        Ok(())
    }

    /// The service said that calls come too fast: half the rate, and nothing saved up.
    pub fn throttled(&mut self, now: i64) {
        self.refill(now);
        self.throttled += 1;
        self.rate = (self.rate / 2.0).max(SLOWEST * self.full);
        self.tokens = 0.0;
    }

    /// How the budget is used.
    pub fn rate(&mut self, now: i64) -> Rate {
        self.refill(now);
        let calls = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        Rate { calls, allowed: self.rate, throttled: self.throttled }
    }

    fn refill(&mut self, now: i64) {
        let seconds = (now.saturating_sub(self.at).max(0) as f64 / 1_000.0).min(60.0);
        self.at = self.at.max(now);
        self.rate = (self.rate + RECOVERY * self.full * seconds).min(self.full);
        self.tokens = (self.tokens + self.rate * seconds).min(self.rate.max(1.0));
        while self.sent.front().is_some_and(|at| now - at >= 1_000) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that get through in so many seconds when somebody always wants one more.
    fn calls(bucket: &mut Bucket, from: i64, seconds: i64) -> u32 {
        (from..from + seconds * 1_000).map(|now| u32::from(bucket.take(now).is_ok())).sum()
    }

    #[test]
    fn the_rate_is_kept_after_the_first_burst() {
        let mut bucket = Bucket::new(5.0);
        assert_eq!(calls(&mut bucket, 0, 1), 5 + 4, "what was saved up, and what came back");
        assert_eq!(calls(&mut bucket, 1_000, 10), 50);
        assert!((4..=5).contains(&bucket.rate(11_000).calls), "{:?}", bucket.rate(11_000));
    }

    #[test]
    fn throttling_slows_down_and_silence_recovers() {
        let mut bucket = Bucket::new(5.0);
        for _ in 0..9 {
            bucket.throttled(0);
        }
        let slow = bucket.rate(0);
        assert_eq!((slow.allowed, slow.throttled), (0.5, 9));
        let wait = bucket.take(0).expect_err("empty");
        assert!((1_900..=2_100).contains(&wait), "{wait}");
        assert_eq!(bucket.rate(60_000).allowed, 5.0);
    }

    #[test]
    fn the_wait_that_it_names_is_enough() {
        let mut bucket = Bucket::new(5.0);
        while bucket.take(0).is_ok() {}
        let wait = bucket.take(0).expect_err("empty");
        assert_eq!(bucket.take(i64::try_from(wait).expect("small")), Ok(()));
    }
}
