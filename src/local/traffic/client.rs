//! A client of MCP 2026-07-28 over HTTP, which makes one POST for each request and has no session.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::calls::ToolCall;

const VERSION: &str = "2026-07-28";
const LIMIT: Duration = Duration::from_secs(15);

/// How a request to a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallOutcome {
    /// With a result.
    Ok,
    /// With an error of the tool or the protocol.
    Error(String),
    /// With HTTP status 401 or 403.
    Refused(String),
    /// Without an answer, or with one that is not from an MCP server.
    Failed(String),
}

/// A client of one server.
pub(super) struct McpClient {
    http: reqwest::Client,
    url: String,
    /// The access token for the server.
    pub token: Option<SecretString>,
    /// The server's tools, as `tools/list` has them.
    pub tools: Vec<Value>,
}

impl McpClient {
    pub fn new(url: String) -> Self {
        Self { http: reqwest::Client::new(), url, token: None, tools: Vec::new() }
    }

    /// Asks for the tools.
    pub async fn list_tools(&mut self) -> Result<(), CallOutcome> {
        let result = self.request("tools/list", None, json!({}), true).await?;
        self.tools = result["tools"].as_array().cloned().unwrap_or_default();
        if self.tools.is_empty() { Err(CallOutcome::Error("the server lists no tools".to_owned())) } else { Ok(()) }
    }

    /// Calls a tool.
    pub async fn call(&self, request: &ToolCall, with_token: bool) -> CallOutcome {
        let params = json!({ "name": request.tool, "arguments": request.arguments });
        match self.request("tools/call", Some(&request.tool), params, with_token).await {
            Ok(result) if result["isError"] == true => {
                CallOutcome::Error(result["content"][0]["text"].as_str().unwrap_or("isError").to_owned())
            }
            Ok(_) => CallOutcome::Ok,
            Err(outcome) => outcome,
        }
    }

    async fn request(
        &self,
        method: &str,
        name: Option<&str>,
        mut params: Value,
        with_token: bool,
    ) -> Result<Value, CallOutcome> {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": { "name": "quarterdeck-traffic", "version": env!("CARGO_PKG_VERSION") },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = self.http.post(&self.url).timeout(LIMIT).json(&body);
        request = request.header("Accept", "application/json, text/event-stream");
        request = request.header("MCP-Protocol-Version", VERSION).header("Mcp-Method", method);
        if let Some(name) = name {
            request = request.header("Mcp-Name", name);
        }
        if let Some(token) = self.token.as_ref().filter(|_| with_token) {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| CallOutcome::Failed(error.to_string()))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| CallOutcome::Failed(error.to_string()))?;
        read(status, &text)
    }
}

/// The result in an answer.
fn read(status: StatusCode, text: &str) -> Result<Value, CallOutcome> {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(CallOutcome::Refused(status.to_string()));
    }
    let document = document(text);
    if !document["result"].is_null() {
        return Ok(document["result"].clone());
    }
    match document["error"]["message"].as_str() {
        Some(message) => Err(CallOutcome::Error(message.to_owned())),
        None => Err(CallOutcome::Failed(status.to_string())),
    }
}

/// The JSON document of an answer, which is the whole text or the last event of a stream.
fn document(text: &str) -> Value {
    let events = text.lines().rev().filter_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(text)
        .ok()
        .or_else(|| events.filter_map(|data| serde_json::from_str(data.trim()).ok()).next())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_an_error_a_refusal_and_a_failure_are_told_apart() {
        let read = |status: u16, text: &str| read(StatusCode::from_u16(status).unwrap_or_default(), text);
        assert_eq!(read(200, r#"{"id":1,"result":{"a":1}}"#), Ok(json!({ "a": 1 })));
        let stream = "event: message\ndata: {\"id\":1,\"result\":{\"a\":2}}\n\n";
        assert_eq!(read(200, stream), Ok(json!({ "a": 2 })));
        let unknown = r#"{"id":1,"error":{"code":-32601,"message":"Method not found"}}"#;
        assert_eq!(read(404, unknown), Err(CallOutcome::Error("Method not found".to_owned())));
        assert!(matches!(read(401, ""), Err(CallOutcome::Refused(_))));
        assert!(matches!(read(502, "<html>"), Err(CallOutcome::Failed(_))));
        assert!(matches!(read(200, ""), Err(CallOutcome::Failed(_))));
    }
}
