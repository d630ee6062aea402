//! Dialogs: sheets that take the whole body, and small boxes over it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::sheet::{phase, sheet};
use super::theme::Theme;
use super::{choose, operation, others, pick, popup, skips};
use crate::console::action::{self, ActionInfo, Scope, available};
use crate::console::dialogs::Dialog;
use crate::console::model::{Model, Viewport};
use crate::console::place::{is_here, words};
use crate::console::table::Cell;
use crate::core::meaning::Meaning;
use crate::core::text::{age, width};

/// Lines of a text that are wrapped for a frame; more than the tallest terminal shows.
const WRAPPED: usize = 200;

/// Draws a dialog; where its cursor is, and what there was room for.
pub fn draw(
    model: &Model,
    theme: &Theme,
    dialog: &Dialog,
    area: Rect,
    buf: &mut Buffer,
) -> (Option<Position>, Viewport) {
    let whole = Viewport { rows: usize::from(area.height), last: 0 };
    match dialog {
        Dialog::Help { scroll, input } => {
            let searched = if input.text().is_empty() { String::new() } else { format!("  with {:?}", input.text()) };
            let title = format!("keys: {}{searched}", model.screen.info().title);
            let lines = help(model, input.text(), theme, usize::from(area.width));
            (None, sheet(&title, Line::default(), &lines, *scroll, theme, area, buf))
        }
        Dialog::Text { title, lines, scroll } => (None, text((title, lines, *scroll), theme, area, buf)),
        Dialog::Operations { selected } => (None, operations(model, *selected, theme, area, buf)),
        Dialog::Palette { input, selected } => {
            (Some(popup::palette(model, theme, (input, *selected), area, buf)), whole)
        }
        Dialog::Choose { choice, input, selected } => {
            (Some(choose::draw(model, theme, (*choice, input, *selected), area, buf)), whole)
        }
        Dialog::Scale { server, input, error } => {
            (Some(popup::scale(model, theme, (server, input, error.as_deref()), area, buf)), whole)
        }
        Dialog::KeepOut(asked) => (Some(popup::keep_out(theme, asked, area, buf)), whole),
        Dialog::Pick { pick, selected } => {
            pick::draw(model, theme, (*pick, *selected), area, buf);
            (None, whole)
        }
        Dialog::Skips(skips) => {
            skips::draw(theme, skips, area, buf);
            (None, whole)
        }
        Dialog::Planning { title } => {
            popup::planning(title, theme, area, buf);
            (None, whole)
        }
        Dialog::Operation { id, scroll, input, error } => {
            let shown = operation::SheetState { scroll: *scroll, input, error: error.as_deref() };
            operation::draw(model, theme, id, &shown, area, buf)
        }
    }
}

/// A text to read. The scroll counts lines as they are kept, so that it holds in every width.
fn text((title, lines, scroll): (&str, &[Vec<Cell>], usize), theme: &Theme, area: Rect, buf: &mut Buffer) -> Viewport {
    let cells = usize::from(area.width);
    let last = lines.len().saturating_sub(1);
    let line = |cells: &[Cell]| Line::from(cells.iter().map(|one| paint::cell(one, theme)).collect::<Vec<_>>());
    let indent = |line: &[Cell]| if line.len() > 1 { width(&line[0].text) } else { 2 };
    let from = scroll.min(last);
    // What lies far below the screen is only counted: a log line may have a megabyte.
    let (near, far) = lines[from..].split_at((lines.len() - from).min(WRAPPED));
    let mut wrapped: Vec<Line<'static>> =
        near.iter().flat_map(|one| paint::wrap(&line(one), cells, indent(one))).collect();
    wrapped.resize_with(wrapped.len() + far.len(), Line::default);
    let note = if from == 0 { String::new() } else { format!("from line {}", from + 1) };
    let drawn = sheet(title, Line::from(span(note, theme.muted())), &wrapped, 0, theme, area, buf);
    Viewport { last, ..drawn }
}

