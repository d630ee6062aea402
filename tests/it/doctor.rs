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
    /// It looks into no token.
    TakesAnyToken,
    /// It looks at the signature alone, and is asked with a token for another server, an old one, and one of a person.
    TakesOthersToken,
    TakesOldToken,
    TakesIdToken,
    /// Behind a balancer it thinks that it is asked over plain HTTP.
    AnotherScheme,
    MetadataOfHtml,
    NoPkce,
    /// Its answers are of another kind than JSON.
    AnotherKind,
    /// Its tool says that it failed.
    FailingTool,
    /// None of its tools may be called to see whether it answers.
    NoSafeTool,
    /// It answers 200, and the body says that it failed.
    FailsWithin,
    FailsToBegin,
    /// The task that answers next does not know the session.
    ForgetsSessions,
    /// It wants the id of the session that it has given.
    WantsSessions,
    /// It does not say which token it wants instead.
    RefusesWithoutReason,
    /// It has the older transport.
    Sse,
    UnknownHost,
}

/// Each defect, the state of a link that names it, and how.
const DEFECTS: &[(Wrong, &str, &str, &str)] = &[
    (Wrong::Open, "it asks for no token", "challenge", "odd"),
    (Wrong::NoChallenge, "401 without `WWW-Authenticate`", "challenge", "broken"),
    (Wrong::TakesAnyToken, "the signature of a token is not checked", "challenge", "broken"),
    (Wrong::UnknownHost, "the host by which clients come is refused", "challenge", "broken"),
    (Wrong::Sse, "the address is that of the older transport", "challenge", "broken"),
    (Wrong::NoMetadata, "no metadata at the path of RFC 9728", "metadata", "broken"),
    (Wrong::MetadataOfHtml, "a page in place of the metadata", "metadata", "broken"),
    (Wrong::AnotherResource, "the metadata name another resource", "metadata", "broken"),
    (Wrong::AnotherScheme, "the metadata name the resource by another scheme", "metadata", "broken"),
    (Wrong::NoIssuer, "the metadata name no authorization server", "metadata", "broken"),
    (Wrong::AnotherIssuer, "the issuer calls itself otherwise", "authorization-server", "broken"),
    (Wrong::NoPkce, "the issuer does not say that it has PKCE", "authorization-server", "odd"),
    (Wrong::NoKeys, "the issuer has no keys", "keys", "broken"),
    (Wrong::RefusesToken, "the token is refused", "initialize", "broken"),
    (Wrong::RefusesWithoutReason, "the token is refused, and nothing says why", "initialize", "broken"),
    (Wrong::TakesOthersToken, "a token for another server is let in", "initialize", "broken"),
    (Wrong::TakesOldToken, "a token that has expired is let in", "initialize", "broken"),
    (Wrong::TakesIdToken, "an id token is let in", "initialize", "broken"),
    (Wrong::FailsToBegin, "500 at the beginning", "initialize", "broken"),
    (Wrong::AnotherKind, "answers of a kind that clients do not read", "initialize", "odd"),
    (Wrong::FailsWithin, "200 with an error in the body", "tools", "broken"),
    (Wrong::ForgetsSessions, "the next task does not know the session", "tools", "broken"),
    (Wrong::NoTools, "a tool without `inputSchema`", "tools", "broken"),
    (Wrong::FailingTool, "a tool says that it failed", "safe-call", "broken"),
];

/// The part of the page of the game day that tells what `doctor` names.
pub(crate) fn table() -> String {
    let mut table = "\n## What Doctor names\n\n\
        Each row was a server with this one thing wrong, which `quarterdeck doctor URL` was asked about by a test. Whether a server \
        looks at the audience of a token, nobody knows who has no token for another server of the same issuer: pipe one into \
        `quarterdeck doctor URL --token-stdin`, and a server that lets it in is named.\n\n\
        | Wrong | Link | Called |\n|---|---|---|\n"
        .to_owned();
    for (_, what, link, state) in DEFECTS {
        table.push_str(&format!("| {what} | `{link}` | {state} |\n"));
    }
    table
}

const TOKEN: &str = "secret-of-the-test";

