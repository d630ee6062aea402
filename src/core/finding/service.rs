//! What the service, its deployments and its events say.

use jiff::{SignedDuration, Timestamp};

use super::reason::Unable;
use super::{Finding, Gravity, Id, Remedy, fresh, reason, running_by_zone};
use crate::core::fleet::{Deployment, Rollout, Scheduling, Served, Server, ServiceEvent, ServiceStatus, Wish};
use crate::core::text::{age, count};

/// A deployment that is older should have become steady. CloudFormation waits for three hours.
const OLD: SignedDuration = SignedDuration::from_mins(30);

pub(super) fn leaving(server: &Server) -> Option<Finding> {
    matches!(server.status, ServiceStatus::Draining | ServiceStatus::Inactive).then(|| {
        let fact = format!("the service is {}", server.status.word().to_lowercase());
        Finding::new(Id::ServiceLeaving, Gravity::Warning, fact, "it is being deleted; its tasks stop")
    })
}

pub(super) fn bounds(server: &Server) -> Option<Finding> {
    let (desired, bounds) = (server.desired, server.bounds.known().copied().flatten()?);
    if to_zero(server) {
        return None;
    }
    if desired < bounds.min || desired > bounds.max {
        let fact = format!("desired count {desired} is outside autoscaling's {bounds}");
        return Some(Finding::new(Id::BoundsOutside, Gravity::Warning, fact, "autoscaling will soon override it"));
    }
    (bounds.min < bounds.max && desired == bounds.max).then(|| {
        let fact = format!("it runs at its maximum of {}", count(desired as usize, "task"));
        Finding::new(Id::BoundsAtMaximum, Gravity::Warning, fact, format!("autoscaling's bounds are {bounds}"))
    })
}

/// Whether no task of it is wanted, and none runs.
fn to_zero(server: &Server) -> bool {
    let replica = server.shape.scheduling == Scheduling::Replica && server.status == ServiceStatus::Active;
    replica && server.desired == 0 && server.running == 0
}

/// Nobody is served, and whoever wanted that may be somebody else; where autoscaling may go down to zero, it is meant so.
/// Autoscaling does not end it: it goes by figures of tasks, of which there are none (developer guide, "Automatically
/// scale your Amazon ECS service").
pub(super) fn zero(server: &Server) -> Option<Finding> {
    to_zero(server).then(|| {
        let bounds = server.bounds.known().copied().flatten();
        let evidence = bounds.map(|bounds| format!("its desired count is 0; autoscaling's bounds are {bounds}"));
        let evidence = evidence.unwrap_or_else(|| "its desired count is 0".to_owned());
        let gravity = if bounds.is_some_and(|bounds| bounds.min == 0) { Gravity::Note } else { Gravity::Warning };
        Finding::new(Id::ScaledToZero, gravity, "it is scaled to zero, and serves nobody", evidence)
    })
}

/// For so long ECS may not have begun to start a task that is wanted.
const STARTS: SignedDuration = SignedDuration::from_secs(30);

/// Whether tasks are missing that ECS will start, as far as is known: it is not long since it began, and none fails.
pub(super) fn awaited(server: &Server, now: Timestamp) -> bool {
    let fresh = server.shortfall.is_some_and(|shortfall| now.duration_since(shortfall.since) < STARTS);
    server.short() && fresh && !super::tasks_fail(server, now)
}

