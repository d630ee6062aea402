//! Which stretch of time is kept: opening, following, and reading older and newer windows.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::State;
use crate::console::effect::Effect;
use crate::console::model::Model;
use crate::console::msg::Notice;
use crate::console::remote::Generation;
use crate::console::screens::Screen;
use crate::core::environment::names;
use crate::core::error::CloudError;
use crate::core::logs::tail::Follow;
use crate::core::logs::{Filter, Gap, Line, Rate, TailRequest, TailState};
use crate::core::requests::Requests;

/// How much history is read first: 15 minutes, in milliseconds.
pub const HISTORY: i64 = 15 * 60 * 1_000;
/// The longest window that is read at once: where nothing is found, the next one is twice as long.
const LONGEST: i64 = 24 * 60 * 60 * 1_000;
/// How much is read before a time that the operator jumps to.
const LEAD: i64 = 5 * 60 * 1_000;

/// The stretch of time that is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// First millisecond that was read.
    from: i64,
    /// One past the last millisecond; `None` reaches to the present and goes on.
    until: Option<i64>,
    /// How long the next window is, in milliseconds.
    step: i64,
    loading: Option<Loading>,
    /// Where following resumes after a window in the past. Lines of this millisecond may be kept already.
    seam: Option<i64>,
}

/// A window that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loading {
    Older { from: i64 },
    Newer { until: i64 },
    Jump { to: i64, from: i64, until: i64 },
}

impl Window {
    /// Whether the window lies in the past, and what is written now is not kept.
    pub fn detached(&self) -> bool {
        self.until.is_some()
    }

    /// Whether a window is being read.
    pub fn loading(&self) -> bool {
        self.loading.is_some()
    }

    /// First millisecond that was read, since the Unix epoch.
    pub fn from(&self) -> i64 {
        self.from
    }

    fn step(&self) -> i64 {
        self.step.clamp(HISTORY, LONGEST)
    }
}

/// Shows the logs of a server, or of all. What is followed already goes on.
pub fn follow(model: &mut Model, server: Option<&str>) -> Vec<Effect> {
    let groups = groups(model);
    let mut effects = model.show(Screen::Logs);
    if groups.is_empty() {
        model.notify(Notice::Bad("no server is known yet, so there is no log to follow".into()));
        return effects;
    }
    let servers: BTreeSet<String> = server.map(|server| source(model, server)).into_iter().collect();
    let state = &mut model.screens.logs;
    state.set_filter(Filter { servers, without: BTreeSet::new(), ..state.store.filter().clone() });
    if state.groups == groups && !matches!(state.tail, TailState::Ended(_) | TailState::Off) {
        effects.extend(resume(model));
        return effects;
    }
    state.groups = groups;
    effects.push(begin(model));
    effects
}

/// Shows the log; what is followed already goes on.
pub fn show(model: &mut Model) -> Vec<Effect> {
    if model.screens.logs.following() { model.show(Screen::Logs) } else { follow(model, None) }
}

/// The log groups of all servers that are known.
fn groups(model: &Model) -> Vec<String> {
    let environment = &model.context.environment;
    let fleet = model.screens.fleet.remote.get();
    let servers = fleet.iter().flat_map(|fleet| &fleet.servers);
    let mut groups: Vec<String> = servers.flat_map(|server| names::log_groups(environment, server)).collect();
    groups.sort();
    groups.dedup();
    groups
}

/// What lines of a server are named by: the last part of its log group.
fn source(model: &Model, name: &str) -> String {
    let server = model.screens.fleet.remote.get().and_then(|fleet| fleet.server(name));
    let groups = server.map(|server| names::log_groups(&model.context.environment, server)).unwrap_or_default();
    groups.first().and_then(|group| group.rsplit('/').next()).unwrap_or(name).to_owned()
}

/// Follows the log groups of the fleet just read, so that lines of a new server join by themselves.
pub fn fleet_read(model: &mut Model) -> Vec<Effect> {
    let groups = groups(model);
    let state = &mut model.screens.logs;
    let follows = state.following() && !matches!(state.tail, TailState::Ended(_) | TailState::Off);
    // If the fleet could not be read, or is gone, its log stays on the screen.
    if !follows || groups.is_empty() || groups == state.groups {
        return Vec::new();
    }
    state.groups.clone_from(&groups);
    vec![Effect::Sources(groups)]
}

