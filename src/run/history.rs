//! What happened, as far as the fleet does not know it: the events of stacks, what the cluster's event log has kept, what
//! autoscaling did, how many requests CloudWatch has counted, the alarms, and the operations of this machine.

mod counts;
mod issues;
mod scaling;

pub use self::issues::issues;

use std::collections::BTreeMap;

use futures::{StreamExt, join, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::tail::Budget;
use super::{Session, read};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::environment::names;
use crate::core::logs::{LogPage, LogQuery};
use crate::core::metrics::{Alarm, AlarmChange};
use crate::core::stack::{Stack, StackRef};
use crate::core::timeline::capture::{self, EventLog};
use crate::core::timeline::{History, Stretch, of_alarms, of_audit, of_stack};

/// Stacks whose events are read at the same time.
const TOGETHER: usize = 4;
/// Pages of the event log that are read, of a megabyte each: some ten thousand stops.
const PAGES: usize = 40;
/// A change of a stack that began before the window may have events in it for so long: CloudFormation waits for a
/// service for three hours (user guide, "Troubleshooting CloudFormation").
const LONGEST: SignedDuration = SignedDuration::from_hours(4);

/// Attempts at a page of the event log.
const ATTEMPTS: u32 = 3;
/// Alarms whose history is read at most, the newest changes first.
const ALARMS: usize = 20;

/// What was read of the past in one place so far: who looks at it for long reads only what came since.
#[derive(Debug, Default)]
pub struct Past {
    /// That of everybody in this process who reads logs.
    budget: Budget,
    events: Mutex<EventLog>,
    /// Of the same log, what AWS says of its own issues.
    issues: Mutex<EventLog>,
    alarms: Mutex<BTreeMap<String, Known>>,
    scaled: Mutex<BTreeMap<Option<String>, scaling::Known>>,
    counted: Mutex<counts::Known>,
}

/// What is known of the history of an alarm.
#[derive(Debug)]
struct Known {
    /// Its last change when it was read.
    changed: Option<Timestamp>,
    /// From when on it was read.
    from: Timestamp,
    changes: Vec<AlarmChange>,
}

impl Past {
    /// Nothing yet; what is read of it comes out of this budget of calls of FilterLogEvents.
    pub fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }
}

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
pub async fn besides(
    session: &Session,
    past: &Past,
    stacks: &[Stack],
    server: Option<&str>,
    since: Timestamp,
) -> History {
    let scaled = async { scaling::scaling(session, &mut *past.scaled.lock().await, server, since).await };
    let servers = servers(session, stacks, server);
    let (mut history, captured, scaled, watched) = join!(
        of_stacks(session, stacks, since),
        captured(session, past, since),
        scaled,
        watched(session, past, server, &servers, since)
    );
    (history.captured, history.not_captured) = (captured.captured, captured.not_captured);
    history.counted = watched.counted;
    history.gaps.extend(captured.gaps.into_iter().chain(scaled.gaps).chain(watched.gaps));
    history.moments.extend(scaled.moments.into_iter().chain(watched.moments));
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
pub async fn read(session: &Session, past: &Past, stretch: &Stretch) -> CloudResult<History> {
    let server = stretch.server.as_deref();
    let (stacks, gap) = match stacks(session, server).await {
        Ok(stacks) => (stacks, None),
        // An endpoint that lacks stacks has none.
        Err(why) if why.kind == ErrorKind::Unsupported => (Vec::new(), None),
        Err(why) if why.kind == ErrorKind::Denied => (Vec::new(), Some(format!("stacks: {why}"))),
        Err(why) => return Err(why),
    };
    let mut history = besides(session, past, &stacks, server, stretch.span.since(Timestamp::now())).await;
    history.gaps.extend(gap);
    Ok(history)
}

/// What the event log of the cluster has kept since then, as a part of the history. Only what came since the last time is
/// read, and what may have come late.
async fn captured(session: &Session, past: &Past, since: Timestamp) -> History {
    let mut log = past.events.lock().await;
    let gap = match read_on(session, &past.budget, &mut log, capture::PATTERN, since.as_millisecond()).await {
        Ok(gap) => gap,
        Err(why) => {
            let absent = || {
                format!(
                    "there is no log group {}, which the platform's stack makes, or ECS's event capture",
                    capture::group(&session.context.cluster)
                )
            };
            let (why, gap) = match why.kind {
                ErrorKind::NotFound => (absent(), None),
                ErrorKind::Unsupported => ("this endpoint keeps no logs".to_owned(), None),
                _ => (why.to_string(), Some(format!("the event log of the cluster: {why}"))),
            };
            return History { not_captured: Some(why), gaps: gap.into_iter().collect(), ..History::default() };
        }
    };
    let captured = Some(log.since(since.as_millisecond()));
    History { captured, gaps: gap.into_iter().collect(), ..History::default() }
}

/// Reads what is missing of the log; what is left out, if it is too long or ends in an error.
///
/// # Errors
/// When nothing of it could be read.
async fn read_on(
    session: &Session,
    budget: &Budget,
    log: &mut EventLog,
    pattern: &str,
    since: i64,
) -> CloudResult<Option<String>> {
    let ahead = SignedDuration::from_millis(session.cloud.ahead());
    let now = Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX).as_millisecond();
    let mut pages = 0;
    for (from, until) in log.missing(since) {
        let mut query = LogQuery {
            group: capture::group(&session.context.cluster),
            prefix: None,
            from,
            until,
            pattern: Some(pattern.to_owned()),
            token: None,
        };
        let mut last = from;
        loop {
            let read = match page(session, budget, &query).await {
                Ok(read) => read,
                Err(why) if pages == 0 => return Err(why),
                Err(why) => return Ok(Some(format!("the event log of the cluster: {why}"))),
            };
            pages += 1;
            for event in &read.events {
                log.take(event.timestamp, &event.message);
                last = last.max(event.timestamp);
            }
            // A page may be empty and not be the last one.
            query.token = read.next;
            if query.token.is_none() {
                log.has_read(from, until.unwrap_or(now));
                break;
            }
            // Events come in the order of time. What is older than all that is known fits only as a whole.
            if until.is_none() {
                log.has_read(from, last);
            }
            if pages >= PAGES {
                let last = Timestamp::from_millisecond(last).unwrap_or_default();
                let gap = format!(
                    "the event log of the cluster after {last:.0}: it is long, and is read on; or ask for a shorter time"
                );
                return Ok(Some(gap));
            }
        }
    }
    Ok(None)
}

