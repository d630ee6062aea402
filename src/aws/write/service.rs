//! Writes to ECS.

use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use jiff::Timestamp;

use super::nothing;
use crate::aws::convert::{time, wire_count};
use crate::aws::{AwsCloud, error};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::fleet::{Bounds, TaskStatus};
use crate::core::operation::service::{BOUNDS, DEFINITION, DEPLOYMENT, DESIRED, seen};
use crate::core::operation::{Applied, Changed, Fact, Facts, ServiceCall};

const UPDATE: &str = "ecs:UpdateService";

impl AwsCloud {
    pub(super) async fn write_service(&self, call: &ServiceCall, again: bool) -> CloudResult<Applied> {
        match call {
            ServiceCall::SetDesired { cluster, service, desired, from } => {
                self.set_desired(cluster, service, *desired, *from).await
            }
            ServiceCall::HoldCount { cluster, service, bounds } => {
                self.hold_count(cluster, service, *bounds).await.map(Applied::Done)
            }
            ServiceCall::SetBounds { cluster, service, bounds, from } => {
                self.change_bounds(cluster, service, *bounds, *from).await
            }
            ServiceCall::NewDeployment { cluster, service, replaces } => {
                self.new_deployment(cluster, service, replaces.as_deref(), again).await
            }
            ServiceCall::UseTaskDefinition { cluster, service, task_definition, replaces } => {
                self.use_task_definition(cluster, service, task_definition, replaces.as_deref()).await
            }
            ServiceCall::StopTask { cluster, task, reason } => {
                self.stop_task(cluster, task, reason).await.map(Applied::Done)
            }
            ServiceCall::StopDeployment { service, deployment, .. } => self.stop_deployment(service, deployment).await,
        }
    }

    /// Setting the same count twice does no harm. If the count is neither the one that the plan showed nor
    /// the new one, somebody else or autoscaling has changed it.
    async fn set_desired(&self, cluster: &str, service: &str, desired: u32, from: Option<u32>) -> CloudResult<Applied> {
        if let Some(from) = from {
            let now = self.service(cluster, service).await?.desired;
            if now != from && now != desired {
                let (from, now, desired) = (from.to_string(), now.to_string(), desired.to_string());
                return Ok(changed(service, "desired count", from, now.clone(), desired, seen(DESIRED, service), now));
            }
        }
        self.set_count(cluster, service, desired).await.map(Applied::Done)
    }

    async fn set_count(&self, cluster: &str, service: &str, desired: u32) -> CloudResult<Facts> {
        let call = self.update_service(cluster, service).desired_count(wire_count(desired));
        call.send().await.map_err(self.failed(UPDATE))?;
        Ok(Facts::new())
    }

    async fn hold_count(&self, cluster: &str, service: &str, Bounds { min, max }: Bounds) -> CloudResult<Facts> {
        let now = self.service(cluster, service).await?.desired;
        let wanted = now.clamp(min, max.max(min));
        if wanted == now { Ok(Facts::new()) } else { self.set_count(cluster, service, wanted).await }
    }

    async fn change_bounds(
        &self,
        cluster: &str,
        service: &str,
        bounds: Bounds,
        from: Option<Bounds>,
    ) -> CloudResult<Applied> {
        if let Some(from) = from {
            let all = self.bounds(cluster, Some(&[service.to_owned()])).await?;
            let now = all.get(service).copied();
            if now != Some(from) && now != Some(bounds) {
                let now = now.map_or_else(|| "none".to_owned(), |now| now.to_string());
                let (from, bounds) = (from.to_string(), bounds.to_string());
                let seen = seen(BOUNDS, service);
                return Ok(changed(service, "autoscaling bounds", from, now.clone(), bounds, seen, now));
            }
        }
        self.set_bounds(cluster, service, bounds).await.map(nothing).map(Applied::Done)
    }

