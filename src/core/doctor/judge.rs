//! What the answers of an MCP server and its authorization server mean.

use serde_json::Value;

use super::{Heard, Session, State};
use crate::core::reach::{Answer, Reach, judge};
use crate::core::requests::Request;
use crate::core::text::{count, sanitise};

/// What a document of an authorization server says that later links need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    pub issuer: String,
    pub keys: Option<String>,
}

/// The protected resource metadata, and the authorization servers that it names.
pub fn metadata(heard: &Heard, resource: &str) -> (State, Vec<String>) {
    let answer = Answer {
        status: heard.status,
        server: heard.header("server"),
        cache: heard.header("x-cache"),
        body: heard.body.as_bytes(),
    };
    if let Reach::Broken(broken) = judge(answer, resource) {
        let found = text(&json(&heard.body), "resource");
        let fix = match (heard.status, found) {
            (200, Some(found)) => format!(
                "let the metadata name {resource} as `resource`, not {found}: a client must refuse others (RFC 9728 \
                 section 3.3)"
            ),
            (200, None) => "answer with a JSON document that has `resource` (RFC 9728 section 2)".to_owned(),
            _ => broken.hop.look_at().to_owned(),
        };
        return (State::broken(broken.why, fix), Vec::new());
    }
    let document = json(&heard.body);
    let servers = list(&document, "authorization_servers");
    if servers.is_empty() {
        let why = "the metadata name no authorization server";
        let fix = "name at least one in `authorization_servers` (MCP, \"Authorization Server Location\")";
        return (State::broken(why, fix), servers);
    }
    (State::well(format!("authorization server {}", servers.join(", "))), servers)
}

/// What a request without a token is told. The second value says whether the server wants a token.
pub fn challenge(heard: &Heard) -> (State, bool) {
    let from = heard.header("server").unwrap_or_default().to_ascii_lowercase();
    let state = match heard.status {
        401 => return (bearer(heard.header("www-authenticate")), true),
        200..=299 if result(&heard.body).is_some() => {
            let why = "it answers without a token: whoever knows the address may use it";
            return (State::odd(why, "let it demand a token, or keep it inside a network"), false);
        }
        403 if from.starts_with("cloudfront") => State::broken(
            "HTTP 403 from CloudFront",
            "look at the web ACL's log (aws-waf-logs-…, us-east-1): which rule blocks",
        ),
        403 => State::broken(
            "HTTP 403 before any token was asked for",
            "let the server accept this host and origin: many MCP servers refuse a Host that they do not know \
             (allowed_hosts)",
        ),
        404 => State::broken("HTTP 404: there is no MCP endpoint at this path", "correct the path; most end in /mcp"),
        405 => State::broken(
            "HTTP 405: this address takes no POST",
            "use the address of the Streamable HTTP transport, not that of the older HTTP+SSE one",
        ),
        413 | 429 => State::broken(
            format!("HTTP {}: a limit on the way is reached", heard.status),
            "look at the limits of the edge and of the server",
        ),
        status @ 500.. => State::broken(format!("HTTP {status}"), "see in the server's log why it fails"),
        status => State::odd(
            format!("HTTP {status} instead of 401"),
            "answer a request without a token with 401 and WWW-Authenticate, so that clients can sign in",
        ),
    };
    (state, true)
}

/// The answer to a token that nobody has signed, where something is wrong with it.
pub fn unsigned(heard: &Heard) -> Option<State> {
    let lets_in = (200..300).contains(&heard.status) && result(&heard.body).is_some();
    lets_in.then(|| {
        State::broken(
            "it lets in a token that nobody has signed: whoever knows the address may write one",
            "let it check the signature of each token by the issuer's keys (RFC 9068 section 4)",
        )
    })
}

/// Whether the address is none of an MCP endpoint, so that nothing more can be learnt there. A load balancer or
/// CloudFront that says so has not asked the server.
pub fn is_elsewhere(heard: &Heard) -> bool {
    let from = heard.header("server").unwrap_or_default().to_ascii_lowercase();
    matches!(heard.status, 404 | 405) && !from.starts_with("awselb") && !from.starts_with("cloudfront")
}

