//! OAuth on the local cloud, with clients of others: the Python SDK and the MCP Inspector.
//!
//! The tests themselves are in tests/oauth. `make e2e` installs what they need and runs them.

use crate::support::pty as terminal;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cloud::Cloud;

/// What `make e2e` has installed.
fn installed(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `make e2e`"));
    PathBuf::from(path)
}

#[test]
#[ignore = "starts the local cloud with containers"]
fn other_clients_sign_in_and_call_tools() {
    let python = installed("QUARTERDECK_MINISTACK").with_file_name("python3");
    let inspector = installed("QUARTERDECK_INSPECTOR");
    let cloud = Cloud::new();
    cloud.text(&["local", "up"]);
    let status = cloud.status();
    let endpoint = status["emulator"]["endpoint"].as_str().expect("an endpoint");

    let mut tests = Command::new(python);
    tests.args(["-m", "unittest", "discover", "--verbose"]);
    tests.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oauth"));
    for name in terminal::NOT_INHERITED {
        tests.env_remove(name);
    }
    tests.envs([
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("QUARTERDECK_ENVIRONMENT", "local"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]);
    tests.env("QUARTERDECK_INSPECTOR", inspector);
    assert!(tests.status().expect("python starts").success(), "see the tests' own output above");
}
