//! Application Auto Scaling: the bounds between which it moves a service's count of tasks, and what it did.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalingActivity, ServiceNamespace};
use jiff::Timestamp;

use super::AwsCloud;
use super::convert::{count, text, time, wire_count};
use super::pacer::Api;
use crate::cloud::{Autoscaling, CloudError, CloudResult, ErrorKind};
use crate::core::fleet::Bounds;
use crate::core::timeline::scaling::{Activity, LeftOut, Scaled, State, Unscaled};

const ACTIVITIES: &str = "application-autoscaling:DescribeScalingActivities";
/// Pages of activities that are read, of fifty each.
const ACTIVITY_PAGES: usize = 20;
const CALL: &str = "application-autoscaling:DescribeScalableTargets";
/// Most resource ids in one call (API reference, DescribeScalableTargets).
const IDS: usize = 50;
/// Pages after which the list is taken for one that does not end.
const PAGES: usize = 1_000;

#[async_trait]
impl Autoscaling for AwsCloud {
    async fn scaled(&self, cluster: &str, service: Option<&str>, since: Timestamp) -> CloudResult<Scaled> {
        self.within(ACTIVITIES, self.activities(cluster, service, since)).await
    }
}

/// What pages of activities brought.
struct Pages {
    activities: Vec<Activity>,
    /// Whether all since the time that was asked for are among them.
    whole: bool,
}

impl AwsCloud {
    /// What left the count as it was comes in the same list, maybe each minute. Where that makes it too long, what was
    /// done is read without it.
    async fn activities(&self, cluster: &str, service: Option<&str>, since: Timestamp) -> CloudResult<Scaled> {
        let Pages { mut activities, whole } = self.activity_pages(cluster, service, since, true).await?;
        if whole {
            return Ok(Scaled { activities, left_out: None });
        }
        let done = self.activity_pages(cluster, service, since, false).await?;
        let new = done.activities.into_iter().filter(|one| !activities.iter().any(|known| known.id == one.id));
        let new: Vec<Activity> = new.collect();
        activities.extend(new);
        Ok(Scaled { activities, left_out: Some(if done.whole { LeftOut::Unscaled } else { LeftOut::Some }) })
    }

    /// The activities of a cluster are those of the namespace: a dimension is taken only with a resource (API reference,
    /// DescribeScalingActivities). AWS documents no order, so the pages are left early only while the newest come first.
    async fn activity_pages(
        &self,
        cluster: &str,
        service: Option<&str>,
        since: Timestamp,
        unscaled: bool,
    ) -> CloudResult<Pages> {
        let call = self.read.scaling.describe_scaling_activities().service_namespace(ServiceNamespace::Ecs);
        let call = call.include_not_scaled_activities(unscaled);
        let call = match service {
            Some(service) => call
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .resource_id(resource_id(cluster, service)),
            None => call,
        };
        let prefix = resource_id(cluster, "");
        let (mut activities, mut token) = (Vec::new(), None);
        let (mut newest_first, mut last) = (true, Timestamp::MAX);
        for _ in 0..ACTIVITY_PAGES {
            let call = call.clone().set_next_token(token);
            let page = self.paced(Api::Scaling, ACTIVITIES, || call.clone().send()).await?;
            for one in page.scaling_activities() {
                let Some(at) = time(Some(one.start_time())) else { continue };
                newest_first &= at <= last;
                last = at;
                if at >= since {
                    activities.extend(activity(one, at, &prefix));
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() || (newest_first && last < since) {
                return Ok(Pages { activities, whole: true });
            }
        }
        Ok(Pages { activities, whole: false })
    }

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

/// An activity with the count of a service of the cluster; `None` of another one.
fn activity(found: &ScalingActivity, at: Timestamp, prefix: &str) -> Option<Activity> {
    let of_count = *found.scalable_dimension() == ScalableDimension::EcsServiceDesiredCount;
    let server = found.resource_id().strip_prefix(prefix).filter(|_| of_count)?;
    let reason = found.not_scaled_reasons().first();
    Some(Activity {
        id: text(Some(found.activity_id())),
        server: text(Some(server)),
        at,
        description: text(Some(found.description())),
        cause: text(Some(found.cause())),
        message: text(found.status_message()),
        state: match found.status_code().as_str() {
            "Pending" | "InProgress" => State::UnderWay,
            "Successful" => State::Successful,
            "Unfulfilled" => State::Unfulfilled,
            "Overridden" => State::Overridden,
            "Failed" => State::Failed,
            _ => State::Other,
        },
        unscaled: reason.map(|reason| match reason.code() {
            "AlreadyAtMaxCapacity" => Unscaled::AtMaximum(reason.max_capacity().map(count)),
            "AlreadyAtMinCapacity" => Unscaled::AtMinimum,
            "AlreadyAtDesiredCapacity" => Unscaled::AsWanted,
            "AutoScalingAnticipatedFlapping" => Unscaled::Flapping,
            "TargetServicePutResourceAsUnscalable" => Unscaled::Unscalable,
            _ => Unscaled::Other,
        }),
    })
}

/// The id that autoscaling has for a service: `service/<cluster name>/<service>` (API reference,
/// ScalableTarget). The cluster may be given by ARN.
fn resource_id(cluster: &str, service: &str) -> String {
    let name = cluster.rsplit('/').next().unwrap_or(cluster);
    format!("service/{name}/{service}")
}
