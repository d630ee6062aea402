//! Elastic Load Balancing: the targets of a service, and whether they are healthy.

use std::collections::BTreeMap;

use aws_sdk_ecs::types as ecs;
use aws_sdk_elasticloadbalancingv2::types as elb;
use futures::{StreamExt, stream};

use super::AwsCloud;
use super::convert::{some_text, text};
use super::pacer::Api;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Balancer, Deployment, HealthCheck, Shape, Target, TargetGroup, TargetState, not_yet};
use crate::core::unread::Read;

const CALL: &str = "elasticloadbalancing:DescribeTargetHealth";
pub(super) const GROUPS: &str = "elasticloadbalancing:DescribeTargetGroups";
/// Target groups of one service that are read at the same time.
const TOGETHER: usize = 2;

/// A target group by ARN, or a Classic Load Balancer by name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Group {
    Target(String),
    Classic(String),
}

/// A service's load balancers, as it names them: the groups of each, and the task sets that it stands before.
#[derive(Clone, Default)]
pub(super) struct Balancers(Vec<(Vec<Group>, Vec<String>)>);

impl Balancers {
    /// What the service names. Where others than ECS deploy it, what its task sets name is in force.
    pub(super) fn of(service: &ecs::Service, shape: &Shape, sets: &[Deployment]) -> Self {
        let own: Vec<Vec<Group>> = service.load_balancers().iter().map(groups).collect();
        if !shape.task_sets() {
            return Self(
                own.into_iter().filter(|groups| !groups.is_empty()).map(|groups| (groups, Vec::new())).collect(),
            );
        }
        let mut of_sets: Vec<(Vec<Group>, Vec<String>)> = Vec::new();
        for set in service.task_sets() {
            let id = text(set.id());
            for groups in set.load_balancers().iter().map(groups).filter(|groups| !groups.is_empty()) {
                match of_sets.iter_mut().find(|(known, _)| *known == groups) {
                    Some((_, ids)) => ids.push(id.clone()),
                    None => of_sets.push((groups, vec![id.clone()])),
                }
            }
        }
        if !of_sets.is_empty() {
            return Self(of_sets);
        }
        // One of these is in force, and nothing says which.
        let any: Vec<Group> = own.into_iter().flatten().collect();
        let ids = sets.iter().map(|set| set.id.clone()).collect();
        Self(if any.is_empty() { Vec::new() } else { vec![(any, ids)] })
    }

    /// The target groups, each once, by ARN.
    pub(super) fn arns(&self) -> Vec<String> {
        let mut arns: Vec<String> = Vec::new();
        for group in self.0.iter().flat_map(|(groups, _)| groups) {
            match group {
                Group::Target(arn) if !arns.contains(arn) => arns.push(arn.clone()),
                Group::Target(_) | Group::Classic(_) => {}
            }
        }
        arns
    }

    /// The balancers with what was read of their groups; `None` is not read yet, and of a health check that nobody has
    /// asked. An endpoint that lacks load balancers has none.
    pub(super) fn with(
        &self,
        read: impl Fn(&str) -> Option<CloudResult<Vec<Target>>>,
        check: impl Fn(&str) -> Option<CloudResult<HealthCheck>>,
    ) -> Vec<Balancer> {
        let of = |arn: &str, targets| TargetGroup { name: name(arn), targets, check: check(arn).map(Read::from) };
        let group = |group: &Group| match group {
            Group::Target(arn) => match read(arn) {
                Some(Err(why)) if why.kind == ErrorKind::Unsupported => None,
                Some(targets) => Some(of(arn, Read::from(targets))),
                None => Some(of(arn, not_yet(CALL))),
            },
            Group::Classic(name) => Some(TargetGroup { name: text(Some(name)), targets: classic(name), check: None }),
        };
        let balancer = |(groups, task_sets): &(Vec<Group>, Vec<String>)| Balancer {
            groups: groups.iter().filter_map(group).collect(),
            task_sets: task_sets.clone(),
        };
        self.0.iter().map(balancer).filter(|balancer| !balancer.groups.is_empty()).collect()
    }
}

/// The target group of a load balancer, with the one that takes its place in a deployment.
fn groups(balancer: &ecs::LoadBalancer) -> Vec<Group> {
    let alternate = balancer.advanced_configuration().and_then(|more| more.alternate_target_group_arn());
    let arns = [balancer.target_group_arn(), alternate].into_iter().flatten().filter(|arn| !arn.is_empty());
    let groups: Vec<Group> = arns.map(|arn| Group::Target(arn.to_owned())).collect();
    let classic = balancer.load_balancer_name().filter(|name| groups.is_empty() && !name.is_empty());
    groups.into_iter().chain(classic.map(|name| Group::Classic(name.to_owned()))).collect()
}

