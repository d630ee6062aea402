//! Logs: the last minutes, then live, of one server or all.

use crate::core::action::Action;
use crate::core::effect::Effect;
use crate::core::environment::names;
use crate::core::error::CloudError;
use crate::core::logs::tail::Follow;
use crate::core::logs::{Filter, Gap, Index, Line, Pattern, Rate, Seq, Severity, Store, TailRequest, TailState};
use crate::core::model::{Entry, Model, Prompt, Screen};
use crate::core::msg::Notice;
use crate::core::remote::Generation;
use crate::core::table::Move;
use crate::core::update::{open as open_modal, show};

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The lines that are kept.
    pub store: Store,
    /// Which of them are shown.
    pub index: Index,
    /// Which lines are shown.
    pub filter: Filter,
    /// What is searched and highlighted.
    pub search: Option<Pattern>,
    /// How the tail stands.
    pub tail: TailState,
    /// Stretches in which lines may be missing.
    pub gaps: Vec<Gap>,
    /// How the budget of log reads is used.
    pub rate: Rate,
    /// When the last line came, in milliseconds since the Unix epoch.
    pub last_line: Option<i64>,
    /// How times are shown.
    pub times: Times,
    /// Long lines are wrapped.
    pub wrap: bool,
    /// The log groups that are followed.
    pub groups: Vec<String>,
    /// The selected line; `None` follows the newest.
    cursor: Option<Seq>,
    /// One past the last line when the view was paused: what came later does not move the view.
    held: Seq,
    /// Lines that came since the view was paused.
    pub unseen: u64,
    generation: Generation,
    from: i64,
    older: bool,
}

/// How times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// The operator's time zone.
    #[default]
    Local,
    /// UTC.
    Utc,
    /// How long ago.
    Relative,
    /// Not at all.
    Off,
}

/// How much history is read first: 15 minutes, in milliseconds.
pub const HISTORY: i64 = 15 * 60 * 1_000;

