//! Whether what was promised holds, judged from what was read.

use crate::core::fleet::{Bounds, Deployment, Fleet, Rollout, Server, Task};
use crate::core::operation::work::{CheckState, Made, Promise};
use crate::core::stack::{Stack, StackDetail, StackEvent};
use crate::core::unread::Read;

/// Whether a service is steady: one deployment, completed, all its tasks running, targets healthy, and
/// everything that was promised besides.
pub fn steady(server: &Server, promise: &Promise) -> CheckState {
    let Some(primary) = server.primary() else {
        return CheckState::Failed(format!("service {} has no deployment (status {})", server.name, server.status));
    };
    if primary.rollout == Rollout::Failed {
        return CheckState::Failed(format!("the deployment failed: {}", why_failed(server, &primary.rollout_reason)));
    }
    if let Some(reason) = crash_loop(server, primary) {
        return CheckState::Failed(reason);
    }
    if let Some(state) = in_force(server, primary, promise).or_else(|| counted(server, promise)) {
        return state;
    }
    let wanted = server.desired;
    let (healthy, targets) = match server.healthy_targets() {
        Some((healthy, targets)) => (healthy, format!("{healthy}/{targets} targets healthy")),
        // Unread targets do not hold it up: ECS completes a deployment only behind a healthy load balancer.
        None if server.targets.why().is_some() => (wanted as usize, "targets not read".to_owned()),
        None => (wanted as usize, "no target group".to_owned()),
    };
    let alone = server.deployments.iter().filter(|other| other.running + other.pending > 0).count() <= 1;
    let rolled_out = matches!(primary.rollout, Rollout::Unsaid | Rollout::Completed);
    let full = !server.moving() && primary.running == wanted;
    let targets_ok = healthy >= wanted as usize;
    let note = format!("{}/{wanted} running, {targets}", server.running);
    if alone && rolled_out && full && targets_ok {
        return CheckState::Holds(note);
    }
    let (pending, rollout) = (server.pending, word(primary.rollout.word()));
    CheckState::Pending(format!("{note}, {pending} pending, rollout {rollout}{}", last_stop(server)))
}

/// Why the deployment in force is not the promised one; `None` if it is, or is newer than it.
///
/// A newer one, which somebody else has started since, does what ours was for: its tasks started later. It
/// does not if another task definition was promised. What is read just after a write may be older than it
/// (ECS API reference, eventual consistency), so an older deployment means nothing yet.
fn in_force(server: &Server, primary: &Deployment, promise: &Promise) -> Option<CheckState> {
    let ours = promise.made.as_ref().and_then(|made| server.deployments.iter().find(|one| one.id == made.id));
    if let Some(ours) = ours.filter(|ours| ours.rollout == Rollout::Failed) {
        return Some(CheckState::Failed(format!("rolled back: {}", why_failed(server, &ours.rollout_reason))));
    }
    if let Some(Made { id, at }) = promise.made.as_ref().filter(|made| made.id != primary.id) {
        let newer = at.zip(primary.created_at).is_none_or(|(ours, theirs)| theirs > ours);
        if !newer {
            return Some(CheckState::Pending(format!("ECS shows {}, which is older than {id}", primary.id)));
        }
    }
    let wanted = promise.task_definition.as_ref().filter(|wanted| **wanted != primary.task_definition)?;
    let short = |arn: &String| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let (now, wanted) = (short(&primary.task_definition), short(wanted));
    Some(CheckState::Doubtful(format!("superseded: deployment {} with {now} is in force, not {wanted}", primary.id)))
}

/// Why the desired count is not the promised one, if it is not.
fn counted(server: &Server, promise: &Promise) -> Option<CheckState> {
    let Bounds { min, max } = promise.count.filter(|count| !(count.min..=count.max).contains(&server.desired))?;
    let wanted = if min == max { min.to_string() } else { format!("{min} to {max}") };
    let reads = server.desired;
    Some(CheckState::Doubtful(format!("desired count reads {reads}, not {wanted}: someone or autoscaling changed it")))
}

