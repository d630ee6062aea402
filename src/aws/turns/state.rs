//! What the turns have read, and what of it is due.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::kept::{Kept, rests, time};
use crate::aws::convert::text;
use crate::aws::ecs::{Described, SERVICES_AT_ONCE, Service, last_part};
use crate::aws::elb::GROUPS;
use crate::aws::fleet::{or_none, other_definitions, sorted};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{
    Age, Ages, Attention, Bounds, Fleet, HealthCheck, Server, Shortfall, Target, Task, Unreadable, not_yet,
};
use crate::core::logs::ContainerLog;
use crate::core::pace::Urgency;
use crate::core::unread::Read;

/// After so long what is seen is read again.
pub(super) const SEEN: Duration = Duration::from_millis(3_000);
/// The same for what ECS says of it, so that with the pause between two turns nothing on the screen becomes older than 5 s.
const SEEN_SERVICE: Duration = Duration::from_millis(2_600);
/// The same for what changes.
pub(super) const CHANGING: Duration = Duration::from_millis(800);
/// The same at the beginning of a turn, while something changes: the next turn comes soon.
const BEGINS_SOON: Duration = Duration::from_secs(2);
/// After so long the tasks of one server are read again, so that with the calls that it takes they are at most 5 s old.
pub(super) const TASKS: Duration = Duration::from_millis(3_600);
/// After so long the rest is read again, so that with the pause between two turns nothing becomes older than 30 s.
const REST: Duration = Duration::from_secs(24);
/// After a key that asks for it, or after an operation, what is older than this is read again.
pub(super) const ANEW: Duration = Duration::from_millis(800);
/// Target groups that are seen are read no more often than one in this time, so that each of sixteen is at most 5 s old,
/// and each of forty 12 s. AWS has a call for each group alone, and 10 of them a second for everybody in the account
/// ("Request throttling for the Elastic Load Balancing API"), of which half is ours; what ECS says of a service comes ten
/// at a time, so it is fresh, and where it changes, its targets are read at once.
const GROUP_SEEN: Duration = Duration::from_millis(300);
/// The same while one changes, which is read each second: it takes its part from the others.
const GROUP_SEEN_CHANGING: Duration = Duration::from_millis(450);
/// The same for the rest.
const GROUP: Duration = Duration::from_millis(850);
/// The age of target groups that are seen, while there are others that were never read.
const FILLING: Duration = Duration::from_secs(20);
/// How long the settings of a health check stand: they change with a deploy.
const CHECK: Duration = Duration::from_secs(300);
/// Rows that a screen has, about.
const FIRST: usize = 40;
/// Changing servers whose tasks are read on their own, between two reads of all tasks.
const ALONE: usize = 5;

/// One service, and when it was last seen to change.
pub(super) struct Seen {
    service: Service,
    changed: Instant,
}

/// A target group that a service names.
struct Group {
    arn: String,
    /// Whether the operator is at its service.
    selected: bool,
    /// Whether its service is on the screen.
    near: bool,
    /// Whether its service changes, or has changed since it was read.
    urgent: bool,
    /// When it was read last.
    at: Option<Instant>,
}

impl Group {
    /// How old it may become while the operator is at its service.
    fn selected_age(&self, attention: &Attention) -> Duration {
        if self.urgent || attention.anew { CHANGING } else { SEEN }
    }
}

/// What is known of one cluster.
#[derive(Default)]
pub(super) struct State {
    pub(super) cluster: String,
    pub(super) listed: Kept<Vec<String>>,
    /// What has come of the first list, which is not complete yet.
    pub(super) listing: Vec<String>,
    /// By ARN.
    pub(super) services: HashMap<String, Kept<Seen>>,
    /// Of the whole cluster; the tasks themselves are in `tasks_of`.
    pub(super) tasks: Kept<usize>,
    /// By the name of the service.
    pub(super) tasks_of: HashMap<String, (Vec<Task>, Instant)>,
    pub(super) bounds: Kept<BTreeMap<String, Bounds>>,
    /// By the ARN of the target group.
    pub(super) targets: HashMap<String, Kept<Vec<Target>>>,
    /// How target groups check their targets, by ARN, as far as the operator was at their servers.
    pub(super) checks: HashMap<String, Kept<HealthCheck>>,
    /// The target groups that are being read.
    pub(super) asked: HashSet<String>,
    /// Task definitions that could not be read.
    pub(super) unread_definitions: HashMap<String, (CloudError, Instant)>,
    /// When the last picture was made.
    pub(super) pictured: Option<Instant>,
}

