//! The pace at which one API is asked: its budget of calls, and whose turn it is.
//!
//! AWS keeps a token bucket for each API, account and region, which everybody in the account shares. A [`Lane`]
//! stays below it, and slows down when the service says that calls come too fast, because somebody else uses
//! the bucket, too.

use std::collections::VecDeque;

/// Whose turn comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// An operation, a plan or a command waits for it.
    Operation,
    /// The operator is at it.
    Selected,
    /// It is on the screen.
    Seen,
    Rest,
}

/// A budget of calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Calls that may be made at once after a silence.
    pub burst: f64,
    /// Calls a second for long.
    pub rate: f64,
}

impl Limits {
    /// The part of these that one program takes, so that others in the account have the rest.
    #[must_use]
    pub fn share(self, part: f64) -> Self {
        Self { burst: (self.burst * part).max(1.0), rate: self.rate * part }
    }
}

/// The place of a call in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    number: u64,
    urgency: Urgency,
}

/// How a budget is used, to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Calls of the last second.
    pub calls: u32,
    /// Calls a second that are allowed now; `None` where nothing limits them.
    pub allowed: Option<f64>,
    /// Calls that wait for their turn.
    pub waiting: u32,
    /// Answers so far that said "too fast".
    pub throttled: u64,
}

/// The rate never falls below this part of the full one.
const SLOWEST: f64 = 0.1;
/// Part of the full rate that comes back in a second.
const RECOVERY: f64 = 0.02;
/// Throttles within so many milliseconds are of calls that were under way at the same time.
const TOGETHER: u64 = 1_000;
/// Of so many turns, one goes to whoever has waited longest, however urgent the others are: nobody starves.
const FAIR: u64 = 4;

/// Why a call must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It is the next one, in so many milliseconds.
    Milliseconds(u64),
    /// It is another one's turn.
    Turn,
}

/// The queue of one API. Times are milliseconds of any clock.
#[derive(Debug)]
pub struct Lane {
    full: Limits,
    /// Whether the budget is kept. On an emulator it is kept from the first throttle on.
    kept: bool,
    rate: f64,
    tokens: f64,
    at: u64,
    /// By urgency.
    queues: [VecDeque<u64>; 4],
    tickets: u64,
    turns: u64,
    sent: VecDeque<u64>,
    throttled: u64,
    /// When the rate was lowered last.
    lowered: Option<u64>,
}

impl Lane {
    /// A lane with a full budget; `kept` is false where nothing limits calls until the service says otherwise.
    pub fn new(limits: Limits, kept: bool) -> Self {
        Self {
            full: limits,
            kept,
            rate: limits.rate,
            tokens: limits.burst,
            at: 0,
            queues: Default::default(),
            tickets: 0,
            turns: 0,
            sent: VecDeque::new(),
            throttled: 0,
            lowered: None,
        }
    }

    /// Joins the queue.
    pub fn join(&mut self, urgency: Urgency) -> Ticket {
        self.tickets += 1;
        let number = self.tickets;
        self.queue(urgency).push_back(number);
        Ticket { number, urgency }
    }

    /// Leaves the queue without a call.
    pub fn leave(&mut self, ticket: Ticket) {
        self.queue(ticket.urgency).retain(|number| *number != ticket.number);
    }

    /// Takes a call from the budget, and the ticket from the queue.
    ///
    /// # Errors
    /// What the call has to wait for.
    pub fn take(&mut self, ticket: Ticket, now: u64) -> Result<(), Wait> {
        self.refill(now);
        if self.next() != Some(ticket.number) {
            return Err(Wait::Turn);
        }
        if self.kept && self.tokens < 1.0 {
            return Err(Wait::Milliseconds(((1.0 - self.tokens) / self.rate * 1_000.0).ceil() as u64 + 1));
        }
        if self.kept {
            self.tokens -= 1.0;
        }
        self.leave(ticket);
        self.turns += 1;
        self.sent.push_back(now);
        Ok(())
    }

    /// The service said that calls come too fast: half the rate, and nothing saved up. Several that were under way at
    /// once say so together, and lower it once. `chance`, from 0 to 1, keeps those apart who were refused at the same
    /// moment.
    pub fn throttled(&mut self, now: u64, chance: f64) {
        self.refill(now);
        self.kept = true;
        self.throttled += 1;
        if self.lowered.is_none_or(|at| now.saturating_sub(at) >= TOGETHER) {
            self.rate = (self.rate / 2.0).max(SLOWEST * self.full.rate);
            self.lowered = Some(now);
        }
        self.tokens = -chance.clamp(0.0, 1.0);
    }

    /// How the budget is used.
    pub fn usage(&mut self, now: u64) -> Usage {
        self.refill(now);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Usage {
            calls: count(self.sent.len()),
            allowed: self.kept.then_some(self.rate),
            waiting: count(self.queues.iter().map(VecDeque::len).sum()),
            throttled: self.throttled,
        }
    }

    /// How many calls there is room for within this time, in milliseconds, beside those that wait already; at least
    /// one.
    pub fn room(&mut self, now: u64, time: u64) -> usize {
        if !self.kept {
            return usize::MAX;
        }
        let waiting = self.queues.iter().map(VecDeque::len).sum::<usize>();
        let room = self.usage(now).allowed.unwrap_or_default() * time as f64 / 1_000.0 + self.tokens;
        (room.max(0.0) as usize).saturating_sub(waiting).max(1)
    }

