//! The cache of the issuer's keys: few fetches, however many requests with made-up keys come.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clock::{Clock, start, start_with};
use futures_util::future::join_all;
use serde_json::json;
use support::issuer::{Issuer, jwk, sign, token};
use support::machine_claims;
use support::server::{Running, header, until};

async fn status(server: &Running<Clock>, token: &str) -> u16 {
    server.authorize(&format!("Bearer {token}")).await.status().as_u16()
}

/// Every request is followed by a reading of the keys.
fn always_read(config: &mut gangway::Config) {
    config.limits.jwks_interval = Duration::ZERO;
    config.limits.jwks_max_age = Duration::ZERO;
}

fn good() -> String {
    token(0, &machine_claims())
}

#[tokio::test]
async fn first_requests_at_once_cause_one_fetch() {
    let issuer = Issuer::start().await;
    issuer.hold();
    let server = start_with(issuer, |config| config.limits.concurrent_requests = 20).await;
    let turned_away = AtomicUsize::new(0);
    // One more than there is room for: once it is turned away, twenty wait for the keys.
    let requests = join_all((0..21).map(async |_| {
        loop {
            match status(&server, &good()).await {
                503 => turned_away.fetch_add(1, Ordering::SeqCst),
                status => break status,
            };
        }
    }));
    let release = async {
        until(|| server.issuer.fetches() == 1 && turned_away.load(Ordering::SeqCst) > 0).await;
        server.issuer.release();
    };
    let (statuses, ()) = tokio::join!(requests, release);
    assert_eq!(statuses, [200; 21]);
    assert_eq!(server.issuer.fetches(), 1);
}

#[tokio::test]
async fn requests_that_waited_for_a_fetch_in_vain_do_not_try_each_for_itself() {
    let issuer = Issuer::start().await;
    issuer.hold();
    // Longer than the pause between two attempts without keys.
    let slow = |config: &mut gangway::Config| config.limits.jwks_time = Duration::from_millis(1_100);
    let server = start_with(issuer, slow).await;
    let statuses = join_all((0..20).map(|_| async { status(&server, &good()).await })).await;
    assert_eq!(statuses, [503; 20]);
    // One, or two where the requests came when the first had failed already.
    assert!(server.issuer.fetches() <= 2, "{}", server.issuer.fetches());
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_end_the_fetch_for_a_new_key() {
    let server = start().await;
    assert_eq!(status(&server, &good()).await, 200);
    server.issuer.publish(&[jwk(0), jwk(1)]);
    server.issuer.hold();
    let before = server.issuer.fetches();
    let made_up = sign(1, &json!({ "alg": "RS256", "kid": "made-up" }), &machine_claims());
    let impatient = tokio::spawn(server.post(&support::list()).bearer_auth(made_up).send());
    until(|| server.issuer.fetches() > before).await;
    impatient.abort();
    until(|| server.log.events("request").iter().any(|line| line["status"] == 499)).await;
    server.issuer.release();
    // No other fetch is due for half a minute.
    assert_eq!(status(&server, &token(1, &machine_claims())).await, 200);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_one_more_fetch() {
    let server = start().await;
    assert_eq!(status(&server, &good()).await, 200);
    let before = server.issuer.fetches();
    let flood = (0..50).map(|i| {
        let header = json!({ "alg": "RS256", "kid": format!("made-up-{i}") });
        sign(1, &header, &machine_claims())
    });
    let flood: Vec<_> = flood.collect();
    let statuses = join_all(flood.iter().map(|token| status(&server, token))).await;
    assert_eq!(statuses, [401; 50]);
    assert_eq!(server.issuer.fetches() - before, 1);
    assert_eq!(status(&server, &good()).await, 200);
}

#[tokio::test]
async fn made_up_keys_do_not_keep_real_ones_out() {
    // Fewer places than there are made-up keys, and more than may wait.
    let few = |config: &mut gangway::Config| {
        config.limits.concurrent_requests = 100;
        config.limits.jwks_time = Duration::from_secs(600);
    };
    let server = start_with(Issuer::start().await, few).await;
    assert_eq!(status(&server, &good()).await, 200);
    server.issuer.hold();
    let before = server.issuer.fetches();
    let flood: Vec<_> = (0..150)
        .map(|i| sign(1, &json!({ "alg": "RS256", "kid": format!("made-up-{i}") }), &machine_claims()))
        .collect();
    let answered = AtomicUsize::new(0);
    let refused = join_all(flood.iter().map(async |token| {
        let status = status(&server, token).await;
        answered.fetch_add(1, Ordering::SeqCst);
        status
    }));
    let meanwhile = async {
        // All but those that wait for the fetch have their answer.
        until(|| server.issuer.fetches() > before && answered.load(Ordering::SeqCst) >= 150 - 64).await;
        let statuses = join_all((0..20).map(|_| async { status(&server, &good()).await })).await;
        server.issuer.release();
        statuses
    };
    let (refused, meanwhile) = tokio::join!(refused, meanwhile);
    assert_eq!(meanwhile, [200; 20]);
    assert!(refused.iter().all(|status| [401, 503].contains(status)), "{refused:?}");
    assert_eq!(server.issuer.fetches() - before, 1);
}

#[tokio::test]
async fn a_new_key_is_found() {
    let server = start().await;
    assert_eq!(status(&server, &good()).await, 200);
    server.issuer.publish(&[jwk(0), jwk(1)]);
    assert_eq!(status(&server, &token(1, &machine_claims())).await, 200);
    assert_eq!(status(&server, &good()).await, 200);
}

#[tokio::test]
async fn known_keys_outlive_an_outage() {
    let server = start_with(Issuer::start().await, always_read).await;
    assert_eq!(status(&server, &good()).await, 200);
    server.issuer.break_down();
    let before = server.issuer.fetches();
    assert_eq!(status(&server, &good()).await, 200);
    until(|| server.issuer.fetches() > before).await;
    until(|| !server.log.events("jwks_unavailable").is_empty()).await;
    assert_eq!(status(&server, &good()).await, 200);
}

#[tokio::test]
async fn a_key_that_is_new_in_an_outage_is_not_refused_for_good() {
    let tight = |config: &mut gangway::Config| config.limits.jwks_interval = Duration::ZERO;
    let server = start_with(Issuer::start().await, tight).await;
    assert_eq!(status(&server, &good()).await, 200);
    server.issuer.publish(&[jwk(0), jwk(1)]);
    server.issuer.break_down();
    // Not 401: nobody can tell whether the token is good.
    assert_eq!(status(&server, &token(1, &machine_claims())).await, 503);
    assert_eq!(status(&server, &good()).await, 200);
    server.issuer.repair();
    assert_eq!(status(&server, &token(1, &machine_claims())).await, 200);
    let made_up = sign(1, &json!({ "alg": "RS256", "kid": "made-up" }), &machine_claims());
    assert_eq!(status(&server, &made_up).await, 401);
}

#[tokio::test]
async fn a_withdrawn_key_is_forgotten() {
    let server = start_with(Issuer::start().await, always_read).await;
    assert_eq!(status(&server, &good()).await, 200);
    server.issuer.publish(&[jwk(1)]);
    // Served stale while the refresh is under way, refused once it is done.
    while status(&server, &good()).await == 200 {}
    assert_eq!(status(&server, &good()).await, 401);
}

/// What was found right with one key says nothing of another, whatever its name.
#[tokio::test]
async fn a_key_that_takes_the_name_of_another_does_not_take_its_tokens() {
    let server = start_with(Issuer::start().await, always_read).await;
    let token = good();
    for _ in 0..2 {
        assert_eq!(status(&server, &token).await, 200);
    }
    let mut other = jwk(1);
    other["kid"] = "key-0".into();
    server.issuer.publish(&[other]);
    let begun = std::time::Instant::now();
    while status(&server, &token).await == 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "its key is gone, and it is accepted");
    }
    assert_eq!(status(&server, &token).await, 401);
    server.issuer.publish(&[jwk(0)]);
    let begun = std::time::Instant::now();
    while status(&server, &token).await != 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "its key is there again, and it is refused");
    }
}

