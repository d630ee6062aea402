//! The Timeline screen: what happened, and below it the whole of the selected row and where it leads.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use super::{describe, table};
use crate::console::action::Action;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::screens::fleet;
use crate::console::screens::timeline::{Lead, lead, selected, view};
use crate::core::meaning::Meaning;
use crate::core::timeline::Moment;
use crate::core::unread::{Part, Unread};

/// Draws it; the rows of a page.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let view = view(model);
    let cells = usize::from(area.width);
    let state = &model.screens.timeline;
    let mut lines = describe::trouble(model, &state.past, &[], theme, cells);
    // The same trouble is told once.
    if lines.is_empty() {
        lines = describe::trouble(model, &model.screens.fleet.remote, &[], theme, cells);
    }
    lines.extend(gaps(model, theme, cells));
    let moment = selected(model);
    lines.extend(moment.iter().flat_map(|moment| about(model, moment, theme, cells)));
    let upper = describe::upper(area.height, view.rows.len(), lines.len());
    let missing = describe::missing(model, &state.past);
    let rows = table::draw(&view, &state.table, missing.as_ref(), theme, paint::band(area, 0, upper), buf);
    if moment.is_some() || !lines.is_empty() {
        let title =
            moment.map_or("not read".to_owned(), |moment| format!("{} of {}", moment.kind.word(), moment.subject));
        let title = Line::from(span(title, theme.title()));
        describe::pane(title, &lines, theme, paint::band(area, upper, area.height), buf);
    }
    rows
}

/// What is missing, and why.
fn gaps(model: &Model, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let past = model.screens.timeline.past.get().map(|past| past.gaps.clone()).unwrap_or_default();
    let fleet = model.screens.fleet.remote.get();
    let unread = fleet.map(|fleet| match &model.screens.timeline.stretch.server {
        Some(server) => fleet.unread_of(server).into_iter().chain(fleet.unread_of_all()).collect(),
        None => fleet.unread(),
    });
    let mut unread: Vec<Unread> = unread.unwrap_or_default();
    // Nothing of these stands here.
    unread.retain(|one| !matches!(one.part, Part::Targets(_) | Part::Bounds | Part::LogGroups(_)));
    let all = past.into_iter().chain(unread.iter().map(ToString::to_string));
    // Of a burst of the last minutes, nothing else may tell.
    let all = all.chain(fleet::traffic_unread(model).map(|gap| format!("requests: {gap}")));
    let line = |gap| Line::from(span(format!("? not read: {gap}"), theme.of(Meaning::Warn)));
    // What is told among the gaps already is not told twice.
    let state = &model.screens.timeline;
    let captured = state.past.get().filter(|past| past.gaps.is_empty()).and_then(|past| past.not_captured.as_ref());
    let captured = captured.map(|why| Line::from(span(format!("not captured: {why}"), theme.muted())));
    let gaps = all.flat_map(|gap| paint::wrap(&line(gap), cells, 4));
    let notes = captured.into_iter().chain(price(model, theme));
    gaps.chain(notes.flat_map(|line| paint::wrap(&line, cells, 4))).collect()
}

/// What the counts cost, where anybody bills them.
fn price(model: &Model, theme: &Theme) -> Option<Line<'static>> {
    let counted = model.screens.timeline.past.get()?.counted.as_ref()?;
    let price = counted.price(false);
    let billed = counted.asked > 0 && !model.context.emulated();
    billed.then(|| Line::from(span(format!("requests by CloudWatch: {price}"), theme.muted())))
}

fn about(model: &Model, moment: &Moment, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let meaning = if moment.bad { Meaning::Warn } else { Meaning::Plain };
    let mut lines = paint::wrap(&Line::from(span(moment.what.clone(), theme.of(meaning))), cells, 2);
    if let Some(id) = moment.finding {
        let fix = vec![span("fix: ", theme.muted()), Span::raw(hint::fix(id, model))];
        lines.extend(paint::wrap(&Line::from(fix), cells, 5));
    }
    let key = model.keymap.keys(Action::Open).into_iter().next();
    lines.extend(key.map(|key| way(&key, &lead(model, moment), theme)));
    lines
}

fn way(key: &str, lead: &Lead, theme: &Theme) -> Line<'static> {
    let words = span(format!(" {}", lead.words()), theme.muted());
    Line::from(vec![span("→ ", theme.muted()), span(key.to_owned(), theme.key()), words])
}
