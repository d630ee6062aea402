//! Draws the model. Reads, never mutates.
//!
//! Architecture invariant: what is drawn follows from the model, the theme and the size of the
//! terminal alone. There is no state here, no clock and no I/O, so a screen can be tested as text.

#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]
#![allow(missing_docs, reason = "what a name says needs no words")]

mod charts;
mod choose;
mod clients;
mod describe;
mod dialogs;
mod doctor;
mod findings;
mod fleet;
mod footer;
mod header;
mod histogram;
mod insights;
mod logline;
mod logs;
mod logstatus;
mod operation;
mod others;
mod paint;
mod pick;
mod popup;
mod requests;
mod revisions;
mod sheet;
mod skips;
mod stack;
mod steps;
mod table;
pub mod theme;
mod timeline;
mod users;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

pub use theme::Theme;

use crate::console::dialogs::Dialog;
use crate::console::model::{self, Model, SMALLEST, Viewport};
use crate::console::mouse::Hits;
use crate::console::screens::Screen;

/// Draws everything; what there was room for.
pub fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>) -> Viewport {
    let area = frame.area();
    if model::too_small((area.width, area.height)) {
        too_small(area, frame.buffer_mut());
        return model.viewport;
    }
    let (cursor, viewport) = compose(model, theme, area, frame.buffer_mut());
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
    viewport
}

/// Where what was drawn can be clicked on.
pub fn hits(model: &Model, theme: &Theme, buf: &Buffer) -> Hits {
    let area = buf.area;
    let body = (area.y + header::ROWS)..area.bottom().saturating_sub(1);
    // The mark stands at one column, so no text that comes from elsewhere is taken for it.
    let column = match model.dialogs.last() {
        Some(Dialog::Palette { .. } | Dialog::Choose { .. }) => popup::inside(area, popup::WIDE),
        Some(Dialog::Pick { .. }) => popup::inside(area, pick::WIDE),
        _ => area.x,
    };
    let marked = |y: &u16| buf.cell((column, *y)).is_some_and(|cell| cell.symbol() == "▸");
    let below = paint::band(area, header::ROWS, area.height.saturating_sub(1));
    let chart = (model.screen == Screen::Logs).then(|| logs::chart_hit(model, theme, below)).flatten();
    Hits {
        selected: body.into_iter().find(marked),
        tabs: header::tab_places(model, theme, area),
        tabs_row: area.y + 1,
        chart,
    }
}

fn too_small(area: Rect, buf: &mut Buffer) {
    let text = Line::from(format!("terminal too small (needs {}x{})", SMALLEST.0, SMALLEST.1));
    for (index, line) in paint::wrap(&text, usize::from(area.width.max(1)), 0).iter().enumerate() {
        paint::row(buf, area, u16::try_from(index).unwrap_or(u16::MAX), line);
    }
}

/// Header, body, dialog, toasts, footer; where the cursor is, if something is being typed.
fn compose(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> (Option<Position>, Viewport) {
    header::draw(model, theme, paint::band(area, 0, header::ROWS), buf);
    let body = paint::band(area, header::ROWS, area.height - header::ROWS - 1);
    let rows = match model.screen {
        _ if !model.context.chosen() => nowhere(theme, body, buf),
        Screen::Fleet => fleet::draw(model, theme, body, buf),
        Screen::Logs => logs::draw(model, theme, body, buf),
        Screen::Stack => stack::draw(model, theme, body, buf),
        Screen::Clients => clients::draw(model, theme, body, buf),
        Screen::Users => users::draw(model, theme, body, buf),
        Screen::Timeline => timeline::draw(model, theme, body, buf),
        Screen::Doctor => doctor::draw(model, theme, body, buf),
        Screen::Requests => requests::draw(model, theme, body, buf),
        Screen::Revisions => revisions::draw(model, theme, body, buf),
        Screen::Insights => insights::draw(model, theme, body, buf),
    };
    let below = Viewport { rows: usize::from(rows), last: 0 };
    let on_top = model.dialogs.last().map(|top| dialogs::draw(model, theme, top, body, buf));
    let (typing, viewport) = on_top.unwrap_or((None, below));
    footer::toasts(model, theme, body, buf);
    let prompt = footer::draw(model, theme, paint::band(area, area.height - 1, 1), buf);
    paint::ground(buf, theme.ground());
    (typing.or(prompt), viewport)
}

/// The body while no cluster is chosen: there is nothing to show of any.
fn nowhere(theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let lines = [
        "No cluster is chosen yet, so nothing is read but who is calling and which clusters there are.",
        "`:` finds cluster, environment, profile and region by name.",
    ];
    for (row, line) in (1..).zip(lines) {
        paint::row(buf, area, row, &Line::from(paint::span(format!("  {line}"), theme.muted())));
    }
    area.height
}
