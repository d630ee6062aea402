//! Follows log groups: the history, then live, and by polling where live is not to be had.
//!
//! Nothing is lost silently: after every reconnect, and whenever CloudWatch sampled, the gap is
//! read again with FilterLogEvents and what was seen already is left out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use crate::cloud::{Cloud, CloudError, CloudResult, ErrorKind, TailStream};
use crate::core::logs::query::PAGE_LIMIT;
use crate::core::logs::tail::Follow;
use crate::core::logs::{Dedup, Line, LogEvent, LogPage, LogQuery, Reading, TailRequest, TailState, TailUpdate};

/// What a tail sends.
#[derive(Debug, Clone, PartialEq)]
pub enum TailEvent {
    /// Lines, oldest first.
    Lines(Vec<Line>),
    /// It stands differently.
    State(TailState),
}

/// Why a tail that follows nothing ends.
pub const END_OF_WINDOW: &str = "the end of the window";

/// Lines in one batch, at most.
const BATCH: usize = 1_000;
/// Between two polls.
const POLL: Duration = Duration::from_secs(2);
/// How far a re-read goes back before the newest event seen, in milliseconds: events of other
/// tasks may be written late.
const OVERLAP: i64 = 30_000;
/// Longest wait before a reconnect.
const MAX_RECONNECT: Duration = Duration::from_secs(30);

/// Keeps FilterLogEvents under the account's quota (5 calls a second) for all readers together.
#[derive(Debug, Clone, Default)]
pub struct Budget(Arc<Mutex<Option<Instant>>>);

impl Budget {
    async fn wait(&self) {
        let mut next = self.0.lock().await;
        if let Some(at) = *next {
            tokio::time::sleep_until(at).await;
        }
        *next = Some(Instant::now() + Duration::from_millis(200));
    }
}

/// Follows until the receiver is gone, the time asked for is over, or it cannot go on.
pub async fn follow(cloud: Arc<dyn Cloud>, request: TailRequest, budget: Budget, out: mpsc::Sender<TailEvent>) {
    let newest = request.from;
    let mut reader = Reader { cloud, request, budget, out, dedup: Dedup::default(), newest, sent: 0 };
    let reason = match reader.run().await {
        Ok(reason) => reason,
        Err(Stop::Gone) => return,
        Err(Stop::Failed(error)) => error.to_string(),
    };
    // Whoever asked may be gone by now.
    let _ = reader.out.send(TailEvent::State(TailState::Ended(reason))).await;
}

/// Why a tail stops early.
enum Stop {
    /// Nobody listens any more.
    Gone,
    /// A call failed for good.
    Failed(CloudError),
}

impl From<CloudError> for Stop {
    fn from(error: CloudError) -> Self {
        Self::Failed(error)
    }
}

struct Reader {
    cloud: Arc<dyn Cloud>,
    request: TailRequest,
    budget: Budget,
    out: mpsc::Sender<TailEvent>,
    dedup: Dedup,
    newest: i64,
    sent: u64,
}

impl Reader {
    async fn run(&mut self) -> Result<String, Stop> {
        self.state(TailState::Loading(0)).await?;
        self.read_window(self.request.from, self.request.until, true).await?;
        match self.request.follow {
            Follow::No => Ok(END_OF_WINDOW.into()),
            Follow::Poll => self.poll("asked for".into()).await,
            Follow::Live => self.live().await,
        }
    }

    async fn state(&self, state: TailState) -> Result<(), Stop> {
        self.out.send(TailEvent::State(state)).await.map_err(|_| Stop::Gone)
    }

    async fn emit(&mut self, reading: &mut Reading, events: Vec<LogEvent>) -> Result<(), Stop> {
        let fresh = self.dedup.fresh(reading, events);
        self.newest = fresh.iter().map(|event| event.timestamp).max().unwrap_or(self.newest).max(self.newest);
        self.sent += fresh.len() as u64;
        for batch in fresh.chunks(BATCH) {
            let lines = batch.iter().map(Line::decode).collect();
            self.out.send(TailEvent::Lines(lines)).await.map_err(|_| Stop::Gone)?;
        }
        Ok(())
    }

    /// Reads a window of all groups, merged by time.
    async fn read_window(&mut self, from: i64, until: Option<i64>, show: bool) -> Result<(), Stop> {
        let groups = self.request.groups.iter();
        let mut sources: Vec<Source> =
            groups.map(|group| Source::new(group, from, until, self.request.pattern.clone())).collect();
        let mut reading = Reading::default();
        loop {
            for source in &mut sources {
                while source.wants_more() {
                    self.budget.wait().await;
                    source.take(retried(&*self.cloud, &source.query).await)?;
                }
            }
            let events = merge(&mut sources);
            if events.is_empty() && sources.iter().all(|source| source.finished) {
                return Ok(());
            }
            self.emit(&mut reading, events).await?;
            if show {
                self.state(TailState::Loading(self.sent)).await?;
            }
        }
    }

    async fn live(&mut self) -> Result<String, Stop> {
        let mut wait = Duration::from_millis(500);
        loop {
            let error = match self.cloud.live_tail(&self.request.groups, self.request.pattern.as_deref()).await {
                Ok(stream) => {
                    let before = self.sent;
                    let error = self.session(stream).await?;
                    if self.sent > before {
                        wait = Duration::from_millis(500);
                    }
                    error
                }
                Err(error) => error,
            };
            use ErrorKind::{Denied, Invalid, NotFound, Unsupported};
            if matches!(error.kind, Denied | Invalid | NotFound | Unsupported) {
                return self.poll(format!("no live tail: {}", error.message)).await;
            }
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.state(TailState::Reconnecting(error.message, millis)).await?;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(MAX_RECONNECT);
        }
    }

