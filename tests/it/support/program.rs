//! The program as its user starts it, against a scripted AWS.

use std::process::{Command, Stdio};

use super::pty;

/// Runs it in a home of its own on the environment `prod` at this endpoint: its exit code, and what it printed.
pub fn run(url: &str, args: &[&str]) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["-e", "prod", "--region", "eu-central-1", "--endpoint-url", url]).args(args);
    command.current_dir(home.path()).stdin(Stdio::null());
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
