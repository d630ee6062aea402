//! The tail's loop: takes what lanes and windows bring, passes lines on, and decides what is read next.

mod state;

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::lane::{GROUPS, Heard, Lane};
use super::pages::{Loss, Pages, Piece, Unreadable};
use super::{Gone, Inbound, Tail, TailEvent, now_millis};
use crate::cloud::{CloudError, ErrorKind};
use crate::core::logs::tail::{End, Follow};
use crate::core::logs::{Coverage, Dedup, Feed, Followed, Gap, LogEvent, Rate, Reading, TailState, group};

/// Most lines in one event.
const BATCH: usize = 1_000;
/// Most live sessions that are held: AWS bills each by the minute, and an account has few.
pub(super) const SESSIONS: usize = 3;
/// How far ahead of its own clock CloudWatch takes events, in milliseconds (API reference, PutLogEvents).
const AHEAD: i64 = 2 * 60 * 60 * 1_000;
/// How many messages lanes and the window may send before they must wait.
const INBOX: usize = 64;

/// The state of a lane's session.
enum LaneState {
    /// Not open yet.
    Opening,
    Open,
    /// Why it broke, and after how many milliseconds it is tried again.
    Broken(String, u64),
    Refused(String),
}

/// What the reader knows of a lane.
struct Listener {
    /// Where its groups are; `None` is the console's own region.
    region: Option<String>,
    groups: watch::Sender<Vec<String>>,
    session: LaneState,
    /// Groups of the session that is open.
    covered: Vec<String>,
    /// Why groups that joined have no session.
    not_joined: Option<String>,
    reading: Reading,
    /// Groups whose lines the session does not bring.
    absent: Vec<String>,
    /// Groups for which a new session was tried already.
    woken: Vec<String>,
    sampled: bool,
}

/// The state of a tail that is being followed.
pub(super) struct TailReader {
    tail: Tail,
    out: mpsc::Sender<TailEvent>,
    inbox: mpsc::Receiver<Inbound>,
    /// Given to the tasks that are spawned.
    to_me: mpsc::Sender<Inbound>,
    tasks: JoinSet<()>,
    coverage: Coverage,
    dedup: Dedup,
    lanes: BTreeMap<usize, Listener>,
    /// The window that is being read.
    window: Option<Reading>,
    stuck: Option<(String, u64)>,
    /// Groups of which it was told that they do not exist.
    missing: BTreeSet<String>,
    /// Groups without a live session, because there are too many.
    polled: usize,
    /// Milliseconds that were told as lost, with those that must not be asked for again.
    lost: BTreeSet<(String, i64)>,
    unreadable: Unreadable,
    /// Why the first group could not be read, if none can.
    barred: Option<CloudError>,
    /// How far AWS's clock is ahead of ours, as it is reckoned with.
    ahead: i64,
    sent: u64,
    told: TailState,
    rate: (Rate, Instant),
}

impl TailReader {
    pub(super) fn new(tail: Tail, out: mpsc::Sender<TailEvent>) -> Self {
        let (to_me, inbox) = mpsc::channel(INBOX);
        let ahead = tail.cloud.ahead();
        let coverage = Coverage::new(tail.patience.pace, tail.request.from);
        // So fine that little more is remembered than needed.
        let dedup = Dedup::new((tail.patience.pace.overlap / 8).max(1));
        Self {
            tail,
            out,
            inbox,
            to_me,
            tasks: JoinSet::new(),
            coverage,
            dedup,
            lanes: BTreeMap::new(),
            window: None,
            stuck: None,
            missing: BTreeSet::new(),
            polled: 0,
            lost: BTreeSet::new(),
            unreadable: Unreadable::new(),
            barred: None,
            ahead,
            sent: 0,
            told: TailState::Off,
            rate: (Rate::default(), Instant::now()),
        }
    }

