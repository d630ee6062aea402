//! Bursts of errors and refusals on the Timeline, which are found anew every few seconds while it is shown, on the thread
//! that draws.

use std::collections::BTreeMap;
use std::time::Instant;

use criterion::Criterion;
use jiff::Timestamp;
use quarterdeck::core::logs::{Line, Severity};
use quarterdeck::core::requests::{MAX_SERIES, Requests};
use quarterdeck::core::timeline::bursts::{Lines, bursts};

use crate::support::{Budgets, best, group, millis};

const MINUTE: i64 = 60_000;
/// As long as requests are counted.
const MINUTES: i64 = 15;
/// When it is looked at, in milliseconds of the epoch.
const NOW: i64 = 1_800_000_000_000;
/// In milliseconds: as long as a frame may take.
const BUDGET: f64 = 50.0;

pub fn run(criterion: &mut Criterion, budgets: &mut Budgets) {
    // As many series as are counted at most.
    for (servers, clients) in [(500, 2), (1, MAX_SERIES)] {
        let what = format!("bursts, servers: {servers}, clients of each: {clients}");
        let (requests, until) = counted(servers, clients);
        let lines = Lines { requests: &requests, until };
        let now = Timestamp::from_millisecond(NOW).expect("a time of this century");
        let run = || {
            let began = Instant::now();
            let found = bursts(None, Some(&lines), &str::to_owned, now).len();
            assert!(found >= servers, "each server refuses all the time: {found}");
            began.elapsed()
        };
        let number = i64::try_from(servers * clients).expect("few");
        if let Some(took) = best(&mut group(criterion, "timeline", number), &what, run) {
            budgets.at_most(&what, millis(took), BUDGET, "ms");
        }
    }
}

/// In each minute, each client has one request that is answered, one that fails and two that are refused; and up to
/// when the lines of each server were read.
fn counted(servers: usize, clients: usize) -> (Requests, BTreeMap<String, Timestamp>) {
    let mut requests = Requests::default();
    let mut until = BTreeMap::new();
    for server in (0..servers).map(|server| format!("server-{server}")) {
        for minute in 1..=MINUTES {
            for client in 0..clients {
                for status in [200, 500, 401, 401] {
                    requests.take(&line(&server, NOW - minute * MINUTE, client, status), NOW);
                }
            }
        }
        until.insert(server, Timestamp::from_millisecond(NOW).expect("a time of this century"));
    }
    (requests, until)
}

fn line(server: &str, at: i64, client: usize, status: u16) -> Line {
    let reason = if status == 401 { r#","reason":"token-expired""# } else { "" };
    let text = format!(
        r#"{{"event":"request","method":"tools/call","tool":"tool-{}","client":"client-{client}","status":{status},"latency_ms":1.5{reason}}}"#,
        client % 10
    );
    Line { at, server: server.into(), task: "task".into(), severity: Severity::Info, text: text.into() }
}