/// The keys that are valid now: those of the screen and those that are valid everywhere, side by side
/// if there is room. Who searches also finds what another screen has, and what has no key.
fn help(model: &Model, searched: &str, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let mut offered = available(model);
    let words: Vec<String> = searched.split_whitespace().map(str::to_lowercase).collect();
    let found = |info: &ActionInfo, keys: &[String]| {
        let text = format!("{} {} {}", keys.join(" "), info.name, info.doc).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    offered.retain(|(info, keys)| found(info, keys));
    let mut elsewhere = if words.is_empty() { Vec::new() } else { elsewhere(model) };
    elsewhere.retain(|(info, keys)| found(info, keys));
    if !elsewhere.is_empty() {
        let mut lines = vec![Line::from(span("elsewhere", theme.heading()))];
        lines.extend(elsewhere.iter().map(|(info, keys)| {
            let mut line = help_line(info, keys, theme);
            if let Scope::Screen(_) | Scope::Operation = info.scope {
                line.push_span(span(format!("  ({})", info.scope.title()), theme.muted()));
            }
            line
        }));
        let here = offered.iter().map(|(info, keys)| help_line(info, keys, theme));
        let gap = if offered.is_empty() { None } else { Some(Line::default()) };
        lines = here.chain(gap).chain(lines).collect();
        return lines.iter().flat_map(|line| paint::wrap(line, cells, NAMED)).collect();
    }
    if offered.is_empty() {
        return vec![Line::from(span("  no key does that".to_owned(), theme.muted()))];
    }
    let part = |title: &str, global: bool| {
        let rows = offered.iter().filter(|(info, _)| (info.scope == Scope::Global) == global);
        let mut lines = vec![Line::from(span(title.to_owned(), theme.heading()))];
        lines.extend(rows.map(|(info, keys)| help_line(info, keys, theme)));
        lines
    };
    let (mut own, global) = (part("this screen", false), part("everywhere", true));
    let rule = match model.context.read_only {
        true => "read-only: no key writes, and those that would are not shown",
        false => "a capital letter plans a write, shows it and asks; nothing else ever writes",
    };
    own.push(Line::default());
    own.push(Line::from(span(rule, theme.muted())));
    let half = own.iter().map(Line::width).max().unwrap_or(0) + 4;
    if half + global.iter().map(Line::width).max().unwrap_or(0) > cells {
        own.push(Line::default());
        return own.iter().chain(&global).flat_map(|line| paint::wrap(line, cells, NAMED)).collect();
    }
    let rows = own.len().max(global.len());
    let (mut left, mut right) = (own.into_iter(), global.into_iter());
    let beside = |_| {
        let mut line = left.next().unwrap_or_default();
        line.push_span(Span::raw(" ".repeat(half - line.width())));
        line.spans.extend(right.next().unwrap_or_default().spans);
        line
    };
    (0..rows).map(beside).collect()
}

/// What the screen does not offer: the keys of others, and what is found by its name alone.
fn elsewhere(model: &Model) -> Vec<(&'static ActionInfo, Vec<String>)> {
    let named = |info: &ActionInfo| match model.keymap.keys(info.action) {
        keys if keys.is_empty() => vec![format!(":{}", info.name)],
        keys => keys,
    };
    let here = |info: &ActionInfo| info.scope == model.scope() || info.scope == Scope::Global;
    let all = action::all().filter(|info| model.allows(info));
    let all = all.filter(|info| !here(info) || model.keymap.keys(info.action).is_empty());
    all.map(|info| (info, named(info))).collect()
}

/// Columns of a key and of whether it writes.
const NAMED: usize = 24;

fn help_line(info: &ActionInfo, keys: &[String], theme: &Theme) -> Line<'static> {
    let mark = if info.writes { span("writes ", theme.of(Meaning::Warn)) } else { Span::raw("       ") };
    let keys = paint::fit(&keys.join(" "), NAMED - mark.width(), false);
    Line::from(vec![span(keys, theme.key()), mark, Span::raw(info.doc.to_owned())])
}

/// The list of operations, the newest first; those of others after them.
fn operations(model: &Model, selected: usize, theme: &Theme, area: Rect, buf: &mut Buffer) -> Viewport {
    let title = format!("operations  {}", model.operations.len());
    let others = others::lines(model, theme, usize::from(area.width));
    if model.operations.is_empty() {
        let mut none =
            vec![Line::from(span("  none in this session, and none left unfinished before it", theme.muted()))];
        none.extend(others);
        return sheet(&title, Line::default(), &none, 0, theme, area, buf);
    }
    let line = |(index, operation): (usize, &crate::core::operation::Operation)| {
        let (symbol, word, meaning) = phase(&operation.phase);
        let since = operation.finished.or(operation.started).map(|at| format!("{:>7} ago", age(model.now, at)));
        let steps = format!("{}/{} steps", operation.done.len(), operation.steps().len());
        let place = if is_here(model, operation) { String::new() } else { format!("  {}", words(operation)) };
        Line::from(vec![
            Span::raw(if index == selected { "▸ " } else { "  " }),
            span(format!("{symbol} {word:<9}"), theme.of(meaning)),
            span(paint::fit(&since.unwrap_or_default(), 13, false), theme.muted()),
            span(paint::fit(&steps, 13, false), theme.muted()),
            span(
                operation.plan.title.clone(),
                if index == selected { theme.title() } else { theme.of(Meaning::Plain) },
            ),
            span(place, theme.muted()),
        ])
    };
    let mut lines: Vec<Line<'static>> = model.operations.iter().rev().enumerate().map(line).collect();
    lines.extend(others);
    let height = usize::from(area.height.saturating_sub(1));
    let from = paint::scroll_to(selected, lines.len(), height);
    let viewport = sheet(&title, Line::default(), &lines, from, theme, area, buf);
    if let Ok(row) = u16::try_from(selected.saturating_sub(from) + 1) {
        buf.set_style(paint::band(area, row, 1), theme.selected());
    }
    viewport
}
