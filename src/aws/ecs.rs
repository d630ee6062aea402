//! ECS: services, tasks and task definitions.

use aws_sdk_ecs::types::{self as sdk, ClusterField, DesiredStatus, SortOrder, TaskDefinitionStatus};
use futures::{StreamExt, TryStreamExt, stream};

use super::convert::{count, some_text, text, time};
use super::{AwsCloud, error, log_configuration};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{
    Container, Deployment, DeploymentStatus, Health, Server, ServiceEvent, ServiceStatus, Task, TaskDefinition,
};
use crate::core::operation::Announced;
use crate::core::unread::Read;

/// Most services in one call of DescribeServices (ECS API reference).
const SERVICES_AT_ONCE: usize = 10;
/// Most tasks in one call of DescribeTasks (ECS API reference).
const TASKS_AT_ONCE: usize = 100;
/// Calls of one kind that are made at the same time.
const TOGETHER: usize = 4;
/// The call that reads a cluster.
const CLUSTERS: &str = "ecs:DescribeClusters";
/// Revisions that are offered for a rollback.
const REVISIONS: i32 = 20;

/// A service, and the ARNs of the target groups that its load balancers name.
pub(super) struct Service {
    pub(super) server: Server,
    pub(super) target_groups: Vec<String>,
}

impl AwsCloud {
    /// All services of a cluster, without tasks, targets and bounds.
    pub(super) async fn services(&self, cluster: &str) -> CloudResult<Vec<Service>> {
        let arns = self.service_arns(cluster).await?;
        if arns.is_empty() {
            self.require_cluster(cluster).await?;
        }
        let chunks: Vec<Vec<String>> = arns.chunks(SERVICES_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = stream::iter(chunks).map(|chunk| self.describe_services(cluster, chunk));
        let parts: Vec<Vec<Service>> = described.buffered(TOGETHER).try_collect().await?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn service_arns(&self, cluster: &str) -> CloudResult<Vec<String>> {
        let pages = self.read.ecs.list_services().cluster(cluster).into_paginator().page_size(100).items().send();
        pages.try_collect().await.map_err(self.failed("ecs:ListServices"))
    }

    /// An error if the cluster does not exist. ListServices answers with an empty list then, too.
    async fn require_cluster(&self, cluster: &str) -> CloudResult<()> {
        let found = self.cluster(cluster, None).await?;
        let missing = || error::not_found(CLUSTERS, format!("there is no cluster {cluster}"));
        found.map(drop).ok_or_else(missing)
    }

    /// The cluster, with its tags if they are asked for; `None` if it does not exist.
    pub(super) async fn cluster(&self, name: &str, with: Option<ClusterField>) -> CloudResult<Option<sdk::Cluster>> {
        let call = self.read.ecs.describe_clusters().clusters(name).set_include(with.map(|field| vec![field]));
        let found = call.send().await.map_err(self.failed(CLUSTERS))?;
        Ok(found.clusters.unwrap_or_default().into_iter().find(|cluster| cluster.status() != Some("INACTIVE")))
    }

    pub(super) async fn read_announced(&self, cluster: &str) -> CloudResult<Vec<Announced>> {
        let found = self.cluster(cluster, Some(ClusterField::Tags)).await?;
        let tags = found.as_ref().map(sdk::Cluster::tags).unwrap_or_default();
        let read = |tag: &sdk::Tag| Announced::read(&text(tag.key()), &text(tag.value()));
        let mut announced: Vec<Announced> = tags.iter().filter_map(read).collect();
        announced.sort_by(|a, b| a.operation().cmp(b.operation()));
        Ok(announced)
    }

    async fn describe_services(&self, cluster: &str, arns: Vec<String>) -> CloudResult<Vec<Service>> {
        let call = self.read.ecs.describe_services().cluster(cluster).set_services(Some(arns));
        let answer = call.send().await.map_err(self.failed("ecs:DescribeServices"))?;
        Ok(answer.services().iter().map(service).collect())
    }

    /// One service of a cluster.
    pub(super) async fn service(&self, cluster: &str, name: &str) -> CloudResult<Server> {
        let found = self.describe_services(cluster, vec![name.to_owned()]).await?;
        let active =
            found.into_iter().map(|service| service.server).find(|server| server.status != ServiceStatus::Inactive);
        active.ok_or_else(|| error::not_found("ecs:DescribeServices", format!("there is no service {name}")))
    }

    /// Running and recently stopped tasks of a cluster.
    pub(super) async fn tasks(&self, cluster: &str) -> CloudResult<Vec<Task>> {
        let running = self.task_arns(cluster, DesiredStatus::Running);
        let (mut arns, stopped) = futures::try_join!(running, self.task_arns(cluster, DesiredStatus::Stopped))?;
        arns.extend(stopped);
        arns.sort_unstable();
        arns.dedup();
        let chunks: Vec<Vec<String>> = arns.chunks(TASKS_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = stream::iter(chunks).map(|chunk| self.describe_tasks(cluster, chunk));
        let parts: Vec<Vec<Task>> = described.buffered(TOGETHER).try_collect().await?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn task_arns(&self, cluster: &str, status: DesiredStatus) -> CloudResult<Vec<String>> {
        let call = self.read.ecs.list_tasks().cluster(cluster).desired_status(status);
        let pages = call.into_paginator().page_size(100).items().send();
        pages.try_collect().await.map_err(self.failed("ecs:ListTasks"))
    }

    /// Tasks by ARN. Those that ECS has forgotten are left out.
    pub(super) async fn describe_tasks(&self, cluster: &str, arns: Vec<String>) -> CloudResult<Vec<Task>> {
        let call = self.read.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns));
        let answer = call.send().await.map_err(self.failed("ecs:DescribeTasks"))?;
        Ok(answer.tasks().iter().map(task).collect())
    }

    pub(super) async fn read_task_definition(&self, arn: &str) -> CloudResult<TaskDefinition> {
        const CALL: &str = "ecs:DescribeTaskDefinition";
        let call = self.read.ecs.describe_task_definition().task_definition(arn);
        let answer = call.send().await.map_err(self.failed(CALL))?;
        let found = answer.task_definition().ok_or_else(|| error::garbled(CALL, "the answer holds no definition"))?;
        Ok(task_definition(found, &self.region))
    }

    pub(super) async fn read_revisions(&self, family: &str) -> CloudResult<Vec<String>> {
        let call = self.read.ecs.list_task_definitions().family_prefix(family).sort(SortOrder::Desc);
        let call = call.status(TaskDefinitionStatus::Active).max_results(REVISIONS);
        let answer = call.send().await.map_err(self.failed("ecs:ListTaskDefinitions"))?;
        let arns = answer.task_definition_arns().iter().map(|arn| text(Some(arn)));
        Ok(arns.take(REVISIONS as usize).collect())
    }
}

fn service(found: &sdk::Service) -> Service {
    let breaker = found.deployment_configuration().and_then(|config| config.deployment_circuit_breaker());
    let mut deployments: Vec<Deployment> = found.deployments().iter().map(deployment).collect();
    deployments.sort_by_key(|deployment| {
        (deployment.status != DeploymentStatus::Primary, std::cmp::Reverse(deployment.created_at))
    });
    let groups = found.load_balancers().iter().filter_map(|balancer| balancer.target_group_arn());
    Service {
        target_groups: groups.map(ToOwned::to_owned).collect(),
        server: Server {
            name: text(found.service_name()),
            arn: text(found.service_arn()),
            status: text(found.status()).into(),
            desired: count(found.desired_count()),
            running: count(found.running_count()),
            pending: count(found.pending_count()),
            task_definition: text(found.task_definition()),
            logs: not_asked(),
            deployments,
            events: found.events().iter().filter_map(service_event).collect(),
            tasks: not_asked(),
            targets: not_asked(),
            bounds: not_asked(),
            circuit_breaker: breaker.is_some_and(|breaker| breaker.enable() && breaker.rollback()),
        },
    }
}

/// For fields that DescribeServices does not have and another call fills in.
fn not_asked<T>() -> Read<T> {
    Read::NotRead(CloudError::new(ErrorKind::Invalid, "ecs:DescribeServices", "it was not read"))
}

fn deployment(found: &sdk::Deployment) -> Deployment {
    Deployment {
        id: text(found.id()),
        status: text(found.status()).into(),
        task_definition: text(found.task_definition()),
        desired: count(found.desired_count()),
        running: count(found.running_count()),
        pending: count(found.pending_count()),
        failed: count(found.failed_tasks()),
        rollout: text(found.rollout_state().map(sdk::DeploymentRolloutState::as_str)).into(),
        rollout_reason: text(found.rollout_state_reason()),
        created_at: time(found.created_at()),
    }
}

fn service_event(found: &sdk::ServiceEvent) -> Option<ServiceEvent> {
    Some(ServiceEvent { at: time(found.created_at())?, message: text(found.message()) })
}

fn task(found: &sdk::Task) -> Task {
    Task {
        arn: text(found.task_arn()),
        service: found
            .group()
            .and_then(|group| group.strip_prefix("service:"))
            .map(|name| text(Some(name)))
            .unwrap_or_default(),
        last_status: text(found.last_status()).into(),
        desired_status: text(found.desired_status()).into(),
        health: health(found.health_status()),
        task_definition: text(found.task_definition_arn()),
        zone: text(found.availability_zone()),
        address: address(found),
        started_at: time(found.started_at()),
        created_at: time(found.created_at()),
        stopped_at: time(found.stopped_at()),
        stop_code: some_text(found.stop_code().map(sdk::TaskStopCode::as_str)).map(Into::into),
        stopped_reason: some_text(found.stopped_reason()),
        containers: found.containers().iter().map(container).collect(),
    }
}

/// The private IPv4 address of the task's network interface, else of its first container.
fn address(found: &sdk::Task) -> Option<String> {
    let details = found.attachments().iter().flat_map(|attachment| attachment.details());
    let attached = details.filter(|pair| pair.name() == Some("privateIPv4Address")).find_map(|pair| pair.value());
    let interfaces = found.containers().iter().flat_map(|container| container.network_interfaces());
    some_text(attached.or_else(|| interfaces.filter_map(|interface| interface.private_ipv4_address()).next()))
}

fn container(found: &sdk::Container) -> Container {
    Container {
        name: text(found.name()),
        image: text(found.image()),
        last_status: text(found.last_status()).into(),
        exit_code: found.exit_code(),
        reason: some_text(found.reason()),
        health: health(found.health_status()),
        runtime_id: some_text(found.runtime_id()),
    }
}

fn health(status: Option<&sdk::HealthStatus>) -> Health {
    status.map_or(Health::Unknown, |status| text(Some(status.as_str())).into())
}

fn task_definition(found: &sdk::TaskDefinition, region: &str) -> TaskDefinition {
    let containers = found.container_definitions();
    let secrets = containers.iter().flat_map(|container| container.secrets());
    let mut secrets: Vec<String> = secrets.filter_map(|secret| secret_arn(secret.value_from())).collect();
    secrets.sort();
    secrets.dedup();
    TaskDefinition {
        arn: text(found.task_definition_arn()),
        family: text(found.family()),
        revision: count(found.revision()),
        logs: log_configuration::logs(containers, region),
        secrets,
    }
}

/// The Secret's ARN in a reference such as `arn:…:secret:name:json-key:stage:version` (ECS developer
/// guide, "Pass Secrets Manager secrets"); `None` for a reference to something else.
fn secret_arn(value_from: &str) -> Option<String> {
    let parts: Vec<&str> = value_from.split(':').take(7).collect();
    (parts.len() == 7 && parts.get(2) == Some(&"secretsmanager")).then(|| text(Some(&parts.join(":"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "arn:aws:secretsmanager:eu-central-1:1:secret:q/a-AbCdEf",
        Some("arn:aws:secretsmanager:eu-central-1:1:secret:q/a-AbCdEf")
    )]
    #[case(
        "arn:aws:secretsmanager:eu-central-1:1:secret:q/a-AbCdEf:key::",
        Some("arn:aws:secretsmanager:eu-central-1:1:secret:q/a-AbCdEf")
    )]
    #[case("arn:aws:ssm:eu-central-1:1:parameter/a", None)]
    #[case("plain-parameter", None)]
    fn the_arn_of_a_secret_is_cut_from_a_reference_to_it(#[case] from: &str, #[case] arn: Option<&str>) {
        assert_eq!(secret_arn(from).as_deref(), arn);
    }

    #[test]
    fn a_task_with_every_field_missing_is_still_a_task() {
        let task = task(&sdk::Task::builder().build());
        assert_eq!((task.health, task.service.as_str(), task.address), (Health::Unknown, "", None));
    }

    #[test]
    fn the_primary_deployment_comes_first() {
        let old = sdk::Deployment::builder().id("old").status("ACTIVE").build();
        let new = sdk::Deployment::builder().id("new").status("PRIMARY").build();
        let found = service(&sdk::Service::builder().deployments(old).deployments(new).build());
        assert_eq!(found.server.deployments[0].id, "new");
    }
}
