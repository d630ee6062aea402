//! Requests: where the token is, what else the head says, and the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{RESOURCE, call, list};
use crate::{BODY_LIMIT, Case, JSON, authorized, good, listing, plain, request};

type Row = (&'static str, Vec<u8>, u16, &'static str);

/// All tables as cases.
pub fn cases() -> Vec<Case> {
    let case =
        |(name, request, status, says): Row| Case { name: name.to_owned(), request, status, says, secret: good() };
    [places(), heads(), labels(), bodies(), sizes(), steps()].into_iter().flatten().map(case).collect()
}

/// A good token in a place, or a form, where none is looked for.
fn places() -> Vec<Row> {
    let good = good();
    let basic = STANDARD.encode(format!("machine-client:{good}"));
    let missing = "www-authenticate: Bearer resource_metadata=\"https://mcp.example.com/.well-known/";
    let invalid = "error=\"invalid_request\"";
    let line = |line: String| listing(&format!("{line}\r\n"));
    let form = format!("access_token={good}");
    let form_head = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
    let query = String::from_utf8(listing("")).unwrap().replacen("/mcp ", &format!("/mcp?access_token={good} "), 1);
    let in_body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "access_token": good }).to_string();
    vec![
        ("no token", listing(""), 401, missing),
        ("in the query", query.into_bytes(), 401, missing),
        ("in a form", request(&form_head, &form), 401, missing),
        ("in the message", request(&plain(&in_body), &in_body), 401, missing),
        ("in a cookie", line(format!("Cookie: access_token={good}; Authorization=Bearer {good}")), 401, missing),
        ("for a proxy", line(format!("Proxy-Authorization: Bearer {good}")), 401, missing),
        ("forwarded", line(format!("X-Forwarded-Authorization: Bearer {good}")), 401, missing),
        ("in an underscored header", line(format!("X_Authorization: Bearer {good}")), 401, missing),
        ("as the load balancer's identity", line(format!("x-amzn-oidc-accesstoken: {good}")), 401, missing),
        ("in a WebSocket protocol", line(format!("Sec-WebSocket-Protocol: bearer, {good}")), 401, missing),
        ("Basic", line(format!("Authorization: Basic {basic}")), 401, missing),
        ("Digest", line(format!("Authorization: Digest username=\"{good}\"")), 401, missing),
        ("DPoP", line(format!("Authorization: DPoP {good}")), 401, missing),
        ("Negotiate", line(format!("Authorization: Negotiate {good}")), 401, missing),
        ("no scheme", line(format!("Authorization: {good}")), 401, missing),
        ("scheme with a colon", line(format!("Authorization: Bearer: {good}")), 401, missing),
        ("scheme run together", line(format!("Authorization: Bearer{good}")), 401, missing),
        ("scheme with a tab", line(format!("Authorization: Bearer\t{good}")), 401, missing),
        ("scheme that looks alike", line(format!("Authorization: B\u{435}arer {good}")), 400, invalid),
        ("scheme after another", line(format!("Authorization: Basic x, Bearer {good}")), 401, missing),
        ("header without a value", line("Authorization:".into()), 401, missing),
        ("scheme alone", line("Authorization: Bearer".into()), 400, invalid),
        ("scheme and spaces", line("Authorization: Bearer   ".into()), 400, invalid),
        ("bytes above ASCII", line(format!("Authorization: Bearer {good}\u{e9}")), 400, invalid),
        ("joined by a comma", line(format!("Authorization: Bearer {good}, Bearer {good}")), 401, "malformed"),
        ("a comma behind", line(format!("Authorization: Bearer {good},")), 401, "malformed"),
        ("parameters behind", line(format!("Authorization: Bearer {good} realm=x")), 401, "malformed"),
        ("as a parameter", line(format!("Authorization: Bearer token={good}")), 401, "malformed"),
        ("twice", line(format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}")), 400, invalid),
        ("bad, then good", line(format!("Authorization: Bearer x\r\nAuthorization: Bearer {good}")), 400, invalid),
        ("good, then Basic", line(format!("Authorization: Bearer {good}\r\nAUTHORIZATION: Basic x")), 400, invalid),
        ("good, then empty", line(format!("Authorization: Bearer {good}\r\nAuthorization:")), 400, invalid),
    ]
}

