//! The state that a tail tells.

use super::{BATCH, LaneState, SESSIONS, TailReader};
use crate::core::logs::TailState;
use crate::core::logs::tail::Follow;

impl TailReader {
    /// The state to show: of several that are true, the worst.
    pub(super) fn state(&self) -> TailState {
        if let Some((why, wait)) = &self.stuck {
            return TailState::Reconnecting(why.clone(), *wait);
        }
        if let (Some(until), Some(error)) = (self.coverage.none_readable(), &self.barred) {
            // To the second, because each change of the state is a message.
            let wait = (until - self.now()).max(0) / 1_000 * 1_000;
            return TailState::Reconnecting(error.message.clone(), u64::try_from(wait).unwrap_or(0));
        }
        if self.coverage.loading() {
            // Counted by thousands, because each change of the state is a message.
            return TailState::Loading(self.sent / BATCH as u64 * BATCH as u64);
        }
        let broken = self.lanes.values().find_map(|lane| match &lane.session {
            LaneState::Broken(why, wait) => Some(TailState::Reconnecting(why.clone(), *wait)),
            _ => None,
        });
        let behind = self.coverage.behind(self.now()).map(|behind| TailState::Lagging(behind / 1_000 * 1_000));
        let sampled = self.coverage.sampled().then_some(TailState::Sampled);
        broken.or(behind).or(sampled).unwrap_or_else(|| self.polled())
    }

    fn polled(&self) -> TailState {
        if self.tail.request.follow == Follow::Poll {
            return TailState::Polling("asked for".into());
        }
        let refused = self.lanes.values().find_map(|lane| match &lane.session {
            LaneState::Refused(why) => Some(format!("no live tail: {why}")),
            LaneState::Opening => Some("live tail is being opened".to_owned()),
            _ => None,
        });
        let not_joined = self.lanes.values().find_map(|lane| lane.not_joined.as_ref());
        let not_joined = not_joined.map(|why| format!("no live tail for what joined: {why}"));
        let absent = self.lanes.values().flat_map(|lane| &lane.absent).next();
        let absent = absent.map(|group| format!("{group} has no live tail, or is not there yet"));
        let polled = self.coverage.polled();
        let beyond = || {
            let why = format!("{} log groups, because no more than {SESSIONS} live sessions are held", self.polled);
            (self.polled > 0).then_some(why)
        };
        let new = || (polled > 0).then(|| "live tail is being opened".to_owned());
        let why = refused.or(not_joined).or(absent).or_else(beyond).or_else(new);
        why.map_or(TailState::Live, TailState::Polling)
    }
}
