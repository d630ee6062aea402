//! How many requests CloudWatch has counted of servers: read seldom, because AWS bills each series.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cloud::{CloudError, ErrorKind};
use crate::core::metrics::{Alarm, Answered, COUNTED, COUNTS_EVERY, Place, Query, aligned, counts, fitting};
use crate::core::timeline::History;
use crate::core::timeline::bursts::Counted;
use crate::core::unread::Read;
use crate::run::Session;

/// What was counted, by server, or of all, and by the seconds of a point.
pub(super) type Known = BTreeMap<(Option<String>, i64), Counted>;

/// The counts of these servers since then, as a part of the history. The alarms tell the names of the load balancer.
pub(super) async fn of_requests(
    session: &Session,
    known: &mut Known,
    server: Option<&str>,
    servers: &[String],
    alarms: &[Alarm],
    since: Timestamp,
) -> History {
    let (now, context) = (session.now(), &session.context);
    let period = fitting(now.duration_since(since));
    let from = aligned(since, period);
    let key = (server.map(str::to_owned), period);
    let fresh = |one: &&Counted| one.from <= from && now.duration_since(one.until) < COUNTS_EVERY;
    if let Some(counted) = known.get(&key).filter(fresh) {
        return History { counted: Some(Box::new(counted.clone())), ..History::default() };
    }
    let mut history = History::default();
    if servers.len() > COUNTED {
        let more = servers.len() - COUNTED;
        history
            .gaps
            .push(format!("counts of requests of {more} servers: no more than {COUNTED} are counted; name one"));
    }
    let servers = servers.iter().take(COUNTED);
    let places: Vec<Place> =
        servers.map(|server| Place::of(server, &context.cluster, context.ours(), alarms)).collect();
    let asked = counts(&places, period);
    if asked.is_empty() {
        return history;
    }
    let queries: Vec<Query> = asked.iter().map(|(_, _, query)| query.clone()).collect();
    let answered = match session.cloud.measured(None, &queries, from, now).await {
        Ok(answered) => answered,
        Err(why) => {
            history.gaps.extend(gap(&why));
            return history;
        }
    };
    let mut counted = Counted { from, until: now, period, asked: asked.len(), ..Counted::default() };
    let mut unread: Option<CloudError> = None;
    for ((server, of, _), read) in asked.into_iter().zip(answered) {
        match read {
            Read::Known(Answered::One(series)) => {
                counted.servers.entry(server).or_default().insert(of, series);
            }
            Read::Known(Answered::Each(_)) => {}
            Read::NotRead(why) => unread = Some(why),
        }
    }
    // One denial is told once, whatever it kept from being read.
    history.gaps.extend(unread.as_ref().and_then(gap));
    if unread.is_none() {
        known.insert(key, counted.clone());
    }
    history.counted = Some(Box::new(counted));
    history
}

/// An endpoint that lacks the call counts nothing.
fn gap(why: &CloudError) -> Option<String> {
    (why.kind != ErrorKind::Unsupported).then(|| format!("counts of requests: {why}"))
}
