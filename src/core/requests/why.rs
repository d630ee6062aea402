//! Why a request was refused or failed, as gangway's servers say it in their lines.

use serde::{Serialize, Serializer};

macro_rules! whys {
    ($($variant:ident $word:literal $says:literal;)*) => {
        /// Why a request was refused or failed. Most words are gangway's reasons.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Why {
            $($variant,)*
            /// The line says nothing that is known here: an older gangway, or a newer one.
            Unsaid,
        }

        impl Why {
            /// All that have a word in a line.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Unsaid => "unsaid",
                }
            }

            /// What was wrong with the request, after "it" or "they".
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$variant => $says,)*
                    Self::Unsaid => "refused, and the log does not say why",
                }
            }
        }
    };
}

whys! {
    NoToken "no-token" "had no token";
    TokenHeader "token-header" "had no token, or several";
    TokenTooLong "token-too-long" "had a token that is too long";
    TokenMalformed "token-malformed" "had a token that is malformed";
    TokenAlgorithm "token-algorithm" "had a token that is not signed with RS256";
    TokenCritical "token-critical" "had a token with critical headers";
    TokenEncoding "token-encoding" "had a token with another encoding";
    TokenType "token-type" "had a token of another type";
    TokenNoKey "token-no-key" "had a token that names no key";
    TokenKeyUnknown "token-key-unknown" "had a token whose key the issuer does not have";
    TokenSignature "token-signature" "had a token whose signature is wrong";
    TokenExpired "token-expired" "had a token that has expired";
    TokenEarly "token-early" "had a token that is not valid yet: clocks differ";
    TokenLife "token-life" "had a token that lives too long";
    TokenIssuer "token-issuer" "had a token of another issuer";
    TokenClaim "token-claim" "had a token that lacks a claim";
    IdToken "id-token" "had an id token";
    TokenUse "token-use" "had a token that is no access token";
    Audience "audience" "had a token for another server";
    Client "client" "came of a client that is not allowed here";
    Scope "scope" "had a token without the scope that it needs";
    Keys "keys-unavailable" "could not be checked: the issuer's keys are not to be read";
    Quarantine "quarantine" "came of a caller in quarantine";
    Rate "rate" "came too often";
    Busy "busy" "found too many requests under way";
    Memory "memory" "found too much data under way";
    Slow "slow" "got no answer in time";
    Head "head" "had a head that contradicts itself";
    Origin "origin" "came of a page that is not served";
    Host "host" "asked for a host that is not served";
    ContentType "content-type" "had a body of another type";
    Accept "accept" "took no answer that there is";
    BodySize "body-size" "had a body that is too large";
    BodyValues "body-values" "had a body with too many values";
    BodySlow "body-slow" "had a body that did not arrive";
    BodyBroken "body-broken" "had a body that broke off";
    BodyParse "body-parse" "had a body that is no message";
    Protocol "protocol" "was no message of the protocol";
    Path "path" "asked for a path that there is not";
    HttpMethod "http-method" "was no POST";
    Upstream "upstream" "was refused by the server behind gangway";
    Gone "client-gone" "was given up by its client";
    UpstreamGone "upstream-gone" "found the server behind gangway gone";
    UpstreamTimeout "upstream-timeout" "got no answer of the server behind gangway";
    UpstreamTooLarge "upstream-too-large" "got an answer of the server behind gangway that is too large";
    UpstreamOdd "upstream-odd" "got an answer of the server behind gangway that is none";
}

impl Why {
    /// What a line says: its `reason`, else how the server behind gangway did, else nothing that is known.
    pub(super) fn read(reason: Option<&str>, upstream: Option<&str>) -> Self {
        let of = |word: &str| Self::ALL.iter().copied().find(|why| why.word() == word);
        let behind = |word: &str| Self::ALL.iter().copied().find(|why| why.upstream() == Some(word));
        reason.and_then(of).or_else(|| upstream.and_then(behind)).unwrap_or(Self::Unsaid)
    }

    /// The word in a line's `upstream`; `None` of one that stands in its `reason`.
    pub fn upstream(self) -> Option<&'static str> {
        match self {
            Self::UpstreamGone => Some("gone"),
            Self::UpstreamTimeout => Some("timeout"),
            Self::UpstreamTooLarge => Some("too_large"),
            Self::UpstreamOdd => Some("odd"),
            _ => None,
        }
    }
}

impl Serialize for Why {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
