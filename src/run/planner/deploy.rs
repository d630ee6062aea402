//! The plan to deploy an environment.

use super::{image, refused, secret, trial};
use crate::cloud::{CloudError, CloudResult, ErrorKind, ServerAnswer};
use crate::core::cost::{Cost, Priced};
use crate::core::environment::{
    EDGE_REGION, Environment, Template, app_changes, cautions, check_changes, check_front, names, stacks,
};
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::finding::of_service;
use crate::core::fleet::Fleet;
use crate::core::operation::deploy::{Deploy, ParameterValue, Planned, StackDeploy};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::protection::{self, Protection};
use crate::core::operation::work::Shown;
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Confirm, Plan, Risk};
use crate::core::stack::{
    ChangeAction, DeadEnd, Drafted, PropertyChange, Replacement, ResourceChange, Stack, StackRef, StackResource,
};
use crate::core::text::count;
use crate::core::trial::ServerTrial;
use crate::run::session::{Session, operation_id};
use crate::run::{operate, read};

/// The stacks whose names begin with the environment's prefix, in its region and that of the edge stack, and
/// what keeps others from being told. Some may belong to another environment, whose name begins with the name
/// of this one.
pub(super) async fn named_alike(session: &Session) -> CloudResult<(Vec<Stack>, Option<CloudError>)> {
    let (mut all, mut unread) = read::named_alike(session, &session.context.region).await?;
    if session.context.region != EDGE_REGION {
        let (edge, why) = read::named_alike(session, EDGE_REGION).await?;
        all.extend(edge);
        unread = unread.or(why);
    }
    all.retain(|stack| stack.status.0 != "DELETE_COMPLETE");
    Ok((all, unread))
}

/// The stacks of the environment, and those of other environments.
pub(super) fn partition(stacks: Vec<Stack>, environment: &str) -> (Vec<Stack>, Vec<Stack>) {
    stacks.into_iter().partition(|stack| stack.is_of(environment))
}

/// Refuses a deploy to a stack that has a name of ours but belongs to another environment.
fn not_anothers(deploys: &[StackDeploy], others: &[Stack]) -> PlanResult<()> {
    let taken = |stack: &&Stack| !stack.status.absent() && deploys.iter().any(|deploy| deploy.stack == stack.id);
    let Some(stack) = others.iter().find(taken) else { return Ok(()) };
    let owner = stack.parameters.get("Environment").map_or("something else", String::as_str);
    Err(refused(ErrorKind::Invalid, format!("{} is a stack of {owner}, not of this environment", stack.id.name))
        .with_hint("give the server, or the environment, another name"))
}

pub(super) fn environment(session: &Session) -> PlanResult<&Environment> {
    session.environment.as_deref().ok_or_else(|| {
        refused(ErrorKind::Invalid, "there is no quarterdeck.toml, so nothing says what to deploy")
            .with_hint("run in the directory that holds it, or name it with --file; examples/aws.toml shows one")
    })
}

