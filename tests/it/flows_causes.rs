//! From a symptom to its cause by keys: the Timeline, Doctor, the first line of Fleet, and the lines of one task.

use crate::support::painted::{LARGE, SMALL, screen};
use crate::support::{Console, World, at, fixtures, logs, plans, stacks};
use quarterdeck::console::action::{Action, Here};
use quarterdeck::console::dialogs::Dialog;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::remote::Generation;
use quarterdeck::console::screens::fleet::Level;
use quarterdeck::console::screens::{Answer, Fetch, Screen, doctor, fleet, timeline};
use quarterdeck::core::doctor::{Hop, Link, News, State};
use quarterdeck::core::finding::Id;
use quarterdeck::core::fleet::{Deployment, Rollout, ServiceEvent};
use quarterdeck::core::logs::TailState;
use quarterdeck::core::logs::words::Said;
use quarterdeck::core::metrics::{OfCounts, Series};
use quarterdeck::core::requests::{By, Lately, Period};
use quarterdeck::core::stack::StackStatus;
use quarterdeck::core::timeline::bursts::Counted;
use quarterdeck::core::timeline::capture::Captured;
use quarterdeck::core::timeline::{History, Kind, Moment, Span};
use rstest::rstest;

/// A moment that only the past knows.
pub fn moment(seconds: i64, kind: Kind, subject: &str, what: &str, bad: bool) -> Moment {
    Moment {
        at: at(seconds),
        kind,
        subject: subject.into(),
        what: what.into(),
        bad,
        finding: None,
        task: None,
        burst: None,
    }
}

/// A deploy whose new tasks run out of memory.
pub fn past() -> World {
    let mut world = fixtures::trouble();
    let failed = "Service (AWS::ECS::Service) UPDATE_FAILED: ECS Deployment Circuit Breaker was triggered";
    world.history = History {
        moments: vec![
            moment(-3_000, Kind::Operation, "op-deploy", "deploy prod: begun by anna", false),
            moment(-2_400, Kind::Stack, "quarterdeck-prod-weather", failed, true),
            moment(-2_300, Kind::Operation, "op-deploy", "deploy prod: failed at apply weather: rolled back", true),
        ],
        captured: Some(Captured::default()),
        ..History::default()
    };
    world
}

