//! The Insights screen: the query, how it stands, and its results.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::table;
use super::theme::Theme;
use crate::console::model::Model;
use crate::console::screens::insights::{status, view};

/// Rows that the query may take.
const QUERY_ROWS: usize = 4;

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let cells = usize::from(area.width);
    let query = Line::from(vec![span("query ", theme.key()), Span::raw(model.screens.insights.query.clone())]);
    let (words, meaning) = status(model);
    let mut above: Vec<Line<'static>> = paint::wrap(&query, cells, 6).into_iter().take(QUERY_ROWS).collect();
    above.extend(paint::wrap(&Line::from(span(words, theme.of(meaning))), cells, 2));
    let taken = u16::try_from(above.len()).unwrap_or(0).min(area.height / 2);
    for (index, line) in (0..taken).zip(&above) {
        paint::row(buf, area, index, line);
    }
    table::draw(&view(model), &model.screens.insights.table, None, theme, paint::band(area, taken, area.height), buf)
}
