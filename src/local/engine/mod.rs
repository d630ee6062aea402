//! The container engine: finds or starts one, and asks it what must be known.

mod api;
mod choose;
mod install;
mod podman;
mod subnet;
mod tar;

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::Value;

pub(super) use api::Api;
pub use api::EngineContainer;
use choose::{EngineChoice, Found, choose};
pub(super) use podman::forget;
pub(super) use tar::archive;

use super::LocalProgress;
use super::command::find;
use super::dirs::Dirs;
use super::error::LocalError;
use super::state_file::StateFile;

/// The names by which containers of Podman and of Docker reach this machine.
pub const HOST_ALIASES: [&str; 2] = ["host.containers.internal", "host.docker.internal"];

/// A container engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// `Docker` or `Podman`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it answers, as `DOCKER_HOST` writes it.
    pub socket: String,
    /// The name by which containers reach this machine.
    pub host_alias: String,
    /// The address that this name stands for; `None` if it is the loopback.
    pub host_address: Option<IpAddr>,
    /// Whether we started it.
    pub ours: bool,
}

/// Finds an engine, or starts or installs one; `None` if there is none and none can be installed.
pub(super) async fn ensure(
    dirs: &Dirs,
    state_file: &mut StateFile,
    progress: &mut (dyn FnMut(LocalProgress) + Send),
) -> Result<Option<EngineInfo>, LocalError> {
    if let Some(endpoint) = &state_file.engine
        && let Ok(api) = Api::open(endpoint)
        && api.answers().await
    {
        return describe(endpoint, state_file.podman.is_some()).await.map(Some);
    }
    if let Some(service) = state_file.podman.take() {
        service.stop("podman service").await?;
    }
    let (endpoint, service) = match choose(&look().await) {
        EngineChoice::Use(endpoint) => (endpoint, None),
        EngineChoice::Refuse(endpoint) => {
            let reason =
                "DOCKER_HOST names this engine, but it does not answer; start it, or unset DOCKER_HOST".to_owned();
            return Err(LocalError::Engine { endpoint, reason });
        }
        EngineChoice::Podman(program) => (podman::endpoint(dirs), Some(podman::start(dirs, &program).await?)),
        EngineChoice::Install => {
            install::podman(progress).await?;
            let missing = || LocalError::Missing { program: "podman", way_out: install::advice() };
            let program = find("podman").ok_or_else(missing)?;
            (podman::endpoint(dirs), Some(podman::start(dirs, &program).await?))
        }
        EngineChoice::Nothing => {
            progress(LocalProgress::Note(format!("no container engine, so no tasks will run: {}", install::advice())));
            return Ok(None);
        }
    };
    state_file.engine = Some(endpoint.clone());
    state_file.podman = service;
    // Recorded at once, so that `down` knows what to stop.
    state_file.save(dirs).await?;
    describe(&endpoint, state_file.podman.is_some()).await.map(Some)
}

async fn look() -> Found {
    let docker_host = match std::env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => {
            let answers = match Api::open(&host) {
                Ok(api) => api.answers().await,
                Err(_) => false,
            };
            Some((host, answers))
        }
        _ => None,
    };
    let mut docker_socket = None;
    for socket in docker_sockets() {
        if docker_socket.is_none()
            && let Ok(api) = Api::open(&format!("unix://{}", socket.display()))
            && api.answers().await
        {
            docker_socket = Some(socket);
        }
    }
    let can_install = podman::is_root() && find("apt-get").is_some();
    Found { docker_host, docker_socket, podman: find("podman"), can_install }
}

/// Sockets that exist: of the system's Docker, rootless Docker and Docker Desktop.
fn docker_sockets() -> Vec<PathBuf> {
    let under = |variable: &str, rest: &str| std::env::var_os(variable).map(|base| PathBuf::from(base).join(rest));
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    sockets.extend(under("XDG_RUNTIME_DIR", "docker.sock"));
    sockets.extend(under("HOME", ".docker/run/docker.sock"));
    sockets.retain(|socket| socket.exists());
    sockets
}

/// Asks an engine what it is.
pub(super) async fn describe(endpoint: &str, ours: bool) -> Result<EngineInfo, LocalError> {
    let api = Api::open(endpoint)?;
    let (version, info) = (api.get("/version").await?, api.get("/info").await?);
    let network = api.get("/networks/bridge").await.unwrap_or_default();
    Ok(engine_info(endpoint, ours, &version, &info, &network, outward_address))
}

fn engine_info(
    endpoint: &str,
    ours: bool,
    version: &Value,
    info: &Value,
    network: &Value,
    outward: fn() -> Option<IpAddr>,
) -> EngineInfo {
    let podman = version["Components"][0]["Name"].as_str().is_some_and(|name| name.starts_with("Podman"));
    let [by_podman, by_docker] = HOST_ALIASES;
    let (name, host_alias) = if podman { ("Podman", by_podman) } else { ("Docker", by_docker) };
    let option = |text: &str| info["SecurityOptions"].as_array().is_some_and(|all| all.iter().any(|one| one == text));
    let gateway = network["IPAM"]["Config"][0]["Gateway"].as_str().and_then(|text| text.parse().ok());
    let host_address = if info["OperatingSystem"].as_str().is_some_and(|name| name.contains("Docker Desktop")) {
        // Docker Desktop forwards to the loopback of this machine.
        None
    } else if option("name=rootless") {
        outward()
    } else {
        gateway
    };
    EngineInfo {
        name: name.to_owned(),
        version: version["Version"].as_str().unwrap_or("unknown").to_owned(),
        socket: endpoint.to_owned(),
        host_alias: host_alias.to_owned(),
        host_address,
        ours,
    }
}

/// The address that this machine uses to reach other machines. Rootless containers reach it there.
fn outward_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    // RFC 5737 test address; connecting a datagram socket sends nothing.
    socket.connect(("192.0.2.1", 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::podman("Podman Engine", json!({}), "host.containers.internal", Some("10.88.0.1"))]
    #[case::docker("Engine", json!({}), "host.docker.internal", Some("10.88.0.1"))]
    #[case::desktop("Engine", json!({ "OperatingSystem": "Docker Desktop" }), "host.docker.internal", None)]
    #[case::rootless("Podman Engine", json!({ "SecurityOptions": ["name=rootless"] }), "host.containers.internal", Some("192.0.2.7"))]
    fn containers_reach_us_by_the_engines_name(
        #[case] component: &str,
        #[case] info: Value,
        #[case] alias: &str,
        #[case] address: Option<&str>,
    ) {
        let version = json!({ "Version": "9", "Components": [{ "Name": component }] });
        let network = json!({ "IPAM": { "Config": [{ "Gateway": "10.88.0.1" }] } });
        let engine = engine_info("unix:///x", false, &version, &info, &network, || Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(engine.host_alias, alias);
        assert_eq!(engine.host_address.map(|address| address.to_string()).as_deref(), address);
    }
}
