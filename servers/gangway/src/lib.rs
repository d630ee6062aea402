//! Everything that an MCP server needs besides its tools.
//!
//! A server built on this library answers the Model Context Protocol on one
//! stateless endpoint, in the 2026-07-28 revision and in the older ones that
//! open with `initialize`. In front of the protocol stand, from the outside in:
//! the request log and metrics, the check of the head, the answers to browsers (CORS),
//! the limits, the token check with the callers that are kept out, and the check of the body.
//! Nothing is kept between requests, so any copy of the server can answer any
//! of them.
//!
//! `examples/echo.rs` is the smallest whole server; `servers/README.md` lists the variables, the
//! statuses and the log.
//!
//! A server's `main` is [`main`] with its handler:
//!
//! ```no_run
//! # #[derive(Clone)] struct Clock;
//! # impl rmcp::ServerHandler for Clock {}
//! fn main() -> std::process::ExitCode {
//!     gangway::main(|_env| Ok(gangway::Server::new(Clock)))
//! }
//! ```

mod accept;
mod app;
mod auth;
mod body;
mod budget;
mod challenge;
mod client;
mod config;
mod facts;
pub mod front;
mod head;
mod jwks;
mod limits;
mod log;
mod metadata;
mod metrics;
mod origin;
mod quarantine;
mod rate;
mod raw;
mod reason;
mod recent;
mod requests;
mod run;
mod serve;
mod shared;
mod stream;
mod token;

pub use app::{App, Server};
pub use client::{ClientError, http_client, read_limited};
pub use config::{Config, ConfigError, Env, Limits, Subjects};
pub use log::Log;
pub use quarantine::Place as QuarantinePlace;
pub use run::{main, shutdown_signal};
pub use token::Caller;
