//! The requests of the last minutes where nobody follows the log: Fleet judges them as `why` does, each line is read
//! once, and what is not read is not called well.

use std::sync::Arc;

use crate::support::world::{Setup, World as Aws};
use crate::support::{Console, World, at, fixtures, logs, operators, painted};
use jiff::Timestamp;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::screens::{Fetch, fleet};
use quarterdeck::core::logs::{Followed, Owners, TailState};
use quarterdeck::core::requests::{By, Lately, Period, Requests, Watched};
use quarterdeck::run::Session;
use quarterdeck::run::tail::Budget;
use quarterdeck::run::traffic::Watch;
use rstest::rstest;
use serde_json::json;

/// Nine requests of the server were refused a minute ago, because the issuer's keys could not be read.
fn refused(server: &str) -> Requests {
    let mut counted = Requests::default();
    let line = r#"{"event":"request","reason":"keys-unavailable","status":503,"latency_ms":1.5}"#;
    (0..9).for_each(|_| counted.take(&logs::line(server, "a3f1c2d4e5f60718", -30_000, line), at(0).as_millisecond()));
    counted
}

fn lately(server: &str) -> Lately {
    let until = [(server.to_owned(), at(-5))];
    Lately { requests: refused(server), until: until.clone().into(), tried: until.into(), gaps: Vec::new() }
}

fn row(console: &Console, server: &str) -> String {
    let view = fleet::view(&console.model);
    let row = view.rows.iter().find(|row| row.key == server).unwrap();
    view.columns.iter().zip(&row.cells).map(|(column, cell)| format!("{}={} ", column.title, cell.text)).collect()
}

fn console(lately: Lately) -> Console {
    let mut console = Console::with(World { lately: Some(lately), ..fixtures::world() });
    console.tick(3);
    console
}

#[test]
fn a_server_that_refuses_everybody_is_not_called_healthy_though_nobody_follows_its_log() {
    let console = console(lately("time"));
    let told = row(&console, "time");
    assert!(told.contains("issuer's keys cannot be read") && !told.contains("healthy"), "{told}");
    assert!(told.contains("REQ/S=0.15") && told.contains("ERRORS=100.0%"), "{told}");
    let other = row(&console, "weather");
    assert!(other.contains("REQ/S=?") && other.contains("healthy"), "what was not read is not known: {other}");
}

#[test]
fn what_was_wrong_stands_until_something_newer_is_known_and_its_figures_do_not() {
    let mut console = console(lately("time"));
    // Nothing newer than this can be read.
    console.tick(100);
    let told = row(&console, "time");
    assert!(told.contains("REQ/S=?") && told.contains("issuer's keys cannot be read"), "{told}");
    let until = [("time".to_owned(), at(116))];
    console.world.lately =
        Some(Lately { requests: Requests::default(), until: until.clone().into(), ..lately("time") });
    console.tick(120);
    console.tick(123);
    assert!(!row(&console, "time").contains("issuer's keys cannot be read"), "{}", row(&console, "time"));
}

/// A row that is not seen is not read again, and the others are.
#[test]
fn a_cause_off_the_screen_stands_with_its_age() {
    let mut console = console(lately("time"));
    for (server, is) in [("time", true), ("weather", false)] {
        assert_eq!(row(&console, server).contains("issuer's keys cannot be read"), is);
    }
    let read = |seconds| [("time".to_owned(), at(-5)), ("weather".to_owned(), at(seconds))];
    for minute in 1..=30 {
        // Older lines than a quarter of an hour are forgotten.
        let requests = if minute < 15 { refused("time") } else { Requests::default() };
        let until = read(minute * 60 - 5);
        console.world.lately = Some(Lately { requests, until: until.clone().into(), ..lately("time") });
        console.tick(minute * 60);
        console.tick(minute * 60 + 3);
        let told = row(&console, "time");
        assert!(told.contains("issuer's keys cannot be read"), "after {minute} minutes: {told}");
        assert_eq!(told.contains("as read"), minute > 1, "after {minute} minutes: {told}");
        // The fixtures' time begins at 08:00 UTC: "in the last minute" would be another one by now.
        assert_eq!(told.contains("in the last minute"), minute == 1, "after {minute} minutes: {told}");
        assert_eq!(told.contains("in the minute before 07:59 UTC"), minute > 1, "after {minute} minutes: {told}");
    }
    assert!(row(&console, "time").contains("as read 30m"), "{}", row(&console, "time"));
}

