//! Answers the requests that every check has let through, by asking the server behind.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::cancel::{Cancels, Entry};
use super::events::{COMMENT, written};
use super::link::{Answer, Failure, Message, Text};
use super::protocol::{self, Back, Call, Era, Fault, Origin, Sent};
use super::sessions::{Lease, Pool};
use super::start::Run;
use super::stdio::refusal;
use super::supervise::Supervisor;
use super::tools::ToolTable;
use crate::budget::Share;
use crate::challenge::{BUSY, INVALID_PARAMS, INVALID_REQUEST, STARTING, error_text, rpc_error};
use crate::facts::{Facts, facts};
use crate::raw::Members;
use crate::reason::{Reason, because};
use crate::token::Caller;

/// Between two signs of life on a stream on which nothing comes. Load balancers close a silent one.
const SIGN: Duration = Duration::from_secs(15);
/// Longest stream of one answer.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What answers.
pub struct Endpoint {
    pub server: Arc<Supervisor>,
    pub sessions: Arc<Pool>,
    pub tools: Arc<ToolTable>,
    pub allowed_hosts: Vec<String>,
    pub request_time: Duration,
    /// Cancelled to end the streams that clients hold open.
    pub streams: CancellationToken,
    /// The requests that clients may take back.
    pub cancels: Cancels,
}

