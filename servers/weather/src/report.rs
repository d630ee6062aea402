//! What the tools ask of the service, and which parts of its documents they return.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nws::{Nws, NwsError};

/// Most alerts in one result: a model cannot use hundreds.
const MAX_ALERTS: usize = 25;

/// A forecast for a place.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Forecast {
    /// The nearest place with a name, such as "Denver, CO".
    pub location: Option<String>,
    /// IANA time zone of the place.
    pub timezone: Option<String>,
    /// When the service made the forecast (RFC 3339).
    pub updated: Option<String>,
    /// Half days, beginning with the present one.
    pub periods: Vec<Period>,
}

/// Half a day of a forecast.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct Period {
    /// Such as "Tonight" or "Monday".
    pub name: String,
    /// When it begins (RFC 3339).
    pub start_time: String,
    /// The high by day, the low by night.
    pub temperature: Option<f64>,
    /// F or C.
    pub temperature_unit: Option<String>,
    /// Such as "10 to 15 mph".
    pub wind_speed: Option<String>,
    /// Such as "NW".
    pub wind_direction: Option<String>,
    /// A few words.
    pub short_forecast: String,
    /// A few sentences.
    #[serde(default)]
    pub detailed_forecast: String,
}

/// Alerts in force in a state.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Alerts {
    /// Two-letter code of the state.
    pub state: String,
    /// When the service last changed its list (RFC 3339).
    pub updated: Option<String>,
    /// How many there are; the list stops at 25.
    pub total: usize,
    /// The alerts.
    pub alerts: Vec<Alert>,
}

/// One alert.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct Alert {
    /// Such as "Winter Storm Warning".
    pub event: String,
    /// One line that says it all.
    pub headline: Option<String>,
    /// Extreme, Severe, Moderate, Minor or Unknown.
    pub severity: Option<String>,
    /// The counties or zones concerned.
    #[serde(rename(deserialize = "areaDesc"))]
    pub area: Option<String>,
    /// When the event begins (RFC 3339).
    pub onset: Option<String>,
    /// When the event ends (RFC 3339).
    pub ends: Option<String>,
    /// When the text is out of date. For an event without an end, that is its end (RFC 3339).
    #[serde(default, skip_serializing)]
    #[schemars(skip)]
    expires: Option<String>,
    /// What to do.
    pub instruction: Option<String>,
}

#[derive(Deserialize)]
struct Properties<T> {
    properties: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    grid_id: String,
    grid_x: u32,
    grid_y: u32,
    time_zone: Option<String>,
    relative_location: Option<Properties<Place>>,
}

#[derive(Deserialize)]
struct Place {
    city: String,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Periods {
    update_time: Option<String>,
    periods: Vec<Period>,
}

#[derive(Deserialize)]
struct Collection {
    updated: Option<String>,
    features: Vec<Properties<Alert>>,
}

/// The forecast for a place: its grid square first, then that square's forecast.
pub async fn forecast(nws: &Nws, latitude: f64, longitude: f64) -> Result<Forecast, NwsError> {
    let path = format!("/points/{},{}", coordinate(latitude), coordinate(longitude));
    let point = nws.get::<Properties<Point>>(&path).await?.properties;
    // Built here, not taken from the document: an answer must not decide which URL we call.
    if !point.grid_id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(NwsError::Unreadable);
    }
    let path = format!("/gridpoints/{}/{},{}/forecast", point.grid_id, point.grid_x, point.grid_y);
    let forecast = nws.get::<Properties<Periods>>(&path).await?.properties;
    let place = point.relative_location.map(|location| location.properties);
    Ok(Forecast {
        location: place.map(|place| format!("{}, {}", place.city, place.state)),
        timezone: point.time_zone,
        updated: forecast.update_time,
        periods: forecast.periods,
    })
}

/// The alerts in force in a state, given by its two-letter code.
pub async fn alerts(nws: &Nws, state: &str) -> Result<Alerts, NwsError> {
    // Tests and exercises are alerts too.
    let found = nws.get::<Collection>(&format!("/alerts/active?status=actual&area={state}")).await?;
    let total = found.features.len();
    let first = found.features.into_iter().take(MAX_ALERTS).map(|feature| feature.properties);
    let alerts = first.map(|alert| Alert { ends: alert.ends.or(alert.expires.clone()), ..alert }).collect();
    Ok(Alerts { state: state.to_owned(), updated: found.updated, total, alerts })
}

/// At most four decimals and no trailing zeros: the service redirects anything else.
fn coordinate(value: f64) -> String {
    let rounded = (value * 10_000.0).round() / 10_000.0;
    // Not "-0".
    if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() }
}
