//! What the request lines of gangway's servers say: who is refused and why, which tool fails, who floods.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Gravity, Id, in_order, told};
use crate::core::requests::{Histogram, Missing, Period, Requests, Sender, Tally, Why};
use crate::core::text::{age, count, milliseconds};

/// Less of a kind may happen by chance.
const FEW: u64 = 3;
/// Requests without a token are how clients learn where to get one (MCP, Authorization), so there are always some.
const FEW_WITHOUT_TOKEN: u64 = 10;
/// A reason counts from this share of its sender's requests, in percent.
const SHARE: u64 = 20;
/// A server, or a tool, fails from this share of its requests, in percent.
const FAILING: u64 = 10;
/// Where so many of a server's requests fail, or are refused for one reason, it does not work, in percent.
const MOST: u64 = 50;
/// A client that asks less often floods nobody, in requests a minute.
const FLOOD: u64 = 300;
/// How many times of what it did before.
const FLOOD_TIMES: u64 = 4;
/// Fewer lines may be missing by chance: of those that a task wrote as it ended.
const FEW_MISSING: u64 = 20;
/// A log lacks lines from this share, in percent.
const MISSING: u64 = 5;
/// Counts that are younger may have come before the lines that they count, in milliseconds.
const ON_THE_WAY: i64 = 10_000;
/// By pieces of this length it is told what a client did before, in milliseconds: short, so that two of them fit before a
/// flood that begins soon after a server.
const PIECE: i64 = 10_000;
/// Fewer calls of a tool say nothing of how long it takes.
const CALLS: u64 = 4;
/// The time that shows how long a tool takes now, in milliseconds: short, so that what was before is told apart soon.
const NOW: i64 = 30_000;
/// A tool that takes so long is slow, whatever it took before, in milliseconds: people wait for its answer.
const SLOW: f64 = 10_000.0;
/// One that answers sooner than that is not slow, whatever it took before, in milliseconds.
const QUICK: f64 = 1_000.0;
/// How many times of what it took before.
const SLOW_TIMES: f64 = 4.0;

/// What was read longer ago than this says how it was at a time, not how it is: three reads of many groups may fail before.
pub const CURRENT: SignedDuration = SignedDuration::from_secs(90);

/// Up to when the lines were read, and what time it is.
#[derive(Clone, Copy)]
struct Clock {
    until: Timestamp,
    now: Timestamp,
}

impl Clock {
    fn current(self) -> bool {
        self.now.duration_since(self.until) <= CURRENT
    }

    /// A stretch before the end of what was read. One that is over says when it was, for the text stands until something
    /// newer is known.
    fn last(self, stretch: &str) -> String {
        match self.current() {
            true => format!("in the last {stretch}"),
            false => format!("in the {stretch} before {}", self.until.strftime("%H:%M UTC")),
        }
    }

    /// When something was.
    fn when(self, at: Timestamp) -> String {
        match self.current() {
            true => format!("{} ago", age(self.now, at)),
            false => at.strftime("at %H:%M:%S UTC").to_string(),
        }
    }
}

