//! What happened, as far as the fleet does not know it: the events of stacks and the operations of this machine.

use futures::{StreamExt, join, stream};
use jiff::{SignedDuration, Timestamp};

use super::{Session, read};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::logs::LogQuery;
use crate::core::stack::{Stack, StackRef};
use crate::core::timeline::capture::{self, Captured};
use crate::core::timeline::{History, Stretch, of_audit, of_stack};

/// Stacks whose events are read at the same time.
const TOGETHER: usize = 4;
/// Pages of the event log that are read, of a megabyte each: some ten thousand stops.
const PAGES: usize = 40;
/// A change of a stack that began before the window may have events in it for so long: CloudFormation waits for a
/// service for three hours (user guide, "Troubleshooting CloudFormation").
const LONGEST: SignedDuration = SignedDuration::from_hours(4);

/// The stack of the server, or all of the environment.
///
/// # Errors
/// When they cannot be read.
pub async fn stacks(session: &Session, server: Option<&str>) -> CloudResult<Vec<Stack>> {
    match server {
        Some(server) => Ok(read::stack_of(session, server).await?.into_iter().collect()),
        None => read::stacks(session).await,
    }
}

/// The events of those of these stacks that changed since then, what the event log of the cluster kept, and the
/// operations of this machine; of one server, those that touch it. What cannot be read is a gap.
pub async fn besides(session: &Session, stacks: &[Stack], server: Option<&str>, since: Timestamp) -> History {
    let (mut history, captured) = join!(of_stacks(session, stacks, since), captured(session, since));
    let (captured, gap) = captured;
    history.captured = captured;
    history.gaps.extend(gap);
    let audit = session.audit.clone();
    // It may be long, and the disk slow.
    let records = tokio::task::spawn_blocking(move || audit.records()).await;
    match records {
        Ok(Ok(records)) => history.moments.extend(of_audit(&records, &session.context, server)),
        Ok(Err(error)) => history.gaps.push(format!("the audit: {error}")),
        Err(error) => history.gaps.push(format!("the audit: {error}")),
    }
    history
}

/// Both at once, for who looks at them. Whoever may not read stacks still sees the rest.
///
/// # Errors
/// When the stacks cannot be read now, though they could be read at another time.
pub async fn read(session: &Session, stretch: &Stretch) -> CloudResult<History> {
    let server = stretch.server.as_deref();
    let (stacks, gap) = match stacks(session, server).await {
        Ok(stacks) => (stacks, None),
        // An endpoint that lacks stacks has none.
        Err(why) if why.kind == ErrorKind::Unsupported => (Vec::new(), None),
        Err(why) if why.kind == ErrorKind::Denied => (Vec::new(), Some(format!("stacks: {why}"))),
        Err(why) => return Err(why),
    };
    let mut history = besides(session, &stacks, server, stretch.span.since(Timestamp::now())).await;
    history.gaps.extend(gap);
    Ok(history)
}

/// What the event log of the cluster has kept since then, and what of it could not be read. Nothing is told of a cluster
/// that has none.
async fn captured(session: &Session, since: Timestamp) -> (Option<Captured>, Option<String>) {
    let mut query = LogQuery {
        group: capture::group(&session.context.cluster),
        prefix: None,
        from: since.as_millisecond(),
        until: None,
        pattern: Some(capture::PATTERN.to_owned()),
        token: None,
    };
    let mut captured = Captured::default();
    let mut last = since;
    for page in 0..PAGES {
        let read = match session.cloud.log_page(&query).await {
            Ok(read) => read,
            // An endpoint that lacks logs keeps none.
            Err(why) if matches!(why.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => return (None, None),
            Err(why) => return ((page > 0).then_some(captured), Some(format!("the event log of the cluster: {why}"))),
        };
        for event in &read.events {
            captured.take(&event.message);
            last = Timestamp::from_millisecond(event.timestamp).unwrap_or(last).max(last);
        }
        // A page may be empty and not be the last one.
        query.token = read.next;
        if query.token.is_none() {
            return (Some(captured), None);
        }
    }
    let gap = format!("the event log of the cluster after {last:.0}: it is too long, ask for a shorter time");
    (Some(captured), Some(gap))
}

/// The events of those stacks that changed in the window.
async fn of_stacks(session: &Session, stacks: &[Stack], since: Timestamp) -> History {
    let from = since.checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
    let changed = stacks.iter().filter(|stack| stack.status.busy() || stack.updated_at.is_none_or(|at| at >= from));
    let changed: Vec<StackRef> = changed.map(|stack| stack.id.clone()).collect();
    let read = stream::iter(changed).map(|stack| {
        let cloud = session.cloud.clone();
        async move {
            let detail = cloud.stack_detail(&stack).await;
            (stack.name, detail)
        }
    });
    let mut read = read.buffered(TOGETHER);
    let mut history = History::default();
    while let Some((name, detail)) = read.next().await {
        match detail {
            Ok(detail) => history.moments.extend(of_stack(&name, &detail)),
            Err(why) => history.gaps.push(format!("events of {name}: {why}")),
        }
    }
    history
}