/// A good token, and a head that is refused for something else.
fn heads() -> Vec<Row> {
    let with = |lines: &str| listing(&format!("{}{lines}", authorized()));
    let swap = |from: &str, to: &str| String::from_utf8(with("")).unwrap().replacen(from, to, 1).into_bytes();
    let accept = "Accept: application/json, text/event-stream\r\n";
    let host = "Host: mcp.example.com\r\n";
    vec![
        ("another host", swap(host, "Host: evil.example\r\n"), 403, "Host header"),
        ("host with more", swap(host, "Host: mcp.example.com.evil.example\r\n"), 403, "Host header"),
        ("host with a user", swap(host, "Host: mcp.example.com@evil.example\r\n"), 400, "host header"),
        ("host with a path", swap(host, "Host: mcp.example.com/x\r\n"), 400, "host header"),
        ("empty host", swap(host, "Host:\r\n"), 400, "host header"),
        ("no host", swap(host, ""), 400, "Host"),
        ("two hosts", swap(host, "Host: mcp.example.com\r\nHost: evil.example\r\n"), 400, "more than one host"),
        ("another host in the target", swap("POST /", "POST http://evil.example/"), 400, "host"),
        ("another origin", with("Origin: https://evil.example\r\n"), 403, "Origin"),
        ("origin null", with("Origin: null\r\n"), 403, "Origin"),
        ("origin with more", with("Origin: https://app.example.com.evil.example\r\n"), 403, "Origin"),
        ("origin over http", with("Origin: http://app.example.com\r\n"), 403, "Origin"),
        ("origin at another port", with("Origin: https://app.example.com:8443\r\n"), 403, "Origin"),
        (
            "two origins",
            with("Origin: https://app.example.com\r\nOrigin: https://evil.example\r\n"),
            400,
            "more than one origin",
        ),
        ("two content types", with("Content-Type: text/plain\r\n"), 400, "more than one content-type"),
        ("GET", swap("POST", "GET"), 405, "allow: POST"),
        ("DELETE", swap("POST", "DELETE"), 405, "allow: POST"),
        ("PUT", swap("POST", "PUT"), 405, "allow: POST"),
        ("TRACE", swap("POST", "TRACE"), 405, "allow: POST"),
        ("CONNECT", swap("POST /clock/mcp", "CONNECT evil.example:443"), 404, ""),
        (
            "GET that says POST",
            swap("POST /clock/mcp HTTP/1.1\r\n", "GET /clock/mcp HTTP/1.1\r\nX-HTTP-Method-Override: POST\r\n"),
            405,
            "",
        ),
        ("another path", swap("/clock/mcp", "/other/mcp"), 404, ""),
        ("path through the parent", swap("/clock/mcp", "/other/../clock/mcp"), 404, ""),
        ("path in upper case", swap("/clock/mcp", "/CLOCK/MCP"), 404, ""),
        ("path with a slash more", swap("/clock/mcp", "/clock//mcp"), 404, ""),
        ("path with an escape", swap("/clock/mcp", "/clock%2Fmcp"), 404, ""),
        ("no content type", swap("Content-Type: application/json\r\n", ""), 415, "application/json"),
        ("another content type", swap("application/json\r\n", "text/plain\r\n"), 415, "application/json"),
        (
            "form content type",
            swap("application/json\r\n", "multipart/form-data; boundary=x\r\n"),
            415,
            "application/json",
        ),
        ("nothing acceptable", swap(accept, "Accept: text/html\r\n"), 406, "accept"),
    ]
}

/// A good token, and headers about the body that nobody here can go by.
fn labels() -> Vec<Row> {
    let with = |lines: &str| listing(&format!("{}{lines}", authorized()));
    let notice = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let noticed = |lines: &str| request(&format!("{}{}{lines}", authorized(), plain(&notice)), &notice);
    vec![
        ("a protocol that is not", with("MCP-Protocol-Version: 1999-01-01\r\n"), 400, ""),
        (
            "a protocol without an end",
            with(&format!("MCP-Protocol-Version: {}\r\n", "2".repeat(60_000))),
            400,
            "too long",
        ),
        ("a coding that nobody undoes", with("Content-Encoding: gzip\r\n"), 415, "coding"),
        ("a notice of a protocol that is not", noticed("MCP-Protocol-Version: junk\r\n"), 400, ""),
        (
            "a method in the head that is not the body's",
            with("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"),
            400,
            "",
        ),
    ]
}

