//! Two operators on one local cloud, and a client that calls a tool all the while.
//!
//! Each has an audit of its own, so neither knows of the other but by what AWS tells. Whatever they do to
//! each other, credentials that were in force when the client read them are never refused.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step is a failed test, and it takes time"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quarterdeck::core::rights::calls::{Job, On};
use quarterdeck::core::rights::{Scope, Wanted, policy};
use serde_json::{Value, json};

use crate::e2e_local::selected;
use crate::support::cloud::{Cloud, Done, SOON, block_on};
use crate::support::pty::{self, Console};
use crate::support::recorder::{Recorder, call_of};

const TIME: &str = "local-time-machine";
const SECRET: &str = "quarterdeck/local/time/machine-client";
/// How long an operation may take.
const OPERATION: Duration = Duration::from_secs(3 * 60);

/// Somebody else, with a home of their own. The files of the local cloud are the first operator's: this one
/// reaches it by its endpoint, as if it were AWS.
struct Colleague {
    home: tempfile::TempDir,
    endpoint: String,
    /// On the way to that endpoint.
    recorder: Recorder,
}

impl Colleague {
    fn of(cloud: &Cloud) -> Self {
        let endpoint = cloud.status()["emulator"]["endpoint"].as_str().expect("an endpoint").to_owned();
        let home = tempfile::Builder::new().prefix("qd").tempdir_in("/tmp").expect("a directory");
        Self { home, recorder: Recorder::before(&endpoint), endpoint }
    }

    fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("AWS_ENDPOINT_URL", self.recorder.url.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("QUARTERDECK_ENVIRONMENT", "local".to_owned()),
            // With one, the message of a panic does not fit on the screen.
            ("RUST_BACKTRACE", "0".to_owned()),
        ]
    }

    fn console(&self) -> Console {
        Console::start(self.home.path(), (180, 45), &[], self.variables())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(args).current_dir::<&Path>(self.home.path()).stdin(Stdio::null());
        for name in pty::NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(pty::homes(self.home.path())).envs(self.variables());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        Done::of(self.command(args))
    }

    fn done(&self, args: &[&str]) -> Done {
        self.run(args).with_code(0, args)
    }

    /// The unfinished operations, as `operations list` has them.
    fn unfinished(&self) -> Vec<Value> {
        let done = self.done(&["operations", "list", "--output", "json"]);
        let list: Value = serde_json::from_str(&done.out).expect("JSON");
        list["operations"].as_array().expect("operations").clone()
    }
}

/// Kills a command as soon as it prints this of a step.
fn kill_at(mut command: Command, words: &str) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("quarterdeck starts");
    let lines = BufReader::new(child.stderr.take().expect("its stderr")).lines().map_while(Result::ok);
    let mut before = Vec::new();
    let found = lines.inspect(|line| before.push(line.clone())).any(|line| line.contains(words));
    child.kill().expect("to kill it");
    child.wait().expect("its end");
    assert!(found, "{words:?} was not told:\n{}", before.join("\n"));
}

/// What became of the calls.
#[derive(Debug, Default)]
struct Calls {
    answered: u32,
    /// By the server, or by the token endpoint, although the credentials were in force before and after.
    refused: Vec<String>,
    /// Neither: no answer, or one of the load balancer.
    unclear: Vec<String>,
    tokens: u32,
}

/// A client that calls a tool of the time server 20 times a second, until it is asked for its figures. For
/// every tenth call, and where a token is refused, it reads the credentials in force and gets a new token.
struct Caller {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Calls>,
}

impl Caller {
    fn start(endpoint: &str) -> Self {
        let (over, endpoint) = (Arc::new(AtomicBool::new(false)), endpoint.to_owned());
        let until = over.clone();
        Self { over, thread: std::thread::spawn(move || block_on(call(&endpoint, &until))) }
    }

