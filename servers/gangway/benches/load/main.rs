//! What a server can bear: requests a second, latencies, memory, time to start.
//!
//! ```text
//! load                                  starts mcp-time with an issuer of its own
//! load --url http://HOST/PATH           loads that server; its token is in LOAD_TOKEN,
//!                                       or the first line of standard input if that is `-`
//!      --server FILE                    the server to start (default target/image/mcp-time)
//!      --tool NAME --arguments JSON     the call (default get_current_time in Europe/Berlin)
//!      --header 'NAME: VALUE'           a header more, for servers that ask for one
//!      --pid PID                        whose memory to read, with --url
//!      --connections N --seconds N --rate N   (default 32, 10, 1000)
//! ```
//!
//! Figures go to standard error as a table and to standard output as one JSON
//! document, so that two servers' can be set side by side. The client has one
//! thread, which is less than a fast server can bear: with it saturated, the
//! rate is a lower bound.
#![allow(clippy::unwrap_used)] // A failed step is a failed bench.

mod client;
mod options;
mod process;
mod server;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::rc::Rc;
use std::time::{Duration, Instant};

use client::{Connection, Target};
use hdrhistogram::Histogram;
use options::Options;
use serde_json::{Value, json};

/// Requests before the figures begin.
const WARM_UP: Duration = Duration::from_secs(1);

fn main() {
    let options = Options::from_args(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprintln!("{problem}");
        std::process::exit(2);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = tokio::task::LocalSet::new().block_on(&runtime, bench(options)).unwrap_or_else(|problem| {
        eprintln!("{problem}");
        std::process::exit(1);
    });
    println!("{report:#}");
}

async fn bench(options: Options) -> Result<Value, String> {
    let own = if options.url.is_none() { Some(server::Own::start(&options.server).await?) } else { None };
    let (url, token, pid) = match &own {
        Some(own) => (own.url.clone(), own.token.clone(), Some(own.pid())),
        None => (options.url.clone().unwrap_or_default(), options::token()?, options.pid),
    };
    let mut report = json!({ "url": url, "connections": options.connections, "seconds": options.seconds });
    if let Some(own) = &own {
        report["start_ms"] = json!(own.starts);
        eprintln!(
            "start to ready     median {:.1} ms, slowest {:.1} ms of {}",
            own.starts[own.starts.len() / 2],
            own.starts[own.starts.len() - 1],
            own.starts.len()
        );
        report["memory_at_rest_mib"] = json!(process::memory(own.pid(), "VmRSS"));
    }
    let call = json!({ "name": options.tool, "arguments": options.arguments });
    for (method, params) in [("tools/list", json!({})), ("tools/call", call)] {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let target = Rc::new(Target::new(&url, &token, &options.headers, &message)?);
        report[method] = measure(&target, &options, pid, method).await?;
    }
    if let Some(pid) = pid {
        let (now, most) = (process::memory(pid, "VmRSS"), process::memory(pid, "VmHWM"));
        eprintln!("memory             {} MiB after the load, at most {} MiB", show(now), show(most));
        report["memory_after_mib"] = json!(now);
        report["memory_peak_mib"] = json!(most);
    }
    Ok(report)
}

fn show(figure: Option<f64>) -> String {
    figure.map_or_else(|| "?".to_owned(), |figure| format!("{figure:.1}"))
}

/// As many requests as there can be, then so many a second.
async fn measure(target: &Rc<Target>, options: &Options, pid: Option<u32>, method: &str) -> Result<Value, String> {
    Connection::open(target).await?.request().await.map_err(|problem| format!("{method}: {problem}"))?;
    let pace = Duration::from_secs(1) * options.connections as u32 / options.rate;
    let time = Duration::from_secs(options.seconds);
    run(target, options.connections, None, WARM_UP).await?;
    let before = pid.and_then(process::processor_time);
    let free = run(target, options.connections, None, time).await?;
    print(method, "saturated", &free);
    let used = before.and_then(|before| Some(process::processor_time(pid?)? - before));
    // Unlike the rate, it hardly depends on what else the machine does.
    let each = used.map(|used| (used.as_secs_f64() * 1e6 / free.latency.len() as f64).round());
    eprintln!("{method} processor time of the server {} us each", show(each));
    let paced = run(target, options.connections, Some(pace), time).await?;
    print(method, &format!("at {}/s", options.rate), &paced);
    Ok(json!({ "saturated": free.report(), "paced": paced.report(), "processor_us_per_request": each }))
}

/// What one run showed.
struct Figures {
    /// In microseconds.
    latency: Histogram<u64>,
    time: Duration,
}

impl Figures {
    fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.time.as_secs_f64()
    }

    /// In milliseconds.
    fn quantile(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }

    fn report(&self) -> Value {
        json!({
            "requests_per_second": self.rate().round(),
            "p50_ms": self.quantile(0.5),
            "p99_ms": self.quantile(0.99),
            "p999_ms": self.quantile(0.999),
            "max_ms": self.latency.max() as f64 / 1000.0,
        })
    }
}

fn print(method: &str, how: &str, figures: &Figures) {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| figures.quantile(quantile));
    let rate = figures.rate();
    eprintln!("{method} {how:10} {rate:7.0} requests/s   p50 {p50:.3} ms   p99 {p99:.3} ms   p99.9 {p999:.3} ms");
}

/// Loads the server for `time`. With a `pace`, each connection sends one request
/// in that time, and latencies count from when a request was due if the one before
/// it was not answered by then: a server that stalls cannot hide what it held up.
async fn run(
    target: &Rc<Target>,
    connections: usize,
    pace: Option<Duration>,
    time: Duration,
) -> Result<Figures, String> {
    let begin = Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|nth| {
            // Spread over the pace, or all would send at once.
            let offset = pace.map(|pace| pace.mul_f64(nth as f64 / connections as f64));
            tokio::task::spawn_local(work(target.clone(), begin, pace.zip(offset), time))
        })
        .collect();
    let mut latency = histogram();
    for worker in workers {
        latency.add(worker.await.map_err(|error| error.to_string())??).map_err(|error| error.to_string())?;
    }
    Ok(Figures { latency, time: begin.elapsed() })
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(600_000_000, 3).unwrap()
}

async fn work(
    target: Rc<Target>,
    begin: Instant,
    pace: Option<(Duration, Duration)>,
    time: Duration,
) -> Result<Histogram<u64>, String> {
    let mut connection = Connection::open(&target).await?;
    let mut latency = histogram();
    let mut due = begin + pace.map_or(Duration::ZERO, |(_, offset)| offset);
    while begin.elapsed() < time {
        let mut start = Instant::now();
        if let Some((pace, _)) = pace {
            if start < due {
                tokio::time::sleep_until(due.into()).await;
                // The timer goes by milliseconds: that it is late is not the server's doing.
                start = Instant::now();
            } else {
                // That the request before this one took so long is.
                start = due;
            }
            due += pace;
        }
        connection.request().await?;
        latency.saturating_record(start.elapsed().as_micros() as u64);
    }
    Ok(latency)
}
