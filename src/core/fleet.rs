//! ECS as the console sees it: services, tasks, containers, deployments, targets.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::accepts::Wish;
pub use self::ages::{Age, Ages};
pub use self::attention::Attention;
pub use self::balancer::{Balancer, Counted, Served, TargetGroup};
pub use self::check::HealthCheck;
pub use self::service_deployment::ServiceDeployment;
pub use self::settings::{Against, Compared, Comparison, Pair, Setting, Settings, Value, What};
pub use self::shape::Shape;
pub use self::shortfall::Shortfall;
pub use self::word::{
    Controller, DeploymentStatus, Health, Rollout, Scheduling, ServiceDeploymentStatus, ServiceStatus, StopCode,
    Strategy, TargetState, TaskStatus,
};
use super::error::{CloudError, ErrorKind};
use super::logs::ContainerLog;
use super::unread::{Part, Read, Unread};

mod accepts;
mod ages;
mod attention;
mod balancer;
mod check;
mod service_deployment;
mod settings;
mod shape;
mod shortfall;
mod word;

/// Everything the Fleet screen shows, read in one refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Fleet {
    /// There is no such cluster, as before the first deploy and after a destroy.
    pub no_cluster: bool,
    /// Sorted by name.
    pub servers: Vec<Server>,
    /// Services that are in the list of the cluster and could not be read, sorted by name.
    pub unreadable: Vec<Unreadable>,
    /// Tasks that stopped lately, of services that are not there any more, newest first: those of a service whose
    /// creation failed are all that is left to say why.
    pub gone: Vec<Task>,
    /// Whether there are more services than these: the list is still being read for the first time, or services in it
    /// were not described yet.
    #[serde(skip)]
    pub listing: bool,
    /// Why the list of services could not be read again: one that is new since then is missing.
    #[serde(skip)]
    pub unlisted: Option<CloudError>,
    /// How old the parts of a server are, by its name; empty where all of it was read at once.
    #[serde(skip)]
    pub ages: BTreeMap<String, Ages>,
}

/// For a part that no answer has brought yet: it says nothing, and it is no failure.
pub fn not_yet<T>(call: &str) -> Read<T> {
    Read::NotRead(CloudError::new(ErrorKind::NotYet, call, "not read yet"))
}

/// A service that could not be read, while others could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The last part of its ARN.
    pub name: String,
    pub arn: String,
    pub why: CloudError,
}

impl Fleet {
    /// Notes at the tasks what they said last, by their ids.
    pub fn hear(&mut self, said: &BTreeMap<String, Option<String>>) {
        let known = self.servers.iter_mut().filter_map(|server| server.tasks.known_mut());
        for task in known.flatten().chain(&mut self.gone).filter(|task| task.stopped()) {
            if let Some(words) = said.get(task.id()) {
                task.last_words.clone_from(words);
            }
        }
    }

    /// Whether it has this task among those that have stopped.
    pub fn knows_stop(&self, task: &Task) -> bool {
        let mut all = self.servers.iter().flat_map(Server::known_tasks).chain(&self.gone);
        all.any(|one| one.arn == task.arn && one.stopped())
    }

    /// The server of this name, or of this ARN.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name || names(name, &server.arn))
    }

    /// The service of this name or ARN that could not be read.
    pub fn unreadable(&self, name: &str) -> Option<&Unreadable> {
        self.unreadable.iter().find(|one| one.name == name || names(name, &one.arn))
    }

    /// Every part that could not be read, once.
    pub fn unread(&self) -> Vec<Unread> {
        let services = self.unreadable.iter().map(Unreadable::part);
        let of_servers = self.servers.iter().flat_map(|server| self.unread_of(&server.name));
        services.chain(of_servers).chain(self.unread_of_all()).collect()
    }

    /// The parts of one server that could not be read.
    pub fn unread_of(&self, name: &str) -> Vec<Unread> {
        let Some(server) = self.servers.iter().find(|server| server.name == name) else {
            return self.unreadable(name).map(Unreadable::part).into_iter().collect();
        };
        let groups = || server.balancers.iter().flat_map(|balancer| &balancer.groups);
        let several = groups().count() > 1;
        let targets = groups().filter_map(|group| {
            let of = if several { format!("{name} in {}", group.name) } else { name.to_owned() };
            Unread::of(Part::Targets(of), &group.targets)
        });
        targets.chain(Unread::of(Part::LogGroups(name.to_owned()), &server.logs)).collect()
    }

    /// What one call reads for all servers, so that any server shows whether it failed.
    pub fn unread_of_all(&self) -> Vec<Unread> {
        let tasks = self.servers.iter().find_map(|server| Unread::of(Part::Tasks, &server.tasks));
        let bounds = self.servers.iter().find_map(|server| Unread::of(Part::Bounds, &server.bounds));
        let list = self.unlisted.as_ref().map(|why| Unread { part: Part::Services, why: why.clone() });
        list.into_iter().chain(tasks).chain(bounds).collect()
    }
}

