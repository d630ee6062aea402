//! What the load balancers find.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Gravity, Id, Remedy, fresh, reason};
use crate::core::fleet::{Health, Served, Server, Target, TargetGroup, TargetState, Task, TaskStatus};
use crate::core::text::count;
use crate::core::unread::Read;

/// A task that is younger may not listen yet.
const YOUNG: SignedDuration = SignedDuration::from_mins(5);

/// Balancers with fewer healthy targets than wanted, where no sick target says why. While tasks start, and while what
/// is missing has not been judged yet, that is as it should be.
pub(super) fn balancers(server: &Server, now: Timestamp) -> Vec<Finding> {
    let starting = server.starting() || super::tasks_awaited(server, now);
    let short = |served: Served<'_>| {
        let (gravity, of) = match served {
            Served::Short(group, of)
                if !starting && !served.joins() && !group.known().iter().any(|target| is_sick(&target.state)) =>
            {
                (Gravity::Fault, of)
            }
            Served::Vouched(_, of) => (Gravity::Warning, of),
            _ => return None,
        };
        let group = served.group();
        let registered = match of.registered {
            0 => "no target is registered".to_owned(),
            some => format!("{} registered: {}", count(some, "target"), states(group)),
        };
        let unused = group.known().iter().find(|target| target.state == TargetState::Unused);
        let (id, more) = match (gravity, of.registered, unused) {
            (Gravity::Warning, _, _) => (Id::TargetsVouched, ", but ECS calls its task set steady".to_owned()),
            (_, 0, _) => (Id::TargetsEmpty, String::new()),
            (_, _, Some(unused)) if unused.why().is_empty() => (Id::TargetsUnused, String::new()),
            (_, _, Some(unused)) => (Id::TargetsUnused, format!("; {}: {}", unused.id, unused.why())),
            _ => (Id::TargetsShort, String::new()),
        };
        let healthy = format!("{} of {} healthy in {}", of.healthy, count(of.wanted, "target"), group.name);
        let finding = Finding::new(id, gravity, id.because(&healthy), format!("{registered}{more}"));
        Some(Finding { count: of.wanted.saturating_sub(of.healthy), ..finding })
    };
    server.served().filter_map(short).collect()
}

/// How many targets are in which state, such as `1 healthy, 2 unused`.
fn states(group: &TargetGroup) -> String {
    let mut states: Vec<&TargetState> = Vec::new();
    for target in group.known() {
        if !states.contains(&&target.state) {
            states.push(&target.state);
        }
    }
    let many = |state: &&TargetState| group.known().iter().filter(|target| target.state == **state).count();
    states.iter().map(|state| format!("{} {state}", many(state))).collect::<Vec<_>>().join(", ")
}

fn is_sick(state: &TargetState) -> bool {
    matches!(state, TargetState::Unhealthy | TargetState::Unavailable)
}

/// Sick targets, by group and by what the load balancer says of them.
pub(super) fn sick(server: &Server, now: Timestamp) -> Vec<Finding> {
    let several = server.balancers.iter().flat_map(|balancer| &balancer.groups).count() > 1;
    let mut all = Vec::new();
    for group in server.known_groups() {
        let mut kinds: BTreeMap<Id, Vec<&Target>> = BTreeMap::new();
        for target in group.known().iter().filter(|target| is_sick(&target.state)) {
            kinds.entry(of_target(server, target, now)).or_default().push(target);
        }
        let of = if several { format!(" in {}", group.name) } else { String::new() };
        all.extend(kinds.into_iter().filter_map(|(id, targets)| one(server, group, id, &targets, &of)));
    }
    all
}

/// What the health check that failed asks for, where it was read: of one that is too early, how long it waits.
pub(super) fn asked(server: &Server, group: Option<&TargetGroup>, id: Id) -> String {
    let known = |group: &TargetGroup| group.check.as_ref().and_then(Read::known).cloned();
    let mut groups = group.into_iter().chain(server.known_groups());
    let Some(check) = id.of_health_check().then(|| groups.find_map(known)).flatten() else { return String::new() };
    if id != Id::HealthCheckSlow {
        return format!("; the check: {}", check.asks());
    }
    let grace = server.grace.unwrap_or_default();
    let patience = check.patience().map(|seconds| format!("unhealthy after {seconds} s without an answer, "));
    format!("; {}grace period {grace} s", patience.unwrap_or_default())
}

fn one(server: &Server, group: &TargetGroup, id: Id, targets: &[&Target], of: &str) -> Option<Finding> {
    let first = targets.first()?;
    let fact = id.because(&match targets.len() {
        1 => format!("target {} is {}{of}", first.id, first.state),
        many => format!("{} are {}{of}", count(many, "target"), first.state),
    });
    let port = first.port.map(|port| format!(":{port}")).unwrap_or_default();
    let why = first.why();
    let asked = asked(server, Some(group), id);
    let evidence = if why.is_empty() { String::new() } else { format!("{}{port}: {why}{asked}", first.id) };
    let remedy = if fresh(server) { Some(Remedy::Rollback) } else { id.remedy() };
    Some(Finding { count: targets.len(), remedy, ..Finding::new(id, Gravity::Fault, fact, evidence) })
}

/// The task behind a target says whether it may not listen yet.
pub(super) fn of_target(server: &Server, target: &Target, now: Timestamp) -> Id {
    let task = server.live_tasks().find(|task| task.address.as_deref() == Some(target.id.as_str()));
    let young = task.is_some_and(|task| starts(task, now));
    reason::of_target(target.reason.as_deref(), target.description.as_deref().unwrap_or_default(), young)
}

/// Whether a task is young, and no check of its own says that it works.
fn starts(task: &Task, until: Timestamp) -> bool {
    let young = task.started_at.is_none_or(|at| until.duration_since(at) < YOUNG);
    let works = task.health == Health::Healthy;
    young && !works && (task.last_status == TaskStatus::Stopped || task.last_status == TaskStatus::Running)
}

/// Why a load balancer's check has killed a task. ECS says only that it did; the reason is in the targets that are
/// sick now, else in the newest event about one.
pub(super) fn of_killed(server: Option<&Server>, task: &Task) -> Id {
    let young = task.stopped_at.is_some_and(|at| starts(task, at));
    let targets = server.into_iter().flat_map(Server::known_groups).flat_map(TargetGroup::known);
    let now = targets.filter(|target| is_sick(&target.state)).find(|target| target.reason.is_some());
    if let Some(target) = now {
        return reason::of_target(target.reason.as_deref(), target.description.as_deref().unwrap_or_default(), young);
    }
    let mut events = server.into_iter().flat_map(|server| &server.events);
    let event = events.find(|event| event.message.contains("is unhealthy in"));
    let words = event.map(|event| event.message.as_str()).unwrap_or_default();
    if words.is_empty() && !young {
        return Id::HealthCheckTimeout;
    }
    reason::of_target(None, words, young)
}
