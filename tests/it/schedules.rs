//! Two or three operators on machines of their own act at once on one environment, at random: plans left at
//! prompts, writes interleaved request by request, answers lost, processes killed and operations gone on
//! with, while others restart and scale the same services from outside.
//!
//! A schedule follows from its number alone. `QUARTERDECK_SCHEDULE=17` plays number 17 and prints each move;
//! `QUARTERDECK_SCHEDULES=10000` plays so many instead of a few.

use std::collections::VecDeque;

use crate::support::operators;
use crate::support::world::{Arrival, Endpoint, Setup, Verdict, World, secret_of};
use jiff::{SignedDuration, Timestamp};
use quarterdeck::core::operation::record::{Entry, Outcome, Record};
use quarterdeck::core::operation::rotate::Strategy;
use quarterdeck::core::operation::work::LEASE;
use quarterdeck::core::operation::{Event, Intent, Offer, Operation, Order, Phase, PlanRequest, Way};
use quarterdeck::core::plan::Confirm;
use quarterdeck::run::audit::Audit;
use quarterdeck::run::{Session, judge, operate, planner};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;

/// Schedules that a run of the tests plays with each kind of Cognito.
const SCHEDULES: u64 = 250;
/// Moves of one schedule, before everybody cleans up.
const MOVES: usize = 260;
/// Reads of a condition that does not hold before its operator walks away.
const PATIENCE: usize = 30;
const SERVERS: [&str; 2] = ["time", "weather"];

/// What confirms a question.
fn answer(confirm: &Confirm) -> String {
    match confirm {
        Confirm::Yes => "y".to_owned(),
        Confirm::Typed(name) => name.clone(),
    }
}

/// What an operator is busy with.
enum Doing {
    Nothing,
    /// A plan, or an unfinished operation that is offered, waits for an answer.
    Asked(Box<Operation>),
    Running(Box<Running>),
}

struct Running {
    operation: Operation,
    orders: VecDeque<Order>,
    /// Conditions that did not hold, one after another.
    waits: usize,
}

/// A call on its way: its requests wait at the gate.
struct Flight {
    work: JoinHandle<Option<Event>>,
    waiting: Option<Arrival>,
}

struct Operator {
    name: &'static str,
    session: Session,
    endpoint: Endpoint,
    directory: tempfile::TempDir,
    doing: Doing,
    flight: Option<Flight>,
}

impl Operator {
    async fn new(name: &'static str, world: &World, memory: u32) -> Self {
        let directory = operators::directory();
        let (session, endpoint) = operators::session(name, world, memory, directory.path()).await;
        Self { name, session, endpoint, directory, doing: Doing::Nothing, flight: None }
    }

    /// The oldest first: their ids are random.
    fn unfinished(&self) -> Vec<Operation> {
        let mut open = self.session.audit.unfinished(&self.session.context).unwrap();
        open.sort_by_key(|operation| operation.started);
        open
    }
}

struct Play {
    world: World,
    operators: Vec<Operator>,
    random: StdRng,
    told: bool,
    /// Nobody is killed and nothing is lost any more.
    calm: bool,
    moves: Vec<String>,
    /// Ids of stacks that somebody was shown and whose deletion was confirmed by name.
    may_go: Vec<String>,
}

impl Play {
    async fn new(number: u64, dual: bool, told: bool) -> Self {
        let mut random = StdRng::seed_from_u64(number);
        let setup = Setup { dual, servers: SERVERS.to_vec(), lag: random.random_range(0..3) };
        let world = World::deployed(setup);
        let mut operators = Vec::new();
        for (name, memory) in [("alice", 512), ("bob", 1024), ("carol", 512)] {
            if operators.len() < 2 || random.random_bool(0.5) {
                operators.push(Operator::new(name, &world, memory).await);
            }
        }
        Self { world, operators, random, told, calm: false, moves: Vec::new(), may_go: Vec::new() }
    }

    fn say(&mut self, what: String) {
        if self.told {
            println!("{:>4}  {what}", self.moves.len());
        }
        self.moves.push(what);
    }

    fn killed(&mut self) -> bool {
        !self.calm && self.one_in(25)
    }

    fn one_in(&mut self, times: u32) -> bool {
        self.random.random_range(0..times) == 0
    }

