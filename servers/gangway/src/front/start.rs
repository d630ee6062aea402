//! One run of the server behind: started, met, and ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::child::{Child, Reaper, Streams};
use super::fall::{Fall, Kind};
use super::http::{self, Http};
use super::link::Link;
use super::output::Output;
use super::protocol::Known;
use super::settings::{App, Secrets, Transport};
use super::stdio::Stdio;
use super::tools::ToolTable;
use crate::budget::Budget;
use crate::log::Log;
use crate::raw::Members;

/// Longest time until a server that was started says who it is: what `start_seconds` allows at most. Until then it
/// is whoever started this program that gives up sooner.
const START_TIME: Duration = Duration::from_secs(300);
/// Most pages of a list of tools that are read at the start.
const MAX_PAGES: usize = 100;

/// A server that is up.
pub struct Run {
    pub link: Link,
    pub known: Known,
    /// Cancelled when it is not up any more.
    pub gone: CancellationToken,
}

/// The server while it is up. Dropped when it will not be up any more.
pub type Up = watch::Sender<Option<Arc<Run>>>;

/// What it takes to start the server.
pub struct Starter {
    pub app: App,
    pub secrets: Arc<Secrets>,
    pub reaper: Reaper,
    /// The memory for its answers.
    pub budget: Budget,
    pub log: Log,
}

/// How a server is met that was started.
#[derive(Clone, Copy)]
pub enum Meeting<'a> {
    /// It is asked who it is, and which tools it has.
    First(&'a ToolTable),
    /// Another process of it has said so.
    Again(&'a Known),
}

impl Starter {
    /// Runs the server once, and ends it when `stop` is cancelled. Returns why it ended, `None` if it was told to.
    /// `started` is called when it is up.
    pub async fn once(
        &self,
        meeting: Meeting<'_>,
        up: &Up,
        stop: &CancellationToken,
        started: impl Fn(&Run, Duration),
    ) -> Option<Fall> {
        let (mut child, streams) = match Child::start(&self.app, &self.secrets, &self.reaper) {
            Ok(started) => started,
            // The arguments may hold what is nobody's business.
            Err(error) => {
                let program = self.app.command.first().map(String::as_str).unwrap_or_default();
                let message = format!("the program {program:?} cannot be started: {error}");
                return Some(Fall::new(Kind::CannotStart, message));
            }
        };
        let gone = CancellationToken::new();
        let begun = Instant::now();
        let met = tokio::select! {
            end = child.end() => Some(Err(Fall::ended("the server ended before it was ready", end))),
            () = stop.cancelled() => None,
            met = tokio::time::timeout(START_TIME, self.meet(meeting, streams, &gone)) => Some(match met {
                Ok(met) => met.map_err(|why| Fall::new(Kind::NotUnderstood, format!("the server is not understood: {why}"))),
                Err(_) => {
                    Err(Fall::new(Kind::NotReady, format!("the server was not ready within {} s", START_TIME.as_secs())))
                }
            }),
        };
        let why = match met {
            None => None,
            Some(Err(why)) => Some(why),
            Some(Ok(run)) => {
                started(&run, begun.elapsed());
                up.send_replace(Some(Arc::new(run)));
                Self::live(&mut child, &gone, stop).await
            }
        };
        up.send_replace(None);
        gone.cancel();
        match why {
            None => child.stop(self.app.transport == Transport::Stdio).await,
            Some(_) => child.kill().await,
        }
        why
    }

    /// Waits until it ends.
    async fn live(child: &mut Child, gone: &CancellationToken, stop: &CancellationToken) -> Option<Fall> {
        tokio::select! {
            end = child.end() => Some(Fall::ended("the server ended", end)),
            () = stop.cancelled() => None,
            () = gone.cancelled() => match tokio::time::timeout(Duration::from_secs(1), child.end()).await {
                Ok(end) => Some(Fall::ended("the server ended", end)),
                Err(_) => Some(Fall::new(Kind::Closed, "the server closed its standard output".to_owned())),
            },
        }
    }

    async fn meet(&self, meeting: Meeting<'_>, streams: Streams, gone: &CancellationToken) -> Result<Run, String> {
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
                let known = match meeting {
                    Meeting::First(_) => link.meet().await?,
                    Meeting::Again(known) => link.meet_again(known).await?,
                };
                (Link::Stdio(link), known)
            }
        };
        let run = Run { link, known, gone: gone.clone() };
        if let Meeting::First(tools) = meeting {
            list(&run, tools).await?;
        }
        Ok(run)
    }
}

/// Reads the list of tools.
async fn list(run: &Run, tools: &ToolTable) -> Result<(), String> {
    if !run.known.has_tools() {
        tools.all_listed();
        return Ok(());
    }
    let first = !tools.are_listed();
    let mut params = json!({});
    for _ in 0..MAX_PAGES {
        let page = run.link.ask(&run.known, "tools/list", params).await;
        let page = page.map_err(|failure| format!("tools/list: {}", failure.fault().message))?;
        let listed: Vec<Box<RawValue>> =
            Members::parse(page.to_string().as_bytes()).and_then(|page| page.read("tools")).unwrap_or_default();
        for tool in &listed {
            tools.learn(tool, first);
        }
        match page.get("nextCursor") {
            Some(Value::String(cursor)) => params = json!({ "cursor": cursor }),
            _ => break,
        }
    }
    tools.all_listed();
    Ok(())
}
