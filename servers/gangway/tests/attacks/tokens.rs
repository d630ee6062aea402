//! Tokens, each in a request that is good otherwise.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use crate::support::issuer::{encode, jwk, public_der, sign, sign_text, token};
use crate::support::{ISSUER, MACHINE, RESOURCE, machine_claims, now, with};
use crate::{Case, good, listing};

const OTHER: &str = "https://mcp.example.com/other/mcp";
const EVIL: &str = "https://evil.example/jwks.json";

type Row = (&'static str, String, u16, &'static str);

/// All tables as cases.
pub fn cases() -> Vec<Case> {
    let tables =
        [algorithms(), keys(), forms(), headers(), times(), issuers(), kinds(), audiences(), scopes(), texts()];
    tables.into_iter().flatten().map(case).collect()
}

fn case((name, token, status, says): Row) -> Case {
    let request = listing(&format!("Authorization: Bearer {token}\r\n"));
    Case { name: name.to_owned(), request, status, says, secret: token }
}

/// Rows of the issuer's own tokens with other claims.
fn issued<const N: usize>(rows: [(&'static str, Value, u16, &'static str); N]) -> Vec<Row> {
    let row = |(name, changes, status, says)| (name, token(0, &with(machine_claims(), changes)), status, says);
    rows.into_iter().map(row).collect()
}

/// The good claims under a header, with a signature that somebody made up.
fn unsigned(header: &Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", encode(header), encode(&machine_claims()), BASE64.encode(signature))
}

/// The good claims with a MAC under `secret`, for a server that takes the public
/// key for a shared one.
fn mac(alg: &str, algorithm: hmac::Algorithm, secret: &[u8]) -> String {
    let message = format!("{}.{}", encode(&json!({ "alg": alg, "kid": "key-0" })), encode(&machine_claims()));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", BASE64.encode(tag))
}

fn pem() -> String {
    let body = STANDARD.encode(public_der(0));
    format!("-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----\n")
}

fn algorithms() -> Vec<Row> {
    let none = |alg: Value| unsigned(&with(json!({ "kid": "key-0" }), json!({ "alg": alg })), b"");
    let kept = |alg: &str| {
        let real = good();
        let (_, rest) = real.split_once('.').unwrap();
        format!("{}.{rest}", encode(&json!({ "alg": alg, "kid": "key-0" })))
    };
    let modulus = jwk(0)["n"].as_str().unwrap().to_owned();
    let other = "not signed with RS256";
    vec![
        ("HS256 with the public key", mac("HS256", hmac::HMAC_SHA256, &public_der(0)), 401, other),
        ("HS256 with the public key as PEM", mac("HS256", hmac::HMAC_SHA256, pem().as_bytes()), 401, other),
        ("HS256 with the modulus", mac("HS256", hmac::HMAC_SHA256, modulus.as_bytes()), 401, other),
        ("HS256 with an empty key", mac("HS256", hmac::HMAC_SHA256, b""), 401, other),
        ("HS384 with the public key", mac("HS384", hmac::HMAC_SHA384, &public_der(0)), 401, other),
        ("HS512 with the public key", mac("HS512", hmac::HMAC_SHA512, &public_der(0)), 401, other),
        ("MAC under the name RS256", mac("RS256", hmac::HMAC_SHA256, &public_der(0)), 401, "signature is wrong"),
        ("none", none(json!("none")), 401, "malformed"),
        ("None", none(json!("None")), 401, "malformed"),
        ("NONE", none(json!("NONE")), 401, "malformed"),
        ("nOnE", none(json!("nOnE")), 401, "malformed"),
        ("none with a space", none(json!(" none")), 401, "malformed"),
        ("none with the signature kept", kept("none"), 401, "malformed"),
        ("empty algorithm", none(json!("")), 401, "malformed"),
        ("no algorithm", none(Value::Null), 401, "malformed"),
        ("algorithm as a list", none(json!(["RS256", "none"])), 401, "malformed"),
        ("algorithm as a number", none(json!(0)), 401, "malformed"),
        ("lower-case rs256", kept("rs256"), 401, "malformed"),
        ("RS256 without a signature", none(json!("RS256")), 401, "signature is wrong"),
        ("RS384", kept("RS384"), 401, other),
        ("RS512", kept("RS512"), 401, other),
        ("PS256", kept("PS256"), 401, other),
        ("ES256", unsigned(&json!({ "alg": "ES256", "kid": "key-0" }), &[7; 64]), 401, other),
        ("ES256 of zeros", unsigned(&json!({ "alg": "ES256", "kid": "key-0" }), &[0; 64]), 401, other),
        ("EdDSA", unsigned(&json!({ "alg": "EdDSA", "kid": "key-0" }), &[7; 64]), 401, other),
    ]
}

