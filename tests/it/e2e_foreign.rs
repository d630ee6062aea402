//! Public MCP servers, unchanged, on the local cloud at two tasks each, called through OAuth by clients of others.
//!
//! The servers are those of `make public`, in images made of what this machine has; `tests/foreign/servers.toml` is
//! what a user would write. The calls are in tests/foreign. `make e2e` installs all that it needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cloud::{Cloud, Done, block_on};
use crate::support::image::Image;
use crate::support::pty;
use quarterdeck::local::{Dirs, LocalOptions, up};

const SERVERS: &str = include_str!("../foreign/servers.toml");

/// What of Python's library no server needs.
const NOT_NEEDED: [&str; 10] = [
    "test",
    "site-packages",
    "dist-packages",
    "idlelib",
    "tkinter",
    "turtle",
    "lib2to3",
    "ensurepip",
    "config-",
    "pydoc_data",
];

fn installed(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `make e2e`")))
}

/// The packages as npm has put them there, and a Node.
fn node(public: &Path) -> Image {
    let modules = public.join("node/node_modules");
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let mut image = Image::new(public);
    image.put(&modules.join(format!("node-linux-{architecture}/bin/node")), "/usr/local/bin/node", &[]);
    image.put(&modules, "/app/node_modules", &["node-linux-", ".bin", ".package-lock"]);
    image
}

/// The packages as pip has put them there, the Python that they were installed for, and a script.
fn python(public: &Path, environment: &str, script: &str) -> Image {
    let question = "import os, sys; print(os.path.realpath(sys.executable)); print(os.path.dirname(os.__file__))";
    let mut ask = Command::new(public.join(environment).join("bin/python3"));
    ask.args(["-c", question]);
    let said = Done::of(ask).with_code(0, &["python3"]).out;
    let (program, library) = said.trim().split_once('\n').unwrap();
    let version = Path::new(library).file_name().unwrap().to_str().unwrap();
    let mut image = Image::new(public);
    image.put(Path::new(program), "/usr/local/bin/python3", &[]);
    image.put(Path::new(library), &format!("/usr/local/lib/{version}"), &NOT_NEEDED);
    let packages = public.join(environment).join("lib").join(version).join("site-packages");
    image.put(&packages, "/app/packages", &["pip", "setuptools", "__pycache__"]);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/gangway/tests/front/public");
    image.put(&scripts.join(script), "/app/server.py", &[]);
    image
}

/// The images, each with the command that whoever made it would have given it.
fn images(socket: &str) {
    let public = installed("GANGWAY_PUBLIC_SERVERS");
    node(&public).build(socket, "localhost/public/node:1", "WORKDIR /app\nENV PATH=/usr/local/bin\nCMD [\"node\"]\n");
    for (environment, how) in [("official", "http"), ("fast", "stdio")] {
        let recipe = format!(
            "WORKDIR /app\nENV PATH=/usr/local/bin PYTHONPATH=/app/packages PYTHONUNBUFFERED=1\n\
             ENTRYPOINT [\"python3\", \"server.py\"]\nCMD [\"{how}\"]\n"
        );
        let image = python(&public, environment, &format!("{environment}.py"));
        image.build(socket, &format!("localhost/public/{environment}:1"), &recipe);
    }
}

/// The guide says which versions were tried. They are those of the lists from which they are installed.
#[test]
fn the_guide_names_the_versions_that_are_tried() {
    let guide = include_str!("../../docs/bring-your-server.md");
    let npm = |text: &str| -> Vec<(String, String)> {
        let list: serde_json::Value = serde_json::from_str(text).unwrap();
        let all = list["dependencies"].as_object().unwrap().iter();
        all.map(|(name, version)| (name.clone(), version.as_str().unwrap().to_owned())).collect()
    };
    let pip = |text: &str, name: &str| {
        let version = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=="))).unwrap();
        (name.to_owned(), version.to_owned())
    };
    let mut tried = npm(include_str!("../../servers/gangway/tests/front/public/package.json"));
    tried.extend(npm(include_str!("../oauth/package.json")));
    tried.push(pip(include_str!("../../servers/gangway/tests/front/public/official.txt"), "mcp"));
    tried.push(pip(include_str!("../../servers/gangway/tests/front/public/fast.txt"), "fastmcp"));
    tried.push(pip(include_str!("../oauth/requirements.txt"), "mcp"));
    for (name, version) in tried {
        let named = if name.ends_with("/inspector") { "MCP Inspector".to_owned() } else { format!("`{name}`") };
        assert!(guide.contains(&format!("{named} {version}")), "{named} {version}");
    }
    // And what each server needs is what is deployed here.
    let file: toml::Table = SERVERS.parse().unwrap();
    for server in file["server"].as_array().unwrap() {
        let app = server["app"].as_table().unwrap();
        for (key, value) in app.iter().filter(|(key, _)| *key != "command") {
            let told = match value {
                toml::Value::Table(all) => {
                    let all: Vec<_> = all.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                    format!("{key} = {{ {} }}", all.join(", "))
                }
                value => format!("{key} = {value}"),
            };
            assert!(guide.contains(&told), "{}: {told}", server["name"]);
        }
    }
}

#[test]
#[ignore = "starts the local cloud with containers"]
fn e2e_public_servers_answer_the_official_clients_at_two_tasks() {
    let (inspector, python) =
        (installed("QUARTERDECK_INSPECTOR"), installed("QUARTERDECK_MINISTACK").with_file_name("python3"));
    let (cloud, folder) = (Cloud::new(), tempfile::tempdir().unwrap());
    let nothing = folder.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let dirs = Some(Dirs { data: cloud.data(), state: cloud.state() });
    // Without sources the example servers are not compiled.
    let options = LocalOptions { source: Some(nothing), dirs, ..LocalOptions::default() };
    let running = block_on(up(&options, &mut |_| {})).unwrap();
    images(&running.engine.expect("no container engine: start Docker, or install Podman").socket);

    let file = folder.path().join("quarterdeck.toml");
    let (platform, _) = include_str!("../../quarterdeck.toml").split_once("\n[[server]]").unwrap();
    std::fs::write(&file, format!("{platform}\n{SERVERS}")).unwrap();
    let file = file.display().to_string();
    cloud.text(&["--local", "--file", &file, "deploy", "--yes", "--confirm", "local"]);

    let status = cloud.status();
    let mut tests = Command::new(python);
    tests.args(["-m", "unittest", "discover", "--verbose"]);
    let tests_of = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.current_dir(tests_of.join("foreign"));
    for name in pty::NOT_INHERITED {
        tests.env_remove(name);
    }
    tests.envs([
        ("AWS_ENDPOINT_URL", status["emulator"]["endpoint"].as_str().expect("an endpoint")),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("QUARTERDECK_ENVIRONMENT", "local"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]);
    // What is told of a deployment and of a person who signs in there.
    tests.env("PYTHONPATH", tests_of.join("oauth")).env("QUARTERDECK_INSPECTOR", inspector);
    assert!(tests.status().expect("python starts").success(), "see the tests' own output above");
}
