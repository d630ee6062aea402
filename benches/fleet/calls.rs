//! The calls by kind, beside what AWS allows of each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::big::Came;

/// What AWS counts together: the calls, and the burst and the rate a second that it publishes, for everybody in an account
/// and region; `None` where it publishes none.
struct Allowed {
    calls: &'static [&'static str],
    published: Option<(f64, f64)>,
    source: &'static str,
}

const ECS: &str = "Request throttling for the Amazon ECS API";
const NOWHERE: &str = "no rate is published";

const ALLOWED: &[Allowed] = &[
    Allowed { calls: &["ListServices", "DescribeServices"], published: Some((100.0, 20.0)), source: ECS },
    Allowed { calls: &["ListTasks", "DescribeTasks"], published: Some((100.0, 20.0)), source: ECS },
    Allowed { calls: &["DescribeTaskDefinition"], published: Some((50.0, 20.0)), source: ECS },
    Allowed { calls: &["DescribeClusters"], published: Some((50.0, 20.0)), source: ECS },
    Allowed {
        calls: &["DescribeTargetHealth", "DescribeTargetGroups"],
        published: Some((40.0, 10.0)),
        source: "Request throttling for the Elastic Load Balancing API",
    },
    Allowed { calls: &["FilterLogEvents"], published: Some((5.0, 5.0)), source: "CloudWatch Logs quotas" },
    Allowed { calls: &["GetMetricData"], published: Some((50.0, 50.0)), source: "CloudWatch service quotas" },
    Allowed { calls: &["DescribeAlarms"], published: Some((9.0, 9.0)), source: "CloudWatch service quotas" },
    Allowed { calls: &["GetCallerIdentity"], published: Some((600.0, 600.0)), source: "IAM and AWS STS quotas" },
    Allowed { calls: &["DescribeScalableTargets", "DescribeScalingActivities"], published: None, source: NOWHERE },
    Allowed { calls: &["DescribeStacks"], published: None, source: NOWHERE },
];

/// The part of a published rate that one console may take.
const SHARE: f64 = 0.5;
/// Calls a second of what AWS publishes no rate for.
const UNPUBLISHED: f64 = 2.5;

/// Prints each kind beside what is allowed of it; returns the calls a second of all, and what is over.
pub fn report(what: &str, counts: &BTreeMap<String, Came>, time: Duration) -> (f64, Vec<String>) {
    let (seconds, mut over) = (time.as_secs_f64(), Vec::new());
    let all = counts.values().map(|came| came.all).sum::<u64>() as f64 / seconds;
    println!("  {what}: {:.0} calls a minute, {all:.2} a second", all * 60.0);
    for (call, came) in counts {
        let Some(allowed) = ALLOWED.iter().find(|allowed| allowed.calls.contains(&call.as_str())) else {
            over.push(format!("{what}: nobody knows what AWS allows of {call}"));
            continue;
        };
        let limit = match allowed.published {
            Some((burst, rate)) => format!("of {burst:.0} at once and {rate:.0} a second"),
            None => String::new(),
        };
        println!(
            "    {call:<24} {:>5.0} a minute, busiest second {:>3} {limit} ({})",
            came.all as f64 * 60.0 / seconds,
            came.busiest,
            allowed.source
        );
    }
    for allowed in ALLOWED {
        let came = || counts.iter().filter(|(call, _)| allowed.calls.contains(&call.as_str())).map(|(_, came)| came);
        let rate = came().map(|came| came.all).sum::<u64>() as f64 / seconds;
        let busiest = came().map(|came| came.busiest).sum::<usize>() as f64;
        let (most, most_at_once) = match allowed.published {
            Some((burst, rate)) => (SHARE * rate, SHARE * (burst + rate)),
            None => (UNPUBLISHED, f64::INFINITY),
        };
        // What was saved up may go at once, also in a short time.
        let saved = allowed.published.map_or(0.0, |(burst, _)| SHARE * burst) / seconds;
        let names = allowed.calls.join(", ");
        (rate > most + saved).then(|| over.push(format!("{what}: {rate:.1} of {names} a second, {most:.1} allowed")));
        (busiest > most_at_once).then(|| over.push(format!("{what}: {busiest} of {names} within a second")));
    }
    (all, over)
}
