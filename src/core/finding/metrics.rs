//! What CloudWatch's figures and alarms say of a server.

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Gravity, Id};
use crate::core::fleet::Server;
use crate::core::metrics::{
    Alarm, AlarmState, Blocked, Figures, Limit, Measure, Measured, OfEdge, OfServer, SPAN, Series, at_edge, by_rule,
};
use crate::core::text::{bytes, milliseconds};
use crate::core::unread::Read;

/// How far back a figure counts as of now: CloudWatch has a minute some minutes after it has passed.
pub const LATELY: SignedDuration = SignedDuration::from_mins(5);
/// Fewer requests are blocked by chance.
const FEW_BLOCKED: f64 = 10.0;
/// How many times of what the hour has seen: scanners come up against limits all the time.
const BLOCKED_TIMES: f64 = 4.0;
/// Fewer errors may happen by chance.
const FEW: f64 = 5.0;
/// A server fails from this share of its requests.
const FAILING: f64 = 0.05;
/// A task is near its limit of memory from this percentage.
const MEMORY: f64 = 90.0;
/// A server has as much to do as it can from this percentage of its processors: autoscaling aims below.
const CPU: f64 = 80.0;
/// Answers are slow from this many seconds, and this many times of what the hour has seen.
const SLOW: f64 = 1.0;
const SLOWER: f64 = 4.0;
/// Less of a log, in bytes a minute, is not worth a word: 14 GB a day, some seven dollars.
const LOG: f64 = 10e6;
/// How many times of what the hour has seen.
const LOG_TIMES: f64 = 4.0;
/// So much is told even if it is always so: 144 GB a day.
const LOG_EVER: f64 = 100e6;

/// Whether so many errors of so many requests, within [`LATELY`], are more than happen by chance.
pub fn fails(errors: f64, requests: f64) -> bool {
    errors >= FEW && errors >= requests * FAILING
}

/// Findings from what was measured. Nothing is said about a figure that was not read or has no data.
pub fn of_metrics(server: &Server, figures: &Figures, now: Timestamp) -> Vec<Finding> {
    let since = now.checked_sub(LATELY).unwrap_or(now);
    let seen = Seen { server, figures, since };
    let rules = [seen.target_errors(), seen.slow(), seen.memory(), seen.busy(), seen.log_flood()];
    rules.into_iter().flatten().collect()
}

/// Findings from alarms: those that are in `ALARM`.
pub fn of_alarms(alarms: &[&Alarm]) -> Vec<Finding> {
    let raised = alarms.iter().filter(|alarm| alarm.state == AlarmState::Alarm);
    let finding = |alarm: &&Alarm| {
        let fact = format!("alarm {} is raised", alarm.name);
        let words = [alarm.description.as_str(), alarm.reason.as_str()];
        let evidence = words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(": ");
        Finding::new(Id::Alarm, Gravity::Warning, fact, evidence).at(alarm.since)
    };
    raised.map(finding).collect()
}

/// What the web ACL blocks because of a limit that a client of ours may come up against, much more than in the hour
/// before.
pub fn of_firewall(blocked: &Read<Blocked>, now: Timestamp) -> Vec<Finding> {
    let limits = |span| {
        let all = by_rule(blocked, now, span).into_iter();
        all.filter_map(|(rule, many)| Some((rule, Limit::of(rule)?, many))).collect::<Vec<_>>()
    };
    let sum = |all: &[(&str, Limit, f64)]| all.iter().map(|(_, _, many)| many).sum::<f64>();
    let (lately, hour) = (limits(LATELY), limits(SPAN));
    let (now_many, before) = (sum(&lately), sum(&hour) - sum(&lately));
    let stretches = SPAN.as_secs() as f64 / LATELY.as_secs() as f64 - 1.0;
    let Some((rule, limit, most)) = lately.first() else { return Vec::new() };
    if now_many < FEW_BLOCKED || now_many < before / stretches * BLOCKED_TIMES {
        return Vec::new();
    }
    let fact = format!("the firewall blocked {now_many:.0} requests in 5 minutes, {most:.0} of them by rule {rule}");
    let evidence = format!("BlockedRequests of the web ACL in us-east-1; the rule's limit is `{}`", limit.key());
    let newest = blocked.known().and_then(|all| all.get(*rule)?.newest());
    let finding = Finding::new(Id::FirewallBlocks, Gravity::Warning, fact, evidence).at(newest);
    vec![Finding { count: now_many as usize, ..finding }]
}