/// Signed with the attacker's key, which the issuer does not have.
fn keys() -> Vec<Row> {
    let rows = [
        ("own key under the issuer's id", json!({ "kid": "key-0" }), "signature is wrong"),
        ("own key in jwk", json!({ "kid": "key-0", "jwk": jwk(1) }), "signature is wrong"),
        ("own key in jwk without kid", json!({ "jwk": jwk(1) }), "names no key"),
        ("own key by jku", json!({ "kid": "key-1", "jku": EVIL }), "key is not known"),
        ("own key by jku under the issuer's id", json!({ "kid": "key-0", "jku": EVIL }), "signature is wrong"),
        ("own key by x5u", json!({ "kid": "key-1", "x5u": EVIL }), "key is not known"),
        ("own key by x5c", json!({ "kid": "key-0", "x5c": ["MIIB"] }), "signature is wrong"),
        ("own key by x5t", json!({ "kid": "key-1", "x5t": "MIIB" }), "key is not known"),
        ("own key without kid", json!({}), "names no key"),
        ("unknown kid", json!({ "kid": "nobody" }), "key is not known"),
        ("empty kid", json!({ "kid": "" }), "key is not known"),
        ("kid as a path", json!({ "kid": "../../../../dev/null" }), "key is not known"),
        ("kid as a URL", json!({ "kid": EVIL }), "key is not known"),
        ("kid as SQL", json!({ "kid": "x' UNION SELECT 'key'--" }), "key is not known"),
        ("kid as a command", json!({ "kid": "key-0|sleep 9" }), "key is not known"),
        ("kid with NUL", json!({ "kid": "key-0\0" }), "key is not known"),
        ("kid with a space", json!({ "kid": "key-0 " }), "key is not known"),
        ("kid in upper case", json!({ "kid": "KEY-0" }), "key is not known"),
        ("kid that looks alike", json!({ "kid": "k\u{435}y-0" }), "key is not known"),
        ("kid with a line", json!({ "kid": "key-0\n{\"event\":\"start\"}" }), "key is not known"),
        ("huge kid", json!({ "kid": "k".repeat(8000) }), "key is not known"),
        ("kid as a number", json!({ "kid": 0 }), "malformed"),
        ("kid as a list", json!({ "kid": ["key-0"] }), "malformed"),
    ];
    let signed = |header: Value| sign(1, &with(header, json!({ "alg": "RS256" })), &machine_claims());
    rows.into_iter().map(|(name, header, says)| (name, signed(header), 401, says)).collect()
}

/// Texts that are not, or not quite, the issuer's token.
fn forms() -> Vec<Row> {
    let real = good();
    let parts: Vec<_> = real.split('.').collect();
    let [header, claims, signature] = parts[..] else { unreachable!() };
    let admin = encode(&with(machine_claims(), json!({ "sub": "admin" })));
    let other = token(0, &with(machine_claims(), json!({ "sub": "other" })));
    let flipped =
        if let Some(rest) = signature.strip_prefix('A') { format!("B{rest}") } else { format!("A{}", &signature[1..]) };
    // 256 bytes in 342 characters leave four bits of the last one unused.
    let last = signature.chars().last().unwrap();
    let next = char::from_u32(u32::from(last) + 1).unwrap();
    let unused_bits = format!("{}{next}", &real[..real.len() - 1]);
    vec![
        ("not a token", "hello".into(), 401, "malformed"),
        ("dots only", "..".into(), 401, "malformed"),
        ("no signature part", format!("{header}.{claims}"), 401, "malformed"),
        ("empty signature", format!("{header}.{claims}."), 401, "signature is wrong"),
        ("header alone", header.into(), 401, "malformed"),
        ("empty header", format!(".{claims}.{signature}"), 401, "malformed"),
        ("empty claims", format!("{header}..{signature}"), 401, "signature is wrong"),
        ("a fourth part", format!("{real}.{signature}"), 401, "malformed"),
        ("five parts, as encrypted", format!("{header}.{claims}.{signature}.{claims}.{signature}"), 401, "malformed"),
        ("truncated", real[..real.len() - 6].into(), 401, "signature is wrong"),
        ("truncated in the claims", real[..header.len() + 20].into(), 401, "malformed"),
        ("changed claims", format!("{header}.{admin}.{signature}"), 401, "signature is wrong"),
        (
            "another token's signature",
            format!("{header}.{claims}.{}", other.rsplit_once('.').unwrap().1),
            401,
            "signature",
        ),
        ("one bit of the signature", format!("{header}.{claims}.{flipped}"), 401, "signature is wrong"),
        ("unused bits of the signature", unused_bits, 401, "malformed"),
        ("padding", format!("{real}=="), 401, "malformed"),
        ("padded header", format!("{header}=.{claims}.{signature}"), 401, "malformed"),
        ("not base64url", format!("{header}.{claims}.+/{}", &signature[2..]), 401, "malformed"),
        ("percent-encoded", real.replace('.', "%2E"), 401, "malformed"),
        ("a space inside", format!("{header} .{claims}.{signature}"), 401, "malformed"),
        ("quoted", format!("\"{real}\""), 401, "malformed"),
        ("in angle brackets", format!("<{real}>"), 401, "malformed"),
        ("the claims as header", format!("{claims}.{claims}.{signature}"), 401, "malformed"),
        ("header that is no JSON", format!("{}.{claims}.{signature}", BASE64.encode("alg=RS256")), 401, "malformed"),
        ("huge", "a".repeat(17 * 1024), 401, "too long"),
        ("huge claims", format!("{header}.{}.{signature}", BASE64.encode([b'x'; 13 * 1024])), 401, "too long"),
    ]
}

