//! Which stretch of time is kept: opening, following, and reading older and newer windows.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::State;
use crate::console::effect::Effect;
use crate::console::model::Model;
use crate::console::msg::Notice;
use crate::console::remote::Generation;
use crate::console::screens::Screen;
use crate::core::error::{CloudError, ErrorKind};
use crate::core::fleet::{Fleet, Server};
use crate::core::logs::tail::{Follow, Keep, Past};
use crate::core::logs::{Filter, Followed, Gap, Line, Owners, Rate, TailRequest, TailState};
use crate::core::requests::Requests;
use crate::core::unread::Read;

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
struct Loading {
    kind: LoadingKind,
    /// Lines so far.
    lines: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadingKind {
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

    /// Lines of the window that is being read, so far.
    pub fn so_far(&self) -> Option<u64> {
        self.loading.map(|loading| loading.lines)
    }

    /// One past the last millisecond that is kept, if that lies in the past.
    pub fn until(&self) -> Option<i64> {
        self.until
    }

    /// What is kept begins no earlier than this.
    pub(super) fn begins_at(&mut self, from: i64) {
        self.from = self.from.max(from);
    }

    /// First millisecond that was read, since the Unix epoch.
    pub fn from(&self) -> i64 {
        self.from
    }

    fn step(&self) -> i64 {
        self.step.clamp(HISTORY, LONGEST)
    }
}

/// The time by AWS's clock: windows are asked for by it.
pub fn now(model: &Model) -> Timestamp {
    model.now.checked_add(SignedDuration::from_millis(model.ahead)).unwrap_or(model.now)
}

/// A log that the operator wants to see, and of which is not known yet where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// All servers, if none.
    server: Option<String>,
    task: Option<String>,
    at: Option<Timestamp>,
}

/// Whether it has still to be read where the log of a server lies, or any log.
fn awaited(model: &Model, sources: &Followed, server: Option<&str>) -> bool {
    let known = match server {
        Some(server) => sources.owners.servers().contains(server),
        None => !sources.groups.is_empty(),
    };
    let Some(fleet) = model.screens.fleet.remote.get().filter(|_| !known) else { return !known };
    let unread = |server: &Server| matches!(&server.logs, Read::NotRead(why) if why.kind == ErrorKind::NotYet);
    match server {
        Some(name) => fleet.server(name).map_or(fleet.listing, unread),
        None => fleet.listing || fleet.servers.iter().any(unread),
    }
}

/// Takes what was read of the fleet, if a log is wanted that it may tell of. Whoever has gone to another screen
/// wants it no more.
pub fn grant(model: &mut Model) -> Vec<Effect> {
    let Some(wish) = model.screens.logs.wish.take() else { return Vec::new() };
    let server = wish.server.as_deref();
    if model.screen != Screen::Logs {
        return Vec::new();
    }
    if awaited(model, &sources(model), server) {
        model.screens.logs.wish = Some(wish);
        return Vec::new();
    }
    match (server, &wish.task, wish.at) {
        (Some(server), Some(task), at) => follow_task(model, server, task, at),
        (Some(server), None, Some(at)) => follow_at(model, server, at),
        _ => follow(model, server),
    }
}

/// Shows the logs of a server, or of all. What is followed already goes on.
pub fn follow(model: &mut Model, server: Option<&str>) -> Vec<Effect> {
    let sources = sources(model);
    model.screens.logs.wish = None;
    if awaited(model, &sources, server) {
        let server = server.map(str::to_owned);
        model.screens.logs.wish = Some(Wish { server, task: None, at: None });
        return model.show(Screen::Logs);
    }
    if let Some(why) = server.and_then(|server| unreadable(&sources.owners, server)) {
        return model.refuse(why);
    }
    let mut effects = model.show(Screen::Logs);
    if sources.groups.is_empty() {
        let why = match sources.owners.elsewhere().next() {
            Some(one) => format!("no log is in CloudWatch Logs: {}: {}", one.server, one.why),
            None => "no server is known yet, so there is no log to follow".into(),
        };
        model.notify(Notice::Bad(why));
        return effects;
    }
    // With the server's own lines go those of which cannot be told that they are another's.
    let untold = server.into_iter().flat_map(|server| sources.owners.untold(server)).map(str::to_owned).collect();
    let servers: BTreeSet<String> = server.map(str::to_owned).into_iter().collect();
    let state = &mut model.screens.logs;
    state.set_filter(Filter { servers, untold, without: BTreeSet::new(), task: None, ..state.store.filter().clone() });
    if state.sources.groups == sources.groups && !matches!(state.tail, TailState::Ended(_) | TailState::Off) {
        effects.extend(resume(model));
        return effects;
    }
    state.sources = sources;
    effects.push(begin(model));
    effects
}

