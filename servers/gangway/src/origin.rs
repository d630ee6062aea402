//! Pages of other origins: which may call, and what their browsers are told (Fetch standard, "CORS
//! protocol").

use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::config::Config;

/// How long a browser may keep the answer. Chrome keeps none longer than this.
const KEEP: Duration = Duration::from_secs(7_200);

/// Answers for the metadata documents, which are for everyone.
pub fn answers_of_documents() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods([Method::GET]).allow_headers(Any).max_age(KEEP)
}

/// Answers for the endpoint, to the origins that are served. `None` if no origin is.
///
/// The preflight request carries no token, so it is answered before the token check. The page may send
/// any header, because the newest protocol names headers after a tool's arguments. Cookies are not
/// allowed, so a page without a token can do no more than any other client.
pub fn answers_of_endpoint(config: &Config) -> Option<CorsLayer> {
    if config.allowed_origins.is_empty() {
        return None;
    }
    let allowed = config.allowed_origins.clone();
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_listed(&allowed, origin)))
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        // Pages see these only if allowed: where to get a token, and when to try again.
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
        .max_age(KEEP);
    Some(layer)
}

/// Whether `allowed` has `origin`, as browsers write it.
pub fn is_listed(allowed: &[String], origin: &HeaderValue) -> bool {
    let Some(with_port) = origin.to_str().ok().and_then(crate::config::with_port) else { return false };
    allowed.iter().any(|entry| match entry.strip_suffix(":*") {
        Some(any_port) => with_port.rsplit_once(':').is_some_and(|(base, _)| base == any_port),
        None => *entry == with_port,
    })
}
