//! Game day: faults that are put into the running local cloud on purpose, and taken back.
//!
//! Architecture invariants. A fault touches the emulator that the state file names, on the loopback, and nothing else:
//! no endpoint is taken from a flag. It is in the state file before anything is broken, so that [`mend`] works after
//! a crash. What the emulator cannot play says so; the tests play it on an AWS of their own
//! (`tests/it/gameday.rs`).

mod change;
mod emulated;
mod forged;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::process::Command;

use self::emulated::Emulated;
pub use self::forged::{BadToken, forge};
use super::LocalOptions;
use super::dirs::Dirs;
use super::error::LocalError;
use super::process::Process;
use super::state_file::{Lock, StateFile};
use super::traffic::Wrong;
use crate::core::environment::names;
use crate::core::finding::Id;

/// Name of the stack that is stuck, as a part of an environment.
const STUCK: &str = "gameday";

/// What the process of a fault says first of all, before the URL that it calls.
pub const CALLING: &str = "calling ";
/// How long it may take until it does: it asks for a token, and may have to make one.
const READY: Duration = Duration::from_secs(30);

/// How a fault is put into the local cloud.
#[derive(Debug, Clone, Copy)]
pub enum Means {
    /// The service gets a task definition with this change.
    Definition(change::Change),
    /// The same, and good calls, without which nobody would see it.
    Seen(change::Change),
    /// A process of this program calls the server like this.
    Calls(Wrong),
    /// A stack whose creation fails.
    Stack,
    /// The emulator cannot play it; why not.
    Scripted(&'static str),
}

macro_rules! faults {
    ($($variant:ident $word:literal $server:literal $means:expr, $cause:expr, $what:literal;)*) => {
        /// What can be broken on purpose. The words are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Fault { $(
            #[doc = $what]
            #[serde(rename = $word)]
            $variant,
        )* }

        impl Fault {
            /// All of them, in the order of the guide.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its stable name.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What it does, in a sentence.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }

            /// The server that it breaks where none is named.
            pub fn server(self) -> &'static str {
                match self { $(Self::$variant => $server,)* }
            }

            /// How it is played on the local cloud.
            pub fn means(self) -> Means {
                match self { $(Self::$variant => $means,)* }
            }

            /// What `why` names first while it lasts.
            pub fn cause(self) -> Id {
                match self { $(Self::$variant => $cause,)* }
            }
        }
    };
}

faults! {
    Exit "exit" "time" Means::Definition(change::unbindable), Id::CrashLoop,
        "each task ends with exit code 1, as soon as it starts";
    Memory "memory" "time"
        Means::Scripted("the emulator sets no memory limit on containers"), Id::OutOfMemory,
        "each task is killed, because it takes more memory than its limit";
    ImageTag "image-tag" "time" Means::Definition(change::unknown_tag), Id::ImageMissing,
        "the image has a tag that does not exist";
    Architecture "architecture" "time"
        Means::Scripted("the emulator starts any image on the architecture of this machine"),
        Id::ImageArchitecture,
        "the image is for another architecture";
    HealthPath "health-path" "time"
        Means::Scripted("the emulator calls every target healthy"), Id::HealthCheckPath,
        "the health check asks for a path that the server answers with 404";
    SecretKey "secret-key" "time" Means::Definition(change::unknown_key), Id::SecretMissing,
        "a variable comes from a key that its secret does not have";
    NoToken "no-token" "time" Means::Calls(Wrong::NoToken), Id::NoToken,
        "a client calls without a token";
    ExpiredToken "expired-token" "time"
        Means::Calls(Wrong::Token(BadToken::Expired)), Id::TokenExpired,
        "a client calls with a token that has expired";
    OtherToken "other-token" "time"
        Means::Calls(Wrong::Token(BadToken::OfAnother)), Id::ClientNotAllowed,
        "a client calls with a token for another server";
    IdToken "id-token" "time" Means::Calls(Wrong::Token(BadToken::Id)), Id::IdToken,
        "a client calls with an id token in place of an access token";
    IssuerKeys "issuer-keys" "time" Means::Seen(change::unreachable_keys), Id::KeysUnavailable,
        "the server cannot reach the keys of its issuer";
    Upstream "upstream" "weather" Means::Seen(change::broken_upstream), Id::ToolFailing,
        "what a tool calls answers with 500";
    Flood "flood" "time" Means::Calls(Wrong::Flood), Id::ClientFloods,
        "one client calls forty times a second";
    SlowTool "slow-tool" "weather" Means::Seen(change::slow_upstream), Id::ToolSlow,
        "a tool takes seconds, because what it calls does";
    BodySize "body-size" "time" Means::Calls(Wrong::Oversized), Id::BodyTooLarge,
        "a client sends bodies that are too large, and gets 413";
    StackStuck "stack-stuck" "" Means::Stack, Id::StackStuck,
        "a stack has failed, and takes no change any more";
    KilledByTarget "killed-by-target" "time"
        Means::Scripted("the emulator calls every target healthy"), Id::HealthCheckTimeout,
        "the target group kills tasks that do not answer its health check in time";
}

