//! The tools.

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::nws::{Nws, NwsError};
use crate::report::{Alerts, Forecast, alerts, forecast};

const INSTRUCTIONS: &str = "Weather forecasts and alerts for places in the United States, from \
    the National Weather Service.";

/// States, territories and marine areas for which the service has alerts.
const AREAS: &str = "AL AK AS AR AZ CA CO CT DE DC FL GA GU HI ID IL IN IA KS KY LA ME MD MA MI \
    MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA PR RI SC SD TN TX UT VT VI VA WA WV WI WY MP \
    PW FM MH AM AN GM LC LE LH LM LO LS PH PK PM PS PZ SL";

#[derive(Deserialize, JsonSchema)]
struct Place {
    /// Degrees north, such as 39.7392.
    latitude: f64,
    /// Degrees east; negative in America, such as -104.9903.
    longitude: f64,
}

#[derive(Deserialize, JsonSchema)]
struct State {
    /// Two-letter code of a US state or territory, such as "CA".
    state: String,
}

/// The server's handler.
#[derive(Clone)]
pub struct WeatherServer {
    nws: Nws,
    tools: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl WeatherServer {
    /// A server that asks `nws`.
    pub fn new(nws: Nws) -> Self {
        Self { nws, tools: Arc::new(Self::tool_router()) }
    }

    /// Weather forecast for a place in the United States, for about a week.
    #[tool(annotations(read_only_hint = true, open_world_hint = true))]
    async fn get_forecast(
        &self,
        Parameters(Place { latitude, longitude }): Parameters<Place>,
    ) -> Result<Json<Forecast>, String> {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(format!(
                "{latitude},{longitude} is not on Earth: latitude is -90 to 90, longitude -180 \
                 to 180, such as 39.7392,-104.9903 for Denver."
            ));
        }
        match forecast(&self.nws, latitude, longitude).await {
            Ok(forecast) => Ok(Json(forecast)),
            Err(NwsError::NotFound(why)) => Err(format!(
                "There is no forecast for {latitude},{longitude}: the service covers the United \
                 States only. ({why})"
            )),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Weather alerts in force in a US state or territory.
    #[tool(annotations(read_only_hint = true, open_world_hint = true))]
    async fn get_alerts(&self, Parameters(State { state }): Parameters<State>) -> Result<Json<Alerts>, String> {
        let state = state.trim().to_ascii_uppercase();
        if !AREAS.split_whitespace().any(|area| area == state) {
            return Err(format!("Not a US state or territory. Give its two-letter code, one of: {AREAS}."));
        }
        alerts(&self.nws, &state).await.map(Json).map_err(|error| error.to_string())
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for WeatherServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("mcp-weather", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }
}
