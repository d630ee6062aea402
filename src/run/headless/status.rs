//! `status`: the Fleet screen as text or JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::cloud::ErrorKind;
use crate::core::fleet::{Fleet, Server};
use crate::core::health::{findings, verdict};
use crate::core::operation::verify::stop_reason;
use crate::core::text::age;
use crate::run::Session;

/// Prints the health of one server or all.
///
/// # Errors
/// When it cannot be read or written, or there is no such server.
pub async fn status(session: &Session, server: Option<&str>, output: Output) -> Result<Exit, Failure> {
    let fleet = session.cloud.fleet(&session.context.cluster).await?;
    if let Some(name) = server.filter(|name| fleet.server(name).is_none()) {
        let known: Vec<&str> = fleet.servers.iter().map(|server| server.name.as_str()).collect();
        let message = format!("there is no server {name:?} in cluster {}", session.context.cluster);
        return Err(Failure::refused(ErrorKind::NotFound, message, format!("it has {}", known.join(", "))));
    }
    let chosen: Vec<&Server> = fleet.servers.iter().filter(|one| server.is_none_or(|name| name == one.name)).collect();
    let now = Timestamp::now();
    let result = match output {
        Output::Json => print_json(&document(session, &fleet, &chosen, now)),
        Output::Text => line(&text(session, &chosen, now)),
    };
    written(result)?;
    fleet.gaps.iter().for_each(|gap| progress(&format!("warning: {gap}")));
    Ok(Exit::Done)
}

fn document(session: &Session, fleet: &Fleet, servers: &[&Server], now: Timestamp) -> Value {
    let one = |server: &&Server| {
        let (healthy, total) = server.healthy_targets().unzip();
        json!({
            "name": server.name,
            "verdict": verdict(server, now),
            "desired": server.desired,
            "running": server.running,
            "pending": server.pending,
            "targets": { "healthy": healthy, "total": total },
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
        "gaps": fleet.gaps,
    })
}

fn text(session: &Session, servers: &[&Server], now: Timestamp) -> String {
    if servers.is_empty() {
        return format!("no server in cluster {}; `quarterdeck deploy` makes them", session.context.cluster);
    }
    let mut out =
        format!("{:<20} {:<10} {:>7} {:>9} {:<12} TASK DEFINITION", "SERVER", "HEALTH", "TASKS", "TARGETS", "ROLLOUT");
    for server in servers {
        let targets = server.healthy_targets().map_or("?".into(), |(healthy, all)| format!("{healthy}/{all}"));
        let rollout = server.primary().map(|primary| primary.rollout.to_lowercase()).unwrap_or_default();
        let tasks = format!("{}/{}", server.running, server.desired);
        let definition = server.task_definition.rsplit('/').next().unwrap_or_default();
        let word = verdict(server, now).word();
        out += &format!("\n{:<20} {word:<10} {tasks:>7} {targets:>9} {rollout:<12} {definition}", server.name);
        for finding in findings(server, now) {
            let colon = if finding.evidence.is_empty() { "" } else { ": " };
            out += &format!("\n    {}{colon}{}", finding.fact, finding.evidence);
        }
        for task in server.tasks.iter().filter(|_| servers.len() == 1) {
            let since = task.stopped_at.or(task.started_at).map(|at| age(now, at)).unwrap_or_default();
            let why = if task.stopped() { stop_reason(task) } else { task.address.clone().unwrap_or_default() };
            out += &format!("\n    task {} {} {since} {why}", task.id(), task.last_status.to_lowercase());
        }
    }
    out
}
