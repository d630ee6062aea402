//! A local cloud for one test, and `quarterdeck` on it.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "shared by several tests, which take time"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::pty::{self, Console};

/// What takes a few seconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);
const WIDE: pty::Size = (180, 45);

/// A local cloud of this test's own. However the test ends, nothing of it is left.
pub struct Cloud {
    home: tempfile::TempDir,
}

/// A command's outcome.
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    /// What comes of a command.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().expect("quarterdeck starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same; it must have this exit code.
    #[track_caller]
    pub fn with_code(self, code: i32, args: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{args:?}: {}\n{}", self.out, self.err);
        self
    }
}

impl Cloud {
    /// One that does not run yet.
    pub fn new() -> Self {
        // Short: a socket's path is limited.
        Self { home: tempfile::Builder::new().prefix("qd").tempdir_in("/tmp").expect("a directory") }
    }

    fn variables() -> Vec<(&'static str, PathBuf)> {
        // The emulator's installation is expensive and the same every time: it is kept.
        vec![("XDG_DATA_HOME", PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("e2e-data"))]
    }

    /// Where the local cloud keeps what takes long to make.
    pub fn data(&self) -> PathBuf {
        Self::variables().into_iter().map(|(_, path)| path.join("quarterdeck")).next().expect("a place")
    }

    /// Where it keeps what belongs to what runs.
    pub fn state(&self) -> PathBuf {
        self.home.path().join("state/quarterdeck/local")
    }

    /// The console in a terminal of its own.
    pub fn console(&self, args: &[&str]) -> Console {
        Console::start(self.home.path(), WIDE, args, Self::variables())
    }

    /// `quarterdeck`, with its files in this cloud's directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(args).current_dir(self.home.path()).stdin(Stdio::null());
        for name in pty::NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(pty::homes(self.home.path())).envs(Self::variables());
        command
    }

    /// Runs `quarterdeck`.
    pub fn run(&self, args: &[&str]) -> Done {
        Done::of(self.command(args))
    }

    /// What a command prints; it must succeed.
    pub fn text(&self, args: &[&str]) -> String {
        self.run(args).with_code(0, args).out
    }

    /// The same, as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let text = self.text(args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// `local status`.
    pub fn status(&self) -> Value {
        self.json(&["local", "status"])
    }

    /// Desired number of tasks of a server.
    pub fn desired(&self, server: &str) -> u64 {
        let status = self.json(&["--local", "status", server, "--output", "json"]);
        status["servers"][0]["desired"].as_u64().unwrap_or_else(|| panic!("{status}"))
    }

    /// Names of the running containers of a server.
    pub fn containers(&self, server: &str) -> Vec<String> {
        let status = self.status();
        let containers = status["containers"].as_array().expect("containers");
        // Of a server that gangway stands in front of, the image is derived from its own.
        let names = [format!("mcp-{server}"), format!("front-{server}")];
        let wanted = containers.iter().filter(|one| {
            one["state"] == "running"
                && one["image"].as_str().is_some_and(|image| names.iter().any(|name| image.contains(name)))
        });
        wanted.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Waits until as many containers of a server run as it has tasks; their names.
    pub fn wait_for_containers(&self, server: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let found = self.containers(server);
            if found.len() == count || Instant::now() >= deadline {
                assert_eq!(found.len(), count, "containers of {server}: {found:?}");
                return found;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ids of the clients of this name.
    pub fn clients(&self, name: &str) -> Vec<String> {
        let list = self.json(&["--local", "clients", "list", "--output", "json"]);
        let clients = list["clients"].as_array().unwrap_or_else(|| panic!("{list}"));
        clients
            .iter()
            .filter(|one| one["name"] == name)
            .map(|one| one["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// A token of the machine client of this name.
    pub fn token(&self, client: &str) -> String {
        self.text(&["--local", "clients", "token", client]).trim().to_owned()
    }

    /// The audit's records of the operations with this title.
    pub fn audit(&self, title: &str) -> Vec<Value> {
        let text = self.text(&["--local", "audit", "--output", "json"]);
        let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let of = |record: &&Value| record.to_string().contains(title);
        let ids: Vec<&Value> = records.iter().filter(of).map(|record| &record["operation"]).collect();
        records.iter().filter(|record| ids.contains(&&record["operation"])).cloned().collect()
    }

    /// Kills a container behind the back of everyone.
    pub fn kill_container(&self, name: &str) {
        let status = self.status();
        let socket = status["engine"]["socket"].as_str().expect("an engine");
        let (http, base) = match (socket.strip_prefix("unix://"), socket.strip_prefix("tcp://")) {
            (Some(path), _) => {
                (reqwest::Client::builder().no_proxy().unix_socket(PathBuf::from(path)), "http://engine".to_owned())
            }
            (_, Some(host)) => (reqwest::Client::builder().no_proxy(), format!("http://{host}")),
            _ => panic!("{socket}"),
        };
        let request = http.build().expect("a client").post(format!("{base}/containers/{name}/kill"));
        let answer = block_on(request.send()).expect("an answer of the engine");
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
    }

    /// Processes whose command line names a directory of this cloud.
    pub fn processes(&self) -> Vec<String> {
        let home = self.home.path().display().to_string();
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let command = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        command
            .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
            .filter(|line| line.contains(&home))
            .collect()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let done = self.run(&["local", "down"]);
        if done.code != Some(0) {
            eprintln!("local down: {:?}\n{}\n{}", done.code, done.out, done.err);
        }
        if std::thread::panicking() {
            for log in ["state/quarterdeck/quarterdeck.log", "state/quarterdeck/local/ministack.log"] {
                let text = std::fs::read_to_string(self.home.path().join(log)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                eprintln!("the end of {log}:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
            }
        }
    }
}

/// Waits for work that is asynchronous.
pub fn block_on<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}
