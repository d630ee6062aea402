//! Plans for the rotation of a client's secret, and for taking one back.

use super::{refused, unlearnt, unread};
use crate::cloud::{ErrorKind, TokenAnswer};
use crate::core::client::{Client, ClientList, Details, Holder, StoredSecret};
use crate::core::environment::names;
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::rotate::{Consumer, Rotation, Strategy, UndoRotation};
use crate::core::operation::service::ServiceRef;
use crate::core::operation::work::{Label, Version, labelled};
use crate::core::operation::{Facts, Intent, Operation};
use crate::core::plan::{Change, Confirm, Plan, Risk};
use crate::core::stack::StackRef;
use crate::core::text::short_duration;
use crate::run::read;
use crate::run::session::{Session, operation_id};

pub(super) async fn rotate(session: &Session, wanted: &str, grace_seconds: i64) -> PlanResult<Plan> {
    let platform = read::platform(session).await?;
    let (pool, endpoint) = (read::output(&platform, "UserPoolId")?, read::output(&platform, "TokenEndpoint")?);
    let list = session.cloud.clients(&pool, &session.context.environment).await?;
    let (client, details, name) = rotatable(&list, wanted)?;
    let stored = &session.cloud.stored_secret(name).await?;
    in_force(&list, client, stored)?;
    let holder = free_of_ours(session, &stored.name).await?;
    let versions = session.cloud.secret_versions(&stored.name).await?;
    let strategy = strategy(session, &pool, &list, client, stored).await?;
    let old = match &strategy {
        Strategy::DualSecret { old_secret } => Some(old_secret.clone()),
        Strategy::ReplaceClient { .. } => None,
    };
    let named_alike = list.clients.iter().filter(|other| other.name == client.name && other.id != client.id);
    let left_clients = match &strategy {
        Strategy::ReplaceClient { .. } => named_alike.map(|other| other.id.clone()).collect(),
        Strategy::DualSecret { .. } => Vec::new(),
    };
    let target = session.target(format!("client {} of user pool {pool}", client.id)).await?;
    let rotation = Rotation {
        client: client.id.clone(),
        name: client.name.clone(),
        secret: stored.name.clone(),
        endpoint,
        scopes: details.scopes.clone(),
        consumers: consumers(session, &stored.name).await?,
        grace_seconds,
        by: Some(target.caller.clone()),
        current: labelled(&versions, Label::Current.as_str()).map(str::to_owned),
        takes_over: holder.as_ref().map(|holder| holder.version.clone()),
        left_secret: old
            .and_then(|old| client.known_secrets().iter().find(|one| one.id != old).map(|one| one.id.clone())),
        accept: accepted(&list, client, stored, &left_clients),
        left_clients,
        strategy,
        pool,
    };
    works(session, &rotation).await?;
    let confirm = match &holder {
        Some(_) => Confirm::Typed(rotation.name.clone()),
        None => session.confirm(),
    };
    Ok(Plan {
        id: operation_id(),
        title: format!("rotate {}", client.name),
        target,
        changes: changes(&rotation, holder.as_ref()),
        warnings: warnings(&rotation),
        commands: commands(&rotation, &session.context.region),
        confirm,
        facts: Facts::new(),
        intent: Intent::Rotate(rotation),
        trials: Vec::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
    })
}

/// The client, its settings, and the name of the Secret that holds its credentials.
fn rotatable<'a>(list: &'a ClientList, wanted: &str) -> PlanResult<(&'a Client, &'a Details, &'a str)> {
    let Some(client) = list.find(wanted) else {
        let known: Vec<&str> = list.clients.iter().map(|client| client.name.as_str()).collect();
        return Err(refused(ErrorKind::NotFound, format!("user pool {} has no client {wanted:?}", list.pool))
            .with_hint(format!("it has {}", known.join(", "))));
    };
    let of_client = |part: &str| format!("{part} of client {}", client.name);
    let details = client.details.result().map_err(|why| unread(&of_client("the details"), why))?;
    if details.confidential == Some(false) {
        return Err(refused(
            ErrorKind::Invalid,
            format!("client {} is public: it has no secret to rotate", client.name),
        ));
    }
    client.secrets.result().map_err(|why| unread(&of_client("the secrets"), why))?;
    let stored = client.stored_in.result().map_err(|why| unread(&of_client("the stored secret"), why))?;
    let stored = stored.as_ref().ok_or_else(|| not_stored(list, client))?;
    Ok((client, details, &stored.name))
}

/// Refuses unless the Secret holds the credentials of this client.
fn in_force(list: &ClientList, client: &Client, stored: &StoredSecret) -> PlanResult<()> {
    match stored.has_secret && stored.current_client.as_deref() == Some(&client.id) {
        true => Ok(()),
        false => Err(not_stored(list, client)),
    }
}

