//! What `gangway run` costs in front of a server: set beside the same server alone, in turns, in one run.
//!
//! ```text
//! front                                  the program target/image/gangway
//!      --gangway FILE                    another build of it
//!      --seconds N --rounds N            of each figure (default 5, 3)
//! ```
//!
//! What must hold: over HTTP at 500 requests a second, 0.3 ms more at the median and 1 ms more at p99; at most
//! 25 MiB at 200 connections; over standard streams at least 90 % of the calls that the server answers alone. The
//! servers on standard streams are those that `make public` installs.
//!
//! Client, gangway and server share the machine's processors. Where the three need more processor time for a call than
//! all processors have in the time that the server alone takes, 90 % cannot be reached: with server-everything on two
//! processors, whose tool does nothing. The processor times are printed for that.
#![allow(clippy::unwrap_used, clippy::panic)] // A failed step is a failed bench.

mod child;
#[path = "../load/client.rs"]
mod client;
mod pipe;
#[path = "../load/process.rs"]
mod process;
mod raw;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use client::{Connection, Target};
use hdrhistogram::Histogram;
use raw::Raw;
use serde_json::{Value, json};
use support::issuer::{Issuer, token};
use support::public::{Public, all, folder};
use support::server::variable;
use support::{machine_claims, with};

/// Requests a second over HTTP, and the connections that send them.
const RATE: u32 = 500;
const CONNECTIONS: u32 = 20;
/// Connections for the figure of memory.
const MANY: usize = 200;
/// Calls at a time over standard streams.
pub const AT_ONCE: usize = 32;

struct Options {
    gangway: PathBuf,
    time: Duration,
    rounds: usize,
}

fn options() -> Options {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("../../target"), PathBuf::from);
    let mut options = Options { gangway: target.join("image/gangway"), time: Duration::from_secs(5), rounds: 3 };
    let mut arguments = std::env::args().skip(1).filter(|name| name != "--bench");
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--gangway" => options.gangway = value.into(),
            "--seconds" => options.time = Duration::from_secs(value.parse().unwrap()),
            "--rounds" => options.rounds = value.parse().unwrap(),
            _ => panic!("{name} is not known; see the head of benches/front/main.rs"),
        }
    }
    options
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, child, port] = &arguments[..]
        && child == "child"
    {
        return child::serve(port.parse().unwrap());
    }
    let options = options();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = tokio::task::LocalSet::new().block_on(&runtime, async {
        let issuer = Issuer::start().await;
        let http = http(&options, &issuer).await;
        let mut stdio = serde_json::Map::new();
        for server in all(&folder()).iter().filter(|server| server.app["transport"] == "stdio") {
            stdio.insert(server.name.to_owned(), streams(&options, &issuer, server).await);
        }
        json!({ "http": http, "stdio": stdio })
    });
    println!("{report:#}");
}

/// A process that ends with this value.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        // So that what it started ends with it.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `gangway run` in front of `app`, when it is ready.
async fn front(options: &Options, issuer: &Issuer, app: &Value) -> (Process, String) {
    let port = free_port();
    let mut command = Command::new(&options.gangway);
    command.arg("run").env("GANGWAY_ADDR", format!("127.0.0.1:{port}")).env("GANGWAY_APP", app.to_string());
    for name in [
        "SERVER",
        "RESOURCE_URL",
        "PATH",
        "ISSUER",
        "JWKS_URL",
        "PUBLIC_BASE_URL",
        "TOKEN_ENDPOINT",
        "AUTHORIZATION_ENDPOINT",
        "ALLOWED_CLIENTS",
        "ALLOWED_HOSTS",
    ] {
        let name = format!("GANGWAY_{name}");
        command.env(&name, variable(&name, &issuer.jwks_url).unwrap());
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    // Its log is read as a container engine would, and thrown away.
    let mut log = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while log.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
    });
    let process = Process(child);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let health = format!("http://127.0.0.1:{port}/healthz");
    while !http.get(&health).send().await.is_ok_and(|answer| answer.status() == 200) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (process, format!("http://127.0.0.1:{port}/clock/mcp"))
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

fn bearer() -> String {
    let scopes = format!("{0}/read {0}/write", support::RESOURCE);
    token(0, &with(machine_claims(), json!({ "scope": scopes })))
}

