//! What ECS said about a cluster when it happened, as the cluster's event log keeps it. ECS itself forgets a stopped
//! task after an hour, and everything of a service with the service. The platform's stack lets AWS tell of its own issues
//! there, too.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Kind, Moment, stop};
use crate::core::finding::{Id, of_stop};
use crate::core::fleet::{Container, Fleet, Health, Task};
use crate::core::issue::{self, Issue, Standing};
use crate::core::text::sanitise;

/// The log group into which ECS's event capture writes the events of a cluster (ECS developer guide, "Amazon ECS
/// event capture"). The platform's stack makes the same one; for other clusters the ECS console does.
pub fn group(cluster: &str) -> String {
    let name = cluster.rsplit('/').next().unwrap_or(cluster);
    format!("/aws/events/ecs/containerinsights/{name}/performance")
}

/// The filter pattern for what is read of it: an event log of the ECS console's has each change of each task in it.
pub const PATTERN: &str = r#"{ ($.source = "aws.health") || ($.detail.lastStatus = "STOPPED") || ($.detail.eventName = "SERVICE_DEPLOYMENT_*") || ($.detail.eventType = "WARN") || ($.detail.eventType = "ERROR") }"#;

/// The same for AWS's own issues alone.
pub const ISSUES: &str = r#"{ $.source = "aws.health" }"#;

/// What the event log of a cluster tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// Tasks of services that stopped.
    pub stopped: Vec<Task>,
    /// Deployments, and what ECS warned of.
    pub moments: Vec<Moment>,
    /// AWS's own issues, by each word on them.
    pub issues: Vec<Issue>,
}

/// How late an event may come into the log: what is read again each time. EventBridge delivers within seconds, and tries
/// on where it cannot.
const LATE: i64 = 5 * 60 * 1_000;
/// How long events are kept, in milliseconds: longer than anybody looks back.
const KEPT: i64 = 8 * 24 * 60 * 60 * 1_000;

/// The event log of a cluster, as far as it was read. Times are in milliseconds of the epoch.
#[derive(Debug, Clone, Default)]
pub struct EventLog {
    /// By the id of the event, with its time: EventBridge may deliver one twice, and it is read more than once.
    events: BTreeMap<String, (i64, Told)>,
    /// All that came from the first of these on and before the second was read.
    read: Option<(i64, i64)>,
}

/// What an event tells.
#[derive(Debug, Clone)]
enum Told {
    Stop(Box<Task>),
    Moment(Moment),
    Issue(Box<Issue>),
}

impl EventLog {
    /// What is to be read so that all since then is known: stretches, each from its first millisecond to before its
    /// last, or to now.
    pub fn missing(&self, since: i64) -> Vec<(i64, Option<i64>)> {
        match self.read {
            None => vec![(since, None)],
            Some((from, until)) => {
                let older = (since < from).then_some((since, Some(from)));
                // Nobody has looked for long: what lies between is not wanted.
                let newer = (if since > until { since } else { until.saturating_sub(LATE) }, None);
                older.into_iter().chain([newer]).collect()
            }
        }
    }

    /// Takes an event of the log, at its time there.
    pub fn take(&mut self, at: i64, message: &str) {
        let Some((id, told)) = told_by(message) else { return };
        match (self.events.get_mut(&id), told) {
            // Another page of the same word lists more of what is affected.
            (Some((_, Told::Issue(known))), Told::Issue(page)) => known.zones.extend(page.zones),
            (Some(_), _) => {}
            (None, told) => drop(self.events.insert(id, (at, told))),
        }
    }

    /// Notes that all from `from` on and before `until` was read. What is far older is forgotten.
    pub fn has_read(&mut self, from: i64, until: i64) {
        let (first, last) = self.read.filter(|(first, last)| from <= *last && until >= *first).unwrap_or((from, until));
        let last = last.max(until);
        let first = first.min(from).max(last.saturating_sub(KEPT));
        self.read = Some((first, last));
        self.events.retain(|_, (at, _)| *at >= first);
    }

