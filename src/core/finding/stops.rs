//! Tasks that stopped, but not because a scheduler or an operator wanted them to, and those that fail their own
//! check. Many stops of one kind are one finding.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Finding, Gravity, Id, RECENT, Remedy, fresh, reason, service, targets};
use crate::core::fleet::{Deployment, Health, Rollout, Server, StopCode, Task};
use crate::core::text::{age, count};

/// So many stops of one kind in a quarter of an hour are a loop, and replacing the task does not help.
const LOOP: usize = 3;

pub(super) fn stops(server: &Server, now: Timestamp) -> Vec<Finding> {
    // ECS tries ever more seldom to start tasks that fail (developer guide, "Amazon ECS service throttle logic"), so while
    // tasks are missing the last stop says why, however long ago it was.
    let steady = service::steady_since(server);
    let counts =
        |at: Timestamp| now.duration_since(at) < RECENT || (server.short() && steady.is_none_or(|since| since < at));
    let recent = |task: &&Task| task.stopped_at.is_some_and(counts);
    let kinds = by_kind(server.known_tasks().iter().filter(recent), Some(server));
    kinds.into_iter().filter_map(|(id, tasks)| one(Some(server), id, &tasks, now)).collect()
}

/// What stopped the tasks of a service that is gone, such as one whose creation failed. ECS knows them for an hour.
pub fn of_gone(service: &str, gone: &[Task], now: Timestamp) -> Vec<Finding> {
    let kinds = by_kind(gone.iter().filter(|task| task.service == service), None);
    let mut all: Vec<Finding> = kinds.into_iter().filter_map(|(id, tasks)| one(None, id, &tasks, now)).collect();
    super::in_order(&mut all);
    all
}

/// Stops that nobody wanted, by their reason.
fn by_kind<'a>(tasks: impl Iterator<Item = &'a Task>, server: Option<&Server>) -> BTreeMap<Id, Vec<&'a Task>> {
    let tasks: Vec<&Task> = tasks.filter(|task| task.stopped_itself()).collect();
    let mut kinds: BTreeMap<Id, Vec<&Task>> = BTreeMap::new();
    for task in &tasks {
        let id = match kind(server, task) {
            Id::Crash => of_those_alike(task, &tasks).unwrap_or(Id::Crash),
            id => id,
        };
        kinds.entry(id).or_default().push(task);
    }
    kinds
}

/// Why a task stopped by what one of those that ended in the same way said last: of many that fail alike only the newest
/// is heard.
fn of_those_alike(task: &Task, all: &[&Task]) -> Option<Id> {
    let how = |task: &Task| task.containers.iter().map(|one| one.exit_code).collect::<Vec<_>>();
    let alike = |other: &&&Task| other.task_definition == task.task_definition && how(other) == how(task);
    all.iter().filter(alike).find_map(|other| reason::of_last_words(other.last_words.as_deref()?))
}

/// Why a task stopped, as ECS says it.
pub(super) fn kind(server: Option<&Server>, task: &Task) -> Id {
    match task.stop_code {
        Some(StopCode::SpotInterruption) => return Id::SpotTaken,
        Some(StopCode::TerminationNotice) => return Id::Retired,
        _ => {}
    }
    let words = words(task);
    let codes = || task.containers.iter().filter_map(|one| one.exit_code);
    let exit = |wanted: &[i32]| codes().any(|code| wanted.contains(&code));
    let without_an_error = codes().next().is_some() && codes().all(|code| code == 0);
    match reason::of_stop(&words) {
        Some(id) => id,
        None if task.killed_by_check() => targets::of_killed(server, task),
        None if task.stop_code == Some(StopCode::TaskFailedToStart) => Id::StartFailed,
        // What a shell answers for a command that is not there, or cannot be carried out.
        None if exit(&[126, 127]) => Id::CommandMissing,
        // SIGILL.
        None if exit(&[132]) => Id::InstructionUnknown,
        None if without_an_error => Id::EndsItself,
        None => Id::Crash,
    }
}

/// All that ECS says about a stop. Its own summary says only that a container has ended.
fn words(task: &Task) -> String {
    let containers = task.containers.iter().filter_map(|container| container.reason.as_deref());
    task.stopped_reason.as_deref().into_iter().chain(containers).collect::<Vec<_>>().join("; ")
}