/// Errors that clients see and no server sends: the load balancer's own, and CloudFront's.
pub fn of_edge(measured: &Measured, now: Timestamp) -> Vec<Finding> {
    let since = now.checked_sub(LATELY).unwrap_or(now);
    let balancer = |of: &OfServer| Some(of.figures.get(&Measure::BalancerErrors)?.known()?.clone());
    // Each server has the same of the load balancer that all share.
    let balancer = measured.servers.values().find_map(balancer);
    let servers = measured.behind.known().map(|sent| sent.sum_since(since));
    let of_balancer = balancer.as_ref().and_then(|series| of_balancer(series, servers, since));
    let of_balancer = of_balancer.into_iter();
    of_balancer.chain(of_cloudfront(measured, balancer.map(|all| all.sum_since(since)), servers, now)).collect()
}

/// What the load balancer answered by itself: no target took the request, or its answer broke off.
fn of_balancer(series: &Series, servers: Option<f64>, since: Timestamp) -> Option<Finding> {
    let own = Some(series.sum_since(since)).filter(|own| *own >= FEW)?;
    let fact = format!("the load balancer answered {own:.0} requests with 5xx itself in 5 minutes");
    let servers = sent("the servers behind it", servers);
    let evidence = format!("HTTPCode_ELB_5XX_Count, of all servers; {servers}");
    let finding = Finding::new(Id::BalancerErrors, Gravity::Warning, fact, evidence).at(series.newest());
    Some(Finding { count: own as usize, ..finding })
}

/// CloudFront does not reach the load balancer, or gives up on an answer.
fn of_cloudfront(measured: &Measured, balancer: Option<f64>, servers: Option<f64>, now: Timestamp) -> Option<Finding> {
    let edge = at_edge(&measured.edge, OfEdge::Errors, now, LATELY)?;
    let behind = balancer.unwrap_or_default() + servers.unwrap_or_default();
    let own = edge.of_them - behind;
    // CloudWatch has the minutes of the two at different times, so the rest of what others sent is no error of the edge.
    if own < FEW || own < edge.requests * FAILING || own < edge.of_them / 2.0 {
        return None;
    }
    let fact =
        format!("CloudFront answered {:.0} of {:.0} requests with 5xx in 5 minutes", edge.of_them, edge.requests);
    let (balancer, servers) = (sent("the load balancer", balancer), sent("all servers", servers));
    let evidence = format!("5xxErrorRate of CloudFront in us-east-1; {balancer}, {servers}");
    let finding = Finding::new(Id::EdgeErrors, Gravity::Warning, fact, evidence).at(edge.newest);
    Some(Finding { count: edge.of_them as usize, ..finding })
}

/// How many errors somebody sent, in words.
fn sent(whose: &str, many: Option<f64>) -> String {
    match many {
        Some(many) => format!("{whose} sent {many:.0}"),
        None => format!("what {whose} sent was not read"),
    }
}

struct Seen<'a> {
    server: &'a Server,
    figures: &'a Figures,
    since: Timestamp,
}

