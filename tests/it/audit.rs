//! An audit that version 0.1.0 wrote: all its records are listed, and its unfinished operations can go on.
//!
//! `audit/v0.1.0.jsonl` is what version 0.1.0 wrote as it played plans like those of the tests and
//! left them at a step, let a step fail, or took a rotation back.

use crate::support::{at, fixtures, plans};
use quarterdeck::core::identity::Context;
use quarterdeck::core::operation::protocol::Mark;
use quarterdeck::core::operation::record::{Entry, Outcome};
use quarterdeck::core::operation::work::{TokenProbe, Version};
use quarterdeck::core::operation::{
    Call, Check, Event, Fact, Facts, Intent, Operation, Order, Phase, SecretCall, ServiceCall, StackCall, Work,
};
use quarterdeck::run::audit::Audit;
use rstest::rstest;

const OLD: &str = include_str!("audit/v0.1.0.jsonl");

/// A copy of the old audit in a new directory.
struct Kept {
    audit: Audit,
    _directory: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("audit.jsonl"), OLD).unwrap();
        Self { audit: Audit::open(directory.path()).unwrap(), _directory: directory }
    }

    fn open(&self) -> Vec<Operation> {
        let context = Context { environment: "prod".into(), region: "eu-west-1".into(), ..fixtures::context() };
        self.audit.unfinished(&Context { endpoint: None, ..context }).unwrap()
    }

    fn operation(&self, id: &str) -> Operation {
        self.open().into_iter().find(|operation| operation.id() == id).unwrap_or_else(|| panic!("{id} is open"))
    }
}

/// The first calls and checks of an operation that is resumed, with the titles of their steps.
fn resumed(operation: &mut Operation) -> Vec<(String, Work)> {
    let mut wanted = operation.handle(Event::Resume(Facts::new()), at(0));
    let mut next = Vec::new();
    while let Some(effect) = wanted.pop() {
        let title = |step: usize| operation.steps()[step].title.clone();
        match effect {
            Order::Record(_, mark @ (Mark::Intent | Mark::Started(_))) => {
                wanted.extend(operation.handle(Event::Recorded(mark), at(0)));
            }
            Order::Apply(step, approved) => next.push((title(step), Work::Apply(approved.call().clone()))),
            Order::Check(step, check, _) => next.push((title(step), Work::Await(check))),
            Order::Record(..) | Order::Discard => {}
        }
    }
    next
}

#[test]
fn records_of_earlier_versions_are_read_with_the_same_meaning() {
    let kept = Kept::new();
    let records = kept.audit.records().unwrap();
    assert_eq!(records.len(), OLD.lines().count(), "no line is left out");
    for (record, line) in records.iter().zip(OLD.lines()) {
        let (old, now): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(line).unwrap(), serde_json::to_value(record).unwrap());
        assert_eq!(now, old, "the text stays the same");
    }
    let failed = records.iter().find_map(|record| match &record.entry {
        Entry::Outcome { outcome: Outcome::Failed { index, title, reason } } => Some((index, title, reason)),
        _ => None,
    });
    let (index, title, reason) = failed.expect("one has failed");
    assert_eq!((index, title.as_str()), (&None, "wait until quarterdeck-prod-weather is complete"));
    assert!(reason.contains("circuit breaker"));
    let undone = |entry: &Entry| matches!(entry, Entry::Outcome { outcome: Outcome::Undone { .. } });
    assert_eq!(records.iter().filter(|record| undone(&record.entry)).count(), 2);
}

#[test]
fn an_operation_without_an_outcome_is_unfinished() {
    let kept = Kept::new();
    let open = kept.open();
    let ids: Vec<&str> = open.iter().map(Operation::id).collect();
    assert_eq!(ids.iter().filter(|id| id.starts_with("op-dual-")).count(), 12, "{ids:?}");
    assert_eq!(ids.iter().filter(|id| id.starts_with("op-replace-")).count(), 13, "{ids:?}");
    for id in ["op-deploy-1", "op-deploy-2", "op-deploy-3", "op-destroy", "op-restart", "op-stop", "op-half-undone"] {
        assert!(ids.contains(&id), "{id}: {ids:?}");
    }
    assert!(open.iter().all(|operation| matches!(operation.phase, Phase::Paused { step: None, .. })));
    let Phase::Paused { why, .. } = &kept.operation("op-destroy").phase else { unreachable!("it is paused") };
    assert!(why.starts_with("delete quarterdeck-prod-weather: cloudformation:DeleteStack"), "{why}");
}

