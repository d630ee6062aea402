//! Reads the body once: its size, its method, and the tool that it calls. Looks at the answer once, too.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::accept::{self, Takes};
use crate::budget::{Share, values};
use crate::challenge::{
    BUSY, Denial, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, STARTING, refusal,
    rpc_error,
};
use crate::config::Limits;
use crate::facts::{Facts, facts};
use crate::raw::Members;
use crate::reason::{Reason, because};
use crate::shared::Shared;
use crate::stream;
use crate::token::Caller;

/// The parts of a JSON-RPC message that are needed here. A repeated key is an error: of two tool names,
/// another parser might read the other one.
#[derive(Deserialize)]
struct Envelope {
    id: Option<Box<RawValue>>,
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
    #[serde(default)]
    message: String,
}

impl Reply {
    /// Whether the tool or the server failed. A call with wrong arguments is no failure of theirs.
    fn failed(&self) -> bool {
        self.result.as_ref().is_some_and(|result| result.is_error)
            || self.error.as_ref().is_some_and(|error| error.code == INTERNAL_ERROR)
    }
}

/// Methods that every server has. The protocol library says that it does not know one whose parameters it
/// cannot read.
const KNOWN: [&str; 5] = ["initialize", "ping", "server/discover", "tools/call", "tools/list"];

/// Those of them that are no more since the revision [`STATELESS`], and are answered as unknown.
const REMOVED: [&str; 2] = ["initialize", "ping"];

/// Longer than the name of any method, in bytes.
const LONGEST_METHOD: usize = 256;

/// The first revision without sessions. Revisions are dates, whose order is that of their text.
const STATELESS: &str = "2026-07-28";

/// Methods whose results a client may keep for a time, and the only ones that say for whom (MCP 2026-07-28,
/// "Caching").
pub const CACHEABLE: [&str; 6] =
    ["prompts/list", "resources/list", "resources/read", "resources/templates/list", "server/discover", "tools/list"];

/// Reads the body, notes for the log what it calls, and refuses a tool that needs the `write` scope if
/// the token does not have it.
pub async fn inspect(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let facts = facts(&request);
    let (mut parts, body) = request.into_parts();
    if !parts.headers.get(CONTENT_TYPE).is_some_and(is_json) {
        return refusal(Reason::ContentType, StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST);
    }
    // None is undone here, so the body would be read as something else than it says (RFC 9110 section 8.4).
    if parts.headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        let why = "the body must have no content coding";
        let refused = rpc_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, why, None);
        return because(Reason::ContentType, refused);
    }
    let takes = accept::takes(&parts.headers);
    if takes == Takes::Neither {
        return refusal(Reason::Accept, StatusCode::NOT_ACCEPTABLE, INVALID_REQUEST);
    }
    accept::name_both(&mut parts.headers);
    // It is given back when the answer is sent: the message lives as long.
    let mut share = shared.budget.share();
    let body = match read(body, &shared.config.limits, &mut share).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else { return not_one_message(&body) };
    let tool = envelope.tool();
    facts.call(envelope.method.as_deref(), tool, tool.is_some_and(|tool| shared.tools.lists(tool)));
    let may_write = parts.extensions.get().is_some_and(|caller: &Caller| caller.may_write);
    if tool.is_some() && !shared.tools.are_known() {
        return rpc_error(StatusCode::SERVICE_UNAVAILABLE, BUSY, STARTING, envelope.id.as_deref());
    }
    if !may_write && tool.is_some_and(|tool| shared.tools.writes(tool)) {
        return Denial::Scope(&["read", "write"]).into_response(&shared.config);
    }
    facts.request_id(envelope.id);
    let too_long = envelope.method.as_ref().is_some_and(|method| method.len() > LONGEST_METHOD);
    let stateless = parts.headers.get("mcp-protocol-version").is_some_and(|version| version >= STATELESS);
    // The protocol library repeats the name of a method that it does not know.
    if let (true, Some(id)) = (too_long, facts.known_request_id()) {
        let status = if stateless { StatusCode::NOT_FOUND } else { StatusCode::OK };
        return rpc_error(status, METHOD_NOT_FOUND, "Method not found", Some(id));
    }
    let known = envelope
        .method
        .filter(|method| KNOWN.contains(&method.as_str()) && !(stateless && REMOVED.contains(&method.as_str())));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let response = if takes == Takes::Json { accept::as_json(response, shared.budget.share()).await } else { response };
    // The content type was checked above, so rmcp means the body: it is JSON, but no message of the protocol.
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let why = "Invalid Request: not a JSON-RPC message of this protocol";
        let refused = rpc_error(StatusCode::BAD_REQUEST, INVALID_REQUEST, why, facts.known_request_id());
        return because(Reason::Protocol, refused);
    }
    let response = look_at(response, &facts, known.as_deref()).await;
    if stream::answers(&response, &facts) { stream::keep(response, share) } else { response }
}

