//! Lists to choose from: sources, fields, and what to save how.

use std::collections::BTreeSet;

use super::{FIELDS, save};
use crate::console::model::Model;
use crate::core::logs::Filter;
use crate::core::logs::field::as_text;
use crate::core::text::{self, count, sanitise};

/// What is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// Servers and tasks whose lines are shown.
    Sources,
    /// Fields of JSON lines that are shown.
    Fields,
    /// What is saved, and how.
    Save,
}

impl Pick {
    pub fn title(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Fields => "fields of JSON lines",
            Self::Save => "save",
        }
    }

    /// What to say where there is nothing to choose from.
    pub fn nothing(self) -> &'static str {
        match self {
            Self::Sources => "no line has come, so there is no source to choose",
            Self::Fields => "the selected line has no fields; select a JSON line",
            Self::Save => "no line is kept, so there is nothing to save",
        }
    }

    /// Whether choosing leaves the list open.
    pub fn toggles(self) -> bool {
        self != Self::Save
    }
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whether it is chosen, where several can be.
    pub checked: Option<bool>,
    pub name: String,
    /// More about it.
    pub note: String,
    /// The task whose colour it has.
    pub task: Option<String>,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Server(String),
    Task(String),
    Field(String),
    Save { all: bool, form: save::Form },
}

/// The rows of a list.
pub fn rows(model: &Model, pick: Pick) -> Vec<Item> {
    match pick {
        Pick::Sources => sources(model),
        Pick::Fields => fields(model),
        Pick::Save if model.screens.logs.store.is_empty() => Vec::new(),
        Pick::Save => saves(model),
    }
}

fn row(checked: Option<bool>, name: impl Into<String>, note: impl Into<String>, what: What) -> Item {
    Item { checked, name: name.into(), note: note.into(), task: None, what }
}

fn sources(model: &Model) -> Vec<Item> {
    let state = &model.screens.logs;
    let (filter, seen) = (state.store.filter(), state.store.sources());
    let servers = state.servers();
    if servers.is_empty() {
        return Vec::new();
    }
    let all = filter.servers.is_empty() && filter.without.is_empty() && filter.task.is_none();
    let mut rows = vec![row(Some(all), "all", "every server and task, also those to come", What::All)];
    for server in servers {
        let chosen = filter.servers.contains(&server) || filter.untold.contains(&server);
        let shown = filter.servers.is_empty() || chosen;
        rows.push(row(Some(shown), &*server, "", What::Server(server.clone())));
        for source in seen.iter().filter(|source| *source.server == *server) {
            let task = source.task.to_string();
            let wanted = filter.task.as_ref().is_none_or(|only| *only == task);
            let checked = shown && wanted && !filter.without.contains(&task);
            let lines = count(usize::try_from(source.lines).unwrap_or(usize::MAX), "line");
            let short = format!("  {}", source.tag);
            let one = row(Some(checked), short, lines, What::Task(task.clone()));
            rows.push(Item { task: Some(task), ..one });
        }
    }
    rows
}

/// The fields of the selected line, those chosen before first.
fn fields(model: &Model) -> Vec<Item> {
    let chosen = &model.screens.logs.fields;
    let Some(fields) = model.screens.logs.selected().and_then(|line| line.shown_fields()) else { return Vec::new() };
    let value = |name: &String| match fields.get(name) {
        Some(value) => text::row(&as_text(value)).into_owned(),
        None => "not in this line".to_owned(),
    };
    let others = fields.keys().filter(|name| !chosen.contains(name));
    let names = chosen.iter().chain(others);
    names.map(|name| row(Some(chosen.contains(name)), sanitise(name), value(name), What::Field(name.clone()))).collect()
}

fn saves(model: &Model) -> Vec<Item> {
    let store = &model.screens.logs.store;
    let forms = [(save::Form::Text, "as text"), (save::Form::Ndjson, "as NDJSON, one object a line")];
    let of = |all: bool, lines: usize, which: &str| {
        forms.map(|(form, how)| row(None, format!("{which}, {how}"), count(lines, "line"), What::Save { all, form }))
    };
    let mut rows = of(false, store.shown(), "the lines shown").to_vec();
    if store.shown() < store.len() {
        rows.extend(of(true, store.len(), "all lines kept"));
    }
    rows
}

/// Chooses a row.
pub fn choose(model: &mut Model, row: &Item) {
    match &row.what {
        What::All => select(model, |filter, _| {
            filter.servers.clear();
            filter.without.clear();
        }),
        What::Server(server) => select(model, |filter, all| {
            if filter.servers.is_empty() {
                filter.servers.extend(all);
            }
            toggle(&mut filter.servers, server);
        }),
        What::Task(task) => select(model, |filter, _| toggle(&mut filter.without, task)),
        What::Field(name) => {
            let fields = &mut model.screens.logs.fields;
            match fields.iter().position(|one| one == name) {
                Some(index) => drop(fields.remove(index)),
                None => fields.push(name.clone()),
            }
            if fields.is_empty() {
                fields.extend(FIELDS.iter().map(|field| (*field).to_owned()));
            }
        }
        What::Save { all, form } => save::begin(model, *all, *form),
    }
}

fn toggle(set: &mut BTreeSet<String>, name: &str) {
    if !set.remove(name) {
        set.insert(name.to_owned());
    }
}

/// Changes which sources are shown, and looks at the lines anew. No server at all means every one.
fn select(model: &mut Model, change: impl FnOnce(&mut Filter, Vec<String>)) {
    let state = &mut model.screens.logs;
    let all = state.servers();
    let mut filter = state.store.filter().clone();
    // From here on the operator chooses one by one.
    let untold = std::mem::take(&mut filter.untold);
    if !filter.servers.is_empty() {
        filter.servers.extend(untold);
    }
    // One task alone: the others of its server are those that are left out.
    if let Some(only) = filter.task.take() {
        let others = state.store.sources().iter().map(|source| source.task.to_string());
        filter.without.extend(others.filter(|task| *task != only));
    }
    change(&mut filter, all.iter().cloned().collect());
    if filter.servers == all {
        filter.servers.clear();
    }
    state.set_filter(filter);
}
