//! The words of the commands that write to an environment or to a server.

use clap::{Args, Subcommand};

use quarterdeck::core::environment::MAX_TASKS;
use quarterdeck::core::operation::PlanRequest;

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

/// Commands for the secret variables of a server.
#[derive(Debug, Clone, Subcommand)]
pub enum SecretCommand {
    /// Set a secret variable. Its value is typed at a prompt, or comes on stdin; never as an argument.
    Set {
        /// The server.
        server: String,
        /// Name of the variable, such as API_KEY.
        key: String,
    },
    /// Take a secret variable away.
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
