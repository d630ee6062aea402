//! Keys and messages of the log screen in, effects and model out.

use crate::support::painted::screen;
use crate::support::{Console, fixtures, logs};
use quarterdeck::console::dialogs::Dialog;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::model::Model;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::screens::{Answer, Fetch, Screen, logs as logs_screen};
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::fleet::{Fleet, not_yet};
use quarterdeck::core::identity::Context;
use quarterdeck::core::logs::tail::{Follow, Past};
use quarterdeck::core::logs::{ContainerLog, Destination, Line, Severity, Store, TailRequest, TailState};
use quarterdeck::core::unread::Read;
use rstest::rstest;

fn row(model: &Model) -> usize {
    model.screens.logs.position().expect("a line")
}

#[test]
fn logs_pause_follow_and_count_what_came() {
    let mut console = Console::new();
    console.logs(logs::many(50), TailState::Live);
    assert_eq!(row(&console.model), 49);
    console.keys("<space>");
    console.send(Msg::Lines(1, vec![logs::line("time", "b", 5_000, "new")]));
    assert!(console.model.screens.logs.paused());
    assert_eq!((row(&console.model), console.model.screens.logs.unseen), (49, 1));
    console.keys("&nothing<enter><space>");
    assert!(!console.model.screens.logs.paused(), "following works with every line filtered out");
    console.keys("<esc>k");
    assert!(console.model.screens.logs.paused());
    console.keys("j");
    assert!(!console.model.screens.logs.paused(), "going down to the newest line follows again");
    console.send(Msg::Lines(99, vec![logs::line("time", "b", 6_000, "of another tail")]));
    assert_eq!(console.model.screens.logs.store.len(), 51, "a stale tail's lines are dropped");
}

#[test]
fn search_and_error_keys_select_the_matching_line() {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    console.keys("g/forecast<enter>n");
    let text =
        |console: &Console| console.model.screens.logs.selected().map(|line| line.text.to_string()).expect("a line");
    assert!(text(&console).contains("forecast"));
    console.keys("<esc>gee");
    assert_eq!(console.model.screens.logs.selected().map(|line| line.severity), Some(Severity::Error));
    console.keys("eeeeeee");
    assert!(console.toast().contains("no further error"), "{}", console.toast());
    console.keys("gn");
    assert!(console.toast().contains("nothing is searched for; / searches"), "{}", console.toast());
}

#[test]
fn an_older_window_keeps_the_selected_line() {
    let mut console = Console::new();
    console.logs(logs::many(20_000), TailState::Live);
    console.keys("k<ctrl-u>");
    let before = console.model.screens.logs.selected().map(|line| line.text.to_owned());
    let effects = console.keys("[");
    let [Effect::Older(generation, request, _)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(request.until.map(|until| until - request.from), Some(logs_screen::HISTORY));
    assert!(console.keys("[").is_empty(), "one window at a time");
    let older = (0..15_000).map(|n| logs::line("time", "b", -2_000_000 + n, "older")).collect::<Vec<_>>();
    console.send(Msg::OlderLines(*generation, Ok(older.into())));
    assert_eq!(console.model.screens.logs.selected().map(|line| line.text.to_owned()), before);
    assert_eq!(console.model.screens.logs.store.len(), 35_000);
}

/// A fleet whose rows have come, and of which is not known yet where it logs.
fn rows_alone() -> Fleet {
    let mut server = fixtures::server("time", 2);
    server.logs = not_yet("ecs:DescribeTaskDefinition");
    Fleet { servers: vec![server], ..Fleet::default() }
}

fn generation(effects: &[Effect]) -> u64 {
    let of = |effect: &Effect| match effect {
        Effect::Fetch(Fetch::Fleet(..), generation) => Some(*generation),
        _ => None,
    };
    effects.iter().find_map(of).expect("the fleet is read")
}

/// Of a cluster that others made, whose groups have no names that can be derived.
fn foreign() -> Context {
    Context { cluster: "theirs".into(), ..fixtures::context() }
}

#[rstest]
#[case::of_all("2", true)]
#[case::of_all_in_parts("2", false)]
#[case::of_a_server("l", true)]
fn a_log_is_followed_as_soon_as_it_is_known_where_it_lies(#[case] key: &str, #[case] whole: bool) {
    let mut console = Console::silent(foreign());
    let read = generation(&console.keys("r"));
    console.send(Msg::FleetSoFar(read, Box::new(rows_alone())));
    let effects = console.keys(key);
    assert_eq!(console.model.screen, Screen::Logs);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Tail(..))), "{effects:?}");
    assert!(screen(&console, (80, 24)).contains("it is still being read where the log lies"));
    let mut known = rows_alone();
    known.servers[0].logs = fixtures::server("time", 2).logs;
    let message = match whole {
        true => Msg::Loaded(read, Answer::Fleet(Ok(known))),
        false => Msg::FleetSoFar(read, Box::new(known)),
    };
    let effects = console.send(message);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Tail(..))), "{effects:?}");
}

