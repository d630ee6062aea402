//! Pages of other origins: which may call, and what their browsers are told (Fetch standard, "CORS
//! protocol").

use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::config::Config;

/// How long a browser may keep the answer; Chrome keeps none longer.
const KEEP: Duration = Duration::from_secs(7_200);

/// Answers for the metadata documents, which are for everyone.
pub fn answers_of_documents() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods([Method::GET]).allow_headers(Any).max_age(KEEP)
}

/// Answers for the endpoint, to the origins that are served; nothing where there are none.
///
/// The browser's question carries no token, so it is answered ahead of the token check. What the
/// page sends is up to it: the newest protocol names headers after a tool's arguments. No cookies
/// are asked for, so a page without a token gets no further than any other client.
pub fn answers_of_endpoint(config: &Config) -> Option<CorsLayer> {
    if config.allowed_origins.is_empty() {
        return None;
    }
    let allowed = config.allowed_origins.clone();
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_listed(&allowed, origin)))
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        // The way to a token, and when to come back: pages see neither unless told.
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
        .max_age(KEEP);
    Some(layer)
}

/// Whether the configuration serves an origin as browsers write it.
pub fn is_listed(allowed: &[String], origin: &HeaderValue) -> bool {
    let Some(with_port) = origin.to_str().ok().and_then(crate::config::with_port) else { return false };
    allowed.iter().any(|entry| match entry.strip_suffix(":*") {
        Some(any_port) => with_port.rsplit_once(':').is_some_and(|(base, _)| base == any_port),
        None => *entry == with_port,
    })
}
