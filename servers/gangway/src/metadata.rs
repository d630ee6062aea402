//! The documents from which a client learns how to get a token.
//!
//! Every URL in them comes from the configuration. One taken from the request's
//! Host header would let whoever sends the request choose it.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use serde_json::{Value, json};

use crate::config::Config;

/// Path of the protected resource metadata (RFC 9728 section 3.1).
pub fn resource_path(config: &Config) -> String {
    format!("/.well-known/oauth-protected-resource{}", config.endpoint())
}

/// Path of the authorization server metadata (RFC 8414 section 3.1).
pub fn authorization_server_path(config: &Config) -> String {
    format!("/.well-known/oauth-authorization-server{}", config.path)
}

/// Public URL of the protected resource metadata.
pub fn resource_metadata_url(config: &Config) -> String {
    format!("{}{}", config.public_base_url, resource_path(config))
}

fn facade_issuer(config: &Config) -> String {
    format!("{}{}", config.public_base_url, config.path)
}

fn scopes(config: &Config) -> [String; 2] {
    [config.scope("read"), config.scope("write")]
}

/// Protected resource metadata (RFC 9728 section 2).
pub fn resource(config: &Config) -> Value {
    json!({
        "resource": config.resource_url,
        "resource_name": config.server,
        "authorization_servers": [facade_issuer(config)],
        "scopes_supported": scopes(config),
        "bearer_methods_supported": ["header"],
    })
}

/// Authorization server metadata (RFC 8414 section 2).
///
/// The issuer's own document leaves out `code_challenge_methods_supported`, and
/// strict clients refuse to go on without it. This one is the same server under
/// our address, with that said.
pub fn authorization_server(config: &Config) -> Value {
    json!({
        "issuer": facade_issuer(config),
        "authorization_endpoint": config.authorization_endpoint,
        "token_endpoint": config.token_endpoint,
        "jwks_uri": config.jwks_url,
        "scopes_supported": scopes(config),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
    })
}

/// A document as a response that browsers and caches may use.
pub fn document(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