/// So many tasks stopped by themselves, and none running, means that a deployment has failed. ECS's
/// circuit breaker needs at least three, too.
const CRASHES: usize = 3;

/// Whether a deployment starts tasks only to see them stop.
fn crash_loop(server: &Server, primary: &Deployment) -> Option<String> {
    let since = primary.created_at?;
    // Tasks of the previous deployment stop in this time, too.
    let ours = |task: &Task| task.task_definition == primary.task_definition;
    let of_this = |task: &&Task| ours(task) && task.stopped_at.is_some_and(|at| at >= since) && task.stopped_itself();
    let crashes = server.known_tasks().iter().filter(of_this).count();
    let last = server.latest_stop().filter(|_| crashes >= CRASHES && primary.running == 0)?;
    Some(format!("{crashes} tasks stopped as soon as they started; the last: {}", last.stop_reason()))
}

fn word(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn why_failed(server: &Server, reason: &str) -> String {
    format!("{}{}", word(reason), last_stop(server))
}

/// The task that stopped last since the deployment in force began, or why the tasks are unknown.
fn last_stop(server: &Server) -> String {
    let began = server.primary().and_then(|primary| primary.created_at);
    let since = |task: &&Task| began.is_none() || task.stopped_at.is_none() || task.stopped_at >= began;
    match (server.latest_stop().filter(since), server.tasks.why()) {
        (Some(task), _) => format!("; last stop: {}", task.stop_reason()),
        (None, Some(why)) => format!("; tasks not read: {why}"),
        (None, None) => String::new(),
    }
}

/// Whether a service has these autoscaling bounds.
pub fn bounds_are(server: &Server, wanted: Bounds) -> CheckState {
    match &server.bounds {
        Read::Known(Some(bounds)) if *bounds == wanted => CheckState::Holds(wanted.to_string()),
        Read::Known(Some(bounds)) => CheckState::Pending(format!("they read {bounds}")),
        Read::Known(None) => CheckState::Failed("the service has no autoscaling".into()),
        Read::NotRead(why) => CheckState::Pending(format!("autoscaling bounds not read: {why}")),
    }
}

/// Whether a task has stopped. One that is not in the list is gone, but only from a list that was read.
pub fn task_stopped(fleet: &Fleet, task: &str) -> CheckState {
    let mut known = fleet.servers.iter().flat_map(Server::known_tasks);
    let unread = || fleet.servers.iter().find_map(|server| server.tasks.why());
    match (known.find(|one| one.arn == task), unread()) {
        (Some(one), _) if one.stopped() => CheckState::Holds("stopped".into()),
        (Some(one), _) => CheckState::Pending(one.last_status.word().to_lowercase()),
        (None, Some(why)) => CheckState::Pending(format!("tasks not read: {why}")),
        (None, None) => CheckState::Holds("gone".into()),
    }
}

/// Whether a stack has reached the end of our operation, named by its token.
pub fn settled(stack: Option<&Stack>, detail: &Read<StackDetail>, token: Option<&str>) -> CheckState {
    let Some(stack) = stack else { return CheckState::Failed("the stack is gone".into()) };
    // The status of the stack may be that of the time before the operation, or of somebody's after it. Its
    // events tell which, where they bear tokens at all.
    let tokens = detail.known().is_some_and(|detail| detail.events.iter().any(|event| event.token.is_some()));
    let ours = token.filter(|_| tokens).map(|token| of_stack(detail, stack).find(|event| bears(event, token)));
    let status = match ours {
        Some(None) => {
            let now = &stack.status.0;
            return CheckState::Pending(format!("{now}: CloudFormation does not show the change yet"));
        }
        Some(Some(event)) => &event.status,
        None => &stack.status,
    };
    if status.busy() {
        return CheckState::Pending(progress(detail, token, &status.0));
    }
    if status.settled_well() {
        return CheckState::Holds(status.0.clone());
    }
    if status.absent() {
        return CheckState::Pending(format!("{}: not begun", status.0));
    }
    CheckState::Failed(format!("{}: {}", status.0, cause(stack, detail, token)))
}

/// The events of the stack itself, not of what is in it, newest first.
fn of_stack<'a>(detail: &'a Read<StackDetail>, stack: &'a Stack) -> impl Iterator<Item = &'a StackEvent> {
    let events = detail.known().map(|detail| detail.events.as_slice()).unwrap_or_default();
    events.iter().filter(|event| event.kind == "AWS::CloudFormation::Stack" && event.logical_id == stack.id.name)
}

fn bears(event: &StackEvent, token: &str) -> bool {
    event.token.as_deref() == Some(token)
}

/// Whether the last change of a stack is the one of this token.
pub fn changed_last_by(detail: &Read<StackDetail>, stack: &Stack, token: &str) -> bool {
    of_stack(detail, stack).next().is_some_and(|event| bears(event, token))
}

/// Whether a stack is gone.
pub fn gone(stack: Option<&Stack>, detail: &Read<StackDetail>, token: Option<&str>) -> CheckState {
    match stack {
        None => CheckState::Holds("gone".into()),
        Some(stack) if stack.status.0 == "DELETE_COMPLETE" => CheckState::Holds("gone".into()),
        Some(stack) if stack.status.0 == "DELETE_FAILED" => {
            CheckState::Failed(format!("DELETE_FAILED: {}", cause(stack, detail, token)))
        }
        Some(stack) => CheckState::Pending(progress(detail, token, &stack.status.0)),
    }
}

/// Events of our own operation: those with our token, or all where the service gives none.
fn ours<'a>(detail: &'a StackDetail, token: Option<&str>) -> Vec<&'a StackEvent> {
    let of_ours = |event: &&StackEvent| token.is_some() && event.token.as_deref() == token;
    let tagged: Vec<&StackEvent> = detail.events.iter().filter(of_ours).collect();
    if tagged.is_empty() { detail.events.iter().collect() } else { tagged }
}

