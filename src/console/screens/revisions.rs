//! Revisions: the task definition that is in force and another one, side by side.

use super::{Fetch, Freshness, Screen, View, fleet, fresh, stack, timeline};
use crate::console::action::Action;
use crate::console::dialogs::Dialog;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Cell, Column, Row, Table};
use crate::core::fleet::{Against, Compared, Comparison, Pair, TaskDefinition, Value};
use crate::core::meaning::Meaning;

/// Seconds between two reads: a task definition never changes.
pub(super) const SELDOM: i64 = 3_600;

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub remote: Remote<Box<Compared>>,
    pub table: Table,
    /// Whether what is the same is shown, too: it is seldom what somebody looks for.
    pub all: bool,
    pub asked: Option<Asked>,
}

/// What is compared, and how the operator came here.
#[derive(Debug, Clone)]
pub struct Asked {
    pub server: String,
    now: String,
    /// With what it was compared at first, then with what instead: one for each step back.
    against: Vec<Option<Against>>,
    /// Where `esc` leads.
    from: Screen,
}

impl Asked {
    fn comparison(&self) -> Comparison {
        Comparison { now: self.now.clone(), against: self.against.last().cloned().flatten() }
    }
}

const COLUMNS: &[Column] = &[
    Column::text("SETTING", 14, 0),
    Column::text("CONTAINER", 9, 2),
    // The end of an image's name is its version.
    Column::ending("BEFORE", 22, 1),
    Column::ending("NOW", 22, 0),
];

pub fn view(model: &Model) -> View {
    let state = &model.screens.revisions;
    let compared = state.remote.get();
    let pairs = compared.map(|compared| compared.pairs()).unwrap_or_default();
    let (every, shown) = (pairs.len(), |pair: &&Pair<'_>| state.all || pair.differs());
    let rows: Vec<Row> = pairs.iter().filter(shown).map(row).collect();
    let (columns, title) = match compared {
        Some(compared) => (headed(compared), title(model, compared)),
        None => (COLUMNS.to_vec(), "revisions".to_owned()),
    };
    let all = rows.len();
    let rows = state.table.arrange(&columns, rows);
    let empty = match (all, every, state.remote.missing()) {
        (1.., ..) => hint::nothing_shown(model, &model.screens.revisions.table, None),
        (_, 1.., _) => format!("nothing differs{}", hint::then(model, Action::RevisionAll, "shows every setting")),
        (.., Some(why)) => why,
        (.., None) => "it sets nothing".to_owned(),
    };
    View { title, columns, selected: state.table.position(&rows), rows, all, empty }
}

fn title(model: &Model, compared: &Compared) -> String {
    let server = model.screens.revisions.asked.as_ref().map(|asked| asked.server.as_str()).unwrap_or_default();
    match &compared.before {
        Some(before) if model.screens.revisions.all => {
            format!("{server}: revision {} and {}", before.revision, compared.now.revision)
        }
        Some(before) => {
            format!("{server}: what differs between revision {} and {}", before.revision, compared.now.revision)
        }
        None => format!("{server}: revision {}; there is no other before it", compared.now.revision),
    }
}

/// The columns, headed by what stands in them.
fn headed(compared: &Compared) -> Vec<Column> {
    let head = |found: &TaskDefinition| {
        let same = compared.before.as_ref().is_none_or(|before| before.family == compared.now.family);
        if same { format!("REVISION {}", found.revision) } else { format!("{}:{}", found.family, found.revision) }
    };
    let mut columns = COLUMNS.to_vec();
    let heads = [compared.before.as_ref().map_or("BEFORE".to_owned(), head), head(&compared.now)];
    for (column, head) in columns.iter_mut().skip(2).zip(heads) {
        *column = column.clone().titled(head);
    }
    columns
}

fn row(pair: &Pair<'_>) -> Row {
    let cell = |value: Option<&Value>, meaning| match (value, pair.differs()) {
        (None, _) => Cell::muted("-"),
        (Some(value), true) => Cell::new(value.words(), meaning),
        (Some(value), false) => Cell::muted(value.words()),
    };
    let setting = pair.setting.what.to_string();
    let container = pair.setting.container.clone().unwrap_or_default();
    let hidden = matches!((pair.before, pair.now), (Some(Value::Hidden(_)), Some(Value::Hidden(_))));
    let now = match pair.change().filter(|_| hidden) {
        Some(change) => Cell::new(format!("hidden, {change}"), Meaning::Warn),
        None => cell(pair.now, Meaning::Warn),
    };
    Row {
        key: format!("{container}/{setting}"),
        cells: vec![
            Cell::new(&setting, Meaning::Accent),
            Cell::muted(container),
            cell(pair.before, Meaning::Plain),
            now,
        ],
        well: !pair.differs(),
    }
}

/// Shows what changed in the server that is selected, whichever screen it is on.
pub fn show(model: &mut Model) -> Vec<Effect> {
    let name = match model.screen {
        Screen::Stack => stack::selected_server(model),
        Screen::Timeline => timeline::selected(model).and_then(|moment| timeline::server_of(model, moment)),
        _ => fleet::selected_server(model).map(|server| server.name.clone()),
    };
    let fleet = model.screens.fleet.remote.get();
    let server = name.as_deref().and_then(|name| fleet?.server(name)).map(|one| (one.name.clone(), one.comparison()));
    let Some((server, Comparison { now, against })) = server else {
        return model.refuse("no server is selected");
    };
    if now.is_empty() {
        return model.refuse(format!("{server} has no task definition yet"));
    }
    let from = if model.screen == Screen::Revisions { Screen::Fleet } else { model.screen };
    let state = &mut model.screens.revisions;
    state.asked = Some(Asked { server, now, against: vec![against], from });
    state.remote.reset();
    (state.table, state.all) = (Table::default(), false);
    model.show(Screen::Revisions)
}

pub(super) fn reads(model: &mut Model) -> Vec<Fetch> {
    let asked = model.screens.revisions.asked.as_ref();
    asked.map(|asked| Fetch::Revisions(asked.comparison())).into_iter().collect()
}

pub(super) fn freshness(model: &Model) -> Option<Freshness> {
    fresh(&model.screens.revisions.remote)
}

/// Leaves the filter, then the screen, to where the operator came from.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.revisions;
    if state.table.unfilter() {
        return Some(Vec::new());
    }
    let from = state.asked.as_ref()?.from;
    Some(model.show(from))
}

