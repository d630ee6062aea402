//! What a rollback that is gone on with is to leave as it is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::popup::frame;
use super::theme::Theme;
use crate::console::dialogs::skips::Skips;
use crate::core::meaning::Meaning;

/// Columns of the box.
pub(super) const WIDE: u16 = 100;

/// What a skip means (CloudFormation API reference, ContinueUpdateRollback).
const MEANS: &str = "What is skipped is left as it is, and is then not what the template says: make both agree before the next \
    deploy, or later updates may fail, and the stack be lost. Skip as little as possible: what depends on it may then go.";

/// Draws the list in a box.
pub fn draw(theme: &Theme, skips: &Skips, area: Rect, buf: &mut Buffer) {
    let cells = WIDE.min(area.width).saturating_sub(4);
    let means = paint::wrap(&Line::from(span(MEANS.to_owned(), theme.muted())), usize::from(cells), 0);
    let rows = u16::try_from(skips.offered.len() * 2 + means.len() + 3).unwrap_or(u16::MAX);
    let title = format!("continue the rollback of {}: skip what could not be rolled back?", skips.stack);
    let inside = frame(&title, (WIDE, rows.min(area.height.saturating_sub(2))), theme, area, buf);
    let mut top = 0;
    for line in &means {
        paint::row(buf, inside, top, line);
        top += 1;
    }
    let list = paint::band(inside, top + 1, inside.height.saturating_sub(top + 1));
    let shown = usize::from(list.height / 2);
    let from = paint::scroll_to(skips.selected, skips.offered.len(), shown);
    for (y, (index, one)) in (0..).step_by(2).zip(skips.offered.iter().enumerate().skip(from).take(shown)) {
        let check = if skips.chosen.contains(&one.name) { "[x] " } else { "[ ] " };
        let line = Line::from(vec![
            Span::raw(if index == skips.selected { "▸ " } else { "  " }),
            span(check, theme.key()),
            span(one.name.clone(), theme.of(Meaning::Accent)),
            span(format!("  {}", one.kind), theme.muted()),
        ]);
        paint::row(buf, list, y, &line);
        let reason = one.reason.as_deref().unwrap_or("CloudFormation gives no reason");
        paint::row(buf, list, y + 1, &Line::from(span(format!("      {reason}"), theme.of(Meaning::Warn))));
        if index == skips.selected {
            buf.set_style(paint::band(list, y, 1), theme.selected());
        }
    }
}
