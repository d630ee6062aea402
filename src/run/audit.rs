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

use super::private;
use crate::core::identity::Context;
use crate::core::operation::record::{Entry, Record};
use crate::core::operation::{Operation, Phase};
use crate::core::text::{count, sanitise};

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
    /// `None` if there is no place for one.
    directory: Option<PathBuf>,
    barred: Option<String>,
    mended: Vec<String>,
    writer: mpsc::Sender<(Record, oneshot::Sender<io::Result<()>>)>,
}

impl Audit {
    /// The audit in this directory, which is made (0700) if it does not exist. Where it cannot be written,
    /// it can still be read, and says why it is [`barred`](Self::barred).
    ///
    /// # Errors
    /// When the writer's thread cannot be started.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let mut mended = Vec::new();
        let barred = prepare(directory, &mut mended).err();
        Self::start(Some(directory), barred, mended)
    }

    /// The audit where there is no place for one: it is empty, and barred for this reason.
    ///
    /// # Errors
    /// When the writer's thread cannot be started.
    pub fn nowhere(why: String) -> io::Result<Self> {
        Self::start(None, Some(why), Vec::new())
    }

    fn start(directory: Option<&Path>, barred: Option<String>, mended: Vec<String>) -> io::Result<Self> {
        let (writer, records) = mpsc::channel::<(Record, oneshot::Sender<io::Result<()>>)>();
        let disk = directory.filter(|_| barred.is_none());
        let mut disk = disk.map(|directory| Disk { directory: directory.to_owned(), locks: HashMap::new() });
        let why = barred.clone().unwrap_or_default();
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            for (record, done) in records {
                // A reader that is gone no longer cares.
                let _ = done.send(match &mut disk {
                    Some(disk) => disk.write(&record),
                    None => Err(io::Error::other(why.clone())),
                });
            }
        })?;
        Ok(Self { directory: directory.map(Path::to_owned), barred, mended, writer })
    }

    /// Why nothing can be recorded, and so nothing may be written; `None` if all is well.
    pub fn barred(&self) -> Option<&str> {
        self.barred.as_deref()
    }

    /// What the operator must be told when the program starts, each as a sentence.
    pub fn warnings(&self) -> Vec<String> {
        let refused = |why| format!("nothing can be recorded, so every write is refused until this is mended: {why}");
        self.mended.iter().cloned().chain(self.barred().map(refused)).collect()
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
        self.directory.as_deref().unwrap_or(Path::new("")).join(FILE)
    }

    /// All records, oldest first. A line that a crash cut off is left out, as is any other line that
    /// cannot be read; [`read`](Self::read) tells of them.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn records(&self) -> io::Result<Vec<Record>> {
        self.read().map(|contents| contents.records)
    }

    /// All that the file holds, with what of it cannot be read.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn read(&self) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let Some(directory) = &self.directory else { return Ok(contents) };
        let file = match private::open(&directory.join(FILE), OpenOptions::new().read(true)) {
            Ok(file) => file,
            // Where there is no directory there is no file, either.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(contents);
            }
            Err(error) => return Err(error),
        };
        let (mut file, mut line) = (BufReader::new(file), Vec::new());
        for number in 1.. {
            line.clear();
            if file.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            contents.take(number, &line);
        }
        Ok(contents)
    }

    /// Operations in this environment, region and endpoint that have an intent but no outcome and that no
    /// process works on. The account is not compared: whoever resumes one must do that.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn unfinished(&self, place: &Context) -> io::Result<Vec<Operation>> {
        let mut open = self.unfinished_anywhere()?;
        open.retain(|operation| operation.plan.target.is_in(place));
        Ok(open)
    }

    /// The same of every place that was worked on from this machine.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn unfinished_anywhere(&self) -> io::Result<Vec<Operation>> {
        // Where no lock can be taken, nothing can be resumed, either, and all of them can be shown.
        let free = |operation: &Operation| match &self.directory {
            Some(directory) if self.barred.is_none() => lock(directory, operation.id()).is_ok(),
            _ => true,
        };
        Ok(restore(self.records()?).into_iter().filter(free).collect())
    }
}

