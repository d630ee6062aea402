//! A server in an image that knows nothing of gangway, on the local cloud: what stands in front of it is told what
//! the file says and what was set since, and the image of the example server of the same name is not taken for it.
//!
//! In gangway's place stands a program that tells what it was started with. Needs a container engine; `make e2e`
//! runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::cloud::{Cloud, Done, SOON, block_on};
use quarterdeck::local::{Dirs, LocalOptions, up};
use serde_json::Value;

/// Tells what it was started with, whoever asks, and answers as a server does that lets everybody in.
const PROGRAM: &str = r##"
use std::io::{Read, Write};

fn told() -> String {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let writable = |folder: &str| std::fs::write(format!("{folder}/x"), "x").is_ok();
    format!(
        "arguments={:?}\napp={}\nsecrets={}\ntmp={} cache={} root={} rate={}\n",
        std::env::args().collect::<Vec<_>>(), variable("GANGWAY_APP"), variable("GANGWAY_APP_SECRETS"),
        writable("/tmp"), writable("/var/cache/app"), writable(""),
        variable("GANGWAY_REQUESTS_PER_MINUTE"),
    )
}

fn main() {
    let listener = std::net::TcpListener::bind("0.0.0.0:8080").expect("a port");
    for mut stream in listener.incoming().flatten() {
        let mut request = [0; 65536];
        let read = stream.read(&mut request).unwrap_or(0);
        let asked = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
        let body = if asked.contains("/told ") {
            told()
        } else if asked.contains("oauth-protected-resource") {
            format!(r#"{{"resource":"{}"}}"#, std::env::var("GANGWAY_RESOURCE_URL").unwrap_or_default())
        } else {
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#.to_owned()
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ";
        let _ = stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes());
    }
}
"##;

const FILE: &str = r#"
[[server]]
name = "time"
image = "localhost/acme/time:1"
log_retention_days = 7
requests_per_minute = 600

[server.app]
transport = "stdio"
environment = { LOG_LEVEL = "debug" }
writable = ["/tmp", "/var/cache/app"]
start_seconds = 5
sessions = "per-caller"
processes = 2
tools = { write = ["move_file"] }
"#;

const VALUE: &str = "hunter2-which-nobody-sees";

/// The program, as one static file.
fn program(folder: &Path) -> PathBuf {
    let (source, file) = (folder.join("told.rs"), folder.join("told"));
    std::fs::write(&source, PROGRAM).unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o"]).arg(&file).arg(&source);
    Done::of(rustc).with_code(0, &["rustc"]);
    file
}

/// Builds an image by the engine's API.
fn build(socket: &str, folder: &Path, recipe: &str, names: &[&str]) {
    std::fs::write(folder.join("Containerfile"), recipe).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).args(["-cf"]).arg(folder.join("context.tar")).args(["Containerfile", "told"]);
    Done::of(tar).with_code(0, &["tar"]);
    let path = socket.strip_prefix("unix://").expect("an engine at a socket");
    let http = reqwest::Client::builder().no_proxy().unix_socket(PathBuf::from(path)).build().unwrap();
    for name in names {
        let archive = std::fs::read(folder.join("context.tar")).unwrap();
        let request = http.post(format!("http://engine/build?dockerfile=Containerfile&t={name}")).body(archive);
        let answer = block_on(async { request.send().await.unwrap().text().await.unwrap() });
        assert!(!answer.contains("\"error\""), "{name}: {answer}");
    }
}

/// What the program says it was started with.
fn told(cloud: &Cloud) -> String {
    let endpoint = cloud.status()["emulator"]["endpoint"].as_str().expect("an endpoint").to_owned();
    let http = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let ask = http.get(format!("{endpoint}/_alb/quarterdeck-local/time/told"));
    block_on(async { ask.send().await.unwrap().text().await.unwrap() })
}

