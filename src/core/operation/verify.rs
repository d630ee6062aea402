//! Whether what was promised holds, judged from what was read.

use jiff::{SignedDuration, Timestamp};

use crate::core::fleet::{
    Bounds, Controller, Deployment, Health, Rollout, Served, Server, ServiceDeployment, ServiceDeploymentStatus,
    ServiceEvent, Task,
};
use crate::core::image::Found;
use crate::core::operation::rescue::By;
use crate::core::operation::variable::Variables;
use crate::core::operation::work::{CheckState, Deletion, Made, Promise, Push};
use crate::core::stack::{Skip, Stack, StackDetail, StackEvent, StackStatus};
use crate::core::text::age;
use crate::core::unread::Read;
use crate::core::user::User;

/// Whether a version is in force and has the variable, or has it no more.
pub fn variable_set(found: &Variables, key: &str, version: &str, unset: bool) -> CheckState {
    if found.version != version {
        // A version that somebody has made since may have it, too; Secrets Manager shows a move at once.
        return CheckState::Doubtful("another version of the secret is in force".into());
    }
    match (found.keys.iter().any(|one| one == key), unset) {
        (true, false) => CheckState::Holds(format!("{key} is among its {} variables", found.keys.len())),
        (false, true) => CheckState::Holds(format!("{key} is not among its {} variables", found.keys.len())),
        (false, false) => CheckState::Failed(format!("{key} is not in the version that was written")),
        (true, true) => CheckState::Failed(format!("{key} is still in the version that was written")),
    }
}

/// Whether a user may sign in, or not.
pub fn user_enabled(found: Option<&User>, user: &str, enabled: bool) -> CheckState {
    match found {
        None => CheckState::Failed(format!("there is no user {user} any more")),
        Some(found) if found.enabled == enabled => {
            CheckState::Holds(format!("{user} {}", if enabled { "may sign in" } else { "may not sign in" }))
        }
        Some(_) => CheckState::Doubtful(format!("{user} {}", if enabled { "is disabled" } else { "is enabled" })),
    }
}

/// Whether a registry has the image under the name that it was given, and by which digest.
pub fn published(found: &Found, push: &Push) -> (CheckState, Option<String>) {
    let Found::Image { digest, .. } = found else {
        return (CheckState::Doubtful(format!("the registry has no {}", push.image)), None);
    };
    match found.is_all(push.ids()) {
        Some(true) => (CheckState::Holds(format!("{digest}, for {}", push.platforms())), Some(digest.clone())),
        Some(false) => (CheckState::Failed(format!("{} is another image, {digest}", push.image)), None),
        None => (
            CheckState::Unproven(format!("{digest}; it could not be read whether that is the image")),
            Some(digest.clone()),
        ),
    }
}

/// Whether a service is steady: one deployment, completed, all its tasks running, the targets of every load
/// balancer healthy, and everything that was promised besides. What proves it depends on the kind of service.
pub fn steady(server: &Server, promise: &Promise, now: Timestamp) -> CheckState {
    if server.shape.task_sets() {
        return task_sets(server, promise, now);
    }
    let Some(primary) = server.primary() else {
        return CheckState::Doubtful(format!("service {} has no deployment (status {})", server.name, server.status));
    };
    // Nothing that an older deployment did says anything about ours.
    if let Some(state) = overtaken(server, primary, promise) {
        return state;
    }
    if primary.rollout == Rollout::Failed {
        return CheckState::Failed(format!("the deployment failed: {}", why_failed(server, &primary.rollout_reason)));
    }
    if let Some(reason) = crash_loop(server, primary) {
        return CheckState::Failed(reason);
    }
    if let Some(state) = in_force(primary, promise).or_else(|| counted(server, promise)) {
        return state;
    }
    let wanted = server.desired;
    let balanced = Balanced::of(server);
    let alone = server.deployments.iter().filter(|other| other.running + other.pending > 0).count() <= 1;
    let rolled_out = matches!(primary.rollout, Rollout::Unsaid | Rollout::Completed);
    let full = !server.moving() && primary.running == wanted;
    let note = format!("{}/{wanted} running, {}", server.running, balanced.note);
    if alone && rolled_out && full && balanced.full {
        return match unproven(server, &primary.task_definition, now) {
            Some(why) => CheckState::Pending(format!("{note}; {why}")),
            None => balanced.holds(note),
        };
    }
    if let Some(why) = server.shape.bakes().filter(|_| server.bakes()) {
        return CheckState::Pending(format!("{note}, baking: {why}"));
    }
    let (pending, rollout) = (server.pending, word(primary.rollout.word()));
    CheckState::Pending(format!("{note}, {pending} pending, rollout {rollout}{}", last_stop(server)))
}

