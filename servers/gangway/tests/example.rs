//! The example server, called over HTTP.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "../examples/echo.rs"]
#[allow(dead_code, reason = "its main is for `cargo run --example echo`")]
mod echo;
mod support;

use echo::Echo;
use serde_json::json;
use support::issuer::Issuer;
use support::server::{Running, body, start_server};

async fn start() -> Running<Echo> {
    start_server(Issuer::start().await, Echo, &[], |_| {}).await
}

#[tokio::test]
async fn the_example_says_what_it_is_told() {
    let server = start().await;
    let said = server.call("say", json!({ "text": "hello" })).await;
    assert_eq!(said["content"][0]["text"], "hello");
    let why = server.call_failing("say", json!({ "text": "" })).await;
    assert!(why.contains("at least one character"), "{why}");
}

#[tokio::test]
async fn the_comments_of_the_example_are_what_clients_read() {
    let server = start().await;
    let listed = body(server.post_authorized(&support::list()).send().await.unwrap()).await;
    let tool = &listed["result"]["tools"][0];
    assert_eq!(tool["name"], "say");
    assert_eq!(tool["description"], "Says the text that it is given.");
    assert_eq!(tool["inputSchema"]["properties"]["text"]["description"], "What to say.");
}

#[tokio::test]
async fn the_example_is_closed_without_a_token() {
    let server = start().await;
    let refused = server.post(&support::call_with("say", json!({ "text": "hello" }))).send().await.unwrap();
    assert_eq!(refused.status(), 401);
}
