//! Request lines that a task wrote and that never came: its log driver drops lines where its buffer is full and it must not
//! wait (API reference, LogConfiguration, `mode` and `max-buffer-size`; `non-blocking` is ECS's default since June 2025).
//! Nobody reports it. But gangway counts its requests, and writes the count into its log once a minute, so what is missing
//! can be counted.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{KEPT, MAX_SERIES, SLOT};

/// How many requests a task has counted since it wrote the count before, of one of its tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(u64);

impl Count {
    /// Reads a line; `None` for any other line.
    pub(super) fn read(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            event: Cow<'a, str>,
            #[serde(rename = "Requests")]
            requests: u64,
        }
        if !text.starts_with('{') || !text.contains("\"Requests\"") {
            return None;
        }
        let line: Line<'_> = serde_json::from_str(text).ok()?;
        (line.event == "metrics").then_some(Self(line.requests))
    }
}

/// What is missing in the log of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Requests that its tasks have counted.
    pub counted: u64,
    /// Of how many of them there is no line.
    pub missing: u64,
    /// When the newest count was written, in milliseconds since the Unix epoch.
    pub newest: i64,
}

/// The lines of a task, and its counts, by slot.
#[derive(Debug, Clone, Default)]
struct Task {
    lines: BTreeMap<i64, u64>,
    counts: BTreeMap<i64, u64>,
}

/// Counts beside lines, by server and task, where every line of a time is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(HashMap<(String, String), Task>);

impl Counts {
    fn task(&mut self, server: &str, task: &str) -> Option<&mut Task> {
        let key = (server.to_owned(), task.to_owned());
        (self.0.len() < MAX_SERIES || self.0.contains_key(&key)).then(|| self.0.entry(key).or_default())
    }

    /// A line of a request came.
    pub(super) fn line(&mut self, server: &str, task: &str, at: i64) {
        if let Some(task) = self.task(server, task) {
            *task.lines.entry(at.div_euclid(SLOT)).or_default() += 1;
        }
    }

    /// A count came.
    pub(super) fn count(&mut self, server: &str, task: &str, at: i64, Count(requests): Count) {
        if let Some(task) = self.task(server, task) {
            *task.counts.entry(at.div_euclid(SLOT)).or_default() += requests;
        }
    }

    /// Some lines of a server were not read: what came before them says nothing about what comes after.
    pub(super) fn broken(&mut self, server: &str) {
        self.0.retain(|(of, _), _| of != server);
    }

    pub(super) fn forget(&mut self, newest: i64) {
        let oldest = newest - KEPT;
        self.0.retain(|_, task| {
            task.lines.retain(|slot, _| *slot > oldest);
            task.counts.retain(|slot, _| *slot > oldest);
            !(task.lines.is_empty() && task.counts.is_empty())
        });
    }

    /// What is missing of each server whose tasks have written their counts twice, by the counts up to a time.
    pub(super) fn missing(&self, until: i64) -> BTreeMap<&str, Missing> {
        let mut all: BTreeMap<&str, Missing> = BTreeMap::new();
        for ((server, _), task) in &self.0 {
            if let Some(of_task) = task.missing(until.div_euclid(SLOT)) {
                let of = all.entry(server).or_default();
                of.counted += of_task.counted;
                of.missing += of_task.missing;
                of.newest = of.newest.max(of_task.newest);
            }
        }
        all
    }
}

impl Task {
    /// The counts after the first one, which is of a time that was not read, against the lines between them. The slots of
    /// both ends are taken whole: a few lines too many are found, and none is missed that is there.
    fn missing(&self, until: i64) -> Option<Missing> {
        let (first, _) = self.counts.first_key_value()?;
        // The tools' counts are written one after the other. What came may all be later than what is asked for.
        let later = || self.counts.iter().filter(|(slot, _)| (first + 2..until).contains(*slot));
        let (last, _) = later().next_back()?;
        let counted: u64 = later().map(|(_, requests)| requests).sum();
        let lines: u64 = self.lines.range(first..=last).map(|(_, lines)| lines).sum();
        Some(Missing { counted, missing: counted.saturating_sub(lines), newest: last * SLOT })
    }
}
