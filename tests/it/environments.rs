//! Several environments in one account and region, and several servers in one environment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quarterdeck::core::environment::{
    DeploySettings, Edge, Environment, Network, Origin, Platform, ServerSpec, stacks,
};
use quarterdeck::core::operation::deploy::{ParameterValue, StackDeploy};
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Phase, PlanRequest};
use quarterdeck::core::stack::{Stack, StackRef, StackStatus};

use crate::support::operators::Desk;
use crate::support::world::{Setup, World};

fn server(name: &str, path: Option<&str>) -> ServerSpec {
    ServerSpec {
        name: name.into(),
        image: format!("mcp-{name}@sha256:{}", "0".repeat(64)),
        path: path.map(Into::into),
        gangway: Some(true),
        ..ServerSpec::default()
    }
}

fn environment(name: &str, servers: &[&str]) -> Environment {
    Environment {
        environment: name.into(),
        region: "eu-west-1".into(),
        protected: false,
        deploy: DeploySettings::default(),
        network: Network::default(),
        edge: Edge::default(),
        platform: Platform::default(),
        servers: servers.iter().map(|name| server(name, None)).collect(),
    }
}

fn deployed(environment: &Environment, priorities: &BTreeMap<String, u32>) -> Vec<StackDeploy> {
    let there: Vec<Stack> = priorities.iter().map(|(server, priority)| server_stack(server, *priority)).collect();
    stacks(environment, &BTreeMap::new(), &there)
}

/// A deployed server, as far as its priority goes.
fn server_stack(server: &str, priority: u32) -> Stack {
    let parameters = [("Environment", "prod"), ("ServerName", server), ("Priority", &priority.to_string())];
    Stack {
        parameters: parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..stack(&format!("quarterdeck-prod-{server}"))
    }
}

fn stack(name: &str) -> Stack {
    Stack {
        id: StackRef { name: name.into(), region: "eu-west-1".into() },
        arn: String::new(),
        status: StackStatus("CREATE_COMPLETE".into()),
        reason: None,
        parameters: BTreeMap::new(),
        outputs: BTreeMap::new(),
        updated_at: None,
        termination_protection: false,
        differs: None,
    }
}

/// Listener priorities by server, as the next deploy reads them from the stacks' parameters.
fn priorities(deploys: &[StackDeploy]) -> BTreeMap<String, u32> {
    let value = |deploy: &StackDeploy, key: &str| match deploy.inputs.get(key) {
        Some(ParameterValue::Value(text)) => Some(text.clone()),
        _ => None,
    };
    let of = |deploy| Some((value(deploy, "ServerName")?, value(deploy, "Priority")?.parse().unwrap()));
    deploys.iter().filter_map(of).collect()
}

