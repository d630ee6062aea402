//! A point in time as an operator types it.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// Reads `03:15` or `03:15:20` (the last time that the clock showed it); `15m`, `1d`, `1w` or `P1D` (so long ago);
/// `2026-01-31`, `2026-01-31 03:00` and the like (local time); an RFC 3339 time; or seconds, milliseconds,
/// microseconds or nanoseconds since the Unix epoch.
///
/// # Errors
/// Says what is possible.
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    // Before durations, which may be written like a clock's time.
    let clock = Time::strptime("%H:%M:%S", text).or_else(|_| Time::strptime("%H:%M", text)).ok();
    clock
        .and_then(|clock| last(clock, now, zone))
        // A time with an offset, before those without.
        .or_else(|| text.parse().ok())
        .or_else(|| text.parse().ok().map(|zoned: Zoned| zoned.timestamp()))
        .or_else(|| local(text, zone))
        .or_else(|| epoch(text))
        .or_else(|| back(text, now, zone))
        .ok_or_else(|| {
            format!(
                "{text:?} is not a time; give such as 03:15, 15m, 1d or 1w (ago), 2026-01-31, \"2026-01-31 03:00\", \
                 2026-01-31T03:00:00Z, or seconds since 1970"
            )
        })
}

fn last(clock: Time, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let at = |date: Date| Some(date.to_datetime(clock).to_zoned(zone.clone()).ok()?.timestamp());
    at(today).filter(|at| *at <= now).or_else(|| at(today.checked_sub(1.day()).ok()?))
}

/// A day, or a day and a time, without an offset.
fn local(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let at = text.parse::<DateTime>().or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text));
    let at = at.or_else(|_| DateTime::strptime("%Y/%m/%d %H:%M:%S", text));
    let at = at.or_else(|_| DateTime::strptime("%Y/%m/%d %H:%M", text));
    let at = at.or_else(|_| Date::strptime("%Y/%m/%d", text).map(|date| date.at(0, 0, 0, 0)));
    Some(at.ok()?.to_zoned(zone.clone()).ok()?.timestamp())
}

/// A time since the Unix epoch. The unit follows from the number of digits: seconds have nine or ten, and from
/// 2001 until 2286 each finer unit has three more.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let number: i128 = whole.parse().ok()?;
    let scale = match whole.len() {
        9..=11 => 1_000_000_000,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        18..=19 => 1,
        _ => return None,
    };
    let parts: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    #[allow(clippy::cast_possible_truncation, reason = "less than a second, in nanoseconds")]
    Timestamp::from_nanosecond(number * scale + (parts * scale as f64) as i128).ok()
}

/// So long ago. A day is a day of the calendar, which may have 23 or 25 hours.
fn back(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.strip_suffix("ago").map_or(text, str::trim_end);
    let span: Span = text.parse().ok()?;
    Some(now.to_zoned(zone.clone()).checked_sub(span.abs()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("15m", "2026-01-31T02:45:00Z")]
    #[case("2h30m", "2026-01-31T00:30:00Z")]
    #[case("90s", "2026-01-31T02:58:30Z")]
    #[case("1d", "2026-01-30T03:00:00Z")]
    #[case("1 day ago", "2026-01-30T03:00:00Z")]
    #[case("1d12h", "2026-01-29T15:00:00Z")]
    #[case("1w", "2026-01-24T03:00:00Z")]
    #[case("2 weeks", "2026-01-17T03:00:00Z")]
    #[case("P1D", "2026-01-30T03:00:00Z")]
    #[case("P1W", "2026-01-24T03:00:00Z")]
    #[case("PT90M", "2026-01-31T01:30:00Z")]
    #[case("1mo", "2025-12-31T03:00:00Z")]
    #[case("-15m", "2026-01-31T02:45:00Z")]
    #[case("03:15", "2026-01-30T03:15:00Z")]
    #[case("02:59:30", "2026-01-31T02:59:30Z")]
    #[case("2026-01-30", "2026-01-30T00:00:00Z")]
    #[case("20260130", "2026-01-30T00:00:00Z")]
    #[case("2026/01/30", "2026-01-30T00:00:00Z")]
    #[case("2026-01-30 10:00", "2026-01-30T10:00:00Z")]
    #[case("2026-01-30T10:00", "2026-01-30T10:00:00Z")]
    #[case("2026-01-30 10:00:30.5", "2026-01-30T10:00:30.5Z")]
    #[case("2026/01/30 10:00", "2026-01-30T10:00:00Z")]
    #[case(" 2026-01-30T01:00:00+01:00 ", "2026-01-30T00:00:00Z")]
    #[case("2026-01-30 01:00:00Z", "2026-01-30T01:00:00Z")]
    #[case("2026-01-30T01:00:00+01:00[Europe/Berlin]", "2026-01-30T00:00:00Z")]
    #[case("1769824800", "2026-01-31T02:00:00Z")]
    #[case("1769824800.5", "2026-01-31T02:00:00.5Z")]
    #[case("1769824800123", "2026-01-31T02:00:00.123Z")]
    #[case("1769824800123456", "2026-01-31T02:00:00.123456Z")]
    #[case("1769824800123456789", "2026-01-31T02:00:00.123456789Z")]
    fn typed_times_are_understood(#[case] typed: &str, #[case] expected: Timestamp) {
        let now: Timestamp = "2026-01-31T03:00:00Z".parse().expect("a time");
        assert_eq!(parse(typed, now, &TimeZone::UTC), Ok(expected));
    }

    #[test]
    fn times_without_an_offset_are_local() {
        let (now, zone) = ("2026-01-31T03:00:00Z".parse().expect("a time"), TimeZone::fixed(jiff::tz::offset(2)));
        let at = |typed: &str| parse(typed, now, &zone).expect("a time").to_string();
        assert_eq!(at("2026-01-30 10:00"), "2026-01-30T08:00:00Z");
        assert_eq!(at("2026-01-30"), "2026-01-29T22:00:00Z");
        assert_eq!(at("2026-01-30T10:00Z"), "2026-01-30T10:00:00Z");
    }

    #[rstest]
    #[case("25:00")]
    #[case("2026")]
    #[case("15")]
    #[case("2026-13-01")]
    #[case("2026-01-30 25:00")]
    #[case("99999999999999999999")]
    #[case("1x")]
    #[case("tomorrow")]
    #[case("")]
    #[case("9999999y")]
    fn text_that_is_no_time_is_refused(#[case] typed: &str) {
        let error = parse(typed, Timestamp::UNIX_EPOCH, &TimeZone::UTC).expect_err("no time");
        assert!(error.contains(typed) && error.contains("15m") && error.contains("1d"), "{error}");
    }
}
