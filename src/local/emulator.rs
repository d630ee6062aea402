//! The emulator: a process that outlives the console, is found again, and is checked by its health page.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::dirs::{Dirs, make};
use super::engine::EngineInfo;
use super::error::{LocalError, at};
use super::fault;
use super::process::Process;
use super::state_file::{Emulator, StateFile};

/// Serves ministack on the addresses that we choose.
const LAUNCH: &str = include_str!("launch.py");
/// The port that is tried first.
pub const DEFAULT_PORT: u16 = 4666;
/// Longest time until it is healthy. On an idle machine it takes 3 s.
const START: Duration = Duration::from_secs(60);
const HEALTH: Duration = Duration::from_secs(3);

/// The emulator's log file.
pub(super) fn log(dirs: &Dirs) -> PathBuf {
    dirs.state.join("ministack.log")
}

/// The version of the emulator that answers on this port; `None` if none does.
pub(super) async fn health(port: u16) -> Option<String> {
    let http = reqwest::Client::builder().no_proxy().timeout(HEALTH).build().ok()?;
    let response = http.get(format!("http://127.0.0.1:{port}/_ministack/health")).send().await.ok()?;
    let health: Value = response.error_for_status().ok()?.json().await.ok()?;
    Some(health["version"].as_str().unwrap_or("unknown").to_owned())
}

/// The label, `key=value`, of the containers that ministack starts for us.
pub(super) fn instance_label(dirs: &Dirs, port: u16) -> String {
    format!("ministack.instance=quarterdeck-{}:{port}", dirs.identity())
}

/// Starts the emulator on this port and waits until it is healthy.
pub(super) async fn start(
    dirs: &Dirs,
    state_file: &mut StateFile,
    python: &Path,
    engine: Option<&EngineInfo>,
    port: u16,
) -> Result<Emulator, LocalError> {
    let addresses = addresses(engine);
    let temporary = dirs.state.join("ministack");
    make(&temporary).await?;
    // A new emulator has nothing of what was broken in the last one.
    fault::forget(state_file).await?;
    let program = dirs.state.join("launch.py");
    tokio::fs::write(&program, LAUNCH).await.map_err(at(&program))?;
    let mut command = Command::new(python);
    command.arg(&program).arg(port.to_string()).args(&addresses).current_dir(&temporary);
    command.env_clear().envs(environment(dirs, &temporary, engine, port));
    let process = Process::start(command, &log(dirs)).await?;
    let engine = engine.map(|engine| engine.socket.clone());
    let mut emulator = Emulator { process, port, addresses, engine, version: "unknown".to_owned() };
    // Recorded before it is healthy, so that `down` can stop it whatever happens next.
    state_file.emulator = Some(emulator.clone());
    state_file.save(dirs).await?;
    emulator.version = healthy(dirs, &emulator).await?;
    state_file.emulator = Some(emulator.clone());
    state_file.save(dirs).await?;
    Ok(emulator)
}

