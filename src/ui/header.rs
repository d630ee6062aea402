//! The first two rows: where and as whom the console acts, how old the data is, and the screens.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::logstatus::thousands;
use super::paint::{self, span};
use super::theme::Theme;
use crate::console::action::Action;
use crate::console::model::Model;
use crate::console::screens::{Freshness, Screen};
use crate::core::meaning::Meaning;
use crate::core::operation::{Operation, Phase};
use crate::core::text::{age, count, cut, width};

/// Rows that it takes.
pub const ROWS: u16 = 2;

/// Draws both rows.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let room = usize::from(area.width);
    let where_ = place(model, theme);
    let fresh = freshness(model, theme, room / 2);
    let taken = usize::from(paint::right(buf, area, 0, &Line::from(fresh)));
    paint::row(buf, area, 0, &Line::from(fit(where_, room.saturating_sub(taken + 2))));
    let tabs = Line::from(fit(tabs(model, theme), room));
    // Tabs come first; counters are shown if there is room beside them.
    let left = room.saturating_sub(tabs.width() + 2);
    paint::right(buf, area, 1, &Line::from(fit(counters(model, theme, left), left)));
    paint::row(buf, area, 1, &tabs);
}

/// Spans that are shown together or not at all.
type Group = Vec<Span<'static>>;

/// The groups that fit, in order.
fn fit(groups: Vec<Group>, cells: usize) -> Vec<Span<'static>> {
    let (mut spans, mut used) = (Vec::new(), 0);
    for group in groups {
        let gap = if spans.is_empty() { 0 } else { 2 };
        let wide: usize = group.iter().map(Span::width).sum();
        if used + gap + wide > cells {
            continue;
        }
        spans.push(Span::raw(" ".repeat(gap)));
        spans.extend(group);
        used += gap + wide;
    }
    spans
}

/// Most important first: what does not fit is left out from the end.
fn place(model: &Model, theme: &Theme) -> Vec<Group> {
    let context = &model.context;
    let named = |name: &str, value: &str| vec![span(format!("{name} "), theme.muted()), Span::raw(value.to_owned())];
    let name = if context.chosen() { context.environment.clone() } else { "no cluster chosen".to_owned() };
    let mut groups = vec![vec![span(name, theme.title())]];
    if context.read_only {
        groups.push(vec![span(" READ-ONLY ", theme.flag(Meaning::Good))]);
    }
    if context.protected {
        groups.push(vec![span(" PROTECTED ", theme.flag(Meaning::Warn))]);
    }
    if context.local {
        groups.push(vec![span("LOCAL", theme.of(Meaning::Accent))]);
    }
    if let Some(going) = model.place.going() {
        groups.push(vec![span(format!("→ {going}"), theme.of(Meaning::Warn))]);
    }
    let profile = context.profile.as_ref().map(|profile| named("profile", profile));
    match (&context.identity, model.identity.error()) {
        (Some(identity), _) => {
            groups.push(named("account", &identity.account));
            groups.push(vec![Span::raw(context.region.clone())]);
            groups.extend(profile);
            groups.push(named("as", identity.short()));
        }
        (None, Some(_)) => {
            groups.push(vec![span("account unknown", theme.of(Meaning::Bad))]);
            groups.push(vec![Span::raw(context.region.clone())]);
            groups.extend(profile);
        }
        (None, None) => {
            groups.push(named("account", "…"));
            groups.push(vec![Span::raw(context.region.clone())]);
            groups.extend(profile);
        }
    }
    if context.chosen() {
        groups.push(named("cluster", &context.cluster));
    }
    if let Some(endpoint) = &context.endpoint {
        groups.push(named("endpoint", endpoint));
    }
    if let Some(version) = model.version {
        groups.push(named("version", version));
    }
    groups
}

fn tabs(model: &Model, theme: &Theme) -> Vec<Group> {
    // Insights is reached from the log and shown under its tab.
    let shown = model.screen.tab();
    let tab = |screen: Screen| {
        let key = model.keymap.keys(Action::Show(screen)).into_iter().next().unwrap_or_default();
        let style = if screen == shown { theme.tab() } else { theme.muted() };
        // Brackets mark the current tab where there is no style.
        let text = if screen == shown { format!("[{}]", screen.info().title) } else { screen.info().title.to_owned() };
        vec![span(format!("{key} "), theme.key()), span(text, style)]
    };
    Screen::tabs().map(tab).collect()
}