    /// Starts a deployment. If it is known which one is to be replaced, that one must be in force; after a
    /// lost answer, another one is newer than what the first attempt found, and will do.
    async fn new_deployment(
        &self,
        cluster: &str,
        service: &str,
        replaces: Option<&str>,
        again: bool,
    ) -> CloudResult<Applied> {
        let server = self.service(cluster, service).await?;
        let other = |shown| server.primary().filter(|primary| !primary.id.is_empty() && primary.id != shown);
        if let Some((shown, primary)) = replaces.and_then(|shown| Some((shown, other(shown)?))) {
            if again {
                return Ok(Applied::Done(deployment(service, &primary.id, primary.created_at)));
            }
            let started = primary.created_at.map(|at| format!(", started {at:.0}")).unwrap_or_default();
            let (now, after) = (format!("{}{started}", primary.id), "a new one, once more".to_owned());
            let seen = seen(DEPLOYMENT, service);
            return Ok(changed(service, "deployment", shown.to_owned(), now, after, seen, primary.id.clone()));
        }
        let started = self.deploy(service, self.update_service(cluster, service).force_new_deployment(true)).await?;
        Ok(Applied::Done(started))
    }

    async fn use_task_definition(
        &self,
        cluster: &str,
        service: &str,
        arn: &str,
        replaces: Option<&str>,
    ) -> CloudResult<Applied> {
        let server = self.service(cluster, service).await?;
        match (server.primary(), replaces) {
            (Some(primary), _) if primary.task_definition == arn => {
                Ok(Applied::Done(deployment(service, &primary.id, primary.created_at)))
            }
            (Some(primary), Some(shown)) if shown != primary.task_definition => {
                let short = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
                let (from, now, after) = (short(shown), short(&primary.task_definition), short(arn));
                let (seen, value) = (seen(DEFINITION, service), primary.task_definition.clone());
                Ok(changed(service, "task definition", from, now, after, seen, value))
            }
            _ => {
                let call = self.update_service(cluster, service).task_definition(arn);
                self.deploy(service, call).await.map(Applied::Done)
            }
        }
    }

    /// Stops a task, unless it is stopping, has stopped or is not known to ECS any more.
    async fn stop_task(&self, cluster: &str, task: &str, reason: &str) -> CloudResult<Facts> {
        let found = self.describe_tasks(cluster, vec![task.to_owned()]).await?;
        if !found.iter().any(|task| task.desired_status != TaskStatus::Stopped && !task.stopped()) {
            return Ok(Facts::new());
        }
        let call = self.write.ecs.stop_task().cluster(cluster).task(task).reason(reason);
        match call.send().await.map(drop).map_err(self.failed("ecs:StopTask")) {
            // The task ended between the look and the call. The cluster was there a moment ago.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Facts::new()),
            result => result.map(nothing),
        }
    }

    fn update_service(&self, cluster: &str, service: &str) -> UpdateServiceFluentBuilder {
        self.write.ecs.update_service().cluster(cluster).service(service)
    }

    /// Sends an update that starts a deployment, and returns the id of that deployment.
    async fn deploy(&self, service: &str, call: UpdateServiceFluentBuilder) -> CloudResult<Facts> {
        let answer = call.send().await.map_err(self.failed(UPDATE))?;
        let deployments = answer.service().map(|service| service.deployments()).unwrap_or_default();
        let primary = deployments.iter().find(|deployment| deployment.status() == Some("PRIMARY"));
        let id = primary.and_then(|deployment| deployment.id());
        let id = id.ok_or_else(|| error::garbled(UPDATE, "the answer names no primary deployment"))?;
        Ok(deployment(service, id, time(primary.and_then(|deployment| deployment.created_at()))))
    }
}

/// Something of a service is not as it was shown. `value` is what is learnt under `seen` if the operator
/// agrees.
fn changed(
    service: &str,
    field: &str,
    planned: String,
    now: String,
    after: String,
    seen: Fact,
    value: String,
) -> Applied {
    let (subject, field, seen) = (service.to_owned(), field.to_owned(), Facts::of(seen, value));
    Applied::Changed(Box::new(Changed { subject, field, planned, now, after, seen, confirm: None }))
}

fn deployment(service: &str, id: &str, at: Option<Timestamp>) -> Facts {
    let mut facts = Facts::of(Fact::Deployment(service.to_owned()), id);
    facts.insert(Fact::DeploymentAt(service.to_owned()), at.map(|at| at.to_string()).unwrap_or_default());
    facts
}
