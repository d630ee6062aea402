//! What an unfinished operation is worth now, and how the operator may go on with it.

use std::fmt;

use super::record::Outcome;

/// What an unfinished operation is worth now. It is read when the operation is offered, because somebody
/// else may have acted since it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Everything that it relies on holds.
    Resumable,
    /// Somebody else has acted on the same thing since; how, in words.
    Overtaken(String),
    /// What it was about is gone; what, in words.
    Void(String),
    /// Another process on this machine has ended it since it was read.
    Ended(Outcome),
}

impl Standing {
    /// Whether it can go on.
    pub fn resumable(&self) -> bool {
        *self == Self::Resumable
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resumable => f.write_str("it can go on"),
            Self::Overtaken(by) => write!(f, "overtaken: {by}"),
            Self::Void(why) => write!(f, "void: {why}"),
            Self::Ended(_) => f.write_str("it has been ended by another process on this machine"),
        }
    }
}

/// How the operator wants to go on with an unfinished operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Resume,
    /// Resume it without the rest of its grace period.
    Finish,
    /// Give it up as it is, even if it can go on.
    Close,
}

/// An unfinished operation as it is offered: the operator is asked again before anything happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub way: Way,
    pub standing: Standing,
}

impl Offer {
    /// Whether agreeing gives the operation up instead of going on with it.
    pub fn closes(&self) -> bool {
        self.way == Way::Close || !self.standing.resumable()
    }
}
