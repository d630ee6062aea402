//! What is wrong with a server: the fact, its evidence, and the key that acts on it.

use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::action::{Action, Scope};
use crate::console::model::Model;
use crate::console::screens::fleet::meaning;
use crate::core::health::{Cause, Finding, Gravity};

/// Lines of all findings, wrapped to the width: the cause first, with what helps.
pub fn lines(model: &Model, findings: &[Finding], cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let cause = Cause::of(findings).map(|cause| cause.finding);
    let of = |finding: &Finding| one(model, finding, cause.is_some_and(|cause| cause == finding), cells, theme);
    findings.iter().flat_map(of).collect()
}

fn one(model: &Model, finding: &Finding, cause: bool, cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let symbol = match finding.gravity {
        Gravity::Fault if cause => "✖ cause    ",
        Gravity::Warning if cause => "▲ cause    ",
        Gravity::Fault => "✖ fault    ",
        Gravity::Warning => "▲ warning  ",
        Gravity::Note => "· note     ",
    };
    let mut head = vec![span(symbol, theme.of(meaning(finding))), Span::raw(finding.fact.clone())];
    if let Some(action) = finding.remedy.map(Action::from)
        && let Some(keys) = keys(model, action)
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
        let fix = vec![span("  fix:     ", theme.muted()), Span::raw(finding.id.fix())];
        lines.extend(paint::wrap(&Line::from(fix), cells, 11));
    }
    lines
}

/// The key of an action, behind that of its screen where that is another one.
fn keys(model: &Model, action: Action) -> Option<String> {
    let key = model.keymap.keys(action).first()?.clone();
    match action.info().scope {
        Scope::Screen(screen) if screen != model.screen => {
            let there = model.keymap.keys(Action::Show(screen)).first()?.clone();
            Some(format!("{there} {key}"))
        }
        _ => Some(key),
    }
}
