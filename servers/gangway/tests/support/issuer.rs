//! An issuer of tokens with a JWKS endpoint that counts its readers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Two key pairs, made once for each test binary: making one takes a while.
pub static KEYS: LazyLock<[KeyPair; 2]> =
    LazyLock::new(|| [(); 2].map(|()| KeyPair::generate(KeySize::Rsa2048).unwrap()));

pub fn encode(part: &Value) -> String {
    BASE64.encode(part.to_string())
}

/// A token signed by the key number `key`, with that key's id.
pub fn token(key: usize, claims: &Value) -> String {
    sign(key, &json!({ "alg": "RS256", "kid": format!("key-{key}") }), claims)
}

pub fn sign(key: usize, header: &Value, claims: &Value) -> String {
    sign_text(key, header.to_string().as_bytes(), claims.to_string().as_bytes())
}

/// A token of parts that need not be JSON.
pub fn sign_text(key: usize, header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let mut signature = vec![0; KEYS[key].public_modulus_len()];
    KEYS[key].sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", BASE64.encode(signature))
}

pub fn jwk(key: usize) -> Value {
    let public = KEYS[key].public_key();
    json!({
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": format!("key-{key}"),
        "n": BASE64.encode(public.modulus().big_endian_without_leading_zero()),
        "e": BASE64.encode(public.exponent().big_endian_without_leading_zero()),
    })
}

/// The public key as bytes, for an attempt to use it as a shared secret.
pub fn public_der(key: usize) -> Vec<u8> {
    KEYS[key].public_key().as_ref().to_vec()
}

#[derive(Default)]
struct State {
    keys: Mutex<Vec<Value>>,
    fetches: AtomicUsize,
    broken: AtomicBool,
    /// While set, readers wait for `release`.
    held: AtomicBool,
    release: Notify,
}

/// The JWKS endpoint.
#[derive(Clone)]
pub struct Issuer {
    state: Arc<State>,
    pub jwks_url: String,
}

impl Issuer {
    /// An issuer that publishes the first key.
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        state.keys.lock().unwrap().push(jwk(0));
        let served = state.clone();
        let routes = Router::new().route("/jwks.json", get(async move || answer(&served).await));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { state, jwks_url }
    }

    pub fn publish(&self, keys: &[Value]) {
        *self.state.keys.lock().unwrap() = keys.to_vec();
    }

    pub fn break_down(&self) {
        self.state.broken.store(true, Ordering::SeqCst);
    }

    pub fn repair(&self) {
        self.state.broken.store(false, Ordering::SeqCst);
    }

    /// Makes readers wait until `release`.
    pub fn hold(&self) {
        self.state.held.store(true, Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.state.held.store(false, Ordering::SeqCst);
        self.state.release.notify_waiters();
    }

    pub fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }
}

async fn answer(state: &State) -> Result<String, StatusCode> {
    state.fetches.fetch_add(1, Ordering::SeqCst);
    let released = state.release.notified();
    if state.held.load(Ordering::SeqCst) {
        released.await;
    }
    if state.broken.load(Ordering::SeqCst) {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok(json!({ "keys": *state.keys.lock().unwrap() }).to_string())
}
