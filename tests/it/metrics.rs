//! Figures and alarms, from the bytes of CloudWatch to the screen.

use std::collections::BTreeMap;

use crate::support::fixtures;
use crate::support::painted::{ALL, body};
use crate::support::scripted::{Reply, Request, Scripted};
use crate::support::{Console, World, at};
use quarterdeck::aws::{Access, connect};
use quarterdeck::cloud::Metrics as _;
use quarterdeck::console::screens::fleet;
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::finding::{Finding, Id, of_alarms, of_edge, of_firewall, of_metrics, of_server};
use quarterdeck::core::fleet::Bounds;
use quarterdeck::core::metrics::{
    Alarm, AlarmState, Answered, Blocked, Edge, Figures, Measure, Measured, OfEdge, OfServer, OfTool, Query, Series,
    Tools,
};
use quarterdeck::core::unread::Read;
use rstest::rstest;
use serde_json::{Value, json};

fn query(metric: &'static str) -> Query {
    let dimensions = vec![("ClusterName", "prod".to_owned()), ("ServiceName", "time".to_owned())];
    Query { namespace: "AWS/ECS", metric, dimensions, statistic: "Average", each: None, period: 60 }
}

async fn cloud(url: &str) -> quarterdeck::aws::AwsCloud {
    let access = Access {
        region: Some("eu-west-1".into()),
        endpoint: Some(url.to_owned()),
        static_credentials: true,
        ..Access::default()
    };
    connect(&access).await.unwrap()
}

fn result(id: &str, status: &str, points: &[(i64, f64)]) -> Value {
    let times: Vec<Value> = points.iter().map(|(at, _)| json!({ "@time": at })).collect();
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    json!({ "Id": id, "StatusCode": status, "Timestamps": times, "Values": values })
}

#[tokio::test]
async fn series_come_in_the_order_of_their_queries_over_pages_and_one_that_is_denied_is_told() {
    let mut pages = 0;
    let server = Scripted::start(move |_: &Request| {
        pages += 1;
        match pages {
            1 => Reply::Cbor(
                200,
                json!({ "NextToken": "more", "MetricDataResults": [
                    result("s1", "Forbidden", &[]), result("s0", "PartialData", &[(1_800_000_060, 2.5)]) ] }),
            ),
            _ => Reply::Cbor(200, json!({ "MetricDataResults": [result("s0", "Complete", &[(1_800_000_000, 0.0)])] })),
        }
    })
    .await;
    let asked = [query("CPUUtilization"), query("MemoryUtilization"), query("Other")];
    let all = cloud(&server.url).await.measured(None, &asked, at(-3_600), at(0)).await.unwrap();
    let one = |points| Read::Known(Answered::One(Series { points }));
    assert_eq!(all[0], one(vec![(at(0), 0.0), (at(60), 2.5)]), "by time");
    assert_eq!(all[1].why().map(|why| why.kind), Some(ErrorKind::Denied));
    assert_eq!(all[2], one(Vec::new()), "no data is no failure");
    let sent = server.requests("GetMetricData");
    assert_eq!(sent.len(), 2);
    for word in ["CPUUtilization", "AWS/ECS", "ClusterName", "TimestampAscending"] {
        assert!(sent[0].body.contains(word), "{word}: {}", sent[0].body);
    }
}

fn by_tool(metric: &'static str, statistic: &'static str) -> Query {
    let dimensions = vec![("environment", "prod".to_owned()), ("server", "time".to_owned())];
    Query { namespace: "quarterdeck", metric, dimensions, statistic, each: Some("tool"), period: 60 }
}