/// A server that refuses a client now, another that failed half an hour ago, and one that autoscaling could not help.
pub fn bursts() -> World {
    let mut world = fixtures::trouble();
    let mut scaling = moment(-1_200, Kind::Scaling, "time", "would scale out, and is at its maximum of 6", true);
    scaling.finding = Some(Id::BusyAtMaximum);
    let point = |seconds, value| Series { points: vec![(at(seconds), value)] };
    let of = [(OfCounts::Requests, point(-1_800, 40.0)), (OfCounts::Errors, point(-1_800, 12.0))];
    let servers = [("weather".to_owned(), of.into())].into();
    let counted = Counted { from: at(-86_400), until: at(0), period: 300, servers, asked: 5 };
    world.history = History {
        moments: vec![scaling],
        captured: Some(Captured::default()),
        counted: Some(Box::new(counted)),
        ..History::default()
    };
    let mut lately = Lately::default();
    for second in 0..30 {
        let request = |server: &str, event: &str, more: &str| {
            let text = format!(r#"{{"event":"{event}","latency_ms":2.5,{more}}}"#);
            logs::line(server, "a", -150_000 + second * 5_000, &text)
        };
        let refused = request("time", "request", r#""status":401,"client":"agent","reason":"id-token""#);
        let failed = request("docs", "tool_error", r#""status":200,"client":"agent","tool":"search""#);
        [refused, failed].iter().for_each(|line| lately.requests.take(line, at(0).as_millisecond()));
    }
    for server in ["time", "docs"] {
        lately.until.insert(server.into(), at(0));
    }
    world.lately = Some(lately);
    world
}

fn told(console: &Console) -> Vec<String> {
    let rows = timeline::view(&console.model).rows;
    rows.iter()
        .map(|row| row.cells[1..].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" | "))
        .collect()
}

/// Selects the first row of the timeline in whose text this occurs.
fn select(console: &mut Console, text: &str) {
    console.keys("5g");
    for _ in 0..told(console).len() {
        if timeline::selected(&console.model).is_some_and(|moment| moment.what.contains(text)) {
            return;
        }
        console.keys("j");
    }
    panic!("no row says {text:?}: {:?}", told(console));
}

#[test]
fn the_timeline_merges_what_the_fleet_and_the_past_know_the_newest_first() {
    let mut console = Console::with(past());
    console.keys("5");
    let rows = told(&console);
    let order = [
        "42s | ✖ task | weather | task 76e049b3 stopped",
        "5m00s | ✖ event | docs",
        "✖ operation | op-deploy",
        "✖ stack",
        "· operation",
        "· event | time | (service time) has reached a steady state",
    ];
    let places: Vec<Option<usize>> = order.iter().map(|text| rows.iter().position(|row| row.contains(text))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} {rows:#?}");
    assert!(rows[places[0].unwrap_or(0)].contains("[out-of-memory]"), "what kind of thing it was: {rows:#?}");
    console.keys("z");
    assert!(told(&console).iter().all(|row| row.contains('✖')), "only what went wrong");
    console.keys("z/subject:weather<enter>");
    assert!(told(&console).iter().all(|row| row.contains("weather")));
}

#[rstest]
#[case::task("task 76e049b3 stopped", Screen::Logs)]
#[case::stack("Circuit Breaker was triggered", Screen::Stack)]
#[case::deployment("deployment ecs-svc/1 began", Screen::Fleet)]
#[case::event("unable to place", Screen::Fleet)]
fn a_row_leads_to_its_screen(#[case] text: &str, #[case] screen: Screen) {
    let mut console = Console::with(past());
    select(&mut console, text);
    console.keys("<enter>");
    assert_eq!(console.model.screen, screen, "{}", console.toast());
}

#[rstest]
#[case::scaling("would scale out", "the tasks of time", Screen::Fleet)]
#[case::refusals("requests refused", "the requests of time by why", Screen::Requests)]
#[case::errors("calls of search", "the requests of docs", Screen::Requests)]
#[case::errors_long_ago("12 of 40 requests failed", "the log of weather at that time", Screen::Logs)]
fn scaling_and_bursts_lead_to_their_screens(#[case] text: &str, #[case] words: &str, #[case] screen: Screen) {
    let mut console = Console::with(bursts());
    select(&mut console, text);
    let moment = timeline::selected(&console.model).expect("selected");
    assert_eq!(timeline::lead(&console.model, moment).words(), words);
    console.keys("<enter>");
    assert_eq!(console.model.screen, screen, "{}", console.toast());
    let requests = &console.model.screens.requests;
    match words {
        "the requests of time by why" => assert_eq!(
            (requests.server.as_deref(), requests.by, requests.window),
            (Some("time"), By::Why, Period::Fifteen)
        ),
        "the requests of docs" => assert_eq!((requests.server.as_deref(), requests.by), (Some("docs"), By::Tool)),
        "the tasks of time" => assert_eq!(console.model.screens.fleet.level, Level::Tasks("time".into())),
        _ => {}
    }
}

/// CloudWatch counts refusals without their reasons: those are what is looked for.
#[test]
fn refusals_of_which_no_line_was_read_lead_to_the_requests_by_why() {
    let mut world = bursts();
    let point = |value| Series { points: vec![(at(-600), value)] };
    let of = [(OfCounts::TargetRequests, point(40.0)), (OfCounts::TargetRefused, point(20.0))];
    world.history.counted.as_mut().expect("counts").servers = [("weather".to_owned(), of.into())].into();
    let mut console = Console::with(world);
    select(&mut console, "20 of 40 requests refused");
    console.keys("<enter>");
    let requests = &console.model.screens.requests;
    assert_eq!((console.model.screen, requests.server.as_deref()), (Screen::Requests, Some("weather")));
    assert_eq!(requests.by, By::Why);
}

#[test]
fn bursts_are_told_with_what_is_known_of_them_and_of_one_server_alone() {
    let mut console = Console::with(bursts());
    console.keys("5");
    let rows = told(&console).join("\n");
    for row in [
        "3m00s | ✖ refusals | time | 30 of 30 requests refused: most had an id token, mostly of client agent, within 3m00s or \
         longer, and it goes on [id-token]",
        "✖ errors | docs | 30 of 30 requests failed, mostly of client agent, mostly calls of search, within 3m00s or longer",
        "30m00s | ✖ errors | weather | 12 of 40 requests failed, within 5m00s [requests-fail]",
        "20m00s | ✖ scaling | time | would scale out, and is at its maximum of 6 [busy-at-maximum]",
    ] {
        assert!(rows.contains(row), "{row}\n{rows}");
    }
    console.keys("/kind:refusals<enter>");
    assert_eq!(told(&console).len(), 1);
    console.keys("<esc>1jj<enter>5");
    assert_eq!(console.model.screens.timeline.stretch.server.as_deref(), Some("weather"));
    let rows = told(&console).join("\n");
    assert!(rows.contains("12 of 40") && !rows.contains("30 of 30"), "{rows}");
}

#[test]
fn the_clients_names_are_read_where_a_burst_tells_of_one() {
    let wants = |world: World| {
        let mut console = Console::with(world);
        console.keys("5");
        console.tick(10);
        console.model.screens.clients.remote.get().is_some()
    };
    assert!(wants(bursts()));
    assert!(!wants(past()));
}

/// Its words change from second to second.
#[test]
fn a_burst_that_goes_on_stays_selected() {
    let mut console = Console::with(bursts());
    select(&mut console, "requests refused");
    let before = timeline::selected(&console.model).map(|one| one.what.clone());
    let lately = console.world.lately.as_mut().expect("read");
    for second in 1..6 {
        let text = r#"{"event":"request","latency_ms":2.5,"status":401,"client":"agent","reason":"id-token"}"#;
        lately.requests.take(&logs::line("time", "a", second * 1_000, text), at(10).as_millisecond());
    }
    lately.until.insert("time".into(), at(10));
    // Above it comes another one, so its place is not the same.
    console.world.history.moments.push(moment(5, Kind::Alarm, "time", "alarm 5xx went from OK to ALARM", true));
    console.keys("1");
    console.tick(60);
    console.keys("5");
    console.tick(70);
    let after = timeline::selected(&console.model).expect("selected");
    assert!(after.kind == Kind::Refusals && Some(&after.what) != before.as_ref(), "{after:?}");
}

#[test]
fn the_rows_lead_to_the_very_thing() {
    let mut console = Console::with(past());
    select(&mut console, "unable to place");
    console.keys("<enter>");
    assert_eq!(console.model.screens.fleet.level, Level::Tasks("docs".into()));
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Text { title, .. }) if title == "events of docs"));
    console.keys("<esc>");
    console.keys("5");
    assert_eq!(console.model.screens.timeline.stretch.server, None, "it goes on where it was left");
    select(&mut console, "Circuit Breaker was triggered");
    console.keys("<enter>");
    assert_eq!(console.model.screens.stack.opened.as_deref(), Some("quarterdeck-prod-weather"));
    select(&mut console, "76e049b3 stopped");
    console.keys("<enter>");
    let filter = console.model.screens.logs.store.filter();
    assert!(filter.task.as_deref().is_some_and(|task| task.starts_with("76e049b3")), "{filter:?}");
}

