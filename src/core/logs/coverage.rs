//! What of each log group is known to be complete, and what must be read next.
//!
//! Every way to lose a line ends as the same debt: a group of which a stretch is *owed*. The history
//! is owed at first; a broken session, a sampled update and a poll owe what came since. A debt is
//! paid by a window that began after it was made and was read to its end. Live events only make
//! lines earlier.
//!
//! How far a group is complete is measured in the time at which the service took events, and a
//! window goes back from there by the overlap, because it is asked for by the time at which they
//! were written.

use std::collections::{BTreeMap, BTreeSet};

use super::Gap;

/// The tail's own times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How much later than it was written CloudWatch may take an event that is still found at once.
    pub overlap: i64,
    /// As `overlap`, for the deeper look that is taken now and then.
    pub deep: i64,
    /// Between two deeper looks at a group without a whole live session, and after a debt was paid.
    pub sweep: i64,
    /// Between two deeper looks at a group whose session is whole; less than `deep`.
    pub audit: i64,
    /// Between two windows of a group without a live session.
    pub poll: i64,
    /// Between two windows of a group whose session is sampled.
    pub catch_up: i64,
    /// Lag above which the operator is told.
    pub lag: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            overlap: 30_000,
            deep: 300_000,
            sweep: 60_000,
            audit: 240_000,
            poll: 2_000,
            catch_up: 1_000,
            lag: 10_000,
        }
    }
}

/// How a group's lines come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// A live session brings all of them.
    Whole,
    /// A live session brings some of them.
    Sampled,
    /// Windows alone.
    None,
}

/// A window to be read: log groups, each with the first millisecond wanted.
pub type DueWindow = Vec<(String, i64)>;

#[derive(Debug)]
struct Followed {
    feed: Feed,
    settled: i64,
    /// Number of its newest debt; `None`: it owes nothing.
    owed: Option<u64>,
    /// Since when it has owed something without a break, by the local clock.
    owed_at: i64,
    /// The window that is being read.
    window: Option<OpenWindow>,
    /// Nothing that was written and taken before this is read again, however deep the look.
    floor: i64,
    read_at: Option<i64>,
    sweep_at: i64,
    swept_for: bool,
    first: bool,
    /// It cannot be read, and the others go on without it.
    barred: Option<Barred>,
}

/// A group that cannot be read.
#[derive(Debug, Clone)]
struct Barred {
    gap: Gap,
    /// When it is tried again.
    until: i64,
    /// Nothing but a change of permissions or of the group will help.
    hopeless: bool,
}

/// A window of a group that is being read.
#[derive(Debug, Clone, Copy)]
struct OpenWindow {
    from: i64,
    /// Debt made up to this number is being paid.
    pays: u64,
    /// The latest of its events so far: written, and taken.
    come: Option<(i64, i64)>,
}

/// What is complete of each followed log group, and what must be read next.
///
/// Live sessions lose lines: they break, they are sampled, they begin late. So each loss is booked here
/// as a debt, and only a window of FilterLogEvents that began later and was read to its end pays it.
/// The tail reports what happens, asks [`Coverage::due`] for the next window, and learns from it when
/// to tell the operator of a gap. It reads nothing itself, so every order of events can be tested.
#[derive(Debug)]
pub struct Coverage {
    pace: Pace,
    from: i64,
    groups: BTreeMap<String, Followed>,
    /// Groups no longer followed, in their last state.
    left: BTreeMap<String, Followed>,
    debts: u64,
    started: i64,
    position: i64,
    gap: Option<Gap>,
    /// Groups of the gap that are not complete yet.
    unpaid: BTreeSet<String>,
    gaps: u64,
}

impl Coverage {
    /// No groups yet; everything from `from` on is wanted.
    pub fn new(pace: Pace, from: i64) -> Self {
        Self {
            pace,
            from,
            groups: BTreeMap::new(),
            left: BTreeMap::new(),
            debts: 0,
            started: 0,
            position: i64::MIN,
            gap: None,
            unpaid: BTreeSet::new(),
            gaps: 0,
        }
    }

