//! The program where its own files cannot be written, are damaged, or belong to somebody else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::pty::{self, Console};
use crate::support::scripted::{Reply, Scripted};
use rstest::rstest;
use serde_json::json;

/// What a command printed, and its exit code.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A home directory, and a cloud in which there is nothing.
struct Place {
    home: tempfile::TempDir,
    cloud: Scripted,
    runtime: tokio::runtime::Runtime,
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

impl Place {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let nothing = Reply::json(200, json!({ "serviceArns": [] }));
        let cluster = json!({ "clusterName": "quarterdeck-x", "clusterArn": "arn:x", "status": "ACTIVE" });
        let cluster = Reply::json(200, json!({ "clusters": [cluster] }));
        let script = [("ListServices", vec![nothing]), ("DescribeClusters", vec![cluster])];
        let cloud = runtime.block_on(Scripted::script(script));
        Self { home: tempfile::tempdir().unwrap(), cloud, runtime }
    }

    fn state(&self) -> PathBuf {
        self.home.path().join("state/quarterdeck")
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["--endpoint-url", &self.cloud.url, "--region", "us-east-1", "-e", "x"], args].concat()
    }

    fn run(&self, args: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(self.args(args)).current_dir(self.home.path()).stdin(Stdio::null());
        for name in pty::NOT_INHERITED {
            command.env_remove(name);
        }
        let output = command.envs(pty::homes(self.home.path())).envs(KEYS).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// All calls that the cloud got.
    fn calls(&self) -> usize {
        let _runs = &self.runtime;
        ["ListServices", "DescribeServices", "GetCallerIdentity", "UpdateService"]
            .iter()
            .map(|call| self.cloud.count(call))
            .sum()
    }
}

fn file_in_its_place(state: &Path) {
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    fs::write(state, "").unwrap();
}

/// A directory that this user can read only. Root can write every one, but not make it its own.
fn not_ours(state: &Path) {
    fs::create_dir_all(state).unwrap();
    if chown(state, Some(65_534), None).is_err() {
        fs::set_permissions(state, fs::Permissions::from_mode(0o500)).unwrap();
    }
}

fn no_directory_below(state: &Path) {
    fs::create_dir_all(state).unwrap();
    fs::write(state.join("operations"), "").unwrap();
}

fn fifo(state: &Path) {
    fs::create_dir_all(state).unwrap();
    for name in ["audit.jsonl", "quarterdeck.log"] {
        assert!(Command::new("mkfifo").arg(state.join(name)).status().unwrap().success());
    }
}

#[rstest]
#[case(file_in_its_place, "state/quarterdeck")]
#[case(not_ours, "state/quarterdeck: ")]
#[case(no_directory_below, "quarterdeck/operations: ")]
#[case(fifo, "audit.jsonl: it is a FIFO")]
fn what_cannot_be_recorded_is_refused_and_reading_goes_on(#[case] spoil: fn(&Path), #[case] why: &str) {
    let place = Place::new();
    spoil(&place.state());
    let status = place.run(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    assert!(status.out.contains("no server in cluster"), "{}", status.out);
    let warned = status.err.matches("nothing can be recorded").count();
    assert!(warned == 1 && status.err.contains(why), "{}", status.err);
    let before = place.calls();
    for write in
        [&["restart", "time"][..], &["scale", "time", "--desired", "2"], &["deploy"], &["clients", "rotate", "c"]]
    {
        let refused = place.run(&[write, &["--yes"]].concat());
        assert_eq!(refused.code, Some(4), "{write:?}: {}", refused.err);
        assert!(refused.err.contains("refused, nothing was done") && refused.err.contains(why), "{}", refused.err);
    }
    assert_eq!(place.calls(), before, "nothing was even read");

    let args = place.args(&[]);
    let console = Console::start(place.home.path(), (120, 40), &args, KEYS);
    let screen = console.wait_for("nothing can be recorded", Duration::from_secs(5));
    assert!(screen.to_lowercase().contains("read-only"), "{screen}");
}

#[test]
fn the_audit_says_which_lines_cannot_be_read() {
    let place = Place::new();
    assert!(place.run(&["audit"]).err.contains("holds nothing yet"));
    let outcome = r#"{"at":"2026-01-31T03:00:00Z","operation":"op-1","entry":"outcome","outcome":{"result":"done"}}"#;
    fs::write(place.state().join("audit.jsonl"), format!("nonsense\n{outcome}\nnull\n{{}}\n7\n{{\"at\":")).unwrap();
    let audit = place.run(&["audit"]);
    assert_eq!(audit.code, Some(0), "{}", audit.err);
    let warning: Vec<&str> = audit.err.lines().filter(|line| line.contains("cannot be read")).collect();
    assert_eq!(warning.len(), 1, "{}", audit.err);
    for part in ["line 1 cannot be read", "line 3 cannot", "line 4 cannot", "1 more line cannot", "line 6 is cut off"] {
        assert!(warning[0].contains(part), "{part}: {}", warning[0]);
    }
    // The file was made by an editor's or a copy's default mode.
    assert!(audit.err.contains("audit.jsonl was open to other users"), "{}", audit.err);
    assert!(!place.run(&["audit"]).err.contains("was open"));

    let args = place.args(&[]);
    let console = Console::start(place.home.path(), (160, 40), &args, KEYS);
    console.wait_for("line 1 cannot be read", Duration::from_secs(5));
}
