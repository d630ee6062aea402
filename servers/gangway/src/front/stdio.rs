//! A server behind that reads and writes lines on its standard streams.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::link::{Failure, LARGEST, Message, Text};
use super::output::{Line, Lines, Output};
use super::protocol::{self, Era, Known};
use crate::budget::Budget;
use crate::challenge::METHOD_NOT_FOUND;
use crate::raw::Members;

/// Messages that wait for the server to read them.
const WAITING: usize = 64;
/// What is written in one piece, in bytes, if no message is larger: as much as a pipe holds (pipe(7)).
const PIECE: usize = 64 * 1024;
/// Notices of one request that wait for its client. What does not fit is left out: they say how far it is.
const NOTICES: usize = 64;
/// Longest wait for `server/discover` before `initialize` is asked as well: a server of the earlier era may leave
/// unanswered what it does not know, and one of the later era may still be starting.
const DISCOVER_TIME: Duration = Duration::from_secs(5);
/// How long an answer that was sent before another may come after it.
const OVERTAKEN: Duration = Duration::from_secs(1);

type Pending = Arc<Mutex<HashMap<u64, mpsc::Sender<Result<Text, Failure>>>>>;

/// The way to the server.
pub struct Stdio {
    out: mpsc::Sender<Vec<u8>>,
    /// Requests without an answer, by the id that they have at the server.
    pending: Pending,
    next: AtomicU64,
}

/// The answer to one request.
pub struct Answer {
    id: u64,
    pending: Pending,
    messages: mpsc::Receiver<Result<Text, Failure>>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Answer {
    /// The next message. `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Message>, Failure> {
        match self.messages.recv().await {
            Some(Ok(text)) => Ok(Some(Message::Text(text))),
            Some(Err(failure)) => Err(failure),
            None => Err(Failure::Gone),
        }
    }
}

impl Stdio {
    /// Takes the streams of a process. `output` gets what it writes that is no message. The standard input is
    /// closed when `gone` is cancelled. When the standard output ends, `gone` is cancelled. `budget` is for its answers.
    pub fn new(input: ChildStdin, from: ChildStdout, output: Output, gone: CancellationToken, budget: Budget) -> Self {
        let (out, queue) = mpsc::channel(WAITING);
        let pending = Pending::default();
        tokio::spawn(write(input, queue, gone.clone()));
        let reader = Reader { pending: pending.clone(), out: out.downgrade(), output, gone, budget };
        tokio::spawn(reader.read(from));
        Self { out, pending, next: AtomicU64::new(1) }
    }

    /// An id that no other request to this process has.
    pub fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a request with this id.
    pub async fn call(&self, id: u64, body: Vec<u8>) -> Result<Answer, Failure> {
        let (sender, messages) = mpsc::channel(NOTICES + 1);
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        // Made first, so that the request is forgotten if this is dropped while it waits.
        let answer = Answer { id, pending: self.pending.clone(), messages };
        self.out.send(body).await.map_err(|_| Failure::Gone)?;
        Ok(answer)
    }

    /// Sends what has no answer.
    pub async fn tell(&self, body: Vec<u8>) {
        // The process may be gone; then nobody misses it.
        let _ = self.out.send(body).await;
    }

    /// The result of a question of our own.
    pub async fn ask(&self, method: &str, params: Value, era: Era) -> Result<Value, Failure> {
        let id = self.next_id();
        let mut answer = self.call(id, protocol::own(id, method, params, era)).await?;
        loop {
            let Some(Message::Text(text)) = answer.next().await? else { continue };
            let message = Members::parse(&text.bytes).ok_or(Failure::Odd("no object".to_owned()))?;
            if message.get("method").is_none() {
                return message.read("result").ok_or(Failure::Odd("no result".to_owned()));
            }
        }
    }

    /// What the server says of itself, by the protocol of either era. It may take as long as it takes to start: the
    /// caller sets the limit.
    pub async fn meet(&self) -> Result<Known, String> {
        let discovered = self.ask("server/discover", json!({}), Era::Modern);
        let discovered = discovered.map(|result| result.ok().and_then(Known::modern)).fuse();
        let mut discovered = std::pin::pin!(discovered);
        match tokio::time::timeout(DISCOVER_TIME, &mut discovered).await {
            Ok(Some(known)) => return Ok(known),
            Ok(None) => return self.initialize().await,
            Err(_) => {}
        }
        // One of the later era answers what it was asked first when it has started, and refuses the rest.
        let initialized = tokio::select! {
            Some(known) = &mut discovered => return Ok(known),
            initialized = self.initialize() => initialized,
        };
        match initialized {
            Ok(known) => Ok(known),
            Err(why) => tokio::time::timeout(OVERTAKEN, &mut discovered).await.ok().flatten().ok_or(why),
        }
    }

    /// Begins with another process of a server of which it is known who it is.
    pub async fn meet_again(&self, known: &Known) -> Result<Known, String> {
        match known.era {
            // Every request stands alone.
            Era::Modern => Ok(known.clone()),
            Era::Legacy => self.initialize().await,
        }
    }

    async fn initialize(&self) -> Result<Known, String> {
        let newest = protocol::LEGACY[protocol::LEGACY.len() - 1];
        let params = json!({ "protocolVersion": newest, "capabilities": {}, "clientInfo": protocol::client_info() });
        let asked = self.ask("initialize", params, Era::Legacy).await;
        let result = asked.map_err(|failure| format!("initialize: {}", failure.fault().message))?;
        let known = Known::legacy(&result).ok_or("initialize: a revision that is not known here")?;
        self.tell(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string().into_bytes()).await;
        Ok(known)
    }
}

