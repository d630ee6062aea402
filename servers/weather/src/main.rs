//! The `mcp-weather` server.

use std::process::ExitCode;

use gangway::{ConfigError, Env, Server};
use mcp_weather::{DEFAULT_UPSTREAM, Nws, Patience, WeatherServer};

fn main() -> ExitCode {
    gangway::main(build)
}

fn build(env: &Env) -> Result<Server<WeatherServer>, ConfigError> {
    let upstream = env.url("UPSTREAM_URL")?.unwrap_or_else(|| DEFAULT_UPSTREAM.to_owned());
    let nws = Nws::new(&upstream, Patience::default())
        .map_err(|error| ConfigError::new("UPSTREAM_URL", error.to_string()))?;
    Ok(Server::new(WeatherServer::new(nws)))
}