pub(super) async fn deploy(session: &Session, only: &[String]) -> PlanResult<Plan> {
    let environment = secret::placed(session, chosen(environment(session)?, only)?).await?;
    let (found, unlisted) = named_alike(session).await?;
    let (existing, others) = partition(found, &environment.environment);
    let (environment, mut looked) = image::pinned(session, environment, &existing).await?;
    let mut deploys = stacks(&environment, &session.overrides, &existing);
    not_anothers(&deploys, &others)?;
    check_changes(&environment, &deploys, &existing)?;
    check_front(&environment, &deploys, &existing, session.context.local)?;
    let (images, unsure) = image::look(session, &mut looked, &environment, &deploys, &existing).await?;
    let cautions = if session.context.emulated() { Vec::new() } else { cautions(&environment, &deploys, &existing) };
    let trials = trial::deployed(session, &looked, &mut deploys, &existing).await;
    let mut planner = Planner {
        session,
        existing: &existing,
        id: operation_id(),
        facts: Facts::new(),
        changes: app_changes(&environment, &deploys, &existing).into_iter().chain(images).collect(),
        warnings: unlisted
            .iter()
            .map(|why| format!("stacks that quarterdeck.toml does not name are not shown: {why}"))
            .chain(unsure)
            .chain(cautions)
            .chain(trials.iter().flat_map(ServerTrial::warnings))
            .collect(),
        drafts: Vec::new(),
        protect: None,
    };
    let mut planned: Vec<StackDeploy> = Vec::new();
    for stack in deploys {
        match planner.stack(stack, &planned).await {
            Ok(stack) => planned.push(stack),
            Err(error) => {
                operate::discard(session, &planner.drafts).await;
                return Err(error);
            }
        }
    }
    planner.strangers(&planned, only);
    planner.promises(&mut planned).await;
    let cost = cost(session, &existing, &planned);
    let commands = planned.iter().filter(|stack| stack.planned != Planned::Unchanged).map(command).collect();
    let name = &session.context.environment;
    let confirm = weight(session, &planner.changes);
    Ok(Plan {
        title: format!("deploy {name}"),
        target: session.target(format!("stacks {}*", names::stack_prefix(name))).await?,
        changes: planner.changes,
        warnings: planner.warnings,
        commands,
        confirm,
        facts: planner.facts,
        intent: Intent::Deploy(Deploy { environment: name.clone(), stacks: planned, protect: planner.protect }),
        cost: Some(cost),
        trials,
        layout: LAYOUT,
        drafts: planner.drafts,
        id: planner.id,
    })
}

/// How a deploy is confirmed: what deletes something asks for the name of the environment.
pub(super) fn weight(session: &Session, changes: &[Change]) -> Confirm {
    match changes.iter().any(|change| change.risk == Risk::Destructive) {
        true => Confirm::Typed(session.context.environment.clone()),
        false => session.confirm(),
    }
}

/// The environment with only the named servers.
fn chosen(environment: &Environment, only: &[String]) -> PlanResult<Environment> {
    if let Some(unknown) = only.iter().find(|name| environment.server(name).is_none()) {
        let known: Vec<&str> = environment.servers.iter().map(|server| server.name.as_str()).collect();
        let message = format!("quarterdeck.toml has no server {unknown:?}");
        return Err(refused(ErrorKind::NotFound, message).with_hint(format!("it has {}", known.join(", "))));
    }
    let mut environment = environment.clone();
    environment.servers.retain(|server| only.is_empty() || only.contains(&server.name));
    Ok(environment)
}

/// Compares the cost of what exists with the cost of what is planned and of what stays beside it.
fn cost(session: &Session, existing: &[Stack], planned: &[StackDeploy]) -> Cost {
    let before: Vec<Priced> = existing.iter().filter_map(|stack| deployed(session, stack)).collect();
    let stays = before.iter().filter(|stack| !planned.iter().any(|deploy| deploy.stack.name == stack.name));
    let described = planned.iter().map(|deploy| Priced {
        name: deploy.stack.name.clone(),
        template: deploy.template,
        parameters: deploy.known(existing.iter().find(|stack| stack.id == deploy.stack)),
    });
    let after: Vec<Priced> = described.chain(stays.cloned()).collect();
    Cost::compare(&session.context.region, session.context.emulated(), &before, &after)
}

/// A deployed stack with the parameters that decide what it costs; `None` if it is not of this
/// environment or was never created completely.
pub(super) fn deployed(session: &Session, stack: &Stack) -> Option<Priced> {
    let name = &stack.id.name;
    let ours = stack.is_of(&session.context.environment);
    if !ours || stack.status.absent() || stack.status.dead_end().is_some() {
        return None;
    }
    let template = match name.strip_prefix(&names::stack_prefix(&session.context.environment))? {
        "edge" => Template::Edge,
        "network" => Template::Network,
        "platform" => Template::Platform,
        _ if stack.parameters.contains_key("ServerName") => Template::Server,
        _ => return None,
    };
    Some(Priced { name: name.clone(), template, parameters: stack.parameters.clone() })
}

pub(super) fn command(stack: &StackDeploy) -> String {
    format!(
        "aws cloudformation deploy --region {} --stack-name {} --template-file {} --capabilities CAPABILITY_NAMED_IAM --parameter-overrides …",
        stack.stack.region,
        stack.stack.name,
        stack.template.file()
    )
}

