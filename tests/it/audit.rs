//! An audit that version 0.1.0 wrote: all its records are listed, and its unfinished operations can go on.
//!
//! `audit/v0.1.0.jsonl` is what version 0.1.0 wrote as it played plans like those of the tests and
//! left them at a step, let a step fail, or took a rotation back.

use crate::support::fixtures;
use quarterdeck::core::identity::Context;
use quarterdeck::core::operation::intent::LAYOUT;
use quarterdeck::core::operation::record::{Entry, Outcome};
use quarterdeck::core::operation::{Fact, Intent, Operation, Phase};
use quarterdeck::run::audit::Audit;

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

/// Whether everything that the old value says is in the new one.
fn holds(now: &serde_json::Value, old: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object};
    match (now, old) {
        (Object(now), Object(old)) => old.iter().all(|(key, old)| now.get(key).is_some_and(|now| holds(now, old))),
        (Array(now), Array(old)) => now.len() == old.len() && now.iter().zip(old).all(|(now, old)| holds(now, old)),
        _ => now == old,
    }
}

#[test]
fn records_of_earlier_versions_are_read_with_the_same_meaning() {
    let kept = Kept::new();
    let records = kept.audit.records().unwrap();
    assert_eq!(records.len(), OLD.lines().count(), "no line is left out");
    for (record, line) in records.iter().zip(OLD.lines()) {
        let (old, now): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(line).unwrap(), serde_json::to_value(record).unwrap());
        assert!(holds(&now, &old), "something is lost of {old}: {now}");
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

/// The audit names steps by their index, and they are others now. So it is never gone on with; it is offered
/// to be closed, and a rotation can be taken back by what it has learnt.
#[test]
fn an_operation_of_an_earlier_version_is_known_as_such() {
    assert!(Kept::new().open().iter().all(|operation| operation.plan.layout != LAYOUT));
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
    let Intent::StopTask(stop) = kept.operation("op-stop").plan.intent else { panic!("it stops a task") };
    assert_eq!(stop.service, None);
    assert_eq!(kept.operation("op-stop").steps().len(), 2, "no service replaces it");
}
