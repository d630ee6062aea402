//! One way to the server behind, whatever the transport.

use axum::http::HeaderMap;
use hyper::body::Bytes;
use serde_json::Value;

use super::http::{self, Http};
use super::protocol::{Call, Era, Fault, Known, Origin, forward};
use super::stdio::{self, Stdio};
use crate::budget::{Exhausted, Share};
use crate::challenge::{BUSY, INTERNAL_ERROR};

/// The largest message of a server, in bytes.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// A text of a server, and its share of the memory.
#[derive(Debug)]
pub struct Text {
    pub bytes: Bytes,
    pub share: Share,
}

/// What a server says.
#[derive(Debug)]
pub enum Message {
    Text(Text),
    /// A sign of life.
    Comment,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The process ended, or hung up.
    Gone,
    /// The answer is larger than [`LARGEST`].
    TooLarge,
    /// There is no memory for the answer: others wait for clients that do not read.
    NoRoom,
    /// The client did not want it any more.
    TakenBack,
    /// The time of the request is up.
    Late,
    /// Every session of the server is in use, and it took too long until one was free.
    Full,
    /// No session of the server could be started. The log has the reason.
    NotStarted,
    /// The answer is none of the protocol.
    Odd(String),
}

impl Failure {
    /// The word of the log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gone | Self::NotStarted => "gone",
            Self::Late => "timeout",
            Self::Full => "full",
            Self::TooLarge => "too_large",
            // The server did well. The line has the reason.
            Self::NoRoom => "ok",
            Self::TakenBack => "cancelled",
            Self::Odd(_) => "odd",
        }
    }

    /// What the client is told.
    pub fn fault(&self) -> Fault {
        let why = match self {
            Self::NoRoom => {
                let why = "the request was carried out, and its answer dropped: there is too much data at once";
                return Fault::new(BUSY, why);
            }
            Self::Full => {
                return Fault::new(BUSY, "every session of the server is in use; try again later");
            }
            Self::Gone => "the server ended or hung up before it had answered".to_owned(),
            Self::NotStarted => "no session of the server could be started".to_owned(),
            Self::Late => "the request took too long".to_owned(),
            Self::TooLarge => format!("the answer of the server is larger than {} MiB", LARGEST / (1024 * 1024)),
            Self::TakenBack => "the client took the request back".to_owned(),
            Self::Odd(what) => format!("the server gave no answer of the protocol: {what}"),
        };
        Fault::new(INTERNAL_ERROR, why)
    }
}

impl From<Exhausted> for Failure {
    fn from(_: Exhausted) -> Self {
        Self::NoRoom
    }
}

/// The way to a server.
pub enum Link {
    Http(Box<Http>),
    Stdio(Stdio),
}

/// An answer that has begun, or will.
pub enum Answer {
    Http(http::Answer),
    Stdio(stdio::Answer),
}

impl Link {
    /// Whether a client can listen to a server's changes: those of a shared process would be for all.
    pub fn passes_streams(&self, era: Era) -> bool {
        matches!(self, Self::Http(_)) && era == Era::Modern
    }

    /// Whether the server gets the headers of a client, and so checks that they say what the body says.
    pub fn passes_headers(&self, era: Era) -> bool {
        matches!(self, Self::Http(_)) && era == Era::Modern
    }

    /// The id that a request gets. `None`: it keeps its own, because the server knows no session in which it
    /// could meet another.
    fn id(&self, era: Era) -> Option<u64> {
        match self {
            Self::Http(http) => (era == Era::Legacy).then(|| http.next_id()),
            Self::Stdio(stdio) => Some(stdio.next_id()),
        }
    }

    /// Makes a client's request into one for this server.
    pub fn prepare(&self, known: &Known, call: &Call<'_>) -> Prepared {
        let id = self.id(known.era);
        let (body, origin) = forward(call, known.era, id);
        Prepared { id, body, origin }
    }

    /// Sends a request that was prepared.
    pub async fn call(
        &self,
        known: &Known,
        call: &Call<'_>,
        headers: &HeaderMap,
        id: Option<u64>,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Http(http) => http.call(known, call, headers, body).await.map(Answer::Http),
            Self::Stdio(stdio) => stdio.call(id.unwrap_or_default(), body).await.map(Answer::Stdio),
        }
    }

    /// Sends what has no answer.
    pub async fn tell(&self, known: &Known, body: Vec<u8>) {
        match self {
            Self::Http(http) => http.tell(known, body).await,
            Self::Stdio(stdio) => stdio.tell(body).await,
        }
    }

    /// The result of a question of our own.
    pub async fn ask(&self, known: &Known, method: &str, params: Value) -> Result<Value, Failure> {
        match self {
            Self::Http(http) => http.ask_own(known, method, params).await,
            Self::Stdio(stdio) => stdio.ask(method, params, known.era).await,
        }
    }
}

/// A client's request as the server gets it.
pub struct Prepared {
    /// Its id at the server, if not the client's own.
    pub id: Option<u64>,
    pub body: Vec<u8>,
    pub origin: Origin,
}

impl Answer {
    /// The next message. `None` at the end. Of a stream, nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Result<Option<Message>, Failure> {
        match self {
            Self::Http(answer) => answer.next().await,
            Self::Stdio(answer) => answer.next().await,
        }
    }
}
