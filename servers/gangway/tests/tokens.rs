//! What a client is told if it has no token, or one without the scope that it needs. Invalid tokens are
//! in `attacks`.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;

use clock::start;
use serde_json::{Value, json};
use support::issuer::token;
use support::server::{body, header};
use support::{RESOURCE, list, machine_claims, with};

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
    let clients = server.log.events("request").into_iter().map(|line| line["client"].clone());
    assert_eq!(clients.collect::<Vec<_>>(), [support::MACHINE; 2], "whose token lacks it is known");
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
