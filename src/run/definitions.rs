//! Where the containers of task definitions log, kept in a file between runs. A task definition never changes and no
//! revision is used twice (ECS developer guide, "Amazon ECS task definition states"), so what was read stays true.
//! The file is a help and no more: what cannot be read or written costs a few calls.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::private;
use crate::core::logs::ContainerLog;

/// Most that are kept.
const MOST: usize = 2_000;
/// Longest file that is read and written, in bytes.
const LONGEST: u64 = 1_024 * 1_024;
/// What a task definition says is worked out anew by another version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

type ContainerLogs = HashMap<String, Vec<ContainerLog>>;

/// The file.
#[derive(Debug, Clone)]
pub struct Definitions(PathBuf);

#[derive(Serialize, Deserialize)]
struct Kept {
    version: String,
    logs: ContainerLogs,
}

impl Definitions {
    /// The file in this directory.
    pub fn within(state: &Path) -> Self {
        Self(state.join("task-definitions.json"))
    }

    /// What runs before have kept, by ARN; nothing where there is no file, or none of this version.
    pub fn load(&self) -> ContainerLogs {
        match self.read() {
            Ok(logs) => logs,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, "{} is not used", self.0.display());
                }
                ContainerLogs::default()
            }
        }
    }

    /// Keeps these, and of what is kept already as many as there is room for.
    pub fn save(&self, used: &ContainerLogs) {
        let mut logs = self.load();
        logs.retain(|arn, _| !used.contains_key(arn));
        let room = MOST.saturating_sub(used.len());
        let logs = used.clone().into_iter().take(MOST).chain(logs.into_iter().take(room)).collect();
        if let Err(error) = self.write(&Kept { version: VERSION.to_owned(), logs }) {
            tracing::warn!(%error, "{} could not be written", self.0.display());
        }
    }

    fn read(&self) -> io::Result<ContainerLogs> {
        let file = private::open(&self.0, OpenOptions::new().read(true))?;
        private::keep(&self.0, &file.metadata()?)?;
        let mut text = String::new();
        file.take(LONGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
        }
        let kept: Kept = serde_json::from_str(&text)?;
        Ok(if kept.version == VERSION { kept.logs } else { ContainerLogs::default() })
    }

    /// Writes beside it and takes its place, so that nobody reads half of it.
    fn write(&self, kept: &Kept) -> io::Result<()> {
        let text = serde_json::to_vec(kept)?;
        if text.len() as u64 > LONGEST {
            return Err(io::Error::other(format!("it would be longer than {LONGEST} bytes")));
        }
        let beside = self.0.with_extension(format!("json.{}", std::process::id()));
        let mut options = OpenOptions::new();
        let written = private::open(&beside, options.create(true).truncate(true).write(true).mode(0o600))
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&beside, &self.0));
        if written.is_err() {
            // It is of no use to anybody; what it says is why it was not written.
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::logs::{Destination, Streams};
    use rstest::rstest;
    use std::os::unix::fs::PermissionsExt;

    fn logs(definitions: impl IntoIterator<Item = usize>) -> ContainerLogs {
        let log = |at: usize| {
            let to = Destination::Group { group: format!("/x/{at}"), streams: Streams::Tasks { prefix: "app".into() } };
            (format!("arn:{at}"), vec![ContainerLog { container: "app".into(), to }])
        };
        definitions.into_iter().map(log).collect()
    }

    #[test]
    fn what_was_kept_is_there_for_the_next_run_and_for_nobody_else() {
        let home = tempfile::tempdir().unwrap();
        let file = Definitions::within(home.path());
        file.save(&logs(0..3));
        file.save(&logs(2..5));
        assert_eq!(file.load(), logs(0..5));
        assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn it_is_bounded_and_what_is_in_use_stays() {
        let home = tempfile::tempdir().unwrap();
        let file = Definitions::within(home.path());
        file.save(&logs(0..MOST));
        file.save(&logs(MOST..MOST + 10));
        let kept = file.load();
        assert_eq!(kept.len(), MOST);
        assert!((MOST..MOST + 10).all(|at| kept.contains_key(&format!("arn:{at}"))));
    }

    #[rstest]
    #[case::not_there(None)]
    #[case::empty(Some(""))]
    #[case::torn(Some("{\"version\":\"0"))]
    #[case::of_another_version(Some("{\"version\":\"0.0.0\",\"logs\":{\"arn:1\":[]}}"))]
    #[case::of_something_else(Some("[1, 2]"))]
    fn a_damaged_file_is_no_failure(#[case] text: Option<&str>) {
        let home = tempfile::tempdir().unwrap();
        let file = Definitions::within(home.path());
        if let Some(text) = text {
            fs::write(&file.0, text).unwrap();
        }
        assert!(file.load().is_empty());
        file.save(&logs(0..2));
        assert_eq!(file.load(), logs(0..2));
    }

    #[test]
    fn where_it_cannot_be_written_nothing_fails() {
        let home = tempfile::tempdir().unwrap();
        let file = Definitions(home.path().join("not-there/x.json"));
        file.save(&logs(0..1));
        assert!(file.load().is_empty());
    }
}
