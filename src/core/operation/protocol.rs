//! The protocol of every write, as a state machine: events in, effects out.

mod advance;
mod answers;
mod stands;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use super::announcement::Announcement;
use super::fact::Facts;
use super::intent::Intent;
use super::offer::Offer;
use super::record::{Entry, Note, Outcome, Record};
use super::rescue::By;
use super::work::{Applied, BoardCall, Call, Changed, Check, CheckState, SecretCall, Step, Work};
use crate::core::error::CloudError;
use crate::core::plan::{Confirm, Plan};

/// Permission to make one call: planned, confirmed by the operator, and recorded in the audit.
///
/// The cloud's only writing method takes nothing else, and the fields are private, so no code outside
/// this module can write to AWS. It is made in one place, after the audit has the start of the step on
/// disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    operation: String,
    call: Call,
    again: bool,
}

impl Approved {
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Id of the operation that it belongs to.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Whether it may have been sent before. What it would make may be there already, and is ours then.
    pub fn again(&self) -> bool {
        self.again
    }
}

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The plan is shown; nothing has happened.
    Proposed,
    /// Confirmed; the audit is being written.
    Recording,
    /// Steps are being done.
    Running,
    /// Steps have shown more than was confirmed; the operator is asked again.
    Consent(Question),
    /// It was left, or waits, and the operator is asked whether and how to go on.
    Offered {
        offer: Offer,
        /// Where it stands if the operator says no: paused, or running.
        back: Box<Phase>,
    },
    /// Left unfinished. It can be resumed.
    Paused {
        /// The step that caused it, if one did.
        step: Option<usize>,
        /// The reason, in words.
        why: String,
    },
    Ended(Outcome),
    /// It was refused before anything happened; the reason.
    Refused(String),
}

/// What the operator is asked in the middle of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Change sets made after the plan replace or remove these. It asks for a name to type, as a plan does that
    /// shows such a thing.
    Destroys { what: Vec<String>, confirm: Confirm },
    /// Something is not as the plan showed it.
    Changed(Changed),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destroys { what, .. } => {
                write!(f, "the change set shows what the plan could not: it replaces or removes {}", what.join(", "))
            }
            Self::Changed(changed) => changed.fmt(f),
        }
    }
}

/// How far a step in progress is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its start is being written to the audit.
    Recording,
    /// The call is under way.
    Sent,
    /// The condition is being read.
    Reading,
    /// The outcome of the call is unknown: it is sent again.
    Settling,
}

/// A step in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Since when.
    pub since: Timestamp,
    /// How far it is.
    pub stage: Stage,
    /// How it stands, in words, where there is more to say than the stage.
    pub note: Option<String>,
    /// How often its outcome was unknown, or the service asked to slow down, so far.
    pub attempts: u32,
    /// Whether the service asked to slow down at the last attempt.
    pub throttled: bool,
}

impl Progress {
    fn begin(stage: Stage, since: Timestamp) -> Self {
        Self { since, stage, note: None, attempts: 0, throttled: false }
    }

    /// How it stands, in words.
    pub fn words(&self) -> &str {
        self.note.as_deref().unwrap_or(match self.stage {
            Stage::Recording => "recording",
            Stage::Sent => "sent",
            Stage::Reading => "reading",
            Stage::Settling => "settling",
        })
    }
}

/// A write from its plan to its end, as a state machine.
///
/// It does no I/O: the driver passes each [`Event`] to [`Operation::handle`], carries out the
/// [`Order`]s that come back, and reports what came of them as further events. Console and command
/// line drive the same machine, and tests drive it without a cloud. After a crash it is rebuilt from
/// the audit, paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub plan: Plan,
    pub phase: Phase,
    /// Steps that are done, with a note each.
    pub done: BTreeMap<usize, Note>,
    pub running: BTreeMap<usize, Progress>,
    /// Steps that failed, with the reason. After a failure no step begins; those under way may finish.
    pub failed: BTreeMap<usize, String>,
    /// Those of them that failed because somebody has wanted so.
    cancelled: BTreeMap<usize, By>,
    /// When it was confirmed.
    pub started: Option<Timestamp>,
    /// When it was last left or ended.
    pub finished: Option<Timestamp>,
    /// Whether the console may only look.
    pub read_only: bool,
    /// What it has learnt, and the steps computed from that.
    facts: Facts,
    steps: Vec<Step>,
    consented: BTreeSet<String>,
    /// Steps whose call found something that is not as the plan showed it.
    changed: BTreeMap<usize, Changed>,
    /// Steps whose call may have been sent.
    begun: BTreeSet<usize>,
    /// Whether the audit has the intent on disk.
    audited: bool,
}

