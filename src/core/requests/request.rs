//! A request line of a gangway server.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Asked, Sender, Subject, Why};

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
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    upstream: Option<Cow<'a, str>>,
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

    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// Its method, where it is no tool call.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref().filter(|_| self.tool.is_none())
    }

    /// The OAuth client, where the issuer has signed the token, accepted or not.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Whose request it is.
    pub fn subject(&self, server: &str) -> Subject {
        let asked = match (self.tool(), self.method()) {
            (Some(tool), _) => Asked::Tool(tool.to_owned()),
            (None, Some(method)) => Asked::Method(method.to_owned()),
            (None, None) => Asked::Unnamed,
        };
        let sender = self.client().map_or(Sender::Unknown, |client| Sender::Client(client.to_owned()));
        Subject { server: server.to_owned(), asked: Some(asked), sender: Some(sender), why: self.why() }
    }

    /// Why it was refused or failed; `None` if it was served, or if only the tool says that it failed.
    pub fn why(&self) -> Option<Why> {
        let (reason, upstream) = (self.reason.as_deref(), self.upstream.as_deref());
        match Why::read(reason, upstream) {
            Why::Unsaid => self.refused().then_some(Why::Unsaid),
            why => Some(why),
        }
    }

    /// Whether it failed: the server's fault, or the tool said so.
    pub fn failed(&self) -> bool {
        self.status >= 500 || self.event == "tool_error"
    }

    /// Whether it was turned down: the sender's fault.
    pub fn refused(&self) -> bool {
        (400..500).contains(&self.status)
    }
}

/// A line that says that a task cannot read who is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// How old what it has is, in seconds.
    pub age: u64,
    /// Whether it has read anything at all: if not, it lets everybody in.
    pub holds: bool,
}

/// What a line says of whether its task can read who is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// It cannot.
    Fails(Unread),
    /// It can again.
    Works,
}

impl Reading {
    pub(super) fn unread(self) -> Option<Unread> {
        match self {
            Self::Fails(unread) => Some(unread),
            Self::Works => None,
        }
    }

    /// Reads a line; `None` for any other line.
    pub(super) fn read(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            event: Cow<'a, str>,
            #[serde(borrow)]
            level: Cow<'a, str>,
            #[serde(rename = "QuarantineAge")]
            age: Option<u64>,
        }
        if !text.starts_with('{') || !text.contains("available\"") {
            return None;
        }
        let line: Line<'_> = serde_json::from_str(text).ok()?;
        match &*line.event {
            "quarantine_unavailable" => line.age.map(|age| Self::Fails(Unread { age, holds: line.level != "error" })),
            "quarantine_available" => Some(Self::Works),
            _ => None,
        }
    }
}
