//! An environment as `quarterdeck.toml` describes it, and the stacks that make it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::operation::deploy::{Input, Planned, StackDeploy};
use super::operation::intent::ServiceRef;
use super::stack::StackRef;

/// The packed CloudFormation templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// The CLOUDFRONT web ACL; always in us-east-1.
    Edge,
    /// VPC.
    Network,
    /// Cluster, load balancer, CloudFront, Cognito.
    Platform,
    /// One MCP server.
    Server,
}

impl Template {
    /// The template's text.
    pub fn body(self) -> &'static str {
        match self {
            Self::Edge => include_str!("../../stack/edge.yaml"),
            Self::Network => include_str!("../../stack/network.yaml"),
            Self::Platform => include_str!("../../stack/platform.yaml"),
            Self::Server => include_str!("../../stack/server.yaml"),
        }
    }

    /// The default of a parameter, if it has one.
    pub fn default_of(self, parameter: &str) -> Option<String> {
        let (_, rest) = self.body().split_once(&format!("\n  {parameter}:\n"))?;
        let of = rest.lines().take_while(|line| line.starts_with("    "));
        let default = of.filter_map(|line| line.trim().strip_prefix("Default:")).next()?;
        Some(default.trim().trim_matches('\'').to_owned())
    }

    /// Whether the template has a parameter of this name.
    pub fn declares(self, parameter: &str) -> bool {
        let body = self.body();
        let Some(start) = body.find("\nParameters:\n") else { return false };
        body[start + 13..]
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with(' ') || line.starts_with('#'))
            .any(|line| line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) == Some(parameter))
    }
}

/// The region in which CloudFront's web ACLs live (AWS WAF developer guide).
pub const EDGE_REGION: &str = "us-east-1";

/// An environment: one named installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its name: lower-case letters, digits and hyphens, at most 20.
    pub environment: String,
    /// AWS region.
    pub region: String,
    /// Every write asks for the environment's name.
    #[serde(default)]
    pub protected: bool,
    /// The VPC.
    #[serde(default)]
    pub network: Network,
    /// The web ACL.
    #[serde(default)]
    pub edge: Edge,
    /// Cluster, load balancer, CloudFront, Cognito.
    #[serde(default)]
    pub platform: Platform,
    /// The MCP servers.
    #[serde(default, rename = "server")]
    pub servers: Vec<ServerSpec>,
}

/// The VPC: a new one, or an existing one by its ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Availability zones, 2 or 3.
    pub zones: Option<u32>,
    /// `none`, `single` or `per-zone`.
    pub nat: Option<String>,
    /// CIDR block of a new VPC.
    pub cidr: Option<String>,
    /// Days that flow logs are kept; 0 keeps none.
    pub flow_log_retention_days: Option<u32>,
    /// An existing VPC.
    pub vpc: Option<String>,
    /// Its private subnets.
    pub private_subnets: Vec<String>,
    /// Its public subnets.
    pub public_subnets: Vec<String>,
}

/// The web ACL in front of CloudFront.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edge {
    /// Whether there is one; `None` means yes.
    pub enabled: Option<bool>,
    /// Requests in 5 minutes from one address.
    pub rate_limit_per_ip: Option<u32>,
    /// Requests in 5 minutes with one token.
    pub rate_limit_per_token: Option<u32>,
    /// Largest request body.
    pub max_body_kilobytes: Option<u32>,
    /// Days that WAF logs are kept; 0 keeps none.
    pub log_retention_days: Option<u32>,
}

/// What the servers share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Platform {
    /// `vpc-origin` or `public`.
    pub origin: Option<String>,
    /// Prefix of the Cognito domain; globally unique.
    pub cognito_domain_prefix: Option<String>,
    /// A KMS key of the environment's own for logs and secrets.
    pub encryption: Option<bool>,
    /// Load balancer logs to S3.
    pub access_logs: Option<bool>,
    /// Cognito's managed login pages.
    pub managed_login: Option<bool>,
    /// Deletion protection of load balancer, pool and logs.
    pub deletion_protection: Option<bool>,
    /// Address that alarms are sent to.
    pub alarm_email: Option<String>,
    /// Days that logs are kept.
    pub log_retention_days: Option<u32>,
    /// CloudFront's managed prefix list in this region.
    pub cloudfront_prefix_list: Option<String>,
}

