//! The operator's own container engine, Docker or Podman by their programs: builds images, finds and pulls them, and
//! pushes them to a registry.
//!
//! The engine of the local cloud is another one where that is Podman, with images of its own (`local/engine`).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::process::Command;

use super::command::{OutputLine, find, run};
use super::engine::EngineInfo;
use super::error::LocalError;
use super::trial;
use crate::core::error::{CloudError, CloudResult, ErrorKind};
use crate::core::image::{EcrImage, LocalImage, Platform, Reference, Source};
use crate::core::operation::work::Push;
use crate::core::operation::{Applied, Approved, Call, Facts, ImageCall};
use crate::core::text::sanitise;
use crate::core::trial::{Trial, Tried, Way};
use crate::engine::{Engine, Login};

/// The engine to use, `docker` or `podman`, where both are there; or the path of its program.
pub const ENGINE_VARIABLE: &str = "QUARTERDECK_ENGINE";
/// Time limit of a question.
const QUESTION: Duration = Duration::from_secs(30);
/// Time limit of a build, a pull or a push: a slow line may take so long for some gigabytes.
const TRANSFER: Duration = Duration::from_secs(2 * 3_600);
const GET: &str = "engine:Get";
const BUILD: &str = "engine:Build";
const PULL: &str = "engine:Pull";
const PUSH: &str = "engine:Push";

/// Where programs look for the recipe of an image.
pub(super) const RECIPES: [&str; 2] = ["Containerfile", "Dockerfile"];

/// [`Engine`] on the program of Docker or of Podman.
pub struct Workshop {
    /// Is told each line that an engine prints while it builds, pulls or pushes.
    tell: fn(&str),
    /// Where files are made for the time of a push.
    state: Option<PathBuf>,
    /// The program, where it is not looked for.
    program: Option<Program>,
    /// Which program's service is asked and where it listens, where it is not the user's own.
    service: Option<(Kind, String)>,
}

/// Whose program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Docker,
    Podman,
}

/// An engine's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    /// The arguments before any others: which service it asks.
    pub(super) first: Vec<String>,
}

impl Workshop {
    /// An engine that is looked for when it is needed. `state` is a directory of the user's own.
    pub fn new(state: Option<PathBuf>, tell: fn(&str)) -> Self {
        Self { tell, state, program: None, service: None }
    }

    /// The same with the engine of the local cloud, which has images of its own.
    #[must_use]
    pub fn of(mut self, engine: &EngineInfo) -> Self {
        let kind = if engine.name == "Podman" { Kind::Podman } else { Kind::Docker };
        self.service = Some((kind, engine.socket.clone()));
        self
    }

    /// The same with this program, by its path; one whose name is `podman` is taken for Podman.
    #[must_use]
    pub fn with_program(mut self, program: PathBuf) -> Self {
        self.program = Some(program_at(program));
        self
    }

