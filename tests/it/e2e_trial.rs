//! A trial on a real Podman: unlike the scripted engine, it has memory, streams, a network that is none, and containers
//! that are left behind if nobody removes them.
//!
//! The server is one static program, so that its image needs no registry. Needs Podman; `make e2e` runs it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::cloud::block_on;
use quarterdeck::core::trial::{Listed, Trial, Tried, Way};
use quarterdeck::engine::Engine;
use quarterdeck::local::Workshop;

/// Speaks MCP on its standard streams, and does what its first argument says instead. It tells its tools what it finds
/// where it runs: the name of a tool is an answer.
const PROGRAM: &str = r##"
use std::io::{BufRead, Read, Write};

fn tools() -> String {
    let writable = |folder: &str| std::fs::write(format!("{folder}/x"), "x").is_ok();
    let network = std::fs::read_dir("/sys/class/net").map(|all| {
        let mut names: Vec<_> = all.flatten().map(|one| one.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names.join(".")
    }).unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("?").trim().to_owned();
    let uid = line("Uid:").split_whitespace().next().unwrap_or("?").to_owned();
    let key = std::env::var("API_KEY").unwrap_or_default();
    [
        format!("net-{network}"), format!("caps-{}", line("CapBnd:")), format!("new-{}", line("NoNewPrivs:")),
        format!("uid-{uid}"), format!("tmp-{}-root-{}", writable("/tmp"), writable("")), format!("key-{key}"),
    ].map(|name| format!("{{\"name\":\"{name}\",\"annotations\":{{\"readOnlyHint\":true}}}}")).join(",")
}

fn answer(line: &str) -> Option<String> {
    let id = line.split("\"id\":").nth(1)?.split([',', '}']).next()?.to_owned();
    let result = if line.contains("\"initialize\"") {
        r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}"#.to_owned()
    } else if line.contains("tools/list") && !line.contains("cursor") {
        r#"{"tools":[{"name":"first"}],"nextCursor":"more"}"#.to_owned()
    } else if line.contains("tools/list") {
        format!("{{\"tools\":[{}]}}", tools())
    } else {
        return Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no"}}}}"#));
    };
    Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

fn http(mut stream: std::net::TcpStream) {
    let (mut request, mut part) = (String::new(), [0; 65536]);
    loop {
        let read = stream.read(&mut part).unwrap_or(0);
        request.push_str(&String::from_utf8_lossy(&part[..read]));
        let Some((head, body)) = request.split_once("\r\n\r\n") else { if read == 0 { return } else { continue } };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")
            .and_then(|length| length.trim().parse::<usize>().ok())).unwrap_or(0);
        if body.len() < length && read > 0 { continue }
        let said = answer(body).unwrap_or_default();
        let _ = stream.write_all(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{said}", said.len()
        ).as_bytes());
        return;
    }
}

fn main() {
    eprintln!("\x1b[31mstarting\x1b[0m");
    println!("this line is no message");
    match std::env::args().nth(1).as_deref() {
        Some("die") => { eprintln!("KeyError: 'API_KEY'"); std::process::exit(3) }
        Some("wait") => std::thread::sleep(std::time::Duration::from_secs(3600)),
        Some("eat") => { let mut all = Vec::new(); loop { all.push(vec![1_u8; 1 << 20]); } }
        Some("flood") => loop { println!("{}", "x".repeat(1 << 16)) },
        Some("http") => {
            let listener = std::net::TcpListener::bind("127.0.0.1:3000").expect("a port");
            for stream in listener.incoming().flatten() { http(stream) }
        }
        _ => {}
    }
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if let Some(answer) = answer(&line) { println!("{answer}"); }
    }
}
"##;

const IMAGE: &str = "localhost/acme/files:1";

