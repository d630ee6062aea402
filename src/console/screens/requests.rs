//! Requests: how many, errors and latencies per tool and client, counted from the log that is followed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Fetch, Screen, View, clients, fleet};
use crate::console::action::Action;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::table::{Cell, Column, Row, Table};
use crate::core::finding::{Finding, of_traffic};
use crate::core::logs::{Expression, TailState};
use crate::core::meaning::Meaning;
use crate::core::quarantine::Who;
use crate::core::requests::{Asked, By, Figures, Lately, Period, Requests, Sender, Subject, Why};
use crate::core::text::{self, age, count, milliseconds};
use crate::core::timeline::bursts::Lines;

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What was counted.
    pub counted: Requests,
    /// What is wrong by it, by server.
    pub found: BTreeMap<String, Vec<Finding>>,
    /// What of that stands on lines that were read at times, where nobody follows the log.
    read: BTreeMap<String, Judged>,
    /// When that was found out, in milliseconds since the Unix epoch.
    judged: i64,
    /// How far back the figures go.
    pub window: Period,
    /// What a row stands for.
    pub by: By,
    /// Only this server.
    pub server: Option<String>,
    pub table: Table,
}

/// How far the lines went by which a server was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Judged {
    until: Timestamp,
    /// Whether they said then how it is, and not how it was.
    current: bool,
}

const SERVER: Column = Column::text("SERVER", 10, 0);
const TOOL: Column = Column::wide("TOOL", 14, 0);
const CLIENT: Column = Column::wide("CLIENT", 12, 1);
const WHY: Column = Column::text("WHY", 18, 0);
const FIGURES: [Column; 7] = [
    Column::number("REQ/S", 7, 0),
    Column::number("REQUESTS", 8, 5),
    Column::number("ERRORS", 7, 0),
    Column::number("REFUSED", 7, 3),
    Column::number("P50", 7, 2),
    Column::number("P95", 7, 0),
    Column::number("P99", 7, 1),
];

/// A row with more errors than this (percent) is not well.
const ERRORS: f64 = 1.0;

/// The table that is shown.
pub fn view(model: &Model) -> View {
    let state = &model.screens.requests;
    let now = model.now.as_millisecond();
    let figures = state.counted.figures(state.by, state.window, now);
    let wanted = |subject: &Subject| state.server.as_ref().is_none_or(|server| *server == subject.server);
    let rows: Vec<Row> = figures
        .iter()
        .filter(|(subject, _)| wanted(subject))
        .map(|(subject, figures)| row(model, subject, figures))
        .collect();
    let all = rows.len();
    let columns = columns(state.by);
    let rows = state.table.arrange(&columns, rows);
    let of = state.server.as_ref().map(|server| format!(" of {server}")).unwrap_or_default();
    View {
        title: format!("requests{of} in the last {}", minutes(state.window)),
        selected: state.table.position(&rows),
        columns,
        rows,
        all,
        empty: empty(model, all),
    }
}

fn minutes(window: Period) -> String {
    count(usize::try_from(window.minutes()).unwrap_or_default(), "minute")
}

/// What a row tells apart, and its figures.
fn columns(by: By) -> Vec<Column> {
    let subject = match by {
        By::Tool => vec![SERVER, TOOL],
        By::Client => vec![SERVER, CLIENT],
        By::Both => vec![SERVER, TOOL, CLIENT],
        By::Why => vec![SERVER, CLIENT, WHY],
    };
    subject.into_iter().chain(FIGURES).collect()
}

fn empty(model: &Model, all: usize) -> String {
    match (all, model.screens.logs.following()) {
        (0, true) if model.screens.requests.by == By::Why => format!(
            "no request was refused in the last {} of the log ({})",
            minutes(model.screens.requests.window),
            model.screens.logs.tail.word()
        ),
        (0, true) if matches!(model.screens.logs.tail, TailState::Loading(_)) => "reading the log …".to_owned(),
        (1.., _) => hint::nothing_shown(model, &model.screens.requests.table, None),
        (_, true) => format!(
            "no request line in the last {} of the log ({})",
            minutes(model.screens.requests.window),
            model.screens.logs.tail.word()
        ),
        (_, false) => {
            format!("the log is not followed yet{}", hint::then(model, Action::Show(Screen::Logs), "follows it"))
        }
    }
}