/// With what `doctor` comes: to a server that lets in too much, with what it had to refuse. Their claims are `aud` of
/// `https://other.example/mcp`, `exp` of 1970, and `token_use` of `id`.
fn token(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::TakesOthersToken => {
            "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kiLCJleHAiOjQxMDI0NDQ4MDAsImF1ZCI6Imh0dHBzOi8vb3RoZXIuZXhhbXBsZS9tY3AifQ.c2ln"
        }
        Wrong::TakesOldToken => "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kiLCJleHAiOjF9.c2ln",
        Wrong::TakesIdToken => {
            "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kiLCJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3VzZSI6ImlkIiwiYXVkIjoiYyJ9.c2ln"
        }
        _ => TOKEN,
    }
}

/// An MCP server at `/mcp`, and its issuer at `/pool`.
fn answer(wrong: Wrong, base: &str, request: &Request) -> Reply {
    let resource = match wrong {
        Wrong::AnotherResource => format!("{base}/other"),
        Wrong::AnotherScheme => format!("{base}/mcp").replacen("http://", "https://", 1),
        _ => format!("{base}/mcp"),
    };
    let pkce = if wrong == Wrong::NoPkce { json!([]) } else { json!(["S256"]) };
    let issuers = if wrong == Wrong::NoIssuer { json!([]) } else { json!([format!("{base}/pool")]) };
    let issuer = if wrong == Wrong::AnotherIssuer { "https://else".to_owned() } else { format!("{base}/pool") };
    match request.call.as_str() {
        "/.well-known/oauth-protected-resource/mcp" if wrong == Wrong::MetadataOfHtml => {
            Reply::Answer(200, "<!doctype html><title>Sign in</title>".to_owned())
        }
        "/.well-known/oauth-protected-resource/mcp" if wrong != Wrong::NoMetadata => {
            Reply::json(200, json!({ "resource": resource, "authorization_servers": issuers }))
        }
        "/pool/.well-known/openid-configuration" => Reply::json(
            200,
            json!({
                "issuer": issuer, "authorization_endpoint": "x", "token_endpoint": "y",
                "jwks_uri": format!("{base}/keys"), "code_challenge_methods_supported": pkce,
            }),
        ),
        "/keys" if wrong == Wrong::NoKeys => Reply::json(200, json!({ "keys": [] })),
        "/keys" => Reply::json(200, json!({ "keys": [{ "kid": "one" }] })),
        "/mcp" => mcp(wrong, request),
        _ => Reply::json(404, json!({})),
    }
}

fn mcp(wrong: Wrong, request: &Request) -> Reply {
    let header = request.headers.get("authorization");
    let any = header.is_some() && wrong == Wrong::TakesAnyToken;
    let token = any || header.is_some_and(|header| header.contains(token(wrong)));
    let invalid = "www-authenticate: Bearer error=\"invalid_token\", error_description=\"the token has expired\"";
    match wrong {
        Wrong::NoChallenge if !token => return Reply::json(401, json!({})),
        Wrong::UnknownHost => return Reply::Answer(403, "Invalid Host header".to_owned()),
        Wrong::Sse => return Reply::Answer(405, String::new()),
        _ => {}
    }
    if !token && wrong != Wrong::Open {
        return Reply::Headed(401, "www-authenticate: Bearer resource_metadata=\"https://a/m\"", String::new());
    }
    if wrong == Wrong::RefusesToken {
        return Reply::Headed(401, invalid, String::new());
    }
    if wrong == Wrong::RefusesWithoutReason {
        return Reply::json(401, json!({}));
    }
    let asked: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let session = request.headers.get("mcp-session-id").is_some_and(|id| id == "one");
    if let Some(reply) = unlucky(wrong, &asked["method"], session) {
        return reply;
    }
    let result = match asked["method"].as_str().unwrap_or_default() {
        "initialize" if wrong == Wrong::Stateless => {
            return Reply::json(404, json!({ "id": 1, "error": { "code": -32601, "message": "Method not found" } }));
        }
        "initialize" => json!({ "protocolVersion": "2025-06-18", "serverInfo": { "name": "t", "version": "1" } }),
        "server/discover" => json!({ "supportedVersions": ["2026-07-28"] }),
        "tools/list" if wrong == Wrong::NoTools => json!({ "tools": [{ "name": "now" }] }),
        "tools/list" => tools(wrong),
        "tools/call" if asked["params"]["name"] != "now" => {
            return Reply::Answer(500, "it was not to be called".to_owned());
        }
        "tools/call" => {
            json!({ "content": [{ "type": "text", "text": "out of luck" }], "isError": wrong == Wrong::FailingTool })
        }
        _ => return Reply::Headed(202, "x-a: b", String::new()),
    };
    let document = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    match wrong {
        Wrong::Streams => {
            // More is announced than comes: whoever reads to the end waits for ever.
            let event = format!("event: message\ndata: {document}\n\n");
            Reply::Headed(200, "content-type: text/event-stream\r\nx-endless: yes", event)
        }
        Wrong::AnotherKind => Reply::Headed(200, "content-type: text/html", document.to_string()),
        Wrong::ForgetsSessions | Wrong::WantsSessions => {
            Reply::Headed(200, "content-type: application/json\r\nmcp-session-id: one", document.to_string())
        }
        _ => Reply::Headed(200, "content-type: application/json", document.to_string()),
    }
}

