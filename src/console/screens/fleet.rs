//! Fleet: servers, their tasks, their containers, and what is wrong with them.

mod neighbours;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{FAST, Fetch, Freshness, SLOW, STEADY, Screen, View};
use crate::console::dialogs::Dialog;
use crate::console::effect::Effect;
use crate::console::input::Input;
use crate::console::model::Model;
use crate::console::remote::{Ask as _, Remote};
use crate::console::table::{Cell, Column, Row, Table};
use crate::console::{beside, describe, operations};
use crate::core::environment::names;
use crate::core::finding::{
    Seen, Subject, in_order, of_alarms, of_firewall, of_gone, of_metrics, of_server, of_stacks, running_by_zone,
};
use crate::core::fleet::{Age, Attention, Fleet, Health, Server, Task, TaskStatus, Unreadable};
use crate::core::health::{Cause, Finding, findings, verdict_by};
use crate::core::logs::{Followed, Owners};
use crate::core::meaning::Meaning;
use crate::core::metrics::{Figures, Measured, OfServer, SPAN, Tools};
use crate::core::operation::{Announced, PlanRequest};
use crate::core::requests::{Lately, Period, Watched};
use crate::core::stack::Stack;
use crate::core::text::{age, milliseconds};
use crate::core::unread::{Part, Read, Unread};

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub remote: Remote<Fleet>,
    /// What is announced on the cluster.
    pub announced: Remote<Vec<Announced>>,
    /// Whether the next read is to read all of it again.
    pub anew: bool,
    /// How deep it is drilled in.
    pub level: Level,
    /// Whether anything was wrong when it was last read.
    pub unwell: bool,
    /// Figures of the last hour of what was selected, and the alarms.
    pub metrics: Remote<Measured>,
    /// Figures by server, with when they were read: those of servers that were selected before are kept.
    measured: BTreeMap<String, (OfServer, Timestamp)>,
    /// The requests of the last minutes of what is on the screen, while the log is not followed.
    pub traffic: Remote<Box<Lately>>,
    /// What the read that is under way looks at, and when that was found out.
    attention: Attention,
    looked: Timestamp,
    servers: Table,
    tasks: Table,
    containers: Table,
}

/// How deep the screen is drilled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Level {
    #[default]
    Servers,
    /// Tasks of a server.
    Tasks(String),
    /// Containers of a task: server, task ARN.
    Containers(String, String),
}

impl State {
    /// The table that keys move on.
    pub fn table_mut(&mut self) -> &mut Table {
        match self.level {
            Level::Servers => &mut self.servers,
            Level::Tasks(_) => &mut self.tasks,
            Level::Containers(..) => &mut self.containers,
        }
    }

    /// The table that is shown.
    pub fn table(&self) -> &Table {
        match self.level {
            Level::Servers => &self.servers,
            Level::Tasks(_) => &self.tasks,
            Level::Containers(..) => &self.containers,
        }
    }

    /// Whether any server is on its way to another state.
    pub fn changing(&self) -> bool {
        self.remote.get().is_some_and(|fleet| fleet.servers.iter().any(Server::moving))
    }
}