/// The header that tells a client where to sign in.
fn bearer(header: Option<&str>) -> State {
    let fix = "name `resource_metadata` in WWW-Authenticate: Bearer (RFC 9728 section 5.1)";
    match header {
        None => State::broken("HTTP 401 without WWW-Authenticate, so a client does not know where to sign in", fix),
        Some(header) if !header.to_ascii_lowercase().starts_with("bearer") => {
            State::broken(format!("HTTP 401 with {:?}", sanitise(header)), fix)
        }
        Some(header) => match parameter(header, "resource_metadata") {
            Some(url) => State::well(format!("401, and the metadata at {url}")),
            None => State::odd("WWW-Authenticate does not name the metadata; some clients look nowhere else", fix),
        },
    }
}

/// A parameter of a `WWW-Authenticate` header, sanitised.
fn parameter(header: &str, name: &str) -> Option<String> {
    let rest = header.split_once(&format!("{name}=\""))?.1;
    Some(sanitise(rest.split('"').next()?))
}

/// The metadata of an authorization server.
pub fn authorization_server(heard: &Heard, issuer: &str) -> (State, Option<Issuer>) {
    let document = json(&heard.body);
    if heard.status != 200 || !document.is_object() {
        let fix = "publish them (RFC 8414), or name an authorization server that does";
        return (State::broken(format!("HTTP {} without metadata of {issuer}", heard.status), fix), None);
    }
    let said = text(&document, "issuer").unwrap_or_default();
    if said.trim_end_matches('/') != issuer.trim_end_matches('/') {
        let why = format!("the metadata are of issuer {said:?}, not of {issuer:?}");
        return (State::broken(why, "both must be the same: a client must refuse others (RFC 8414 section 3.3)"), None);
    }
    let found = Issuer { issuer: said, keys: text(&document, "jwks_uri") };
    let missing: Vec<&str> =
        ["authorization_endpoint", "token_endpoint"].into_iter().filter(|key| text(&document, key).is_none()).collect();
    let state = if !missing.is_empty() {
        State::broken(format!("the metadata lack {}", missing.join(" and ")), "publish them (RFC 8414 section 2)")
    } else if !list(&document, "code_challenge_methods_supported").iter().any(|method| method == "S256") {
        let why = "the metadata do not say that PKCE with S256 is supported: clients for people refuse to sign in";
        State::odd(why, "let `code_challenge_methods_supported` hold S256 (MCP, \"Authorization Code Protection\")")
    } else {
        State::well(format!("issuer {}", found.issuer))
    };
    (state, Some(found))
}

/// The keys of an issuer.
pub fn keys(heard: &Heard, url: &str) -> State {
    let document = json(&heard.body);
    let keys = document.get("keys").and_then(Value::as_array).map(Vec::len).unwrap_or_default();
    match (heard.status, keys) {
        (200, 1..) => State::well(count(keys, "key")),
        (200, 0) => State::broken(format!("{url} holds no key"), "let the issuer publish its keys (RFC 7517)"),
        (status, _) => State::broken(
            format!("HTTP {status} from {url}"),
            "let the servers reach the issuer's keys: without them they can check no token",
        ),
    }
}

