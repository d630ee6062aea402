//! The Fleet screen: the table, and below it what is wrong with the selection.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, span};
use super::theme::Theme;
use super::{describe, findings, others, table};
use crate::console::model::Model;
use crate::console::screens::View;
use crate::console::screens::fleet::{Level, others_unread, server_in, task_in, view};
use crate::core::fleet::Fleet;
use crate::core::health::{self, verdict};

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    // Above the table, because it concerns whoever is about to change something.
    let others = others::line(model, theme, usize::from(area.width));
    let top = u16::from(others.is_some());
    if let Some(line) = others {
        paint::row(buf, area, 0, &line);
    }
    let area = paint::band(area, top, area.height - top);
    let (title, lines) = below(model, &view, theme, usize::from(area.width));
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let error = model.screens.fleet.remote.error().filter(|_| model.screens.fleet.remote.get().is_none());
    let rows = table::draw(&view, model.screens.fleet.table(), error, theme, paint::band(area, 0, upper), buf);
    if !view.rows.is_empty() || !lines.is_empty() {
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}

/// What is said of the selection: its title and its lines.
fn below(model: &Model, view: &View, theme: &Theme, cells: usize) -> (Line<'static>, Vec<Line<'static>>) {
    let remote = &model.screens.fleet.remote;
    // What could not be read of other servers is told with them.
    let of = |fleet: &Fleet| match server_in(model, view).map(|server| server.name.as_str()).or(view.selected_key()) {
        Some(name) => [fleet.unread_of(name), fleet.unread_of_all()].concat(),
        None => fleet.unread(),
    };
    let unread = remote.get().map(of).unwrap_or_default();
    let told: Vec<_> = unread.iter().cloned().chain(others_unread(model)).collect();
    let mut lines = describe::trouble(remote, &told, theme, cells);
    let title = match (&model.screens.fleet.level, server_in(model, view), task_in(model, view)) {
        (Level::Servers, Some(server), _) => {
            let found = health::findings(server, model.now);
            if found.is_empty() {
                let word = verdict(server, model.now);
                let of = if unread.is_empty() { "" } else { " in what was read" };
                let text = format!("{} {}: nothing wrong found{of}", word.symbol(), word.word());
                lines.push(Line::from(span(text, theme.of(word.meaning()))));
            }
            lines.extend(findings::lines(model, &found, cells, theme));
            format!("findings of {}", server.name)
        }
        (Level::Servers, None, _) if let Some(name) = view.selected_key() => format!("findings of {name}"),
        (_, _, Some(task)) => {
            lines.extend(describe::task(model, task, theme, cells));
            format!("task {}", task.short_id())
        }
        _ => "findings".to_owned(),
    };
    let of = server_in(model, view).and_then(|server| remote.get()?.ages.get(&server.name));
    lines.extend(of.into_iter().flat_map(|ages| describe::ages(ages, model.now, theme, cells)));
    (Line::from(span(title, theme.title())), lines)
}
