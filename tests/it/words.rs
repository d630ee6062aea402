//! What a server behind gangway said last before it ended, and the cause that it names.

use crate::support::{at, logs};
use quarterdeck::core::finding::{self, Id};
use quarterdeck::core::requests::Requests;
use rstest::rstest;

const TASK: &str = "a3f1c2d4e5f60718";
const OTHER: &str = "b4f1c2d4e5f60718";

/// A line of a task of `time`: seconds before now, the event, and its message.
type Said = (i64, &'static str, &'static str, &'static str);

const ENDS: (&str, &str) = ("app_end", "the server ended: exit code 1");

#[rstest]
#[case::its_error(
    &[(31, TASK, "app", "Error: Cannot find module '/app/x'"), (31, TASK, "app", "    at a.js:1"), (30, TASK, ENDS.0, ENDS.1)],
    Id::AppDown, Some("Error: Cannot find module '/app/x'"))]
#[case::a_folder(
    &[(31, TASK, "app", "Error: EROFS: read-only file system, mkdir '/app/.cache'"), (30, TASK, ENDS.0, ENDS.1)],
    Id::NotWritable, Some("Error: EROFS: read-only file system, mkdir '/app/.cache'"))]
#[case::a_line_that_comes_after_its_end(
    &[(30, TASK, ENDS.0, ENDS.1), (29, TASK, "app", "Error: no port")], Id::AppDown, Some("Error: no port"))]
#[case::of_another_task(
    &[(31, OTHER, "app", "Error: no port"), (30, TASK, ENDS.0, ENDS.1)], Id::AppDown, None)]
#[case::long_before_its_end(
    &[(60, TASK, "app", "Error: no port"), (30, TASK, ENDS.0, ENDS.1)], Id::AppDown, None)]
#[case::nothing(&[(30, TASK, ENDS.0, ENDS.1)], Id::AppDown, None)]
#[case::the_kernels_word(
    &[(30, TASK, ENDS.0, "the program \"/app\" cannot be started: Exec format error (os error 8)")],
    Id::ImageArchitecture, None)]
fn what_the_server_behind_said_last_stands_with_its_end(
    #[case] said: &[Said],
    #[case] id: Id,
    #[case] words: Option<&str>,
) {
    let mut counted = Requests::whole();
    for (ago, task, event, message) in said {
        let line = serde_json::json!({ "ts": "x", "level": "info", "event": event, "server": "time", "message": message,
            "reason": if event.starts_with("app_") { "exited" } else { "" } });
        counted.take(&logs::line("time", task, -ago * 1_000, &line.to_string()), at(0).as_millisecond());
    }
    let found = finding::of_traffic(&counted, &str::to_owned, at(0), at(0));
    let [one] = &found["time"][..] else { panic!("{found:#?}") };
    assert_eq!(one.id, id, "{one:#?}");
    assert_eq!(one.evidence.split_once("; it said last: ").map(|(_, words)| words), words, "{one:#?}");
}
