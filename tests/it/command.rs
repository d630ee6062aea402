//! The command line without a cloud.

use std::io::BufRead;
use std::process::{Command, Stdio};

use crate::support::cloudwatch::{CloudWatch, Delivery};
use crate::support::pty;
use rstest::rstest;
use serde_json::Value;

/// `quarterdeck` with its files in a directory of the test.
fn quarterdeck(home: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(args).current_dir(home).stdin(Stdio::null());
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home)).envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    command
}

#[test]
fn the_keys_are_a_json_array_too() {
    let home = tempfile::tempdir().unwrap();
    let output = quarterdeck(home.path(), &["keys", "--output", "json"]).output().unwrap();
    let keys: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = quarterdeck(home.path(), &["keys"]).output().unwrap().stdout;
    assert_eq!(keys.len(), String::from_utf8(text).unwrap().lines().count());
    let restart = keys.iter().find(|action| action["name"] == "restart").unwrap();
    let names: Vec<&String> = restart.as_object().unwrap().keys().collect();
    assert_eq!(names, ["name", "keys", "scope", "writes", "doc"]);
    assert_eq!(restart["writes"], true);
    assert!(restart["keys"][0].is_string() && restart["scope"].is_string() && restart["doc"].is_string());
}

#[rstest]
#[case(&["-e", "x", "--region", "us-east-1", "--endpoint-url", "http://127.0.0.1:9", "status"], 1)]
#[case(&["-e", "x", "--region", "us-east-1", "--endpoint-url", "http://127.0.0.1:9"], 2)]
#[case(&["local", "down"], 0)]
#[case(&["status"], 2)]
#[case(&["nonsense"], 2)]
fn a_reader_of_stderr_that_has_gone_away_changes_no_exit_code(#[case] args: &[&str], #[case] code: i32) {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = quarterdeck(home.path(), args);
    let status = command.stdout(Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(code));
}

#[rstest]
#[case("theme = 'drak'", "theme: there is no theme \"drak\"")]
#[case("[keys]\nscael = 'S'", "keys.scael: there is no such action")]
fn every_command_refuses_a_configuration_that_the_console_refuses(#[case] text: &str, #[case] why: &str) {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config/quarterdeck/config.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(&config, text).unwrap();
    for args in [&["status"][..], &["local", "status"], &["audit"]] {
        let output =
            quarterdeck(home.path(), &[&["-e", "x", "--region", "us-east-1"], args].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&config.display().to_string()) && said.contains(why), "{said}");
    }
}

/// `quarterdeck logs` of these groups on an endpoint that has `/quarterdeck/x/time` and `/other`.
fn logs(cloud: &CloudWatch, home: &std::path::Path, args: &[&str]) -> Command {
    let place = ["-e", "x", "--region", "us-east-1", "--endpoint-url", &cloud.url, "logs", "--since", "1m"];
    quarterdeck(home, &[&place, args].concat())
}

fn cloud_watch(runtime: &tokio::runtime::Runtime) -> CloudWatch {
    let cloud = runtime.block_on(CloudWatch::start(&["/other", "/quarterdeck/x/time"]));
    cloud.put("/other", "a line", 0, Delivery::Silent);
    cloud
}

#[rstest]
#[case(&["--group", "/quarterdeck/x/tmie"], 3, "there is no log group /quarterdeck/x/tmie\n  there is /quarterdeck/x/time")]
#[case(&["--group", "/nope", "--group", "/neither"], 3, "there is no log group /neither, /nope")]
#[case(&["--group", "/nope", "--group", "/other"], 0, "there is no log group /nope\n")]
#[case(&["--group", "/other"], 0, "")]
fn a_log_group_that_does_not_exist_is_told(#[case] args: &[&str], #[case] code: i32, #[case] said: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (cloud, home) = (cloud_watch(&runtime), tempfile::tempdir().unwrap());
    let output = logs(&cloud, home.path(), args).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert_eq!(err.is_empty(), said.is_empty(), "{err}");
    assert!(err.contains(said), "{err}");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.contains("a line"), code == 0, "{lines}");
}

#[test]
fn a_log_group_that_does_not_exist_yet_is_waited_for() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (cloud, home) = (cloud_watch(&runtime), tempfile::tempdir().unwrap());
    let mut command = logs(&cloud, home.path(), &["--group", "/nope", "-f", "--mode", "poll"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    let told = told.map_while(Result::ok).find(|line| line.contains("does not exist yet"));
    assert_eq!(told.as_deref(), Some("quarterdeck: waits for /nope, which does not exist yet"));
    cloud.create("/nope");
    cloud.put("/nope", "here it is", 0, Delivery::Silent);
    let line = std::io::BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.ends_with("here it is"), "{line}");
}