/// What happens to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The operator answered the question of the plan, or of a [`Phase::Consent`].
    Answer(String),
    /// The operator said no.
    Refuse(String),
    /// The audit has the record on disk.
    Recorded(Mark),
    /// The audit could not be written; the reason.
    NotRecorded(String),
    /// A step has news.
    Step { step: usize, news: News },
    /// The operator, or the end of the process, leaves it unfinished; the reason.
    Leave(String),
    /// The operator wants to go on with it, or to give it up, and is asked. One that another process has
    /// ended is ended here, too; the audit has that already.
    Offer(Offer),
}

/// Which record the audit has on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Intent,
    /// The start of a step.
    Started(usize),
    /// A record that nothing waits for.
    Other,
}

/// News of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// What came of a call.
    Applied(Applied),
    Failed(CloudError),
    /// A condition was read, and these facts with it.
    Checked(CheckState, Facts),
    /// A condition could not be read this time.
    Unread(CloudError),
}

/// What the operation wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Append to the audit, sync, and answer [`Event::Recorded`] with the mark.
    Record(Box<Record>, Mark),
    /// Carry out, and answer [`Event::Step`]; so many seconds from now.
    Apply(usize, Box<Approved>, u32),
    /// Read once, and answer [`Event::Step`]; `delay` seconds from now.
    Check(usize, Check, u32),
    /// Carry out for the eyes of colleagues. Nothing waits for it, and if it fails, nothing is lost.
    Tell(Box<Approved>),
    /// Discard the drafts of a refused plan.
    Discard,
}

impl Operation {
    /// An operation that waits for its confirmation. In read-only mode it can only be looked at.
    pub fn propose(plan: Plan, read_only: bool) -> Self {
        Self {
            read_only,
            facts: plan.facts.clone(),
            steps: plan.intent.steps(&plan.id, &plan.facts),
            plan,
            phase: Phase::Proposed,
            done: BTreeMap::new(),
            running: BTreeMap::new(),
            failed: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            started: None,
            finished: None,
            consented: BTreeSet::new(),
            changed: BTreeMap::new(),
            begun: BTreeSet::new(),
            audited: false,
        }
    }

    /// An operation as the audit left it: paused, to be resumed.
    pub fn restore(plan: Plan, started: Timestamp, why: String) -> Self {
        let phase = Phase::Paused { step: None, why };
        Self { phase, started: Some(started), audited: true, ..Self::propose(plan, false) }
    }

    /// Notes that a step's call may have been sent, while the operation is rebuilt from the audit.
    pub fn was_begun(&mut self, step: usize) {
        self.begun.insert(step);
    }

    /// Notes what the operator agreed to, while the operation is rebuilt from the audit.
    pub fn was_agreed(&mut self, facts: Facts) {
        self.learn(facts);
    }

    /// Marks a step as done while the operation is rebuilt from the audit.
    pub fn was_done(&mut self, step: usize, facts: Facts, note: Note) {
        self.learn(facts);
        self.done.insert(step, note);
    }

    pub fn id(&self) -> &str {
        &self.plan.id
    }

    /// Its steps, with what is known now.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What it has learnt.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How it ended, once all steps are done.
    pub fn proof(&self) -> String {
        let unproven = self.done.values().filter_map(|note| match note {
            Note::Unproven(words) => Some(words.as_str()),
            Note::Done | Note::Told(_) => None,
        });
        let unproven: Vec<&str> = unproven.collect();
        if unproven.is_empty() {
            "done and verified".to_owned()
        } else {
            format!("done, but not all of it could be verified: {}", unproven.join("; "))
        }
    }

    fn learn(&mut self, facts: Facts) {
        self.facts.extend(facts);
        self.steps = self.plan.intent.steps(&self.plan.id, &self.facts);
    }

    fn work(&self, step: usize) -> Option<&Work> {
        self.steps.get(step).map(|step| &step.work)
    }

    fn title(&self, step: usize) -> String {
        self.steps.get(step).map(|step| step.title.clone()).unwrap_or_default()
    }