/// The same where CodeDeploy or somebody else deploys. There are no deployments then, but task sets, each with a
/// part of the desired count, and ECS says of each whether it is steady.
fn task_sets(server: &Server, promise: &Promise, now: Timestamp) -> CheckState {
    if let Some(state) = counted(server, promise) {
        return state;
    }
    let wanted = server.wanted();
    if server.live().next().is_none() && server.desired > 0 {
        return CheckState::Doubtful(format!("service {} has no task set, so no task of it runs", server.name));
    }
    let balanced = Balanced::of(server);
    let steady = |set: &Deployment| {
        matches!(set.rollout, Rollout::Unsaid | Rollout::Completed) && set.running == set.desired && set.pending == 0
    };
    // What a task set of CodeDeploy has follows the service; those of others have the part that they were given.
    let follows = |set: &Deployment| server.shape.controller != Controller::CodeDeploy || set.desired == server.desired;
    let sets: Vec<String> = server
        .live()
        .map(|set| format!("task set {} {}/{} {}", set.id, set.running, set.desired, word_of(set)))
        .collect();
    let note = format!("{}/{wanted} running, {}{}", server.running, balanced.note, and(&sets));
    let full = !server.moving() && server.live().all(|set| steady(set) && follows(set));
    if full && balanced.full {
        return match unproven(server, &server.task_definition, now) {
            Some(why) => CheckState::Pending(format!("{note}; {why}")),
            None => balanced.holds(note),
        };
    }
    CheckState::Pending(format!("{note}{}", last_stop(server)))
}

fn word_of(set: &Deployment) -> &'static str {
    match set.rollout {
        Rollout::Completed => "steady",
        Rollout::InProgress => "stabilizing",
        _ => "running",
    }
}

fn and(parts: &[String]) -> String {
    parts.iter().map(|part| format!(", {part}")).collect()
}

/// What all load balancers of a service say of its tasks.
struct Balanced {
    /// Whether none of them says that a target is missing.
    full: bool,
    note: String,
    /// One that could not be read, and will not be readable soon: the rest is proven, and this is not.
    unproven: Option<String>,
}

impl Balanced {
    fn of(server: &Server) -> Self {
        let served: Vec<Served<'_>> = server.served().collect();
        let several = server.balancers.iter().flat_map(|balancer| &balancer.groups).count() > 1;
        let one = |served: &Served<'_>| {
            let name = if several { format!("{} ", served.group().name) } else { String::new() };
            match served {
                Served::Unread(_, why) => format!("{name}targets not read ({why})"),
                Served::Vouched(_, of) => format!("{name}{} targets registered", of.cell()),
                Served::Full(_, of) | Served::Short(_, of) => format!("{name}{} targets healthy", of.cell()),
            }
        };
        let notes: Vec<String> = served.iter().map(one).collect();
        let note = if notes.is_empty() { "no target group".to_owned() } else { notes.join(", ") };
        let lasting = |served: &&Served<'_>| matches!(served, Served::Unread(_, why) if !why.retryable());
        let full = |served: &Served<'_>| matches!(served, Served::Full(..) | Served::Vouched(..));
        let unproven = served.iter().find(lasting).map(one);
        Self { full: served.iter().all(|served| full(served) || lasting(&served)), note, unproven }
    }

    fn holds(self, note: String) -> CheckState {
        if self.unproven.is_some() { CheckState::Unproven(note) } else { CheckState::Holds(note) }
    }
}

/// Why the deployment in force says nothing about the promised one, or that ECS has given that one up; `None` if
/// it is the promised one, or a newer one.
///
/// A newer one, which somebody else has started since, does what ours was for: its tasks started later. One with
/// which ECS takes ours back does not. What is read just after a write may be older than it (ECS API reference,
/// eventual consistency), so an older deployment means nothing yet.
fn overtaken(server: &Server, primary: &Deployment, promise: &Promise) -> Option<CheckState> {
    let Made { id, at } = promise.made.as_ref()?;
    if let Some(why) = given_up(server, primary, id) {
        return Some(CheckState::Failed(format!("rolled back: {}", why_failed(server, why))));
    }
    let newer = at.zip(primary.created_at).is_none_or(|(ours, theirs)| theirs > ours);
    let older = primary.id != *id && !newer;
    older.then(|| CheckState::Pending(format!("ECS shows {}, which is older than {id}", primary.id)))
}

