//! Starts the local cloud, deploys on it, works on it and stops it.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use crate::cli::Local;
use crate::config;
use crate::failure::ProgramFailure;
use crate::place_aws::Maker;
use async_trait::async_trait;
use quarterdeck::aws;
use quarterdeck::cloud::{ErrorKind, TokenAnswer};
use quarterdeck::core::environment::{Environment, names};
use quarterdeck::core::error::Refusal;
use quarterdeck::core::operation::PlanRequest;
use quarterdeck::core::operation::work::{Label, TokenProbe, Version};
use quarterdeck::core::text::short_duration;
use quarterdeck::local::traffic::{Tokens, Told, TrafficOptions, traffic};
use quarterdeck::local::{self, LocalOptions, LocalProgress, ProgressFn, Running, Workshop};
use quarterdeck::run::Session;
use quarterdeck::run::headless::{self, Consent, Exit, Output, progress};
use quarterdeck::run::places::OnePlace;
use quarterdeck::run::{planner, read};
use secrecy::SecretString;

use crate::{Start, commands, gameday};

/// The local environment, as the repository's file describes it.
const ENVIRONMENT: &str = include_str!("../../../quarterdeck.toml");

/// Shows the progress of the local cloud on stderr.
fn show(news: LocalProgress) {
    match news {
        LocalProgress::Step { title, index, of } => progress(&format!("[{index}/{of}] {title} …")),
        LocalProgress::Note(text) => progress(&format!("      {text}")),
        LocalProgress::Done { title, took } => progress(&format!("      {title}: done in {:.1} s", took.as_secs_f64())),
    }
}

/// The environment from its file, with the images and addresses of this machine.
async fn environment(
    start: &Start,
    running: &Running,
    show: &mut ProgressFn<'_>,
) -> Result<Environment, ProgramFailure> {
    let mut environment = match &start.global.file {
        Some(_) => config::environment(start.global.file.as_deref())?.unwrap_or_else(|| running.environment.clone()),
        None => config::parse_environment(Path::new("quarterdeck.toml"), ENVIRONMENT)?,
    };
    local::sources(running, &mut environment, show).await?;
    local::in_front(running, &mut environment, show).await?;
    if running.engine.is_none() {
        progress("      no container engine: the control plane runs alone, without servers");
        environment.servers.clear();
    }
    Ok(environment)
}

/// A session with the local cloud.
async fn session(start: &Start, running: &Running, show: &mut ProgressFn<'_>) -> Result<Session, ProgramFailure> {
    let environment = environment(start, running, show).await?;
    let options = aws::Access {
        region: Some(environment.region.clone()),
        endpoint: Some(running.endpoint.clone()),
        static_credentials: true,
        ..aws::Access::default()
    };
    let mut session = Maker::of(start).local(&options, environment).await?;
    session.overrides = Arc::new(running.overrides.clone());
    // The emulator knows no init containers, so gangway is in its images, and not the server alone would be tried.
    session.trials = false;
    if let Some(engine) = &running.engine {
        // The images of the local cloud are there, and nowhere else.
        session.engine = Arc::new(Workshop::new(config::Places::find().state, start.tell).of(engine));
    }
    Ok(session)
}

/// Starts what does not run yet and deploys the environment on it.
async fn up(start: &Start, output: Output) -> Result<(Running, Session, Exit), ProgramFailure> {
    let began = jiff::Timestamp::now();
    let running = local::up(&LocalOptions::default(), &mut show).await?;
    let session = session(start, &running, &mut show).await?;
    progress(&format!("[{0}/{0}] deploy of environment {1} …", local::UP, session.context.environment));
    let plan = planner::plan(&session, PlanRequest::Deploy { servers: Vec::new() }).await?;
    let exit = headless::operate(
        &session,
        plan,
        &Consent { yes: true, typed: Some(session.context.environment.clone()) },
        output,
    )
    .await?;
    let took = jiff::Timestamp::now().duration_since(began);
    progress(&format!("      the local cloud is up at {} after {}", running.endpoint, short_duration(took)));
    Ok((running, session, exit))
}

/// `quarterdeck --local`: starts everything and opens the console. Without a terminal it prints the state
/// and the addresses instead.
pub async fn console(start: &Start) -> Result<Exit, ProgramFailure> {
    if commands::refused(&start.audit) {
        return Ok(Exit::Refused);
    }
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let (running, session, exit) = up(start, Output::Text).await?;
    if !terminal {
        headless::status(&session, &headless::StatusOptions::default(), commands::output(&start.global)).await?;
        addresses(&running, &session)?;
        return Ok(exit);
    }
    let calls = tokio::spawn(background_traffic(session.clone(), running.clone()));
    let result = crate::console(session, Vec::new(), Arc::new(OnePlace), start).await;
    calls.abort();
    if !running.started_here || start.global.keep {
        return result;
    }
    if matches!(result, Ok(Exit::Unfinished)) {
        progress("the local cloud runs on, for the operation to be finished; `quarterdeck local down` stops it");
        return result;
    }
    progress("stopping the local cloud (`--keep` leaves it running) …");
    let (options, mut silent) = (LocalOptions::default(), |_| {});
    tokio::select! {
        stopped = local::down(&options, &mut silent) => {
            stopped?;
        }
        // The console has caught the signal, so it does not end the program by itself any more.
        _ = tokio::signal::ctrl_c() => {
            progress("not stopped completely; `quarterdeck local down` does that");
            return Ok(Exit::Interrupted);
        }
    }
    result
}