    /// One move of somebody.
    async fn act(&mut self) {
        match self.random.random_range(0..12) {
            0 | 1 => self.world.tick(),
            2 if self.one_in(3) => self.outside(),
            _ => {
                let who = self.random.random_range(0..self.operators.len());
                self.operate(who).await;
            }
        }
        self.check();
    }

    /// Somebody without quarterdeck.
    fn outside(&mut self) {
        let server = SERVERS[self.random.random_range(0..SERVERS.len())];
        let count = self.random.random_range(1..4);
        let scale = self.random.random_bool(0.3);
        let mut state = self.world.state();
        match state.services.get_mut(server) {
            Some(service) if scale => service.desired = count,
            Some(_) => state.deploy_service(server),
            None => {}
        }
        drop(state);
        self.say(format!("outside: {} {server}", if scale { "scale" } else { "restart" }));
    }

    async fn operate(&mut self, who: usize) {
        if self.operators[who].flight.is_some() {
            return self.fly(who).await;
        }
        match std::mem::replace(&mut self.operators[who].doing, Doing::Nothing) {
            Doing::Nothing => self.begin(who).await,
            Doing::Asked(operation) => self.answer(who, operation),
            Doing::Running(running) => self.proceed(who, running).await,
        }
    }

    /// Plans something, or looks at what was left.
    async fn begin(&mut self, who: usize) {
        let open = self.operators[who].unfinished();
        if !open.is_empty() && !self.one_in(3) {
            let pick = self.random.random_range(0..open.len());
            let operation = open.into_iter().nth(pick).expect("one of them");
            return self.offer(who, operation).await;
        }
        let server = SERVERS[self.random.random_range(0..SERVERS.len())].to_owned();
        let request = match self.random.random_range(0..14) {
            0..=5 => PlanRequest::Rotate { client: format!("prod-{server}-machine"), grace_seconds: 0 },
            6 | 7 => PlanRequest::Restart { server },
            8 | 9 => PlanRequest::Scale { server, desired: Some(self.random.random_range(1..4)), bounds: None },
            10 if self.one_in(3) => PlanRequest::Destroy,
            _ => PlanRequest::Deploy { servers: Vec::new() },
        };
        self.plan(who, request).await;
    }

    async fn plan(&mut self, who: usize, request: PlanRequest) {
        let name = self.operators[who].name;
        match planner::plan(&self.operators[who].session, request.clone()).await {
            Ok(plan) if plan.is_empty() => self.say(format!("{name}: {}: nothing to do", plan.title)),
            Ok(plan) => {
                self.say(format!("{name}: plans {} as {}", plan.title, plan.id));
                self.operators[who].doing = Doing::Asked(Box::new(Operation::propose(plan, false)));
            }
            Err(error) => self.say(format!("{name}: {} cannot be planned: {error}", request.title("prod"))),
        }
    }

    /// Judges an unfinished operation and asks how to go on with it.
    async fn offer(&mut self, who: usize, mut operation: Operation) {
        let (name, id) = (self.operators[who].name, operation.id().to_owned());
        let rotates = matches!(operation.plan.intent, Intent::Rotate(_));
        if rotates && self.one_in(3) {
            let learnt = operation.facts().clone();
            return self.plan(who, PlanRequest::UndoRotation { plan: Box::new(operation.plan), learnt }).await;
        }
        match judge::judge(&self.operators[who].session, &operation).await {
            Ok(standing) => {
                let way = if rotates { Way::Finish } else { Way::Resume };
                self.say(format!("{name}: {id} ({}): {standing}", operation.plan.title));
                operation.handle(Event::Offer(Offer { way, standing }), Timestamp::now());
                self.operators[who].doing = Doing::Asked(Box::new(operation));
            }
            Err(error) => self.say(format!("{name}: {id} cannot be judged: {error}")),
        }
    }

    /// Answers, or leaves the question where it is for a while.
    fn answer(&mut self, who: usize, mut operation: Box<Operation>) {
        let name = self.operators[who].name;
        if self.one_in(3) {
            self.operators[who].doing = Doing::Asked(operation);
            return;
        }
        let refuses = self.one_in(8);
        let answer = answer(operation.confirm());
        self.say(format!("{name}: {} to {}", if refuses { "no" } else { "yes" }, operation.id()));
        if !refuses {
            self.note_what_may_go(&operation);
        }
        let event = if refuses { Event::Refuse("no".into()) } else { Event::Answer(answer) };
        let orders = operation.handle(event, Timestamp::now()).into();
        self.operators[who].doing = Doing::Running(Box::new(Running { operation: *operation, orders, waits: 0 }));
    }

