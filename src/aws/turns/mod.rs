//! The fleet for who looks at it for long: its parts are read in turn, and shown as they come.
//!
//! AWS has one call for ten services, one for a hundred tasks, and one for each target group. So a turn reads
//! what is due: what is seen and what changes after seconds, the rest after half a minute, or later where the
//! budget does not reach; then those come first that have waited longest. A part that is slow or fails keeps
//! nothing back, and takes nothing away that was read before.

mod kept;
mod state;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, join, stream};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::state::{ANEW, CHANGING, SEEN, State, TASKS, share};
use super::AwsCloud;
use super::elb::GROUPS;
use super::fleet::{by_service, newest_first, or_none};
use super::pacer::{Api, with};
use crate::cloud::CloudResult;
use crate::core::fleet::{Attention, Fleet};
use crate::core::pace::Urgency;

/// Shortest time between two pictures of a fleet that is being read.
const PICTURE: Duration = Duration::from_millis(200);
/// A round reads no more one by one than the budget has room for in this time: the next one looks anew at what is due.
const ROUND: Duration = Duration::from_secs(2);
/// Calls of one kind that are made at the same time.
const TOGETHER: usize = 4;

/// What the turns have read.
#[derive(Default)]
pub(super) struct Turns {
    /// Who asks while a turn is under way gets what that one reads.
    alone: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// What is looked at.
    attention: watch::Sender<Attention>,
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look(&self, attention: &Attention) {
        self.attention.send_if_modified(|looked_at| {
            let elsewhere = looked_at != attention;
            looked_at.clone_from(attention);
            elsewhere
        });
    }
}

/// What a turn is about.
#[derive(Clone, Copy)]
struct Turn<'a> {
    cloud: &'a AwsCloud,
    cluster: &'a str,
    /// Whether all of it is to be read again.
    anew: bool,
    /// Whether it begins. The next turn comes some seconds after this one, so what is on the screen is read then.
    begins: bool,
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
            state.begin();
        }
        self.turns.look(attention);
        let turn = Turn { cloud: self, cluster, anew: attention.anew, begins: true, told };
        let read = turn.run().await;
        self.definitions.save().await;
        read.map(|()| turn.picture())
    }
}

/// These, as long as the round has time: the rest is due in the next one.
fn within_round<T>(due: Vec<T>) -> impl stream::Stream<Item = T> {
    let end = Instant::now() + ROUND;
    stream::iter(due).take_while(move |_| std::future::ready(Instant::now() < end))
}

/// Waits until this time, or until something else is looked at; false when all else is read.
async fn goes_on(over: &watch::Sender<bool>, looked: &mut watch::Receiver<Attention>, until: Instant) -> bool {
    let mut ends = over.subscribe();
    let ended = async {
        // The sender is here, so it does not go.
        let _ = ends.wait_for(|over| *over).await;
    };
    tokio::select! {
        () = ended => {}
        _ = looked.changed() => {}
        () = tokio::time::sleep_until(until) => {}
    }
    !*over.borrow()
}

