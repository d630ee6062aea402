//! Game day on the local cloud, with real containers: faults are put in one after another, named, and mended.
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

use crate::support::cloud::{Cloud, SOON};
use quarterdeck::local::Fault;
use serde_json::{Value, json};

/// How long it may take until a server is healthy again.
const HEALED: &str = "90s";

/// What a condition is read from, again and again until it holds.
fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<(), Value>) -> Duration {
    let began = Instant::now();
    loop {
        match holds() {
            Ok(()) => return began.elapsed(),
            Err(seen) => assert!(began.elapsed() < limit, "not within {limit:?}: {what}: {seen:#}"),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The causes that `why` names, with their subjects, and all that it says.
fn causes(cloud: &Cloud) -> (Vec<Value>, Value) {
    let done = cloud.run(&["--local", "why", "--output", "json"]);
    let told: Value =
        serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}{}", done.out, done.err));
    let subjects = told["subjects"].as_array().expect("a list").iter().filter(|one| !one["cause"].is_null());
    let cause =
        |one: &Value| json!({ "server": one["server"], "id": one["cause"]["id"], "gravity": one["cause"]["gravity"] });
    (subjects.map(cause).collect(), told)
}

/// Waits until nothing is wrong: on a busy machine the emulator may leave a call unanswered, which is told while it lasts.
fn until_nothing_is_wrong(cloud: &Cloud) {
    until("nothing is wrong", SOON, || match causes(cloud) {
        (all, _) if all.is_empty() => Ok(()),
        (_, told) => Err(told),
    });
}

fn broken(cloud: &Cloud) -> Vec<String> {
    let status = cloud.status();
    let all = status["broken"].as_array().expect("a list").clone();
    all.iter().map(|one| one["fault"].as_str().expect("a name").to_owned()).collect()
}

#[test]
#[ignore = "starts the local cloud with containers"]
fn what_is_broken_is_named_within_half_a_minute_and_mended() {
    let cloud = Cloud::new();
    let began = Instant::now();
    cloud.text(&["local", "up"]);
    eprintln!("{:>6.1} s  up", began.elapsed().as_secs_f64());
    until_nothing_is_wrong(&cloud);

    for (fault, server) in [
        (Fault::SecretKey, "time"),
        (Fault::ImageTag, "weather"),
        (Fault::StackStuck, "gameday"),
        (Fault::Exit, "time"),
    ] {
        let id = fault.cause();
        let word = fault.word();
        let args =
            if server == "gameday" { vec!["local", "break", word] } else { vec!["local", "break", word, server] };
        cloud.text(&args);
        assert_eq!(broken(&cloud), [word]);
        let expected = json!({ "server": server, "id": id.word(), "gravity": "fault" });
        let took = until(word, SOON, || {
            let (all, told) = causes(&cloud);
            if all.contains(&expected) { Ok(()) } else { Err(told) }
        });
        // What is broken already is not broken once more.
        let again = cloud.run(&args);
        assert!(again.code == Some(1) && again.err.contains("is broken by"), "{}{}", again.out, again.err);
        cloud.text(&["local", "mend", word]);
        assert_eq!(broken(&cloud), Vec::<String>::new());
        let mended = Instant::now();
        cloud.text(&["--local", "status", "--wait", HEALED]);
        // What stopped before is told, and is no cause any more.
        until_nothing_is_wrong(&cloud);
        let healed = mended.elapsed().as_secs_f64();
        eprintln!(
            "{:>6.1} s  {word} named as {}; healthy {healed:.1} s after it was mended",
            took.as_secs_f64(),
            id.word()
        );
    }
    wrong_calls_are_told_apart(&cloud);
    eprintln!("{:>6.1} s  all", began.elapsed().as_secs_f64());
}

/// Each of another server, so that the requests of the one before do not count.
fn wrong_calls_are_told_apart(cloud: &Cloud) {
    for (fault, server) in [(Fault::IdToken, "time"), (Fault::OtherToken, "weather")] {
        let id = fault.cause();
        cloud.text(&["local", "break", fault.word(), server]);
        let took = until(fault.word(), SOON, || {
            let (_, told) = causes(cloud);
            let of_server = |one: &&Value| one["server"] == server;
            let all =
                told["subjects"].as_array().unwrap().iter().find(of_server).map(Value::to_string).unwrap_or_default();
            if all.contains(&format!("\"{}\"", id.word())) { Ok(()) } else { Err(told) }
        });
        eprintln!("{:>6.1} s  {} named as {}", took.as_secs_f64(), fault.word(), id.word());
        assert!(cloud.state().join(format!("fault-{}.log", fault.word())).exists());
        cloud.text(&["local", "mend"]);
    }
    assert_eq!(broken(cloud), Vec::<String>::new());
    let elsewhere = cloud.run(&["--endpoint-url", "http://127.0.0.1:1", "local", "break", "exit"]);
    assert!(elsewhere.code == Some(2) && elsewhere.err.contains("another place"), "{}", elsewhere.err);
}
