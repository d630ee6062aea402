//! The protocol of writes: every way through it, and what no way through it can do.

use std::collections::BTreeSet;

use crate::support::{at, plans};
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::operation::protocol::{Mark, News};
use quarterdeck::core::operation::record::{Entry, Note, Outcome};
use quarterdeck::core::operation::{
    Applied, BoardCall, Call, Changed, Check, CheckState, Event, Fact, Facts, Offer, Operation, Order, Phase,
    SecretCall, ServiceCall, Standing, Way, Work,
};
use quarterdeck::core::plan::{Confirm, Plan};
use rstest::rstest;

/// Plays the driver and the cloud: answers what the operation wants, in the order told.
struct Driver {
    operation: Operation,
    wanted: Vec<Order>,
    now: i64,
    /// What a draft says that it would replace.
    surprise: String,
    applied: Vec<Call>,
    /// What colleagues are told, and what is given free besides.
    told: Vec<Call>,
    recorded: Vec<Entry>,
}

impl Driver {
    fn new(plan: Plan) -> Self {
        let (operation, surprise) = (Operation::propose(plan, false), String::new());
        Self {
            operation,
            wanted: Vec::new(),
            now: 0,
            surprise,
            applied: Vec::new(),
            told: Vec::new(),
            recorded: Vec::new(),
        }
    }

    fn confirmed(plan: Plan) -> Self {
        let mut driver = Self::new(plan);
        let answer = answer(&driver.operation);
        driver.event(Event::Answer(answer));
        driver
    }

    fn event(&mut self, event: Event) {
        self.now += 1;
        let wanted = self.operation.handle(event, at(self.now));
        self.wanted.extend(wanted);
    }

    /// Offers it as one that can go on, and agrees.
    fn go_on(&mut self, way: Way) {
        self.event(Event::Offer(Offer { way, standing: Standing::Resumable }));
        let answer = answer(&self.operation);
        self.event(Event::Answer(answer));
    }

    /// The index of a step.
    fn step(&self, title: &str) -> usize {
        plans::step(&self.operation, title)
    }

    fn is_done(&self, title: &str) -> bool {
        self.operation.done.contains_key(&self.step(title))
    }

    fn runs(&self, title: &str) -> bool {
        self.operation.running.contains_key(&self.step(title))
    }

    /// News of a step.
    fn news(&mut self, title: &str, news: News) {
        let step = self.step(title);
        self.event(Event::Step { step, news });
    }

    /// What a step learns.
    fn learnt(&self, step: usize) -> Facts {
        plans::learnt(&self.operation.steps()[step].work, &self.surprise)
    }

