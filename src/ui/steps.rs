//! The steps of an operation: what is done, what is under way and for how long, what is to come.

use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::model::Model;
use crate::core::meaning::Meaning;
use crate::core::operation::record::Note;
use crate::core::operation::{Check, Intent, Operation, Step, Work};
use crate::core::text::{age, count, short_duration, width};

/// All steps, in at most `rows` lines if folding the finished ones is enough.
pub fn lines(model: &Model, operation: &Operation, (cells, rows): (usize, usize), theme: &Theme) -> Vec<Line<'static>> {
    let steps = operation.steps();
    let column = steps.iter().map(|step| width(&step.title)).max().unwrap_or(0).min(cells * 7 / 10);
    let line = |index: usize, step: &Step| one(model, operation, (index, step), (cells, column), theme);
    let all: Vec<Vec<Line<'static>>> = steps.iter().enumerate().map(|(index, step)| line(index, step)).collect();
    let leading = (0..steps.len()).take_while(|index| operation.done.contains_key(index)).count();
    if all.iter().map(Vec::len).sum::<usize>() <= rows || leading < 2 || !operation.active() {
        return all.into_iter().flatten().collect();
    }
    let folded = Line::from(vec![
        span("✔ ", theme.of(Meaning::Good)),
        span(format!("{} done", count(leading, "step")), theme.muted()),
    ]);
    std::iter::once(folded).chain(all.into_iter().skip(leading).flatten()).collect()
}

fn one(
    model: &Model,
    operation: &Operation,
    (index, step): (usize, &Step),
    (cells, column): (usize, usize),
    theme: &Theme,
) -> Vec<Line<'static>> {
    let (symbol, meaning) = mark(operation, (index, step));
    // A title is never cut: it says what is done.
    let title = if width(&step.title) > column { step.title.clone() } else { paint::fit(&step.title, column, false) };
    let indent = if width(&step.title) > column { 4 } else { column.min(cells / 3) + 4 };
    let to_come = meaning == Meaning::Muted;
    let style = if to_come { theme.muted() } else { theme.of(Meaning::Plain) };
    let mut spans = vec![span(format!("{symbol} "), theme.of(meaning)), span(title, style)];
    if let Some(progress) = operation.running.get(&index) {
        spans.push(span(format!("  {:>6}", age(model.now, progress.since)), theme.of(Meaning::Warn)));
        spans.push(Span::raw(format!(
            "  {}",
            grace(model, operation, step).unwrap_or_else(|| progress.words().to_owned())
        )));
        return paint::wrap(&Line::from(spans), cells, indent);
    }
    if let Some(reason) = operation.failed.get(&index).filter(|_| operation.active()) {
        spans.push(span(format!("  {reason}"), theme.of(Meaning::Bad)));
        return paint::wrap(&Line::from(spans), cells, indent);
    }
    // The symbol already says that it is done, so only a further note is shown.
    if let Some(note) = operation.done.get(&index).and_then(Note::told) {
        spans.push(span(format!("  {note}"), theme.muted()));
    }
    paint::wrap(&Line::from(spans), cells, indent)
}

fn mark(operation: &Operation, (index, step): (usize, &Step)) -> (&'static str, Meaning) {
    match (operation.done.contains_key(&index), operation.running.contains_key(&index)) {
        (true, _) if step.skipped() => ("○", Meaning::Muted),
        (true, _) => ("✔", Meaning::Good),
        (_, true) => ("◐", Meaning::Warn),
        _ if operation.stopped_at(index) => ("✖", Meaning::Bad),
        _ => ("·", Meaning::Muted),
    }
}

/// How long the grace period still lasts, if this step is the grace period.
fn grace(model: &Model, operation: &Operation, step: &Step) -> Option<String> {
    if !matches!(step.work, Work::Await(Check::GraceOver { .. })) {
        return None;
    }
    grace_left(model, operation)
}

/// How long the old credentials still work, once the rotation has come that far.
pub fn grace_left(model: &Model, operation: &Operation) -> Option<String> {
    let Intent::Rotate(rotation) = &operation.plan.intent else { return None };
    let until = rotation.grace_until(operation.facts())?;
    let left = until.duration_since(model.now);
    if left.is_negative() {
        return Some("it is over".to_owned());
    }
    let whole = jiff::SignedDuration::from_secs(rotation.grace_seconds);
    Some(format!("{} of {} left", short_duration(left), short_duration(whole)))
}