#[test]
fn an_operation_of_this_console_opens_and_an_older_one_is_told() {
    let mut world = past();
    world.history.moments.push(moment(-10, Kind::Operation, "op-scale", "scale weather: begun by anna", false));
    let mut console = Console::with(world);
    console.keys("T");
    console.planned(plans::scale());
    console.keys("y<esc>");
    select(&mut console, "scale weather");
    console.keys("<enter>");
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Operation { id, .. }) if id == "op-scale"));
    console.keys("<esc>");
    select(&mut console, "deploy prod: failed");
    console.keys("<enter>");
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Text { .. })), "this console does not hold it");
}

#[rstest]
#[case::nothing_keeps_more(None, "5", ", stopped tasks of the last hour alone")]
#[case::the_hour_is_all_that_is_asked_for(None, "5ww", "")]
#[case::an_event_log_keeps_more(Some(Captured::default()), "5", "")]
fn the_timeline_tells_how_long_tasks_are_remembered(
    #[case] captured: Option<Captured>,
    #[case] keys: &str,
    #[case] told: &str,
) {
    let mut world = past();
    world.history.captured = captured;
    let mut console = Console::with(world);
    console.keys(keys);
    let title = timeline::view(&console.model).title;
    assert_eq!(title.contains("stopped tasks of the last hour alone"), !told.is_empty(), "{title}");
    assert!(title.ends_with(told), "{title}");
}

