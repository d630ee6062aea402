//! Reads the body once: its size, its method, and the tool that it calls.

use std::error::Error;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::LengthLimitError;
use serde::Deserialize;
use serde_json::Value;

use crate::challenge::{Denial, INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, rpc_error};
use crate::config::Limits;
use crate::facts::{Facts, facts};
use crate::shared::Shared;
use crate::stream;
use crate::token::Caller;

/// The parts of a JSON-RPC message that are needed here. A repeated key is an error: of two tool names,
/// another parser might read the other one.
#[derive(Deserialize)]
struct Envelope {
    id: Option<Value>,
    method: Option<String>,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    name: Option<Value>,
}

impl Envelope {
    fn tool(&self) -> Option<&str> {
        let call = self.method.as_deref() == Some("tools/call");
        self.params.as_ref().filter(|_| call)?.name.as_ref()?.as_str()
    }
}

/// The parts of a reply that are needed here.
#[derive(Deserialize)]
struct Reply {
    result: Option<CallResult>,
    error: Option<CallError>,
}

#[derive(Deserialize)]
struct CallResult {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

#[derive(Deserialize)]
struct CallError {
    code: i32,
}

impl Reply {
    /// Whether the tool or the server failed. A call with wrong arguments is no failure of theirs.
    fn failed(&self) -> bool {
        self.result.as_ref().is_some_and(|result| result.is_error)
            || self.error.as_ref().is_some_and(|error| error.code == INTERNAL_ERROR)
    }
}

/// Reads the body, notes for the log what it calls, and refuses a tool that needs the `write` scope if
/// the token does not have it.
pub async fn inspect(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let facts = facts(&request);
    let (parts, body) = request.into_parts();
    if !parts.headers.get(CONTENT_TYPE).is_some_and(is_json) {
        let why = "the content type must be application/json";
        return rpc_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, why, None);
    }
    let body = match read(body, &shared.config.limits).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let envelope = match serde_json::from_slice(&body) {
        Ok::<Envelope, _>(envelope) => envelope,
        Err(error) => {
            let message = format!("Parse error: not one JSON-RPC message: {error}");
            return rpc_error(StatusCode::BAD_REQUEST, PARSE_ERROR, &message, None);
        }
    };
    let tool = envelope.tool();
    facts.call(envelope.method.as_deref(), tool, tool.is_some_and(|tool| (shared.lists)(tool)));
    let may_write = parts.extensions.get().is_some_and(|caller: &Caller| caller.may_write);
    if !may_write && tool.is_some_and(|tool| shared.write_tools.contains(&tool)) {
        return Denial::Scope(&["read", "write"]).into_response(&shared.config);
    }
    let called = tool.is_some();
    facts.request_id(envelope.id);
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    // The content type was checked above, so rmcp means the body: it is JSON, but no message of the protocol.
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let why = "Invalid Request: not a JSON-RPC message of this protocol";
        return rpc_error(StatusCode::BAD_REQUEST, INVALID_REQUEST, why, facts.known_request_id());
    }
    if called { note_failure(response, &facts).await } else { response }
}

fn is_json(content_type: &HeaderValue) -> bool {
    let value = content_type.to_str().unwrap_or_default();
    let essence = value.split_once(';').map_or(value, |(essence, _)| essence);
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The whole body, or the refusal of one that is too large, too slow or broken.
async fn read(body: Body, limits: &Limits) -> Result<Bytes, Box<Response>> {
    let refuse = |status, code, message: String| Err(Box::new(rpc_error(status, code, &message, None)));
    let too_large = || format!("the body is larger than {} bytes", limits.body_bytes);
    // A body whose Content-Length is too large is refused before it is sent.
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, too_large());
    }
    match tokio::time::timeout(limits.body_time, to_bytes(body, limits.body_bytes)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, too_large())
        }
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, PARSE_ERROR, "Parse error: the body broke off".to_owned()),
        Err(_) => {
            let why = format!("the body did not arrive within {} s", limits.body_time.as_secs_f32());
            refuse(StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, why)
        }
    }
}

/// Notes whether the tool failed. The status is 200 in any case: only the reply tells.
async fn note_failure(response: Response, facts: &Facts) -> Response {
    if stream::is_stream(&response) {
        let facts = facts.clone();
        return stream::watch(response, move |event| {
            if event.split(|byte| *byte == b'\n').any(tells_failure) {
                facts.tool_failed();
            }
        });
    }
    if !response.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // No limit is needed: a JSON response is in memory already.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        let why = "the response broke off";
        return rpc_error(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, why, facts.known_request_id());
    };
    if is_failure(&body) {
        facts.tool_failed();
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether a line of a server-sent event carries the reply of a call that failed.
fn tells_failure(line: &[u8]) -> bool {
    line.strip_prefix(b"data:").is_some_and(is_failure)
}

fn is_failure(message: &[u8]) -> bool {
    serde_json::from_slice(message).is_ok_and(|reply: Reply| reply.failed())
}
