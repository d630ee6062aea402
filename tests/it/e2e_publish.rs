//! `quarterdeck publish` with Podman and a real registry, Debian's `docker-registry`. AWS is scripted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::pty;
use crate::support::registry::{self, Registry};
use crate::support::world::{Endpoint, Setup, TOKEN, World, digest};
use serde_json::Value;
use tokio::task::JoinHandle;

const REPOSITORY: &str = "quarterdeck/prod/files";
const PASSWORD: &str = "hunter2";

/// An operator's machine before an AWS with a registry.
struct Machine {
    home: tempfile::TempDir,
    endpoint: Endpoint,
    registry: Registry,
    time: JoinHandle<()>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.time.abort();
        // Podman leaves what it has mounted.
        let _ = self.podman(&["unmount", "--all"]);
    }
}

impl Machine {
    async fn new() -> Self {
        let world = World::deployed(Setup { dual: true, servers: vec!["time"], lag: 0 });
        let registry = Registry::start();
        world.state().registry = Some(registry.address.clone());
        let endpoint = world.serve("alice").await;
        let time = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                world.tick();
            }
        });
        let machine = Self { home: tempfile::tempdir().unwrap(), endpoint, registry, time };
        let text = format!(
            "environment = 'prod'\nregion = 'eu-central-1'\n[[server]]\nname = 'files'\nbuild = './files'\ngangway = true\n\
             image = '123456789012.dkr.ecr.eu-central-1.amazonaws.com/{REPOSITORY}:1'\narchitecture = '{}'\n",
            if cfg!(target_arch = "aarch64") { "ARM64" } else { "X86_64" }
        );
        machine.write("quarterdeck.toml", &text);
        machine.write("files/Containerfile", "FROM scratch\nCOPY server /server\nENTRYPOINT [\"/server\"]\n");
        machine.write("files/server", "the first");
        // With a store of its own, and a note of every command line.
        let podman = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>{0}/argv\nexec podman --root {0}/store --runroot {0}/run \
             --storage-driver vfs \"$@\"\n",
            machine.path("").display()
        );
        machine.write("bin/podman-here", &podman);
        std::fs::set_permissions(machine.path("bin/podman-here"), std::fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn podman(&self, args: &[&str]) -> std::io::Result<std::process::Output> {
        Command::new(self.path("bin/podman-here")).args(args).stdin(Stdio::null()).output()
    }

    /// `quarterdeck publish --yes --output json`, and more: its exit code, its document and what it says besides.
    async fn publish(&self, args: &[&str]) -> (i32, Value, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(["--endpoint-url", &self.endpoint.url, "--yes", "--output", "json", "publish"]).args(args);
        command.current_dir(self.home.path()).stdin(Stdio::null());
        for name in pty::NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(pty::homes(self.home.path())).envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("QUARTERDECK_ENGINE", self.path("bin/podman-here").to_str().unwrap()),
            ("QUARTERDECK_LOG", "trace"),
        ]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        for text in [&said, &told] {
            assert!(!text.contains(TOKEN) && !text.contains(PASSWORD), "{text}");
        }
        (output.status.code().unwrap(), serde_json::from_str(&told).unwrap_or_default(), said)
    }

    /// The digest of a tag, as the registry has it.
    fn pushed(&self, tag: &str) -> Option<String> {
        registry::get(&self.registry.address, &format!("/v2/{REPOSITORY}/manifests/{tag}")).map(|text| digest(&text))
    }

    /// That the password is in no file here, and in no command line.
    fn keeps_no_password(&self) {
        for file in files(&self.path("state")).into_iter().chain([self.path("argv")]) {
            let text = std::fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(TOKEN) && !text.contains(PASSWORD), "{}", file.display());
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let all = entries.map(|entry| entry.unwrap().path());
    all.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Podman and docker-registry"]
async fn e2e_an_image_goes_from_a_folder_to_a_registry_once() {
    let machine = Machine::new().await;
    let (code, done, said) = machine.publish(&[]).await;
    assert_eq!((code, done["result"].as_str()), (0, Some("done")), "{done} {said}");
    let digest = machine.pushed("1").unwrap();
    assert_eq!(done["facts"]["image.files"].as_str(), Some(&*digest));
    machine.keeps_no_password();
    assert_eq!(files(&machine.path("state/quarterdeck/images")), Vec::<PathBuf>::new());
    // What is there is neither pushed again nor replaced.
    let (code, again, said) = machine.publish(&["files"]).await;
    assert_eq!((code, again["result"].as_str()), (0, Some("unchanged")), "{again} {said}");
    machine.write("files/server", "the second");
    let (code, _, said) = machine.publish(&["files"]).await;
    assert!(code != 0 && said.contains("is another image already") && said.contains(&digest), "{code} {said}");
    assert_eq!(machine.pushed("1"), Some(digest));
    let file = std::fs::read_to_string(machine.path("quarterdeck.toml")).unwrap();
    machine.write("quarterdeck.toml", &file.replace("files:1'", "files:2'"));
    let (code, next, said) = machine.publish(&["files"]).await;
    assert_eq!((code, next["facts"]["image.files"].as_str()), (0, machine.pushed("2").as_deref()), "{next} {said}");
    let argv = std::fs::read_to_string(machine.path("argv")).unwrap();
    assert_eq!(argv.lines().filter(|line| line.starts_with("push ")).count(), 2, "{argv}");
    machine.keeps_no_password();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Podman and docker-registry"]
async fn e2e_an_image_for_another_processor_is_refused_before_it_is_pushed() {
    let machine = Machine::new().await;
    let folder = machine.path("files").display().to_string();
    let base = machine.podman(&["build", "--platform", "linux/s390x", "--tag", "localhost/base:1", &folder]).unwrap();
    assert!(base.status.success(), "{}", String::from_utf8_lossy(&base.stderr));
    let (code, _, said) = machine.publish(&["files", "--from", "localhost/base:1"]).await;
    assert!(code != 0 && said.contains("is for linux/s390x"), "{code} {said}");
    assert_eq!(machine.pushed("1"), None);
}

/// Servers on both processors have one gangway in front of them, under one name.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Podman and docker-registry"]
async fn e2e_an_image_for_several_processors_goes_to_a_registry_as_one() {
    const GANGWAY: &str = "quarterdeck/prod/gangway";
    let machine = Machine::new().await;
    let server = |name: &str, architecture: &str| {
        format!(
            "[[server]]\nname = '{name}'\nimage = 'docker.io/acme/{name}:1'\narchitecture = '{architecture}'\n\
             [server.app]\ntransport = 'stdio'\ncommand = ['/server']\n"
        )
    };
    let head = format!(
        "environment = 'prod'\nregion = 'eu-central-1'\n[platform]\ngangway_from = 'localhost/gangway:1'\n\
         gangway_image = '123456789012.dkr.ecr.eu-central-1.amazonaws.com/{GANGWAY}:1'\n"
    );
    machine.write("quarterdeck.toml", &(head + &server("files", "ARM64") + &server("notes", "X86_64")));
    let podman = |args: &[&str]| {
        let done = machine.podman(args).unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    let folder = machine.path("files").display().to_string();
    let mut ids = Vec::new();
    podman(&["manifest", "create", "localhost/gangway:1"]);
    for architecture in ["amd64", "arm64"] {
        let (platform, name) = (format!("linux/{architecture}"), format!("localhost/{architecture}:1"));
        machine.write("files/server", architecture);
        podman(&["build", "--no-cache", "--platform", &platform, "--tag", &name, &folder]);
        podman(&["manifest", "add", "localhost/gangway:1", &format!("containers-storage:{name}")]);
        ids.push(format!("sha256:{}", podman(&["image", "inspect", "--format", "{{.Id}}", &name])));
        if architecture == "amd64" {
            let (code, _, said) = machine.publish(&["--gangway"]).await;
            assert!(code != 0 && said.contains("is for linux/amd64") && said.contains("run on ARM64"), "{code} {said}");
            assert_eq!(registry::get(&machine.registry.address, &format!("/v2/{GANGWAY}/tags/list")), None);
        }
    }
    let (code, done, said) = machine.publish(&["--gangway"]).await;
    assert_eq!((code, done["result"].as_str()), (0, Some("done")), "{done} {said}");
    let get =
        |what: &str| registry::get(&machine.registry.address, &format!("/v2/{GANGWAY}/manifests/{what}")).unwrap();
    let text = get("1");
    assert_eq!(done["facts"]["image.gangway"].as_str(), Some(&*digest(&text)), "{done}");
    let index: Value = serde_json::from_str(&text).unwrap();
    let mut pushed: Vec<(String, String)> = Vec::new();
    for entry in index["manifests"].as_array().unwrap() {
        let image: Value = serde_json::from_str(&get(entry["digest"].as_str().unwrap())).unwrap();
        let of = |value: &Value| value.as_str().unwrap().to_owned();
        pushed.push((of(&entry["platform"]["architecture"]), of(&image["config"]["digest"])));
    }
    pushed.sort();
    let wanted: Vec<_> = ["amd64".to_owned(), "arm64".to_owned()].into_iter().zip(ids).collect();
    assert_eq!(pushed, wanted);
    // Nothing is left of how it was made, and what is there is not pushed again.
    assert!(!podman(&["images"]).contains("quarterdeck-index"), "{}", podman(&["images"]));
    machine.keeps_no_password();
    let (code, again, said) = machine.publish(&["--gangway"]).await;
    assert_eq!((code, again["result"].as_str()), (0, Some("unchanged")), "{again} {said}");
    assert_eq!(get("1"), text);
}
