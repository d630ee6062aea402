//! Reads from the cloud whether a condition holds; `core` judges what was read.

use jiff::{SignedDuration, Timestamp};

use super::{Session, read, registry};
use crate::cloud::{CloudResult, ServerAnswer, TokenAnswer};
use crate::core::environment::names;
use crate::core::finding::{Finding, Gravity, Layer, findings, of_gone};
use crate::core::fleet::Server;
use crate::core::operation::deploy::seen_stack;
use crate::core::operation::protocol::News;
use crate::core::operation::quarantine::quarantined;
use crate::core::operation::rescue::{By, STOPS};
use crate::core::operation::shift::shifted;
use crate::core::operation::verify::{
    bounds_are, changed_last_by, deployment_taken_back, gone, published, settled, stack_taken_back, steady,
    task_stopped, user_enabled, variable_set,
};
use crate::core::operation::work::{Push, Shown, TokenProbe};
use crate::core::operation::{About, Announced, Check, CheckState, Fact, Facts};
use crate::core::reach::{Broken, Reach};
use crate::core::stack::{Stack, StackDetail, StackRef};
use crate::core::text::short_duration;
use crate::core::unread::Read;

/// Reads a condition once.
pub(super) async fn once(session: &Session, check: &Check) -> News {
    match judge(session, check).await {
        Ok((state, facts)) => News::Checked(state, facts),
        Err(error) => News::Unread(error),
    }
}

async fn judge(session: &Session, check: &Check) -> CloudResult<(CheckState, Facts)> {
    let cloud = &session.cloud;
    let state = match check {
        Check::Steady { cluster, service, promise } => {
            let server = server(session, cluster, service).await?;
            let state = server.map_or_else(|missing| missing, |server| steady(&server, promise, session.now()));
            let since = promise.made.as_ref().and_then(|made| made.at);
            stopped_by_hand(session, state, cluster, service, since).await
        }
        Check::DeploymentTakenBack { deployment } => {
            deployment_taken_back(cloud.service_deployment(deployment).await?.as_ref())
        }
        Check::StackTakenBack { stack, token } => {
            let (found, detail) = stack_now(session, stack).await?;
            stack_taken_back(found.as_ref(), &detail, token.as_deref())
        }
        Check::BoundsAre { cluster, service, bounds } => {
            let server = server(session, cluster, service).await?;
            server.map_or_else(|missing| missing, |server| bounds_are(&server, *bounds))
        }
        Check::Accepted { probe, url } => match cloud.accepted(probe, url).await? {
            ServerAnswer::Accepted => CheckState::Holds("the server accepts the client".into()),
            ServerAnswer::Refused(why) => CheckState::Pending(format!("refused so far: {why}")),
            ServerAnswer::Unclear(why) => CheckState::Pending(format!("no clear answer of {url}: {why}")),
        },
        Check::Reached { url } => match cloud.reach(url).await? {
            Reach::Answered => CheckState::Holds(format!("{url} answers")),
            Reach::Broken(Broken { hop, why }) => CheckState::Pending(format!("{why}; {}", hop.look_at())),
        },
        Check::Asked { service, probe, url } => return asked(session, service, probe, url).await,
        Check::TaskStopped { cluster, task } => task_stopped(cloud.task(cluster, task).await?.as_ref()),
        Check::StackSettled { stack, token } => return stack_settled(session, stack, token.as_deref()).await,
        Check::StackGone { stack, token } => {
            let found = cloud.stack(stack).await?;
            let detail = match found {
                Some(_) => cloud.stack_detail(stack).await,
                None => Ok(StackDetail::default()),
            };
            gone(found.as_ref(), &detail.into(), Some(token))
        }
        Check::TokenGranted { probe } => granted(session, probe).await?,
        Check::TokenRefused { probe } => refused(session, probe).await?,
        Check::Published { server, push } => return pushed(session, server, push).await,
        Check::VariableSet { secret, key, version, unset } => {
            variable_set(&cloud.variables(secret).await?, key, version, *unset)
        }
        Check::UserEnabled { pool, user, enabled } => {
            user_enabled(cloud.user(pool, user).await?.as_ref(), user, *enabled)
        }
        Check::Quarantined { change } => quarantined(&cloud.quarantine(&change.table).await?, change),
        Check::Shifted { change, operation } => shifted(&cloud.shifts(&change.balancer).await?, change, operation),
        Check::GraceOver { until } => over(*until),
    };
    Ok((state, Facts::new()))
}

