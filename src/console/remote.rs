//! Data from AWS: its last good value, its age, and when to ask again.

use jiff::{SignedDuration, Timestamp};

use crate::core::backoff::{Backoff, chance_of};
use crate::core::error::{CloudError, ErrorKind};

/// Numbers the requests for one piece of data; an answer to an older one is dropped.
pub type Generation = u64;

/// The last good value of something that is read from AWS, and how newer attempts to read it went.
///
/// A failed read does not empty the screen: the value stays, with its age and the error, and the next
/// attempt comes later. Each request has a [`Generation`], and an answer to an older one is dropped, so
/// a slow answer never replaces a newer one. Keep everything that a screen reads in one of these.
#[derive(Debug, Clone)]
pub struct Remote<T> {
    value: Option<(T, Timestamp)>,
    error: Option<CloudError>,
    failures: u32,
    generation: Generation,
    in_flight: bool,
    /// Whether it is to be read once more after the read that is under way, which may be older than a change.
    again: bool,
    began: Timestamp,
    due: Timestamp,
}

impl<T> Default for Remote<T> {
    fn default() -> Self {
        Self {
            value: None,
            error: None,
            failures: 0,
            generation: 0,
            in_flight: false,
            again: false,
            began: Timestamp::UNIX_EPOCH,
            due: Timestamp::UNIX_EPOCH,
        }
    }
}

/// The wait after failures, and after the service has asked to slow down.
const FAILED: Backoff = Backoff::seconds(4, 60);
const THROTTLED: Backoff = Backoff::seconds(10, 60);

impl<T> Remote<T> {
    /// A value that was read at this time, and is due.
    pub fn known(value: T, at: Timestamp) -> Self {
        Self { value: Some((value, at)), ..Self::default() }
    }

    /// The last good value.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref().map(|(value, _)| value)
    }

    /// The same, for what is found out about it besides.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut().map(|(value, _)| value)
    }

    /// When the last good value was read.
    pub fn read_at(&self) -> Option<Timestamp> {
        self.value.as_ref().map(|(_, at)| *at)
    }

    /// Why the newest attempt failed, if it did. The value stays.
    pub fn error(&self) -> Option<&CloudError> {
        self.error.as_ref()
    }

    /// Whether no read is under way.
    pub fn idle(&self) -> bool {
        !self.in_flight
    }

    /// Whether nothing is known yet and nothing has failed.
    pub fn loading(&self) -> bool {
        self.value.is_none() && self.error.is_none()
    }

    /// What to say where the value would stand, while there is none.
    pub fn missing(&self) -> Option<String> {
        match (&self.value, &self.error) {
            (Some(_), _) => None,
            (None, Some(error)) => Some(format!("not read: {}", error.message)),
            (None, None) => Some("reading …".to_owned()),
        }
    }

    /// Forgets everything, because another thing is read from now on. Late answers about the old one
    /// are dropped.
    pub fn reset(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }

    /// Takes what is known so far of the answer that is awaited; the rest follows. Returns whether it is awaited.
    pub fn so_far(&mut self, generation: Generation, value: T, now: Timestamp) -> bool {
        let awaited = self.in_flight && generation == self.generation;
        if awaited {
            self.value = Some((value, now));
        }
        awaited
    }

    /// Takes an answer. Returns whether it was the one awaited. The next read is due `interval` seconds after this
    /// one began, later after failures, latest after throttling.
    pub fn resolve(
        &mut self,
        generation: Generation,
        result: Result<T, CloudError>,
        now: Timestamp,
        interval: i64,
    ) -> bool {
        if generation != self.generation {
            return false;
        }
        self.in_flight = false;
        let again = std::mem::take(&mut self.again);
        let after = |from: Timestamp, seconds| from.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(from);
        self.due = match result {
            Ok(value) => {
                self.value = Some((value, now));
                self.error = None;
                self.failures = 0;
                if again { now } else { after(self.began, interval).max(after(now, 1)) }
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let wait = backoff(&error, self.failures, generation).max(interval);
                self.error = Some(error);
                after(now, wait)
            }
        };
        true
    }
}

/// The part of [`Remote`] that does not depend on the type of its value.
pub trait Ask {
    /// Whether it should be asked for now.
    fn is_due(&self, now: Timestamp) -> bool;

    /// Begins a request; its generation goes with it.
    fn begin(&mut self, now: Timestamp) -> Generation;

    /// Something has changed: makes it due at once, or as soon as the read that is under way has ended.
    fn invalidate(&mut self);

    /// Makes it due at once, unless it is being read already.
    fn hasten(&mut self);

    /// The operator wants to see it anew: makes it due so many seconds after it was read last, so that a key that is held
    /// does not read it without a pause.
    fn refresh(&mut self, seconds: i64);

