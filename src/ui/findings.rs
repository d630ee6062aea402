//! What is wrong with a server: the fact, its evidence, and the key that acts on it.

use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::action::Action;
use crate::console::model::Model;
use crate::console::screens::fleet::meaning;
use crate::core::health::{Finding, Gravity};

/// Lines of all findings, wrapped to the width.
pub fn lines(model: &Model, findings: &[Finding], cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    findings.iter().flat_map(|finding| one(model, finding, cells, theme)).collect()
}

fn one(model: &Model, finding: &Finding, cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let symbol = match finding.gravity {
        Gravity::Fault => "✖ fault    ",
        Gravity::Warning => "▲ warning  ",
        Gravity::Note => "· note     ",
    };
    let mut head = vec![span(symbol, theme.of(meaning(finding))), Span::raw(finding.fact.clone())];
    if let Some(action) = finding.remedy.map(Action::from)
        && let Some(key) = model.keymap.keys(action).first()
    {
        head.push(span("  → ", theme.muted()));
        head.push(span(key.clone(), theme.key()));
        head.push(span(format!(" {}", action.info().name), theme.muted()));
    }
    let mut lines = paint::wrap(&Line::from(head), cells, 11);
    if !finding.evidence.is_empty() {
        let evidence = Line::from(span(format!("           {}", finding.evidence), theme.muted()));
        lines.extend(paint::wrap(&evidence, cells, 11));
    }
    lines
}
