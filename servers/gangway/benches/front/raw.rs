//! A client that costs little: its processor time is taken from what it calls, where both are on one machine.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The same request again and again, on one connection.
pub struct Raw {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Raw {
    /// Opens a connection to a port of the loopback address.
    pub async fn open(url: &str, token: &str, body: &str) -> Self {
        let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
        let request = format!(
            "POST /{path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nauthorization: Bearer {token}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let stream = TcpStream::connect(authority).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, request: request.into_bytes(), answer: Vec::with_capacity(64 * 1024) }
    }

    /// Sends it, and reads the answer, which must be a result.
    pub async fn call(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        self.answer.clear();
        let mut whole = None;
        while whole.is_none_or(|whole| self.answer.len() < whole) {
            assert_ne!(self.stream.read_buf(&mut self.answer).await.unwrap(), 0, "it hung up");
            whole = whole.or_else(|| length(&self.answer));
        }
        let good =
            self.answer.starts_with(b"HTTP/1.1 200 ") && self.answer.windows(9).any(|part| part == b"\"result\":");
        assert!(good, "{}", String::from_utf8_lossy(&self.answer));
    }
}

/// The length of an answer of which the head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, body) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).expect("a length");
    Some(end + body.trim().parse::<usize>().unwrap())
}
