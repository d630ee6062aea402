//! The walls between the rooms of the crate: who may name whom.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms of the crate that others could name.
const ROOMS: &[&str] = &["aws", "cloud", "console", "core", "engine", "local", "run", "ui"];

/// What the files of a room may name: rooms of the crate, and words that must not occur.
struct Wall {
    room: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

/// A clock or a runtime would make the domain, the console and the drawing depend on when and where they run.
const CLOCKS: &[&str] = &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "TimeZone::system"];
/// What only the outer rooms may touch.
const WORLD: &[&str] =
    &["tokio", "crossterm", "aws_", "reqwest", "std::fs", "std::net", "std::process", "std::env", "std::thread"];

/// The first row that matches a file's path is its wall.
const WALLS: &[Wall] = &[
    Wall { room: "core", may: &["core"], never: &["ratatui"] },
    Wall { room: "console", may: &["core", "console"], never: &["ratatui"] },
    Wall { room: "ui", may: &["core", "console", "ui"], never: &[] },
    Wall { room: "engine.rs", may: &["core", "engine"], never: &["aws_", "ratatui", "crossterm"] },
    Wall { room: "cloud.rs", may: &["core", "cloud", "engine"], never: &["aws_", "ratatui", "crossterm"] },
    Wall { room: "aws", may: &["core", "cloud", "engine", "aws"], never: &["ratatui", "crossterm"] },
    Wall { room: "local", may: &["core", "engine", "local"], never: &["ratatui", "crossterm", "aws_"] },
    // One file of the driver draws; two more turn the console's effects into work and the terminal's events into messages.
    Wall { room: "run/console.rs", may: &["core", "cloud", "console", "run", "ui"], never: &["aws_"] },
    Wall {
        room: "run/executor.rs",
        may: &["core", "cloud", "console", "run"],
        never: &["aws_", "ratatui", "crossterm"],
    },
    Wall { room: "run/input.rs", may: &["core", "console", "run"], never: &["aws_", "ratatui"] },
    Wall { room: "run/terminal.rs", may: &["run"], never: &["aws_"] },
    Wall { room: "run", may: &["core", "cloud", "engine", "run"], never: &["aws_", "ratatui", "crossterm"] },
];

/// The code of a file without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether `word` occurs and no letter or digit stands before it.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| starts_here(code, at))
}

fn starts_here(code: &str, at: usize) -> bool {
    !code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Rooms that a file names: as `crate::ui`, inside `use crate::{core, ui}`, or by as many `super::`
/// as lead from the file to the root of the crate.
fn rooms(code: &str, depth: usize) -> Vec<&'static str> {
    let packed: String =
        code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ::", "::").replace(":: ", "::");
    let mut named: Vec<&str> =
        packed.match_indices("crate::").flat_map(|(at, head)| heads(&packed[at + head.len()..])).collect();
    let up = "super::".repeat(depth);
    let chains = packed.match_indices(&up).filter(|(at, _)| depth > 0 && starts_here(&packed, *at));
    named.extend(chains.flat_map(|(at, head)| heads(packed[at + head.len()..].trim_start_matches("super::"))));
    ROOMS.iter().filter(|room| named.contains(*room)).copied().collect()
}

/// The first names of a path or of a group of paths.
fn heads(path: &str) -> Vec<&str> {
    let name = |part: &'_ str| part.trim().split(|c: char| !(c.is_alphanumeric() || c == '_')).next().map(str::len);
    match path.strip_prefix('{') {
        Some(inside) => top_level(group(inside)).map(str::trim).filter_map(|part| Some(&part[..name(part)?])).collect(),
        None => name(path).map(|end| &path[..end]).into_iter().collect(),
    }
}

/// What stands before the brace that closes.
fn group(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// The parts of a group, without those of groups inside it.
fn top_level(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    group.split(move |c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    })
}