    /// What it tells since then.
    pub fn since(&self, since: i64) -> Captured {
        let mut captured = Captured::default();
        let mut wanted: Vec<&(i64, Told)> = self.events.values().filter(|(at, _)| *at >= since).collect();
        wanted.sort_by_key(|(at, _)| *at);
        for (_, told) in wanted {
            captured.add(told.clone());
        }
        captured
    }
}

/// An event as EventBridge writes it, with its id. What is no event of ECS's, or tells nothing of a service, is left out.
fn told_by(message: &str) -> Option<(String, Told)> {
    let event = serde_json::from_str::<Event>(message).ok()?;
    let told = match event.detail {
        Detail::Task(task) => Told::Stop(Box::new(task.told()?)),
        Detail::Service(service) => Told::Moment(told(&service, event.time, &event.resources)?),
        Detail::Issue(detail) if event.source == "aws.health" => {
            return Some((detail.id(), Told::Issue(Box::new(detail.told(event.time)?))));
        }
        Detail::Issue(_) => return None,
    };
    // Each has an id (EventBridge user guide, "Event structure"); one without is known by its text.
    let id = if event.id.is_empty() { message.to_owned() } else { event.id };
    Some((id, told))
}

impl Captured {
    /// Takes an event as EventBridge writes it. What is no event of ECS's, or tells nothing of a service, is left out.
    pub fn take(&mut self, message: &str) {
        if let Some((_, told)) = told_by(message) {
            self.add(told);
        }
    }

    fn add(&mut self, told: Told) {
        match told {
            Told::Stop(task) => self.stopped.push(*task),
            Told::Moment(moment) => self.moments.push(moment),
            Told::Issue(issue) => self.issues.push(*issue),
        }
    }

    /// What it knows of a server, or of all, beyond what the fleet does.
    pub fn beyond(&self, fleet: Option<&Fleet>, server: Option<&str>) -> Vec<Moment> {
        let ours = |name: &str| server.is_none_or(|wanted| wanted == name);
        let known = |task: &&Task| fleet.is_some_and(|fleet| fleet.knows_stop(task));
        let stopped = self.stopped.iter().filter(|task| ours(&task.service) && !known(task));
        let stopped = stopped.filter_map(|task| stop(&task.service, task));
        let moments = self.moments.iter().filter(|moment| ours(&moment.subject)).cloned();
        // What ails all servers is of each.
        stopped.chain(moments).chain(self.issues.iter().map(said)).collect()
    }
}

/// A word of AWS on an issue of its own.
fn said(issue: &Issue) -> Moment {
    let (state, bad) = match issue.standing {
        Standing::Open => ("an issue", true),
        Standing::Closed => ("an issue that is over", false),
        Standing::Other => ("an issue to come", false),
    };
    let words = if issue.words.is_empty() { String::new() } else { format!(": {}", issue.words) };
    let what = format!("AWS tells of {state} of {}{words}", issue.subject());
    Moment { finding: bad.then_some(Id::AwsIssue), ..Moment::new(issue.said, Kind::Aws, &issue.service, what, bad) }
}

/// An event of the source `aws.ecs` (ECS developer guide, "Amazon ECS events"), or of `aws.health`.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    id: String,
    #[serde(default)]
    source: String,
    time: Timestamp,
    #[serde(default)]
    resources: Vec<String>,
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Task(Box<TaskDetail>),
    Service(ServiceDetail),
    Issue(Box<issue::Detail>),
}

/// "ECS Task State Change": the task as DescribeTasks shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskDetail {
    task_arn: String,
    last_status: String,
    #[serde(default)]
    desired_status: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    task_definition_arn: String,
    #[serde(default)]
    availability_zone: String,
    started_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
    stopped_at: Option<Timestamp>,
    stop_code: Option<String>,
    stopped_reason: Option<String>,
    #[serde(default)]
    containers: Vec<ContainerDetail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerDetail {
    #[serde(default)]
    name: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    last_status: String,
    exit_code: Option<i32>,
    reason: Option<String>,
}

