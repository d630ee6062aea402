//! The documents from which a client learns how to get a token.
//!
//! Every URL in them comes from the configuration. One taken from the request's
//! Host header would let whoever sends the request choose it.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use serde_json::{Value, json};

use crate::config::Config;

/// Path of the protected resource metadata (RFC 9728 section 3.1).
fn resource_path(config: &Config) -> String {
    format!("/.well-known/oauth-protected-resource{}", config.endpoint())
}

/// Every document with its path.
///
/// The authorization server's is at the path of RFC 8414 section 3.1, and at two
/// below the server's own. Where our public address has a path of its own, as
/// behind a proxy, the first is at the root of a host that is not ours; clients
/// then ask for OpenID Connect's (Discovery 1.0 section 4), or append RFC 8414's.
pub fn documents(config: &Config) -> Vec<(String, String)> {
    let authorization = authorization_server(config).to_string();
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{}", config.path),
        format!("{}/.well-known/oauth-authorization-server", config.path),
        format!("{}/.well-known/openid-configuration", config.path),
    ];
    // At the root, inserted and appended are the same.
    paths.dedup();
    let mut documents = vec![(resource_path(config), resource(config).to_string())];
    documents.extend(paths.into_iter().map(|path| (path, authorization.clone())));
    documents
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
fn resource(config: &Config) -> Value {
    let authorization_server = config.authorization_server.clone().unwrap_or_else(|| facade_issuer(config));
    json!({
        "resource": config.resource_url,
        "resource_name": config.server,
        "authorization_servers": [authorization_server],
        "scopes_supported": scopes(config),
        "bearer_methods_supported": ["header"],
    })
}

/// Authorization server metadata (RFC 8414 section 2).
///
/// The issuer's own document leaves out `code_challenge_methods_supported`, and
/// strict clients refuse to go on without it. This one is the same server under
/// our address, with that said.
fn authorization_server(config: &Config) -> Value {
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
        // Of no use to us; readers of OpenID Connect's form insist on them.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

/// A document as a response that caches may use.
pub fn response(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
