//! Plans for one service: scale, restart, roll back, stop a task.

use super::deploy::deployed;
use super::deployments::baking;
use super::{refused, unread};
use crate::cloud::ErrorKind;
use crate::core::cost::Cost;
use crate::core::environment::{MAX_TASKS, names};
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::fleet::{Bounds, Server, Task, TaskDefinition, Wish};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::service::{Restart, Rollback, Scale, ServiceRef, StopTask};
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Plan, Risk};
use crate::core::stack::{Stack, StackRef};
use crate::core::text::count;
use crate::core::unread::Read;
use crate::run::read;
use crate::run::session::{Session, operation_id};

const UNGUARDED: &str = "the circuit breaker is off: a failed deployment would not roll back";

/// The server that a plan is about, with what all plans for it have in common.
pub(super) struct PlannedService {
    pub(super) server: Server,
    pub(super) service: ServiceRef,
}

pub(super) async fn planned_service(session: &Session, name: &str) -> PlanResult<PlannedService> {
    let fleet = session.cloud.fleet_of(&session.context.cluster, &[name.to_owned()]).await?;
    if let Some(unreadable) = fleet.unreadable(name) {
        return Err(unread(&format!("server {}", unreadable.name), &unreadable.why));
    }
    let Some(server) = fleet.server(name).cloned() else { return Err(read::no_server(session, name).await.into()) };
    let service = ServiceRef { cluster: session.context.cluster.clone(), service: server.name.clone() };
    Ok(PlannedService { server, service })
}

