//! `quarterdeck quarantine list`.

use jiff::Timestamp;
use serde_json::json;

use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::core::quarantine::{Quarantine, REACH, Who};
use crate::core::text::{age, short_duration};
use crate::run::{Session, read};

/// Prints who is kept out of the environment's servers, and until when.
///
/// # Errors
/// When the list cannot be read or written.
pub async fn list_quarantine(session: &Session, output: Output) -> Result<Exit, Failure> {
    let (list, now) = (read::quarantine(session).await?, Timestamp::now());
    let result = match output {
        Output::Json => {
            let entries: Vec<_> = list.in_force(now).collect();
            print_json(&json!({ "entries": entries, "unclear": list.unclear }))
        }
        Output::Text => line(&table(&list, now)),
    };
    written(result)?;
    if list.unclear > 0 {
        progress(&format!("note: {} more entries are not understood by this version", list.unclear));
    }
    Ok(Exit::Done)
}

fn table(list: &Quarantine, now: Timestamp) -> String {
    let rows: Vec<String> = list
        .in_force(now)
        .map(|entry| {
            let kind = if matches!(entry.who, Who::Client(_)) { "client" } else { "subject" };
            let left = short_duration(entry.until.duration_since(now));
            let since = entry.since.map_or("-".to_owned(), |since| age(now, since));
            let by = entry.by.as_deref().unwrap_or("-");
            format!("{kind:<8} {:<40} {:<21.0} {left:<8} {since:<8} {by}", entry.who.name(), entry.until)
        })
        .collect();
    if rows.is_empty() {
        return format!("nobody is in quarantine (a change reaches the servers within {} s)", REACH.as_secs());
    }
    let head = format!("{:<8} {:<40} {:<21} {:<8} {:<8} BY", "KIND", "NAME", "UNTIL", "LEFT", "SINCE");
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}
