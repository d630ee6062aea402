//! A console without a terminal: keys go in, effects come out, and a small world answers the reads.

pub mod big;
pub mod cloud;
pub mod cloudwatch;
pub mod drive;
pub mod emulator;
pub mod engine;
pub mod fixtures;
pub mod frames;
pub mod front;
pub mod hostile;
pub mod image;
pub mod journey;
pub mod logs;
pub mod operators;
pub mod painted;
pub mod plans;
pub mod program;
pub mod pty;
pub mod recorder;
pub mod registry;
pub mod scripted;
pub mod stacks;
pub mod tailing;
pub mod world;

use jiff::Timestamp;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::keymap::{Key, KeyPress, Keymap};
use quarterdeck::console::model::Model;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::screens::{Answer, Fetch};
use quarterdeck::console::update::update;
use quarterdeck::core::client::ClientList;
use quarterdeck::core::destination::{Cluster, Profile};
use quarterdeck::core::error::{CloudError, CloudResult, ErrorKind};
use quarterdeck::core::fleet::Fleet;
use quarterdeck::core::identity::Context;
use quarterdeck::core::issue::Issue;
use quarterdeck::core::logs::words::Said;
use quarterdeck::core::logs::{Line, TailState};
use quarterdeck::core::metrics::Measured;
use quarterdeck::core::operation::{self, Announced, Event};
use quarterdeck::core::plan::Plan;
use quarterdeck::core::quarantine::Quarantine;
use quarterdeck::core::requests::Lately;
use quarterdeck::core::shift::{Nowhere, Shifts};
use quarterdeck::core::stack::{Stack, StackDetail};
use quarterdeck::core::timeline::History;
use quarterdeck::core::user::UserList;

/// What the reads answer.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub fleet: Fleet,
    /// What tasks said last.
    pub said: Vec<Said>,
    pub stacks: Vec<Stack>,
    pub detail: StackDetail,
    pub clients: ClientList,
    pub users: UserList,
    pub quarantine: Quarantine,
    /// Events of stacks, and operations.
    pub history: History,
    /// AWS's own issues that go on; `None` is no event log.
    pub issues: Option<Vec<Issue>>,
    /// What keeps requests away from zones; `None` where nothing does that.
    pub shifts: Option<Shifts>,
    /// What is announced on the cluster; `None` is nothing.
    pub announced: Option<CloudResult<Vec<Announced>>>,
    pub clusters: Vec<Cluster>,
    pub profiles: Vec<Profile>,
    /// Figures and alarms; `None` is an endpoint that has none.
    pub measured: Option<CloudResult<Measured>>,
    /// The requests of the last minutes; `None` is a log that cannot be read.
    pub lately: Option<Lately>,
    /// Every read fails with this.
    pub down: Option<CloudError>,
}

/// The tests' time, and seconds from it.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a valid time")
}

/// A failure that an operator meets.
pub fn unreachable() -> CloudError {
    CloudError::new(ErrorKind::Unreachable, "ecs:ListServices", "connection to 127.0.0.1:4566 refused")
}

/// A console and the world that it reads.
pub struct Console {
    pub model: Model,
    pub world: World,
    /// Whether reads are answered at once.
    pub answers: bool,
}

impl Console {
    /// A console on the fixtures' fleet that has read it.
    pub fn new() -> Self {
        let mut console = Self::silent(fixtures::context());
        console.answers = true;
        console.tick(0);
        console
    }

    /// A console on a world with these servers.
    pub fn with(world: World) -> Self {
        let mut console = Self::silent(fixtures::context());
        (console.world, console.answers) = (world, true);
        console.tick(0);
        console
    }

    /// A console that has read nothing and gets no answer.
    pub fn silent(context: Context) -> Self {
        let model = Model::new(context, Keymap::default(), at(0), (80, 24));
        Self { model, world: fixtures::world(), answers: false }
    }

