//! The Fleet screen: the table, and below it what is wrong with the selection.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use super::{charts, describe, findings, others, table};
use crate::console::action::Action;
use crate::console::beside::{self, Neighbour};
use crate::console::hint;
use crate::console::model::Model;
use crate::console::screens::View;
use crate::console::screens::fleet::{
    self, Level, issues_unread, nothing_there, others_unread, server_in, shifts_unread, task_in, view,
};
use crate::core::finding::{Common, Subject, common, running_by_zone};
use crate::core::fleet::{Fleet, Server};
use crate::core::health::{self, Cause, Gravity, Verdict, verdict_by};
use crate::core::meaning::Meaning;
use crate::core::text::{age, count};

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    // Above the table, because it concerns whoever is about to change something.
    let others = others::line(model, theme, usize::from(area.width));
    let top = u16::from(others.is_some());
    if let Some(line) = others {
        paint::row(buf, area, 0, &line);
    }
    let unwell = fleet::unwell(model);
    let why = why(model, &view, &unwell, theme);
    if let Some(line) = &why {
        paint::row(buf, area, top, line);
    }
    let top = top + u16::from(why.is_some());
    let out = out(model, theme);
    if let Some(line) = &out {
        paint::row(buf, area, top, line);
    }
    let top = top + u16::from(out.is_some());
    let area = paint::band(area, top, area.height - top);
    let (title, mut lines) = below(model, &view, &unwell, theme, usize::from(area.width));
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let missing = describe::missing(model, &model.screens.fleet.remote);
    let rows =
        table::draw(&view, model.screens.fleet.table(), missing.as_ref(), theme, paint::band(area, 0, upper), buf);
    lines.extend(more(model, &view, theme, area.width, (area.height - upper).saturating_sub(1), lines.len()));
    if !view.rows.is_empty() || !lines.is_empty() {
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}