    /// Whether it stopped because of this step, alone or among others.
    pub fn stopped_at(&self, index: usize) -> bool {
        let named = match &self.phase {
            Phase::Ended(Outcome::Failed { index, .. } | Outcome::Cancelled { index, .. }) => *index,
            Phase::Paused { step, .. } => *step,
            _ => None,
        };
        named == Some(index) || self.failed.contains_key(&index)
    }

    /// Whether a call is under way whose answer is not known yet.
    pub fn writing(&self) -> bool {
        self.running.keys().any(|index| matches!(self.work(*index), Some(Work::Apply(_))))
    }

    /// Whether anything is, or may be, going on.
    pub fn active(&self) -> bool {
        match &self.phase {
            Phase::Recording | Phase::Running | Phase::Consent(_) => true,
            Phase::Offered { back, .. } => **back == Phase::Running,
            _ => false,
        }
    }

    /// Whether it waits for an answer of the operator.
    pub fn asks(&self) -> bool {
        matches!(self.phase, Phase::Proposed | Phase::Consent(_) | Phase::Offered { .. })
    }

    /// How what is asked now is confirmed.
    pub fn confirm(&self) -> &Confirm {
        match &self.phase {
            // It changes nothing in the cloud.
            Phase::Offered { offer, .. } if !offer.standing.resumable() => &Confirm::Yes,
            Phase::Consent(
                Question::Changed(Changed { confirm: Some(confirm), .. }) | Question::Destroys { confirm, .. },
            ) => confirm,
            _ => &self.plan.confirm,
        }
    }

    /// Whether the call of this step may have been sent.
    pub fn was_sent(&self, step: usize) -> bool {
        self.begun.contains(&step)
    }

    /// Whether a step that writes is done.
    fn has_written(&self) -> bool {
        self.done.keys().any(|index| matches!(self.work(*index), Some(Work::Apply(_))))
    }

    /// Ends a rotation that another operation has taken back.
    pub fn undone(&mut self, by: &str, now: Timestamp) {
        self.phase = Phase::Ended(Outcome::Undone { by: by.to_owned() });
        self.finished = Some(now);
    }

