//! Servers that misbehave.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::world::{Front, call, child, last, lives, said};

/// Requests under way when the server is killed.
const LOAD: usize = 20;

#[tokio::test]
async fn requests_in_flight_are_told_at_once_that_the_server_ended_and_it_is_started_again() {
    for transport in ["http", "stdio"] {
        let front = Front::start(child(transport, &[])).await;
        let pid = front.call("echo", json!({})).await["pid"].as_u64().unwrap();
        let waiting: Vec<_> = (0..LOAD).map(|_| tokio::spawn(front.post(&call("wait", json!({}))).send())).collect();
        front.until(|front| front.messages("app").iter().filter(|line| *line == "waiting").count() == LOAD).await;
        let killed = Instant::now();
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        for answer in join_all(waiting).await {
            let answer = last(&answer.unwrap().unwrap().text().await.unwrap());
            assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("mine"), &json!(-32603)), "{answer}");
        }
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        front.until(|front| !front.messages("app_end").is_empty()).await;
        assert!(front.messages("app_end")[0].contains("signal 9"), "{:?}", front.messages("app_end"));
        let gone = front.requests().iter().filter(|line| line["upstream"] == "gone").count();
        assert_eq!(gone, LOAD, "{transport}: {:?}", front.requests().last());
        let meanwhile = front.post(&call("echo", json!({}))).send().await.unwrap();
        assert_eq!((meanwhile.status().as_u16(), front.health().await), (503, Some(503)));
        assert_eq!(meanwhile.headers()["retry-after"], "2");
        front.ready().await;
        let again = front.call("echo", json!({})).await["pid"].as_u64().unwrap();
        assert!(again != pid && !lives(pid));
    }
}

#[tokio::test]
async fn a_server_that_ends_too_often_is_given_up() {
    let mut front = Front::launch(child("stdio", &["ends"]), |_| {}).await;
    assert_eq!(front.ended().await.code(), Some(1));
    // Its last lines may be read after it has ended.
    front.until(|front| front.messages("app_given_up").iter().any(|line| line.contains("exit code 3"))).await;
    assert_eq!(front.messages("app_end").len(), 4);
    let mut app = child("http", &[]);
    app["command"] = json!(["/no/such/program", "argument"]);
    let mut front = Front::launch(app, |_| {}).await;
    assert_eq!(front.ended().await.code(), Some(1));
    front.until(|front| front.messages("app_given_up").iter().any(|line| line.contains("/no/such/program"))).await;
    assert!(!front.log().contains("argument"), "{}", front.log());
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    for (transport, flags) in [("http", &[][..]), ("stdio", &[]), ("stdio", &["modern"])] {
        let mut app = child(transport, flags);
        app["request_seconds"] = 1.into();
        let front = Front::start(app).await;
        let response = front.post(&call("wait", json!({}))).send().await.unwrap();
        assert_eq!(response.status(), 504);
        let answer = last(&response.text().await.unwrap());
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("mine"), &json!(-32603)));
        front.says("cancelled").await;
        assert_eq!(front.requests()[0]["upstream"], "timeout");
        front.call("echo", json!({})).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_back() {
    for (transport, flags) in [("http", &[][..]), ("stdio", &[]), ("stdio", &["modern"])] {
        let front = Front::start(child(transport, flags)).await;
        let waiting = tokio::spawn(front.post(&call("wait", json!({}))).send());
        front.says("waiting").await;
        waiting.abort();
        front.says("cancelled").await;
        front.until(|front| front.requests().iter().any(|line| line["upstream"] == "cancelled")).await;
    }
}

#[tokio::test]
async fn a_client_of_the_earlier_era_takes_its_request_back_by_a_message() {
    for transport in ["http", "stdio"] {
        let front = Front::start(child(transport, &[])).await;
        let waiting = tokio::spawn(front.post(&call("wait", json!({}))).send());
        front.says("waiting").await;
        let params = json!({ "requestId": "mine", "reason": "enough" });
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        assert_eq!(front.post(&message).send().await.unwrap().status(), 202);
        front.says("cancelled").await;
        let answer = last(&waiting.await.unwrap().unwrap().text().await.unwrap());
        assert_eq!(answer["error"]["message"], "the client took the request back");
    }
}

#[tokio::test]
async fn noise_on_the_standard_output_harms_nobody() {
    let front = Front::start(child("stdio", &[])).await;
    let lines = [
        "no JSON \u{1b}[2J",
        "[1,2]",
        "{}",
        r#"{"jsonrpc":"2.0","id":999999,"result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x"}}"#,
        r#"{"event":"request","level":"error"}"#,
        &"x".repeat(20_000),
    ];
    for line in lines {
        front.call("noise", json!({ "line": line, "lines": 3 })).await;
    }
    let before = memory(front.process.id());
    front.call("noise", json!({ "line": "y".repeat(1000), "lines": 100_000 })).await;
    let grown = memory(front.process.id()) - before;
    assert!(grown < 32.0, "{grown} MiB for 100 MB of noise");
    assert_eq!(front.call("echo", json!({ "a": 1 })).await["arguments"]["a"], 1);
    front.until(|front| !front.messages("app_dropped").is_empty()).await;
    assert!(front.messages("app").iter().all(|line| line.len() <= 8 * 1024 + 3));
    assert!(!front.events("request").iter().any(|line| line["level"] == "error"), "a line was forged");
}

/// The most memory that a process had, in MiB.
fn memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

#[tokio::test]
async fn an_answer_has_a_largest_size() {
    for transport in ["http", "stdio"] {
        let front = Front::start(child(transport, &[])).await;
        let of = async |bytes: usize| front.answer(front.post(&call("big", json!({ "bytes": bytes })))).await;
        assert_eq!(said(&of(2_000_000).await).as_str().unwrap().len(), 2_000_000);
        let begun = Instant::now();
        let refused = of(9_000_000).await;
        assert!(refused["error"]["message"].as_str().unwrap().contains("larger than 8 MiB"), "{transport}");
        assert!(begun.elapsed() < Duration::from_secs(25), "at once, not when the time is up");
        assert_eq!(front.call("echo", json!({})).await["arguments"], json!({}));
    }
}