    /// The program: what the variable names, else Docker where it runs, else Podman.
    async fn program(&self) -> CloudResult<Program> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        if let Some((kind, socket)) = &self.service {
            let name = kind.name();
            let path = find(name).ok_or_else(|| no_engine(&format!("{name} is not installed")))?;
            let flag = if *kind == Kind::Podman { "--url" } else { "--host" };
            return Ok(Program { first: vec![flag.to_owned(), socket.clone()], ..Program::new(*kind, path) });
        }
        let named = std::env::var(ENGINE_VARIABLE).ok().filter(|name| !name.is_empty());
        let (docker, podman) = (find("docker"), find("podman"));
        let of = |kind| move |path| Program::new(kind, path);
        match named.as_deref() {
            Some("docker") => docker.map(of(Kind::Docker)).ok_or_else(|| no_engine("docker is not installed")),
            Some("podman") => podman.map(of(Kind::Podman)).ok_or_else(|| no_engine("podman is not installed")),
            Some(path) if path.starts_with('/') => Ok(program_at(PathBuf::from(path))),
            Some(other) => Err(no_engine(&format!("{ENGINE_VARIABLE} says {other:?}"))),
            None => {
                if let Some(docker) = docker
                    && serves(&docker).await
                {
                    return Ok(Program::new(Kind::Docker, docker));
                }
                podman.map(of(Kind::Podman)).ok_or_else(|| no_engine("there is no container engine"))
            }
        }
    }

    async fn run(&self, call: &'static str, program: &Program, args: &[&str]) -> CloudResult<()> {
        let mut command = program.command();
        command.args(args);
        let what = format!("{} {}", program.name(), args.first().unwrap_or(&""));
        let tell = self.tell;
        let mut on_line = |line: OutputLine<'_>| match line {
            OutputLine::Out(text) | OutputLine::Err(text) => tell(&sanitise(text)),
        };
        run(&what, command, TRANSFER, &mut on_line).await.map_err(|error| failed(call, &error))
    }

    /// The image of this name or id; `None` if there is none.
    async fn inspect(&self, program: &Program, name: &str) -> CloudResult<Option<LocalImage>> {
        let garbled =
            || CloudError::new(ErrorKind::Garbled, GET, format!("the engine describes {name} unlike an image"));
        let Some(found) = Self::described(program, name).await? else { return Ok(None) };
        image(&found).map(Some).ok_or_else(garbled)
    }

    /// What the engine says of an image; `None` if there is none.
    async fn described(program: &Program, name: &str) -> CloudResult<Option<Value>> {
        let mut command = program.command();
        command.args(["image", "inspect", name]).stdin(Stdio::null()).kill_on_drop(true);
        let answer = tokio::time::timeout(QUESTION, command.output()).await;
        let answer = answer.map_err(|_| CloudError::new(ErrorKind::TimedOut, GET, "the container engine is silent"))?;
        let answer = answer.map_err(|error| no_engine(&error.to_string()))?;
        if !answer.status.success() {
            let said = sanitise(String::from_utf8_lossy(&answer.stderr).trim());
            return match said.to_lowercase() {
                said if said.contains("no such image") || said.contains("image not known") => Ok(None),
                _ => Err(classified(GET, &said)),
            };
        }
        let garbled = |_| CloudError::new(ErrorKind::Garbled, GET, format!("the engine does not describe {name}"));
        let found: Value = serde_json::from_slice(&answer.stdout).map_err(garbled)?;
        Ok(Some(found[0].clone()))
    }

    async fn build(&self, program: &Program, folder: &str, platform: &Platform) -> CloudResult<LocalImage> {
        let recipe = recipe(Path::new(folder))?;
        let (recipe, platform) = (recipe.display().to_string(), platform.to_string());
        let ids = Scratch::new(self.state.as_deref(), BUILD)?;
        let file = ids.path().join("id").display().to_string();
        let args = ["build", "--platform", &platform, "--iidfile", &file, "--file", &recipe, folder];
        let built = self.built(program, &args, Path::new(&file)).await?;
        if built.platform.to_string() == platform {
            return Ok(built);
        }
        // Podman 4 takes layers that it keeps for another platform, where they are built upon nothing.
        let args = [&["build", "--no-cache"], &args[1..]].concat();
        self.built(program, &args, Path::new(&file)).await
    }

    async fn built(&self, program: &Program, args: &[&str], id: &Path) -> CloudResult<LocalImage> {
        self.run(BUILD, program, args).await?;
        let id = std::fs::read_to_string(id).map_err(|error| at(BUILD, id, &error))?;
        let lost = || CloudError::new(ErrorKind::Garbled, BUILD, "the engine does not find what it has built");
        self.inspect(program, id.trim()).await?.ok_or_else(lost)
    }

    /// An image of this machine, or else of its registry. One that is here for another platform is asked for again.
    async fn take(&self, program: &Program, name: &str, platform: &Platform) -> CloudResult<LocalImage> {
        let here = self.inspect(program, name).await?;
        if let Some(image) = here.as_ref().filter(|image| image.platform == *platform) {
            return Ok(image.clone());
        }
        if name.starts_with("sha256:") {
            // An id is of this machine alone.
            return here.ok_or_else(|| no_image(name));
        }
        match self.run(PULL, program, &["pull", "--platform", &platform.to_string(), name]).await {
            Ok(()) => {}
            // It is of this machine alone. That it does not fit is told with what it is for.
            Err(_) if here.is_some() => return here.ok_or_else(|| no_image(name)),
            Err(error) => return Err(error),
        }
        self.inspect(program, name).await?.ok_or_else(|| no_image(name))
    }

    async fn send(&self, program: &Program, push: &Push, login: &Login) -> CloudResult<()> {
        let keys = Scratch::new(self.state.as_deref(), PUSH)?;
        let file = keys.path().join("config.json");
        let target = target(&push.image, login);
        match program.kind {
            Kind::Podman => {
                keys.write(&file, &auths(&Value::Null, login))?;
                let (file, target) = (file.display().to_string(), format!("docker://{target}"));
                let mut args = vec!["push", "--authfile", &file];
                if login.plain() {
                    args.push("--tls-verify=false");
                }
                args.extend([push.id.as_str(), &target]);
                self.run(PUSH, program, &args).await
            }
            Kind::Docker => {
                // The client's folder says which engine it asks, too.
                let own = docker_folder();
                let config = own.as_ref().and_then(|own| std::fs::read(own.join("config.json")).ok());
                let config = config.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
                keys.write(&file, &auths(&config, login))?;
                if let Some(contexts) = own.map(|own| own.join("contexts")).filter(|folder| folder.is_dir()) {
                    let link = keys.path().join("contexts");
                    std::os::unix::fs::symlink(contexts, &link).map_err(|error| at(PUSH, &link, &error))?;
                }
                self.run(PUSH, program, &["tag", &push.id, &target]).await?;
                let folder = keys.path().display().to_string();
                self.run(PUSH, program, &["--config", &folder, "push", &target]).await
            }
        }
    }
}