/// Which tools there are, the answer says: by the label, over pages, and what is of another server is not taken.
#[tokio::test]
async fn a_search_brings_a_series_for_each_tool_of_this_server_alone() {
    let found = |id: &str, label: &str, points: &[(i64, f64)]| {
        let mut one = result(id, "Complete", points);
        one["Label"] = json!(label);
        one
    };
    let mut pages = 0;
    let server = Scripted::start(move |_: &Request| {
        pages += 1;
        match pages {
            1 => Reply::Cbor(
                200,
                json!({ "NextToken": "more", "MetricDataResults": [
                    found("s0", "prod/time/get/now", &[(1_800_000_060, 4.0)]),
                    found("s0", "prod/times/now", &[(1_800_000_060, 50.0)]),
                    found("s0", "prod/time/\u{1b}[31mred", &[(1_800_000_060, 1.0)]),
                    { "Id": "s1", "StatusCode": "InternalError",
                      "Messages": [{ "Code": "Unsupported", "Value": "Expressions not implemented" }] },
                    { "Id": "s2", "StatusCode": "Forbidden" }] }),
            ),
            _ => Reply::Cbor(
                200,
                json!({ "MetricDataResults": [found("s0", "prod/time/get/now", &[(1_800_000_000, 3.0)])] }),
            ),
        }
    })
    .await;
    let asked = [by_tool("Requests", "Sum"), by_tool("Errors", "Sum"), by_tool("Latency", "p95")];
    let all = cloud(&server.url).await.measured(None, &asked, at(-3_600), at(0)).await.unwrap();
    let Read::Known(Answered::Each(calls)) = &all[0] else { panic!("{all:?}") };
    assert_eq!(calls["get/now"].points, [(at(0), 3.0), (at(60), 4.0)]);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.keys().all(|tool| !tool.contains('\u{1b}')), "{calls:?}");
    let kinds: Vec<_> = all[1..].iter().filter_map(|one| one.why().map(|why| why.kind)).collect();
    assert_eq!(kinds, [ErrorKind::Unsupported, ErrorKind::Denied]);
    let sent = &server.requests("GetMetricData")[0].body;
    for words in [
        r#"SEARCH('{quarterdeck,environment,server,tool} MetricName="Requests" environment="prod" server="time"', 'Sum', 60)"#,
        r#"MetricName="Latency" environment="prod" server="time"', 'p95', 60)"#,
        "${PROP('Dim.environment')}/${PROP('Dim.server')}/${PROP('Dim.tool')}",
    ] {
        assert!(sent.contains(words), "{words}: {sent}");
    }
}

/// The web ACL of CloudFront is counted in us-east-1, wherever the servers are.
#[tokio::test]
async fn another_region_is_asked_where_it_is_named() {
    let server =
        Scripted::script([("GetMetricData", vec![Reply::Cbor(200, json!({ "MetricDataResults": [] }))])]).await;
    let cloud = cloud(&server.url).await;
    for (region, scope) in [(None, "/eu-west-1/monitoring/"), (Some("us-east-1"), "/us-east-1/monitoring/")] {
        cloud.measured(region, &[query("Any")], at(-3_600), at(0)).await.unwrap();
        let sent = server.requests("GetMetricData");
        let signed = sent.last().unwrap().headers["authorization"].clone();
        assert!(signed.contains(scope), "{scope}: {signed}");
    }
}

#[tokio::test]
async fn five_hundred_series_go_into_a_call() {
    let server =
        Scripted::script([("GetMetricData", vec![Reply::Cbor(200, json!({ "MetricDataResults": [] }))])]).await;
    let asked = vec![query("CPUUtilization"); 501];
    assert_eq!(cloud(&server.url).await.measured(None, &asked, at(-3_600), at(0)).await.unwrap().len(), 501);
    assert_eq!(server.count("GetMetricData"), 2);
}

#[rstest]
#[case::denied("AccessDenied", ErrorKind::Denied)]
#[case::throttled("ThrottlingException", ErrorKind::Throttled)]
#[tokio::test]
async fn what_cloudwatch_refuses_is_told_by_its_kind(#[case] code: &str, #[case] kind: ErrorKind) {
    let reply = Reply::Cbor(400, json!({ "__type": format!("com.amazonaws.cloudwatch#{code}"), "message": "no" }));
    let server = Scripted::script([("DescribeAlarms", vec![reply])]).await;
    let error = cloud(&server.url).await.alarms("quarterdeck-prod-").await.unwrap_err();
    assert_eq!(error.kind, kind, "{error:?}");
}

