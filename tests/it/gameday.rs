//! Game day: every fault of the table, played on the AWS with a state, and what `why` and `requests` say of it. The
//! matrix that comes of it is a page of the guide.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::support::pty;
use crate::support::world::{Failure, REGION, Setup, World};
use quarterdeck::console::action::Action;
use quarterdeck::core::finding::Id;
use quarterdeck::local::Fault;
use serde_json::{Value, json};

/// Ticks after which a deployment that fails has been given up.
const TICKS: usize = 5;
const PAGE: &str = "docs/incidents/matrix.md";

pub(crate) fn world() -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    for server in ["time", "weather"] {
        world.state().services.get_mut(server).unwrap().kind.groups = vec![server];
        healthy_log(&world, server);
    }
    world.tick();
    world
}

/// A request line as gangway writes it.
fn request(server: &str, more: &Value) -> Value {
    let mut line = json!({ "ts": "", "level": "info", "event": "request", "server": server, "method": "tools/call",
        "tool": "now", "client": "machine", "status": 200, "latency_ms": 12.5 });
    more.as_object().unwrap().iter().for_each(|(key, value)| line[key] = value.clone());
    line.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    line
}

/// So many request lines, spread over the last minute.
fn log(world: &World, server: &str, many: i64, more: &Value) {
    spread(world, server, many, more, 60_000, 5_000);
}

/// So many request lines, spread over the three minutes before.
fn log_before(world: &World, server: &str, many: i64, more: &Value) {
    spread(world, server, many, more, 250_000, 70_000);
}

/// So many request lines, from so many milliseconds ago until so many.
fn spread(world: &World, server: &str, many: i64, more: &Value, from: i64, until: i64) {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut state = world.state();
    let lines = state.lines.entry(server.to_owned()).or_default();
    lines.extend((0..many).map(|index| (now - from + index * (from - until) / many, request(server, more))));
    lines.sort_by_key(|(at, _)| *at);
}

fn healthy_log(world: &World, server: &str) {
    log(world, server, 40, &json!({}));
    log(world, server, 2, &json!({ "status": 400, "tool": null, "method": null, "client": null }));
}

/// The tasks of a server's next deployment fail like this.
pub(crate) fn fails(world: &World, server: &str, how: Failure) {
    let mut state = world.state();
    let service = state.services.get_mut(server).unwrap();
    (service.broken, service.failure, service.revision, service.registered) = (true, how, 2, 2);
    state.deploy_service(server);
}

pub(crate) fn unhealthy(world: &World, server: &str, reason: &'static str, words: &'static str) {
    let mut state = world.state();
    state.faults.sick_groups.push(server.to_owned());
    state.faults.sick_why.insert(server.to_owned(), (reason, words));
}

pub(crate) fn never_started(reason: &'static str) -> Failure {
    Failure { code: "TaskFailedToStart", reason, ..Failure::default() }
}

/// What ECS and the container say of tasks that fail.
const NO_TAG: &str = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref \
    1.dkr.ecr.eu-central-1.amazonaws.com/mcp-time:v9: not found";
const NO_PLATFORM: &str =
    "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'";
const NO_KEY: &str = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval \
    failed: retrieved secret from Secrets Manager did not contain json key API_KEY";
const KILLED: &str = "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:r:1:targetgroup/t/1)";
const NO_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";

