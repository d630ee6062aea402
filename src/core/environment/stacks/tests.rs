//! Every parameter has a key, and what the file does not say stays.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;

use super::*;
use crate::core::environment::testing::{deployed, environment, part, planned, stack_of};
use crate::core::stack::StackStatus;

const ALL: [Template; 5] =
    [Template::Edge, Template::Network, Template::Platform, Template::Server, Template::Repository];

/// Every key of the file, with the parameter that it sets in this template.
fn settable(template: Template) -> Vec<(&'static str, Setting)> {
    let of = |section: &'static str, settings: Vec<Setting>| settings.into_iter().map(move |one| (section, one));
    let environment = environment("");
    let (network, edge) = (&environment.network, &environment.edge);
    let all: Vec<_> = match template {
        Template::Edge => of("edge", settings::edge(edge)).collect(),
        Template::Network => of("network", settings::network(network)).collect(),
        Template::Platform => of("platform", settings::platform(&environment.platform))
            .chain(of("network", settings::own_vpc(network)))
            .chain(of("edge", settings::own_web_acl(edge)))
            .collect(),
        Template::Server => of("server", settings::server(&environment.servers[0]))
            .chain(of("server.app", settings::app(&environment.servers[0])))
            .chain(of("platform", settings::every_server(&environment.platform)))
            .chain(of("network", settings::own_vpc(network)))
            .collect(),
        Template::Repository => of("server", settings::repository(&environment.servers[0])).collect(),
    };
    all.into_iter().filter(|(_, setting)| template.declares(setting.parameter)).collect()
}

/// What the console wires itself: the environment's name, outputs of the stacks before, and what a trial has seen.
fn wired(template: Template) -> BTreeSet<String> {
    let deploys = planned(&environment(""), &[]);
    let of = deploys.into_iter().filter(|deploy| deploy.template == template);
    let outputs = of.flat_map(|deploy| deploy.inputs).filter_map(|(key, input)| match input {
        ParameterValue::Output { .. } => Some(key),
        ParameterValue::Value(_) => None,
    });
    let named = match template {
        Template::Repository => Some("RepositoryName".to_owned()),
        Template::Server => Some(crate::core::trial::kept::PARAMETER.to_owned()),
        _ => None,
    };
    outputs.chain(["Environment".to_owned()]).chain(named).collect()
}

#[test]
fn every_parameter_can_be_set_in_the_file() {
    for template in ALL {
        let declared: BTreeSet<String> = template.parameters().iter().map(|one| one.name.to_owned()).collect();
        let keys = settable(template).into_iter().map(|(_, setting)| setting.parameter.to_owned());
        let reached: BTreeSet<String> = keys.chain(wired(template)).collect();
        assert_eq!(declared, reached, "{}", template.file());
    }
}

/// The example shows each key in its section, with its default where it is commented out.
#[test]
fn the_example_has_every_key() {
    let example = include_str!("../../../../examples/aws.toml");
    let section = |name: &str| -> String {
        let heads = [format!("\n[{name}]"), format!("\n[[{name}]]")];
        let parts: Vec<&str> =
            heads.iter().filter_map(|head| example.split_once(head.as_str())).map(|two| two.1).collect();
        let text = parts.first().unwrap_or_else(|| panic!("there is no [{name}]"));
        text.split("\n[").next().unwrap_or_default().to_owned()
    };
    for template in ALL {
        for (name, setting) in settable(template) {
            let text = section(name);
            let has = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.split_once(" = ").is_some_and(|(key, _)| key == setting.key)
            };
            assert!(text.lines().any(has), "[{name}] lacks {}", setting.key);
        }
    }
    assert!(section("deploy").contains("role = "));
    assert!(section("edge").contains("enabled = "));
    // It is valid, also with everything in it that is commented out, but for what excludes something else.
    let environment: Environment = toml::from_str(example).unwrap();
    environment.validate().unwrap();
}

/// Every parameter with a value that is not its default, as somebody may have set it by hand.
fn by_hand(template: Template, parameters: &mut BTreeMap<String, String>) {
    for parameter in template.parameters() {
        let other = parameter.allowed.iter().find(|value| Some(**value) != parameter.default);
        if let Some(other) = other {
            parameters.insert(parameter.name.to_owned(), (*other).to_owned());
        }
    }
}

