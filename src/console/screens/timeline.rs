//! Timeline: what happened, newest first, and from each row to where it is looked into.

use jiff::{SignedDuration, Timestamp};

use super::{Fetch, Freshness, SLOW, STEADY, Screen, View, fleet, logs, requests, stack};
use crate::console::action::Action;
use crate::console::describe;
use crate::console::dialogs::Dialog;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::input::Input;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Cell, Column, Row, Table};
use crate::core::environment::names;
use crate::core::meaning::Meaning;
use crate::core::requests::{By, Period};
use crate::core::text::age;
use crate::core::timeline::bursts::{Lasts, bursts};
use crate::core::timeline::{History, Kind, Moment, Span, Stretch, merge, of_fleet};

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What the fleet does not know: events of stacks, scaling, counts of requests, alarms, and operations.
    pub past: Remote<History>,
    /// What the past was asked of.
    pub stretch: Stretch,
    pub table: Table,
    /// What is shown, newest first.
    moments: Vec<Moment>,
    /// Bursts of errors and refusals.
    bursts: Vec<Moment>,
    /// When they were found out, and when the past was read that they rest on.
    judged: Option<(Timestamp, Option<Timestamp>)>,
    /// The server that a row has led to.
    led_to: Option<String>,
    /// How many older ones there are besides.
    older: usize,
}

/// Rows that are kept. Whoever wants more looks at one server, or at a shorter time.
const MOST: usize = 2_000;
/// Seconds between two reads of the past while nothing changes: each reads the events of every stack that changed.
const SELDOM: i64 = 30;
/// How often bursts are found out.
const JUDGED: SignedDuration = SignedDuration::from_secs(4);
/// Requests shows so much of the past.
const REQUESTS: SignedDuration = SignedDuration::from_mins(Period::Fifteen.minutes());

const COLUMNS: &[Column] = &[
    Column::text("TIME", 8, 0),
    Column::text("AGO", 6, 3),
    Column::text("KIND", 11, 0),
    Column::ending("SUBJECT", 16, 0),
    Column::wide("WHAT", 24, 0),
];

/// The table that is shown.
pub fn view(model: &Model) -> View {
    let state = &model.screens.timeline;
    let rows: Vec<Row> = state.moments.iter().map(|moment| row(model, moment)).collect();
    let all = rows.len();
    let rows = state.table.arrange(COLUMNS, rows);
    let of = state.stretch.server.as_ref().map(|server| format!(" to {server}")).unwrap_or_default();
    let older = if state.older > 0 { format!(", without {} older ones", state.older) } else { String::new() };
    let stops = if forgets(state) { ", stopped tasks of the last hour alone" } else { "" };
    View {
        title: format!("what happened{of} in the last {}{stops}{older}", state.stretch.span.word()),
        columns: COLUMNS.to_vec(),
        selected: state.table.position(&rows),
        rows,
        all,
        empty: empty(model, all),
    }
}

/// Whether more is asked for than ECS remembers of tasks, and nothing else keeps it.
fn forgets(state: &State) -> bool {
    state.stretch.span != Span::Hour && state.past.get().is_some_and(|past| past.captured.is_none())
}

fn row(model: &Model, moment: &Moment) -> Row {
    let (mark, meaning) = if moment.bad { ("✖", Meaning::Bad) } else { ("·", Meaning::Muted) };
    let id = moment.finding.map(|id| format!(" [{}]", id.word())).unwrap_or_default();
    let what = format!("{}{id}", moment.what);
    let cells = vec![
        Cell::muted(time(model, moment.at)),
        Cell::muted(age(model.now, moment.at)),
        Cell::new(format!("{mark} {}", moment.kind.word()), meaning),
        Cell::new(short(model, moment), Meaning::Accent),
        if moment.bad { Cell::new(what, Meaning::Warn) } else { Cell::plain(what) },
    ];
    Row { key: key(moment), cells, well: !moment.bad }
}

/// Of a stack the part that the environment has in it: the rest is the same in each.
fn short<'a>(model: &Model, moment: &'a Moment) -> &'a str {
    let stack = (moment.kind == Kind::Stack).then(|| names::stack_prefix(&model.context.environment));
    stack.and_then(|prefix| moment.subject.strip_prefix(&prefix)).unwrap_or(&moment.subject)
}

