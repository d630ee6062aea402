//! Requests: how many, how many of them failed and how long they took, per tool and client, from the request
//! lines that gangway's servers log.
//!
//! The figures are as true as the log behind them: they count the lines that were read, no more.

mod behind;
mod dropped;
mod histogram;
mod lately;
mod request;
mod told;
mod why;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use behind::Words;
pub use behind::{Behind, Down, Fall};
pub use dropped::Missing;
use dropped::{Count, Counts};
pub use histogram::Histogram;
pub use lately::{Lately, Watched};
use request::Reading;
pub use request::{Request, Unread};
use told::Told;
pub use why::Why;

use super::logs::{Line, payload};

/// Length of a slot, in milliseconds.
const SLOT: i64 = 2_000;
/// Slots that are kept: those of the longest window.
const KEPT: i64 = Period::Fifteen.millis() / SLOT + 1;
/// Series that are kept; requests of further ones are counted in [`Requests::uncounted`].
pub const MAX_SERIES: usize = 1_000;

/// How far back figures go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Period {
    /// The last minute.
    #[default]
    One,
    /// The last 5 minutes.
    Five,
    /// The last 15 minutes.
    Fifteen,
}

impl Period {
    /// Its length in minutes.
    pub const fn minutes(self) -> i64 {
        match self {
            Self::One => 1,
            Self::Five => 5,
            Self::Fifteen => 15,
        }
    }

    /// Its length in milliseconds.
    pub const fn millis(self) -> i64 {
        self.minutes() * 60_000
    }

    /// The next one, in a circle.
    pub fn next(self) -> Self {
        match self {
            Self::One => Self::Five,
            Self::Five => Self::Fifteen,
            Self::Fifteen => Self::One,
        }
    }
}

/// What a row of figures stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// A tool of a server.
    #[default]
    Tool,
    /// A client of a server.
    Client,
    /// A tool of a server, as one client calls it.
    Both,
    /// Why a client of a server was refused, or its requests failed. Those that were served are in no row.
    Why,
}

impl By {
    /// The next one, in a circle.
    pub fn next(self) -> Self {
        match self {
            Self::Tool => Self::Client,
            Self::Client => Self::Both,
            Self::Both => Self::Why,
            Self::Why => Self::Tool,
        }
    }
}

/// Whose requests a row of figures counts. `None` is what the row does not tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    pub server: String,
    pub asked: Option<Asked>,
    pub sender: Option<Sender>,
    pub why: Option<Why>,
}

/// What a request asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asked {
    Tool(String),
    /// The method of a request that is no tool call.
    Method(String),
    /// The line names neither: the request was refused before it was read.
    Unnamed,
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// Nobody whose token the issuer has signed.
    Unknown,
    /// The OAuth client of this id.
    Client(String),
}

impl Asked {
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Tool(name) | Self::Method(name) => Some(name),
            Self::Unnamed => None,
        }
    }
}

/// By name: tools and methods stand in one column.
impl Ord for Asked {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |asked: &Self| (asked.name().map(str::to_owned), matches!(asked, Self::Method(_)));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Asked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Sender {
    /// The client's id.
    pub fn client(&self) -> Option<&str> {
        match self {
            Self::Unknown => None,
            Self::Client(id) => Some(id),
        }
    }
}

/// Figures of a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    pub requests: u64,
    /// Those that failed: status 500 and above, and tool results that say `isError`.
    pub errors: u64,
    /// Those that were turned down: status 400 to 499.
    pub refused: u64,
    /// How long they took.
    pub latency: Histogram,
    /// Length of the window in seconds.
    seconds: u64,
}

impl Figures {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        if self.seconds == 0 { 0.0 } else { self.requests as f64 / self.seconds as f64 }
    }

    /// Errors in percent of the requests; `None` without any.
    pub fn error_percent(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.errors as f64 * 100.0 / self.requests as f64)
    }

    fn add(&mut self, slot: &Slot) {
        self.requests += slot.requests;
        self.errors += slot.errors;
        self.refused += slot.refused;
        self.latency.merge(&slot.latency);
    }
}

