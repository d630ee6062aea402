//! `doctor` against MCP servers and issuers with one thing wrong: it names the link that is broken.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::pty;
use crate::support::scripted::{Reply, Request, Scripted};
use quarterdeck::aws::Prober;
use quarterdeck::core::doctor::{Hop, Link, first_broken};
use quarterdeck::run;
use quarterdeck::run::doctor::Credentials;
use rstest::rstest;
use serde_json::{Value, json};

/// What is wrong with the server or its issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It asks for no token.
    Open,
    NoChallenge,
    NoMetadata,
    AnotherResource,
    NoIssuer,
    AnotherIssuer,
    NoKeys,
    RefusesToken,
    NoTools,
    /// It knows no `initialize`.
    Stateless,
    /// It answers as a stream that does not end.
    Streams,
}

const TOKEN: &str = "secret-of-the-test";

/// An MCP server at `/mcp`, and its issuer at `/pool`.
fn answer(wrong: Wrong, base: &str, request: &Request) -> Reply {
    let resource = if wrong == Wrong::AnotherResource { format!("{base}/other") } else { format!("{base}/mcp") };
    let issuers = if wrong == Wrong::NoIssuer { json!([]) } else { json!([format!("{base}/pool")]) };
    let issuer = if wrong == Wrong::AnotherIssuer { "https://else".to_owned() } else { format!("{base}/pool") };
    match request.call.as_str() {
        "/.well-known/oauth-protected-resource/mcp" if wrong != Wrong::NoMetadata => {
            Reply::json(200, json!({ "resource": resource, "authorization_servers": issuers }))
        }
        "/pool/.well-known/openid-configuration" => Reply::json(
            200,
            json!({
                "issuer": issuer, "authorization_endpoint": "x", "token_endpoint": "y",
                "jwks_uri": format!("{base}/keys"), "code_challenge_methods_supported": ["S256"],
            }),
        ),
        "/keys" if wrong == Wrong::NoKeys => Reply::json(200, json!({ "keys": [] })),
        "/keys" => Reply::json(200, json!({ "keys": [{ "kid": "one" }] })),
        "/mcp" => mcp(wrong, request),
        _ => Reply::json(404, json!({})),
    }
}

fn mcp(wrong: Wrong, request: &Request) -> Reply {
    let token = request.headers.get("authorization").is_some_and(|header| header.contains(TOKEN));
    let invalid = "www-authenticate: Bearer error=\"invalid_token\", error_description=\"the token has expired\"";
    if wrong == Wrong::NoChallenge && !token {
        return Reply::json(401, json!({}));
    }
    if !token && wrong != Wrong::Open {
        return Reply::Headed(401, "www-authenticate: Bearer resource_metadata=\"https://a/m\"", String::new());
    }
    if wrong == Wrong::RefusesToken {
        return Reply::Headed(401, invalid, String::new());
    }
    let asked: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let result = match asked["method"].as_str().unwrap_or_default() {
        "initialize" if wrong == Wrong::Stateless => {
            return Reply::json(404, json!({ "id": 1, "error": { "code": -32601, "message": "Method not found" } }));
        }
        "initialize" => json!({ "protocolVersion": "2025-06-18", "serverInfo": { "name": "t", "version": "1" } }),
        "server/discover" => json!({ "supportedVersions": ["2026-07-28"] }),
        "tools/list" if wrong == Wrong::NoTools => json!({ "tools": [{ "name": "now" }] }),
        "tools/list" => json!({ "tools": [{ "name": "now", "inputSchema": {} }] }),
        _ => return Reply::Headed(202, "x-a: b", String::new()),
    };
    let document = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    match wrong {
        Wrong::Streams => {
            // More is announced than comes: whoever reads to the end waits for ever.
            let event = format!("event: message\ndata: {document}\n\n");
            Reply::Headed(200, "content-type: text/event-stream\r\nx-endless: yes", event)
        }
        _ => Reply::json(200, document),
    }
}

