//! Checks `quarterdeck.toml` against what the templates accept: otherwise CloudFormation would refuse
//! it minutes later.

use super::{Environment, InvalidEnvironment, Origin, ServerSpec, Template, invalid};

/// A section of the file, and the template whose parameters it fills.
struct Section {
    key: String,
    template: Template,
}

impl Section {
    fn check(&self, key: &str, parameter: &str, value: Option<impl ToString>) -> Result<(), InvalidEnvironment> {
        let (Some(value), Some(parameter)) = (value, self.template.parameter(parameter)) else { return Ok(()) };
        parameter.check(&value.to_string()).map_err(|why| self.invalid(key, why))
    }

    fn check_each(&self, key: &str, parameter: &str, values: &[String]) -> Result<(), InvalidEnvironment> {
        values.iter().try_for_each(|value| self.check(key, parameter, Some(value)))
    }

    fn invalid(&self, key: &str, why: impl Into<String>) -> InvalidEnvironment {
        invalid(&format!("{}.{key}", self.key), why.into())
    }
}

pub(super) fn check(environment: &Environment) -> Result<(), InvalidEnvironment> {
    edge(environment)?;
    network(environment)?;
    platform(environment)?;
    environment.servers.iter().try_for_each(server)
}

fn edge(environment: &Environment) -> Result<(), InvalidEnvironment> {
    let (edge, section) = (&environment.edge, Section { key: "edge".into(), template: Template::Edge });
    section.check("rate_limit_per_ip", "RateLimitPerIp", edge.rate_limit_per_ip)?;
    section.check("rate_limit_per_token", "RateLimitPerToken", edge.rate_limit_per_token)?;
    section.check("max_body_kilobytes", "MaxBodyKilobytes", edge.max_body_kilobytes)?;
    section.check("log_retention_days", "LogRetentionDays", edge.log_retention_days)
}

fn network(environment: &Environment) -> Result<(), InvalidEnvironment> {
    let network = &environment.network;
    let section = Section { key: "network".into(), template: Template::Network };
    section.check("zones", "ZoneCount", network.zones)?;
    section.check("cidr", "VpcCidr", network.cidr.as_ref())?;
    section.check("flow_log_retention_days", "FlowLogRetentionDays", network.flow_log_retention_days)?;
    let section = Section { template: Template::Platform, ..section };
    section.check("vpc", "VpcId", network.vpc.as_ref())?;
    section.check_each("private_subnets", "PrivateSubnetIds", &network.private_subnets)?;
    section.check_each("public_subnets", "PublicSubnetIds", &network.public_subnets)?;
    if network.vpc.is_some() && network.private_subnets.is_empty() {
        return Err(section.invalid("private_subnets", "a vpc of your own needs them, for the servers"));
    }
    let public = environment.platform.origin == Some(Origin::Public);
    if network.vpc.is_some() && public && network.public_subnets.is_empty() {
        return Err(section.invalid("public_subnets", "a vpc of your own needs them where platform.origin is public"));
    }
    Ok(())
}

fn platform(environment: &Environment) -> Result<(), InvalidEnvironment> {
    let platform = &environment.platform;
    let section = Section { key: "platform".into(), template: Template::Platform };
    section.check("cognito_domain_prefix", "CognitoDomainPrefix", platform.cognito_domain_prefix.as_ref())?;
    section.check("alarm_email", "AlarmEmail", platform.alarm_email.as_ref())?;
    section.check("log_retention_days", "LogRetentionDays", platform.log_retention_days)?;
    section.check("cloudfront_prefix_list", "CloudFrontPrefixListId", platform.cloudfront_prefix_list.as_ref())?;
    let prefix = platform.cognito_domain_prefix.as_deref().unwrap_or_default();
    if ["aws", "amazon", "cognito"].iter().any(|word| prefix.contains(word)) {
        let why = format!("{prefix:?} is not possible; Cognito takes no prefix with aws, amazon or cognito in it");
        return Err(section.invalid("cognito_domain_prefix", why));
    }
    Ok(())
}

fn server(server: &ServerSpec) -> Result<(), InvalidEnvironment> {
    let section = Section { key: format!("server.{}", server.name), template: Template::Server };
    section.check("image", "Image", Some(&server.image))?;
    section.check("path", "Path", server.path.as_ref())?;
    section.check("cpu", "Cpu", server.cpu)?;
    section.check("memory", "Memory", server.memory)?;
    section.check("requests_per_target", "RequestsPerTarget", server.requests_per_target)?;
    section.check("cpu_target", "CpuTarget", server.cpu_target)?;
    section.check("spot_weight", "SpotWeight", server.spot_weight)?;
    section.check_each("allowed_origins", "AllowedOrigins", &server.allowed_origins)?;
    section.check_each("callback_urls", "CallbackUrls", &server.callback_urls)?;
    section.check("upstream_url", "UpstreamUrl", server.upstream_url.as_ref())?;
    section.check("log_retention_days", "LogRetentionDays", server.log_retention_days)?;
    let default = |parameter| Template::Server.default_of(parameter).and_then(|text| text.parse().ok());
    let size = (server.cpu.or_else(|| default("Cpu")), server.memory.or_else(|| default("Memory")));
    let (Some(cpu), Some(memory)) = size else { return Ok(()) };
    let possible = memory_of(cpu);
    if possible.contains(&memory) {
        return Ok(());
    }
    let possible: Vec<String> = possible.iter().map(u32::to_string).collect();
    let why = format!("{memory} is not possible with cpu = {cpu}; it must be one of {}", possible.join(", "));
    Err(section.invalid("memory", why))
}

