//! Accounts to look at: incidents of the guide that the emulator of the local cloud cannot play, on the AWS with a state,
//! with figures, requests and zones as an account has them. `scripts/screenshots --scripted` opens the console on each.

use std::io::Read as _;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::gameday::{ask, broken, causes, multi, server_of, unhealthy};
use crate::support::world::{Failure, Figures, Setup, World};
use quarterdeck::core::finding::Id;
use quarterdeck::local::Fault;

/// Names the scene that is to be served.
const WANTED: &str = "QUARTERDECK_SCENE";
/// Between two looks of time at what goes on in the account.
const PACE: std::time::Duration = std::time::Duration::from_secs(2);
const ZONES: [&str; 3] = ["eu-central-1a", "eu-central-1b", "eu-central-1c"];

/// An account in which something is wrong.
struct Scene {
    /// The page of the guide.
    page: &'static str,
    play: fn(&World),
    cause: Id,
    /// What the log of `time` has no line of.
    unlogged: Unlogged,
}

/// What a log lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unlogged {
    Nothing,
    /// Two of five requests, which the task has counted.
    Dropped,
    /// All requests of the last minutes: none gets to gangway.
    Unheard,
}

const SCENES: &[Scene] = &[
    Scene { page: "capacity", play: at_the_maximum, cause: Id::BusyAtMaximum, unlogged: Unlogged::Nothing },
    Scene { page: "gateway-errors", play: balancer_errors, cause: Id::BalancerErrors, unlogged: Unlogged::Unheard },
    Scene { page: "health-check", play: another_path, cause: Id::HealthCheckPath, unlogged: Unlogged::Nothing },
    Scene { page: "logs-dropped", play: |_| (), cause: Id::LogsDropped, unlogged: Unlogged::Dropped },
    Scene { page: "zone", play: no_capacity, cause: Id::Capacity, unlogged: Unlogged::Nothing },
];
/// For so many minutes something is wrong.
const SINCE: i64 = 7;

/// A healthy account, whose servers run in three zones and are asked all the time.
fn account() -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    {
        let mut state = world.state();
        state.figures = Some(Figures::default());
        for (server, revision) in [("time", 14), ("weather", 9)] {
            let service = state.services.get_mut(server).unwrap();
            (service.kind.groups, service.kind.zones, service.desired) = (vec![server], ZONES.to_vec(), 3);
            (service.revision, service.registered) = (revision, revision);
            state.deploy_service(server);
            state.bounds.insert(format!("service/quarterdeck-prod/{server}"), (2, 6));
            state.lines.insert(server.to_owned(), Vec::new());
        }
        for stack in state.stacks.iter_mut().filter(|stack| stack.parameters.contains_key("ServerName")) {
            stack.parameters.insert("MaxCount".into(), "6".into());
        }
        let platform = state.stacks.iter_mut().find(|stack| stack.name.ends_with("-platform")).unwrap();
        platform.distribution = Some("E2QWRUHEXAMPLE");
    }
    (0..4).for_each(|_| world.tick());
    world.shift(-SignedDuration::from_hours(31));
    world
}

fn figures(world: &World, change: impl FnOnce(&mut Figures)) {
    change(world.state().figures.as_mut().unwrap());
}

/// The target group asks for a path that the new image does not have.
fn another_path(world: &World) {
    const KILLED: &str = "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-central-1:\
        123456789012:targetgroup/time/0123456789abcdef)";
    unhealthy(world, "time", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]");
    {
        let mut state = world.state();
        let service = state.services.get_mut("time").unwrap();
        (service.broken, service.revision, service.registered) = (true, 15, 15);
        service.failure = Failure {
            code: "ServiceSchedulerInitiated",
            reason: KILLED,
            exit: Some(143),
            ran: Some(64),
            container: "",
            says: "",
        };
        state.deploy_service("time");
    }
    for _ in 0..2 {
        world.tick();
        world.shift(-SignedDuration::from_secs(80));
    }
    // One was registered after the other.
    let mut state = world.state();
    let stopped = state.services.get_mut("time").unwrap().stopped.iter_mut();
    stopped.zip([41, 17, 0]).for_each(|(task, before)| task.at -= SignedDuration::from_secs(before));
    drop(state);
    figures(world, |figures| figures.raise("time-unhealthy", 2, "Threshold Crossed: 2 datapoints were greater than 0"));
}

/// A server closes its connections before its answers have gone out.
fn balancer_errors(world: &World) {
    world.state().faults.broken_off.push("time".to_owned());
    figures(world, |figures| {
        figures.change(None, "HTTPCode_ELB_5XX_Count", 63.0, SINCE);
        figures.change(None, "5xxErrorRate", 48.0, SINCE);
        figures.raise("platform-5xx", 6, "Threshold Crossed: 3 datapoints were greater than the threshold (10.0)");
    });
}

/// It runs as many tasks as it may, and they are busy.
fn at_the_maximum(world: &World) {
    {
        let mut state = world.state();
        state.bounds.insert("service/quarterdeck-prod/time".to_owned(), (2, 3));
        let stack = state.stacks.iter_mut().find(|stack| stack.name == "quarterdeck-prod-time").unwrap();
        stack.parameters.insert("MaxCount".into(), "3".into());
    }
    figures(world, |figures| {
        figures.change(Some("time"), "CPUUtilization", 93.0, 22);
        figures.change(Some("time"), "RequestCount", 410.0, 22);
        figures.change(Some("time"), "TargetResponseTime", 0.31, 22);
        figures.change(Some("time"), "MemoryUtilization", 63.0, 22);
    });
}