/// Shows the lines of a task alone. Of one that has stopped, its last ones: `at` is when.
pub fn follow_task(model: &mut Model, server: &str, task: &str, at: Option<Timestamp>) -> Vec<Effect> {
    let mut effects = follow(model, Some(server));
    let state = &mut model.screens.logs;
    if let Some(wish) = &mut state.wish {
        (wish.task, wish.at) = (Some(task.to_owned()), at);
        return effects;
    }
    if model.screen != Screen::Logs || !state.following() {
        return effects;
    }
    // Of a line whose writer cannot be told, nobody knows which task's it is.
    let filter = Filter { task: Some(task.to_owned()), untold: BTreeSet::new(), ..state.store.filter().clone() };
    state.set_filter(filter);
    effects.extend(at.into_iter().flat_map(|at| back_to(model, at)));
    effects
}

/// Shows the log of a server at a time.
pub fn follow_at(model: &mut Model, server: &str, at: Timestamp) -> Vec<Effect> {
    let mut effects = follow(model, Some(server));
    if let Some(wish) = &mut model.screens.logs.wish {
        wish.at = Some(at);
    } else if model.screen == Screen::Logs && model.screens.logs.following() {
        effects.extend(back_to(model, at));
    }
    effects
}

/// Goes to a time, unless the lines of that time are on their way: then the newest ones are shown.
fn back_to(model: &mut Model, at: Timestamp) -> Vec<Effect> {
    let state = &model.screens.logs;
    let coming = at.as_millisecond() >= state.window.from && state.store.shown() == 0;
    if coming || at >= now(model) { Vec::new() } else { jump(model, at) }
}

/// Why nothing of a server's log can be shown, if that is so.
fn unreadable(owners: &Owners, server: &str) -> Option<String> {
    if owners.servers().contains(server) {
        return None;
    }
    let one = owners.elsewhere().find(|one| one.server == server)?;
    Some(format!("the log of {server} is not in CloudWatch Logs: {}", one.why))
}

/// Shows the log; what is followed already goes on.
pub fn show(model: &mut Model) -> Vec<Effect> {
    if model.screens.logs.following() { model.show(Screen::Logs) } else { follow(model, None) }
}

/// The log groups of all servers that are known, and whose lines lie in them.
fn sources(model: &Model) -> Followed {
    let none = Fleet::default();
    let owners = Owners::of(model.screens.fleet.remote.get().unwrap_or(&none), model.context.ours());
    Followed { groups: owners.groups(), owners: Arc::new(owners) }
}

/// Follows the log groups of the fleet just read, so that lines of a new server join by themselves.
pub fn fleet_read(model: &mut Model) -> Vec<Effect> {
    let granted = grant(model);
    if !granted.is_empty() {
        return granted;
    }
    let sources = sources(model);
    let state = &mut model.screens.logs;
    let follows = state.following() && !matches!(state.tail, TailState::Ended(_) | TailState::Off);
    // If the fleet could not be read, or is gone, its log stays on the screen.
    if !follows || sources.groups.is_empty() || sources == state.sources {
        return Vec::new();
    }
    state.missing.retain(|group| sources.groups.contains(group));
    state.sources = sources.clone();
    vec![Effect::Sources(sources)]
}

/// Takes that a group does not exist, or exists by now.
pub fn missing(model: &mut Model, generation: Generation, group: String, missing: bool) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    if generation == state.generation {
        if missing {
            state.missing.insert(group);
        } else {
            state.missing.remove(&group);
        }
    }
    Vec::new()
}

