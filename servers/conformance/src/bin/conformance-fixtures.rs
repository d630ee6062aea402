//! The fixtures as a server that knows nothing of gangway and of tokens: Streamable HTTP on a port of the loopback.

use std::error::Error;
use std::sync::Arc;

use gangway_conformance::Fixtures;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: conformance-fixtures PORT")?.parse()?;
    let handler = Fixtures::new()?;
    // As the library has it by default: sessions for those who open with `initialize`.
    let settings = StreamableHttpServerConfig::default();
    let service =
        StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(LocalSessionManager::default()), settings);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, axum::Router::new().route_service("/mcp", service)).await?;
    Ok(())
}
