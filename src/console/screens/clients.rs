//! Clients: the app clients of the environment's user pool, and the rotation of their secrets.

use jiff::Timestamp;

use super::{FAST, SLOW, Screen, View};
use crate::console::dialogs::Dialog;
use crate::console::dialogs::keep_out::KeepOut;
use crate::console::effect::Effect;
use crate::console::input::Input;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Cell, Column, Row, Table};
use crate::console::{describe, hint, operations};
use crate::core::client::{Client, ClientList};
use crate::core::meaning::Meaning;
use crate::core::operation::PlanRequest;
use crate::core::quarantine::{Entry, Quarantine, Who};
use crate::core::requests::{By, Period, Sender};
use crate::core::text::{age, count, short_duration};
use crate::core::unread::Read;

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub remote: Remote<ClientList>,
    /// Who is kept out; other screens show it, too.
    pub quarantine: Remote<Quarantine>,
    pub table: Table,
}

/// Grace period of a rotation started with a key, in seconds: a day.
pub const DEFAULT_GRACE: i64 = 24 * 3_600;

const COLUMNS: &[Column] = &[
    Column::text("CLIENT", 22, 0),
    Column::text("KIND", 8, 1),
    Column::text("ID", 26, 2),
    Column::number("SECRETS", 7, 4),
    Column::text("SECRET AGE", 10, 0),
    Column::text("FLOWS", 18, 5),
    Column::wide("STORED IN", 20, 3),
];

pub fn view(model: &Model) -> View {
    let state = &model.screens.clients;
    let clients = state.remote.get().map(|list| list.clients.as_slice()).unwrap_or_default();
    let spare = |client: &Client| state.remote.get().is_some_and(|list| list.spare(client));
    let rows: Vec<Row> = clients.iter().map(|client| row(client, spare(client), model)).collect();
    let all = rows.len();
    let rows = state.table.arrange(COLUMNS, rows);
    let empty = match (all, state.remote.error()) {
        (1.., _) => hint::nothing_shown(model, &model.screens.clients.table, None),
        (_, Some(error)) if state.remote.get().is_none() => error.message.clone(),
        _ if state.remote.loading() => "reading …".into(),
        _ => "the user pool has no client".to_owned(),
    };
    let title = match state.remote.get() {
        Some(list) => format!("clients of {}{}", list.pool, kept_out(model)),
        None => "clients".into(),
    };
    View { title, columns: COLUMNS.to_vec(), selected: state.table.position(&rows), rows, all, empty }
}

/// How old a client's newest secret is: `-` where it has none, `?` where that is not known.
fn secret_age(client: &Client, now: Timestamp) -> String {
    if client.public() {
        return "-".to_owned();
    }
    client.secrets.cell(|_| {
        let newest = client.known_secrets().iter().filter_map(|secret| secret.created_at).max();
        newest.or(client.created_at()).map_or("-".into(), |at| age(now, at))
    })
}

fn stored_in(client: &Client) -> Cell {
    match &client.stored_in {
        Read::Known(Some(secret)) if secret.published == Some(false) => {
            Cell::new(format!("{} (no value yet)", secret.name), Meaning::Warn)
        }
        Read::Known(Some(secret)) if client.in_force() => Cell::plain(&secret.name),
        Read::Known(Some(secret)) => Cell::new(format!("{} (other client is current)", secret.name), Meaning::Warn),
        Read::Known(None) => Cell::muted("-"),
        Read::NotRead(_) => Cell::new("?", Meaning::Warn),
    }
}

fn row(client: &Client, spare: bool, model: &Model) -> Row {
    let now = model.now;
    let out = out(model, &Who::Client(client.id.clone()));
    let stored = if spare { Cell::new("not in force", Meaning::Warn) } else { stored_in(client) };
    let count = client.secret_count();
    let secrets = match &client.secrets {
        _ if client.public() => Cell::muted(count),
        Read::NotRead(_) => Cell::new(count, Meaning::Warn),
        // Two at once is a rotation that is not finished.
        Read::Known(Some(listed)) if listed.len() > 1 => Cell::new(count, Meaning::Warn),
        Read::Known(_) => Cell::plain(count),
    };
    let well = out.is_none() && stored.meaning != Meaning::Warn && secrets.meaning != Meaning::Warn;
    let cells = vec![
        Cell::new(&client.name, Meaning::Accent),
        out.unwrap_or_else(|| Cell::plain(client.kind())),
        Cell::plain(&client.id),
        secrets,
        Cell::plain(secret_age(client, now)),
        Cell::muted(client.details.cell(|details| details.flows.join(" "))),
        stored,
    ];
    Row { key: client.id.clone(), cells, well }
}