/// ECS's words on why it has given up a deployment, if it has. It soon forgets the deployment itself. Its words
/// are taken as a sign of failure alone, never of success.
fn given_up<'a>(server: &'a Server, primary: &'a Deployment, id: &str) -> Option<&'a str> {
    let ours = server.deployments.iter().find(|one| one.id == id).filter(|ours| ours.rollout == Rollout::Failed);
    // The primary one that failed is told with the others.
    if let Some(ours) = ours.filter(|ours| ours.id != primary.id) {
        return Some(&ours.rollout_reason);
    }
    let back = |words: &str| words.contains("rolling back") || words.contains("rolled back");
    let failed = |event: &&ServiceEvent| {
        event.message.contains(&format!("(deployment {id})")) && event.message.contains("deployment failed")
    };
    let event = server.events.iter().find(failed).filter(|_| primary.id != id);
    let said = Some(primary.rollout_reason.as_str()).filter(|words| primary.id != id && back(words));
    said.or(event.map(|event| event.message.as_str()))
}

/// Why the task definition in force is not the promised one, if it is not, with ECS's word on it.
fn in_force(primary: &Deployment, promise: &Promise) -> Option<CheckState> {
    let wanted = promise.task_definition.as_ref().filter(|wanted| **wanted != primary.task_definition)?;
    let short = |arn: &String| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let (now, wanted) = (short(&primary.task_definition), short(wanted));
    let said = Some(&primary.rollout_reason).filter(|words| !words.is_empty());
    let said = said.map(|words| format!("; ECS says: {words}")).unwrap_or_default();
    let id = &primary.id;
    Some(CheckState::Doubtful(format!("superseded: deployment {id} with {now} is in force, not {wanted}{said}")))
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
    let of_this = |task: &&Task| ours(task) && task.stopped_at.is_some_and(|at| at >= since) && task.crashed();
    let crashes = server.known_tasks().iter().filter(of_this).count();
    let last = server.latest_stop()?;
    // Between two stops all of them may run for a moment.
    let outlived = |task: &Task| ours(task) && task.started_at <= last.stopped_at;
    let again = crashes >= CRASHES * primary.desired.max(1) as usize && !server.live_tasks().any(outlived);
    (crashes >= CRASHES && (primary.running == 0 || again))
        .then(|| format!("{crashes} tasks stopped as soon as they started; the last: {}", last.stop_reason()))
}

/// A task that is younger has not shown yet that it stays.
const STAYS: SignedDuration = SignedDuration::from_secs(10);
/// A stop that is not longer ago may not be the last one.
const LATELY: SignedDuration = SignedDuration::from_secs(30);

/// Why tasks that all run do not prove yet that a deployment works: one has stopped by itself lately, fails the health
/// check of its container, or has only just started.
///
/// ECS completes a deployment when its tasks are healthy (developer guide, "How the Amazon ECS deployment circuit breaker
/// detects failures"), so on AWS this holds by then. An emulator counts a task as healthy as soon as it runs, and between
/// two crashes all of them run.
fn unproven(server: &Server, definition: &str, now: Timestamp) -> Option<String> {
    let ours = |task: &&Task| task.task_definition == definition;
    let since = |at: Option<Timestamp>, span: SignedDuration| at.filter(|at| now.duration_since(*at) < span);
    let stopped = |task: &&Task| task.crashed() && since(task.stopped_at, LATELY).is_some();
    if let Some(task) = server.known_tasks().iter().filter(ours).find(stopped) {
        return Some(format!("a task has just stopped: {}", task.stop_reason()));
    }
    let unhealthy = |task: &&Task| task.health == Health::Unhealthy;
    if let Some(task) = server.live_tasks().filter(ours).find(unhealthy) {
        return Some(format!("task {} fails its health check", task.short_id()));
    }
    let young = server.live_tasks().filter(ours).filter_map(|task| since(task.started_at, STAYS)).max()?;
    Some(format!("the newest task has run for {}", age(now, young)))
}

fn word(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn why_failed(server: &Server, reason: &str) -> String {
    let stop = last_stop(server);
    // A sentence ends where nothing is added to it.
    let reason = if stop.is_empty() { reason } else { reason.trim_end_matches('.') };
    format!("{}{stop}", word(reason))
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
        Read::Known(None) => CheckState::Doubtful("the service has no autoscaling".into()),
        Read::NotRead(why) => CheckState::Pending(format!("autoscaling bounds not read: {why}")),
    }
}

