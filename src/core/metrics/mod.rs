//! What CloudWatch counts: figures of the last hour by server, and alarms.
//!
//! A figure that was not read, one of which CloudWatch has no data, and zero are three values.

mod alarm;
mod counts;
mod edge;
mod firewall;
mod measure;
mod tools;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use alarm::{Alarm, AlarmChange, AlarmState};
pub use counts::{COUNTED, COUNTS_EVERY, OfCounts, aligned, counts, counts_a_day, fitting};
pub use edge::{AtEdge, Edge, OfEdge, at_edge, behind};
pub use firewall::{Blocked, Limit, blocked, by_rule};
pub use measure::{Measure, Unit};
pub use tools::{Detail, OfTool, Row, SERVERS, Tools, rows, unread};

use super::environment::names;
use super::error::{CloudError, ErrorKind};
use super::unread::Read;

/// Seconds of a point: what load balancers, ECS and gangway report.
pub const PERIOD: i64 = 60;
/// How far back figures go.
pub const SPAN: SignedDuration = SignedDuration::from_hours(1);
/// Most series in one call (API reference, GetMetricData).
pub const SERIES: usize = 500;
/// Seconds between two reads: points come once a minute.
pub const EVERY: i64 = 60;
/// What an emulator costs.
pub const BILLS_NOTHING: &str = "nothing is billed";

/// US dollars for a thousand series that are asked for (CloudWatch price list, 2026).
const DOLLARS: f64 = 0.01;

/// A series to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub namespace: &'static str,
    pub metric: &'static str,
    /// Names and values, all that the metric has.
    pub dimensions: Vec<(&'static str, String)>,
    /// As CloudWatch names it: `Sum`, `Average`, `Maximum`, `p95`.
    pub statistic: &'static str,
    /// A further dimension, whose values CloudWatch is to find: a series for each.
    pub each: Option<&'static str>,
    /// Seconds of a point.
    pub period: i64,
}

/// What came of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    One(Series),
    /// By the value of the dimension that was searched.
    Each(BTreeMap<String, Series>),
}

impl Answered {
    /// As many as AWS bills.
    pub fn series(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Each(all) => all.len(),
        }
    }
}

/// Values, oldest first. A time of which CloudWatch has no data is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Series {
    /// The beginning of each point, and its value.
    pub points: Vec<(Timestamp, f64)>,
}

impl Series {
    /// The newest value that is there.
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|(_, value)| *value)
    }

    /// When the newest one began.
    pub fn newest(&self) -> Option<Timestamp> {
        self.points.last().map(|(at, _)| *at)
    }

    /// The values since a time, summed.
    pub fn sum_since(&self, since: Timestamp) -> f64 {
        // The sum of nothing is -0 (f64, Sum), which is shown as such.
        self.since(since).fold(0.0, |sum, value| sum + value)
    }

    /// The greatest value since a time; `None` without any.
    pub fn most_since(&self, since: Timestamp) -> Option<f64> {
        self.since(since).max_by(f64::total_cmp)
    }

    /// The mean since a time; `None` without any.
    pub fn mean_since(&self, since: Timestamp) -> Option<f64> {
        let (sum, many) = self.since(since).fold((0.0, 0_u32), |(sum, many), value| (sum + value, many + 1));
        (many > 0).then(|| sum / f64::from(many))
    }

    fn since(&self, since: Timestamp) -> impl Iterator<Item = f64> {
        self.points.iter().filter(move |(at, _)| *at >= since).map(|(_, value)| *value)
    }

    /// The values by minute until now, so many of them; `None` is a minute without data.
    pub fn minutes(&self, many: usize, now: Timestamp) -> Vec<Option<f64>> {
        let minute = |at: Timestamp| at.as_second().div_euclid(PERIOD);
        let by_minute: BTreeMap<i64, f64> = self.points.iter().map(|(at, value)| (minute(*at), *value)).collect();
        let last = minute(now);
        let first = last - i64::try_from(many).unwrap_or_default();
        (first..last).map(|minute| by_minute.get(&minute).copied()).collect()
    }
}

/// Where CloudWatch keeps what is counted of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub server: String,
    /// The cluster's name, not its ARN.
    pub cluster: String,
    /// The environment, if it is one of ours: gangway counts by it.
    pub environment: Option<String>,
    /// The load balancer and the target group as CloudWatch names them (`app/NAME/ID`, `targetgroup/NAME/ID`), where
    /// an alarm of the server's stack tells them.
    pub balancer: Option<(String, String)>,
}

