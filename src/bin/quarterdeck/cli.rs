//! The command line.

mod callers;
mod rights;
mod writes;
mod zones;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use quarterdeck::core::destination::NamedEnvironment;
use quarterdeck::run::headless::{
    DoctorOptions, InsightsOptions, LogsOptions, RequestsOptions, RevisionsOptions, StatusOptions, TimelineOptions,
};

pub use callers::{ClientsCommand, QuarantineCommand, RotateFlags, UsersCommand};
pub use rights::RightsFlags;
pub use writes::{EnvironmentWrite, ScaleFlags, SecretCommand, ServerWrite};
pub use zones::ZoneCommand;

/// Terminal operations console for MCP servers on AWS.
///
/// Without a command it opens the console. Exit codes: 0 done, 1 failed, 2 usage, 3 not found,
/// 4 refused (read-only, not confirmed), 5 unfinished but resumable; a console that a signal ends: 128
/// and its number.
#[derive(Debug, Clone, Parser)]
#[command(name = "quarterdeck", version, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command; none opens the console.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// Also where help or the version is asked for.
    pub fn read<W: Into<OsString> + Clone>(words: impl IntoIterator<Item = W>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(words)?;
        let cli = Self::from_arg_matches(&matches)?;
        // The variable AWS_PROFILE may be there for everything else that is done in this shell.
        if cli.global.local && matches.value_source("profile") == Some(ValueSource::CommandLine) {
            let why = "the argument '--local' cannot be used with '--profile <PROFILE>'";
            return Err(Self::command().error(clap::error::ErrorKind::ArgumentConflict, why));
        }
        Ok(cli)
    }
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// AWS profile.
    #[arg(long, global = true, env = "AWS_PROFILE")]
    pub profile: Option<String>,
    /// AWS region.
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// Endpoint for all AWS calls, such as an emulator's; else that of AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_ECS
    /// and the like, or of the profile.
    #[arg(long, global = true)]
    pub endpoint_url: Option<String>,
    /// Work on the local cloud; without a command it is started, deployed and opened.
    #[arg(long, global = true, conflicts_with_all = ["region", "endpoint_url"])]
    pub local: bool,
    /// Leave the local cloud running when the console ends.
    #[arg(long, global = true)]
    pub keep: bool,
    /// Environment, such as prod, or prod@eu-west-1 where it is in another region. The console shows several in one
    /// Fleet, and `status` and `why` tell of several: give it once for each.
    #[arg(
        short,
        long,
        global = true,
        value_name = "ENVIRONMENT",
        value_delimiter = ',',
        env = "QUARTERDECK_ENVIRONMENT"
    )]
    pub environment: Vec<NamedEnvironment>,
    /// ECS cluster, where it was not deployed with quarterdeck.
    #[arg(long, global = true)]
    pub cluster: Option<String>,
    /// Never write.
    #[arg(long, global = true, env = "QUARTERDECK_READ_ONLY", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0, default_missing_value = "true", default_value = "false")]
    pub read_only: bool,
    /// Do not start the images of servers on this machine when a deploy or a publish is planned.
    #[arg(long, global = true, env = "QUARTERDECK_NO_TRIAL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0, default_missing_value = "true", default_value = "false")]
    pub no_trial: bool,
    /// How results are written.
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Text)]
    pub output: OutputFormat,
    /// Agree to a plan in advance.
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Agree in advance to a plan that asks for this name to be typed.
    #[arg(long, global = true, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Colours of the console: dark, light, high-contrast, colour-blind, terminal, none, or one of themes.toml.
    #[arg(long, global = true, value_name = "NAME", env = "QUARTERDECK_THEME")]
    pub theme: Option<String>,
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The environment's file.
    #[arg(long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One document, or one a line for streams.
    Json,
}

/// A command, by what it needs.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// A cloud and a session with it.
    #[command(flatten)]
    Cloud(CloudCommand),
    /// Where the way from a client to an answer is broken: credentials, stacks, service, targets, metadata,
    /// authorization server, token, MCP, tools. The exit code is 1 where a link is broken.
    Doctor(DoctorOptions),
    /// The local cloud.
    #[command(subcommand)]
    Local(Local),
    /// Nothing.
    #[command(flatten)]
    Offline(Offline),
}

