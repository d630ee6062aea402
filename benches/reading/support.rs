//! Figures of criterion, held against budgets.
//!
//! Criterion measures and compares with the run before (`--save-baseline`, `--baseline`); it has
//! no verdict. A budget is about the one time that an operator waits, so what is judged is the best
//! of criterion's runs, because what else the machine does only ever adds to a time; a worst time,
//! like a frame's, is judged as it is. A missed budget fails the run.
use std::process::ExitCode;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use quarterdeck::core::logs::LogEvent;

pub fn criterion() -> Criterion {
    let criterion = Criterion::default().without_plots().sample_size(10);
    criterion.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(8)).configure_from_args()
}

/// A group whose runs each are of `lines` lines.
pub fn group<'a>(criterion: &'a mut Criterion, name: &str, lines: i64) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(lines.unsigned_abs())).sampling_mode(SamplingMode::Flat);
    group
}

/// Has criterion time `run`, which says how long it took without its preparations.
/// The best time; none where the command line did not choose this figure.
pub fn best(group: &mut BenchmarkGroup<WallTime>, name: &str, mut run: impl FnMut() -> Duration) -> Option<Duration> {
    let mut best = None;
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let took = (0..times).map(|_| {
                let took = run();
                best = Some(best.map_or(took, |best: Duration| best.min(took)));
                took
            });
            took.sum()
        });
    });
    best
}

/// What was judged, and how much of it missed its budget.
#[derive(Default)]
pub struct Budgets {
    judged: Vec<String>,
    missed: usize,
}

impl Budgets {
    pub fn at_least(&mut self, what: &str, figure: f64, budget: f64, unit: &str) {
        self.judge(what, figure, unit, &format!("at least {budget}"), figure >= budget);
    }

    pub fn at_most(&mut self, what: &str, figure: f64, budget: f64, unit: &str) {
        self.judge(what, figure, unit, &format!("at most {budget}"), figure <= budget);
    }

    fn judge(&mut self, what: &str, figure: f64, unit: &str, bound: &str, met: bool) {
        let verdict = if met { "ok" } else { "MISSED" };
        self.judged.push(format!("{what:<70} {figure:>10.2} {unit:<9} {bound:<13} {verdict}"));
        self.missed += usize::from(!met);
    }

    /// Prints the figures; a failure if one missed its budget.
    pub fn verdict(self) -> ExitCode {
        println!("{}", self.judged.join("\n"));
        if self.missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Millions a second.
pub fn rate(lines: i64, took: Duration) -> f64 {
    lines as f64 / took.as_secs_f64() / 1e6
}

/// A request line of 200 bytes, as the MCP servers write them.
pub fn event(at: i64) -> LogEvent {
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