const SERVERS: &[Column] = &[
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
const COUNTED: std::ops::Range<usize> = 9..12;

const TASKS: &[Column] = &[
    Column::text("TASK", 10, 0),
    Column::text("STATUS", 12, 0),
    Column::text("HEALTH", 10, 3),
    Column::text("AGE", 8, 1),
    Column::text("ADDRESS", 15, 4),
    Column::text("ZONE", 12, 5),
    Column::ending("REVISION", 12, 6),
    Column::wide("REASON", 18, 2),
];

const CONTAINERS: &[Column] = &[
    Column::text("CONTAINER", 12, 0),
    Column::text("STATUS", 10, 0),
    Column::text("HEALTH", 10, 2),
    Column::number("EXIT", 5, 1),
    Column::text("RUNTIME", 14, 4),
    Column::wide("IMAGE", 20, 3),
    Column::wide("REASON", 14, 1),
];

/// The table that is shown.
pub fn view(model: &Model) -> View {
    let (state, now) = (&model.screens.fleet, model.now);
    let (title, columns, rows) = match &state.level {
        Level::Servers => {
            let servers = state.remote.get().map(|fleet| fleet.servers.as_slice()).unwrap_or_default();
            let unreadable = state.remote.get().map(|fleet| fleet.unreadable.as_slice()).unwrap_or_default();
            let failed = failed(model);
            let rows = servers.iter().map(|server| server_row(model, server, &failed));
            let mut rows: Vec<Row> =
                rows.chain(unreadable.iter().map(|service| unreadable_row(model, service))).collect();
            let columns = neighbours::columns(model, &mut rows);
            let listing = state.remote.get().is_some_and(|fleet| fleet.listing);
            let so_far = if listing { " so far" } else { "" };
            let places = match model.place.beside.len() {
                0 => String::new(),
                others => format!(" of {} places", others + 1),
            };
            (format!("servers{so_far}{places}"), columns, rows)
        }
        Level::Tasks(name) => {
            let tasks = server(model, name).map(Server::known_tasks).unwrap_or_default();
            (format!("tasks of {name}"), TASKS.to_vec(), tasks.iter().map(|task| task_row(task, now)).collect())
        }
        Level::Containers(name, arn) => {
            let task = task(model, name, arn);
            let short = task.map(Task::short_id).unwrap_or_default();
            (
                format!("containers of {name} / {short}"),
                CONTAINERS.to_vec(),
                task.map(container_rows).unwrap_or_default(),
            )
        }
    };
    let all = rows.len();
    let rows: Vec<Row> = state.table().arrange(&columns, rows);
    let empty = empty(model, all);
    View { title, columns, selected: state.table().position(&rows), rows, all, empty }
}

fn empty(model: &Model, all: usize) -> String {
    let opened = match &model.screens.fleet.level {
        Level::Servers => None,
        Level::Tasks(name) | Level::Containers(name, _) => server(model, name),
    };
    match (all, model.screens.fleet.remote.error(), model.screens.fleet.remote.loading()) {
        (1.., _, _) => "nothing matches the filter; esc shows everything".into(),
        _ if let Some(server) = opened => match server.tasks.why() {
            Some(why) => format!("tasks not read: {why}"),
            None => format!("no task of {} is running or has stopped lately", server.name),
        },
        (_, _, true) => "reading …".into(),
        (_, Some(error), _) if model.screens.fleet.remote.get().is_none() => error.message.clone(),
        _ => {
            let gone = model.screens.fleet.remote.get().is_some_and(|fleet| fleet.no_cluster);
            let what = if gone { "there is no cluster" } else { "no server in cluster" };
            format!("{what} {}; 3 then D deploys the environment", model.context.cluster)
        }
    }
}

fn server<'a>(model: &'a Model, name: &str) -> Option<&'a Server> {
    model.screens.fleet.remote.get()?.server(name)
}

fn task<'a>(model: &'a Model, server_name: &str, arn: &str) -> Option<&'a Task> {
    server(model, server_name)?.known_tasks().iter().find(|task| task.arn == arn)
}

fn server_row(model: &Model, server: &Server, failed: &[Seen]) -> Row {
    let all = found(model, server, failed);
    let (region, counted) = (&model.context.region, counts(model).then(|| counted(model, &server.name)));
    Row { key: server.name.clone(), ..row_of(server, &all, region, counted, model.now) }
}

/// Whether requests are counted, from the log.
fn counts(model: &Model) -> bool {
    model.screens.logs.following() || model.screens.fleet.traffic.get().is_some()
}

/// The row of a server, in whichever place it is.
fn row_of(server: &Server, all: &[Finding], region: &str, counted: Option<[Cell; 3]>, now: Timestamp) -> Row {
    let verdict = verdict_by(server, all, now);
    // The first one is the cause, if anything is wrong.
    let cause = all.first().map(|finding| Cell::new(finding.fact.clone(), meaning(finding))).unwrap_or_default();
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
    cells.push(cause);
    let well = verdict == crate::core::health::Verdict::Healthy && all.is_empty();
    Row { key: server.name.clone(), cells, well }
}

