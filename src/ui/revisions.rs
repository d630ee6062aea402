//! The Revisions screen: two task definitions side by side, and when they were registered.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::theme::Theme;
use super::{describe, paint, table};
use crate::console::model::Model;
use crate::console::screens::revisions::view;
use crate::core::fleet::TaskDefinition;
use crate::core::text::{age, count};

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    let state = &model.screens.revisions;
    let cells = usize::from(area.width);
    let mut lines = describe::trouble(model, &state.remote, &[], theme, cells);
    let known = |name: &str, found: &TaskDefinition| {
        let at = found.registered_at.map(|at| format!(", registered {at:.0} ({} ago)", age(model.now, at)));
        let inactive = if found.active { "" } else { ", not active any more: ECS starts no task of it" };
        let name_of = found.arn.rsplit('/').next().unwrap_or(&found.arn);
        describe::field(name, format!("{name_of}{}{inactive}", at.unwrap_or_default()), theme)
    };
    if let Some(compared) = state.remote.get() {
        if let Some(differing) = compared.differing() {
            lines.push(describe::field("differing", count(differing, "setting"), theme));
        }
        lines.extend(compared.before.iter().map(|before| known("before", before)));
        lines.push(known("now", &compared.now));
    }
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let missing = describe::missing(model, &state.remote);
    let rows = table::draw(&view, &state.table, missing.as_ref(), theme, paint::band(area, 0, upper), buf);
    if !lines.is_empty() {
        let title = Line::from(paint::span("task definitions", theme.title()));
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}
