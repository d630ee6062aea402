//! What is wrong, by which evidence, since when, and what helps.
//!
//! A rule is a pure function from what was read to findings. A part that was not read proves nothing. The verdict,
//! the Fleet screen, `status` and `why` all rest on them.

mod below;
mod clients;
mod common;
mod drift;
mod id;
mod metrics;
mod reason;
mod service;
mod stacks;
mod stops;
mod targets;
mod told;
mod traffic;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use self::below::Below;
pub use self::clients::of_clients;
pub use self::common::{Common, Subject, common};
pub use self::drift::{drift, in_short, of_file, of_service};
pub use self::id::{Id, Layer, Remedy};
pub use self::metrics::{LATELY as STRETCH, fails, of_alarms, of_edge, of_firewall, of_metrics};
pub use self::reason::{of_a_check, of_stop};
pub use self::stacks::{Seen, of_stacks};
pub use self::stops::of_gone;
pub use self::traffic::{CURRENT, Much, much, of_traffic, of_why, refuses};
use super::fleet::{Deployment, Rollout, Server, TaskStatus};

/// Something wrong, in a form that can be acted on.
///
/// Its [`Id`] is stable and says which kind it is; [`Layer`] says how near it is to the origin. To add a rule, add a
/// row to the table of ids, and a function to one of the files of this module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its stable name.
    pub id: Id,
    /// How bad it is.
    pub gravity: Gravity,
    /// The fact, in one line.
    pub fact: String,
    /// What shows it.
    pub evidence: String,
    /// When it happened, the last time, where that is known.
    pub at: Option<Timestamp>,
    /// How often, or of how many things.
    pub count: usize,
    /// What helps, if anything does.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    /// Worth knowing.
    Note,
    /// Not as it should be.
    Warning,
    /// Wrong.
    Fault,
}

impl Finding {
    /// One thing that is wrong, without a time.
    fn new(id: Id, gravity: Gravity, fact: impl Into<String>, evidence: impl Into<String>) -> Self {
        let (fact, evidence) = (fact.into(), evidence.into());
        Self { id, gravity, fact, evidence, at: None, count: 1, remedy: id.remedy() }
    }

    fn at(self, at: Option<Timestamp>) -> Self {
        Self { at, ..self }
    }

    /// Whether this one may be why another is.
    pub fn explains(&self, other: &Self) -> bool {
        let of_itself = other.id.layer() == Layer::Advice || other.id.of_clients();
        if self.id.layer() == Layer::Below && !self.id.may_bring(other.id) {
            return false;
        }
        // An alarm is raised by what the others of its layer tell.
        let rung = other.id == Id::Alarm && self.id != Id::Alarm && self.id.layer() == other.id.layer();
        (rung || self.id.layer() < other.id.layer()) && !of_itself && self.gravity != Gravity::Note
    }
}

/// How long a task's own stop counts against its server.
pub const RECENT: SignedDuration = SignedDuration::from_mins(15);

/// Findings of a server: the worst first, of those the nearest to the origin, of those the newest.
pub fn findings(server: &Server, now: Timestamp) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(service::leaving(server));
    all.extend(service::zero(server));
    all.extend(service::capacity(server, now));
    all.extend(service::events(server));
    all.extend(service::rollout(server, now));
    all.extend(service::bounds(server));
    all.extend(service::zones(server));
    all.extend(service::safety(server));
    all.extend(targets::balancers(server, now));
    all.extend(targets::sick(server, now));
    all.extend(stops::stops(server, now));
    all.extend(stops::health_checks(server));
    in_order(&mut all);
    all
}

