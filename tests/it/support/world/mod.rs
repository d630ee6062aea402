//! An AWS with a state, for operators who act at once: Cognito, Secrets Manager, ECS with its load balancers and
//! its autoscaling, CloudFormation, the token endpoint and the MCP servers, with the rules that AWS documents. It
//! has no clock of its own: time passes when [`World::tick`] is called.

mod cloudformation;
mod cognito;
mod ecr;
mod ecs;
mod elb;
mod figures;
mod logs;
mod quarantine;
mod scaling;
mod secrets;
mod shifts;
mod users;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::scripted::{Reply, Request, read};
pub use cloudformation::Stack;
pub use cognito::Client;
pub use ecr::{Repository, TOKEN, digest, manifest};
pub use ecs::{Failure, Kind, Service, definition};
pub use figures::Figures;
pub use secrets::Secret;
pub use shifts::{Arc as Recovery, Shift};
pub use users::User;

pub const ENVIRONMENT: &str = "prod";
pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "123456789012";
pub const POOL: &str = "eu-central-1_pool";

/// Where metadata lie (RFC 9728 section 3.1).
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// What kind of AWS it is.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whether a client can have two secrets, as at AWS; without, it behaves as an endpoint without the calls.
    pub dual: bool,
    /// The servers that are deployed.
    pub servers: Vec<&'static str>,
    /// So many ticks old is what ECS shows.
    pub lag: usize,
}

/// The AWS; clones share it.
#[derive(Clone)]
pub struct World(pub Arc<Mutex<State>>);

/// Everything that it holds.
pub struct State {
    pub setup: Setup,
    pub secrets: BTreeMap<String, Secret>,
    pub repositories: BTreeMap<String, Repository>,
    /// A real registry, which has what is in the repositories.
    pub registry: Option<String>,
    pub clients: BTreeMap<String, Client>,
    pub users: BTreeMap<String, User>,
    /// Who is kept out.
    pub quarantine: quarantine::Items,
    /// What keeps requests away from zones.
    pub recovery: shifts::Arc,
    pub services: BTreeMap<String, Service>,
    /// The services as they were some ticks ago, the oldest first.
    shown: VecDeque<BTreeMap<String, Service>>,
    pub stacks: Vec<Stack>,
    change_sets: Vec<cloudformation::ChangeSet>,
    pub tags: BTreeMap<String, String>,
    /// Stacks whose next changes fail, and why.
    pub failing: BTreeMap<String, &'static str>,
    /// What early validation finds in the next change set.
    pub invalid: Option<&'static str>,
    /// Whether the operators may not list the stacks of the account, nor read the events of change sets.
    pub denies_listing: bool,
    /// Stacks whose updates wait for their services.
    pub hanging: BTreeSet<String>,
    /// Whether what a cancelled update leads to has the token of the update in its events.
    pub keeps_tokens: bool,
    /// Whether CloudFront does not reach the load balancer.
    pub cut_off: bool,
    /// Fewest and most tasks, by the id that autoscaling has for a service.
    pub bounds: BTreeMap<String, (u32, u32)>,
    /// What goes wrong on purpose.
    pub faults: ecs::Faults,
    /// What servers have logged, by server: milliseconds of the epoch and the line, the oldest first.
    pub lines: BTreeMap<String, Vec<(i64, Value)>>,
    /// What CloudWatch has counted, where a test says that it has.
    pub figures: Option<Figures>,
    /// Every write, in order, without a secret value.
    pub log: Vec<String>,
    /// The time, where a test says it; else it is that of the machine.
    pub clock: Option<Timestamp>,
    now: Timestamp,
    made: u64,
}

impl World {
    /// A deployed environment in which everything works.
    pub fn deployed(setup: Setup) -> Self {
        let world = Self::empty(setup);
        world.state().stand_up();
        world
    }

    /// An account without anything.
    pub fn empty(setup: Setup) -> Self {
        let state = State {
            secrets: BTreeMap::new(),
            repositories: BTreeMap::new(),
            registry: None,
            clients: BTreeMap::new(),
            users: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            recovery: shifts::Arc::default(),
            services: BTreeMap::new(),
            shown: VecDeque::new(),
            stacks: Vec::new(),
            change_sets: Vec::new(),
            tags: BTreeMap::new(),
            failing: BTreeMap::new(),
            invalid: None,
            denies_listing: false,
            hanging: BTreeSet::new(),
            keeps_tokens: false,
            cut_off: false,
            bounds: BTreeMap::new(),
            faults: ecs::Faults::default(),
            lines: BTreeMap::new(),
            figures: None,
            log: Vec::new(),
            clock: None,
            now: Timestamp::now(),
            made: 0,
            setup,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Some time passes: tasks start and stop, stacks go on.
    pub fn tick(&self) {
        self.state().tick();
    }

    /// The same, where the tasks that the scheduler has stopped are shown, as ECS does for an hour.
    pub fn tick_and_show_stops(&self) {
        let mut state = self.state();
        let before = state.tasks();
        state.tick();
        state.show_stops(before);
    }

    /// Moves all that has a time, so that one who lives at another time sees the same.
    pub fn shift(&self, by: SignedDuration) {
        let mut state = self.state();
        state.shift_services(by);
        state.shift_stacks(by);
        for (at, _) in state.lines.values_mut().flatten() {
            *at += i64::try_from(by.as_millis()).unwrap();
        }
    }

    /// An endpoint of this AWS for one operator.
    pub async fn serve(&self, operator: &str) -> Endpoint {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (arrive, arrivals) = mpsc::unbounded_channel();
        let gated = Arc::new(AtomicBool::new(false));
        let line =
            Line { world: self.clone(), operator: operator.to_owned(), url: url.clone(), gated: gated.clone(), arrive };
        let serving = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while lines.try_join_next().is_some() {}
                lines.spawn(line.clone().serve(stream));
            }
        });
        Endpoint { url, arrivals, gated, serving }
    }
}

