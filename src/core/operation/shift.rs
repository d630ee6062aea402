//! Takes a zone out of the load balancer for a time, or lets it in again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::steps::Steps;
use super::work::{Check, CheckState, ShiftCall, Step};
use crate::core::shift::{Shift, Shifts, Zone, name_of};

/// See [`Intent::ZonalShift`](super::Intent::ZonalShift).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeShift {
    /// ARN of the load balancer.
    pub balancer: String,
    pub zone: Zone,
    /// The end, in whole seconds; `None` ends the shift that is there.
    pub until: Option<Timestamp>,
    /// Id of the shift that the plan saw; `None`: there was none.
    pub seen: Option<String>,
    /// Who asks for it, for those who read the shift's comment.
    pub by: String,
}

/// How what is there stands to what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now<'a> {
    /// It is as it is to be.
    Done(Option<&'a Shift>),
    /// It is as the plan saw it.
    Untouched,
    /// Somebody else has started a shift, or another one.
    Other(&'a Shift),
    /// Somebody has ended the shift that was asked for, or its time is over.
    Over,
}

/// The longest comment (ARC API reference, StartZonalShift).
const LONGEST: usize = 128;

impl ChangeShift {
    /// One word for the audit.
    pub fn word(&self) -> &'static str {
        if self.until.is_some() { "zonal-shift" } else { "cancel-zonal-shift" }
    }

    /// What the shift says of itself. It begins with the id of the operation, by which its own is told from another one.
    pub fn comment(&self, operation: &str) -> String {
        format!("{operation} of quarterdeck, by {}", self.by).chars().take(LONGEST).collect()
    }

    /// How it stands, for the operation of this id. `started`: the shift was there already.
    pub fn now<'a>(&self, shifts: &'a Shifts, operation: &str, started: bool) -> Now<'a> {
        match (&shifts.shift, self.until) {
            (Some(found), Some(_)) if found.comment == self.comment(operation) => Now::Done(Some(found)),
            (None, Some(_)) if started => Now::Over,
            (None, Some(_)) => Now::Untouched,
            (None, None) => Now::Done(None),
            (Some(found), None) if Some(&found.id) == self.seen.as_ref() => Now::Untouched,
            (Some(found), _) => Now::Other(found),
        }
    }

    pub(super) fn steps(&self, operation: &str) -> Vec<Step> {
        let (zone, balancer) = (&self.zone.name, name_of(&self.balancer));
        let mut steps = Steps::default();
        let (title, read) = match self.until {
            Some(until) => {
                (format!("take {zone} out of {balancer} until {until:.0}"), format!("read back that {zone} is out"))
            }
            None => (format!("let {zone} into {balancer} again"), format!("read back that {zone} is in again")),
        };
        steps.then(title, ShiftCall { change: self.clone(), operation: operation.to_owned() });
        let check = Check::Shifted { change: Box::new(self.clone()), operation: operation.to_owned() };
        steps.then(read, check);
        steps.done()
    }
}

/// Whether the load balancer does what was asked for.
pub fn shifted(shifts: &Shifts, change: &ChangeShift, operation: &str) -> CheckState {
    let zone = &change.zone.name;
    match change.now(shifts, operation, true) {
        Now::Done(Some(shift)) if shift.applied => CheckState::Holds(format!(
            "new requests go to the other zones until {:.0}; connections that are open may take minutes to end",
            shift.until
        )),
        Now::Done(Some(_)) => CheckState::Pending("AWS has the shift, and does not apply it yet".into()),
        Now::Done(None) => CheckState::Holds(format!("requests go to {zone} again")),
        Now::Untouched => CheckState::Doubtful("the shift is still there".into()),
        // What was started may not be shown yet.
        Now::Over => CheckState::Doubtful("there is no shift".into()),
        Now::Other(other) => CheckState::Failed(format!("another shift is there now, away from {}", other.away_from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use rstest::rstest;

    fn shift(id: &str, comment: &str, applied: bool) -> Shift {
        let since = Timestamp::UNIX_EPOCH;
        let until = since + SignedDuration::from_hours(1);
        Shift { id: id.into(), away_from: "euc1-az2".into(), since, until, applied, comment: comment.into() }
    }

    fn change(starts: bool, seen: Option<&str>) -> ChangeShift {
        ChangeShift {
            balancer: "arn:x:loadbalancer/app/lb/1".into(),
            zone: Zone { name: "eu-central-1b".into(), id: "euc1-az2".into() },
            until: starts.then_some(Timestamp::UNIX_EPOCH),
            seen: seen.map(str::to_owned),
            by: "alice".into(),
        }
    }

    #[rstest]
    #[case::to_start(true, None, None, "untouched")]
    #[case::started(true, None, Some(("s1", "qd-1 of quarterdeck, by alice")), "done")]
    #[case::a_colleague_was_faster(true, None, Some(("s1", "qd-2 of quarterdeck, by bob")), "other")]
    #[case::to_end(false, Some("s1"), Some(("s1", "by hand")), "untouched")]
    #[case::ended(false, Some("s1"), None, "done")]
    #[case::another_one_since(false, Some("s1"), Some(("s2", "by hand")), "other")]
    fn a_shift_is_as_it_was_seen_or_somebody_has_acted(
        #[case] starts: bool,
        #[case] seen: Option<&str>,
        #[case] found: Option<(&str, &str)>,
        #[case] expected: &str,
    ) {
        let shift = found.map(|(id, comment)| shift(id, comment, true));
        let shifts = Shifts { shift, ..Shifts::default() };
        let change = change(starts, seen);
        let word = match change.now(&shifts, "qd-1", false) {
            Now::Done(_) => "done",
            Now::Untouched => "untouched",
            Now::Other(_) => "other",
            Now::Over => "over",
        };
        assert_eq!(word, expected);
        assert_eq!(matches!(shifted(&shifts, &change, "qd-1"), CheckState::Holds(_)), expected == "done");
    }

    /// AWS has it, and lets another one be in effect; or does not show it yet.
    #[test]
    fn a_shift_that_is_not_in_effect_is_waited_for() {
        let found = |shift| Shifts { shift, ..Shifts::default() };
        let own = shift("s1", "qd-1 of quarterdeck, by alice", false);
        assert!(matches!(shifted(&found(Some(own)), &change(true, None), "qd-1"), CheckState::Pending(_)));
        assert!(matches!(shifted(&found(None), &change(true, None), "qd-1"), CheckState::Doubtful(_)));
    }

    #[test]
    fn a_comment_is_no_longer_than_aws_takes() {
        let long = ChangeShift { by: "é".repeat(300), ..change(true, None) };
        assert_eq!(long.comment("qd-1").chars().count(), LONGEST);
        assert!(long.comment("qd-1").starts_with("qd-1 of quarterdeck"));
    }
}
