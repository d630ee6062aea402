//! Which key of `quarterdeck.toml` sets which parameter of which template.
//!
//! One table for each section of the file. The checks and the stacks both go by it, and a test holds it
//! against the parameters that the templates declare.

use super::app::{App, MOST_SECRETS, MOST_WRITABLE, value_from};
use super::{Edge, Network, Platform, ServerSpec, Template};

/// A key of a section, the parameter that it sets, and what the file says.
#[derive(Debug)]
pub(super) struct Setting {
    pub key: &'static str,
    pub parameter: &'static str,
    pub given: Given,
}

/// What the file says about a parameter. An empty value is not the same as none: it takes back what is
/// deployed, where the parameter may be empty.
#[derive(Debug)]
pub(super) enum Given {
    /// Nothing: what is deployed stays.
    Unset,
    One(String),
    /// A list, and what its values are joined with.
    Each(Vec<String>, char),
}

impl Setting {
    fn one(key: &'static str, parameter: &'static str, value: Option<impl ToString>) -> Self {
        let given = value.map_or(Given::Unset, |value| Given::One(value.to_string()));
        Self { key, parameter, given }
    }

    fn each(key: &'static str, parameter: &'static str, values: Option<&[String]>, between: char) -> Self {
        let given = values.map_or(Given::Unset, |values| Given::Each(values.to_vec(), between));
        Self { key, parameter, given }
    }

    /// The value of the parameter, as CloudFormation takes it.
    pub(super) fn value(&self) -> Option<String> {
        match &self.given {
            Given::Unset => None,
            Given::One(value) => Some(value.clone()),
            Given::Each(values, between) => Some(values.join(&between.to_string())),
        }
    }
}

/// `[edge]`, for its own stack.
pub(super) fn edge(edge: &Edge) -> Vec<Setting> {
    vec![
        Setting::one("rate_limit_per_ip", "RateLimitPerIp", edge.rate_limit_per_ip),
        Setting::one("rate_limit_per_token", "RateLimitPerToken", edge.rate_limit_per_token),
        Setting::one("max_body_kilobytes", "MaxBodyKilobytes", edge.max_body_kilobytes),
        Setting::one("log_retention_days", "LogRetentionDays", edge.log_retention_days),
        Setting::one("kms_key", "KmsKeyArn", edge.kms_key.as_ref()),
    ]
}

/// `[edge]`, where the web ACL is not ours: for the platform's stack.
pub(super) fn own_web_acl(edge: &Edge) -> Vec<Setting> {
    vec![Setting::one("web_acl", "WebAclArn", edge.web_acl.as_ref())]
}

/// `[network]`, for a VPC that quarterdeck makes.
pub(super) fn network(network: &Network) -> Vec<Setting> {
    let listed = network.zone_names.as_ref().or(network.zone_ids.as_ref());
    let count = network.zones.or_else(|| listed.and_then(|zones| u32::try_from(zones.len()).ok()));
    let by = network.zone_ids.as_ref().map(|_| "id").or_else(|| network.zone_names.as_ref().map(|_| "name"));
    let key = if network.zone_ids.is_some() { "zone_ids" } else { "zone_names" };
    let zone = |index: usize, parameter| Setting::one(key, parameter, listed.and_then(|zones| zones.get(index)));
    vec![
        Setting::one("zones", "ZoneCount", count),
        zone(0, "ZoneA"),
        zone(1, "ZoneB"),
        zone(2, "ZoneC"),
        Setting::one(key, "ZonesBy", by),
        Setting::one("nat", "NatMode", network.nat),
        Setting::one("cidr", "VpcCidr", network.cidr.as_ref()),
        Setting::one("flow_log_retention_days", "FlowLogRetentionDays", network.flow_log_retention_days),
        Setting::one("kms_key", "KmsKeyArn", network.kms_key.as_ref()),
    ]
}

/// `[network]`, where there is a VPC already: for the stacks that live in it.
pub(super) fn own_vpc(network: &Network) -> Vec<Setting> {
    vec![
        Setting::one("vpc", "VpcId", network.vpc.as_ref()),
        Setting::each("private_subnets", "PrivateSubnetIds", network.private_subnets.as_deref(), ','),
        Setting::each("public_subnets", "PublicSubnetIds", network.public_subnets.as_deref(), ','),
        Setting::one("cidr", "VpcCidr", network.cidr.as_ref()),
    ]
}

/// `[platform]`, for its own stack.
pub(super) fn platform(platform: &Platform) -> Vec<Setting> {
    vec![
        Setting::one("origin", "OriginMode", platform.origin),
        Setting::one("origin_guard", "OriginGuard", platform.origin_guard),
        Setting::one("cloudfront_prefix_list", "CloudFrontPrefixListId", platform.cloudfront_prefix_list.as_ref()),
        Setting::one("domain", "DomainName", platform.domain.as_ref()),
        Setting::one("certificate", "CertificateArn", platform.certificate.as_ref()),
        Setting::one("public_base_url", "PublicBaseUrl", platform.public_base_url.as_ref()),
        Setting::one("cognito_domain_prefix", "CognitoDomainPrefix", platform.cognito_domain_prefix.as_ref()),
        Setting::one("token_endpoint", "TokenEndpoint", platform.token_endpoint.as_ref()),
        Setting::one("authorization_endpoint", "AuthorizationEndpoint", platform.authorization_endpoint.as_ref()),
        Setting::one("managed_login", "ManagedLogin", platform.managed_login),
        Setting::one("mfa", "Mfa", platform.mfa),
        Setting::one("tier", "UserPoolTier", platform.tier),
        Setting::one("encryption", "Encryption", platform.encryption),
        Setting::one("access_logs", "AccessLogs", platform.access_logs),
        Setting::one("event_retention_days", "EventRetentionDays", platform.event_retention_days),
        Setting::one("deletion_protection", "DeletionProtection", platform.deletion_protection),
        Setting::one("capacity_providers", "CapacityProviders", platform.capacity_providers),
        Setting::one("alarm_email", "AlarmEmail", platform.alarm_email.as_ref()),
        Setting::one("log_retention_days", "LogRetentionDays", platform.log_retention_days),
    ]
}