    /// Sends a message; reads are answered, all other effects are returned.
    pub fn send(&mut self, msg: Msg) -> Vec<Effect> {
        let mut effects = update(&mut self.model, msg);
        let mut others = Vec::new();
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Fetch(read, generation) if self.answers => {
                    let answer = self.world.answer(&read);
                    effects.extend(update(&mut self.model, Msg::Loaded(generation, answer)));
                }
                other => others.push(other),
            }
        }
        others.reverse();
        others
    }

    /// Lets the time be this many seconds from the tests' now.
    pub fn tick(&mut self, seconds: i64) -> Vec<Effect> {
        self.send(Msg::Tick(at(seconds)))
    }

    /// Presses keys: `3D`, `/time<enter>`, `<ctrl-d>`.
    pub fn keys(&mut self, keys: &str) -> Vec<Effect> {
        parse(keys).into_iter().flat_map(|press| self.send(Msg::Key(press))).collect()
    }

    /// Answers the newest request for a plan.
    pub fn planned(&mut self, plan: Plan) -> Vec<Effect> {
        self.send(Msg::Planned(self.model.planning, Box::new(Ok(plan))))
    }

    /// Gives an operation an event.
    pub fn event(&mut self, id: &str, event: Event) -> Vec<operation::Order> {
        let effects = self.send(Msg::Operation(id.into(), event));
        effects.into_iter().filter_map(of_operation).collect()
    }

    /// Opens the logs with these lines and this state of the tail.
    pub fn logs(&mut self, lines: Vec<Line>, state: TailState) {
        let effects = self.keys("2");
        let generation = effects.iter().find_map(|effect| match effect {
            Effect::Tail(generation, _) => Some(*generation),
            _ => None,
        });
        let generation = generation.expect("the logs are followed");
        self.send(Msg::Lines(generation, lines));
        self.send(Msg::Tail(generation, state));
    }

    /// The newest message to the operator.
    pub fn toast(&self) -> String {
        use quarterdeck::console::msg::Notice::{Bad, Good};
        let toast = self.model.toasts.back().map(|toast| &toast.notice);
        toast.map(|(Good(text) | Bad(text))| text.clone()).unwrap_or_default()
    }
}

impl World {
    pub fn answer(&self, read: &Fetch) -> Answer {
        if let Some(error) = &self.down {
            return read.failed(error.clone());
        }
        match read {
            Fetch::Identity => Answer::Identity(Ok(fixtures::identity())),
            Fetch::Fleet(_) => Answer::Fleet(Ok(self.fleet.clone())),
            Fetch::Announced => Answer::Announced(self.announced.clone().unwrap_or_else(|| Ok(Vec::new()))),
            Fetch::Measured(_) => {
                let lacks = || CloudError::new(ErrorKind::Unsupported, "cloudwatch:DescribeAlarms", "not known here");
                Answer::Measured(self.measured.clone().unwrap_or_else(|| Err(lacks())).map(Box::new))
            }
            Fetch::Traffic(_) => {
                let lacks = || CloudError::new(ErrorKind::Unsupported, "logs:FilterLogEvents", "not known here");
                Answer::Traffic(self.lately.clone().map(Box::new).ok_or_else(lacks))
            }
            Fetch::Words(_) => Answer::Words(Ok(self.said.clone())),
            Fetch::Revisions(asked) => Answer::Revisions(Ok(Box::new(fixtures::compared(asked)))),
            Fetch::Stacks => Answer::Stacks(Ok(self.stacks.clone())),
            Fetch::StackDetail(_) => Answer::StackDetail(Ok(self.detail.clone())),
            Fetch::History(_) => Answer::History(Ok(self.history.clone())),
            Fetch::Issues => Answer::Issues(Ok(self.issues.clone())),
            Fetch::Shifts => Answer::Shifts(Ok(self.shifts.clone().map(Box::new).ok_or(Nowhere::Local))),
            Fetch::Clusters => Answer::Clusters(Ok(self.clusters.clone())),
            Fetch::Profiles => Answer::Profiles(Ok(self.profiles.clone())),
            Fetch::Clients => Answer::Clients(Ok(self.clients.clone())),
            Fetch::Quarantine => Answer::Quarantine(Ok(self.quarantine.clone())),
            Fetch::Users => Answer::Users(Ok(self.users.clone())),
        }
    }
}

/// The operation's own effect.
pub fn of_operation(effect: Effect) -> Option<operation::Order> {
    match effect {
        Effect::Operation(_, effect) => Some(effect),
        _ => None,
    }
}

/// Keys that type no ASCII character, for random input.
pub const NAMED_KEYS: &[Key] = &[
    Key::Enter,
    Key::Esc,
    Key::Up,
    Key::Down,
    Key::Home,
    Key::End,
    Key::PageUp,
    Key::PageDown,
    Key::F(1),
    Key::F(2),
    Key::Backspace,
    Key::Tab,
    Key::Char('東'),
];

/// `3D<enter>` as key presses; `<` begins the name of a key.
pub fn parse(keys: &str) -> Vec<KeyPress> {
    let (mut presses, mut rest) = (Vec::new(), keys);
    while let Some(c) = rest.chars().next() {
        let (name, after) = match rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            Some((name, after)) => (name, after),
            None => rest.split_at(c.len_utf8()),
        };
        let name = if name == " " { "space" } else { name };
        presses.push(name.parse().unwrap_or_else(|error| panic!("{keys:?}: {error}")));
        rest = after;
    }
    presses
}

/// The `Authorization` header of a client and its secret (RFC 7617).
pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64(format!("{id}:{secret}").as_bytes()))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let quad = |chunk: &[u8]| {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        let letter = |at: usize| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]);
        (0..4).map(|at| if at <= chunk.len() { letter(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(quad).collect()
}
