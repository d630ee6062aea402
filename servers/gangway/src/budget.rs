//! A bound on the memory that requests take together.

use std::sync::Arc;

use hyper::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a byte of a body costs while its request runs: the body, the strings of the parsed message, the
/// arguments of the tool, and what an answer repeats of them.
const PER_BYTE: usize = 4;
/// What a JSON value costs in memory, with its place in a map or a list. Measured: 1 MB of `{"":0}` took 201 MB.
const PER_VALUE: usize = 1024;
/// What a byte of an answer of a server behind costs: the message as it came, what of it is made the client's, and
/// what goes out.
const PER_ANSWER_BYTE: usize = 3;
/// The unit of the budget, in bytes.
const UNIT: usize = 1024;

/// The memory for all requests under way.
///
/// Why it exists: JSON grows by a factor of up to two hundred when it is parsed, and the allocator does not
/// give it back. A limit on the number of requests bounds no memory, and a limit on the size of one bounds it
/// badly. Answers of a server behind wait for clients that read slowly, or not at all.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

/// There is no memory left for this request.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

/// What one request has taken of a [`Budget`]; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Semaphore>,
    /// What it was taken for, in bytes. It comes in small parts, none of which is rounded by itself.
    cost: usize,
    taken: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Nothing, so far.
    pub fn share(&self) -> Share {
        Share { of: self.0.clone(), cost: 0, taken: None }
    }

    /// What a body costs that has so many bytes and values, in bytes.
    pub fn cost(bytes: usize, values: usize) -> usize {
        bytes * PER_BYTE + values * PER_VALUE
    }
}

impl Share {
    /// Takes what a part of a body costs.
    pub fn add(&mut self, bytes: usize, values: usize) -> Result<(), Exhausted> {
        self.take(Budget::cost(bytes, values))
    }

    /// Takes what a part of an answer costs.
    pub fn add_answer(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.take(bytes * PER_ANSWER_BYTE)
    }

    fn take(&mut self, more: usize) -> Result<(), Exhausted> {
        let cost = self.cost + more;
        let held = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let units = u32::try_from(cost.div_ceil(UNIT).saturating_sub(held)).map_err(|_| Exhausted)?;
        let more = self.of.clone().try_acquire_many_owned(units).map_err(|_| Exhausted)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        self.cost = cost;
        Ok(())
    }

    /// A text that keeps the share until nobody has it any more: an answer is given back when it was sent.
    pub fn hold(self, text: Vec<u8>) -> Bytes {
        struct Held(Vec<u8>, #[allow(dead_code)] Share); // Dropped with the text, and not read.
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        Bytes::from_owner(Held(text, self))
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

    #[test]
    fn small_parts_cost_what_they_have() {
        let budget = Budget::new(Budget::cost(1024, 0));
        let mut share = budget.share();
        (0..1024).for_each(|_| assert_eq!(share.add(1, 0), Ok(())));
        assert_eq!(share.add(1, 0), Err(Exhausted));
    }

    #[test]
    fn a_text_keeps_its_share_until_its_last_part_is_dropped() {
        let budget = Budget::new(3 * UNIT);
        let mut share = budget.share();
        assert_eq!(share.add_answer(1024), Ok(()));
        let mut text = share.hold(vec![b'x'; 1024]);
        let rest = text.split_off(1000);
        drop(text);
        assert_eq!(budget.share().add_answer(1), Err(Exhausted));
        drop(rest);
        assert_eq!(budget.share().add_answer(1024), Ok(()));
    }
}