#[tokio::test]
async fn alarms_are_read_with_their_state_and_dimensions() {
    let alarm = json!({ "AlarmName": "quarterdeck-prod-time-5xx", "AlarmDescription": "errors\u{1b}[31m",
        "StateValue": "ALARM", "StateReason": "Threshold Crossed", "MetricName": "HTTPCode_Target_5XX_Count",
        "StateTransitionedTimestamp": { "@time": 1_800_000_000 },
        "Dimensions": [{ "Name": "LoadBalancer", "Value": "app/prod/1" }] });
    let reply = Reply::Cbor(200, json!({ "MetricAlarms": [alarm] }));
    let server = Scripted::script([("DescribeAlarms", vec![reply])]).await;
    let alarms = cloud(&server.url).await.alarms("quarterdeck-prod-").await.unwrap();
    let one = &alarms[0];
    assert_eq!(
        (one.state.clone(), one.since, one.dimensions["LoadBalancer"].as_str()),
        (AlarmState::Alarm, Some(at(0)), "app/prod/1")
    );
    assert!(!one.description.contains('\u{1b}'), "{one:?}");
}

/// A figure that was the first value until five minutes ago, and the second since.
fn series(before: f64, lately: f64) -> Read<Series> {
    let point = |minute: i64| (at(-60 * minute), if minute > 5 { before } else { lately });
    Read::Known(Series { points: (1..60).rev().map(point).collect() })
}

fn figures(all: &[(Measure, f64, f64)]) -> Figures {
    all.iter().map(|(measure, before, lately)| (*measure, series(*before, *lately))).collect()
}

#[rstest]
#[case::well(&[(Measure::Requests, 100.0, 100.0), (Measure::Errors, 0.0, 0.0), (Measure::Cpu, 40.0, 50.0), (Measure::Memory, 60.0, 61.0), (Measure::P95, 0.2, 0.3)], &[])]
#[case::errors_of_the_server(&[(Measure::Requests, 100.0, 100.0), (Measure::Errors, 0.0, 20.0)], &[Id::TargetErrors])]
#[case::a_few_errors(&[(Measure::Requests, 100.0, 100.0), (Measure::Errors, 0.0, 2.0)], &[])]
#[case::errors_of_the_load_balancer_are_no_servers_own(&[(Measure::Requests, 100.0, 100.0), (Measure::Errors, 0.0, 0.0), (Measure::BalancerErrors, 0.0, 8.0)], &[])]
#[case::slow(&[(Measure::P95, 0.4, 3.0)], &[Id::AnswersSlow])]
#[case::always_slow(&[(Measure::P95, 3.0, 3.0)], &[])]
#[case::memory(&[(Measure::Memory, 60.0, 95.0)], &[Id::MemoryNearLimit])]
#[case::busy(&[(Measure::Cpu, 60.0, 95.0)], &[Id::BusyAtMaximum])]
#[case::a_log_that_grows(&[(Measure::LogBytes, 2e6, 20e6)], &[Id::LogFlood])]
#[case::a_log_that_is_always_so(&[(Measure::LogBytes, 20e6, 20e6)], &[])]
#[case::a_log_that_is_always_enormous(&[(Measure::LogBytes, 120e6, 120e6)], &[Id::LogFlood])]
#[case::a_small_log(&[(Measure::LogBytes, 1e3, 5e6)], &[])]
#[case::nothing_measured(&[], &[])]
fn what_figures_say(#[case] measured: &[(Measure, f64, f64)], #[case] expected: &[Id]) {
    let mut server = fixtures::server("time", 2);
    server.bounds = Read::Known(Some(Bounds { min: 1, max: server.desired }));
    let found = of_metrics(&server, &figures(measured), at(0));
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), expected, "{found:#?}");
}

/// That it may start no more tasks is told with it.
#[test]
fn what_is_busy_at_its_maximum_is_told_once() {
    let mut server = fixtures::server("time", 2);
    server.bounds = Read::Known(Some(Bounds { min: 1, max: server.desired }));
    let told =
        |traffic: &[Finding]| of_server(&server, &[], traffic, at(0)).iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(told(&[]), [Id::BoundsAtMaximum]);
    let busy = of_metrics(&server, &figures(&[(Measure::Cpu, 60.0, 95.0)]), at(0));
    assert_eq!(told(&busy), [Id::BusyAtMaximum]);
}