    /// A destroy that is confirmed by name may delete the stacks that its plan, or its question, shows.
    fn note_what_may_go(&mut self, operation: &Operation) {
        if let Intent::Destroy(destroy) = &operation.plan.intent {
            assert!(
                matches!(operation.confirm(), Confirm::Typed(name) if name == "prod")
                    || matches!(&operation.phase, Phase::Offered { offer, .. } if offer.closes()),
                "a destroy goes on without its name"
            );
            self.may_go.extend(destroy.shown.values().map(|shown| shown.arn.clone()));
            let named: Vec<&str> = destroy.tiers.iter().flatten().map(|stack| stack.name.as_str()).collect();
            if matches!(operation.phase, Phase::Consent(_)) {
                // The question names a stack that is there now.
                let state = self.world.state();
                let there = state.stacks.iter().filter(|stack| named.contains(&stack.name.as_str()));
                self.may_go.extend(there.map(|stack| stack.id.clone()).collect::<Vec<_>>());
            }
        }
    }

    /// Carries out one of the orders.
    async fn proceed(&mut self, who: usize, mut running: Box<Running>) {
        let name = self.operators[who].name;
        if self.killed() {
            return self.kill(who, &running.operation);
        }
        if running.operation.asks() && self.random.random_bool(0.5) {
            return self.answer_again(who, running);
        }
        let Some(order) = running.orders.pop_front() else {
            return self.rest(who, running);
        };
        match order {
            Order::Apply(step, approved, _) => {
                self.say(format!("{name}: {}: {}", running.operation.id(), running.operation.steps()[step].title));
                let operator = &mut self.operators[who];
                operator.endpoint.shut(true);
                let work = tokio::spawn(operate::carry_out(operator.session.clone(), Order::Apply(step, approved, 0)));
                operator.flight = Some(Flight { work, waiting: None });
                operator.doing = Doing::Running(running);
                self.land(who).await;
            }
            Order::Check(step, check, _) => {
                let event = operate::carry_out(self.operators[who].session.clone(), Order::Check(step, check, 0)).await;
                let done = running.operation.done.len();
                // Two seconds lie between two reads.
                let waited = SignedDuration::from_secs(2 * i64::try_from(running.waits).unwrap_or_default());
                if let Some(event) = event {
                    running.orders.extend(running.operation.handle(event, Timestamp::now() + waited));
                }
                let held = running.operation.done.len() > done;
                running.waits = if held { 0 } else { running.waits + 1 };
                if running.waits > 0 {
                    self.world.tick();
                }
                if running.waits > PATIENCE {
                    self.say(format!("{name}: walks away from {}", running.operation.id()));
                    running.orders.clear();
                    running
                        .orders
                        .extend(running.operation.handle(Event::Leave("walked away".into()), Timestamp::now()));
                }
                self.operators[who].doing = Doing::Running(running);
            }
            Order::Discard => {
                operate::discard(&self.operators[who].session, &running.operation.plan.drafts).await;
                self.operators[who].doing = Doing::Running(running);
            }
            other => {
                if let Some(event) = operate::carry_out(self.operators[who].session.clone(), other).await {
                    running.orders.extend(running.operation.handle(event, Timestamp::now()));
                }
                self.operators[who].doing = Doing::Running(running);
            }
        }
    }

    fn answer_again(&mut self, who: usize, mut running: Box<Running>) {
        let refuses = self.one_in(4);
        let (name, id) = (self.operators[who].name, running.operation.id().to_owned());
        let question = match &running.operation.phase {
            Phase::Consent(question) => question.to_string(),
            other => format!("{other:?}"),
        };
        self.say(format!("{name}: {} to {id}: {question}", if refuses { "no" } else { "yes" }));
        let answer = answer(running.operation.confirm());
        if !refuses {
            self.note_what_may_go(&running.operation);
        }
        let event = if refuses { Event::Refuse("no".into()) } else { Event::Answer(answer) };
        running.orders.extend(running.operation.handle(event, Timestamp::now()));
        self.operators[who].doing = Doing::Running(running);
    }

