//! What the operator asked for, and the steps that it takes.

use serde::{Deserialize, Serialize};

use super::deploy::{Deploy, Destroy};
use super::fact::{Fact, Facts};
use super::rotate::{Rotation, UndoRotation};
use super::work::{Check, ServiceCall, Step, Work};
use crate::core::fleet::Bounds;

/// A write as the operator means it: what is to be true in the end.
///
/// It holds names and the values that the operator saw, but no step: [`Intent::steps`] computes the
/// steps from the intent and the [`Facts`] learnt so far. The audit keeps both, which is enough to go
/// on after a crash. To add a kind of write, add a variant and its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Intent {
    /// Change the number of tasks, or the bounds of autoscaling.
    Scale(Scale),
    /// Replace all tasks by new ones of the same task definition.
    Restart(Restart),
    /// Go back to another task definition.
    Rollback(Rollback),
    /// Stop one task; its service replaces it.
    StopTask(StopTask),
    /// Create or update the stacks of an environment.
    Deploy(Deploy),
    /// Delete the stacks of an environment.
    Destroy(Destroy),
    /// Rotate a client's secret.
    Rotate(Rotation),
    /// Take back a rotation that was not finished.
    UndoRotation(UndoRotation),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRef {
    pub cluster: String,
    pub service: String,
}

/// See [`Intent::Scale`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    #[serde(flatten)]
    pub service: ServiceRef,
    pub desired: Option<u32>,
    /// The count that the plan showed. If it has changed since, it is not overwritten.
    #[serde(default)]
    pub from: Option<u32>,
    pub bounds: Option<Bounds>,
}

/// See [`Intent::Restart`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    #[serde(flatten)]
    pub service: ServiceRef,
    /// The deployment in force at planning; a newer one means the restart has begun.
    #[serde(with = "blank")]
    pub replaces: Option<String>,
}

/// See [`Intent::Rollback`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// What goes back.
    #[serde(flatten)]
    pub service: ServiceRef,
    /// ARN of the task definition to go back to.
    pub task_definition: String,
    /// ARN of the one in force when the plan was shown. If it has changed since, it is not overwritten.
    #[serde(default)]
    pub replaces: Option<String>,
}

/// See [`Intent::StopTask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopTask {
    pub cluster: String,
    /// The ECS service whose task it is, and which replaces it.
    #[serde(with = "blank")]
    pub service: Option<String>,
    pub task: String,
}

/// A name that may be unknown; the audit writes it as an empty string.
pub(super) mod blank {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(name: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name.as_deref().unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Some(String::deserialize(deserializer)?).filter(|name| !name.is_empty()))
    }
}

impl Intent {
    /// One word for the audit and the screen.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Scale(_) => "scale",
            Self::Restart(_) => "restart",
            Self::Rollback(_) => "rollback",
            Self::StopTask(_) => "stop",
            Self::Deploy(_) => "deploy",
            Self::Destroy(_) => "destroy",
            Self::Rotate(_) => "rotate",
            Self::UndoRotation(_) => "undo-rotation",
        }
    }

    /// Whether it stays open after a failure, so that it can be resumed or undone.
    pub fn stays_open_on_failure(&self) -> bool {
        matches!(self, Self::Rotate(_) | Self::UndoRotation(_) | Self::Destroy(_))
    }

    /// The steps, each after those that it needs.
    ///
    /// Their number and titles depend on the intent alone. A step that needs a fact which is not
    /// known yet is [`Work::NotYet`].
    pub fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        match self {
            Self::Scale(scale) => scale.steps(),
            Self::Restart(restart) => restart.steps(facts),
            Self::Rollback(rollback) => rollback.steps(facts),
            Self::StopTask(stop) => stop.steps(operation),
            Self::Deploy(deploy) => deploy.steps(operation, facts),
            Self::Destroy(destroy) => destroy.steps(operation),
            Self::Rotate(rotation) => rotation.steps(operation, facts),
            Self::UndoRotation(undo) => undo.steps(facts),
        }
    }
}

