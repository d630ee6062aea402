//! The pages of the book that are made from the code: command line, keys, configuration. A page that differs
//! from the code fails; with `QUARTERDECK_BOOK=write` it is written anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory};
use rstest::rstest;

use quarterdeck::console::action::{self, Scope};

use crate::cli::Cli;

/// Who made a page, for whoever opens it to edit it.
const MADE: &str = "<!-- Made from the code by `make book`: change the code instead. -->\n";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Text as a cell of a table holds it, in one line.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[rstest]
#[case("command-line.md", command_line())]
#[case("keys.md", keys())]
#[case("configuration.md", configuration())]
fn the_page_of_the_book_says_what_the_code_says(#[case] page: &str, #[case] made: String) {
    let path = root().join("docs").join(page);
    if std::env::var("QUARTERDECK_BOOK").is_ok_and(|what| what == "write") {
        assert!(std::fs::write(&path, made).is_ok(), "{} cannot be written", path.display());
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let first = committed.lines().zip(made.lines()).find(|(old, new)| old != new);
    assert!(committed == made, "docs/{page} differs from the code, first in {first:?}; `make book` writes it");
}

/// The command line, from clap's definition.
fn command_line() -> String {
    let mut root = Cli::command();
    // Gives the commands what is global, and their full names.
    root.build();
    let mut page = format!("{MADE}\n# Command line\n\n{}\n", about(&root));
    page.push_str("\n## Flags of every command\n\n");
    arguments(&mut page, root.get_arguments().filter(|arg| !arg.is_hide_set()));
    page.push_str("\n## Commands\n");
    commands(&mut page, &root, "quarterdeck");
    page
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about());
    about.map(ToString::to_string).unwrap_or_default()
}

fn commands(page: &mut String, parent: &Command, path: &str) {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        let own: Vec<&Arg> =
            command.get_arguments().filter(|arg| !arg.is_global_set() && !is_help(arg) && !arg.is_hide_set()).collect();
        let positionals = own.iter().filter(|arg| arg.is_positional()).map(|arg| format!(" {}", positional(arg)));
        if command.get_subcommands().next().is_none() || !(own.is_empty() || command.is_subcommand_required_set()) {
            let _ =
                write!(page, "\n### `{path}{}`\n\n{}\n", positionals.collect::<String>(), full_stop(&about(command)));
            if !own.is_empty() {
                page.push('\n');
                arguments(page, own.into_iter());
            }
        }
        commands(page, command, &path);
    }
}

/// Names that texts of the code begin with.
const NAMES: [&str; 2] = ["Cognito", "Intel"];

/// The text as it goes on in a sentence. A word in capitals, and a name, stays as it is.
fn begun_small(text: &str) -> String {
    if NAMES.iter().any(|name| text.starts_with(name)) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn full_stop(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpLong | ArgAction::HelpShort | ArgAction::Version)
}

fn positional(arg: &Arg) -> String {
    let many = if arg.get_num_args().is_some_and(|count| count.max_values() > 1) { "…" } else { "" };
    let name = value_name(arg);
    if arg.is_required_set() { format!("{name}{many}") } else { format!("[{name}{many}]") }
}

fn value_name(arg: &Arg) -> String {
    let named = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    named.unwrap_or_else(|| arg.get_id().as_str().to_uppercase())
}

/// The values that an argument takes, each with its help.
fn values(arg: &Arg) -> Vec<String> {
    let takes_value = arg.get_action().takes_values();
    let possible = arg.get_possible_values();
    let shown = possible.iter().filter(|value| takes_value && !value.is_hide_set());
    shown
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), begun_small(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect()
}

fn arguments<'a>(page: &mut String, all: impl Iterator<Item = &'a Arg>) {
    page.push_str("| Argument | Meaning |\n|---|---|\n");
    for arg in all {
        let mut meaning = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        meaning = full_stop(&meaning);
        let values = values(arg);
        if !values.is_empty() && values != ["`true`", "`false`"] {
            let _ = write!(meaning, " One of {}.", values.join(", "));
        }
        if let Some(variable) = arg.get_env() {
            let _ = write!(meaning, " Else the variable `{}`.", variable.to_string_lossy());
        }
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if arg.get_action().takes_values() && !matches!(defaults.join(" ").as_str(), "" | "false") {
            let _ = write!(meaning, " By default `{}`.", defaults.join(" "));
        }
        let _ = writeln!(page, "| `{}` | {} |", cell(&spelled(arg)), cell(&meaning));
    }
}

