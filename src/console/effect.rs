//! Every output of the console: what the driver is to do. Data, never a closure.

use super::place::PlaceId;
use super::remote::Generation;
use super::screens::Fetch;
use crate::core::destination::Destination;
use crate::core::fleet::Attention;
use crate::core::logs::insights::InsightsRequest;
use crate::core::logs::tail::Keep;
use crate::core::logs::{Followed, TailRequest};
use crate::core::operation::{self, Operation, PlanRequest, Way};
use crate::core::stack::StackRef;

/// Something for the driver to do, in the place that is shown after the step unless it says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read, and answer [`Msg::Loaded`](super::msg::Msg::Loaded).
    Fetch(Fetch, Generation),
    /// Go on with this where the fleet is being read.
    Look(Attention),
    /// Follow these log groups instead of whatever was followed.
    Tail(Generation, TailRequest),
    /// Follow these log groups from now on: new ones join what is followed, the others leave.
    Sources(Followed),
    /// Read a window of the past, once; of one that is too large, keep this end.
    Older(Generation, TailRequest, Keep),
    /// Stop reading it.
    StopOlder,
    /// Run a query, and answer [`Msg::Insights`](super::msg::Msg::Insights) as it goes on.
    Insights(Generation, InsightsRequest),
    /// Stop the query that runs.
    StopInsights,
    /// Go the way to these servers, one after another, instead of whatever is gone, and answer
    /// [`Msg::Doctor`](super::msg::Msg::Doctor) with each link.
    Doctor(Generation, Vec<String>),
    /// Go it no further.
    StopDoctor,
    /// Plan, and answer [`Msg::Planned`](super::msg::Msg::Planned).
    Plan(Generation, PlanRequest),
    /// Read what an unfinished operation is worth now, and answer
    /// [`Msg::Judged`](super::msg::Msg::Judged).
    Judge(Box<Operation>, Way),
    /// Do what an operation wants done.
    Operation(String, operation::Order),
    /// Discard drafts that nobody will execute.
    Discard(Vec<(StackRef, String)>),
    /// Go to another place, and answer [`Msg::Entered`](super::msg::Msg::Entered) with this id.
    Enter(PlaceId, Destination),
    /// Make a session with a place whose servers stand in Fleet, too, and answer [`Msg::Joined`](super::msg::Msg::Joined).
    Join(PlaceId, Destination),
    /// The same in another place than the one that is shown: an operation acts where it was approved.
    Of(PlaceId, Box<Effect>),
    /// Lend the terminal to this program, by which somebody signs in, and answer
    /// [`Msg::SignedIn`](super::msg::Msg::SignedIn).
    SignIn(Vec<String>),
    /// Open an address in the browser; where there is none, tell it.
    Browse(String),
    /// Put text on the clipboard.
    Copy(String),
    /// Save text to a file of this name in the working directory.
    Save(String, String),
    /// End the console.
    Quit,
}
