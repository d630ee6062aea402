//! Images with gangway in front: made of an image that knows nothing of it, and left as it is.
//!
//! On AWS an init container puts the binary beside the server and ECS starts it in the image's place. The emulator
//! knows no such thing, so here an image is derived that does the same: same processes, same variables.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::engine::{Api, archive};
use super::error::LocalError;
use super::images::{self, DIGEST, FRONT, hex, newest, pinned};
use super::{LocalProgress, ProgressFn, Running};
use crate::core::environment::{App, Architecture, Environment, ServerSpec};

/// The binary that is put in front, and the variables of the image that it needs.
pub(super) const GANGWAY: &str = "gangway";
/// User and group of a server whose file says none, as in the template.
const USER: &str = "65532:65532";

/// What an image says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    id: String,
    /// Its own program and arguments.
    command: Vec<String>,
    architecture: Option<Architecture>,
}

impl Found {
    fn of(image: &Value) -> Self {
        let config = &image["Config"];
        let list =
            |key: &str| config[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let architecture = match image["Architecture"].as_str() {
            Some("amd64") => Some(Architecture::X86),
            Some("arm64") => Some(Architecture::Arm64),
            _ => None,
        };
        Self {
            id: image["Id"].as_str().unwrap_or_default().to_owned(),
            command: list("Entrypoint").chain(list("Cmd")).collect(),
            architecture,
        }
    }
}

/// Puts the images of this machine into an environment: those of the example servers in place of their names, and
/// for each server with `[server.app]` one that has gangway in front of it. An example server that cannot be built
/// here is left out, and told.
///
/// What a server with `[server.app]` is given at AWS and cannot be given here is taken out, and told: policies, the
/// credentials of a registry, and Secrets that are there.
///
/// # Errors
/// When an image is not in the engine and cannot be pulled, says no command, or cannot be built.
pub async fn in_front(
    running: &Running,
    environment: &mut Environment,
    progress: &mut ProgressFn<'_>,
) -> Result<(), LocalError> {
    let examples: Vec<String> = environment
        .servers
        .iter()
        .filter(|server| images::is_ours(&server.image))
        .map(|server| server.name.clone())
        .collect();
    for server in &mut environment.servers {
        own_image(running, server);
    }
    let Some(engine) = &running.engine else { return Ok(()) };
    let leave_out = |environment: &mut Environment, name: &str, progress: &mut ProgressFn<'_>| {
        progress(LocalProgress::Note(format!("{name}: its image cannot be built here, so it is left out")));
        environment.servers.retain(|server| server.name != name);
    };
    for name in &examples {
        if environment.servers.iter().any(|server| server.name == *name && images::is_ours(&server.image)) {
            leave_out(environment, name, progress);
        }
    }
    let api = Api::open(&engine.socket)?;
    let apps = environment.servers.iter().filter(|server| server.app.is_some());
    let mut front = None;
    for name in apps.map(|server| server.name.clone()).collect::<Vec<_>>() {
        if front.is_none() {
            front = Front::find(&api, running, progress).await?;
        }
        match (&front, environment.servers.iter_mut().find(|server| server.name == name)) {
            (Some(front), Some(server)) => derive(&api, front, server, progress).await?,
            _ if examples.contains(&name) => leave_out(environment, &name, progress),
            _ => {
                return Err(LocalError::Image {
                    image: newest(GANGWAY),
                    reason: "it has not been built, and servers with [server.app] need it".to_owned(),
                    way_out: "start in a checkout of the repository, with `quarterdeck local up`".to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// The image of gangway.
#[derive(Debug)]
struct Front {
    image: String,
    /// What starts it, in its own image and in those derived with it.
    command: Vec<String>,
    digest: String,
}

impl Front {
    /// The one that was built before, else a new one; `None` if there is none and none can be built.
    async fn find(api: &Api, running: &Running, progress: &mut ProgressFn<'_>) -> Result<Option<Self>, LocalError> {
        if let Some(image) = running.images.get(GANGWAY)
            && let Some(found) = Self::read(api, image).await?
        {
            return Ok(Some(found));
        }
        match images::front(api, progress).await? {
            Some(image) => Self::read(api, &image).await,
            None => Ok(None),
        }
    }

    /// `None` if there is no such image, or it is one of an earlier version, which had gangway elsewhere.
    async fn read(api: &Api, image: &str) -> Result<Option<Self>, LocalError> {
        let Some(found) = api.image(image).await? else { return Ok(None) };
        let digest = found["Config"]["Labels"][DIGEST].as_str().unwrap_or(image).to_owned();
        let command = Found::of(&found).command;
        let ours = command.first().is_some_and(|program| program.starts_with(FRONT));
        Ok(ours.then(|| Self { image: image.to_owned(), command, digest }))
    }
}

/// The example servers, by the name of their image and nothing else: a server of the user's may be called `time`.
fn own_image(running: &Running, server: &mut ServerSpec) {
    let Some((binary, image)) = running.images.iter().find(|(binary, _)| newest(binary) == server.image) else {
        return;
    };
    server.image.clone_from(image);
    server.architecture = Some(images::architecture());
    if binary == images::WEATHER {
        server.upstream_url.clone_from(&running.upstream);
    }
}

async fn derive(
    api: &Api,
    front: &Front,
    server: &mut ServerSpec,
    progress: &mut ProgressFn<'_>,
) -> Result<(), LocalError> {
    let (name, base) = (server.name.clone(), server.image.clone());
    let Some(app) = &mut server.app else { return Ok(()) };
    take_out(&name, app, progress);
    let found = Found::of(&find(api, &base, progress).await?);
    let command = app.command.clone().unwrap_or_else(|| found.command.clone());
    if command.is_empty() {
        return Err(LocalError::Image {
            image: base,
            reason: "it says no command, and neither does the file".to_owned(),
            way_out: format!("say command = [\"…\"] under [server.app] of {name}"),
        });
    }
    let recipe = recipe(&base, front, app, &command);
    let digest = digest(&[&found.id, &front.digest, &recipe]);
    let image = pinned(&derived(&name), &digest);
    if api.image_label(&image, DIGEST).await?.as_deref() != Some(&digest) {
        let labels = json!({ DIGEST: digest }).to_string();
        let params = [
            ("t", image.as_str()),
            ("dockerfile", "Containerfile"),
            ("labels", &labels),
            ("rm", "true"),
            ("forcerm", "true"),
        ];
        api.build(context(&recipe, app), &params).await?;
        progress(LocalProgress::Note(format!("{image} built: {base} with gangway in front")));
    }
    server.image = image;
    server.architecture = found.architecture.or(server.architecture);
    Ok(())
}

/// The name of a derived image, which no example server has: theirs begin with `mcp-`.
fn derived(server: &str) -> String {
    format!("front-{server}")
}

/// Takes out what is at AWS alone.
fn take_out(name: &str, app: &mut App, progress: &mut ProgressFn<'_>) {
    let mut tell = |text: String| progress(LocalProgress::Note(format!("{name}: {text}")));
    for variable in app.secrets.keys() {
        tell(format!(
            "the Secret of {variable} is at AWS; `quarterdeck --local secret set {name} {variable}` sets it here"
        ));
    }
    if !app.policies.is_empty() {
        tell("its policies are at AWS: here it has no rights".to_owned());
    }
    app.secrets.clear();
    app.secret_keys.clear();
    app.policies.clear();
    app.registry_secret = None;
}

/// The image as the engine has it, pulled if it has none.
async fn find(api: &Api, image: &str, progress: &mut ProgressFn<'_>) -> Result<Value, LocalError> {
    if let Some(found) = api.image(image).await? {
        return Ok(found);
    }
    progress(LocalProgress::Note(format!("pulling {image} …")));
    let reason = match api.pull(image).await {
        Ok(()) => "the engine pulled it and does not have it".to_owned(),
        Err(error) => error.to_string(),
    };
    let missing = || LocalError::Image {
        image: image.to_owned(),
        reason,
        way_out: format!("`docker save {image} | DOCKER_HOST={} docker load` puts it there", api.endpoint()),
    };
    api.image(image).await?.ok_or_else(missing)
}

/// How the image is made. A list in JSON is a command without a shell, as ECS starts it.
fn recipe(base: &str, front: &Front, app: &App, command: &[String]) -> String {
    let user = app.user.as_deref().unwrap_or(USER);
    // A folder that is copied gives its mode also to one that is there already.
    let copy = |(at, folder): (usize, &String)| format!("COPY folders/{at}/ {}/\n", parted(folder).0);
    let folders: String = app.folders().iter().enumerate().map(copy).collect();
    let started = front.command.iter().map(String::as_str).chain(["run", "--"]);
    let (started, command) = (Value::from_iter(started), Value::from(command.to_vec()));
    let gangway = &front.image;
    format!(
        "FROM {gangway} AS gangway\nFROM {base}\nUSER 0:0\n{folders}COPY --from=gangway {FRONT}/ {FRONT}/\n\
         USER {user}\nENTRYPOINT {started}\nCMD {command}\n"
    )
}

/// The folder above, and the name in it.
fn parted(folder: &str) -> (&str, &str) {
    folder.rsplit_once('/').unwrap_or(("", folder))
}

/// The files of which it is made: the recipe, and a folder for each that the server may write to.
fn context(recipe: &str, app: &App) -> Vec<u8> {
    let folders: Vec<String> =
        app.folders().iter().enumerate().map(|(at, folder)| format!("folders/{at}/{}/", parted(folder).1)).collect();
    let mut files = vec![("Containerfile", recipe.as_bytes())];
    files.extend(folders.iter().map(|folder| (folder.as_str(), b"".as_slice())));
    archive(&files)
}

fn digest(parts: &[&str]) -> String {
    hex(&Sha256::digest(parts.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn app(text: &str) -> App {
        toml::from_str(text).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn the_command_of_an_image_is_its_entrypoint_and_its_arguments() {
        let image = json!({
            "Id": "sha256:1", "Architecture": "arm64",
            "Config": { "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["node", "index.js"] },
        });
        let found = Found::of(&image);
        assert_eq!(found.command, ["docker-entrypoint.sh", "node", "index.js"]);
        assert_eq!(found.architecture, Some(Architecture::Arm64));
        let bare = Found::of(&json!({ "Id": "sha256:2", "Config": { "Entrypoint": null } }));
        assert_eq!(bare, Found { id: "sha256:2".into(), command: Vec::new(), architecture: None });
    }

    #[test]
    fn gangway_is_the_first_process_and_the_server_its_argument() {
        let app = app("transport = 'stdio'\nuser = '1000'\nwritable = ['/tmp', '/home/node/.cache']");
        let command = vec!["/.gangway/gangway".to_owned()];
        let front = Front { image: "localhost/gangway:2".into(), command, digest: String::new() };
        let recipe = recipe("a/b:1", &front, &app, &["sh".into(), "-c".into(), "echo \"x\"".into()]);
        let expected = "FROM localhost/gangway:2 AS gangway\nFROM a/b:1\nUSER 0:0\n\
                        COPY folders/0/ /\nCOPY folders/1/ /home/node/\n\
                        COPY --from=gangway /.gangway/ /.gangway/\nUSER 1000\n\
                        ENTRYPOINT [\"/.gangway/gangway\",\"run\",\"--\"]\nCMD [\"sh\",\"-c\",\"echo \\\"x\\\"\"]\n";
        assert_eq!(recipe, expected);
        let other =
            super::recipe("a/b:1", &Front { image: "localhost/gangway:3".into(), ..front }, &app, &["sh".into()]);
        assert_ne!(digest(&["1", &recipe]), digest(&["1", &other]), "another gangway makes another image");
        assert_ne!(digest(&["1", &recipe]), digest(&["2", &recipe]), "so does another image under the same name");
    }

    fn running() -> Running {
        let images = [(images::WEATHER, "pinned-weather"), ("mcp-time", "pinned-time")];
        Running {
            endpoint: String::new(),
            port: 0,
            addresses: Vec::new(),
            engine: None,
            started_here: false,
            overrides: BTreeMap::new(),
            images: images.map(|(binary, image)| (binary.to_owned(), image.to_owned())).into(),
            upstream: Some("http://10.0.0.2:8080".into()),
            environment: crate::local::place::environment(&BTreeMap::new(), None),
        }
    }

    /// A server is ours by its image. What it is called says nothing.
    #[tokio::test]
    async fn a_server_with_the_name_of_ours_keeps_its_own_image() {
        let running = running();
        let server = |name: &str, image: String| ServerSpec { name: name.into(), image, ..ServerSpec::default() };
        let mut environment = running.environment.clone();
        environment.servers = vec![
            server("time", "registry.example/time:1".into()),
            server("clock", newest("mcp-time")),
            server("weather", newest(images::WEATHER)),
            server("units", "registry.example/units:1".into()),
        ];
        assert!(in_front(&running, &mut environment, &mut |_| {}).await.is_ok());
        let images: Vec<&str> = environment.servers.iter().map(|server| server.image.as_str()).collect();
        assert_eq!(images, ["registry.example/time:1", "pinned-time", "pinned-weather", "registry.example/units:1"]);
        let upstreams: Vec<_> = environment.servers.iter().map(|server| server.upstream_url.as_deref()).collect();
        assert_eq!(upstreams, [None, None, Some("http://10.0.0.2:8080"), None]);
        assert_eq!(environment.servers[0].architecture, None);
        assert!(!newest("mcp-time").contains(&derived("time")), "no derived image has the name of ours");
    }

    #[test]
    fn what_is_at_aws_alone_is_taken_out_and_told() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf";
        let mut app = app(&format!(
            "transport = 'stdio'\nsecrets = {{ API_KEY = '{secret}' }}\nregistry_secret = '{secret}'\n\
             policies = ['arn:aws:iam::123456789012:policy/files']"
        ));
        let mut told = Vec::new();
        take_out("files", &mut app, &mut |news| told.push(format!("{news:?}")));
        assert!(app.secrets.is_empty() && app.policies.is_empty() && app.registry_secret.is_none());
        assert!(told.iter().any(|text| text.contains("secret set files API_KEY")), "{told:?}");
        assert!(told.iter().any(|text| text.contains("policies")), "{told:?}");
    }
}
