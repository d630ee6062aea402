//! The one look at the body: its size, its method, and the tool it calls.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::app::Shared;
use crate::challenge::{Denial, json};
use crate::log::{self, Facts};
use crate::token::Caller;

/// As much of a JSON-RPC message as is needed here. A repeated key is an error,
/// so that no other parser can read another tool's name in the same message.
#[derive(Deserialize)]
struct Envelope {
    method: Option<String>,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    name: Option<serde_json::Value>,
}

impl Envelope {
    fn tool(&self) -> Option<&str> {
        let call = self.method.as_deref() == Some("tools/call");
        self.params.as_ref().filter(|_| call)?.name.as_ref()?.as_str()
    }
}

/// As much of a reply as is needed here.
#[derive(Deserialize)]
struct Reply {
    result: Option<CallResult>,
    #[serde(default, rename = "error")]
    _error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct CallResult {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

/// Reads the body, tells the log about it, and asks for the `write` scope where
/// the tool needs it.
pub async fn inspect(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let facts = log::facts(&request);
    let (parts, body) = request.into_parts();
    // The other failure is a client that went away, which no answer reaches.
    let Ok(body) = to_bytes(body, shared.config.limits.body_bytes).await else {
        let why = format!("the body is larger than {} bytes", shared.config.limits.body_bytes);
        return json(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &why);
    };
    let envelope: Envelope = match serde_json::from_slice(&body) {
        Ok(envelope) => envelope,
        Err(error) => return parse_error(&error),
    };
    let tool = envelope.tool();
    facts.call(envelope.method.as_deref(), tool);
    let may_write = parts.extensions.get().is_some_and(|caller: &Caller| caller.may_write);
    if !may_write && tool.is_some_and(|tool| shared.write_tools.contains(&tool)) {
        return Denial::Scope(&["read", "write"]).into_response(&shared.config);
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if tool.is_some() { note_tool_error(response, &facts).await } else { response }
}

/// JSON-RPC's parse error, with the status that the transport gives to bad requests.
fn parse_error(error: &serde_json::Error) -> Response {
    let mut response = json(StatusCode::BAD_REQUEST, "", "");
    let message = format!("Parse error: not one JSON-RPC message: {error}");
    let body = serde_json::json!({
        "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": message },
    });
    *response.body_mut() = Body::from(body.to_string());
    response
}

/// A tool's own failure is a success of the protocol: only the result shows it.
async fn note_tool_error(response: Response, facts: &Facts) -> Response {
    let is_json = |value: &axum::http::HeaderValue| value.as_bytes() == b"application/json";
    if !response.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // Whole in memory already: a JSON response is not streamed.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return json(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the response broke off");
    };
    let reply: Option<Reply> = serde_json::from_slice(&body).ok();
    if reply.and_then(|reply| reply.result).is_some_and(|result| result.is_error) {
        facts.tool_failed();
    }
    Response::from_parts(parts, Body::from(body))
}
