//! Where what a task said last lies, what a server behind gangway said last before it ended, and the cause that it names.

use crate::support::{at, fixtures, logs};
use quarterdeck::core::finding::{self, Id};
use quarterdeck::core::fleet::{Container, StopCode, Task, TaskStatus};
use quarterdeck::core::logs::words::Ended;
use quarterdeck::core::logs::{ContainerLog, Destination, Streams};
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

/// A task with an app and a container beside it, which ended with these codes.
fn stopped(app: Option<i32>, beside: Option<i32>) -> Task {
    let mut task = fixtures::task("time", 1);
    (task.last_status, task.stopped_at) = (TaskStatus::Stopped, Some(at(-60)));
    task.stop_code = Some(StopCode::EssentialContainerExited);
    let one = task.containers[0].clone();
    let container = |name: &str, exit_code| Container {
        name: name.into(),
        exit_code,
        runtime_id: Some(format!("{name}-id")),
        ..one.clone()
    };
    task.containers = vec![container("app", app), container("beside", beside)];
    task
}

/// In which streams the task has its last words, for containers that log like this.
#[rstest]
#[case::the_one_that_failed(Streams::Tasks { prefix: "p".into() }, Some(1), Some(0), &["p/app/ID"])]
#[case::one_was_stopped_then(Streams::Tasks { prefix: "p".into() }, Some(1), Some(143), &["p/app/ID"])]
#[case::killed(Streams::Tasks { prefix: "p".into() }, Some(137), Some(0), &["p/app/ID"])]
#[case::both_ended_well(Streams::Tasks { prefix: "p".into() }, Some(0), Some(0), &["p/app/ID", "p/beside/ID"])]
#[case::one_never_ran(Streams::Tasks { prefix: "p".into() }, Some(2), None, &["p/app/ID"])]
#[case::none_ran(Streams::Tasks { prefix: "p".into() }, None, None, &[])]
#[case::by_the_engines_id(Streams::Runtime, Some(1), None, &["app-id"])]
#[case::through_firelens(Streams::FireLens { prefix: "logs/".into() }, Some(1), None, &["logs/app-firelens-ID"])]
#[case::not_to_be_told_from_others(Streams::Named { stream: "all".into() }, Some(1), None, &[])]
fn where_the_last_words_lie(
    #[case] streams: Streams,
    #[case] app: Option<i32>,
    #[case] beside: Option<i32>,
    #[case] expected: &[&str],
) {
    let task = stopped(app, beside);
    let log = |container: &str| ContainerLog {
        container: container.into(),
        to: Destination::Group { group: "/g".into(), streams: streams.clone() },
    };
    let found = Ended::of_task(&task, &[log("app"), log("beside")], at(0));
    let found = found.map(|one| one.streams).unwrap_or_default();
    let expected: Vec<(String, String)> =
        expected.iter().map(|stream| ("/g".to_owned(), stream.replace("ID", task.id()))).collect();
    assert_eq!(found, expected);
    assert_eq!(Ended::of_task(&task, &[log("app")], at(3_600)), None, "an hour is no news");
}

/// The newest task of a loop may not be heard yet. Of those that ended in the same way the last one that was speaks for all.
#[test]
fn the_newest_task_that_was_heard_speaks_for_all_of_a_loop() {
    let mut server = fixtures::server("time", 2);
    let tasks = fixtures::tasks(&mut server);
    for (index, words) in [(7, Some("no port")), (8, Some("no address")), (9, None)] {
        let mut task = stopped(Some(1), None);
        task.arn = format!("{}{index}", task.arn);
        task.stopped_at = Some(at(i64::from(index) - 60));
        task.last_words = words.map(str::to_owned);
        tasks.push(task);
    }
    server.running = 1;
    let found = finding::findings(&server, at(0));
    let one = found.iter().find(|one| one.id == Id::CrashLoop).unwrap();
    assert!(one.evidence.ends_with("it said last: no address") && one.fact.ends_with("the last 51s ago"), "{one:#?}");
}
