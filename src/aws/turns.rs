//! The fleet for who looks at it for long: its parts are read in turn, and shown as they come.
//!
//! AWS has one call for ten services, one for a hundred tasks, and one for each target group. So a turn reads
//! what is due: what is seen and what changes after seconds, the rest after half a minute, or later where the
//! budget does not reach; then those come first that have waited longest. A part that is slow or fails keeps
//! nothing back, and takes nothing away that was read before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, join, stream};
use tokio::time::Instant;

use super::AwsCloud;
use super::convert::text;
use super::ecs::{SERVICES_AT_ONCE, Service, last_part};
use super::fleet::{by_service, newest_first, or_none, other_definitions, sorted};
use super::pacer::{Api, with};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Attention, Bounds, Fleet, Server, Target, Task, Unreadable, not_yet};
use crate::core::pace::Urgency;
use crate::core::unread::Read;

/// After so long what is seen is read again. Turns come every few seconds.
const SEEN: Duration = Duration::from_millis(3_500);
/// The same for what changes.
const CHANGING: Duration = Duration::from_millis(800);
/// After so long the rest is read again, where the budget allows.
const REST: Duration = Duration::from_secs(25);
/// After a key that asks for it, or after an operation, what is older than this is read again.
const ANEW: Duration = Duration::from_millis(800);
/// The pause of a part that could not be read.
const FAILED: Duration = Duration::from_secs(10);
/// So long what was read stands for a part that cannot be read for the moment.
const BRIDGED: Duration = Duration::from_secs(60);
/// Shortest time between two pictures of a fleet that is being read.
const PICTURE: Duration = Duration::from_millis(200);
/// A turn reads no more one by one than the budget has room for in this time: the next turn looks anew.
const TURN: Duration = Duration::from_secs(4);
/// Changing servers whose tasks are read on their own, between two reads of all tasks.
const ALONE: usize = 5;
/// Calls of one kind that are made at the same time.
const TOGETHER: usize = 4;

/// Something that was read, or could not be.
struct Kept<T> {
    /// The last good value, and when it was read.
    value: Option<(T, Instant)>,
    /// Why the newest attempt failed, and when.
    error: Option<(CloudError, Instant)>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { value: None, error: None }
    }
}

impl<T> Kept<T> {
    fn keep(&mut self, read: CloudResult<T>) {
        let now = Instant::now();
        match read {
            Ok(value) => (self.value, self.error) = (Some((value, now)), None),
            Err(error) => self.error = Some((error, now)),
        }
    }

    /// Whether it is older than this, or was never read. What has failed waits longer.
    fn due(&self, age: Duration) -> bool {
        match (&self.error, &self.value) {
            (Some((_, at)), _) => at.elapsed() >= FAILED,
            (None, Some((_, at))) => at.elapsed() >= age,
            (None, None) => true,
        }
    }

    fn read_at(&self) -> Option<Instant> {
        self.value.as_ref().map(|(_, at)| *at)
    }

    /// What stands for it: for some time the last good value also where the newest attempt failed by chance.
    fn shown(&self) -> Option<Result<&T, &CloudError>> {
        match (&self.value, &self.error) {
            (Some((value, at)), Some((error, _))) if error.retryable() && at.elapsed() < BRIDGED => Some(Ok(value)),
            (_, Some((error, _))) => Some(Err(error)),
            (Some((value, _)), None) => Some(Ok(value)),
            (None, None) => None,
        }
    }
}

/// One service, and when it was last seen to change.
struct Seen {
    service: Service,
    changed: Instant,
}

/// What is known of one cluster.
#[derive(Default)]
struct State {
    cluster: String,
    listed: Kept<Vec<String>>,
    /// By ARN.
    services: HashMap<String, Kept<Seen>>,
    /// Of the whole cluster; the tasks themselves are in `tasks_of`.
    tasks: Kept<usize>,
    /// By the name of the service.
    tasks_of: HashMap<String, (Vec<Task>, Instant)>,
    bounds: Kept<BTreeMap<String, Bounds>>,
    /// By the ARN of the target group.
    targets: HashMap<String, Kept<Vec<Target>>>,
    /// Task definitions that could not be read.
    unread_definitions: HashMap<String, (CloudError, Instant)>,
    /// When the last picture was made.
    pictured: Option<Instant>,
}

/// What the turns have read.
#[derive(Default)]
pub(super) struct Turns {
    /// Who asks while a turn is under way gets what that one reads.
    alone: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a turn is about.
struct Turn<'a> {
    cloud: &'a AwsCloud,
    cluster: &'a str,
    attention: &'a Attention,
    told: &'a (dyn Fn(Fleet) + Send + Sync),
}

