//! `gangway run` in front of the fixtures, which are a process that knows nothing of it.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::{Child, Command};

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

/// It runs until this is dropped. The server behind it goes with it: Linux tells it.
pub struct Front {
    pub address: SocketAddr,
    _process: Child,
    _issuer: Issuer,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Starts it and waits until the server behind it is up.
pub async fn start() -> Front {
    let (issuer, address, port) = (Issuer::start().await, free(), free().port());
    let app = json!({
        "transport": "http", "port": port, "tools": { "default": "read" },
        "command": [env!("CARGO_BIN_EXE_conformance-fixtures"), port.to_string()],
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance-front"));
    command.arg("run").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    for name in VARIABLES {
        command.env(name, variable(name, &issuer.jwks_url).unwrap());
    }
    command.env("GANGWAY_ADDR", address.to_string()).env("GANGWAY_APP", app.to_string());
    command.env("GANGWAY_ALLOWED_HOSTS", crate::HOSTS.join(" "));
    command.env("GANGWAY_ALLOWED_ORIGINS", crate::ORIGINS.join(" "));
    let process = command.spawn().unwrap();
    let (http, begun) = (reqwest::Client::builder().no_proxy().build().unwrap(), Instant::now());
    let health = format!("http://{address}/healthz");
    while http.get(&health).send().await.ok().map(|answer| answer.status().as_u16()) != Some(200) {
        assert!(begun.elapsed() < LONG, "the front is not ready");
        tokio::task::yield_now().await;
    }
    let refused = http.post(format!("http://{address}/clock/mcp")).body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 401, "the token check is on");
    Front { address, _process: process, _issuer: issuer }
}
