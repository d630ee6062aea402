//! The log screen in each of its states, as text.

use crate::support::painted::{ALL, MIDDLE, SMALL, body, painted, screen, text};
use crate::support::{Console, at, logs};
use jiff::tz::{TimeZone, offset};
use quarterdeck::cloud::{CloudError, ErrorKind};
use quarterdeck::console::msg::Msg;
use quarterdeck::core::logs::tail::End;
use quarterdeck::core::logs::{Gap, Line, Rate, TailState};
use quarterdeck::ui::Theme;

fn snap(name: &str, console: &Console, sizes: &[(u16, u16)]) {
    for size in sizes {
        insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), body(console, *size));
    }
}

const BOTH: &[(u16, u16)] = &[SMALL, MIDDLE];

#[test]
fn log_states() {
    let denied = CloudError::new(ErrorKind::Denied, "logs:FilterLogEvents", "not authorized");
    let states = [
        ("off", TailState::Off),
        ("live", TailState::Live),
        ("sampled", TailState::Sampled),
        ("polling", TailState::Polling("the endpoint has no StartLiveTail; read every 2 s".into())),
        ("reconnecting", TailState::Reconnecting("connection reset by peer".into(), 4_000)),
        ("lagging", TailState::Lagging(42_000)),
        ("ended", TailState::Ended(End::Failed(denied))),
    ];
    for (name, state) in states {
        let mut console = Console::new();
        console.logs(logs::mixed(), state);
        let sizes = if name == "live" { ALL } else { &[SMALL] };
        snap(name, &console, sizes);
    }
    let mut silent = Console::new();
    silent.logs(Vec::new(), TailState::Loading(0));
    snap("loading", &silent, &[SMALL]);
}

#[test]
fn what_may_be_missing_is_on_screen() {
    let mut console = live(logs::mixed());
    let now = at(0).as_millisecond();
    let (group, why) = ("/quarterdeck/prod/time".to_owned(), "ThrottlingException: Rate exceeded".to_owned());
    let gap = Gap { id: 1, from: now - 50_000, to: now - 20_000, groups: vec![group], why, closed: false };
    console.send(Msg::Gap(1, gap.clone()));
    console.send(Msg::LogRate(1, Rate { calls: 2, allowed: 2.5, throttled: 3 }));
    snap("gap", &console, BOTH);
    let abroad = Theme::from_name("dark", TimeZone::fixed(offset(9))).expect("a theme");
    let seen = text(&painted(&console.model, &abroad, MIDDLE).0);
    assert!(seen.contains("gap 16:59:10 to 16:59:40"), "in the zone of the lines' times: {seen}");
    console.send(Msg::Gap(1, Gap { closed: true, ..gap }));
    console.send(Msg::LogRate(1, Rate::default()));
    snap("gap-closed", &console, &[SMALL]);
    let mut silent = live(Vec::new());
    silent.tick(30);
    snap("idle", &silent, &[SMALL]);
}

#[test]
fn log_views() {
    let mut console = Console::new();
    console.logs(logs::many(200), TailState::Live);
    console.keys("/convert<enter>kkkN");
    let generation = 1;
    console.send(Msg::Lines(generation, logs::mixed()));
    snap("paused-searched", &console, ALL);
    let mut wrapped = Console::new();
    wrapped.logs(logs::mixed(), TailState::Live);
    wrapped.keys("wt!listening<enter>&a<enter>");
    snap("wrapped-filtered", &wrapped, &[SMALL]);
    wrapped.keys("tE");
    snap("selected-error", &wrapped, &[SMALL]);
    wrapped.keys("p");
    snap("parsed", &wrapped, &[SMALL]);
    wrapped.keys("<esc>&nothing-like-it<enter>");
    snap("filtered-away", &wrapped, &[SMALL]);
}

#[test]
fn a_paused_log_stands_still() {
    let mut console = Console::new();
    console.logs(logs::many(100), TailState::Live);
    console.keys(" kk");
    let lines = |console: &Console| screen(console, SMALL).lines().skip(4).map(str::to_owned).collect::<Vec<_>>();
    let before = lines(&console);
    let later = (0..300).map(|n| logs::line("time", "b", 1_000 + n, "later")).collect();
    console.send(Msg::Lines(1, later));
    assert_eq!(lines(&console), before);
    console.keys(" ");
    assert!(screen(&console, SMALL).contains("later"));
}

fn live(lines: Vec<Line>) -> Console {
    let mut console = Console::new();
    console.logs(lines, TailState::Live);
    console
}

#[test]
fn filters_and_their_errors() {
    let mut console = live(logs::mixed());
    console.keys("&tool=forecast latency_ms>12 level>=warn<enter>!\"two words\"<enter>");
    snap("expression", &console, BOTH);
    console.keys("&latency_ms><enter>");
    snap("expression-refused", &console, BOTH);
}

#[test]
fn histogram_and_marks() {
    let mut console = live(logs::mixed());
    console.keys("hvkkkv");
    snap("histogram", &console, BOTH);
}

#[test]
fn lists_to_choose_from() {
    let mut console = live(logs::mixed());
    console.keys("sjjj ");
    snap("sources", &console, BOTH);
    console.keys("<esc>");
    snap("without-a-task", &console, &[SMALL]);
    console.keys("fjjj ");
    snap("fields", &console, BOTH);
    console.keys("<esc><ctrl-s>");
    snap("save", &console, BOTH);
}