/// How many requests of a subject there were in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally<'a> {
    pub subject: &'a Subject,
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that were turned down.
    pub refused: u64,
    /// When the newest of them began, in milliseconds since the Unix epoch, to two seconds.
    pub newest: i64,
}

/// Requests that began in the same two seconds.
#[derive(Debug, Clone)]
struct Slot {
    number: i64,
    requests: u64,
    errors: u64,
    refused: u64,
    latency: Histogram,
}

#[derive(Debug, Clone)]
struct Series {
    subject: Subject,
    /// By time; a slot without requests is absent.
    slots: VecDeque<Slot>,
}

impl Series {
    /// The slot of this number, made if it is not there. Late lines find theirs as well.
    fn slot(&mut self, number: i64) -> &mut Slot {
        let at = self.slots.partition_point(|slot| slot.number < number);
        if self.slots.get(at).is_none_or(|slot| slot.number != number) {
            let slot = Slot { number, requests: 0, errors: 0, refused: 0, latency: Histogram::default() };
            self.slots.insert(at, slot);
        }
        &mut self.slots[at]
    }
}

impl Series {
    /// Its requests in the slots from one to before another; `None` without any.
    fn tally(&self, begin: i64, end: i64) -> Option<Tally<'_>> {
        let first = self.slots.partition_point(|slot| slot.number < begin);
        let slots = || self.slots.range(first..).take_while(|slot| slot.number < end);
        let newest = slots().last()?.number * SLOT;
        let nothing = Tally { subject: &self.subject, requests: 0, errors: 0, refused: 0, newest };
        Some(slots().fold(nothing, |sum, slot| Tally {
            requests: sum.requests + slot.requests,
            errors: sum.errors + slot.errors,
            refused: sum.refused + slot.refused,
            ..sum
        }))
    }
}

/// The requests of the last 15 minutes, counted.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    series: HashMap<String, Series>,
    newest: i64,
    /// Newest millisecond that was counted.
    counted: i64,
    /// Lines up to this millisecond have been counted already.
    skipped: Option<i64>,
    uncounted: u64,
    key: String,
    /// That a task cannot read who is kept out.
    unread: Told<Unread>,
    /// That the server behind gangway does not run.
    down: Told<Down>,
    /// What the server behind gangway said last, by server and task.
    words: Words,
    /// What the tasks count themselves; none where lines are left out, or come late.
    counts: Option<Counts>,
}

impl Requests {
    /// For whoever reads every line of a time, once and in whole windows: what is missing then was never there.
    pub fn whole() -> Self {
        Self { counts: Some(Counts::default()), ..Self::default() }
    }

    /// Lines of a server were left out, and are not read any more.
    pub fn broken(&mut self, server: &str) {
        if let Some(counts) = &mut self.counts {
            counts.broken(server);
        }
    }

    /// The same of all servers.
    pub fn broken_all(&mut self) {
        self.counts = self.counts.take().map(|_| Counts::default());
    }

    /// What the log of each server lacks of what its tasks have counted up to a time, in milliseconds since the Unix epoch.
    pub fn missing(&self, until: i64) -> BTreeMap<&str, Missing> {
        self.counts.as_ref().map(|counts| counts.missing(until)).unwrap_or_default()
    }

