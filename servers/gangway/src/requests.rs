//! A line in the log, and a count in the metrics, for each request.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::config::Subjects;
use crate::facts::{Facts, MAX_VALUE};
use crate::log::{Line, Log};
use crate::metrics::{Metrics, Tool};
use crate::reason::{self, Reason};
use crate::shared::Shared;
use crate::stream;

/// Status of a request whose client went away, as proxies write it.
const CLIENT_CLOSED: u16 = 499;

/// A request under way. It is logged when it is dropped, so that every request has its line: one that
/// is dropped before it was answered is logged as one whose client went away.
struct Open {
    log: Log,
    metrics: Option<Arc<Metrics>>,
    facts: Facts,
    started: Instant,
    status: u16,
    /// Why it was refused, if it was.
    reason: Option<Reason>,
    subjects: Subjects,
    request_id: String,
    trace_id: Option<String>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let tool_failed = self.facts.has_failed();
        let latency = self.started.elapsed();
        let tool = self.facts.known_tool();
        if let Some(metrics) = &self.metrics {
            let tool =
                tool.map_or(
                    Tool::None,
                    |name| if self.facts.tool_is_listed() { Tool::Listed(name) } else { Tool::Unlisted },
                );
            metrics.count(tool, tool_failed || self.status >= 500, latency);
        }
        let level = match self.status {
            500.. => "error",
            400.. => "warn",
            _ if tool_failed => "warn",
            _ => "info",
        };
        let upstream = self.facts.known_upstream();
        let reason = self.reason.map(|reason| self.refused_by(reason));
        // Who was served is told by the client alone; of who was refused an operator has to know more.
        let subject = reason.and_then(|_| self.facts.known_subject(self.subjects));
        self.log.write(Line {
            level,
            event: if tool_failed { "tool_error" } else { "request" },
            method: self.facts.known_method(),
            tool,
            client: self.facts.known_client(),
            subject: subject.as_deref(),
            audience: reason.and_then(|_| self.facts.known_aim()),
            reason: reason.map(Reason::word),
            status: Some(self.status),
            latency_ms: Some(milliseconds(latency)),
            upstream: upstream.map(|(how, _)| how),
            upstream_ms: upstream.map(|(_, time)| milliseconds(time)),
            request_id: Some(&self.request_id),
            trace_id: self.trace_id.as_deref(),
            ..Line::default()
        });
    }
}

impl Open {
    /// A refusal for which no layer has noted a reason is that of the server behind this one, if it was asked.
    fn refused_by(&self, reason: Reason) -> Reason {
        let by_others = matches!(reason, Reason::Protocol | Reason::Path | Reason::HttpMethod | Reason::Host);
        if by_others && self.facts.known_upstream().is_some() { Reason::Upstream } else { reason }
    }
}

fn milliseconds(time: std::time::Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// The outermost layer: writes the line, counts, and gives the request its id.
pub async fn record(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let mut open = Open {
        log: shared.log.clone(),
        metrics: shared.metrics.clone(),
        facts: Facts::default(),
        started: Instant::now(),
        status: CLIENT_CLOSED,
        reason: Some(Reason::Gone),
        subjects: shared.config.subjects,
        request_id: request_id(headers),
        trace_id: trace_id(headers),
    };
    let facts = open.facts.clone();
    request.extensions_mut().insert(facts.clone());
    let mut response = next.run(request).await;
    open.status = response.status().as_u16();
    open.reason = reason::of_response(&response);
    if let Ok(id) = HeaderValue::from_str(&open.request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    // A streamed answer is logged when it has ended: only then is it known whether the tool failed.
    if stream::answers(&response, &facts) { stream::keep(response, open) } else { response }
}

/// The id that the caller sent, if it is a plain one, else a new one. A dot is not plain: tokens have dots.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match given {
        Some(id) if (1..=MAX_VALUE).contains(&id.len()) && id.chars().all(plain) => id.to_owned(),
        _ => uuid::Uuid::new_v4().to_string(),
    }
}

/// The field `Root` of the header that the load balancer adds: `Root=1-67891233-abcdef012345678912345678`.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let header = headers.get("x-amzn-trace-id")?.to_str().ok()?;
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let plain = root.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    (plain && root.len() <= MAX_VALUE).then(|| root.to_owned())
}