/// The whole of the selected setting, a value in a line each.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let view = view(model);
    let (Some(compared), Some(key)) = (model.screens.revisions.remote.get(), view.selected_key()) else {
        return model.refuse("no setting is selected");
    };
    let pairs = compared.pairs();
    let Some(pair) = pairs.iter().find(|pair| row(pair).key == key) else { return Vec::new() };
    let words = |value: Option<&Value>| value.map_or("-".to_owned(), |value| value.words().to_owned());
    let lines = [("before", words(pair.before)), ("now", words(pair.now))];
    let lines = lines.map(|(name, value)| vec![Cell::muted(format!("{name:<8}")), Cell::plain(value)]);
    let title = pair.setting.what.to_string();
    model.open(Dialog::Text { title, lines: lines.into(), scroll: 0 })
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    let compared = model.screens.revisions.remote.get();
    compared.map(|compared| Effect::Copy(compared.now.arn.clone())).into_iter().collect()
}

/// The revision that is compared with, where one before it can be asked for.
pub(in crate::console) fn before(model: &Model) -> Option<u32> {
    let compared = model.screens.revisions.remote.get()?;
    compared.before.as_ref().filter(|before| before.family == compared.now.family).map(|before| before.revision)
}

/// Whether [`newer`] has a step to take back.
pub(in crate::console) fn went_back(model: &Model) -> bool {
    model.screens.revisions.asked.as_ref().is_some_and(|asked| asked.against.len() > 1)
}

/// Compares with the active revision before the one that is compared with.
pub fn older(model: &mut Model) -> Vec<Effect> {
    let before = before(model);
    let state = &mut model.screens.revisions;
    let (Some(_), Some(asked)) = (state.remote.get(), state.asked.as_mut()) else { return Vec::new() };
    let Some(before) = before else {
        return model.refuse("there is no revision before it");
    };
    asked.against.push(Some(Against::Before(before)));
    state.remote.reset();
    Vec::new()
}

/// Compares with the one before the last step back again.
pub fn newer(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.screens.revisions;
    match state.asked.as_mut() {
        Some(asked) if asked.against.len() > 1 => {
            asked.against.pop();
            state.remote.reset();
            Vec::new()
        }
        _ => model.refuse("this is where it began"),
    }
}

/// Shows every setting, or those alone that differ.
pub fn differing_only(model: &mut Model) -> Vec<Effect> {
    model.screens.revisions.all = !model.screens.revisions.all;
    Vec::new()
}
