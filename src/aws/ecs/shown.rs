//! What ECS shows, in the words of the domain.

use aws_sdk_ecs::types as sdk;

use super::{Service, settings};
use crate::aws::convert::{count, some_text, text, time};
use crate::aws::elb::Balancers;
use crate::aws::log_configuration;
use crate::core::destination::Cluster;
use crate::core::fleet::{
    Container, Deployment, DeploymentStatus, Health, Rollout, Server, ServiceEvent, Shape, Shortfall, Task,
    TaskDefinition, not_yet,
};

/// An active cluster; `None` of one that is deleted, which ECS shows for some time.
pub(in crate::aws) fn cluster_of(cluster: &sdk::Cluster) -> Option<Cluster> {
    let count = |number: i32| u32::try_from(number).ok();
    let name = text(cluster.cluster_name());
    (cluster.status() != Some("INACTIVE") && !name.is_empty()).then(|| Cluster {
        name,
        services: count(cluster.active_services_count()),
        tasks: count(cluster.running_tasks_count()),
    })
}

pub(in crate::aws) fn service(found: &sdk::Service) -> Service {
    let breaker = found.deployment_configuration().and_then(|config| config.deployment_circuit_breaker());
    let shape = shape(found);
    let mut deployments: Vec<Deployment> = if shape.task_sets() {
        found.task_sets().iter().map(|set| task_set(set, found.desired_count())).collect()
    } else {
        found.deployments().iter().map(deployment).collect()
    };
    deployments.sort_by_key(|deployment| {
        (deployment.status != DeploymentStatus::Primary, std::cmp::Reverse(deployment.created_at))
    });
    // A service with task sets may have no task definition of its own, or one that is not in force any more.
    let of_set = deployments.first().filter(|_| shape.task_sets()).map(|set| set.task_definition.clone());
    let mut service = Service {
        balancers: Balancers::of(found, &shape, &deployments),
        server: Server {
            name: text(found.service_name()),
            arn: text(found.service_arn()),
            status: text(found.status()).into(),
            desired: count(found.desired_count()),
            running: count(found.running_count()),
            pending: count(found.pending_count()),
            task_definition: of_set.unwrap_or_else(|| text(found.task_definition())),
            logs: not_yet("ecs:DescribeTaskDefinition"),
            events: found.events().iter().filter_map(service_event).collect(),
            tasks: not_yet("ecs:ListTasks"),
            balancers: Vec::new(),
            bounds: not_yet("application-autoscaling:DescribeScalableTargets"),
            grace: found.health_check_grace_period_seconds().map(count),
            circuit_breaker: breaker.is_some_and(|breaker| breaker.enable() && breaker.rollback()),
            deployments,
            shape,
            shortfall: None,
        },
    };
    service.server.shortfall = service.server.short().then(|| last_change(found)).flatten();
    service
}

/// The last change that ECS shows: of a deployment or a task set, whose `updatedAt` is "when the service deployment was
/// last updated" (API reference, Deployment), or an event.
fn last_change(found: &sdk::Service) -> Option<Shortfall> {
    let deployments = found.deployments().iter().flat_map(|one| [one.created_at(), one.updated_at()]);
    let sets = found.task_sets().iter().flat_map(|set| [set.created_at(), set.updated_at()]);
    let events = found.events().iter().map(|event| event.created_at());
    let since = deployments.chain(sets).chain(events).filter_map(time).max()?;
    Some(Shortfall { since, seen: false })
}

/// What kind of service it is. What is not said has the value that ECS gives it.
fn shape(found: &sdk::Service) -> Shape {
    let usual = Shape::default();
    let config = found.deployment_configuration();
    let providers = found.capacity_provider_strategy().iter().map(|item| text(Some(item.capacity_provider())));
    let launch = found.launch_type().map(|on| text(Some(on.as_str())));
    let connect = |one: &sdk::Deployment| one.service_connect_configuration().is_some_and(|config| config.enabled());
    Shape {
        controller: found
            .deployment_controller()
            .map_or(usual.controller, |one| text(Some(one.r#type().as_str())).into()),
        scheduling: found.scheduling_strategy().map_or(usual.scheduling, |one| text(Some(one.as_str())).into()),
        strategy: config
            .and_then(|config| config.strategy())
            .map_or(usual.strategy, |one| text(Some(one.as_str())).into()),
        capacity: launch.into_iter().chain(providers).collect(),
        alarms: config.and_then(|config| config.alarms()).is_some_and(|alarms| alarms.enable()),
        bake_minutes: config.and_then(|config| config.bake_time_in_minutes()).map(count),
        service_connect: found.deployments().iter().any(connect),
    }
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

/// A task set, as a deployment: it takes the place of one where others than ECS deploy. It is completed once ECS
/// calls it steady, and its own count is the one that follows from that of the service.
fn task_set(found: &sdk::TaskSet, desired: i32) -> Deployment {
    let scale = found.scale().filter(|scale| scale.unit().is_none_or(|unit| *unit == sdk::ScaleUnit::Percent));
    let part = scale.map(|scale| (f64::from(desired) * scale.value() / 100.0).ceil());
    let follows = part.is_none_or(|part| (part - f64::from(found.computed_desired_count())).abs() < 0.5);
    let rollout = match found.stability_status() {
        Some(sdk::StabilityStatus::SteadyState) if follows => Rollout::Completed,
        None => Rollout::Unsaid,
        Some(_) => Rollout::InProgress,
    };
    Deployment {
        id: text(found.id()),
        status: text(found.status()).into(),
        task_definition: text(found.task_definition()),
        desired: count(found.computed_desired_count()),
        running: count(found.running_count()),
        pending: count(found.pending_count()),
        failed: 0,
        rollout,
        rollout_reason: String::new(),
        created_at: time(found.created_at()),
    }
}

fn service_event(found: &sdk::ServiceEvent) -> Option<ServiceEvent> {
    Some(ServiceEvent { at: time(found.created_at())?, message: text(found.message()) })
}

pub(in crate::aws) fn task(found: &sdk::Task) -> Task {
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
        last_words: None,
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

pub(in crate::aws) fn task_definition(found: &sdk::TaskDefinition, region: &str) -> TaskDefinition {
    let containers = found.container_definitions();
    let secrets = containers.iter().flat_map(|container| container.secrets());
    let mut secrets: Vec<String> = secrets.filter_map(|secret| secret_arn(secret.value_from())).collect();
    secrets.sort();
    secrets.dedup();
    TaskDefinition {
        arn: text(found.task_definition_arn()),
        family: text(found.family()),
        revision: count(found.revision()),
        // An endpoint that does not say has no others.
        active: found.status().is_none_or(|status| *status == sdk::TaskDefinitionStatus::Active),
        logs: log_configuration::logs(containers, region),
        secrets,
        registered_at: time(found.registered_at()),
        settings: settings::of(found),
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
