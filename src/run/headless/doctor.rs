//! `doctor`: the way from a client to an answer, link by link, and the checks of a token.

use std::io::{self, IsTerminal, Read as _};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Exit, Failure, Output, json as print_json, line, written};
use crate::cloud::{ErrorKind, Outside};
use crate::core::doctor::token::{Check, LONGEST};
use crate::core::doctor::{Hop, State, first_broken};
use crate::core::environment::names;
use crate::core::reach::metadata_url;
use crate::core::text::sanitise;
use crate::run::doctor::{self, Credentials};
use crate::run::{Session, read};

/// What is looked at; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None, args_conflicts_with_subcommands = true)]
pub struct DoctorOptions {
    /// A server of the environment, or the URL of any MCP endpoint; all servers by default.
    pub target: Option<String>,
    /// Read an access token from stdin and go on with it. It is never shown.
    #[arg(long)]
    pub token_stdin: bool,
    /// What else to look at.
    #[command(subcommand)]
    pub command: Option<DoctorCommand>,
}

/// What else `doctor` looks at.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DoctorCommand {
    /// Read an access token from stdin and say which check it fails, and where. It is never shown.
    Token {
        /// The server of the environment, or the URL of the MCP endpoint, that refuses it.
        target: Option<String>,
    },
}

impl DoctorOptions {
    fn target(&self) -> Option<&str> {
        match &self.command {
            Some(DoctorCommand::Token { target }) => target.as_deref(),
            None => self.target.as_deref(),
        }
    }

    /// Whether AWS must be asked: not for a URL, nor for a token alone.
    pub fn needs_session(&self) -> bool {
        let url = self.target().is_some_and(|target| target.contains("://"));
        !url && (self.command.is_none() || self.target().is_some())
    }
}

/// Goes the way to a server, or checks a token, and prints what was found. The code is 1 where a link is broken.
///
/// # Errors
/// When there is no such server, a URL is none, stdin cannot be read, or nothing can be written.
pub async fn doctor(
    session: Option<&Session>,
    outside: &dyn Outside,
    options: &DoctorOptions,
    output: Output,
) -> Result<Exit, Failure> {
    let target = options.target();
    if let Some(url) = target.filter(|target| target.contains("://") && metadata_url(target).is_none()) {
        return Err(Failure::refused(ErrorKind::Invalid, format!("{url:?} is no URL"), "such as https://host/mcp"));
    }
    if let Some(why) = target.filter(|target| target.contains("://")).and_then(unfit) {
        return Err(Failure::refused(ErrorKind::Invalid, why, "such as https://host/mcp"));
    }
    if let Some(DoctorCommand::Token { .. }) = options.command {
        return token(session, outside, target, output).await;
    }
    let given = if options.token_stdin { Some(from_stdin()?) } else { None };
    let mut told: Vec<(String, Vec<Hop>)> = Vec::new();
    match (target, session) {
        (Some(url), _) if url.contains("://") => {
            let none = || Credentials::None("pipe an access token in with --token-stdin to go on".to_owned());
            let credentials = given.map_or_else(none, Credentials::Given);
            told.push((url.to_owned(), doctor::address(None, outside, url, credentials, &|_| ()).await));
        }
        (_, None) => {}
        (target, Some(session)) => {
            for name in servers(session, target).await? {
                let hops = doctor::server(session, outside, &name, given.clone(), &|_| ()).await;
                told.push((name, hops));
            }
        }
    }
    let result = match output {
        Output::Json => print_json(&document(&told)),
        Output::Text => line(&told.iter().map(|(name, hops)| text(name, hops)).collect::<Vec<_>>().join("\n")),
    };
    written(result)?;
    let broken = told.iter().any(|(_, hops)| first_broken(hops).is_some());
    Ok(if broken { Exit::Failed } else { Exit::Done })
}

/// Why a URL cannot be asked; `None` if it can. It is not repeated: it may hold a password.
fn unfit(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
    match () {
        () if !matches!(scheme, "http" | "https") => {
            Some(format!("{:?} is no scheme of an MCP endpoint", sanitise(scheme)))
        }
        () if authority.contains('@') => Some("the URL holds a user or a password, which no client sends".to_owned()),
        () if authority.starts_with('[') && !authority.contains(']') => {
            Some("the address in the URL has no end".to_owned())
        }
        () if port.is_some_and(|port| port.parse::<u16>().is_err()) => Some("the URL's port is none".to_owned()),
        () => None,
    }
}

