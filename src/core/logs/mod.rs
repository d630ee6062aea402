//! CloudWatch log events: what is asked for, what comes, and what is kept.

pub mod query;

pub use query::{LogEvent, LogPage, LogQuery, TailUpdate};
