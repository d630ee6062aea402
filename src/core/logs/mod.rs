//! CloudWatch log events: what is asked for, what comes, and what is kept.

pub mod budget;
pub mod coverage;
pub mod dedup;
pub mod expression;
pub mod field;
pub mod filter;
pub mod gap;
pub mod insights;
pub mod line;
pub mod merge;
pub mod moment;
pub mod pattern;
pub mod query;
mod segment;
pub mod severity;
mod sieve;
mod sources;
pub mod store;
pub mod tail;

pub use budget::Rate;
pub use coverage::{Coverage, Feed};
pub use dedup::{Dedup, Reading};
pub use expression::{BadExpression, Expression};
pub use filter::Filter;
pub use gap::Gap;
pub use line::{Line, LineRef};
pub use pattern::Pattern;
pub use query::{LogEvent, LogPage, LogQuery, TailUpdate};
pub use severity::Severity;
pub use sources::Source;
pub use store::{Anchor, Kept, Store};
pub use tail::{TailRequest, TailState};
