//! Carries out commands: chooses the function for each.

use crate::cli::{
    Cli, ClientsCommand, CloudCommand, Global, Offline, OperationsCommand, OutputFormat, QuarantineCommand,
    RotateFlags, ScaleFlags, SecretCommand, UsersCommand, ZoneCommand,
};
use crate::config;
use crate::failure::ProgramFailure;
use clap::CommandFactory;
use quarterdeck::cloud::ErrorKind;
use quarterdeck::console::action::{self, ActionInfo};
use quarterdeck::console::keymap::Keymap;
use quarterdeck::core::error::Refusal;
use quarterdeck::core::fleet::Bounds;
use quarterdeck::core::operation::user::UserChange;
use quarterdeck::core::operation::{PlanRequest, Way};
use quarterdeck::run::Session;
use quarterdeck::run::audit::Audit;
use quarterdeck::run::headless::{self, Consent, Exit, Output};

/// Carries out a command that needs no cloud.
///
/// # Errors
/// When it cannot be written.
pub fn offline(command: &Offline, global: &Global) -> Result<Exit, ProgramFailure> {
    use std::io::Write;
    let mut out = Vec::new();
    // The keys that hold, with those of the configuration.
    let keymap = || {
        let places = config::Places::find();
        config::load(global.config.as_deref(), global.theme.as_deref(), &places).map(|loaded| loaded.keymap)
    };
    match command {
        Offline::Keys if output(global) == Output::Json => {
            let keymap = keymap()?;
            headless::print_json(&action::all().map(|info| key(info, &keymap)).collect::<Vec<_>>())?;
        }
        Offline::Keys => {
            let keymap = keymap()?;
            for info in action::all() {
                let writes = if info.writes { "writes" } else { "" };
                let (keys, scope) = (keymap.keys(info.action).join(" "), info.scope.title());
                let line = format!("{keys:<16} {:<18} {scope:<10} {writes:<6} {}\n", info.name, info.doc);
                out.extend_from_slice(line.as_bytes());
            }
        }
        Offline::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "quarterdeck", &mut out);
        }
        Offline::Man => clap_mangen::Man::new(Cli::command()).render(&mut out).map_err(headless::Failure::Output)?,
    }
    match std::io::stdout().lock().write_all(&out) {
        // The reader of a pipe has gone away: that is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => Ok(written.map(|()| Exit::Done).map_err(headless::Failure::Output)?),
    }
}

/// An action and its keys, as `keys --output json` has them.
#[derive(serde::Serialize)]
struct ActionKeys {
    name: &'static str,
    keys: Vec<String>,
    scope: &'static str,
    writes: bool,
    doc: &'static str,
}

fn key(info: &ActionInfo, keymap: &Keymap) -> ActionKeys {
    let ActionInfo { name, scope, writes, doc, action, .. } = *info;
    ActionKeys { name, keys: keymap.keys(action), scope: scope.title(), writes, doc }
}

/// How results are written.
pub fn output(global: &Global) -> Output {
    match global.output {
        OutputFormat::Text => Output::Text,
        OutputFormat::Json => Output::Json,
    }
}

/// What was agreed to in advance.
pub fn consent(global: &Global) -> Consent {
    Consent { yes: global.yes, typed: global.confirm.clone() }
}

