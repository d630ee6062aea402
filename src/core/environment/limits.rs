//! Checks `quarterdeck.toml` against what the templates accept: otherwise CloudFormation would refuse
//! it minutes later.

use std::collections::BTreeMap;

use super::settings::{self, Given, Setting};
use super::{Environment, InvalidEnvironment, Origin, Platform, ServerSpec, Template, invalid, zones};

/// A section of the file, and the template whose parameters it fills.
struct Section {
    key: String,
    template: Template,
}

impl Section {
    fn new(key: &str, template: Template) -> Self {
        Self { key: key.to_owned(), template }
    }

    fn check_all(&self, settings: &[Setting]) -> Result<(), InvalidEnvironment> {
        settings.iter().try_for_each(|setting| self.check(setting))
    }

    fn check(&self, setting: &Setting) -> Result<(), InvalidEnvironment> {
        let Some(parameter) = self.template.parameter(setting.parameter) else { return Ok(()) };
        let checked = |value: &str| parameter.check(value).map_err(|why| self.invalid(setting.key, why));
        let unset = "leave the line out to keep what is deployed, or the default";
        match &setting.given {
            Given::Unset => Ok(()),
            Given::One(value) if value.is_empty() && parameter.check("").is_err() => {
                Err(self.invalid(setting.key, format!("it is empty; {unset}")))
            }
            Given::One(value) => checked(value),
            Given::Each(values, _) if values.is_empty() && parameter.check("").is_err() => {
                Err(self.invalid(setting.key, format!("the list is empty; {unset}")))
            }
            Given::Each(values, between) => values.iter().try_for_each(|value| {
                if value.is_empty() || value.contains(*between) {
                    let why = format!("{value:?} is not possible; each value of the list is one, and none is empty");
                    return Err(self.invalid(setting.key, why));
                }
                checked(value)
            }),
        }
    }

    fn invalid(&self, key: &str, why: impl Into<String>) -> InvalidEnvironment {
        invalid(&format!("{}.{key}", self.key), why.into())
    }
}

pub(super) fn check(environment: &Environment) -> Result<(), InvalidEnvironment> {
    edge(environment)?;
    network(environment)?;
    platform(environment)?;
    environment.servers.iter().try_for_each(server)?;
    check_priorities(&environment.servers)
}

fn edge(environment: &Environment) -> Result<(), InvalidEnvironment> {
    let edge = &environment.edge;
    let section = Section::new("edge", Template::Edge);
    section.check_all(&settings::edge(edge))?;
    Section::new("edge", Template::Platform).check_all(&settings::own_web_acl(edge))?;
    match &edge.web_acl {
        Some(acl) if acl.is_empty() => {
            Err(section.invalid("web_acl", "it is empty; enabled = false makes none, and leaving the line out ours"))
        }
        Some(_) if edge.enabled == Some(true) => {
            Err(section.invalid("web_acl", "a distribution has one web ACL; with one of your own, enabled is false"))
        }
        _ => Ok(()),
    }
}

fn network(environment: &Environment) -> Result<(), InvalidEnvironment> {
    let network = &environment.network;
    let section = Section::new("network", Template::Network);
    let own = Section::new("network", Template::Platform);
    own.check_all(&settings::own_vpc(network))?;
    if network.vpc.is_none() {
        section.check_all(&settings::network(network))?;
        zones::check(environment).map_err(|(key, why)| section.invalid(key, why))?;
        return in_region(environment, network.kms_key.as_deref()).map_err(|why| section.invalid("kms_key", why));
    }
    if network.private_subnets.is_none() {
        return Err(section.invalid("private_subnets", "a vpc of your own needs them, for the servers"));
    }
    let public = environment.platform.origin == Some(Origin::Public);
    if public && network.public_subnets.as_ref().is_none_or(Vec::is_empty) {
        return Err(section.invalid("public_subnets", "a vpc of your own needs them where platform.origin is public"));
    }
    Ok(())
}

/// A log group takes a key of its own region alone.
fn in_region(environment: &Environment, key: Option<&str>) -> Result<(), String> {
    let region = &environment.region;
    match key.filter(|key| !key.is_empty()) {
        Some(key) if key.split(':').nth(3) != Some(region) => {
            Err(format!("{key:?} is not possible; the key must be in {region}, as the log group is"))
        }
        _ => Ok(()),
    }
}

