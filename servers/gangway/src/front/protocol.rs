//! The two eras of the protocol, and messages from one to the other.
//!
//! Until 2025-11-25 a client opens with `initialize`, and what was agreed there holds for what follows. Since
//! 2026-07-28 every request says itself which revision it is of, in `_meta` and in headers. A client and the
//! server behind may be of different eras: which era the server is of is found out when it starts.

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::readable;
use super::tools::ToolTable;
use crate::body::CACHEABLE;
use crate::challenge::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, error_text};
use crate::facts::MAX_VALUE;
use crate::raw::{Members, is_id};

/// The revision of the later era.
pub const MODERN: &str = "2026-07-28";
/// The revisions of the earlier era, the oldest first.
pub const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// What requests of the later era say about themselves (MCP 2026-07-28, "Request metadata").
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";
pub const VERSION_HEADER: &str = "mcp-protocol-version";
pub const METHOD_HEADER: &str = "mcp-method";
pub const NAME_HEADER: &str = "mcp-name";
/// Errors of the later era: headers and body contradict each other, and a revision that is not served.
const HEADER_MISMATCH: i32 = -32020;
const UNSUPPORTED_VERSION: i32 = -32022;
/// A resource that is not there, in the earlier era. The later one has `INVALID_PARAMS` for it.
const RESOURCE_NOT_FOUND: i32 = -32002;
/// How a side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// It opens with `initialize`.
    Legacy,
    /// Every request stands alone.
    Modern,
}

/// A request or a notification of a client.
#[derive(Debug)]
pub struct Call<'a> {
    pub message: Members<'a>,
    /// `None`: it is a notification.
    pub id: Option<Box<RawValue>>,
    pub method: String,
    pub era: Era,
}

/// An error of JSON-RPC.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub code: i32,
    pub message: String,
    pub data: Option<Value>,
}

impl Fault {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

/// What a client sent.
#[derive(Debug)]
pub enum Sent<'a> {
    Call(Box<Call<'a>>),
    /// An answer: nothing was asked of the client.
    Answer,
}

/// Whether a message says of itself that it is of the later era.
pub fn is_modern(message: &Members<'_>) -> bool {
    let meta = message.object("params").and_then(|params| params.read::<Value>("_meta"));
    meta.is_some_and(|meta| meta.get(VERSION_KEY).is_some())
}

/// The id of a message, if it has one that a request may have.
fn request_id(message: &Members<'_>) -> Result<Option<Box<RawValue>>, Fault> {
    match message.get("id") {
        None => Ok(None),
        Some(id) if is_id(id) => Ok(Some(id.to_owned())),
        Some(_) => Err(Fault::new(INVALID_REQUEST, "Invalid Request: the id must be a string or a number")),
    }
}

/// Reads a message of a client, and checks that its headers say the same.
pub fn read<'a>(body: &'a [u8], headers: &HeaderMap) -> Result<Sent<'a>, Fault> {
    let not_one = || Fault::new(INVALID_REQUEST, "Invalid Request: not a JSON-RPC message of this protocol");
    if let Some(problem) = readable::problem(body) {
        return Err(Fault::new(INVALID_REQUEST, format!("Invalid Request: {problem}")));
    }
    let message = Members::parse(body).ok_or_else(not_one)?;
    if message.read::<String>("jsonrpc").as_deref() != Some("2.0") {
        return Err(not_one());
    }
    let answers = [message.get("result"), message.get("error")].iter().flatten().count();
    let Some(method) = message.read::<String>("method") else {
        if message.get("method").is_some() || answers != 1 {
            return Err(not_one());
        }
        return served(version(headers)).map(|()| Sent::Answer);
    };
    // To one parser it is a request, and to another an answer, which nobody answers.
    if answers > 0 {
        return Err(not_one());
    }
    if message.get("params").is_some() && message.object("params").is_none() {
        return Err(Fault::new(INVALID_PARAMS, "Invalid params: must be an object, with no member twice"));
    }
    let params = message.object("params").unwrap_or_default();
    if params.get("_meta").is_some() && params.object("_meta").is_none() {
        return Err(Fault::new(INVALID_PARAMS, "Invalid params: _meta must be an object, with no member twice"));
    }
    let id = request_id(&message)?;
    let era = era(&message, &method, id.is_some(), headers)?;
    Ok(Sent::Call(Box::new(Call { message, id, method, era })))
}

