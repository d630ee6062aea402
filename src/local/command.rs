//! Runs programs that do some work and end: pip, cargo, apt-get.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::Command;

use super::error::LocalError;

/// How many of the last lines of a failed program its error shows.
const TAIL: usize = 20;

/// A line of output.
pub(super) enum OutputLine<'a> {
    Out(&'a str),
    Err(&'a str),
}

/// Runs a program and gives each line of its output to `on_line` at once. `what` names the work for an
/// error. Dropping the future ends the program.
pub(super) async fn run(
    what: &str,
    mut command: Command,
    limit: Duration,
    on_line: &mut (dyn FnMut(OutputLine<'_>) + Send),
) -> Result<(), LocalError> {
    let mut tail = VecDeque::new();
    let status = tokio::time::timeout(limit, follow(&mut command, &mut tail, on_line)).await;
    let tail = Vec::from(tail);
    match status {
        Err(_) => Err(LocalError::TooSlow { what: what.to_owned(), limit, tail }),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => {
            Err(LocalError::Command { what: what.to_owned(), status: status.to_string(), way_out: None, tail })
        }
        Ok(Err(error)) => {
            Err(LocalError::Command { what: what.to_owned(), status: error.to_string(), way_out: None, tail })
        }
    }
}

async fn follow(
    command: &mut Command,
    tail: &mut VecDeque<String>,
    on_line: &mut (dyn FnMut(OutputLine<'_>) + Send),
) -> std::io::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut out = child.stdout.take().map(lines);
    let mut err = child.stderr.take().map(lines);
    while out.is_some() || err.is_some() {
        tokio::select! {
            line = next(&mut out), if out.is_some() => {
                if let Some(line) = line? {
                    on_line(OutputLine::Out(&line));
                    // Output for machines, such as cargo's JSON, does not explain a failure to people.
                    if !line.starts_with('{') { keep(tail, line); }
                }
            }
            line = next(&mut err), if err.is_some() => {
                if let Some(line) = line? {
                    on_line(OutputLine::Err(&line));
                    keep(tail, line);
                }
            }
        }
    }
    child.wait().await
}

fn lines<R: AsyncRead>(pipe: R) -> Lines<BufReader<R>> {
    BufReader::new(pipe).lines()
}

/// The next line. At the end of a pipe, `pipe` becomes `None`.
async fn next<R: AsyncRead + Unpin>(pipe: &mut Option<Lines<BufReader<R>>>) -> std::io::Result<Option<String>> {
    let Some(lines) = pipe else { return Ok(None) };
    let line = lines.next_line().await?;
    if line.is_none() {
        *pipe = None;
    }
    Ok(line)
}

fn keep(tail: &mut VecDeque<String>, line: String) {
    if tail.len() == TAIL {
        tail.pop_front();
    }
    tail.push_back(line);
}

/// The path of a program, searched as a shell does and in the folders of system programs.
pub(super) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps runc and iptables in folders that are not in a user's PATH.
    let system = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|place| place.join(program)).find(|file| file.is_file())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn each_line_is_passed_on_and_an_error_shows_the_last_ones() {
        let mut seen = Vec::new();
        let mut on_line = |line: OutputLine<'_>| match line {
            OutputLine::Out(text) => seen.push(format!("out {text}")),
            OutputLine::Err(text) => seen.push(format!("err {text}")),
        };
        let result = run("it", sh("echo a; echo b >&2; exit 3"), Duration::from_secs(10), &mut on_line).await;
        seen.sort();
        assert_eq!(seen, ["err b", "out a"]);
        let error = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("it failed (exit status: 3)") && error.contains('b'), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_given_up_after_its_time_limit() {
        let result = run("it", sh("sleep 60"), Duration::from_millis(50), &mut |_| {}).await;
        assert!(matches!(result, Err(LocalError::TooSlow { .. })));
    }
}
