//! Public servers, as they are published. `servers/README.md` says how to install them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::world::{Front, free_port, last};

/// Where they are installed, and what is started.
struct Public {
    name: &'static str,
    app: Value,
    /// A tool that only reads, its arguments, and what its answer has.
    call: (&'static str, Value, &'static str),
}

fn all(folder: &Path) -> Vec<Public> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let node = |package: &str| {
        let script = path(&format!("node_modules/@modelcontextprotocol/{package}/dist/index.js"));
        vec!["node".to_owned(), script]
    };
    let script = |name: &str| format!("{}/tests/front/public/{name}", env!("CARGO_MANIFEST_DIR"));
    let port = [free_port(), free_port(), free_port()];
    let stdio = |command: Vec<String>| json!({ "transport": "stdio", "command": command });
    let http = |command: Vec<String>, nth: usize| json!({ "transport": "http", "port": port[nth], "command": command, "environment": { "PORT": port[nth].to_string() } });
    let with = |mut command: Vec<String>, more: &str| {
        command.push(more.to_owned());
        command
    };
    let echo = || ("echo", json!({ "message": "hello" }), "hello");
    let (official, fast) = (path("venv/bin/python"), path("venv-fastmcp/bin/python"));
    let official = vec![official, script("official.py")];
    let fast = vec![fast, script("fast.py")];
    vec![
        Public { name: "server-everything, stdio", app: stdio(with(node("server-everything"), "stdio")), call: echo() },
        Public {
            name: "server-everything, http",
            app: http(with(node("server-everything"), "streamableHttp"), 0),
            call: echo(),
        },
        Public {
            name: "server-filesystem, stdio",
            app: stdio(with(node("server-filesystem"), &path("."))),
            call: ("list_directory", json!({ "path": path(".") }), "node_modules"),
        },
        Public { name: "official SDK, stdio", app: stdio(official.clone()), call: echo() },
        Public { name: "official SDK, http", app: http(with(official, "http"), 1), call: echo() },
        Public { name: "fastmcp, stdio", app: stdio(fast.clone()), call: echo() },
        Public { name: "fastmcp, http", app: http(with(fast, "http"), 2), call: echo() },
    ]
}

#[tokio::test]
#[ignore = "needs the servers: GANGWAY_PUBLIC_SERVERS, see servers/README.md"]
async fn public_servers_are_served_unchanged_in_both_eras() {
    let folder = std::env::var("GANGWAY_PUBLIC_SERVERS").expect("GANGWAY_PUBLIC_SERVERS: the folder of the servers");
    for public in all(&PathBuf::from(folder)) {
        let name = public.name;
        let front = Front::start(public.app).await;
        let up = front.messages("app_start").pop().unwrap();
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
        let (tool, arguments, words) = public.call;
        let call = crate::world::call(tool, arguments);
        let mut tools = 0;
        for later in [false, true] {
            let post = |message| if later { front.post_modern(message) } else { front.post(message) };
            let listed = front.answer(post(&list)).await;
            tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{name}: {listed}")).len();
            assert!(tools > 0, "{name}");
            let response = post(&call).send().await.unwrap();
            // Who does not say that a tool only reads gets the question for `write`.
            let answer = if response.status() == 403 {
                let mut message = call.clone();
                if later {
                    message["params"]["_meta"] = json!({
                        "io.modelcontextprotocol/protocolVersion": crate::world::MODERN,
                        "io.modelcontextprotocol/clientCapabilities": {},
                    });
                }
                let mut request = front.post_as(&["read", "write"], &message);
                if later {
                    request = request.header("mcp-protocol-version", crate::world::MODERN);
                    request = request.header("mcp-method", "tools/call").header("mcp-name", tool);
                }
                front.answer(request).await
            } else {
                last(&response.text().await.unwrap())
            };
            assert!(
                answer["result"]["content"][0]["text"].as_str().unwrap_or_default().contains(words),
                "{name}: {answer}"
            );
        }
        println!("{name}: {up}; {tools} tools");
    }
}
