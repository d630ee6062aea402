//! An environment as `quarterdeck.toml` describes it, and the stacks that make it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::image::Source;

mod app;
mod changes;
mod choice;
mod differences;
mod limits;
pub mod names;
mod settings;
mod stacks;
mod template;
#[cfg(test)]
mod testing;
mod zones;

pub use app::{App, BETWEEN_ARGUMENTS, Tools, check_variable, looks_secret};
pub use changes::{Needed, app_changes, cautions, check_changes, check_front, needed_images};
pub use choice::{
    Architecture, AuthorizationServer, LogMode, Mfa, Nat, Origin, Providers, Sessions, Tier, ToolScope, Transport,
};
pub use differences::{Difference, compare};
pub use stacks::{repository, stacks};
pub use template::{Parameter, Template};

/// The region in which CloudFront's web ACLs live (AWS WAF developer guide).
pub const EDGE_REGION: &str = "us-east-1";

/// An environment: one named installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its name: lower-case letters, digits and hyphens, 2 to 20.
    pub environment: String,
    /// AWS region.
    pub region: String,
    /// Every write asks for the environment's name.
    #[serde(default)]
    pub protected: bool,
    /// How its stacks are changed.
    #[serde(default)]
    pub deploy: DeploySettings,
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

/// How CloudFormation changes the stacks of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeploySettings {
    /// ARN of the IAM role that CloudFormation assumes for every stack; `None` uses the caller's own rights,
    /// or the role that a stack was given before.
    pub role: Option<String>,
}

/// The VPC: a new one, or an existing one by its ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Availability zones, 2 or 3.
    pub zones: Option<u32>,
    /// The zones by name, such as `us-east-1a`, which means another place in each account.
    pub zone_names: Option<Vec<String>>,
    /// The zones by id, such as `use1-az1`.
    pub zone_ids: Option<Vec<String>>,
    /// The servers' way out.
    pub nat: Option<Nat>,
    /// CIDR block of a new VPC, or of the existing one.
    pub cidr: Option<String>,
    /// Days that flow logs are kept; 0 keeps none.
    pub flow_log_retention_days: Option<u32>,
    /// KMS key of the flow logs.
    pub kms_key: Option<String>,
    /// An existing VPC.
    pub vpc: Option<String>,
    /// Its private subnets.
    pub private_subnets: Option<Vec<String>>,
    /// Its public subnets.
    pub public_subnets: Option<Vec<String>>,
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
    /// KMS key of the WAF logs, in us-east-1.
    pub kms_key: Option<String>,
    /// A web ACL that is there already, in place of ours.
    pub web_acl: Option<String>,
}

/// What the servers share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Platform {
    /// How CloudFront reaches the load balancer.
    pub origin: Option<Origin>,
    /// Whether a public load balancer asks for CloudFront's secret header.
    pub origin_guard: Option<bool>,
    /// A domain of one's own for the servers.
    pub domain: Option<String>,
    /// Its certificate, in ACM in us-east-1.
    pub certificate: Option<String>,
    /// URL under which clients reach the servers, where it is not the domain's or CloudFront's.
    pub public_base_url: Option<String>,
    /// Prefix of the Cognito domain; globally unique.
    pub cognito_domain_prefix: Option<String>,
    /// OAuth token endpoint, where it is not the Cognito domain's.
    pub token_endpoint: Option<String>,
    /// OAuth authorization endpoint, where it is not the Cognito domain's.
    pub authorization_endpoint: Option<String>,
    /// Base URL of the signing keys, where it is not the issuer's.
    pub jwks_base: Option<String>,
    /// Where the servers read the table of the callers that are kept out, where it is not AWS.
    pub quarantine_endpoint: Option<String>,
    /// Second factor of people who sign in.
    pub mfa: Option<Mfa>,
    /// Cognito's feature plan.
    pub tier: Option<Tier>,
    /// A KMS key of the environment's own for logs and secrets.
    pub encryption: Option<bool>,
    /// Load balancer logs to S3.
    pub access_logs: Option<bool>,
    /// Days that the events of ECS are kept, such as why a task stopped; 0 keeps none.
    pub event_retention_days: Option<u32>,
    /// Cognito's managed login pages.
    pub managed_login: Option<bool>,
    /// Deletion protection of load balancer and pool.
    pub deletion_protection: Option<bool>,
    /// When the cluster gets Fargate and Fargate Spot.
    pub capacity_providers: Option<Providers>,
    /// Whose metadata the servers send clients to.
    pub authorization_server: Option<AuthorizationServer>,
    /// Address that alarms are sent to.
    pub alarm_email: Option<String>,
    /// Days that logs are kept.
    pub log_retention_days: Option<u32>,
    /// CloudFront's managed prefix list in this region.
    pub cloudfront_prefix_list: Option<String>,
    /// The image of gangway, which is put in front of servers that know nothing of it.
    pub gangway_image: Option<String>,
    /// The image that `publish` takes for it: one of this machine, or of another registry.
    pub gangway_from: Option<String>,
}

