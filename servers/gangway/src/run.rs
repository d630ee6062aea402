//! A server's `main`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use rmcp::ServerHandler;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, Server};
use crate::config::{Config, ConfigError, Env};
use crate::log::Log;

/// Longest wait of the health command, for connecting and for each read.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
pub(crate) const USAGE_ERROR: u8 = 2;

/// Runs a server, or its `healthcheck` command, from the arguments and the environment of this process.
/// `build` makes the server; it may read variables of its own.
///
/// Exit codes: 0 after a stop that was asked for, 1 when serving failed or the
/// server is not healthy, 2 when the arguments or the environment are wrong.
pub fn main<H: ServerHandler>(build: impl FnOnce(&Env) -> Result<Server<H>, ConfigError>) -> ExitCode {
    let env = Env::process();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run(&env, build),
        ["healthcheck"] => healthcheck(&env),
        _ => fail(USAGE_ERROR, "usage: server [healthcheck]"),
    }
}

fn run<H: ServerHandler>(env: &Env, build: impl FnOnce(&Env) -> Result<Server<H>, ConfigError>) -> ExitCode {
    let configured = Config::from_env(env).and_then(|config| Ok((config, build(env)?)));
    let (config, server) = match configured {
        Ok(configured) => configured,
        Err(error) => return fail(USAGE_ERROR, &error.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("no runtime: {error}")),
    };
    match runtime.block_on(serve(config, server)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(1, &message),
    }
}

async fn serve<H: ServerHandler>(config: Config, server: Server<H>) -> Result<(), String> {
    let log = Log::stdout(&config.server);
    let address = config.addr;
    let app = App::new(config, server, log).map_err(|error| error.to_string())?;
    let stop = shutdown_signal().map_err(|error| format!("no signal handler: {error}"))?;
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    app.serve(listener, stop).await.map_err(|error| error.to_string())
}

/// A future that is done at SIGTERM or SIGINT. The handlers are installed before this returns: without
/// them, the first process of a container ignores both signals.
///
/// # Errors
/// If a handler cannot be installed. Panics outside of a Tokio runtime.
pub fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The container's health command: the image has no shell and no curl.
pub(crate) fn healthcheck(env: &Env) -> ExitCode {
    let address = match Config::addr_from_env(env) {
        Ok(address) => address,
        Err(error) => return fail(USAGE_ERROR, &error.to_string()),
    };
    match ask(address) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => fail(1, "not healthy"),
        Err(error) => fail(1, &format!("not healthy: {error}")),
    }
}

fn ask(mut address: SocketAddr) -> std::io::Result<bool> {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let mut stream = TcpStream::connect_timeout(&address, HEALTH_TIMEOUT)?;
    stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}

pub(crate) fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}
