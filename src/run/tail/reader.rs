//! The tail's loop: takes what lanes and windows bring, passes lines on, and decides what is read next.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::lane::{GROUPS, Heard, Lane};
use super::pages::{Pages, Piece};
use super::{Gone, Inbound, Tail, TailEvent, now_millis};
use crate::cloud::ErrorKind;
use crate::core::logs::tail::{End, Follow};
use crate::core::logs::{Coverage, Dedup, Feed, Gap, Line, LogEvent, Rate, Reading, TailState, TailUpdate};

/// Most lines in one event.
const BATCH: usize = 1_000;
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
    groups: watch::Sender<Vec<String>>,
    session: LaneState,
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
    sent: u64,
    told: TailState,
    rate: (Rate, Instant),
}

impl TailReader {
    pub(super) fn new(tail: Tail, out: mpsc::Sender<TailEvent>) -> Self {
        let (to_me, inbox) = mpsc::channel(INBOX);
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
            sent: 0,
            told: TailState::Off,
            rate: (Rate::default(), Instant::now()),
        }
    }

    /// Runs until the tail ends, and returns why.
    pub(super) async fn run(&mut self) -> Result<End, Gone> {
        self.follow_groups(&self.tail.request.groups.clone());
        let mut tick = tokio::time::interval(self.tail.patience.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
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
                groups = changed(&mut self.tail.groups) => {
                    self.follow_groups(&groups);
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

    /// Follows these groups from now on: new ones join, the others leave.
    fn follow_groups(&mut self, wanted: &[String]) {
        let known: Vec<String> = self.coverage.groups().map(ToOwned::to_owned).collect();
        for gone in known.iter().filter(|group| !wanted.contains(group)) {
            self.coverage.remove(gone);
            for lane in self.lanes.values() {
                lane.groups.send_if_modified(|groups| {
                    let before = groups.len();
                    groups.retain(|group| group != gone);
                    groups.len() != before
                });
            }
        }
        let fresh: Vec<String> = wanted.iter().filter(|group| !known.contains(group)).cloned().collect();
        fresh.iter().for_each(|group| self.coverage.add(group));
        if self.tail.request.follow == Follow::Live {
            self.join_lanes(fresh);
            // A lane without groups ends, because the sender of its list is dropped.
            self.lanes.retain(|_, lane| !lane.groups.borrow().is_empty());
        }
    }

    fn join_lanes(&mut self, mut fresh: Vec<String>) {
        for lane in self.lanes.values() {
            let room = GROUPS.saturating_sub(lane.groups.borrow().len()).min(fresh.len());
            if room > 0 {
                let joining: Vec<String> = fresh.drain(..room).collect();
                lane.groups.send_modify(|groups| groups.extend(joining));
            }
        }
        for groups in fresh.chunks(GROUPS) {
            let id = self.lanes.last_key_value().map_or(0, |(id, _)| id + 1);
            let (sender, groups) = watch::channel(groups.to_vec());
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
                groups: sender,
                session: LaneState::Opening,
                reading: self.dedup.reading(),
                absent: Vec::new(),
                woken: Vec::new(),
                sampled: false,
            };
            self.lanes.insert(id, listener);
        }
    }

    fn read_what_is_due(&mut self) {
        let now = now_millis();
        if self.window.is_some() {
            return;
        }
        let Some(wanted) = self.coverage.due(now) else { return };
        let follows = self.tail.request.follow != Follow::No;
        let window = Pages {
            cloud: self.tail.cloud.clone(),
            wanted,
            // What is written meanwhile belongs to the next window, so that this one comes to an end.
            until: if follows { Some(now + self.tail.patience.pace.overlap) } else { self.tail.request.until },
            pattern: self.tail.request.pattern.clone(),
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
        let now = now_millis();
        let Some(lane) = self.lanes.get_mut(&id) else { return Ok(()) };
        match heard {
            Heard::Update(TailUpdate::Started { absent }) => {
                (lane.session, lane.reading, lane.sampled) = (LaneState::Open, self.dedup.reading(), false);
                for group in lane.groups.borrow().iter() {
                    self.coverage.feed(group, if absent.contains(group) { Feed::None } else { Feed::Whole }, now);
                }
                lane.absent = absent;
            }
            Heard::Update(TailUpdate::Events { events, sampled }) => {
                let newest = events.iter().map(|event| event.ingested).max();
                let doubtful = lane.reading.repeats(&events);
                let present: Vec<String> =
                    lane.groups.borrow().iter().filter(|group| !lane.absent.contains(group)).cloned().collect();
                for group in &present {
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
        let now = now_millis();
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        (lane.session, lane.sampled) = (session, false);
        for group in lane.groups.borrow().iter() {
            self.coverage.feed(group, Feed::None, now);
        }
    }

    /// Takes a piece of the window, which may be the last.
    async fn piece(&mut self, piece: Piece) -> Result<Option<End>, Gone> {
        let now = now_millis();
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
            Piece::Lost(group, at) => {
                let why = "more events in one millisecond than a page holds, and no token to go on";
                let gap = self.coverage.lost(&group, at, why);
                self.gap(Some(gap)).await?;
            }
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
                let gap = self.coverage.done(now);
                self.gap(gap).await?;
                return Ok((!follows).then_some(End::Window));
            }
            Piece::Failed(error) => {
                let gap = self.coverage.trouble(&error.message, now);
                self.gap(gap).await?;
                return Ok(Some(End::Failed(error)));
            }
        }
        Ok(None)
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
        self.sent += events.len() as u64;
        for batch in events.chunks(BATCH) {
            let lines = batch.iter().map(Line::decode).collect();
            self.send(TailEvent::Lines(lines)).await?;
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

    /// The state to show: of several that are true, the worst.
    fn state(&self) -> TailState {
        if let Some((why, wait)) = &self.stuck {
            return TailState::Reconnecting(why.clone(), *wait);
        }
        if self.coverage.loading() {
            // Counted by thousands, because each change of the state is a message.
            return TailState::Loading(self.sent / BATCH as u64 * BATCH as u64);
        }
        let broken = self.lanes.values().find_map(|lane| match &lane.session {
            LaneState::Broken(why, wait) => Some(TailState::Reconnecting(why.clone(), *wait)),
            _ => None,
        });
        let behind = self.coverage.behind(now_millis()).map(|behind| TailState::Lagging(behind / 1_000 * 1_000));
        let sampled = self.coverage.sampled().then_some(TailState::Sampled);
        broken.or(behind).or(sampled).unwrap_or_else(|| self.polled())
    }

    fn polled(&self) -> TailState {
        if self.tail.request.follow == Follow::Poll {
            return TailState::Polling("asked for".into());
        }
        let refused = self.lanes.values().find_map(|lane| match &lane.session {
            LaneState::Refused(why) => Some(format!("no live tail: {why}")),
            LaneState::Opening => Some("live tail is being opened".to_owned()),
            _ => None,
        });
        let absent = self.lanes.values().flat_map(|lane| &lane.absent).next();
        let absent = absent.map(|group| format!("{group} has no live tail, or is not there yet"));
        let polled = self.coverage.polled() > 0;
        let new = || polled.then(|| "live tail is being opened".to_owned());
        refused.or(absent).or_else(new).map_or(TailState::Live, TailState::Polling)
    }
}

/// Waits until the groups change, and returns them. Never returns if their sender is gone.
async fn changed(groups: &mut Option<watch::Receiver<Vec<String>>>) -> Vec<String> {
    if let Some(receiver) = groups
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    std::future::pending().await
}
