//! The operator's own container engine, Docker or Podman by their programs: builds images, finds and pulls them, and
//! pushes them to a registry.
//!
//! The engine of the local cloud is another one where that is Podman, with images of its own (`local/engine`).

mod failure;
mod program;
mod push;
mod scratch;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::command::{OutputLine, find, run};
use super::engine::EngineInfo;
use super::trial;
use crate::core::error::{CloudError, CloudResult, ErrorKind};
use crate::core::image::{LocalImage, Platform, Source};
use crate::core::operation::{Applied, Approved, Call, Facts, ImageCall};
use crate::core::text::sanitise;
use crate::core::trial::{Trial, Tried, Way};
use crate::engine::{Engine, Login};
use failure::{at, classified, failed};
pub(super) use program::{Kind, Program};
use program::{program_at, serves};
use scratch::Scratch;

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
        if here.is_some()
            && let Some(image) = self.listed(program, name, platform).await?
        {
            return Ok(image);
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

    async fn joins(&self) -> CloudResult<()> {
        let program = self.program().await?;
        if program.kind == Kind::Podman {
            return Ok(());
        }
        let why = "Docker pushes an image for several processors only in parts, each under a tag of its own";
        let hint = format!("install Podman, and set {ENGINE_VARIABLE}=podman");
        Err(CloudError::new(ErrorKind::Unsupported, PUSH, why).with_hint(hint))
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
        for id in push.ids() {
            if self.inspect(&program, id).await?.is_none() {
                return Ok(Applied::Void(format!("the image {id} is not on this machine any more; plan again")));
            }
        }
        self.send(&program, push, login).await.map(|()| Applied::Done(Facts::new()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

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
