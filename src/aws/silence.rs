//! The limit on silence: a read of many calls may take long, as long as its calls are answered.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// Answers after which a read is taken for one that does not end.
const ANSWERS: u32 = 20_000;

struct Heard {
    at: Cell<Instant>,
    answers: Cell<u32>,
    /// Calls that wait for their turn: then nothing can be heard of them.
    waiting: Cell<u32>,
}

tokio::task_local! {
    static HEARD: Heard;
}

/// Tells the read to which this call belongs that something was answered.
pub(super) fn heard() {
    // A call outside of a read has a limit of its own.
    let _ = HEARD.try_with(|heard| {
        heard.at.set(Instant::now());
        heard.answers.set(heard.answers.get().saturating_add(1));
    });
}

/// Waits for the turn of a call, which is no silence of the endpoint.
pub(super) async fn waits<F: Future>(turn: F) -> F::Output {
    let _waiting = Waiting::begin();
    turn.await
}

struct Waiting;

impl Waiting {
    fn begin() -> Self {
        // Outside of a read nobody counts.
        let _ = HEARD.try_with(|heard| heard.waiting.set(heard.waiting.get() + 1));
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = HEARD.try_with(|heard| {
            heard.waiting.set(heard.waiting.get().saturating_sub(1));
            heard.at.set(Instant::now());
        });
    }
}

/// Runs a read until it ends; `None` if nothing was answered for this long, or it does not end.
pub(super) async fn limited<F: Future>(limit: Duration, read: F) -> Option<F::Output> {
    let heard = Heard { at: Cell::new(Instant::now()), answers: Cell::new(0), waiting: Cell::new(0) };
    let counted = async {
        let mut read = Box::pin(read);
        loop {
            let until = HEARD.with(|heard| heard.at.get()) + limit;
            match tokio::time::timeout_at(until, &mut read).await {
                Ok(done) => return Some(done),
                Err(_) if HEARD.with(Heard::silent_for).is_none_or(|silent| silent >= limit) => return None,
                Err(_) => {}
            }
        }
    };
    HEARD.scope(heard, counted).await
}

impl Heard {
    /// How long nothing was answered; `None` if too much was.
    fn silent_for(&self) -> Option<Duration> {
        if self.waiting.get() > 0 {
            self.at.set(Instant::now());
        }
        (self.answers.get() < ANSWERS).then(|| self.at.get().elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(600);

    async fn answered(times: u64, after: Duration) {
        for _ in 0..times {
            tokio::time::sleep(after).await;
            heard();
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_read_may_take_as_long_as_its_calls_are_answered() {
        assert!(limited(LIMIT, answered(10, Duration::from_millis(100))).await.is_some());
        assert!(limited(LIMIT, answered(1, Duration::from_secs(60))).await.is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn to_wait_for_a_turn_is_no_silence() {
        let turn = waits(tokio::time::sleep(Duration::from_millis(900)));
        assert!(limited(LIMIT, turn).await.is_some());
        assert!(limited(LIMIT, std::future::pending::<()>()).await.is_none());
    }
}
