//! Tokens that were found right a moment ago: a client sends the same token with every call, and checking its signature
//! takes longer than all else that is checked of it.
//!
//! What is kept is only what the signature and the time say. Whom a token is from, what it is for and who is kept out is
//! checked with every request.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::DecodingKey;
use lru::LruCache;

/// How many are kept. Where more clients call, those that have not called for longest are checked anew.
const KEPT: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");
/// Longer ones are checked each time, so that what is kept takes a few MiB at most. Cognito's have 1 to 2 KiB.
const LONGEST: usize = 4 * 1024;

/// What tells one token from every other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Print([u8; 32]);

impl Print {
    /// Of a token; `None` where it is too long to be kept.
    pub fn of(token: &str) -> Option<Self> {
        let hash = (token.len() <= LONGEST).then(|| digest(&SHA256, token.as_bytes()))?;
        hash.as_ref().try_into().ok().map(Self)
    }
}

/// A token that is signed with a key of the issuer's.
pub struct Signed<T> {
    /// The id of the key.
    pub kid: String,
    pub key: Arc<DecodingKey>,
    pub claims: T,
    /// In seconds since 1970, by this machine's clock.
    time: RangeInclusive<u64>,
}

impl<T> Signed<T> {
    /// One that was found right at a time, and ends at another, both in seconds since 1970. Before the one and after the
    /// other it is checked anew, which tells what is wrong with it; without an end, always.
    pub fn new(kid: String, key: Arc<DecodingKey>, claims: T, checked: u64, end: Option<f64>) -> Self {
        let end = end.map_or(0, |end| end as u64);
        Self { kid, key, claims, time: checked..=end }
    }
}

/// The tokens, by their hashes.
pub struct Recent<T>(Mutex<LruCache<Print, Arc<Signed<T>>>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl<T> Recent<T> {
    /// What is known of a token at a time. Whether the issuer still has its key is for the caller to see.
    pub fn get(&self, print: &Print, now: u64) -> Option<Arc<Signed<T>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(print).filter(|signed| signed.time.contains(&now)).cloned()
    }

    /// Keeps a token whose signature is right.
    pub fn keep(&self, print: Print, signed: Arc<Signed<T>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(print, signed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(checked: u64, end: Option<f64>) -> Arc<Signed<u8>> {
        let key = Arc::new(DecodingKey::from_secret(b"any"));
        Arc::new(Signed::new("k".to_owned(), key, 7, checked, end))
    }

    /// Of four moments, those at which the token is known.
    fn known(checked: u64, end: Option<f64>) -> Vec<u64> {
        let (recent, print) = (Recent::default(), Print::of("token").unwrap());
        assert!(recent.get(&print, 10).is_none());
        recent.keep(print, signed(checked, end));
        assert!(recent.get(&Print::of("tokem").unwrap(), 10).is_none(), "another is not");
        [9, 10, 20, 21].into_iter().filter(|now| recent.get(&print, *now).is_some_and(|one| one.claims == 7)).collect()
    }

    #[test]
    fn a_token_is_known_in_its_time_alone() {
        assert_eq!(known(10, Some(20.9)), [10, 20]);
        assert_eq!(known(10, Some(9.0)), [0; 0], "over when it was checked, within what clocks may differ");
        assert_eq!(known(10, Some(-1.0)), [0; 0]);
        assert_eq!(known(10, None), [0; 0]);
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_makes_room() {
        let recent = Recent::default();
        let print = |nth: usize| Print::of(&format!("token {nth}")).unwrap();
        (0..KEPT.get()).for_each(|nth| recent.keep(print(nth), signed(0, Some(9.0))));
        assert!(recent.get(&print(0), 5).is_some());
        recent.keep(print(KEPT.get()), signed(0, Some(9.0)));
        assert_eq!([0, 1, 2].map(|nth| recent.get(&print(nth), 5).is_some()), [true, false, true]);
    }

    #[test]
    fn a_token_that_is_too_long_is_not_kept() {
        assert!(Print::of(&"x".repeat(LONGEST)).is_some());
        assert!(Print::of(&"x".repeat(LONGEST + 1)).is_none());
    }
}