/// The plan of stacks, as it grows.
pub(super) struct Planner<'a> {
    pub(super) session: &'a Session,
    pub(super) existing: &'a [Stack],
    pub(super) id: String,
    pub(super) facts: Facts,
    pub(super) changes: Vec<Change>,
    pub(super) warnings: Vec<String>,
    pub(super) drafts: Vec<(StackRef, String)>,
    pub(super) protect: Option<Protection>,
}

impl Planner<'_> {
    /// Plans a stack, after those `before` it.
    pub(super) async fn stack(&mut self, mut deploy: StackDeploy, before: &[StackDeploy]) -> PlanResult<StackDeploy> {
        let found = self.existing.iter().find(|stack| stack.id == deploy.stack);
        deploy.create = found.is_none_or(|stack| stack.status.absent() || stack.status.dead_end().is_some());
        if let Some(stack) = found {
            self.facts.extend(Facts::outputs(stack));
            check_state(stack)?;
        }
        self.protection(&mut deploy);
        if let Some((stack, end)) = found.and_then(|stack| Some((stack, stack.status.dead_end()?))) {
            deploy.planned = Planned::TemplateAfterDelete;
            deploy.shown = Some(Shown::of(stack));
            self.remains(stack, end).await?;
            self.plan_by_template(&deploy, "after what is left of it is deleted");
            return Ok(deploy);
        }
        let waits = deploy
            .after
            .iter()
            .any(|&index| before.get(index).is_some_and(|stack| stack.planned != Planned::Unchanged));
        if waits || self.session.context.read_only {
            let why = if waits {
                "its inputs are known only after the stacks before it are deployed"
            } else {
                "read-only: not compared"
            };
            self.plan_by_template(&deploy, why);
            return Ok(deploy);
        }
        let draft = self.session.cloud.draft(&deploy.request(&self.id, &self.facts)).await?;
        self.plan_by_change_set(&mut deploy, draft);
        Ok(deploy)
    }

    /// A stack that is created is protected when everything works. One that is there keeps or gets what the
    /// file says; if it says nothing, a deploy that was interrupted may have left it off.
    fn protection(&mut self, deploy: &mut StackDeploy) {
        if !deploy.template.declares(protection::PARAMETER) {
            return;
        }
        let default = deploy.template.default_of(protection::PARAMETER).unwrap_or("true");
        let value = || ParameterValue::Value(default.to_owned());
        deploy.inputs.entry(protection::PARAMETER.to_owned()).or_insert_with(value);
        self.protect = deploy.protect_later();
        if self.protect.is_some() {
            self.changes.push(Change {
                subject: deploy.stack.name.clone(),
                field: "deletion protection".into(),
                before: None,
                after: Some("on, when everything works".into()),
                risk: Risk::Safe,
            });
        }
    }

    /// Shows that what is left of a stack is deleted, with the reason why it is left.
    async fn remains(&mut self, stack: &Stack, end: DeadEnd) -> PlanResult<()> {
        let (name, status) = (&stack.id.name, &stack.status.0);
        if stack.termination_protection {
            return Err(termination_protected(stack));
        }
        let detail = self.session.cloud.stack_detail(&StackRef { name: stack.arn.clone(), ..stack.id.clone() }).await?;
        let left: Vec<&StackResource> =
            detail.resources.iter().filter(|resource| resource.status.0 != "DELETE_COMPLETE").collect();
        let what = match end {
            DeadEnd::NeverCreated => "its creation failed, so it was never in use",
            DeadEnd::HalfDeleted => "it was in use, and its deletion failed",
        };
        self.warnings.push(format!("{name} is {status}: {what}"));
        self.warnings.extend(failures(name, &left));
        self.changes.push(Change {
            subject: name.clone(),
            field: "delete what is left of it".into(),
            before: Some(format!("{status}, {}", count(left.len(), "resource"))),
            after: None,
            // What never was in use and is gone already is only a name.
            risk: if end == DeadEnd::NeverCreated && left.is_empty() { Risk::Safe } else { Risk::Destructive },
        });
        Ok(())
    }

    fn plan_by_template(&mut self, deploy: &StackDeploy, why: &str) {
        let resources = deploy.template.resource_count();
        let field = if deploy.create { "create" } else { "update" };
        let after = format!("from its template ({}); {why}", count(resources, "resource"));
        self.changes.push(Change {
            subject: deploy.stack.name.clone(),
            field: field.into(),
            before: None,
            after: Some(after),
            risk: Risk::Safe,
        });
    }

    fn plan_by_change_set(&mut self, deploy: &mut StackDeploy, draft: Drafted) {
        let Drafted::Ready(draft) = draft else {
            deploy.planned = Planned::Unchanged;
            return;
        };
        if draft.changes.is_empty() {
            let (subject, after) = (deploy.stack.name.clone(), Some("outputs or tags alone".to_owned()));
            self.changes.push(Change { subject, field: "update".into(), before: None, after, risk: Risk::Safe });
        }
        self.changes.extend(draft.changes.iter().flat_map(|change| resource_changes(&deploy.stack.name, change)));
        self.drafts.push((deploy.stack.clone(), draft.arn.clone()));
        deploy.planned = Planned::ChangeSet(draft.arn);
    }

    /// A stack that stays as it is does not keep all that a deploy promises: its server may lack the secret of
    /// its client because an earlier deploy was interrupted, may refuse its client, or run too few tasks.
    async fn promises(&mut self, planned: &mut [StackDeploy]) {
        let unchanged = |stack: &StackDeploy| stack.planned == Planned::Unchanged && stack.service.is_some();
        if !planned.iter().any(unchanged) || self.session.context.read_only {
            return;
        }
        let names = planned.iter().filter_map(|stack| stack.service.as_ref().map(|service| service.service.clone()));
        let names: Vec<String> = names.collect();
        let fleet = self.session.cloud.fleet_of(&self.session.context.cluster, &names).await;
        for stack in planned.iter_mut().filter(|stack| unchanged(stack)) {
            let Some(service) = stack.service.as_ref().map(|service| service.service.clone()) else { continue };
            let deployed = self.existing.iter().find(|one| one.id == stack.stack);
            let server = fleet.as_ref().ok().and_then(|fleet| fleet.server(&service));
            let drift = deployed.zip(server).and_then(|(deployed, server)| of_service(server, deployed));
            self.warnings.extend(drift.map(|drift| format!("{}: {}", drift.fact, drift.evidence)));
            match self.missing(stack, &service, fleet.as_ref()).await {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => {
                    stack.mend = true;
                    self.changes.extend(missing);
                }
                Err(error) => {
                    self.warnings.push(format!("{service}: it could not be read whether all of it works: {error}"))
                }
            }
        }
    }

    /// What of a server is not as a deploy promises, as the changes that mend it.
    async fn missing(
        &self,
        stack: &StackDeploy,
        service: &str,
        fleet: Result<&Fleet, &CloudError>,
    ) -> CloudResult<Vec<Change>> {
        let mut missing = Vec::new();
        let fleet = fleet.map_err(Clone::clone)?;
        let server = fleet.server(service);
        if let (Some(server), Some(count)) = (server, stack.count())
            && server.desired < count.min
        {
            missing.push(Change::value(service, "desired count", server.desired, count.min));
        }
        let Ok((probe, url)) = stack.proof(&self.facts) else { return Ok(missing) };
        let mend = |field: &str, before: &str, after: &str| Change::value(service, field, before, after);
        match self.session.cloud.stored_secret(&probe.secret).await? {
            stored if !stored.has_secret => {
                missing.push(mend("client secret", "not stored", "stored in Secrets Manager"));
            }
            _ => match self.session.cloud.accepted(&probe, &url).await? {
                ServerAnswer::Accepted => {}
                ServerAnswer::Refused(why) => missing.push(
                    mend("its client", &format!("refused: {why}"), "let in, with new tasks where they are needed")
                        .at(Risk::Disruptive),
                ),
                // Too few healthy tasks are no reason to write anything.
                ServerAnswer::Unclear(_) => {}
            },
        }
        Ok(missing)
    }

    /// Warns about stacks that are deployed but not in the file any more. They stay: a deploy deletes nothing
    /// that it was not asked to.
    fn strangers(&mut self, planned: &[StackDeploy], only: &[String]) {
        let unknown = |stack: &&Stack| {
            !planned.iter().any(|deploy| deploy.stack == stack.id) && !names::is_repository_stack(&stack.id.name)
        };
        for stack in self.existing.iter().filter(unknown).filter(|_| only.is_empty()) {
            self.warnings.push(format!("{} is deployed but not in quarterdeck.toml; it stays as it is", stack.id.name));
        }
    }
}

