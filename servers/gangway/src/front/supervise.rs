//! Keeps the server behind running: starts it, finds out who it is, and starts it again when it ends.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::child::{Child, Reaper, Streams};
use super::http::{self, Http};
use super::link::Link;
use super::output::Output;
use super::protocol::{Era, Known};
use super::settings::{App, Secrets, Transport};
use super::stdio::Stdio;
use super::tools::ToolTable;
use crate::budget::Budget;
use crate::log::Log;
use crate::raw::Members;

/// Longest time until a server that was started says who it is: what `start_seconds` allows at most. Until then it
/// is whoever started this program that gives up sooner.
const START_TIME: Duration = Duration::from_secs(300);
/// So many ends in this time are enough: then this process ends, so that whoever started it sees it.
const MOST_ENDS: usize = 5;
const ENDS_TIME: Duration = Duration::from_secs(120);
/// Longest pause before a new start.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Most pages of a list of tools that are read at the start.
const MAX_PAGES: usize = 100;

/// A server that is up.
pub struct Run {
    pub link: Link,
    pub known: Known,
    /// Cancelled when it is not up any more.
    pub gone: CancellationToken,
}

/// The server, through all its starts.
pub struct Supervisor {
    app: App,
    secrets: Arc<Secrets>,
    tools: Arc<ToolTable>,
    log: Log,
    reaper: Reaper,
    budget: Budget,
    current: RwLock<Option<Arc<Run>>>,
}

impl Supervisor {
    /// A server that is not started yet. `budget` is the memory for its answers.
    pub fn new(app: App, secrets: Secrets, tools: Arc<ToolTable>, reaper: Reaper, budget: Budget, log: Log) -> Self {
        let secrets = Arc::new(secrets);
        Self { app, secrets, tools, log, reaper, budget, current: RwLock::default() }
    }

    /// The server, if it is up.
    pub fn current(&self) -> Option<Arc<Run>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, run: Option<Arc<Run>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = run;
    }

    /// Keeps the server running until `stop` is cancelled, and ends it. Returns whether that is why it ended: it
    /// gives up a server that ends too often.
    pub async fn keep(&self, stop: CancellationToken) -> bool {
        let mut ends = VecDeque::new();
        let mut pause = Duration::from_secs(1);
        loop {
            let started = Instant::now();
            let Some(why) = self.once(&stop).await else { return true };
            let now = Instant::now();
            ends.push_back(now);
            ends.retain(|end| now.duration_since(*end) < ENDS_TIME);
            if started.elapsed() >= ENDS_TIME {
                pause = Duration::from_secs(1);
            }
            if ends.len() >= MOST_ENDS {
                let message = format!("{why}; it ended {MOST_ENDS} times in {} s and is given up", ENDS_TIME.as_secs());
                self.log.event("error", "app_given_up", &message);
                return false;
            }
            self.log.event("error", "app_end", &format!("{why}; it is started again in {} s", pause.as_secs()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return true,
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// One run. Returns why it ended, `None` if it was told to.
    async fn once(&self, stop: &CancellationToken) -> Option<String> {
        let started = Child::start(&self.app, &self.secrets, &self.reaper);
        let (mut child, streams) = match started {
            Ok(started) => started,
            // The arguments may hold what is nobody's business.
            Err(error) => {
                let program = self.app.command.first().map(String::as_str).unwrap_or_default();
                return Some(format!("the program {program:?} cannot be started: {error}"));
            }
        };
        let gone = CancellationToken::new();
        let why = self.live(&mut child, streams, &gone, stop).await;
        self.set(None);
        gone.cancel();
        match why {
            None => child.stop(self.app.transport == Transport::Stdio).await,
            Some(_) => child.kill().await,
        }
        why
    }

    async fn live(
        &self,
        child: &mut Child,
        streams: Streams,
        gone: &CancellationToken,
        stop: &CancellationToken,
    ) -> Option<String> {
        let begun = Instant::now();
        let met = tokio::select! {
            end = child.end() => return Some(format!("the server ended before it was ready: {}", shown(end))),
            () = stop.cancelled() => return None,
            met = tokio::time::timeout(START_TIME, self.meet(streams, gone)) => met,
        };
        let run = match met {
            Ok(Ok(run)) => run,
            Ok(Err(why)) => return Some(format!("the server is not understood: {why}")),
            Err(_) => return Some(format!("the server was not ready within {} s", START_TIME.as_secs())),
        };
        let era = if run.known.era == Era::Modern { "without sessions" } else { "with initialize" };
        let message = format!("up after {} ms, revision {} {era}", begun.elapsed().as_millis(), run.known.version);
        self.log.event("info", "app_start", &message);
        self.set(Some(Arc::new(run)));
        tokio::select! {
            end = child.end() => Some(format!("the server ended: {}", shown(end))),
            () = stop.cancelled() => None,
            () = gone.cancelled() => match tokio::time::timeout(Duration::from_secs(1), child.end()).await {
                Ok(end) => Some(format!("the server ended: {}", shown(end))),
                Err(_) => Some("the server closed its standard output".to_owned()),
            },
        }
    }

    /// Finds out who the server is and which tools it has.
    async fn meet(&self, streams: Streams, gone: &CancellationToken) -> Result<Run, String> {
        let output = || Output::new(self.log.clone(), self.secrets.clone());
        if let Some(errors) = streams.errors {
            tokio::spawn(output().follow(errors));
        }
        let from = streams.output.ok_or("it has no standard output")?;
        let (link, known) = match self.app.transport {
            Transport::Http => {
                tokio::spawn(output().follow(from));
                let address = http::listening(self.app.port()).await;
                let link = Http::new(address, self.app.path(), self.budget.clone()).ok_or("the path is none")?;
                let known = link.meet().await?;
                (Link::Http(Box::new(link)), known)
            }
            Transport::Stdio => {
                let input = streams.input.ok_or("it has no standard input")?;
                let link = Stdio::new(input, from, output(), gone.clone(), self.budget.clone());
                let known = link.meet().await?;
                (Link::Stdio(link), known)
            }
        };
        let run = Run { link, known, gone: gone.clone() };
        self.list(&run).await?;
        Ok(run)
    }

    /// Reads the list of tools.
    async fn list(&self, run: &Run) -> Result<(), String> {
        if !run.known.has_tools() {
            self.tools.all_listed();
            return Ok(());
        }
        let first = !self.tools.are_listed();
        let mut params = json!({});
        for _ in 0..MAX_PAGES {
            let page = run.link.ask(&run.known, "tools/list", params).await;
            let page = page.map_err(|failure| format!("tools/list: {}", failure.fault().message))?;
            let tools: Vec<Box<RawValue>> =
                Members::parse(page.to_string().as_bytes()).and_then(|page| page.read("tools")).unwrap_or_default();
            for tool in &tools {
                self.tools.learn(tool, first);
            }
            match page.get("nextCursor") {
                Some(Value::String(cursor)) => params = json!({ "cursor": cursor }),
                _ => break,
            }
        }
        self.tools.all_listed();
        Ok(())
    }
}

fn shown(end: Option<super::child::End>) -> String {
    end.map_or_else(|| "nobody knows how".to_owned(), |end| end.to_string())
}
