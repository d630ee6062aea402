//! The console in a pseudo-terminal, without a cloud: it starts, says what is wrong, accepts keys
//! whatever the network does, and gives the terminal back.

use crate::support::pty as terminal;

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::plans;
use crate::support::pty::Console;
use crate::support::scripted::{Reply, Scripted};
use jiff::tz::TimeZone;
use quarterdeck::aws::{Access, Prober, connect};
use quarterdeck::console::keymap::Keymap;
use quarterdeck::core::identity::Context;
use quarterdeck::core::operation::record::{Entry, Record};
use quarterdeck::run::audit::Audit;
use quarterdeck::run::places::OnePlace;
use quarterdeck::run::{self, Opening, Session};
use quarterdeck::ui::theme::Theme;
use rstest::rstest;
use serde_json::json;

const SOON: Duration = Duration::from_secs(5);
const WIDE: terminal::Size = (120, 40);

/// The console on an endpoint. Its home directory is deleted with it.
fn console(endpoint: &str) -> (Console, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a directory");
    let args = ["--endpoint-url", endpoint, "--region", "us-east-1", "-e", "x"];
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    (Console::start(home.path(), WIDE, &args, keys), home)
}

/// An endpoint on which nobody listens: its listener has just been closed.
fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn a_refused_endpoint_is_named_with_a_way_out() {
    let endpoint = refused();
    let (mut console, _home) = console(&endpoint);
    let screen = console.wait("the error", SOON, |screen| screen.contains("not read") && screen.contains("→"));
    assert!(screen.contains(endpoint.trim_start_matches("http://")), "{screen}");
    assert!(screen.contains("`quarterdeck local up`"), "{screen}");
    console.assert_taken();

    console.press("?");
    console.wait_for("keys: Fleet", SOON);
    console.press("\x1b");
    console.wait("help to close", SOON, |screen| !screen.contains("keys: Fleet") && screen.contains("[Fleet]"));

    console.press("q");
    assert_eq!(console.wait_for_exit(SOON), 0);
    console.assert_restored();
}

#[test]
fn a_terminal_that_is_too_small_says_so_and_recovers() {
    let (mut console, _home) = console(&refused());
    console.wait_for("[Fleet]", SOON);
    console.resize((20, 5));
    console.wait("too small", SOON, |screen| screen.contains("terminal too small") && screen.contains("40x10"));
    console.resize(WIDE);
    console.wait("the Fleet screen", SOON, |screen| screen.contains("[Fleet]") && !screen.contains("too small"));
    console.press("q");
    assert_eq!(console.wait_for_exit(SOON), 0);
    console.assert_restored();
}

#[rstest]
#[case("HUP", 129)]
#[case("INT", 130)]
#[case("QUIT", 131)]
#[case("TERM", 143)]
fn a_signal_gives_the_terminal_back(#[case] signal: &str, #[case] code: u32) {
    let (mut console, _home) = console(&refused());
    console.wait_for("[Fleet]", SOON);
    console.assert_taken();
    console.signal(signal);
    assert_eq!(console.wait_for_exit(SOON), code);
    console.assert_restored();
}

/// The console as a job of a shell, and the id of its process.
fn job(endpoint: &str) -> (Console, u32, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a directory");
    let args = ["--endpoint-url", endpoint, "--region", "us-east-1", "-e", "x"];
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let mut shell = Console::shell(home.path(), WIDE, &args, &keys);
    shell.press("sh -c 'echo $$ >pid; exec $CONSOLE'\n");
    shell.wait_for("[Fleet]", SOON);
    shell.assert_taken();
    let pid = std::fs::read_to_string(home.path().join("pid")).expect("the id of the process");
    let pid = pid.trim().parse().expect("a number");
    (shell, pid, home)
}

/// The state of a process as `ps` has it, such as `T` for one that is stopped.
fn state(pid: u32) -> Option<char> {
    let listed = std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    String::from_utf8(listed.expect("ps").stdout).expect("text").chars().next()
}

