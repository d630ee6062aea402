//! A log line, sanitised, with its time, its task and its severity: as it comes, and as it is kept.

use serde_json::{Map, Value};

use super::LogEvent;
use super::severity::Severity;
use crate::core::text::{sanitise, sanitise_line};

/// A log line on its way, safe for the terminal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// Server: the last part of the log group's name.
    pub server: Box<str>,
    /// Task id, or the whole stream name where it is not ECS's.
    pub task: Box<str>,
    /// How bad it is.
    pub severity: Severity,
    /// Sanitised text.
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
    /// Sanitised text.
    pub text: &'a str,
}

/// Longest line whose JSON is parsed for a row, in bytes. The pane that shows one line has no limit.
const PARSED: usize = 16 * 1024;

impl Line {
    /// Decodes and sanitises an event.
    pub fn decode(event: &LogEvent) -> Self {
        let last = |path: &str| sanitise(path.rsplit('/').next().unwrap_or(path)).into_boxed_str();
        let text = sanitise_line(&event.message);
        Self {
            at: event.timestamp,
            server: last(&event.group),
            task: last(&event.stream),
            severity: Severity::of(&text),
            text: text.into(),
        }
    }

    /// The same, borrowed.
    pub fn view(&self) -> LineRef<'_> {
        let Self { at, server, task, severity, text } = self;
        LineRef { at: *at, server, task, severity: *severity, text }
    }

    /// First eight characters of the task.
    pub fn short_task(&self) -> &str {
        self.view().short_task()
    }
}

impl<'a> LineRef<'a> {
    /// First eight characters of the task.
    pub fn short_task(&self) -> &'a str {
        self.task.get(..8).unwrap_or(self.task)
    }

    /// The line as a JSON object, if it is one.
    pub fn fields(&self) -> Option<Map<String, Value>> {
        self.text.starts_with('{').then(|| serde_json::from_str(self.text).ok()).flatten()
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
        assert_eq!((&*line.server, line.short_task(), &*line.text), ("time", "01234567", "hi"));
    }
}