/// Words that Cognito takes in no prefix of a domain (Cognito developer guide, "Using your own domain").
const RESERVED: [&str; 3] = ["aws", "amazon", "cognito"];

fn platform(environment: &Environment) -> Result<(), InvalidEnvironment> {
    let platform = &environment.platform;
    let section = Section::new("platform", Template::Platform);
    section.check_all(&settings::platform(platform))?;
    Section::new("platform", Template::Server).check_all(&settings::every_server(platform))?;
    check_prefix(environment, &section)?;
    check_domain(platform, &section)?;
    let given = platform.cloudfront_prefix_list.as_deref().unwrap_or_default();
    if given.is_empty() && !Template::knows_prefix_list(&environment.region) {
        let why = format!(
            "it is not known for {region}, and nothing else may reach the load balancer; aws ec2 \
             describe-managed-prefix-lists --region {region} --filters \
             Name=prefix-list-name,Values=com.amazonaws.global.cloudfront.origin-facing tells it",
            region = environment.region
        );
        return Err(section.invalid("cloudfront_prefix_list", why));
    }
    Ok(())
}

/// The prefix of the sign-in domain: without one of your own it has the name of the environment in it.
fn check_prefix(environment: &Environment, section: &Section) -> Result<(), InvalidEnvironment> {
    let given = environment.platform.cognito_domain_prefix.as_deref().filter(|prefix| !prefix.is_empty());
    let has_reserved = |text: &str| RESERVED.iter().any(|word| text.contains(word));
    let rule = "Cognito takes no prefix with aws, amazon or cognito in it";
    match given {
        Some(prefix) if has_reserved(prefix) => {
            Err(section.invalid("cognito_domain_prefix", format!("{prefix:?} is not possible; {rule}")))
        }
        None if has_reserved(&environment.environment) => {
            let name = &environment.environment;
            let why = format!("{rule}, and the default has {name:?} in it; give one, unique in the region");
            Err(section.invalid("cognito_domain_prefix", why))
        }
        _ => Ok(()),
    }
}

fn check_domain(platform: &Platform, section: &Section) -> Result<(), InvalidEnvironment> {
    let given = |value: &Option<String>| value.as_ref().map(String::is_empty);
    match (given(&platform.domain), given(&platform.certificate)) {
        (domain, certificate) if domain == certificate => Ok(()),
        (Some(false), _) => {
            Err(section.invalid("certificate", "domain needs one, in ACM in us-east-1, that covers it"))
        }
        (_, Some(false)) => Err(section.invalid("domain", "a certificate is for one: give both, or neither")),
        _ => {
            Err(section.invalid("domain", "domain and certificate are taken back together: both are empty, or neither"))
        }
    }
}

/// Each server has its own priority on the listener.
fn check_priorities(servers: &[ServerSpec]) -> Result<(), InvalidEnvironment> {
    let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
    for server in servers {
        let Some(priority) = server.priority else { continue };
        if let Some(owner) = owners.insert(priority, &server.name) {
            let reason = format!("{priority} is that of {owner}; each server needs its own");
            return Err(invalid(&format!("server.{}.priority", server.name), reason));
        }
    }
    Ok(())
}

fn server(server: &ServerSpec) -> Result<(), InvalidEnvironment> {
    let section = Section::new(&format!("server.{}", server.name), Template::Server);
    section.check_all(&settings::server(server))?;
    let default = |parameter| Template::Server.default_of(parameter).and_then(|text| text.parse().ok());
    let size = (server.cpu.or_else(|| default("Cpu")), server.memory.or_else(|| default("Memory")));
    let (Some(cpu), Some(memory)) = size else { return Ok(()) };
    check_size(cpu, memory).map_err(|why| section.invalid("memory", why))
}

/// Whether Fargate has tasks of this size.
pub(super) fn check_size(cpu: u32, memory: u32) -> Result<(), String> {
    let possible = memory_of(cpu);
    if possible.contains(&memory) {
        return Ok(());
    }
    let possible: Vec<String> = possible.iter().map(u32::to_string).collect();
    Err(format!("{memory} is not possible with cpu = {cpu}; it must be one of {}", possible.join(", ")))
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
    #[case(|it: &mut Environment| it.network.private_subnets = Some(vec!["net-1".into()]), "network.private_subnets", "ids")]
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
