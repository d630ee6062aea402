//! Public servers, as they are published, unchanged. `make public` installs them and runs this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::public::{Public, all, folder};
use crate::support::server::header;
use crate::support::{RESOURCE, machine_claims, with};
use crate::world::{Front, call, last, seen};

/// Clients that call without a pause while the server is killed.
const CALLERS: usize = 8;
/// Their answers before it is killed, and after.
const ENOUGH: usize = 40;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers: make public"]
async fn public_servers_are_served_unchanged_in_both_eras() {
    for public in all(&folder()) {
        let begun = Instant::now();
        let front = Front::launch(public.app.clone(), |command| {
            command.env("GANGWAY_MAX_BODY_BYTES", "16384");
        })
        .await;
        front.ready().await;
        let ready = begun.elapsed();
        let up = front.up().await;
        strangers_are_refused(&public, &front).await;
        let session = of_the_earlier_era(&public, &front).await;
        let stateless = of_the_later_era(&public, &front).await;
        assert_eq!(session, stateless, "{}: both eras see the same tools", public.name);
        let (answered, lost, back) = it_is_killed_under_load(&public, &front).await;
        println!(
            "{:<26} {up}; ready after {:.1} s; {session} tools; killed under load: {answered} answers, {lost} told \
             that it ended, up again after {:.1} s",
            public.name,
            ready.as_secs_f64(),
            back.as_secs_f64(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers: make public"]
async fn public_servers_give_callers_and_requests_sessions_of_their_own() {
    for mut public in all(&folder()) {
        let over_http = public.app["transport"] == "http";
        for sessions in ["per-caller", "per-request"] {
            (public.app["sessions"], public.app["processes"]) = (sessions.into(), 2.into());
            let front = Front::launch(public.app.clone(), |_| {}).await;
            front.ready().await;
            let name = format!("{}, {sessions}", public.name);
            let main = front.children();
            let begun = Instant::now();
            // More callers than there may be sessions.
            for who in ["ann", "ben", "cat"] {
                let claims = json!({ "sub": who, "scope": format!("{RESOURCE}/read {RESOURCE}/write") });
                let (tool, arguments, words) = &public.call;
                let request = front.post_with(&with(machine_claims(), claims), &call(tool, arguments.clone()));
                let answer = front.answer(request).await;
                let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
                assert!(text.contains(words), "{name}: {answer} {}", front.log());
            }
            println!("{name:<39} {} ms a session", begun.elapsed().as_millis() / 3);
            let left = if over_http || sessions == "per-request" { 1 } else { 3 };
            front.until(|front| front.children().len() == left).await;
            assert!(main.iter().all(|pid| front.children().contains(pid)), "{name}: the first one goes on");
            for event in ["session_end", "app_end"] {
                assert!(front.messages(event).is_empty(), "{name}: {}", front.log());
            }
            let kept = front.messages("app_sessions").is_empty();
            assert!(kept || over_http, "{name}: processes are told apart, whatever the server keeps");
        }
    }
}

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} })
}

/// Without a token, from another page, with a body that is too large.
async fn strangers_are_refused(public: &Public, front: &Front) {
    let name = public.name;
    let refused = front.http.post(front.url()).body(list().to_string()).send().await.unwrap();
    let challenge = header(&refused, "www-authenticate");
    assert_eq!(refused.status(), 401, "{name}");
    assert!(challenge.contains("resource_metadata=") && challenge.contains("/clock/mcp"), "{name}: {challenge}");
    let elsewhere = front.post(&list()).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(elsewhere.status(), 403, "{name}");
    let mut large = list();
    large["params"]["x"] = "x".repeat(20_000).into();
    assert_eq!(front.post(&large).send().await.unwrap().status(), 413, "{name}");
}

/// A client that opens with `initialize`. Returns the number of tools.
async fn of_the_earlier_era(public: &Public, front: &Front) -> usize {
    let name = public.name;
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let response = front.post(&initialize).send().await.unwrap();
    assert_eq!(header(&response, "mcp-session-id"), "", "{name}: any copy can answer");
    let (status, answer) = seen(response).await;
    assert_eq!((status, &answer["result"]["protocolVersion"]), (200, &json!("2025-06-18")), "{name}: {answer}");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(front.post(&ready).send().await.unwrap().status(), 202, "{name}");
    let tools = tools(front, name, false).await;
    calls(public, front, &tools, false).await;
    tools.len()
}

