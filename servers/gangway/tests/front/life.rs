//! How it starts and ends, and what it leaves behind.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::world::{Front, call, child, descriptors, lives, memory, with_files};

#[tokio::test]
async fn nothing_that_a_server_started_outlives_it() {
    for transport in ["http", "stdio"] {
        let mut front = Front::start(child(transport, &[])).await;
        // Three generations.
        let fork = async |front: &Front| {
            let all: Vec<u64> = serde_json::from_value(front.call("fork", json!({})).await).unwrap();
            assert!(all.len() == 3 && all.iter().all(|pid| lives(*pid)), "{all:?}");
            all
        };
        let first = fork(&front).await;
        front.answer(front.post(&call("die", json!({})))).await;
        front.until(|_| !first.iter().any(|pid| lives(*pid))).await;
        front.ready().await;
        let second = fork(&front).await;
        let pid = front.call("echo", json!({})).await["pid"].as_u64().unwrap();
        front.signal("TERM");
        assert_eq!(front.ended().await.code(), Some(0));
        front.until(|_| !second.iter().any(|pid| lives(*pid)) && !lives(pid)).await;
        if transport == "stdio" {
            assert!(front.messages("app").contains(&"standard input ended".to_owned()), "it was asked first");
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_want_to_end_is_killed() {
    for transport in ["http", "stdio"] {
        let mut front = Front::start(child(transport, &["stubborn"])).await;
        let pid = front.call("echo", json!({})).await["pid"].as_u64().unwrap();
        let begun = Instant::now();
        front.signal("TERM");
        assert_eq!(front.ended().await.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        front.until(|_| !lives(pid)).await;
    }
}

#[tokio::test]
async fn a_request_in_flight_ends_before_the_server_does() {
    for transport in ["http", "stdio"] {
        let mut app = child(transport, &[]);
        app["request_seconds"] = 2.into();
        let mut front = Front::start(app).await;
        let waiting = tokio::spawn(front.post(&call("wait", json!({}))).send());
        front.says("waiting").await;
        front.signal("TERM");
        // It has its time, and the server is told that it is up.
        assert_eq!(waiting.await.unwrap().unwrap().status(), 504);
        assert_eq!(front.ended().await.code(), Some(0));
        assert_eq!(front.messages("stop"), ["drained"]);
    }
}

#[tokio::test]
async fn a_thousand_clients_that_go_away_leave_nothing() {
    for (transport, flags) in [("http", &[][..]), ("http", &["modern"]), ("stdio", &[]), ("stdio", &["modern"])] {
        let app = child(transport, flags);
        // With so few files, one that is left open for each client would end it.
        let front = Front::launch(app, with_files(80)).await;
        front.ready().await;
        // What it takes to serve so many at a time, it may keep.
        go_away(&front).await;
        let before = front.call("seen", json!({})).await;
        let (pid, what) = (front.process.id(), format!("{transport} {flags:?}"));
        let (files, held) = (descriptors(pid), memory(pid, "VmRSS:"));
        for _ in 1..50 {
            go_away(&front).await;
        }
        front.ready().await;
        front.until(|_| descriptors(pid) <= files).await;
        let grown = memory(pid, "VmRSS:") - held;
        // Half a megabyte to two, as the allocator likes: 4 KiB for each would be more.
        assert!(grown < 4.0, "{what}: {grown} MiB");
        let after = front.call("seen", json!({})).await;
        assert_eq!((&before["pid"], front.messages("app_end").len()), (&after["pid"], 0));
        let processes = processes_of(front.process.id());
        assert_eq!(processes, 1, "{what}");
        let threads = |seen: &serde_json::Value| seen["threads"].as_u64().unwrap();
        assert!(threads(&after) <= threads(&before) + 20, "{what}: the server works on: {after}");
        // Of each twenty some have come so far, however slow the machine is.
        assert!(after["state"]["calls"].as_u64().unwrap() > 100, "{after}");
    }
}

/// Twenty clients that go away while others are answered.
async fn go_away(front: &Front) {
    let waiting: Vec<_> = (0..20).map(|_| tokio::spawn(front.post(&call("wait", json!({}))).send())).collect();
    // Some are worked on by then, and some are not. Who stays is answered.
    let answer = front.answer(front.post(&call("echo", json!({})))).await;
    assert!(answer["result"].is_object(), "{answer}");
    waiting.iter().for_each(|request| request.abort());
    join_all(waiting).await;
}

/// The children of a process, corpses included.
fn processes_of(pid: u32) -> usize {
    let children = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(pid)
    });
    children.count()
}

#[test]
fn the_program_installs_itself() {
    let folder = std::env::temp_dir().join(format!("gangway-install-{}", std::process::id()));
    let writable = folder.join("writable");
    std::fs::create_dir_all(&writable).unwrap();
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_gangway")).args(arguments).output().unwrap();
    let done = run(&["install", folder.to_str().unwrap(), writable.to_str().unwrap()]);
    assert!(done.status.success(), "{done:?}");
    let installed = folder.join("gangway");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&installed), mode(&writable)), (0o755, 0o1777));
    assert_eq!(std::fs::read(&installed).unwrap(), std::fs::read(env!("CARGO_BIN_EXE_gangway")).unwrap());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "nothing else is left");
    assert!(!run(&["install", folder.join("no").to_str().unwrap()]).status.success());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_wrong_setting_ends_it_with_the_key() {
    let cases = [
        (json!({ "transport": "stdio", "comand": ["x"] }), "comand"),
        (json!({ "transport": "stdio", "command": ["x"], "sessions": "mine" }), "per-caller"),
        (json!({ "transport": "stdio" }), "command"),
    ];
    for (app, key) in cases {
        let mut said = String::new();
        let mut front = Front::launch(app, |command| {
            command.stderr(std::process::Stdio::piped());
        })
        .await;
        assert_eq!(front.ended().await.code(), Some(2), "{key}");
        std::io::Read::read_to_string(front.process.stderr.as_mut().unwrap(), &mut said).unwrap();
        assert!(said.starts_with("GANGWAY_APP: ") && said.contains(key), "{said}");
    }
    let usage = Command::new(env!("CARGO_BIN_EXE_gangway")).arg("walk").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}
