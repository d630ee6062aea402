//! What Cognito's clients show.

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Gravity, Id};
use crate::core::client::Client;
use crate::core::text::{age, count};

/// A rotation lets both secrets live for its grace period, which is a day if nothing else was said.
const GRACE: SignedDuration = SignedDuration::from_hours(25);
/// Nobody waits so long for who still has the old one.
const LONG: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Old secrets that still open the token endpoint after the grace of their rotation: each client has two since the newer
/// one was made. Where its secrets were not read, or bear no date, nothing is said of a client.
pub fn of_clients(clients: &[Client], now: Timestamp) -> Vec<Finding> {
    let since = |client: &Client| {
        let newest = client.known_secrets().iter().map(|secret| secret.created_at).max()??;
        let both = now.duration_since(newest);
        (client.known_secrets().len() > 1 && both > GRACE).then_some((newest, both))
    };
    let mut old: Vec<_> = clients.iter().filter_map(|client| Some((client, since(client)?))).collect();
    old.sort_by_key(|(_, (newest, _))| *newest);
    let Some((client, (newest, both))) = old.first() else { return Vec::new() };
    let others = match old.len() {
        1 => String::new(),
        more => format!(", and {} too", count(more - 1, "other client")),
    };
    let gravity = if *both > LONG { Gravity::Warning } else { Gravity::Note };
    let fact =
        format!("client {} has two secrets for {}: the old one is still valid{others}", client.name, age(now, *newest));
    let secrets = client.known_secrets().iter().map(|secret| match secret.created_at {
        Some(at) => format!("{} of {at:.0}", secret.id),
        None => secret.id.clone(),
    });
    let evidence = secrets.collect::<Vec<_>>().join(", ");
    vec![Finding { count: old.len(), ..Finding::new(Id::SecretStillValid, gravity, fact, evidence).at(Some(*newest)) }]
}
