//! A trial: a server's image is started once, is asked which tools it has, and is ended.
//!
//! What keeps the machine clean. Containers are made, and removed, by a guard ([`guard`]): a shell of its own that waits
//! for the end of a pipe whose other end this process has. Whatever ends this process, a key, a signal or a crash, closes
//! that pipe. What a machine that lost its power has left is removed by the next trial. Nothing is written to a disk: the
//! containers have no log, and their folders are in memory.
//!
//! What keeps it safe. The image is somebody else's program. It has no network, no capability and no secret, a read-only
//! root as at AWS, the memory of its task and some time. Its words are cut, made harmless and bounded.

mod container;
mod guard;
mod words;

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::workshop::Program;
use crate::core::text::sanitise;
use crate::core::trial::talk::{Next, Talk};
use crate::core::trial::{Answered, Listed, Trial, Tried, Way};
use container::{Image, Names};
use guard::Guard;
use words::{Lines, Said};

/// How long a server of the later era is waited for, before the earlier one is tried, too: what gangway waits.
const DISCOVER: Duration = Duration::from_secs(3);
/// Time limit of a question to the engine.
const QUESTION: Duration = Duration::from_secs(10);
/// How long after the end of its output a server's own end is waited for.
const ENDING: Duration = Duration::from_secs(2);
/// Between two looks whether a container runs.
const LOOK: Duration = Duration::from_millis(100);
/// The exit code with which gangway refuses arguments that it does not know.
const USAGE_ERROR: i32 = 2;

/// Tries a server. `image` and `gangway` are what the engine says of the images.
pub(super) async fn run(program: &Program, trial: &Trial, image: &Value, gangway: Option<&Value>) -> Tried {
    let (image, gangway) = (Image::of(image), gangway.map(Image::of));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    guard::sweep(program, now.as_secs()).await;
    // Nobody waits longer than that, whatever happens.
    let names = Names::new(now.as_secs() + trial.seconds + 120);
    let containers = match container::all(program.kind, trial, &names, &image, Some(gangway.as_ref().unwrap_or(&image)))
    {
        Ok(containers) => containers,
        Err(why) => return Tried::NotTried(why),
    };
    let guard = match Guard::make(program, &containers).await {
        Ok(guard) => guard,
        Err(why) => return Tried::NotTried(format!("the engine makes no container of it: {}", sanitise(&why))),
    };
    let began = Instant::now();
    let tried = Session { program, trial, names: &names, began, said: Said::default() }.tried().await;
    guard.end().await;
    tried
}

struct Session<'a> {
    program: &'a Program,
    trial: &'a Trial,
    names: &'a Names,
    began: Instant,
    said: Said,
}

/// How a conversation ended.
enum End {
    Over(Answered),
    Broken(String),
    /// The server's container ended.
    Gone(Option<ExitStatus>),
    /// What speaks with it over HTTP ended.
    NoWay(Option<ExitStatus>),
    Silent,
}