/// The tabs that there is room for, with their first column and the one after their last.
pub fn tab_places(model: &Model, theme: &Theme, area: Rect) -> Vec<(Screen, u16, u16)> {
    let (mut places, mut used) = (Vec::new(), 0);
    for (screen, group) in Screen::tabs().zip(tabs(model, theme)) {
        let gap = if places.is_empty() { 0 } else { 2 };
        let wide: usize = group.iter().map(Span::width).sum();
        if used + gap + wide > usize::from(area.width) {
            continue;
        }
        let column = |cells: usize| area.x.saturating_add(u16::try_from(cells).unwrap_or(u16::MAX));
        places.push((screen, column(used + gap), column(used + gap + wide)));
        used += gap + wide;
    }
    places
}

/// What is counted. Operations are never left out: where there is no room for words, their number stands alone.
fn counters(model: &Model, theme: &Theme, room: usize) -> Vec<Group> {
    let in_the_middle = |operation: &&Operation| operation.asks() && operation.phase != Phase::Proposed;
    let asking = model.operations.iter().filter(in_the_middle).count();
    let running = model.operations.iter().filter(|operation| operation.active() && !operation.asks()).count();
    let key = model.keymap.keys(Action::Operations).into_iter().next().unwrap_or_default();
    let mut groups = Vec::new();
    let mut say = |n: usize, text: String| {
        if n > 0 {
            let short = room < width(&text) + width(&key) + 1;
            let symbol = text.chars().next().unwrap_or_default();
            let text = if short { format!("{symbol} {n}") } else { text };
            groups.push(vec![span(text, theme.of(Meaning::Warn)), span(format!(" {key}"), theme.key())]);
        }
    };
    say(asking, format!("? {} asks", count(asking, "operation")));
    say(running, format!("◐ {} under way", count(running, "operation")));
    say(model.paused(), format!("‖ {} paused", model.paused()));
    groups.extend(busiest(model).map(|text| vec![span(text, theme.muted())]));
    let calls = if model.calls == 1 { "API call" } else { "API calls" };
    groups.push(vec![span(format!("{} {calls}", thousands(model.calls)), theme.muted())]);
    groups
}

/// The API for whose budget most calls wait, or that has said "too fast" while its pace is still lower for it.
fn busiest(model: &Model) -> Option<String> {
    let waits = model.usage.iter().filter(|(_, usage)| usage.waiting > 0 || usage.throttled > 0);
    let (api, usage) = waits.max_by_key(|(_, usage)| usage.waiting)?;
    let allowed = usage.allowed?;
    let throttled = if usage.throttled > 0 { format!(", {} throttled", usage.throttled) } else { String::new() };
    Some(format!("{api} {} of {allowed:.1}/s{throttled}", usage.calls))
}

/// Age of the data shown, or why it is old.
fn freshness(model: &Model, theme: &Theme, cells: usize) -> Vec<Span<'static>> {
    if !model.context.chosen() {
        return Vec::new();
    }
    let Some(Freshness { read_at, error }) = (model.screen.info().freshness)(model) else { return Vec::new() };
    match (read_at.map(|at| age(model.now, at)), error) {
        (Some(old), Some(error)) => {
            let head = format!("▲ stale {old}: ");
            let reason = cut(&error.message, cells.saturating_sub(width(&head)));
            vec![span(format!("{head}{reason}"), theme.of(Meaning::Warn))]
        }
        (Some(old), None) => [vec![span(format!("read {old} ago"), theme.muted())], slowly(model, theme)].concat(),
        (None, Some(_)) => vec![span("✖ not read", theme.of(Meaning::Bad))],
        (None, None) => [vec![span("reading …", theme.muted())], slowly(model, theme)].concat(),
    }
}

/// From here on answers are slow enough to be told of: a person notices a second as an interruption.
const SLOW: Duration = Duration::from_secs(1);

/// That answers take long, which is why little comes.
fn slowly(model: &Model, theme: &Theme) -> Vec<Span<'static>> {
    let slow = model.latency.filter(|latency| *latency >= SLOW);
    let told = slow.map(|latency| span(format!(", {:.1} s a call", latency.as_secs_f64()), theme.of(Meaning::Warn)));
    told.into_iter().collect()
}
