//! What reading logs costs, against its budgets: a figure that misses its budget fails the run.
//!
//! Criterion measures means over many runs and has no verdict; a budget is about the one time that
//! an operator waits. So each figure here is the best of a few runs over a million lines, because
//! what else the machine does only ever adds to it.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench prints figures")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use quarterdeck::core::logs::store::Toward;
use quarterdeck::core::logs::{Expression, Filter, Line, LogEvent, Pattern, Store};

const LINES: i64 = 1_000_000;
const BATCH: usize = 1_000;
const RUNS: usize = 3;

fn main() -> ExitCode {
    let mut report = Report { missed: 0 };
    let store = memory(&mut report);
    pipeline(&mut report);
    searches(&mut report, store.clone());
    filters(&mut report, store);
    if report.missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

struct Report {
    missed: u32,
}

impl Report {
    fn at_least(&mut self, what: &str, figure: f64, budget: f64, unit: &str) {
        self.line(what, figure, budget, unit, "at least", figure >= budget);
    }

    fn at_most(&mut self, what: &str, figure: f64, budget: f64, unit: &str) {
        self.line(what, figure, budget, unit, "at most", figure <= budget);
    }

    fn line(&mut self, what: &str, figure: f64, budget: f64, unit: &str, bound: &str, met: bool) {
        let verdict = if met { "ok" } else { "MISSED" };
        println!("{what:<58} {figure:>10.2} {unit:<12} {bound} {budget:<6} {verdict}");
        self.missed += u32::from(!met);
    }
}

/// A request line of 200 bytes, as the MCP servers write them.
fn event(at: i64) -> LogEvent {
    let (level, status) = if at % 100 == 0 { ("error", 502) } else { ("info", 200) };
    let tool = if at % 7 == 0 { "get_forecast" } else { "convert_time" };
    let latency = at % 900;
    let mut message = format!(
        r#"{{"ts":"2026-01-01T00:00:00.000Z","level":"{level}","event":"request","server":"time","method":"tools/call","tool":"{tool}","client":"5h1kq","status":{status},"latency_ms":{latency}.5,"request_id":""#
    );
    let pad = 198_usize.saturating_sub(message.len());
    message.push_str(&format!("{at:0>pad$}"));
    message.push_str("\"}");
    let (group, stream) = ("/quarterdeck/local/time".into(), format!("time/time/{:032x}", at / 50 % 7));
    LogEvent { timestamp: at, ingested: at, group, stream, message }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..RUNS).map(|_| run()).min().unwrap_or_default()
}

/// Resident memory of this process, in bytes.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4_096.0
}

fn memory(report: &mut Report) -> Store {
    let before = resident();
    let mut store = Store::default();
    let mut text = 0;
    for batch in 0..LINES / BATCH as i64 {
        let first = batch * BATCH as i64;
        let lines: Vec<Line> = (first..first + BATCH as i64).map(|at| Line::decode(&event(at))).collect();
        text += lines.iter().map(|line| line.text.len()).sum::<usize>();
        store.extend(lines);
    }
    let taken = resident() - before;
    println!("{} lines of {} bytes; {} dropped", store.len(), text / store.len().max(1), store.dropped());
    report.at_most("memory of a million lines, resident", taken / text as f64, 1.3, "x text");
    report.at_most("  as the store counts it", store.bytes() as f64 / text as f64, 1.3, "x text");
    report.at_least("  lines kept", store.len() as f64, LINES as f64, "lines");
    store
}

/// Decode, sanitise, filter by a word, and put into a ring that is full.
fn pipeline(report: &mut Report) {
    let events: Vec<LogEvent> = (0..LINES / 4).map(event).collect();
    let run = || {
        let mut store = Store::new(16 * 1024 * 1024);
        store.set_filter(keep("forecast"));
        let began = Instant::now();
        for batch in events.chunks(BATCH) {
            store.extend(batch.iter().map(Line::decode));
        }
        began.elapsed()
    };
    let rate = events.len() as f64 / best(run).as_secs_f64() / 1e6;
    report.at_least("decode, sanitise, filter, ring", rate, 1.0, "M lines/s");
}

fn keep(expression: &str) -> Filter {
    let keep = Expression::parse(expression).into_iter().collect();
    Filter { keep, ..Filter::default() }
}

/// Works to the end; how long it took until `screen` lines were there, in all, and in the longest slice.
fn finish(store: &mut Store, screen: usize) -> (Duration, Duration, Duration) {
    let (began, mut longest, mut first) = (Instant::now(), Duration::ZERO, None);
    loop {
        let slice = Instant::now();
        let more = store.work(Toward::Newest);
        longest = longest.max(slice.elapsed());
        if first.is_none() && store.shown() >= screen {
            first = Some(began.elapsed());
        }
        if !more {
            let whole = began.elapsed();
            return (first.unwrap_or(whole), whole, longest);
        }
    }
}

fn searches(report: &mut Report, mut store: Store) {
    for pattern in ["needle", "Status.*50[34]", r"forecast.*status.:5\d\d", r"\b50\d\b", "convert"] {
        let run = || {
            store.set_search(Some(Pattern::new(pattern)));
            finish(&mut store, 0).1
        };
        let took = best(run);
        report.at_most(&format!("search /{pattern}, {} found", store.found()), millis(took), 200.0, "ms");
    }
}

fn filters(report: &mut Report, mut store: Store) {
    let screen = 50;
    let expressions = [
        "forecast",
        "tool=get_forecast latency_ms>500 level>=warn",
        "latency_ms>=0 status>=200 tool~_",
        "request_id=none",
    ];
    for expression in expressions {
        let (mut first, mut whole, mut longest) = (Duration::MAX, Duration::MAX, Duration::MAX);
        for _ in 0..RUNS {
            store.set_filter(keep(expression));
            let (seen, all, slice) = finish(&mut store, screen);
            (first, whole, longest) = (first.min(seen), whole.min(all), longest.min(slice));
        }
        println!("filter {expression}: {} shown", store.shown());
        if store.shown() >= screen {
            report.at_most("  first screen", millis(first), 50.0, "ms");
        }
        report.at_most("  longest slice, for which a key may wait", millis(longest), 50.0, "ms");
        report.at_least("  lines judged", LINES as f64 / whole.as_secs_f64() / 1e6, 0.3, "M lines/s");
    }
}
