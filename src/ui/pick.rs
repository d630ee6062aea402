//! Lists to choose from, with what is chosen checked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::popup::frame;
use super::theme::Theme;
use crate::console::model::Model;
use crate::console::screens::logs::pick::{Pick, rows};
use crate::core::meaning::Meaning;
use crate::core::text::width;

/// Columns of the box.
pub(super) const WIDE: u16 = 76;

/// Draws a list in a box.
pub fn draw(model: &Model, theme: &Theme, (pick, selected): (Pick, usize), area: Rect, buf: &mut Buffer) {
    let rows = rows(model, pick);
    let selected = selected.min(rows.len().saturating_sub(1));
    let height = u16::try_from(rows.len() + 2).unwrap_or(u16::MAX).min(area.height.saturating_sub(2));
    let inside = frame(pick.title(), (WIDE, height), theme, area, buf);
    let names = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).min(48);
    let from = paint::scroll_to(selected, rows.len(), usize::from(inside.height));
    for (y, (index, row)) in (0..inside.height).zip(rows.iter().enumerate().skip(from)) {
        let check = match row.checked {
            Some(true) => "[x] ",
            Some(false) => "[ ] ",
            None => "",
        };
        let style = match &row.task {
            Some(task) => theme.task(task),
            None => theme.of(Meaning::Accent),
        };
        let line = Line::from(vec![
            Span::raw(if index == selected { "▸ " } else { "  " }),
            span(check, theme.key()),
            span(paint::fit(&row.name, names, false), style),
            span(format!("  {}", row.note), theme.muted()),
        ]);
        paint::row(buf, inside, y, &line);
        if index == selected {
            buf.set_style(paint::band(inside, y, 1), theme.selected());
        }
    }
}
