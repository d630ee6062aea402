//! The Logs screen. Only the rows that are seen are touched.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::histogram;
use super::logline::Format;
use super::logstatus;
use super::paint::{self, span};
use super::theme::Theme;
use crate::console::action::Action;
use crate::console::model::Model;
use crate::console::mouse::Chart;
use crate::console::screens::Screen;
use crate::console::screens::logs::State;
use crate::core::logs::TailState;

/// Rows of the status lines.
const HEAD: u16 = 2;

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let state = &model.screens.logs;
    paint::row(buf, area, 0, &logstatus::tail(model, theme));
    let taken = paint::right(buf, area, 1, &logstatus::paused(state, theme));
    let left = Rect { width: area.width.saturating_sub(taken + 1), ..area };
    paint::row(buf, left, 1, &logstatus::shown(model, theme));
    let mut body = paint::band(area, HEAD, area.height);
    if let Some(chart) = chart(model, area) {
        histogram::draw(state, logstatus::dated(model, theme), theme, chart, buf);
        body = paint::band(body, histogram::ROWS, body.height);
    }
    if state.store.shown() == 0 {
        let text = Line::from(span(format!("  {}", nothing(model)), theme.muted()));
        for (index, line) in (0..body.height).zip(&paint::wrap(&text, usize::from(body.width), 2)) {
            paint::row(buf, body, index, line);
        }
        return body.height;
    }
    lines(model, theme, body, buf);
    body.height
}

/// Where the histogram is, if it is shown and there is room for it.
fn chart(model: &Model, area: Rect) -> Option<Rect> {
    let body = paint::band(area, HEAD, area.height);
    let shown = model.screens.logs.histogram && body.height > 3 * histogram::ROWS;
    shown.then(|| paint::band(body, 0, histogram::ROWS))
}

/// Where the columns of the histogram can be clicked on.
pub fn chart_hit(model: &Model, theme: &Theme, area: Rect) -> Option<Chart> {
    let area = chart(model, area)?;
    let (from, columns) = histogram::columns(&model.screens.logs, logstatus::dated(model, theme), theme, area)?;
    Some(Chart { rows: (area.y, area.bottom()), from, columns })
}

/// Why no line is shown.
fn nothing(model: &Model) -> String {
    let state = &model.screens.logs;
    let key = |action| model.keymap.keys(action).into_iter().next().unwrap_or_default();
    if let Some(percent) = state.store.progress() {
        return format!("no line passes the filters so far; {percent} % scanned …");
    }
    if !state.store.is_empty() {
        let filter = state.store.filter();
        if let Some(task) = filter.task.as_deref().filter(|_| !filter.has_expressions()) {
            let (short, all) = (task.get(..8).unwrap_or(task), key(Action::Back));
            return format!("task {short} has no line in what was read; {all} shows every task");
        }
        return format!("no line passes the filters; {} removes them", key(Action::Back));
    }
    if !state.missing.is_empty() {
        let missing: Vec<&str> = state.missing.iter().map(String::as_str).collect();
        return format!("waits for {}, which does not exist", missing.join(", "));
    }
    match &state.tail {
        TailState::Off if state.wish.is_some() => "it is still being read where the log lies".to_owned(),
        TailState::Off => format!("nothing is followed; {} follows every server", key(Action::Show(Screen::Logs))),
        TailState::Loading(_) => "reading the last 15 minutes …".to_owned(),
        TailState::Ended(why) => format!("the tail ended: {why}"),
        _ => "no line in the last 15 minutes; new ones appear here".to_owned(),
    }
}

fn lines(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let state = &model.screens.logs;
    let (cells, height) = (usize::from(area.width), usize::from(area.height));
    let format = Format {
        now: model.now,
        times: state.times,
        precise: area.width >= 100,
        dated: logstatus::dated(model, theme),
        server: server_cells(state),
        search: state.store.search(),
        fields: &state.fields,
        cells: if state.wrap { cells * (height + 1) } else { cells },
        theme,
    };
    let render = |row: usize| rendered(state, row, &format, cells);
    let (first, skip) = window(state, height, |row| render(row).len());
    let selected = state.position().filter(|_| state.paused());
    let mut y = 0;
    for row in first..state.store.shown() {
        for line in render(row).into_iter().skip(if row == first { skip } else { 0 }) {
            if y >= area.height {
                return;
            }
            paint::row(buf, area, y, &line);
            if selected == Some(row) {
                paint::row(buf, area, y, &Line::from("▸"));
                buf.set_style(paint::band(area, y, 1), theme.selected());
            }
            y += 1;
        }
    }
}

/// A line as the rows that it takes on the screen.
fn rendered(state: &State, row: usize, format: &Format<'_>, cells: usize) -> Vec<Line<'static>> {
    let Some(kept) = state.store.row(row) else { return vec![Line::default()] };
    let line = format.line(kept);
    if state.wrap { paint::wrap(&line, cells, format.indent()) } else { vec![line] }
}

/// Width of the server column: none where all lines come from one server.
fn server_cells(state: &State) -> usize {
    let servers = state.servers();
    if state.store.filter().servers.len() == 1 || servers.len() < 2 {
        return 0;
    }
    let widest = |limit: usize, group: bool| {
        let names = servers.iter().filter(|name| name.contains('/') == group);
        names.map(|name| crate::core::text::width(name)).max().unwrap_or(0).min(limit)
    };
    // The full name of a log group, where the server cannot be told.
    widest(12, false).max(widest(20, true))
}

/// The first line shown and how many of its rows are skipped. Follows the newest line; when paused,
/// keeps the selected one near the middle and does not move for lines that came since.
fn window(state: &State, height: usize, tall: impl Fn(usize) -> usize) -> (usize, usize) {
    let len = state.store.shown();
    let selected = state.position().unwrap_or(0);
    if !state.paused() {
        return backward(len, height, &tall);
    }
    let end = state.held().unwrap_or(len).max(selected + 1);
    let (mut below, mut row) = (0, selected);
    while row < end && below < height - height / 2 {
        below += tall(row);
        row += 1;
    }
    // A selected line that is taller than the screen shows its beginning.
    backward(selected, height.saturating_sub(below), &tall)
}

/// Goes back from `from` until `rows` are filled.
fn backward(from: usize, rows: usize, tall: &impl Fn(usize) -> usize) -> (usize, usize) {
    let (mut first, mut filled) = (from, 0);
    while first > 0 && filled < rows {
        first -= 1;
        filled += tall(first);
    }
    (first, filled.saturating_sub(rows))
}