/// Takes a gap: told the first time, later perhaps closed. Both stand in the log as a line.
pub fn gap(model: &mut Model, generation: Generation, gap: Gap) -> Vec<Effect> {
    if generation != model.screens.logs.generation {
        return Vec::new();
    }
    let line = gap.line(&model.screens.logs.sources.owners);
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
    let from = now(model).as_millisecond() - HISTORY;
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
    state.missing.clear();
    state.window.until = None;
    state.window.loading = None;
    let sources = state.sources.clone();
    Effect::Tail(state.generation, TailRequest { sources, from, until: None, pattern: None, follow: Follow::Live })
}

/// Follows the newest line again, also from a window in the past.
pub fn resume(model: &mut Model) -> Vec<Effect> {
    if model.screens.logs.window.detached() {
        return vec![begin(model)];
    }
    model.screens.logs.follow();
    Vec::new()
}

/// Follows anew after the reading was broken off, from the last line on, so that no line is missing.
pub fn again(model: &mut Model) -> Vec<Effect> {
    let now = now(model).as_millisecond();
    let state = &mut model.screens.logs;
    // A window of the past that was being read will not come.
    state.window.loading = None;
    state.readings += 1;
    if !state.following() || state.window.detached() {
        return Vec::new();
    }
    let last = state.store.span().map(|(_, last)| last);
    state.window.seam = last;
    vec![tail(state, last.unwrap_or(now - HISTORY))]
}

/// Takes lines of the tail. In a window of the past they are only counted: kept, there would be a gap
/// before them.
pub fn lines(model: &mut Model, generation: Generation, lines: Vec<Line>) -> Vec<Effect> {
    let now = now(model).as_millisecond();
    let state = &mut model.screens.logs;
    if generation != state.generation || lines.is_empty() {
        return Vec::new();
    }
    lines.iter().for_each(|line| model.screens.requests.counted.take(line, now));
    if state.paused() {
        state.unseen += lines.len() as u64;
    }
    // A writer's clock may be ahead.
    state.last_line = lines.iter().map(|line| line.at.min(now)).max().max(state.last_line);
    if !state.window.detached() {
        let lines = match state.window.seam {
            Some(seam) if lines.first().is_some_and(|line| line.at <= seam) => state.store.unknown(lines, seam),
            _ => lines,
        };
        state.add(lines);
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
    let until = state.window.from;
    let from = until.saturating_sub(state.window.step());
    read(state, LoadingKind::Older { from }, from, until)
}

/// Reads the window after the last line that is kept, or goes on to follow.
pub fn newer(model: &mut Model) -> Vec<Effect> {
    let now = now(model).as_millisecond();
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
    read(state, LoadingKind::Newer { until }, from, until)
}

/// Goes to a time; reads the window around it where it is not kept.
pub fn jump(model: &mut Model, to: Timestamp) -> Vec<Effect> {
    let (to, now) = (to.as_millisecond(), now(model).as_millisecond());
    let state = &mut model.screens.logs;
    if to >= state.window.from && state.window.until.is_none_or(|until| to < until) {
        let row = state.store.row_at(to).min(state.store.shown().saturating_sub(1));
        state.select_row(row);
        return Vec::new();
    }
    if !state.following() || to >= now {
        return model.refuse("that time is not in the past of any log that is followed");
    }
    let (from, until) = (to.saturating_sub(LEAD), to.saturating_add(HISTORY - LEAD).min(now));
    read(state, LoadingKind::Jump { to, from, until }, from, until)
}

fn read(state: &mut State, kind: LoadingKind, from: i64, until: i64) -> Vec<Effect> {
    state.window.loading = Some(Loading { kind, lines: 0 });
    state.readings += 1;
    let sources = state.sources.clone();
    let request = TailRequest { sources, from, until: Some(until), pattern: None, follow: Follow::No };
    let keep = match kind {
        LoadingKind::Older { .. } => Keep::Newest,
        LoadingKind::Newer { .. } | LoadingKind::Jump { .. } => Keep::Oldest,
    };
    vec![Effect::Older(state.readings, request, keep)]
}

/// Reads the window no further, if one is being read. What is kept stays as it is.
pub(super) fn stop(model: &mut Model) -> Option<Effect> {
    model.screens.logs.window.loading.take()?;
    // An answer that is on its way is of an older reading.
    model.screens.logs.readings += 1;
    Some(Effect::StopOlder)
}

/// Takes how many lines of a window have come.
pub fn older_so_far(model: &mut Model, reading: Generation, lines: u64) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    if let Some(loading) = state.window.loading.as_mut().filter(|_| reading == state.readings) {
        loading.lines = lines;
    }
    Vec::new()
}

