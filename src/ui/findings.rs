//! What is wrong with a server: the fact, its evidence, and the key that acts on it.

use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::action::Action;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::screens::fleet::meaning;
use crate::core::health::{Cause, Finding, Gravity};

/// Lines of all findings, wrapped to the width: the cause first, with what helps, then what follows from it, then
/// what it does not explain.
pub fn lines(model: &Model, findings: &[Finding], cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let of = |place: Place| move |finding: &Finding| one(model, finding, place, cells, theme);
    let Some(cause) = Cause::of(findings) else { return findings.iter().flat_map(of(Place::Besides)).collect() };
    let mut lines = one(model, cause.finding, Place::Cause, cells, theme);
    lines.extend(cause.explained().flat_map(of(Place::So)));
    lines.extend(cause.besides().flat_map(of(Place::Besides)));
    lines
}

/// Where a finding stands to the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Cause,
    /// It follows from the cause.
    So,
    /// The cause does not explain it.
    Besides,
}

fn one(model: &Model, finding: &Finding, place: Place, cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let cause = place == Place::Cause;
    let symbol = match (finding.gravity, place) {
        (Gravity::Fault, Place::Cause) => "✖ cause    ",
        (_, Place::Cause) => "▲ cause    ",
        (_, Place::So) => "└ so       ",
        (Gravity::Fault, _) => "✖ fault    ",
        (Gravity::Warning, _) => "▲ warning  ",
        (Gravity::Note, _) => "· note     ",
    };
    let mut head = vec![span(symbol, theme.of(meaning(finding))), Span::raw(finding.fact.clone())];
    if let Some(action) = finding.remedy.map(Action::from)
        && let Some(keys) = hint::keys(model, action)
    {
        head.push(span("  → ", theme.muted()));
        head.push(span(keys, theme.key()));
        head.push(span(format!(" {}", action.info().name), theme.muted()));
    }
    let mut lines = paint::wrap(&Line::from(head), cells, 11);
    if !finding.evidence.is_empty() {
        let evidence = Line::from(span(format!("           {}", finding.evidence), theme.muted()));
        lines.extend(paint::wrap(&evidence, cells, 11));
    }
    if cause {
        let fix = vec![span("  fix:     ", theme.muted()), Span::raw(hint::fix(finding.id, model))];
        lines.extend(paint::wrap(&Line::from(fix), cells, 11));
    }
    lines
}