    /// Answers one effect well.
    fn answer(&mut self, effect: Order) {
        match effect {
            Order::Record(record, mark) => {
                self.recorded.push(record.entry);
                self.event(Event::Recorded(mark));
            }
            Order::Apply(step, approved, _) => {
                self.applied.push(approved.call().clone());
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
            Order::Tell(approved) => self.told.push(approved.call().clone()),
            Order::Discard => {}
        }
    }

    /// Answers everything, the oldest first, until nothing more is wanted.
    fn run(&mut self) {
        for _ in 0..1_000 {
            if self.wanted.is_empty() {
                return;
            }
            let effect = self.wanted.remove(0);
            self.answer(effect);
        }
        panic!("it never comes to rest");
    }

    /// Answers until a call of the step is to be applied; takes it.
    fn until_apply(&mut self, title: &str) {
        let step = self.step(title);
        for _ in 0..1_000 {
            let effect = self.wanted.remove(0);
            if matches!(&effect, Order::Apply(index, _, _) if *index == step) {
                return;
            }
            self.answer(effect);
        }
        panic!("{title:?} is never applied");
    }

    /// As [`Driver::until_apply`], for the first step of the plan.
    fn until_first(&mut self) -> String {
        let title = self.operation.steps()[0].title.clone();
        self.until_apply(&title);
        title
    }
}

/// What confirms the question that is asked.
fn answer(operation: &Operation) -> String {
    match operation.confirm() {
        Confirm::Yes => "y".to_owned(),
        Confirm::Typed(name) => name.clone(),
    }
}

const DRAFT_TIME: &str = "make the change set of quarterdeck-prod-time";
const DRAFT_WEATHER: &str = "make the change set of quarterdeck-prod-weather";
const BOUNDS: &str = "set autoscaling of time to 2..8";
const BOUNDS_READ: &str = "read the bounds of time back";
const RESTART: &str = "start a new deployment of weather";
const GRACE: &str = "grace period: the old credentials still work";

#[rstest]
#[case(plans::scale(), 2)]
#[case(plans::deploy(), 7)]
#[case(plans::destroy(), 4)]
#[case(plans::set_secret(), 1)]
#[case(plans::quarantine(), 1)]
#[case(plans::zonal_shift(), 1)]
#[case(plans::publish(), 3)]
#[case(plans::stop_deployment(), 1)]
#[case(plans::cancel_update(), 1)]
#[case(plans::continue_rollback(), 1)]
#[case(plans::rotate(true), 9)]
#[case(plans::rotate(false), 10)]
fn steps_are_done_in_order_and_recorded(#[case] plan: Plan, #[case] calls: usize) {
    let mut driver = Driver::confirmed(plan);
    driver.run();
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
    assert_eq!(driver.applied.len(), calls, "{:?}", driver.applied);
    assert!(matches!(driver.recorded.first(), Some(Entry::Intent { .. })));
    assert!(matches!(driver.recorded.last(), Some(Entry::Outcome { outcome: Outcome::Done })));
    let started = driver.recorded.iter().filter(|entry| matches!(entry, Entry::Started { .. })).count();
    assert_eq!(started, calls, "every call is announced in the audit");
}

#[test]
fn servers_are_deployed_side_by_side_after_the_platform() {
    let mut driver = Driver::confirmed(plans::deploy());
    driver.until_apply(DRAFT_TIME);
    assert!(driver.runs(DRAFT_TIME) && driver.runs(DRAFT_WEATHER));
    assert!(driver.is_done("wait until quarterdeck-prod-platform is complete"));
}

#[test]
fn the_old_secret_is_deleted_only_after_the_grace_period() {
    let mut driver = Driver::confirmed(plans::rotate(true));
    driver.run();
    let deleted =
        driver.applied.iter().position(|call| matches!(call, Call::Secret(SecretCall::DeleteClientSecret { .. })));
    let promoted = driver.applied.iter().position(|call| matches!(call, Call::Secret(SecretCall::Promote { .. })));
    assert!(promoted < deleted && driver.now > 86_400, "{} s", driver.now);
}

#[test]
fn a_waived_grace_period_sends_nothing_twice() {
    let mut driver = Driver::confirmed(plans::rotate(true));
    driver.until_apply(RESTART);
    driver.go_on(Way::Finish);
    let again = Mark::Started(driver.step(RESTART));
    let announced = |effect: &Order| matches!(effect, Order::Record(_, mark) if *mark == again);
    assert!(!driver.wanted.iter().any(announced), "it is under way");
    driver.news(RESTART, News::Applied(Applied::Done(Facts::new())));
    driver.run();
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
    assert!(driver.now < 3_600, "no hour was waited for");
}

#[test]
fn waiving_in_the_middle_of_the_wait_ends_it() {
    let mut driver = Driver::confirmed(plans::rotate(true));
    while !driver.runs(GRACE) {
        let effect = driver.wanted.remove(0);
        driver.answer(effect);
    }
    driver.go_on(Way::Finish);
    let note = driver.operation.done.get(&driver.step(GRACE)).and_then(Note::told);
    assert_eq!(note, Some("waived by the operator"));
}

#[test]
fn an_audit_that_cannot_be_written_refuses() {
    for plan in plans::every() {
        let mut driver = Driver::confirmed(plan);
        driver.wanted.clear();
        driver.event(Event::NotRecorded("disk full".into()));
        assert!(matches!(&driver.operation.phase, Phase::Refused(why) if why.contains("disk full")));
        assert_eq!(driver.wanted, [Order::Discard]);
    }
}

#[test]
fn an_audit_that_fails_later_pauses_before_the_call() {
    let mut driver = Driver::confirmed(plans::scale());
    driver.wanted.clear();
    driver.event(Event::Recorded(Mark::Intent));
    driver.event(Event::NotRecorded("disk full".into()));
    assert!(matches!(driver.operation.phase, Phase::Paused { .. }));
    assert!(!driver.wanted.iter().any(|effect| matches!(effect, Order::Apply(..))));
}

fn failure(kind: ErrorKind) -> CloudError {
    CloudError::new(kind, "ecs:UpdateService", "it did not work")
}

#[rstest]
#[case(plans::scale(), false)]
#[case(plans::deploy(), false)]
#[case(plans::destroy(), true)]
#[case(plans::rotate(true), true)]
#[case(plans::rotate(false), true)]
fn a_refused_call_ends_it_or_leaves_it_to_be_resumed(#[case] plan: Plan, #[case] stays_open: bool) {
    let mut driver = Driver::confirmed(plan);
    let first = driver.until_first();
    driver.news(&first, News::Failed(failure(ErrorKind::Denied)));
    driver.run();
    assert!(driver.operation.stopped_at(0));
    match &driver.operation.phase {
        Phase::Paused { step, why } => {
            assert!(stays_open && *step == Some(0) && why.contains("it did not work"), "{why}");
        }
        Phase::Ended(Outcome::Failed { index, title, reason }) => {
            assert!(!stays_open && *index == Some(0) && *title == first && reason.contains("--profile"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_outcome_is_settled_three_times_then_left() {
    let mut driver = Driver::confirmed(plans::scale());
    for round in 0..4 {
        driver.until_apply(BOUNDS);
        assert!(matches!(driver.operation.phase, Phase::Running), "round {round}");
        driver.news(BOUNDS, News::Failed(failure(ErrorKind::TimedOut)));
    }
    assert!(matches!(&driver.operation.phase, Phase::Paused { why, .. } if why.contains("outcome unknown")));
    driver.wanted.clear();
    driver.go_on(Way::Resume);
    driver.run();
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done), "it can still be finished");
}

#[test]
fn a_condition_that_cannot_be_read_is_read_again() {
    let mut driver = Driver::confirmed(plans::scale());
    driver.until_apply(BOUNDS);
    driver.news(BOUNDS, News::Applied(Applied::Done(Facts::new())));
    driver.wanted.clear();
    driver.news(BOUNDS_READ, News::Unread(failure(ErrorKind::Throttled)));
    let read = driver.step(BOUNDS_READ);
    assert!(matches!(driver.wanted[..], [Order::Check(step, _, 2)] if step == read));
    driver.news(BOUNDS_READ, News::Unread(failure(ErrorKind::Invalid)));
    assert!(matches!(driver.operation.phase, Phase::Ended(Outcome::Failed { .. })));
}

#[rstest]
#[case(ErrorKind::Expired)]
#[case(ErrorKind::NoCredentials)]
#[case(ErrorKind::Denied)]
fn losing_the_credentials_during_a_wait_pauses_the_operation(#[case] kind: ErrorKind) {
    let mut driver = Driver::confirmed(plans::scale());
    driver.until_apply(BOUNDS);
    driver.news(BOUNDS, News::Applied(Applied::Done(Facts::new())));
    driver.wanted.clear();
    driver.news(BOUNDS_READ, News::Unread(failure(kind)));
    assert!(matches!(driver.operation.phase, Phase::Paused { .. }), "{:?}", driver.operation.phase);
    driver.go_on(Way::Resume);
    driver.run();
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
}

#[test]
fn a_destructive_change_found_late_asks_again_while_other_steps_go_on() {
    let mut driver = Driver::confirmed(plans::deploy());
    driver.until_apply(DRAFT_TIME);
    driver.surprise = "Service (replaced)".into();
    let facts = plans::draft("quarterdeck-prod-time", &driver.surprise);
    driver.news(DRAFT_TIME, News::Applied(Applied::Done(facts)));
    assert!(
        matches!(&driver.operation.phase, Phase::Consent(question) if question.to_string().contains("Service (replaced)"))
    );
    driver.run();
    assert!(matches!(driver.operation.phase, Phase::Consent(_)));
    assert!(!driver.is_done("create quarterdeck-prod-time"), "nothing is executed before the answer");
    driver.event(Event::Answer("y".into()));
    assert!(matches!(driver.operation.phase, Phase::Consent(_)), "the name is asked for");
    driver.event(Event::Answer("prod".into()));
    driver.run();
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done), "{:?}", driver.operation.running);
}

#[test]
fn refusing_a_destructive_change_found_late_pauses() {
    let mut driver = Driver::confirmed(plans::deploy());
    driver.surprise = "LoadBalancer (replaced)".into();
    driver.run();
    driver.event(Event::Refuse("not confirmed".into()));
    assert!(matches!(driver.operation.phase, Phase::Paused { .. }));
    let done = driver.operation.done.len();
    driver.go_on(Way::Resume);
    assert!(matches!(driver.operation.phase, Phase::Consent(_)), "going on is not agreeing");
    driver.run();
    assert_eq!(driver.operation.done.len(), done, "nothing is executed before the answer");
    while !matches!(driver.operation.phase, Phase::Ended(_)) {
        driver.event(Event::Answer("prod".into()));
        driver.run();
    }
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
}

#[test]
fn pausing_and_resuming_at_every_step_ends_the_same() {
    for plan in plans::every() {
        for pause in 0..60 {
            let mut driver = Driver::confirmed(plan.clone());
            for _ in 0..pause {
                if !driver.wanted.is_empty() {
                    let effect = driver.wanted.remove(0);
                    driver.answer(effect);
                }
            }
            driver.event(Event::Leave("left".into()));
            if !matches!(driver.operation.phase, Phase::Paused { .. }) {
                continue;
            }
            // The process is gone: what was in flight is never answered.
            driver.wanted.clear();
            let mut restored = Operation::restore(plan.clone(), at(0), "left".into());
            for entry in &driver.recorded {
                if let Entry::Done { step, facts, note } = entry {
                    restored.was_done(*step, facts.clone(), note.clone());
                }
            }
            driver.operation = restored;
            driver.go_on(Way::Resume);
            driver.run();
            assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done), "{} left after {pause}", plan.title);
        }
    }
}

