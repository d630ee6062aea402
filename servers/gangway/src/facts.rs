//! What is learnt about a request on its way in, for its line in the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::Request;
use serde_json::value::RawValue;

use crate::config::Subjects;
use crate::raw::is_id;

/// Longest value from outside that is written, in characters.
pub const MAX_VALUE: usize = 64;

/// What the layers learn about one request. They find it in the request's extensions ([`facts`]).
#[derive(Clone, Default)]
pub struct Facts(Arc<Known>);

#[derive(Default)]
struct Known {
    client: OnceLock<String>,
    subject: OnceLock<String>,
    aim: OnceLock<Aim>,
    method: OnceLock<String>,
    tool: OnceLock<String>,
    listed: AtomicBool,
    request_id: OnceLock<Box<RawValue>>,
    tool_failed: AtomicBool,
    upstream: OnceLock<(&'static str, Duration)>,
}

impl Facts {
    /// Notes how the server behind this one did, and how long it took until its answer began.
    pub fn upstream(&self, how: &'static str, time: Duration) {
        let _ = self.0.upstream.set((how, time));
    }

    /// How the server behind this one did, if it was asked.
    pub fn known_upstream(&self) -> Option<(&'static str, Duration)> {
        self.0.upstream.get().copied()
    }

    /// Notes what a token says whose signature was checked: its client, its subject, and what it is for.
    pub fn token(&self, client: Option<&str>, subject: Option<&str>, aim: Aim) {
        if let Some(client) = client {
            let _ = self.0.client.set(clean(client));
        }
        if let Some(subject) = subject {
            let _ = self.0.subject.set(subject.to_owned());
        }
        let _ = self.0.aim.set(aim);
    }

    /// The subject of a token that the issuer signed, as it is written in the log.
    pub fn known_subject(&self, how: Subjects) -> Option<String> {
        let subject = self.0.subject.get()?;
        match how {
            Subjects::Hashed => Some(hashed(subject)),
            Subjects::Plain => Some(clean(subject)),
            Subjects::Off => None,
        }
    }

    /// What a token was for that the issuer signed.
    pub fn known_aim(&self) -> Option<Aim> {
        self.0.aim.get().copied()
    }

    /// Notes the MCP method, the tool of a `tools/call`, and whether the server lists it.
    pub fn call(&self, method: Option<&str>, tool: Option<&str>, listed: bool) {
        if let Some(method) = method {
            let _ = self.0.method.set(clean(method));
        }
        if let Some(tool) = tool {
            let _ = self.0.tool.set(clean(tool));
        }
        self.0.listed.store(listed, Ordering::Relaxed);
    }

    /// Whether the client asked for nothing but a stream to listen on.
    pub fn listens(&self) -> bool {
        self.known_method() == Some("subscriptions/listen")
    }

    /// Notes the message's JSON-RPC id, if it has the type of one.
    pub fn request_id(&self, id: Option<Box<RawValue>>) {
        if let Some(id) = id.filter(|id| is_id(id)) {
            let _ = self.0.request_id.set(id);
        }
    }

    /// The JSON-RPC id, for an error that answers the message. It is never logged.
    pub fn known_request_id(&self) -> Option<&RawValue> {
        self.0.request_id.get().map(|id| &**id)
    }

    /// Notes that the tool's result says `isError`, or that the server could not run it.
    pub fn tool_failed(&self) {
        self.0.tool_failed.store(true, Ordering::Relaxed);
    }

    /// The OAuth client, if the issuer signed its token.
    pub fn known_client(&self) -> Option<&str> {
        self.0.client.get().map(String::as_str)
    }

    /// The MCP method, if the body was read.
    pub fn known_method(&self) -> Option<&str> {
        self.0.method.get().map(String::as_str)
    }

    /// The tool, if the body was read and calls one.
    pub fn known_tool(&self) -> Option<&str> {
        self.0.tool.get().map(String::as_str)
    }

    /// Whether the server lists that tool.
    pub fn tool_is_listed(&self) -> bool {
        self.0.listed.load(Ordering::Relaxed)
    }

    /// Whether the tool failed.
    pub fn has_failed(&self) -> bool {
        self.0.tool_failed.load(Ordering::Relaxed)
    }
}

/// What a token is for, by its audience or, without one, by its scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Aim {
    /// This server.
    #[serde(rename = "matched")]
    Here,
    #[serde(rename = "other")]
    Elsewhere,
    /// It has neither an audience nor a scope.
    #[serde(rename = "none")]
    Unsaid,
}

/// The facts of `request`: empty ones if it did not come through the layer that logs requests.
pub fn facts(request: &Request) -> Facts {
    request.extensions().get().cloned().unwrap_or_default()
}

/// The same for the same subject, and not to be turned back for one that cannot be guessed: the first 16 digits of its
/// SHA-256.
pub fn hashed(subject: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, subject.as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A value from outside, made harmless: at most [`MAX_VALUE`] characters, and a `?` for each that no
/// name needs. A value that contains the beginning of a JWT (`eyJ`, a JSON object in base64) may be a
/// token, and is not written at all.
fn clean(value: &str) -> String {
    if value.contains("eyJ") {
        return "[redacted]".to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:$".contains(c);
    value.chars().take(MAX_VALUE).map(|c| if plain(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_outside_are_made_harmless() {
        assert_eq!(clean("tools/call"), "tools/call");
        assert_eq!(clean("a\n\u{1b}[31m\"b"), "a???31m?b");
        assert_eq!(clean("x eyJhbGciOi"), "[redacted]");
        assert_eq!(clean(&"a".repeat(1000)).len(), MAX_VALUE);
    }

    #[test]
    fn a_subject_is_written_as_it_was_chosen() {
        let facts = Facts::default();
        facts.token(None, Some("ann@example.com"), Aim::Here);
        assert_eq!(facts.known_subject(Subjects::Plain).as_deref(), Some("ann?example.com"));
        // printf %s ann@example.com | sha256sum
        assert_eq!(facts.known_subject(Subjects::Hashed).as_deref(), Some("71d4f55f72fa128d"));
        assert_eq!(facts.known_subject(Subjects::Off), None);
    }
}
