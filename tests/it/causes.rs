//! `why`, `status`, `stacks` and `timeline` on an account in which something is broken.

use std::process::{Command, Output, Stdio};

use crate::support::scripted::{Reply, Request, Scripted};
use crate::support::{at, fixtures, plans, pty};
use quarterdeck::aws::{Access, connect};
use quarterdeck::core::operation::record::{Entry, Outcome, Record};
use quarterdeck::core::operation::{Check, Order};
use quarterdeck::core::stack::StackRef;
use quarterdeck::core::timeline::{Span, Stretch, merge, of_audit};
use quarterdeck::run::audit::Audit;
use quarterdeck::run::{Session, history, operate};
use rstest::rstest;
use serde_json::{Value, json};

/// What is there: one service and its tasks, and what CloudFormation says of its stack.
#[derive(Clone)]
struct Account {
    services: Vec<Value>,
    tasks: Vec<Value>,
    /// Status of the stack `quarterdeck-prod-time`; none where there is no stack.
    stack: Option<&'static str>,
    events: EventLog,
    /// Lines of requests with a token for another server.
    refused: u32,
}

/// The log group of ECS's event capture.
#[derive(Clone)]
enum EventLog {
    Absent,
    Denied,
    /// Its events, on the second page: the first is empty.
    Has(Vec<Value>),
}

/// That a task stopped so many seconds ago, as EventBridge writes it.
fn stopped_event(id: &str, seconds: i64) -> Value {
    let when = |seconds| jiff::Timestamp::from_second(ago(seconds)).unwrap().to_string();
    let event = json!({
        "source": "aws.ecs", "detail-type": "ECS Task State Change", "time": when(seconds),
        "detail": {
            "taskArn": format!("arn:aws:ecs:eu-west-1:1:task/quarterdeck-prod/{id}"), "group": "service:time",
            "lastStatus": "STOPPED", "stoppedAt": when(seconds), "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
            "containers": [{ "name": "time", "lastStatus": "STOPPED", "exitCode": 137, "reason": "OutOfMemoryError" }],
        },
    });
    json!({ "eventId": id, "timestamp": ago(seconds) * 1_000, "ingestionTime": ago(seconds) * 1_000,
        "logStreamName": "s", "message": event.to_string() })
}

/// What AWS said so many seconds ago of an issue of ECS of its own.
fn issue_event(status: &str, seconds: i64) -> Value {
    let when = jiff::Timestamp::from_second(ago(seconds)).unwrap();
    let event = json!({
        "source": "aws.health", "detail-type": "AWS Health Event", "time": when.to_string(),
        "detail": {
            "eventArn": "arn:aws:health:eu-west-1::event/ECS/AWS_ECS_OPERATIONAL_ISSUE/1", "service": "ECS",
            "eventTypeCode": "AWS_ECS_OPERATIONAL_ISSUE", "eventTypeCategory": "issue", "eventScopeCode": "PUBLIC",
            "communicationId": format!("{seconds}-1"), "statusCode": status, "eventRegion": "eu-west-1",
            "lastUpdatedTime": jiff::fmt::rfc2822::to_string(&when.to_zoned(jiff::tz::TimeZone::UTC)).unwrap(),
            "eventDescription": [{ "language": "en_US", "latestDescription": "Tasks do not start." }],
        },
    });
    json!({ "eventId": "h", "timestamp": ago(seconds) * 1_000, "ingestionTime": ago(seconds) * 1_000,
        "logStreamName": "s", "message": event.to_string() })
}

const DEFINITION: &str = "arn:aws:ecs:eu-west-1:1:task-definition/time:7";

fn ago(seconds: i64) -> i64 {
    jiff::Timestamp::now().as_second() - seconds
}

fn service(running: u32) -> Value {
    json!({
        "serviceName": "time", "serviceArn": "arn:aws:ecs:eu-west-1:1:service/quarterdeck-prod/time", "status": "ACTIVE",
        "desiredCount": 1, "runningCount": running, "pendingCount": 0, "taskDefinition": DEFINITION,
        "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": true, "rollback": true } },
        "deployments": [{ "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": DEFINITION, "desiredCount": 1,
            "runningCount": running, "rolloutState": "COMPLETED", "createdAt": ago(4_000) }],
        "events": [{ "id": "e", "createdAt": ago(60), "message": "(service time) has started 1 tasks: (task a)." }],
    })
}