/// All that is wrong with a server: what it shows itself, what its stacks say, and what its traffic does, sorted as
/// [`findings`].
pub fn of_server(server: &Server, stacks: &[Seen], traffic: &[Finding], now: Timestamp) -> Vec<Finding> {
    let mut all = findings(server, now);
    let failed = of_stacks(stacks);
    if !failed.is_empty() {
        // Stops that are past for the service are why its stack's change failed.
        let past = |one: &&mut Finding| one.gravity == Gravity::Note && one.id.layer() <= Layer::Tasks;
        all.iter_mut().filter(past).for_each(|one| one.gravity = Gravity::Warning);
    }
    all.extend(failed);
    all.extend_from_slice(traffic);
    if traffic.iter().any(|one| one.id == Id::BusyAtMaximum) {
        // It says the same, and more.
        all.retain(|one| one.id != Id::BoundsAtMaximum);
    }
    in_order(&mut all);
    all
}

/// Sorts findings as [`findings`] returns them.
pub fn in_order(all: &mut [Finding]) {
    all.sort_by(|a, b| {
        let rank = |one: &Finding| (one.id.layer(), one.id == Id::Alarm);
        let nearer = rank(a).cmp(&rank(b));
        b.gravity.cmp(&a.gravity).then(nearer).then(b.count.cmp(&a.count)).then(b.at.cmp(&a.at))
    });
}

/// What is to be mended first, and what else is wrong because of it.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    pub finding: &'a Finding,
    /// The others, in their order.
    pub others: &'a [Finding],
}

impl<'a> Cause<'a> {
    /// The first of the findings that is more than a note; `None` where nothing is wrong.
    pub fn of(findings: &'a [Finding]) -> Option<Self> {
        let (finding, others) = findings.split_first().filter(|(first, _)| first.gravity != Gravity::Note)?;
        Some(Self { finding, others })
    }

    /// The others that follow from it.
    pub fn explained(&self) -> impl Iterator<Item = &'a Finding> {
        let cause = self.finding;
        self.others.iter().filter(move |other| cause.explains(other))
    }

    /// The others that it does not explain.
    pub fn besides(&self) -> impl Iterator<Item = &'a Finding> {
        let cause = self.finding;
        self.others.iter().filter(move |other| !cause.explains(other))
    }
}

/// Whether tasks that are there do not work, so that waiting for more does not help.
pub fn tasks_fail(server: &Server, now: Timestamp) -> bool {
    let of_tasks = [
        targets::sick(server, now),
        stops::stops(server, now),
        stops::health_checks(server),
        service::events(server),
        service::start_failures(server),
    ];
    of_tasks.iter().flatten().any(|finding| finding.gravity == Gravity::Fault)
}

/// Whether tasks are missing that will be started, as far as is known.
pub fn tasks_awaited(server: &Server, now: Timestamp) -> bool {
    service::awaited(server, now)
}

/// Whether a deployment is under way, or was just given up, that an older one was to make place for: going back
/// helps then. Where ECS itself goes back, to go back once more is to go too far.
fn fresh(server: &Server) -> bool {
    let Some(primary) = server.primary() else { return false };
    let older = server.deployments.iter().any(|one| {
        one.id != primary.id && one.task_definition != primary.task_definition && one.running + one.desired > 0
    });
    older && primary.rollout != Rollout::Completed && !service::goes_back(primary)
}

/// Deployments that failed, and were not followed by another one since. What ECS starts to go back is part of the
/// failure.
fn given_up(server: &Server) -> impl Iterator<Item = &Deployment> {
    let followed = |failed: &Deployment| {
        server.deployments.iter().any(|other| {
            let later = failed.created_at.zip(other.created_at).is_some_and(|(failed, other)| failed < other);
            later && other.rollout != Rollout::Failed && !service::goes_back(other)
        })
    };
    server.deployments.iter().filter(move |one| one.rollout == Rollout::Failed && !followed(one))
}

/// The zones of the tasks that run, each with its number.
pub fn running_by_zone(server: &Server) -> std::collections::BTreeMap<&str, usize> {
    let mut zones = std::collections::BTreeMap::new();
    let run = server.live_tasks().filter(|task| task.last_status == TaskStatus::Running && !task.zone.is_empty());
    run.for_each(|task| *zones.entry(task.zone.as_str()).or_default() += 1);
    zones
}
