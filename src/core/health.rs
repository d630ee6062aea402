//! Health rules: what is wrong with a server, by which evidence, and which key acts on it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::fleet::{Health, Rollout, Scheduling, Served, Server, ServiceStatus, TargetGroup, TargetState, Task};
use super::text::{age, count};
use crate::core::meaning::Meaning;

/// A server's health in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As many tasks as wanted run, and every load balancer finds them healthy.
    Healthy,
    /// As many tasks as wanted run, and what a load balancer finds was not read.
    Unknown,
    /// It is scaled to zero.
    Stopped,
    /// It is changing, and nothing has failed.
    Changing,
    /// It works, but not as it should.
    Degraded,
    /// Nothing serves.
    Down,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Stopped => "stopped",
            Self::Changing => "changing",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// A symbol for it, so that colour never stands alone.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Healthy => "●",
            Self::Unknown => "?",
            Self::Stopped => "○",
            Self::Changing => "◐",
            Self::Degraded => "▲",
            Self::Down => "✖",
        }
    }

    /// What it means.
    pub fn meaning(self) -> Meaning {
        match self {
            Self::Healthy => Meaning::Good,
            Self::Stopped => Meaning::Muted,
            Self::Unknown | Self::Changing | Self::Degraded => Meaning::Warn,
            Self::Down => Meaning::Bad,
        }
    }
}

/// Something wrong with a server, in a form that can be acted on.
///
/// A finding says what is wrong, by which evidence, since when, and where to go next. Rules make
/// findings only from what was read; an unread part proves nothing. The verdict, the Fleet screen and
/// `status` all rest on them. To add a rule, add a function to [`findings`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub gravity: Gravity,
    /// The fact, in one line.
    pub fact: String,
    /// What shows it.
    pub evidence: String,
    /// When it happened, where that is known.
    pub at: Option<Timestamp>,
    /// What helps, if anything does.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

/// Where an operator goes next with a finding. The console knows the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The server's log lines.
    Logs,
    Events,
    /// Another desired count, or other bounds.
    Scale,
    /// The task definition before.
    Rollback,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    /// Worth knowing.
    Note,
    /// Not as it should be.
    Warning,
    /// Wrong.
    Fault,
}

/// How long a task's own stop counts against its server.
const RECENT: SignedDuration = SignedDuration::from_mins(15);

/// Findings of a server, worst and newest first.
pub fn findings(server: &Server, now: Timestamp) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(leaving(server));
    all.extend(capacity(server));
    all.extend(rollout(server));
    all.extend(balancers(server));
    all.extend(targets(server));
    all.extend(stops(server, now));
    all.extend(health_checks(server));
    all.extend(safety(server));
    all.sort_by(|a, b| b.gravity.cmp(&a.gravity).then(b.at.cmp(&a.at)));
    all
}

pub fn verdict(server: &Server, now: Timestamp) -> Verdict {
    if server.status != ServiceStatus::Active && server.running == 0 {
        return Verdict::Down;
    }
    if server.wanted() == 0 && server.running == 0 {
        return Verdict::Stopped;
    }
    if server.running == 0 || server.dark() {
        return if server.starting() && !tasks_fail(server, now) { Verdict::Changing } else { Verdict::Down };
    }
    if findings(server, now).iter().any(|finding| finding.gravity == Gravity::Fault) {
        return Verdict::Degraded;
    }
    match () {
        () if server.moving() => Verdict::Changing,
        () if server.targets_unread().is_some() => Verdict::Unknown,
        () => Verdict::Healthy,
    }
}

/// Whether the tasks that are there do not work, so that waiting for more does not help.
fn tasks_fail(server: &Server, now: Timestamp) -> bool {
    let of_tasks = [targets(server), stops(server, now), health_checks(server), start_failures(server)];
    of_tasks.iter().flatten().any(|finding| finding.gravity == Gravity::Fault)
}

fn leaving(server: &Server) -> Option<Finding> {
    matches!(server.status, ServiceStatus::Draining | ServiceStatus::Inactive).then(|| Finding {
        gravity: Gravity::Warning,
        fact: format!("the service is {}", server.status.word().to_lowercase()),
        evidence: "it is being deleted; its tasks stop".into(),
        at: None,
        remedy: Some(Remedy::Events),
    })
}

fn capacity(server: &Server) -> Option<Finding> {
    let (running, desired, wanted) = (server.running, server.desired, server.wanted());
    let bounds = server.bounds.known().copied().flatten();
    if let Some(bounds) = bounds.filter(|bounds| desired < bounds.min || desired > bounds.max) {
        return Some(Finding {
            gravity: Gravity::Warning,
            fact: format!("desired count {desired} is outside autoscaling's {bounds}"),
            evidence: "autoscaling will soon override it".into(),
            at: None,
            remedy: Some(Remedy::Scale),
        });
    }
    let last = || server.events.first().map_or("ECS has no event about it".to_owned(), |event| event.message.clone());
    if server.shape.task_sets() && desired > 0 && server.live().next().is_none() {
        return Some(Finding {
            gravity: Gravity::Fault,
            fact: format!("it has no task set, so none of {} runs", count(desired as usize, "task")),
            evidence: format!("its controller is {}", server.shape.controller),
            at: None,
            remedy: Some(Remedy::Events),
        });
    }
    if server.shape.scheduling == Scheduling::Daemon && desired == 0 && running == 0 {
        return Some(Finding {
            gravity: Gravity::Note,
            fact: "no container instance takes a task of it".into(),
            evidence: "a DAEMON service runs one task on each container instance".into(),
            at: None,
            remedy: Some(Remedy::Events),
        });
    }
    (running < wanted && server.pending == 0).then(|| Finding {
        gravity: Gravity::Fault,
        fact: format!("{running} of {} running, none pending", count(wanted as usize, "task")),
        evidence: last(),
        at: server.events.first().map(|event| event.at),
        remedy: Some(Remedy::Events),
    })
}

