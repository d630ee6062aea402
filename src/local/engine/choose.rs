//! Chooses the container engine: the one in `DOCKER_HOST`, else Docker, else Podman.

use std::path::PathBuf;

/// What was found on this machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// `DOCKER_HOST`, and whether it answers.
    pub docker_host: Option<(String, bool)>,
    /// Docker's socket, if one answers.
    pub docker_socket: Option<PathBuf>,
    /// The `podman` program.
    pub podman: Option<PathBuf>,
    /// Whether packages can be installed: root, with apt-get.
    pub can_install: bool,
}

/// Which engine to use, or what to do to get one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EngineChoice {
    /// Use the engine that answers there.
    Use(String),
    /// The engine that was asked for does not answer.
    Refuse(String),
    /// Start Podman's service.
    Podman(PathBuf),
    /// Install Podman, then start its service.
    Install,
    /// There is no engine and none can be installed.
    Nothing,
}

pub(super) fn choose(found: &Found) -> EngineChoice {
    match found {
        Found { docker_host: Some((host, true)), .. } => EngineChoice::Use(host.clone()),
        // Somebody who names an engine does not want another.
        Found { docker_host: Some((host, false)), .. } => EngineChoice::Refuse(host.clone()),
        Found { docker_socket: Some(socket), .. } => EngineChoice::Use(format!("unix://{}", socket.display())),
        Found { podman: Some(podman), .. } => EngineChoice::Podman(podman.clone()),
        Found { can_install: true, .. } => EngineChoice::Install,
        Found { .. } => EngineChoice::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn host(answers: bool) -> Option<(String, bool)> {
        Some(("tcp://engine:2375".to_owned(), answers))
    }

    #[rstest]
    #[case::named(host(true), true, true, true, EngineChoice::Use("tcp://engine:2375".into()))]
    #[case::named_but_silent(host(false), true, true, true, EngineChoice::Refuse("tcp://engine:2375".into()))]
    #[case::docker_first(None, true, true, true, EngineChoice::Use("unix:///d.sock".into()))]
    #[case::podman(None, false, true, true, EngineChoice::Podman("/bin/podman".into()))]
    #[case::installed(None, false, false, true, EngineChoice::Install)]
    #[case::none(None, false, false, false, EngineChoice::Nothing)]
    fn an_engine_that_is_named_comes_before_docker_and_docker_before_podman(
        #[case] docker_host: Option<(String, bool)>,
        #[case] docker: bool,
        #[case] podman: bool,
        #[case] can_install: bool,
        #[case] expected: EngineChoice,
    ) {
        let found = Found {
            docker_host,
            docker_socket: docker.then(|| "/d.sock".into()),
            podman: podman.then(|| "/bin/podman".into()),
            can_install,
        };
        assert_eq!(choose(&found), expected);
    }
}
