//! The emulator, started for one test and ended with it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub const REGION: &str = "us-east-1";
/// The program of the emulator; else the one that PATH names.
const VARIABLE: &str = "QUARTERDECK_MINISTACK";

pub struct Emulator {
    pub url: String,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Emulator {
    /// Starts one on a free port of the loopback. Without the program the test fails: it proves nothing.
    pub async fn start() -> Self {
        let program = std::env::var(VARIABLE).unwrap_or_else(|_| "ministack".into());
        // Below the range from which the kernel gives ports to everybody's connections.
        let first = 10_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 10;
        let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (first..first + 10).find(free).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(&program);
        command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("IOT_MTLS_ENABLED", "0");
        command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").current_dir(directory.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("cannot start `{program}`: {error}. Install ministack (pip install ministack) or set {VARIABLE}")
        });
        let emulator = Self { url: format!("http://127.0.0.1:{port}"), child, _directory: directory };
        emulator.healthy().await;
        emulator
    }

    async fn healthy(&self) {
        let begun = Instant::now();
        let health = format!("{}/_ministack/health", self.url);
        while begun.elapsed() < Duration::from_secs(60) {
            if reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the emulator did not become healthy within a minute");
    }

    /// A call of a JSON protocol that the console itself never makes.
    pub async fn call(&self, service: &str, target: &str, body: Value) -> Value {
        let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request");
        let request = reqwest::Client::new().post(&self.url).header("x-amz-target", target);
        let request = request.header("authorization", format!("{scope}, SignedHeaders=host, Signature=00"));
        let request = request.header("content-type", "application/x-amz-json-1.1").body(body.to_string());
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{target}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes log events: times and messages.
    pub async fn log(&self, group: &str, stream: &str, events: &[(i64, String)]) {
        let events: Vec<Value> = events.iter().map(|(at, text)| json!({ "timestamp": at, "message": text })).collect();
        let body = json!({ "logGroupName": group, "logStreamName": stream, "logEvents": events });
        self.call("logs", "Logs_20140328.PutLogEvents", body).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
