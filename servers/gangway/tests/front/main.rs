//! The program `gangway` in front of servers that know nothing of it.
//!
//! The servers are processes of `child.py`, which needs Python 3 and nothing else.
#![allow(clippy::unwrap_used, clippy::panic)] // A failed step is a failed test.

mod faults;
mod life;
mod public;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/table.rs"]
mod table;
mod world;

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::server::header;
use world::{Front, MODERN, call, child, last, messages, said, seen};

/// Each transport in each era.
const SERVERS: [(&str, &[&str]); 4] = [("http", &[]), ("http", &["modern"]), ("stdio", &[]), ("stdio", &["modern"])];

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1.5, "method": "tools/list" })
}

#[tokio::test]
async fn clients_of_both_eras_reach_servers_of_both_eras() {
    for (transport, flags) in SERVERS {
        let front = Front::start(child(transport, flags)).await;
        let what = format!("{transport} {flags:?}");
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = front.post(&initialize).send().await.unwrap();
        assert_eq!(header(&response, "mcp-session-id"), "", "{what}");
        let (status, answer) = seen(response).await;
        assert_eq!((status, &answer["result"]["protocolVersion"]), (200, &json!("2025-06-18")), "{what}: {answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "child", "{what}");
        assert_eq!(answer["result"]["capabilities"], json!({ "tools": {} }), "{what}");
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(front.post(&ready).send().await.unwrap().status(), 202, "{what}");
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        assert_eq!(front.answer(front.post(&ping)).await["result"], json!({}), "{what}");

        let discover = json!({ "jsonrpc": "2.0", "id": 2, "method": "server/discover" });
        let (status, discovered) = seen(front.post_modern(&discover).send().await.unwrap()).await;
        assert_eq!(status, 200, "{what}: {discovered}");
        let all = json!(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN]);
        assert_eq!(discovered["result"]["supportedVersions"], all, "{what}");
        assert_eq!(discovered["result"]["cacheScope"], "private", "{what}");

        let earlier = front.post(&list()).send().await.unwrap().text().await.unwrap();
        assert!(earlier.contains(r#""id":1.5"#) && earlier.contains("1.5"), "{what}: {earlier}");
        assert!(!earlier.contains("raw_sql") && !earlier.contains("resultType"), "{what}: {earlier}");
        let later = last(&front.post_modern(&list()).send().await.unwrap().text().await.unwrap());
        assert_eq!(
            (&later["result"]["resultType"], &later["result"]["cacheScope"], &later["result"]["futureMember"]),
            (&json!("complete"), &json!("private"), &json!(1.0)),
            "{what}: {later}"
        );
        let echo = call("echo", json!({ "a": [1.50, "é"] }));
        for request in [front.post(&echo), front.post_modern(&echo)] {
            let (status, answer) = seen(request.send().await.unwrap()).await;
            assert_eq!((status, &answer["id"]), (200, &json!("mine")), "{what}: {answer}");
            assert_eq!(said(&answer)["arguments"]["a"], json!([1.5, "é"]), "{what}");
        }
        for method in ["no/such", "logging/setLevel", "subscriptions/x"] {
            let unknown = json!({ "jsonrpc": "2.0", "id": 3, "method": method });
            let (status, answer) = seen(front.post_modern(&unknown).send().await.unwrap()).await;
            assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32601)), "{what} {method}");
            let (status, answer) = seen(front.post(&unknown).send().await.unwrap()).await;
            assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32601)), "{what} {method}");
        }
    }
}

/// One of the later era refuses `initialize`, which is asked when it starts slowly.
#[tokio::test]
async fn a_server_that_starts_slowly_is_understood_in_its_own_era() {
    let front = Front::start(child("stdio", &["modern", "late"])).await;
    assert!(front.up().await.contains("without sessions"), "{}", front.log());
    assert!(front.messages("app_end").is_empty(), "{}", front.log());
    front.call("echo", json!({})).await;
    // One of the earlier era that leaves unanswered what it does not know.
    let front = Front::start(child("stdio", &["late"])).await;
    assert!(front.up().await.contains("with initialize"), "{}", front.log());
}