fn not_stored(list: &ClientList, client: &Client) -> PlanError {
    match list.find(&client.name).filter(|other| other.id != client.id) {
        Some(other) => refused(
            ErrorKind::Invalid,
            format!("client {} is not in force: callers are given the credentials of {}", client.id, other.id),
        )
        .with_hint(format!("rotate {}; that deletes {} too", other.name, client.id)),
        None => refused(
            ErrorKind::Invalid,
            format!("no secret in Secrets Manager holds the credentials of client {}", client.name),
        )
        .with_hint("a rotation stores the new value there first; deploy the server that the client belongs to"),
    }
}

/// Refuses a rotation while this machine has another one of the same client to go on with. Who else has the
/// client reserved is returned: the operator decides whether to take it over.
async fn free_of_ours(session: &Session, secret: &str) -> PlanResult<Option<Holder>> {
    let holder = session.cloud.lease(secret).await?;
    let open = session.audit.unfinished(&session.context);
    let open = open.map_err(|error| refused(ErrorKind::Conflict, format!("the audit cannot be read: {error}")))?;
    let holds = |operation: &&Operation| holder.as_ref().is_some_and(|holder| holder.operation == operation.id());
    match open.iter().find(holds) {
        Some(operation) => {
            let why = format!("{} ({}) is not finished", operation.id(), operation.plan.title);
            let then = "shows it: finish it, or take it back";
            Err(refused(ErrorKind::Conflict, why).with_way(Hand::Operations, "quarterdeck operations list", then))
        }
        None => Ok(holder),
    }
}

/// Refuses if the credentials in force do not work: a rotation needs them until the new ones are published.
async fn works(session: &Session, rotation: &Rotation) -> PlanResult<()> {
    let probe = rotation.probe(Version::Labelled(Label::Current));
    match session.cloud.token(&probe).await? {
        TokenAnswer::Granted(_) => Ok(()),
        TokenAnswer::Refused(why) => {
            let why = format!("the stored credentials of {} are refused by the token endpoint: {why}", rotation.name);
            let then = "publishes credentials that work";
            Err(refused(ErrorKind::Conflict, why).with_way(Hand::Deploy, "quarterdeck deploy", then))
        }
    }
}

async fn strategy(
    session: &Session,
    pool: &str,
    list: &ClientList,
    client: &Client,
    stored: &StoredSecret,
) -> PlanResult<Strategy> {
    if session.cloud.has_dual_secrets(pool, &client.id).await? {
        let old = session.cloud.secret_in_force(pool, &client.id, &stored.name).await?;
        let old_secret = old.ok_or_else(|| {
            let why = format!("client {} has two secrets, and nothing says which of them is in force", client.name);
            let ids: Vec<&str> = client.known_secrets().iter().map(|secret| secret.id.as_str()).collect();
            refused(ErrorKind::Conflict, why).with_hint(format!("delete the one that nobody uses: {}", ids.join(", ")))
        })?;
        return Ok(Strategy::DualSecret { old_secret });
    }
    Ok(Strategy::ReplaceClient {
        known_clients: list.clients.iter().map(|client| client.id.clone()).collect(),
        also_allow: accepted(list, client, stored, &[]),
    })
}

/// The clients besides this one that servers accept, and that exist.
fn accepted(list: &ClientList, client: &Client, stored: &StoredSecret, but: &[String]) -> Vec<String> {
    let exists = |id: &&String| list.clients.iter().any(|other| other.id == **id);
    let other = stored.allowed_clients.iter().filter(exists).filter(|id| **id != client.id && !but.contains(id));
    other.cloned().collect()
}

/// The services whose containers read the Secret when they start.
async fn consumers(session: &Session, secret: &str) -> PlanResult<Vec<Consumer>> {
    let cluster = &session.context.cluster;
    let mut consumers = Vec::new();
    let fleet = session.cloud.services(cluster).await?;
    if let Some(unreadable) = fleet.unreadable.iter().find(|one| one.why.kind != ErrorKind::NotFound) {
        return Err(unread(&format!("server {}, which may use the secret,", unreadable.name), &unreadable.why));
    }
    // A service without a task definition runs no container.
    for server in fleet.servers.into_iter().filter(|server| !server.task_definition.is_empty()) {
        let definition = session.cloud.task_definition(&server.task_definition).await?;
        if definition.secrets.iter().any(|arn| arn.contains(&format!(":secret:{secret}"))) {
            let deployment = server.primary().map(|primary| primary.id.clone());
            let name = names::stack(&session.context.environment, &server.name);
            let stack = StackRef { name, region: session.context.region.clone() };
            let url = session.cloud.stack(&stack).await?.and_then(|stack| stack.outputs.get("ResourceUrl").cloned());
            let service = ServiceRef { cluster: cluster.clone(), service: server.name };
            consumers.push(Consumer { service, deployment, url });
        }
    }
    Ok(consumers)
}

