//! The operation dialog: first the plan to confirm, then the same sheet as it runs and ends.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::sheet::{phase, sheet};
use super::steps;
use super::theme::{Theme, risk_meaning};
use crate::console::hint;
use crate::console::input::Input;
use crate::console::model::{Model, Viewport};
use crate::core::meaning::Meaning;
use crate::core::operation::record::Outcome;
use crate::core::operation::{Offer, Operation, Phase, Standing, Way};
use crate::core::plan::{Change, Confirm, Plan, Risk};
use crate::core::text::{age, count, width};
use crate::core::trial::ServerTrial;

/// The state of the dialog.
pub struct SheetState<'a> {
    /// First line shown.
    pub scroll: usize,
    /// The typed answer.
    pub input: &'a Input,
    /// Why the answer was not taken.
    pub error: Option<&'a str>,
}

/// Draws it; where its cursor is, and what there was room for.
pub fn draw(
    model: &Model,
    theme: &Theme,
    id: &str,
    shown: &SheetState<'_>,
    area: Rect,
    buf: &mut Buffer,
) -> (Option<Position>, Viewport) {
    let Some(operation) = model.operation(id) else {
        let gone = [Line::from(span("this operation is no longer known", theme.muted()))];
        return (None, sheet("operation", Line::default(), &gone, 0, theme, area, buf));
    };
    let cells = usize::from(area.width);
    let mut said = said(model, operation, shown, theme, cells);
    let question = question(operation, shown, theme);
    // What has no room there stands first in what scrolls: the question is always seen.
    let fits = 1 + said.len() + usize::from(question.is_some()) <= usize::from(area.height / 2);
    let first = if fits { Vec::new() } else { std::mem::take(&mut said) };
    let foot: Vec<Line<'static>> = match said.into_iter().chain(question).collect::<Vec<_>>() {
        foot if foot.is_empty() => foot,
        foot => std::iter::once(Line::from(span("─".repeat(cells), theme.muted()))).chain(foot).collect(),
    };
    let rows = u16::try_from(foot.len()).unwrap_or(u16::MAX);
    let upper = paint::band(area, 0, area.height - rows);
    let (symbol, word, meaning) = phase(&operation.phase);
    let mut note = vec![span(format!("{symbol} {word}"), theme.of(meaning))];
    if let Some(started) = operation.started {
        let until = operation.finished.unwrap_or(model.now);
        note.push(span(format!(" {} ", age(until, started)), theme.muted()));
    }
    let body = [first, body(model, operation, (cells, usize::from(upper.height)), theme)].concat();
    let viewport = sheet(&operation.plan.title, Line::from(note), &body, shown.scroll, theme, upper, buf);
    let lower = paint::band(area, area.height - rows, rows);
    paint::clear(buf, lower);
    for (index, line) in (0..rows).zip(&foot) {
        paint::row(buf, lower, index, line);
    }
    (cursor(operation, shown, lower, &foot), viewport)
}

/// The state, and what is to be known before the question is answered.
fn said(
    model: &Model,
    operation: &Operation,
    shown: &SheetState<'_>,
    theme: &Theme,
    cells: usize,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut say = |text: String, meaning: Meaning| {
        lines.extend(paint::wrap(&Line::from(span(text, theme.of(meaning))), cells, 2));
    };
    match &operation.phase {
        Phase::Proposed if operation.read_only => {
            say("read-only: this plan can be looked at, not carried out".into(), Meaning::Warn);
        }
        Phase::Consent(question) => say(format!("▲ {question}"), Meaning::Warn),
        Phase::Offered { offer, .. } => offered(operation, offer, &mut say),
        Phase::Paused { why, .. } => say(format!("‖ paused: {why}"), Meaning::Warn),
        Phase::Ended(Outcome::Failed { title, reason, .. }) => say(format!("✖ {title}: {reason}"), Meaning::Bad),
        Phase::Ended(Outcome::Done) => say(format!("✔ {}", operation.proof()), Meaning::Good),
        Phase::Ended(Outcome::Cancelled { by, what, .. }) => say(format!("↶ {by} cancelled it: {what}"), Meaning::Warn),
        Phase::Ended(Outcome::Undone { by }) => say(format!("↶ taken back by operation {by}"), Meaning::Plain),
        Phase::Ended(Outcome::Closed { reason }) => say(format!("× closed: {reason}"), Meaning::Plain),
        Phase::Refused(why) => say(format!("✖ {why}"), Meaning::Bad),
        Phase::Recording => say("◐ writing the audit; nothing is sent before it is on disk".into(), Meaning::Warn),
        Phase::Running => hint::hangs(operation, model).into_iter().for_each(|hint| say(hint, Meaning::Muted)),
        Phase::Proposed => {}
    }
    // Once somebody else has acted, nothing is known of the old credentials.
    let over = match &operation.phase {
        Phase::Ended(_) => true,
        Phase::Offered { offer, .. } => !offer.standing.resumable(),
        _ => false,
    };
    if let Some(left) = steps::grace_left(model, operation).filter(|_| !over) {
        say(format!("grace period: {left}; the old and the new credentials both work"), Meaning::Plain);
    }
    if let Some(error) = shown.error {
        say(format!("✖ {error}"), Meaning::Bad);
    }
    lines
}

