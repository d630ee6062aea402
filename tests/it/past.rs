//! The past that the Timeline reads beside the fleet: once, and then only what came since; and alarms.

use std::sync::{Arc, Mutex};

use crate::causes::session_at;
use crate::support::scripted::{Reply, Request, Scripted};
use quarterdeck::core::timeline::{History, Kind, Moment, Span, Stretch};
use quarterdeck::run::history::{self, Past};
use quarterdeck::run::{Session, tail::Budget};
use rstest::rstest;
use serde_json::{Value, json};

const GROUP: &str = "/aws/events/ecs/containerinsights/quarterdeck-prod/performance";

/// An account whose stacks are none, with an event log and alarms that a test changes.
#[derive(Default)]
struct Account {
    /// Events of the log: milliseconds before now and id; `None` where there is no log.
    events: Option<Vec<(i64, &'static str)>>,
    /// Calls of FilterLogEvents that are throttled first.
    throttles: u32,
    /// Alarms: name, state, and how many seconds ago it changed.
    alarms: Vec<(&'static str, &'static str, i64)>,
    /// Activities of autoscaling, by how many seconds ago, the newest first; `None` where the call is not known.
    scaled: Option<Vec<Activity>>,
    /// Points of CloudWatch: metric, how many minutes ago, value.
    points: Vec<(&'static str, i64, f64)>,
    denied: &'static str,
}

/// How many seconds ago, the service, and why it left the count as it was.
type Activity = (i64, &'static str, Option<&'static str>);

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn stopped(ago: i64, id: &str) -> Value {
    let when = jiff::Timestamp::from_millisecond(now() - ago).unwrap().to_string();
    let event = json!({
        "id": id, "source": "aws.ecs", "time": when,
        "detail": { "taskArn": format!("arn:aws:ecs:eu-west-1:1:task/quarterdeck-prod/{id}"), "group": "service:time",
            "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stoppedAt": when, "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited" },
    });
    json!({ "timestamp": now() - ago, "ingestionTime": now(), "logStreamName": "s", "message": event.to_string() })
}

/// An activity as AWS tells it (Application Auto Scaling user guide, "Scaling activities").
fn activity((ago, service, why): &Activity) -> Value {
    let mut one = json!({
        "ActivityId": format!("{service}-{ago}"), "ServiceNamespace": "ecs", "ResourceId": format!("service/{service}"),
        "ScalableDimension": "ecs:service:DesiredCount", "Description": "Setting desired count to 3.",
        "Cause": "monitor alarm cpu\u{1b}[31m in state ALARM triggered policy cpu", "StartTime": now() / 1_000 - ago,
        "StatusCode": "Successful", "StatusMessage": "Successfully set desired count to 3. Change successfully fulfilled by ecs.",
    });
    if let Some(why) = why {
        one["StatusCode"] = json!("Failed");
        one["NotScaledReasons"] = json!([{ "Code": why, "MaxCapacity": 4, "CurrentCapacity": 4 }]);
    }
    one
}

impl Account {
    fn answer(&mut self, request: &Request) -> Reply {
        match request.call.as_str() {
            call if call == self.denied => Reply::error(400, "AccessDeniedException", "not for you"),
            "DescribeStacks" => {
                Reply::Answer(200, "<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>".into())
            }
            "FilterLogEvents" if self.throttles > 0 => {
                self.throttles -= 1;
                Reply::error(400, "ThrottlingException", "Rate exceeded")
            }
            "FilterLogEvents" => self.page(request),
            "DescribeAlarms" => {
                let alarm = |(name, state, ago): &(&str, &str, i64)| {
                    json!({ "AlarmName": name, "StateValue": state, "Dimensions": [
                        { "Name": "LoadBalancer", "Value": "app/prod/1" }, { "Name": "TargetGroup", "Value": "targetgroup/t/1" }],
                        "StateTransitionedTimestamp": { "@time": now() / 1_000 - ago } })
                };
                Reply::Cbor(200, json!({ "MetricAlarms": self.alarms.iter().map(alarm).collect::<Vec<_>>() }))
            }
            "DescribeAlarmHistory" => {
                let data = json!({ "version": "1.0", "oldState": { "stateValue": "OK" },
                    "newState": { "stateValue": "ALARM", "stateReason": "Threshold Crossed: \u{1b}[31m3 datapoints" } });
                Reply::Cbor(
                    200,
                    json!({ "AlarmHistoryItems": [{ "HistoryItemType": "StateUpdate",
                    "Timestamp": { "@time": now() / 1_000 - 600 }, "HistoryData": data.to_string() }] }),
                )
            }
            "DescribeScalingActivities" if self.scaled.is_some() => self.activities(request),
            "GetMetricData" => self.figures(request),
            _ => Reply::error(400, "UnknownOperationException", "not in the script"),
        }
    }

    /// Fifty to a page, as AWS has it.
    fn activities(&self, request: &Request) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["ServiceNamespace"], "ecs");
        let resource = body["ResourceId"].as_str();
        // A dimension without a resource is refused (API reference, DescribeScalingActivities).
        assert_eq!(body["ScalableDimension"].is_string(), resource.is_some());
        let unscaled = body["IncludeNotScaledActivities"] == true;
        let wanted = |(_, service, why): &&Activity| {
            resource.is_none_or(|id| id == format!("service/{service}")) && (unscaled || why.is_none())
        };
        let all: Vec<Value> = self.scaled.iter().flatten().filter(wanted).map(activity).collect();
        let start: usize = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let mut answer = json!({ "ScalingActivities": all.iter().skip(start).take(50).collect::<Vec<_>>() });
        if all.len() > start + 50 {
            answer["NextToken"] = json!((start + 50).to_string());
        }
        Reply::json(200, answer)
    }

