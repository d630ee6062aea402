//! The log: one JSON object per line on standard output.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use crate::app::Shared;
use crate::metrics::{Metrics, Tool};
use crate::stream;

/// Longest value from outside that is written.
const MAX_VALUE: usize = 64;
/// Status of a request whose client went away, as proxies write it.
const CLIENT_CLOSED: u16 = 499;

/// Where the lines go.
#[derive(Clone)]
pub struct Log {
    server: Arc<str>,
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

#[derive(Default, Serialize)]
struct Line<'a> {
    ts: String,
    level: &'a str,
    event: &'a str,
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

impl Log {
    /// The log of `server` on standard output.
    pub fn stdout(server: &str) -> Self {
        Self::new(server, std::io::stdout())
    }

    /// The log of `server` anywhere else.
    pub fn new(server: &str, out: impl Write + Send + 'static) -> Self {
        Self { server: server.into(), out: Arc::new(Mutex::new(Box::new(out))) }
    }

    /// A line that is not about a request.
    pub fn event(&self, level: &str, event: &str, message: &str) {
        self.write(Line { level, event, message: Some(message), ..Line::default() });
    }

    /// A line with members of its own.
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

    fn write(&self, line: Line<'_>) {
        self.put(&self.complete(line));
    }

    fn complete<'a>(&'a self, line: Line<'a>) -> Line<'a> {
        Line { ts: format!("{:.3}", jiff::Timestamp::now()), server: &self.server, ..line }
    }

    fn put(&self, line: &impl Serialize) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        // A server whose log has no reader still serves.
        let _ = self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text);
    }
}

/// What the layers inside learn about a request; in the request's extensions.
#[derive(Clone, Default)]
pub struct Facts(Arc<Known>);

#[derive(Default)]
struct Known {
    client: OnceLock<String>,
    method: OnceLock<String>,
    tool: OnceLock<String>,
    listed: AtomicBool,
    request_id: OnceLock<Value>,
    tool_failed: AtomicBool,
}

impl Facts {
    /// The OAuth client, once its token has been checked.
    pub fn client(&self, client: &str) {
        let _ = self.0.client.set(clean(client));
    }

    /// The MCP method, the tool of a `tools/call`, and whether the server lists it.
    pub fn call(&self, method: Option<&str>, tool: Option<&str>, listed: bool) {
        if let Some(method) = method {
            let _ = self.0.method.set(clean(method));
        }
        if let Some(tool) = tool {
            let _ = self.0.tool.set(clean(tool));
        }
        self.0.listed.store(listed, Ordering::Relaxed);
    }

    /// Whether the client asked for nothing but a stream to listen on.
    pub fn listens(&self) -> bool {
        self.0.method.get().is_some_and(|method| method == "subscriptions/listen")
    }

    /// The message's JSON-RPC id, if it is one.
    pub fn request_id(&self, id: Option<Value>) {
        if let Some(id @ (Value::String(_) | Value::Number(_))) = id {
            let _ = self.0.request_id.set(id);
        }
    }

    /// The JSON-RPC id, for an error that answers the message. It is never logged.
    pub fn known_request_id(&self) -> Option<&Value> {
        self.0.request_id.get()
    }

    /// The tool's result says `isError`, or the server could not run it.
    pub fn tool_failed(&self) {
        self.0.tool_failed.store(true, Ordering::Relaxed);
    }
}

/// A request under way. Dropped without an answer, it is logged as one whose
/// client went away: every request has its line.
struct Open {
    log: Log,
    metrics: Option<Arc<Metrics>>,
    facts: Facts,
    started: Instant,
    status: u16,
    request_id: String,
    trace_id: Option<String>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let known = &self.facts.0;
        let tool_failed = known.tool_failed.load(Ordering::Relaxed);
        let latency = self.started.elapsed();
        let tool = known.tool.get().map(String::as_str);
        if let Some(metrics) = &self.metrics {
            let listed = known.listed.load(Ordering::Relaxed);
            let tool = tool.map_or(Tool::None, |name| if listed { Tool::Listed(name) } else { Tool::Unlisted });
            metrics.count(tool, tool_failed || self.status >= 500, latency);
        }
        let level = match self.status {
            500.. => "error",
            400.. => "warn",
            _ if tool_failed => "warn",
            _ => "info",
        };
        self.log.write(Line {
            level,
            event: if tool_failed { "tool_error" } else { "request" },
            method: known.method.get().map(String::as_str),
            tool,
            client: known.client.get().map(String::as_str),
            status: Some(self.status),
            latency_ms: Some(latency.as_micros() as f64 / 1000.0),
            request_id: Some(&self.request_id),
            trace_id: self.trace_id.as_deref(),
            ..Line::default()
        });
    }
}

/// The outermost layer: writes the line, counts, and gives the request its id.
pub async fn requests(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let mut open = Open {
        log: shared.log.clone(),
        metrics: shared.metrics.clone(),
        facts: Facts::default(),
        started: Instant::now(),
        status: CLIENT_CLOSED,
        request_id: request_id(headers),
        trace_id: trace_id(headers),
    };
    let facts = open.facts.clone();
    request.extensions_mut().insert(facts.clone());
    let mut response = next.run(request).await;
    open.status = response.status().as_u16();
    if let Ok(id) = HeaderValue::from_str(&open.request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    // A streamed answer has its line when it is whole: only its end says how it went.
    if stream::answers(&response, &facts) { stream::keep(response, open) } else { response }
}

/// The facts of `request`; fresh ones where no log layer is.
pub fn facts(request: &Request) -> Facts {
    request.extensions().get().cloned().unwrap_or_default()
}

/// The caller's id when it is a plain one. No dots: a token has them.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match given {
        Some(id) if (1..=MAX_VALUE).contains(&id.len()) && id.chars().all(plain) => id.to_owned(),
        _ => uuid::Uuid::new_v4().to_string(),
    }
}

/// The `Root` of the load balancer's header: `Root=1-67891233-abcdef012345678912345678`.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let header = headers.get("x-amzn-trace-id")?.to_str().ok()?;
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let plain = root.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    (plain && root.len() <= MAX_VALUE).then(|| root.to_owned())
}

/// A value from outside, made harmless: names are short and plain, and what
/// looks like a token (they all begin so) is not written wherever it turns up.
fn clean(value: &str) -> String {
    if value.contains("eyJ") {
        return "[redacted]".to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:$".contains(c);
    value.chars().take(MAX_VALUE).map(|c| if plain(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_outside_are_made_harmless() {
        assert_eq!(clean("tools/call"), "tools/call");
        assert_eq!(clean("a\n\u{1b}[31m\"b"), "a???31m?b");
        assert_eq!(clean("x eyJhbGciOi"), "[redacted]");
        assert_eq!(clean(&"a".repeat(1000)).len(), MAX_VALUE);
    }
}
