//! The log: one JSON object per line on standard output.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::facts::Aim;

/// The log of a server. Copies write to the same place, one whole line at a time.
#[derive(Clone)]
pub struct Log {
    server: Arc<str>,
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

/// The members of a line that most events share. `None` is left out.
#[derive(Default, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) ts: String,
    pub(crate) level: &'a str,
    pub(crate) event: &'a str,
    pub(crate) server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<Aim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<&'a str>,
}

impl Log {
    /// The log of `server` on standard output.
    pub fn stdout(server: &str) -> Self {
        Self::new(server, std::io::stdout())
    }

    /// The log of `server` to any writer.
    pub fn new(server: &str, out: impl Write + Send + 'static) -> Self {
        Self { server: server.into(), out: Arc::new(Mutex::new(Box::new(out))) }
    }

    /// Writes a line that is not about a request. `level` is `info`, `warn` or `error`.
    pub fn event(&self, level: &str, event: &str, message: &str) {
        self.write(Line { level, event, message: Some(message), ..Line::default() });
    }

    /// Writes a line with further members.
    pub(crate) fn event_with(&self, level: &str, event: &str, members: &impl Serialize) {
        #[derive(Serialize)]
        struct With<'a, T> {
            #[serde(flatten)]
            line: Line<'a>,
            #[serde(flatten)]
            members: &'a T,
        }
        self.put(&With { line: self.complete(Line { level, event, ..Line::default() }), members });
    }

    /// Writes a line, with the time and the server's name.
    pub(crate) fn write(&self, line: Line<'_>) {
        self.put(&self.complete(line));
    }

    fn complete<'a>(&'a self, line: Line<'a>) -> Line<'a> {
        Line { ts: format!("{:.3}", jiff::Timestamp::now()), server: &self.server, ..line }
    }

    fn put(&self, line: &impl Serialize) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        // A server whose log cannot be written serves all the same.
        let _ = self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text);
    }
}