/// One finding for all stops of a kind.
fn one(server: Option<&Server>, id: Id, tasks: &[&Task], now: Timestamp) -> Option<Finding> {
    let (last, first) =
        (tasks.iter().max_by_key(|task| task.stopped_at)?, tasks.iter().filter_map(|t| t.stopped_at).min());
    let (loops, looks) = (tasks.len() >= LOOP, id == Id::Crash);
    let id = if loops && looks { Id::CrashLoop } else { id };
    let gravity = server.map_or(Gravity::Fault, |server| gravity(server, id, tasks, loops));
    let ago = last.stopped_at.map(|at| format!(" {} ago", age(now, at))).unwrap_or_default();
    let replaced = if gravity == Gravity::Fault { "" } else { ", and was replaced" };
    let what = became(id);
    let happened = match tasks.len() {
        1 => format!("task {} {}{what}{ago}{replaced}", last.short_id(), if what == "killed" { "was " } else { "" }),
        many => {
            let span = first.zip(last.stopped_at).filter(|(first, last)| last.duration_since(*first).as_secs() > 0);
            let over = span.map(|(first, last)| format!(" within {}", age(last, first))).unwrap_or_default();
            let were = if what == "killed" { "were " } else { "" };
            format!("{} {were}{what}{over}, the last{ago}", count(many, "task"))
        }
    };
    let fact = id.because(&happened);
    // A task that never ran has no log, and going back is what helps while the version before is still there.
    let remedy = if server.is_some_and(fresh) { Some(Remedy::Rollback) } else { id.remedy() };
    // Of many the newest that has been heard: what the very last one said may be on its way.
    let heard = tasks.iter().filter(|task| task.last_words.is_some()).max_by_key(|task| task.stopped_at);
    let shown = heard.unwrap_or(last);
    let task = if tasks.len() > 1 { format!("task {}: ", shown.short_id()) } else { String::new() };
    let asked = server.map(|server| targets::asked(server, None, id)).unwrap_or_default();
    let evidence = format!("{task}{}{asked}", shown.end());
    Some(Finding { count: tasks.len(), remedy, ..Finding::new(id, gravity, fact, evidence).at(last.stopped_at) })
}

/// A stop is no fault where the task was replaced, unless it happens again and again, or to the tasks of the
/// deployment that is to come, or of one that was given up because of it. It is past where another task definition was
/// put in place since.
fn gravity(server: &Server, id: Id, tasks: &[&Task], loops: bool) -> Gravity {
    let Some(primary) = server.primary() else {
        return if server.running >= server.wanted() { Gravity::Warning } else { Gravity::Fault };
    };
    let unfinished = matches!(primary.rollout, Rollout::InProgress | Rollout::Failed);
    let of = |definition: &str| tasks.iter().any(|task| task.task_definition == definition);
    let taken = matches!(id, Id::SpotTaken | Id::Retired);
    let given_up = !taken && super::given_up(server).any(|deployment| of(&deployment.task_definition));
    match () {
        () if given_up => Gravity::Fault,
        () if past(server, primary, tasks) => Gravity::Note,
        () if server.running < server.wanted() => Gravity::Fault,
        () if taken && loops => Gravity::Warning,
        // AWS takes hosts back as it likes, and ECS has started another task: nothing is left to do (developer guide, "Task
        // retirement and maintenance for AWS Fargate").
        () if taken => Gravity::Note,
        () if loops || (of(&primary.task_definition) && unfinished && fresh(server)) => Gravity::Fault,
        () => Gravity::Warning,
    }
}

/// Whether all of them were of another task definition than the one that is in force, and nothing runs of it any more:
/// they stopped before the deployment that is in force began, or that one is complete.
fn past(server: &Server, primary: &Deployment, tasks: &[&Task]) -> bool {
    let lives = |definition: &str| {
        let mut others = server.deployments.iter().filter(|one| one.id != primary.id);
        others.any(|one| one.task_definition == definition && one.desired + one.running + one.pending > 0)
    };
    tasks.iter().all(|task| {
        let before = task.stopped_at.zip(primary.created_at).is_some_and(|(stopped, made)| stopped < made);
        let over = primary.rollout == Rollout::Completed && !lives(&task.task_definition);
        task.task_definition != primary.task_definition && (before || over)
    })
}

/// What became of a task that was stopped for this reason.
fn became(id: Id) -> &'static str {
    match id {
        Id::OutOfMemory | Id::ContainerHealthCheck | Id::BalancerFails => "killed",
        id if id.of_health_check() => "killed",
        Id::CommandMissing
        | Id::EndsItself
        | Id::NotWritable
        | Id::InstructionUnknown
        | Id::Crash
        | Id::CrashLoop
        | Id::SpotTaken
        | Id::Retired => "stopped",
        _ => "did not start",
    }
}

/// Tasks that fail the check of their container.
pub(super) fn health_checks(server: &Server) -> Vec<Finding> {
    let sick: Vec<&Task> = server.live_tasks().filter(|task| task.health == Health::Unhealthy).collect();
    let Some(first) = sick.first() else { return Vec::new() };
    let reasons = sick.iter().flat_map(|task| &task.containers).filter_map(|container| container.reason.clone());
    let fact = match sick.len() {
        1 => format!("task {} fails its container health check", first.short_id()),
        many => format!("{} fail their container health check", count(many, "task")),
    };
    let evidence = reasons.collect::<Vec<_>>().join("; ");
    let finding = Finding::new(Id::ContainerHealthCheck, Gravity::Fault, fact, evidence).at(first.started_at);
    vec![Finding { count: sick.len(), ..finding }]
}
