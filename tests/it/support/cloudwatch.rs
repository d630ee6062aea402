//! A scripted CloudWatch Logs: the HTTP API and the event stream of live tails, with their faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use quarterdeck::run::tail::now_millis;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::frames;

/// What goes wrong with one FilterLogEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Throttle,
    Unavailable,
    Reset,
    Expired,
    /// An empty page that keeps its token.
    Empty,
    /// The token is refused.
    BadToken,
    Denied,
}

/// How StartLiveTail answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    Open,
    Denied,
    Unknown,
    Unavailable,
}

/// How an event comes to the live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In the next update.
    Brought,
    /// Not at all: the update says that it is a sample.
    LeftOut,
    /// Twice, in two updates.
    Twice,
    /// Not at all, and nobody says so: the session is dead or slow.
    Silent,
}

#[derive(Debug, Clone)]
struct Stored {
    number: u64,
    at: i64,
    taken: i64,
    stream: String,
    message: String,
}

/// What a session's connection sends.
enum Out {
    Bytes(Vec<u8>),
    /// Closes the connection.
    Cut,
}

struct Session {
    groups: Vec<String>,
    out: mpsc::UnboundedSender<Out>,
}

struct State {
    groups: BTreeMap<String, Vec<Stored>>,
    infrequent: Vec<String>,
    /// Groups whose events cannot be read.
    refused: Vec<String>,
    /// Groups whose reads always fail.
    failing: Vec<String>,
    /// Groups that a live tail may not follow.
    untailed: Vec<String>,
    /// Texts of events that no client can parse, because their time is no number.
    garbled: Vec<String>,
    faults: VecDeque<Fault>,
    live: Live,
    page: usize,
    tokens: bool,
    sessions: Vec<Session>,
    opened: usize,
    reads: usize,
    number: u64,
    /// How far its clock is ahead of the test's, in milliseconds.
    ahead: i64,
}

/// The endpoint; it ends with the test's runtime.
#[derive(Clone)]
pub struct CloudWatch {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl CloudWatch {
    /// With these log groups, all empty.
    pub async fn start(groups: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            groups: groups.iter().map(|name| ((*name).to_owned(), Vec::new())).collect(),
            infrequent: Vec::new(),
            refused: Vec::new(),
            failing: Vec::new(),
            untailed: Vec::new(),
            garbled: Vec::new(),
            faults: VecDeque::new(),
            live: Live::Open,
            page: 10_000,
            tokens: true,
            sessions: Vec::new(),
            opened: 0,
            reads: 0,
            number: 0,
            ahead: 0,
        };
        let here = Self { url, state: Arc::new(Mutex::new(state)) };
        let server = here.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        here
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn create(&self, group: &str) {
        self.state().groups.entry(group.to_owned()).or_default();
    }

    pub fn infrequent(&self, group: &str) {
        self.state().infrequent.push(group.to_owned());
    }

    pub fn refuse(&self, group: &str) {
        self.state().refused.push(group.to_owned());
    }

    /// Reads this group again.
    pub fn permit(&self, group: &str) {
        self.state().refused.retain(|refused| refused != group);
    }

    /// Sets its clock: answers bear its time, and events are taken at it.
    pub fn set_clock(&self, ahead: i64) {
        self.state().ahead = ahead;
    }

    /// Answers every read of this group with a failure of the service.
    pub fn fail(&self, group: &str) {
        self.state().failing.push(group.to_owned());
    }

    /// Denies live tails of this group.
    pub fn deny_tail(&self, group: &str) {
        self.state().untailed.push(group.to_owned());
    }

    /// Makes the events with this text such that no client can parse an answer with them.
    pub fn garble(&self, text: &str) {
        self.state().garbled.push(text.to_owned());
    }

    /// Calls of FilterLogEvents so far.
    pub fn reads(&self) -> usize {
        self.state().reads
    }

    pub fn live(&self, live: Live) {
        self.state().live = live;
    }

    /// Events on a page; without tokens a page is cut as the emulator cuts it.
    pub fn paging(&self, page: usize, tokens: bool) {
        let mut state = self.state();
        (state.page, state.tokens) = (page, tokens);
    }

    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// No more faults.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Live sessions that are open.
    pub fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// Log groups of each open session.
    pub fn session_groups(&self) -> Vec<Vec<String>> {
        self.state().sessions.iter().map(|session| session.groups.clone()).collect()
    }

    /// Live sessions that were ever opened.
    pub fn opened(&self) -> usize {
        self.state().opened
    }

    /// Takes an event that was written so many milliseconds ago.
    pub fn put(&self, group: &str, message: &str, late: i64, delivery: Delivery) {
        self.put_all(group, &[message.to_owned()], late, delivery);
    }

