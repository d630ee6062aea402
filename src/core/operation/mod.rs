//! Every write of the console: planned, confirmed, audited, applied, verified.
//!
//! Architecture invariant: a [`Call`] reaches AWS only inside an [`Approved`], and only
//! [`protocol`] can make one, after the audit has the intent on disk. There is no second path.
//!
//! An operation is an [`Intent`] and the [`Facts`] learnt so far; its
//! steps are computed from both ([`Intent::steps`]), so a journal of facts is enough to go
//! on after a crash. Every call looks before it writes: repeating one whose outcome is unknown is
//! harmless.

#![allow(missing_docs, reason = "a comment stands where a name does not say it all")]

pub mod announcement;
pub mod deploy;
pub mod fact;
pub mod intent;
pub mod offer;
pub mod protection;
pub mod protocol;
pub mod publish;
pub mod quarantine;
pub mod record;
pub mod rescue;
pub mod rotate;
pub mod service;
pub mod shift;
mod steps;
pub mod user;
pub mod variable;
pub mod verify;
pub mod work;

pub use announcement::{About, Announced, Announcement};
pub use fact::{Fact, Facts};
pub use intent::{Intent, PlanRequest};
pub use offer::{Offer, Standing, Way};
pub use protocol::{Approved, Event, Operation, Order, Phase};
pub use record::Record;
pub use work::{
    Applied, BoardCall, Call, Changed, Check, CheckState, ImageCall, QuarantineCall, SecretCall, ServiceCall,
    ShiftCall, StackCall, Step, UserCall, Work,
};
