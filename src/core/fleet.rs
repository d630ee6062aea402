//! ECS as the console sees it: services, tasks, containers, deployments, targets.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything the Fleet screen shows, read in one refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fleet {
    /// Sorted by name.
    pub servers: Vec<Server>,
    /// Parts that could not be read, each in words; the rest is still true.
    pub gaps: Vec<String>,
}

impl Fleet {
    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }
}

/// One MCP server: one ECS service, with its tasks and targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// ECS service name.
    pub name: String,
    /// ECS service ARN.
    pub arn: String,
    /// `ACTIVE`, `DRAINING` or `INACTIVE`.
    pub status: String,
    /// Tasks that the service should run.
    pub desired: u32,
    /// Tasks in `RUNNING`.
    pub running: u32,
    /// Tasks in `PENDING`.
    pub pending: u32,
    /// ARN of the task definition in force.
    pub task_definition: String,
    /// CloudWatch log groups of its containers; empty where they could not be read.
    #[serde(default)]
    pub log_groups: Vec<String>,
    /// Newest first; the first is `PRIMARY`.
    pub deployments: Vec<Deployment>,
    /// Newest first, as ECS keeps them.
    pub events: Vec<ServiceEvent>,
    /// Running and recently stopped tasks, newest first.
    pub tasks: Vec<Task>,
    /// Targets of all target groups of the service; `None` where they could not be read.
    pub targets: Option<Vec<Target>>,
    /// Autoscaling bounds, if a scalable target exists and could be read.
    pub bounds: Option<Bounds>,
    /// Whether failed deployments roll back by themselves.
    pub circuit_breaker: bool,
}

impl Server {
    /// Tasks that have not stopped.
    pub fn live_tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| !task.stopped())
    }

    /// The deployment that ECS is steering towards.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.status == "PRIMARY")
    }

    /// `healthy/all` of the targets, where known.
    pub fn healthy_targets(&self) -> Option<(usize, usize)> {
        let targets = self.targets.as_ref()?;
        let healthy = targets.iter().filter(|target| target.state == "healthy").count();
        Some((healthy, targets.len()))
    }
}

/// A deployment of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// `ecs-svc/...`.
    pub id: String,
    /// `PRIMARY`, `ACTIVE` or `INACTIVE`.
    pub status: String,
    /// ARN of its task definition.
    pub task_definition: String,
    /// Desired tasks.
    pub desired: u32,
    /// Running tasks.
    pub running: u32,
    /// Pending tasks.
    pub pending: u32,
    /// Tasks that failed to start, as the circuit breaker counts them.
    pub failed: u32,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`; empty where the service does not say.
    pub rollout: String,
    /// ECS's own words on the rollout state.
    pub rollout_reason: String,
    /// When it began.
    pub created_at: Option<Timestamp>,
}

/// A service event, as ECS words it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// When.
    pub at: Timestamp,
    /// Sanitised text.
    pub message: String,
}

/// An ECS task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Task ARN.
    pub arn: String,
    /// ECS service it belongs to; empty for a stand-alone task.
    pub service: String,
    /// `PROVISIONING` … `RUNNING` … `STOPPED`.
    pub last_status: String,
    /// `RUNNING` or `STOPPED`.
    pub desired_status: String,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub health: String,
    /// ARN of its task definition.
    pub task_definition: String,
    /// Availability zone.
    pub zone: String,
    /// Private IPv4 address, where it has one.
    pub address: Option<String>,
    /// Container start.
    pub started_at: Option<Timestamp>,
    /// Task creation.
    pub created_at: Option<Timestamp>,
    /// Task stop.
    pub stopped_at: Option<Timestamp>,
    /// `EssentialContainerExited`, `TaskFailedToStart`, …
    pub stop_code: Option<String>,
    /// ECS's words.
    pub stopped_reason: Option<String>,
    /// Its containers.
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
        self.last_status == "STOPPED"
    }
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Name in the task definition.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// `PENDING`, `RUNNING`, `STOPPED`.
    pub last_status: String,
    /// Exit code, once stopped.
    pub exit_code: Option<i32>,
    /// ECS's words, such as `OutOfMemoryError: ...`.
    pub reason: Option<String>,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub health: String,
    /// The engine's container id, where it is known.
    pub runtime_id: Option<String>,
}

/// A target of the load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// IP address or instance id.
    pub id: String,
    /// TCP port.
    pub port: Option<u16>,
    /// `initial`, `healthy`, `unhealthy`, `draining`, `unused`, `unavailable`.
    pub state: String,
    /// ELB's reason code, such as `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// ELB's words.
    pub description: Option<String>,
}

/// Bounds of application autoscaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Fewest tasks.
    pub min: u32,
    /// Most tasks.
    pub max: u32,
}

/// What a task definition says that the console needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Its ARN, with the revision.
    pub arn: String,
    /// Family name.
    pub family: String,
    /// Revision.
    pub revision: u32,
    /// CloudWatch log groups of its containers, without duplicates.
    pub log_groups: Vec<String>,
    /// ARNs of Secrets Manager secrets that its containers read at start.
    pub secrets: Vec<String>,
}