/// How old something may become that takes so many calls, so that it takes an even share of the budget.
pub(super) fn share(calls: usize, of_one: Duration) -> Duration {
    of_one.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX)).clamp(SEEN, REST)
}

impl State {
    /// A turn begins. What one that was broken off was reading, nobody reads any more.
    pub(super) fn begin(&mut self) {
        self.pictured = None;
        self.asked.clear();
    }

    fn keep_service(&mut self, asked: &[String], mut service: Service) {
        let name = &service.server.name;
        let arn = asked.iter().find(|arn| **arn == service.server.arn || last_part(arn) == name);
        let arn = arn.cloned().unwrap_or_else(|| service.server.arn.clone());
        let kept = self.services.entry(arn).or_default();
        let same = kept.value.as_ref().filter(|(before, _)| alike(&before.service.server, &service.server));
        let changed = same.map_or_else(Instant::now, |(before, _)| before.changed);
        if service.server.short() {
            let before = kept.value.as_ref().map(|(seen, _)| &seen.service.server);
            let before = before.map(|server| (server.short(), server.shortfall));
            service.server.shortfall = Shortfall::remembered(before, service.server.shortfall, Timestamp::now());
        }
        kept.keep(Ok(Seen { service, changed }));
    }

    pub(super) fn keep_services(&mut self, asked: Vec<String>, described: CloudResult<Described>) {
        match described {
            Ok(described) => {
                described.services.into_iter().for_each(|service| self.keep_service(&asked, service));
                for one in described.unreadable {
                    self.services.entry(one.arn.clone()).or_default().keep(Err(one.why));
                }
            }
            Err(why) => {
                for arn in asked {
                    self.services.entry(arn).or_default().keep(Err(why.clone()));
                }
            }
        }
    }

    /// The services of the cluster, by ARN, as far as they are known.
    pub(super) fn arns(&self) -> &[String] {
        self.listed.value.as_ref().map_or(&self.listing, |(arns, _)| arns)
    }

    /// Takes a page of the first list, which is described before the others have come.
    pub(super) fn page(&mut self, arns: &[String]) {
        if self.listed.value.is_none() {
            let known: HashSet<&String> = self.listing.iter().collect();
            let new: Vec<String> = arns.iter().filter(|arn| !known.contains(arn)).cloned().collect();
            self.listing.extend(new);
        }
    }

    /// Whether there are services that nobody has tried to describe yet.
    pub(super) fn has_new(&self) -> bool {
        self.arns().iter().any(|arn| !self.services.contains_key(arn))
    }

    /// The services that are due, in calls; what is seen and what changes comes first. A call that has room takes
    /// more of those that are due next.
    pub(super) fn due_services(&self, attention: &Attention, begins: bool) -> Vec<(Urgency, Vec<String>)> {
        let arns = self.arns();
        let rest = share(arns.len().div_ceil(SERVICES_AT_ONCE), Duration::from_millis(600));
        let first = self.first(attention);
        let sees = |name: &str| attention.sees(name) || first.contains(name);
        let known = self.services.values().filter_map(|kept| kept.value.as_ref());
        let changing = known.map(|(seen, _)| &seen.service.server).any(Server::moving);
        let at_first = if changing { BEGINS_SOON } else { CHANGING };
        let mut urgent = Vec::new();
        let mut others: Vec<(Option<Instant>, bool, &String)> = Vec::new();
        for arn in arns {
            let known = self.services.get(arn);
            let age = match known.and_then(|known| known.value.as_ref()) {
                _ if attention.anew => ANEW,
                Some((seen, _)) if seen.service.server.moving() => CHANGING,
                Some((seen, _)) if sees(&seen.service.server.name) => {
                    if begins {
                        at_first
                    } else {
                        SEEN_SERVICE
                    }
                }
                _ => rest,
            };
            let due = known.is_none_or(|known| known.due(age));
            match due && (age < rest || sees(last_part(arn))) {
                true => urgent.push(arn),
                false => others.push((known.and_then(Kept::read_at), due, arn)),
            }
        }
        // Those that were never read, then the oldest.
        others.sort_by_key(|(at, ..)| *at);
        let due = others.iter().filter(|(_, due, _)| *due).count();
        let calls = (urgent.len() + due).div_ceil(SERVICES_AT_ONCE);
        let first = urgent.len().div_ceil(SERVICES_AT_ONCE);
        let order: Vec<String> = urgent.into_iter().chain(others.into_iter().map(|(.., arn)| arn)).cloned().collect();
        let chunks = order.chunks(SERVICES_AT_ONCE).take(calls).map(<[String]>::to_vec).enumerate();
        chunks.map(|(at, chunk)| (if at < first { Urgency::Seen } else { Urgency::Rest }, chunk)).collect()
    }

