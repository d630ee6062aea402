//! Refusals, and what a client is told to do about them.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use crate::config::Config;

/// Why a request is refused before it reaches the protocol.
///
/// The texts are fixed, so nothing from a token can come back in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No token.
    Missing,
    /// More than one, or not in the form of RFC 6750 section 2.1.
    Malformed(&'static str),
    /// Not a token for this server.
    Invalid(&'static str),
    /// A token for this server without these scopes. RFC 6750 asks for all that
    /// are needed at once.
    Scope(&'static [&'static str]),
    /// Tokens cannot be checked at the moment. Not 401: a new token would not help.
    Unavailable,
}

impl Denial {
    /// The response, with the challenge of RFC 6750 section 3 and the metadata
    /// address of RFC 9728 section 5.1.
    pub fn into_response(self, config: &Config) -> Response {
        let (status, error, description) = match &self {
            Self::Missing => (StatusCode::UNAUTHORIZED, None, "a bearer token is needed"),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, Some("invalid_request"), *why),
            Self::Invalid(why) => (StatusCode::UNAUTHORIZED, Some("invalid_token"), *why),
            Self::Scope(_) => {
                let why = "the token lacks a scope that this request needs";
                (StatusCode::FORBIDDEN, Some("insufficient_scope"), why)
            }
            Self::Unavailable => {
                let why = "tokens cannot be checked at the moment";
                let mut response = json(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
                return response;
            }
        };
        let scopes = if let Self::Scope(scopes) = &self { scopes } else { &["read"][..] };
        let mut response = json(status, error.unwrap_or("unauthorized"), description);
        let challenge = challenge(config, error.map(|error| (error, description)), scopes);
        // Configuration is checked when read, so the value is always a valid header.
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
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

/// A small JSON error that no cache keeps.
pub fn json(status: StatusCode, error: &str, description: &str) -> Response {
    let body = serde_json::json!({ "error": error, "error_description": description });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