/// Signed by the issuer's key, under headers that mean something else.
fn headers() -> Vec<Row> {
    let rows = [
        ("crit", json!({ "crit": ["exp"] }), "critical"),
        ("crit with b64", json!({ "crit": ["b64"], "b64": false }), "critical"),
        ("empty crit", json!({ "crit": [] }), "critical"),
        ("b64 false", json!({ "b64": false }), "another encoding"),
        ("b64 as text", json!({ "b64": "false" }), "another encoding"),
        ("typ of a logout token", json!({ "typ": "logout+jwt" }), "another type"),
        ("typ of a proof", json!({ "typ": "dpop+jwt" }), "another type"),
        ("typ of a key set", json!({ "typ": "jwk-set+json" }), "another type"),
        ("typ of an assertion", json!({ "typ": "client-authentication+jwt" }), "another type"),
        ("typ empty", json!({ "typ": "" }), "another type"),
        ("typ as a number", json!({ "typ": 1 }), "malformed"),
    ];
    let plain = json!({ "alg": "RS256", "kid": "key-0" });
    let signed = |changes| sign(0, &with(plain.clone(), changes), &machine_claims());
    rows.into_iter().map(|(name, changes, says)| (name, signed(changes), 401, says)).collect()
}

fn times() -> Vec<Row> {
    issued([
        ("expired", json!({ "exp": now() - 60 }), 401, "has expired"),
        ("expired in 1970", json!({ "exp": 0 }), 401, "has expired"),
        ("expires before 1970", json!({ "exp": -1 }), 401, "lacks a claim"),
        ("no expiry", json!({ "exp": null }), 401, "lacks a claim"),
        ("expiry as text", json!({ "exp": "9999999999" }), 401, "malformed"),
        ("expiry as a list", json!({ "exp": [now() + 60] }), 401, "malformed"),
        ("not valid yet", json!({ "nbf": now() + 120 }), 401, "not valid yet"),
        ("not before, as text", json!({ "nbf": "0" }), 401, "malformed"),
        ("issued in the future", json!({ "iat": now() + 120 }), 401, "issued in the future"),
        ("issued far in the future", json!({ "iat": 1e300 }), 401, "issued in the future"),
        ("issued, as text", json!({ "iat": "0" }), 401, "malformed"),
    ])
}

fn issuers() -> Vec<Row> {
    let wrong = "from another issuer";
    issued([
        ("another pool", json!({ "iss": ISSUER.replace("_test", "_evil") }), 401, wrong),
        ("issuer with more", json!({ "iss": format!("{ISSUER}x") }), 401, wrong),
        ("issuer with less", json!({ "iss": ISSUER[..ISSUER.len() - 1] }), 401, wrong),
        ("issuer with a slash", json!({ "iss": format!("{ISSUER}/") }), 401, wrong),
        ("issuer in upper case", json!({ "iss": ISSUER.to_uppercase() }), 401, wrong),
        ("issuer over http", json!({ "iss": ISSUER.replace("https", "http") }), 401, wrong),
        ("issuer with a port", json!({ "iss": ISSUER.replace(".com/", ".com:443/") }), 401, wrong),
        ("issuer with a fragment", json!({ "iss": format!("{ISSUER}#") }), 401, wrong),
        ("issuer with NUL", json!({ "iss": format!("{ISSUER}\0") }), 401, wrong),
        ("issuer at an attacker's", json!({ "iss": ISSUER.replace(".com/", ".com.evil.example/") }), 401, wrong),
        ("our issuer among others", json!({ "iss": [ISSUER, "https://evil.example"] }), 401, "malformed"),
        ("empty issuer", json!({ "iss": "" }), 401, wrong),
        ("no issuer", json!({ "iss": null }), 401, "malformed"),
    ])
}

