//! Which tokens open the endpoint, and what is said about those that do not.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use clock::{Clock, start};
use serde_json::{Value, json};
use support::issuer::{encode, jwk, public_der, sign, token};
use support::server::{Running, body, header};
use support::{ISSUER, RESOURCE, list, machine_claims, now, with};

/// Checks status and challenge for a token.
async fn refused(server: &Running<Clock>, what: &str, token: &str, why: &str) {
    let response = server.authorize(&format!("Bearer {token}")).await;
    let challenge = header(&response, "www-authenticate");
    assert_eq!(response.status(), 401, "{what}: {challenge}");
    assert!(challenge.starts_with("Bearer resource_metadata="), "{what}: {challenge}");
    assert!(challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
    assert!(challenge.contains(why), "{what}: {challenge}");
}

#[tokio::test]
async fn tokens_for_this_server_are_accepted() {
    let server = start().await;
    let accepted = [
        ("machine token", machine_claims()),
        ("audience", with(machine_claims(), json!({ "aud": RESOURCE }))),
        // The audience says what the list of clients otherwise says.
        ("audience, other client", with(machine_claims(), json!({ "aud": RESOURCE, "client_id": "x" }))),
        ("several audiences", with(machine_claims(), json!({ "aud": ["https://a.example", RESOURCE] }))),
        ("just expired", with(machine_claims(), json!({ "exp": now() - 10 }))),
        ("clock ahead", with(machine_claims(), json!({ "nbf": now() + 10 }))),
        ("more scopes", with(machine_claims(), json!({ "scope": format!("a/b {RESOURCE}/read openid") }))),
    ];
    for (what, claims) in accepted {
        let response = server.authorize(&format!("Bearer {}", token(0, &claims))).await;
        assert_eq!(response.status(), 200, "{what}");
        assert!(body(response).await["result"]["tools"].is_array(), "{what}");
    }
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let response = server.authorize(&format!("{scheme} {}", token(0, &machine_claims()))).await;
        assert_eq!(response.status(), 200, "{scheme}");
    }
}

#[tokio::test]
async fn claims_that_are_wrong_are_refused() {
    let server = start().await;
    let other = "https://mcp.example.com/other/mcp";
    let cases = [
        ("expired", json!({ "exp": now() - 60 }), "expired"),
        ("no expiry", json!({ "exp": null }), "lacks a claim"),
        ("not yet valid", json!({ "nbf": now() + 60 }), "not valid yet"),
        ("wrong issuer", json!({ "iss": format!("{ISSUER}x") }), "another issuer"),
        ("no issuer", json!({ "iss": null }), "lacks a claim"),
        ("id token", json!({ "token_use": "id", "aud": RESOURCE }), "not an access token"),
        ("no token_use", json!({ "token_use": null }), "malformed"),
        ("wrong audience", json!({ "aud": other }), "another resource"),
        ("audience with a slash more", json!({ "aud": format!("{RESOURCE}/") }), "another resource"),
        ("empty audience", json!({ "aud": [] }), "another resource"),
        ("audience of no type", json!({ "aud": 7 }), "malformed"),
        ("other client", json!({ "client_id": "stranger" }), "client is not allowed"),
        ("no client", json!({ "client_id": null }), "malformed"),
        ("other server's scope", json!({ "scope": format!("{other}/read") }), "no scope"),
        ("no scope", json!({ "scope": null }), "no scope"),
        ("scope by prefix", json!({ "scope": format!("{RESOURCE}/reader") }), "no scope"),
    ];
    for (what, changes, why) in cases {
        refused(&server, what, &token(0, &with(machine_claims(), changes)), why).await;
    }
}

#[tokio::test]
async fn signatures_that_are_wrong_are_refused() {
    let server = start().await;
    let claims = machine_claims();
    let good = token(0, &claims);
    let body = encode(&claims);

    let none = format!("{}.{body}.", encode(&json!({ "alg": "none", "kid": "key-0" })));
    refused(&server, "alg none", &none, "malformed").await;
    let header = encode(&json!({ "alg": "HS256", "kid": "key-0" }));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &public_der(0));
    let tag = hmac::sign(&key, format!("{header}.{body}").as_bytes());
    let forged = format!("{header}.{body}.{}", BASE64.encode(tag));
    refused(&server, "public key as secret", &forged, "not signed with RS256").await;

    let other_key = sign(1, &json!({ "alg": "RS256", "kid": "key-0" }), &claims);
    refused(&server, "another key", &other_key, "signature").await;
    // By whole groups of base64, so that it is still well formed.
    refused(&server, "truncated signature", &good[..good.len() - 6], "signature").await;
    refused(&server, "truncated to two parts", good.rsplit_once('.').unwrap().0, "malformed").await;
    let changed = encode(&with(claims.clone(), json!({ "sub": "admin" })));
    let mut parts: Vec<_> = good.split('.').collect();
    parts[1] = &changed;
    refused(&server, "changed claims", &parts.join("."), "signature").await;
    refused(&server, "not a token", "hello", "malformed").await;
    refused(&server, "too long", &"a".repeat(17 * 1024), "too long").await;
}