fn task(id: &str, more: Value) -> Value {
    let mut task = json!({
        "taskArn": format!("arn:aws:ecs:eu-west-1:1:task/quarterdeck-prod/{id}"), "group": "service:time",
        "taskDefinitionArn": DEFINITION, "lastStatus": "RUNNING", "createdAt": ago(3_000), "startedAt": ago(2_990),
        "containers": [{ "name": "time", "lastStatus": "RUNNING" }],
    });
    more.as_object().unwrap().iter().for_each(|(key, value)| task[key] = value.clone());
    task
}

fn unpulled(id: &str, seconds: i64) -> Value {
    task(
        id,
        json!({
            "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedAt": ago(seconds),
            "stoppedReason": "CannotPullContainerError: failed to resolve ref mcp-time:v9: not found",
        }),
    )
}

/// Three requests of the last half minute, one of which failed and one was refused; and so many with a token for
/// another server.
fn log(refused: u32) -> Vec<Value> {
    let line = |id: u32, tool: &str, status: u32| {
        let message = json!({ "event": "request", "server": "time", "method": "tools/call", "tool": tool,
            "client": "a", "status": status, "latency_ms": 12.5 });
        json!({ "eventId": id.to_string(), "timestamp": ago(30) * 1_000, "ingestionTime": ago(29) * 1_000,
            "logStreamName": "time/time/aaaa0000", "message": message.to_string() })
    };
    let elsewhere = |id: u32| {
        let mut event = line(100 + id, "now", 401);
        let message = json!({ "event": "request", "server": "time", "client": "b", "audience": "other",
            "reason": "audience", "status": 401, "latency_ms": 1.5 });
        event["message"] = json!(message.to_string());
        event
    };
    let own = [line(1, "now", 200), line(2, "now", 502), line(3, "convert", 403)];
    own.into_iter().chain((0..refused).map(elsewhere)).collect()
}

impl Account {
    fn well() -> Self {
        Self {
            services: vec![service(1)],
            tasks: vec![task("aaaa0000", json!({}))],
            stack: Some("UPDATE_COMPLETE"),
            events: EventLog::Absent,
            refused: 0,
        }
    }

    /// Its image is not there.
    fn broken() -> Self {
        let tasks = vec![unpulled("bbbb0000", 30), unpulled("cccc0000", 90)];
        Self { services: vec![service(0)], tasks, ..Self::well() }
    }

    /// Its creation failed, and CloudFormation has deleted it again.
    fn gone() -> Self {
        Self { services: Vec::new(), stack: Some("ROLLBACK_COMPLETE"), ..Self::broken() }
    }

