//! What it takes to look at a cluster: calls, time to the first rows and to the full picture, how old what is shown
//! becomes, memory, and how late a key is drawn, on an account that throttles as AWS does.
//!
//!     cargo bench --bench fleet [-- SECONDS [SERVICES ...]]
//!     cargo bench --bench fleet -- serve SERVICES MILLISECONDS [REFUSED]
//!
//! Fails where a budget of the design is missed: first rows after two round trips, under 10 calls a second in steady
//! state and while one service changes, no kind of call beyond half of what AWS publishes for it, every verdict at most
//! 30 s old and those on the screen 5 s, no call refused, a key that is held starts nothing on top, key to frame at most
//! 50 ms at the 99th percentile. All that Fleet reads is counted: the fleet, and what is read beside it.
//!
//! `serve` is the account alone, until it is killed, to look at it with the console: each answer takes so long, and each
//! so manieth call is refused.

#[path = "../../tests/it/support/big.rs"]
mod big;
mod calls;
mod reads;
#[path = "../../tests/it/support/scripted.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "shared with tests")]
mod scripted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use big::{Account, CLUSTER, Came, Setup};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use quarterdeck::aws::{Access, AwsCloud, connect};
use quarterdeck::cloud::Services;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::keymap::{Key, Keymap};
use quarterdeck::console::model::Model;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::remote::Generation;
use quarterdeck::console::screens::{Answer, Fetch};
use quarterdeck::console::update::update;
use quarterdeck::core::fleet::{Age, Attention, Fleet};
use quarterdeck::core::identity::Context;
use quarterdeck::ui;
use quarterdeck::ui::theme::Theme;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use reads::Reads;
use tokio::sync::mpsc;

const LATENCY: Duration = Duration::from_millis(200);
const SIZE: (u16, u16) = (120, 40);
/// Key to frame, at the 99th percentile.
const FRAME: Duration = Duration::from_millis(50);
/// Calls a second, in steady state and while a service changes.
const CALLS: f64 = 10.0;
/// Round trips to the first rows; the rest of the third is the console's own.
const TRIPS: f64 = 3.0;
/// How old a verdict may become, and one that is on the screen.
const OLD: Duration = Duration::from_secs(30);
const OLD_SEEN: Duration = Duration::from_secs(5);
/// How old the targets of a full screen are at half of the looks. AWS has a call for each, and half of its rate does no more.
const OLD_TARGETS: Duration = Duration::from_secs(14);

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "serve") {
        return serve(&arguments[1..]).await;
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u64>().ok());
    let seconds = Duration::from_secs(numbers.next().unwrap_or(60));
    let sizes: Vec<usize> = numbers.filter_map(|number| usize::try_from(number).ok()).collect();
    let mut missed = Vec::new();
    for services in if sizes.is_empty() { vec![10, 100, 500] } else { sizes } {
        missed.extend(measure(services, seconds).await);
    }
    if !missed.is_empty() {
        eprintln!("over budget: {}", missed.join("; "));
        std::process::exit(1);
    }
}

/// The account alone.
async fn serve(arguments: &[String]) {
    let number = |at: usize| arguments.get(at).and_then(|argument| argument.parse::<u64>().ok());
    let services = number(0).and_then(|services| usize::try_from(services).ok()).unwrap_or(500);
    let latency = Duration::from_millis(number(1).unwrap_or(50));
    let refuses = number(2).unwrap_or(0);
    let account = Account::start(Setup { latency, refuses, throttles: true, ..Setup::of(services) }).await;
    println!(
        "AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x quarterdeck -e prod --region eu-central-1 --endpoint-url {}",
        account.url
    );
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        println!(
            "{} calls, {} refused, peak {}: {:?}",
            account.calls(),
            account.refused(),
            account.peak(),
            account.counts()
        );
        account.reset();
    }
}

