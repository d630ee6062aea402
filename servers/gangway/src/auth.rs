//! The token check, in front of the protocol.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

use crate::challenge::{Denial, kept_out, too_often};
use crate::facts::facts;
use crate::reason::Reason;
use crate::shared::Shared;
use crate::stream;
use crate::token::Caller;

/// Lets requests with a token for this server through, as often as a caller may ask, with their
/// [`Caller`] in the extensions.
pub async fn check(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let facts = facts(&request);
    let verified = match bearer(request.headers()) {
        Ok(token) => shared.verifier.verify(token, &facts).await,
        Err(denial) => Err(denial),
    };
    match verified {
        Ok(caller) => {
            if shared.quarantine.refuses(&caller) {
                return kept_out();
            }
            if !caller.may_read {
                return Denial::Scope(&["read"]).into_response(&shared.config);
            }
            if let Err(until) = shared.rates.count(&caller, Instant::now()) {
                return too_often(until);
            }
            // The token is meant for this server only. Tools must not pass it on, so they do not get it.
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(caller.clone());
            run(&shared, caller, request, next).await
        }
        Err(denial) => denial.into_response(&shared.config),
    }
}

/// Runs a request until its caller is kept out, which may be while it is answered. A stream ends then; what has not
/// begun to answer is refused, and dropped as if its client had gone.
async fn run(shared: &Shared, caller: Caller, request: Request, next: Next) -> Response {
    let client = facts(&request).known_client().unwrap_or_default().to_owned();
    let refused = shared.quarantine.clone().refused(caller.clone());
    let response = tokio::select! {
        biased;
        response = next.run(request) => response,
        () = refused => return kept_out(),
    };
    if !stream::is_stream(&response) {
        return response;
    }
    let (quarantine, log) = (shared.quarantine.clone(), shared.log.clone());
    stream::until(response, async move {
        quarantine.refused(caller).await;
        log.event(
            "warn",
            "quarantine_cut",
            &format!("a stream of the client {client} was ended: its caller is kept out"),
        );
    })
}

/// The token of the one Authorization header (RFC 6750 section 2.1). The scheme's
/// name is taken in any case (RFC 9110 section 11.1). A token in the query string
/// is not looked at.
fn bearer(headers: &HeaderMap) -> Result<&str, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Denial::Missing)?;
    if values.next().is_some() {
        return Err(Denial::Malformed(Reason::TokenTwice));
    }
    let value = value.to_str().map_err(|_| Denial::Malformed(Reason::TokenNoText))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denial::Missing);
    }
    let token = token.trim();
    if token.is_empty() { Err(Denial::Malformed(Reason::TokenEmpty)) } else { Ok(token) }
}
