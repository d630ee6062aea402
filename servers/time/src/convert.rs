//! Reading a time in one zone as a time in another.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::Serialize;

/// The longest text of a time, in bytes.
const MAX_SHOWN: usize = 40;

/// A moment as clocks in one zone show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reading {
    /// IANA name of the time zone.
    pub timezone: String,
    /// Date and time with the offset from UTC (RFC 3339; with seconds in the offset where
    /// clocks went by them, before 1972).
    pub datetime: String,
    /// Day of the week, in English.
    pub day_of_week: String,
    /// Abbreviation of the zone's time, such as CEST.
    pub abbreviation: String,
    /// Whether daylight saving time is in force.
    pub is_dst: bool,
}

/// A time in two zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Conversion {
    /// The time as it was understood.
    pub source: Reading,
    /// The same moment in the target zone.
    pub target: Reading,
    /// How far the target's clocks are ahead (+) or behind (-), such as +05:30.
    pub time_difference: String,
    /// What there is to know about the source time, when clocks change around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The moment in the target zone if the second of two equal times was meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_second_was_meant: Option<Reading>,
}

/// `moment` on the clocks of `zone`.
pub fn read(moment: Timestamp, zone: &TimeZone) -> Reading {
    reading(&moment.to_zoned(zone.clone()))
}

/// Converts `time`, a time of day (then today's in the source zone) or a date and time.
pub fn convert(now: Timestamp, source: &TimeZone, time: &str, target: &TimeZone) -> Result<Conversion, String> {
    let civil = parse(time, now, source)?;
    let too_far = |_| format!("{time:?} is outside of the years -9999 to 9999.");
    let ambiguous = source.to_ambiguous_zoned(civil);
    let mut offset = ambiguous.offset();
    // A skipped time is moved forward by the gap; of a repeated one, the first is taken.
    let mut moment = ambiguous.compatible().map_err(too_far)?;
    // At the last change that the database lists for a zone, jiff already applies the zone's rule for the
    // years after it. It may then take a time for a repeated one that is not. The first of the two shows
    // another time on the zone's clocks, and the second is the right one.
    if matches!(offset, AmbiguousOffset::Fold { .. }) && moment.datetime() != civil {
        moment = source.to_ambiguous_zoned(civil).later().map_err(too_far)?;
        offset = AmbiguousOffset::Unambiguous { offset: moment.offset() };
    }
    let there = moment.with_time_zone(target.clone());
    let mut conversion = Conversion {
        source: reading(&moment),
        target: reading(&there),
        time_difference: difference(&moment, &there),
        note: None,
        if_second_was_meant: None,
    };
    let zone = name(source);
    match offset {
        AmbiguousOffset::Unambiguous { .. } => {}
        AmbiguousOffset::Gap { before, after } => {
            conversion.note = Some(format!(
                "{civil} does not exist in {zone}: clocks are put forward over it, \
                 from offset {before} to {after}. {} was used instead.",
                moment.datetime(),
            ));
        }
        AmbiguousOffset::Fold { before, after } => {
            let second = source.to_ambiguous_zoned(civil).later().map_err(too_far)?;
            conversion.note = Some(format!(
                "{civil} happens twice in {zone}: clocks are put back over it, \
                 from offset {before} to {after}. The first was used.",
            ));
            conversion.if_second_was_meant = Some(reading(&second.with_time_zone(target.clone())));
        }
    }
    Ok(conversion)
}

fn parse(time: &str, now: Timestamp, zone: &TimeZone) -> Result<DateTime, String> {
    let time = time.trim();
    let invalid = || {
        // What is too long to be a time is not repeated: the answer would be as long.
        let shown: String = time.chars().take(MAX_SHOWN).collect();
        format!(
            "{shown:?} is not a time. Give HH:MM on a 24-hour clock for today in the source \
             time zone, or YYYY-MM-DDTHH:MM, without an offset: the source time zone says it."
        )
    };
    // An offset would be a second, perhaps contradicting, zone.
    let clock = time.get(10..).unwrap_or_default();
    if time.len() > MAX_SHOWN || clock.contains(['+', '-', 'Z', 'z', '[']) {
        return Err(invalid());
    }
    if time.len() > 9 {
        let dated = clock.starts_with(['T', 't', ' ']);
        return time.parse().ok().filter(|_| dated).ok_or_else(invalid);
    }
    let today = now.to_zoned(zone.clone()).date();
    time.parse::<Time>().map(|time| today.to_datetime(time)).map_err(|_| invalid())
}

fn reading(moment: &Zoned) -> Reading {
    let info = moment.time_zone().to_offset_info(moment.timestamp());
    Reading {
        timezone: name(moment.time_zone()),
        datetime: moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        day_of_week: moment.strftime("%A").to_string(),
        abbreviation: info.abbreviation().to_owned(),
        is_dst: info.dst().is_dst(),
    }
}

fn name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

fn difference(here: &Zoned, there: &Zoned) -> String {
    let seconds = there.offset().seconds() - here.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (minutes, rest) = (seconds.abs() / 60, seconds.abs() % 60);
    let whole = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    // Clocks went by the sun, or by half minutes, once.
    if rest == 0 { whole } else { format!("{whole}:{rest:02}") }
}