/// One MCP server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// Its name: lower-case letters, digits and hyphens, 2 to 20.
    pub name: String,
    /// Container image.
    pub image: String,
    /// Path on the load balancer; `None` is the deployed one, or `/<name>`.
    pub path: Option<String>,
    /// Priority of its listener rule; `None` is the deployed one, or a free one.
    pub priority: Option<u32>,
    /// CPU units.
    pub cpu: Option<u32>,
    /// Memory in MiB.
    pub memory: Option<u32>,
    /// The processor of the image.
    pub architecture: Option<Architecture>,
    /// Fewest tasks.
    pub min: Option<u32>,
    /// Most tasks.
    pub max: Option<u32>,
    /// Autoscaling target: requests per target and minute.
    pub requests_per_target: Option<u32>,
    /// Most requests of one caller in a minute and task; 0 is no limit.
    pub requests_per_minute: Option<u32>,
    /// Autoscaling target: CPU in percent.
    pub cpu_target: Option<u32>,
    /// Share of tasks on Fargate Spot.
    pub spot_weight: Option<u32>,
    /// Hosts that requests may name; an empty list is the host of the public URL.
    pub allowed_hosts: Option<Vec<String>>,
    /// Browser origins that may call it; an empty list is none.
    pub allowed_origins: Option<Vec<String>>,
    /// URLs that a person's sign-in may return to.
    pub callback_urls: Option<Vec<String>>,
    /// Base URL of the service that it calls.
    pub upstream_url: Option<String>,
    /// Days that its logs are kept.
    pub log_retention_days: Option<u32>,
    /// Whether its logs outlive its stack.
    pub keep_logs: Option<bool>,
    /// What happens when logs cannot be delivered.
    pub log_mode: Option<LogMode>,
    /// Whether a deployment that raises the error alarm is rolled back.
    pub rollback_on_alarm: Option<bool>,
    /// Whether the image is built on our library, so that it checks tokens itself.
    pub gangway: Option<bool>,
    /// A server that knows nothing of gangway.
    pub app: Option<App>,
    /// The folder with the Containerfile that `publish` builds the image from, as a path from the file's folder.
    pub build: Option<String>,
    /// The image that `publish` takes: one of this machine, or of another registry.
    pub from: Option<String>,
    /// How many images its repository keeps.
    pub keep_images: Option<u32>,
}

/// An invalid environment: which key, why, and what is possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct InvalidEnvironment {
    /// The key, as in `quarterdeck.toml`.
    pub key: String,
    /// Why, with the limit.
    pub reason: String,
}

/// The shortest name of an environment or a server: the templates take no single letter.
const MIN_NAME: usize = 2;
/// The longest name of an environment or a server: the names that AWS derives from both (target
/// groups: 32 characters) must hold them.
pub const MAX_NAME: usize = 20;
/// The most tasks a server may ask for (ECS quota: tasks per service).
pub const MAX_TASKS: u32 = 5_000;