impl Endpoint {
    /// The answer to one request.
    pub async fn answer(self: Arc<Self>, request: Request) -> Response {
        let facts = facts(&request);
        let Some(host) = request.headers().get(HOST) else {
            return rpc_error(StatusCode::BAD_REQUEST, INVALID_REQUEST, "the Host header is missing", None);
        };
        if !is_served(&self.allowed_hosts, host) {
            let why = "the Host header names none that is served here";
            return rpc_error(StatusCode::FORBIDDEN, INVALID_REQUEST, why, None);
        }
        let (parts, body) = request.into_parts();
        // It was read and bounded before.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let call = match protocol::read(&body, &parts.headers) {
            Ok(Sent::Call(call)) => call,
            Ok(Sent::Answer) => return accepted(),
            Err(fault) => return refused(&fault, &facts),
        };
        let caller = parts.extensions.get::<Caller>();
        let Some(id) = &call.id else {
            // What else clients tell is for the two sides of one connection.
            if call.method == "notifications/cancelled"
                && let Some(id) = call.message.object("params").as_ref().and_then(|params| params.get("requestId"))
            {
                self.cancels.cancel(caller, id);
            }
            return accepted();
        };
        let Some(run) = self.server.current() else {
            return rpc_error(StatusCode::SERVICE_UNAVAILABLE, BUSY, STARTING, facts.known_request_id());
        };
        match self.own(&run, &call, &parts.headers) {
            Some(Ok(result)) => self.result(&call, &result),
            Some(Err(fault)) => self.fault(&run, &call, &fault),
            None => {
                let entry = self.cancels.enter(caller, id);
                self.ask(run, caller, &call, &parts.headers, facts, entry).await
            }
        }
    }

    /// What is answered here.
    fn own(&self, run: &Run, call: &Call<'_>, headers: &HeaderMap) -> Option<Result<Value, Fault>> {
        let passes_streams = run.link.passes_streams(run.known.era);
        if let Some(fault) = protocol::is_refused(call, run.known.era, passes_streams) {
            return Some(Err(fault));
        }
        match call.method.as_str() {
            "initialize" => {
                let params = call.message.object("params");
                let asked = params.as_ref().and_then(|params| params.read::<String>("protocolVersion"));
                match asked {
                    Some(asked) => Some(Ok(run.known.initialized(Some(&asked)))),
                    None => Some(Err(Fault::new(INVALID_PARAMS, "Invalid params: not those of initialize"))),
                }
            }
            "ping" => Some(Ok(json!({}))),
            "server/discover" => Some(Ok(run.known.discovered(passes_streams))),
            "tools/call" => {
                let name = protocol::name(&call.message, &call.method)?;
                if self.tools.is_hidden(&name) {
                    return Some(Err(Fault::new(INVALID_PARAMS, format!("Unknown tool: {name}"))));
                }
                if call.era == Era::Legacy || run.link.passes_headers(run.known.era) {
                    return None;
                }
                self.tools.check(&name, &call.message, headers).err().map(Err)
            }
            _ => None,
        }
    }

    fn result(&self, call: &Call<'_>, result: &Value) -> Response {
        let mut message = Members::default();
        message.set("jsonrpc", &"2.0");
        message.set("id", &call.id);
        message.set("result", result);
        json_response(StatusCode::OK, message.line().into())
    }

    fn fault(&self, run: &Run, call: &Call<'_>, fault: &Fault) -> Response {
        let (_, origin) = protocol::forward(call, run.known.era, None);
        json_response(status(call.era, fault.code), origin.error(fault).into())
    }

    /// Asks the server. `main` is the run of it that is up.
    async fn ask(
        self: Arc<Self>,
        main: Arc<Run>,
        caller: Option<&Caller>,
        call: &Call<'_>,
        headers: &HeaderMap,
        facts: Facts,
        entry: Entry,
    ) -> Response {
        let begun = Instant::now();
        let until = tokio::time::Instant::now() + self.request_time;
        let era = main.known.era;
        let run = match within(until, &entry, self.sessions.take(main, caller, until)).await {
            Ok(run) => Arc::new(run),
            Err(failure) => {
                facts.upstream(failure.word(), begun.elapsed());
                return failed(call, &protocol::forward(call, era, None).1, &failure);
            }
        };
        let prepared = run.link.prepare(&run.known, call);
        let origin = prepared.origin;
        let mut asked = Asked { run: run.clone(), id: prepared.id, facts, begun, open: true, entry };
        let answered = async {
            let mut answer = run.link.call(&run.known, call, headers, prepared.id, prepared.body).await?;
            let first = self.first(&run, &mut answer, &origin).await?;
            Ok::<_, Failure>((answer, first))
        };
        let answered = async {
            tokio::select! {
                answered = answered => answered,
                () = run.gone.cancelled() => Err(Failure::Gone),
            }
        };
        match within(until, &asked.entry, answered).await {
            Err(failure) => {
                // What is not waited for any more is taken back when this is dropped.
                if !matches!(failure, Failure::Late | Failure::TakenBack) {
                    asked.open = false;
                }
                asked.facts.upstream(failure.word(), asked.begun.elapsed());
                failed(call, &origin, &failure)
            }
            Ok((_, (Back::Answer(text, code), share))) => {
                asked.close("ok");
                json_response(code.map_or(StatusCode::OK, |code| status(call.era, code)), share.hold(text))
            }
            Ok((answer, (Back::Notice(first), share))) => {
                asked.facts.upstream("ok", asked.begun.elapsed());
                let listens = asked.facts.listens();
                let until = tokio::time::Instant::now() + LONGEST;
                event_stream(Stream {
                    endpoint: self,
                    asked,
                    answer,
                    origin,
                    first: Some(share.hold(written(&first))),
                    listens,
                    until,
                    done: false,
                })
            }
            // `first` answers those.
            Ok((_, (Back::Asks(..), _))) => {
                json_response(StatusCode::BAD_GATEWAY, origin.error(&Failure::Gone.fault()).into())
            }
        }
    }

    /// The first message for the client, and its share of the memory.
    async fn first(&self, run: &Arc<Lease>, answer: &mut Answer, origin: &Origin) -> Result<(Back, Share), Failure> {
        loop {
            match answer.next().await? {
                Some(Message::Comment) => {}
                Some(Message::Text(Text { bytes, share })) => {
                    if let Some(back) = self.back(run, &bytes, origin)? {
                        return Ok((back, share));
                    }
                }
                None => return Err(Failure::Odd("it ended without one".to_owned())),
            }
        }
    }

    /// A message for the client. `None` if it is none: what the server asks is answered here.
    fn back(&self, run: &Arc<Lease>, text: &[u8], origin: &Origin) -> Result<Option<Back>, Failure> {
        match origin.back(text, &self.tools) {
            Some(Back::Asks(id, method)) => {
                if let Some(refusal) = refusal(Some(&id), Some(&method)) {
                    let run = run.clone();
                    tokio::spawn(async move { run.link.tell(&run.known, refusal).await });
                }
                Ok(None)
            }
            Some(back) => Ok(Some(back)),
            None => Err(Failure::Odd("it is no message of JSON-RPC".to_owned())),
        }
    }
}

/// Waits for something while the client wants it and there is time.
async fn within<T>(
    until: tokio::time::Instant,
    entry: &Entry,
    what: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        // In this order: what is there in time counts.
        biased;
        what = what => what,
        () = entry.token.cancelled() => Err(Failure::TakenBack),
        () = tokio::time::sleep_until(until) => Err(Failure::Late),
    }
}

/// The answer to a request that failed.
fn failed(call: &Call<'_>, origin: &Origin, failure: &Failure) -> Response {
    let response = |status| json_response(status, origin.error(&failure.fault()).into());
    match failure {
        // Without a time to come back: it was carried out.
        Failure::NoRoom => because(Reason::Memory, response(StatusCode::SERVICE_UNAVAILABLE)),
        Failure::Full => because(Reason::Busy, response(StatusCode::SERVICE_UNAVAILABLE)),
        Failure::Late => response(StatusCode::GATEWAY_TIMEOUT),
        // The client does not wait for it.
        Failure::TakenBack => response(StatusCode::OK),
        _ if call.era == Era::Legacy => response(StatusCode::OK),
        _ => response(StatusCode::BAD_GATEWAY),
    }
}

