//! The tools as a client sees them.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "../../gangway/tests/support/mod.rs"]
mod support;

use mcp_time::TimeServer;
use serde_json::{Value, json};
use support::issuer::Issuer;
use support::server::{Running, body, start_server};

async fn start() -> Running<TimeServer> {
    let server = TimeServer::with_clock(|| "2026-07-01T12:00:00Z".parse().unwrap());
    start_server(Issuer::start().await, server, &[], |_| {}).await
}

#[tokio::test]
async fn tools_are_described() {
    let server = start().await;
    let listed = body(server.post_authorized(&support::list()).send().await.unwrap()).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["convert_time", "get_current_time", "list_timezones"]);
    for tool in tools {
        assert!(tool["description"].is_string() && tool["outputSchema"].is_object(), "{tool}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
    }
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["source_timezone", "time", "target_timezone"]));
}

#[tokio::test]
async fn tools_answer() {
    let server = start().await;
    let now = server.call("get_current_time", json!({ "timezone": "Asia/Tokyo" })).await;
    assert_eq!(now["structuredContent"]["datetime"], "2026-07-01T21:00:00+09:00");
    let arguments = json!({
        "source_timezone": "Europe/Berlin", "time": "2026-03-29T02:30", "target_timezone": "UTC",
    });
    let converted = server.call("convert_time", arguments).await;
    assert_eq!(converted["structuredContent"]["target"]["datetime"], "2026-03-29T01:30:00+00:00");
    assert!(converted["structuredContent"]["note"].is_string());
    for arguments in [json!({ "prefix": "Indian/" }), json!({ "prefix": null }), json!({})] {
        let listed = server.call("list_timezones", arguments).await;
        let names = listed["structuredContent"]["timezones"].as_array().unwrap();
        assert!(names.contains(&Value::from("Indian/Maldives")));
    }
}

#[tokio::test]
async fn bad_input_is_an_error_that_helps() {
    let server = start().await;
    let zone = server.call_failing("get_current_time", json!({ "timezone": "berlin" })).await;
    assert!(zone.contains("Europe/Berlin"), "{zone}");
    let prefix = server.call_failing("list_timezones", json!({ "prefix": "zz" })).await;
    assert!(prefix.contains("Europe/"), "{prefix}");
    assert_eq!(server.log.events("tool_error").len(), 2);
}
