//! Operators of one AWS, each on a machine of their own or at two terminals of one, and a driver that does
//! with their operations what a terminal would, step by step.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quarterdeck::aws::{Access, Timeouts, connect_with};
use quarterdeck::core::environment::Environment;
use quarterdeck::core::error::PlanResult;
use quarterdeck::core::identity::Context;
use quarterdeck::core::operation::{Event, Offer, Operation, Order, PlanRequest, Standing, Way};
use quarterdeck::core::plan::{Confirm, Plan};
use quarterdeck::run::audit::Audit;
use quarterdeck::run::{Session, judge, operate, planner};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::fixtures;
use super::world::{Arrival, Endpoint, Verdict, World};

const LIMITS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    attempt: Duration::from_secs(5),
    read: Duration::from_secs(10),
    logs: Duration::from_secs(10),
    write: Duration::from_secs(10),
    draft: Duration::from_secs(10),
    silence: None,
};
/// Reads of one condition before a test gives up on it.
const PATIENCE: usize = 60;

/// The file of the environment, with so much memory for the tasks of `time`.
fn environment(memory: u32) -> Environment {
    let text = format!(
        "environment = 'prod'\nregion = 'eu-central-1'\n\
         [[server]]\nname = 'time'\nimage = 'mcp-time:1'\ngangway = true\nmin = 2\nmax = 2\nmemory = {memory}\n\
         [[server]]\nname = 'weather'\nimage = 'mcp-weather:1'\ngangway = true\nmin = 2\nmax = 2\n"
    );
    toml::from_str(&text).expect("an environment")
}

/// A directory for an audit. It is in memory where that is possible: every record is synced.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// An operator's session on this AWS, and the way of its requests.
pub async fn session(name: &str, world: &World, memory: u32, directory: &Path) -> (Session, Endpoint) {
    let endpoint = world.serve(name).await;
    let access = Access {
        region: Some("eu-central-1".into()),
        endpoint: Some(endpoint.url.clone()),
        static_credentials: true,
        ..Access::default()
    };
    let session = Session {
        // What is in a template does not matter here, and the packed ones are long.
        cloud: Arc::new(connect_with(&access, LIMITS).await.unwrap().with_templates(|_| "Resources: {}")),
        context: Context {
            environment: "prod".into(),
            region: "eu-central-1".into(),
            cluster: "quarterdeck-prod".into(),
            endpoint: None,
            protected: false,
            local: false,
            ..fixtures::context()
        },
        environment: Some(Arc::new(environment(memory))),
        engine: Arc::new(super::engine::Without),
        overrides: Arc::default(),
        audit: Audit::open(directory).unwrap(),
        trials: true,
    };
    (session, endpoint)
}

/// What the operator must answer to agree to what is asked.
pub fn yes(operation: &Operation) -> Event {
    Event::Answer(match operation.confirm() {
        Confirm::Yes => "y".to_owned(),
        Confirm::Typed(name) => name.clone(),
    })
}

/// A terminal of an operator.
pub struct Desk {
    pub session: Session,
    endpoint: Mutex<Endpoint>,
    world: World,
    name: &'static str,
    memory: u32,
    directory: Arc<tempfile::TempDir>,
    /// Whether callers may be refused for now, because something was broken on purpose.
    pub broken: bool,
}

/// An operation at a desk.
pub struct Running {
    pub operation: Operation,
    orders: VecDeque<Order>,
    /// Reads of a condition that did not hold, one after another.
    waits: usize,
}

impl From<Operation> for Running {
    fn from(operation: Operation) -> Self {
        Self { operation, orders: VecDeque::new(), waits: 0 }
    }
}

impl Running {
    pub fn handle(&mut self, event: Event) {
        self.orders.extend(self.operation.handle(event, Timestamp::now()));
    }

    pub fn yes(mut self) -> Self {
        self.handle(yes(&self.operation));
        self
    }

    pub fn no(mut self) -> Self {
        self.handle(Event::Refuse("no".into()));
        self
    }

    /// Whether something is to be done, now that it was answered.
    pub fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Whether the next thing to do belongs to this step.
    fn is_before(&self, step: &str) -> bool {
        let (Some(Order::Apply(index, ..)) | Some(Order::Check(index, ..))) = self.orders.front() else { return false };
        self.operation.steps()[*index].title.contains(step)
    }
}

