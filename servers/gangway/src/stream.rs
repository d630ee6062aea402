//! Streamed responses: keeps values until they end, and watches what they send.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use futures_util::StreamExt;
use http_body_util::BodyExt;

use crate::facts::Facts;

/// Whether a response is a stream of events.
pub fn is_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// Whether a response is a stream that ends with the answer to the request. A stream that the client
/// only listens on has no answer: it ends when either side closes it, so nothing waits for it.
pub fn answers(response: &Response, facts: &Facts) -> bool {
    is_stream(response) && !facts.listens()
}

/// Keeps `kept` until the body is sent, or its client is gone.
pub fn keep<T: Send + 'static>(response: Response, kept: T) -> Response {
    watch(response, move |_| {
        let _ = &kept;
    })
}

/// Shows each part of the body to `look` before it is sent.
pub fn watch(response: Response, mut look: impl FnMut(&Bytes) + Send + 'static) -> Response {
    response.map(|body| {
        let watched = body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                look(data);
            }
            frame
        });
        Body::new(watched)
    })
}

/// Ends the body when `end` is done.
pub fn until(response: Response, end: impl Future<Output = ()> + Send + 'static) -> Response {
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(end))))
}
