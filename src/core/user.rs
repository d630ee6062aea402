//! The people of a user pool, and how long what they were given lasts.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Users of a pool, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct UserList {
    pub pool: String,
    pub users: Vec<User>,
    /// Whether the pool has more than these.
    pub more: bool,
}

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// As Cognito knows them; where people sign in with an e-mail address, it is the subject.
    pub name: String,
    /// The `sub` of their tokens, which is never given to anybody else.
    pub subject: String,
    pub email: Option<String>,
    /// Cognito's word, such as `CONFIRMED`.
    pub status: String,
    /// Whether they may sign in.
    pub enabled: bool,
    pub created_at: Option<Timestamp>,
    /// When the profile was last changed. It is no sign-in: Cognito keeps those in its PLUS plan alone.
    pub changed_at: Option<Timestamp>,
}

impl User {
    /// What an operator calls them.
    pub fn called(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.name)
    }
}

/// How long the tokens of a client last. Cognito's defaults stand for what a client does not say (API reference,
/// CreateUserPoolClient).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lifetimes {
    /// In seconds.
    pub access: i64,
    /// In seconds; each refresh within it gives a new access token without a sign-in.
    pub refresh: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { access: 3_600, refresh: 30 * 86_400 }
    }
}

impl Lifetimes {
    pub fn access(self) -> SignedDuration {
        SignedDuration::from_secs(self.access)
    }

    pub fn refresh(self) -> SignedDuration {
        SignedDuration::from_secs(self.refresh)
    }
}
