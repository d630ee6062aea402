//! The pure heart: no clock, no I/O, no spawn. Time enters as [`msg::Msg::Tick`].
//!
//! Architecture invariant: nothing here names another module of the crate, a runtime, a terminal
//! or the AWS SDK. `cargo test --no-default-features` builds it alone.

pub mod client;
pub mod environment;
pub mod error;
pub mod fleet;
pub mod identity;
pub mod logs;
pub mod operation;
pub mod plan;
pub mod stack;
pub mod text;