impl AwsCloud {
    /// The balancers with their targets, each group read on its own, and with the health checks of those groups of which
    /// not every target is healthy: they may say why.
    pub(super) async fn balancers(&self, balancers: &Balancers) -> Vec<Balancer> {
        let read =
            stream::iter(balancers.arns()).map(|arn| async move { (arn.clone(), self.target_group(&arn).await) });
        let read: BTreeMap<String, CloudResult<Vec<Target>>> = read.buffered(TOGETHER).collect().await;
        let sick = |targets: &Vec<Target>| targets.iter().any(|target| target.state != TargetState::Healthy);
        let asked: Vec<String> =
            read.iter().filter(|(_, targets)| targets.as_ref().is_ok_and(sick)).map(|(arn, _)| arn.clone()).collect();
        let checks = if asked.is_empty() { Ok(BTreeMap::new()) } else { self.health_checks(&asked).await };
        balancers.with(
            |arn| read.get(arn).cloned(),
            |arn| asked.iter().any(|one| one == arn).then(|| check_of(&checks, arn)).flatten(),
        )
    }

    /// How target groups check their targets, by their ARN.
    pub(super) async fn health_checks(&self, arns: &[String]) -> CloudResult<BTreeMap<String, HealthCheck>> {
        let call = self.read.elb.describe_target_groups().set_target_group_arns(Some(arns.to_vec()));
        let answer = self.paced(Api::Balancers, GROUPS, || call.clone().send()).await?;
        let all = answer.target_groups().iter();
        Ok(all.filter_map(|group| Some((group.target_group_arn()?.to_owned(), health_check(group)))).collect())
    }

    /// The targets of a group. They come on one page.
    pub(super) async fn target_group(&self, arn: &str) -> CloudResult<Vec<Target>> {
        let call = self.read.elb.describe_target_health().target_group_arn(arn);
        let answer = self.paced(Api::Balancers, CALL, || call.clone().send()).await?;
        Ok(answer.target_health_descriptions().iter().map(target).collect())
    }
}

/// The name in a target group's ARN, `…:targetgroup/NAME/ID`.
fn name(arn: &str) -> String {
    let name = arn.split_once(":targetgroup/").map_or(arn, |(_, path)| path.split('/').next().unwrap_or(path));
    text(Some(name))
}

/// Classic Load Balancers have an API of their own, which is not read.
fn classic<T>(name: &str) -> Read<T> {
    let why = format!("{} is a Classic Load Balancer; only target groups are read", text(Some(name)));
    Read::NotRead(CloudError::new(ErrorKind::Unsupported, CALL, why))
}

/// The check of a group among those that were read. An endpoint that lacks the call has none to tell.
pub(super) fn check_of(
    read: &CloudResult<BTreeMap<String, HealthCheck>>,
    arn: &str,
) -> Option<CloudResult<HealthCheck>> {
    match read {
        Ok(all) => all.get(arn).cloned().map(Ok),
        Err(why) if why.kind == ErrorKind::Unsupported => None,
        Err(why) => Some(Err(why.clone())),
    }
}

fn health_check(group: &elb::TargetGroup) -> HealthCheck {
    let number = |found: Option<i32>| found.and_then(|number| u32::try_from(number).ok());
    let codes = group.matcher().and_then(|matcher| matcher.http_code().or(matcher.grpc_code()));
    HealthCheck {
        protocol: some_text(group.health_check_protocol().map(|protocol| protocol.as_str())),
        path: some_text(group.health_check_path()),
        port: some_text(group.health_check_port()),
        codes: some_text(codes),
        interval: number(group.health_check_interval_seconds()),
        timeout: number(group.health_check_timeout_seconds()),
        healthy_after: number(group.healthy_threshold_count()),
        unhealthy_after: number(group.unhealthy_threshold_count()),
    }
}

fn target(found: &elb::TargetHealthDescription) -> Target {
    let (target, health) = (found.target(), found.target_health());
    Target {
        id: text(target.and_then(|target| target.id())),
        port: target.and_then(|target| target.port()).and_then(|port| u16::try_from(port).ok()),
        state: text(health.and_then(|health| health.state()).map(|state| state.as_str())).into(),
        reason: some_text(health.and_then(|health| health.reason()).map(|reason| reason.as_str())),
        description: some_text(health.and_then(|health| health.description())),
    }
}