/// The stacks of the environment whose last change failed. They are read only where something is not well.
pub fn failed(model: &Model) -> Vec<Seen> {
    let stacks = model.screens.stack.remote.get().map(Vec::as_slice).unwrap_or_default();
    let (watched, detail) = (&model.screens.stack.watched, model.screens.stack.detail.get());
    let seen = |stack: &Stack| {
        let detail = detail.filter(|_| watched.as_ref() == Some(&stack.id));
        (stack.clone(), detail.cloned().map(Read::Known))
    };
    stacks.iter().filter(|stack| stack.status.failed()).map(seen).collect()
}

/// What is wrong with a server, as `why` finds it.
pub fn found(model: &Model, server: &Server, failed: &[Seen]) -> Vec<Finding> {
    let traffic = traffic(model, server);
    if failed.is_empty() && traffic.is_empty() {
        return findings(server, model.now);
    }
    let own = names::stack(&model.context.environment, &server.name);
    let of_it: Vec<Seen> = failed.iter().filter(|(stack, _)| stack.id.name == own).cloned().collect();
    of_server(server, &of_it, &traffic, model.now)
}

/// What is wrong with a server's traffic: by its request lines, as far as they are read, by CloudWatch's figures,
/// and by its alarms.
fn traffic(model: &Model, server: &Server) -> Vec<Finding> {
    let mut all = super::requests::found(model, &server.name);
    if let Some((figures, at)) = figures(model, &server.name) {
        // Those off the screen are not measured again: what they showed stands, with its age.
        let mut seen = of_metrics(server, figures, at);
        if model.now.duration_since(at) > MEASURED_NOW {
            let ago = format!(", as read {} ago", age(model.now, at));
            seen.iter_mut().for_each(|one| one.fact.push_str(&ago));
        }
        all.extend(seen);
    }
    all.extend(raised(model, Some(&server.name)));
    all
}

/// The alarms that are raised, of a server, or of what all servers share.
fn raised(model: &Model, server: Option<&str>) -> Vec<Finding> {
    let environment = model.context.ours();
    let measured = model.screens.fleet.metrics.get();
    let alarms = environment.zip(measured).map(|(environment, measured)| measured.alarms_of(environment, server));
    let mut all = of_alarms(&alarms.unwrap_or_default());
    if server.is_none() {
        all.extend(blocked(model.screens.fleet.metrics.get(), model.now));
    }
    all
}

/// What the firewall in front of all servers blocks.
fn blocked(measured: Option<&Measured>, now: Timestamp) -> Vec<Finding> {
    measured.map(|measured| of_firewall(&measured.firewall, now)).unwrap_or_default()
}

/// The figures of a server, and when they were read.
pub fn figures<'a>(model: &'a Model, server: &str) -> Option<(&'a Figures, Timestamp)> {
    model.screens.fleet.measured.get(server).map(|(of, at)| (&of.figures, *at))
}

/// The same of its tools, as far as they were asked for.
pub fn tools<'a>(model: &'a Model, server: &str) -> Option<&'a Tools> {
    model.screens.fleet.measured.get(server).map(|(of, _)| &of.tools)
}

/// Figures that were read longer ago show how it was: two reads may fail before.
const MEASURED_NOW: SignedDuration = SignedDuration::from_mins(3);
/// Seconds between two reads of figures, whatever is selected meanwhile.
const PATIENCE: i64 = 30;

/// What is measured: the selected server alone, because AWS bills each series that is asked for.
pub(in crate::console) fn measured_servers(model: &Model) -> Vec<String> {
    selected_server(model).map(|server| server.name.clone()).into_iter().collect()
}

/// Reads figures for a server that was selected since, if the last read is old enough.
fn measure(model: &mut Model) -> Option<Fetch> {
    let selected = measured_servers(model);
    let known = selected.iter().all(|server| model.screens.fleet.measured.contains_key(server));
    let metrics = &mut model.screens.fleet.metrics;
    let old = metrics.read_at().is_some_and(|at| model.now.duration_since(at).as_secs() >= PATIENCE);
    if !known && old && metrics.error().is_none() {
        metrics.hasten();
    }
    (!selected.is_empty()).then_some(Fetch::Measured(selected))
}

/// Keeps figures that have come, and forgets those that are older than what they show.
fn keep_measured(model: &mut Model) {
    let now = model.now;
    let fleet = &mut model.screens.fleet;
    if let Some((measured, at)) = fleet.metrics.get().zip(fleet.metrics.read_at()) {
        let new = measured.servers.iter().map(|(server, of)| (server.clone(), (of.clone(), at)));
        fleet.measured.extend(new);
    }
    fleet.measured.retain(|_, (_, at)| now.duration_since(*at) < SPAN);
}