    /// Counts a line that came at `now` (milliseconds since the Unix epoch), if it tells of a request.
    pub fn take(&mut self, line: &Line, now: i64) {
        let text = payload::inner(&line.text);
        if let Some(reading) = Reading::read(&text) {
            return self.unread.take(line, line.at.min(now), reading.unread());
        }
        if let Some(word) = behind::Word::read(&text) {
            return self.behind(line, line.at.min(now), word);
        }
        if behind::speaks(&text) {
            return self.words.take(line, line.at.min(now), &text);
        }
        if let (Some(counts), Some(count)) = (&mut self.counts, Count::read(&text)) {
            return counts.count(&line.server, &line.task, line.at.min(now), count);
        }
        let Some(request) = Request::read(&text) else { return };
        // A writer whose clock is ahead must not make the figures of all others old.
        let at = line.at.min(now);
        if self.skipped.is_some_and(|skipped| at <= skipped) {
            return;
        }
        self.counted = self.counted.max(at);
        let number = at.div_euclid(SLOT);
        if number <= self.newest - KEPT {
            return;
        }
        if number > self.newest {
            self.newest = number;
            self.forget();
        }
        if let Some(counts) = &mut self.counts {
            counts.line(&line.server, &line.task, at);
        }
        self.key.clear();
        let why = request.why().map(Why::word);
        for part in [Some(&*line.server), request.tool(), request.method(), request.client(), why] {
            // Control characters: what is missing is told from what is empty, and no name runs into the next.
            self.key.push(if part.is_some() { '\u{1e}' } else { '\u{1f}' });
            self.key.push_str(part.unwrap_or_default());
        }
        if !self.series.contains_key(&self.key) {
            if self.series.len() >= MAX_SERIES {
                self.uncounted += 1;
                return;
            }
            let subject = request.subject(&line.server);
            self.series.insert(self.key.clone(), Series { subject, slots: VecDeque::new() });
        }
        let Some(series) = self.series.get_mut(&self.key) else { return };
        let slot = series.slot(number);
        slot.requests += 1;
        slot.errors += u64::from(request.failed());
        slot.refused += u64::from(request.refused());
        slot.latency.add(request.latency_ms);
    }

    fn behind(&mut self, line: &Line, at: i64, word: behind::Word) {
        // Tasks that had given it up have ended, and what is there now speaks for the server.
        self.down.forget(&line.server, at, |down| down.given_up);
        let down = if let behind::Word::Down(down) = word { Some(down) } else { None };
        self.down.take(line, at, down);
    }

    /// The servers of which a task has said since a time (milliseconds since the Unix epoch) that it cannot read who is kept
    /// out, and not that it can again: of each the worst, and of these the newest, with when it was said.
    pub fn unread(&self, since: i64) -> BTreeMap<&str, (i64, &Unread)> {
        let mut all: BTreeMap<&str, (i64, &Unread)> = BTreeMap::new();
        for ((server, _), at, unread) in self.unread.said().filter(|(_, at, _)| *at >= since) {
            let worst = all.entry(server.as_str()).or_insert((at, unread));
            if (!unread.holds, at) > (!worst.1.holds, worst.0) {
                *worst = (at, unread);
            }
        }
        all
    }

