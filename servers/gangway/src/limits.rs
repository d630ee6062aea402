//! How many requests at once, and for how long.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::Shared;
use crate::challenge::json;

/// Admits a request if there is room, and gives it up after the time limit.
///
/// A request that is turned away at once can be retried on another task; one
/// that is queued only makes the queue longer. The time limit is on the
/// beginning of the response: streams may stay open.
pub async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Ok(_slot) = shared.slots.try_acquire() else {
        let mut response = json(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at once");
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let _in_flight = shared.in_flight.token();
    match tokio::time::timeout(shared.config.limits.request_time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => json(StatusCode::GATEWAY_TIMEOUT, "timeout", "the request took too long"),
    }
}