/// What is wrong with the traffic of each server, by its request lines of the last minutes before `until`, up to when
/// they were read. `name` is what a client is called, by its id.
pub fn of_traffic(
    counted: &Requests,
    name: &dyn Fn(&str) -> String,
    until: Timestamp,
    now: Timestamp,
) -> BTreeMap<String, Vec<Finding>> {
    let at = until.as_millisecond();
    let clock = Clock { until, now };
    let mut all: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    let floods = floods(counted, until);
    let flooding: BTreeSet<(&str, &str)> = floods.iter().map(|flood| (flood.server, flood.client)).collect();
    // The last minute alone shows what has just begun, five what happens seldom.
    for period in [Period::One, Period::Five] {
        for (server, tallies) in by_server(counted.tallies(period.millis(), 0, at)) {
            let seen = Seen { tallies, period, clock, flooding: &flooding, name };
            let known = all.entry(server.to_owned()).or_default();
            let new: Vec<_> =
                seen.findings().into_iter().filter(|new| !known.iter().any(|old| old.id == new.id)).collect();
            known.extend(new);
        }
    }
    let floods = floods.iter().map(|flood| (flood.server.to_owned(), flood.finding(clock, name)));
    for (server, finding) in floods.chain(slow(counted, clock)) {
        let known = all.entry(server).or_default();
        if !known.iter().any(|old| old.id == finding.id) {
            known.push(finding);
        }
    }
    for (server, finding) in told::told(counted, at) {
        all.entry(server.to_owned()).or_default().push(finding);
    }
    for (server, missing) in counted.missing(at - ON_THE_WAY) {
        all.entry(server.to_owned()).or_default().extend(dropped(missing, clock));
    }
    all.retain(|_, findings| !findings.is_empty());
    all.values_mut().for_each(|findings| in_order(findings));
    all
}

/// Whether so many refusals of so many requests are more than happen by chance, where nothing says why they were refused:
/// among them are those of clients that learn where to get a token.
pub fn refuses(refused: f64, requests: f64) -> bool {
    refused >= FEW_WITHOUT_TOKEN as f64 && refused * 100.0 >= requests * SHARE as f64
}

/// What there is more of in the requests of a server than happens by chance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Much {
    /// Requests that end for reasons of these kinds.
    pub kinds: BTreeSet<Id>,
    /// Requests that fail, for whatever reason.
    pub failed: bool,
}

/// The servers of which [`of_traffic`] says that requests fail, or are refused, by what was counted in one period before
/// `until`. That a client floods is left out of account, which takes longer to find out than a history has time for.
pub fn much<'a>(counted: Vec<Tally<'a>>, period: Period, until: Timestamp) -> BTreeMap<&'a str, Much> {
    let (flooding, clock) = (BTreeSet::new(), Clock { until, now: until });
    let troubled = by_server(counted).into_iter().filter(|(_, all)| all.iter().any(|one| one.errors + one.refused > 0));
    let judged = troubled.map(|(server, tallies)| {
        let seen = Seen { tallies, period, clock, flooding: &flooding, name: &str::to_owned };
        (server, seen.much())
    });
    judged.filter(|(_, much)| *much != Much::default()).collect()
}

/// That a server's log lacks lines that its tasks have written.
fn dropped(Missing { counted, missing, newest }: Missing, clock: Clock) -> Option<Finding> {
    (missing >= FEW_MISSING && missing * 100 >= counted * MISSING).then(|| {
        let at = Timestamp::from_millisecond(newest).ok();
        let fact = format!("its log has no line of {missing} of {counted} requests: they were dropped on the way");
        let last = at.map(|at| format!(", the last {}", clock.when(at))).unwrap_or_default();
        let evidence =
            format!("the tasks' own counts (event `metrics`){last}, against the request lines since the first");
        let finding = Finding::new(Id::LogsDropped, Gravity::Warning, fact, evidence).at(at);
        Finding { count: usize::try_from(missing).unwrap_or(usize::MAX), ..finding }
    })
}

fn by_server(tallies: Vec<Tally<'_>>) -> BTreeMap<&str, Vec<Tally<'_>>> {
    let mut all: BTreeMap<&str, Vec<Tally<'_>>> = BTreeMap::new();
    tallies.into_iter().for_each(|one| all.entry(&one.subject.server).or_default().push(one));
    all
}

/// The requests of a server in a period.
struct Seen<'a> {
    tallies: Vec<Tally<'a>>,
    period: Period,
    clock: Clock,
    /// Servers and the clients that flood them.
    flooding: &'a BTreeSet<(&'a str, &'a str)>,
    name: &'a dyn Fn(&str) -> String,
}

