//! Logs: the last minutes, then live, of one server or all.

pub mod act;
pub mod pick;
pub mod save;
pub mod window;

pub use act::{back, copy, go, open, submit, work};
pub use window::{
    HISTORY, again, fleet_read, follow, follow_at, follow_task, gap, grant, lines, missing, now, older_lines,
    older_so_far, rate, show, tail_state,
};

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::console::model::Model;
use crate::console::remote::Generation;
use crate::core::logs::expression::{BadExpression, Expression};
use crate::core::logs::store::{Direction, Toward, Wanted};
use crate::core::logs::{Anchor, Filter, Followed, Gap, Kept, Line, LineRef, Pattern, Rate, Store, TailState};

/// Keeps how the operator likes to look at lines, of which no line itself is kept.
pub(in crate::console) fn keep_manner(before: &State, now: &mut State) {
    (now.times, now.zone, now.wrap) = (before.times, before.zone.clone(), before.wrap);
    (now.histogram, now.fields) = (before.histogram, before.fields.clone());
    (now.generation, now.readings) = (before.generation, before.readings);
}

/// The search as typed.
pub(super) fn search(model: &Model) -> String {
    model.screens.logs.search_text().to_owned()
}

/// Searches for this; nothing for an empty text.
pub(super) fn set_search(model: &mut Model, text: &str) {
    model.screens.logs.set_search(text);
}

/// The screen's state.
#[derive(Debug, Clone)]
pub struct State {
    /// The lines that are kept, and which of them are shown and found.
    pub store: Store,
    /// The state of the tail.
    pub tail: TailState,
    /// Stretches in which lines may be missing.
    pub gaps: Vec<Gap>,
    /// How the budget of log reads is used.
    pub rate: Rate,
    /// When the last line came, in milliseconds since the Unix epoch.
    pub last_line: Option<i64>,
    /// How times are shown.
    pub times: Times,
    /// The operator's time zone.
    pub zone: TimeZone,
    /// Long lines are wrapped.
    pub wrap: bool,
    /// The histogram is shown.
    pub histogram: bool,
    /// The fields of JSON lines that are shown, in this order.
    pub fields: Vec<String>,
    /// The log groups that are followed, and whose lines lie in them.
    pub sources: Followed,
    /// What is followed as soon as it is known where it lies.
    pub wish: Option<window::Wish>,
    /// Those of them that do not exist.
    pub missing: BTreeSet<String>,
    /// Which stretch of time is kept.
    pub window: window::Window,
    /// Lines that came since the view was paused.
    pub unseen: u64,
    /// The selected line; `None` follows the newest.
    cursor: Option<Anchor>,
    /// The last line when the view was paused: what came later does not move the view.
    held: Option<Anchor>,
    /// A search that goes on while lines are still being judged.
    seeking: Option<(Direction, Wanted)>,
    saving: Option<save::Saving>,
    generation: Generation,
    /// Counts the windows of the past that were asked for.
    readings: Generation,
}

/// The fields of the MCP servers' request lines, and what other loggers call the message.
pub const FIELDS: &[&str] = &["event", "method", "tool", "status", "latency_ms", "message", "msg"];

impl Default for State {
    fn default() -> Self {
        Self {
            store: Store::default(),
            tail: TailState::default(),
            gaps: Vec::new(),
            rate: Rate::default(),
            last_line: None,
            times: Times::default(),
            zone: TimeZone::UTC,
            wrap: false,
            histogram: false,
            fields: FIELDS.iter().map(|field| (*field).to_owned()).collect(),
            sources: Followed::default(),
            wish: None,
            missing: BTreeSet::new(),
            window: window::Window::default(),
            unseen: 0,
            cursor: None,
            held: None,
            seeking: None,
            saving: None,
            generation: 0,
            readings: 0,
        }
    }
}

/// How times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// The operator's time zone.
    #[default]
    Local,
    Utc,
    /// How long ago.
    Relative,
    /// Not at all.
    Off,
}

impl State {
    /// Whether anything is followed.
    pub fn following(&self) -> bool {
        !self.sources.groups.is_empty()
    }

    /// The servers whose lines can be shown: those that log to what is followed, and those that lines came from.
    pub fn servers(&self) -> BTreeSet<String> {
        let owners = self.sources.owners.servers().into_iter().map(str::to_owned);
        owners.chain(self.store.sources().iter().map(|source| source.server.to_string())).collect()
    }

