//! ECS as the console sees it: services, tasks, containers, deployments, targets.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::word::{DeploymentStatus, Health, Rollout, ServiceStatus, StopCode, TargetState, TaskStatus};
use super::logs::ContainerLog;
use super::unread::{Part, Read, Unread};

mod word;

/// Everything the Fleet screen shows, read in one refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Fleet {
    /// There is no such cluster, as before the first deploy and after a destroy.
    pub no_cluster: bool,
    /// Sorted by name.
    pub servers: Vec<Server>,
}

impl Fleet {
    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// Every part that could not be read, once.
    pub fn unread(&self) -> Vec<Unread> {
        // One call reads the tasks of all servers, and one their bounds, so any server shows whether it failed.
        let tasks = self.servers.iter().find_map(|server| Unread::of(Part::Tasks, &server.tasks));
        let bounds = self.servers.iter().find_map(|server| Unread::of(Part::Bounds, &server.bounds));
        let targets = |server: &Server| Unread::of(Part::Targets(server.name.clone()), &server.targets);
        let groups = |server: &Server| Unread::of(Part::LogGroups(server.name.clone()), &server.logs);
        let targets = self.servers.iter().filter_map(targets);
        targets.chain(self.servers.iter().filter_map(groups)).chain(tasks).chain(bounds).collect()
    }
}

/// One MCP server: one ECS service, with its tasks and targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    pub name: String,
    pub arn: String,
    /// Whether it runs, or is being deleted.
    pub status: ServiceStatus,
    /// Tasks that the service should run.
    pub desired: u32,
    /// Tasks in `RUNNING`.
    pub running: u32,
    /// Tasks in `PENDING`.
    pub pending: u32,
    /// ARN of the task definition in force.
    pub task_definition: String,
    /// Where its containers log; empty where the endpoint has no task definitions.
    pub logs: Read<Vec<ContainerLog>>,
    /// Newest first; the first is the primary one.
    pub deployments: Vec<Deployment>,
    /// Newest first, as ECS keeps them.
    pub events: Vec<ServiceEvent>,
    /// Running and recently stopped tasks, newest first.
    pub tasks: Read<Vec<Task>>,
    /// Targets of all target groups of the service; `None` where it has no target group.
    pub targets: Read<Option<Vec<Target>>>,
    /// Autoscaling bounds; `None` where it is not a scalable target.
    pub bounds: Read<Option<Bounds>>,
    /// Whether failed deployments roll back by themselves.
    pub circuit_breaker: bool,
}

impl Server {
    /// The tasks that are known.
    pub fn known_tasks(&self) -> &[Task] {
        self.tasks.known().map(Vec::as_slice).unwrap_or_default()
    }

    /// Known tasks that have not stopped.
    pub fn live_tasks(&self) -> impl Iterator<Item = &Task> {
        self.known_tasks().iter().filter(|task| !task.stopped())
    }

    /// The task that stopped last by itself, of those that are known.
    pub fn latest_stop(&self) -> Option<&Task> {
        self.known_tasks().iter().filter(|task| task.stopped_itself()).max_by_key(|task| task.stopped_at)
    }

    /// The deployment that ECS is steering towards.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.status == DeploymentStatus::Primary)
    }

    /// Whether ECS is starting tasks, or rolling a deployment out.
    pub fn starting(&self) -> bool {
        self.pending > 0 || self.primary().is_some_and(|primary| primary.rollout == Rollout::InProgress)
    }

    /// Whether it is on its way to another state.
    pub fn moving(&self) -> bool {
        self.running != self.desired || self.starting()
    }

    /// The targets that are known; none where there is no target group, or it was not read.
    pub fn known_targets(&self) -> &[Target] {
        self.targets.known().and_then(Option::as_deref).unwrap_or_default()
    }

    /// Healthy and all targets, where they are known and there is a target group.
    pub fn healthy_targets(&self) -> Option<(usize, usize)> {
        let targets = self.targets.known()?.as_ref()?;
        let healthy = targets.iter().filter(|target| target.state == TargetState::Healthy).count();
        Some((healthy, targets.len()))
    }

    /// The same for a table: `-` without a target group, `?` where the targets were not read.
    pub fn target_count(&self) -> String {
        let counted = self.healthy_targets().map_or("-".into(), |(healthy, all)| format!("{healthy}/{all}"));
        self.targets.cell(|_| counted)
    }
}

