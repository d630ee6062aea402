//! ECS: service deployments.

use aws_sdk_ecs::types::{self as sdk, ServiceDeploymentRollbackMonitorsStatus as Monitors};

use super::AwsCloud;
use super::convert::{some_text, text, time};
use super::ecs::last_part;
use super::pacer::Api;
use crate::cloud::CloudResult;
use crate::core::fleet::ServiceDeployment;

const LIST: &str = "ecs:ListServiceDeployments";
const DESCRIBE: &str = "ecs:DescribeServiceDeployments";
/// Most service deployments in one call of DescribeServiceDeployments (ECS API reference).
const AT_ONCE: i32 = 20;

impl AwsCloud {
    /// The newest service deployments of a service, newest first. Two calls.
    pub(super) async fn read_service_deployments(
        &self,
        cluster: &str,
        service: &str,
    ) -> CloudResult<Vec<ServiceDeployment>> {
        let call = self.read.ecs.list_service_deployments().cluster(cluster).service(service).max_results(AT_ONCE);
        let page = self.paced(Api::Deployments, LIST, || call.clone().send()).await?;
        let arns = page.service_deployments().iter().filter_map(|one| one.service_deployment_arn().map(str::to_owned));
        let arns: Vec<String> = arns.collect();
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.describe_service_deployments(arns).await?;
        found.sort_by_key(|one| std::cmp::Reverse(one.created_at));
        Ok(found)
    }

    /// One by its ARN; `None` if ECS does not know it.
    pub(super) async fn read_service_deployment(&self, arn: &str) -> CloudResult<Option<ServiceDeployment>> {
        Ok(self.describe_service_deployments(vec![arn.to_owned()]).await?.into_iter().next())
    }

    async fn describe_service_deployments(&self, arns: Vec<String>) -> CloudResult<Vec<ServiceDeployment>> {
        let call = self.read.ecs.describe_service_deployments().set_service_deployment_arns(Some(arns));
        let answer = self.paced(Api::Deployments, DESCRIBE, || call.clone().send()).await?;
        Ok(answer.service_deployments().iter().map(service_deployment).collect())
    }
}

fn service_deployment(found: &sdk::ServiceDeployment) -> ServiceDeployment {
    let revision = |one: &sdk::ServiceRevisionSummary| one.arn().map(|arn| text(Some(last_part(arn))));
    let breaker = found.deployment_circuit_breaker().and_then(|breaker| breaker.status());
    let alarms = found.alarms().map(|alarms| alarms.triggered_alarm_names()).unwrap_or_default();
    let why = found.status_reason().or_else(|| found.rollback().and_then(|rollback| rollback.reason()));
    ServiceDeployment {
        arn: text(found.service_deployment_arn()),
        status: text(found.status().map(sdk::ServiceDeploymentStatus::as_str)).into(),
        reason: some_text(why),
        created_at: time(found.created_at()),
        from: found.source_service_revisions().iter().filter_map(revision).collect(),
        to: found.target_service_revision().and_then(revision),
        breaker: breaker.map(|status| *status == Monitors::Triggered),
        alarms: alarms.iter().map(|name| text(Some(name))).collect(),
    }
}