    /// The servers of which a task says at a time (milliseconds since the Unix epoch) that what is behind it does not run.
    pub fn down(&self, now: i64) -> BTreeMap<&str, Behind<'_>> {
        let mut all: BTreeMap<&str, Behind<'_>> = BTreeMap::new();
        for ((server, task), at, down) in self.down.said().filter(|(_, at, down)| down.fall.holds(now - at)) {
            let new = Behind { at, down, words: self.words.near(server, task, at), tasks: 1 };
            let known = all.entry(server).or_insert(Behind { tasks: 0, ..new });
            *known = Behind { tasks: known.tasks + 1, ..if at > known.at { new } else { *known } };
        }
        all
    }

    /// The log is followed anew from a time in the past: what was counted is not counted again.
    pub fn resume(&mut self) {
        self.skipped = Some(self.counted);
    }

    /// Drops the slots that no window reaches any more.
    fn forget(&mut self) {
        let oldest = self.newest - KEPT;
        if let Some(counts) = &mut self.counts {
            counts.forget(self.newest);
        }
        self.series.retain(|_, series| {
            while series.slots.front().is_some_and(|slot| slot.number <= oldest) {
                series.slots.pop_front();
            }
            !series.slots.is_empty()
        });
    }

    /// Requests that were left out because there are more than [`MAX_SERIES`] subjects.
    pub fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// Figures of each subject in the window that ends at `now` (milliseconds since the Unix epoch),
    /// sorted by name. The slot that is still filling is not part of it: a rate would look too low.
    pub fn figures(&self, by: By, window: Period, now: i64) -> Vec<(Subject, Figures)> {
        let mut all: HashMap<Subject, Figures> = HashMap::new();
        for series in self.series.values() {
            let subject = match by {
                By::Tool => Subject { sender: None, why: None, ..series.subject.clone() },
                By::Client => Subject { asked: None, why: None, ..series.subject.clone() },
                By::Both => Subject { why: None, ..series.subject.clone() },
                By::Why if series.subject.why.is_none() => continue,
                By::Why => Subject { asked: None, ..series.subject.clone() },
            };
            Self::sum(series, window, now, all.entry(subject).or_default());
        }
        let mut all: Vec<_> = all.into_iter().filter(|(_, figures)| figures.requests > 0).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// How many requests of each subject, tool, sender and reason told apart, there were between two ages in
    /// milliseconds before `now`, in whole slots, with the time of the newest of them. What [`figures`](Self::figures)
    /// counts, without latencies.
    pub fn tallies(&self, from: i64, until: i64, now: i64) -> Vec<Tally<'_>> {
        self.tallies_of(&|_| true, from, until, now)
    }

    /// The same of some servers alone.
    pub fn tallies_of(&self, servers: &dyn Fn(&str) -> bool, from: i64, until: i64, now: i64) -> Vec<Tally<'_>> {
        let (begin, end) = ((now - from).div_euclid(SLOT), (now - until).div_euclid(SLOT));
        let wanted = self.series.values().filter(|series| servers(&series.subject.server));
        let mut all: Vec<_> = wanted.filter_map(|series| series.tally(begin, end)).collect();
        all.sort_by_key(|tally| tally.subject);
        all
    }

    /// The servers that are counted.
    pub fn servers(&self) -> BTreeSet<&str> {
        self.series.values().map(|series| series.subject.server.as_str()).collect()
    }

    /// How long the calls of each tool took that were answered well, by server and tool, between two ages as in
    /// [`tallies`](Self::tallies).
    pub fn latencies(&self, from: i64, until: i64, now: i64) -> BTreeMap<(&str, &str), Histogram> {
        let (begin, end) = ((now - from).div_euclid(SLOT), (now - until).div_euclid(SLOT));
        let mut all: BTreeMap<(&str, &str), Histogram> = BTreeMap::new();
        for Series { subject, slots } in self.series.values().filter(|series| series.subject.why.is_none()) {
            let Some(Asked::Tool(tool)) = &subject.asked else { continue };
            let first = slots.partition_point(|slot| slot.number < begin);
            for slot in slots.range(first..).take_while(|slot| slot.number < end) {
                all.entry((&subject.server, tool)).or_default().merge(&slot.latency);
            }
        }
        all
    }

    /// The time of the oldest slot that is kept, in milliseconds since the Unix epoch; `None` without any.
    pub fn oldest(&self) -> Option<i64> {
        self.series.values().filter_map(|series| series.slots.front()).map(|slot| slot.number * SLOT).min()
    }

    /// Figures of a whole server.
    pub fn server(&self, name: &str, window: Period, now: i64) -> Figures {
        let mut figures = Figures::default();
        for series in self.series.values().filter(|series| series.subject.server == name) {
            Self::sum(series, window, now, &mut figures);
        }
        figures
    }

    fn sum(series: &Series, window: Period, now: i64, figures: &mut Figures) {
        let end = now.div_euclid(SLOT);
        let begin = end - window.millis() / SLOT;
        figures.seconds = u64::try_from(window.millis() / 1_000).unwrap_or(0);
        let first = series.slots.partition_point(|slot| slot.number < begin);
        series.slots.range(first..).take_while(|slot| slot.number < end).for_each(|slot| figures.add(slot));
    }
}

#[cfg(test)]
mod tests;