/// What an unfinished operation is worth now, and what is asked about it.
fn offered(operation: &Operation, offer: &Offer, say: &mut impl FnMut(String, Meaning)) {
    let left = operation.steps().len() - operation.done.len().min(operation.steps().len());
    let left = count(left, "step");
    match (&offer.standing, offer.way) {
        (Standing::Resumable, Way::Finish) => {
            say(
                format!(
                    "▲ it can go on: {left} left; the rest of the grace period is waived, and the old credentials are deleted"
                ),
                Meaning::Warn,
            );
        }
        (Standing::Resumable, Way::Close) => {
            say(format!("▲ it can go on: {left} left. Give it up, and leave everything as it is?"), Meaning::Warn);
        }
        (Standing::Resumable, _) => {
            say(format!("▲ it can go on: {left} left, the first of them: {}", next(operation)), Meaning::Warn)
        }
        (standing, _) => say(format!("▲ {standing}; it cannot go on. Close it as it is?"), Meaning::Warn),
    }
}

/// The first step that is not done.
fn next(operation: &Operation) -> &str {
    let left = operation.steps().iter().enumerate().find(|(index, _)| !operation.done.contains_key(index));
    left.map_or("none", |(_, step)| &step.title)
}

fn asks(operation: &Operation) -> bool {
    operation.asks() && !operation.read_only
}

fn question(operation: &Operation, shown: &SheetState<'_>, theme: &Theme) -> Option<Line<'static>> {
    if !asks(operation) {
        return None;
    }
    Some(match operation.confirm() {
        Confirm::Yes => Line::from(vec![
            span("do it? ", theme.title()),
            span("y", theme.key()),
            span(" yes   ", theme.muted()),
            span("n", theme.key()),
            span(" no, leave everything as it is", theme.muted()),
        ]),
        Confirm::Typed(name) => Line::from(vec![
            span("type ", theme.title()),
            span(name.clone(), theme.of(Meaning::Bad)),
            span(" to do it: ", theme.title()),
            Span::raw(shown.input.text().to_owned()),
        ]),
    })
}

fn cursor(operation: &Operation, shown: &SheetState<'_>, area: Rect, foot: &[Line<'static>]) -> Option<Position> {
    let Confirm::Typed(name) = operation.confirm() else { return None };
    if !asks(operation) || area.height == 0 {
        return None;
    }
    let column = width("type ") + width(name) + width(" to do it: ") + shown.input.cursor();
    let row = u16::try_from(foot.len().saturating_sub(1)).unwrap_or(0).min(area.height - 1);
    let x = area.x.saturating_add(u16::try_from(column).unwrap_or(u16::MAX));
    Some(Position { x: x.min(area.right().saturating_sub(1)), y: area.y + row })
}

