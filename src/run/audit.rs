//! The audit: a file of JSON lines to which every step of an operation is appended before it is taken.
//!
//! It is the journal too: an intent without an outcome is an operation to resume. While a process
//! works on an operation, it holds a lock on it, so that no second process does.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::core::identity::Context;
use crate::core::operation::record::{Entry, Record};
use crate::core::operation::{Operation, Phase};

/// The audit of this user on this machine.
///
/// Why it exists: before anything is changed, a file must say who changes what, so that it can be looked
/// up later, and so that an operation that a crash cut off can be resumed. When to use it: an operation
/// asks for its records to be written ([`append`](Self::append)) and goes on only when they are on disk;
/// a console that starts offers what is [`unfinished`](Self::unfinished).
///
/// One thread writes the records, in the order in which they were handed over. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    directory: PathBuf,
    writer: mpsc::Sender<(Record, oneshot::Sender<io::Result<()>>)>,
}

impl Audit {
    /// The audit in this directory, which is made (0700) if it does not exist.
    ///
    /// # Errors
    /// When the directory cannot be made or the writer's thread cannot be started.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory.join("operations"))?;
        let (writer, records) = mpsc::channel::<(Record, oneshot::Sender<io::Result<()>>)>();
        let mut disk = Disk { directory: directory.to_owned(), locks: HashMap::new() };
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            for (record, done) in records {
                // A reader that is gone no longer cares.
                let _ = done.send(disk.write(&record));
            }
        })?;
        Ok(Self { directory: directory.to_owned(), writer })
    }

    /// Appends a record; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written, or another process works on this operation.
    pub fn append(&self, record: Record) -> impl Future<Output = io::Result<()>> + use<> {
        let (done, written) = oneshot::channel();
        let sent = self.writer.send((record, done));
        async move {
            sent.map_err(|_| io::Error::other("the audit's writer has ended"))?;
            written.await.map_err(|_| io::Error::other("the audit's writer has ended"))?
        }
    }

    /// The file, `audit.jsonl` in the directory.
    pub fn path(&self) -> PathBuf {
        self.directory.join("audit.jsonl")
    }

    /// All records, oldest first. A line that a crash cut off is left out, as is any other line that
    /// cannot be read.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn records(&self) -> io::Result<Vec<Record>> {
        let file = match File::open(self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut records = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(record) => records.push(record),
                Err(error) => tracing::warn!(%error, "a line of the audit cannot be read"),
            }
        }
        Ok(records)
    }

    /// Operations in this environment, region and endpoint that have an intent but no outcome and that no
    /// process works on. The account is not compared: whoever resumes one must do that.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn unfinished(&self, place: &Context) -> io::Result<Vec<Operation>> {
        let operations = restore(self.records()?);
        let here = |operation: &Operation| {
            let target = &operation.plan.target;
            let at = (&target.environment, &target.region, &target.endpoint);
            at == (&place.environment, &place.region, &place.endpoint)
        };
        let free = |operation: &Operation| lock(&self.directory, operation.id()).is_ok();
        Ok(operations.into_iter().filter(here).filter(free).collect())
    }
}

/// Builds the unfinished operations from the records.
fn restore(records: Vec<Record>) -> Vec<Operation> {
    let mut open: BTreeMap<String, Operation> = BTreeMap::new();
    for Record { at, operation: id, entry } in records {
        match entry {
            Entry::Intent { plan, .. } => {
                let why = "the process ended before the operation did".to_owned();
                open.insert(id, Operation::restore(*plan, at, why));
            }
            Entry::Done { step, facts, note } => {
                if let Some(operation) = open.get_mut(&id) {
                    operation.was_done(step, facts, note);
                }
            }
            Entry::Paused { reason: why, step } => {
                if let Some(operation) = open.get_mut(&id) {
                    operation.phase = Phase::Paused { step, why };
                    operation.finished = Some(at);
                }
            }
            Entry::Outcome { .. } => {
                open.remove(&id);
            }
            Entry::Agreed { facts, .. } => {
                if let Some(operation) = open.get_mut(&id) {
                    operation.was_agreed(facts);
                }
            }
            Entry::Started { step, .. } => {
                if let Some(operation) = open.get_mut(&id) {
                    operation.was_begun(step);
                }
            }
        }
    }
    open.into_values().collect()
}

fn lock_path(directory: &Path, operation: &str) -> PathBuf {
    directory.join("operations").join(operation)
}

