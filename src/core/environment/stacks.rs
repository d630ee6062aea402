//! The stacks that make an environment, and what each is given.

use std::collections::{BTreeMap, BTreeSet};

use super::{EDGE_REGION, Environment, ServerSpec, Template, names};
use crate::core::operation::deploy::{ParameterValue, Planned, StackDeploy};
use crate::core::operation::service::ServiceRef;
use crate::core::stack::StackRef;

/// The stacks of an environment, each after those it needs, all still to be planned.
///
/// `overrides` are parameters for every template that declares them: the choices of a place, such
/// as the local cloud's addresses. `priorities` holds the listener priority of servers that are
/// deployed already, so that it stays.
pub fn stacks(
    environment: &Environment,
    overrides: &BTreeMap<String, String>,
    priorities: &BTreeMap<String, u32>,
) -> Vec<StackDeploy> {
    let builder = Builder { environment, overrides };
    let mut all = Vec::new();
    let edge = environment.edge.enabled.unwrap_or(true).then(|| push(&mut all, builder.edge()));
    let network = environment.network.vpc.is_none().then(|| push(&mut all, builder.network()));
    let before = [edge, network].into_iter().flatten().collect();
    let platform = push(&mut all, builder.platform(before));
    let mut taken: BTreeSet<u32> = priorities.values().copied().collect();
    for server in &environment.servers {
        let priority = priorities.get(&server.name).copied().unwrap_or_else(|| free_priority(&taken));
        taken.insert(priority);
        all.push(builder.server(server, priority, platform));
    }
    all
}

fn push(all: &mut Vec<StackDeploy>, stack: StackDeploy) -> usize {
    all.push(stack);
    all.len() - 1
}

/// Each server takes a block of ten listener priorities (ELB allows 1 to 50,000).
fn free_priority(taken: &BTreeSet<u32>) -> u32 {
    (1..5_000).map(|block| block * 10).find(|priority| !taken.contains(priority)).unwrap_or(50_000)
}

struct Builder<'a> {
    environment: &'a Environment,
    overrides: &'a BTreeMap<String, String>,
}

type Inputs = BTreeMap<String, ParameterValue>;

fn give(inputs: &mut Inputs, key: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        inputs.insert(key.into(), ParameterValue::Value(value.to_string()));
    }
}