/// What may be called is the one that only reads, asks nobody else and needs nothing.
fn tools(wrong: Wrong) -> Value {
    let tool = |name: &str, reads: bool, open: bool, required: &[&str]| {
        let hints = json!({ "readOnlyHint": reads, "openWorldHint": open });
        json!({ "name": name, "inputSchema": { "required": required }, "annotations": hints })
    };
    let required: &[&str] = if wrong == Wrong::NoSafeTool { &["zone"] } else { &[] };
    json!({ "tools": [tool("write", false, false, &[]), tool("fetch", true, true, &[]), tool("now", true, false, required)] })
}

/// How a request fails whose token was let in, if it does.
fn unlucky(wrong: Wrong, method: &Value, in_session: bool) -> Option<Reply> {
    let begins = method == "initialize";
    match wrong {
        Wrong::FailsToBegin => Some(Reply::Answer(500, "Internal Server Error".to_owned())),
        Wrong::ForgetsSessions if !begins => Some(Reply::json(404, json!({ "error": "Session not found" }))),
        Wrong::WantsSessions if !begins && !in_session => Some(Reply::json(400, json!({ "error": "no session" }))),
        Wrong::FailsWithin if method == "tools/list" => {
            let error = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32603, "message": "out of luck" } });
            Some(Reply::Headed(200, "content-type: application/json", error.to_string()))
        }
        _ => None,
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

/// What `doctor` says of a server with this wrong, and its code.
fn told(wrong: Wrong) -> (Value, i32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = server(&runtime, wrong);
    let url = format!("{}/mcp", server.url);
    let token = token(wrong);
    let (code, out, err) = doctor(&[&url, "--token-stdin", "--output", "json"], Some(token));
    assert!(!out.contains(token) && !err.contains(token), "{out}{err}");
    let mut told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (told["targets"][0].take(), code)
}

#[rstest]
fn a_server_that_works_is_well(
    #[values(Wrong::Nothing, Wrong::Stateless, Wrong::Streams, Wrong::WantsSessions)] wrong: Wrong,
) {
    let (told, code) = told(wrong);
    let links = told["links"].as_array().unwrap();
    assert!(links.iter().all(|one| one["state"] == "well") && told["broken"].is_null() && code == 0, "{told:#}");
    let told: Vec<_> = links.iter().rev().take(2).map(|one| (one["link"].as_str(), one["note"].as_str())).collect();
    assert_eq!(
        told,
        [(Some("safe-call"), Some("now answers")), (Some("tools"), Some("3 tools: write, fetch, now"))],
        "{links:#?}"
    );
    assert!(links.last().unwrap()["millis"].is_u64());
}

#[test]
fn no_tool_is_called_of_which_nobody_knows_what_it_does() {
    let (told, code) = told(Wrong::NoSafeTool);
    let last = told["links"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (last["link"].as_str(), last["state"].as_str(), code),
        (Some("safe-call"), Some("skipped"), 0),
        "{told:#}"
    );
}

/// The first link that is not well, and for what is broken the code.
#[test]
fn each_defect_is_named() {
    let mut wrong = Vec::new();
    for (defect, _, link, state) in DEFECTS {
        let (told, code) = told(*defect);
        let links = told["links"].as_array().unwrap();
        let first = links.iter().find(|one| one["state"] == "odd" || one["state"] == "broken");
        let broken = told["broken"].as_str();
        let expected = (*state == "broken").then_some(*link);
        let found = first.map(|one| (one["link"].as_str().unwrap(), one["state"].as_str().unwrap()));
        if found != Some((*link, *state)) || broken != expected || code != i32::from(broken.is_some()) {
            wrong.push(format!("{defect:?}: {found:?}, code {code}: {told:#}"));
        }
        println!("{defect:?}: {link}: {}", first.map(|one| one["why"].to_string()).unwrap_or_default());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
