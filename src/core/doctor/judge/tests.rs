use super::*;
use crate::core::doctor::issuer_urls;
use rstest::rstest;

const RESOURCE: &str = "https://a.example/time/mcp";

fn heard(status: u16, headers: &[(&str, &str)], body: &str) -> Heard {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Heard { status, headers, body: body.to_owned() }
}

/// `well`, `odd` or `broken`, and what is said.
fn told(state: State) -> (&'static str, String) {
    match state {
        State::Well { note } => ("well", note),
        State::Odd { why, .. } => ("odd", why),
        State::Broken { why, fix } => ("broken", format!("{why}; {fix}")),
        State::Skipped { why } => ("skipped", why),
    }
}

#[rstest]
#[case::well(
    200,
    r#"{"resource":"https://a.example/time/mcp","authorization_servers":["https://i"]}"#,
    "well",
    "https://i"
)]
#[case::another_name(
    200,
    r#"{"resource":"https://a.example/time/mcp/","authorization_servers":["https://i"]}"#,
    "broken",
    "not https://a.example/time/mcp/"
)]
#[case::no_issuer(200, r#"{"resource":"https://a.example/time/mcp"}"#, "broken", "no authorization server")]
#[case::a_page(200, "<html>", "broken", "RFC 9728 section 2")]
#[case::not_there(404, "", "broken", "HTTP 404")]
fn metadata_are_held_against_their_rules(
    #[case] status: u16,
    #[case] body: &str,
    #[case] state: &str,
    #[case] said: &str,
) {
    let (found, words) = told(metadata(&heard(status, &[], body), RESOURCE).0);
    assert!(found == state && words.contains(said), "{found}: {words}");
}

#[rstest]
#[case::well(401, Some("Bearer resource_metadata=\"https://a.example/m\""), "", "well", "https://a.example/m")]
#[case::no_header(401, None, "", "broken", "does not know where to sign in")]
#[case::basic(401, Some("Basic realm=x"), "", "broken", "Basic")]
#[case::no_metadata(401, Some("Bearer"), "", "odd", "does not name the metadata")]
#[case::open(200, None, r#"{"result":{"protocolVersion":"2025-06-18"}}"#, "odd", "without a token")]
#[case::host(403, None, "", "broken", "accept this host")]
#[case::wrong_path(404, None, "", "broken", "/mcp")]
#[case::old_transport(405, None, "", "broken", "HTTP+SSE")]
#[case::fails(500, None, "", "broken", "HTTP 500")]
fn a_request_without_a_token_is_told_where_to_sign_in(
    #[case] status: u16,
    #[case] header: Option<&str>,
    #[case] body: &str,
    #[case] state: &str,
    #[case] said: &str,
) {
    let headers: Vec<(&str, &str)> = header.map(|value| ("www-authenticate", value)).into_iter().collect();
    let (found, words) = told(challenge(&heard(status, &headers, body)).0);
    assert!(found == state && words.contains(said), "{found}: {words}");
}

const ENDPOINTS: &str =
    r#""authorization_endpoint":"https://i/a","token_endpoint":"https://i/t","jwks_uri":"https://i/k""#;

#[rstest]
#[case::well(200, r#"{"issuer":"https://i",E,"code_challenge_methods_supported":["S256"]}"#, "well", "https://i")]
#[case::no_pkce(200, r#"{"issuer":"https://i",E}"#, "odd", "PKCE")]
#[case::another(200, r#"{"issuer":"https://j",E}"#, "broken", "RFC 8414 section 3.3")]
#[case::no_endpoints(200, r#"{"issuer":"https://i"}"#, "broken", "authorization_endpoint and token_endpoint")]
#[case::not_there(404, "", "broken", "HTTP 404")]
fn an_authorization_server_is_held_against_its_rules(
    #[case] status: u16,
    #[case] body: &str,
    #[case] state: &str,
    #[case] said: &str,
) {
    let body = body.replace('E', ENDPOINTS);
    let (found, words) = told(authorization_server(&heard(status, &[], &body), "https://i").0);
    assert!(found == state && words.contains(said), "{found}: {words}");
}

const GRANTED: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"time","version":"1"}}}"#;

