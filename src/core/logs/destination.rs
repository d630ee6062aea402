//! Where the containers of a task definition write their log.

use serde::{Deserialize, Serialize};

/// The log of one container, as its task definition configures it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerLog {
    pub container: String,
    pub to: Destination,
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "to")]
pub enum Destination {
    /// To a log group, by its identifier ([`group`](super::group)).
    Group { group: String, streams: Streams },
    /// To what another driver writes to, such as `splunk`.
    Driver { driver: String },
    /// Through FireLens to something else than CloudWatch; `None` where the task definition does not say what.
    FireLens { output: Option<String> },
    /// The task definition configures no log: lost on Fargate, the host's default on an instance.
    Unset,
}

/// How the streams of a container are named in its log group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "streams")]
pub enum Streams {
    /// `prefix/container/task-id`: `awslogs` with a prefix (ECS developer guide, "awslogs log driver").
    Tasks { prefix: String },
    /// The container's runtime id: `awslogs` without a prefix, which only instances take.
    Runtime,
    /// The prefix, then FireLens's tag, which is `container-firelens-task-id`.
    FireLens { prefix: String },
    /// One stream for all tasks.
    Named { stream: String },
    /// Every stream of the group: nothing more is known.
    Any,
}

impl ContainerLog {
    /// The log group, if it is one.
    pub fn group(&self) -> Option<&str> {
        match &self.to {
            Destination::Group { group, .. } => Some(group),
            _ => None,
        }
    }

    /// Container and destination, for the details of a server.
    pub fn words(&self) -> String {
        let Self { container, to } = self;
        match to {
            Destination::Group { group, streams } => match streams.literal(container) {
                Some(begin) => format!("{container}: {group} ({begin}…)"),
                None => format!("{container}: {group}"),
            },
            _ => format!("{container}: {}, not read here", to.words()),
        }
    }
}

impl Destination {
    /// In words, for messages.
    pub fn words(&self) -> String {
        match self {
            Self::Group { group, .. } => group.clone(),
            Self::Driver { driver } => driver.clone(),
            Self::FireLens { output: Some(output) } => format!("FireLens to {output}"),
            Self::FireLens { output: None } => "FireLens (awsfirelens), whose output the router's own file says".into(),
            Self::Unset => "no log driver".into(),
        }
    }
}

impl Streams {
    /// What the names of all its streams begin with, as far as the task definition says it.
    pub fn literal(&self, container: &str) -> Option<String> {
        match self {
            Self::Tasks { prefix } => Some(format!("{prefix}/{container}/")),
            Self::FireLens { prefix } if prefix.is_empty() => Some(format!("{container}{FIRELENS}")),
            Self::FireLens { prefix } => Some(prefix.clone()),
            Self::Named { stream } => Some(stream.clone()),
            Self::Runtime | Self::Any => None,
        }
    }

    /// How many characters of a stream's name say that it is one of these; `None` if it is not.
    pub(super) fn fit(&self, container: &str, stream: &str) -> Option<usize> {
        match self {
            Self::Tasks { prefix } => {
                let rest = stream.strip_prefix(prefix.as_str())?.strip_prefix('/')?;
                let id = rest.strip_prefix(container)?.strip_prefix('/')?;
                (!id.is_empty() && !id.contains('/')).then_some(stream.len() - id.len())
            }
            Self::FireLens { prefix } => {
                let rest = stream.strip_prefix(prefix.as_str())?;
                let whole = rest.strip_prefix(container).and_then(|rest| rest.strip_prefix(FIRELENS));
                match whole {
                    Some(id) => Some(stream.len() - id.len()),
                    None => (!prefix.is_empty()).then_some(prefix.len()),
                }
            }
            Self::Named { stream: name } => (stream == name).then_some(stream.len()),
            // Docker's ids have 64 hexadecimal digits.
            Self::Runtime => (stream.len() == 64 && stream.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(0),
            Self::Any => Some(0),
        }
    }
}

/// What FireLens writes between the container's name and the task's id.
pub(super) const FIRELENS: &str = "-firelens-";
