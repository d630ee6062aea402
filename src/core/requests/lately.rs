//! The requests of the last minutes, read in small windows where nobody follows the log.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Requests;
use crate::core::finding::CURRENT;
use crate::core::logs::Followed;

/// What is to be read: the lines of these servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watched {
    /// Names of servers.
    pub servers: Vec<String>,
    /// Where their lines lie.
    pub sources: Followed,
}

/// What was read so far.
///
/// It is read in windows that follow each other and end some seconds before now, because lines come late. A line that
/// comes later than that is not counted here; where the log is followed, it is.
#[derive(Debug, Clone)]
pub struct Lately {
    /// The requests of all servers that were read.
    pub requests: Requests,
    /// Up to when each server was read whole, by its name.
    pub until: BTreeMap<String, Timestamp>,
    /// Up to when it was tried: what could not be read of that is told by `gaps`, and not read again.
    pub tried: BTreeMap<String, Timestamp>,
    /// What of the last window could not be read, in words.
    pub gaps: Vec<String>,
}

impl Default for Lately {
    /// Nothing was read yet; what is read from now on is read whole.
    fn default() -> Self {
        let (until, tried) = Default::default();
        Self { requests: Requests::whole(), until, tried, gaps: Vec::new() }
    }
}

impl Lately {
    /// Up to when a server was read whole, where that is not too long ago to say how it is now.
    pub fn current(&self, server: &str, now: Timestamp) -> Option<Timestamp> {
        self.until.get(server).copied().filter(|until| now.duration_since(*until) <= CURRENT)
    }
}