    /// Takes an event and returns what is to be done.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Order> {
        match (&self.phase, event) {
            (Phase::Proposed, Event::Answer(_)) if self.read_only => {
                self.phase = Phase::Refused("read-only mode: nothing was done".into());
                vec![Order::Discard]
            }
            (Phase::Proposed, Event::Answer(answer)) if self.confirm().accepts(&answer) => {
                self.phase = Phase::Recording;
                self.started = Some(now);
                vec![self.record_intent(now)]
            }
            (Phase::Proposed, Event::Refuse(reason) | Event::Leave(reason)) => {
                self.phase = Phase::Refused(reason);
                vec![Order::Discard]
            }
            (Phase::Recording, Event::Recorded(Mark::Intent)) => {
                self.audited = true;
                self.phase = Phase::Running;
                let mut orders = self.announced(now);
                orders.extend(self.advance(now));
                orders
            }
            (Phase::Paused { .. }, Event::Recorded(Mark::Intent)) => {
                self.audited = true;
                Vec::new()
            }
            (Phase::Recording, Event::NotRecorded(reason)) => {
                self.phase = Phase::Refused(format!("the audit could not be written, so nothing was done: {reason}"));
                vec![Order::Discard]
            }
            // While the operator is asked again, steps under way go on, and none begins.
            (Phase::Running | Phase::Consent(_) | Phase::Offered { .. }, Event::Recorded(Mark::Started(step))) => {
                self.send(step, now)
            }
            (Phase::Running | Phase::Consent(_), Event::NotRecorded(reason)) => {
                self.pause(now, None, format!("the audit could not be written: {reason}"))
            }
            (Phase::Running | Phase::Consent(_) | Phase::Offered { .. }, Event::Step { step, news }) => {
                self.step_news(step, news, now)
            }
            (Phase::Consent(question), Event::Answer(answer)) if self.confirm().accepts(&answer) => {
                let question = question.clone();
                self.agreed(&question, now)
            }
            (Phase::Consent(_), Event::Refuse(_)) => self.not_agreed(now),
            (Phase::Running | Phase::Consent(_) | Phase::Recording, Event::Leave(reason)) => {
                self.pause(now, None, reason)
            }
            (Phase::Running | Phase::Paused { .. }, Event::Offer(offer)) if !self.read_only => {
                self.offered(offer, now);
                Vec::new()
            }
            (Phase::Offered { offer, back }, event) => {
                let (offer, back) = (offer.clone(), (**back).clone());
                self.answered(&offer, back, event, now)
            }
            _ => Vec::new(),
        }
    }

    /// The call that gives free what it has reserved, if it may have.
    fn reserved(&self) -> Option<Call> {
        self.steps.iter().find_map(|step| match &step.work {
            Work::Apply(call @ Call::Secret(SecretCall::ReleaseLease { .. })) => Some(call.clone()),
            _ => None,
        })
    }

    /// Tells colleagues that it is under way. They are told until it has ended, also while it is paused.
    fn announced(&self, now: Timestamp) -> Vec<Order> {
        let cluster = self.plan.target.cluster.clone();
        let announcement = Announcement::of(&self.plan, self.started.unwrap_or(now));
        let announce = |cluster| Call::Board(BoardCall::Announce { cluster, announcement });
        cluster.map(|cluster| self.tell(announce(cluster))).into_iter().collect()
    }

    /// Tells them that this operation, or the one that it has taken back, is over.
    fn withdrawn(&self, operation: &str) -> Option<Order> {
        let (cluster, operation) = (self.plan.target.cluster.clone()?, operation.to_owned());
        Some(self.tell(Call::Board(BoardCall::Withdraw { cluster, operation })))
    }

    fn tell(&self, call: Call) -> Order {
        Order::Tell(Box::new(Approved { operation: self.plan.id.clone(), call, again: true }))
    }

    /// Takes facts that the operator adds. A wait that they waive is started again and is over at
    /// once; a call that was sent is not sent again.
    fn told(&mut self, facts: Facts, now: Timestamp) -> Vec<Order> {
        self.learn(facts);
        let waived = |index: &usize| matches!(self.steps.get(*index), Some(Step { work: Work::Skip(_), .. }));
        self.running.retain(|index, _| !waived(index));
        self.advance(now)
    }

    fn record_intent(&self, now: Timestamp) -> Order {
        let caller = self.plan.target.caller.clone();
        self.record(now, Entry::Intent { caller, plan: Box::new(self.plan.clone()) }, Mark::Intent)
    }

    fn record(&self, now: Timestamp, entry: Entry, mark: Mark) -> Order {
        Order::Record(Box::new(Record { at: now, operation: self.plan.id.clone(), entry }), mark)
    }

    /// Ends after a failure, once the other steps under way have finished.
    fn conclude(&mut self, now: Timestamp) -> Vec<Order> {
        if !self.running.is_empty() {
            return Vec::new();
        }
        let mut failed = self.failed.iter().map(|(index, reason)| (*index, self.title(*index), reason.clone()));
        let Some((index, title, mut reason)) = failed.next() else { return Vec::new() };
        for (_, title, why) in failed {
            reason.push_str(&format!("; also {title}: {why}"));
        }
        let by = self.cancelled.values().next().cloned();
        if let Some(by) = by.filter(|_| self.failed.keys().all(|index| self.cancelled.contains_key(index))) {
            return self.end(now, Outcome::Cancelled { index: Some(index), title, by, what: reason });
        }
        if self.plan.intent.stays_open_on_failure() {
            return self.pause(now, Some(index), format!("{title}: {reason}"));
        }
        self.end(now, Outcome::Failed { index: Some(index), title, reason })
    }

    /// `step` is the step that caused the pause, if one did.
    fn pause(&mut self, now: Timestamp, step: Option<usize>, why: String) -> Vec<Order> {
        self.running.clear();
        self.changed.clear();
        self.finished = Some(now);
        self.phase = Phase::Paused { step, why: why.clone() };
        vec![self.record(now, Entry::Paused { reason: why, step }, Mark::Other)]
    }

    fn end(&mut self, now: Timestamp, outcome: Outcome) -> Vec<Order> {
        self.running.clear();
        self.finished = Some(now);
        self.phase = Phase::Ended(outcome.clone());
        let mut effects: Vec<Order> = self.withdrawn(&self.plan.id).into_iter().collect();
        if let (Intent::UndoRotation(undo), Outcome::Done) = (&self.plan.intent, &outcome) {
            let undone = Entry::Outcome { outcome: Outcome::Undone { by: self.plan.id.clone() } };
            let record = Record { at: now, operation: undo.operation.clone(), entry: undone };
            effects.extend(self.withdrawn(&undo.operation));
            effects.push(Order::Record(Box::new(record), Mark::Other));
        }
        effects.push(self.record(now, Entry::Outcome { outcome }, Mark::Other));
        effects
    }
}