#[async_trait]
impl Engine for Workshop {
    async fn get(&self, source: &Source, platform: &Platform) -> CloudResult<LocalImage> {
        let program = self.program().await?;
        match source {
            Source::Build(folder) => self.build(&program, folder, platform).await,
            Source::Take(name) => self.take(&program, name, platform).await,
        }
    }

    async fn try_out(&self, trial: &Trial) -> Tried {
        let found = async {
            let program = self.program().await?;
            let described = |name: String| {
                let program = program.clone();
                async move { Self::described(&program, &name).await?.ok_or_else(|| no_image(&name)) }
            };
            let image = described(trial.image.clone()).await?;
            let gangway = match &trial.gangway {
                Some(name) if trial.way != Way::Stdio => Some(described(name.clone()).await?),
                _ => None,
            };
            Ok::<_, CloudError>((program, image, gangway))
        };
        match found.await {
            Ok((program, image, gangway)) => {
                (self.tell)(&format!("starting the image of {} once, without network …", trial.server));
                trial::run(&program, trial, &image, gangway.as_ref()).await
            }
            Err(error) => Tried::NotTried(error.message),
        }
    }

    async fn push(&self, approved: &Approved, login: &Login) -> CloudResult<Applied> {
        let Call::Image(ImageCall::Push(push)) = approved.call() else {
            return Err(CloudError::new(ErrorKind::Invalid, PUSH, "this is no call for a container engine"));
        };
        let program = self.program().await?;
        if self.inspect(&program, &push.id).await?.is_none() {
            let why = format!("the image {} is not on this machine any more; plan again", push.id);
            return Ok(Applied::Void(why));
        }
        self.send(&program, push, login).await.map(|()| Applied::Done(Facts::new()))
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl Program {
    fn new(kind: Kind, path: PathBuf) -> Self {
        Self { kind, path, first: Vec::new() }
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.first);
        command
    }

    fn name(&self) -> &'static str {
        self.kind.name()
    }
}