impl Builder<'_> {
    fn stack(&self, template: Template, part: &str, mut inputs: Inputs, after: Vec<usize>) -> StackDeploy {
        let name = &self.environment.environment;
        give(&mut inputs, "Environment", Some(name));
        for (key, value) in self.overrides {
            give(&mut inputs, key, Some(value));
        }
        inputs.retain(|key, _| template.declares(key));
        let region = if template == Template::Edge { EDGE_REGION } else { &self.environment.region };
        StackDeploy {
            stack: StackRef { name: names::stack(name, part), region: region.to_owned() },
            template,
            inputs,
            tags: BTreeMap::from([("quarterdeck:environment".to_owned(), name.clone())]),
            planned: Planned::Template,
            create: true,
            keep: Vec::new(),
            after,
            service: None,
            mend: false,
            shown: None,
            role: self.environment.deploy.role.clone(),
        }
    }

    fn output(&self, part: &str, key: &str) -> ParameterValue {
        ParameterValue::Output { stack: names::stack(&self.environment.environment, part), key: key.into() }
    }

    fn edge(&self) -> StackDeploy {
        let (edge, mut inputs) = (&self.environment.edge, Inputs::new());
        give(&mut inputs, "RateLimitPerIp", edge.rate_limit_per_ip);
        give(&mut inputs, "RateLimitPerToken", edge.rate_limit_per_token);
        give(&mut inputs, "MaxBodyKilobytes", edge.max_body_kilobytes);
        give(&mut inputs, "LogRetentionDays", edge.log_retention_days);
        self.stack(Template::Edge, "edge", inputs, Vec::new())
    }

    fn network(&self) -> StackDeploy {
        let (network, mut inputs) = (&self.environment.network, Inputs::new());
        give(&mut inputs, "ZoneCount", network.zones);
        give(&mut inputs, "NatMode", network.nat);
        give(&mut inputs, "VpcCidr", network.cidr.as_ref());
        give(&mut inputs, "FlowLogRetentionDays", network.flow_log_retention_days);
        self.stack(Template::Network, "network", inputs, Vec::new())
    }

    /// VPC and subnets: the network stack's outputs, or the existing ones by id.
    fn vpc_inputs(&self) -> Inputs {
        let network = &self.environment.network;
        let Some(vpc) = &network.vpc else {
            let keys = ["VpcId", "PrivateSubnetIds", "PublicSubnetIds", "VpcCidr"];
            return keys.into_iter().map(|key| (key.to_owned(), self.output("network", key))).collect();
        };
        let mut inputs = Inputs::new();
        give(&mut inputs, "VpcId", Some(vpc));
        give(&mut inputs, "PrivateSubnetIds", Some(network.private_subnets.join(",")));
        give(&mut inputs, "PublicSubnetIds", Some(network.public_subnets.join(",")));
        inputs
    }

    fn platform(&self, after: Vec<usize>) -> StackDeploy {
        let (platform, mut inputs) = (&self.environment.platform, self.vpc_inputs());
        if self.environment.edge.enabled.unwrap_or(true) {
            inputs.insert("WebAclArn".into(), self.output("edge", "WebAclArn"));
        }
        give(&mut inputs, "OriginMode", platform.origin);
        give(&mut inputs, "CognitoDomainPrefix", platform.cognito_domain_prefix.as_ref());
        give(&mut inputs, "Encryption", platform.encryption);
        give(&mut inputs, "AccessLogs", platform.access_logs);
        give(&mut inputs, "ManagedLogin", platform.managed_login);
        give(&mut inputs, "DeletionProtection", platform.deletion_protection);
        give(&mut inputs, "AlarmEmail", platform.alarm_email.as_ref());
        give(&mut inputs, "LogRetentionDays", platform.log_retention_days);
        give(&mut inputs, "CloudFrontPrefixListId", platform.cloudfront_prefix_list.as_ref());
        self.stack(Template::Platform, "platform", inputs, after)
    }

    fn server(&self, spec: &ServerSpec, priority: u32, platform: usize) -> StackDeploy {
        let mut inputs = self.vpc_inputs();
        for key in PLATFORM_OUTPUTS {
            inputs.insert((*key).into(), self.output("platform", key));
        }
        let (min, max) = spec.tasks();
        give(&mut inputs, "ManagedLogin", self.environment.platform.managed_login);
        give(&mut inputs, "AuthorizationServer", self.environment.platform.authorization_server);
        give(&mut inputs, "ServerName", Some(&spec.name));
        give(&mut inputs, "Image", Some(&spec.image));
        give(&mut inputs, "Path", Some(spec.path()));
        give(&mut inputs, "Priority", Some(priority));
        give(&mut inputs, "Cpu", spec.cpu);
        give(&mut inputs, "Memory", spec.memory);
        give(&mut inputs, "Architecture", spec.architecture);
        give(&mut inputs, "MinCount", Some(min));
        give(&mut inputs, "MaxCount", Some(max));
        give(&mut inputs, "RequestsPerTarget", spec.requests_per_target);
        give(&mut inputs, "CpuTarget", spec.cpu_target);
        give(&mut inputs, "SpotWeight", spec.spot_weight);
        let list = |urls: &[String], between: &str| (!urls.is_empty()).then(|| urls.join(between));
        give(&mut inputs, "AllowedOrigins", list(&spec.allowed_origins, " "));
        give(&mut inputs, "CallbackUrls", list(&spec.callback_urls, ","));
        give(&mut inputs, "UpstreamUrl", spec.upstream_url.as_ref());
        give(&mut inputs, "LogRetentionDays", spec.log_retention_days);
        let mut stack = self.stack(Template::Server, &spec.name, inputs, vec![platform]);
        stack.tags.insert("quarterdeck:server".into(), spec.name.clone());
        let cluster = names::cluster(&self.environment.environment);
        stack.service = Some(ServiceRef { cluster, service: spec.name.clone() });
        stack
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
];
