//! Which check an access token fails: those that any server makes that follows RFC 9068 and RFC 8725, before it asks
//! the server itself. A token is a secret: nothing of it is shown but what it says of issuer, client, scopes and time.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::State;
use crate::core::text::{sanitise, short_duration};

/// How far clocks may differ.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Longest token that is looked at, in bytes.
pub const LONGEST: usize = 16 * 1024;

/// What is checked, in the order in which servers check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Three parts of JSON in base64url (RFC 7515 section 3).
    Form,
    /// Signed with an algorithm of public keys.
    Algorithm,
    /// An access token, and no id token (RFC 8725 section 3.11).
    Kind,
    Issuer,
    /// The key that it names is one of the issuer's.
    Key,
    /// Neither expired nor from the future.
    Time,
    /// For this server (RFC 8707).
    Audience,
    /// What the server itself says, which checks the signature, too.
    Server,
}

impl Check {
    pub fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Kind => "kind",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Time => "time",
            Self::Audience => "audience",
            Self::Server => "server",
        }
    }
}

/// What of a token was read. It has no `Debug` that shows the claims.
pub struct Token {
    header: Value,
    claims: Value,
}

/// What a server wants of a token, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The URL of the MCP endpoint.
    pub resource: Option<String>,
    /// Those that the server names.
    pub issuers: Vec<String>,
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// Says which part is not as it should be, and nothing of the token.
    pub fn read(text: &str) -> Result<Self, State> {
        let text = text.trim();
        let text = text.strip_prefix("Bearer ").or_else(|| text.strip_prefix("bearer ")).unwrap_or(text).trim();
        let parts: Vec<&str> = text.split('.').collect();
        let fix = "give the access token alone, as the token endpoint returned it";
        if text.len() > LONGEST {
            return Err(State::broken(format!("it is longer than {LONGEST} bytes"), fix));
        }
        let [header, claims, signature] = parts.as_slice() else {
            let why = match (text.is_empty(), parts.len()) {
                (true, _) => "stdin holds nothing".to_owned(),
                (_, 1) => "it is no JWT: it has no dot, so only its issuer can say what it is worth".to_owned(),
                (_, many) => format!("it is no signed JWT: it has {many} parts instead of three"),
            };
            return Err(State::broken(why, fix));
        };
        let part = |text: &str, name: &str| {
            let value = decode(text).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            value
                .filter(Value::is_object)
                .ok_or_else(|| State::broken(format!("its {name} is no JSON in base64url"), fix))
        };
        let token = Self { header: part(header, "header")?, claims: part(claims, "payload")? };
        // One that says that it is not signed is whole; that it may not say so is another check.
        let unsigned =
            token.header.get("alg").and_then(Value::as_str).is_some_and(|alg| alg.eq_ignore_ascii_case("none"));
        if !unsigned && decode(signature).is_none_or(|bytes| bytes.is_empty()) {
            return Err(State::broken("its signature is missing or no base64url: it was cut off", fix));
        }
        Ok(token)
    }

    fn claim(&self, name: &str) -> Option<String> {
        self.claims.get(name)?.as_str().map(sanitise)
    }

    /// The issuer that it names.
    pub fn issuer(&self) -> Option<String> {
        self.claim("iss")
    }

    /// The id of the key that it is signed with.
    pub fn key(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    fn scopes(&self) -> Vec<String> {
        self.claim("scope").unwrap_or_default().split(' ').filter(|one| !one.is_empty()).map(str::to_owned).collect()
    }

    fn audiences(&self) -> Option<Vec<String>> {
        match self.claims.get("aud")? {
            Value::String(one) => Some(vec![sanitise(one)]),
            Value::Array(many) => Some(many.iter().filter_map(Value::as_str).map(sanitise).collect()),
            _ => None,
        }
    }

    /// The checks that need nothing but the token and what is known of the server.
    pub fn checks(&self, expected: &Expected, now: Timestamp) -> Vec<(Check, State)> {
        let client = self.claim("client_id").or_else(|| self.claim("azp"));
        let client = client.map_or("it names no client".to_owned(), |client| format!("client {client}"));
        vec![
            (Check::Form, State::well(client)),
            (Check::Algorithm, self.algorithm()),
            (Check::Kind, self.kind()),
            (Check::Issuer, self.of_issuer(expected)),
            (Check::Time, self.time(now)),
            (Check::Audience, self.audience(expected)),
        ]
    }

    fn algorithm(&self) -> State {
        let fix = "let the issuer sign with RS256 or another algorithm of public keys";
        match self.header.get("alg").and_then(Value::as_str) {
            Some(name @ ("RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "ES256" | "ES384" | "EdDSA")) => {
                State::well(name)
            }
            Some(name) if name.eq_ignore_ascii_case("none") => State::broken("it is not signed at all", fix),
            Some(name) => State::broken(format!("it is signed with {:?}", sanitise(name)), fix),
            None => State::broken("it names no algorithm", fix),
        }
    }

    fn kind(&self) -> State {
        let typ = self.header.get("typ").and_then(Value::as_str).unwrap_or("JWT");
        let access = ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known));
        let fix = "send the access token, not the id token or the refresh token";
        match self.claim("token_use").as_deref() {
            Some("access") | None if access && self.claims.get("nonce").is_none() => State::well("an access token"),
            Some(other) if other != "access" => State::broken(format!("it is an {other} token"), fix),
            _ => State::broken(format!("it is of type {:?}, and no access token", sanitise(typ)), fix),
        }
    }

    fn of_issuer(&self, expected: &Expected) -> State {
        let Some(issuer) = self.issuer() else { return State::broken("it names no issuer", "use another issuer") };
        if expected.issuers.is_empty() || expected.issuers.contains(&issuer) {
            return State::well(issuer);
        }
        let wanted = expected.issuers.join(" or ");
        State::broken(format!("it is from {issuer}, the server wants {wanted}"), format!("get it from {wanted}"))
    }

    fn time(&self, now: Timestamp) -> State {
        let at = |name: &str| {
            let seconds = self.claims.get(name)?.as_f64()?;
            Timestamp::from_second(seconds as i64).ok()
        };
        let clocks = "compare the clocks of this machine and of the issuer";
        let ago = |at: Timestamp| short_duration(now.duration_since(at));
        let Some(ends) = at("exp") else {
            let limit = "let the issuer limit it (RFC 9068 section 2.2)";
            return match self.claims.get("exp") {
                None => State::broken("it says nothing of when it expires", limit),
                Some(_) => State::broken("when it expires is no time that there is", limit),
            };
        };
        match () {
            () if now.duration_since(ends) > LEEWAY => {
                State::broken(format!("it expired {} ago", ago(ends)), "get a new one")
            }
            () if at("nbf").is_some_and(|from| from.duration_since(now) > LEEWAY) => {
                State::broken("it is not valid yet", clocks)
            }
            () if at("iat").is_some_and(|from| from.duration_since(now) > LEEWAY) => {
                State::broken("it was issued in the future", clocks)
            }
            () => State::well(format!("valid for {}", short_duration(ends.duration_since(now)))),
        }
    }

    /// Whether it is for the server. Cognito's tokens of the client credentials grant have no audience; then scopes
    /// that begin with the URL of the server say it (Cognito developer guide, "Scopes, M2M, and resource servers").
    fn audience(&self, expected: &Expected) -> State {
        let Some(resource) = &expected.resource else {
            return State::skipped("name a server to check for whom it is");
        };
        let fix = format!("ask for one with `resource` {resource}, or with a scope that begins so");
        if let Some(all) = self.audiences() {
            return match all.contains(resource) {
                true => State::well(format!("for {resource}")),
                false => State::broken(format!("it is for {}, not for {resource}", all.join(", ")), fix),
            };
        }
        let scopes = self.scopes();
        let ours = |scope: &&String| scope.strip_prefix(resource.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let found: Vec<String> = scopes.iter().filter(ours).cloned().collect();
        match (found.is_empty(), scopes.is_empty()) {
            (false, _) => State::well(format!("scopes {}", found.join(" "))),
            (_, true) => State::broken("it has neither an audience nor a scope", fix),
            _ => State::broken(format!("it has no audience, and its scopes are of others: {}", scopes.join(" ")), fix),
        }
    }

    /// What is wrong with a server that lets this token in, if it had to refuse it: it has expired, it is no access token,
    /// or it is for another server (MCP, "Token Audience Binding and Validation"; RFC 9068 section 4).
    pub fn let_in(&self, resource: &str, now: Timestamp) -> Option<State> {
        // What else `typ` may say, issuers agree on with their servers.
        if let Some(kind) = self.claim("token_use").filter(|kind| kind != "access") {
            let fix = "let it take access tokens alone: an id token is for the client (OpenID Connect Core, section 2)";
            return Some(State::broken(format!("it lets in an {kind} token"), fix));
        }
        if let State::Broken { why, .. } = self.time(now) {
            let fix = "let it look at `exp` and `nbf` of each token (RFC 7519 section 4.1)";
            return Some(State::broken(format!("it lets in a token that is not valid: {why}"), fix));
        }
        let whose = self.for_another(resource)?;
        let fix = "let it check `aud`, or the scopes, of each token: who runs the other server could use the tokens that it gets";
        Some(State::broken(format!("it lets in a token for another server: {whose}"), fix))
    }

    /// For which other server it is. What is no URL may be a name that the issuer has for this one; a URL that this one's
    /// begins with may be meant for all below it (RFC 8707 section 2).
    fn for_another(&self, resource: &str) -> Option<String> {
        let is_url = |text: &String| text.starts_with("https://") || text.starts_with("http://");
        let here = |text: &String| {
            let rest = resource.strip_prefix(text.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(all) = self.audiences() {
            let elsewhere = !all.is_empty() && all.iter().all(is_url) && !all.iter().any(here);
            return elsewhere.then(|| all.join(", "));
        }
        // Cognito's machine clients: the scope begins with the URL of its server.
        let scopes: Vec<String> = self.scopes().into_iter().filter(is_url).collect();
        let ours = |scope: &String| scope.rsplit_once('/').is_some_and(|(server, _)| here(&server.to_owned()));
        (!scopes.is_empty() && !scopes.iter().any(ours)).then(|| scopes.join(" "))
    }

    /// Whether the issuer has the key that it is signed with.
    pub fn known_key(&self, keys: &str) -> State {
        let document: Value = serde_json::from_str(keys).unwrap_or_default();
        let all = document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let Some(id) = self.key() else {
            return State::odd("it names no key", "let the issuer name the key that it signs with (`kid`)");
        };
        match all.iter().any(|key| key.get("kid").and_then(Value::as_str) == Some(id)) {
            true => State::well("the issuer has the key that it names"),
            false => State::broken(
                "the issuer does not have the key that it names",
                "get a new token: the issuer has changed its keys, or the token is forged",
            ),
        }
    }
}

/// Base64url without padding (RFC 4648 section 5); `None` where it is none.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::with_capacity(text.len() * 3 / 4));
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // One character more than whole bytes is none.
    (text.trim_end_matches('=').len() % 4 != 1).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// As an issuer writes it; the signature is none.
    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", encode(header), encode(claims))
    }

    fn encode(text: &str) -> String {
        const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for part in text.as_bytes().chunks(3) {
            let number = part.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
            (0..=part.len()).for_each(|at| out.push(SIGNS[(number >> (18 - 6 * at)) as usize & 63] as char));
        }
        out
    }

    #[rstest]
    #[case::for_this_one(r#"{"exp":4102444800,"aud":"https://a.example/time/mcp"}"#, None)]
    #[case::for_all_below(r#"{"exp":4102444800,"aud":["https://a.example/"]}"#, None)]
    #[case::by_a_name(r#"{"exp":4102444800,"aud":"api://1234"}"#, None)]
    #[case::by_scope(r#"{"exp":4102444800,"scope":"https://a.example/time/mcp/invoke openid"}"#, None)]
    #[case::says_nothing(r#"{"exp":4102444800}"#, None)]
    #[case::for_another(r#"{"exp":4102444800,"aud":"https://a.example/timer/mcp"}"#, Some("another server"))]
    #[case::begins_alike(r#"{"exp":4102444800,"aud":"https://a.example/ti"}"#, Some("another server"))]
    #[case::of_other_scopes(
        r#"{"exp":4102444800,"scope":"https://a.example/weather/mcp/invoke"}"#,
        Some("another server")
    )]
    #[case::expired(r#"{"exp":1,"aud":"https://a.example/time/mcp"}"#, Some("expired"))]
    #[case::of_a_person(r#"{"exp":4102444800,"token_use":"id"}"#, Some("id token"))]
    fn what_a_server_may_not_let_in(#[case] claims: &str, #[case] said: Option<&str>) {
        let read = Token::read(&token(RS256, claims)).unwrap();
        let state = read.let_in(RESOURCE, Timestamp::from_second(NOW).unwrap());
        match (said, state) {
            (None, None) => {}
            (Some(said), Some(state)) => assert!(state.is_broken() && state.said().contains(said), "{state:?}"),
            (said, state) => panic!("{said:?}: {state:?}"),
        }
    }

    const RS256: &str = r#"{"alg":"RS256","kid":"one"}"#;
    const RESOURCE: &str = "https://a.example/time/mcp";
    const NOW: i64 = 1_800_000_000;

    fn claims(more: &str) -> String {
        format!(r#"{{"iss":"https://issuer","exp":1800000600,"iat":1799999900,"client_id":"hunter"{more}}}"#)
    }

    fn broken(header: &str, claims: &str) -> Vec<&'static str> {
        let read = Token::read(&token(header, claims)).unwrap_or_else(|state| panic!("{state:?}"));
        let expected = Expected { resource: Some(RESOURCE.into()), issuers: vec!["https://issuer".into()] };
        let all = read.checks(&expected, Timestamp::from_second(NOW).unwrap());
        all.iter().filter(|(_, state)| state.is_broken()).map(|(check, _)| check.word()).collect()
    }

    #[rstest]
    #[case::audience(RS256, claims(r#","aud":"https://a.example/time/mcp""#), &[])]
    #[case::audiences(RS256, claims(r#","aud":["x","https://a.example/time/mcp"],"token_use":"access""#), &[])]
    #[case::scope(RS256, claims(r#","scope":"https://a.example/time/mcp/read""#), &[])]
    #[case::another_server(RS256, claims(r#","aud":"https://a.example/weather/mcp""#), &["audience"])]
    #[case::a_longer_name(RS256, claims(r#","scope":"https://a.example/time/mcp2/read""#), &["audience"])]
    #[case::no_scope(RS256, claims(""), &["audience"])]
    #[case::id_token(RS256, claims(r#","token_use":"id","aud":"https://a.example/time/mcp""#), &["kind"])]
    #[case::none(r#"{"alg":"none"}"#, claims(r#","aud":"https://a.example/time/mcp""#), &["algorithm"])]
    #[case::secret_key(r#"{"alg":"HS256"}"#, claims(r#","aud":"https://a.example/time/mcp""#), &["algorithm"])]
    #[case::another_type(r#"{"alg":"RS256","typ":"dpop+jwt"}"#, claims(r#","aud":"https://a.example/time/mcp""#), &["kind"])]
    #[case::expired(RS256, r#"{"iss":"https://issuer","exp":1799999000,"aud":"https://a.example/time/mcp"}"#, &["time"])]
    #[case::endless(RS256, r#"{"iss":"https://issuer","aud":"https://a.example/time/mcp"}"#, &["time"])]
    #[case::future(RS256, r#"{"iss":"https://issuer","exp":1800009000,"iat":1800003000,"aud":"https://a.example/time/mcp"}"#, &["time"])]
    #[case::issuer(RS256, r#"{"iss":"https://other","exp":1800009000,"aud":"https://a.example/time/mcp"}"#, &["issuer"])]
    fn the_check_that_a_token_fails_is_named(
        #[case] header: &str,
        #[case] claims: impl AsRef<str>,
        #[case] checks: &[&str],
    ) {
        assert_eq!(broken(header, claims.as_ref()), checks);
    }

    #[rstest]
    #[case("", "stdin holds nothing")]
    #[case("opaque", "it is no JWT")]
    #[case("a.b", "2 parts")]
    #[case("a.b.c.d.e", "5 parts")]
    #[case("!!.e30.c2ln", "its header")]
    #[case("e30.e30.", "its signature")]
    fn what_is_no_token_is_told_without_it(#[case] text: &str, #[case] why: &str) {
        let Err(State::Broken { why: said, .. }) = Token::read(text) else { panic!("read") };
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn a_bearer_header_is_taken_for_its_token() {
        assert!(Token::read(&format!("Bearer {}\n", token(RS256, &claims("")))).is_ok());
    }

    #[rstest]
    #[case(r#"{"keys":[{"kid":"one"}]}"#, false)]
    #[case(r#"{"keys":[{"kid":"two"}]}"#, true)]
    #[case("<html>", true)]
    fn the_key_must_be_one_of_the_issuers(#[case] keys: &str, #[case] broken: bool) {
        let read = Token::read(&token(RS256, &claims(""))).unwrap_or_else(|state| panic!("{state:?}"));
        assert_eq!(read.known_key(keys).is_broken(), broken);
    }
}
