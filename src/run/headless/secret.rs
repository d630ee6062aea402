//! `quarterdeck secret`: sets the secret variables of a server, and lists their names.

use std::io::{self, IsTerminal, Read};

use secrecy::SecretString;
use serde_json::json;

use super::{Consent, Exit, Failure, Output, operate, print_json, progress, prompt};
use crate::cloud::ErrorKind;
use crate::core::error::Refusal;
use crate::core::operation::PlanRequest;
use crate::run::{Session, planner};

/// The longest value, in bytes: a Secret holds 65,536, and has other variables.
const LONGEST: u64 = 48 * 1_024;

/// Sets a variable to the value that is typed at a prompt, or that comes on stdin where that is no terminal.
///
/// # Errors
/// When it cannot be planned, when there is no value, or when the result cannot be written. No error holds the
/// value.
pub async fn set_secret(
    session: &Session,
    server: String,
    key: String,
    consent: &Consent,
    output: Output,
) -> Result<Exit, Failure> {
    let title = format!("value of {key} of {server}");
    let plan = planner::plan(session, PlanRequest::SetSecret { server, key }).await?;
    // One that could not be carried out asks for no value.
    if !session.context.read_only {
        if !io::stdin().is_terminal() && !agreed_in_advance(session, consent) {
            let why = "the value comes on stdin, so nobody can be asked whether to proceed";
            return Err(Refusal::new(ErrorKind::Invalid, why).with_hint(advance(session)).into());
        }
        session.cloud.hold(&plan.id, value(title).await?);
    }
    operate(session, plan, consent, output).await
}

fn agreed_in_advance(session: &Session, consent: &Consent) -> bool {
    match session.context.protected {
        true => consent.typed.is_some(),
        false => consent.yes,
    }
}

fn advance(session: &Session) -> String {
    match session.context.protected {
        true => format!("pass --confirm {}", session.context.environment),
        false => "pass --yes".to_owned(),
    }
}

async fn value(title: String) -> Result<SecretString, Failure> {
    let read = tokio::task::spawn_blocking(move || {
        if io::stdin().is_terminal() { prompt::hidden(&format!("{title}: ")) } else { piped() }
    });
    let text = read.await.map_err(|error| Failure::from(refusal(&error.to_string())))?;
    let text = text.map_err(|error| Failure::from(refusal(&format!("the value could not be read: {error}"))))?;
    checked(text)
}

/// Everything that stands on stdin, without the line break at its end.
fn piped() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(LONGEST + 2).read_to_string(&mut text)?;
    let end = text.strip_suffix('\n').map_or(text.len(), |rest| rest.strip_suffix('\r').unwrap_or(rest).len());
    text.truncate(end);
    Ok(text)
}

/// What a variable can hold.
fn checked(text: String) -> Result<SecretString, Failure> {
    if text.is_empty() {
        return Err(refusal("the value is empty; nothing was changed").into());
    }
    if text.contains('\0') {
        return Err(refusal("the value has a NUL in it, which no variable can hold").into());
    }
    if text.len() as u64 > LONGEST {
        let why = format!("the value is longer than {LONGEST} bytes; put it into a Secret of its own, under secrets");
        return Err(refusal(&why).into());
    }
    Ok(SecretString::from(text))
}

fn refusal(why: &str) -> Refusal {
    Refusal::new(ErrorKind::Invalid, why)
}

/// Prints the names of a server's secret variables, never a value.
///
/// # Errors
/// When they cannot be read or written.
pub async fn list_secrets(session: &Session, server: &str, output: Output) -> Result<Exit, Failure> {
    let found = planner::variables(session, server).await?;
    match output {
        Output::Json => print_json(&json!({ "server": server, "keys": found.keys }))?,
        Output::Text if found.keys.is_empty() => {
            progress(&format!("{server} has no secret variables; `quarterdeck secret set {server} KEY` sets one"));
        }
        Output::Text => super::print(&found.keys.join("\n"))?,
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", Some("empty"))]
    #[case("a\0b", Some("NUL"))]
    #[case("hunter2", None)]
    fn a_value_is_one_that_a_variable_can_hold(#[case] text: &str, #[case] why: Option<&str>) {
        let failure = checked(text.to_owned()).err().map(|failure| failure.to_string());
        assert_eq!(failure.is_some(), why.is_some());
        if let (Some(failure), Some(why)) = (failure, why) {
            assert!(failure.contains(why), "{failure}");
        }
        let long = "x".repeat(50_000);
        assert!(checked(long).err().is_some_and(|failure| !failure.to_string().contains("xxx")));
    }
}