pub(super) fn capacity(server: &Server, now: Timestamp) -> Option<Finding> {
    let (running, desired, wanted) = (server.running, server.desired, server.wanted());
    if server.shape.task_sets() && desired > 0 && server.live().next().is_none() {
        let fact = format!("it has no task set, so none of {} runs", count(desired as usize, "task"));
        let evidence = format!("its controller is {}", server.shape.controller);
        return Some(Finding::new(Id::NoTaskSet, Gravity::Fault, fact, evidence));
    }
    if server.shape.scheduling == Scheduling::Daemon && desired == 0 && running == 0 {
        let fact = "no container instance takes a task of it";
        let evidence = "a DAEMON service runs one task on each container instance";
        return Some(Finding::new(Id::DaemonWithoutInstance, Gravity::Note, fact, evidence));
    }
    server.short().then(|| {
        let last = server.events.first();
        let evidence = last.map_or("ECS has no event about it".to_owned(), |event| event.message.clone());
        let awaited = awaited(server, now);
        let seen = server.shortfall.filter(|shortfall| shortfall.seen && !awaited);
        let long = seen.map(|shortfall| format!(" for {}", age(now, shortfall.since))).unwrap_or_default();
        let fact = format!("{running} of {} running, none pending{long}", count(wanted as usize, "task"));
        let gravity = if awaited { Gravity::Note } else { Gravity::Fault };
        let finding = Finding::new(Id::TasksMissing, gravity, fact, evidence).at(last.map(|event| event.at));
        Finding { count: (wanted - running) as usize, ..finding }
    })
}

fn is_steady(event: &ServiceEvent) -> bool {
    event.message.contains("has reached a steady state")
}

/// When ECS last called the service steady, as far as it still says so.
pub(super) fn steady_since(server: &Server) -> Option<Timestamp> {
    server.events.iter().find(|event| is_steady(event)).map(|event| event.at)
}

/// What ECS says that it cannot do, in its events since the service was steady: the newest of each kind, while that is
/// what is missing. ECS repeats an event only after six hours (developer guide, "Service event messages"), so its age says
/// nothing while tasks are missing.
pub(super) fn events(server: &Server) -> Vec<Finding> {
    let since = || server.events.iter().take_while(|event| !is_steady(event));
    let newest =
        |of: fn(Unable) -> Option<Id>| since().find_map(|event| Some((of(reason::of_event(&event.message)?)?, event)));
    let finding = |(id, event): (Id, &ServiceEvent), gravity, happened: &str| {
        Finding::new(id, gravity, id.because(happened), event.message.clone()).at(Some(event.at))
    };
    let short = server.running < server.wanted();
    let start = newest(|unable| if let Unable::Start(id) = unable { Some(id) } else { None }).filter(|_| short);
    let deploys = server.primary().is_some_and(|primary| primary.rollout == Rollout::InProgress);
    let deploy = newest(|unable| if let Unable::Deploy(id) = unable { Some(id) } else { None }).filter(|_| deploys);
    let unserved = server.served().any(|served| matches!(served, Served::Short(..)));
    let register =
        newest(|unable| if let Unable::Register(id) = unable { Some(id) } else { None }).filter(|_| unserved);
    let stops = fresh(server) && server.refuses(Wish::Stop).is_none();
    let deploy = deploy.map(|found| {
        let finding = finding(found, Gravity::Warning, "the deployment does not get on");
        // Protection ends by itself; what leaves no room does not.
        let remedy = if stops && finding.id == Id::DeploymentBlocked { Some(Remedy::Stop) } else { finding.remedy };
        Finding { remedy, ..finding }
    });
    let start = start.map(|found| finding(found, Gravity::Fault, "no task is placed"));
    let register = register.map(|found| finding(found, Gravity::Fault, "targets are not registered"));
    start.into_iter().chain(deploy).chain(register).collect()
}

pub(super) fn rollout(server: &Server, now: Timestamp) -> Vec<Finding> {
    let given_up = |deployment: &Deployment| given_up(server, deployment);
    if let Some(failed) = super::given_up(server).next().map(given_up) {
        return vec![failed];
    }
    let back = server.primary().filter(|primary| goes_back(primary)).map(given_up);
    back.into_iter().chain(start_failures(server)).chain(old(server, now)).collect()
}

/// Whether ECS has started it in place of a deployment that it has given up. It says so in its reason alone.
pub(super) fn goes_back(deployment: &Deployment) -> bool {
    deployment.rollout == Rollout::InProgress && deployment.rollout_reason.contains("rolling back")
}

/// Whether an alarm let ECS give a deployment up: its event says so (`deployment failed: alarm detected`).
fn alarmed(server: &Server) -> bool {
    let failed = |event: &&ServiceEvent| event.message.contains("deployment failed");
    server.events.iter().find(failed).is_some_and(|event| event.message.contains("alarm"))
}