/// The servers to look at. One that is named must be known to ECS or to CloudFormation, as far as both can be read.
async fn servers(session: &Session, target: Option<&str>) -> Result<Vec<String>, Failure> {
    let Some(name) = target else {
        return match session.cloud.service_names(&session.context.cluster).await {
            // Where nothing can be read, the first links say why.
            Err(_) => Ok(vec![String::new()]),
            Ok(known) if known.is_empty() => {
                let message = format!("there is no server in cluster {}", session.context.cluster);
                Err(Failure::refused(ErrorKind::NotFound, message, "name the URL of an MCP endpoint, or deploy one"))
            }
            Ok(known) => Ok(known),
        };
    };
    match read::stack_of(session, name).await {
        Ok(None) => match read::server(session, &session.context.cluster, name).await {
            Ok(None) => Err(read::no_server(session, name).await.into()),
            Ok(Some(server)) => Ok(vec![server.name]),
            Err(_) => Ok(vec![name.to_owned()]),
        },
        _ => Ok(vec![name.rsplit('/').next().unwrap_or(name).to_owned()]),
    }
}

/// The token on stdin, without what a shell adds to it.
fn from_stdin() -> Result<SecretString, Failure> {
    let refused = |why: &str| {
        let hint = "pipe it in: quarterdeck clients token NAME | quarterdeck doctor token SERVER";
        Failure::refused(ErrorKind::Invalid, why, hint)
    };
    if io::stdin().is_terminal() {
        return Err(refused("the token is read from stdin, which is a terminal"));
    }
    let mut text = String::new();
    let most = LONGEST as u64 + 1_024;
    let read = io::stdin().lock().take(most).read_to_string(&mut text);
    read.map_err(|error| refused(&format!("stdin: {error}")))?;
    Ok(SecretString::from(text.trim().to_owned()))
}

async fn token(
    session: Option<&Session>,
    outside: &dyn Outside,
    target: Option<&str>,
    output: Output,
) -> Result<Exit, Failure> {
    let text = from_stdin()?;
    let url = match (target, session) {
        (Some(url), _) if url.contains("://") => Some(url.to_owned()),
        (Some(name), Some(session)) => Some(address_of(session, name).await?),
        _ => None,
    };
    let checks = doctor::token(outside, url.as_deref(), text.expose_secret()).await;
    let result = match output {
        Output::Json => print_json(&checks_document(url.as_deref(), &checks)),
        Output::Text => {
            let rows = checks.iter().map(|(check, state)| row(check.word(), state, None));
            line(&rows.collect::<Vec<_>>().join("\n"))
        }
    };
    written(result)?;
    Ok(if checks.iter().any(|(_, state)| state.is_broken()) { Exit::Failed } else { Exit::Done })
}

/// The URL of a server's MCP endpoint.
async fn address_of(session: &Session, name: &str) -> Result<String, Failure> {
    let found = read::stack_of(session, name).await?;
    found.and_then(|stack| stack.outputs.get("ResourceUrl").cloned()).ok_or_else(|| {
        let stack = names::stack(&session.context.environment, name);
        let message = format!("there is no stack {stack} that says where {name:?} is");
        Failure::refused(ErrorKind::NotFound, message, "name the URL of the MCP endpoint instead")
    })
}

fn checks_document(url: Option<&str>, checks: &[(Check, State)]) -> Value {
    let one = |(check, state): &(Check, State)| {
        let mut document = json!(state);
        document["check"] = json!(check);
        document
    };
    let broken = checks.iter().find(|(_, state)| state.is_broken()).map(|(check, _)| check);
    json!({ "resource": url, "fails": broken, "checks": checks.iter().map(one).collect::<Vec<_>>() })
}

fn document(told: &[(String, Vec<Hop>)]) -> Value {
    let one = |(name, hops): &(String, Vec<Hop>)| {
        let broken = first_broken(hops).map(|hop| hop.link);
        json!({ "target": name, "broken": broken, "links": hops })
    };
    json!({ "targets": told.iter().map(one).collect::<Vec<_>>() })
}

fn text(name: &str, hops: &[Hop]) -> String {
    let mut lines = vec![if name.is_empty() { "the environment".to_owned() } else { sanitise(name) }];
    lines.extend(hops.iter().map(|hop| row(hop.link.word(), &hop.state, hop.millis)));
    lines.push(match first_broken(hops) {
        Some(hop) => format!("  broken: {}", hop.link.word()),
        None => "  no link is broken".to_owned(),
    });
    lines.join("\n")
}

fn row(word: &str, state: &State, millis: Option<u64>) -> String {
    let took = millis.map(|millis| format!("{millis} ms")).unwrap_or_default();
    let fix = state.fix().map(|fix| format!("\n{:37}fix: {fix}", "")).unwrap_or_default();
    format!("  {} {word:<21} {took:>9}  {}{fix}", state.symbol(), state.said())
}
