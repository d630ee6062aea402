//! `quarterdeck logs` on clusters that others made: shared groups, other regions, routers and drivers, odd
//! streams, odd lines and odd clocks.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::pty;
use crate::support::scripted::{Reply, Request, Scripted};
use jiff::Timestamp;
use quarterdeck::aws::{Access, connect};
use quarterdeck::core::identity::Context;
use quarterdeck::run::Session;
use quarterdeck::run::audit::Audit;
use quarterdeck::run::headless::{self, LogsOptions, Mode, logs};
use rstest::rstest;
use serde_json::{Value, json};

const T1: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const T2: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
/// The region that the servers run in.
const HOME: &str = "eu-west-1";

/// A service with one task, and the log configurations of its containers.
#[derive(Clone)]
struct Service {
    name: &'static str,
    task: &'static str,
    /// Family of its task definition.
    definition: &'static str,
    containers: Vec<Value>,
}

/// An event: region and group, how many seconds ago, stream, text.
type Event = (&'static str, &'static str, i64, String, String);

fn service(name: &'static str, task: &'static str, containers: impl Into<Vec<Value>>) -> Service {
    Service { name, task, definition: name, containers: containers.into() }
}

fn container(name: &str, driver: &str, options: Value) -> Value {
    json!({ "name": name, "image": "i", "logConfiguration": { "logDriver": driver, "options": options } })
}

fn awslogs(name: &str, group: &str, prefix: &str) -> Value {
    let options = json!({ "awslogs-group": group, "awslogs-region": HOME, "awslogs-stream-prefix": prefix });
    container(name, "awslogs", options)
}

fn event(group: &'static str, ago: i64, stream: &str, text: &str) -> Event {
    (HOME, group, ago, stream.to_owned(), text.to_owned())
}

/// Answers as ECS and CloudWatch Logs do.
fn answer(services: &[Service], groups: &[(&str, &str)], events: &[Event], request: &Request) -> Reply {
    ecs(services, request).unwrap_or_else(|| cloudwatch(groups, events, request))
}

fn ecs(services: &[Service], request: &Request) -> Option<Reply> {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let arn = |kind: &str, rest: &str| format!("arn:aws:ecs:{HOME}:123456789012:{kind}/c/{rest}");
    let names = |names: Vec<String>| Reply::json(200, json!({ "serviceArns": names, "taskArns": names }));
    Some(match request.call.as_str() {
        // A second one of the same name is a task of the first.
        "ListServices" => {
            let mut all: Vec<String> = services.iter().map(|one| arn("service", one.name)).collect();
            all.dedup();
            names(all)
        }
        "ListTasks" if body["desiredStatus"] == "STOPPED" => names(Vec::new()),
        "ListTasks" => names(services.iter().map(|one| arn("task", one.task)).collect()),
        "DescribeServices" => {
            let one = |one: &Service| {
                json!({ "serviceName": one.name, "serviceArn": arn("service", one.name), "status": "ACTIVE",
                    "desiredCount": 1, "runningCount": 1, "taskDefinition": format!("{}:1", one.definition) })
            };
            let mut all: Vec<&Service> = services.iter().collect();
            all.dedup_by_key(|one| one.name);
            Reply::json(200, json!({ "services": all.into_iter().map(one).collect::<Vec<_>>() }))
        }
        "DescribeTasks" => {
            let one = |one: &Service| {
                json!({ "taskArn": arn("task", one.task), "group": format!("service:{}", one.name),
                    "lastStatus": "RUNNING", "desiredStatus": "RUNNING", "taskDefinitionArn": format!("{}:1", one.definition) })
            };
            Reply::json(200, json!({ "tasks": services.iter().map(one).collect::<Vec<_>>() }))
        }
        "DescribeTaskDefinition" => {
            let name = body["taskDefinition"].as_str().unwrap().trim_end_matches(":1");
            if name == "denied" {
                return Some(Reply::error(400, "AccessDeniedException", "not authorized"));
            }
            let found = services.iter().find(|one| one.definition == name).unwrap();
            let definition = json!({ "family": name, "revision": 1, "containerDefinitions": found.containers });
            Reply::json(200, json!({ "taskDefinition": definition }))
        }
        _ => return None,
    })
}

