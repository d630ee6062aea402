//! Application Auto Scaling: the bounds between which it moves a service's count of tasks.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};

use super::AwsCloud;
use super::convert::{count, wire_count};
use super::pacer::Api;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::Bounds;

const CALL: &str = "application-autoscaling:DescribeScalableTargets";
/// Most resource ids in one call (API reference, DescribeScalableTargets).
const IDS: usize = 50;
/// Pages after which the list is taken for one that does not end.
const PAGES: usize = 1_000;

impl AwsCloud {
    /// Bounds of the cluster's services, or of these of them, by name of the service. A service without autoscaling
    /// is left out.
    pub(super) async fn bounds(
        &self,
        cluster: &str,
        services: Option<&[String]>,
    ) -> CloudResult<BTreeMap<String, Bounds>> {
        let call = self.read.scaling.describe_scalable_targets().service_namespace(ServiceNamespace::Ecs);
        let call = call.scalable_dimension(ScalableDimension::EcsServiceDesiredCount);
        let prefix = resource_id(cluster, "");
        let ids = |services: &[String]| services.iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>();
        let parts: Vec<Option<Vec<String>>> = match services {
            Some(services) => services.chunks(IDS).map(|some| Some(ids(some))).collect(),
            None => vec![None],
        };
        let mut bounds = BTreeMap::new();
        for part in parts {
            let mut token = None;
            for _ in 0..PAGES {
                let call = call.clone().set_resource_ids(part.clone()).set_next_token(token);
                let page = self.paced(Api::Scaling, CALL, || call.clone().send()).await?;
                bounds.extend(page.scalable_targets().iter().filter_map(|target| {
                    let name = target.resource_id().strip_prefix(&prefix)?;
                    let bounds = Bounds { min: count(target.min_capacity()), max: count(target.max_capacity()) };
                    Some((name.to_owned(), bounds))
                }));
                token = page.next_token.filter(|token| !token.is_empty());
                if token.is_none() {
                    break;
                }
            }
            if token.is_some() {
                let why = format!("the list did not end within {PAGES} pages");
                return Err(CloudError::new(ErrorKind::TimedOut, CALL, why));
            }
        }
        Ok(bounds)
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
