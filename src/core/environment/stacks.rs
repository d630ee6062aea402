//! The stacks that make an environment, and what each is given.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{self, Setting};
use super::{EDGE_REGION, Environment, Providers, ServerSpec, Template, names};
use crate::core::operation::deploy::{ParameterValue, Planned, StackDeploy};
use crate::core::operation::service::ServiceRef;
use crate::core::stack::{Stack, StackRef};

/// The stacks of an environment, each after those it needs, all still to be planned.
///
/// `overrides` are parameters for every template that declares them: the choices of a place, such
/// as the local cloud's addresses. `deployed` are the stacks of the environment that there are: what the
/// file does not say keeps the value that it has there, and a server its listener priority.
pub fn stacks(environment: &Environment, overrides: &BTreeMap<String, String>, deployed: &[Stack]) -> Vec<StackDeploy> {
    let builder = Builder { environment, overrides, deployed };
    let mut all = Vec::new();
    let edge = builder.makes_edge().then(|| push(&mut all, builder.edge()));
    let network = environment.network.vpc.is_none().then(|| push(&mut all, builder.network()));
    let before = [edge, network].into_iter().flatten().collect();
    let platform = push(&mut all, builder.platform(before));
    let priorities = priorities(environment, deployed);
    let mut taken: BTreeSet<u32> = priorities.values().copied().collect();
    for server in &environment.servers {
        let priority = priorities.get(&server.name).copied().unwrap_or_else(|| free_priority(&taken));
        taken.insert(priority);
        all.push(builder.server(server, priority, platform));
    }
    all
}

/// The stack of the repository of the images of a server, or of gangway, still to be planned; `deployed` is the one that
/// there is.
pub fn repository(
    environment: &Environment,
    owner: &str,
    overrides: &BTreeMap<String, String>,
    deployed: &[Stack],
) -> StackDeploy {
    let builder = Builder { environment, overrides, deployed };
    let mut inputs = Inputs::new();
    give(&mut inputs, "RepositoryName", Some(names::repository(&environment.environment, owner)));
    let server = environment.server(owner);
    fill(&mut inputs, &server.map(settings::repository).unwrap_or_default());
    let name = names::repository_stack(&environment.environment, owner);
    let part = name.strip_prefix(&names::stack_prefix(&environment.environment)).unwrap_or(&name).to_owned();
    let mut stack = builder.stack(Template::Repository, &part, inputs, Vec::new());
    if let Some(server) = server
        && !stack.tags.is_empty()
    {
        stack.tags.insert("quarterdeck:server".into(), server.name.clone());
    }
    stack
}

fn push(all: &mut Vec<StackDeploy>, stack: StackDeploy) -> usize {
    all.push(stack);
    all.len() - 1
}

/// Listener priorities by server: those of the file, else those in force.
fn priorities(environment: &Environment, deployed: &[Stack]) -> BTreeMap<String, u32> {
    let of = |stack: &Stack| {
        Some((stack.parameters.get("ServerName")?.clone(), stack.parameters.get("Priority")?.parse().ok()?))
    };
    let given = environment.servers.iter().filter_map(|server| Some((server.name.clone(), server.priority?)));
    deployed.iter().filter_map(of).chain(given).collect()
}

/// Each server takes a block of ten listener priorities (ELB allows 1 to 50,000).
fn free_priority(taken: &BTreeSet<u32>) -> u32 {
    (1..5_000).map(|block| block * 10).find(|priority| !taken.contains(priority)).unwrap_or(50_000)
}

/// Whether the stack can be updated: one without resources, or which can only be deleted, is made anew.
pub(super) fn stands(stack: &Stack) -> bool {
    !stack.status.absent() && stack.status.dead_end().is_none()
}

struct Builder<'a> {
    environment: &'a Environment,
    overrides: &'a BTreeMap<String, String>,
    deployed: &'a [Stack],
}

type Inputs = BTreeMap<String, ParameterValue>;