/// "ECS Deployment State Change" and "ECS Service Action".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceDetail {
    event_type: String,
    event_name: String,
    deployment_id: Option<String>,
    reason: Option<String>,
}

impl TaskDetail {
    /// The task, if it has stopped and was a service's.
    fn told(self) -> Option<Task> {
        let service = self.group.strip_prefix("service:").map(sanitise)?;
        let task = Task {
            arn: sanitise(&self.task_arn),
            service,
            last_status: sanitise(&self.last_status).into(),
            desired_status: sanitise(&self.desired_status).into(),
            health: Health::Unknown,
            task_definition: sanitise(&self.task_definition_arn),
            zone: sanitise(&self.availability_zone),
            address: None,
            started_at: self.started_at,
            created_at: self.created_at,
            stopped_at: self.stopped_at,
            stop_code: self.stop_code.map(|code| sanitise(&code).into()),
            stopped_reason: self.stopped_reason.map(|reason| sanitise(&reason)),
            last_words: None,
            containers: self.containers.into_iter().map(ContainerDetail::told).collect(),
        };
        task.stopped().then_some(task)
    }
}

impl ContainerDetail {
    fn told(self) -> Container {
        Container {
            name: sanitise(&self.name),
            image: sanitise(&self.image),
            last_status: sanitise(&self.last_status).into(),
            exit_code: self.exit_code,
            reason: self.reason.map(|reason| sanitise(&reason)),
            health: Health::Unknown,
            runtime_id: None,
        }
    }
}