/// An alarm leads to the server that it is named after, and one that all share to the stack that has it.
#[rstest]
#[case::of_a_server("weather", "the tasks of weather")]
#[case::of_all("platform", "stack quarterdeck-prod-platform")]
#[case::of_something_else("other-5xx", "the whole text")]
fn an_alarm_on_the_timeline_leads_to_what_it_watches(#[case] subject: &str, #[case] way: &str) {
    let mut world = past();
    world.history.moments.push(moment(-10, Kind::Alarm, subject, "alarm 5xx went from OK to ALARM", true));
    let mut console = Console::with(world);
    console.keys("5");
    select(&mut console, "alarm 5xx");
    let shown = timeline::selected(&console.model).unwrap();
    assert_eq!(timeline::lead(&console.model, shown).words(), way);
}

#[test]
fn the_timeline_of_one_server_asks_for_its_past_alone() {
    let mut console = Console::with(past());
    console.answers = false;
    console.keys("<enter>");
    let asked = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Fetch(Fetch::History(stretch), _) => Some((stretch.server, stretch.span)),
            _ => None,
        })
    };
    assert_eq!(asked(console.keys("5")), Some((Some("docs".into()), Span::Day)));
    assert!(told(&console).iter().all(|row| row.contains("docs")), "{:?}", told(&console));
    assert_eq!(asked(console.keys("w")), Some((Some("docs".into()), Span::Week)), "a longer stretch is asked for anew");
    assert_eq!(asked(console.keys("<esc>")), Some((None, Span::Week)), "esc widens to all");
    console.keys("<esc>");
    assert_eq!(console.model.screen, Screen::Fleet);
}

#[test]
fn the_past_is_read_only_while_it_is_shown() {
    let mut console = Console::with(past());
    console.answers = false;
    let reads = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Fetch(Fetch::History(_), _)));
    assert!(!reads(&console.tick(100)) && !reads(&console.keys("234")), "no other screen needs it");
    assert!(reads(&console.keys("5")));
}

#[test]
fn what_a_read_brings_while_the_timeline_is_shown_joins_it() {
    let mut console = Console::with(past());
    console.keys("5");
    let event = ServiceEvent { at: at(20), message: "(service docs) has begun draining".into() };
    console.world.fleet.servers[0].events.insert(0, event);
    assert!(!told(&console)[0].contains("draining"));
    console.tick(40);
    assert!(told(&console)[0].contains("draining"), "{:?}", told(&console)[0]);
    console.world.down = Some(crate::support::unreachable());
    console.tick(120);
    assert!(screen(&console, LARGE).contains("stale"), "the last good answer stays, with its age");
    assert!(told(&console)[0].contains("draining"));
}

#[test]
fn l_on_the_timeline_is_the_log_at_that_time() {
    let mut console = Console::with(past());
    select(&mut console, "Circuit Breaker was triggered");
    let effects = console.keys("l");
    let read = effects.iter().find_map(|effect| match effect {
        Effect::Older(_, request, _) => Some((request.from, request.until)),
        _ => None,
    });
    let (from, until) = read.expect("a window of the past");
    let then = at(-2_400).as_millisecond();
    assert!(from < then && until.is_some_and(|until| until > then));
    assert_eq!(console.model.screens.logs.store.filter().servers.iter().next().map(String::as_str), Some("weather"));
    select(&mut console, "deploy prod: failed");
    console.keys("l");
    assert!(console.toast().contains("of no server"), "{}", console.toast());
    assert!(!Here::of(&console.model).leads(Action::TimelineLogs), "and the footer does not offer it");
}

fn hop(link: Link, state: State) -> Hop {
    Hop { link, state, millis: Some(12) }
}

