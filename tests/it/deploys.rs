//! Deploying and destroying an environment on an AWS that refuses what AWS refuses: what is protected, what is
//! taken, what nobody reaches.

use crate::support::operators::{Desk, Running};
use crate::support::world::{Setup, Stack, World, definition};
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Operation, Phase, PlanRequest, Standing, Way};
use quarterdeck::core::plan::{Confirm, Plan, Risk};
use quarterdeck::run::judge::judge;
use rstest::rstest;

const PLATFORM: &str = "quarterdeck-prod-platform";

fn setup() -> Setup {
    Setup { dual: true, servers: vec!["time", "weather"], lag: 1 }
}

fn deploy() -> PlanRequest {
    PlanRequest::Deploy { servers: Vec::new() }
}

fn stack(world: &World, name: &str) -> Stack {
    let found = world.state().stacks.iter().find(|stack| stack.name == name).cloned();
    found.unwrap_or_else(|| panic!("there is no stack {name}"))
}

fn wrote(world: &World, what: &str) -> Vec<usize> {
    let state = world.state();
    state.log.iter().enumerate().filter(|(_, line)| line.contains(what)).map(|(index, _)| index).collect()
}

async fn whole(desk: &Desk, request: PlanRequest) -> Operation {
    desk.agree(desk.propose(request).await.yes()).await
}

fn done(operation: &Operation) {
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{}", operation.plan.title);
}

/// Why it failed or paused.
fn why(operation: &Operation) -> String {
    match &operation.phase {
        Phase::Paused { why, .. } => why.clone(),
        Phase::Ended(Outcome::Failed { reason, .. }) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn row<'a>(plan: &'a Plan, subject: &str, field: &str) -> &'a quarterdeck::core::plan::Change {
    let found = plan.changes.iter().find(|change| change.subject == subject && change.field == field);
    found.unwrap_or_else(|| panic!("no row {field:?} of {subject} in {:?}", plan.changes))
}

#[tokio::test]
async fn protection_is_the_last_step_of_a_first_deploy_and_the_first_of_a_destroy() {
    let world = World::empty(setup());
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(deploy()).await.unwrap();
    assert_eq!(row(&plan, PLATFORM, "deletion protection").after.as_deref(), Some("on, when everything works"));
    assert_eq!(plan.confirm, Confirm::Yes);
    done(&whole(&alice, deploy()).await);
    assert_eq!(wrote(&world, "create stack quarterdeck-prod-platform, protection false").len(), 1);
    let last = wrote(&world, "update stack quarterdeck-prod-platform, protection true");
    let stacks = wrote(&world, " stack ");
    assert_eq!(last.last(), stacks.last(), "{:?}", world.state().log);
    assert!(stack(&world, PLATFORM).protected());
    let tags = ["quarterdeck:environment".to_owned()];
    assert_eq!(stack(&world, PLATFORM).tags(), tags, "a change of parameters takes no tags away");

    done(&whole(&alice, PlanRequest::Destroy).await);
    let off = wrote(&world, "update stack quarterdeck-prod-platform, protection false");
    let deleted = wrote(&world, "delete stack ");
    assert_eq!((off.len(), deleted.len()), (1, 5));
    assert!(off[0] < deleted[0], "{:?}", world.state().log);
    assert!(world.state().stacks.is_empty());
}

/// On AWS a protected user pool would leave ROLLBACK_FAILED behind, which no deploy gets rid of.
#[rstest]
#[case(PLATFORM)]
#[case("quarterdeck-prod-network")]
#[case("quarterdeck-prod-time")]
#[tokio::test]
async fn a_first_deploy_that_failed_can_be_repeated(#[case] broken: &str) {
    let world = World::empty(setup());
    let alice = Desk::new("alice", &world, 512).await;
    world.state().failing.insert(broken.to_owned(), "Unable to assume the service linked role");
    let failed = whole(&alice, deploy()).await;
    assert!(why(&failed).contains("Broken (AWS::ECS::Service) CREATE_FAILED: Unable to assume"), "{}", why(&failed));
    assert_eq!(stack(&world, broken).status, "ROLLBACK_COMPLETE");
    world.state().failing.clear();
    let plan = alice.plan(deploy()).await.unwrap();
    assert_eq!(row(&plan, broken, "delete what is left of it").risk, Risk::Safe, "nothing of it is left");
    assert!(plan.warnings.iter().any(|warning| warning.contains("never in use")), "{:?}", plan.warnings);
    done(&whole(&alice, deploy()).await);
    assert!(stack(&world, PLATFORM).protected());
}

