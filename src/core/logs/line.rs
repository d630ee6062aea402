//! A log line as it is kept: sanitised, with its time, its task and its severity.

use serde_json::{Map, Value};

use super::LogEvent;
use crate::core::text::sanitise;

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Detail.
    Debug,
    /// Nothing said, or information.
    #[default]
    Info,
    /// A warning.
    Warn,
    /// An error, or worse.
    Error,
}

impl Severity {
    /// The severity of this name, in the spellings that loggers use.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "trace" | "debug" | "verbose" => Some(Self::Debug),
            "info" | "notice" | "information" => Some(Self::Info),
            "warn" | "warning" => Some(Self::Warn),
            "error" | "err" | "fatal" | "critical" | "panic" | "emerg" | "alert" => Some(Self::Error),
            _ => None,
        }
    }
}

/// A log line, safe for the terminal.
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

impl Line {
    /// Decodes and sanitises an event.
    pub fn decode(event: &LogEvent) -> Self {
        let last = |path: &str| sanitise(path.rsplit('/').next().unwrap_or(path)).into_boxed_str();
        let text = sanitise(&event.message);
        Self {
            at: event.timestamp,
            server: last(&event.group),
            task: last(&event.stream),
            severity: severity(&text),
            text: text.into(),
        }
    }

    /// First eight characters of the task.
    pub fn short_task(&self) -> &str {
        self.task.get(..8).unwrap_or(&self.task)
    }

    /// The line as a JSON object, if it is one.
    pub fn fields(&self) -> Option<Map<String, Value>> {
        self.text.starts_with('{').then(|| serde_json::from_str(&self.text).ok()).flatten()
    }

    /// Bytes that it takes in memory, roughly.
    pub fn size(&self) -> usize {
        self.text.len() + self.server.len() + self.task.len() + size_of::<Self>()
    }
}

/// Finds the severity of JSON lines by their `level` field and of plain ones by a word near the beginning.
fn severity(text: &str) -> Severity {
    if text.starts_with('{') {
        return json_level(text).unwrap_or_default();
    }
    let head = text.get(..80).unwrap_or(text);
    let words = head.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() >= 3);
    // A lower-case word in prose ("no error found") is no level; levels stand alone in capitals or
    // before a colon or in brackets.
    let shouted = |word: &&str| word.chars().all(|c| c.is_ascii_uppercase());
    let marked = |word: &&str| {
        [format!("{word}:"), format!("[{word}]"), format!("level={word}")]
            .iter()
            .any(|mark| head.contains(mark.as_str()))
    };
    words.filter(|word| shouted(word) || marked(word)).find_map(Severity::named).unwrap_or_default()
}

/// The value of the first `level` or `severity` key, without parsing the whole object.
fn json_level(text: &str) -> Option<Severity> {
    ["\"level\":", "\"severity\":"].iter().find_map(|key| {
        let rest = text[text.find(key)? + key.len()..].trim_start().strip_prefix('"')?;
        Severity::named(rest.split('"').next()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"ts":"x","level":"warn","event":"request"}"#, Severity::Warn)]
    #[case(r#"{"severity": "ERROR"}"#, Severity::Error)]
    #[case(r#"{"event":"request"}"#, Severity::Info)]
    #[case("2026-01-01 ERROR it broke", Severity::Error)]
    #[case("[warn] it may break", Severity::Warn)]
    #[case("warning: odd", Severity::Warn)]
    #[case("all went well, no error found", Severity::Info)]
    #[case("thread 'main' panicked", Severity::Info)]
    #[case("", Severity::Info)]
    fn severities(#[case] text: &str, #[case] expected: Severity) {
        assert_eq!(severity(text), expected);
    }

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
