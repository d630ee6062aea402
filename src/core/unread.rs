//! What was read, what is not there, and what could not be read: three things, never one.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::error::{CloudError, ErrorKind};

/// A part of something larger that a separate call reads, which may fail alone.
///
/// Use it instead of an empty list or an `Option`, so that a refused call looks different from a fleet
/// without tasks. The error stays with the value: screens show it, and no rule, plan or check concludes
/// anything from a part that was not read.
///
/// What may not exist at all is a `Read<Option<T>>`: `Known(None)` says that there is none, and
/// only that. As JSON it is the value itself, or `{"not_read": why}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// It was read.
    Known(T),
    /// It could not be read, and proves nothing.
    NotRead(CloudError),
}

impl<T> Read<T> {
    /// What was read, or why it was not: for those who cannot go on without it.
    ///
    /// # Errors
    /// When it could not be read.
    pub fn result(&self) -> Result<&T, &CloudError> {
        match self {
            Self::Known(value) => Ok(value),
            Self::NotRead(why) => Err(why),
        }
    }

    /// What was read, if it was.
    pub fn known(&self) -> Option<&T> {
        self.result().ok()
    }

    /// The same, mutable.
    pub fn known_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotRead(_) => None,
        }
    }

    /// Why it could not be read, if it could not.
    pub fn why(&self) -> Option<&CloudError> {
        self.result().err()
    }

    /// What follows from what was read, which may prove nothing itself.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Read<U>) -> Read<U> {
        match self {
            Self::Known(value) => next(value),
            Self::NotRead(why) => Read::NotRead(why),
        }
    }

    /// How a table says it: `…` where it was not read yet, `?` where it could not be read.
    pub fn cell(&self, known: impl FnOnce(&T) -> String) -> String {
        match self {
            Self::Known(value) => known(value),
            Self::NotRead(why) if why.kind == ErrorKind::NotYet => "…".to_owned(),
            Self::NotRead(_) => "?".to_owned(),
        }
    }
}

impl<T> From<Result<T, CloudError>> for Read<T> {
    fn from(result: Result<T, CloudError>) -> Self {
        result.map_or_else(Self::NotRead, Self::Known)
    }
}

impl<T: Serialize> Serialize for Read<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::NotRead(why) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("not_read", &why.to_string())?;
                map.end()
            }
        }
    }
}

/// What one call reads, of an environment, a fleet or a user pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "part", content = "of", rename_all = "kebab-case")]
pub enum Part {
    /// The list of servers.
    Services,
    /// A whole server.
    Server(String),
    /// Tasks of all servers.
    Tasks,
    /// Autoscaling bounds of all servers.
    Bounds,
    /// Targets of a server.
    Targets(String),
    /// Log groups of a server.
    LogGroups(String),
    /// The settings of some clients.
    ClientDetails(Vec<String>),
    /// Which secrets some clients have.
    ClientSecrets(Vec<String>),
    /// The Secrets that hold the clients' credentials.
    StoredSecrets,
    /// Which Secrets hold the credentials of some clients.
    StoredSecretsOf(Vec<String>),
    /// The operations that are announced in the environment.
    Operations,
    /// What AWS says of its own issues.
    Issues,
    /// What keeps requests away from zones.
    Shifts,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Services => f.write_str("list of servers"),
            Self::Server(server) => write!(f, "server {server}"),
            Self::Tasks => f.write_str("tasks"),
            Self::Bounds => f.write_str("autoscaling bounds"),
            Self::Targets(server) => write!(f, "targets of {server}"),
            Self::LogGroups(server) => write!(f, "log groups of {server}"),
            Self::ClientDetails(clients) => write!(f, "details of {}", clients.join(", ")),
            Self::ClientSecrets(clients) => write!(f, "secrets of {}", clients.join(", ")),
            Self::StoredSecrets => f.write_str("stored secrets"),
            Self::StoredSecretsOf(clients) => write!(f, "stored secrets of {}", clients.join(", ")),
            Self::Operations => f.write_str("operations of others"),
            Self::Issues => f.write_str("issues of AWS"),
            Self::Shifts => f.write_str("zones that are taken out"),
        }
    }
}

/// A part that could not be read, and why. The rest is still true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// What could not be read.
    #[serde(flatten)]
    pub part: Part,
    #[serde(serialize_with = "in_words")]
    pub why: CloudError,
}

fn in_words<S: Serializer>(why: &CloudError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(why)
}

impl Unread {
    /// The part, if it could not be read. One that is still awaited has not failed.
    pub fn of<T>(part: Part, read: &Read<T>) -> Option<Self> {
        let why = read.why()?.clone();
        (why.kind != ErrorKind::NotYet).then_some(Self { part, why })
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn denied<T>() -> Read<T> {
        Read::NotRead(CloudError::new(ErrorKind::Denied, "ecs:ListTasks", "no"))
    }

    #[rstest]
    #[case::known(Read::Known(Some(0)), json!(0))]
    #[case::not_there(Read::Known(None), Value::Null)]
    #[case::not_read(denied(), json!({ "not_read": "ecs:ListTasks: no" }))]
    fn json_tells_zero_from_none_from_not_read(#[case] read: Read<Option<u32>>, #[case] expected: Value) {
        assert_eq!(serde_json::to_value(read).unwrap(), expected);
    }

    #[rstest]
    #[case(Part::Tasks, json!({ "part": "tasks", "why": "ecs:ListTasks: no" }), "tasks: ecs:ListTasks: no")]
    #[case(Part::LogGroups("time".into()), json!({ "part": "log-groups", "of": "time", "why": "ecs:ListTasks: no" }), "log groups of time: ecs:ListTasks: no")]
    fn a_part_is_told_with_its_reason(#[case] part: Part, #[case] expected: Value, #[case] words: &str) {
        let unread = Unread::of(part, &denied::<()>()).unwrap();
        assert_eq!(serde_json::to_value(&unread).unwrap(), expected);
        assert_eq!(unread.to_string(), words);
    }
}
