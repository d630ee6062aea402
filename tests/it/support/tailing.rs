//! A tail against the scripted endpoint, and what it told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck::aws::{Access, Timeouts, connect_with};
use quarterdeck::core::logs::coverage::Pace;
use quarterdeck::core::logs::tail::Follow;
use quarterdeck::core::logs::{Followed, Gap, TailRequest, TailState};
use quarterdeck::run::tail::{Budget, Patience, Tail, TailEvent, now_millis};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::cloudwatch::CloudWatch;

/// Longest that anything may take; a test that needs it has failed.
const BOUND: Duration = Duration::from_secs(30);

/// The tail's times, a hundredth of the usual ones.
pub const FAST: Patience = Patience {
    pace: Pace { overlap: 300, deep: 900, sweep: 300, audit: 600, poll: 20, catch_up: 10, lag: 50 },
    tick: Duration::from_millis(5),
    first_wait: Duration::from_millis(4),
    longest_wait: Duration::from_millis(40),
    renew: Duration::from_secs(3_600),
    refused: Duration::from_millis(200),
    slow: Duration::from_secs(5),
    attempts: 4,
    remembered: 1_000_000,
};

/// How late an event may be written and still be found.
pub const LATEST: i64 = 200;

/// A tail that runs, and everything it told so far.
pub struct Tailing {
    events: mpsc::Receiver<TailEvent>,
    following: watch::Sender<Followed>,
    pub lines: BTreeMap<String, usize>,
    pub order: Vec<String>,
    pub states: Vec<TailState>,
    pub gaps: Vec<Gap>,
    pub throttled: u64,
    /// Groups that do not exist, by the last word on them.
    pub missing: BTreeSet<String>,
}

impl Tailing {
    pub async fn start(endpoint: &CloudWatch, groups: &[&str], follow: Follow, patience: Patience) -> Self {
        let second = Duration::from_secs(10);
        let timeouts = Timeouts {
            connect: second,
            attempt: second,
            read: second,
            silence: Some(Duration::from_secs(2)),
            ..Timeouts::default()
        };
        let options = Access {
            region: Some("eu-central-1".into()),
            endpoint: Some(endpoint.url.clone()),
            static_credentials: true,
            ..Access::default()
        };
        let cloud = Arc::new(connect_with(&options, timeouts).await.unwrap());
        let sources = Followed::groups(groups.iter().copied());
        let from = now_millis() - 60_000;
        let request = TailRequest { sources: sources.clone(), from, until: None, pattern: None, follow };
        let (following, changes) = watch::channel(sources);
        let tail = Tail { cloud, request, changes: Some(changes), budget: Budget::of(1_000.0), patience };
        let (out, events) = mpsc::channel(64);
        tokio::spawn(tail.follow(out));
        Self {
            events,
            following,
            lines: BTreeMap::new(),
            order: Vec::new(),
            states: Vec::new(),
            gaps: Vec::new(),
            throttled: 0,
            missing: BTreeSet::new(),
        }
    }

    pub fn follow(&self, groups: &[&str]) {
        self.following.send_replace(Followed::groups(groups.iter().copied()));
    }

    fn take(&mut self, event: TailEvent) {
        match event {
            TailEvent::Lines(lines) => {
                for line in lines {
                    *self.lines.entry(line.text.to_string()).or_default() += 1;
                    self.order.push(line.text.to_string());
                }
            }
            TailEvent::State(state) => self.states.push(state),
            TailEvent::Gap(gap) => {
                self.gaps.retain(|known| known.id != gap.id);
                self.gaps.push(gap);
            }
            TailEvent::Missing(group) => drop(self.missing.insert(group)),
            TailEvent::Appeared(group) => drop(self.missing.remove(&group)),
            TailEvent::Rate(rate) => self.throttled = rate.throttled,
        }
    }

    /// Waits until this holds of what was told, or of the endpoint.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + BOUND;
        while !holds(self) {
            assert!(Instant::now() < end, "{what}: {:?} {:?} {:?}", self.lines, self.states, self.gaps);
            // Conditions of the endpoint change without an event.
            match timeout(Duration::from_millis(5), self.events.recv()).await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => assert!(holds(self), "ended before {what}: {:?} {:?}", self.lines, self.states),
                Err(_) => {}
            }
        }
    }

    pub async fn line(&mut self, text: &str) {
        self.until(text, |tailing| tailing.lines.contains_key(text)).await;
    }

    pub async fn state(&mut self, word: &str) {
        self.until(word, |tailing| tailing.states.last().is_some_and(|state| state.word() == word)).await;
    }

    /// Whether it told this state at some time.
    pub fn told(&self, word: &str) -> bool {
        self.states.iter().any(|state| state.word() == word)
    }
}
