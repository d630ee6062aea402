//! The console in a pseudo-terminal, without a cloud: it starts, says what is wrong, accepts keys
//! whatever the network does, and gives the terminal back.

use crate::support::pty as terminal;

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::pty::Console;

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
    assert!(screen.contains("--endpoint-url"), "{screen}");
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

#[test]
fn a_signal_gives_the_terminal_back() {
    for signal in ["TERM", "HUP"] {
        let (mut console, _home) = console(&refused());
        console.wait_for("[Fleet]", SOON);
        console.assert_taken();
        console.signal(signal);
        console.wait_for_exit(SOON);
        console.assert_restored();
    }
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