fn rollout(server: &Server) -> Vec<Finding> {
    let failed = server.deployments.iter().find(|deployment| deployment.rollout == Rollout::Failed);
    let failed = failed.map(|deployment| Finding {
        gravity: Gravity::Fault,
        fact: "a deployment failed".into(),
        evidence: deployment.rollout_reason.clone(),
        at: deployment.created_at,
        remedy: Some(Remedy::Rollback),
    });
    failed.map_or_else(|| start_failures(server), |finding| vec![finding])
}

fn start_failures(server: &Server) -> Vec<Finding> {
    let primary = server.primary().filter(|primary| primary.failed > 0);
    let finding = primary.map(|primary| Finding {
        gravity: Gravity::Fault,
        fact: format!("{} failed to start in this deployment", count(primary.failed as usize, "task")),
        evidence: primary.rollout_reason.clone(),
        at: primary.created_at,
        remedy: Some(Remedy::Logs),
    });
    finding.into_iter().collect()
}

/// Balancers with fewer healthy targets than wanted, where no sick target says why. While tasks start, that is
/// as it should be.
fn balancers(server: &Server) -> Vec<Finding> {
    let starting = server.starting();
    let short = |served: Served<'_>| {
        let (gravity, of) = match served {
            Served::Short(group, of) if !starting && !group.known().iter().any(|target| sick(&target.state)) => {
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
        let vouched = if gravity == Gravity::Warning { ", but ECS calls its task set steady" } else { "" };
        Some(Finding {
            gravity,
            fact: format!("{} of {} healthy in {}", of.healthy, count(of.wanted, "target"), group.name),
            evidence: format!("{registered}{vouched}"),
            at: None,
            remedy: Some(Remedy::Events),
        })
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

fn sick(state: &TargetState) -> bool {
    matches!(state, TargetState::Unhealthy | TargetState::Unavailable)
}

fn targets(server: &Server) -> Vec<Finding> {
    let several = server.balancers.iter().flat_map(|balancer| &balancer.groups).count() > 1;
    let of = |group: &TargetGroup| if several { format!(" in {}", group.name) } else { String::new() };
    let all = server.known_groups().flat_map(|group| group.known().iter().map(move |target| (group, target)));
    all.filter(|(_, target)| sick(&target.state))
        .map(|(group, target)| Finding {
            gravity: Gravity::Fault,
            fact: format!("target {} is {}{}", target.id, target.state, of(group)),
            evidence: target.why(),
            at: None,
            remedy: Some(Remedy::Logs),
        })
        .collect()
}

/// Tasks that stopped, but not because a scheduler or an operator wanted them to.
fn stops(server: &Server, now: Timestamp) -> Vec<Finding> {
    let recent = |task: &&Task| task.stopped() && task.stopped_at.is_some_and(|at| now.duration_since(at) < RECENT);
    let replaced = server.running >= server.wanted();
    server
        .known_tasks()
        .iter()
        .filter(recent)
        .filter(|task| task.stopped_itself())
        .map(|task| Finding {
            gravity: if replaced { Gravity::Warning } else { Gravity::Fault },
            fact: format!(
                "task {} stopped{}{}",
                task.short_id(),
                task.stopped_at.map(|at| format!(" {} ago", age(now, at))).unwrap_or_default(),
                if replaced { ", and was replaced" } else { "" },
            ),
            evidence: task.stop_reason(),
            at: task.stopped_at,
            remedy: Some(Remedy::Logs),
        })
        .collect()
}

fn health_checks(server: &Server) -> Vec<Finding> {
    server
        .live_tasks()
        .filter(|task| task.health == Health::Unhealthy)
        .map(|task| Finding {
            gravity: Gravity::Fault,
            fact: format!("task {} fails its container health check", task.short_id()),
            evidence: task
                .containers
                .iter()
                .filter_map(|container| container.reason.clone())
                .collect::<Vec<_>>()
                .join("; "),
            at: task.started_at,
            remedy: Some(Remedy::Logs),
        })
        .collect()
}

fn safety(server: &Server) -> Option<Finding> {
    server.unguarded().then(|| Finding {
        gravity: Gravity::Note,
        fact: "a failed deployment would not roll back".into(),
        evidence: "the deployment circuit breaker with rollback is off".into(),
        at: None,
        remedy: None,
    })
}