    /// As [`CloudWatch::put`], all taken in the same millisecond.
    pub fn put_all(&self, group: &str, messages: &[String], late: i64, delivery: Delivery) {
        let mut state = self.state();
        let taken = now_millis() + state.ahead;
        let mut results = Vec::new();
        for message in messages {
            state.number += 1;
            let event = Stored {
                number: state.number,
                at: taken - late,
                taken,
                stream: "s/s/task".into(),
                message: message.clone(),
            };
            results.push(json!({ "logGroupIdentifier": format!("123456789012:{group}"), "logStreamName": event.stream,
                "timestamp": event.at, "ingestionTime": event.taken, "message": event.message }));
            state.groups.entry(group.to_owned()).or_default().push(event);
        }
        let (brought, sampled) = match delivery {
            Delivery::Brought | Delivery::Twice => (results, false),
            Delivery::LeftOut => (Vec::new(), true),
            Delivery::Silent => return,
        };
        let update = frames::update(&brought, sampled);
        for session in state.sessions.iter().filter(|session| session.groups.iter().any(|name| name == group)) {
            for _ in 0..if delivery == Delivery::Twice { 2 } else { 1 } {
                let _ = session.out.send(Out::Bytes(update.clone()));
            }
        }
    }

    /// Everything that was put: group, when it was written, text.
    pub fn stored(&self) -> Vec<(String, i64, String)> {
        let state = self.state();
        let of = |(group, events): (&String, &Vec<Stored>)| {
            events.iter().map(|event| (group.clone(), event.at, event.message.clone())).collect::<Vec<_>>()
        };
        state.groups.iter().flat_map(of).collect()
    }

    /// An update without events to all sessions, as comes every second.
    pub fn beat(&self, sampled: bool) {
        self.send(&frames::update(&[], sampled));
    }

    /// Sends all sessions these bytes.
    pub fn send(&self, bytes: &[u8]) {
        for session in &self.state().sessions {
            let _ = session.out.send(Out::Bytes(bytes.to_vec()));
        }
    }

    /// Ends all sessions as after three hours.
    pub fn time_out(&self) {
        self.send(&frames::exception("SessionTimeoutException", "Your session has timed out"));
        self.cut(0);
    }

