//! The Users screen: the table, and what could not be read of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::theme::Theme;
use super::{describe, paint, table};
use crate::console::model::Model;
use crate::console::screens::users::view;

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    let remote = &model.screens.users.remote;
    let cells = usize::from(area.width);
    let mut lines = describe::trouble(model, remote, &[], theme, cells);
    lines.extend(describe::unread_quarantine(remote, &model.screens.clients.quarantine, theme, cells));
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let missing = describe::missing(model, remote);
    let rows =
        table::draw(&view, &model.screens.users.table, missing.as_ref(), theme, paint::band(area, 0, upper), buf);
    if !lines.is_empty() {
        let title = ratatui::text::Line::from(paint::span("users", theme.title()));
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}
