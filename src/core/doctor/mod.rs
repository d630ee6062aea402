//! Doctor: the way from a client to an answer, link by link, and which link is broken.
//!
//! What to ask and what the answers mean is here; who asks is in `run`. The rules are those of MCP ("Authorization",
//! "Transports"), RFC 9728, RFC 8414 and RFC 6750, so they hold for any MCP server.

pub mod judge;
pub mod token;

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::{CloudError, Hand};
use super::finding::Id;
use super::meaning::Meaning;

/// The links of the way, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Who is calling AWS.
    Credentials,
    /// The environment's stacks.
    Stacks,
    /// The ECS service.
    Service,
    /// The targets of its load balancers.
    Targets,
    /// The protected resource metadata at the public address (RFC 9728): the way through DNS, edge and load balancer.
    Metadata,
    /// What a request without a token is told (RFC 6750 section 3, RFC 9728 section 5.1).
    Challenge,
    /// The authorization server's metadata (RFC 8414).
    AuthorizationServer,
    /// The keys with which it signs.
    Keys,
    /// An access token.
    Token,
    /// The beginning of MCP, with the token.
    Initialize,
    /// The list of tools.
    Tools,
    /// A call of a tool that changes nothing.
    SafeCall,
    /// What the server itself has logged of the last request: inside and outside, side by side.
    Log,
}

impl Link {
    pub fn word(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Stacks => "stacks",
            Self::Service => "service",
            Self::Targets => "targets",
            Self::Metadata => "metadata",
            Self::Challenge => "challenge",
            Self::AuthorizationServer => "authorization-server",
            Self::Keys => "keys",
            Self::Token => "token",
            Self::Initialize => "initialize",
            Self::Tools => "tools",
            Self::SafeCall => "safe-call",
            Self::Log => "log",
        }
    }
}

/// What helps at a link. What else knows it is named, because the console calls it by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    Words(String),
    /// Words in which these commands of this program are these hands.
    Ways(&'static str, &'static [(Hand, &'static str)]),
    /// What helps where this was found.
    Finding(Id),
    /// What helps where this call failed.
    Call(CloudError),
}

impl Fix {
    /// What helps, with other words for each command in it where there are some.
    pub fn with(&self, words: impl Fn(Hand) -> Option<String>) -> String {
        match self {
            Self::Ways(text, ways) => {
                ways.iter().fold((*text).to_owned(), |text, (hand, command)| hand.called(&text, command, &words))
            }
            other => other.to_string(),
        }
    }
}

impl std::fmt::Display for Fix {
    /// In the words of the command line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Words(words) => words,
            Self::Ways(words, _) => words,
            Self::Finding(id) => id.fix(),
            Self::Call(error) => error.hint.as_deref().unwrap_or("see whether AWS can be reached from here"),
        })
    }
}

impl Serialize for Fix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<&str> for Fix {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

impl From<String> for Fix {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<Id> for Fix {
    fn from(id: Id) -> Self {
        Self::Finding(id)
    }
}

/// What was found at a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// It holds.
    Well { note: String },
    /// It holds, but some clients may not get on with it.
    Odd { why: String, fix: Fix },
    /// It is broken.
    Broken { why: String, fix: Fix },
    /// It was not tried.
    Skipped { why: String },
}

impl State {
    pub fn well(note: impl Into<String>) -> Self {
        Self::Well { note: note.into() }
    }

    pub fn odd(why: impl Into<String>, fix: impl Into<Fix>) -> Self {
        Self::Odd { why: why.into(), fix: fix.into() }
    }

    pub fn broken(why: impl Into<String>, fix: impl Into<Fix>) -> Self {
        Self::Broken { why: why.into(), fix: fix.into() }
    }

    pub fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped { why: why.into() }
    }

    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Well { .. } => "well",
            Self::Odd { .. } => "odd",
            Self::Broken { .. } => "broken",
            Self::Skipped { .. } => "not tried",
        }
    }

    /// A symbol for it, so that colour never stands alone.
    pub fn symbol(&self) -> &'static str {
        match self {
            Self::Well { .. } => "●",
            Self::Odd { .. } => "▲",
            Self::Broken { .. } => "✖",
            Self::Skipped { .. } => "·",
        }
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::Well { .. } => Meaning::Good,
            Self::Odd { .. } => Meaning::Warn,
            Self::Broken { .. } => Meaning::Bad,
            Self::Skipped { .. } => Meaning::Muted,
        }
    }

    /// What was found, or why it is not well.
    pub fn said(&self) -> &str {
        match self {
            Self::Well { note } => note,
            Self::Odd { why, .. } | Self::Broken { why, .. } | Self::Skipped { why } => why,
        }
    }

    /// What helps, where something is not well.
    pub fn fix(&self) -> Option<&Fix> {
        match self {
            Self::Odd { fix, .. } | Self::Broken { fix, .. } => Some(fix),
            Self::Well { .. } | Self::Skipped { .. } => None,
        }
    }
}

