//! A server behind that listens on a port of the loopback address: MCP's Streamable HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::events::{Event, Parser};
use super::link::{Failure, LARGEST, Message, Text};
use super::protocol::{self, Call, Era, Known, METHOD_HEADER, MODERN, NAME_HEADER, VERSION_HEADER};
use crate::budget::{Budget, Share};
use crate::raw::Members;

pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Longest wait for an answer to a question of our own.
pub const OWN_TIME: Duration = Duration::from_secs(10);
/// Between two looks whether the server listens.
const LOOK: Duration = Duration::from_millis(50);
/// How long it is tried to connect for a request, and the pause before the next attempt.
const CONNECTING: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
/// How long an idle connection is kept. Node and Uvicorn close theirs after 5 s; a request that meets the end is lost.
const KEEP: Duration = Duration::from_secs(3);

/// The way to the server.
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    host: HeaderValue,
    /// What was agreed in the earlier era. The number counts the agreements.
    session: RwLock<(u64, Option<HeaderValue>)>,
    renewing: Mutex<()>,
    next: AtomicU64,
    /// The memory for its answers.
    budget: Budget,
}

/// The address of the loopback on which a server listens, when it does: some listen on one of the two alone.
pub async fn listening(port: u16) -> SocketAddr {
    loop {
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let address = SocketAddr::new(ip, port);
            if TcpStream::connect(address).await.is_ok() {
                return address;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Http {
    /// The way to the endpoint at `path`. The path was checked.
    pub fn new(address: SocketAddr, path: &str, budget: Budget) -> Option<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP)
            .build(connector);
        Some(Self {
            client,
            uri: format!("http://{address}{path}").parse().ok()?,
            // Servers that guard against DNS rebinding take this name alone.
            host: format!("localhost:{}", address.port()).parse().ok()?,
            session: RwLock::default(),
            renewing: Mutex::default(),
            next: AtomicU64::new(1),
            budget,
        })
    }

    /// The same way, for a session that is not begun yet.
    pub fn another(&self) -> Self {
        Self {
            client: self.client.clone(),
            uri: self.uri.clone(),
            host: self.host.clone(),
            session: RwLock::default(),
            renewing: Mutex::default(),
            next: AtomicU64::new(1),
            budget: self.budget.clone(),
        }
    }

    /// Whether the server gave a session when it was met. One of the later era has none.
    pub fn keeps_sessions(&self) -> bool {
        self.session().1.is_some()
    }

    /// Tells the server that its session is not needed any more (MCP 2025-11-25, Transports, "Session Management": "SHOULD
    /// send an HTTP DELETE"). It may refuse.
    pub async fn end(&self, known: &Known) {
        let headers = self.legacy_headers(known, self.session().1);
        let ended = async {
            if let Ok(response) = self.send(Method::DELETE, headers, Bytes::new()).await {
                let _ = Limited::new(response.into_body(), 64 * 1024).collect().await;
            }
        };
        let _ = tokio::time::timeout(OWN_TIME, ended).await;
    }

    /// An id that no other request of the session has.
    pub fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn session(&self) -> (u64, Option<HeaderValue>) {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request once. Where no connection can be made, such as while this process has no file left for it or
    /// the server's queue is full, nothing was sent, and it is tried again for a short time.
    pub async fn post(&self, headers: HeaderMap, body: impl Into<Bytes>) -> Result<Response<Incoming>, Failure> {
        self.send(Method::POST, headers, body.into()).await
    }

    async fn send(&self, method: Method, mut headers: HeaderMap, body: Bytes) -> Result<Response<Incoming>, Failure> {
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("gangway/", env!("CARGO_PKG_VERSION"))));
        let until = Instant::now() + CONNECTING;
        loop {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = self.uri.clone();
            *request.headers_mut() = headers.clone();
            match self.client.request(request).await {
                Ok(response) => return Ok(response),
                Err(error) if error.is_connect() && Instant::now() < until => tokio::time::sleep(PAUSE).await,
                Err(_) => return Err(Failure::Gone),
            }
        }
    }

    /// What the server says of itself, by the protocol of either era.
    pub async fn meet(&self) -> Result<Known, String> {
        let discover = protocol::own(self.next_id(), "server/discover", json!({}), Era::Modern);
        if let Ok(result) = self.ask(modern_headers("server/discover", None), discover).await
            && let Some(known) = Known::modern(result)
        {
            return Ok(known);
        }
        self.initialize().await
    }

    /// Begins a session of the earlier era.
    pub async fn initialize(&self) -> Result<Known, String> {
        let newest = protocol::LEGACY[protocol::LEGACY.len() - 1];
        let params = json!({ "protocolVersion": newest, "capabilities": {}, "clientInfo": protocol::client_info() });
        let body = protocol::own(self.next_id(), "initialize", params, Era::Legacy);
        let answer = async {
            let response = self.post(HeaderMap::new(), body).await.map_err(|_| "no answer".to_owned())?;
            let session = response.headers().get(SESSION).cloned();
            let status = response.status();
            let result = self.result(response).await.ok_or(format!("HTTP {status} without a result"))?;
            Ok::<_, String>((session, result))
        };
        let answer = tokio::time::timeout(OWN_TIME, answer).await.map_err(|_| "no answer in time".to_owned());
        let (session, result) = answer.and_then(|answer| answer).map_err(|why| format!("initialize: {why}"))?;
        let known = Known::legacy(&result).ok_or("initialize: a revision that is not known here")?;
        {
            let mut place = self.session.write().unwrap_or_else(PoisonError::into_inner);
            *place = (place.0 + 1, session);
        }
        let done = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.tell(&known, done.to_string().into_bytes()).await;
        Ok(known)
    }

    /// Sends what has no answer.
    pub async fn tell(&self, known: &Known, body: Vec<u8>) {
        let headers = self.legacy_headers(known, self.session().1);
        let sent = async {
            if let Ok(response) = self.post(headers, body).await {
                let _ = Limited::new(response.into_body(), 64 * 1024).collect().await;
            }
        };
        let _ = tokio::time::timeout(OWN_TIME, sent).await;
    }

    fn legacy_headers(&self, known: &Known, session: Option<HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(version) = HeaderValue::from_str(&known.version) {
            headers.insert(VERSION_HEADER, version);
        }
        if let Some(session) = session {
            headers.insert(SESSION, session);
        }
        headers
    }

    /// The result of a question of our own.
    pub async fn ask_own(&self, known: &Known, method: &str, params: Value) -> Result<Value, Failure> {
        let body = protocol::own(self.next_id(), method, params, known.era);
        let headers = match known.era {
            Era::Modern => modern_headers(method, None),
            Era::Legacy => self.legacy_headers(known, self.session().1),
        };
        self.ask(headers, body).await
    }

    async fn ask(&self, headers: HeaderMap, body: Vec<u8>) -> Result<Value, Failure> {
        let answer =
            async { self.result(self.post(headers, body).await?).await.ok_or(Failure::Odd("no result".to_owned())) };
        tokio::time::timeout(OWN_TIME, answer).await.unwrap_or(Err(Failure::Gone))
    }

    /// Sends a client's request. `body` is already of the server's era.
    pub async fn call(
        &self,
        known: &Known,
        call: &Call<'_>,
        given: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let (number, session) = self.session();
        let body = Bytes::from(body);
        let headers = |session| match known.era {
            Era::Legacy => self.legacy_headers(known, session),
            Era::Modern => {
                with_parameters(modern_headers(&call.method, protocol::name(&call.message, &call.method)), given)
            }
        };
        let response = self.post(headers(session.clone()), body.clone()).await?;
        let lost = matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST);
        if !lost || known.era == Era::Modern || session.is_none() {
            return self.answer(response);
        }
        // A server forgets sessions: 404 (MCP, Transports, "Session Management"), and with some 400. It has not
        // run the request. An error that is an answer to the request itself is passed on.
        let (parts, rest) = response.into_parts();
        let mut share = self.budget.share();
        let rest = limited(rest, &mut share).await?;
        if parts.status == StatusCode::BAD_REQUEST
            && !String::from_utf8_lossy(&rest).to_ascii_lowercase().contains("session")
        {
            return Answer::whole(parts.status, &parts.headers, Text { bytes: rest, share }, self.budget.clone());
        }
        {
            let _one = self.renewing.lock().await;
            if self.session().0 == number {
                self.initialize().await.map_err(Failure::Odd)?;
            }
        }
        self.answer(self.post(headers(self.session().1), body).await?)
    }

    /// The answer in a response.
    pub fn answer(&self, response: Response<Incoming>) -> Result<Answer, Failure> {
        Answer::of(response, self.budget.clone())
    }

    /// The result in an answer to a question of our own.
    async fn result(&self, response: Response<Incoming>) -> Option<Value> {
        if !response.status().is_success() {
            return None;
        }
        let mut answer = self.answer(response).ok()?;
        while let Some(message) = answer.next().await.ok()? {
            let Message::Text(text) = message else { continue };
            let message = Members::parse(&text.bytes)?;
            if message.get("id").is_some() && message.get("method").is_none() {
                return message.read("result");
            }
        }
        None
    }
}

