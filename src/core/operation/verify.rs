//! Whether what was promised holds, judged from what was read.

use crate::core::fleet::{Deployment, Server, Task};
use crate::core::operation::work::CheckState;
use crate::core::stack::{Stack, StackDetail, StackEvent};

/// Whether a service is steady: one deployment, completed, all its tasks running, targets healthy.
///
/// `desired` is the promised count, `deployment` the deployment that must be in force.
pub fn steady(server: &Server, desired: Option<u32>, deployment: Option<&str>) -> CheckState {
    let Some(primary) = server.primary() else {
        return CheckState::Failed(format!("service {} has no deployment (status {})", server.name, server.status));
    };
    if primary.rollout == "FAILED" {
        return CheckState::Failed(format!("the deployment failed: {}", why_failed(server, &primary.rollout_reason)));
    }
    if let Some(reason) = crash_loop(server, primary) {
        return CheckState::Failed(reason);
    }
    if let Some(wanted) = deployment.filter(|id| !id.is_empty() && *id != primary.id) {
        let ours = server.deployments.iter().find(|deployment| deployment.id == wanted);
        return match ours {
            Some(ours) if ours.rollout == "FAILED" => {
                CheckState::Failed(format!("rolled back: {}", why_failed(server, &ours.rollout_reason)))
            }
            _ => CheckState::Failed(format!("superseded: deployment {} is in force instead", primary.id)),
        };
    }
    if let Some(wanted) = desired.filter(|wanted| *wanted != server.desired) {
        return CheckState::Failed(format!(
            "desired count reads {}, not {wanted}: someone or autoscaling changed it",
            server.desired
        ));
    }
    let wanted = server.desired;
    let (healthy, targets) = match server.healthy_targets() {
        Some((healthy, targets)) => (healthy, format!("{healthy}/{targets} targets healthy")),
        // Not a promise of its own: a deployment that ECS calls completed has passed its load balancer.
        None => (wanted as usize, "targets not known".to_owned()),
    };
    let alone = server.deployments.iter().filter(|other| other.running + other.pending > 0).count() <= 1;
    let rolled_out = primary.rollout.is_empty() || primary.rollout == "COMPLETED";
    let full = server.running == wanted && server.pending == 0 && primary.running == wanted;
    let targets_ok =
        server.targets.as_ref().is_none_or(|all| all.is_empty() && wanted == 0 || healthy >= wanted as usize);
    let note = format!("{}/{wanted} running, {targets}", server.running);
    if alone && rolled_out && full && targets_ok {
        return CheckState::Holds(note);
    }
    let trouble = latest_stop(server).map(|task| format!("; last stop: {}", stop_reason(task))).unwrap_or_default();
    CheckState::Pending(format!("{note}, {} pending, rollout {}{trouble}", server.pending, word(&primary.rollout)))
}

/// Tasks that may stop by themselves before a deployment without a running one is given up. ECS's
/// own circuit breaker needs at least three, too.
const CRASHES: usize = 3;

/// Whether a deployment starts tasks only to see them stop.
fn crash_loop(server: &Server, primary: &Deployment) -> Option<String> {
    let since = primary.created_at?;
    // Those of the deployment before stop in this time too.
    let ours = |task: &Task| task.task_definition == primary.task_definition;
    let of_this = |task: &&Task| ours(task) && task.stopped_at.is_some_and(|at| at >= since) && stopped_itself(task);
    let crashes = server.tasks.iter().filter(of_this).count();
    let last = latest_stop(server).filter(|_| crashes >= CRASHES && primary.running == 0)?;
    Some(format!("{crashes} tasks stopped as soon as they started; the last: {}", stop_reason(last)))
}

fn word(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn why_failed(server: &Server, reason: &str) -> String {
    let stop = latest_stop(server).map(|task| format!("; last stop: {}", stop_reason(task))).unwrap_or_default();
    format!("{}{stop}", word(reason))
}

/// Whether a task stopped, but not because a scheduler or an operator wanted it to.
pub fn stopped_itself(task: &Task) -> bool {
    let wanted = matches!(task.stop_code.as_deref(), Some("ServiceSchedulerInitiated" | "UserInitiated") | None);
    task.stopped() && !wanted
}

/// The task that stopped last by itself, not because a scheduler or an operator wanted it to.
pub fn latest_stop(server: &Server) -> Option<&Task> {
    server.tasks.iter().filter(|task| stopped_itself(task)).max_by_key(|task| task.stopped_at)
}

/// Why a task stopped, in one line: ECS's reason and the exit codes of its containers.
pub fn stop_reason(task: &Task) -> String {
    let mut parts = Vec::new();
    parts.extend(task.stop_code.clone());
    parts.extend(task.stopped_reason.clone());
    for container in &task.containers {
        let exit = container.exit_code.map(|code| format!("exit {code}{}", signal(code)));
        let reason = container.reason.clone();
        let facts: Vec<String> = [exit, reason].into_iter().flatten().collect();
        if !facts.is_empty() {
            parts.push(format!("{}: {}", container.name, facts.join(", ")));
        }
    }
    if parts.is_empty() { "no reason given".into() } else { parts.join("; ") }
}

/// What an exit code over 128 means: the signal that ended the process.
fn signal(code: i32) -> &'static str {
    match code {
        134 => " (SIGABRT)",
        137 => " (SIGKILL: killed, or out of memory)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

/// Whether a stack has reached the end of our operation, named by its token.
pub fn settled(stack: Option<&Stack>, detail: &StackDetail, token: &str) -> CheckState {
    let Some(stack) = stack else { return CheckState::Failed("the stack is gone".into()) };
    let status = &stack.status.0;
    if stack.status.busy() {
        return CheckState::Pending(progress(detail, token, status));
    }
    if stack.status.settled_well() {
        return CheckState::Holds(status.clone());
    }
    if stack.status.absent() {
        return CheckState::Pending(format!("{status}: not begun"));
    }
    CheckState::Failed(format!("{status}: {}", root_cause(detail, token, stack.reason.as_deref())))
}

/// Whether a stack is gone.
pub fn gone(stack: Option<&Stack>, detail: &StackDetail, token: &str) -> CheckState {
    match stack {
        None => CheckState::Holds("gone".into()),
        Some(stack) if stack.status.0 == "DELETE_COMPLETE" => CheckState::Holds("gone".into()),
        Some(stack) if stack.status.0 == "DELETE_FAILED" => {
            CheckState::Failed(format!("DELETE_FAILED: {}", root_cause(detail, token, stack.reason.as_deref())))
        }
        Some(stack) => CheckState::Pending(progress(detail, token, &stack.status.0)),
    }
}

/// Events of our own operation: those with our token, or all where the service gives none.
fn ours<'a>(detail: &'a StackDetail, token: &str) -> Vec<&'a StackEvent> {
    let tagged: Vec<&StackEvent> = detail.events.iter().filter(|event| event.token.as_deref() == Some(token)).collect();
    if tagged.is_empty() { detail.events.iter().collect() } else { tagged }
}

fn progress(detail: &StackDetail, token: &str, status: &str) -> String {
    let done = detail.resources.iter().filter(|resource| resource.status.0.ends_with("_COMPLETE")).count();
    let newest = ours(detail, token).first().map(|event| format!(", {} {}", event.logical_id, event.status.0));
    format!("{status}: {done} of {} resources{}", detail.resources.len(), newest.unwrap_or_default())
}

/// The first resource that failed in the operation, with its reason: later failures only follow from it.
pub fn root_cause(detail: &StackDetail, token: &str, stack_reason: Option<&str>) -> String {
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
