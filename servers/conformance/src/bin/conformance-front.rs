//! The program `gangway`, for the suite: cargo gives a test the programs of its own package alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    gangway::front::main()
}
