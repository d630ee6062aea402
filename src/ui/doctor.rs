//! The Doctor screen: the links, and below them which one is broken, what helps, and the selected one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use super::{describe, table};
use crate::console::action::Action;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::screens::doctor::{Way, broken, lead, selected, view};
use crate::core::doctor::Hop;
use crate::core::meaning::Meaning;
use crate::core::text::age;

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    let cells = usize::from(area.width);
    let state = &model.screens.doctor;
    let mut lines = verdict(model, theme, cells);
    lines.extend(selected(model).iter().flat_map(|(way, hop)| about(model, way, hop, theme, cells)));
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let rows = table::draw(&view, &state.table, None, theme, paint::band(area, 0, upper), buf);
    if !lines.is_empty() {
        let title = if broken(model).is_empty() { "what was found" } else { "what is broken" };
        let title = Line::from(span(title, theme.title()));
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}

/// How far it is, and the first broken link of each way with what helps.
fn verdict(model: &Model, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let state = &model.screens.doctor;
    let mut lines = Vec::new();
    if let Some(since) = state.going() {
        let to = state.ways.last().map(|way| format!(" to {}", way.name())).unwrap_or_default();
        let stops = hint::then(model, Action::Back, "stops it");
        let text = format!("◐ on the way{to} for {}{stops}", age(model.now, since));
        lines.push(Line::from(span(text, theme.of(Meaning::Warn))));
    } else if state.stopped() {
        let again = hint::then(model, Action::DoctorAgain, "goes again");
        lines.push(Line::from(span(format!("○ stopped before the end{again}"), theme.muted())));
    }
    let found = broken(model);
    for (way, hop) in &found {
        let head = format!("✖ broken   {} of {}: ", hop.link.word(), way.name());
        lines.push(Line::from(vec![span(head, theme.of(Meaning::Bad)), Span::raw(hop.state.said().to_owned())]));
        let fix = hop.state.fix().map(|fix| hint::at_link(fix, model)).unwrap_or_default();
        lines.push(Line::from(vec![span("  fix:     ", theme.muted()), Span::raw(fix)]));
    }
    let whole = state.ways.iter().all(|way| way.ended) && !state.ways.is_empty() && !state.stopped();
    if found.is_empty() && whole {
        lines.push(Line::from(span("● no link is broken", theme.of(Meaning::Good))));
    }
    lines.iter().flat_map(|line| paint::wrap(line, cells, 11)).collect()
}

/// The selected link, unless it was told already.
fn about(model: &Model, way: &Way, hop: &Hop, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let state = &hop.state;
    let told = broken(model).iter().any(|(other, first)| other.server == way.server && *first == hop);
    let mut lines = Vec::new();
    if !told {
        let head = span(format!("{:<11}", format!("{} {}", state.symbol(), state.word())), theme.of(state.meaning()));
        let name = span(format!("{}: ", hop.link.word()), theme.muted());
        lines.push(Line::from(vec![head, name, Span::raw(state.said().to_owned())]));
        let words = |fix| Span::raw(hint::at_link(fix, model));
        let fix = |fix| Line::from(vec![span("  fix:     ", theme.muted()), words(fix)]);
        lines.extend(state.fix().map(fix));
    }
    if let Some(key) = model.keymap.keys(Action::Open).into_iter().next() {
        let words = format!(" {}", lead(model, way, hop).words());
        lines.push(Line::from(vec![span("→ ", theme.muted()), span(key, theme.key()), span(words, theme.muted())]));
    }
    lines.iter().flat_map(|line| paint::wrap(line, cells, 11)).collect()
}
