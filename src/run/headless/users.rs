//! `users`: who can sign in.

use jiff::Timestamp;
use serde_json::json;

use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::core::text::age;
use crate::core::user::UserList;
use crate::run::{Session, read};

/// Prints the users of the environment's user pool, or those whose name or address begins so.
///
/// # Errors
/// When they cannot be listed or written.
pub async fn list_users(session: &Session, beginning: &str, output: Output) -> Result<Exit, Failure> {
    let list = read::users(session, beginning).await?;
    let result = match output {
        Output::Json => print_json(&json!(list)),
        Output::Text => line(&table(&list, Timestamp::now())),
    };
    written(result)?;
    if list.more {
        let count = list.users.len();
        progress(&format!("note: these are {count} of more; `quarterdeck users list BEGINNING` looks for somebody"));
    }
    Ok(Exit::Done)
}

fn table(list: &UserList, now: Timestamp) -> String {
    if list.users.is_empty() {
        return "the user pool has no such user".to_owned();
    }
    let mut out = format!("{:<36} {:<24} {:<8} {:<8} SUBJECT", "USER", "STATUS", "SIGN-IN", "AGE");
    for user in &list.users {
        let made = user.created_at.map_or("-".into(), |at| age(now, at));
        let may = if user.enabled { "yes" } else { "no" };
        out += &format!("\n{:<36} {:<24} {may:<8} {made:<8} {}", user.called(), user.status, user.subject);
    }
    out
}