impl Fault {
    /// The fault of this name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.word() == word)
    }

    /// How a process of ours calls the server while this fault lasts, if one does.
    pub fn calls(self) -> Option<Wrong> {
        match self.means() {
            Means::Calls(wrong) => Some(wrong),
            Means::Seen(_) => Some(Wrong::Nothing),
            Means::Definition(_) | Means::Stack | Means::Scripted(_) => None,
        }
    }

    /// Why the emulator cannot play it; `None` if it can.
    pub fn unplayable(self) -> Option<&'static str> {
        match self.means() {
            Means::Scripted(why) => Some(why),
            _ => None,
        }
    }
}

/// What is broken now, and how it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broken {
    /// Which fault.
    pub fault: Fault,
    /// The broken server; empty for a fault that is no server's.
    pub server: String,
    /// When it was broken.
    pub since: Timestamp,
    /// The environment.
    pub environment: String,
    /// The region.
    pub region: String,
    /// ARN of the task definition that was in force, if another one is in its place.
    pub before: Option<String>,
    /// ARN of that other one, once it is registered.
    pub broken: Option<String>,
    /// The process that calls the server, once it runs.
    pub process: Option<Process>,
}

/// The local environment that runs.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Its name.
    pub environment: String,
    /// Its region.
    pub region: String,
    /// Its servers.
    pub servers: Vec<String>,
    /// This program, for the process that calls a server.
    pub program: PathBuf,
}

impl Scene {
    /// The server that is broken: the one that was named, else the fault's own.
    fn server(&self, fault: Fault, named: Option<&str>) -> Result<String, LocalError> {
        let wanted = named.unwrap_or(fault.server());
        if matches!(fault.means(), Means::Stack) || self.servers.iter().any(|server| server == wanted) {
            return Ok(if matches!(fault.means(), Means::Stack) { String::new() } else { wanted.to_owned() });
        }
        let (server, known) = (wanted.to_owned(), self.servers.join(", "));
        Err(LocalError::NoServer { fault: fault.word(), server, known })
    }
}

