//! `status`: the Fleet screen as text or JSON.

use std::time::Duration;

use futures::join;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::operations::tell_unfinished;
use super::others::Board;
use super::report::Report;
use super::traffic::Traffic;
use super::zones::Out;
use super::{Exit, Failure, Output, progress};
use crate::cloud::CloudResult;
use crate::core::finding::of_server;
use crate::core::fleet::{Counted, Fleet, Served, Server, Task, Unreadable};
use crate::core::health::{Cause, Finding, Gravity, Verdict, verdict, verdict_by};
use crate::core::text::age;
use crate::core::unread::Read;
use crate::run::{Session, read, words};

/// What `status` tells, and by which code; these docs are the command's help.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(about = None, long_about = None)]
pub struct StatusOptions {
    /// The server.
    pub server: Option<String>,
    /// End with code 1 where a server is not well: `warning` where anything is wrong or was not read, `failed` where
    /// a server is degraded or down. Without a server at all the code is 3.
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub fail_on: Option<FailOn>,
    /// Wait so long (90s, 10m) until every server is healthy or stopped; the code is 1 where one is not by then.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
}

/// From which level on `status` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    /// Something is wrong, or was not read.
    Warning,
    /// A server is degraded or down.
    Failed,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    parsed.and_then(|parsed| Duration::try_from(parsed).ok()).ok_or_else(|| "a duration such as 90s or 10m".to_owned())
}

/// Time between two looks while waiting.
const LOOK: Duration = Duration::from_secs(3);
/// The same where traffic alone is waited for.
const LOOK_AT_TRAFFIC: Duration = Duration::from_secs(15);

/// Prints the health of one server, or of all if none is named.
///
/// # Errors
/// When it cannot be read or written, or there is no such server.
pub async fn status(session: &Session, options: &StatusOptions, output: Output) -> Result<Exit, Failure> {
    report(session, options).await?.print(output)
}

/// Finds out what [`status`] prints.
pub(super) async fn report(session: &Session, options: &StatusOptions) -> Result<Report, Failure> {
    let server = options.server.as_deref();
    let (look, board, out) = match options.wait {
        Some(limit) => (wait(session, server, limit).await, Board::read(session).await, Out::read(session).await),
        None => join!(Look::take(session, server), Board::read(session), Out::read(session)),
    };
    let look = look?;
    let Look { fleet, traffic, now } = &look;
    if let Some(name) = server {
        find(session, fleet, name).await?;
    }
    let chosen = look.judged(session, server);
    let unreadable = if server.is_some() { &[] } else { fleet.unreadable.as_slice() };
    let unread = match (server, chosen.as_slice()) {
        (Some(_), [one]) => [fleet.unread_of(&one.server.name), fleet.unread_of_all()].concat(),
        _ => fleet.unread(),
    };
    let mut warnings: Vec<String> = unread.iter().map(ToString::to_string).collect();
    warnings.extend(traffic.gaps.iter().map(|gap| format!("not read: {gap}")));
    warnings.extend(board.warnings());
    warnings.extend(out.gap().map(|gap| format!("not read: {gap}")));
    tell_unfinished(session);
    let judged = options.fail_on.or(options.wait.map(|_| FailOn::Failed));
    let exit = match judged {
        Some(_) if chosen.is_empty() && unreadable.is_empty() => Exit::NotFound,
        Some(_) if options.wait.is_some() && !all_well(&chosen) => Exit::Failed,
        Some(level) if !unreadable.is_empty() || chosen.iter().any(|one| one.fails(level)) => Exit::Failed,
        Some(FailOn::Warning) if !unread.is_empty() || !traffic.gaps.is_empty() => Exit::Failed,
        _ => Exit::Done,
    };
    let shared = traffic.below.shared(chosen.iter().map(|one| one.findings.as_slice()));
    let below = shared.iter().map(|finding| format!("all servers: {}: {}", finding.fact, finding.evidence)).collect();
    let text =
        [vec![text(session, &chosen, unreadable, *now)], below, out.lines(*now), board.lines(*now)].concat().join("\n");
    let mut document = document(session, fleet, &board, &chosen, traffic, *now);
    document["zonal_shift"] = out.document();
    Ok(Report { text, document, warnings, exit })
}

/// What is judged: the servers, and their traffic at the same time.
struct Look {
    fleet: Fleet,
    traffic: Traffic,
    now: Timestamp,
}

impl Look {
    async fn take(session: &Session, server: Option<&str>) -> CloudResult<Self> {
        let mut fleet = asked(session, server).await?;
        let gaps = words::fill(session, &mut fleet).await;
        let mut traffic = Traffic::read(session, &fleet).await;
        traffic.gaps.extend(gaps);
        Ok(Self { fleet, traffic, now: Timestamp::now() })
    }

