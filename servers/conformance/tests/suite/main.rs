//! The official conformance suite against a gangway server, once for each revision
//! of the protocol; and against the same server as a process that knows nothing of
//! gangway, with `gangway run` in front of it.
//!
//! What does not apply is in `not-applicable/`, in the suite's own format and with
//! the reasons; what does not apply besides in front of another server, in its
//! folder `front/`, and in `front/earlier/` where that server is of an earlier era
//! alone. The suite fails if anything else fails or warns, and if something
//! in the list passes.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

mod front;
mod proxy;
mod results;
#[path = "../../../gangway/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use gangway_conformance::Fixtures;
use results::{Row, Run};
use support::issuer::{Issuer, token};
use support::server::{Running, start_server};
use tokio::process::Command;

/// The suite's extension scenarios belong to no revision; they are asked for one by one.
const EXTENSIONS: &str = "extensions";
const RUNS: [&str; 4] = ["2025-06-18", "2025-11-25", "2026-07-28", EXTENSIONS];

/// What the suite calls the server, and from where.
const HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
const ORIGINS: [&str; 2] = ["http://127.0.0.1:*", "http://localhost:*"];

/// Where the suite and its Node were installed, and where its results go.
struct Suite {
    folder: PathBuf,
    node: PathBuf,
}

impl Suite {
    fn find() -> Self {
        let folder = std::env::var("GANGWAY_CONFORMANCE").expect("GANGWAY_CONFORMANCE: run `make conformance`");
        let folder = PathBuf::from(folder).canonicalize().expect("GANGWAY_CONFORMANCE is a folder");
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let node = folder.join(format!("node_modules/node-linux-{architecture}/bin/node"));
        // Elsewhere than on Linux there is no Node among the packages.
        let node = if node.is_file() { node } else { PathBuf::from("node") };
        Self { folder, node }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.node);
        command.current_dir(&self.folder).arg("node_modules/@modelcontextprotocol/conformance/dist/index.js");
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// The names of the scenarios that belong to extensions.
    async fn extensions(&self) -> Vec<String> {
        let listed = self.command(&["list", "--server"]).output().await.unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let text = String::from_utf8(listed.stdout).unwrap();
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("- ")?.strip_suffix(" [extension]"));
        names.map(str::to_owned).collect()
    }

    /// Runs scenarios; true if their results are the expected ones.
    async fn run(&self, url: &str, results: &Path, not_applicable: &Path, which: &[&str]) -> (bool, String) {
        let (results, not_applicable) = (results.to_str().unwrap(), not_applicable.to_str().unwrap());
        let common = ["server", "--url", url, "--output-dir", results, "--expected-failures", not_applicable];
        let output = self.command(&[&common, which].concat()).output().await.unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.success(), text)
    }
}

/// The endpoint, which answers nobody without a token.
async fn start() -> Running<Fixtures> {
    let server = start_server(Issuer::start().await, Fixtures::new().unwrap(), &[], |config| {
        config.allowed_hosts = HOSTS.map(str::to_owned).to_vec();
        config.allowed_origins = ORIGINS.map(str::to_owned).to_vec();
    })
    .await;
    let refused = server.post(&support::list()).send().await.unwrap();
    assert_eq!(refused.status(), 401, "the token check is on");
    server
}

/// The list of what does not apply, in the suite's format, made of those in several folders.
fn list_for(revision: &str, folders: &[&str], results: &Path) -> (PathBuf, BTreeSet<String>) {
    let file = |folder: &&str| PathBuf::from(format!("{}/{folder}/{revision}.yml", env!("CARGO_MANIFEST_DIR")));
    let names: BTreeSet<_> =
        folders.iter().map(file).filter(|file| file.is_file()).flat_map(|file| results::listed(&file)).collect();
    let list = results.with_extension("yml");
    std::fs::create_dir_all(list.parent().unwrap()).unwrap();
    std::fs::write(&list, serde_json::json!({ "server": names }).to_string()).unwrap();
    (list, names)
}

