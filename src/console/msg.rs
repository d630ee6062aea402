//! Every input of the console.

use std::time::Duration;

use jiff::Timestamp;

use super::keymap::KeyPress;
use super::place::{Arrival, PlaceId, Renewed};
use super::remote::Generation;
use super::screens::Answer;
use crate::core::doctor;
use crate::core::error::{CloudError, PlanResult, Refusal};
use crate::core::fleet::Fleet;
use crate::core::identity::Context;
use crate::core::logs::insights::InsightsResults;
use crate::core::logs::tail::Past;
use crate::core::logs::{Gap, Line, Rate, TailState};
use crate::core::operation::{self, Operation, Standing, Way};
use crate::core::pace::Usage;
use crate::core::plan::Plan;

#[derive(Debug, Clone)]
pub enum Msg {
    /// The time. Comes before every other input that happened at it, and at least once a second.
    Tick(Timestamp),
    /// A key was pressed.
    Key(KeyPress),
    /// Text was pasted.
    Paste(String),
    /// The left button of the mouse was pressed: column, row.
    Click(u16, u16),
    /// The mouse was moved with its left button held down: to this column.
    Drag(u16),
    /// The mouse wheel moved: rows, negative is up.
    Scroll(isize),
    /// The terminal has a new size: columns, rows.
    Resize(u16, u16),
    /// The same, from a place: what comes from another one than is shown is dropped, but for news of operations.
    Of(PlaceId, Box<Msg>),
    /// A place was reached, or why not.
    Entered(PlaceId, Box<Result<Arrival, Refusal>>),
    /// There is a session with a place beside this one, or why not.
    Joined(PlaceId, Box<Result<Context, Refusal>>),
    /// Somebody has signed in again, or why not.
    SignedIn(Result<Renewed, String>),
    /// Data came, or could not be read.
    Loaded(Generation, Answer),
    /// The fleet as far as the read that is under way has brought it; the rest follows.
    FleetSoFar(Generation, Box<Fleet>),
    /// Log lines came.
    Lines(Generation, Vec<Line>),
    /// A window of the past came.
    OlderLines(Generation, Result<Past, CloudError>),
    /// Idle: do the next slice of filtering, searching or saving.
    Work,
    /// The tail's state changed.
    Tail(Generation, TailState),
    /// A query has found something, ended, or failed.
    Insights(Generation, Result<InsightsResults, CloudError>),
    /// Doctor has found something, or ended.
    Doctor(Generation, doctor::News),
    /// Lines of the tail may be missing, or are complete again.
    Gap(Generation, Gap),
    /// A log group that is followed does not exist (`true`), or exists by now.
    LogMissing(Generation, String, bool),
    /// Lines of the window of the past that is being read, so far.
    OlderSoFar(Generation, u64),
    /// How the budget of log reads is used.
    LogRate(Generation, Rate),
    /// A plan is ready, or cannot be made.
    Planned(Generation, Box<PlanResult<Plan>>),
    /// What an unfinished operation is worth now, by its id, and how the operator wants to go on.
    Judged(String, Way, Result<Standing, CloudError>),
    /// An operation has news.
    Operation(String, operation::Event),
    /// The audit holds operations without an outcome.
    Unfinished(Vec<Operation>),
    /// Something to tell the operator.
    Notice(Notice),
    /// AWS calls made so far.
    Calls(u64),
    /// How the budget of each API is used, with its name.
    Usage(Vec<(&'static str, Usage)>),
    /// How far AWS's clock is ahead of this machine's, in milliseconds.
    Ahead(i64),
    /// How long AWS takes to answer, by its last few answers.
    Latency(Option<Duration>),
}

/// Something to tell the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It went well.
    Good(String),
    /// It did not.
    Bad(String),
}