/// Answers the run that these effects begin.
pub fn run(console: &mut Console, effects: &[Effect], hops: &[Hop]) {
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Doctor(generation, servers) => Some((*generation, servers.clone())),
        _ => None,
    });
    let (generation, servers) = asked.expect("a run");
    for server in servers {
        console.send(Msg::Doctor(generation, News::Begun(server)));
        for hop in hops {
            console.send(Msg::Doctor(generation, News::Found(hop.clone())));
        }
    }
    console.send(Msg::Doctor(generation, News::Ended));
}

/// A way whose token is refused.
pub fn refused() -> Vec<Hop> {
    vec![
        hop(
            Link::Credentials,
            State::well("account 123456789012, arn:aws:sts::123456789012:assumed-role/operator/anna"),
        ),
        hop(Link::Stacks, State::well("5 stacks, none failed")),
        hop(Link::Service, State::well("healthy, 2/2 tasks")),
        hop(Link::Targets, State::well("2/2 targets healthy in time")),
        hop(
            Link::Metadata,
            State::well("authorization server https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A"),
        ),
        hop(
            Link::Challenge,
            State::odd("HTTP 401 without metadata in it", "name `resource_metadata` (RFC 9728 section 5.1)"),
        ),
        hop(Link::Token, State::well("granted by https://login.example.com/oauth2/token")),
        hop(
            Link::Initialize,
            State::broken("HTTP 401, the server refuses the token: invalid_token", "let the server accept this client"),
        ),
    ]
}

#[test]
fn six_goes_the_way_to_the_selected_server_once() {
    let mut console = Console::new();
    let effects = console.keys("j6");
    assert!(matches!(&effects[..], [Effect::Doctor(_, servers)] if servers == &["weather"]), "{effects:?}");
    run(&mut console, &effects, &refused());
    assert_eq!(doctor::view(&console.model).rows.len(), 8);
    let (way, hop) = doctor::broken(&console.model)[0];
    assert_eq!((way.name(), hop.link), ("weather", Link::Initialize));
    assert_eq!(console.keys("16"), Vec::new(), "it is there already");
    assert_eq!(console.keys("46"), Vec::new(), "a tab alone asks no server");
    let effects = console.keys("r");
    assert!(matches!(&effects[..], [Effect::Doctor(_, servers)] if servers == &["weather"]), "{effects:?}");
}

#[test]
fn doctor_asks_nothing_by_itself() {
    let mut console = Console::new();
    assert_eq!(console.keys("46"), Vec::new());
    assert!(screen(&console, SMALL).contains("r goes the way of a client"));
    for seconds in [1, 10, 100, 1_000] {
        let effects = console.tick(seconds);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Doctor(..) | Effect::Fetch(..))), "{effects:?}");
    }
    let effects = console.keys("r");
    assert!(
        matches!(&effects[..], [Effect::Doctor(_, servers)] if servers == &["time", "weather"]),
        "all: {effects:?}"
    );
}

#[test]
fn each_link_is_shown_when_it_comes_and_an_older_run_is_dropped() {
    let mut console = Console::new();
    let effects = console.keys("6");
    let [Effect::Doctor(first, _)] = &effects[..] else { panic!("{effects:?}") };
    console.send(Msg::Doctor(*first, News::Begun("time".into())));
    console.send(Msg::Doctor(*first, News::Found(refused()[0].clone())));
    assert_eq!(doctor::view(&console.model).rows.len(), 1);
    assert!(screen(&console, SMALL).contains("on the way to time"));
    console.keys("r");
    assert!(console.toast().contains("still going"), "{}", console.toast());
    assert!(!Here::of(&console.model).leads(Action::DoctorAgain));
    assert_eq!(console.keys("<esc>"), vec![Effect::StopDoctor]);
    console.send(Msg::Doctor(*first, News::Found(refused()[1].clone())));
    assert_eq!(doctor::view(&console.model).rows.len(), 1, "what comes after the stop is dropped");
    console.keys("r");
    console.send(Msg::Doctor(*first, News::Found(refused()[1].clone())));
    assert_eq!(doctor::view(&console.model).rows.len(), 0, "of another run");
}