/// Collects steps; each new one comes after the last unless told otherwise.
#[derive(Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    /// Adds a step after the one added last; its index.
    pub(super) fn then(&mut self, title: impl Into<String>, work: impl Into<Work>) -> usize {
        let after = self.0.len().checked_sub(1).into_iter().collect();
        self.add(title, work, after)
    }

    /// Adds a step after the named ones; its index.
    pub(super) fn add(&mut self, title: impl Into<String>, work: impl Into<Work>, after: Vec<usize>) -> usize {
        self.0.push(Step { title: title.into(), work: work.into(), after });
        self.0.len() - 1
    }

    pub(super) fn done(self) -> Vec<Step> {
        self.0
    }
}

impl ServiceRef {
    /// The condition that this service is steady on the deployment that the operation made.
    pub(super) fn steady(&self, desired: Option<u32>, facts: &Facts) -> Check {
        Check::Steady {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            desired,
            deployment: facts.get(&Fact::Deployment(self.service.clone())).map(str::to_owned),
        }
    }

    /// A new deployment of this service, unless a newer one than `replaces` exists.
    pub(super) fn new_deployment(&self, replaces: Option<&str>) -> ServiceCall {
        ServiceCall::NewDeployment {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            replaces: replaces.map(str::to_owned),
        }
    }
}

impl Scale {
    fn steps(&self) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let (mut steps, none) = (Steps::default(), Facts::new());
        if let Some(Bounds { min, max }) = self.bounds {
            let (cluster, service) = (cluster.clone(), service.clone());
            let call = ServiceCall::SetBounds { cluster: cluster.clone(), service: service.clone(), min, max };
            steps.then(format!("set autoscaling of {service} to {min}..{max}"), call);
            let check = Check::BoundsAre { cluster, service: service.clone(), min, max };
            steps.then(format!("read the bounds of {service} back"), check);
        }
        if let Some(desired) = self.desired {
            let from = self.from;
            let call = ServiceCall::SetDesired { cluster: cluster.clone(), service: service.clone(), desired, from };
            steps.then(format!("set desired count of {service} to {desired}"), call);
            steps.then(format!("wait until {service} runs {desired}"), self.service.steady(self.desired, &none));
        }
        steps.done()
    }
}

impl Restart {
    fn steps(&self, facts: &Facts) -> Vec<Step> {
        let service = &self.service.service;
        let mut steps = Steps::default();
        steps.then(
            format!("start a new deployment of {service}"),
            self.service.new_deployment(self.replaces.as_deref()),
        );
        steps.then(format!("wait until {service} is steady"), self.service.steady(None, facts));
        steps.done()
    }
}

impl Rollback {
    fn steps(&self, facts: &Facts) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let revision = self.task_definition.rsplit('/').next().unwrap_or(&self.task_definition);
        let call = ServiceCall::UseTaskDefinition {
            cluster: cluster.clone(),
            service: service.clone(),
            task_definition: self.task_definition.clone(),
            replaces: self.replaces.clone(),
        };
        let mut steps = Steps::default();
        steps.then(format!("deploy {revision} to {service}"), call);
        steps.then(format!("wait until {service} is steady"), self.service.steady(None, facts));
        steps.done()
    }
}

impl StopTask {
    fn steps(&self, operation: &str) -> Vec<Step> {
        let (cluster, task) = (&self.cluster, &self.task);
        let id = task.rsplit('/').next().unwrap_or(task);
        let call = ServiceCall::StopTask {
            cluster: cluster.clone(),
            task: task.clone(),
            reason: format!("stopped with quarterdeck ({operation})"),
        };
        let check = Check::TaskStopped { cluster: cluster.clone(), task: task.clone() };
        let mut steps = Steps::default();
        steps.then(format!("stop task {id}"), call);
        steps.then(format!("wait until task {id} has stopped"), check);
        if let Some(service) = self.service.clone() {
            let service = ServiceRef { cluster: cluster.clone(), service };
            let title = format!("wait until {} has replaced it", service.service);
            steps.then(title, service.steady(None, &Facts::new()));
        }
        steps.done()
    }
}
