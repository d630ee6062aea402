//! Keeps a caller out for a time, or lets it in again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::steps::Steps;
use super::work::{Check, CheckState, QuarantineCall, Step};
use crate::core::quarantine::{Quarantine, REACH, Who};

/// See [`Intent::Quarantine`](super::Intent::Quarantine).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeQuarantine {
    /// Name of the table.
    pub table: String,
    pub who: Who,
    /// The end, in whole seconds; `None` lets them in again.
    pub until: Option<Timestamp>,
    /// The end that the plan saw; `None`: there was no entry. An entry that is another now is somebody else's.
    pub seen: Option<Timestamp>,
    /// ARN of who asks for it.
    pub by: String,
}

/// How an entry stands to what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// It is as it is to be.
    Done,
    /// It is as the plan saw it.
    Untouched,
    /// Somebody has changed it; its end, if there still is one.
    Other(Option<Timestamp>),
}

impl ChangeQuarantine {
    /// One word for the audit.
    pub fn word(&self) -> &'static str {
        if self.until.is_some() { "quarantine" } else { "lift-quarantine" }
    }

    /// How the entry stands.
    pub fn now(&self, list: &Quarantine) -> Now {
        let found = list.entry(&self.who).map(|entry| entry.until);
        match found {
            _ if found == self.until => Now::Done,
            _ if found == self.seen => Now::Untouched,
            other => Now::Other(other),
        }
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Steps::default();
        let (title, read) = match self.until {
            Some(until) => (format!("keep {} out until {until:.0}", self.who), "is on the list"),
            None => (format!("let {} in again", self.who), "is not on the list"),
        };
        steps.then(title, QuarantineCall { change: self.clone() });
        let check = Check::Quarantined { change: Box::new(self.clone()) };
        steps.then(format!("read back that {} {read}", self.who), check);
        steps.done()
    }
}

/// Whether the list says what was asked for.
pub fn quarantined(list: &Quarantine, change: &ChangeQuarantine) -> CheckState {
    let within = REACH.as_secs();
    match (change.now(list), change.until) {
        (Now::Done, Some(until)) => {
            CheckState::Holds(format!("until {until:.0}; every server that reads it refuses them within {within} s"))
        }
        (Now::Done, None) => CheckState::Holds(format!("every server lets them in within {within} s")),
        (Now::Untouched, _) => CheckState::Doubtful("the list does not show it".into()),
        (Now::Other(Some(end)), _) => CheckState::Failed(format!("somebody has set another end since: {end:.0}")),
        (Now::Other(None), _) => CheckState::Failed("somebody has let them in since".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::quarantine::Entry;
    use jiff::SignedDuration;
    use rstest::rstest;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[rstest]
    #[case::new(Some(9), None, None, Now::Untouched)]
    #[case::made(Some(9), None, Some(9), Now::Done)]
    #[case::longer(Some(9), Some(5), Some(5), Now::Untouched)]
    #[case::a_colleague_was_faster(Some(9), None, Some(7), Now::Other(Some(at(7))))]
    #[case::a_colleague_has_lifted_it(Some(9), Some(5), None, Now::Other(None))]
    #[case::lifted(None, Some(5), None, Now::Done)]
    #[case::to_be_lifted(None, Some(5), Some(5), Now::Untouched)]
    #[case::made_longer_since(None, Some(5), Some(8), Now::Other(Some(at(8))))]
    #[case::nothing_to_lift(None, None, None, Now::Done)]
    fn an_entry_is_as_it_was_seen_or_somebody_has_acted(
        #[case] until: Option<i64>,
        #[case] seen: Option<i64>,
        #[case] found: Option<i64>,
        #[case] expected: Now,
    ) {
        let who = Who::Client("a".into());
        let (until, seen) = (until.map(at), seen.map(at));
        let change = ChangeQuarantine { table: "t".into(), who: who.clone(), until, seen, by: "b".into() };
        let entry = |until| Entry { who: who.clone(), until: at(until), by: None, since: None };
        let other = Entry { who: Who::Subject("a".into()), until: at(1), by: None, since: None };
        let list = Quarantine { entries: found.map(entry).into_iter().chain([other]).collect(), unclear: 0 };
        assert_eq!(change.now(&list), expected);
        let holds = matches!(quarantined(&list, &change), CheckState::Holds(_));
        assert_eq!(holds, expected == Now::Done);
    }
}
