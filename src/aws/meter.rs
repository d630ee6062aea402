//! Counts the requests that are sent, repeated attempts included, and compares the clocks of both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
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

    /// Requests so far.
    pub(super) fn calls(&self) -> u64 {
        self.counted.calls.load(Ordering::Relaxed)
    }

    /// How far AWS's clock is ahead of ours, in milliseconds; negative where ours is ahead, 0 where
    /// they agree as far as can be told.
    pub(super) fn ahead(&self) -> i64 {
        self.counted.ahead.load(Ordering::Relaxed)
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
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.counted.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        silence::heard();
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
