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
    let session = Session { program, trial, names: &names, began, said: Said::default(), asker: Said::default() };
    let tried = session.tried().await;
    guard.end().await;
    tried
}

struct Session<'a> {
    program: &'a Program,
    trial: &'a Trial,
    names: &'a Names,
    began: Instant,
    /// What the server has said beside its messages.
    said: Said,
    /// The same of what asks it.
    asker: Said,
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
            End::NoWay(_) => {
                // Its last words may be on their way still.
                self.asker.complete(ENDING).await;
                let said = self.asker.lines();
                let last = said.last().map_or("without a word", String::as_str);
                Tried::NotTried(format!("what asks it at {} ended: {last}", self.trial.way))
            }
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
        self.asker.follow(way.stderr.take());
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
                        // What asks a server that has ended ends, too, or is not even started.
                        if over_http && let Ok(of_server) = timeout(ENDING, ended(&mut other)).await {
                            return End::Gone(of_server);
                        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::workshop::Kind;
    use rstest::rstest;
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// An engine that writes down what it is told. To start a container is to run a script of that folder: `server`, or
    /// `way`.
    fn engine(folder: &Path, server: &str, way: &str) -> Program {
        let path = folder.join("engine");
        let here = folder.display();
        let text = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>{here}/argv\nfor last; do :; done\ncase $1 in\n\
             start) case $last in *-way) exec /bin/sh {here}/way;; *) exec /bin/sh {here}/server;; esac;;\n\
             ps) echo quarterdeck-trial-100-ab;;\ncontainer) echo true;;\nstats) echo '12.5MiB / 512MiB';;\nesac\n"
        );
        for (name, text) in [("engine", text.as_str()), ("server", server), ("way", way)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Program { kind: Kind::Podman, path, first: Vec::new() }
    }

    fn trial(way: Way, seconds: u64) -> Trial {
        Trial {
            server: "files".into(),
            image: "files:1".into(),
            gangway: Some("gangway:1".into()),
            way,
            command: vec!["node".into()],
            environment: BTreeMap::new(),
            secrets: Vec::new(),
            unread: None,
            user: "1000:1000".into(),
            read_only: true,
            folders: Vec::new(),
            memory_mib: 256,
            processes: 1,
            seconds,
        }
    }

    async fn tried(trial: Trial, server: &str, way: &str) -> (Tried, String) {
        let folder = tempfile::tempdir().unwrap();
        let program = engine(folder.path(), server, way);
        let gangway = json!({ "Config": { "Entrypoint": ["/.gangway/gangway"] } });
        let tried = run(&program, &trial, &json!({}), Some(&gangway)).await;
        (tried, std::fs::read_to_string(folder.path().join("argv")).unwrap())
    }

    /// A server of the earlier era that keeps silent when it is asked what it does not know.
    const SILENT: &str = r#"while read -r line; do case $line in
        *'"initialize"'*) echo '{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}}';;
        *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"get"}]}}';;
        esac; done"#;

    #[tokio::test]
    async fn a_server_that_does_not_answer_what_it_does_not_know_is_asked_otherwise() {
        let (tried, argv) = tried(trial(Way::Stdio, 30), SILENT, "").await;
        let Tried::Answered(answered) = &tried else { panic!("{tried:?}") };
        assert_eq!((answered.tools.len(), answered.memory_mib), (1, Some(13)));
        assert!(answered.answered_ms >= 3_000, "{answered:?}");
        // What an earlier one left is removed before, and its own at the end.
        let removed: Vec<&str> = argv.lines().filter(|line| line.starts_with("rm ")).collect();
        assert_eq!(removed.len(), 2, "{argv}");
        assert!(removed[0].ends_with(" quarterdeck-trial-100-ab"), "{argv}");
    }

    #[rstest]
    #[case::too_much_memory("exit 137", "it was killed, as one is that takes more than its 256 MiB")]
    #[case::its_own_end("exit 3", "it ended with exit code 3")]
    #[case::closed("exec >&-; exec sleep 60", "it closed its standard output")]
    #[tokio::test]
    async fn how_a_server_ended_is_told(#[case] server: &str, #[case] told: &str) {
        let (tried, _) = tried(trial(Way::Stdio, 30), server, "").await;
        assert!(matches!(&tried, Tried::Failed { why, .. } if why == told), "{tried:?}");
    }

    /// They are written after its messages have ended, and are the ones that say why.
    #[tokio::test]
    async fn the_last_words_of_a_server_are_waited_for() {
        let (tried, _) =
            tried(trial(Way::Stdio, 30), "(exec >&-; sleep 0.3; echo 'no API_KEY' >&2) & exit 1", "").await;
        assert!(matches!(&tried, Tried::Failed { said, .. } if said == &["no API_KEY"]), "{tried:?}");
    }

    #[tokio::test]
    async fn a_server_that_keeps_silent_is_not_known() {
        let (tried, _) = tried(trial(Way::Stdio, 1), "echo hello; exec sleep 60", "").await;
        assert!(matches!(&tried, Tried::Unknown { said, .. } if said == &["hello"]), "{tried:?}");
    }

    /// The engine starts nothing in the network of a container that has ended.
    #[tokio::test]
    async fn a_server_that_has_ended_before_it_can_be_asked_is_told_as_such() {
        let http = Way::Http { port: 3000, path: "/mcp".into() };
        let way = "echo 'Error: cannot get namespace path unless container is running' >&2; exit 125";
        let (tried, _) = tried(trial(http, 30), "sleep 0.5; echo 'no API_KEY' >&2; exit 3", way).await;
        let Tried::Failed { why, said } = &tried else { panic!("{tried:?}") };
        assert_eq!(why, "it ended with exit code 3");
        assert_eq!(said, &["no API_KEY"], "and not what the engine says of what asks it");
    }

    #[rstest]
    #[case::earlier_version("exit 2", "is of an earlier version, which cannot ask it")]
    #[case::ended("(exec >&-; sleep 0.3; echo 'no route' >&2) & exit 1", "ended: no route")]
    #[tokio::test]
    async fn a_gangway_that_cannot_ask_says_nothing_of_the_server(#[case] way: &str, #[case] told: &str) {
        let http = Way::Http { port: 3000, path: "/mcp".into() };
        let (tried, _) = tried(trial(http, 30), "exec sleep 60", way).await;
        assert!(matches!(&tried, Tried::NotTried(why) if why.contains(told)), "{tried:?}");
    }
}