#[test]
fn who_has_gone_elsewhere_is_not_fetched_back_to_the_log() {
    let mut console = Console::silent(foreign());
    let read = generation(&console.keys("r"));
    console.send(Msg::FleetSoFar(read, Box::new(rows_alone())));
    console.keys("21");
    let mut known = rows_alone();
    known.servers[0].logs = fixtures::server("time", 2).logs;
    let effects = console.send(Msg::Loaded(read, Answer::Fleet(Ok(known))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Tail(..))), "{effects:?}");
    assert_eq!(console.model.screen, Screen::Fleet);
}

fn live(lines: Vec<Line>) -> Console {
    let mut console = Console::new();
    console.logs(lines, TailState::Live);
    console
}

/// Lets the console do what it has put off; the effects.
fn work(console: &mut Console) -> Vec<Effect> {
    let mut effects = Vec::new();
    while console.model.screens.logs.working() {
        effects.extend(console.send(Msg::Work));
    }
    effects
}

fn shown(console: &Console) -> usize {
    console.model.screens.logs.store.shown()
}

fn selected(console: &Console) -> String {
    console.model.screens.logs.selected().map(|line| line.text.to_owned()).expect("a line")
}

/// The window that is asked for.
fn window(effects: Vec<Effect>) -> (u64, TailRequest) {
    let found = effects.into_iter().find_map(|effect| match effect {
        Effect::Older(generation, request, _) => Some((generation, request)),
        _ => None,
    });
    found.expect("a window is read")
}

#[test]
fn filters_combine_and_a_bad_one_stays_at_the_prompt() {
    let mut console = live(logs::mixed());
    console.keys("&tool~. latency_ms>12<enter>");
    assert_eq!(shown(&console), 5);
    console.keys("!level>=error<enter>");
    assert_eq!(shown(&console), 4);
    console.keys("&status=<enter>");
    let prompt = console.model.prompt.clone().expect("the prompt stays");
    assert!(prompt.error.is_some_and(|error| error.contains("column 8") && error.contains("value is missing")));
    console.keys("401<enter>");
    assert_eq!((shown(&console), console.model.prompt.is_none()), (1, true));
    console.keys("<esc>");
    assert_eq!(shown(&console), 8, "esc removes the filters");
}

#[test]
fn a_filter_shows_its_first_lines_at_once_and_the_rest_bit_by_bit() {
    let mut console = live(logs::many(50_000));
    console.keys("&tool=convert<enter>");
    let first = shown(&console);
    assert!(first > 100 && console.model.screens.logs.store.progress().is_some_and(|percent| percent < 30), "{first}");
    let newest = selected(&console);
    console.keys("kk");
    let chosen = selected(&console);
    work(&mut console);
    assert_eq!((shown(&console), console.model.screens.logs.store.progress()), (7_143, None));
    assert_eq!(selected(&console), chosen, "the view stays where it is");
    console.keys("G");
    assert_eq!(selected(&console), newest);
}

#[test]
fn a_match_is_found_where_nothing_is_scanned_yet() {
    let mut lines = logs::many(50_000);
    lines[17] = logs::line("time", "a3f1c2d4e5f60718", -99_830, "the needle");
    let mut console = live(lines);
    console.keys("/needle<enter>N");
    assert!(console.model.screens.logs.seeking());
    work(&mut console);
    assert_eq!((selected(&console).as_str(), console.model.screens.logs.store.found()), ("the needle", 1));
    console.keys("N");
    assert!(console.toast().contains("no further match"), "{}", console.toast());
}

