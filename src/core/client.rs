//! Cognito app clients and where their secrets live.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The user pool of an environment with its clients, read in one refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClientList {
    /// User pool id.
    pub pool: String,
    /// Sorted by name, then newest first.
    pub clients: Vec<Client>,
    /// Parts that could not be read, each in words.
    pub gaps: Vec<String>,
}

impl ClientList {
    /// The client of this id or, where only one bears it, of this name.
    pub fn find(&self, wanted: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == wanted).or_else(|| {
            // During a replacement two clients share the name; the newest is the one in force.
            self.clients.iter().filter(|client| client.name == wanted).max_by_key(|client| client.created_at)
        })
    }
}

/// A Cognito app client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Client id.
    pub id: String,
    /// Client name.
    pub name: String,
    /// Whether it has a secret (a confidential client).
    pub confidential: bool,
    /// OAuth grant types, such as `client_credentials`.
    pub flows: Vec<String>,
    /// Scopes it may ask for.
    pub scopes: Vec<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Its secrets by id and date, never by value; empty where the API does not exist.
    pub secrets: Vec<ClientSecret>,
    /// Secret in Secrets Manager that carries its credentials, where one is known.
    pub stored_in: Option<StoredSecret>,
}

/// A client secret, as `ListUserPoolClientSecrets` describes it: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// `<client-id>--<epoch>`.
    pub id: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// The secret in Secrets Manager that carries a client's credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSecret {
    /// Its name.
    pub name: String,
    /// Client id in the version `AWSCURRENT`.
    pub current_client: Option<String>,
    /// Whether `AWSCURRENT` holds a client secret at all.
    pub has_secret: bool,
    /// Client ids in `AWSCURRENT` that servers accept.
    pub allowed_clients: Vec<String>,
    /// Last change of its value.
    pub changed_at: Option<Timestamp>,
}