impl Unreadable {
    fn part(&self) -> Unread {
        Unread { part: Part::Server(self.name.clone()), why: self.why.clone() }
    }
}

/// Whether a name is the ARN of this service, of which there are two formats: that of before 2018 does not name
/// the cluster (ECS developer guide, "Amazon Resource Names and IDs"). Or the end of one, `cluster/service`.
fn names(given: &str, arn: &str) -> bool {
    let parts = |text: &str| {
        let (place, path) = match text.split_once(":service/") {
            Some((place, path)) => (Some(place.to_owned()), path),
            None => (None, text.strip_prefix("service/").unwrap_or(text)),
        };
        let (cluster, service) = path.rsplit_once('/').map_or((None, path), |(cluster, name)| (Some(cluster), name));
        (place, cluster.map(str::to_owned), service.to_owned())
    };
    let ((place, cluster, name), (of_place, of_cluster, of_name)) = (parts(given), parts(arn));
    let same_cluster = cluster.is_none() || of_cluster.is_none() || cluster == of_cluster;
    given.contains('/') && (place.is_none() || place == of_place) && name == of_name && same_cluster
}

/// One MCP server: one ECS service, with its tasks and targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    pub name: String,
    pub arn: String,
    /// Whether it runs, or is being deleted.
    pub status: ServiceStatus,
    /// What kind of service it is.
    pub shape: Shape,
    /// Tasks that the service should run.
    pub desired: u32,
    /// Tasks in `RUNNING`.
    pub running: u32,
    /// Tasks in `PENDING`.
    pub pending: u32,
    /// ARN of the task definition in force; empty where there is none, as before the first task set.
    pub task_definition: String,
    /// Where its containers log; empty where the endpoint has no task definitions.
    pub logs: Read<Vec<ContainerLog>>,
    /// The primary one, then the newest first. Where others than ECS deploy, each is a task set.
    pub deployments: Vec<Deployment>,
    /// Newest first, as ECS keeps them.
    pub events: Vec<ServiceEvent>,
    /// Running and recently stopped tasks, newest first.
    pub tasks: Read<Vec<Task>>,
    /// What stands before its tasks; empty where it has no load balancer.
    pub balancers: Vec<Balancer>,
    /// Seconds from the start of a task for which ECS leaves failed health checks out; `None` where none is set.
    pub grace: Option<u32>,
    /// Autoscaling bounds; `None` where it is not a scalable target.
    pub bounds: Read<Option<Bounds>>,
    /// Whether failed deployments roll back by themselves.
    pub circuit_breaker: bool,
    /// Since when tasks are missing of which none is pending; `None` where none is, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<Shortfall>,
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

    /// The task sets or deployments whose tasks are to go on.
    pub fn live(&self) -> impl Iterator<Item = &Deployment> {
        let over = |one: &Deployment| matches!(one.status, DeploymentStatus::Draining | DeploymentStatus::Inactive);
        self.deployments.iter().filter(move |one| !over(one))
    }

    /// How many tasks should run. Of task sets each has its own part of the desired count, or all of it.
    pub fn wanted(&self) -> u32 {
        if !self.shape.task_sets() || self.live().next().is_none() {
            return self.desired;
        }
        self.live().map(|set| set.desired).sum()
    }

    /// Whether ECS is starting tasks, or rolling a deployment out.
    pub fn starting(&self) -> bool {
        let under_way = |one: &Deployment| one.rollout == Rollout::InProgress;
        let sets = self.shape.task_sets() && self.live().any(under_way);
        self.pending > 0 || sets || self.primary().is_some_and(under_way)
    }

    /// Whether tasks are missing, and none is pending.
    pub fn short(&self) -> bool {
        self.running < self.wanted() && self.pending == 0
    }

    /// Whether it is on its way to another state.
    pub fn moving(&self) -> bool {
        // CodeDeploy has two task sets only while it moves from one to the other.
        let between = self.shape.controller == Controller::CodeDeploy && self.deployments.len() > 1;
        self.running != self.wanted() || self.starting() || between
    }

    /// Whether a deployment is full, and ECS only watches it for some time before it calls it completed.
    pub fn bakes(&self) -> bool {
        let others = self.deployments.iter().filter(|one| one.status != DeploymentStatus::Primary);
        let alone = others.map(|one| one.running + one.pending).sum::<u32>() == 0;
        self.shape.bakes().is_some()
            && (alone || self.shape.strategy != Strategy::Rolling)
            && self.served().all(|served| !matches!(served, Served::Short(..)))
            && self.primary().is_some_and(|primary| {
                primary.rollout == Rollout::InProgress
                    && primary.running >= self.desired
                    && (primary.pending, primary.failed) == (0, 0)
            })
    }

    /// Whether nothing takes a deployment back that fails. The circuit breaker exists for rolling deployments of
    /// ECS itself alone (API reference, DeploymentConfiguration).
    pub fn unguarded(&self) -> bool {
        !self.shape.task_sets() && self.shape.strategy == Strategy::Rolling && !self.circuit_breaker
    }

    /// How far the deployment in force is, in a word; empty where nothing says.
    pub fn rollout(&self) -> String {
        let word = || self.primary().or_else(|| self.live().next()).map(|one| one.rollout.word().to_lowercase());
        if self.bakes() { "baking".to_owned() } else { word().unwrap_or_default() }
    }
}

