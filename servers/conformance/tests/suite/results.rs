//! What the suite wrote, as a table.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Value;

/// The scenarios named in a list of what does not apply.
pub fn listed(list: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(list).unwrap();
    let entries = text.lines().filter_map(|line| line.trim().strip_prefix("- "));
    entries.map(|entry| entry.trim().to_owned()).collect()
}

/// One scenario.
pub struct Row {
    scenario: String,
    listed: bool,
    /// Checks with a good result.
    pub passed: usize,
    /// Checks that failed or warned.
    pub failed: usize,
    /// The suite found nothing of this scenario to check.
    empty: bool,
    why: String,
}

impl Row {
    /// The row of `scenario` from its checks as the suite writes them.
    pub fn new(scenario: &str, checks: &Value, listed: bool) -> Self {
        // The suite checks the schema of all messages, whatever the scenario.
        let own = |check: &&Value| check["id"].as_str().is_some_and(|id| !id.starts_with("wire-schema"));
        let checks: Vec<_> = checks.as_array().into_iter().flatten().collect();
        let passed = checks.iter().filter(|check| check["status"] == "SUCCESS");
        let bad = |check: &&&Value| check["status"] == "FAILURE" || check["status"] == "WARNING";
        let failed: Vec<_> = checks.iter().filter(bad).collect();
        let why = failed.first().and_then(|check| check["errorMessage"].as_str().or(check["description"].as_str()));
        Self {
            scenario: scenario.to_owned(),
            listed,
            empty: failed.is_empty() && !passed.clone().any(own),
            passed: passed.count(),
            failed: failed.len(),
            why: why.unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.failed, self.listed) {
            _ if self.empty => "nothing there",
            (0, _) => "passed",
            (_, true) => "not applicable",
            (_, false) => "FAILED",
        };
        let why: String = self.why.lines().next().unwrap_or_default().chars().take(90).collect();
        let checks = format!("{}/{}", self.passed, self.passed + self.failed);
        write!(out, "{verdict:<15} {:<48} {checks:<6} {why}", self.scenario)
    }
}

/// All scenarios of one revision.
pub struct Run {
    pub revision: String,
    listed: BTreeSet<String>,
    pub rows: Vec<Row>,
    /// What the suite said where its verdict was not good.
    complaints: String,
}

impl Run {
    /// A run without results yet.
    pub fn new(revision: &str, listed: BTreeSet<String>) -> Self {
        Self { revision: revision.to_owned(), listed, rows: Vec::new(), complaints: String::new() }
    }

    /// Takes the suite's own verdict and its last words.
    pub fn note(&mut self, expected: bool, text: &str) {
        if !expected {
            let verdict = ["Stale baseline", "Unexpected failures"].iter().filter_map(|words| text.find(words)).min();
            self.complaints += text.get(verdict.unwrap_or(0)..).unwrap_or_default();
        }
    }

    /// Reads the checks from the folders `server-SCENARIO-TIME`.
    pub fn read(&mut self, results: &Path) {
        let folders = std::fs::read_dir(results).into_iter().flatten().map(|folder| folder.unwrap());
        for folder in folders {
            let name = folder.file_name().into_string().unwrap();
            // The time is `2026-07-28T12-00-00-000Z`: six parts.
            let scenario = name.strip_prefix("server-").unwrap_or(&name).rsplitn(7, '-').last().unwrap_or_default();
            let checks = std::fs::read_to_string(folder.path().join("checks.json")).unwrap_or_default();
            let checks: Value = serde_json::from_str(&checks).unwrap_or_default();
            self.rows.push(Row::new(scenario, &checks, self.listed.contains(scenario)));
        }
        self.rows.sort_by(|a, b| a.scenario.cmp(&b.scenario));
    }

    /// One line of figures.
    pub fn counts(&self) -> String {
        let (empty, rows): (Vec<_>, Vec<_>) = self.rows.iter().partition(|row| row.empty);
        let (listed, applicable): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.listed);
        let good = applicable.iter().filter(|row| row.failed == 0).count();
        let checks: usize = applicable.iter().map(|row| row.passed).sum();
        let all: usize = applicable.iter().map(|row| row.passed + row.failed).sum();
        format!(
            "{:<11} {good} of {} applicable scenarios passed, {checks} of {all} checks; \
             {} not applicable, {} with nothing to check",
            self.revision,
            applicable.len(),
            listed.len(),
            empty.len(),
        )
    }

    /// What is wrong; empty if nothing is.
    pub fn problems(&self) -> String {
        let mut problems = self.complaints.clone();
        if self.rows.is_empty() {
            problems += "no scenario was run";
        }
        for name in &self.listed {
            if !self.rows.iter().any(|row| row.scenario == *name) {
                problems += &format!("{name} is listed as not applicable, and was not run");
            }
        }
        if problems.is_empty() { problems } else { format!("\n{}: {problems}\n", self.revision) }
    }
}
