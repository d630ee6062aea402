//! Limits, the log, and stopping.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;

use std::time::Duration;

use clock::{start, start_with};
use serde_json::json;
use support::issuer::{Issuer, token};
use support::server::{body, header, until};
use support::{call, list, machine_claims, with};

#[tokio::test]
async fn too_many_at_once_are_turned_away() {
    let server = start_with(Issuer::start().await, |config| config.limits.concurrent_requests = 1).await;
    let waiting = tokio::spawn(server.post_authorized(&call("wait")).send());
    server.handler.begun.acquire().await.unwrap().forget();
    let refused = server.post_authorized(&list()).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(header(&refused, "retry-after"), "2");
    assert_eq!(body(refused).await["error"]["code"], -32000);
    // The load balancer still sees a healthy task.
    let health = server.http.get(server.url("/healthz")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    server.handler.go_on.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.post_authorized(&list()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_kept_waiting() {
    let server = start_with(Issuer::start().await, |config| config.limits.caller_requests = Some(2)).await;
    let person = token(0, &with(machine_claims(), json!({ "sub": "ann" })));
    for _ in 0..2 {
        assert_eq!(server.post_authorized(&list()).send().await.unwrap().status(), 200);
    }
    let refused = server.post_authorized(&call("tick")).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let seconds: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_eq!(body(refused).await["error"]["code"], -32000);
    // Of the same client.
    assert_eq!(server.post(&list()).bearer_auth(person).send().await.unwrap().status(), 200);
    until(|| server.log.events("request").len() == 4).await;
    let line = &server.log.events("request")[2];
    assert_eq!(
        (&line["status"], &line["client"], &line["level"]),
        (&json!(429), &json!("machine-client"), &json!("warn"))
    );
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let short = |config: &mut gangway::Config| config.limits.request_time = Duration::from_millis(50);
    let server = start_with(Issuer::start().await, short).await;
    let response = server.post_authorized(&call("wait")).send().await.unwrap();
    assert_eq!(response.status(), 504);
    let answer = body(response).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32603)));
    let line = &server.log.events("request")[0];
    assert_eq!((&line["tool"], &line["status"]), (&json!("wait"), &json!(504)));
}

#[tokio::test]
async fn a_request_in_flight_outlives_the_signal_to_stop() {
    let server = start().await;
    let waiting = tokio::spawn(server.post_authorized(&call("wait")).send());
    server.handler.begun.acquire().await.unwrap().forget();
    server.stop.send(()).unwrap();
    // The listener is gone before the request is done.
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.served.is_finished());
    server.handler.go_on.add_permits(1);
    let response = waiting.await.unwrap().unwrap();
    assert_eq!(body(response).await["result"]["content"][0]["text"], "done");
    server.served.await.unwrap().unwrap();
    assert_eq!(server.log.events("stop")[0]["message"], "drained");
}