impl Place {
    /// Where a server is counted. The names of its load balancer are those that its own alarm watches: no other answer
    /// that is read has them.
    pub fn of(server: &str, cluster: &str, environment: Option<&str>, alarms: &[Alarm]) -> Self {
        let own = environment.map(|environment| names::stack(environment, server) + "-5xx");
        let alarm = alarms.iter().find(|alarm| own.as_ref() == Some(&alarm.name));
        let dimension = |name: &str| alarm.and_then(|alarm| alarm.dimensions.get(name)).cloned();
        Self {
            server: server.to_owned(),
            cluster: cluster.rsplit('/').next().unwrap_or(cluster).to_owned(),
            environment: environment.map(str::to_owned),
            balancer: dimension("LoadBalancer").zip(dimension("TargetGroup")),
        }
    }
}

/// The figures of a server.
pub type Figures = BTreeMap<Measure, Read<Series>>;

/// What was read of a server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OfServer {
    pub figures: Figures,
    /// Empty where they were not asked for.
    pub tools: Tools,
}

/// What was read at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The alarms of the environment.
    pub alarms: Read<Vec<Alarm>>,
    pub servers: BTreeMap<String, OfServer>,
    /// What the web ACL has blocked.
    pub firewall: Read<Blocked>,
    /// What CloudFront counts of the environment's distribution.
    pub edge: Read<Edge>,
    /// The errors that all servers behind the load balancer sent; empty where there was none.
    pub behind: Read<Series>,
    /// Series that were asked for, with those that a search found, which is what AWS bills.
    pub asked: usize,
}

impl Measured {
    /// The figures of a server; `None` if they were not asked for.
    pub fn of(&self, server: &str) -> Option<&Figures> {
        self.servers.get(server).map(|of| &of.figures)
    }

    /// The alarms that are known and that are about a server; those of all servers where `server` is `None`.
    pub fn alarms_of<'a>(&'a self, environment: &str, server: Option<&str>) -> Vec<&'a Alarm> {
        let prefix = names::stack(environment, server.unwrap_or("platform")) + "-";
        let known = self.alarms.known().map(Vec::as_slice).unwrap_or_default();
        known.iter().filter(|alarm| alarm.name.starts_with(&prefix)).collect()
    }

    /// What the reads of a day cost in US dollars, if they go on as they were.
    pub fn dollars_a_day(&self) -> f64 {
        dollars(self.asked) * 86_400.0 / EVERY as f64
    }

    /// What this read has cost, in words; an emulator bills nothing.
    pub fn price(&self, emulated: bool) -> String {
        if emulated { BILLS_NOTHING.to_owned() } else { format!("about ${:.4}", dollars(self.asked)) }
    }

    /// How many figures are read, and what they cost a day, in words.
    pub fn price_of_a_day(&self, emulated: bool) -> String {
        if emulated {
            return BILLS_NOTHING.to_owned();
        }
        format!("{} figures a minute, about ${:.2} a day", self.asked, self.dollars_a_day())
    }

    /// The part that was not read, if any was not.
    pub fn unread(&self) -> Vec<String> {
        let alarms = self.alarms.why().map(|why| format!("alarms: {why}"));
        let mut told: Vec<String> = alarms.into_iter().collect();
        let firewall = self.firewall.why().filter(|why| why.kind != ErrorKind::Unsupported);
        told.extend(firewall.map(|why| format!("firewall: {why}")));
        let edge = self.edge.why().filter(|why| why.kind != ErrorKind::Unsupported);
        told.extend(edge.map(|why| format!("edge: {why}")));
        for (server, of) in &self.servers {
            for (measure, series) in &of.figures {
                if let Some(why) = series.why().filter(|why| why.kind != ErrorKind::Unsupported) {
                    told.push(format!("{} of {server}: {why}", measure.word()));
                }
            }
            told.extend(unread(&of.tools).map(|why| format!("tools of {server}: {why}")));
        }
        // One denial is told once, whatever it kept from being read.
        told.dedup_by(|a, b| a.split_once(": ").map(|(_, why)| why) == b.split_once(": ").map(|(_, why)| why));
        told
    }
}

/// What it costs to ask for so many series once, in US dollars.
pub fn dollars(series: usize) -> f64 {
    series as f64 * DOLLARS / 1_000.0
}

/// What a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Server(Measure),
    Tools(OfTool),
}

/// What to ask for, for these servers: each with what it is for, and those that cannot be asked for, with why.
pub fn queries(places: &[Place], detail: Detail) -> Vec<(String, Wanted, Result<Query, CloudError>)> {
    let of = |place: &Place| {
        let figures = Measure::ALL.iter().map(|measure| (Wanted::Server(*measure), measure.query(place)));
        let tools = OfTool::ALL.iter().map(|of| (Wanted::Tools(*of), of.query(place)));
        let tools = tools.filter(|_| detail == Detail::Tools);
        let all = figures.chain(tools).map(|(wanted, query)| (place.server.clone(), wanted, query));
        all.collect::<Vec<_>>()
    };
    places.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