/// A link, what was found, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    pub link: Link,
    #[serde(flatten)]
    pub state: State,
    /// In milliseconds; `None` where nothing was asked.
    pub millis: Option<u64>,
}

/// What a run tells as it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The way to this server begins.
    Begun(String),
    /// The next link of it.
    Found(Hop),
    /// All ways were gone.
    Ended,
}

/// The first broken link: what comes after it need not be broken itself.
pub fn first_broken(hops: &[Hop]) -> Option<&Hop> {
    hops.iter().find(|hop| hop.state.is_broken())
}

/// A request to an address outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    /// JSON to be posted; `None` gets the URL.
    pub body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as far as it was read.
    pub body: String,
}

impl Heard {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The version of MCP that is offered at first (MCP, "Lifecycle").
const OFFERED: &str = "2025-06-18";
/// The version that has no `initialize`, and says with each request what that would have said.
const STATELESS: &str = "2026-07-28";

/// A token that nobody has signed: `{"alg":"none"}`, a name and an end in 2100. Every server must refuse it (RFC 8725
/// section 3.1, RFC 9068 section 4).
pub const UNSIGNED: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJxdWFydGVyZGVjay1kb2N0b3IiLCJ0b2tlbl91c2UiOiJhY2Nlc3MiLCJleHAiOjQxMDI0NDQ4MDB9.";

/// The header that names a request, in both directions.
pub const REQUEST_ID: &str = "x-request-id";

impl Ask {
    /// Gets a document.
    pub fn get(url: &str) -> Self {
        Self { url: url.to_owned(), headers: vec![("accept", "application/json".to_owned())], body: None }
    }

    /// Begins a session.
    pub fn initialize(url: &str) -> Self {
        let params = serde_json::json!({
            "protocolVersion": OFFERED, "capabilities": {},
            "clientInfo": { "name": "quarterdeck", "version": env!("CARGO_PKG_VERSION") },
        });
        Self::rpc(url, "initialize", params, &Session { version: OFFERED.to_owned(), id: None })
    }

    /// What a server without sessions answers instead.
    pub fn discover(url: &str) -> Self {
        Self::rpc(url, "server/discover", serde_json::json!({}), &Session::stateless())
    }

    /// Says that the session has begun. Nothing is answered to it.
    pub fn initialized(url: &str, session: &Session) -> Self {
        let body = serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        Self {
            body: Some(body.to_string()),
            ..Self::rpc(url, "notifications/initialized", serde_json::json!({}), session)
        }
    }

    /// Asks for the tools.
    pub fn tools(url: &str, session: &Session) -> Self {
        Self::rpc(url, "tools/list", serde_json::json!({}), session)
    }

    /// Calls a tool without arguments.
    pub fn call(url: &str, session: &Session, tool: &str) -> Self {
        let mut ask = Self::rpc(url, "tools/call", serde_json::json!({ "name": tool, "arguments": {} }), session);
        if session.version == STATELESS {
            ask.headers.push(("mcp-name", tool.to_owned()));
        }
        ask
    }

    /// The same under an id, by which a server of gangway logs it.
    #[must_use]
    pub fn named(mut self, id: &str) -> Self {
        self.headers.push((REQUEST_ID, id.to_owned()));
        self
    }

    fn rpc(url: &str, method: &str, mut params: serde_json::Value, session: &Session) -> Self {
        let mut headers = vec![
            ("accept", "application/json, text/event-stream".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        // The first request of a session negotiates the version that the later ones name.
        if method != "initialize" {
            headers.push(("mcp-protocol-version", session.version.clone()));
        }
        if session.version == STATELESS {
            headers.push(("mcp-method", method.to_owned()));
            params["_meta"] = serde_json::json!({
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientInfo": { "name": "quarterdeck", "version": env!("CARGO_PKG_VERSION") },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        headers.extend(session.id.clone().map(|id| ("mcp-session-id", id)));
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        Self { url: url.to_owned(), headers, body: Some(body.to_string()) }
    }
}

/// What was agreed on at the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub version: String,
    /// The server's id of the session, if it has any.
    pub id: Option<String>,
}

impl Session {
    /// The one of a server that keeps none.
    pub fn stateless() -> Self {
        Self { version: STATELESS.to_owned(), id: None }
    }
}

/// Where the metadata of an authorization server may lie (RFC 8414 section 3, OpenID Connect Discovery section 4), in
/// the order in which MCP's clients look.
pub fn issuer_urls(issuer: &str) -> Vec<String> {
    let Some((scheme, rest)) = issuer.split_once("://") else { return Vec::new() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = path.trim_end_matches('/');
    let mut all = vec![
        format!("{scheme}://{host}/.well-known/oauth-authorization-server{path}"),
        format!("{scheme}://{host}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        all.push(format!("{scheme}://{host}{path}/.well-known/openid-configuration"));
    }
    all
}
