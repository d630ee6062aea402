//! How long a tail waits for what, and how much it remembers.

use std::time::Duration;

use crate::core::backoff::Backoff;
use crate::core::logs::coverage::Pace;

/// The times and limits of a tail. Tests choose shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// When which part of the log is read again.
    pub pace: Pace,
    /// How often the tail looks for what must be read.
    pub tick: Duration,
    /// Wait after the first failure of a call; each further failure doubles it.
    pub first_wait: Duration,
    /// The longest wait after a failure.
    pub longest_wait: Duration,
    /// A session is replaced after this time. CloudWatch ends every session after three hours.
    pub renew: Duration,
    /// After live tail was refused, it is tried again after this time.
    pub refused: Duration,
    /// If an update is not taken within this time, the session may have dropped some, which are owed then.
    pub slow: Duration,
    /// Number of failures in a row after which a tail that does not follow gives up.
    pub attempts: u32,
    /// Most events that are remembered so that none is shown twice. If there are more, the tail looks for
    /// late events less far back.
    pub remembered: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            tick: Duration::from_millis(250),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            renew: Duration::from_secs(170 * 60),
            refused: Duration::from_secs(300),
            slow: Duration::from_secs(5),
            attempts: 6,
            // Some 30 MB: five minutes of 6,000 events a second.
            remembered: 2_000_000,
        }
    }
}

impl Patience {
    /// The wait after this many failures in a row.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let rule = Backoff { first: self.first_wait, longest: self.longest_wait };
        rule.wait(failures, rand::random())
    }
}
