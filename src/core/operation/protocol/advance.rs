//! How the steps of an operation go on: begun, sent, read back, done or failed.

use jiff::{SignedDuration, Timestamp};

use super::{Approved, Mark, News, Operation, Order, Phase, Progress, Question, Stage};
use crate::core::backoff::{Backoff, chance_in};
use crate::core::error::{CloudError, ErrorKind};
use crate::core::operation::fact::{Fact, Facts};
use crate::core::operation::record::{Entry, Note, Outcome};
use crate::core::operation::work::{Applied, Call, Changed, CheckState, SecretCall, StackCall, Step, Work};
use crate::core::plan::Confirm;
use crate::core::text::short_duration;

/// How often a call whose outcome is unknown is settled before the operation pauses.
const MAX_SETTLES: u32 = 3;
/// How often a call that was refused for its rate is sent again: some two minutes.
const MAX_THROTTLED: u32 = 5;
/// The pauses before that.
const FAILED: Backoff = Backoff::seconds(4, 60);
const THROTTLED: Backoff = Backoff::seconds(10, 60);
/// How long reads of AWS may show what was there before a write. AWS gives no figure; it is seconds.
const LAG: SignedDuration = SignedDuration::from_secs(30);
/// Seconds between two reads of a condition.
const CHECK_SECONDS: u32 = 2;

impl Operation {
    /// Starts every step whose needs are met; ends when all are done.
    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<Order> {
        if !self.failed.is_empty() {
            return self.conclude(now);
        }
        let mut effects = Vec::new();
        loop {
            if self.steps.len() == self.done.len() {
                effects.extend(self.end(now, Outcome::Done));
                return effects;
            }
            let Some(index) = (0..self.steps.len()).find(|index| self.ready(*index)) else { return effects };
            let started = self.start(index, now);
            effects.extend(started);
            if !self.failed.is_empty() {
                effects.extend(self.conclude(now));
                return effects;
            }
        }
    }

    pub(super) fn ready(&self, index: usize) -> bool {
        let free =
            !self.done.contains_key(&index) && !self.running.contains_key(&index) && !self.changed.contains_key(&index);
        let needs = self.steps.get(index).map(|step| step.after.as_slice()).unwrap_or_default();
        free && needs.iter().all(|need| self.done.contains_key(need))
    }

    pub(super) fn start(&mut self, index: usize, now: Timestamp) -> Option<Order> {
        match self.work(index)?.clone() {
            Work::Skip(why) => {
                let note = Note::Told(why);
                self.done.insert(index, note.clone());
                Some(self.record(now, Entry::Done { step: index, facts: Facts::new(), note }, Mark::Other))
            }
            Work::Apply(_) => {
                self.running.insert(index, Progress::begin(Stage::Recording, now));
                Some(self.announce(index, now))
            }
            Work::Await(check) => {
                self.running.insert(index, Progress::begin(Stage::Reading, now));
                Some(Order::Check(index, check, 0))
            }
            Work::NotYet(fact) => {
                self.failed.insert(index, format!("it needs {fact}, which no step before it has learnt"));
                None
            }
        }
    }

    /// Writes down that a call is about to be sent.
    pub(super) fn announce(&self, index: usize, now: Timestamp) -> Order {
        self.record(now, Entry::Started { step: index, title: self.title(index) }, Mark::Started(index))
    }

