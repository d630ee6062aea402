//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use quarterdeck::cloud::ErrorKind;
use quarterdeck::core::destination::NamedEnvironment;
use quarterdeck::core::environment::{MAX_TASKS, is_role};
use quarterdeck::core::error::Refusal;
use quarterdeck::core::operation::PlanRequest;
use quarterdeck::core::quarantine::{self, Who};
use quarterdeck::core::rights::calls::Job;
use quarterdeck::run::headless::{
    DoctorOptions, InsightsOptions, LogsOptions, RequestsOptions, RightsOf, RightsOptions, StatusOptions,
    TimelineOptions,
};

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
    /// Variables of a server whose values are secret.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Operations that were left unfinished on this machine.
    #[command(subcommand)]
    Operations(OperationsCommand),
    /// What was done from this machine, and how it ended.
    Audit,
    /// Print the least rights for a job, as a policy of IAM.
    IamPolicy(RightsFlags),
}

/// For what `iam-policy` prints the rights.
#[derive(Debug, Clone, Args)]
pub struct RightsFlags {
    /// The job.
    #[arg(value_enum)]
    pub job: RightsJob,
    /// With `deploy` or `publish`: CloudFormation assumes a role, so that the operator needs less; else that of `[deploy] role`.
    #[arg(long, value_name = "ARN", num_args = 0..=1, value_parser = role)]
    pub with_role: Option<Option<String>>,
    /// The account; else that of the caller.
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<String>,
    /// Print this part of a policy that is too long for IAM.
    #[arg(long, value_name = "N")]
    pub part: Option<usize>,
}

impl RightsFlags {
    /// What the command asks for.
    ///
    /// # Errors
    /// When a role is named for another job than a deploy.
    pub fn options(self) -> Result<RightsOptions, Refusal> {
        let of = match (self.job, self.with_role) {
            (RightsJob::Deploy, Some(role)) => RightsOf::WithRole(Job::Deploy, role),
            (RightsJob::Publish, Some(role)) => RightsOf::WithRole(Job::Publish, role),
            (_, Some(_)) => {
                let why = "--with-role is for deploy and publish: no other job passes a role to CloudFormation";
                return Err(Refusal::new(ErrorKind::Invalid, why));
            }
            (RightsJob::Watch, None) => RightsOf::Job(Job::Watch),
            (RightsJob::Logs, None) => RightsOf::Job(Job::Logs),
            (RightsJob::Scale, None) => RightsOf::Job(Job::Scale),
            (RightsJob::Rotate, None) => RightsOf::Job(Job::Rotate),
            (RightsJob::Deploy, None) => RightsOf::Job(Job::Deploy),
            (RightsJob::Publish, None) => RightsOf::Job(Job::Publish),
            (RightsJob::Cloudformation, None) => RightsOf::CloudFormation,
        };
        Ok(RightsOptions { of, account: self.account, part: self.part })
    }
}

/// A job that takes rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RightsJob {
    /// Look at everything but log lines.
    Watch,
    /// Read log lines and query them.
    Logs,
    /// Scale, restart, roll back, and stop tasks.
    Scale,
    /// Rotate the secrets of clients, print access tokens, sign people out, and keep callers out.
    Rotate,
    /// Plan, deploy and destroy.
    Deploy,
    /// Bring images to their repositories in ECR.
    Publish,
    /// What the role needs that CloudFormation assumes for a deploy.
    Cloudformation,
}

/// The ARN of a role.
fn role(text: &str) -> Result<String, String> {
    if is_role(text) {
        Ok(text.to_owned())
    } else {
        Err("the ARN of a role, such as arn:aws:iam::123456789012:role/deploy".to_owned())
    }
}

/// Parses the id of an account.
fn account(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account has twelve digits".to_owned()),
    }
}

