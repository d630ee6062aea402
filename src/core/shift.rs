//! Zonal shifts: for a time, a load balancer sends no requests into one of its zones. Amazon Application Recovery Controller
//! (ARC) keeps them, and ends them by itself.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, Server, TargetState, TaskStatus};
use super::stack::Stack;
use super::text::{age, short_duration};

/// The longest that a shift may be planned for at once (ARC API reference, StartZonalShift).
pub const LONGEST: SignedDuration = SignedDuration::from_hours(72);
/// How long a zone is taken out where nobody says so.
pub const USUAL: SignedDuration = SignedDuration::from_hours(3);

/// An availability zone. Its name means another place in each account; ARC knows it by its id alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Zone {
    /// Such as `eu-central-1b`.
    pub name: String,
    /// Such as `euc1-az2`.
    pub id: String,
}

impl Zone {
    /// Whether an operator may call it so.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.id == word
    }
}

/// What keeps requests away from zones of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Shifts {
    /// ARN of the load balancer.
    pub balancer: String,
    /// Ids of its zones.
    pub zones: BTreeSet<String>,
    /// The shift that somebody has started; there is one at most.
    pub shift: Option<Shift>,
    /// What AWS does by itself: autoshifts and practice runs.
    pub others: Vec<Other>,
    /// The name of the zone that the shift is away from, where somebody has asked for it.
    pub name: Option<String>,
}

/// Why no zone can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowhere {
    /// The emulator of the local cloud has no zones.
    Local,
    /// The cluster is none of quarterdeck's.
    Foreign,
    /// The platform names no load balancer.
    NoBalancer,
    /// ARC does not know it, or the endpoint has no ARC.
    Unknown,
}

impl Nowhere {
    /// In a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Local => "the local cloud has no zones: nothing in it shifts requests away from one",
            Self::Foreign => "a zone is taken out of the load balancer of an environment, and this cluster is of none",
            Self::NoBalancer => "the platform stack of this environment names no load balancer",
            Self::Unknown => {
                "Amazon Application Recovery Controller does not know the load balancer: \
                 zonal_shift.config.enabled is off, or there is no such service here"
            }
        }
    }
}

/// A zonal shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shift {
    pub id: String,
    /// Id of the zone.
    pub away_from: String,
    pub since: Timestamp,
    pub until: Timestamp,
    /// Whether it is in effect.
    pub applied: bool,
    pub comment: String,
}

impl Shift {
    /// That a zone is out, in a sentence.
    pub fn told(&self, zone: &str, now: Timestamp) -> String {
        let (since, left) = (age(now, self.since), short_duration(self.until.duration_since(now)));
        let applied = if self.applied { "" } else { ", but not in effect" };
        format!("zone {zone} is taken out for {since}{applied}; it comes back in {left}, at {:.0}", self.until)
    }
}

/// A shift that nobody of the operators has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    pub kind: Kind,
    pub away_from: String,
    pub since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// AWS has found that the zone ails.
    Autoshift,
    /// AWS tries weekly whether the other zones are enough; or an experiment of Fault Injection Service.
    Practice,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Autoshift => "an autoshift of AWS",
            Self::Practice => "a practice run",
        }
    }
}

impl Shifts {
    /// The zone that is taken out, as an operator knows it.
    pub fn out(&self) -> Option<(&Shift, String)> {
        let shift = self.shift.as_ref()?;
        let name = self.name.as_ref().map(|name| format!("{name} ({})", shift.away_from));
        Some((shift, name.unwrap_or_else(|| shift.away_from.clone())))
    }
}

/// The ARN of the environment's load balancer, by what its platform stack says. The account and the partition are those of
/// the stack.
pub fn balancer_of(platform: &Stack) -> Option<String> {
    let full_name = platform.outputs.get("LoadBalancerFullName").filter(|name| name.starts_with("app/"))?;
    let mut parts = platform.arn.splitn(6, ':');
    let (arn, partition, _, region, account) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{arn}:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/{full_name}"))
}

/// Its name, as the console of AWS shows it.
pub fn name_of(balancer: &str) -> &str {
    balancer.split('/').rev().nth(1).unwrap_or(balancer)
}