/// A good token, and a body that is not one JSON-RPC message.
fn bodies() -> Vec<Row> {
    let raw = |body: &str| request(&format!("{}{}", authorized(), plain(body)), body);
    let parse = "\"code\":-32700";
    // It is JSON, and no message.
    let invalid = "\"code\":-32600";
    let deep = |open: &str| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{}", open.repeat(3000))
    };
    let closed = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"tick\",\"arguments\":{{\"a\":{}{}}}}}}}",
        "[".repeat(3000),
        "]".repeat(3000)
    );
    let twice = call("tick").to_string();
    let mut latin = raw("{\"method\":\"?\"}");
    let at = latin.iter().rposition(|byte| *byte == b'?').unwrap();
    latin[at] = 0xe9;
    vec![
        ("empty body", raw(""), 400, parse),
        ("no JSON", raw("hello"), 400, parse),
        ("half a message", raw("{\"jsonrpc\":\"2.0\""), 400, parse),
        ("two messages", raw(&format!("{0}{0}", list())), 400, parse),
        ("a batch", raw(&json!([list(), call("tick")]).to_string()), 400, invalid),
        ("an empty batch", raw("[]"), 400, invalid),
        ("a message as a list", raw("[1,\"tools/call\",{\"name\":\"tick\"}]"), 400, "\"code\":-32600"),
        ("a number", raw("7"), 400, invalid),
        ("null", raw("null"), 400, invalid),
        ("method as a number", raw("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}"), 400, invalid),
        ("method given twice", raw(&twice.replacen("\"method\"", "\"method\":\"x\",\"method\"", 1)), 400, invalid),
        ("tool given twice", raw(&twice.replacen("\"name\"", "\"name\":\"wind\",\"name\"", 1)), 400, invalid),
        ("parameters given twice", raw(&twice.replacen("\"params\"", "\"params\":{},\"params\"", 1)), 400, invalid),
        (
            "parameters as text",
            raw("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":\"tick\"}"),
            400,
            invalid,
        ),
        ("deep and unfinished lists", raw(&deep("[")), 400, parse),
        ("deep and unfinished objects", raw(&deep("{\"a\":")), 400, parse),
        ("deep and finished lists", raw(&closed), 400, "\"code\":-32600"),
        ("an object that is no message", raw("{}"), 400, "\"code\":-32600"),
        ("another version of JSON-RPC", raw(&twice.replace("2.0", "1.0")), 400, "\"code\":-32600"),
        ("no version of JSON-RPC", raw("{\"id\":1,\"method\":\"tools/list\"}"), 400, "\"code\":-32600"),
        (
            "half of a surrogate pair",
            raw(&twice.replace("\"arguments\":{}", "\"arguments\":{\"a\":\"\\ud800\"}")),
            400,
            invalid,
        ),
        ("a request that is an answer, too", raw(&twice.replace("\"id\":1", "\"id\":1,\"result\":{}")), 400, invalid),
        (
            "parameters about themselves as a number",
            raw(&list().to_string().replace("tools/list\"", "tools/list\",\"params\":{\"_meta\":5}")),
            400,
            "",
        ),
        ("id as an object", raw(&twice.replace("\"id\":1", "\"id\":{}")), 400, "\"code\":-32600"),
        ("not UTF-8", latin, 400, parse),
        ("a byte order mark", raw(&format!("\u{feff}{}", list())), 400, parse),
        ("UTF-16", raw("{\0}\0"), 400, parse),
        ("NUL behind", raw(&format!("{}\0", list())), 400, parse),
    ]
}