    /// The only place where a call becomes an approved one.
    pub(super) fn send(&mut self, index: usize, now: Timestamp) -> Vec<Order> {
        if !self.failed.is_empty() {
            // Another step has failed before this one was sent.
            self.running.remove(&index);
            return self.conclude(now);
        }
        let Some(progress) = self.running.get_mut(&index) else { return Vec::new() };
        (progress.stage, progress.note) = (Stage::Sent, None);
        let (attempts, throttled) = (progress.attempts, progress.throttled);
        let Some(Work::Apply(call)) = self.work(index) else { return Vec::new() };
        let (operation, call) = (self.plan.id.clone(), call.clone());
        let again = !self.begun.insert(index);
        // A service that is throttled or failing is given time, more with each attempt.
        let chance = chance_in(&operation, u64::from(attempts) + 16 * index as u64);
        let pause = match (attempts, throttled) {
            (0, _) => 0,
            (_, true) => THROTTLED.wait_seconds(attempts, chance),
            (_, false) => FAILED.wait_seconds(attempts, chance),
        };
        vec![Order::Apply(index, Box::new(Approved { operation, call, again }), pause)]
    }

    pub(super) fn step_news(&mut self, index: usize, news: News, now: Timestamp) -> Vec<Order> {
        if !self.running.contains_key(&index) {
            return Vec::new();
        }
        match news {
            News::Applied(Applied::Done(facts)) => self.complete(index, facts, Note::Done, now),
            News::Applied(Applied::Changed(changed)) => self.found_changed(index, *changed),
            News::Applied(Applied::Void(why)) => self.void(index, why, now),
            News::Checked(CheckState::Holds(note), facts) => self.complete(index, facts, Note::Told(note), now),
            News::Checked(CheckState::Unproven(note), facts) => self.complete(index, facts, Note::Unproven(note), now),
            News::Checked(CheckState::Pending(note), _) => self.check_again(index, note, now),
            News::Checked(CheckState::Doubtful(reason), _) => self.doubt(index, reason, now),
            News::Checked(CheckState::Failed(reason), _) => self.fail(index, reason, now),
            News::Checked(CheckState::Cancelled { by, what }, _) => {
                self.cancelled.insert(index, by);
                self.fail(index, what, now)
            }
            News::Unread(error) if error.retryable() => self.check_again(index, format!("not read: {error}"), now),
            // AWS goes on with what was sent. The operator signs in again, resumes, and sees how it ends.
            News::Unread(error) if error.ours() => {
                self.pause(now, None, format!("it could not be read how it went: {error}"))
            }
            News::Unread(error) => self.fail(index, error.to_string(), now),
            News::Failed(error) => self.call_failed(index, &error, now),
        }
    }

    /// Nothing was written. The operator is asked; other steps under way go on.
    pub(super) fn found_changed(&mut self, index: usize, changed: Changed) -> Vec<Order> {
        self.running.remove(&index);
        self.begun.remove(&index);
        self.changed.insert(index, changed.clone());
        if !matches!(self.phase, Phase::Consent(_)) {
            self.phase = Phase::Consent(Question::Changed(changed));
        }
        Vec::new()
    }

    /// What it is about is gone. Where nothing was done yet, there is nothing to resume.
    pub(super) fn void(&mut self, index: usize, why: String, now: Timestamp) -> Vec<Order> {
        if self.has_written() || self.running.len() > 1 {
            return self.fail(index, why, now);
        }
        self.failed.insert(index, why.clone());
        self.end(now, Outcome::Failed { index: Some(index), title: self.title(index), reason: why })
    }

    /// Goes on reading as long as a read may be older than the write; then it has failed.
    pub(super) fn doubt(&mut self, index: usize, reason: String, now: Timestamp) -> Vec<Order> {
        let since = self.running.get(&index).map_or(now, |progress| progress.since);
        if now.duration_since(since) < LAG {
            self.check_again(index, reason, now)
        } else {
            self.fail(index, reason, now)
        }
    }

    /// Goes on waiting. After too long a wait it pauses, and the operator decides.
    pub(super) fn check_again(&mut self, index: usize, note: String, now: Timestamp) -> Vec<Order> {
        let Some(Step { title, work: Work::Await(check), .. }) = self.steps.get(index).cloned() else {
            return Vec::new();
        };
        let Some(progress) = self.running.get_mut(&index) else { return Vec::new() };
        let waited = now.duration_since(progress.since);
        match check.patience() {
            Some(limit) if waited > limit => {
                let limit = short_duration(limit);
                let why = format!("{title}: not within {limit}: {note}; resuming waits as long again");
                self.pause(now, Some(index), why)
            }
            _ => {
                progress.note = Some(note);
                vec![Order::Check(index, check, CHECK_SECONDS)]
            }
        }
    }

