//! A log line, sanitised, with its time, its task and its severity: as it comes, and as it is kept.

use serde_json::{Map, Value};

use super::LogEvent;
use super::owners::task_of;
use super::payload;
use super::severity::Severity;
use crate::core::text::{sanitise, sanitise_event};

/// A log line on its way, safe for the terminal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// Server, or the log group's full name where the server cannot be told.
    pub server: Box<str>,
    /// Task id, or the whole stream name where it is not ECS's.
    pub task: Box<str>,
    /// How bad it is.
    pub severity: Severity,
    /// Sanitised text; line breaks are `\n`.
    pub text: Box<str>,
}

/// A log line where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LineRef<'a> {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    pub server: &'a str,
    pub task: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// Sanitised text; line breaks are `\n`.
    pub text: &'a str,
}

/// Longest line whose JSON is parsed for a row, in bytes. The pane that shows one line has no limit.
const PARSED: usize = 16 * 1024;

impl Line {
    /// An event of which is told only which group and which stream it comes from.
    pub fn decode(event: &LogEvent) -> Self {
        Self::new(event, &event.group, task_of(&event.stream))
    }

    /// An event of a server's task, sanitised.
    pub fn new(event: &LogEvent, server: &str, task: &str) -> Self {
        let text = sanitise_event(&event.message);
        Self {
            at: event.timestamp,
            server: sanitise(server).into(),
            task: sanitise(task).into(),
            severity: Severity::of(&text),
            text: text.into(),
        }
    }

    /// The same, borrowed.
    pub fn view(&self) -> LineRef<'_> {
        let Self { at, server, task, severity, text } = self;
        LineRef { at: *at, server, task, severity: *severity, text }
    }
}

impl LineRef<'_> {
    /// The line as a JSON object, if it is one.
    pub fn fields(&self) -> Option<Map<String, Value>> {
        payload::fields(self.text)
    }

    /// The line as a JSON object for a row of the screen: an enormous one is shown as its text.
    pub fn shown_fields(&self) -> Option<Map<String, Value>> {
        if self.text.len() > PARSED { None } else { self.fields() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_event_becomes_a_safe_line() {
        let event = LogEvent {
            timestamp: 1,
            ingested: 2,
            group: "/quarterdeck/local/time".into(),
            stream: "time/time/0123456789abcdef\u{1b}[2J".into(),
            message: "\u{1b}]0;owned\u{7}hi\u{202e}".into(),
        };
        let line = Line::decode(&event);
        let expected = ("/quarterdeck/local/time", "0123456789abcdef", "hi");
        assert_eq!((&*line.server, &*line.task, &*line.text), expected);
    }
}
