//! Ten minutes in which nothing is wrong, and much happens: people and machines call, a version is deployed, a server is
//! scaled out and in, AWS retires a host. At each of sixty looks neither `why` nor Fleet, whose findings the Requests screen tells too, names anything.
//!
//! The time is the test's own: the AWS, what is read of it and the console live at [`at`]. The commands live at the
//! machine's time, so for each of their looks all that has a time is moved there, and back.

use std::sync::Arc;

use crate::gameday::{ask, causes, multi};
use crate::support::world::{Setup, World as Aws};
use crate::support::{Console, World, at, fixtures, operators};
use jiff::{SignedDuration, Timestamp};
use quarterdeck::console::screens::fleet;
use quarterdeck::core::finding::{Gravity, Subject};
use quarterdeck::core::fleet::Fleet;
use quarterdeck::core::logs::{Followed, Owners};
use quarterdeck::core::requests::{Lately, Watched};
use quarterdeck::run::Session;
use quarterdeck::run::tail::Budget;
use quarterdeck::run::traffic::Watch;
use serde_json::{Value, json};

const SERVERS: [&str; 2] = ["time", "weather"];
/// Seconds from one look to the next, and how many there are.
const STEP: i64 = 10;
const LOOKS: i64 = 60;

/// An environment that has run for an hour.
fn aws() -> Aws {
    let aws = Aws::deployed(Setup { dual: true, servers: SERVERS.to_vec(), lag: 0 });
    for server in SERVERS {
        let mut state = aws.state();
        state.services.get_mut(server).unwrap().kind.groups = vec![server];
        state.lines.entry(server.to_owned()).or_default();
    }
    (0..3).for_each(|_| aws.tick());
    aws.state().clock = Some(at(0));
    aws.shift(at(-3_600).duration_since(Timestamp::now()));
    aws
}

fn line(aws: &Aws, server: &str, milliseconds: i64, more: &Value) {
    let mut line = json!({ "event": "request", "server": server, "status": 200, "latency_ms": 12.5 });
    more.as_object().unwrap().iter().for_each(|(key, value)| line[key] = value.clone());
    aws.state().lines.get_mut(server).unwrap().push((milliseconds, line));
}

/// What is called in the seconds before a look: a machine calls `time` each second, and people come to both servers. Who
/// comes anew asks without a token, is told where to get one, gets it, and asks again (MCP, Authorization).
fn traffic(aws: &Aws, look: i64) {
    let from = at(look * STEP - STEP).as_millisecond();
    for second in 0..STEP {
        let latency = if second % 5 == 4 { 95.0 } else { 12.5 };
        let call = json!({ "method": "tools/call", "tool": "now", "client": "machine", "latency_ms": latency });
        line(aws, "time", from + second * 1_000, &call);
    }
    for (server, tool) in [("time", "convert"), ("weather", "get_forecast")] {
        if look % 2 == 0 {
            line(aws, server, from + 100, &json!({ "status": 401, "reason": "no-token", "latency_ms": 0.2 }));
            for (index, method) in ["initialize", "notifications/initialized", "tools/list"].iter().enumerate() {
                let after = 3_000 + 100 * i64::try_from(index).unwrap();
                line(aws, server, from + after, &json!({ "method": method, "client": "app" }));
            }
            // Most only look at what there is.
            if look % 6 == 0 {
                let call = json!({ "method": "tools/call", "tool": tool, "client": "app", "latency_ms": 240.0 });
                line(aws, server, from + 5_000, &call);
            }
        }
        // A token expires while somebody works, and the app gets another one.
        if look % 12 == 5 {
            line(aws, server, from + 200, &json!({ "status": 401, "reason": "token-expired", "client": "app" }));
        }
    }
}

/// What operators, autoscaling and AWS do, by the look before which they do it.
fn happens(aws: &Aws, look: i64) {
    let mut state = aws.state();
    match look {
        8 => {
            let time = state.services.get_mut("time").unwrap();
            (time.revision, time.registered) = (2, 2);
            state.deploy_service("time");
        }
        // Half a minute until the first of the new tasks is pending.
        20 => {
            let weather = state.services.get_mut("weather").unwrap();
            (weather.desired, weather.raised) = (4, Some((at(look * STEP), SignedDuration::from_secs(25))));
        }
        32 => state.services.get_mut("weather").unwrap().desired = 2,
        44 => state.retire("time"),
        _ => {}
    }
}

/// All that Fleet says which is more than a note.
fn told(console: &Console) -> Vec<String> {
    let words = |subject: &Subject| {
        let found = subject.findings.iter().filter(|one| one.gravity != Gravity::Note);
        let server = subject.server.unwrap_or("environment").to_owned();
        found.map(|one| format!("{server}: {}: {} ({})", one.id.word(), one.fact, one.evidence)).collect::<Vec<_>>()
    };
    fleet::subjects(&console.model).iter().flat_map(words).collect()
}

async fn read(session: &Session, watch: &Watch, now: Timestamp) -> (Fleet, Lately) {
    let fleet = session.cloud.fleet("quarterdeck-prod").await.unwrap();
    let servers: Vec<String> = SERVERS.iter().map(|server| (*server).to_owned()).collect();
    let owners = Owners::of(&fleet, Some("prod")).only(servers.iter().cloned());
    let sources = Followed { groups: owners.groups(), owners: Arc::new(owners) };
    let lately = watch.read(session, &Watched { servers, sources }, || now).await;
    (fleet, lately)
}

#[test]
fn nothing_is_named_in_ten_healthy_minutes() {
    multi().block_on(async {
        let aws = aws();
        let directory = operators::directory();
        let (session, _endpoint) = operators::session("anna", &aws, 512, directory.path()).await;
        let watch = Watch::new(Budget::of(1_000.0));
        let mut console = Console::with(World { fleet: read(&session, &watch, at(0)).await.0, ..fixtures::world() });
        let mut wrong = Vec::new();
        for look in 1..=LOOKS {
            let second = look * STEP;
            aws.state().clock = Some(at(second));
            happens(&aws, look);
            traffic(&aws, look);
            aws.tick_and_show_stops();
            // Fleet reads the requests up to some seconds ago.
            let (fleet, lately) = read(&session, &watch, at(second)).await;
            assert_eq!((lately.gaps.as_slice(), lately.until.len()), (&[][..], SERVERS.len()));
            (console.world.fleet, console.world.lately) = (fleet, Some(lately));
            console.tick(second);
            wrong.extend(told(&console).into_iter().map(|what| format!("{second} s: Fleet: {what}")));
            let away = Timestamp::now().duration_since(at(second));
            aws.shift(away);
            let why = ask(&aws, &["why"]).await;
            aws.shift(-away);
            wrong.extend(causes(&why).into_iter().map(|(of, what)| format!("{second} s: why: {of}: {what}")));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