/// What a reader would stumble over, in whichever page.
#[rstest]
#[case("command-line.md", command_line())]
#[case("keys.md", keys())]
#[case("configuration.md", configuration())]
fn a_page_that_is_made_reads_as_if_somebody_had_written_it(#[case] page: &str, #[case] made: String) {
    let tables: Vec<&str> = made.lines().filter(|line| line.starts_with("| ")).collect();
    for line in &tables {
        let small = line.split(". ").skip(1).find(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()));
        assert_eq!(small, None, "docs/{page}: a sentence begins small: {line}");
        assert!(!line.contains("``") && !line.starts_with("|  |"), "docs/{page}: an empty cell or word: {line}");
        for name in NAMES {
            assert!(!line.contains(&name.to_lowercase().replace("cognito", "(cognito")), "docs/{page}: {line}");
        }
    }
    assert!(!made.contains(".  "), "docs/{page}: two spaces");
}

/// How an argument is written: `-e, --environment ENVIRONMENT`, or `SERVER`.
fn spelled(arg: &Arg) -> String {
    if arg.is_positional() {
        return positional(arg);
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    let count = arg.get_num_args();
    let takes = arg.get_action().takes_values() && count.is_none_or(|count| count.max_values() > 0);
    match (takes, count.is_some_and(|count| count.min_values() == 0)) {
        (false, _) => names,
        (true, true) => format!("{names} [{}]", value_name(arg)),
        (true, false) => format!("{names} {}", value_name(arg)),
    }
}

/// The keys, from the table of actions.
fn keys() -> String {
    let mut page = format!(
        "{MADE}\n# Keys\n\nA lower-case key never writes. Every write is a capital letter, shows its plan, and asks. The \
         [configuration](configuration.md#the-users-configuration) gives an action other keys, by its name; \
         `quarterdeck keys` prints this list. What has no key is found by its name: `:theme`.\n"
    );
    let mut scopes: Vec<&'static str> = vec![Scope::Global.title()];
    for info in action::all() {
        if !scopes.contains(&info.scope.title()) {
            scopes.push(info.scope.title());
        }
    }
    for scope in scopes {
        let title = if scope == Scope::Global.title() { "Everywhere" } else { scope };
        let _ = write!(page, "\n## {title}\n\n| Key | Action | What it does |\n|---|---|---|\n");
        for info in action::all().filter(|info| info.scope.title() == scope) {
            let mut keys: Vec<String> = info.keys.iter().map(|key| format!("`{}`", cell(key))).collect();
            if keys.is_empty() {
                keys.push(format!("`:{}`", info.name));
            }
            let writes = if info.writes { "**writes:** " } else { "" };
            let _ = writeln!(page, "| {} | `{}` | {writes}{} |", keys.join(" "), info.name, cell(info.doc));
        }
    }
    page
}

/// The configuration, from the definitions that serde reads the files by.
fn configuration() -> String {
    let user = Definitions::read(&["src/bin/quarterdeck/config.rs"]);
    let environment = Definitions::read(&[
        "src/core/environment/mod.rs",
        "src/core/environment/choice.rs",
        "src/core/environment/app.rs",
    ]);
    let mut page = format!(
        "{MADE}\n# Configuration\n\nA flag overrides an environment variable, which overrides a file. \
                            An unknown key is an error that names it.\n"
    );
    page.push_str(
        "\n## The user's configuration\n\n`$XDG_CONFIG_HOME/quarterdeck/config.toml` (`~/.config/…`), or `--config \
         FILE`. Themes of your own are in `themes.toml` beside it ([Operate](operate.md#colours-and-mouse)). `NO_COLOR` means \
         the theme `none`.\n",
    );
    user.section(&mut page, "Config", "");
    page.push_str(
        "\n```toml\nread_only = true\ntheme = \"light\"\n\n[[fleet]]\nenvironment = \"prod\"\nregion = \"eu-west-1\"\n\n[[fleet]]\nenvironment = \"staging\"\nprofile = \
         \"lab\"\n\n[logs]\nfields = [\"tool\", \"status\"]\n\n[keys]\nrefresh = \
         [\"r\", \"f5\"]\nscale = \"A\"                # a write must be a capital letter\n```\n",
    );
    page.push_str(
        "\n## The environment's file\n\n`quarterdeck.toml` in the working directory, or `--file FILE`. What it does not \
         say keeps the value that is deployed, also one that was set by hand. An empty text or list takes a value \
         back, where there may be none.\n",
    );
    environment.section(&mut page, "Environment", "");
    page.push_str("\n### An example\n\n```toml\n");
    page.push_str(&text("examples/aws.toml"));
    page.push_str("```\n");
    page
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(Path::new(path))).unwrap_or_default()
}

