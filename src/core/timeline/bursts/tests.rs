use rstest::rstest;

use super::*;
use crate::core::logs::{Line, Severity};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn series(points: &[(i64, f64)]) -> Series {
    Series { points: points.iter().map(|(second, value)| (at(*second), *value)).collect() }
}

/// What CloudWatch has counted of one server in the hour, or longer, before second 0.
fn counted(period: i64, of: &[(OfCounts, &[(i64, f64)])]) -> Counted {
    let of = of.iter().map(|(of, points)| (*of, series(points))).collect();
    Counted { from: at(-86_400), until: at(0), period, servers: [("time".to_owned(), of)].into(), asked: 5 }
}

/// Minutes in each of which there are so many requests, and so many errors.
fn minutes(all: std::ops::Range<i64>, value: f64) -> Vec<(i64, f64)> {
    all.map(|minute| (minute * 60, value)).collect()
}

/// Begin, end, many and of how many, whether it lasts.
fn told(moments: &[Moment]) -> Vec<(Kind, i64, i64, u64, u64, Lasts)> {
    let second = |time: Timestamp| time.as_second() - 1_800_000_000;
    let one = |moment: &Moment| {
        let burst = moment.burst.as_ref().unwrap();
        (moment.kind, second(moment.at), second(burst.until), burst.many, burst.requests, burst.lasts)
    };
    moments.iter().map(one).collect()
}

fn by_id(id: &str) -> String {
    format!("<{id}>")
}

fn only(counted: &Counted) -> Vec<(Kind, i64, i64, u64, u64, Lasts)> {
    told(&bursts(Some(counted), None, &by_id, at(0)))
}

