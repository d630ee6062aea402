//! What the log says of a request that is refused: why, whose it was, and what its token was for.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;

use clock::{Clock, start, start_with};
use gangway::Subjects;
use serde_json::{Value, json};
use support::issuer::{Issuer, sign, token};
use support::server::Running;
use support::{MACHINE, RESOURCE, call, list, machine_claims, now, with};

const OTHER: &str = "https://mcp.example.com/other/mcp";

/// Reason, client and audience of the newest line of a request.
fn told(server: &Running<Clock>) -> (Value, Value, Value) {
    let line = server.log.events("request").pop().unwrap();
    (line["reason"].clone(), line["client"].clone(), line["audience"].clone())
}

#[tokio::test]
async fn a_refused_token_is_told_with_its_client_where_the_issuer_signed_it() {
    let server = start().await;
    let other_scope = json!({ "scope": format!("{OTHER}/read") });
    let id_token = json!({ "token_use": "id", "client_id": null, "scope": null, "aud": MACHINE });
    let (ours, elsewhere) = (json!("matched"), json!("other"));
    let cases = [
        ("token-expired", json!({ "exp": now() - 60 }), &ours),
        ("token-expired", json!({ "exp": now() - 60, "aud": OTHER }), &elsewhere),
        ("token-early", json!({ "nbf": now() + 120 }), &ours),
        ("token-early", json!({ "iat": now() + 120 }), &ours),
        ("token-life", json!({ "exp": now() + 400_000 }), &ours),
        ("token-claim", json!({ "exp": null }), &ours),
        ("token-issuer", json!({ "iss": "https://evil.example" }), &ours),
        ("audience", json!({ "aud": OTHER }), &elsewhere),
        ("audience", other_scope, &elsewhere),
        ("id-token", json!({ "token_use": "id", "aud": RESOURCE }), &ours),
        ("id-token", id_token, &elsewhere),
        ("token-use", json!({ "token_use": "refresh" }), &ours),
        ("scope", json!({ "scope": format!("{RESOURCE}/write") }), &ours),
        ("audience", json!({ "scope": "" }), &json!("none")),
    ];
    for (reason, changes, audience) in cases {
        let token = token(0, &with(machine_claims(), changes.clone()));
        server.authorize(&format!("Bearer {token}")).await;
        assert_eq!(told(&server), (json!(reason), json!(MACHINE), audience.clone()), "{changes}");
    }
    let stranger = token(0, &with(machine_claims(), json!({ "client_id": "stranger" })));
    server.authorize(&format!("Bearer {stranger}")).await;
    assert_eq!(told(&server), (json!("client"), json!("stranger"), ours));
}

#[tokio::test]
async fn whoever_forges_a_token_speaks_for_nobody() {
    let server = start().await;
    let forged = |header: Value| sign(1, &header, &with(machine_claims(), json!({ "exp": now() - 60 })));
    let cases = [
        ("token-signature", forged(json!({ "alg": "RS256", "kid": "key-0" }))),
        ("token-key-unknown", forged(json!({ "alg": "RS256", "kid": "nobody" }))),
        ("token-no-key", forged(json!({ "alg": "RS256" }))),
        ("token-critical", forged(json!({ "alg": "RS256", "kid": "key-0", "crit": ["exp"] }))),
        ("token-type", forged(json!({ "alg": "RS256", "kid": "key-0", "typ": "dpop+jwt" }))),
        ("token-algorithm", forged(json!({ "alg": "ES256", "kid": "key-0" }))),
        ("token-malformed", "a.b.c".to_owned()),
        ("token-too-long", "a".repeat(17 * 1024)),
    ];
    for (reason, token) in cases {
        server.authorize(&format!("Bearer {token}")).await;
        assert_eq!(told(&server), (json!(reason), Value::Null, Value::Null), "{reason}");
    }
    for (reason, header) in [("no-token", "Basic dXNlcjpwYXNz"), ("token-header", "Bearer ")] {
        server.authorize(header).await;
        assert_eq!(told(&server).0, reason);
    }
}

#[tokio::test]
async fn what_is_not_about_tokens_has_a_reason_too() {
    let server = start_with(Issuer::start().await, |config| {
        config.limits.body_bytes = 1024;
        config.limits.body_values = 20;
        config.limits.caller_requests = Some(12);
    })
    .await;
    let good = || token(0, &machine_claims());
    let bare = || server.http.post(server.url("/clock/mcp")).bearer_auth(good()).body("{}");
    let post = |body: &str| server.post(&Value::Null).bearer_auth(good()).body(body.to_owned());
    let cases = [
        ("body-size", post(&" ".repeat(2048))),
        ("body-values", post(&Value::from(vec![0; 30]).to_string())),
        ("body-parse", post("hello")),
        ("protocol", post("{\"jsonrpc\":\"2.0\",\"result\":7}")),
        ("content-type", bare()),
        ("accept", bare().header("accept", "text/html").header("content-type", "application/json")),
        ("origin", post("{}").header("origin", "https://evil.example")),
        ("host", post(&list().to_string()).header("host", "evil.example")),
        ("head", post("{}").header("host", "a@b")),
        ("http-method", server.http.get(server.url("/clock/mcp"))),
        ("path", server.http.get(server.url("/elsewhere"))),
    ];
    for (reason, request) in cases {
        let status = request.send().await.unwrap().status();
        assert!(status.is_client_error(), "{reason}: {status}");
        assert_eq!(told(&server).0, reason);
    }
    for _ in 0..12 {
        post(&list().to_string()).send().await.unwrap();
    }
    assert_eq!(told(&server), (json!("rate"), json!(MACHINE), json!("matched")));
    server.issuer.break_down();
    let unknown = sign(1, &json!({ "alg": "RS256", "kid": "key-1" }), &machine_claims());
    assert_eq!(server.authorize(&format!("Bearer {unknown}")).await.status(), 503);
    assert_eq!(told(&server).0, "keys-unavailable");
}

#[tokio::test]
async fn a_refused_call_is_told_with_its_tool_and_one_that_is_served_without_a_reason() {
    let server = start().await;
    server.post_authorized(&call("wind")).send().await.unwrap();
    let line = server.log.events("request").pop().unwrap();
    assert_eq!(
        (&line["reason"], &line["tool"], &line["method"]),
        (&json!("scope"), &json!("wind"), &json!("tools/call"))
    );
    server.post_authorized(&list()).send().await.unwrap();
    let line = server.log.events("request").pop().unwrap();
    for member in ["reason", "audience", "subject"] {
        assert!(line.get(member).is_none(), "{line}");
    }
}

#[tokio::test]
async fn a_subject_is_hashed_unless_it_is_to_be_plain_or_off() {
    let expired = || token(0, &with(machine_claims(), json!({ "sub": "ann", "exp": now() - 60 })));
    // printf %s ann | sha256sum
    let cases =
        [(Subjects::Hashed, json!("49915e0d7d4b402e")), (Subjects::Plain, json!("ann")), (Subjects::Off, Value::Null)];
    for (how, wanted) in cases {
        let server = start_with(Issuer::start().await, |config| config.subjects = how).await;
        server.authorize(&format!("Bearer {}", expired())).await;
        assert_eq!(server.log.events("request").pop().unwrap()["subject"], wanted);
    }
}
