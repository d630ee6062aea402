//! What the operator asked for, and the steps that it takes.

use serde::{Deserialize, Serialize};

use super::deploy::{Deploy, Destroy};
use super::rotate::{Rotation, UndoRotation};
use super::work::{Call, Check, Facts, Step, Work};
use crate::core::fleet::Bounds;

/// A write as the operator means it. Written to the audit; enough, with the facts, to go on after a crash.
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

/// An ECS service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRef {
    /// ECS cluster.
    pub cluster: String,
    /// ECS service.
    pub service: String,
}

/// See [`Intent::Scale`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// What is scaled.
    #[serde(flatten)]
    pub service: ServiceRef,
    /// New desired count.
    pub desired: Option<u32>,
    /// The count that was shown as the one before; another by now is not overwritten.
    #[serde(default)]
    pub from: Option<u32>,
    /// New bounds.
    pub bounds: Option<Bounds>,
}

/// See [`Intent::Restart`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// What is restarted.
    #[serde(flatten)]
    pub service: ServiceRef,
    /// The deployment in force at planning; a newer one means the restart has begun.
    pub replaces: String,
}

/// See [`Intent::Rollback`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// What goes back.
    #[serde(flatten)]
    pub service: ServiceRef,
    /// ARN of the task definition to go back to.
    pub task_definition: String,
    /// ARN of the one that was shown as in force; another by now is not overwritten.
    #[serde(default)]
    pub replaces: Option<String>,
}

/// See [`Intent::StopTask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopTask {
    /// The service whose task it is.
    #[serde(flatten)]
    pub service: ServiceRef,
    /// Task ARN.
    pub task: String,
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

    /// Whether a failure leaves it open, to be resumed or undone, rather than ended.
    pub fn stays_open_on_failure(&self) -> bool {
        matches!(self, Self::Rotate(_) | Self::UndoRotation(_) | Self::Destroy(_))
    }

    /// The steps, in an order in which each comes after those it needs.
    ///
    /// The number of steps and their titles depend on the intent alone; what is not learnt yet
    /// stands as an empty string in a call that cannot be reached before it is known.
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
    pub(super) fn then(&mut self, title: impl Into<String>, work: Work) -> usize {
        let after = self.0.len().checked_sub(1).into_iter().collect();
        self.add(title, work, after)
    }

    /// Adds a step after the named ones; its index.
    pub(super) fn add(&mut self, title: impl Into<String>, work: Work, after: Vec<usize>) -> usize {
        self.0.push(Step { title: title.into(), work, after });
        self.0.len() - 1
    }

    pub(super) fn done(self) -> Vec<Step> {
        self.0
    }
}

/// A fact, or the empty string where it is not learnt yet.
pub(super) fn fact(facts: &Facts, name: &str) -> String {
    facts.get(name).cloned().unwrap_or_default()
}

/// The fact under which a service's new deployment is remembered.
pub(super) fn deployment_fact(service: &str) -> String {
    format!("deployment.{service}")
}

impl ServiceRef {
    /// The condition that this service is steady on the deployment that the operation made.
    pub(super) fn steady(&self, desired: Option<u32>, facts: &Facts) -> Work {
        Work::Await(Check::Steady {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            desired,
            deployment: facts.get(&deployment_fact(&self.service)).cloned(),
        })
    }

    /// A new deployment of this service, unless a newer one than `replaces` exists.
    pub(super) fn new_deployment(&self, replaces: &str) -> Work {
        Work::Apply(Call::NewDeployment {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            replaces: replaces.to_owned(),
        })
    }
}

impl Scale {
    fn steps(&self) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let (mut steps, none) = (Steps::default(), Facts::new());
        if let Some(Bounds { min, max }) = self.bounds {
            let (cluster, service) = (cluster.clone(), service.clone());
            let call = Call::SetBounds { cluster: cluster.clone(), service: service.clone(), min, max };
            steps.then(format!("set autoscaling of {service} to {min}..{max}"), Work::Apply(call));
            let check = Check::BoundsAre { cluster, service: service.clone(), min, max };
            steps.then(format!("read the bounds of {service} back"), Work::Await(check));
        }
        if let Some(desired) = self.desired {
            let from = self.from;
            let call = Call::SetDesired { cluster: cluster.clone(), service: service.clone(), desired, from };
            steps.then(format!("set desired count of {service} to {desired}"), Work::Apply(call));
            steps.then(format!("wait until {service} runs {desired}"), self.service.steady(self.desired, &none));
        }
        steps.done()
    }
}

impl Restart {
    fn steps(&self, facts: &Facts) -> Vec<Step> {
        let service = &self.service.service;
        let mut steps = Steps::default();
        steps.then(format!("start a new deployment of {service}"), self.service.new_deployment(&self.replaces));
        steps.then(format!("wait until {service} is steady"), self.service.steady(None, facts));
        steps.done()
    }
}

impl Rollback {
    fn steps(&self, facts: &Facts) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let revision = self.task_definition.rsplit('/').next().unwrap_or(&self.task_definition);
        let call = Call::UseTaskDefinition {
            cluster: cluster.clone(),
            service: service.clone(),
            task_definition: self.task_definition.clone(),
            replaces: self.replaces.clone(),
        };
        let mut steps = Steps::default();
        steps.then(format!("deploy {revision} to {service}"), Work::Apply(call));
        steps.then(format!("wait until {service} is steady"), self.service.steady(None, facts));
        steps.done()
    }
}

impl StopTask {
    fn steps(&self, operation: &str) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let id = self.task.rsplit('/').next().unwrap_or(&self.task);
        let call = Call::StopTask {
            cluster: cluster.clone(),
            task: self.task.clone(),
            reason: format!("stopped with quarterdeck ({operation})"),
        };
        let check = Check::TaskStopped { cluster: cluster.clone(), task: self.task.clone() };
        let mut steps = Steps::default();
        steps.then(format!("stop task {id}"), Work::Apply(call));
        steps.then(format!("wait until task {id} has stopped"), Work::Await(check));
        if !service.is_empty() {
            let steady = self.service.steady(None, &Facts::new());
            steps.then(format!("wait until {service} has replaced it"), steady);
        }
        steps.done()
    }
}
