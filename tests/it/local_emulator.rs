//! The local cloud, really started and stopped. Needs python3 with its venv module, and a container engine.

use std::path::PathBuf;

use quarterdeck::local::{Dirs, LocalError, LocalOptions, LocalProgress, UP, attach, down, status, up};

/// The directories of one test. A test that fails leaves no process running.
struct Place(tempfile::TempDir);

impl Drop for Place {
    fn drop(&mut self) {
        let text = std::fs::read(self.0.path().join("running.json")).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        for pid in
            [&record["emulator"]["process"]["pid"], &record["podman"]["pid"]].into_iter().filter_map(|pid| pid.as_u64())
        {
            let kill = format!("kill -KILL -- -{pid}");
            let _ = std::process::Command::new("sh").args(["-c", &kill]).status();
        }
    }
}

fn place() -> Place {
    Place(tempfile::tempdir().unwrap())
}

/// The virtual environment is kept for the next run of the tests.
fn options(state: &Place, port: Option<u16>) -> LocalOptions {
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("local-data");
    let dirs = Some(Dirs { data, state: state.0.path().to_owned() });
    LocalOptions { control_plane_only: true, port, dirs, ..LocalOptions::default() }
}

/// A port that stays free: it is below the range from which the kernel takes ports for connections, and
/// each test process has another.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    (first..first + 10).find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Ends the emulator as a crash does.
async fn kill(options: &LocalOptions) -> u32 {
    let killed = status(options).await.unwrap().emulator.unwrap();
    signal(killed.pid, "KILL");
    while status(options).await.unwrap().emulator.is_some_and(|found| found.running) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    killed.pid
}

#[tokio::test]
async fn an_emulator_that_was_killed_comes_back_on_its_port_or_says_that_it_is_on_another() {
    let state = place();
    let first = up(&options(&state, Some(free_port())), &mut |_| {}).await.unwrap();
    let any = options(&state, None);
    kill(&any).await;
    let mut notes = Vec::new();
    let second = up(&any, &mut |progress| notes.extend(note(progress))).await.unwrap();
    assert_eq!((second.endpoint, second.started_here), (first.endpoint, true));
    assert!(!notes.iter().any(|note| note.contains("port")), "{notes:?}");

    kill(&any).await;
    // The threads of the emulator may keep the port a little longer.
    let stranger = loop {
        match std::net::TcpListener::bind(("127.0.0.1", first.port)) {
            Ok(stranger) => break stranger,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    let third = up(&any, &mut |progress| notes.extend(note(progress))).await.unwrap();
    assert_ne!(third.port, first.port);
    let told = format!("was on port {} and is on port {} now", first.port, third.port);
    assert!(notes.iter().any(|note| note.contains(&told)), "{notes:?}");
    drop(stranger);
    down(&any, &mut |_| {}).await.unwrap();
}

fn signal(pid: u32, name: &str) {
    let done = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(done.success());
}

#[tokio::test]
async fn the_emulator_starts_is_found_again_and_stops() {
    let state = place();
    let options = options(&state, Some(free_port()));
    let mut said = Vec::new();
    let first = up(&options, &mut |progress| said.push(progress)).await.unwrap();
    assert!(first.started_here);
    assert_eq!(first.addresses, ["127.0.0.1"]);
    // Of the steps until it is up the deploy is the last, which the program makes.
    let steps = said.iter().filter_map(|one| match one {
        LocalProgress::Step { title, index, of } => Some((*title, *index, *of)),
        _ => None,
    });
    let titles = ["container engine", "emulator", "images of the servers"];
    assert_eq!(steps.collect::<Vec<_>>(), [(titles[0], 1, UP), (titles[1], 2, UP), (titles[2], 3, UP)]);
    assert_eq!(UP, 4);
    assert!(said.iter().any(|one| matches!(one, LocalProgress::Done { title: "emulator", .. })));

    let found = status(&options).await.unwrap().emulator.unwrap();
    assert!(found.running && found.healthy);
    assert_eq!(found.endpoint, first.endpoint);

    let second = up(&options, &mut |_| {}).await.unwrap();
    assert!(!second.started_here);
    assert_eq!(second.port, first.port);

    let other = self::options(&state, Some(free_port()));
    assert_eq!(up(&other, &mut |_| {}).await.unwrap().port, first.port);

    let stopped = down(&options, &mut |_| {}).await.unwrap();
    assert!(stopped.emulator);
    assert!(status(&options).await.unwrap().emulator.is_none());
    assert!(attach(&options).await.unwrap().is_none());
    assert!(std::net::TcpListener::bind(("127.0.0.1", first.port)).is_ok());
    assert!(!down(&options, &mut |_| {}).await.unwrap().emulator);
}

#[tokio::test]
async fn an_emulator_that_was_killed_is_replaced_and_a_port_of_others_is_left_alone() {
    let state = place();
    let stranger = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = stranger.local_addr().unwrap().port();
    let refused = up(&options(&state, Some(taken)), &mut |_| {}).await;
    assert!(matches!(refused, Err(LocalError::PortTaken(port)) if port == taken));

    let options = options(&state, Some(free_port()));
    up(&options, &mut |_| {}).await.unwrap();
    let killed = kill(&options).await;
    assert!(up(&options, &mut |_| {}).await.unwrap().started_here);
    let replaced = status(&options).await.unwrap().emulator.unwrap();
    assert_ne!(replaced.pid, killed);
    down(&options, &mut |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_container_engine_is_found_or_started_and_stopped_if_we_started_it() {
    let state = place();
    let source = tempfile::tempdir().unwrap();
    let options = LocalOptions {
        control_plane_only: false,
        source: Some(source.path().to_owned()),
        ..options(&state, Some(free_port()))
    };
    let mut notes = Vec::new();
    let running = up(&options, &mut |progress| notes.extend(note(progress))).await.unwrap();
    let engine = running.engine.expect("no container engine: start Docker, or install Podman");
    assert!(running.overrides["JwksBase"].contains(&engine.host_alias));
    let expected: Vec<_> =
        ["127.0.0.1".to_owned()].into_iter().chain(engine.host_address.map(|at| at.to_string())).collect();
    assert_eq!(running.addresses, expected);
    assert!(running.environment.servers.is_empty());
    let attached = attach(&options).await.unwrap().unwrap();
    assert_eq!((attached.overrides, attached.engine), (running.overrides, Some(engine.clone())));
    assert!(notes.iter().any(|note| note.contains("servers/")), "{notes:?}");

    let found = status(&options).await.unwrap();
    assert_eq!(found.engine.map(|found| found.socket), Some(engine.socket.clone()));
    assert_eq!(found.containers, []);
    assert_eq!(down(&options, &mut |_| {}).await.unwrap().podman, engine.ours);
    assert!(status(&options).await.unwrap().engine.is_none());
}

fn note(progress: LocalProgress) -> Option<String> {
    if let LocalProgress::Note(text) = progress { Some(text) } else { None }
}