/// One MCP server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// Its name: lower-case letters, digits and hyphens, at most 20.
    pub name: String,
    /// Container image.
    pub image: String,
    /// Path on the load balancer; `None` is `/<name>`.
    pub path: Option<String>,
    /// CPU units.
    pub cpu: Option<u32>,
    /// Memory in MiB.
    pub memory: Option<u32>,
    /// `ARM64` or `X86_64`.
    pub architecture: Option<String>,
    /// Fewest tasks.
    pub min: Option<u32>,
    /// Most tasks.
    pub max: Option<u32>,
    /// Autoscaling target: requests per target and minute.
    pub requests_per_target: Option<u32>,
    /// Autoscaling target: CPU in percent.
    pub cpu_target: Option<u32>,
    /// Share of tasks on Fargate Spot.
    pub spot_weight: Option<u32>,
    /// Browser origins that may call it.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// URLs that a person's sign-in may return to; none is the template's own.
    #[serde(default)]
    pub callback_urls: Vec<String>,
    /// Base URL of the service that it calls.
    pub upstream_url: Option<String>,
    /// Days that its logs are kept.
    pub log_retention_days: Option<u32>,
}

/// Names that both the templates and the console derive from environment and server.
pub mod names {
    use crate::core::fleet::Server;

    /// ECS cluster of an environment.
    pub fn cluster(environment: &str) -> String {
        format!("quarterdeck-{environment}")
    }

    /// Prefix of all stack names of an environment.
    pub fn stack_prefix(environment: &str) -> String {
        format!("quarterdeck-{environment}-")
    }

    /// A stack of an environment: `edge`, `network`, `platform` or a server's name.
    pub fn stack(environment: &str, part: &str) -> String {
        format!("quarterdeck-{environment}-{part}")
    }

    /// Log group of a server.
    pub fn log_group(environment: &str, server: &str) -> String {
        format!("/quarterdeck/{environment}/{server}")
    }

    /// Log groups of a server: its task definition's, else the one of our templates.
    pub fn log_groups(environment: &str, server: &Server) -> Vec<String> {
        if server.log_groups.is_empty() {
            return vec![log_group(environment, &server.name)];
        }
        server.log_groups.clone()
    }

    /// Secret that carries a server's machine client.
    pub fn machine_secret(environment: &str, server: &str) -> String {
        format!("quarterdeck/{environment}/{server}/machine-client")
    }
}

/// An environment that cannot be: which key, why, and what is possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct InvalidEnvironment {
    /// The key, as in `quarterdeck.toml`.
    pub key: String,
    /// Why, with the limit.
    pub reason: String,
}

/// The longest name of an environment or a server: the names that AWS derives from both (target
/// groups: 32 characters) must hold them.
pub const MAX_NAME: usize = 20;
/// The most tasks a server may ask for (ECS quota: tasks per service).
pub const MAX_TASKS: u32 = 5_000;

impl Environment {
    /// Checks what no type checks.
    ///
    /// # Errors
    /// Names the first key that cannot be, with its limit.
    pub fn validate(&self) -> Result<(), InvalidEnvironment> {
        check_name("environment", &self.environment)?;
        if !valid_region(&self.region) {
            let reason = format!("{:?} is not an AWS region; such as eu-west-1", self.region);
            return Err(invalid("region", reason));
        }
        let zones = self.network.zones.unwrap_or(2);
        if !(2..=3).contains(&zones) {
            return Err(invalid("network.zones", format!("{zones} is not possible; 2 or 3 are")));
        }
        let mut seen = std::collections::BTreeSet::new();
        for server in &self.servers {
            server.validate()?;
            if !seen.insert(&server.name) {
                return Err(invalid("server.name", format!("{:?} is there twice", server.name)));
            }
        }
        self.check_paths()
    }

    /// Each path leads to one server: a listener rule takes its path and all below it.
    fn check_paths(&self) -> Result<(), InvalidEnvironment> {
        let paths: Vec<String> = self.servers.iter().map(ServerSpec::path).collect();
        for (index, server) in self.servers.iter().enumerate() {
            let path = &paths[index];
            let hides = |other: &String| other == path || path.starts_with(&format!("{other}/"));
            let found = paths.iter().enumerate().find(|(at, other)| *at != index && hides(other));
            if let Some((other, _)) = found {
                let owner = &self.servers[other].name;
                let reason = format!("{path:?} is, or lies below, the path of {owner}; each server needs its own");
                return Err(invalid(&format!("server.{}.path", server.name), reason));
            }
        }
        Ok(())
    }

    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&ServerSpec> {
        self.servers.iter().find(|server| server.name == name)
    }
}