fn progress(detail: &Read<StackDetail>, token: Option<&str>, status: &str) -> String {
    let detail = match detail {
        Read::Known(detail) => detail,
        Read::NotRead(why) => return format!("{status}, resources not read: {why}"),
    };
    let done = detail.resources.iter().filter(|resource| resource.status.0.ends_with("_COMPLETE")).count();
    let newest = ours(detail, token).first().map(|event| format!(", {} {}", event.logical_id, event.status.0));
    format!("{status}: {done} of {} resources{}", detail.resources.len(), newest.unwrap_or_default())
}

fn cause(stack: &Stack, detail: &Read<StackDetail>, token: Option<&str>) -> String {
    match detail {
        Read::Known(detail) => root_cause(detail, token, stack.reason.as_deref()),
        Read::NotRead(why) => {
            let said = stack.reason.as_deref().map(|reason| format!("{reason}; ")).unwrap_or_default();
            format!("{said}events not read: {why}")
        }
    }
}

/// The first resource that failed in the operation, with its reason: later failures only follow from it.
pub fn root_cause(detail: &StackDetail, token: Option<&str>, stack_reason: Option<&str>) -> String {
    let consequence =
        |reason: &str| reason.contains("cancelled") || reason.contains("The following resource(s) failed");
    let failed =
        |event: &&StackEvent| event.status.0.ends_with("_FAILED") && !event.reason.as_deref().is_some_and(consequence);
    // Events come newest first; the first failure is the last that matches, within the newest operation.
    let events = ours(detail, token);
    match events.iter().copied().rfind(|event| failed(event)) {
        Some(event) => {
            let reason = event.reason.as_deref().unwrap_or("no reason given");
            format!("{} ({}) {}: {reason}", event.logical_id, event.kind, event.status.0)
        }
        None => stack_reason.unwrap_or("no reason given").to_owned(),
    }
}