fn cloudwatch(groups: &[(&str, &str)], events: &[Event], request: &Request) -> Reply {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let authorization = request.headers.get("authorization").cloned().unwrap_or_default();
    let region = authorization.split('/').nth(2).unwrap_or_default().to_owned();
    match request.call.as_str() {
        "DescribeLogGroups" => {
            let here = groups.iter().filter(|(place, _)| *place == region);
            let here: Vec<Value> = here.map(|(_, name)| json!({ "logGroupName": name })).collect();
            Reply::json(200, json!({ "logGroups": here }))
        }
        "FilterLogEvents" => {
            let group = body["logGroupName"].as_str().unwrap_or_default();
            if !groups.contains(&(&region, group)) {
                return Reply::error(400, "ResourceNotFoundException", "The specified log group does not exist.");
            }
            let (from, until) = (body["startTime"].as_i64().unwrap_or(0), body["endTime"].as_i64().unwrap_or(i64::MAX));
            let prefix = body["logStreamNamePrefix"].as_str().unwrap_or_default();
            let now = Timestamp::now().as_millisecond();
            let found = events
                .iter()
                .filter(|(place, name, _, stream, _)| *place == region && *name == group && stream.starts_with(prefix));
            let found = found.map(|(_, _, ago, stream, text)| (now - ago * 1_000, stream, text));
            let found = found.filter(|(at, ..)| (from..=until).contains(at));
            let found: Vec<Value> = found
                .map(|(at, stream, text)| {
                    json!({ "timestamp": at, "ingestionTime": at, "logStreamName": stream, "message": text })
                })
                .collect();
            Reply::json(200, json!({ "events": found }))
        }
        "StartQuery" => Reply::json(200, json!({ "queryId": "q" })),
        "GetQueryResults" => {
            let row = json!([{ "field": "@message", "value": "one\r\ntwo" }]);
            Reply::json(200, json!({ "status": "Complete", "results": [row], "statistics": {} }))
        }
        _ => Reply::error(400, "UnknownOperationException", "not in the script"),
    }
}

/// A cluster that others made.
struct Cluster {
    runtime: tokio::runtime::Runtime,
    server: Arc<Scripted>,
    home: tempfile::TempDir,
}

