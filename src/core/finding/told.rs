//! What the tasks of gangway's servers say of themselves in their log: who is kept out, and what is behind.

use jiff::Timestamp;

use super::{Finding, Gravity, Id, reason};
use crate::core::requests::{Behind, Fall, Requests, Unread};

/// A task that cannot read who is kept out says so every minute, in milliseconds.
const UNREAD: i64 = 90_000;

/// What is wrong at a time (milliseconds since the Unix epoch), with the server of which it is said.
pub(super) fn told(counted: &Requests, at: i64) -> Vec<(&str, Finding)> {
    let unread = counted.unread(at - UNREAD).into_iter();
    let unread = unread.map(|(server, (said, unread))| (server, unread_quarantine(said, unread)));
    let down = counted.down(at).into_iter();
    unread.chain(down.map(|(server, said)| (server, behind(&said)))).collect()
}

/// That a task does not know who is to be kept out now. Where it has never known, an operator's word is not carried out.
fn unread_quarantine(said: i64, unread: &Unread) -> Finding {
    let (gravity, fact) = match unread.holds {
        true => (Gravity::Warning, format!("it cannot read who is kept out: what it has is {} s old", unread.age)),
        false => (Gravity::Fault, "it has never read who is kept out, and lets everybody in".to_owned()),
    };
    let evidence = "its log says quarantine_unavailable, with the reason".to_owned();
    Finding::new(Id::QuarantineUnread, gravity, fact, evidence).at(Timestamp::from_millisecond(said).ok())
}

/// That what is behind gangway does not run, so that requests are answered with 503, and at last the task ends.
fn behind(said: &Behind<'_>) -> Finding {
    let Behind { at, down, words, tasks } = said;
    // gangway's words say what the kernel did, those of the server itself what it wanted.
    let known = words.and_then(reason::of_last_words).or_else(|| reason::of_last_words(&down.message));
    let id = known.unwrap_or(if down.fall == Fall::CannotStart { Id::CommandMissing } else { Id::AppDown });
    let fact = match tasks {
        1 => down.fall.told().to_owned(),
        several => format!("{}, in {several} tasks", down.fall.told()),
    };
    let words = words.map(|words| format!("; it said last: {words}")).unwrap_or_default();
    let finding = Finding::new(id, Gravity::Fault, fact, format!("its log says: {}{words}", down.message));
    Finding { count: *tasks, ..finding }.at(Timestamp::from_millisecond(*at).ok())
}
