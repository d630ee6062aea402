//! The pane under a table: a title and lines about the selection.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::table::{HEAD, Missing};
use super::theme::Theme;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::core::fleet::{Ages, Task};
use crate::core::meaning::Meaning;
use crate::core::quarantine::Quarantine;
use crate::core::text::{self, age};
use crate::core::unread::Unread;

/// Rows that a table of `rows` takes of `height`, when the pane below wants `lines`.
pub fn upper(height: u16, rows: usize, lines: usize) -> u16 {
    // A table without rows says why, in as many lines as that takes.
    let whole = if rows == 0 { height } else { u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(HEAD + 1) };
    let pane = if lines == 0 { 0 } else { u16::try_from(lines + 1).unwrap_or(u16::MAX) };
    let share = height - height * 2 / 5;
    // The table has at least its share, and whatever the pane leaves over.
    whole.min(share.max(height.saturating_sub(pane)))
}

/// Draws the pane: a rule with the title, then the lines that fit; the rest is counted.
pub fn pane(title: Line<'static>, lines: &[Line<'static>], theme: &Theme, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    paint::rule(buf, area, 0, title, theme);
    let room = area.height - 1;
    let body = paint::band(area, 1, room);
    for (index, line) in (0..room).zip(lines) {
        paint::row(buf, body, index, line);
    }
    let hidden = lines.len().saturating_sub(usize::from(room));
    if hidden > 0 {
        paint::right(buf, area, 0, &Line::from(more(hidden, theme)));
    }
}

/// Why nothing was ever read, with what helps, for the table that has no rows because of it.
pub fn missing<T>(model: &Model, remote: &Remote<T>) -> Option<Missing> {
    let error = remote.error().filter(|_| remote.get().is_none())?;
    Some(Missing { call: error.call.clone(), hint: hint::of(error, model) })
}

/// Why the data is old, and which parts could not be read.
pub fn trouble<T>(
    model: &Model,
    remote: &Remote<T>,
    unread: &[Unread],
    theme: &Theme,
    cells: usize,
) -> Vec<Line<'static>> {
    let warn = theme.of(Meaning::Warn);
    let mut lines = Vec::new();
    if let (Some(error), Some(_)) = (remote.error(), remote.get()) {
        lines.push(Line::from(span(format!("▲ not read again: {error}"), warn)));
        lines.extend(hint::of(error, model).map(|hint| Line::from(format!("  → {hint}"))));
    }
    lines.extend(unread.iter().map(|part| Line::from(span(format!("? not read: {part}"), warn))));
    lines.iter().flat_map(|line| paint::wrap(line, cells, 4)).collect()
}

/// That it is not known who is kept out. Nothing where the screen's own list could not be read: it says so itself.
pub fn unread_quarantine<T>(
    own: &Remote<T>,
    list: &Remote<Quarantine>,
    theme: &Theme,
    cells: usize,
) -> Vec<Line<'static>> {
    let Some(error) = list.error().filter(|_| own.error().is_none()) else { return Vec::new() };
    let line = Line::from(span(format!("? not read: who is kept out: {error}"), theme.of(Meaning::Warn)));
    paint::wrap(&line, cells, 4)
}

/// How old each part is, and why one is not read again. They are read on their own.
pub fn ages(ages: &Ages, now: Timestamp, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let warn = theme.of(Meaning::Warn);
    // Parts that are not read again for one reason stand together before it.
    let mut told: Vec<(String, Option<&str>, Style)> = Vec::new();
    for (name, age) in ages.parts() {
        let why = age.error.as_ref().filter(|_| age.at.is_some()).map(|error| error.message.as_str());
        let (text, style) = match (age.at.map(|at| text::age(now.max(at), at)), &age.error) {
            (Some(old), Some(_)) => (format!("{name} {old}"), warn),
            (Some(old), None) => (format!("{name} {old}"), theme.muted()),
            (None, Some(_)) => (format!("{name} not read"), warn),
            (None, None) => (format!("{name} not yet"), theme.muted()),
        };
        match told.last_mut().filter(|(_, last, _)| why.is_some() && *last == why) {
            Some((before, ..)) => *before += &format!(", {text}"),
            None => told.push((text, why, style)),
        }
    }
    let part = |(text, why, style): (String, Option<&str>, Style)| {
        let why = why.map(|why| format!(", not again: {why}")).unwrap_or_default();
        vec![span(text + &why, style)]
    };
    let parts: Vec<Vec<Span<'static>>> = told.into_iter().map(part).collect();
    let mut spans = vec![span("age  ", theme.muted())];
    spans.extend(parts.join(&span("  ", theme.muted())));
    paint::wrap(&Line::from(spans), cells, 5)
}

/// The number of lines that are not visible.
pub fn more(hidden: usize, theme: &Theme) -> Span<'static> {
    let noun = if hidden == 1 { "line" } else { "lines" };
    span(format!(" {hidden} more {noun} ↓ "), theme.muted())
}

/// A name and its value.
pub fn field(name: &str, value: impl Into<String>, theme: &Theme) -> Line<'static> {
    Line::from(vec![span(format!("{name:<11}"), theme.muted()), Span::raw(value.into())])
}

/// A task in a few lines; why it stopped in full.
pub fn task(model: &Model, task: &Task, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if task.stopped() {
        let when = task.stopped_at.map(|at| format!("{} ago: ", age(model.now, at))).unwrap_or_default();
        let mut reason = vec![span("stopped    ", theme.of(Meaning::Warn))];
        reason.push(Span::raw(format!("{when}{}", task.stop_reason())));
        lines.extend(paint::wrap(&Line::from(reason), cells, 11));
    }
    lines.extend(paint::wrap(&field("arn", task.arn.clone(), theme), cells, 11));
    for container in &task.containers {
        let exit = container.exit_code.map(|code| format!(", exit {code}")).unwrap_or_default();
        let text = format!("{}{exit}  {}", container.last_status.word().to_lowercase(), container.image);
        lines.extend(paint::wrap(&field(&container.name, text, theme), cells, 11));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_rows_has_room_to_say_why() {
        assert_eq!(upper(20, 0, 0), 20, "there is no pane");
        assert_eq!(upper(20, 0, 5), 14, "all that the pane leaves over");
        assert_eq!(upper(20, 3, 5), 3 + HEAD + 1, "else no more than its rows");
    }
}
