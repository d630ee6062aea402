//! Two clients on the local cloud, with real containers: one is kept out and refused within 15 s, the other goes on; it is
//! let in again, and comes in by itself when its time is over.
//!
//! Needs python3 with its venv module, and a container engine. `make e2e` runs it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step is a failed test, and it takes time"
)]

use std::time::{Duration, Instant};

use crate::support::cloud::{Cloud, SOON, block_on};
use serde_json::{Value, json};

/// What is promised.
const REACH: Duration = Duration::from_secs(15);
const ONE: &str = "local-time-machine";
const OTHER: &str = "local-units-machine";

/// Asks a server for its tools; the status and the body.
fn ask(url: &str, token: &str) -> (u16, String) {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let http = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let request = http.post(url).bearer_auth(token).body(message.to_string());
    let request = request.header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream");
    block_on(async {
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    })
}

/// How long it takes until a client gets this status, while the other one is served all the time.
fn until(limit: Duration, wanted: u16, one: &dyn Fn() -> (u16, String), other: &dyn Fn() -> (u16, String)) -> Duration {
    let began = Instant::now();
    loop {
        let (status, body) = other();
        assert_eq!(status, 200, "the other client: {body}");
        let (status, body) = one();
        if status == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < limit, "still {status} after {limit:?}: {body}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "starts the local cloud with containers"]
fn a_client_is_kept_out_within_15_seconds_and_the_other_goes_on() {
    let cloud = Cloud::new();
    cloud.text(&["local", "up"]);
    cloud.text(&["--local", "status", "--wait", "90s"]);
    let began = Instant::now();
    let endpoint = cloud.status()["emulator"]["endpoint"].as_str().expect("an endpoint").to_owned();
    let (time, units) = (cloud.token(ONE), cloud.token(OTHER));
    let url = |server: &str| format!("{endpoint}/_alb/quarterdeck-local/{server}/mcp");
    let (one, other) = (|| ask(&url("time"), &time), || ask(&url("units"), &units));
    assert_eq!((one().0, other().0), (200, 200));

    let add = ["--local", "quarantine", "add", "--client", ONE, "--for", "20m", "--yes"];
    let done = cloud.run(&add).with_code(0, &add);
    assert!(!done.err.contains("do not read the list"), "{}", done.err);
    let took = until(REACH, 403, &one, &other);
    eprintln!("{:>6.1} s  refused", took.as_secs_f64());
    let (_, body) = one();
    assert!(body.contains("this caller is not served") && !body.contains("quarantine"), "{body}");
    let list = cloud.json(&["--local", "quarantine", "list", "--output", "json"]);
    assert_eq!(list["entries"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["entries"][0]["who"]["name"], cloud.clients(ONE)[0].as_str(), "{list}");

    // A server behind gangway is no exception; a machine is its own subject.
    let id = cloud.clients(OTHER).remove(0);
    let lift = ["--local", "quarantine", "lift", "--client", ONE, "--yes"];
    cloud.run(&lift).with_code(0, &lift);
    let took = until(REACH, 200, &one, &other);
    eprintln!("{:>6.1} s  let in again", took.as_secs_f64());
    let add = ["--local", "quarantine", "add", "--client", &id, "--for", "20s", "--yes"];
    cloud.run(&add).with_code(0, &add);
    let took = until(REACH, 403, &other, &one);
    eprintln!("{:>6.1} s  a server behind gangway", took.as_secs_f64());
    let took = until(Duration::from_secs(30), 200, &other, &one);
    eprintln!("{:>6.1} s  its time was over", took.as_secs_f64());

    let why = cloud.text(&["--local", "requests", "--by", "why", "--output", "json"]);
    let why: Value = serde_json::from_str(&why).unwrap_or_else(|error| panic!("{error}: {why}"));
    assert!(why.to_string().contains("\"quarantine\""), "{why:#}");
    let audit = cloud.text(&["--local", "audit", "--output", "json"]);
    assert!(audit.contains("\"lift-quarantine\"") || audit.contains("lift the quarantine"), "{audit}");
    eprintln!("{:>6.1} s  all", began.elapsed().as_secs_f64());
}