/// Breaks a server. A fault without an arm does not compile.
fn play(world: &World, fault: Fault, server: &str) {
    let fails = |how| fails(world, server, how);
    let exits = |code, ran, container| Failure { exit: Some(code), ran: Some(ran), container, ..Failure::default() };
    let logs = |many, more| log(world, server, many, &more);
    let refused = |status: u16, client: Option<&str>, reason: &str| {
        logs(60, json!({ "status": status, "tool": null, "method": null, "client": client, "reason": reason }));
    };
    match fault {
        Fault::Exit => fails(exits(1, 1, "")),
        Fault::Memory => fails(exits(137, 40, NO_MEMORY)),
        Fault::KilledByTarget => {
            fails(Failure { code: "ServiceSchedulerInitiated", reason: KILLED, ..exits(137, 600, "") });
        }
        Fault::ImageTag => fails(never_started(NO_TAG)),
        Fault::Architecture => fails(never_started(NO_PLATFORM)),
        Fault::SecretKey => fails(never_started(NO_KEY)),
        Fault::HealthPath => {
            unhealthy(world, server, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]");
        }
        Fault::NoToken => refused(401, None, "no-token"),
        Fault::ExpiredToken => refused(401, Some("late"), "token-expired"),
        // A token of Cognito's for a machine names no audience, so the servers go by its client.
        Fault::OtherToken => refused(401, Some("stray"), "client"),
        Fault::IdToken => refused(401, Some("person"), "id-token"),
        Fault::BodySize => refused(413, Some("large"), "body-size"),
        Fault::IssuerKeys => refused(503, None, "keys-unavailable"),
        Fault::Upstream => {
            logs(60, json!({ "event": "tool_error", "tool": "get_alerts", "upstream": "nws", "upstream_ms": 1200.0 }));
        }
        Fault::Flood => {
            // What it asked for before is what shows that it asks for much more now.
            log_before(world, server, 20, &json!({ "client": "hungry" }));
            logs(2_400, json!({ "client": "hungry" }));
        }
        Fault::SlowTool => {
            log_before(world, server, 60, &json!({ "tool": "get_forecast" }));
            logs(60, json!({ "tool": "get_forecast", "latency_ms": 6_100.0 }));
        }
        Fault::StackStuck => world.state().stick("platform", "Resource handler returned message: \"Access denied\""),
    }
}

/// What a command says of this world, as JSON.
pub(crate) async fn ask(world: &World, args: &[&str]) -> Value {
    let endpoint = world.serve("anna").await;
    let (url, args) = (endpoint.url.clone(), args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
    let done = tokio::task::spawn_blocking(move || {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(["-e", "prod", "--region", REGION, "--endpoint-url", &url, "--output", "json"]).args(args);
        command.current_dir(home.path()).stdin(Stdio::null());
        for name in pty::NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(pty::homes(home.path()));
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]).output().unwrap()
    });
    let Output { stdout, stderr, .. } = done.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(stdout), text(stderr));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

/// The first causes that `why` names, by server, and those that stand besides.
pub(crate) fn causes(told: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for one in told["subjects"].as_array().unwrap() {
        let server = one["server"].as_str().unwrap_or("environment").to_owned();
        all.extend(one["cause"]["id"].as_str().map(|id| (server.clone(), id.to_owned())));
        let faults = one["besides"].as_array().unwrap().iter().filter(|other| other["gravity"] == "fault");
        all.extend(faults.map(|other| (server.clone(), other["id"].as_str().unwrap().to_owned())));
    }
    all
}

pub(crate) fn server_of(fault: Fault) -> &'static str {
    if fault.server().is_empty() { "time" } else { fault.server() }
}

/// Where `why` tells of a fault of this server.
fn subject(fault: Fault, server: &str) -> String {
    if fault == Fault::StackStuck { "environment".to_owned() } else { server.to_owned() }
}

/// Breaks a healthy world, and lets the time pass that a deployment takes to fail.
pub(crate) fn broken(faults: &[(Fault, &str)]) -> World {
    let world = world();
    faults.iter().for_each(|(fault, server)| play(&world, *fault, server));
    (0..TICKS).for_each(|_| world.tick());
    world
}

