//! Following log groups: the request, and the state of the tail.

use crate::core::error::CloudError;

/// What to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailRequest {
    pub groups: Vec<String>,
    pub from: i64,
    /// Last millisecond wanted, exclusive; `None` follows.
    pub until: Option<i64>,
    pub pattern: Option<String>,
    /// Whether to follow after the history, and how.
    pub follow: Follow,
}

/// How to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Follow {
    /// StartLiveTail, and polling where it is not available.
    #[default]
    Live,
    /// FilterLogEvents again and again.
    Poll,
    /// Not at all: the history alone.
    No,
}

/// The state of a tail. Always on screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TailState {
    /// Nothing is followed.
    #[default]
    Off,
    /// The history is being read; lines so far.
    Loading(u64),
    /// Live events arrive as they are written.
    Live,
    /// More than 500 events a second arrive: CloudWatch sends a sample, the rest is fetched after.
    Sampled,
    /// Lines arrive well after they were written; how far behind, in milliseconds.
    Lagging(u64),
    /// Read again every few seconds; why.
    Polling(String),
    /// The connection broke; why, and when it is tried again (milliseconds from now).
    Reconnecting(String, u64),
    /// Nothing more will come; why.
    Ended(End),
}

/// Why nothing more will come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The window was read to its end.
    Window,
    /// A log group cannot be read.
    Failed(CloudError),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Window => f.write_str("the end of the window"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl TailState {
    /// Whether lines come as they are written, or soon after: only then is a line that is not there
    /// a line that was not written.
    pub fn is_current(&self) -> bool {
        match self {
            Self::Live | Self::Sampled | Self::Lagging(_) | Self::Polling(_) => true,
            Self::Off | Self::Loading(_) | Self::Reconnecting(..) | Self::Ended(_) => false,
        }
    }

    /// One word for the status line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Loading(_) => "loading",
            Self::Live => "live",
            Self::Sampled => "sampled",
            Self::Lagging(_) => "lagging",
            Self::Polling(_) => "polling",
            Self::Reconnecting(..) => "reconnecting",
            Self::Ended(_) => "ended",
        }
    }
}
