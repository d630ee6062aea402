//! MCP server for forecasts and alerts of the US National Weather Service.

mod cache;
mod nws;
mod report;
pub mod stub;
mod tools;

pub use nws::{DEFAULT_UPSTREAM, Nws, NwsError, Patience};
pub use report::{Alert, Alerts, Forecast, Period};
pub use tools::WeatherServer;