    /// Runs until the tail ends, and returns why.
    pub(super) async fn run(&mut self) -> Result<End, Gone> {
        self.follow_groups(&self.tail.request.sources.clone());
        let mut tick = tokio::time::interval(self.tail.patience.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.set_clock();
            self.read_what_is_due();
            self.tell_state().await?;
            let end = tokio::select! {
                input = self.inbox.recv() => match input {
                    Some(Inbound::Heard(lane, heard)) => {
                        self.heard(lane, heard).await?;
                        None
                    }
                    Some(Inbound::Read(piece)) => self.piece(piece).await?,
                    None => None,
                },
                sources = changed(&mut self.tail.changes) => {
                    self.follow_groups(&sources);
                    None
                }
                _ = tick.tick() => {
                    self.tell_rate().await?;
                    self.forget();
                    None
                }
                () = self.out.closed() => return Err(Gone),
            };
            while self.tasks.try_join_next().is_some() {}
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// The time by AWS's clock, in milliseconds: windows are asked for by it, and lines bear it.
    fn now(&self) -> i64 {
        now_millis() + self.ahead
    }

    /// Takes notice of how far the clocks differ.
    fn set_clock(&mut self) {
        let ahead = self.tail.cloud.ahead();
        // An answer's time is not exact.
        if (ahead - self.ahead).abs() > 2_000 {
            self.coverage.set_clock(ahead - self.ahead);
            self.ahead = ahead;
        }
    }

    /// Follows these groups from now on: new ones join, the others leave.
    fn follow_groups(&mut self, sources: &Followed) {
        let wanted = &sources.groups;
        self.tail.request.sources.owners = sources.owners.clone();
        let known: Vec<String> = self.coverage.groups().map(ToOwned::to_owned).collect();
        for gone in known.iter().filter(|group| !wanted.contains(group)) {
            self.coverage.remove(gone);
            for lane in self.lanes.values_mut() {
                lane.groups.send_if_modified(|groups| {
                    let before = groups.len();
                    groups.retain(|group| group != gone);
                    groups.len() != before
                });
            }
        }
        wanted.iter().filter(|group| !known.contains(group)).for_each(|group| self.coverage.add(group));
        if self.tail.request.follow == Follow::Live {
            // A lane without groups ends, because the sender of its list is dropped.
            self.lanes.retain(|_, lane| !lane.groups.borrow().is_empty());
            let in_lane = |group: &&String| self.lanes.values().any(|lane| lane.groups.borrow().contains(group));
            let fresh: Vec<String> = wanted.iter().filter(|group| !in_lane(group)).cloned().collect();
            self.join_lanes(fresh);
        }
    }

    fn join_lanes(&mut self, fresh: Vec<String>) {
        let mut regions: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        for id in fresh {
            regions.entry(group::parts(&id).0.map(str::to_owned)).or_default().push(id);
        }
        self.polled = 0;
        for (region, mut fresh) in regions {
            for lane in self.lanes.values().filter(|lane| lane.region == region) {
                let room = GROUPS.saturating_sub(lane.groups.borrow().len()).min(fresh.len());
                if room > 0 {
                    let joining: Vec<String> = fresh.drain(..room).collect();
                    lane.groups.send_modify(|groups| groups.extend(joining));
                }
            }
            for groups in fresh.chunks(GROUPS) {
                if self.lanes.len() < SESSIONS {
                    self.open_lane(region.clone(), groups.to_vec());
                } else {
                    self.polled += groups.len();
                }
            }
        }
    }

    fn open_lane(&mut self, region: Option<String>, groups: Vec<String>) {
        let id = self.lanes.last_key_value().map_or(0, |(id, _)| id + 1);
        let (sender, groups) = watch::channel(groups);
        let lane = Lane {
            id,
            cloud: self.tail.cloud.clone(),
            groups,
            pattern: self.tail.request.pattern.clone(),
            patience: self.tail.patience,
            out: self.to_me.clone(),
        };
        self.tasks.spawn(lane.run());
        let listener = Listener {
            region,
            groups: sender,
            session: LaneState::Opening,
            covered: Vec::new(),
            not_joined: None,
            reading: self.dedup.reading(),
            absent: Vec::new(),
            woken: Vec::new(),
            sampled: false,
        };
        self.lanes.insert(id, listener);
    }

    fn read_what_is_due(&mut self) {
        let now = self.now();
        if self.window.is_some() {
            return;
        }
        let Some(wanted) = self.coverage.due(now) else { return };
        let follows = self.tail.request.follow != Follow::No;
        let window = Pages {
            cloud: self.tail.cloud.clone(),
            wanted,
            // As late as CloudWatch takes events: writers' clocks may be ahead.
            until: if follows { Some(now + AHEAD) } else { self.tail.request.until },
            pattern: self.tail.request.pattern.clone(),
            owners: self.tail.request.sources.owners.clone(),
            unreadable: self.unreadable.clone(),
            missing: self.missing.clone(),
            budget: self.tail.budget.clone(),
            patience: self.tail.patience,
            attempts: if follows { u32::MAX } else { self.tail.patience.attempts },
            out: self.to_me.clone(),
        };
        self.window = Some(self.dedup.reading());
        self.tasks.spawn(window.run());
    }

    /// Takes what a lane reports.
    async fn heard(&mut self, id: usize, heard: Heard) -> Result<(), Gone> {
        let now = self.now();
        let Some(lane) = self.lanes.get_mut(&id) else { return Ok(()) };
        match heard {
            Heard::Opened { groups, absent } => {
                (lane.session, lane.reading, lane.sampled) = (LaneState::Open, self.dedup.reading(), false);
                lane.not_joined = None;
                // A group that joined the lane while the session was being opened is not in it.
                for group in lane.groups.borrow().iter() {
                    let here = groups.contains(group) && !absent.contains(group);
                    self.coverage.feed(group, if here { Feed::Whole } else { Feed::None }, now);
                }
                (lane.covered, lane.absent) = (groups, absent);
            }
            Heard::Events { events, sampled, late } => {
                let newest = events.iter().map(|event| event.ingested).max();
                // That this process was slow says nothing of how much is written: it is owed, and the state stays.
                let doubtful = lane.reading.repeats(&events) || late;
                let followed = lane.groups.borrow().clone();
                for group in
                    lane.covered.iter().filter(|group| followed.contains(group) && !lane.absent.contains(group))
                {
                    if sampled || lane.sampled || doubtful {
                        self.coverage.feed(group, if sampled { Feed::Sampled } else { Feed::Whole }, now);
                    } else if let Some(newest) = newest {
                        self.coverage.brought(group, newest);
                    }
                }
                lane.sampled = sampled;
                // Equal events in one update are different events.
                let fresh = self.dedup.fresh(&mut self.dedup.reading(), events);
                self.emit(fresh).await?;
            }
            Heard::NotJoined(error) => lane.not_joined = Some(error.message),
            Heard::Broken(error, wait) => {
                let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                self.without_session(id, LaneState::Broken(error.message, wait));
            }
            Heard::Refused(error) => {
                if error.kind == ErrorKind::NotFound {
                    lane.absent.clone_from(&lane.groups.borrow());
                }
                self.without_session(id, LaneState::Refused(error.message));
            }
        }
        Ok(())
    }

    fn without_session(&mut self, id: usize, session: LaneState) {
        let now = self.now();
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        (lane.session, lane.sampled, lane.not_joined) = (session, false, None);
        lane.covered.clear();
        for group in lane.groups.borrow().iter() {
            self.coverage.feed(group, Feed::None, now);
        }
    }

    /// Takes a piece of the window, which may be the last.
    async fn piece(&mut self, piece: Piece) -> Result<Option<End>, Gone> {
        let now = self.now();
        let follows = self.tail.request.follow != Follow::No;
        match piece {
            Piece::Events(events) => {
                for event in &events {
                    self.coverage.read(&event.group, event.timestamp, event.ingested);
                }
                self.wake_absent(&events);
                let reading = self.window.get_or_insert_with(|| self.dedup.reading());
                let fresh = self.dedup.fresh(reading, events);
                self.emit(fresh).await?;
            }
            Piece::Again => self.window = Some(self.dedup.reading()),
            Piece::NoGroup(group) => {
                if self.missing.insert(group.clone()) {
                    self.send(TailEvent::Missing(group)).await?;
                }
            }
            Piece::Appeared(group) => {
                self.missing.remove(&group);
                self.send(TailEvent::Appeared(group)).await?;
            }
            Piece::Lost(group, at, loss) => self.lost(group, at, loss).await?,
            Piece::Barred(group, error) => self.bar(&group, error).await?,
            Piece::Stuck(error, failures, wait) => {
                self.stuck = Some((format!("cannot read what is missing: {error}"), wait));
                if failures > 1 {
                    let gap = self.coverage.trouble(&error.message, now);
                    self.gap(gap).await?;
                }
            }
            Piece::Moving => self.stuck = None,
            Piece::Done => {
                (self.window, self.stuck) = (None, None);
                for gap in self.coverage.done(now) {
                    self.gap(Some(gap)).await?;
                }
                let failed = self.barred.take_if(|_| self.coverage.hopeless()).map(End::Failed);
                return Ok(failed.or((!follows).then_some(End::Window)));
            }
            Piece::Failed(error) => {
                let gap = self.coverage.trouble(&error.message, now);
                self.gap(gap).await?;
                return Ok(Some(End::Failed(error)));
            }
        }
        Ok(None)
    }

    /// Tells once that a millisecond cannot be read.
    async fn lost(&mut self, group: String, at: i64, loss: Loss) -> Result<(), Gone> {
        if loss == Loss::Unparsed {
            self.unreadable.entry(group.clone()).or_default().insert(at);
        }
        if !self.lost.insert((group.clone(), at)) {
            return Ok(());
        }
        let gap = self.coverage.lost(&group, at, loss.words());
        self.gap(Some(gap)).await
    }

    /// A group cannot be read. It is a gap of its own, and is tried again later; the others go on.
    async fn bar(&mut self, group: &str, error: CloudError) -> Result<(), Gone> {
        let now = self.now();
        let hopeless = !error.retryable();
        let wait = if hopeless { self.tail.patience.refused } else { self.tail.patience.longest_wait };
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let gap = self.coverage.bar(group, &error.to_string(), now, wait, hopeless);
        self.stuck = None;
        self.barred = Some(error);
        self.gap(gap).await
    }

    /// If a group that was missing from its session has lines now, its lane opens a new session. That is
    /// done once for each group: one that is missing again has a class without live tail.
    fn wake_absent(&mut self, events: &[LogEvent]) {
        for lane in self.lanes.values_mut() {
            let new =
                |group: &&String| !lane.woken.contains(group) && events.iter().any(|event| event.group == **group);
            let here: Vec<String> = lane.absent.iter().filter(new).cloned().collect();
            if !here.is_empty() {
                lane.woken.extend(here);
                lane.groups.send_modify(|_| {});
            }
        }
    }

    async fn emit(&mut self, events: Vec<LogEvent>) -> Result<(), Gone> {
        for batch in events.chunks(BATCH) {
            let owners = &self.tail.request.sources.owners;
            let lines: Vec<_> = batch.iter().filter_map(|event| owners.line(event)).collect();
            if !lines.is_empty() {
                self.sent += lines.len() as u64;
                self.send(TailEvent::Lines(lines)).await?;
            }
        }
        Ok(())
    }

    async fn gap(&self, gap: Option<Gap>) -> Result<(), Gone> {
        match gap {
            Some(gap) => self.send(TailEvent::Gap(gap)).await,
            None => Ok(()),
        }
    }

    async fn send(&self, event: TailEvent) -> Result<(), Gone> {
        self.out.send(event).await.map_err(|_| Gone)
    }

    fn forget(&mut self) {
        for (group, horizon) in self.coverage.horizons() {
            self.dedup.forget(group, horizon);
        }
        let readings = self.window.iter_mut().chain(self.lanes.values_mut().map(|lane| &mut lane.reading));
        for reading in readings {
            self.coverage.recent().for_each(|(group, before)| reading.forget(group, before));
        }
        for group in self.dedup.largest() {
            if self.dedup.len() <= self.tail.patience.remembered {
                return;
            }
            if let Some(before) = self.coverage.give_up_depth(&group) {
                self.dedup.forget(&group, before);
            }
        }
    }

    async fn tell_rate(&mut self) -> Result<(), Gone> {
        let (told, at) = self.rate;
        let rate = self.tail.budget.rate();
        if rate != told && at.elapsed().as_secs() >= 1 {
            self.rate = (rate, Instant::now());
            self.send(TailEvent::Rate(rate)).await?;
        }
        Ok(())
    }

    async fn tell_state(&mut self) -> Result<(), Gone> {
        let state = self.state();
        if state != self.told {
            self.told.clone_from(&state);
            self.send(TailEvent::State(state)).await?;
        }
        Ok(())
    }
}

/// Waits until the groups change, and returns them. Never returns if their sender is gone.
async fn changed(changes: &mut Option<watch::Receiver<Followed>>) -> Followed {
    if let Some(receiver) = changes
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    std::future::pending().await
}