/// What is wrong with each server, and with the stacks that all share.
pub fn subjects(model: &Model) -> Vec<Subject<'_>> {
    let failed = failed(model);
    let fleet = model.screens.fleet.remote.get();
    let mut all = Vec::new();
    for server in fleet.into_iter().flat_map(|fleet| &fleet.servers) {
        all.push(Subject { server: Some(&server.name), findings: found(model, server, &failed) });
    }
    let prefix = names::stack_prefix(&model.context.environment);
    let mut shared = Vec::new();
    for stack in model.screens.stack.remote.get().into_iter().flatten() {
        let part = stack.id.name.strip_prefix(&prefix).unwrap_or(&stack.id.name);
        let seen: Vec<Seen> = failed.iter().filter(|(one, _)| one.id == stack.id).cloned().collect();
        if matches!(part, "edge" | "network" | "platform") {
            shared.extend(of_stacks(&seen));
        } else if !seen.is_empty() && server(model, part).is_none() {
            // A service whose creation failed is gone, and its stopped tasks are all that is left to say why.
            let gone = fleet.map(|fleet| of_gone(part, &fleet.gone, model.now)).unwrap_or_default();
            let mut findings: Vec<Finding> = gone.into_iter().chain(of_stacks(&seen)).collect();
            in_order(&mut findings);
            all.push(Subject { server: Some(part), findings });
        }
    }
    shared.extend(raised(model, None));
    in_order(&mut shared);
    all.push(Subject { server: None, findings: shared });
    all
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
fn unreadable_row(model: &Model, service: &Unreadable) -> Row {
    unread_row(model, &service.name, &service.name, "? not read", &service.why.message)
}

/// A row of which nothing is known but this.
fn unread_row(model: &Model, key: &str, name: &str, state: &str, why: &str) -> Row {
    let columns = if counts(model) { SERVERS.len() } else { SERVERS.len() - COUNTED.len() };
    let mut cells = vec![Cell::new(name, Meaning::Accent), Cell::new(state, Meaning::Warn)];
    cells.extend(std::iter::repeat_n(Cell::muted("?"), columns - 3));
    cells.push(Cell::new(why, Meaning::Warn));
    Row { key: key.to_owned(), cells, well: false }
}

/// Requests per second, share of errors and 95th percentile of the last minute, from the log.
fn counted(model: &Model, server: &str) -> [Cell; 3] {
    let Some((requests, until)) = super::requests::known(model, server) else {
        return [Cell::muted("?"), Cell::muted("?"), Cell::muted("?")];
    };
    let figures = requests.server(server, Period::One, until.as_millisecond());
    let errors =
        figures.error_percent().map(|percent| if percent > 0.0 { format!("{percent:.1}%") } else { "0".into() });
    let meaning = if figures.errors > 0 { Meaning::Bad } else { Meaning::Plain };
    [
        Cell::plain(super::requests::rate(figures.rate())),
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

fn task_row(task: &Task, now: Timestamp) -> Row {
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

fn container_rows(task: &Task) -> Vec<Row> {
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

/// The server that is selected or drilled into.
pub fn selected_server(model: &Model) -> Option<&Server> {
    server_in(model, &view(model))
}

/// As [`selected_server`], where the view is made already.
pub fn server_in<'a>(model: &'a Model, view: &View) -> Option<&'a Server> {
    match &model.screens.fleet.level {
        Level::Servers => server(model, view.selected_key()?),
        Level::Tasks(name) | Level::Containers(name, _) => server(model, name),
    }
}

/// The task that is selected or drilled into.
pub fn selected_task(model: &Model) -> Option<&Task> {
    task_in(model, &view(model))
}

/// As [`selected_task`], where the view is made already.
pub fn task_in<'a>(model: &'a Model, view: &View) -> Option<&'a Task> {
    match &model.screens.fleet.level {
        Level::Servers => None,
        Level::Tasks(name) => task(model, name, view.selected_key()?),
        Level::Containers(name, arn) => task(model, name, arn),
    }
}