/// The program at a path, by its name.
fn program_at(path: PathBuf) -> Program {
    let podman = path.file_name().is_some_and(|name| name.to_string_lossy().contains("podman"));
    Program::new(if podman { Kind::Podman } else { Kind::Docker }, path)
}

/// Whether Docker's engine answers its program. Podman brings a program of this name, too, which is Podman.
async fn serves(docker: &Path) -> bool {
    let mut command = Command::new(docker);
    command.args(["version", "--format", "{{.Server.Version}}"]).kill_on_drop(true).stdin(Stdio::null());
    let answer = tokio::time::timeout(QUESTION, command.output()).await;
    let Ok(Ok(answer)) = answer else { return false };
    let podman = String::from_utf8_lossy(&answer.stderr).contains("podman");
    answer.status.success() && !podman
}

fn no_engine(why: &str) -> CloudError {
    CloudError::new(ErrorKind::NotFound, GET, why)
        .with_hint(format!("start Docker, or install Podman; {ENGINE_VARIABLE} chooses where both are there"))
}

fn no_image(name: &str) -> CloudError {
    CloudError::new(ErrorKind::NotFound, GET, format!("there is no image {name}"))
}

/// The recipe in a folder.
fn recipe(folder: &Path) -> CloudResult<PathBuf> {
    let found = RECIPES.map(|name| folder.join(name)).into_iter().find(|file| file.is_file());
    found.ok_or_else(|| {
        let why = format!("{} has no {}", folder.display(), RECIPES.join(" and no "));
        CloudError::new(ErrorKind::NotFound, BUILD, why).with_hint("the path starts at the folder of quarterdeck.toml")
    })
}

/// What an engine says of an image.
fn image(described: &Value) -> Option<LocalImage> {
    let id = described["Id"].as_str()?;
    // Podman leaves the name of the hash out.
    let id = if id.contains(':') { id.to_owned() } else { format!("sha256:{id}") };
    let text = |key: &str| Some(sanitise(described[key].as_str()?));
    let platform = Platform { os: text("Os")?, architecture: text("Architecture")? };
    Some(LocalImage { id: sanitise(&id), platform, size: described["Size"].as_u64().unwrap_or_default() })
}

/// The name under which an image is pushed: at the registry that the login is for.
fn target(image: &EcrImage, login: &Login) -> String {
    let (registry, repository) = (login.registry(), &image.repository);
    match &image.reference {
        Reference::Tag(tag) => format!("{registry}/{repository}:{tag}"),
        Reference::Digest(digest) => format!("{registry}/{repository}@{digest}"),
    }
}

/// The text of a file of credentials, with those of a login alone, and what else there was in `config` that says which
/// engine is asked.
fn auths(config: &Value, login: &Login) -> String {
    let auth = json!({ login.registry(): { "auth": login.token().expose_secret() } });
    let mut all = json!({ "auths": auth });
    if let Some(context) = config.get("currentContext") {
        all["currentContext"] = context.clone();
    }
    all.to_string()
}

/// The folder of Docker's client.
fn docker_folder() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

/// A folder that is closed to others, and gone when it is dropped.
struct Scratch(PathBuf);

/// What the names of such folders begin with; the id of the process follows.
const SCRATCH: &str = "image-";