/// Whose token it is, and what kind.
fn kinds() -> Vec<Row> {
    issued([
        ("id token", json!({ "token_use": "id", "aud": MACHINE }), 401, "not an access token"),
        ("id token for us", json!({ "token_use": "id", "aud": RESOURCE }), 401, "not an access token"),
        ("refresh token", json!({ "token_use": "refresh" }), 401, "not an access token"),
        ("access in upper case", json!({ "token_use": "ACCESS" }), 401, "not an access token"),
        ("no use", json!({ "token_use": null }), 401, "malformed"),
        ("use as a list", json!({ "token_use": ["access"] }), 401, "malformed"),
        ("another client", json!({ "client_id": "stranger" }), 401, "client is not allowed"),
        ("client with more", json!({ "client_id": format!("{MACHINE}2") }), 401, "client is not allowed"),
        ("client with less", json!({ "client_id": MACHINE[1..] }), 401, "client is not allowed"),
        ("both clients in one", json!({ "client_id": "machine-client user-client" }), 401, "client is not allowed"),
        ("client in upper case", json!({ "client_id": MACHINE.to_uppercase() }), 401, "client is not allowed"),
        ("empty client", json!({ "client_id": "" }), 401, "client is not allowed"),
        ("client as a list", json!({ "client_id": [MACHINE] }), 401, "malformed"),
        ("no client", json!({ "client_id": null }), 401, "malformed"),
    ])
}

fn audiences() -> Vec<Row> {
    let wrong = "for another resource";
    issued([
        ("another server", json!({ "aud": OTHER }), 401, wrong),
        ("the client as audience", json!({ "aud": MACHINE }), 401, wrong),
        ("audience with a slash", json!({ "aud": format!("{RESOURCE}/") }), 401, wrong),
        ("audience with less", json!({ "aud": "https://mcp.example.com/clock" }), 401, wrong),
        ("audience of the host", json!({ "aud": "https://mcp.example.com" }), 401, wrong),
        ("audience in upper case", json!({ "aud": RESOURCE.to_uppercase() }), 401, wrong),
        ("audience with a query", json!({ "aud": format!("{RESOURCE}?x") }), 401, wrong),
        ("several other audiences", json!({ "aud": [OTHER, "https://evil.example"] }), 401, wrong),
        ("our audience with others in one", json!({ "aud": format!("{RESOURCE} {OTHER}") }), 401, wrong),
        ("no audience in the list", json!({ "aud": [] }), 401, wrong),
        ("empty audience", json!({ "aud": "" }), 401, wrong),
        ("audience as a number", json!({ "aud": 7 }), 401, "malformed"),
        ("audience as an object", json!({ "aud": { "url": RESOURCE } }), 401, "malformed"),
        ("list of numbers", json!({ "aud": [7] }), 401, "malformed"),
    ])
}

fn scopes() -> Vec<Row> {
    let none = "no scope of this resource";
    let lacking = "error=\"insufficient_scope\"";
    issued([
        ("another server's scope", json!({ "scope": format!("{OTHER}/read") }), 401, none),
        ("no scope", json!({ "scope": null }), 401, none),
        ("empty scope", json!({ "scope": "" }), 401, none),
        ("scope with more", json!({ "scope": format!("{RESOURCE}/reader") }), 401, none),
        ("scope with less", json!({ "scope": format!("{RESOURCE}/rea") }), 401, none),
        ("scope without its name", json!({ "scope": RESOURCE }), 401, none),
        ("scope without its resource", json!({ "scope": "read write" }), 401, none),
        ("scope in upper case", json!({ "scope": format!("{RESOURCE}/READ") }), 401, none),
        ("scope by wildcard", json!({ "scope": format!("{RESOURCE}/*") }), 401, none),
        ("scope through the parent", json!({ "scope": format!("{RESOURCE}/x/../read") }), 401, none),
        ("scopes with a comma", json!({ "scope": format!("{RESOURCE}/read,{RESOURCE}/write") }), 401, none),
        ("scopes with a tab", json!({ "scope": format!("a\t{RESOURCE}/read") }), 401, none),
        ("scopes as a list", json!({ "scope": [format!("{RESOURCE}/read")] }), 401, "malformed"),
        ("administrator's scope", json!({ "scope": "aws.cognito.signin.user.admin" }), 401, none),
        ("our audience without a scope", json!({ "aud": RESOURCE, "scope": null }), 403, lacking),
        ("our audience, another's scope", json!({ "aud": RESOURCE, "scope": format!("{OTHER}/read") }), 403, lacking),
        ("write without read", json!({ "scope": format!("{RESOURCE}/write") }), 403, lacking),
    ])
}

