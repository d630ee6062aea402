//! The request lines of a part of the log, counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, mpsc};

use super::tail::{Budget, Tail, TailEvent};
use super::{Session, read};
use crate::core::finding::{Finding, of_traffic};
use crate::core::logs::tail::Follow;
use crate::core::logs::{Followed, TailRequest};
use crate::core::requests::{By, Lately, Period, Requests, Sender, Watched};

/// How far back requests are counted at first: five minutes, and the slot that is still filling.
pub const LATELY: SignedDuration = SignedDuration::from_millis(305_000);
/// Windows end so long before now: a task's lines are on their way to CloudWatch for some seconds.
const ON_THEIR_WAY: SignedDuration = SignedDuration::from_secs(4);
/// How long one read of windows may take: forty logs take 16 seconds at half of AWS's rate, and that of a server that is
/// flooded is long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The requests of a window of the log, and the parts of it that could not be read.
pub struct Counted {
    /// The requests, by subject.
    pub requests: Requests,
    /// What could not be read, in words, as the log told it.
    pub gaps: Vec<String>,
}

/// Counts the requests of a window that does not follow. `now` is the time by the clock of AWS.
pub async fn count(session: &Session, request: TailRequest, now: impl Fn() -> Timestamp) -> Counted {
    let mut requests = Requests::whole();
    let gaps = add(session, request, Budget::at(&session.context), &now, &mut requests).await;
    if !gaps.is_empty() {
        // Whose lines are missing is in no gap's words, and what was read says too little of all of them.
        requests.broken_all();
    }
    Counted { requests, gaps: gaps.into_iter().map(|gap| gap.words).collect() }
}

/// A part of a window that could not be read.
struct Unread {
    groups: Vec<String>,
    words: String,
}

/// Adds the requests of a window, and returns what of it could not be read. Where this is dropped, those that were read
/// until then stay added.
async fn add(
    session: &Session,
    request: TailRequest,
    budget: Budget,
    now: &impl Fn() -> Timestamp,
    requests: &mut Requests,
) -> Vec<Unread> {
    let (events, mut received) = mpsc::channel(64);
    let tail = Tail::new(session.cloud.clone(), request, budget);
    let mut gaps = Vec::new();
    let read = async {
        while let Some(event) = received.recv().await {
            match event {
                TailEvent::Lines(lines) => {
                    let now = now().as_millisecond();
                    lines.iter().for_each(|line| requests.take(line, now));
                }
                TailEvent::Gap(gap) if gap.closed => gaps.retain(|(id, _)| *id != gap.id),
                TailEvent::Gap(gap) => gaps.push((gap.id, Unread { words: gap.words(), groups: gap.groups })),
                TailEvent::Missing(group) => {
                    let words = format!("there is no log group {group}");
                    gaps.push((u64::MAX, Unread { words, groups: vec![group] }));
                }
                _ => {}
            }
        }
    };
    futures::join!(tail.follow(events), read);
    gaps.into_iter().map(|(_, gap)| gap).collect()
}

/// Reads the requests of the last minutes again and again, each line once: what was read before is kept.
///
/// Why it exists: a server that ECS calls well may refuse everybody, and only its log says so. When to use it: where
/// nobody follows the log. It takes half of the budget of those who do, at most. Cheap to clone; clones share what was read.
#[derive(Clone)]
pub struct Watch {
    budget: Budget,
    lately: Arc<Mutex<Lately>>,
}

impl Watch {
    /// Nothing was read yet.
    pub fn new(budget: Budget) -> Self {
        Self { budget: budget.half(), lately: Arc::default() }
    }

    /// Reads on, from where each server was read before, and returns all that is known. What could not be read is in
    /// it: it is not read again, because the last minutes matter and not those before.
    pub async fn read(&self, session: &Session, watched: &Watched, now: impl Fn() -> Timestamp) -> Lately {
        let mut lately = self.lately.lock().await;
        lately.gaps.clear();
        let before = |at: Timestamp, span: SignedDuration| at.checked_sub(span).unwrap_or(at);
        let until = before(now(), ON_THEIR_WAY);
        let oldest = before(until, LATELY);
        // Servers that came onto the screen since are read from further back.
        let mut windows: BTreeMap<Timestamp, Vec<String>> = BTreeMap::new();
        for server in &watched.servers {
            let read = lately.tried.get(server).copied();
            let from = read.map_or(oldest, |read| read.max(oldest));
            if read != Some(from) {
                lately.requests.broken(server);
            }
            windows.entry(from).or_default().push(server.clone());
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for (from, servers) in windows.into_iter().rev().filter(|(from, _)| *from < until) {
            let sources = sources_of(watched, &servers);
            let groups = sources.groups.clone();
            let request = TailRequest {
                sources,
                from: from.as_millisecond(),
                until: Some(until.as_millisecond()),
                pattern: None,
                follow: Follow::No,
            };
            let reading = add(session, request, self.budget.clone(), &now, &mut lately.requests);
            let gaps = tokio::time::timeout_at(deadline, reading).await.unwrap_or_else(|_| {
                let words = format!("{} not read to its end within {} s", groups.join(", "), PATIENCE.as_secs());
                vec![Unread { groups, words }]
            });
            for server in servers {
                let own = if gaps.is_empty() {
                    Vec::new()
                } else {
                    sources_of(watched, std::slice::from_ref(&server)).groups
                };
                if !gaps.iter().flat_map(|gap| &gap.groups).any(|group| own.contains(group)) {
                    lately.until.insert(server.clone(), until);
                } else {
                    lately.requests.broken(&server);
                }
                lately.tried.insert(server, until);
            }
            lately.gaps.extend(gaps.into_iter().map(|gap| gap.words));
        }
        lately.clone()
    }
}

/// Where the lines of these servers lie, of those that are watched.
fn sources_of(watched: &Watched, servers: &[String]) -> Followed {
    let owners = (*watched.sources.owners).clone().only(servers.iter().cloned());
    Followed { groups: owners.groups(), owners: Arc::new(owners) }
}

/// What is wrong by the requests that were counted, by server. The names of clients are read only where one is told.
pub async fn findings(session: &Session, requests: &Requests, now: Timestamp) -> BTreeMap<String, Vec<Finding>> {
    let by_id = of_traffic(requests, &str::to_owned, now, now);
    let period = Period::Fifteen;
    let senders = requests.figures(By::Client, period, now.as_millisecond());
    let known = senders.iter().any(|(subject, _)| subject.sender.as_ref().and_then(Sender::client).is_some());
    if by_id.is_empty() || !known {
        return by_id;
    }
    let names = names(session).await;
    of_traffic(requests, &|id| names.get(id).cloned().unwrap_or_else(|| id.to_owned()), now, now)
}

/// The names of the environment's clients, by their ids; none where they cannot be read.
pub async fn names(session: &Session) -> BTreeMap<String, String> {
    if session.context.ours().is_none() {
        return BTreeMap::new();
    }
    let clients = read::clients(session).await.map(|list| list.clients).unwrap_or_default();
    clients.into_iter().map(|client| (client.id, client.name)).collect()
}