fn give(inputs: &mut Inputs, key: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        inputs.insert(key.into(), ParameterValue::Value(value.to_string()));
    }
}

fn fill(inputs: &mut Inputs, settings: &[Setting]) {
    for setting in settings {
        give(inputs, setting.parameter, setting.value());
    }
}

impl Builder<'_> {
    /// The deployed stack of this part of the environment, if it can be updated.
    fn found(&self, part: &str) -> Option<&Stack> {
        let name = names::stack(&self.environment.environment, part);
        self.deployed.iter().find(|stack| stack.id.name == name && stands(stack))
    }

    /// A parameter in force.
    fn in_force(&self, part: &str, parameter: &str) -> Option<&str> {
        self.found(part)?.parameters.get(parameter).map(String::as_str)
    }

    fn stack(&self, template: Template, part: &str, mut inputs: Inputs, after: Vec<usize>) -> StackDeploy {
        let name = &self.environment.environment;
        give(&mut inputs, "Environment", Some(name));
        for (key, value) in self.overrides {
            give(&mut inputs, key, Some(value));
        }
        inputs.retain(|key, _| template.declares(key));
        let region = if template == Template::Edge { EDGE_REGION } else { &self.environment.region };
        let found = self.found(part);
        let in_force = found.into_iter().flat_map(|stack| stack.parameters.keys());
        let keep = in_force.filter(|key| template.declares(key) && !inputs.contains_key(*key)).cloned().collect();
        let tag = || ("quarterdeck:environment".to_owned(), name.clone());
        StackDeploy {
            stack: StackRef { name: names::stack(name, part), region: region.to_owned() },
            template,
            inputs,
            // Those of a stack stay as they are: they go on to resources of which one, the VPC origin, can
            // take no change, and they may be an operator's.
            tags: if found.is_some() { BTreeMap::new() } else { BTreeMap::from([tag()]) },
            planned: Planned::Template,
            create: true,
            keep,
            after,
            service: None,
            mend: false,
            shown: None,
            role: self.environment.deploy.role.clone(),
            before: found.and_then(|stack| stack.outputs.get(Stack::DEFINITION)).cloned(),
        }
    }

    fn output(&self, part: &str, key: &str) -> ParameterValue {
        ParameterValue::Output { stack: names::stack(&self.environment.environment, part), key: key.into() }
    }

    /// Whether a web ACL of our own is wanted. Nothing said, one that somebody else made stays in its place.
    fn makes_edge(&self) -> bool {
        let edge = &self.environment.edge;
        edge.enabled.unwrap_or_else(|| edge.web_acl.is_none() && self.others_web_acl().is_none())
    }

    /// The web ACL in force, if it is not that of our own stack.
    fn others_web_acl(&self) -> Option<&str> {
        let ours = format!("/webacl/{}/", names::cluster(&self.environment.environment));
        let in_force = self.in_force("platform", "WebAclArn");
        in_force.filter(|arn| !arn.is_empty() && !arn.contains(&ours))
    }

    fn edge(&self) -> StackDeploy {
        let mut inputs = Inputs::new();
        fill(&mut inputs, &settings::edge(&self.environment.edge));
        self.stack(Template::Edge, "edge", inputs, Vec::new())
    }

    fn network(&self) -> StackDeploy {
        let mut inputs = Inputs::new();
        fill(&mut inputs, &settings::network(&self.environment.network));
        self.stack(Template::Network, "network", inputs, Vec::new())
    }

    /// VPC and subnets: the network stack's outputs, or the existing ones by id.
    fn vpc_inputs(&self) -> Inputs {
        let network = &self.environment.network;
        if network.vpc.is_none() {
            let keys = ["VpcId", "PrivateSubnetIds", "PublicSubnetIds", "VpcCidr"];
            return keys.into_iter().map(|key| (key.to_owned(), self.output("network", key))).collect();
        }
        let mut inputs = Inputs::new();
        fill(&mut inputs, &settings::own_vpc(network));
        if self.in_force("platform", "PublicSubnetIds").is_none() {
            // The parameter has no default.
            inputs.entry("PublicSubnetIds".into()).or_insert_with(|| ParameterValue::Value(String::new()));
        }
        inputs
    }

    fn platform(&self, after: Vec<usize>) -> StackDeploy {
        let (environment, mut inputs) = (self.environment, self.vpc_inputs());
        if self.makes_edge() {
            inputs.insert("WebAclArn".into(), self.output("edge", "WebAclArn"));
        } else if environment.edge.web_acl.is_none() && self.others_web_acl().is_none() {
            give(&mut inputs, "WebAclArn", Some(""));
        }
        fill(&mut inputs, &settings::own_web_acl(&environment.edge));
        if self.found("platform").is_some() && self.in_force("platform", "CapacityProviders").is_none() {
            // Of an earlier template. To take them off a cluster whose services use them is refused.
            give(&mut inputs, "CapacityProviders", Some(Providers::WithCluster));
        }
        fill(&mut inputs, &settings::platform(&environment.platform));
        self.stack(Template::Platform, "platform", inputs, after)
    }

    fn server(&self, spec: &ServerSpec, priority: u32, platform: usize) -> StackDeploy {
        let mut inputs = self.vpc_inputs();
        for key in PLATFORM_OUTPUTS {
            inputs.insert((*key).into(), self.output("platform", key));
        }
        if self.in_force(&spec.name, "ManagedLogin").is_none() {
            // As the pool is that it signs in with.
            give(&mut inputs, "ManagedLogin", self.in_force("platform", "ManagedLogin"));
        }
        if self.in_force(&spec.name, "Path").is_none() {
            give(&mut inputs, "Path", Some(spec.path()));
        }
        fill(&mut inputs, &settings::every_server(&self.environment.platform));
        fill(&mut inputs, &settings::server(spec));
        let app = settings::app(spec);
        fill(&mut inputs, &app);
        if spec.gangway == Some(true) && self.in_force(&spec.name, "App").is_some_and(|app| !app.is_empty()) {
            // It checks its callers itself now: nothing stands in front of it any more.
            for setting in &app {
                give(&mut inputs, setting.parameter, Template::Server.default_of(setting.parameter));
            }
        }
        let (min, max) = self.tasks(spec);
        give(&mut inputs, "MinCount", Some(min));
        give(&mut inputs, "MaxCount", Some(max));
        give(&mut inputs, "Priority", Some(priority));
        let mut stack = self.stack(Template::Server, &spec.name, inputs, vec![platform]);
        if !stack.tags.is_empty() {
            stack.tags.insert("quarterdeck:server".into(), spec.name.clone());
        }
        let cluster = names::cluster(&self.environment.environment);
        stack.service = Some(ServiceRef { cluster, service: spec.name.clone() });
        stack
    }

    /// Fewest and most tasks. Of the two, the one that the file does not say stays as it is, where that fits.
    fn tasks(&self, spec: &ServerSpec) -> (u32, u32) {
        let number = |key| self.in_force(&spec.name, key)?.parse::<u32>().ok();
        let (Some(least), Some(most)) = (number("MinCount"), number("MaxCount")) else { return spec.tasks() };
        match (spec.min, spec.max) {
            (None, None) => (least, most),
            (Some(min), None) => (min, most.max(min)),
            (None, Some(max)) => (least.min(max), max),
            (Some(min), Some(max)) => (min, max),
        }
    }
}

/// Outputs of the platform stack that a server's stack takes, where its template declares them.
const PLATFORM_OUTPUTS: &[&str] = &[
    "ClusterName",
    "ListenerArn",
    "LoadBalancerFullName",
    "ServiceSecurityGroupId",
    "UserPoolId",
    "Issuer",
    "TokenEndpoint",
    "AuthorizationEndpoint",
    "PublicBaseUrl",
    "OriginGuardSecret",
    "KmsKeyArn",
    "AlarmTopicArn",
    "QuarantineTable",
];
