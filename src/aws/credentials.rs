//! The content of a Secret: a client's credentials and the list of clients that servers accept.

use secrecy::{ExposeSecret, SecretString};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::error;
use crate::cloud::CloudResult;
use crate::core::client::Holder;
use crate::core::text::sanitise;

const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";
const WRITTEN_BY: &str = "written_by";
const SECRET_ID: &str = "client_secret_id";
const ALLOWED: &str = "allowed_client_ids";
const HOLDER: &str = "quarterdeck_lease";
/// Length of a generated client secret in characters. Cognito takes 24 to 64 (API reference,
/// AddUserPoolClientSecret).
const LENGTH: usize = 40;

/// The JSON in a Secret. It has no `Debug`, so that nobody prints it, and keeps the client secret
/// apart from the rest. Keys that it does not know are kept.
#[derive(Default)]
pub(super) struct Credentials {
    secret: Option<SecretString>,
    rest: Map<String, Value>,
}

impl Credentials {
    /// Reads a Secret's text; `name` is the Secret's, for the error.
    pub(super) fn parse(name: &str, text: &str) -> CloudResult<Self> {
        // The parser's own message would quote the text.
        let wrong =
            |_| error::invalid("secretsmanager:GetSecretValue", format!("secret {name} does not hold a JSON object"));
        let mut rest: Map<String, Value> = serde_json::from_str(text).map_err(wrong)?;
        let secret = match rest.remove(CLIENT_SECRET) {
            Some(Value::String(secret)) if !secret.is_empty() => Some(SecretString::from(secret)),
            _ => None,
        };
        Ok(Self { secret, rest })
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.rest.get(CLIENT_ID)?.as_str().filter(|id| !id.is_empty())
    }

    /// Ids of the clients that servers accept.
    pub(super) fn allowed(&self) -> Vec<String> {
        let listed = self.rest.get(ALLOWED).and_then(Value::as_str).unwrap_or_default();
        listed.split_whitespace().map(sanitise).collect()
    }

    pub(super) fn secret(&self) -> Option<&SecretString> {
        self.secret.as_ref()
    }

    /// The id of the secret at Cognito, where it is known.
    pub(super) fn secret_id(&self) -> Option<&str> {
        self.rest.get(SECRET_ID)?.as_str()
    }

    /// The operation that wrote the version, where one of ours did.
    pub(super) fn writer(&self) -> Option<&str> {
        self.rest.get(WRITTEN_BY)?.as_str()
    }

    /// The same content, written by this operation.
    #[must_use]
    pub(super) fn written_by(mut self, operation: &str) -> Self {
        self.rest.insert(WRITTEN_BY.into(), operation.into());
        self
    }

    /// The same content with the id of the secret at Cognito.
    #[must_use]
    pub(super) fn with_secret_id(mut self, id: &str) -> Self {
        self.rest.insert(SECRET_ID.into(), id.into());
        self
    }

    /// The same content with another client's credentials.
    #[must_use]
    pub(super) fn with_client(mut self, id: &str, secret: SecretString) -> Self {
        self.rest.insert(CLIENT_ID.into(), id.into());
        // It belongs to the secret that was there before.
        self.rest.remove(SECRET_ID);
        self.secret = Some(secret);
        self
    }

    /// The same content with another list of accepted clients.
    #[must_use]
    pub(super) fn with_allowed(mut self, clients: &[String]) -> Self {
        let listed: Vec<&str> = clients.iter().map(String::as_str).filter(|client| !client.is_empty()).collect();
        self.rest.insert(ALLOWED.into(), listed.join(" ").into());
        self
    }

    /// The same content with who holds the lease, for a version that stands for one.
    #[must_use]
    pub(super) fn with_holder(mut self, holder: &Holder) -> Self {
        // It is made of texts and a time, which JSON can hold.
        self.rest.insert(HOLDER.into(), serde_json::to_value(holder).unwrap_or_default());
        self
    }

    /// The same content with a variable set.
    #[must_use]
    pub(super) fn with_variable(mut self, key: &str, value: SecretString) -> Self {
        if key == CLIENT_SECRET {
            self.secret = Some(value);
        } else {
            self.rest.insert(key.to_owned(), Value::String(value.expose_secret().to_owned()));
        }
        self
    }

