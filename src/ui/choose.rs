//! Lists to choose from by typing: profiles, regions, clusters, environments, themes.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::popup::{WIDE, entry, frame};
use super::theme::Theme;
use crate::console::dialogs::choose::{Choice, Row, Rows, matches, rows};
use crate::console::input::Input;
use crate::console::model::Model;
use crate::console::screens::Fetch;
use crate::core::meaning::Meaning;
use crate::core::shift::USUAL;
use crate::core::text::{short_duration, width};

/// Draws the list in a box; where the cursor is.
pub fn draw(
    model: &Model,
    theme: &Theme,
    (choice, input, selected): (Choice, &Input, usize),
    area: Rect,
    buf: &mut Buffer,
) -> Position {
    let inside = frame(&title(model, choice), (WIDE, 18), theme, area, buf);
    let cursor = entry(": ", input, 0, theme, inside, buf);
    let list = paint::band(inside, 1, inside.height);
    let found = matches(model, choice, input.text());
    let none = match rows(model, choice) {
        Rows::Missing(why) if model.place.clusters.error().is_some() && choice.read() == Some(Fetch::Clusters) => {
            Some(format!("{why}; a name that you know can be typed"))
        }
        Rows::Missing(why) => Some(why),
        Rows::Known(all) if all.is_empty() => Some(format!("there is no {} here", choice.word())),
        Rows::Known(_) if found.is_empty() => Some(format!("no {} is called that", choice.word())),
        Rows::Known(_) => None,
    };
    if let Some(why) = none {
        let line = Line::from(span(format!("  {why}"), theme.muted()));
        for (row, line) in (0..list.height).zip(&paint::wrap(&line, usize::from(list.width), 2)) {
            paint::row(buf, list, row, line);
        }
    }
    let names = found.iter().map(|row| width(&row.name)).max().unwrap_or(0).min(48);
    let selected = selected.min(found.len().saturating_sub(1));
    let from = paint::scroll_to(selected, found.len(), usize::from(list.height));
    for (y, (index, row)) in (0..list.height).zip(found.iter().enumerate().skip(from)) {
        paint::row(buf, list, y, &line(row, index == selected, names, theme));
        if index == selected {
            buf.set_style(paint::band(list, y, 1), theme.selected());
        }
    }
    cursor
}

fn line(row: &Row, selected: bool, names: usize, theme: &Theme) -> Line<'static> {
    Line::from(vec![
        Span::raw(if selected { "▸ " } else { "  " }),
        span(paint::fit(&row.name, names, false), theme.of(Meaning::Accent)),
        span(if row.here { "  here  " } else { "        " }, theme.of(Meaning::Good)),
        span(row.note.clone(), theme.muted()),
    ])
}

/// What is chosen, and where.
fn title(model: &Model, choice: Choice) -> String {
    let here = &model.context;
    match choice {
        Choice::Cluster | Choice::Environment => {
            let account = here.identity.as_ref().map(|identity| format!(", account {}", identity.account));
            format!("choose {} {} in {}{}", article(choice), choice.word(), here.region, account.unwrap_or_default())
        }
        Choice::Zone => format!("take a zone out for {}", short_duration(USUAL)),
        Choice::Profile | Choice::Region | Choice::Theme => format!("choose {} {}", article(choice), choice.word()),
    }
}

fn article(choice: Choice) -> &'static str {
    if choice == Choice::Environment { "an" } else { "a" }
}
