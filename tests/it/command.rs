//! The command line without a cloud.

use std::io::BufRead;
use std::process::{Command, Stdio};

use crate::support::cloudwatch::{CloudWatch, Delivery};
use crate::support::pty;
use crate::support::scripted::{Reply, Scripted};
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

/// An endpoint where nothing is deployed.
fn nothing(runtime: &tokio::runtime::Runtime) -> Scripted {
    runtime.block_on(Scripted::start(|request| match request.call.as_str() {
        "ListServices" => Reply::json(200, serde_json::json!({ "serviceArns": [] })),
        "DescribeClusters" => {
            Reply::json(200, serde_json::json!({ "clusters": [{ "clusterName": "c", "status": "ACTIVE" }] }))
        }
        "ListTasks" => Reply::json(200, serde_json::json!({ "taskArns": [] })),
        "DescribeScalableTargets" => Reply::json(200, serde_json::json!({ "ScalableTargets": [] })),
        _ => Reply::error(400, "UnknownOperationException", "not in the script"),
    }))
}

/// A working setup, and what an empty variable would make of it.
#[rstest]
#[case::profile("AWS_PROFILE")]
#[case::region("AWS_REGION")]
#[case::default_region("AWS_DEFAULT_REGION")]
#[case::endpoint("AWS_ENDPOINT_URL")]
#[case::endpoint_of_a_service("AWS_ENDPOINT_URL_ECS")]
#[case::config_file("AWS_CONFIG_FILE")]
#[case::ignored_endpoints("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")]
#[case::environment("QUARTERDECK_ENVIRONMENT")]
#[case::read_only("QUARTERDECK_READ_ONLY")]
#[case::no_trial("QUARTERDECK_NO_TRIAL")]
#[case::log("QUARTERDECK_LOG")]
#[case::no_color("NO_COLOR")]
#[case::state("XDG_STATE_HOME")]
#[case::config("XDG_CONFIG_HOME")]
fn an_empty_variable_is_not_set(#[case] name: &str, #[values("", " ", "\t")] value: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, home) = (nothing(&runtime), tempfile::tempdir().unwrap());
    let place = ["--cluster", "c", "--region", "eu-west-1", "--endpoint-url", &server.url, "status"];
    let output = quarterdeck(home.path(), &place).env("HOME", home.path()).env(name, value).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(server.count("ListServices") > 0, "{said}");
    let left = if value.is_empty() { home.path().join("quarterdeck") } else { home.path().join(value) };
    assert!(!left.exists(), "{} was made", left.display());
}