/// Runs the scenarios of one revision against the server at `address`. `lists` are folders of what does not apply;
/// `results` is where the suite writes.
async fn examine(suite: &Suite, revision: &str, address: SocketAddr, lists: &[&str], results: &str) -> Run {
    let address = proxy::start(address, token(0, &support::machine_claims())).await;
    let url = format!("http://{address}/clock/mcp");
    let results = suite.folder.join(results).join(revision);
    // Of an earlier run; there may be none.
    let _ = std::fs::remove_dir_all(&results);
    let (list, names) = list_for(revision, lists, &results);
    let list = list.as_path();
    let mut run = Run::new(revision, names);
    if revision == EXTENSIONS {
        for scenario in suite.extensions().await {
            let (expected, text) = suite.run(&url, &results, list, &["--scenario", &scenario]).await;
            run.note(expected, &text);
        }
    } else {
        let which = ["--suite", "all", "--spec-version", revision];
        let (expected, text) = suite.run(&url, &results, list, &which).await;
        run.note(expected, &text);
    }
    run.read(&results);
    run
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the suite: make conformance"]
async fn every_applicable_scenario_passes() {
    let suite = Suite::find();
    let mut told = Told::default();
    for revision in RUNS {
        let server = start().await;
        told.add("", &examine(&suite, revision, server.address, &["not-applicable"], "results").await);
    }
    told.judge();
}

/// A server that knows nothing of gangway.
struct Behind {
    transport: &'static str,
    /// The revisions that it speaks: `earlier` or `newest` alone; `None` is all.
    speaks: Option<&'static str>,
}

/// Each transport with each era, and with both.
const BEHIND: [Behind; 6] = [
    Behind { transport: "http", speaks: None },
    Behind { transport: "stdio", speaks: None },
    Behind { transport: "http", speaks: Some("earlier") },
    Behind { transport: "stdio", speaks: Some("earlier") },
    Behind { transport: "http", speaks: Some("newest") },
    Behind { transport: "stdio", speaks: Some("newest") },
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the suite: make conformance"]
async fn every_applicable_scenario_passes_with_gangway_in_front() {
    let suite = Suite::find();
    let mut told = Told::default();
    for Behind { transport, speaks } in BEHIND {
        let what = format!("in front, {transport}, {}: ", speaks.unwrap_or("all revisions"));
        let own = format!("not-applicable/front/{}", speaks.unwrap_or_default());
        let lists = ["not-applicable", "not-applicable/front", &own];
        for revision in RUNS {
            let front = front::start(transport, speaks).await;
            let results = format!("results-front-{transport}-{}", speaks.unwrap_or("all"));
            told.add(&what, &examine(&suite, revision, front.address, &lists, &results).await);
        }
    }
    told.judge();
}

/// What came of the runs.
#[derive(Default)]
struct Told {
    failed: String,
    counts: String,
}

impl Told {
    fn add(&mut self, what: &str, run: &Run) {
        println!("\n{what}{}", run.revision);
        for row in &run.rows {
            println!("  {row}");
        }
        writeln!(self.counts, "{what}{}", run.counts()).unwrap();
        self.failed += &run.problems();
    }

    fn judge(&self) {
        println!("\n{}", self.counts);
        assert!(self.failed.is_empty(), "{}", self.failed);
    }
}

#[test]
fn a_row_tells_passed_from_failed() {
    let checks = serde_json::json!([
        { "id": "a", "status": "SUCCESS" }, { "id": "b", "status": "WARNING", "errorMessage": "not so" },
        { "id": "c", "status": "INFO" },
    ]);
    let row = Row::new("caching", &checks, false);
    assert_eq!((row.passed, row.failed), (1, 1));
    assert_eq!(row.to_string(), format!("FAILED          {:<48} 1/2    not so", "caching"));
    let schema = serde_json::json!([{ "id": "wire-schema-valid", "status": "SUCCESS" }]);
    assert!(Row::new("skills", &schema, false).to_string().starts_with("nothing there"));
}
