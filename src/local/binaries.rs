//! The servers' binaries: those beside this program, where they are as new as their sources, else compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::command::{OutputLine, find, run};
use super::error::{LocalError, at};
use super::front::GANGWAY;
use super::{LocalProgress, ProgressFn};

/// Binaries that become images, and the packages that they are in.
pub(super) const BINARIES: [&str; 3] = ["mcp-time", "mcp-weather", NWS_STUB];
const PACKAGES: [&str; 2] = ["mcp-time", "mcp-weather"];
/// The binary that stands in for the weather service.
pub(super) const NWS_STUB: &str = "nws-stub";
const LIMIT: Duration = Duration::from_secs(45 * 60);
const SHORT: Duration = Duration::from_secs(60);

/// The binaries by name; none, and a note, where there are none and none can be compiled.
pub(super) async fn ensure(
    given: Option<&Path>,
    progress: &mut ProgressFn<'_>,
) -> Result<BTreeMap<String, PathBuf>, LocalError> {
    if !cfg!(target_os = "linux") {
        progress(LocalProgress::Note("images are built on Linux only: no example servers".to_owned()));
        return Ok(BTreeMap::new());
    }
    let program = std::env::current_exe().ok();
    if let Some(found) = program.as_deref().into_iter().flat_map(folders).find_map(|folder| all_in(&folder)) {
        return Ok(found);
    }
    match source(given) {
        Some(source) => compile(&source, &PACKAGES, progress).await,
        None => {
            progress(LocalProgress::Note(
                "there are no servers beside this program, and no servers/ folder here: start in a checkout of the \
                 repository to run the example servers"
                    .to_owned(),
            ));
            Ok(BTreeMap::new())
        }
    }
}

/// The binary of gangway; `None` where there is none and none can be compiled.
pub(super) async fn front(given: Option<&Path>, progress: &mut ProgressFn<'_>) -> Result<Option<PathBuf>, LocalError> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().into_iter().flat_map(folders).map(|folder| folder.join(GANGWAY));
    if let Some(found) = beside.into_iter().find(|file| is_fresh(file)) {
        return Ok(Some(found));
    }
    let Some(source) = source(given).filter(|_| cfg!(target_os = "linux")) else { return Ok(None) };
    Ok(compile(&source, &[GANGWAY], progress).await?.remove(GANGWAY))
}

/// Where the binaries may be: beside the program, as cargo and the archives of a release put them, and
/// where packages put what is not in `PATH`.
fn folders(program: &Path) -> Vec<PathBuf> {
    let Some(folder) = program.parent() else { return Vec::new() };
    let packaged = folder.parent().map(|prefix| prefix.join("lib/quarterdeck"));
    [Some(folder.to_owned()), packaged].into_iter().flatten().collect()
}

/// All binaries of a folder; `None` if one is missing or older than what it was made from.
fn all_in(folder: &Path) -> Option<BTreeMap<String, PathBuf>> {
    BINARIES
        .into_iter()
        .map(|name| {
            let file = folder.join(name);
            is_fresh(&file).then(|| (name.to_owned(), file))
        })
        .collect()
}

/// Whether a binary is there and no source is newer. Cargo lists the sources in a file beside it, and goes
/// by their times as well; where there is no such file, it was packaged without sources.
fn is_fresh(binary: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified());
    let Ok(built) = changed(binary) else { return false };
    let Ok(rule) = std::fs::read_to_string(binary.with_extension("d")) else { return true };
    prerequisites(&rule).iter().all(|source| changed(source).is_ok_and(|changed| changed <= built))
}

/// The prerequisites of a make rule, in which `\ ` is a space in a name.
fn prerequisites(rule: &str) -> Vec<PathBuf> {
    let line = rule.lines().next().unwrap_or_default();
    let listed = line.split_once(": ").map(|(_, listed)| listed.replace("\\ ", "\0")).unwrap_or_default();
    listed.split_whitespace().map(|name| PathBuf::from(name.replace('\0', " "))).collect()
}

