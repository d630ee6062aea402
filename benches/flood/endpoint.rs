//! An endpoint with one service and a live tail that sends as fast as it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

const GROUP: &str = "/quarterdeck/flood/time";
/// Between two frames of the live tail.
const BEAT: Duration = Duration::from_millis(20);

struct State {
    per_second: u64,
    sent: AtomicU64,
    stopped: AtomicBool,
    /// Set when the last frame has been written.
    silent: AtomicBool,
}

/// The endpoint. It ends with the process.
pub struct Endpoint {
    /// Its address.
    pub url: String,
    state: Arc<State>,
}

impl Endpoint {
    /// Starts it on a free port.
    pub fn start(per_second: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let flags = (AtomicBool::new(false), AtomicBool::new(true));
        let state = Arc::new(State { per_second, sent: AtomicU64::new(0), stopped: flags.0, silent: flags.1 });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { url, state }
    }

    /// Ends the flood; how many lines were sent.
    pub fn stop(&self) -> u64 {
        self.state.stopped.store(true, Ordering::SeqCst);
        while !self.state.silent.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.state.sent.load(Ordering::SeqCst)
    }
}

/// Answers the requests of a connection until it is closed.
fn serve(mut stream: TcpStream, state: &State) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Some(call) = request(&mut reader) {
        if call == "StartLiveTail" {
            // A connection that breaks is the console's to notice.
            let _ = flood(&mut stream, state);
            return;
        }
        let body = answer(&call).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length:";
        if write!(stream, "{head} {}\r\n\r\n{body}", body.len()).is_err() {
            return;
        }
    }
}

/// Reads a request; the AWS operation that it names.
fn request(reader: &mut impl BufRead) -> Option<String> {
    let (mut call, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                call = value.rsplit('.').next().unwrap_or_default().to_owned();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(call)
}

fn answer(call: &str) -> Value {
    let arn = "arn:aws:ecs:us-east-1:123456789012:service/quarterdeck-flood/time";
    match call {
        "ListServices" => json!({ "serviceArns": [arn] }),
        "DescribeServices" => json!({ "services": [{
            "serviceArn": arn, "serviceName": "time", "status": "ACTIVE", "desiredCount": 1, "runningCount": 1,
            "taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/time:1",
            "deployments": [{ "id": "d", "status": "PRIMARY", "rolloutState": "COMPLETED", "runningCount": 1 }],
        }] }),
        "DescribeTaskDefinition" => json!({ "taskDefinition": {
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/time:1",
            "family": "time", "revision": 1,
            "containerDefinitions": [{ "name": "time", "logConfiguration": {
                "logDriver": "awslogs", "options": { "awslogs-group": GROUP },
            } }],
        } }),
        "ListTasks" => json!({ "taskArns": [] }),
        "DescribeLogGroups" => json!({ "logGroups": [{
            "logGroupName": GROUP, "arn": format!("arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}:*"),
        }] }),
        "FilterLogEvents" => json!({ "events": [] }),
        _ => json!({}),
    }
}

/// Sends frames of the live tail, a beat apart, until it is stopped; then empty ones, as AWS does.
fn flood(stream: &mut TcpStream, state: &State) -> std::io::Result<()> {
    state.silent.store(false, Ordering::SeqCst);
    stream.set_nodelay(true)?;
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    send(stream, "initial-response", &json!({}))?;
    send(stream, "sessionStart", &json!({ "sessionId": "s", "logGroupIdentifiers": [GROUP] }))?;
    let (began, mut beats) = (Instant::now(), 0);
    while !state.stopped.load(Ordering::SeqCst) {
        let due = (began.elapsed().as_secs_f64() * state.per_second as f64) as u64;
        let sent = state.sent.load(Ordering::SeqCst);
        // A reader that is slow is not sent more at once than AWS would put into a frame of a second.
        let until = due.min(sent + state.per_second);
        let events: Vec<Value> = (sent..until).map(event).collect();
        send(stream, "sessionUpdate", &update(events))?;
        state.sent.store(until, Ordering::SeqCst);
        beats += 1;
        std::thread::sleep((BEAT * beats).saturating_sub(began.elapsed()));
    }
    state.silent.store(true, Ordering::SeqCst);
    loop {
        send(stream, "sessionUpdate", &update(Vec::new()))?;
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn update(events: Vec<Value>) -> Value {
    json!({ "sessionMetadata": { "sampled": false }, "sessionResults": events })
}

/// A request line of a gangway server, about 200 bytes.
fn event(number: u64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let message = format!(
        r#"{{"ts":"2026-01-01T00:00:00.000Z","level":"info","event":"request","server":"time","method":"tools/call","tool":"convert_time","client":"5h1kq8","status":200,"latency_ms":0.64,"request_id":"{number:016x}"}}"#
    );
    json!({
        "logGroupIdentifier": format!("123456789012:{GROUP}"), "logStreamName": format!("time/time/{:032x}", number % 7),
        "message": message, "timestamp": now, "ingestionTime": now,
    })
}

/// Writes an event-stream frame as a chunk (the framing of the AWS SDKs, Smithy's "event stream").
fn send(stream: &mut TcpStream, kind: &'static str, payload: &Value) -> std::io::Result<()> {
    let header = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let message = Message::new(payload.to_string())
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", kind))
        .add_header(header(":content-type", "application/json"));
    let mut frame = Vec::new();
    write_message_to(&message, &mut frame).map_err(std::io::Error::other)?;
    write!(stream, "{:x}\r\n", frame.len())?;
    stream.write_all(&frame)?;
    stream.write_all(b"\r\n")
}
