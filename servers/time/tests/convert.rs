//! Conversion around the times when clocks change.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

use jiff::Timestamp;
use mcp_time::{Conversion, Zones, convert, read};

const NOW: &str = "2026-07-01T12:00:00Z";

fn attempt(source: &str, time: &str, target: &str) -> Result<Conversion, String> {
    let zones = Zones::default();
    let now: Timestamp = NOW.parse().unwrap();
    convert(now, &zones.get(source)?, time, &zones.get(target)?)
}

#[test]
fn times_are_converted() {
    let cases = [
        // Source zone, time, target zone, source as understood, target, difference.
        (
            "Europe/Berlin",
            "09:30",
            "America/New_York",
            "2026-07-01T09:30:00+02:00",
            "2026-07-01T03:30:00-04:00",
            "-06:00",
        ),
        (
            "UTC",
            "2026-01-15T12:00",
            "Asia/Kathmandu",
            "2026-01-15T12:00:00+00:00",
            "2026-01-15T17:45:00+05:45",
            "+05:45",
        ),
        (
            "utc",
            "2026-01-15 23:30:15",
            "asia/tokyo",
            "2026-01-15T23:30:15+00:00",
            "2026-01-16T08:30:15+09:00",
            "+09:00",
        ),
        // Across the date line, and half an hour of daylight saving.
        (
            "Pacific/Kiritimati",
            "2026-01-02T00:30",
            "Pacific/Pago_Pago",
            "2026-01-02T00:30:00+14:00",
            "2025-12-31T23:30:00-11:00",
            "-25:00",
        ),
        (
            "Australia/Lord_Howe",
            "2026-01-15T12:00",
            "UTC",
            "2026-01-15T12:00:00+11:00",
            "2026-01-15T01:00:00+00:00",
            "-11:00",
        ),
        // Two weeks in March when only America has changed its clocks.
        (
            "America/New_York",
            "2026-03-15T09:00",
            "Europe/London",
            "2026-03-15T09:00:00-04:00",
            "2026-03-15T13:00:00+00:00",
            "+04:00",
        ),
    ];
    for (source, time, target, understood, expected, difference) in cases {
        let conversion = attempt(source, time, target).unwrap();
        assert_eq!(conversion.source.datetime, understood, "{time} {source}");
        assert_eq!(conversion.target.datetime, expected, "{time} {source} to {target}");
        assert_eq!(conversion.time_difference, difference, "{time} {source} to {target}");
        assert_eq!((conversion.note, conversion.if_second_was_meant), (None, None), "{time} {source}");
    }
}

#[test]
fn offsets_of_the_past_are_kept_to_the_second() {
    let cases = [
        ("Asia/Singapore", "1981-06-01T12:00", "1981-06-01T12:00:00+07:30", "-07:30"),
        ("Asia/Kathmandu", "1985-06-01T12:00", "1985-06-01T12:00:00+05:30", "-05:30"),
        // British Standard Time all year.
        ("Europe/London", "1970-01-15T12:00", "1970-01-15T12:00:00+01:00", "-01:00"),
        // The last country with odd seconds, and local mean times.
        ("Africa/Monrovia", "1971-06-01T12:00", "1971-06-01T12:00:00-00:44:30", "+00:44:30"),
        ("Europe/Berlin", "1890-01-01T12:00", "1890-01-01T12:00:00+00:53:28", "-00:53:28"),
        ("America/New_York", "1880-01-01T12:00", "1880-01-01T12:00:00-04:56:02", "+04:56:02"),
    ];
    for (zone, time, understood, difference) in cases {
        let conversion = attempt(zone, time, "UTC").unwrap();
        assert_eq!(
            (conversion.source.datetime.as_str(), conversion.time_difference.as_str()),
            (understood, difference)
        );
    }
}

/// Greenland went from -03 to -02 in March 2023 and did not put its clocks back in autumn, but the rule
/// for the years after it does.
#[test]
fn a_time_at_the_last_listed_change_is_not_taken_for_a_repeated_one() {
    for time in ["2023-10-28T22:59:59", "2023-10-28T23:00:14", "2023-10-28T23:59:59", "2023-10-29T00:00:00"] {
        let conversion = attempt("America/Nuuk", time, "UTC").unwrap();
        assert_eq!(conversion.source.datetime, format!("{time}-02:00"));
        assert_eq!((conversion.note, conversion.if_second_was_meant), (None, None), "{time}");
    }
}