/// The firewall answers in the servers' place, and no log of theirs has it.
#[rstest]
#[case::a_body_that_is_too_long(&[("ALL", 0.0, 8.0), ("body-size", 0.0, 8.0)], Some("body-size"))]
#[case::too_many_of_one_token(&[("rate-per-token", 0.0, 20.0), ("body-size", 0.0, 2.0)], Some("rate-per-token"))]
#[case::the_noise_of_the_internet(&[("common", 0.0, 90.0), ("ip-reputation", 5.0, 90.0)], None)]
#[case::as_always(&[("rate-per-ip", 9.0, 9.0)], None)]
#[case::a_few(&[("body-size", 0.0, 1.0)], None)]
fn what_the_firewall_blocks(#[case] rules: &[(&str, f64, f64)], #[case] expected: Option<&str>) {
    let all = rules.iter().map(|(rule, before, lately)| {
        let Read::Known(series) = series(*before, *lately) else { unreachable!() };
        ((*rule).to_owned(), series)
    });
    let found = of_firewall(&Read::Known(all.collect()), at(0));
    assert_eq!(found.first().map(|one| one.id), expected.map(|_| Id::FirewallBlocks), "{found:#?}");
    assert!(expected.is_none_or(|rule| found[0].fact.contains(&format!("by rule {rule}"))), "{found:#?}");
    let denied = CloudError::new(ErrorKind::Denied, "cloudwatch:GetMetricData", "no");
    assert!(of_firewall(&Read::NotRead(denied), at(0)).is_empty());
}

/// What CloudFront, the load balancer and the servers sent with 5xx in the last minutes.
fn at_the_edge(rate: f64, balancer: Option<f64>, servers: Option<f64>) -> Measured {
    let flat = |value: f64| Series { points: (1..5).map(|minute| (at(-60 * minute), value)).collect() };
    let read = |many: Option<f64>| match many {
        Some(many) => Read::Known(Series { points: vec![(at(-60), many)] }),
        None => Read::NotRead(CloudError::new(ErrorKind::Denied, "cloudwatch:GetMetricData", "no")),
    };
    let figures: Figures = [(Measure::BalancerErrors, read(balancer))].into();
    let edge: Edge =
        [(OfEdge::Requests, flat(100.0)), (OfEdge::Refused, flat(0.0)), (OfEdge::Errors, flat(rate))].into();
    Measured {
        alarms: Read::Known(Vec::new()),
        servers: [("time".to_owned(), OfServer { figures, tools: Tools::new() })].into(),
        edge: Read::Known(edge),
        behind: read(servers),
        ..measured()
    }
}

#[rstest]
#[case::nobody_behind_it_sent_them(at_the_edge(10.0, Some(0.0), Some(0.0)), &[(Id::EdgeErrors, "40 of 400")])]
#[case::the_servers_sent_them(at_the_edge(10.0, Some(0.0), Some(38.0)), &[])]
#[case::the_balancer_sent_them(at_the_edge(10.0, Some(39.0), Some(0.0)), &[(Id::BalancerErrors, "answered 39")])]
#[case::more_than_both_sent(at_the_edge(20.0, Some(10.0), Some(10.0)), &[(Id::BalancerErrors, "answered 10"), (Id::EdgeErrors, "80 of 400")])]
#[case::most_of_them_the_balancer_sent(at_the_edge(20.0, Some(50.0), Some(0.0)), &[(Id::BalancerErrors, "answered 50")])]
#[case::a_few(at_the_edge(1.0, Some(0.0), Some(0.0)), &[])]
#[case::a_few_of_the_balancer(at_the_edge(1.0, Some(4.0), Some(0.0)), &[])]
#[case::what_the_servers_sent_was_not_read(at_the_edge(10.0, Some(0.0), None), &[(Id::EdgeErrors, "40 of 400")])]
fn errors_that_no_server_sent_are_those_of_the_edge(#[case] measured: Measured, #[case] told: &[(Id, &str)]) {
    let found = of_edge(&measured, at(0));
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), told.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    for (one, (_, words)) in found.iter().zip(told) {
        assert!(one.fact.contains(words) && one.at == Some(at(-60)), "{one:#?}");
    }
    let denied = || CloudError::new(ErrorKind::Denied, "cloudwatch:GetMetricData", "no");
    let unread = Measured { edge: Read::NotRead(denied()), servers: BTreeMap::new(), ..measured };
    assert!(of_edge(&unread, at(0)).is_empty());
}

