//! Plans for the rotation of a client's secret, and for taking one back.

use super::{refused, unlearnt, unread};
use crate::cloud::ErrorKind;
use crate::core::client::{Client, ClientList, Details, StoredSecret};
use crate::core::error::PlanResult;
use crate::core::operation::rotate::{Consumer, Rotation, Strategy, UndoRotation};
use crate::core::operation::service::ServiceRef;
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Plan, Risk};
use crate::core::text::short_duration;
use crate::run::read;
use crate::run::session::{Session, operation_id};

pub(super) async fn rotate(session: &Session, wanted: &str, grace_seconds: i64) -> PlanResult<Plan> {
    let platform = read::platform(session).await?;
    let (pool, endpoint) = (read::output(&platform, "UserPoolId")?, read::output(&platform, "TokenEndpoint")?);
    let list = session.cloud.clients(&pool, &session.context.environment).await?;
    let (client, details, stored) = rotatable(&list, wanted)?;
    free_of_others(session, &stored.name)?;
    let strategy = strategy(session, &pool, &list, client, stored).await?;
    let consumers = consumers(session, &stored.name).await?;
    let rotation = Rotation {
        pool,
        client: client.id.clone(),
        name: client.name.clone(),
        secret: stored.name.clone(),
        endpoint,
        scopes: details.scopes.clone(),
        strategy,
        consumers,
        grace_seconds,
    };
    let target = session.target(format!("client {} of user pool {}", client.id, rotation.pool)).await?;
    Ok(Plan {
        id: operation_id(),
        title: format!("rotate {}", client.name),
        target,
        changes: changes(&rotation),
        warnings: warnings(&rotation),
        commands: commands(&rotation, &session.context.region),
        confirm: session.confirm(),
        facts: Facts::new(),
        intent: Intent::Rotate(rotation),
        cost: None,
        drafts: Vec::new(),
    })
}

fn rotatable<'a>(list: &'a ClientList, wanted: &str) -> PlanResult<(&'a Client, &'a Details, &'a StoredSecret)> {
    let Some(client) = list.find(wanted) else {
        let known: Vec<&str> = list.clients.iter().map(|client| client.name.as_str()).collect();
        return Err(refused(ErrorKind::NotFound, format!("user pool {} has no client {wanted:?}", list.pool))
            .with_hint(format!("it has {}", known.join(", "))));
    };
    let of_client = |part: &str| format!("{part} of client {}", client.name);
    let details = client.details.result().map_err(|why| unread(&of_client("the details"), why))?;
    if !details.confidential {
        return Err(refused(
            ErrorKind::Invalid,
            format!("client {} is public: it has no secret to rotate", client.name),
        ));
    }
    client.secrets.result().map_err(|why| unread(&of_client("the secrets"), why))?;
    if client.known_secrets().len() > 1 {
        return Err(refused(
            ErrorKind::Conflict,
            format!("client {} has two secrets already: an earlier rotation was not finished", client.name),
        )
        .with_hint("finish it with --finish or take it back with --undo"));
    }
    let stored = client.stored_in.result().map_err(|why| unread(&of_client("the stored secret"), why))?;
    let stored =
        stored.as_ref().filter(|stored| stored.has_secret && stored.current_client.as_deref() == Some(&client.id));
    let stored = stored.ok_or_else(|| {
        refused(
            ErrorKind::Invalid,
            format!("no secret in Secrets Manager holds the credentials of client {}", client.name),
        )
        .with_hint("a rotation stores the new value there first; deploy the server that the client belongs to")
    })?;
    Ok((client, details, stored))
}

/// Refuses a rotation while another one of the same Secret is not finished.
fn free_of_others(session: &Session, secret: &str) -> PlanResult<()> {
    let open = session.audit.unfinished(&session.context);
    let open = open.map_err(|error| refused(ErrorKind::Invalid, format!("the audit cannot be read: {error}")))?;
    let same = |intent: &Intent| matches!(intent, Intent::Rotate(rotation) if rotation.secret == secret);
    match open.iter().find(|operation| same(&operation.plan.intent)) {
        Some(operation) => {
            Err(refused(ErrorKind::Conflict, format!("rotation {} of this client is not finished", operation.id()))
                .with_hint("finish it with --finish, or take it back with --undo"))
        }
        None => Ok(()),
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
        // The list of secrets was not read. That is no reason to replace the client.
        let unread = || refused(ErrorKind::Conflict, format!("the secrets of client {} were not read", client.name));
        let old = client.known_secrets().first().ok_or_else(|| unread().with_hint("try again"))?;
        return Ok(Strategy::DualSecret { old_secret: old.id.clone() });
    }
    Ok(Strategy::ReplaceClient {
        known_clients: list.clients.iter().map(|client| client.id.clone()).collect(),
        also_allow: stored.allowed_clients.iter().filter(|id| **id != client.id).cloned().collect(),
    })
}

/// The services whose containers read the Secret when they start.
async fn consumers(session: &Session, secret: &str) -> PlanResult<Vec<Consumer>> {
    let cluster = &session.context.cluster;
    let mut consumers = Vec::new();
    for server in session.cloud.fleet(cluster).await?.servers {
        let definition = session.cloud.task_definition(&server.task_definition).await?;
        if definition.secrets.iter().any(|arn| arn.contains(&format!(":secret:{secret}"))) {
            let deployment = server.primary().map(|primary| primary.id.clone());
            consumers
                .push(Consumer { service: ServiceRef { cluster: cluster.clone(), service: server.name }, deployment });
        }
    }
    Ok(consumers)
}

fn changes(rotation: &Rotation) -> Vec<Change> {
    let mut changes = match &rotation.strategy {
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
    };
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
    let Intent::Rotate(rotation) = plan.intent else {
        return Err(refused(ErrorKind::Invalid, "only a rotation can be taken back"));
    };
    unlearnt::look(session, &rotation, &mut learnt).await?;
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
    Ok(Plan {
        id: operation_id(),
        title: format!("take back the rotation of {}", rotation.name),
        target: session.target(resource).await?,
        changes: vec![change, delete],
        warnings: vec!["callers that already use the new credentials must read the old ones again".into()],
        commands: Vec::new(),
        confirm: session.confirm(),
        facts: Facts::new(),
        intent: Intent::UndoRotation(UndoRotation { rotation, operation: plan.id, learnt }),
        cost: None,
        drafts: Vec::new(),
    })
}
