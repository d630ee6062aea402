//! A server's health in one word, from what was found.

use jiff::Timestamp;
use serde::Serialize;

pub use super::finding::{Cause, Finding, Gravity, Id, Layer, Remedy, findings};
use super::finding::{tasks_awaited, tasks_fail};
use super::fleet::{Server, ServiceStatus};
use crate::core::meaning::Meaning;

/// A server's health in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As many tasks as wanted run, and every load balancer finds them healthy.
    Healthy,
    /// As many tasks as wanted run, and what a load balancer finds was not read.
    Unknown,
    /// It is scaled to zero.
    Stopped,
    /// It is changing, and nothing has failed.
    Changing,
    /// It works, but not as it should.
    Degraded,
    /// Nothing serves.
    Down,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Stopped => "stopped",
            Self::Changing => "changing",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// A symbol for it, so that colour never stands alone.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Healthy => "●",
            Self::Unknown => "?",
            Self::Stopped => "○",
            Self::Changing => "◐",
            Self::Degraded => "▲",
            Self::Down => "✖",
        }
    }

    /// What it means.
    pub fn meaning(self) -> Meaning {
        match self {
            Self::Healthy => Meaning::Good,
            Self::Stopped => Meaning::Muted,
            Self::Unknown | Self::Changing | Self::Degraded => Meaning::Warn,
            Self::Down => Meaning::Bad,
        }
    }
}

pub fn verdict(server: &Server, now: Timestamp) -> Verdict {
    verdict_by(server, &findings(server, now), now)
}

/// The same, where its findings are known.
pub fn verdict_by(server: &Server, found: &[Finding], now: Timestamp) -> Verdict {
    if server.status != ServiceStatus::Active && server.running == 0 {
        return Verdict::Down;
    }
    if server.wanted() == 0 && server.running == 0 {
        return Verdict::Stopped;
    }
    if server.running == 0 || server.dark() {
        let starts = server.starting() || server.joining() || tasks_awaited(server, now);
        return if starts && !tasks_fail(server, now) { Verdict::Changing } else { Verdict::Down };
    }
    if found.iter().any(|finding| finding.gravity == Gravity::Fault) {
        return Verdict::Degraded;
    }
    match () {
        () if server.moving() || server.joining() => Verdict::Changing,
        () if server.targets_unread().is_some() => Verdict::Unknown,
        () => Verdict::Healthy,
    }
}
