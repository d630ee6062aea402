//! How often one caller may ask.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::token::Caller;

/// Requests are counted over this time.
const MINUTE: Duration = Duration::from_secs(60);
/// With so many callers remembered, those that have their whole minute again are forgotten.
const MANY: usize = 4_096;

/// The rates of all callers of this process.
///
/// A caller may make a minute's requests at once, and gets one back each time that its share of a minute has passed
/// (the generic cell rate algorithm, ITU-T I.371). So one moment is kept for each caller: when it will have asked
/// nothing, as it were. Callers have valid tokens, so that nobody can fill this with names that he makes up.
pub struct Rates {
    /// Between two requests at a steady pace; `None` is no limit.
    interval: Option<Duration>,
    settled: Mutex<HashMap<u64, Instant>>,
}

impl Rates {
    /// So many requests of a caller in a minute; `None` is no limit.
    pub fn new(per_minute: Option<u32>) -> Self {
        Self { interval: per_minute.map(|most| MINUTE / most.max(1)), settled: Mutex::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// If the caller has had its minute's requests: how long until the next one.
    pub fn count(&self, caller: &Caller, now: Instant) -> Result<(), Duration> {
        let Some(interval) = self.interval else { return Ok(()) };
        let mut all = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY {
            all.retain(|_, settled| *settled > now);
        }
        let settled = all.entry(key(caller)).or_insert(now);
        let next = (*settled).max(now) + interval;
        match next.saturating_duration_since(now + MINUTE) {
            Duration::ZERO => *settled = next,
            too_early => return Err(too_early),
        }
        Ok(())
    }
}

/// People share a client, so a caller is both. Two with the same number would share a rate.
fn key(caller: &Caller) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&caller.client_id, &caller.subject).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(client: &str, subject: &str) -> Caller {
        let subject = Some(subject.to_owned());
        Caller { client_id: client.to_owned(), subject, may_read: true, may_write: false }
    }

    #[test]
    fn a_caller_has_its_minute_at_once_and_gets_it_back_bit_by_bit() {
        let rates = Rates::new(Some(6));
        let (ann, begun) = (caller("web", "ann"), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        (0..6).for_each(|_| assert_eq!(rates.count(&ann, at(0)), Ok(())));
        assert_eq!(rates.count(&ann, at(0)), Err(Duration::from_secs(10)));
        assert_eq!(rates.count(&ann, at(4)), Err(Duration::from_secs(6)), "a refusal costs nothing");
        assert_eq!(rates.count(&ann, at(10)), Ok(()));
        assert_eq!(rates.count(&ann, at(10)), Err(Duration::from_secs(10)));
        // After a minute of silence it has all of them, and no more.
        (0..6).for_each(|_| assert_eq!(rates.count(&ann, at(200)), Ok(())));
        assert!(rates.count(&ann, at(200)).is_err());
    }

    #[test]
    fn callers_are_told_apart_by_client_and_subject() {
        let (rates, now) = (Rates::new(Some(1)), Instant::now());
        for caller in [caller("web", "ann"), caller("web", "bob"), caller("cli", "ann")] {
            assert_eq!(rates.count(&caller, now), Ok(()));
            assert!(rates.count(&caller, now).is_err());
        }
    }

    #[test]
    fn without_a_limit_nobody_is_remembered_and_with_one_those_who_are_quiet_are_forgotten() {
        let now = Instant::now();
        let free = Rates::new(None);
        (0..10).for_each(|_| assert_eq!(free.count(&caller("web", "ann"), now), Ok(())));
        assert!(free.settled.lock().unwrap().is_empty());
        let rates = Rates::new(Some(60));
        (0..MANY).for_each(|at| assert_eq!(rates.count(&caller("web", &at.to_string()), now), Ok(())));
        assert_eq!(rates.count(&caller("web", "late"), now + Duration::from_secs(2)), Ok(()));
        assert_eq!(rates.settled.lock().unwrap().len(), 1);
    }
}
