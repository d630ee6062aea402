//! The tools against the stub, and against a service that misbehaves.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "../../gangway/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use mcp_weather::{Nws, Patience, WeatherServer, stub};
use serde_json::json;
use support::issuer::Issuer;
use support::server::{Running, start_server};
use tokio::net::TcpListener;

/// Short, so that a service that hangs does not make the tests hang with it.
const IMPATIENT: Patience =
    Patience { attempt: Duration::from_millis(100), pause: Duration::from_millis(1), total: Duration::from_secs(20) };
/// When the stub's alerts last changed.
const UPDATED: &str = "2026-11-22T12:00:00+00:00";
const DENVER: (f64, f64) = (39.739_199_9, -104.99);

async fn start(upstream: Router, patience: Patience) -> Running<WeatherServer> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, upstream).await });
    let server = WeatherServer::new(Nws::new(&base, patience).unwrap());
    start_server(Issuer::start().await, server, &[], |_| {}).await
}

/// A service that answers the n-th request, counted from 0, by `answer`.
fn service<F>(answer: F) -> (Router, Arc<AtomicUsize>)
where
    F: Fn(usize, &str) -> Response + Clone + Send + Sync + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let handler = async move |uri: axum::http::Uri| answer(counted.fetch_add(1, Ordering::SeqCst), uri.path());
    (Router::new().fallback(handler), count)
}

async fn forecast(server: &Running<WeatherServer>) -> serde_json::Value {
    server.call("get_forecast", json!({ "latitude": DENVER.0, "longitude": DENVER.1 })).await
}

async fn failing_alerts(server: &Running<WeatherServer>) -> String {
    server.call_failing("get_alerts", json!({ "state": "CO" })).await
}

#[tokio::test]
async fn forecasts_and_alerts_are_passed_on() {
    let server = start(stub::router(), Patience::default()).await;
    let forecast = forecast(&server).await;
    let content = &forecast["structuredContent"];
    assert_eq!((&content["location"], &content["timezone"]), (&json!("Denver, CO"), &json!("America/Denver")));
    assert_eq!(content["periods"].as_array().unwrap().len(), 4);
    assert_eq!(content["periods"][0]["short_forecast"], "Sunny");
    assert_eq!(content["periods"][0]["temperature"], 54.0);

    let alerts = server.call("get_alerts", json!({ "state": " co " })).await;
    assert_eq!(alerts["structuredContent"]["total"], 1);
    assert_eq!(alerts["structuredContent"]["alerts"][0]["event"], "Winter Storm Warning");
    assert_eq!(alerts["structuredContent"]["alerts"][0]["area"], "Rocky Mountain National Park");
    // The storm's, not that of the text about it.
    assert_eq!(alerts["structuredContent"]["alerts"][0]["ends"], "2026-11-23T06:00:00-07:00");
    assert_eq!(alerts["structuredContent"]["alerts"][0].get("expires"), None);
    let quiet = server.call("get_alerts", json!({ "state": "WY" })).await;
    assert_eq!(quiet["structuredContent"], json!({ "state": "WY", "updated": UPDATED, "total": 0, "alerts": [] }));
    assert_eq!(content["updated"], "2026-11-22T11:00:00+00:00");
}

#[tokio::test]
async fn an_alert_that_names_no_end_ends_with_its_text() {
    let (upstream, _) = service(|_, _| {
        let alert = json!({ "event": "Flood Watch", "ends": null, "expires": "2026-11-22T20:00:00-07:00" });
        json!({ "features": [{ "properties": alert }] }).to_string().into_response()
    });
    let alerts = start(upstream, IMPATIENT).await.call("get_alerts", json!({ "state": "CO" })).await;
    assert_eq!(alerts["structuredContent"]["alerts"][0]["ends"], "2026-11-22T20:00:00-07:00");
}