/// More than there is room for.
fn sizes() -> Vec<Row> {
    let padded = |size: usize| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"x\":\"{}\"}}", "x".repeat(size))
    };
    let declared = format!("{}{JSON}Content-Length: {}\r\n", authorized(), BODY_LIMIT + 1);
    let enormous = format!("{}{JSON}Content-Length: {}\r\n", authorized(), u64::MAX >> 12);
    let waiting = format!("{declared}Expect: 100-continue\r\n");
    let body = padded(BODY_LIMIT);
    let chunked = format!("{}{JSON}Transfer-Encoding: chunked\r\n", authorized());
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    let long = String::from_utf8(listing(&authorized())).unwrap().replacen(
        "/mcp ",
        &format!("/mcp?{} ", "x".repeat(70_000)),
        1,
    );
    vec![
        ("body over the limit", request(&format!("{}{}", authorized(), plain(&body)), &body), 413, "larger than"),
        ("body declared over the limit", request(&declared, ""), 413, "larger than"),
        ("body declared as enormous", request(&enormous, ""), 413, "larger than"),
        ("body that waits for a go-ahead", request(&waiting, ""), 413, "larger than"),
        ("chunked body over the limit", request(&chunked, &chunks), 413, "larger than"),
        ("body over the limit without a token", request(&plain(&body), &body), 401, "bearer token is needed"),
        ("too many headers", listing(&format!("{}{many}", authorized())), 431, ""),
        ("a header too long", listing(&format!("{}X: {}\r\n", authorized(), "x".repeat(90_000))), 431, ""),
        ("a target too long", long.into_bytes(), 414, ""),
    ]
}

/// A token that may read, and a tool that writes.
fn steps() -> Vec<Row> {
    let raw = |body: String| request(&format!("{}{}", authorized(), plain(&body)), &body);
    let wind = call("wind");
    let text = wind.to_string();
    let step = "error=\"insufficient_scope\"";
    let head = |lines: &str| request(&format!("{}{}{lines}", authorized(), plain(&text)), &text);
    let listed = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": [null, "wind", {}] });
    let mut more = wind.clone();
    more["params"]["_meta"] = json!({ "name": "tick", "scope": format!("{RESOURCE}/write") });
    vec![
        ("a writing tool", raw(text.clone()), 403, step),
        ("a writing tool, with an escape", raw(text.replace("wind", "w\\u0069nd")), 403, step),
        ("a writing tool, its key with an escape", raw(text.replace("\"name\"", "\"n\\u0061me\"")), 403, step),
        ("a writing tool, its method with an escape", raw(text.replace("tools/call", "tools\\/call")), 403, step),
        ("a writing tool, with a scope of its own", raw(more.to_string()), 403, step),
        (
            "a writing tool under a reading name",
            head("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: tick\r\n"),
            403,
            step,
        ),
        (
            "a writing tool under a reading method",
            head("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n"),
            403,
            step,
        ),
        ("a writing tool by position", raw(listed.to_string()), 400, "\"code\":-32600"),
        (
            "a writing tool without an id",
            raw(crate::support::with(wind.clone(), json!({ "id": Value::Null })).to_string()),
            403,
            step,
        ),
    ]
}

/// Requests that must be taken.
pub fn accepted() -> Vec<(&'static str, Vec<u8>)> {
    let good = good();
    let line = |line: String| listing(&format!("{line}\r\n"));
    let with = |lines: &str| listing(&format!("{}{lines}", authorized()));
    vec![
        ("lower-case scheme", line(format!("Authorization: bearer {good}"))),
        ("upper-case scheme", line(format!("AUTHORIZATION: BEARER {good}"))),
        ("mixed-case scheme", line(format!("aUTHORIZATION: bEARER {good}"))),
        ("spaces between", line(format!("Authorization: Bearer    {good}"))),
        ("spaces and tabs around", line(format!("Authorization: \t Bearer {good} \t "))),
        ("a token in the query beside", {
            let text = String::from_utf8(with("")).unwrap();
            text.replacen("/mcp ", "/mcp?access_token=x ", 1).into_bytes()
        }),
        ("an allowed origin", with("Origin: https://app.example.com\r\n")),
        ("an allowed origin at any port", with("Origin: http://localhost:6274\r\n")),
        ("charset in the content type", {
            let text = String::from_utf8(with("")).unwrap();
            text.replacen("application/json\r\n", "application/json; charset=utf-8\r\n", 1).into_bytes()
        }),
        ("host with a port", {
            let text = String::from_utf8(with("")).unwrap();
            text.replacen("Host: mcp.example.com", "Host: MCP.example.com:8443", 1).into_bytes()
        }),
    ]
}