/// Requests of one sender that ended for reasons of one kind.
#[derive(Default)]
struct Group<'a> {
    senders: BTreeMap<Option<&'a Sender>, u64>,
    /// The reason of most of them.
    whys: BTreeMap<Why, u64>,
    requests: u64,
    newest: i64,
}

/// Requests by who sent them and for reasons of which kind they ended, so that each tally is set beside the others at once.
struct Sums<'a> {
    kinds: BTreeMap<(Option<&'a Sender>, Id), u64>,
    senders: BTreeMap<Option<&'a Sender>, u64>,
    calm: u64,
    newcomers: u64,
}

impl Sums<'_> {
    /// Whether a sender's requests of one kind are more than happens by chance. What is wrong with the server itself is
    /// seen in all that it does; nobody knows how many senders there are whose token says nothing.
    fn is_much(&self, id: Id, sender: Option<&Sender>) -> bool {
        let mut of_kind = self.kinds.get(&(sender, id)).copied().unwrap_or_default();
        if id == Id::NoToken {
            of_kind = of_kind.saturating_sub(self.newcomers);
        }
        let known = matches!(sender, Some(Sender::Client(_)));
        let of_all = if known { self.senders.get(&sender).copied().unwrap_or_default() } else { self.calm };
        let few = if id == Id::NoToken { FEW_WITHOUT_TOKEN } else { FEW };
        of_kind >= few && of_kind * 100 >= of_all * SHARE
    }
}

