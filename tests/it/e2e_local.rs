//! Everything together, once: the console in a pseudo-terminal on the local cloud, with real containers.
//!
//! Needs python3 with its venv module, and a container engine. `make e2e` runs it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step is a failed test, and it takes time"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::cloud::{Cloud, SOON, block_on};
use crate::support::pty::Console;
use serde_json::{Value, json};

/// The first start compiles the images of the servers.
const START: Duration = Duration::from_secs(15 * 60);
/// How long an operation may take.
const OPERATION: Duration = Duration::from_secs(3 * 60);
const DESTROY: Duration = Duration::from_secs(5 * 60);

const MODERN: &str = "2026-07-28";
const TIME: &str = "local-time-machine";
const WEATHER: &str = "local-weather-machine";
/// Of a server that knows nothing of gangway.
const UNITS: &str = "local-units-machine";

/// Calls a tool as a client of the stateless protocol does, and returns status and body.
fn call(server_url: &str, token: &str, tool: &str, arguments: &Value, request_id: &str) -> (u16, String) {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": tool, "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": { "name": "e2e", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let http = reqwest::Client::builder().no_proxy().timeout(SOON).build().expect("a client");
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
        ("x-request-id", request_id),
    ];
    let request = http.post(server_url).bearer_auth(token).body(message.to_string());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    block_on(async {
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    })
}

/// The words of a server's row on the Fleet screen, after its name.
fn server<'a>(screen: &'a str, name: &str) -> Option<Vec<&'a str>> {
    if !screen.contains("[Fleet]") || !screen.contains("servers  ") {
        return None;
    }
    let words = |line: &'a str| line.split_whitespace().filter(|word| *word != "▸").collect::<Vec<_>>();
    screen.lines().map(words).find(|words| words.first() == Some(&name)).map(|words| words[1..].to_vec())
}

/// Whether the screen shows a server with this count of tasks, all of them healthy.
fn runs(screen: &str, name: &str, tasks: &str) -> bool {
    server(screen, name).is_some_and(|row| row.get(2) == Some(&tasks) && row.get(3) == Some(&tasks))
}

fn healthy(screen: &str, name: &str, tasks: &str) -> bool {
    runs(screen, name, tasks) && server(screen, name).is_some_and(|row| row[1] == "healthy")
}

/// The row that is selected.
pub fn selected(screen: &str) -> &str {
    screen.lines().find(|line| line.trim_start().starts_with('▸')).unwrap_or_default()
}

/// Shows the Fleet screen with this server selected.
fn select_server(console: &mut Console, name: &str) {
    console.press("1");
    console.wait("the Fleet screen", SOON, |screen| server(screen, name).is_some());
    console.press("g");
    console.press_until("j", &format!("{name} to be selected"), SOON, |screen| {
        selected(screen).contains(&format!("▸ {name} "))
    });
}

/// Prints how long a step took.
struct Clock(Instant);

