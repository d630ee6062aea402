//! What is wrong with the servers, and with what they share.

use jiff::{SignedDuration, Timestamp};

use super::looks::{keep_measured, keep_said};
use super::{figures, server};
use crate::console::model::Model;
use crate::console::screens::requests;
use crate::core::environment::names;
use crate::core::finding::{
    Below, Seen, Subject, drift, in_order, of_alarms, of_edge, of_firewall, of_gone, of_metrics, of_server, of_stacks,
};
use crate::core::fleet::{Fleet, Server};
use crate::core::health::{Cause, Finding, findings};
use crate::core::metrics::Measured;
use crate::core::stack::Stack;
use crate::core::text::age;
use crate::core::unread::Read;

/// Figures that were read longer ago show how it was: two reads may fail before.
const MEASURED_NOW: SignedDuration = SignedDuration::from_mins(3);

/// The stacks of the environment whose last change failed. They are read only where something is not well.
pub fn failed(model: &Model) -> Vec<Seen> {
    let stacks = model.screens.stack.remote.get().map(Vec::as_slice).unwrap_or_default();
    let (watched, detail) = (&model.screens.stack.watched, model.screens.stack.detail.get());
    let seen = |stack: &Stack| {
        let detail = detail.filter(|_| watched.as_ref() == Some(&stack.id));
        (stack.clone(), detail.cloned().map(Read::Known))
    };
    stacks.iter().filter(|stack| stack.status.failed()).map(seen).collect()
}

/// What is wrong with a server, as `why` finds it.
pub fn found(model: &Model, server: &Server, failed: &[Seen]) -> Vec<Finding> {
    model.screens.fleet.below.under(&server.name, own(model, server, failed))
}

/// What its own parts and its traffic show.
fn own(model: &Model, server: &Server, failed: &[Seen]) -> Vec<Finding> {
    let traffic = traffic(model, server);
    if failed.is_empty() && traffic.is_empty() {
        return findings(server, model.now);
    }
    let own = names::stack(&model.context.environment, &server.name);
    let of_it: Vec<Seen> = failed.iter().filter(|(stack, _)| stack.id.name == own).cloned().collect();
    of_server(server, &of_it, &traffic, model.now)
}

/// The same with what is not as the file or the stack says, for whoever looks at this server.
pub fn told(model: &Model, server: &Server) -> Vec<Finding> {
    let mut all = found(model, server, &failed(model));
    let own = names::stack(&model.context.environment, &server.name);
    let stacks = model.screens.stack.remote.get().into_iter().flatten();
    all.extend(stacks.filter(|stack| stack.id.name == own).flat_map(|stack| drift(Some(server), stack)));
    in_order(&mut all);
    all
}

/// What is wrong with a server's traffic: by its request lines, as far as they are read, by CloudWatch's figures,
/// and by its alarms.
fn traffic(model: &Model, server: &Server) -> Vec<Finding> {
    let mut all = requests::found(model, &server.name);
    if let Some((figures, at)) = figures(model, &server.name) {
        // Those off the screen are not measured again: what they showed stands, with its age.
        let mut seen = of_metrics(server, figures, at);
        if model.now.duration_since(at) > MEASURED_NOW {
            let ago = format!(", as read {} ago", age(model.now, at));
            seen.iter_mut().for_each(|one| one.fact.push_str(&ago));
        }
        all.extend(seen);
    }
    all.extend(raised(model, Some(&server.name)));
    all
}

/// The alarms that are raised, of a server, or of what all servers share.
fn raised(model: &Model, server: Option<&str>) -> Vec<Finding> {
    let environment = model.context.ours();
    let measured = model.screens.fleet.metrics.get();
    let alarms = environment.zip(measured).map(|(environment, measured)| measured.alarms_of(environment, server));
    let mut all = of_alarms(&alarms.unwrap_or_default());
    if server.is_none() {
        all.extend(in_front(model.screens.fleet.metrics.get().map(AsRef::as_ref), model.now));
    }
    all
}

/// What is wrong in front of all servers: what the firewall blocks, and what CloudFront does not get answered.
fn in_front(measured: Option<&Measured>, now: Timestamp) -> Vec<Finding> {
    let found = |measured: &Measured| [of_firewall(&measured.firewall, now), of_edge(measured, now)].concat();
    measured.map(found).unwrap_or_default()
}

/// What is wrong with each server, and with the stacks that all share.
pub fn subjects(model: &Model) -> Vec<Subject<'_>> {
    let failed = failed(model);
    let fleet = model.screens.fleet.remote.get();
    let mut all = Vec::new();
    for server in fleet.into_iter().flat_map(|fleet| &fleet.servers) {
        all.push(Subject { server: Some(&server.name), findings: found(model, server, &failed) });
    }
    let prefix = names::stack_prefix(&model.context.environment);
    let mut shared = Vec::new();
    for stack in model.screens.stack.remote.get().into_iter().flatten() {
        let part = stack.id.name.strip_prefix(&prefix).unwrap_or(&stack.id.name);
        let seen: Vec<Seen> = failed.iter().filter(|(one, _)| one.id == stack.id).cloned().collect();
        if names::is_shared(part) {
            shared.extend(of_stacks(&seen));
        } else if !seen.is_empty() && server(model, part).is_none() {
            // A service whose creation failed is gone, and its stopped tasks are all that is left to say why.
            let gone = fleet.map(|fleet| of_gone(part, &fleet.gone, model.now)).unwrap_or_default();
            let mut findings: Vec<Finding> = gone.into_iter().chain(of_stacks(&seen)).collect();
            in_order(&mut findings);
            all.push(Subject { server: Some(part), findings });
        }
    }
    shared.extend(raised(model, None));
    shared.extend(model.screens.fleet.below.shared(all.iter().map(|one| one.findings.as_slice())));
    in_order(&mut shared);
    all.push(Subject { server: None, findings: shared });
    all
}

/// Takes that the fleet was read: whether all is well is found out once, and not at every step.
pub(in crate::console) fn read(model: &mut Model) {
    keep_measured(model);
    keep_said(model);
    let now = model.now;
    let issues = model.screens.fleet.issues.get().cloned().flatten().unwrap_or_default();
    let servers = model.screens.fleet.remote.get().map(|fleet| fleet.servers.as_slice()).unwrap_or_default();
    let shifts = model.screens.fleet.shifts.get().and_then(|found| found.as_ref().ok());
    let out = shifts.and_then(|shifts| Some((shifts.shift.as_ref()?.away_from.clone(), shifts.name.clone())));
    let out = out.into_iter().flat_map(|(id, name)| [Some(id), name]).flatten().collect();
    model.screens.fleet.below = Below::of(servers, issues, now).without(out);
    let state = &model.screens.fleet;
    let measured =
        |server: &Server| state.measured.get(&server.name).map(|(of, at)| of_metrics(server, &of.figures, *at));
    let wrong = |server: &Server| {
        Cause::of(&findings(server, now)).is_some() || measured(server).is_some_and(|found| !found.is_empty())
    };
    let raised = !state
        .metrics
        .get()
        .and_then(|one| one.alarms.known())
        .is_none_or(|all| of_alarms(&all.iter().collect::<Vec<_>>()).is_empty());
    let raised = raised || !in_front(state.metrics.get().map(AsRef::as_ref), now).is_empty();
    let unwell = |fleet: &Fleet| fleet.no_cluster || !fleet.gone.is_empty() || fleet.servers.iter().any(wrong);
    model.screens.fleet.unwell = raised || model.screens.fleet.remote.get().is_some_and(unwell);
}
