//! Executes the console's effects in the background and sends back messages about what happened.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::places::Places;
use super::session::Session;
use super::tail::{self, Budget, Tail, TailEvent};
use super::{doctor, history, insights, judge, metrics, operate, planner, read, revisions, shift, traffic, words};
use crate::cloud::{CloudError, CloudResult, ErrorKind, Outside};
use crate::console::effect::Effect;
use crate::console::msg::{Msg, Notice};
use crate::console::place::PlaceId;
use crate::console::remote::Generation;
use crate::console::screens::{Answer, Fetch};
use crate::core::doctor::{Hop, News};
use crate::core::fleet::{Attention, Fleet};
use crate::core::logs::insights::InsightsRequest;
use crate::core::logs::tail::{Collected, End, Keep};
use crate::core::logs::{Followed, TailRequest, TailState};
use crate::core::metrics::Detail;
use crate::core::operation::{self, PlanRequest};

/// The longest time that one read may take with all calls that it makes, each of which has a limit of its own: for
/// what would never end.
const FETCH_LIMIT: Duration = Duration::from_secs(180);

/// Where an executor sends what comes of its effects. All of it carries the place that it comes from.
#[derive(Clone)]
pub(super) struct Outbox {
    place: PlaceId,
    out: mpsc::Sender<Msg>,
}

impl Outbox {
    pub(super) fn new(place: PlaceId, out: mpsc::Sender<Msg>) -> Self {
        Self { place, out }
    }

    /// Sends a message; an error if the console is gone.
    async fn send(&self, msg: Msg) -> Result<(), SendError<Msg>> {
        self.out.send(Msg::Of(self.place, Box::new(msg))).await
    }

    /// Sends a message if there is room for it: the next one says the same, or more.
    fn offer(&self, msg: Msg) {
        let _ = self.out.try_send(Msg::Of(self.place, Box::new(msg)));
    }
}

/// Executes effects in one place. What it spawns sends messages and never blocks the console.
pub(super) struct Executor {
    session: Session,
    outside: Arc<dyn Outside>,
    places: Arc<dyn Places>,
    out: Outbox,
    /// Set when the reads under way are to end without an answer.
    broken_off: watch::Sender<bool>,
    tail: Option<(JoinHandle<()>, watch::Sender<Followed>)>,
    /// The window of the past that is being read.
    older: Option<JoinHandle<()>>,
    budget: Budget,
    /// What reads go on from.
    kept: Kept,
    /// Stops the query that is running, when a value is sent or this is dropped; and the task that then ends.
    query: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// The way to servers that is being gone.
    way: Option<JoinHandle<()>>,
}

/// What reads go on from: what was read once is not read again.
#[derive(Clone)]
struct Kept {
    /// What all who read logs here share.
    budget: Budget,
    /// Requests, where no tail reads them.
    watch: traffic::Watch,
    /// The past so far.
    past: Arc<history::Past>,
}

impl Kept {
    fn new(budget: &Budget) -> Self {
        Self {
            budget: budget.half(),
            watch: traffic::Watch::new(budget.clone()),
            past: Arc::new(history::Past::new(budget.clone())),
        }
    }
}

/// Text that is taken of a window of the past, in bytes; the rest is read with the next one.
const WINDOW: usize = 96 * 1024 * 1024;
/// How long the end of the console may wait until AWS has stopped a query.
const LEAVING: Duration = Duration::from_secs(3);

impl Executor {
    pub(super) fn new(session: Session, outside: Arc<dyn Outside>, places: Arc<dyn Places>, out: Outbox) -> Self {
        let budget = Budget::at(&session.context);
        let (broken_off, kept) = (watch::Sender::new(false), Kept::new(&budget));
        let (tail, older, query, way) = (None, None, None, None);
        Self { session, outside, places, out, broken_off, tail, older, budget, kept, query, way }
    }

    /// The session with its place.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Goes on with other credentials of the same account.
    pub(super) fn renew(&mut self, session: Session) {
        self.session = session;
    }

    /// Ends everything that is being read, without an answer. Operations go on.
    pub(super) fn break_off(&mut self) {
        self.broken_off.send_replace(true);
        self.broken_off = watch::Sender::new(false);
        self.stop_tail();
        self.stop_older();
        self.stop_doctor();
        // AWS is told to stop it, by a task that goes on.
        self.query = None;
    }

