//! Doctor: the way from a client to an answer, link by link. It asks AWS and the servers themselves, so it goes only
//! when the operator says so, and never by a timer.

use jiff::Timestamp;

use super::{Freshness, Screen, View, clients, fleet, logs};
use crate::console::action::Action;
use crate::console::describe;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::remote::Generation;
use crate::console::table::{Cell, Column, Row, Table};
use crate::core::doctor::{Hop, Link, News, first_broken};
use crate::core::meaning::Meaning;

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The ways that were gone, in their order; the last one may be under way.
    pub ways: Vec<Way>,
    pub table: Table,
    /// The servers that were asked for; empty before the first run.
    asked: Vec<String>,
    progress: Progress,
    generation: Generation,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    #[default]
    Never,
    /// It goes, since then.
    Going(Timestamp),
    Ended(Timestamp),
    /// The operator stopped it.
    Stopped(Timestamp),
}

/// The way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The server; empty where none is known.
    pub server: String,
    pub hops: Vec<Hop>,
    pub ended: bool,
}

impl Way {
    /// The server, or what there is without one.
    pub fn name(&self) -> &str {
        if self.server.is_empty() { "the environment" } else { &self.server }
    }
}

impl State {
    /// Since when it has been going, if it is.
    pub fn going(&self) -> Option<Timestamp> {
        match self.progress {
            Progress::Going(since) => Some(since),
            _ => None,
        }
    }

    /// Whether it was stopped before it came to its end.
    pub fn stopped(&self) -> bool {
        matches!(self.progress, Progress::Stopped(_))
    }
}

const SERVER: Column = Column::text("SERVER", 10, 0);
const LINKS: [Column; 4] = [
    Column::text("LINK", 20, 0),
    Column::text("STATE", 11, 0),
    Column::number("TOOK", 8, 2),
    Column::wide("FOUND", 24, 0),
];

/// The table that is shown.
pub fn view(model: &Model) -> View {
    let state = &model.screens.doctor;
    let several = state.asked.len() > 1;
    let columns: Vec<Column> = several.then_some(SERVER).into_iter().chain(LINKS).collect();
    let rows: Vec<Row> = state.ways.iter().flat_map(|way| rows(way, several)).collect();
    let all = rows.len();
    let rows = state.table.arrange(&columns, rows);
    let title = match state.asked.as_slice() {
        [] => "the way of a client".to_owned(),
        [one] if one.is_empty() => "the way to the environment".to_owned(),
        [one] => format!("the way to {one}"),
        many => format!("the way to {} servers", many.len()),
    };
    View { title, columns, selected: state.table.position(&rows), rows, all, empty: empty(model, all) }
}

fn rows(way: &Way, several: bool) -> Vec<Row> {
    let row = |(index, hop): (usize, &Hop)| {
        let state = &hop.state;
        let mut cells: Vec<Cell> = several.then(|| Cell::new(way.name(), Meaning::Accent)).into_iter().collect();
        cells.extend([
            Cell::new(hop.link.word(), Meaning::Accent),
            Cell::new(format!("{} {}", state.symbol(), state.word()), state.meaning()),
            Cell::plain(hop.millis.map(|millis| format!("{millis} ms")).unwrap_or_default()),
            Cell::new(state.said(), if state.fix().is_some() { state.meaning() } else { Meaning::Plain }),
        ]);
        let key = format!("{} {index}", way.server);
        Row { key, cells, well: state.fix().is_none() }
    };
    way.hops.iter().enumerate().map(row).collect()
}

fn empty(model: &Model, all: usize) -> String {
    let state = &model.screens.doctor;
    match (all, state.progress) {
        (1.., _) => hint::nothing_shown(model, &model.screens.doctor.table, Some(Action::DoctorFaults)),
        (_, Progress::Going(_)) => "asking …".into(),
        (_, Progress::Stopped(_)) => {
            format!("stopped before the first answer{}", hint::then(model, Action::DoctorAgain, "goes again"))
        }
        (_, Progress::Never | Progress::Ended(_)) => {
            let way = hint::then(
                model,
                Action::DoctorAgain,
                "goes the way of a client: it asks AWS, then the public address, \
                the authorization server and MCP, and calls a tool that only reads",
            );
            format!("not looked at yet{way}")
        }
    }
}

/// Shows the screen. On Fleet the selected server is looked at, unless it was just now; nowhere else anything is
/// asked by showing it.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    let on_fleet = model.screen == Screen::Fleet;
    let server = fleet::selected_server(model).filter(|_| on_fleet).map(|server| server.name.clone());
    let mut effects = model.show(Screen::Doctor);
    if let Some(server) = server
        && model.screens.doctor.asked != [server.clone()]
    {
        effects.extend(go(model, vec![server]));
    }
    effects
}

/// Goes the way once more.
pub fn again(model: &mut Model) -> Vec<Effect> {
    if model.screens.doctor.going().is_some() {
        return model.refuse(format!("it is still going{}", hint::then(model, Action::Back, "stops it")));
    }
    match model.screens.doctor.asked.clone() {
        asked if asked.is_empty() => all(model),
        asked => go(model, asked),
    }
}

/// Goes the way to every server.
pub fn all(model: &mut Model) -> Vec<Effect> {
    let fleet = model.screens.fleet.remote.get();
    let names: Vec<String> = fleet.into_iter().flat_map(|fleet| &fleet.servers).map(|one| one.name.clone()).collect();
    // Where no server is known, the first links say why.
    go(model, if names.is_empty() { vec![String::new()] } else { names })
}