/// The era of a message. What it says of itself must be in its headers, too: whoever stands between goes by them.
fn era(message: &Members<'_>, method: &str, request: bool, headers: &HeaderMap) -> Result<Era, Fault> {
    let header = version(headers);
    if !request {
        let era = if header == Some(MODERN) { Era::Modern } else { Era::Legacy };
        return served(header).map(|()| era);
    }
    // A client that opens with it has agreed on nothing yet, and so says nothing of the later era, where it is gone.
    if method == "initialize" && header != Some(MODERN) {
        return served(header).map(|()| Era::Legacy);
    }
    let meta = message.object("params").and_then(|params| params.read::<Value>("_meta")).unwrap_or_default();
    let said = meta.get(VERSION_KEY).and_then(Value::as_str);
    let later = method == "server/discover" || header == Some(MODERN);
    match (said, header) {
        (None, _) => served(header).and_then(|()| if later { Err(missing(VERSION_KEY)) } else { Ok(Era::Legacy) }),
        (Some(_), None) => Err(mismatch(VERSION_HEADER, "is not there, and _meta names a revision")),
        (Some(said), Some(version)) if said != version => Err(mismatch(VERSION_HEADER, "is not that of _meta")),
        (Some(said), _) if said != MODERN => Err(unsupported(said)),
        (Some(_), _) if !meta.get(CAPABILITIES_KEY).is_some_and(Value::is_object) => Err(missing(CAPABILITIES_KEY)),
        _ => named(message, method, headers).map(|()| Era::Modern),
    }
}

/// The revision that the head of a request names.
fn version(headers: &HeaderMap) -> Option<&str> {
    headers.get(VERSION_HEADER).map(|value| value.to_str().unwrap_or_default())
}

/// Refuses a revision that is not served here, whatever the message is: "it MUST respond with 400 Bad Request" (MCP
/// 2025-11-25, Transports, "Protocol Version Header"). Without the header, it is an earlier one.
fn served(version: Option<&str>) -> Result<(), Fault> {
    match version.filter(|version| !supported().contains(version)) {
        Some(other) => Err(unsupported(other)),
        None => Ok(()),
    }
}

fn unsupported(requested: &str) -> Fault {
    let requested: String = requested.chars().take(MAX_VALUE).collect();
    let data = json!({ "supported": supported(), "requested": requested });
    Fault { code: UNSUPPORTED_VERSION, message: "Unsupported protocol version".to_owned(), data: Some(data) }
}

fn missing(key: &str) -> Fault {
    Fault::new(INVALID_PARAMS, format!("Invalid params: _meta lacks {key}, or it is malformed"))
}

/// An error of a header that contradicts the body.
pub fn mismatch(header: &str, problem: &str) -> Fault {
    Fault::new(HEADER_MISMATCH, format!("the header {header} {problem}"))
}

/// The revisions that clients may speak, whatever the server behind does.
pub fn supported() -> Vec<&'static str> {
    LEGACY.into_iter().chain([MODERN]).collect()
}

/// Checks the headers that name the method, and the tool, prompt or resource.
fn named(message: &Members<'_>, method: &str, headers: &HeaderMap) -> Result<(), Fault> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
    match text(METHOD_HEADER) {
        None => return Err(mismatch(METHOD_HEADER, "is not there")),
        Some(given) if given != method => return Err(mismatch(METHOD_HEADER, "is not the method of the body")),
        Some(_) => {}
    }
    let Some(name) = name(message, method) else { return Ok(()) };
    match text(NAME_HEADER).map(|given| decoded(&given)) {
        None => Err(mismatch(NAME_HEADER, "is not there")),
        Some(None) => Err(mismatch(NAME_HEADER, "is not valid Base64")),
        Some(Some(given)) if given != name => Err(mismatch(NAME_HEADER, "is not the name of the body")),
        Some(Some(_)) => Ok(()),
    }
}

