//! What ails below the servers, and so is nobody's fault here: an issue of AWS's own, and a zone whose tasks alone are sick.
//!
//! Neither is claimed to be the cause of what it could not bring about: an image that does not exist is missing during an
//! issue of ECS, too. What is well needs no cause.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Cause, Finding, Gravity, Id, RECENT, Remedy, in_order, stops};
use crate::core::fleet::{Health, Server, Target, TargetState, Task, TaskStatus};
use crate::core::issue::{Issue, Part};
use crate::core::text::count;

/// What ails below the servers of a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Below {
    /// AWS's own issues that go on, as far as they were read.
    issues: Vec<Issue>,
    zone: Option<Ails>,
    /// The zone that is taken out of the load balancer already, by its id and, where it is known, its name.
    out: Vec<String>,
}

/// A zone in which the tasks of servers are sick that are well in the other zones.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ails {
    zone: String,
    /// The servers that show it, each with how many of its tasks are sick there.
    by: BTreeMap<String, usize>,
    /// How many tasks are well elsewhere, and where.
    well: usize,
    elsewhere: BTreeSet<String>,
}

/// So many tasks of one server are sick in one zone by chance seldom enough: once in nine times, where there are three.
const OF_ONE: usize = 3;
/// So many servers do not happen to be sick in the same zone alone.
const SERVERS: usize = 2;

impl Below {
    /// By these servers, which are all of the place, and AWS's open issues.
    pub fn of(servers: &[Server], issues: Vec<Issue>, now: Timestamp) -> Self {
        Self { issues, zone: ails(servers, now), out: Vec::new() }
    }

    /// The same where this zone, by its names, is taken out of the load balancer: nothing is left to do with it.
    #[must_use]
    pub fn without(self, out: Vec<String>) -> Self {
        Self { out, ..self }
    }

    /// The zone that ails, by its name.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_ref().map(|ails| ails.zone.as_str())
    }

    /// The findings of a server, with those among them that lie below it and may have brought its cause about.
    #[must_use]
    pub fn under(&self, server: &str, mut own: Vec<Finding>) -> Vec<Finding> {
        let Some(cause) = Cause::of(&own).map(|cause| (cause.finding.id, cause.finding.gravity)) else { return own };
        let issues = self.issues.iter().filter(|issue| reaches(issue.part, cause.0));
        let issues = issues.map(|issue| self.of_issue(issue, cause.1));
        let zone = self.zone.iter().filter(|ails| ails.by.contains_key(server) && Id::ZoneAils.may_bring(cause.0));
        let found: Vec<Finding> = issues.chain(zone.map(|ails| self.of_zone(ails, cause.1))).collect();
        if !found.is_empty() {
            own.extend(found);
            in_order(&mut own);
        }
        own
    }

    /// What of it all share, where these are the findings of the servers, each [`under`](Self::under) it: as grave as what
    /// it is the cause of, and else a note.
    pub fn shared<'a>(&self, servers: impl Iterator<Item = &'a [Finding]>) -> Vec<Finding> {
        let mut all: Vec<Finding> = self.issues.iter().map(|issue| self.of_issue(issue, Gravity::Note)).collect();
        all.extend(self.zone.iter().map(|ails| self.of_zone(ails, Gravity::Note)));
        for one in servers.flatten() {
            let same = |shared: &&mut Finding| (shared.id, &shared.fact) == (one.id, &one.fact);
            all.iter_mut().filter(same).for_each(|shared| shared.gravity = shared.gravity.max(one.gravity));
        }
        all
    }

    fn of_issue(&self, issue: &Issue, gravity: Gravity) -> Finding {
        let fact = format!("AWS tells of an issue of {}", issue.subject());
        let said = format!("AWS Health, at {:.0}: {}", issue.said, issue.words);
        let finding = Finding::new(Id::AwsIssue, gravity, fact, said).at(issue.since);
        // What ails a whole region, no zone can be taken out of.
        let remedy = if issue.zones.is_empty() { finding.remedy } else { Some(Remedy::Shift) };
        self.once_out(Finding { remedy, ..finding }, |zone| issue.zones.contains(zone))
    }

    fn of_zone(&self, ails: &Ails, gravity: Gravity) -> Finding {
        let (sick, zone) = (ails.by.values().sum(), &ails.zone);
        let others: Vec<&str> = ails.elsewhere.iter().map(String::as_str).collect();
        let by: Vec<String> = ails.by.iter().map(|(server, many)| format!("{many} of {server}")).collect();
        let evidence = format!("{}; {} well in {}", by.join(", "), count(ails.well, "task"), others.join(", "));
        let fact = format!("all {} that are sick are in {zone}", count(sick, "task"));
        let finding = Finding::new(Id::ZoneAils, gravity, fact, evidence);
        self.once_out(Finding { count: sick, ..finding }, |out| out == zone)
    }

    /// The same where its zone is taken out already: what takes one out would let it in again.
    fn once_out(&self, finding: Finding, is_its: impl Fn(&String) -> bool) -> Finding {
        if !self.out.iter().any(is_its) {
            return finding;
        }
        let evidence = format!("{}; the zone is taken out of the load balancer", finding.evidence);
        Finding { evidence, remedy: Some(Remedy::Events), ..finding }
    }
}

