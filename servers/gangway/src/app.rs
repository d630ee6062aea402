//! The routes and the layers, and serving them until told to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post_service};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::client::{ClientError, http_client};
use crate::config::Config;
use crate::jwks::Jwks;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::quarantine::Quarantine;
use crate::rate::Rates;
use crate::shared::{Shared, Tools};
use crate::token::Verifier;
use crate::{auth, body, head, limits, metadata, origin, requests, serve};

/// A handler of MCP requests, and the names of those of its tools that change something.
///
/// Every request needs the `read` scope of this server. A call of a tool in
/// [`write_tools`](Self::write_tools) needs the `write` scope as well. Without it, the call is answered
/// with 403 and the scopes to ask for (RFC 6750 section 3.1), and the handler does not see it.
///
/// rmcp's macros implement [`ServerHandler::get_tool`]. A handler that lists its tools by hand should
/// implement it, too: it decides which names get metrics of their own. All others are counted as one.
pub struct Server<H> {
    handler: Arc<H>,
    write_tools: &'static [&'static str],
}

impl<H> Server<H> {
    /// A server whose tools all need the `read` scope only.
    pub fn new(handler: H) -> Self {
        Self { handler: Arc::new(handler), write_tools: &[] }
    }

    /// Names the tools that need the `write` scope as well. Replaces the names given before.
    pub fn write_tools(mut self, tools: &'static [&'static str]) -> Self {
        self.write_tools = tools;
        self
    }
}

/// What answers the requests that every check has let through.
pub(crate) struct Backend {
    /// Answers POST.
    pub(crate) endpoint: MethodRouter,
    pub(crate) tools: Box<dyn Tools>,
    /// Whether it can answer: what `/healthz` says.
    pub(crate) ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// The memory for the requests under way, and for its answers.
    pub(crate) budget: Budget,
}

/// The tools of a handler.
struct Own<H> {
    handler: Arc<H>,
    write_tools: &'static [&'static str],
}

impl<H: ServerHandler> Tools for Own<H> {
    fn are_known(&self) -> bool {
        true
    }

    fn lists(&self, tool: &str) -> bool {
        self.handler.get_tool(tool).is_some()
    }

    fn writes(&self, tool: &str) -> bool {
        self.write_tools.contains(&tool)
    }
}

/// Longest wait for answers that are made to be taken by their clients, after a signal to stop.
const LINGER: Duration = Duration::from_secs(2);

/// A server ready to serve.
pub struct App {
    router: Router,
    shared: Arc<Shared>,
    jwks: Arc<Jwks>,
    /// Cancelled to end the streams that clients hold open.
    streams: CancellationToken,
}

impl App {
    /// Builds the routes of `server`. Reads and listens to nothing yet.
    ///
    /// # Errors
    /// If the HTTP client that reads the issuer's keys cannot be built.
    pub fn new<H: ServerHandler>(config: Config, server: Server<H>, log: Log) -> Result<Self, ClientError> {
        let streams = CancellationToken::new();
        let endpoint = post_service(protocol(server.handler.clone(), &config, streams.clone()));
        let tools = Box::new(Own { handler: server.handler, write_tools: server.write_tools });
        let budget = Budget::new(config.limits.memory_bytes);
        Self::with(config, Backend { endpoint, tools, ready: Box::new(|| true), budget }, streams, log)
    }

    /// The same around any backend, whose open streams end when `streams` is cancelled.
    pub(crate) fn with(
        config: Config,
        backend: Backend,
        streams: CancellationToken,
        log: Log,
    ) -> Result<Self, ClientError> {
        let user_agent = concat!("gangway/", env!("CARGO_PKG_VERSION"));
        let client = http_client(user_agent, config.limits.jwks_time)?;
        let jwks = Arc::new(Jwks::new(&config, client, log.clone()));
        let config = Arc::new(config);
        let shared = Arc::new(Shared {
            verifier: Verifier::new(config.clone(), jwks.clone()),
            tools: backend.tools,
            metrics: config.metrics.then(|| Arc::new(Metrics::new(log.clone(), config.environment.clone()))),
            budget: backend.budget,
            quarantine: Arc::new(Quarantine::new(&config, log.clone())?),
            rates: Rates::new(config.limits.caller_requests),
            slots: Arc::new(Semaphore::new(config.limits.concurrent_requests)),
            in_flight: TaskTracker::new(),
            log,
            config,
        });
        let router = router(backend.endpoint, backend.ready, &shared);
        Ok(Self { router, shared, jwks, streams })
    }

