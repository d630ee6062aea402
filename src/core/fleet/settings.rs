//! What a task definition sets, and two of them side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

use super::TaskDefinition;

/// A setting of a task definition, or of one of its containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// The container; `None` is the task itself.
    pub container: Option<String>,
    pub what: What,
}

macro_rules! settings {
    ({ $($variant:ident $word:literal;)* } named { $($named:ident $kind:literal;)* }) => {
        /// What is set. Those first that change what runs.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum What { $($variant,)* $($named(String),)* }

        impl fmt::Display for What {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($word),)*
                    $(Self::$named(name) => write!(f, "{} {name}", $kind),)*
                }
            }
        }
    };
}

// API reference, TaskDefinition and ContainerDefinition.
settings! {
    {
    Image "image";
    EntryPoint "entry point";
    Command "command";
    Cpu "cpu";
    Memory "memory";
    Reservation "memory reservation";
    Platform "platform";
    Storage "ephemeral storage";
    Network "network mode";
    ExecutionRole "execution role";
    TaskRole "task role";
    Ports "ports";
    HealthCheck "health check";
    Essential "essential";
    User "user";
    Directory "working directory";
    ReadOnly "read-only root";
    StartTimeout "start timeout";
    StopTimeout "stop timeout";
    Limits "limits";
    Mounts "mounts";
    Volumes "volumes";
    LogDriver "log driver";
    Rest "other settings";
    } named {
    Variable "variable";
    Secret "secret";
    LogOption "log option";
    }
}

/// What a setting is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Shown(String),
    /// One that may hold a secret, such as a variable's: only whether it is the same can be told. The number says nothing to
    /// anybody, and differs from run to run.
    Hidden(u64),
}

impl Value {
    /// How it is shown.
    pub fn words(&self) -> &str {
        match self {
            Self::Shown(text) => text,
            Self::Hidden(_) => "hidden",
        }
    }
}

/// As JSON it is the text, or `{"hidden": true}`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shown(text) => serializer.serialize_str(text),
            Self::Hidden(_) => BTreeMap::from([("hidden", true)]).serialize(serializer),
        }
    }
}

/// All that a task definition sets.
pub type Settings = BTreeMap<Setting, Value>;

/// Two task definitions side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    pub now: TaskDefinition,
    /// The other one; `None` where there is no earlier revision.
    pub before: Option<TaskDefinition>,
}

/// A setting in both of them. `None` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    pub setting: &'a Setting,
    pub before: Option<&'a Value>,
    pub now: Option<&'a Value>,
}

impl Pair<'_> {
    pub fn differs(&self) -> bool {
        self.before != self.now
    }

    /// What happened to a setting whose values are not shown; `None` of one that is the same.
    pub fn change(&self) -> Option<&'static str> {
        match (self.before, self.now) {
            (before, now) if before == now => None,
            (None, _) => Some("added"),
            (_, None) => Some("removed"),
            (Some(_), Some(_)) => Some("changed"),
        }
    }
}

impl Compared {
    /// Every setting of either, in their order: those of the task first, then container by container.
    pub fn pairs(&self) -> Vec<Pair<'_>> {
        let before = self.before.as_ref().map(|before| &before.settings);
        let all: BTreeSet<&Setting> =
            self.now.settings.keys().chain(before.into_iter().flat_map(BTreeMap::keys)).collect();
        let pair = |setting| Pair {
            setting,
            before: before.and_then(|before| before.get(setting)),
            now: self.now.settings.get(setting),
        };
        all.into_iter().map(pair).collect()
    }

    /// How many settings differ; `None` where there is nothing to compare with.
    pub fn differing(&self) -> Option<usize> {
        self.before.as_ref()?;
        Some(self.pairs().iter().filter(|pair| pair.differs()).count())
    }
}

/// With which task definition another one is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// The newest active one of the same family before this revision.
    Before(u32),
    /// This one, by its ARN or `family:revision`.
    This(String),
}

/// What is to be compared: the task definition in force, by its ARN, and the other one. Without an `Against` it is the
/// revision before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub now: String,
    pub against: Option<Against>,
}

impl super::Server {
    /// What to compare to see what changed: while a deployment replaces another one, both of them; else the task definition in
    /// force and the revision before.
    pub fn comparison(&self) -> Comparison {
        let runs =
            |one: &&super::Deployment| one.task_definition != self.task_definition && one.running + one.desired > 0;
        let other = self.live().find(runs).map(|one| Against::This(one.task_definition.clone()));
        Comparison { now: self.task_definition.clone(), against: other }
    }
}