/// What a request is about, where a header must name it.
pub fn name(message: &Members<'_>, method: &str) -> Option<String> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return None,
    };
    message.object("params")?.read(member)
}

/// A value of a header that may be in Base64 (MCP 2026-07-28, Transports, "Value Encoding").
pub fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|inner| inner.strip_suffix("?=")) {
        Some(inner) => String::from_utf8(BASE64_STANDARD.decode(inner).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

/// The same, to send.
pub fn encoded(value: &str) -> HeaderValue {
    let plain =
        value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value && !value.starts_with("=?");
    let text = if plain { value.to_owned() } else { format!("=?base64?{}?=", BASE64_STANDARD.encode(value)) };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What a server said when it was asked who it is.
#[derive(Debug, Clone)]
pub struct Known {
    pub era: Era,
    /// The revision that was agreed.
    pub version: String,
    capabilities: Value,
    server_info: Value,
    instructions: Option<Value>,
    /// What a client of the later era gets from a server of the later era.
    discovered: Option<Value>,
}

impl Known {
    /// From the result of `server/discover`. `None` if it is none, or the server does not serve our revision.
    pub fn modern(mut result: Value) -> Option<Self> {
        let serves = result["supportedVersions"].as_array().is_some_and(|all| all.iter().any(|one| one == MODERN));
        if !serves {
            return None;
        }
        // Who may call is known here only: no answer may be kept for somebody else.
        result["cacheScope"] = "private".into();
        // Clients speak with this program, whichever of these the server knows.
        result["supportedVersions"] = json!(supported());
        Some(Self {
            era: Era::Modern,
            version: MODERN.to_owned(),
            capabilities: result["capabilities"].clone(),
            server_info: result["_meta"][SERVER_KEY].clone(),
            instructions: result.get("instructions").cloned(),
            discovered: Some(result),
        })
    }

    /// From the result of `initialize`. `None` if it is none, or of a revision that is not known.
    pub fn legacy(result: &Value) -> Option<Self> {
        let version = result["protocolVersion"].as_str().filter(|version| LEGACY.contains(version))?.to_owned();
        Some(Self {
            era: Era::Legacy,
            version,
            capabilities: result["capabilities"].clone(),
            server_info: result["serverInfo"].clone(),
            instructions: result.get("instructions").cloned(),
            discovered: None,
        })
    }

    /// Whether it says that it has tools.
    pub fn has_tools(&self) -> bool {
        self.capabilities.get("tools").is_some()
    }

    /// What it can do for clients that share it. There is no stream but the answer's, so nobody can be told of
    /// changes; and what one client sets, such as the level of log messages, would hold for all.
    fn shared_capabilities(&self) -> Value {
        let mut shared = self.capabilities.clone();
        let Some(all) = shared.as_object_mut() else { return json!({}) };
        all.remove("logging");
        all.remove("tasks");
        for one in all.values_mut().filter_map(Value::as_object_mut) {
            one.remove("listChanged");
            one.remove("subscribe");
        }
        shared
    }

    /// The answer to `initialize` for a client that asks for revision `asked`: that one, or the highest of the
    /// earlier era that both know.
    pub fn initialized(&self, asked: Option<&str>) -> Value {
        let place = |version: &str| LEGACY.iter().position(|one| *one == version);
        let highest = place(&self.version).unwrap_or(LEGACY.len() - 1);
        let version = asked.and_then(place).unwrap_or(highest).min(highest);
        let unnamed = json!({ "name": "server", "version": "0" });
        let info = if self.server_info.is_object() { &self.server_info } else { &unnamed };
        let mut result = json!({
            "protocolVersion": LEGACY.get(version),
            "capabilities": self.shared_capabilities(),
            "serverInfo": info,
        });
        if let Some(instructions) = &self.instructions {
            result["instructions"] = instructions.clone();
        }
        result
    }

    /// The answer to `server/discover`. `passes_streams`: a client can listen to changes.
    pub fn discovered(&self, passes_streams: bool) -> Value {
        if let (Some(result), true) = (&self.discovered, passes_streams) {
            return result.clone();
        }
        let mut result = json!({
            "resultType": "complete",
            "supportedVersions": supported(),
            "capabilities": self.shared_capabilities(),
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": { SERVER_KEY: self.server_info },
        });
        if let Some(instructions) = &self.instructions {
            result["instructions"] = instructions.clone();
        }
        result
    }
}

/// How the answer to a request is made into the client's.
#[derive(Debug, Clone)]
pub struct Origin {
    id: Box<RawValue>,
    /// The name under which the client wants progress, where it got another one on the way.
    progress: Option<Box<RawValue>>,
    method: String,
    client: Era,
    server: Era,
}

/// Makes a client's request into one of the server's era. With an `id`, it gets that one instead of its own, and
/// so does its progress: several clients share the server.
pub fn forward(call: &Call<'_>, server: Era, id: Option<u64>) -> (Vec<u8>, Origin) {
    let mut message = call.message.clone();
    let mut origin = Origin {
        id: call.id.clone().unwrap_or_default(),
        progress: None,
        method: call.method.clone(),
        client: call.era,
        server,
    };
    if let Some(id) = id.filter(|_| call.id.is_some()) {
        message.set("id", &id);
    }
    let mut params = call.message.object("params").unwrap_or_default();
    let meta = params.get("_meta").map(ToOwned::to_owned);
    let mut meta: Members<'_> =
        meta.as_deref().and_then(|meta| serde_json::from_str(meta.get()).ok()).unwrap_or_default();
    if let (Some(id), Some(token)) = (id, meta.get("progressToken").map(ToOwned::to_owned)) {
        origin.progress = Some(token);
        meta.set("progressToken", &id);
    }
    match (call.era, server) {
        (Era::Modern, Era::Legacy) => {
            [VERSION_KEY, CLIENT_KEY, CAPABILITIES_KEY, LEVEL_KEY].iter().for_each(|key| meta.remove(key));
        }
        (Era::Legacy, Era::Modern) if call.id.is_some() => introduce(&mut meta),
        _ => {}
    }
    let meta = (!meta.is_empty()).then(|| meta.raw());
    match meta {
        Some(meta) => params.set_raw("_meta", meta),
        None => params.remove("_meta"),
    }
    if !(params.is_empty() && call.message.get("params").is_none()) {
        message.set("params", &params);
    }
    (message.line(), origin)
}

/// Says in `_meta` who asks: this program, which can do nothing for the server.
fn introduce(meta: &mut Members<'_>) {
    meta.set(VERSION_KEY, &MODERN);
    meta.set(CLIENT_KEY, &client_info());
    meta.set(CAPABILITIES_KEY, &json!({}));
}

/// Who this program is.
pub fn client_info() -> Value {
    json!({ "name": "gangway", "version": env!("CARGO_PKG_VERSION") })
}

/// A request of this program's own.
pub fn own(id: u64, method: &str, params: Value, era: Era) -> Vec<u8> {
    let mut params = params;
    if era == Era::Modern {
        params["_meta"] = json!({ VERSION_KEY: MODERN, CLIENT_KEY: client_info(), CAPABILITIES_KEY: json!({}) });
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string().into_bytes()
}

/// What a server sent, for the client.
#[derive(Debug)]
pub enum Back {
    /// Something on the way to the answer.
    Notice(Vec<u8>),
    /// The answer, and the code if it is an error.
    Answer(Vec<u8>, Option<i32>),
    /// A request of the server's own: its id and method.
    Asks(Box<RawValue>, String),
}

impl Origin {
    /// Makes a message of the server into the client's. `None` if it is no message.
    pub fn back(&self, text: &[u8], tools: &ToolTable) -> Option<Back> {
        let mut message = Members::parse(text)?;
        if let Some(method) = message.read::<String>("method") {
            return match message.get("id") {
                Some(id) => Some(Back::Asks(id.to_owned(), method)),
                None => Some(Back::Notice(self.notice(message, &method))),
            };
        }
        if let Some(mut error) = message.object("error") {
            let mut code = error.read("code").unwrap_or(crate::challenge::INTERNAL_ERROR);
            if code == RESOURCE_NOT_FOUND && (self.client, self.server) == (Era::Modern, Era::Legacy) {
                code = INVALID_PARAMS;
                error.set("code", &code);
                let error = error.raw();
                message.set_raw("error", error);
            }
            message.set("id", &self.id);
            return Some(Back::Answer(message.line(), Some(code)));
        }
        // A result is an object (MCP, schema, `Result`).
        message.get("result").filter(|result| result.get().starts_with('{'))?;
        if self.method == "tools/list" || self.client == Era::Modern || self.server == Era::Modern {
            let mut result = message.object("result")?;
            if self.method == "tools/list" {
                tools.show(&mut result, false);
            }
            if let Err(fault) = self.suit(&mut result) {
                return Some(Back::Answer(self.error(&fault), Some(fault.code)));
            }
            let result = result.raw();
            message.set_raw("result", result);
        }
        message.set("id", &self.id);
        Some(Back::Answer(message.line(), None))
    }

    fn notice(&self, mut message: Members<'_>, method: &str) -> Vec<u8> {
        if let (Some(token), "notifications/progress") = (&self.progress, method)
            && let Some(mut params) = message.object("params")
        {
            params.set("progressToken", token);
            let params = params.raw();
            message.set_raw("params", params);
        }
        message.line()
    }

    /// Makes a result of the server's era into one of the client's.
    fn suit(&self, result: &mut Members<'_>) -> Result<(), Fault> {
        let cacheable = CACHEABLE.contains(&self.method.as_str());
        match (self.client, self.server) {
            (Era::Modern, server) => {
                if server == Era::Legacy {
                    result.set_default("resultType", &"complete");
                }
                if cacheable {
                    result.set_default("ttlMs", &0);
                    // Who may read it is settled here, by the token: no cache may give it to anybody else.
                    result.set("cacheScope", &"private");
                }
            }
            (Era::Legacy, Era::Modern) => {
                let kind: Option<String> = result.read("resultType");
                if kind.is_some_and(|kind| kind != "complete") {
                    let why = "the server asks for input, for which there is no way in the client's revision";
                    return Err(Fault::new(crate::challenge::INTERNAL_ERROR, why));
                }
                ["resultType", "ttlMs", "cacheScope"].iter().for_each(|name| result.remove(name));
            }
            (Era::Legacy, Era::Legacy) => {}
        }
        Ok(())
    }

    /// An error that answers the request.
    pub fn error(&self, fault: &Fault) -> Vec<u8> {
        let mut error = json!({ "code": fault.code, "message": fault.message });
        if let Some(data) = &fault.data {
            error["data"] = data.clone();
        }
        error_text(Some(&self.id), &error)
    }
}

/// Whether a method is for the two sides of one connection, which here are not the client and the server.
pub fn is_refused(call: &Call<'_>, server: Era, passes_streams: bool) -> Option<Fault> {
    let unknown = match (call.era, call.method.as_str()) {
        (_, "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe") => true,
        (Era::Modern, "initialize" | "ping") => true,
        (Era::Legacy, "server/discover" | "subscriptions/listen") => true,
        (Era::Modern, "subscriptions/listen") => server == Era::Legacy || !passes_streams,
        _ => false,
    };
    unknown.then(|| Fault::new(METHOD_NOT_FOUND, "Method not found"))
}

/// The status of an error: clients of the earlier era look for it in the body alone.
pub fn status(era: Era, code: i32) -> u16 {
    match (era, code) {
        (Era::Modern, METHOD_NOT_FOUND) => 404,
        (Era::Modern, -32022..=-32020) => 400,
        _ => 200,
    }
}

#[cfg(test)]
mod tests;
