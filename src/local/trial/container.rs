//! The containers of a trial, and what an engine says of them.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::QUESTION;
use crate::core::text::sanitise;
use crate::core::trial::{PLACEHOLDER, Trial, Way};
use crate::local::workshop::{Kind, Program};

/// What the names of the containers begin with. The second follows after which it is left over.
pub(super) const PREFIX: &str = "quarterdeck-trial-";
/// The name of gangway's program.
const GANGWAY: &str = "gangway";
/// Memory of what passes messages on, in MiB.
const WAY_MEMORY: u64 = 64;

/// The names of a trial's containers.
pub(super) struct Names {
    pub server: String,
    /// That of what speaks with a server that listens on a port.
    pub way: String,
}

impl Names {
    pub fn new(until: u64) -> Self {
        let number: u32 = rand::random();
        let server = format!("{PREFIX}{until}-{number:08x}");
        Self { way: format!("{server}-way"), server }
    }
}

/// A container that is to be made: its name, and the arguments of the engine's program.
pub(super) struct Container {
    pub name: String,
    pub args: Vec<String>,
}

/// What an image says that it starts.
#[derive(Debug)]
pub(super) struct Image {
    entrypoint: Vec<String>,
    cmd: Vec<String>,
}

impl Image {
    /// Reads what an engine says of it.
    pub fn of(described: &Value) -> Self {
        let list = |key: &str| {
            let words = described["Config"][key].as_array().into_iter().flatten();
            words.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self { entrypoint: list("Entrypoint"), cmd: list("Cmd") }
    }

    /// gangway's program, where the image has it in front of its own, as those of the local cloud have.
    fn front(&self) -> Option<&str> {
        match self.entrypoint.as_slice() {
            [program, run, rest] if run == "run" && rest == "--" => {
                Some(program).filter(|it| is_gangway(it)).map(String::as_str)
            }
            _ => None,
        }
    }

    /// gangway's program, where this is its image.
    fn gangway(&self) -> Option<&str> {
        self.front().or_else(|| self.entrypoint.first().filter(|it| is_gangway(it)).map(String::as_str))
    }

    /// The server's own program and arguments.
    fn command(&self) -> Vec<String> {
        match self.front() {
            Some(_) => self.cmd.clone(),
            None => self.entrypoint.iter().chain(&self.cmd).cloned().collect(),
        }
    }
}

fn is_gangway(program: &str) -> bool {
    program.rsplit('/').next() == Some(GANGWAY)
}

/// The containers of a trial, each after the one that it depends on.
///
/// # Errors
/// Why there can be none.
pub(super) fn all(
    kind: Kind,
    trial: &Trial,
    names: &Names,
    image: &Image,
    gangway: Option<&Image>,
) -> Result<Vec<Container>, String> {
    let command = if trial.command.is_empty() { image.command() } else { trial.command.clone() };
    let Some((program, arguments)) = command.split_first() else {
        return Err("the image says no command, and neither does the file".to_owned());
    };
    let mut args = base(kind, &names.server, trial.memory_mib, "none", &trial.user);
    if trial.way == Way::Stdio {
        args.push("--interactive".to_owned());
    }
    if trial.read_only {
        args.push("--read-only".to_owned());
        if kind == Kind::Podman {
            // It would have folders to write to that it has not at AWS.
            args.push("--read-only-tmpfs=false".to_owned());
        }
    }
    for folder in &trial.folders {
        args.extend(["--tmpfs".to_owned(), format!("{folder}:rw,exec,mode=1777")]);
    }
    for (name, value) in &trial.environment {
        args.extend(["--env".to_owned(), format!("{name}={value}")]);
    }
    for name in &trial.secrets {
        args.extend(["--env".to_owned(), format!("{name}={PLACEHOLDER}")]);
    }
    args.extend(["--entrypoint".to_owned(), program.clone(), trial.image.clone()]);
    args.extend(arguments.iter().cloned());
    let mut containers = vec![Container { name: names.server.clone(), args }];
    if let Way::Http { port, path } = &trial.way {
        let image = trial.gangway.as_ref().unwrap_or(&trial.image);
        containers.push(way(kind, names, image, gangway, (*port, path))?);
    }
    Ok(containers)
}

/// A server on a port often listens on its loopback address alone, where gangway reaches it. So what asks it is in its
/// network, which no port of this machine leads to.
fn way(kind: Kind, names: &Names, image: &str, gangway: Option<&Image>, to: (u32, &str)) -> Result<Container, String> {
    let Some(program) = gangway.and_then(Image::gangway) else {
        return Err("it listens on a port of its container, and no image of gangway is here to ask it".to_owned());
    };
    let mut args = base(kind, &names.way, WAY_MEMORY, &format!("container:{}", names.server), "65532:65532");
    args.extend(["--interactive", "--read-only", "--entrypoint", program, image, "relay"].map(str::to_owned));
    args.extend([to.0.to_string(), to.1.to_owned()]);
    Ok(Container { name: names.way.clone(), args })
}

/// What every container of a trial is made with.
fn base(kind: Kind, name: &str, memory_mib: u64, network: &str, user: &str) -> Vec<String> {
    let memory = format!("{memory_mib}m");
    let mut args: Vec<String> = [
        "create",
        "--name",
        name,
        "--pull",
        "never",
        "--network",
        network,
        "--user",
        user,
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--memory",
        &memory,
        // As much with swap as without: none.
        "--memory-swap",
        &memory,
        "--pids-limit",
        "512",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1024:1024",
        "--log-driver",
        "none",
        "--no-healthcheck",
        "--stop-timeout",
        "1",
    ]
    .map(str::to_owned)
    .into();
    if kind == Kind::Podman {
        // It gives a container the proxies of this machine, which may have passwords.
        args.push("--http-proxy=false".to_owned());
    }
    args
}

/// What an engine answers on its standard output; `None` where it fails or is silent.
pub(super) async fn answer(mut command: Command) -> Option<String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(QUESTION, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a container runs.
pub(super) async fn runs(program: &Program, name: &str) -> bool {
    let mut command = program.command();
    command.args(["container", "inspect", "--format", "{{.State.Running}}", name]);
    answer(command).await.is_some_and(|said| said == "true")
}

/// Memory of a container that runs, in MiB; `None` where the engine does not measure it.
pub(super) async fn memory(program: &Program, name: &str) -> Option<u64> {
    let mut command = program.command();
    command.args(["stats", "--no-stream", "--format", "{{.MemUsage}}", name]);
    mebibytes(&answer(command).await?)
}

/// Reads `12.5MiB / 512MiB`, as Docker writes it, or `13.1MB / 536.9MB`, as Podman does; rounded up. What is not measured
/// is no zero.
fn mebibytes(said: &str) -> Option<u64> {
    let used = said.split('/').next()?.trim();
    let unit = used.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = used.split_at(unit);
    let number: f64 = number.trim().parse().ok()?;
    let bytes = number
        * match unit.to_ascii_lowercase().as_str() {
            "b" => 1.0,
            "kb" => 1e3,
            "mb" => 1e6,
            "gb" => 1e9,
            "kib" => 1024.0,
            "mib" => 1024.0 * 1024.0,
            "gib" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
    let whole = (bytes / (1024.0 * 1024.0)).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 1 and 2^40")]
    (1.0..1e12).contains(&whole).then_some(whole as u64)
}

/// Why a container that ended had never started, which says nothing of the server. `None` where it had: then what it
/// said is its own.
pub(super) fn not_started(code: Option<i32>, said: &[String]) -> Option<String> {
    let has = |words: &str| said.iter().any(|line| line.to_lowercase().contains(words));
    if has("exec format error") {
        return Some("this machine does not run programs of the image's processor".to_owned());
    }
    // The image lacks the program that it is to start: so it would at AWS.
    let lacks = has("executable file") || has("no such file or directory") || has("permission denied");
    let engine = code == Some(125) || said.last().is_some_and(|line| line.starts_with("Error response from daemon"));
    let last = said.last().map_or("it does not say why", String::as_str);
    (engine && !lacks).then(|| format!("the engine does not start it: {}", sanitise(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn trial(way: Way) -> Trial {
        Trial {
            server: "files".into(),
            image: "files:1".into(),
            gangway: None,
            way,
            command: Vec::new(),
            environment: BTreeMap::from([("LOG".into(), "a b".into())]),
            secrets: vec!["API_KEY".into()],
            unread: None,
            user: "1000:1000".into(),
            read_only: true,
            folders: vec!["/tmp".into()],
            memory_mib: 256,
            processes: 1,
            seconds: 9,
        }
    }

    fn image(entrypoint: &[&str], cmd: &[&str]) -> Image {
        Image::of(&json!({ "Config": { "Entrypoint": entrypoint, "Cmd": cmd } }))
    }

    fn names() -> Names {
        Names { server: "s".into(), way: "s-way".into() }
    }

    #[rstest]
    #[case(Kind::Podman, true)]
    #[case(Kind::Docker, false)]
    fn a_server_has_nothing_that_it_does_not_need(#[case] kind: Kind, #[case] podman: bool) {
        let own = image(&["node"], &["a.js"]);
        let made = all(kind, &trial(Way::Stdio), &names(), &own, None).unwrap();
        let line = made[0].args.join(" ");
        for part in [
            "create --name s --pull never --network none --user 1000:1000 --cap-drop ALL --security-opt no-new-privileges",
            "--memory 256m --memory-swap 256m --pids-limit 512",
            "--log-driver none",
            "--interactive --read-only",
            "--tmpfs /tmp:rw,exec,mode=1777 --env LOG=a b --env API_KEY=quarterdeck-placeholder",
            "--entrypoint node files:1 a.js",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(
            (made.len(), line.contains("--http-proxy=false"), line.contains("--read-only-tmpfs=false")),
            (1, podman, podman)
        );
        for never in ["--privileged", "--volume", "--mount", "--publish", "--env-file"] {
            assert!(!line.contains(never), "{line}");
        }
    }

    #[test]
    fn a_server_on_a_port_is_asked_from_its_own_network() {
        let http = || trial(Way::Http { port: 3000, path: "/mcp".into() });
        let own = image(&["node"], &[]);
        let gangway = image(&["/.gangway/gangway"], &[]);
        let named = Trial { gangway: Some("gangway:1".into()), ..http() };
        let made = all(Kind::Podman, &named, &names(), &own, Some(&gangway)).unwrap();
        let line = made[1].args.join(" ");
        assert!(line.contains("create --name s-way --pull never --network container:s --user 65532:65532"), "{line}");
        assert!(line.ends_with("--entrypoint /.gangway/gangway gangway:1 relay 3000 /mcp"), "{line}");
        assert!(
            made[0].args.join(" ").contains("--network none") && !made[0].args.contains(&"--interactive".to_owned())
        );
        let other = image(&["/bin/sh"], &[]);
        assert!(all(Kind::Podman, &named, &names(), &own, Some(&other)).is_err());
        assert!(all(Kind::Podman, &http(), &names(), &own, None).is_err());
    }

    /// The images of the local cloud have gangway in front, which would want a token.
    #[test]
    fn an_image_with_gangway_in_front_is_started_without_it_and_asked_by_it() {
        let front = image(&["/.gangway/gangway", "run", "--"], &["node", "a.js"]);
        let made = all(Kind::Podman, &trial(Way::Stdio), &names(), &front, None).unwrap();
        assert!(made[0].args.join(" ").ends_with("--entrypoint node files:1 a.js"));
        let http = trial(Way::Http { port: 3000, path: "/mcp".into() });
        let made = all(Kind::Podman, &http, &names(), &front, Some(&front)).unwrap();
        assert!(made[1].args.join(" ").ends_with("--entrypoint /.gangway/gangway files:1 relay 3000 /mcp"));
        let mute = all(Kind::Podman, &trial(Way::Stdio), &names(), &image(&[], &[]), None).err();
        assert!(mute.unwrap().contains("says no command"));
    }

    #[rstest]
    #[case("78.2MiB / 512MiB", Some(79))]
    #[case("606.2kB / 134.2MB", Some(1))]
    #[case("81.9MB / 536.9MB", Some(79))]
    #[case("1.5GiB / 2GiB", Some(1536))]
    #[case("0B / 0B", None)]
    #[case("-- / --", None)]
    #[case("", None)]
    fn memory_is_read_as_each_engine_writes_it(#[case] said: &str, #[case] expected: Option<u64>) {
        assert_eq!(mebibytes(said), expected);
    }

    #[rstest]
    #[case::processor(Some(1), &["exec /app: exec format error"], true)]
    #[case::engine(Some(125), &["Error: OCI runtime error: runc: bad cgroup"], true)]
    #[case::daemon(Some(1), &["Error response from daemon: out of ids"], true)]
    #[case::no_program(Some(127), &["Error: crun: executable file `nod` not found in $PATH"], false)]
    #[case::no_program_of_docker(Some(1), &["Error response from daemon: exec: \"nod\": executable file not found in $PATH"], false)]
    #[case::its_own_words(Some(1), &["Error: no API_KEY"], false)]
    #[case::nothing(Some(3), &[], false)]
    fn what_never_started_says_nothing_of_the_server(
        #[case] code: Option<i32>,
        #[case] said: &[&str],
        #[case] never: bool,
    ) {
        let said: Vec<String> = said.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(not_started(code, &said).is_some(), never);
    }
}