/// Takes a window that was read.
pub fn older_lines(model: &mut Model, reading: Generation, result: Result<Past, CloudError>) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    let Some(Loading { kind, .. }) = state.window.loading.take_if(|_| reading == state.readings) else {
        return Vec::new();
    };
    let past = match result {
        Ok(past) => past,
        // Nothing changes here, so the next attempt asks for the same window.
        Err(error) => return model.refuse(format!("that window was not read: {error}")),
    };
    if past.lines.is_empty() {
        state.window.step = (state.window.step() * 2).min(LONGEST);
        if !matches!(kind, LoadingKind::Jump { .. }) {
            widen(&mut state.window, kind);
        }
        let why = nothing(kind, &state.clock_zone());
        return model.refuse(why);
    }
    state.window.step = HISTORY;
    take(state, kind, past);
    state.store.work(state.toward());
    Vec::new()
}

/// Puts the lines of a window beside those that are kept.
fn take(state: &mut State, kind: LoadingKind, past: Past) {
    let Past { lines, cut } = past;
    // Where not all lines were taken, the window is shorter. Of its last millisecond, or its first, some are read again.
    let kind = match (kind, cut) {
        (LoadingKind::Older { .. }, Some(cut)) => LoadingKind::Older { from: cut.saturating_add(1) },
        (LoadingKind::Newer { .. }, Some(cut)) => LoadingKind::Newer { until: cut },
        (LoadingKind::Jump { to, from, .. }, Some(until)) => LoadingKind::Jump { to, from, until },
        (kind, None) => kind,
    };
    // The view stays where it is.
    let selected = state.current().map(|kept| kept.anchor);
    let until = state.window.until;
    widen(&mut state.window, kind);
    match kind {
        LoadingKind::Older { .. } => {
            state.select(selected);
            state.window.until = until;
            let first = state.store.span().map_or(i64::MAX, |(first, _)| first);
            let lines = state.store.unknown(lines, first);
            if let Some(gone) = state.store.extend_back(lines) {
                state.window.until = Some(gone);
            }
        }
        LoadingKind::Newer { .. } => {
            state.select(selected);
            let last = state.store.span().map_or(i64::MIN, |(_, last)| last);
            let lines = state.store.unknown(lines, last);
            state.add(lines);
        }
        LoadingKind::Jump { to, .. } => {
            state.store.clear();
            state.follow();
            state.add(lines);
            let row = state.store.row_at(to).min(state.store.shown().saturating_sub(1));
            state.select_row(row);
        }
    }
}

/// What was read is part of the window.
fn widen(window: &mut Window, loading: LoadingKind) {
    match loading {
        LoadingKind::Older { from } => window.from = from,
        LoadingKind::Newer { until } => window.until = Some(until),
        LoadingKind::Jump { from, until, .. } => *window = Window { from, until: Some(until), ..Window::default() },
    }
}

fn nothing(loading: LoadingKind, zone: &TimeZone) -> String {
    let time = |at: i64| {
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        at.to_zoned(zone.clone()).strftime("%F %R %Z").to_string()
    };
    match loading {
        LoadingKind::Older { from } => format!("nothing back to {}; again looks twice as far", time(from)),
        LoadingKind::Newer { until } => format!("nothing up to {}; again looks twice as far", time(until)),
        LoadingKind::Jump { from, until, .. } => format!("nothing was logged from {} to {}", time(from), time(until)),
    }
}
