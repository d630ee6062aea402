//! The plan to keep a caller out of all servers for a time, or to let it in again.

use jiff::{SignedDuration, Timestamp};

use super::refused;
use crate::cloud::ErrorKind;
use crate::core::client::Client;
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::quarantine::ChangeQuarantine;
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Plan, Risk};
use crate::core::quarantine::{LONGEST, MOST, REACH, Who};
use crate::core::text::short_duration;
use crate::core::unread::Read;
use crate::run::read;
use crate::run::session::{Session, operation_id};

const LIST: &str = "quarterdeck quarantine list";

/// Somebody, as the plan tells of them.
struct Named {
    who: Who,
    /// What an operator calls them.
    called: String,
    warnings: Vec<String>,
    /// Why it is not known whether there is anybody of that name, where it is not.
    unknown: Option<String>,
}

pub(super) async fn change(
    session: &Session,
    wanted: Who,
    seconds: Option<i64>,
    lately: Option<u64>,
) -> PlanResult<Plan> {
    let now = Timestamp::now();
    let until = seconds.map(|seconds| end(now, seconds)).transpose()?;
    let Some(table) = read::quarantine_table(session).await? else {
        return Err(refused(ErrorKind::Unsupported, "the platform of this environment is of a version without a list")
            .with_way(Hand::Deploy, "quarterdeck deploy", "makes the table, and has the servers read it"));
    };
    let list = session.cloud.quarantine(&table).await?;
    let Named { who, called, mut warnings, unknown } = named(session, wanted).await?;
    let seen = list.entry(&who).map(|entry| entry.until);
    let in_force = list.until(&who, now);
    if until.is_none() && in_force.is_none() {
        let how = format!("{called} is not in quarantine");
        return Err(match unknown {
            None => PlanError::Already(how),
            // Perhaps a slip: somebody else is kept out.
            Some(why) => refused(ErrorKind::NotFound, format!("{how}, and {why}")).with_way(
                Hand::Quarantine,
                LIST,
                "shows who is",
            ),
        });
    }
    if seen.is_none() && until.is_some() && list.entries.len() >= MOST {
        let why = format!("the list has {MOST} entries, the most that it may have");
        return Err(refused(ErrorKind::Conflict, why).with_way(Hand::Quarantine, LIST, "shows them; lift some"));
    }
    match until {
        Some(_) => {
            warnings.extend(blind(session).await);
            warnings.push(refuses(lately));
        }
        // Who is let in, the change says; whom it meant, what was kept out knew already.
        None => warnings.clear(),
    }
    let target = session.target(format!("{who} of {}", session.context.environment)).await?;
    let word = |end: Option<Timestamp>| end.map_or("not kept out".to_owned(), |end| format!("kept out until {end:.0}"));
    let risk = if until.is_some() { Risk::Disruptive } else { Risk::Safe };
    let verb = if until.is_some() { "quarantine" } else { "lift the quarantine of" };
    let length = until.map(|until| format!(" for {}", short_duration(until.duration_since(now))));
    Ok(Plan {
        id: operation_id(),
        title: format!("{verb} {called}{}", length.unwrap_or_default()),
        commands: vec![command(session, &table, &who, until)],
        changes: vec![Change::value(called, "requests", word(in_force), word(until)).at(risk)],
        intent: Intent::Quarantine(ChangeQuarantine { table, who, until, seen, by: target.caller.clone() }),
        target,
        warnings,
        confirm: session.confirm(),
        facts: Facts::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
        trials: Vec::new(),
    })
}

/// What it will refuse.
fn refuses(lately: Option<u64>) -> String {
    let within = REACH.as_secs();
    let lately = match lately {
        Some(requests) => format!("; of this client the log has {requests} requests in the last 5 minutes"),
        None => String::new(),
    };
    format!(
        "their requests get 403 at every server within {within} s, whatever their tokens say, and their open streams \
         end{lately}"
    )
}

