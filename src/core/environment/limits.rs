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
    let address = network.cidr.as_ref().and_then(|cidr| cidr.split('/').next());
    if let Some(address) = address.filter(|text| !text.is_empty() && !is_ipv4(text)) {
        let why = format!("{address:?} is not possible; it must be an IPv4 address, such as 10.64.0.0");
        return Err(section.invalid("cidr", why));
    }
    own.check_all(&settings::own_vpc(network))?;
    if network.vpc.is_none() {
        zones::check(environment).map_err(|(key, why)| section.invalid(key, why))?;
        section.check_all(&settings::network(network))?;
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

/// Whether these are four numbers below 256; the template's pattern has checked their shape.
fn is_ipv4(address: &str) -> bool {
    let octets: Vec<_> = address.split('.').map(str::parse::<u8>).collect();
    octets.len() == 4 && octets.iter().all(Result::is_ok)
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
    Section::new(&format!("server.{}", server.name), Template::Repository).check_all(&settings::repository(server))?;
    Section::new(&format!("server.{}.app", server.name), Template::Server).check_all(&unnamed(server))?;
    let default = |parameter| Template::Server.default_of(parameter).and_then(|text| text.parse().ok());
    let size = (server.cpu.or_else(|| default("Cpu")), server.memory.or_else(|| default("Memory")));
    let (Some(cpu), Some(memory)) = size else { return Ok(()) };
    check_size(cpu, memory).map_err(|why| section.invalid("memory", why))
}

/// What `[server.app]` gives, but for Secrets that are given by their names: the plan finds their ARNs.
fn unnamed(server: &ServerSpec) -> Vec<Setting> {
    settings::app(server).into_iter().filter(|setting| setting.key != "secrets").collect()
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
    use crate::core::environment::{DeploySettings, Edge, Network, Platform, testing};
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
    #[case(|it: &mut Environment| it.servers[0].requests_per_minute = Some(2_000_000), "server.time.requests_per_minute", "0 to 1000000")]
    #[case(|it: &mut Environment| it.servers[0].image = "a b".into(), "server.time.image", "the name of an image")]
    #[case(|it: &mut Environment| it.servers[0].log_retention_days = Some(0), "server.time.log_retention_days", "1, 3")]
    #[case(|it: &mut Environment| it.servers[0].image = String::new(), "server.time.image", "the name of an image")]
    #[case(|it: &mut Environment| it.servers[0].image = "a\nb".into(), "server.time.image", "line breaks")]
    fn values_that_a_template_would_refuse_are_named(
        #[case] change: impl Fn(&mut Environment),
        #[case] key: &str,
        #[case] possible: &str,
    ) {
        let error = environment(change).validate().unwrap_err();
        assert!(error.key == key && error.reason.contains(possible), "{error}");
    }

    const DOMAIN: &str = "domain = 'mcp.example.com'";
    const CERTIFICATE: &str = "certificate = 'arn:aws:acm:us-east-1:1:certificate/1'";

    #[rstest]
    #[case::domain_alone(&format!("[platform]\n{DOMAIN}"), "platform.certificate", "in ACM in us-east-1")]
    #[case::certificate_alone(&format!("[platform]\n{CERTIFICATE}"), "platform.domain", "give both")]
    #[case::half_taken_back(&format!("[platform]\ndomain = ''\n{CERTIFICATE}"), "platform.domain", "give both")]
    #[case::half_empty("[platform]\ndomain = ''", "platform.domain", "together")]
    #[case::elsewhere(
        &format!("[platform]\n{DOMAIN}\ncertificate = 'arn:aws:acm:eu-west-1:1:certificate/1'"),
        "platform.certificate",
        "us-east-1"
    )]
    #[case::upper_case("[platform]\ndomain = 'MCP.example.com'", "platform.domain", "lower case")]
    #[case::base_url(
        "[platform]\npublic_base_url = 'https://a.example/'",
        "platform.public_base_url",
        "slash at the end"
    )]
    #[case::quarantine("[platform]\nquarantine_endpoint = 'a.example'", "platform.quarantine_endpoint", "a URL")]
    #[case::jwks("[platform]\njwks_base = 'a.example'", "platform.jwks_base", "a URL")]
    #[case::prefix_list("[platform]\ncloudfront_prefix_list = 'sg-1'", "platform.cloudfront_prefix_list", "pl-")]
    #[case::both_zones(
        "[network]\nzone_ids = ['euw1-az1', 'euw1-az2']\nzone_names = ['eu-west-1a', 'eu-west-1b']",
        "network.zone_ids",
        "one of the two"
    )]
    #[case::one_zone("[network]\nzone_ids = ['euw1-az1']", "network.zone_ids", "2 or 3 are")]
    #[case::no_zone("[network]\nzone_names = []", "network.zone_names", "2 or 3 are")]
    #[case::same_zone("[network]\nzone_ids = ['euw1-az1', 'euw1-az1']", "network.zone_ids", "named twice")]
    #[case::another_count("[network]\nzones = 3\nzone_ids = ['euw1-az1', 'euw1-az2']", "network.zone_ids", "zones = 3")]
    #[case::another_region("[network]\nzone_names = ['eu-west-2a', 'eu-west-2b']", "network.zone_names", "eu-west-1a")]
    #[case::name_as_id("[network]\nzone_ids = ['eu-west-1a', 'eu-west-1b']", "network.zone_ids", "go into zone_names")]
    #[case::id_as_name("[network]\nzone_names = ['euw1-az1', 'euw1-az2']", "network.zone_names", "are named")]
    #[case::key_elsewhere("[network]\nkms_key = 'arn:aws:kms:eu-west-2:1:key/1'", "network.kms_key", "in eu-west-1")]
    #[case::edge_key("[edge]\nkms_key = 'arn:aws:kms:eu-west-1:123456789012:key/1'", "edge.kms_key", "us-east-1")]
    #[case::address("[network]\ncidr = '300.0.0.0/16'", "network.cidr", "an IPv4 address")]
    #[case::two_acls(
        "[edge]\nenabled = true\nweb_acl = 'arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/1'",
        "edge.web_acl",
        "one web ACL"
    )]
    #[case::regional_acl(
        "[edge]\nweb_acl = 'arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/a/1'",
        "edge.web_acl",
        "for CloudFront"
    )]
    #[case::priority("[[server]]\npriority = 50001", "server.time.priority", "1 to 50000")]
    #[case::hosts("[[server]]\nallowed_hosts = ['a b']", "server.time.allowed_hosts", "each value of the list is one")]
    #[case::no_host("[[server]]\nallowed_hosts = ['']", "server.time.allowed_hosts", "none is empty")]
    #[case::no_origin("[[server]]\nallowed_origins = ['']", "server.time.allowed_origins", "none is empty")]
    #[case::no_callback("[[server]]\ncallback_urls = []", "server.time.callback_urls", "leave the line out")]
    fn combinations_that_aws_would_refuse_are_named(#[case] text: &str, #[case] key: &str, #[case] possible: &str) {
        let error = testing::environment(text).validate().unwrap_err();
        assert!(error.key == key && error.reason.contains(possible), "{error}");
    }

    #[rstest]
    #[case("us-east-1", "use1-az3", "", Some("ARM64"))]
    #[case("us-east-1", "use1-az3", "[[server]]\narchitecture = 'X86_64'", Some("VPC origins"))]
    #[case("us-east-1", "use1-az3", "[platform]\norigin = 'public'\n[[server]]\narchitecture = 'X86_64'", None)]
    #[case("us-west-1", "usw1-az2", "[platform]\norigin = 'public'", Some("Fargate does not run"))]
    #[case("ap-northeast-1", "apne1-az3", "", Some("Fargate does not run"))]
    #[case("ca-central-1", "cac1-az3", "", Some("VPC origins"))]
    #[case("ca-central-1", "cac1-az2", "", None)]
    fn zones_that_lack_something_are_refused_by_their_ids(
        #[case] region: &str,
        #[case] zone: &str,
        #[case] text: &str,
        #[case] lack: Option<&str>,
    ) {
        let mut it = testing::environment(text);
        it.region = region.into();
        let other = format!("{}-az9", zone.split('-').next().unwrap());
        it.network.zone_ids = Some(vec![other, zone.into()]);
        let error = it.validate().err();
        assert_eq!(error.is_some(), lack.is_some(), "{error:?}");
        if let (Some(error), Some(lack)) = (error, lack) {
            assert!(error.key == "network.zone_ids" && error.reason.contains(lack), "{error}");
        }
    }

    #[rstest]
    #[case("my-aws", "", false)]
    #[case("amazonas", "", false)]
    #[case("cognito", "cognito_domain_prefix = ''", false)]
    #[case("my-aws", "cognito_domain_prefix = 'mine'", true)]
    #[case("prod", "cognito_domain_prefix = 'my-amazon'", false)]
    #[case("awe-some", "", true)]
    fn no_sign_in_domain_has_a_word_that_cognito_reserves(#[case] name: &str, #[case] text: &str, #[case] good: bool) {
        let mut it = testing::environment(&format!("[platform]\n{text}"));
        it.environment = name.into();
        match it.validate() {
            Ok(()) => assert!(good),
            Err(error) => {
                assert!(!good && error.key == "platform.cognito_domain_prefix" && error.reason.contains("amazon"));
            }
        }
    }

    #[rstest]
    #[case("eu-west-1", "", true)]
    #[case("me-central-1", "", false)]
    #[case("me-central-1", "cloudfront_prefix_list = ''", false)]
    #[case("me-central-1", "cloudfront_prefix_list = 'pl-0123456789abcdef0'", true)]
    #[case("xx-north-1", "origin = 'public'", false)]
    fn a_region_whose_prefix_list_is_not_known_needs_it(#[case] region: &str, #[case] text: &str, #[case] good: bool) {
        let mut it = testing::environment(&format!("[platform]\n{text}"));
        it.region = region.into();
        let error = it.validate().err();
        assert_eq!(error.is_none(), good, "{error:?}");
        if let Some(error) = error {
            assert_eq!(error.key, "platform.cloudfront_prefix_list");
            assert!(error.reason.contains(&format!("describe-managed-prefix-lists --region {region}")), "{error}");
        }
    }

    #[test]
    fn two_servers_with_one_priority_are_refused() {
        let mut it = testing::environment("[[server]]\npriority = 7");
        it.servers.push(ServerSpec { name: "weather".into(), ..it.servers[0].clone() });
        let error = it.validate().unwrap_err();
        assert!(error.key == "server.weather.priority" && error.reason.contains("that of time"), "{error}");
    }

    /// Every key that takes a text: empty, it is refused by its name, or means that there is none.
    #[test]
    fn an_empty_text_is_refused_or_means_none() {
        let file = testing::environment("");
        let sections = [
            ("edge", Template::Edge, settings::edge(&file.edge)),
            ("edge", Template::Platform, settings::own_web_acl(&file.edge)),
            ("network", Template::Network, settings::network(&file.network)),
            ("network", Template::Platform, settings::own_vpc(&file.network)),
            ("platform", Template::Platform, settings::platform(&file.platform)),
            ("platform", Template::Server, settings::every_server(&file.platform)),
            ("server", Template::Server, settings::server(&file.servers[0])),
        ];
        let mut texts = 0;
        for (section, template, settings) in sections {
            for key in settings.iter().filter(|one| !matches!(one.key, "name" | "image")) {
                let head = if section == "server" { "[[server]]".to_owned() } else { format!("[{section}]") };
                let text = format!("{head}\n{} = ''\n", key.key);
                let Some(it) = testing::parsed(&text) else { continue };
                texts += 1;
                let may_be_empty = template.parameter(key.parameter).unwrap().check("").is_ok();
                match it.validate() {
                    // Domain and certificate are taken back together.
                    Err(error) if error.reason.contains("together") => {}
                    Err(error) => {
                        let name = error.key.replace("server.time", "server");
                        assert_eq!(name, format!("{section}.{}", key.key));
                        assert!(
                            error.reason.contains("empty") || error.reason.contains("must begin with /"),
                            "{error}"
                        );
                    }
                    Ok(()) => assert!(may_be_empty, "{text}"),
                }
            }
        }
        assert!(texts > 12, "{texts}");
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