/// Whether the change of a stack is over, and what is learnt of the stack.
async fn stack_settled(session: &Session, stack: &StackRef, token: Option<&str>) -> CloudResult<(CheckState, Facts)> {
    let (found, detail) = stack_now(session, stack).await?;
    let state = settled(found.as_ref(), &detail, token);
    let state = baking(session, state, stack, &detail).await;
    let mut facts = outputs(found.as_ref());
    if let (Some(found), Some(token)) = (&found, token)
        && changed_last_by(&detail, found, token)
    {
        // What was agreed about the stack holds for what the operation itself has made of it.
        facts.insert(seen_stack(&stack.name), Shown::of(found).to_string());
    }
    let since = found.as_ref().and_then(|found| found.updated_at);
    let (cluster, name) = (&session.context.cluster, server_of(session, stack));
    let state = stopped_by_hand(session, state, cluster, name, since).await;
    Ok((explain(session, state, stack).await, facts))
}

/// Whether a time has passed.
fn over(until: Timestamp) -> CheckState {
    let left = until.duration_since(Timestamp::now());
    if left.is_positive() {
        CheckState::Pending(format!("{} left, until {until:.0}", short_duration(left)))
    } else {
        CheckState::Holds("over".into())
    }
}

/// Whether the registry has an image, and its digest as a fact.
async fn pushed(session: &Session, server: &str, push: &Push) -> CloudResult<(CheckState, Facts)> {
    let (state, digest) = published(&registry::image(session, &push.image).await?, push);
    let facts = digest.map(|digest| Facts::of(Fact::Image(server.to_owned()), digest));
    Ok((state, facts.unwrap_or_default()))
}

/// Whether a server accepts its client, as a fact: either answer is one.
async fn asked(session: &Session, service: &str, probe: &TokenProbe, url: &str) -> CloudResult<(CheckState, Facts)> {
    let fact = |word: &str| Facts::of(Fact::Accepts(service.to_owned()), word);
    Ok(match session.cloud.accepted(probe, url).await? {
        ServerAnswer::Accepted => (CheckState::Holds("yes".into()), fact("yes")),
        ServerAnswer::Refused(why) => (CheckState::Holds(format!("no: {why}")), fact("no")),
        ServerAnswer::Unclear(why) => (CheckState::Pending(format!("no clear answer of {url}: {why}")), Facts::new()),
    })
}

/// The service, or that it is not in the list, in which ECS may not show it yet.
///
/// # Errors
/// When it is there and could not be read.
async fn server(session: &Session, cluster: &str, service: &str) -> CloudResult<Result<Server, CheckState>> {
    let missing = || CheckState::Doubtful(format!("there is no service {service} in {cluster}"));
    Ok(read::server(session, cluster, service).await?.ok_or_else(missing))
}

async fn stack_now(session: &Session, stack: &StackRef) -> CloudResult<(Option<Stack>, Read<StackDetail>)> {
    let found = session.cloud.stack(stack).await?;
    // The second call is for progress and reasons. If it fails, the deploy must not.
    let detail = session.cloud.stack_detail(stack).await;
    Ok((found, detail.into()))
}

fn outputs(stack: Option<&Stack>) -> Facts {
    let Some(stack) = stack else { return Facts::new() };
    Facts::outputs(stack)
}

/// The server of a stack.
fn server_of<'a>(session: &Session, stack: &'a StackRef) -> &'a str {
    stack.name.strip_prefix(&names::stack_prefix(&session.context.environment)).unwrap_or_default()
}

