//! Health rules: what is wrong with a server, by which evidence, and which key acts on it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::fleet::{Server, Task};
use super::operation::verify::{stop_reason, stopped_itself};
use super::text::{age, count};
use crate::core::meaning::Meaning;

/// A server's health in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As many tasks as wanted run, and the load balancer finds them healthy.
    Healthy,
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
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
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
            Self::Changing | Self::Degraded => Meaning::Warn,
            Self::Down => Meaning::Bad,
        }
    }
}

/// A diagnosed fact with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub gravity: Gravity,
    /// The fact, in one line.
    pub fact: String,
    /// What shows it.
    pub evidence: String,
    /// When it was so.
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
    /// The service's events.
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
    all.extend(capacity(server));
    all.extend(rollout(server));
    all.extend(targets(server));
    all.extend(stops(server, now));
    all.extend(health_checks(server));
    all.extend(safety(server));
    all.sort_by(|a, b| b.gravity.cmp(&a.gravity).then(b.at.cmp(&a.at)));
    all
}

/// A server's verdict.
pub fn verdict(server: &Server, now: Timestamp) -> Verdict {
    if server.status != "ACTIVE" && server.running == 0 {
        return Verdict::Down;
    }
    if server.desired == 0 && server.running == 0 {
        return Verdict::Stopped;
    }
    let serving = server.healthy_targets().is_none_or(|(healthy, all)| all == 0 || healthy > 0);
    if server.running == 0 || !serving {
        let starting = server.pending > 0 || server.primary().is_some_and(|primary| primary.rollout == "IN_PROGRESS");
        let failing = findings(server, now)
            .iter()
            .any(|finding| finding.gravity == Gravity::Fault && finding.remedy == Some(Remedy::Logs));
        return if starting && !failing { Verdict::Changing } else { Verdict::Down };
    }
    if findings(server, now).iter().any(|finding| finding.gravity == Gravity::Fault) {
        return Verdict::Degraded;
    }
    let moving = server.running != server.desired
        || server.pending > 0
        || server.primary().is_some_and(|primary| primary.rollout == "IN_PROGRESS");
    if moving { Verdict::Changing } else { Verdict::Healthy }
}

fn capacity(server: &Server) -> Option<Finding> {
    let (running, desired) = (server.running, server.desired);
    if let Some(bounds) = server.bounds.filter(|bounds| desired < bounds.min || desired > bounds.max) {
        return Some(Finding {
            gravity: Gravity::Warning,
            fact: format!("desired count {desired} is outside autoscaling's {}..{}", bounds.min, bounds.max),
            evidence: "autoscaling will soon override it".into(),
            at: None,
            remedy: Some(Remedy::Scale),
        });
    }
    (running < desired && server.pending == 0).then(|| Finding {
        gravity: Gravity::Fault,
        fact: format!("{running} of {} running, none pending", count(desired as usize, "task")),
        evidence: server.events.first().map_or("ECS keeps no event of it".to_owned(), |event| event.message.clone()),
        at: server.events.first().map(|event| event.at),
        remedy: Some(Remedy::Events),
    })
}

fn rollout(server: &Server) -> Option<Finding> {
    let failed = server.deployments.iter().find(|deployment| deployment.rollout == "FAILED");
    if let Some(deployment) = failed {
        return Some(Finding {
            gravity: Gravity::Fault,
            fact: "a deployment failed".into(),
            evidence: deployment.rollout_reason.clone(),
            at: deployment.created_at,
            remedy: Some(Remedy::Rollback),
        });
    }
    let primary = server.primary().filter(|primary| primary.failed > 0)?;
    Some(Finding {
        gravity: Gravity::Fault,
        fact: format!("{} failed to start in this deployment", count(primary.failed as usize, "task")),
        evidence: primary.rollout_reason.clone(),
        at: primary.created_at,
        remedy: Some(Remedy::Logs),
    })
}

fn targets(server: &Server) -> Vec<Finding> {
    let Some(targets) = &server.targets else { return Vec::new() };
    let sick = targets.iter().filter(|target| matches!(target.state.as_str(), "unhealthy" | "unavailable"));
    sick.map(|target| Finding {
        gravity: Gravity::Fault,
        fact: format!("target {} is {}", target.id, target.state),
        evidence: [target.reason.clone(), target.description.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": "),
        at: None,
        remedy: Some(Remedy::Logs),
    })
    .collect()
}

/// Tasks that stopped, but not because a scheduler or an operator wanted them to.
fn stops(server: &Server, now: Timestamp) -> Vec<Finding> {
    let recent = |task: &&Task| task.stopped() && task.stopped_at.is_some_and(|at| now.duration_since(at) < RECENT);
    let replaced = server.running >= server.desired;
    server
        .tasks
        .iter()
        .filter(recent)
        .filter(|task| stopped_itself(task))
        .map(|task| Finding {
            gravity: if replaced { Gravity::Warning } else { Gravity::Fault },
            fact: format!(
                "task {} stopped{}{}",
                task.short_id(),
                task.stopped_at.map(|at| format!(" {} ago", age(now, at))).unwrap_or_default(),
                if replaced { ", and was replaced" } else { "" },
            ),
            evidence: stop_reason(task),
            at: task.stopped_at,
            remedy: Some(Remedy::Logs),
        })
        .collect()
}