/// The announced operations that are not this console's own, the newest first.
pub fn others(model: &Model) -> Vec<&Announced> {
    let announced = model.screens.fleet.announced.get().map(Vec::as_slice).unwrap_or_default();
    announced.iter().rev().filter(|one| model.operation(one.operation()).is_none()).collect()
}

/// That the announced operations could not be read, unless the fleet could not either: that is told already.
pub fn others_unread(model: &Model) -> Option<Unread> {
    let state = &model.screens.fleet;
    let why = state.announced.error().filter(|_| state.remote.error().is_none())?;
    Some(Unread { part: Part::Operations, why: why.clone() })
}

/// What must be fresh.
pub(super) fn reads(model: &mut Model) -> Vec<Fetch> {
    let mut reads = vec![Fetch::ANY_FLEET, Fetch::Announced];
    // A stack that is stuck is no server's, and no server shows it.
    if model.context.ours().is_some() {
        reads.push(Fetch::Stacks);
    }
    reads.extend(measure(model));
    // Whoever follows the log counts its lines already.
    if model.context.ours().is_some() && !model.screens.logs.tail.is_current() && !model.screens.fleet.remote.is_empty()
    {
        reads.push(Fetch::Traffic(Watched::default()));
    }
    reads
}

/// Most servers whose requests are read at once: each costs a call or more of a quota of five or ten in a second.
const WATCHED: usize = 40;
/// Least seconds between two reads of requests.
const WATCHING: i64 = 12;

/// Whose requests are read: of the servers on the screen, the first ones.
pub(in crate::console) fn watched(model: &Model) -> Watched {
    let state = &model.screens.fleet;
    let none = Fleet::default();
    let fleet = state.remote.get().unwrap_or(&none);
    let mut servers: Vec<String> = state.attention.opened.iter().chain(&state.attention.seen).cloned().collect();
    if servers.is_empty() {
        servers = fleet.servers.iter().map(|server| server.name.clone()).collect();
    }
    servers.truncate(WATCHED);
    let owners = Owners::of(fleet, model.context.ours()).only(servers.iter().cloned());
    let sources = Followed { groups: owners.groups(), owners: Arc::new(owners) };
    Watched { servers, sources }
}

/// What of the requests of the last minutes could not be read, in words.
pub fn traffic_unread(model: &Model) -> Option<String> {
    let state = &model.screens.fleet;
    let followed = model.screens.logs.tail.is_current();
    let lately = state.traffic.get().filter(|_| !followed)?;
    let more = lately.gaps.len().saturating_sub(1);
    let others = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    lately.gaps.first().map(|gap| format!("{gap}{others}"))
}

/// Seconds between two reads of requests: at most one call in a second.
pub(super) fn watching(model: &Model) -> i64 {
    let looked_at = &model.screens.fleet.attention;
    let read = (looked_at.opened.iter().len() + looked_at.seen.len()).min(WATCHED);
    WATCHING.max(i64::try_from(read).unwrap_or(i64::MAX))
}

/// Takes that the fleet was read: whether all is well is found out once, and not at every step.
pub(in crate::console) fn read(model: &mut Model) {
    keep_measured(model);
    let now = model.now;
    let state = &model.screens.fleet;
    let measured =
        |server: &Server| state.measured.get(&server.name).map(|(of, at)| of_metrics(server, &of.figures, *at));
    let wrong = |server: &Server| {
        Cause::of(&findings(server, now)).is_some() || measured(server).is_some_and(|found| !found.is_empty())
    };
    let raised = !state
        .metrics
        .get()
        .and_then(|one| one.alarms.known())
        .is_none_or(|all| of_alarms(&all.iter().collect::<Vec<_>>()).is_empty());
    let raised = raised || !blocked(state.metrics.get(), now).is_empty();
    let unwell = |fleet: &Fleet| fleet.no_cluster || !fleet.gone.is_empty() || fleet.servers.iter().any(wrong);
    model.screens.fleet.unwell = raised || model.screens.fleet.remote.get().is_some_and(unwell);
}

/// Whether a server of this name is there.
pub fn knows(model: &Model, name: &str) -> bool {
    server(model, name).is_some()
}

