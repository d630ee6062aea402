//! Sessions that callers do not share.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::server::header;
use crate::support::{machine_claims, with};
use crate::world::{Front, LONG, call, child, lives, said, seen, with_files};

/// A server whose callers do not share a session.
fn apart(transport: &str, flags: &[&str], sessions: &str, processes: usize) -> Value {
    let mut app = child(transport, flags);
    (app["sessions"], app["processes"]) = (sessions.into(), processes.into());
    app
}

impl Front {
    /// A call by somebody who uses the client.
    fn call_by(&self, who: &str, tool: &str, arguments: Value) -> RequestBuilder {
        self.post_with(&with(machine_claims(), json!({ "sub": who })), &call(tool, arguments))
    }

    /// What the server remembers of what somebody has told it, and by what.
    async fn remember(&self, who: &str, what: &str) -> Value {
        said(&self.answer(self.call_by(who, "remember", json!({ "what": what }))).await)
    }

    /// Waits until the server was told that these sessions are over. It is told after their places were given away.
    async fn are_over(&self, who: &str, sessions: &[Value]) {
        let begun = Instant::now();
        loop {
            let state = self.remember(who, "?").await["state"].take();
            if sessions.iter().all(|session| state["ended"].as_array().unwrap().contains(session)) {
                return;
            }
            assert!(begun.elapsed() < LONG, "{state}");
        }
    }

    /// A call that does not end by itself, and has begun.
    async fn wait_by(&self, who: &str) -> tokio::task::JoinHandle<reqwest::Result<reqwest::Response>> {
        let before = self.messages("app").iter().filter(|line| *line == "waiting").count();
        let waiting = tokio::spawn(self.call_by(who, "wait", json!({})).send());
        self.until(|front| front.messages("app").iter().filter(|line| *line == "waiting").count() > before).await;
        waiting
    }
}

#[tokio::test]
async fn each_caller_has_a_session_of_its_own() {
    for (transport, flags) in [("stdio", &[][..]), ("stdio", &["modern"]), ("http", &["many"])] {
        let front = Front::start(apart(transport, flags, "per-caller", 2)).await;
        let what = format!("{transport} {flags:?}");
        let ann = front.remember("ann", "a").await;
        assert_eq!(ann["told"], json!(["a"]), "{what}");
        let ben = front.remember("ben", "b").await;
        assert_eq!(ben["told"], json!(["b"]), "{what}: nothing of ann");
        assert_eq!(front.remember("ann", "c").await["told"], json!(["a", "c"]), "{what}");
        let of = |one: &Value| if transport == "http" { one["session"].clone() } else { one["pid"].clone() };
        assert_ne!(of(&ann), of(&ben), "{what}");
        // A third one takes the place of who was not there for longest.
        let cat = front.remember("cat", "d").await;
        assert_eq!(cat["told"], json!(["d"]), "{what}");
        assert_eq!(front.remember("ann", "e").await["told"], json!(["a", "c", "e"]), "{what}");
        if transport == "stdio" {
            front.until(|_| !lives(ben["pid"].as_u64().unwrap())).await;
            assert_eq!(front.children().len(), 3, "{what}: two, and the one that says who the server is");
        } else {
            front.are_over("ann", &[ben["session"].clone()]).await;
        }
        assert_eq!(front.remember("ben", "g").await["told"], json!(["g"]), "{what}: what is gone is gone");
        assert!(front.messages("app_end").is_empty() && front.messages("session_end").is_empty(), "{}", front.log());
    }
}

#[tokio::test]
async fn each_request_has_a_session_of_its_own() {
    for (transport, flags) in [("stdio", &[][..]), ("stdio", &["modern"]), ("http", &["many"])] {
        let front = Front::start(apart(transport, flags, "per-request", 2)).await;
        let what = format!("{transport} {flags:?}");
        // More at once than there may be sessions: they wait.
        let all = join_all((0..6).map(|_| front.remember("ann", "a"))).await;
        for one in &all {
            assert_eq!(one["told"], json!(["a"]), "{what}");
        }
        let main = front.children();
        if transport == "stdio" {
            front.until(|front| front.children().len() == 1).await;
            let used: Vec<_> = all.iter().map(|one| one["pid"].as_u64().unwrap()).collect();
            assert!(used.iter().all(|pid| !lives(*pid)), "{what}");
            let main = front.children();
            assert!(
                lives(main[0]) && !used.contains(&main[0]),
                "{what}: the one that says who the server is is nobody's"
            );
        } else {
            assert_eq!(main.len(), 1, "{what}");
            let used: Vec<_> = all.iter().map(|one| one["session"].clone()).collect();
            front.are_over("ann", &used).await;
        }
        front.ready().await;
    }
}

#[tokio::test]
async fn the_end_of_one_session_is_nothing_to_another() {
    let front = Front::start(apart("stdio", &[], "per-caller", 3)).await;
    let before = front.remember("ann", "a").await;
    // What a session has started goes with it, and with it alone: in groups of their own, and without a parent.
    let started = async |who| -> Vec<u64> {
        let forked = said(&front.answer(front.call_by(who, "fork", json!({}))).await);
        let daemon = said(&front.answer(front.call_by(who, "daemon", json!({}))).await);
        [serde_json::from_value(forked).unwrap(), vec![daemon.as_u64().unwrap()]].concat()
    };
    let (kept, lost) = (started("ann").await, started("ben").await);
    let waiting = front.wait_by("ben").await;
    let died = front.answer(front.call_by("ben", "die", json!({}))).await;
    assert!(died["error"]["message"].as_str().unwrap().contains("ended"), "{died}");
    let (_, told) = seen(waiting.await.unwrap().unwrap()).await;
    assert!(told["error"]["message"].as_str().unwrap().contains("ended"), "{told}");
    front.until(|_| !lost.iter().any(|pid| lives(*pid))).await;
    let after = front.remember("ann", "b").await;
    assert_eq!((&after["told"], &after["pid"]), (&json!(["a", "b"]), &before["pid"]));
    assert!(kept.iter().all(|pid| lives(*pid)), "{kept:?}");
    assert_eq!(front.remember("ben", "c").await["told"], json!(["c"]), "a new one");
    assert_eq!((front.messages("session_end").len(), front.messages("app_end").len()), (1, 0), "{}", front.log());
    assert_eq!(front.health().await, Some(200));
}