/// A page is sent by an alarm: what it counts is the cause, and stands before it, with its evidence.
#[test]
fn errors_of_the_load_balancer_explain_its_alarm_on_fleet() {
    let all = Measured {
        alarms: Read::Known(vec![alarm("quarterdeck-prod-platform-5xx", AlarmState::Alarm)]),
        ..at_the_edge(10.0, Some(39.0), Some(0.0))
    };
    let mut console = Console::with(World { measured: Some(Ok(all)), ..fixtures::world() });
    console.tick(60);
    let told = body(&console, (200, 50));
    assert!(told.contains("the environment → 6: the load balancer answered 39 requests with 5xx itself"), "{told}");
    assert!(told.contains("(explains 1 more)"), "{told}");
    assert!(told.contains("HTTPCode_ELB_5XX_Count, of all servers; the servers behind it sent 0"), "{told}");
    assert!(told.contains("└ so       alarm quarterdeck-prod-platform-5xx is raised"), "{told}");
}

#[test]
fn errors_of_the_edge_are_told_on_fleet_with_the_key_to_the_doctor() {
    let all = at_the_edge(50.0, Some(0.0), Some(0.0));
    let mut console = Console::with(World { measured: Some(Ok(all)), ..fixtures::world() });
    console.tick(60);
    let told = body(&console, (200, 50));
    assert!(told.contains("CloudFront answered 200 of 400 requests with 5xx"), "{told}");
    assert!(told.contains("edge       400 requests of all servers in the hour, 0 4xx, 200 5xx"), "{told}");
    assert!(told.contains("→ 6: CloudFront answered"), "the key stands before it: {told}");
}

#[test]
fn the_firewall_is_the_cause_where_nothing_of_the_servers_is_wrong() {
    let Read::Known(series) = series(0.0, 8.0) else { unreachable!() };
    let all = Measured {
        alarms: Read::Known(Vec::new()),
        firewall: Read::Known([("body-size".to_owned(), series)].into()),
        ..measured()
    };
    let mut console = Console::with(World { measured: Some(Ok(all)), ..fixtures::world() });
    console.tick(60);
    let told = body(&console, (200, 50));
    assert!(told.contains("the firewall blocked"), "{told}");
}

#[test]
fn a_figure_that_was_not_read_proves_nothing() {
    let denied = || Read::NotRead(CloudError::new(ErrorKind::Denied, "cloudwatch:GetMetricData", "no"));
    let all: Figures = Measure::ALL.iter().map(|measure| (*measure, denied())).collect();
    assert!(of_metrics(&fixtures::server("time", 2), &all, at(0)).is_empty());
}

fn alarm(name: &str, state: AlarmState) -> Alarm {
    Alarm {
        name: name.into(),
        description: "The server answers with errors".into(),
        state,
        reason: "Threshold Crossed: 12.0 > 10.0".into(),
        since: Some(at(-300)),
        metric: "HTTPCode_Target_5XX_Count".into(),
        dimensions: BTreeMap::new(),
    }
}

fn measured() -> Measured {
    let wave = |most: f64| {
        let value = |minute: i64| most * (0.5 + 0.5 * ((minute % 20) as f64 / 20.0));
        Read::Known(Series { points: (1..60).rev().map(|minute| (at(-60 * minute), value(minute))).collect() })
    };
    let denied = CloudError::new(ErrorKind::Denied, "cloudwatch:GetMetricData", "not allowed");
    let time: Figures = [
        (Measure::Requests, wave(240.0)),
        (Measure::Errors, Read::Known(Series::default())),
        (Measure::P95, wave(0.34)),
        (Measure::Cpu, wave(62.0)),
        (Measure::Memory, wave(71.0)),
        (Measure::BalancerErrors, Read::Known(Series::default())),
        (Measure::ToolErrors, Read::NotRead(denied)),
        (Measure::LogBytes, wave(2.4e6)),
    ]
    .into();
    let alarms = vec![
        alarm("quarterdeck-prod-time-5xx", AlarmState::Alarm),
        alarm("quarterdeck-prod-time-unhealthy", AlarmState::Ok),
        alarm("quarterdeck-prod-platform-5xx", AlarmState::InsufficientData),
    ];
    let flat = |value: f64| Series { points: (1..60).rev().map(|minute| (at(-60 * minute), value)).collect() };
    let by_tool = |all: &[(&str, f64)]| {
        Read::Known(all.iter().map(|(tool, value)| ((*tool).to_owned(), flat(*value))).collect::<BTreeMap<_, _>>())
    };
    let tools: Tools = [
        (
            OfTool::Calls,
            by_tool(&[
                ("get_current_time", 120.0),
                ("convert_time", 30.0),
                ("none", 8.0),
                ("other", 1.0),
                ("add", 2.0),
            ]),
        ),
        (OfTool::Errors, by_tool(&[("convert_time", 3.0)])),
        (OfTool::P95, by_tool(&[("get_current_time", 34.0), ("convert_time", 1_240.0), ("none", 2.0)])),
    ]
    .into();
    let of = OfServer { figures: time, tools };
    let names = ["time", "weather"].map(|name| (name.to_owned(), of.clone()));
    Measured {
        alarms: Read::Known(alarms),
        servers: names.into(),
        firewall: Read::Known(Blocked::new()),
        edge: Read::Known(Edge::new()),
        behind: Read::Known(Series::default()),
        asked: 21,
    }
}