/// The refusal of a body that is no JSON, or JSON that is no message of JSON-RPC (specification, "Error object"). It
/// repeats nothing of the body.
fn not_one_message(body: &[u8]) -> Response {
    let json = std::str::from_utf8(body).map_err(|_| "no UTF-8".to_owned());
    let json = json.and_then(|text| serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string()));
    let (code, why) = match json {
        Ok(IgnoredAny) => (INVALID_REQUEST, "Invalid Request: not one JSON-RPC message".to_owned()),
        Err(problem) => (PARSE_ERROR, format!("{}: {problem}", Reason::BodyParse.says())),
    };
    because(Reason::BodyParse, rpc_error(StatusCode::BAD_REQUEST, code, &why, None))
}

fn is_json(content_type: &HeaderValue) -> bool {
    let value = content_type.to_str().unwrap_or_default();
    let essence = value.split_once(';').map_or(value, |(essence, _)| essence);
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The whole body, or the refusal of one that is too large, too slow or broken, or for which there is no memory.
async fn read(mut body: Body, limits: &Limits, share: &mut Share) -> Result<Bytes, Box<Response>> {
    let refuse =
        |reason, status, code, message: &str| Err(Box::new(because(reason, rpc_error(status, code, message, None))));
    let too_large = format!("the body is larger than {} bytes", limits.body_bytes);
    // A body whose Content-Length is too large is refused before it is sent.
    let announced = body.size_hint().lower();
    if announced > limits.body_bytes as u64 {
        return refuse(Reason::BodySize, StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, &too_large);
    }
    let busy = || refuse(Reason::Memory, StatusCode::SERVICE_UNAVAILABLE, BUSY, Reason::Memory.says());
    let whole = async {
        let mut whole = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                let reason = Reason::BodyBroken;
                return refuse(reason, StatusCode::BAD_REQUEST, PARSE_ERROR, reason.says());
            };
            let Some(part) = frame.data_ref() else { continue };
            if whole.len() + part.len() > limits.body_bytes {
                return refuse(Reason::BodySize, StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, &too_large);
            }
            if share.add(part.len(), 0).is_err() {
                return busy();
            }
            whole.extend_from_slice(part);
        }
        Ok(Bytes::from(whole))
    };
    let Ok(whole) = tokio::time::timeout(limits.body_time, whole).await else {
        let why = format!("the body did not arrive within {} s", limits.body_time.as_secs_f32());
        return refuse(Reason::BodySlow, StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, &why);
    };
    let whole = whole?;
    let values = values(&whole);
    if values > limits.body_values {
        let why = format!("the body has more than {} JSON values", limits.body_values);
        return refuse(Reason::BodyValues, StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, &why);
    }
    if share.add(0, values).is_err() {
        return busy();
    }
    Ok(whole)
}

/// Notes whether the tool failed: the status is 200 in any case, only the reply tells. Gives an answer that
/// blames a known method its right code.
async fn look_at(response: Response, facts: &Facts, known: Option<&str>) -> Response {
    if facts.known_tool().is_some() && stream::is_stream(&response) {
        let facts = facts.clone();
        return stream::watch(response, move |event| {
            if event.split(|byte| *byte == b'\n').any(tells_failure) {
                facts.tool_failed();
            }
        });
    }
    let cacheable = facts.known_method().is_some_and(|method| CACHEABLE.contains(&method));
    if (known.is_none() && !cacheable) || !response.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // No limit is needed: a JSON response is in memory already.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        let why = "the response broke off";
        return rpc_error(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, why, facts.known_request_id());
    };
    let reply = serde_json::from_slice::<Reply>(&body).ok();
    if facts.known_tool().is_some() && reply.as_ref().is_some_and(Reply::failed) {
        facts.tool_failed();
    }
    let blamed = |error: &CallError| error.code == METHOD_NOT_FOUND && Some(error.message.as_str()) == known;
    if reply.and_then(|reply| reply.error).as_ref().is_some_and(blamed) {
        let status = if parts.status == StatusCode::NOT_FOUND { StatusCode::BAD_REQUEST } else { parts.status };
        let why = format!("Invalid params: not those of {}", known.unwrap_or_default());
        let mut answer = rpc_error(status, INVALID_PARAMS, &why, facts.known_request_id());
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.extend(std::mem::take(answer.headers_mut()));
        *answer.headers_mut() = parts.headers;
        return answer;
    }
    let body = if cacheable { for_the_caller(body) } else { body };
    // It may have become longer.
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// The answer, for nobody but the caller: it was given to a token, and a cache that everybody may ask would give
/// it without one.
fn for_the_caller(body: Bytes) -> Bytes {
    let private = || {
        let mut message = Members::parse(&body)?;
        let mut result = message.object("result")?;
        if result.read::<String>("cacheScope")? != "public" {
            return None;
        }
        result.set("cacheScope", &"private");
        let result = result.raw();
        message.set_raw("result", result);
        Some(message.line())
    };
    private().map_or_else(|| body.clone(), Bytes::from)
}

/// Whether a line of a server-sent event carries the reply of a call that failed.
fn tells_failure(line: &[u8]) -> bool {
    line.strip_prefix(b"data:").is_some_and(is_failure)
}

fn is_failure(message: &[u8]) -> bool {
    serde_json::from_slice(message).is_ok_and(|reply: Reply| reply.failed())
}