impl Clock {
    fn step(&mut self, name: &str) {
        eprintln!("{:>6.1} s  {name}", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

#[test]
#[ignore = "starts the local cloud with containers"]
fn the_console_operates_the_local_cloud() {
    let cloud = Cloud::new();
    let mut clock = Clock(Instant::now());
    let mut console = cloud.console(&["--local"]);

    it_starts(&cloud, &mut console);
    clock.step("start");
    a_call_is_seen_in_the_log(&cloud, &mut console);
    clock.step("call and its log line");
    a_server_that_knows_nothing_of_gangway_is_called_and_its_requests_are_seen(&cloud, &mut console);
    clock.step("the server behind gangway");
    a_server_is_scaled(&cloud, &mut console);
    clock.step("scale 1 -> 3");
    a_killed_task_is_explained_and_replaced(&cloud, &mut console);
    clock.step("kill and replacement");
    a_client_is_rotated_headless(&cloud);
    clock.step("rotation, headless");
    a_client_is_rotated_in_the_console(&cloud, &mut console);
    clock.step("rotation, console");
    a_deploy_of_the_same_does_nothing(&mut console);
    clock.step("deploy again");
    a_killed_operation_is_resumed(&cloud, &mut clock);
    clock.step("end of the second console");
    everything_is_destroyed(&cloud, &mut console);
    clock.step("destroy");
    nothing_is_left(&cloud, &mut console);
    clock.step("quit");
}

fn it_starts(cloud: &Cloud, console: &mut Console) {
    console.wait("three servers healthy", START, |screen| {
        ["time", "weather", "units"].iter().all(|name| healthy(screen, name, "1/1"))
    });
    console.assert_taken();
    for server in ["time", "weather", "units"] {
        cloud.wait_for_containers(server, 1);
    }
}

/// Where a server answers.
fn url(cloud: &Cloud, server: &str) -> String {
    let status = cloud.status();
    let endpoint = status["emulator"]["endpoint"].as_str().expect("an endpoint");
    format!("{endpoint}/_alb/quarterdeck-local/{server}/mcp")
}

fn assert_accepted(cloud: &Cloud, token: &str, request_id: &str) {
    let (status, body) =
        call(&url(cloud, "time"), token, "get_current_time", &json!({ "timezone": "Asia/Tokyo" }), request_id);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("Asia/Tokyo") && !body.contains("\"isError\":true"), "{body}");
}

fn a_call_is_seen_in_the_log(cloud: &Cloud, console: &mut Console) {
    assert_accepted(cloud, &cloud.token(TIME), "e2e-first-call");
    let (status, _) = call(&url(cloud, "time"), "no.such.token", "get_current_time", &json!({}), "e2e-refused");
    assert_eq!(status, 401);
    // The token for one server is refused by another.
    let (status, body) =
        call(&url(cloud, "weather"), &cloud.token(TIME), "get_alerts", &json!({ "state": "CA" }), "e2e-other");
    assert!(matches!(status, 401 | 403), "{status}: {body}");

    select_server(console, "time");
    console.press("l");
    console.wait("the log", SOON, |screen| screen.contains("[Logs]") && screen.contains("logs of time"));
    console.press("/e2e-first-call\r");
    let screen = console.wait("the call's line", SOON, |screen| {
        screen.lines().any(|line| line.contains("tools/call") && line.contains("request_id=e2e-first-call"))
    });
    let line = screen.lines().find(|line| line.contains("request_id=e2e-first-call")).unwrap_or_default();
    assert!(line.contains("get_current_time") && line.contains(" 200 "), "{line}");
}

fn a_server_that_knows_nothing_of_gangway_is_called_and_its_requests_are_seen(cloud: &Cloud, console: &mut Console) {
    let (url, arguments) = (url(cloud, "units"), json!({ "value": 1, "from": "mile", "to": "metre" }));
    let (status, body) = call(&url, &cloud.token(UNITS), "convert_units", &arguments, "e2e-units");
    assert!(status == 200 && body.contains("1609.34 metre"), "{status}: {body}");
    let (status, body) = call(&url, "no.such.token", "convert_units", &arguments, "e2e-units-refused");
    assert_eq!(status, 401, "{body}");
    let (status, body) = call(&url, &cloud.token(TIME), "convert_units", &arguments, "e2e-units-other");
    assert!(matches!(status, 401 | 403), "{status}: {body}");
    // What this and the console's own traffic have asked.
    console.press("m");
    console.wait("the requests of the server", SOON, |screen| {
        let row = |tool| screen.lines().any(|line| line.contains("units") && line.contains(tool));
        screen.contains("[Requests]") && row("convert_units") && row("list_units")
    });
    console.press("1");
}

fn a_server_is_scaled(cloud: &Cloud, console: &mut Console) {
    select_server(console, "time");
    console.press("S");
    console.wait_for("scale time", SOON);
    console.press("3\r");
    let plan = console.wait_for("do it?", SOON);
    assert!(plan.lines().any(|line| line.contains("desired count") && line.contains("1 → 3")), "{plan}");
    assert_eq!(cloud.desired("time"), 1, "a plan changes nothing");
    assert_eq!(cloud.audit("scale time"), Vec::<Value>::new());

    console.press("y");
    console.wait_for("done and verified", OPERATION);
    console.press("\x1b");
    console.wait("three tasks", OPERATION, |screen| healthy(screen, "time", "3/3"));
    cloud.wait_for_containers("time", 3);
    let audit = cloud.audit("scale time");
    assert!(audit.len() >= 2, "{audit:?}");
}

fn a_killed_task_is_explained_and_replaced(cloud: &Cloud, console: &mut Console) {
    let before = cloud.containers("time");
    cloud.kill_container(&before[0]);
    select_server(console, "time");
    console.press("\r");
    console.wait("the stopped task and why", OPERATION, |screen| {
        screen.contains("tasks of time") && screen.lines().any(|line| line.contains("stopped") && line.contains("137"))
    });
    console.press("\x1b");
    console.wait("the replacement", OPERATION, |screen| runs(screen, "time", "3/3"));
    let after = cloud.wait_for_containers("time", 3);
    assert!(!after.contains(&before[0]), "{before:?} {after:?}");
}

fn a_client_is_rotated_headless(cloud: &Cloud) {
    let old = cloud.clients(TIME);
    assert_eq!(old.len(), 1, "{old:?}");
    let done = cloud.json(&["--local", "clients", "rotate", TIME, "--grace", "0s", "--yes", "--output", "json"]);
    assert_eq!(done["result"], "done", "{done}");
    let new = cloud.clients(TIME);
    assert_eq!(new.len(), 1, "{new:?}");
    assert_ne!(old, new);
    assert_accepted(cloud, &cloud.token(TIME), "e2e-rotated");
}

fn a_client_is_rotated_in_the_console(cloud: &Cloud, console: &mut Console) {
    let old = cloud.clients(WEATHER);
    assert_eq!(old.len(), 1, "{old:?}");
    console.press("4");
    console.wait("the clients", SOON, |screen| screen.contains("[Clients]") && screen.contains(WEATHER));
    console.press("g");
    console.press_until("j", "the weather client to be selected", SOON, |screen| selected(screen).contains(WEATHER));
    console.press("O");
    console.wait_for("do it?", SOON);
    console.press("y");
    console.wait_for("the old and the new credentials both work", OPERATION);
    let both = cloud.clients(WEATHER);
    assert!(both.len() == 2 && both.contains(&old[0]), "{old:?} {both:?}");
    console.press("F");
    console.wait_for("the rest of the grace period is waived", SOON);
    console.press("y");
    console.wait_for("done and verified", OPERATION);
    console.press("\x1b");
    let new = cloud.clients(WEATHER);
    assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
    let arguments = json!({ "state": "CA" });
    let (status, body) = call(&url(cloud, "weather"), &cloud.token(WEATHER), "get_alerts", &arguments, "e2e-weather");
    assert_eq!(status, 200, "{body}");
}

fn a_deploy_of_the_same_does_nothing(console: &mut Console) {
    console.press("3");
    console
        .wait("the stacks", SOON, |screen| screen.contains("[Stack]") && screen.contains("quarterdeck-local-platform"));
    // More tasks run than the file asks for. That is somebody's decision, and stays, and is told.
    console.press("D");
    console.wait_for("nothing to do", OPERATION);
    console.wait_for("it is to run 3 tasks, its stack says 1", SOON);
    console.press("\x1b");
}

fn a_killed_operation_is_resumed(cloud: &Cloud, clock: &mut Clock) {
    let desired = interrupted_scale(cloud);
    clock.step("kill -9 of a scaling");
    // Another console has started the local cloud: this one finds it, and does not stop it when it ends.
    let mut second = cloud.console(&["--local"]);
    second.wait("the Fleet screen", START, |screen| server(screen, "weather").is_some());
    second.wait_for("1 paused", SOON);
    clock.step("start of a second console");
    second.press("o");
    second.wait("the unfinished operation", SOON, |screen| {
        screen.contains("operations  1") && screen.contains("scale weather")
    });
    second.press("\r");
    second.wait_for("the process ended before the operation did", SOON);
    second.press("R");
    second.wait_for("it can go on", SOON);
    second.press("y");
    second.wait_for("done and verified", OPERATION);
    second.press("\x1b");
    second.wait("the promised tasks", OPERATION, |screen| runs(screen, "weather", &format!("{desired}/{desired}")));
    assert_eq!(cloud.desired("weather"), desired);
    clock.step("resumption");
    second.press("q");
    assert_eq!(second.wait_for_exit(SOON), 0);
    second.assert_restored();
    assert_eq!(cloud.status()["emulator"]["healthy"], true, "the first console still needs it");
}

/// Kills a process that scales the weather server before it ends. Returns the count that was asked for.
fn interrupted_scale(cloud: &Cloud) -> u64 {
    for _ in 0..5 {
        let wanted = if cloud.desired("weather") == 2 { 1 } else { 2 };
        let count = wanted.to_string();
        let mut command = cloud.command(&["--local", "scale", "weather", "--desired", &count, "--yes"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("quarterdeck starts");
        let lines = BufReader::new(child.stderr.take().expect("its stderr")).lines();
        // Steps are printed as `[1/2] …`. The first comes when its call was sent, long before the tasks run.
        let step = lines.map_while(Result::ok).find(|line| line.starts_with('['));
        child.kill().expect("to kill it");
        child.wait().expect("its end");
        assert!(step.is_some(), "no step was told");
        let records = cloud.audit("scale weather");
        let last = records.last().expect("an intent was audited").clone();
        if last["entry"] != "outcome" {
            return wanted;
        }
    }
    panic!("the operation always ended before it could be killed");
}

fn everything_is_destroyed(cloud: &Cloud, console: &mut Console) {
    console.press("3");
    console
        .wait("the stacks", SOON, |screen| screen.contains("[Stack]") && screen.contains("quarterdeck-local-platform"));
    console.press("K");
    console.wait_for("type local to do it:", SOON);
    console.press("prod\r");
    console.wait_for("that is not \"local\"", SOON);
    console.press("\x7f\x7f\x7f\x7flocal\r");
    console.wait_for("done and verified", DESTROY);
    console.press("\x1b");
    console.wait_for("no stack of environment local", SOON);
    cloud.wait_for_containers("time", 0);
    cloud.wait_for_containers("weather", 0);
    cloud.wait_for_containers("units", 0);
}

fn nothing_is_left(cloud: &Cloud, console: &mut Console) {
    let status = cloud.status();
    let pid = status["emulator"]["pid"].as_u64().expect("a process");
    // Back to the first screen, then leave.
    console.press("q");
    console.wait("the Fleet screen to know that nothing is left", SOON, |screen| {
        let gone = ["there is no cluster", "no server in cluster"];
        screen.contains("[Fleet]") && gone.iter().any(|words| screen.contains(words))
    });
    console.press("q");
    assert_eq!(console.wait_for_exit(OPERATION), 0, "{}", console.screen());
    console.assert_restored();
    // This console has started the local cloud, so it stops it.
    assert!(console.screen().contains("stopping the local cloud"), "{}", console.screen());
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists(), "the emulator has ended");
    let status = cloud.status();
    assert_eq!((&status["emulator"], &status["containers"]), (&Value::Null, &json!([])), "{status}");
    assert_eq!(cloud.processes(), Vec::<String>::new());
    let down = cloud.run(&["local", "down"]);
    assert_eq!(down.code, Some(0), "{}", down.err);
    assert!(down.err.ends_with("it was not running\n"), "{}", down.err);
}
