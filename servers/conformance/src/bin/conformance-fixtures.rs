//! The fixtures as a server that knows nothing of gangway and of tokens: Streamable HTTP on a port of the loopback, or
//! lines on its standard streams.

use std::error::Error;
use std::os::fd::AsFd;
use std::sync::Arc;

use gangway_conformance::{Fixtures, Speaks};
use rmcp::ServiceExt;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::unix::pipe::{Receiver, Sender};

const USAGE: &str = "usage: conformance-fixtures PORT|stdio [earlier|newest]";

/// The standard streams, which are pipes: whoever starts this speaks through them.
fn streams() -> std::io::Result<(Receiver, Sender)> {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let (input, output) = (input.as_fd().try_clone_to_owned()?, output.as_fd().try_clone_to_owned()?);
    Ok((Receiver::from_owned_fd(input)?, Sender::from_owned_fd(output)?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (place, speaks) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [place] => (place, Speaks::All),
        [place, "earlier"] => (place, Speaks::Earlier),
        [place, "newest"] => (place, Speaks::Newest),
        _ => return Err(USAGE.into()),
    };
    let handler = Fixtures::new()?.speaking(speaks);
    if place == "stdio" {
        handler.serve(streams()?).await?.waiting().await?;
        return Ok(());
    }
    let port: u16 = place.parse().map_err(|_| USAGE)?;
    // As the library has it by default: sessions for those who open with `initialize`.
    let settings = StreamableHttpServerConfig::default();
    let service =
        StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(LocalSessionManager::default()), settings);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, axum::Router::new().route_service("/mcp", service)).await?;
    Ok(())
}
