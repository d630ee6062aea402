//! What happened, from everything that keeps a history: deployments, scaling, task stops, service events, bursts of errors
//! and of refusals, alarms, stack events and the operations of this machine, merged by time.

pub mod bursts;
pub mod capture;
pub mod scaling;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use bursts::{Burst, Counted};
use capture::Captured;

use super::environment::names;
use super::finding::{Id, of_stop};
use super::fleet::{Deployment, Fleet, Rollout, Server, StopCode, Task};
use super::identity::Context;
use super::metrics::{AlarmChange, AlarmState};
use super::operation::About;
use super::operation::record::{Entry as Audited, Outcome, Record};
use super::stack::{StackDetail, StackEvent};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub at: Timestamp,
    pub kind: Kind,
    /// The server, stack or operation that it happened to.
    pub subject: String,
    pub what: String,
    /// Whether something went wrong.
    pub bad: bool,
    /// What kind of thing went wrong, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Id>,
    /// The id of the task that it happened to, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The figures of a burst.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
}

/// What happened, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    pub moments: Vec<Moment>,
    /// What the event log of the cluster tells; `None` where there is none, or it was not read.
    pub captured: Option<Captured>,
    /// How many requests CloudWatch has counted; `None` where there is none, or it was not read.
    pub counted: Option<Box<Counted>>,
    /// Why nothing was captured, where that is so.
    pub not_captured: Option<String>,
    /// What could not be read, and why.
    pub gaps: Vec<String>,
}

impl History {
    /// What it tells beyond what the fleet does, of one server or of all.
    pub fn beyond(&self, fleet: Option<&Fleet>, server: Option<&str>) -> Vec<Moment> {
        let captured = self.captured.iter().flat_map(|captured| captured.beyond(fleet, server));
        self.moments.iter().cloned().chain(captured).collect()
    }
}

/// Which part of the past is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Stretch {
    pub span: Span,
    /// Only this server, its stack, and the operations on it; all of the environment, and this machine, otherwise.
    pub server: Option<String>,
}

/// How far back a history goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Span {
    Hour,
    #[default]
    Day,
    Week,
}

impl Span {
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// The next one, round and round.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Hour => Self::Day,
            Self::Day => Self::Week,
            Self::Week => Self::Hour,
        }
    }

    /// When it began.
    pub fn since(self, now: Timestamp) -> Timestamp {
        let hours = match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
        };
        now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MIN)
    }
}

/// Who keeps the history that a moment is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// AWS Health.
    Aws,
    /// The audit of this machine.
    Operation,
    /// CloudFormation.
    Stack,
    /// A deployment of ECS.
    Deployment,
    /// Application Auto Scaling.
    Scaling,
    /// A task of ECS.
    Task,
    /// An event of an ECS service.
    Event,
    /// Requests that failed, by the log or CloudWatch.
    Errors,
    /// Requests that were refused, by the same.
    Refusals,
    /// An alarm of CloudWatch.
    Alarm,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Operation => "operation",
            Self::Stack => "stack",
            Self::Deployment => "deployment",
            Self::Scaling => "scaling",
            Self::Task => "task",
            Self::Event => "event",
            Self::Errors => "errors",
            Self::Refusals => "refusals",
            Self::Alarm => "alarm",
        }
    }
}

impl Moment {
    fn new(at: Timestamp, kind: Kind, subject: &str, what: impl Into<String>, bad: bool) -> Self {
        Self { at, kind, subject: subject.to_owned(), what: what.into(), bad, finding: None, task: None, burst: None }
    }
}

/// Puts moments in the order of time, and leaves out those before `since`. What happened at the same time stands in
/// the order in which one brings about another.
pub fn merge(mut all: Vec<Moment>, since: Timestamp) -> Vec<Moment> {
    all.retain(|moment| moment.at >= since);
    all.sort_by(|a, b| (a.at, a.kind, &a.subject).cmp(&(b.at, b.kind, &b.subject)));
    all.dedup();
    all
}

/// What the fleet knows since then: of one server, or of all, those that are gone included.
pub fn of_fleet(fleet: &Fleet, server: Option<&str>, since: Timestamp) -> Vec<Moment> {
    let ours = |name: &str| server.is_none_or(|wanted| wanted == name);
    let servers = fleet.servers.iter().filter(|one| ours(&one.name)).flat_map(|one| of_server(one, since));
    let gone = fleet.gone.iter().filter(|task| ours(&task.service) && task.stopped_at >= Some(since));
    servers.chain(gone.filter_map(|task| stop(&task.service, task))).collect()
}

