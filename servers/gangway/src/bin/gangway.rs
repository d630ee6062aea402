//! `gangway`: stands in front of an MCP server that knows nothing of it.

use std::process::ExitCode;

fn main() -> ExitCode {
    gangway::front::main()
}