/// What the evidence says was seen does not grow younger with each look.
#[test]
fn the_evidence_of_a_cause_off_the_screen_says_when_it_was() {
    let mut console = console(lately("time"));
    let evidence = |console: &Console| {
        let found = quarterdeck::console::screens::requests::found(&console.model, "time");
        found.iter().map(|one| one.evidence.clone()).collect::<Vec<_>>().join("; ")
    };
    assert!(evidence(&console).contains(", the last 33s ago"), "{}", evidence(&console));
    console.tick(1_200);
    console.tick(1_203);
    assert!(evidence(&console).contains(", the last at 07:59:30 UTC"), "{}", evidence(&console));
}

/// The parts of every service failed, and the read as a whole did not.
#[test]
fn what_could_not_be_read_again_is_not_called_fresh() {
    use quarterdeck::console::screens::Screen;
    use quarterdeck::core::fleet::{Age, Ages};
    let mut console = Console::new();
    let error = crate::support::unreachable();
    let age = |error| Ages { service: Age { at: Some(at(-40)), error }, ..Ages::default() };
    let fresh = |console: &Console| (Screen::Fleet.info().freshness)(&console.model).unwrap();
    let both = |console: &mut Console, time, weather| {
        console.world.fleet.ages = [("time".to_owned(), age(time)), ("weather".to_owned(), age(weather))].into();
        let seconds = console.model.now.duration_since(at(0)).as_secs() + 10;
        console.tick(seconds);
    };
    both(&mut console, Some(error.clone()), Some(error.clone()));
    assert_eq!((fresh(&console).read_at, fresh(&console).error), (Some(at(-40)), Some(error.clone())));
    both(&mut console, Some(error), None);
    assert_eq!(fresh(&console).error, None, "a part that failed is told with that part");
}

#[test]
fn what_could_not_be_read_is_told_beside_the_figures() {
    let gaps = vec!["gap on /q/time: denied".to_owned(), "another".to_owned()];
    let mut console = console(Lately { gaps, ..lately("time") });
    assert_eq!(fleet::traffic_unread(&console.model).as_deref(), Some("gap on /q/time: denied (and 1 more)"));
    // Where there are no lines there are no bursts of the last minutes, and nobody would know why.
    console.keys("5");
    let told = painted::screen(&console, (120, 40));
    assert!(told.contains("? not read: requests: gap on /q/time: denied (and 1 more)"), "{told}");
}

fn asked(effects: Vec<Effect>) -> Vec<Vec<String>> {
    let of = |effect| match effect {
        Effect::Fetch(Fetch::Traffic(watched), _) => Some(watched.servers),
        _ => None,
    };
    effects.into_iter().filter_map(of).collect()
}

#[test]
fn it_is_not_read_where_the_log_is_followed() {
    let mut console = console(lately("time"));
    console.answers = false;
    assert_eq!(asked(console.tick(9)), [[""; 0]; 0], "not at every read of the fleet");
    assert_eq!(asked(console.tick(30)).concat().len(), console.world.fleet.servers.len());
    console.answers = true;
    console.tick(31);
    console.logs(Vec::new(), TailState::Live);
    console.answers = false;
    let elsewhere = asked(console.tick(120));
    let followed = asked(console.keys("1"));
    let timeline = asked(console.keys("5"));
    assert_eq!((elsewhere.len(), followed.len(), timeline.len()), (0, 0, 0));
    assert_eq!(asked(console.tick(150)).len(), 0, "its lines are counted as they come");
}