    /// Executes an effect that takes time. The console itself executes `Quit` and `Copy`.
    pub(super) fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Fetch(read, generation) => self.fetch(read, generation),
            Effect::Look(attention) => self.session.cloud.look(&attention),
            Effect::Tail(generation, request) => self.follow(generation, request),
            Effect::Sources(sources) => self.follow_sources(sources),
            Effect::Older(reading, request, keep) => self.older(reading, request, keep),
            Effect::StopOlder => self.stop_older(),
            Effect::Insights(generation, request) => self.insights(generation, request),
            Effect::StopInsights => self.query = None,
            Effect::Doctor(generation, servers) => self.doctor(generation, servers),
            Effect::StopDoctor => self.stop_doctor(),
            Effect::Plan(generation, request) => self.plan(generation, request),
            Effect::Judge(operation, way) => {
                let session = self.session.clone();
                self.send(async move {
                    let standing = judge::judge(&session, &operation).await;
                    Msg::Judged(operation.id().to_owned(), way, standing)
                });
            }
            Effect::Operation(id, effect) => self.operate(id, effect),
            Effect::Discard(drafts) => {
                let session = self.session.clone();
                tokio::spawn(async move { operate::discard(&session, &drafts).await });
            }
            Effect::Save(name, text) => self.save(name, text),
            // Those of the console itself.
            Effect::Copy(_) | Effect::Quit | Effect::Enter(..) | Effect::Join(..) => {}
            Effect::SignIn(_) | Effect::Browse(_) => {}
            // It was sent here already.
            Effect::Of(_, effect) => self.execute(*effect),
        }
    }

    /// Spawns work and sends its message to the console. If the console is gone, nobody needs it.
    fn send(&self, work: impl Future<Output = Msg> + Send + 'static) {
        let out = self.out.clone();
        tokio::spawn(async move {
            let _ = out.send(work.await).await;
        });
    }

    /// As [`send`](Self::send), for a read: if it is broken off, no message comes.
    fn read(&self, work: impl Future<Output = Msg> + Send + 'static) {
        let (out, mut broken_off) = (self.out.clone(), self.broken_off.subscribe());
        tokio::spawn(async move {
            let msg = tokio::select! {
                biased;
                _ = broken_off.changed() => return,
                msg = work => msg,
            };
            let _ = out.send(msg).await;
        });
    }

    fn fetch(&self, read: Fetch, generation: Generation) {
        if let Fetch::Fleet(attention) = read {
            return self.fetch_fleet(attention, generation);
        }
        let (session, places, out) = (self.session.clone(), self.places.clone(), self.out.clone());
        let kept = self.kept.clone();
        self.read(async move {
            let reading = answer(&session, &*places, &kept, &read);
            let answer = tokio::time::timeout(FETCH_LIMIT, reading).await.unwrap_or_else(|_| {
                let message = format!("no answer within {} s", FETCH_LIMIT.as_secs());
                read.failed(CloudError::new(ErrorKind::TimedOut, first_call(&read), message))
            });
            let _ = out.send(Msg::Calls(session.cloud.calls())).await;
            let _ = out.send(Msg::Ahead(session.cloud.ahead())).await;
            let _ = out.send(Msg::Latency(session.cloud.latency())).await;
            Msg::Loaded(generation, answer)
        });
    }

    /// The fleet comes in parts.
    fn fetch_fleet(&self, attention: Attention, generation: Generation) {
        let (session, out) = (self.session.clone(), self.out.clone());
        self.read(async move {
            let told = |fleet: Fleet| {
                // Where the console has no room for it, the next picture has this one in it.
                out.offer(Msg::Calls(session.cloud.calls()));
                out.offer(Msg::Usage(session.cloud.usage()));
                out.offer(Msg::Latency(session.cloud.latency()));
                out.offer(Msg::FleetSoFar(generation, Box::new(fleet)));
            };
            let fleet = session.cloud.fleet_in_turn(&session.context.cluster, &attention, &told).await;
            let _ = out.send(Msg::Calls(session.cloud.calls())).await;
            let _ = out.send(Msg::Usage(session.cloud.usage())).await;
            let _ = out.send(Msg::Ahead(session.cloud.ahead())).await;
            let _ = out.send(Msg::Latency(session.cloud.latency())).await;
            Msg::Loaded(generation, Answer::Fleet(or_no_cluster(fleet)))
        });
    }

    fn plan(&self, generation: Generation, request: PlanRequest) {
        let (session, out, broken_off) = (self.session.clone(), self.out.clone(), self.broken_off.subscribe());
        tokio::spawn(async move {
            let plan = planner::plan(&session, request).await;
            // The console is elsewhere by then, and nobody will execute its drafts.
            if *broken_off.borrow() {
                let drafts = plan.map(|plan| plan.drafts).unwrap_or_default();
                return operate::discard(&session, &drafts).await;
            }
            let _ = out.send(Msg::Planned(generation, Box::new(plan))).await;
        });
    }

    /// Must not wait before `perform`: the audit writes its records in the order of these calls.
    fn operate(&self, id: String, effect: operation::Order) {
        let (session, out) = (self.session.clone(), self.out.clone());
        let done = operate::perform(session, effect);
        tokio::spawn(async move {
            if let Some(event) = done.await {
                let _ = out.send(Msg::Operation(id, event)).await;
            }
        });
    }

    fn stop_tail(&mut self) {
        if let Some((task, _)) = self.tail.take() {
            task.abort();
        }
    }

    fn follow_sources(&self, sources: Followed) {
        if let Some((_, following)) = &self.tail {
            following.send_replace(sources);
        }
    }

    fn stop_older(&mut self) {
        if let Some(task) = self.older.take() {
            task.abort();
        }
    }

    /// Stops a query that is running, and waits for a moment until AWS has taken that: it would go on there and
    /// cost money.
    pub(super) async fn leave(&mut self) {
        if let Some((stop, task)) = self.query.take() {
            drop(stop);
            // If it takes longer, the console ends nevertheless.
            let _ = tokio::time::timeout(LEAVING, task).await;
        }
    }

    fn follow(&mut self, generation: Generation, request: TailRequest) {
        self.stop_tail();
        let (events, mut received) = mpsc::channel(16);
        let (following, changes) = watch::channel(request.sources.clone());
        let tail = Tail::new(self.session.cloud.clone(), request, self.budget.clone());
        let (tail, out) = (Tail { changes: Some(changes), ..tail }, self.out.clone());
        let task = tokio::spawn(async move {
            let forward = async {
                while let Some(event) = received.recv().await {
                    let msg = match event {
                        TailEvent::Lines(lines) => Msg::Lines(generation, lines),
                        TailEvent::State(state) => Msg::Tail(generation, state),
                        TailEvent::Gap(gap) => Msg::Gap(generation, gap),
                        TailEvent::Rate(rate) => Msg::LogRate(generation, rate),
                        TailEvent::Missing(group) => Msg::LogMissing(generation, group, true),
                        TailEvent::Appeared(group) => Msg::LogMissing(generation, group, false),
                    };
                    if out.send(msg).await.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(tail.follow(events), forward);
        });
        self.tail = Some((task, following));
    }

    fn older(&mut self, reading: Generation, request: TailRequest, keep: Keep) {
        self.stop_older();
        let (events, mut received) = mpsc::channel(16);
        let (cloud, budget, out) = (self.session.cloud.clone(), self.budget.clone(), self.out.clone());
        let owners = request.sources.owners.clone();
        let collect = async move {
            let (mut collected, mut failure) = (Collected::new(keep, WINDOW), None);
            while let Some(event) = received.recv().await {
                let more = match event {
                    TailEvent::Lines(lines) => collected.take(lines),
                    TailEvent::State(TailState::Ended(End::Failed(error))) => {
                        failure = Some(error);
                        true
                    }
                    TailEvent::Gap(gap) => collected.take([gap.line(&owners)]),
                    // The status of the tail tells of groups that are missing.
                    TailEvent::State(_) | TailEvent::Rate(_) | TailEvent::Missing(_) | TailEvent::Appeared(_) => true,
                };
                let so_far = collected.len() as u64;
                if !more || out.send(Msg::OlderSoFar(reading, so_far)).await.is_err() {
                    break;
                }
            }
            // Drops the receiver, by which the tail ends.
            drop(received);
            let past = failure.map_or_else(|| Ok(collected.past()), Err);
            // If the console is gone, nobody needs it.
            let _ = out.send(Msg::OlderLines(reading, past)).await;
        };
        self.older = Some(tokio::spawn(async move {
            tokio::join!(tail::follow(cloud, request, budget, events), collect);
        }));
    }

    fn insights(&mut self, generation: Generation, request: InsightsRequest) {
        let (found, mut received) = mpsc::channel(4);
        let (stop, stopped) = oneshot::channel();
        let (cloud, out) = (self.session.cloud.clone(), self.out.clone());
        let task = tokio::spawn(async move {
            let forward = async {
                while let Some(results) = received.recv().await {
                    let _ = out.send(Msg::Insights(generation, Ok(results))).await;
                }
            };
            let (ended, ()) = tokio::join!(insights::query(cloud, request, stopped, found), forward);
            if let Err(error) = ended {
                let _ = out.send(Msg::Insights(generation, Err(error))).await;
            }
        });
        self.query = Some((stop, task));
    }

    fn stop_doctor(&mut self) {
        if let Some(task) = self.way.take() {
            task.abort();
        }
    }

    fn doctor(&mut self, generation: Generation, servers: Vec<String>) {
        self.stop_doctor();
        let (session, outside, out) = (self.session.clone(), self.outside.clone(), self.out.clone());
        // Of a run there are some dozen links, so none has to wait for the console.
        let (tell, mut told) = mpsc::unbounded_channel();
        let go = async move {
            for server in servers {
                let _ = tell.send(News::Begun(server.clone()));
                let found = |hop: &Hop| drop(tell.send(News::Found(hop.clone())));
                doctor::server(&session, &*outside, &server, None, &found).await;
            }
            let _ = tell.send(News::Ended);
        };
        let cloud = self.session.cloud.clone();
        let forward = async move {
            while let Some(news) = told.recv().await {
                out.offer(Msg::Calls(cloud.calls()));
                // If the console is gone, nobody needs it.
                let _ = out.send(Msg::Doctor(generation, news)).await;
            }
        };
        self.way = Some(tokio::spawn(async move {
            tokio::join!(go, forward);
        }));
    }

    fn save(&self, name: String, text: String) {
        self.send(async move {
            Msg::Notice(match tokio::fs::write(&name, text).await {
                Ok(()) => Notice::Good(format!("saved to {name}")),
                Err(error) => Notice::Bad(format!("{name} could not be written: {error}")),
            })
        });
    }
}

/// The first call of a read, to name it when the read takes too long.
fn first_call(read: &Fetch) -> &'static str {
    match read {
        Fetch::Identity => "sts:GetCallerIdentity",
        Fetch::Fleet(_) => "ecs:DescribeServices",
        Fetch::Announced => "ecs:DescribeClusters",
        Fetch::Clusters => "ecs:ListClusters",
        Fetch::Profiles => "aws:Configure",
        Fetch::Stacks | Fetch::Clients | Fetch::Users | Fetch::Quarantine | Fetch::History(_) => {
            "cloudformation:DescribeStacks"
        }
        Fetch::Revisions(_) => "ecs:DescribeTaskDefinition",
        Fetch::Shifts => "arc-zonal-shift:GetManagedResource",
        Fetch::Measured(_) => "cloudwatch:DescribeAlarms",
        Fetch::StackDetail(_) => "cloudformation:DescribeStackEvents",
        Fetch::Traffic(_) | Fetch::Words(_) | Fetch::Issues => "logs:FilterLogEvents",
    }
}