impl Turn<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.cloud.turns.state()
    }

    /// Reads what is due. The services come in rounds for as long as anything else takes, because what is on the screen
    /// must not wait for the slowest part.
    async fn run(&self) -> CloudResult<()> {
        let (described, more) = (AtomicBool::new(false), Notify::new());
        let (listed, over) = (AtomicBool::new(false), watch::Sender::new(false));
        // What was wanted anew is read by the first round.
        let later = Turn { anew: false, begins: false, ..*self };
        let lists = async {
            join!(Box::pin(self.tasks()), Box::pin(self.bounds()));
            listed.store(true, Ordering::Release);
            more.notify_one();
        };
        let parts = async {
            let mut turn = self;
            loop {
                let last = listed.load(Ordering::Acquire) && described.load(Ordering::Acquire);
                let began = Instant::now();
                join!(Box::pin(turn.targets()), Box::pin(turn.definitions()));
                if last {
                    return;
                }
                // Where there was no time for all, the rest is due; else what others bring, or what becomes old.
                let wait = if began.elapsed() >= ROUND { PICTURE } else { SEEN };
                let _ = tokio::time::timeout(wait, more.notified()).await;
                turn = &later;
            }
        };
        let beside = async {
            join!(lists, parts);
            over.send_replace(true);
        };
        let (known, page) = (AtomicBool::new(false), Notify::new());
        let list = async {
            let read = self.list(&page).await;
            known.store(true, Ordering::Release);
            page.notify_one();
            read
        };
        let rounds = async {
            let (mut looked, mut turn) = (self.cloud.turns.attention.subscribe(), self);
            loop {
                let (began, whole) = (Instant::now(), known.load(Ordering::Acquire));
                turn.describe(&more).await;
                turn = &later;
                let new = self.state().has_new();
                if whole && !new && !described.swap(true, Ordering::AcqRel) {
                    more.notify_one();
                }
                // Where there was no time for all, the rest is due. Else what is seen becomes old at a time of its own.
                let pause = if new || began.elapsed() >= ROUND { began } else { began + CHANGING };
                tokio::select! {
                    on = goes_on(&over, &mut looked, pause) => if !on { return },
                    () = page.notified() => {}
                }
            }
        };
        let ahead = async { join!(self.alone(&over), self.selected(&over)) };
        let (listed, (), (), _) = join!(Box::pin(list), Box::pin(rounds), Box::pin(beside), Box::pin(ahead));
        listed?;
        // Which target groups the selected server has is known only now, where its service came with this turn.
        later.checks().await;
        self.state().nothing_but_failures().map_or(Ok(()), Err)
    }

    /// Reads the tasks of servers that are opened or change, until all else is read.
    async fn alone(&self, over: &watch::Sender<bool>) {
        let mut looked = self.cloud.turns.attention.subscribe();
        loop {
            self.tasks_alone().await;
            if !goes_on(over, &mut looked, Instant::now() + TASKS).await {
                return;
            }
        }
    }

    /// Reads the targets of the server that the operator is at as soon as they are old, until all else is read: where
    /// somebody goes to another one, they do not wait for those that were due before.
    async fn selected(&self, over: &watch::Sender<bool>) {
        let mut looked = self.cloud.turns.attention.subscribe();
        let (mut turn, later) = (self, Turn { anew: false, ..*self });
        loop {
            let (found, attention) = (Instant::now(), turn.attention());
            let due = if attention.targets { self.state().due_selected(&attention) } else { Vec::new() };
            stream::iter(due).for_each(|arn| self.target_group(Urgency::Selected, arn, found)).await;
            turn.checks().await;
            turn = &later;
            if !goes_on(over, &mut looked, Instant::now() + SEEN).await {
                return;
            }
        }
    }

    /// Reads how the target groups of that server check their targets, where that is due.
    async fn checks(&self) {
        let attention = self.attention();
        let arns = if attention.targets { self.state().due_checks(&attention) } else { Vec::new() };
        if arns.is_empty() {
            return;
        }
        let read = self.cloud.within(GROUPS, self.cloud.health_checks(&arns));
        let read = with(Urgency::Seen, read).await;
        self.state().keep_checks(arns, &read);
        self.tell();
    }

    /// Reads a target group that was due when it was found to be.
    async fn target_group(&self, urgency: Urgency, arn: String, found: Instant) {
        if !self.state().ask_targets(&arn, found) {
            return;
        }
        let group = self.cloud.within("elasticloadbalancing:DescribeTargetHealth", self.cloud.target_group(&arn));
        let group = with(urgency, group).await;
        self.state().keep_targets(arn, group);
        self.tell();
    }

    /// What is looked at by now.
    fn attention(&self) -> Attention {
        Attention { anew: self.anew, ..self.cloud.turns.attention.borrow().clone() }
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

    /// Reads the list if it is due, and tells of each page that has come.
    async fn list(&self, come: &Notify) -> CloudResult<()> {
        let due = {
            let state = self.state();
            let pages = state.arns().len() / 100 + 1;
            let age = if self.anew { ANEW } else { share(pages, Duration::from_secs(6)) };
            // Without a list there is nothing else to read.
            state.listed.value.is_none() || state.listed.due(age)
        };
        if !due {
            return Ok(());
        }
        let page = |arns: &[String]| {
            self.state().page(arns);
            come.notify_one();
        };
        let listed = self.cloud.within("ecs:ListServices", self.cloud.listed(self.cluster, &page));
        let listed = with(Urgency::Seen, listed).await;
        let mut state = self.state();
        if let Ok(arns) = &listed {
            let there: HashSet<&String> = arns.iter().collect();
            state.services.retain(|arn, _| there.contains(arn));
            state.listing.clear();
        }
        let failed = listed.as_ref().err().cloned();
        state.listed.keep(listed);
        // What is known can be read again without the list, unless the cluster is gone or nothing may be read.
        let bridged = state.listed.value.is_some();
        failed.filter(|why| !(bridged && why.retryable())).map_or(Ok(()), Err)
    }

    /// Describes the services that are due, as long as the round has time.
    async fn describe(&self, more: &Notify) {
        let due = self.state().due_services(&self.attention(), self.begins);
        let read = within_round(due).map(|(urgency, chunk)| async move {
            let described = self.cloud.describe_all(self.cluster, chunk.clone());
            let described = with(urgency, self.cloud.within("ecs:DescribeServices", described)).await;
            (chunk, described)
        });
        let mut coming = std::pin::pin!(read.buffer_unordered(TOGETHER));
        while let Some((chunk, described)) = coming.next().await {
            self.state().keep_services(chunk, described);
            more.notify_one();
            self.tell();
        }
    }

    async fn targets(&self) {
        let (room, attention) = (self.cloud.pacer.room(Api::Balancers, ROUND), self.attention());
        let due = if attention.targets { self.state().due_targets(&attention, room) } else { Vec::new() };
        let found = Instant::now();
        let read = within_round(due).map(|(urgency, arn)| self.target_group(urgency, arn, found));
        read.buffer_unordered(2 * TOGETHER).collect::<()>().await;
    }

    async fn definitions(&self) {
        let room = self.cloud.pacer.room(Api::Definitions, ROUND);
        let due = self.state().due_definitions(room, |definition| self.cloud.known_logs(definition).is_some());
        let read = within_round(due).map(|definition| async move {
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
        if self.state().all_tasks_due(self.anew) {
            let begun = Instant::now();
            let read = self.cloud.within("ecs:ListTasks", self.cloud.tasks(self.cluster, None));
            let read = with(Urgency::Rest, read).await;
            self.state().keep_tasks(begun, read.map(by_service));
            self.tell();
        }
    }

    /// The tasks of servers that are opened or change, which do not wait for the list of all.
    async fn tasks_alone(&self) {
        let due = self.state().due_tasks(&self.attention());
        for name in due {
            let read = self.cloud.within("ecs:ListTasks", self.cloud.tasks(self.cluster, Some(&name)));
            // The next read of all tasks has them, if this one fails.
            if let Ok(tasks) = with(Urgency::Seen, read).await {
                self.state().tasks_of.insert(name, (newest_first(tasks), Instant::now()));
                self.tell();
            }
        }
    }

    async fn bounds(&self) {
        let due = {
            let state = self.state();
            let pages = state.arns().len() / 50 + 1;
            state.bounds.due(if self.anew { ANEW } else { share(pages, Duration::from_secs(9)) })
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