fn addresses(running: &Running, session: &Session) -> Result<(), headless::Failure> {
    let base = running.overrides.get("PublicBaseUrl").cloned().unwrap_or_default();
    let servers = session.environment.iter().flat_map(|environment| &environment.servers);
    let servers = servers.map(|server| format!("\n{:<9} {base}{}/mcp", server.name, server.path()));
    headless::print(&format!("endpoint  {}{}", running.endpoint, servers.collect::<String>()))
}

/// A session with the local cloud that runs already.
pub async fn attach(start: &Start) -> Result<Session, ProgramFailure> {
    // What was told when it came up is not told again.
    session(start, &running().await?, &mut |_| {}).await
}

/// The local cloud that runs already.
async fn running() -> Result<Running, ProgramFailure> {
    if let Some(found) = local::attach(&LocalOptions::default()).await? {
        return Ok(found);
    }
    let status = local::status(&LocalOptions::default()).await?;
    Err(match status.emulator.filter(|emulator| emulator.running) {
        Some(hangs) => {
            let why = format!("the local cloud runs (process {}) and does not answer at {}", hangs.pid, hangs.endpoint);
            Refusal::new(ErrorKind::Unreachable, why)
                .with_hint("`quarterdeck local down` and `quarterdeck local up` start it anew")
        }
        None => Refusal::new(ErrorKind::NotFound, "the local cloud does not run")
            .with_hint("start it with `quarterdeck local up`"),
    }
    .into())
}

/// `quarterdeck local …`.
pub async fn command(start: &Start, command: &Local) -> Result<Exit, ProgramFailure> {
    let output = commands::output(&start.global);
    match command {
        Local::Up if commands::refused(&start.audit) => Ok(Exit::Refused),
        Local::Up => {
            let (running, session, exit) = up(start, output).await?;
            addresses(&running, &session)?;
            Ok(exit)
        }
        Local::Down => {
            let stopped = local::down(&LocalOptions::default(), &mut show).await?;
            match output {
                // Containers that the emulator has removed as it stopped are not counted.
                Output::Json => headless::print_json(&serde_json::json!({ "emulator": stopped.emulator }))?,
                Output::Text if stopped.emulator => progress("stopped"),
                Output::Text => progress("it was not running"),
            }
            Ok(Exit::Done)
        }
        Local::Status => {
            let status = local::status(&LocalOptions::default()).await?;
            headless::print_json(&status)?;
            Ok(Exit::Done)
        }
        Local::Traffic { fault: Some(fault), server, calls, .. } => {
            let fault = gameday::named(fault)?;
            let session = attach(start).await?;
            gameday::calls(&session, &running().await?, fault, server.as_deref(), *calls).await
        }
        Local::Break { fault: None, .. } => gameday::list(output),
        Local::Break { fault: Some(fault), server } => {
            gameday::refuse_elsewhere(start)?;
            let fault = gameday::named(fault)?;
            let session = attach(start).await?;
            if session.context.read_only {
                progress("quarterdeck: refused: this session is read-only");
                return Ok(Exit::Refused);
            }
            gameday::inject(&session, fault, server.as_deref(), output).await
        }
        Local::Mend { fault } => {
            gameday::refuse_elsewhere(start)?;
            gameday::mend(fault.as_deref().map(gameday::named).transpose()?, output).await
        }
        Local::Traffic { rate, calls, fault: None, .. } => {
            let session = attach(start).await?;
            let running = running().await?;
            let report = call(&session, &running, *rate, *calls, output == Output::Text).await;
            headless::print_json(&report)?;
            Ok(Exit::Done)
        }
    }
}

/// Calls the servers while the console is open, so that its screens have something to show.
async fn background_traffic(session: Session, running: Running) {
    call(&session, &running, 2.0, None, false).await;
}

async fn call(
    session: &Session,
    running: &Running,
    rate: f64,
    calls: Option<u64>,
    tell: bool,
) -> local::traffic::Report {
    let servers: BTreeMap<String, String> = session
        .environment
        .iter()
        .flat_map(|environment| &environment.servers)
        .map(|server| (server.name.clone(), server.path()))
        .collect();
    let options = TrafficOptions {
        base: running.overrides.get("PublicBaseUrl").cloned().unwrap_or_default(),
        servers,
        per_second: rate,
        calls,
        wrong_every: 20,
    };
    let mut told = Told::default();
    let mut report = |report: &local::traffic::Report| {
        if tell {
            told.news(report).iter().for_each(|line| progress(line));
        }
    };
    traffic(&options, &MachineTokens(session.clone()), &mut report).await
}

/// Access tokens of the servers' machine clients.
pub struct MachineTokens(pub Session);

#[async_trait]
impl Tokens for MachineTokens {
    async fn token(&self, server: &str) -> Result<SecretString, String> {
        let session = &self.0;
        let platform = read::platform(session).await.map_err(|error| error.to_string())?;
        let probe = TokenProbe {
            secret: names::machine_secret(&session.context.environment, server),
            version: Version::Labelled(Label::Current),
            endpoint: read::output(&platform, "TokenEndpoint").map_err(|error| error.to_string())?,
            scopes: Vec::new(),
        };
        let answer = session.cloud.token(&probe).await;
        answer.and_then(TokenAnswer::granted).map_err(|error| error.to_string())
    }
}