#[tokio::test]
async fn bad_input_never_reaches_the_service() {
    let (upstream, count) = service(|_, _| StatusCode::OK.into_response());
    let server = start(upstream, IMPATIENT).await;
    for (latitude, longitude) in [(91.0, 0.0), (0.0, -181.0), (1e300, 0.0)] {
        let arguments = json!({ "latitude": latitude, "longitude": longitude });
        assert!(server.call_failing("get_forecast", arguments).await.contains("not on Earth"));
    }
    for state in ["", "California", "ZZ", "CO&x=1", "../x"] {
        let error = server.call_failing("get_alerts", json!({ "state": state })).await;
        assert!(error.contains("two-letter code"), "{error}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_place_abroad_is_explained() {
    let server = start(stub::router(), IMPATIENT).await;
    let berlin = json!({ "latitude": 52.52, "longitude": 13.4 });
    let error = server.call_failing("get_forecast", berlin).await;
    assert!(error.contains("United States only"), "{error}");
}

#[tokio::test]
async fn passing_faults_are_retried() {
    let (upstream, count) = service(|n, _| match n {
        0 | 1 => StatusCode::BAD_GATEWAY.into_response(),
        _ => json!({ "features": [] }).to_string().into_response(),
    });
    let server = start(upstream, IMPATIENT).await;
    let alerts = server.call("get_alerts", json!({ "state": "CO" })).await;
    assert_eq!(alerts["structuredContent"]["total"], 0);
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn lasting_faults_are_told() {
    type Case = (&'static str, fn(usize, &str) -> Response, &'static str, usize);
    let refused = |_: usize, _: &str| (StatusCode::BAD_REQUEST, r#"{"detail":"why\nnot"}"#).into_response();
    let cases: [Case; 6] = [
        ("500", |_, _| StatusCode::INTERNAL_SERVER_ERROR.into_response(), "not available (status 500)", 3),
        ("400", refused, "status 400: whynot", 1),
        ("404", |_, _| StatusCode::NOT_FOUND.into_response(), "nothing there", 1),
        ("redirect", |_, _| Redirect::temporary("http://evil.example/").into_response(), "status 307", 1),
        ("not JSON", |_, _| "<html>".into_response(), "could not be read", 1),
        ("other JSON", |_, _| r#"{"features":[{"x":1}]}"#.into_response(), "could not be read", 1),
    ];
    for (what, answer, why, attempts) in cases {
        let (upstream, count) = service(answer);
        let server = start(upstream, IMPATIENT).await;
        let error = failing_alerts(&server).await;
        assert!(error.contains(why), "{what}: {error}");
        assert_eq!(count.load(Ordering::SeqCst), attempts, "{what}");
    }
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let upstream = Router::new().fallback(async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    });
    let server = start(upstream, IMPATIENT).await;
    let error = failing_alerts(&server).await;
    assert!(error.contains("no answer in time"), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let (upstream, _) = service(|_, _| vec![b' '; 5 * 1024 * 1024].into_response());
    let patient = Patience { attempt: Duration::from_secs(10), ..IMPATIENT };
    let server = start(upstream, patient).await;
    assert!(failing_alerts(&server).await.contains("could not be read"));
}

#[tokio::test]
async fn a_service_that_is_gone_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = WeatherServer::new(Nws::new(&base, IMPATIENT).unwrap());
    let server = start_server(Issuer::start().await, server, &[], |_| {}).await;
    assert!(failing_alerts(&server).await.contains("not available (no connection)"));
}

#[tokio::test]
async fn an_answer_does_not_choose_what_is_called_next() {
    let (upstream, count) = service(|n, path| {
        assert!(n == 0 && path == "/points/39.7392,-104.99", "{n} {path}");
        let point = json!({ "gridId": "../../evil", "gridX": 1, "gridY": 2 });
        json!({ "properties": point }).to_string().into_response()
    });
    let server = start(upstream, IMPATIENT).await;
    let arguments = json!({ "latitude": DENVER.0, "longitude": DENVER.1 });
    assert!(server.call_failing("get_forecast", arguments).await.contains("could not be read"));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_service_is_told_who_asks() {
    let upstream = Router::new().fallback(async |headers: HeaderMap| {
        let agent = headers["user-agent"].to_str().unwrap();
        assert!(agent.starts_with("mcp-weather/") && agent.contains("https://"), "{agent}");
        assert!(!headers.contains_key("authorization"));
        json!({ "features": [] }).to_string()
    });
    let server = start(upstream, IMPATIENT).await;
    server.call("get_alerts", json!({ "state": "CO" })).await;
}

/// Three times the alerts of Colorado from a service with these headers; how often it was asked.
async fn asked_with(headers: &'static [(&'static str, &'static str)]) -> usize {
    let (upstream, count) = service(move |_, _| {
        let mut response = json!({ "features": [] }).to_string().into_response();
        for (name, value) in headers {
            response.headers_mut().append(*name, value.parse().unwrap());
        }
        response
    });
    let server = start(upstream, IMPATIENT).await;
    for _ in 0..3 {
        server.call("get_alerts", json!({ "state": "CO" })).await;
    }
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn the_service_is_asked_once_while_its_answer_is_fresh() {
    assert_eq!(asked_with(&[("cache-control", "public, max-age=3600, s-maxage=7200")]).await, 1);
    assert_eq!(asked_with(&[("cache-control", "max-age=3600"), ("age", "3599999")]).await, 3);
    assert_eq!(asked_with(&[("cache-control", "max-age=0")]).await, 3);
    assert_eq!(asked_with(&[("cache-control", "max-age=3600, no-store")]).await, 3);
    assert_eq!(asked_with(&[]).await, 3);
}

#[tokio::test]
async fn documents_are_kept_apart() {
    let server = start(stub::router(), Patience::default()).await;
    for (state, total) in [("CO", 1), ("WY", 0), ("CO", 1), ("WY", 0)] {
        let alerts = server.call("get_alerts", json!({ "state": state })).await;
        assert_eq!(alerts["structuredContent"]["total"], total, "{state}");
    }
}

#[tokio::test]
async fn what_failed_is_not_kept() {
    let fresh = [("cache-control", "max-age=3600")];
    let (upstream, count) = service(move |n, _| match n {
        0 => (fresh, "<html>").into_response(),
        1 => (StatusCode::NOT_FOUND, fresh).into_response(),
        _ => (fresh, json!({ "features": [] }).to_string()).into_response(),
    });
    let server = start(upstream, IMPATIENT).await;
    assert!(failing_alerts(&server).await.contains("could not be read"));
    assert!(failing_alerts(&server).await.contains("nothing there"));
    for _ in 0..2 {
        server.call("get_alerts", json!({ "state": "CO" })).await;
    }
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_wish_to_wait_is_granted_while_there_is_time() {
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        let (upstream, count) = service(move |n, _| match n {
            0 => (status, [("retry-after", "0")]).into_response(),
            _ => json!({ "features": [] }).to_string().into_response(),
        });
        let server = start(upstream, IMPATIENT).await;
        server.call("get_alerts", json!({ "state": "CO" })).await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
        // Longer than the request may take: told at once, without another attempt.
        let (upstream, count) = service(move |_, _| (status, [("retry-after", "600")]).into_response());
        let server = start(upstream, IMPATIENT).await;
        let error = failing_alerts(&server).await;
        assert!(error.contains(&format!("status {}", status.as_u16())), "{error}");
        assert!(error.contains("Try again in 10 minutes"), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
