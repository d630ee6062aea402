//! The columns of the tables, and their rows.

use jiff::Timestamp;

use super::wrong::found;
use crate::console::model::Model;
use crate::console::screens::requests;
use crate::console::table::{Cell, Column, Row};
use crate::core::finding::{Seen, running_by_zone};
use crate::core::fleet::{Health, Server, Task, TaskStatus, Unreadable};
use crate::core::health::{Cause, Finding, verdict_by};
use crate::core::meaning::Meaning;
use crate::core::requests::Period;
use crate::core::text::{age, milliseconds, share};

pub(super) const SERVERS: &[Column] = &[
    Column::text("SERVER", 12, 0),
    Column::text("HEALTH", 11, 0),
    Column::number("TASKS", 7, 0),
    Column::number("TARGETS", 7, 1),
    Column::text("ROLLOUT", 12, 2),
    Column::number("PENDING", 7, 4),
    Column::ending("REVISION", 12, 5),
    Column::text("SCALING", 8, 6),
    Column::text("ZONES", 8, 7),
    Column::number("REQ/S", 6, 4),
    Column::number("ERRORS", 6, 3),
    Column::number("P95", 6, 4),
    Column::wide("CAUSE", 16, 1),
];

/// Columns counted from request lines, known only where the log is read.
pub(super) const COUNTED: std::ops::Range<usize> = 9..12;

pub(super) const TASKS: &[Column] = &[
    Column::text("TASK", 10, 0),
    Column::text("STATUS", 12, 0),
    Column::text("HEALTH", 10, 3),
    Column::text("AGE", 8, 1),
    Column::text("ADDRESS", 15, 4),
    Column::text("ZONE", 12, 5),
    Column::ending("REVISION", 12, 6),
    Column::wide("REASON", 18, 2),
];

pub(super) const CONTAINERS: &[Column] = &[
    Column::text("CONTAINER", 12, 0),
    Column::text("STATUS", 10, 0),
    Column::text("HEALTH", 10, 2),
    Column::number("EXIT", 5, 1),
    Column::text("RUNTIME", 14, 4),
    Column::wide("IMAGE", 20, 3),
    Column::wide("REASON", 14, 1),
];

pub(super) fn server_row(model: &Model, server: &Server, failed: &[Seen]) -> Row {
    let all = found(model, server, failed);
    let (region, counted) = (&model.context.region, counts(model).then(|| counted(model, &server.name)));
    Row { key: server.name.clone(), ..row_of(server, &all, region, counted, model.now) }
}

/// Whether requests are counted, from the log.
pub(super) fn counts(model: &Model) -> bool {
    model.screens.logs.following() || model.screens.fleet.traffic.get().is_some()
}

/// The row of a server, in whichever place it is.
pub(super) fn row_of(
    server: &Server,
    all: &[Finding],
    region: &str,
    counted: Option<[Cell; 3]>,
    now: Timestamp,
) -> Row {
    let verdict = verdict_by(server, all, now);
    // As `why` judges: what is over, and worth a note, is no cause.
    let cause = Cause::of(all).map(|cause| Cell::new(cause.finding.fact.clone(), meaning(cause.finding)));
    let rollout = server.rollout().replace('_', " ");
    let bounds = server.bounds.cell(|bounds| bounds.map_or("-".into(), |bounds| bounds.to_string()));
    let mut cells = vec![
        Cell::new(&server.name, Meaning::Accent),
        Cell::new(format!("{} {}", verdict.symbol(), verdict.word()), verdict.meaning()),
        Cell::plain(format!("{}/{}", server.running, server.wanted())),
        Cell::plain(server.target_count()),
        Cell::plain(rollout),
        Cell::plain(server.pending.to_string()),
        Cell::muted(revision(&server.task_definition)),
        Cell::muted(bounds),
        Cell::muted(zones(region, server)),
    ];
    cells.extend(counted.into_iter().flatten());
    cells.push(cause.unwrap_or_default());
    let well = verdict == crate::core::health::Verdict::Healthy && all.is_empty();
    Row { key: server.name.clone(), cells, well }
}

/// How many tasks run in each zone: `a2 b1`; `?` where the tasks could not be read. A zone that is none of the region's own has its whole name.
fn zones(region: &str, server: &Server) -> String {
    let short = |zone: &str| zone.strip_prefix(region).filter(|rest| rest.len() == 1).map(str::to_owned);
    let one = |(zone, tasks): (&str, usize)| match short(zone) {
        Some(letter) => format!("{letter}{tasks}"),
        None => format!("{zone}:{tasks}"),
    };
    server.tasks.cell(|_| {
        let all: Vec<String> = running_by_zone(server).into_iter().map(one).collect();
        if all.is_empty() { "-".to_owned() } else { all.join(" ") }
    })
}