    fn answer(&self, request: &Request) -> Reply {
        let arns = |all: &[Value], key: &str| all.iter().map(|one| one[key].clone()).collect::<Vec<_>>();
        match request.call.as_str() {
            "ListServices" => Reply::json(200, json!({ "serviceArns": arns(&self.services, "serviceArn") })),
            "DescribeServices" => Reply::json(200, json!({ "services": self.services })),
            "DescribeClusters" => Reply::json(200, json!({ "clusters": [{ "clusterName": "c", "status": "ACTIVE" }] })),
            "ListTasks" => {
                let stopped = request.body.contains("STOPPED");
                let wanted = |one: &&Value| (one["lastStatus"] == "STOPPED") == stopped;
                let tasks: Vec<Value> = self.tasks.iter().filter(wanted).cloned().collect();
                Reply::json(200, json!({ "taskArns": arns(&tasks, "taskArn") }))
            }
            "DescribeTasks" => {
                let asked = |one: &&Value| request.body.contains(one["taskArn"].as_str().unwrap());
                Reply::json(200, json!({ "tasks": self.tasks.iter().filter(asked).collect::<Vec<_>>() }))
            }
            "DescribeTaskDefinition" => Reply::json(
                200,
                json!({ "taskDefinition": {
                    "taskDefinitionArn": DEFINITION, "family": "time", "revision": 7, "containerDefinitions": [{
                        "name": "time", "image": "i", "logConfiguration": { "logDriver": "awslogs", "options": {
                            "awslogs-group": "/quarterdeck/prod/time", "awslogs-region": "eu-west-1",
                            "awslogs-stream-prefix": "time" } } }] } }),
            ),
            "FilterLogEvents" if request.body.contains("/aws/events/") => self.events(request),
            "FilterLogEvents" => Reply::json(200, json!({ "events": log(self.refused) })),
            "DescribeAlarms" => Reply::Cbor(200, json!({ "MetricAlarms": [] })),
            "GetMetricData" => {
                // What is asked for of the server itself comes before the three searches for its tools.
                let at = jiff::Timestamp::now().as_second() - 120;
                let tool = |id: &str, tool: &str, value: f64| {
                    json!({ "Id": id, "Label": format!("prod/time/{tool}"), "StatusCode": "Complete",
                        "Timestamps": [{ "@time": at }], "Values": [value] })
                };
                let all = [tool("s5", "now", 40.0), tool("s5", "convert", 3.0), tool("s6", "now", 0.0),
                    tool("s6", "convert", 2.0), tool("s7", "now", 12.5), tool("s7", "convert", 80.0)];
                let searches = request.body.matches("SEARCH(").count();
                Reply::Cbor(200, json!({ "MetricDataResults": if searches > 0 { &all[..] } else { &[] } }))
            }
            "DescribeScalingActivities" if self.refused > 0 => Reply::json(
                200,
                json!({ "ScalingActivities": [{ "ActivityId": "a", "ServiceNamespace": "ecs",
                    "ResourceId": "service/quarterdeck-prod/time", "ScalableDimension": "ecs:service:DesiredCount",
                    "Description": "Setting desired count to 2.", "Cause": "minimum capacity was set to 2",
                    "StartTime": ago(600), "StatusCode": "Successful" }] }),
            ),
            "DescribeScalableTargets" => Reply::json(200, json!({ "ScalableTargets": [] })),
            "DescribeStacks" => self.stacks(request),
            "DescribeStackEvents" => Reply::Answer(200, EVENTS.replace("{at}", &jiff::Timestamp::from_second(ago(45)).unwrap().to_string())),
            "ListStackResources" => Reply::Answer(200, "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries/></ListStackResourcesResult></ListStackResourcesResponse>".into()),
            _ => Reply::error(400, "UnknownOperationException", "not in the script"),
        }
    }

    fn events(&self, request: &Request) -> Reply {
        match &self.events {
            EventLog::Absent => {
                Reply::error(400, "ResourceNotFoundException", "The specified log group does not exist.")
            }
            EventLog::Denied => Reply::error(400, "AccessDeniedException", "not authorized"),
            EventLog::Has(_) if !request.body.contains("next") => {
                Reply::json(200, json!({ "events": [], "nextToken": "next" }))
            }
            EventLog::Has(events) => Reply::json(200, json!({ "events": events })),
        }
    }

    /// The stack is in eu-west-1; the edge's region has none.
    fn stacks(&self, request: &Request) -> Reply {
        let here = request.headers.get("authorization").is_some_and(|header| header.contains("eu-west-1"));
        let Some(status) = self.stack.filter(|_| here) else {
            return Reply::Answer(400, "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id quarterdeck-prod-edge does not exist</Message></Error></ErrorResponse>".into());
        };
        Reply::Answer(
            200,
            format!(
                "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>quarterdeck-prod-time</StackName>\
             <StackId>arn:s</StackId><CreationTime>2026-01-01T00:00:00Z</CreationTime><LastUpdatedTime>{}</LastUpdatedTime>\
             <StackStatus>{status}</StackStatus><Parameters><member><ParameterKey>Environment</ParameterKey>\
             <ParameterValue>prod</ParameterValue></member></Parameters></member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
                jiff::Timestamp::from_second(ago(100)).unwrap()
            ),
        )
    }
}

const EVENTS: &str = "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents><member><StackId>arn:s</StackId>\
    <EventId>1</EventId><StackName>quarterdeck-prod-time</StackName><LogicalResourceId>Service</LogicalResourceId>\
    <ResourceType>AWS::ECS::Service</ResourceType><Timestamp>{at}</Timestamp><ResourceStatus>CREATE_FAILED</ResourceStatus>\
    <ResourceStatusReason>ECS Deployment Circuit Breaker was triggered</ResourceStatusReason></member></StackEvents>\
    </DescribeStackEventsResult></DescribeStackEventsResponse>";