async fn http(options: &Options, issuer: &Issuer) -> Value {
    let port = free_port();
    let own = std::env::current_exe().unwrap();
    let app = json!({ "transport": "http", "port": port, "command": [own, "child", port.to_string()] });
    let (process, url) = front(options, issuer, &app).await;
    let call = call("echo", &json!({ "message": "hello" }));
    let alone = Rc::new(Target::new(&format!("http://127.0.0.1:{port}/mcp"), "", &[], &call).unwrap());
    let behind = Rc::new(Target::new(&url, &bearer(), &[], &call).unwrap());
    let (mut without, mut within) = (histogram(), histogram());
    paced(&behind, Duration::from_secs(1), &mut histogram()).await;
    for _ in 0..options.rounds {
        paced(&alone, options.time, &mut without).await;
        paced(&behind, options.time, &mut within).await;
    }
    let of = |latency: &Histogram<u64>| [0.5, 0.99].map(|quantile| latency.value_at_quantile(quantile) as f64 / 1000.0);
    let ([p50, p99], [more50, more99]) = (of(&without), of(&within));
    let mut connections = Vec::new();
    for _ in 0..MANY {
        connections.push(Connection::open(&behind).await.unwrap());
    }
    for connection in &mut connections {
        connection.request().await.unwrap();
    }
    let memory = process::memory(process.0.id(), "VmRSS").unwrap();
    eprintln!("HTTP at {RATE}/s      alone   p50 {p50:.3} ms   p99 {p99:.3} ms");
    eprintln!("                   behind  p50 {more50:.3} ms   p99 {more99:.3} ms");
    eprintln!("added              p50 {:.3} ms (at most 0.3)   p99 {:.3} ms (at most 1)", more50 - p50, more99 - p99);
    eprintln!("memory             {memory:.1} MiB at {MANY} connections (at most 25)");
    json!({ "alone_ms": [p50, p99], "behind_ms": [more50, more99], "added_ms": [more50 - p50, more99 - p99], "memory_mib": memory })
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).unwrap()
}

/// Requests at an even pace. Latencies count from when a request was due, if the one before it was late.
async fn paced(target: &Rc<Target>, time: Duration, into: &mut Histogram<u64>) {
    let pace = Duration::from_secs(1) * CONNECTIONS / RATE;
    let begin = Instant::now();
    let workers = (0..CONNECTIONS).map(|nth| {
        let target = target.clone();
        tokio::task::spawn_local(async move {
            let mut connection = Connection::open(&target).await.unwrap();
            let mut latencies = Vec::new();
            let mut due = begin + pace * nth / CONNECTIONS;
            while begin.elapsed() < time {
                let mut start = due;
                if Instant::now() < due {
                    tokio::time::sleep_until(due.into()).await;
                    // The timer goes by milliseconds: that it is late is not the server's doing.
                    start = Instant::now();
                }
                connection.request().await.unwrap();
                latencies.push(start.elapsed());
                due += pace;
            }
            latencies
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        for latency in worker.await.unwrap() {
            into.saturating_record(u64::try_from(latency.as_micros()).unwrap());
        }
    }
}

async fn streams(options: &Options, issuer: &Issuer, server: &Public) -> Value {
    let (tool, arguments, _) = &server.call;
    let request = call(tool, arguments);
    let command: Vec<String> = serde_json::from_value(server.app["command"].clone()).unwrap();
    let (process, url) = front(options, issuer, &server.app).await;
    let (mut alone, mut behind) = (Figures::default(), Figures::default());
    saturated(&url, &request, Duration::from_secs(1)).await;
    for _ in 0..options.rounds {
        alone += pipe::rate(&command, &request, options.time);
        let before = processor(process.0.id());
        let (calls, time) = saturated(&url, &request, options.time).await;
        behind += Figures { calls, time, processor: processor(process.0.id()) - before };
    }
    let (alone, behind, own) = (alone.rate(), behind.rate(), [alone.each(), behind.each()]);
    let share = behind / alone * 100.0;
    eprintln!(
        "{:<26} alone {alone:6.0} calls/s   behind {behind:6.0} calls/s  {share:4.0} % (at least 90)   \
         processor time of a call: the server {:.0} us, gangway {:.0} us",
        server.name, own[0], own[1]
    );
    json!({
        "alone_per_second": alone.round(), "behind_per_second": behind.round(), "percent": share.round(),
        "processor_us": own.map(f64::round),
    })
}

/// Calls, how long they took, and how much of a processor.
#[derive(Default)]
pub struct Figures {
    /// That were answered.
    pub calls: u32,
    /// From the first to the last.
    pub time: Duration,
    /// Processor time of the process that was called.
    pub processor: Duration,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, more: Self) {
        self.calls += more.calls;
        self.time += more.time;
        self.processor += more.processor;
    }
}

impl Figures {
    fn rate(&self) -> f64 {
        f64::from(self.calls) / self.time.as_secs_f64()
    }

    /// Processor time of a call in microseconds.
    fn each(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / f64::from(self.calls)
    }
}

/// As many calls as there can be, and the time that they took.
async fn saturated(url: &str, call: &Value, time: Duration) -> (u32, Duration) {
    let (token, body) = (bearer(), call.to_string());
    let begin = Instant::now();
    let workers = (0..AT_ONCE).map(|_| {
        let (url, token, body) = (url.to_owned(), token.clone(), body.clone());
        tokio::task::spawn_local(async move {
            let mut connection = Raw::open(&url, &token, &body).await;
            let mut calls = 0;
            while begin.elapsed() < time {
                connection.call().await;
                calls += 1;
            }
            calls
        })
    });
    let mut calls = 0;
    for worker in workers.collect::<Vec<_>>() {
        calls += worker.await.unwrap();
    }
    (calls, begin.elapsed())
}

/// The processor time of a process until now.
pub fn processor(pid: u32) -> Duration {
    process::processor_time(pid).unwrap()
}
