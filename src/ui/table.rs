//! Draws a table: the columns that fit, the rows around the selection.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::screens::View;
use crate::console::table::{Column, Table};
use crate::core::text::{cut_front, width};

/// Cells between two columns, and before the first one for the marker of the selection.
const GAP: usize = 2;

/// Rows that title and headings take.
pub const HEAD: u16 = 2;

/// What was asked for a table that has no rows because nothing was read, and what helps.
pub struct Missing {
    pub call: String,
    pub hint: Option<String>,
}

/// Draws title, headings and rows; the rows that there is room for. `missing` explains an empty table.
pub fn draw(view: &View, table: &Table, missing: Option<&Missing>, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    paint::row(buf, area, 0, &title(view, table, theme));
    let body = paint::band(area, HEAD, area.height);
    if view.rows.is_empty() {
        empty(view, missing, theme, paint::band(area, 1, area.height), buf);
        return body.height;
    }
    let widths = fit(view, table, usize::from(area.width));
    paint::row(buf, area, 1, &headings(view, table, &widths, theme));
    let selected = view.selected.unwrap_or(0);
    let top = paint::scroll_to(selected, view.rows.len(), usize::from(body.height));
    for (offset, index) in (0..body.height).zip(top..view.rows.len()) {
        let chosen = view.selected == Some(index);
        paint::row(buf, body, offset, &cells(view, index, &widths, chosen, theme));
        if chosen {
            buf.set_style(paint::band(body, offset, 1), theme.selected());
        }
    }
    body.height
}

fn title(view: &View, table: &Table, theme: &Theme) -> Line<'static> {
    let mut spans = vec![span(view.title.clone(), theme.title())];
    let shown = if view.rows.len() == view.all {
        format!("  {}", view.all)
    } else {
        format!("  {} of {}", view.rows.len(), view.all)
    };
    if view.all > 0 {
        spans.push(span(shown, theme.muted()));
    }
    if !table.filter.is_empty() {
        spans.push(span("  filter ", theme.muted()));
        spans.push(span(table.filter.clone(), theme.key()));
    }
    if table.faults_only {
        spans.push(span("  faults only", theme.key()));
    }
    if table.descending && table.sort.is_none() {
        spans.push(span("  reversed", theme.muted()));
    }
    Line::from(spans)
}

fn empty(view: &View, missing: Option<&Missing>, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let cells = usize::from(area.width);
    let mut lines = paint::wrap(&Line::from(span(format!("  {}", view.empty), theme.muted())), cells, 2);
    if let Some(missing) = missing {
        let call = Line::from(span(format!("  asked for {}", missing.call), theme.muted()));
        lines.extend(paint::wrap(&call, cells, 2));
        let hint = missing.hint.as_ref().map(|hint| Line::from(format!("  → {hint}")));
        lines.extend(hint.iter().flat_map(|hint| paint::wrap(hint, cells, 4)));
    }
    for (index, line) in (0..area.height).zip(&lines) {
        paint::row(buf, area, index, line);
    }
}

/// A column that is shown: its index and its width.
type FittedColumn = (usize, usize);

/// The title with the mark of the sort order.
fn heading(column: &Column, index: usize, table: &Table) -> String {
    match (table.sort == Some(index), table.descending) {
        (false, _) => column.title.to_string(),
        (true, false) => format!("{}↑", column.title),
        (true, true) => format!("{}↓", column.title),
    }
}

/// Which columns are shown, and how wide. The least important go first; what is left over goes to
/// the columns that want it: the growing ones before those that say the most in a part of it.
fn fit(view: &View, table: &Table, cells: usize) -> Vec<FittedColumn> {
    let wanted: Vec<usize> = (0..view.columns.len()).map(|index| natural_width(view, table, index)).collect();
    let least = |index: usize| usize::from(view.columns[index].min).min(wanted[index]);
    // A text column at twice its least width is more useful than one more column of lower rank.
    let worth = |index: usize, rank: u8| match &view.columns[index] {
        column if column.grows && column.rank < rank => (usize::from(column.min) * 2).min(wanted[index]),
        _ => least(index),
    };
    let mut shown: Vec<usize> = (0..view.columns.len()).collect();
    while let Some((place, rank)) = worst(view, &shown)
        && shown.iter().map(|&index| worth(index, rank) + GAP).sum::<usize>() > cells
        && shown.len() > 1
    {
        shown.remove(place);
    }
    let mut spare = cells.saturating_sub(shown.iter().map(|&index| least(index) + GAP).sum());
    let mut widths: Vec<FittedColumn> = shown.into_iter().map(|index| (index, least(index))).collect();
    let turn = |column: &Column| (column.ends, column.grows);
    for now in [(false, false), (false, true), (true, false)] {
        for (index, width) in widths.iter_mut().filter(|(index, _)| turn(&view.columns[*index]) == now) {
            let more = wanted[*index].saturating_sub(*width).min(spare);
            *width += more;
            spare -= more;
        }
    }
    widths
}

/// Place and rank of the least important column.
fn worst(view: &View, shown: &[usize]) -> Option<(usize, u8)> {
    let ranked = shown.iter().enumerate().map(|(place, index)| (place, view.columns[*index].rank));
    ranked.max_by_key(|(place, rank)| (*rank, *place))
}

/// The width that shows a column whole.
fn natural_width(view: &View, table: &Table, index: usize) -> usize {
    let cells = view.rows.iter().filter_map(|row| row.cells.get(index)).map(|cell| width(&cell.text));
    cells.max().unwrap_or(0).max(width(&heading(&view.columns[index], index, table)))
}

fn headings(view: &View, table: &Table, widths: &[FittedColumn], theme: &Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for (index, wide) in widths {
        let column = &view.columns[*index];
        let text = paint::fit(&heading(column, *index, table), *wide, column.number);
        spans.push(Span::raw(" ".repeat(GAP)));
        spans.push(span(text, theme.heading()));
    }
    Line::from(spans)
}

fn cells(view: &View, row: usize, widths: &[FittedColumn], chosen: bool, theme: &Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for (place, (index, wide)) in widths.iter().enumerate() {
        // Without styles, the marker shows the selection.
        spans.push(Span::raw(if place == 0 && chosen { "▸ " } else { "  " }));
        if let Some(cell) = view.rows[row].cells.get(*index) {
            let column = &view.columns[*index];
            let kept = if column.ends { cut_front(&cell.text, *wide) } else { cell.text.clone() };
            let text = paint::fit(&kept, *wide, column.number);
            spans.push(span(text, theme.of(cell.meaning)));
        }
    }
    Line::from(spans)
}
