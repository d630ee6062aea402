//! What the environment's web ACL has blocked. No server's log has it: the web ACL answers in its place.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{PERIOD, Query, Series};
use crate::core::environment::Environment;
use crate::core::unread::Read;

/// Requests that were blocked, by the name of the rule. AWS WAF counts them once a minute, and a minute without any is
/// absent (WAF developer guide, "AWS WAF metrics and dimensions").
pub type Blocked = BTreeMap<String, Series>;

/// What a rule looks at that a client of ours may come up against. What else is blocked is the noise of the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Body,
    RatePerAddress,
    RatePerToken,
}

impl Limit {
    /// By the names that the template of the edge gives its rules.
    pub fn of(rule: &str) -> Option<Self> {
        match rule {
            "body-size" | "common-body" => Some(Self::Body),
            "rate-per-ip" => Some(Self::RatePerAddress),
            "rate-per-token" => Some(Self::RatePerToken),
            _ => None,
        }
    }

    /// The key of `[edge]` that sets it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Body => "max_body_kilobytes",
            Self::RatePerAddress => "rate_limit_per_ip",
            Self::RatePerToken => "rate_limit_per_token",
        }
    }
}

/// What to ask CloudWatch for, in the region of the edge; `None` where the file says that there is no web ACL of ours.
/// Metrics of CloudFront's web ACLs have no region among their dimensions.
pub fn blocked(environment: &Environment) -> Option<Query> {
    let edge = &environment.edge;
    let ours = edge.enabled != Some(false) && edge.web_acl.is_none();
    ours.then(|| Query {
        namespace: "AWS/WAFV2",
        metric: "BlockedRequests",
        dimensions: vec![("WebACL", format!("quarterdeck-{}", environment.environment))],
        statistic: "Sum",
        each: Some("Rule"),
        period: PERIOD,
    })
}

/// How many were blocked since then, by rule, most first. `ALL` is their sum, and no rule.
pub fn by_rule(blocked: &Read<Blocked>, now: Timestamp, span: SignedDuration) -> Vec<(&str, f64)> {
    let since = now.checked_sub(span).unwrap_or(now);
    let rules =
        blocked.known().into_iter().flatten().filter(|(rule, _)| !matches!(rule.as_str(), "ALL" | "Default_Action"));
    let mut all: Vec<(&str, f64)> =
        rules.map(|(rule, series)| (rule.as_str(), series.sum_since(since))).filter(|(_, many)| *many > 0.0).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}
