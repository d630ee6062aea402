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
use crate::core::logs::TailUpdate;

/// Most log groups in a session (CloudWatch Logs API reference, StartLiveTail).
pub(super) const GROUPS: usize = 10;

/// What a lane reports to the reader.
#[derive(Debug)]
pub(super) enum Heard {
    /// A session sent this.
    Update(TailUpdate),
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

    async fn open(&mut self) -> CloudResult<TailStream> {
        let groups = self.groups.borrow_and_update().clone();
        self.cloud.live_tail(&groups, self.pattern.as_deref()).await
    }

    /// Keeps a session open until it breaks. `Ok` when the lane must end.
    async fn live(&mut self, failures: &mut u32) -> CloudResult<()> {
        let mut stream = self.open().await?;
        let mut renewal = Instant::now() + self.patience.renew;
        let mut slow = false;
        loop {
            let update = tokio::select! {
                update = stream.next() => update,
                () = tokio::time::sleep_until(renewal) => {
                    renewal = self.renew(&mut stream).await;
                    continue;
                }
                changed = self.groups.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    renewal = self.renew(&mut stream).await;
                    continue;
                }
            };
            let ended = || Err(CloudError::new(ErrorKind::Unreachable, "logs:StartLiveTail", "the session ended"));
            let mut update = update.unwrap_or_else(ended)?;
            if let TailUpdate::Events { sampled, .. } = &mut update {
                *failures = 0;
                *sampled |= std::mem::take(&mut slow);
            }
            let begun = Instant::now();
            if self.tell(Heard::Update(update)).await.is_err() {
                return Ok(());
            }
            // For a client that is slow, CloudWatch keeps ten updates and then drops the oldest (CloudWatch
            // Logs user guide, Live Tail).
            slow = begun.elapsed() >= self.patience.slow;
        }
    }

    /// Opens the next session and only then leaves the old one; returns when to do so again. What the
    /// old one had not brought yet is read by a window after the new one has started.
    async fn renew(&mut self, stream: &mut TailStream) -> Instant {
        match self.open().await {
            Ok(next) => {
                *stream = next;
                Instant::now() + self.patience.renew
            }
            Err(_) => Instant::now() + self.patience.wait(8).min(self.patience.renew),
        }
    }
}