/// A request that waits at the gate of an endpoint.
pub struct Arrival {
    pub call: String,
    pub verdict: oneshot::Sender<Verdict>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Answer,
    /// It is carried out, and the answer is lost.
    Lose,
    /// It is lost before it is carried out.
    Drop,
}

/// One operator's way to the AWS, which ends with it.
pub struct Endpoint {
    pub url: String,
    /// Requests that wait at the gate, while it is shut.
    pub arrivals: mpsc::UnboundedReceiver<Arrival>,
    gated: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

// Thousands of schedules would run out of ports.
impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Endpoint {
    /// Shuts the gate: every request waits for its verdict. Or opens it.
    pub fn shut(&self, shut: bool) {
        self.gated.store(shut, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Line {
    world: World,
    operator: String,
    url: String,
    gated: Arc<AtomicBool>,
    arrive: mpsc::UnboundedSender<Arrival>,
}

impl Line {
    async fn serve(self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            let verdict = if self.gated.load(Ordering::SeqCst) {
                let (verdict, wait) = oneshot::channel();
                let _ = self.arrive.send(Arrival { call: request.call.clone(), verdict });
                // An operator that was killed drops the request.
                wait.await.unwrap_or(Verdict::Drop)
            } else {
                Verdict::Answer
            };
            if verdict == Verdict::Drop {
                return;
            }
            let reply = self.world.state().answer(&request, &self.operator, &self.url);
            if verdict == Verdict::Lose {
                return;
            }
            match reply.bytes() {
                Some(bytes) if stream.write_all(&bytes).await.is_ok() => {}
                _ => return,
            }
        }
    }
}

/// The ARN that an operator's calls have.
pub fn arn(operator: &str) -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/ops/{operator}")
}

/// The Secret of a server.
pub fn secret_of(server: &str) -> String {
    format!("quarterdeck/{ENVIRONMENT}/{server}/machine-client")
}

/// The region that a request was signed for (Signature Version 4: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`).
fn signed_for(request: &Request) -> &str {
    let scope = request.headers.get("authorization").and_then(|given| given.split_once("Credential="));
    scope.and_then(|(_, scope)| scope.split('/').nth(2)).unwrap_or(REGION)
}

impl State {
    /// A number that no other thing has.
    fn id(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// The time, later than it ever was.
    fn time(&mut self) -> Timestamp {
        let passed = Timestamp::now().max(self.now + SignedDuration::from_millis(1));
        self.now = self.clock.unwrap_or(passed);
        self.now
    }

    fn tick(&mut self) {
        self.shown.push_back(self.services.clone());
        while self.shown.len() > self.setup.lag {
            self.shown.pop_front();
        }
        self.tick_services();
        self.tick_stacks();
    }

    /// The number of change sets that nobody has executed or deleted.
    pub fn change_sets(&self) -> usize {
        self.change_sets.len()
    }

    fn wrote(&mut self, operator: &str, what: impl Into<String>) {
        self.log.push(format!("{operator}: {}", what.into()));
    }

    /// Carries a request out.
    pub fn answer(&mut self, request: &Request, operator: &str, url: &str) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let call = request.call.as_str();
        let answered = self
            .secrets_call(call, &body, operator)
            .or_else(|| self.cognito_call(call, &body, operator))
            .or_else(|| self.users_call(call, &body, operator))
            .or_else(|| self.quarantine_call(call, &body, operator))
            .or_else(|| self.shifts_call(call, &request.path, &body, operator))
            .or_else(|| self.ecs_call(call, &body, operator))
            .or_else(|| self.elb_call(call, &request.body, operator))
            .or_else(|| self.scaling_call(call, &body, operator))
            .or_else(|| self.ecr_call(call, &body, url))
            .or_else(|| self.logs_call(call, &body))
            .or_else(|| self.figures_call(request))
            .or_else(|| self.cloudformation_call(call, &request.body, operator, (signed_for(request), url)));
        if let Some(reply) = answered {
            return reply;
        }
        match call {
            "GetCallerIdentity" => {
                let body = format!(
                    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{}</Arn><UserId>u</UserId>\
                     <Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
                    arn(operator)
                );
                Reply::Answer(200, body)
            }
            "/oauth2/token" => self.token(request),
            path if path.ends_with("/mcp") && self.cut_off => Reply::Answer(504, "<html>".into()),
            path if self.faults.broken_off.iter().any(|server| path.ends_with(&format!("/{server}/mcp"))) => {
                Reply::Headed(502, "server: awselb/2.0\r\ncontent-type: text/html", "<h1>502 Bad Gateway</h1>".into())
            }
            path if path.starts_with(METADATA) => self.metadata(&path[METADATA.len()..], url),
            path if path.ends_with("/mcp") => self.ask_server(path, request),
            other => Reply::error(400, "UnknownOperationException", other),
        }
    }

    /// Any secret of an existing client opens the token endpoint. The token names its client.
    fn token(&self, request: &Request) -> Reply {
        let given = request.headers.get("authorization").cloned().unwrap_or_default();
        let owner = self
            .clients
            .values()
            .find(|client| client.secrets.iter().any(|(_, value)| given == super::basic(&client.id, value)));
        match owner {
            Some(client) => {
                Reply::json(200, json!({ "access_token": client.id, "token_type": "Bearer", "expires_in": 900 }))
            }
            None => Reply::json(400, json!({ "error": "invalid_client" })),
        }
    }

    /// The protected resource metadata of a server (RFC 9728), which any of its tasks gives.
    fn metadata(&self, path: &str, url: &str) -> Reply {
        let server = path.trim_start_matches('/').trim_end_matches("/mcp");
        match self.services.get(server).is_some_and(|service| !service.serving().is_empty()) {
            true => Reply::json(200, json!({ "resource": format!("{url}{path}") })),
            false => Reply::Answer(503, "no healthy target".into()),
        }
    }

    /// A request with an id is logged, and told it back, as gangway does.
    fn ask_server(&mut self, path: &str, request: &Request) -> Reply {
        let server = path.trim_start_matches('/').trim_end_matches("/mcp").to_owned();
        let reply = self.ask_task(&server, request);
        let (Some(id), Reply::Answer(status, body)) = (request.headers.get("x-request-id"), &reply) else {
            return reply;
        };
        let asked: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let line = json!({ "event": "request", "server": server, "method": asked["method"], "status": status,
            "latency_ms": 2.5, "request_id": id });
        self.lines.entry(server).or_default().push((jiff::Timestamp::now().as_millisecond(), line));
        Reply::Headed(*status, Box::leak(format!("x-request-id: {id}").into_boxed_str()), body.clone())
    }

    /// The running tasks of a server answer in turn; each knows the clients that it read when it started.
    fn ask_task(&mut self, server: &str, request: &Request) -> Reply {
        let turn = usize::try_from(self.id()).unwrap_or_default();
        let client = request.headers.get("authorization").and_then(|given| given.strip_prefix("Bearer "));
        let tasks = self.services.get(server).map(Service::serving).unwrap_or_default();
        match (tasks.get(turn % tasks.len().max(1)), client) {
            (None, _) => Reply::Answer(503, "no healthy target".into()),
            (Some(task), Some(client)) if task.accepts.iter().any(|id| id == client) => {
                Reply::json(200, json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [] } }))
            }
            _ => Reply::json(401, json!({ "error": "invalid_token" })),
        }
    }

    /// Why callers of a server would be refused, if they would: they take `AWSCURRENT`, get a token, and are
    /// answered by any task.
    pub fn trouble(&self, server: &str) -> Option<String> {
        let secret = self.secrets.get(&secret_of(server))?;
        let current = secret.current().unwrap_or_default();
        let (Some(id), Some(value)) = (current["client_id"].as_str(), current["client_secret"].as_str()) else {
            // The stack makes it without a secret; once it has one, it must not lose it.
            return secret.complete.then(|| format!("AWSCURRENT of {server} holds no client secret any more"));
        };
        let client = self.clients.get(id);
        if !client.is_some_and(|client| client.secrets.iter().any(|(_, known)| known == value)) {
            return Some(format!("AWSCURRENT of {server} does not open the token endpoint (client {id})"));
        }
        let tasks = self.services.get(server).map(Service::serving).unwrap_or_default();
        let refuses = tasks.iter().find(|task| !task.accepts.iter().any(|known| known == id));
        refuses.map(|task| format!("task {} of {server} refuses client {id}; it accepts {:?}", task.id, task.accepts))
    }

    /// Client secrets that open the token endpoint and are stored nowhere.
    pub fn only_in_memory(&self) -> Vec<String> {
        let stored: Vec<String> = self.secrets.values().flat_map(Secret::values).collect();
        let lost = |client: &&Client| {
            client.secrets.iter().any(|(_, value)| !stored.contains(value) && client.shown() != Some(value))
        };
        self.clients
            .values()
            .filter(|client| client.name.ends_with("-machine"))
            .filter(lost)
            .map(|client| client.id.clone())
            .collect()
    }
}