    /// The target groups of the server that the operator is at, as far as they are due.
    pub(super) fn due_selected(&self, attention: &Attention) -> Vec<String> {
        let groups = self.groups(attention).into_iter().filter(|group| group.selected);
        let due = groups.filter(|group| self.targets_due(group, group.selected_age(attention)));
        due.map(|group| group.arn).collect()
    }

    /// The target groups of that server whose health checks are to be read.
    pub(super) fn due_checks(&self, attention: &Attention) -> Vec<String> {
        let age = if attention.anew { ANEW } else { CHECK };
        let groups = self.groups(attention).into_iter().filter(|group| group.selected);
        let due = groups.filter(|group| self.checks.get(&group.arn).is_none_or(|known| known.due(age)));
        due.map(|group| group.arn).collect()
    }

    /// Keeps what was read of these health checks. Of a group that is not in the answer nothing is known.
    pub(super) fn keep_checks(&mut self, asked: Vec<String>, read: &CloudResult<BTreeMap<String, HealthCheck>>) {
        for arn in asked {
            let unknown = || CloudError::new(ErrorKind::NotFound, GROUPS, "no such target group");
            let check = read.as_ref().map_err(Clone::clone);
            let check = check.and_then(|all| all.get(&arn).cloned().ok_or_else(unknown));
            self.checks.entry(arn).or_default().keep(check);
        }
    }

    fn targets_due(&self, group: &Group, age: Duration) -> bool {
        self.targets.get(&group.arn).is_none_or(|known| known.due(age))
    }

    /// Whether a target group is to be read now: nobody is reading it, and it was not read since this time, when it was
    /// found to be due. It is marked as being read then, until [`keep_targets`](Self::keep_targets).
    pub(super) fn ask_targets(&mut self, arn: &str, found: Instant) -> bool {
        let since = self.targets.get(arn).and_then(Kept::tried_at).is_some_and(|at| at > found);
        !since && self.asked.insert(arn.to_owned())
    }

    pub(super) fn keep_targets(&mut self, arn: String, read: CloudResult<Vec<Target>>) {
        self.asked.remove(&arn);
        self.targets.entry(arn).or_default().keep(read);
    }

