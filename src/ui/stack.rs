//! The Stack screen: stacks or resources above, the events of the selected stack below, so that a
//! deploy is watched as it happens.

use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::table;
use super::theme::Theme;
use super::{describe, findings};
use crate::console::model::Model;
use crate::console::screens::stack::{drifted, meaning, selected, view};
use crate::core::error::CloudError;
use crate::core::meaning::Meaning;
use crate::core::operation::verify::root_cause;
use crate::core::stack::{Stack, StackDetail, StackEvent};

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    let cells = usize::from(area.width);
    let mut lines = describe::trouble(model, &model.screens.stack.remote, &[], theme, cells);
    // The events fail for the same reason where nothing is reached.
    let reason = |error: Option<&CloudError>| error.map(|error| (error.kind, error.message.clone()));
    if reason(model.screens.stack.detail.error()) != reason(model.screens.stack.remote.error()) {
        lines.extend(describe::trouble(model, &model.screens.stack.detail, &[], theme, cells));
    }
    lines.extend(below(model, theme, cells));
    // There are always more events: they take the rows that are left, and at least two fifths.
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let remote = &model.screens.stack.remote;
    let missing = describe::missing(model, remote);
    let rows =
        table::draw(&view, model.screens.stack.table(), missing.as_ref(), theme, paint::band(area, 0, upper), buf);
    if let Some(stack) = selected(model) {
        let title = Line::from(span(format!("events of {}", stack.id.name), theme.title()));
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}

fn below(model: &Model, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let Some(stack) = selected(model) else { return Vec::new() };
    let drift = findings::lines(model, &drifted(model, stack), cells, theme);
    [drift, history(model, stack, theme, cells)].concat()
}

/// How the last change of a stack goes, or went.
fn history(model: &Model, stack: &Stack, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let watched = model.screens.stack.watched.as_ref() == Some(&stack.id);
    let Some(detail) = model.screens.stack.detail.get().filter(|_| watched) else {
        let text = match model.screens.stack.detail.error().filter(|_| watched) {
            Some(error) => format!("✖ not read: {}", error.message),
            None => "reading …".to_owned(),
        };
        return paint::wrap(&Line::from(span(text, theme.muted())), cells, 2);
    };
    let mut lines = summary(stack, detail, theme, cells);
    let kinds = cells >= 110;
    lines.extend(detail.events.iter().flat_map(|event| {
        let line = line(event, model.now, kinds, theme);
        if event.status.failed() { paint::wrap(&line, cells, 11) } else { vec![line] }
    }));
    lines
}

/// How far the stack is, or the first cause of its failure.
fn summary(stack: &Stack, detail: &StackDetail, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let status = &stack.status;
    if status.failed() {
        // The newest event that carries a token belongs to the operation that failed.
        let token = detail.events.iter().find_map(|event| event.token.as_deref());
        let cause = root_cause(detail, token, stack.reason.as_deref());
        let spans = vec![span("✖ cause    ", theme.of(Meaning::Bad)), Span::raw(cause)];
        return paint::wrap(&Line::from(spans), cells, 11);
    }
    if !status.busy() {
        return Vec::new();
    }
    let done = detail.resources.iter().filter(|one| one.status.0.ends_with("_COMPLETE")).count();
    let moving: Vec<&str> =
        detail.resources.iter().filter(|one| one.status.busy()).map(|one| one.logical_id.as_str()).collect();
    let mut text = format!("{done} of {} resources complete", detail.resources.len());
    if !moving.is_empty() {
        text.push_str(&format!("; under way: {}", moving.join(", ")));
    }
    paint::wrap(&Line::from(span(format!("◐ {text}"), theme.of(Meaning::Warn))), cells, 2)
}

/// The time of the last day's events, the date of older ones.
fn when(at: Timestamp, now: Timestamp, theme: &Theme) -> String {
    let old = now.duration_since(at) >= SignedDuration::from_hours(24);
    if old { theme.time(at, "%b %d  ") } else { theme.time(at, "%H:%M:%S") }
}

fn line(event: &StackEvent, now: Timestamp, kinds: bool, theme: &Theme) -> Line<'static> {
    let meaning = meaning(&event.status);
    let symbol = match meaning {
        Meaning::Bad => "✖",
        Meaning::Warn => "◐",
        _ => "●",
    };
    let mut spans = vec![
        span(format!("{}  ", when(event.at, now, theme)), theme.muted()),
        span(paint::fit(&format!("{symbol} {}", event.status.0), 24, false), theme.of(meaning)),
        span(format!(" {}", event.logical_id), theme.of(Meaning::Accent)),
    ];
    if kinds {
        spans.push(span(format!("  {}", event.kind), theme.muted()));
    }
    spans.push(Span::raw(event.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default()));
    Line::from(spans)
}
