//! Public servers, as they are published. `make public` installs them, pinned.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What is started, and a tool of it.
pub struct Public {
    pub name: &'static str,
    pub app: Value,
    /// A tool that only reads, its arguments, and what its answer has.
    pub call: (&'static str, Value, &'static str),
}

/// Where they are installed.
pub fn folder() -> PathBuf {
    std::env::var("GANGWAY_PUBLIC_SERVERS").expect("GANGWAY_PUBLIC_SERVERS: run `make public`").into()
}

/// Each server on each transport that it has.
pub fn all(folder: &Path) -> Vec<Public> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let node = |package: &str, more: &str| {
        let script = path(&format!("node/node_modules/@modelcontextprotocol/{package}/dist/index.js"));
        let node = path(&format!("node/node_modules/node-linux-{architecture}/bin/node"));
        vec![node, script, more.to_owned()]
    };
    let python = |environment: &str, name: &str, more: &str| {
        let script = format!("{}/tests/front/public/{name}", env!("CARGO_MANIFEST_DIR"));
        vec![path(&format!("{environment}/bin/python3")), script, more.to_owned()]
    };
    let stdio = |command: Vec<String>| json!({ "transport": "stdio", "command": command });
    let http = |command: Vec<String>| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        json!({ "transport": "http", "port": port, "command": command, "environment": { "PORT": port.to_string() } })
    };
    let echo = || ("echo", json!({ "message": "hello" }), "hello");
    let list = ("list_directory", json!({ "path": path("node") }), "node_modules");
    let row = |name, app, call| Public { name, app, call };
    vec![
        row("server-everything, stdio", stdio(node("server-everything", "stdio")), echo()),
        row("server-everything, http", http(node("server-everything", "streamableHttp")), echo()),
        row("server-filesystem, stdio", stdio(node("server-filesystem", &path("node"))), list),
        row("official SDK, stdio", stdio(python("official", "official.py", "stdio")), echo()),
        row("official SDK, http", http(python("official", "official.py", "http")), echo()),
        row("fastmcp, stdio", stdio(python("fast", "fast.py", "stdio")), echo()),
        row("fastmcp, http", http(python("fast", "fast.py", "http")), echo()),
    ]
}