#[rstest]
#[case(Link::Credentials, None)]
#[case(Link::Stacks, Some(Screen::Stack))]
#[case(Link::Targets, Some(Screen::Fleet))]
#[case(Link::Token, Some(Screen::Clients))]
#[case(Link::Initialize, Some(Screen::Logs))]
fn a_link_leads_to_where_it_is_looked_into(#[case] link: Link, #[case] expected: Option<Screen>) {
    let mut console = Console::new();
    let effects = console.keys("6");
    run(&mut console, &effects, &refused());
    while doctor::selected(&console.model).is_some_and(|(_, hop)| hop.link != link) {
        console.keys("j");
    }
    console.keys("<enter>");
    match expected {
        Some(screen) => assert_eq!(console.model.screen, screen),
        None => assert!(matches!(console.model.dialogs.last(), Some(Dialog::Text { .. }))),
    }
}

#[rstest]
#[case(":timeline<enter>", Screen::Timeline)]
#[case(":doctor<enter>", Screen::Doctor)]
fn the_palette_leads_there(#[case] keys: &str, #[case] screen: Screen) {
    let mut console = Console::new();
    console.keys(keys);
    assert_eq!(console.model.screen, screen);
}

/// The lines of a task, of another one, and of another server.
fn lines(console: &Console) -> Vec<quarterdeck::core::logs::Line> {
    let server = console.model.screens.fleet.remote.get().expect("read").server("weather").expect("there");
    let ids: Vec<&str> = server.known_tasks().iter().map(|task| task.id()).collect();
    let line = |task: &str, millis, text: &str| logs::line("weather", task, millis, text);
    vec![
        line(ids[0], -60_000, "of the first"),
        line(ids[2], -50_000, "last words"),
        line(ids[0], -40_000, "of the first again"),
        logs::line("time", "b", -30_000, "of another server"),
    ]
}

fn shown(console: &Console) -> Vec<String> {
    let store = &console.model.screens.logs.store;
    (0..store.shown()).filter_map(|row| store.row(row)).map(|kept| kept.line.text.to_owned()).collect()
}

#[test]
fn l_on_a_task_shows_its_lines_alone() {
    let mut console = Console::with(fixtures::trouble());
    let lines = lines(&console);
    console.logs(lines, TailState::Live);
    console.keys("1G<enter>Gl");
    assert_eq!(shown(&console), ["last words"], "those of the task that was killed");
    let title = screen(&console, LARGE);
    assert!(title.contains("logs of weather, task 76e049b3"), "{title}");
    console.keys("<esc>");
    // The pause at its last line goes first.
    console.keys("<esc>");
    assert_eq!(shown(&console).len(), 3, "esc leads to all of its server");
    console.keys("1gl");
    assert_eq!(shown(&console), ["of the first", "of the first again"]);
}

#[test]
fn l_on_a_task_that_stopped_long_ago_reads_the_time_before_its_end() {
    let mut console = Console::with(fixtures::trouble());
    let weather = console.world.fleet.servers.iter_mut().find(|server| server.name == "weather").expect("there");
    fixtures::tasks(weather)[2].stopped_at = Some(at(-3_000));
    console.tick(10);
    console.keys("G<enter>G");
    let effects = console.keys("l");
    let window = effects.iter().find_map(|effect| match effect {
        Effect::Older(generation, request, _) => Some((*generation, request.from)),
        _ => None,
    });
    let (generation, from) = window.expect("a window of the past");
    assert!(from < at(-3_000).as_millisecond());
    let id = fixtures::tasks(console.world.fleet.servers.iter_mut().find(|one| one.name == "weather").expect("there"))
        [2]
    .id()
    .to_owned();
    let old =
        vec![logs::line("weather", &id, -3_010_000, "last words"), logs::line("weather", "b", -2_900_000, "later")];
    console.send(Msg::OlderLines(generation, Ok(old.into())));
    assert_eq!(shown(&console), ["last words"]);
    assert_eq!(console.model.screens.logs.selected().map(|line| line.text.to_owned()).as_deref(), Some("last words"));
}

#[test]
fn choosing_sources_begins_with_the_task_that_is_shown() {
    let mut console = Console::with(fixtures::trouble());
    let lines = lines(&console);
    console.logs(lines, TailState::Live);
    console.keys("1G<enter>gls");
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Pick { .. })));
    console.keys("g<space><esc>");
    assert!(console.model.screens.logs.store.filter().task.is_none());
    assert_eq!(shown(&console).len(), 4, "all");
}