/// The folder that holds the servers' sources: the one given, else the one this program was built in, else the current
/// one. What crates.io has of this repository is where `cargo install` builds it, and holds none of them.
fn source(given: Option<&Path>) -> Option<PathBuf> {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let candidates =
        given.map_or_else(|| [Some(built), std::env::current_dir().ok()], |path| [Some(path.to_owned()), None]);
    candidates.into_iter().flatten().find(|path| path.join("servers/time/Cargo.toml").is_file())
}

/// Compiles the servers into static binaries, in the profile that takes the least time: nobody measures
/// the local cloud's servers.
async fn compile(
    source: &Path,
    wanted: &[&str],
    progress: &mut ProgressFn<'_>,
) -> Result<BTreeMap<String, PathBuf>, LocalError> {
    let way_out = "it compiles the example servers; install Rust from https://rustup.rs".to_owned();
    let cargo = find("cargo").ok_or(LocalError::Missing { program: "cargo", way_out })?;
    let triple = host_triple(&cargo).await?;
    let packages = packages(&cargo, source, &triple, wanted).await;
    let (mut found, mut done) = (BTreeMap::new(), BTreeSet::new());
    let command = cargo_command(&cargo, source, &triple, wanted);
    let mut on_line = |line: OutputLine<'_>| match line {
        OutputLine::Out(message) => {
            let Some(artifact) = Artifact::read(message) else { return };
            if done.insert(artifact.package) && !artifact.fresh {
                let of = packages.map(|all| format!(" of {all}")).unwrap_or_default();
                progress(LocalProgress::Note(format!("compiled {} ({}{of})", artifact.name, done.len())));
            }
            found.extend(artifact.executable.map(|file| (artifact.name, file)));
        }
        // Another cargo, or one for the network: else it would look as if nothing happened.
        OutputLine::Err(line) => {
            let line = line.trim();
            if let Some(waits) = line.strip_prefix("Blocking ") {
                progress(LocalProgress::Note(format!("cargo is {waits}")));
            } else if line.starts_with("Downloading crates") {
                progress(LocalProgress::Note("cargo is downloading crates".to_owned()));
            }
        }
    };
    run("compiling the servers", command, LIMIT, &mut on_line).await?;
    found.retain(|name: &String, _| name == GANGWAY || BINARIES.contains(&name.as_str()));
    Ok(found)
}

fn cargo_command(cargo: &Path, source: &Path, triple: &str, wanted: &[&str]) -> Command {
    let mut command = Command::new(cargo);
    command.current_dir(source).args(["build", "--target", triple, "--message-format", "json-render-diagnostics"]);
    command.args(wanted.iter().flat_map(|package| ["-p", package]));
    command.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

/// How many packages there are to compile; `None` if cargo does not say.
async fn packages(cargo: &Path, source: &Path, triple: &str, wanted: &[&str]) -> Option<usize> {
    let mut command = Command::new(cargo);
    command.current_dir(source).args(["tree", "--target", triple, "--edges", "normal,build", "--prefix", "none"]);
    command.args(wanted.iter().flat_map(|package| ["-p", package]));
    let mut all = BTreeSet::new();
    let mut count = |line: OutputLine<'_>| {
        if let OutputLine::Out(line) = line {
            // Name and version; a path, `(proc-macro)` or `(*)` may follow.
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            if words.len() == 2 {
                all.insert(words.join(" "));
            }
        }
    };
    run("cargo tree", command, SHORT, &mut count).await.ok()?;
    Some(all.len())
}

async fn host_triple(cargo: &Path) -> Result<String, LocalError> {
    let mut triple = None;
    let mut command = Command::new(cargo);
    command.arg("-vV");
    run("cargo -vV", command, SHORT, &mut |line| {
        if let OutputLine::Out(line) = line
            && let Some(host) = line.strip_prefix("host: ")
        {
            triple = Some(host.to_owned());
        }
    })
    .await?;
    triple.ok_or_else(|| LocalError::Command {
        what: "cargo -vV".to_owned(),
        status: "it does not name a host".to_owned(),
        way_out: None,
        tail: Vec::new(),
    })
}

/// What cargo's message says about something that it has compiled.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    package: String,
    name: String,
    /// Whether it was compiled by an earlier run.
    fresh: bool,
    executable: Option<PathBuf>,
}

