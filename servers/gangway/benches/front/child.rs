//! A small server over HTTP, of the earlier era and without sessions.

use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};

/// Serves on a port of the loopback address, without end.
pub fn serve(port: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let answered = |body: String| async move {
            let message = serde_json::from_str(&body).unwrap();
            ([("content-type", "application/json")], answer(&message).to_string())
        };
        let routes = Router::new().route("/mcp", post(answered));
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes).await.unwrap();
    });
}

fn answer(message: &Value) -> Value {
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
            "serverInfo": { "name": "bench", "version": "1" },
        }),
        "tools/list" => json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] }),
        "tools/call" => json!({ "content": [{ "type": "text", "text": message["params"]["arguments"]["message"] }] }),
        _ => return json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -32601, "message": "no" } }),
    };
    json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })
}
