//! Both eras of the protocol on one endpoint, and what guards it.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

#[path = "support/clock.rs"]
mod clock;
mod support;

use clock::{Clock, start, start_with};
use serde_json::{Value, json};
use support::server::{Running, body, header};
use support::{call, list};

const MODERN: &str = "2026-07-28";

/// A request of the stateless era: version, method and name in headers and body.
async fn modern(server: &Running<Clock>, method: &str, params: Value) -> (u16, Value) {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut request =
        server.post_authorized(&message).header("mcp-protocol-version", MODERN).header("mcp-method", method);
    if let Some(name) = message["params"]["name"].as_str() {
        request = request.header("mcp-name", name);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, body(response).await)
}

#[tokio::test]
async fn the_stateless_era_is_served() {
    let server = start().await;
    let (status, discovered) = modern(&server, "server/discover", json!({})).await;
    assert_eq!(status, 200, "{discovered}");
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!(MODERN)) && versions.contains(&json!("2025-11-25")));

    let (status, listed) = modern(&server, "tools/list", json!({})).await;
    assert_eq!((status, listed["result"]["tools"].as_array().unwrap().len()), (200, 6));
    assert_eq!(listed["result"]["cacheScope"], "private", "a cache for everybody would give it without a token");

    let (status, called) = modern(&server, "tools/call", json!({ "name": "tick", "arguments": {} })).await;
    assert_eq!((status, &called["result"]["content"][0]["text"]), (200, &json!("tick")));

    for unknown in ["no/such", "initialize", "ping"] {
        let (status, answer) = modern(&server, unknown, json!({})).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32601)), "{unknown}");
    }
}

#[tokio::test]
async fn a_method_that_is_known_is_not_blamed_for_its_parameters() {
    let server = start().await;
    let (_, answer) = modern(&server, "tools/call", json!({ "name": "tick", "arguments": [] })).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize" });
    let answer = body(server.post_authorized(&initialize).send().await.unwrap()).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[tokio::test]
async fn the_era_of_initialize_is_served_without_sessions() {
    let server = start().await;
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    });
    let response = server.post_authorized(&initialize).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "mcp-session-id"), "");
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(body(response).await["result"]["protocolVersion"], "2025-11-25");

    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let request = server.post_authorized(&initialized).header("mcp-protocol-version", "2025-11-25");
    assert_eq!(request.send().await.unwrap().status(), 202);

    let request = server.post_authorized(&call("tick")).header("mcp-protocol-version", "2025-11-25");
    let called = body(request.send().await.unwrap()).await;
    assert_eq!(called["result"]["content"][0]["text"], "tick");
}

#[tokio::test]
async fn headers_that_contradict_the_body_are_refused() {
    let server = start().await;
    let mut message = list();
    message["params"] = json!({ "_meta": {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }});
    let request = server.post_authorized(&message).header("mcp-protocol-version", MODERN);
    let response = request.header("mcp-method", "tools/call").send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(body(response).await["error"]["code"], -32020);
}

