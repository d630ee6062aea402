//! The program with a server behind it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::issuer::{Issuer, token};
use crate::support::server::variable;
use crate::support::{RESOURCE, machine_claims, with};

/// Longest wait for anything.
pub const LONG: Duration = Duration::from_secs(60);
pub const MODERN: &str = "2026-07-28";

/// A running `gangway run`.
pub struct Front {
    pub process: Child,
    pub port: u16,
    pub http: Client,
    lines: Arc<Mutex<Vec<String>>>,
    _issuer: Issuer,
}

impl Drop for Front {
    fn drop(&mut self) {
        // As an orchestrator does. Whoever was started by it goes with it.
        if let Ok(None) = self.process.try_wait() {
            self.signal("TERM");
            let _ = self.process.wait();
        }
    }
}

/// A port that nobody listens on. It is one that the system gives to no connection, and that no other test of these
/// asks for: a server that starts slowly takes it seconds later.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = std::iter::repeat_with(|| {
        let nth = std::process::id() * 10 + NEXT.fetch_add(1, Ordering::Relaxed);
        u16::try_from(10_000 + nth % 20_000).unwrap()
    });
    let mut free = ports.take(20_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().unwrap()
}

/// The child of the tests: `http` or `stdio`, with flags.
pub fn child(transport: &str, flags: &[&str]) -> Value {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/front/child.py");
    let port = free_port();
    let mut command = vec!["python3".to_owned(), script.to_str().unwrap().to_owned(), transport.to_owned()];
    let mut app = json!({ "transport": transport, "tools": { "hidden": ["raw_sql"] } });
    if transport == "http" {
        command.push(port.to_string());
        app["port"] = port.into();
    }
    command.extend(flags.iter().map(|flag| (*flag).to_owned()));
    app["command"] = json!(command);
    app
}

/// Has the program start with no more than so many files.
pub fn with_files(files: u32) -> impl FnOnce(&mut Command) {
    move |command| {
        let mut limited = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        limited.args(["-c", &script, env!("CARGO_BIN_EXE_gangway"), "run"]);
        limited.stdin(Stdio::null()).stdout(Stdio::piped());
        for (name, value) in command.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        *command = limited;
    }
}

impl Front {
    /// Starts it in front of `app` and waits until it is ready.
    pub async fn start(app: Value) -> Self {
        let front = Self::launch(app, |_| {}).await;
        front.ready().await;
        front
    }

    /// Starts it.
    pub async fn launch(app: Value, adjust: impl FnOnce(&mut Command)) -> Self {
        let issuer = Issuer::start().await;
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gangway"));
        command.arg("run").stdin(Stdio::null()).stdout(Stdio::piped());
        for name in VARIABLES {
            command.env(name, variable(name, &issuer.jwks_url).unwrap());
        }
        command.env("GANGWAY_ADDR", format!("127.0.0.1:{port}")).env("GANGWAY_APP", app.to_string());
        adjust(&mut command);
        let mut process = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (from, into) = (process.stdout.take().unwrap(), lines.clone());
        std::thread::spawn(move || {
            BufReader::new(from).lines().map_while(Result::ok).for_each(|line| into.lock().unwrap().push(line));
        });
        let http = Client::builder().no_proxy().timeout(LONG).build().unwrap();
        Self { process, port, http, lines, _issuer: issuer }
    }

    pub async fn ready(&self) {
        let begun = Instant::now();
        while self.health().await != Some(200) {
            assert!(begun.elapsed() < LONG, "not ready: {}", self.log());
            tokio::task::yield_now().await;
        }
    }

    /// What it says of the server behind it when that is up.
    pub async fn up(&self) -> String {
        // The line may be read later than the answer of its health.
        self.until(|front| !front.messages("app_start").is_empty()).await;
        self.messages("app_start").swap_remove(0)
    }