/// A deployment of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// `ecs-svc/...`.
    pub id: String,
    /// Its place among the service's deployments.
    pub status: DeploymentStatus,
    /// ARN of its task definition.
    pub task_definition: String,
    pub desired: u32,
    pub running: u32,
    pub pending: u32,
    /// Tasks that failed to start, as the circuit breaker counts them.
    pub failed: u32,
    /// How far it is.
    pub rollout: Rollout,
    /// ECS's own words on the rollout state.
    pub rollout_reason: String,
    /// When it began.
    pub created_at: Option<Timestamp>,
}

/// A service event, as ECS words it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceEvent {
    pub at: Timestamp,
    /// Sanitised text.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    pub arn: String,
    /// ECS service it belongs to; empty for a stand-alone task.
    pub service: String,
    /// What it is doing.
    pub last_status: TaskStatus,
    /// What it should be doing.
    pub desired_status: TaskStatus,
    /// What the checks of its containers say together.
    pub health: Health,
    /// ARN of its task definition.
    pub task_definition: String,
    pub zone: String,
    /// Private IPv4 address, where it has one.
    pub address: Option<String>,
    /// Container start.
    pub started_at: Option<Timestamp>,
    /// Task creation.
    pub created_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    /// Why it stopped, in a word.
    pub stop_code: Option<StopCode>,
    /// ECS's words.
    pub stopped_reason: Option<String>,
    pub containers: Vec<Container>,
}

impl Task {
    /// The task's id: the ARN's last part.
    pub fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    /// First eight characters of the id.
    pub fn short_id(&self) -> &str {
        let id = self.id();
        id.get(..8).unwrap_or(id)
    }

    /// Whether it has stopped.
    pub fn stopped(&self) -> bool {
        self.last_status == TaskStatus::Stopped
    }

    /// Whether it stopped, but not because a scheduler or an operator wanted it to.
    pub fn stopped_itself(&self) -> bool {
        use StopCode::{ServiceSchedulerInitiated, UserInitiated};
        let wanted = matches!(self.stop_code, Some(ServiceSchedulerInitiated | UserInitiated) | None);
        self.stopped() && !wanted
    }

    /// Why it stopped, in one line: ECS's reason and the exit codes of its containers.
    pub fn stop_reason(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.stop_code.as_ref().map(ToString::to_string));
        parts.extend(self.stopped_reason.clone());
        for container in &self.containers {
            let exit = container.exit_code.map(|code| format!("exit {code}{}", signal(code)));
            let reason = container.reason.clone();
            let facts: Vec<String> = [exit, reason].into_iter().flatten().collect();
            if !facts.is_empty() {
                parts.push(format!("{}: {}", container.name, facts.join(", ")));
            }
        }
        if parts.is_empty() { "no reason given".into() } else { parts.join("; ") }
    }
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

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Name in the task definition.
    pub name: String,
    pub image: String,
    /// What it is doing.
    pub last_status: TaskStatus,
    /// Exit code, once stopped.
    pub exit_code: Option<i32>,
    /// ECS's words, such as `OutOfMemoryError: ...`.
    pub reason: Option<String>,
    /// What its check says.
    pub health: Health,
    /// The engine's container id, where it is known.
    pub runtime_id: Option<String>,
}

/// A target of the load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// IP address or instance id.
    pub id: String,
    pub port: Option<u16>,
    /// What the load balancer finds.
    pub state: TargetState,
    /// ELB's reason code, such as `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// ELB's words.
    pub description: Option<String>,
}

impl Target {
    /// The load balancer's reason, in its words.
    pub fn why(&self) -> String {
        [self.reason.as_deref(), self.description.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

/// Bounds of application autoscaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    pub min: u32,
    pub max: u32,
}

/// Reads what its `Display` writes.
impl std::str::FromStr for Bounds {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        Ok(Self { min: min.parse()?, max: max.parse()? })
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min, self.max)
    }
}

/// What a task definition says that the console needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskDefinition {
    /// Its ARN, with the revision.
    pub arn: String,
    pub family: String,
    pub revision: u32,
    /// Where its containers log.
    pub logs: Vec<ContainerLog>,
    /// ARNs of Secrets Manager secrets that its containers read at start.
    pub secrets: Vec<String>,
}
