//! The Requests screen by its keys.

use crate::support::{Console, logs};
use quarterdeck::console::effect::Effect;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::screens::Screen;
use quarterdeck::console::screens::fleet;
use quarterdeck::console::screens::requests::view;
use quarterdeck::core::logs::tail::End;
use quarterdeck::core::logs::{Line, TailState};
use quarterdeck::core::requests::{By, Period};
use rstest::rstest;

fn counted() -> Console {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    console.tick(2);
    console
}

fn rows(console: &Console) -> Vec<String> {
    let rows = view(&console.model).rows;
    rows.iter().map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_log_is_followed_when_the_figures_are_first_asked_for() {
    let mut console = Console::new();
    let effects = console.keys("m");
    assert!(matches!(&effects[..], [Effect::Tail(..)]), "{effects:?}");
    assert_eq!((console.model.screen, console.keys("1m")), (Screen::Requests, Vec::new()), "and only then");
}

#[test]
fn figures_can_be_shown_of_one_server_or_of_all() {
    let mut console = counted();
    console.keys("1m");
    assert_eq!(console.model.screens.requests.server.as_deref(), Some("time"), "the one selected on Fleet");
    assert_eq!(rows(&console), ["time convert 0.02 1 0 100.0% 12.4ms 12.4ms 12.4ms"]);
    console.keys("<esc>");
    let all = rows(&console);
    let names: Vec<&str> = all.iter().map(|row| &row[..row.match_indices(' ').nth(1).unwrap().0]).collect();
    assert_eq!(names, ["time convert", "weather alerts", "weather forecast"]);
    assert!(all[2].starts_with("weather forecast 0.02 1 100.0% 0 "), "{all:?}");
}

#[test]
fn keys_cycle_through_the_windows_and_the_groupings() {
    let mut console = counted();
    console.keys("1m<esc>w");
    assert_eq!(console.model.screens.requests.window, Period::Five);
    assert_eq!(rows(&console).len(), 4, "a call older than a minute is counted in five");
    console.keys("b");
    assert_eq!(console.model.screens.requests.by, By::Client);
    assert_eq!(rows(&console).len(), 2);
    console.keys("b");
    assert_eq!(console.model.screens.requests.by, By::Both);
    console.keys("b");
    assert_eq!(console.model.screens.requests.by, By::Why);
    assert!(rows(&console).iter().any(|row| row.contains("convert") || row.contains("unsaid")), "{:?}", rows(&console));
    console.keys("wwb");
    assert_eq!((console.model.screens.requests.window, console.model.screens.requests.by), (Period::One, By::Tool));
}

#[test]
fn a_row_opens_its_log() {
    let mut console = counted();
    console.keys("1m<esc>/forecast<enter><enter>");
    assert_eq!(console.model.screen, Screen::Logs);
    let store = &console.model.screens.logs.store;
    let shown: Vec<&str> = (0..store.shown()).filter_map(|row| store.row(row)).map(|kept| kept.line.text).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown.iter().all(|text| text.contains(r#""tool":"forecast""#)), "{shown:?}");
}

#[test]
fn refusals_are_told_by_why_and_by_client_and_open_their_own_lines() {
    let mut console = Console::new();
    let refused = |why: &str, client: &str| {
        let text = format!(
            r#"{{"level":"warn","event":"request","server":"time",{client}"reason":"{why}","status":401,"latency_ms":1.5}}"#
        );
        logs::line("time", "a3f1c2d4e5f60718", -20_000, &text)
    };
    let lines = vec![
        refused("audience", r#""client":"c1","#),
        refused("audience", r#""client":"c1","#),
        refused("token-expired", r#""client":"c1","#),
        refused("no-token", ""),
        spoken(r#""method":"tools/list","client":"c1""#),
    ];
    console.logs(lines, TailState::Live);
    console.tick(2);
    console.keys("1mbbb");
    let all = rows(&console);
    let told: Vec<Vec<&str>> = all.iter().map(|row| row.split(' ').take(3).collect()).collect();
    assert_eq!(told, [["time", "-", "no-token"], ["time", "c1", "token-expired"], ["time", "c1", "audience"]]);
    console.keys("/audience<enter><enter>");
    let store = &console.model.screens.logs.store;
    assert_eq!((console.model.screen, store.shown()), (Screen::Logs, 2), "filters: {:?}", store.filter());
}

#[test]
fn clients_are_read_once_for_their_names() {
    let mut console = counted();
    assert!(console.model.screens.clients.remote.get().is_none());
    console.keys("m");
    let read_at = console.model.screens.clients.remote.read_at();
    assert!(read_at.is_some());
    console.tick(600);
    assert_eq!(console.model.screens.clients.remote.read_at(), read_at, "who they are does not change meanwhile");
}

#[test]
fn fleet_tells_what_is_refused() {
    let mut console = Console::new();
    let text = r#"{"event":"request","server":"time","client":"c1","reason":"audience","status":401,"latency_ms":1.5}"#;
    let line = || logs::line("time", "a3f1c2d4e5f60718", -20_000, text);
    console.logs((0..9).map(|_| line()).collect(), TailState::Live);
    console.tick(2);
    let row = fleet::view(&console.model).rows.remove(0);
    let cells: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
    assert!(cells.contains(&"▲ degraded") && cells.iter().any(|cell| cell.contains("another server")), "{cells:?}");
}

#[test]
fn figures_change_as_time_passes() {
    let mut console = counted();
    console.keys("1m<esc>");
    assert_eq!(rows(&console).len(), 3);
    console.tick(3_600);
    assert_eq!(rows(&console), [""; 0]);
}

/// A request line of a server whose caller, method and tool may say anything.
fn spoken(fields: &str) -> Line {
    let text =
        format!(r#"{{"level":"info","event":"request","server":"time",{fields},"status":200,"latency_ms":1.5}}"#);
    logs::line("time", "a3f1c2d4e5f60718", -20_000, &text)
}

#[rstest]
#[case::a_quote_in_a_name(r#""method":"tools/call","tool":"say \"hi\"","client":"c\"1""#, "hi")]
#[case::a_caller_without_a_client(r#""method":"tools/list""#, "tools/list")]
#[case::a_tool_named_like_a_method(r#""method":"tools/call","tool":"a/b","client":"c1""#, "a/b")]
fn a_row_opens_its_own_lines_and_no_others(#[case] fields: &str, #[case] filter: &str) {
    let mut console = Console::new();
    let other = spoken(r#""method":"tools/list","client":"c9""#);
    console.logs(vec![spoken(fields), other], TailState::Live);
    console.tick(2);
    console.keys(&format!("1mbb/{filter}"));
    let row = view(&console.model).rows.len();
    console.keys("<enter>");
    assert!(row >= 1);
    console.keys("<enter>");
    let store = &console.model.screens.logs.store;
    let shown: Vec<&str> = (0..store.shown()).filter_map(|row| store.row(row)).map(|kept| kept.line.text).collect();
    assert_eq!(shown, [&*spoken(fields).text], "filters: {:?}", store.filter());
}

#[test]
fn nothing_is_counted_where_no_lines_come() {
    let mut console = counted();
    console.keys("1");
    let cells = |console: &Console| fleet::view(&console.model).rows[0].cells.clone();
    let rate = fleet::view(&console.model).columns.iter().position(|column| column.title == "REQ/S").unwrap();
    assert_ne!(cells(&console)[rate].text, "?");
    let failed = End::Failed(crate::support::unreachable());
    console.send(Msg::Tail(1, TailState::Ended(failed)));
    assert_eq!(cells(&console)[rate].text, "?", "zero would be a lie");
}
