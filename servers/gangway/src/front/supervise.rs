//! Keeps the server behind running: starts it, and starts it again when it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::fall::Kind;
use super::link::Link;
use super::protocol::Era;
use super::settings::Sessions;
use super::start::{Meeting, Run, Starter, Up};
use super::tools::ToolTable;
use crate::log::Line;

/// So many ends in this time are enough: then this process ends, so that whoever started it sees it.
const MOST_ENDS: usize = 5;
const ENDS_TIME: Duration = Duration::from_secs(120);
/// Longest pause before a new start.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The server, through all its starts. It says what the server is. Where callers have sessions of their own, it gets
/// no request of theirs.
pub struct Supervisor {
    starter: Arc<Starter>,
    tools: Arc<ToolTable>,
    up: Up,
}

impl Supervisor {
    /// A server that is not started yet.
    pub fn new(starter: Arc<Starter>, tools: Arc<ToolTable>) -> Self {
        Self { starter, tools, up: watch::Sender::new(None) }
    }

    /// The server, if it is up.
    pub fn current(&self) -> Option<Arc<Run>> {
        self.up.borrow().clone()
    }

    /// Keeps the server running until `stop` is cancelled, and ends it. Returns whether that is why it ended: it
    /// gives up a server that ends too often.
    pub async fn keep(&self, stop: CancellationToken) -> bool {
        let mut ends = VecDeque::new();
        let mut pause = Duration::from_secs(1);
        loop {
            let started = Instant::now();
            let run = self.starter.once(Meeting::First(&self.tools), &self.up, &stop, |run, time| self.tell(run, time));
            let Some(fall) = run.await else { return true };
            let now = Instant::now();
            ends.push_back(now);
            ends.retain(|end| now.duration_since(*end) < ENDS_TIME);
            if started.elapsed() >= ENDS_TIME {
                pause = Duration::from_secs(1);
            }
            if ends.len() >= MOST_ENDS {
                let message =
                    format!("{fall}; it ended {MOST_ENDS} times in {} s and is given up", ENDS_TIME.as_secs());
                self.fell("app_given_up", fall.kind, &message);
                return false;
            }
            self.fell("app_end", fall.kind, &format!("{fall}; it is started again in {} s", pause.as_secs()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return true,
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Logs that it is down, with the kind of why as the reason.
    fn fell(&self, event: &str, kind: Kind, message: &str) {
        let (message, reason) = (Some(message), Some(kind.word()));
        self.starter.log.write(Line { level: "error", event, message, reason, ..Line::default() });
    }

    /// Logs that it is up.
    fn tell(&self, run: &Run, time: Duration) {
        let log = &self.starter.log;
        let era = if run.known.era == Era::Modern { "without sessions" } else { "with initialize" };
        let message = format!("up after {} ms, revision {} {era}", time.as_millis(), run.known.version);
        log.event("info", "app_start", &message);
        let sessions = self.starter.app.sessions;
        if sessions != Sessions::Shared && matches!(&run.link, Link::Http(link) if !link.keeps_sessions()) {
            let message = format!("the server keeps no sessions, so {sessions} is the same as shared");
            log.event("warn", "app_sessions", &message);
        }
    }
}