#[tokio::test]
async fn protection_that_an_interrupted_deploy_left_off_is_switched_on_by_the_next() {
    let world = World::empty(setup());
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(deploy()).await.yes();
    alice.killed_before(running, "make the change set that switches the protection").await;
    assert!(!stack(&world, PLATFORM).protected());
    done(&whole(&alice, deploy()).await);
    assert!(stack(&world, PLATFORM).protected());
}

/// Deleted as it is, the platform would be left in DELETE_FAILED, in which CloudFormation takes no change.
#[tokio::test]
async fn a_destroy_stops_before_a_stack_that_a_colleague_has_protected_again() {
    let world = World::deployed(setup());
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let running = alice.propose(PlanRequest::Destroy).await.yes();
    let running = alice.until(running, "delete quarterdeck-prod-platform").await;
    done(&whole(&bob, deploy()).await);
    assert!(stack(&world, PLATFORM).protected());
    let stopped = why(&alice.agree(running).await);
    assert!(stopped.contains("the deletion protection of quarterdeck-prod-platform is on"), "{stopped}");
    assert_eq!(stack(&world, PLATFORM).status, "UPDATE_COMPLETE");
    done(&whole(&alice, PlanRequest::Destroy).await);
    assert!(world.state().stacks.is_empty());
}

/// A colleague has destroyed everything while this one was about to switch the protection off.
#[tokio::test]
async fn a_destroy_is_void_before_a_stack_that_a_colleague_has_deleted() {
    let world = World::deployed(setup());
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let running = alice.propose(PlanRequest::Destroy).await.yes();
    let running = alice.until(running, "switch the deletion protection of quarterdeck-prod-platform off").await;
    done(&whole(&bob, PlanRequest::Destroy).await);
    let stopped = alice.agree(running).await;
    assert!(why(&stopped).contains("quarterdeck-prod-platform does not exist any more"), "{}", why(&stopped));
    let standing = judge(&alice.session, &stopped).await.unwrap();
    assert!(matches!(&standing, Standing::Void(why) if why.contains("does not exist any more")), "{standing:?}");
}

/// A platform that is protected, half deleted, and takes no change.
fn stuck() -> World {
    let world = World::deployed(setup());
    world.state().half_delete("platform");
    assert_eq!(stack(&world, PLATFORM).status, "DELETE_FAILED");
    world
}

#[tokio::test]
async fn what_is_protected_and_takes_no_change_is_asked_itself() {
    let world = stuck();
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(PlanRequest::Destroy).await.unwrap();
    let off = "off at the load balancer and the user pool: DELETE_FAILED takes no change";
    assert_eq!(row(&plan, PLATFORM, "deletion protection").after.as_deref(), Some(off));
    // The plan has said it: nobody is asked once more.
    done(&alice.rest(alice.propose(PlanRequest::Destroy).await.yes()).await);
    assert!(world.state().stacks.is_empty());
    let (unprotected, deleted) = (wrote(&world, "unprotect "), wrote(&world, "platform/"));
    assert_eq!(unprotected.len(), 2, "the load balancer and the user pool");
    assert!(unprotected.iter().all(|at| deleted.iter().all(|deletion| at < deletion)), "{unprotected:?} {deleted:?}");
}

/// It was not protected when the plan was made.
#[tokio::test]
async fn nobody_has_agreed_to_switch_off_what_was_off() {
    let world = World::deployed(setup());
    let switch = |value: &str| {
        let mut state = world.state();
        let platform = state.stacks.iter_mut().find(|stack| stack.name == PLATFORM).unwrap();
        platform.parameters.insert("DeletionProtection".into(), value.into());
    };
    switch("false");
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(PlanRequest::Destroy).await.yes();
    let running = alice.until(running, "delete quarterdeck-prod-platform").await;
    switch("true");
    world.state().half_delete("platform");
    let asks = alice.rest(running).await;
    let Phase::Consent(question) = &asks.phase else { panic!("{:?}", asks.phase) };
    let question = question.to_string();
    for part in ["protection of quarterdeck-prod-platform was off", "load balancer quarterdeck-prod", "user pool eu-"] {
        assert!(question.contains(part), "{part} in {question}");
    }
    assert_eq!(wrote(&world, "unprotect ").len(), 0);
    done(&alice.agree(Running::from(asks)).await);
    assert!(world.state().stacks.is_empty());
}

