//! CloudWatch log events: what is asked for, what comes, and what is kept.

pub mod budget;
pub mod coverage;
pub mod dedup;
pub mod gap;
pub mod line;
pub mod query;
pub mod store;
pub mod tail;
pub mod window;

pub use budget::Rate;
pub use coverage::{Coverage, Feed};
pub use dedup::{Dedup, Reading};
pub use gap::Gap;
pub use line::{Line, Severity};
pub use query::{LogEvent, LogPage, LogQuery, TailUpdate};
pub use store::{Filter, Index, Pattern, Seq, Store};
pub use tail::{TailRequest, TailState};