fn go(model: &mut Model, servers: Vec<String>) -> Vec<Effect> {
    let state = &mut model.screens.doctor;
    state.generation += 1;
    state.asked.clone_from(&servers);
    state.ways.clear();
    state.table.renew();
    state.progress = Progress::Going(model.now);
    vec![Effect::Doctor(state.generation, servers)]
}

/// Takes what was found.
pub(in crate::console) fn found(model: &mut Model, generation: Generation, news: News) -> Vec<Effect> {
    let state = &mut model.screens.doctor;
    if generation != state.generation || state.going().is_none() {
        return Vec::new();
    }
    match news {
        News::Begun(server) => {
            state.ways.iter_mut().for_each(|way| way.ended = true);
            state.ways.push(Way { server, hops: Vec::new(), ended: false });
        }
        News::Found(hop) => {
            state.ways.last_mut().into_iter().for_each(|way| way.hops.push(hop.clone()));
        }
        News::Ended => {
            state.ways.iter_mut().for_each(|way| way.ended = true);
            state.progress = Progress::Ended(model.now);
        }
    }
    Vec::new()
}

/// When the last run ended: that is how old what it found is.
pub(super) fn freshness(model: &Model) -> Option<Freshness> {
    match model.screens.doctor.progress {
        Progress::Never => None,
        Progress::Going(_) => Some(Freshness { read_at: None, error: None }),
        Progress::Ended(at) | Progress::Stopped(at) => Some(Freshness { read_at: Some(at), error: None }),
    }
}

/// Goes one step back: out of the filter, out of a run.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.doctor;
    if state.table.unfilter() {
        return Some(Vec::new());
    }
    stop(model).map(|effect| vec![effect])
}

/// Goes no further, if it goes.
pub(in crate::console) fn stop(model: &mut Model) -> Option<Effect> {
    let state = &mut model.screens.doctor;
    state.going()?;
    state.progress = Progress::Stopped(model.now);
    Some(Effect::StopDoctor)
}

pub fn faults_only(model: &mut Model) -> Vec<Effect> {
    let table = &mut model.screens.doctor.table;
    table.faults_only = !table.faults_only;
    Vec::new()
}

/// The selected link, and whose way it is on.
pub fn selected(model: &Model) -> Option<(&Way, &Hop)> {
    let view = view(model);
    let key = view.selected_key()?;
    let ways = model.screens.doctor.ways.iter();
    let mut all = ways.flat_map(|way| way.hops.iter().enumerate().map(move |(index, hop)| (way, index, hop)));
    let (way, _, hop) = all.find(|(way, index, _)| format!("{} {index}", way.server) == key)?;
    Some((way, hop))
}

/// The first broken link of each way.
pub fn broken(model: &Model) -> Vec<(&Way, &Hop)> {
    let ways = model.screens.doctor.ways.iter();
    ways.filter_map(|way| Some((way, first_broken(&way.hops)?))).collect()
}

/// Where a link is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    Stacks,
    Server,
    Clients,
    Log,
    /// There is no screen for it: its whole text.
    Itself,
}

impl Lead {
    /// What is there, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Stacks => "the stacks",
            Self::Server => "the server's tasks",
            Self::Clients => "the clients",
            Self::Log => "the server's log",
            Self::Itself => "the whole text",
        }
    }
}

/// Where a link is looked into, as far as that is there.
pub fn lead(model: &Model, way: &Way, hop: &Hop) -> Lead {
    let known = fleet::knows(model, &way.server);
    match hop.link {
        Link::Stacks => Lead::Stacks,
        Link::Service | Link::Targets if known => Lead::Server,
        Link::Token => Lead::Clients,
        Link::Challenge | Link::Initialize | Link::Tools | Link::SafeCall | Link::Log if known => Lead::Log,
        _ => Lead::Itself,
    }
}

/// Goes to where the selected link is looked into.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let Some((way, hop)) = selected(model) else { return model.refuse("no link is selected") };
    let server = way.server.clone();
    match lead(model, way, hop) {
        Lead::Stacks => super::stack::show(model),
        Lead::Server => fleet::drill(model, &server),
        Lead::Clients => clients::of_server(model, &server),
        Lead::Log => logs::follow(model, Some(&server)),
        Lead::Itself => describe(model),
    }
}

/// The whole of the selected link.
pub fn describe(model: &mut Model) -> Vec<Effect> {
    let Some((way, hop)) = selected(model) else { return model.refuse("no link is selected") };
    let named = [
        ("server", way.name().to_owned()),
        ("link", hop.link.word().to_owned()),
        ("state", hop.state.word().to_owned()),
        ("took", hop.millis.map(|millis| format!("{millis} ms")).unwrap_or_default()),
        ("found", hop.state.said().to_owned()),
        ("fix", hop.state.fix().map(|fix| hint::at_link(fix, model)).unwrap_or_default()),
    ];
    let told = named.into_iter().filter(|(_, value)| !value.is_empty());
    let dialog = describe::fields("link", told.map(|(name, value)| (name.to_owned(), value)));
    model.open(dialog)
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    let line = |(way, hop): (&Way, &Hop)| {
        let fix = hop.state.fix().map(|fix| format!("; fix: {fix}")).unwrap_or_default();
        format!("{}: {}: {}: {}{fix}", way.name(), hop.link.word(), hop.state.word(), hop.state.said())
    };
    selected(model).map(|found| Effect::Copy(line(found))).into_iter().collect()
}
