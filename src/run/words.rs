//! What tasks said last before they ended, read from the streams of those tasks alone.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::Session;
use super::tail::Budget;
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::fleet::{Fleet, Task};
use crate::core::logs::LogQuery;
use crate::core::logs::words::{Ended, LastWords, Said};

/// How long before ECS calls a task stopped its last lines may be, in milliseconds: it takes its network away first.
const BEFORE: i64 = 90_000;
/// How long after, for a clock that is ahead.
const AFTER: i64 = 10_000;
/// So long lines may be on their way to CloudWatch.
const LATE: SignedDuration = SignedDuration::from_secs(30);
/// Pages that are read of a stream, of ten thousand lines each.
const PAGES: usize = 3;
/// Most tasks whose log a command reads.
const MOST: usize = 10;
/// Tasks that are read at the same time.
const TOGETHER: usize = 4;

/// What these tasks said last; one that ended a moment ago and has said nothing so far is left out. One call for each stream,
/// mostly.
///
/// # Errors
/// When a log cannot be read.
pub async fn read(session: &Session, ended: &[Ended], budget: &Budget) -> CloudResult<Vec<Said>> {
    let mut all = Vec::new();
    for one in ended {
        let mut said = None;
        for (group, prefix) in &one.streams {
            said = said.or(of_stream(session, group, prefix, one.at, budget).await?);
        }
        let late = session.now().duration_since(one.at) < LATE;
        if said.is_some() || !late {
            all.push(Said { task: one.task.clone(), words: said });
        }
    }
    Ok(all)
}

async fn of_stream(
    session: &Session,
    group: &str,
    prefix: &str,
    at: Timestamp,
    budget: &Budget,
) -> CloudResult<Option<String>> {
    let at = at.as_millisecond();
    let mut query = LogQuery {
        group: group.to_owned(),
        prefix: Some(prefix.to_owned()),
        from: at - BEFORE,
        until: Some(at + AFTER),
        pattern: None,
        token: None,
    };
    let mut words = LastWords::default();
    for _ in 0..PAGES {
        budget.wait().await;
        let page = session.cloud.log_page(&query).await?;
        page.events.iter().for_each(|event| words.take(event.timestamp, &event.message));
        match page.next {
            Some(next) => query.token = Some(next),
            None => break,
        }
    }
    Ok(words.said().map(str::to_owned))
}

/// Notes at the tasks of a fleet what they said last where they have ended by themselves within an hour: of each server the
/// newest, and of services that are gone. Returns what could not be read, in words.
pub async fn fill(session: &Session, fleet: &mut Fleet) -> Vec<String> {
    let (now, budget) = (session.now(), Budget::at(&session.context));
    let mut ended: Vec<Ended> = fleet.servers.iter().filter_map(|server| Ended::of(server, now)).collect();
    for task in newest(&fleet.gone).into_iter().take(MOST) {
        // The service is gone, and its task definition, which stays, says where it logged.
        let logs = session.cloud.task_definition(&task.task_definition).await.map(|definition| definition.logs);
        ended.extend(logs.ok().and_then(|logs| Ended::of_task(task, &logs, now)));
    }
    ended.sort_by_key(|one| Reverse(one.at));
    ended.truncate(MOST);
    let budget = &budget;
    let reads = stream::iter(ended).map(|one| async move { read(session, &[one], budget).await });
    let mut reads = reads.buffered(TOGETHER);
    let (mut heard, mut gaps) = (BTreeMap::new(), Vec::new());
    while let Some(one) = reads.next().await {
        match one {
            Ok(said) => heard.extend(said.into_iter().map(|said| (said.task, said.words))),
            // A group that is gone with its service has no lines, and none that were not read.
            Err(why) if why.kind == ErrorKind::NotFound => {}
            Err(why) => gaps.push(format!("the last lines of a task: {why}")),
        }
    }
    fleet.hear(&heard);
    gaps.dedup();
    gaps
}

/// The task of each service that stopped last.
fn newest(gone: &[Task]) -> Vec<&Task> {
    let mut all: Vec<&Task> = gone.iter().filter(|task| task.stopped_itself()).collect();
    all.sort_by_key(|task| (&task.service, Reverse(task.stopped_at)));
    all.dedup_by_key(|task| &task.service);
    all
}
