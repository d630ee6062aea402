//! The rows of places beside the one that is shown, and the column that tells them apart.

use super::{COUNTED, SERVERS, counts, row_of, unread_row};
use crate::console::beside::{self, Neighbour};
use crate::console::model::Model;
use crate::console::table::{Cell, Column, Row};
use crate::core::fleet::Server;
use crate::core::health::findings;
use crate::core::meaning::Meaning;
use crate::core::text::age;

/// What tells the place of a row.
const PLACE: Column = Column::text("PLACE", 8, 0);
/// What is older than this, in seconds, is told to be old: as old as a row of a large fleet may be.
const OLD: i64 = 30;

/// The columns of the servers, and the rows of neighbours beside those of the place that is shown. All are sorted by their
/// place, so that they stay where they are when the console goes from one to another.
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
    let mut all: Vec<(String, Vec<Row>)> = vec![(own, std::mem::take(rows))];
    for (neighbour, name) in model.place.beside.iter().zip(names) {
        all.push((name, of(model, neighbour)));
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, of_place) in all {
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
    let unread = |name: &str, state: &str, why: &str| unread_row(model, &neighbour.key(name), name, state, why);
    let mut rows = Vec::new();
    if let Some(fleet) = neighbour.fleet.get() {
        rows.extend(fleet.servers.iter().map(row));
        rows.extend(fleet.unreadable.iter().map(|one| unread(&one.name, "? not read", &one.why.message)));
        if fleet.no_cluster {
            rows.push(unread("", "no cluster", "nothing is deployed there"));
        }
    }
    let old = neighbour.fleet.read_at().map(|at| now.duration_since(at));
    let stale = old.is_some_and(|old| old.as_secs() >= OLD);
    let since = neighbour.fleet.read_at().map(|at| age(now, at));
    match (neighbour.why(), since) {
        (Some(why), Some(since)) => rows.push(unread("", &format!("stale {since}"), &why)),
        (Some(why), None) => rows.push(unread("", "? not read", &why)),
        (None, Some(since)) if stale => rows.push(unread("", &format!("stale {since}"), "no answer yet")),
        (None, None) => rows.push(Row {
            cells: vec![Cell::default(), Cell::new("reading …", Meaning::Muted)]
                .into_iter()
                .chain(std::iter::repeat_n(Cell::default(), cells(model) - 2))
                .collect(),
            key: neighbour.key(""),
            well: true,
        }),
        (None, Some(_)) => {}
    }
    rows
}

/// Cells of a row, without the one that names the place.
fn cells(model: &Model) -> usize {
    if counts(model) { SERVERS.len() } else { SERVERS.len() - COUNTED.len() }
}
