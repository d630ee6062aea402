//! The rows of places beside the one that is shown, and the column that tells them apart.

use super::rows::{COUNTED, SERVERS, counts, row_of, unread_row};
use crate::console::beside::{self, Neighbour};
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Cell, Column, Row};
use crate::core::fleet::{Fleet, Server, Unreadable};
use crate::core::health::findings;
use crate::core::meaning::Meaning;
use crate::core::text::age;

/// What tells the place of a row.
const PLACE: Column = Column::text("PLACE", 8, 0);
/// What is older than this, in seconds, is told to be old: as old as a row of a large fleet may be.
const OLD: i64 = 30;

/// The columns of the servers, and the rows of neighbours beside those of the place that is shown. All stand in the order in
/// which the places were named, and stay there when the console goes from one to another.
pub(super) fn columns(model: &Model, rows: &mut Vec<Row>) -> Vec<Column> {
    let mut columns = SERVERS.to_vec();
    if !counts(model) {
        columns.drain(COUNTED);
    }
    if model.place.beside.is_empty() {
        return columns;
    }
    columns.insert(1, PLACE);
    let (own, names) = beside::names(model);
    if rows.is_empty() {
        let remote = &model.screens.fleet.remote;
        // How old it is, and why, the header says.
        let why = remote.error().filter(|_| remote.get().is_none()).map(|error| error.message.clone());
        rows.extend(of_all(model, "", remote, why));
    }
    let mut all = vec![(model.place.rank, own, std::mem::take(rows))];
    for (neighbour, name) in model.place.beside.iter().zip(names) {
        all.push((neighbour.rank(), name, of(model, neighbour)));
    }
    all.sort_by_key(|(rank, ..)| *rank);
    for (_, name, of_place) in all {
        rows.extend(of_place.into_iter().map(|mut row| {
            row.cells.insert(1, Cell::muted(&name));
            row
        }));
    }
    columns
}

/// The rows of one: its servers as they were read last, and a row of its own for what is not known of them.
fn of(model: &Model, neighbour: &Neighbour) -> Vec<Row> {
    let now = model.now;
    let row = |server: &Server| {
        // Requests are counted where the console is.
        let counted = counts(model).then(|| std::array::from_fn(|_| Cell::muted("?")));
        let row = row_of(server, &findings(server, now), neighbour.region(), counted, now);
        Row { key: neighbour.key(&server.name), ..row }
    };
    let unreadable =
        |one: &Unreadable| unread_row(model, &neighbour.key(&one.name), &one.name, "? not read", &one.why.message);
    let mut rows = Vec::new();
    if let Some(fleet) = neighbour.fleet.get() {
        rows.extend(fleet.servers.iter().map(row));
        rows.extend(fleet.unreadable.iter().map(unreadable));
    }
    rows.extend(of_all(model, &neighbour.key(""), &neighbour.fleet, neighbour.why(model)));
    rows
}

/// The rows that stand for a place itself: that nothing is there, or what is not known of its servers.
fn of_all(model: &Model, key: &str, fleet: &Remote<Fleet>, why: Option<String>) -> Vec<Row> {
    let unread = |state: &str, why: &str| unread_row(model, key, "", state, why);
    let mut rows = Vec::new();
    if let Some(fleet) = fleet.get() {
        rows.extend(nothing_there(fleet).map(|(state, why)| unread(state, why)));
    }
    let old = fleet.read_at().map(|at| model.now.duration_since(at));
    let stale = old.is_some_and(|old| old.as_secs() >= OLD);
    let since = fleet.read_at().map(|at| age(model.now, at));
    match (why, since) {
        (Some(why), Some(since)) => rows.push(unread(&format!("stale {since}"), &why)),
        (Some(why), None) => rows.push(unread("? not read", &why)),
        (None, Some(since)) if stale => rows.push(unread(&format!("stale {since}"), "no answer yet")),
        (None, None) => rows.push(reading(model, key)),
        (None, Some(_)) => {}
    }
    rows
}

/// That a place has no server, in a word and in a sentence.
pub fn nothing_there(fleet: &Fleet) -> Option<(&'static str, &'static str)> {
    match fleet {
        Fleet { no_cluster: true, .. } => Some(("no cluster", "nothing is deployed there")),
        fleet if fleet.servers.is_empty() && fleet.unreadable.is_empty() => {
            Some(("no server", "none is deployed there"))
        }
        _ => None,
    }
}

/// The row of a place of which nothing is known yet.
fn reading(model: &Model, key: &str) -> Row {
    let mut cells = vec![Cell::default(); cells(model)];
    cells[1] = Cell::new("reading …", Meaning::Muted);
    Row { key: key.to_owned(), cells, well: true }
}

/// Cells of a row, without the one that names the place.
fn cells(model: &Model) -> usize {
    if counts(model) { SERVERS.len() } else { SERVERS.len() - COUNTED.len() }
}