    /// Each query by its metric, in points of what it asks for.
    fn figures(&self, request: &Request) -> Reply {
        let metrics = ["Requests", "Errors", "RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_Target_4XX_Count"];
        // The body is CBOR, in which a name stands some bytes before its value.
        let named = |rest: &str| {
            let values = (0..4).map(|skipped| rest.chars().skip(skipped).take(40).collect::<String>());
            let mut known = values.filter_map(|value| metrics.iter().find(|metric| value.starts_with(**metric)));
            known.next().copied().unwrap()
        };
        let asked: Vec<&str> = request.body.split("MetricName").skip(1).map(named).collect();
        let result = |(index, metric): (usize, &&str)| {
            let of = self.points.iter().filter(|(name, _, _)| name == metric);
            let minute = now() / 60_000 * 60;
            let (times, values): (Vec<Value>, Vec<f64>) =
                of.map(|(_, ago, value)| (json!({ "@time": minute - ago * 60 }), *value)).unzip();
            json!({ "Id": format!("s{index}"), "StatusCode": "Complete", "Timestamps": times, "Values": values })
        };
        Reply::Cbor(200, json!({ "MetricDataResults": asked.iter().enumerate().map(result).collect::<Vec<_>>() }))
    }

    /// Two events to a page, the oldest first, from the time that is asked for on.
    fn page(&self, request: &Request) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["logGroupName"], GROUP);
        let Some(events) = &self.events else {
            return Reply::error(400, "ResourceNotFoundException", "The specified log group does not exist.");
        };
        let (from, until) = (body["startTime"].as_i64().unwrap(), body["endTime"].as_i64().unwrap_or(i64::MAX));
        let mut all: Vec<Value> = events.iter().map(|(ago, id)| stopped(*ago, id)).collect();
        all.retain(|event| (from..=until).contains(&event["timestamp"].as_i64().unwrap()));
        all.sort_by_key(|event| event["timestamp"].as_i64());
        let start: usize = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let mut answer = json!({ "events": all.iter().skip(start).take(2).collect::<Vec<_>>() });
        if all.len() > start + 2 {
            answer["nextToken"] = json!((start + 2).to_string());
        }
        Reply::json(200, answer)
    }
}

/// A console at an account, and what it has read so far.
struct Desk {
    server: Scripted,
    account: Arc<Mutex<Account>>,
    session: Session,
    past: Past,
    _home: tempfile::TempDir,
}

impl Desk {
    async fn at(account: Account) -> Self {
        let account = Arc::new(Mutex::new(account));
        let home = tempfile::tempdir().unwrap();
        let shared = account.clone();
        let server = Scripted::start(move |request| shared.lock().unwrap().answer(request)).await;
        let session = session_at(&server.url, home.path()).await;
        Self { server, account, session, past: Past::new(Budget::of(1_000.0)), _home: home }
    }

    async fn read(&self, span: Span) -> History {
        self.read_of(span, None).await
    }

    async fn read_of(&self, span: Span, server: Option<&str>) -> History {
        let stretch = Stretch { span, server: server.map(str::to_owned) };
        history::read(&self.session, &self.past, &stretch).await.unwrap()
    }

