//! Bursts: when requests of a server began to fail, or to be refused, more than happens by chance, for how long, and why.
//!
//! What is much is decided where findings are made, so a burst of the last minutes and the finding of them say the same.
//! The last minutes come from the request lines, with reasons; what was before them from CloudWatch, which has counts alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Kind, Moment};
use crate::core::finding::{CURRENT, Id, STRETCH, fails, much, of_why, refuses};
use crate::core::metrics::{BILLS_NOTHING, OfCounts, Series, counts_a_day};
use crate::core::requests::{Asked, Period, Requests, Sender, Why};
use crate::core::text::short_duration;

/// One burst, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Burst {
    /// The end of the last minute, or longer time, in which there was much.
    pub until: Timestamp,
    pub lasts: Lasts,
    /// Requests that failed, or were refused.
    pub many: u64,
    /// All requests meanwhile.
    pub requests: u64,
    /// Why most of them, where a log says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Whose most of these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What most of these asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// Whether a burst goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasts {
    Over,
    On,
    /// It is counted by the hour, and this hour is not over; or it was read too long ago to say how it is.
    Unsaid,
}

/// What CloudWatch has counted since a time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counted {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Seconds of a point.
    pub period: i64,
    pub servers: BTreeMap<String, BTreeMap<OfCounts, Series>>,
    /// Series that were asked for, which is what AWS bills.
    pub asked: usize,
}

impl Counted {
    /// What they cost a day while they are looked at, in words; an emulator bills nothing.
    pub fn price(&self, emulated: bool) -> String {
        match emulated {
            true => BILLS_NOTHING.to_owned(),
            false => format!("{} series each 5 minutes, about ${:.2} a day", self.asked, counts_a_day(self.asked)),
        }
    }
}

/// Request lines that were counted, and up to when those of each server were read.
pub struct Lines<'a> {
    pub requests: &'a Requests,
    pub until: BTreeMap<String, Timestamp>,
}

/// Two that are nearer to each other are one, in milliseconds.
const APART: i64 = STRETCH.as_secs() * 1_000;
const MINUTE: i64 = 60_000;

/// The requests of a server in a stretch of time. Times are in milliseconds of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bin {
    at: i64,
    end: i64,
    requests: u64,
    errors: Part,
    refused: Part,
}

/// Some of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Part {
    many: u64,
    /// Whether that is more than happens by chance.
    much: bool,
}

/// The kinds of reasons for which requests of a minute failed, and were refused.
#[derive(Debug, Default)]
struct Kinds {
    errors: BTreeSet<Id>,
    refused: BTreeSet<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Errors,
    Refusals,
}

impl Trouble {
    fn kind(self) -> Kind {
        match self {
            Self::Errors => Kind::Errors,
            Self::Refusals => Kind::Refusals,
        }
    }

    fn of(self, bin: &Bin) -> Part {
        match self {
            Self::Errors => bin.errors,
            Self::Refusals => bin.refused,
        }
    }
}

/// The bursts of all servers that were counted; `name` is what a client is called, by its id.
pub fn bursts(
    counted: Option<&Counted>,
    lines: Option<&Lines<'_>>,
    name: &dyn Fn(&str) -> String,
    now: Timestamp,
) -> Vec<Moment> {
    let by_lines = lines.map(of_lines).unwrap_or_default();
    let counts = counted.iter().flat_map(|counted| &counted.servers);
    let servers: BTreeSet<&str> =
        counts.map(|(server, _)| server.as_str()).chain(by_lines.keys().map(String::as_str)).collect();
    let mut all = Vec::new();
    for server in servers {
        let before = counted.map(|counted| of_counts(counted, server)).unwrap_or_default();
        let own = by_lines.get(server).map(Vec::as_slice).unwrap_or_default();
        let seen = Seen {
            server,
            bins: joined(&before, own),
            from: counted.filter(|_| !before.is_empty()).map(|counted| counted.from.as_millisecond()),
            // Lines are on their way for seconds, CloudWatch's counts for minutes.
            until: match (lines.and_then(|lines| lines.until.get(server)), counted) {
                (Some(until), _) if !own.is_empty() => (until.as_millisecond(), MINUTE),
                (_, Some(counted)) => (counted.until.as_millisecond(), APART),
                _ => continue,
            },
            lines,
            name,
            now,
        };
        all.extend([Trouble::Errors, Trouble::Refusals].into_iter().flat_map(|trouble| seen.bursts(trouble)));
    }
    all
}

