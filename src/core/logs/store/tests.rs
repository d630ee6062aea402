//! The store against a plain list.

use proptest::prelude::*;

use super::*;
use crate::core::logs::{Expression, Severity};

fn line(at: i64, text: &str) -> Line {
    let severity = Severity::of(text);
    Line { at, server: "time".into(), task: format!("task-{}", at % 3).into(), severity, text: text.into() }
}

fn texts(store: &Store) -> Vec<String> {
    (0..store.shown()).filter_map(|row| store.row(row)).map(|kept| kept.line.text.to_owned()).collect()
}

fn finish(store: &mut Store) {
    while store.work(Toward::Newest) {}
}

#[test]
fn late_lines_are_put_at_their_time() {
    let mut store = Store::default();
    store.extend([line(1, "a"), line(3, "c")]);
    store.extend([line(2, "b"), line(4, "d"), line(2, "b2")]);
    assert_eq!(texts(&store), ["a", "b", "b2", "c", "d"]);
}

#[test]
fn what_is_dropped_is_counted_and_the_limit_holds() {
    let mut store = Store::new(64 * 1024);
    for at in 0..20_000 {
        store.extend([line(at, "0123456789 and some more text")]);
        assert!(store.bytes() <= 64 * 1024);
    }
    assert_eq!(store.len() as u64 + store.dropped(), 20_000);
    assert_eq!(store.span(), Some((i64::try_from(store.dropped()).expect("small"), 19_999)));
}

#[test]
fn an_anchor_holds_whatever_comes_and_goes() {
    let mut store = Store::new(64 * 1024);
    store.extend((1_000..1_100).map(|at| line(at, "first")));
    let anchor = store.row(50).expect("a line").anchor;
    store.toggle_mark(anchor);
    store.extend_back((0..100).map(|at| line(at, "older")).collect());
    store.extend((0..40).map(|n| line(1_010 + n, "late")));
    store.extend((1_100..1_200).map(|at| line(at, "newer")));
    finish(&mut store);
    let kept = store.row(store.row_of(anchor)).expect("the line");
    assert!(kept.anchor == anchor && kept.marked && kept.line.at == 1_050);
    assert_eq!(store.marked(), 1);
}

#[test]
fn an_older_window_pushes_out_the_newest_and_tells_since_when() {
    let mut store = Store::new(64 * 1024);
    store.extend((10_000..10_400).map(|at| line(at, &"x".repeat(100))));
    assert_eq!(store.dropped(), 0);
    let gone = store.extend_back((0..300).map(|at| line(at, &"y".repeat(100))).collect());
    finish(&mut store);
    let last = store.row(store.shown() - 1).expect("a line").line.at;
    assert_eq!(gone, Some(last + 1));
    assert_eq!(store.span().map(|(first, _)| first), Some(0));
    assert_eq!(store.len() as u64 + store.dropped(), 700);
}

#[test]
fn a_window_that_overlaps_in_one_millisecond_brings_only_what_is_missing() {
    let mut store = Store::default();
    store.extend([line(5, "a"), line(5, "a"), line(6, "b")]);
    let window = vec![line(4, "z"), line(5, "a"), line(5, "a"), line(5, "a"), line(5, "c")];
    let missing = store.unknown(window, 5);
    assert_eq!(missing, [line(4, "z"), line(5, "a"), line(5, "c")]);
}

#[test]
fn looking_for_a_line_says_when_it_cannot_know_yet() {
    let mut store = Store::new(16 * 1024 * 1024);
    store.extend((0..30_000).map(|at| line(at, if at == 7 { "needle" } else { "hay" })));
    store.set_search(Some(Pattern::new("needle")));
    store.work(Toward::Newest);
    let newest = store.row(store.shown() - 1).expect("a line").anchor;
    assert_eq!(store.seek(newest, Direction::Back, Wanted::Match), Seek::Unknown);
    assert!(store.progress().is_some_and(|percent| percent < 100));
    while store.work(Toward::From(newest, Direction::Back)) {}
    let Seek::Found(anchor) = store.seek(newest, Direction::Back, Wanted::Match) else { panic!("not found") };
    assert_eq!((anchor.at, store.found(), store.progress()), (7, 1, None));
    assert_eq!(store.seek(anchor, Direction::Back, Wanted::Match), Seek::Nothing);
    assert_eq!(store.seek(anchor, Direction::Forward, Wanted::Match), Seek::Nothing);
}

