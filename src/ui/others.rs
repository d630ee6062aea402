//! Operations of other operators: a line on the Fleet screen, and a part of the list of operations.

use ratatui::text::Line;

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::action::Action;
use crate::console::model::Model;
use crate::console::screens::fleet::{others, others_unread};
use crate::core::meaning::Meaning;
use crate::core::text::{cut, width};

/// Between two operations on one line.
const BETWEEN: &str = " · ";

/// Who does what, in one line; those that have no room are counted. `None` where there is none.
pub fn line(model: &Model, theme: &Theme, cells: usize) -> Option<Line<'static>> {
    let told: Vec<String> =
        others(model).iter().map(|other| other.told(&model.context.environment, model.now)).collect();
    let mut text = format!("◐ {}", told.first()?);
    let key = model.keymap.keys(Action::Operations).into_iter().next().unwrap_or_default();
    let more = |left: usize| if left == 0 { String::new() } else { format!("{BETWEEN}{left} more: {key}") };
    for (index, next) in told.iter().enumerate().skip(1) {
        let longer = format!("{text}{BETWEEN}{next}");
        if width(&longer) + width(&more(told.len() - index - 1)) > cells {
            let more = more(told.len() - index);
            text = cut(&text, cells.saturating_sub(width(&more))) + &more;
            break;
        }
        text = longer;
    }
    Some(Line::from(span(cut(&text, cells), theme.of(Meaning::Warn))))
}

/// All of them, each with its id; or that they could not be read. Nothing where there is none.
pub fn lines(model: &Model, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let warn = theme.of(Meaning::Warn);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for other in others(model) {
        let told = other.told(&model.context.environment, model.now);
        lines.push(Line::from(vec![
            span(format!("  ◐ {told}"), warn),
            span(format!("  {}", other.operation()), theme.muted()),
        ]));
    }
    if let Some(unread) = others_unread(model) {
        lines.push(Line::from(span(format!("  ? not read: {unread}"), warn)));
    }
    if lines.is_empty() {
        return lines;
    }
    let heading = [Line::default(), Line::from(span("of others", theme.heading()))];
    heading.into_iter().chain(lines.iter().flat_map(|line| paint::wrap(line, cells, 4))).collect()
}