/// A command that writes to the whole environment.
#[derive(Debug, Clone, Subcommand)]
pub enum EnvironmentWrite {
    /// Create or update the environment's stacks.
    Deploy {
        /// Only these servers, and what they need.
        servers: Vec<String>,
    },
    /// Bring images of servers to their repositories in ECR, which are made where they are missing. Planning builds
    /// them, on this machine alone.
    Publish {
        /// Only these servers; else all for which the environment's file says `build` or `from`, and gangway if it says
        /// `gangway_from`.
        servers: Vec<String>,
        /// The image of gangway alone, which stands in front of servers that know nothing of it.
        #[arg(long, conflicts_with = "servers")]
        gangway: bool,
        /// Take this image, of this machine or of a registry, instead of what the file says.
        #[arg(long, value_name = "IMAGE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        from: Option<String>,
    },
    /// Cancel the update of a stack that is under way; CloudFormation takes back what it has done so far.
    CancelUpdate {
        /// The stack: edge, network, platform, a server, or its whole name.
        stack: String,
    },
    /// Go on with a rollback that failed (UPDATE_ROLLBACK_FAILED). The plan names what could not be rolled back.
    ContinueRollback {
        /// The stack: edge, network, platform, a server, or its whole name.
        stack: String,
        /// Leave this resource as it is, by its name in the template, or NestedStackName.LogicalId in a nested stack;
        /// it is then not what the template says. May be given several times. Asks for the environment's name.
        #[arg(long, value_name = "RESOURCE")]
        skip: Vec<String>,
    },
    /// Delete the environment's stacks. Asks for its name.
    Destroy,
}

impl EnvironmentWrite {
    /// What the command asks to be planned.
    pub fn request(self) -> PlanRequest {
        match self {
            Self::Deploy { servers } => PlanRequest::Deploy { servers },
            Self::Publish { servers, gangway, from } => PlanRequest::Publish { servers, gangway, from },
            Self::CancelUpdate { stack } => PlanRequest::CancelUpdate { stack },
            Self::ContinueRollback { stack, skip } => PlanRequest::ContinueRollback { stack, skip },
            Self::Destroy => PlanRequest::Destroy,
        }
    }
}

/// A command that writes to one server. `scale` is not here: its plan needs a read first.
#[derive(Debug, Clone, Subcommand)]
pub enum ServerWrite {
    /// Start a new deployment with the same task definition.
    Restart {
        /// The server.
        server: String,
    },
    /// Go back to an earlier task definition.
    Rollback {
        /// The server.
        server: String,
        /// Its revision; the one before by default.
        #[arg(long, value_name = "REVISION")]
        to: Option<u32>,
    },
    /// Stop the deployment that is under way, also one that neither circuit breaker nor alarm ends; ECS goes back to the
    /// revision before.
    StopDeployment {
        /// The server.
        server: String,
    },
    /// Stop a task; its service replaces it.
    Stop {
        /// The task's id, or the beginning of it.
        task: String,
    },
}

impl ServerWrite {
    /// What the command asks to be planned.
    pub fn request(self) -> PlanRequest {
        match self {
            Self::Restart { server } => PlanRequest::Restart { server },
            Self::Rollback { server, to } => PlanRequest::Rollback { server, revision: to },
            Self::StopDeployment { server } => PlanRequest::StopDeployment { server },
            Self::Stop { task } => PlanRequest::StopTask { task },
        }
    }
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

/// What `scale` changes.
#[derive(Debug, Clone, Args)]
pub struct ScaleFlags {
    /// The server.
    pub server: String,
    /// Desired number of tasks.
    #[arg(long, required_unless_present_any = ["min", "max"], allow_negative_numbers = true, value_parser = tasks())]
    pub desired: Option<u32>,
    /// Fewest tasks of autoscaling.
    #[arg(long, allow_negative_numbers = true, value_parser = tasks())]
    pub min: Option<u32>,
    /// Most tasks of autoscaling.
    #[arg(long, allow_negative_numbers = true, value_parser = tasks())]
    pub max: Option<u32>,
}

/// Parses a count of tasks that ECS allows.
fn tasks() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=i64::from(MAX_TASKS))
}