/// Whether a server is selected, without making the rows of a large fleet where that is plain.
pub(in crate::console) fn selects(model: &Model) -> bool {
    let state = &model.screens.fleet;
    let plain = state.level == Level::Servers && state.servers.filter.is_empty() && !state.servers.faults_only;
    match state.remote.get().filter(|fleet| plain && fleet.unreadable.is_empty() && model.place.beside.is_empty()) {
        Some(fleet) => !fleet.servers.is_empty(),
        None => {
            let view = view(model);
            server_in(model, &view).is_some() || beside::selected(model, &view).is_some()
        }
    }
}

/// The server that is drilled into.
pub fn opened(model: &Model) -> Option<&str> {
    match &model.screens.fleet.level {
        Level::Servers => None,
        Level::Tasks(name) | Level::Containers(name, _) => Some(name),
    }
}

/// Shows the tasks of a server.
pub(in crate::console) fn drill(model: &mut Model, name: &str) -> Vec<Effect> {
    model.screens.fleet.tasks = Table::default();
    model.screens.fleet.level = Level::Tasks(name.to_owned());
    model.show(Screen::Fleet)
}

/// How old what is on the screen is: where servers are read in turn, the oldest of those that are looked at.
pub(super) fn freshness(model: &Model) -> Option<Freshness> {
    let state = &model.screens.fleet;
    let fleet = state.remote.get();
    let all = || fleet.iter().flat_map(|fleet| fleet.ages.values()).map(|ages| &ages.service);
    let looked_at = state.attention.opened.iter().chain(&state.attention.seen);
    let looked_at: Vec<&Age> = looked_at.filter_map(|name| Some(&fleet?.ages.get(name)?.service)).collect();
    let services = if looked_at.is_empty() { all().collect() } else { looked_at };
    let read_at = services.iter().filter_map(|age| age.at).min().or_else(|| all().filter_map(|age| age.at).min());
    // Where a part alone failed, it is told with that part.
    let failed = || services.iter().all(|age| age.error.is_some()).then(|| services.first()?.error.clone()).flatten();
    let unread = || fleet.filter(|fleet| fleet.servers.is_empty())?.unreadable.first().map(|one| one.why.clone());
    let error = state.remote.error().cloned().or_else(failed).or_else(unread);
    let never = error.is_some() && services.iter().all(|age| age.at.is_none());
    let whole = state.remote.read_at().filter(|_| !never || state.remote.error().is_some());
    Some(Freshness { read_at: read_at.or(whole), error })
}

/// Seconds between two reads.
pub(super) fn pace(model: &Model) -> i64 {
    match model.screen {
        _ if model.busy() || model.screens.fleet.changing() => FAST,
        // The Logs screen reads it only so that lines of new servers join, and the past does not change.
        Screen::Logs | Screen::Timeline => SLOW,
        _ => STEADY,
    }
}

/// What of the fleet is looked at, for the read that begins now.
pub(in crate::console) fn attention(model: &mut Model) -> Attention {
    let looked_at = looked_at(model);
    (model.screens.fleet.attention, model.screens.fleet.looked) = (looked_at.clone(), model.now);
    Attention { anew: std::mem::take(&mut model.screens.fleet.anew), ..looked_at }
}

/// What is looked at by now, if that is something else than the read that is under way looks at: on a slow line it
/// takes long. Finding out takes work, so it is done once in a second.
pub(in crate::console) fn looks_elsewhere(model: &mut Model) -> Option<Attention> {
    let state = &model.screens.fleet;
    if state.remote.idle() || model.now.duration_since(state.looked).as_secs() < 1 {
        return None;
    }
    let looked_at = looked_at(model);
    let elsewhere = looked_at != model.screens.fleet.attention;
    (model.screens.fleet.attention, model.screens.fleet.looked) = (looked_at.clone(), model.now);
    elsewhere.then_some(looked_at)
}

fn looked_at(model: &Model) -> Attention {
    let (seen, opened) = match &model.screens.fleet.level {
        _ if model.screen != Screen::Fleet => (Vec::new(), None),
        Level::Servers => {
            let mut keys = rows_on_screen(model);
            keys.retain(|key| beside::is_own(key));
            (keys, None)
        }
        Level::Tasks(server) | Level::Containers(server, _) => (Vec::new(), Some(server.clone())),
    };
    // Neither the Logs screen nor the Timeline shows a target.
    let targets = !matches!(model.screen, Screen::Logs | Screen::Timeline);
    Attention { seen, opened, targets, anew: false }
}