#[tokio::test]
async fn only_posts_are_served() {
    let server = start().await;
    for method in [reqwest::Method::GET, reqwest::Method::DELETE, reqwest::Method::PUT] {
        let request = server.http.request(method.clone(), server.url("/clock/mcp"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(header(&response, "allow"), "POST", "{method}");
    }
    let elsewhere = server.http.post(server.url("/other/mcp")).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
}

#[tokio::test]
async fn hosts_and_origins_are_checked() {
    let server = start().await;
    let send = async |name: &'static str, value: &'static str| {
        let request = server.post_authorized(&list()).header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("host", "mcp.example.com").await, 200);
    assert_eq!(send("host", "evil.example").await, 403);
    assert_eq!(send("origin", "https://app.example.com").await, 200);
    assert_eq!(send("origin", "https://app.example.com:8443").await, 403);
    assert_eq!(send("origin", "http://app.example.com").await, 403);
    assert_eq!(send("origin", "null").await, 403);
    assert_eq!(send("origin", "http://localhost:6274").await, 200);
    // Whatever else is wrong with the request.
    let without_token = server.post(&list()).header("origin", "https://evil.example");
    assert_eq!(without_token.send().await.unwrap().status(), 403);
    let get = server.http.get(server.url("/clock/mcp")).header("origin", "https://evil.example");
    assert_eq!(get.send().await.unwrap().status(), 403);
}

/// What a browser asks before it lets a page call.
async fn asked(server: &Running<Clock>, path: &str, origin: &str, method: &str) -> reqwest::Response {
    let request = server.http.request(reqwest::Method::OPTIONS, server.url(path)).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    let headers = "authorization,content-type,mcp-method,mcp-protocol-version";
    request.header("access-control-request-headers", headers).send().await.unwrap()
}

#[tokio::test]
async fn a_browser_lets_pages_of_the_listed_origins_call() {
    let server = start().await;
    for origin in ["https://app.example.com", "http://localhost:6274"] {
        let answer = asked(&server, "/clock/mcp", origin, "POST").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "access-control-allow-origin"), origin);
        assert_eq!(header(&answer, "access-control-allow-methods"), "POST");
        let headers = "authorization,content-type,mcp-method,mcp-protocol-version";
        assert_eq!(header(&answer, "access-control-allow-headers"), headers);
        assert!(header(&answer, "vary").contains("origin"), "an answer for one is not for another");

        // The refusal must be readable: it says where tokens come from.
        let refused = server.post(&list()).header("origin", origin).send().await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(header(&refused, "access-control-allow-origin"), origin);
        assert!(header(&refused, "access-control-expose-headers").contains("www-authenticate"));
        let listed = server.post_authorized(&list()).header("origin", origin).send().await.unwrap();
        assert_eq!(
            (listed.status().as_u16(), header(&listed, "access-control-allow-origin")),
            (200, origin.to_owned())
        );
    }
    for origin in
        ["https://app.example.com:8443", "http://app.example.com", "https://app.example.com.evil.example", "null"]
    {
        let answer = asked(&server, "/clock/mcp", origin, "POST").await;
        assert_eq!(header(&answer, "access-control-allow-origin"), "", "{origin}");
    }
    let document =
        asked(&server, "/.well-known/oauth-protected-resource/clock/mcp", "https://any.example", "GET").await;
    assert_eq!((document.status().as_u16(), header(&document, "access-control-allow-origin")), (200, "*".to_owned()));
    assert_eq!(header(&document, "access-control-allow-headers"), "*");
}

#[tokio::test]
async fn without_a_list_no_origin_is_served() {
    let server = start_with(support::issuer::Issuer::start().await, |config| config.allowed_origins.clear()).await;
    let request = server.post_authorized(&list()).header("origin", "https://app.example.com");
    assert_eq!(request.send().await.unwrap().status(), 403);
    assert_eq!(asked(&server, "/clock/mcp", "https://app.example.com", "POST").await.status(), 403);
    assert_eq!(server.post_authorized(&list()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_json() {
    let server = start_with(support::issuer::Issuer::start().await, |config| config.limits.body_bytes = 4096).await;
    let mut large = call("tick");
    large["params"]["arguments"]["padding"] = "x".repeat(5000).into();
    assert_eq!(server.post_authorized(&large).send().await.unwrap().status(), 413);
    // Strangers do not get as far as the limit.
    assert_eq!(server.post(&large).send().await.unwrap().status(), 401);

    let cases = [
        ("{", -32700),
        ("", -32700),
        ("\u{feff}{}", -32700),
        ("[]", -32600),
        ("7", -32600),
        ("{\"method\":7}", -32600),
    ];
    for (broken, code) in cases {
        let request = server.post_authorized(&list()).body(broken);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400, "{broken:?}");
        assert_eq!(body(response).await["error"]["code"], code, "{broken:?}");
    }
}

#[tokio::test]
async fn a_refusal_repeats_nothing_but_the_id() {
    let server = start().await;
    let long = "\u{200b}".repeat(10_000);
    let bodies = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": long }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": long }),
        json!({ "jsonrpc": long, "id": 1, "method": "tools/list" }),
        json!({ "jsonrpc": "2.0", "id": { long.clone(): 1 }, "method": "tools/list" }),
        json!(long),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": long } }),
    ];
    for sent in bodies {
        let response = server.post_authorized(&sent).send().await.unwrap();
        let answer = response.text().await.unwrap();
        assert!(answer.contains("\"error\"") && answer.len() < 500, "{} bytes: {answer:.200}", answer.len());
    }
}

