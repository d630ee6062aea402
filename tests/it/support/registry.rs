//! A real registry, Debian's `docker-registry`, on a port of the loopback, which lets in who has the password.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::world::TOKEN;

/// The user `AWS` and the password of [`TOKEN`], for the registry (bcrypt).
const USERS: &str = "AWS:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

pub struct Registry {
    pub address: String,
    child: Child,
    _place: tempfile::TempDir,
}

impl Registry {
    /// # Panics
    /// Where it is not installed.
    pub fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        // Nobody else is given a port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (users, config) = (place.path().join("users"), place.path().join("config.yml"));
        std::fs::write(&users, USERS).unwrap();
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n\
             auth: {{htpasswd: {{realm: ecr, path: {}}}}}\n",
            place.path().join("images").display(),
            users.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|error| panic!("docker-registry: {error}; `scripts/tools registry`"));
        let registry = Self { address, child, _place: place };
        let until = Instant::now() + Duration::from_secs(30);
        while get(&registry.address, "/v2/").is_none() {
            assert!(Instant::now() < until, "the registry does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a registry has at a path; `None` if it has nothing there, or does not answer.
pub fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    // Without chunks.
    let head =
        format!("GET {path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Basic {TOKEN}\r\naccept: {ACCEPTED}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1) == Some("200")).then(|| body.to_owned())
}