impl State {
    /// Whether anything is followed.
    pub fn following(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Whether the view stands still while lines arrive.
    pub fn paused(&self) -> bool {
        self.cursor.is_some()
    }

    /// Row of the selected line among those shown.
    pub fn position(&self) -> Option<usize> {
        let last = self.index.len().checked_sub(1)?;
        Some(self.cursor.map_or(last, |seq| self.index.row_of(seq).min(last)))
    }

    /// The selected line.
    pub fn selected(&self) -> Option<&Line> {
        self.store.get(self.index.get(self.position()?)?)
    }

    /// One past the last row that was shown when the view was paused.
    pub fn held(&self) -> Option<usize> {
        self.cursor.map(|_| self.index.row_of(self.held))
    }

    /// The line of a row.
    pub fn line(&self, row: usize) -> Option<&Line> {
        self.store.get(self.index.get(row)?)
    }

    /// The search as typed.
    pub fn search_text(&self) -> &str {
        self.search.as_ref().map(Pattern::text).unwrap_or_default()
    }

    /// Searches for this; nothing for an empty text.
    pub fn set_search(&mut self, text: &str) {
        self.search = (!text.is_empty()).then(|| Pattern::new(text));
    }

    /// Adds a filter that keeps or hides what matches.
    pub fn add_filter(&mut self, text: &str, keep: bool) {
        if text.is_empty() {
            return;
        }
        let list = if keep { &mut self.filter.keep } else { &mut self.filter.hide };
        list.push(Pattern::new(text));
        self.index.rebuild(&self.store, &self.filter);
    }

    /// Moves the selection. Reaching the newest line follows again.
    pub fn go(&mut self, to: Move) {
        let Some(last) = self.index.len().checked_sub(1) else { return };
        let now = self.position().unwrap_or(last);
        let row = match to {
            Move::By(rows) => now.saturating_add_signed(rows).min(last),
            Move::First => 0,
            Move::Last => last,
        };
        let down = matches!(to, Move::By(1..) | Move::Last);
        self.put(row, down && row == last);
    }

    fn put(&mut self, row: usize, follow: bool) {
        if follow {
            return self.follow();
        }
        if self.cursor.is_none() {
            self.held = self.store.end();
        }
        self.cursor = self.index.get(row);
    }

    /// Follows the newest line.
    fn follow(&mut self) {
        self.cursor = None;
        self.unseen = 0;
    }

    /// Goes one step back: out of the search, the filters, the pause. Whether there was one.
    pub fn back(&mut self) -> bool {
        if self.search.take().is_some() {
            return true;
        }
        if !self.filter.keep.is_empty() || !self.filter.hide.is_empty() {
            let server = self.filter.server.take();
            self.filter = Filter { server, ..Filter::default() };
            self.index.rebuild(&self.store, &self.filter);
            return true;
        }
        let paused = self.paused();
        self.follow();
        paused
    }

    /// Selects the next row (or previous one) whose line satisfies the test. Whether there was one.
    fn seek(&mut self, forward: bool, test: impl Fn(&Line) -> bool) -> bool {
        let Some(now) = self.position() else { return false };
        let hit = |row: &usize| self.line(*row).is_some_and(&test);
        let found = if forward { (now + 1..self.index.len()).find(hit) } else { (0..now).rev().find(hit) };
        if let Some(row) = found {
            self.put(row, false);
        }
        found.is_some()
    }

    /// Lines shown that match the search.
    pub fn matches(&self) -> usize {
        let Some(pattern) = &self.search else { return 0 };
        (0..self.index.len()).filter(|row| self.line(*row).is_some_and(|line| pattern.matches(line))).count()
    }
}

/// Shows the logs of a server, or of all. What is followed already goes on.
pub fn open(model: &mut Model, server: Option<&str>) -> Vec<Effect> {
    let groups = groups(model);
    let mut effects = show(model, Screen::Logs);
    if groups.is_empty() {
        model.notify(Notice::Bad("no server is known yet, so there is no log to follow".into()));
        return effects;
    }
    let filter = server.map(|server| source(model, server));
    let state = &mut model.logs;
    state.filter.server = filter;
    state.follow();
    if state.groups == groups && !matches!(state.tail, TailState::Ended(_) | TailState::Off) {
        state.index.rebuild(&state.store, &state.filter);
        return effects;
    }
    state.store.clear();
    state.gaps.clear();
    state.index = Index::default();
    state.groups.clone_from(&groups);
    state.generation += 1;
    state.from = model.now.as_millisecond() - HISTORY;
    state.tail = TailState::Loading(0);
    let request = TailRequest { groups, from: state.from, until: None, pattern: None, follow: Follow::Live };
    effects.push(Effect::Tail(state.generation, request));
    effects
}

/// The log groups of all servers that are known.
fn groups(model: &Model) -> Vec<String> {
    let environment = &model.context.environment;
    let fleet = model.fleet.remote.get();
    let mut groups: Vec<String> = fleet
        .iter()
        .flat_map(|fleet| &fleet.servers)
        .flat_map(|server| names::log_groups(environment, server))
        .collect();
    groups.sort();
    groups.dedup();
    groups
}

/// What lines of a server are named by: the last part of its log group.
fn source(model: &Model, name: &str) -> String {
    let server = model.fleet.remote.get().and_then(|fleet| fleet.server(name));
    let groups = server.map(|server| names::log_groups(&model.context.environment, server)).unwrap_or_default();
    groups.first().and_then(|group| group.rsplit('/').next()).unwrap_or(name).to_owned()
}

/// The fleet was read: what is followed follows it, so that a new server's lines join by themselves.
pub fn fleet_read(model: &mut Model) -> Vec<Effect> {
    let groups = groups(model);
    let state = &mut model.logs;
    let follows = state.following() && !matches!(state.tail, TailState::Ended(_) | TailState::Off);
    // A fleet that could not be read, or is gone, takes no log from the screen.
    if !follows || groups.is_empty() || groups == state.groups {
        return Vec::new();
    }
    state.groups.clone_from(&groups);
    vec![Effect::Sources(groups)]
}

/// Takes a gap: told the first time, later perhaps closed. Both stand in the log as a line.
pub fn gap(model: &mut Model, generation: Generation, gap: Gap) -> Vec<Effect> {
    if generation != model.logs.generation {
        return Vec::new();
    }
    let line = gap.line();
    let known = model.logs.gaps.iter().any(|known| known.id == gap.id);
    model.logs.gaps.retain(|known| known.id != gap.id);
    let told = known && !gap.closed;
    if !gap.closed {
        model.logs.gaps.push(gap);
    }
    if told { Vec::new() } else { lines(model, generation, vec![line]) }
}

/// Takes how the budget is used.
pub fn rate(model: &mut Model, generation: Generation, rate: Rate) -> Vec<Effect> {
    if generation == model.logs.generation {
        model.logs.rate = rate;
    }
    Vec::new()
}

/// Takes lines of the tail.
pub fn lines(model: &mut Model, generation: Generation, lines: Vec<Line>) -> Vec<Effect> {
    let state = &mut model.logs;
    if generation != state.generation || lines.is_empty() {
        return Vec::new();
    }
    if state.paused() {
        state.unseen += lines.len() as u64;
    }
    state.last_line = lines.iter().map(|line| line.at).max().max(state.last_line);
    // A line put before the cursor moves the cursor's line on by one.
    let anchor = state.cursor.and_then(|seq| state.store.get(seq).cloned());
    let changed = state.store.extend(lines);
    if let (Some(seq), Some(line)) = (state.cursor, anchor) {
        let moved = follow_line(&state.store, seq, &line);
        state.held += moved - seq;
        state.cursor = Some(moved);
    }
    state.index.update(&state.store, &state.filter, changed);
    Vec::new()
}

fn follow_line(store: &Store, seq: Seq, line: &Line) -> Seq {
    (seq..store.end()).take(10_000).find(|seq| store.get(*seq) == Some(line)).unwrap_or(seq)
}

/// Takes an older window.
pub fn older_lines(model: &mut Model, generation: Generation, result: Result<Vec<Line>, CloudError>) -> Vec<Effect> {
    let state = &mut model.logs;
    if generation != state.generation {
        return Vec::new();
    }
    state.older = false;
    match result {
        Ok(lines) if lines.is_empty() => model.notify(Notice::Good("nothing older in that window".into())),
        Ok(lines) => {
            // Numbers begin anew: the old ones move on by the new lines, less those dropped before.
            let (start, added) = (state.store.start(), lines.len() as Seq);
            let moved = |seq: Seq| seq.saturating_sub(start) + added;
            let selected = state.position().and_then(|row| state.index.get(row));
            let held = if state.paused() { state.held } else { state.store.end() };
            state.store.prepend(lines);
            state.index.rebuild(&state.store, &state.filter);
            (state.cursor, state.held) = (selected.map(moved), moved(held));
        }
        Err(error) => {
            // The window was not read, so it is asked for again the next time.
            state.from += HISTORY;
            model.notify(Notice::Bad(format!("older lines: {error}")));
        }
    }
    Vec::new()
}

/// Takes the tail's state.
pub fn tail_state(model: &mut Model, generation: Generation, tail: TailState) -> Vec<Effect> {
    if generation == model.logs.generation {
        model.logs.tail = tail;
    }
    Vec::new()
}

/// Carries out an action of this screen.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let state = &mut model.logs;
    match action {
        // Not a move: where a filter hides every line there is no row to move to.
        Action::Pause if state.paused() => state.follow(),
        Action::Pause => state.position().into_iter().for_each(|row| state.put(row, false)),
        Action::NextMatch | Action::PreviousMatch => return seek_match(model, action == Action::NextMatch),
        Action::NextError | Action::PreviousError => {
            let bad = |line: &Line| line.severity >= Severity::Warn;
            if !state.seek(action == Action::NextError, bad) {
                return model.refuse("no further error or warning in that direction");
            }
        }
        Action::Keep => model.prompt = Some(Prompt { entry: Entry::Keep, input: Default::default() }),
        Action::Hide => model.prompt = Some(Prompt { entry: Entry::Hide, input: Default::default() }),
        Action::Older => return older(model),
        Action::TimeMode => {
            state.times = match state.times {
                Times::Local => Times::Utc,
                Times::Utc => Times::Relative,
                Times::Relative => Times::Off,
                Times::Off => Times::Local,
            }
        }
        Action::Wrap => state.wrap = !state.wrap,
        Action::Open | Action::LogDetail => {
            if let Some(modal) = state.selected().map(crate::core::describe::line) {
                return open_modal(model, modal);
            }
        }
        Action::Sources => return next_source(model),
        Action::LogSave => return save(model),
        Action::Copy => return state.selected().map(|line| Effect::Copy(line.text.to_string())).into_iter().collect(),
        _ => {}
    }
    Vec::new()
}