#[test]
fn the_first_line_of_fleet_is_the_cause_that_explains_the_others() {
    let one = |console: &Console| screen(console, LARGE).lines().nth(2).unwrap_or_default().to_owned();
    assert!(!one(&Console::new()).contains("why"), "nothing is wrong");
    let three_causes = Console::with(fixtures::trouble());
    assert!(!one(&three_causes).contains("why"), "none of three causes explains the others");
    let mut world = fixtures::world();
    world.fleet.servers.push(fixtures::trouble().fleet.servers[2].clone());
    world.fleet.servers.remove(1);
    let console = Console::with(world);
    let line = one(&console);
    assert!(line.contains("why  weather → 3 D: out of memory: task 76e049b3 was killed"), "{line}");
    assert!(line.contains("explains 1 more)"), "{line}");
}

/// A key that acts on the selected server would else lead to the log of one that is well.
#[test]
fn the_first_line_says_how_its_server_is_selected_where_another_one_is() {
    let mut world = fixtures::world();
    let weather = world.fleet.servers.iter_mut().find(|server| server.name == "weather").expect("there");
    weather.desired = 0;
    let mut console = Console::with(world);
    let line = |console: &Console| screen(console, LARGE).lines().nth(2).unwrap_or_default().to_owned();
    assert!(line(&console).contains("why  weather → w S:"), "{}", line(&console));
    console.keys("w");
    assert!(line(&console).contains("why  weather → S:"), "{}", line(&console));
    assert_eq!(fleet::selected_server(&console.model).map(|server| server.name.as_str()), Some("weather"));
    let mut well = Console::new();
    assert!(!screen(&well, LARGE).contains("w cause"), "nothing is wrong");
    well.keys("w");
    assert!(screen(&well, LARGE).contains("no server is named as the cause"));
}

#[test]
fn a_stack_that_all_share_is_the_cause_of_what_follows() {
    let mut world = World { stacks: stacks::settled(), ..fixtures::trouble() };
    let platform = world.stacks.iter_mut().find(|stack| stack.id.name.ends_with("-platform")).expect("there");
    platform.status = StackStatus("UPDATE_ROLLBACK_FAILED".into());
    platform.reason = Some("The load balancer is in use".into());
    let console = Console::with(world);
    let line = screen(&console, LARGE).lines().nth(2).unwrap_or_default().to_owned();
    assert!(
        line.contains("the environment") && line.contains("quarterdeck-prod-platform is UPDATE_ROLLBACK_FAILED"),
        "{line}"
    );
}

#[test]
fn a_stuck_stack_of_no_server_is_told_on_fleet_where_all_servers_are_well() {
    let mut world = World { stacks: stacks::settled(), ..fixtures::world() };
    let mut stuck = world.stacks[0].clone();
    stuck.id.name = "quarterdeck-prod-old".into();
    stuck.status = StackStatus("ROLLBACK_COMPLETE".into());
    world.stacks.push(stuck);
    let console = Console::with(world);
    let line = screen(&console, LARGE).lines().nth(2).unwrap_or_default().to_owned();
    assert!(line.contains("why  old → 3:") && line.contains("quarterdeck-prod-old is ROLLBACK_COMPLETE"), "{line}");
}

/// At 80 columns there is no room for words beside the tabs.
#[test]
fn an_operation_under_way_is_counted_on_the_smallest_terminal() {
    let mut console = Console::new();
    console.keys("T");
    console.planned(plans::scale());
    console.keys("y<esc>");
    let tabs = screen(&console, SMALL).lines().nth(1).unwrap_or_default().to_owned();
    assert!(tabs.contains("m Requests") && tabs.contains("◐ 1 o"), "{tabs}");
}

#[rstest]
#[case("quarterdeck-prod-docs:7")]
#[case("an-environment-with-a-very-long-name-docs:1234")]
fn the_number_of_a_revision_is_never_cut_off(#[case] definition: &str) {
    let mut world = fixtures::trouble();
    world.fleet.servers[0].task_definition = format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{definition}");
    let console = Console::with(world);
    let number = definition.rsplit(':').next().expect("a number");
    for size in [(100, 30), (120, 40), (140, 40), LARGE] {
        let text = screen(&console, size);
        let row = text.lines().find(|line| line.contains("▸ docs")).expect("the row");
        assert!(!text.contains("REVISION") || row.contains(&format!(":{number}")), "{size:?}: {row}");
    }
}

