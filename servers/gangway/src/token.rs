//! Access tokens: whether one is for this server, and what it allows.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::challenge::Denial;
use crate::config::Config;
use crate::facts::{Aim, Facts};
use crate::jwks::{Jwks, KeyError};
use crate::reason::Reason;
use crate::recent::{Print, Recent, Signed};

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

/// What a token with a right signature says of itself, accepted or not: for the log alone.
#[derive(Deserialize)]
struct About {
    client_id: Option<Value>,
    token_use: Option<Value>,
    sub: Option<Value>,
    scope: Option<Value>,
    aud: Option<Value>,
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
    /// Checks the signature and no claim.
    signature: Validation,
    recent: Recent<Claims>,
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
        let mut signature = Validation::new(Algorithm::RS256);
        signature.required_spec_claims.clear();
        (signature.validate_exp, signature.validate_nbf, signature.validate_aud) = (false, false, false);
        let (read, write) = (config.scope("read"), config.scope("write"));
        Self { config, jwks, validation, signature, recent: Recent::default(), read, write }
    }

    /// The caller that `token` stands for. Whether its scopes suffice is for the caller of this to decide.
    ///
    /// Whose token it is and what for is noted in `facts` also where it is refused, if the issuer has signed it:
    /// whoever forges one must not be able to speak for a client in the log.
    pub async fn verify(&self, token: &str, facts: &Facts) -> Result<Caller, Denial> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Denial::Invalid(Reason::TokenTooLong));
        }
        let signed = self.signed(token, facts).await?;
        let claims = &signed.claims;
        let subject = claims.sub.as_deref();
        facts.token(Some(&claims.client_id), subject, self.aim(claims.aud.as_ref(), &claims.scope));
        self.accept(claims)
    }

    /// The claims of a token that a key of the issuer's has signed, and that is in time.
    async fn signed(&self, token: &str, facts: &Facts) -> Result<Arc<Signed<Claims>>, Denial> {
        let print = Print::of(token);
        let now = get_current_timestamp();
        let known = print.and_then(|print| self.recent.get(&print, now));
        let kid = known.as_ref().map_or_else(|| key_id(token), |known| Ok(known.kid.clone()))?;
        let mut key = self.jwks.find(&kid).await.map_err(|error| match error {
            KeyError::Unknown => Denial::Invalid(Reason::TokenKeyUnknown),
            KeyError::Unavailable => Denial::Unavailable,
        })?;
        // A key that was read anew may be another one.
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.key, &key)) {
            return Ok(known);
        }
        let mut decoded = self.decode(token, &key);
        // The issuer may have another key under the same name by now.
        if matches!(&decoded, Err(error) if *error.kind() == ErrorKind::InvalidSignature)
            && let Some(renewed) = self.jwks.renewed(&kid, &key).await
        {
            decoded = self.decode(token, &renewed);
            key = renewed;
        }
        let claims = decoded.map_err(|error| {
            let reason = explain(error.kind());
            Denial::Invalid(self.about(token, &key, facts).unwrap_or(reason))
        })?;
        let end = claims.exp;
        let signed = Arc::new(Signed::new(kid, key, claims, now, end));
        if let Some(print) = print {
            self.recent.keep(print, signed.clone());
        }
        Ok(signed)
    }

    /// The caller of a token that is signed and in time.
    fn accept(&self, claims: &Claims) -> Result<Caller, Denial> {
        // The library accepts a list of issuers that contains ours; this does not.
        if claims.iss != self.config.issuer {
            return Err(Denial::Invalid(Reason::TokenIssuer));
        }
        if claims.iat.is_some_and(|iat| iat > (get_current_timestamp() + LEEWAY_SECONDS) as f64) {
            return Err(Denial::Invalid(Reason::TokenFuture));
        }
        let issued = claims.iat.unwrap_or(get_current_timestamp() as f64);
        if claims
            .exp
            .is_some_and(|exp| exp - issued > self.config.limits.token_life.as_secs_f64() + LEEWAY_SECONDS as f64)
        {
            return Err(Denial::Invalid(Reason::TokenLife));
        }
        if claims.token_use != "access" {
            let id = claims.token_use == "id";
            return Err(Denial::Invalid(if id { Reason::IdToken } else { Reason::TokenUse }));
        }
        self.audience(claims)?;
        let has = |wanted: &str| claims.scope.split(' ').any(|scope| scope == wanted);
        let (may_read, may_write) = (has(&self.read), has(&self.write));
        Ok(Caller { may_read, may_write, client_id: claims.client_id.clone(), subject: claims.sub.clone() })
    }

    fn decode(&self, token: &str, key: &DecodingKey) -> Result<Claims, jsonwebtoken::errors::Error> {
        decode::<Claims>(token, key, &self.validation).map(|decoded| decoded.claims)
    }

    /// Notes what a token that is refused says of itself, if its signature is right, and why it is refused where that
    /// tells more than the library: Cognito's id tokens have no `client_id`, and their audience is the client.
    fn about(&self, token: &str, key: &DecodingKey, facts: &Facts) -> Option<Reason> {
        let about = decode::<About>(token, key, &self.signature).ok()?.claims;
        let text = |claim: &Option<Value>| claim.as_ref().and_then(Value::as_str).map(str::to_owned);
        let id_token = text(&about.token_use).as_deref() == Some("id");
        let client = text(&about.client_id).or_else(|| text(&about.aud).filter(|_| id_token));
        let audience = about.aud.as_ref().and_then(|audience| Audience::deserialize(audience).ok());
        let aim = self.aim(audience.as_ref(), &text(&about.scope).unwrap_or_default());
        facts.token(client.as_deref(), text(&about.sub).as_deref(), aim);
        (id_token && about.client_id.is_none()).then_some(Reason::IdToken)
    }

    /// What a token is for: by its audience, else by its scopes.
    fn aim(&self, audience: Option<&Audience>, scope: &str) -> Aim {
        match audience {
            Some(audience) if audience.names(&self.config.resource_url) => Aim::Here,
            Some(_) => Aim::Elsewhere,
            None if self.is_in_scope(scope) => Aim::Here,
            None if scope.is_empty() => Aim::Unsaid,
            None => Aim::Elsewhere,
        }
    }

    /// Whether scopes have one of this resource.
    fn is_in_scope(&self, scopes: &str) -> bool {
        scopes.split(' ').any(|scope| scope == self.read || scope == self.write)
    }

    /// Whether the token was issued for this server (RFC 8707).
    ///
    /// Cognito's tokens of the client credentials grant have no audience. Their scopes serve instead: each
    /// begins with the URL of the resource that it belongs to.
    fn audience(&self, claims: &Claims) -> Result<(), Denial> {
        if let Some(audience) = &claims.aud {
            let ours = audience.names(&self.config.resource_url);
            return ours.then_some(()).ok_or(Denial::Invalid(Reason::Audience));
        }
        if !self.config.allowed_clients.contains(&claims.client_id) {
            return Err(Denial::Invalid(Reason::Client));
        }
        if !self.is_in_scope(&claims.scope) {
            return Err(Denial::Invalid(Reason::NoAudience));
        }
        Ok(())
    }
}

