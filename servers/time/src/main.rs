//! The `mcp-time` server.

use std::process::ExitCode;

use mcp_time::TimeServer;

fn main() -> ExitCode {
    gangway::main(|_env| Ok(gangway::Server::new(TimeServer::new())))
}
