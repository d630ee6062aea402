//! Reads a window of time in several log groups, page by page, and repeats calls that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Budget, Inbound, Patience, now_millis};
use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::core::logs::coverage::DueWindow;
use crate::core::logs::merge::{GroupWindow, finished, merge};
use crate::core::logs::{LogEvent, LogPage, LogQuery, Owners};

/// What a window sends while it is read.
#[derive(Debug)]
pub(super) enum Piece {
    /// The next events, oldest first.
    Events(Vec<LogEvent>),
    /// The window is read again from an earlier place: events after this may repeat earlier ones.
    Again,
    /// This group does not exist.
    NoGroup(String),
    /// This group, which did not exist, does now.
    Appeared(String),
    /// This group cannot be read; the others go on.
    Barred(String, CloudError),
    /// Events of this group in this millisecond (since the Unix epoch) cannot be read.
    Lost(String, i64, Loss),
    /// A call failed: the error, how many failed in a row, and after how many milliseconds the next follows.
    Stuck(CloudError, u32, u64),
    /// A call succeeded after some had failed.
    Moving,
    /// The window was read to its end.
    Done,
    /// The window cannot be read.
    Failed(CloudError),
}

/// Why some events of a millisecond cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// They fill more than a page, and the endpoint gives no token to go on.
    TooMany,
    /// The answer with them cannot be parsed.
    Unparsed,
}

impl Loss {
    /// In words, for the gap.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::TooMany => "more events in one millisecond than a page holds, and no token to go on",
            Self::Unparsed => "an event that cannot be parsed",
        }
    }
}

/// Milliseconds of log groups that cannot be read, by the group's identifier.
pub(super) type Unreadable = BTreeMap<String, BTreeSet<i64>>;

/// Answers in a row that cannot be parsed, before it is taken for an event's fault and not for the network's.
const GARBLED: u32 = 3;
/// Milliseconds left out in a row before no answer of the group is taken to be readable.
const LOST: u32 = 3;

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
    pub owners: Arc<Owners>,
    /// What is known not to be readable.
    pub unreadable: Unreadable,
    /// Groups that did not exist when they were last asked for.
    pub missing: BTreeSet<String>,
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

    fn sources(&self) -> Vec<GroupWindow> {
        let source = |(group, from): &(String, i64)| {
            let query = LogQuery {
                group: group.clone(),
                prefix: self.owners.prefix(group),
                from: *from,
                until: self.until,
                pattern: self.pattern.clone(),
                token: None,
            };
            GroupWindow::new(query, self.unreadable.get(group).cloned().unwrap_or_default())
        };
        self.wanted.iter().map(source).collect()
    }

    async fn read(&self) -> Result<(), Stop> {
        let mut sources = self.sources();
        let mut missing = self.missing.clone();
        while !finished(&sources) {
            let mut at = 0;
            while at < sources.len() {
                if sources[at].wants().is_none() {
                    at += 1;
                    continue;
                }
                let group = &self.wanted[at].0;
                let page = self.page(&sources[at]).await?;
                if missing.contains(group) && !matches!(page, Page::NoGroup) {
                    missing.remove(group);
                    self.tell(Piece::Appeared(group.clone())).await?;
                }
                match page {
                    Page::Here(page) => {
                        if let Some(lost) = sources[at].take(page) {
                            self.tell(Piece::Lost(group.clone(), lost, Loss::TooMany)).await?;
                        }
                    }
                    Page::NoGroup => {
                        self.tell(Piece::NoGroup(group.clone())).await?;
                        sources[at].finish();
                    }
                    Page::Bad(error) => self.bar(&mut sources[at], group, error).await?,
                    Page::Refused(error) => {
                        // If there was no token, the group itself is refused, and would be again.
                        if !self.restart(&mut sources, at).await? {
                            self.bar(&mut sources[at], group, error).await?;
                        }
                        at = 0;
                    }
                    Page::Unparsed(error) => {
                        self.restart(&mut sources, at).await?;
                        self.narrow(&mut sources[at], group, error).await?;
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

    /// Reads a group on without its token. All groups begin again together, so that what is read twice is counted
    /// from its beginning. Returns whether there was a token; if there was none, nothing changes.
    async fn restart(&self, sources: &mut [GroupWindow], at: usize) -> Result<bool, Stop> {
        if sources[at].wants().is_none_or(|query| query.token.is_none()) {
            return Ok(false);
        }
        for source in sources {
            source.restart();
        }
        self.tell(Piece::Again).await?;
        Ok(true)
    }

    /// Goes on without a group.
    async fn bar(&self, source: &mut GroupWindow, group: &str, error: CloudError) -> Result<(), Stop> {
        source.finish();
        self.tell(Piece::Barred(group.to_owned(), error)).await
    }

    /// Looks for the event that cannot be parsed, and leaves its millisecond out.
    async fn narrow(&self, source: &mut GroupWindow, group: &str, error: CloudError) -> Result<(), Stop> {
        let Some(lost) = source.narrow(now_millis() + self.cloud.ahead()) else { return Ok(()) };
        self.tell(Piece::Lost(group.to_owned(), lost, Loss::Unparsed)).await?;
        if source.lost_in_a_row() < LOST { Ok(()) } else { self.bar(source, group, error).await }
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
            failures += 1;
            match error.kind {
                // A group that does not exist (yet) has no events.
                ErrorKind::NotFound => return Ok(Page::NoGroup),
                ErrorKind::Invalid => return Ok(Page::Refused(error)),
                ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Conflict => return Ok(Page::Bad(error)),
                ErrorKind::Garbled if source.narrowing() || failures >= GARBLED => return Ok(Page::Unparsed(error)),
                // One group that is slow or fails must not hold up the others.
                ErrorKind::Service | ErrorKind::TimedOut
                    if self.wanted.len() > 1 && failures >= self.patience.attempts =>
                {
                    return Ok(Page::Bad(error));
                }
                ErrorKind::Throttled => self.budget.throttled(),
                _ => {}
            }
            // The operator may renew expired credentials meanwhile.
            let hopeful = error.retryable() || error.kind == ErrorKind::Expired;
            if !hopeful || failures >= self.attempts {
                return Err(Stop::Failed(error));
            }
            let wait = self.patience.wait(failures);
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            // What cannot be parsed is looked for soon, and then told.
            if error.kind != ErrorKind::Garbled {
                self.tell(Piece::Stuck(error, failures, millis)).await?;
            }
            tokio::time::sleep(wait).await;
        }
    }
}

/// The answer to a query for a page.
enum Page {
    Here(LogPage),
    NoGroup,
    /// The query is refused, perhaps for its token.
    Refused(CloudError),
    /// The group cannot be read.
    Bad(CloudError),
    /// The answer cannot be parsed.
    Unparsed(CloudError),
}
