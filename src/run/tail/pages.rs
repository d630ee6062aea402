//! Reads a window of time in several log groups, page by page, and repeats calls that fail.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Budget, Inbound, Patience};
use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::core::logs::coverage::DueWindow;
use crate::core::logs::merge::{GroupWindow, finished, merge};
use crate::core::logs::{LogEvent, LogPage};

/// What a window sends while it is read.
#[derive(Debug)]
pub(super) enum Piece {
    /// The next events, oldest first.
    Events(Vec<LogEvent>),
    /// The window is read again from an earlier place: events after this may repeat earlier ones.
    Again,
    /// This group does not exist.
    NoGroup(String),
    /// Events of this group in this millisecond (since the Unix epoch) cannot be read.
    Lost(String, i64),
    /// A call failed: the error, how many failed in a row, and after how many milliseconds the next follows.
    Stuck(CloudError, u32, u64),
    /// A call succeeded after some had failed.
    Moving,
    /// The window was read to its end.
    Done,
    /// The window cannot be read.
    Failed(CloudError),
}

/// Why a window is not read further.
enum Stop {
    Gone,
    Failed(CloudError),
}

/// A window to be read.
pub(super) struct Pages {
    pub cloud: Arc<dyn Cloud>,
    /// The groups, each with the beginning of its window.
    pub wanted: DueWindow,
    /// The end of the window, in milliseconds since the Unix epoch; `None` reads all that there is.
    pub until: Option<i64>,
    pub pattern: Option<String>,
    pub budget: Budget,
    pub patience: Patience,
    /// Number of failures in a row after which it is given up.
    pub attempts: u32,
    pub out: mpsc::Sender<Inbound>,
}

impl Pages {
    /// Reads the window to its end.
    pub(super) async fn run(self) {
        let last = match self.read().await {
            Ok(()) => Piece::Done,
            Err(Stop::Gone) => return,
            Err(Stop::Failed(error)) => Piece::Failed(error),
        };
        // The receiver may be gone.
        let _ = self.tell(last).await;
    }

    async fn tell(&self, piece: Piece) -> Result<(), Stop> {
        self.out.send(Inbound::Read(piece)).await.map_err(|_| Stop::Gone)
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
                    Page::NoGroup => {
                        self.tell(Piece::NoGroup(self.wanted[at].0.clone())).await?;
                        sources[at].finish();
                    }
                    Page::Refused(error) => {
                        // All groups begin again together, so that what is read twice is counted from its beginning.
                        let tokens: Vec<bool> = sources.iter_mut().map(GroupWindow::restart).collect();
                        // If there was no token, the group itself is refused, and would be again.
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

    /// The next page of a group. A call that fails is repeated until it succeeds or must be given up.
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
            // The operator may renew expired credentials meanwhile.
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

/// The answer to a query for a page.
enum Page {
    Here(LogPage),
    NoGroup,
    Refused(CloudError),
}
