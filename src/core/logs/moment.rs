//! A point in time as an operator types it.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Reads `03:15` or `03:15:20` (the last time that the clock showed it), `15m` (so long ago), or an
/// RFC 3339 time.
///
/// # Errors
/// Says what is possible.
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    // Before durations, which may be written like a clock's time.
    let clock = Time::strptime("%H:%M:%S", text).or_else(|_| Time::strptime("%H:%M", text)).ok();
    let back = || text.parse::<SignedDuration>().ok().and_then(|back| now.checked_sub(back).ok());
    clock
        .and_then(|clock| last(clock, now, zone))
        .or_else(back)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| format!("{text:?} is not a time; give such as 03:15, 15m (ago) or 2026-01-31T03:00:00Z"))
}

fn last(clock: Time, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let at = |date: jiff::civil::Date| Some(date.to_datetime(clock).to_zoned(zone.clone()).ok()?.timestamp());
    at(today).filter(|at| *at <= now).or_else(|| at(today.checked_sub(1.day()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("15m", "2026-01-31T02:45:00Z")]
    #[case("2h30m", "2026-01-31T00:30:00Z")]
    #[case("03:15", "2026-01-30T03:15:00Z")]
    #[case("02:59:30", "2026-01-31T02:59:30Z")]
    #[case(" 2026-01-30T01:00:00+01:00 ", "2026-01-30T00:00:00Z")]
    fn typed_times_are_understood(#[case] typed: &str, #[case] expected: Timestamp) {
        let now: Timestamp = "2026-01-31T03:00:00Z".parse().expect("a time");
        assert_eq!(parse(typed, now, &TimeZone::UTC), Ok(expected));
    }

    #[test]
    fn text_that_is_no_time_is_refused() {
        let error = parse("25:00", Timestamp::UNIX_EPOCH, &TimeZone::UTC).expect_err("no time");
        assert!(error.contains("25:00") && error.contains("15m"), "{error}");
    }
}
