//! The issuer's public keys (RFC 7517), cached.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use reqwest::Client;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};

use crate::client::{ClientError, read_limited};
use crate::config::Config;
use crate::log::Log;

/// Largest JWKS document that is read.
const MAX_BYTES: usize = 256 * 1024;
/// Time between attempts as long as no keys were read.
const RETRY: Duration = Duration::from_secs(1);
/// Most requests that wait for a fetch because their key is not known, while other keys are. Requests
/// with made-up keys must not use up the places of requests with real ones.
const MAX_WAITING: usize = 64;

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The issuer does not have it.
    Unknown,
    /// The issuer's keys cannot be read, or too many requests wait for them.
    Unavailable,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("status {0}")]
    Status(u16),
    #[error("not a JWKS with a usable RS256 key")]
    Content,
}

/// One reading of the document.
struct KeySet {
    by_id: HashMap<String, Arc<DecodingKey>>,
    read_at: Instant,
}

/// The cache. Requests with a known key never wait for the network.
pub struct Jwks {
    url: String,
    interval: Duration,
    max_age: Duration,
    client: Client,
    log: Log,
    keys: RwLock<Option<Arc<KeySet>>>,
    /// Locked while fetching, so that there is one fetch at a time. Holds the time when the last one ended.
    gate: Arc<Mutex<Option<Instant>>>,
    waiting: Semaphore,
    /// Whether the last fetch failed. If so, a key that is not known may be a new one of the issuer's.
    failing: AtomicBool,
}

impl Jwks {
    /// An empty cache.
    pub fn new(config: &Config, client: Client, log: Log) -> Self {
        Self {
            url: config.jwks_url.clone(),
            interval: config.limits.jwks_interval,
            max_age: config.limits.jwks_max_age,
            client,
            log,
            keys: RwLock::new(None),
            gate: Arc::default(),
            waiting: Semaphore::new(MAX_WAITING),
            failing: AtomicBool::new(false),
        }
    }

    /// The key `kid`, fetching the document when it is not known.
    pub async fn find(self: &Arc<Self>, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        if let Some((key, age)) = self.known(kid) {
            if age > self.max_age && self.gate.try_lock().is_ok() {
                let this = self.clone();
                tokio::spawn(async move { this.refresh(None).await });
            }
            return Ok(key);
        }
        let place = self.waiting.try_acquire();
        if place.is_err() && self.current().is_some() {
            return Err(KeyError::Unavailable);
        }
        self.refresh(Some(kid)).await;
        match self.known(kid) {
            Some((key, _)) => Ok(key),
            None if self.current().is_some() && !self.failing.load(Ordering::Relaxed) => Err(KeyError::Unknown),
            None => Err(KeyError::Unavailable),
        }
    }

    /// The key `kid` as the issuer has it now, if it was read since it was `old`. `None` also where it may not
    /// be read again yet: whoever makes up signatures must not make us ask the issuer all the time.
    pub async fn renewed(self: &Arc<Self>, kid: &str, old: &Arc<DecodingKey>) -> Option<Arc<DecodingKey>> {
        let _place = self.waiting.try_acquire().ok()?;
        let newer = || self.known(kid).map(|(key, _)| key).filter(|key| !Arc::ptr_eq(key, old));
        self.refresh_unless(|| newer().is_some()).await;
        newer()
    }

    /// Fetches the document, unless that was tried a moment ago, or another request has fetched the
    /// `missing` key in the meantime.
    pub async fn refresh(self: &Arc<Self>, missing: Option<&str>) {
        self.refresh_unless(|| missing.is_some_and(|kid| self.known(kid).is_some())).await;
    }

    async fn refresh_unless(self: &Arc<Self>, enough: impl Fn() -> bool) {
        let last = self.gate.clone().lock_owned().await;
        if enough() {
            return;
        }
        let pause = if self.current().is_none() { RETRY } else { self.interval };
        if last.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        let this = self.clone();
        // A task of its own: a client that hangs up must not end the fetch that others wait for.
        let _ = tokio::spawn(async move { this.renew(last).await }).await;
    }

    async fn renew(&self, mut last: OwnedMutexGuard<Option<Instant>>) {
        let first = self.current().is_none();
        let fetched = self.fetch().await;
        self.failing.store(fetched.is_err(), Ordering::Relaxed);
        // The time of the end, not of the start: requests that waited during a slow fetch must not repeat it.
        *last = Some(Instant::now());
        match fetched {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
                if first {
                    // Lets the next unknown key cause a fetch at once, in case keys are rotated right after a start.
                    *last = None;
                }
            }
            Err(error) => self.log.event("warn", "jwks_unavailable", &error.to_string()),
        }
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn known(&self, kid: &str) -> Option<(Arc<DecodingKey>, Duration)> {
        let keys = self.current()?;
        let key = keys.by_id.get(kid)?.clone();
        Some((key, keys.read_at.elapsed()))
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let response = self.client.get(&self.url).send().await.map_err(ClientError::from)?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = read_limited(response, MAX_BYTES).await?;
        let by_id = parse(&body).ok_or(FetchError::Content)?;
        Ok(KeySet { by_id, read_at: Instant::now() })
    }
}

/// The RSA signing keys of a document. Keys of other kinds are ignored.
fn parse(body: &[u8]) -> Option<HashMap<String, Arc<DecodingKey>>> {
    #[derive(serde::Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document = serde_json::from_slice(body).ok()?;
    let keys: HashMap<_, _> = document.keys.into_iter().filter_map(usable).collect();
    (!keys.is_empty()).then_some(keys)
}

fn usable(value: serde_json::Value) -> Option<(String, Arc<DecodingKey>)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else { return None };
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let rs256 = matches!(jwk.common.key_algorithm, None | Some(KeyAlgorithm::RS256));
    let key = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).ok()?;
    (signs && rs256).then_some((jwk.common.key_id?, Arc::new(key)))
}
