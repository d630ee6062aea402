//! The server under test.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gangway::{App, Config, Env, Limits, Log, Server};
use reqwest::{Client, RequestBuilder, Response};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::issuer::{Issuer, token};
use super::{BASE, ISSUER, RESOURCE, machine_claims};

/// Tools that succeed, fail, write, and wait until told.
#[derive(Clone)]
pub struct Clock {
    tools: ToolRouter<Self>,
    /// One permit for each call of `wait` that has begun.
    pub begun: Arc<Semaphore>,
    /// One permit for each call of `wait` that may end.
    pub go_on: Arc<Semaphore>,
}

#[tool_router]
impl Clock {
    fn new() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { tools: Self::tool_router(), begun: none(), go_on: none() }
    }

    #[tool(description = "Says tick.")]
    async fn tick(&self) -> String {
        "tick".to_owned()
    }

    #[tool(description = "Fails.")]
    async fn fail(&self) -> Result<String, String> {
        Err("the spring is broken".to_owned())
    }

    #[tool(description = "Needs the write scope.")]
    async fn wind(&self) -> String {
        "wound".to_owned()
    }

    #[tool(description = "Waits.")]
    async fn wait(&self) -> String {
        self.begun.add_permits(1);
        match self.go_on.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return "never".to_owned(),
        }
        "done".to_owned()
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Clock {}

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

pub struct Running {
    pub issuer: Issuer,
    pub log: Lines,
    pub address: std::net::SocketAddr,
    pub clock: Clock,
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
        "GANGWAY_ALLOWED_ORIGINS" => "https://app.example.com:443",
        _ => return None,
    };
    Some(value.to_owned())
}

pub async fn start() -> Running {
    start_with(Issuer::start().await, |_| {}).await
}

pub async fn start_with(issuer: Issuer, adjust: impl FnOnce(&mut Limits)) -> Running {
    let jwks_url = issuer.jwks_url.clone();
    let env = Env::from_fn(move |name| variable(name, &jwks_url));
    let mut config = Config::from_env(&env).unwrap();
    adjust(&mut config.limits);
    let log = Lines::default();
    let clock = Clock::new();
    let server = Server::new(clock.clone()).write_tools(&["wind"]);
    let app = App::new(config, server, Log::new("clock", log.clone())).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(app.serve(listener, async move { drop(stopped.await) }));
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    Running { issuer, log, address, clock, http, stop, served }
}

impl Running {
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

/// Waits for a condition, however long it takes; the test's own limit is nextest's or CI's.
pub async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
