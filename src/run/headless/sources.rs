//! Which log groups a command reads: those of servers, and those named.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Interval;

use super::logs::LogsOptions;
use super::{Failure, progress};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::environment::names;
use crate::core::error::Refusal;
use crate::core::fleet::{Fleet, Server};
use crate::core::logs::{ContainerLog, Followed, Owners, group};
use crate::run::{Session, read};

/// How long a log that is named may wait for whose lines it holds.
const TELLING: Duration = Duration::from_secs(3);

/// What `logs` reads. Says on stderr which logs of the servers are not read here.
pub(super) async fn sources(session: &Session, options: &LogsOptions) -> Result<Followed, Failure> {
    let typed = typed(session, options);
    if !typed.is_empty() && options.servers.is_empty() {
        // The servers are wanted only to tell whose lines they are: without them, lines bear the group's name.
        let fleet = tokio::time::timeout(TELLING, asked(session, &[])).await;
        let fleet = fleet.ok().and_then(Result::ok).unwrap_or_default();
        return Ok(followed(session, &fleet, options));
    }
    let fleet = asked(session, &options.servers).await?;
    check(session, &fleet, &options.servers).await?;
    let followed = followed(session, &fleet, options);
    tell(&followed.owners);
    if followed.groups.is_empty() && !(options.follow && fleet.servers.is_empty()) {
        return Err(nothing_to_read(session, &followed.owners).into());
    }
    Ok(followed)
}

/// Looks again and again for servers that came, went or changed where they log, and follows those that are there
/// now. Ends when nobody follows any more.
pub(super) async fn refresh(
    session: Session,
    options: LogsOptions,
    following: watch::Sender<Followed>,
    mut tick: Interval,
) {
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = following.closed() => return,
        }
        // A fleet that cannot be read now is read at the next tick; what was followed goes on.
        let Ok(fleet) = asked(&session, &options.servers).await else { continue };
        let now = followed(&session, &fleet, &options);
        following.send_if_modified(|before| {
            let changed = !now.groups.is_empty() && *before != now;
            if changed {
                now.groups.iter().filter(|group| !before.groups.contains(group)).for_each(|group| {
                    progress(&format!("quarterdeck: follows {group} from now on"));
                });
                before.clone_from(&now);
            }
            changed
        });
    }
}

/// The log groups of these servers, of all if none is named, and whose lines lie in them. What is not read here
/// is told on stderr.
pub(super) async fn of_servers(session: &Session, wanted: &[String]) -> Result<Followed, Failure> {
    let fleet = asked(session, wanted).await?;
    check(session, &fleet, wanted).await?;
    let owners = Owners::of(&fleet, session.context.ours()).only(names(&fleet, wanted));
    tell(&owners);
    let groups = owners.groups();
    if groups.is_empty() {
        return Err(nothing_to_read(session, &owners).into());
    }
    Ok(Followed { groups, owners: Arc::new(owners) })
}

/// The servers that are asked about, or all. Where others may write to the same log groups, all are needed to tell
/// whose a line is. Targets tell nothing about it.
async fn asked(session: &Session, servers: &[String]) -> CloudResult<Fleet> {
    let cluster = &session.context.cluster;
    if !servers.is_empty() {
        let fleet = session.cloud.fleet_of(cluster, servers).await?;
        if alone(session, &fleet) {
            return Ok(fleet);
        }
    }
    session.cloud.fleet_logs(cluster).await
}

/// Whether each of these servers has its log group for itself, as the templates make it.
fn alone(session: &Session, fleet: &Fleet) -> bool {
    let own = |environment: &str, server: &Server| {
        let own = names::log_group(environment, &server.name);
        let logs = server.logs.known().map(Vec::as_slice).unwrap_or_default();
        logs.iter().filter_map(ContainerLog::group).all(|group| group == own)
    };
    session.context.ours().is_some_and(|environment| fleet.servers.iter().all(|server| own(environment, server)))
}

fn typed(session: &Session, options: &LogsOptions) -> Vec<String> {
    options.groups.iter().map(|text| group::typed(text, &session.context.region)).collect()
}

fn followed(session: &Session, fleet: &Fleet, options: &LogsOptions) -> Followed {
    let typed = typed(session, options);
    let owners = Owners::of(fleet, session.context.ours());
    let owners = owners.only(names(fleet, &options.servers)).whole(typed.iter().cloned());
    let of_servers = if typed.is_empty() || !options.servers.is_empty() { owners.groups() } else { Vec::new() };
    let mut groups: Vec<String> = typed.into_iter().chain(of_servers).collect();
    groups.sort();
    groups.dedup();
    Followed { groups, owners: Arc::new(owners) }
}

/// The names of the servers that were typed by name or ARN. One that is not there yet stays as it was typed.
fn names(fleet: &Fleet, typed: &[String]) -> Vec<String> {
    typed.iter().map(|typed| fleet.server(typed).map_or_else(|| typed.clone(), |server| server.name.clone())).collect()
}

async fn check(session: &Session, fleet: &Fleet, wanted: &[String]) -> Result<(), Failure> {
    let Some(unknown) = wanted.iter().find(|name| fleet.server(name).is_none()) else { return Ok(()) };
    match fleet.unreadable(unknown) {
        Some(unreadable) => Err(unreadable.why.clone().into()),
        None => Err(read::no_server(session, unknown).await.into()),
    }
}

/// Says which logs are not read here, and why.
fn tell(owners: &Owners) {
    for one in owners.elsewhere() {
        progress(&format!("quarterdeck: not read: {}: {}", one.server, one.why));
    }
}

fn nothing_to_read(session: &Session, owners: &Owners) -> Refusal {
    let why: Vec<String> = owners.elsewhere().map(|one| format!("{}: {}", one.server, one.why)).collect();
    if why.is_empty() {
        let message = format!("there is no server in cluster {}, so there is no log", session.context.cluster);
        return Refusal::new(ErrorKind::NotFound, message);
    }
    // What could not be read is a failure, and not something that is not there.
    if let Some(kind) = owners.elsewhere().find_map(|one| one.unread) {
        return Refusal::new(kind, format!("no log can be read: {}", why.join("; ")))
            .with_hint("name its log group with --group");
    }
    Refusal::new(ErrorKind::NotFound, format!("no log is in CloudWatch Logs: {}", why.join("; ")))
        .with_hint("read it where that driver sends it, or name a log group with --group")
}