#[test]
fn skipped_times_are_moved_forward_and_explained() {
    let cases = [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T03:30:00+02:00"),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T03:00:00+02:00"),
        ("America/New_York", "2026-03-08T02:59:59", "2026-03-08T03:59:59-04:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:45:00+11:00"),
        // Midnight itself is skipped.
        ("Africa/Cairo", "2026-04-24T00:30", "2026-04-24T01:30:00+03:00"),
        // A whole day was.
        ("Pacific/Apia", "2011-12-30T10:00", "2011-12-31T10:00:00+14:00"),
    ];
    for (zone, time, understood) in cases {
        let conversion = attempt(zone, time, "UTC").unwrap();
        assert_eq!(conversion.source.datetime, understood, "{time} {zone}");
        let note = conversion.note.unwrap();
        assert!(note.contains("does not exist") && note.contains(zone), "{note}");
        assert_eq!(conversion.if_second_was_meant, None);
    }
}

#[test]
fn repeated_times_are_the_first_and_the_second_is_told() {
    let cases = [
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"),
        ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00:00+00:00", "2026-10-25T01:00:00+00:00"),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00+00:00", "2026-11-01T06:30:00+00:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00+00:00", "2026-04-04T15:15:00+00:00"),
    ];
    for (zone, time, first, second) in cases {
        let conversion = attempt(zone, time, "UTC").unwrap();
        assert_eq!(conversion.target.datetime, first, "{time} {zone}");
        assert!(conversion.note.unwrap().contains("happens twice"), "{time} {zone}");
        assert_eq!(conversion.if_second_was_meant.unwrap().datetime, second, "{time} {zone}");
    }
}

#[test]
fn the_edges_of_a_change_are_plain() {
    for time in ["2026-03-29T01:59:59", "2026-03-29T03:00", "2026-10-25T01:59:59", "2026-10-25T03:00"] {
        assert_eq!(attempt("Europe/Berlin", time, "UTC").unwrap().note, None, "{time}");
    }
}

#[test]
fn what_is_not_a_time_is_explained() {
    let times = [
        "",
        "noon",
        "25:00",
        "12:60",
        "9",
        "2026-02-30T10:00",
        "2026-01-01",
        "2026-01-01T10:00Z",
        "2026-01-01T10:00+02:00",
        "2026-01-01T10:00[Europe/Berlin]",
        "10:00 PM",
        "-1:00",
        "99999-01-01T00:00",
        "２０２６-01-01T10:00",
    ];
    for time in times {
        let error = attempt("Europe/Berlin", time, "UTC").unwrap_err();
        assert!(error.contains("HH:MM"), "{time:?}: {error}");
    }
    // As far as the calendar goes, there is still no panic.
    for time in ["-009999-01-01T00:00", "9999-12-31T23:59:59"] {
        let _ = attempt("Pacific/Kiritimati", time, "Pacific/Pago_Pago");
        let _ = attempt("Pacific/Pago_Pago", time, "Pacific/Kiritimati");
    }
}

#[test]
fn what_is_not_a_zone_is_explained() {
    let cases = [
        ("new york", "America/New_York"),
        ("Berlin, Germany", "Europe/Berlin"),
        ("Mars/Phobos", "list_timezones"),
        ("", "list_timezones"),
        ("../../etc/passwd", "list_timezones"),
    ];
    for (zone, hint) in cases {
        let error = attempt(zone, "10:00", "UTC").unwrap_err();
        assert!(error.contains(hint), "{zone}: {error}");
    }
}

#[test]
fn a_moment_is_read_on_a_zones_clocks() {
    let berlin = Zones::default().get("Europe/Berlin").unwrap();
    let reading = read(NOW.parse().unwrap(), &berlin);
    assert_eq!(reading.datetime, "2026-07-01T14:00:00+02:00");
    assert_eq!((reading.day_of_week.as_str(), reading.abbreviation.as_str()), ("Wednesday", "CEST"));
    assert!(reading.is_dst);
}

#[test]
fn names_are_listed_by_prefix() {
    let zones = Zones::default();
    let europe = zones.names("europe/");
    assert!(europe.len() > 40 && europe.iter().all(|name| name.starts_with("Europe/")));
    assert!(europe.is_sorted() && europe.contains(&"Europe/Berlin".to_owned()));
    assert!(zones.names("").len() > 400);
    assert!(zones.names("nowhere").is_empty());
}
