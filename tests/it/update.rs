//! What a version leaves on disk, the next one goes on with: audits of each layout of the steps are kept in `audit/`.
//!
//! `audit/layout-N.jsonl` is what the version that had that layout wrote as it played plans of the tests and was cut
//! off early, in the middle and late. When the layout is raised, `QUARTERDECK_AUDIT=write` writes the next one, and the
//! ones before stay as they are.

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::support::{at, fixtures, plans};
use quarterdeck::core::identity::Context;
use quarterdeck::core::operation::intent::LAYOUT;
use quarterdeck::core::operation::protocol::News;
use quarterdeck::core::operation::record::Record;
use quarterdeck::core::operation::{
    Applied, Check, CheckState, Event, Facts, Offer, Operation, Order, Phase, Standing, Way,
};
use quarterdeck::core::plan::{Confirm, Plan};
use quarterdeck::run::audit::Audit;

/// The plans that are cut off, and the name of each.
fn every_plan() -> [(&'static str, Plan); 6] {
    [
        ("scale", plans::scale()),
        ("deploy", plans::deploy()),
        ("destroy", plans::destroy()),
        ("rotate-dual", plans::rotate(true)),
        ("rotate-replace", plans::rotate(false)),
        ("undo", plans::undo()),
    ]
}

/// A world in which everything goes well, and what it was told to record.
struct World {
    operation: Operation,
    wanted: VecDeque<Order>,
    now: i64,
    records: Vec<Record>,
}

impl World {
    fn new(operation: Operation, now: i64) -> Self {
        Self { operation, wanted: VecDeque::new(), now, records: Vec::new() }
    }

    fn event(&mut self, event: Event) {
        self.now += 1;
        self.wanted.extend(self.operation.handle(event, at(self.now)));
    }

    fn agree(&mut self) {
        let answer = match self.operation.confirm() {
            Confirm::Yes => "y".to_owned(),
            Confirm::Typed(name) => name.clone(),
        };
        self.event(Event::Answer(answer));
    }

    /// Does what is wanted, until nothing is or as many records are written.
    fn run(&mut self, records: usize) {
        while let Some(order) = self.wanted.pop_front() {
            match order {
                Order::Record(record, mark) => {
                    self.records.push(*record);
                    if self.records.len() == records {
                        return;
                    }
                    self.event(Event::Recorded(mark));
                }
                Order::Apply(step, _, _) => {
                    let facts = self.learnt(step);
                    self.event(Event::Step { step, news: News::Applied(Applied::Done(facts)) });
                }
                Order::Check(step, Check::GraceOver { until }, _) if at(self.now) < until => {
                    self.now += 3_600;
                    let state = CheckState::Pending("not yet".into());
                    self.event(Event::Step { step, news: News::Checked(state, Facts::new()) });
                }
                Order::Check(step, _, _) => {
                    let (state, facts) = (CheckState::Holds("as promised".into()), self.learnt(step));
                    self.event(Event::Step { step, news: News::Checked(state, facts) });
                }
                Order::Tell(_) | Order::Discard => {}
            }
        }
    }

    fn learnt(&self, step: usize) -> Facts {
        plans::learnt(&self.operation.steps()[step].work, "")
    }
}

/// The records of a plan that is cut off after so many; of all of it, if there are fewer.
fn play(id: String, plan: Plan, records: usize) -> Vec<Record> {
    let mut world = World::new(Operation::propose(Plan { id, ..plan }, false), 0);
    world.agree();
    world.run(records);
    world.records
}

fn file(layout: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/audit/layout-{layout}.jsonl"))
}

/// Plays all plans, each cut off after its intent, in the middle and before its outcome.
fn write() {
    let mut lines = String::new();
    for (name, plan) in every_plan() {
        let all = play(name.into(), plan.clone(), usize::MAX).len();
        for (when, records) in [("early", 2), ("middle", all / 2), ("late", all - 1)] {
            for record in play(format!("op-{name}-{when}"), plan.clone(), records) {
                lines += &(serde_json::to_string(&record).unwrap() + "\n");
            }
        }
    }
    std::fs::write(file(LAYOUT), lines).unwrap();
}

/// The unfinished operations of the audit that a version with this layout has left, and all of its records.
fn left(layout: u32) -> (Vec<Operation>, Vec<Record>) {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(file(layout)).unwrap_or_default();
    assert!(!text.is_empty(), "{} is missing: QUARTERDECK_AUDIT=write writes it", file(layout).display());
    std::fs::write(directory.path().join("audit.jsonl"), &text).unwrap();
    let audit = Audit::open(directory.path()).unwrap();
    let context = Context { environment: "prod".into(), region: "eu-west-1".into(), ..fixtures::context() };
    let records = audit.records().unwrap();
    assert_eq!(records.len(), text.lines().count(), "no line is left out");
    (audit.unfinished(&Context { endpoint: None, ..context }).unwrap(), records)
}

#[test]
fn an_operation_that_a_version_with_these_steps_has_left_goes_on_to_its_end() {
    if std::env::var("QUARTERDECK_AUDIT").is_ok_and(|what| what == "write") {
        write();
    }
    let (open, _) = left(LAYOUT);
    assert_eq!(open.len(), 3 * every_plan().len());
    for operation in open {
        let id = operation.id().to_owned();
        assert_eq!(operation.plan.layout, LAYOUT, "{id}");
        assert!(matches!(operation.phase, Phase::Paused { .. }), "{id}");
        let mut world = World::new(operation, 1_000_000);
        world.event(Event::Offer(Offer { way: Way::Resume, standing: Standing::Resumable }));
        world.agree();
        world.run(usize::MAX);
        assert!(matches!(world.operation.phase, Phase::Ended(_)), "{id}: {:?}", world.operation.phase);
    }
}

#[test]
fn what_was_done_before_an_update_is_not_done_again() {
    let (open, records) = left(LAYOUT);
    for operation in open {
        let done = |record: &&Record| {
            record.operation == operation.id()
                && matches!(record.entry, quarterdeck::core::operation::record::Entry::Done { .. })
        };
        assert_eq!(operation.done.len(), records.iter().filter(done).count(), "{}", operation.id());
    }
}

#[test]
fn what_an_earlier_layout_has_left_is_offered_and_known_as_such() {
    for layout in (1..LAYOUT).filter(|layout| file(*layout).exists()) {
        let (open, _) = left(layout);
        assert_eq!(open.len(), 3 * every_plan().len());
        assert!(open.iter().all(|operation| operation.plan.layout == layout));
    }
}