/// Adds that CloudFormation waits for a deployment that is full, and that ECS still watches.
async fn baking(session: &Session, state: CheckState, stack: &StackRef, detail: &Read<StackDetail>) -> CheckState {
    let CheckState::Pending(note) = state else { return state };
    let deploys = |detail: &StackDetail| {
        detail.resources.iter().any(|one| one.kind == "AWS::ECS::Service" && one.status.0.ends_with("_IN_PROGRESS"))
    };
    if !detail.known().is_some_and(deploys) {
        return CheckState::Pending(note);
    }
    let server = read::server(session, &session.context.cluster, server_of(session, stack)).await;
    let server = server.ok().flatten().filter(Server::bakes);
    let why = server.and_then(|server| server.shape.bakes()).map(|why| format!(", baking: {why}"));
    CheckState::Pending(format!("{note}{}", why.unwrap_or_default()))
}

/// How far the time of a service deployment may be from that of what it belongs to.
const NEAR: SignedDuration = SignedDuration::from_mins(1);

/// Whether what failed since then failed because somebody has stopped the service's deployment, and who, if that is
/// announced. What cannot be read says nothing.
async fn stopped_by_hand(
    session: &Session,
    state: CheckState,
    cluster: &str,
    service: &str,
    since: Option<Timestamp>,
) -> CheckState {
    let (CheckState::Failed(what), Some(since)) = (&state, since.and_then(|at| at.checked_sub(NEAR).ok())) else {
        return state;
    };
    if service.is_empty() {
        return state;
    }
    let Ok(deployments) = session.cloud.service_deployments(cluster, service).await else { return state };
    let stopped = deployments.iter().find(|one| one.created_at >= Some(since) && one.stopped_by_hand());
    let Some(stopped) = stopped else { return state };
    let about = About::Server(service.to_owned());
    let announced = session.cloud.announced(cluster).await.unwrap_or_default();
    let by = announced.iter().find_map(|one| match one {
        Announced::Clear(one) if one.verb == STOPS && one.about.touches(&about) => {
            Some(By { who: Some(one.who().to_owned()), operation: Some(one.operation.clone()) })
        }
        _ => None,
    });
    let what = format!("deployment {} of {service} was stopped ({}); {what}", stopped.id(), stopped.status);
    CheckState::Cancelled { by: by.unwrap_or_default(), what }
}

/// Adds what stopped the server's tasks to the failure of its stack, if anything did. Where the failure took the
/// service away with it, its tasks are still known.
async fn explain(session: &Session, state: CheckState, stack: &StackRef) -> CheckState {
    let CheckState::Failed(reason) = state else { return state };
    let (cluster, name, now) = (&session.context.cluster, server_of(session, stack), Timestamp::now());
    let server = read::server(session, cluster, name).await.ok().flatten();
    let found = match &server {
        Some(server) => findings(server, now),
        None => match session.cloud.fleet(cluster).await {
            Ok(fleet) => of_gone(name, &fleet.gone, now),
            Err(_) => return CheckState::Failed(reason),
        },
    };
    let of_tasks = |finding: &&Finding| finding.gravity != Gravity::Note && finding.id.layer() <= Layer::Tasks;
    let cause = found.iter().find(of_tasks).map(|finding| {
        let colon = if finding.evidence.is_empty() { "" } else { ": " };
        format!("; {}{colon}{}; {}", finding.fact, finding.evidence, finding.id.fix())
    });
    // Stops that are too old for a finding are still those of this failure.
    let stop = || server.as_ref().and_then(Server::latest_stop);
    let stop = || stop().map(|task| format!("; task {}: {}", task.short_id(), task.stop_reason()));
    CheckState::Failed(format!("{reason}{}", cause.or_else(stop).unwrap_or_default()))
}

/// Whether new credentials are accepted. A refusal is not final: Cognito may take seconds to know them.
async fn granted(session: &Session, probe: &TokenProbe) -> CloudResult<CheckState> {
    Ok(match session.cloud.token(probe).await? {
        TokenAnswer::Granted(_) => CheckState::Holds("the token endpoint granted a token".into()),
        TokenAnswer::Refused(why) => CheckState::Pending(format!("refused so far: {why}")),
    })
}

async fn refused(session: &Session, probe: &TokenProbe) -> CloudResult<CheckState> {
    Ok(match session.cloud.token(probe).await? {
        TokenAnswer::Granted(_) => CheckState::Pending("the old credentials are still accepted".into()),
        TokenAnswer::Refused(why) => CheckState::Holds(format!("refused: {why}")),
    })
}
