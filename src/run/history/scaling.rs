//! What autoscaling did: read once, and then only what came since.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::cloud::ErrorKind;
use crate::core::timeline::History;
use crate::core::timeline::scaling::{Activity, LeftOut, of_scaling};
use crate::run::Session;

/// For how long an activity may still change: until the tasks run, or ECS gives up.
const UNSETTLED: SignedDuration = SignedDuration::from_hours(4);

/// What is known of the activities of a server, or of all.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_id: BTreeMap<String, Activity>,
    /// Since when they were read, and when for the last time.
    read: Option<(Timestamp, Timestamp)>,
    left_out: Option<LeftOut>,
}

/// The activities since then, as a part of the history.
pub(super) async fn scaling(
    session: &Session,
    known: &mut BTreeMap<Option<String>, Known>,
    server: Option<&str>,
    since: Timestamp,
) -> History {
    let known = known.entry(server.map(str::to_owned)).or_default();
    let now = session.now();
    let on = known.read.filter(|(from, _)| *from <= since);
    let from = on.map_or(since, |(_, read)| since.max(read.checked_sub(UNSETTLED).unwrap_or(since)));
    let mut history = History::default();
    match session.cloud.scaled(&session.context.cluster, server, from).await {
        Ok(scaled) => {
            if on.is_none() {
                *known = Known::default();
            }
            known.left_out = scaled.left_out.or(known.left_out);
            known.by_id.extend(scaled.activities.into_iter().map(|one| (one.id.clone(), one)));
            known.read = Some((on.map_or(since, |(from, _)| from), now));
        }
        // An endpoint that lacks the call scales nothing.
        Err(why) if why.kind == ErrorKind::Unsupported => {}
        Err(why) => history.gaps.push(format!("autoscaling: {why}")),
    }
    history.gaps.extend(known.left_out.map(|left_out| left_out.told().to_owned()));
    let activities: Vec<Activity> = known.by_id.values().filter(|one| one.at >= since).cloned().collect();
    history.moments = of_scaling(&activities);
    history
}
