//! quarterdeck: a terminal operations console for MCP servers on AWS.
//!
//! The map of the crate, its walls and its invariants are in `ARCHITECTURE.md`.
// It panics when the reader of stderr has gone away. `run::headless::progress` does not.
#![deny(clippy::print_stderr)]

pub mod console;
pub mod core;

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "runtime")]
pub mod cloud;
#[cfg(feature = "runtime")]
pub mod engine;
#[cfg(feature = "tui")]
pub mod local;
#[cfg(feature = "tui")]
pub mod run;
#[cfg(feature = "tui")]
pub mod ui;
