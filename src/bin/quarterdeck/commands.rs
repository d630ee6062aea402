//! Which function carries out which command.

use crate::cli::{Cli, Clients, Command, Global, Insights, Logs, Mode, OutputFormat, Rotate, Scale};
use clap::CommandFactory;
use quarterdeck::cloud::{CloudError, CloudResult, ErrorKind};
use quarterdeck::console::action;
use quarterdeck::core::fleet::Bounds;
use quarterdeck::core::logs::tail::Follow;
use quarterdeck::core::operation::PlanRequest;
use quarterdeck::run::headless::{self, Consent, Exit, InsightsOptions, LogsOptions, Output};
use quarterdeck::run::{Session, planner};
use quarterdeck::ui::theme::Theme;

/// Commands that need no cloud.
pub fn offline(cli: &Cli) -> anyhow::Result<Option<Exit>> {
    use std::io::Write;
    let mut out = Vec::new();
    match &cli.command {
        Some(Command::Keys) => {
            for info in action::all() {
                let writes = if info.writes { "writes" } else { "" };
                writeln!(
                    out,
                    "{:<16} {:<18} {:<10} {:<6} {}",
                    info.keys.join(" "),
                    info.name,
                    info.scope.title(),
                    writes,
                    info.doc
                )?;
            }
        }
        Some(Command::Completions { shell }) => {
            clap_complete::generate(*shell, &mut Cli::command(), "quarterdeck", &mut out)
        }
        Some(Command::Man) => clap_mangen::Man::new(Cli::command()).render(&mut out)?,
        _ => return Ok(None),
    }
    match std::io::stdout().lock().write_all(&out) {
        // The reader has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Some(Exit::Done)),
        written => Ok(written.map(|()| Some(Exit::Done))?),
    }
}

/// The theme of this name, or the one that suits the terminal.
pub fn theme(name: Option<&str>) -> anyhow::Result<Theme> {
    let name = if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        "none"
    } else {
        name.unwrap_or("dark")
    };
    let theme = Theme::from_name(name, jiff::tz::TimeZone::system());
    theme.ok_or_else(|| {
        CloudError::new(ErrorKind::Invalid, "theme", format!("there is no theme {name:?}; dark, light and none are"))
            .into()
    })
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
pub async fn execute(session: &Session, global: &Global, command: Command) -> anyhow::Result<Exit> {
    let output = output(global);
    let exit = match command {
        Command::Plan { servers } => headless::plan_only(session, PlanRequest::Deploy { servers }, output).await?,
        Command::Deploy { servers } => write(session, global, PlanRequest::Deploy { servers }).await?,
        Command::Destroy => write(session, global, PlanRequest::Destroy).await?,
        Command::Status { server } => headless::status(session, server.as_deref(), output).await?,
        Command::Logs(options) => headless::logs(session, &logs(options), output).await?,
        Command::Insights(Insights { query, servers, since, until }) => {
            headless::insights(session, &InsightsOptions { query, servers, since, until }, output).await?
        }
        Command::Scale(scale) => write(session, global, self::scale(session, scale).await?).await?,
        Command::Restart { server } => write(session, global, PlanRequest::Restart { server }).await?,
        Command::Rollback { server, to } => {
            write(session, global, PlanRequest::Rollback { server, revision: to }).await?
        }
        Command::Stop { task } => write(session, global, PlanRequest::StopTask { task }).await?,
        Command::Clients(Clients::List) => headless::list_clients(session, output).await?,
        Command::Clients(Clients::Token { client }) => headless::token(session, &client, output).await?,
        Command::Clients(Clients::Rotate(rotate)) => self::rotate(session, global, rotate).await?,
        Command::Audit => headless::print_audit(session, output)?,
        // Carried out before there is a session.
        Command::Local(_) | Command::Keys | Command::Completions { .. } | Command::Man => Exit::Usage,
    };
    Ok(exit)
}

/// Plans and carries out a write.
pub async fn write(session: &Session, global: &Global, request: PlanRequest) -> CloudResult<Exit> {
    let plan = planner::plan(session, request).await?;
    headless::operate(session, plan, &consent(global), output(global)).await
}

/// A bound that is not given keeps its value.
async fn scale(session: &Session, scale: Scale) -> CloudResult<PlanRequest> {
    let Scale { server, desired, min, max } = scale;
    if min.is_none() && max.is_none() {
        return Ok(PlanRequest::Scale { server, desired, bounds: None });
    }
    let fleet = session.cloud.fleet(&session.context.cluster).await?;
    let now = match fleet.server(&server) {
        // Without what is there now, a bound that is not given cannot keep its value.
        Some(server) if min.is_none() || max.is_none() => *server.bounds.result().map_err(Clone::clone)?,
        _ => None,
    };
    let (Some(min), Some(max)) = (min.or(now.map(|now| now.min)), max.or(now.map(|now| now.max))) else {
        let message = format!("{server} has no autoscaling, so there is no bound to keep; give both --min and --max");
        return Err(CloudError::new(ErrorKind::Invalid, "scale", message));
    };
    if min > max {
        return Err(CloudError::new(
            ErrorKind::Invalid,
            "scale",
            format!("the bounds {min}..{max} are the wrong way round"),
        ));
    }
    Ok(PlanRequest::Scale { server, desired, bounds: Some(Bounds { min, max }) })
}

async fn rotate(session: &Session, global: &Global, rotate: Rotate) -> CloudResult<Exit> {
    let (consent, output) = (consent(global), output(global));
    match rotate {
        Rotate { client, undo: true, .. } => headless::undo_rotation(session, &client, &consent, output).await,
        Rotate { client, finish: true, .. } => {
            headless::finish_rotation(session, &client, true, &consent, output).await
        }
        Rotate { client, grace, .. } => {
            write(session, global, PlanRequest::Rotate { client, grace_seconds: grace }).await
        }
    }
}

fn logs(options: Logs) -> LogsOptions {
    let follow = match (options.follow, options.mode) {
        (false, _) => Follow::No,
        (true, Mode::Live) => Follow::Live,
        (true, Mode::Poll) => Follow::Poll,
    };
    LogsOptions {
        servers: options.servers,
        groups: options.groups,
        follow,
        since: options.since,
        until: options.until,
        pattern: options.filter,
        grep: options.grep,
        expression: options.expression,
        level: options.level,
    }
}
