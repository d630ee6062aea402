//! The pure heart: no clock, no I/O, no spawn. Time enters as [`msg::Msg::Tick`].
//!
//! Architecture invariant: nothing here names another module of the crate, a runtime, a terminal
//! or the AWS SDK. `cargo test --no-default-features` builds it alone.

#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

pub mod action;
pub mod client;
pub mod cost;
pub mod describe;
pub mod diagnose;
pub mod effect;
pub mod environment;
pub mod error;
pub mod fleet;
pub mod identity;
pub mod input;
pub mod keymap;
pub mod lens;
pub mod logs;
pub mod modal;
pub mod model;
pub mod msg;
pub mod operation;
pub mod plan;
pub mod poll;
pub mod remote;
pub mod screens;
pub mod stack;
pub mod table;
pub mod text;
pub mod update;
