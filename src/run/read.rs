//! Reads of one environment for which its names must be known: stacks, clients, and the platform's outputs.

use std::collections::BTreeSet;

use futures::future::try_join_all;

use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::client::ClientList;
use crate::core::environment::{self, EDGE_REGION, names};
use crate::core::error::Refusal;
use crate::core::fleet::{Fleet, Server};
use crate::core::quarantine::{Quarantine, table_name};
use crate::core::stack::{Stack, StackRef};
use crate::core::text::count;
use crate::core::user::UserList;
use crate::run::Session;

/// The call that an error names if a stack does not exist or lacks an output.
const STACKS: &str = "cloudformation:DescribeStacks";

/// Stacks of a region whose names begin as those of the environment do, and what keeps others from being
/// told. Whoever may not list all stacks of the account can read those whose names are known.
///
/// # Errors
/// When they cannot be read.
pub async fn named_alike(session: &Session, region: &str) -> CloudResult<(Vec<Stack>, Option<CloudError>)> {
    let name = &session.context.environment;
    let denied = match session.cloud.stacks(&names::stack_prefix(name), region).await {
        Err(error) if error.kind == ErrorKind::Denied => error,
        other => return other.map(|stacks| (stacks, None)),
    };
    let file = session.environment.iter().flat_map(|file| file.servers.iter().map(|server| server.name.clone()));
    let mut parts: BTreeSet<String> =
        ["edge", "network", "platform"].map(str::to_owned).into_iter().chain(file).collect();
    if let Ok(names) = session.cloud.service_names(&session.context.cluster).await {
        parts.extend(names);
    }
    let mut found = Vec::new();
    for part in parts {
        let stack = StackRef { name: names::stack(name, &part), region: region.to_owned() };
        found.extend(session.cloud.stack(&stack).await?);
    }
    Ok((found, Some(denied)))
}

/// Names that a message lists.
const NAMES: usize = 20;

/// One service of the cluster with all its parts, by name or ARN; `None` if there is none.
///
/// # Errors
/// When it cannot be read.
pub async fn server(session: &Session, cluster: &str, name: &str) -> CloudResult<Option<Server>> {
    let fleet = session.cloud.fleet_of(cluster, &[name.to_owned()]).await?;
    match fleet.unreadable(name) {
        Some(unreadable) => Err(unreadable.why.clone()),
        None => Ok(fleet.server(name).cloned()),
    }
}

/// One service by name or ARN, alone in a fleet, and where there is none, the tasks of it that have stopped lately.
/// The calls that it takes do not depend on how many others there are.
///
/// # Errors
/// When it cannot be read. A cluster that does not exist is `ErrorKind::NotFound`.
pub async fn fleet_about(session: &Session, name: &str) -> CloudResult<Fleet> {
    let cluster = &session.context.cluster;
    let mut fleet = session.cloud.fleet_of(cluster, &[name.to_owned()]).await?;
    if fleet.server(name).is_none() && fleet.unreadable(name).is_none() {
        fleet.gone = session.cloud.stopped_tasks(cluster, last_part(name)).await?;
    }
    Ok(fleet)
}

/// The stack of a server, by the server's name or the ARN of its service; `None` if there is none.
///
/// # Errors
/// When it cannot be read.
pub async fn stack_of(session: &Session, server: &str) -> CloudResult<Option<Stack>> {
    let name = names::stack(&session.context.environment, last_part(server));
    let mut found = session.cloud.stack(&StackRef { name, region: session.context.region.clone() }).await?;
    compare(session, found.as_mut_slice());
    Ok(found)
}

/// Notes in what these stacks are not as the file says, where there is one.
fn compare(session: &Session, stacks: &mut [Stack]) {
    if let Some(file) = session.environment.as_deref() {
        environment::compare(file, &session.overrides, stacks);
    }
}