fn row(model: &Model, subject: &Subject, figures: &Figures) -> Row {
    let bad = figures.error_percent().is_some_and(|percent| percent > ERRORS);
    let latency = |percent| Cell::plain(figures.latency.percentile(percent).map(milliseconds).unwrap_or_default());
    let share = |part: u64, meaning| match part {
        0 => Cell::muted("0"),
        _ => Cell::new(text::share(part, figures.requests), meaning),
    };
    let named = |name: Option<&str>| name.map_or(Cell::muted("-"), Cell::plain);
    let mut cells = vec![Cell::new(&subject.server, Meaning::Accent)];
    cells.extend(subject.asked.as_ref().map(|asked| named(asked.name())));
    let out = subject.sender.as_ref().and_then(Sender::client);
    let out = out.and_then(|id| clients::out(model, &Who::Client(id.to_owned())));
    cells.extend(subject.sender.as_ref().map(|sender| {
        let mut cell = named(sender.client().map(|id| client_name(model, id)));
        if let Some(out) = &out {
            // First, so that a long name does not hide it.
            cell = Cell::new(format!("{} {}", out.text, cell.text), out.meaning);
        }
        cell
    }));
    cells.extend(subject.why.map(|why| Cell::new(why.word(), Meaning::Warn)));
    cells.extend([
        Cell::plain(rate(figures.rate())),
        Cell::plain(figures.requests.to_string()),
        share(figures.errors, if bad { Meaning::Bad } else { Meaning::Warn }),
        share(figures.refused, Meaning::Warn),
        latency(50.0),
        latency(95.0),
        latency(99.0),
    ]);
    Row { key: row_key(subject), cells, well: !bad }
}

/// `Debug` escapes names, so no two subjects share a key.
fn row_key(subject: &Subject) -> String {
    format!("{subject:?}")
}

/// Requests per second in at most five characters.
pub fn rate(rate: f64) -> String {
    match rate {
        0.0 => "0".into(),
        ..10.0 => format!("{rate:.2}"),
        ..100.0 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

/// The client's name, where the Clients screen has read it.
pub(super) fn client_name<'a>(model: &'a Model, id: &'a str) -> &'a str {
    let list = model.screens.clients.remote.get();
    let known = list.and_then(|list| list.clients.iter().find(|client| client.id == id));
    known.map_or(id, |client| &client.name)
}

/// Shows the screen, of the selected server or all; the log is followed if it is not yet.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    let on_fleet = model.screen == Screen::Fleet;
    let server = fleet::selected_server(model).filter(|_| on_fleet).map(|server| server.name.clone());
    let mut effects = if model.screens.logs.following() { Vec::new() } else { super::logs::follow(model, None) };
    model.screens.requests.server = server;
    effects.extend(model.show(Screen::Requests));
    effects
}

/// Shows what a server's requests of the last quarter of an hour ended for, or its tools where no reason is known.
pub(super) fn show_of(model: &mut Model, server: &str, by: By) -> Vec<Effect> {
    let mut effects = if model.screens.logs.following() { Vec::new() } else { super::logs::follow(model, None) };
    let state = &mut model.screens.requests;
    (state.server, state.by, state.window) = (Some(server.to_owned()), by, Period::Fifteen);
    effects.extend(model.show(Screen::Requests));
    effects
}

/// Goes one step back: out of the filter, then out of one server.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.requests;
    (state.table.unfilter() || state.server.take().is_some()).then(Vec::new)
}

pub fn window(model: &mut Model) -> Vec<Effect> {
    model.screens.requests.window = model.screens.requests.window.next();
    Vec::new()
}

pub fn group(model: &mut Model) -> Vec<Effect> {
    model.screens.requests.by = model.screens.requests.by.next();
    Vec::new()
}

/// Whose requests the selected row counts.
fn selected(model: &Model) -> Option<Subject> {
    let (view, state) = (view(model), &model.screens.requests);
    let key = state.table.selection(&view.rows)?;
    let figures = state.counted.figures(state.by, state.window, model.now.as_millisecond());
    figures.into_iter().map(|(subject, _)| subject).find(|subject| row_key(subject) == key)
}

/// Plans to keep the client of the selected row out, or to let it in again.
pub fn quarantine(model: &mut Model) -> Vec<Effect> {
    let Some(subject) = selected(model) else { return model.refuse("no row is selected") };
    match subject.sender {
        Some(Sender::Client(id)) => {
            let called = client_name(model, &id).to_owned();
            clients::switch_quarantine(model, Who::Client(id), called)
        }
        Some(Sender::Unknown) => model.refuse("whose requests these are is not known: they had no token of the issuer"),
        None => model.refuse(format!(
            "this row is not of one client{}",
            hint::then(model, Action::GroupBy, "shows a row per client")
        )),
    }
}

/// How often what was counted is judged, in milliseconds.
const JUDGED: i64 = 2_000;

/// Finds out what is wrong by what was counted: not at every step, for there may be many servers and clients.
pub(in crate::console) fn judge(model: &mut Model) {
    let now = model.now.as_millisecond();
    if now.abs_diff(model.screens.requests.judged) < JUDGED.unsigned_abs() {
        return;
    }
    model.screens.requests.judged = now;
    let name = |id: &str| client_name(model, id).to_owned();
    let (found, read) = if model.screens.logs.tail.is_current() {
        (of_traffic(&model.screens.requests.counted, &name, model.now, model.now), BTreeMap::new())
    } else {
        model.screens.fleet.traffic.get().map(|lately| by_read(model, lately, &name)).unwrap_or_default()
    };
    (model.screens.requests.found, model.screens.requests.read) = (found, read);
}

