//! The driver: executes the core's effects and feeds it what happens, with or without a terminal.
//!
//! Architecture invariant: the core decides, this executes. Nothing here decides what is shown,
//! confirmed or written; nothing in the input path waits for network, disk or a lock.

pub mod audit;
mod console;
mod executor;
pub mod headless;
mod input;
pub mod insights;
mod operate;
pub mod planner;
pub mod read;
mod session;
pub mod tail;
mod terminal;
mod verify;

pub use console::console;
pub use session::Session;