    /// Ends it, and asserts that no call was refused.
    fn assert_served(self, what: &str) {
        self.over.store(true, Ordering::Relaxed);
        let calls = self.thread.join().expect("the calls");
        eprintln!(
            "          {what}: {} calls answered with {} tokens, {} refused, {} unclear",
            calls.answered,
            calls.tokens,
            calls.refused.len(),
            calls.unclear.len()
        );
        assert_eq!(calls.refused, Vec::<String>::new(), "{what}");
        assert!(calls.answered > 20, "{what}: {calls:?}");
        // The emulator does not drain a container before it stops it, so a call that is under way may be lost.
        calls.unclear.iter().for_each(|why| eprintln!("          unclear: {why}"));
    }
}

/// The version in force, with the credentials in it.
async fn in_force(http: &reqwest::Client, endpoint: &str) -> (String, String, String) {
    let request = http.post(endpoint).header("x-amz-target", "secretsmanager.GetSecretValue");
    let request = request.header("content-type", "application/x-amz-json-1.1").header(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0",
    );
    let answer = request.body(json!({ "SecretId": SECRET }).to_string()).send().await.expect("the emulator");
    let answer: Value = answer.json().await.expect("JSON");
    let stored = answer["SecretString"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let stored: Value = serde_json::from_str(stored).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&answer["VersionId"]), text(&stored["client_id"]), text(&stored["client_secret"]))
}

/// A token for the credentials in force, and the version that they were in; or that they are refused.
async fn token(http: &reqwest::Client, endpoint: &str) -> Result<(String, String), String> {
    loop {
        let (version, id, secret) = in_force(http, endpoint).await;
        let request = http.post(format!("{endpoint}/oauth2/token")).basic_auth(&id, Some(&secret));
        let answer = request.form(&[("grant_type", "client_credentials")]).send().await.expect("the emulator");
        let answer: Value = answer.json().await.unwrap_or_default();
        if let Some(token) = answer["access_token"].as_str() {
            return Ok((version, token.to_owned()));
        }
        // Other credentials may have been published in between; then these may be deleted.
        if in_force(http, endpoint).await.0 == version {
            return Err(format!("token endpoint: client {id} of version {version}: {answer}"));
        }
    }
}

async fn call(endpoint: &str, over: &AtomicBool) -> Calls {
    let http = reqwest::Client::builder().no_proxy().timeout(SOON).build().expect("a client");
    let url = format!("{endpoint}/_alb/quarterdeck-local/time/mcp");
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "get_current_time", "arguments": { "timezone": "Asia/Tokyo" } },
    });
    let mut calls = Calls::default();
    let mut held: Option<(String, String)> = None;
    let mut every = tokio::time::interval(Duration::from_millis(50));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut turn = 0_u32;
    while !over.load(Ordering::Relaxed) {
        every.tick().await;
        turn += 1;
        if turn.is_multiple_of(10) {
            held = None;
        }
        loop {
            let fresh = held.is_none();
            let (version, bearer) = match held.take() {
                Some(token) => token,
                None => match token(&http, endpoint).await {
                    Ok(token) => {
                        calls.tokens += 1;
                        token
                    }
                    Err(why) => {
                        calls.refused.push(why);
                        break;
                    }
                },
            };
            let request = http.post(&url).bearer_auth(&bearer).json(&message);
            let request = request.header("accept", "application/json, text/event-stream");
            let answer = request.header("mcp-protocol-version", "2025-06-18").send().await;
            match answer.map(|answer| answer.status().as_u16()) {
                Ok(200) => {
                    calls.answered += 1;
                    held = Some((version, bearer));
                }
                Ok(401 | 403) if !fresh || in_force(&http, endpoint).await.0 != version => continue,
                Ok(status @ (401 | 403)) => calls.refused.push(format!("HTTP {status}: version {version}")),
                Ok(status) => calls.unclear.push(format!("HTTP {status}")),
                Err(error) => calls.unclear.push(error.to_string()),
            }
            break;
        }
    }
    calls
}

