//! Stands in for the weather service: the same paths and shapes, always the same weather.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

/// How long documents may be kept: places hardly change, alerts do at any time.
const POINT_SECONDS: u32 = 86_400;
const FORECAST_SECONDS: u32 = 900;
const ALERTS_SECONDS: u32 = 5;

#[derive(Deserialize)]
struct Wanted {
    area: Option<String>,
    status: Option<String>,
}

/// How long the slow paths take: less than a caller waits.
const SLOW: Duration = Duration::from_secs(3);

/// The stub's routes, and the same below `/slow`, where each takes three seconds. All below `/broken` fails.
pub fn router() -> Router {
    let slow = routes().layer(axum::middleware::from_fn(async |request: Request, next: Next| {
        tokio::time::sleep(SLOW).await;
        next.run(request).await
    }));
    let failed = async || problem(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", "broken on purpose");
    routes().nest("/slow", slow).route("/broken/{*path}", get(failed))
}

fn routes() -> Router {
    Router::new()
        .route("/points/{coordinates}", get(point))
        .route("/gridpoints/{office}/{square}/forecast", get(forecast))
        .route("/alerts/active", get(alerts))
        .fallback(async || problem(StatusCode::NOT_FOUND, "Not Found", "no such path"))
}

async fn point(Path(coordinates): Path<String>) -> Response {
    let parsed = coordinates
        .split_once(',')
        .and_then(|(latitude, longitude)| Some((latitude.parse::<f64>().ok()?, longitude.parse::<f64>().ok()?)));
    let Some((latitude, longitude)) = parsed else {
        return problem(StatusCode::BAD_REQUEST, "Invalid Parameter", "not a point");
    };
    if !(17.0..=72.0).contains(&latitude) || !(-180.0..=-64.0).contains(&longitude) {
        let detail = format!("Unable to provide data for requested point {coordinates}");
        return problem(StatusCode::NOT_FOUND, "Data Unavailable For Requested Point", &detail);
    }
    geo(
        POINT_SECONDS,
        json!({
            "type": "Feature",
            "geometry": { "type": "Point", "coordinates": [longitude, latitude] },
            "properties": {
                "gridId": "BOU", "gridX": 62, "gridY": 61,
                "forecast": "https://api.weather.gov/gridpoints/BOU/62,61/forecast",
                "timeZone": "America/Denver",
                "relativeLocation": {
                    "type": "Feature",
                    "properties": { "city": "Denver", "state": "CO" },
                },
            },
        }),
    )
}

async fn forecast(Path((office, square)): Path<(String, String)>) -> Response {
    if office != "BOU" || square != "62,61" {
        return problem(StatusCode::NOT_FOUND, "Not Found", "no such grid square");
    }
    let names = ["Today", "Tonight", "Monday", "Monday Night"];
    let periods: Vec<_> = (1..).zip(names).map(|(number, name)| period(number, name)).collect();
    geo(
        FORECAST_SECONDS,
        json!({
            "type": "Feature",
            "properties": {
                "units": "us",
                "generatedAt": "2026-11-22T12:00:00+00:00",
                "updateTime": "2026-11-22T11:00:00+00:00",
                "periods": periods,
            },
        }),
    )
}

fn period(number: u32, name: &str) -> Value {
    let day = number % 2 == 1;
    let (temperature, short) = if day { (54, "Sunny") } else { (31, "Mostly Clear") };
    let hour = if day { "06" } else { "18" };
    json!({
        "number": number, "name": name,
        "startTime": format!("2026-11-2{}T{hour}:00:00-07:00", 2 + (number - 1) / 2),
        "isDaytime": day,
        "temperature": temperature, "temperatureUnit": "F",
        "probabilityOfPrecipitation": { "unitCode": "wmoUnit:percent", "value": 5 },
        "windSpeed": "5 to 10 mph", "windDirection": "NW",
        "shortForecast": short,
        "detailedForecast": format!("{short}, around {temperature}. Northwest wind 5 to 10 mph."),
    })
}

async fn alerts(Query(wanted): Query<Wanted>) -> Response {
    // One alert in Colorado, and one that is an exercise; elsewhere all is quiet.
    let mut features =
        if wanted.area.as_deref() == Some("CO") { vec![alert("Actual"), alert("Exercise")] } else { vec![] };
    if let Some(status) = wanted.status {
        features.retain(|alert| {
            alert["properties"]["status"].as_str().is_some_and(|has| has.eq_ignore_ascii_case(&status))
        });
    }
    geo(
        ALERTS_SECONDS,
        json!({
            "type": "FeatureCollection",
            "features": features,
            "title": "Current watches, warnings, and advisories",
            "updated": "2026-11-22T12:00:00+00:00",
        }),
    )
}

fn alert(status: &str) -> Value {
    json!({
        "type": "Feature",
        "properties": {
            "status": status,
            "event": "Winter Storm Warning", "severity": "Severe",
            "certainty": "Likely", "urgency": "Expected",
            "areaDesc": "Rocky Mountain National Park",
            "headline": "Winter Storm Warning until November 23 at 6:00AM MST",
            "description": "Heavy snow expected.",
            "instruction": "Travel only in an emergency.",
            "effective": "2026-11-22T05:00:00-07:00",
            "onset": "2026-11-22T17:00:00-07:00",
            "expires": "2026-11-22T20:00:00-07:00",
            "ends": "2026-11-23T06:00:00-07:00",
        },
    })
}

/// A document that may be kept for `max_age` seconds.
fn geo(max_age: u32, document: Value) -> Response {
    let cache_control = format!("public, max-age={max_age}, s-maxage={}", max_age * 2);
    let headers = [(CONTENT_TYPE, "application/geo+json".to_owned()), (CACHE_CONTROL, cache_control)];
    (headers, document.to_string()).into_response()
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
