//! Elastic Load Balancing: the targets of a service, and whether they are healthy.

use aws_sdk_elasticloadbalancingv2::types::TargetHealthDescription;
use futures::{StreamExt, TryStreamExt, stream};

use super::AwsCloud;
use super::convert::{some_text, text};
use crate::cloud::CloudResult;
use crate::core::fleet::Target;

impl AwsCloud {
    /// Targets of all these groups, given by ARN; `None` if no group is given.
    pub(super) async fn targets(&self, groups: &[String]) -> CloudResult<Option<Vec<Target>>> {
        if groups.is_empty() {
            return Ok(None);
        }
        let read = stream::iter(groups.to_vec()).map(|group| self.target_group(group));
        let parts: Vec<Vec<Target>> = read.buffered(2).try_collect().await?;
        Ok(Some(parts.into_iter().flatten().collect()))
    }

    async fn target_group(&self, arn: String) -> CloudResult<Vec<Target>> {
        let call = self.read.elb.describe_target_health().target_group_arn(arn);
        let answer = call.send().await.map_err(self.failed("elasticloadbalancing:DescribeTargetHealth"))?;
        Ok(answer.target_health_descriptions().iter().map(target).collect())
    }
}

fn target(found: &TargetHealthDescription) -> Target {
    let (target, health) = (found.target(), found.target_health());
    Target {
        id: text(target.and_then(|target| target.id())),
        port: target.and_then(|target| target.port()).and_then(|port| u16::try_from(port).ok()),
        state: text(health.and_then(|health| health.state()).map(|state| state.as_str())).into(),
        reason: some_text(health.and_then(|health| health.reason()).map(|reason| reason.as_str())),
        description: some_text(health.and_then(|health| health.description())),
    }
}
