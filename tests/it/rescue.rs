//! Hands for a deploy that is stuck: what each does, killed at every step and gone on with, and with a colleague who
//! acts in between.

use std::process::{Command, Stdio};

use crate::support::operators::Desk;
use crate::support::pty;
use crate::support::world::{Kind, Setup, Stack, World};
use quarterdeck::core::error::{ErrorKind, PlanError};
use quarterdeck::core::operation::protocol::Question;
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Intent, Operation, Phase, PlanRequest, Standing, Way};
use quarterdeck::core::plan::{Confirm, Risk};
use rstest::rstest;
use serde_json::Value;

const STACK: &str = "quarterdeck-prod-time";

fn world() -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    ticks(&world);
    world
}

fn ticks(world: &World) {
    (0..6).for_each(|_| world.tick());
}

/// A deployment of `time` whose tasks fail, and that no circuit breaker ends.
fn failing(world: &World) {
    let mut state = world.state();
    let service = state.services.get_mut("time").unwrap();
    (service.broken, service.kind.breaker, service.revision) = (true, false, service.revision + 1);
    state.deploy_service("time");
    state.services.get_mut("time").unwrap().broken = false;
    drop(state);
    world.tick();
}

fn stop() -> PlanRequest {
    PlanRequest::StopDeployment { server: "time".into() }
}

fn cancel() -> PlanRequest {
    PlanRequest::CancelUpdate { stack: "time".into() }
}

fn go_on(skip: &[&str]) -> PlanRequest {
    PlanRequest::ContinueRollback { stack: "time".into(), skip: skip.iter().map(|one| (*one).to_owned()).collect() }
}

/// Brings the world into the state that the request is for.
fn stuck(what: &str) -> (World, PlanRequest) {
    let world = world();
    let request = match what {
        "stop" => {
            failing(&world);
            stop()
        }
        "stop of a stack's" => {
            world.state().hang("time", "somebody");
            ticks(&world);
            stop()
        }
        "cancel" => {
            world.state().hang("time", "somebody");
            ticks(&world);
            cancel()
        }
        "continue" => {
            world.state().stick("time", "the task definition is gone");
            go_on(&["Service"])
        }
        other => panic!("{other}"),
    };
    (world, request)
}

fn status(world: &World) -> String {
    let state = world.state();
    state.stacks.iter().find(|stack| stack.name == STACK).unwrap().status.clone()
}

fn release(world: &World) -> &'static str {
    world.state().services["time"].releases.last().unwrap().status
}

/// What was written to what is stuck, by whom.
fn written(world: &World) -> Vec<String> {
    let words = ["stop the deployment", "cancel the update", "continue the rollback"];
    let state = world.state();
    state.log.iter().filter(|line| words.iter().any(|word| line.contains(word))).cloned().collect()
}

