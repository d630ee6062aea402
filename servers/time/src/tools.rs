//! The tools.

use std::sync::Arc;

use jiff::Timestamp;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::convert::{Conversion, Reading, convert, read};
use crate::zones::{MAX_NAME, Zones};

const INSTRUCTIONS: &str = "Tells the current time in any IANA time zone and converts times \
    between zones. Where clocks change, results say how the time was understood.";

#[derive(Deserialize, JsonSchema)]
struct Current {
    /// IANA time zone name, such as "Europe/Berlin" or "UTC".
    timezone: String,
}

#[derive(Deserialize, JsonSchema)]
struct Convert {
    /// IANA name of the time zone that the time is in.
    source_timezone: String,
    /// HH:MM on a 24-hour clock (today in the source zone), or YYYY-MM-DDTHH:MM.
    time: String,
    /// IANA name of the time zone to convert to.
    target_timezone: String,
}

#[derive(Deserialize, JsonSchema)]
struct List {
    /// Only names that begin so, such as "America/". All without it.
    #[serde(default)]
    prefix: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Names {
    /// IANA time zone names, sorted.
    timezones: Vec<String>,
}

/// The server's handler.
#[derive(Clone)]
pub struct TimeServer {
    zones: Zones,
    now: fn() -> Timestamp,
    tools: Arc<ToolRouter<Self>>,
}

impl Default for TimeServer {
    fn default() -> Self {
        Self::new()
    }
}

#[tool_router]
impl TimeServer {
    /// A server that goes by the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Timestamp::now)
    }

    /// A server that goes by another clock.
    pub fn with_clock(now: fn() -> Timestamp) -> Self {
        Self { zones: Zones::default(), now, tools: Arc::new(Self::tool_router()) }
    }

    /// The current date and time in a time zone.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn get_current_time(
        &self,
        Parameters(Current { timezone }): Parameters<Current>,
    ) -> Result<Json<Reading>, String> {
        Ok(Json(read((self.now)(), &self.zones.get(&timezone)?)))
    }

    /// Converts a time in one time zone to another. Times that daylight saving
    /// skips or repeats are explained in the result's note.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn convert_time(
        &self,
        Parameters(Convert { source_timezone, time, target_timezone }): Parameters<Convert>,
    ) -> Result<Json<Conversion>, String> {
        let source = self.zones.get(&source_timezone)?;
        let target = self.zones.get(&target_timezone)?;
        convert((self.now)(), &source, &time, &target).map(Json)
    }

    /// Lists IANA time zone names.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn list_timezones(&self, Parameters(List { prefix }): Parameters<List>) -> Result<Json<Names>, String> {
        let prefix = prefix.unwrap_or_default();
        if prefix.len() > MAX_NAME {
            return Err(format!("A prefix has at most {MAX_NAME} characters; this one has {}.", prefix.len()));
        }
        let timezones = self.zones.names(&prefix);
        if timezones.is_empty() {
            return Err(format!(
                "No time zone begins with that prefix. Try a region such as \"Europe/\", \
                 \"America/\" or \"Asia/\", or no prefix at all. The prefix had {} characters.",
                prefix.chars().count(),
            ));
        }
        Ok(Json(Names { timezones }))
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for TimeServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("mcp-time", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }
}