#[test]
fn what_the_file_does_not_say_keeps_its_deployed_value() {
    let file = environment("");
    let mut stacks = deployed(&file);
    for (stack, template) in stacks.iter_mut().zip(ALL) {
        by_hand(template, &mut stack.parameters);
        stack.parameters.insert("OfAnEarlierTemplate".into(), "1".into());
    }
    stack_of(&mut stacks, "platform").parameters.insert("DomainName".into(), "mcp.example.com".into());
    for deploy in planned(&file, &stacks) {
        let stack = stacks.iter().find(|stack| stack.id == deploy.stack).unwrap();
        let known = deploy.known(Some(stack));
        for parameter in deploy.template.parameters() {
            let (name, file) = (parameter.name, deploy.template.file());
            let kept = deploy.keep.iter().any(|key| key == name);
            assert_ne!(kept, deploy.inputs.contains_key(name), "{file}: {name} is given, or kept");
            if let Some(value) = known.get(name) {
                assert_eq!(value, &stack.parameters[name], "{file}: {name}");
            }
        }
        assert!(!deploy.keep.iter().any(|key| key == "OfAnEarlierTemplate"));
        assert!(deploy.tags.is_empty(), "tags of a stack that is there stay as they are");
    }
}

#[test]
fn what_the_file_says_is_given() {
    let stacks = deployed(&environment(""));
    let next = environment(
        "[edge]\nrate_limit_per_ip = 50\n[network]\nnat = 'none'\n\
         [platform]\nmfa = 'OFF'\ntier = 'PLUS'\nalarm_email = ''\n[[server]]\nlog_mode = 'blocking'\nallowed_hosts = []",
    );
    next.validate().unwrap();
    let deploys = planned(&next, &stacks);
    let value = |name: &str, key: &str| match part(&deploys, name).inputs.get(key) {
        Some(ParameterValue::Value(value)) => Some(value.clone()),
        _ => None,
    };
    assert_eq!(value("edge", "RateLimitPerIp").as_deref(), Some("50"));
    assert_eq!(value("network", "NatMode").as_deref(), Some("none"));
    assert_eq!(value("platform", "Mfa").as_deref(), Some("OFF"));
    assert_eq!(value("platform", "UserPoolTier").as_deref(), Some("PLUS"));
    assert_eq!(value("platform", "AlarmEmail").as_deref(), Some(""), "empty takes back what is deployed");
    assert_eq!(value("time", "LogMode").as_deref(), Some("blocking"));
    assert_eq!(value("time", "AllowedHosts").as_deref(), Some(""));
    assert_eq!(value("platform", "DomainName"), None);
}

#[test]
fn a_stack_that_is_made_keeps_nothing_and_is_tagged() {
    let file = environment("");
    let mut stacks = deployed(&file);
    for status in ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"] {
        stack_of(&mut stacks, "time").status = StackStatus(status.into());
        let deploys = planned(&file, &stacks);
        let time = part(&deploys, "time");
        assert!(time.keep.is_empty() && time.tags.contains_key("quarterdeck:server"), "{status}");
        let network = part(&deploys, "network");
        assert!(!network.keep.is_empty() && network.tags.is_empty());
    }
}

#[rstest]
#[case("", (2, 6))]
#[case("min = 1", (1, 6))]
#[case("min = 9", (9, 9))]
#[case("max = 1", (1, 1))]
#[case("max = 9", (2, 9))]
#[case("min = 0\nmax = 3", (0, 3))]
fn counts_that_the_file_does_not_say_stay(#[case] server: &str, #[case] counts: (u32, u32)) {
    let stacks = deployed(&environment("[[server]]\nmin = 2\nmax = 6"));
    let deploys = planned(&environment(&format!("[[server]]\n{server}")), &stacks);
    let found = part(&deploys, "time").count().unwrap();
    assert_eq!((found.min, found.max), counts);
}

#[test]
fn paths_and_priorities_that_the_file_does_not_say_stay() {
    let stacks = deployed(&environment("[[server]]\npath = '/tools'\npriority = 777"));
    let deploys = planned(&environment(""), &stacks);
    let known = part(&deploys, "time").known(stacks.last());
    assert_eq!((known["Path"].as_str(), known["Priority"].as_str()), ("/tools", "777"));
}

#[rstest]
#[case::ours("arn:aws:wafv2:us-east-1:1:global/webacl/quarterdeck-prod/1", "", true)]
#[case::anothers("arn:aws:wafv2:us-east-1:1:global/webacl/company/1", "", false)]
#[case::anothers_replaced("arn:aws:wafv2:us-east-1:1:global/webacl/company/1", "[edge]\nenabled = true", true)]
#[case::none("", "[edge]\nenabled = false", false)]
fn a_web_acl_of_somebody_else_stays_in_place(#[case] arn: &str, #[case] text: &str, #[case] makes: bool) {
    let mut stacks = deployed(&environment(""));
    stack_of(&mut stacks, "platform").parameters.insert("WebAclArn".into(), arn.into());
    let deploys = planned(&environment(text), &stacks);
    assert_eq!(deploys.iter().any(|deploy| deploy.template == Template::Edge), makes);
    let platform = part(&deploys, "platform");
    let wired = matches!(platform.inputs.get("WebAclArn"), Some(ParameterValue::Output { .. }));
    assert_eq!(wired, makes);
    if !makes && !arn.is_empty() {
        assert!(platform.keep.iter().any(|key| key == "WebAclArn"));
    }
}