fn console(size: (u16, u16)) -> Console {
    let mut console = Console::with(World { measured: Some(Ok(measured())), ..fixtures::world() });
    console.model.size = size;
    console
}

#[test]
fn an_alarm_that_is_raised_is_a_finding_of_its_server() {
    let all = measured();
    let found = of_alarms(&all.alarms_of("prod", Some("time")));
    assert_eq!(found.iter().map(|one| (one.id, one.at)).collect::<Vec<_>>(), [(Id::Alarm, Some(at(-300)))]);
    assert!(of_alarms(&all.alarms_of("prod", Some("weather"))).is_empty());
    let console = console((120, 40));
    let rows = fleet::view(&console.model).rows;
    let time = rows.iter().find(|row| row.key == "time").unwrap();
    assert!(time.cells.iter().any(|cell| cell.text.contains("alarm quarterdeck-prod-time-5xx")), "{time:?}");
}

/// Only the selected server is measured: what another one showed stands, with its age, until that is older than an hour.
#[test]
fn what_was_measured_of_a_server_off_the_screen_stands_with_its_age() {
    let of = |server: &str, memory: f64| {
        let of = OfServer { figures: figures(&[(Measure::Memory, 60.0, memory)]), tools: Tools::new() };
        Measured {
            alarms: Read::Known(Vec::new()),
            servers: [(server.to_owned(), of)].into(),
            firewall: Read::Known(Blocked::new()),
            edge: Read::Known(Edge::new()),
            behind: Read::Known(Series::default()),
            asked: 1,
        }
    };
    let mut console = Console::with(World { measured: Some(Ok(of("time", 95.0))), ..fixtures::world() });
    let row = |console: &Console| {
        let rows = fleet::view(&console.model).rows;
        let time = rows.iter().find(|row| row.key == "time").unwrap();
        time.cells.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>().join(" ")
    };
    console.world.measured = Some(Ok(of("weather", 50.0)));
    for minute in [2, 20, 59] {
        console.tick(minute * 60);
        let told = row(&console);
        assert!(told.contains("a task uses 95 % of its memory"), "after {minute} minutes: {told}");
        assert_eq!(told.contains(", as read "), minute > 3, "after {minute} minutes: {told}");
    }
    console.tick(3_700);
    assert!(!row(&console).contains("95 %"), "{}", row(&console));
}

#[test]
fn only_the_selected_server_is_measured_and_not_more_often_than_its_points_come() {
    use quarterdeck::console::effect::Effect;
    use quarterdeck::console::screens::Fetch;
    let mut console = Console::silent(fixtures::context());
    console.world = World { measured: Some(Ok(measured())), ..fixtures::world() };
    console.answers = true;
    console.tick(0);
    assert!(fleet::figures(&console.model, "time").is_some());
    console.answers = false;
    let asks = |effects: Vec<Effect>| {
        let of = |effect| match effect {
            Effect::Fetch(Fetch::Measured(servers), _) => Some(servers),
            _ => None,
        };
        effects.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(asks(console.tick(59)), [[""; 0]; 0]);
    assert_eq!(asks(console.tick(61)), [["time"]]);
}

#[test]
fn the_sum_of_nothing_is_zero() {
    let series = Series { points: vec![(at(-7_200), 3.0)] };
    assert_eq!(format!("{:.0}", series.sum_since(at(-60))), "0");
}

#[test]
fn charts_and_alarms_fill_what_is_empty_of_fleet() {
    for size in ALL {
        insta::assert_snapshot!(format!("metrics-fleet@{}x{}", size.0, size.1), body(&console(*size), *size));
    }
}
