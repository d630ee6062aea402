//! What CloudFront counts of the environment's distribution, for all servers behind it. Only it sees a request that never
//! got to the load balancer, and an answer that never came back from there.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use super::{PERIOD, Place, Query, Series};
use crate::core::unread::Read;

/// What CloudFront counts (CloudFront developer guide, "Types of metrics for CloudFront"); the others have a price of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfEdge {
    /// In a minute.
    Requests,
    /// Percent of all requests.
    Refused,
    /// Percent of all requests.
    Errors,
}

/// What was read of the distribution.
pub type Edge = BTreeMap<OfEdge, Series>;

impl OfEdge {
    pub const ALL: [Self; 3] = [Self::Requests, Self::Refused, Self::Errors];

    /// Its name in output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Refused => "refused-percent",
            Self::Errors => "errors-percent",
        }
    }

    /// What to ask CloudWatch for, in us-east-1, of a distribution by its id.
    pub fn query(self, distribution: &str) -> Query {
        // Each metric has one statistic.
        let (metric, statistic) = match self {
            Self::Requests => ("Requests", "Sum"),
            Self::Refused => ("4xxErrorRate", "Average"),
            Self::Errors => ("5xxErrorRate", "Average"),
        };
        let dimensions = vec![("DistributionId", distribution.to_owned()), ("Region", "Global".to_owned())];
        Query { namespace: "AWS/CloudFront", metric, dimensions, statistic, each: None, period: PERIOD }
    }
}

impl Serialize for OfEdge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// The errors that all servers behind a load balancer sent together (Application Load Balancers, "CloudWatch metrics"), to tell
/// them from those of the edge; `None` where its name is not known.
pub fn behind(places: &[Place]) -> Option<Query> {
    let (balancer, _) = places.iter().find_map(|place| place.balancer.clone())?;
    let dimensions = vec![("LoadBalancer", balancer)];
    let metric = "HTTPCode_Target_5XX_Count";
    Some(Query { namespace: "AWS/ApplicationELB", metric, dimensions, statistic: "Sum", each: None, period: PERIOD })
}

/// Requests at the edge, and how many of them ended so, as the share of each minute tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtEdge {
    pub requests: f64,
    pub of_them: f64,
    pub newest: Option<Timestamp>,
}

/// What happened at the edge since then; `None` where it was not read, or nobody asked anything.
pub fn at_edge(edge: &Read<Edge>, share: OfEdge, now: Timestamp, span: SignedDuration) -> Option<AtEdge> {
    let edge = edge.known()?;
    let since = now.checked_sub(span).unwrap_or(now);
    let (requests, shares) = (edge.get(&OfEdge::Requests)?, edge.get(&share)?);
    let shares: BTreeMap<Timestamp, f64> = shares.points.iter().copied().collect();
    let minutes = || requests.points.iter().filter(|(at, requests)| *at >= since && *requests > 0.0);
    let of = |(at, requests): &(Timestamp, f64)| requests * shares.get(at).copied().unwrap_or_default() / 100.0;
    let newest = minutes().filter(|minute| of(minute) > 0.0).map(|(at, _)| *at).max();
    let all =
        AtEdge { requests: minutes().map(|(_, requests)| requests).sum(), of_them: minutes().map(of).sum(), newest };
    (all.requests > 0.0).then_some(all)
}