impl Seen<'_> {
    fn findings(&self) -> Vec<Finding> {
        let sums = self.sums();
        let mut kinds: BTreeMap<Id, Group<'_>> = BTreeMap::new();
        for one in &self.tallies {
            let Some((why, id)) = one.subject.why.and_then(|why| Some((why, of_why(why)?))) else { continue };
            if !sums.is_much(id, one.subject.sender.as_ref()) {
                continue;
            }
            let group = kinds.entry(id).or_default();
            *group.senders.entry(one.subject.sender.as_ref()).or_default() += one.requests;
            *group.whys.entry(why).or_default() += one.requests;
            group.requests += one.requests;
            group.newest = group.newest.max(one.newest);
        }
        let mut all: Vec<Finding> = kinds.into_iter().filter_map(|(id, group)| self.refused(id, &group)).collect();
        all.extend(self.tools());
        // Where a reason is known, that so many fail says nothing more.
        let failing = self.failing().filter(|_| !all.iter().any(|finding| finding.gravity == Gravity::Fault));
        all.extend(failing);
        all
    }

    fn much(&self) -> Much {
        let sums = self.sums();
        let kinds = sums.kinds.keys().filter(|(sender, id)| sums.is_much(*id, *sender)).map(|(_, id)| *id).collect();
        Much { kinds, failed: self.tools().is_some() || self.failing().is_some() }
    }

    fn sums(&self) -> Sums<'_> {
        let (mut kinds, mut senders) = (BTreeMap::new(), BTreeMap::new());
        for one in &self.tallies {
            let sender = one.subject.sender.as_ref();
            *senders.entry(sender).or_default() += one.requests;
            if let Some(id) = one.subject.why.and_then(of_why) {
                *kinds.entry((sender, id)).or_default() += one.requests;
            }
        }
        Sums { kinds, senders, calm: self.calm(), newcomers: self.newcomers() }
    }

    fn all(&self) -> u64 {
        self.tallies.iter().map(|one| one.requests).sum()
    }

    /// Without those who flood: beside them everything else is little.
    fn calm(&self) -> u64 {
        let floods = |one: &&Tally<'_>| {
            let client = one.subject.sender.as_ref().and_then(Sender::client);
            client.is_some_and(|client| self.flooding.contains(&(one.subject.server.as_str(), client)))
        };
        self.tallies.iter().filter(|one| !floods(one)).map(|one| one.requests).sum()
    }

    /// Those who have got a token, and begin: with `initialize`, with `server/discover`, or, where they need neither, with the
    /// list of tools. Each of them may have asked without a token before (MCP, Authorization).
    fn newcomers(&self) -> u64 {
        let first = |method: &str| {
            let asks = |one: &&Tally<'_>| match &one.subject.asked {
                Some(crate::core::requests::Asked::Method(name)) => name == method && one.subject.why.is_none(),
                _ => false,
            };
            self.tallies.iter().filter(asks).map(|one| one.requests).sum::<u64>()
        };
        (first("initialize") + first("server/discover")).max(first("tools/list"))
    }

    fn refused(&self, id: Id, group: &Group<'_>) -> Option<Finding> {
        let (why, _) = group.whys.iter().max_by_key(|(_, requests)| **requests)?;
        let (sender, most) = group.senders.iter().max_by_key(|(_, requests)| **requests)?;
        let of_server = matches!(id, Id::KeysUnavailable | Id::UpstreamFailing | Id::Saturated | Id::AnswersLate);
        let total = self.all();
        let who = match sender.and_then(Sender::client) {
            Some(client) => format!("client {}", (self.name)(client)),
            None => "whoever sends no signed token".to_owned(),
        };
        let others = match group.senders.len() {
            1 => String::new(),
            more => format!(" and {}", count(more - 1, "other")),
        };
        let many = count(usize::try_from(group.requests).unwrap_or(usize::MAX), "request");
        let fact = match of_server {
            true => format!("{}: {many} of {total} {}", id.reason(), self.when()),
            false => format!("{}: {who}{others}, {many} {}", id.reason(), self.when()),
        };
        let of_sender: u64 =
            self.tallies.iter().filter(|one| one.subject.sender.as_ref() == *sender).map(|one| one.requests).sum();
        let last = Timestamp::from_millisecond(group.newest).ok();
        let ago = last.map(|last| format!(", the last {}", self.clock.when(last))).unwrap_or_default();
        let share = if sender.is_some_and(|one| one.client().is_some()) {
            format!("{most} of its {of_sender}")
        } else {
            format!("{most} of {total}")
        };
        let evidence = format!("{share} requests {} (`{}`){ago}", why.says(), why.word());
        let gravity = if of_server || group.requests * 100 >= total * MOST { Gravity::Fault } else { Gravity::Warning };
        let finding = Finding::new(id, gravity, fact, evidence).at(last);
        Some(Finding { count: usize::try_from(group.requests).unwrap_or(usize::MAX), ..finding })
    }

    /// Tools most of whose calls fail, by what the tools say or by the status.
    fn tools(&self) -> Option<Finding> {
        let mut tools: BTreeMap<&str, (u64, u64, i64)> = BTreeMap::new();
        for one in self.tallies.iter().filter(|one| one.subject.why.and_then(of_why).is_none()) {
            let Some(crate::core::requests::Asked::Tool(tool)) = &one.subject.asked else { continue };
            let (all, failed, newest) = tools.entry(tool).or_default();
            (*all, *failed) = (*all + one.requests, *failed + one.errors);
            *newest = (*newest).max(if one.errors > 0 { one.newest } else { 0 });
        }
        let fails = |(_, (all, failed, _)): &(&str, (u64, u64, i64))| *failed >= FEW && failed * 100 >= all * MOST;
        let failing: Vec<_> = tools.into_iter().filter(fails).collect();
        let (worst, (all, failed, newest)) = failing.iter().max_by_key(|(_, (_, failed, _))| *failed)?;
        let others = match failing.len() {
            1 => String::new(),
            more => format!(" and {}", count(more - 1, "other")),
        };
        let fail = if failing.len() == 1 { "fails" } else { "fail" };
        let fact = format!("{worst}{others} {fail}: {failed} of {all} calls {}", self.when());
        let evidence = "its results say isError, or the status is 500 and above".to_owned();
        let finding = Finding::new(Id::ToolFailing, Gravity::Fault, fact, evidence);
        let finding = finding.at(Timestamp::from_millisecond(*newest).ok());
        Some(Finding { count: usize::try_from(*failed).unwrap_or(usize::MAX), ..finding })
    }

    /// A server of which many requests fail.
    fn failing(&self) -> Option<Finding> {
        let (all, failed) = (self.all(), self.tallies.iter().map(|one| one.errors).sum::<u64>());
        let newest = self.tallies.iter().filter(|one| one.errors > 0).map(|one| one.newest).max()?;
        (failed > FEW && failed * 100 >= all * FAILING).then(|| {
            let percent = failed as f64 * 100.0 / all as f64;
            let fact = format!("{percent:.0} % of its requests fail: {failed} of {all} {}", self.when());
            let evidence = "counted from its log: status 500 and above, and tool results that say isError";
            let finding = Finding::new(Id::RequestsFail, Gravity::Fault, fact, evidence);
            let finding = finding.at(Timestamp::from_millisecond(newest).ok());
            Finding { count: usize::try_from(failed).unwrap_or(usize::MAX), ..finding }
        })
    }

    fn when(&self) -> String {
        match self.period {
            Period::One => self.clock.last("minute"),
            other => self.clock.last(&format!("{} minutes", other.minutes())),
        }
    }
}