/// The headers of a request of the later era.
pub fn modern_headers(method: &str, name: Option<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION_HEADER, HeaderValue::from_static(MODERN));
    headers.insert(METHOD_HEADER, protocol::encoded(method));
    if let Some(name) = name {
        headers.insert(NAME_HEADER, protocol::encoded(&name));
    }
    headers
}

/// Adds the headers that a client of the later era made of a tool's arguments: the server checks them.
fn with_parameters(mut headers: HeaderMap, given: &HeaderMap) -> HeaderMap {
    for (name, value) in given.iter().filter(|(name, _)| name.as_str().starts_with("mcp-param-")) {
        headers.append(name, value.clone());
    }
    headers
}

/// The answer of a server, of which the body is not read yet unless it is small.
pub struct Answer {
    body: Body,
    /// What has come of the next message.
    share: Share,
    budget: Budget,
}

enum Body {
    Events(Box<Parser>, Incoming),
    Whole(Option<Text>),
    Json(Incoming),
}

impl Answer {
    fn of(response: Response<Incoming>, budget: Budget) -> Result<Self, Failure> {
        let (parts, body) = response.into_parts();
        let kind = content_type(&parts.headers);
        let body = match kind.as_str() {
            "text/event-stream" => Body::Events(Box::default(), body),
            "application/json" => Body::Json(body),
            _ if parts.status == StatusCode::ACCEPTED => Body::Whole(None),
            _ => return Err(Failure::Odd(format!("HTTP {} without JSON", parts.status.as_u16()))),
        };
        Self::checked(parts.status, body, budget)
    }