/// Takes a gap: told the first time, later perhaps closed. Both stand in the log as a line.
pub fn gap(model: &mut Model, generation: Generation, gap: Gap) -> Vec<Effect> {
    if generation != model.screens.logs.generation {
        return Vec::new();
    }
    let line = gap.line();
    let known = model.screens.logs.gaps.iter().any(|known| known.id == gap.id);
    model.screens.logs.gaps.retain(|known| known.id != gap.id);
    let told = known && !gap.closed;
    if !gap.closed {
        model.screens.logs.gaps.push(gap);
    }
    if told { Vec::new() } else { lines(model, generation, vec![line]) }
}

/// Takes how the budget is used.
pub fn rate(model: &mut Model, generation: Generation, rate: Rate) -> Vec<Effect> {
    if generation == model.screens.logs.generation {
        model.screens.logs.rate = rate;
    }
    Vec::new()
}

/// Follows anew from the last minutes on.
fn begin(model: &mut Model) -> Effect {
    let from = model.now.as_millisecond() - HISTORY;
    model.screens.requests.counted = Requests::default();
    let state = &mut model.screens.logs;
    state.store.clear();
    state.follow();
    state.tail = TailState::Loading(0);
    state.window = Window { from, ..Window::default() };
    tail(state, from)
}

/// Follows from a time on.
fn tail(state: &mut State, from: i64) -> Effect {
    state.generation += 1;
    state.gaps.clear();
    state.window.until = None;
    state.window.loading = None;
    let groups = state.groups.clone();
    Effect::Tail(state.generation, TailRequest { groups, from, until: None, pattern: None, follow: Follow::Live })
}

/// Follows the newest line again, also from a window in the past.
pub fn resume(model: &mut Model) -> Vec<Effect> {
    if model.screens.logs.window.detached() {
        return vec![begin(model)];
    }
    model.screens.logs.follow();
    Vec::new()
}

/// Takes lines of the tail. In a window of the past they are only counted: kept, there would be a gap
/// before them.
pub fn lines(model: &mut Model, generation: Generation, lines: Vec<Line>) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    if generation != state.generation || lines.is_empty() {
        return Vec::new();
    }
    lines.iter().for_each(|line| model.screens.requests.counted.take(line));
    if state.paused() {
        state.unseen += lines.len() as u64;
    }
    state.last_line = lines.iter().map(|line| line.at).max().max(state.last_line);
    if !state.window.detached() {
        let lines = match state.window.seam {
            Some(seam) if lines.first().is_some_and(|line| line.at <= seam) => state.store.unknown(lines, seam),
            _ => lines,
        };
        state.store.extend(lines);
    }
    Vec::new()
}

/// Takes the tail's state.
pub fn tail_state(model: &mut Model, generation: Generation, tail: TailState) -> Vec<Effect> {
    if generation == model.screens.logs.generation {
        model.screens.logs.tail = tail;
    }
    Vec::new()
}

/// Reads the window before the first line that is kept.
pub fn older(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    if !state.following() || state.window.loading() {
        return Vec::new();
    }
    // Where the ring has dropped lines, the window begins later than what was read: with the first
    // line kept, whose millisecond may have lost others.
    let until = match state.store.span() {
        Some((first, _)) if state.store.dropped() > 0 => state.window.from.max(first.saturating_add(1)),
        _ => state.window.from,
    };
    let from = until.saturating_sub(state.window.step());
    read(state, Loading::Older { from }, from, until)
}

/// Reads the window after the last line that is kept, or goes on to follow.
pub fn newer(model: &mut Model) -> Vec<Effect> {
    let now = model.now.as_millisecond();
    let state = &mut model.screens.logs;
    let Some(from) = state.window.until else {
        state.follow();
        return Vec::new();
    };
    if state.window.loading() {
        return Vec::new();
    }
    let until = from.saturating_add(state.window.step());
    if until >= now {
        state.unseen = 0;
        model.screens.requests.counted.resume();
        state.window.seam = state.store.span().map(|(_, last)| last);
        return vec![tail(state, from)];
    }
    read(state, Loading::Newer { until }, from, until)
}