    /// There is no order left: it has ended, waits for an answer, or is paused.
    fn rest(&mut self, who: usize, running: Box<Running>) {
        let (name, operation) = (self.operators[who].name, &running.operation);
        if operation.asks() || operation.active() {
            self.operators[who].doing = Doing::Running(running);
            return;
        }
        let how = match &operation.phase {
            Phase::Ended(Outcome::Failed { title, reason, .. }) => format!("failed: {title}: {reason}"),
            Phase::Ended(Outcome::Closed { reason }) => format!("closed: {reason}"),
            Phase::Paused { why, .. } => format!("paused: {why}"),
            Phase::Refused(why) => format!("refused: {why}"),
            other => format!("{other:?}"),
        };
        self.say(format!("{name}: {} ({}): {how}", operation.id(), operation.plan.title));
        if operation.phase == Phase::Ended(Outcome::Done) {
            self.verified(&running.operation);
        }
    }

    /// The process is killed: what waits at the gate is never sent, and the audit is all that is left.
    fn kill(&mut self, who: usize, operation: &Operation) {
        let operator = &mut self.operators[who];
        if let Some(flight) = operator.flight.take() {
            flight.work.abort();
        }
        operator.endpoint.shut(false);
        operator.session.audit = Audit::open(operator.directory.path()).unwrap();
        // The thread of the audit that is gone gives its lock free a moment later.
        let id = operation.id();
        let of = |record: &&Record| record.operation == id;
        let records = operator.session.audit.records().unwrap();
        let open = records.iter().rfind(of).is_some_and(|record| !matches!(record.entry, Entry::Outcome { .. }));
        while open && !operator.unfinished().iter().any(|one| one.id() == id) {
            std::thread::yield_now();
        }
        operator.doing = Doing::Nothing;
        let name = operator.name;
        self.say(format!("{name}: is killed in the middle of {}", operation.id()));
    }

    /// Lets the request that waits go on, or the answer be lost.
    async fn fly(&mut self, who: usize) {
        if self.killed() {
            let Doing::Running(running) = std::mem::replace(&mut self.operators[who].doing, Doing::Nothing) else {
                unreachable!("a call belongs to an operation")
            };
            return self.kill(who, &running.operation);
        }
        let verdict = match self.random.random_range(0..30) {
            0 => Verdict::Lose,
            1 => Verdict::Drop,
            _ => Verdict::Answer,
        };
        let Some(flight) = &mut self.operators[who].flight else { return };
        let Some(arrival) = flight.waiting.take() else { return };
        let call = arrival.call.clone();
        // A read that is lost is repeated by the SDK, which waits for real time.
        let writes = ["Put", "Update", "Create", "Delete", "Add", "Execute", "Tag", "Untag"]
            .iter()
            .any(|verb| call.starts_with(verb));
        let verdict = if writes { verdict } else { Verdict::Answer };
        if verdict != Verdict::Answer {
            let name = self.operators[who].name;
            self.say(format!("{name}: {call}: {verdict:?}"));
        }
        let _ = arrival.verdict.send(verdict);
        self.land(who).await;
    }

    /// Waits until the call's next request is at the gate, or the call is over.
    async fn land(&mut self, who: usize) {
        let operator = &mut self.operators[who];
        let Some(mut flight) = operator.flight.take() else { return };
        let event = tokio::select! {
            biased;
            event = &mut flight.work => event.expect("no call panics"),
            Some(arrival) = operator.endpoint.arrivals.recv() => {
                flight.waiting = Some(arrival);
                operator.flight = Some(flight);
                return;
            }
        };
        operator.endpoint.shut(false);
        if let (Some(event), Doing::Running(running)) = (event, &mut operator.doing) {
            let more = running.operation.handle(event, Timestamp::now());
            running.orders.extend(more);
        }
    }

    /// What holds at every moment.
    fn check(&self) {
        let state = self.world.state();
        for server in SERVERS {
            if let Some(trouble) = state.trouble(server) {
                panic!("{trouble}");
            }
        }
        let lost = state.only_in_memory();
        assert!(lost.is_empty(), "secrets of {lost:?} are stored nowhere");
        for line in &state.log {
            if let Some((_, id)) = line.split_once("delete stack ") {
                assert!(self.may_go.iter().any(|shown| shown == id), "nobody has agreed to {line}");
            }
        }
    }