impl Session<'_> {
    async fn tried(&self) -> Tried {
        let deadline = self.began + Duration::from_secs(self.trial.seconds);
        let end = match self.started(deadline).await {
            Ok(end) => end,
            Err(error) => return Tried::NotTried(format!("the engine's program does not start: {error}")),
        };
        match end {
            End::Over(answered) => Tried::Answered(answered),
            End::Broken(why) => Tried::Failed { why: sanitise(&why), said: self.said.lines() },
            End::Gone(status) => self.ended(status).await,
            End::NoWay(Some(status)) if status.code() == Some(USAGE_ERROR) => Tried::NotTried(
                "it listens on a port of its container, and the image of gangway is of an earlier version, which cannot ask \
                 it; publish a newer one"
                    .to_owned(),
            ),
            End::NoWay(_) => Tried::NotTried(format!(
                "what asks it at {} ended: {}",
                self.trial.way,
                self.said.lines().last().map_or("without a word", String::as_str)
            )),
            End::Silent => Tried::Unknown {
                why: format!(
                    "no answer at {} within {} s; it may wait for what it has not here",
                    self.trial.way, self.trial.seconds
                ),
                said: self.said.lines(),
            },
        }
    }

    /// What it means that the container ended.
    async fn ended(&self, status: Option<ExitStatus>) -> Tried {
        // Its last words may be on their way still.
        self.said.complete(ENDING).await;
        let (code, said) = (status.and_then(|status| status.code()), self.said.lines());
        if let Some(why) = container::not_started(code, &said) {
            return Tried::NotTried(why);
        }
        let why = match code {
            Some(137) => format!("it was killed, as one is that takes more than its {} MiB", self.trial.memory_mib),
            Some(code) => format!("it ended with exit code {code}"),
            None => "it ended".to_owned(),
        };
        Tried::Failed { why, said }
    }

    /// Starts what was made and speaks with it.
    async fn started(&self, deadline: Instant) -> std::io::Result<End> {
        let stdio = self.trial.way == Way::Stdio;
        let mut server = self.start(&self.names.server, stdio)?;
        self.said.follow(server.stderr.take());
        if stdio {
            return Ok(self.converse(&mut server, None, deadline).await);
        }
        self.said.follow(server.stdout.take());
        loop {
            tokio::select! {
                status = server.wait() => return Ok(End::Gone(status.ok())),
                () = sleep_until(deadline) => return Ok(End::Silent),
                running = container::runs(self.program, &self.names.server) => if running { break },
            }
            sleep(LOOK).await;
        }
        let mut way = self.start(&self.names.way, true)?;
        self.said.follow(way.stderr.take());
        Ok(self.converse(&mut server, Some(&mut way), deadline).await)
    }

    /// Attaches to a container and starts it. What is attached is of a group of its own: a key that ends this process is
    /// not for the container, which the guard ends.
    fn start(&self, name: &str, interactive: bool) -> std::io::Result<Child> {
        let mut command = self.program.command();
        command.args(["start", "--attach"]);
        if interactive {
            command.arg("--interactive");
        }
        command.arg(name).process_group(0).kill_on_drop(true);
        command.stdin(if interactive { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    async fn converse(&self, server: &mut Child, way: Option<&mut Child>, deadline: Instant) -> End {
        let over_http = way.is_some();
        let (mut other, speaks) = match way {
            Some(way) => (Some(server), way),
            None => (None, server),
        };
        let (Some(mut input), Some(output)) = (speaks.stdin.take(), speaks.stdout.take()) else {
            return End::Gone(None);
        };
        let mut lines = Lines::new(output);
        let (mut talk, first) = Talk::begin();
        let patience = Instant::now() + DISCOVER;
        let mut impatient = false;
        let mut next = Next::Say(vec![first]);
        loop {
            match next {
                // Where it does not listen, it is seen below whether it still runs.
                Next::Say(say) => drop(timeout_at(deadline, send(&mut input, say)).await),
                Next::Noise => {}
                Next::Over { revision, tools } => return End::Over(self.answered(revision, tools).await),
                Next::Broken(why) => return End::Broken(why),
            }
            next = tokio::select! {
                line = lines.next() => match line {
                    Some(line) => self.heard(&mut talk, &line),
                    None => {
                        let status = timeout(ENDING, speaks.wait()).await.ok().and_then(Result::ok);
                        return match (over_http, status) {
                            (true, status) => End::NoWay(status),
                            (false, None) => End::Broken("it closed its standard output".to_owned()),
                            (false, status) => End::Gone(status),
                        };
                    }
                },
                status = ended(&mut other) => return End::Gone(status),
                () = sleep_until(patience), if !impatient => {
                    impatient = true;
                    talk.impatient()
                }
                () = sleep_until(deadline) => return End::Silent,
            };
        }
    }

    /// What is measured while it still runs.
    async fn answered(&self, revision: String, tools: Vec<Listed>) -> Answered {
        let answered_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let memory_mib = container::memory(self.program, &self.names.server).await;
        Answered { revision, tools, memory_mib, answered_ms }
    }

    fn heard(&self, talk: &mut Talk, line: &str) -> Next {
        let next = talk.hear(line);
        if next == Next::Noise {
            self.said.keep(line);
        }
        next
    }
}

/// The end of a server that is spoken with another way.
async fn ended(server: &mut Option<&mut Child>) -> Option<ExitStatus> {
    match server {
        Some(server) => server.wait().await.ok(),
        None => std::future::pending().await,
    }
}

async fn send(input: &mut ChildStdin, lines: Vec<String>) {
    for line in lines {
        if input.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
    let _ = input.flush().await;
}
