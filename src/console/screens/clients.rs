//! Clients: the app clients of the environment's user pool, and the rotation of their secrets.

use jiff::Timestamp;

use super::{FAST, SLOW, Screen, View};
use crate::console::effect::Effect;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Cell, Column, Row, Table};
use crate::console::{describe, operations};
use crate::core::client::{Client, ClientList};
use crate::core::meaning::Meaning;
use crate::core::operation::PlanRequest;
use crate::core::text::age;
use crate::core::unread::Read;

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub remote: Remote<ClientList>,
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
    let rows: Vec<Row> = clients.iter().map(|client| row(client, spare(client), model.now)).collect();
    let all = rows.len();
    let rows = state.table.arrange(COLUMNS, rows);
    let empty = match (all, state.remote.error()) {
        (1.., _) => "nothing matches the filter; esc shows everything".into(),
        (_, Some(error)) if state.remote.get().is_none() => error.message.clone(),
        _ if state.remote.loading() => "reading …".into(),
        _ => "the user pool has no client".to_owned(),
    };
    let title = match state.remote.get() {
        Some(list) => format!("clients of {}", list.pool),
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

fn row(client: &Client, spare: bool, now: Timestamp) -> Row {
    let stored = if spare { Cell::new("not in force", Meaning::Warn) } else { stored_in(client) };
    let count = client.secret_count();
    let secrets = match &client.secrets {
        _ if client.public() => Cell::muted(count),
        Read::NotRead(_) => Cell::new(count, Meaning::Warn),
        // Two at once is a rotation that is not finished.
        Read::Known(Some(listed)) if listed.len() > 1 => Cell::new(count, Meaning::Warn),
        Read::Known(_) => Cell::plain(count),
    };
    let well = stored.meaning != Meaning::Warn && secrets.meaning != Meaning::Warn;
    let cells = vec![
        Cell::new(&client.name, Meaning::Accent),
        Cell::plain(client.kind()),
        Cell::plain(&client.id),
        secrets,
        Cell::plain(secret_age(client, now)),
        Cell::muted(client.details.cell(|details| details.flows.join(" "))),
        stored,
    ];
    Row { key: client.id.clone(), cells, well }
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
    on_selected(model, |model, client| model.open(describe::client(&client, model.now)))
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
