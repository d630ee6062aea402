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
    denied: &'static str,
}

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
                    json!({ "AlarmName": name, "StateValue": state,
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
            _ => Reply::error(400, "UnknownOperationException", "not in the script"),
        }
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
        history::read(&self.session, &self.past, &Stretch { span, server: None }).await.unwrap()
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
