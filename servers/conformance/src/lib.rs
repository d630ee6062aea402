//! What the MCP conformance suite expects of a server, as a handler for gangway.
//!
//! The suite calls tools, resources and prompts by name and knows what they
//! answer. Most of it is a table, `fixtures.json`; what has behaviour is here:
//! notifications while a tool works, subscriptions, and [questions] that a
//! client answers in its next request.
//!
//! [questions]: questions
#![expect(deprecated, reason = "the older revisions, which the suite examines too, have log messages")]

mod questions;
mod tables;

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use questions::{Asked, Seal};
use tables::Tables;

/// Between two notifications, so that a client has to take several.
const PAUSE: Duration = Duration::from_millis(50);
/// How long lists and contents may be kept by a client.
const TTL_MS: u64 = 60_000;

/// The handler.
#[derive(Clone)]
pub struct Fixtures {
    tables: Arc<Tables>,
    seal: Arc<Seal>,
    subscribers: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    subscriptions: Arc<AtomicU64>,
    /// The log level that a client of an older revision asked for. One level for all clients.
    level: Arc<Mutex<LoggingLevel>>,
    speaks: Speaks,
}

/// Which revisions of the protocol the fixtures speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Speaks {
    /// Every one that the library knows.
    #[default]
    All,
    /// Those up to 2025-06-18, whose clients open with `initialize`; it has not heard of what came after.
    Earlier,
    /// 2026-07-28 alone, which has no `initialize`.
    Newest,
}

impl Speaks {
    /// The revisions, the oldest first.
    fn versions(self) -> &'static [ProtocolVersion] {
        match self {
            Self::All => ProtocolVersion::KNOWN_VERSIONS,
            Self::Earlier => ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_06_18),
            Self::Newest => &[ProtocolVersion::V_2026_07_28],
        }
    }
}

/// A change that subscribers are notified of.
#[derive(Clone, Copy)]
enum Change {
    Tools,
    Prompts,
}

impl Fixtures {
    /// The handler with its tables; the error is a mistake in them, or no randomness for a key.
    pub fn new() -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self {
            tables: Arc::new(Tables::read()?),
            seal: Arc::new(Seal::new()?),
            subscribers: Arc::default(),
            subscriptions: Arc::default(),
            level: Arc::new(Mutex::new(LoggingLevel::Info)),
            speaks: Speaks::default(),
        })
    }

    /// The same, of some revisions alone.
    #[must_use]
    pub fn speaking(mut self, speaks: Speaks) -> Self {
        self.speaks = speaks;
        self
    }

    /// Asks the client the next question of `name`; when all are answered, calls `done` with the answers.
    fn ask<T: From<InputRequiredResult>>(
        &self,
        name: &str,
        responses: Option<&InputResponses>,
        state: Option<&str>,
        context: &RequestContext<RoleServer>,
        done: impl FnOnce(String) -> T,
    ) -> Result<T, ErrorData> {
        let questions = self.tables.questions.get(name).ok_or_else(|| unknown(name))?;
        let capabilities = context.client_capabilities().unwrap_or_default();
        match questions.step(name, &self.seal, &capabilities, responses, state)? {
            Asked::Again(result) => Ok(result.into()),
            Asked::Answered(answers) => Ok(done(answers)),
        }
    }

    /// Three log messages. From 2026-07-28 on only requests with a level get any.
    async fn log(&self, context: &RequestContext<RoleServer>) -> String {
        let old = context.meta.protocol_version().is_none();
        let level = if old { Some(*self.level.lock().await) } else { context.meta.log_level() };
        // The messages are of level `info`.
        if !matches!(level, Some(LoggingLevel::Debug | LoggingLevel::Info)) {
            return "Nobody wants to be told.".to_owned();
        }
        for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
            // A client that is gone needs none.
            let _ = context.peer.notify_logging_message(message).await;
            tokio::time::sleep(PAUSE).await;
        }
        "Logged three times.".to_owned()
    }

    async fn tell_subscribers(&self, change: Change) -> String {
        let subscribers: Vec<_> = self.subscribers.lock().await.values().cloned().collect();
        for subscriber in subscribers {
            // Refused where the client did not ask for this kind, or is gone.
            let _ = match change {
                Change::Tools => subscriber.notify_tool_list_changed().await,
                Change::Prompts => subscriber.notify_prompt_list_changed().await,
            };
        }
        "Subscribers were told.".to_owned()
    }
}

fn unknown(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no {name:?} here"), None)
}

/// Three reports of progress, if the client gave a token for them.
async fn report_progress(context: &RequestContext<RoleServer>) -> String {
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let report = ProgressNotificationParam::new(token, progress).with_total(100.0);
            let _ = context.peer.notify_progress(report).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    "Done.".to_owned()
}

fn text(text: String) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

fn prompt(text: String) -> GetPromptResponse {
    GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into()
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_tools()
            .enable_tool_list_changed();
        ServerConfig::new(capabilities.build())
            .with_server_info(Implementation::new("gangway-conformance", env!("CARGO_PKG_VERSION")))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.speaks.versions())
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        if self.speaks == Speaks::Earlier {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "server/discover", None));
        }
        Ok(DiscoverResult::from_server_info(self.speaks.versions().to_vec(), self.get_info()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tables.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let listed = ListToolsResult::with_all_items(self.tables.tools.clone());
        Ok(listed.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.as_ref();
        Ok(match name {
            "test_tool_with_logging" | "test_logging_tool" => text(self.log(&context).await),
            "test_tool_with_progress" => text(report_progress(&context).await),
            "test_trigger_tool_change" => text(self.tell_subscribers(Change::Tools).await),
            "test_trigger_prompt_change" => text(self.tell_subscribers(Change::Prompts).await),
            _ => match self.tables.tool_result(name) {
                Some(result) => result.into(),
                None => {
                    let (responses, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
                    self.ask(name, responses, state, &context, text)?
                }
            },
        })
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listed = ListResourcesResult::with_all_items(self.tables.resources.clone());
        Ok(listed.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let listed = ListResourceTemplatesResult::with_all_items(self.tables.resource_templates.clone());
        Ok(listed.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.as_str();
        let contents = self.tables.content(uri);
        let contents = contents
            .ok_or_else(|| ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": uri }))))?;
        let result = ReadResourceResult::new(vec![contents]);
        Ok(result.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Private).into())
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let listed = ListPromptsResult::with_all_items(self.tables.prompts.clone());
        Ok(listed.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let arguments: Vec<_> = arguments.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).collect();
        if let Some(messages) = self.tables.prompt_messages(&request.name, &arguments) {
            return Ok(GetPromptResult::new(messages).into());
        }
        let (responses, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
        self.ask(&request.name, responses, state, &context, prompt)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let words = ["paris", "park", "party", "test"];
        let begun = words.iter().filter(|word| word.starts_with(&request.argument.value));
        let values = begun.map(ToString::to_string).collect();
        let completion = CompletionInfo::new(values).map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(completion))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *self.level.lock().await = request.level;
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let id = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        self.subscribers.lock().await.insert(id, context.sink().clone());
        context.cancelled().await;
        self.subscribers.lock().await.remove(&id);
        Ok(())
    }
}

/// `value` with each `{name}` in its texts replaced.
fn fill(value: &mut Value, replacements: &[(&String, &str)]) {
    match value {
        Value::String(text) => {
            for (name, with) in replacements {
                *text = text.replace(&format!("{{{name}}}"), with);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, replacements)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, replacements)),
        _ => {}
    }
}