    /// Reads one live tail session to its end; why it ended.
    async fn session(&mut self, mut stream: TailStream) -> Result<CloudError, Stop> {
        let (mut sampled, mut reading) = (false, Reading::default());
        while let Some(update) = stream.next().await {
            match update {
                Err(error) => return Ok(error),
                Ok(TailUpdate::Started) => {
                    // What was written before the session began is nobody's but ours to fetch.
                    self.backfill().await?;
                    self.state(TailState::Live).await?;
                }
                Ok(TailUpdate::Events { events, sampled: now }) => {
                    self.emit(&mut reading, events).await?;
                    if now || sampled {
                        self.backfill().await?;
                    }
                    if now != sampled {
                        sampled = now;
                        self.state(if now { TailState::Sampled } else { TailState::Live }).await?;
                    }
                }
            }
        }
        Ok(CloudError::new(ErrorKind::Unreachable, "logs:StartLiveTail", "the session ended"))
    }

    /// Fetches what a live session did not bring. A failure is not the end: the next one goes as far back.
    async fn backfill(&mut self) -> Result<(), Stop> {
        let from = (self.newest - OVERLAP).max(self.request.from);
        match self.read_window(from, None, false).await {
            Err(Stop::Failed(error)) => {
                self.state(TailState::Reconnecting(format!("gap not closed yet: {error}"), 0)).await
            }
            other => other,
        }
    }

    async fn poll(&mut self, why: String) -> Result<String, Stop> {
        self.state(TailState::Polling(why.clone())).await?;
        let mut failures = 0u32;
        loop {
            let wait = POLL * 2u32.pow(failures.min(4));
            tokio::time::sleep(wait).await;
            let from = (self.newest - OVERLAP).max(self.request.from);
            match self.read_window(from, None, false).await {
                Err(Stop::Gone) => return Err(Stop::Gone),
                Err(Stop::Failed(error)) => {
                    failures += 1;
                    let millis = u64::try_from((POLL * 2u32.pow(failures.min(4))).as_millis()).unwrap_or(u64::MAX);
                    self.state(TailState::Reconnecting(error.to_string(), millis)).await?;
                }
                Ok(()) if failures > 0 => {
                    failures = 0;
                    self.state(TailState::Polling(why.clone())).await?;
                }
                Ok(()) => {}
            }
        }
    }
}

/// Reads a page, again with patience where that may help.
async fn retried(cloud: &dyn Cloud, query: &LogQuery) -> CloudResult<LogPage> {
    let mut wait = Duration::from_millis(500);
    for _ in 0..5 {
        match cloud.log_page(query).await {
            Err(error) if error.kind == ErrorKind::Throttled => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            other => return other,
        }
    }
    cloud.log_page(query).await
}

/// One log group of a window being read.
struct Source {
    query: LogQuery,
    buffer: VecDeque<LogEvent>,
    finished: bool,
}

impl Source {
    fn new(group: &str, from: i64, until: Option<i64>, pattern: Option<String>) -> Self {
        let query = LogQuery { group: group.to_owned(), from, until, pattern, token: None };
        Self { query, buffer: VecDeque::new(), finished: false }
    }

    fn wants_more(&self) -> bool {
        self.buffer.is_empty() && !self.finished
    }

    fn take(&mut self, page: CloudResult<LogPage>) -> Result<(), Stop> {
        let page = match page {
            Ok(page) => page,
            // A group that does not exist (yet) has no events.
            Err(error) if error.kind == ErrorKind::NotFound => Default::default(),
            Err(error) => return Err(error.into()),
        };
        let full = page.events.len() >= PAGE_LIMIT;
        let last = page.events.last().map(|event| event.timestamp);
        let mut events = page.events;
        events.sort_by_key(|event| event.timestamp);
        self.buffer.extend(events);
        match (page.next, last) {
            (Some(token), _) => self.query.token = Some(token),
            // A full page without a token was cut: its last millisecond is read again, whole. One that
            // fills a page by itself cannot be divided further.
            (None, Some(last)) if full => {
                let divided = last > self.query.from;
                if divided {
                    self.buffer.retain(|event| event.timestamp < last);
                }
                self.query.from = if divided { last } else { last + 1 };
                self.query.token = None;
            }
            (None, _) => self.finished = true,
        }
        Ok(())
    }
}

/// Takes what can be put in order: everything up to the earliest end of the buffers that go on.
fn merge(sources: &mut [Source]) -> Vec<LogEvent> {
    let ends = sources
        .iter()
        .filter(|source| !source.finished)
        .filter_map(|source| source.buffer.back().map(|event| event.timestamp));
    let until = ends.min().unwrap_or(i64::MAX);
    let mut events: Vec<LogEvent> = Vec::new();
    for source in sources {
        let ready = source.buffer.partition_point(|event| event.timestamp <= until);
        events.extend(source.buffer.drain(..ready));
    }
    events.sort_by_key(|event| event.timestamp);
    events
}

/// The time now, in milliseconds since the Unix epoch.
pub fn now_millis() -> i64 {
    Timestamp::now().as_millisecond()
}
