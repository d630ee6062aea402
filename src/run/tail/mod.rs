//! Follows log groups: first the history, then live, or by polling if there is no live tail.
//!
//! No line is lost silently. [`Coverage`](crate::core::logs::Coverage) knows which part of each group is
//! complete. Live sessions (`lane`) bring lines early and say when they may have left some out; windows
//! (`pages`) are read until nothing is missing. What cannot be read is shown as a [`Gap`].
//!
//! One bad thing does not end the rest: a group that cannot be read is a gap of its own and is tried again
//! later, and an event that cannot be parsed costs the millisecond in which it was written.
//!
//! Times are those of AWS's clock, as its answers show it. What the tail cannot know: an event written more than
//! 5 minutes before CloudWatch took it, while no live session was whole, is not looked for (from half a
//! minute on where more than 6,000 events come in a second: the memory of what was shown is bounded), so a
//! closed gap says that it was read to its end, not that nothing will come late; equal events that the
//! service sends twice in one update are shown twice.

mod budget;
mod lane;
mod pages;
mod patience;
mod reader;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::cloud::Cloud;
use crate::core::logs::{Followed, Gap, Line, Rate, TailRequest, TailState};

pub use budget::Budget;
pub use patience::Patience;

/// What a tail sends to whoever follows it.
#[derive(Debug, Clone, PartialEq)]
pub enum TailEvent {
    /// Lines, oldest first. Lines that are sent later may be older than these.
    Lines(Vec<Line>),
    /// The tail's state changed.
    State(TailState),
    /// Lines may be missing, or are complete again.
    Gap(Gap),
    /// A log group that was asked for does not exist, or not yet. Sent once for each.
    Missing(String),
    /// A log group that was missing exists now.
    Appeared(String),
    /// How much of the budget of calls is used. Sent when it changes, at most once a second.
    Rate(Rate),
}

/// What lanes and windows send to the reader.
#[derive(Debug)]
enum Inbound {
    /// From a lane, by its number.
    Heard(usize, lane::Heard),
    /// From the window that is being read.
    Read(pages::Piece),
}

/// The receiver of a task's messages is gone, so the task ends.
struct Gone;

/// A request for log lines, with everything that is needed to follow it.
///
/// Why it exists: CloudWatch Logs has no stream that is complete. Live sessions leave lines out, and
/// reading windows is slow; a tail combines them and shows what is missing. When to use it: wherever log
/// lines are needed, for the Logs screen, for `quarterdeck logs`, and for one window of the past.
/// [`follow`] is enough if the groups and the patience do not change.
pub struct Tail {
    /// Where the logs are.
    pub cloud: Arc<dyn Cloud>,
    /// Which lines are wanted, from the groups that are followed at first.
    pub request: TailRequest,
    /// Changes of what is followed; `None` if it stays.
    pub changes: Option<watch::Receiver<Followed>>,
    /// Shared by all tails of the process.
    pub budget: Budget,
    /// How long it waits for what.
    pub patience: Patience,
}

impl Tail {
    /// A tail with the usual patience on groups that do not change.
    pub fn new(cloud: Arc<dyn Cloud>, request: TailRequest, budget: Budget) -> Self {
        Self { cloud, request, changes: None, budget, patience: Patience::default() }
    }

    /// Follows until the receiver is gone, the window is read to its end, or it cannot go on. The last event
    /// is `TailState::Ended`, which says why.
    pub async fn follow(self, out: mpsc::Sender<TailEvent>) {
        let last = out.clone();
        if let Ok(end) = reader::TailReader::new(self, out).run().await {
            // The receiver may be gone.
            let _ = last.send(TailEvent::State(TailState::Ended(end))).await;
        }
    }
}

/// Follows groups that do not change, with the usual patience. As [`Tail::follow`].
pub async fn follow(cloud: Arc<dyn Cloud>, request: TailRequest, budget: Budget, out: mpsc::Sender<TailEvent>) {
    Tail::new(cloud, request, budget).follow(out).await;
}

/// The time now, in milliseconds since the Unix epoch.
pub fn now_millis() -> i64 {
    Timestamp::now().as_millisecond()
}
