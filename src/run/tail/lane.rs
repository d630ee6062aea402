//! A lane: up to ten log groups, and the live session that brings their lines.
//!
//! It keeps a session open. After a session broke it opens another, and it replaces the session before
//! CloudWatch ends it and when the groups change. Then the new session is open before the old one is closed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Gone, Inbound, Patience};
use crate::cloud::{Cloud, CloudError, CloudResult, ErrorKind, TailStream};
use crate::core::logs::{LogEvent, TailUpdate};

/// Most log groups in a session (CloudWatch Logs API reference, StartLiveTail).
pub(super) const GROUPS: usize = 10;

/// What a lane reports to the reader.
#[derive(Debug)]
pub(super) enum Heard {
    /// A session with these groups is open; it does not bring the absent ones.
    Opened { groups: Vec<String>, absent: Vec<String> },
    /// A session brought events, or said that it left some out. `late`: those before were taken so late that some may
    /// have been dropped.
    Events { events: Vec<LogEvent>, sampled: bool, late: bool },
    /// The session goes on, but one with the groups that joined could not be opened.
    NotJoined(CloudError),
    /// The session broke or could not be opened. The next attempt follows after this time.
    Broken(CloudError, Duration),
    /// There is no live tail here.
    Refused(CloudError),
}

/// A lane, before it runs.
pub(super) struct Lane {
    /// Its number, by which the reader knows it.
    pub id: usize,
    pub cloud: Arc<dyn Cloud>,
    /// Names of its groups. The lane ends when the sender is dropped.
    pub groups: watch::Receiver<Vec<String>>,
    pub pattern: Option<String>,
    pub patience: Patience,
    pub out: mpsc::Sender<Inbound>,
}

impl Lane {
    /// Runs until its reader is gone or its list of groups is dropped.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let Err(error) = self.live(&mut failures).await else { return };
            use ErrorKind::{Denied, Invalid, NotFound, Unsupported};
            let refused = matches!(error.kind, Denied | Invalid | NotFound | Unsupported);
            let wait = if refused {
                self.patience.refused
            } else {
                failures += 1;
                self.patience.wait(failures)
            };
            let heard = if refused { Heard::Refused(error) } else { Heard::Broken(error, wait) };
            if self.tell(heard).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = self.groups.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn tell(&self, heard: Heard) -> Result<(), Gone> {
        self.out.send(Inbound::Heard(self.id, heard)).await.map_err(|_| Gone)
    }

    async fn open(&mut self) -> CloudResult<Session> {
        let groups = self.groups.borrow_and_update().clone();
        let refused = match self.tail(&groups).await {
            Ok(stream) => return Ok(Session { stream, groups, refused: Vec::new() }),
            // One group that may not be followed must not cost the others their session.
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Invalid) && groups.len() > 1 => {
                let refused = self.refused(&groups).await?;
                if refused.len() == groups.len() {
                    return Err(error);
                }
                refused
            }
            Err(error) => return Err(error),
        };
        let good: Vec<String> = groups.iter().filter(|group| !refused.contains(group)).cloned().collect();
        Ok(Session { stream: self.tail(&good).await?, groups, refused })
    }

    async fn tail(&self, groups: &[String]) -> CloudResult<TailStream> {
        self.cloud.live_tail(groups, self.pattern.as_deref()).await
    }

    /// Those of the groups that may not be followed, each tried alone.
    async fn refused(&self, groups: &[String]) -> CloudResult<Vec<String>> {
        let mut refused = Vec::new();
        for group in groups {
            match self.tail(std::slice::from_ref(group)).await {
                Ok(_) => {}
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::NotFound) => {
                    refused.push(group.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// Keeps a session open until it breaks. `Ok` when the lane must end.
    async fn live(&mut self, failures: &mut u32) -> CloudResult<()> {
        let mut session = self.open().await?;
        let mut renewal = Instant::now() + self.patience.renew;
        let mut late = false;
        loop {
            let update = tokio::select! {
                update = session.stream.next() => update,
                () = tokio::time::sleep_until(renewal) => {
                    renewal = self.renew(&mut session).await;
                    continue;
                }
                changed = self.groups.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    renewal = self.renew(&mut session).await;
                    continue;
                }
            };
            let ended = || Err(CloudError::new(ErrorKind::Unreachable, "logs:StartLiveTail", "the session ended"));
            let heard = match update.unwrap_or_else(ended)? {
                TailUpdate::Started { mut absent } => {
                    absent.extend_from_slice(&session.refused);
                    Heard::Opened { groups: session.groups.clone(), absent }
                }
                TailUpdate::Events { events, sampled } => {
                    *failures = 0;
                    Heard::Events { events, sampled, late: std::mem::take(&mut late) }
                }
            };
            let begun = Instant::now();
            if self.tell(heard).await.is_err() {
                return Ok(());
            }
            // For a client that is slow, CloudWatch keeps ten updates and then drops the oldest (CloudWatch
            // Logs user guide, Live Tail).
            late = begun.elapsed() >= self.patience.slow;
        }
    }

    /// Opens the next session and only then leaves the old one; returns when to do so again. What the
    /// old one had not brought yet is read by a window after the new one has started.
    async fn renew(&mut self, session: &mut Session) -> Instant {
        match self.open().await {
            Ok(next) => {
                *session = next;
                Instant::now() + self.patience.renew
            }
            Err(error) => {
                // If the reader is gone, the next message finds out.
                let _ = self.tell(Heard::NotJoined(error)).await;
                Instant::now() + self.patience.wait(8).min(self.patience.renew)
            }
        }
    }
}

/// An open session.
struct Session {
    stream: TailStream,
    /// Its groups as they were when it was opened; others may have joined the lane since.
    groups: Vec<String>,
    /// Those that it does not have, because they may not be followed.
    refused: Vec<String>,
}