async fn write(mut input: ChildStdin, mut queue: mpsc::Receiver<Vec<u8>>, gone: CancellationToken) {
    let all = async {
        let (mut waiting, mut lines) = (Vec::new(), Vec::new());
        // What waits goes in one piece: each is a turn of the kernel's, and of a server that reads what is there.
        while queue.recv_many(&mut waiting, WAITING).await > 0 {
            // Those that are about to send come first, if there are any.
            tokio::task::yield_now().await;
            waiting.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(WAITING));
            for message in waiting.drain(..) {
                lines.extend_from_slice(&message);
                lines.push(b'\n');
                if lines.len() >= PIECE {
                    input.write_all(&lines).await?;
                    lines = Vec::new();
                }
            }
            input.write_all(&lines).await?;
            lines.clear();
        }
        Ok::<_, std::io::Error>(())
    };
    tokio::select! {
        // It does not read any more: its end is seen elsewhere.
        _ = all => {}
        () = gone.cancelled() => {}
    }
}

/// Reads what the process writes.
struct Reader {
    pending: Pending,
    /// Weak: the standard input is closed when nobody is there to send requests.
    out: mpsc::WeakSender<Vec<u8>>,
    output: Output,
    gone: CancellationToken,
    budget: Budget,
}

impl Reader {
    async fn read(mut self, from: ChildStdout) {
        let mut lines = Lines::new(from, LARGEST);
        while let Some(line) = lines.next().await {
            match line {
                Line::Whole(line) if line.is_empty() => {}
                Line::Whole(line) => self.take(line),
                Line::Cut { start, end } => self.take_cut(&start, &end),
            }
        }
        self.gone.cancel();
    }

    fn take(&mut self, line: Vec<u8>) {
        let Some(message) = Members::parse(&line) else { return self.output.write(&line) };
        match (message.get("method").is_some(), message.get("id").is_some()) {
            (true, true) => self.refuse(&message),
            // Of the others nobody asked for it alone: log lines and changes are not for one of many clients.
            (true, false) => {
                let token = message.object("params").and_then(|params| params.read("progressToken"));
                if let Some(token) = token {
                    self.give(token, line, false);
                }
            }
            (false, _) => match message.read("id") {
                Some(id) => self.give(id, line, true),
                None => self.output.write(&line),
            },
        }
    }

    /// Gives a message to the request that waits for it. There may be none: its client has gone away.
    fn give(&self, id: u64, line: Vec<u8>, last: bool) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let text = || -> Result<Text, Failure> {
            let mut share = self.budget.share();
            share.add_answer(line.len())?;
            Ok(Text { bytes: line.into(), share })
        };
        if last {
            if let Some(waiting) = pending.remove(&id) {
                // One place is kept for it.
                let _ = waiting.try_send(text());
            }
        } else if let Some(waiting) = pending.get(&id).filter(|waiting| waiting.capacity() > 1)
            && let Ok(text) = text()
        {
            let _ = waiting.try_send(Ok(text));
        }
    }

    /// Answers a request of the server's own. No client was promised to it, so it may not count on one.
    fn refuse(&self, message: &Members<'_>) {
        let Some(out) = self.out.upgrade() else { return };
        if let Some(answer) = refusal(message.get("id"), message.read::<String>("method").as_deref()) {
            // A server that asks without reading the answers gets none.
            let _ = out.try_send(answer);
        }
    }

    /// A message that is too large. Its id is at the beginning or at the end, as servers write it.
    fn take_cut(&mut self, start: &[u8], end: &[u8]) {
        let found = [id_in(start), id_in(end)]
            .into_iter()
            .flatten()
            .find_map(|id| self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
        match found {
            Some(waiting) => drop(waiting.try_send(Err(Failure::TooLarge))),
            None => self.output.write(start),
        }
    }
}

/// The last id within a part of a message.
fn id_in(part: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(part);
    let (_, after) = text.rsplit_once("\"id\"")?;
    let digits = after.trim_start_matches([' ', ':']);
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The answer to a request that a server makes: what it may ask is nothing but whether somebody is there.
pub fn refusal(id: Option<&RawValue>, method: Option<&str>) -> Option<Vec<u8>> {
    let mut answer = Members::default();
    answer.set("jsonrpc", &"2.0");
    answer.set("id", &id?);
    if method == Some("ping") {
        answer.set("result", &json!({}));
    } else {
        answer.set(
            "error",
            &json!({ "code": METHOD_NOT_FOUND, "message": "Method not found: the client has no such capability" }),
        );
    }
    Some(answer.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_message_that_is_too_large_is_found() {
        assert_eq!(id_in(br#"{"jsonrpc":"2.0","id":17,"result":{"x":"aaaa"#), Some(17));
        assert_eq!(id_in(br#"aaaa"},"jsonrpc":"2.0","id": 18}"#), Some(18));
        assert_eq!(id_in(b"aaaa"), None);
    }

    #[test]
    fn what_a_server_asks_is_refused_but_for_a_ping() {
        let id = serde_json::value::to_raw_value(&"q-1").unwrap();
        let of = |method| serde_json::from_slice::<Value>(&refusal(Some(&id), Some(method)).unwrap()).unwrap();
        let refused = of("sampling/createMessage");
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("q-1"), &json!(-32601)));
        assert_eq!(of("ping")["result"], json!({}));
    }
}
