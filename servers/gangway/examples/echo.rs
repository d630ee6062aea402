//! The smallest MCP server on gangway: one tool, which says what it is told.
//!
//! gangway does everything that is not a tool: it checks tokens, answers the protocol, limits and logs
//! requests, and stops when it is told to. Run this with the variables that `servers/README.md` lists:
//!
//! ```sh
//! export GANGWAY_SERVER=echo GANGWAY_PATH=/echo GANGWAY_ADDR=127.0.0.1:8080
//! export GANGWAY_PUBLIC_BASE_URL=https://mcp.example.com
//! export GANGWAY_RESOURCE_URL=https://mcp.example.com/echo/mcp
//! export GANGWAY_ISSUER=https://issuer.example.com
//! export GANGWAY_TOKEN_ENDPOINT=https://issuer.example.com/oauth2/token
//! export GANGWAY_AUTHORIZATION_ENDPOINT=https://issuer.example.com/oauth2/authorize
//! export GANGWAY_ALLOWED_CLIENTS=a-client-id
//! cargo run --package gangway --example echo
//! ```
//!
//! It logs that it listens, and then that it cannot read the keys of that issuer, for there is none.
//! Until it can, `curl --head http://127.0.0.1:8080/healthz` is answered, and no token is accepted.

use std::process::ExitCode;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

/// The arguments of the tool. Clients see them as a JSON schema, made from this type; the comment of
/// each field is its description there, and what a language model goes by.
#[derive(Deserialize, JsonSchema)]
struct Say {
    /// What to say.
    text: String,
}

/// The handler. It is shared by all requests and outlives them. Nothing may be kept here that the next
/// request depends on: another copy of the server may answer that one.
#[derive(Clone)]
pub struct Echo;

/// `tool_router` collects the functions that are marked with `tool`.
#[tool_router]
impl Echo {
    // The comment below is the description of the tool, and the function's name is its name.
    // `read_only_hint` tells clients that it changes nothing. One that does is named in
    // `Server::write_tools` as well: then only tokens with the `write` scope may call it.
    /// Says the text that it is given.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn say(&self, Parameters(Say { text }): Parameters<Say>) -> Result<String, String> {
        // An `Err` is a result with `isError`: the model reads it, so it says what to do instead.
        if text.is_empty() {
            return Err("There is nothing to say. Give a text of at least one character.".to_owned());
        }
        Ok(text)
    }
}

/// What the server says about itself. `tool_handler` adds the protocol's calls that list and run tools.
#[tool_handler]
impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions("Says what it is told.")
    }
}

/// The closure is given the environment, for a server with variables of its own: an error in one ends
/// the program with exit code 2. This server has none.
fn main() -> ExitCode {
    gangway::main(|_env| Ok(gangway::Server::new(Echo)))
}
