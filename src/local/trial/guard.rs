//! Makes the containers of a trial, and removes them whatever happens.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::container::{Container, PREFIX};
use crate::local::workshop::Program;

/// Longest time to make the containers: an engine may copy a whole image for one.
const MAKING: Duration = Duration::from_secs(60);
/// Longest time that their end is waited for. It goes on without us.
const ENDING: Duration = Duration::from_secs(20);
/// What the guard says when all are made.
const MADE: &str = "quarterdeck: made";
const NOT_MADE: &str = "quarterdeck: not made";

/// A shell that removes the containers when its standard input ends, which it does when this process does.
///
/// It makes them, too: a container that an engine makes after the order to remove it would stay.
pub(super) struct Guard {
    shell: Child,
    input: ChildStdin,
}

impl Guard {
    /// Makes the containers.
    ///
    /// # Errors
    /// What the engine said, when it made none.
    pub async fn make(program: &Program, containers: &[Container]) -> Result<Self, String> {
        let mut command = Command::new("/bin/sh");
        // Of a group of its own, or a key that ends this process would end it, too.
        command.args(["-c", &script(program, containers)]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = command.spawn().map_err(|error| error.to_string())?;
        let (Some(input), Some(output)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err("the shell has no pipes".to_owned());
        };
        let guard = Self { shell, input };
        let mut lines = BufReader::new(output).lines();
        let mut said = Vec::new();
        let made = async {
            while let Ok(Some(line)) = lines.next_line().await {
                match line.as_str() {
                    MADE => return true,
                    NOT_MADE => return false,
                    _ => said.push(line),
                }
            }
            false
        };
        match timeout(MAKING, made).await {
            Ok(true) => Ok(guard),
            Ok(false) => {
                guard.end().await;
                Err(said.last().cloned().unwrap_or_else(|| "it does not say why".to_owned()))
            }
            // Dropped, it removes what it makes.
            Err(_) => Err(format!("it took more than {} s", MAKING.as_secs())),
        }
    }

    /// Removes them, and waits until they are gone.
    pub async fn end(self) {
        let Self { mut shell, input } = self;
        drop(input);
        let _ = timeout(ENDING, shell.wait()).await;
    }
}

/// Makes each container after the one before, waits for the end of its input, and removes them, the last one first: it
/// has the network of the first.
fn script(program: &Program, containers: &[Container]) -> String {
    let engine: Vec<String> =
        std::iter::once(program.path.display().to_string()).chain(program.first.clone()).collect();
    let line = |args: &[&str]| {
        let words = engine.iter().map(String::as_str).chain(args.iter().copied());
        words.map(quoted).collect::<Vec<_>>().join(" ")
    };
    let make = |container: &Container| {
        let args: Vec<&str> = container.args.iter().map(String::as_str).collect();
        format!("{} 2>&1 >/dev/null </dev/null", line(&args))
    };
    let made: Vec<String> = containers.iter().map(make).collect();
    let remove = |container: &Container| {
        format!("{} >/dev/null 2>&1 </dev/null", line(&["rm", "--force", "--volumes", &container.name]))
    };
    let removed: Vec<String> = containers.iter().rev().map(remove).collect();
    format!(
        "trap '' HUP INT TERM PIPE\nif {}; then echo '{MADE}'; else echo '{NOT_MADE}'; fi\nread -r _\n{}\n",
        made.join(" && "),
        removed.join("\n")
    )
}

/// A word as a shell takes it (POSIX, "Single-Quotes").
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Removes what trials have left whose time is over: the machine went down under them.
pub(super) async fn sweep(program: &Program, now: u64) {
    let filter = format!("name={PREFIX}");
    let mut command = program.command();
    command.args(["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]);
    let Some(listed) = super::container::answer(command).await else { return };
    for name in left(&listed, now) {
        let mut command = program.command();
        command.args(["rm", "--force", "--volumes", name]);
        // If it cannot be removed now, the next one tries again.
        let _ = super::container::answer(command).await;
    }
}

/// The containers of trials whose time is over, those first that depend on others.
fn left(listed: &str, now: u64) -> Vec<&str> {
    let over = |name: &&str| {
        let until = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
        until.is_some_and(|until| until < now)
    };
    let mut names: Vec<&str> = listed.lines().map(str::trim).filter(over).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::workshop::Kind;
    use std::path::{Path, PathBuf};

    /// An engine that writes down what it is told; `rm` takes a file away that `create` has made.
    fn engine(folder: &Path, create: &str) -> Program {
        let path = folder.join("engine");
        let text = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>{0}/argv\ncase $1 in\ncreate) {create};;\nrm) rm -f {0}/$4;;\nesac\n",
            folder.display()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755))
            .unwrap();
        Program { kind: Kind::Podman, path, first: Vec::new() }
    }

    fn containers() -> Vec<Container> {
        let one = |name: &str, word: &str| Container {
            name: name.to_owned(),
            args: vec!["create".to_owned(), name.to_owned(), word.to_owned()],
        };
        vec![one("one", "it's; $(rm) `x`"), one("two", "")]
    }

    async fn until(condition: impl Fn() -> bool) {
        let all = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), all).await.expect("in time");
    }

    fn said(folder: &Path) -> String {
        std::fs::read_to_string(folder.join("argv")).unwrap_or_default()
    }

    #[tokio::test]
    async fn what_is_made_is_removed_at_the_end_and_where_the_guard_is_dropped() {
        for dropped in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let place: PathBuf = folder.path().to_owned();
            let program = engine(&place, &format!("touch {}/$2", place.display()));
            let guard = Guard::make(&program, &containers()).await.unwrap();
            assert!(place.join("one").exists() && place.join("two").exists());
            if dropped {
                drop(guard)
            } else {
                guard.end().await
            }
            until(|| !place.join("one").exists() && !place.join("two").exists()).await;
            let expected =
                "create one it's; $(rm) `x`\ncreate two \nrm --force --volumes two\nrm --force --volumes one\n";
            assert_eq!(said(&place), expected);
        }
    }

    /// The order to remove comes while a container is being made.
    #[tokio::test]
    async fn what_is_made_late_is_removed_too() {
        let folder = tempfile::tempdir().unwrap();
        let place: PathBuf = folder.path().to_owned();
        let wait =
            format!("touch {0}/begun; while [ ! -e {0}/go ]; do sleep 0.01; done; touch {0}/$2", place.display());
        let program = engine(&place, &wait);
        let containers = containers();
        {
            let making = Guard::make(&program, &containers);
            tokio::pin!(making);
            let begun = until(|| place.join("begun").exists());
            tokio::select! {
                _ = &mut making => panic!("it waits"),
                () = begun => {}
            }
        }
        std::fs::write(place.join("go"), "").unwrap();
        // The engine says what it is asked before it does it.
        until(|| said(&place).ends_with("rm --force --volumes one\n") && !place.join("one").exists()).await;
        assert!(!place.join("two").exists());
    }

    #[tokio::test]
    async fn what_cannot_be_made_is_told_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let program = engine(folder.path(), "[ $2 = one ] || { echo 'Error: no such image' >&2; exit 125; }");
        let why = Guard::make(&program, &containers()).await.err();
        assert_eq!(why.as_deref(), Some("Error: no such image"));
        assert!(said(folder.path()).ends_with("rm --force --volumes two\nrm --force --volumes one\n"));
    }

    #[test]
    fn what_a_machine_left_is_known_by_its_name() {
        let listed = "quarterdeck-trial-100-ab\nquarterdeck-trial-100-ab-way\nquarterdeck-trial-300-cd\nmine\n\
                      quarterdeck-trial-x\n";
        assert_eq!(left(listed, 200), ["quarterdeck-trial-100-ab-way", "quarterdeck-trial-100-ab"]);
    }
}