/// What is said of the selection: its title and its lines.
fn below(
    model: &Model,
    view: &View,
    unwell: &[Subject<'_>],
    theme: &Theme,
    cells: usize,
) -> (Line<'static>, Vec<Line<'static>>) {
    let remote = &model.screens.fleet.remote;
    // What could not be read of other servers is told with them.
    let of = |fleet: &Fleet| match server_in(model, view).map(|server| server.name.as_str()).or(view.selected_key()) {
        Some(name) => [fleet.unread_of(name), fleet.unread_of_all()].concat(),
        None => fleet.unread(),
    };
    let unread = remote.get().map(of).unwrap_or_default();
    let told: Vec<_> = unread
        .iter()
        .cloned()
        .chain(others_unread(model))
        .chain(issues_unread(model))
        .chain(shifts_unread(model))
        .collect();
    let mut lines = describe::trouble(model, remote, &told, theme, cells);
    if let Some((neighbour, server)) = beside::selected(model, view) {
        let (title, of_it) = of_neighbour(model, neighbour, server, theme, cells);
        return (Line::from(span(title, theme.title())), [lines, of_it].concat());
    }
    let title = match (&model.screens.fleet.level, server_in(model, view), task_in(model, view)) {
        (Level::Servers, Some(server), _) => {
            let found = fleet::told(model, server);
            if found.is_empty() {
                let word = verdict_by(server, &found, model.now);
                let of = match word {
                    _ if !unread.is_empty() => " in what was read",
                    Verdict::Unknown => " so far",
                    _ => "",
                };
                let text = format!("{} {}: nothing wrong found{of}", word.symbol(), word.word());
                lines.push(Line::from(span(text, theme.of(word.meaning()))));
            }
            lines.extend(findings::lines(model, &found, cells, theme));
            lines.extend(of_all(model, unwell, theme, cells));
            format!("findings of {}", server.name)
        }
        // The row that stands for a place itself.
        (Level::Servers, None, _) if view.selected_key() == Some("") => {
            lines.extend(remote.get().and_then(nothing_there).map(|(_, why)| Line::from(why)));
            format!("servers of {}", beside::names(model).0)
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

/// What is wrong with what all servers share: the line above the table names the cause of it alone.
fn of_all(model: &Model, unwell: &[Subject<'_>], theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let shared = unwell.iter().filter(|one| one.server.is_none() && Cause::of(&one.findings).is_some());
    let told = shared.flat_map(|one| findings::lines(model, &one.findings, cells, theme)).collect::<Vec<_>>();
    let heading = (!told.is_empty()).then(|| Line::from(span("of the environment", theme.title())));
    heading.into_iter().chain(told).collect()
}

/// What is said of a row of a place beside this one, and that a key that acts on it goes there first.
fn of_neighbour(
    model: &Model,
    neighbour: &Neighbour,
    server: Option<&Server>,
    theme: &Theme,
    cells: usize,
) -> (String, Vec<Line<'static>>) {
    let place = neighbour.destination();
    let mut lines = Vec::new();
    let what = match server {
        Some(server) => {
            let mut found = health::findings(server, model.now);
            // What helps may be a key that shows a screen of the place where the console is.
            found.iter_mut().for_each(|one| one.remedy = None);
            if found.is_empty() {
                let word = verdict_by(server, &found, model.now);
                let text = format!("{} {}: nothing wrong found", word.symbol(), word.word());
                lines.push(Line::from(span(text, theme.of(word.meaning()))));
            }
            lines.extend(findings::lines(model, &found, cells, theme));
            format!("findings of {} in {place}", server.name)
        }
        None => {
            lines.extend(neighbour.fleet.get().and_then(nothing_there).map(|(_, why)| Line::from(why)));
            format!("servers of {place}")
        }
    };
    if let Some(why) = neighbour.why(model) {
        lines.extend(paint::wrap(&Line::from(span(format!("not read: {why}"), theme.of(Meaning::Warn))), cells, 0));
    }
    let enter = model.keymap.keys(Action::Open).into_iter().next().unwrap_or_default();
    lines.push(Line::from(vec![
        span(format!("{enter} "), theme.key()),
        span("goes there, and so does every key that acts on a server", theme.muted()),
    ]));
    (what, lines)
}

/// The cause that explains the other findings, where there is one: of the place that is shown, else of the first one
/// beside it.
fn why(model: &Model, view: &View, unwell: &[Subject<'_>], theme: &Theme) -> Option<Line<'static>> {
    if model.screens.fleet.level != Level::Servers {
        return None;
    }
    if let Some(found) = common(unwell) {
        let selected = server_in(model, view).map(|server| server.name.as_str());
        let keys = fleet::keys_to(model, &found, selected);
        return Some(why_line(&found, keys, None, theme));
    }
    let names = beside::names(model).1;
    let beside = model.place.beside.iter().zip(names).filter(|(one, _)| one.unwell()).find_map(|(one, name)| {
        let servers = one.fleet.get()?.servers.iter();
        let subjects = servers.map(|server| Subject {
            server: Some(server.name.as_str()),
            findings: health::findings(server, model.now),
        });
        let subjects: Vec<Subject<'_>> = subjects.collect();
        // A key acts where the console is.
        Some(why_line(&common(&subjects)?, None, Some(name), theme))
    });
    beside.or_else(|| note(model, theme))
}

/// The zone that is taken out, and how it comes in again.
fn out(model: &Model, theme: &Theme) -> Option<Line<'static>> {
    let shifts = model.screens.fleet.shifts.get()?.as_ref().ok()?;
    let (shift, zone) = shifts.out()?;
    let mut spans = vec![span(format!("◐ {}", shift.told(&zone, model.now)), theme.of(Meaning::Warn))];
    if let Some(key) = hint::keys(model, Action::ShiftZone) {
        spans.extend([span(" → ", theme.muted()), span(key, theme.key())]);
    }
    Some(Line::from(spans))
}

/// What ails below the servers and has reached none of them.
fn note(model: &Model, theme: &Theme) -> Option<Line<'static>> {
    let found = model.screens.fleet.below.shared(std::iter::empty()).into_iter().next()?;
    Some(Line::from(vec![
        span("· note  ", theme.muted()),
        Span::raw(found.fact),
        span(format!(": {}", found.evidence), theme.muted()),
    ]))
}

/// A cause in a line, with the keys that lead to what helps; `elsewhere` is the place beside this one where it is.
fn why_line(found: &Common<'_>, keys: Option<String>, elsewhere: Option<String>, theme: &Theme) -> Line<'static> {
    let finding = found.finding;
    let whose = match (found.server, found.others) {
        (Some(server), 0) => server.to_owned(),
        (Some(server), others) => format!("{server} and {}", count(others, "other server")),
        (None, 0) => "the environment".to_owned(),
        (None, others) => format!("the environment, and so {}", count(others, "server")),
    };
    let mut spans = vec![
        span(if finding.gravity == Gravity::Fault { "✖ why  " } else { "▲ why  " }, theme.of(fleet::meaning(finding))),
        span(elsewhere.as_ref().map(|place| format!("in {place}, ")).unwrap_or_default(), theme.title()),
        span(whose, theme.title()),
    ];
    // Before the fact, whose end is cut off in a narrow terminal.
    if let Some(keys) = keys {
        spans.push(span(" → ", theme.muted()));
        spans.push(span(keys, theme.key()));
    }
    spans.push(span(": ", theme.title()));
    spans.push(Span::raw(finding.fact.clone()));
    if found.explains > 0 {
        spans.push(span(format!("  (explains {} more)", found.explains), theme.muted()));
    }
    Line::from(spans)
}

/// What there is room for besides: where and since when the selected server runs, and its last events.
fn more(model: &Model, view: &View, theme: &Theme, width: u16, room: u16, taken: usize) -> Vec<Line<'static>> {
    let server = server_in(model, view).filter(|_| model.screens.fleet.level == Level::Servers);
    let Some(server) = server else { return Vec::new() };
    let field = |name: &str, value: String| describe::field(name, value, theme);
    let mut lines = vec![Line::default()];
    lines.extend(charts::lines(model, &server.name, usize::from(width), theme));
    let zones = running_by_zone(server);
    let zones: Vec<String> =
        zones.into_iter().map(|(zone, tasks)| format!("{} in {zone}", count(tasks, "task"))).collect();
    lines.extend((!zones.is_empty()).then(|| field("zones", zones.join(", "))));
    lines.extend(charts::tools(model, &server.name, usize::from(width), theme));
    for (index, one) in server.deployments.iter().enumerate() {
        let since = one.created_at.map(|at| format!(", begun {} ago", age(model.now, at))).unwrap_or_default();
        let state = one.rollout.word().to_lowercase().replace('_', " ");
        let tasks = format!("{}/{}", one.running, one.desired);
        let definition = one.task_definition.rsplit('/').next().unwrap_or_default();
        let name = if index == 0 { "deployed" } else { "" };
        lines.push(field(name, format!("{definition}  {tasks} {state}{since}")));
    }
    let mut images = server.live_tasks().flat_map(|task| &task.containers).map(|container| container.image.clone());
    let image = images.find(|image| !image.is_empty());
    lines.extend(image.map(|image| field("image", image)));
    for (index, event) in server.events.iter().take(EVENTS).enumerate() {
        let name = if index == 0 { "events" } else { "" };
        lines.push(field(name, format!("{:>6} ago  {}", age(model.now, event.at), event.message)));
    }
    let cells = usize::from(width);
    let lines = lines.iter().flat_map(|line| paint::wrap(line, cells, 11));
    lines.take(usize::from(room).saturating_sub(taken)).collect()
}

/// Events that are shown besides.
const EVENTS: usize = 5;