async fn measure(services: usize, seconds: Duration) -> Vec<String> {
    let account = Account::start(Setup { latency: LATENCY, throttles: true, ..Setup::of(services) }).await;
    let mut console = Console::new(&account).await;
    let (first, full) = console.fill().await;
    let trips = first.as_secs_f64() / LATENCY.as_secs_f64();
    println!("{services} services, {} ms a call", LATENCY.as_millis());
    println!("  first rows {first:.0?} ({trips:.1} round trips), full picture {full:.1?}, peak {}", account.peak());
    let mut over = Vec::new();
    (trips >= TRIPS).then(|| over.push(format!("{services}: {trips:.1} round trips to the first rows")));
    let mut look = |what: &str, counts: &BTreeMap<String, Came>, time: Duration, oldest: Option<&mut Oldest>| {
        let (rate, beyond) = calls::report(what, counts, time);
        over.extend(beyond.into_iter().map(|words| format!("{services}: {words}")));
        // Whoever holds a key gets more for that time, within the budget of each kind.
        (rate >= CALLS && oldest.is_some()).then(|| over.push(format!("{services}: {what}: {rate:.2} calls a second")));
        over.extend(oldest.map(|oldest| oldest.report(services)).unwrap_or_default());
        (account.refused() > 0).then(|| over.push(format!("{services}: {what}: {} refused", account.refused())));
        (account.peak() > 30).then(|| over.push(format!("{services}: {what}: {} calls at once", account.peak())));
        println!("    peak {}, refused {}", account.peak(), account.refused());
    };
    let steady = console.window(seconds, |_| {}).await;
    look("steady", &steady, seconds, Some(&mut console.oldest));
    account.moves(0, true);
    let changing = console.window(seconds, |_| {}).await;
    look("one changes", &changing, seconds, Some(&mut console.oldest));
    account.moves(0, false);
    // Long enough for what the key asks for to be read.
    let held = Duration::from_secs(10);
    let pressed = console.window(held, |console| console.key(Key::Char('r'))).await;
    look("r held", &pressed, held, None);
    over.extend(console.report(services));
    let plain = Account::start(Setup::of(services)).await;
    drop(connect(&access(&plain)).await.expect("a cloud").fleet(CLUSTER).await);
    println!("  read all every 3 seconds: {} calls a minute", plain.calls() * 20);
    over
}

fn access(account: &Account) -> Access {
    Access {
        region: Some("eu-central-1".into()),
        endpoint: Some(account.url.clone()),
        static_credentials: true,
        ..Access::default()
    }
}

/// How old what is shown has become: what ECS says of a service, and its targets, of those on the screen and of all.
#[derive(Default)]
struct Oldest {
    seen: Duration,
    all: Duration,
    targets_seen: Duration,
    targets: Duration,
    /// The oldest targets on the screen, at each look.
    looks: Vec<Duration>,
}

impl Oldest {
    fn look(&mut self, fleet: &Fleet, seen: &[String], now: Timestamp) {
        let mut oldest = Duration::ZERO;
        for (name, ages) in &fleet.ages {
            let old =
                |age: &Age| age.at.and_then(|at| Duration::try_from(now.duration_since(at)).ok()).unwrap_or_default();
            let (service, targets) = (old(&ages.service), ages.targets.as_ref().map(old).unwrap_or_default());
            (self.all, self.targets) = (self.all.max(service), self.targets.max(targets));
            if seen.contains(name) {
                (self.seen, self.targets_seen) = (self.seen.max(service), self.targets_seen.max(targets));
                oldest = oldest.max(targets);
            }
        }
        self.looks.push(oldest);
    }

    fn report(&mut self, services: usize) -> Vec<String> {
        self.looks.sort();
        let usual = self.looks.get(self.looks.len() / 2).copied().unwrap_or_default();
        let Self { seen, all, targets_seen, targets, .. } = self;
        println!(
            "  oldest verdict {all:.1?}, on the screen {seen:.1?}; oldest targets {targets:.1?}, on the screen \
             {targets_seen:.1?}, of half of the looks {usual:.1?}"
        );
        let late = [
            (*all, OLD, "verdict", "old"),
            (*seen, OLD_SEEN, "verdict", "old on the screen"),
            (usual, OLD_TARGETS, "target", "old on the screen at half of the looks"),
        ];
        let late = late.into_iter().filter(|(age, limit, ..)| age > limit);
        late.map(|(age, _, what, how)| format!("{services}: a {what} {age:.1?} {how}")).collect()
    }
}

/// The console without its terminal, on this account, within AWS's budgets.
struct Console {
    account: Account,
    cloud: Arc<AwsCloud>,
    reads: Reads,
    model: Model,
    theme: Theme,
    terminal: Terminal<TestBackend>,
    out: mpsc::Sender<Msg>,
    inbox: mpsc::Receiver<Msg>,
    frames: Vec<Duration>,
    drawn: Instant,
    /// What the newest read looks at.
    seen: Vec<String>,
    oldest: Oldest,
}

impl Console {
    async fn new(account: &Account) -> Self {
        let (out, inbox) = mpsc::channel(256);
        let context = Context {
            environment: "prod".into(),
            cluster: CLUSTER.into(),
            region: "eu-central-1".into(),
            ..Context::default()
        };
        let cloud = Arc::new(connect(&access(account)).await.expect("a cloud").within_budgets());
        Self {
            account: account.clone(),
            reads: Reads::new(cloud.clone(), context.clone()),
            cloud,
            model: Model::new(context, Keymap::default(), Timestamp::now(), SIZE),
            theme: Theme::dark(TimeZone::UTC),
            terminal: Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("a terminal"),
            out,
            inbox,
            frames: Vec::new(),
            drawn: Instant::now(),
            seen: Vec::new(),
            oldest: Oldest::default(),
        }
    }