/// Carries out a command.
pub async fn execute(session: &Session, global: &Global, command: CloudCommand) -> Result<Exit, ProgramFailure> {
    let output = output(global);
    if writes(&command) && refused(&session.audit) {
        return Ok(Exit::Refused);
    }
    let exit = match command {
        CloudCommand::Plan { servers } => headless::plan_only(session, PlanRequest::Deploy { servers }, output).await?,
        CloudCommand::Environment(command) => write(session, global, command.request()).await?,
        CloudCommand::Server(command) => write(session, global, command.request()).await?,
        CloudCommand::Status(options) => headless::status(session, &options, output).await?,
        CloudCommand::Timeline(options) => headless::timeline(session, &options, output).await?,
        CloudCommand::Requests(options) => headless::requests(session, &options, output).await?,
        CloudCommand::Metrics { servers } => headless::metrics(session, &servers, output).await?,
        CloudCommand::Revisions(options) => headless::revisions(session, &options, output).await?,
        CloudCommand::Stacks { stack } => headless::stacks(session, stack.as_deref(), output).await?,
        CloudCommand::Why { server } => headless::why(session, server.as_deref(), output).await?,
        CloudCommand::Logs(options) => headless::logs(session, &options, output).await?,
        CloudCommand::Insights(options) => headless::insights(session, &options, output).await?,
        CloudCommand::Scale(scale) => write(session, global, self::scale(session, scale).await?).await?,
        CloudCommand::Clients(ClientsCommand::List) => headless::list_clients(session, output).await?,
        CloudCommand::Clients(ClientsCommand::Token { client }) => headless::token(session, &client, output).await?,
        CloudCommand::Clients(ClientsCommand::Rotate(rotate)) => self::rotate(session, global, rotate).await?,
        CloudCommand::Users(command) => users(session, global, command).await?,
        CloudCommand::Quarantine(command) => quarantine(session, global, command).await?,
        CloudCommand::Zone(ZoneCommand::List) => headless::list_zones(session, output).await?,
        CloudCommand::Zone(ZoneCommand::Shift { zone, time }) => {
            write(session, global, PlanRequest::ShiftZone { zone, seconds: time }).await?
        }
        CloudCommand::Zone(ZoneCommand::Cancel) => write(session, global, PlanRequest::CancelShift).await?,
        CloudCommand::Secret(SecretCommand::Set { server, key }) => {
            headless::set_secret(session, server, key, &consent(global), output).await?
        }
        CloudCommand::Secret(SecretCommand::Unset { server, key }) => {
            write(session, global, PlanRequest::UnsetSecret { server, key }).await?
        }
        CloudCommand::Secret(SecretCommand::List { server }) => {
            headless::list_secrets(session, &server, output).await?
        }
        CloudCommand::Operations(command) => operations(session, global, command).await?,
        CloudCommand::Audit => headless::print_audit(&session.audit, output)?,
        CloudCommand::IamPolicy(flags) => headless::rights(session, &flags.options()?, output).await?,
    };
    Ok(exit)
}

/// What a command asks that may be asked of several places at once.
pub fn question(command: &CloudCommand) -> Option<headless::Question<'_>> {
    match command {
        CloudCommand::Status(options) => Some(headless::Question::Status(options)),
        CloudCommand::Why { server } => Some(headless::Question::Why(server.as_deref())),
        _ => None,
    }
}

fn writes(command: &CloudCommand) -> bool {
    match command {
        CloudCommand::Environment(_) | CloudCommand::Server(_) | CloudCommand::Scale(_) => true,
        CloudCommand::Clients(ClientsCommand::Rotate(_)) => true,
        CloudCommand::Clients(ClientsCommand::List | ClientsCommand::Token { .. }) => false,
        CloudCommand::Users(UsersCommand::List { .. }) => false,
        CloudCommand::Users(_) => true,
        CloudCommand::Quarantine(QuarantineCommand::List) => false,
        CloudCommand::Quarantine(_) => true,
        CloudCommand::Zone(ZoneCommand::List) => false,
        CloudCommand::Zone(ZoneCommand::Shift { .. } | ZoneCommand::Cancel) => true,
        CloudCommand::Secret(SecretCommand::Set { .. } | SecretCommand::Unset { .. }) => true,
        CloudCommand::Secret(SecretCommand::List { .. }) => false,
        CloudCommand::Plan { .. } | CloudCommand::Status(_) | CloudCommand::Audit => false,
        CloudCommand::Requests(_)
        | CloudCommand::Metrics { .. }
        | CloudCommand::Revisions(_)
        | CloudCommand::Stacks { .. }
        | CloudCommand::Timeline(_) => false,
        CloudCommand::Why { .. } | CloudCommand::Logs(_) | CloudCommand::Insights(_) | CloudCommand::IamPolicy(_) => {
            false
        }
        CloudCommand::Operations(OperationsCommand::List) => false,
        CloudCommand::Operations(_) => true,
    }
}