impl PlannedService {
    /// Refuses what ECS would refuse of this kind of service.
    pub(super) fn allows(&self, wish: Wish) -> PlanResult<()> {
        self.server.refuses(wish).map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// What a new deployment of this kind of service means.
    fn deployment_warnings(&self) -> Vec<String> {
        let server = &self.server;
        let unguarded = server.unguarded().then(|| UNGUARDED.to_owned());
        baking(&server.name, server.shape.bakes()).into_iter().chain(unguarded).collect()
    }

    pub(super) async fn plan(&self, session: &Session, title: String, intent: Intent) -> PlanResult<Plan> {
        Ok(Plan {
            id: operation_id(),
            title,
            target: session.target(&self.server.arn).await?,
            changes: Vec::new(),
            warnings: Vec::new(),
            commands: Vec::new(),
            confirm: session.confirm(),
            facts: Facts::new(),
            intent,
            trials: Vec::new(),
            cost: None,
            layout: LAYOUT,
            drafts: Vec::new(),
        })
    }

    fn command(&self, session: &Session, rest: &str) -> String {
        let ServiceRef { cluster, service } = &self.service;
        format!(
            "aws ecs update-service --region {} --cluster {cluster} --service {service} {rest}",
            session.context.region
        )
    }
}

pub(super) async fn scale(
    session: &Session,
    name: &str,
    desired: Option<u32>,
    bounds: Option<Bounds>,
) -> PlanResult<Plan> {
    if let Some(many) = desired.filter(|count| *count > MAX_TASKS) {
        return Err(refused(
            ErrorKind::Invalid,
            format!("{many} tasks are more than ECS allows a service ({MAX_TASKS})"),
        ));
    }
    let planned = planned_service(session, name).await?;
    let (server, name) = (&planned.server, planned.server.name.as_str());
    desired.map_or(Ok(()), |_| planned.allows(Wish::Count))?;
    bounds.map_or(Ok(()), |_| planned.allows(Wish::Bounds))?;
    let bounds_now = replaced_bounds(server, bounds)?;
    let new_bounds = bounds.filter(|_| bounds_now.is_some());
    let new_desired = desired.filter(|count| *count != server.desired);
    // With new bounds, autoscaling may change the count before it is set, so it is not compared.
    let from = (new_desired.is_some() && new_bounds.is_none()).then_some(server.desired);
    let service = planned.service.clone();
    let intent =
        Intent::Scale(Scale { service, desired: new_desired, from, bounds: new_bounds, bounds_from: bounds_now });
    let to = new_desired.map_or(String::new(), |count| format!(" {} -> {count}", server.desired));
    let mut plan = planned.plan(session, format!("scale {name}{to}"), intent).await?;
    if let Some(count) = new_desired {
        let risk = if count < server.desired { Risk::Disruptive } else { Risk::Safe };
        plan.changes.push(Change::value(name, "desired count", server.desired, count).at(risk));
        plan.commands.push(planned.command(session, &format!("--desired-count {count}")));
    }
    if let (Some(now), Some(new)) = (bounds_now, new_bounds) {
        plan.changes.push(Change::value(name, "autoscaling bounds", now, new));
        plan.commands.push(format!(
            "aws application-autoscaling register-scalable-target --region {} --service-namespace ecs --scalable-dimension ecs:service:DesiredCount --resource-id service/{}/{name} --min-capacity {} --max-capacity {}",
            session.context.region, session.context.cluster, new.min, new.max
        ));
    }
    plan.cost = Some(scale_cost(session, server, new_desired, new_bounds).await);
    plan.warnings = scale_warnings(session, server, new_desired, bounds, new_bounds.is_some());
    Ok(plan)
}

/// The present bounds, if the wanted ones are given and differ from them.
fn replaced_bounds(server: &Server, wanted: Option<Bounds>) -> PlanResult<Option<Bounds>> {
    let Some(wanted) = wanted else { return Ok(None) };
    let name = &server.name;
    let now = server.bounds.result().map_err(|why| unread(&format!("the autoscaling bounds of {name}"), why))?;
    let now = now.ok_or_else(|| {
        refused(ErrorKind::Invalid, format!("{name} has no autoscaling, so it has no bounds to change"))
            .with_hint("give it min < max in quarterdeck.toml and deploy")
    })?;
    Ok(Some(now).filter(|now| *now != wanted))
}

/// The cost of the server's deployed stack, with the present count of tasks and with the planned one.
async fn scale_cost(session: &Session, server: &Server, desired: Option<u32>, bounds: Option<Bounds>) -> Cost {
    let (region, emulated) = (&session.context.region, session.context.emulated());
    if emulated {
        return Cost::compare(region, emulated, &[], &[]);
    }
    let now = match &server.bounds {
        Read::Known(now) => *now,
        Read::NotRead(why) => return Cost::without(format!("no estimate: autoscaling bounds not read: {why}")),
    };
    let name = names::stack(&session.context.environment, &server.name);
    let found = match session.cloud.stack(&StackRef { name: name.clone(), region: region.clone() }).await {
        Ok(found) => found,
        Err(error) => return Cost::without(format!("no estimate: {name} could not be read: {error}")),
    };
    let Some(stack) = found.and_then(|stack| deployed(session, &stack)) else {
        return Cost::without(format!("no estimate: there is no stack {name}, which would say how large a task is"));
    };
    let with = |count: u32, bounds: Option<Bounds>| {
        let (min, max) = bounds.map_or((count, count), |bounds| (bounds.min, bounds.max));
        let mut stack = stack.clone();
        stack.parameters.insert("MinCount".into(), min.to_string());
        stack.parameters.insert("MaxCount".into(), max.to_string());
        stack
    };
    let before = with(server.desired, now);
    let after = with(desired.unwrap_or(server.desired), bounds.or(now));
    Cost::compare(region, emulated, &[before], &[after])
}

fn scale_warnings(
    session: &Session,
    server: &Server,
    desired: Option<u32>,
    wanted: Option<Bounds>,
    moved: bool,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if server.shape.task_sets() {
        let controller = &server.shape.controller;
        warnings.push(format!("{controller} deploys it: each task set runs its part of the desired count"));
    }
    let in_force = wanted.or(server.bounds.known().copied().flatten());
    if let (Some(count), Some(bounds)) = (desired, in_force)
        && !(bounds.min..=bounds.max).contains(&count)
    {
        warnings.push(format!("{count} is outside autoscaling's {bounds}: it will soon be overridden"));
    }
    if let (Some(count), Some(why)) = (desired, server.bounds.why()) {
        warnings.push(format!("autoscaling bounds not read: they may soon override {count} ({why})"));
    }
    if desired == Some(0) {
        warnings.push("no task will serve: every request will fail".into());
    }
    if let Some(spec) = session.environment.as_ref().and_then(|environment| environment.server(&server.name)) {
        let (min, max) = spec.tasks();
        let drifts = desired.is_some_and(|count| min == max && count != min) || moved;
        if drifts {
            let file = if min == max { format!("min = max = {min}") } else { format!("{min}..{max}") };
            warnings.push(format!(
                "drift: quarterdeck.toml says {file}; change it there too, or a later deploy may undo this"
            ));
        }
    }
    warnings
}

pub(super) async fn restart(session: &Session, name: &str) -> PlanResult<Plan> {
    let planned = planned_service(session, name).await?;
    planned.allows(Wish::Restart)?;
    let name = planned.server.name.as_str();
    let replaces = planned.server.primary().map(|primary| primary.id.clone());
    let intent = Intent::Restart(Restart { service: planned.service.clone(), replaces });
    let mut plan = planned.plan(session, format!("restart {name}"), intent).await?;
    let tasks = count(planned.server.wanted() as usize, "task");
    let change = Change::value(name, "tasks", format!("{tasks} as they are"), format!("{tasks} newly started"));
    plan.changes.push(change.at(Risk::Disruptive));
    plan.commands.push(planned.command(session, "--force-new-deployment"));
    plan.warnings.extend(planned.deployment_warnings());
    Ok(plan)
}

pub(super) async fn rollback(session: &Session, name: &str, revision: Option<u32>) -> PlanResult<Plan> {
    let planned = planned_service(session, name).await?;
    planned.allows(Wish::Definition)?;
    let name = planned.server.name.as_str();
    let now = session.cloud.task_definition(&planned.server.task_definition).await?;
    let target = match revision {
        Some(wanted) => named_revision(session, name, &now, wanted).await?,
        None => earlier_revision(session, name, &now).await?,
    };
    let (service, replaces) = (planned.service.clone(), Some(now.arn.clone()));
    let intent = Intent::Rollback(Rollback { service, task_definition: target.clone(), replaces });
    let mut plan = planned.plan(session, format!("roll back {name}"), intent).await?;
    let short = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
    plan.changes.push(Change::value(name, "task definition", short(&now.arn), short(&target)).at(Risk::Disruptive));
    plan.commands.push(planned.command(session, &format!("--task-definition {}", short(&target))));
    plan.warnings.extend(planned.deployment_warnings());
    plan.warnings.extend(named_by_stack(session, name, &now.arn).await);
    Ok(plan)
}

/// That a deploy goes back to this task definition, where the server has a stack that names it. CloudFormation updates
/// what differs from the template that it has used last, and does not look at the service (its user guide, "Detect
/// unmanaged configuration changes to stacks and resources with drift detection").
async fn named_by_stack(session: &Session, server: &str, definition: &str) -> Option<String> {
    let environment = session.context.ours()?;
    match read::stack_of(session, server).await {
        Ok(stack) => {
            let stack = stack.filter(|stack| stack.is_of(environment))?;
            let named = stack.outputs.get(Stack::DEFINITION).is_some_and(|named| named == definition);
            let drift = "drift: the stack still names the newer task definition: a deploy that changes this server goes \
                         back to it, and one that changes nothing leaves it as it is";
            named.then(|| drift.to_owned())
        }
        Err(why) => Some(format!(
            "drift: it is not known whether the stack names the newer task definition, because it was not read: {why}; \
             if it does, a deploy that changes this server goes back to it"
        )),
    }
}

/// The newest active revision before the one in force.
async fn earlier_revision(session: &Session, name: &str, now: &TaskDefinition) -> PlanResult<String> {
    match session.cloud.revision_before(&now.family, now.revision).await? {
        Some(target) => Ok(target),
        None => Err(no_revision(session, name, now, "earlier one").await),
    }
}

/// A revision by its number. It is asked for by name, however many others there are.
async fn named_revision(session: &Session, name: &str, now: &TaskDefinition, wanted: u32) -> PlanResult<String> {
    if wanted == now.revision {
        return Err(PlanError::Already(format!("{name} runs revision {wanted} already")));
    }
    match session.cloud.task_definition(&format!("{}:{wanted}", now.family)).await {
        Ok(found) if found.active => Ok(found.arn),
        Ok(_) => {
            let why = format!("revision {wanted} of {} is not active any more: ECS starts no task of it", now.family);
            Err(refused(ErrorKind::Conflict, why).with_hint(known_revisions(session, now).await))
        }
        // ECS has no error code of its own for one that does not exist.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Invalid) => {
            Err(no_revision(session, name, now, &format!("revision {wanted}")).await)
        }
        Err(error) => Err(error.into()),
    }
}