/// Refuses a stack that cannot be changed as it is.
fn check_state(stack: &Stack) -> PlanResult<()> {
    let (name, status) = (&stack.id.name, &stack.status.0);
    if stack.status.busy() {
        let why = format!("{name} is busy ({status}) with a change that quarterdeck did not start");
        let refusal = refused(ErrorKind::Conflict, why);
        return Err(match stack.status.cancellable() {
            true => {
                let then = "takes it back; else plan again when it is over";
                refusal.with_way(Hand::CancelUpdate, &format!("quarterdeck cancel-update {name}"), then)
            }
            false => refusal.with_way(
                Hand::Stacks,
                &format!("quarterdeck stacks {name}"),
                "shows when it is over; plan again then",
            ),
        });
    }
    if stack.status.rollback_failed() {
        return Err(refused(ErrorKind::Conflict, format!("{name} is stuck in {status}")).with_way(
            Hand::ContinueRollback,
            &format!("quarterdeck continue-rollback {name}"),
            "goes on with its rollback, and says what can be skipped",
        ));
    }
    Ok(())
}

pub(super) fn termination_protected(stack: &Stack) -> PlanError {
    let (name, region) = (&stack.id.name, &stack.id.region);
    refused(ErrorKind::Conflict, format!("{name} has termination protection: CloudFormation refuses to delete it"))
        .with_hint(format!(
            "aws cloudformation update-termination-protection --no-enable-termination-protection --region {region} \
             --stack-name {name}"
        ))
}

