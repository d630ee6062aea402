//! Refusals, each with what the client can do about it.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Config;
use crate::raw::Members;
use crate::reason::{Reason, because};

/// Why a request is refused before it reaches the protocol.
///
/// The texts are those of [`Reason`], so nothing from a token can come back in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No token.
    Missing,
    /// More than one, or not in the form of RFC 6750 section 2.1.
    Malformed(Reason),
    /// Not a token for this server.
    Invalid(Reason),
    /// A token for this server that lacks a scope. Names all scopes that the request needs, those that
    /// the token has included (RFC 6750 section 3).
    Scope(&'static [&'static str]),
    /// Tokens cannot be checked at the moment. Not 401: a new token would not help.
    Unavailable,
}

impl Denial {
    /// The response, with the challenge of RFC 6750 section 3 and the metadata
    /// address of RFC 9728 section 5.1.
    pub fn into_response(self, config: &Config) -> Response {
        let reason = self.reason();
        let (status, error) = match &self {
            Self::Missing => (StatusCode::UNAUTHORIZED, None),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, Some("invalid_request")),
            Self::Invalid(_) => (StatusCode::UNAUTHORIZED, Some("invalid_token")),
            Self::Scope(_) => (StatusCode::FORBIDDEN, Some("insufficient_scope")),
            Self::Unavailable => return refusal(reason, StatusCode::SERVICE_UNAVAILABLE, BUSY),
        };
        let description = reason.says();
        let scopes = if let Self::Scope(scopes) = &self { scopes } else { &["read"][..] };
        let body = serde_json::json!({ "error": error.unwrap_or("unauthorized"), "error_description": description });
        let mut response = json(status, body.to_string());
        let challenge = challenge(config, error.map(|error| (error, description)), scopes);
        // Configuration is checked when read, so the value is always a valid header.
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        because(reason, response)
    }

    /// Why, for the log and the client.
    fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::NoToken,
            Self::Malformed(reason) | Self::Invalid(reason) => *reason,
            Self::Scope(_) => Reason::Scope,
            Self::Unavailable => Reason::Keys,
        }
    }
}

fn challenge(config: &Config, error: Option<(&str, &str)>, scopes: &[&str]) -> String {
    let scopes: Vec<_> = scopes.iter().map(|name| config.scope(name)).collect();
    let mut challenge = format!(
        "Bearer resource_metadata=\"{}\", scope=\"{}\"",
        crate::metadata::resource_metadata_url(config),
        scopes.join(" "),
    );
    if let Some((error, description)) = error {
        challenge += &format!(", error=\"{error}\", error_description=\"{description}\"");
    }
    challenge
}

/// JSON-RPC's code for a message that is not JSON, or not one message.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC's code for JSON that is not a valid request.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC's code for a method that there is not.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC's code for parameters that the method does not take.
pub const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC's code for a failure of the server.
pub const INTERNAL_ERROR: i32 = -32603;
/// One of the codes that JSON-RPC leaves to servers. Here: try again later.
pub const BUSY: i32 = -32000;

/// What is said while a server cannot answer yet.
pub const STARTING: &str = "the server behind is being started";
/// Seconds after which a refused client may try again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// An error that a JSON-RPC client can match to its request, if its `id` is known.
/// With status 503 it says when to come back.
pub fn rpc_error(status: StatusCode, code: i32, message: &str, id: Option<&RawValue>) -> Response {
    let error = serde_json::json!({ "code": code, "message": message });
    let mut response = json(status, error_text(id, &error));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
    }
    response
}

/// The message with an error.
pub fn error_text(id: Option<&RawValue>, error: &Value) -> Vec<u8> {
    let mut message = Members::default();
    message.set("jsonrpc", &"2.0");
    message.set("id", &id);
    message.set("error", error);
    message.line()
}

/// A refusal in the words of its reason, of a request whose `id` is not known.
pub fn refusal(reason: Reason, status: StatusCode, code: i32) -> Response {
    because(reason, rpc_error(status, code, reason.says(), None))
}

/// The refusal of a caller that asks too often, with the time until it may ask again (RFC 6585 section 4).
pub fn too_often(until: std::time::Duration) -> Response {
    let mut response = refusal(Reason::Rate, StatusCode::TOO_MANY_REQUESTS, BUSY);
    // Whole seconds, and none too early (RFC 9110 section 10.2.3).
    let seconds = until.as_secs() + u64::from(until.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The refusal of a caller that is kept out. Its token may be a good one, so a new one would not help, and no challenge
/// asks for one: it "SHOULD NOT automatically repeat the request" (RFC 9110 section 15.5.4). Why and how long is not for
/// the caller to know.
pub fn kept_out() -> Response {
    refusal(Reason::Quarantine, StatusCode::FORBIDDEN, INVALID_REQUEST)
}

/// A small JSON error that no cache keeps.
fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
