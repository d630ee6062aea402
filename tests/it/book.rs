//! The book in `docs/`: its summary, its links, and the tests that it names. `scripts/book` builds it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Markdown files below a folder of the repository, by their path in it.
fn pages(folder: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let inside = path.strip_prefix(root()).unwrap().to_owned();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules") {
            found.extend(pages(inside.to_str().unwrap()));
        } else if path.extension().is_some_and(|kind| kind == "md") {
            found.insert(inside);
        }
    }
    found
}

/// The text without what is code.
fn prose(text: &str) -> String {
    let mut code = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            let parts = line.split('`').step_by(2);
            kept.push_str(&parts.collect::<Vec<_>>().join(""));
            kept.push('\n');
        }
    }
    kept
}

/// Where the links of a page lead: `[text](here)`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(|target| target.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

/// The anchor that GitHub and mdBook both give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        code ^= line.trim_start().starts_with("```");
        if let Some(heading) = line.strip_prefix('#').filter(|_| !code) {
            found.insert(anchor(heading.trim_start_matches('#')));
        }
    }
    found
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} leaves the repository", path.display()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// What is wrong with the links of a page, which is at this path in the repository.
fn broken(page: &Path, text: &str) -> Vec<String> {
    let folder = page.parent().unwrap_or(Path::new(""));
    let mut wrong = Vec::new();
    for link in links(text).iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
        let (file, heading) =
            link.split_once('#').map_or((link.as_str(), None), |(file, heading)| (file, Some(heading)));
        let target = if file.is_empty() { page.to_owned() } else { plain(&folder.join(file)) };
        let there = root().join(&target);
        if !there.exists() {
            wrong.push(format!("{}: {link}: there is no {}", page.display(), target.display()));
        } else if let Some(heading) = heading
            && target.extension().is_some_and(|kind| kind == "md")
            && !anchors(&read(&there)).contains(heading)
        {
            wrong.push(format!("{}: {link}: {} has no such heading", page.display(), target.display()));
        }
    }
    wrong
}

#[test]
fn the_summary_names_every_page_of_the_book_and_no_other() {
    let summary = read(&root().join("docs/SUMMARY.md"));
    let named: BTreeSet<PathBuf> = links(&summary).iter().map(|link| Path::new("docs").join(link)).collect();
    let mut there = pages("docs");
    there.remove(Path::new("docs/SUMMARY.md"));
    assert_eq!(named, there);
}

#[test]
fn every_link_of_the_repository_leads_somewhere() {
    let of_the_root = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    let mut all: BTreeSet<PathBuf> = of_the_root.iter().map(PathBuf::from).collect();
    for folder in ["docs", "servers", "stack", "packaging"] {
        all.extend(pages(folder));
    }
    let wrong: Vec<String> = all.iter().flat_map(|page| broken(page, &read(&root().join(page)))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong between the pages of the operator's guide and their pictures: each page is about something that was seen.
fn unseen(pages: &[(String, String)], pictures: &BTreeSet<String>) -> Vec<String> {
    let of = |text: &str| -> BTreeSet<String> {
        let all = links(text).into_iter().filter_map(|link| Some(link.strip_prefix("pictures/")?.to_owned()));
        all.collect()
    };
    let shown: BTreeSet<String> = pages.iter().flat_map(|(_, text)| of(text)).collect();
    let without = pages.iter().filter(|(_, text)| of(text).is_empty());
    let without = without.map(|(page, _)| format!("{page} has no picture"));
    without.chain(pictures.difference(&shown).map(|picture| format!("no page shows {picture}"))).collect()
}

#[test]
fn every_incident_has_a_picture_and_every_picture_its_incident() {
    let folder = root().join("docs/incidents");
    let mut all = pages("docs/incidents");
    // A list of the others, and a table that is made of code.
    ["README.md", "matrix.md"].iter().for_each(|page| assert!(all.remove(&Path::new("docs/incidents").join(page))));
    let pages: Vec<(String, String)> =
        all.iter().map(|page| (page.display().to_string(), read(&root().join(page)))).collect();
    let pictures = fs::read_dir(folder.join("pictures")).unwrap();
    let pictures = pictures.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(unseen(&pages, &pictures), [""; 0]);
    let told =
        unseen(&[("a".into(), "[x](pictures/x.png)".into()), ("b".into(), String::new())], &["y.png".into()].into());
    assert_eq!(told, ["b has no picture", "no page shows y.png"]);
}

#[test]
fn a_link_that_leads_nowhere_is_seen() {
    let page = Path::new("docs/start.md");
    for (text, count) in [
        ("[a](install.md) [b](../README.md) [c](https://example.com/x)", 0),
        ("[a](nowhere.md)", 1),
        ("[a](install.md#no-such-heading) and [b](#nor-this)", 2),
        ("`[a](nowhere.md)`\n```\n[b](nowhere.md)\n```", 0),
    ] {
        assert_eq!(broken(page, text).len(), count, "{text}");
    }
}

/// `FILE::NAME` and `FILE` between backquotes.
#[test]
fn every_test_that_the_book_names_exists() {
    let page = read(&root().join("docs/promises.md"));
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Promise"));
    let mut count = 0;
    for row in rows {
        let tests: Vec<&str> = row.rsplit_once("| `").map(|(_, cell)| cell).unwrap_or_default().split('`').collect();
        let named: Vec<&str> = tests.into_iter().filter(|name| name.contains('/')).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            let (file, test) = name.split_once("::").map_or((name, None), |(file, test)| (file, Some(test)));
            let text = read(&root().join(file));
            assert!(test.is_none_or(|test| text.contains(&format!("fn {test}("))), "{name} does not exist");
            count += 1;
        }
    }
    assert!(count > 40, "{count} tests");
}