#[test]
fn the_histogram_counts_every_line_shown_once() {
    let mut store = Store::default();
    store.extend((0..10_000).map(|at| line(at * 10, if at % 100 == 0 { "ERROR x" } else { "ok" })));
    let bars = store.histogram(37);
    let sum = |of: fn(&Bar) -> usize| bars.iter().map(of).sum::<usize>();
    assert_eq!((sum(|bar| bar.lines), sum(|bar| bar.errors)), (10_000, 100));
    assert!(bars.iter().all(|bar| (269..=271).contains(&bar.lines)), "{bars:?}");
}

#[test]
fn a_million_lines_of_200_bytes_take_little_more_than_their_text() {
    let mut store = Store::default();
    let text = "x".repeat(200);
    store.extend((0..200_000).map(|at| line(at, &text)));
    let ratio = store.bytes() as f64 / (200.0 * 200_000.0);
    assert!(ratio < 1.2, "{ratio}");
}

#[derive(Debug, Clone)]
enum Step {
    Come(Vec<(i64, String)>),
    Older(Vec<String>),
    Keep(&'static str),
    Search(&'static str),
    Work,
    Servers(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let text = || "[ab]{0,3}|ERROR a|\\{\"n\":[0-9]\\}";
    prop_oneof![
        4 => prop::collection::vec((0i64..50, text()), 0..20).prop_map(Step::Come),
        1 => prop::collection::vec(text(), 0..10).prop_map(Step::Older),
        1 => prop::sample::select(vec!["a", "n>4", "level=error", "!b"]).prop_map(Step::Keep),
        1 => prop::sample::select(vec!["a", "b$", "n"]).prop_map(Step::Search),
        1 => Just(Step::Work),
        1 => any::<bool>().prop_map(Step::Servers),
    ]
}

proptest! {
    /// Whatever comes in whatever order, what is shown, found and counted is what a plain list
    /// sorted by time and filtered would show.
    #[test]
    fn the_store_equals_a_sorted_filtered_list(steps in prop::collection::vec(step(), 0..25)) {
        let mut store = Store::new(usize::MAX / 2);
        let mut plain: Vec<Line> = Vec::new();
        let (mut filter, mut search, mut oldest) = (Filter::default(), None, 0);
        for step in steps {
            match step {
                Step::Come(lines) => {
                    for (at, text) in lines {
                        let line = line(at, &text);
                        plain.insert(plain.partition_point(|other| other.at <= at), line.clone());
                        store.extend([line]);
                    }
                }
                Step::Older(texts) => {
                    oldest -= 100;
                    let lines: Vec<Line> = texts.iter().zip(oldest..).map(|(text, at)| line(at, text)).collect();
                    plain.splice(0..0, lines.clone());
                    store.extend_back(lines);
                }
                Step::Keep(keep) => filter.keep = vec![Expression::parse(keep).expect("an expression")],
                Step::Search(text) => {
                    search = Some(Pattern::new(text));
                    store.set_search(search.clone());
                }
                Step::Work => {
                    store.work(Toward::Newest);
                }
                Step::Servers(one) => filter.without = one.then(|| "task-1".to_owned()).into_iter().collect(),
            }
            if *store.filter() != filter {
                store.set_filter(filter.clone());
            }
        }
        finish(&mut store);
        let shows = |line: &&Line| filter.shows_source(&line.server, &line.task) && filter.shows(line.view());
        let expected: Vec<&Line> = plain.iter().filter(shows).collect();
        let expected_texts: Vec<String> = expected.iter().map(|line| line.text.to_string()).collect();
        prop_assert_eq!(texts(&store), expected_texts);
        let found = expected.iter().filter(|line| search.as_ref().is_some_and(|search| search.matches(&line.text)));
        prop_assert_eq!(store.found(), found.count());
        prop_assert_eq!((store.len(), store.dropped()), (plain.len(), 0));
        for row in 0..store.shown() {
            let kept = store.row(row).expect("a row");
            prop_assert_eq!(store.row_of(kept.anchor), row);
        }
    }

    /// Small segments, so that they are split and dropped: no line is lost without being counted.
    #[test]
    fn every_line_is_kept_or_counted_as_dropped(batches in prop::collection::vec(prop::collection::vec(0i64..1_000, 0..200), 0..20)) {
        let mut store = Store::new(24 * 1024);
        let mut total = 0;
        for (round, batch) in batches.iter().enumerate() {
            total += batch.len() as u64;
            let lines: Vec<Line> = batch.iter().map(|at| line(*at, "some text of a line")).collect();
            if round % 3 == 2 {
                store.extend_back(lines);
            } else {
                store.extend(lines);
            }
        }
        prop_assert_eq!(store.len() as u64 + store.dropped(), total);
        finish(&mut store);
        let times: Vec<i64> = (0..store.shown()).filter_map(|row| store.row(row)).map(|kept| kept.line.at).collect();
        prop_assert!(times.is_sorted() && times.len() == store.len());
    }
}
