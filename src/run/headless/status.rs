//! `status`: the Fleet screen as text or JSON.

use futures::join;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::operations::tell_unfinished;
use super::others::Board;
use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::cloud::ErrorKind;
use crate::core::fleet::{Fleet, Server, Task};
use crate::core::health::{findings, verdict};
use crate::core::text::age;
use crate::core::unread::Read;
use crate::run::Session;

/// Prints the health of one server, or of all if none is named.
///
/// # Errors
/// When it cannot be read or written, or there is no such server.
pub async fn status(session: &Session, server: Option<&str>, output: Output) -> Result<Exit, Failure> {
    let (fleet, board) = join!(session.cloud.fleet(&session.context.cluster), Board::read(session));
    let fleet = fleet?;
    if let Some(name) = server.filter(|name| fleet.server(name).is_none()) {
        let known: Vec<&str> = fleet.servers.iter().map(|server| server.name.as_str()).collect();
        let message = format!("there is no server {name:?} in cluster {}", session.context.cluster);
        return Err(Failure::refused(ErrorKind::NotFound, message, format!("it has {}", known.join(", "))));
    }
    let chosen: Vec<&Server> = fleet.servers.iter().filter(|one| server.is_none_or(|name| name == one.name)).collect();
    let now = Timestamp::now();
    let result = match output {
        Output::Json => print_json(&document(session, &fleet, &board, &chosen, now)),
        Output::Text => line(&[vec![text(session, &chosen, now)], board.lines(now)].concat().join("\n")),
    };
    written(result)?;
    fleet.unread().iter().for_each(|part| progress(&format!("warning: {part}")));
    board.warn();
    tell_unfinished(session);
    Ok(Exit::Done)
}

fn document(session: &Session, fleet: &Fleet, board: &Board, servers: &[&Server], now: Timestamp) -> Value {
    let one = |server: &&Server| {
        let counted = server.healthy_targets().map(|(healthy, total)| json!({ "healthy": healthy, "total": total }));
        let targets = server.targets.result().map(|_| counted).map_err(Clone::clone);
        json!({
            "name": server.name,
            "verdict": verdict(server, now),
            "desired": server.desired,
            "running": server.running,
            "pending": server.pending,
            "targets": Read::from(targets),
            "task_definition": server.task_definition,
            "autoscaling": server.bounds,
            "deployments": server.deployments,
            "findings": findings(server, now),
            "tasks": server.tasks,
            "arn": server.arn,
        })
    };
    json!({
        "environment": session.context.environment,
        "cluster": session.context.cluster,
        "region": session.context.region,
        "at": now,
        "servers": servers.iter().map(one).collect::<Vec<_>>(),
        "operations": board.document(),
        "gaps": fleet.unread().into_iter().chain(board.unread()).collect::<Vec<_>>(),
    })
}

fn text(session: &Session, servers: &[&Server], now: Timestamp) -> String {
    if servers.is_empty() {
        return format!("no server in cluster {}; `quarterdeck deploy` makes them", session.context.cluster);
    }
    let mut out =
        format!("{:<20} {:<10} {:>7} {:>9} {:<12} TASK DEFINITION", "SERVER", "HEALTH", "TASKS", "TARGETS", "ROLLOUT");
    for server in servers {
        let targets = server.target_count();
        let rollout = server.primary().map(|primary| primary.rollout.word().to_lowercase()).unwrap_or_default();
        let tasks = format!("{}/{}", server.running, server.desired);
        let definition = server.task_definition.rsplit('/').next().unwrap_or_default();
        let word = verdict(server, now).word();
        out += &format!("\n{:<20} {word:<10} {tasks:>7} {targets:>9} {rollout:<12} {definition}", server.name);
        for finding in findings(server, now) {
            let colon = if finding.evidence.is_empty() { "" } else { ": " };
            out += &format!("\n    {}{colon}{}", finding.fact, finding.evidence);
        }
        if servers.len() == 1 {
            out += &tasks_of(server, now);
        }
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