    /// Adds lines. Where the oldest had to go, what is kept begins later; of its first millisecond some may be gone.
    fn add(&mut self, lines: Vec<Line>) {
        let dropped = self.store.dropped();
        self.store.extend(lines);
        if self.store.dropped() > dropped
            && let Some((first, _)) = self.store.span()
        {
            self.window.begins_at(first.saturating_add(1));
        }
    }

    /// Whether the view stands still while lines arrive.
    pub fn paused(&self) -> bool {
        self.cursor.is_some() || self.window.detached()
    }

    /// Whether there is work to be done a slice at a time: [`Msg::Work`](crate::console::msg::Msg::Work).
    pub fn working(&self) -> bool {
        self.saving.is_some() || self.store.progress().is_some()
    }

    /// Whether a search goes on among lines that are not judged yet.
    pub fn seeking(&self) -> bool {
        self.seeking.is_some()
    }

    /// Whether lines are being put together to be saved.
    pub fn saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Row of the selected line among those shown.
    pub fn position(&self) -> Option<usize> {
        let last = self.store.shown().checked_sub(1)?;
        Some(self.cursor.map_or(last, |anchor| self.store.row_of(anchor).min(last)))
    }

    /// The selected line.
    pub fn selected(&self) -> Option<LineRef<'_>> {
        self.current().map(|kept| kept.line)
    }

    fn current(&self) -> Option<Kept<'_>> {
        self.store.row(self.position()?)
    }

    /// One past the last row that was shown when the view was paused.
    pub fn held(&self) -> Option<usize> {
        self.cursor.and(self.held).map(|anchor| self.store.row_of(anchor) + 1)
    }

    /// The search as typed.
    pub fn search_text(&self) -> &str {
        self.store.search().map(Pattern::text).unwrap_or_default()
    }

    /// Searches for this; nothing for an empty text.
    pub fn set_search(&mut self, text: &str) {
        if text == self.search_text() {
            return;
        }
        self.seeking = None;
        self.store.set_search((!text.is_empty()).then(|| Pattern::new(text)));
        self.store.work(self.toward());
    }

    /// Adds a filter that keeps or hides what matches.
    ///
    /// # Errors
    /// Where the expression cannot be read, and why.
    pub fn add_filter(&mut self, text: &str, keep: bool) -> Result<(), BadExpression> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let expression = Expression::parse(text)?;
        let mut filter = self.store.filter().clone();
        let list = if keep { &mut filter.keep } else { &mut filter.hide };
        list.push(expression);
        self.set_filter(filter);
        Ok(())
    }

    /// Shows only the lines for which all of this holds.
    pub fn only(&mut self, keep: Vec<Expression>) {
        self.set_filter(Filter { keep, hide: Vec::new(), ..self.store.filter().clone() });
    }

    /// Shows other lines. The first of them are found at once, the rest by [`work`].
    pub fn set_filter(&mut self, filter: Filter) {
        self.seeking = None;
        self.store.set_filter(filter);
        self.store.work(self.toward());
    }

    /// The zone in which times are shown, and typed.
    fn clock_zone(&self) -> TimeZone {
        if self.times == Times::Utc { TimeZone::UTC } else { self.zone.clone() }
    }

    /// Which lines to judge first: those being searched, else those on the screen.
    fn toward(&self) -> Toward {
        match (self.cursor, self.seeking) {
            (Some(cursor), Some((direction, _))) => Toward::From(cursor, direction),
            (Some(cursor), None) => Toward::Around(cursor),
            (None, _) => Toward::Newest,
        }
    }

    /// Selects a line, which pauses.
    fn select(&mut self, anchor: Option<Anchor>) {
        if self.cursor.is_none() {
            self.held = self.store.row(self.store.shown().saturating_sub(1)).map(|kept| kept.anchor);
        }
        self.cursor = anchor;
    }

    fn select_row(&mut self, row: usize) {
        let anchor = self.store.row(row).map(|kept| kept.anchor);
        self.select(anchor);
    }

    /// Follows the newest line.
    fn follow(&mut self) {
        self.cursor = None;
        self.seeking = None;
        self.unseen = 0;
    }

    /// Goes one step back, out of the search, a task or a filter. Returns whether there was one.
    fn back(&mut self) -> bool {
        if self.store.search().is_some() {
            self.set_search("");
            return true;
        }
        if self.store.filter().task.is_some() {
            self.set_filter(Filter { task: None, ..self.store.filter().clone() });
            return true;
        }
        let filter = self.store.filter();
        if filter.has_expressions() {
            let filter = Filter { keep: Vec::new(), hide: Vec::new(), ..filter.clone() };
            self.set_filter(filter);
            return true;
        }
        false
    }
}
