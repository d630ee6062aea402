//! Calls of one server as a fault makes them: with a token that is refused, too many, too large.

use std::time::Duration;

use futures::future::join_all;
use secrecy::SecretString;
use serde_json::json;

use super::calls::ToolCall;
use super::client::{CallOutcome, McpClient};
use super::{CallCounts, Called, Tokens, note, one};
use crate::local::fault::BadToken;

/// What is wrong with the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing: the fault is the server's, and calls let it be seen.
    Nothing,
    /// They have no token.
    NoToken,
    /// They have one that must be refused.
    Token(BadToken),
    /// There are too many.
    Flood,
    /// Their bodies are too large.
    Oversized,
}

/// Calls a second of a client that does no harm.
const USUAL: u32 = 2;
/// Those of one that floods: so many senders, each so often.
const SENDERS: u32 = 4;
const OFTEN: u32 = 10;
/// More than a server takes by default, which is 64 KiB.
const OVERSIZED: usize = 128 * 1024;
/// Calls in a row without an answer after which nobody is there any more.
const GIVE_UP: u32 = 120;

/// Whom to call, and how.
#[derive(Debug, Clone)]
pub struct WrongOptions {
    /// Its name.
    pub server: String,
    /// URL of its MCP endpoint.
    pub url: String,
    /// What is wrong.
    pub wrong: Wrong,
    /// The token that must be refused, for [`Wrong::Token`].
    pub token: Option<SecretString>,
    /// The number of calls after which each sender stops; `None` never stops.
    pub calls: Option<u64>,
}

/// Calls the server until the number of calls is reached, or it has not answered for a minute. Dropping the future
/// stops it.
pub async fn wrong_traffic(options: &WrongOptions, tokens: &dyn Tokens) -> CallCounts {
    let (senders, often) = if options.wrong == Wrong::Flood { (SENDERS, OFTEN) } else { (1, USUAL) };
    let counts = join_all((0..senders).map(|_| send(options, tokens, often))).await;
    counts.into_iter().reduce(sum).unwrap_or_default()
}

async fn send(options: &WrongOptions, tokens: &dyn Tokens, often: u32) -> CallCounts {
    let (mut counts, mut lost) = (CallCounts::default(), 0);
    let mut client = McpClient::new(options.url.clone());
    client.token.clone_from(&options.token);
    let mut clock = tokio::time::interval(Duration::from_secs(1) / often);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for turn in 0..options.calls.unwrap_or(u64::MAX) {
        clock.tick().await;
        let called = call(&mut client, options, tokens, turn).await;
        lost = if matches!(called.outcome, CallOutcome::Failed(_)) { lost + 1 } else { 0 };
        note(&mut counts, called);
        if lost >= GIVE_UP {
            break;
        }
    }
    counts
}

async fn call(client: &mut McpClient, options: &WrongOptions, tokens: &dyn Tokens, turn: u64) -> Called {
    // What is refused, is so before anybody looks for the tool.
    let any = |arguments| ToolCall { tool: "any".to_owned(), arguments };
    let began = std::time::Instant::now();
    let outcome = match options.wrong {
        Wrong::Nothing | Wrong::Flood => return one(client, &options.server, tokens, turn, 0).await,
        Wrong::NoToken => client.call(&any(json!({})), false).await,
        Wrong::Token(_) => client.call(&any(json!({})), true).await,
        Wrong::Oversized => {
            if client.token.is_none() {
                client.token = tokens.token(&options.server).await.ok();
            }
            client.call(&any(json!({ "padding": "x".repeat(OVERSIZED) })), true).await
        }
    };
    Called { planned_wrong: true, outcome, took: began.elapsed() }
}

fn sum(mut all: CallCounts, one: CallCounts) -> CallCounts {
    all.calls += one.calls;
    all.wrong += one.wrong;
    all.ok += one.ok;
    all.errors += one.errors;
    all.refused += one.refused;
    all.failed += one.failed;
    all.last_ms = one.last_ms;
    all.last_error = one.last_error.or(all.last_error);
    all
}