    fn events(&self) -> usize {
        self.server.count("FilterLogEvents")
    }
}

fn tasks(history: &History) -> Vec<String> {
    history.captured.as_ref().unwrap().stopped.iter().map(|task| task.id().to_owned()).collect()
}

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn the_event_log_is_read_once_and_then_only_what_came_since() {
    let events = vec![(9 * HOUR, "a"), (8 * HOUR, "b"), (7 * HOUR, "c"), (6 * HOUR, "d"), (5 * HOUR, "e")];
    let desk = Desk::at(Account { events: Some(events), ..Account::default() }).await;
    assert_eq!(tasks(&desk.read(Span::Day).await), ["a", "b", "c", "d", "e"]);
    assert_eq!(desk.events(), 3, "three pages");
    // One comes a minute late, one is new, and one that is known is delivered once more.
    desk.account.lock().unwrap().events.as_mut().unwrap().extend([(60_000, "f"), (1_000, "g"), (1_000, "g")]);
    assert_eq!(tasks(&desk.read(Span::Day).await), ["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(desk.events(), 3 + 2, "two pages: the new ones");
    desk.account.lock().unwrap().events.as_mut().unwrap().truncate(5);
    for _ in 0..3 {
        assert_eq!(tasks(&desk.read(Span::Hour).await), ["f", "g"], "a shorter time is known");
    }
    assert_eq!(desk.events(), 5 + 3, "a call each time");
    assert_eq!(tasks(&desk.read(Span::Week).await).len(), 7);
    assert_eq!(desk.events(), 8 + 2, "only the older part, and what is new");
}

#[tokio::test]
async fn a_cluster_without_an_event_log_says_so() {
    let desk = Desk::at(Account::default()).await;
    let history = desk.read(Span::Day).await;
    assert_eq!((&history.captured, history.gaps.len()), (&None, 0));
    let why = history.not_captured.unwrap();
    assert!(why.contains(&format!("there is no log group {GROUP}")), "{why}");
}

#[rstest]
#[case::for_a_moment(2, true)]
#[case::for_long(50, false)]
#[tokio::test]
async fn a_log_that_is_throttled_is_asked_again_and_then_told(#[case] throttles: u32, #[case] read: bool) {
    let desk = Desk::at(Account { events: Some(vec![(HOUR, "a")]), throttles, ..Account::default() }).await;
    let history = desk.read(Span::Day).await;
    assert_eq!(history.captured.is_some(), read, "{history:?}");
    assert_eq!(history.gaps.iter().any(|gap| gap.contains("the event log of the cluster")), !read, "{history:?}");
}

fn alarms(history: &History) -> Vec<&Moment> {
    history.moments.iter().filter(|moment| moment.kind == Kind::Alarm).collect()
}

#[tokio::test]
async fn alarms_that_changed_are_told_and_asked_for_again_only_when_they_change() {
    let quiet = ("quarterdeck-prod-weather-5xx", "OK", 3 * 86_400);
    let desk = Desk::at(Account {
        events: Some(Vec::new()),
        alarms: vec![("quarterdeck-prod-time-5xx", "ALARM", 600), quiet],
        ..Account::default()
    })
    .await;
    let history = desk.read(Span::Day).await;
    let [moment] = alarms(&history)[..] else { panic!("{history:?}") };
    let told = "alarm 5xx went from OK to ALARM: Threshold Crossed: 3 datapoints";
    assert_eq!((moment.subject.as_str(), moment.bad, moment.what.as_str()), ("time", true, told));
    let calls = || (desk.server.count("DescribeAlarms"), desk.server.count("DescribeAlarmHistory"));
    assert_eq!(calls(), (1, 1), "of the one that has not changed in this time nothing is read");
    // The clock of the account is this machine's, so its last change is the same for a second at least.
    let before = desk.account.lock().unwrap().alarms[0].2;
    desk.account.lock().unwrap().alarms[0].2 = before - 300;
    assert_eq!(alarms(&desk.read(Span::Day).await).len(), 1);
    assert_eq!(calls(), (2, 2), "it has changed again");
}

#[rstest]
#[case::the_list("DescribeAlarms", "alarms: cloudwatch:DescribeAlarms")]
#[case::the_history("DescribeAlarmHistory", "the history of alarms: cloudwatch:DescribeAlarmHistory")]
#[tokio::test]
async fn alarms_that_may_not_be_read_are_a_gap_and_the_rest_is_told(#[case] denied: &'static str, #[case] gap: &str) {
    let alarms = vec![("quarterdeck-prod-time-5xx", "ALARM", 600), ("quarterdeck-prod-time-unhealthy", "OK", 500)];
    let desk = Desk::at(Account { events: Some(vec![(HOUR, "a")]), alarms, denied, ..Account::default() }).await;
    let history = desk.read(Span::Day).await;
    assert_eq!(history.gaps.len(), 1, "it is told once: {:?}", history.gaps);
    assert!(history.gaps[0].starts_with(gap), "{:?}", history.gaps);
    assert_eq!(tasks(&history), ["a"]);
    assert!(desk.server.count("DescribeAlarmHistory") <= 1, "the others would be denied, too");
}

fn scaling(history: &History) -> Vec<(&str, bool, &str)> {
    let all = history.moments.iter().filter(|moment| moment.kind == Kind::Scaling);
    all.map(|moment| (moment.subject.as_str(), moment.bad, moment.what.as_str())).collect()
}

const SET: &str = "Setting desired count to 3: monitor alarm cpu in state ALARM triggered policy cpu";

#[tokio::test]
async fn what_autoscaling_did_is_told_of_this_cluster_and_read_on_from_what_is_known() {
    let scaled = vec![
        (60, "quarterdeck-prod/time", None),
        (120, "other/time", None),
        (180, "quarterdeck-prod/weather", Some("AlreadyAtMaxCapacity")),
        (3 * 86_400, "quarterdeck-prod/time", None),
    ];
    let desk = Desk::at(Account { events: Some(Vec::new()), scaled: Some(scaled), ..Account::default() }).await;
    let history = desk.read(Span::Day).await;
    let most = "would scale out, and is at its maximum of 4: monitor alarm cpu in state ALARM triggered policy cpu";
    assert_eq!(scaling(&history), [("time", false, SET), ("weather", true, most)]);
    assert_eq!((&history.gaps, desk.server.count("DescribeScalingActivities")), (&Vec::new(), 1));
    // AWS has forgotten what was read before; it is known still.
    desk.account.lock().unwrap().scaled = Some(vec![(1, "quarterdeck-prod/time", None)]);
    assert_eq!(scaling(&desk.read(Span::Day).await).len(), 3);
    assert_eq!(scaling(&desk.read_of(Span::Day, Some("weather")).await), [], "it is asked for alone");
    let asked: Vec<Value> = desk
        .server
        .requests("DescribeScalingActivities")
        .iter()
        .map(|one| serde_json::from_str(&one.body).unwrap())
        .collect();
    assert_eq!(asked[2]["ResourceId"], "service/quarterdeck-prod/weather");
}

/// Of a long list the pages are read that reach into the time that is asked for.
#[tokio::test]
async fn a_list_whose_newest_come_first_is_left_where_the_time_begins() {
    let scaled = (0..2_000).map(|index| (index * 3_600 + 1_800, "quarterdeck-prod/time", None)).collect();
    let desk = Desk::at(Account { events: Some(Vec::new()), scaled: Some(scaled), ..Account::default() }).await;
    assert_eq!(scaling(&desk.read(Span::Day).await).len(), 24);
    assert_eq!(desk.server.count("DescribeScalingActivities"), 1);
    let history = desk.read(Span::Week).await;
    assert_eq!((scaling(&history).len(), history.gaps.len()), (7 * 24, 0));
    assert_eq!(desk.server.count("DescribeScalingActivities"), 1 + 4);
}

/// AWS documents no order.
#[tokio::test]
async fn a_list_in_another_order_is_read_to_its_end() {
    let scaled = (0..120).rev().map(|index| (index * 3_600 + 1_800, "quarterdeck-prod/time", None)).collect();
    let desk = Desk::at(Account { events: Some(Vec::new()), scaled: Some(scaled), ..Account::default() }).await;
    assert_eq!(scaling(&desk.read(Span::Day).await).len(), 24);
    assert_eq!(desk.server.count("DescribeScalingActivities"), 3);
}

#[rstest]
#[case::what_it_did_not_do(Some("AlreadyAtMinCapacity"), 1, "some of what it did not do")]
#[case::what_it_did(None, 1_100, "some of what it did;")]
#[tokio::test]
async fn a_list_that_is_too_long_is_told_and_what_was_done_is_read(
    #[case] why: Option<&'static str>,
    #[case] done: usize,
    #[case] gap: &str,
) {
    let mut scaled: Vec<Activity> = (0..1_100).map(|index| (index, "quarterdeck-prod/time", why)).collect();
    scaled.push((2_000, "quarterdeck-prod/time", None));
    let desk = Desk::at(Account { events: Some(Vec::new()), scaled: Some(scaled), ..Account::default() }).await;
    let history = desk.read(Span::Day).await;
    assert_eq!(scaling(&history).len(), done.min(1_000), "{:?}", history.gaps);
    assert!(history.gaps.len() == 1 && history.gaps[0].contains(gap), "{:?}", history.gaps);
}

#[rstest]
#[case::denied("DescribeScalingActivities", Some("autoscaling: application-autoscaling:DescribeScalingActivities"))]
#[case::not_known("", None)]
#[tokio::test]
async fn autoscaling_that_may_not_be_read_is_a_gap_and_an_endpoint_without_it_says_nothing(
    #[case] denied: &'static str,
    #[case] gap: Option<&str>,
) {
    let desk = Desk::at(Account { events: Some(vec![(HOUR, "a")]), denied, ..Account::default() }).await;
    let history = desk.read(Span::Day).await;
    assert_eq!(history.gaps.len(), usize::from(gap.is_some()), "{:?}", history.gaps);
    assert!(gap.is_none_or(|gap| history.gaps[0].starts_with(gap)), "{:?}", history.gaps);
    assert_eq!(tasks(&history), ["a"]);
}

const TIME: &str = "quarterdeck-prod-time-5xx";

/// Bursts by CloudWatch alone, as the command line tells them.
fn bursts(history: &History) -> Vec<(Kind, String)> {
    let all = quarterdeck::core::timeline::bursts::bursts(
        history.counted.as_deref(),
        None,
        &str::to_owned,
        jiff::Timestamp::now(),
    );
    all.into_iter().map(|moment| (moment.kind, moment.what)).collect()
}

#[tokio::test]
async fn requests_are_counted_in_one_call_and_not_with_each_read() {
    let points = vec![
        ("Requests", 30, 100.0),
        ("Errors", 30, 50.0),
        ("RequestCount", 30, 130.0),
        ("HTTPCode_Target_4XX_Count", 30, 40.0),
    ];
    let alarms = vec![(TIME, "OK", 3 * 86_400)];
    let desk = Desk::at(Account { events: Some(Vec::new()), alarms, points, ..Account::default() }).await;
    for _ in 0..3 {
        let history = desk.read_of(Span::Hour, Some("time")).await;
        let expected = [
            (Kind::Errors, "50 of 100 requests failed, within 1m00s".to_owned()),
            (Kind::Refusals, "40 of 100 requests refused, within 1m00s".to_owned()),
        ];
        assert_eq!(bursts(&history), expected);
        assert_eq!(history.counted.as_ref().map(|counted| (counted.asked, counted.period)), Some((5, 60)));
    }
    assert_eq!(desk.server.count("GetMetricData"), 1);
    for (span, period) in [(Span::Day, 300), (Span::Week, 3_600)] {
        let history = desk.read_of(span, Some("time")).await;
        let counted = history.counted.unwrap();
        assert_eq!((counted.period, counted.from.as_second() % period), (period, 0));
    }
    assert_eq!(desk.server.count("GetMetricData"), 3, "another length has other points");
}

#[tokio::test]
async fn counts_that_may_not_be_read_are_a_gap_and_are_asked_for_again() {
    let alarms = vec![(TIME, "OK", 600)];
    let account = Account { events: Some(vec![(HOUR, "a")]), alarms, denied: "GetMetricData", ..Account::default() };
    let desk = Desk::at(account).await;
    let history = desk.read_of(Span::Day, Some("time")).await;
    assert!(
        history.gaps.len() == 1 && history.gaps[0].starts_with("counts of requests: cloudwatch:GetMetricData"),
        "{:?}",
        history.gaps
    );
    assert_eq!((tasks(&history).len(), alarms_of(&history)), (1, 1), "the rest is told");
    desk.account.lock().unwrap().denied = "";
    assert_eq!(desk.read_of(Span::Day, Some("time")).await.gaps, Vec::<String>::new());
    assert_eq!(desk.server.count("GetMetricData"), 2);
}

fn alarms_of(history: &History) -> usize {
    alarms(history).len()
}
