//! The driver: executes effects and reports what happened, with or without a terminal.
//!
//! Architecture invariant: `core` and `console` decide, `run` executes. Nothing here decides what is
//! shown, confirmed or written, and nothing between a key and its effect waits for the network, the disk
//! or a lock.

pub mod audit;
mod browser;
mod console;
pub mod definitions;
pub mod doctor;
mod executor;
pub mod headless;
pub mod history;
mod input;
pub mod insights;
pub mod judge;
pub mod metrics;
pub mod operate;
pub mod places;
pub mod planner;
pub mod private;
pub mod read;
mod registry;
pub mod revisions;
mod session;
pub mod shift;
mod signals;
pub mod tail;
mod terminal;
pub mod traffic;
mod verify;
pub mod words;

pub use console::{Closed, Left, Opening, console};
pub use session::Session;