    /// What was called done and verified holds.
    fn verified(&self, operation: &Operation) {
        let state = self.world.state();
        let id = operation.id();
        match &operation.plan.intent {
            Intent::Rotate(rotation) => {
                let shared = state.secrets.get(&rotation.secret).and_then(|secret| secret.current());
                if let (Some(current), true) = (shared, state.log.last().is_some_and(|line| line.contains(LEASE))) {
                    let client = current["client_id"].as_str().unwrap_or_default().to_owned();
                    assert!(state.clients.contains_key(&client), "{id}: the client in force is gone");
                    // What a colleague made after this was planned is told as not in force, and stays.
                    let gone = rotation.left_clients.iter().chain(match &rotation.strategy {
                        Strategy::ReplaceClient { .. } => Some(&rotation.client),
                        Strategy::DualSecret { .. } => None,
                    });
                    let left: Vec<&String> = gone.filter(|id| state.clients.contains_key(*id)).collect();
                    assert!(left.is_empty(), "{id}: {left:?} should be gone");
                    let secrets = state.clients.values().flat_map(|client| &client.secrets);
                    let old = match &rotation.strategy {
                        Strategy::DualSecret { old_secret } => Some(old_secret),
                        Strategy::ReplaceClient { .. } => None,
                    };
                    let left: Vec<&String> =
                        secrets.map(|(secret, _)| secret).filter(|secret| Some(*secret) == old).collect();
                    assert!(left.is_empty(), "{id}: {left:?} should be gone");
                    let accepted = current["allowed_client_ids"].as_str().unwrap_or_default();
                    let gone = accepted.split_whitespace().find(|id| !state.clients.contains_key(*id));
                    assert_eq!(gone, None, "{id}: the list of clients holds what is gone");
                }
            }
            Intent::Destroy(destroy) => {
                let there = |shown: &&quarterdeck::core::operation::work::Shown| {
                    state.stacks.iter().any(|stack| stack.id == shown.arn)
                };
                assert_eq!(destroy.shown.values().find(there), None, "{id}: a stack is still there");
            }
            _ => {}
        }
    }

    /// Everybody ends what is open, with what the product offers.
    async fn clean_up(&mut self) {
        self.calm = true;
        for round in 0..40 {
            let mut open = 0;
            // Who gets nowhere with a rotation takes it back.
            let back = round > 1;
            for who in 0..self.operators.len() {
                self.settle(who).await;
                for operation in self.operators[who].unfinished() {
                    open += 1;
                    self.end(who, operation, back).await;
                }
            }
            self.check();
            if open == 0 {
                return;
            }
            assert!(round < 39, "operations are left that nothing ends");
            (0..4).for_each(|_| self.world.tick());
        }
    }

    /// Lets an operator's work come to rest.
    async fn settle(&mut self, who: usize) {
        for _ in 0..2_000 {
            if let Some(flight) = &mut self.operators[who].flight {
                if let Some(arrival) = flight.waiting.take() {
                    let _ = arrival.verdict.send(Verdict::Answer);
                }
                self.land(who).await;
                continue;
            }
            match std::mem::replace(&mut self.operators[who].doing, Doing::Nothing) {
                Doing::Nothing => return,
                Doing::Asked(mut operation) => {
                    for order in operation.handle(Event::Refuse("no".into()), Timestamp::now()) {
                        operate::carry_out(self.operators[who].session.clone(), order).await;
                    }
                }
                Doing::Running(running) if running.operation.asks() && running.orders.is_empty() => {
                    self.answer_again(who, running);
                }
                Doing::Running(running) if running.orders.is_empty() => self.rest(who, running),
                Doing::Running(running) => self.proceed(who, running).await,
            }
            self.check();
        }
        panic!("an operation never comes to rest");
    }

    async fn end(&mut self, who: usize, operation: Operation, back: bool) {
        let (name, id) = (self.operators[who].name, operation.id().to_owned());
        if back && matches!(operation.plan.intent, Intent::Rotate(_)) {
            let learnt = operation.facts().clone();
            let request = PlanRequest::UndoRotation { plan: Box::new(operation.plan.clone()), learnt };
            self.plan(who, request).await;
            if let Doing::Asked(mut operation) = std::mem::replace(&mut self.operators[who].doing, Doing::Nothing) {
                let orders = operation.handle(Event::Answer("y".into()), Timestamp::now()).into();
                let running = Running { operation: *operation, orders, waits: 0 };
                self.operators[who].doing = Doing::Running(Box::new(running));
                return self.settle(who).await;
            }
        }
        match judge::judge(&self.operators[who].session, &operation).await {
            Ok(standing) => {
                self.say(format!("{name}: at the end, {id} ({}): {standing}", operation.plan.title));
                let mut operation = operation;
                operation.handle(Event::Offer(Offer { way: Way::Finish, standing }), Timestamp::now());
                let answer = answer(operation.confirm());
                self.note_what_may_go(&operation);
                let orders = operation.handle(Event::Answer(answer), Timestamp::now()).into();
                self.operators[who].doing = Doing::Running(Box::new(Running { operation, orders, waits: 0 }));
                self.settle(who).await;
            }
            Err(error) => self.say(format!("{name}: {id} cannot be judged: {error}")),
        }
    }