/// Breaks something, until [`mend`] takes it back.
///
/// # Errors
/// When the local cloud does not run, the emulator cannot play the fault, there is no such server, or something is
/// broken already that the fault would meet.
pub async fn inject(
    options: &LocalOptions,
    scene: &Scene,
    fault: Fault,
    named: Option<&str>,
) -> Result<Broken, LocalError> {
    if let Some(why) = fault.unplayable() {
        let reason = format!("{why}; docs/incidents/matrix.md says what would show, and a test plays it");
        return Err(LocalError::Unplayable { fault: fault.word(), reason });
    }
    let refuse = |reason: String| LocalError::Fault { fault: fault.word(), reason };
    let dirs = options.dirs()?;
    dirs.make().await?;
    let _lock = Lock::take(&dirs).await?;
    let mut state_file = StateFile::load(&dirs).await?;
    let emulated = emulated(&state_file, &scene.region).await?;
    let server = scene.server(fault, named)?;
    not_yet(&state_file, fault, &server)?;
    let mut broken = Broken {
        fault,
        server,
        since: Timestamp::now(),
        environment: scene.environment.clone(),
        region: scene.region.clone(),
        before: None,
        broken: None,
        process: None,
    };
    let at = state_file.broken.len();
    if let Means::Definition(change) | Means::Seen(change) = fault.means() {
        let found = emulated.service_definition(&names::cluster(&scene.environment), &broken.server).await?;
        broken.before = found["taskDefinitionArn"].as_str().map(str::to_owned);
        let draft = change::changed(&found, &broken.server, change).map_err(refuse)?;
        record(&mut state_file, at, &broken, &dirs).await?;
        broken.broken = Some(emulated.register(&draft).await?);
        record(&mut state_file, at, &broken, &dirs).await?;
        emulated.redefine(&broken).await?;
    }
    if matches!(fault.means(), Means::Stack) {
        record(&mut state_file, at, &broken, &dirs).await?;
        emulated.create_stuck(&names::stack(&scene.environment, STUCK), &scene.environment).await?;
    }
    if fault.calls().is_some() {
        let log = dirs.state.join(format!("fault-{}.log", fault.word()));
        let process = caller(&scene.program, &log, &broken).await?;
        broken.process = Some(process.clone());
        record(&mut state_file, at, &broken, &dirs).await?;
        if let Err(reason) = calling(&process, &log).await {
            process.stop("calls of a fault").await?;
            // Whatever else is broken stays in the state file, to be mended.
            if broken.before.is_none() {
                state_file.broken.remove(at);
                state_file.save(&dirs).await?;
            }
            return Err(refuse(reason));
        }
    }
    Ok(broken)
}

/// Refuses a fault that is there already, and a second one of the same task definition.
fn not_yet(state_file: &StateFile, fault: Fault, server: &str) -> Result<(), LocalError> {
    let redefines = |fault: Fault| matches!(fault.means(), Means::Definition(_) | Means::Seen(_));
    let meets =
        |one: &&Broken| one.server == server && (one.fault == fault || (redefines(one.fault) && redefines(fault)));
    let Some(other) = state_file.broken.iter().find(meets) else { return Ok(()) };
    let (of, word) = (if server.is_empty() { "the environment" } else { server }, other.fault.word());
    let reason = format!("{of} is broken by {word} already; `quarterdeck local mend {word}` mends it");
    Err(LocalError::Fault { fault: fault.word(), reason })
}

/// Takes back what is broken: this fault, or all. What could not be taken back stays in the state file.
///
/// # Errors
/// When the state file cannot be read, or something cannot be taken back.
pub async fn mend(options: &LocalOptions, fault: Option<Fault>) -> Result<Vec<Broken>, LocalError> {
    let dirs = options.dirs()?;
    dirs.make().await?;
    let _lock = Lock::take(&dirs).await?;
    let mut state_file = StateFile::load(&dirs).await?;
    let mut mended = Vec::new();
    while let Some(at) = state_file.broken.iter().position(|one| fault.is_none_or(|fault| fault == one.fault)) {
        let broken = state_file.broken[at].clone();
        take_back(&state_file, &broken).await?;
        state_file.broken.remove(at);
        state_file.save(&dirs).await?;
        mended.push(broken);
    }
    Ok(mended)
}

async fn take_back(state_file: &StateFile, broken: &Broken) -> Result<(), LocalError> {
    if let Some(process) = &broken.process {
        process.stop("calls of a fault").await?;
    }
    let Broken { fault, server, environment, region, .. } = broken;
    if let Some(before) = &broken.before {
        let cluster = names::cluster(environment);
        let update = json!({ "cluster": cluster, "service": server, "taskDefinition": before,
            "forceNewDeployment": true });
        let emulated = emulated(state_file, region).await?;
        emulated.unless_gone("UpdateService", &update).await?;
        if let Some(draft) = &broken.broken {
            // So that a rollback does not find it.
            emulated.unless_gone("DeregisterTaskDefinition", &json!({ "taskDefinition": draft })).await?;
        }
    }
    if matches!(fault.means(), Means::Stack) {
        emulated(state_file, region).await?.delete_stack(&names::stack(environment, STUCK)).await?;
    }
    Ok(())
}

/// Ends the processes of all faults. What else they have broken goes with the emulator.
pub(super) async fn forget(state_file: &mut StateFile) -> Result<(), LocalError> {
    for process in state_file.broken.iter().filter_map(|broken| broken.process.as_ref()) {
        process.stop("calls of a fault").await?;
    }
    state_file.broken.clear();
    Ok(())
}

