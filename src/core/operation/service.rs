//! Writes to one ECS service: scale, restart, roll back, stop a task.

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts};
use super::steps::Steps;
use super::work::{Check, ServiceCall, Step};
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
}

/// See [`Intent::Restart`](super::Intent::Restart).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    #[serde(flatten)]
    pub service: ServiceRef,
    /// The deployment in force at planning; a newer one means the restart has begun.
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
    pub(super) fn steps(&self) -> Vec<Step> {
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
    pub(super) fn steps(&self, facts: &Facts) -> Vec<Step> {
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
    pub(super) fn steps(&self, facts: &Facts) -> Vec<Step> {
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
            steps.then(title, service.steady(None, &Facts::new()));
        }
        steps.done()
    }
}