#[rstest]
#[case::json(200, "", GRANTED, "well", "time 1, MCP 2025-06-18")]
#[case::stream(
    200,
    "",
    "event: message\ndata: {\"result\":{\"protocolVersion\":\"2025-06-18\"}}\n\n",
    "well",
    "MCP 2025-06-18"
)]
#[case::expired(
    401,
    "Bearer error=\"invalid_token\", error_description=\"the token has expired\"",
    "",
    "broken",
    "get a new token"
)]
#[case::audience(
    401,
    "Bearer error=\"invalid_token\", error_description=\"the token is for another resource\"",
    "",
    "broken",
    "for another server"
)]
#[case::scope(403, "Bearer error=\"insufficient_scope\", scope=\"a/read\"", "", "broken", "that it lacks: a/read")]
#[case::no_reason(401, "", "", "broken", "doctor token")]
#[case::error(400, "", r#"{"error":{"code":-32000,"message":"no session"}}"#, "broken", "no session")]
#[case::gateway(502, "", "<html>", "broken", "whether a task is healthy")]
#[case::a_page(200, "", "<html>", "broken", "not an MCP server")]
fn the_first_answer_of_mcp_is_judged(
    #[case] status: u16,
    #[case] header: &str,
    #[case] body: &str,
    #[case] state: &str,
    #[case] said: &str,
) {
    let (found, words) = told(initialize(&heard(status, &[("www-authenticate", header)], body)).0);
    assert!(found == state && words.contains(said), "{found}: {words}");
}

#[rstest]
#[case(r#"{"result":{"tools":[{"name":"now","inputSchema":{"type":"object"}}]}}"#, "well", "1 tool: now")]
#[case(r#"{"result":{"tools":[{"name":"now"}]}}"#, "broken", "1 of 1 tool")]
#[case(r#"{"result":{"tools":[]}}"#, "odd", "no tool")]
#[case(r#"{"result":{}}"#, "broken", "not an MCP server's answer")]
fn tools_must_be_whole(#[case] body: &str, #[case] state: &str, #[case] said: &str) {
    let (found, words) = told(tools(&heard(200, &[], body), true));
    assert!(found == state && words.contains(said), "{found}: {words}");
}

/// Sessions that one task keeps are lost at the next one.
#[rstest]
#[case::with_a_session(true, "the session of the request before")]
#[case::without(false, "not an MCP server's answer")]
fn a_session_that_is_lost_is_told(#[case] in_session: bool, #[case] said: &str) {
    let (found, words) = told(tools(&heard(404, &[], r#"{"error":"Session not found"}"#), in_session));
    assert!(found == "broken" && words.contains(said), "{found}: {words}");
}

#[rstest]
#[case(200, r#"{"keys":[{}]}"#, "well")]
#[case(200, r#"{"keys":[]}"#, "broken")]
#[case(503, "", "broken")]
fn an_issuer_has_keys(#[case] status: u16, #[case] body: &str, #[case] state: &str) {
    assert_eq!(told(keys(&heard(status, &[], body), "https://i/k")).0, state);
}

#[rstest]
#[case("https://i", &["https://i/.well-known/oauth-authorization-server", "https://i/.well-known/openid-configuration"])]
#[case("https://i/pool", &[
    "https://i/.well-known/oauth-authorization-server/pool",
    "https://i/.well-known/openid-configuration/pool",
    "https://i/pool/.well-known/openid-configuration",
])]
#[case("nothing", &[])]
fn an_issuers_metadata_are_looked_for_where_clients_do(#[case] issuer: &str, #[case] urls: &[&str]) {
    assert_eq!(issuer_urls(issuer), urls);
}

#[rstest]
#[case(404, None, true)]
#[case(405, Some("uvicorn"), true)]
#[case::no_rule_for_the_path(404, Some("awselb/2.0"), false)]
#[case(401, None, false)]
fn a_path_that_is_none_of_mcp_ends_the_way(#[case] status: u16, #[case] from: Option<&str>, #[case] ends: bool) {
    let headers: Vec<(&str, &str)> = from.map(|from| ("server", from)).into_iter().collect();
    assert_eq!(is_elsewhere(&heard(status, &headers, "")), ends);
}

/// What a server says is shown in a terminal.
#[test]
fn hostile_words_are_sanitised() {
    let body = r#"{"error":{"code":1,"message":"\u001b[2J"}}"#;
    assert!(!told(initialize(&heard(400, &[], body)).0).1.contains('\u{1b}'));
}

#[rstest]
#[case::alike(200, 200, "●", "inside now was 200 after 3.50ms, outside 200 after 41 ms")]
#[case::refused(401, 401, "●", "inside now was 401, token-expired after")]
#[case::answered_between(200, 403, "▲", "inside now was 200")]
fn inside_and_outside_stand_side_by_side(
    #[case] inside: u16,
    #[case] outside: u16,
    #[case] sign: &str,
    #[case] said: &str,
) {
    let reason = if inside == 401 { r#""reason":"token-expired","# } else { "" };
    let text = format!(r#"{{"event":"request","tool":"now",{reason}"status":{inside},"latency_ms":3.5}}"#);
    let state = super::inside(crate::core::requests::Request::read(&text).as_ref(), outside, 41);
    assert_eq!((state.symbol(), state.said().starts_with(said)), (sign, true), "{state:?}");
    assert_eq!(super::inside(None, 200, 41).symbol(), "▲", "that no line is there is no proof that the way is broken");
}
