//! The domain: no clock, no I/O, no spawn, and no key, screen or frame.
//!
//! Architecture invariant: nothing here names another module of the crate, a runtime, a terminal
//! or the AWS SDK. `cargo test --no-default-features` builds it together with `console` alone.

#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]
#![allow(missing_docs, reason = "what a name says needs no words")]

pub mod backoff;
pub mod client;
pub mod cost;
pub mod destination;
pub mod doctor;
pub mod environment;
pub mod error;
pub mod finding;
pub mod fleet;
pub mod health;
pub mod identity;
pub mod image;
pub mod issue;
pub mod logs;
pub mod meaning;
pub mod metrics;
pub mod operation;
pub mod pace;
pub mod plan;
pub mod quarantine;
pub mod reach;
pub mod requests;
pub mod rights;
pub mod shift;
pub mod stack;
pub mod text;
pub mod timeline;
pub mod trial;
pub mod unread;
pub mod user;
pub mod web_console;
