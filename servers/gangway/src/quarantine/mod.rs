//! Callers that an operator keeps out for a time, whatever their tokens say.
//!
//! The list is in a DynamoDB table that every task reads every few seconds. What was read last holds as long as the
//! table cannot be read. A task that has never read it waits a moment before it says that it is ready, and then
//! serves everybody: an outage of the table must not become one of every server. Either is told in the log, and by a
//! metric.

mod credentials;
mod list;
mod place;
mod read;
mod sign;

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::config::Config;
use crate::log::Log;
use crate::token::Caller;
use list::List;
pub use place::Place;
use read::Reader;

/// Between two lines that say that the list cannot be read.
const REPEAT: Duration = Duration::from_secs(60);

/// Who is kept out.
pub struct Quarantine {
    /// `None`: this server has no list.
    reader: Option<Reader>,
    list: watch::Sender<Arc<List>>,
    /// Between two reads, and before another attempt after one that failed.
    interval: Duration,
    retry: Duration,
    /// How long the first read is waited for.
    grace: Duration,
    /// Whether it is known, or waited for no longer.
    settled: AtomicBool,
    state: Mutex<State>,
    log: Log,
    environment: Option<String>,
}

/// How reading goes.
struct State {
    /// When the list was read last, or this began.
    since: Instant,
    /// Whether it was ever read.
    read: bool,
    /// When it was said last that it cannot be read.
    told: Option<Instant>,
}

impl Quarantine {
    /// Nobody is kept out yet.
    pub fn new(config: &Config, log: Log) -> Result<Self, crate::ClientError> {
        let limits = &config.limits;
        let reader = config.quarantine.clone().map(|place| Reader::new(place, limits.quarantine_time)).transpose()?;
        Ok(Self {
            settled: AtomicBool::new(reader.is_none()),
            reader,
            list: watch::Sender::default(),
            interval: limits.quarantine_interval,
            retry: limits.quarantine_interval.min(Duration::from_secs(1)),
            grace: limits.quarantine_grace,
            state: Mutex::new(State { since: Instant::now(), read: false, told: None }),
            log,
            environment: config.environment.clone(),
        })
    }

    /// Whether the list is known, or was waited for long enough.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// Whether a caller is kept out now.
    pub fn refuses(&self, caller: &Caller) -> bool {
        self.list.borrow().refuses(caller, now())
    }

    /// Done as soon as a caller is kept out.
    pub async fn refused(self: Arc<Self>, caller: Caller) {
        let mut list = self.list.subscribe();
        while !list.borrow_and_update().refuses(&caller, now()) {
            if list.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// Reads the list again and again, without end.
    pub async fn keep(self: Arc<Self>) {
        let Some(reader) = &self.reader else { return };
        let grace = {
            let this = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(this.grace).await;
                this.settled.store(true, Ordering::Relaxed);
            })
        };
        loop {
            let pause = match reader.read().await {
                Ok(list) => {
                    self.take(list);
                    grace.abort();
                    self.interval
                }
                Err(error) => {
                    self.miss(&error.to_string());
                    self.retry
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The list was read.
    fn take(&self, list: List) {
        let missed = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let missed = state.told.take().map(|_| state.since.elapsed());
            (state.since, state.read) = (Instant::now(), true);
            missed
        };
        let list = Arc::new(list);
        let first = !self.settled.swap(true, Ordering::Relaxed);
        let changed = self.list.send_if_modified(|known| {
            let changed = **known != *list;
            *known = list.clone();
            changed
        });
        if let Some(missed) = missed {
            let message = format!("the list can be read again, after {} s", missed.as_secs());
            self.log.event("info", "quarantine_available", &message);
        }
        if changed || first {
            self.log.event_with("info", "quarantine", &list.told());
        }
    }

    /// It could not be read. The first line comes at once where nothing was ever read, because nobody is kept out
    /// then; else when the list is older than it may be.
    fn miss(&self, why: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let age = state.since.elapsed();
        let due = state.told.map_or(!state.read || age >= 2 * self.interval, |at| at.elapsed() >= REPEAT);
        if !due {
            return;
        }
        state.told = Some(Instant::now());
        let holds =
            if state.read { "what was read last holds" } else { "nothing was read yet, so everybody is let in" };
        let message = format!("the list cannot be read: {why}; {holds}");
        let line = Missed::new(&message, self.environment.as_deref(), age);
        self.log.event_with(if state.read { "warn" } else { "error" }, "quarantine_unavailable", &line);
    }
}

/// A line that is a metric as well: how old the list is, while it is too old.
#[derive(Serialize)]
struct Missed<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(rename = "QuarantineAge")]
    age: u64,
    #[serde(rename = "_aws")]
    declared: Value,
}

impl<'a> Missed<'a> {
    fn new(message: &'a str, environment: Option<&'a str>, age: Duration) -> Self {
        let place = if environment.is_some() { &["environment", "server"][..] } else { &["server"] };
        let metric = json!({ "Name": "QuarantineAge", "Unit": "Seconds" });
        let declared = json!({
            "Timestamp": jiff::Timestamp::now().as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": crate::metrics::NAMESPACE, "Dimensions": [place], "Metrics": [metric] }],
        });
        Self { message, environment, age: age.as_secs(), declared }
    }
}

/// Seconds since 1970, by this machine's clock.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn count(&self, words: &str) -> usize {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap().matches(words).count()
        }
    }

    /// One read that fails is no news, and neither is one after a list that was old: an alarm would count it.
    #[test]
    fn a_list_is_too_old_only_when_two_reads_were_due_since_the_last() {
        let (lines, hour) = (Lines::default(), Duration::from_secs(3600));
        let quarantine = Quarantine {
            reader: None,
            list: watch::Sender::default(),
            interval: hour,
            retry: hour,
            grace: hour,
            settled: AtomicBool::new(false),
            state: Mutex::new(State { since: Instant::now(), read: false, told: None }),
            log: Log::new("test", lines.clone()),
            environment: None,
        };
        quarantine.take(List::default());
        quarantine.miss("no");
        assert_eq!(lines.count("quarantine_unavailable"), 0);
        quarantine.state.lock().unwrap().since = Instant::now().checked_sub(2 * hour).unwrap();
        quarantine.miss("no");
        assert_eq!((lines.count("quarantine_unavailable"), lines.count(r#""QuarantineAge":7200"#)), (1, 1));
        quarantine.take(List::default());
        assert_eq!((lines.count("quarantine_available"), lines.count("can be read again, after 7200 s")), (1, 1));
        quarantine.miss("no");
        assert_eq!(lines.count("quarantine_unavailable"), 1);
    }
}