async fn no_revision(session: &Session, name: &str, now: &TaskDefinition, wanted: &str) -> PlanError {
    let why = format!("{name} runs revision {} and has no {wanted} to go back to", now.revision);
    refused(ErrorKind::NotFound, why).with_hint(known_revisions(session, now).await)
}

/// The newest active revisions, in words.
async fn known_revisions(session: &Session, now: &TaskDefinition) -> String {
    let number = |arn: &String| arn.rsplit(':').next().map(str::to_owned);
    match session.cloud.revisions(&now.family).await {
        Ok(revisions) => {
            let known: Vec<String> = revisions.iter().filter_map(number).collect();
            format!("the newest active revisions: {}", known.join(", "))
        }
        Err(error) => format!("the active revisions could not be read: {error}"),
    }
}

/// The running task whose id is this or begins like this, with its server.
async fn task_named(session: &Session, task: &str) -> PlanResult<(Server, Task)> {
    let cluster = &session.context.cluster;
    let id = task.rsplit('/').next().unwrap_or(task);
    let fits = |task: &Task| !id.is_empty() && task.id().starts_with(id) && !task.stopped() && !task.service.is_empty();
    let found = if id.is_empty() { Ok(Vec::new()) } else { session.cloud.tasks_named(cluster, id).await };
    let mut found = found.map_err(|why| unread("tasks", &why))?;
    found.retain(fits);
    let task = match found.as_slice() {
        [one] => one.clone(),
        [] => {
            let message = format!("no running task in cluster {cluster} begins with {id:?}");
            let status = "quarterdeck status SERVER";
            return Err(refused(ErrorKind::NotFound, message).with_way(Hand::Status, status, "lists its tasks"));
        }
        several => {
            let why = format!("{id:?} begins {} tasks; give more of the id", several.len());
            return Err(refused(ErrorKind::Invalid, why));
        }
    };
    match read::server(session, cluster, &task.service).await {
        Ok(Some(server)) => Ok((server, task)),
        Ok(None) => Err(read::no_server(session, &task.service).await.into()),
        Err(why) => Err(unread(&format!("server {}", task.service), &why)),
    }
}

pub(super) async fn stop_task(session: &Session, task: &str) -> PlanResult<Plan> {
    let (server, task) = task_named(session, task).await?;
    let service = ServiceRef { cluster: session.context.cluster.clone(), service: server.name.clone() };
    let planned = PlannedService { server, service: service.clone() };
    let server = &planned.server;
    let intent =
        Intent::StopTask(StopTask { cluster: service.cluster, service: Some(service.service), task: task.arn.clone() });
    let mut plan = planned.plan(session, format!("stop task {} of {}", task.short_id(), server.name), intent).await?;
    plan.target.resource.clone_from(&task.arn);
    plan.changes.push(
        Change::value(
            format!("task {}", task.short_id()),
            "status",
            task.last_status.word().to_lowercase(),
            "stopped, and replaced by its service",
        )
        .at(Risk::Disruptive),
    );
    plan.commands.push(format!(
        "aws ecs stop-task --region {} --cluster {} --task {}",
        session.context.region,
        session.context.cluster,
        task.id()
    ));
    if server.running <= 1 {
        plan.warnings.push("it is the only running task: requests fail until its replacement runs".into());
    }
    Ok(plan)
}
