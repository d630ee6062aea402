//! What a release is made by: `packaging/`, and the workflow that calls it.

use std::fs;
use std::path::{Path, PathBuf};
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

#[test]
fn every_action_of_the_release_is_pinned_by_its_commit() {
    let workflow = text(".github/workflows/release.yml");
    let uses: Vec<&str> = workflow.lines().filter_map(|line| line.trim().strip_prefix("- uses: ")).collect();
    assert!(uses.len() > 4, "{uses:?}");
    for action in uses {
        let commit = action.split_once('@').map(|(_, rest)| rest.split(' ').next().unwrap_or_default()).unwrap();
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{action}");
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

/// What crates.io gets compiles without the rest of the repository.
#[test]
fn the_published_package_holds_every_file_that_the_sources_include() {
    let manifest = manifest();
    let included: Vec<&str> =
        manifest["package"]["include"].as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    assert!(included.contains(&"servers/Containerfile") && included.contains(&"src"), "{included:?}");
    assert!(text("src/local/images.rs").contains("../../servers/Containerfile"));
}