    /// The same content without a variable.
    #[must_use]
    pub(super) fn without_variable(mut self, key: &str) -> Self {
        if key == CLIENT_SECRET {
            self.secret = None;
        } else {
            self.rest.remove(key);
        }
        self
    }

    /// The names in it, in order.
    pub(super) fn keys(&self) -> Vec<String> {
        let secret = self.secret.as_ref().map(|_| CLIENT_SECRET.to_owned());
        let mut keys: Vec<String> = self.rest.keys().map(|key| sanitise(key)).chain(secret).collect();
        keys.sort();
        keys
    }

    /// Who holds the lease that the version stands for, as far as it says so.
    pub(super) fn holder(&self) -> Holder {
        let told = self.rest.get(HOLDER).cloned().unwrap_or_default();
        let Holder { operation, what, by, since, version } = serde_json::from_value(told).unwrap_or_default();
        Holder { operation: sanitise(&operation), what: sanitise(&what), by: sanitise(&by), since, version }
    }

    /// The text to store in the Secret.
    pub(super) fn to_json(&self) -> CloudResult<SecretString> {
        let wrong = |_| error::invalid("secretsmanager:PutSecretValue", "the secret cannot be written as JSON");
        serde_json::to_string(self).map(SecretString::from).map_err(wrong)
    }
}

impl Serialize for Credentials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = self.rest.get(CLIENT_ID) {
            map.serialize_entry(CLIENT_ID, id)?;
        }
        if let Some(secret) = &self.secret {
            map.serialize_entry(CLIENT_SECRET, secret.expose_secret())?;
        }
        for (key, value) in self.rest.iter().filter(|(key, _)| *key != CLIENT_ID) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// A new client secret from the random generator of the operating system.
pub(super) fn generate() -> CloudResult<SecretString> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut out = String::with_capacity(LENGTH);
    let mut bytes = [0u8; 64];
    while out.len() < LENGTH {
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes)
            .map_err(|_| error::invalid("os:Random", "the system's random generator does not answer"))?;
        // 248 is the largest multiple of 62 in a byte; larger bytes would favour the first letters.
        let letters = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        out.extend(letters.take(LENGTH - out.len()));
    }
    Ok(SecretString::from(out))
}

/// The version id that belongs to an operation's token. Secrets Manager wants 32 to 64 characters, and
/// the same id when a request is repeated (API reference, PutSecretValue, ClientRequestToken).
pub(super) fn version_id(token: &str, secret: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{token}\n{secret}"));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_secret_that_we_do_not_know_are_kept() {
        let text = r#"{"client_id":"a","allowed_client_ids":"a b","note":1}"#;
        let found = Credentials::parse("s", text).expect("JSON");
        assert!(found.secret().is_none());
        assert_eq!(found.allowed(), ["a", "b"]);
        let new =
            found.with_client("b", SecretString::from("hush")).with_allowed(&["a".into(), String::new(), "b".into()]);
        let json = new.to_json().expect("JSON");
        let expected = r#"{"client_id":"b","client_secret":"hush","allowed_client_ids":"a b","note":1}"#;
        assert_eq!(json.expose_secret(), expected);
    }

    #[test]
    fn an_error_about_a_secret_does_not_quote_its_text() {
        let Err(error) = Credentials::parse("s", "hunter2") else { unreachable!("it is no JSON") };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn generated_secrets_are_what_cognito_takes() {
        let (one, other) = (generate().expect("random"), generate().expect("random"));
        assert_eq!(one.expose_secret().len(), LENGTH);
        assert!(one.expose_secret().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one.expose_secret(), other.expose_secret());
    }

    #[test]
    fn a_repeated_write_has_the_same_version_id() {
        let id = version_id("op-1", "quarterdeck/prod/time/machine-client");
        assert_eq!(id.len(), 36);
        assert_eq!(id, version_id("op-1", "quarterdeck/prod/time/machine-client"));
        assert_ne!(id, version_id("op-1-allow", "quarterdeck/prod/time/machine-client"));
    }
}
