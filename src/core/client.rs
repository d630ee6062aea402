//! Cognito app clients and where their secrets live.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::error::CloudError;
use super::unread::{Part, Read, Unread};
use super::user::Lifetimes;

/// The user pool of an environment with its clients, read in one refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ClientList {
    pub pool: String,
    /// Sorted by name, then newest first.
    pub clients: Vec<Client>,
}

impl ClientList {
    /// The client of this id or, where only one bears it, of this name.
    pub fn find(&self, wanted: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == wanted).or_else(|| {
            // During a replacement two clients share the name. The one whose credentials are stored is in
            // force; where that is not known, the newest, or one of which nothing was read.
            let weight = |client: &&Client| (client.in_force(), client.details.why().is_some(), client.created_at());
            self.clients.iter().filter(|client| client.name == wanted).max_by_key(weight)
        })
    }

    /// Whether a client is not in force while another one of its name is: a rotation is under way, or has
    /// left it behind.
    pub fn spare(&self, client: &Client) -> bool {
        let other = |other: &&Client| other.name == client.name && other.id != client.id;
        !client.in_force() && self.clients.iter().filter(other).any(Client::in_force)
    }

    /// Every part that could not be read, once.
    pub fn unread(&self) -> Vec<Unread> {
        // A client of which nothing is known is listed once.
        let details = alike(&self.clients, Part::ClientDetails, |client| client.details.why());
        let described = self.clients.iter().filter(|client| client.details.known().is_some());
        let secrets = alike(described, Part::ClientSecrets, |client| client.secrets.why());
        // Who cannot list the Secrets has none for any client; else it is a matter of some.
        let stored = match self.clients.iter().all(|client| client.stored_in.why().is_some()) {
            true => self.clients.iter().find_map(|client| Unread::of(Part::StoredSecrets, &client.stored_in)),
            false => None,
        };
        let some = self.clients.iter().filter(|_| stored.is_none());
        let some = alike(some, Part::StoredSecretsOf, |client| client.stored_in.why());
        details.chain(secrets).chain(some).chain(stored.clone()).collect()
    }
}

/// Clients that lack the same part for the same reason become one message: a call that is refused for
/// one client is refused for all.
fn alike<'a>(
    clients: impl IntoIterator<Item = &'a Client>,
    part: impl Fn(Vec<String>) -> Part,
    why: impl Fn(&'a Client) -> Option<&'a CloudError>,
) -> impl Iterator<Item = Unread> {
    let mut by_reason: BTreeMap<String, (&CloudError, Vec<String>)> = BTreeMap::new();
    for client in clients {
        if let Some(why) = why(client) {
            by_reason.entry(why.to_string()).or_insert((why, Vec::new())).1.push(client.name.clone());
        }
    }
    by_reason.into_values().map(move |(why, names)| Unread { part: part(names), why: why.clone() })
}

/// A Cognito app client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Client {
    pub id: String,
    pub name: String,
    /// Its settings, unless they could not be read.
    #[serde(flatten, serialize_with = "details")]
    pub details: Read<Details>,
    /// Its secrets by id and date, never by value, oldest first. `None`: the endpoint does not list
    /// them, because a client there has only one.
    pub secrets: Read<Option<Vec<ClientSecret>>>,
    /// Secret in Secrets Manager that carries its credentials; `None` where there is none.
    pub stored_in: Read<Option<SecretEntry>>,
}

/// What the description of a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Details {
    /// Whether it has a secret (a confidential client); `None` where that could not be read.
    pub confidential: Option<bool>,
    /// OAuth grant types, such as `client_credentials`.
    pub flows: Vec<String>,
    /// Scopes it may ask for.
    pub scopes: Vec<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// How long its tokens last, in seconds.
    pub lifetimes: Lifetimes,
}

impl Details {
    /// Whether people sign in through it, and so get refresh tokens.
    pub fn for_people(&self) -> bool {
        self.flows.iter().any(|flow| flow == "code" || flow == "implicit")
    }
}