/// Two that are the same in all of this are one. The words of a burst change while it goes on, and where its beginning is
/// forgotten it moves; those of scaling change while it finds the same again.
fn key(moment: &Moment) -> String {
    let (kind, subject) = (moment.kind.word(), &moment.subject);
    match &moment.burst {
        Some(burst) if burst.lasts == Lasts::Over => format!("{kind} {subject} until {}", burst.until),
        Some(_) => format!("{kind} {subject} now"),
        None if moment.kind == Kind::Scaling => format!("{} {kind} {subject}", moment.at),
        None => format!("{} {kind} {subject} {}", moment.at, moment.what),
    }
}

/// The time of the last day's moments, the date of older ones.
fn time(model: &Model, at: Timestamp) -> String {
    let old = model.now.duration_since(at) >= SignedDuration::from_hours(24);
    let at = at.to_zoned(model.screens.logs.zone.clone());
    at.strftime(if old { "%b %d %H:%M" } else { "%H:%M:%S" }).to_string()
}

fn empty(model: &Model, all: usize) -> String {
    let state = &model.screens.timeline;
    let missing = state.past.missing().or_else(|| model.screens.fleet.remote.missing());
    match (all, missing) {
        (1.., _) => hint::nothing_shown(model, &model.screens.timeline.table, Some(Action::TimelineFaults)),
        (_, Some(why)) => why,
        (_, None) => format!("nothing happened in the last {}, as far as AWS remembers", state.stretch.span.word()),
    }
}

/// Shows the screen: of the server that is opened on Fleet, or of all. Where a row has led to that server, it shows
/// what it showed.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    let led_to = model.screens.timeline.led_to.take();
    if model.screen == Screen::Fleet {
        let server = fleet::opened(model).map(str::to_owned);
        if server.is_none() || server != led_to {
            ask(model, |stretch| stretch.server = server);
        }
    }
    let effects = model.show(Screen::Timeline);
    gather(model);
    effects
}

/// Asks for another part of the past.
fn ask(model: &mut Model, change: impl FnOnce(&mut Stretch)) {
    let state = &mut model.screens.timeline;
    let before = state.stretch.clone();
    change(&mut state.stretch);
    if state.stretch != before {
        state.past.reset();
        state.judged = None;
        state.table.renew();
    }
}

/// Puts together what is known, once for each answer and not for each frame.
pub(in crate::console) fn gather(model: &mut Model) {
    if model.screen != Screen::Timeline {
        return;
    }
    let state = &model.screens.timeline;
    let since = state.stretch.span.since(model.now);
    let server = state.stretch.server.clone();
    let fleet = model.screens.fleet.remote.get();
    let mut all = fleet.map(|fleet| of_fleet(fleet, server.as_deref(), since)).unwrap_or_default();
    all.extend(state.past.get().into_iter().flat_map(|past| past.beyond(fleet, server.as_deref())));
    all.extend(bursts_of(model, server.as_deref()));
    let mut all = merge(all, since);
    all.reverse();
    let state = &mut model.screens.timeline;
    state.older = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    state.moments = all;
}

/// The bursts of a server, or of all. With many clients they take a while to find out, so it is not done for each part of
/// the fleet that comes.
fn bursts_of(model: &mut Model, server: Option<&str>) -> Vec<Moment> {
    let old = |at: Timestamp| model.now.duration_since(at) >= JUDGED;
    let state = &model.screens.timeline;
    let past = state.past.read_at();
    if state.judged.is_none_or(|(at, rests_on)| old(at) || rests_on != past) {
        let counted = state.past.get().and_then(|past| past.counted.as_deref());
        let name = |id: &str| requests::client_name(model, id).to_owned();
        let found = bursts(counted, requests::lines(model).as_ref(), &name, model.now);
        let state = &mut model.screens.timeline;
        (state.bursts, state.judged) = (found, Some((model.now, past)));
    }
    let all = model.screens.timeline.bursts.iter();
    all.filter(|one| server.is_none_or(|server| server == one.subject)).cloned().collect()
}