/// The emulator that runs.
async fn emulated(state_file: &StateFile, region: &str) -> Result<Emulated, LocalError> {
    match &state_file.emulator {
        Some(emulator) if emulator.process.alive().await => Emulated::at(emulator.port, region),
        _ => Err(LocalError::NotRunning),
    }
}

/// Writes down what is broken, before it is.
async fn record(state_file: &mut StateFile, at: usize, broken: &Broken, dirs: &Dirs) -> Result<(), LocalError> {
    state_file.broken.truncate(at);
    state_file.broken.push(broken.clone());
    state_file.save(dirs).await
}

/// A process of this program that calls the server as long as the fault lasts.
async fn caller(program: &Path, log: &Path, broken: &Broken) -> Result<Process, LocalError> {
    let mut command = Command::new(program);
    command.args(["local", "traffic", "--fault", broken.fault.word(), "--server", &broken.server]);
    Process::start(command, log).await
}

/// Waits until it calls. Why it does not, is the last line of its log.
async fn calling(process: &Process, log: &Path) -> Result<(), String> {
    let said = || async { tokio::fs::read_to_string(log).await.unwrap_or_default() };
    let ready = async {
        loop {
            if said().await.lines().any(|line| line.starts_with(CALLING)) {
                return true;
            }
            if !process.alive().await {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(READY, ready).await == Ok(true) {
        return Ok(());
    }
    let text = said().await;
    let last = text.lines().last().unwrap_or("it said nothing");
    Err(format!("its calls do not begin: {} (log: {})", last.trim_start_matches("quarterdeck: "), log.display()))
}

/// What a fault is, for who reads the list.
pub fn document(fault: Fault) -> Value {
    json!({
        "fault": fault.word(),
        "does": fault.what(),
        "server": Some(fault.server()).filter(|server| !server.is_empty()),
        "cause": fault.cause().word(),
        "unplayable": fault.unplayable(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_fault_has_a_word_of_its_own_and_is_found_by_it() {
        let words: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.word()).collect();
        assert_eq!(words.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            assert_eq!(Fault::named(fault.word()), Some(*fault));
            let written = serde_json::to_value(fault).unwrap_or_default();
            assert_eq!(written.as_str(), Some(fault.word()), "the state file has the same word");
            assert!(fault.what().len() > 20 && !fault.what().ends_with('.'), "{}", fault.what());
        }
        assert_eq!(Fault::named("no-such-fault"), None);
    }

    fn scene() -> Scene {
        Scene {
            environment: "local".to_owned(),
            region: "us-east-1".to_owned(),
            servers: vec!["time".to_owned()],
            program: "/bin/true".into(),
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_refused_with_those_that_are() {
        let scene = scene();
        assert_eq!(scene.server(Fault::Exit, None).ok().as_deref(), Some("time"));
        assert_eq!(scene.server(Fault::StackStuck, Some("time")).ok().as_deref(), Some(""));
        for (fault, named) in [(Fault::Upstream, None), (Fault::Exit, Some("tiem"))] {
            let said = scene.server(fault, named).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains("there is time"), "{said}");
        }
    }

    /// A local cloud in a directory of its own, with an emulator that this test plays itself.
    #[tokio::test]
    async fn without_a_local_cloud_nothing_is_broken() {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let dirs = Dirs { data: place.path().to_owned(), state: place.path().to_owned() };
        let options = LocalOptions { dirs: Some(dirs.clone()), ..LocalOptions::default() };
        for fault in Fault::ALL {
            let refused = inject(&options, &scene(), *fault, Some("time")).await;
            let as_it_should = match fault.unplayable() {
                Some(why) => matches!(&refused, Err(LocalError::Unplayable { reason, .. }) if reason.starts_with(why)),
                None => matches!(refused, Err(LocalError::NotRunning)),
            };
            assert!(as_it_should, "{}: {refused:?}", fault.word());
        }
        assert_eq!(mend(&options, None).await.ok(), Some(Vec::new()));
        assert_eq!(StateFile::load(&dirs).await.ok(), Some(StateFile::default()));
    }
}