fn wait_until_stopped(pid: u32) {
    let deadline = Instant::now() + SOON;
    while state(pid) != Some('T') {
        assert!(Instant::now() < deadline, "it is not stopped");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[rstest]
#[case::typed(None)]
#[case::sent(Some("TSTP"))]
fn a_console_that_is_suspended_gives_the_terminal_back_until_the_shell_continues_it(#[case] signal: Option<&str>) {
    let (mut shell, pid, _home) = job(&refused());
    // What is typed into a field must not be lost, nor may the field take the key.
    shell.press("/abc");
    shell.wait_for("abc", SOON);
    for stops in 1..=2 {
        match signal {
            Some(name) => terminal::signal(pid, name),
            None => shell.press("\x1a"),
        }
        let prompt = |screen: &str| screen.lines().filter(|line| line.trim_end() == "$").count() == 1;
        shell.wait("the shell", SOON, |screen| !screen.contains("[Fleet]") && prompt(screen));
        shell.assert_restored();
        // In the background it must not touch the terminal, and stops at once.
        shell.press("bg; jobs; echo look''ed\n");
        shell.wait("the shell", SOON, |screen| screen.matches("looked").count() == stops);
        wait_until_stopped(pid);
        shell.assert_restored();
        shell.press("fg; echo ended with $?\n");
        shell.wait("the console", SOON, |screen| screen.contains("[Fleet]") && screen.contains("abc"));
        shell.assert_taken();
    }
    shell.press("\x1b");
    shell.wait("the field to close", SOON, |screen| !screen.contains("abc"));
    shell.press("q");
    shell.wait_for("ended with 0", SOON);
    shell.assert_restored();
}

#[test]
fn a_console_that_was_stopped_without_a_warning_takes_the_terminal_again() {
    let (mut shell, pid, _home) = job(&refused());
    terminal::signal(pid, "STOP");
    shell.wait_for("topped", SOON);
    shell.press("stty sane; printf '\\033[?1049l\\033[?2004l\\033[?1000l'; echo in''side\n");
    shell.wait_for("inside", SOON);
    shell.press("fg\n");
    shell.wait("the console", SOON, |screen| screen.contains("[Fleet]") && !screen.contains("inside"));
    shell.assert_taken();
    shell.press("?");
    shell.wait_for("keys: Fleet", SOON);
}

#[test]
fn a_console_that_is_suspended_ends_by_a_signal() {
    let (mut shell, pid, _home) = job(&refused());
    shell.press("\x1a");
    shell.wait_for("topped", SOON);
    terminal::signal(pid, "TERM");
    shell.press("fg; echo ended with $?\n");
    shell.wait_for("ended with 143", SOON);
    shell.assert_restored();
}

#[test]
fn a_console_that_no_shell_could_continue_is_not_suspended() {
    let (mut console, _home) = console(&refused());
    console.wait_for("[Fleet]", SOON);
    console.press("\x1a");
    console.wait_for("not suspended", SOON);
    console.assert_taken();
    console.press("q");
    assert_eq!(console.wait_for_exit(SOON), 0);
}

#[test]
fn a_console_whose_shell_was_killed_ends() {
    let (shell, pid, _home) = job(&refused());
    shell.signal("KILL");
    wait_until_ended(pid);
}

fn wait_until_ended(pid: u32) {
    let deadline = Instant::now() + SOON;
    while !matches!(state(pid), None | Some('Z')) {
        assert!(Instant::now() < deadline, "it goes on without a terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a program in a pseudo-terminal of its own, ignores its SIGHUP as `nohup` does, and closes the
/// terminal when the program has taken it.
const CLOSES: &str = "
import os, pty, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
drawn = b''
while b'[?1049h' not in drawn:
    drawn += os.read(master, 4096)
print(pid)
";

#[test]
fn a_console_whose_terminal_was_closed_ends() {
    let (home, endpoint) = (tempfile::tempdir().expect("a directory"), refused());
    let mut closes = std::process::Command::new("python3");
    closes.args(["-c", CLOSES, env!("CARGO_BIN_EXE_quarterdeck"), "--endpoint-url", &endpoint]);
    closes.args(["--region", "us-east-1", "-e", "x"]).envs(terminal::homes(home.path())).env("AWS_PROFILE", "");
    let output = closes.output().expect("python3");
    let pid = String::from_utf8_lossy(&output.stdout).trim().parse();
    wait_until_ended(pid.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))));
}

/// The program of the next test: a console, and a task beside it that panics when a file is there.
#[test]
#[ignore = "started by another test, in a terminal"]
fn a_console_beside_a_task_that_panics() {
    let access = Access {
        region: Some("us-east-1".into()),
        endpoint: Some(std::env::var("ENDPOINT").expect("an endpoint")),
        static_credentials: true,
        ..Access::default()
    };
    let ended = tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let session = Session {
            cloud: Arc::new(connect(&access).await.expect("a cloud")),
            context: Context { environment: "x".into(), cluster: "quarterdeck-x".into(), ..Context::default() },
            environment: None,
            engine: Arc::new(crate::support::engine::Without),
            overrides: Arc::default(),
            audit: Audit::open(Path::new("state")).expect("an audit"),
            trials: true,
        };
        let outside = Arc::new(Prober::new().expect("a client"));
        tokio::spawn(async {
            while !Path::new("panic").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("on purpose");
        });
        let (places, themes) = (Arc::new(OnePlace), vec![Theme::dark(TimeZone::UTC)]);
        let keymap = Keymap::default();
        run::console(Opening {
            session,
            outside,
            beside: Vec::new(),
            places,
            keymap,
            themes,
            mouse: true,
            fields: Vec::new(),
        })
        .await
    });
    std::process::exit(ended.and_then(|closed| closed.exit).map_or(100, |exit| exit as i32));
}