/// What is wrong with each server, by what was read of it last: those off the screen are not read again, and what was wrong
/// with them stands until something newer is known. It is put into other words once, when it is no longer as of now.
fn by_read(
    model: &Model,
    lately: &Lately,
    name: &dyn Fn(&str) -> String,
) -> (BTreeMap<String, Vec<Finding>>, BTreeMap<String, Judged>) {
    let state = &model.screens.requests;
    let (mut found, mut judged, mut times) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (server, until) in &lately.until {
        let as_of = Judged { until: *until, current: lately.current(server, model.now).is_some() };
        let (before, known) = (state.read.get(server), state.found.get(server));
        let mut new = None;
        if as_of.current || before != Some(&as_of) {
            let all = times.entry(*until).or_insert_with(|| of_traffic(&lately.requests, name, *until, model.now));
            new = all.remove(server);
        }
        // Its lines may have been forgotten since, and say nothing any more.
        let stands = !as_of.current && before.is_some_and(|before| before.until == *until);
        let new = new.or_else(|| known.filter(|_| stands).cloned());
        found.extend(new.map(|new| (server.clone(), new)));
        judged.insert(server.clone(), as_of);
    }
    (found, judged)
}

/// The requests in which a server's are counted, and up to when; `None` where its own are not read.
pub fn known<'a>(model: &'a Model, server: &str) -> Option<(&'a Requests, Timestamp)> {
    if model.screens.logs.tail.is_current() {
        return Some((&model.screens.requests.counted, model.now));
    }
    let lately = model.screens.fleet.traffic.get()?;
    Some((&lately.requests, lately.current(server, model.now)?))
}

/// The request lines that were counted, with up to when those of each server were read; `None` where none are read.
pub(super) fn lines(model: &Model) -> Option<Lines<'_>> {
    if model.screens.logs.tail.is_current() {
        let requests = &model.screens.requests.counted;
        let until = requests.servers().into_iter().map(|server| (server.to_owned(), model.now)).collect();
        return Some(Lines { requests, until });
    }
    let lately = model.screens.fleet.traffic.get()?;
    Some(Lines { requests: &lately.requests, until: lately.until.clone() })
}

/// What is wrong with a server by its requests. What was read too long ago to say how it is now says when that was.
pub fn found(model: &Model, server: &str) -> Vec<Finding> {
    let state = &model.screens.requests;
    let mut all = state.found.get(server).cloned().unwrap_or_default();
    if let Some(Judged { until, .. }) = state.read.get(server).filter(|judged| !judged.current) {
        let ago = format!(", as read {} ago", age(model.now, *until));
        all.iter_mut().for_each(|one| one.fact.push_str(&ago));
    }
    all
}

/// The clients' names, once: who they are does not change while the figures are looked at.
pub(super) fn reads(model: &mut Model) -> Vec<Fetch> {
    if model.context.ours().is_none() {
        return Vec::new();
    }
    let named = model.screens.clients.remote.get().is_some();
    let clients = (!named).then_some(Fetch::Clients);
    clients.into_iter().chain([Fetch::Quarantine]).collect()
}

/// The log, filtered to the selected row.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let Some(Subject { server, asked, sender, why }) = selected(model) else {
        return model.refuse("no row is selected");
    };
    let asked = asked.map(|asked| match asked {
        Asked::Tool(tool) => vec![Expression::equals("tool", &tool)],
        Asked::Method(method) => vec![Expression::equals("method", &method), Expression::lacks("tool")],
        Asked::Unnamed => vec![Expression::lacks("tool"), Expression::lacks("method")],
    });
    let sent = sender.map(|sender| match sender {
        Sender::Client(id) => Expression::equals("client", &id),
        Sender::Unknown => Expression::lacks("client"),
    });
    let why = why.map(|why| match (why, why.upstream()) {
        (_, Some(word)) => vec![Expression::equals("upstream", word)],
        (Why::Unsaid, _) => Expression::parse("status>=400").into_iter().chain([Expression::lacks("reason")]).collect(),
        (why, None) => vec![Expression::equals("reason", why.word())],
    });
    let effects = super::logs::follow(model, Some(&server));
    model.screens.logs.only(asked.into_iter().flatten().chain(sent).chain(why.into_iter().flatten()).collect());
    effects
}

/// Copies nothing: the figures are on the screen.
pub(super) fn copy(_: &mut Model) -> Vec<Effect> {
    Vec::new()
}