/// Memory in MiB that Fargate allows for a number of CPU units (ECS developer guide, "Task CPU and memory").
fn memory_of(cpu: u32) -> Vec<u32> {
    let gigabytes = match cpu {
        256 => return vec![512, 1024, 2048],
        512 => 1..=4,
        1024 => 2..=8,
        2048 => 4..=16,
        _ => 8..=30,
    };
    gigabytes.map(|gigabytes| gigabytes * 1024).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::environment::{DeploySettings, Edge, Network, Platform};
    use rstest::rstest;

    fn environment(change: impl Fn(&mut Environment)) -> Environment {
        let mut environment = Environment {
            environment: "prod".into(),
            region: "eu-west-1".into(),
            protected: false,
            deploy: DeploySettings::default(),
            network: Network::default(),
            edge: Edge::default(),
            platform: Platform::default(),
            servers: vec![ServerSpec { name: "time".into(), image: "mcp-time:1".into(), ..ServerSpec::default() }],
        };
        change(&mut environment);
        environment
    }

    #[rstest]
    #[case(|it: &mut Environment| it.edge.rate_limit_per_ip = Some(1), "edge.rate_limit_per_ip", "10 to 2000000000")]
    #[case(|it: &mut Environment| it.edge.max_body_kilobytes = Some(9), "edge.max_body_kilobytes", "8, 16, 32")]
    #[case(|it: &mut Environment| it.edge.log_retention_days = Some(31), "edge.log_retention_days", "30, 60")]
    #[case(|it: &mut Environment| it.network.zones = Some(9), "network.zones", "2, 3")]
    #[case(|it: &mut Environment| it.network.cidr = Some("10.0.0.0/8".into()), "network.cidr", "/16 to /19")]
    #[case(|it: &mut Environment| it.network.vpc = Some("vpc-1".into()), "network.private_subnets", "needs them")]
    #[case(|it: &mut Environment| it.network.private_subnets = vec!["net-1".into()], "network.private_subnets", "ids")]
    #[case(|it: &mut Environment| it.platform.log_retention_days = Some(0), "platform.log_retention_days", "1 to 3653")]
    #[case(|it: &mut Environment| it.platform.alarm_email = Some("me".into()), "platform.alarm_email", "one e-mail")]
    #[case(
        |it: &mut Environment| it.platform.cognito_domain_prefix = Some("my-aws".into()),
        "platform.cognito_domain_prefix",
        "amazon"
    )]
    #[case(|it: &mut Environment| it.deploy.role = Some(String::new()), "deploy.role", "leave the line out")]
    #[case(|it: &mut Environment| it.deploy.role = Some("deployer".into()), "deploy.role", "arn:aws:iam::")]
    #[case(
        |it: &mut Environment| it.deploy.role = Some("arn:aws:iam::123456789012:user/deployer".into()),
        "deploy.role",
        ":role/quarterdeck-deploy"
    )]
    #[case(
        |it: &mut Environment| it.deploy.role = Some("arn:aws:iam::123:role/deployer".into()),
        "deploy.role",
        "not the ARN of a role"
    )]
    #[case(|it: &mut Environment| it.servers[0].cpu = Some(300), "server.time.cpu", "256, 512, 1024")]
    #[case(|it: &mut Environment| it.servers[0].cpu = Some(1024), "server.time.memory", "one of 2048, 3072")]
    #[case(|it: &mut Environment| it.servers[0].memory = Some(1536), "server.time.memory", "512, 1024, 2048")]
    #[case(|it: &mut Environment| it.servers[0].spot_weight = Some(15), "server.time.spot_weight", "10, 20")]
    #[case(|it: &mut Environment| it.servers[0].cpu_target = Some(95), "server.time.cpu_target", "10 to 90")]
    #[case(|it: &mut Environment| it.servers[0].image = "a b".into(), "server.time.image", "the name of an image")]
    #[case(|it: &mut Environment| it.servers[0].log_retention_days = Some(0), "server.time.log_retention_days", "1, 3")]
    fn values_that_a_template_would_refuse_are_named(
        #[case] change: impl Fn(&mut Environment),
        #[case] key: &str,
        #[case] possible: &str,
    ) {
        let error = environment(change).validate().unwrap_err();
        assert!(error.key == key && error.reason.contains(possible), "{error}");
    }

    #[test]
    fn values_that_a_template_allows_are_accepted() {
        assert_eq!(environment(|_| ()).validate(), Ok(()));
        let sized = |it: &mut Environment| (it.servers[0].cpu, it.servers[0].memory) = (Some(4096), Some(30_720));
        assert_eq!(environment(sized).validate(), Ok(()));
        for role in ["arn:aws:iam::123456789012:role/deployer", "arn:aws-us-gov:iam::123456789012:role/ci/deploy+er@1"]
        {
            assert_eq!(environment(|it| it.deploy.role = Some(role.into())).validate(), Ok(()));
        }
    }
}
