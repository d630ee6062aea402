//! Who has a session of the server behind, and who has to wait for one.
//!
//! Pure: whoever keeps the sessions does what this says.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long a session is kept that nobody uses.
pub const IDLE: Duration = Duration::from_secs(5 * 60);

/// The number of a session. None has that of another, not even later.
pub type Number = u64;

/// The sessions that there are, at most so many, by who has them.
#[derive(Debug)]
pub struct Seats<K> {
    most: usize,
    next: Number,
    taken: HashMap<K, Seat>,
}

#[derive(Debug)]
struct Seat {
    number: Number,
    /// Requests under way.
    users: usize,
    /// When the last one began or ended.
    used: Instant,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sat {
    /// It is the session that this caller has.
    Has(Number),
    /// A session must be started. There is a place for it when this other one has ended.
    New(Number, Option<Number>),
    /// All are in use.
    Full,
}

impl<K: Eq + Hash + Clone> Seats<K> {
    /// No sessions yet.
    pub fn new(most: usize) -> Self {
        Self { most, next: 0, taken: HashMap::new() }
    }

    /// Takes in a request. Where there are as many sessions as may be, the one that was not used for the longest time
    /// makes room, if there is one without a request under way.
    pub fn sit(&mut self, key: &K, now: Instant) -> Sat {
        if let Some(seat) = self.taken.get_mut(key) {
            (seat.users, seat.used) = (seat.users + 1, now);
            return Sat::Has(seat.number);
        }
        let evicted = if self.taken.len() < self.most {
            None
        } else {
            let idle = self.taken.iter().filter(|(_, seat)| seat.users == 0);
            let Some(key) = idle.min_by_key(|(_, seat)| seat.used).map(|(key, _)| key.clone()) else {
                return Sat::Full;
            };
            self.taken.remove(&key).map(|seat| seat.number)
        };
        let number = self.next;
        self.next += 1;
        self.taken.insert(key.clone(), Seat { number, users: 1, used: now });
        Sat::New(number, evicted)
    }

    fn seat(&mut self, number: Number) -> Option<&mut Seat> {
        self.taken.values_mut().find(|seat| seat.number == number)
    }

    /// Notes that a request has ended. Returns whether its session is free now.
    pub fn rise(&mut self, number: Number, now: Instant) -> bool {
        let Some(seat) = self.seat(number) else { return false };
        (seat.users, seat.used) = (seat.users.saturating_sub(1), now);
        seat.users == 0
    }

    /// How long it is until a session was not used for [`IDLE`]. `None`: it was not, and is none any more, as one that
    /// has made room.
    pub fn left(&mut self, number: Number, now: Instant) -> Option<Duration> {
        let seat = self.seat(number)?;
        if seat.users > 0 {
            return Some(IDLE);
        }
        let left = (seat.used + IDLE).saturating_duration_since(now);
        if left.is_zero() {
            self.leave(number);
            return None;
        }
        Some(left)
    }

    /// Notes that a session is none any more.
    pub fn leave(&mut self, number: Number) {
        self.taken.retain(|_, seat| seat.number != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(most: usize) -> (Seats<&'static str>, impl Fn(u64) -> Instant) {
        let begun = Instant::now();
        (Seats::new(most), move |seconds| begun + Duration::from_secs(seconds))
    }

    #[test]
    fn a_caller_keeps_its_session_and_gets_no_other() {
        let (mut seats, at) = seats(2);
        assert_eq!(seats.sit(&"a", at(0)), Sat::New(0, None));
        assert_eq!(seats.sit(&"b", at(1)), Sat::New(1, None));
        assert_eq!(seats.sit(&"a", at(2)), Sat::Has(0));
        assert_eq!(seats.sit(&"b", at(3)), Sat::Has(1));
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room_and_what_is_in_use_does_not() {
        let (mut seats, at) = seats(2);
        let (_, _) = (seats.sit(&"a", at(0)), seats.sit(&"b", at(1)));
        assert_eq!(seats.sit(&"c", at(2)), Sat::Full);
        assert!(seats.rise(1, at(3)) && seats.rise(0, at(4)));
        assert_eq!(seats.sit(&"c", at(5)), Sat::New(2, Some(1)), "b was used before a");
        assert_eq!(seats.sit(&"b", at(6)), Sat::New(3, Some(0)));
        assert_eq!(seats.sit(&"a", at(7)), Sat::Full, "c and b are at work");
        assert!(!seats.rise(1, at(8)), "it has gone");
    }

    #[test]
    fn a_session_of_two_requests_is_free_when_both_have_ended() {
        let (mut seats, at) = seats(1);
        let (_, _) = (seats.sit(&"a", at(0)), seats.sit(&"a", at(0)));
        assert!(!seats.rise(0, at(1)));
        assert_eq!(seats.sit(&"b", at(2)), Sat::Full);
        assert!(seats.rise(0, at(3)));
        assert_eq!(seats.sit(&"b", at(4)), Sat::New(1, Some(0)));
    }

    #[test]
    fn an_idle_session_ends() {
        let (mut seats, at) = seats(1);
        seats.sit(&"a", at(0));
        assert_eq!(seats.left(0, at(1000)), Some(IDLE), "a request takes as long as it takes");
        seats.rise(0, at(1000));
        assert_eq!(seats.left(0, at(1001)), Some(IDLE - Duration::from_secs(1)));
        seats.sit(&"a", at(1002));
        seats.rise(0, at(1003));
        assert_eq!(seats.left(0, at(1000) + IDLE), Some(Duration::from_secs(3)), "it was used since");
        assert_eq!(seats.left(0, at(1003) + IDLE), None);
        assert_eq!(seats.sit(&"a", at(2000)), Sat::New(1, None), "and the next one is new");
    }

    #[test]
    fn one_that_ended_by_itself_leaves_its_place() {
        let (mut seats, at) = seats(1);
        seats.sit(&"a", at(0));
        seats.leave(0);
        assert_eq!(seats.left(0, at(1)), None);
        assert_eq!(seats.sit(&"b", at(1)), Sat::New(1, None));
    }
}