#[test]
fn going_up_past_the_first_line_reads_older_windows_without_end() {
    let mut console = live(logs::mixed());
    let (_, first) = window(console.keys("gk"));
    assert_eq!((first.until.map(|until| until - first.from), first.follow), (Some(logs_screen::HISTORY), Follow::No));
    console.send(Msg::OlderLines(1, Ok(Past::default())));
    assert!(console.toast().contains("twice as far"), "{}", console.toast());
    let (reading, second) = window(console.keys("k"));
    assert_eq!(second.until, Some(first.from));
    assert_eq!(first.from - second.from, 2 * logs_screen::HISTORY);
    let at = second.from + 1_000 - crate::support::at(0).as_millisecond();
    console.send(Msg::OlderLines(reading, Ok(vec![logs::line("time", "b", at, "old")].into())));
    assert_eq!(shown(&console), 9);
    console.keys("k");
    assert_eq!(selected(&console), "old");
    let (reading, third) = window(console.keys("k"));
    assert_eq!(third.until.map(|until| until - third.from), Some(logs_screen::HISTORY));
    console.send(Msg::OlderLines(reading, Err(CloudError::new(ErrorKind::Throttled, "logs", "slow down"))));
    assert_eq!(window(console.keys("[")).1, third, "what was not read is asked for again");
}

#[test]
fn a_jump_to_a_time_that_is_kept_needs_no_read() {
    let mut console = live(logs::mixed());
    assert!(console.keys("@31s<enter>").is_empty());
    assert!(selected(&console).contains("401") && console.model.screens.logs.paused());
    console.keys("@07:59:03<enter>");
    assert!(selected(&console).contains("gave up"));
    console.keys("@tomorrow<enter>");
    assert!(console.model.prompt.is_some_and(|prompt| prompt.error.is_some_and(|error| error.contains("tomorrow"))));
}

#[test]
fn a_time_in_the_past_opens_its_window_and_newer_windows_lead_to_the_present() {
    let mut console = live(logs::mixed());
    let (generation, request) = window(console.keys("@2h<enter>"));
    let to = crate::support::at(-7_200).as_millisecond();
    assert!(request.from < to && request.until.is_some_and(|until| until > to));
    let past = |millis: i64, text: &str| logs::line("time", "b", millis - 7_200_000, text);
    console
        .send(Msg::OlderLines(generation, Ok(vec![past(-9, "before"), past(5, "there"), past(900, "after")].into())));
    assert_eq!((selected(&console).as_str(), shown(&console)), ("there", 3));
    console.send(Msg::Lines(generation, vec![logs::line("time", "b", 0, "now")]));
    assert_eq!((shown(&console), console.model.screens.logs.unseen), (3, 1), "what comes now is counted");
    let (reading, next) = window(console.keys("]"));
    assert_eq!(Some(next.from), request.until);
    console.send(Msg::OlderLines(reading, Ok(vec![past(1_000_000, "later")].into())));
    assert_eq!((selected(&console).as_str(), shown(&console)), ("there", 4));
    let effects = console.keys("<space>");
    assert!(matches!(effects.as_slice(), [Effect::Tail(2, request)] if request.until.is_none()), "{effects:?}");
    assert!(!console.model.screens.logs.paused() && console.model.screens.logs.store.is_empty());
}

