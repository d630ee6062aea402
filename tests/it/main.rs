//! All tests from outside the crate, as one program: it is linked once.
//!
//! Those marked `ignored` start the local cloud with containers; `make e2e` runs them.
#![cfg(all(unix, feature = "tui", feature = "aws"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test says what it expects")]
#![allow(clippy::disallowed_methods, reason = "a test takes time")]
#![allow(missing_docs, reason = "nobody reads a test's documentation")]

mod accounts;
mod audit;
mod aws_emulator;
mod aws_rotation;
mod aws_wire;
mod beside;
mod book;
mod causes;
mod colleagues;
mod command;
mod deploys;
mod doctor;
mod drift;
mod e2e_app;
mod e2e_colleagues;
mod e2e_foreign;
mod e2e_gameday;
mod e2e_local;
mod e2e_oauth;
mod e2e_publish;
mod e2e_quarantine;
mod e2e_trial;
mod environments;
mod example;
mod findings;
mod flows;
mod flows_causes;
mod flows_insights;
mod flows_logs;
mod flows_requests;
mod gameday;
mod health;
mod healthy;
mod hostile;
mod images;
mod incidents;
mod killed;
mod local_emulator;
mod logs_foreign;
mod marker;
mod metrics;
mod mouse;
mod others;
mod packaging;
mod past;
mod places;
mod private;
mod protocol;
mod pty;
mod publish;
mod quarantine;
mod reading;
mod readme;
mod rescue;
mod revisions;
mod rights;
mod sagas;
mod scenes;
mod schedules;
mod screens;
mod screens_causes;
mod screens_logs;
mod screens_states;
mod services;
mod settled;
mod steady;
mod support;
mod tail_faults;
mod tail_schedules;
mod themes;
mod tour;
mod traffic;
mod trial;
mod unread;
mod update;
mod users;
mod variables;
mod walls;
mod words;