/// A key of a file: a field that serde reads.
struct Field {
    key: String,
    rust: String,
    doc: String,
}

/// The types of some source files. They are read as text, because no program knows its own comments.
struct Definitions(Vec<(String, String, Vec<Field>)>, Vec<(String, Vec<String>)>);

impl Definitions {
    fn read(paths: &[&str]) -> Self {
        let (mut structs, mut choices) = (Vec::new(), Vec::new());
        for path in paths {
            let text = text(path);
            let (mut doc, mut rename) = (Vec::new(), None);
            let mut choosing = false;
            for line in text.lines().map(str::trim) {
                if let Some(comment) = line.strip_prefix("///") {
                    doc.extend(Some(comment.trim().to_owned()).filter(|line| !line.is_empty()));
                } else if let Some((_, name)) = line.split_once("rename = \"").filter(|_| line.starts_with("#[")) {
                    rename = name.split('"').next().map(str::to_owned);
                } else if let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) {
                    structs.push((name.to_owned(), doc.join(" "), Vec::new()));
                    doc.clear();
                } else if let Some((name, rust)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": "))
                    && let Some((_, _, fields)) = structs.last_mut()
                    && let Some(rust) = rust.strip_suffix(',')
                {
                    let key = rename.take().unwrap_or_else(|| name.to_owned());
                    // To who writes the file, the value that means none is a line that is not there.
                    let said =
                        doc.join(" ").replace(". `None`", ". Leaving it out").replace("`None`", "leaving it out");
                    fields.push(Field { key, rust: rust.to_owned(), doc: said });
                    doc.clear();
                } else if line == "choice! {" {
                    choosing = true;
                } else if let Some(name) = line.strip_suffix(" {").filter(|name| choosing && !name.contains(' ')) {
                    choices.push((name.to_owned(), Vec::new()));
                    doc.clear();
                } else if let Some((_, word)) = line.split_once(" = \"").filter(|_| choosing && line.ends_with("\",")) {
                    let meaning = doc.join(" ");
                    let word = word.trim_end_matches("\",");
                    if let Some((_, words)) = choices.last_mut() {
                        words.push(format!("`{word}` ({})", begun_small(meaning.trim_end_matches('.'))));
                    }
                    doc.clear();
                } else if !line.starts_with("#[") {
                    doc.clear();
                    choosing &= !line.is_empty();
                }
            }
        }
        Self(structs, choices)
    }

    /// A table of the keys of a type, and after it one for each section below.
    fn section(&self, page: &mut String, name: &str, path: &str) {
        let Some((_, doc, fields)) = self.0.iter().find(|(known, ..)| known == name) else {
            unreachable!("{name} is no struct of these files")
        };
        if !path.is_empty() {
            let _ = write!(page, "\n### `{path}`\n\n{}\n", full_stop(doc));
        }
        page.push_str("\n| Key | Value | Meaning |\n|---|---|---|\n");
        let mut below = Vec::new();
        for field in fields {
            let inner = inner(&field.rust);
            if self.0.iter().any(|(known, ..)| known == inner) {
                let above = path.trim_matches(['[', ']']);
                let whole = if above.is_empty() { field.key.clone() } else { format!("{above}.{}", field.key) };
                let path = if field.rust.starts_with("Vec<") { format!("[[{whole}]]") } else { format!("[{whole}]") };
                below.push((inner.to_owned(), path));
                continue;
            }
            let _ = writeln!(page, "| `{}` | {} | {} |", field.key, cell(&self.kind(&field.rust)), cell(&field.doc));
        }
        for (name, path) in below {
            self.section(page, &name, &path);
        }
    }

    fn kind(&self, rust: &str) -> String {
        if let Some(of) = rust.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')) {
            return self.kind(of);
        }
        if let Some((_, words)) = self.1.iter().find(|(name, _)| name == rust) {
            return words.join(", ");
        }
        match rust {
            "String" => "text".to_owned(),
            "bool" => "`true` or `false`".to_owned(),
            "u32" | "u64" | "u16" => "number".to_owned(),
            "Vec<String>" => "list of texts".to_owned(),
            "BTreeMap<String, Keys>" => "section: action = key, or a list of keys".to_owned(),
            "BTreeMap<String, String>" => "section: name = text".to_owned(),
            other => unreachable!("the book has no word for {other}"),
        }
    }
}

/// The type in an option or a list.
fn inner(rust: &str) -> &str {
    let unwrapped = ["Option<", "Vec<"].iter().find_map(|outer| rust.strip_prefix(outer)?.strip_suffix('>'));
    unwrapped.map_or(rust, inner)
}
