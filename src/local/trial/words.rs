//! What a hostile program writes, in bounded memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;

use crate::core::text::{cut, sanitise};

/// The longest message, in bytes: what gangway takes from a server. Of a longer line the rest is dropped.
const LONGEST: usize = 8 * 1024 * 1024;
/// The longest line of its last words that is kept while it is read, in bytes, and how many cells of it are shown.
const LONGEST_WORDS: usize = 4 * 1024;
const CELLS: usize = 300;
/// How many of the last lines are kept.
const LAST: usize = 10;

/// The lines of an output, each cut to a length.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    longest: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines that may be messages.
    pub fn new(output: R) -> Self {
        Self { reader: BufReader::new(output), line: Vec::new(), longest: LONGEST }
    }

    /// The next line, without its end; `None` when there is no more. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let read = self.reader.fill_buf().await.unwrap_or_default();
            if read.is_empty() {
                let rest = std::mem::take(&mut self.line);
                return (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned());
            }
            let end = memchr::memchr(b'\n', read);
            let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            let room = self.longest.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or_default());
            let used = end.map_or(read.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}

/// The last lines that are no messages, made harmless.
#[derive(Default)]
pub(super) struct Said {
    last: Arc<Mutex<VecDeque<String>>>,
    reading: Mutex<Vec<JoinHandle<()>>>,
}

impl Said {
    /// Keeps a line.
    pub fn keep(&self, line: &str) {
        keep(&self.last, line);
    }

    /// Keeps the lines of an output, until it ends.
    pub fn follow<R: AsyncRead + Unpin + Send + 'static>(&self, output: Option<R>) {
        let Some(output) = output else { return };
        let last = self.last.clone();
        let mut lines = Lines { longest: LONGEST_WORDS, ..Lines::new(output) };
        let reading = tokio::spawn(async move {
            while let Some(line) = lines.next().await {
                keep(&last, &line);
            }
        });
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
    }

    /// Waits until all outputs have ended, or this long.
    pub async fn complete(&self, limit: Duration) {
        let reading = std::mem::take(&mut *self.reading.lock().unwrap_or_else(PoisonError::into_inner));
        // What is still written then is not waited for.
        let _ = tokio::time::timeout(limit, futures::future::join_all(reading)).await;
    }

    /// What is kept, the oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn keep(last: &Mutex<VecDeque<String>>, line: &str) {
    let line = cut(sanitise(line).trim_end(), CELLS);
    if line.is_empty() {
        return;
    }
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() == LAST {
        last.pop_front();
    }
    last.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8], longest: usize) -> Vec<String> {
        let mut lines = Lines { longest, ..Lines::new(text) };
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_no_more_memory_than_one() {
        let long = [vec![b'x'; 100_000], b"\nnext\n\nlast \xff".to_vec()].concat();
        let all = lines(&long, 4).await;
        assert_eq!(all, ["xxxx", "next", "", "last"]);
        assert_eq!(lines(b"a\nb\xff", 9).await, ["a", "b\u{fffd}"]);
    }

    #[tokio::test]
    async fn last_words_are_few_short_and_harmless() {
        let said = Said::default();
        let text: String = (0..50).map(|at| format!("\x1b[31mline {at}\u{202e}\r\n")).collect();
        said.follow(Some(std::io::Cursor::new(text.into_bytes())));
        said.complete(Duration::from_secs(5)).await;
        said.keep(&"é".repeat(5_000));
        let kept = said.lines();
        assert_eq!((kept.len(), kept[0].as_str()), (LAST, "line 41"));
        assert!(kept[LAST - 1].chars().count() <= CELLS);
        assert!(!kept.iter().any(|line| line.chars().any(char::is_control)), "{kept:?}");
    }
}
