//! Putting lines of text into the buffer, and never outside it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::theme::Theme;
use crate::console::input::Input;
use crate::console::table::Cell;
use crate::core::text::width;

/// A piece of text in a style.
pub fn span(text: impl Into<String>, style: Style) -> Span<'static> {
    Span::styled(text.into(), style)
}

/// A cell's text in the style of its meaning.
pub fn cell(cell: &Cell, theme: &Theme) -> Span<'static> {
    span(cell.text.clone(), theme.of(cell.meaning))
}

/// Gives what has no colour of its own the ground's.
pub fn ground(buf: &mut Buffer, ground: Style) {
    if ground.fg.is_none() && ground.bg.is_none() {
        return;
    }
    for cell in &mut buf.content {
        if let (Color::Reset, Some(colour)) = (cell.fg, ground.fg) {
            cell.fg = colour;
        }
        if let (Color::Reset, Some(colour)) = (cell.bg, ground.bg) {
            cell.bg = colour;
        }
    }
}

/// Writes a line into a row of the area.
pub fn row(buf: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    at(buf, area, 0, row, line);
}

/// Writes a line into a row of the area, `column` cells from its left edge. What does not fit ends in `…`.
pub fn at(buf: &mut Buffer, area: Rect, column: u16, row: u16, line: &Line<'_>) {
    let area = area.intersection(buf.area);
    if row >= area.height || column >= area.width {
        return;
    }
    let room = area.width - column;
    if line.width() > usize::from(room) {
        buf.set_line(area.x + column, area.y + row, &clipped(line, usize::from(room)), room);
    } else {
        buf.set_line(area.x + column, area.y + row, line, room);
    }
}

/// The beginning of a line, ending in `…`.
fn clipped(line: &Line<'_>, cells: usize) -> Line<'static> {
    let mut room = cells.saturating_sub(1);
    let (mut spans, mut style) = (Vec::new(), Style::new());
    for one in &line.spans {
        let wide = one.width();
        style = one.style;
        if wide > room {
            // One cell more: the cut brings its own ellipsis.
            spans.push(span(crate::core::text::cut(&one.content, room + 1), style));
            return Line::from(spans);
        }
        room -= wide;
        spans.push(span(one.content.as_ref(), style));
    }
    spans.push(span("…", style));
    Line::from(spans)
}

/// Writes a line at the right edge of a row; the cells that it takes.
pub fn right(buf: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) -> u16 {
    let wide = u16::try_from(line.width()).unwrap_or(u16::MAX).min(area.width);
    at(buf, area, area.width - wide, row, line);
    wide
}

/// Empties an area.
pub fn clear(buf: &mut Buffer, area: Rect) {
    let area = area.intersection(buf.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            buf[(x, y)].reset();
        }
    }
}

/// A thin line across a row, with a title.
pub fn rule(buf: &mut Buffer, area: Rect, row_index: u16, title: Line<'static>, theme: &Theme) {
    let mut spans = vec![span("── ", theme.muted())];
    spans.extend(title.spans);
    spans.push(span(" ", theme.muted()));
    let used: usize = spans.iter().map(Span::width).sum();
    spans.push(span("─".repeat(usize::from(area.width).saturating_sub(used)), theme.muted()));
    row(buf, area, row_index, &Line::from(spans));
}

/// The rows `[top, top + height)` of an area, as far as it has them.
pub fn band(area: Rect, top: u16, height: u16) -> Rect {
    let top = top.min(area.height);
    Rect { y: area.y + top, height: height.min(area.height - top), ..area }
}

/// Breaks a line into lines of at most `cells`, at spaces where that wastes less than a third.
/// Continuations are indented by `indent`.
pub fn wrap(line: &Line<'_>, cells: usize, indent: usize) -> Vec<Line<'static>> {
    let indent = if indent * 2 < cells { indent } else { 0 };
    let mut lines = vec![Vec::new()];
    let mut used = 0;
    for part in &line.spans {
        for word in part.content.split_inclusive(' ') {
            let wide = width(word.trim_end());
            let room = cells.saturating_sub(used);
            if wide > room && wide <= cells - indent && room * 3 < cells * 2 {
                used = begin(&mut lines, indent);
            }
            used = place(&mut lines, word, part.style, used, (cells, indent));
        }
    }
    lines.into_iter().map(Line::from).collect()
}

/// Begins a new line; the cells that its indentation takes.
fn begin(lines: &mut Vec<Vec<Span<'static>>>, indent: usize) -> usize {
    lines.push(vec![Span::raw(" ".repeat(indent))]);
    indent
}

/// Adds a word to the last line, broken wherever it must be; the cells then used.
fn place(
    lines: &mut Vec<Vec<Span<'static>>>,
    word: &str,
    style: Style,
    mut used: usize,
    (cells, indent): (usize, usize),
) -> usize {
    let mut piece = String::new();
    for grapheme in word.graphemes(true) {
        let wide = width(grapheme);
        if used + wide > cells {
            if grapheme == " " {
                continue;
            }
            if let Some(last) = lines.last_mut() {
                last.push(span(std::mem::take(&mut piece), style));
            }
            used = begin(lines, indent);
        }
        piece.push_str(grapheme);
        used += wide;
    }
    if let Some(last) = lines.last_mut() {
        last.push(span(piece, style));
    }
    used
}

/// What of a typed line fits into `cells`, with its cursor's column.
pub fn typed(input: &Input, cells: usize) -> (String, u16) {
    let skip = (input.cursor() + 1).saturating_sub(cells);
    let (mut skipped, mut shown) = (0, String::new());
    for grapheme in input.text().graphemes(true) {
        if skipped < skip {
            skipped += width(grapheme);
        } else {
            shown.push_str(grapheme);
        }
    }
    let column = input.cursor().saturating_sub(skipped);
    (shown, u16::try_from(column).unwrap_or(u16::MAX))
}

/// The first row to show so that the selected one is seen, in the middle where there is a middle.
///
/// The view keeps no scroll position of its own: it follows from the selection alone.
pub fn scroll_to(selected: usize, len: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(len.saturating_sub(height))
}

/// Text cut or padded to exactly this many cells.
pub fn fit(text: &str, cells: usize, right: bool) -> String {
    let text = crate::core::text::cut(text, cells);
    let pad = " ".repeat(cells.saturating_sub(width(&text)));
    if right { pad + &text } else { text + &pad }
}