/// A service that is there, and of which nothing could be read.
pub(super) fn unreadable_row(model: &Model, service: &Unreadable) -> Row {
    unread_row(model, &service.name, &service.name, "? not read", &service.why.message)
}

/// A row of which nothing is known but this.
pub(super) fn unread_row(model: &Model, key: &str, name: &str, state: &str, why: &str) -> Row {
    let columns = if counts(model) { SERVERS.len() } else { SERVERS.len() - COUNTED.len() };
    let mut cells = vec![Cell::new(name, Meaning::Accent), Cell::new(state, Meaning::Warn)];
    cells.extend(std::iter::repeat_n(Cell::muted("?"), columns - 3));
    cells.push(Cell::new(why, Meaning::Warn));
    Row { key: key.to_owned(), cells, well: false }
}

/// Requests per second, share of errors and 95th percentile of the last minute, from the log.
fn counted(model: &Model, server: &str) -> [Cell; 3] {
    let Some((requests, until)) = requests::known(model, server) else {
        return [Cell::muted("?"), Cell::muted("?"), Cell::muted("?")];
    };
    let figures = requests.server(server, Period::One, until.as_millisecond());
    let errors = (figures.requests > 0).then(|| share(figures.errors, figures.requests));
    let meaning = if figures.errors > 0 { Meaning::Bad } else { Meaning::Plain };
    [
        Cell::plain(requests::rate(figures.rate())),
        Cell::new(errors.unwrap_or("-".into()), meaning),
        Cell::plain(figures.latency.percentile(95.0).map_or("-".into(), milliseconds)),
    ]
}

/// The meaning by which a finding is coloured.
pub fn meaning(finding: &Finding) -> Meaning {
    use crate::core::health::Gravity;
    match finding.gravity {
        Gravity::Fault => Meaning::Bad,
        Gravity::Warning => Meaning::Warn,
        Gravity::Note => Meaning::Muted,
    }
}

/// `family:revision` of a task definition ARN.
fn revision(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

pub(super) fn task_row(task: &Task, now: Timestamp) -> Row {
    let stopped = task.stopped();
    let since = if stopped { task.stopped_at } else { task.started_at.or(task.created_at) };
    let status = match &task.last_status {
        TaskStatus::Running => Cell::new("● running", Meaning::Good),
        TaskStatus::Stopped => Cell::new("○ stopped", Meaning::Muted),
        other => Cell::new(format!("◐ {}", other.word().to_lowercase()), Meaning::Warn),
    };
    let reason = if stopped { Cell::new(task.stop_reason(), Meaning::Warn) } else { Cell::default() };
    let cells = vec![
        Cell::new(task.short_id(), Meaning::Accent),
        status,
        Cell::plain(task.health.word().to_lowercase()),
        Cell::plain(since.map(|at| age(now, at)).unwrap_or_default()),
        Cell::plain(task.address.clone().unwrap_or_default()),
        Cell::muted(&task.zone),
        Cell::muted(revision(&task.task_definition)),
        reason,
    ];
    Row {
        key: task.arn.clone(),
        cells,
        well: task.last_status == TaskStatus::Running && task.health != Health::Unhealthy,
    }
}

pub(super) fn container_rows(task: &Task) -> Vec<Row> {
    let row = |container: &crate::core::fleet::Container| {
        let running = container.last_status == TaskStatus::Running;
        let meaning = if running { Meaning::Good } else { Meaning::Muted };
        let runtime: String = container.runtime_id.as_deref().unwrap_or_default().chars().take(12).collect();
        let cells = vec![
            Cell::new(&container.name, Meaning::Accent),
            Cell::new(container.last_status.word().to_lowercase(), meaning),
            Cell::plain(container.health.word().to_lowercase()),
            Cell::plain(container.exit_code.map(|code| code.to_string()).unwrap_or_default()),
            Cell::muted(runtime),
            Cell::plain(&container.image),
            Cell::new(container.reason.clone().unwrap_or_default(), Meaning::Warn),
        ];
        Row { key: container.name.clone(), cells, well: running }
    };
    task.containers.iter().map(row).collect()
}
