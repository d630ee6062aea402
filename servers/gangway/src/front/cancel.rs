//! Requests that their clients may take back by a message of its own (MCP until 2025-11-25, "Cancellation").
//!
//! Clients of that era do not hang up. Without a session, the message says who sends it by its token, and which
//! request it means by the id that the client gave to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::token::Caller;

/// Whose request, and its id as it was written.
type Key = (String, Option<String>, String);

/// Those of one caller with one id, numbered.
type Same = Vec<(u64, CancellationToken)>;

/// The requests under way.
#[derive(Clone, Default)]
pub struct Cancels(Arc<Mutex<HashMap<Key, Same>>>);

/// One of them. Dropped, it is forgotten.
pub struct Entry {
    of: Cancels,
    key: Key,
    number: u64,
    /// Cancelled when the client takes the request back.
    pub token: CancellationToken,
}

fn key(caller: Option<&Caller>, id: &RawValue) -> Key {
    let client = caller.map(|caller| caller.client_id.clone()).unwrap_or_default();
    (client, caller.and_then(|caller| caller.subject.clone()), id.get().to_owned())
}

impl Cancels {
    /// Takes in a request.
    pub fn enter(&self, caller: Option<&Caller>, id: &RawValue) -> Entry {
        let (key, token) = (key(caller, id), CancellationToken::new());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = all.entry(key.clone()).or_default();
        let number = same.last().map_or(0, |(number, _)| number + 1);
        same.push((number, token.clone()));
        Entry { of: self.clone(), key, number, token }
    }

    /// Takes back the request of this caller that has this id. Nothing, if there are several: two programs of one
    /// caller number their requests alike.
    pub fn cancel(&self, caller: Option<&Caller>, id: &RawValue) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some([(_, token)]) = all.get(&key(caller, id)).map(Vec::as_slice) {
            token.cancel();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = all.get_mut(&self.key) {
            same.retain(|(number, _)| *number != self.number);
            if same.is_empty() {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::to_raw_value;

    fn caller(client: &str, subject: &str) -> Caller {
        Caller { client_id: client.to_owned(), subject: Some(subject.to_owned()), may_read: true, may_write: false }
    }

    #[test]
    fn a_request_is_taken_back_by_its_own_caller_and_by_its_own_id() {
        let cancels = Cancels::default();
        let (one, text) = (to_raw_value(&1).unwrap(), to_raw_value("1").unwrap());
        let (me, other) = (caller("client", "me"), caller("client", "other"));
        let entry = cancels.enter(Some(&me), &one);
        cancels.cancel(Some(&other), &one);
        cancels.cancel(Some(&caller("else", "me")), &one);
        cancels.cancel(None, &one);
        cancels.cancel(Some(&me), &text);
        assert!(!entry.token.is_cancelled());
        let twin = cancels.enter(Some(&me), &one);
        cancels.cancel(Some(&me), &one);
        assert!(!entry.token.is_cancelled() && !twin.token.is_cancelled(), "which of them?");
        drop(twin);
        cancels.cancel(Some(&me), &one);
        assert!(entry.token.is_cancelled());
        drop(entry);
        assert!(cancels.0.lock().unwrap().is_empty(), "nothing is left behind");
    }
}
