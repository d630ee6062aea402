//! How many requests at once, and for how long.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use crate::challenge::{BUSY, INTERNAL_ERROR, refusal, rpc_error};
use crate::facts::facts;
use crate::reason::{Reason, because};
use crate::shared::Shared;
use crate::stream;

/// Answers 503 if too many requests run, and 504 if a response does not begin in time.
///
/// Requests are not queued: one that is refused at once can be retried on another copy of the server.
/// The time limit ends when the response begins. A streamed response counts as running until it ends.
pub async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Ok(slot) = shared.slots.clone().try_acquire_owned() else {
        return refusal(Reason::Busy, StatusCode::SERVICE_UNAVAILABLE, BUSY);
    };
    let in_flight = shared.in_flight.token();
    let facts = facts(&request);
    match tokio::time::timeout(shared.config.limits.request_time, next.run(request)).await {
        Ok(response) if stream::answers(&response, &facts) => stream::keep(response, (slot, in_flight)),
        Ok(response) => response,
        Err(_) => {
            let (status, id) = (StatusCode::GATEWAY_TIMEOUT, facts.known_request_id());
            because(Reason::Slow, rpc_error(status, INTERNAL_ERROR, Reason::Slow.says(), id))
        }
    }
}