/// Runs a command on an account.
fn run(account: &Account, args: &[&str]) -> (i32, String, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let account = account.clone();
    let server = runtime.block_on(Scripted::start(move |request| account.answer(request)));
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["-e", "prod", "--region", "eu-west-1", "--endpoint-url", &server.url]).args(args);
    command.current_dir(home.path()).stdin(Stdio::null());
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn document(account: &Account, args: &[&str]) -> (i32, Value) {
    let (code, out, err) = run(account, &[args, &["--output", "json"]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

#[test]
fn why_names_the_cause_and_what_helps() {
    let (code, out, err) = run(&Account::broken(), &["why", "time"]);
    assert_eq!(code, 1, "{err}");
    assert!(
        out.starts_with("time is down\n  cause     image-missing: image not found: 2 tasks did not start"),
        "{out}"
    );
    assert!(out.contains("CannotPullContainerError") && out.contains("  fix       push the image"), "{out}");
    assert!(out.contains("  next      quarterdeck --endpoint-url ") && out.contains(" deploy time\n"), "{out}");
    assert!(out.contains("  so        0 of 1 task running, none pending [tasks-missing]"), "{out}");
    let (code, all) = document(&Account::broken(), &["why"]);
    let first = &all["subjects"][0];
    assert_eq!(
        (code, first["server"].as_str(), first["cause"]["id"].as_str()),
        (1, Some("time"), Some("image-missing"))
    );
    assert_eq!((&first["cause"]["layer"], &first["cause"]["count"]), (&json!("origin"), &json!(2)));
    assert!(first["cause"]["next"].as_str().unwrap().ends_with(" deploy time"), "{first:#}");
    assert_eq!(first["explains"][0]["id"], "tasks-missing");
}

#[test]
fn why_is_content_where_nothing_is_wrong() {
    let (code, out, err) = run(&Account::well(), &["why"]);
    assert_eq!((code, out.as_str()), (0, "nothing wrong found: time\n"), "{err}");
    let (code, _, err) = run(&Account::well(), &["why", "tiem"]);
    assert!(code == 3 && err.contains("it has time"), "{code} {err}");
}

#[test]
fn a_creation_that_failed_is_explained_by_the_tasks_of_the_service_that_is_gone() {
    let (code, one) = document(&Account::gone(), &["why", "time"]);
    let told = &one["subjects"][0];
    assert_eq!((code, &told["verdict"]), (1, &Value::Null));
    assert_eq!(told["cause"]["id"], "image-missing", "{told:#}");
    let others = [&told["explains"], &told["besides"]].map(|some| some.to_string()).concat();
    assert!(others.contains("stack-stuck") && others.contains("Circuit Breaker was triggered"), "{others}");
    let (_, all) = document(&Account::gone(), &["why"]);
    assert_eq!(all["subjects"][0]["server"], "time");
}

#[rstest]
#[case::well(Account::well(), &["--fail-on", "warning"], 0)]
#[case::broken(Account::broken(), &["--fail-on", "failed"], 1)]
#[case::broken_and_nobody_asks(Account::broken(), &[], 0)]
#[case::nothing_there(Account { services: Vec::new(), ..Account::well() }, &["--fail-on", "failed"], 3)]
#[case::waits_no_longer_than_it_must(Account::well(), &["--wait", "1h"], 0)]
#[case::looks_at_least_once(Account::well(), &["--wait", "0s"], 0)]
#[case::waits_in_vain(Account::broken(), &["--wait", "1s"], 1)]
#[case::waits_in_vain_while_callers_are_refused(Account { refused: 9, ..Account::well() }, &["--wait", "1s"], 1)]
fn status_tells_by_its_code(#[case] account: Account, #[case] flags: &[&str], #[case] code: i32) {
    let (found, out, err) = run(&account, &[&["status"], flags].concat());
    assert_eq!(found, code, "{out}{err}");
}

#[test]
fn a_wait_says_what_it_waits_for() {
    let (_, _, err) = run(&Account::broken(), &["status", "--wait", "1s"]);
    assert!(err.contains("time is down (image-missing): 0/1 running"), "{err}");
}

/// ECS calls it well at once, and its log says that it refuses a client.
#[test]
fn a_wait_judges_as_a_look_does() {
    let account = || Account { refused: 9, ..Account::well() };
    let (_, looked) = document(&account(), &["status"]);
    let (_, waited) = document(&account(), &["status", "--wait", "1s"]);
    let told = |all: &Value| (all["servers"][0]["verdict"].clone(), all["servers"][0]["findings"][0]["id"].clone());
    assert_eq!(told(&looked), (json!("degraded"), json!("token-audience")), "{looked:#}");
    assert_eq!(told(&waited), told(&looked));
    let (_, _, err) = run(&account(), &["status", "--wait", "1s"]);
    assert!(err.contains("time is degraded (token-audience): 1/1 running"), "{err}");
}

#[test]
fn stacks_are_listed_and_one_is_told() {
    let (code, out, err) = run(&Account::well(), &["stacks"]);
    assert!(code == 0 && out.contains("quarterdeck-prod-time") && out.contains("UPDATE_COMPLETE"), "{out}{err}");
    let (code, out, _) = run(&Account::gone(), &["stacks", "time"]);
    assert!(
        code == 1 && out.contains("cause: Service (AWS::ECS::Service) CREATE_FAILED: ECS Deployment Circuit"),
        "{out}"
    );
    let (code, _, err) = run(&Account::well(), &["stacks", "nope"]);
    assert!(code == 3 && err.contains("quarterdeck-prod-time"), "{err}");
}

#[test]
fn the_timeline_merges_tasks_events_and_stacks() {
    let (code, all) = document(&Account::broken(), &["timeline", "time"]);
    let moments = all["moments"].as_array().unwrap();
    let told: Vec<(&str, &str)> =
        moments.iter().map(|one| (one["kind"].as_str().unwrap(), one["what"].as_str().unwrap())).collect();
    assert!(
        moments.is_sorted_by_key(|one| one["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()),
        "{told:?}"
    );
    let at = |kind: &str, word: &str| told.iter().position(|(one, what)| *one == kind && what.contains(word)).unwrap();
    assert!(at("deployment", "ecs-svc/1 began") < at("task", "cccc0000 stopped"));
    assert!(at("task", "cccc0000 stopped") < at("event", "has started 1 tasks"));
    assert!(at("event", "has started 1 tasks") < at("stack", "CREATE_FAILED"));
    assert!(at("stack", "CREATE_FAILED") < at("task", "bbbb0000 stopped"));
    let stop = &moments[at("task", "bbbb0000 stopped")];
    assert_eq!((&stop["bad"], &stop["finding"]), (&json!(true), &json!("image-missing")));
    assert_eq!(code, 0, "{all:#}");
    let (_, text, _) = run(&Account::broken(), &["timeline", "--since", "1m"]);
    assert!(text.contains("! task") && !text.contains("cccc0000 stopped"), "{text}");
}

/// ECS knows no service and no task any more.
#[test]
fn what_the_event_log_has_kept_is_told_when_ecs_has_forgotten_it() {
    let events = EventLog::Has(vec![stopped_event("dddd0000", 5 * 3_600), stopped_event("aaaa0000", 30)]);
    let account = Account { services: Vec::new(), tasks: Vec::new(), events, ..Account::well() };
    let (code, all) = document(&account, &["timeline", "time"]);
    let moments = all["moments"].as_array().unwrap();
    let stops: Vec<&Value> = moments.iter().filter(|one| one["kind"] == "task").collect();
    let told: Vec<_> = stops.iter().map(|one| (&one["task"], &one["finding"])).collect();
    let memory = json!("out-of-memory");
    assert_eq!(told, [(&json!("dddd0000"), &memory), (&json!("aaaa0000"), &memory)], "{all:#}");
    assert_eq!((code, &all["captured"], &all["gaps"]), (0, &json!(true), &json!([])));
}

#[rstest]
#[case::absent(EventLog::Absent, "1d", 0, true, false)]
#[case::absent_and_not_asked_for(EventLog::Absent, "30m", 0, false, false)]
#[case::denied(EventLog::Denied, "1d", 1, true, true)]
#[case::there(EventLog::Has(Vec::new()), "1d", 0, false, false)]
fn who_asks_for_more_than_ecs_remembers_is_told_what_is_missing(
    #[case] events: EventLog,
    #[case] since: &str,
    #[case] code: i32,
    #[case] forgets: bool,
    #[case] gap: bool,
) {
    let account = Account { events, ..Account::well() };
    let (found, _, err) = run(&account, &["timeline", "time", "--since", since]);
    assert_eq!((found, err.contains("keeps stopped tasks for an hour")), (code, forgets), "{err}");
    assert_eq!(err.contains("not read: the event log of the cluster: logs:FilterLogEvents"), gap, "{err}");
    let captured = matches!(account.events, EventLog::Has(_));
    assert_eq!(err.contains("note: not captured: "), !captured, "{err}");
}

/// Nothing of the server says why its task is missing.
#[rstest]
#[case::open(&[("open", 600)], 0, "aws-issue", Some("warning"))]
#[case::over(&[("open", 600), ("closed", 60)], 0, "tasks-missing", None)]
#[case::it_is_well(&[("open", 600)], 1, "", Some("note"))]
fn an_issue_of_aws_is_the_cause_of_what_it_may_bring_about(
    #[case] words: &[(&str, i64)],
    #[case] running: u32,
    #[case] cause: &str,
    #[case] shared: Option<&str>,
) {
    let events = EventLog::Has(words.iter().map(|(status, seconds)| issue_event(status, *seconds)).collect());
    let tasks = if running == 0 { Vec::new() } else { Account::well().tasks };
    let account = Account { services: vec![service(running)], tasks, events, ..Account::well() };
    let (_, all) = document(&account, &["why", "time"]);
    let told = &all["subjects"][0];
    assert_eq!(told["cause"]["id"].as_str().unwrap_or_default(), cause, "{all:#}");
    if cause == "aws-issue" {
        assert_eq!(told["explains"][0]["id"], "tasks-missing", "{all:#}");
    }
    let (_, all) = document(&account, &["status"]);
    let shared_gravity = shared.map(|gravity| if running == 0 { "fault" } else { gravity });
    assert_eq!(all["shared"][0]["gravity"].as_str(), shared_gravity, "{all:#}");
    let (_, text, _) = run(&account, &["status"]);
    assert_eq!(text.contains("all servers: AWS tells of an issue of ECS in eu-west-1: "), shared.is_some(), "{text}");
    let (_, text, _) = run(&account, &["timeline"]);
    assert!(text.contains("AWS tells of an issue of ECS in eu-west-1: Tasks do not start."), "{text}");
}

/// The image is not there: that is nobody's issue but ours.
#[test]
fn an_issue_of_aws_is_not_the_cause_of_what_it_cannot_bring_about() {
    let events = EventLog::Has(vec![issue_event("open", 60)]);
    let (_, all) = document(&Account { events, ..Account::broken() }, &["why", "time"]);
    assert_eq!(all["subjects"][0]["cause"]["id"], "image-missing", "{all:#}");
}

#[test]
fn an_event_log_that_may_not_be_read_is_a_gap_and_no_proof() {
    let (code, out, err) = run(&Account { events: EventLog::Denied, ..Account::well() }, &["why", "time"]);
    assert!(err.contains("not read: issues of AWS: logs:FilterLogEvents"), "{err}");
    assert!(code == 1 && out.contains("nothing wrong found in what was read"), "{out}");
}

/// ECS calls it well, and it refuses a client: without its log nobody would know.
#[test]
fn a_client_with_tokens_for_another_server_is_the_cause() {
    let (code, one) = document(&Account { refused: 9, ..Account::well() }, &["why", "time"]);
    let told = &one["subjects"][0];
    assert_eq!(
        (code, &told["cause"]["id"], &told["verdict"]),
        (1, &json!("token-audience"), &json!("degraded")),
        "{one:#}"
    );
    assert!(told["cause"]["fact"].as_str().unwrap().contains("client b"), "{told:#}");
    let next = told["cause"]["next"].as_str().unwrap();
    assert!(next.starts_with("quarterdeck --endpoint-url http://127.0.0.1:"), "it works on the same place: {next}");
    assert!(next.ends_with(" requests time --by why"), "{next}");
    let (_, all) = document(&Account { refused: 9, ..Account::well() }, &["requests", "time", "--by", "why"]);
    let rows: Vec<(&Value, &Value)> =
        all["rows"].as_array().unwrap().iter().map(|row| (&row["why"], &row["requests"])).collect();
    assert_eq!(rows, [(&json!("unsaid"), &json!(1)), (&json!("audience"), &json!(9))], "{all:#}");
}

#[test]
fn the_timeline_tells_of_scaling_and_of_refusals_with_their_figures() {
    let account = Account { refused: 9, events: EventLog::Has(Vec::new()), ..Account::well() };
    let (code, all) = document(&account, &["timeline", "time"]);
    assert_eq!((code, &all["gaps"], &all["lines_not_read"]), (0, &json!([]), &json!([])), "{all:#}");
    assert_eq!(all["price"], "nothing is billed");
    let of = |kind: &str| all["moments"].as_array().unwrap().iter().find(|one| one["kind"] == kind).cloned().unwrap();
    let scaling = of("scaling");
    let told = (scaling["subject"].as_str(), scaling["what"].as_str());
    assert_eq!(told, (Some("time"), Some("Setting desired count to 2: minimum capacity was set to 2")));
    let refusals = of("refusals");
    let burst = &refusals["burst"];
    let figures = ["many", "requests", "why", "client", "lasts"].map(|key| burst[key].clone());
    assert_eq!(figures, [json!(10), json!(12), json!("audience"), json!("b"), json!("on")], "{refusals:#}");
    assert_eq!((&refusals["finding"], &refusals["bad"]), (&json!("token-audience"), &json!(true)), "{refusals:#}");
    let (_, text, _) = run(&account, &["timeline"]);
    let row = text.lines().find(|line| line.contains("! refusals")).unwrap();
    assert!(row.contains("10 of 12 requests refused") && row.ends_with("[token-audience]"), "{text}");
}

/// The last hour and the alarms on the command line: what is not there, what is zero and what is denied differ.
#[test]
fn metrics_are_printed_with_their_gaps_and_their_price() {
    let (code, all) = document(&Account::well(), &["metrics", "time"]);
    let time = &all["servers"][0];
    assert_eq!((code, &time["server"], &time["figures"]["cpu"]["points"]), (0, &json!("time"), &json!([])), "{all:#}");
    assert!(time["figures"]["requests"]["not_read"].as_str().unwrap().contains("load balancer"), "{all:#}");
    let (code, text, err) = run(&Account::well(), &["metrics"]);
    assert!(
        code == 0
            && text.contains("cpu")
            && text.contains("no data")
            && err.contains("series asked for, nothing is billed"),
        "{text}{err}"
    );
    assert!(err.contains("11 series asked for"), "five of the server, two for each of three figures by tool: {err}");
    let tools: Vec<Vec<&str>> =
        text.lines().filter(|line| line.starts_with("time ")).map(|line| line.split_whitespace().collect()).collect();
    let tools = &tools[tools.len() - 2..];
    assert_eq!(tools, [["time", "convert", "3", "2", "80.0ms"], ["time", "now", "40", "0", "12.5ms"]], "{text}");
    let errors = &time["tools"]["errors"]["convert"]["points"][0][1];
    assert_eq!(errors, &json!(2.0), "{all:#}");
    let (code, _, err) = run(&Account::well(), &["metrics", "nope"]);
    assert!(code == 3 && err.contains("nope"), "{err}");
}

#[test]
fn requests_are_counted_from_the_log() {
    let (code, all) = document(&Account::well(), &["requests", "time"]);
    let figure = |row: &Value| {
        let number = |key: &str| row[key].as_u64().unwrap();
        (row["tool"].as_str().unwrap().to_owned(), number("requests"), number("errors"), number("refused"))
    };
    let rows: Vec<_> = all["rows"].as_array().unwrap().iter().map(figure).collect();
    assert_eq!(rows, [("convert".to_owned(), 1, 0, 1), ("now".to_owned(), 2, 1, 0)], "{all:#}");
    assert_eq!((code, all["minutes"].as_u64()), (0, Some(15)));
    let (_, text, err) = run(&Account::well(), &["requests", "--by", "client", "--minutes", "1"]);
    assert!(text.contains("CLIENT") && text.lines().nth(1).unwrap().contains(" a "), "{text}{err}");
}

pub async fn session_at(url: &str, home: &std::path::Path) -> Session {
    let access = Access {
        region: Some("eu-west-1".into()),
        endpoint: Some(url.to_owned()),
        static_credentials: true,
        ..Access::default()
    };
    Session {
        cloud: std::sync::Arc::new(connect(&access).await.unwrap()),
        context: fixtures::context(),
        environment: None,
        engine: std::sync::Arc::new(crate::support::engine::Without),
        overrides: std::sync::Arc::default(),
        audit: Audit::open(home).unwrap(),
        trials: true,
    }
}

/// The console reads the past without the fleet, which it has already.
#[rstest]
#[case::there("UPDATE_COMPLETE", None, Some((1, 0)))]
#[case::denied("UPDATE_COMPLETE", Some((403, "AccessDenied")), Some((0, 1)))]
#[case::not_now("UPDATE_COMPLETE", Some((400, "ValidationError")), None)]
#[tokio::test]
async fn the_past_is_read_without_the_fleet(
    #[case] status: &'static str,
    #[case] refused: Option<(u16, &'static str)>,
    #[case] expected: Option<(usize, usize)>,
) {
    let account = Account { stack: Some(status), ..Account::well() };
    let server = Scripted::start(move |request| match (request.call.as_str(), refused) {
        ("DescribeStacks", Some((status, code))) => Reply::Answer(
            status,
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>not for you</Message></Error></ErrorResponse>"),
        ),
        _ => account.answer(request),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let session = session_at(&server.url, home.path()).await;
    let stretch = Stretch { span: Span::Day, server: None };
    let read = history::read(&session, &history::Past::default(), &stretch).await;
    let told = read.as_ref().map(|history| (history.moments.len(), history.gaps.len()));
    assert_eq!(told.ok(), expected, "{read:?}");
    assert_eq!(server.count("DescribeTasks") + server.count("DescribeServices"), 0, "the fleet is not read again");
}

/// The service is not there any more when the deploy ends, and its tasks still say why.
#[tokio::test]
async fn a_failed_first_deploy_ends_in_its_cause() {
    let account = Account::gone();
    let server = Scripted::start(move |request| account.answer(request)).await;
    let home = tempfile::tempdir().unwrap();
    let session = session_at(&server.url, home.path()).await;
    let stack = StackRef { name: "quarterdeck-prod-time".into(), region: "eu-west-1".into() };
    let order = Order::Check(0, Check::StackSettled { stack, token: None }, 0);
    let told = format!("{:?}", operate::carry_out(session, order).await);
    assert!(told.contains("ECS Deployment Circuit Breaker was triggered"), "{told}");
    assert!(told.contains("; image not found: 2 tasks did not start") && told.contains("push the image"), "{told}");
}

#[test]
fn the_timeline_holds_the_operations_of_this_place_that_touch_the_server() {
    let record = |seconds, operation: &str, entry| Record { at: at(seconds), operation: operation.into(), entry };
    let intent = |seconds, operation: &str, environment: &str| {
        let mut plan = plans::scale();
        plan.target.environment = environment.into();
        record(seconds, operation, Entry::Intent { caller: "anna".into(), plan: Box::new(plan) })
    };
    let records = [
        intent(-90, "qd-1", "prod"),
        intent(-80, "qd-2", "staging"),
        record(-70, "qd-1", Entry::Started { step: 0, title: "s".into() }),
        record(-60, "qd-2", Entry::Outcome { outcome: Outcome::Done }),
        record(
            -50,
            "qd-1",
            Entry::Outcome { outcome: Outcome::Failed { index: None, title: "s".into(), reason: "no".into() } },
        ),
    ];
    let told = |server| {
        let all = merge(of_audit(&records, &fixtures::context(), server), at(-100));
        all.iter().map(|one| (one.what.rsplit_once(": ").unwrap().1.to_owned(), one.bad)).collect::<Vec<_>>()
    };
    let both = vec![("begun by anna".to_owned(), false), ("no".to_owned(), true)];
    assert_eq!(told(None), both);
    assert_eq!(told(Some("time")), both);
    assert!(told(Some("weather")).is_empty());
    assert_eq!(merge(of_audit(&records, &fixtures::context(), None), at(-60)).len(), 1);
}