#[rstest]
#[case::four_are_chance(&[(-600, 4.0)], None)]
#[case::five_of_a_hundred(&[(-600, 5.0)], Some((-600, -540, 5, 10)))]
#[case::one_a_minute_for_five(&[(-600, 1.0), (-540, 1.0), (-480, 1.0), (-420, 1.0), (-360, 1.0)], Some((-600, -300, 5, 50)))]
#[case::one_each_two_minutes(&[(-960, 1.0), (-840, 1.0), (-720, 1.0), (-600, 1.0), (-480, 1.0)], None)]
fn a_burst_is_what_a_finding_would_have_said_then(
    #[case] errors: &[(i64, f64)],
    #[case] expected: Option<(i64, i64, u64, u64)>,
) {
    let requests = minutes(-30..0, 10.0);
    let all = only(&counted(60, &[(OfCounts::Requests, &requests), (OfCounts::Errors, errors)]));
    let expected = expected.map(|(begin, end, many, of)| (Kind::Errors, begin, end, many, of, Lasts::Over));
    assert_eq!(all, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn one_burst_is_one_row_and_two_that_are_far_from_each_other_are_two() {
    let requests = minutes(-60..0, 10.0);
    let near = [(-3_000, 5.0), (-2_760, 6.0)];
    let all = only(&counted(60, &[(OfCounts::Requests, &requests), (OfCounts::Errors, &near)]));
    assert_eq!(all, [(Kind::Errors, -3_000, -2_700, 11, 50, Lasts::Over)], "three quiet minutes lie between");
    let far = [(-3_000, 5.0), (-2_640, 6.0)];
    let all = only(&counted(60, &[(OfCounts::Requests, &requests), (OfCounts::Errors, &far)]));
    assert_eq!(all.len(), 2, "{all:?}");
}

#[rstest]
#[case::the_last_minute(60, -60, Lasts::On)]
#[case::late_counts(60, -240, Lasts::On)]
#[case::ten_minutes_ago(60, -600, Lasts::Over)]
#[case::five_minutes(300, -300, Lasts::On)]
#[case::this_hour(3_600, -1_800, Lasts::Unsaid)]
#[case::an_hour_ago(3_600, -7_200, Lasts::Over)]
fn a_burst_that_goes_on_says_so(#[case] period: i64, #[case] begin: i64, #[case] expected: Lasts) {
    let point: &[(i64, f64)] = &[(begin, 50.0)];
    let all =
        bursts(Some(&counted(period, &[(OfCounts::Requests, point), (OfCounts::Errors, point)])), None, &by_id, at(0));
    assert_eq!(told(&all)[0].5, expected);
    assert_eq!(all[0].what.contains("and it goes on"), expected == Lasts::On, "{}", all[0].what);
    assert!(all[0].what.starts_with("50 of 50 requests failed, within "), "{}", all[0].what);
}

#[test]
fn requests_without_trouble_end_a_burst() {
    let requests = [(-180, 50.0), (-120, 50.0), (-60, 50.0)];
    let all = only(&counted(60, &[(OfCounts::Requests, &requests), (OfCounts::Errors, &[(-180, 50.0)])]));
    assert_eq!(all, [(Kind::Errors, -180, -120, 50, 50, Lasts::Over)]);
}

#[rstest]
#[case::as_clients_ask_for_a_token(9.0, 20.0, false)]
#[case::few_of_many(15.0, 100.0, false)]
#[case::many(30.0, 100.0, true)]
fn refusals_by_count_alone_take_more(#[case] refused: f64, #[case] requests: f64, #[case] expected: bool) {
    let of = counted(
        60,
        &[
            (OfCounts::TargetRequests, &[(-600, requests)]),
            (OfCounts::TargetErrors, &[]),
            (OfCounts::TargetRefused, &[(-600, refused)]),
        ],
    );
    let all = bursts(Some(&of), None, &by_id, at(0));
    assert_eq!(!all.is_empty(), expected);
    assert!(all.iter().all(|one| one.kind == Kind::Refusals && one.finding == Some(Id::RequestsRefused)), "{all:?}");
}

/// gangway counts tools that say that they failed, a load balancer does not.
#[test]
fn gangways_own_counts_go_before_those_of_the_load_balancer() {
    let point: &[(i64, f64)] = &[(-600, 20.0)];
    let of = |own: &[(i64, f64)]| {
        counted(
            60,
            &[
                (OfCounts::Requests, own),
                (OfCounts::Errors, &[]),
                (OfCounts::TargetRequests, point),
                (OfCounts::TargetErrors, point),
            ],
        )
    };
    assert_eq!(only(&of(point)), []);
    assert_eq!(only(&of(&[])).len(), 1, "without gangway");
}

fn line(server: &str, second: i64, event: &str, more: &str) -> Line {
    Line {
        at: at(second).as_millisecond(),
        server: server.into(),
        task: "a".into(),
        severity: Severity::Info,
        text: format!(r#"{{"event":"{event}","latency_ms":1.5,{more}}}"#).into(),
    }
}

/// Minutes with two good requests each, and in some of them refused ones.
fn lines(refused: std::ops::Range<i64>) -> Requests {
    let mut requests = Requests::default();
    let now = at(0).as_millisecond();
    for minute in -14..0 {
        for second in [10, 40] {
            requests
                .take(&line("time", minute * 60 + second, "request", r#""status":200,"client":"a","tool":"now""#), now);
        }
        if refused.contains(&minute) {
            for second in [5, 15, 25] {
                let more = r#""status":401,"client":"b","reason":"id-token""#;
                requests.take(&line("time", minute * 60 + second, "request", more), now);
            }
        }
    }
    requests
}

fn read(requests: &Requests) -> Lines<'_> {
    Lines { requests, until: [("time".to_owned(), at(0))].into() }
}

#[rstest]
#[case::over(-9..-5, (-540, -300, 12, 20, Lasts::Over), "12 of 20 requests refused: most had an id token, mostly of client <b>, within 4m00s")]
#[case::goes_on(-4..0, (-240, 0, 12, 20, Lasts::On), "12 of 20 requests refused: most had an id token, mostly of client <b>, within 4m00s, and it goes on")]
fn lines_tell_the_reason_and_the_client(
    #[case] refused: std::ops::Range<i64>,
    #[case] expected: (i64, i64, u64, u64, Lasts),
    #[case] what: &str,
) {
    let requests = lines(refused);
    let all = bursts(None, Some(&read(&requests)), &by_id, at(0));
    let (begin, end, many, of, lasts) = expected;
    assert_eq!(told(&all), [(Kind::Refusals, begin, end, many, of, lasts)]);
    assert_eq!((all[0].what.as_str(), all[0].finding), (what, Some(Id::IdToken)));
}

/// Clients that learn where to get a token are refused once each.
#[test]
fn a_refusal_of_another_kind_does_not_make_a_burst_go_on() {
    let mut requests = lines(-9..-3);
    for minute in -3..0 {
        let more = r#""status":401,"reason":"no-token""#;
        requests.take(&line("time", minute * 60 + 50, "request", more), at(0).as_millisecond());
    }
    let all = told(&bursts(None, Some(&read(&requests)), &by_id, at(0)));
    assert_eq!(all, [(Kind::Refusals, -540, -180, 18, 30, Lasts::Over)]);
}

/// A call that fails by chance while many are refused is no burst of errors, and the other way round.
#[rstest]
#[case::failed("", r#""status":500,"client":"a","tool":"now""#, &[Kind::Refusals])]
#[case::refused(r#""status":502,"client":"a","reason":"upstream""#, r#""status":401,"client":"b","reason":"id-token""#, &[Kind::Errors])]
fn one_of_the_other_trouble_is_no_burst(#[case] many: &str, #[case] one: &str, #[case] expected: &[Kind]) {
    let now = at(0).as_millisecond();
    let mut requests = if many.is_empty() { lines(-4..0) } else { lines(0..0) };
    for second in (-240..0).step_by(20).filter(|_| !many.is_empty()) {
        requests.take(&line("time", second + 5, "request", many), now);
    }
    requests.take(&line("time", -100, "request", one), now);
    let all = bursts(None, Some(&read(&requests)), &by_id, at(0));
    assert_eq!(all.iter().map(|moment| moment.kind).collect::<Vec<_>>(), expected);
}

#[test]
fn what_began_before_the_lines_may_be_longer() {
    let requests = lines(-14..-8);
    let all = bursts(None, Some(&read(&requests)), &by_id, at(0));
    assert!(all[0].what.contains("within 6m00s or longer"), "{}", all[0].what);
}

/// A burst that CloudWatch has counted until the lines begin, and the lines after that, is one.
#[test]
fn counts_and_lines_are_one_burst_and_nothing_is_counted_twice() {
    let requests = lines(-14..-8);
    // What CloudWatch says of the time of the lines is not taken.
    let all: Vec<(i64, f64)> = minutes(-30..-8, 5.0);
    let refused: Vec<(i64, f64)> = [minutes(-20..-14, 3.0), minutes(-14..-8, 9.0)].concat();
    let counted = counted(60, &[(OfCounts::TargetRequests, &all), (OfCounts::TargetRefused, &refused)]);
    let found = bursts(Some(&counted), Some(&read(&requests)), &by_id, at(0));
    assert_eq!(told(&found), [(Kind::Refusals, -1_200, -480, 36, 60, Lasts::Over)]);
    assert!(!found[0].what.contains("or longer"), "{}", found[0].what);
}

#[test]
fn what_only_a_tool_says_has_failed_names_the_tool() {
    let mut requests = Requests::default();
    for second in 0..6 {
        let text = r#""status":200,"tool":"forecast","client":"a""#;
        let failed = line("time", -200 + second, "tool_error", text);
        requests.take(&failed, at(0).as_millisecond());
    }
    let all = bursts(None, Some(&read(&requests)), &by_id, at(0));
    let what = "6 of 6 requests failed, mostly of client <a>, mostly calls of forecast, within 1m00s or longer";
    assert_eq!((all[0].what.as_str(), all[0].kind, all[0].finding), (what, Kind::Errors, Some(Id::RequestsFail)));
}

/// The same lines, judged as findings of now and as a history, say the same.
#[rstest]
#[case::few(-1..0, 2)]
#[case::refused(-3..0, 5)]
fn what_is_a_finding_now_is_a_burst_that_goes_on(#[case] minutes: std::ops::Range<i64>, #[case] each: i64) {
    let mut requests = Requests::default();
    for minute in minutes {
        (0..each).for_each(|second| {
            let more = r#""status":401,"client":"b","reason":"audience""#;
            requests.take(&line("time", minute * 60 + second * 4, "request", more), at(0).as_millisecond());
        });
    }
    let now = crate::core::finding::of_traffic(&requests, &str::to_owned, at(0), at(0));
    let finding = now.get("time").and_then(|all| all.first()).map(|one| one.id);
    let burst = bursts(None, Some(&read(&requests)), &by_id, at(0)).first().and_then(|one| one.finding);
    assert_eq!(burst, finding);
}

#[rstest]
#[case::soon(60, Lasts::On)]
#[case::nobody_has_looked_since(120, Lasts::Unsaid)]
fn what_was_read_long_ago_does_not_say_that_it_goes_on(#[case] later: i64, #[case] expected: Lasts) {
    let requests = lines(-4..0);
    let all = bursts(None, Some(&read(&requests)), &by_id, at(later));
    assert_eq!(told(&all)[0].5, expected);
}

/// Each server's lines were read up to a time of their own: what came after that, in lines of others, is not theirs.
#[test]
fn servers_are_told_up_to_when_their_lines_were_read() {
    let mut requests = lines(-4..0);
    for second in -200..0 {
        let more = r#""status":401,"client":"b","reason":"audience""#;
        requests.take(&line("weather", second, "request", more), at(0).as_millisecond());
    }
    let until = [("time".to_owned(), at(0)), ("weather".to_owned(), at(-20))].into();
    let all = told(&bursts(None, Some(&Lines { requests: &requests, until }), &by_id, at(0)));
    let expected = [(-240, 0, 12, 20), (-240, -20, 180, 180)];
    assert_eq!(all, expected.map(|(begin, end, many, of)| (Kind::Refusals, begin, end, many, of, Lasts::On)));
}