    /// The target groups that are due, as many as there is room for, shared as [`for_rest`] has it: those of the server
    /// that the operator is at before all others.
    pub(super) fn due_targets(&self, attention: &Attention, room: usize) -> Vec<(Urgency, String)> {
        let groups = self.groups(attention);
        let (seen, unseen): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.near);
        // Before what is seen is read again, each was read once.
        let filling = unseen.iter().any(|group| !self.targets.contains_key(&group.arn));
        let of_one = if groups.iter().any(|group| group.urgent) { GROUP_SEEN_CHANGING } else { GROUP_SEEN };
        let often = |groups: &[&Group], of_one: Duration, least| of_one.saturating_mul(groups.len() as u32).max(least);
        let seen_age = often(&seen, of_one, if filling { FILLING } else { SEEN });
        let unseen_age = often(&unseen, GROUP, REST);
        let due = |group: &&Group| {
            let age = match group.near {
                _ if group.selected => group.selected_age(attention),
                _ if group.urgent => CHANGING,
                true if attention.anew => ANEW,
                true => seen_age,
                false => unseen_age,
            };
            self.targets_due(group, age)
        };
        let (mut first, mut rest): (Vec<&Group>, Vec<&Group>) =
            groups.iter().filter(due).partition(|group| group.near || group.urgent);
        // Those that were never read, then the oldest.
        let order = |group: &Group| (!group.selected, !group.urgent, group.at);
        first.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.arn.cmp(&b.arn)));
        rest.sort_by(|a, b| (a.at, &a.arn).cmp(&(b.at, &b.arn)));
        let unread = first.iter().filter(|group| group.at.is_none()).count();
        let waited = rest.first().map(|group| group.at) < first.first().map(|group| group.at);
        let for_rest = for_rest(room, (first.len(), unread), (rest.len(), waited));
        let urgency = |group: &Group| if group.selected { Urgency::Selected } else { Urgency::Seen };
        let first = first.into_iter().take(room - for_rest).map(|group| (urgency(group), group.arn.clone()));
        let rest = rest.into_iter().take(for_rest).map(|group| (Urgency::Rest, group.arn.clone()));
        let mut once = HashSet::new();
        first.chain(rest).filter(|(_, arn)| once.insert(arn.clone())).collect()
    }

    /// The services that a table begins with, while nothing has been shown yet on which attention could rest.
    fn first(&self, attention: &Attention) -> HashSet<&str> {
        if !attention.targets || attention.opened.is_some() || !attention.seen.is_empty() {
            return HashSet::new();
        }
        let mut names: Vec<&str> = self.arns().iter().map(|arn| last_part(arn)).collect();
        names.sort_unstable();
        names.into_iter().take(FIRST).collect()
    }

    /// The target groups that services name.
    fn groups(&self, attention: &Attention) -> Vec<Group> {
        let first = self.first(attention);
        let seen = self.services.values().filter_map(|kept| kept.value.as_ref());
        let groups = seen.flat_map(|(seen, _)| {
            let server = &seen.service.server;
            let selected = attention.at() == Some(&server.name);
            let near = attention.sees(&server.name) || first.contains(server.name.as_str());
            seen.service.balancers.arns().into_iter().map(move |arn| {
                let at = self.targets.get(&arn).and_then(Kept::read_at);
                // What ECS shows to have changed has probably changed there, too.
                let outrun = at.is_some_and(|at| at < seen.changed);
                Group { arn, selected, near, urgent: server.moving() || outrun, at }
            })
        });
        groups.collect()
    }

    /// The task definitions whose logs are not known.
    pub(super) fn due_definitions(&self, room: usize, known: impl Fn(&str) -> bool) -> Vec<String> {
        let servers = self.services.values().filter_map(|kept| kept.value.as_ref());
        let mut wanted: Vec<String> = Vec::new();
        for (seen, _) in servers {
            let server = &seen.service.server;
            wanted.push(server.task_definition.clone());
            if let Some((tasks, _)) = self.tasks_of.get(&server.name) {
                wanted.extend(other_definitions(&Server { tasks: Read::Known(tasks.clone()), ..server.clone() }));
            }
        }
        wanted.sort();
        wanted.dedup();
        let rests = |one: &String| self.unread_definitions.get(one).is_some_and(|(_, at)| rests(*at));
        wanted.retain(|one| !known(one) && !rests(one));
        wanted.truncate(room);
        wanted
    }

    /// How old the tasks of the cluster may become, which takes two lists and the descriptions, both a hundred a call.
    fn tasks_age(&self) -> Duration {
        share(self.tasks.value.as_ref().map_or(3, |(count, _)| count / 50 + 3), Duration::from_millis(700))
    }

    pub(super) fn all_tasks_due(&self, anew: bool) -> bool {
        self.tasks.due(if anew { ANEW } else { self.tasks_age() })
    }

    /// Keeps the tasks of the cluster, whose list began then; those of a server that were read since are newer.
    pub(super) fn keep_tasks(&mut self, begun: Instant, read: CloudResult<BTreeMap<String, Vec<Task>>>) {
        match read {
            Ok(tasks) => {
                let now = Instant::now();
                self.tasks.keep(Ok(tasks.values().map(Vec::len).sum()));
                self.tasks_of.retain(|_, (_, at)| *at > begun);
                for (name, tasks) in tasks {
                    self.tasks_of.entry(name).or_insert((tasks, now));
                }
            }
            Err(why) => self.tasks.keep(Err(why)),
        }
    }

    /// The servers whose tasks are due on their own: what is opened is, whatever the list of all does.
    pub(super) fn due_tasks(&self, attention: &Attention) -> Vec<String> {
        // Where the list of all is short, it brings them in time.
        let listed = self.tasks.value.is_some() && self.tasks_age() == SEEN;
        if listed || (self.tasks.value.is_none() && attention.opened.is_none()) {
            return Vec::new();
        }
        let opened = attention.opened.clone().into_iter();
        let moving = self.services.values().filter_map(|kept| kept.value.as_ref());
        let moving = moving.map(|(seen, _)| &seen.service.server).filter(|server| server.moving());
        let old = |name: &String| self.tasks_of.get(name).is_none_or(|(_, at)| at.elapsed() >= TASKS);
        let alone = opened.chain(moving.map(|server| server.name.clone())).filter(old).take(ALONE);
        alone.collect()
    }

    /// Why nothing could be read, if not one service could. One that is missing has just been deleted.
    pub(super) fn nothing_but_failures(&self) -> Option<CloudError> {
        let shown: Vec<_> = self.services.values().filter_map(Kept::shown).collect();
        if shown.iter().any(Result::is_ok) {
            return None;
        }
        let mut whys = shown.into_iter().filter_map(Result::err);
        whys.find(|why| why.kind != ErrorKind::NotFound).cloned()
    }

    /// The fleet as far as it is known.
    pub(super) fn fleet(&self, logs: impl Fn(&str) -> Option<Vec<ContainerLog>>) -> Fleet {
        let mut fleet = Fleet {
            listing: self.listed.value.is_none(),
            unlisted: self.listed.error.as_ref().map(|(why, _)| why.clone()),
            ..Fleet::default()
        };
        for arn in self.arns() {
            match self.services.get(arn).and_then(Kept::shown) {
                Some(Ok(seen)) => {
                    fleet.servers.push(self.server(&seen.service, &logs));
                    fleet.ages.insert(seen.service.server.name.clone(), self.ages(arn, &seen.service));
                }
                Some(Err(why)) => fleet.unreadable.push(Unreadable {
                    name: text(Some(last_part(arn))),
                    arn: text(Some(arn)),
                    why: why.clone(),
                }),
                None => fleet.listing = true,
            }
        }
        fleet.part_shared_groups();
        sorted(fleet)
    }

    /// How old the parts of a service are.
    fn ages(&self, arn: &str, service: &Service) -> Ages {
        let alone = self.tasks_of.get(&service.server.name).map(|(_, at)| time(*at));
        let tasks = self.tasks.age();
        let groups: Vec<Age> = service
            .balancers
            .arns()
            .iter()
            .map(|arn| match self.targets.get(arn) {
                Some(kept) => kept.age(),
                None => Age::default(),
            })
            .collect();
        let error = groups.iter().find_map(|group| group.error.clone());
        // The oldest, and one that was never read is older than any.
        let at = groups.iter().map(|group| group.at).min();
        Ages {
            service: self.services.get(arn).map(Kept::age).unwrap_or_default(),
            tasks: Age { at: alone.max(tasks.at), ..tasks },
            targets: at.map(|at| Age { at, error }),
            bounds: self.bounds.age(),
        }
    }

    fn server(&self, service: &Service, logs: &impl Fn(&str) -> Option<Vec<ContainerLog>>) -> Server {
        let mut server = service.server.clone();
        let ours = self.tasks_of.get(&server.name).map(|(tasks, _)| tasks.clone());
        let alone = self.tasks.value.is_none().then(|| ours.clone()).flatten();
        let ours = ours.unwrap_or_default();
        server.tasks = match self.tasks.shown() {
            _ if let Some(alone) = alone => Read::Known(alone),
            Some(all) => Read::from(all.map(|_| ours).map_err(Clone::clone)),
            None => not_yet("ecs:ListTasks"),
        };
        server.bounds = match self.bounds.shown() {
            Some(bounds) => Read::from(bounds.map(|all| all.get(&server.name).copied()).map_err(Clone::clone)),
            None => not_yet("application-autoscaling:DescribeScalableTargets"),
        };
        let check = |arn: &str| match self.checks.get(arn)?.shown()? {
            Ok(check) => Some(Ok(check.clone())),
            // An endpoint that lacks the call has none to tell.
            Err(why) => (why.kind != ErrorKind::Unsupported).then(|| Err(why.clone())),
        };
        let targets = |arn: &str| {
            let shown = self.targets.get(arn)?.shown()?;
            Some(shown.cloned().map_err(Clone::clone))
        };
        server.balancers = service.balancers.with(targets, check);
        server.logs = match (logs(&server.task_definition), self.unread_definitions.get(&server.task_definition)) {
            (Some(own), _) => {
                let others = other_definitions(&server).iter().filter_map(|other| logs(other)).flatten().collect();
                let mut all = [own, others].concat();
                all.sort();
                all.dedup();
                Read::Known(all)
            }
            // An endpoint that lacks task definitions has no logs.
            (None, Some((why, _))) => or_none(Err(why.clone())).into(),
            (None, None) => not_yet("ecs:DescribeTaskDefinition"),
        };
        server
    }
}

/// How much of the room is for what is not seen: none while something that is seen was never read, then a third. Where
/// there is no room for a third, as after throttles, it goes to whoever has waited longest.
///
/// `first` is how many are seen and due, and how many of them were never read; `rest` how many others are due, and
/// whether one of them has waited longer than all that are seen.
fn for_rest(room: usize, (first, unread): (usize, usize), (rest, waited): (usize, bool)) -> usize {
    let left = room.saturating_sub(unread);
    let share = if left < 3 { usize::from(waited).min(left) } else { left.div_ceil(3) };
    rest.min(share.max(room.saturating_sub(first)))
}

/// Whether ECS shows the same of a service as before.
fn alike(before: &Server, now: &Server) -> bool {
    let told = |server: &Server| (server.events.first().map(|event| event.at), server.deployments.clone());
    (before.running, before.pending, before.desired) == (now.running, now.pending, now.desired)
        && told(before) == told(now)
}

#[cfg(test)]
mod tests;
