//! What autoscaling did with the counts of services, and what it wanted and could not do.

use jiff::Timestamp;

use super::{Kind, Moment};
use crate::core::finding::Id;

/// An activity of Application Auto Scaling with one service (API reference, ScalingActivity).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub id: String,
    pub server: String,
    /// When it began.
    pub at: Timestamp,
    /// What it is about. It names the count that is set; from which one, AWS does not say.
    pub description: String,
    /// The alarm and the policy, the schedule or the bound.
    pub cause: String,
    /// How it went.
    pub message: String,
    pub state: State,
    /// Why the count was left as it was, where that is so.
    pub unscaled: Option<Unscaled>,
}

/// How far an activity is (API reference, ScalingActivity, `StatusCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `Pending` and `InProgress`.
    UnderWay,
    Successful,
    /// What was set was not reached.
    Unfulfilled,
    /// A later one took its place.
    Overridden,
    Failed,
    /// One that is not known here.
    Other,
}

/// Why the count was left as it was (API reference, NotScaledReason).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unscaled {
    /// It is as high as it may be.
    AtMaximum(Option<u32>),
    AtMinimum,
    AsWanted,
    /// It would have been taken back at once.
    Flapping,
    /// ECS lets nobody scale the service now.
    Unscalable,
    /// For a reason that is not known here.
    Other,
}

/// What was read of the activities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scaled {
    pub activities: Vec<Activity>,
    pub left_out: Option<LeftOut>,
}

/// What is missing because the list is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Some of those that left the count as it was.
    Unscaled,
    /// Some of the others, too.
    Some,
}

impl LeftOut {
    pub fn told(self) -> &'static str {
        match self {
            Self::Unscaled => "autoscaling: some of what it did not do; the list is long, ask for one server",
            Self::Some => "autoscaling: some of what it did; the list is long, ask for one server or a shorter time",
        }
    }
}

/// What happened, in the order of time for each server. What autoscaling finds again and again without a change in between is
/// told once, with how often.
pub fn of_scaling(activities: &[Activity]) -> Vec<Moment> {
    let mut sorted: Vec<&Activity> = activities.iter().collect();
    sorted.sort_by(|a, b| (&a.server, a.at, &a.id).cmp(&(&b.server, b.at, &b.id)));
    let alike = |a: &&Activity, b: &&Activity| a.server == b.server && a.unscaled.is_some() && a.unscaled == b.unscaled;
    sorted.chunk_by(alike).filter_map(told).collect()
}

fn told(run: &[&Activity]) -> Option<Moment> {
    let (first, last) = (run.first()?, run.last()?);
    let sentence = |text: &str| text.trim_end_matches('.').to_owned();
    let because = |what: String, why: &str| if why.is_empty() { what } else { format!("{what}: {}", sentence(why)) };
    let (what, bad, finding) = match first.unscaled {
        // What every server does that has little to do.
        Some(Unscaled::AtMinimum | Unscaled::AsWanted) => return None,
        Some(Unscaled::AtMaximum(most)) => {
            let most = most.map(|most| format!(" of {most}")).unwrap_or_default();
            let what = format!("would scale out, and is at its maximum{most}");
            (what, true, Some(Id::BusyAtMaximum))
        }
        Some(Unscaled::Flapping) => ("did not scale: it would have been taken back at once".to_owned(), false, None),
        Some(Unscaled::Unscalable) => ("did not scale: ECS lets nobody scale it now".to_owned(), false, None),
        Some(Unscaled::Other) => (format!("did not scale: {}", sentence(&first.description)), true, None),
        None => {
            let bad = matches!(first.state, State::Unfulfilled | State::Overridden | State::Failed);
            (sentence(&first.description), bad, None)
        }
    };
    let what = because(what, &first.cause);
    let what = if bad && first.unscaled.is_none() { because(what, &first.message) } else { what };
    let what = match run.len() {
        1 => what,
        times => format!("{what} ({times} times until {:.0})", last.at),
    };
    Some(Moment { finding, ..Moment::new(first.at, Kind::Scaling, &first.server, what, bad) })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn activity(second: i64, state: State, unscaled: Option<Unscaled>) -> Activity {
        Activity {
            id: format!("{second}"),
            server: "time".into(),
            at: at(second),
            description: "Setting desired count to 3.".into(),
            cause: "monitor alarm cpu-high in state ALARM triggered policy cpu".into(),
            message: "Failed to set desired count to 3.".into(),
            state,
            unscaled,
        }
    }

    const DONE: &str = "Setting desired count to 3: monitor alarm cpu-high in state ALARM triggered policy cpu";
    const FAILED: &str = "Setting desired count to 3: monitor alarm cpu-high in state ALARM triggered policy cpu: Failed to set \
        desired count to 3";
    const MOST: &str =
        "would scale out, and is at its maximum of 4: monitor alarm cpu-high in state ALARM triggered policy cpu";

    #[rstest]
    #[case::done(State::Successful, None, Some((DONE, false)))]
    #[case::under_way(State::UnderWay, None, Some((DONE, false)))]
    #[case::failed(State::Failed, None, Some((FAILED, true)))]
    #[case::overridden(State::Overridden, None, Some((FAILED, true)))]
    #[case::unfulfilled(State::Unfulfilled, None, Some((FAILED, true)))]
    #[case::at_maximum(State::Failed, Some(Unscaled::AtMaximum(Some(4))), Some((MOST, true)))]
    #[case::at_minimum(State::Failed, Some(Unscaled::AtMinimum), None)]
    #[case::as_wanted(State::Failed, Some(Unscaled::AsWanted), None)]
    fn an_activity_is_told_with_its_cause_and_how_it_failed(
        #[case] state: State,
        #[case] unscaled: Option<Unscaled>,
        #[case] expected: Option<(&str, bool)>,
    ) {
        let told = of_scaling(&[activity(0, state, unscaled)]);
        assert_eq!(told.first().map(|moment| (moment.what.as_str(), moment.bad)), expected);
        assert!(told.iter().all(|one| one.kind == Kind::Scaling && one.subject == "time"));
    }

    #[test]
    fn what_is_found_again_and_again_is_told_once_until_something_changes() {
        let most = Some(Unscaled::AtMaximum(Some(4)));
        let all = [
            activity(300, State::Failed, most),
            activity(0, State::Failed, most),
            activity(60, State::Failed, most),
            activity(120, State::Successful, None),
            Activity { server: "weather".into(), ..activity(61, State::Failed, most) },
        ];
        let told = of_scaling(&all);
        let times: Vec<_> =
            told.iter().map(|one| (one.subject.as_str(), one.at, one.what.contains("2 times"))).collect();
        let expected =
            [("time", at(0), true), ("time", at(120), false), ("time", at(300), false), ("weather", at(61), false)];
        assert_eq!(times, expected, "{told:#?}");
        assert!(told[0].what.ends_with("(2 times until 2027-01-15T08:01:00Z)"), "{}", told[0].what);
    }

    #[test]
    fn two_that_were_done_are_two() {
        let told = of_scaling(&[activity(0, State::Successful, None), activity(60, State::Successful, None)]);
        assert_eq!(told.len(), 2);
    }
}