/// A Podman with a store of its own, which has the image.
struct Machine {
    home: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { home: tempfile::tempdir().unwrap() };
        let home = machine.home.path();
        let podman = format!(
            "#!/bin/sh\nexec podman --root {0}/store --runroot {0}/run --storage-driver vfs \"$@\"\n",
            home.display()
        );
        std::fs::write(machine.podman(), podman).unwrap();
        std::fs::set_permissions(machine.podman(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(home.join("files.rs"), PROGRAM).unwrap();
        machine.program("files.rs", "files");
        std::fs::write(home.join("Containerfile"), "FROM scratch\nCOPY files /files\nENTRYPOINT [\"/files\"]\n")
            .unwrap();
        machine.build("Containerfile", IMAGE);
        machine
    }

    fn podman(&self) -> PathBuf {
        self.home.path().join("podman-here")
    }

    /// One static file.
    fn program(&self, source: &str, file: &str) {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o", file, source]);
        assert!(rustc.current_dir(self.home.path()).status().unwrap().success());
    }

    fn build(&self, recipe: &str, name: &str) {
        let args = ["build", "--quiet", "--tag", name, "--file", recipe, "."];
        let built = Command::new(self.podman()).args(args).current_dir(self.home.path()).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    fn containers(&self) -> String {
        let listed = Command::new(self.podman()).args(["ps", "--all", "--format", "{{.Names}}"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).trim().to_owned()
    }

    fn trial(&self, word: &str, way: Way, seconds: u64) -> (Tried, Duration) {
        let trial = Trial {
            server: "files".into(),
            image: IMAGE.into(),
            gangway: Some("localhost/acme/gangway:1".into()),
            way,
            command: [&["/files".to_owned()][..], &[word.to_owned()]].concat(),
            environment: [("LOG".to_owned(), "1".to_owned())].into(),
            secrets: vec!["API_KEY".into()],
            unread: None,
            user: "65532:65532".into(),
            read_only: true,
            folders: vec!["/tmp".into()],
            memory_mib: 64,
            processes: 1,
            seconds,
        };
        let began = Instant::now();
        let workshop = Workshop::new(None, |_| {}).with_program(self.podman());
        let tried = block_on(async { workshop.try_out(&trial).await });
        let took = began.elapsed();
        assert_eq!(self.containers(), "", "{tried:?}");
        (tried, took)
    }
}

impl Drop for Machine {
    /// A store has files of other users, which only its own engine removes.
    fn drop(&mut self) {
        let _ = Command::new(self.podman()).args(["rmi", "--all", "--force"]).output();
    }
}

fn names(tools: &[Listed]) -> Vec<&str> {
    tools.iter().map(|tool| tool.name.as_str()).collect()
}

const FOUND: [&str; 7] = [
    "first",
    "net-lo",
    "caps-0000000000000000",
    "new-1",
    "uid-65532",
    "tmp-true-root-false",
    "key-quarterdeck-placeholder",
];

#[test]
#[ignore = "needs Podman"]
fn e2e_a_server_on_its_streams_is_tried_and_nothing_is_left() {
    let machine = Machine::new();
    let (tried, took) = machine.trial("", Way::Stdio, 30);
    let Tried::Answered(answered) = &tried else { panic!("{tried:?}") };
    println!("answered after {} ms, all in all {took:?}, {:?} MiB", answered.answered_ms, answered.memory_mib);
    assert_eq!(names(&answered.tools), FOUND);
    assert_eq!((answered.tools[0].reads, answered.tools[1].reads), (false, true));
    assert!(
        answered.revision == "2025-06-18" && answered.memory_mib.is_some_and(|mib| (1..64).contains(&mib)),
        "{answered:?}"
    );

    let (tried, _) = machine.trial("die", Way::Stdio, 30);
    let said = vec!["this line is no message".to_owned(), "starting".to_owned(), "KeyError: 'API_KEY'".to_owned()];
    let Tried::Failed { why, said: mut last } = tried else { panic!("{tried:?}") };
    last.sort_by_key(|line| said.iter().position(|one| one == line));
    assert_eq!((why.as_str(), last), ("it ended with exit code 3", said));

    let (tried, took) = machine.trial("wait", Way::Stdio, 4);
    assert!(matches!(&tried, Tried::Unknown { said, .. } if said.iter().any(|line| line == "starting")), "{tried:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    let (tried, _) = machine.trial("flood", Way::Stdio, 4);
    assert!(matches!(&tried, Tried::Unknown { said, .. } if said.len() == 10), "{tried:?}");
    let (tried, _) = machine.trial("eat", Way::Stdio, 30);
    assert!(matches!(&tried, Tried::Failed { why, .. } if why.contains("64 MiB")), "{tried:?}");
}

#[test]
#[ignore = "needs Podman, and builds gangway"]
fn e2e_a_server_on_its_own_loopback_address_is_asked_by_gangway() {
    let machine = Machine::new();
    std::fs::copy(static_gangway(), machine.home.path().join("gangway")).unwrap();
    let recipe = "FROM scratch\nCOPY gangway /.gangway/gangway\nENTRYPOINT [\"/.gangway/gangway\"]\n";
    std::fs::write(machine.home.path().join("Gangway"), recipe).unwrap();
    machine.build("Gangway", "localhost/acme/gangway:1");
    let (tried, took) = machine.trial("http", Way::Http { port: 3000, path: "/mcp".into() }, 30);
    let Tried::Answered(answered) = &tried else { panic!("{tried:?}") };
    println!("answered after {} ms, all in all {took:?}, {:?} MiB", answered.answered_ms, answered.memory_mib);
    assert_eq!(names(&answered.tools), FOUND);
    let (tried, _) = machine.trial("wait", Way::Http { port: 3000, path: "/mcp".into() }, 4);
    assert!(matches!(tried, Tried::Unknown { .. }), "{tried:?}");
    let (tried, _) = machine.trial("die", Way::Http { port: 3000, path: "/mcp".into() }, 30);
    assert!(matches!(&tried, Tried::Failed { why, .. } if why.contains("code 3")), "{tried:?}");
}

/// gangway as the local cloud builds it for images.
fn static_gangway() -> PathBuf {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--package", "gangway", "--target", &triple]).current_dir(source);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    assert!(cargo.status().unwrap().success());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| source.join("target"), PathBuf::from);
    target.join(triple).join("debug/gangway")
}

/// An operator with an engine of their own, in a folder with a file, on an account without stacks.
struct Operator {
    machine: Machine,
    // Both answer as long as they live.
    endpoint: crate::support::world::Endpoint,
    _runtime: tokio::runtime::Runtime,
}

impl Operator {
    fn new() -> Self {
        let setup = crate::support::world::Setup { dual: true, servers: vec!["files"], lag: 0 };
        let world = crate::support::world::World::empty(setup);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let endpoint = runtime.block_on(world.serve("alice"));
        Self { machine: Machine::new(), endpoint, _runtime: runtime }
    }

    /// A file with one server on its streams, which is started like this.
    fn write(&self, command: &str) {
        let architecture = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X86_64" };
        let text = format!(
            "environment = 'prod'\nregion = 'eu-central-1'\n[platform]\ngangway_image = 'localhost/acme/gangway:1'\n\
             [[server]]\nname = 'files'\nimage = '{IMAGE}'\narchitecture = '{architecture}'\n[server.app]\n\
             transport = 'stdio'\ncommand = [{command}]\n"
        );
        std::fs::write(self.machine.home.path().join("quarterdeck.toml"), text).unwrap();
    }

    fn plan(&self, args: &[&str]) -> Command {
        let home = self.machine.home.path();
        let mut plan = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
        plan.args(["--endpoint-url", &self.endpoint.url, "plan"]).args(args).current_dir(home);
        for name in crate::support::pty::NOT_INHERITED {
            plan.env_remove(name);
        }
        plan.envs(crate::support::pty::homes(home)).envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("QUARTERDECK_ENGINE", self.machine.podman().to_str().unwrap()),
        ]);
        plan.stdin(Stdio::null());
        plan
    }

    fn told(&self, args: &[&str]) -> String {
        let done = self.plan(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn document(&self, args: &[&str]) -> serde_json::Value {
        let text = self.told(&[args, &["--output", "json"]].concat());
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["trials"][0].clone()
    }
}

/// Whatever ends the process, a key or a kill, ends the container: what removes it waits for nothing else.
#[test]
#[ignore = "needs Podman"]
fn e2e_a_trial_leaves_nothing_where_its_plan_is_killed() {
    let operator = Operator::new();
    operator.write("'/files', 'wait'");
    for signal in ["INT", "KILL"] {
        let mut plan = operator.plan(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(plan.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.contains("starting the image of files once")));
        until("it runs", || operator.machine.containers().starts_with("quarterdeck-trial-"));
        let id = plan.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        plan.wait().unwrap();
        until("it is gone", || operator.machine.containers().is_empty());
    }
}

#[test]
#[ignore = "needs Podman"]
fn e2e_a_plan_tells_of_its_trial() {
    let operator = Operator::new();
    operator.write("'/files'");
    let told = operator.told(&[]);
    assert!(told.contains("    files: 7 tools after ") && told.contains("\n      write   first\n"), "{told}");
    assert!(told.contains("      no earlier deploy has kept its tools\n"), "{told}");
    let told = operator.document(&[]);
    assert_eq!((&told["result"], &told["tools"]["first"]), (&"fine".into(), &"write".into()), "{told}");
    let measured = told["memory_mib"].is_u64() && told["answered_ms"].is_u64();
    assert!(measured && told["compared"]["since"] == "nothing", "{told}");
    operator.write("'/files', 'die'");
    let told = operator.told(&[]);
    assert!(told.contains("files: failed here: it ended with exit code 3"), "{told}");
    assert!(told.contains("warning: files: its image did not answer"), "{told}");
    assert_eq!(operator.document(&["--no-trial"])["result"], "not-tried");
    assert_eq!(operator.machine.containers(), "");
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
