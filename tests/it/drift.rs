//! What is not as `quarterdeck.toml` says, and what is not as its stack says: which differences are some, and where
//! the console tells them.

use std::collections::BTreeMap;

use crate::support::operators::Desk;
use crate::support::painted::{ALL, LARGE, body, screen};
use crate::support::world::{self, Setup, definition};
use crate::support::{Console, World, fixtures, plans, stacks};
use quarterdeck::console::dialogs::Dialog;
use quarterdeck::console::effect::Effect;
use quarterdeck::core::environment::{self, Difference, Environment};
use quarterdeck::core::finding::{self, Finding, Gravity, Id};
use quarterdeck::core::fleet::{Bounds, Rollout, Server};
use quarterdeck::core::operation::{Intent, PlanRequest};
use quarterdeck::core::stack::{Stack, StackStatus};
use quarterdeck::core::unread::Read;
use rstest::rstest;

fn stack_of_time() -> Stack {
    stacks::settled().into_iter().find(|stack| stack.id.name.ends_with("-time")).unwrap()
}

/// The stack `time` as it is deployed, against a file that says how much memory it has.
#[rstest]
#[case::as_it_says("1024", "1024", &[])]
#[case::other("1024", "512", &["Memory is \"512\", the file says \"1024\""])]
#[case::hidden("1024", "****", &[])]
fn drift_is_what_a_stack_has_otherwise_than_the_file_says(
    #[case] file: &str,
    #[case] there: &str,
    #[case] said: &[&str],
) {
    let text = format!(
        "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'time'\nimage = 'mcp-time:1'\nmemory = {file}\n"
    );
    let mut stack = stack_of_time();
    stack.parameters.insert("Memory".into(), there.into());
    // Unsaid in the file: what is deployed stays.
    stack.parameters.insert("Cpu".into(), "4096".into());
    let found = compared(&text, stack);
    let evidence: Vec<&str> = found.iter().map(|finding| finding.evidence.as_str()).collect();
    assert_eq!(evidence, said);
    assert!(found.iter().all(|finding| finding.id == Id::Drift && finding.gravity == Gravity::Note));
}

/// What drifts of a stack, by this file.
fn compared(file: &str, stack: Stack) -> Vec<Finding> {
    let file: Environment = toml::from_str(file).unwrap();
    let mut all = [stack];
    environment::compare(&file, &BTreeMap::new(), &mut all);
    all.iter().flat_map(|stack| finding::drift(None, stack)).collect()
}

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// A deploy puts what a name stood for into the stack. That is no difference, and a name of something else is one.
#[rstest]
#[case::by_the_tag_that_was_deployed("files", 0)]
#[case::of_another_repository("notes", 1)]
fn an_image_by_its_tag_and_the_command_of_the_image_are_no_drift(#[case] repository: &str, #[case] many: usize) {
    let text = format!(
        "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'time'\nimage = '{ECR}/{repository}:1'\n\
         [server.app]\ntransport = 'stdio'\n"
    );
    let mut stack = stack_of_time();
    stack.parameters.insert("Image".into(), format!("{ECR}/files@sha256:0a"));
    stack.parameters.insert("AppCommand".into(), "node,index.js".into());
    assert_eq!(compared(&text, stack.clone()).len(), many);
    // A command that the file says is compared.
    let said = compared(&format!("{text}command = ['node', 'other.js']\n"), stack);
    assert!(said.iter().any(|one| one.evidence.contains("AppCommand is \"node,index.js\"")), "{said:?}");
}

/// What has become of it.
fn become_of(what: &str, server: &mut Server, stack: &mut Stack) {
    let revision = |server: &Server, number: u32| server.task_definition.replace(":7", &format!(":{number}"));
    match what {
        "as it was deployed" => {}
        "rolled back" => server.task_definition = revision(server, 6),
        "scaled" => server.desired = 4,
        "stopped" => server.desired = 0,
        "bounds not read" => server.bounds = fixtures::unread("DescribeScalableTargets"),
        "scaled in an update" => {
            (server.desired, stack.status) = (4, StackStatus("UPDATE_IN_PROGRESS".into()));
        }
        "scaled after a failure" => {
            (server.desired, stack.status) = (4, StackStatus("UPDATE_ROLLBACK_COMPLETE".into()));
        }
        "in a deployment" => {
            server.task_definition = revision(server, 8);
            server.deployments[0].rollout = Rollout::InProgress;
        }
        "a stack that names none" => {
            server.task_definition = revision(server, 6);
            stack.outputs.clear();
        }
        bounds => server.bounds = Read::Known(Some(bounds.parse().unwrap())),
    }
}

