//! Random schedules of events and faults: every line is shown exactly once, whatever goes wrong.

use std::collections::BTreeMap;

use crate::support::cloudwatch::{CloudWatch, Delivery, Fault, Live};
use crate::support::tailing::{FAST, LATEST, Tailing};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use quarterdeck::core::logs::Gap;
use quarterdeck::core::logs::tail::Follow;
use quarterdeck::run::tail::Patience;

const GROUPS: [&str; 2] = ["/q/prod/time", "/q/prod/weather"];

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// Events of a group that come late by this much; `equal` ones have the same text.
    Put {
        group: usize,
        count: usize,
        late: i64,
        equal: bool,
        delivery: Delivery,
    },
    /// An update without events.
    Beat(bool),
    Cut(usize),
    TimeOut,
    Faults(Fault, usize),
    Paging(usize),
    Live(Live),
    /// The tail shows everything put so far.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let delivery = prop_oneof![
        6 => Just(Delivery::Brought),
        3 => Just(Delivery::LeftOut),
        1 => Just(Delivery::Twice),
    ];
    let put = (0..GROUPS.len(), 1..6usize, 0..LATEST, any::<bool>(), delivery)
        .prop_map(|(group, count, late, equal, delivery)| Step::Put { group, count, late, equal, delivery });
    let fault = prop_oneof![
        Just(Fault::Throttle),
        Just(Fault::Unavailable),
        Just(Fault::Reset),
        Just(Fault::Expired),
        Just(Fault::Empty),
        Just(Fault::BadToken),
    ];
    let live = prop_oneof![3 => Just(Live::Open), 1 => Just(Live::Denied), 1 => Just(Live::Unavailable)];
    prop_oneof![
        12 => put,
        1 => any::<bool>().prop_map(Step::Beat),
        2 => (0..200usize).prop_map(Step::Cut),
        1 => Just(Step::TimeOut),
        2 => (fault, 1..5usize).prop_map(|(fault, count)| Step::Faults(fault, count)),
        1 => (1..6usize).prop_map(Step::Paging),
        1 => live.prop_map(Step::Live),
        2 => Just(Step::Settle),
    ]
}

/// Which lines were written, and how often.
#[derive(Default)]
struct Put(BTreeMap<String, usize>);

impl Put {
    fn shown(&self, tailing: &Tailing) -> bool {
        self.0.iter().all(|(text, count)| tailing.lines.get(text).is_some_and(|shown| shown >= count))
    }
}

/// Plays the steps, and returns what was written.
async fn act(steps: Vec<Step>, endpoint: &CloudWatch, tailing: &mut Tailing) -> Put {
    let mut put = Put::default();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Put { group, count, late, equal, delivery } => {
                let text = |n: usize| if equal { format!("{number}") } else { format!("{number}.{n}") };
                let texts: Vec<String> = (0..count).map(text).collect();
                texts.iter().for_each(|text| *put.0.entry(text.clone()).or_default() += 1);
                endpoint.put_all(GROUPS[group], &texts, late, delivery);
            }
            Step::Beat(sampled) => endpoint.beat(sampled),
            Step::Cut(bytes) => endpoint.cut(bytes),
            Step::TimeOut => endpoint.time_out(),
            Step::Faults(fault, count) => endpoint.faults(std::iter::repeat_n(fault, count)),
            Step::Paging(page) => endpoint.paging(page, true),
            Step::Live(live) => endpoint.live(live),
            Step::Settle => tailing.until("what was put", |tailing| put.shown(tailing)).await,
        }
    }
    put
}