fn lock(directory: &Path, operation: &str) -> io::Result<File> {
    let path = lock_path(directory, operation);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => io::Error::other("another quarterdeck works on this operation"),
        fs::TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

/// Whether the last line was cut off: the file does not end with a line feed.
fn torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// What the writer's thread works with.
struct Disk {
    directory: PathBuf,
    locks: HashMap<String, File>,
}

impl Disk {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        if !self.locks.contains_key(&record.operation) {
            let file = lock(&self.directory, &record.operation)?;
            self.locks.insert(record.operation.clone(), file);
        }
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let path = self.directory.join("audit.jsonl");
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        if torn(&mut file)? {
            // This record must not become a part of the one that was cut off.
            line.insert(0, b'\n');
        }
        file.write_all(&line)?;
        file.sync_all()?;
        match record.entry {
            Entry::Outcome { .. } => {
                self.locks.remove(&record.operation);
                // If the empty lock file cannot be removed, it does no harm.
                let _ = fs::remove_file(lock_path(&self.directory, &record.operation));
            }
            Entry::Paused { .. } => {
                self.locks.remove(&record.operation);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end at a broken expectation")]
    use super::*;
    use crate::core::operation::intent::LAYOUT;
    use crate::core::operation::record::{Note, Outcome};
    use crate::core::operation::service::{Restart, ServiceRef};
    use crate::core::operation::{Fact, Facts, Intent};
    use crate::core::plan::{Confirm, Place, Plan};
    use std::os::unix::fs::PermissionsExt;

    fn plan(id: &str) -> Plan {
        let service = ServiceRef { cluster: "c".into(), service: "time".into() };
        Plan {
            id: id.into(),
            title: "restart time".into(),
            target: Place { environment: "local".into(), ..Place::default() },
            changes: Vec::new(),
            warnings: Vec::new(),
            commands: Vec::new(),
            confirm: Confirm::Yes,
            facts: Facts::new(),
            intent: Intent::Restart(Restart { service, replaces: Some("ecs-svc/1".into()) }),
            cost: None,
            layout: LAYOUT,
            drafts: Vec::new(),
        }
    }

    fn place(environment: &str) -> Context {
        Context { environment: environment.into(), ..Context::default() }
    }

    fn record(id: &str, entry: Entry) -> Record {
        Record { at: jiff::Timestamp::UNIX_EPOCH, operation: id.into(), entry }
    }

    fn intent(id: &str) -> Record {
        record(id, Entry::Intent { caller: "me".into(), plan: Box::new(plan(id)) })
    }

    #[tokio::test]
    async fn an_intent_without_an_outcome_is_unfinished() {
        let directory = tempfile::tempdir().unwrap();
        {
            let audit = Audit::open(directory.path()).unwrap();
            audit.append(intent("a")).await.unwrap();
            audit.append(intent("b")).await.unwrap();
            let facts = Facts::of(Fact::Deployment("time".into()), "ecs-svc/2");
            audit.append(record("a", Entry::Done { step: 0, facts, note: Note::Done })).await.unwrap();
            audit.append(record("a", Entry::Paused { reason: "left".into(), step: Some(1) })).await.unwrap();
            audit.append(record("b", Entry::Outcome { outcome: Outcome::Done })).await.unwrap();
        }
        let mut file = OpenOptions::new().append(true).open(directory.path().join("audit.jsonl")).unwrap();
        file.write_all(b"{\"at\":\"cut by a cra").unwrap();
        let audit = Audit::open(directory.path()).unwrap();
        let open = audit.unfinished(&place("local")).unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].id(), "a");
        assert_eq!(open[0].phase, Phase::Paused { step: Some(1), why: "left".into() });
        assert!(open[0].done.contains_key(&0) && open[0].facts().contains(&Fact::Deployment("time".into())));
        assert!(audit.unfinished(&place("prod")).unwrap().is_empty());
        let elsewhere = Context { region: "eu-west-1".into(), ..place("local") };
        assert!(audit.unfinished(&elsewhere).unwrap().is_empty());
        audit.append(intent("c")).await.unwrap();
        assert_eq!(audit.unfinished(&place("local")).unwrap().len(), 1, "only c's own process works on it");
        drop(audit);
        assert_eq!(audit_ids(directory.path()), ["a", "b", "a", "a", "b", "c"], "nothing is lost but what was cut");
    }

    fn audit_ids(directory: &Path) -> Vec<String> {
        let records = Audit::open(directory).unwrap().records().unwrap();
        records.into_iter().map(|record| record.operation).collect()
    }

    #[tokio::test]
    async fn the_file_is_private_and_a_second_process_is_kept_out() {
        let directory = tempfile::tempdir().unwrap();
        let first = Audit::open(directory.path()).unwrap();
        let second = Audit::open(directory.path()).unwrap();
        first.append(intent("a")).await.unwrap();
        let mode = fs::metadata(first.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(second.unfinished(&place("local")).unwrap().is_empty(), "someone works on it");
        let refused = second.append(record("a", Entry::Started { step: 0, title: "x".into() })).await;
        assert!(refused.unwrap_err().to_string().contains("another quarterdeck"));
    }

    #[tokio::test]
    async fn an_audit_in_a_directory_that_cannot_be_made_is_not_opened() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Audit::open(&file.path().join("below-a-file")).is_err());
    }
}
