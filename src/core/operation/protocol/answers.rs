//! What the operator says in the middle of an operation, and after it was left.

use jiff::Timestamp;

use super::{Event, Mark, Operation, Order, Phase, Question};
use crate::core::operation::fact::Facts;
use crate::core::operation::offer::{Offer, Standing, Way};
use crate::core::operation::record::{Entry, Outcome};
use crate::core::operation::rotate::grace_waived;
use crate::core::operation::work::{Check, Step, Work};

impl Operation {
    /// Asks how to go on; one that another process has ended is ended here, too.
    pub(super) fn offered(&mut self, offer: Offer, now: Timestamp) {
        if let (Phase::Paused { .. }, Standing::Ended(outcome)) = (&self.phase, &offer.standing) {
            (self.phase, self.finished) = (Phase::Ended(outcome.clone()), Some(now));
            return;
        }
        let back = Box::new(self.phase.clone());
        self.phase = Phase::Offered { offer, back };
    }

    /// The operator's answer to how to go on; `back` is where it stands otherwise.
    pub(super) fn answered(&mut self, offer: &Offer, back: Phase, event: Event, now: Timestamp) -> Vec<Order> {
        match event {
            Event::Answer(answer) if self.confirm().accepts(&answer) => {
                self.phase = back;
                self.accepted(offer, now)
            }
            Event::Refuse(_) => {
                self.phase = back;
                Vec::new()
            }
            Event::Leave(reason) => {
                self.phase = back;
                if self.phase == Phase::Running { self.pause(now, None, reason) } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    /// Goes on with it, or gives it up, as the operator has chosen.
    pub(super) fn accepted(&mut self, offer: &Offer, now: Timestamp) -> Vec<Order> {
        if offer.closes() {
            let reason = match &offer.standing {
                Standing::Resumable => "given up by the operator".to_owned(),
                other => other.to_string(),
            };
            return self.close(now, reason);
        }
        let facts = if offer.way == Way::Finish { grace_waived() } else { Facts::new() };
        if self.phase == Phase::Running {
            return self.told(facts, now);
        }
        self.learn(facts);
        self.failed.clear();
        self.cancelled.clear();
        self.changed.clear();
        self.finished = None;
        self.delete_again();
        if !self.audited {
            // It was left before the audit answered.
            self.phase = Phase::Recording;
            return vec![self.record_intent(now)];
        }
        let mut orders = self.announced(now);
        orders.extend(self.go_on(now));
        orders
    }

    /// A deletion of which it is not known that it has succeeded is asked for again: it may have failed, and
    /// nothing else brings the stack away. It looks before it writes, as every call does.
    pub(super) fn delete_again(&mut self) {
        let gone = |(index, step): (usize, &Step)| match step.work {
            Work::Await(Check::StackGone { .. }) if !self.done.contains_key(&index) => step.after.clone(),
            _ => Vec::new(),
        };
        let deletions: Vec<usize> = self.steps.iter().enumerate().flat_map(gone).collect();
        deletions.iter().for_each(|index| drop(self.done.remove(index)));
    }

    /// The operator has agreed to what a question says.
    pub(super) fn agreed(&mut self, question: &Question, now: Timestamp) -> Vec<Order> {
        let to = question.to_string();
        let facts = match question {
            Question::Destroys { what, .. } => {
                self.consented.extend(what.iter().cloned());
                Facts::new()
            }
            Question::Changed(changed) => {
                self.changed.retain(|_, other| other != changed);
                changed.seen.clone()
            }
        };
        self.learn(facts.clone());
        let mut orders = vec![self.record(now, Entry::Agreed { to, facts }, Mark::Other)];
        orders.extend(self.go_on(now));
        orders
    }

    /// The operator wants nothing to be done about it. Where nothing was, there is nothing to go on with.
    pub(super) fn not_agreed(&mut self, now: Timestamp) -> Vec<Order> {
        self.changed.clear();
        if self.has_written() || !self.running.is_empty() {
            return self.pause(now, None, "not confirmed again".into());
        }
        self.close(now, "not confirmed again; nothing was done".into())
    }

    /// Ends it as it is, and gives free what it had reserved.
    pub(super) fn close(&mut self, now: Timestamp, reason: String) -> Vec<Order> {
        let mut orders: Vec<Order> = self.reserved().into_iter().map(|call| self.tell(call)).collect();
        orders.extend(self.end(now, Outcome::Closed { reason }));
        orders
    }
}
