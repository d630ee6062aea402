//! The MCP screen: figures per tool and client, and below them how far they can be trusted.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::logstatus::{self, thousands};
use super::paint::{self, span};
use super::table;
use super::theme::Theme;
use crate::console::model::Model;
use crate::console::screens::requests::view;
use crate::core::meaning::Meaning;
use crate::core::requests::MAX_SERIES;

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let notes = notes(model, theme, usize::from(area.width));
    let below = u16::try_from(notes.len()).unwrap_or(0).min(area.height / 2);
    let upper = area.height - below;
    let rows = table::draw(&view(model), &model.screens.requests.table, None, theme, paint::band(area, 0, upper), buf);
    let band = paint::band(area, upper, below);
    for (index, line) in (0..below).zip(&notes) {
        paint::row(buf, band, index, line);
    }
    rows
}

/// What the figures are made of, and what they leave out.
fn notes(model: &Model, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let mut lines = vec![logstatus::tail(model, theme)];
    let uncounted = model.screens.requests.counted.uncounted();
    if uncounted > 0 {
        let text = format!(
            "▲ {} requests not counted: more than {} combinations of server, tool, client and reason",
            thousands(uncounted),
            thousands(MAX_SERIES as u64)
        );
        lines.push(Line::from(span(text, theme.of(Meaning::Warn))));
    }
    let text = "Counted from the request lines of this log. Errors: status 500 and above, and tool \
                results that say isError. Refused: 400 to 499. Latencies within 4 %.";
    lines.push(Line::from(span(text, theme.muted())));
    lines.iter().flat_map(|line| paint::wrap(line, cells, 2)).collect()
}