fn reason(operation: &Operation) -> String {
    match &operation.phase {
        Phase::Ended(Outcome::Failed { reason, .. }) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn done(operation: &Operation) {
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{}", operation.plan.title);
}

/// What must be true in the end, whatever happened on the way.
fn is_back(what: &str, world: &World, most: usize) {
    let wrote = written(world);
    assert!((1..=most).contains(&wrote.len()), "{what}: {wrote:?}");
    match what {
        "stop" => assert_eq!((release(world), status(world).as_str()), ("ROLLBACK_SUCCESSFUL", "CREATE_COMPLETE")),
        "continue" => assert_eq!(status(world), "UPDATE_ROLLBACK_COMPLETE"),
        _ => assert_eq!((release(world), status(world).as_str()), ("ROLLBACK_SUCCESSFUL", "UPDATE_ROLLBACK_COMPLETE")),
    }
    let state = world.state();
    assert_eq!((state.services["time"].revision, state.services["time"].serving().len()), (1, 2), "{what}");
}

/// Carries it out, killed before or after a step; `false` if it has no such step.
async fn carried_out(what: &str, cut: Option<(bool, usize)>) -> bool {
    let (world, request) = stuck(what);
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await;
    assert_eq!(written(&world), Vec::<String>::new(), "a plan changes nothing");
    let titles: Vec<String> = running.operation.steps().iter().map(|step| step.title.clone()).collect();
    let running = running.yes();
    let ended = match cut {
        None => alice.agree(running).await,
        Some((_, step)) if step >= titles.len() => return false,
        Some((after, step)) => {
            let id = match after {
                false => alice.killed_before(running, &titles[step]).await,
                true => alice.killed_after(running, &titles[step]).await,
            };
            alice.agree(alice.offer(&id, Way::Resume).await.yes()).await
        }
    };
    done(&ended);
    is_back(what, &world, 1);
    true
}

#[rstest]
#[case("stop")]
#[case("stop of a stack's")]
#[case("cancel")]
#[case("continue")]
#[tokio::test]
async fn what_is_stuck_goes_back_once_and_after_each_kill(#[case] what: &str) {
    assert!(carried_out(what, None).await);
    for step in 0.. {
        if !carried_out(what, Some((false, step))).await {
            break;
        }
        assert!(carried_out(what, Some((true, step))).await);
    }
}

/// A colleague was first while the plan waited. What was wanted is on its way, so nothing is sent, and its end is waited
/// for.
#[rstest]
#[case("stop")]
#[case("cancel")]
#[case("continue")]
#[tokio::test]
async fn of_two_who_want_the_same_one_sends_it(#[case] what: &str) {
    let (world, request) = stuck(what);
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let waiting = alice.propose(request.clone()).await;
    let bobs = bob.until(bob.propose(request).await.yes(), "wait until").await;
    done(&alice.agree(waiting).await);
    done(&bob.agree(bobs).await);
    is_back(what, &world, 1);
    assert!(written(&world)[0].starts_with("bob"), "{:?}", written(&world));
}

/// What was to be taken back ended by itself while the plan waited: nothing is sent, and it is told.
#[rstest]
#[case::the_deployment("stop", "deployment")]
#[case::the_update("cancel", "the update of quarterdeck-prod-time has ended meanwhile (UPDATE_COMPLETE)")]
#[case::the_way_back_failed("stop: failed", "was taken back, and that failed")]
#[tokio::test]
async fn what_ended_while_the_plan_waited_is_left_alone(#[case] what: &str, #[case] told: &str) {
    let (what, status) = match what.split_once(':') {
        Some((what, _)) => (what, "ROLLBACK_FAILED"),
        None => (what, "SUCCESSFUL"),
    };
    let (world, request) = stuck(what);
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await;
    {
        let mut state = world.state();
        state.services.get_mut("time").unwrap().releases.last_mut().unwrap().status = status;
        let stack = state.stacks.iter_mut().find(|stack| stack.name == STACK).unwrap();
        if stack.status == "UPDATE_IN_PROGRESS" {
            stack.status = "UPDATE_COMPLETE".into();
        }
    }
    let ended = alice.agree(running).await;
    let reason = reason(&ended);
    assert!(reason.contains(told) && reason.contains("meanwhile"), "{reason}");
    assert_eq!(written(&world), Vec::<String>::new());
}

/// The same where it ended between the look and the call: AWS refuses, and what is there now is told.
#[rstest]
#[case::the_deployment("stop", "StopServiceDeployment", "has completed meanwhile")]
#[case::the_update("cancel", "CancelUpdateStack", "has ended meanwhile (UPDATE_COMPLETE)")]
#[tokio::test]
async fn what_aws_refuses_because_it_has_ended_is_told_as_that(
    #[case] what: &str,
    #[case] call: &str,
    #[case] told: &str,
) {
    let (world, request) = stuck(what);
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await.yes();
    let first = running.operation.steps()[0].title.clone();
    let flight = alice.on_its_way(running, &first, call).await;
    {
        let mut state = world.state();
        state.services.get_mut("time").unwrap().releases.last_mut().unwrap().status = "SUCCESSFUL";
        let stack = state.stacks.iter_mut().find(|stack| stack.name == STACK).unwrap();
        if stack.status == "UPDATE_IN_PROGRESS" {
            stack.status = "UPDATE_COMPLETE".into();
        }
    }
    let ended = alice.arrives(flight).await;
    assert!(reason(&ended).contains(told), "{}", reason(&ended));
}

/// The update that was shown is over, and another one is under way: it is not cancelled unasked.
#[tokio::test]
async fn another_update_is_not_cancelled_without_asking() {
    let (world, request) = stuck("cancel");
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await.yes();
    world.state().hang("time", "another");
    let asked = alice.rest(running).await;
    let Phase::Consent(Question::Changed(changed)) = &asked.phase else { panic!("{:?}", asked.phase) };
    assert!(changed.now.starts_with("another one, begun"), "{changed}");
    assert_eq!(written(&world), Vec::<String>::new());
    done(&alice.agree(asked.into()).await);
    assert_eq!(status(&world), "UPDATE_ROLLBACK_COMPLETE");
}

/// A colleague has gone on without a skip, and something else has failed: what the plan showed does not hold.
#[tokio::test]
async fn a_rollback_that_fails_elsewhere_by_now_is_asked_about() {
    let (world, request) = stuck("continue");
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await.yes();
    {
        let mut state = world.state();
        let stack = state.stacks.iter_mut().find(|stack| stack.name == STACK).unwrap();
        stack.stuck.push(("Task", "no more room".into()));
    }
    let bob = Desk::new("bob", &world, 512).await;
    let again = bob.agree(bob.propose(go_on(&[])).await).await;
    assert!(reason(&again).contains("UPDATE_ROLLBACK_FAILED"), "{}", reason(&again));
    let asked = alice.rest(running).await;
    let Phase::Consent(Question::Changed(changed)) = &asked.phase else { panic!("{:?}", asked.phase) };
    assert_eq!((changed.planned.as_str(), changed.now.as_str()), ("Service", "Service, Task"));
    let ended = alice.agree(asked.into()).await;
    assert!(reason(&ended).contains("no more room"), "{}", reason(&ended));
}

/// What was to be skipped was rolled back meanwhile: CloudFormation would refuse the whole call.
#[tokio::test]
async fn a_skip_of_what_did_not_fail_any_more_is_planned_again() {
    let (world, request) = stuck("continue");
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await.yes();
    let stack = |stack: &&mut Stack| stack.name == STACK;
    world.state().stacks.iter_mut().find(stack).unwrap().stuck = vec![("Task", "no more room".into())];
    let ended = alice.rest(running).await;
    assert!(reason(&ended).contains("Service is none of what could not be rolled back any more"), "{}", reason(&ended));
    assert_eq!(written(&world), Vec::<String>::new());
}

/// The process ended after the call and before its answer, and the rollback failed once more: that is the outcome of
/// this call, and no second one is sent.
#[tokio::test]
async fn a_rollback_that_was_gone_on_with_and_failed_again_is_not_gone_on_with_twice() {
    let (world, _) = stuck("continue");
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(go_on(&[])).await.yes();
    let id = alice.killed_after(running, "continue the rollback").await;
    ticks(&world);
    assert_eq!(status(&world), "UPDATE_ROLLBACK_FAILED");
    let ended = alice.agree(alice.offer(&id, Way::Resume).await.yes()).await;
    assert!(reason(&ended).contains("UPDATE_ROLLBACK_FAILED"), "{}", reason(&ended));
    assert_eq!(written(&world).len(), 1);
}

/// The rollback went on between the look and the call: what was wanted is on its way.
#[tokio::test]
async fn a_rollback_that_goes_on_while_the_call_is_on_its_way_is_waited_for() {
    let (world, request) = stuck("continue");
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let running = alice.propose(request.clone()).await.yes();
    let first = running.operation.steps()[0].title.clone();
    let flight = alice.on_its_way(running, &first, "ContinueUpdateRollback").await;
    done(&bob.agree(bob.propose(request).await).await);
    done(&alice.arrives(flight).await);
    is_back("continue", &world, 1);
}

/// A stack of the same name that was made since is another one.
#[rstest]
#[case("cancel")]
#[case("continue")]
#[tokio::test]
async fn a_stack_that_was_made_anew_is_left_alone(#[case] what: &str) {
    let (world, request) = stuck(what);
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await.yes();
    let stack = |stack: &&mut Stack| stack.name == STACK;
    world.state().stacks.iter_mut().find(stack).unwrap().id += "-anew";
    let ended = alice.rest(running).await;
    assert!(reason(&ended).contains("was made anew"), "{}", reason(&ended));
    assert_eq!(written(&world), Vec::<String>::new());
}

/// What is skipped is named with what that means, and the environment's name is asked for; what was only given up
/// cannot be skipped.
#[tokio::test]
async fn a_skip_says_what_it_means_and_asks_for_a_name() {
    let (world, _) = stuck("continue");
    let alice = Desk::new("alice", &world, 512).await;
    let plain = alice.plan(go_on(&[])).await.unwrap();
    assert!(plain.warnings[0].contains("`--skip Service` leaves it as it is"), "{:?}", plain.warnings);
    assert_eq!(plain.confirm, Confirm::Yes);
    let skips = alice.plan(go_on(&["Service"])).await.unwrap();
    assert!(skips.warnings[0].contains("is then not what the template"), "{:?}", skips.warnings);
    assert_eq!(skips.confirm, Confirm::Typed("prod".into()));
    assert!(skips.commands[0].ends_with("--resources-to-skip Service"), "{:?}", skips.commands);
    let refusal = alice.plan(go_on(&["Group"])).await.unwrap_err();
    assert!(refusal.hint().is_some_and(|hint| hint == "these can be: Service"), "{refusal:?}");
}

/// The deploy of a colleague is told as cancelled, and by whom, not as failed by itself.
#[rstest]
#[case::events_with_the_token_of_the_request("cancel", false, "bob (operation qd-")]
#[case::events_with_the_token_of_the_update("cancel", true, "someone cancelled")]
#[case::its_service_deployment_was_stopped("stop of a stack's", false, "cancelled it: deployment release")]
#[tokio::test]
async fn a_deploy_that_somebody_takes_back_is_told_as_that(
    #[case] what: &str,
    #[case] keeps: bool,
    #[case] told: &str,
) {
    let world = world();
    world.state().keeps_tokens = keeps;
    world.state().hanging.insert(STACK.to_owned());
    {
        let mut state = world.state();
        let service = state.services.get_mut("time").unwrap();
        (service.broken, service.kind.breaker) = (true, false);
    }
    let (mut alice, mut bob) = (Desk::new("alice", &world, 1_024).await, Desk::new("bob", &world, 512).await);
    (alice.broken, bob.broken) = (true, true);
    let deploys = alice.propose(PlanRequest::Deploy { servers: vec!["time".into()] }).await.yes();
    let deploys = alice.until(deploys, "wait until quarterdeck-prod-time is complete").await;
    world.state().services.get_mut("time").unwrap().broken = false;
    let request = if what == "cancel" { cancel() } else { stop() };
    let bobs = bob.agree(bob.propose(request).await).await;
    done(&bobs);
    let ended = alice.agree(deploys).await;
    let Phase::Ended(Outcome::Cancelled { by, what, .. }) = &ended.phase else { panic!("{:?}", ended.phase) };
    let sentence = format!("{by} cancelled it: {what}");
    assert!(sentence.contains(told), "{sentence}");
    assert!(what.contains("UPDATE_ROLLBACK_COMPLETE"), "{what}");
}

/// A failure that nobody has asked for stays a failure.
#[tokio::test]
async fn a_deploy_that_fails_by_itself_is_not_told_as_cancelled() {
    let world = world();
    world.state().failing.insert(STACK.to_owned(), "out of luck");
    let alice = Desk::new("alice", &world, 1_024).await;
    let ended = alice.agree(alice.propose(PlanRequest::Deploy { servers: vec!["time".into()] }).await).await;
    assert!(reason(&ended).contains("out of luck"), "{}", reason(&ended));
}

/// A restart of alice's whose deployment bob stops while it runs.
#[tokio::test]
async fn a_restart_whose_deployment_is_stopped_is_told_as_cancelled() {
    let world = world();
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    {
        let mut state = world.state();
        let service = state.services.get_mut("time").unwrap();
        (service.broken, service.kind.breaker) = (true, false);
    }
    let restart = alice.propose(PlanRequest::Restart { server: "time".into() }).await.yes();
    let restart = alice.until(restart, "wait until time is steady").await;
    world.state().services.get_mut("time").unwrap().broken = false;
    let bobs = bob.until(bob.propose(stop()).await.yes(), "wait until time is back").await;
    ticks(&world);
    let ended = alice.rest(restart).await;
    let Phase::Ended(Outcome::Cancelled { by, .. }) = &ended.phase else { panic!("{:?}", ended.phase) };
    assert_eq!(by.who.as_deref(), Some("bob"));
    done(&bob.agree(bobs).await);
}

/// Each is a command: it shows its plan, does nothing unasked, and tells it as JSON.
#[rstest]
#[case::stop("stop", &["stop-deployment", "time"], "status")]
#[case::cancel("cancel", &["cancel-update", "time"], "update")]
#[case::a_skip("continue", &["continue-rollback", "quarterdeck-prod-time", "--skip", "Service"], "rollback")]
fn each_is_a_command(#[case] what: &str, #[case] args: &[&str], #[case] field: &str) {
    let (world, _) = stuck(what);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let endpoint = runtime.block_on(world.serve("alice"));
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["-e", "prod", "--region", "eu-central-1", "--output", "json", "--endpoint-url", &endpoint.url]);
    command.args(args).current_dir(home.path()).stdin(Stdio::null());
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    let done = command.output().unwrap();
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    assert_eq!((done.status.code(), told["result"].as_str()), (Some(4), Some("refused")), "{told:#}");
    assert_eq!((told["changes"][0]["field"].as_str(), written(&world).len()), (Some(field), 0), "{told:#}");
    let needs = if what == "continue" { "--confirm prod" } else { "--yes" };
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(needs)), "{told:#}");
}