impl AwsCloud {
    /// Reads what is due, tells the fleet whenever a part has come, and returns it at the end.
    pub(super) async fn take_turn(
        &self,
        cluster: &str,
        attention: &Attention,
        told: &(dyn Fn(Fleet) + Send + Sync),
    ) -> CloudResult<Fleet> {
        let _alone = self.turns.alone.lock().await;
        {
            let mut state = self.turns.state();
            if state.cluster != cluster {
                *state = State { cluster: cluster.to_owned(), ..State::default() };
            }
            state.pictured = None;
        }
        let turn = Turn { cloud: self, cluster, attention, told };
        let services = async {
            turn.list().await?;
            turn.services().await?;
            join!(Box::pin(turn.targets()), Box::pin(turn.definitions()));
            Ok(())
        };
        let (services, (), ()) = join!(Box::pin(services), Box::pin(turn.tasks()), Box::pin(turn.bounds()));
        services.map(|()| turn.picture())
    }
}

impl Turn<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.cloud.turns.state()
    }

    /// Tells the fleet as it is known by now: the first time at once, then not too often.
    fn tell(&self) {
        {
            let mut state = self.state();
            let known = state.services.values().any(|service| service.shown().is_some());
            if !known || state.pictured.is_some_and(|at| at.elapsed() < PICTURE) {
                return;
            }
            state.pictured = Some(Instant::now());
        }
        (self.told)(self.picture());
    }

    fn picture(&self) -> Fleet {
        self.state().fleet(|definition| self.cloud.known_logs(definition))
    }

    async fn list(&self) -> CloudResult<()> {
        let due = {
            let state = self.state();
            let pages = state.listed.value.as_ref().map_or(1, |(arns, _)| arns.len() / 100 + 1);
            let age = if self.attention.anew { ANEW } else { share(pages, Duration::from_secs(6)) };
            // A list that could not be read is asked for again by whoever asks for the fleet.
            state.listed.error.is_some() || state.listed.due(age)
        };
        if !due {
            return Ok(());
        }
        let listed = self.cloud.within("ecs:ListServices", self.cloud.listed(self.cluster));
        let listed = with(Urgency::Seen, listed).await;
        let mut state = self.state();
        if let Ok(arns) = &listed {
            let there: HashSet<&String> = arns.iter().collect();
            state.services.retain(|arn, _| there.contains(arn));
        }
        let failed = listed.as_ref().err().cloned();
        state.listed.keep(listed);
        failed.map_or(Ok(()), Err)
    }

    async fn services(&self) -> CloudResult<()> {
        let chunks = self.state().due_services(self.attention);
        let read = stream::iter(chunks).map(|(urgency, chunk)| async move {
            let described = self.cloud.describe_all(self.cluster, chunk.clone());
            let described = with(urgency, self.cloud.within("ecs:DescribeServices", described)).await;
            (chunk, described)
        });
        let mut coming = std::pin::pin!(read.buffer_unordered(TOGETHER));
        while let Some((chunk, described)) = coming.next().await {
            {
                let mut state = self.state();
                match described {
                    Ok(described) => {
                        described.services.into_iter().for_each(|service| state.keep_service(&chunk, service));
                        for one in described.unreadable {
                            state.services.entry(one.arn.clone()).or_default().keep(Err(one.why));
                        }
                    }
                    Err(why) => {
                        for arn in chunk {
                            state.services.entry(arn).or_default().keep(Err(why.clone()));
                        }
                    }
                }
            }
            self.tell();
        }
        self.state().nothing_but_failures().map_or(Ok(()), Err)
    }

    async fn targets(&self) {
        let room = self.cloud.pacer.room(Api::Balancers, TURN);
        let due = if self.attention.targets { self.state().due_targets(self.attention, room) } else { Vec::new() };
        let read = stream::iter(due).map(|(urgency, arn)| async move {
            let group = self.cloud.within("elasticloadbalancing:DescribeTargetHealth", self.cloud.target_group(&arn));
            let group = with(urgency, group).await;
            (arn, group)
        });
        let mut coming = std::pin::pin!(read.buffer_unordered(2 * TOGETHER));
        while let Some((arn, group)) = coming.next().await {
            self.state().targets.entry(arn).or_default().keep(group);
            self.tell();
        }
    }

    async fn definitions(&self) {
        let room = self.cloud.pacer.room(Api::Definitions, TURN);
        let due = self.state().due_definitions(room, |definition| self.cloud.known_logs(definition).is_some());
        let read = stream::iter(due).map(|definition| async move {
            let logs = self.cloud.within("ecs:DescribeTaskDefinition", self.cloud.logs_of(&definition));
            let logs = with(Urgency::Rest, logs).await;
            (definition, logs)
        });
        let mut coming = std::pin::pin!(read.buffer_unordered(TOGETHER));
        while let Some((definition, logs)) = coming.next().await {
            {
                let mut state = self.state();
                match logs {
                    Ok(_) => drop(state.unread_definitions.remove(&definition)),
                    Err(why) => drop(state.unread_definitions.insert(definition, (why, Instant::now()))),
                }
            }
            self.tell();
        }
    }

    async fn tasks(&self) {
        let (all, alone) = self.state().due_tasks(self.attention);
        if all {
            let read = self.cloud.within("ecs:ListTasks", self.cloud.tasks(self.cluster, None));
            let read = with(Urgency::Seen, read).await;
            let mut state = self.state();
            let (now, count) = (Instant::now(), read.as_ref().map(Vec::len));
            state.tasks.keep(count.map_err(Clone::clone));
            if let Ok(tasks) = read {
                state.tasks_of = by_service(tasks).into_iter().map(|(name, tasks)| (name, (tasks, now))).collect();
            }
        }
        for name in alone {
            let read = self.cloud.within("ecs:ListTasks", self.cloud.tasks(self.cluster, Some(&name)));
            // The next read of all tasks has them, if this one fails.
            if let Ok(tasks) = with(Urgency::Seen, read).await {
                self.state().tasks_of.insert(name, (newest_first(tasks), Instant::now()));
            }
        }
        self.tell();
    }

    async fn bounds(&self) {
        let due = {
            let state = self.state();
            let pages = state.listed.value.as_ref().map_or(1, |(arns, _)| arns.len() / 50 + 1);
            state.bounds.due(if self.attention.anew { ANEW } else { share(pages, Duration::from_secs(9)) })
        };
        if due {
            let read = self
                .cloud
                .within("application-autoscaling:DescribeScalableTargets", self.cloud.bounds(self.cluster, None));
            let read = or_none(with(Urgency::Rest, read).await);
            self.state().bounds.keep(read);
            self.tell();
        }
    }
}