/// A command that works on a cloud.
#[derive(Debug, Clone, Subcommand)]
pub enum CloudCommand {
    /// Show what a deploy would change. Changes nothing.
    Plan {
        /// Only these servers, and what they need.
        servers: Vec<String>,
    },
    /// A write to the whole environment.
    #[command(flatten)]
    Environment(EnvironmentWrite),
    /// Health of one server or all.
    Status(StatusOptions),
    /// Why a server is not well, or all that are not: the cause, what follows from it, and what helps. The exit
    /// code is 0 where nothing is wrong, 1 where something is.
    Why {
        /// The server.
        server: Option<String>,
    },
    /// Log lines of one or more servers.
    Logs(LogsOptions),
    /// What happened: deployments, task stops, events, stack events and operations of this machine, oldest first.
    Timeline(TimelineOptions),
    /// Requests, errors and latencies per tool or client, counted from the log.
    Requests(RequestsOptions),
    /// The last hour as CloudWatch has counted it, and the environment's alarms. AWS bills each series: about $0.0001 a
    /// server. The exit code is 1 where something could not be read.
    Metrics {
        /// Servers; all by default.
        servers: Vec<String>,
    },
    /// What changed in a server: its task definition and an earlier one side by side. Values of variables are compared and
    /// never shown.
    Revisions(RevisionsOptions),
    /// The environment's CloudFormation stacks, or one of them with its resources and events. The exit code is 1
    /// where a change has failed.
    Stacks {
        /// A stack: edge, network, platform, or a server.
        stack: Option<String>,
    },
    /// A Logs Insights query over the log groups of one or more servers.
    Insights(InsightsOptions),
    /// Set the desired count or the autoscaling bounds of a server.
    Scale(ScaleFlags),
    /// A write to one server.
    #[command(flatten)]
    Server(ServerWrite),
    /// Cognito app clients.
    #[command(subcommand)]
    Clients(ClientsCommand),
    /// People who sign in.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Callers that are kept out of all servers for a time.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Zones of the load balancer, and one that is taken out for a time.
    #[command(subcommand)]
    Zone(ZoneCommand),
    /// Variables of a server whose values are secret.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Operations that were left unfinished on this machine.
    #[command(subcommand)]
    Operations(OperationsCommand),
    /// What was done from this machine, and how it ended.
    Audit,
    /// Print the least rights for a job, as a policy of IAM: in one environment, or, where none is named, in all of them.
    IamPolicy(RightsFlags),
}

/// A command that needs no cloud.
#[derive(Debug, Clone, Subcommand)]
pub enum Offline {
    /// All actions and their keys.
    Keys,
    /// Completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page.
    Man,
}

/// Commands for unfinished operations.
#[derive(Debug, Clone, Subcommand)]
pub enum OperationsCommand {
    /// All that are unfinished, each with whether it can go on.
    List,
    /// Go on with an operation. Shows its plan again, and asks as the plan did.
    Resume {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Take a rotation back.
    Undo {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Give an operation up as it is, such as one that cannot go on.
    Close {
        /// Its id, or the beginning of it.
        id: String,
    },
}

/// Local cloud commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Local {
    /// Start the local cloud and deploy the local environment.
    Up,
    /// Stop everything that the local cloud has started.
    Down,
    /// What of the local cloud runs, and what is broken in it on purpose.
    Status,
    /// Call the servers' tools a few times a second.
    Traffic {
        /// Calls a second.
        #[arg(long, default_value_t = 3.0)]
        rate: f64,
        /// Stop after this many calls.
        #[arg(long)]
        calls: Option<u64>,
        /// Call one server as this fault does, of those that are of calls.
        #[arg(long)]
        fault: Option<String>,
        /// That server, with --fault.
        #[arg(long, requires = "fault")]
        server: Option<String>,
    },
    /// Break something on purpose, to see how it shows; without a name it lists what can be broken.
    Break {
        /// The fault.
        fault: Option<String>,
        /// The server; the fault's own by default.
        server: Option<String>,
    },
    /// Take back what was broken.
    Mend {
        /// The fault; all by default.
        fault: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[rstest]
    #[case(&["scale", "time", "--desired", "-1"])]
    #[case(&["scale", "time"])]
    #[case(&["clients", "rotate", "x", "--grace", "-1h"])]
    #[case(&["iam-policy"])]
    #[case(&["iam-policy", "everything"])]
    #[case(&["iam-policy", "watch", "--account", "12"])]
    #[case(&["status", "--fail-on", "anything"])]
    #[case(&["status", "--wait", "soon"])]
    #[case(&["requests", "--minutes", "2"])]
    #[case(&["logs", "--level", "loud"])]
    #[case(&["logs", "--grep", "["])]
    #[case(&["logs", "--where", "level>=loud"])]
    #[case(&["frobnicate"])]
    #[case(&["--local", "--profile", "prod"])]
    #[case(&["status", "--profile", "prod", "--local"])]
    #[case(&["publish", "notes", "--gangway"])]
    #[case(&["quarantine", "add", "--client", "a", "--for", "32d"])]
    fn bad_arguments_end_with_exit_code_2(#[case] args: &[&str]) {
        let error = Cli::read([&["quarterdeck"], args].concat()).err();
        assert_eq!(error.map(|error| error.exit_code()), Some(2));
    }

    #[rstest]
    #[case(&["--local"])]
    #[case(&["status", "--profile", "prod"])]
    #[case(&["publish", "--gangway", "--from", "localhost/gangway"])]
    fn others_are_read(#[case] args: &[&str]) {
        assert!(Cli::read([&["quarterdeck"], args].concat()).is_ok());
    }
}