/// The answer to the first request with a token: what was agreed on, if anything.
pub fn initialize(heard: &Heard) -> (State, Option<Session>) {
    if let Some(state) = refused(heard) {
        return (state, None);
    }
    let Some(found) = result(&heard.body) else {
        return (no_result(heard), None);
    };
    let version = text(&found, "protocolVersion").or_else(|| list(&found, "supportedVersions").into_iter().next());
    let Some(version) = version else {
        let why = "the answer names no version of the protocol";
        return (State::broken(why, "answer as MCP's \"Lifecycle\" says"), None);
    };
    let server = found.get("serverInfo").map(|info| {
        let parts = [text(info, "name"), text(info, "version")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let server = server.filter(|server| !server.is_empty()).map(|server| format!("{server}, "));
    let note = format!("{}MCP {version}", server.unwrap_or_default());
    let state = odd_kind(heard).unwrap_or_else(|| State::well(note));
    (state, Some(Session { version, id: heard.header("mcp-session-id").map(str::to_owned) }))
}

/// A kind of content that an answer may not have: clients refuse to read it (MCP, "Transports").
fn odd_kind(heard: &Heard) -> Option<State> {
    let kind = heard.header("content-type")?;
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!matches!(essence.as_str(), "application/json" | "text/event-stream")).then(|| {
        State::odd(
            format!("it answers as {}, which many clients do not read", sanitise(kind)),
            "answer as application/json or text/event-stream (MCP, \"Transports\")",
        )
    })
}

/// Whether a server may be one that knows no `initialize`.
pub fn has_no_sessions(heard: &Heard) -> bool {
    // Method not found (JSON-RPC 2.0, section 5.1), and versions that are not supported.
    let code = event(&heard.body).pointer("/error/code").and_then(Value::as_i64);
    matches!(code, Some(-32_601 | -32_602 | -32_022 | -32_004)) || (heard.status == 400 && code.is_some())
}

/// The list of tools, asked for in a session if the server has made one.
pub fn tools(heard: &Heard, in_session: bool) -> State {
    if let Some(state) = refused(heard) {
        return state;
    }
    // A session that the server does not know is 404, and many answer 400 (MCP, "Session Management").
    if in_session && matches!(heard.status, 400 | 404) {
        return State::broken(
            format!("HTTP {}: the session of the request before is not known any more", heard.status),
            "let one task answer all of a session, or keep sessions where all tasks find them, or keep none",
        );
    }
    let found = result(&heard.body);
    let Some(tools) = found.as_ref().and_then(|found| found.get("tools")).and_then(Value::as_array) else {
        return no_result(heard);
    };
    let whole = |tool: &&Value| text(tool, "name").is_some() && tool.get("inputSchema").is_some_and(Value::is_object);
    let good = tools.iter().filter(whole).count();
    match (tools.len(), good) {
        (0, _) => State::odd("it lists no tool", "see whether the token's scopes hide them"),
        (all, good) if good < all => State::broken(
            format!("{} of {} lack a name or an inputSchema", all - good, count(all, "tool")),
            "give each tool both (MCP, \"Tools\"): clients drop the whole list otherwise",
        ),
        (all, _) => {
            let names: Vec<String> = tools.iter().filter_map(|tool| text(tool, "name")).take(8).collect();
            let more = if all > names.len() { ", …" } else { "" };
            State::well(format!("{}: {}{more}", count(all, "tool"), names.join(", ")))
        }
    }
}

/// A tool that may be called to see whether one answers: by what the server says of it, it only reads, asks nobody else,
/// and needs no argument (MCP, "Tools", `ToolAnnotations`). What is said of none is none.
pub fn safe_tool(heard: &Heard) -> Option<String> {
    let found = result(&heard.body)?;
    let tools = found.get("tools")?.as_array()?;
    let safe = |tool: &&Value| {
        let hint = |name: &str| tool.pointer(&format!("/annotations/{name}")).and_then(Value::as_bool);
        let required = tool.pointer("/inputSchema/required").and_then(Value::as_array).map_or(0, Vec::len);
        hint("readOnlyHint") == Some(true) && hint("openWorldHint") == Some(false) && required == 0
    };
    let name = tools.iter().find(safe)?.get("name")?.as_str()?;
    // It goes into a header.
    name.chars().all(|c| c.is_ascii_graphic()).then(|| name.to_owned())
}

/// The answer to a call of a tool.
pub fn call(heard: &Heard, tool: &str) -> State {
    if let Some(state) = refused(heard) {
        return state;
    }
    let Some(found) = result(&heard.body) else { return no_result(heard) };
    match found.get("isError").and_then(Value::as_bool) {
        Some(true) => {
            let words = found.pointer("/content/0/text").and_then(Value::as_str).map(sanitise).unwrap_or_default();
            State::broken(format!("{tool} says that it failed: {words}"), "see in the server's log why the tool fails")
        }
        _ => State::well(format!("{tool} answers")),
    }
}

/// What a server has logged of a request, beside what was heard of it outside.
pub fn inside(line: Option<&Request<'_>>, outside: u16, millis: u64) -> State {
    let Some(line) = line else {
        return State::odd(
            "the server has logged nothing of the last request, or it is still on its way",
            "see whether its log comes to CloudWatch, and whether something between answers in its place",
        );
    };
    let tool = line.tool().or(line.method()).map(|name| format!(" {}", sanitise(name))).unwrap_or_default();
    let why = line.why().map(|why| format!(", {}", why.word())).unwrap_or_default();
    let told = format!(
        "inside{tool} was {}{why} after {}, outside {outside} after {millis} ms",
        line.status,
        crate::core::text::milliseconds(line.latency_ms)
    );
    match line.status == outside {
        true => State::well(told),
        false => State::odd(told, "what stands between answers otherwise than the server: the edge, the load balancer"),
    }
}

/// That a token is refused, in the server's words, with what they ask for.
pub fn refused(heard: &Heard) -> Option<State> {
    let header = heard.header("www-authenticate").unwrap_or_default();
    let words = [parameter(header, "error"), parameter(header, "error_description")];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(": ");
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    match heard.status {
        401 => Some(State::broken(format!("HTTP 401, the server refuses the token{said}"), fix(&words))),
        403 if !words.is_empty() => {
            let scope = parameter(header, "scope").map(|scope| format!(": {scope}")).unwrap_or_default();
            Some(State::broken(
                format!("HTTP 403{said}"),
                format!("ask for a token with the scope that it lacks{scope}"),
            ))
        }
        403 => Some(State::broken("HTTP 403 without a reason", "look at the edge and at the hosts that it accepts")),
        _ => None,
    }
}

/// What helps against a refusal.
fn fix(words: &str) -> &'static str {
    let any = |some: &[&str]| some.iter().any(|one| words.to_ascii_lowercase().contains(one));
    match () {
        () if any(&["expired"]) => "get a new token; if it is new, compare the clocks",
        () if any(&["another resource", "audience", "no scope of this resource"]) => {
            "the token is for another server: ask for one with this server's `resource` and scopes"
        }
        () if any(&["not allowed", "client"]) => "let the server accept this client (allowed_client_ids)",
        () if any(&["issuer"]) => "get the token from the authorization server that the metadata name",
        () if any(&["key", "signature"]) => "see whether the server reaches the issuer's keys, and knows its new ones",
        () if any(&["not an access token", "another type"]) => "send the access token, not the id token",
        () => "pipe the token into `quarterdeck doctor token` to see which check it fails",
    }
}

fn no_result(heard: &Heard) -> State {
    let document = event(&heard.body);
    let error = document.pointer("/error/message").and_then(Value::as_str).map(sanitise);
    match error {
        Some(error) => State::broken(format!("the server says: {error}"), "see in the server's log what went wrong"),
        None if heard.status >= 500 => State::broken(
            format!("HTTP {} without an answer of the server", heard.status),
            "see whether a task is healthy, and in the server's log why it does not answer",
        ),
        None => State::broken(
            format!("HTTP {}, which is not an MCP server's answer", heard.status),
            "correct the address; most MCP endpoints end in /mcp",
        ),
    }
}

/// The result of a JSON-RPC answer.
fn result(body: &str) -> Option<Value> {
    event(body).get("result").cloned()
}

/// The document of an answer, which is the whole body or the last event of a stream that is one.
fn event(body: &str) -> Value {
    let whole = json(body);
    if whole.is_object() {
        return whole;
    }
    let events = body.lines().rev().filter_map(|line| line.strip_prefix("data:"));
    events.map(|data| json(data.trim())).find(Value::is_object).unwrap_or_default()
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

/// A text of a document, sanitised: it is shown.
fn text(document: &Value, key: &str) -> Option<String> {
    document.get(key)?.as_str().map(sanitise).filter(|text| !text.is_empty())
}

fn list(document: &Value, key: &str) -> Vec<String> {
    let all = document.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(Value::as_str).map(sanitise).collect()
}

#[cfg(test)]
mod tests;