#[tokio::test]
async fn the_id_of_a_refused_request_is_as_it_was_written() {
    let server = start().await;
    for id in ["12345678901234567890123", "1.50", "1e2", "9007199254740993", "\"\\u0061\""] {
        let text = format!("{{\"jsonrpc\":\"1.0\",\"id\":{id},\"method\":\"tools/list\"}}");
        let answer = server.post_authorized(&list()).body(text).send().await.unwrap().text().await.unwrap();
        assert!(answer.contains(&format!("\"id\":{id},")), "{id}: {answer}");
    }
}

#[tokio::test]
async fn health_takes_any_host_and_no_token() {
    let server = start().await;
    let request = server.http.get(server.url("/healthz")).header("host", "10.0.1.17:8080");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(server.log.events("request").is_empty(), "probes are not logged");
}

#[tokio::test]
async fn clients_can_be_sent_to_the_issuers_own_metadata() {
    let named = |config: &mut gangway::Config| config.authorization_server = Some(support::ISSUER.to_owned());
    let server = start_with(support::issuer::Issuer::start().await, named).await;
    let request = server.http.get(server.url("/.well-known/oauth-protected-resource/clock/mcp"));
    let resource = body(request.send().await.unwrap()).await;
    assert_eq!(resource["authorization_servers"], json!([support::ISSUER]));
}

#[tokio::test]
async fn metadata_comes_from_the_configuration() {
    let server = start().await;
    let get = async |path: &str| {
        let request = server.http.get(server.url(path)).header("host", "evil.example");
        let response = request.header("x-forwarded-proto", "http").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        body(response).await
    };
    let resource = get("/.well-known/oauth-protected-resource/clock/mcp").await;
    assert_eq!(resource["resource"], "https://mcp.example.com/clock/mcp");
    assert_eq!(resource["authorization_servers"], json!(["https://mcp.example.com/clock"]));
    assert_eq!(resource["bearer_methods_supported"], json!(["header"]));
    let scopes = ["https://mcp.example.com/clock/mcp/read", "https://mcp.example.com/clock/mcp/write"];
    assert_eq!(resource["scopes_supported"], json!(scopes));

    let server_metadata = get("/.well-known/oauth-authorization-server/clock").await;
    assert_eq!(server_metadata["issuer"], resource["authorization_servers"][0]);
    assert_eq!(server_metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server_metadata["token_endpoint"], "https://auth.example.com/oauth2/token");
    assert_eq!(server_metadata["authorization_endpoint"], "https://auth.example.com/oauth2/authorize");
    assert_eq!(server_metadata["jwks_uri"], server.issuer.jwks_url);
    // Where the root of the public address is not ours, below our own path.
    for appended in ["openid-configuration", "oauth-authorization-server"] {
        assert_eq!(get(&format!("/clock/.well-known/{appended}")).await, server_metadata);
    }
}

#[tokio::test]
async fn a_server_at_the_root_is_served() {
    let at_root = |config: &mut gangway::Config| config.path.clear();
    let server = start_with(support::issuer::Issuer::start().await, at_root).await;
    for path in ["oauth-protected-resource/mcp", "oauth-authorization-server", "openid-configuration"] {
        let response = server.http.get(server.url(&format!("/.well-known/{path}"))).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    let response = server.http.post(server.url("/mcp")).send().await.unwrap();
    assert_eq!(response.status(), 401);
}
