//! Draws the model. Reads, never mutates.
//!
//! Architecture invariant: what is drawn follows from the model, the theme and the size of the
//! terminal alone. There is no state here, no clock and no I/O, so a screen can be tested as text.

#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]
#![allow(missing_docs, reason = "what a name says needs no words")]

mod charts;
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
mod sheet;
mod stack;
mod steps;
mod table;
pub mod theme;
mod timeline;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

pub use theme::Theme;

use crate::console::model::{Model, Viewport};
use crate::console::screens::Screen;

/// The smallest terminal that the console can be used in: columns, rows.
pub const SMALLEST: (u16, u16) = (40, 10);

/// Draws everything; what there was room for.
pub fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>) -> Viewport {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        too_small(area, frame.buffer_mut());
        return model.viewport;
    }
    let (cursor, viewport) = compose(model, theme, area, frame.buffer_mut());
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
    viewport
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
        Screen::Fleet => fleet::draw(model, theme, body, buf),
        Screen::Logs => logs::draw(model, theme, body, buf),
        Screen::Stack => stack::draw(model, theme, body, buf),
        Screen::Clients => clients::draw(model, theme, body, buf),
        Screen::Timeline => timeline::draw(model, theme, body, buf),
        Screen::Doctor => doctor::draw(model, theme, body, buf),
        Screen::Requests => requests::draw(model, theme, body, buf),
        Screen::Insights => insights::draw(model, theme, body, buf),
    };
    let below = Viewport { rows: usize::from(rows), last: 0 };
    let on_top = model.dialogs.last().map(|top| dialogs::draw(model, theme, top, body, buf));
    let (typing, viewport) = on_top.unwrap_or((None, below));
    footer::toasts(model, theme, body, buf);
    let prompt = footer::draw(model, theme, paint::band(area, area.height - 1, 1), buf);
    (typing.or(prompt), viewport)
}