/// A call on its way: its next request may wait at the gate.
pub struct Flight {
    work: JoinHandle<Option<Event>>,
    waiting: Option<Arrival>,
}

impl Flight {
    async fn of(desk: &Desk, order: Order) -> Self {
        desk.endpoint.lock().await.shut(true);
        Self { work: tokio::spawn(operate::carry_out(desk.session.clone(), order)), waiting: None }
    }
}

impl Desk {
    pub async fn new(name: &'static str, world: &World, memory: u32) -> Self {
        Self::at(name, world, memory, Arc::new(directory())).await
    }

    async fn at(name: &'static str, world: &World, memory: u32, directory: Arc<tempfile::TempDir>) -> Self {
        let (session, endpoint) = session(name, world, memory, directory.path()).await;
        let endpoint = Mutex::new(endpoint);
        Self { session, endpoint, world: world.clone(), name, memory, directory, broken: false }
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// Another terminal of the same operator, on the same machine.
    pub async fn beside(&self) -> Self {
        Self::at(self.name, &self.world, self.memory, self.directory.clone()).await
    }

    pub async fn plan(&self, request: PlanRequest) -> PlanResult<Plan> {
        planner::plan(&self.session, request).await
    }

    /// The plan at the prompt.
    pub async fn propose(&self, request: PlanRequest) -> Running {
        let plan = self.plan(request).await.unwrap();
        assert!(!plan.is_empty(), "{}: nothing to do", plan.title);
        Running::from(Operation::propose(plan, false))
    }

    /// What was left and is not finished.
    pub async fn left(&self, id: &str) -> Operation {
        // The audit of a process that is gone gives its lock free a moment later.
        for _ in 0..500 {
            let open = self.session.audit.unfinished(&self.session.context).unwrap();
            if let Some(operation) = open.into_iter().find(|one| one.id() == id) {
                return operation;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("{id} is not among what is left");
    }

    pub async fn standing(&self, operation: &Operation) -> Standing {
        judge::judge(&self.session, operation).await.unwrap()
    }

    /// What was left, offered again: the operator is asked before anything happens.
    pub async fn offer(&self, id: &str, way: Way) -> Running {
        let mut running = Running::from(self.left(id).await);
        let standing = self.standing(&running.operation).await;
        running.handle(Event::Offer(Offer { way, standing }));
        assert!(running.operation.asks() && !running.has_orders(), "nobody was asked about {id}");
        running
    }

    /// The plan that takes a rotation back.
    pub fn undo(&self, rotation: &Operation) -> PlanRequest {
        PlanRequest::UndoRotation { plan: Box::new(rotation.plan.clone()), learnt: rotation.facts().clone() }
    }

    /// What holds at every moment.
    pub fn check(&self) {
        let state = self.world.state();
        for server in ["time", "weather"] {
            assert_eq!(state.trouble(server).filter(|_| !self.broken), None);
        }
        assert_eq!(state.only_in_memory(), Vec::<String>::new(), "secrets that are stored nowhere");
    }

    /// Carries out one of the orders, unless its outcome gets lost.
    async fn step(&self, running: &mut Running, lost: bool) {
        let Some(order) = running.orders.pop_front() else { return };
        let reads = matches!(order, Order::Check(..));
        let order = match order {
            Order::Check(step, check, _) => Order::Check(step, check, 0),
            Order::Discard => return operate::discard(&self.session, &running.operation.plan.drafts).await,
            other => other,
        };
        let event = match order {
            Order::Apply(..) => self.fly(Flight::of(self, order).await, None).await.0,
            other => operate::carry_out(self.session.clone(), other).await,
        };
        self.check();
        let Some(event) = event.filter(|_| !lost) else { return };
        let done = running.operation.done.len();
        // Two seconds lie between two reads.
        let waited = SignedDuration::from_secs(2 * i64::try_from(running.waits).unwrap_or_default());
        running.orders.extend(running.operation.handle(event, Timestamp::now() + waited));
        running.waits = if !reads || running.operation.done.len() > done { 0 } else { running.waits + 1 };
        if running.waits > 0 {
            self.world.tick();
            self.check();
        }
        assert!(running.waits < PATIENCE, "it waits for ever: {:?}", running.operation.running);
    }

    /// Lets the requests of a call through, one after another, until one of this name waits at the gate.
    async fn fly(&self, mut flight: Flight, stop: Option<&str>) -> (Option<Event>, Option<Flight>) {
        let mut endpoint = self.endpoint.lock().await;
        endpoint.shut(true);
        if let Some(arrival) = flight.waiting.take() {
            let _ = arrival.verdict.send(Verdict::Answer);
        }
        loop {
            tokio::select! {
                biased;
                event = &mut flight.work => {
                    endpoint.shut(false);
                    return (event.expect("no call panics"), None);
                }
                Some(arrival) = endpoint.arrivals.recv() => {
                    self.check();
                    if stop == Some(arrival.call.as_str()) {
                        // Others may come this way: a plan names the token endpoint as its own desk saw it.
                        endpoint.shut(false);
                        flight.waiting = Some(arrival);
                        return (None, Some(flight));
                    }
                    let _ = arrival.verdict.send(Verdict::Answer);
                }
            }
        }
    }

    /// Until a request of this step is on its way and has not arrived yet.
    pub async fn on_its_way(&self, running: Running, step: &str, call: &str) -> (Running, Flight) {
        let mut running = self.until(running, step).await;
        let order = running.orders.pop_front().expect("it is before a step");
        let (event, flight) = self.fly(Flight::of(self, order).await, Some(call)).await;
        (running, flight.unwrap_or_else(|| panic!("{step} did without {call}: {event:?}")))
    }

    /// The request arrives, and the operation goes on until it comes to rest.
    pub async fn arrives(&self, (mut running, flight): (Running, Flight)) -> Operation {
        let event = self.fly(flight, None).await.0;
        self.check();
        event.into_iter().for_each(|event| running.handle(event));
        self.rest(running).await
    }

    /// Until it has ended, is paused or asks.
    pub async fn rest(&self, mut running: Running) -> Operation {
        while running.has_orders() {
            self.step(&mut running, false).await;
        }
        running.operation
    }

    /// Until it has come to rest, whatever it asks being agreed to.
    pub async fn agree(&self, mut running: Running) -> Operation {
        loop {
            while running.has_orders() {
                self.step(&mut running, false).await;
            }
            if !running.operation.asks() {
                return running.operation;
            }
            running = running.yes();
        }
    }

    /// Until it is about to do a step whose title has these words.
    pub async fn until(&self, mut running: Running, step: &str) -> Running {
        while !running.is_before(step) {
            let phase = &running.operation.phase;
            assert!(running.has_orders(), "{phase:?} before {step:?}");
            self.step(&mut running, false).await;
        }
        running
    }

    /// As [`Desk::until`], for a step that may be skipped.
    pub async fn until_if(&self, mut running: Running, step: &str) -> Option<Running> {
        while !running.is_before(step) {
            if !running.has_orders() {
                return None;
            }
            self.step(&mut running, false).await;
        }
        Some(running)
    }

    /// Reads the condition of a step that does not hold, once, and what it says.
    pub async fn waits(&self, mut running: Running, step: &str) -> (Running, String) {
        self.step(&mut running, false).await;
        let of = running.operation.running.iter().find(|(index, _)| running.operation.steps()[**index].title == step);
        let note = of.and_then(|(_, progress)| progress.note.clone()).expect("it waits");
        (running, note)
    }

    /// Until the process is killed before that step; the id of the operation.
    pub async fn killed_before(&mut self, running: Running, step: &str) -> String {
        let running = self.until(running, step).await;
        self.killed(running).await
    }

    /// Until the process is killed after that step, which it could not record any more; the id.
    pub async fn killed_after(&mut self, running: Running, step: &str) -> String {
        let mut running = self.until(running, step).await;
        self.step(&mut running, true).await;
        self.killed(running).await
    }

    /// The audit is all that is left.
    pub async fn killed(&mut self, running: Running) -> String {
        let id = running.operation.id().to_owned();
        self.session.audit = Audit::open(self.directory.path()).unwrap();
        self.left(&id).await;
        id
    }
}
