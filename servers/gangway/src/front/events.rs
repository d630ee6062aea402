//! Server-sent events (WHATWG HTML, "Server-sent events"), as they come in and as they go out.

/// What a stream says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The data of an event.
    Message(Vec<u8>),
    /// A sign of life.
    Comment,
}

/// The stream has an event that is larger than allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Takes the bytes of a stream and gives its events.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken. They go when there are more: to move the rest after each line would cost
    /// the square of what came.
    taken: usize,
    /// Bytes of the buffer in which no further line ends.
    seen: usize,
    data: Option<Vec<u8>>,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
}

impl Parser {
    /// Takes more of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.seen -= self.taken;
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event, if it is whole. At most `limit` bytes are kept for one.
    pub fn next(&mut self, limit: usize) -> Result<Option<Event>, TooLarge> {
        loop {
            if let (true, Some(first)) = (self.after_cr, self.buffer.get(self.taken)) {
                self.after_cr = false;
                self.taken += usize::from(*first == b'\n');
                self.seen = self.seen.max(self.taken);
            }
            let unseen = self.buffer.get(self.seen..).unwrap_or_default();
            let Some(end) = unseen.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map(|at| at + self.seen)
            else {
                self.seen = self.buffer.len();
                let kept = self.buffer.len() - self.taken + self.data.as_ref().map_or(0, Vec::len);
                return if kept > limit { Err(TooLarge) } else { Ok(None) };
            };
            self.after_cr = self.buffer.get(end) == Some(&b'\r');
            let line = self.buffer.get(self.taken..end).unwrap_or_default().to_vec();
            self.taken = end + 1;
            self.seen = self.taken;
            if let Some(event) = self.line(&line, limit)? {
                return Ok(Some(event));
            }
        }
    }

    fn line(&mut self, line: &[u8], limit: usize) -> Result<Option<Event>, TooLarge> {
        if line.is_empty() {
            // An event without data says nothing: servers send one so that a client has its id.
            return Ok(self.data.take().filter(|data| !data.is_empty()).map(Event::Message));
        }
        if line.starts_with(b":") {
            return Ok(Some(Event::Comment));
        }
        // Ids and retry times are for a client that comes back for a stream; here it cannot.
        let Some(value) = line.strip_prefix(b"data") else { return Ok(None) };
        let value = match value.split_first() {
            None => &[][..],
            Some((b':', value)) => value.strip_prefix(b" ").unwrap_or(value),
            Some(_) => return Ok(None),
        };
        let data = match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data
            }
            None => self.data.insert(Vec::new()),
        };
        data.extend_from_slice(value);
        if data.len() > limit { Err(TooLarge) } else { Ok(None) }
    }
}

/// A message as an event. It must be one line.
pub fn written(message: &[u8]) -> Vec<u8> {
    [b"event: message\ndata: ", message, b"\n\n"].concat()
}

/// A sign of life.
pub const COMMENT: &[u8] = b": \n\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str, piece: usize) -> Vec<String> {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            parser.push(bytes);
            while let Some(event) = parser.next(100).unwrap() {
                found.push(match event {
                    Event::Message(data) => String::from_utf8(data).unwrap(),
                    Event::Comment => ":".to_owned(),
                });
            }
        }
        found
    }

    #[test]
    fn events_are_read_however_they_are_cut_and_ended() {
        let cases: [(&str, &[&str]); 8] = [
            ("data: a\n\n", &["a"]),
            ("event: message\nid: 7\ndata: a\n\ndata:b\n\n", &["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
            ("data: a\rdata: b\r\r", &["a\nb"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            (": ping\n\ndata: a\n\n", &[":", "a"]),
            ("id: 1\ndata:\n\nretry: 5\n\n", &[]),
            ("data: a\n", &[]),
        ];
        for (text, expected) in cases {
            for piece in 1..=text.len() {
                assert_eq!(messages(text, piece), expected, "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn an_event_has_a_largest_size() {
        for text in ["data: ", "x", "data: 1\ndata: 2\ndata: "] {
            let mut parser = Parser::default();
            parser.push(text.as_bytes());
            parser.push(&[b'x'; 200]);
            assert_eq!(parser.next(100), Err(TooLarge));
        }
        let mut parser = Parser::default();
        parser.push(&b"data: aaaaaaaaaa\n".repeat(20));
        assert_eq!(parser.next(100), Err(TooLarge));
    }
}
