//! What a release is made by: `packaging/`, and the workflow that calls it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn packaging(script: &str, args: &[&str]) -> Output {
    Command::new(root().join("packaging").join(script)).args(args).output().unwrap()
}

fn manifest() -> toml::Table {
    text("Cargo.toml").parse().unwrap()
}

/// The actions of a workflow: name, commit, and the version in the comment behind it.
fn actions(workflow: &str) -> Vec<(String, String, String)> {
    let workflow = text(&format!(".github/workflows/{workflow}"));
    let uses = workflow.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "));
    uses.map(|action| {
        let (name, rest) = action.split_once('@').unwrap();
        let (commit, version) = rest.split_once(" # ").unwrap_or((rest, ""));
        (name.to_owned(), commit.to_owned(), version.to_owned())
    })
    .collect()
}

#[test]
fn every_action_is_pinned_by_its_commit() {
    let all = [actions("release.yml"), actions("ci.yml")].concat();
    assert!(all.len() > 8, "{all:?}");
    for (name, commit, version) in &all {
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}@{commit}");
        assert!(version.starts_with('v'), "{name}@{commit} does not say which version that is");
        let others = all.iter().filter(|(other, ..)| other == name);
        assert!(others.clone().all(|(_, other, _)| other == commit), "{name} has several versions");
    }
}

#[test]
fn only_the_version_of_the_tree_that_the_changelog_knows_is_released() {
    let refused = packaging("check", &["99.0.0"]);
    assert!(!refused.status.success());
    let version = env!("CARGO_PKG_VERSION");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(said.trim(), format!("Cargo.toml says version {version}, the tag says 99.0.0"));
    let checked = packaging("check", &[version]);
    let known = text("CHANGELOG.md")
        .lines()
        .any(|line| line.strip_prefix("## ").is_some_and(|title| title.trim_matches(['[', ']']).starts_with(version)));
    assert_eq!(checked.status.success(), known, "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_notes_of_a_release_are_what_the_changelog_says_of_it_alone() {
    let place = tempfile::tempdir().unwrap();
    let changelog = place.path().join("CHANGELOG.md");
    fs::write(
        &changelog,
        "# Changelog\n\n## Unreleased\n\nnext\n\n## [1.2.3] - 2026-11-27\n\n- now\n\n## 1.2\n\nold\n",
    )
    .unwrap();
    let notes = |version: &str| packaging("notes", &[version, changelog.to_str().unwrap()]);
    assert_eq!(String::from_utf8(notes("1.2.3").stdout).unwrap().trim(), "- now");
    assert_eq!(String::from_utf8(notes("1.2").stdout).unwrap().trim(), "old");
    let unknown = notes("1.2.4");
    assert!(!unknown.status.success() && unknown.stdout.is_empty(), "what the changelog does not know is not released");
    assert!(text(".github/workflows/release.yml").contains("packaging/notes \"${GITHUB_REF_NAME#v}\" >notes.md"));
}

/// The formula names what the workflow builds, by what it hashes to.
#[test]
fn the_formula_names_each_archive_with_its_hash() {
    let place = tempfile::tempdir().unwrap();
    for (processor, content) in [("x86_64", "a"), ("aarch64", "b")] {
        let name = format!("quarterdeck-1.2.3-{processor}-unknown-linux-musl.tar.gz");
        fs::write(place.path().join(name), content).unwrap();
    }
    let made = packaging("formula", &["1.2.3", place.path().to_str().unwrap()]);
    let formula = String::from_utf8(made.stdout).unwrap();
    for expected in [
        "releases/download/v1.2.3/quarterdeck-1.2.3-x86_64-unknown-linux-musl.tar.gz",
        // sha256 of "a" and of "b".
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
        "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
    ] {
        assert!(formula.contains(expected), "{expected}: {formula}");
    }
    let missing = packaging("formula", &["1.2.4", place.path().to_str().unwrap()]);
    assert!(!missing.status.success(), "an archive that is not there has no hash");
}

/// One name of an archive, in four places.
#[test]
fn archives_are_named_the_same_wherever_they_are_looked_for() {
    let manifest = manifest();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    assert!(text("packaging/build").contains("name=quarterdeck-$version-$target"));
    assert!(binstall["pkg-url"].as_str().unwrap().ends_with("/v{ version }/{ name }-{ version }-{ target }.tar.gz"));
    let targets: Vec<&str> = ["x86_64", "aarch64"].to_vec();
    for processor in targets {
        let musl = format!("{processor}-unknown-linux-musl");
        assert!(text(".github/workflows/release.yml").contains(&format!("target: {musl} ")), "{musl}");
        let gnu = &binstall["overrides"][format!("{processor}-unknown-linux-gnu").as_str()];
        assert!(gnu["pkg-url"].as_str().unwrap().ends_with(&format!("-{musl}.tar.gz")), "{gnu}");
        assert_eq!(
            gnu["bin-dir"].as_str().unwrap(),
            format!("{{ name }}-{{ version }}-{musl}/{{ bin }}{{ binary-ext }}")
        );
    }
}

#[test]
fn the_debian_package_holds_what_the_build_has_put_there() {
    let manifest = manifest();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let (build, pages) = (text("packaging/build"), text("packaging/pages"));
    for asset in assets {
        let source = asset[0].as_str().unwrap();
        let name = Path::new(source).file_name().unwrap().to_str().unwrap();
        let there = match source.strip_prefix("target/packaging/") {
            Some(_) => build.contains(&format!("$out/{name}")) || pages.contains(&format!("$2/{name}")),
            None => root().join(source).is_file(),
        };
        assert!(there, "{source}");
    }
}

/// The files that a source includes, its tests apart, from the root of the repository.
fn included(source: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(root().join(source)).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let names = code.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next());
    names.map(|name| normal(&source.parent().unwrap().join(name))).collect()
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut there, part| {
        match part {
            Component::ParentDir => assert!(there.pop(), "{}", path.display()),
            part => there.push(part),
        }
        there
    })
}

