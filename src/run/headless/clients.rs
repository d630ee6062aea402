//! `clients`: the list of clients, the end of rotations that were begun, and access tokens.

use futures::join;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::operations::{go_on, tell_unfinished};
use super::others::Board;
use super::{Consent, Exit, Failure, Output, attempt, json as print_json, line, progress, written};
use crate::cloud::ErrorKind;
use crate::core::client::{Client, ClientList, SecretEntry};
use crate::core::error::Refusal;
use crate::core::operation::PlanRequest;
use crate::core::operation::work::{Label, TokenProbe, Version};
use crate::core::operation::{Intent, Operation, Way};
use crate::run::{Session, read};

/// Prints the clients of the environment's user pool.
///
/// # Errors
/// When they cannot be listed or written. One that cannot be read is told, and makes the code 1.
pub async fn list(session: &Session, output: Output) -> Result<Exit, Failure> {
    let (clients, board) = join!(read::clients(session), Board::read(session));
    let clients = clients?;
    let result = match output {
        Output::Json => print_json(&document(&clients, &board)),
        Output::Text => line(&table(&clients)),
    };
    written(result)?;
    clients.unread().iter().for_each(|part| progress(&format!("warning: {part}")));
    // Apart from the table, which other programs read.
    if output == Output::Text {
        board.lines(Timestamp::now()).iter().for_each(|line| progress(line));
    }
    board.warn();
    tell_unfinished(session);
    // What could not be read is not as it is told, so who goes by the exit code must not take it for that.
    Ok(if clients.unread().is_empty() { Exit::Done } else { Exit::Failed })
}

fn document(list: &ClientList, board: &Board) -> Value {
    let gaps: Vec<_> = list.unread().into_iter().chain(board.unread()).collect();
    let one = |client: &Client| {
        let mut document = json!(client);
        document["in_force"] = json!(client.in_force());
        document
    };
    let clients: Vec<Value> = list.clients.iter().map(one).collect();
    json!({ "pool": list.pool, "clients": clients, "operations": board.document(), "gaps": gaps })
}

fn table(list: &ClientList) -> String {
    let mut out = format!("{:<28} {:<8} {:<28} {:<8} STORED IN", "CLIENT", "KIND", "ID", "SECRETS");
    for client in &list.clients {
        let (kind, secrets) = (client.kind(), client.secret_count());
        let name = |stored: &Option<SecretEntry>| stored.as_ref().map_or("-".into(), |stored| stored.name.clone());
        let stored = if list.spare(client) { "not in force".to_owned() } else { client.stored_in.cell(name) };
        out += &format!("\n{:<28} {kind:<8} {:<28} {secrets:<8} {stored}", client.name, client.id);
    }
    out
}

/// The unfinished rotation of a client, by the client's id or name.
fn unfinished(session: &Session, wanted: &str) -> Result<Operation, Failure> {
    let open = session.audit.unfinished(&session.context);
    let open = open.map_err(|error| Failure::Audit { path: session.audit.path(), error })?;
    let of = |operation: &Operation| match &operation.plan.intent {
        Intent::Rotate(rotation) => rotation.client == wanted || rotation.name == wanted || operation.id() == wanted,
        _ => false,
    };
    open.into_iter().rev().find(of).ok_or_else(|| {
        let why = format!("no unfinished rotation of client {wanted:?} is known here");
        Failure::refused(ErrorKind::NotFound, why, "`quarterdeck audit` shows what was done from this machine")
    })
}

/// Finishes an unfinished rotation, without the rest of its grace period.
///
/// # Errors
/// When there is none, it cannot be judged, or the result cannot be written.
pub async fn finish_rotation(
    session: &Session,
    client: &str,
    consent: &Consent,
    output: Output,
) -> Result<Exit, Failure> {
    let operation = unfinished(session, client)?;
    go_on(session, operation, Way::Finish, consent, output).await
}

/// Takes an unfinished rotation back: the old credentials stay, the new ones are deleted.
///
/// # Errors
/// When there is none, it cannot be planned, or the result cannot be written.
pub async fn undo_rotation(
    session: &Session,
    client: &str,
    consent: &Consent,
    output: Output,
) -> Result<Exit, Failure> {
    let operation = unfinished(session, client)?;
    let learnt = operation.facts().clone();
    let request = PlanRequest::UndoRotation { plan: Box::new(operation.plan), learnt };
    attempt(session, request, consent, output).await
}

/// Prints an access token of a machine client, for another program to use.
///
/// # Errors
/// When there is no such client, its secret is not stored, or the token endpoint refuses.
pub async fn token(session: &Session, wanted: &str, output: Output) -> Result<Exit, Failure> {
    let platform = read::platform(session).await?;
    let list = session.cloud.clients(&read::output(&platform, "UserPoolId")?, &session.context.environment).await?;
    let client = list.find(wanted).ok_or_else(|| {
        let known: Vec<&str> = list.clients.iter().map(|client| client.name.as_str()).collect();
        let why = format!("there is no client {wanted:?}");
        Failure::refused(ErrorKind::NotFound, why, format!("there are {}", known.join(", ")))
    })?;
    let secret_of = || format!("the stored secret of client {}", client.name);
    let stored = client.stored_in.result().map_err(|error| Refusal::unread(&secret_of(), error))?;
    let stored = stored.as_ref().ok_or_else(|| {
        Refusal::new(ErrorKind::Invalid, format!("no stored secret is known for client {}", client.name))
    })?;
    let probe = TokenProbe {
        secret: stored.name.clone(),
        version: Version::Labelled(Label::Current),
        endpoint: read::output(&platform, "TokenEndpoint")?,
        scopes: Vec::new(),
    };
    let token = session.cloud.token(&probe).await?.granted()?;
    let result = match output {
        Output::Json => print_json(&json!({ "client": client.id, "access_token": token.expose_secret() })),
        Output::Text => line(token.expose_secret()),
    };
    written(result)?;
    Ok(Exit::Done)
}