/// Waits until a task says this.
fn wait_until_told(cloud: &Cloud, words: &str) -> String {
    let deadline = Instant::now() + SOON;
    loop {
        let text = told(cloud);
        if text.contains(words) || Instant::now() >= deadline {
            assert!(text.contains(words), "{words}: {text}");
            return text;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
#[ignore = "starts the local cloud with containers"]
fn a_server_in_any_image_runs_with_gangway_in_front_of_it() {
    let (cloud, folder) = (Cloud::new(), tempfile::tempdir().unwrap());
    let nothing = folder.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let dirs = Some(Dirs { data: cloud.data(), state: cloud.state() });
    // Without sources the example servers are not compiled.
    let options = LocalOptions { source: Some(nothing), dirs, ..LocalOptions::default() };
    let running = block_on(up(&options, &mut |_| {})).unwrap();
    let socket = running.engine.expect("no container engine: start Docker, or install Podman").socket;

    program(folder.path());
    let digest = "0123456789abcdef";
    let place = "/.gangway/gangway";
    let gangway =
        format!("FROM scratch\nLABEL quarterdeck.sha256={digest}\nCOPY told {place}\nENTRYPOINT [\"{place}\"]\n");
    let names = ["localhost/quarterdeck/gangway:local", "localhost/quarterdeck/gangway:0123456789ab"];
    build(&socket, folder.path(), &gangway, &names);
    let own = "FROM scratch\nCOPY told /app\nENTRYPOINT [\"/app\"]\nCMD [\"--data\", \"a b\"]\n";
    build(&socket, folder.path(), own, &["localhost/acme/time:1"]);

    let file = folder.path().join("quarterdeck.toml");
    let (platform, _) = include_str!("../../quarterdeck.toml").split_once("\n[[server]]").unwrap();
    std::fs::write(&file, format!("{platform}\n{FILE}")).unwrap();
    let file = file.display().to_string();
    let local = |args: &[&'static str]| -> Vec<&str> { [&["--local", "--file", file.as_str()], args].concat() };
    cloud.text(&local(&["deploy", "--yes", "--confirm", "local"]));

    let text = wait_until_told(&cloud, "arguments=");
    let started = r#"arguments=["/.gangway/gangway", "run", "--", "/app", "--data", "a b"]"#;
    assert!(text.contains(started), "the command of the image is gangway's: {text}");
    assert!(text.contains("secrets={}\n"), "{text}");
    assert!(
        text.contains("tmp=true cache=true root=false rate=600"),
        "a user that may write where the file says: {text}"
    );
    let app = text.lines().find_map(|line| line.strip_prefix("app=")).unwrap();
    let app: Value = serde_json::from_str(app).unwrap();
    assert_eq!((&app["transport"], &app["environment"]["LOG_LEVEL"]), (&"stdio".into(), &"debug".into()));
    assert_eq!((&app["sessions"], &app["processes"]), (&"per-caller".into(), &2.into()));
    assert_eq!(app["tools"]["write"], serde_json::json!(["move_file"]));

    let mut set = cloud.command(&local(&["secret", "set", "time", "API_KEY", "--yes"]));
    set.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut set = set.spawn().unwrap();
    std::io::Write::write_all(&mut set.stdin.take().unwrap(), format!("{VALUE}\n").as_bytes()).unwrap();
    let set = set.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&set.stdout), String::from_utf8_lossy(&set.stderr));
    assert!(set.status.success() && !said.contains("hunter2") && said.contains("done and verified"), "{said}");
    assert_eq!(cloud.text(&local(&["secret", "list", "time"])), "API_KEY\n");
    assert!(!told(&cloud).contains("hunter2"), "tasks that run keep what they started with");
    cloud.text(&local(&["restart", "time", "--yes"]));
    wait_until_told(&cloud, &format!("secrets={{\"API_KEY\":\"{VALUE}\"}}"));
    let audit = cloud.text(&local(&["audit", "--output", "json"]));
    assert!(audit.contains("set-secret") && !audit.contains("hunter2"), "{audit}");
    cloud.text(&local(&["plan"]));
}