    /// Follows a group from now on. Its history is owed; of one that comes back, what it missed.
    pub fn add(&mut self, group: &str) {
        let left = self.left.remove(group);
        // Of one that could not be read, the gap is still open; it is tried again at once.
        let barred = left.as_ref().and_then(|left| left.barred.clone()).map(|barred| Barred { until: 0, ..barred });
        let fresh = Followed {
            feed: Feed::None,
            settled: left.as_ref().map_or(self.from, |left| left.settled),
            owed: Some(self.debts),
            owed_at: self.from,
            window: None,
            floor: left.as_ref().map_or(self.from, |left| left.floor),
            read_at: None,
            sweep_at: i64::MAX,
            swept_for: false,
            first: left.is_none_or(|left| left.first),
            barred,
        };
        self.groups.entry(group.to_owned()).or_insert(fresh);
    }

    /// Follows a group no more.
    pub fn remove(&mut self, group: &str) {
        let left = self.groups.remove_entry(group);
        self.left.extend(left);
    }

    /// Notes how a group's lines come from now on. Every change makes a debt: what came before a
    /// session began, while it was sampled, or since it broke.
    pub fn feed(&mut self, group: &str, feed: Feed, now: i64) {
        self.debts += 1;
        let debts = self.debts;
        if let Some(group) = self.groups.get_mut(group) {
            if !group.owes() {
                group.owed_at = now;
            }
            group.feed = feed;
            group.owed = Some(debts);
        }
    }

    /// A whole session brought events; the newest of them was taken at this time.
    pub fn brought(&mut self, group: &str, newest_taken: i64) {
        if let Some(group) = self.groups.get_mut(group)
            && group.owed.is_none()
            && group.feed == Feed::Whole
        {
            group.settled = group.settled.max(newest_taken);
        }
    }

    /// The window to read now, if any. It must be answered by [`Coverage::done`] before the next.
    pub fn due(&mut self, now: i64) -> Option<DueWindow> {
        let pace = self.pace;
        let mut wanted = DueWindow::new();
        for (name, group) in &mut self.groups {
            if !group.due(&pace, now) {
                continue;
            }
            let deep = now >= group.sweep_at;
            let back = if deep { pace.deep } else { pace.overlap };
            group.swept_for = deep;
            let from = if group.first { group.floor } else { group.back(back) };
            group.window = Some(OpenWindow { from, pays: self.debts, come: None });
            group.read_at = Some(now);
            wanted.push((name.clone(), from));
        }
        (self.started, self.position) = (now, i64::MIN);
        (!wanted.is_empty()).then_some(wanted)
    }

    /// The window has been read up to an event written and taken at these times.
    pub fn read(&mut self, group: &str, written: i64, taken: i64) {
        // A writer's clock may be ahead.
        self.position = self.position.max(written.min(taken));
        if let Some(window) = self.groups.get_mut(group).and_then(|group| group.window.as_mut()) {
            let (latest, last) = window.come.unwrap_or((written, taken));
            window.come = Some((latest.max(written), last.max(taken)));
        }
    }

    /// The window was read to its end. Returns the gaps that this closes, of those that were told.
    pub fn done(&mut self, now: i64) -> Vec<Gap> {
        let (started, pace) = (self.started, self.pace);
        // A deeper look at many lines takes long, and must not take all of the time.
        let rest = (now - started) * 10;
        let (mut read, mut closed) = (BTreeSet::new(), Vec::new());
        for (name, group) in &mut self.groups {
            let Some(window) = group.window.take() else { continue };
            read.insert(name.clone());
            closed.extend(group.barred.take().map(|barred| Gap { closed: true, ..barred.gap }));
            let taken = window.come.map_or(i64::MIN, |(_, taken)| taken.min(started));
            group.settled = group.settled.max(taken).max(started - pace.overlap);
            group.first = false;
            group.owed_at = group.owed_at.max(started);
            let whole = group.feed == Feed::Whole;
            group.sweep_at = match group.swept_for {
                true if whole => started + pace.audit.max(rest),
                false if group.sweep_at < i64::MAX => group.sweep_at,
                _ => started + pace.sweep.max(rest),
            };
            if group.owed.is_some_and(|made| made <= window.pays) {
                group.owed = None;
            }
        }
        closed.extend(self.close(&read));
        closed
    }