/// A colleague's change came between the look at the stack and its deletion.
#[tokio::test]
async fn a_deletion_that_failed_is_asked_for_again() {
    let world = World::deployed(setup());
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(PlanRequest::Destroy).await.yes();
    let running = alice.until(running, "wait until quarterdeck-prod-platform is gone").await;
    world
        .state()
        .stacks
        .iter_mut()
        .find(|stack| stack.name == PLATFORM)
        .unwrap()
        .parameters
        .remove("DeletionProtection");
    let failed = alice.rest(running).await;
    assert!(why(&failed).contains("DELETE_FAILED: UserPool"), "{}", why(&failed));
    let id = alice.killed(Running::from(failed)).await;
    let again = alice.offer(&id, Way::Resume).await.yes();
    done(&alice.agree(again).await);
    assert!(world.state().stacks.is_empty());
}

#[tokio::test]
async fn what_was_in_use_is_deleted_only_with_a_typed_name_and_the_true_reason() {
    let world = World::deployed(setup());
    let alice = Desk::new("alice", &world, 512).await;
    world.state().stacks.iter_mut().find(|stack| stack.name == PLATFORM).unwrap().status = "DELETE_FAILED".into();
    let plan = alice.plan(deploy()).await.unwrap();
    let change = row(&plan, PLATFORM, "delete what is left of it");
    assert_eq!((change.risk, change.before.as_deref()), (Risk::Destructive, Some("DELETE_FAILED, 2 resources")));
    assert_eq!(plan.confirm, Confirm::Typed("prod".into()));
    let said = plan.warnings.join("\n");
    assert!(said.contains("it was in use, and its deletion failed"), "{said}");
    assert!(said.contains("UserPool DELETE_FAILED: it cannot be deleted because deletion protection"), "{said}");
}

#[rstest]
#[case::deploy(true)]
#[case::destroy(false)]
#[tokio::test]
async fn termination_protection_is_told_before_anything_happens(#[case] remains: bool) {
    let world = World::deployed(setup());
    let alice = Desk::new("alice", &world, 512).await;
    {
        let mut state = world.state();
        let stack = state.stacks.iter_mut().find(|stack| stack.name == PLATFORM).unwrap();
        stack.termination_protection = true;
        if remains {
            stack.status = "DELETE_FAILED".into();
        }
    }
    let before = world.state().log.len();
    let request = if remains { deploy() } else { PlanRequest::Destroy };
    let error = alice.plan(request).await.expect_err("a refusal");
    assert!(error.to_string().contains("has termination protection"), "{error}");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("update-termination-protection") && hint.contains("--region eu-central-1"), "{hint}");
    assert_eq!(world.state().log.len(), before);
}

#[tokio::test]
async fn a_validation_that_failed_says_what_is_wrong_and_where() {
    let world = World::deployed(setup());
    let alice = Desk::new("alice", &world, 1_024).await;
    world.state().invalid = Some("Resource of type 'AWS::Logs::LogGroup' with identifier 'x' already exists.");
    let error = alice.plan(deploy()).await.expect_err("a refusal").to_string();
    for part in ["quarterdeck-prod-", "LogGroup (AWS::Logs::LogGroup)", "/Properties/LogGroupName", "already exists"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(!error.contains("hook(s)"), "{error}");
    assert_eq!(world.state().change_sets(), 0, "it is deleted when it has told all it knows");
}

#[tokio::test]
async fn a_validation_whose_reason_may_not_be_read_stays_to_be_asked() {
    let world = World::deployed(setup());
    let alice = Desk::new("alice", &world, 1_024).await;
    {
        let mut state = world.state();
        (state.denies_listing, state.invalid) = (true, Some("already exists"));
    }
    let error = alice.plan(deploy()).await.expect_err("a refusal");
    let hint = error.hint().unwrap_or_default();
    assert!(error.to_string().contains("AWS::EarlyValidation::ResourceExistenceCheck"), "{error}");
    assert!(hint.contains("describe-events") && hint.contains("changeSet/"), "{hint}");
    assert_eq!(world.state().change_sets(), 1);
}

#[tokio::test]
async fn whoever_may_not_list_all_stacks_can_deploy_those_of_the_file_but_not_destroy() {
    let world = World::deployed(setup());
    let alice = Desk::new("alice", &world, 1_024).await;
    world.state().denies_listing = true;
    let plan = alice.plan(deploy()).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("not name are not shown")), "{:?}", plan.warnings);
    done(&alice.agree(Running::from(Operation::propose(plan, false)).yes()).await);
    let error = alice.plan(PlanRequest::Destroy).await.expect_err("a refusal").to_string();
    assert!(error.contains("which stacks the environment has"), "{error}");
}

