//! The load balancers of a service. Each stands before all tasks, so each is judged on its own: healthy targets
//! of one say nothing about another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Fleet, HealthCheck, Rollout, Server, Target, TargetState};
use crate::core::error::{CloudError, ErrorKind};
use crate::core::unread::Read;

/// One entry of a service's load balancers: the target group in which its tasks are registered, or the two
/// between which deployments move them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Balancer {
    /// Ids of the task sets whose tasks are registered; empty where all tasks of the service are.
    pub task_sets: Vec<String>,
    pub groups: Vec<TargetGroup>,
}

/// A target group, or a Classic Load Balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetGroup {
    pub name: String,
    pub targets: Read<Vec<Target>>,
    /// How it finds out whether they are healthy; `None` where nobody has asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Read<HealthCheck>>,
}

/// Targets of a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub healthy: usize,
    /// Without those that are being taken away.
    pub registered: usize,
    /// As many as there should be tasks.
    pub wanted: usize,
}

/// How a balancer finds the tasks of a service, with the target group that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served<'a> {
    /// As many targets are healthy as are wanted.
    Full(&'a TargetGroup, Counted),
    /// Fewer are.
    Short(&'a TargetGroup, Counted),
    /// No target is registered, but ECS calls the task set steady, which it does only behind a healthy load
    /// balancer (API reference, TaskSet, stabilityStatus).
    Vouched(&'a TargetGroup, Counted),
    Unread(&'a TargetGroup, &'a CloudError),
}

impl TargetGroup {
    /// The targets that are known.
    pub fn known(&self) -> &[Target] {
        self.targets.known().map(Vec::as_slice).unwrap_or_default()
    }

    fn counted(&self, wanted: u32) -> Counted {
        let leaves = |target: &&Target| !matches!(target.state, TargetState::Draining);
        let healthy = self.known().iter().filter(|target| target.state == TargetState::Healthy).count();
        Counted { healthy, registered: self.known().iter().filter(leaves).count(), wanted: wanted as usize }
    }
}

impl Balancer {
    /// Of two groups the one with the healthy targets counts: after a deployment the other one is empty, and
    /// which of them it is changes each time.
    fn served(&self, wanted: u32, steady: bool) -> Option<Served<'_>> {
        let read = self.groups.iter().filter(|group| group.targets.known().is_some());
        let best = read.map(|group| (group, group.counted(wanted))).max_by_key(|(_, of)| (of.healthy, of.registered));
        let unread = self.groups.iter().find_map(|group| Some((group, group.targets.why()?)));
        Some(match (best, unread) {
            (Some((group, of)), _) if of.healthy >= of.wanted => Served::Full(group, of),
            (_, Some((group, why))) => Served::Unread(group, why),
            (Some((group, of)), None) if of.registered == 0 && steady => Served::Vouched(group, of),
            (Some((group, of)), None) => Served::Short(group, of),
            (None, None) => return None,
        })
    }
}

impl Counted {
    /// Healthy ones, of those that are wanted or there.
    pub fn cell(self) -> String {
        format!("{}/{}", self.healthy, self.registered.max(self.wanted))
    }
}

impl Served<'_> {
    /// Whether all that it lacks is not judged yet.
    pub fn joins(&self) -> bool {
        let Self::Short(group, of) = self else { return false };
        let initial = group.known().iter().filter(|target| target.state == TargetState::Initial).count();
        of.healthy + initial >= of.wanted
    }

    /// For a table: `?` where the targets were not read.
    fn cell(&self) -> String {
        match self {
            Self::Full(_, of) | Self::Short(_, of) | Self::Vouched(_, of) => of.cell(),
            Self::Unread(_, why) if why.kind == ErrorKind::NotYet => "…".to_owned(),
            Self::Unread(..) => "?".to_owned(),
        }
    }

    /// The worst first.
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Short(_, of) => (0, of.healthy),
            Self::Unread(..) => (1, 0),
            Self::Vouched(..) => (2, 0),
            Self::Full(_, of) => (3, of.healthy),
        }
    }

    /// The target group that counts.
    pub fn group(&self) -> &TargetGroup {
        match self {
            Self::Full(group, _) | Self::Short(group, _) | Self::Vouched(group, _) | Self::Unread(group, _) => group,
        }
    }

    /// What was counted, if it was read.
    pub fn counted(&self) -> Option<Counted> {
        match self {
            Self::Full(_, of) | Self::Short(_, of) | Self::Vouched(_, of) => Some(*of),
            Self::Unread(..) => None,
        }
    }
}