/// Goes to a time; reads the window around it where it is not kept.
pub fn jump(model: &mut Model, to: Timestamp) -> Vec<Effect> {
    let (to, now) = (to.as_millisecond(), model.now.as_millisecond());
    let state = &mut model.screens.logs;
    let kept = state.store.span().map_or(state.window.from, |(first, _)| {
        if state.store.dropped() > 0 { first.max(state.window.from) } else { state.window.from }
    });
    if to >= kept && state.window.until.is_none_or(|until| to < until) {
        let row = state.store.row_at(to).min(state.store.shown().saturating_sub(1));
        state.select_row(row);
        return Vec::new();
    }
    if !state.following() || to >= now {
        return model.refuse("that time is not in the past of any log that is followed");
    }
    let (from, until) = (to.saturating_sub(LEAD), to.saturating_add(HISTORY - LEAD).min(now));
    read(state, Loading::Jump { to, from, until }, from, until)
}

fn read(state: &mut State, loading: Loading, from: i64, until: i64) -> Vec<Effect> {
    state.window.loading = Some(loading);
    let groups = state.groups.clone();
    let request = TailRequest { groups, from, until: Some(until), pattern: None, follow: Follow::No };
    vec![Effect::Older(state.generation, request)]
}

/// Takes a window that was read.
pub fn older_lines(model: &mut Model, generation: Generation, result: Result<Vec<Line>, CloudError>) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    let Some(loading) = state.window.loading.take_if(|_| generation == state.generation) else { return Vec::new() };
    let lines = match result {
        Ok(lines) => lines,
        // Nothing changes here, so the next attempt asks for the same window.
        Err(error) => return model.refuse(format!("that window was not read: {error}")),
    };
    if lines.is_empty() {
        state.window.step = (state.window.step() * 2).min(LONGEST);
        if !matches!(loading, Loading::Jump { .. }) {
            widen(&mut state.window, loading);
        }
        let why = nothing(loading, &state.clock_zone());
        return model.refuse(why);
    }
    state.window.step = HISTORY;
    match loading {
        Loading::Older { .. } => {
            // The view stays where it is.
            let selected = state.chosen().map(|kept| kept.anchor);
            state.select(selected);
            let first = state.store.span().map_or(i64::MAX, |(first, _)| first);
            let lines = state.store.unknown(lines, first);
            if let Some(gone) = state.store.extend_back(lines) {
                state.window.until = Some(gone);
            }
        }
        Loading::Newer { .. } => {
            let selected = state.chosen().map(|kept| kept.anchor);
            state.select(selected);
            let last = state.store.span().map_or(i64::MIN, |(_, last)| last);
            let lines = state.store.unknown(lines, last);
            state.store.extend(lines);
        }
        Loading::Jump { to, .. } => {
            state.store.clear();
            state.follow();
            state.store.extend(lines);
            let row = state.store.row_at(to).min(state.store.shown().saturating_sub(1));
            state.select_row(row);
        }
    }
    widen(&mut state.window, loading);
    state.store.work(state.toward());
    Vec::new()
}

/// What was read is part of the window.
fn widen(window: &mut Window, loading: Loading) {
    match loading {
        Loading::Older { from } => window.from = from,
        Loading::Newer { until } => window.until = Some(until),
        Loading::Jump { from, until, .. } => *window = Window { from, until: Some(until), ..Window::default() },
    }
}

fn nothing(loading: Loading, zone: &TimeZone) -> String {
    let time = |at: i64| {
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        at.to_zoned(zone.clone()).strftime("%F %R %Z").to_string()
    };
    match loading {
        Loading::Older { from } => format!("nothing back to {}; again looks twice as far", time(from)),
        Loading::Newer { until } => format!("nothing up to {}; again looks twice as far", time(until)),
        Loading::Jump { from, until, .. } => format!("nothing was logged from {} to {}", time(from), time(until)),
    }
}