/// A client whose requests stand alone. Returns the number of tools.
async fn of_the_later_era(public: &Public, front: &Front) -> usize {
    let discover = json!({ "jsonrpc": "2.0", "id": 2, "method": "server/discover" });
    let (status, found) = seen(front.post_modern(&discover).send().await.unwrap()).await;
    let versions =
        found["result"]["supportedVersions"].as_array().unwrap_or_else(|| panic!("{}: {found}", public.name));
    assert!(status == 200 && versions.contains(&json!(crate::world::MODERN)), "{}: {found}", public.name);
    let tools = tools(front, public.name, true).await;
    calls(public, front, &tools, true).await;
    tools.len()
}

async fn tools(front: &Front, name: &str, later: bool) -> Vec<Value> {
    let request = if later { front.post_modern(&list()) } else { front.post(&list()) };
    let listed = front.answer(request).await;
    listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{name}: {listed}")).clone()
}

/// With `read` alone it is called only if it says that it reads.
async fn calls(public: &Public, front: &Front, tools: &[Value], later: bool) {
    let (name, (tool, arguments, words)) = (public.name, &public.call);
    let listed = tools.iter().find(|one| one["name"] == *tool).unwrap_or_else(|| panic!("{name}: {tools:?}"));
    let reads = listed["annotations"]["readOnlyHint"] == true;
    let message = call(tool, arguments.clone());
    let send = async |scopes: &[&str]| {
        let request = if later { front.post_modern_as(scopes, &message) } else { front.post_as(scopes, &message) };
        request.send().await.unwrap()
    };
    let with_read = send(&["read"]).await;
    assert_eq!(with_read.status(), if reads { 200 } else { 403 }, "{name}: {listed}");
    if !reads {
        let challenge = header(&with_read, "www-authenticate");
        assert!(challenge.contains("insufficient_scope") && challenge.contains("/write"), "{name}: {challenge}");
    }
    let answer = last(&send(&["read", "write"]).await.text().await.unwrap());
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(text.contains(words), "{name}: {answer}");
}

/// kill -9 of the server while clients call. Each call has an answer, whatever happens, and they go on afterwards.
/// Returns how many were answered and how many were told that the server ended, and how long it was away.
async fn it_is_killed_under_load(public: &Public, front: &Front) -> (usize, usize, std::time::Duration) {
    let (answered, lost, stop) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (tool, arguments, words) = &public.call;
    let callers = (0..CALLERS).map(|nth| {
        let (answered, lost, stop) = (answered.clone(), lost.clone(), stop.clone());
        let message = call(tool, arguments.clone());
        let later = nth % 2 == 0;
        let scopes = ["read", "write"];
        let request = if later { front.post_modern_as(&scopes, &message) } else { front.post_as(&scopes, &message) };
        async move {
            while !stop.load(Ordering::Relaxed) {
                let (status, answer) = seen(request.try_clone().unwrap().send().await.unwrap()).await;
                let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
                match (status, &answer["error"]["code"]) {
                    (200, _) if text.contains(words) => answered.fetch_add(1, Ordering::Relaxed),
                    (503, _) => 0,
                    (200 | 502, code) if *code == -32603 => lost.fetch_add(1, Ordering::Relaxed),
                    _ => panic!("{status}: {answer}"),
                };
                tokio::task::yield_now().await;
            }
        }
    });
    let killed = async {
        let count = |wanted: usize| {
            let answered = answered.clone();
            async move { front.until(|_| answered.load(Ordering::Relaxed) >= wanted).await }
        };
        count(ENOUGH).await;
        let before = front.children();
        assert!(!before.is_empty(), "{}", public.name);
        for pid in &before {
            std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        }
        let since = Instant::now();
        front.until(|front| front.messages("app_end").iter().any(|line| line.contains("signal 9"))).await;
        front.ready().await;
        let away = since.elapsed();
        count(answered.load(Ordering::Relaxed) + ENOUGH).await;
        let after = front.children();
        assert!(!after.is_empty() && !after.iter().any(|pid| before.contains(pid)), "{}", public.name);
        stop.store(true, Ordering::Relaxed);
        away
    };
    let (_, away) = tokio::join!(join_all(callers), killed);
    (answered.load(Ordering::Relaxed), lost.load(Ordering::Relaxed), away)
}
