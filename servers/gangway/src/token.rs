//! Access tokens: whether one is for this server, and what it allows.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp};
use serde::Deserialize;

use crate::challenge::Denial;
use crate::config::Config;
use crate::jwks::{Jwks, KeyError};

/// Longest token that is parsed.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far the issuer's clock and ours may differ, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// Who makes the request. A tool finds it in the extensions of the HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The OAuth client: the claim `client_id` (RFC 9068 section 2.2).
    pub client_id: String,
    /// The claim `sub`: the user, or the client itself if a machine calls. `None` if the token has none.
    pub subject: Option<String>,
    /// Whether the token has this server's `read` scope. Always true in a tool: without it, none is called.
    pub may_read: bool,
    /// Whether the token has this server's `write` scope.
    pub may_write: bool,
}

/// Claims that have one value. A claim given twice is an error.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    /// Demanded by the check of the library, which names it when it is missing.
    exp: Option<f64>,
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
        // Checked in `audience`, because it may be absent.
        validation.validate_aud = false;
        let (read, write) = (config.scope("read"), config.scope("write"));
        Self { config, jwks, validation, read, write }
    }

    /// The caller that `token` stands for. Whether its scopes suffice is for the caller of this to decide.
    pub async fn verify(&self, token: &str) -> Result<Caller, Denial> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Denial::Invalid("the token is too long"));
        }
        let kid = key_id(token)?;
        let key = self.jwks.find(&kid).await.map_err(|error| match error {
            KeyError::Unknown => Denial::Invalid("the token's key is not known"),
            KeyError::Unavailable => Denial::Unavailable,
        })?;
        let claims = match self.decode(token, &key) {
            // The issuer may have another key under the same name by now.
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {
                let renewed = self.jwks.renewed(&kid, &key).await;
                renewed.map_or(Err(error), |key| self.decode(token, &key))
            }
            decoded => decoded,
        };
        let claims = claims.map_err(|error| Denial::Invalid(explain(error.kind())))?;
        // The library accepts a list of issuers that contains ours; this does not.
        if claims.iss != self.config.issuer {
            return Err(Denial::Invalid("the token is from another issuer"));
        }
        if claims.iat.is_some_and(|iat| iat > (get_current_timestamp() + LEEWAY_SECONDS) as f64) {
            return Err(Denial::Invalid("the token was issued in the future"));
        }
        let issued = claims.iat.unwrap_or(get_current_timestamp() as f64);
        if claims
            .exp
            .is_some_and(|exp| exp - issued > self.config.limits.token_life.as_secs_f64() + LEEWAY_SECONDS as f64)
        {
            return Err(Denial::Invalid("the token lives too long"));
        }
        if claims.token_use != "access" {
            return Err(Denial::Invalid("not an access token"));
        }
        self.audience(&claims)?;
        let has = |wanted: &str| claims.scope.split(' ').any(|scope| scope == wanted);
        let (may_read, may_write) = (has(&self.read), has(&self.write));
        Ok(Caller { may_read, may_write, client_id: claims.client_id, subject: claims.sub })
    }

    fn decode(&self, token: &str, key: &DecodingKey) -> Result<Claims, jsonwebtoken::errors::Error> {
        decode::<Claims>(token, key, &self.validation).map(|decoded| decoded.claims)
    }

    /// Whether the token was issued for this server (RFC 8707).
    ///
    /// Cognito's tokens of the client credentials grant have no audience. Their scopes serve instead: each
    /// begins with the URL of the resource that it belongs to.
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

/// The id of the token's key. Keys and addresses of keys in the token itself (`jwk`, `jku`, `x5u`) are
/// ignored: whoever forges a token chooses them.
fn key_id(token: &str) -> Result<String, Denial> {
    let header = decode_header(token).map_err(|error| Denial::Invalid(explain(error.kind())))?;
    if header.alg != Algorithm::RS256 {
        return Err(Denial::Invalid("the token is not signed with RS256"));
    }
    // RFC 7515 section 4.1.11: a token with critical headers that are not understood is refused.
    if header.crit.is_some() {
        return Err(Denial::Invalid("the token has critical headers"));
    }
    // RFC 7797: with `b64`, something else than the encoded payload is signed.
    if header.extras.inner().contains_key("b64") {
        return Err(Denial::Invalid("the token has another encoding"));
    }
    if !header.typ.as_deref().is_none_or(is_access_type) {
        return Err(Denial::Invalid("the token is of another type"));
    }
    header.kid.ok_or(Denial::Invalid("the token names no key"))
}

/// RFC 8725 section 3.11: a token of another type is not an access token. Cognito's tokens have no type,
/// those of RFC 9068 have `at+jwt`.
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
