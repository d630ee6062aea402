//! Volume and errors over the time that is kept, in two rows of blocks.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::logstatus::thousands;
use super::paint::{self, span};
use super::theme::Theme;
use crate::console::screens::logs::{State, Times};
use crate::core::logs::store::Bar;
use crate::core::meaning::Meaning;
use crate::core::text::width;

/// Rows that it takes.
pub const ROWS: u16 = 2;

const BLOCKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Where its columns are: the first one, and how many there are. `None` where there is no room, or no line.
pub fn columns(state: &State, dated: bool, theme: &Theme, area: Rect) -> Option<(u16, u16)> {
    let (first, last) = state.store.span()?;
    let (left, right) = (margin(first, state, dated, theme), width(&clock(last, state, dated, theme)) + 3);
    let columns = usize::from(area.width).saturating_sub(left + right).min(240);
    let cells = |cells: usize| u16::try_from(cells).unwrap_or(u16::MAX);
    (columns >= 8).then(|| (area.x.saturating_add(cells(left)), cells(columns)))
}

/// Cells before the first column.
fn margin(first: i64, state: &State, dated: bool, theme: &Theme) -> usize {
    width(&clock(first, state, dated, theme)).max("errors".len()) + 2
}

/// Draws it: when it begins and ends, the most lines of a column, and the errors below.
pub fn draw(state: &State, dated: bool, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some((first, last)) = state.store.span() else { return };
    let Some((_, columns)) = columns(state, dated, theme, area) else { return };
    let (begin, end) = (clock(first, state, dated, theme), clock(last, state, dated, theme));
    let (left, columns) = (margin(first, state, dated, theme), usize::from(columns));
    let bars = state.store.histogram(columns);
    let most = |of: fn(&Bar) -> usize| bars.iter().map(of).max().unwrap_or(0);
    let (lines, bad) = (most(|bar| bar.lines), most(trouble));
    let volume = bars.iter().map(|bar| Span::raw(BLOCKS[height(bar.lines, lines)]));
    let errors = bars.iter().map(|bar| {
        let meaning = if bar.errors > 0 { Meaning::Bad } else { Meaning::Warn };
        span(BLOCKS[height(trouble(bar), bad)], theme.of(meaning))
    });
    let row = |label: &str, blocks: Vec<Span<'static>>, note: String| {
        let mut spans = vec![span(format!(" {} ", paint::fit(label, left - 2, false)), theme.muted())];
        spans.extend(blocks);
        spans.push(span(format!(" {note}"), theme.muted()));
        Line::from(spans)
    };
    paint::row(buf, area, 0, &row(&begin, volume.collect(), end));
    let note = format!("{}/{}", thousands(bad as u64), thousands(lines as u64));
    paint::row(buf, area, 1, &row("errors", errors.collect(), note));
    let Some(selected) = state.selected() else { return };
    let span = i128::from(last) - i128::from(first) + 1;
    let column = (i128::from(selected.at) - i128::from(first)) * columns as i128 / span;
    if let Ok(column) = u16::try_from(left as i128 + column) {
        let cell = Rect { x: area.x + column, width: 1, ..area }.intersection(area);
        buf.set_style(cell, Modifier::REVERSED);
    }
}

fn trouble(bar: &Bar) -> usize {
    bar.errors + bar.warnings
}

/// The height of a block; a count above zero is never drawn as nothing.
fn height(count: usize, most: usize) -> usize {
    if count == 0 { 0 } else { (count * 8).div_ceil(most.max(1)).clamp(1, 8) }
}

fn clock(at: i64, state: &State, dated: bool, theme: &Theme) -> String {
    let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let format = if dated { "%m-%d %H:%M:%S" } else { "%H:%M:%S" };
    match state.times {
        Times::Utc => at.strftime(format).to_string(),
        _ => theme.time(at, format),
    }
}
