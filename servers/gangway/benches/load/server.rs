//! A server of our own, and its process's figures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::issuer::{Issuer, token};
use crate::support::machine_claims;
use crate::support::server::variable;

const STARTS: usize = 11;
const LONGEST_START: Duration = Duration::from_secs(10);
const VARIABLES: [&str; 11] = [
    "GANGWAY_SERVER",
    "GANGWAY_RESOURCE_URL",
    "GANGWAY_PATH",
    "GANGWAY_ISSUER",
    "GANGWAY_JWKS_URL",
    "GANGWAY_PUBLIC_BASE_URL",
    "GANGWAY_TOKEN_ENDPOINT",
    "GANGWAY_AUTHORIZATION_ENDPOINT",
    "GANGWAY_ALLOWED_CLIENTS",
    "GANGWAY_ALLOWED_HOSTS",
    "GANGWAY_ALLOWED_ORIGINS",
];

/// A process that ends with this value.
struct Process {
    child: Child,
    started: Instant,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server whose issuer is this process.
pub struct Own {
    process: Process,
    pub url: String,
    pub token: String,
    /// Milliseconds from the start of the process to the first good health check, sorted.
    pub starts: Vec<f64>,
}

impl Own {
    /// Starts `binary` a few times for the time that takes, and keeps the last one.
    pub async fn start(binary: &Path) -> Result<Self, String> {
        let issuer = Issuer::start().await;
        let (mut address, mut process) = launch(binary, &issuer)?;
        let mut starts = vec![ready(&mut process, address)?];
        while starts.len() < STARTS {
            drop(process);
            (address, process) = launch(binary, &issuer)?;
            starts.push(ready(&mut process, address)?);
        }
        starts.sort_by(f64::total_cmp);
        let token = token(0, &machine_claims());
        Ok(Self { process, url: format!("http://{address}/clock/mcp"), token, starts })
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }
}

fn launch(binary: &Path, issuer: &Issuer) -> Result<(SocketAddr, Process), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    drop(listener);
    let variables = VARIABLES.map(|name| (name, variable(name, &issuer.jwks_url).unwrap_or_default()));
    let mut command = Command::new(binary);
    command.env_clear().envs(variables).env("GANGWAY_ADDR", address.to_string()).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
    // Its log is read as a container engine would, and thrown away.
    let log = child.stdout.take();
    std::thread::spawn(move || log.map(|mut log| std::io::copy(&mut log, &mut std::io::sink())));
    Ok((address, Process { child, started }))
}

/// Waits for the first good health check, from the start of the process; in milliseconds.
fn ready(process: &mut Process, address: SocketAddr) -> Result<f64, String> {
    while process.started.elapsed() < LONGEST_START {
        if healthy(address).unwrap_or(false) {
            return Ok(process.started.elapsed().as_micros() as f64 / 1000.0);
        }
        if let Ok(Some(status)) = process.child.try_wait() {
            return Err(format!("the server ended: {status}"));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Err("the server does not get ready".to_owned())
}

fn healthy(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONGEST_START))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}