/// A zone has no room for the task that is missing.
fn no_capacity(world: &World) {
    let mut state = world.state();
    let now = jiff::Timestamp::now();
    let service = state.services.get_mut("time").unwrap();
    service.desired = 5;
    service.raised = Some((now - SignedDuration::from_mins(12), SignedDuration::from_hours(90)));
    let words = "(service time) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again \
        later or in a different availability zone.";
    service.events.push((now - SignedDuration::from_mins(11), words.to_owned()));
    for deployment in &mut service.deployments {
        deployment
            .tasks
            .iter_mut()
            .filter(|task| task.zone == Some(ZONES[1]))
            .for_each(|task| task.zone = Some(ZONES[0]));
    }
}

/// A line as gangway writes it.
fn line(server: &str, event: &str, more: &Value) -> Value {
    let mut line = json!({ "ts": "", "level": "info", "event": event, "server": server });
    more.as_object().unwrap().iter().for_each(|(key, value)| line[key] = value.clone());
    line
}

/// The requests of a server in a minute, as many as CloudWatch counts, each with its turn and its tool.
fn requests(figures: &Figures, server: &str, minute: i64) -> Vec<(i64, &'static str, Value)> {
    let (many, longest) = figures.requests(server, minute * 60);
    let many = many as i64;
    let request = |turn: i64| {
        let [(often, part), (other, _)] = Figures::tools(server) else { unreachable!("two tools") };
        let tool = if turn * 7 % 10 < (part * 10.0) as i64 { often } else { other };
        let latency = longest * 1_000.0 * (0.3 + (turn * 37 % 70) as f64 / 100.0);
        let client = if turn % 3 == 0 { "6k2v8d1machine" } else { "3p9q4x7user" };
        let more =
            json!({ "method": "tools/call", "tool": tool, "client": client, "status": 200, "latency_ms": latency });
        (minute * 60_000 + turn * 60_000 / many, *tool, line(server, "request", &more))
    };
    (0..many).map(request).collect()
}

/// What the servers log from one time until another, in milliseconds: their requests, and each minute how many there were.
fn traffic(world: &World, scene: &Scene, (from, until): (i64, i64)) {
    let mut state = world.state();
    let figures = state.figures.clone().unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    for (server, lines) in &mut state.lines {
        let unlogged = if server == "time" { scene.unlogged } else { Unlogged::Nothing };
        let heard = |at: i64| unlogged != Unlogged::Unheard || at < now - SINCE * 60_000;
        let mut come =
            |at: i64, line: Value| lines.extend((from < at && at <= until && heard(at)).then_some((at, line)));
        for minute in from / 60_000 - 1..=until / 60_000 {
            let all = requests(&figures, server, minute);
            for (tool, _) in Figures::tools(server) {
                let many = all.iter().filter(|(_, called, _)| called == tool).count();
                let count = json!({ "tool": tool, "Requests": many, "Errors": 0 });
                come((minute + 1) * 60_000, line(server, "metrics", &count));
            }
            let kept = all.into_iter().enumerate().filter(|(turn, _)| unlogged != Unlogged::Dropped || turn % 5 < 3);
            kept.for_each(|(_, (at, _, line))| come(at, line));
        }
    }
}

/// The account of a scene, with a quarter of an hour of requests.
fn scene(scene: &Scene) -> World {
    let world = account();
    (scene.play)(&world);
    let now = jiff::Timestamp::now().as_millisecond();
    traffic(&world, scene, (now - 900_000, now));
    world
}

#[test]
fn each_scene_has_the_cause_that_its_page_is_about_first() {
    let mut wrong = Vec::new();
    for one in SCENES {
        let told = multi().block_on(ask(&scene(one), &["why"]));
        let first = causes(&told).into_iter().next();
        if first.as_ref().map(|(_, cause)| cause.as_str()) != Some(one.cause.word()) {
            wrong.push(format!("{}: {first:?}, not {}: {told:#}", one.page, one.cause.word()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Serves an account, of which it prints the URL, until its input ends: a scene, or a world that a fault has broken.
#[test]
#[ignore = "serves an account to whoever looks at it"]
fn an_account_to_look_at() {
    let wanted = std::env::var(WANTED).unwrap_or_default();
    let found = SCENES.iter().find(|one| one.page == wanted);
    let world = match (found, Fault::named(&wanted)) {
        (Some(one), _) => scene(one),
        (None, Some(fault)) => broken(&[(fault, server_of(fault))]),
        (None, None) => {
            let pages: Vec<&str> = SCENES.iter().map(|one| one.page).collect();
            panic!("{WANTED} names neither a scene nor a fault: {wanted:?}; there are {}", pages.join(", "))
        }
    };
    let runtime = multi();
    let endpoint = runtime.block_on(world.serve("ops"));
    println!("serving {}", endpoint.url);
    let going = world.clone();
    runtime.spawn(async move {
        let mut since = jiff::Timestamp::now().as_millisecond();
        while let Some(one) = found {
            tokio::time::sleep(PACE).await;
            let now = jiff::Timestamp::now().as_millisecond();
            traffic(&going, one, (since, now));
            since = now;
        }
    });
    // Whoever began this ends it, by what becomes of a pipe, whatever ends him.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