/// Name of the file in the directory.
const FILE: &str = "audit.jsonl";
/// How many lines that cannot be read are named.
const NAMED: usize = 3;

/// What the audit's file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Lines that cannot be read: the number, from 1, and why.
    pub unread: Vec<(usize, String)>,
    /// The last line, if it has no end: a process is writing it, or was cut off while it did.
    pub cut: Option<usize>,
}

impl Contents {
    fn take(&mut self, number: usize, line: &[u8]) {
        // An empty line comes after one that was cut off.
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(record) => self.records.push(record),
            Err(_) if !line.ends_with(b"\n") => self.cut = Some(number),
            Err(error) => {
                let error = error.to_string();
                // It says "line 1" of every line.
                let why = error.rsplit_once(" at line ").map_or(error.as_str(), |(why, _)| why);
                self.unread.push((number, sanitise(why)));
            }
        }
    }

    /// What cannot be read, as one sentence; `None` if all can be.
    pub fn trouble(&self) -> Option<String> {
        let named = self.unread.iter().take(NAMED);
        let mut parts: Vec<String> = named.map(|(line, why)| format!("line {line} cannot be read: {why}")).collect();
        if let Some(more) = self.unread.len().checked_sub(NAMED).filter(|more| *more > 0) {
            parts.push(format!("and {} cannot be read", count(more, "more line")));
        }
        if let Some(line) = self.cut {
            parts.push(format!("line {line} is cut off: it is being written, or was when a process ended"));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Makes the directory ready to be written, or says what is in the way.
fn prepare(directory: &Path, mended: &mut Vec<String>) -> Result<(), String> {
    let operations = directory.join("operations");
    for folder in [directory, &operations] {
        mended.extend(private_folder(folder).map_err(|error| format!("{}: {error}", folder.display()))?);
    }
    let file = directory.join(FILE);
    mended.extend(private_file(&file).map_err(|error| format!("{}: {error}", file.display()))?);
    Ok(())
}

fn private_folder(path: &Path) -> io::Result<Option<String>> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mended = private::keep(path, &fs::metadata(path)?)?;
    private::writable(path)?;
    Ok(mended)
}

fn private_file(path: &Path) -> io::Result<Option<String>> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        // The first record makes it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mended = private::keep(path, &found)?;
    private::open(path, OpenOptions::new().append(true))?;
    Ok(mended)
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
    let file = private::open(&path, OpenOptions::new().create(true).append(true).mode(0o600))?;
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
        let path = self.directory.join(FILE);
        let mut file = private::open(&path, OpenOptions::new().create(true).read(true).append(true).mode(0o600))?;
        // It may not be the file that was there at the start.
        if let Some(mended) = private::keep(&path, &file.metadata()?)? {
            tracing::warn!("{mended}");
        }
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
            trials: Vec::new(),
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
    async fn an_audit_in_a_directory_that_cannot_be_made_is_empty_and_takes_no_record() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let below = file.path().join("below-a-file");
        for audit in [Audit::open(&below).unwrap(), Audit::nowhere("there is no place for it".into()).unwrap()] {
            let why = audit.barred().unwrap().to_owned();
            assert!(why.contains("below-a-file: Not a directory") || why.contains("no place"), "{why}");
            assert!(audit.warnings()[0].contains(&why));
            assert_eq!(audit.read().unwrap(), Contents::default());
            assert_eq!(audit.append(intent("a")).await.unwrap_err().to_string(), why);
        }
    }

    #[tokio::test]
    async fn a_mode_that_is_too_wide_is_mended_and_told_once() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let audit = Audit::open(directory.path()).unwrap();
        assert!(audit.warnings().is_empty() && audit.barred().is_none());
        audit.append(record("a", Entry::Outcome { outcome: Outcome::Done })).await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (path, mode) in [(directory.path(), 0o755), (&audit.path(), 0o664)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let opened = Audit::open(directory.path()).unwrap();
        let told = opened.warnings();
        assert!(told[0].contains("(mode 0755)") && told[1].contains("audit.jsonl was open"), "{told:?}");
        assert_eq!((mode(directory.path()), mode(&audit.path()), opened.barred()), (0o700, 0o600, None));
        assert!(Audit::open(directory.path()).unwrap().warnings().is_empty());
        // While it is open, too.
        fs::set_permissions(audit.path(), fs::Permissions::from_mode(0o644)).unwrap();
        opened.append(record("b", Entry::Outcome { outcome: Outcome::Done })).await.unwrap();
        assert_eq!((mode(&audit.path()), opened.records().unwrap().len()), (0o600, 2));
    }

    #[tokio::test]
    async fn what_is_no_file_is_refused_by_its_name_and_waited_for_by_nobody() {
        for (kind, command) in [
            ("a FIFO", "mkfifo audit.jsonl"),
            ("a FIFO", "mkfifo fifo && ln -s $PWD/fifo audit.jsonl"),
            ("a directory", "mkdir -m 700 audit.jsonl"),
            ("a socket", ""),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("audit.jsonl");
            let shell = format!("umask 077; {command}");
            let made = std::process::Command::new("sh").args(["-c", &shell]).current_dir(directory.path()).status();
            assert!(made.unwrap().success());
            let _socket = command.is_empty().then(|| std::os::unix::net::UnixListener::bind(&file).unwrap());
            let audit = Audit::open(directory.path()).unwrap();
            let why = audit.barred().unwrap_or_default().to_owned();
            assert!(why.contains("audit.jsonl") && why.contains(&format!("it is {kind}")), "{why}");
            assert!(audit.read().unwrap_err().to_string().contains(kind));
            assert!(audit.append(intent("a")).await.is_err());
            // Put in its place later.
            let directory = tempfile::tempdir().unwrap();
            let audit = Audit::open(directory.path()).unwrap();
            fs::rename(&file, audit.path()).unwrap();
            assert!(audit.append(intent("a")).await.unwrap_err().to_string().contains(kind));
        }
    }

    #[test]
    fn a_link_to_a_private_file_of_ours_is_followed() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), directory.path().join("audit.jsonl")).unwrap();
        assert_eq!(Audit::open(directory.path()).unwrap().barred(), None);
    }

    #[test]
    fn what_a_link_leads_to_is_not_changed() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), directory.path().join("audit.jsonl")).unwrap();
        let audit = Audit::open(directory.path()).unwrap();
        assert!(audit.barred().is_some_and(|why| why.to_string().contains("a link")));
        assert_eq!(fs::metadata(elsewhere.path()).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[tokio::test]
    async fn lines_that_cannot_be_read_are_counted_and_a_line_without_an_end_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let audit = Audit::open(directory.path()).unwrap();
        audit.append(record("a", Entry::Outcome { outcome: Outcome::Done })).await.unwrap();
        assert_eq!(audit.read().unwrap().trouble(), None);
        let whole = fs::read(audit.path()).unwrap();
        let mut file = OpenOptions::new().append(true).open(audit.path()).unwrap();
        file.write_all(&whole[..whole.len() - 5]).unwrap();
        let contents = audit.read().unwrap();
        assert_eq!((contents.records.len(), &*contents.unread, contents.cut), (1, &[][..], Some(2)));
        let trouble = contents.trouble().unwrap();
        assert!(trouble.starts_with("line 2 is cut off") && !trouble.contains("cannot be read"), "{trouble}");
        // The rest of it comes.
        file.write_all(&whole[whole.len() - 5..whole.len() - 1]).unwrap();
        assert_eq!((audit.read().unwrap().records.len(), audit.read().unwrap().trouble()), (2, None));
        file.write_all(b"\nnull\n{\"at\":\"\x1b[31m\"}\n\n\xff\nx\ny\n").unwrap();
        let contents = audit.read().unwrap();
        let lines: Vec<usize> = contents.unread.iter().map(|(line, _)| *line).collect();
        assert_eq!((contents.records.len(), &*lines, contents.cut), (2, &[3, 4, 6, 7, 8][..], None));
        let trouble = contents.trouble().unwrap();
        assert!(trouble.starts_with("line 3 cannot be read: ") && !trouble.contains("line 7"), "{trouble}");
        assert!(trouble.ends_with("; and 2 more lines cannot be read"), "{trouble}");
        assert!(!trouble.contains('\u{1b}') && !trouble.contains("line 1"), "{trouble}");
    }
}
