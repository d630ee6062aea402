//! Checks the head: headers that must be unique are, and a browser's page is of an origin that is served.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;

use crate::challenge::{INVALID_REQUEST, refusal, rpc_error};
use crate::facts::MAX_VALUE;
use crate::origin::is_listed;
use crate::reason::{Reason, because};
use crate::shared::Shared;

/// Headers that may be there once. rmcp reads the first one only.
const ONCE: [HeaderName; 8] = [
    HOST,
    ORIGIN,
    CONTENT_TYPE,
    HeaderName::from_static("mcp-protocol-version"),
    HeaderName::from_static("mcp-session-id"),
    HeaderName::from_static("mcp-method"),
    HeaderName::from_static("mcp-name"),
    HeaderName::from_static("last-event-id"),
];

/// Refuses a head that contradicts itself: a proxy in front may have read the other value. RFC 9112
/// section 3.2 demands status 400 for two Host headers.
///
/// An Origin that is not served gets 403 whatever else the request has (MCP, Transports, "Security
/// Warning"); the protocol library looks at it only behind the token check.
pub async fn inspect(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if let Some(why) = contradiction(request.headers(), request.uri()) {
        return because(Reason::Head, rpc_error(StatusCode::BAD_REQUEST, INVALID_REQUEST, &why, None));
    }
    let foreign = |origin| !is_listed(&shared.config.allowed_origins, origin);
    if request.headers().get(ORIGIN).is_some_and(foreign) {
        return refusal(Reason::Origin, StatusCode::FORBIDDEN, INVALID_REQUEST);
    }
    next.run(request).await
}

fn contradiction(headers: &HeaderMap, target: &Uri) -> Option<String> {
    let twice = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    if let Some(name) = ONCE.iter().find(twice) {
        return Some(format!("more than one {name} header"));
    }
    // It is a date. What is longer would be repeated by the refusal of an unknown one.
    if headers.get("mcp-protocol-version").is_some_and(|version| version.len() > MAX_VALUE) {
        return Some("the mcp-protocol-version header is too long".to_owned());
    }
    if headers.get(HOST).is_some_and(|host| !is_host(host)) {
        return Some("the host header is not a host".to_owned());
    }
    let host = headers.get(HOST).map(|host| host.as_bytes());
    let target = target.authority()?.as_str().as_bytes();
    let same = host.is_some_and(|host| host.eq_ignore_ascii_case(target));
    (!same).then(|| "the host header is not the target's".to_owned())
}

/// Whether a value is a host, with a port or without (RFC 9112 section 3.2).
fn is_host(value: &HeaderValue) -> bool {
    let Some(authority) = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok()) else { return false };
    let text = authority.as_str();
    let port = text.get(authority.host().len()..).unwrap_or_default();
    // What comes before an `@` is not part of the host, and two hosts in one header are none.
    !text.contains(['@', ',']) && !authority.host().is_empty() && (port.is_empty() || authority.port_u16().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_host() {
        for good in ["mcp.example.com", "mcp.example.com:443", "127.0.0.1", "[::1]:8080", "a"] {
            assert!(is_host(&HeaderValue::from_static(good)), "{good}");
        }
        for bad in ["", "a b", "a@b", "a:b", "a:99999", "a:", "a/b", "http://a", "a,b", "[::1", ":80"] {
            assert!(!is_host(&HeaderValue::from_static(bad)), "{bad}");
        }
    }
}