/// Whether a task has stopped. It is asked for by its ARN, because it may be missing in a list for some seconds;
/// ECS knows a stopped one for an hour.
pub fn task_stopped(task: Option<&Task>) -> CheckState {
    match task {
        Some(one) if one.stopped() => CheckState::Holds("stopped".into()),
        Some(one) => CheckState::Pending(one.last_status.word().to_lowercase()),
        None => CheckState::Holds("gone".into()),
    }
}

/// Whether a stack has reached the end of our operation, named by its token.
pub fn settled(stack: Option<&Stack>, detail: &Read<StackDetail>, token: Option<&str>) -> CheckState {
    let Some(stack) = stack else { return CheckState::Failed("the stack is gone".into()) };
    // The status of the stack may be that of the time before the operation, or of somebody's after it. Its
    // events tell which, where they bear tokens at all.
    let tokens = detail.known().is_some_and(|detail| detail.events.iter().any(|event| event.token.is_some()));
    let ours = token.filter(|_| tokens).map(|token| of_stack(detail, stack).find(|event| bears(event, token)));
    let cancelled = token.filter(|_| tokens).and_then(|token| cancelled(detail, stack, token));
    if let Some((by, status)) = cancelled {
        return taken_back_by(by, status, stack, detail, token);
    }
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

/// By whom the update of this token was cancelled, if it was, and how far its way back is.
///
/// A rollback that somebody asks for begins with an event of the stack that has the token of the request, or, where it
/// keeps that of the update, the reason `User Initiated`.
fn cancelled<'a>(detail: &'a Read<StackDetail>, stack: &'a Stack, token: &str) -> Option<(By, &'a StackStatus)> {
    let events: Vec<&StackEvent> = of_stack(detail, stack).collect();
    let began = events.iter().position(|event| bears(event, token) && event.status.cancellable())?;
    let back = events[..began].iter().rposition(|event| event.status.0 == "UPDATE_ROLLBACK_IN_PROGRESS")?;
    // Another update that began in between has a rollback of its own.
    if events[back..began].iter().any(|event| event.status.cancellable()) {
        return None;
    }
    let asked = events[back];
    let another = asked.token.as_deref().filter(|one| *one != token);
    let wanted = another.is_some() || asked.reason.as_deref().is_some_and(|reason| reason.contains("User Initiated"));
    let newest = events.iter().find(|event| event.token == asked.token)?;
    wanted.then(|| (another.map(By::of_token).unwrap_or_default(), &newest.status))
}

fn taken_back_by(
    by: By,
    status: &StackStatus,
    stack: &Stack,
    detail: &Read<StackDetail>,
    token: Option<&str>,
) -> CheckState {
    let (name, word) = (&stack.id.name, &status.0);
    match () {
        () if status.busy() => CheckState::Pending(format!("{by} cancelled it; {}", progress(detail, None, word))),
        () if status.rollback_failed() => {
            let why = cause(stack, detail, token);
            CheckState::Failed(format!("{word}: {by} cancelled the update of {name}, and the way back failed: {why}"))
        }
        () => CheckState::Cancelled { by, what: format!("the update of {name} was taken back ({word})") },
    }
}

/// Whether the update of a stack was taken back. `token` is that of the operation that goes on with the way back.
pub fn stack_taken_back(stack: Option<&Stack>, detail: &Read<StackDetail>, token: Option<&str>) -> CheckState {
    let Some(stack) = stack else { return CheckState::Failed("the stack is gone".into()) };
    let (name, status) = (&stack.id.name, &stack.status);
    if status.busy() {
        return CheckState::Pending(progress(detail, token, &status.0));
    }
    if status.taken_back() {
        return CheckState::Holds(status.0.clone());
    }
    if !status.rollback_failed() {
        return CheckState::Failed(format!("{name} is {}: the update was not taken back", status.0));
    }
    // A failure of the attempt before may still be shown.
    let fresh = |token| of_stack(detail, stack).next().is_some_and(|event| bears(event, token));
    let again = format!("the plan of going on with the rollback of {name} says what failed");
    let failed = format!("{}: {}; {again}", status.0, cause(stack, detail, token));
    if token.is_none_or(fresh) { CheckState::Failed(failed) } else { CheckState::Doubtful(failed) }
}

