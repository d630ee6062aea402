//! A request line of a gangway server.

use std::borrow::Cow;

use serde::Deserialize;

/// What a request line says. `event` is `request`, or `tool_error` where the result said `isError`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Request<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    tool: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    client: Option<Cow<'a, str>>,
    pub status: u16,
    /// Milliseconds until the response began.
    pub latency_ms: f64,
}

impl<'a> Request<'a> {
    /// Reads a line; `None` for any other line.
    pub fn read(text: &'a str) -> Option<Self> {
        // Most lines of other programs end here, before anything is parsed.
        if !text.starts_with('{') || !text.contains("\"latency_ms\"") {
            return None;
        }
        let request: Self = serde_json::from_str(text).ok()?;
        matches!(&*request.event, "request" | "tool_error").then_some(request)
    }

    /// The tool; of a request that is no tool call, its method.
    pub fn tool(&self) -> &str {
        self.tool.as_deref().or(self.method.as_deref()).unwrap_or_default()
    }

    /// The OAuth client, once its token was accepted.
    pub fn client(&self) -> &str {
        self.client.as_deref().unwrap_or_default()
    }

    /// Whether it failed: the server's fault, or the tool said so.
    pub fn failed(&self) -> bool {
        self.status >= 500 || self.event == "tool_error"
    }

    /// Whether it was turned down: the caller's fault.
    pub fn refused(&self) -> bool {
        (400..500).contains(&self.status)
    }
}