/// A deployment of a service, or a task set where others than ECS deploy it.
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
    /// How far it is. A task set that has reached its steady state is completed.
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
    /// What it said last before it ended; `None` where that was not read, or it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_words: Option<String>,
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
        self.stopped() && (!wanted || self.killed_by_check())
    }

    /// Whether the service's scheduler stopped it because it failed a check. The stop code for that is the one of a
    /// task that is not wanted any more; only ECS's words tell (developer guide, "Stopped tasks error messages").
    pub fn killed_by_check(&self) -> bool {
        let scheduler = self.stop_code == Some(StopCode::ServiceSchedulerInitiated);
        self.stopped() && scheduler && self.stopped_reason.as_deref().is_some_and(super::finding::of_a_check)
    }

    /// Whether it stopped by a fault of its own, and not because AWS took away what it ran on.
    pub fn crashed(&self) -> bool {
        use StopCode::{SpotInterruption, TerminationNotice};
        self.stopped_itself() && !matches!(self.stop_code, Some(SpotInterruption | TerminationNotice))
    }

    /// Why it stopped, in one line: ECS's reason and the exit codes of its containers.
    pub fn stop_reason(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.stop_code.as_ref().map(ToString::to_string));
        parts.extend(self.stopped_reason.clone());
        for container in &self.containers {
            let exit = container.exit_code.map(|code| format!("exit {code}{}", word::signal(code)));
            let reason = container.reason.clone();
            let facts: Vec<String> = [exit, reason].into_iter().flatten().collect();
            if !facts.is_empty() {
                parts.push(format!("{}: {}", container.name, facts.join(", ")));
            }
        }
        if parts.is_empty() { "no reason given".into() } else { parts.join("; ") }
    }

    /// The same, and what it said last where that was read.
    pub fn end(&self) -> String {
        let said = self.last_words.iter().map(|words| format!("; it said last: {words}"));
        said.fold(self.stop_reason(), |reason, said| reason + &said)
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinition {
    /// Its ARN, with the revision.
    pub arn: String,
    pub family: String,
    pub revision: u32,
    /// Whether services can be made to use it.
    pub active: bool,
    /// Where its containers log.
    pub logs: Vec<ContainerLog>,
    /// ARNs of Secrets Manager secrets that its containers read at start.
    pub secrets: Vec<String>,
    pub registered_at: Option<Timestamp>,
    /// All that it sets, to be compared with another one.
    pub settings: Settings,
}

#[cfg(test)]
mod tests {
    use super::names;
    use rstest::rstest;

    #[rstest]
    #[case("arn:aws:ecs:eu-west-1:1:service/c/api", true)]
    #[case::of_before_2018("arn:aws:ecs:eu-west-1:1:service/api", true)]
    #[case("c/api", true)]
    #[case("service/c/api", true)]
    #[case::another_cluster("arn:aws:ecs:eu-west-1:1:service/d/api", false)]
    #[case::another_cluster("d/api", false)]
    #[case::another_region("arn:aws:ecs:eu-west-2:1:service/c/api", false)]
    #[case::another_service("c/apis", false)]
    #[case::a_name_is_compared_elsewhere("api", false)]
    fn a_service_may_be_named_by_its_arn(#[case] given: &str, #[case] same: bool) {
        assert_eq!(names(given, "arn:aws:ecs:eu-west-1:1:service/c/api"), same);
    }
}
