//! Access tokens: which are ours, and what they allow.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};
use serde::Deserialize;

use crate::challenge::Denial;
use crate::config::Config;
use crate::jwks::{Jwks, KeyError};

/// Longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Difference of clocks that is forgiven, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// Who makes the request: in the request's extensions for every tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The OAuth client.
    pub client_id: String,
    /// The user, or the client itself for a machine.
    pub subject: Option<String>,
    /// Whether the token has this server's `read` scope; without it no tool is reached.
    pub may_read: bool,
    /// Whether the token has this server's `write` scope.
    pub may_write: bool,
}

/// Claims that have one value. A claim given twice is an error.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    /// Seconds since 1970, RFC 7519 section 2: not necessarily whole.
    iat: Option<f64>,
    client_id: String,
    token_use: String,
    #[serde(default)]
    scope: String,
    sub: Option<String>,
    aud: Option<Audience>,
}

/// RFC 7519 section 4.1.3: one audience, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, resource: &str) -> bool {
        match self {
            Self::One(audience) => audience == resource,
            Self::Many(audiences) => audiences.iter().any(|audience| audience == resource),
        }
    }
}

/// Checks tokens against one configuration.
pub struct Verifier {
    config: Arc<Config>,
    jwks: Arc<Jwks>,
    validation: Validation,
    read: String,
    write: String,
}

impl Verifier {
    /// A verifier of `config`'s tokens with `jwks`'s keys.
    pub fn new(config: Arc<Config>, jwks: Arc<Jwks>) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        // The audience is ours to judge: it may be absent, see `audience`.
        validation.validate_aud = false;
        let (read, write) = (config.scope("read"), config.scope("write"));
        Self { config, jwks, validation, read, write }
    }

    /// The caller that `token` stands for, whatever its scopes allow.
    pub async fn verify(&self, token: &str) -> Result<Caller, Denial> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Denial::Invalid("the token is too long"));
        }
        let kid = key_id(token)?;
        let key = self.jwks.find(&kid).await.map_err(|error| match error {
            KeyError::Unknown => Denial::Invalid("the token's key is not known"),
            KeyError::Unavailable => Denial::Unavailable,
        })?;
        let claims = decode::<Claims>(token, &key, &self.validation)
            .map_err(|error| Denial::Invalid(explain(error.kind())))?
            .claims;
        // Where the library takes one of several issuers for enough.
        if claims.iss != self.config.issuer {
            return Err(Denial::Invalid("the token is from another issuer"));
        }
        if claims.iat.is_some_and(|iat| iat > (get_current_timestamp() + LEEWAY_SECONDS) as f64) {
            return Err(Denial::Invalid("the token was issued in the future"));
        }
        if claims.token_use != "access" {
            return Err(Denial::Invalid("not an access token"));
        }
        self.audience(&claims)?;
        let has = |wanted: &str| claims.scope.split(' ').any(|scope| scope == wanted);
        let (may_read, may_write) = (has(&self.read), has(&self.write));
        Ok(Caller { may_read, may_write, client_id: claims.client_id, subject: claims.sub })
    }

    /// Whether the token was issued for this server (RFC 8707).
    ///
    /// Tokens of the client credentials grant carry no audience. Their scopes
    /// do its work: a scope begins with the URL of the resource it belongs to.
    fn audience(&self, claims: &Claims) -> Result<(), Denial> {
        if let Some(audience) = &claims.aud {
            let ours = audience.names(&self.config.resource_url);
            return ours.then_some(()).ok_or(Denial::Invalid("the token is for another resource"));
        }
        if !self.config.allowed_clients.contains(&claims.client_id) {
            return Err(Denial::Invalid("the token's client is not allowed here"));
        }
        let ours = |scope: &str| scope == self.read || scope == self.write;
        if !claims.scope.split(' ').any(ours) {
            return Err(Denial::Invalid("the token has no scope of this resource"));
        }
        Ok(())
    }
}

/// The key's id. Keys and addresses of keys inside the token (`jwk`, `jku`,
/// `x5u`) are ignored: whoever makes the token chooses those.
fn key_id(token: &str) -> Result<String, Denial> {
    let header = decode_header(token).map_err(|error| Denial::Invalid(explain(error.kind())))?;
    if header.alg != Algorithm::RS256 {
        return Err(Denial::Invalid("the token is not signed with RS256"));
    }
    // RFC 7515 section 4.1.11: what must be understood, and is not, is refused.
    if header.crit.is_some() {
        return Err(Denial::Invalid("the token has critical headers"));
    }
    // RFC 7797: its payload is not what is signed here, with or without `crit`.
    if header.extras.inner().contains_key("b64") {
        return Err(Denial::Invalid("the token has another encoding"));
    }
    if !header.typ.as_deref().is_none_or(is_access_type) {
        return Err(Denial::Invalid("the token is of another type"));
    }
    header.kid.ok_or(Denial::Invalid("the token names no key"))
}

/// RFC 8725 section 3.11: tokens of other types are not taken for access tokens.
/// Cognito's have no type, those of RFC 9068 have its own.
fn is_access_type(typ: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}

fn explain(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is from another issuer",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim",
        _ => "the token is malformed",
    }
}