    /// The answer that is awaited will not come, or does not count.
    fn abandon(&mut self);

    /// Whether there is no good value yet.
    fn is_empty(&self) -> bool;
}

impl<T> Ask for Remote<T> {
    fn is_due(&self, now: Timestamp) -> bool {
        !self.in_flight && now >= self.due
    }

    fn begin(&mut self, now: Timestamp) -> Generation {
        self.began = now;
        self.generation += 1;
        self.in_flight = true;
        self.generation
    }

    fn invalidate(&mut self) {
        self.again = self.in_flight;
        self.due = Timestamp::UNIX_EPOCH;
    }

    fn hasten(&mut self) {
        self.due = Timestamp::UNIX_EPOCH;
    }

    fn refresh(&mut self, seconds: i64) {
        let again = self.began.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(self.began);
        self.due = self.due.min(again);
    }

    fn abandon(&mut self) {
        self.generation += 1;
        (self.in_flight, self.again) = (false, false);
    }

    fn is_empty(&self) -> bool {
        self.value.is_none()
    }
}

/// Seconds until the next attempt. The chance comes from the generation, because the console has no source of it.
fn backoff(error: &CloudError, failures: u32, generation: Generation) -> i64 {
    let rule = if error.kind == ErrorKind::Throttled { THROTTLED } else { FAILED };
    rule.wait_seconds(failures, chance_of(generation)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000 + second).expect("a valid time")
    }

    fn refused() -> CloudError {
        CloudError::new(ErrorKind::Unreachable, "ecs:ListServices", "refused")
    }

    #[test]
    fn a_failure_keeps_the_last_good_value() {
        let mut remote = Remote::default();
        let first = remote.begin(at(0));
        assert!(remote.resolve(first, Ok(7), at(0), 5));
        let second = remote.begin(at(5));
        assert!(remote.resolve(second, Err(refused()), at(5), 5));
        assert_eq!(remote.get(), Some(&7));
        assert_eq!(remote.read_at(), Some(at(0)));
        assert!(remote.error().is_some());
    }

    #[test]
    fn a_stale_answer_is_dropped() {
        let mut remote = Remote::default();
        let old = remote.begin(at(0));
        remote.reset();
        let new = remote.begin(at(0));
        assert!(!remote.so_far(old, 1, at(0)));
        assert!(!remote.resolve(old, Ok(1), at(0), 5));
        assert!(remote.resolve(new, Ok(2), at(1), 5));
        assert_eq!(remote.get(), Some(&2));
    }

    #[test]
    fn a_key_that_is_held_starts_nothing_on_top_of_what_is_under_way() {
        let mut remote = Remote::default();
        let generation = remote.begin(at(0));
        for _ in 0..60 {
            remote.hasten();
            assert!(!remote.is_due(at(1)));
        }
        assert!(remote.so_far(generation, 1, at(1)), "what has come is shown");
        assert!(!remote.is_due(at(1)));
        assert!(remote.resolve(generation, Ok(2), at(2), 5));
        assert!(!remote.is_due(at(2)) && remote.is_due(at(5)), "5 s after it began");
    }

    #[test]
    fn a_key_that_is_held_reads_it_with_a_pause() {
        let mut remote = Remote::default();
        let (mut reads, mut now) = (0, at(0));
        while now < at(20) {
            remote.refresh(4);
            if remote.is_due(now) {
                let generation = remote.begin(now);
                assert!(remote.resolve(generation, Ok(1), now, 60));
                reads += 1;
            }
            now = now.checked_add(SignedDuration::from_millis(100)).expect("a time");
        }
        assert_eq!(reads, 5, "one in 4 s, where a minute was to pass");
    }

    #[test]
    fn after_a_change_it_is_read_once_more() {
        let mut remote = Remote::default();
        let old = remote.begin(at(0));
        remote.invalidate();
        assert!(!remote.is_due(at(0)), "one at a time");
        assert!(remote.resolve(old, Ok(1), at(1), 5));
        assert!(remote.is_due(at(1)));
        let new = remote.begin(at(1));
        assert!(remote.resolve(new, Ok(2), at(1), 5) && !remote.is_due(at(1)));
    }

    #[test]
    fn one_request_at_a_time_and_failures_back_off() {
        let mut remote: Remote<i32> = Remote::default();
        assert!(remote.is_due(at(0)));
        for round in 0..10 {
            let generation = remote.begin(at(round * 1_000));
            assert!(!remote.is_due(at(10_000)), "in flight");
            remote.resolve(generation, Err(refused()), at(round * 1_000), 2);
            assert!(!remote.is_due(at(round * 1_000 + 1)));
            assert!(remote.is_due(at(round * 1_000 + 80)), "never waits more than 60 s");
        }
    }
}
