//! How long the tail waits for what, and how much it remembers.

use std::time::Duration;

use crate::core::logs::coverage::Pace;

/// The tail's times and bounds. Tests lower them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// What is read again, and when.
    pub pace: Pace,
    /// How often it is looked at what is due.
    pub tick: Duration,
    /// First wait before a failed call is made again; doubles each time.
    pub first_wait: Duration,
    /// Longest such wait.
    pub longest_wait: Duration,
    /// A session is opened anew after this time: CloudWatch ends it after three hours.
    pub renew: Duration,
    /// Where live tail was refused, it is asked for again after this time.
    pub refused: Duration,
    /// A listener that takes this long makes the session count as sampled.
    pub slow: Duration,
    /// Failures in a row after which a reading that does not follow gives up.
    pub attempts: u32,
    /// Events remembered so that none is shown twice, at most. With more, looks at late events go
    /// less deep.
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
    /// The wait after so many failures in a row, of which a random half is left out so that
    /// several readers do not come back together.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let wait = self.first_wait.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(16)));
        wait.min(self.longest_wait).mul_f64(0.5 + f64::from(rand::random::<f32>()) / 2.0)
    }
}
