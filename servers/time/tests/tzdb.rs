//! Conversions against another implementation of the time zone database: other code,
//! and data compiled by others from the same source.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use jiff::Timestamp;
use mcp_time::{Conversion, Reading, Zones, convert, read};
use proptest::prelude::*;

/// The years in which both must agree, in seconds: from 1970, because the database keeps
/// what was earlier in several variants, to before the older of both releases.
const YEARS: Range<i64> = 0..1_735_689_600;

/// Zones whose past was corrected between both releases, 2025b and 2026f, and their aliases.
/// Python's `tzdata` of the same releases differs for each of them, too.
const CORRECTED: &[&str] = &[
    "America/Bogota",
    "America/Ensenada",
    "America/Santa_Isabel",
    "America/Tijuana",
    "Asia/Tehran",
    "Europe/Chisinau",
    "Europe/Tiraspol",
    "Iran",
    "Mexico/BajaNorte",
];

struct Both {
    name: &'static str,
    ours: jiff::tz::TimeZone,
    theirs: Tz,
}

/// Every zone that both know.
static ZONES: LazyLock<Vec<Both>> = LazyLock::new(|| {
    let zones = Zones::default();
    let known = TZ_VARIANTS.iter().filter(|theirs| !CORRECTED.contains(&theirs.name()));
    known
        .filter_map(|&theirs| Some(Both { name: theirs.name(), ours: zones.get(theirs.name()).ok()?, theirs }))
        .collect()
});

/// Seconds that the zone's clocks are ahead of UTC, from the other implementation.
fn ahead(zone: Tz, moment: i64) -> i64 {
    let moment = DateTime::from_timestamp(moment, 0).unwrap().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&moment).fix().local_minus_utc())
}

/// Every moment at which clocks in the zone show `civil`, in order. There are at most
/// two within a day or so of each other, and all offsets of that day are tried.
fn moments(zone: Tz, civil: NaiveDateTime) -> Vec<i64> {
    let civil = civil.and_utc().timestamp();
    let around = (-27 * 4..=27 * 4).map(|quarter| ahead(zone, civil + quarter * 900));
    let offsets: BTreeSet<_> = around.collect();
    offsets.iter().rev().map(|offset| civil - offset).filter(|&moment| moment + ahead(zone, moment) == civil).collect()
}

fn moment(reading: &Reading) -> i64 {
    reading.datetime.parse::<Timestamp>().unwrap().as_second()
}

fn to_utc(zone: &Both, civil: NaiveDateTime) -> Conversion {
    let text = civil.format("%Y-%m-%dT%H:%M:%S").to_string();
    convert(Timestamp::UNIX_EPOCH, &zone.ours, &text, &jiff::tz::TimeZone::UTC).unwrap()
}

/// Holds the conversion of `civil` against what the other implementation says.
fn check(zone: &Both, civil: NaiveDateTime) -> Result<(), TestCaseError> {
    let conversion = to_utc(zone, civil);
    let at = format!("{civil} {}: {conversion:?}", zone.name);
    let (source, target) = (moment(&conversion.source), moment(&conversion.target));
    prop_assert_eq!(source, target, "{}", at);
    let note = conversion.note.unwrap_or_default();
    match moments(zone.theirs, civil)[..] {
        [only] => {
            prop_assert_eq!(source, only, "{}", at);
            prop_assert!(note.is_empty() && conversion.if_second_was_meant.is_none(), "{}", at);
        }
        [first, second] => {
            prop_assert_eq!(source, first, "{}", at);
            prop_assert_eq!(conversion.if_second_was_meant.as_ref().map(moment), Some(second), "{}", at);
            prop_assert!(note.contains("happens twice"), "{}", at);
        }
        // A gap: the time was read by the offset before it, and shown by the one after it.
        [] => {
            let civil = civil.and_utc().timestamp();
            let after = ahead(zone.theirs, source);
            let before = ahead(zone.theirs, civil - after);
            prop_assert!(after > before, "{}", at);
            prop_assert_eq!(source, civil - before, "{}", at);
            prop_assert!(note.contains("does not exist"), "{}", at);
        }
        ref more => prop_assert!(false, "{} moments: {}", more.len(), at),
    }
    Ok(())
}

fn civil(zone: &Both, moment: i64) -> NaiveDateTime {
    DateTime::from_timestamp(moment + ahead(zone.theirs, moment), 0).unwrap().naive_utc()
}

#[test]
fn every_change_of_clocks_is_at_its_second() {
    let mut changes = 0;
    let mut different = BTreeSet::new();
    for zone in ZONES.iter() {
        let start = Timestamp::from_second(YEARS.start).unwrap();
        let all = zone.ours.following(start).map(|change| change.timestamp().as_second());
        let all: Vec<_> = all.take_while(|change| YEARS.contains(change)).collect();
        changes += all.len();
        // And in between, lest there be changes that only the other one knows.
        let between = YEARS.step_by(30 * 86_400);
        for moment in all.into_iter().flat_map(|change| [change - 1, change]).chain(between) {
            let reading = read(Timestamp::from_second(moment).unwrap(), &zone.ours);
            let shown = civil(zone, moment).format("%Y-%m-%dT%H:%M:%S").to_string();
            if self::moment(&reading) != moment || reading.datetime[..19] != shown {
                different.insert(zone.name);
            }
        }
    }
    assert!(different.is_empty(), "{different:?}");
    assert!(ZONES.len() > 500 && changes > 20_000, "{} zones, {changes} changes", ZONES.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_time_is_understood_as_the_database_says(zone in 0..ZONES.len(), moment in YEARS) {
        let zone = &ZONES[zone];
        check(zone, civil(zone, moment))?;
    }

    /// Near a change, both sides of it and the times that it skips or repeats.
    #[test]
    fn times_around_a_change_are_understood_as_the_database_says(
        zone in 0..ZONES.len(), moment in YEARS, minutes in -200..200_i64, seconds in prop::sample::select(vec![-1_i64, 0, 1]),
    ) {
        let zone = &ZONES[zone];
        let from = Timestamp::from_second(moment).unwrap();
        let change = zone.ours.following(from).next().map_or(moment, |change| change.timestamp().as_second());
        prop_assume!(YEARS.contains(&change));
        // Counted from what clocks show at the change, so that gaps are hit as well.
        let near = civil(zone, change) + TimeDelta::seconds(minutes * 60 / 4 + seconds);
        check(zone, near)?;
    }

    #[test]
    fn there_and_back_is_the_same_moment(from in 0..ZONES.len(), to in 0..ZONES.len(), moment in YEARS) {
        let (from, to) = (&ZONES[from], &ZONES[to]);
        let text = civil(from, moment).format("%Y-%m-%dT%H:%M:%S").to_string();
        let there = convert(Timestamp::UNIX_EPOCH, &from.ours, &text, &to.ours).unwrap();
        prop_assert_eq!(self::moment(&there.source), self::moment(&there.target));
        let either = [Some(&there.target), there.if_second_was_meant.as_ref()];
        prop_assert!(either.into_iter().flatten().any(|reading| self::moment(reading) == moment), "{:?}", there);
    }
}
