//! How many requests servers had over a longer time, and how many of them failed or were refused.

use jiff::{SignedDuration, Timestamp};

use super::{PERIOD, Place, Query, Series, dollars};

/// What is counted of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfCounts {
    /// gangway's own: all of them, and those that failed.
    Requests,
    Errors,
    /// The load balancer's, of the server's target group: also of a server without gangway, and gangway counts no refusals.
    TargetRequests,
    TargetErrors,
    TargetRefused,
}

/// Most servers that are counted at once: their series fill a call.
pub const COUNTED: usize = super::SERIES / OfCounts::ALL.len();
/// How old counts may be before they are read again: AWS bills each series, whatever its length, and the last minutes are
/// counted from the log besides.
pub const COUNTS_EVERY: SignedDuration = SignedDuration::from_mins(5);

impl OfCounts {
    pub const ALL: [Self; 5] =
        [Self::Requests, Self::Errors, Self::TargetRequests, Self::TargetErrors, Self::TargetRefused];

    /// What to ask CloudWatch for; `None` where it is not known by which names.
    fn query(self, place: &Place, period: i64) -> Option<Query> {
        let metric = match self {
            Self::Requests => "Requests",
            Self::Errors => "Errors",
            Self::TargetRequests => "RequestCount",
            Self::TargetErrors => "HTTPCode_Target_5XX_Count",
            Self::TargetRefused => "HTTPCode_Target_4XX_Count",
        };
        let (namespace, dimensions) = match self {
            Self::Requests | Self::Errors => {
                let environment = place.environment.clone()?;
                ("quarterdeck", vec![("environment", environment), ("server", place.server.clone())])
            }
            Self::TargetRequests | Self::TargetErrors | Self::TargetRefused => {
                let (balancer, targets) = place.balancer.clone()?;
                ("AWS/ApplicationELB", vec![("LoadBalancer", balancer), ("TargetGroup", targets)])
            }
        };
        Some(Query { namespace, metric, dimensions, statistic: "Sum", each: None, period })
    }
}

/// What to ask for of these servers, each series with what it counts.
pub fn counts(places: &[Place], period: i64) -> Vec<(String, OfCounts, Query)> {
    let of = |place: &Place| {
        let all = OfCounts::ALL.iter().filter_map(|of| Some((place.server.clone(), *of, of.query(place, period)?)));
        all.collect::<Vec<_>>()
    };
    places.iter().flat_map(of).collect()
}

/// Seconds of a point of so long a time. CloudWatch keeps points of a minute for 15 days, of five minutes for 63, and of an
/// hour for 455 (CloudWatch user guide, "Metrics retention").
pub fn fitting(length: SignedDuration) -> i64 {
    match length.as_hours() {
        ..3 => PERIOD,
        3..72 => 5 * PERIOD,
        _ => 60 * PERIOD,
    }
}

/// What so many series cost a day in US dollars, while they are looked at.
pub fn counts_a_day(series: usize) -> f64 {
    dollars(series) * 86_400.0 / COUNTS_EVERY.as_secs() as f64
}

/// The beginning of the point that a time is in: where a query begins, so that its first point is whole.
pub fn aligned(at: Timestamp, period: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(period) * period).unwrap_or(at)
}

impl Series {
    /// The value of the point that begins then; 0 where there is none, which is right of a sum alone.
    pub fn at(&self, at: Timestamp) -> f64 {
        self.points.binary_search_by_key(&at, |(one, _)| *one).map_or(0.0, |index| self.points[index].1)
    }
}
