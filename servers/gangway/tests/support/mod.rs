//! A server, an issuer whose keys and faults the tests choose, and requests
//! over loopback. The tests of the other servers use it too.
#![allow(clippy::unwrap_used, dead_code)] // A failed step is a failed test; not every test uses all.

pub mod issuer;
pub mod public;
pub mod server;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub const ISSUER: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_test";
pub const BASE: &str = "https://mcp.example.com";
pub const RESOURCE: &str = "https://mcp.example.com/clock/mcp";
pub const MACHINE: &str = "machine-client";

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// Claims of a machine's token as Cognito makes them: scopes and no audience.
pub fn machine_claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": MACHINE,
        "client_id": MACHINE,
        "token_use": "access",
        "scope": format!("{RESOURCE}/read"),
        "iat": now(),
        "exp": now() + 3600,
    })
}

/// `claims` with some replaced; null removes one.
pub fn with(mut claims: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// A `tools/list` of the 2025-06-18 era: the plainest request.
pub fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })
}

pub fn call(tool: &str) -> Value {
    call_with(tool, json!({}))
}

pub fn call_with(tool: &str, arguments: Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments },
    })
}