impl Artifact {
    /// Reads a message (cargo book, "JSON messages"); `None` if it is about something else.
    fn read(message: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(message).ok()?;
        if message["reason"] != "compiler-artifact" {
            return None;
        }
        Some(Self {
            package: message["package_id"].as_str()?.to_owned(),
            name: message["target"]["name"].as_str()?.to_owned(),
            fresh: message["fresh"].as_bool().unwrap_or_default(),
            executable: message["executable"].as_str().map(PathBuf::from),
        })
    }
}

/// The files of this machine that a program loads when it starts, with its loader; none if it is static.
pub(super) async fn libraries(program: &Path) -> Result<Vec<PathBuf>, LocalError> {
    let content = tokio::fs::read(program).await.map_err(at(program))?;
    if interpreter(&content).is_some() { loaded(program).await } else { Ok(Vec::new()) }
}

/// The files of this machine that a dynamic program or a library loads, and those that these load.
pub(super) async fn loaded(program: &Path) -> Result<Vec<PathBuf>, LocalError> {
    let ldd = find("ldd").ok_or_else(|| LocalError::Missing {
        program: "ldd",
        way_out: format!("it names the libraries of {}; it comes with the C library", program.display()),
    })?;
    let mut command = Command::new(ldd);
    command.arg(program);
    let (mut all, mut missing) = (Vec::new(), None);
    let what = format!("naming the libraries of {}", program.display());
    run(&what, command, SHORT, &mut |line| {
        if let OutputLine::Out(line) = line {
            match library(line) {
                Some(path) => all.push(path),
                None if line.ends_with("not found") => missing = Some(line.trim().to_owned()),
                None => {}
            }
        }
    })
    .await?;
    match missing {
        Some(status) => Err(LocalError::Command { what, status, way_out: None, tail: Vec::new() }),
        None => Ok(all),
    }
}

