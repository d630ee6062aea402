//! Fleet: servers, their tasks, their containers, and what is wrong with them.

mod keys;
mod looks;
mod neighbours;
mod rows;
mod why;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub(super) use self::keys::{back, copy, open};
pub use self::keys::{describe, events, faults_only, logs, plan, raw, scale, shift_zone, stop_task};
pub(in crate::console) use self::looks::ended;
pub(super) use self::looks::{PATIENCE, WATCHING, freshness, issues_every, pace, reads, traffic, watching};
pub(in crate::console) use self::looks::{
    attention, looks_at, looks_elsewhere, measured_servers, rows_on_screen, watched,
};
pub use self::looks::{figures, tools, traffic_unread};
pub use self::neighbours::nothing_there;
pub use self::rows::meaning;
use self::rows::{CONTAINERS, TASKS, container_rows, server_row, task_row, unreadable_row};
pub use self::why::{keys as keys_to, suspects, to_cause, unwell};
pub(in crate::console) use self::wrong::read;
pub use self::wrong::{failed, subjects, told};
use super::{Screen, View};
use crate::console::action::Action;
use crate::console::beside;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Row, Table};
use crate::core::finding::{Below, running_by_zone};
use crate::core::fleet::{Attention, Fleet, Rollout, Server, Task};
use crate::core::issue::Issue;
use crate::core::logs::words::Said;
use crate::core::metrics::{Measured, OfServer};
use crate::core::operation::Announced;
use crate::core::requests::Lately;
use crate::core::shift::{Nowhere, Shifts, Tasks, tasks_of};
use crate::core::unread::{Part, Unread};

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
    /// AWS's own issues that go on.
    pub issues: Remote<Option<Vec<Issue>>>,
    /// What keeps requests away from zones; `None` where nothing does that here.
    pub shifts: Remote<Result<Box<Shifts>, Nowhere>>,
    /// What ails below the servers, by that and by their tasks.
    pub below: Below,
    /// Figures of the last hour of what was selected, and the alarms.
    pub metrics: Remote<Box<Measured>>,
    /// Figures by server, with when they were read: those of servers that were selected before are kept.
    measured: BTreeMap<String, (OfServer, Timestamp)>,
    /// The requests of the last minutes of what is on the screen, while the log is not followed.
    pub traffic: Remote<Box<Lately>>,
    /// What tasks that ended by themselves said last, as it was read last.
    pub words: Remote<Vec<Said>>,
    /// The same by the task's id, of those that are still shown.
    said: BTreeMap<String, Option<String>>,
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
        (1.., _, _) => hint::nothing_shown(model, model.screens.fleet.table(), Some(Action::FaultsOnly)),
        _ if let Some(server) = opened => match server.tasks.why() {
            Some(why) => format!("tasks not read: {why}"),
            None => format!("no task of {} is running or has stopped lately", server.name),
        },
        (_, _, true) => "reading …".into(),
        (_, Some(error), _) if model.screens.fleet.remote.get().is_none() => error.message.clone(),
        _ => {
            let gone = model.screens.fleet.remote.get().is_some_and(|fleet| fleet.no_cluster);
            let what = if gone { "there is no cluster" } else { "no server in cluster" };
            format!("{what} {}{}", model.context.cluster, hint::then(model, Action::Deploy, "deploys the environment"))
        }
    }
}

pub(super) fn server<'a>(model: &'a Model, name: &str) -> Option<&'a Server> {
    model.screens.fleet.remote.get()?.server(name)
}

fn task<'a>(model: &'a Model, server_name: &str, arn: &str) -> Option<&'a Task> {
    server(model, server_name)?.known_tasks().iter().find(|task| task.arn == arn)
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

/// That it is not known what AWS says of its own issues.
pub fn issues_unread(model: &Model) -> Option<Unread> {
    let state = &model.screens.fleet;
    let why = state.issues.error().filter(|_| state.remote.error().is_none())?;
    Some(Unread { part: Part::Issues, why: why.clone() })
}

/// The same of what keeps requests away from zones.
pub fn shifts_unread(model: &Model) -> Option<Unread> {
    let state = &model.screens.fleet;
    let why = state.shifts.error().filter(|_| state.remote.error().is_none())?;
    Some(Unread { part: Part::Shifts, why: why.clone() })
}

/// The zones of the tasks that run, each with them.
pub fn zones(model: &Model) -> Vec<(&str, Tasks)> {
    let servers = || model.screens.fleet.remote.get().into_iter().flat_map(|fleet| &fleet.servers);
    let names: BTreeSet<&str> = servers().flat_map(|server| running_by_zone(server).into_keys()).collect();
    let of = |zone: &str| {
        let all: Vec<Tasks> = servers().filter_map(|server| tasks_of(server, zone)).collect();
        let sum = |part: fn(&Tasks) -> usize| all.iter().map(part).sum();
        Tasks { there: sum(|one| one.there), healthy_there: sum(|one| one.healthy_there), ..Tasks::default() }
    };
    names.into_iter().map(|zone| (zone, of(zone))).collect()
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

/// Whether a deployment of the selected server is under way.
pub(in crate::console) fn deploys(model: &Model) -> bool {
    let deploys =
        |server: &Server| server.moving() && !server.primary().is_some_and(|one| one.rollout == Rollout::Completed);
    model.screens.fleet.changing() && selected_server(model).is_some_and(deploys)
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