/// What a template asks for is given also to a stack of an earlier one, which does not have it in force.
#[test]
fn every_parameter_without_a_default_has_a_value() {
    let mut stacks = deployed(&environment(""));
    for stack in &mut stacks {
        stack.parameters.retain(|key, _| matches!(key.as_str(), "Environment" | "ServerName" | "Priority"));
    }
    for deploys in [planned(&environment(""), &[]), planned(&environment(""), &stacks)] {
        for deploy in deploys {
            for parameter in deploy.template.parameters().iter().filter(|one| one.default.is_none()) {
                let has =
                    deploy.inputs.contains_key(parameter.name) || deploy.keep.iter().any(|key| key == parameter.name);
                assert!(has, "{} of {}", parameter.name, deploy.stack.name);
            }
        }
    }
}

/// A new server signs people in as the pool does, whatever its own template says.
#[test]
fn a_new_server_follows_the_deployed_pool() {
    let mut stacks = deployed(&environment("[platform]\nmanaged_login = false"));
    stacks.retain(|stack| !stack.id.name.ends_with("-time"));
    let deploys = planned(&environment(""), &stacks);
    let given = part(&deploys, "time").inputs.get("ManagedLogin");
    assert_eq!(given, Some(&ParameterValue::Value("false".into())));
}

/// The cluster of an earlier template has them by itself; they cannot be taken away from it.
#[test]
fn capacity_providers_of_an_earlier_platform_stay_with_the_cluster() {
    let mut stacks = deployed(&environment(""));
    stack_of(&mut stacks, "platform").parameters.remove("CapacityProviders");
    let deploys = planned(&environment(""), &stacks);
    let given = part(&deploys, "platform").inputs.get("CapacityProviders");
    assert_eq!(given, Some(&ParameterValue::Value("with-cluster".into())));
}

/// Its command and its secrets go with it: they are not those of the image that comes.
#[test]
fn a_server_that_is_built_on_gangway_now_gives_up_what_stood_in_front_of_it() {
    let app = "[[server]]\n[server.app]\ntransport = 'stdio'\ncommand = ['a', 'b']\nwritable = ['/cache']";
    let stacks = deployed(&environment(app));
    assert_eq!(stacks.last().unwrap().parameters["AppCommand"], "a~|~b");
    assert_eq!(stacks.last().unwrap().parameters["WritableA"], "/cache");
    let value = |text: &str, key: &str| match part(&planned(&environment(text), &stacks), "time").inputs.get(key) {
        Some(ParameterValue::Value(value)) => Some(value.clone()),
        _ => None,
    };
    for key in ["App", "AppCommand", "WritableA"] {
        assert_eq!(value("[[server]]\ngangway = true", key).as_deref(), Some(""), "{key}");
        assert_eq!(value("[[server]]\n# gangway: not said", key), None, "{key} stays");
    }
    assert_eq!(value(app, "User").as_deref(), Some("65532:65532"), "[server.app] is said as a whole");
}

/// It is a stack of its own, which no server's name can meet, and what the file does not say stays.
#[test]
fn a_repository_is_made_apart_and_stays() {
    let file = environment("[[server]]\nkeep_images = 7");
    let made = repository(&file, "time", &BTreeMap::new(), &[]);
    assert_eq!(made.stack.name, "quarterdeck-prod-time-Repository");
    assert!(names::is_repository_stack(&made.stack.name) && made.tags.contains_key("quarterdeck:server"));
    let values = made.known(None);
    assert_eq!((values["RepositoryName"].as_str(), values["KeepImages"].as_str()), ("quarterdeck/prod/time", "7"));
    let mut there = deployed(&file).remove(0);
    there.id = made.stack.clone();
    there.parameters = values;
    let silent = environment("");
    let kept = repository(&silent, "time", &BTreeMap::new(), std::slice::from_ref(&there));
    assert_eq!((kept.keep, kept.tags.len()), (vec!["KeepImages".to_owned()], 0));
    assert!(!names::is_repository_stack("quarterdeck-prod-repository"));
    let gangways = repository(&file, names::GANGWAY, &BTreeMap::new(), &[]);
    assert_eq!(gangways.known(None)["RepositoryName"], "quarterdeck/prod/gangway");
    assert!(!gangways.tags.contains_key("quarterdeck:server") && gangways.tags.contains_key("quarterdeck:environment"));
}