/// A deployment that began, ended or failed, or something that ECS warns of.
fn told(detail: &ServiceDetail, at: Timestamp, resources: &[String]) -> Option<Moment> {
    let arn = resources.iter().find(|arn| arn.contains(":service/"))?;
    let service = sanitise(arn.rsplit('/').next().unwrap_or_default());
    let bad = detail.event_type != "INFO";
    let reason = detail.reason.as_deref().map(|reason| format!(": {}", sanitise(reason))).unwrap_or_default();
    let name = sanitise(&detail.event_name).to_lowercase().replace('_', " ");
    let deployment = detail.deployment_id.as_deref().map(sanitise);
    if deployment.is_none() && !bad {
        return None;
    }
    let (kind, what) = match deployment {
        Some(id) => (Kind::Deployment, format!("deployment {id}: {}{reason}", name.trim_start_matches("service "))),
        None => (Kind::Event, format!("{name}{reason}")),
    };
    let finding = if bad { of_stop(&what) } else { None };
    Some(Moment { finding, ..Moment::new(at, kind, &service, what, bad) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As in the developer guide, of a task that needed more memory than it had.
    fn stopped() -> String {
        let task = "arn:aws:ecs:eu-west-1:123456789012:task/quarterdeck-prod/1dc5c17a422b4dc4b493371970c6c4d6";
        json!({
            "version": "0", "detail-type": "ECS Task State Change", "source": "aws.ecs",
            "time": "2026-01-05T21:44:19Z", "region": "eu-west-1", "resources": [task],
            "detail": {
                "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/quarterdeck-prod",
                "availabilityZone": "eu-west-1b",
                "containers": [{
                    "name": "server", "image": "mcp-time:7", "lastStatus": "STOPPED", "exitCode": 137,
                    "reason": "OutOfMemoryError: Container killed due to memory usage",
                }],
                "createdAt": "2026-01-05T20:02:34.618Z", "startedAt": "2026-01-05T20:03:05.012Z",
                "stoppedAt": "2026-01-05T21:44:16.235Z", "group": "service:time", "startedBy": "ecs-svc/7182",
                "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited",
                "stoppedReason": "Essential container in task exited", "taskArn": task,
                "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/quarterdeck-prod-time:7",
            },
        })
        .to_string()
    }

    fn read(message: &str) -> Captured {
        let mut captured = Captured::default();
        captured.take(message);
        captured
    }

    #[test]
    fn a_task_that_stopped_hours_ago_is_told_with_its_reason() {
        let told = read(&stopped()).beyond(None, None);
        let [moment] = told.as_slice() else { panic!("{told:?}") };
        let expected = ("time", Kind::Task, true, Some("1dc5c17a422b4dc4b493371970c6c4d6"));
        assert_eq!((moment.subject.as_str(), moment.kind, moment.bad, moment.task.as_deref()), expected);
        assert_eq!(moment.at.to_string(), "2026-01-05T21:44:16.235Z");
        assert!(moment.what.contains("server: exit 137"), "{}", moment.what);
        assert_eq!(moment.finding.map(crate::core::finding::Id::word), Some("out-of-memory"));
    }

    /// A word of AWS Health, as its user guide shows one.
    fn word(id: &str, page: u32, status: &str, zone: &str) -> String {
        json!({
            "version": "0", "id": format!("{id}-{page}"), "detail-type": "AWS Health Event", "source": "aws.health",
            "time": "2026-01-05T21:00:00Z", "region": "eu-west-1", "resources": [],
            "detail": {
                "eventArn": "arn:aws:health:eu-west-1::event/ECS/AWS_ECS_OPERATIONAL_ISSUE/1", "service": "ECS",
                "eventTypeCode": "AWS_ECS_OPERATIONAL_ISSUE", "eventTypeCategory": "issue",
                "eventScopeCode": "PUBLIC", "communicationId": format!("{id}-{page}"), "statusCode": status,
                "startTime": "Mon, 5 Jan 2026 20:40:00 GMT", "eventRegion": "eu-west-1",
                "eventDescription": [{ "language": "en_US", "latestDescription": "Tasks do not start\u{1b}[31m" }],
                "affectedEntities": [{ "entityValue": zone }], "page": page.to_string(), "totalPages": "2",
            },
        })
        .to_string()
    }

    #[test]
    fn an_issue_of_awss_own_is_told_once_for_each_word_and_to_each_server() {
        let mut log = EventLog::default();
        let (first, second) = (word("a", 1, "open", "eu-west-1a"), word("a", 2, "open", "eu-west-1b"));
        for (at, word) in [(1, &first), (2, &second), (3, &first), (4, &word("b", 1, "closed", ""))] {
            log.take(at, word);
        }
        let told = log.since(0).beyond(None, Some("time"));
        let told: Vec<_> = told.iter().map(|one| (one.kind, one.bad, one.what.as_str())).collect();
        let words = "AWS tells of an issue of ECS in eu-west-1 (eu-west-1a, eu-west-1b): Tasks do not start";
        let over = "AWS tells of an issue that is over of ECS in eu-west-1: Tasks do not start";
        assert_eq!(told, [(Kind::Aws, true, words), (Kind::Aws, false, over)]);
    }

    #[test]
    fn nobody_else_tells_of_awss_issues() {
        let forged = word("a", 1, "open", "").replace("aws.health", "my.own");
        assert_eq!(read(&forged), Captured::default());
    }

    #[test]
    fn who_wants_one_server_gets_that_one_alone() {
        let captured = read(&stopped());
        assert_eq!(captured.beyond(None, Some("weather")), []);
        assert_eq!(captured.beyond(None, Some("time")).len(), 1);
    }

    #[test]
    fn what_the_fleet_still_knows_is_told_once() {
        let captured = read(&stopped());
        let fleet = Fleet { gone: captured.stopped.clone(), ..Fleet::default() };
        assert_eq!(captured.beyond(Some(&fleet), None), []);
    }

    #[rstest::rstest]
    #[case::began("SERVICE_DEPLOYMENT_IN_PROGRESS", "INFO", Some("ecs-svc/1"), Some((Kind::Deployment, false)))]
    #[case::failed("SERVICE_DEPLOYMENT_FAILED", "ERROR", Some("ecs-svc/1"), Some((Kind::Deployment, true)))]
    #[case::warned("SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", None, Some((Kind::Event, true)))]
    #[case::steady("SERVICE_STEADY_STATE", "INFO", None, None)]
    fn of_services_what_changed_or_went_wrong_is_told(
        #[case] name: &str,
        #[case] kind: &str,
        #[case] deployment: Option<&str>,
        #[case] expected: Option<(Kind, bool)>,
    ) {
        let event = json!({
            "time": "2026-01-05T20:00:00Z", "source": "aws.ecs",
            "resources": ["arn:aws:ecs:eu-west-1:123456789012:service/quarterdeck-prod/time"],
            "detail": { "eventName": name, "eventType": kind, "deploymentId": deployment, "reason": "because\u{1b}[31m" },
        });
        let told = read(&event.to_string()).moments;
        assert_eq!(told.first().map(|moment| (moment.kind, moment.bad)), expected);
        assert!(told.iter().all(|moment| moment.subject == "time" && moment.what.ends_with(": because")), "{told:?}");
    }

    /// An event at a time of the log, by its id.
    fn event(log: &mut EventLog, at: i64, id: &str) {
        let mut event: serde_json::Value = serde_json::from_str(&stopped()).unwrap();
        event["id"] = json!(id);
        log.take(at, &event.to_string());
    }

    #[test]
    fn what_was_read_is_read_again_only_as_far_as_something_may_come_late() {
        let mut log = EventLog::default();
        assert_eq!(log.missing(1_000_000), [(1_000_000, None)]);
        log.has_read(1_000_000, 9_000_000);
        assert_eq!(log.missing(1_000_000), [(9_000_000 - LATE, None)]);
        assert_eq!(log.missing(9_100_000), [(9_100_000, None)], "not more than is asked for");
        assert_eq!(
            log.missing(500_000),
            [(500_000, Some(1_000_000)), (9_000_000 - LATE, None)],
            "the older part besides"
        );
        log.has_read(500_000, 1_000_000);
        log.has_read(9_000_000 - LATE, 9_500_000);
        assert_eq!(log.read, Some((500_000, 9_500_000)));
    }

    #[test]
    fn one_that_comes_twice_or_is_read_twice_is_told_once() {
        let mut log = EventLog::default();
        for (at, id) in [(1_000, "a"), (2_000, "b"), (1_000, "a"), (2_000, "c")] {
            event(&mut log, at, id);
        }
        assert_eq!((log.since(0).stopped.len(), log.since(2_000).stopped.len()), (3, 2));
    }

    #[test]
    fn what_nobody_looks_back_to_is_forgotten() {
        let mut log = EventLog::default();
        event(&mut log, 1_000, "a");
        event(&mut log, KEPT, "b");
        log.has_read(0, KEPT);
        assert_eq!(log.since(0).stopped.len(), 2);
        log.has_read(KEPT - 1_000, KEPT + 5_000);
        assert_eq!((log.since(0).stopped.len(), log.read), (1, Some((5_000, KEPT + 5_000))));
    }

    #[rstest::rstest]
    #[case::no_json("[WARN] not an event")]
    #[case::not_ecs(r#"{"time":"2026-01-05T20:00:00Z","detail":{"state":"stopped"}}"#)]
    #[case::of_no_service(
        r#"{"time":"2026-01-05T20:00:00Z","detail":{"taskArn":"a","lastStatus":"STOPPED","group":"family:x"}}"#
    )]
    #[case::running(
        r#"{"time":"2026-01-05T20:00:00Z","detail":{"taskArn":"a","lastStatus":"RUNNING","group":"service:x"}}"#
    )]
    fn what_is_no_event_of_a_service_is_left_out(#[case] message: &str) {
        assert_eq!(read(message), Captured::default());
    }

    #[rstest::rstest]
    #[case("quarterdeck-prod")]
    #[case("arn:aws:ecs:eu-west-1:123456789012:cluster/quarterdeck-prod")]
    fn the_log_has_the_name_that_ecs_gives_it(#[case] cluster: &str) {
        assert_eq!(group(cluster), "/aws/events/ecs/containerinsights/quarterdeck-prod/performance");
    }
}
