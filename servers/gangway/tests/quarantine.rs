//! Callers that are kept out for a time.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;
#[path = "support/table.rs"]
mod table;

use std::time::Duration;

use clock::{Clock, start_with};
use gangway::Config;
use serde_json::{Value, json};
use support::issuer::{Issuer, token};
use support::server::{Running, body, header, until};
use support::{MACHINE, RESOURCE, call, list, machine_claims, now, with};
use table::Table;

/// A server that reads the table all the time.
async fn start(table: &Table) -> Running<Clock> {
    start_adjusted(table, &[], |_| {}).await
}

async fn start_adjusted(
    table: &Table,
    variables: &[(&'static str, String)],
    adjust: impl FnOnce(&mut Config),
) -> Running<Clock> {
    let place = table.place(variables);
    start_with(Issuer::start().await, |config| {
        config.quarantine = place;
        config.limits.quarantine_interval = Duration::from_millis(5);
        adjust(config);
    })
    .await
}

fn person(client: &str, subject: &str) -> String {
    let claims = json!({ "client_id": client, "sub": subject, "aud": RESOURCE });
    token(0, &with(machine_claims(), claims))
}

/// The status of a request with this token.
async fn ask(server: &Running<Clock>, token: &str) -> u16 {
    server.post(&list()).bearer_auth(token).send().await.unwrap().status().as_u16()
}

/// Waits until the table was read once more, from its beginning to its end.
async fn read_again(table: &Table) {
    let reads = table.reads().len();
    until(|| table.reads().len() >= reads + 3).await;
}

async fn until_status(server: &Running<Clock>, token: &str, status: u16) {
    while ask(server, token).await != status {
        tokio::task::yield_now().await;
    }
}

async fn health(server: &Running<Clock>) -> u16 {
    server.http.get(server.url("/healthz")).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn who_is_kept_out_is_refused_whatever_the_token_says_and_others_are_not() {
    let table = Table::start().await;
    let server = start(&table).await;
    let machine = token(0, &machine_claims());
    let (ann, bob, other) = (person("web", "ann"), person("web", "bob"), person("cli", "ann"));
    for token in [&machine, &ann, &bob, &other] {
        assert_eq!(ask(&server, token).await, 200);
    }
    table.add("subject#ann", 60);
    until_status(&server, &ann, 403).await;
    assert_eq!(ask(&server, &other).await, 403, "by whatever client");
    assert_eq!(ask(&server, &bob).await, 200);
    table.add(&format!("client#{MACHINE}"), 60);
    until_status(&server, &machine, 403).await;
    assert_eq!(ask(&server, &bob).await, 200);
    table.add("client#web", 60);
    until_status(&server, &bob, 403).await;
    // Lifted.
    table.clear();
    for token in [&machine, &ann, &bob, &other] {
        until_status(&server, token, 200).await;
    }
}

#[tokio::test]
async fn a_refusal_tells_the_caller_nothing_and_the_log_why() {
    let table = Table::start().await;
    table.add("subject#ann", 60);
    let server = start(&table).await;
    until(|| !server.log.events("quarantine").is_empty()).await;
    let refused = server.post(&call("wind")).bearer_auth(person("web", "ann")).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let headers = refused.headers().clone();
    assert_eq!((header(&refused, "www-authenticate"), header(&refused, "retry-after")), (String::new(), String::new()));
    assert_eq!((headers.get("cache-control").unwrap().to_str().unwrap()), "no-store");
    let answer = body(refused).await;
    assert_eq!(answer["error"], json!({ "code": -32600, "message": "this caller is not served" }));
    let line = server.log.events("request").pop().unwrap();
    let said: Vec<&Value> = ["reason", "client", "status", "level", "audience"].map(|name| &line[name]).into();
    assert_eq!(said, [&json!("quarantine"), &json!("web"), &json!(403), &json!("warn"), &json!("matched")]);
    assert!(line["subject"].is_string() && line["tool"].is_null(), "{line}");
    // A token that is not valid is refused as one, so that nobody finds out who is on the list.
    let expired = with(machine_claims(), json!({ "sub": "ann", "exp": now() - 60 }));
    assert_eq!(ask(&server, &token(0, &expired)).await, 401);
    let lines = server.log.events("quarantine");
    assert_eq!(lines[0]["message"], "the list has 0 clients and 1 subjects");
    assert!(!server.log.text().contains("ann"), "{}", server.log.text());
}

#[tokio::test]
async fn it_ends_by_itself_while_the_table_still_has_it() {
    let table = Table::start().await;
    let (machine, past) = (token(0, &machine_claims()), person("past", "bob"));
    table.add("client#past", -1);
    let server = start(&table).await;
    until(|| !server.log.events("quarantine").is_empty()).await;
    assert_eq!(ask(&server, &past).await, 200);
    let mut end = 0;
    while ask(&server, &machine).await != 403 {
        // On a slow machine the first may have ended before it was seen.
        if now() >= end {
            table.clear();
            table.add(&format!("client#{MACHINE}"), 3);
            end = now() + 3;
        }
    }
    // The table cannot be read any more: the end comes all the same.
    table.break_down(500, "");
    until_status(&server, &machine, 200).await;
    assert!(now() >= end - 1, "no earlier than its end");
}

#[tokio::test]
async fn what_was_read_last_holds_while_the_table_cannot_be_read() {
    let table = Table::start().await;
    table.add(&format!("client#{MACHINE}"), 600);
    let server = start(&table).await;
    let machine = token(0, &machine_claims());
    until_status(&server, &machine, 403).await;
    let secret = json!({ "__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "hunter2" });
    for (status, text, told) in [
        (400, secret.to_string(), "DynamoDB answers 400, AccessDeniedException"),
        (500, "hunter2".to_owned(), "DynamoDB answers 500, an error that is not known here"),
        (200, "hunter2".to_owned(), "not one of DynamoDB's"),
        (200, r#"{"Items":"hunter2"}"#.to_owned(), "not one of DynamoDB's"),
        (200, format!(r#"{{"Items":[{}1]}}"#, "1,".repeat(10_000)), "more than 10000 entries"),
    ] {
        table.break_down(status, &text);
        let before = server.log.events("quarantine_unavailable").len();
        until(|| server.log.events("quarantine_unavailable").len() > before).await;
        let line = server.log.events("quarantine_unavailable").pop().unwrap();
        let message = line["message"].as_str().unwrap();
        assert!(message.contains(told) && message.ends_with("what was read last holds"), "{message}");
        assert_eq!(line["level"], "warn");
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Metrics"], json!([{ "Name": "QuarantineAge", "Unit": "Seconds" }]));
        assert!(line["QuarantineAge"].is_u64(), "{line}");
        assert_eq!(ask(&server, &machine).await, 403, "{told}");
        // Told once, and then once a minute.
        read_again(&table).await;
        assert_eq!(server.log.events("quarantine_unavailable").len(), before + 1);
        table.repair();
        let news = server.log.events("quarantine_available").len();
        until(|| server.log.events("quarantine_available").len() > news).await;
        let line = server.log.events("quarantine_available").pop().unwrap();
        assert!(line["message"].as_str().unwrap().starts_with("the list can be read again, after"), "{line}");
    }
    assert!(!server.log.text().contains("hunter2"));
    assert_eq!(ask(&server, &machine).await, 403);
    assert_eq!(health(&server).await, 200);
}

#[tokio::test]
async fn a_server_that_has_never_read_the_list_waits_a_moment_and_then_serves_everybody() {
    let table = Table::start().await;
    table.add(&format!("client#{MACHINE}"), 600);
    table.break_down(500, "");
    let server = start_adjusted(&table, &[], |config| config.limits.quarantine_grace = Duration::from_secs(3600)).await;
    until(|| table.reads().len() > 2).await;
    assert_eq!(health(&server).await, 503, "the load balancer sends nothing yet");
    let line = &server.log.events("quarantine_unavailable")[0];
    assert_eq!(line["level"], "error");
    assert!(line["message"].as_str().unwrap().ends_with("nothing was read yet, so everybody is let in"), "{line}");
    table.repair();
    while health(&server).await != 200 {
        tokio::task::yield_now().await;
    }
    let machine = token(0, &machine_claims());
    assert_eq!(ask(&server, &machine).await, 403, "it is ready when it knows");

    table.hang();
    let server = start_adjusted(&table, &[], |config| {
        config.limits.quarantine_grace = Duration::from_millis(20);
        config.limits.quarantine_time = Duration::from_millis(50);
    })
    .await;
    while health(&server).await != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&server, &machine).await, 200);
    until(|| !server.log.events("quarantine_unavailable").is_empty()).await;
}

#[tokio::test]
async fn open_streams_of_who_is_kept_out_end_and_others_go_on() {
    let table = Table::start().await;
    let server = start(&table).await;
    let (ann, bob) = (person("web", "ann"), person("web", "bob"));
    let streamed = async |token: &str| server.post(&call("stream")).bearer_auth(token).send().await.unwrap();
    let (of_ann, of_bob) = (streamed(&ann).await, streamed(&bob).await);
    let listening = listen(&server, &ann).await;
    table.add("subject#ann", 600);
    let text = of_ann.text().await.unwrap();
    assert!(text.contains("notifications/progress") && !text.contains("result"), "{text}");
    listening.text().await.unwrap();
    until(|| server.log.events("quarantine_cut").len() == 2).await;
    let line = &server.log.events("quarantine_cut")[0];
    assert_eq!(line["message"], "a stream of the client web was ended: its caller is kept out");
    server.handler.go_on.close();
    assert!(of_bob.text().await.unwrap().contains("result"));
}

async fn listen(server: &Running<Clock>, token: &str) -> reqwest::Response {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "notifications": {}, "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params });
    let request = server.post(&message).bearer_auth(token).header("mcp-protocol-version", "2026-07-28");
    let stream = request.header("mcp-method", "subscriptions/listen").send().await.unwrap();
    assert_eq!(header(&stream, "content-type"), "text/event-stream");
    stream
}

#[tokio::test]
async fn a_request_that_is_not_answered_yet_is_refused() {
    let table = Table::start().await;
    let server = start(&table).await;
    let waiting = tokio::spawn(server.post_authorized(&call("wait")).send());
    server.handler.begun.acquire().await.unwrap().forget();
    table.add(&format!("client#{MACHINE}"), 600);
    let refused = waiting.await.unwrap().unwrap();
    assert_eq!(refused.status(), 403);
    let line = server.log.events("request").pop().unwrap();
    assert_eq!((&line["reason"], &line["tool"]), (&json!("quarantine"), &json!("wait")));
}

#[tokio::test]
async fn a_list_of_several_pages_is_read_to_its_end_and_unknown_members_do_no_harm() {
    let table = Table::start().await;
    table.page(2);
    for nth in 0..4 {
        table.add(&format!("client#c{nth}"), 600);
    }
    let until_then = json!({ "N": (now() + 600).to_string() });
    table.put(json!({ "who": { "S": "subject#ann" }, "until": until_then, "by": { "S": "x" }, "new": { "L": [1] } }));
    table.put(json!({ "who": { "S": "pool#x" }, "until": { "N": "1" } }));
    table.put(json!([[["hostile"]]]));
    let server = start(&table).await;
    until_status(&server, &person("web", "ann"), 403).await;
    assert_eq!(ask(&server, &person("c3", "bob")).await, 403);
    assert_eq!(ask(&server, &person("c4", "bob")).await, 200);
    let line = &server.log.events("quarantine")[0];
    let expected = "the list has 4 clients and 1 subjects, and 2 entries that are not understood here";
    assert_eq!(line["message"], expected);
    assert!(line["list"].as_str().unwrap().len() == 16, "{line}");
    let lines = server.log.events("quarantine").len();
    read_again(&table).await;
    assert_eq!(server.log.events("quarantine").len(), lines, "what does not change is not told again");
}

#[tokio::test]
async fn it_is_read_with_the_credentials_of_the_task() {
    let table = Table::start().await;
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/credentials", table.url));
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "for-the-container".to_owned());
    let server = start_adjusted(&table, &[full, token], |_| {}).await;
    read_again(&table).await;
    assert_eq!(table.asked(), ["for-the-container"], "asked once: they are good for an hour");
    let (headers, query) = table.reads().swap_remove(0);
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    assert!(text("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKID1/"), "{headers:?}");
    assert!(text("authorization").contains("/eu-west-1/dynamodb/aws4_request, SignedHeaders="), "{headers:?}");
    assert_eq!(
        (text("x-amz-security-token").as_str(), text("x-amz-target").as_str()),
        ("session", "DynamoDB_20120810.Query")
    );
    assert_eq!(query["TableName"], "quarterdeck-test-quarantine");
    assert_eq!(query["ConsistentRead"], true);
    // What AWS refuses is asked for anew.
    for status in [400, 403] {
        let before = table.asked().len();
        table.break_down(status, r#"{"__type":"com.amazon.coral.service#ExpiredTokenException"}"#);
        until(|| table.asked().len() > before + 1).await;
        table.repair();
        read_again(&table).await;
    }
    assert!(!server.log.text().contains("hunter2") && !server.log.text().contains("session"));
}

/// They are fetched anew some minutes before their end, each time with the token that the file has then.
#[tokio::test]
async fn credentials_that_end_soon_are_asked_for_anew() {
    let table = Table::start().await;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("quarantine-token");
    std::fs::write(&file, "first\n").unwrap();
    table.lasts(170);
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/credentials", table.url));
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.display().to_string());
    let _server = start_adjusted(&table, &[full, token], |_| {}).await;
    until(|| table.asked().len() > 1).await;
    assert_eq!(table.asked()[..2], ["first", "first"]);
    std::fs::write(&file, "second\n").unwrap();
    until(|| table.asked().last().is_some_and(|last| last == "second")).await;
    table.lasts(3600);
    until(|| table.reads().len() > table.asked().len() + 3).await;
}

/// A list that comes slowly, each page in time, is no list.
#[tokio::test]
async fn all_pages_together_have_one_time() {
    let table = Table::start().await;
    table.page(1);
    (0..9_000).for_each(|nth| table.add(&format!("client#c{nth}"), 600));
    let server = start_adjusted(&table, &[], |config| {
        config.limits.quarantine_time = Duration::from_millis(200);
    })
    .await;
    until(|| !server.log.events("quarantine_unavailable").is_empty()).await;
    let line = &server.log.events("quarantine_unavailable")[0];
    assert!(line["message"].as_str().unwrap().contains("DynamoDB: no answer in time"), "{line}");
    assert!(server.log.events("quarantine").is_empty());
}

/// A list that could not be read is asked for again at once, not after the time between two reads; and one that is empty
/// is told as that, so that the log says from when on it is known.
#[tokio::test]
async fn a_read_that_failed_is_soon_tried_again() {
    let table = Table::start().await;
    table.break_down(500, "");
    let server = start_adjusted(&table, &[], |config| {
        config.limits.quarantine_interval = Duration::from_secs(3600);
        config.limits.quarantine_grace = Duration::from_secs(3600);
    })
    .await;
    until(|| !server.log.events("quarantine_unavailable").is_empty()).await;
    table.repair();
    while health(&server).await != 200 {
        tokio::task::yield_now().await;
    }
    let line = server.log.events("quarantine").pop().unwrap();
    assert_eq!(line["message"], "the list has 0 clients and 0 subjects");
}

#[tokio::test]
async fn a_server_without_a_table_asks_nobody_and_is_ready_at_once() {
    let server = clock::start().await;
    assert_eq!(health(&server).await, 200);
    assert_eq!(server.post_authorized(&list()).send().await.unwrap().status(), 200);
    assert!(server.log.events("quarantine").is_empty());
}

#[test]
fn a_new_entry_holds_within_15_seconds_also_if_one_read_fails() {
    let limits = gangway::Limits::default();
    // Just missed by one read, then one that fails at its limit, the pause after it, and one that takes as long.
    let longest = limits.quarantine_interval + 2 * limits.quarantine_time + Duration::from_secs(1);
    assert!(longest < Duration::from_secs(15), "{longest:?}");
}