/// Whether a service deployment was taken back.
pub fn deployment_taken_back(deployment: Option<&ServiceDeployment>) -> CheckState {
    use ServiceDeploymentStatus as Status;
    let Some(found) = deployment else { return CheckState::Failed("ECS does not know the deployment any more".into()) };
    let reason = found.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let note = format!("{}{reason}", found.status);
    match &found.status {
        Status::RollbackSuccessful | Status::Stopped => CheckState::Holds(note),
        Status::RollbackFailed => CheckState::Failed(note),
        Status::Successful => CheckState::Failed("it was complete before it was stopped".into()),
        // What is read just after the call may be older than it.
        Status::Pending
        | Status::InProgress
        | Status::StopRequested
        | Status::RollbackRequested
        | Status::RollbackInProgress
        | Status::Other(_) => CheckState::Pending(note),
    }
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
    let newest = token.and_then(|token| newest_attempt(detail, token));
    let token = newest.as_deref().or(token);
    match stack {
        None => CheckState::Holds("gone".into()),
        Some(stack) if stack.status.0 == "DELETE_COMPLETE" => CheckState::Holds("gone".into()),
        Some(stack) if stack.status.0 == "DELETE_FAILED" => {
            CheckState::Failed(format!("DELETE_FAILED: {}", cause(stack, detail, token)))
        }
        Some(stack) => CheckState::Pending(progress(detail, token, &stack.status.0)),
    }
}

/// The token of the newest of the operation's attempts to delete a stack.
fn newest_attempt(detail: &Read<StackDetail>, token: &str) -> Option<String> {
    let tokens = detail.known()?.events.iter().filter_map(|event| event.token.as_deref());
    tokens.into_iter().find(|found| Deletion::attempted(token, found)).map(str::to_owned)
}

/// Events of our own operation: those with our token, or those of the newest change where the service gives none.
fn ours<'a>(detail: &'a StackDetail, token: Option<&str>) -> Vec<&'a StackEvent> {
    let of_ours = |event: &&StackEvent| token.is_some() && event.token.as_deref() == token;
    let tagged: Vec<&StackEvent> = detail.events.iter().filter(of_ours).collect();
    if tagged.is_empty() { detail.newest_change().iter().collect() } else { tagged }
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

/// The first resource that failed in the operation, with its reason: later failures only follow from it. Of a stack whose
/// way back failed, too, what failed on it comes first: that is what is to be mended before it can go on.
pub fn root_cause(detail: &StackDetail, token: Option<&str>, stack_reason: Option<&str>) -> String {
    let events = ours(detail, token);
    let back = |event: &&StackEvent| detail.is_own(event) && event.status.0.ends_with("ROLLBACK_IN_PROGRESS");
    let stuck =
        events.iter().find(|event| detail.is_own(event)).is_some_and(|one| one.status.0.ends_with("ROLLBACK_FAILED"));
    let first = match (events.iter().position(back), events.iter().rposition(back)) {
        (Some(newest), Some(oldest)) if stuck => {
            let (again, before) = (first_failure(&events[..newest]), first_failure(&events[oldest..]));
            let because = before.map(|before| format!("; it went back because of {before}")).unwrap_or_default();
            // Each of what could not be rolled back keeps it, and that of nested stacks is in no event of this one.
            let skips: Vec<String> = detail.skips().iter().map(not_rolled_back).collect();
            let again = if skips.is_empty() { again } else { Some(skips.join("; ")) };
            again.map(|again| format!("{again}{because}"))
        }
        _ => first_failure(&events),
    };
    first.unwrap_or_else(|| stack_reason.unwrap_or("no reason given").to_owned())
}

fn not_rolled_back(one: &Skip) -> String {
    let reason = one.reason.as_deref().unwrap_or("no reason given");
    format!("{} ({}) could not be rolled back: {reason}", one.name, one.kind)
}

/// The first of these events that is a failure of its own, in words. Events come newest first.
fn first_failure(events: &[&StackEvent]) -> Option<String> {
    let consequence =
        |reason: &str| reason.contains("cancelled") || reason.contains("The following resource(s) failed");
    let failed =
        |event: &&StackEvent| event.status.0.ends_with("_FAILED") && !event.reason.as_deref().is_some_and(consequence);
    let event = events.iter().copied().rfind(|event| failed(event))?;
    let reason = event.reason.as_deref().unwrap_or("no reason given");
    Some(format!("{} ({}) {}: {reason}", event.logical_id, event.kind, event.status.0))
}
