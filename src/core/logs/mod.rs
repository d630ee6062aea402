//! CloudWatch log events: what is asked for, what comes, and what is kept.

pub mod insights;
pub mod line;
pub mod query;
pub mod store;
pub mod tail;

pub use line::{Line, Severity};
pub use query::{LogEvent, LogPage, LogQuery, TailUpdate};
pub use store::{Filter, Index, Pattern, Seq, Store};
pub use tail::{Dedup, Reading, TailRequest, TailState};
