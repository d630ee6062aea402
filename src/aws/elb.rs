//! Elastic Load Balancing: the targets of a service, and whether they are healthy.

use std::collections::BTreeMap;

use aws_sdk_ecs::types as ecs;
use aws_sdk_elasticloadbalancingv2::types::TargetHealthDescription;
use futures::{StreamExt, stream};

use super::AwsCloud;
use super::convert::{some_text, text};
use super::pacer::Api;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Balancer, Deployment, Shape, Target, TargetGroup, not_yet};
use crate::core::unread::Read;

const CALL: &str = "elasticloadbalancing:DescribeTargetHealth";
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

    /// The balancers with what was read of their groups; `None` is not read yet. An endpoint that lacks load
    /// balancers has none.
    pub(super) fn with(&self, read: impl Fn(&str) -> Option<CloudResult<Vec<Target>>>) -> Vec<Balancer> {
        let group = |group: &Group| match group {
            Group::Target(arn) => match read(arn) {
                Some(Err(why)) if why.kind == ErrorKind::Unsupported => None,
                Some(targets) => Some(TargetGroup { name: name(arn), targets: Read::from(targets) }),
                None => Some(TargetGroup { name: name(arn), targets: not_yet(CALL) }),
            },
            Group::Classic(name) => Some(TargetGroup { name: text(Some(name)), targets: classic(name) }),
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
    /// The balancers with their targets, each group read on its own.
    pub(super) async fn balancers(&self, balancers: &Balancers) -> Vec<Balancer> {
        let read =
            stream::iter(balancers.arns()).map(|arn| async move { (arn.clone(), self.target_group(&arn).await) });
        let read: BTreeMap<String, CloudResult<Vec<Target>>> = read.buffered(TOGETHER).collect().await;
        balancers.with(|arn| read.get(arn).cloned())
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
