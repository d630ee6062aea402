use rstest::rstest;

use super::*;
use crate::core::logs::LogEvent;

const MINUTE: i64 = 60_000;
/// A time at the beginning of a slot.
const NOW: i64 = 1_800_000_000_000;

fn line(at: i64, server: &str, text: &str) -> Line {
    let event = LogEvent {
        timestamp: at,
        ingested: at,
        group: format!("/quarterdeck/prod/{server}"),
        stream: "s/s/t".into(),
        message: text.into(),
    };
    Line::new(&event, server, "t")
}

fn request(at: i64, tool: &str, client: &str, status: u16, latency: f64) -> Line {
    let text = format!(
        r#"{{"ts":"x","level":"info","event":"request","server":"time","method":"tools/call","tool":"{tool}","client":"{client}","status":{status},"latency_ms":{latency}}}"#
    );
    line(at, "time", &text)
}

fn counted(lines: impl IntoIterator<Item = Line>) -> Requests {
    let mut counted = Requests::default();
    lines.into_iter().for_each(|line| counted.take(&line, NOW));
    counted
}

#[test]
fn figures_are_counted_per_tool_and_client() {
    let mut lines: Vec<Line> = (0..60).map(|n| request(NOW - 60_000 + n * 1_000, "now", "a", 200, 2.0)).collect();
    lines.push(request(NOW - 5_000, "now", "b", 502, 900.0));
    lines.push(request(NOW - 5_000, "convert", "a", 401, 1.0));
    lines.push(line(
        NOW - 4_000,
        "time",
        r#"{"event":"tool_error","method":"tools/call","tool":"convert","client":"a","status":200,"latency_ms":3.0}"#,
    ));
    let counted = counted(lines);
    let by_tool = counted.figures(By::Tool, Period::One, NOW);
    let names: Vec<&str> =
        by_tool.iter().map(|(subject, _)| subject.asked.as_ref().and_then(Asked::name).unwrap_or("-")).collect();
    assert_eq!(names, ["convert", "now"]);
    let (convert, now) = (&by_tool[0].1, &by_tool[1].1);
    assert_eq!((convert.requests, convert.errors, convert.refused), (2, 1, 1));
    assert_eq!((now.requests, now.errors), (61, 1));
    assert!((now.rate() - 61.0 / 60.0).abs() < 1e-9);
    assert!(now.latency.percentile(50.0).is_some_and(|ms| (1.9..2.1).contains(&ms)));
    assert!(now.latency.percentile(99.0).is_some_and(|ms| ms > 800.0));
    let by_client = counted.figures(By::Client, Period::One, NOW);
    let counts: Vec<(&str, u64)> = by_client
        .iter()
        .map(|(s, f)| (s.sender.as_ref().and_then(Sender::client).unwrap_or("-"), f.requests))
        .collect();
    assert_eq!(counts, [("a", 62), ("b", 1)]);
    assert_eq!(counted.figures(By::Both, Period::One, NOW).len(), 3);
    assert_eq!(counted.server("time", Period::One, NOW).requests, 63);
    assert_eq!(counted.server("weather", Period::One, NOW).error_percent(), None);
}

#[rstest]
#[case(Period::One, 1)]
#[case(Period::Five, 2)]
#[case(Period::Fifteen, 3)]
fn a_window_holds_what_happened_in_it(#[case] window: Period, #[case] requests: u64) {
    // The newest comes first: late lines find their slot.
    let ages = [1_000, 4 * MINUTE, 14 * MINUTE];
    let counted = counted(ages.map(|age| request(NOW - age, "now", "a", 200, 1.0)));
    assert_eq!(counted.server("time", window, NOW).requests, requests);
}

#[test]
fn requests_older_than_every_window_are_forgotten() {
    let mut counted = counted([request(NOW - 20 * MINUTE, "old", "a", 200, 1.0), request(NOW, "now", "a", 200, 1.0)]);
    assert_eq!(counted.series.len(), 1);
    counted.take(&request(NOW - 20 * MINUTE, "old", "a", 200, 1.0), NOW);
    assert_eq!(counted.series.len(), 1, "a line from long ago is not taken in");
}

#[test]
fn a_writer_whose_clock_is_ahead_makes_no_figure_old() {
    let mut counted = counted([request(NOW - 5_000, "now", "a", 200, 1.0)]);
    counted.take(&request(NOW + 20 * MINUTE, "now", "b", 200, 1.0), NOW - 4_000);
    assert_eq!(counted.server("time", Period::One, NOW).requests, 2, "counted when it came");
}

#[test]
fn a_request_that_a_router_wrapped_is_counted() {
    let text = r#"{"container_name":"time","log":"{\"event\":\"request\",\"tool\":\"now\",\"status\":200,\"latency_ms\":1.0}\n"}"#;
    let counted = counted([line(NOW - 5_000, "time", text)]);
    assert_eq!(counted.server("time", Period::One, NOW).requests, 1);
}

#[test]
fn subjects_are_bounded_and_the_rest_is_told() {
    let counted = counted((0..MAX_SERIES + 5).map(|n| request(NOW, &format!("tool{n}"), "a", 200, 1.0)));
    assert_eq!((counted.series.len(), counted.uncounted()), (MAX_SERIES, 5));
}

#[rstest]
#[case("not json at all")]
#[case(r#"{"event":"start","message":"latency_ms"}"#)]
#[case(r#"{"event":"metrics","status":200,"latency_ms":1.0}"#)]
#[case(r#"{"event":"request","status":"200","latency_ms":1.0}"#)]
#[case(r#"{"event":"request","latency_ms":1.0"#)]
fn other_lines_are_no_requests(#[case] text: &str) {
    assert_eq!(Request::read(text), None);
}

#[test]
fn a_request_without_a_tool_goes_by_its_method() {
    let text = r#"{"event":"request","method":"tools/list","status":200,"latency_ms":0.4}"#;
    let request = Request::read(text).expect("a request");
    assert_eq!((request.tool(), request.method(), request.client()), (None, Some("tools/list"), None));
    assert!(!request.failed());
}