#[test]
fn newer_windows_lead_seamlessly_to_the_present() {
    let mut console = live(logs::mixed());
    let (generation, request) = window(console.keys("@20m<enter>"));
    let last = request.until.expect("an end") - 1 - crate::support::at(0).as_millisecond();
    console.send(Msg::OlderLines(generation, Ok(vec![logs::line("time", "b", last, "last of the window")].into())));
    let effects = console.keys("]");
    let [Effect::Tail(2, tail)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((Some(tail.from), tail.until), (request.until, None));
    let again = logs::line("time", "b", last, "last of the window");
    console.send(Msg::Lines(2, vec![again, logs::line("time", "b", last + 1, "next")]));
    assert_eq!(shown(&console), 2, "a line of the seam is not shown twice");
}

#[test]
fn what_older_windows_push_out_is_read_again_on_the_way_back() {
    let mut console = live(Vec::new());
    console.model.screens.logs.store = Store::new(256 * 1024);
    console.send(Msg::Lines(1, logs::many(500)));
    console.keys("g");
    let (_, request) = window(console.keys("["));
    let begin = request.from - crate::support::at(0).as_millisecond();
    let older = (0..3_000).map(|n| logs::line("time", "b", begin + n, &"older ".repeat(20))).collect::<Vec<_>>();
    console.send(Msg::OlderLines(1, Ok(older.into())));
    work(&mut console);
    let store = &console.model.screens.logs.store;
    assert!(store.dropped() > 0 && console.model.screens.logs.window.detached());
    let (_, last) = store.span().expect("lines");
    let (_, newer) = window(console.keys("]"));
    assert!(newer.from >= last && newer.from <= last + 20, "{} {last}", newer.from);
}

#[test]
fn sources_are_chosen_from_a_list() {
    let mut console = live(logs::mixed());
    console.keys("sjjj ");
    assert_eq!(shown(&console), 3, "weather is hidden");
    console.keys(" jj ");
    assert_eq!(shown(&console), 5, "weather is back, without a task");
    console.keys("gg <esc>");
    assert_eq!(shown(&console), 8, "all of them");
}

#[test]
fn marks_are_set_and_found() {
    let mut console = live(logs::mixed());
    console.keys("gjvjjv");
    assert_eq!(console.model.screens.logs.store.marked(), 2);
    console.keys("g>");
    assert!(selected(&console).contains("\"tool\":\"now\""));
    console.keys("><");
    assert!(selected(&console).contains("\"tool\":\"now\""));
    console.keys("v>>");
    assert!(console.toast().contains("no further mark"), "{}", console.toast());
}

#[test]
fn lines_are_saved_as_shown_or_all_as_text_or_ndjson() {
    let mut console = live(logs::mixed());
    console.keys("&level>=error<enter>");
    let saved = |console: &mut Console, keys: &str| {
        console.keys(keys);
        let effects = work(console);
        let [Effect::Save(name, text)] = effects.as_slice() else { panic!("{effects:?}") };
        (name.clone(), text.clone())
    };
    let (name, text) = saved(&mut console, "<ctrl-s><enter>");
    assert!(name.ends_with(".log") && text.lines().count() == 2, "{name}: {text}");
    assert!(text.starts_with("2027-01-15T07:59:02.75Z weather 0c9d8e7f {"), "{text}");
    let (name, text) = saved(&mut console, "<ctrl-s>jjj<enter>");
    assert!(name.ends_with(".ndjson") && text.lines().count() == 8, "{name}: {text}");
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(object["at"].is_i64() && object["severity"].is_string() && object["text"].is_string());
    }
}

#[test]
fn the_fields_of_json_lines_are_chosen_from_a_list() {
    let mut console = live(logs::mixed());
    console.keys("f ");
    assert_eq!(console.model.screens.logs.fields[0], "method", "the first was taken away");
    console.keys("<esc>gf<esc>");
    console.send(Msg::Lines(1, vec![logs::line("time", "b", 1, "plain")]));
    console.keys("Gf");
    assert!(console.toast().contains("no fields"), "{}", console.toast());
}

#[test]
fn escape_stops_a_window_that_is_read_and_its_answer_is_not_taken() {
    let mut console = live(logs::mixed());
    let (reading, first) = window(console.keys("["));
    console.send(Msg::OlderSoFar(reading, 12_000));
    assert_eq!(console.model.screens.logs.window.so_far(), Some(12_000));
    assert_eq!(console.keys("<esc>"), [Effect::StopOlder]);
    assert!(!console.model.screens.logs.window.loading());
    console.send(Msg::OlderLines(reading, Ok(vec![logs::line("time", "b", -2_000_000, "late")].into())));
    assert_eq!(shown(&console), 8, "an answer on its way is dropped");
    assert_eq!(window(console.keys("[")).1, first, "and the window can be read again");
}

#[test]
fn a_window_with_more_lines_than_there_is_room_for_is_shorter() {
    let mut console = live(logs::mixed());
    let (reading, request) = window(console.keys("["));
    let cut = request.from + 600_000;
    let at = cut - crate::support::at(0).as_millisecond();
    let past = Past { lines: vec![logs::line("time", "b", at, "old")], cut: Some(cut) };
    console.send(Msg::OlderLines(reading, Ok(past)));
    let (_, next) = window(console.keys("["));
    assert_eq!(next.until, Some(cut + 1), "the next window ends where this one was cut");
}