/// Which of these resources failed, and why.
pub(super) fn failures(stack: &str, left: &[&StackResource]) -> Vec<String> {
    let failed = left.iter().filter(|resource| resource.status.0.ends_with("_FAILED"));
    let reason = |resource: &&&StackResource| resource.reason.clone().unwrap_or_else(|| "no reason given".into());
    failed.map(|one| format!("{stack} / {} {}: {}", one.logical_id, one.status.0, reason(&one))).collect()
}

/// One row for each property that changes if they are known, else one row for the resource.
fn resource_changes(stack: &str, change: &ResourceChange) -> Vec<Change> {
    let subject = format!("{stack} / {}", change.logical_id);
    let (word, risk) = match (change.action, change.replacement) {
        (ChangeAction::Add, _) => ("add", Risk::Safe),
        (ChangeAction::Remove, _) if change.kept => ("give up, it is kept", Risk::Disruptive),
        (ChangeAction::Remove, _) => ("remove", Risk::Destructive),
        (_, Replacement::Yes) if change.kept => ("replace, the old one is kept", Risk::Disruptive),
        (_, Replacement::Yes) => ("replace", Risk::Destructive),
        (_, Replacement::Maybe) => ("change, may replace", Risk::Disruptive),
        _ => ("change", Risk::Safe),
    };
    if change.properties.is_empty() || change.action == ChangeAction::Add {
        let after = (change.action != ChangeAction::Remove).then(|| change.kind.clone());
        let before = (change.action == ChangeAction::Remove).then(|| change.kind.clone());
        return vec![Change { subject, field: word.into(), before, after, risk }];
    }
    let row = |property: &PropertyChange| Change {
        subject: subject.clone(),
        field: format!("{word} {}", property.path.trim_start_matches("/Properties/").trim_start_matches("Properties.")),
        before: property.before.clone(),
        after: property.after.clone(),
        risk,
    };
    change.properties.iter().map(row).collect()
}