/// Asserts that at the end every line was shown exactly once and no gap is open.
async fn play(steps: Vec<Step>, follow: Follow, patience: Patience) {
    let endpoint = CloudWatch::start(&GROUPS).await;
    let mut tailing = Tailing::start(&endpoint, &GROUPS, follow, patience).await;
    let mut put = act(steps, &endpoint, &mut tailing).await;
    endpoint.heal();
    endpoint.live(Live::Open);
    tailing.until("what was put", |tailing| put.shown(tailing)).await;
    // One more complete window, after which no line can come a second time.
    endpoint.cut(0);
    for group in GROUPS {
        endpoint.put(group, &format!("end of {group}"), 0, Delivery::Silent);
        put.0.insert(format!("end of {group}"), 1);
    }
    tailing.until("the end", |tailing| put.shown(tailing)).await;
    assert_eq!(tailing.lines, put.0);
    let open = |tailing: &Tailing| tailing.gaps.iter().all(|gap| gap.closed);
    tailing.until("every gap closed", open).await;
}

/// Asserts that every missing line is inside a gap that was shown, and that no line was shown more often
/// than it was written.
async fn play_to_a_bad_end(steps: Vec<Step>) {
    let endpoint = CloudWatch::start(&GROUPS).await;
    let mut tailing = Tailing::start(&endpoint, &GROUPS, Follow::Live, FAST).await;
    let mut put = act(steps, &endpoint, &mut tailing).await;
    endpoint.heal();
    endpoint.faults([Fault::Unavailable; 100_000]);
    for (number, group) in GROUPS.iter().enumerate() {
        endpoint.put(group, &format!("missing {number}"), LATEST, Delivery::LeftOut);
        *put.0.entry(format!("missing {number}")).or_default() += 1;
    }
    let newest = endpoint.stored().iter().map(|(_, at, _)| *at).max().unwrap();
    endpoint.cut(0);
    endpoint.live(Live::Unavailable);
    // A group that cannot be read has a gap of its own.
    let ends_in_a_gap = |tailing: &Tailing, group: &str| {
        let of = |gap: &&Gap| !gap.closed && gap.to >= newest && gap.groups.iter().any(|name| name == group);
        tailing.gaps.iter().any(|gap| of(&gap))
    };
    let told = |tailing: &Tailing| GROUPS.iter().all(|group| ends_in_a_gap(tailing, group));
    tailing.until("gaps that cover the end", told).await;
    assert!(tailing.lines.iter().all(|(text, shown)| shown <= &put.0[text]), "{:?} {:?}", tailing.lines, put.0);
    for (group, at, text) in endpoint.stored() {
        let missing = tailing.lines.get(&text).is_none_or(|shown| *shown < put.0[&text]);
        let covers = |gap: &Gap| !gap.closed && (gap.from..=gap.to).contains(&at) && gap.groups.contains(&group);
        let covered = tailing.gaps.iter().any(covers);
        assert!(!missing || covered, "{text} of {group} at {at} is missing, and not in {:?}", tailing.gaps);
    }
}

/// Plays as many schedules as asked for. The seed is always the same, so that a failure can be repeated.
fn run<F: Future<Output = ()> + Send + 'static>(play: impl Fn(Vec<Step>) -> F) {
    let cases = std::env::var("QUARTERDECK_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(64);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let schedules = prop::collection::vec(step(), 1..40);
    let played = runner.run(&schedules, |steps| {
        let outcome = runtime.block_on(async { tokio::spawn(play(steps)).await });
        outcome.map_err(|error| TestCaseError::fail(error.to_string()))
    });
    played.unwrap();
}

#[test]
fn live_every_line_is_shown_once() {
    run(|steps| play(steps, Follow::Live, FAST));
}

#[test]
fn polling_every_line_is_shown_once() {
    run(|steps| play(steps, Follow::Poll, FAST));
}

/// Patience with so little memory that the tail forgets all it may at every tick.
const FORGETFUL: Patience = Patience { remembered: 0, ..FAST };

#[test]
fn live_with_little_memory_every_line_is_shown_once() {
    run(|steps| play(steps, Follow::Live, FORGETFUL));
}

#[test]
fn polling_with_little_memory_every_line_is_shown_once() {
    run(|steps| play(steps, Follow::Poll, FORGETFUL));
}

#[test]
fn every_line_that_cannot_be_read_is_inside_a_gap() {
    run(play_to_a_bad_end);
}