    /// A deploy and a rotation of every client must be possible in whatever state the others have left it.
    async fn all_works(&mut self) {
        for request in [
            PlanRequest::Deploy { servers: Vec::new() },
            PlanRequest::Rotate { client: "prod-time-machine".into(), grace_seconds: 0 },
            PlanRequest::Rotate { client: "prod-weather-machine".into(), grace_seconds: 0 },
        ] {
            (0..6).for_each(|_| self.world.tick());
            let title = request.title("prod");
            let plan = match planner::plan(&self.operators[0].session, request).await {
                Ok(plan) => plan,
                Err(error) => panic!("{title}: {error}"),
            };
            if plan.is_empty() {
                continue;
            }
            let mut operation = Operation::propose(plan, false);
            let answer = answer(operation.confirm());
            let orders = operation.handle(Event::Answer(answer), Timestamp::now()).into();
            let id = operation.id().to_owned();
            self.operators[0].doing = Doing::Running(Box::new(Running { operation, orders, waits: 0 }));
            self.settle(0).await;
            let done = format!("alice: {id} (");
            let last = self.moves.iter().rfind(|line| line.starts_with(&done)).cloned().unwrap_or_default();
            assert!(last.ends_with("Ended(Done)"), "{title} at the end: {last}");
        }
        for server in SERVERS {
            let state = self.world.state();
            assert!(state.secrets.get(&secret_of(server)).is_some_and(|secret| !secret.labels.contains_key(LEASE)));
        }
    }
}

async fn play(number: u64, dual: bool, told: bool) -> Vec<String> {
    use futures::FutureExt;
    let mut play = Play::new(number, dual, told).await;
    let all = async {
        for _ in 0..MOVES {
            play.act().await;
        }
        play.clean_up().await;
        play.all_works().await;
    };
    if let Err(panic) = std::panic::AssertUnwindSafe(all).catch_unwind().await {
        let kind = if dual { "dual" } else { "replace" };
        eprintln!("schedule {number} with {kind}; run it again with QUARTERDECK_SCHEDULE={number}:");
        play.moves.iter().for_each(|line| eprintln!("  {line}"));
        if let Ok(state) = play.world.0.try_lock() {
            state.log.iter().for_each(|line| eprintln!("    wrote {line}"));
        }
        std::panic::resume_unwind(panic);
    }
    play.moves
}

async fn schedules(dual: bool) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(one) = number("QUARTERDECK_SCHEDULE") {
        play(one, dual, true).await;
        return;
    }
    let many = number("QUARTERDECK_SCHEDULES").unwrap_or(SCHEDULES);
    let first = number("QUARTERDECK_SCHEDULES_FROM").unwrap_or(0);
    for one in first..first + many {
        play(one, dual, false).await;
        if (one + 1) % 500 == 0 {
            eprintln!("schedules {first} to {one}: every guarantee held");
        }
    }
}

#[tokio::test]
async fn every_guarantee_holds_in_every_schedule_with_two_secrets() {
    schedules(true).await;
}

#[tokio::test]
async fn every_guarantee_holds_in_every_schedule_with_replaced_clients() {
    schedules(false).await;
}

#[tokio::test]
async fn a_schedule_follows_from_its_number() {
    // What is random or a time has digits: ids of operations and versions, dates.
    let strip = |moves: Vec<String>| -> Vec<String> {
        let told = |word: &&str| !word.chars().any(|c| c.is_ascii_digit());
        let words = |line: &str| -> Vec<String> {
            line.split(|c: char| !c.is_alphanumeric() && c != '-').filter(told).map(str::to_owned).collect()
        };
        moves.iter().map(|line| words(line).join(" ")).collect()
    };
    assert_eq!(strip(play(3, true, false).await), strip(play(3, true, false).await));
}