/// Whether every write is refused because it could not be recorded; the operator is told.
pub fn refused(audit: &Audit) -> bool {
    let barred = audit.barred();
    if let Some(why) = barred {
        headless::progress(&format!("quarterdeck: refused, nothing was done: it could not be recorded: {why}"));
    }
    barred.is_some()
}

/// Plans and carries out a write.
pub async fn write(session: &Session, global: &Global, request: PlanRequest) -> Result<Exit, headless::Failure> {
    headless::attempt(session, request, &consent(global), output(global)).await
}

/// The request for a new count or new bounds. A bound that is not given keeps its value, which is read.
async fn scale(session: &Session, scale: ScaleFlags) -> Result<PlanRequest, headless::Failure> {
    let ScaleFlags { server, desired, min, max } = scale;
    if min.is_none() && max.is_none() {
        return Ok(PlanRequest::Scale { server, desired, bounds: None });
    }
    // A bound that is not given keeps its present value, which must be known for that.
    let now = match min.is_none() || max.is_none() {
        true => {
            let fleet = session.cloud.fleet_of(&session.context.cluster, std::slice::from_ref(&server)).await?;
            // What is not there, or cannot be read, is refused by the plan.
            let Some(found) = fleet.server(&server) else {
                return Ok(PlanRequest::Scale { server, desired, bounds: None });
            };
            *found.bounds.result().map_err(Clone::clone)?
        }
        false => None,
    };
    let (Some(min), Some(max)) = (min.or(now.map(|now| now.min)), max.or(now.map(|now| now.max))) else {
        let message = format!("{server} has no autoscaling, so there is no bound to keep; give both --min and --max");
        return Err(Refusal::new(ErrorKind::Invalid, message).into());
    };
    if min > max {
        let message = format!("the bounds {min}..{max} are the wrong way round");
        return Err(Refusal::new(ErrorKind::Invalid, message).into());
    }
    Ok(PlanRequest::Scale { server, desired, bounds: Some(Bounds { min, max }) })
}

async fn operations(session: &Session, global: &Global, command: OperationsCommand) -> Result<Exit, headless::Failure> {
    let (consent, output) = (consent(global), output(global));
    match command {
        OperationsCommand::List => headless::list_operations(&session.audit, Some(session), output).await,
        OperationsCommand::Resume { id } => headless::resume(session, &id, Way::Resume, &consent, output).await,
        OperationsCommand::Undo { id } => headless::undo(session, &id, &consent, output).await,
        OperationsCommand::Close { id } => headless::resume(session, &id, Way::Close, &consent, output).await,
    }
}

async fn users(session: &Session, global: &Global, command: UsersCommand) -> Result<Exit, headless::Failure> {
    let (user, change) = match command {
        UsersCommand::List { beginning } => return headless::list_users(session, &beginning, output(global)).await,
        UsersCommand::SignOut { user } => (user, UserChange::SignOut),
        UsersCommand::Disable { user } => (user, UserChange::Disable),
        UsersCommand::Enable { user } => (user, UserChange::Enable),
    };
    write(session, global, PlanRequest::ChangeUser { user, change }).await
}

async fn rotate(session: &Session, global: &Global, rotate: RotateFlags) -> Result<Exit, headless::Failure> {
    let (consent, output) = (consent(global), output(global));
    match rotate {
        RotateFlags { client, undo: true, .. } => headless::undo_rotation(session, &client, &consent, output).await,
        RotateFlags { client, finish: true, .. } => headless::finish_rotation(session, &client, &consent, output).await,
        RotateFlags { client, grace, .. } => {
            write(session, global, PlanRequest::Rotate { client, grace_seconds: grace }).await
        }
    }
}

async fn quarantine(session: &Session, global: &Global, command: QuarantineCommand) -> Result<Exit, headless::Failure> {
    let (who, seconds) = match command {
        QuarantineCommand::List => return headless::list_quarantine(session, output(global)).await,
        QuarantineCommand::Add { who, time } => (who.who(), Some(time)),
        QuarantineCommand::Lift { who } => (who.who(), None),
    };
    write(session, global, PlanRequest::Quarantine { who, seconds, lately: None }).await
}
