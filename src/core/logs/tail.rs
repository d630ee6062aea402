//! Following log groups: the request, and the state of the tail.

use std::collections::VecDeque;
use std::sync::Arc;

use super::line::Line;
use super::owners::Owners;
use crate::core::error::CloudError;

/// Which log groups are read, and whose lines lie in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Followed {
    /// Identifiers of log groups ([`group`](super::group)).
    pub groups: Vec<String>,
    /// Large where there are many tasks, and the same for every line.
    pub owners: Arc<Owners>,
}

impl Followed {
    /// These groups, of which is not known who writes to them.
    pub fn groups(groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { groups: groups.into_iter().map(Into::into).collect(), owners: Arc::default() }
    }
}

/// What to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailRequest {
    pub sources: Followed,
    pub from: i64,
    /// Last millisecond wanted, exclusive; `None` follows.
    pub until: Option<i64>,
    pub pattern: Option<String>,
    /// Whether to follow after the history, and how.
    pub follow: Follow,
}

/// What was read of a window of the past.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// Where there were more lines than are taken at once: the lines begin there, because the oldest were left out,
    /// or end there, because the newest were. A millisecond since the Unix epoch, not read whole.
    pub cut: Option<i64>,
}

impl From<Vec<Line>> for Past {
    fn from(lines: Vec<Line>) -> Self {
        Self { lines, cut: None }
    }
}

/// Which end of a window is kept where it holds more lines than are taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those nearest to what is on the screen, which lies after the window.
    Newest,
    /// Those nearest to what is on the screen, which lies before the window.
    Oldest,
}

/// Lines of a window of the past as they come, no more than there is room for.
#[derive(Debug)]
pub struct Collected {
    keep: Keep,
    lines: VecDeque<Line>,
    bytes: usize,
    room: usize,
    cut: Option<i64>,
}

impl Collected {
    /// Takes at most `room` bytes of text.
    pub fn new(keep: Keep, room: usize) -> Self {
        Self { keep, lines: VecDeque::new(), bytes: 0, room, cut: None }
    }

    /// Takes lines, oldest first. Returns whether more are wanted.
    pub fn take(&mut self, lines: impl IntoIterator<Item = Line>) -> bool {
        for line in lines {
            if self.cut.is_some() && self.keep == Keep::Oldest {
                return false;
            }
            self.bytes += line.text.len();
            self.lines.push_back(line);
            while self.bytes > self.room && self.lines.len() > 1 {
                self.leave_out();
            }
        }
        self.cut.is_none() || self.keep == Keep::Newest
    }

    /// Leaves out a line. What is left of its millisecond is read again with the next window.
    fn leave_out(&mut self) {
        let out = match self.keep {
            Keep::Newest => self.lines.pop_front(),
            Keep::Oldest => self.lines.pop_back(),
        };
        let Some(out) = out else { return };
        self.bytes -= out.text.len();
        self.cut = Some(match self.keep {
            Keep::Newest => self.lines.front().map_or(out.at, |line| line.at),
            Keep::Oldest => self.lines.back().map_or(out.at, |line| line.at),
        });
    }

    /// Lines so far.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether none has come.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn past(self) -> Past {
        Past { lines: self.lines.into(), cut: self.cut }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::logs::LogEvent;

    fn line(at: i64) -> Line {
        let event =
            LogEvent { timestamp: at, ingested: at, group: "g".into(), stream: "s".into(), message: "x".repeat(10) };
        Line::decode(&event)
    }

    fn times(past: &Past) -> Vec<i64> {
        past.lines.iter().map(|line| line.at).collect()
    }

    #[test]
    fn a_window_that_is_too_large_keeps_what_is_nearest_to_the_screen() {
        let mut before = Collected::new(Keep::Newest, 35);
        assert!(before.take((1..=6).map(line)), "the newest come last");
        let past = before.past();
        assert_eq!((times(&past), past.cut), (vec![4, 5, 6], Some(4)));
        let mut after = Collected::new(Keep::Oldest, 35);
        assert!(!after.take((1..=6).map(line)), "nothing more is wanted");
        let past = after.past();
        assert_eq!((times(&past), past.cut), (vec![1, 2, 3], Some(3)));
    }

    #[test]
    fn a_window_with_room_is_whole() {
        let mut all = Collected::new(Keep::Oldest, 100);
        assert!(all.take((1..=6).map(line)) && all.len() == 6);
        assert_eq!(all.past().cut, None);
    }
}