/// One page, within the budget of calls that all who read logs share.
async fn page(session: &Session, budget: &Budget, query: &LogQuery) -> CloudResult<LogPage> {
    let mut attempt = 1;
    loop {
        budget.wait().await;
        match session.cloud.log_page(query).await {
            Err(why) if why.retryable() && attempt < ATTEMPTS => {
                if why.kind == ErrorKind::Throttled {
                    budget.throttled();
                }
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// The servers of the environment: those with a stack, or, where those could not be read, those of the file.
fn servers(session: &Session, stacks: &[Stack], server: Option<&str>) -> Vec<String> {
    let (Some(environment), None) = (session.context.ours(), server) else {
        return server.map(str::to_owned).into_iter().collect();
    };
    let named = stacks.iter().filter_map(|stack| names::server_of(environment, &stack.id.name)).map(str::to_owned);
    let named: Vec<String> = named.collect();
    let file = session.environment.iter().flat_map(|file| &file.servers).map(|server| server.name.clone());
    if named.is_empty() { file.collect() } else { named }
}

/// What CloudWatch knows: how its alarms went, and how many requests there were, which takes the alarms' names of the load
/// balancer.
async fn watched(
    session: &Session,
    past: &Past,
    server: Option<&str>,
    servers: &[String],
    since: Timestamp,
) -> History {
    let Some(environment) = session.context.ours() else { return History::default() };
    let prefix = match server {
        Some(server) => names::stack(environment, server) + "-",
        None => names::stack_prefix(environment),
    };
    let (found, gap) = match session.cloud.alarms(&prefix).await {
        Ok(found) => (found, None),
        // An endpoint that lacks alarms has none.
        Err(why) if why.kind == ErrorKind::Unsupported => (Vec::new(), None),
        Err(why) => (Vec::new(), Some(format!("alarms: {why}"))),
    };
    let counted = async {
        let mut known = past.counted.lock().await;
        counts::of_requests(session, &mut known, server, servers, &found, since).await
    };
    let (mut history, counted) = join!(changes(session, past, environment, found.clone(), since), counted);
    history.counted = counted.counted;
    history.gaps.extend(gap.into_iter().chain(counted.gaps));
    history
}

/// The state changes of these alarms since then. Of an alarm that has not changed since it was read, nothing is read again;
/// of one that has not changed in this time, there is nothing to read.
async fn changes(
    session: &Session,
    past: &Past,
    environment: &str,
    mut found: Vec<Alarm>,
    since: Timestamp,
) -> History {
    found.retain(|alarm| alarm.since.is_none_or(|at| at >= since));
    found.sort_by_key(|alarm| std::cmp::Reverse(alarm.since));
    let mut history = History::default();
    if found.len() > ALARMS {
        history.gaps.push(format!("the history of {} alarms that changed before the others", found.len() - ALARMS));
    }
    let mut known = past.alarms.lock().await;
    for alarm in found.into_iter().take(ALARMS) {
        let fresh = |one: &&Known| one.changed == alarm.since && alarm.since.is_some() && one.from <= since;
        if known.get(&alarm.name).filter(fresh).is_none() {
            match session.cloud.alarm_changes(&alarm.name, since).await {
                Ok(changes) => {
                    drop(known.insert(alarm.name.clone(), Known { changed: alarm.since, from: since, changes }));
                }
                Err(why) => {
                    history.gaps.push(format!("the history of alarms: {why}"));
                    break;
                }
            }
        }
        let changes = known.get(&alarm.name).map(|one| one.changes.as_slice()).unwrap_or_default();
        let changes: Vec<AlarmChange> = changes.iter().filter(|change| change.at >= since).cloned().collect();
        history.moments.extend(of_alarms(&changes, environment));
    }
    history
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
