//! The words that ECS and the load balancer use for states. Decisions rest on these types.

use std::fmt;

use serde::{Serialize, Serializer};

/// An enum of AWS's words. A word that is not known is kept as it came, so that it can be shown.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// Any other word.
            Other(String),
        }

        impl $name {
            /// AWS's own word.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

words! {
    /// State of a service.
    ServiceStatus {
        Active = "ACTIVE",
        /// It is deleted, and tasks are left.
        Draining = "DRAINING",
        Inactive = "INACTIVE",
    }
}

words! {
    /// Place of a deployment among those of its service.
    DeploymentStatus {
        /// The one that ECS is steering towards.
        Primary = "PRIMARY",
        /// An older one, which has tasks left.
        Active = "ACTIVE",
        /// One that is over.
        Inactive = "INACTIVE",
        /// A task set whose tasks are being stopped.
        Draining = "DRAINING",
    }
}

words! {
    /// Who deploys a service.
    Controller {
        /// ECS itself, with deployments.
        Ecs = "ECS",
        /// CodeDeploy, with task sets.
        CodeDeploy = "CODE_DEPLOY",
        /// A program of somebody else, with task sets.
        External = "EXTERNAL",
    }
}

words! {
    /// How many tasks a service has, and where.
    Scheduling {
        /// As many as are desired.
        Replica = "REPLICA",
        /// One on each container instance.
        Daemon = "DAEMON",
    }
}

words! {
    /// How a deployment of ECS itself takes the place of the one before.
    Strategy {
        /// Task by task.
        Rolling = "ROLLING",
        /// Both run, and the requests move at once.
        BlueGreen = "BLUE_GREEN",
        /// Both run, and the requests move in equal parts.
        Linear = "LINEAR",
        /// Both run, and a few requests move first.
        Canary = "CANARY",
    }
}

words! {
    /// How far a deployment is.
    Rollout {
        /// It is under way.
        InProgress = "IN_PROGRESS",
        /// It has reached a steady state.
        Completed = "COMPLETED",
        /// It was given up.
        Failed = "FAILED",
        /// The service does not say.
        Unsaid = "",
    }
}

words! {
    /// State of a task or a container; those on the way up and down are `Other`.
    TaskStatus {
        /// It waits for its containers.
        Pending = "PENDING",
        Running = "RUNNING",
        Stopped = "STOPPED",
    }
}

words! {
    /// What the health check of a task or a container says.
    Health {
        Healthy = "HEALTHY",
        Unhealthy = "UNHEALTHY",
        /// There is no check, or no result yet.
        Unknown = "UNKNOWN",
    }
}

words! {
    /// What the load balancer finds of a target.
    TargetState {
        /// It is being registered.
        Initial = "initial",
        /// It answers as it should.
        Healthy = "healthy",
        /// It fails its checks.
        Unhealthy = "unhealthy",
        /// It is being taken away.
        Draining = "draining",
        /// It gets no requests.
        Unused = "unused",
        /// Health checks are off.
        Unavailable = "unavailable",
    }
}

words! {
    /// The state of a service deployment (API reference, ServiceDeployment, status).
    ServiceDeploymentStatus {
        Pending = "PENDING",
        InProgress = "IN_PROGRESS",
        StopRequested = "STOP_REQUESTED",
        Stopped = "STOPPED",
        RollbackRequested = "ROLLBACK_REQUESTED",
        RollbackInProgress = "ROLLBACK_IN_PROGRESS",
        RollbackSuccessful = "ROLLBACK_SUCCESSFUL",
        RollbackFailed = "ROLLBACK_FAILED",
        Successful = "SUCCESSFUL",
    }
}

words! {
    /// Why a task stopped, as ECS classes it.
    StopCode {
        /// The service wanted fewer tasks, or other ones.
        ServiceSchedulerInitiated = "ServiceSchedulerInitiated",
        UserInitiated = "UserInitiated",
        /// An essential container has ended.
        EssentialContainerExited = "EssentialContainerExited",
        /// It never ran.
        TaskFailedToStart = "TaskFailedToStart",
        /// AWS took the spot capacity back.
        SpotInterruption = "SpotInterruption",
        /// AWS retired what it ran on.
        TerminationNotice = "TerminationNotice",
    }
}

/// What an exit code means that is not the program's own: what a shell says of a command, and over 128 the signal that
/// ended the process.
pub(super) fn signal(code: i32) -> &'static str {
    match code {
        126 => " (the command cannot be carried out)",
        127 => " (the command is not found)",
        129 => " (SIGHUP)",
        130 => " (SIGINT)",
        131 => " (SIGQUIT)",
        132 => " (SIGILL: an instruction that this processor does not have)",
        134 => " (SIGABRT: it ended itself)",
        135 => " (SIGBUS)",
        136 => " (SIGFPE)",
        137 => " (SIGKILL: killed, or out of memory)",
        139 => " (SIGSEGV: it used memory that is not its own)",
        141 => " (SIGPIPE)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("IN_PROGRESS", Rollout::InProgress)]
    #[case("", Rollout::Unsaid)]
    #[case("STOPPED_BY_A_LATER_AWS", Rollout::Other("STOPPED_BY_A_LATER_AWS".into()))]
    fn a_word_is_known_or_kept(#[case] word: &str, #[case] rollout: Rollout) {
        assert_eq!(Rollout::from(word.to_owned()), rollout);
        assert_eq!(rollout.to_string(), word);
        assert_eq!(serde_json::to_value(&rollout).unwrap(), word);
    }
}
