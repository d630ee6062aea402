//! CloudWatch: the figures of the last hours and the alarms of the environment, where a test says that there are some. A day
//! like any other, but for what the test has changed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::scripted::{Reply, Request};
use super::{ENVIRONMENT, State, elb};

/// The load balancer as CloudWatch names it.
const BALANCER: &str = "app/quarterdeck-prod/0123456789abcdef";

/// What CloudWatch has counted.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    changes: Vec<Change>,
    /// Alarms that are raised, by their names: since when, and why.
    raised: BTreeMap<String, (Timestamp, &'static str)>,
}

/// A metric that is another one since a time.
#[derive(Debug, Clone)]
struct Change {
    metric: &'static str,
    /// The server, or `None` for what is of no server alone.
    server: Option<&'static str>,
    value: f64,
    since: Timestamp,
}

impl Figures {
    /// For so many minutes a metric of a server has been like this; of none, the load balancer's or the edge's.
    pub fn change(&mut self, server: Option<&'static str>, metric: &'static str, value: f64, minutes: i64) {
        let since = Timestamp::now() - SignedDuration::from_mins(minutes);
        self.changes.push(Change { metric, server, value, since });
    }

    /// An alarm of a part of the environment was raised so many minutes ago.
    pub fn raise(&mut self, alarm: &str, minutes: i64, why: &'static str) {
        let since = Timestamp::now() - SignedDuration::from_mins(minutes);
        self.raised.insert(format!("quarterdeck-{ENVIRONMENT}-{alarm}"), (since, why));
    }

    /// How many requests a server gets in the minute of a time, in seconds, and how many seconds most answers take at most.
    pub fn requests(&self, server: &str, at: i64) -> (f64, f64) {
        let of = |metric| self.value(Some(server), metric, at).unwrap_or_default();
        (of("RequestCount"), of("TargetResponseTime"))
    }

    /// The tools of a server, each with its part of the calls.
    pub fn tools(server: &str) -> &'static [(&'static str, f64)] {
        match server {
            "weather" => &[("get_forecast", 0.6), ("get_alerts", 0.4)],
            _ => &[("get_current_time", 0.7), ("convert_time", 0.3)],
        }
    }

    /// The value of a minute; `None` where nothing happened.
    fn value(&self, server: Option<&str>, metric: &str, at: i64) -> Option<f64> {
        let changed = |one: &&Change| one.metric == metric && one.server == server && one.since.as_second() <= at;
        let usual = match metric {
            // gangway counts what the load balancer brings.
            "Requests" if server.is_some() => return self.value(server, "RequestCount", at),
            "Latency" => return self.value(server, "TargetResponseTime", at).map(|seconds| seconds * 930.0),
            "RequestCount" => 64.0,
            "Requests" => 130.0,
            "HTTPCode_Target_4XX_Count" => 2.0,
            "TargetResponseTime" => 0.045,
            "CPUUtilization" => 24.0,
            "MemoryUtilization" => 41.0,
            "4xxErrorRate" => 1.1,
            "5xxErrorRate" => 0.0,
            _ => return self.changes.iter().find(changed).map(|one| self.waved(one.value, metric, at)),
        };
        let level = self.changes.iter().find(changed).map_or(usual, |one| one.value);
        Some(self.waved(level, metric, at))
    }

    /// No minute is as the one before.
    fn waved(&self, level: f64, metric: &str, at: i64) -> f64 {
        let minute = (at / 60) as f64 + metric.len() as f64;
        let percent = metric.ends_with("Utilization");
        let sway = if percent { 0.05 } else { 0.16 };
        let value = level * (1.0 + sway * ((minute * 0.29).sin() + 0.7 * (minute * 2.3).sin()));
        match metric {
            _ if percent => value.min(99.6),
            metric if metric.contains("Count") || metric == "Requests" => value.round(),
            _ => value,
        }
    }

    /// The points of a series, of so many seconds each, from one time until another.
    fn points(&self, server: Option<&str>, metric: &str, period: i64, (from, until): (i64, i64), part: f64) -> Value {
        let first = from.div_euclid(period) * period;
        let times = (first..).step_by(usize::try_from(period).unwrap_or(60)).take_while(|at| at + period <= until);
        let counts = metric.contains("Count") || matches!(metric, "Requests" | "Errors");
        let times_that_long = if counts { period as f64 / 60.0 * part } else { 1.0 };
        let points = times.filter_map(|at| Some((at, self.value(server, metric, at)? * times_that_long)));
        let (times, values): (Vec<Value>, Vec<f64>) = points.map(|(at, value)| (json!({ "@time": at }), value)).unzip();
        json!({ "Timestamps": times, "Values": values, "StatusCode": "Complete" })
    }
}

/// What stands in an expression between `NAME="` and the next quote.
fn named<'a>(expression: &'a str, name: &str) -> Option<&'a str> {
    expression.split_once(&format!("{name}=\""))?.1.split('"').next()
}

