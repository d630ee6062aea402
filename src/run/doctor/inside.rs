//! What a server has logged of a request of Doctor's: inside and outside stand side by side.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::since;
use crate::core::doctor::judge;
use crate::core::doctor::{Hop, Link, State};
use crate::core::fleet::{Fleet, Server};
use crate::core::logs::tail::Follow;
use crate::core::logs::{Followed, Line, Owners, TailRequest};
use crate::core::requests::Request;
use crate::run::Session;
use crate::run::tail::{Budget, Tail, TailEvent};

/// How long the line of a request is waited for: the log driver and CloudWatch take some seconds.
const LOGGED: Duration = Duration::from_secs(15);
/// How long between two looks.
const AGAIN: Duration = Duration::from_secs(2);
/// The clocks of a task and of this machine may differ so much.
const EARLIER: SignedDuration = SignedDuration::from_secs(30);

/// A request that was made under an id.
pub(super) struct Named {
    pub(super) id: String,
    pub(super) at: jiff::Timestamp,
    pub(super) status: u16,
    pub(super) millis: u64,
    /// Whether the server has told the same id back, so that it logs by it.
    pub(super) told: bool,
}

/// Looks for the line that the server has logged of a request. It comes some seconds later.
pub(super) async fn of_server(session: &Session, server: Server, last: &Named) -> Hop {
    let (link, begun) = (Link::Log, Instant::now());
    let hop = |state, millis| Hop { link, state, millis };
    if !last.told {
        return hop(State::skipped("the server does not say by which id it has logged the request"), None);
    }
    let fleet = Fleet { servers: vec![server], ..Fleet::default() };
    let owners = Owners::of(&fleet, session.context.ours());
    let sources = Followed { groups: owners.groups(), owners: Arc::new(owners) };
    if sources.groups.is_empty() {
        return hop(State::skipped("where its containers log is not read here"), None);
    }
    let from = last.at.checked_sub(EARLIER).unwrap_or(last.at).as_millisecond();
    while begun.elapsed() < LOGGED {
        let request = TailRequest { sources: sources.clone(), from, until: None, pattern: None, follow: Follow::No };
        match line_of(session, request, &last.id).await {
            Ok(Some(text)) => {
                let state = judge::inside(Request::read(&text).as_ref(), last.status, last.millis);
                return hop(state, since(begun));
            }
            Ok(None) => tokio::time::sleep(AGAIN).await,
            Err(why) => return hop(State::skipped(format!("its log was not read: {why}")), since(begun)),
        }
    }
    hop(judge::inside(None, last.status, last.millis), since(begun))
}

/// The line with this id in a window of the log, or what of it could not be read.
async fn line_of(session: &Session, request: TailRequest, id: &str) -> Result<Option<String>, String> {
    let (events, mut received) = mpsc::channel(64);
    // The end is exclusive, and the line may be of this very millisecond.
    let until = session.now().as_millisecond() + 1;
    let tail =
        Tail::new(session.cloud.clone(), TailRequest { until: Some(until), ..request }, Budget::at(&session.context));
    let read = async {
        let (mut found, mut gap) = (None, None);
        while let Some(event) = received.recv().await {
            match event {
                TailEvent::Lines(lines) => {
                    let own = |line: &&Line| line.text.contains(id) && Request::read(&line.text).is_some();
                    found = found.or_else(|| lines.iter().find(own).map(|line| line.text.to_string()));
                }
                TailEvent::Gap(one) => gap = (!one.closed).then(|| one.words()),
                _ => {}
            }
        }
        (found, gap)
    };
    let ((), (found, gap)) = futures::join!(tail.follow(events), read);
    match (found, gap) {
        (None, Some(gap)) => Err(gap),
        (found, _) => Ok(found),
    }
}
