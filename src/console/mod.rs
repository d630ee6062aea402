//! The console as The Elm Architecture: messages in, effects out, both as data. Time enters as
//! [`msg::Msg::Tick`].
//!
//! Architecture invariant: only `core` is named here; no runtime, no terminal, no file.

#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]
#![allow(missing_docs, reason = "what a name says needs no words")]

pub mod action;
pub mod beside;
pub mod browse;
pub mod describe;
pub mod dialogs;
pub mod effect;
pub mod hint;
pub mod input;
pub mod keymap;
pub mod model;
pub mod mouse;
pub mod msg;
pub mod operations;
pub mod place;
pub mod poll;
pub mod remote;
pub mod screens;
pub mod table;
pub mod update;