/// The end, in whole seconds: not before that long is over.
fn end(now: Timestamp, seconds: i64) -> Result<Timestamp, PlanError> {
    let longest = LONGEST.as_secs();
    if !(1..=longest).contains(&seconds) {
        let why = format!("a quarantine lasts from a second to {}", short_duration(LONGEST));
        return Err(refused(ErrorKind::Invalid, why));
    }
    let until = now + SignedDuration::from_secs(seconds + 1);
    Timestamp::from_second(until.as_second()).map_err(|_| refused(ErrorKind::Invalid, "that is too far away"))
}

/// Who is meant: a client by its name or id, a person by name, address or `sub`. Whoever is not known is taken by the
/// word: tokens of a client that was deleted go on working, and logs name subjects by a hash.
async fn named(session: &Session, wanted: Who) -> PlanResult<Named> {
    match wanted {
        Who::Client(wanted) => {
            let clients = read::clients(session).await;
            let found = clients.as_ref().ok().and_then(|list| list.find(&wanted));
            Ok(match (found, &clients) {
                (Some(client), _) => {
                    let warnings = vec![format!("this is {}: {}", client.id, everybody(client))];
                    let called = format!("client {}", client.name);
                    Named { who: Who::Client(client.id.clone()), called, warnings, unknown: None }
                }
                (None, Ok(_)) => taken(Who::Client(wanted), "the user pool has no client of this name or id"),
                (None, Err(error)) => taken(Who::Client(wanted), &format!("the clients could not be read: {error}")),
            })
        }
        Who::Subject(wanted) => {
            let platform = read::platform(session).await?;
            let pool = read::output(&platform, "UserPoolId")?;
            Ok(match session.cloud.user(&pool, &wanted).await {
                Ok(Some(user)) if !user.subject.is_empty() => {
                    let called = format!("user {}", user.called());
                    Named { who: Who::Subject(user.subject), called, warnings: Vec::new(), unknown: None }
                }
                Ok(_) => taken(Who::Subject(wanted), "the user pool has no user of this name or address"),
                Err(error) => taken(Who::Subject(wanted), &format!("the user could not be read: {error}")),
            })
        }
    }
}

fn everybody(client: &Client) -> &'static str {
    match &client.details {
        Read::Known(details) if details.for_people() => "everybody who signs in with it is kept out",
        _ => "everything that calls with its credentials is kept out",
    }
}

fn taken(who: Who, why: &str) -> Named {
    let warnings = vec![format!("{why}; {:?} is taken as it is", who.name())];
    Named { called: who.to_string(), who, warnings, unknown: Some(why.to_owned()) }
}

/// The servers that do not read the list: their tasks are of a version without it.
async fn blind(session: &Session) -> Option<String> {
    let stacks = read::stacks(session).await.ok()?;
    let servers = stacks.iter().filter_map(|stack| Some((stack.parameters.get("ServerName")?, &stack.parameters)));
    let blind: Vec<&str> = servers
        .filter(|(_, given)| !given.get("QuarantineTable").is_some_and(|table| table.starts_with("arn:")))
        .map(|(name, _)| name.as_str())
        .collect();
    let names = blind.join(", ");
    (!blind.is_empty())
        .then(|| format!("these servers do not read the list and go on serving them: {names}; deploy them"))
}

fn command(session: &Session, table: &str, who: &Who, until: Option<Timestamp>) -> String {
    let region = &session.context.region;
    let key = serde_json::json!({ "list": { "S": "quarantine" }, "who": { "S": who.key() } });
    match until {
        None => format!(
            "aws dynamodb delete-item --region {region} --table-name {table} --key {}",
            quoted(&key.to_string())
        ),
        Some(until) => {
            let mut item = key;
            item["until"] = serde_json::json!({ "N": until.as_second().to_string() });
            format!("aws dynamodb put-item --region {region} --table-name {table} --item {}", quoted(&item.to_string()))
        }
    }
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