impl Scratch {
    /// One in `state`, or where this machine keeps what is temporary. What a process that was killed has left is removed.
    fn new(state: Option<&Path>, call: &'static str) -> CloudResult<Self> {
        let base = state.map_or_else(std::env::temp_dir, |state| state.join("images"));
        if state.is_some() {
            make(&base).map_err(|error| at(call, &base, &error))?;
            sweep(&base);
        }
        let number: u32 = rand::random();
        let path = base.join(format!("{SCRATCH}{}-{number:08x}", std::process::id()));
        make(&path).map_err(|error| at(call, &path, &error))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that only this user may read.
    fn write(&self, path: &Path, text: &str) -> CloudResult<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| at(PUSH, path, &error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If it cannot be removed now, the next one sweeps it away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a folder that is closed to others, with those above it.
fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes the folders of processes that are gone. One whose number another process has now stays until that one ends.
fn sweep(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(SCRATCH).and_then(|rest| rest.split('-').next()?.parse::<i32>().ok());
        let process = process.and_then(rustix::process::Pid::from_raw);
        let gone = process.is_some_and(|process| {
            rustix::process::test_kill_process(process).is_err_and(|error| error == rustix::io::Errno::SRCH)
        });
        if gone {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn at(call: &'static str, path: &Path, error: &std::io::Error) -> CloudError {
    classified(call, &format!("{}: {error}", path.display()))
}

fn failed(call: &'static str, error: &LocalError) -> CloudError {
    match error {
        LocalError::TooSlow { .. } => CloudError::new(ErrorKind::TimedOut, call, sanitise(&error.to_string())),
        LocalError::Command { what, status, tail, .. } if tail.is_empty() => {
            CloudError::new(ErrorKind::Invalid, call, format!("{what} failed ({status}) without a word"))
        }
        // The last lines say why; those before are what worked.
        LocalError::Command { tail, .. } => classified(
            call,
            &tail[tail.len().saturating_sub(3)..].iter().map(|line| sanitise(line)).collect::<Vec<_>>().join("; "),
        ),
        other => classified(call, &sanitise(&other.to_string())),
    }
}

/// What kind of failure an engine tells of. Both engines pass on what registries say (OCI distribution specification,
/// "Error Codes") and what the system says.
const FAILURES: &[(&[&str], ErrorKind, &str)] = &[
    (
        &["no space left on device", "disk quota exceeded"],
        ErrorKind::Conflict,
        "there is no space left: make some (`podman system prune`, `docker system prune`), then go on",
    ),
    (
        &["tag is immutable", "tags are immutable", "imagetagalreadyexists", "cannot be overwritten"],
        ErrorKind::Conflict,
        "the tag is taken: write the next one into quarterdeck.toml and plan again",
    ),
    (
        &[
            "denied",
            "unauthorized",
            "no basic auth",
            "not authorized",
            "authentication required",
            "403 forbidden",
            "401 ",
        ],
        ErrorKind::Denied,
        "the registry refuses: `quarterdeck iam-policy publish` prints the rights that this takes",
    ),
    (
        &[
            "no such host",
            "connection refused",
            "i/o timeout",
            "network is unreachable",
            "no route to host",
            "connection reset",
            "tls handshake timeout",
            "temporary failure in name resolution",
            "unexpected eof",
            "broken pipe",
            "cannot connect to the docker daemon",
        ],
        ErrorKind::Unreachable,
        "the way to the registry is interrupted: check the network and the proxy; what has arrived is not sent again",
    ),
    (
        &["exec format error"],
        ErrorKind::Invalid,
        "this machine cannot run programs of that processor: install an emulator (qemu-user-static), or build elsewhere",
    ),
    (
        &["manifest unknown", "name unknown", "repository does not exist", "not found", "no such image"],
        ErrorKind::NotFound,
        "check the name",
    ),
];

fn classified(call: &'static str, said: &str) -> CloudError {
    let lower = said.to_lowercase();
    let found = FAILURES.iter().find(|(words, ..)| words.iter().any(|word| lower.contains(word)));
    match found {
        Some((_, kind, hint)) => CloudError::new(*kind, call, said).with_hint(*hint),
        None => CloudError::new(ErrorKind::Invalid, call, said),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use rstest::rstest;
    use secrecy::SecretString;

    #[rstest]
    #[case::podman(
        "Error: writing blob: initiating layer upload to /v2/a/blobs/uploads/ in 127.0.0.1:5000: unauthorized: authentication required",
        ErrorKind::Denied
    )]
    #[case::ecr(
        "denied: User: arn:aws:iam::1:user/x is not authorized to perform: ecr:InitiateLayerUpload",
        ErrorKind::Denied
    )]
    #[case::docker("no basic auth credentials", ErrorKind::Denied)]
    #[case::disk("write /var/tmp/storage1: no space left on device", ErrorKind::Conflict)]
    #[case::moved(
        "tag invalid: The image tag '1' already exists in the 'a' repository and cannot be overwritten because the tag is immutable.",
        ErrorKind::Conflict
    )]
    #[case::name("dial tcp: lookup x.dkr.ecr.eu-west-1.amazonaws.com: no such host", ErrorKind::Unreachable)]
    #[case::route("dial tcp 10.0.0.1:443: connect: no route to host", ErrorKind::Unreachable)]
    #[case::gone("name unknown: The repository with name 'a' does not exist", ErrorKind::NotFound)]
    #[case::emulator("exec /bin/sh: exec format error", ErrorKind::Invalid)]
    #[case::other("something else", ErrorKind::Invalid)]
    fn a_failure_has_its_kind_and_its_way_out(#[case] said: &str, #[case] kind: ErrorKind) {
        let error = classified(PUSH, said);
        assert_eq!(error.kind, kind);
        assert!(error.message == said && (error.hint.is_some() || said == "something else"), "{error:?}");
    }

