//! What is measured of a server, and where CloudWatch has it.

use serde::{Serialize, Serializer};

use super::{PERIOD, Place, Query};
use crate::core::environment::names;
use crate::core::error::{CloudError, ErrorKind};
use crate::core::text::bytes;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Percent,
    /// How many in a minute.
    Count,
    /// How many bytes in a minute.
    Bytes,
    /// Seconds, as load balancers give them.
    Seconds,
    Milliseconds,
}

/// Of what a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A service (`AWS/ECS`).
    Service,
    /// A target group behind a load balancer (`AWS/ApplicationELB`).
    Targets,
    /// A load balancer, for all servers behind it.
    Balancer,
    /// gangway's own, of the environment.
    Gangway,
    /// The log group that the templates give a server (`AWS/Logs`).
    Log,
}

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident $word:literal $of:ident $metric:literal $statistic:literal $unit:ident;)*) => {
        /// What is measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Measure { $($(#[$doc])* $variant,)* }

        impl Measure {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in output and on the screen.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What its values count.
            pub fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)* }
            }

            fn row(self) -> (Of, &'static str, &'static str) {
                match self { $(Self::$variant => (Of::$of, $metric, $statistic),)* }
            }
        }
    };
}

// ECS developer guide, "Amazon ECS CloudWatch metrics"; Application Load Balancers, "CloudWatch metrics".
measures! {
    Requests "requests" Targets "RequestCount" "Sum" Count;
    /// Of the server itself.
    Errors "errors" Targets "HTTPCode_Target_5XX_Count" "Sum" Count;
    Refused "refused" Targets "HTTPCode_Target_4XX_Count" "Sum" Count;
    P95 "p95" Targets "TargetResponseTime" "p95" Seconds;
    Cpu "cpu" Service "CPUUtilization" "Average" Percent;
    /// The task that has least left.
    Memory "memory" Service "MemoryUtilization" "Maximum" Percent;
    /// Of the load balancer itself: no target, no answer, or a connection that broke.
    BalancerErrors "balancer-errors" Balancer "HTTPCode_ELB_5XX_Count" "Sum" Count;
    ToolErrors "tool-errors" Gangway "Errors" "Sum" Count;
    ToolP95 "tool-p95" Gangway "Latency" "p95" Milliseconds;
    /// What CloudWatch Logs took and bills (its user guide, "Monitoring CloudWatch Logs usage with CloudWatch metrics").
    LogBytes "log-bytes" Log "IncomingBytes" "Sum" Bytes;
}

impl Measure {
    /// Whether a minute without data is one in which nothing happened: CloudWatch gets such counts only when they are
    /// not zero (Application Load Balancers, "CloudWatch metrics", reporting criteria).
    pub fn absent_is_zero(self) -> bool {
        matches!(self, Self::Errors | Self::Refused | Self::BalancerErrors | Self::ToolErrors)
    }

    /// What to ask CloudWatch for.
    pub(super) fn query(self, place: &Place) -> Result<Query, CloudError> {
        let (of, metric, statistic) = self.row();
        let unknown = |why: &str| CloudError::new(ErrorKind::Unsupported, "cloudwatch:GetMetricData", why);
        let balancer = || place.balancer.clone().ok_or_else(|| unknown("the name of its load balancer is not known"));
        let environment =
            || place.environment.clone().ok_or_else(|| unknown("only servers of an environment are counted"));
        let (namespace, dimensions) = match of {
            Of::Service => {
                let of_service = vec![("ClusterName", place.cluster.clone()), ("ServiceName", place.server.clone())];
                ("AWS/ECS", of_service)
            }
            Of::Targets => {
                let (balancer, targets) = balancer()?;
                ("AWS/ApplicationELB", vec![("LoadBalancer", balancer), ("TargetGroup", targets)])
            }
            Of::Balancer => ("AWS/ApplicationELB", vec![("LoadBalancer", balancer()?.0)]),
            Of::Gangway => ("quarterdeck", vec![("environment", environment()?), ("server", place.server.clone())]),
            Of::Log => ("AWS/Logs", vec![("LogGroupName", names::log_group(&environment()?, &place.server))]),
        };
        Ok(Query { namespace, metric, dimensions, statistic, each: None, period: PERIOD })
    }

    /// A value with its unit, short.
    pub fn told(self, value: f64) -> String {
        match self.unit() {
            Unit::Percent => format!("{value:.0}%"),
            Unit::Count => format!("{value:.0}/min"),
            Unit::Bytes => format!("{}/min", bytes(value)),
            Unit::Seconds => crate::core::text::milliseconds(value * 1_000.0),
            Unit::Milliseconds => crate::core::text::milliseconds(value),
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