/// Signed by the issuer's key, with parts that no JSON value can express.
fn texts() -> Vec<Row> {
    let header = "{\"alg\":\"RS256\",\"kid\":\"key-0\"}";
    let claims = machine_claims().to_string();
    let more = |member: &str| format!("{{{member},{}", &claims[1..]);
    let both = |header: &str, claims: &str| sign_text(0, header.as_bytes(), claims.as_bytes());
    let deep = format!("{{\"a\":{}", "[".repeat(5000));
    vec![
        (
            "algorithm given twice",
            both("{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"key-0\"}", &claims),
            401,
            "malformed",
        ),
        ("kid given twice", both("{\"alg\":\"RS256\",\"kid\":\"x\",\"kid\":\"key-0\"}", &claims), 401, "malformed"),
        ("issuer given twice", both(header, &more("\"iss\":\"https://evil.example\"")), 401, "malformed"),
        ("client given twice", both(header, &more("\"client_id\":\"stranger\"")), 401, "malformed"),
        ("scope given twice", both(header, &more("\"scope\":\"x\"")), 401, "malformed"),
        ("expiry given twice", both(header, &more("\"exp\":0")), 401, "malformed"),
        (
            "audience given twice",
            both(header, &more(&format!("\"aud\":\"{RESOURCE}\",\"aud\":\"x\""))),
            401,
            "malformed",
        ),
        ("claims that are a list", both(header, &format!("[{claims}]")), 401, "malformed"),
        ("claims that are no JSON", both(header, "iss=x"), 401, "malformed"),
        ("claims with more behind", both(header, &format!("{claims}{claims}")), 401, "malformed"),
        ("claims that are deep", both(header, &deep), 401, "malformed"),
        ("header that is deep", both(&deep, &claims), 401, "malformed"),
        (
            "expiry without bounds",
            both(header, &claims.replacen("\"exp\":", "\"exp\":1e400,\"x\":", 1)),
            401,
            "malformed",
        ),
        ("claims in Latin-1", sign_text(0, header.as_bytes(), b"{\"client_id\":\"\xe9\"}"), 401, "malformed"),
        ("claims with a byte order mark", both(header, &format!("\u{feff}{claims}")), 401, "malformed"),
    ]
}

/// Tokens that must be taken, as requests.
pub fn accepted() -> Vec<(&'static str, Vec<u8>)> {
    let header = |changes| with(json!({ "alg": "RS256", "kid": "key-0" }), changes);
    let claims = |changes| with(machine_claims(), changes);
    let rows = [
        ("machine token", header(json!({})), claims(json!({}))),
        ("typ JWT", header(json!({ "typ": "JWT" })), claims(json!({}))),
        ("typ of RFC 9068", header(json!({ "typ": "at+jwt" })), claims(json!({}))),
        ("unknown header", header(json!({ "x": 1 })), claims(json!({}))),
        ("audience is us", header(json!({})), claims(json!({ "aud": RESOURCE }))),
        ("we are among the audiences", header(json!({})), claims(json!({ "aud": [OTHER, RESOURCE] }))),
        ("any client with our audience", header(json!({})), claims(json!({ "aud": RESOURCE, "client_id": "x" }))),
        ("the other client", header(json!({})), claims(json!({ "client_id": "user-client" }))),
        ("more scopes", header(json!({})), claims(json!({ "scope": format!("openid {RESOURCE}/read {OTHER}/read") }))),
        ("expired a moment ago", header(json!({})), claims(json!({ "exp": now() - 10 }))),
        ("valid in a moment", header(json!({})), claims(json!({ "nbf": now() + 10 }))),
        ("issued in a moment", header(json!({})), claims(json!({ "iat": now() + 10 }))),
        (
            "fractions of seconds",
            header(json!({})),
            claims(json!({ "exp": now() as f64 + 60.5, "iat": now() as f64 - 0.5 })),
        ),
        ("no time of issue", header(json!({})), claims(json!({ "iat": null }))),
        ("unknown claims", header(json!({})), claims(json!({ "version": 2, "jti": "x", "device_key": null }))),
    ];
    let row =
        |(name, header, claims)| (name, listing(&format!("Authorization: Bearer {}\r\n", sign(0, &header, &claims))));
    rows.into_iter().map(row).collect()
}