    /// The server of this name or ARN, or all.
    fn judged(&self, session: &Session, server: Option<&str>) -> Vec<Judged<'_>> {
        chosen(&self.fleet, server).into_iter().map(|one| Judged::of(session, one, &self.traffic, self.now)).collect()
    }
}

fn chosen<'a>(fleet: &'a Fleet, server: Option<&str>) -> Vec<&'a Server> {
    match server {
        Some(name) => fleet.server(name).into_iter().collect(),
        None => fleet.servers.iter().collect(),
    }
}

/// Whether there are servers, and each is healthy or stopped.
fn all_well(servers: &[Judged<'_>]) -> bool {
    !servers.is_empty() && servers.iter().all(Judged::well)
}

/// A server, and what is wrong with it and with its traffic.
struct Judged<'a> {
    server: &'a Server,
    findings: Vec<Finding>,
    verdict: Verdict,
}

impl<'a> Judged<'a> {
    fn of(session: &Session, server: &'a Server, traffic: &Traffic, now: Timestamp) -> Self {
        let findings = of_server(server, &[], &traffic.of(session, server, now), now);
        let findings = traffic.below.under(&server.name, findings);
        let verdict = verdict_by(server, &findings, now);
        Self { server, findings, verdict }
    }

    fn well(&self) -> bool {
        matches!(self.verdict, Verdict::Healthy | Verdict::Stopped)
    }

    /// What it is waited for, in a line that changes only when something does.
    fn waited_for(&self) -> String {
        let Self { server, findings, verdict } = self;
        let cause = Cause::of(findings).filter(|cause| cause.finding.gravity == Gravity::Fault);
        let cause = cause.map(|cause| format!(" ({})", cause.finding.id.word())).unwrap_or_default();
        let (word, targets) = (verdict.word(), server.target_count());
        format!("{} is {word}{cause}: {}/{} running, targets {targets}", server.name, server.running, server.wanted())
    }

    /// Whether it is not well enough for this level.
    fn fails(&self, level: FailOn) -> bool {
        let failed = matches!(self.verdict, Verdict::Degraded | Verdict::Down);
        let wrong = || self.verdict == Verdict::Unknown || Cause::of(&self.findings).is_some();
        failed || (level == FailOn::Warning && wrong())
    }
}

/// Looks, once at least, until every server is healthy or stopped, or the time is over, and says what changes; returns what
/// it saw last, traffic included, so that whoever waits is told what [`status`] would tell. A read that fails is no end:
/// the next one may not.
///
/// The traffic is read where nothing else is waited for: it takes calls of a low quota.
async fn wait(session: &Session, server: Option<&str>, limit: Duration) -> CloudResult<Look> {
    let mut said = String::new();
    let end = tokio::time::Instant::now() + limit;
    loop {
        let mut pause = LOOK;
        if let Ok(fleet) = asked(session, server).await {
            let now = Timestamp::now();
            let well = |one: &&Server| matches!(verdict(one, now), Verdict::Healthy | Verdict::Stopped);
            let unreadable = server.is_none() && !fleet.unreadable.is_empty();
            let running = chosen(&fleet, server).iter().all(well) && !unreadable;
            let traffic = if running { Traffic::read(session, &fleet).await } else { Traffic::default() };
            let look = Look { fleet, traffic, now };
            let judged = look.judged(session, server);
            if running && all_well(&judged) {
                return Ok(look);
            }
            let news = judged.iter().filter(|one| !one.well()).map(Judged::waited_for);
            let news = news.collect::<Vec<_>>().join("; ");
            if !news.is_empty() && news != said {
                progress(&news);
                said = news;
            }
            if running {
                pause = LOOK_AT_TRAFFIC;
            }
        }
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() {
            return Look::take(session, server).await;
        }
        tokio::time::sleep(pause.min(left)).await;
    }
}

/// What is asked about is what is read.
async fn asked(session: &Session, server: Option<&str>) -> CloudResult<Fleet> {
    let cluster = &session.context.cluster;
    match server {
        Some(name) => session.cloud.fleet_of(cluster, &[name.to_owned()]).await,
        None => session.cloud.fleet(cluster).await,
    }
}

/// That there is a server of this name or ARN, and that it could be read.
async fn find(session: &Session, fleet: &Fleet, name: &str) -> Result<(), Failure> {
    if let Some(unreadable) = fleet.unreadable(name) {
        return Err(unreadable.why.clone().into());
    }
    match fleet.server(name) {
        Some(_) => Ok(()),
        None => Err(read::no_server(session, name).await.into()),
    }
}