#[test]
fn a_panic_beside_the_console_ends_it_and_gives_the_terminal_back() {
    let home = tempfile::tempdir().expect("a directory");
    let program = std::env::current_exe().expect("a path");
    let args = ["--exact", "pty::a_console_beside_a_task_that_panics", "--ignored", "--nocapture"];
    let mut console = Console::run(
        &program.to_string_lossy(),
        home.path(),
        WIDE,
        &args,
        [("ENDPOINT", refused()), ("RUST_BACKTRACE", "0".into())],
    );
    console.wait_for("[Fleet]", SOON);
    console.assert_taken();
    std::fs::write(home.path().join("panic"), "").expect("a file");
    assert_eq!(console.wait_for_exit(SOON), 1);
    console.assert_restored();
    let screen = console.screen();
    assert!(screen.contains("on purpose") && !screen.contains("[Fleet]"), "{screen}");
}

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn>\
    <UserId>U</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

/// The first line of the screen with these words.
fn line_with(screen: &str, words: &[&str]) -> Option<String> {
    screen.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
}

#[test]
fn two_places_of_which_one_hangs_stand_in_one_fleet() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let service = json!({
        "serviceName": "time", "serviceArn": "arn:time", "status": "ACTIVE", "desiredCount": 2, "runningCount": 2,
    });
    let answers = runtime.block_on(Scripted::script([
        ("GetCallerIdentity", vec![Reply::Answer(200, IDENTITY.into())]),
        ("ListServices", vec![Reply::json(200, json!({ "serviceArns": ["arn:time"] }))]),
        ("DescribeServices", vec![Reply::json(200, json!({ "services": [service] }))]),
        ("ListTasks", vec![Reply::json(200, json!({ "taskArns": [] }))]),
    ]));
    let hangs = runtime.block_on(Scripted::script([
        ("GetCallerIdentity", vec![Reply::Answer(200, IDENTITY.into())]),
        ("ListServices", vec![Reply::Hang]),
    ]));
    let home = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: String| {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let profile = |name: &str, url: &str| format!("[profile {name}]\nregion = us-east-1\nendpoint_url = {url}\n");
    let places = ["live", "dead"].map(|name| format!("[[fleet]]\nenvironment = '{name}'\nprofile = '{name}'\n"));
    write("config/quarterdeck/config.toml", places.concat());
    let keys = "aws_access_key_id = test\naws_secret_access_key = test\n";
    let files = [
        ("AWS_CONFIG_FILE", write("aws", profile("live", &answers.url) + &profile("dead", &hangs.url))),
        ("AWS_SHARED_CREDENTIALS_FILE", write("keys", format!("[live]\n{keys}[dead]\n{keys}"))),
    ];
    let mut console = Console::start(home.path(), WIDE, &[], files);
    console.wait_for("2/2", SOON);
    let screen = console.screen();
    assert!(line_with(&screen, &["time", "live", "2/2"]).is_some(), "{screen}");
    assert!(line_with(&screen, &["dead", "reading …"]).is_some(), "{screen}");
    // The console goes to the one that hangs, and the other is read on, beside it.
    console.press("G\r");
    console.wait_for("profile dead", SOON);
    let before = answers.count("DescribeServices");
    let deadline = Instant::now() + 4 * SOON;
    while answers.count("DescribeServices") < before + 2 {
        assert!(Instant::now() < deadline, "{}", console.screen());
        std::thread::sleep(Duration::from_millis(50));
    }
    let screen = console.screen();
    assert!(line_with(&screen, &["time", "live", "2/2"]).is_some(), "{screen}");
    // And back, to the server whose row it is.
    console.press("g\r");
    console.wait_for("tasks of time", SOON);
    assert!(line_with(&console.screen(), &["live", "profile live"]).is_some(), "{}", console.screen());
    console.press("\x03");
    assert_eq!(console.wait_for_exit(SOON), 0);
}