    fn take(&mut self, msg: Msg) {
        self.model.now = Timestamp::now();
        for effect in update(&mut self.model, msg) {
            match effect {
                Effect::Fetch(Fetch::Fleet(attention), generation) => self.fetch_fleet(attention, generation),
                Effect::Fetch(fetch, generation) => {
                    let (reads, out) = (self.reads.clone(), self.out.clone());
                    tokio::spawn(async move {
                        // The bench may be over.
                        let _ = out.send(Msg::Loaded(generation, reads.answer(fetch).await)).await;
                    });
                }
                Effect::Look(attention) => {
                    self.seen.clone_from(&attention.seen);
                    self.cloud.look(&attention);
                }
                _ => {}
            }
        }
    }

    fn fetch_fleet(&mut self, attention: Attention, generation: Generation) {
        self.seen.clone_from(&attention.seen);
        let (cloud, out) = (self.cloud.clone(), self.out.clone());
        tokio::spawn(async move {
            let told = |fleet| drop(out.try_send(Msg::FleetSoFar(generation, Box::new(fleet))));
            let fleet = cloud.fleet_in_turn(CLUSTER, &attention, &told).await;
            // The bench may be over.
            let _ = out.send(Msg::Loaded(generation, Answer::Fleet(fleet))).await;
        });
    }

    fn draw(&mut self) {
        let (model, theme, mut viewport) = (&self.model, &self.theme, self.model.viewport);
        self.terminal.draw(|frame| viewport = ui::draw(model, theme, frame)).expect("it is drawn");
        self.model.viewport = viewport;
        self.drawn = Instant::now();
    }

    /// Presses a key, and keeps how long it took until it was drawn.
    fn key(&mut self, key: Key) {
        let pressed = Instant::now();
        self.take(Msg::Key(key.into()));
        self.draw();
        self.frames.push(pressed.elapsed());
    }

    /// Lets the console live for a moment.
    async fn live(&mut self) {
        // As the console does it, at a quieter pace: what is on the screen follows from what was drawn.
        if self.drawn.elapsed() >= Duration::from_millis(100) {
            self.draw();
        }
        let moment = tokio::time::timeout(Duration::from_millis(33), self.inbox.recv()).await;
        match moment {
            Ok(Some(msg)) => self.take(msg),
            Ok(None) | Err(_) => self.take(Msg::Tick(Timestamp::now())),
        }
    }

    /// Times until the first rows are known, and until every part is.
    async fn fill(&mut self) -> (Duration, Duration) {
        let began = Instant::now();
        let mut first = None;
        self.draw();
        loop {
            self.live().await;
            let Some(fleet) = self.model.screens.fleet.remote.get() else { continue };
            if fleet.servers.is_empty() {
                continue;
            }
            let rows = *first.get_or_insert_with(|| began.elapsed());
            let known = |server: &quarterdeck::core::fleet::Server| {
                server.tasks.known().is_some()
                    && server.bounds.known().is_some()
                    && server.logs.known().is_some()
                    && server.targets_unread().is_none()
            };
            if fleet.servers.len() == self.account.services() && fleet.servers.iter().all(known) {
                return (rows, began.elapsed());
            }
        }
    }

    /// The calls of some time, in which something is done thirty times a second, and a key moves the selection now
    /// and then.
    async fn window(&mut self, time: Duration, mut act: impl FnMut(&mut Self)) -> BTreeMap<String, Came> {
        self.account.reset();
        self.oldest = Oldest::default();
        let (began, mut moved, mut down) = (Instant::now(), Instant::now(), true);
        while began.elapsed() < time {
            self.live().await;
            act(self);
            if let Some(fleet) = self.model.screens.fleet.remote.get() {
                self.oldest.look(fleet, &self.seen, Timestamp::now());
            }
            if moved.elapsed() >= Duration::from_millis(500) {
                self.key(if down { Key::Down } else { Key::Up });
                (moved, down) = (Instant::now(), !down);
            }
        }
        self.account.came()
    }

    fn report(&mut self, services: usize) -> Option<String> {
        self.frames.sort();
        let at = |part: f64| self.frames[((self.frames.len() - 1) as f64 * part) as usize];
        println!(
            "  key to frame p50 {:.1?}, p99 {:.1?}, worst {:.1?}; memory with the account {} MB",
            at(0.5),
            at(0.99),
            at(1.0),
            memory()
        );
        (at(0.99) > FRAME && !cfg!(debug_assertions)).then(|| format!("{services}: {:.0?} from key to frame", at(0.99)))
    }
}

/// Resident memory of this process in megabytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
