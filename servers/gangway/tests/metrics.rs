//! The lines from which CloudWatch makes metrics.
#![allow(clippy::unwrap_used, clippy::panic)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;

use std::time::Duration;

use clock::{Clock, start, start_with};
use serde_json::{Value, json};
use support::issuer::{Issuer, token};
use support::server::{Running, until};
use support::{call, list, machine_claims};

/// Stops the server, and returns its lines of metrics.
async fn stop(server: Running<Clock>) -> Vec<Value> {
    server.stop.send(()).unwrap();
    server.served.await.unwrap().unwrap();
    server.log.events("metrics")
}

async fn send(server: &Running<Clock>, message: &Value) {
    server.post_authorized(message).send().await.unwrap().text().await.unwrap();
}

fn of<'a>(lines: &'a [Value], tool: &str) -> &'a Value {
    let mut found = lines.iter().filter(|line| line["tool"] == tool);
    let line = found.next().unwrap_or_else(|| panic!("no line of {tool}: {lines:?}"));
    assert!(found.next().is_none(), "two lines of {tool}");
    line
}

/// The rules of AWS's "Specification: Embedded metric format", which are its JSON
/// schema and the sentences beside it.
fn check_embedded_metric_format(line: &Value) {
    let text = |value: &Value, longest: usize| {
        let text = value.as_str().unwrap_or_else(|| panic!("not a text: {value}"));
        assert!((1..=longest).contains(&text.len()) && text.is_ascii(), "{text:?}");
        text.to_owned()
    };
    let root = line.as_object().unwrap();
    let metadata = root["_aws"].as_object().unwrap();
    let since_1970 = metadata["Timestamp"].as_i64().unwrap();
    assert!((since_1970 - support::now() * 1000).abs() < 3_600_000, "in milliseconds: {since_1970}");
    assert_eq!(metadata.len(), 2, "no other members: {metadata:?}");
    let directives = metadata["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    for directive in directives {
        assert_eq!(directive.as_object().unwrap().len(), 3, "no other members: {directive}");
        text(&directive["Namespace"], 256);
        let sets = directive["Dimensions"].as_array().unwrap();
        assert!(!sets.is_empty());
        for set in sets {
            let set = set.as_array().unwrap();
            assert!(set.len() <= 30);
            for name in set {
                // A dimension is a reference to a text in the root.
                text(&root[&text(name, 250)], 1024);
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()), "{metric}");
            match &root[&text(&metric["Name"], 1024)] {
                Value::Number(_) => {}
                Value::Array(values) => {
                    assert!((1..=100).contains(&values.len()), "{metric}: {} values", values.len());
                    assert!(values.iter().all(Value::is_number), "{metric}: {values:?}");
                }
                other => panic!("{metric}: {other}"),
            }
        }
    }
}

#[tokio::test]
async fn a_line_for_each_tool_sums_up_its_requests() {
    let server = start().await;
    for message in [call("tick"), call("tick"), call("fail"), call("wind"), list()] {
        send(&server, &message).await;
    }
    let lines = stop(server).await;
    lines.iter().for_each(check_embedded_metric_format);
    let figures = |tool| {
        let line = of(&lines, tool);
        let latencies = line["Latency"].as_array().unwrap();
        assert!(latencies.iter().all(|latency| (0.001..60_000.0).contains(&latency.as_f64().unwrap())), "{line}");
        (line["Requests"].as_u64().unwrap(), line["Errors"].as_u64().unwrap(), latencies.len())
    };
    assert_eq!(figures("tick"), (2, 0, 2));
    assert_eq!(figures("fail"), (1, 1, 1));
    // Refused for its scope: the caller's error, not the server's.
    assert_eq!(figures("wind"), (1, 0, 1));
    assert_eq!(figures("none"), (1, 0, 1));
    assert_eq!(lines.len(), 4);

    let line = of(&lines, "tick");
    assert_eq!((&line["event"], &line["level"], &line["server"]), (&json!("metrics"), &json!("info"), &json!("clock")));
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], "quarterdeck");
    assert_eq!(directive["Dimensions"], json!([["server", "tool"], ["server"]]));
    let units: Vec<_> = directive["Metrics"].as_array().unwrap().iter().map(|metric| &metric["Unit"]).collect();
    assert_eq!(units, ["Count", "Count", "Milliseconds"]);
}

#[tokio::test]
async fn servers_of_the_same_name_are_told_apart_by_their_environment() {
    let server = start_with(Issuer::start().await, |config| config.environment = Some("prod".into())).await;
    send(&server, &call("tick")).await;
    let lines = stop(server).await;
    lines.iter().for_each(check_embedded_metric_format);
    let line = of(&lines, "tick");
    assert_eq!(line["environment"], "prod");
    let dimensions = &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
    assert_eq!(*dimensions, json!([["environment", "server", "tool"], ["environment", "server"]]));
}

#[tokio::test]
async fn callers_cannot_make_up_metrics() {
    let server = start().await;
    let good = token(0, &machine_claims());
    for n in 0..50 {
        send(&server, &call(&format!("made-up-{n}"))).await;
    }
    for name in ["", "none ", "tick\n", "TICK", good.as_str()] {
        send(&server, &call(name)).await;
    }
    server.post(&call("tick")).send().await.unwrap();
    let lines = stop(server).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(of(&lines, "other")["Requests"], 55);
    // Without a token nobody looks which tool it is.
    assert_eq!(of(&lines, "none")["Requests"], 1);
}

#[tokio::test]
async fn many_requests_are_still_one_line() {
    let server = start().await;
    for _ in 0..130 {
        send(&server, &call("tick")).await;
    }
    let lines = stop(server).await;
    lines.iter().for_each(check_embedded_metric_format);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["Requests"], lines[0]["Latency"].as_array().unwrap().len()), (&json!(130), 100));
}

#[tokio::test]
async fn lines_are_written_in_time_and_begin_anew() {
    let often = |config: &mut gangway::Config| config.limits.metrics_interval = Duration::from_millis(20);
    let server = start_with(Issuer::start().await, often).await;
    for total in [1, 2] {
        send(&server, &call("tick")).await;
        until(|| server.log.events("metrics").len() == total).await;
    }
    let lines = stop(server).await;
    assert_eq!(lines.iter().map(|line| &line["Requests"]).collect::<Vec<_>>(), [1, 1], "and no line of nothing");
}

#[tokio::test]
async fn metrics_can_be_off() {
    let server = start_with(Issuer::start().await, |config| config.metrics = false).await;
    send(&server, &call("tick")).await;
    assert_eq!(server.log.events("request").len(), 1);
    assert!(stop(server).await.is_empty());
}