impl ServerSpec {
    /// Its path on the load balancer.
    pub fn path(&self) -> String {
        self.path.clone().unwrap_or_else(|| format!("/{}", self.name))
    }

    /// Fewest and most tasks.
    pub fn tasks(&self) -> (u32, u32) {
        let min = self.min.unwrap_or(1);
        (min, self.max.unwrap_or(min))
    }

    fn validate(&self) -> Result<(), InvalidEnvironment> {
        check_name("server.name", &self.name)?;
        if matches!(self.name.as_str(), "edge" | "network" | "platform") {
            return Err(invalid("server.name", format!("{:?} is the name of a stack of every environment", self.name)));
        }
        let (min, max) = self.tasks();
        if min > max || max > MAX_TASKS {
            let reason = format!("{min}..{max} is not possible; 0 <= min <= max <= {MAX_TASKS} is");
            return Err(invalid(&format!("server.{}.min/max", self.name), reason));
        }
        if let Some(url) = self.callback_urls.iter().find(|url| !valid_callback(url)) {
            let reason = format!("{url:?} is not possible; https://…, http://localhost:PORT/…, or an app's own scheme");
            return Err(invalid(&format!("server.{}.callback_urls", self.name), reason));
        }
        match &self.path {
            Some(path) if !path.starts_with('/') || path.ends_with('/') => Err(invalid(
                &format!("server.{}.path", self.name),
                format!("{path:?} must begin with / and not end in it"),
            )),
            _ => Ok(()),
        }
    }
}

fn invalid(key: &str, reason: String) -> InvalidEnvironment {
    InvalidEnvironment { key: key.to_owned(), reason }
}

/// Whether a text has the shape of an AWS region: `xx-name-1`.
pub fn valid_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let words = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase());
    match parts.split_last() {
        Some((number, words_before)) if words_before.len() >= 2 => {
            number.len() == 1
                && number.chars().all(|c| c.is_ascii_digit())
                && words_before.iter().all(|word| words(word))
        }
        _ => false,
    }
}

/// Whether Cognito may return a sign-in there: plain HTTP only to this machine (Cognito developer
/// guide, "App client settings"). Commas part the URLs in the template.
fn valid_callback(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let own_machine = |host: &str| rest.strip_prefix("//").is_some_and(|rest| rest.starts_with(host));
    let whole = !rest.is_empty() && !url.contains([',', ' ', '#']);
    let secure = scheme != "http" || ["localhost", "127.0.0.1", "[::1]"].into_iter().any(own_machine);
    whole && secure && scheme.starts_with(|c: char| c.is_ascii_lowercase())
}

fn check_name(key: &str, name: &str) -> Result<(), InvalidEnvironment> {
    let shape = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let start = name.starts_with(|c: char| c.is_ascii_lowercase());
    if name.len() <= MAX_NAME && shape && start && !name.ends_with('-') {
        return Ok(());
    }
    let reason = format!(
        "{name:?} is not possible; a letter, then letters, digits and hyphens, at most {MAX_NAME}, in lower case"
    );
    Err(invalid(key, reason))
}

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
    let mut taken: std::collections::BTreeSet<u32> = priorities.values().copied().collect();
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
fn free_priority(taken: &std::collections::BTreeSet<u32>) -> u32 {
    (1..5_000).map(|block| block * 10).find(|priority| !taken.contains(priority)).unwrap_or(50_000)
}

struct Builder<'a> {
    environment: &'a Environment,
    overrides: &'a BTreeMap<String, String>,
}

type Inputs = BTreeMap<String, Input>;

fn give(inputs: &mut Inputs, key: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        inputs.insert(key.into(), Input::Value(value.to_string()));
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
        }
    }

    fn output(&self, part: &str, key: &str) -> Input {
        Input::Output { stack: names::stack(&self.environment.environment, part), key: key.into() }
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
        give(&mut inputs, "NatMode", network.nat.as_ref());
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
        give(&mut inputs, "OriginMode", platform.origin.as_ref());
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
        give(&mut inputs, "ServerName", Some(&spec.name));
        give(&mut inputs, "Image", Some(&spec.image));
        give(&mut inputs, "Path", Some(spec.path()));
        give(&mut inputs, "Priority", Some(priority));
        give(&mut inputs, "Cpu", spec.cpu);
        give(&mut inputs, "Memory", spec.memory);
        give(&mut inputs, "Architecture", spec.architecture.as_ref());
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