/// Half a minute is what clocks may differ.
#[tokio::test]
async fn a_token_that_was_accepted_ends_at_its_time() {
    let server = start().await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = token(0, &support::with(machine_claims(), json!({ "exp": now - 26 })));
    let begun = std::time::Instant::now();
    assert_eq!(status(&server, &token).await, 200);
    while status(&server, &token).await == 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is over");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status(&server, &token).await, 401);
}

/// A token is known as a whole: its parts prove nothing.
#[tokio::test]
async fn a_token_that_was_accepted_lends_its_parts_to_no_other() {
    let server = start().await;
    let (ours, others) = (good(), token(1, &machine_claims()));
    for _ in 0..2 {
        assert_eq!(status(&server, &ours).await, 200);
    }
    let (message, signature) = ours.rsplit_once('.').unwrap();
    let (_, other_signature) = others.rsplit_once('.').unwrap();
    let more =
        sign(1, &json!({ "alg": "RS256", "kid": "key-0" }), &support::with(machine_claims(), json!({ "sub": "x" })));
    let (other_message, _) = more.rsplit_once('.').unwrap();
    let parts = [(message, other_signature), (other_message, signature), (message, "")];
    for (message, signature) in parts {
        assert_eq!(status(&server, &format!("{message}.{signature}")).await, 401);
    }
    assert_eq!(status(&server, &ours).await, 200);
}

#[tokio::test]
async fn without_any_key_the_server_asks_for_patience() {
    let issuer = Issuer::start().await;
    issuer.break_down();
    let server = start_with(issuer, |_| {}).await;
    let response = server.authorize(&format!("Bearer {}", good())).await;
    // Not 401: a client would throw its token away and fetch another.
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), "2");
    server.issuer.repair();
    while status(&server, &good()).await != 200 {}
}

#[tokio::test]
async fn keys_of_other_kinds_are_passed_over() {
    let issuer = Issuer::start().await;
    let mut encryption = jwk(1);
    encryption["use"] = "enc".into();
    let mut other = jwk(1);
    (other["alg"], other["kid"]) = ("RS512".into(), "key-2".into());
    let elliptic = json!({ "kty": "EC", "crv": "P-256", "kid": "key-3", "x": "AA", "y": "AA" });
    issuer.publish(&[encryption, other, elliptic, json!(7), jwk(0)]);
    let server = start_with(issuer, |_| {}).await;
    assert_eq!(status(&server, &good()).await, 200);
    for kid in ["key-1", "key-2", "key-3"] {
        let token = sign(1, &json!({ "alg": "RS256", "kid": kid }), &machine_claims());
        assert_eq!(status(&server, &token).await, 401, "{kid}");
    }
}