    fn whole(status: StatusCode, headers: &HeaderMap, text: Text, budget: Budget) -> Result<Self, Failure> {
        if content_type(headers) != "application/json" {
            return Err(Failure::Odd(format!("HTTP {} without JSON", status.as_u16())));
        }
        Self::checked(status, Body::Whole(Some(text)), budget)
    }

    /// The server's own 401 and 403 are about tokens of its own. Passed on, they would send a client to sign in again.
    fn checked(status: StatusCode, body: Body, budget: Budget) -> Result<Self, Failure> {
        let own = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::PROXY_AUTHENTICATION_REQUIRED];
        if own.contains(&status) || status.is_redirection() {
            return Err(Failure::Odd(format!("HTTP {}", status.as_u16())));
        }
        Ok(Self { body, share: budget.share(), budget })
    }

    /// The next message. `None` at the end. Of a stream, nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Result<Option<Message>, Failure> {
        match &mut self.body {
            Body::Whole(text) => Ok(text.take().map(Message::Text)),
            Body::Json(body) => {
                let bytes = limited(body, &mut self.share).await?;
                self.body = Body::Whole(None);
                let share = std::mem::replace(&mut self.share, self.budget.share());
                Ok(Some(Message::Text(Text { bytes, share })))
            }
            Body::Events(parser, body) => loop {
                match parser.next(LARGEST).map_err(|_| Failure::TooLarge)? {
                    Some(Event::Message(text)) => {
                        // What has come of the one after it is little: a part of what was read at once.
                        let share = std::mem::replace(&mut self.share, self.budget.share());
                        return Ok(Some(Message::Text(Text { bytes: text.into(), share })));
                    }
                    Some(Event::Comment) => return Ok(Some(Message::Comment)),
                    None => {}
                }
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            self.share.add_answer(data.len())?;
                            parser.push(data);
                        }
                    }
                    Some(Err(_)) => return Err(Failure::Gone),
                    None => return Ok(None),
                }
            },
        }
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A body of the largest size at most.
async fn limited<B>(body: B, share: &mut Share) -> Result<Bytes, Failure>
where
    B: hyper::body::Body<Data = Bytes, Error = hyper::Error>,
{
    let mut body = std::pin::pin!(body);
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::Gone)?;
        let Some(data) = frame.data_ref() else { continue };
        if whole.len() + data.len() > LARGEST {
            return Err(Failure::TooLarge);
        }
        share.add_answer(data.len())?;
        whole.extend_from_slice(data);
    }
    Ok(whole.into())
}
