//! Stands in front of an MCP server that knows nothing of tokens, in the same container.
//!
//! `gangway run -- COMMAND` listens as every server on this library does, with the same checks, limits, log and
//! metrics. It starts COMMAND and asks it what clients ask, over HTTP on the loopback address or over its
//! standard streams. Clients get no session: any copy of the container can answer any request. The server sees
//! one client, this program, or one for each caller or request where it is told to. `servers/README.md` describes the variables.

mod cancel;
mod child;
mod endpoint;
mod events;
mod fall;
mod http;
mod link;
mod output;
mod parameters;
mod protocol;
mod readable;
mod relay;
mod seats;
mod sessions;
mod settings;
mod start;
mod stdio;
mod supervise;
mod tools;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::Request;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App as Served, Backend};
use crate::budget::Budget;
use crate::config::{Config, Env};
use crate::log::Log;
use crate::run::{USAGE_ERROR, fail, healthcheck, shutdown_signal};
use crate::serve::files;
use child::Reaper;
use endpoint::Endpoint;
use sessions::Pool;
use settings::{App, Secrets, Transport};
use start::Starter;
use supervise::Supervisor;
use tools::{Shown, ToolTable};

const USAGE: &str = "usage: gangway run [-- COMMAND...] | gangway install DIR [WRITABLE...] | gangway healthcheck | \
                     gangway relay PORT PATH";
/// Fewest connections, however few files the process may open.
const FEWEST: usize = 8;
/// The name of the program where it is installed.
const NAME: &str = "gangway";

/// Runs the program `gangway` from the arguments and the environment of this process.
///
/// Exit codes: 0 after a stop that was asked for, 1 when serving failed, the server behind was given up or is not
/// healthy, 2 when the arguments or the environment are wrong.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run"] => run(&[]),
        ["run", "--", ..] => run(arguments.get(2..).unwrap_or_default()),
        ["install", folder, ref writable @ ..] => match install(Path::new(folder), writable) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => fail(1, &problem),
        },
        ["relay", port, path] => match port.parse() {
            Ok(port) => relayed(port, path),
            Err(_) => fail(USAGE_ERROR, USAGE),
        },
        ["healthcheck"] => healthcheck(&Env::process()),
        _ => fail(USAGE_ERROR, USAGE),
    }
}

/// Passes messages from the standard streams to a port of the loopback address, until there are no more.
fn relayed(port: u16, path: &str) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("no runtime: {error}")),
    };
    match runtime.block_on(relay::relay(port, path, relay::input(), std::io::stdout())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(1, &problem),
    }
}

/// Copies this program into a folder, for a container that has no such program, and opens the `writable` folders to
/// every user.
fn install(folder: &Path, writable: &[&str]) -> Result<(), String> {
    let wrong = |what: &Path, error: std::io::Error| format!("{}: {error}", what.display());
    let own = std::env::current_exe().map_err(|error| format!("this program is not found: {error}"))?;
    let (target, part) = (folder.join(NAME), folder.join(format!(".{NAME}.part")));
    fs::copy(&own, &part).map_err(|error| wrong(&part, error))?;
    fs::set_permissions(&part, Permissions::from_mode(0o755)).map_err(|error| wrong(&part, error))?;
    // In one step: another container may start it at any time.
    fs::rename(&part, &target).map_err(|error| wrong(&target, error))?;
    for folder in writable {
        let folder = Path::new(folder);
        fs::set_permissions(folder, Permissions::from_mode(0o1777)).map_err(|error| wrong(folder, error))?;
    }
    Ok(())
}

/// Nobody of the same user may read this process's memory or environment: the server behind is of the same user.
#[cfg(target_os = "linux")]
fn close_to_others() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn close_to_others() -> std::io::Result<()> {
    Ok(())
}

fn run(command: &[String]) -> ExitCode {
    if let Err(error) = close_to_others() {
        return fail(1, &format!("this process cannot be closed to others: {error}"));
    }
    let env = Env::process();
    let configured =
        Config::from_env(&env).and_then(|config| Ok((config, App::from_env(&env, command)?, Secrets::from_env(&env)?)));
    let (mut config, app, secrets) = match configured {
        Ok(configured) => configured,
        Err(error) => return fail(USAGE_ERROR, &error.to_string()),
    };
    // The time of the server behind begins when the body is there.
    config.limits.request_time = app.request_time() + config.limits.body_time;
    let connections = match app.transport {
        // Each client's connection may need one to the server behind.
        Transport::Http => files() / 2,
        // Each process has three streams.
        Transport::Stdio => files().saturating_sub(3 * app.own_processes()).max(FEWEST),
    };
    config.limits.connections = config.limits.connections.min(connections);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("no runtime: {error}")),
    };
    let code = match runtime.block_on(serve(config, app, secrets)) {
        Ok(true) => ExitCode::SUCCESS,
        // It was logged why.
        Ok(false) => ExitCode::from(1),
        Err(message) => fail(1, &message),
    };
    // What waits for a pipe that a process elsewhere holds open must not hold this one.
    runtime.shutdown_background();
    code
}

/// Serves until told to stop. Returns false if the server behind was given up.
async fn serve(config: Config, app: App, secrets: Secrets) -> Result<bool, String> {
    let log = Log::stdout(&config.server);
    let address = config.addr;
    let signal = shutdown_signal().map_err(|error| format!("no signal handler: {error}"))?;
    let reaper = Reaper::start().map_err(|error| format!("no signal handler: {error}"))?;
    let tools = Arc::new(ToolTable::new(app.tools.clone(), log.clone()));
    let request_time = app.request_time();
    let budget = Budget::new(config.limits.memory_bytes);
    let starter = Starter { app, secrets: Arc::new(secrets), reaper, budget: budget.clone(), log: log.clone() };
    let (starter, stop) = (Arc::new(starter), CancellationToken::new());
    let server = Arc::new(Supervisor::new(starter.clone(), tools.clone()));
    let sessions = Arc::new(Pool::new(starter, stop.clone()));
    let streams = CancellationToken::new();
    let endpoint = Arc::new(Endpoint {
        server: server.clone(),
        sessions: sessions.clone(),
        tools: tools.clone(),
        allowed_hosts: config.allowed_hosts.clone(),
        request_time,
        streams: streams.clone(),
        cancels: cancel::Cancels::default(),
    });
    let ready = server.clone();
    let backend = Backend {
        endpoint: post(move |request: Request| endpoint.clone().answer(request)),
        tools: Box::new(Shown(tools)),
        ready: Box::new(move || ready.current().is_some()),
        budget,
    };
    let served = Served::with(config, backend, streams, log).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let given_up = CancellationToken::new();
    let kept = tokio::spawn({
        let (stop, given_up) = (stop.clone(), given_up.clone());
        async move {
            let told = server.keep(stop).await;
            given_up.cancel();
            told
        }
    });
    let until = async {
        tokio::select! {
            () = signal => {}
            () = given_up.cancelled() => {}
        }
    };
    served.serve(listener, until).await.map_err(|error| error.to_string())?;
    // The requests in flight are done: now the server behind may end.
    stop.cancel();
    sessions.ended().await;
    Ok(kept.await.unwrap_or(false))
}
