//! The program: reads flags and files, chooses the cloud to work on, and ends with an exit code.
// It panics when the reader of stderr has gone away. `run::headless::progress` does not.
#![deny(clippy::print_stderr)]

#[cfg(test)]
mod book;
mod cli;
mod commands;
mod config;
mod failure;
mod gameday;
mod place_aws;
mod place_local;
mod variables;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::{Cli, CloudCommand, Command, Global, OperationsCommand};
use crate::config::Config;
use crate::failure::ProgramFailure;
use crate::place_aws::{Cluster, Maker};
use futures::future::join_all;
use quarterdeck::console::keymap::Keymap;
use quarterdeck::core::destination::Destination;
use quarterdeck::run::audit::Audit;
use quarterdeck::run::definitions::Definitions;
use quarterdeck::run::headless::{self, Exit};
use quarterdeck::run::places::Places;
use quarterdeck::run::private;
use quarterdeck::run::{Left, Session};
use quarterdeck::ui::theme::Theme;
use quarterdeck::{aws, run};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

fn main() -> ExitCode {
    variables::settle();
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            headless::progress(&format!("quarterdeck: the runtime could not be started: {error}"));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let exit = runtime.block_on(run(cli)).unwrap_or_else(|error| explain(&error));
    // Reads that have not ended, of a slow endpoint or a tail, must not delay the end of the program.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}

/// Prints what went wrong and what to do about it. Returns the exit code.
fn explain(failure: &ProgramFailure) -> Exit {
    headless::progress(&format!("quarterdeck: {failure}"));
    if let Some(hint) = failure.hint() {
        headless::progress(&format!("  {hint}"));
    }
    failure.exit()
}

/// What every command needs that works on a cloud.
struct Start {
    global: Global,
    config: Config,
    keymap: Keymap,
    themes: Vec<Theme>,
    audit: Audit,
    /// What was read of task definitions; none without a home directory.
    definitions: Option<Definitions>,
    /// Where the container engine's words go: nowhere while the terminal is the console's.
    tell: fn(&str),
    /// Writes the rest of the log when it is dropped.
    _log: Option<WorkerGuard>,
}

impl Start {
    fn new(global: Global) -> Result<Self, ProgramFailure> {
        let places = config::Places::find();
        let audit = match &places.state {
            Some(state) => Audit::open(state),
            None => Audit::nowhere(config::NO_HOME.to_owned()),
        };
        let audit = audit.map_err(ProgramFailure::io("the audit"))?;
        let log = match places.state.as_deref().map(log_to_file) {
            Some(Ok(guard)) => Some(guard),
            // Told with the audit, which lies beside the log.
            None | Some(Err(_)) if audit.barred().is_some() => None,
            Some(Err(error)) => {
                headless::progress(&format!("quarterdeck: warning: there is no log: {error}"));
                None
            }
            None => None,
        };
        let config::Loaded { config, keymap, themes } =
            config::load(global.config.as_deref(), global.theme.as_deref(), &places)?;
        let definitions = places.state.as_deref().map(Definitions::within);
        Ok(Self { global, config, keymap, themes, audit, definitions, tell: headless::progress, _log: log })
    }

    /// Tells what is wrong with the audit. The console does that on its screen.
    fn warn(&self) {
        self.audit
            .warnings()
            .iter()
            .for_each(|warning| headless::progress(&format!("quarterdeck: warning: {warning}")));
    }
}

async fn run(cli: Cli) -> Result<Exit, ProgramFailure> {
    match cli.command {
        Some(Command::Offline(command)) => commands::offline(&command, &cli.global),
        Some(Command::Local(command)) => {
            let start = Start::new(cli.global)?;
            start.warn();
            place_local::command(&start, &command).await
        }
        Some(Command::Doctor(options)) => {
            let outside = outside(&cli.global)?;
            let output = commands::output(&cli.global);
            if !options.needs_session() {
                return Ok(headless::doctor(None, &outside, &options, output).await?);
            }
            let start = Start::new(cli.global)?;
            start.warn();
            let session = session(&start).await?;
            Ok(headless::doctor(Some(&session), &outside, &options, output).await?)
        }
        Some(Command::Cloud(CloudCommand::Audit)) => {
            let start = Start::new(cli.global)?;
            start.warn();
            Ok(headless::print_audit(&start.audit, commands::output(&start.global))?)
        }
        Some(Command::Cloud(command)) => {
            let start = Start::new(cli.global)?;
            start.warn();
            on_cloud(&start, command).await
        }
        None => {
            let start = Start { tell: |_| {}, ..Start::new(cli.global)? };
            if start.global.local {
                return place_local::console(&start).await;
            }
            let maker = Maker::of(&start);
            let mut fleet = maker.fleet()?.into_iter();
            let session = match fleet.next() {
                Some(first) => maker.open(&first).await?,
                None => maker.session(Cluster::Offered).await?,
            };
            console(session, fleet.collect(), Arc::new(maker), &start).await
        }
    }
}

/// Carries out a command in the place that flags and files name, or in several.
async fn on_cloud(start: &Start, command: CloudCommand) -> Result<Exit, ProgramFailure> {
    if let Some(question) = commands::question(&command) {
        let maker = Maker::of(start);
        let fleet = maker.fleet()?;
        if !fleet.is_empty() {
            let places = join_all(fleet.iter().map(|place| asked(&maker, place))).await;
            return Ok(headless::across(places, question, commands::output(&start.global)).await?);
        }
    }
    let maker = Maker::of(start);
    let session = match &command {
        _ if start.global.local || maker.chosen()? => session(start).await?,
        // What needs no place, but says more where there is one.
        CloudCommand::Operations(OperationsCommand::List) => {
            return Ok(headless::list_operations(&start.audit, None, commands::output(&start.global)).await?);
        }
        CloudCommand::IamPolicy(_) => maker.session(Cluster::Offered).await?,
        _ => session(start).await?,
    };
    commands::execute(&session, &start.global, command).await
}

/// The session with the place that flags and files name.
async fn session(start: &Start) -> Result<Session, ProgramFailure> {
    if start.global.local { place_local::attach(start).await } else { Maker::of(start).session(Cluster::Named).await }
}

/// The session with one of several places, and its name.
async fn asked(maker: &Maker, place: &Destination) -> headless::Asked {
    (place.to_string(), maker.open(place).await.map_err(Into::into))
}

/// What asks addresses outside of AWS.
fn outside(global: &Global) -> Result<aws::Prober, ProgramFailure> {
    Ok(if global.local { aws::Prober::beside(&quarterdeck::local::HOST_ALIASES)? } else { aws::Prober::new()? })
}

/// Opens the console. Without a terminal that is a usage error.
async fn console(
    session: Session,
    beside: Vec<Destination>,
    places: Arc<dyn Places>,
    start: &Start,
) -> Result<Exit, ProgramFailure> {
    use std::io::IsTerminal;
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        headless::progress(
            "quarterdeck: the console needs a terminal; `quarterdeck status` and the other commands do not",
        );
        return Ok(Exit::Usage);
    }
    let opening = run::Opening {
        session,
        outside: Arc::new(outside(&start.global)?),
        beside,
        places,
        keymap: start.keymap.clone(),
        themes: start.themes.clone(),
        mouse: start.config.mouse.unwrap_or(true),
        fields: start.config.logs.fields.clone(),
    };
    let closed = run::console(opening).await.map_err(ProgramFailure::io("the terminal"))?;
    let program = if start.global.local { "quarterdeck --local" } else { "quarterdeck" };
    for Left { id, title } in &closed.left {
        headless::progress(&format!(
            "quarterdeck: unfinished: {title}; go on with `{program}` and `o`, or `{program} operations resume {id}`"
        ));
    }
    let exit = closed.exit.map_err(ProgramFailure::io("the terminal"));
    if closed.left.is_empty() {
        return exit;
    }
    // The more important of two codes.
    if let Err(failure) = exit {
        explain(&failure);
    }
    Ok(Exit::Unfinished)
}

/// Writes the log to a file only, because the terminal belongs to the console. `QUARTERDECK_LOG` chooses
/// the level. The audit has made the directory.
fn log_to_file(state: &Path) -> Result<WorkerGuard, ProgramFailure> {
    let path = state.join("quarterdeck.log");
    let file = private::open(&path, std::fs::OpenOptions::new().create(true).append(true).mode(0o600));
    let (writer, guard) = tracing_appender::non_blocking(file.map_err(ProgramFailure::io(path.display().to_string()))?);
    let level = std::env::var("QUARTERDECK_LOG").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::WARN);
    // The SDK logs its requests and the answers to them, at a warning already, with the secrets in them.
    let targets = Targets::new().with_default(LevelFilter::OFF).with_target("quarterdeck", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    tracing_subscriber::registry().with(lines.with_filter(targets)).init();
    Ok(guard)
}
