//! A sheet of lines that takes the whole body, and how an operation's phase is shown on it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::describe;
use super::paint::{self, span};
use super::theme::Theme;
use crate::console::model::Viewport;
use crate::core::meaning::Meaning;
use crate::core::operation::Phase;
use crate::core::operation::record::Outcome;

/// Draws a sheet: a rule with the title, the lines from `scroll` on, and how many are hidden.
pub fn sheet(
    title: &str,
    note: Line<'static>,
    lines: &[Line<'static>],
    scroll: usize,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Viewport {
    paint::clear(buf, area);
    paint::rule(buf, area, 0, Line::from(span(title.to_owned(), theme.title())), theme);
    let body = paint::band(area, 1, area.height);
    let height = usize::from(body.height);
    let last = lines.len().saturating_sub(height);
    let from = scroll.min(last);
    for (index, line) in (0..body.height).zip(&lines[from..]) {
        paint::row(buf, body, index, line);
    }
    let hidden = lines.len().saturating_sub(from + height);
    let mut right = vec![Span::raw(" ")];
    right.extend(note.spans);
    if hidden > 0 {
        right.push(describe::more(hidden, theme));
    }
    if right.iter().map(Span::width).sum::<usize>() > 1 {
        paint::right(buf, area, 0, &Line::from(right));
    }
    Viewport { rows: height, last }
}

/// A phase as a symbol, a word and a meaning.
pub fn phase(phase: &Phase) -> (&'static str, &'static str, Meaning) {
    match phase {
        Phase::Proposed => ("?", "proposed", Meaning::Accent),
        Phase::Recording => ("◐", "recording", Meaning::Warn),
        Phase::Running => ("◐", "running", Meaning::Warn),
        Phase::Consent(_) => ("?", "asks", Meaning::Warn),
        Phase::Offered { .. } => ("?", "asks", Meaning::Warn),
        Phase::Paused { .. } => ("‖", "paused", Meaning::Warn),
        Phase::Ended(Outcome::Done) => ("✔", "done", Meaning::Good),
        Phase::Ended(Outcome::Failed { .. }) => ("✖", "failed", Meaning::Bad),
        Phase::Ended(Outcome::Cancelled { .. }) => ("↶", "cancelled", Meaning::Warn),
        Phase::Ended(Outcome::Undone { .. }) => ("↶", "undone", Meaning::Plain),
        Phase::Ended(Outcome::Closed { .. }) => ("×", "closed", Meaning::Plain),
        Phase::Refused(_) => ("✖", "refused", Meaning::Bad),
    }
}