/// The stacks that a server rests on: those that all servers share, and its own. Those that do not exist are left out.
///
/// # Errors
/// When one cannot be read.
pub async fn stacks_under(session: &Session, server: &str) -> CloudResult<Vec<Stack>> {
    let stack = |part: &str, region: &str| StackRef {
        name: names::stack(&session.context.environment, part),
        region: region.to_owned(),
    };
    let here = &session.context.region;
    let wanted =
        [stack("edge", EDGE_REGION), stack("network", here), stack("platform", here), stack(last_part(server), here)];
    let found = try_join_all(wanted.iter().map(|stack| session.cloud.stack(stack))).await?;
    Ok(found.into_iter().flatten().filter(|stack| stack.is_of(&session.context.environment)).collect())
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// That there is no such server, with those that there are: they are listed only for this.
pub async fn no_server(session: &Session, name: &str) -> Refusal {
    let cluster = &session.context.cluster;
    let refusal = Refusal::new(ErrorKind::NotFound, format!("there is no server {name:?} in cluster {cluster}"));
    refusal.with_hint(match session.cloud.service_names(cluster).await {
        Ok(known) if known.is_empty() => "it has none; deploy first".to_owned(),
        Ok(known) if known.len() > NAMES => {
            let more = count(known.len() - NAMES, "other");
            format!("it has {} and {more}", known.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", "))
        }
        Ok(known) => format!("it has {}", known.join(", ")),
        Err(error) => format!("those that it has could not be read: {error}"),
    })
}

/// The environment's stacks that exist. The edge stack is in another region than the others.
///
/// # Errors
/// When they cannot be read.
pub async fn stacks(session: &Session) -> CloudResult<Vec<Stack>> {
    let (mut stacks, _) = named_alike(session, &session.context.region).await?;
    if session.context.region != EDGE_REGION {
        let edge = StackRef { name: names::stack(&session.context.environment, "edge"), region: EDGE_REGION.into() };
        stacks.extend(session.cloud.stack(&edge).await?);
    }
    stacks.retain(|stack| stack.is_of(&session.context.environment));
    compare(session, &mut stacks);
    Ok(stacks)
}

/// The clients of the environment's user pool, for who looks at them.
///
/// # Errors
/// When the platform or its clients cannot be read.
pub async fn clients(session: &Session) -> CloudResult<ClientList> {
    let platform = platform(session).await?;
    let pool = output(&platform, "UserPoolId")?;
    session.cloud.clients_lately(&pool, &session.context.environment).await
}

/// The people of the environment's user pool whose name or address begins so.
///
/// # Errors
/// When the pool is not known, or its users cannot be listed.
pub async fn users(session: &Session, beginning: &str) -> CloudResult<UserList> {
    let platform = platform(session).await?;
    session.cloud.users(&output(&platform, "UserPoolId")?, beginning).await
}

/// The table of the callers that are kept out; `None` where the platform is of a version without one.
///
/// # Errors
/// When the platform cannot be read.
pub async fn quarantine_table(session: &Session) -> CloudResult<Option<String>> {
    let platform = platform(session).await?;
    Ok(platform.outputs.get("QuarantineTable").map(|arn| table_name(arn).to_owned()))
}

/// Who is kept out of the environment's servers. Nobody is where there is no table.
///
/// # Errors
/// When the platform or the table cannot be read.
pub async fn quarantine(session: &Session) -> CloudResult<Quarantine> {
    match quarantine_table(session).await? {
        Some(table) => session.cloud.quarantine(&table).await,
        None => Ok(Quarantine::default()),
    }
}

/// The platform stack: it knows the user pool and the token endpoint.
///
/// # Errors
/// When it cannot be read or does not exist.
pub async fn platform(session: &Session) -> CloudResult<Stack> {
    let name = names::stack(&session.context.environment, "platform");
    let stack = StackRef { name: name.clone(), region: session.context.region.clone() };
    session.cloud.stack(&stack).await?.ok_or_else(|| {
        CloudError::new(ErrorKind::NotFound, STACKS, format!("there is no stack {name}, so there is no user pool"))
            .with_hint("deploy the environment first")
    })
}

/// An output of the platform stack.
///
/// # Errors
/// When the stack has no such output.
pub fn output(stack: &Stack, key: &str) -> CloudResult<String> {
    stack.outputs.get(key).cloned().ok_or_else(|| {
        CloudError::new(ErrorKind::Invalid, STACKS, format!("stack {} has no output {key}", stack.id.name))
    })
}