    /// This group cannot be read, and the window goes on without it. It is tried again after `wait`
    /// milliseconds. Returns its gap, which is its own.
    pub fn bar(&mut self, name: &str, why: &str, now: i64, wait: i64, hopeless: bool) -> Option<Gap> {
        let overlap = self.pace.overlap;
        let id = self.gaps + 1;
        let group = self.groups.get_mut(name)?;
        let from = if group.first { group.floor } else { group.settled.saturating_sub(overlap).max(self.from) };
        let known = group.barred.take().map(|barred| barred.gap);
        let new = known.is_none();
        let gap = Gap { id, from, to: now, groups: vec![name.to_owned()], why: why.to_owned(), closed: false };
        let gap = known.map_or(gap.clone(), |known| Gap { id: known.id, from: known.from.min(from), ..gap });
        group.window = None;
        group.barred = Some(Barred { gap: gap.clone(), until: now.saturating_add(wait), hopeless });
        self.gaps += u64::from(new);
        Some(gap)
    }

    /// When the first group is tried again, if none can be read now.
    pub fn none_readable(&self) -> Option<i64> {
        let until = |group: &Followed| group.barred.as_ref().map(|barred| barred.until);
        let all: Option<Vec<i64>> = self.groups.values().map(until).collect();
        all?.into_iter().min()
    }

    /// Whether no group can be read, and waiting will not help.
    pub fn hopeless(&self) -> bool {
        let hopeless = |group: &Followed| group.barred.as_ref().is_some_and(|barred| barred.hopeless);
        !self.groups.is_empty() && self.groups.values().all(hopeless)
    }

    /// The clock by which `now` was told was wrong by so much: it is set forward, or back.
    pub fn set_clock(&mut self, by: i64) {
        for group in self.groups.values_mut().chain(self.left.values_mut()) {
            // Nothing is complete up to a time that is still to come.
            group.settled = group.settled.saturating_add(by.min(0));
            group.owed_at = group.owed_at.saturating_add(by);
            group.read_at = group.read_at.map(|at| at.saturating_add(by));
            group.sweep_at = group.sweep_at.saturating_add(by);
        }
        self.started = self.started.saturating_add(by);
    }

    /// The window cannot be read on. Returns the gap if it is new, or has grown: to more groups, or
    /// noticeably longer.
    pub fn trouble(&mut self, why: &str, now: i64) -> Option<Gap> {
        let owing: Vec<(&String, &Followed)> =
            self.groups.iter().filter(|(_, group)| group.owes() && group.barred.is_none()).collect();
        let from = owing.iter().map(|(_, group)| group.settled).min()?.max(self.position).min(now);
        // Events may have been written earlier than they were taken.
        let from = if from > self.from { (from - self.pace.overlap).max(self.from) } else { from };
        let groups: BTreeSet<String> = owing.into_iter().map(|(name, _)| name.clone()).collect();
        let known = self.gap.take();
        let told = known.as_ref().is_some_and(|gap| groups.is_subset(&self.unpaid) && now - gap.to < self.pace.sweep);
        self.gaps += u64::from(known.is_none());
        self.unpaid.extend(groups);
        let gap = match known {
            Some(gap) if told => gap,
            Some(gap) => Gap { from: gap.from.min(from), to: now, ..gap },
            None => Gap { id: self.gaps, from, to: now, groups: Vec::new(), why: why.to_owned(), closed: false },
        };
        let gap = Gap { groups: self.unpaid.iter().cloned().collect(), ..gap };
        self.gap = Some(gap.clone());
        (!told).then_some(gap)
    }