#[rstest]
#[case::left(None)]
#[case::terminated(Some("TERM"))]
fn a_console_that_ends_while_an_operation_is_under_way_names_it(#[case] signal: Option<&str>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let service = json!({ "serviceName": "time", "status": "ACTIVE", "desiredCount": 2 });
    let bounds = json!({ "ResourceId": "service/quarterdeck-prod/time", "MinCapacity": 1, "MaxCapacity": 6 });
    let server = runtime.block_on(Scripted::script([
        ("GetCallerIdentity", vec![Reply::Answer(200, IDENTITY.into())]),
        ("ListServices", vec![Reply::json(200, json!({ "serviceArns": ["arn:time"] }))]),
        ("DescribeServices", vec![Reply::json(200, json!({ "services": [service] }))]),
        ("DescribeScalableTargets", vec![Reply::json(200, json!({ "ScalableTargets": [bounds] }))]),
        ("RegisterScalableTarget", vec![Reply::Hang]),
    ]));
    let (mut plan, home) = (plans::scale(), tempfile::tempdir().expect("a directory"));
    let here = (&mut plan.target.environment, &mut plan.target.region, &mut plan.target.endpoint);
    (*here.0, *here.1, *here.2) = ("x".into(), "us-east-1".into(), Some(server.url.clone()));
    let entry = Entry::Intent { caller: "me".into(), plan: Box::new(plan) };
    let intent = Record { at: jiff::Timestamp::now(), operation: "op-scale".into(), entry };
    let audit = Audit::open(&home.path().join("state/quarterdeck")).expect("an audit");
    runtime.block_on(audit.append(intent)).expect("a record");
    // It holds the operation's lock until then.
    drop(audit);

    let args = ["--endpoint-url", &server.url, "--region", "us-east-1", "-e", "x"];
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let mut console = Console::start(home.path(), WIDE, &args, keys);
    console.wait_for("123456789012", SOON);
    console.press("o\r");
    console.wait_for("desired count", SOON);
    console.press("R");
    console.wait_for("it can go on", SOON);
    console.press("y");
    let deadline = Instant::now() + SOON;
    while server.count("RegisterScalableTarget") == 0 {
        assert!(Instant::now() < deadline, "the operation goes on:\n{}", console.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
    match signal {
        Some(name) => console.signal(name),
        None => console.press("\x03"),
    }
    assert_eq!(console.wait_for_exit(SOON), 5);
    console.assert_restored();
    let screen = console.screen();
    assert!(screen.contains("unfinished: scale time 2 -> 8") && screen.contains("op-scale"), "{screen}");
}

#[test]
fn keys_are_taken_while_the_endpoint_hangs() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let (asked, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 64]);
            let _ = asked.send(());
            // The connection stays open and is never answered.
            held.push(stream);
        }
    });
    let (mut console, _home) = console(&endpoint);
    console.wait_for("[Fleet]", SOON);
    wait.recv_timeout(SOON).expect("the console asks the endpoint");

    let pressed = Instant::now();
    console.press("?");
    console.wait_for("keys: Fleet", Duration::from_secs(1));
    console.press("\x1b");
    console.wait("help to close", Duration::from_secs(1), |screen| !screen.contains("keys: Fleet"));
    for (key, title) in [("3", "[Stack]"), ("4", "[Clients]"), ("1", "[Fleet]")] {
        console.press(key);
        console.wait_for(title, Duration::from_secs(1));
    }
    assert!(pressed.elapsed() < Duration::from_secs(3), "{:?}", pressed.elapsed());
    assert!(console.screen().contains("reading"), "{}", console.screen());

    console.press("q");
    assert_eq!(console.wait_for_exit(SOON), 0);
    console.assert_restored();
}

