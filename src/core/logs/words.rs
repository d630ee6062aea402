//! What a task said last before it ended by itself: mostly why.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::destination::{ContainerLog, Destination, FIRELENS, Streams};
use super::payload;
use super::severity::Severity;
use crate::core::fleet::{Server, Task};
use crate::core::text::{cut, row, sanitise_event};

/// A task that ended, and where what it said lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The task's id.
    pub task: String,
    pub at: Timestamp,
    /// Log groups, each with the beginning of the names of the task's own streams in it.
    pub streams: Vec<(String, String)>,
}

/// What a task said last; `None` where it said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The task's id.
    pub task: String,
    pub words: Option<String>,
}

/// What ended longer ago is no news, and ECS does not show it any more.
const NEWS: SignedDuration = SignedDuration::from_hours(1);

impl Ended {
    /// The task of a server that ended last by itself, if one did within an hour, it ran before, and its log can be read.
    pub fn of(server: &Server, now: Timestamp) -> Option<Self> {
        Self::of_task(server.latest_stop()?, server.logs.known()?, now)
    }

    /// The same of a task that logs there.
    pub fn of_task(task: &Task, logs: &[ContainerLog], now: Timestamp) -> Option<Self> {
        let at = task.stopped_at.filter(|at| now.duration_since(*at) < NEWS)?;
        let streams: Vec<(String, String)> = logs
            .iter()
            .filter_map(|log| match &log.to {
                Destination::Group { group, streams } => Some((group.clone(), own(streams, &log.container, task)?)),
                _ => None,
            })
            .collect();
        (!streams.is_empty()).then(|| Self { task: task.id().to_owned(), at, streams })
    }
}

/// What the names of a container's streams begin with, where the task may have ended because of it, and they are its
/// task's alone.
fn own(streams: &Streams, container: &str, task: &Task) -> Option<String> {
    // What is stopped because another container has ended may say much, and nothing of why.
    let weight = |code: i32| match code {
        0 => 0,
        137 | 143 => 1,
        _ => 2,
    };
    let most = task.containers.iter().filter_map(|one| one.exit_code).map(weight).max()?;
    let container = task.containers.iter().find(|one| one.name == container)?;
    if container.exit_code.map(weight) != Some(most) {
        return None;
    }
    match streams {
        Streams::Tasks { prefix } => Some(format!("{prefix}/{}/{}", container.name, task.id())),
        Streams::FireLens { prefix } => Some(format!("{prefix}{}{FIRELENS}{}", container.name, task.id())),
        Streams::Runtime => container.runtime_id.clone(),
        Streams::Named { .. } | Streams::Any => None,
    }
}

/// Most cells of what is kept.
const LONGEST: usize = 200;
/// An error so long before the end, in milliseconds, is not why it ended.
const BEFORE: i64 = 10_000;

/// Finds what says why among the lines of a task: the last error, which traces and goodbyes follow, else the last line.
#[derive(Debug, Clone, Default)]
pub struct LastWords {
    last: Option<(i64, String)>,
    error: Option<(i64, String)>,
    /// The next line is what the last error says after its colon.
    goes_on: bool,
}

impl LastWords {
    /// Takes an event, hostile as it comes, of a time in milliseconds since the Unix epoch. They come oldest first.
    pub fn take(&mut self, at: i64, message: &str) {
        let text = sanitise_event(message);
        let text = payload::inner(&text);
        let Some(fields) = payload::fields(&text) else {
            return text.lines().for_each(|line| self.line(at, line, names_error(line)));
        };
        let event = fields.get("event").and_then(Value::as_str).unwrap_or_default();
        let said = ["message", "msg", "error", "err"].iter().find_map(|key| fields.get(*key)?.as_str());
        match (event, said) {
            // What the server behind gangway wrote, line by line.
            ("app", Some(said)) => self.line(at, said, names_error(said)),
            // What gangway counts, and tells of requests and of that server, is not said by it.
            (event, _) if event == "metrics" || event.starts_with("app_") || fields.contains_key("latency_ms") => {}
            (_, said) => self.line(at, &row(said.unwrap_or(&text)), Severity::of(&text) >= Severity::Error),
        }
    }

    fn line(&mut self, at: i64, line: &str, error: bool) {
        if !speaks(line) {
            return;
        }
        let goes_on = std::mem::replace(&mut self.goes_on, error && line.trim_end().ends_with(':'));
        let whole = match &self.error {
            Some((_, before)) if goes_on && !error => format!("{before} {}", line.trim()),
            _ => line.trim().to_owned(),
        };
        let said = (at, cut(&whole, LONGEST));
        if error || goes_on {
            self.error = Some(said.clone());
        }
        self.last = Some(said);
    }