#[test]
fn every_server_has_a_stack_a_priority_and_a_path_of_its_own() {
    let names: Vec<String> = (0..200).map(|number| format!("server-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let environment = environment("prod", &names);
    environment.validate().unwrap();
    let deploys = deployed(&environment, &BTreeMap::new());
    let stacks: BTreeSet<&StackRef> = deploys.iter().map(|deploy| &deploy.stack).collect();
    assert_eq!(stacks.len(), deploys.len());
    let priorities: BTreeSet<u32> = priorities(&deploys).into_values().collect();
    assert_eq!(priorities.len(), names.len());
    assert!(priorities.iter().all(|priority| (1..=50_000).contains(priority)));
}

#[test]
fn a_server_keeps_its_priority_whatever_comes_and_goes_around_it() {
    let first = priorities(&deployed(&environment("prod", &["time", "weather", "notes"]), &BTreeMap::new()));
    // Another order, one in front.
    let second = priorities(&deployed(&environment("prod", &["alpha", "notes", "time", "weather"]), &first));
    assert!(first.iter().all(|(server, priority)| second[server] == *priority), "{first:?} {second:?}");
    assert!(!first.values().any(|priority| *priority == second["alpha"]));
    // One goes; its place may be taken, those of the others stay.
    let left: BTreeMap<String, u32> = second.clone().into_iter().filter(|(server, _)| server != "time").collect();
    let third = priorities(&deployed(&environment("prod", &["beta", "weather", "alpha", "notes"]), &left));
    assert!(left.iter().all(|(server, priority)| third[server] == *priority), "{left:?} {third:?}");
    assert_eq!(third.values().collect::<BTreeSet<_>>().len(), third.len());
    // A deploy of one server alone takes nothing from those that it does not name.
    let alone = priorities(&deployed(&environment("prod", &["gamma"]), &third));
    assert!(!third.values().any(|priority| *priority == alone["gamma"]), "{third:?} {alone:?}");
}

#[test]
fn two_environments_have_no_stack_in_common() {
    let stacks = |name| -> BTreeSet<StackRef> {
        deployed(&environment(name, &["time", "weather"]), &BTreeMap::new()).into_iter().map(|one| one.stack).collect()
    };
    assert!(stacks("prod").is_disjoint(&stacks("prod-eu")));
    assert_eq!(stacks("prod").len(), 5);
}

#[test]
fn a_stack_belongs_to_the_environment_that_its_parameter_names() {
    let stack = |environment: Option<&str>| Stack {
        parameters: environment.map(|name| ("Environment".into(), name.into())).into_iter().collect(),
        ..stack("quarterdeck-prod-eu-time")
    };
    assert!(stack(Some("prod-eu")).is_of("prod-eu"));
    assert!(!stack(Some("prod-eu")).is_of("prod"));
    assert!(stack(Some("prod")).is_of("prod"));
    assert!(!stack(None).is_of("prod"), "what says nothing of itself is not ours to delete");
}

#[test]
fn a_sign_in_returns_where_the_server_says() {
    let with = |urls: &[&str]| {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        Environment {
            servers: vec![ServerSpec { callback_urls: Some(urls), ..server("time", None) }],
            ..environment("prod", &[])
        }
    };
    let given = |urls: &[&str]| {
        let stacks = deployed(&with(urls), &BTreeMap::new());
        stacks.last().and_then(|stack| stack.inputs.get("CallbackUrls").cloned())
    };
    assert_eq!(with(&[]).validate().unwrap_err().key, "server.time.callback_urls");
    let good = ["https://app.example.com/back", "http://localhost:6274/back", "vscode://mcp/back"];
    assert!(with(&good).validate().is_ok());
    assert_eq!(given(&good), Some(ParameterValue::Value(good.join(","))));
    for bad in ["http://app.example.com/back", "http://localhosts.com/,https://a", "app.example.com", "https:"] {
        let error = with(&[bad]).validate().unwrap_err().to_string();
        assert!(error.starts_with("server.time.callback_urls: ") && error.contains(bad), "{error}");
    }
}

/// It becomes an argument of the engine's program, so it is none of its flags.
#[test]
fn where_an_image_comes_from_is_no_flag() {
    for bad in ["", " ", "--privileged"] {
        let mut file = environment("prod", &["time"]);
        file.platform.gangway_from = Some(bad.into());
        assert_eq!(file.validate().unwrap_err().key, "platform.gangway_from", "{bad:?}");
        for (key, build, from) in [("build", Some(bad), None), ("from", None, Some(bad))] {
            let mut file = environment("prod", &["time"]);
            (file.servers[0].build, file.servers[0].from) = (build.map(Into::into), from.map(Into::into));
            assert_eq!(file.validate().unwrap_err().key, format!("server.time.{key}"), "{bad:?}");
        }
    }
}

#[test]
fn servers_whose_paths_overlap_are_refused() {
    let with = |paths: &[(&str, Option<&str>)]| Environment {
        servers: paths.iter().map(|(name, path)| server(name, *path)).collect(),
        ..environment("prod", &[])
    };
    let refused = |paths: &[(&str, Option<&str>)]| with(paths).validate().unwrap_err().to_string();
    let same = refused(&[("time", Some("/tools")), ("weather", Some("/tools"))]);
    assert!(same.contains("server.time.path") && same.contains("weather"), "{same}");
    let default = refused(&[("time", Some("/weather")), ("weather", None)]);
    assert!(default.contains("/weather"), "{default}");
    let below = refused(&[("time", Some("/tools/time")), ("tools", None)]);
    assert!(below.contains("server.time.path") && below.contains("tools"), "{below}");
    // What merely begins alike is apart.
    with(&[("time", None), ("timezone", None), ("tools", Some("/time-tools"))]).validate().unwrap();
}

/// An AWS on which the environment of the operators is deployed, and one of them.
async fn desk() -> (World, Desk) {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 1 });
    // Another size than deployed, so that there is something to do.
    let desk = Desk::new("alice", &world, 1024).await;
    (world, desk)
}

/// What a deployed stack has in force.
fn in_force(world: &World, name: &str, key: &str) -> Option<String> {
    let state = world.state();
    state.stacks.iter().find(|stack| stack.name == name)?.parameters.get(key).cloned()
}

#[tokio::test]
async fn a_deploy_keeps_what_was_set_by_hand_and_the_file_does_not_say() {
    let (world, desk) = desk().await;
    let by_hand = [("quarterdeck-prod-time", "LogMode", "blocking"), ("quarterdeck-prod-platform", "Mfa", "OFF")];
    for (name, key, value) in by_hand {
        let mut state = world.state();
        let stack = state.stacks.iter_mut().find(|stack| stack.name == name).unwrap();
        stack.parameters.insert(key.into(), value.into());
    }
    let running = desk.propose(PlanRequest::Deploy { servers: Vec::new() }).await.yes();
    let done = desk.agree(running).await;
    assert_eq!(done.phase, Phase::Ended(Outcome::Done));
    assert_eq!(in_force(&world, "quarterdeck-prod-time", "Memory").as_deref(), Some("1024"), "the file says it");
    for (name, key, value) in by_hand {
        assert_eq!(in_force(&world, name, key).as_deref(), Some(value), "{name}: {key}");
    }
}

#[tokio::test]
async fn a_plan_is_refused_with_the_way_out_and_writes_nothing() {
    let (world, mut desk) = desk().await;
    let mut file = Environment::clone(desk.session.environment.as_ref().unwrap());
    file.platform.origin = Some(Origin::Public);
    desk.session.environment = Some(Arc::new(file));
    let refused = desk.plan(PlanRequest::Deploy { servers: Vec::new() }).await.unwrap_err();
    assert!(refused.why().contains("platform.origin of quarterdeck-prod-platform"), "{refused}");
    assert!(refused.hint().unwrap().contains("deploy an environment of another name"), "{refused}");
    assert!(world.state().log.is_empty(), "{:?}", world.state().log);
}