pub(crate) fn multi() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn each_fault_is_named_first() {
    let mut wrong = Vec::new();
    for fault in Fault::ALL {
        let server = server_of(*fault);
        let world = broken(&[(*fault, server)]);
        let told = multi().block_on(ask(&world, &["why"]));
        let first = causes(&told).into_iter().next();
        let expected = (subject(*fault, server), fault.cause().word().to_owned());
        if first.as_ref() != Some(&expected) {
            wrong.push(format!("{}: {first:?}, not {expected:?}: {told:#}", fault.word()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_named_where_nothing_is_wrong() {
    let world = world();
    for tick in 0..TICKS {
        let told = multi().block_on(ask(&world, &["why"]));
        assert_eq!(causes(&told), [], "after {tick} ticks: {told:#}");
        world.tick();
    }
}

/// A server that was restarted on purpose, and one that was scaled: changes that are no faults.
#[test]
fn a_change_that_works_is_no_cause() {
    let world = world();
    world.state().deploy_service("time");
    world.state().services.get_mut("weather").unwrap().desired = 3;
    for tick in 1..=TICKS {
        world.tick();
        let told = multi().block_on(ask(&world, &["why"]));
        assert_eq!(causes(&told), [], "after {tick} ticks: {told:#}");
    }
}

/// Each pair of different faults, in the order of the table.
fn pairs() -> impl Iterator<Item = (Fault, Fault)> {
    let all = Fault::ALL.iter().enumerate();
    all.flat_map(|(index, first)| Fault::ALL[index + 1..].iter().map(move |second| (*first, *second)))
}

/// Which of two faults are not named where both are there.
async fn unnamed(faults: [(Fault, &str); 2]) -> Vec<String> {
    let told = ask(&broken(&faults), &["why"]).await;
    let named = |(fault, server): &(Fault, &str)| {
        let subject = subject(*fault, server);
        let of = |one: &&Value| one["server"].as_str().unwrap_or("environment") == subject;
        let one = told["subjects"].as_array().unwrap().iter().find(of);
        one.is_some_and(|one| one.to_string().split('"').any(|word| word == fault.cause().word()))
    };
    let missing = faults.iter().filter(|one| !named(one));
    missing.map(|(fault, server)| format!("{fault:?} of {server}, with {faults:?}: {:?}", causes(&told))).collect()
}

/// One of each server: neither explains the other, so each is a cause.
#[test]
fn two_faults_at_once_are_both_named() {
    let runtime = multi();
    let wrong: Vec<String> =
        pairs().flat_map(|(one, other)| runtime.block_on(unnamed([(one, "time"), (other, "weather")]))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Why two faults cannot be told apart on one server; `None` if they can.
fn together(one: Fault, other: Fault) -> Option<&'static str> {
    let definition = |fault| {
        matches!(
            fault,
            Fault::Exit
                | Fault::Memory
                | Fault::KilledByTarget
                | Fault::ImageTag
                | Fault::Architecture
                | Fault::SecretKey
        )
    };
    match (one, other) {
        (one, other) if definition(one) && definition(other) => Some("a task fails in one way"),
        (Fault::HealthPath, Fault::KilledByTarget) => Some("the check that kills the tasks is the one that says why"),
        (Fault::IssuerKeys, Fault::Flood) => Some("without keys, what floods is refused too, and floods nothing"),
        _ => None,
    }
}

#[test]
fn two_faults_of_one_server_at_once_are_both_named() {
    let runtime = multi();
    let possible = pairs().filter(|(one, other)| together(*one, *other).is_none());
    let wrong: Vec<String> =
        possible.flat_map(|(one, other)| runtime.block_on(unnamed([(one, "time"), (other, "time")]))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What ECS calls well refuses everybody: a script that asks for the status must not go on.
#[test]
fn the_status_takes_the_traffic_in() {
    let world = broken(&[(Fault::IssuerKeys, "time")]);
    let told = multi().block_on(ask(&world, &["status"]));
    let of = |name: &str| told["servers"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!(
        (of("time")["verdict"].as_str(), of("weather")["verdict"].as_str()),
        (Some("degraded"), Some("healthy"))
    );
    assert!(of("time")["findings"].to_string().contains(Id::KeysUnavailable.word()), "{told:#}");
}

/// Both of one server: its tasks crash, and its target group asks for a path that is not there.
#[test]
fn two_faults_of_one_server_are_both_named() {
    let world = broken(&[(Fault::Exit, "time"), (Fault::HealthPath, "time")]);
    let told = multi().block_on(ask(&world, &["why", "time"]));
    let ids: Vec<String> = told["subjects"][0].to_string().split('"').map(str::to_owned).collect();
    for id in [Id::CrashLoop, Id::HealthCheckPath] {
        assert!(ids.iter().any(|word| word == id.word()), "without {}: {told:#}", id.word());
    }
}

/// Whatever the last request came to, the server's own line of it stands beside what was heard outside.
#[test]
fn doctor_finds_its_last_request_in_the_log() {
    let world = world();
    let told = multi().block_on(ask(&world, &["doctor", "time"]));
    let links = told["targets"][0]["links"].as_array().unwrap();
    let last = links.last().unwrap();
    assert_eq!((last["link"].as_str(), last["state"].as_str()), (Some("log"), Some("well")), "{told:#}");
    let note = last["note"].as_str().unwrap();
    assert!(note.starts_with("inside initialize was 200 after 2.5") && note.contains(", outside 200 after "), "{note}");
}

/// The key that acts on a finding, by the console's own table.
fn key(id: Id) -> String {
    let Some(remedy) = id.remedy() else { return "-".to_owned() };
    let keys = Action::from(remedy).info().keys;
    keys.first().map_or_else(|| "-".to_owned(), |key| format!("`{key}`"))
}

fn page() -> String {
    let mut page = "<!-- Made from the code by `make book`: change the code instead. -->\n\n# Game day\n\n\
        `quarterdeck local break` puts a fault into the [local cloud](../local-cloud.md) and `quarterdeck local mend` takes it \
        back, so that an incident is no surprise. Each row was played by a test on an AWS with a state, which then asked \
        `quarterdeck why`; what the emulator of the local cloud cannot play, only that test does.\n\n\
        | Fault | What it does | `why` names | Key | On the local cloud | Page |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for fault in Fault::ALL {
        let (sign, key) = (fault.cause().word(), key(fault.cause()));
        let here = fault.unplayable().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"));
        let guide = guide(*fault);
        let _ = writeln!(
            page,
            "| `{}` | {} | `{sign}` | {key} | {here} | [{guide}]({guide}.md) |",
            fault.word(),
            fault.what()
        );
    }
    page + &crate::incidents::table() + &crate::doctor::table()
}

/// The page of the guide that leads from the fault to what helps.
fn guide(fault: Fault) -> &'static str {
    match fault {
        Fault::Exit | Fault::Memory => "crash-loop",
        Fault::ImageTag | Fault::Architecture => "image",
        Fault::HealthPath | Fault::KilledByTarget => "health-check",
        Fault::SecretKey => "secret",
        Fault::NoToken | Fault::ExpiredToken | Fault::IdToken => "refused",
        Fault::OtherToken => "wrong-server",
        Fault::IssuerKeys => "keys",
        Fault::Upstream | Fault::SlowTool => "upstream",
        Fault::Flood => "flood",
        Fault::BodySize => "waf",
        Fault::StackStuck => "stuck-deploy",
    }
}

#[test]
fn the_page_of_the_book_has_the_matrix() {
    let (path, made) = (PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PAGE), page());
    println!("{made}");
    if std::env::var("QUARTERDECK_BOOK").is_ok_and(|what| what == "write") {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "{PAGE} differs from the code; `make book` writes it");
    for fault in Fault::ALL {
        let page =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/incidents").join(guide(*fault)).with_extension("md");
        let text = std::fs::read_to_string(&page).unwrap();
        let command = format!("local break {}", fault.word());
        let named = if fault.unplayable().is_some() { fault.word() } else { &command };
        assert!(text.contains(named), "{} does not say {named:?}", page.display());
    }
}