/// What crates.io gets compiles without the rest of the repository, and comes with its licences.
#[test]
fn the_published_package_holds_every_file_that_the_sources_include() {
    let listed = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--locked", "--offline", "--package", "quarterdeck"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: BTreeSet<&Path> = listed.lines().map(Path::new).collect();
    for file in ["Cargo.lock", "build.rs", "README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(listed.contains(Path::new(file)), "{file}");
    }
    let code =
        listed.iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs") && !file.ends_with("tests.rs"));
    let wanted: Vec<PathBuf> = code.flat_map(|file| included(file)).collect();
    assert!(wanted.contains(&PathBuf::from("servers/Containerfile")), "{wanted:?}");
    for file in wanted {
        assert!(listed.contains(file.as_path()), "{}", file.display());
    }
}

/// Whoever gets a binary gets the text of both licences with it.
#[test]
fn each_package_holds_both_licences() {
    let manifest = manifest();
    let deb = &manifest["package"]["metadata"]["deb"];
    let beside: Vec<&str> = deb["assets"].as_array().unwrap().iter().filter_map(|asset| asset[0].as_str()).collect();
    assert_eq!(deb["license-file"][0].as_str(), Some("LICENSE-MIT"));
    assert!(beside.contains(&"LICENSE-APACHE"), "{beside:?}");
    assert!(text("packaging/build").contains("LICENSE-MIT LICENSE-APACHE"));
}

/// The image is made of the archive alone, as the book says it.
#[test]
fn what_the_image_is_built_from_is_in_the_archive() {
    let (build, book) = (text("packaging/build"), text("docs/install.md"));
    assert!(build.contains("packaging/Containerfile \"$stage/$name\""));
    for file in text("packaging/Containerfile").lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let file = file.split(' ').next().unwrap();
        let copied = book.contains(&format!("{file} $name/")) || build.contains(&format!("$out/{file}\""));
        assert!(copied, "neither the archive has {file}, nor does the book say to put it there");
    }
}

/// A package that `docs/install.md` names as it is called.
#[test]
fn the_debian_package_has_the_version_alone() {
    assert_eq!(manifest()["package"]["metadata"]["deb"]["revision"].as_str(), Some(""));
    assert!(text("docs/install.md").contains("./quarterdeck_VERSION_ARCH.deb"));
}

/// What a release could not be tried on is not released.
#[test]
fn the_release_tries_everything_that_it_has_built() {
    let workflow = text(".github/workflows/release.yml");
    assert!(workflow.contains("\"RUSTUP_HOME=$HOME/.rustup\" TRY=required packaging/try dist ${{ matrix.target }}"));
    let place = tempfile::tempdir().unwrap();
    let refused = packaging("try", &[place.path().to_str().unwrap(), "x86_64-unknown-linux-musl"]);
    assert!(!refused.status.success(), "there is nothing to try");
}
