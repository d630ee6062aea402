//! Follows log groups: the history, then live, and by polling where live is not to be had.
//!
//! Nothing is lost silently. [`Coverage`] knows what of each group is complete; live sessions
//! ([`lane`]) make lines early and say when they may have left some out; windows ([`pages`]) are
//! read until nothing is owed. What cannot be read is told as a [`Gap`].

mod budget;
mod lane;
mod pages;
mod patience;
mod reader;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::cloud::Cloud;
use crate::core::logs::{Gap, Line, Rate, TailRequest, TailState};

pub use budget::Budget;
pub use patience::Patience;

/// What a tail sends.
#[derive(Debug, Clone, PartialEq)]
pub enum TailEvent {
    /// Lines, oldest first; lines of later events may be older.
    Lines(Vec<Line>),
    /// It stands differently.
    State(TailState),
    /// Lines may be missing, or are complete again.
    Gap(Gap),
    /// How the budget of calls is used; when it changes, at most once a second.
    Rate(Rate),
}

/// What comes to the reader.
#[derive(Debug)]
enum Inbound {
    /// From a lane, by its number.
    Heard(usize, lane::Heard),
    /// From the window that is being read.
    Read(pages::Piece),
}

/// Whoever was to receive what a task sends is gone, so the task ends.
struct Gone;

/// A tail to be followed.
pub struct Tail {
    /// Where the logs are.
    pub cloud: Arc<dyn Cloud>,
    /// What is wanted; its groups are the first ones.
    pub request: TailRequest,
    /// Groups to follow from then on, whenever they change.
    pub groups: Option<watch::Receiver<Vec<String>>>,
    /// Shared by all tails of the process.
    pub budget: Budget,
    /// Its times.
    pub patience: Patience,
}

impl Tail {
    /// A tail with the usual patience on groups that stay.
    pub fn new(cloud: Arc<dyn Cloud>, request: TailRequest, budget: Budget) -> Self {
        Self { cloud, request, groups: None, budget, patience: Patience::default() }
    }

    /// Follows until the receiver is gone, the time asked for is over, or it cannot go on.
    pub async fn follow(self, out: mpsc::Sender<TailEvent>) {
        let last = out.clone();
        if let Ok(end) = reader::TailReader::new(self, out).run().await {
            // Whoever asked may be gone by now.
            let _ = last.send(TailEvent::State(TailState::Ended(end))).await;
        }
    }
}

/// Follows with the usual patience.
pub async fn follow(cloud: Arc<dyn Cloud>, request: TailRequest, budget: Budget, out: mpsc::Sender<TailEvent>) {
    Tail::new(cloud, request, budget).follow(out).await;
}

/// The time now, in milliseconds since the Unix epoch.
pub fn now_millis() -> i64 {
    Timestamp::now().as_millisecond()
}