#[test]
fn the_footer_offers_no_key_that_leads_nowhere() {
    let footer = |console: &Console| screen(console, LARGE).lines().last().unwrap_or_default().to_owned();
    let console = Console::with(fixtures::empty());
    assert!(!footer(&console).contains("logs") && !footer(&console).contains("scale"), "{}", footer(&console));
    let mut console = Console::new();
    assert!(!footer(&console).contains("stop-task"), "no task is selected: {}", footer(&console));
    console.keys("<enter>");
    assert!(footer(&console).contains("stop-task"), "{}", footer(&console));
    // A deployment that is under way is one of a server, and a task that is missing is none.
    let mut world = fixtures::world();
    world.fleet.servers[0].running -= 1;
    assert!(!footer(&Console::with(world.clone())).contains("stop-deployment"));
    world.fleet.servers[0].deployments[0].rollout = Rollout::InProgress;
    let mut console = Console::with(world);
    assert!(footer(&console).contains("stop-deployment"), "{}", footer(&console));
    console.keys("G");
    assert!(!footer(&console).contains("stop-deployment"), "of another server: {}", footer(&console));
}

#[test]
fn a_deployment_of_many_servers_is_cut_to_what_can_be_scrolled() {
    let mut world = fixtures::world();
    let deployment = |index: i64| Deployment {
        id: format!("ecs-svc/{index}"),
        created_at: Some(at(-index)),
        rollout: Rollout::Completed,
        ..fixtures::server("time", 1).deployments[0].clone()
    };
    world.fleet.servers[0].deployments = (1..3_000).map(deployment).collect();
    let mut console = Console::with(world);
    console.keys("5");
    let view = timeline::view(&console.model);
    assert_eq!(view.all, 2_000);
    assert!(view.title.contains("older"), "{}", view.title);
    assert!(view.rows[0].cells[4].text.contains("ecs-svc/1 "), "the newest are kept");
}

/// A task of `weather` that has ended with code 1.
fn ended() -> World {
    let mut world = fixtures::trouble();
    let weather = world.fleet.servers.iter_mut().find(|server| server.name == "weather").unwrap();
    let stopped = fixtures::tasks(weather).iter_mut().find(|task| task.stopped()).unwrap();
    (stopped.containers[0].exit_code, stopped.containers[0].reason) = (Some(1), None);
    world
}

/// The reads of last words that are asked for, with the tasks' ids.
fn asked(effects: &[Effect]) -> Vec<(Generation, Vec<String>)> {
    let words = effects.iter().filter_map(|effect| match effect {
        Effect::Fetch(Fetch::Words(ended), generation) => {
            Some((*generation, ended.iter().map(|one| one.task.clone()).collect()))
        }
        _ => None,
    });
    words.collect()
}

/// What a task said last is read once, because it says nothing more, and stands with what it is the evidence of whenever
/// the fleet is read again.
#[test]
fn the_last_words_of_a_task_are_read_once_and_stay() {
    let mut console = Console::with(ended());
    console.keys("G");
    console.answers = false;
    let effects = console.tick(5);
    let [(generation, tasks)] = &asked(&effects)[..] else { panic!("{effects:?}") };
    let [task] = &tasks[..] else { panic!("{tasks:?}") };
    assert!(!screen(&console, LARGE).contains("it said last"));
    let said = vec![Said { task: task.clone(), words: Some("API_KEY is not set".into()) }];
    console.send(Msg::Loaded(*generation, Answer::Words(Ok(said))));
    console.answers = true;
    for second in 6..60 {
        let effects = console.tick(second);
        assert!(asked(&effects).is_empty(), "{second}: {effects:?}");
        assert!(screen(&console, LARGE).contains("it said last: API_KEY is not set"), "{}", screen(&console, LARGE));
    }
    // With the answers off, nothing is asked for either.
    console.answers = false;
    assert!((60..70).all(|second| asked(&console.tick(second)).is_empty()));
}
