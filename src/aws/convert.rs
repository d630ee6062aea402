//! Turns the SDK's optional fields into plain domain values.

use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::core::text::sanitise;

/// Sanitised text; empty if there is none.
pub(super) fn text(raw: Option<&str>) -> String {
    raw.map(sanitise).unwrap_or_default()
}

/// Sanitised text; `None` if there is none or it is empty.
pub(super) fn some_text(raw: Option<&str>) -> Option<String> {
    raw.map(sanitise).filter(|text| !text.is_empty())
}

/// A time; `None` if there is none or the calendar does not reach that far.
pub(super) fn time(raw: Option<&DateTime>) -> Option<Timestamp> {
    let raw = raw?;
    Timestamp::new(raw.secs(), i32::try_from(raw.subsec_nanos()).ok()?).ok()
}

/// A count; a negative one becomes 0.
pub(super) fn count(raw: i32) -> u32 {
    u32::try_from(raw).unwrap_or(0)
}

/// A count for a request; one that is too large for the API becomes the largest possible.
pub(super) fn wire_count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_outside_the_calendar_is_none() {
        assert_eq!(time(Some(&DateTime::from_secs(i64::MAX))), None);
        assert_eq!(time(Some(&DateTime::from_secs(0))), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(time(None), None);
    }
}