/// The file that a line of ldd names: `NAME => /PATH (ADDRESS)`, or `/PATH (ADDRESS)` for the loader. The
/// kernel's own library has no file.
fn library(line: &str) -> Option<PathBuf> {
    let file = line.split_once(" => ").map_or(line, |(_, file)| file).trim();
    let path = file.split(" (").next()?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// The loader that an ELF file of 64 bits, little-endian, names in its program header `PT_INTERP` (elf(5)); `None` if
/// it is static.
pub(super) fn interpreter(elf: &[u8]) -> Option<String> {
    const PT_INTERP: usize = 3;
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = elf.get(at..at.checked_add(size)?)?;
        usize::try_from(bytes.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))).ok()
    };
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let header = |index: usize| table.checked_add(index.checked_mul(size)?);
    let header = (0..count).filter_map(header).find(|at| number(*at, 4) == Some(PT_INTERP))?;
    // `p_offset` and `p_filesz`.
    let (from, length) = (number(header.checked_add(8)?, 8)?, number(header.checked_add(32)?, 8)?);
    let name = elf.get(from..from.checked_add(length)?)?;
    Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_compiled_statically() {
        let command = cargo_command(Path::new("cargo"), Path::new("/src"), "x86_64-unknown-linux-gnu", &PACKAGES);
        let arguments: Vec<_> = command.as_std().get_args().filter_map(|argument| argument.to_str()).collect();
        let expected = "build --target x86_64-unknown-linux-gnu --message-format json-render-diagnostics \
                        -p mcp-time -p mcp-weather";
        assert_eq!(arguments.join(" "), expected);
        let flags = command.as_std().get_envs().find(|(name, _)| *name == "RUSTFLAGS").and_then(|(_, value)| value);
        assert_eq!(flags.and_then(|value| value.to_str()), Some("-C target-feature=+crt-static"));
    }

    #[test]
    fn what_was_published_alone_is_no_source_of_the_servers() {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let write = |name: &str| {
            let file = place.path().join(name);
            assert!(file.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok()));
            assert!(std::fs::write(file, "").is_ok());
        };
        // As `include` of Cargo.toml has it.
        ["Cargo.toml", "servers/Containerfile", "servers/units/units.py"].iter().for_each(|name| write(name));
        assert_eq!(source(Some(place.path())), None);
        write("servers/time/Cargo.toml");
        assert_eq!(source(Some(place.path())).as_deref(), Some(place.path()));
    }

    #[test]
    fn programs_and_packages_are_told_by_cargos_messages() {
        let program = r#"{"reason":"compiler-artifact","package_id":"p#1","target":{"name":"mcp-time"},"fresh":false,"executable":"/t/mcp-time"}"#;
        let read = Artifact::read(program);
        let expected = Artifact {
            package: "p#1".to_owned(),
            name: "mcp-time".to_owned(),
            fresh: false,
            executable: Some("/t/mcp-time".into()),
        };
        assert_eq!(read, Some(expected));
        let library = r#"{"reason":"compiler-artifact","package_id":"g#1","target":{"name":"gangway"},"fresh":true,"executable":null}"#;
        assert!(Artifact::read(library).is_some_and(|library| library.executable.is_none() && library.fresh));
        assert_eq!(Artifact::read(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(Artifact::read("warning: x"), None);
    }

    #[test]
    fn binaries_beside_the_program_are_taken_while_no_source_is_newer() {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let write = |name: &str, text: &str| assert!(std::fs::write(place.path().join(name), text).is_ok());
        let touch = |name: &str, seconds: u64| {
            let file = std::fs::File::options().append(true).open(place.path().join(name));
            let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert!(file.and_then(|file| file.set_modified(time)).is_ok());
        };
        write("mcp-time", "");
        write("mcp-weather", "");
        assert_eq!(all_in(place.path()), None, "one is missing");
        write(NWS_STUB, "");
        assert_eq!(all_in(place.path()).map(|all| all.len()), Some(3), "packaged, without sources");
        write("a source.rs", "");
        let source = place.path().join("a source.rs").display().to_string().replace(' ', "\\ ");
        write("mcp-time.d", &format!("{}: {source}\n", place.path().join("mcp-time").display()));
        for (built, changed, fresh) in [(20, 10, true), (20, 20, true), (20, 30, false)] {
            touch("mcp-time", built);
            touch("a source.rs", changed);
            assert_eq!(all_in(place.path()).is_some(), fresh, "built at {built}, changed at {changed}");
        }
        touch("mcp-time", 40);
        assert!(std::fs::remove_file(place.path().join("a source.rs")).is_ok());
        assert_eq!(all_in(place.path()), None, "a source is gone");
    }

    #[test]
    fn they_are_looked_for_beside_the_program_and_where_packages_put_them() {
        let places = folders(Path::new("/usr/bin/quarterdeck"));
        assert_eq!(places, [Path::new("/usr/bin"), Path::new("/usr/lib/quarterdeck")]);
    }

    #[test]
    fn the_files_of_libraries_are_picked_from_the_lines_of_ldd() {
        let lines = "\tlinux-vdso.so.1 (0x00007f06fb88d000)\n\
                     \tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f06fb77c000)\n\
                     \tlibssl.so.9 => not found\n\
                     \t/lib64/ld-linux-x86-64.so.2 (0x00007f06fb88f000)";
        let found: Vec<_> = lines.lines().filter_map(library).collect();
        assert_eq!(found, [Path::new("/lib/x86_64-linux-gnu/libm.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")]);
    }

    #[tokio::test]
    async fn the_libraries_of_a_dynamic_program_are_on_this_machine() {
        assert_eq!((interpreter(b"\x7fELF\x02\x01"), interpreter(b"#!/bin/sh\n")), (None, None));
        if !cfg!(target_os = "linux") {
            return;
        }
        let Ok(this) = std::env::current_exe() else { unreachable!("this program has a file") };
        let loader = std::fs::read(&this).ok().and_then(|content| interpreter(&content));
        assert!(loader.as_ref().is_none_or(|loader| Path::new(loader).is_file()), "{loader:?}");
        let all = libraries(&this).await.unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!(loader.is_some(), !all.is_empty());
        assert!(all.iter().all(|file| file.is_file()), "{all:?}");
    }
}
