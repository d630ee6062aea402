//! What the server writes on its standard streams: lines of bounded length, and the log of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

use super::settings::Secrets;
use crate::log::Log;

/// The longest line that is written to the log whole, in bytes.
const LONGEST: usize = 8 * 1024;
/// Lines a second in the long run, and at once. A server that writes more has some left out.
const RATE: u32 = 100;
const BURST: u32 = 1000;

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(Vec<u8>),
    /// The beginning and the end of a line that is longer than allowed.
    Cut {
        start: Vec<u8>,
        end: Vec<u8>,
    },
}

/// Reads lines of which no more than so many bytes are kept.
pub struct Lines<R> {
    from: BufReader<R>,
    limit: usize,
    line: Vec<u8>,
    /// What a line that is too long began with.
    start: Option<Vec<u8>>,
}

/// What is kept of each end of a line that is too long.
const ENDS: usize = 8 * 1024;

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(from: R, limit: usize) -> Self {
        Self { from: BufReader::with_capacity(64 * 1024, from), limit, line: Vec::new(), start: None }
    }

    /// The next line without its end. `None` when there are no more. Nothing is lost if it is dropped while it waits.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            let available = match self.from.fill_buf().await {
                Ok(available) if !available.is_empty() => available,
                _ => return (!self.line.is_empty()).then(|| self.take()),
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            self.line.extend_from_slice(available.get(..end.unwrap_or(used)).unwrap_or_default());
            std::pin::Pin::new(&mut self.from).consume(used);
            if self.line.len() > self.limit || (self.start.is_some() && self.line.len() > 2 * ENDS) {
                let keep = ENDS.min(self.limit);
                self.start.get_or_insert_with(|| self.line.iter().take(keep).copied().collect());
                self.line.drain(..self.line.len() - keep);
            }
            if end.is_some() {
                return Some(self.take());
            }
        }
    }

    fn take(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match self.start.take() {
            Some(start) => Line::Cut { start, end: line },
            None => Line::Whole(line),
        }
    }
}

/// The log of what the server says.
pub struct Output {
    log: Log,
    secrets: Arc<Secrets>,
    left: f64,
    at: Instant,
    dropped: u64,
}

impl Output {
    pub fn new(log: Log, secrets: Arc<Secrets>) -> Self {
        Self { log, secrets, left: f64::from(BURST), at: Instant::now(), dropped: 0 }
    }

    /// Logs a line, unless there are too many.
    pub fn write(&mut self, line: &[u8]) {
        self.write_at(line, Instant::now());
    }

    fn write_at(&mut self, line: &[u8], now: Instant) {
        let earned = now.duration_since(self.at).as_secs_f64() * f64::from(RATE);
        (self.left, self.at) = ((self.left + earned).min(f64::from(BURST)), now);
        if self.left < 1.0 {
            self.dropped += 1;
            return;
        }
        self.left -= 1.0;
        self.tell_dropped();
        self.log.event("info", "app", &self.clean(line));
    }

    /// Says how many lines were left out since it was last said.
    fn tell_dropped(&mut self) {
        if self.dropped > 0 {
            let many = std::mem::take(&mut self.dropped);
            let message = format!("{many} lines of the server were left out: it writes more than {RATE} a second");
            self.log.event("warn", "app_dropped", &message);
        }
    }

    /// The line as text that can do nothing to whoever reads it.
    fn clean(&self, line: &[u8]) -> String {
        let cut = line.len() > LONGEST;
        let text = String::from_utf8_lossy(line.get(..LONGEST).unwrap_or(line));
        let harmless = |c: char| {
            let unseen = c.is_control() && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if unseen { '\u{fffd}' } else { c }
        };
        let text = self.secrets.hide(text.chars().map(harmless).collect());
        if cut { text + "…" } else { text }
    }

    /// Logs all that a stream says, until it ends.
    pub async fn follow(mut self, from: impl AsyncRead + Unpin) {
        let mut lines = Lines::new(from, LONGEST + 1);
        loop {
            // So that it is said how many were left out when the server has gone quiet.
            let line = match tokio::time::timeout(Duration::from_secs(1), lines.next()).await {
                Ok(line) => line,
                Err(_) => {
                    self.tell_dropped();
                    continue;
                }
            };
            match line {
                Some(Line::Whole(line) | Line::Cut { start: line, .. }) => self.write(&line),
                None => return self.tell_dropped(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(text, limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.push(line);
        }
        found
    }

    #[tokio::test]
    async fn lines_are_bounded() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(lines(b"a\r\n\nbc", 10).await, [whole("a"), whole(""), whole("bc")]);
        let long = [vec![b'x'; 200_000], b"end\nnext\n".to_vec()].concat();
        let found = lines(&long, 100_000).await;
        let Line::Cut { start, end } = &found[0] else { panic!("{found:?}") };
        assert!(start.len() <= ENDS && end.len() <= 2 * ENDS && end.ends_with(b"end"));
        assert_eq!(found[1], whole("next"));
    }

    #[test]
    fn what_a_server_says_is_made_harmless_and_cut() {
        let env = crate::Env::from_fn(|_| Some(r#"{"K":"hunter2"}"#.to_owned()));
        let output = Output::new(Log::new("x", std::io::sink()), Arc::new(Secrets::from_env(&env).unwrap()));
        assert_eq!(
            output.clean(b"key hunter2\x1b[2J\xff \xc2\x9b \xe2\x80\xae"),
            "key [redacted]\u{fffd}[2J\u{fffd} \u{fffd} \u{fffd}"
        );
        let long = output.clean(&[b'a'; 10_000]);
        assert_eq!((long.len(), long.ends_with('…')), (LONGEST + 3, true));
    }

    #[test]
    fn a_flood_is_left_out() {
        let mut output = Output::new(Log::new("x", std::io::sink()), Arc::default());
        let at = output.at;
        (0..BURST * 3).for_each(|_| output.write_at(b"x", at));
        assert_eq!(output.dropped, u64::from(BURST) * 2);
        let later = at + Duration::from_secs(1);
        (0..RATE).for_each(|_| output.write_at(b"x", later));
        assert_eq!(
            output.dropped, 0,
            "it was said how many, and a second brings room for as many as are allowed in it"
        );
        output.write_at(b"x", later);
        assert_eq!(output.dropped, 1);
    }
}