impl Server {
    /// How each of its balancers finds its tasks, the worst first. One whose task sets are to have no task is
    /// left out.
    pub fn served(&self) -> impl Iterator<Item = Served<'_>> {
        let judged = |balancer: &'_ Balancer| {
            let ours = |set: &&super::Deployment| balancer.task_sets.contains(&set.id);
            let (whole, steady) = (balancer.task_sets.is_empty(), self.live().filter(ours));
            let wanted = if whole { self.desired } else { self.live().filter(ours).map(|set| set.desired).sum() };
            let steady = !whole && steady.map(|set| &set.rollout).all(|rollout| *rollout == Rollout::Completed);
            (wanted, steady)
        };
        let mut served: Vec<Served<'_>> = self
            .balancers
            .iter()
            .map(|balancer| (balancer, judged(balancer)))
            .filter(|(balancer, (wanted, _))| *wanted > 0 || balancer.task_sets.is_empty())
            .filter_map(|(balancer, (wanted, steady))| balancer.served(wanted, steady))
            .collect();
        served.sort_by_key(Served::rank);
        served.into_iter()
    }

    /// Whether a balancer lacks only targets that it has not judged yet. It does so soon, one way or the other
    /// (Application Load Balancer guide, "Target health status": `initial`).
    pub fn joining(&self) -> bool {
        self.served().any(|served| served.joins())
    }

    /// Whether every balancer was read, and none has a healthy target for its tasks.
    pub fn dark(&self) -> bool {
        let mut served = self.served().peekable();
        served.peek().is_some()
            && served.all(|one| matches!(one, Served::Short(_, of) if of.healthy == 0 && of.wanted > 0))
    }

    /// Why the targets of a balancer are not known, if they are not.
    pub fn targets_unread(&self) -> Option<&CloudError> {
        let groups = self.balancers.iter().flat_map(|balancer| &balancer.groups);
        // A pair is known as soon as one of its groups is full.
        self.served().any(|served| matches!(served, Served::Unread(..))).then_some(())?;
        groups.into_iter().find_map(|group| group.targets.why())
    }

    /// Its target groups that were read, with their targets.
    pub fn known_groups(&self) -> impl Iterator<Item = &TargetGroup> {
        self.balancers.iter().flat_map(|balancer| &balancer.groups).filter(|group| group.targets.known().is_some())
    }

    /// Healthy targets for a table, the worst balancer first: `-` without one, `?` where they were not read.
    pub fn target_count(&self) -> String {
        let cells: Vec<String> = self.served().map(|served| served.cell()).collect();
        if cells.is_empty() { "-".to_owned() } else { cells.join(" ") }
    }
}

/// Whether a target is an IPv4 address, and not an instance.
fn is_address(id: &str) -> bool {
    id.split('.').count() == 4 && id.split('.').all(|part| part.parse::<u8>().is_ok())
}

impl Fleet {
    /// Leaves each server its own targets of a target group that several name, as far as addresses tell: those
    /// of one say nothing about another.
    pub fn part_shared_groups(&mut self) {
        let mut users: BTreeMap<String, usize> = BTreeMap::new();
        for server in &self.servers {
            let names: BTreeSet<&String> = server.known_groups().map(|group| &group.name).collect();
            names.into_iter().for_each(|name| *users.entry(name.clone()).or_default() += 1);
        }
        self.retain_own(|name| users.get(name).is_some_and(|users| *users > 1));
    }

    /// Leaves each server its own targets, as far as addresses tell, where it is not known who else uses a group.
    pub fn keep_own_targets(&mut self) {
        self.retain_own(|_| true);
    }

    fn retain_own(&mut self, of: impl Fn(&str) -> bool) {
        for server in &mut self.servers {
            // Of tasks without an address of their own a target does not say whose it is.
            if !server.live_tasks().any(|task| task.address.is_some()) {
                continue;
            }
            let ours: BTreeSet<String> = server.known_tasks().iter().filter_map(|task| task.address.clone()).collect();
            let groups = server.balancers.iter_mut().flat_map(|balancer| &mut balancer.groups);
            for group in groups.filter(|group| of(&group.name)) {
                if let Some(targets) = group.targets.known_mut() {
                    targets.retain(|target| !is_address(&target.id) || ours.contains(&target.id));
                }
            }
        }
    }
}
