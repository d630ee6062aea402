//! `gangway run` in front of the fixtures, which are a process that knows nothing of it.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::issuer::Issuer;
use crate::support::server::variable;

/// Longest wait until it is ready.
const LONG: Duration = Duration::from_secs(60);
const VARIABLES: [&str; 9] = [
    "GANGWAY_SERVER",
    "GANGWAY_RESOURCE_URL",
    "GANGWAY_PATH",
    "GANGWAY_ISSUER",
    "GANGWAY_JWKS_URL",
    "GANGWAY_PUBLIC_BASE_URL",
    "GANGWAY_TOKEN_ENDPOINT",
    "GANGWAY_AUTHORIZATION_ENDPOINT",
    "GANGWAY_ALLOWED_CLIENTS",
];

/// It runs until this is dropped.
pub struct Front {
    pub address: SocketAddr,
    process: Child,
    _issuer: Issuer,
}

impl Drop for Front {
    fn drop(&mut self) {
        // As an orchestrator does, so that the server behind it goes with it.
        let told = Command::new("kill").args(["-s", "TERM", &self.process.id().to_string()]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Starts it in front of the fixtures, on a transport (`http` or `stdio`) and with the revisions that they speak, and
/// waits until they are up.
pub async fn start(transport: &str, speaks: Option<&str>) -> Front {
    let (issuer, address, port) = (Issuer::start().await, free(), free().port());
    let mut app = json!({ "transport": transport, "tools": { "default": "read" } });
    let mut fixtures = vec![env!("CARGO_BIN_EXE_conformance-fixtures").to_owned()];
    if transport == "http" {
        app["port"] = port.into();
        fixtures.push(port.to_string());
    } else {
        fixtures.push(transport.to_owned());
    }
    fixtures.extend(speaks.map(str::to_owned));
    app["command"] = json!(fixtures);
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance-front"));
    command.arg("run").stdin(Stdio::null()).stdout(Stdio::null());
    for name in VARIABLES {
        command.env(name, variable(name, &issuer.jwks_url).unwrap());
    }
    command.env("GANGWAY_ADDR", address.to_string()).env("GANGWAY_APP", app.to_string());
    command.env("GANGWAY_ALLOWED_HOSTS", crate::HOSTS.join(" "));
    command.env("GANGWAY_ALLOWED_ORIGINS", crate::ORIGINS.join(" "));
    let front = Front { address, process: command.spawn().unwrap(), _issuer: issuer };
    let (http, begun) = (reqwest::Client::builder().no_proxy().build().unwrap(), Instant::now());
    let health = format!("http://{address}/healthz");
    while http.get(&health).send().await.ok().map(|answer| answer.status().as_u16()) != Some(200) {
        assert!(begun.elapsed() < LONG, "the front is not ready");
        tokio::task::yield_now().await;
    }
    let refused = http.post(format!("http://{address}/clock/mcp")).body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 401, "the token check is on");
    front
}