#[rstest]
#[case::fleet("1", 1)]
#[case::the_timeline_tells_of_bursts("5", 1)]
#[case::nothing_of_them_stands_there("4", 0)]
fn it_is_read_where_it_is_told(#[case] screen: &str, #[case] expected: usize) {
    let mut console = console(lately("time"));
    console.keys(screen);
    console.answers = false;
    assert_eq!(asked(console.tick(30)).len(), expected);
}

/// A request line in the log of a server, so many milliseconds before now.
fn log(aws: &Aws, server: &str, before: i64) {
    let line = json!({ "event": "request", "server": server, "method": "tools/call", "tool": "now", "client": "machine",
        "status": 200, "latency_ms": 12.5 });
    let now = Timestamp::now().as_millisecond();
    aws.state().lines.entry(server.to_owned()).or_default().push((now - before, line));
}

async fn watched(session: &Session, servers: &[&str]) -> Watched {
    let fleet = session.cloud.fleet("quarterdeck-prod").await.unwrap();
    let servers: Vec<String> = servers.iter().map(|server| (*server).to_owned()).collect();
    let owners = Owners::of(&fleet, Some("prod")).only(servers.iter().cloned());
    Watched { servers, sources: Followed { groups: owners.groups(), owners: Arc::new(owners) } }
}

fn count(lately: &Lately, server: &str) -> u64 {
    let figures = lately.requests.figures(By::Client, Period::Fifteen, Timestamp::now().as_millisecond() + 10_000);
    figures.iter().filter(|(subject, _)| subject.server == server).map(|(_, figures)| figures.requests).sum()
}

#[tokio::test]
async fn each_line_is_counted_once_and_a_server_that_comes_later_is_read_from_further_back() {
    let aws = Aws::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    let directory = operators::directory();
    let (session, _endpoint) = operators::session("anna", &aws, 512, directory.path()).await;
    let watch = Watch::new(Budget::of(1_000.0));
    // The clock that is read by is the test's: a read at each of these times.
    let after = |seconds: i64| move || Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    log(&aws, "time", 20_000);
    log(&aws, "weather", 20_000);
    let first = watch.read(&session, &watched(&session, &["time"]).await, after(0)).await;
    assert_eq!((count(&first, "time"), count(&first, "weather")), (1, 0), "{:?}", first.gaps);
    log(&aws, "time", 1_000);
    let second = watch.read(&session, &watched(&session, &["time", "weather"]).await, after(30)).await;
    assert_eq!((count(&second, "time"), count(&second, "weather")), (2, 1), "{:?}", second.gaps);
    let third = watch.read(&session, &watched(&session, &["time", "weather"]).await, after(31)).await;
    assert_eq!((count(&third, "time"), count(&third, "weather")), (2, 1), "{:?}", third.gaps);
}

#[tokio::test]
async fn a_log_that_may_not_be_read_is_a_gap_and_the_others_are_read() {
    let aws = Aws::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    let directory = operators::directory();
    let (session, _endpoint) = operators::session("anna", &aws, 512, directory.path()).await;
    let watch = Watch::new(Budget::of(1_000.0));
    log(&aws, "time", 20_000);
    log(&aws, "weather", 20_000);
    aws.state().faults.denied_logs = vec!["time".to_owned()];
    let watched = watched(&session, &["time", "weather"]).await;
    let lately = watch.read(&session, &watched, Timestamp::now).await;
    assert_eq!((count(&lately, "time"), count(&lately, "weather")), (0, 1));
    assert!(lately.gaps.concat().contains("not authorized"), "{:?}", lately.gaps);
    assert_eq!(lately.until.keys().collect::<Vec<_>>(), ["weather"], "what was not read says nothing");
    let again = watch.read(&session, &watched, Timestamp::now).await;
    assert_eq!((count(&again, "weather"), again.until.len()), (1, 1));
    // However long it lasts, what was read last stands.
    aws.state().faults.denied_logs.push("weather".to_owned());
    let later = || Timestamp::now() + jiff::SignedDuration::from_mins(20);
    let lost = watch.read(&session, &watched, later).await;
    assert_eq!((&lost.until, lost.gaps.is_empty()), (&again.until, false), "{:?}", lost.gaps);
}