/// Shows the operation that is not finished.
fn open_unfinished(console: &mut Console) {
    console.wait("an unfinished operation", SOON, |screen| screen.contains("paused"));
    console.press("o");
    console.wait("the list of operations", SOON, |screen| screen.contains("operations  "));
    console.press("\r");
    console.wait("the operation", SOON, |screen| screen.contains("‖ paused:"));
}

#[test]
#[ignore = "starts the local cloud with containers"]
fn two_operators_do_not_break_each_others_work() {
    let cloud = Cloud::new();
    let began = Instant::now();
    let step = |name: &str| eprintln!("{:>6.1} s  {name}", began.elapsed().as_secs_f64());
    cloud.text(&["local", "up"]);
    step("start");
    let other = Colleague::of(&cloud);
    let during = |what: &str, act: &dyn Fn(&Cloud, &Colleague)| {
        let caller = Caller::start(&other.endpoint);
        act(&cloud, &other);
        caller.assert_served(what);
        assert_eq!(cloud.clients(TIME).len(), 1, "{what}");
        assert_within_policies(&other.recorder.take(), &[Job::Scale, Job::Rotate], what);
        step(what);
    };
    during("a restart while a rotation is at the prompt", &restart_before_the_answer);
    during("a restart between a kill and --finish", &restart_before_the_finish);
    during("a restart between a kill and resume", &restart_before_the_resumption);
    during("finish while undo is at the prompt", &finish_before_the_answer);
    during("finish and undo at once", &finish_and_undo);
    a_stale_destroy_deletes_nothing(&cloud, &other);
    assert_within_policies(&other.recorder.take(), &[Job::Scale, Job::Rotate, Job::Deploy], "a stale destroy");
    step("a stale destroy");
}

/// The policies that are printed for these jobs allow every call that was made.
fn assert_within_policies(made: &BTreeSet<String>, jobs: &[Job], what: &str) {
    let scope = Scope {
        account: "000000000000".into(),
        region: "us-east-1".into(),
        environment: "local".into(),
        cluster: "quarterdeck-local".into(),
    };
    let of = |job: &Job| policy(&Wanted::Job(*job), &scope).statement.into_iter().flat_map(|one| one.action);
    let allowed: BTreeSet<String> = jobs.iter().flat_map(of).collect();
    assert!(made.len() > 10, "{what}: {made:?}");
    for operation in made {
        let right = call_of(operation).unwrap_or_else(|| panic!("{what}: {operation} is not in the table")).right();
        // Some calls take no right, and some are made on emulators alone.
        let free = right.on == On::Nothing || right.jobs.is_empty();
        assert!(free || allowed.contains(right.name), "{what}: {operation} is in no policy of {jobs:?}");
    }
}

fn restart_before_the_answer(cloud: &Cloud, other: &Colleague) {
    let mut console = other.console();
    console.wait("the Fleet screen", SOON, |screen| screen.contains("[Fleet]") && screen.contains("healthy"));
    console.press("4");
    console.wait("the clients", SOON, |screen| screen.contains("[Clients]") && screen.contains(TIME));
    console.press("g");
    console.press_until("j", "the client to be selected", SOON, |screen| selected(screen).contains(TIME));
    console.press("O");
    console.wait_for("do it?", SOON);
    cloud.text(&["--local", "restart", "time", "--yes"]);
    console.press("y");
    console.wait_for("the old and the new credentials both work", OPERATION);
    console.press("F");
    console.wait_for("the rest of the grace period is waived", SOON);
    console.press("y");
    console.wait_for("done and verified", OPERATION);
}

const ROTATE: [&str; 7] = ["--local", "clients", "rotate", TIME, "--grace", "0s", "--yes"];

fn restart_before_the_finish(cloud: &Cloud, other: &Colleague) {
    kill_at(cloud.command(&ROTATE), "store its id and secret as AWSPENDING: done");
    other.done(&["restart", "time", "--yes"]);
    cloud.text(&["--local", "clients", "rotate", TIME, "--finish", "--yes"]);
}

