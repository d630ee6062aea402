//! An HTTP server on the loopback that answers what a test tells it to, failures included.

#[path = "cbor.rs"]
mod cbor;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The AWS operation, or the path where there is none.
    pub call: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
    /// The body, where it came as CBOR.
    pub cbor: Option<serde_json::Value>,
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status and body.
    Answer(u16, String),
    /// Status, header lines and body.
    Headed(u16, &'static str, String),
    /// Status and body of the protocol that CloudWatch speaks.
    Cbor(u16, serde_json::Value),
    /// Closes the connection without a word.
    Reset,
    /// Says nothing and keeps the connection.
    Hang,
}

impl Reply {
    pub fn json(status: u16, body: serde_json::Value) -> Self {
        Self::Answer(status, body.to_string())
    }

    /// The result of a call of AWS's Query protocol, such as those of load balancers.
    pub fn query(call: &str, result: &str) -> Self {
        Self::Answer(200, format!("<{call}Response><{call}Result>{result}</{call}Result></{call}Response>"))
    }

    /// An AWS error of the JSON protocols.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, serde_json::json!({ "__type": code, "message": message }))
    }
}

type Handler = Box<dyn FnMut(&Request) -> Reply + Send>;

/// The server; it ends with the test's runtime.
pub struct Scripted {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Answers with a function.
    pub async fn start(handler: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (log, handler) = (seen.clone(), Arc::new(Mutex::new(Box::new(handler) as Handler)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone(), handler.clone()));
            }
        });
        Self { url, seen }
    }

    /// Answers each call with its replies in turn; the last one stays.
    pub async fn script(replies: impl IntoIterator<Item = (&'static str, Vec<Reply>)>) -> Self {
        let mut left: HashMap<&str, VecDeque<Reply>> =
            replies.into_iter().map(|(call, replies)| (call, replies.into())).collect();
        Self::start(move |request| match left.get_mut(request.call.as_str()) {
            Some(replies) if replies.len() > 1 => replies.pop_front().unwrap(),
            Some(replies) => replies.front().unwrap().clone(),
            None => Reply::error(400, "UnknownOperationException", "not in the script"),
        })
        .await
    }

    /// The requests of this call so far.
    pub fn requests(&self, call: &str) -> Vec<Request> {
        self.seen.lock().unwrap().iter().filter(|request| request.call == call).cloned().collect()
    }

    /// How often a call came.
    pub fn count(&self, call: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.call == call).count()
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Request>>>, handler: Arc<Mutex<Handler>>) {
    while let Some(request) = read(&mut stream).await {
        log.lock().unwrap().push(request.clone());
        let reply = handler.lock().unwrap()(&request);
        match reply {
            Reply::Hang => std::future::pending().await,
            reply => match reply.bytes() {
                Some(bytes) if stream.write_all(&bytes).await.is_ok() => {}
                _ => return,
            },
        }
    }
}

impl Reply {
    /// The answer as it goes over the wire; `None` where there is none.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let (status, headers, body) = match self {
            Self::Reset | Self::Hang => return None,
            Self::Cbor(status, value) => {
                let body = cbor::encode(value);
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/cbor\r\nsmithy-protocol: rpc-v2-cbor\r\n\
                     content-length: {}\r\n\r\n",
                    body.len()
                );
                return Some([head.as_bytes(), &body].concat());
            }
            Self::Headed(status, headers, body) => (status, format!("{headers}\r\n"), body),
            Self::Answer(status, body) => (status, String::new(), body),
        };
        let kind = if body.starts_with('<') { "text/xml" } else { "application/x-amz-json-1.1" };
        let kind = if headers.contains("content-type") { String::new() } else { format!("content-type: {kind}\r\n") };
        // More is announced than comes, so whoever reads to the end waits for ever.
        let length = body.len() + if headers.contains("x-endless") { 1_000 } else { 0 };
        let head = format!("HTTP/1.1 {status} X\r\n{kind}{headers}content-length: {length}\r\n\r\n");
        Some(format!("{head}{body}").into_bytes())
    }
}

pub(super) async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers: HashMap<String, String> =
        pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = &bytes[end + 4..end + 4 + length];
    let cbor = headers.get("content-type").filter(|kind| *kind == "application/cbor").and_then(|_| cbor::decode(body));
    let body = String::from_utf8_lossy(body).into_owned();
    let target = headers.get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let path = path.split_once("/operation/").map_or(path, |(_, operation)| operation);
    let call = target.or(action).or(of_path(&head, path)).unwrap_or(path).to_owned();
    Some(Request { call, path: path.to_owned(), headers, body, cbor })
}

/// The operation of a service that is called by paths: that of zonal shifts.
fn of_path(head: &str, path: &str) -> Option<&'static str> {
    match path.split('/').nth(1)? {
        "managedresources" => Some("GetManagedResource"),
        "zonalshifts" if head.starts_with("POST") => Some("StartZonalShift"),
        "zonalshifts" => Some("CancelZonalShift"),
        _ => None,
    }
}
