//! The server of this library's own tests.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

use std::sync::Arc;

use gangway::Config;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{NumberOrString, ProgressNotificationParam, ProgressToken, SubscriptionFilter};
use rmcp::{ErrorData, Peer, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use tokio::sync::Semaphore;

use crate::support::issuer::Issuer;
use crate::support::server::{Running, start_server};

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

    #[tool(description = "Fails in the server.")]
    async fn jam(&self) -> Result<String, ErrorData> {
        Err(ErrorData::internal_error("jammed", None))
    }

    #[tool(description = "Needs the write scope.")]
    async fn wind(&self) -> String {
        "wound".to_owned()
    }

    #[tool(description = "Reports progress, which opens a stream, and waits; fails if it waits in vain.")]
    async fn stream(&self, peer: Peer<RoleServer>) -> Result<String, String> {
        let progress = ProgressNotificationParam::new(ProgressToken(NumberOrString::Number(1)), 0.5);
        let _ = peer.notify_progress(progress).await;
        let waited = self.wait().await;
        if waited == "done" { Ok(waited) } else { Err(waited) }
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
impl ServerHandler for Clock {
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }
}

pub async fn start() -> Running<Clock> {
    start_with(Issuer::start().await, |_| {}).await
}

pub async fn start_with(issuer: Issuer, adjust: impl FnOnce(&mut Config)) -> Running<Clock> {
    start_server(issuer, Clock::new(), &["wind"], adjust).await
}