#[test]
fn after_lines_were_dropped_older_windows_go_on_past_silence() {
    let mut console = live(Vec::new());
    console.model.screens.logs.store = Store::new(64 * 1024);
    console.send(Msg::Lines(1, logs::many(2_000)));
    assert!(console.model.screens.logs.store.dropped() > 0);
    let (first, _) = console.model.screens.logs.store.span().expect("lines");
    let mut until = None;
    for _ in 0..12 {
        let (reading, request) = window(console.keys("["));
        assert_eq!(request.until, Some(until.unwrap_or(first + 1)), "each window ends where the one before began");
        until = Some(request.from);
        console.send(Msg::OlderLines(reading, Ok(Past::default())));
    }
}

#[test]
fn a_group_that_does_not_exist_is_told_until_it_does() {
    let mut console = live(Vec::new());
    let group = "/quarterdeck/prod/time".to_owned();
    console.send(Msg::LogMissing(1, group.clone(), true));
    assert!(console.model.screens.logs.missing.contains(&group));
    console.send(Msg::LogMissing(99, "/of/another/tail".into(), true));
    assert_eq!(console.model.screens.logs.missing.len(), 1);
    console.send(Msg::LogMissing(1, group, false));
    assert!(console.model.screens.logs.missing.is_empty());
}

/// A world in which `weather` logs with another driver.
fn with_splunk() -> Console {
    let mut world = crate::support::fixtures::world();
    let server = world.fleet.servers.iter_mut().find(|server| server.name == "weather").expect("weather");
    let log = ContainerLog { container: "app".into(), to: Destination::Driver { driver: "splunk".into() } };
    server.logs = Read::Known(vec![log]);
    Console::with(world)
}

#[test]
fn the_log_of_a_server_that_is_not_in_cloudwatch_is_refused_with_its_driver() {
    let mut console = with_splunk();
    console.keys("1/weather<enter>l");
    assert!(console.toast().contains("container app logs with splunk"), "{}", console.toast());
    assert_ne!(console.model.screen, Screen::Logs);
    console.keys("2");
    assert_eq!(console.model.screens.logs.sources.groups, ["/quarterdeck/prod/time"]);
}

#[test]
fn windows_go_by_the_clock_of_aws() {
    let mut console = Console::new();
    console.send(Msg::Ahead(40_000));
    let effects = console.keys("2");
    let request = effects.iter().find_map(|effect| match effect {
        Effect::Tail(_, request) => Some(request.clone()),
        _ => None,
    });
    let from = crate::support::at(40).as_millisecond() - logs_screen::HISTORY;
    assert_eq!(request.map(|request| request.from), Some(from));
}

#[test]
fn a_line_that_is_stamped_ahead_does_not_hide_silence() {
    let mut console = live(vec![logs::line("time", "b", 1_200_000, "stamped ahead")]);
    console.tick(60);
    assert_eq!(console.model.screens.logs.last_line, Some(crate::support::at(0).as_millisecond()));
    assert_eq!(shown(&console), 1);
}

#[test]
fn the_lines_of_an_event_are_lines_of_the_pane_and_of_a_saved_file() {
    let mut console = live(vec![logs::line("time", "b", -5, "Traceback:\r  File \"a.py\"\rValueError: declined")]);
    console.keys("<enter>");
    let Some(Dialog::Text { lines, .. }) = console.model.dialogs.last() else { panic!("no dialog") };
    let lines: Vec<String> = lines.iter().map(|cells| cells.iter().map(|cell| cell.text.as_str()).collect()).collect();
    assert!(
        lines.ends_with(&["Traceback:".into(), "  File \"a.py\"".into(), "ValueError: declined".into()]),
        "{lines:?}"
    );
    console.keys("<esc><ctrl-s><enter>");
    let effects = work(&mut console);
    let [Effect::Save(_, text)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(text.ends_with("Traceback:\n  File \"a.py\"\nValueError: declined\n"), "{text}");
}

/// A task that never started has no line, and no filter is to blame.
#[test]
fn a_task_without_a_line_is_said_to_have_none() {
    let mut console = Console::new();
    console.logs(vec![logs::line("time", "another", 1_000, "of another task")], TailState::Live);
    console.keys("1<enter>l");
    let shown = screen(&console, (80, 24));
    assert!(shown.contains("has no line in what was read; esc shows every task"), "{shown}");
    assert!(!shown.contains("of another task"), "{shown}");
    console.keys("&nothing-like-it<enter>");
    let shown = screen(&console, (80, 24));
    assert!(shown.contains("no line passes the filters"), "{shown}");
}