/// What must be fresh: the fleet, and what it does not know; and once the clients' names, where a burst tells of one.
pub(super) fn reads(model: &mut Model) -> Vec<Fetch> {
    let tells =
        model.screens.timeline.bursts.iter().any(|one| one.burst.as_ref().is_some_and(|one| one.client.is_some()));
    let unnamed = model.context.ours().is_some() && model.screens.clients.remote.get().is_none();
    let clients = (tells && unnamed).then_some(Fetch::Clients);
    let past = Fetch::History(model.screens.timeline.stretch.clone());
    [Fetch::ANY_FLEET, past].into_iter().chain(fleet::traffic(model)).chain(clients).collect()
}

/// Seconds between two reads of the past.
pub(super) fn pace(model: &Model) -> i64 {
    match () {
        () if model.busy() => STEADY,
        () if model.screens.fleet.changing() => SLOW,
        () => SELDOM,
    }
}

/// The age of the older of both parts, and why one was not read again.
pub(super) fn freshness(model: &Model) -> Option<Freshness> {
    let (past, fleet) = (&model.screens.timeline.past, &model.screens.fleet.remote);
    let read_at = past.read_at().zip(fleet.read_at()).map(|(past, fleet)| past.min(fleet));
    Some(Freshness { read_at, error: past.error().or(fleet.error()).cloned() })
}

/// Goes one step back: out of the filter, then out of one server.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    if model.screens.timeline.table.unfilter() {
        return Some(Vec::new());
    }
    model.screens.timeline.stretch.server.as_ref()?;
    ask(model, |stretch| stretch.server = None);
    gather(model);
    Some(Vec::new())
}

pub fn window(model: &mut Model) -> Vec<Effect> {
    ask(model, |stretch| stretch.span = stretch.span.next());
    gather(model);
    Vec::new()
}

pub fn faults_only(model: &mut Model) -> Vec<Effect> {
    let table = &mut model.screens.timeline.table;
    table.faults_only = !table.faults_only;
    Vec::new()
}

/// What the selected row tells of.
pub fn selected(model: &Model) -> Option<&Moment> {
    let view = view(model);
    let wanted = view.selected_key()?;
    model.screens.timeline.moments.iter().find(|moment| key(moment) == wanted)
}

/// Where a row leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    Operation(String),
    Stack(String),
    /// The lines of a task: server, task, and when to look.
    Log(String, String, Timestamp),
    Server(String),
    /// A server and its events.
    Events(String),
    /// The requests of a server, by this.
    Requests(String, By),
    /// The log of a server at a time.
    LogAt(String, Timestamp),
    /// There is nothing more to see of it than the row itself.
    Itself,
}

impl Lead {
    /// What is there, in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Operation(_) => "the operation".to_owned(),
            Self::Stack(stack) => format!("stack {stack}"),
            Self::Log(server, ..) => format!("the lines of this task of {server}"),
            Self::Server(server) => format!("the tasks of {server}"),
            Self::Events(server) => format!("the events of {server}"),
            Self::Requests(server, By::Why) => format!("the requests of {server} by why"),
            Self::Requests(server, _) => format!("the requests of {server}"),
            Self::LogAt(server, _) => format!("the log of {server} at that time"),
            Self::Itself => "the whole text".to_owned(),
        }
    }
}

/// Where a row leads, as far as that is still there.
pub fn lead(model: &Model, moment: &Moment) -> Lead {
    let subject = &moment.subject;
    let known = fleet::knows(model, subject);
    match (moment.kind, &moment.task) {
        (Kind::Operation, _) if model.operation(subject).is_some() => Lead::Operation(subject.clone()),
        (Kind::Stack, _) if stack::may_show(model, subject) => Lead::Stack(subject.clone()),
        (Kind::Task, Some(task)) if known => Lead::Log(subject.clone(), task.clone(), moment.at),
        (Kind::Deployment | Kind::Scaling | Kind::Task | Kind::Alarm, _) if known => Lead::Server(subject.clone()),
        // One that all servers share is named after the stack that has it.
        (Kind::Alarm, _) => match names::stack(&model.context.environment, subject) {
            stack if stack::is_there(model, &stack) => Lead::Stack(stack),
            _ => Lead::Itself,
        },
        (Kind::Event, _) if known => Lead::Events(subject.clone()),
        (Kind::Errors | Kind::Refusals, _) if known => to_requests(model, moment),
        _ => Lead::Itself,
    }
}