    pub async fn health(&self) -> Option<u16> {
        let answer = self.http.get(format!("http://127.0.0.1:{}/healthz", self.port)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    pub fn log(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// The lines with this event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["event"] == event)
            .collect()
    }

    /// The lines of requests, those of tools that failed included.
    pub fn requests(&self) -> Vec<Value> {
        [self.events("request"), self.events("tool_error")].concat()
    }

    /// The messages of an event.
    pub fn messages(&self, event: &str) -> Vec<String> {
        self.events(event).iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until the server behind has said something.
    pub async fn says(&self, words: &str) {
        self.until(|front| front.messages("app").iter().any(|line| line.contains(words))).await;
    }

    pub async fn until(&self, mut condition: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !condition(self) {
            assert!(begun.elapsed() < LONG, "waited in vain: {}", self.log());
            tokio::task::yield_now().await;
        }
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < LONG * 2, "does not end: {}", self.log());
            tokio::task::yield_now().await;
        }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/clock/mcp", self.port)
    }

    /// The processes that it started.
    pub fn children(&self) -> Vec<u64> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
        let parent = |pid: &u64| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
        };
        processes.filter(|pid| lives(*pid) && parent(pid) == Some(self.process.id())).collect()
    }

    /// A request with a token of these scopes.
    pub fn post_as(&self, scopes: &[&str], message: &Value) -> RequestBuilder {
        let scopes: Vec<_> = scopes.iter().map(|scope| format!("{RESOURCE}/{scope}")).collect();
        self.post_with(&with(machine_claims(), json!({ "scope": scopes.join(" ") })), message)
    }

    /// A request with a token of these claims.
    pub fn post_with(&self, claims: &Value, message: &Value) -> RequestBuilder {
        self.http
            .post(self.url())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .bearer_auth(token(0, claims))
            .body(message.to_string())
    }

    /// A request of the earlier era.
    pub fn post(&self, message: &Value) -> RequestBuilder {
        self.post_as(&["read"], message)
    }

    /// A request of the later era.
    pub fn post_modern(&self, message: &Value) -> RequestBuilder {
        self.post_modern_as(&["read"], message)
    }

    /// The same with a token of these scopes.
    pub fn post_modern_as(&self, scopes: &[&str], message: &Value) -> RequestBuilder {
        let mut message = message.clone();
        let meta = &mut message["params"]["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let method = message["method"].as_str().unwrap().to_owned();
        let mut request =
            self.post_as(scopes, &message).header("mcp-protocol-version", MODERN).header("mcp-method", method);
        if let Some(name) = message["params"]["name"].as_str().or(message["params"]["uri"].as_str()) {
            request = request.header("mcp-name", name);
        }
        request
    }

    /// What a tool says, which is JSON in the tests' child.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.answer(self.post(&call(tool, arguments))).await;
        said(&answer)
    }

    /// The answer to a request.
    pub async fn answer(&self, request: RequestBuilder) -> Value {
        last(&request.send().await.unwrap().text().await.unwrap())
    }
}

/// The variables of the program, besides those of the server behind.
const VARIABLES: [&str; 11] = [
    "GANGWAY_SERVER",
    "GANGWAY_RESOURCE_URL",
    "GANGWAY_PATH",
    "GANGWAY_ISSUER",
    "GANGWAY_JWKS_URL",
    "GANGWAY_PUBLIC_BASE_URL",
    "GANGWAY_TOKEN_ENDPOINT",
    "GANGWAY_AUTHORIZATION_ENDPOINT",
    "GANGWAY_ALLOWED_CLIENTS",
    "GANGWAY_ALLOWED_HOSTS",
    "GANGWAY_ALLOWED_ORIGINS",
];

pub fn call(tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// The text of a tool's result, parsed.
pub fn said(answer: &Value) -> Value {
    let text = answer["result"]["content"][0]["text"].as_str();
    serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

/// The messages of a stream of events.
pub fn messages(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
}

/// The last message of a stream, or the one of a body without.
pub fn last(text: &str) -> Value {
    serde_json::from_str(text)
        .unwrap_or_else(|_| messages(text).pop().unwrap_or_else(|| panic!("no message: {text:?}")))
}

/// The status of a response and its message.
pub async fn seen(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, last(&response.text().await.unwrap()))
}

/// A figure of `/proc/PID/status` that is in kB, such as `VmRSS:`, in MiB.
pub fn memory(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The files, pipes and connections that a process has open.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Whether a process is there and no corpse.
pub fn lives(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
