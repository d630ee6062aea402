//! The request lines of a part of the log, counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::tail::{Budget, Tail, TailEvent};
use super::{Session, read};
use crate::core::finding::{Finding, of_traffic};
use crate::core::logs::TailRequest;
use crate::core::requests::{By, Period, Requests, Sender};

/// The requests of a window of the log, and the parts of it that could not be read.
pub struct Counted {
    /// The requests, by subject.
    pub requests: Requests,
    /// What could not be read, in words, as the log told it.
    pub gaps: Vec<String>,
}

/// Counts the requests of a window that does not follow. `now` is the time by the clock of AWS.
pub async fn count(session: &Session, request: TailRequest, now: impl Fn() -> Timestamp) -> Counted {
    let (events, mut received) = mpsc::channel(64);
    let tail = Tail::new(session.cloud.clone(), request, Budget::at(&session.context));
    let reader = tokio::spawn(tail.follow(events));
    let (mut requests, mut gaps) = (Requests::default(), Vec::new());
    while let Some(event) = received.recv().await {
        match event {
            TailEvent::Lines(lines) => {
                let now = now().as_millisecond();
                lines.iter().for_each(|line| requests.take(line, now));
            }
            TailEvent::Gap(gap) if gap.closed => gaps.retain(|(id, _)| *id != gap.id),
            TailEvent::Gap(gap) => gaps.push((gap.id, gap.words())),
            TailEvent::Missing(group) => gaps.push((u64::MAX, format!("there is no log group {group}"))),
            _ => {}
        }
    }
    reader.abort();
    Counted { requests, gaps: gaps.into_iter().map(|(_, gap)| gap).collect() }
}

/// What is wrong by the requests that were counted, by server. The names of clients are read only where one is told.
pub async fn findings(session: &Session, requests: &Requests, now: Timestamp) -> BTreeMap<String, Vec<Finding>> {
    let by_id = of_traffic(requests, &str::to_owned, now);
    let period = Period::Fifteen;
    let senders = requests.figures(By::Client, period, now.as_millisecond());
    let known = senders.iter().any(|(subject, _)| subject.sender.as_ref().and_then(Sender::client).is_some());
    if by_id.is_empty() || !known {
        return by_id;
    }
    let names = names(session).await;
    of_traffic(requests, &|id| names.get(id).cloned().unwrap_or_else(|| id.to_owned()), now)
}

/// The names of the environment's clients, by their ids; none where they cannot be read.
pub async fn names(session: &Session) -> BTreeMap<String, String> {
    if session.context.ours().is_none() {
        return BTreeMap::new();
    }
    let clients = read::clients(session).await.map(|list| list.clients).unwrap_or_default();
    clients.into_iter().map(|client| (client.id, client.name)).collect()
}
