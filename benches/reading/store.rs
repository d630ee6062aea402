//! The store of lines: memory, taking lines in, searching and filtering a million of them.

use std::time::{Duration, Instant};

use criterion::Criterion;
use quarterdeck::core::logs::store::Toward;
use quarterdeck::core::logs::{Expression, Filter, Line, LogEvent, Pattern, Store};

use crate::support::{Budgets, best, event, group, millis, rate};

const LINES: i64 = 1_000_000;
const BATCH: usize = 1_000;
const SCREEN: usize = 50;

pub fn run(criterion: &mut Criterion, budgets: &mut Budgets) {
    // First, while the process holds nothing else.
    let store = memory(budgets);
    pipeline(criterion, budgets);
    searches(criterion, budgets, store.clone());
    filters(criterion, budgets, store);
}

/// Resident memory of this process, in bytes.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4_096.0
}

fn memory(budgets: &mut Budgets) -> Store {
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
    budgets.at_most("memory of a million lines, resident", taken / text as f64, 1.3, "x text");
    budgets.at_most("memory of a million lines, as counted", store.bytes() as f64 / text as f64, 1.3, "x text");
    budgets.at_least("lines kept", store.len() as f64, LINES as f64, "lines");
    store
}

/// Decode, sanitise, filter by a word, and put into a ring that is full.
fn pipeline(criterion: &mut Criterion, budgets: &mut Budgets) {
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
    let name = "decode, sanitise, filter, ring";
    if let Some(took) = best(&mut group(criterion, "take in", LINES / 4), name, run) {
        budgets.at_least(name, rate(LINES / 4, took), 1.0, "M lines/s");
    }
}

fn keep(expression: &str) -> Filter {
    let keep = Expression::parse(expression).into_iter().collect();
    Filter { keep, ..Filter::default() }
}

/// How long a filter or a search took over the whole store.
struct Took {
    /// Until a screen of lines was there; the whole if there are not so many.
    first: Duration,
    /// The longest slice, for which a key may wait.
    slice: Duration,
    whole: Duration,
}

fn finish(store: &mut Store) -> Took {
    let (began, mut longest, mut first) = (Instant::now(), Duration::ZERO, None);
    loop {
        let slice = Instant::now();
        let more = store.work(Toward::Newest);
        longest = longest.max(slice.elapsed());
        if first.is_none() && store.shown() >= SCREEN {
            first = Some(began.elapsed());
        }
        if !more {
            let whole = began.elapsed();
            return Took { first: first.unwrap_or(whole), slice: longest, whole };
        }
    }
}

fn searches(criterion: &mut Criterion, budgets: &mut Budgets, mut store: Store) {
    let mut group = group(criterion, "search", LINES);
    for pattern in ["needle", "Status.*50[34]", r"forecast.*status.:5\d\d", r"\b50\d\b", "convert"] {
        let run = || {
            store.set_search(Some(Pattern::new(pattern)));
            finish(&mut store).whole
        };
        if let Some(took) = best(&mut group, pattern, run) {
            budgets.at_most(&format!("search /{pattern}: {} found", store.found()), millis(took), 200.0, "ms");
        }
    }
}

fn filters(criterion: &mut Criterion, budgets: &mut Budgets, mut store: Store) {
    let mut group = group(criterion, "filter", LINES);
    for expression in [
        "forecast",
        "tool=get_forecast latency_ms>500 level>=warn",
        "latency_ms>=0 status>=200 tool~_",
        "request_id=none",
    ] {
        let (mut first, mut slice) = (Duration::MAX, Duration::MAX);
        let run = || {
            store.set_filter(keep(expression));
            let took = finish(&mut store);
            (first, slice) = (first.min(took.first), slice.min(took.slice));
            took.whole
        };
        let Some(whole) = best(&mut group, expression, run) else { continue };
        let what = format!("filter {expression}");
        budgets.at_least(&format!("{what}: {} shown", store.shown()), rate(LINES, whole), 0.3, "M lines/s");
        if store.shown() >= SCREEN {
            budgets.at_most(&format!("{what}: first screen"), millis(first), 50.0, "ms");
        }
        budgets.at_most(&format!("{what}: longest slice"), millis(slice), 50.0, "ms");
    }
}