async fn healthy(dirs: &Dirs, emulator: &Emulator) -> Result<String, LocalError> {
    let wait = async {
        loop {
            if !emulator.process.alive().await {
                return None;
            }
            if let Some(version) = health(emulator.port).await {
                return Some(version);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let what = "the emulator's start".to_owned();
    match tokio::time::timeout(START, wait).await {
        Ok(Some(version)) => Ok(version),
        Ok(None) => {
            let way_out = Some(format!("its log is {}", log(dirs).display()));
            Err(LocalError::Command { what, status: "it ended".to_owned(), way_out, tail: tail(dirs).await })
        }
        Err(_) => Err(LocalError::TooSlow { what, limit: START, tail: tail(dirs).await }),
    }
}

async fn tail(dirs: &Dirs) -> Vec<String> {
    let text = tokio::fs::read_to_string(log(dirs)).await.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].iter().map(|line| (*line).to_owned()).collect()
}

/// The addresses to listen on: the loopback, and the one by which containers reach this machine.
fn addresses(engine: Option<&EngineInfo>) -> Vec<String> {
    let host = engine.and_then(|engine| engine.host_address);
    let mut addresses = vec![Ipv4Addr::LOCALHOST.to_string()];
    addresses.extend(host.filter(|host| host.is_ipv4() && !host.is_loopback()).map(|host| host.to_string()));
    addresses
}

/// All environment variables that the emulator gets. The user's settings for AWS and ministack are not
/// among them.
fn environment(dirs: &Dirs, temporary: &Path, engine: Option<&EngineInfo>, port: u16) -> Vec<(String, String)> {
    let inherited = ["PATH", "HOME", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
    let place = temporary.display().to_string();
    let no_engine = format!("unix://{place}/no-engine.sock");
    let own = [
        ("GATEWAY_PORT", port.to_string()),
        ("MINISTACK_HOSTNAME", format!("quarterdeck-{}", dirs.identity())),
        // These two would listen on every network interface.
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("SFTP_ENABLED", "0".to_owned()),
        ("DOCKER_HOST", engine.map_or(no_engine, |engine| engine.socket.clone())),
        ("TMPDIR", place.clone()),
        ("S3_DATA_DIR", format!("{place}/s3")),
        ("STATE_DIR", format!("{place}/state")),
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ];
    inherited.chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A free port: the one that is wanted; else the one where the last emulator was, because consoles and
/// unfinished operations know it by its address; else any.
pub(super) async fn free_port(wanted: Option<u16>, last: Option<u16>) -> Result<u16, LocalError> {
    if let Some(port) = wanted {
        return released(port).await.ok_or(LocalError::PortTaken(port));
    }
    if let Some(last) = last
        && let Some(port) = released(last).await
    {
        return Ok(port);
    }
    match bindable(DEFAULT_PORT).await {
        Some(port) => Ok(port),
        None => bindable(0).await.ok_or(LocalError::PortTaken(DEFAULT_PORT)),
    }
}

/// The port, if it is free within a second: the threads of an emulator that was killed keep its port a
/// little longer than its process exists.
async fn released(port: u16) -> Option<u16> {
    for _ in 0..20 {
        if let Some(port) = bindable(port).await {
            return Some(port);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

/// The port, if nobody listens on it; for 0, any free one.
async fn bindable(port: u16) -> Option<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.ok()?;
    listener.local_addr().ok().map(|address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(address: Option<[u8; 4]>) -> EngineInfo {
        EngineInfo {
            name: "Podman".to_owned(),
            version: "4".to_owned(),
            socket: "unix:///s".to_owned(),
            host_alias: "host.containers.internal".to_owned(),
            host_address: address.map(Into::into),
            ours: true,
        }
    }

    #[test]
    fn the_emulator_listens_on_the_loopback_and_the_engines_address_alone() {
        assert_eq!(addresses(None), ["127.0.0.1"]);
        assert_eq!(addresses(Some(&engine(None))), ["127.0.0.1"]);
        assert_eq!(addresses(Some(&engine(Some([127, 0, 0, 1])))), ["127.0.0.1"]);
        assert_eq!(addresses(Some(&engine(Some([10, 137, 7, 1])))), ["127.0.0.1", "10.137.7.1"]);
    }

    #[test]
    fn the_emulator_gets_no_setting_of_the_user() {
        let dirs = Dirs { data: "/d".into(), state: "/s".into() };
        let all = environment(&dirs, Path::new("/s/ministack"), Some(&engine(None)), 4888);
        let get = |name: &str| all.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(get("GATEWAY_PORT"), Some("4888"));
        assert_eq!(get("DOCKER_HOST"), Some("unix:///s"));
        assert_eq!(get("IOT_MTLS_ENABLED"), Some("0"));
        assert_eq!(get("AWS_ACCESS_KEY_ID"), None);
        let alone = environment(&dirs, Path::new("/s/ministack"), None, 4888);
        assert!(alone.contains(&("DOCKER_HOST".to_owned(), "unix:///s/ministack/no-engine.sock".to_owned())));
    }

    #[tokio::test]
    async fn a_port_that_was_asked_for_is_refused_while_it_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let Some(port) = listener.as_ref().ok().and_then(|one| one.local_addr().ok()).map(|at| at.port()) else {
            unreachable!("a free port")
        };
        assert!(matches!(free_port(Some(port), None).await, Err(LocalError::PortTaken(taken)) if taken == port));
        assert!(free_port(None, Some(port)).await.is_ok_and(|other| other != port));
        drop(listener);
        assert_eq!(free_port(Some(port), None).await.ok(), Some(port));
        assert_eq!(free_port(None, Some(port)).await.ok(), Some(port));
    }
}