/// Runs `doctor`, with a token on stdin if there is one.
fn doctor(args: &[&str], token: Option<&str>) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.arg("doctor").args(args).current_dir(home.path());
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(token.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn server(runtime: &tokio::runtime::Runtime, wrong: Wrong) -> Scripted {
    let base = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = base.clone();
    let server = runtime.block_on(Scripted::start(move |request| {
        answer(wrong, known.get().map(String::as_str).unwrap_or_default(), request)
    }));
    base.set(server.url.clone()).unwrap();
    server
}

#[rstest]
#[case(Wrong::Nothing, None)]
#[case(Wrong::Stateless, None)]
#[case(Wrong::Streams, None)]
#[case(Wrong::Open, None)]
#[case(Wrong::NoMetadata, Some("metadata"))]
#[case(Wrong::AnotherResource, Some("metadata"))]
#[case(Wrong::NoIssuer, Some("metadata"))]
#[case(Wrong::NoChallenge, Some("challenge"))]
#[case(Wrong::AnotherIssuer, Some("authorization-server"))]
#[case(Wrong::NoKeys, Some("keys"))]
#[case(Wrong::RefusesToken, Some("initialize"))]
#[case(Wrong::NoTools, Some("tools"))]
fn the_broken_link_is_named(#[case] wrong: Wrong, #[case] link: Option<&str>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = server(&runtime, wrong);
    let url = format!("{}/mcp", server.url);
    let (code, out, err) = doctor(&[&url, "--token-stdin", "--output", "json"], Some(TOKEN));
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    assert_eq!(told["targets"][0]["broken"].as_str(), link, "{told:#}");
    assert_eq!(code, i32::from(link.is_some()));
    assert!(!out.contains(TOKEN) && !err.contains(TOKEN), "{out}{err}");
    if link.is_none() {
        let links = told["targets"][0]["links"].as_array().unwrap();
        let last = links.last().unwrap();
        assert_eq!((last["link"].as_str(), last["note"].as_str()), (Some("tools"), Some("1 tool: now")), "{told:#}");
        assert!(last["millis"].is_u64());
    }
}

/// The console shows each link when it is there, before the next one is asked for.
#[test]
fn each_link_is_told_before_the_next_is_asked_for() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = server(&runtime, Wrong::NoTools);
    let url = format!("{}/mcp", server.url);
    let told = std::sync::Mutex::new(Vec::new());
    let asked =
        || server.count("/mcp") + server.count("/keys") + server.count("/pool/.well-known/openid-configuration");
    let tell = |hop: &Hop| told.lock().unwrap().push((hop.clone(), asked()));
    let credentials = Credentials::Given(TOKEN.to_owned().into());
    let prober = Prober::new().unwrap();
    let all = runtime.block_on(run::doctor::address(None, &prober, &url, credentials, &tell));
    let told = told.into_inner().unwrap();
    assert_eq!(told.iter().map(|(hop, _)| hop.clone()).collect::<Vec<_>>(), all, "each of them, in its order");
    let requests: Vec<usize> = told.iter().map(|(_, asked)| *asked).collect();
    assert!(requests.is_sorted() && requests.first() < requests.last(), "as it goes, not at the end: {requests:?}");
    assert_eq!(first_broken(&all).map(|hop| hop.link), Some(Link::Tools));
}

#[test]
fn without_a_token_the_way_ends_where_one_is_asked_for() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = server(&runtime, Wrong::Nothing);
    let (code, out, err) = doctor(&[&format!("{}/mcp", server.url)], None);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("authorization-server") && out.contains("--token-stdin"), "{out}");
    assert!(out.ends_with("no link is broken\n") && !out.contains("tools"), "{out}");
}

#[test]
fn a_path_without_an_endpoint_is_told_as_such() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = server(&runtime, Wrong::Nothing);
    let (code, out, err) = doctor(&[&format!("{}/nope", server.url)], None);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("no MCP endpoint at this path") && out.ends_with("broken: challenge\n"), "{out}");
}

#[rstest]
#[case("http://127.0.0.1:9/mcp", 1, "refuses connections")]
#[case("https:///mcp", 2, "is no URL")]
fn where_nobody_answers_the_first_link_says_so(#[case] url: &str, #[case] code: i32, #[case] said: &str) {
    let (found, out, err) = doctor(&[url], None);
    assert_eq!(found, code, "{out}{err}");
    assert!(format!("{out}{err}").contains(said), "{out}{err}");
}

/// `{"alg":"RS256","kid":"one"}` and `{"iss":"https://i","exp":1,"client_id":"c","aud":"x"}`, signed by nobody.
const EXPIRED: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.\
    eyJpc3MiOiJodHRwczovL2kiLCJleHAiOjEsImNsaWVudF9pZCI6ImMiLCJhdWQiOiJ4In0.c2ln";

#[test]
fn a_token_is_told_which_checks_it_fails_and_is_never_shown() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = server(&runtime, Wrong::Nothing);
    let url = format!("{}/mcp", server.url);
    let (code, out, err) = doctor(&["token", &url, "--output", "json"], Some(&format!("Bearer {EXPIRED}\n")));
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let checks = told["checks"].as_array().unwrap();
    let broken: Vec<&str> =
        checks.iter().filter(|one| one["state"] == "broken").map(|one| one["check"].as_str().unwrap()).collect();
    assert_eq!((code, broken.as_slice()), (1, ["issuer", "time", "audience", "server"].as_slice()), "{told:#}");
    assert_eq!(told["fails"], "issuer");
    let parts: Vec<&str> = EXPIRED.split('.').collect();
    assert!(parts.iter().all(|part| !out.contains(part) && !err.contains(part)), "{out}{err}");
}

#[rstest]
#[case("opaque", "it is no JWT")]
#[case("", "stdin holds nothing")]
fn what_is_no_token_fails_the_first_check(#[case] text: &str, #[case] said: &str) {
    let (code, out, err) = doctor(&["token"], Some(text));
    assert!(code == 1 && out.contains(said), "{code} {out}{err}");
}

/// An account that refuses the caller.
#[test]
fn a_server_of_the_environment_begins_with_the_credentials() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let account = runtime.block_on(Scripted::start(|_| Reply::error(403, "AccessDeniedException", "no")));
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["-e", "prod", "--region", "eu-west-1", "--endpoint-url", &account.url, "doctor", "time"]);
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    let output = command.current_dir(home.path()).stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("credentials") && out.ends_with("broken: credentials\n"), "{out}");
}