/// A request that the server works on. Dropped before it is answered, it is taken back.
struct Asked {
    run: Arc<Lease>,
    id: Option<u64>,
    facts: Facts,
    begun: Instant,
    open: bool,
    entry: Entry,
}

impl Asked {
    /// Notes that the server is done with it.
    fn close(&mut self, how: &'static str) {
        self.open = false;
        self.facts.upstream(how, self.begun.elapsed());
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        // What was noted first stays.
        self.facts.upstream("cancelled", self.begun.elapsed());
        // Where every request stands alone, the end of the connection says it.
        let (Some(id), Ok(runtime)) = (self.id, tokio::runtime::Handle::try_current()) else { return };
        let params = json!({ "requestId": id, "reason": "the client went away or the time is up" });
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        let run = self.run.clone();
        runtime.spawn(async move {
            let told = run.link.tell(&run.known, message.to_string().into_bytes());
            tokio::select! {
                () = told => {}
                () = run.gone.cancelled() => {}
            }
        });
    }
}

/// An answer that comes in several messages.
struct Stream {
    endpoint: Arc<Endpoint>,
    asked: Asked,
    answer: Answer,
    origin: Origin,
    first: Option<Bytes>,
    /// It has no answer: the client listens for changes.
    listens: bool,
    until: tokio::time::Instant,
    /// The answer was given.
    done: bool,
}

impl Stream {
    /// The next part, `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.done {
            return None;
        }
        let run = self.asked.run.clone();
        loop {
            let message = tokio::select! {
                biased;
                message = self.answer.next() => message,
                () = run.gone.cancelled() => Err(Failure::Gone),
                () = self.endpoint.streams.cancelled() => return None,
                () = self.asked.entry.token.cancelled() => return self.fail(Failure::TakenBack),
                () = tokio::time::sleep(SIGN) => return Some(Bytes::from_static(COMMENT)),
                () = tokio::time::sleep_until(self.until), if !self.listens => return self.fail(Failure::Odd("it took too long".to_owned())),
            };
            let back = match message {
                Ok(Some(Message::Comment)) => return Some(Bytes::from_static(COMMENT)),
                Ok(Some(Message::Text(Text { bytes, share }))) => {
                    self.endpoint.back(&run, &bytes, &self.origin).map(|back| back.map(|back| (back, share)))
                }
                Ok(None) if self.listens => return None,
                Ok(None) => Err(Failure::Odd("it ended without one".to_owned())),
                Err(failure) => Err(failure),
            };
            match back {
                Ok(Some((Back::Notice(text), share))) => return Some(share.hold(written(&text))),
                Ok(Some((Back::Answer(text, _), share))) => {
                    (self.asked.open, self.done) = (false, true);
                    return Some(share.hold(written(&text)));
                }
                Ok(_) => {}
                Err(failure) => return self.fail(failure),
            }
        }
    }

    fn fail(&mut self, failure: Failure) -> Option<Bytes> {
        // What the server may still be doing is of no use any more: it is taken back.
        self.asked.open = failure != Failure::Gone;
        self.done = true;
        Some(written(&self.origin.error(&failure.fault())).into())
    }
}

fn event_stream(stream: Stream) -> Response {
    let parts = futures_util::stream::unfold(stream, |mut stream| async move {
        let part = stream.next().await?;
        Some((Ok::<_, Infallible>(part), stream))
    });
    let mut response = Response::new(Body::from_stream(parts));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that keep parts back until they have more.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn json_response(status: StatusCode, text: Bytes) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn accepted() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn refused(fault: &Fault, facts: &Facts) -> Response {
    let error = match &fault.data {
        Some(data) => json!({ "code": fault.code, "message": fault.message, "data": data }),
        None => json!({ "code": fault.code, "message": fault.message }),
    };
    json_response(StatusCode::BAD_REQUEST, error_text(facts.known_request_id(), &error).into())
}

fn status(era: Era, code: i32) -> StatusCode {
    StatusCode::from_u16(protocol::status(era, code)).unwrap_or(StatusCode::OK)
}

/// Whether a Host is among those that are served. One that is listed without a port is served on any.
fn is_served(allowed: &[String], host: &HeaderValue) -> bool {
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
    allowed.iter().any(|entry| entry.eq_ignore_ascii_case(host.as_str()) || entry.eq_ignore_ascii_case(host.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_served_with_its_port_or_on_any() {
        let allowed = ["mcp.example.com".to_owned(), "[::1]:80".to_owned()];
        for (host, expected) in [
            ("mcp.example.com", true),
            ("MCP.example.com:443", true),
            ("[::1]:80", true),
            ("[::1]:81", false),
            ("evil.example", false),
            ("mcp.example.com.evil.example", false),
        ] {
            assert_eq!(is_served(&allowed, &HeaderValue::from_static(host)), expected, "{host}");
        }
    }
}