/// A profile of IAM Identity Center for which nobody has signed in.
const SIGNED_OUT: &str = "[profile corp]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = operator\n\
    region = us-east-1\n[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.invalid\n\
    sso_registration_scopes = sso:account:access\n";
/// Stands for the AWS CLI: it asks, and leaves credentials.
const AWS: &str = "#!/bin/sh\necho \"signs in: $*\"\nread answer\necho \"taken: $answer\"\n\
    printf '[profile corp]\\nregion = us-east-1\\naws_access_key_id = a\\naws_secret_access_key = b\\n' >\"$HOME/.aws/config\"\n";

/// An account with two clusters, one of them with a server.
fn account(runtime: &tokio::runtime::Runtime) -> Scripted {
    let service = json!({ "serviceArn": "arn:time", "serviceName": "time", "status": "ACTIVE", "desiredCount": 2 });
    let cluster = |name: &str| json!({ "clusterName": name, "status": "ACTIVE", "activeServicesCount": 3 });
    runtime.block_on(Scripted::script([
        ("GetCallerIdentity", vec![Reply::Answer(200, IDENTITY.into())]),
        ("ListClusters", vec![Reply::json(200, json!({ "clusterArns": ["arn:cluster/theirs", "arn:cluster/other"] }))]),
        ("DescribeClusters", vec![Reply::json(200, json!({ "clusters": [cluster("theirs"), cluster("other")] }))]),
        ("ListServices", vec![Reply::json(200, json!({ "serviceArns": ["arn:time"] }))]),
        ("DescribeServices", vec![Reply::json(200, json!({ "services": [service] }))]),
    ]))
}

#[test]
fn whoever_signs_in_from_within_reads_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, home) = (account(&runtime), tempfile::tempdir().expect("a directory"));
    let (folder, aws) = (home.path().join(".aws"), home.path().join("aws"));
    std::fs::create_dir(&folder).expect("a directory");
    std::fs::write(folder.join("config"), SIGNED_OUT).expect("a file");
    std::fs::write(&aws, AWS).expect("a file");
    std::fs::set_permissions(&aws, std::fs::Permissions::from_mode(0o755)).expect("a program");
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = home.path().display().to_string();
    let variables = [("PATH", format!("{folder}:{path}")), ("HOME", folder), ("AWS_PROFILE", String::new())];
    let args = ["--endpoint-url", &server.url, "--profile", "corp", "-e", "x"];
    let mut console = Console::start(home.path(), WIDE, &args, variables);

    console.wait_for("ctrl-l runs `aws sso login --profile corp`", 4 * SOON);
    console.press("\x0c");
    console.wait_for("signs in: sso login --profile corp", SOON);
    // What is typed is the program's, and no key of the console.
    console.press("q\r");
    let screen = console.wait("the server", 4 * SOON, |screen| screen.contains("123456789012"));
    assert!(screen.contains("[Fleet]"), "{screen}");
    console.assert_taken();
    console.wait_for("time", 4 * SOON);
    console.press("q");
    assert_eq!(console.wait_for_exit(SOON), 0);
    console.assert_restored();
}

#[test]
fn where_nothing_says_which_cluster_those_that_are_there_are_offered() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, home) = (account(&runtime), tempfile::tempdir().expect("a directory"));
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let args = ["--endpoint-url", &server.url, "--region", "us-east-1"];
    let mut console = Console::start(home.path(), WIDE, &args, keys);
    console.wait_for("theirs", 4 * SOON);
    assert_eq!(server.count("ListServices"), 0, "nothing is read of a cluster that nobody has chosen");
    console.press("theirs\r");
    console.wait("the server", 4 * SOON, |screen| screen.contains("time") && screen.contains("cluster theirs"));
    let asked = server.requests("ListServices").remove(0).body;
    assert!(asked.contains("\"theirs\""), "{asked}");
    console.press("q");
    assert_eq!(console.wait_for_exit(SOON), 0);
}
