//! That tasks are missing, and none is on its way.

use jiff::Timestamp;
use serde::Serialize;

/// Since when a service has too few tasks, of which none is pending.
///
/// ECS shows a raised count at once, and a task as pending only when it has begun to start it; in between, nothing is
/// wrong. ECS does not say when that began, so whoever looks again and again remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shortfall {
    /// When it was first seen; or else the last change that ECS shows, after which it began.
    pub since: Timestamp,
    /// Whether it was seen to begin.
    pub seen: bool,
}

impl Shortfall {
    /// What is to be remembered of it: `before` is what was shown before, and whether tasks were missing then; `None`
    /// where nothing was.
    pub fn remembered(before: Option<(bool, Option<Self>)>, shown: Option<Self>, now: Timestamp) -> Option<Self> {
        match before {
            None => shown,
            Some((true, since)) => since,
            Some((false, _)) => Some(Self { since: now, seen: true }),
        }
    }
}
