//! Why a request was refused, as a closed table of words for the log.

use axum::http::StatusCode;
use axum::response::Response;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $word:literal $says:literal;)*) => {
        /// Why a request was refused. The words are stable: consoles and alarms read them in the log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// The word in the log.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What the client is told. Fixed, so that nothing from a request can come back in it.
            pub fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }
    };
}

reasons! {
    /// RFC 6750 section 3.1: no challenge names an error where there is no token at all.
    NoToken "no-token" "a bearer token is needed";
    TokenTwice "token-header" "more than one Authorization header";
    TokenNoText "token-header" "the header is not text";
    TokenEmpty "token-header" "the header has no token";
    TokenTooLong "token-too-long" "the token is too long";
    TokenMalformed "token-malformed" "the token is malformed";
    TokenAlgorithm "token-algorithm" "the token is not signed with RS256";
    TokenCritical "token-critical" "the token has critical headers";
    TokenEncoding "token-encoding" "the token has another encoding";
    TokenType "token-type" "the token is of another type";
    TokenNoKey "token-no-key" "the token names no key";
    TokenKeyUnknown "token-key-unknown" "the token's key is not known";
    TokenSignature "token-signature" "the token's signature is wrong";
    TokenExpired "token-expired" "the token has expired";
    TokenEarly "token-early" "the token is not valid yet";
    TokenFuture "token-early" "the token was issued in the future";
    TokenLife "token-life" "the token lives too long";
    TokenIssuer "token-issuer" "the token is from another issuer";
    TokenClaim "token-claim" "the token lacks a claim";
    IdToken "id-token" "not an access token";
    TokenUse "token-use" "not an access token";
    Audience "audience" "the token is for another resource";
    NoAudience "audience" "the token has no scope of this resource";
    Client "client" "the token's client is not allowed here";
    Scope "scope" "the token lacks a scope that this request needs";
    Keys "keys-unavailable" "tokens cannot be checked at the moment";
    Quarantine "quarantine" "this caller is not served";
    Rate "rate" "too many requests of this caller in a minute";
    Busy "busy" "too many requests at once";
    Memory "memory" "too much data at once";
    Slow "slow" "the request took too long";
    Head "head" "the head contradicts itself";
    Origin "origin" "the Origin is not served here";
    Host "host" "the Host is not served here";
    ContentType "content-type" "the content type must be application/json";
    Accept "accept" "the client must accept application/json";
    BodySize "body-size" "the body is too large";
    BodyValues "body-values" "the body has too many JSON values";
    BodySlow "body-slow" "the body did not arrive in time";
    BodyBroken "body-broken" "Parse error: the body broke off";
    BodyParse "body-parse" "Parse error: not one JSON-RPC message";
    Protocol "protocol" "not a message of this protocol";
    Path "path" "there is no such path";
    HttpMethod "http-method" "this method is not served here";
    Upstream "upstream" "the server behind this one refused it";
    Gone "client-gone" "the client went away";
}

/// Notes in a response why it is a refusal. The layer that logs requests reads it there.
pub fn because(reason: Reason, mut response: Response) -> Response {
    response.extensions_mut().insert(reason);
    response
}

/// Why a response is a refusal: what the layer that refused has noted, else what its status says of a layer that
/// notes nothing, which are the router and the protocol library. `None` of one that is none.
pub fn of_response(response: &Response) -> Option<Reason> {
    response.extensions().get().copied().or_else(|| of_status(response.status()))
}

/// The library refuses a Host with 403 (MCP, Transports, "Security Warning"); whoever else does, notes why.
fn of_status(status: StatusCode) -> Option<Reason> {
    match status {
        StatusCode::NOT_FOUND => Some(Reason::Path),
        StatusCode::METHOD_NOT_ALLOWED => Some(Reason::HttpMethod),
        StatusCode::FORBIDDEN => Some(Reason::Host),
        status if status.is_client_error() => Some(Reason::Protocol),
        _ => None,
    }
}
