//! The server under test.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gangway::{App, Config, Env, Log, Server};
use reqwest::{Client, RequestBuilder, Response};
use rmcp::ServerHandler;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::issuer::{Issuer, token};
use super::{BASE, ISSUER, RESOURCE, machine_claims};

/// Log lines in memory.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines with this event, parsed.
    pub fn events(&self, event: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }
}

pub struct Running<H> {
    pub issuer: Issuer,
    pub log: Lines,
    pub address: std::net::SocketAddr,
    pub handler: H,
    pub http: Client,
    pub stop: oneshot::Sender<()>,
    pub served: JoinHandle<std::io::Result<()>>,
}

/// The variables of the server under test.
pub fn variable(name: &str, jwks_url: &str) -> Option<String> {
    let value = match name {
        "GANGWAY_ADDR" => "127.0.0.1:0",
        "GANGWAY_SERVER" => "clock",
        "GANGWAY_RESOURCE_URL" => RESOURCE,
        "GANGWAY_PATH" => "/clock",
        "GANGWAY_ISSUER" => ISSUER,
        "GANGWAY_JWKS_URL" => jwks_url,
        "GANGWAY_PUBLIC_BASE_URL" => BASE,
        "GANGWAY_TOKEN_ENDPOINT" => "https://auth.example.com/oauth2/token",
        "GANGWAY_AUTHORIZATION_ENDPOINT" => "https://auth.example.com/oauth2/authorize",
        "GANGWAY_ALLOWED_CLIENTS" => "machine-client user-client",
        "GANGWAY_ALLOWED_HOSTS" => "mcp.example.com 127.0.0.1",
        "GANGWAY_ALLOWED_ORIGINS" => "https://app.example.com http://localhost:*",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Starts a server on a free port.
pub async fn start_server<H: ServerHandler + Clone>(
    issuer: Issuer,
    handler: H,
    write_tools: &'static [&'static str],
    adjust: impl FnOnce(&mut Config),
) -> Running<H> {
    let jwks_url = issuer.jwks_url.clone();
    let env = Env::from_fn(move |name| variable(name, &jwks_url));
    let mut config = Config::from_env(&env).unwrap();
    adjust(&mut config);
    let log = Lines::default();
    let server = Server::new(handler.clone()).write_tools(write_tools);
    let app = App::new(config, server, Log::new("clock", log.clone())).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(app.serve(listener, async move { drop(stopped.await) }));
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    Running { issuer, log, address, handler, http, stop, served }
}

impl<H> Running<H> {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request to the endpoint without a token.
    pub fn post(&self, body: &Value) -> RequestBuilder {
        self.http
            .post(self.url("/clock/mcp"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_string())
    }

    /// The same with a token that is accepted.
    pub fn post_authorized(&self, body: &Value) -> RequestBuilder {
        self.post(body).bearer_auth(token(0, &machine_claims()))
    }

    /// The result of a tool that succeeds.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let result = self.outcome(tool, arguments).await;
        assert_ne!(result["isError"], true, "{result}");
        result
    }

    /// The result of a tool, which is a failure of the protocol's if there is none.
    async fn outcome(&self, tool: &str, arguments: Value) -> Value {
        let request = self.post_authorized(&super::call_with(tool, arguments));
        let mut reply = body(request.send().await.unwrap()).await;
        assert!(reply["result"].is_object(), "{reply}");
        reply["result"].take()
    }

    /// The message of a tool that fails.
    pub async fn call_failing(&self, tool: &str, arguments: Value) -> String {
        let result = self.outcome(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// A `tools/list` with the value of an Authorization header.
    pub async fn authorize(&self, value: &str) -> Response {
        self.post(&super::list()).header("authorization", value).send().await.unwrap()
    }
}

/// Text of a response's header.
pub fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name).map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

pub async fn body(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// Waits for a condition, however long it takes.
pub async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
