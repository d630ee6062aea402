//! How a target group finds out whether its targets are healthy.

use serde::Serialize;

/// The settings of a target group's health check (API reference, TargetGroup). What the answer leaves out is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    pub protocol: Option<String>,
    /// The path that is asked for; `None` where the protocol has none, such as TCP.
    pub path: Option<String>,
    /// `traffic-port` is the one at which a target takes requests.
    pub port: Option<String>,
    /// The codes that a healthy target answers with, such as `200` or `200-299`.
    pub codes: Option<String>,
    /// Seconds from one check to the next.
    pub interval: Option<u32>,
    /// Seconds after which a check has failed.
    pub timeout: Option<u32>,
    /// Successes in a row after which a target is healthy.
    pub healthy_after: Option<u32>,
    /// Failures in a row after which it is unhealthy.
    pub unhealthy_after: Option<u32>,
}

impl HealthCheck {
    /// What a target is asked, and what it must answer.
    pub fn asks(&self) -> String {
        let protocol = self.protocol.as_deref().unwrap_or("a request");
        let path = self.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
        let port = match self.port.as_deref() {
            Some("traffic-port") | None => String::new(),
            Some(port) => format!(" at port {port}"),
        };
        let codes = self.codes.as_deref().map(|codes| format!(", to be answered with {codes}")).unwrap_or_default();
        let within = self.timeout.map(|seconds| format!(" within {seconds} s")).unwrap_or_default();
        format!("{protocol}{path}{port}{codes}{within}")
    }

    /// How often it asks, and after how many answers it judges.
    pub fn judges(&self) -> String {
        let every = self.interval.map(|seconds| format!("every {seconds} s"));
        let healthy = self.healthy_after.map(|times| format!("healthy after {times}"));
        let unhealthy = self.unhealthy_after.map(|times| format!("unhealthy after {times} in a row"));
        [every, healthy, unhealthy].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Seconds after which a target that never answers is unhealthy.
    pub fn patience(&self) -> Option<u32> {
        Some(self.interval?.saturating_mul(self.unhealthy_after?))
    }
}
