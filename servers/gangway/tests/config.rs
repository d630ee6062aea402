//! What the environment must say, and what is said about it when it does not.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

mod support;

use gangway::{Config, Env};
use support::server::variable;

fn read(name: &'static str, value: &'static str) -> Result<Config, String> {
    let env =
        Env::from_fn(
            move |asked| {
                if asked == name { Some(value.to_owned()) } else { variable(asked, "http://jwks.example/keys") }
            },
        );
    Config::from_env(&env).map_err(|error| error.to_string())
}

#[test]
fn a_wrong_value_is_named() {
    let cases = [
        ("GANGWAY_ADDR", "8080"),
        ("GANGWAY_SERVER", ""),
        ("GANGWAY_SERVER", "a b"),
        ("GANGWAY_PATH", "clock"),
        ("GANGWAY_PATH", "/{clock}"),
        ("GANGWAY_RESOURCE_URL", "mcp.example.com"),
        ("GANGWAY_RESOURCE_URL", "https://mcp.example.com/other/mcp"),
        ("GANGWAY_ISSUER", ""),
        ("GANGWAY_ISSUER", "ftp://issuer.example"),
        ("GANGWAY_JWKS_URL", "/keys"),
        ("GANGWAY_PUBLIC_BASE_URL", "https://a.example/\"b"),
        ("GANGWAY_TOKEN_ENDPOINT", ""),
        ("GANGWAY_AUTHORIZATION_ENDPOINT", "https://"),
        ("GANGWAY_ALLOWED_CLIENTS", " "),
        ("GANGWAY_ALLOWED_HOSTS", "https://mcp.example.com"),
        ("GANGWAY_AUTHORIZATION_SERVER", "auth.example.com"),
        ("GANGWAY_ALLOWED_ORIGINS", "app.example.com"),
        ("GANGWAY_ALLOWED_ORIGINS", "*"),
        ("GANGWAY_ALLOWED_ORIGINS", "null"),
        ("GANGWAY_ALLOWED_ORIGINS", "http://localhost:8080:*"),
        ("GANGWAY_ALLOWED_ORIGINS", "https://app.example.com/"),
        ("GANGWAY_METRICS", "yes"),
        ("GANGWAY_ENVIRONMENT", "a b"),
        ("GANGWAY_LOG_SUBJECTS", "yes"),
    ];
    for (name, value) in cases {
        let error = read(name, value).unwrap_err();
        assert!(error.starts_with(&format!("{name}: ")), "{name}={value:?}: {error}");
    }
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = read("GANGWAY_ADDR", "").unwrap();
    assert_eq!(config.addr.to_string(), "0.0.0.0:8080");
    let config = read("GANGWAY_JWKS_URL", "").unwrap();
    assert_eq!(config.jwks_url, format!("{}/.well-known/jwks.json", support::ISSUER));
    // An empty list would allow every host.
    let config = read("GANGWAY_ALLOWED_HOSTS", "").unwrap();
    assert_eq!(config.allowed_hosts, ["mcp.example.com"]);
    let config = read("GANGWAY_ALLOWED_ORIGINS", "").unwrap();
    assert!(config.allowed_origins.is_empty());
    assert!(read("GANGWAY_METRICS", "").unwrap().metrics && !read("GANGWAY_METRICS", "off").unwrap().metrics);
    let config = read("GANGWAY_ALLOWED_ORIGINS", "https://A.example http://b.example:81 http://localhost:*").unwrap();
    assert_eq!(config.allowed_origins, ["https://a.example:443", "http://b.example:81", "http://localhost:*"]);
}

#[test]
fn a_server_may_be_at_the_root() {
    let env = Env::from_fn(|name| match name {
        "GANGWAY_PATH" => Some("/".to_owned()),
        "GANGWAY_RESOURCE_URL" => Some("https://mcp.example.com/mcp".to_owned()),
        name => variable(name, "http://jwks.example/keys"),
    });
    assert_eq!(Config::from_env(&env).unwrap().endpoint(), "/mcp");
}