/// How old something may become that takes so many calls, so that it takes an even share of the budget.
fn share(calls: usize, of_one: Duration) -> Duration {
    of_one.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX)).clamp(SEEN, REST)
}

impl State {
    fn keep_service(&mut self, asked: &[String], service: Service) {
        let name = &service.server.name;
        let arn = asked.iter().find(|arn| **arn == service.server.arn || last_part(arn) == name);
        let arn = arn.cloned().unwrap_or_else(|| service.server.arn.clone());
        let kept = self.services.entry(arn).or_default();
        let same = kept.value.as_ref().filter(|(before, _)| alike(&before.service.server, &service.server));
        let changed = same.map_or_else(Instant::now, |(before, _)| before.changed);
        kept.keep(Ok(Seen { service, changed }));
    }

    /// The services that are due, in calls; what is seen and what changes comes first. A call that has room takes
    /// more of those that are due next.
    fn due_services(&self, attention: &Attention) -> Vec<(Urgency, Vec<String>)> {
        let arns = self.listed.value.as_ref().map(|(arns, _)| arns.as_slice()).unwrap_or_default();
        let rest = share(arns.len().div_ceil(SERVICES_AT_ONCE), Duration::from_millis(600));
        let mut urgent = Vec::new();
        let mut others: Vec<(Option<Instant>, bool, &String)> = Vec::new();
        for arn in arns {
            let known = self.services.get(arn);
            let age = match known.and_then(|known| known.value.as_ref()) {
                _ if attention.anew => ANEW,
                Some((seen, _)) if seen.service.server.moving() => CHANGING,
                Some((seen, _)) if attention.sees(&seen.service.server.name) => SEEN,
                _ => rest,
            };
            let due = known.is_none_or(|known| known.due(age));
            match due && (age < rest || attention.sees(last_part(arn))) {
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

    /// The target groups that are due, as many as there is room for. A third of the room is for the rest.
    fn due_targets(&self, attention: &Attention, room: usize) -> Vec<(Urgency, String)> {
        let mut urgent: Vec<(Option<Instant>, String)> = Vec::new();
        let mut rest: Vec<(Option<Instant>, String)> = Vec::new();
        for (seen, _) in self.services.values().filter_map(|kept| kept.value.as_ref()) {
            let server = &seen.service.server;
            let near = server.moving() || attention.sees(&server.name);
            for arn in seen.service.balancers.arns() {
                let known = self.targets.get(&arn);
                let at = known.and_then(Kept::read_at);
                let age = match near {
                    true if server.moving() || attention.anew => CHANGING,
                    true => SEEN,
                    false => REST,
                };
                // What ECS shows to have changed has probably changed there, too.
                let outrun = at.is_some_and(|at| at < seen.changed);
                if known.is_none_or(|known| known.due(if outrun { CHANGING } else { age })) {
                    if near || outrun { &mut urgent } else { &mut rest }.push((at, arn));
                }
            }
        }
        urgent.sort();
        rest.sort();
        let for_rest = rest.len().min(room.div_ceil(3).max(room.saturating_sub(urgent.len())));
        let urgent = urgent.into_iter().take(room - for_rest.min(room)).map(|(_, arn)| (Urgency::Seen, arn));
        let rest = rest.into_iter().take(for_rest).map(|(_, arn)| (Urgency::Rest, arn));
        let mut once = HashSet::new();
        urgent.chain(rest).filter(|(_, arn)| once.insert(arn.clone())).collect()
    }

    /// The task definitions whose logs are not known.
    fn due_definitions(&self, room: usize, known: impl Fn(&str) -> bool) -> Vec<String> {
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
        let rests = |one: &String| self.unread_definitions.get(one).is_some_and(|(_, at)| at.elapsed() < FAILED);
        wanted.retain(|one| !known(one) && !rests(one));
        wanted.truncate(room);
        wanted
    }

    /// Whether all tasks are due, and the servers whose tasks are due on their own.
    fn due_tasks(&self, attention: &Attention) -> (bool, Vec<String>) {
        // Two lists and the descriptions, both a hundred a call.
        let calls = self.tasks.value.as_ref().map_or(3, |(count, _)| count / 50 + 3);
        let age = share(calls, Duration::from_millis(700));
        let all = self.tasks.due(if attention.anew { ANEW } else { age });
        if all || age == SEEN {
            return (all, Vec::new());
        }
        let opened = attention.opened.clone().into_iter();
        let moving = self.services.values().filter_map(|kept| kept.value.as_ref());
        let moving = moving.map(|(seen, _)| &seen.service.server).filter(|server| server.moving());
        let old = |name: &String| self.tasks_of.get(name).is_none_or(|(_, at)| at.elapsed() >= SEEN);
        let alone = opened.chain(moving.map(|server| server.name.clone())).filter(old).take(ALONE);
        (false, alone.collect())
    }

    /// Why nothing could be read, if not one service could. One that is missing has just been deleted.
    fn nothing_but_failures(&self) -> Option<CloudError> {
        let shown: Vec<_> = self.services.values().filter_map(Kept::shown).collect();
        if shown.iter().any(Result::is_ok) {
            return None;
        }
        let mut whys = shown.into_iter().filter_map(Result::err);
        whys.find(|why| why.kind != ErrorKind::NotFound).cloned()
    }

    /// The fleet as far as it is known.
    fn fleet(&self, logs: impl Fn(&str) -> Option<Vec<crate::core::logs::ContainerLog>>) -> Fleet {
        let mut fleet = Fleet::default();
        for arn in self.listed.value.iter().flat_map(|(arns, _)| arns) {
            match self.services.get(arn).and_then(Kept::shown) {
                Some(Ok(seen)) => fleet.servers.push(self.server(&seen.service, &logs)),
                Some(Err(why)) => fleet.unreadable.push(Unreadable {
                    name: text(Some(last_part(arn))),
                    arn: text(Some(arn)),
                    why: why.clone(),
                }),
                None => {}
            }
        }
        fleet.part_shared_groups();
        sorted(fleet)
    }

    fn server(
        &self,
        service: &Service,
        logs: &impl Fn(&str) -> Option<Vec<crate::core::logs::ContainerLog>>,
    ) -> Server {
        let mut server = service.server.clone();
        let ours = self.tasks_of.get(&server.name).map(|(tasks, _)| tasks.clone()).unwrap_or_default();
        server.tasks = match self.tasks.shown() {
            Some(all) => Read::from(all.map(|_| ours).map_err(Clone::clone)),
            None => not_yet("ecs:ListTasks"),
        };
        server.bounds = match self.bounds.shown() {
            Some(bounds) => Read::from(bounds.map(|all| all.get(&server.name).copied()).map_err(Clone::clone)),
            None => not_yet("application-autoscaling:DescribeScalableTargets"),
        };
        server.balancers = service.balancers.with(|arn| {
            let shown = self.targets.get(arn)?.shown()?;
            Some(shown.cloned().map_err(Clone::clone))
        });
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

/// Whether ECS shows the same of a service as before.
fn alike(before: &Server, now: &Server) -> bool {
    let told = |server: &Server| (server.events.first().map(|event| event.at), server.deployments.clone());
    (before.running, before.pending, before.desired) == (now.running, now.pending, now.desired)
        && told(before) == told(now)
}