    #[rstest]
    #[case::podman(json!({ "Id": "ab", "Os": "linux", "Architecture": "arm64", "Size": 7 }), Some("sha256:ab"))]
    #[case::docker(json!({ "Id": "sha256:ab", "Os": "linux", "Architecture": "arm64", "Size": 7 }), Some("sha256:ab"))]
    #[case::another_document(json!({ "Name": "ab" }), None)]
    fn an_image_is_described_alike(#[case] described: Value, #[case] id: Option<&str>) {
        let found = image(&described);
        assert_eq!(found.as_ref().map(|image| image.id.as_str()), id);
        assert!(found.is_none_or(|image| image.size == 7 && image.platform.to_string() == "linux/arm64"));
    }

    #[test]
    fn the_credentials_are_those_of_the_login_alone_and_the_engine_stays() {
        let token = SecretString::from("QVdTOmh1bnRlcjI=");
        let login = Login::new("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com", token).unwrap();
        let own = json!({ "auths": { "other": { "auth": "x" } }, "credsStore": "pass", "currentContext": "far" });
        let expected = json!({
            "auths": { "123456789012.dkr.ecr.eu-west-1.amazonaws.com": { "auth": "QVdTOmh1bnRlcjI=" } },
            "currentContext": "far",
        });
        assert_eq!(serde_json::from_str::<Value>(&auths(&own, &login)).unwrap(), expected);
    }

    #[test]
    fn a_folder_for_secrets_is_closed_and_goes_with_its_process() {
        let state = tempfile::tempdir().unwrap();
        let base = state.path().join("images");
        // No process has the greatest number: `pid_max` is at most 2^22 (proc(5)).
        let left = base.join(format!("{SCRATCH}{}-0", i32::MAX));
        std::fs::create_dir_all(&left).unwrap();
        let scratch = Scratch::new(Some(state.path()), PUSH).unwrap();
        let file = scratch.path().join("config.json");
        scratch.write(&file, "{}").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(scratch.path()), mode(&file)), (0o700, 0o600));
        assert!(!left.exists(), "what was left is gone");
        let other = Scratch::new(Some(state.path()), PUSH).unwrap();
        assert!(scratch.path().exists(), "that of a process that lives stays");
        drop((scratch, other));
        assert_eq!(std::fs::read_dir(base).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_is_built_by_its_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let none = recipe(folder.path()).unwrap_err();
        assert!(none.message.contains("no Containerfile and no Dockerfile") && none.hint.is_some(), "{none:?}");
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        assert_eq!(recipe(folder.path()).unwrap(), folder.path().join("Dockerfile"));
        std::fs::write(folder.path().join("Containerfile"), "FROM scratch\n").unwrap();
        assert_eq!(recipe(folder.path()).unwrap(), folder.path().join("Containerfile"));
    }
}