/// The id of the token's key. Keys and addresses of keys in the token itself (`jwk`, `jku`, `x5u`) are
/// ignored: whoever forges a token chooses them.
fn key_id(token: &str) -> Result<String, Denial> {
    let header = decode_header(token).map_err(|error| Denial::Invalid(explain(error.kind())))?;
    if header.alg != Algorithm::RS256 {
        return Err(Denial::Invalid(Reason::TokenAlgorithm));
    }
    // RFC 7515 section 4.1.11: a token with critical headers that are not understood is refused.
    if header.crit.is_some() {
        return Err(Denial::Invalid(Reason::TokenCritical));
    }
    // RFC 7797: with `b64`, something else than the encoded payload is signed.
    if header.extras.inner().contains_key("b64") {
        return Err(Denial::Invalid(Reason::TokenEncoding));
    }
    if !header.typ.as_deref().is_none_or(is_access_type) {
        return Err(Denial::Invalid(Reason::TokenType));
    }
    header.kid.ok_or(Denial::Invalid(Reason::TokenNoKey))
}

/// RFC 8725 section 3.11: a token of another type is not an access token. Cognito's tokens have no type,
/// those of RFC 9068 have `at+jwt`.
fn is_access_type(typ: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}

fn explain(kind: &ErrorKind) -> Reason {
    match kind {
        ErrorKind::ExpiredSignature => Reason::TokenExpired,
        ErrorKind::ImmatureSignature => Reason::TokenEarly,
        ErrorKind::InvalidIssuer => Reason::TokenIssuer,
        ErrorKind::InvalidSignature => Reason::TokenSignature,
        ErrorKind::MissingRequiredClaim(_) => Reason::TokenClaim,
        _ => Reason::TokenMalformed,
    }
}