impl Seen<'_> {
    /// A series that was read and has data.
    fn series(&self, measure: Measure) -> Option<&Series> {
        self.figures.get(&measure)?.known().filter(|series| !series.points.is_empty())
    }

    /// How many there were lately; `None` where it was not read. Without data there was none, if the measure says so.
    fn lately(&self, measure: Measure) -> Option<f64> {
        let series = self.figures.get(&measure)?.known()?;
        (measure.absent_is_zero() || !series.points.is_empty()).then(|| series.sum_since(self.since))
    }

    /// The server's own answers.
    fn target_errors(&self) -> Option<Finding> {
        let (requests, errors) = (self.lately(Measure::Requests)?, self.lately(Measure::Errors)?);
        fails(errors, requests).then(|| {
            let fact = format!("{errors:.0} of {requests:.0} requests got an error of the server in 5 minutes");
            let own = self.lately(Measure::BalancerErrors).unwrap_or_default();
            let evidence = format!("HTTPCode_Target_5XX_Count; the load balancer itself sent {own:.0}");
            let finding = Finding::new(Id::TargetErrors, Gravity::Fault, fact, evidence);
            self.dated(finding, Measure::Errors, errors)
        })
    }

    fn slow(&self) -> Option<Finding> {
        let series = self.series(Measure::P95)?;
        let now = series.mean_since(self.since).filter(|now| *now >= SLOW)?;
        let before: Vec<f64> =
            series.points.iter().filter(|(at, _)| *at < self.since).map(|(_, value)| *value).collect();
        let usual = before.iter().sum::<f64>() / before.len().max(1) as f64;
        (!before.is_empty() && now >= usual * SLOWER).then(|| {
            let fact = format!("95 % of its answers take up to {}", milliseconds(now * 1_000.0));
            let evidence = format!("TargetResponseTime p95; {} in the hour before", milliseconds(usual * 1_000.0));
            Finding::new(Id::AnswersSlow, Gravity::Warning, fact, evidence).at(series.newest())
        })
    }

    fn memory(&self) -> Option<Finding> {
        let series = self.series(Measure::Memory)?;
        let most = series.most_since(self.since).filter(|most| *most >= MEMORY)?;
        let fact = format!("a task uses {most:.0} % of its memory");
        let evidence = "MemoryUtilization, its maximum of 5 minutes; at 100 % the kernel kills the container";
        Some(Finding::new(Id::MemoryNearLimit, Gravity::Warning, fact, evidence).at(series.newest()))
    }

    /// As many tasks as autoscaling may start, and each has as much to do as it can.
    fn busy(&self) -> Option<Finding> {
        let bounds = self.server.bounds.known().copied().flatten()?;
        let series = self.series(Measure::Cpu)?;
        let cpu = series.mean_since(self.since).filter(|cpu| *cpu >= CPU && self.server.desired >= bounds.max)?;
        let fact = format!("it runs at its maximum, and its tasks use {cpu:.0} % of their processors");
        let evidence = format!("CPUUtilization, the mean of 5 minutes; autoscaling's bounds are {bounds}");
        Some(Finding::new(Id::BusyAtMaximum, Gravity::Warning, fact, evidence).at(series.newest()))
    }

    /// It writes so much that its log is what it costs: CloudWatch bills each byte that it takes.
    fn log_flood(&self) -> Option<Finding> {
        let series = self.series(Measure::LogBytes)?;
        let lately = series.mean_since(self.since).filter(|lately| *lately >= LOG)?;
        let before: Vec<f64> =
            series.points.iter().filter(|(at, _)| *at < self.since).map(|(_, value)| *value).collect();
        let usual = before.iter().sum::<f64>() / before.len().max(1) as f64;
        let more = !before.is_empty() && lately >= usual * LOG_TIMES;
        (more || lately >= LOG_EVER).then(|| {
            let a_day = bytes(lately * 24.0 * 60.0);
            let fact = format!("it writes {} of log a minute, {a_day} a day", bytes(lately));
            let evidence = format!("IncomingBytes of its log group, which AWS bills; {} a minute before", bytes(usual));
            Finding::new(Id::LogFlood, Gravity::Warning, fact, evidence).at(series.newest())
        })
    }

    fn dated(&self, finding: Finding, measure: Measure, count: f64) -> Finding {
        let at = self.series(measure).and_then(Series::newest);
        Finding { count: count as usize, ..finding.at(at) }
    }
}