/// What cannot be done is refused while planning, with the way that works.
#[rstest]
#[case::nothing_is_under_way("calm", stop(), ErrorKind::NotFound, "quarterdeck rollback time")]
#[case::no_update("calm", cancel(), ErrorKind::NotFound, "nothing else")]
#[case::no_rollback("calm", go_on(&[]), ErrorKind::NotFound, "UPDATE_ROLLBACK_FAILED, and in no other state")]
#[case::the_rollback_has_failed("stuck", cancel(), ErrorKind::Conflict, "quarterdeck continue-rollback")]
#[case::the_update_goes_on("updating", go_on(&[]), ErrorKind::NotFound, "quarterdeck cancel-update")]
#[case::a_creation("creating", cancel(), ErrorKind::Conflict, "delete-stack")]
#[case::the_first_deployment("first", stop(), ErrorKind::Conflict, "scale time --desired 0")]
#[case::code_deploy("code deploy", stop(), ErrorKind::Invalid, "aws deploy stop-deployment")]
#[case::the_deployment_goes_back("deployment goes back", stop(), ErrorKind::Conflict, "quarterdeck status time")]
#[case::the_first_deployment_of_a_creation("first of a creation", stop(), ErrorKind::Conflict, "delete-stack")]
#[case::the_update_is_complete("cleanup", cancel(), ErrorKind::Conflict, "as it was before")]
#[case::the_update_goes_back("going back", cancel(), ErrorKind::Conflict, "quarterdeck stacks quarterdeck-prod-time")]
#[case::the_creation_has_failed("dead", go_on(&[]), ErrorKind::NotFound, "makes it anew")]
#[case::no_such_stack("calm", PlanRequest::CancelUpdate { stack: "tim".into() }, ErrorKind::NotFound, "quarterdeck-prod-time")]
#[tokio::test]
async fn what_aws_would_refuse_is_refused_with_the_way_out(
    #[case] state: &str,
    #[case] request: PlanRequest,
    #[case] kind: ErrorKind,
    #[case] hint: &str,
) {
    let world = world();
    let set = |to: &str| world.state().stacks.iter_mut().find(|one| one.name == STACK).unwrap().status = to.into();
    match state {
        "stuck" => set("UPDATE_ROLLBACK_FAILED"),
        "updating" => set("UPDATE_IN_PROGRESS"),
        "creating" => set("CREATE_IN_PROGRESS"),
        "cleanup" => set("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        "going back" => set("UPDATE_ROLLBACK_IN_PROGRESS"),
        "dead" => set("ROLLBACK_COMPLETE"),
        "deployment goes back" => {
            failing(&world);
            world.state().services.get_mut("time").unwrap().releases.last_mut().unwrap().status =
                "ROLLBACK_IN_PROGRESS";
        }
        "first" | "first of a creation" => {
            if state == "first of a creation" {
                set("CREATE_IN_PROGRESS");
            }
            let mut state = world.state();
            state.services.get_mut("time").unwrap().deployments.clear();
            state.deploy_service("time");
        }
        "code deploy" => {
            let mut state = world.state();
            state.services.get_mut("time").unwrap().kind = Kind { controller: "CODE_DEPLOY", ..Kind::default() };
        }
        _ => {}
    }
    let alice = Desk::new("alice", &world, 512).await;
    let refusal = alice.plan(request).await.unwrap_err();
    let PlanError::Refused(refused) = &refusal else { panic!("{refusal:?}") };
    assert_eq!(refused.kind, kind, "{refusal}");
    assert!(refusal.hint().is_some_and(|said| said.contains(hint)), "{refusal:?}");
}

/// A stop says what becomes of the stack that waits for the deployment, and waits for it only where it goes back by
/// itself.
#[rstest]
#[case::none_waits("CREATE_COMPLETE", None, false)]
#[case::one_waits("UPDATE_IN_PROGRESS", Some("takes its whole update back"), true)]
#[case::one_that_goes_back("UPDATE_ROLLBACK_IN_PROGRESS", Some("a part of CloudFormation's way back"), false)]
#[tokio::test]
async fn a_stop_says_what_becomes_of_the_stack(#[case] to: &str, #[case] warned: Option<&str>, #[case] waits: bool) {
    let world = world();
    failing(&world);
    world.state().stacks.iter_mut().find(|one| one.name == STACK).unwrap().status = to.into();
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(stop()).await.unwrap();
    let of_stack: Vec<&String> = plan.warnings.iter().filter(|warning| warning.contains(STACK)).collect();
    assert_eq!(of_stack.len(), usize::from(warned.is_some()), "{:?}", plan.warnings);
    assert!(warned.is_none_or(|words| of_stack[0].contains(words)), "{of_stack:?}");
    let Intent::StopDeployment(intent) = &plan.intent else { panic!("{:?}", plan.intent) };
    assert_eq!(intent.stack.is_some(), waits);
}

/// What a plan for a stack shows: what CloudFormation is at, whose stack it is, and what weighs.
#[tokio::test]
async fn a_plan_for_a_stack_says_what_is_at_work_and_whose_it_is() {
    let (world, request) = stuck("cancel");
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(request).await.unwrap();
    assert_eq!(plan.warnings, ["CloudFormation is at Service (AWS::ECS::Service)"]);
    let Intent::CancelUpdate(intent) = &plan.intent else { panic!("{:?}", plan.intent) };
    assert_eq!(intent.server.as_deref(), Some("time"));
    let (world, request) = stuck("continue");
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(request).await.unwrap();
    let risks: Vec<(&str, Risk)> = plan.changes.iter().map(|change| (change.field.as_str(), change.risk)).collect();
    assert_eq!(risks, [("rollback", Risk::Disruptive), ("skip", Risk::Disruptive)]);
    // One that all servers share is of none.
    let platform = |stack: &&mut Stack| stack.name == "quarterdeck-prod-platform";
    world.state().stacks.iter_mut().find(platform).unwrap().status = "UPDATE_IN_PROGRESS".into();
    let plan = alice.plan(PlanRequest::CancelUpdate { stack: "platform".into() }).await.unwrap();
    let Intent::CancelUpdate(intent) = &plan.intent else { panic!("{:?}", plan.intent) };
    assert_eq!(intent.server, None);
}

/// One that was left before it sent anything, while somebody else has gone on, does not act on what is there now.
#[tokio::test]
async fn one_that_was_left_is_judged_anew() {
    let (world, request) = stuck("cancel");
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await.yes();
    let id = alice.killed_before(running, "cancel the update").await;
    world.state().stacks.iter_mut().find(|one| one.name == STACK).unwrap().status = "UPDATE_COMPLETE".into();
    let standing = alice.standing(&alice.left(&id).await).await;
    assert_eq!(standing, Standing::Overtaken(format!("the update of {STACK} has ended (UPDATE_COMPLETE)")));
}

/// The edge lies in us-east-1, wherever its environment is: what was left of it is offered where the environment is.
#[rstest]
#[case::cancel("UPDATE_IN_PROGRESS", PlanRequest::CancelUpdate { stack: "edge".into() }, "cancel the update of quarterdeck-prod-edge")]
#[case::go_on("UPDATE_ROLLBACK_FAILED", PlanRequest::ContinueRollback { stack: "edge".into(), skip: Vec::new() }, "continue the rollback of quarterdeck-prod-edge")]
#[tokio::test]
async fn what_was_left_of_a_stack_in_another_region_is_offered_at_home(
    #[case] status: &str,
    #[case] request: PlanRequest,
    #[case] step: &str,
) {
    let world = world();
    world.state().stacks.iter_mut().find(|one| one.name == "quarterdeck-prod-edge").unwrap().status = status.into();
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(request).await.yes();
    let command = &running.operation.plan.commands[0];
    assert!(command.contains("--region us-east-1"), "{command}");
    let id = alice.killed_before(running, step).await;
    let left = alice.left(&id).await;
    assert!(left.plan.target.is_in(&alice.session.context), "{:?}", left.plan.target);
    assert_eq!(alice.standing(&left).await, Standing::Resumable);
}

/// A newer deployment has taken the place of another one, which ECS has still to stop: the newer one is what hangs.
#[tokio::test]
async fn the_deployment_that_goes_forward_is_stopped_while_the_one_before_it_still_stops() {
    let world = world();
    failing(&world);
    failing(&world);
    let newest = {
        let mut state = world.state();
        let releases = &mut state.services.get_mut("time").unwrap().releases;
        let last = releases.len() - 1;
        releases[last - 1].status = "STOP_REQUESTED";
        releases[last].id.clone()
    };
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(stop()).await.unwrap();
    let Intent::StopDeployment(intent) = &plan.intent else { panic!("{:?}", plan.intent) };
    assert!(intent.deployment.ends_with(&newest), "{} is not {newest}", intent.deployment);
}

/// An update that was left as it failed is no rollback to go on with, and AWS has a call for it.
#[tokio::test]
async fn an_update_that_was_left_as_it_failed_has_ways_of_its_own() {
    let world = world();
    world.state().stacks.iter_mut().find(|one| one.name == STACK).unwrap().status = "UPDATE_FAILED".into();
    let alice = Desk::new("alice", &world, 512).await;
    let refusal = alice.plan(go_on(&[])).await.unwrap_err();
    let hint = refusal.hint().map(ToString::to_string).unwrap_or_default();
    assert!(hint.contains("a deploy goes on with it") && hint.contains("rollback-stack"), "{hint}");
}