    /// The number of the ticket whose turn it is.
    fn next(&self) -> Option<u64> {
        let mut heads = self.queues.iter().filter_map(|queue| queue.front().copied());
        if self.turns % FAIR == FAIR - 1 { heads.min() } else { heads.next() }
    }

    fn queue(&mut self, urgency: Urgency) -> &mut VecDeque<u64> {
        &mut self.queues[urgency as usize]
    }

    fn refill(&mut self, now: u64) {
        let seconds = now.saturating_sub(self.at) as f64 / 1_000.0;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + self.rate * seconds).min(self.full.burst);
        self.rate = (self.rate + RECOVERY * self.full.rate * seconds).min(self.full.rate);
        while self.sent.front().is_some_and(|at| now.saturating_sub(*at) >= 1_000) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { burst: 20.0, rate: 5.0 };

    fn urgency(number: u8) -> Urgency {
        [Urgency::Operation, Urgency::Selected, Urgency::Seen, Urgency::Rest][usize::from(number % 4)]
    }

    /// Takes whatever can be taken now, and says whose calls were made.
    fn serve(lane: &mut Lane, waiting: &mut Vec<Ticket>, now: u64) -> Vec<Ticket> {
        let mut served = Vec::new();
        while let Some(at) = waiting.iter().position(|ticket| lane.take(*ticket, now).is_ok()) {
            served.push(waiting.remove(at));
        }
        served
    }

    proptest! {
        /// Whatever comes when, is refused or gives up: no second has more calls than the burst and the rate allow.
        #[test]
        fn no_call_goes_beyond_the_budget(
            steps in prop::collection::vec((0_u64..400, 0_u8..4, 0_u8..4, 0_u8..20), 1..300),
        ) {
            let (mut lane, mut waiting, mut now) = (Lane::new(LIMITS, true), Vec::new(), 0);
            let mut sent: Vec<u64> = Vec::new();
            for (pause, comers, class, event) in steps {
                now += pause;
                waiting.extend((0..comers).map(|_| lane.join(urgency(class))));
                match event {
                    0 => lane.throttled(now, 0.5),
                    1 => drop(waiting.pop().map(|ticket| lane.leave(ticket))),
                    _ => {}
                }
                sent.extend(serve(&mut lane, &mut waiting, now).iter().map(|_| now));
            }
            for (first, from) in sent.iter().enumerate() {
                for (last, until) in sent.iter().enumerate().skip(first) {
                    let (calls, seconds) = ((last - first + 1) as f64, (until - from) as f64 / 1_000.0);
                    prop_assert!(calls <= LIMITS.burst + LIMITS.rate * seconds + 1e-6, "{calls} in {seconds} s");
                }
            }
        }

        /// However many urgent calls keep coming, one of the rest waits no longer than four turns of those before it.
        #[test]
        fn nobody_starves(before in 0_usize..40, each in 1_usize..5) {
            let mut lane = Lane::new(LIMITS, true);
            let mut waiting: Vec<Ticket> = (0..before).map(|_| lane.join(Urgency::Seen)).collect();
            let rest = lane.join(Urgency::Rest);
            waiting.push(rest);
            let (mut turns, mut now) = (0, 0);
            loop {
                waiting.extend((0..each).map(|_| lane.join(Urgency::Operation)));
                now += 200;
                let served = serve(&mut lane, &mut waiting, now);
                turns += served.len();
                if served.contains(&rest) {
                    break;
                }
                prop_assert!(turns <= (before + 1) * 4 + 25, "it still waits after {turns} turns");
            }
        }
    }

    #[test]
    fn an_operation_goes_before_what_is_selected_that_before_what_is_seen_and_that_before_the_rest() {
        use Urgency::{Operation, Rest, Seen, Selected};
        let mut lane = Lane::new(Limits { burst: 3.0, rate: 1.0 }, true);
        let mut waiting: Vec<Ticket> =
            [Rest, Seen, Selected, Operation].into_iter().map(|urgency| lane.join(urgency)).collect();
        let served: Vec<Urgency> = serve(&mut lane, &mut waiting, 0).iter().map(|ticket| ticket.urgency).collect();
        assert_eq!(served, [Operation, Selected, Seen], "and the rest waits");
    }

    #[test]
    fn a_throttle_slows_down_and_silence_recovers() {
        let mut lane = Lane::new(LIMITS, true);
        (0..9).for_each(|_| lane.throttled(0, 0.0));
        let once = Usage { allowed: Some(2.5), throttled: 9, ..Usage::default() };
        assert_eq!(lane.usage(0), once, "those that were under way together are one");
        (1..9).for_each(|second| lane.throttled(second * 1_000, 0.0));
        assert_eq!(lane.usage(8_000).allowed, Some(0.5), "and it is never slower than a tenth");
        let ticket = lane.join(Urgency::Seen);
        assert_eq!(lane.take(ticket, 8_000), Err(Wait::Milliseconds(2_001)));
        assert_eq!(lane.take(ticket, 10_001), Ok(()));
        assert_eq!(lane.usage(70_000).allowed, Some(5.0));
    }

    #[test]
    fn nothing_limits_calls_to_an_emulator_until_it_throttles() {
        let mut lane = Lane::new(LIMITS, false);
        let mut waiting: Vec<Ticket> = (0..100).map(|_| lane.join(Urgency::Rest)).collect();
        assert_eq!(serve(&mut lane, &mut waiting, 0).len(), 100);
        lane.throttled(0, 0.0);
        waiting.push(lane.join(Urgency::Rest));
        assert!(serve(&mut lane, &mut waiting, 0).is_empty());
    }
}