/// A plan shows what would change first; an operation on its way shows its steps first.
fn body(model: &Model, operation: &Operation, (cells, rows): (usize, usize), theme: &Theme) -> Vec<Line<'static>> {
    let plan = &operation.plan;
    let heading = |text: &str| Line::from(span(text.to_owned(), theme.heading()));
    let steps = |rows| {
        let mut lines = vec![heading("steps")];
        lines.extend(steps::lines(model, operation, (cells, rows), theme));
        lines
    };
    let mut what = vec![heading(&format!("changes  {}", summary(plan)))];
    what.extend(changes(plan, cells, theme));
    if !plan.trials.is_empty() {
        what.push(heading("images, started once on this machine, without network"));
    }
    for (meaning, line) in plan.trials.iter().flat_map(ServerTrial::lines) {
        what.extend(paint::wrap(&Line::from(span(line, theme.of(meaning))), cells, 10));
    }
    for warning in &plan.warnings {
        let line = Line::from(span(format!("▲ {warning}"), theme.of(Meaning::Warn)));
        what.extend(paint::wrap(&line, cells, 2));
    }
    let mut how = Vec::new();
    if let Some(cost) = &plan.cost {
        let line = Line::from(vec![span("cost ", theme.muted()), span(cost.summary(), theme.title())]);
        what.extend(paint::wrap(&line, cells, 5));
        let details = cost.details();
        if !details.is_empty() {
            how.push(heading("cost of a month, estimated"));
        }
        how.extend(details.into_iter().flat_map(|line| paint::wrap(&Line::from(line), cells, 2)));
    }
    if !plan.commands.is_empty() {
        how.push(heading("the same with the AWS CLI"));
        let line = |command: &String| Line::from(vec![span("$ ", theme.muted()), Span::raw(command.clone())]);
        how.extend(plan.commands.iter().flat_map(|command| paint::wrap(&line(command), cells, 4)));
    }
    let target = target(plan, cells, theme);
    if operation.phase == Phase::Proposed {
        return [target, what, steps(usize::MAX), how].concat();
    }
    [steps(rows.saturating_sub(3)), target, what, how].concat()
}

fn target(plan: &Plan, cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let target = &plan.target;
    let pair = |name: &str, value: &str| [span(format!("{name} "), theme.muted()), Span::raw(format!("{value}  "))];
    let mut where_ = Vec::new();
    where_.extend(pair("environment", &target.environment));
    where_.extend(pair("account", &target.account));
    where_.extend(pair("region", &target.region));
    if let Some(endpoint) = &target.endpoint {
        where_.extend(pair("endpoint", endpoint));
    }
    let lines = [
        Line::from(where_),
        Line::from(pair("acts on", &target.resource).to_vec()),
        Line::from(pair("acts as", &target.caller).to_vec()),
    ];
    lines.iter().flat_map(|line| paint::wrap(line, cells, 8)).collect()
}

fn summary(plan: &Plan) -> String {
    plan.summary().into_iter().map(|(word, n)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
}

/// The changes in aligned columns: risk, subject, field, before and after.
fn changes(plan: &Plan, cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let widest = |text: fn(&Change) -> &str| plan.changes.iter().map(|change| width(text(change))).max().unwrap_or(0);
    let subject = widest(|change| &change.subject).min(cells * 2 / 5);
    let field = widest(|change| &change.field).min(cells / 4);
    let line = |change: &Change| {
        let style = theme.of(risk_meaning(change.risk));
        let mut spans = vec![
            span(risk(change.risk), style),
            span(paint::fit(&change.subject, subject, false), theme.of(Meaning::Accent)),
            Span::raw(format!("  {}  ", paint::fit(&change.field, field, false))),
        ];
        spans.extend(values(change, theme));
        paint::wrap(&Line::from(spans), cells, 15)
    };
    // Highest risk first, so that only the least harmful changes need scrolling.
    let mut sorted: Vec<&Change> = plan.changes.iter().collect();
    sorted.sort_by_key(|change| std::cmp::Reverse(change.risk));
    sorted.into_iter().flat_map(line).collect()
}

/// The risk as a symbol and a word.
fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "· safe         ",
        Risk::Disruptive => "▲ disruptive   ",
        Risk::Destructive => "✖ destructive  ",
    }
}

fn values(change: &Change, theme: &Theme) -> Vec<Span<'static>> {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            vec![span(before.clone(), theme.muted()), span(" → ", theme.muted()), span(after.clone(), theme.title())]
        }
        (None, Some(after)) => vec![span("+ ", theme.of(Meaning::Good)), span(after.clone(), theme.title())],
        (Some(before), None) => vec![span("- ", theme.of(Meaning::Bad)), Span::raw(before.clone())],
        (None, None) => Vec::new(),
    }
}