/// A server's points, with what of them is much. gangway's own counts go first: they have tools that failed in them.
fn of_counts(counted: &Counted, server: &str) -> Vec<Bin> {
    let Some(of) = counted.servers.get(server) else { return Vec::new() };
    let series = |one: OfCounts| of.get(&one).filter(|series| !series.points.is_empty());
    let (requests, errors) = match series(OfCounts::Requests) {
        Some(requests) => (Some(requests), series(OfCounts::Errors)),
        None => (series(OfCounts::TargetRequests), series(OfCounts::TargetErrors)),
    };
    let refused = series(OfCounts::TargetRefused);
    let times = [requests, errors, refused].into_iter().flatten().flat_map(|series| &series.points);
    let times: BTreeSet<Timestamp> = times.map(|(at, _)| *at).collect();
    let bin = |at: Timestamp| {
        let value = |series: Option<&Series>| series.map_or(0.0, |series| series.at(at)).round().max(0.0) as u64;
        let part = |series| Part { many: value(series), much: false };
        let end = (at.as_millisecond() + counted.period * 1_000).min(counted.until.as_millisecond());
        // Both count for themselves, and a request may come between.
        let requests = value(requests).max(value(errors)).max(value(refused));
        Bin { at: at.as_millisecond(), end, requests, errors: part(errors), refused: part(refused) }
    };
    let mut bins: Vec<Bin> = times.into_iter().map(bin).collect();
    for last in 0..bins.len() {
        let first = bins[..last].partition_point(|bin| bin.at < bins[last].end - APART);
        let window = &bins[first..=last];
        let sum = |of: fn(&Bin) -> u64| window.iter().map(of).sum::<u64>() as f64;
        let requests = sum(|bin| bin.requests);
        let failing = fails(sum(|bin| bin.errors.many), requests);
        let refusing = refuses(sum(|bin| bin.refused.many), requests);
        for bin in &mut bins[first..=last] {
            bin.errors.much |= failing && bin.errors.many > 0;
            bin.refused.much |= refusing && bin.refused.many > 0;
        }
    }
    bins
}

/// The minutes of each server whose lines were read.
fn of_lines(lines: &Lines<'_>) -> BTreeMap<String, Vec<Bin>> {
    // Whole minutes end at the same time for all servers, so they are looked at once, however many there are.
    let mut ends: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for (server, until) in &lines.until {
        let until = until.as_second() * 1_000;
        let whole = until.div_euclid(MINUTE) * MINUTE;
        let all = (0..Period::Fifteen.minutes()).map(|ago| whole - ago * MINUTE);
        // The minute that is not over yet.
        all.chain((until > whole).then_some(until)).for_each(|end| {
            ends.entry(end).or_default().insert(server);
        });
    }
    let mut all: BTreeMap<String, Vec<Bin>> = BTreeMap::new();
    // Which kinds of reasons there were in a minute: beside a burst there are always some refusals of another kind.
    let mut kinds: BTreeMap<(&str, i64), Kinds> = BTreeMap::new();
    for (end, servers) in ends {
        let at = (end - 1).div_euclid(MINUTE) * MINUTE;
        let tallies = |from| lines.requests.tallies_of(&|server| servers.contains(server), from, 0, end);
        let minute = tallies(end - at);
        for tally in &minute {
            let bins = all.entry(tally.subject.server.clone()).or_default();
            if bins.last().is_none_or(|bin| bin.at != at) {
                bins.push(Bin { at, end, requests: 0, errors: Part::default(), refused: Part::default() });
            }
            if let Some(id) = tally.subject.why.and_then(of_why) {
                let kinds = kinds.entry((&tally.subject.server, at)).or_default();
                kinds.errors.extend((tally.errors > 0).then_some(id));
                kinds.refused.extend((tally.refused > 0).then_some(id));
            }
            if let Some(bin) = bins.last_mut() {
                bin.requests += tally.requests;
                bin.errors.many += tally.errors;
                bin.refused.many += tally.refused;
            }
        }
        let last = if end - at == Period::One.millis() { minute } else { tallies(Period::One.millis()) };
        for (period, counted) in [(Period::One, last), (Period::Five, tallies(Period::Five.millis()))] {
            let now = Timestamp::from_millisecond(end).unwrap_or_default();
            for (server, much) in much(counted, period, now) {
                let seen = all.get_mut(server).into_iter().flatten().filter(|bin| bin.end > end - period.millis());
                seen.for_each(|bin| {
                    let kinds = kinds.get(&(server, bin.at));
                    let such =
                        |of: fn(&Kinds) -> &BTreeSet<Id>| kinds.is_some_and(|all| !of(all).is_disjoint(&much.kinds));
                    bin.errors.much |= (much.failed && bin.errors.many > 0) || such(|kinds| &kinds.errors);
                    bin.refused.much |= such(|kinds| &kinds.refused);
                });
            }
        }
    }
    all
}

/// The counts up to the first line, and then the lines. A point that reaches into the time of the lines counts that time.
fn joined(counts: &[Bin], lines: &[Bin]) -> Vec<Bin> {
    let first = lines.first().map(|bin| bin.at);
    let before = counts.iter().filter(|bin| first.is_none_or(|first| bin.at < first));
    let mut all: Vec<Bin> = before.copied().collect();
    let end = all.last().map_or(i64::MIN, |bin| bin.end);
    all.extend(lines.iter().filter(|bin| bin.at >= end));
    all
}

/// What was counted of a server.
struct Seen<'a> {
    server: &'a str,
    bins: Vec<Bin>,
    /// Since when it was counted; `None` where nobody knows what was before the first one.
    from: Option<i64>,
    /// Up to when, and how much later the end of a burst shows.
    until: (i64, i64),
    lines: Option<&'a Lines<'a>>,
    name: &'a dyn Fn(&str) -> String,
    now: Timestamp,
}