/// For how much longer somebody is kept out, such as `Q 42m10s`; `None` if they are not, or that is not known.
pub(super) fn out(model: &Model, who: &Who) -> Option<Cell> {
    let until = model.screens.clients.quarantine.get()?.until(who, model.now)?;
    Some(Cell::new(format!("Q {}", short_duration(until.duration_since(model.now))), Meaning::Bad))
}

/// The entry of somebody who is kept out.
pub fn entry(model: &Model, who: &Who) -> Option<Entry> {
    let list = model.screens.clients.quarantine.get()?;
    list.in_force(model.now).find(|entry| entry.who == *who).cloned()
}

/// How many are kept out, for a title; nothing if nobody is.
pub(super) fn kept_out(model: &Model) -> String {
    let list = model.screens.clients.quarantine.get();
    match list.map_or(0, |list| list.in_force(model.now).count()) {
        0 => String::new(),
        some => format!("; {} in quarantine", count(some, "caller")),
    }
}

/// Asks how long somebody is to be kept out, or plans to let them in who are kept out. Where the list was not read, the
/// plan reads it.
pub(super) fn switch_quarantine(model: &mut Model, who: Who, called: String) -> Vec<Effect> {
    if out(model, &who).is_none() {
        let asked = KeepOut { who, called, input: Input::default(), error: None };
        return model.open(Dialog::KeepOut(asked));
    }
    operations::plan(model, PlanRequest::Quarantine { who, seconds: None, lately: None })
}

/// How many requests a client made in the last five minutes of the log, if that is followed.
pub(in crate::console) fn lately(model: &Model, who: &Who) -> Option<u64> {
    let Who::Client(id) = who else { return None };
    let figures = model.screens.requests.counted.figures(By::Client, Period::Five, model.now.as_millisecond());
    let theirs = figures.iter().filter(|(of, _)| of.sender.as_ref().and_then(Sender::client) == Some(id));
    model.screens.logs.following().then(|| theirs.map(|(_, figures)| figures.requests).sum())
}

/// Plans to keep the selected client out, or to let it in again.
pub fn quarantine(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, client| switch_quarantine(model, Who::Client(client.id), client.name))
}

/// The client that is selected.
pub fn selected(model: &Model) -> Option<&Client> {
    let view = view(model);
    let key = view.selected_key()?;
    model.screens.clients.remote.get()?.clients.iter().find(|client| client.id == key)
}

/// Shows the clients of a server; all of them where none is named.
pub(super) fn of_server(model: &mut Model, server: &str) -> Vec<Effect> {
    let table = &mut model.screens.clients.table;
    table.renew();
    table.filter = if server.is_empty() { String::new() } else { format!("'{server}") };
    model.show(Screen::Clients)
}

/// Seconds between two reads.
pub(super) fn pace(model: &Model) -> i64 {
    if model.busy() { FAST } else { SLOW }
}

/// Leaves the filter.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    model.screens.clients.table.unfilter().then(Vec::new)
}

pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    describe(model)
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |_, client| vec![Effect::Copy(client.id)])
}

/// Everything known of the selected client.
pub fn describe(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, client| {
        let entry = entry(model, &Who::Client(client.id.clone()));
        model.open(describe::client(&client, entry.as_ref(), model.now))
    })
}

/// Plans the rotation of the selected client's secret.
pub fn rotate(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, client| {
        if client.public() {
            return model.refuse(format!("{} is public: it has no secret to rotate", client.name));
        }
        operations::plan(model, PlanRequest::Rotate { client: client.id, grace_seconds: DEFAULT_GRACE })
    })
}

fn on_selected(model: &mut Model, act: impl FnOnce(&mut Model, Client) -> Vec<Effect>) -> Vec<Effect> {
    match selected(model).cloned() {
        Some(client) => act(model, client),
        None => model.refuse("no client is selected"),
    }
}