impl Cluster {
    fn new(services: Vec<Service>, groups: &[(&'static str, &'static str)], events: Vec<Event>) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let groups = groups.to_vec();
        let handler = move |request: &Request| answer(&services, &groups, &events, request);
        let server = Arc::new(runtime.block_on(Scripted::start(handler)));
        Self { runtime, server, home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let place = ["--region", HOME, "--endpoint-url", &self.server.url, "--cluster", "c"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(place).args(args).current_dir(self.home.path()).stdin(Stdio::null());
        for name in pty::NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(pty::homes(self.home.path())).env("TZ", "UTC");
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        command
    }

    /// Runs `quarterdeck`, and returns its exit code, stdout and stderr.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let _guard = self.runtime.enter();
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// The lines of `logs` as JSON.
    fn lines(&self, args: &[&str]) -> Vec<Value> {
        let (code, out, err) = self.run(&[&["--output", "json", "logs"], args].concat());
        assert_eq!(code, 0, "{err}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

/// Two servers in one group, with these prefixes.
fn shared(api: &str, worker: &str) -> Cluster {
    let services = vec![
        service("api", T1, [awslogs("app", "/ecs/prod", api)]),
        service("worker", T2, [awslogs("app", "/ecs/prod", worker)]),
    ];
    let events = vec![
        event("/ecs/prod", 60, &format!("{api}/app/{T1}"), "line of the api"),
        event("/ecs/prod", 50, &format!("{worker}/app/{T2}"), "ERROR line of the worker"),
        event("/ecs/prod", 40, &format!("{worker}/app/{}", "0c".repeat(16)), "of a task that is gone"),
    ];
    Cluster::new(services, &[(HOME, "/ecs/prod")], events)
}

#[test]
fn servers_that_share_a_group_are_told_apart_by_their_streams() {
    let cluster = shared("api", "worker");
    assert_eq!(texts(&cluster.lines(&["api"])), ["line of the api"]);
    let arn = format!("arn:aws:ecs:{HOME}:123456789012:service/c/api");
    assert_eq!(texts(&cluster.lines(&[&arn])), ["line of the api"], "a server has an ARN, too");
    assert_eq!(
        texts(&cluster.lines(&["--where", "server=worker"])),
        ["ERROR line of the worker", "of a task that is gone"]
    );
    let servers = cluster.lines(&[]);
    assert_eq!(servers.iter().map(|line| &line["server"]).collect::<Vec<_>>(), ["api", "worker", "worker"]);
    let read: Vec<Value> =
        cluster.server.requests("FilterLogEvents").iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect();
    let prefixes: Vec<&Value> = read.iter().map(|body| &body["logStreamNamePrefix"]).collect();
    assert_eq!(
        prefixes,
        [&json!("api/app/"), &json!("api/app/"), &Value::Null, &Value::Null],
        "one server alone is read alone"
    );
}

#[test]
fn a_query_of_a_server_counts_its_own_streams_alone() {
    let cluster = shared("api", "worker");
    let (code, out, err) = cluster.run(&["--output", "json", "insights", "fields @message", "api"]);
    assert_eq!(code, 0, "{err}");
    let query = cluster.server.requests("StartQuery").remove(0).body;
    assert!(query.contains(r"filter @logStream like /^(api\\/app\\/)/ | fields @message"), "{query}");
    assert!(err.contains("shared with worker"), "{err}");
    assert!(out.contains(r#""@message": "one\ntwo""#), "the lines of a value are kept: {out}");
    let (_, out, _) = cluster.run(&["insights", "fields @message", "api"]);
    assert_eq!(out, "@message\none↵two\n");
}

#[test]
fn a_task_of_another_revision_is_read_where_it_logs() {
    let mut old = service("api", T1, [awslogs("app", "/ecs/old", "ecs")]);
    old.definition = "api-before";
    let now = service("api", T2, [awslogs("app", "/ecs/new", "ecs")]);
    let events = vec![
        event("/ecs/old", 60, &format!("ecs/app/{T1}"), "of the task before"),
        event("/ecs/new", 50, &format!("ecs/app/{T2}"), "of the task now"),
    ];
    let cluster = Cluster::new(vec![now, old], &[(HOME, "/ecs/old"), (HOME, "/ecs/new")], events);
    let lines = cluster.lines(&["api"]);
    assert_eq!(texts(&lines), ["of the task before", "of the task now"]);
    assert!(lines.iter().all(|line| line["server"] == "api"));
}

#[test]
fn a_task_definition_that_may_not_be_read_is_a_failure_and_no_empty_log() {
    let mut secret = service("far", T1, []);
    secret.definition = "denied";
    let cluster = Cluster::new(vec![secret], &[], Vec::new());
    let (code, _, err) = cluster.run(&["logs", "far"]);
    assert!(
        code == 1 && err.contains("task definition was not read") && err.contains("no log can be read"),
        "{code} {err}"
    );
}

#[test]
fn servers_with_the_same_streams_are_told_apart_by_their_tasks() {
    let cluster = shared("ecs", "ecs");
    let servers = cluster.lines(&[]);
    let servers: Vec<&Value> = servers.iter().map(|line| &line["server"]).collect();
    assert_eq!(servers, ["api", "worker", "/ecs/prod"], "of the last one it cannot be told");
    assert_eq!(texts(&cluster.lines(&["api"])), ["line of the api", "of a task that is gone"], "it may be the api's");
    let (_, out, _) = cluster.run(&["logs", "--group", "/ecs/prod"]);
    assert!(out.contains(" api/0a0a0a0a line of the api") && out.contains(" /ecs/prod/0c0c0c0c of a task"), "{out}");
}

#[test]
fn a_group_in_another_region_is_read_there() {
    let options = json!({ "awslogs-group": "/ecs/api", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs" });
    let services = vec![service("api", T1, [container("app", "awslogs", options)])];
    let there = ("us-east-1", "/ecs/api", 60, format!("ecs/app/{T1}"), "there".to_owned());
    let here = event("/ecs/api", 50, &format!("ecs/app/{T1}"), "of another group with this name");
    let cluster = Cluster::new(services, &[("us-east-1", "/ecs/api"), (HOME, "/ecs/api")], vec![there, here]);
    let lines = cluster.lines(&["api"]);
    assert_eq!((texts(&lines), &lines[0]["server"]), (vec!["there"], &json!("api")));
    let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/api:*";
    assert_eq!(texts(&cluster.lines(&["--group", arn])), ["there"]);
    let (code, _, err) = cluster.run(&["logs", "--group", "us-east-1:/ecs/apu"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("us-east-1:/ecs/apu") && err.contains("there is us-east-1:/ecs/api"), "{err}");
}

#[test]
fn what_firelens_sends_to_cloudwatch_is_read() {
    let app = container(
        "app",
        "awsfirelens",
        json!({ "Name": "cloudwatch", "region": HOME, "log_group_name": "/fl/app", "log_stream_prefix": "app-" }),
    );
    let services = vec![service("api", T1, [app, awslogs("log_router", "/ecs/router", "firelens")])];
    let wrapped = r#"{"container_name":"app","log":"{\"level\":\"error\",\"msg\":\"payment failed\"}"}"#;
    let events = vec![
        event("/fl/app", 60, &format!("app-firelens-{T1}"), wrapped),
        event("/ecs/router", 55, &format!("firelens/log_router/{T1}"), "[ info] [output] all good"),
    ];
    let cluster = Cluster::new(services, &[(HOME, "/fl/app"), (HOME, "/ecs/router")], events);
    let lines = cluster.lines(&["api", "--level", "error"]);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["server"], &lines[0]["task"]), (&json!("api"), &json!(T1)));
    assert_eq!(cluster.lines(&["api"]).len(), 2, "the router's own log is the server's, too");
}

#[rstest]
#[case::splunk(container("app", "splunk", json!({ "splunk-url": "https://s" })), "far: container app logs with splunk")]
#[case::firelens(container("app", "awsfirelens", json!({ "Name": "datadog" })), "far: container app logs with FireLens to datadog")]
#[case::a_file(container("app", "awsfirelens", json!({})), "far: container app logs with FireLens (awsfirelens)")]
#[case::nothing(json!({ "name": "app", "image": "i" }), "far: container app logs with no log driver")]
fn a_log_that_is_elsewhere_is_no_empty_log(#[case] far: Value, #[case] why: &str) {
    let services = vec![service("far", T1, [far]), service("api", T2, [awslogs("app", "/ecs/api", "ecs")])];
    let events = vec![event("/ecs/api", 60, &format!("ecs/app/{T2}"), "of the api")];
    let cluster = Cluster::new(services, &[(HOME, "/ecs/api")], events);
    let (code, out, err) = cluster.run(&["logs", "far"]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    assert!(err.contains("no log is in CloudWatch Logs") && err.contains(why), "{err}");
    let (code, out, err) = cluster.run(&["logs"]);
    assert!(code == 0 && out.contains("of the api") && err.contains(&format!("not read: {why}")), "{out} {err}");
    let (_, _, err) = cluster.run(&["logs", "api"]);
    assert_eq!(err, "", "nothing is said of servers that are not asked for");
}

#[test]
fn a_server_whose_group_is_missing_has_no_empty_log() {
    let services = vec![
        service("api", T1, [awslogs("app", "/ecs/api", "ecs")]),
        service("web", T2, [awslogs("app", "/ecs/web", "ecs")]),
    ];
    let cluster = Cluster::new(services, &[(HOME, "/ecs/api"), (HOME, "/ecs/wed")], Vec::new());
    let (code, _, err) = cluster.run(&["logs", "web"]);
    assert!(code == 3 && err.contains("there is no log group /ecs/web") && err.contains("/ecs/wed"), "{code} {err}");
    let (code, _, err) = cluster.run(&["logs"]);
    assert!(code == 0 && err.contains("there is no log group /ecs/web"), "{code} {err}");
}

/// One server with these events.
fn one(events: Vec<(i64, &str)>) -> Cluster {
    let services = vec![service("app", T1, [awslogs("app", "/ecs/app", "ecs")])];
    let stream = format!("ecs/app/{T1}");
    let events = events.into_iter().map(|(ago, text)| event("/ecs/app", ago, &stream, text)).collect();
    Cluster::new(services, &[(HOME, "/ecs/app")], events)
}

#[test]
fn line_breaks_inside_an_event_are_kept() {
    let trace = "Traceback (most recent call last):\r  File \"a.py\", line 3, in pay\rValueError: card declined";
    let cluster = one(vec![(60, trace), (50, "vt\u{b}ff\u{c}nel\u{85}end\r\n")]);
    let lines = cluster.lines(&["app"]);
    let kept = "Traceback (most recent call last):\n  File \"a.py\", line 3, in pay\nValueError: card declined";
    assert_eq!(texts(&lines), [kept, "vt\nff\nnel\nend"]);
    let (_, out, _) = cluster.run(&["logs", "app"]);
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains("in pay↵ValueError: card declined") && out.contains("vt↵ff↵nel↵end"), "{out}");
    let (_, found, _) = cluster.run(&["logs", "app", "--grep", "^ValueError"]);
    assert_eq!(found.lines().count(), 1, "{found}");
}

#[test]
fn lines_of_several_days_have_their_day() {
    let day = 86_400;
    let cluster = one(vec![(3 * day + 60, "three days back"), (day + 60, "one day back"), (60, "now")]);
    let (_, out, _) = cluster.run(&["logs", "app", "--since", "4d"]);
    let now = Timestamp::now();
    for (line, back) in out.lines().zip([3, 1, 0]) {
        let at = now.checked_sub(jiff::SignedDuration::from_secs(back * day + 60)).unwrap();
        assert!(line.starts_with(&at.strftime("%F ").to_string()) && line.contains("+00:00 app/"), "{line}");
    }
    assert_eq!(out.lines().count(), 3);
}

#[rstest]
#[case("1d", 1)]
#[case("1w", 2)]
#[case("P2D", 1)]
#[case("2000-01-01", 2)]
#[case("2000-01-01 10:00", 2)]
#[case("2000/01/01", 2)]
#[case("946684800", 2)]
#[case("946684800000", 2)]
#[case("2000-01-01T00:00:00+01:00", 2)]
fn a_window_begins_at_a_time_of_any_form(#[case] since: &str, #[case] lines: usize) {
    let cluster = one(vec![(4 * 86_400, "four days back"), (3_600, "an hour back")]);
    assert_eq!(cluster.lines(&["app", "--since", since]).len(), lines);
}

#[rstest]
#[case(&["--since", "sometime"], "is not a time")]
#[case(&["--since", "2999-01-01"], "begins in the future")]
#[case(&["--since", "1h", "--until", "2h"], "ends before it begins")]
fn a_window_that_is_none_is_refused(#[case] args: &[&str], #[case] why: &str) {
    let cluster = one(Vec::new());
    let (code, _, err) = cluster.run(&[&["logs", "app"], args].concat());
    assert!(code == 2 && err.contains(why), "{code} {err}");
}

#[test]
fn streams_that_begin_alike_have_names_of_their_own() {
    let group = "/aws/lambda/pay";
    let streams = [
        "2026/11/25/[$LATEST]0123456789abcdef0123456789abcdef",
        "2026/11/25/[$LATEST]fedcba98765432100123456789abcdef",
        &format!("app-firelens-{T1}"),
        &format!("app-firelens-{T2}"),
        "ip-10-0-1-17.eu-west-1.compute.internal",
        "ip-10-0-1-99.eu-west-1.compute.internal",
    ];
    let events = streams.iter().zip(1..).map(|(stream, ago)| event(group, 60 - ago, stream, "x")).collect();
    let cluster = Cluster::new(Vec::new(), &[(HOME, group)], events);
    let (_, out, err) = cluster.run(&["logs", "--group", group]);
    let names: Vec<&str> = out.lines().map(|line| line.split(' ').nth(1).unwrap().trim_start_matches(group)).collect();
    let expected =
        ["/01234567", "/fedcba98", "/0a0a0a0a", "/0b0b0b0b", &format!("/{}", streams[4]), &format!("/{}", streams[5])];
    assert_eq!(names, expected, "{err}");
}

#[test]
fn an_event_that_is_stamped_ahead_is_shown_when_following() {
    use std::io::BufRead;
    let cluster = one(vec![(300, "before"), (-1_200, "ERROR of now, stamped 20 minutes ahead")]);
    let _guard = cluster.runtime.enter();
    let mut child = cluster.command(&["logs", "app", "-f", "--mode", "poll"]).stdout(Stdio::piped()).spawn().unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let lines: Vec<String> = out.take(2).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lines[0].ends_with("before") && lines[1].ends_with("20 minutes ahead"), "{lines:?}");
}

#[test]
fn a_window_without_lines_is_told_from_a_log_that_is_not_read() {
    let cluster = one(vec![(60, "a line")]);
    let (code, out, err) = cluster.run(&["logs", "app", "--since", "5s"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "quarterdeck: no line of that time in /ecs/app\n"));
    let (code, _, err) = cluster.run(&["logs", "app", "--grep", "nothing"]);
    assert_eq!((code, err.as_str()), (0, "quarterdeck: none of 1 lines matches\n"));
}

#[tokio::test]
async fn a_server_that_comes_while_its_log_is_followed_joins() {
    let first = vec![service("api", T1, [awslogs("app", "/ecs/api", "ecs")])];
    let both = [first.clone(), vec![service("web", T2, [awslogs("app", "/ecs/web", "ecs")])]].concat();
    let groups = [(HOME, "/ecs/api"), (HOME, "/ecs/web")];
    let deployed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = deployed.clone();
    let server = Scripted::start(move |request| {
        let services = if seen.load(std::sync::atomic::Ordering::SeqCst) { &both } else { &first };
        answer(services, &groups, &[], request)
    })
    .await;
    let access = Access {
        region: Some(HOME.into()),
        endpoint: Some(server.url.clone()),
        static_credentials: true,
        ..Access::default()
    };
    let home = tempfile::tempdir().unwrap();
    let session = Session {
        cloud: Arc::new(connect(&access).await.unwrap()),
        context: Context { region: HOME.into(), cluster: "c".into(), environment: "c".into(), ..Context::default() },
        environment: None,
        engine: Arc::new(crate::support::engine::Without),
        overrides: Arc::default(),
        audit: Audit::open(home.path()).unwrap(),
        trials: true,
    };
    let options = LogsOptions {
        servers: Vec::new(),
        groups: Vec::new(),
        follow: true,
        since: "15m".into(),
        until: None,
        filter: None,
        grep: None,
        expression: None,
        level: None,
        mode: Mode::Poll,
        refresh: Duration::from_millis(20),
    };
    let following = tokio::spawn(async move { logs(&session, &options, headless::Output::Json).await.map(drop) });
    let reads =
        |group: &str| server.requests("FilterLogEvents").iter().filter(|request| request.body.contains(group)).count();
    wait(|| reads("/ecs/api") > 0).await;
    assert_eq!(reads("/ecs/web"), 0);
    deployed.store(true, std::sync::atomic::Ordering::SeqCst);
    wait(|| reads("/ecs/web") > 0).await;
    following.abort();
}

/// Waits until a condition holds.
async fn wait(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "it never held");
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_query_that_runs_is_stopped_when_the_console_is_closed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let services = vec![service("app", T1, [awslogs("app", "/ecs/app", "ecs")])];
    let server = runtime.block_on(Scripted::start(move |request| match request.call.as_str() {
        "StartQuery" => Reply::json(200, json!({ "queryId": "q-1" })),
        "GetQueryResults" => Reply::json(200, json!({ "status": "Running", "results": [] })),
        "StopQuery" => Reply::json(200, json!({ "success": true })),
        _ => answer(&services, &[(HOME, "/ecs/app")], &[], request),
    }));
    let home = tempfile::tempdir().unwrap();
    let args = ["--endpoint-url", &server.url, "--region", HOME, "--cluster", "c"];
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let mut console = pty::Console::start(home.path(), (120, 40), &args, keys);
    let soon = Duration::from_secs(10);
    console.wait("the server", soon, |screen| screen.contains("app") && screen.contains("[Fleet]"));
    console.press("2");
    let followed = |screen: &str| screen.contains("[Logs]") && !screen.contains("○ off");
    console.wait("its log", soon, followed);
    console.press("i\r");
    console.wait_for("running over", soon);
    console.press("\x03");
    console.wait_for_exit(soon);
    let stopped = server.requests("StopQuery");
    assert!(stopped.len() == 1 && stopped[0].body.contains("q-1"), "{stopped:?}");
}