    /// Closes the gap when each of its groups owes nothing, or was read since the gap was told.
    fn close(&mut self, paid: &BTreeSet<String>) -> Option<Gap> {
        let gap = self.gap.take()?;
        let since = self.started >= gap.to;
        let groups = &self.groups;
        self.unpaid.retain(|name| {
            let owes = groups.get(name).is_some_and(Followed::owes);
            owes && !(since && paid.contains(name))
        });
        if self.unpaid.is_empty() {
            return Some(Gap { closed: true, ..gap });
        }
        self.gap = Some(gap);
        None
    }

    /// Makes a gap of a stretch that can never be read.
    pub fn lost(&mut self, group: &str, at: i64, why: &str) -> Gap {
        self.gaps += 1;
        Gap { id: self.gaps, from: at, to: at, groups: vec![group.to_owned()], why: why.to_owned(), closed: false }
    }

    /// How far the screen lags behind, in milliseconds, if by more than [`Pace::lag`].
    pub fn behind(&self, now: i64) -> Option<u64> {
        let owing = self.groups.values().filter(|group| group.owes() && !group.first && group.barred.is_none());
        let reached = owing.map(|group| group.settled.max(group.owed_at)).min()?.max(self.position);
        let behind = now - reached;
        (behind > self.pace.lag).then(|| u64::try_from(behind).unwrap_or(0))
    }

    /// Whether some group's history is still being read.
    pub fn loading(&self) -> bool {
        self.groups.values().any(|group| group.first && group.barred.is_none())
    }

    /// Whether any group's session is sampled.
    pub fn sampled(&self) -> bool {
        self.groups.values().any(|group| group.feed == Feed::Sampled)
    }

    /// Groups whose lines come by windows alone.
    pub fn polled(&self) -> usize {
        self.groups.values().filter(|group| group.feed == Feed::None && group.barred.is_none()).count()
    }

    /// Groups that are followed.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// For each group, the time before which nothing is read again: written and taken.
    pub fn horizons(&self) -> impl Iterator<Item = (&str, i64)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group.horizon(&self.pace)))
    }

    /// As [`Coverage::horizons`], for what a session brought or a window has read: neither brings
    /// an event twice so far apart.
    pub fn recent(&self) -> impl Iterator<Item = (&str, i64)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group.recent(&self.pace)))
    }

    /// Stops looking deeper at a group than necessary, because the memory of shown events is full.
    /// Returns its horizon from now on.
    pub fn give_up_depth(&mut self, group: &str) -> Option<i64> {
        let (started, overlap) = (self.started, self.pace.overlap);
        let group = self.groups.get_mut(group)?;
        // Where the next window begins at the latest, if this one is read to its end.
        let next = group.settled.max(if group.window.is_some() { started - overlap } else { i64::MIN }) - overlap;
        let needed = if group.first && group.window.is_none() { group.floor } else { next };
        let needed = needed.min(group.recent(&self.pace));
        group.floor = group.floor.max(needed);
        Some(group.floor)
    }
}

impl Followed {
    /// Where a window begins that reaches so far back from the point up to which the group is complete.
    fn back(&self, back: i64) -> i64 {
        self.settled.saturating_sub(back).max(self.floor)
    }

    fn horizon(&self, pace: &Pace) -> i64 {
        let next = if self.first { self.floor } else { self.back(pace.deep) };
        self.window.map_or(next, |window| window.from.max(self.floor).min(next))
    }

    fn recent(&self, pace: &Pace) -> i64 {
        match self.window {
            // If it is refused half-way, reading goes on from its latest event.
            Some(window) => window.come.map_or(window.from, |(written, _)| written - pace.overlap),
            None => self.settled.saturating_sub(pace.overlap),
        }
    }

    fn owes(&self) -> bool {
        self.owed.is_some() || self.feed == Feed::None
    }

    fn due(&self, pace: &Pace, now: i64) -> bool {
        if self.barred.as_ref().is_some_and(|barred| now < barred.until) {
            return false;
        }
        let Some(read_at) = self.read_at else { return true };
        let since = now - read_at;
        match self.feed {
            Feed::None => since >= pace.poll,
            Feed::Sampled => self.owed.is_some() && since >= pace.catch_up,
            Feed::Whole => self.owed.is_some() || now >= self.sweep_at,
        }
    }
}

#[cfg(test)]
mod tests;
