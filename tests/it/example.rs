//! `examples/call.py` with input of which it can make nothing: it says so in one line.

use std::io::Write;
use std::process::{Command, Stdio};

use rstest::rstest;

#[rstest]
#[case("", "there is no token on standard input")]
#[case(" \n", "there is no token on standard input")]
#[case("quarterdeck: there is no client", "is no token")]
#[case("{\"client_id\": \"a\",\n\"client_secret\": hush}", "broken in line 2")]
#[case("{\"client_id\": \"a\"}", "has no client_secret")]
#[case("{\"client_id\": 7, \"client_secret\": \"hush\"}", "has no client_id")]
fn unusable_input_of_the_example_is_named_without_a_traceback(#[case] input: &str, #[case] why: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/call.py");
    let mut example = Command::new("python3")
        .args(["-B", script, "http://127.0.0.1:9/time/mcp"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    example.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = example.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.starts_with("call.py: ") && said.contains(why) && said.lines().count() == 1, "{said}");
    assert!(!said.contains("hush"), "a secret is not repeated: {said}");
}
