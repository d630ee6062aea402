//! The keys that the book's table of jobs names are those of the table of actions; the README is one screen.

use std::fs;
use std::path::Path;

use quarterdeck::console::action::{self, ActionInfo, Scope};
use quarterdeck::console::screens::Screen;

/// The jobs of the table, and the screens that each is about.
const JOBS: &[(&str, &[Screen])] = &[
    ("Watch", &[Screen::Fleet]),
    ("Find the cause", &[Screen::Fleet, Screen::Timeline, Screen::Doctor]),
    // The log of a server is opened from Fleet.
    ("Read logs", &[Screen::Logs, Screen::Fleet]),
    ("See the requests", &[Screen::Requests]),
    ("Deploy", &[Screen::Stack]),
    ("Operate", &[Screen::Fleet]),
    ("Rotate secrets", &[Screen::Clients]),
];

/// Words that say nothing about an action.
const FILLERS: &[&str] = &["a", "and", "of", "on", "or", "the"];

/// The section about the jobs.
fn section() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operate.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("## The five jobs\n").expect("the page has a section about the jobs");
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The keys of a text with the words that follow each: `[` and `]` in "`[` `]` older and newer" share theirs.
fn keys(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    let mut keys = Vec::new();
    let mut words = "";
    for pair in parts[1..].chunks_exact(2).rev() {
        if !pair[1].trim().is_empty() {
            words = pair[1];
        }
        keys.push((pair[0], words));
    }
    keys
}

fn words(text: &str) -> Vec<String> {
    let all = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    all.filter(|word| !word.is_empty() && !FILLERS.contains(&word.as_str())).collect()
}

/// Whether `info` is what the key does on these screens: it is bound to it, or is said to be the same as what is.
fn is_bound(info: &ActionInfo, screens: &[Screen], key: &str) -> bool {
    let here = match info.scope {
        Scope::Screen(screen) => screens.contains(&screen),
        Scope::Global => true,
        Scope::Operation => false,
    };
    let same = |other: &ActionInfo| other.keys.contains(&key) && info.doc.contains(other.name);
    here && (info.keys.contains(&key) || (info.keys.is_empty() && action::all().any(same)))
}

#[test]
fn each_key_of_the_table_does_what_it_says_there() {
    let section = section();
    for (job, screens) in JOBS {
        let row = section.lines().find(|line| line.starts_with(&format!("| **{job}** |")));
        let cell = row.unwrap_or_else(|| panic!("no row about {job:?}")).split(" | ").nth(1).unwrap();
        for (key, says) in keys(cell) {
            let said = words(says);
            let fits = |info: &&ActionInfo| {
                is_bound(info, screens, key)
                    && words(&format!("{} {}", info.name, info.doc)).iter().any(|word| said.contains(word))
            };
            assert!(action::all().any(|info| fits(&info)), "{job}: `{key}` is said to be {says:?}");
        }
    }
}

#[test]
fn every_key_that_writes_is_in_the_table() {
    let section = section();
    let named = keys(&section);
    for info in action::all().filter(|info| info.writes) {
        let is_named = |key: &&str| named.iter().any(|(known, _)| known == key);
        assert!(info.keys.iter().any(is_named), "{} is not in docs/operate.md", info.name);
    }
}

/// Whoever follows the first page sees the servers that it names, and no other.
#[test]
fn the_first_pages_name_the_servers_of_the_local_cloud() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let file: toml::Table = text("quarterdeck.toml").parse().unwrap();
    let servers = file["server"].as_array().unwrap();
    for page in ["docs/start.md", "docs/local-cloud.md"] {
        for server in servers {
            let name = server["name"].as_str().unwrap();
            assert!(text(page).contains(&format!("`{name}`")), "{page} does not name {name}");
        }
    }
    let count = ["no", "one", "two", "three", "four"][servers.len()];
    for page in ["README.md", "docs/start.md"] {
        assert!(text(page).contains(&format!("{count} servers")), "{page} does not say {count} servers");
    }
    let in_front = servers.iter().filter(|server| server.get("app").is_some()).count();
    assert_eq!(in_front, 1, "one shows that any server runs unchanged");
}

#[test]
fn the_readme_is_one_screen() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(text.lines().count() <= 60, "what does not fit belongs in docs/");
    for what in ["screenshots/fleet.png", "make local", "cargo install", "docs/start.md", "docs/SUMMARY.md"] {
        assert!(text.contains(what), "{what} is missing");
    }
}
