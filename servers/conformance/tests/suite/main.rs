//! The official conformance suite against a gangway server, once for each revision
//! of the protocol.
//!
//! What does not apply is in `not-applicable/`, in the suite's own format and with
//! the reasons. The suite fails if anything else fails or warns, and if something
//! in the list passes.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

mod proxy;
mod results;
#[path = "../../../gangway/tests/support/mod.rs"]
mod support;

use std::fmt::Write;
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
        config.allowed_hosts = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned).to_vec();
        config.allowed_origins = ["http://127.0.0.1:*", "http://localhost:*"].map(str::to_owned).to_vec();
    })
    .await;
    let refused = server.post(&support::list()).send().await.unwrap();
    assert_eq!(refused.status(), 401, "the token check is on");
    server
}

async fn examine(suite: &Suite, revision: &str) -> Run {
    let server = start().await;
    let address = proxy::start(server.address, token(0, &support::machine_claims())).await;
    let url = format!("http://{address}/clock/mcp");
    let results = suite.folder.join("results").join(revision);
    // Of an earlier run; there may be none.
    let _ = std::fs::remove_dir_all(&results);
    let list = format!("{}/not-applicable/{revision}.yml", env!("CARGO_MANIFEST_DIR"));
    let list = Path::new(&list);
    let mut run = Run::new(revision, results::listed(list));
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
    let mut failed = String::new();
    let mut counts = String::new();
    for revision in RUNS {
        let run = examine(&suite, revision).await;
        println!("\n{revision}");
        for row in &run.rows {
            println!("  {row}");
        }
        writeln!(counts, "{}", run.counts()).unwrap();
        failed += &run.problems();
    }
    println!("\n{counts}");
    assert!(failed.is_empty(), "{failed}");
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