    /// Serves HTTP/1.1 on `listener` until `stop` is done. Then it takes no more connections, waits for the
    /// requests in flight, at most [`Limits::drain_time`](crate::Limits::drain_time), and returns.
    ///
    /// # Errors
    /// If the address of `listener` cannot be read. A failed connection is no error.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
        let address = listener.local_addr()?;
        let jwks = self.jwks;
        // So that the first request finds the keys. Nothing waits for it.
        tokio::spawn(async move { jwks.refresh(None).await });
        let reading = tokio::spawn(self.shared.quarantine.clone().keep());
        let Shared { config, log, metrics, in_flight, .. } = &*self.shared;
        let limits = &config.limits;
        let writer = metrics.clone().map(|metrics| tokio::spawn(metrics.write_every(limits.metrics_interval)));
        log.event("info", "start", &format!("listening on {address}"));
        let connections = serve::accept(listener, self.router, limits, log, stop).await;
        in_flight.close();
        let finish_requests = async {
            in_flight.wait().await;
            // Streams never end by themselves. Cancelled before the requests are done, those would be cut short.
            self.streams.cancel();
        };
        // A connection without a request, or whose client does not read, must not hold up the stop.
        let finish = async {
            let mut closed = std::pin::pin!(connections.shutdown());
            tokio::select! {
                () = &mut closed => {}
                () = finish_requests => drop(tokio::time::timeout(LINGER, closed).await),
            }
        };
        let result = tokio::time::timeout(limits.drain_time, finish).await;
        reading.abort();
        if let (Some(metrics), Some(writer)) = (metrics, writer) {
            writer.abort();
            metrics.write();
        }
        let how = if result.is_ok() { "drained" } else { "stopped with requests in flight" };
        log.event("info", "stop", how);
        Ok(())
    }
}

fn protocol<H: ServerHandler>(
    handler: Arc<H>,
    config: &Config,
    streams: CancellationToken,
) -> StreamableHttpService<Arc<H>, NeverSessionManager> {
    let settings = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(config.allowed_hosts.iter())
        .with_allowed_origins(config.allowed_origins.iter())
        .enforce_origin_validation()
        .with_max_request_body_bytes(config.limits.body_bytes)
        .with_cancellation_token(streams);
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::default(), settings)
}

fn router(endpoint: MethodRouter, ready: Box<dyn Fn() -> bool + Send + Sync>, shared: &Arc<Shared>) -> Router {
    let config = &shared.config;
    let ready: Arc<dyn Fn() -> bool + Send + Sync> = ready.into();
    let quarantine = shared.quarantine.clone();
    let health = move || {
        let answer = if ready() && quarantine.is_settled() {
            (StatusCode::OK, "ok\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        };
        std::future::ready(answer)
    };
    // `route_layer` applies to POST only: other methods get 405, with or without a token.
    let endpoint = endpoint
        .route_layer(from_fn_with_state(shared.clone(), body::inspect))
        .route_layer(from_fn_with_state(shared.clone(), auth::check))
        .route_layer(from_fn_with_state(shared.clone(), limits::admit));
    // `layer` applies to every method: browsers ask with OPTIONS.
    let endpoint = match origin::answers_of_endpoint(config) {
        Some(answers) => endpoint.layer(answers),
        None => endpoint,
    };
    let endpoint = endpoint.layer(from_fn_with_state(shared.clone(), head::inspect));
    let documents = metadata::documents(config).into_iter();
    let document = |text| get(async move || metadata::response(text)).layer(origin::answers_of_documents());
    documents
        .fold(Router::new(), |router, (path, text)| router.route(&path, document(text)))
        .route(&config.endpoint(), endpoint)
        .layer(from_fn_with_state(shared.clone(), requests::record))
        // Outside the log: the load balancer asks every few seconds.
        .route("/healthz", get(health))
}
