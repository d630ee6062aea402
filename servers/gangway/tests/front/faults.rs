//! Servers that misbehave.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::SERVERS;
use crate::support::server::header;
use crate::world::{self, Front, call, child, last, lives, said, seen};

/// Requests under way when the server is killed.
const LOAD: usize = 20;

#[tokio::test]
async fn requests_in_flight_are_told_at_once_that_the_server_ended_and_it_is_started_again() {
    for (transport, flags) in SERVERS {
        let front = Front::start(child(transport, flags)).await;
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
        let end = &front.events("app_end")[0];
        assert!(end["message"].as_str().unwrap().contains("signal 9") && end["reason"] == "killed", "{end}");
        // The lines of the last ones may be read after their answers.
        let gone = |front: &Front| front.requests().iter().filter(|line| line["upstream"] == "gone").count();
        front.until(|front| gone(front) == LOAD).await;
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
    let reasons =
        |front: &Front, event: &str| front.events(event).iter().map(|line| line["reason"].clone()).collect::<Vec<_>>();
    assert_eq!(reasons(&front, "app_end"), [json!("exited"), json!("exited"), json!("exited"), json!("exited")]);
    assert_eq!(reasons(&front, "app_given_up"), [json!("exited")]);
    let mut app = child("http", &[]);
    app["command"] = json!(["/no/such/program", "argument"]);
    let mut front = Front::launch(app, |_| {}).await;
    assert_eq!(front.ended().await.code(), Some(1));
    front.until(|front| front.messages("app_given_up").iter().any(|line| line.contains("/no/such/program"))).await;
    assert!(!front.log().contains("argument"), "{}", front.log());
    assert_eq!(reasons(&front, "app_given_up"), [json!("cannot-start")]);
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
    world::memory(pid, "VmHWM:")
}

/// Lines on one of its streams and a line without an end on the other, from its start on.
#[tokio::test]
async fn a_server_that_never_stops_to_write_is_served_within_bounds() {
    for transport in ["http", "stdio"] {
        let front = Front::start(child(transport, &["floods"])).await;
        let before = memory(front.process.id());
        for nth in 0..100 {
            assert_eq!(front.call("echo", json!({ "nth": nth })).await["arguments"]["nth"], nth, "{transport}");
        }
        front.until(|front| front.messages("app_dropped").len() > 2).await;
        let grown = memory(front.process.id()) - before;
        assert!(grown < 32.0, "{transport}: {grown} MiB");
        // As many as may be at once, and the hundred a second of some seconds.
        let lines = front.messages("app").len();
        assert!(lines < 12_000, "{transport}: {lines} lines");
    }
}

/// It takes what it is sent, and says nothing. Who asks for its health, or for an answer, does not wait for it.
#[tokio::test]
async fn a_server_that_never_says_who_it_is_is_not_served() {
    for transport in ["http", "stdio"] {
        let mut front = Front::launch(child(transport, &["mute"]), |_| {}).await;
        front.says("child started").await;
        let begun = Instant::now();
        let (status, answer) = seen(front.post(&call("echo", json!({}))).send().await.unwrap()).await;
        assert_eq!((status, front.health().await), (503, Some(503)), "{transport}: {answer}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let child = front.children();
        front.signal("TERM");
        assert_eq!(front.ended().await.code(), Some(0), "{transport}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(child.len() == 1 && !lives(child[0]), "{transport}: {child:?}");
    }
}

/// What is wrong with an answer, whatever the transport, and what else can be wrong with one over HTTP.
const NO_ANSWERS: [&str; 7] =
    ["nothing in it", "no object", "a list", "cut off", "no text", "twice the same", "a number as result"];
const NO_HTTP: [&str; 11] = [
    "no HTTP",
    "hangs up",
    "cut off by the end",
    "a broken chunk",
    "headers without end",
    "a page",
    "elsewhere",
    "sign in",
    "an empty stream",
    "a stream of nonsense",
    "a line without end",
];

#[tokio::test]
async fn a_request_that_gets_no_answer_of_the_protocol_is_told_so_and_the_next_one_is_answered() {
    for (transport, kinds) in [("http", [&NO_ANSWERS[..], &NO_HTTP[..]].concat()), ("stdio", NO_ANSWERS.to_vec())] {
        let mut app = child(transport, &[]);
        // Of a process that writes nonsense nobody knows which request it is about.
        app["request_seconds"] = 2.into();
        let front = Front::start(app).await;
        let before = memory(front.process.id());
        for kind in kinds {
            let message = call("odd", json!({ "kind": kind }));
            for request in [front.post(&message), front.post_modern(&message)] {
                let response = request.send().await.unwrap();
                let led = ["www-authenticate", "location"].map(|name| header(&response, name));
                assert_eq!(led, ["", ""], "{kind}: nobody is led elsewhere");
                let (status, answer) = seen(response).await;
                assert!(matches!(status, 200 | 502 | 504), "{transport}, {kind}: {status}");
                assert_eq!(
                    (&answer["id"], &answer["error"]["code"]),
                    (&json!("mine"), &json!(-32603)),
                    "{kind}: {answer}"
                );
                assert!(!answer.to_string().contains("evil"), "{answer}");
            }
            assert_eq!(front.call("echo", json!({ "a": 1 })).await["arguments"]["a"], 1, "{transport}, after {kind}");
        }
        let grown = memory(front.process.id()) - before;
        assert!(grown < 32.0, "{transport}: {grown} MiB");
        assert!(front.messages("app_end").is_empty(), "{:?}", front.messages("app_end"));
    }
}

/// Where the memory ends, the kernel ends the server and not what stands in front of it, which starts it again.
#[tokio::test]
async fn a_server_that_eats_the_memory_is_started_again() {
    for transport in ["http", "stdio"] {
        let front = Front::start(child(transport, &[])).await;
        let before = memory(front.process.id());
        let pid = front.call("echo", json!({})).await["pid"].as_u64().unwrap();
        let score = |pid: u64| std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        let (ours, its) = (score(front.process.id().into()), score(pid));
        let number = |text: &str| text.trim().parse::<i32>().unwrap();
        assert!(number(&its) > number(&ours), "{its} {ours}");
        let answers: Vec<_> = (0..LOAD).map(|_| tokio::spawn(front.post(&call("wait", json!({}))).send())).collect();
        front.until(|front| front.messages("app").iter().filter(|line| *line == "waiting").count() == LOAD).await;
        let eaten = front.answer(front.post(&call("eat", json!({})))).await;
        assert_eq!(eaten["error"]["code"], -32603, "{transport}: {eaten}");
        for answer in join_all(answers).await {
            let answer = last(&answer.unwrap().unwrap().text().await.unwrap());
            assert_eq!(answer["error"]["code"], -32603, "{answer}");
        }
        front.until(|front| front.messages("app_end").iter().any(|line| line.contains("signal 9"))).await;
        front.ready().await;
        assert!(front.call("echo", json!({})).await["pid"].as_u64().unwrap() != pid);
        let grown = memory(front.process.id()) - before;
        assert!(grown < 32.0, "{transport}: {grown} MiB");
    }
}

/// Clients that ask for much and read nothing: what was answered waits for them.
#[tokio::test]
async fn answers_that_nobody_reads_stay_within_their_memory() {
    const CLIENTS: usize = 40;
    for transport in ["http", "stdio"] {
        let front = Front::launch(child(transport, &[]), |command| {
            command.env("GANGWAY_MEMORY_BYTES", (32 << 20).to_string());
        })
        .await;
        front.ready().await;
        // More than the kernel keeps for a client that does not read (tcp(7), `tcp_wmem`: 4 MiB).
        let big = json!({ "bytes": 7_000_000 });
        // What it takes to answer one, it may keep.
        front.call("big", big.clone()).await;
        let before = memory(front.process.id());
        let asked = join_all((0..CLIENTS).map(|_| front.post(&call("big", big.clone())).send())).await;
        let asked: Vec<_> = asked.into_iter().map(Result::unwrap).collect();
        let (answered, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(|response| response.status() == 200);
        assert!(!answered.is_empty() && !refused.is_empty(), "{} and {}", answered.len(), refused.len());
        for response in refused {
            let (status, answer) = seen(response).await;
            assert_eq!((status, &answer["id"], &answer["error"]["code"]), (503, &json!("mine"), &json!(-32000)));
        }
        let grown = memory(front.process.id()) - before;
        assert!(grown < 64.0, "{transport}: {grown} MiB for {CLIENTS} answers of 7 MB");
        let lines = front.requests();
        assert!(lines.iter().any(|line| line["reason"] == "memory" && line["status"] == 503), "{transport}");
        // Who takes its answer, or goes away, gives its memory back.
        drop(answered);
        let served = async || front.post(&call("big", big.clone())).send().await.unwrap().status() == 200;
        let begun = Instant::now();
        while !served().await {
            assert!(begun.elapsed() < Duration::from_secs(60), "{transport}: it is not given back");
        }
    }
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