fn health_checks(server: &Server) -> Vec<Finding> {
    server
        .live_tasks()
        .filter(|task| task.health == "UNHEALTHY")
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
    (!server.circuit_breaker).then(|| Finding {
        gravity: Gravity::Note,
        fact: "a failed deployment would not roll back".into(),
        evidence: "the deployment circuit breaker with rollback is off".into(),
        at: None,
        remedy: None,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::core::fleet::{Container, Deployment, Target};
    use rstest::rstest;

    /// A server with `running` of `desired` tasks, all targets healthy, rollout completed.
    pub(crate) fn server(name: &str, running: u32, desired: u32) -> Server {
        let task = |index: u32| Task {
            arn: format!("arn:aws:ecs:us-east-1:000000000000:task/quarterdeck-local/{index:032x}"),
            service: name.into(),
            last_status: "RUNNING".into(),
            desired_status: "RUNNING".into(),
            health: "UNKNOWN".into(),
            task_definition: format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{name}:1"),
            zone: "us-east-1a".into(),
            address: Some(format!("10.88.0.{}", index + 2)),
            started_at: Some(at(-600)),
            created_at: Some(at(-610)),
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            containers: vec![Container {
                name: name.into(),
                image: format!("localhost/quarterdeck/mcp-{name}:local"),
                last_status: "RUNNING".into(),
                exit_code: None,
                reason: None,
                health: "UNKNOWN".into(),
                runtime_id: None,
            }],
        };
        let target = |index: u32| Target {
            id: format!("10.88.0.{}", index + 2),
            port: Some(8080),
            state: "healthy".into(),
            reason: None,
            description: None,
        };
        Server {
            name: name.into(),
            arn: format!("arn:aws:ecs:us-east-1:000000000000:service/quarterdeck-local/{name}"),
            status: "ACTIVE".into(),
            desired,
            running,
            pending: 0,
            task_definition: format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{name}:1"),
            log_groups: Vec::new(),
            deployments: vec![Deployment {
                id: "ecs-svc/1".into(),
                status: "PRIMARY".into(),
                task_definition: format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{name}:1"),
                desired,
                running,
                pending: 0,
                failed: 0,
                rollout: "COMPLETED".into(),
                rollout_reason: String::new(),
                created_at: Some(at(-700)),
            }],
            events: Vec::new(),
            tasks: (0..running).map(task).collect(),
            targets: Some((0..running).map(target).collect()),
            bounds: None,
            circuit_breaker: true,
        }
    }

    /// Seconds from the tests' now.
    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a valid time")
    }

    fn killed(mut server: Server) -> Server {
        let mut task = server.tasks[0].clone();
        task.last_status = "STOPPED".into();
        task.stopped_at = Some(at(-30));
        task.stop_code = Some("EssentialContainerExited".into());
        task.containers[0].exit_code = Some(137);
        server.tasks.push(task);
        server
    }

    fn unhealthy(mut server: Server) -> Server {
        for target in server.targets.iter_mut().flatten() {
            target.state = "unhealthy".into();
            target.reason = Some("Target.ResponseCodeMismatch".into());
        }
        server
    }

    #[rstest]
    #[case(server("time", 2, 2), Verdict::Healthy)]
    #[case(server("time", 0, 0), Verdict::Stopped)]
    #[case(server("time", 1, 2), Verdict::Degraded)]
    #[case(server("time", 0, 2), Verdict::Down)]
    #[case(Server { pending: 1, ..server("time", 1, 2) }, Verdict::Changing)]
    #[case(Server { pending: 2, ..server("time", 0, 2) }, Verdict::Changing)]
    #[case(killed(server("time", 2, 2)), Verdict::Healthy)]
    #[case(killed(server("time", 1, 2)), Verdict::Degraded)]
    #[case(unhealthy(server("time", 2, 2)), Verdict::Down)]
    fn verdicts(#[case] server: Server, #[case] expected: Verdict) {
        assert_eq!(verdict(&server, at(0)), expected);
    }

    #[test]
    fn a_killed_task_is_explained_by_its_exit_code() {
        let all = findings(&killed(server("time", 1, 1)), at(0));
        assert_eq!(all[0].gravity, Gravity::Warning);
        assert!(all[0].fact.contains("and was replaced"), "{}", all[0].fact);
        assert!(all[0].evidence.contains("exit 137 (SIGKILL"), "{}", all[0].evidence);
    }

    #[test]
    fn the_worst_comes_first_and_an_old_stop_is_forgotten() {
        let mut sick = unhealthy(killed(server("time", 2, 2)));
        assert_eq!(findings(&sick, at(0))[0].gravity, Gravity::Fault);
        sick.targets = None;
        assert!(findings(&sick, at(3_600)).is_empty());
    }
}
