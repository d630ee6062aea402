//! Keys and messages of the log screen in, effects and model out.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test says what it expects")]

mod support;

use quarterdeck::core::effect::Effect;
use quarterdeck::core::logs::{Severity, TailState};
use quarterdeck::core::model::Model;
use quarterdeck::core::msg::Msg;
use quarterdeck::core::screens::logs as logs_screen;
use support::{Console, logs};

fn row(model: &Model) -> usize {
    model.logs.position().expect("a line")
}

#[test]
fn logs_pause_follow_and_count_what_came() {
    let mut console = Console::new();
    console.logs(logs::many(50), TailState::Live);
    assert_eq!(row(&console.model), 49);
    console.keys("<space>");
    console.send(Msg::Lines(1, vec![logs::line("time", "b", 5_000, "new")]));
    assert!(console.model.logs.paused());
    assert_eq!((row(&console.model), console.model.logs.unseen), (49, 1));
    console.keys("&nothing<enter><space>");
    assert!(!console.model.logs.paused(), "following works with every line filtered out");
    console.keys("<esc>k");
    assert!(console.model.logs.paused());
    console.keys("j");
    assert!(!console.model.logs.paused(), "going down to the newest line follows again");
    console.send(Msg::Lines(99, vec![logs::line("time", "b", 6_000, "of another tail")]));
    assert_eq!(console.model.logs.store.len(), 51, "a stale tail's lines are dropped");
}

#[test]
fn logs_search_and_errors() {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    console.keys("g/forecast<enter>n");
    let text = |console: &Console| console.model.logs.selected().map(|line| line.text.to_string()).expect("a line");
    assert!(text(&console).contains("forecast"));
    console.keys("<esc>gee");
    assert_eq!(console.model.logs.selected().map(|line| line.severity), Some(Severity::Error));
    console.keys("eeeeeee");
    assert!(console.toast().contains("no further error"), "{}", console.toast());
    console.keys("gn");
    assert!(console.toast().contains("search first"), "{}", console.toast());
}

#[test]
fn an_older_window_keeps_the_selected_line() {
    let mut console = Console::new();
    console.logs(logs::many(20_000), TailState::Live);
    console.keys("k<ctrl-u>");
    let before = console.model.logs.selected().map(|line| line.text.to_owned());
    let effects = console.keys("[");
    let [Effect::Older(generation, request)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(request.until.map(|until| until - request.from), Some(logs_screen::HISTORY));
    assert!(console.keys("[").is_empty(), "one window at a time");
    let older = (0..15_000).map(|n| logs::line("time", "b", -2_000_000 + n, "older")).collect();
    console.send(Msg::OlderLines(*generation, Ok(older)));
    assert_eq!(console.model.logs.selected().map(|line| line.text.to_owned()), before);
    assert_eq!(console.model.logs.store.len(), 35_000);
}
