//! Writes to a client's secrets and to the Secret that carries its credentials, and what they rely on.

use std::collections::BTreeMap;

/// A write to a client's secrets, and to the Secret that carries its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum SecretCall {
    /// Sees to it that `AWSCURRENT` holds credentials that open the token endpoint, and the ids of the
    /// clients in use, of which `client` and `users` are those that the stack made. Does nothing if it does.
    PublishClientSecret { pool: String, client: String, users: Option<String>, proof: Proof, token: String },
    /// Reserves a Secret for an operation, if the version `current` is `AWSCURRENT`. Yields [`Fact::Lease`](super::Fact::Lease)
    /// and [`Fact::Current`](super::Fact::Current).
    TakeLease { lease: Lease, from: LeaseFrom, current: Option<String> },
    /// Marks the lease so that nobody can take it from the operation in order to take it back.
    SealLease { lease: Lease },
    /// Gives the Secret free.
    ReleaseLease { lease: Lease },
    /// Generates a secret value and writes it with the client's id as `AWSPENDING`. Yields [`Fact::Pending`](super::Fact::Pending).
    StageNewSecret { client: String, secret: String, token: String },
    /// AddUserPoolClientSecret with the staged value that `probe` names, unless the client already has
    /// a secret that is not among the `known` and that the staged value opens. Yields [`Fact::ClientSecret`](super::Fact::ClientSecret).
    AddClientSecret { pool: String, client: String, probe: TokenProbe, known: Vec<String> },
    /// DeleteUserPoolClientSecret.
    DeleteClientSecret { pool: String, client: String, client_secret: String, hold: Hold },
    /// DeleteUserPoolClientSecret for all secrets of a client but this one.
    DeleteOtherSecrets { pool: String, client: String, keep: String, hold: Hold },
    /// Creates a client with the same name and settings, unless one of this name exists that is not
    /// among the `known`. Yields [`Fact::Client`](super::Fact::Client).
    CopyClient { pool: String, client: String, known: Vec<String> },
    /// Writes id and secret of a client as `AWSPENDING`. Yields [`Fact::Pending`](super::Fact::Pending).
    StageClient { pool: String, client: String, secret: String, token: String, also_allow: Vec<String> },
    /// Replaces `AWSCURRENT` by the same credentials with another list of client ids that servers accept.
    /// Yields [`Fact::Allowed`](super::Fact::Allowed).
    AllowClients { clients: Vec<String>, token: String, hold: Hold, proof: Proof },
    /// Moves `AWSCURRENT` to the version that `proof` proves, or to a copy that names the `client_secret` too:
    /// Cognito never tells which of a client's secrets has which value. Yields [`Fact::Previous`](super::Fact::Previous) and
    /// [`Fact::Published`](super::Fact::Published).
    Promote { token: String, client_secret: Option<String>, hold: Hold, proof: Proof },
    /// Replaces `AWSCURRENT` by a copy of the version that `proof` proves, even where that one is
    /// `AWSCURRENT`: a move that another process has begun then finds another version and fails. Yields
    /// [`Fact::Republished`](super::Fact::Republished).
    Republish { token: String, hold: Hold, proof: Proof },
    /// Writes a version of a server's Secret with this variable set to the value that is held for the operation, or
    /// without the variable, and moves `AWSCURRENT` to it, if `current` has that label. Yields [`Fact::Published`](super::Fact::Published).
    SetVariable { secret: String, key: String, current: String, operation: String, unset: bool },
    /// DeleteUserPoolClient.
    DeleteClient { pool: String, client: String, hold: Hold },
    /// DeleteUserPoolClient for the clients of this name that are not among the `known`.
    DeleteOtherClients { pool: String, name: String, known: Vec<String>, hold: Hold },
}

/// The reservation of a Secret for one operation, which colleagues on other machines see.
///
/// It is a version of the Secret that says who holds it, and the staging label [`LEASE`] on that version.
/// UpdateSecretVersionStage moves a label only from the version that the caller names, so two operators
/// cannot both get it (API reference, UpdateSecretVersionStage, RemoveFromVersionId).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Name of the Secret.
    pub secret: String,
    /// Id of the operation.
    pub operation: String,
    /// What it does, in a few words.
    pub what: String,
    /// ARN of the caller.
    pub by: String,
    /// Name of the client.
    pub client: String,
}

/// From whom a [`Lease`] may be taken. Versions are named by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseFrom {
    /// From nobody; if somebody holds it, the operator is asked.
    Nobody,
    /// From the operation that holds it with this version, as the operator has decided; or from nobody.
    Holder(String),
    /// Only from the operation that holds it with this version: what is to be done is about that operation.
    Only(String),
}

/// The staging label of a [`Lease`].
pub const LEASE: &str = "quarterdeck-lease";

/// What a write to a Secret, or to credentials in it, relies on. It is read just before the write, and a
/// move of a label names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Name of the Secret.
    pub secret: String,
    /// Id of the operation that must hold the lease.
    pub operation: String,
    /// The version that must be `AWSCURRENT`.
    pub current: String,
}

/// How credentials are proven before they are published: the token endpoint grants them a token, and
/// every server named here accepts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Names the version and the endpoint.
    pub probe: TokenProbe,
    /// URLs of MCP endpoints.
    pub servers: Vec<String>,
}

/// Secrets Manager's staging labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Current,
    Pending,
    Previous,
}

impl Label {
    /// The label as Secrets Manager spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// The version that has a staging label, among versions with their labels.
pub fn labelled<'a>(versions: &'a BTreeMap<String, Vec<String>>, label: &str) -> Option<&'a str> {
    let bears = |labels: &Vec<String>| labels.iter().any(|one| one == label);
    versions.iter().find(|(_, labels)| bears(labels)).map(|(version, _)| version.as_str())
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    Id(String),
    /// The one that has this label when the call is made.
    Labelled(Label),
}

/// Asks the token endpoint whether stored credentials open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenProbe {
    /// Secret in Secrets Manager that holds `client_id` and `client_secret`.
    pub secret: String,
    pub version: Version,
    /// OAuth 2.0 token endpoint.
    pub endpoint: String,
    /// Scopes to ask for; empty asks for all that the client has.
    pub scopes: Vec<String>,
}