#[test]
fn scanned_in_part() {
    let mut console = live(logs::many(40_000));
    console.keys("/convert<enter>&tool=convert<enter>");
    snap("scanning", &console, BOTH);
    console.keys("gN");
    while console.model.screens.logs.working() {
        console.send(Msg::Work);
    }
    snap("scanned", &console, BOTH);
}

#[test]
fn in_the_past() {
    let mut console = live(logs::mixed());
    console.keys("@15h<enter>");
    snap("jumping", &console, &[SMALL]);
    let back = -15 * 3_600_000;
    let lines = (0..100).map(|n| logs::line("time", "b", back - 50_000 + n * 1_000, "long ago")).collect::<Vec<_>>();
    console.send(Msg::OlderLines(1, Ok(lines.into())));
    console.send(Msg::Lines(1, vec![logs::line("time", "b", 1_000, "now")]));
    snap("in-the-past", &console, BOTH);
    console.keys("@yesterday<enter>");
    snap("jump-refused", &console, &[SMALL]);
}

#[test]
fn dropped() {
    let mut console = live(Vec::new());
    console.model.screens.logs.store = quarterdeck::core::logs::Store::new(64 * 1024);
    console.send(Msg::Lines(1, logs::many(2_000)));
    snap("dropped", &console, BOTH);
    assert!(screen(&console, SMALL).contains("dropped (memory limit)") && console.model.now == at(0));
}

#[test]
fn values_of_a_metric_line_come_before_their_declaration() {
    let metrics = r#"{"_aws":{"CloudWatchMetrics":[]},"event":"metrics","tool":"now","Requests":3,"Latency":[1.5]}"#;
    let console = live(vec![logs::line("time", "a3f1c2d4e5f60718", -1_000, metrics)]);
    let screen = screen(&console, MIDDLE);
    let row = screen.lines().find(|row| row.contains("Requests=3")).expect("a row with the figures");
    assert!(row.find("Requests=3") < row.find("_aws="), "{row}");
}

/// The rows of a screen on which this text stands.
fn rows(console: &Console, size: (u16, u16), part: &str) -> Vec<String> {
    screen(console, size).lines().filter(|row| row.contains(part)).map(str::to_owned).collect()
}

#[test]
fn a_field_is_left_out_only_where_a_column_says_the_same() {
    let own = r#"{"msg":"done","time":3500,"server":"db-7","level":"info","timestamp":"never","severity":"loud"}"#;
    let same = format!(r#"{{"msg":"said","ts":"{}","level":"warn","server":"time"}}"#, at(-1));
    let mut console = live(vec![logs::line("time", "b", -1_000, own), logs::line("time", "b", -1_000, &same)]);
    let row = &rows(&console, MIDDLE, "done")[0];
    for part in ["time=3500", "server=db-7", "timestamp=never", "severity=loud"] {
        assert!(row.contains(part), "{part}: {row}");
    }
    assert!(!row.contains("level="), "the letter says it: {row}");
    assert!(!rows(&console, MIDDLE, "said")[0].contains('='), "{:?}", rows(&console, MIDDLE, "said"));
    console.keys("tt");
    assert!(rows(&console, MIDDLE, "said")[0].contains("ts="), "an age says no time");
}

#[test]
fn the_lines_of_an_event_are_one_row_with_marks() {
    let console = live(vec![logs::line("time", "b", -5, "Traceback:\r  File a.py\r\nValueError: declined")]);
    assert_eq!(rows(&console, MIDDLE, "Traceback:↵  File a.py↵ValueError: declined").len(), 1);
}

#[test]
fn streams_that_begin_alike_have_names_of_their_own() {
    let streams =
        ["ip-10-0-1-17.compute.internal", "ip-10-0-1-99.compute.internal", "2026/11/25/[$LATEST]0123456789abcdef0123"];
    let console = live(streams.iter().map(|stream| logs::line("time", stream, -5, "text of it")).collect());
    let found = rows(&console, MIDDLE, "text of it");
    for (row, name) in found.iter().zip(["…-0-1-17", "…-0-1-99", "01234567"]) {
        assert!(row.contains(name), "{row}");
    }
}

#[test]
fn what_is_not_read_is_told() {
    let mut console = live(Vec::new());
    console.send(Msg::LogMissing(1, "/quarterdeck/prod/time".into(), true));
    assert_eq!(rows(&console, MIDDLE, "waits for /quarterdeck/prod/time, which does not exist").len(), 2);
    console.send(Msg::Ahead(40_000));
    assert_eq!(rows(&console, ALL[2], "this clock is 40s behind AWS's").len(), 1);
    console.send(Msg::Ahead(-40_000));
    assert_eq!(rows(&console, ALL[2], "this clock is 40s ahead of AWS's").len(), 1);
    console.send(Msg::Ahead(0));
    assert!(rows(&console, MIDDLE, "this clock").is_empty());
}

#[test]
fn the_price_of_a_live_tail_is_in_the_help() {
    let mut console = live(Vec::new());
    console.keys("?");
    assert_eq!(rows(&console, ALL[2], "AWS bills live tails by the minute").len(), 1);
}