/// Whether an issue of this part may be what a server's cause comes of.
fn reaches(part: Part, cause: Id) -> bool {
    use Id::*;
    match part {
        Part::All => Id::AwsIssue.may_bring(cause),
        Part::Tasks => matches!(
            cause,
            Capacity
                | NetworkInterface
                | Throttled
                | StartFailed
                | StartFailures
                | TasksMissing
                | TargetsShort
                | TargetsEmpty
                | CircuitBreaker
                | DeploymentFailed
                | DeploymentOld
        ),
        Part::Balancer => matches!(
            cause,
            BalancerFails
                | HealthCheckTimeout
                | TargetsShort
                | TargetsEmpty
                | BalancerErrors
                | EdgeErrors
                | AnswersSlow
                | Alarm
        ),
        Part::Images => matches!(cause, ImageNoRoute | ImagePull),
        Part::Secrets => matches!(cause, SecretNoRoute | StartFailed),
        Part::Logs => matches!(cause, LogNoRoute | LogDriver),
        Part::SignIn => matches!(cause, KeysUnavailable),
        Part::Edge => matches!(cause, EdgeErrors),
        Part::Quarantine => matches!(cause, QuarantineUnread),
    }
}

/// The zone that ails, if there is one: every task that is sick is there, more are sick than well, and as many are well
/// elsewhere. Each server is compared with itself: it shows a bad zone where tasks of one task definition are sick there and
/// well elsewhere, so that neither a bad revision nor a bad server looks like a bad zone. Missing tasks are in no zone.
fn ails(servers: &[Server], now: Timestamp) -> Option<Ails> {
    let seen: Vec<(&Server, Vec<Seen<'_>>)> = servers.iter().map(|server| (server, seen(server, now))).collect();
    let tasks = || seen.iter().flat_map(|(_, tasks)| tasks);
    let zone = tasks().find(|task| task.sick)?.zone;
    let there = |tasks: &[Seen<'_>]| tasks.iter().filter(|task| task.sick && task.zone == zone).count();
    let by: BTreeMap<String, usize> =
        seen.iter().map(|(server, tasks)| (server.name.clone(), there(tasks))).filter(|(_, many)| *many > 0).collect();
    let shown: Vec<usize> =
        seen.iter().filter(|(_, tasks)| shows(tasks, zone)).map(|(_, tasks)| there(tasks)).collect();
    let enough = shown.len() >= SERVERS || shown.iter().sum::<usize>() >= OF_ONE;
    let sick: usize = by.values().sum();
    let others: Vec<&Seen<'_>> = tasks().filter(|task| task.zone != zone).collect();
    let well_there = tasks().filter(|task| task.zone == zone && !task.sick).count();
    if !enough || well_there >= sick || others.len() < sick || others.iter().any(|task| task.sick) {
        return None;
    }
    let elsewhere = others.iter().map(|task| task.zone.to_owned()).collect();
    Some(Ails { zone: zone.to_owned(), by, well: others.len(), elsewhere })
}

/// Whether a server shows that this zone ails: tasks are sick there of which it has well ones elsewhere, and none there.
fn shows(tasks: &[Seen<'_>], zone: &str) -> bool {
    let has = |sick: &Seen<'_>, there: bool| {
        tasks.iter().any(|one| !one.sick && one.definition == sick.definition && (one.zone == zone) == there)
    };
    let mut sick = tasks.iter().filter(|task| task.sick && task.zone == zone).peekable();
    sick.peek().is_some() && sick.all(|sick| has(sick, false) && !has(sick, true))
}

/// A task that is known to be sick, or to be well.
struct Seen<'a> {
    zone: &'a str,
    definition: &'a str,
    sick: bool,
}

/// The tasks of a server of which something is known, with their zones.
fn seen(server: &Server, now: Timestamp) -> Vec<Seen<'_>> {
    let mut targets: BTreeMap<&str, Vec<&Target>> = BTreeMap::new();
    let known = server.known_groups().flat_map(|group| group.known());
    known.for_each(|target| targets.entry(target.id.as_str()).or_default().push(target));
    let with_zone = server.known_tasks().iter().filter(|task| !task.zone.is_empty());
    let known = with_zone.filter_map(|task| {
        let own = task.address.as_deref().and_then(|address| targets.get(address));
        let sick = is_sick(server, task, own.map(Vec::as_slice).unwrap_or_default(), now)?;
        Some(Seen { zone: &task.zone, definition: &task.task_definition, sick })
    });
    known.collect()
}

/// Whether a task with these targets is sick of what a zone may bring about; `None` where nothing says, or it was stopped on
/// purpose.
fn is_sick(server: &Server, task: &Task, targets: &[&Target], now: Timestamp) -> Option<bool> {
    if task.stopped() {
        let recent = task.stopped_at.is_some_and(|at| now.duration_since(at) < RECENT);
        let zonal = || Id::ZoneAils.may_bring(stops::kind(Some(server), task));
        return (recent && task.stopped_itself() && zonal()).then_some(true);
    }
    if task.last_status != TaskStatus::Running {
        return None;
    }
    if task.health == Health::Unhealthy {
        return Some(true);
    }
    if server.balancers.is_empty() {
        return Some(false);
    }
    let judged = targets.iter().filter_map(|target| match target.state {
        TargetState::Healthy => Some(false),
        TargetState::Unhealthy | TargetState::Unavailable => {
            Id::ZoneAils.may_bring(super::targets::of_target(server, target, now)).then_some(true)
        }
        _ => None,
    });
    judged.reduce(|one, other| one || other)
}