#[tokio::test]
async fn a_streamed_call_outlives_the_signal_to_stop() {
    let server = start().await;
    let stream = server.post_authorized(&call("stream")).send().await.unwrap();
    assert_eq!(header(&stream, "content-type"), "text/event-stream");
    server.stop.send(()).unwrap();
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(server.log.events("request").is_empty(), "its line is written when it is whole");
    server.handler.go_on.add_permits(1);
    assert!(stream.text().await.unwrap().contains(r#""text":"done""#));
    server.served.await.unwrap().unwrap();
    assert_eq!(server.log.events("stop")[0]["message"], "drained");
    assert_eq!(server.log.events("request")[0]["tool"], "stream");
}

#[tokio::test]
async fn a_streamed_call_keeps_its_place_and_shows_how_it_ends() {
    let server = start_with(Issuer::start().await, |config| config.limits.concurrent_requests = 1).await;
    let stream = server.post_authorized(&call("stream")).send().await.unwrap();
    assert_eq!(server.post_authorized(&list()).send().await.unwrap().status(), 503);
    server.handler.go_on.close();
    assert!(stream.text().await.unwrap().contains(r#""isError":true"#));
    until(|| !server.log.events("tool_error").is_empty()).await;
    assert_eq!(server.log.events("tool_error")[0]["tool"], "stream");
    let mut listed = server.post_authorized(&list()).send().await.unwrap();
    while listed.status() == 503 {
        listed = server.post_authorized(&list()).send().await.unwrap();
    }
    assert_eq!(listed.status(), 200);
}

#[tokio::test]
async fn a_client_that_listens_does_not_hold_up_the_stop() {
    let limit = |config: &mut gangway::Config| config.limits.concurrent_requests = 1;
    let server = start_with(Issuer::start().await, limit).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let listen = json!({
        "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": { "notifications": {}, "_meta": meta },
    });
    let request = server.post_authorized(&listen).header("mcp-protocol-version", "2026-07-28");
    let stream = request.header("mcp-method", "subscriptions/listen").send().await.unwrap();
    assert_eq!(header(&stream, "content-type"), "text/event-stream");
    assert_eq!(server.post_authorized(&list()).send().await.unwrap().status(), 200, "it takes no place");
    server.stop.send(()).unwrap();
    server.served.await.unwrap().unwrap();
    assert_eq!(server.log.events("stop")[0]["message"], "drained");
}

#[tokio::test]
async fn a_request_that_does_not_end_is_left_behind() {
    let short = |config: &mut gangway::Config| config.limits.drain_time = Duration::from_millis(50);
    let server = start_with(Issuer::start().await, short).await;
    let _waiting = tokio::spawn(server.post_authorized(&call("wait")).send());
    server.handler.begun.acquire().await.unwrap().forget();
    server.stop.send(()).unwrap();
    server.served.await.unwrap().unwrap();
    assert_eq!(server.log.events("stop")[0]["message"], "stopped with requests in flight");
}

#[tokio::test]
async fn every_request_has_its_line() {
    let server = start().await;
    let trace = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1";
    let request = server.post_authorized(&call("tick")).header("x-request-id", "abc-123");
    let response = request.header("x-amzn-trace-id", trace).send().await.unwrap();
    assert_eq!(header(&response, "x-request-id"), "abc-123");
    let lines = server.log.events("request");
    let line = lines[0].as_object().unwrap();
    let names: Vec<_> = line.keys().map(String::as_str).collect();
    let mut expected = vec![
        "ts",
        "level",
        "event",
        "server",
        "method",
        "tool",
        "client",
        "status",
        "latency_ms",
        "request_id",
        "trace_id",
    ];
    expected.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(line["level"], "info");
    assert_eq!(line["server"], "clock");
    assert_eq!((&line["method"], &line["tool"]), (&json!("tools/call"), &json!("tick")));
    assert_eq!((&line["client"], &line["status"]), (&json!("machine-client"), &json!(200)));
    assert_eq!(line["request_id"], "abc-123");
    assert_eq!(line["trace_id"], "1-67891233-abcdef012345678912345678");
    assert!(line["latency_ms"].as_f64().unwrap() > 0.0);
    assert!(line["ts"].as_str().unwrap().ends_with('Z'));
    assert_eq!(server.log.events("start").len(), 1);
}

#[tokio::test]
async fn a_tool_that_the_server_cannot_run_is_a_warning() {
    let server = start().await;
    let reply = body(server.post_authorized(&call("jam")).send().await.unwrap()).await;
    assert_eq!(reply["error"]["code"], -32603);
    assert_eq!(server.log.events("tool_error")[0]["tool"], "jam");
    // A tool that is not there is the caller's mistake.
    server.post_authorized(&call("nothing")).send().await.unwrap();
    assert_eq!(server.log.events("tool_error").len(), 1);
}

#[test]
fn the_drain_fits_into_the_time_that_the_stack_gives() {
    // The stack's StopTimeout and deregistration delay, in `stack/server.yaml`.
    let stack = include_str!("../../../stack/server.yaml");
    assert!(stack.contains("StopTimeout: 60") && stack.contains("deregistration_delay.timeout_seconds, Value: '60'"));
    let limits = gangway::Limits::default();
    assert!(limits.drain_time < Duration::from_secs(60));
    assert!(limits.request_time < limits.drain_time, "no request outlives the drain");
}

#[tokio::test]
async fn a_tool_that_fails_is_a_warning() {
    let server = start().await;
    let response = server.post_authorized(&call("fail")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let reply = body(response).await;
    assert_eq!(reply["result"]["isError"], true);
    assert_eq!(reply["result"]["content"][0]["text"], "the spring is broken");
    let line = &server.log.events("tool_error")[0];
    assert_eq!((&line["level"], &line["tool"], &line["status"]), (&json!("warn"), &json!("fail"), &json!(200)));
}

#[tokio::test]
async fn a_client_that_goes_away_is_logged() {
    let server = start().await;
    let waiting = tokio::spawn(server.post_authorized(&call("wait")).send());
    server.handler.begun.acquire().await.unwrap().forget();
    waiting.abort();
    until(|| !server.log.events("request").is_empty()).await;
    assert_eq!(server.log.events("request")[0]["status"], 499);
}

#[tokio::test]
async fn no_token_is_ever_logged() {
    let server = start().await;
    let good = token(0, &machine_claims());
    let signature = good.rsplit('.').next().unwrap();
    let mut places = call("tick");
    places["params"]["name"] = good.clone().into();
    let mut method = list();
    method["method"] = good.clone().into();
    for message in [list(), places, method] {
        let request = server.post_authorized(&message).header("x-request-id", &good);
        request.header("x-amzn-trace-id", format!("Root={good}")).send().await.unwrap();
    }
    let query = format!("/clock/mcp?access_token={good}");
    server.http.post(server.url(&query)).send().await.unwrap();
    server.authorize(&format!("Bearer {good}x")).await;
    let log = server.log.text();
    assert_eq!(server.log.events("request").len(), 5, "{log}");
    assert!(!log.contains(signature) && !log.contains("eyJ"), "{log}");
}

#[tokio::test]
async fn what_a_client_sends_cannot_forge_a_line() {
    let server = start().await;
    let mut message = list();
    message["method"] = "x\n{\"event\":\"start\"}\u{1b}[2J\u{9b}\u{202e}".into();
    server.post_authorized(&message).send().await.unwrap();
    let log = server.log.text();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{log:?}");
}
