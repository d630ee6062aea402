//! Hostile bodies cost a bounded amount of memory. Alone in its process: it measures the process.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.
#![cfg(target_os = "linux")]

#[path = "support/clock.rs"]
#[allow(dead_code)] // Not all of what the tests share.
mod clock;
mod support;

use std::sync::Arc;
use std::time::Duration;

use clock::start_with;
use support::issuer::{Issuer, token};
use support::machine_claims;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The memory of the smallest task (AWS Fargate: 256 CPU units with 512 MiB), in MiB.
const TASK: u64 = 512;
/// What of it these attacks may take at most, in MiB.
const ALLOWED: u64 = TASK / 2;

/// The most memory that this process has had so far, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// So many bytes of `part`, as the arguments of a tool.
fn arguments(open: &str, part: &str, close: &str, bytes: usize) -> String {
    let head = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tick","arguments":{"a":"#;
    let room = bytes.saturating_sub(head.len() + open.len() + close.len() + 3);
    format!("{head}{open}{}{close}}}}}}}", part.repeat(room / part.len()))
}

/// Sends all of a body but the last `withheld` bytes; the status, if there is one.
async fn send(address: std::net::SocketAddr, head: &str, body: &str, withheld: usize) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let text = format!("{head}content-length: {}\r\n\r\n", body.len());
    stream.write_all(text.as_bytes()).await.ok()?;
    let _ = stream.write_all(&body.as_bytes()[..body.len() - withheld]).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.ok()?;
    std::str::from_utf8(&answer[9..12]).ok()?.parse().ok()
}

#[tokio::test]
async fn hostile_bodies_stay_within_the_memory_of_a_task() {
    let short = |config: &mut gangway::Config| config.limits.body_time = Duration::from_secs(2);
    let server = start_with(Issuer::start().await, short).await;
    let head: Arc<str> = format!(
        "POST /clock/mcp HTTP/1.1\r\nhost: mcp.example.com\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\nconnection: close\r\n",
        token(0, &machine_claims())
    )
    .into();
    let limit = gangway::Limits::default().body_bytes;
    let before = peak();
    let attacks = [
        arguments("[", r#"{"":0},"#, "0]", limit),
        arguments("[", "[],", "0]", limit),
        arguments("[", "0,", "0]", limit),
        arguments("{", r#""":{},"#, r#""":0}"#, limit),
        arguments("", "[", "", limit),
        arguments("\"", "\\u0000", "\"", limit),
        // As many values as are let through, each of them dear.
        arguments("[", r#"{"":0},"#, "0]", 56_000),
        arguments("[", "1.5,", "0]", 64_000),
    ];
    let mut answered = 0;
    for body in attacks {
        let body: Arc<str> = body.into();
        for _ in 0..3 {
            let sent = (0..128).map(|_| {
                let (head, body) = (head.clone(), body.clone());
                tokio::spawn(async move { send(server.address, &head, &body, 0).await })
            });
            for sent in sent.collect::<Vec<_>>() {
                let status = sent.await.unwrap();
                assert!(status.is_none_or(|status| matches!(status, 200 | 400 | 413 | 503)), "{status:?}");
                answered += u32::from(status.is_some());
            }
        }
    }
    assert!(answered > 2_000, "only {answered} were answered at all");
    // Bodies that never end.
    let plain: Arc<str> = arguments("\"", "a", "\"", limit).into();
    let open: Vec<_> = (0..300)
        .map(|_| {
            let (head, body) = (head.clone(), plain.clone());
            tokio::spawn(async move { send(server.address, &head, &body, 1).await })
        })
        .collect();
    for sent in open {
        assert!(matches!(sent.await.unwrap(), Some(408 | 503) | None));
    }
    let taken = peak() - before;
    println!("the attacks took {taken} MiB of {TASK} MiB");
    assert!(taken < ALLOWED, "{taken} MiB");
    // It serves as before.
    assert_eq!(server.post_authorized(&support::list()).send().await.unwrap().status(), 200);
}