/// The balancer that finds the fewest tasks: what one has says nothing about another.
fn targets(server: &Server) -> Read<Value> {
    let worst = server.served().next();
    let counted = worst.as_ref().and_then(Served::counted);
    let counts = |of: Counted| json!({ "healthy": of.healthy, "total": of.registered, "wanted": of.wanted });
    match worst {
        Some(Served::Unread(_, why)) => Read::NotRead(why.clone()),
        _ => Read::Known(counted.map_or(Value::Null, counts)),
    }
}

/// Every target group that counts, with its own numbers.
fn target_groups(server: &Server) -> Vec<Value> {
    let one = |served: Served<'_>| {
        let group = served.group();
        let counted = served.counted();
        json!({
            "name": group.name,
            "healthy": counted.map(|of| of.healthy),
            "total": counted.map(|of| of.registered),
            "wanted": counted.map(|of| of.wanted),
            "targets": group.targets,
        })
    };
    server.served().map(one).collect()
}

fn document(
    session: &Session,
    fleet: &Fleet,
    board: &Board,
    servers: &[Judged<'_>],
    traffic: &Traffic,
    now: Timestamp,
) -> Value {
    let one = |judged: &Judged<'_>| {
        let server = judged.server;
        json!({
            "name": server.name,
            "verdict": judged.verdict,
            "desired": server.desired,
            "running": server.running,
            "pending": server.pending,
            "shape": server.shape,
            "targets": targets(server),
            "target_groups": target_groups(server),
            "task_definition": server.task_definition,
            "autoscaling": server.bounds,
            "deployments": server.deployments,
            "findings": judged.findings,
            "tasks": server.tasks,
            "arn": server.arn,
        })
    };
    let unread = fleet.unread().into_iter().chain(board.unread()).map(|part| json!(part));
    let gaps: Vec<Value> =
        unread.chain(traffic.gaps.iter().map(|gap| json!({ "part": "traffic", "why": gap }))).collect();
    json!({
        "environment": session.context.environment,
        "cluster": session.context.cluster,
        "region": session.context.region,
        "at": now,
        "servers": servers.iter().map(one).collect::<Vec<_>>(),
        "shared": traffic.below.shared(servers.iter().map(|one| one.findings.as_slice())),
        "operations": board.document(),
        "gaps": gaps,
    })
}

fn text(session: &Session, servers: &[Judged<'_>], unreadable: &[Unreadable], now: Timestamp) -> String {
    if servers.is_empty() && unreadable.is_empty() {
        return format!("no server in cluster {}; `quarterdeck deploy` makes them", session.context.cluster);
    }
    let mut out =
        format!("{:<20} {:<10} {:>7} {:>9} {:<12} TASK DEFINITION", "SERVER", "HEALTH", "TASKS", "TARGETS", "ROLLOUT");
    for Judged { server, findings, verdict } in servers {
        let targets = server.target_count();
        let rollout = server.rollout();
        let tasks = format!("{}/{}", server.running, server.wanted());
        let definition = server.task_definition.rsplit('/').next().unwrap_or_default();
        let word = verdict.word();
        out += &format!("\n{:<20} {word:<10} {tasks:>7} {targets:>9} {rollout:<12} {definition}", server.name);
        let shape = server.shape.words();
        if !shape.is_empty() {
            out += &format!("\n    {}", shape.join(", "));
        }
        for finding in findings {
            let colon = if finding.evidence.is_empty() { "" } else { ": " };
            out += &format!("\n    {}{colon}{}", finding.fact, finding.evidence);
        }
        if servers.len() == 1 && unreadable.is_empty() {
            out += &tasks_of(server, now);
        }
    }
    for Unreadable { name, .. } in unreadable {
        out += &format!("\n{name:<20} {:<10} {:>7} {:>9} {:<12} ?", "unknown", "?", "?", "?");
    }
    out
}

fn tasks_of(server: &Server, now: Timestamp) -> String {
    let tasks = match &server.tasks {
        Read::Known(tasks) => tasks,
        Read::NotRead(why) => return format!("\n    tasks not read: {why}"),
    };
    let line = |task: &Task| {
        let since = task.stopped_at.or(task.started_at).map(|at| age(now, at)).unwrap_or_default();
        let why = if task.stopped() { task.stop_reason() } else { task.address.clone().unwrap_or_default() };
        format!("\n    task {} {} {since} {why}", task.id(), task.last_status.word().to_lowercase())
    };
    tasks.iter().map(line).collect()
}