fn given_up(server: &Server, deployment: &Deployment) -> Finding {
    let words = deployment.rollout_reason.to_ascii_lowercase();
    let (id, fact) = match () {
        () if words.contains("alarm") || alarmed(server) => {
            (Id::DeploymentAlarm, "an alarm was raised, and ECS gave a deployment up")
        }
        () if words.contains("rolling back") => (Id::CircuitBreaker, "a deployment failed, and ECS goes back"),
        () if words.contains("circuit breaker") => (Id::CircuitBreaker, "a deployment failed"),
        () => (Id::DeploymentFailed, "a deployment failed"),
    };
    let finding = Finding::new(id, Gravity::Fault, fact, deployment.rollout_reason.clone()).at(deployment.created_at);
    // Of a failed deployment that is still the one in force, only going back helps.
    let in_force = deployment.status == crate::core::fleet::DeploymentStatus::Primary;
    let remedy =
        if in_force && deployment.rollout == Rollout::Failed { Some(Remedy::Rollback) } else { finding.remedy };
    Finding { remedy, ..finding }
}

pub(super) fn start_failures(server: &Server) -> Vec<Finding> {
    let primary = server.primary().filter(|primary| primary.failed > 0);
    let finding = primary.map(|primary| {
        let fact = format!("{} failed to start in this deployment", count(primary.failed as usize, "task"));
        let finding = Finding::new(Id::StartFailures, Gravity::Fault, fact, primary.rollout_reason.clone());
        let remedy = if fresh(server) { Some(Remedy::Rollback) } else { finding.remedy };
        Finding { count: primary.failed as usize, remedy, ..finding.at(primary.created_at) }
    });
    finding.into_iter().collect()
}

/// A deployment that is under way for longer than it should be.
fn old(server: &Server, now: Timestamp) -> Option<Finding> {
    let primary = server.primary().filter(|primary| primary.rollout == Rollout::InProgress)?;
    let since = primary.created_at.filter(|at| now.duration_since(*at) > OLD && !server.bakes())?;
    let fact = format!("the deployment has been under way for {}", age(now, since));
    let counts = format!(
        "{} of {} running, {} pending, {} failed",
        primary.running, primary.desired, primary.pending, primary.failed
    );
    let evidence = [counts, primary.rollout_reason.clone()];
    let evidence = evidence.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; ");
    let finding = Finding::new(Id::DeploymentOld, Gravity::Warning, fact, evidence).at(Some(since));
    // What others than ECS deploy, ECS does not stop; and where no other revision was, there is none to go back to.
    let remedy =
        if fresh(server) && server.refuses(Wish::Stop).is_none() { Some(Remedy::Stop) } else { finding.remedy };
    Some(Finding { remedy, ..finding })
}

/// Tasks that run in fewer zones than they could. Which zones there are, the tasks alone tell.
pub(super) fn zones(server: &Server) -> Option<Finding> {
    if server.moving() || server.shape.scheduling != Scheduling::Replica {
        return None;
    }
    let zones = running_by_zone(server);
    let seen: std::collections::BTreeSet<&str> =
        server.known_tasks().iter().map(|task| task.zone.as_str()).filter(|zone| !zone.is_empty()).collect();
    let in_zone = |zone: &&str| zones.get(zone).copied().unwrap_or_default();
    let (most, least) = (seen.iter().map(in_zone).max()?, seen.iter().map(in_zone).min()?);
    let uneven = most.saturating_sub(least) > 1 && seen.len() > 1;
    uneven.then(|| {
        let each: Vec<String> = seen.iter().map(|zone| format!("{} in {zone}", in_zone(zone))).collect();
        let evidence = "if the fullest zone fails, most of its tasks go at once";
        Finding::new(Id::ZonesUneven, Gravity::Note, format!("its tasks are {}", each.join(", ")), evidence)
    })
}

pub(super) fn safety(server: &Server) -> Option<Finding> {
    let evidence = "the deployment circuit breaker with rollback is off";
    let fact = "a failed deployment would not roll back";
    server.unguarded().then(|| Finding::new(Id::NoCircuitBreaker, Gravity::Note, fact, evidence))
}
