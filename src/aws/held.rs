//! Values that operators have typed, until the call that stores them takes them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use secrecy::SecretString;

/// Values by the id of the operation that stores them. They are in this process alone.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<BTreeMap<String, SecretString>>);

impl Held {
    pub(super) fn keep(&self, operation: &str, value: SecretString) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(operation.to_owned(), value);
    }

    /// The value, which stays: a call whose outcome is unknown is made again.
    pub(super) fn get(&self, operation: &str) -> Option<SecretString> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(operation).cloned()
    }
}