/// Client commands.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientsCommand {
    /// All clients of the environment's user pool.
    List,
    /// Rotate a client's secret.
    Rotate(RotateFlags),
    /// Print an access token of a machine client.
    Token {
        /// Client name or id.
        client: String,
    },
}

/// User commands.
#[derive(Debug, Clone, Subcommand)]
pub enum UsersCommand {
    /// Who can sign in.
    List {
        /// Only those whose name, or address, begins so.
        #[arg(default_value = "")]
        beginning: String,
    },
    /// End the refresh tokens of a user, on every device. Access tokens go on working until they end.
    SignOut {
        /// Name or e-mail address.
        user: String,
    },
    /// The same, and the user cannot sign in any more.
    Disable {
        /// Name or e-mail address.
        user: String,
    },
    /// Let a user sign in again.
    Enable {
        /// Name or e-mail address.
        user: String,
    },
}

/// Quarantine commands.
#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineCommand {
    /// Who is kept out, and until when.
    List,
    /// Keep a caller out of all servers for a time, whatever its tokens say; or change the end.
    Add {
        #[command(flatten)]
        who: Caller,
        /// For how long from now, at most 31d, such as 1h, 30m or 7d.
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = quarantine::length)]
        time: i64,
    },
    /// Let a caller in again before the end.
    Lift {
        #[command(flatten)]
        who: Caller,
    },
}

/// One caller.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Caller {
    /// An app client, by its name or id: everybody who comes with a token of it.
    #[arg(long, value_name = "CLIENT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub client: Option<String>,
    /// A person, by name, e-mail address, or the `sub` of the tokens; or a `subject` of the log.
    #[arg(long, value_name = "SUBJECT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub subject: Option<String>,
}

impl Caller {
    /// Who is meant; the command line has one of the two.
    pub fn who(self) -> Who {
        match (self.client, self.subject) {
            (Some(client), _) => Who::Client(client),
            (None, subject) => Who::Subject(subject.unwrap_or_default()),
        }
    }
}

/// Commands for the secret variables of a server.
#[derive(Debug, Clone, Subcommand)]
pub enum SecretCommand {
    /// Set one. Its value is typed at a prompt, or comes on stdin; never as an argument.
    Set {
        /// The server.
        server: String,
        /// Name of the variable, such as API_KEY.
        key: String,
    },
    /// Take one away.
    Unset {
        /// The server.
        server: String,
        /// Name of the variable.
        key: String,
    },
    /// Their names, without values.
    List {
        /// The server.
        server: String,
    },
}

/// Commands for unfinished operations.
#[derive(Debug, Clone, Subcommand)]
pub enum OperationsCommand {
    /// All of them, each with what it is worth now.
    List,
    /// Go on with one. Shows its plan again, and asks as the plan did.
    Resume {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Take a rotation back.
    Undo {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Give one up as it is, such as one that cannot go on.
    Close {
        /// Its id, or the beginning of it.
        id: String,
    },
}

/// How `clients rotate` rotates.
#[derive(Debug, Clone, Args)]
pub struct RotateFlags {
    /// Client name or id.
    pub client: String,
    /// How long the old credentials stay valid, such as 24h, 15m or 0s.
    #[arg(long, default_value = "24h", value_parser = duration)]
    pub grace: i64,
    /// Finish an unfinished rotation now, waiving what is left of its grace period.
    #[arg(long, conflicts_with = "undo")]
    pub finish: bool,
    /// Take an unfinished rotation back.
    #[arg(long)]
    pub undo: bool,
}

/// Parses a duration; in seconds.
fn duration(text: &str) -> Result<i64, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| "a duration such as 24h, 15m or 0s".to_owned())?;
    if parsed.is_negative() { Err("a duration that is not negative".into()) } else { Ok(parsed.as_secs()) }
}

/// Local cloud commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Local {
    /// Start it and deploy the local environment.
    Up,
    /// Stop everything that it started.
    Down,
    /// What of it runs.
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
