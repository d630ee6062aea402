//! Writes to one ECS service: scale, restart, roll back, stop a task.

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts};
use super::steps::Steps;
use super::work::{Check, Made, Promise, ServiceCall, Step, Work};
use crate::core::fleet::Bounds;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRef {
    pub cluster: String,
    pub service: String,
}

/// See [`Intent::Scale`](super::Intent::Scale).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    #[serde(flatten)]
    pub service: ServiceRef,
    pub desired: Option<u32>,
    /// The count that the plan showed. If it has changed since, it is not overwritten.
    #[serde(default)]
    pub from: Option<u32>,
    pub bounds: Option<Bounds>,
    /// The bounds that the plan showed.
    #[serde(default)]
    pub bounds_from: Option<Bounds>,
}

/// See [`Intent::Restart`](super::Intent::Restart).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    #[serde(flatten)]
    pub service: ServiceRef,
    /// The deployment that the plan showed. If another one is in force, the operator is asked again.
    #[serde(with = "blank")]
    pub replaces: Option<String>,
}

/// See [`Intent::Rollback`](super::Intent::Rollback).
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

/// See [`Intent::StopTask`](super::Intent::StopTask).
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

impl ServiceRef {
    /// The condition that this service is steady as promised.
    pub(super) fn steady(&self, promise: Promise) -> Check {
        Check::Steady { cluster: self.cluster.clone(), service: self.service.clone(), promise }
    }

    /// The deployment that the operation made must be in force, or a newer one.
    pub(super) fn made(&self, facts: &Facts) -> Promise {
        let id = facts.get(&Fact::Deployment(self.service.clone())).map(str::to_owned);
        let at = facts.get(&Fact::DeploymentAt(self.service.clone())).and_then(|at| at.parse().ok());
        Promise { made: id.map(|id| Made { id, at }), ..Promise::default() }
    }

    /// A new deployment; `replaces` is the one that the operator was shown, if that matters.
    pub(super) fn new_deployment(&self, replaces: Option<String>) -> ServiceCall {
        ServiceCall::NewDeployment { cluster: self.cluster.clone(), service: self.service.clone(), replaces }
    }

    /// What the operator has agreed to find instead of what the plan showed.
    fn seen(&self, what: &str, facts: &Facts) -> Option<String> {
        facts.get(&seen(what, &self.service)).map(str::to_owned)
    }

    /// Starts the tasks anew, so that they read their Secret again, after the steps before this one; or
    /// does nothing, for the reason in `skip`.
    ///
    /// The deployment must be newer than those steps, and ECS may show an older one for some seconds. So no
    /// deployment that is there is ever taken for ours: after a lost answer one is started too many, which
    /// does no harm.
    pub(super) fn read_again(&self, steps: &mut Steps, facts: &Facts, skip: Option<&str>) {
        let name = &self.service;
        let or = |work: Work| skip.map_or(work, |why| Work::Skip(why.to_owned()));
        steps.then(format!("start a new deployment of {name}"), or(self.new_deployment(None).into()));
        steps.then(format!("wait until {name} is steady"), or(self.steady(self.made(facts)).into()));
    }
}

/// The name of what was seen of a service.
pub fn seen(what: &str, service: &str) -> Fact {
    Fact::Seen(format!("{what}.{service}"))
}

/// Words for [`seen`].
pub const DESIRED: &str = "desired";
/// The bounds of autoscaling.
pub const BOUNDS: &str = "bounds";
/// The deployment in force.
pub const DEPLOYMENT: &str = "deployment";
/// The task definition in force.
pub const DEFINITION: &str = "definition";

impl Scale {
    pub(super) fn steps(&self, facts: &Facts) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let mut steps = Steps::default();
        if let Some(bounds) = self.bounds {
            let (cluster, service) = (cluster.clone(), service.clone());
            let seen = self.service.seen(BOUNDS, facts).and_then(|seen| seen.parse().ok());
            let from = seen.or(self.bounds_from);
            let call = ServiceCall::SetBounds { cluster: cluster.clone(), service: service.clone(), bounds, from };
            steps.then(format!("set autoscaling of {service} to {bounds}"), call);
            let check = Check::BoundsAre { cluster, service: service.clone(), bounds };
            steps.then(format!("read the bounds of {service} back"), check);
        }
        if let Some(desired) = self.desired {
            let from = self.service.seen(DESIRED, facts).and_then(|seen| seen.parse().ok()).or(self.from);
            let call = ServiceCall::SetDesired { cluster: cluster.clone(), service: service.clone(), desired, from };
            steps.then(format!("set desired count of {service} to {desired}"), call);
            let count = Some(Bounds { min: desired, max: desired });
            let promise = Promise { count, ..Promise::default() };
            steps.then(format!("wait until {service} runs {desired}"), self.service.steady(promise));
        }
        steps.done()
    }
}

impl Restart {
    pub(super) fn steps(&self, facts: &Facts) -> Vec<Step> {
        let service = &self.service.service;
        let shown = self.service.seen(DEPLOYMENT, facts).or_else(|| self.replaces.clone());
        let mut steps = Steps::default();
        steps.then(format!("start a new deployment of {service}"), self.service.new_deployment(shown));
        steps.then(format!("wait until {service} is steady"), self.service.steady(self.service.made(facts)));
        steps.done()
    }
}

impl Rollback {
    pub(super) fn steps(&self, facts: &Facts) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let revision = self.task_definition.rsplit('/').next().unwrap_or(&self.task_definition);
        let replaces = self.service.seen(DEFINITION, facts).or_else(|| self.replaces.clone());
        let call = ServiceCall::UseTaskDefinition {
            cluster: cluster.clone(),
            service: service.clone(),
            task_definition: self.task_definition.clone(),
            replaces,
        };
        let mut steps = Steps::default();
        steps.then(format!("deploy {revision} to {service}"), call);
        let task_definition = Some(self.task_definition.clone());
        let promise = Promise { task_definition, ..self.service.made(facts) };
        steps.then(format!("wait until {service} is steady"), self.service.steady(promise));
        steps.done()
    }
}

impl StopTask {
    pub(super) fn steps(&self, operation: &str) -> Vec<Step> {
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
            steps.then(title, service.steady(Promise::default()));
        }
        steps.done()
    }
}