impl State {
    pub(super) fn figures_call(&self, request: &Request) -> Option<Reply> {
        let asked = request.cbor.clone().unwrap_or_default();
        let figures = self.figures.as_ref();
        Some(match (request.call.as_str(), figures) {
            ("DescribeAlarms", None) => Reply::Cbor(200, json!({ "MetricAlarms": [] })),
            ("DescribeAlarms", Some(figures)) => Reply::Cbor(200, json!({ "MetricAlarms": self.alarms(figures) })),
            ("GetMetricData", None) => Reply::Cbor(200, json!({ "MetricDataResults": [] })),
            ("GetMetricData", Some(figures)) => {
                let second = |key: &str| asked[key].as_f64().unwrap_or_default() as i64;
                let span = (second("StartTime"), second("EndTime"));
                let queries = asked["MetricDataQueries"].as_array().into_iter().flatten();
                let results: Vec<Value> = queries.flat_map(|query| answers(figures, query, span)).collect();
                Reply::Cbor(200, json!({ "MetricDataResults": results }))
            }
            ("DescribeAlarmHistory", Some(figures)) => {
                let name = asked["AlarmName"].as_str().unwrap_or_default();
                let change = |(at, why): &(Timestamp, &str)| {
                    let data = json!({ "oldState": { "stateValue": "OK" },
                        "newState": { "stateValue": "ALARM", "stateReason": why } });
                    json!({ "AlarmName": name, "Timestamp": { "@time": at.as_second() }, "HistoryData": data.to_string(),
                        "HistoryItemType": "StateUpdate" })
                };
                let changes: Vec<Value> = figures.raised.get(name).iter().map(|raised| change(raised)).collect();
                Reply::Cbor(200, json!({ "AlarmHistoryItems": changes }))
            }
            _ => return None,
        })
    }

    /// The alarms that the templates make.
    fn alarms(&self, figures: &Figures) -> Vec<Value> {
        let began = Timestamp::now() - SignedDuration::from_hours(90);
        let alarm = |part: &str, kind: &str, metric: &str, what: &str, group: Option<&str>| {
            let name = format!("quarterdeck-{ENVIRONMENT}-{part}-{kind}");
            let raised = figures.raised.get(&name);
            let dimension = |name: &str, value: &str| json!({ "Name": name, "Value": value });
            let group = group.map(|name| dimension("TargetGroup", &elb::named(name)));
            let dimensions: Vec<Value> = [dimension("LoadBalancer", BALANCER)].into_iter().chain(group).collect();
            json!({ "AlarmName": name, "AlarmDescription": what, "MetricName": metric, "Dimensions": dimensions,
                "StateValue": if raised.is_some() { "ALARM" } else { "OK" },
                "StateReason": raised.map_or("Threshold Not Crossed: no datapoints were received", |(_, why)| why),
                "StateTransitionedTimestamp": { "@time": raised.map_or(began, |(at, _)| *at).as_second() } })
        };
        let balancer = "The load balancer itself answers with errors - no healthy server, or a broken target";
        let mut all = vec![alarm("platform", "5xx", "HTTPCode_ELB_5XX_Count", balancer, None)];
        for (name, service) in &self.services {
            let group = service.kind.groups.first().copied();
            let errors = "The server answers with errors; a deployment that causes it is rolled back";
            all.push(alarm(name, "5xx", "HTTPCode_Target_5XX_Count", errors, group));
            let sick = "The load balancer finds tasks of the server unhealthy";
            all.push(alarm(name, "unhealthy", "UnHealthyHostCount", sick, group));
        }
        all
    }
}

/// What a query brings: one series, or one for each tool that a search finds.
fn answers(figures: &Figures, query: &Value, span: (i64, i64)) -> Vec<Value> {
    let series = |label: String, points: Value| {
        let mut points = points;
        (points["Id"], points["Label"]) = (query["Id"].clone(), label.into());
        points
    };
    if let Some(search) = query["Expression"].as_str() {
        let (Some(metric), Some(server)) = (named(search, "MetricName"), named(search, "server")) else {
            return Vec::new();
        };
        let of_tool = |(tool, part): &(&str, f64)| {
            let points = figures.points(Some(server), metric, 60, span, *part);
            series(format!("{ENVIRONMENT}/{server}/{tool}"), points)
        };
        return Figures::tools(server).iter().map(of_tool).collect();
    }
    let stat = &query["MetricStat"];
    let dimensions = stat["Metric"]["Dimensions"].as_array().cloned().unwrap_or_default();
    let dimension =
        |name: &str| dimensions.iter().find(|one| one["Name"] == name).and_then(|one| one["Value"].as_str());
    let group = dimension("TargetGroup").and_then(|group| group.split('/').nth(1));
    let server = dimension("ServiceName").or(dimension("server")).or(group);
    let metric = stat["Metric"]["MetricName"].as_str().unwrap_or_default();
    let period = stat["Period"].as_i64().unwrap_or(60);
    vec![series(metric.to_owned(), figures.points(server, metric, period, span, 1.0))]
}