/// A client that asks much more often than it did before.
struct Flood<'a> {
    server: &'a str,
    client: &'a str,
    /// In the last minute.
    requests: u64,
    /// In a minute before that.
    usual: u64,
}

impl Flood<'_> {
    fn finding(&self, clock: Clock, name: &dyn Fn(&str) -> String) -> Finding {
        let Self { client, requests, usual, .. } = self;
        let fact = format!("client {} floods it: {requests} requests {}", name(client), clock.last("minute"));
        let evidence = format!("it sent about {usual} a minute before");
        let finding = Finding::new(Id::ClientFloods, Gravity::Warning, fact, evidence).at(Some(clock.until));
        Finding { count: usize::try_from(*requests).unwrap_or(usize::MAX), ..finding }
    }
}

/// Clients that flood. Without a before, nobody can tell.
fn floods(counted: &Requests, until: Timestamp) -> Vec<Flood<'_>> {
    let minute = Period::One.millis();
    let lately = of_clients(counted, minute, 0, until.as_millisecond());
    let many = lately.into_iter().filter(|(_, requests)| *requests >= FLOOD);
    let flood = |((server, client), requests)| {
        let usual = usual(counted, (server, client), until)?;
        (requests >= usual * FLOOD_TIMES).then_some(Flood { server, client, requests, usual })
    };
    many.filter_map(flood).collect()
}

/// How many requests a client sends in a minute as a rule: what it sent in the quieter pieces of the time before the last
/// minute, of which only a quarter were quieter still. The mean would follow a flood, which then were none any more. The
/// first piece after a silence is left out: it may have only its end in it.
fn usual(counted: &Requests, client: (&str, &str), until: Timestamp) -> Option<u64> {
    let (begin, end) = (Period::Fifteen.millis() / PIECE, Period::One.millis() / PIECE);
    let sent = |piece: i64| {
        let all = of_clients(counted, piece * PIECE, (piece - 1) * PIECE, until.as_millisecond());
        all.get(&client).copied().unwrap_or_default()
    };
    let pieces: Vec<u64> = (end + 1..=begin).rev().map(sent).collect();
    let goes_on = pieces.windows(2).filter(|two| two.iter().all(|sent| *sent > 0));
    let mut whole: Vec<u64> = goes_on.filter_map(|two| two.last().copied()).collect();
    whole.sort_unstable();
    let quiet = whole.get(whole.len() / 4)?;
    Some(quiet * Period::One.millis().unsigned_abs() / PIECE.unsigned_abs())
}