/// What a read of a neighbour looks at: these rows of its servers.
pub(in crate::console) fn looks_at(seen: Vec<String>, known: bool) -> Attention {
    Attention { seen, opened: None, targets: known, anew: false }
}

/// The keys of the rows of servers that are on the screen, of all places.
pub(in crate::console) fn rows_on_screen(model: &Model) -> Vec<String> {
    on_screen(&view(model), model.viewport.rows)
}

/// The keys of the rows that the table has room for. It keeps the selection in the middle.
fn on_screen(view: &View, rows: usize) -> Vec<String> {
    let top = view.selected.unwrap_or(0).saturating_sub(rows / 2).min(view.rows.len().saturating_sub(rows));
    view.rows.iter().skip(top).take(rows).map(|row| row.key.clone()).collect()
}

/// Goes one step back: out of a filter, then out of a drill-in.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.fleet;
    if state.table_mut().unfilter() {
        return Some(Vec::new());
    }
    state.level = match std::mem::take(&mut state.level) {
        Level::Servers => return None,
        Level::Tasks(_) => Level::Servers,
        Level::Containers(server, _) => Level::Tasks(server),
    };
    Some(Vec::new())
}

/// Drills into the selected row.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    match model.screens.fleet.level.clone() {
        Level::Servers => {
            if let Some(name) = selected_server(model).map(|server| server.name.clone()) {
                drill(model, &name);
            }
            Vec::new()
        }
        Level::Tasks(name) => {
            if let Some(arn) = selected_task(model).map(|task| task.arn.clone()) {
                model.screens.fleet.containers = Table::default();
                model.screens.fleet.level = Level::Containers(name, arn);
            }
            Vec::new()
        }
        Level::Containers(..) => describe(model),
    }
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| {
        vec![Effect::Copy(selected_task(model).map_or(server.arn, |task| task.arn.clone()))]
    })
}

pub fn faults_only(model: &mut Model) -> Vec<Effect> {
    let table = model.screens.fleet.table_mut();
    table.faults_only = !table.faults_only;
    Vec::new()
}

pub fn logs(model: &mut Model) -> Vec<Effect> {
    let task = selected_task(model).map(|task| (task.id().to_owned(), task.stopped_at));
    on_server(model, |model, server| match task {
        Some((task, stopped_at)) => super::logs::follow_task(model, &server.name, &task, stopped_at),
        None => super::logs::follow(model, Some(&server.name)),
    })
}

/// Everything known of the selected task, or of the server.
pub fn describe(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| model.open(describe::selection(model, &server)))
}

/// The selected task, or the server, as JSON.
pub fn raw(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| {
        let dialog = match selected_task(model) {
            Some(task) => describe::json(task.id(), task),
            None => describe::json(&server.name, &server),
        };
        model.open(dialog)
    })
}

pub fn events(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| model.open(describe::events(&server, model.now)))
}

pub fn scale(model: &mut Model) -> Vec<Effect> {
    // The field is empty: with a 2 in it, typing 8 would ask for 28.
    on_server(model, |model, server| {
        model.open(Dialog::Scale { server: server.name, input: Input::default(), error: None })
    })
}

/// Asks for a plan that needs only the selected server's name.
pub fn plan(model: &mut Model, request: impl FnOnce(String) -> PlanRequest) -> Vec<Effect> {
    on_server(model, |model, server| operations::plan(model, request(server.name)))
}

pub fn stop_task(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, _| match selected_task(model).map(|task| (task.arn.clone(), task.stopped())) {
        Some((task, false)) => operations::plan(model, PlanRequest::StopTask { task }),
        Some((_, true)) => model.refuse("that task has stopped already"),
        None => model.refuse("open the server first (enter), then select the task to stop"),
    })
}

fn on_server(model: &mut Model, act: impl FnOnce(&mut Model, Server) -> Vec<Effect>) -> Vec<Effect> {
    match selected_server(model).cloned() {
        Some(server) => act(model, server),
        None => model.refuse("no server is selected"),
    }
}