#[tokio::test]
async fn keys_named_by_the_token_are_not_used() {
    let server = start().await;
    let claims = machine_claims();
    let url = "https://evil.example/jwks.json";
    let headers = [
        ("unknown kid", json!({ "alg": "RS256", "kid": "nobody" }), "key is not known"),
        ("no kid", json!({ "alg": "RS256" }), "names no key"),
        ("own jwk", json!({ "alg": "RS256", "kid": "key-0", "jwk": jwk(1) }), "signature"),
        ("own jku", json!({ "alg": "RS256", "kid": "key-1", "jku": url }), "key is not known"),
        ("own x5u", json!({ "alg": "RS256", "kid": "key-1", "x5u": url }), "key is not known"),
        ("critical", json!({ "alg": "RS256", "kid": "key-0", "crit": ["b64"] }), "critical"),
    ];
    for (what, header, why) in headers {
        refused(&server, what, &sign(1, &header, &claims), why).await;
    }
}

#[tokio::test]
async fn without_a_token_the_challenge_says_where_to_get_one() {
    let server = start().await;
    let expected = "Bearer resource_metadata=\"https://mcp.example.com/.well-known/\
        oauth-protected-resource/clock/mcp\", scope=\"https://mcp.example.com/clock/mcp/read\"";
    let bare = server.post(&list()).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(header(&bare, "www-authenticate"), expected);

    let basic = server.authorize("Basic dXNlcjpwYXNz").await;
    assert_eq!((basic.status().as_u16(), header(&basic, "www-authenticate")), (401, expected.into()));

    let url = format!("/clock/mcp?access_token={}", token(0, &machine_claims()));
    let query = server.http.post(server.url(&url)).body(list().to_string()).send().await.unwrap();
    assert_eq!((query.status().as_u16(), header(&query, "www-authenticate")), (401, expected.into()));
}

#[tokio::test]
async fn a_header_given_twice_is_refused() {
    let server = start().await;
    let good = format!("Bearer {}", token(0, &machine_claims()));
    for second in [good.as_str(), "Bearer x"] {
        let request = server.post(&list()).header("authorization", &good);
        let response = request.header("authorization", second).send().await.unwrap();
        assert_eq!(response.status(), 400);
        assert!(header(&response, "www-authenticate").contains("error=\"invalid_request\""));
    }
    let empty = server.authorize("Bearer ").await;
    assert_eq!(empty.status(), 400);
}

#[tokio::test]
async fn a_scope_that_lacks_is_named() {
    let server = start().await;
    let only_write = json!({ "scope": format!("{RESOURCE}/write") });
    let lacking = json!({ "scope": "openid", "aud": RESOURCE });
    for claims in [only_write, lacking] {
        let token = token(0, &with(machine_claims(), claims));
        let response = server.authorize(&format!("Bearer {token}")).await;
        let challenge = header(&response, "www-authenticate");
        assert_eq!(response.status(), 403);
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains(&format!("scope=\"{RESOURCE}/read\"")), "{challenge}");
    }
}

#[tokio::test]
async fn a_writing_tool_needs_the_write_scope() {
    let server = start().await;
    let call = support::call("wind");
    let refused = server.post_authorized(&call).send().await.unwrap();
    let challenge = header(&refused, "www-authenticate");
    assert_eq!(refused.status(), 403);
    assert!(challenge.contains(&format!("scope=\"{RESOURCE}/read {RESOURCE}/write\"")), "{challenge}");

    // The same message read in another way by another parser must not pass either.
    let twice = call.to_string().replace("\"name\":\"wind\"", "\"name\":\"tick\",\"name\":\"wind\"");
    let request = server.post_authorized(&Value::Null).body(twice);
    assert_eq!(request.send().await.unwrap().status(), 400);

    let both = json!({ "scope": format!("{RESOURCE}/read {RESOURCE}/write") });
    let token = token(0, &with(machine_claims(), both));
    let response = server.post(&call).bearer_auth(token).send().await.unwrap();
    assert_eq!(body(response).await["result"]["content"][0]["text"], "wound");
}