fn restart_before_the_resumption(cloud: &Cloud, other: &Colleague) {
    kill_at(cloud.command(&ROTATE), "let the servers accept both clients: done");
    other.done(&["restart", "time", "--yes"]);
    let list = cloud.json(&["--local", "operations", "list", "--output", "json"]);
    let operation = &list["operations"][0];
    assert_eq!(operation["standing"], "resumable", "{list}");
    let id = operation["operation"].as_str().expect("an id");
    cloud.text(&["--local", "operations", "resume", id, "--yes"]);
}

/// Begins a rotation that then waits in its grace period.
fn rotate_into_grace(other: &Colleague) {
    let args = ["clients", "rotate", TIME, "--grace", "24h", "--yes"];
    other.run(&args).with_code(5, &args);
}

const FINISH: [&str; 5] = ["clients", "rotate", TIME, "--finish", "--yes"];
const UNDO: [&str; 5] = ["clients", "rotate", TIME, "--undo", "--yes"];

fn finish_before_the_answer(_: &Cloud, other: &Colleague) {
    rotate_into_grace(other);
    let mut console = other.console();
    open_unfinished(&mut console);
    console.press("U");
    console.wait_for("do it?", SOON);
    other.done(&FINISH);
    console.press("y");
    console.wait_for("the operation that had reserved", SOON);
    console.press("\x1b");
}

fn finish_and_undo(_: &Cloud, other: &Colleague) {
    rotate_into_grace(other);
    let begin = |args: &[&str]| {
        let mut command = other.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("quarterdeck starts")
    };
    let (finish, undo) = (begin(&FINISH), begin(&UNDO));
    let [finish, undo] = [finish, undo].map(|child| child.wait_with_output().expect("its end"));
    let told = format!("{finish:?}\n{undo:?}");
    let succeeded = [&finish, &undo].iter().filter(|output| output.status.success()).count();
    assert_eq!(succeeded, 1, "{told}");
    // What was overtaken can be closed, and nothing else is left.
    for left in other.unfinished() {
        assert_ne!(left["standing"], "resumable", "{left}\n{told}");
        other.done(&["operations", "close", left["operation"].as_str().expect("an id"), "--yes"]);
    }
    assert_eq!(other.unfinished(), Vec::<Value>::new());
}

fn a_stale_destroy_deletes_nothing(cloud: &Cloud, other: &Colleague) {
    kill_at(other.command(&["destroy", "--confirm", "local"]), ": done");
    let deploy = ["--local", "deploy", "--yes", "--confirm", "local"];
    let deadline = Instant::now() + OPERATION;
    // What was sent before the kill goes on for a while.
    while cloud.run(&deploy).code != Some(0) {
        assert!(Instant::now() < deadline, "{}", cloud.run(&deploy).err);
    }
    let mut console = other.console();
    open_unfinished(&mut console);
    console.press("R");
    console.wait_for("it cannot go on. Close it as it is?", SOON);
    console.press("n");
    console.wait("the question to go", SOON, |screen| !screen.contains("Close it as it is?"));
    let left = other.unfinished();
    let id = left[0]["operation"].as_str().expect("an id");
    let refused = other.run(&["operations", "resume", id, "--yes", "--confirm", "local"]);
    assert!(refused.code != Some(0) && refused.err.contains("operations close"), "{}", refused.err);
    // The answer "n" left the sheet of the operation open.
    console.press("X");
    console.wait_for("it cannot go on. Close it as it is?", SOON);
    console.press("y");
    console.wait_for("× closed", SOON);
    assert_eq!(other.unfinished(), Vec::<Value>::new());
    let status = cloud.json(&["--local", "status", "--output", "json"]);
    assert_eq!(status["servers"].as_array().map(Vec::len), Some(3), "nothing was deleted: {status}");
    assert!(!cloud.token(TIME).is_empty(), "the credentials are there");
}
