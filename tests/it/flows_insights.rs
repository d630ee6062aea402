//! The Insights screen by its keys.

use crate::support::{Console, logs};
use quarterdeck::console::effect::Effect;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::remote::Generation;
use quarterdeck::console::screens::Screen;
use quarterdeck::console::screens::insights::{QueryState, status, view};
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::logs::TailState;
use quarterdeck::core::logs::insights::{InsightsRequest, InsightsResults};

fn opened() -> Console {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    console
}

/// Runs the query that is offered with this one in its place.
fn run(console: &mut Console, query: &str) -> (Generation, InsightsRequest) {
    let effects = console.keys(&format!("i<ctrl-u>{query}<enter>"));
    match effects.into_iter().next() {
        Some(Effect::Insights(generation, request)) => (generation, request),
        other => panic!("{other:?}"),
    }
}

fn results(running: bool) -> InsightsResults {
    let row = |tool: &str, calls: &str| vec![tool.to_owned(), calls.to_owned()];
    InsightsResults {
        running,
        columns: vec!["tool".into(), "calls".into()],
        rows: vec![row("now", "120"), row("convert", "7")],
        matched: 127.0,
        scanned: 5_000.0,
        bytes: 2.5e9,
    }
}

#[test]
fn a_query_goes_over_the_groups_and_the_window_that_are_followed() {
    let mut console = opened();
    let (_, request) = run(&mut console, "stats count(*) by tool");
    assert_eq!(request.query, "stats count(*) by tool");
    assert_eq!(request.groups, ["/quarterdeck/prod/time", "/quarterdeck/prod/weather"]);
    assert_eq!(request.until - request.from, 15 * 60 * 1_000);
    assert_eq!(console.model.screen, Screen::Insights);
    assert!(status(&console.model).0.contains("running over 15m"), "{:?}", status(&console.model));
}

#[test]
fn a_query_over_a_window_of_the_past_ends_with_it() {
    let mut console = opened();
    let effects = console.keys("@2h<enter>");
    let [Effect::Older(reading, window, _)] = effects.as_slice() else { panic!("{effects:?}") };
    let lines = vec![logs::line("time", "b", -7_200_000, "there")];
    console.send(Msg::OlderLines(*reading, Ok(lines.into())));
    let (_, request) = run(&mut console, "stats count(*) by tool");
    assert_eq!((request.from, Some(request.until)), (window.from, window.until));
}

#[test]
fn results_are_a_table_with_their_price() {
    let mut console = opened();
    let (generation, _) = run(&mut console, "q");
    console.send(Msg::Insights(generation, Ok(results(false))));
    let words = status(&console.model).0;
    assert!(words.contains("127 of 5000 events") && words.contains("2.5 GB scanned, about $0.01"), "{words}");
    console.keys("<f1><f1>");
    let first = |console: &Console| view(&console.model).rows[0].cells[0].text.clone();
    assert_eq!(first(&console), "convert", "sorted by number of calls");
    console.keys("/tool:now<enter>");
    assert_eq!((view(&console.model).rows.len(), first(&console).as_str()), (1, "now"));
    assert_eq!(console.keys("c"), [Effect::Copy("now\t120".into())]);
}

#[test]
fn escape_stops_a_query_that_runs_and_leaves_one_that_has_ended() {
    let mut console = opened();
    let (generation, _) = run(&mut console, "q");
    console.send(Msg::Insights(generation, Ok(results(true))));
    assert_eq!(console.keys("<esc>"), [Effect::StopInsights]);
    assert_eq!(
        (&console.model.screens.insights.progress, console.model.screen),
        (&QueryState::Cancelled, Screen::Insights)
    );
    console.send(Msg::Insights(generation, Ok(results(false))));
    assert_eq!(console.model.screens.insights.progress, QueryState::Cancelled, "a late answer is not taken");
    console.keys("<esc>");
    assert_eq!(console.model.screen, Screen::Logs);
}

#[test]
fn a_failed_query_is_reported_and_offered_for_correction() {
    let mut console = opened();
    let (generation, _) = run(&mut console, "stats bogus");
    let error = CloudError::new(ErrorKind::Invalid, "logs:StartQuery", "unexpected symbol at bogus");
    console.send(Msg::Insights(generation, Err(error)));
    assert!(status(&console.model).0.contains("unexpected symbol"));
    console.keys("i");
    assert_eq!(console.model.prompt.as_ref().map(|prompt| prompt.input.text()), Some("stats bogus"));
    assert_eq!(console.keys("<ctrl-u><enter>"), [], "an empty query is not sent");
    assert!(console.toast().contains("empty query"));
}
