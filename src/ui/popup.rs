//! Small boxes over the screen: the palette, the prompts for a count and for a time, and waiting for a plan.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::dialogs::keep_out::KeepOut;
use crate::console::dialogs::palette::{OfferKind, matches};
use crate::console::input::Input;
use crate::console::model::Model;
use crate::core::meaning::Meaning;
use crate::core::quarantine::USUAL;
use crate::core::text::short_duration;
use crate::core::unread::Read;

/// Columns of the boxes in which something is found by typing.
pub(super) const WIDE: u16 = 90;

/// The first column inside a box of at most this many columns.
pub(super) fn inside(area: Rect, columns: u16) -> u16 {
    area.x + (area.width - columns.min(area.width.saturating_sub(2))) / 2 + 2
}

/// Clears and frames a box of at most this size in the middle of the upper part; its inside.
pub(super) fn frame(title: &str, (columns, rows): (u16, u16), theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let (columns, rows) = (columns.min(area.width.saturating_sub(2)), rows.min(area.height));
    let outer = Rect {
        x: area.x + (area.width - columns) / 2,
        y: area.y + (area.height - rows) / 3,
        width: columns,
        height: rows,
    };
    paint::clear(buf, outer);
    let bar = "─".repeat(usize::from(columns).saturating_sub(2));
    paint::row(buf, outer, 0, &Line::from(span(format!("┌{bar}┐"), theme.muted())));
    paint::row(buf, outer, rows.saturating_sub(1), &Line::from(span(format!("└{bar}┘"), theme.muted())));
    for row in 1..rows.saturating_sub(1) {
        paint::row(buf, outer, row, &Line::from(span("│", theme.muted())));
        paint::at(buf, outer, columns.saturating_sub(1), row, &Line::from(span("│", theme.muted())));
    }
    paint::at(buf, outer, 2, 0, &Line::from(span(format!(" {title} "), theme.title())));
    Rect {
        x: outer.x + 2,
        y: outer.y + 1,
        width: outer.width.saturating_sub(4),
        height: outer.height.saturating_sub(2),
    }
}

/// Draws a typed line with its label; where its cursor is.
pub(super) fn entry(label: &str, input: &Input, row: u16, theme: &Theme, area: Rect, buf: &mut Buffer) -> Position {
    let taken = crate::core::text::width(label);
    let (text, column) = paint::typed(input, usize::from(area.width).saturating_sub(taken));
    paint::row(buf, area, row, &Line::from(vec![span(label, theme.key()), Span::raw(text)]));
    let x = area.x.saturating_add(u16::try_from(taken).unwrap_or(0)).saturating_add(column);
    Position { x: x.min(area.right().saturating_sub(1)), y: area.y + row.min(area.height.saturating_sub(1)) }
}

/// Finds a screen, an action or a server by name.
pub fn palette(
    model: &Model,
    theme: &Theme,
    (input, selected): (&Input, usize),
    area: Rect,
    buf: &mut Buffer,
) -> Position {
    let inside = frame("go to", (WIDE, 16), theme, area, buf);
    let cursor = entry(": ", input, 0, theme, inside, buf);
    let list = paint::band(inside, 1, inside.height);
    let found = matches(model, input.text());
    if found.is_empty() {
        paint::row(buf, list, 0, &Line::from(span("  nothing is called that", theme.muted())));
    }
    let from = paint::scroll_to(selected, found.len(), usize::from(list.height));
    for (row, index) in (0..list.height).zip(from..found.len()) {
        let offer = &found[index];
        let chosen = index == selected;
        let line = Line::from(vec![
            Span::raw(if chosen { "▸ " } else { "  " }),
            span(paint::fit(&offer.name, 18, false), theme.of(Meaning::Accent)),
            span(offer.doc, theme.muted()),
        ]);
        paint::row(buf, list, row, &line);
        let keys = match &offer.choice {
            OfferKind::Act(action) => model.keymap.keys(*action),
            OfferKind::ServerLogs(_) | OfferKind::Choose(..) => Vec::new(),
        };
        let key = Line::from(span(keys.first().map(|key| format!(" {key}")).unwrap_or_default(), theme.key()));
        paint::right(buf, list, row, &key);
        if chosen {
            buf.set_style(paint::band(list, row, 1), theme.selected());
        }
    }
    cursor
}

/// Asks for a count or bounds, and says what is there now.
pub fn scale(
    model: &Model,
    theme: &Theme,
    (server, input, error): (&str, &Input, Option<&str>),
    area: Rect,
    buf: &mut Buffer,
) -> Position {
    let inside = frame(&format!("scale {server}"), (66, 7), theme, area, buf);
    let now = model.screens.fleet.remote.get().and_then(|fleet| fleet.server(server));
    let facts = now.map_or("not read yet".to_owned(), |server| {
        let bounds = match &server.bounds {
            Read::Known(Some(bounds)) => format!("autoscaling {bounds}"),
            Read::Known(None) => "no autoscaling".to_owned(),
            Read::NotRead(_) => "autoscaling not read".to_owned(),
        };
        format!("now {} running of {} desired, {bounds}", server.running, server.desired)
    });
    paint::row(buf, inside, 0, &Line::from(span(facts, theme.muted())));
    let cursor = entry("tasks: ", input, 1, theme, inside, buf);
    let hint = "such as 3 for the desired count, 2..6 for the bounds of autoscaling, 3 2..6 for both";
    explained(hint, error, theme, inside, buf);
    cursor
}

/// Asks how long somebody is to be kept out.
pub fn keep_out(theme: &Theme, asked: &KeepOut, area: Rect, buf: &mut Buffer) -> Position {
    let KeepOut { called, input, error, .. } = asked;
    let inside = frame(&format!("keep {called} out"), (66, 7), theme, area, buf);
    let usual = format!("their requests get 403 at every server; nothing typed is {}", short_duration(USUAL));
    paint::row(buf, inside, 0, &Line::from(span(usual, theme.muted())));
    let cursor = entry("for: ", input, 1, theme, inside, buf);
    explained("a time such as 30m, 24h or 7d, 31d at most", error.as_deref(), theme, inside, buf);
    cursor
}

/// What can be typed, or why what was typed was not taken.
fn explained(hint: &str, error: Option<&str>, theme: &Theme, inside: Rect, buf: &mut Buffer) {
    let line = match error {
        Some(error) => Line::from(span(format!("✖ {error}"), theme.of(Meaning::Bad))),
        None => Line::from(span(hint.to_owned(), theme.muted())),
    };
    for (row, line) in (3..inside.height).zip(&paint::wrap(&line, usize::from(inside.width), 2)) {
        paint::row(buf, inside, row, line);
    }
}

/// A plan is being made.
pub fn planning(title: &str, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let inside = frame("planning", (60, 4), theme, area, buf);
    paint::row(buf, inside, 0, &Line::from(format!("◐ {title} …")));
    let note = "reads what is there; nothing is changed";
    paint::row(buf, inside, 1, &Line::from(span(note, theme.muted())));
}
