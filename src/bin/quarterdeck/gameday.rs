//! `quarterdeck local break`, `local mend` and the calls of a fault.

use std::collections::BTreeMap;

use quarterdeck::cloud::ErrorKind;
use quarterdeck::core::error::Refusal;
use quarterdeck::local::traffic::{Tokens, Wrong, WrongOptions, wrong_traffic};
use quarterdeck::local::{self, BadToken, BrokenStatus, Fault, LocalOptions, Running, Scene};
use quarterdeck::run::headless::{self, Exit, Output};
use quarterdeck::run::{Session, read};
use secrecy::SecretString;
use serde_json::json;

use crate::Start;
use crate::failure::ProgramFailure;
use crate::place_local::MachineTokens;

/// Faults are put into the local cloud alone: who names another place may mean that one.
pub fn refuse_elsewhere(start: &Start) -> Result<(), ProgramFailure> {
    let global = &start.global;
    let elsewhere = [("--endpoint-url", global.endpoint_url.is_some()), ("--cluster", global.cluster.is_some())];
    match elsewhere.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            Err(Refusal::new(ErrorKind::Invalid, format!("{flag} names another place than the local cloud"))
                .with_hint("faults are for the local cloud; leave the flag out")
                .into())
        }
        None => Ok(()),
    }
}

/// The fault of this name.
pub fn named(word: &str) -> Result<Fault, ProgramFailure> {
    let unknown = || {
        Refusal::new(ErrorKind::NotFound, format!("there is no fault {word:?}"))
            .with_hint("`quarterdeck local break` lists them")
    };
    Ok(Fault::named(word).ok_or_else(unknown)?)
}

/// What can be broken, with what it does and what shows it.
pub fn list(output: Output) -> Result<Exit, ProgramFailure> {
    match output {
        Output::Json => headless::print_json(&Fault::ALL.iter().copied().map(local::document).collect::<Vec<_>>())?,
        Output::Text => headless::print(&table())?,
    }
    Ok(Exit::Done)
}

fn table() -> String {
    let row = |fault: &Fault| {
        let sign = format!("why names {}", fault.cause().word());
        let not = fault.unplayable().map(|why| format!("\n{:<18}not here: {why}", "")).unwrap_or_default();
        format!("{:<18}{}\n{:<18}{sign}{not}", fault.word(), fault.what(), "")
    };
    Fault::ALL.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Breaks something, and says how it shows.
pub async fn inject(
    session: &Session,
    fault: Fault,
    server: Option<&str>,
    output: Output,
) -> Result<Exit, ProgramFailure> {
    let servers = session.environment.iter().flat_map(|environment| &environment.servers);
    let scene = Scene {
        environment: session.context.environment.clone(),
        region: session.context.region.clone(),
        servers: servers.map(|server| server.name.clone()).collect(),
        program: std::env::current_exe().map_err(ProgramFailure::io("the path of this program"))?,
    };
    let broken = local::inject(&LocalOptions::default(), &scene, fault, server).await?;
    let told = BrokenStatus::of(&broken);
    match output {
        Output::Json => headless::print_json(&json!({ "broken": told, "fault": local::document(fault) }))?,
        Output::Text => {
            let of = told.server.clone().map(|server| format!("{server}: ")).unwrap_or_default();
            let server = told.server.unwrap_or_default();
            let see = format!("quarterdeck --local why {server}");
            let lines = format!(
                "broken    {of}{}\nsee       {}\nmend      quarterdeck local mend {}",
                fault.what(),
                see.trim_end(),
                fault.word()
            );
            headless::print(&lines)?;
        }
    }
    Ok(Exit::Done)
}

/// Takes back what is broken.
pub async fn mend(fault: Option<Fault>, output: Output) -> Result<Exit, ProgramFailure> {
    let mended = local::mend(&LocalOptions::default(), fault).await?;
    let told: Vec<BrokenStatus> = mended.iter().map(BrokenStatus::of).collect();
    match output {
        Output::Json => headless::print_json(&json!({ "mended": told }))?,
        Output::Text if told.is_empty() => headless::print("nothing was broken")?,
        Output::Text => {
            let line = |one: &BrokenStatus| {
                let of = one.server.as_ref().map(|server| format!(" of {server}")).unwrap_or_default();
                format!("mended    {}{of}", one.fault)
            };
            headless::print(&told.iter().map(line).collect::<Vec<_>>().join("\n"))?;
        }
    }
    Ok(Exit::Done)
}

/// Calls a server as a fault does, until the number of calls is reached.
pub async fn calls(
    session: &Session,
    running: &Running,
    fault: Fault,
    server: Option<&str>,
    calls: Option<u64>,
) -> Result<Exit, ProgramFailure> {
    let unfit = || Refusal::new(ErrorKind::Invalid, format!("{} is no fault of calls", fault.word()));
    let wrong = fault.calls().ok_or_else(unfit)?;
    let server = server.unwrap_or(fault.server()).to_owned();
    let paths: BTreeMap<&str, String> = session
        .environment
        .iter()
        .flat_map(|environment| &environment.servers)
        .map(|server| (server.name.as_str(), server.path()))
        .collect();
    let unknown = || Refusal::new(ErrorKind::NotFound, format!("there is no server {server}"));
    let path = paths.get(server.as_str()).ok_or_else(unknown)?;
    let base = running.overrides.get("PublicBaseUrl").cloned().unwrap_or_default();
    let url = format!("{base}{path}/mcp");
    let other = paths.keys().copied().find(|name| *name != server);
    let token = match wrong {
        Wrong::Token(kind) => Some(bad_token(session, kind, &url, other).await?),
        _ => None,
    };
    headless::progress(&format!("{}{url}", local::CALLING));
    let options = WrongOptions { server, url, wrong, token, calls };
    let counts = wrong_traffic(&options, &MachineTokens(session.clone())).await;
    headless::print_json(&counts)?;
    Ok(Exit::Done)
}

/// A token that the server at this URL must refuse.
async fn bad_token(
    session: &Session,
    kind: BadToken,
    url: &str,
    other: Option<&str>,
) -> Result<SecretString, ProgramFailure> {
    if kind == BadToken::OfAnother {
        let alone = || Refusal::new(ErrorKind::NotFound, "there is no other server whose token could be taken");
        let token = MachineTokens(session.clone()).token(other.ok_or_else(alone)?).await;
        return Ok(token.map_err(|reason| Refusal::new(ErrorKind::Unreachable, reason))?);
    }
    let platform = read::platform(session).await?;
    let pool = read::output(&platform, "UserPoolId")?;
    let scope = format!("{url}/read");
    Ok(local::forge(&LocalOptions::default(), &session.context.region, &pool, &scope, kind).await?)
}
