//! Passes messages from lines on the standard streams to a server that listens on a port, and back.
//!
//! `gangway relay PORT PATH` is for whoever asks a server in a container before it is deployed, in whose network nothing
//! from outside gets. It checks nothing, keeps nothing, and serves nobody but the one who started it.

use std::io::{self, Write};

use axum::http::{HeaderMap, HeaderValue};
use hyper::body::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::http::{self, Http, OWN_TIME, SESSION, modern_headers};
use super::link::{Message, Text};
use super::protocol::{VERSION_HEADER, is_modern};
use crate::budget::Budget;
use crate::challenge::INTERNAL_ERROR;
use crate::raw::Members;

/// What was agreed with a server of the earlier era.
#[derive(Default)]
struct Agreed {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

/// Waits until the server listens, and passes messages on until there are no more.
///
/// # Errors
/// When the path is none, or the lines cannot be written.
pub async fn relay(
    port: u16,
    path: &str,
    mut lines: mpsc::Receiver<String>,
    mut output: impl Write,
) -> Result<(), String> {
    let address = http::listening(port).await;
    // It is asked by one, who starts it for nothing else.
    let server = Http::new(address, path, Budget::new(usize::MAX))
        .ok_or_else(|| format!("{path:?} is not a path such as /mcp"))?;
    let mut agreed = Agreed::default();
    while let Some(line) = lines.recv().await {
        let Some(message) = Members::parse(line.as_bytes()) else { continue };
        let id = message.get("id").map(RawValue::to_owned);
        let asked = tokio::time::timeout(OWN_TIME, pass(&server, &mut agreed, &message, &line)).await;
        let answers = match (asked.unwrap_or_else(|_| Err("no answer in time".to_owned())), id) {
            (Ok(answers), _) => answers,
            (Err(_), None) => Vec::new(),
            (Err(why), Some(id)) => {
                let error = json!({ "code": INTERNAL_ERROR, "message": why });
                vec![json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into()]
            }
        };
        for answer in answers {
            // Line breaks are nothing but space in JSON (RFC 8259, section 2).
            let mut line: Vec<u8> =
                answer.iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte }).collect();
            line.push(b'\n');
            output.write_all(&line).map_err(|error| error.to_string())?;
        }
        output.flush().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The lines of the standard input, read by a thread of its own: it may wait for ever, and ends with the process.
pub fn input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Passes one message on; what came back, the answer last.
async fn pass(server: &Http, agreed: &mut Agreed, message: &Members<'_>, line: &str) -> Result<Vec<Bytes>, String> {
    let method = message.read::<String>("method").unwrap_or_default();
    let headers = if is_modern(message) { modern_headers(&method, None) } else { agreed.headers() };
    let response = server.post(headers, line.as_bytes().to_vec()).await.map_err(|_| "the server hung up".to_owned())?;
    if method == "initialize" {
        agreed.session = response.headers().get(SESSION).cloned();
    }
    let mut answer = server.answer(response).map_err(|failure| failure.fault().message)?;
    let mut all = Vec::new();
    while let Some(next) = answer.next().await.map_err(|failure| failure.fault().message)? {
        let Message::Text(Text { bytes: text, .. }) = next else { continue };
        let Some(said) = Members::parse(&text) else { continue };
        let is_answer = said.get("id").is_some() && said.get("method").is_none();
        if is_answer && method == "initialize" {
            let version = said.read::<Value>("result").unwrap_or_default()["protocolVersion"].take();
            agreed.version = version.as_str().and_then(|version| version.parse().ok());
        }
        all.push(text);
        if is_answer {
            return Ok(all);
        }
    }
    match message.get("id") {
        Some(_) => Err("the server gave no answer".to_owned()),
        None => Ok(all),
    }
}

impl Agreed {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(version) = &self.version {
            headers.insert(VERSION_HEADER, version.clone());
        }
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use axum::{Router, routing::post};
    use std::sync::{Arc, Mutex};

    /// What was asked, with the session and the revision of its headers.
    type Log = Arc<Mutex<Vec<String>>>;

    async fn answer(log: Log, headers: HeaderMap, body: String) -> Response {
        let message: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let method = message["method"].as_str().unwrap().to_owned();
        log.lock().unwrap().push(format!("{method} {} {}", text("mcp-session-id"), text(VERSION_HEADER)));
        let id = &message["id"];
        match method.as_str() {
            "server/discover" => (StatusCode::BAD_REQUEST, "Missing session").into_response(),
            "initialize" => {
                let result = json!({ "jsonrpc": "2.0", "id": id, "result": { "protocolVersion": "2025-06-18" } });
                let text = serde_json::to_string_pretty(&result).unwrap();
                ([("mcp-session-id", "s1"), ("content-type", "application/json")], text).into_response()
            }
            "tools/list" => {
                let events = format!(
                    "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}}\n\n\
                     data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"tools\":[]}}}}\n\n"
                );
                ([("content-type", "text/event-stream")], events).into_response()
            }
            _ => StatusCode::ACCEPTED.into_response(),
        }
    }

    #[tokio::test]
    async fn lines_go_to_a_port_and_answers_come_back_as_lines() {
        let log = Log::default();
        let own = log.clone();
        let routes = Router::new()
            .route("/mcp", post(move |headers: HeaderMap, body: String| answer(own.clone(), headers, body)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move { axum::serve(listener, routes).await });
        let modern = json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } });
        let lines = [
            json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": modern }),
            json!({ "jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {} }),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": {} }),
        ];
        let (sender, input) = mpsc::channel(4);
        for line in lines {
            sender.send(line.to_string()).await.unwrap();
        }
        drop(sender);
        let mut output = Vec::new();
        relay(port, "/mcp", input, &mut output).await.unwrap();
        served.abort();
        let said = String::from_utf8(output).unwrap();
        let read: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read.len(), 4, "{said}");
        assert!(read[0]["id"] == 1 && read[0]["error"]["message"].as_str().unwrap().contains("HTTP 400"), "{said}");
        assert_eq!(read[1]["result"]["protocolVersion"], "2025-06-18");
        assert_eq!((&read[2]["method"], &read[3]["id"]), (&json!("notifications/message"), &json!(3)));
        let asked = [
            "server/discover - 2026-07-28",
            "initialize - -",
            "notifications/initialized s1 2025-06-18",
            "tools/list s1 2025-06-18",
        ];
        assert_eq!(*log.lock().unwrap(), asked);
    }
}
