//! Application Auto Scaling: the bounds between which it moves a service's count of tasks.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};

use super::AwsCloud;
use super::convert::{count, wire_count};
use crate::cloud::CloudResult;
use crate::core::fleet::Bounds;

impl AwsCloud {
    /// Bounds of the cluster's services, by name of the service. A service without autoscaling is left out.
    pub(super) async fn bounds(&self, cluster: &str) -> CloudResult<BTreeMap<String, Bounds>> {
        let call = self.read.scaling.describe_scalable_targets().service_namespace(ServiceNamespace::Ecs);
        let call = call.scalable_dimension(ScalableDimension::EcsServiceDesiredCount);
        let pages = call.into_paginator().items().send();
        let found: Vec<_> =
            pages.try_collect().await.map_err(self.failed("application-autoscaling:DescribeScalableTargets"))?;
        let prefix = resource_id(cluster, "");
        let ours = found.iter().filter_map(|target| {
            let name = target.resource_id().strip_prefix(&prefix)?;
            let bounds = Bounds { min: count(target.min_capacity()), max: count(target.max_capacity()) };
            Some((name.to_owned(), bounds))
        });
        Ok(ours.collect())
    }

    /// Sets the bounds of a service.
    pub(super) async fn set_bounds(&self, cluster: &str, service: &str, bounds: Bounds) -> CloudResult<()> {
        let call = self.write.scaling.register_scalable_target().service_namespace(ServiceNamespace::Ecs);
        let call = call.scalable_dimension(ScalableDimension::EcsServiceDesiredCount);
        let call = call.resource_id(resource_id(cluster, service));
        let call = call.min_capacity(wire_count(bounds.min)).max_capacity(wire_count(bounds.max));
        call.send().await.map_err(self.failed("application-autoscaling:RegisterScalableTarget"))?;
        Ok(())
    }
}

/// The id that autoscaling has for a service: `service/<cluster name>/<service>` (API reference,
/// ScalableTarget). The cluster may be given by ARN.
fn resource_id(cluster: &str, service: &str) -> String {
    let name = cluster.rsplit('/').next().unwrap_or(cluster);
    format!("service/{name}/{service}")
}