#[tokio::test]
async fn a_session_in_use_makes_no_room_and_who_waits_is_told() {
    let mut app = apart("stdio", &[], "per-caller", 1);
    app["request_seconds"] = 2.into();
    let front = Front::start(app).await;
    let mut forever = call("progress", json!({ "for ever": true }));
    forever["params"]["_meta"] = json!({ "progressToken": 1 });
    // Its answer has begun, and so has as much time as it takes.
    let stream = front.post_with(&with(machine_claims(), json!({ "sub": "ann" })), &forever).send().await.unwrap();
    assert_eq!(header(&stream, "content-type"), "text/event-stream");
    let (status, full) = seen(front.call_by("ben", "echo", json!({})).send().await.unwrap()).await;
    assert_eq!(status, 503, "{full}");
    drop(stream);
    assert!(full["error"]["message"].as_str().unwrap().contains("every session"), "{full}");
    let refused = front.events("request").into_iter().find(|line| line["status"] == 503).unwrap();
    assert_eq!((&refused["reason"], &refused["upstream"]), (&json!("busy"), &json!("full")), "{refused}");
    assert_eq!(front.remember("ben", "b").await["told"], json!(["b"]), "it is free now");
}

/// A place is free when the process has ended, not when it was told to.
#[tokio::test]
async fn there_are_never_more_processes_than_may_be() {
    let front = Front::start(apart("stdio", &["stubborn"], "per-caller", 1)).await;
    let ann = front.remember("ann", "a").await["pid"].as_u64().unwrap();
    front.remember("ben", "b").await;
    assert!(!lives(ann));
}

/// Each process takes three files, and there are so many for it and for the connections of all callers.
#[tokio::test]
async fn processes_have_files_however_many_connections_there_are() {
    let front = Front::launch(apart("stdio", &[], "per-caller", 10), with_files(70)).await;
    front.ready().await;
    // More connections than there may be, while the processes are being started.
    let ask = async |nth: usize| {
        let call = front.call_by(&format!("caller {}", nth % 10), "echo", json!({}));
        seen(call.header("connection", "close").send().await.unwrap()).await
    };
    for (status, answer) in join_all((0..40).map(ask)).await {
        assert!(status == 200 && answer["result"].is_object(), "{answer} {}", front.log());
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_had_is_told() {
    let front = Front::start(apart("http", &["refuses"], "per-caller", 2)).await;
    let answer = front.answer(front.call_by("ann", "echo", json!({}))).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("no session"), "{answer}");
    let modern = front.post_modern(&call("echo", json!({}))).send().await.unwrap();
    assert_eq!(modern.status(), 502);
    front.until(|front| front.messages("session_end").iter().any(|line| line.contains("HTTP 503"))).await;
    assert_eq!(front.health().await, Some(200));
}

/// A server over HTTP that keeps no sessions cannot tell callers apart, and the log says so.
#[tokio::test]
async fn a_server_without_sessions_is_shared() {
    for flags in [&["modern"][..], &["many", "alone"]] {
        let front = Front::start(apart("http", flags, "per-caller", 2)).await;
        front.remember("ann", "a").await;
        assert_eq!(front.remember("ben", "b").await["told"], json!(["a", "b"]), "{flags:?}");
        let told = front.messages("app_sessions");
        assert!(told.len() == 1 && told[0].contains("per-caller is the same as shared"), "{told:?}");
    }
}

#[tokio::test]
async fn clients_that_go_away_leave_no_session_behind() {
    for (transport, flags) in [("stdio", &[][..]), ("http", &["many"])] {
        let mut front = Front::start(apart(transport, flags, "per-request", 4)).await;
        for _ in 0..10 {
            // Some have a session by then, some are getting one, and the rest wait.
            let mut going = vec![front.wait_by("ann").await];
            going.extend((0..7).map(|_| tokio::spawn(front.call_by("ann", "wait", json!({})).send())));
            going.push(front.wait_by("ann").await);
            going.iter().for_each(|request| request.abort());
            join_all(going).await;
            let answer = front.answer(front.call_by("ben", "echo", json!({}))).await;
            assert!(answer["result"].is_object(), "{answer}");
        }
        front.until(|front| front.children().len() == 1).await;
        assert_eq!(front.remember("ann", "a").await["told"], json!(["a"]));
        front.signal("TERM");
        assert_eq!(front.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn all_sessions_end_with_the_program() {
    for flags in [&[][..], &["stubborn"]] {
        let mut front = Front::start(apart("stdio", flags, "per-caller", 4)).await;
        let mut pids = front.children();
        for who in ["ann", "ben", "cat"] {
            pids.push(front.remember(who, "a").await["pid"].as_u64().unwrap());
        }
        let begun = Instant::now();
        front.signal("TERM");
        assert_eq!(front.ended().await.code(), Some(0));
        // Side by side: the container has no more time.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        front.until(|_| !pids.iter().any(|pid| lives(*pid))).await;
    }
}
