//! A part that was read, or could not be.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::cloud::{CloudError, CloudResult};
use crate::core::fleet::Age;

/// The pause of a part that could not be read.
const FAILED: Duration = Duration::from_secs(10);
/// So long what was read stands for a part that cannot be read for the moment.
const BRIDGED: Duration = Duration::from_secs(60);

/// Something that was read, or could not be.
pub(super) struct Kept<T> {
    /// The last good value, and when it was read.
    pub(super) value: Option<(T, Instant)>,
    /// Why the newest attempt failed, and when.
    pub(super) error: Option<(CloudError, Instant)>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { value: None, error: None }
    }
}

impl<T> Kept<T> {
    pub(super) fn keep(&mut self, read: CloudResult<T>) {
        let now = Instant::now();
        match read {
            Ok(value) => (self.value, self.error) = (Some((value, now)), None),
            Err(error) => self.error = Some((error, now)),
        }
    }

    /// Whether it is older than this, or was never read. What has failed waits longer.
    pub(super) fn due(&self, age: Duration) -> bool {
        match (&self.error, &self.value) {
            (Some((_, at)), _) => at.elapsed() >= FAILED,
            (None, Some((_, at))) => at.elapsed() >= age,
            (None, None) => true,
        }
    }

    pub(super) fn read_at(&self) -> Option<Instant> {
        self.value.as_ref().map(|(_, at)| *at)
    }

    /// When it was tried to read it last, well or not.
    pub(super) fn tried_at(&self) -> Option<Instant> {
        self.read_at().max(self.error.as_ref().map(|(_, at)| *at))
    }

    /// What stands for it: for some time the last good value also where the newest attempt failed by chance.
    pub(super) fn shown(&self) -> Option<Result<&T, &CloudError>> {
        match (&self.value, &self.error) {
            (Some((value, at)), Some((error, _))) if error.retryable() && at.elapsed() < BRIDGED => Some(Ok(value)),
            (_, Some((error, _))) => Some(Err(error)),
            (Some((value, _)), None) => Some(Ok(value)),
            (None, None) => None,
        }
    }

    /// How old it is, to be told.
    pub(super) fn age(&self) -> Age {
        Age { at: self.read_at().map(time), error: self.error.as_ref().map(|(error, _)| error.clone()) }
    }
}

/// The time of day of a moment.
pub(super) fn time(at: Instant) -> Timestamp {
    let now = Timestamp::now();
    let ago = SignedDuration::try_from(at.elapsed()).unwrap_or_default();
    now.checked_sub(ago).unwrap_or(now)
}

/// Whether something that failed then is left alone for now.
pub(super) fn rests(failed: Instant) -> bool {
    failed.elapsed() < FAILED
}