#[rstest]
#[case("op-deploy-1", &["make the change set of quarterdeck-prod-time", "make the change set of quarterdeck-prod-weather"])]
#[case("op-deploy-3", &["store the client secret of weather"])]
#[case("op-dual-0", &["generate a secret and store it as AWSPENDING"])]
#[case("op-dual-2", &["prove the new secret at the token endpoint"])]
#[case("op-dual-3", &["publish it: move AWSCURRENT"])]
#[case("op-dual-6", &["start a new deployment of time"])]
#[case("op-dual-10", &["delete the old secret"])]
#[case("op-replace-1", &["store its id and secret as AWSPENDING"])]
#[case("op-replace-8", &["publish the new client: move AWSCURRENT"])]
#[case("op-replace-11", &["delete the old client"])]
#[case("op-half-undone-undo", &["delete the new credentials"])]
#[case("op-destroy", &["delete quarterdeck-prod-weather"])]
fn an_unfinished_operation_goes_on_with_the_step_after_its_last_record(#[case] id: &str, #[case] expected: &[&str]) {
    let mut titles: Vec<String> = resumed(&mut Kept::new().operation(id)).into_iter().map(|(title, _)| title).collect();
    titles.sort();
    assert_eq!(titles, expected);
}

/// What a step of a resumed operation does.
fn next(id: &str) -> Work {
    let mut next = resumed(&mut Kept::new().operation(id));
    assert_eq!(next.len(), 1, "{next:?}");
    next.remove(0).1
}

#[test]
fn the_next_step_uses_what_earlier_steps_learnt() {
    let secret = |id: &str| format!("quarterdeck/prod/{id}/machine-client");
    let Work::Await(Check::TokenGranted { probe: TokenProbe { secret: of, version, .. } }) = next("op-dual-2") else {
        panic!("a proof is next");
    };
    assert_eq!((of, version), (secret("op-dual-2"), Version::Id("v2".into())));
    let promote = SecretCall::Promote { secret: secret("op-dual-3"), version: "v2".into() };
    assert_eq!(next("op-dual-3"), Work::Apply(Call::Secret(promote)));
    for (id, restarted) in [("op-dual-4", "weather"), ("op-dual-6", "time")] {
        let Work::Apply(Call::Service(ServiceCall::NewDeployment { service, replaces, .. })) = next(id) else {
            panic!("a deployment is next");
        };
        assert_eq!((service.as_str(), replaces), (restarted, None), "a deployment of somebody else is not ours");
    }
    let Work::Apply(Call::Secret(SecretCall::StageClient { client, also_allow, .. })) = next("op-replace-1") else {
        panic!("the new client is stored next");
    };
    assert_eq!((client.as_str(), also_allow.len()), ("new0client", 2));
    let Work::Apply(Call::Service(ServiceCall::NewDeployment { replaces: None, .. })) = next("op-restart") else {
        panic!("a deployment is next");
    };
}

#[test]
fn a_change_set_that_was_not_needed_is_skipped_and_one_that_was_is_asked_about() {
    let kept = Kept::new();
    let mut operation = kept.operation("op-deploy-2");
    let steps = operation.steps().to_vec();
    let work = |title: &str| steps[plans::step(&operation, title)].work.clone();
    assert_eq!(work("update quarterdeck-prod-time"), Work::Skip("nothing changes".into()));
    let settled = work("wait until quarterdeck-prod-time is complete");
    assert!(matches!(settled, Work::Await(Check::StackSettled { token: None, .. })), "{settled:?}");
    let execute = work("update quarterdeck-prod-weather");
    let Work::Apply(Call::Stack(StackCall::ExecuteChangeSet { change_set, .. })) = &execute else {
        panic!("{execute:?}");
    };
    assert!(change_set.ends_with("/quarterdeck-prod-weather"), "{change_set}");
    assert!(resumed(&mut operation).is_empty());
    assert!(matches!(&operation.phase, Phase::Consent(what) if what.contains("Service, TaskRole")));
}

#[test]
fn taking_a_rotation_back_uses_what_the_rotation_learnt() {
    let kept = Kept::new();
    let previous = |id: &str| Fact::Previous(format!("quarterdeck/prod/{id}/machine-client"));
    let dual = kept.operation("op-dual-8");
    for (name, value) in [(Fact::ClientSecret, "5h1kq8--1800000000"), (Fact::Deployment("time".into()), "ecs-svc/2")] {
        assert_eq!(dual.facts().get(&name), Some(value));
    }
    assert_eq!(dual.facts().get(&previous("op-dual-8")), Some("v1"));
    assert!(dual.facts().contains(&Fact::PromotedAt));
    let Intent::UndoRotation(undo) = kept.operation("op-half-undone-undo").plan.intent else {
        panic!("it takes one back");
    };
    assert_eq!(undo.learnt.get(&previous("op-half-undone")), Some("v1"));
    let delete = next("op-half-undone-undo");
    assert!(
        matches!(delete, Work::Apply(Call::Secret(SecretCall::DeleteClient { client, .. })) if client == "new0client")
    );
    let Intent::StopTask(stop) = kept.operation("op-stop").plan.intent else { panic!("it stops a task") };
    assert_eq!(stop.service, None);
    assert_eq!(kept.operation("op-stop").steps().len(), 2, "no service replaces it");
}