    /// What it said last.
    pub fn said(&self) -> Option<&str> {
        let (at, last) = self.last.as_ref()?;
        let error = self.error.as_ref().filter(|(error, _)| at - error <= BEFORE);
        Some(error.map_or(last, |(_, text)| text))
    }

    /// When it said something last, in milliseconds since the Unix epoch.
    pub fn at(&self) -> Option<i64> {
        self.last.as_ref().map(|(at, _)| *at)
    }
}

/// Whether a line has words: brackets and carets have none.
fn speaks(line: &str) -> bool {
    line.chars().any(char::is_alphanumeric)
}

/// Whether a line says what went wrong. That of a trace, which is indented, says where.
fn names_error(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let named = ["error", "exception", "panic", "fatal"].iter().any(|word| lower.contains(word));
    !line.starts_with(char::is_whitespace) && (named || Severity::of(line) >= Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// What programs write when they end, as one event a line.
    #[rstest]
    #[case::python(
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 1, in <module>\n    import mcp\nModuleNotFoundError: No module named 'mcp'",
        "ModuleNotFoundError: No module named 'mcp'"
    )]
    #[case::node(
        "node:internal/modules/cjs/loader:1228\n  throw err;\n  ^\n\nError: Cannot find module '/app/index.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n\nNode.js v22.3.0",
        "Error: Cannot find module '/app/index.js'"
    )]
    #[case::go(
        "panic: runtime error: invalid memory address\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:8 +0x18\nexit status 2",
        "panic: runtime error: invalid memory address"
    )]
    #[case::java(
        "Exception in thread \"main\" java.lang.IllegalStateException: no port\n\tat a.B.main(B.java:3)\nCaused by: java.net.BindException: Address already in use\n\tat a.C.run(C.java:9)\n\t... 1 more",
        "Caused by: java.net.BindException: Address already in use"
    )]
    #[case::rust(
        "thread 'main' panicked at src/main.rs:5:10:\nno such host\nnote: run with `RUST_BACKTRACE=1`",
        "thread 'main' panicked at src/main.rs:5:10: no such host"
    )]
    #[case::a_plain_word("starting\nAPI_KEY is not set", "API_KEY is not set")]
    #[case::the_kernel(
        "exec /usr/local/bin/docker-entrypoint.sh: exec format error",
        "exec /usr/local/bin/docker-entrypoint.sh: exec format error"
    )]
    #[case::json(r#"{"level":"error","message":"cannot listen","port":80}"#, "cannot listen")]
    #[case::requests_are_not_said_of_itself(
        "going down\n{\"event\":\"request\",\"status\":200,\"latency_ms\":1.5}\n{\"event\":\"metrics\"}",
        "going down"
    )]
    #[case::behind_gangway(
        "{\"event\":\"app\",\"level\":\"info\",\"message\":\"Error: no port\"}\n{\"event\":\"app\",\"level\":\"info\",\"message\":\"    at a.js:1\"}\n{\"event\":\"app_end\",\"level\":\"error\",\"message\":\"the server ended\"}",
        "Error: no port"
    )]
    fn the_line_that_says_why(#[case] lines: &str, #[case] expected: &str) {
        let mut words = LastWords::default();
        lines.lines().for_each(|line| words.take(0, line));
        assert_eq!(words.said(), Some(expected), "a line an event");
        if !lines.starts_with('{') && !lines.contains("\n{") {
            let mut words = LastWords::default();
            words.take(0, lines);
            assert_eq!(words.said(), Some(expected), "all of it in one event");
        }
    }

    #[test]
    fn an_error_long_before_the_end_is_not_why() {
        let mut words = LastWords::default();
        words.take(0, "ERROR cannot reach the upstream");
        words.take(9_000, "stopping");
        assert_eq!(words.said(), Some("ERROR cannot reach the upstream"));
        words.take(11_000, "API_KEY is not set");
        assert_eq!(words.said(), Some("API_KEY is not set"));
    }

    #[test]
    fn what_is_said_is_harmless_and_short() {
        let mut words = LastWords::default();
        words.take(0, &format!("\u{1b}]0;owned\u{7}error: {}", "x".repeat(10_000)));
        let said = words.said().unwrap_or_default().to_owned();
        assert!(said.starts_with("error: xx") && said.chars().count() <= LONGEST && !said.contains('\u{1b}'), "{said}");
        assert_eq!(LastWords::default().said(), None);
    }
}
