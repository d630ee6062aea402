//! What AWS says of its own issues, as the event log of the cluster keeps it.

use super::{Past, read_on};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::issue::{Issue, SILENT, open};
use crate::core::timeline::capture;
use crate::run::Session;

/// AWS's issues that go on, by what the event log says; who looks again reads what came since. `None` where there is no
/// such log, as on clusters of others, in which AWS Health has no place, and where the stack keeps no events.
///
/// # Errors
/// When the log is there and cannot be read.
pub async fn issues(session: &Session, past: &Past) -> CloudResult<Option<Vec<Issue>>> {
    if session.context.ours().is_none() {
        return Ok(None);
    }
    let now = session.now();
    let since = now.checked_sub(SILENT).unwrap_or(now).as_millisecond();
    let mut log = past.issues.lock().await;
    match read_on(session, &past.budget, &mut log, capture::ISSUES, since).await {
        // What is left out of a log of many pages is what came last; it is read on the next time.
        Ok(_) => Ok(Some(open(&log.since(since).issues, &session.context.region, now))),
        Err(why) if matches!(why.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => Ok(None),
        Err(why) => Err(why),
    }
}
