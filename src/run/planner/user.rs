//! The plan to sign a user out, or to let them sign in or not.

use super::refused;
use crate::cloud::ErrorKind;
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::user::{ChangeUser, UserChange};
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Plan, Risk};
use crate::core::text::short_duration;
use crate::core::user::{Lifetimes, User};
use crate::run::read;
use crate::run::session::{Session, operation_id};

pub(super) async fn change(session: &Session, wanted: &str, change: UserChange) -> PlanResult<Plan> {
    let platform = read::platform(session).await?;
    let pool = read::output(&platform, "UserPoolId")?;
    let Some(user) = session.cloud.user(&pool, wanted).await? else {
        return Err(refused(ErrorKind::NotFound, format!("there is no user {wanted:?} in {pool}")).with_way(
            Hand::Users,
            "quarterdeck users list",
            "shows them; a name or an e-mail address will do",
        ));
    };
    if change.enabled() == Some(user.enabled) {
        let now = if user.enabled { "may sign in already" } else { "is disabled already" };
        return Err(PlanError::Already(format!("{} {now}", user.called())));
    }
    let title = format!("{} {}", change.verb(), user.called());
    let intent = ChangeUser { pool: pool.clone(), user: user.name.clone(), subject: user.subject.clone(), change };
    Ok(Plan {
        id: operation_id(),
        title,
        target: session.target(format!("user {} of user pool {pool}", user.name)).await?,
        changes: changes(&user, change),
        warnings: warnings(session, &pool, change).await,
        commands: commands(session, &pool, &user, change),
        confirm: session.confirm(),
        facts: Facts::new(),
        intent: Intent::ChangeUser(intent),
        trials: Vec::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
    })
}

fn changes(user: &User, change: UserChange) -> Vec<Change> {
    let word = |enabled| if enabled { "yes" } else { "no" };
    let sign_in = change.enabled().map(|after| {
        let risk = if after { Risk::Safe } else { Risk::Disruptive };
        Change::value(user.called(), "may sign in", word(user.enabled), word(after)).at(risk)
    });
    let tokens = (change != UserChange::Enable).then(|| Change {
        subject: user.called().to_owned(),
        field: "refresh tokens".to_owned(),
        before: Some("valid".to_owned()),
        after: None,
        risk: Risk::Disruptive,
    });
    sign_in.into_iter().chain(tokens).collect()
}

/// The servers check a token by its signature and its end, and ask nobody: what was given out works until it ends.
async fn warnings(session: &Session, pool: &str, change: UserChange) -> Vec<String> {
    if change == UserChange::Enable {
        return Vec::new();
    }
    let clients = session.cloud.clients_lately(pool, "").await.map(|list| list.clients).unwrap_or_default();
    let people = clients.iter().filter_map(|client| client.details.known()).filter(|details| details.for_people());
    let longest = people.map(|details| details.lifetimes.access()).max();
    let ends = match longest {
        Some(longest) => {
            format!("at most {} from now, the longest that a client of this pool gives", short_duration(longest))
        }
        None => format!(
            "{} from now at most, unless a client gives longer ones",
            short_duration(Lifetimes::default().access())
        ),
    };
    vec![format!("access tokens that were given out already go on working until they end: {ends}")]
}

/// As a shell takes it: a name may have anything in it.
fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\'', r"'\''"))
}

/// What the steps call, in their order.
fn commands(session: &Session, pool: &str, user: &User, change: UserChange) -> Vec<String> {
    let calls: &[&str] = match change {
        UserChange::SignOut => &["admin-user-global-sign-out"],
        UserChange::Disable => &["admin-user-global-sign-out", "admin-disable-user"],
        UserChange::Enable => &["admin-enable-user"],
    };
    let (region, name) = (&session.context.region, quoted(&user.name));
    let command = |call| format!("aws cognito-idp {call} --region {region} --user-pool-id {pool} --username {name}");
    calls.iter().map(command).collect()
}