fn of_server(server: &Server, since: Timestamp) -> Vec<Moment> {
    let deployments = server.deployments.iter().filter(|one| one.created_at >= Some(since));
    let deployments = deployments.filter_map(|one| begun(&server.name, one));
    let starts = server.known_tasks().iter().filter(|task| task.started_at >= Some(since)).filter_map(|task| {
        let what = format!("task {} runs{}", task.short_id(), revision(&task.task_definition));
        let moment = Moment::new(task.started_at?, Kind::Task, &server.name, what, false);
        Some(Moment { task: Some(task.id().to_owned()), ..moment })
    });
    let stops = server.known_tasks().iter().filter(|task| task.stopped_at >= Some(since));
    let stops = stops.filter_map(|task| stop(&server.name, task));
    let events = server.events.iter().filter(|event| event.at >= since).map(|event| {
        let finding = of_stop(&event.message);
        let words = ["unable to", "is unhealthy", "deployment failed", "rolling back"];
        let bad = finding.is_some() || words.iter().any(|word| event.message.contains(word));
        Moment { finding, ..Moment::new(event.at, Kind::Event, &server.name, event.message.clone(), bad) }
    });
    deployments.chain(starts).chain(stops).chain(events).collect()
}

fn revision(definition: &str) -> String {
    let name = definition.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { String::new() } else { format!(", {name}") }
}

fn begun(server: &str, one: &Deployment) -> Option<Moment> {
    let reason = if one.rollout_reason.is_empty() { String::new() } else { format!(": {}", one.rollout_reason) };
    let state = one.rollout.word().to_lowercase().replace('_', " ");
    let what = format!("deployment {} began{}, now {state}{reason}", one.id, revision(&one.task_definition));
    let bad = one.rollout == Rollout::Failed || one.failed > 0;
    Some(Moment::new(one.created_at?, Kind::Deployment, server, what, bad))
}

fn stop(server: &str, task: &Task) -> Option<Moment> {
    let at = task.stopped_at?;
    let taken = matches!(task.stop_code, Some(StopCode::SpotInterruption | StopCode::TerminationNotice));
    let reason = task.stop_reason();
    let bad = task.stopped_itself() && !taken;
    let finding = if bad { of_stop(&reason) } else { None };
    let moment = Moment::new(at, Kind::Task, server, format!("task {} stopped: {reason}", task.short_id()), bad);
    Some(Moment { finding, task: Some(task.id().to_owned()), ..moment })
}

/// The events of a stack.
pub fn of_stack(name: &str, detail: &StackDetail) -> Vec<Moment> {
    let one = |event: &StackEvent| {
        let reason = event.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let what = format!("{} ({}) {}{reason}", event.logical_id, event.kind, event.status.0);
        Moment::new(event.at, Kind::Stack, name, what, event.status.failed())
    };
    detail.events.iter().map(one).collect()
}

/// The state changes of alarms, each of the server or the part of the environment that it is named after.
pub fn of_alarms(changes: &[AlarmChange], environment: &str) -> Vec<Moment> {
    let prefix = names::stack_prefix(environment);
    let one = |change: &AlarmChange| {
        let AlarmChange { alarm, at, from, to, reason } = change;
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let own = alarm.strip_prefix(&prefix).and_then(|rest| rest.rsplit_once('-'));
        let (subject, name) = own.unwrap_or((alarm, alarm));
        let what = format!("alarm {name} went from {} to {}{reason}", from.word(), to.word());
        Moment::new(*at, Kind::Alarm, subject, what, *to == AlarmState::Alarm)
    };
    changes.iter().map(one).collect()
}

/// The operations of this machine in this place: how each began, paused and ended. Of one server those that touch it.
pub fn of_audit(records: &[Record], place: &Context, server: Option<&str>) -> Vec<Moment> {
    let mut titles: BTreeMap<&str, String> = BTreeMap::new();
    let mut all = Vec::new();
    for record in records {
        if let Audited::Intent { plan, .. } = &record.entry {
            let touches = |name: &str| {
                let server = About::Server(name.to_owned());
                plan.intent.touched().iter().any(|about| about.touches(&server))
            };
            if !plan.target.is_in(place) || !server.is_none_or(touches) {
                continue;
            }
            titles.insert(&record.operation, plan.title.clone());
        }
        let Some(title) = titles.get(record.operation.as_str()) else { continue };
        let told = match &record.entry {
            Audited::Intent { caller, .. } => Some((format!("{title}: begun by {caller}"), false)),
            Audited::Paused { reason, .. } => Some((format!("{title}: paused: {reason}"), true)),
            Audited::Agreed { to, .. } => Some((format!("{title}: agreed: {to}"), false)),
            Audited::Outcome { outcome } => Some(ended(title, outcome)),
            Audited::Started { .. } | Audited::Done { .. } => None,
        };
        all.extend(told.map(|(what, bad)| Moment::new(record.at, Kind::Operation, &record.operation, what, bad)));
    }
    all
}

fn ended(title: &str, outcome: &Outcome) -> (String, bool) {
    match outcome {
        Outcome::Done => (format!("{title}: done"), false),
        Outcome::Failed { title: step, reason, .. } => (format!("{title}: failed at {step}: {reason}"), true),
        Outcome::Cancelled { by, what, .. } => (format!("{title}: {by} cancelled it: {what}"), false),
        Outcome::Undone { by } => (format!("{title}: undone by {by}"), false),
        Outcome::Closed { reason } => (format!("{title}: closed: {reason}"), false),
    }
}