#[tokio::test]
async fn progress_comes_as_it_is_made_under_the_clients_name() {
    for (transport, flags) in SERVERS {
        let front = Front::start(child(transport, flags)).await;
        let mut message = call("progress", json!({}));
        message["params"]["_meta"] = json!({ "progressToken": "of mine" });
        for request in [front.post(&message), front.post_modern(&message)] {
            let response = request.send().await.unwrap();
            assert_eq!(header(&response, "content-type"), "text/event-stream", "{transport} {flags:?}");
            let all = messages(&response.text().await.unwrap());
            let steps: Vec<_> = all.iter().filter(|message| message["method"] == "notifications/progress").collect();
            assert_eq!(steps.len(), 3, "{transport} {flags:?}: {all:?}");
            assert!(steps.iter().all(|step| step["params"]["progressToken"] == "of mine"), "{all:?}");
            assert_eq!((all.len(), &all[3]["id"]), (4, &json!("mine")), "{all:?}");
        }
        // One that takes JSON alone gets the answer alone.
        let mut request = front.post(&message).build().unwrap();
        request.headers_mut().insert("accept", "application/json".parse().unwrap());
        let only = front.http.execute(request).await.unwrap();
        assert_eq!(header(&only, "content-type"), "application/json");
        assert_eq!(seen(only).await.1["id"], "mine");
    }
}

#[tokio::test]
async fn what_a_server_asks_is_refused() {
    for (transport, flags) in SERVERS.into_iter().filter(|(transport, flags)| *transport == "stdio" || flags.is_empty())
    {
        let front = Front::start(child(transport, flags)).await;
        let answer = front.call("ask", json!({})).await;
        assert_eq!(answer["error"]["code"], -32601, "{transport} {flags:?}: {answer}");
    }
}

#[tokio::test]
async fn many_clients_with_one_id_get_their_own_answers() {
    for (transport, flags) in SERVERS {
        let front = Front::start(child(transport, flags)).await;
        let answers = join_all((0..60).map(|nth| front.call("echo", json!({ "nth": nth })))).await;
        for (nth, answer) in answers.iter().enumerate() {
            assert_eq!(answer["arguments"]["nth"], nth, "{transport} {flags:?}");
        }
    }
}