impl Environment {
    /// Checks what the types do not check.
    ///
    /// # Errors
    /// Names the first invalid key, with its limit.
    pub fn validate(&self) -> Result<(), InvalidEnvironment> {
        check_name("environment", &self.environment)?;
        if !valid_region(&self.region) {
            let reason = format!("{:?} is not an AWS region; such as eu-west-1", self.region);
            return Err(invalid("region", reason));
        }
        let mut seen = BTreeSet::new();
        for server in &self.servers {
            server.validate()?;
            if !seen.insert(&server.name) {
                return Err(invalid("server.name", format!("{:?} appears twice", server.name)));
            }
        }
        self.check_paths()?;
        check_place("platform.gangway_from", self.platform.gangway_from.as_ref())?;
        self.deploy.validate()?;
        limits::check(self)
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

impl DeploySettings {
    /// An ARN of a role has 20 to 2,048 characters (CloudFormation, CreateChangeSet, RoleARN).
    fn validate(&self) -> Result<(), InvalidEnvironment> {
        let Some(role) = &self.role else { return Ok(()) };
        if (20..=2_048).contains(&role.len()) && is_role(role) {
            return Ok(());
        }
        let reason = format!(
            "{role:?} is not the ARN of a role, such as arn:aws:iam::123456789012:role/quarterdeck-deploy; leave the \
             line out to deploy with your own rights"
        );
        Err(invalid("deploy.role", reason))
    }
}

/// Whether this is `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
pub fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [arn, partition, "iam", "", account, resource] = parts[..] else { return false };
    let name = resource.strip_prefix("role/").unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c);
    arn == "arn"
        && matches!(partition, "aws" | "aws-cn" | "aws-us-gov" | "aws-eusc")
        && account.len() == 12
        && account.chars().all(|c| c.is_ascii_digit())
        && name.chars().all(allowed)
        && !name.is_empty()
        && !name.ends_with('/')
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

    /// Where `publish` gets the image from, if the file says it.
    pub fn source(&self) -> Option<Source> {
        let build = self.build.clone().map(Source::Build);
        build.or_else(|| self.from.clone().map(Source::Take))
    }

    fn check_source(&self) -> Result<(), InvalidEnvironment> {
        let key = |key: &str| format!("server.{}.{key}", self.name);
        if self.build.is_some() && self.from.is_some() {
            return Err(invalid(
                &key("build"),
                "an image is built, or it is taken with `from`; say one of the two".into(),
            ));
        }
        check_place(&key("build"), self.build.as_ref())?;
        check_place(&key("from"), self.from.as_ref())
    }

    /// Who checks the tokens: the image, or gangway in front of it.
    fn check_front(&self) -> Result<(), InvalidEnvironment> {
        let Some(app) = &self.app else { return Ok(()) };
        if self.gangway == Some(true) {
            let why = "[server.app] puts gangway in front of an image that is not built on it; say one of the two";
            return Err(invalid(&format!("server.{}.gangway", self.name), why.into()));
        }
        app::check(app, &self.name).map_err(|(key, why)| invalid(&format!("server.{}.app.{key}", self.name), why))
    }

    fn validate(&self) -> Result<(), InvalidEnvironment> {
        check_name("server.name", &self.name)?;
        if names::is_shared(&self.name) {
            return Err(invalid("server.name", format!("{:?} is the name of a stack of every environment", self.name)));
        }
        if self.image.trim().is_empty() {
            let key = format!("server.{}.image", self.name);
            return Err(invalid(&key, "it is empty; it is the name of an image, by digest or by tag".into()));
        }
        let (min, max) = self.tasks();
        if min > max || max > MAX_TASKS {
            let reason = format!("{min}..{max} is not possible; 0 <= min <= max <= {MAX_TASKS} is");
            return Err(invalid(&format!("server.{}.min/max", self.name), reason));
        }
        if let Some(url) = self.callback_urls.iter().flatten().find(|url| !valid_callback(url)) {
            let reason = format!("{url:?} is not possible; https://…, http://localhost:PORT/…, or an app's own scheme");
            return Err(invalid(&format!("server.{}.callback_urls", self.name), reason));
        }
        self.check_source()?;
        self.check_front()?;
        match &self.path {
            Some(path) if !path.starts_with('/') || path.ends_with('/') => Err(invalid(
                &format!("server.{}.path", self.name),
                format!("{path:?} must begin with / and not end in it"),
            )),
            _ => Ok(()),
        }
    }
}

/// Where an image comes from is an argument of the engine's program.
fn check_place(key: &str, place: Option<&String>) -> Result<(), InvalidEnvironment> {
    if place.is_some_and(|place| place.trim().is_empty() || place.starts_with('-')) {
        let why = "it is empty or begins with -; it is a folder with a Containerfile, or the name of an image";
        return Err(invalid(key, why.into()));
    }
    Ok(())
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
/// guide, "App client settings"). The template separates the URLs by commas.
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
    if (MIN_NAME..=MAX_NAME).contains(&name.len()) && shape && start && !name.ends_with('-') {
        return Ok(());
    }
    let reason = format!(
        "{name:?} is not possible; a letter, then letters, digits and hyphens, {MIN_NAME} to {MAX_NAME}, in lower case"
    );
    Err(invalid(key, reason))
}
