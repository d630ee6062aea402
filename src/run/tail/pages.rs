//! Reads a window of several log groups, with patience.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Budget, Input, Patience};
use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::core::logs::coverage::DueWindow;
use crate::core::logs::merge::{GroupWindow, finished, merge};
use crate::core::logs::{LogEvent, LogPage};

/// What comes of a window.
#[derive(Debug)]
pub(super) enum Piece {
    /// Its next events, oldest first.
    Events(Vec<LogEvent>),
    /// It begins again somewhere: what follows is a reading of its own.
    Again,
    /// Events of this group at this millisecond that cannot be had.
    Lost(String, i64),
    /// A call failed, so many in a row; it is made again after this wait in milliseconds.
    Stuck(CloudError, u32, u64),
    /// It goes on.
    Moving,
    /// It was read to its end.
    Done,
    /// It cannot be read.
    Failed(CloudError),
}

/// Why a window is left.
enum Stop {
    Gone,
    Failed(CloudError),
}

/// A window to be read.
pub(super) struct Pages {
    pub cloud: Arc<dyn Cloud>,
    pub wanted: DueWindow,
    pub until: Option<i64>,
    pub pattern: Option<String>,
    pub budget: Budget,
    pub patience: Patience,
    /// Failures in a row after which it is given up.
    pub attempts: u32,
    pub out: mpsc::Sender<Input>,
}

impl Pages {
    /// Reads it to its end.
    pub(super) async fn run(self) {
        let last = match self.read().await {
            Ok(()) => Piece::Done,
            Err(Stop::Gone) => return,
            Err(Stop::Failed(error)) => Piece::Failed(error),
        };
        // Whoever asked may be gone by now.
        let _ = self.tell(last).await;
    }

    async fn tell(&self, piece: Piece) -> Result<(), Stop> {
        self.out.send(Input::Read(piece)).await.map_err(|_| Stop::Gone)
    }

    async fn read(&self) -> Result<(), Stop> {
        let groups = self.wanted.iter();
        let mut sources: Vec<GroupWindow> =
            groups.map(|(group, from)| GroupWindow::new(group, *from, self.until, self.pattern.clone())).collect();
        while !finished(&sources) {
            let mut at = 0;
            while at < sources.len() {
                if sources[at].wants().is_none() {
                    at += 1;
                    continue;
                }
                match self.page(&sources[at]).await? {
                    Page::Here(page) => {
                        if let Some(lost) = sources[at].take(page) {
                            self.tell(Piece::Lost(self.wanted[at].0.clone(), lost)).await?;
                        }
                    }
                    Page::NoGroup => sources[at].finish(),
                    Page::Refused(error) => {
                        // All together: what comes the second time is counted from its beginning.
                        let tokens: Vec<bool> = sources.iter_mut().map(GroupWindow::restart).collect();
                        // Without a token it is the group that is refused, and will be again.
                        if !tokens[at] {
                            return Err(Stop::Failed(error));
                        }
                        self.tell(Piece::Again).await?;
                        at = 0;
                    }
                }
            }
            let events = merge(&mut sources);
            if !events.is_empty() {
                self.tell(Piece::Events(events)).await?;
            }
        }
        Ok(())
    }

    /// The page that a source wants, asked for until it comes or cannot.
    async fn page(&self, source: &GroupWindow) -> Result<Page, Stop> {
        let mut failures = 0;
        loop {
            let Some(query) = source.wants() else { return Ok(Page::Here(LogPage::default())) };
            self.budget.wait().await;
            let error = match self.cloud.log_page(query).await {
                Ok(page) => {
                    if failures > 0 {
                        self.tell(Piece::Moving).await?;
                    }
                    return Ok(Page::Here(page));
                }
                Err(error) => error,
            };
            match error.kind {
                // A group that does not exist (yet) has no events.
                ErrorKind::NotFound => return Ok(Page::NoGroup),
                ErrorKind::Invalid => return Ok(Page::Refused(error)),
                ErrorKind::Throttled => self.budget.throttled(),
                _ => {}
            }
            failures += 1;
            // New credentials may be put in place while it waits.
            let hopeful = error.retryable() || error.kind == ErrorKind::Expired;
            if !hopeful || failures >= self.attempts {
                return Err(Stop::Failed(error));
            }
            let wait = self.patience.wait(failures);
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.tell(Piece::Stuck(error, failures, millis)).await?;
            tokio::time::sleep(wait).await;
        }
    }
}

enum Page {
    Here(LogPage),
    NoGroup,
    Refused(CloudError),
}