/// Numbers of JSON have no bounds, and a client looks for its own.
#[tokio::test]
async fn an_id_comes_back_as_it_was_written() {
    for (transport, flags) in SERVERS {
        let front = Front::start(child(transport, flags)).await;
        for id in ["12345678901234567890123", "1.50", "9007199254740993", "-0", "\"\\u0061\""] {
            for method in ["initialize", "tools/list", "no/such", "logging/setLevel"] {
                let params = r#"{"protocolVersion":"2025-06-18"}"#;
                let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
                let answer = front.post(&list()).body(text).send().await.unwrap().text().await.unwrap();
                assert!(answer.contains(&format!("\"id\":{id},")), "{transport}, {method}, {id}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn tokens_and_scopes_are_checked_in_front() {
    for transport in ["http", "stdio"] {
        let mut app = child(transport, &[]);
        app["tools"] = json!({ "hidden": ["raw_sql"], "write": ["progress"], "read": [] });
        let front = Front::start(app).await;
        let send = async |scopes: &[&str], tool: &str| {
            let response = front.post_as(scopes, &call(tool, json!({}))).send().await.unwrap();
            (response.status().as_u16(), header(&response, "www-authenticate"))
        };
        let without = front.http.post(format!("http://127.0.0.1:{}/clock/mcp", front.port)).send().await.unwrap();
        assert_eq!(without.status(), 401);
        for tool in ["write_it", "progress", "not_there"] {
            let (status, challenge) = send(&["read"], tool).await;
            assert_eq!(status, 403, "{tool}");
            assert!(challenge.contains("insufficient_scope") && challenge.contains("/write"), "{challenge}");
            assert_eq!(send(&["read", "write"], tool).await.0, 200, "{tool}");
        }
        assert_eq!(send(&["read"], "echo").await.0, 200);
        let hidden = front.answer(front.post_as(&["read", "write"], &call("raw_sql", json!({})))).await;
        assert_eq!(hidden["error"]["code"], -32602, "{hidden}");
        let wrong_host = front.post(&list()).header("host", "evil.example").send().await.unwrap();
        assert_eq!(wrong_host.status(), 403);
        let get = front.http.get(format!("http://127.0.0.1:{}/clock/mcp", front.port)).send().await.unwrap();
        assert_eq!(get.status(), 405);
        let batch = front.post(&json!([list()])).send().await.unwrap();
        assert_eq!(batch.status(), 400);
        let metadata = format!("http://127.0.0.1:{}/.well-known/oauth-protected-resource/clock/mcp", front.port);
        assert_eq!(front.http.get(metadata).send().await.unwrap().status(), 200);
        let lines = front.events("request");
        let line = lines.iter().find(|line| line["tool"] == "echo").unwrap();
        assert_eq!((&line["upstream"], &line["client"]), (&json!("ok"), &json!("machine-client")));
        assert!(line["upstream_ms"].as_f64().unwrap() <= line["latency_ms"].as_f64().unwrap());
    }
}

#[tokio::test]
async fn a_server_sees_no_token_and_no_variable_of_ours() {
    for transport in ["http", "stdio"] {
        let mut app = child(transport, &["tells"]);
        app["environment"] = json!({ "LEVEL": "debug" });
        let front = Front::launch(app, |command| {
            command.env("GANGWAY_APP_SECRETS", r#"{"API_KEY":"hunter2-of-the-test"}"#).env("INHERITED", "yes");
        })
        .await;
        front.ready().await;
        let seen = front.call("seen", json!({})).await;
        let environment = seen["environment"].as_object().unwrap();
        assert_eq!(environment["API_KEY"], "hunter2-of-the-test");
        assert_eq!((&environment["LEVEL"], &environment["INHERITED"]), (&json!("debug"), &json!("yes")));
        assert!(!environment.keys().any(|name| name.starts_with("GANGWAY_")), "{environment:?}");
        assert!(!seen["argv"].to_string().contains("hunter2"));
        let echo = front.call("echo", json!({})).await;
        let headers = echo["context"].to_string().to_ascii_lowercase();
        assert!(
            !headers.contains("authorization") && !headers.contains("bearer") && !headers.contains("eyj"),
            "{headers}"
        );
        front.says("the secret is [redacted]").await;
        let log = front.log();
        assert!(!log.contains("hunter2") && !log.contains("eyJ"), "{log}");
    }
}

#[tokio::test]
async fn who_is_kept_out_reaches_no_server_behind() {
    let table = table::Table::start().await;
    table.add("client#another-client", 600);
    let front = Front::launch(child("stdio", &[]), |command| {
        command.envs(table.variables());
    })
    .await;
    front.ready().await;
    let (status, answer) = seen(front.post(&call("echo", json!({}))).send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    table.add("client#machine-client", 600);
    front.until(|front| front.events("quarantine").len() == 2).await;
    let (status, answer) = seen(front.post(&call("echo", json!({}))).send().await.unwrap()).await;
    assert_eq!((status, &answer["error"]["message"]), (403, &json!("this caller is not served")), "{answer}");
    // The line may come after the answer.
    front.until(|front| front.events("request").len() == 2).await;
    let line = front.events("request").pop().unwrap();
    assert_eq!((&line["reason"], &line["upstream"]), (&json!("quarantine"), &json!(null)), "{line}");
}

#[tokio::test]
async fn a_session_that_the_server_forgets_is_made_anew() {
    let front = Front::start(child("http", &[])).await;
    front.call("echo", json!({ "forget": true })).await;
    let answers = join_all((0..10).map(|nth| front.call("echo", json!({ "nth": nth })))).await;
    assert!(answers.iter().enumerate().all(|(nth, answer)| answer["arguments"]["nth"] == nth));
    // The first, the forgotten one, and one more for all who found it gone.
    assert_eq!(front.call("seen", json!({})).await["state"]["sessions"], 3);
}

/// Over HTTP in the later era, the server gets the headers and checks them itself.
#[tokio::test]
async fn headers_that_repeat_arguments_are_checked_where_the_server_does_not_see_them() {
    for (transport, flags) in SERVERS.into_iter().filter(|server| *server != ("http", &["modern"][..])) {
        let (front, what) = (Front::start(child(transport, flags)).await, format!("{transport} {flags:?}"));
        let message = call("routed", json!({ "region": "eu" }));
        let with = |region: &str| front.post_modern(&message).header("mcp-param-region", region);
        let (status, answer) = seen(with("eu").send().await.unwrap()).await;
        assert_eq!((status, &said(&answer)["arguments"]), (200, &json!({ "region": "eu" })), "{what}");
        for request in [with("us"), front.post_modern(&message)] {
            let (status, answer) = seen(request.send().await.unwrap()).await;
            assert_eq!(
                (status, &answer["id"], &answer["error"]["code"]),
                (400, &json!("mine"), &json!(-32020)),
                "{what}"
            );
        }
        // The earlier era knows no such headers.
        assert_eq!(front.answer(front.post(&message)).await["id"], "mine", "{what}");
    }
}

#[tokio::test]
async fn a_resource_that_is_not_there_has_the_code_of_the_clients_era() {
    for transport in ["http", "stdio"] {
        let front = Front::start(child(transport, &[])).await;
        let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "x://y" } });
        for (request, code) in [(front.post(&read), -32002), (front.post_modern(&read), -32602)] {
            let answer = front.answer(request).await;
            assert_eq!((&answer["error"]["code"], &answer["error"]["data"]["uri"]), (&json!(code), &json!("x://y")));
        }
    }
}
