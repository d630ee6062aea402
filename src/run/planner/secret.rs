//! The plan to set a variable of a server whose value is secret, or to take it away.

use super::refused;
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::environment::{Environment, check_variable, names};
use crate::core::error::PlanResult;
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::variable::{SetSecret, Variables};
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Plan, Risk};
use crate::run::session::{Session, operation_id};

/// What the Secret of a server holds.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn variables(session: &Session, server: &str) -> PlanResult<Variables> {
    let secret = names::app_secret(&session.context.environment, server);
    let found: CloudResult<Variables> = session.cloud.variables(&secret).await;
    match found {
        Err(error) if error.kind == ErrorKind::NotFound => {
            let why = format!("there is no secret {secret}: {server} is not deployed, or has no [server.app]");
            Err(refused(ErrorKind::NotFound, why)
                .with_hint("deploy it first; the stack of a server with [server.app] makes the secret"))
        }
        other => Ok(other?),
    }
}

pub(super) async fn set(session: &Session, server: &str, key: &str) -> PlanResult<Plan> {
    check_variable(key).map_err(|why| refused(ErrorKind::Invalid, why))?;
    elsewhere(session, server, key)?;
    let found = variables(session, server).await?;
    let there = found.keys.iter().any(|one| one == key);
    let change = Change {
        subject: server.to_owned(),
        field: format!("secret {key}"),
        before: there.then(|| "set".to_owned()),
        after: Some(if there { "another value".to_owned() } else { "set".to_owned() }),
        risk: if there { Risk::Disruptive } else { Risk::Safe },
    };
    let current = found.version;
    plan(session, Wanted { server, key, current, unset: false }, change).await
}

/// Any name that is there can be taken away, also one that could not be set.
pub(super) async fn unset(session: &Session, server: &str, key: &str) -> PlanResult<Plan> {
    let found = variables(session, server).await?;
    if !found.keys.iter().any(|one| one == key) {
        let why = format!("{key} of {server} is not set");
        return Err(refused(ErrorKind::NotFound, why)
            .with_hint(format!("`quarterdeck secret list {server}` shows the names that are")));
    }
    let change = Change {
        subject: server.to_owned(),
        field: format!("secret {key}"),
        before: Some("set".to_owned()),
        after: None,
        risk: Risk::Disruptive,
    };
    let current = found.version;
    plan(session, Wanted { server, key, current, unset: true }, change).await
}

/// What differs between the two.
struct Wanted<'a> {
    server: &'a str,
    key: &'a str,
    /// The version that is `AWSCURRENT`.
    current: String,
    unset: bool,
}

async fn plan(session: &Session, wanted: Wanted<'_>, change: Change) -> PlanResult<Plan> {
    let Wanted { server, key, current, unset } = wanted;
    let secret = names::app_secret(&session.context.environment, server);
    let (verb, read) = if unset { ("unset", "do without it") } else { ("set", "read it") };
    let intent = SetSecret { server: server.into(), secret: secret.clone(), key: key.into(), current, unset };
    Ok(Plan {
        id: operation_id(),
        title: format!("{verb} {key} of {server}"),
        target: session.target(format!("secret {secret}")).await?,
        changes: vec![change],
        warnings: vec![format!(
            "tasks that run keep what they started with: `quarterdeck restart {server}` starts new ones, which {read}"
        )],
        commands: Vec::new(),
        confirm: session.confirm(),
        facts: Facts::new(),
        intent: Intent::SetSecret(intent),
        trials: Vec::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
    })
}

/// The environment with the ARN of each Secret that the file names by its name. ECS takes no name (ECS API
/// reference, Secret), and a Secret that is not there would be found out after minutes of a failing deploy.
pub(super) async fn placed(session: &Session, mut environment: Environment) -> PlanResult<Environment> {
    for server in &mut environment.servers {
        let Some(app) = &mut server.app else { continue };
        for (variable, place) in app.secrets.iter_mut().filter(|(_, place)| !place.starts_with("arn:")) {
            let (name, key) = place.split_once(':').map_or((place.as_str(), None), |(name, key)| (name, Some(key)));
            let arn = session.cloud.secret_arn(name).await?.ok_or_else(|| {
                let (server, region) = (&server.name, &session.context.region);
                let why = format!("server.{server}.app.secrets.{variable}: there is no secret of the name {name:?} in {region}");
                refused(ErrorKind::NotFound, why).with_hint(format!(
                    "make it there, or set the variable with `quarterdeck secret set {server} {variable}` and take the line out"
                ))
            })?;
            *place = key.map_or_else(|| arn.clone(), |key| format!("{arn}:{key}"));
        }
    }
    Ok(environment)
}

/// Refuses a variable that the file gives a value, or takes from another Secret: which of the two the server
/// would get, nobody could see.
fn elsewhere(session: &Session, server: &str, key: &str) -> PlanResult<()> {
    let spec = session.environment.as_ref().and_then(|environment| environment.server(server));
    let Some(app) = spec.and_then(|spec| spec.app.as_ref()) else { return Ok(()) };
    let place = if app.environment.contains_key(key) {
        "environment"
    } else if app.secrets.contains_key(key) {
        "secrets"
    } else {
        return Ok(());
    };
    let why = format!("{key} of {server} is said in quarterdeck.toml already, under {place} of [server.app]");
    Err(refused(ErrorKind::Invalid, why).with_hint("take it out of the file and deploy, or choose another name"))
}