/// The requests of a burst are shown where they are counted still; of an earlier one its lines are.
fn to_requests(model: &Model, moment: &Moment) -> Lead {
    let burst = moment.burst.as_ref();
    let gone =
        burst.is_some_and(|burst| burst.lasts == Lasts::Over && model.now.duration_since(burst.until) >= REQUESTS);
    // What only a tool says has failed has no reason.
    let known = moment.kind == Kind::Refusals || burst.is_some_and(|burst| burst.why.is_some());
    match gone {
        true => Lead::LogAt(moment.subject.clone(), moment.at),
        false => Lead::Requests(moment.subject.clone(), if known { By::Why } else { By::Tool }),
    }
}

/// Goes to where the selected row leads.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let Some(moment) = selected(model) else { return model.refuse("no row is selected") };
    match lead(model, moment) {
        Lead::Operation(id) => model.open(Dialog::Operation { id, scroll: 0, input: Input::default(), error: None }),
        Lead::Stack(name) => stack::drill(model, &name),
        Lead::Log(server, task, at) => logs::follow_task(model, &server, &task, Some(at)),
        Lead::Server(server) => {
            model.screens.timeline.led_to = Some(server.clone());
            fleet::drill(model, &server)
        }
        Lead::Events(server) => {
            model.screens.timeline.led_to = Some(server.clone());
            fleet::drill(model, &server);
            fleet::events(model)
        }
        Lead::Requests(server, by) => requests::show_of(model, &server, by),
        Lead::LogAt(server, at) => logs::follow_at(model, &server, at),
        Lead::Itself => describe(model),
    }
}

/// The whole of the selected row.
pub fn describe(model: &mut Model) -> Vec<Effect> {
    let Some(moment) = selected(model) else { return model.refuse("no row is selected") };
    let named = [
        ("time", format!("{:.0} ({} ago)", moment.at, age(model.now, moment.at))),
        ("kind", moment.kind.word().to_owned()),
        ("subject", moment.subject.clone()),
        ("task", moment.task.clone().unwrap_or_default()),
        ("finding", moment.finding.map(|id| id.word().to_owned()).unwrap_or_default()),
        ("fix", moment.finding.map(|id| hint::fix(id, model)).unwrap_or_default()),
        ("what", moment.what.clone()),
    ];
    let told = named.into_iter().filter(|(_, value)| !value.is_empty());
    let dialog = describe::fields("what happened", told.map(|(name, value)| (name.to_owned(), value)));
    model.open(dialog)
}

/// The log of the row's server at the row's time.
pub fn log(model: &mut Model) -> Vec<Effect> {
    let Some(moment) = selected(model) else { return model.refuse("no row is selected") };
    let at = moment.at;
    match server_of(model, moment) {
        Some(server) => logs::follow_at(model, &server, at),
        None => model.refuse("that row is of no server that is there, so there is no log to show"),
    }
}

/// The server that a row is of, if it is there.
pub fn server_of(model: &Model, moment: &Moment) -> Option<String> {
    let prefix = names::stack_prefix(&model.context.environment);
    let name = match moment.kind {
        // What AWS says of itself is of no server.
        Kind::Aws => "",
        Kind::Stack => moment.subject.strip_prefix(&prefix).unwrap_or_default(),
        Kind::Operation => model.screens.timeline.stretch.server.as_deref().unwrap_or_default(),
        Kind::Deployment | Kind::Scaling | Kind::Task => &moment.subject,
        Kind::Event | Kind::Errors | Kind::Refusals | Kind::Alarm => &moment.subject,
    };
    fleet::knows(model, name).then(|| name.to_owned())
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    let line = |moment: &Moment| format!("{:.0} {} {}: {}", moment.at, moment.kind.word(), moment.subject, moment.what);
    selected(model).map(|moment| Effect::Copy(line(moment))).into_iter().collect()
}
