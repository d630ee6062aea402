//! What kinds of answers a client takes.
//!
//! A client should take both JSON and streams of events (MCP, Transports, "Sending Messages to the Server").
//! Many name neither, or only one. They are served as HTTP has it: without the header, or with `*/*`, anything
//! will do (RFC 9110 section 12.5.1), and who takes JSON alone gets JSON alone.

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde::de::IgnoredAny;

use crate::budget::Share;
use crate::challenge::{BUSY, refusal};
use crate::reason::Reason;
use crate::stream;

/// Both kinds of answers, as the protocol library wants to see them named.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// The longest stream that is made into one answer, in bytes.
const MAX_STREAM: usize = 8 * 1024 * 1024;

/// What a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// JSON and streams of events.
    Both,
    Json,
    /// Neither of them, or streams alone: an error is always JSON.
    Neither,
}

/// Reads what a client takes.
pub fn takes(headers: &HeaderMap) -> Takes {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Takes::Both;
    }
    let ranges = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let (mut json, mut events) = (false, false);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0_f32))
        });
        json |= !refused && matches!(kind.as_str(), "*/*" | "application/*" | "application/json");
        events |= !refused && matches!(kind.as_str(), "*/*" | "text/*" | "text/event-stream");
    }
    match (json, events) {
        (true, true) => Takes::Both,
        (true, false) => Takes::Json,
        (false, _) => Takes::Neither,
    }
}

/// Names both kinds.
pub fn name_both(headers: &mut HeaderMap) {
    headers.insert(ACCEPT, BOTH);
}

/// The answer that a stream of events ends with, as JSON. A response that is no such stream stays as it is. `share` is for
/// the memory that it takes until it is sent.
pub async fn as_json(response: Response, mut share: Share) -> Response {
    if !stream::is_stream(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let events = to_bytes(body, MAX_STREAM).await.ok();
    if events.as_ref().is_some_and(|events| share.add_answer(events.len()).is_err()) {
        return refusal(Reason::Memory, StatusCode::SERVICE_UNAVAILABLE, BUSY);
    }
    let answer = events.and_then(|events| answer(&events));
    let Some(answer) = answer else { return Response::from_parts(parts, Body::empty()) };
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(share.hold(answer.into_bytes())))
}

/// The message among events that answers a request.
fn answer(events: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Message {
        result: Option<IgnoredAny>,
        error: Option<IgnoredAny>,
        id: Option<IgnoredAny>,
    }
    let text = std::str::from_utf8(events).ok()?;
    let mut data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start);
    let answers = |data: &&str| {
        serde_json::from_str(data)
            .is_ok_and(|found: Message| found.id.is_some() && (found.result.is_some() || found.error.is_some()))
    };
    data.rfind(answers).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: Option<&str>) -> Takes {
        let mut headers = HeaderMap::new();
        accept.into_iter().for_each(|accept| drop(headers.insert(ACCEPT, accept.parse().expect("a header"))));
        takes(&headers)
    }

    #[test]
    fn what_a_client_takes_is_read_as_http_has_it() {
        assert_eq!(of(None), Takes::Both);
        for both in ["*/*", "application/json, text/event-stream", "text/event-stream;q=0.5,APPLICATION/JSON"] {
            assert_eq!(of(Some(both)), Takes::Both, "{both}");
        }
        for json in ["application/json", "application/*;q=0.1", "application/json, text/event-stream;q=0"] {
            assert_eq!(of(Some(json)), Takes::Json, "{json}");
        }
        for neither in ["text/event-stream", "text/html", "", "application/json;q=0"] {
            assert_eq!(of(Some(neither)), Takes::Neither, "{neither}");
        }
    }

    #[test]
    fn the_answer_of_a_stream_is_its_last_message_with_a_result() {
        let events =
            "data: {\"method\":\"notifications/progress\"}\n\nevent: message\ndata: {\"id\":1,\"result\":{}}\n\n";
        assert_eq!(answer(events.as_bytes()).as_deref(), Some("{\"id\":1,\"result\":{}}"));
        assert_eq!(answer(b"data: {\"method\":\"x\",\"id\":2}\n\n"), None);
    }
}