/// How the tasks behind a load balancer stand to one of its zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tasks {
    /// That run there.
    pub there: usize,
    /// That run, in all.
    pub all: usize,
    /// That the load balancer finds healthy there.
    pub healthy_there: usize,
    /// The same in the other zones.
    pub healthy_elsewhere: usize,
}

/// The tasks of a server by zone. `None` where it has no load balancer, or its tasks or targets were not read.
pub fn tasks_of(server: &Server, zone: &str) -> Option<Tasks> {
    let read = server.tasks.known().is_some() && server.balancers.iter().flat_map(|one| &one.groups).count() > 0;
    let groups = || server.balancers.iter().flat_map(|balancer| &balancer.groups);
    if !read || groups().any(|group| group.targets.known().is_none()) {
        return None;
    }
    let found = groups().flat_map(|group| group.known()).filter(|target| target.state == TargetState::Healthy);
    let healthy: BTreeSet<&str> = found.map(|target| target.id.as_str()).collect();
    let mut tasks = Tasks::default();
    for task in server.live_tasks().filter(|task| task.last_status == TaskStatus::Running) {
        let healthy = task.address.as_deref().is_some_and(|address| healthy.contains(address));
        let there = task.zone == zone;
        tasks.all += 1;
        tasks.there += usize::from(there);
        tasks.healthy_there += usize::from(healthy && there);
        tasks.healthy_elsewhere += usize::from(healthy && !there);
    }
    Some(tasks)
}

/// What a shift away from a zone would do to a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loss {
    pub tasks: Tasks,
    /// Servers that would serve nobody: all that is healthy of them is there.
    pub dark: Vec<String>,
    /// Servers of which nobody knows.
    pub unread: Vec<String>,
}

pub fn loss(fleet: &Fleet, zone: &str) -> Loss {
    let mut loss = Loss::default();
    for server in fleet.servers.iter().filter(|server| !server.balancers.is_empty()) {
        let Some(tasks) = tasks_of(server, zone) else {
            loss.unread.push(server.name.clone());
            continue;
        };
        if tasks.healthy_there > 0 && tasks.healthy_elsewhere == 0 {
            loss.dark.push(server.name.clone());
        }
        let sum = &mut loss.tasks;
        sum.there += tasks.there;
        sum.all += tasks.all;
        sum.healthy_there += tasks.healthy_there;
        sum.healthy_elsewhere += tasks.healthy_elsewhere;
    }
    loss.unread.extend(fleet.unreadable.iter().map(|one| one.name.clone()));
    loss
}

/// How long a zone is to be taken out, such as `3h` or `90m`; in seconds.
///
/// # Errors
/// Says what was expected.
pub fn length(text: &str) -> Result<i64, String> {
    let parsed: Option<SignedDuration> = text.trim().parse().ok();
    let possible = 60..=LONGEST.as_secs();
    let seconds = parsed.map(|length| length.as_secs()).filter(|seconds| possible.contains(seconds));
    seconds.ok_or_else(|| "how long is a time from 1m to 72h, such as 90m or 3h".to_owned())
}

/// How long that is for AWS, which takes whole minutes: not before it is over.
pub fn expires_in(left: SignedDuration) -> String {
    format!("{}m", (left.as_secs() + 59).div_euclid(60).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("3h", Ok(10_800))]
    #[case("90m", Ok(5_400))]
    #[case("72h", Ok(259_200))]
    #[case("1m", Ok(60))]
    #[case("72h1s", Err(()))]
    #[case("59s", Err(()))]
    #[case("-3h", Err(()))]
    #[case("for ever", Err(()))]
    fn a_length_is_possible_or_says_why(#[case] text: &str, #[case] expected: Result<i64, ()>) {
        assert_eq!(length(text).map_err(drop), expected);
    }

    #[rstest]
    #[case(10_800, "180m")]
    #[case(10_799, "180m")]
    #[case(10_741, "180m")]
    #[case(10_740, "179m")]
    #[case(-5, "1m")]
    fn whole_minutes_that_are_not_too_short(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(expires_in(SignedDuration::from_secs(seconds)), expected);
    }

    #[test]
    fn the_name_stands_before_the_id_in_an_arn() {
        let arn = "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/quarterdeck-prod/0123456789abcdef";
        assert_eq!(name_of(arn), "quarterdeck-prod");
    }
}
