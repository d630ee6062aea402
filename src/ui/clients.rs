//! The Clients screen: the table, and below it the secrets and scopes of the selected client.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::describe::{self, field};
use super::paint::{self, span};
use super::table;
use super::theme::Theme;
use crate::console::model::Model;
use crate::console::screens::clients::{entry, selected, view};
use crate::core::client::{Client, ClientList};
use crate::core::quarantine::Who;
use crate::core::text::{age, short_duration};

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    let cells = usize::from(area.width);
    let remote = &model.screens.clients.remote;
    let unread = remote.get().map(ClientList::unread).unwrap_or_default();
    let mut lines = describe::trouble(model, remote, &unread, theme, cells);
    lines.extend(describe::unread_quarantine(remote, &model.screens.clients.quarantine, theme, cells));
    let client = selected(model);
    lines.extend(client.iter().flat_map(|client| about(model, client, theme, cells)));
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let missing = describe::missing(model, remote);
    let rows =
        table::draw(&view, &model.screens.clients.table, missing.as_ref(), theme, paint::band(area, 0, upper), buf);
    if client.is_some() || !lines.is_empty() {
        let title = client.map_or("clients".to_owned(), |client| format!("client {}", client.name));
        let title = Line::from(span(title, theme.title()));
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}

fn about(model: &Model, client: &Client, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(entry) = entry(model, &Who::Client(client.id.clone())) {
        let left = short_duration(entry.until.duration_since(model.now));
        let by = entry.by.map(|by| format!(", by {by}")).unwrap_or_default();
        lines.push(field("kept out", format!("until {:.0}, {left} from now{by}", entry.until), theme));
    }
    for (index, secret) in client.known_secrets().iter().enumerate() {
        let made = secret.created_at.map(|at| format!(", made {} ago", age(model.now, at))).unwrap_or_default();
        let name = if index == 0 { "secrets" } else { "" };
        lines.push(field(name, format!("{}{made}", secret.id), theme));
    }
    if let Some(stored) = client.stored_in.known().and_then(Option::as_ref) {
        let current = match stored.current_client.as_deref() {
            Some(id) if id == client.id => Some("holds this client".to_owned()),
            Some(_) => Some("holds another client".to_owned()),
            None => None,
        };
        let changed = stored.changed_at.map(|at| format!("changed {} ago", age(model.now, at)));
        let told: Vec<String> = current.into_iter().chain(changed).collect();
        let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
        lines.push(field("stored in", format!("{}{told}", stored.name), theme));
    }
    if let Some(details) = client.details.known() {
        lines.push(field("grants", details.flows.join(" "), theme));
        lines.push(field("scopes", details.scopes.join(" "), theme));
    }
    lines.iter().flat_map(|line| paint::wrap(line, cells, 11)).collect()
}