fn seek_match(model: &mut Model, forward: bool) -> Vec<Effect> {
    let Some(pattern) = model.logs.search.clone() else { return model.refuse("search first, with /") };
    if model.logs.seek(forward, |line| pattern.matches(line)) {
        return Vec::new();
    }
    model.refuse(format!("no further match of {:?} in that direction", pattern.text()))
}

/// Reads the window before the first one that was read.
fn older(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.logs;
    if state.older || !state.following() {
        return Vec::new();
    }
    state.older = true;
    let until = state.from;
    state.from -= HISTORY;
    let request = TailRequest {
        groups: state.groups.clone(),
        from: state.from,
        until: Some(until),
        pattern: None,
        follow: Follow::No,
    };
    vec![Effect::Older(state.generation, request)]
}

fn next_source(model: &mut Model) -> Vec<Effect> {
    let servers: Vec<String> = model
        .fleet
        .remote
        .get()
        .map(|fleet| fleet.servers.iter().map(|server| server.name.clone()).collect())
        .unwrap_or_default();
    let state = &mut model.logs;
    state.filter.server = match &state.filter.server {
        None => servers.first().cloned(),
        Some(now) => servers.iter().skip_while(|name| *name != now).nth(1).cloned(),
    };
    state.index.rebuild(&state.store, &state.filter);
    Vec::new()
}

fn save(model: &mut Model) -> Vec<Effect> {
    let state = &model.logs;
    let lines = (0..state.index.len()).filter_map(|row| state.line(row));
    let text: String = lines
        .map(|line| {
            let at = jiff::Timestamp::from_millisecond(line.at).map(|at| at.to_string()).unwrap_or_default();
            format!("{at} {} {} {}\n", line.server, line.short_task(), line.text)
        })
        .collect();
    let name = format!("quarterdeck-{}-{}.log", model.context.environment, model.now.as_second());
    vec![Effect::Save(name, text)]
}