/// Before the first deploy and after a destroy there is no cluster. That is an answer, not a failure.
fn or_no_cluster(fleet: CloudResult<Fleet>) -> CloudResult<Fleet> {
    match fleet {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Fleet { no_cluster: true, ..Fleet::default() }),
        other => other,
    }
}

async fn answer(session: &Session, places: &dyn Places, kept: &Kept, read: &Fetch) -> Answer {
    let cloud = &session.cloud;
    match read {
        Fetch::Identity => Answer::Identity(cloud.identity().await),
        Fetch::Fleet(attention) => {
            let fleet = cloud.fleet_in_turn(&session.context.cluster, attention, &drop).await;
            Answer::Fleet(or_no_cluster(fleet))
        }
        Fetch::Announced => Answer::Announced(cloud.announced(&session.context.cluster).await),
        Fetch::Revisions(asked) => Answer::Revisions(revisions::compare(session, asked).await.map(Box::new)),
        Fetch::Stacks => Answer::Stacks(read::stacks(session).await),
        Fetch::StackDetail(stack) => Answer::StackDetail(cloud.stack_detail(stack).await),
        Fetch::Measured(servers) => {
            Answer::Measured(metrics::read(session, servers, Detail::Tools, session.now()).await.map(Box::new))
        }
        Fetch::Words(ended) => Answer::Words(words::read(session, ended, &kept.budget).await),
        Fetch::Traffic(watched) => {
            Answer::Traffic(Ok(Box::new(kept.watch.read(session, watched, || session.now()).await)))
        }
        Fetch::Issues => Answer::Issues(history::issues(session, &kept.past).await),
        Fetch::Shifts => Answer::Shifts(shift::read(session).await),
        Fetch::History(stretch) => Answer::History(history::read(session, &kept.past, stretch).await),
        Fetch::Clients => Answer::Clients(read::clients(session).await),
        Fetch::Quarantine => Answer::Quarantine(read::quarantine(session).await),
        Fetch::Users => Answer::Users(read::users(session, "").await),
        Fetch::Clusters => Answer::Clusters(cloud.clusters().await),
        Fetch::Profiles => Answer::Profiles(places.profiles().await),
    }
}