/// The stacks are complete and the targets healthy, but no client gets through.
#[tokio::test]
async fn a_deploy_that_nobody_reaches_is_not_done() {
    let world = World::empty(setup());
    world.state().cut_off = true;
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(deploy()).await.yes();
    let running = alice.until(running, "ask the public address of time").await;
    let (running, note) = alice.waits(running, "ask the public address of time").await;
    assert!(note.contains("HTTP 504") && note.contains("look at the targets"), "{note}");
    let id = alice.killed(running).await;
    assert!(!stack(&world, PLATFORM).protected(), "what does not work yet can be deleted");
    world.state().cut_off = false;
    done(&alice.agree(alice.offer(&id, Way::Resume).await.yes()).await);
    assert!(stack(&world, PLATFORM).protected());
}

/// The stack is complete and the service is steady, but with what it ran before: its new tasks were taken back.
#[rstest]
#[case::by_ecs(true)]
#[case::not_at_all(false)]
#[tokio::test]
async fn a_deploy_whose_service_goes_back_has_failed(#[case] back: bool) {
    let world = World::deployed(setup());
    {
        let mut state = world.state();
        let service = state.services.get_mut("time").unwrap();
        service.broken = back;
        let named = definition("time", service.revision);
        state.stacks.iter_mut().find(|stack| stack.name == "quarterdeck-prod-time").unwrap().definition = Some(named);
    }
    let alice = Desk::new("alice", &world, 1_024).await;
    let operation = whole(&alice, deploy()).await;
    match back {
        true => assert!(why(&operation).contains("is in force, not quarterdeck-prod-time:"), "{}", why(&operation)),
        false => done(&operation),
    }
}

#[tokio::test]
async fn cloudformation_acts_as_the_role_of_the_file() {
    let world = World::empty(setup());
    let mut alice = Desk::new("alice", &world, 512).await;
    let role = "arn:aws:iam::123456789012:role/quarterdeck-deploy";
    let mut environment = alice.session.environment.as_deref().unwrap().clone();
    environment.deploy.role = Some(role.into());
    alice.session.environment = Some(std::sync::Arc::new(environment));
    done(&whole(&alice, deploy()).await);
    let roles: Vec<Option<String>> = world.state().stacks.iter().map(|stack| stack.role.clone()).collect();
    assert_eq!(roles, vec![Some(role.to_owned()); 5]);
    // The role of the last time would be used; it may be gone by now.
    world.state().stacks.iter_mut().for_each(|stack| stack.role = None);
    let running = alice.propose(PlanRequest::Destroy).await.yes();
    let running = alice.until(running, "wait until quarterdeck-prod-network is gone").await;
    assert_eq!(stack(&world, "quarterdeck-prod-network").role.as_deref(), Some(role));
    done(&alice.rest(running).await);
}

#[tokio::test]
async fn a_task_definition_that_is_replaced_and_kept_needs_no_typed_name() {
    let world = World::deployed(setup());
    let alice = Desk::new("alice", &world, 1_024).await;
    let plan = alice.plan(deploy()).await.unwrap();
    let change = row(&plan, "quarterdeck-prod-time / TaskDefinition", "replace, the old one is kept");
    assert_eq!((change.risk, plan.confirm.clone()), (Risk::Disruptive, Confirm::Yes));
}