#[rstest]
#[case::for_all(&[("AWS_ENDPOINT_URL", "HERE")], true)]
#[case::for_one_service(&[("AWS_ENDPOINT_URL_ECS", "HERE"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")], true)]
#[case::ignored(&[("AWS_ENDPOINT_URL", "HERE"), ("AWS_ENDPOINT_URL_ECS", "HERE"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")], false)]
#[case::not_ignored(&[("AWS_ENDPOINT_URL", "HERE"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")], true)]
#[case::of_the_profile(&[("AWS_PROFILE", "here")], true)]
#[case::ignored_by_the_profile(&[("AWS_PROFILE", "there")], false)]
fn endpoints_are_those_of_the_environment_and_the_profile(#[case] variables: &[(&str, &str)], #[case] asked: bool) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, home) = (nothing(&runtime), tempfile::tempdir().unwrap());
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let config = format!(
        "[profile here]\nendpoint_url = {0}\n[profile there]\nendpoint_url = {0}\nignore_configured_endpoint_urls = true\n",
        server.url
    );
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let mut command = quarterdeck(home.path(), &["--cluster", "c", "--region", "eu-west-1", "status"]);
    // Nothing may go to AWS itself.
    command.env("HOME", home.path()).env("HTTPS_PROXY", "http://127.0.0.1:9").env("AWS_MAX_ATTEMPTS", "1");
    for (name, value) in variables {
        command.env(name, value.replace("HERE", &server.url));
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!((code == Some(0), server.count("ListServices") > 0), (asked, asked), "{code:?}");
}

#[rstest]
#[case::not_there("[profile dev]\nregion = eu-west-1\n", &["there is no profile `prod`", "there is dev"])]
#[case::nothing_there("", &["there is no profile `prod`", "no profile is there"])]
#[case::byte_order_mark("\u{feff}[profile prod]\nregion = eu-west-1\n", &[".aws/config:1:", "byte order mark"])]
#[case::broken_section("[profile prod\nregion = eu-west-1\n", &[".aws/config:1:", "does not end with `]`"])]
#[case::without_prefix("[prod]\nregion = eu-west-1\n", &[".aws/config:1:", "`[profile prod]`"])]
#[case::session("[profile prod]\nregion = eu-west-1\nsso_session = corp\n", &[".aws/config:3:", "sso-session `corp`"])]
fn a_profile_that_cannot_be_used_is_told_with_file_and_line(#[case] config: &str, #[case] parts: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    for region in [&["--region", "eu-west-1"][..], &[]] {
        let args = [&["-e", "x", "--profile", "prod"], region, &["status"]].concat();
        let output = quarterdeck(home.path(), &args).env("HOME", home.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

/// What the program says: its exit code, stdout and stderr.
fn said_by(home: &std::path::Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = quarterdeck(home, args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[rstest]
#[case::status("status")]
#[case::why("why")]
fn several_places_are_told_side_by_side_with_their_failures(#[case] command: &str) {
    let home = tempfile::tempdir().unwrap();
    let nobody = ["--endpoint-url", "http://127.0.0.1:9", "--region", "eu-west-1"];
    let (code, out, _) = said_by(home.path(), &[&["-e", "a", "-e", "b@us-east-1"][..], &nobody, &[command]].concat());
    assert_eq!(code, Some(1));
    assert!(out.contains("== a eu-west-1\nnot read: ") && out.contains("== b us-east-1\nnot read: "), "{out}");
    let json = ["--output", "json"];
    let (code, out, _) = said_by(home.path(), &[&["-e", "a,b"][..], &nobody, &json, &[command]].concat());
    let document: Value = serde_json::from_str(&out).unwrap();
    let places: Vec<&Value> = document["places"].as_array().unwrap().iter().collect();
    assert_eq!(code, Some(1));
    assert_eq!((&places[0]["place"], &places[1]["place"]), (&"a eu-west-1".into(), &"b eu-west-1".into()));
    assert!(places.iter().all(|place| place["error"].is_string() && place["answer"].is_null()), "{out}");
}

#[test]
fn several_places_of_the_configuration_are_told_where_nothing_names_one() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config/quarterdeck/config.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    let text = "[[fleet]]\nenvironment = 'a'\nregion = 'eu-west-1'\n[[fleet]]\ncluster = 'b'\nregion = 'us-east-1'\n";
    std::fs::write(&config, text).unwrap();
    let nobody = ["--endpoint-url", "http://127.0.0.1:9"];
    let (_, out, _) = said_by(home.path(), &[&nobody[..], &["status"]].concat());
    assert!(out.contains("== a eu-west-1\n") && out.contains("== b us-east-1\n"), "{out}");
    // Whoever names one means that one.
    let one = ["-e", "c", "--region", "eu-west-1", "status"];
    let (code, out, said) = said_by(home.path(), &[&nobody[..], &one].concat());
    assert_eq!((code, out.as_str()), (Some(1), ""), "{said}");
    // What writes works on one place, and takes none from a list.
    let (code, _, said) = said_by(home.path(), &[&nobody[..], &["deploy", "--region", "eu-west-1"]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("nothing says which environment to work on"), "{said}");
}

#[rstest]
#[case(&["-e", "a", "-e", "b", "restart", "x"], "it names several environments, and this works on one")]
#[case(&["-e", "a", "-e", "b", "deploy"], "it names several environments, and this works on one")]
#[case(&["-e", "a@eu-west-1", "--region", "us-east-1", "status"], "--region says us-east-1, and --environment says eu-west-1")]
#[case(&["-e", "a@ireland", "status"], "\"ireland\" is not formed as the name of an AWS region")]
fn what_works_on_one_place_takes_no_several(#[case] args: &[&str], #[case] why: &str) {
    let home = tempfile::tempdir().unwrap();
    let (code, out, said) = said_by(home.path(), args);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{said}");
    assert!(said.contains(why), "{said}");
}

/// What needs no place is answered where nothing names one.
#[test]
fn policies_and_unfinished_operations_need_no_place() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = quarterdeck(home.path(), args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let policy = ["iam-policy", "rotate", "--account", "123456789012", "--region", "eu-west-1"];
    let (code, policy, err) = run(&policy);
    assert_eq!(code, Some(0), "{err}");
    assert!(policy.contains("service/quarterdeck-*/*") && policy.contains("StringLike"), "{policy}");

    let (code, said, err) = run(&["operations", "list"]);
    assert_eq!((code, said.as_str()), (Some(0), "no operation of this machine is unfinished\n"), "{err}");
    let state = home.path().join("state/quarterdeck");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("audit.jsonl"), include_str!("audit/v0.1.0.jsonl")).unwrap();
    let (code, listed, err) = run(&["operations", "list", "--output", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let listed = listed["operations"].as_array().unwrap();
    assert!(!listed.is_empty());
    let elsewhere = "of prod in eu-west-1: `quarterdeck -e prod --region eu-west-1 operations list`";
    for operation in listed {
        assert_eq!((&operation["standing"], &operation["why"]), (&"elsewhere".into(), &elsewhere.into()));
    }
    // Whoever resumes one in another place is told where it is.
    let id = listed[0]["operation"].as_str().unwrap();
    let (code, _, err) = run(&["-e", "staging", "--region", "eu-west-1", "operations", "resume", id]);
    assert_eq!(code, Some(3));
    assert!(err.contains(elsewhere), "{err}");
}

/// Whoever must sign in again is told for which profile, and by which of the two programs.
#[rstest]
#[case::identity_center(
    "[profile corp]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = operator\nregion = us-east-1\n\
     [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.invalid\n",
    "`aws sso login --profile corp`"
)]
#[case::console(
    "[profile corp]\nlogin_session = arn:aws:iam::123456789012:user/anna\nregion = us-east-1\n",
    "`aws login --profile corp`"
)]
fn a_sign_in_that_is_over_names_its_profile(#[case] config: &str, #[case] way: &str) {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    for command in [&["status"][..], &["why"], &["scale", "time", "--desired", "2"], &["logs"], &["-e", "y", "status"]]
    {
        let args = [&["-e", "x", "--profile", "corp", "--endpoint-url", "http://127.0.0.1:9"][..], command].concat();
        let mut command = quarterdeck(home.path(), &args);
        command.env("HOME", home.path()).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(way), "{args:?}: {said}");
    }
}