fn changes(rotation: &Rotation, holder: Option<&Holder>) -> Vec<Change> {
    let gone = |subject: String, field: &str| Change {
        subject,
        field: field.into(),
        before: Some("left by an unfinished rotation".into()),
        after: None,
        risk: Risk::Destructive,
    };
    let taken = holder.map(|holder| {
        Change::value(&rotation.name, "reservation", holder, "taken over; what that operation made is deleted")
            .at(Risk::Destructive)
    });
    let left = rotation.left_clients.iter().map(|id| gone(format!("client {id}"), "delete"));
    let left_secret = rotation.left_secret.iter().map(|id| gone(format!("secret {id}"), "delete"));
    let mut changes: Vec<Change> = taken.into_iter().chain(left).chain(left_secret).collect();
    changes.extend(match &rotation.strategy {
        Strategy::DualSecret { old_secret } => {
            vec![Change::value(&rotation.name, "secrets", format!("1 ({old_secret})"), "2, then only the new one")]
        }
        Strategy::ReplaceClient { .. } => vec![
            Change::value(
                &rotation.name,
                "client id",
                &rotation.client,
                "a new id: an identical client replaces this one",
            )
            .at(Risk::Disruptive),
        ],
    });
    changes.push(Change::value(&rotation.secret, "AWSCURRENT", "the old credentials", "the new credentials"));
    changes.extend(rotation.consumers.iter().map(|consumer| {
        Change::value(&consumer.service.service, "tasks", "as they are", "newly started, to read the secret again")
            .at(Risk::Disruptive)
    }));
    changes
}

fn warnings(rotation: &Rotation) -> Vec<String> {
    let grace = short_duration(jiff::SignedDuration::from_secs(rotation.grace_seconds));
    let mut warnings = vec![format!(
        "the old credentials work for {grace} more after the new ones are published, then they are deleted"
    )];
    if let Strategy::ReplaceClient { .. } = rotation.strategy {
        warnings.push("strategy: replace the client, because this endpoint has no calls for a second secret; callers need the new client id too".into());
        warnings.push("drift: the client that the stack made is deleted at the end; the stack's output MachineClientId is then wrong".into());
    } else {
        warnings.push("strategy: two secrets at once; the client id stays".into());
    }
    if rotation.grace_seconds == 0 {
        warnings.push("no grace period: a caller that holds the old credentials fails at once".into());
    }
    warnings
}

fn commands(rotation: &Rotation, region: &str) -> Vec<String> {
    let Rotation { pool, client, secret, .. } = rotation;
    match &rotation.strategy {
        Strategy::DualSecret { old_secret } => vec![
            format!(
                "aws cognito-idp add-user-pool-client-secret --region {region} --user-pool-id {pool} --client-id {client}"
            ),
            format!("aws secretsmanager put-secret-value --region {region} --secret-id {secret} …"),
            format!(
                "aws cognito-idp delete-user-pool-client-secret --region {region} --user-pool-id {pool} --client-id {client} --client-secret-id {old_secret}"
            ),
        ],
        Strategy::ReplaceClient { .. } => vec![
            format!("aws cognito-idp create-user-pool-client --region {region} --user-pool-id {pool} …"),
            format!("aws secretsmanager put-secret-value --region {region} --secret-id {secret} …"),
            format!(
                "aws cognito-idp delete-user-pool-client --region {region} --user-pool-id {pool} --client-id {client}"
            ),
        ],
    }
}

pub(super) async fn undo(session: &Session, plan: Plan, mut learnt: Facts) -> PlanResult<Plan> {
    let Intent::Rotate(rotation) = plan.intent.clone() else {
        return Err(refused(ErrorKind::Invalid, "only a rotation can be taken back"));
    };
    unlearnt::look(session, &rotation, &plan, &mut learnt).await?;
    let resource = format!("client {} of user pool {}", rotation.client, rotation.pool);
    let change = Change::value(&rotation.secret, "AWSCURRENT", "the new credentials", "the old credentials")
        .at(Risk::Disruptive);
    let delete = Change {
        subject: rotation.name.clone(),
        field: "delete the new credentials".into(),
        before: Some("valid".into()),
        after: None,
        risk: Risk::Destructive,
    };
    let target = session.target(resource).await?;
    let by = Some(target.caller.clone());
    Ok(Plan {
        id: operation_id(),
        title: format!("take back the rotation of {}", rotation.name),
        target,
        changes: vec![change, delete],
        warnings: vec!["callers that already use the new credentials must read the old ones again".into()],
        commands: Vec::new(),
        confirm: session.confirm(),
        facts: Facts::new(),
        intent: Intent::UndoRotation(UndoRotation { rotation, operation: plan.id, learnt, by }),
        trials: Vec::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
    })
}