    /// A call whose outcome is unknown is settled by sending it again: every call looks before it writes.
    pub(super) fn call_failed(&mut self, index: usize, error: &CloudError, now: Timestamp) -> Vec<Order> {
        let throttled = error.kind == ErrorKind::Throttled;
        let unknown = error.outcome_unknown() || error.retryable();
        let Some(progress) = self.running.get_mut(&index) else { return Vec::new() };
        progress.attempts += 1;
        progress.throttled = throttled;
        // What was refused for the rate was not carried out.
        let how = if throttled { "the service asks to slow down" } else { "outcome unknown" };
        if unknown && progress.attempts <= if throttled { MAX_THROTTLED } else { MAX_SETTLES } {
            progress.stage = Stage::Settling;
            let goes_on = if throttled { "it is sent again" } else { "settling" };
            progress.note = Some(format!("{how}, {goes_on}: {error}"));
            return vec![self.announce(index, now)];
        }
        if unknown {
            return self.pause(now, None, format!("{how}: {error}"));
        }
        // It was refused before it was carried out, and goes on as soon as somebody has signed in again.
        if error.signed_out() {
            return self.pause(now, Some(index), format!("{error}; sign in again, then resume"));
        }
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        self.fail(index, format!("{error}{hint}"), now)
    }

    pub(super) fn complete(&mut self, index: usize, mut facts: Facts, note: Note, now: Timestamp) -> Vec<Order> {
        if matches!(self.work(index), Some(Work::Apply(Call::Secret(SecretCall::Promote { .. })))) {
            facts.insert(Fact::PromotedAt, now.to_string());
        }
        self.running.remove(&index);
        self.done.insert(index, note.clone());
        self.learn(facts.clone());
        let mut effects = vec![self.record(now, Entry::Done { step: index, facts, note }, Mark::Other)];
        effects.extend(if self.failed.is_empty() { self.go_on(now) } else { self.advance(now) });
        effects
    }

    /// Starts what is ready, unless the operator must be asked first.
    pub(super) fn go_on(&mut self, now: Timestamp) -> Vec<Order> {
        let destroys = self.unconsented();
        let changed = self.changed.values().next().cloned().map(Question::Changed);
        let confirm = Confirm::Typed(self.plan.target.environment.clone());
        let late = || (!destroys.is_empty()).then_some(Question::Destroys { what: destroys, confirm });
        let question = changed.or_else(late);
        match question {
            Some(question) => {
                self.phase = Phase::Consent(question);
                Vec::new()
            }
            None => {
                self.phase = Phase::Running;
                self.advance(now)
            }
        }
    }

    /// What change sets made after the plan would replace or remove, each with its stack, as far as
    /// they are not executed and the operator has not agreed.
    pub(super) fn unconsented(&self) -> Vec<String> {
        let ahead = |stack: &str| {
            let executes = |step: &Step| matches!(&step.work, Work::Apply(Call::Stack(StackCall::ExecuteChangeSet { request, .. })) if request.draft() == stack);
            self.steps.iter().enumerate().any(|(index, step)| !self.done.contains_key(&index) && executes(step))
        };
        let late = self.facts.iter().filter_map(|(fact, what)| match fact {
            Fact::Destroys(stack) if ahead(stack) => Some(format!("{what} of {stack}")),
            _ => None,
        });
        late.filter(|what| !self.consented.contains(what)).collect()
    }

    pub(super) fn fail(&mut self, index: usize, reason: String, now: Timestamp) -> Vec<Order> {
        self.running.remove(&index);
        self.failed.insert(index, reason);
        self.conclude(now)
    }
}
