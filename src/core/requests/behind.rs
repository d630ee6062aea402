//! Whether the server behind gangway runs, as the log of each task tells it: `app_start`, `app_end`, `app_given_up`
//! (servers/README.md).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::{KEPT, MAX_SERIES, SLOT};
use crate::core::logs::Line;
use crate::core::logs::words::LastWords;

/// The longest message that is kept, in characters.
const LONGEST: usize = 300;

macro_rules! falls {
    ($($variant:ident $word:literal $fact:literal;)*) => {
        /// Of which kind it is that the server behind does not run, by gangway's words (servers/gangway/src/front/fall.rs).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fall {
            $($variant,)*
            /// A word that is not known here, or none: that of another version of gangway.
            Other,
        }

        impl Fall {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* Self::Other => "" }
            }

            /// What happens, in words.
            pub fn told(self) -> &'static str {
                match self { $(Self::$variant => $fact,)* Self::Other => "the server behind gangway is down" }
            }
        }
    };
}

falls! {
    CannotStart "cannot-start" "the command of the server behind gangway is not found, or cannot be run";
    Exited "exited" "the server behind gangway ends by itself";
    Killed "killed" "the server behind gangway is ended by a signal";
    NotReady "not-ready" "the server behind gangway does not get ready";
    NotUnderstood "not-understood" "the server behind gangway does not answer as MCP wants it";
    Closed "closed" "the server behind gangway has closed its standard output";
}

impl Fall {
    /// Whether a word of it still says how it is after so long, in milliseconds: gangway starts the server again after half a
    /// minute at the latest and says so if it ends once more, and waits five minutes for one that does not get ready.
    pub(super) fn holds(self, age: i64) -> bool {
        age <= if self == Self::NotReady { 6 * 60_000 } else { 90_000 }
    }
}

/// That the server behind does not run in a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    pub fall: Fall,
    /// gangway's words.
    pub message: String,
    /// Whether gangway does not start it again, and ends: then this is the task's last word.
    pub given_up: bool,
}

/// What a server says of what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind<'a> {
    /// When a task said so last, in milliseconds since the Unix epoch.
    pub at: i64,
    pub down: &'a Down,
    /// What the server behind said itself before it ended.
    pub words: Option<&'a str>,
    /// How many tasks say so.
    pub tasks: usize,
}

/// What the server behind said last, by server and task.
#[derive(Debug, Clone, Default)]
pub(super) struct Words(BTreeMap<(String, String), LastWords>);

/// What the server behind says so close to its end, in milliseconds, is of it.
const NEAR: u64 = 5_000;

impl Words {
    /// Takes a line that it wrote.
    pub(super) fn take(&mut self, line: &Line, at: i64, text: &str) {
        let task = (line.server.to_string(), line.task.to_string());
        if !self.0.contains_key(&task) {
            // Tasks that are long gone make room.
            self.0.retain(|_, words| words.at().is_some_and(|said| said > at - KEPT * SLOT));
        }
        if self.0.contains_key(&task) || self.0.len() < MAX_SERIES {
            self.0.entry(task).or_default().take(at, text);
        }
    }

    /// What was said about that time: after a new start it says nothing of why it ended before.
    pub(super) fn near(&self, server: &str, task: &str, at: i64) -> Option<&str> {
        let words = self.0.get(&(server.to_owned(), task.to_owned()))?;
        words.said().filter(|_| words.at().is_some_and(|said| said.abs_diff(at) <= NEAR))
    }
}

/// Whether a line is one that the server behind wrote.
pub(super) fn speaks(text: &str) -> bool {
    text.starts_with('{') && text.contains(r#""event":"app""#)
}

/// What a line says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Up,
    Down(Down),
}

impl Word {
    /// Reads a line; `None` for any other line.
    pub(super) fn read(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            event: Cow<'a, str>,
            #[serde(borrow, default)]
            reason: Cow<'a, str>,
            #[serde(borrow, default)]
            message: Cow<'a, str>,
        }
        if !text.starts_with('{') || !text.contains("\"app_") {
            return None;
        }
        let line: Line<'_> = serde_json::from_str(text).ok()?;
        let given_up = match &*line.event {
            "app_start" => return Some(Self::Up),
            "app_end" => false,
            "app_given_up" => true,
            _ => return None,
        };
        let fall = Fall::ALL.iter().copied().find(|fall| fall.word() == line.reason).unwrap_or(Fall::Other);
        Some(Self::Down(Down { fall, message: line.message.chars().take(LONGEST).collect(), given_up }))
    }
}