    /// Breaks all connections, after so many bytes of a frame.
    pub fn cut(&self, bytes: usize) {
        let frame = frames::update(&[json!({ "message": "never whole", "timestamp": 1, "ingestionTime": 1 })], false);
        for session in self.state().sessions.drain(..) {
            let _ = session.out.send(Out::Bytes(frame[..bytes.min(frame.len() - 1)].to_vec()));
            let _ = session.out.send(Out::Cut);
        }
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some((call, body)) = read(&mut stream).await {
            let answer = match call.as_str() {
                "StartLiveTail" => match self.open(&body) {
                    Ok(out) => return self.tail(stream, out).await,
                    Err(answer) => Some(answer),
                },
                "DescribeLogGroups" => Some(self.describe(&body)),
                "FilterLogEvents" => self.filter(&body),
                _ => Some(error(400, "UnknownOperationException", "not in the script")),
            };
            let Some((status, body)) = answer else { return };
            let now = jiff::Timestamp::from_millisecond(now_millis() + self.state().ahead).unwrap();
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ndate: {date}\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn open(&self, body: &Value) -> Result<mpsc::UnboundedReceiver<Out>, (u16, String)> {
        let mut state = self.state();
        match state.live {
            Live::Open => {}
            Live::Denied => return Err(error(400, "AccessDeniedException", "not authorized to StartLiveTail")),
            Live::Unknown => return Err(error(400, "UnknownOperationException", "no such operation")),
            Live::Unavailable => return Err(error(503, "ServiceUnavailableException", "busy")),
        }
        let arns = body["logGroupIdentifiers"].as_array().unwrap().iter();
        let groups: Vec<String> =
            arns.map(|arn| arn.as_str().unwrap().rsplit(":log-group:").next().unwrap().to_owned()).collect();
        if groups.iter().any(|group| state.untailed.contains(group)) {
            return Err(error(400, "AccessDeniedException", "not authorized to follow one of them"));
        }
        if groups.len() > 10 || groups.iter().any(|group| !state.groups.contains_key(group)) {
            return Err(error(400, "InvalidParameterException", "too many groups, or one that is not there"));
        }
        let (out, received) = mpsc::unbounded_channel();
        let _ = out.send(Out::Bytes(frames::event("initial-response", &json!({}))));
        let _ = out.send(Out::Bytes(frames::event("sessionStart", &json!({ "sessionId": "s" }))));
        state.sessions.push(Session { groups, out });
        state.opened += 1;
        Ok(received)
    }

    async fn tail(&self, mut stream: TcpStream, mut out: mpsc::UnboundedReceiver<Out>) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let mut sent = stream.write_all(head.as_bytes()).await;
        let mut byte = [0; 1];
        while sent.is_ok() {
            let next = tokio::select! {
                next = out.recv() => next,
                // The client has closed its side.
                _ = stream.read(&mut byte) => None,
            };
            let Some(Out::Bytes(bytes)) = next else { break };
            if bytes.is_empty() {
                continue;
            }
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend(bytes);
            chunk.extend(b"\r\n");
            sent = stream.write_all(&chunk).await;
        }
        drop(out);
        self.state().sessions.retain(|session| !session.out.is_closed());
    }

    fn describe(&self, body: &Value) -> (u16, String) {
        let state = self.state();
        let prefix = body["logGroupNamePrefix"].as_str().unwrap_or_default();
        let found = state.groups.keys().filter(|name| name.starts_with(prefix)).map(|name| {
            let arn = format!("arn:aws:logs:eu-central-1:123456789012:log-group:{name}");
            let class = if state.infrequent.contains(name) { "INFREQUENT_ACCESS" } else { "STANDARD" };
            json!({ "logGroupName": name, "arn": format!("{arn}:*"), "logGroupArn": arn, "logGroupClass": class })
        });
        (200, json!({ "logGroups": found.collect::<Vec<_>>() }).to_string())
    }

    fn filter(&self, body: &Value) -> Option<(u16, String)> {
        let mut state = self.state();
        state.reads += 1;
        let token = body["nextToken"].as_str().map(ToOwned::to_owned);
        let here = token.clone().unwrap_or_else(|| format!("{}:0", i64::MIN));
        match state.faults.pop_front() {
            Some(Fault::Throttle) => return Some(error(400, "ThrottlingException", "Rate exceeded")),
            Some(Fault::Unavailable) => return Some(error(503, "ServiceUnavailableException", "busy")),
            Some(Fault::Expired) => return Some(error(400, "ExpiredTokenException", "The security token has expired")),
            Some(Fault::Denied) => return Some(error(400, "AccessDeniedException", "not authorized")),
            Some(Fault::Reset) => return None,
            Some(Fault::Empty) if state.tokens => {
                return Some((200, json!({ "events": [], "nextToken": here }).to_string()));
            }
            Some(Fault::BadToken) if token.is_some() => {
                return Some(error(400, "InvalidParameterException", "The specified nextToken is invalid."));
            }
            _ => {}
        }
        if state.refused.iter().any(|group| body["logGroupName"] == group.as_str()) {
            return Some(error(400, "InvalidOperationException", "Not supported for this log class."));
        }
        if state.failing.iter().any(|group| body["logGroupName"] == group.as_str()) {
            return Some(error(503, "ServiceUnavailableException", "busy"));
        }
        let Some(stored) = state.groups.get(body["logGroupName"].as_str().unwrap()) else {
            return Some(error(400, "ResourceNotFoundException", "The specified log group does not exist."));
        };
        let (from, until) = (body["startTime"].as_i64().unwrap_or(0), body["endTime"].as_i64().unwrap_or(i64::MAX));
        let (at, number) = here.split_once(':').unwrap();
        let after: (i64, u64) = (at.parse().unwrap(), number.parse().unwrap());
        let wanted = |event: &&Stored| (from..=until).contains(&event.at) && (event.at, event.number) > after;
        let mut events: Vec<&Stored> = stored.iter().filter(wanted).collect();
        events.sort_by_key(|event| (event.at, event.number));
        let more = events.len() > state.page;
        events.truncate(state.page);
        let next = events.last().filter(|_| more && state.tokens).map(|last| format!("{}:{}", last.at, last.number));
        let event = |event: &&Stored| {
            let garbled = state.garbled.contains(&event.message);
            let at = if garbled { json!(event.message) } else { json!(event.at) };
            json!({ "logStreamName": event.stream, "timestamp": at, "ingestionTime": event.taken,
                "message": event.message, "eventId": event.number.to_string() })
        };
        let events: Vec<Value> = events.iter().map(event).collect();
        Some((200, json!({ "events": events, "nextToken": next }).to_string()))
    }
}

fn error(status: u16, code: &str, message: &str) -> (u16, String) {
    (status, json!({ "__type": code, "message": message }).to_string())
}

/// The operation and the body of a request.
async fn read(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let header =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let length: usize = header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let call = header("x-amz-target:")?.rsplit('.').next()?.to_owned();
    let calls = ["StartLiveTail", "DescribeLogGroups", "FilterLogEvents"];
    let call = calls.iter().find(|name| name.to_lowercase() == call).map_or(call, |name| (*name).to_owned());
    Some((call, serde_json::from_slice(&bytes[end..end + length]).ok()?))
}