/// What a file of a room names and must not; `depth` is how many modules it lies below the root.
fn breaches(wall: &Wall, text: &str, depth: usize) -> Vec<String> {
    let code = code(text);
    let rooms = rooms(&code, depth).into_iter().filter(|room| !wall.may.contains(room));
    let mut found: Vec<String> = rooms.map(|room| format!("crate::{room}")).collect();
    let pure = matches!(wall.room, "core" | "console" | "ui");
    let words = wall.never.iter().chain(if pure { CLOCKS } else { &[] }).chain(if pure { WORLD } else { &[] });
    found.extend(words.filter(|word| names(&code, word)).map(|word| (*word).to_owned()));
    found
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all: Vec<PathBuf> = entries.flat_map(|entry| files(&entry.expect("readable").path())).collect();
    all.retain(|path| path.extension().is_some_and(|ext| ext == "rs"));
    all
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The wall of a file, by its path below `src`.
fn wall_of(file: &Path) -> Option<&'static Wall> {
    WALLS.iter().find(|wall| file.starts_with(wall.room))
}

/// How many modules a file lies below the root of the crate.
fn depth(file: &Path) -> usize {
    file.components().count() - usize::from(file.ends_with("mod.rs"))
}

#[test]
fn no_file_names_a_room_that_it_must_not() {
    let mut broken = Vec::new();
    for path in files(&source()) {
        let file = path.strip_prefix(source()).expect("below src");
        // The binary ties the rooms together; the root only lists them.
        if file.starts_with("bin") || file == Path::new("lib.rs") {
            continue;
        }
        let wall =
            wall_of(file).unwrap_or_else(|| panic!("src/{} has no wall; say here what it may name", file.display()));
        let text = fs::read_to_string(&path).expect("readable");
        broken.extend(
            breaches(wall, &text, depth(file)).into_iter().map(|what| format!("{} names {what}", file.display())),
        );
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_rule_names_a_room_that_exists() {
    for wall in WALLS {
        assert!(source().join(wall.room).exists(), "src/{} is gone", wall.room);
    }
}

#[test]
fn only_the_aws_room_names_the_sdk() {
    for file in files(&source()) {
        if !file.starts_with(source().join("aws")) {
            let code = code(&fs::read_to_string(&file).expect("readable"));
            assert!(!names(&code, "aws_sdk_"), "{} names the AWS SDK", file.display());
        }
    }
}

#[test]
fn the_checker_sees_a_breach() {
    let core = &WALLS[0];
    let bad = [
        ("use crate::ui::draw;", "crate::ui"),
        ("use crate::ui;", "crate::ui"),
        ("use crate::{core::{model, text}, ui};", "crate::ui"),
        ("use crate::{\n    core::model,\n    aws::ecs,\n};", "crate::aws"),
        ("use super::super::ui::draw;", "crate::ui"),
        ("use super::super::{fleet, console::model};", "crate::console"),
        ("mod tests { use super::super::super::run::audit; }", "crate::run"),
        ("fn f() { crate::cloud::Cloud::fleet() }", "crate::cloud"),
        ("use ratatui::Frame;", "ratatui"),
        ("async fn f() { tokio::spawn(g()) }", "tokio"),
        ("use aws_sdk_ecs::Client;", "aws_"),
        ("let now = std::time::Instant::now();", "Instant::now"),
        ("let now = jiff::Timestamp::now();", "Timestamp::now"),
    ];
    for (text, what) in bad {
        assert!(breaches(core, text, 2).iter().any(|found| found == what), "{text:?} is let through");
    }
    let good = [
        "use crate::core::model::Model;",
        "use super::ui::draw;",
        "// use crate::ui::draw;",
        "use crate::{core::{aws, ui}, core::text};",
        "let gaws_ = 1;",
    ];
    for text in good {
        assert!(breaches(core, text, 2).is_empty(), "{text:?} is refused: {:?}", breaches(core, text, 2));
    }
}
