//! Writes to ECS.

use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;

use super::nothing;
use crate::aws::convert::wire_count;
use crate::aws::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Bounds, TaskStatus};
use crate::core::operation::{Fact, Facts, ServiceCall};

const UPDATE: &str = "ecs:UpdateService";

impl AwsCloud {
    pub(super) async fn write_service(&self, call: &ServiceCall) -> CloudResult<Facts> {
        match call {
            ServiceCall::SetDesired { cluster, service, desired, from } => {
                self.set_desired(cluster, service, *desired, *from).await
            }
            ServiceCall::SetBounds { cluster, service, min, max } => {
                self.set_bounds(cluster, service, Bounds { min: *min, max: *max }).await.map(nothing)
            }
            ServiceCall::NewDeployment { cluster, service, replaces } => {
                self.new_deployment(cluster, service, replaces.as_deref()).await
            }
            ServiceCall::UseTaskDefinition { cluster, service, task_definition, replaces } => {
                self.use_task_definition(cluster, service, task_definition, replaces.as_deref()).await
            }
            ServiceCall::StopTask { cluster, task, reason } => self.stop_task(cluster, task, reason).await,
        }
    }

    /// Setting the same count twice does no harm. If the count is neither the one that the plan showed nor
    /// the new one, somebody else or autoscaling has changed it, and it is left alone.
    async fn set_desired(&self, cluster: &str, service: &str, desired: u32, from: Option<u32>) -> CloudResult<Facts> {
        if let Some(from) = from {
            let now = self.service(cluster, service).await?.desired;
            if now != from && now != desired {
                return Err(changed(service, &format!("its desired count is {now} now, not {from}")));
            }
        }
        let call = self.update_service(cluster, service).desired_count(wire_count(desired));
        call.send().await.map_err(self.failed(UPDATE))?;
        Ok(Facts::new())
    }

    /// Starts a deployment. If another deployment than the one to be replaced is primary, an earlier
    /// attempt has done it. If it is not known which was to be replaced, it may be done twice: one
    /// deployment too many does no harm.
    async fn new_deployment(&self, cluster: &str, service: &str, replaces: Option<&str>) -> CloudResult<Facts> {
        let server = self.service(cluster, service).await?;
        if let (Some(primary), Some(replaces)) = (server.primary(), replaces)
            && !primary.id.is_empty()
            && primary.id != replaces
        {
            return Ok(deployment(service, &primary.id));
        }
        self.deploy(service, self.update_service(cluster, service).force_new_deployment(true)).await
    }

    async fn use_task_definition(
        &self,
        cluster: &str,
        service: &str,
        arn: &str,
        replaces: Option<&str>,
    ) -> CloudResult<Facts> {
        let server = self.service(cluster, service).await?;
        match server.primary() {
            Some(primary) if primary.task_definition == arn => Ok(deployment(service, &primary.id)),
            Some(primary) if replaces.is_some_and(|shown| shown != primary.task_definition) => {
                let now = primary.task_definition.rsplit('/').next().unwrap_or_default();
                Err(changed(service, &format!("it runs {now} now")))
            }
            _ => self.deploy(service, self.update_service(cluster, service).task_definition(arn)).await,
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
        Ok(deployment(service, id))
    }
}

fn changed(service: &str, how: &str) -> CloudError {
    let why = format!("{service} is not as it was shown: {how}; nothing was changed");
    CloudError::new(ErrorKind::Conflict, UPDATE, why).with_hint("plan it again")
}

fn deployment(service: &str, id: &str) -> Facts {
    Facts::of(Fact::Deployment(service.to_owned()), id)
}
