//! The walls between the rooms of the crate: who may name whom.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test says what it expects")]

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms of the crate that others could name.
const ROOMS: &[&str] = &["aws", "cli", "cloud", "config", "core", "local", "run", "ui"];

/// What the files of a room may name: rooms of the crate, and words that must not occur.
struct Wall {
    room: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

/// A clock or a runtime would make the core and the drawing depend on when and where they run.
const CLOCKS: &[&str] = &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "TimeZone::system"];
/// What only the outer rooms may touch.
const WORLD: &[&str] =
    &["tokio", "crossterm", "aws_", "reqwest", "std::fs", "std::net", "std::process", "std::env", "std::thread"];

const WALLS: &[Wall] = &[
    Wall { room: "core", may: &["core"], never: &["ratatui"] },
    Wall { room: "ui", may: &["core", "ui"], never: &[] },
    Wall { room: "cloud.rs", may: &["core", "cloud"], never: &["aws_", "ratatui", "crossterm"] },
    Wall { room: "aws", may: &["cloud", "core", "aws"], never: &["ratatui", "crossterm"] },
    Wall { room: "local", may: &["cloud", "core", "local"], never: &["ratatui", "crossterm", "aws_"] },
    Wall { room: "run", may: &["core", "ui", "cloud", "run"], never: &["aws_"] },
    Wall { room: "cli.rs", may: &["core", "config", "cli"], never: &["aws_", "ratatui", "crossterm"] },
    Wall { room: "config.rs", may: &["core", "config"], never: &["aws_", "ratatui", "crossterm"] },
];

/// The code of a file without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether `word` occurs and no letter or digit stands before it.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Rooms that a file names, be it as `crate::ui` or inside `use crate::{core, ui}`.
fn rooms(code: &str) -> Vec<&'static str> {
    let packed: String = code.split_whitespace().collect();
    let groups: Vec<&str> =
        packed.match_indices("crate::{").map(|(at, head)| group(&packed[at + head.len()..])).collect();
    let named = |room: &&&str| {
        packed.contains(&format!("crate::{room}::"))
            || packed.contains(&format!("crate::{room};"))
            || groups.iter().any(|group| top_level(group).any(|part| part.split("::").next() == Some(**room)))
    };
    ROOMS.iter().filter(named).copied().collect()
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

/// What a file of a room names and must not.
fn breaches(wall: &Wall, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found: Vec<String> =
        rooms(&code).into_iter().filter(|room| !wall.may.contains(room)).map(|room| format!("crate::{room}")).collect();
    let pure = matches!(wall.room, "core" | "ui");
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

#[test]
fn the_walls_stand() {
    let mut broken = Vec::new();
    for wall in WALLS {
        let files = files(&source().join(wall.room));
        assert!(!files.is_empty(), "{} is empty", wall.room);
        for file in files {
            let text = fs::read_to_string(&file).expect("readable");
            broken.extend(breaches(wall, &text).into_iter().map(|what| format!("{} names {what}", file.display())));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_one_room_names_the_vendor() {
    for file in files(&source()) {
        if !file.starts_with(source().join("aws")) {
            let code = code(&fs::read_to_string(&file).expect("readable"));
            assert!(!names(&code, "aws_sdk_"), "{} names the AWS SDK", file.display());
        }
    }
}

#[test]
fn every_room_has_its_wall() {
    // The binary ties the rooms together; its own modules may name them all.
    let main = fs::read_to_string(source().join("main.rs")).expect("readable");
    let of_main = |name: &str| main.lines().any(|line| line == format!("mod {};", name.trim_end_matches(".rs")));
    for entry in fs::read_dir(source()).expect("readable") {
        let name = entry.expect("readable").file_name().into_string().expect("a name");
        let known = WALLS.iter().any(|wall| wall.room == name)
            || matches!(name.as_str(), "main.rs" | "lib.rs")
            || of_main(&name);
        assert!(known, "src/{name} has no wall; say in tests/walls.rs what it may name");
    }
}

#[test]
fn the_checker_sees_a_breach() {
    let core = &WALLS[0];
    let bad = [
        ("use crate::ui::draw;", "crate::ui"),
        ("use crate::{core::{model, text}, ui};", "crate::ui"),
        ("use crate::{\n    core::model,\n    aws::ecs,\n};", "crate::aws"),
        ("fn f() { crate::cloud::Cloud::fleet() }", "crate::cloud"),
        ("use ratatui::Frame;", "ratatui"),
        ("async fn f() { tokio::spawn(g()) }", "tokio"),
        ("use aws_sdk_ecs::Client;", "aws_"),
        ("let now = std::time::Instant::now();", "Instant::now"),
        ("let now = jiff::Timestamp::now();", "Timestamp::now"),
    ];
    for (text, what) in bad {
        assert!(breaches(core, text).iter().any(|found| found == what), "{text:?} is let through");
    }
    let good = [
        "use crate::core::model::Model;",
        "// use crate::ui::draw;",
        "use crate::{core::{aws, ui}, core::text};",
        "let gaws_ = 1;",
    ];
    for text in good {
        assert!(breaches(core, text).is_empty(), "{text:?} is refused: {:?}", breaches(core, text));
    }
}
