//! The attacks: what is tried on a server, and the refusal each must get.
//!
//! A case is the bytes of a request, so that nothing between the table and the
//! server can make it harmless. The tables are in `tokens` (bad tokens in good
//! requests), `requests` (bad requests, most with a good token) and `wire`
//! (requests that two parsers might read in two ways).
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[allow(dead_code)] // Not every test starts the plain server.
#[path = "../support/clock.rs"]
mod clock;
mod front;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod wire;
#[allow(dead_code, clippy::panic)] // It is the world of other tests.
#[path = "../front/world.rs"]
mod world;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use clock::start_with;
use gangway::Config;
use support::issuer::{Issuer, token};
use support::server::until;
use support::{list, machine_claims};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest body in these tests.
const BODY_LIMIT: usize = 16 * 1024;

/// One attack.
struct Case {
    name: String,
    request: Vec<u8>,
    /// The status of the one answer; 0 for a connection that is closed without.
    status: u16,
    /// What the answer says, in its head or body.
    says: &'static str,
    /// What must not be in the log.
    secret: String,
}

/// A request to the endpoint with these lines in its head.
fn request(head: &str, body: &str) -> Vec<u8> {
    let mut request = format!("POST /clock/mcp HTTP/1.1\r\nHost: mcp.example.com\r\n{head}").into_bytes();
    if !head.to_ascii_lowercase().contains("connection:") {
        request.extend_from_slice(b"Connection: close\r\n");
    }
    request.extend_from_slice(format!("\r\n{body}").as_bytes());
    request
}

/// What a body is, for requests that frame it themselves.
const JSON: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

/// The lines that every good request has, but for its token.
fn plain(body: &str) -> String {
    let length = body.len();
    format!("{JSON}Content-Length: {length}\r\n")
}

/// A good `tools/list` with these lines more.
fn listing(lines: &str) -> Vec<u8> {
    let body = list().to_string();
    request(&format!("{}{lines}", plain(&body)), &body)
}

/// A token that is accepted.
fn good() -> String {
    token(0, &machine_claims())
}

/// The line with that token.
fn authorized() -> String {
    format!("Authorization: Bearer {}\r\n", good())
}

/// All that comes back before the connection is closed.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has refused may close before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
    let _ = read.await.expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").map_or(0, |rest| rest[..3].parse().unwrap())
}

/// What is wrong with the answer to a case, if anything is.
fn verdict(case: &Case, answer: &str) -> Option<String> {
    let one = answer.matches("HTTP/1.1 ").count() <= 1;
    let right = status(answer) == case.status && answer.contains(case.says) && one;
    (!right).then(|| format!("{}: wanted {} {:?}, got {answer}\n", case.name, case.status, case.says))
}

/// Runs the cases, and checks the answers and that the log tells no secret.
async fn refuse_all(cases: &[Case], adjust: impl FnOnce(&mut Config)) {
    let server = start_with(Issuer::start().await, adjust).await;
    let mut wrong = Vec::new();
    for case in cases {
        wrong.extend(verdict(case, &exchange(server.address, &case.request).await));
    }
    assert!(wrong.is_empty(), "{} of {} not refused as they should be:\n{}", wrong.len(), cases.len(), wrong.concat());

    let log = server.log.text();
    for case in cases {
        assert_eq!(told(case, &log), None, "{}", case.name);
    }
    // Whoever looks for the cause finds a word for it in every line.
    for line in server.log.events("request") {
        let refused = line["status"].as_u64().is_some_and(|status| (400..500).contains(&status));
        assert_eq!(line["reason"].is_string(), refused, "{line}");
    }
    // Whatever came before, the server serves.
    let answer = exchange(server.address, &listing(&authorized())).await;
    assert_eq!(status(&answer), 200, "{answer}");
}

/// What the log tells of a secret.
fn told<'a>(case: &'a Case, log: &str) -> Option<&'a str> {
    case.secret.split('.').find(|part| part.len() >= 12 && log.contains(part))
}

/// All attacks.
fn corpus() -> Vec<Case> {
    [tokens::cases(), requests::cases(), wire::cases()].into_iter().flatten().collect()
}

/// All requests that must be taken.
fn accepted() -> Vec<(&'static str, Vec<u8>)> {
    [tokens::accepted(), requests::accepted(), wire::accepted()].concat()
}

fn small(config: &mut Config) {
    config.limits.body_bytes = BODY_LIMIT;
}

#[tokio::test]
async fn every_attack_is_refused_and_none_is_logged() {
    let cases = corpus();
    println!("attack corpus: {} cases", cases.len());
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    let mut names = HashSet::new();
    let twice: Vec<_> = cases.iter().map(|case| &case.name).filter(|name| !names.insert(*name)).collect();
    assert!(twice.is_empty(), "names that are there twice: {twice:?}");
    refuse_all(&cases, small).await;
}

#[tokio::test]
async fn what_must_be_accepted_is() {
    let server = start_with(Issuer::start().await, small).await;
    let accepted = accepted();
    println!("accepted corpus: {} cases", accepted.len());
    for (name, request) in accepted {
        let answer = exchange(server.address, &request).await;
        assert_eq!(status(&answer), 200, "{name}: {answer}");
        assert!(answer.contains("\"tools\""), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let mut request = request(&format!("{}{JSON}Content-Length: 100\r\n", authorized()), "{\"jsonrpc\"");
    request.extend_from_slice(b":");
    let case = Case { name: "slow body".to_owned(), request, status: 408, says: "\"code\":-32600", secret: good() };
    refuse_all(&[case], |config| config.limits.body_time = Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_slow_head_is_given_up() {
    let whole = listing(&authorized());
    let case =
        Case { name: "slow head".to_owned(), request: whole[..60].to_vec(), status: 0, says: "", secret: good() };
    refuse_all(&[case], |config| config.limits.head_time = Duration::from_millis(300)).await;
}

#[tokio::test]
async fn slow_bodies_do_not_keep_others_out() {
    let server = start_with(Issuer::start().await, |config| config.limits.concurrent_requests = 4).await;
    // Strangers are refused on their heads alone: their bodies hold no place.
    let mut strangers = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&request("Content-Length: 100\r\n", "{")).await.unwrap();
        strangers.push(stream);
    }
    until(|| server.log.events("request").len() == 20).await;
    let answer = exchange(server.address, &listing(&authorized())).await;
    assert_eq!(status(&answer), 200, "{answer}");
}
