//! A bound on the memory that requests take together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a byte of a body costs while its request runs: the body, the strings of the parsed message, the
/// arguments of the tool, and what an answer repeats of them.
const PER_BYTE: usize = 4;
/// What a JSON value costs in memory, with its place in a map or a list. Measured: 1 MB of `{"":0}` took 201 MB.
const PER_VALUE: usize = 1024;
/// The unit of the budget, in bytes.
const UNIT: usize = 1024;

/// The memory for all requests under way.
///
/// Why it exists: JSON grows by a factor of up to two hundred when it is parsed, and the allocator does not
/// give it back. A limit on the number of requests bounds no memory, and a limit on the size of one bounds it
/// badly.
pub struct Budget(Arc<Semaphore>);

/// There is no memory left for this request.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

/// What one request has taken of a [`Budget`]; given back when it is dropped.
pub struct Share {
    of: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Nothing, so far.
    pub fn share(&self) -> Share {
        Share { of: self.0.clone(), taken: None }
    }

    /// What a body costs that has so many bytes and values, in bytes.
    pub fn cost(bytes: usize, values: usize) -> usize {
        bytes * PER_BYTE + values * PER_VALUE
    }
}

impl Share {
    /// Takes what a part of a body costs.
    pub fn add(&mut self, bytes: usize, values: usize) -> Result<(), Exhausted> {
        let units = u32::try_from(Budget::cost(bytes, values).div_ceil(UNIT)).map_err(|_| Exhausted)?;
        let more = self.of.clone().try_acquire_many_owned(units).map_err(|_| Exhausted)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

/// An upper bound of the number of values of a JSON text, names of members not counted. It need not be valid.
pub fn values(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b',' | b'[' | b'{') => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        assert_eq!(values(b"1"), 1);
        assert_eq!(values(br#"{"a":[1,2,3],"b":"x,y,[{"}"#), 6);
        assert_eq!(values(br#"["\",\\",1]"#), 3);
        // Two for each element: itself, and what it holds.
        assert_eq!(values(format!("[{}1]", r#"{"":0},"#.repeat(100)).as_bytes()), 202);
    }

    #[test]
    fn a_share_is_given_back() {
        let budget = Budget::new(Budget::cost(1024, 1));
        let mut first = budget.share();
        assert_eq!(first.add(1024, 0), Ok(()));
        assert_eq!(first.add(0, 1), Ok(()));
        assert_eq!(budget.share().add(1, 0), Err(Exhausted));
        drop(first);
        assert_eq!(budget.share().add(1, 0), Ok(()));
    }
}