/// `[platform]`, for the stacks of all servers.
pub(super) fn every_server(platform: &Platform) -> Vec<Setting> {
    vec![
        Setting::one("managed_login", "ManagedLogin", platform.managed_login),
        Setting::one("authorization_server", "AuthorizationServer", platform.authorization_server),
        Setting::one("jwks_base", "JwksBase", platform.jwks_base.as_ref()),
        Setting::one("quarantine_endpoint", "QuarantineEndpoint", platform.quarantine_endpoint.as_ref()),
        Setting::one("gangway_image", "GangwayImage", platform.gangway_image.as_ref()),
    ]
}

/// `[[server]]`, for its own stack.
pub(super) fn server(server: &ServerSpec) -> Vec<Setting> {
    vec![
        Setting::one("name", "ServerName", Some(&server.name)),
        Setting::one("image", "Image", Some(&server.image)),
        Setting::one("path", "Path", server.path.as_ref()),
        Setting::one("priority", "Priority", server.priority),
        Setting::one("cpu", "Cpu", server.cpu),
        Setting::one("memory", "Memory", server.memory),
        Setting::one("architecture", "Architecture", server.architecture),
        Setting::one("min", "MinCount", server.min),
        Setting::one("max", "MaxCount", server.max),
        Setting::one("requests_per_target", "RequestsPerTarget", server.requests_per_target),
        Setting::one("requests_per_minute", "RequestsPerMinute", server.requests_per_minute),
        Setting::one("cpu_target", "CpuTarget", server.cpu_target),
        Setting::one("spot_weight", "SpotWeight", server.spot_weight),
        Setting::each("allowed_hosts", "AllowedHosts", server.allowed_hosts.as_deref(), ' '),
        Setting::each("allowed_origins", "AllowedOrigins", server.allowed_origins.as_deref(), ' '),
        Setting::each("callback_urls", "CallbackUrls", server.callback_urls.as_deref(), ','),
        Setting::one("upstream_url", "UpstreamUrl", server.upstream_url.as_ref()),
        Setting::one("log_retention_days", "LogRetentionDays", server.log_retention_days),
        Setting::one("keep_logs", "KeepLogs", server.keep_logs),
        Setting::one("log_mode", "LogMode", server.log_mode),
        Setting::one("rollback_on_alarm", "RollbackOnAlarm", server.rollback_on_alarm),
    ]
}

/// `[[server]]`, for the stack of its repository.
pub(super) fn repository(server: &ServerSpec) -> Vec<Setting> {
    vec![Setting::one("keep_images", "KeepImages", server.keep_images)]
}

/// `[server.app]`, for the stack of its server. It is said as a whole, so that each parameter has a value where
/// it is said.
pub(super) fn app(server: &ServerSpec) -> Vec<Setting> {
    let row = |key, parameter, value: &dyn Fn(&App) -> Option<String>| {
        let default = || Template::Server.default_of(parameter).unwrap_or_default().to_owned();
        let given = server.app.as_ref().map_or(Given::Unset, |app| Given::One(value(app).unwrap_or_else(default)));
        Setting { key, parameter, given }
    };
    let list = |key, parameter, values: &dyn Fn(&App) -> Vec<String>| {
        let given = server.app.as_ref().map_or(Given::Unset, |app| Given::Each(values(app), ','));
        Setting { key, parameter, given }
    };
    let mut all = vec![
        row("transport", "App", &|app| Some(app.json())),
        row("command", "AppCommand", &App::joined_command),
        list("policies", "TaskPolicyArns", &|app| app.policies.clone()),
        row("registry_secret", "RegistrySecretArn", &|app| app.registry_secret.clone()),
        list("secrets", "SecretArns", &App::secret_arns),
        list("secret_keys", "SecretKeyArns", &|app| app.secret_keys.clone()),
        row("user", "User", &|app| app.user.clone()),
        row("read_only", "ReadOnlyRoot", &|app| app.read_only.map(|it| it.to_string())),
        row("start_seconds", "StartSeconds", &|app| Some(app.start_seconds.unwrap_or(60).to_string())),
        row("request_seconds", "RequestSeconds", &|app| app.request_seconds.map(|it| it.to_string())),
        row("max_body_kilobytes", "MaxBodyBytes", &|app| app.max_body_kilobytes.map(|it| (it * 1_024).to_string())),
        row("max_requests", "MaxRequests", &|app| app.max_requests.map(|it| it.to_string())),
    ];
    for (at, parameter) in WRITABLE.into_iter().enumerate() {
        all.push(row("writable", parameter, &move |app| app.folders().get(at).cloned()));
    }
    for (at, parameter) in SECRETS.into_iter().enumerate() {
        let place =
            move |app: &App| app.secrets.iter().nth(at).map(|(name, place)| format!("{name} {}", value_from(place)));
        all.push(row("secrets", parameter, &place));
    }
    all
}

/// A parameter for each folder: a template has no loops.
const WRITABLE: [&str; MOST_WRITABLE] = ["WritableA", "WritableB", "WritableC", "WritableD"];
/// A parameter for each variable.
const SECRETS: [&str; MOST_SECRETS] =
    ["SecretA", "SecretB", "SecretC", "SecretD", "SecretE", "SecretF", "SecretG", "SecretH"];