/// The settings among the other fields of a client. One that was not read has each of them, as `null`, so
/// that nobody who looks for it takes it for absent, and says why.
fn details<S: Serializer>(read: &Read<Details>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct NotRead {
        confidential: Option<bool>,
        flows: Option<()>,
        scopes: Option<()>,
        created_at: Option<()>,
        updated_at: Option<()>,
        lifetimes: Option<()>,
        not_read: String,
    }
    match read {
        Read::Known(details) => details.serialize(serializer),
        Read::NotRead(why) => NotRead {
            confidential: None,
            flows: None,
            scopes: None,
            created_at: None,
            updated_at: None,
            lifetimes: None,
            not_read: why.to_string(),
        }
        .serialize(serializer),
    }
}

impl Client {
    /// `machine`, `public`, or `?` where that is not known.
    pub fn kind(&self) -> String {
        match self.confidential() {
            Some(true) => "machine",
            Some(false) => "public",
            None => "?",
        }
        .to_owned()
    }

    /// Whether it has a secret, as far as that is known.
    pub fn confidential(&self) -> Option<bool> {
        self.details.known()?.confidential
    }

    /// Whether it is known to have no secret.
    pub fn public(&self) -> bool {
        self.confidential() == Some(false)
    }

    /// Whether its credentials are those that callers are given.
    pub fn in_force(&self) -> bool {
        let stored = self.stored_in.known().and_then(Option::as_ref);
        // Where nobody has looked at the value, the Secret is that of the only client of its name.
        stored.is_some_and(|stored| stored.current_client.as_ref().is_none_or(|current| *current == self.id))
    }

    /// How many secrets it has: `-` for a public client, `?` where that is not known.
    pub fn secret_count(&self) -> String {
        if self.public() {
            return "-".to_owned();
        }
        self.secrets.cell(|listed| listed.as_ref().map_or(1, Vec::len).to_string())
    }

    /// When it was created, as far as it is known.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.details.known()?.created_at
    }

    /// The secrets that are known by id.
    pub fn known_secrets(&self) -> &[ClientSecret] {
        self.secrets.known().and_then(Option::as_deref).unwrap_or_default()
    }
}

/// A client secret, as `ListUserPoolClientSecrets` describes it: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientSecret {
    /// `<client-id>--<epoch>`.
    pub id: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// The Secret in Secrets Manager that carries a client's credentials, as the list of Secrets tells it. To
/// look at a Secret's value takes a right of its own and is recorded by AWS, so who only watches does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretEntry {
    pub name: String,
    /// Client id in the version `AWSCURRENT`; `None` where it is not known.
    pub current_client: Option<String>,
    /// Whether a version has followed the one with which the Secret was made, which holds no client secret;
    /// `None` where the list does not tell its versions.
    pub published: Option<bool>,
    /// Last change of its value.
    pub changed_at: Option<Timestamp>,
}

/// What a Secret holds of a client's credentials, but for the client secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredSecret {
    pub name: String,
    /// Client id in the version `AWSCURRENT`.
    pub current_client: Option<String>,
    /// Whether `AWSCURRENT` holds a client secret at all.
    pub has_secret: bool,
    /// Client ids in `AWSCURRENT` that servers accept.
    pub allowed_clients: Vec<String>,
    /// The operation that wrote `AWSCURRENT`, where one of ours did.
    pub written_by: Option<String>,
    /// Last change of its value.
    pub changed_at: Option<Timestamp>,
}

/// Who has reserved the credentials of a client for an operation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// Id of the operation.
    pub operation: String,
    /// What it does, in a few words; empty if it does not say.
    pub what: String,
    /// ARN of the caller; empty if it does not say.
    pub by: String,
    /// When it reserved them.
    pub since: Option<Timestamp>,
    /// The version of the Secret that stands for it.
    #[serde(skip)]
    pub version: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str| if text.is_empty() { "?".to_owned() } else { text.to_owned() };
        write!(f, "{} ({}) by {}", or(&self.operation), or(&self.what), or(&self.by))?;
        self.since.map_or(Ok(()), |since| write!(f, " since {since:.0}"))
    }
}