/// The requests of each client of each server, between two ages in milliseconds before `at`.
fn of_clients(counted: &Requests, from: i64, until: i64, at: i64) -> BTreeMap<(&str, &str), u64> {
    let mut all: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for one in counted.tallies(from, until, at) {
        if let Some(client) = one.subject.sender.as_ref().and_then(Sender::client) {
            *all.entry((&one.subject.server, client)).or_default() += one.requests;
        }
    }
    all
}

/// The slowest tool of each server, of those that take much longer than before, or long.
fn slow(counted: &Requests, clock: Clock) -> Vec<(String, Finding)> {
    let at = clock.until.as_millisecond();
    let enough = |latency: &&Histogram| latency.total() >= CALLS;
    let before = counted.latencies(Period::Fifteen.millis(), NOW, at);
    let mut worst: BTreeMap<&str, (f64, Finding)> = BTreeMap::new();
    for ((server, tool), latency) in counted.latencies(NOW, 0, at) {
        let Some(took) = Some(&latency).filter(enough).and_then(|latency| latency.percentile(95.0)) else { continue };
        // The median: a part of what was before may have been slow already.
        let usual = before.get(&(server, tool)).filter(enough).and_then(|latency| latency.percentile(50.0));
        let slower = usual.is_some_and(|usual| took >= QUICK && took >= usual * SLOW_TIMES);
        if !(slower || took >= SLOW) || worst.get(server).is_some_and(|(most, _)| *most >= took) {
            continue;
        }
        let fact = format!(
            "{tool} is slow: 5 % of its calls took {} or longer {}",
            milliseconds(took),
            clock.last("half minute")
        );
        let evidence = match usual {
            Some(usual) => format!(
                "the 95th percentile of {} calls; half of those before took {} or less",
                latency.total(),
                milliseconds(usual)
            ),
            None => format!("the 95th percentile of {} calls", latency.total()),
        };
        worst
            .insert(server, (took, Finding::new(Id::ToolSlow, Gravity::Warning, fact, evidence).at(Some(clock.until))));
    }
    worst.into_iter().map(|(server, (_, finding))| (server.to_owned(), finding)).collect()
}

/// What a reason means for an operator; `None` where it means nothing: a client that goes away is no fault, and one that
/// is kept out is so because an operator wants it.
pub fn of_why(why: Why) -> Option<Id> {
    Some(match why {
        Why::Gone | Why::Quarantine => return None,
        Why::NoToken | Why::TokenHeader => Id::NoToken,
        Why::TokenExpired => Id::TokenExpired,
        Why::Audience => Id::TokenAudience,
        Why::IdToken | Why::TokenUse => Id::IdToken,
        Why::TokenIssuer => Id::TokenIssuer,
        Why::Client => Id::ClientNotAllowed,
        Why::Scope => Id::ScopeMissing,
        Why::Keys => Id::KeysUnavailable,
        Why::Rate => Id::ClientFloods,
        Why::Busy | Why::Memory => Id::Saturated,
        Why::Slow => Id::AnswersLate,
        Why::BodySize | Why::BodyValues => Id::BodyTooLarge,
        Why::Origin | Why::Host => Id::PlaceRefused,
        Why::UpstreamGone | Why::UpstreamTimeout | Why::UpstreamTooLarge | Why::UpstreamOdd => Id::UpstreamFailing,
        Why::TokenTooLong
        | Why::TokenMalformed
        | Why::TokenAlgorithm
        | Why::TokenCritical
        | Why::TokenEncoding
        | Why::TokenType
        | Why::TokenNoKey
        | Why::TokenKeyUnknown
        | Why::TokenSignature
        | Why::TokenEarly
        | Why::TokenLife
        | Why::TokenClaim => Id::TokenInvalid,
        Why::Head
        | Why::ContentType
        | Why::Accept
        | Why::BodySlow
        | Why::BodyBroken
        | Why::BodyParse
        | Why::Protocol
        | Why::Path
        | Why::HttpMethod
        | Why::Upstream
        | Why::Unsaid => Id::RequestsRefused,
    })
}