#[test]
fn steps_keep_their_number_and_titles_whatever_is_learnt() {
    for plan in plans::every() {
        let mut driver = Driver::confirmed(plan);
        let titles =
            |operation: &Operation| operation.steps().iter().map(|step| step.title.clone()).collect::<Vec<_>>();
        let before = titles(&driver.operation);
        driver.run();
        assert_eq!(titles(&driver.operation), before);
        for (index, step) in driver.operation.steps().iter().enumerate() {
            assert!(step.after.iter().all(|need| *need < index), "{}", step.title);
        }
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn any_event() -> impl Strategy<Value = Event> {
        let step = 0usize..14;
        let news = prop_oneof![
            Just(News::Applied(Applied::Done(Facts::new()))),
            Just(News::Failed(failure(ErrorKind::Denied))),
            Just(News::Failed(failure(ErrorKind::TimedOut))),
            Just(News::Checked(CheckState::Holds("so".into()), Facts::new())),
            Just(News::Checked(CheckState::Pending("wait".into()), Facts::new())),
            Just(News::Unread(failure(ErrorKind::Throttled))),
            Just(News::Applied(Applied::Done(Facts::of(Fact::Destroys("quarterdeck-prod-time".into()), "x")))),
        ];
        prop_oneof![
            4 => prop::sample::select(vec!["y", "prod", "n", ""]).prop_map(|text| Event::Answer(text.into())),
            1 => Just(Event::Refuse("no".into())),
            4 => Just(Event::Recorded(Mark::Intent)),
            6 => step.clone().prop_map(|step| Event::Recorded(Mark::Started(step))),
            1 => Just(Event::NotRecorded("disk full".into())),
            8 => (step, news).prop_map(|(step, news)| Event::Step { step, news }),
            1 => Just(Event::Leave("left".into())),
            2 => Just(Event::Offer(Offer { way: Way::Resume, standing: Standing::Resumable })),
            1 => Just(Event::Offer(Offer { way: Way::Close, standing: Standing::Void("gone".into()) })),
        ]
    }

    /// Whether the operation's effects only want what the records on disk allow.
    fn lawful(plan: &Plan, read_only: bool, events: Vec<Event>) -> Result<(), TestCaseError> {
        let mut operation = Operation::propose(plan.clone(), read_only);
        let (mut intent, mut started, mut confirmed) = (false, BTreeSet::new(), false);
        for (index, event) in events.into_iter().enumerate() {
            match &event {
                Event::Recorded(Mark::Intent) if confirmed => intent = true,
                Event::Recorded(Mark::Started(step)) => drop(started.insert(*step)),
                Event::Answer(answer) => confirmed |= plan.confirm.accepts(answer) && !read_only,
                _ => {}
            }
            for effect in operation.handle(event, at(index as i64)) {
                if let Order::Apply(step, approved, _) = effect {
                    prop_assert!(confirmed && intent && started.contains(&step) && !read_only);
                    prop_assert_eq!(approved.operation(), plan.id.as_str());
                    prop_assert!(matches!(operation.steps()[step].work, Work::Apply(_)));
                }
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

        /// In no order of events is anything applied that was not confirmed, recorded as an intent
        /// and announced as a started step; in read-only mode nothing is.
        #[test]
        fn nothing_is_applied_before_the_audit_has_it(
            plan in prop::sample::select(plans::every()),
            read_only in prop::bool::weighted(0.2),
            events in prop::collection::vec(any_event(), 0..80),
        ) {
            lawful(&plan, read_only, events)?;
        }

        /// In whatever order the answers come, with a surprise or not, it ends done once confirmed.
        #[test]
        fn any_order_of_answers_ends_well(
            plan in prop::sample::select(plans::every()),
            surprise in prop::bool::ANY,
            order in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let mut driver = Driver::confirmed(plan);
            if surprise {
                driver.surprise = "Service (replaced)".into();
            }
            for pick in order {
                if matches!(driver.operation.phase, Phase::Consent(_)) && pick.index(3) == 0 {
                    driver.event(Event::Answer("prod".into()));
                }
                if !driver.wanted.is_empty() {
                    let effect = driver.wanted.remove(pick.index(driver.wanted.len()));
                    driver.answer(effect);
                }
            }
            driver.run();
            if matches!(driver.operation.phase, Phase::Consent(_)) {
                driver.event(Event::Answer("prod".into()));
                driver.run();
            }
            prop_assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
        }
    }
}

#[test]
fn after_a_failure_running_steps_finish_and_none_begins() {
    let mut driver = Driver::confirmed(plans::deploy());
    driver.until_apply(DRAFT_TIME);
    // The other server's change set was recorded, or even sent; its answer is still to come.
    driver.until_apply(DRAFT_WEATHER);
    let before = driver.applied.len();
    driver.news(DRAFT_TIME, News::Failed(failure(ErrorKind::Denied)));
    assert_eq!(driver.operation.phase, Phase::Running, "the other one is waited for");
    assert!(driver.operation.stopped_at(driver.step(DRAFT_TIME)));
    driver.news(DRAFT_WEATHER, News::Applied(Applied::Done(Facts::new())));
    driver.run();
    assert!(driver.is_done(DRAFT_WEATHER), "its outcome is known and recorded");
    assert_eq!(driver.applied.len(), before, "nothing was sent after the failure");
    let Phase::Ended(Outcome::Failed { title, reason, .. }) = &driver.operation.phase else {
        panic!("{:?}", driver.operation.phase);
    };
    assert!(title == DRAFT_TIME && reason.contains("it did not work"), "{title}: {reason}");
}

#[test]
fn two_failures_are_both_reported() {
    let mut driver = Driver::confirmed(plans::deploy());
    driver.until_apply(DRAFT_TIME);
    driver.until_apply(DRAFT_WEATHER);
    for title in [DRAFT_WEATHER, DRAFT_TIME] {
        driver.news(title, News::Failed(failure(ErrorKind::Denied)));
    }
    let Phase::Ended(Outcome::Failed { title, reason, .. }) = &driver.operation.phase else {
        panic!("{:?}", driver.operation.phase);
    };
    assert!(title == DRAFT_TIME && reason.contains(&format!("also {DRAFT_WEATHER}")), "{title}: {reason}");
    assert!([DRAFT_TIME, DRAFT_WEATHER].iter().all(|title| driver.operation.stopped_at(driver.step(title))));
}

#[test]
fn a_fact_that_was_not_learnt_fails_the_operation() {
    let mut driver = Driver::confirmed(plans::rotate(true));
    let stage = "generate a secret and store it as AWSPENDING";
    driver.until_apply(stage);
    driver.news(stage, News::Applied(Applied::Done(Facts::new())));
    driver.run();
    let add = "add it to client weather-machine as its second secret";
    assert_eq!(driver.applied.len(), 1, "no call goes out without its version: {:?}", driver.applied);
    assert!(driver.operation.stopped_at(driver.step(add)) && !driver.is_done(add));
    let Phase::Paused { why, .. } = &driver.operation.phase else { panic!("{:?}", driver.operation.phase) };
    assert!(why.contains("it needs pending.quarterdeck/prod/weather/machine-client"), "{why}");
}

#[test]
fn a_wait_times_out_and_can_be_resumed() {
    let mut driver = Driver::confirmed(plans::scale());
    let (step, check) = loop {
        match driver.wanted.remove(0) {
            Order::Check(step, check @ Check::Steady { .. }, _) => break (step, check),
            effect => driver.answer(effect),
        }
    };
    let pending = || News::Checked(CheckState::Pending("7/8 running".into()), Facts::new());
    let hour = check.patience().expect("a limit").as_secs();
    driver.now += hour - 10;
    driver.event(Event::Step { step, news: pending() });
    assert_eq!(driver.operation.phase, Phase::Running);
    driver.now += 20;
    driver.event(Event::Step { step, news: pending() });
    let Phase::Paused { why, .. } = &driver.operation.phase else { panic!("{:?}", driver.operation.phase) };
    assert!(why.contains("not within 1h") && why.contains("7/8 running") && why.contains("resuming"), "{why}");
    driver.wanted.clear();
    driver.go_on(Way::Resume);
    driver.run();
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
}

fn changed(confirm: Option<Confirm>) -> News {
    let seen = Facts::of(Fact::Seen("desired.time".into()), "5");
    News::Applied(Applied::Changed(Box::new(Changed {
        subject: "time".into(),
        field: "desired count".into(),
        planned: "2".into(),
        now: "5".into(),
        after: "8".into(),
        seen,
        confirm,
    })))
}

const DESIRED: &str = "set desired count of time to 8";

/// A scale whose bounds are set and whose count is no longer as it was shown.
fn overtaken(confirm: Option<Confirm>) -> Driver {
    let mut driver = Driver::confirmed(plans::scale());
    driver.until_apply(DESIRED);
    driver.news(DESIRED, changed(confirm));
    driver
}

#[test]
fn what_is_not_as_it_was_shown_is_asked_about_and_goes_on_from_what_is_there() {
    let mut driver = overtaken(None);
    let Phase::Consent(question) = &driver.operation.phase else { panic!("{:?}", driver.operation.phase) };
    let question = question.to_string();
    assert!(["was 2", "is 5 now", "makes it 8"].iter().all(|part| question.contains(part)), "{question}");
    driver.run();
    assert!(!driver.is_done(DESIRED), "nothing goes on before the answer");
    driver.event(Event::Answer("y".into()));
    driver.run();
    let from = |call: &Call| match call {
        Call::Service(ServiceCall::SetDesired { from, .. }) => *from,
        _ => None,
    };
    assert_eq!(driver.applied.last().and_then(from), Some(5), "what was agreed to is checked at the write");
    assert!(driver.recorded.iter().any(|entry| matches!(entry, Entry::Agreed { to, .. } if *to == question)));
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
}

#[test]
fn no_to_what_is_not_as_it_was_shown_pauses_where_something_was_written() {
    let mut driver = overtaken(None);
    driver.event(Event::Refuse("no".into()));
    assert!(matches!(driver.operation.phase, Phase::Paused { .. }), "the bounds are set");
}

#[test]
fn no_to_what_is_not_as_it_was_shown_closes_where_nothing_was_written() {
    let mut driver = Driver::confirmed(plans::scale());
    driver.until_apply(BOUNDS);
    driver.news(BOUNDS, changed(None));
    driver.event(Event::Refuse("no".into()));
    assert!(matches!(driver.operation.phase, Phase::Ended(Outcome::Closed { .. })), "{:?}", driver.operation.phase);
}

#[test]
fn a_change_that_weighs_more_than_the_plan_asks_for_a_name() {
    let mut driver = overtaken(Some(Confirm::Typed("time-machine".into())));
    driver.event(Event::Answer("y".into()));
    assert!(matches!(driver.operation.phase, Phase::Consent(_)));
    driver.event(Event::Answer("time-machine".into()));
    assert_eq!(driver.operation.phase, Phase::Running);
}

#[test]
fn what_is_gone_before_anything_was_written_leaves_nothing_to_resume() {
    for (plan, first) in [(plans::rotate(true), 0), (plans::undo(), 0)] {
        let mut driver = Driver::confirmed(plan);
        let title = driver.operation.steps()[first].title.clone();
        driver.until_apply(&title);
        driver.news(&title, News::Applied(Applied::Void("it has ended".into())));
        assert!(
            matches!(&driver.operation.phase, Phase::Ended(Outcome::Failed { reason, .. }) if reason == "it has ended")
        );
    }
}

/// A call that may have been sent is marked, also when the operation was rebuilt from the audit in between.
#[test]
fn a_call_that_may_have_been_sent_before_is_marked() {
    let mut driver = Driver::confirmed(plans::scale());
    let again = |driver: &mut Driver| loop {
        match driver.wanted.remove(0) {
            Order::Apply(_, approved, _) => return approved.again(),
            order => driver.answer(order),
        }
    };
    assert!(!again(&mut driver));
    driver.news(BOUNDS, News::Failed(failure(ErrorKind::TimedOut)));
    assert!(again(&mut driver));
    driver.operation = Operation::restore(plans::scale(), at(0), "left".into());
    driver.operation.was_begun(0);
    driver.wanted.clear();
    driver.go_on(Way::Resume);
    assert!(again(&mut driver));
}

#[test]
fn a_doubtful_read_is_repeated_until_it_cannot_lag_any_more() {
    let mut driver = Driver::confirmed(plans::scale());
    let step = loop {
        match driver.wanted.remove(0) {
            Order::Check(step, Check::Steady { .. }, _) => break step,
            effect => driver.answer(effect),
        }
    };
    let doubt = || News::Checked(CheckState::Doubtful("desired count reads 2, not 8".into()), Facts::new());
    driver.event(Event::Step { step, news: doubt() });
    assert!(matches!(driver.wanted[..], [Order::Check(again, _, 2)] if again == step));
    driver.now += 60;
    driver.event(Event::Step { step, news: doubt() });
    assert!(matches!(driver.operation.phase, Phase::Ended(Outcome::Failed { .. })), "{:?}", driver.operation.phase);
}

/// Nobody is to take what was left out for done.
#[test]
fn what_is_skipped_is_told_as_skipped() {
    let mut operation = Operation::restore(plans::rotate(true), at(0), "the process ended".into());
    let grace = plans::step(&operation, "grace period: the old credentials still work");
    assert_eq!(operation.stands(grace), None, "nothing is to be told yet");
    operation.was_done(grace, Facts::new(), Note::Told("it is over".into()));
    assert_eq!(operation.stands(grace).as_deref(), Some("done: it is over"));
    operation.was_agreed(Facts::of(Fact::GraceWaived, "yes"));
    assert_eq!(operation.stands(grace).as_deref(), Some("skipped: it is over"));
}

/// Colleagues are told no longer of a rotation that was taken back, although it is another operation that ends.
#[test]
fn what_is_taken_back_is_announced_no_longer() {
    let mut driver = Driver::confirmed(plans::undo());
    driver.run();
    assert_eq!(driver.operation.phase, Phase::Ended(Outcome::Done));
    let withdrawn = |call: &Call| match call {
        Call::Board(BoardCall::Withdraw { operation, .. }) => Some(operation.clone()),
        _ => None,
    };
    let of: Vec<String> = driver.told.iter().filter_map(withdrawn).collect();
    assert_eq!(of, ["op-undo", "op-rotate"]);
}
