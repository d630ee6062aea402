//! Counts the requests that are sent, repeated attempts included, measures how long their answers take, and compares
//! the clocks of both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::silence;

/// Interceptor that counts every request of every client, and reads the time in every answer.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    counted: Arc<Counted>,
    /// Whether the clients that it counts for go to AWS, whatever endpoint is configured.
    plain: bool,
}

#[derive(Debug, Default)]
struct Counted {
    calls: AtomicU64,
    /// How far AWS's clock is ahead of ours, in milliseconds.
    ahead: AtomicI64,
    /// How long an answer takes, in milliseconds; 0 where none has come.
    latency: AtomicU64,
}

/// When the attempt that is under way was sent.
#[derive(Debug)]
struct Sent(Instant);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

/// What a newer answer weighs in the latency: a quarter, so that neither one slow call nor one fast one decides.
fn smoothed(before: u64, newest: u64) -> u64 {
    if before == 0 { newest } else { (before * 3 + newest) / 4 }.max(1)
}

/// A difference that an answer's time cannot show: it has whole seconds, and was some time on its way.
const UNSURE: i64 = 2_000;

impl Meter {
    pub(super) fn new(plain: bool) -> Self {
        Self { counted: Arc::default(), plain }
    }

    pub(super) fn plain(&self) -> bool {
        self.plain
    }

    /// Counts a request that none of the clients sends.
    pub(super) fn count(&self) {
        self.counted.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests so far.
    pub(super) fn calls(&self) -> u64 {
        self.counted.calls.load(Ordering::Relaxed)
    }

    /// How far AWS's clock is ahead of ours, in milliseconds; negative where ours is ahead, 0 where
    /// they agree as far as can be told.
    pub(super) fn ahead(&self) -> i64 {
        self.counted.ahead.load(Ordering::Relaxed)
    }

    /// How long an attempt takes until its answer comes, by the last few.
    pub(super) fn latency(&self) -> Option<Duration> {
        let milliseconds = self.counted.latency.load(Ordering::Relaxed);
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    fn answered(&self, after: Duration) {
        let newest = u64::try_from(after.as_millis()).unwrap_or(u64::MAX / 4);
        let smooth = |before| Some(smoothed(before, newest));
        let _ = self.counted.latency.fetch_update(Ordering::Relaxed, Ordering::Relaxed, smooth);
    }
}

/// How far a clock that shows `date` (an HTTP date) is ahead of one that shows `now`.
fn ahead(date: &str, now: Timestamp) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    // The part of the second that it leaves out is a half on average.
    let there = PARSER.parse_timestamp(date).ok()?.as_millisecond() + 500;
    let ahead = there - now.as_millisecond();
    Some(if ahead.abs() <= UNSURE { 0 } else { ahead })
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.counted.calls.fetch_add(1, Ordering::Relaxed);
        config.interceptor_state().store_put(Sent(Instant::now()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        silence::heard();
        if let Some(Sent(at)) = config.load::<Sent>() {
            self.answered(at.elapsed());
        }
        let date = context.response().headers().get("date");
        if let Some(ahead) = date.and_then(|date| ahead(date, Timestamp::now())) {
            self.counted.ahead.store(ahead, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn one_answer_does_not_decide_how_long_answers_take() {
        let meter = Meter::new(true);
        assert_eq!(meter.latency(), None);
        meter.answered(Duration::from_millis(40));
        assert_eq!(meter.latency(), Some(Duration::from_millis(40)));
        meter.answered(Duration::from_secs(2));
        assert_eq!(meter.latency(), Some(Duration::from_millis(530)));
        (0..12).for_each(|_| meter.answered(Duration::from_secs(2)));
        assert!(meter.latency().is_some_and(|latency| latency > Duration::from_millis(1_900)));
        meter.answered(Duration::ZERO);
        assert!(meter.latency().is_some(), "an answer that takes no time is an answer");
    }

    #[rstest]
    #[case("Wed, 25 Nov 2026 10:00:00 GMT", Some(0))]
    #[case("Wed, 25 Nov 2026 10:00:02 GMT", Some(0))]
    #[case("Wed, 25 Nov 2026 10:00:40 GMT", Some(40_000))]
    #[case("Wed, 25 Nov 2026 09:30:00 GMT", Some(-1_800_000))]
    #[case("yesterday", None)]
    fn an_answer_s_time_shows_how_far_the_clocks_differ(#[case] date: &str, #[case] expected: Option<i64>) {
        let now: Timestamp = "2026-11-25T10:00:00.5Z".parse().unwrap();
        assert_eq!(ahead(date, now), expected);
    }
}