#[rstest]
#[case("2..2", "as it was deployed", "")]
#[case("2..2", "rolled back", "it runs quarterdeck-prod-time:6, its stack names quarterdeck-prod-time:7")]
#[case("2..2", "scaled", "it is to run 4 tasks, its stack says 2")]
// Told by a finding of its own.
#[case("2..2", "stopped", "")]
#[case("1..6", "2..12", "autoscaling goes 2..12, its stack says 1..6")]
#[case("1..6", "1..6", "")]
#[case("1..6", "bounds not read", "")]
// Autoscaling is what changes the count.
#[case("1..6", "scaled", "")]
#[case("2..2", "scaled in an update", "")]
#[case("2..2", "scaled after a failure", "")]
#[case("2..2", "in a deployment", "")]
#[case("2..2", "a stack that names none", "")]
fn a_service_drifts_from_its_stack(#[case] bounds: Bounds, #[case] what: &str, #[case] said: &str) {
    let mut server = fixtures::server("time", 2);
    let mut stack = stack_of_time();
    stack.outputs.insert(Stack::DEFINITION.into(), server.task_definition.clone());
    let Bounds { min, max } = bounds;
    stack.parameters.extend([("MinCount".into(), min.to_string()), ("MaxCount".into(), max.to_string())]);
    become_of(what, &mut server, &mut stack);
    let found = finding::drift(Some(&server), &stack);
    let evidence = found.iter().map(|one| one.evidence.split_once("; a deploy that does not").unwrap().0);
    assert_eq!(evidence.collect::<Vec<_>>().join("; "), said);
    assert!(found.iter().all(|one| one.id == Id::ServiceDrift && one.gravity == Gravity::Note));
}

/// A world whose stack `time` has less memory than the file says, and whose service `time` was rolled back.
fn drifted() -> World {
    let mut world = World { stacks: stacks::settled(), ..fixtures::world() };
    let differs = |parameter: &str, deployed: &str, file: &str| Difference {
        parameter: parameter.into(),
        deployed: deployed.into(),
        file: file.into(),
    };
    for stack in &mut world.stacks {
        stack.differs = Some(Vec::new());
        if stack.id.name.ends_with("-time") {
            stack.differs = Some(vec![
                differs("Memory", "512", "1024"),
                differs("App", &"{\"environment\":{\"API_URL\":\"https://internal.example\"}}".repeat(2), "{}"),
            ]);
            let newer = "arn:aws:ecs:eu-west-1:123456789012:task-definition/quarterdeck-prod-time:8";
            stack.outputs.insert(Stack::DEFINITION.into(), newer.into());
        }
        if stack.id.name.ends_with("-network") {
            stack.differs = Some(vec![differs("NatMode", "single", "zonal")]);
        }
    }
    world
}

#[test]
fn drift_is_shown_on_fleet_and_on_stack() {
    let mut console = Console::with(drifted());
    for size in ALL {
        insta::assert_snapshot!(format!("fleet-drift@{}x{}", size.0, size.1), body(&console, *size));
    }
    console.keys("3jjj");
    console.tick(1);
    for size in ALL {
        insta::assert_snapshot!(format!("stack-drift@{}x{}", size.0, size.1), body(&console, *size));
    }
    console.keys("k");
    console.keys("k");
    let network = screen(&console, LARGE);
    assert!(network.contains("NatMode is \"single\", the file says \"zonal\""), "{network}");
    // What breaks nothing is not called a cause.
    console.keys("1");
    assert!(!screen(&console, LARGE).contains("why  "), "{}", screen(&console, LARGE));
}

/// What a deploy leaves as it is may be what the operator wanted to change.
#[test]
fn a_plan_that_has_nothing_to_do_says_what_it_leaves() {
    let idle = |warnings: &[&str]| {
        let mut plan = plans::deploy();
        plan.changes.clear();
        if let Intent::Deploy(deploy) = &mut plan.intent {
            deploy.stacks.clear();
        }
        plan.warnings = warnings.iter().map(|text| (*text).to_owned()).collect();
        plan
    };
    let mut console = Console::new();
    console.keys("3D");
    let done = console.planned(idle(&[]));
    assert!(console.model.dialogs.is_empty() && console.toast().contains("nothing to do"), "{}", console.toast());
    assert!(done.iter().any(|effect| matches!(effect, Effect::Discard(_))), "{done:?}");
    console.keys("D");
    let done = console.planned(idle(&["service time is not as its stack says"]));
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Text { .. })));
    let shown = screen(&console, LARGE);
    assert!(shown.contains("nothing to do") && shown.contains("service time is not as its stack says"), "{shown}");
    assert!(done.iter().any(|effect| matches!(effect, Effect::Discard(_))), "{done:?}");
}

/// After a rollback the stack is as it was, so a deploy of the same file has nothing to do, and the service stays back.
#[rstest]
#[case::rolled_back(8, true)]
#[case::as_it_was_deployed(10, false)]
#[tokio::test]
async fn a_deploy_warns_of_a_service_that_it_leaves(#[case] runs: u32, #[case] warns: bool) {
    let world = world::World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    {
        let mut state = world.state();
        let service = state.services.get_mut("time").unwrap();
        let arn = |revision: u32| definition("time", revision);
        service.revision = runs;
        let stack = state.stacks.iter_mut().find(|stack| stack.name == "quarterdeck-prod-time").unwrap();
        stack.definition = Some(arn(10));
    }
    let desk = Desk::new("alice", &world, 512).await;
    let plan = desk.plan(PlanRequest::Deploy { servers: Vec::new() }).await.unwrap();
    let told: Vec<&String> = plan.warnings.iter().filter(|text| text.contains("not as its stack says")).collect();
    assert_eq!(told.len(), usize::from(warns), "{:?}", plan.warnings);
    assert!(told.iter().all(|text| text.contains(":8, its stack names") && text.contains("leaves it so")), "{told:?}");
}