impl Seen<'_> {
    fn bursts(&self, trouble: Trouble) -> Vec<Moment> {
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        for bin in self.bins.iter().filter(|bin| trouble.of(bin).much) {
            match stretches.last_mut() {
                Some((_, end)) if bin.at - *end < APART => *end = bin.end,
                _ => stretches.push((bin.at, bin.end)),
            }
        }
        stretches.into_iter().map(|(begin, end)| self.burst(trouble, begin, end)).collect()
    }

    fn burst(&self, trouble: Trouble, begin: i64, end: i64) -> Moment {
        let within = || self.bins.iter().filter(|bin| bin.at >= begin && bin.end <= end);
        let many = within().map(|bin| trouble.of(bin).many).sum();
        let requests = within().map(|bin| bin.requests).sum();
        let (why, client, tool) = self.reason(trouble, begin, end);
        let time = |at: i64| Timestamp::from_millisecond(at).unwrap_or_default();
        let burst = Burst { until: time(end), lasts: self.lasts(end), many, requests, why, client, tool };
        // What was before the first one that is known, nobody knows.
        let longer = begin <= self.from.unwrap_or(self.bins.first().map_or(i64::MIN, |bin| bin.at));
        let length = short_duration(SignedDuration::from_millis(end - begin));
        let what = burst.told(trouble, &length, longer);
        let finding = burst.why.and_then(of_why).or(Some(match trouble {
            Trouble::Errors => Id::RequestsFail,
            Trouble::Refusals => Id::RequestsRefused,
        }));
        Moment { finding, burst: Some(burst), ..Moment::new(time(begin), trouble.kind(), self.server, what, true) }
    }

    fn lasts(&self, end: i64) -> Lasts {
        let (until, later) = self.until;
        let last = self.bins.last();
        let long = |bin: &&Bin| bin.end - bin.at > APART && bin.end == end;
        match last {
            Some(last) if last.end > end + MINUTE => Lasts::Over,
            last if last.filter(long).is_some() && end + later >= until => Lasts::Unsaid,
            _ if end + later < until => Lasts::Over,
            _ if self.now.as_millisecond() - until <= later.max(CURRENT.as_secs() * 1_000) => Lasts::On,
            _ => Lasts::Unsaid,
        }
    }

    /// Why most of them, as far as the lines of that time are counted; then of these whose, and what for.
    fn reason(&self, trouble: Trouble, begin: i64, end: i64) -> (Option<Why>, Option<String>, Option<String>) {
        let Some(lines) = self.lines.filter(|lines| lines.until.contains_key(self.server)) else {
            return (None, None, None);
        };
        let all = lines.requests.tallies_of(&|server| server == self.server, end - begin, 0, end);
        let part = |one: &crate::core::requests::Tally<'_>| match trouble {
            Trouble::Errors => one.errors,
            Trouble::Refusals => one.refused,
        };
        let mut of: Vec<_> = all.iter().filter(|one| part(one) > 0).collect();
        let why = most(of.iter().map(|one| (one.subject.why, part(one)))).flatten();
        of.retain(|one| one.subject.why == why);
        let client = most(of.iter().map(|one| (one.subject.sender.as_ref().and_then(Sender::client), part(one))));
        let tool = most(of.iter().map(|one| match &one.subject.asked {
            Some(Asked::Tool(tool)) => (Some(tool.as_str()), part(one)),
            _ => (None, part(one)),
        }));
        (why, client.flatten().map(self.name), tool.flatten().map(str::to_owned))
    }
}

/// What occurs most often.
fn most<T: Ord>(all: impl Iterator<Item = (T, u64)>) -> Option<T> {
    let mut sums: BTreeMap<T, u64> = BTreeMap::new();
    all.for_each(|(one, many)| *sums.entry(one).or_default() += many);
    sums.into_iter().max_by_key(|(_, many)| *many).map(|(one, _)| one)
}

impl Burst {
    fn told(&self, trouble: Trouble, length: &str, longer: bool) -> String {
        let Self { many, requests, why, client, tool, .. } = self;
        let how = match trouble {
            Trouble::Errors => "failed",
            Trouble::Refusals => "refused",
        };
        let longer = if longer { " or longer" } else { "" };
        let on = match self.lasts {
            Lasts::On => ", and it goes on",
            Lasts::Over | Lasts::Unsaid => "",
        };
        let why = why.map(|why| format!(": most {}", why.says())).unwrap_or_default();
        let client = client.as_ref().map(|client| format!(", mostly of client {client}")).unwrap_or_default();
        let tool = tool.as_ref().map(|tool| format!(", mostly calls of {tool}")).unwrap_or_default();
        // The reason goes first: a narrow terminal cuts the end off.
        format!("{many} of {requests} requests {how}{why}{client}{tool}, within {length}{longer}{on}")
    }
}

#[cfg(test)]
mod tests;
