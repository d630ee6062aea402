//! A DynamoDB with one table, and the address where a container gets its credentials.
#![allow(clippy::unwrap_used, dead_code)] // A failed step is a failed test; not every test uses all.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use gangway::{Env, QuarantinePlace};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::now;

const ARN: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/quarterdeck-test-quarantine";

#[derive(Default)]
struct State {
    items: Vec<Value>,
    /// What it answers instead: a status, and a text.
    broken: Option<(u16, String)>,
    /// Items in one page; 0 is all.
    page: usize,
    /// Each read: its headers and its body.
    reads: Vec<(HeaderMap, Value)>,
    /// How often credentials were asked for, and with which header.
    asked: Vec<String>,
    /// How long they are good for, in seconds; an hour if nothing is said.
    lasts: Option<i64>,
}

/// The table.
#[derive(Clone)]
pub struct Table {
    state: Arc<Mutex<State>>,
    held: Arc<Mutex<Option<Arc<Notify>>>>,
    pub url: String,
}

impl Table {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let table = Self { state: Arc::default(), held: Arc::default(), url };
        let (read, asked) = (table.clone(), table.clone());
        let routes = Router::new()
            .route("/", post(async move |headers: HeaderMap, body: String| read.answer(headers, &body).await))
            .route("/credentials", get(async move |headers: HeaderMap| asked.credentials(&headers)));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        table
    }

    async fn answer(&self, headers: HeaderMap, body: &str) -> (StatusCode, String) {
        let held = self.held.lock().unwrap().clone();
        if let Some(held) = held {
            held.notified().await;
        }
        let mut state = self.state.lock().unwrap();
        let query: Value = serde_json::from_str(body).unwrap();
        state.reads.push((headers, query.clone()));
        if let Some((status, text)) = &state.broken {
            return (StatusCode::from_u16(*status).unwrap(), text.clone());
        }
        let from = query["ExclusiveStartKey"]["at"]["N"].as_str().map_or(0, |at| at.parse::<usize>().unwrap());
        let until = if state.page == 0 { state.items.len() } else { state.items.len().min(from + state.page) };
        let mut answer = json!({ "Items": &state.items[from..until], "Count": until - from });
        if until < state.items.len() {
            answer["LastEvaluatedKey"] = json!({ "at": { "N": until.to_string() } });
        }
        (StatusCode::OK, answer.to_string())
    }

    fn credentials(&self, headers: &HeaderMap) -> String {
        let mut state = self.state.lock().unwrap();
        let header = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        state.asked.push(header.unwrap_or_default());
        // As ECS answers.
        let end = jiff::Timestamp::from_second(now() + state.lasts.unwrap_or(3600)).unwrap();
        json!({
            "RoleArn": "arn:aws:iam::123456789012:role/r", "AccessKeyId": format!("AKID{}", state.asked.len()),
            "SecretAccessKey": "hunter2", "Token": "session", "Expiration": end.to_string(),
        })
        .to_string()
    }

    /// Keeps somebody out, `client#NAME` or `subject#NAME`, for so many seconds from now.
    pub fn add(&self, who: &str, seconds: i64) {
        self.put(json!({ "who": { "S": who }, "until": { "N": (now() + seconds).to_string() } }));
    }

    pub fn put(&self, item: Value) {
        self.state.lock().unwrap().items.push(item);
    }

    pub fn clear(&self) {
        self.state.lock().unwrap().items.clear();
    }

    pub fn break_down(&self, status: u16, text: &str) {
        self.state.lock().unwrap().broken = Some((status, text.to_owned()));
    }

    pub fn repair(&self) {
        self.state.lock().unwrap().broken = None;
    }

    pub fn page(&self, items: usize) {
        self.state.lock().unwrap().page = items;
    }

    /// Credentials that are asked for from now on are good for so many seconds.
    pub fn lasts(&self, seconds: i64) {
        self.state.lock().unwrap().lasts = Some(seconds);
    }

    /// Answers nothing any more.
    pub fn hang(&self) {
        *self.held.lock().unwrap() = Some(Arc::default());
    }

    pub fn reads(&self) -> Vec<(HeaderMap, Value)> {
        self.state.lock().unwrap().reads.clone()
    }

    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The variables of a task that reads it.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [("GANGWAY_QUARANTINE_TABLE", ARN.to_owned()), ("GANGWAY_QUARANTINE_ENDPOINT", self.url.clone())]
    }

    /// Where it is, for a task with these variables as well.
    pub fn place(&self, more: &[(&'static str, String)]) -> Option<QuarantinePlace> {
        let all: Vec<_> = self.variables().into_iter().chain(more.iter().cloned()).collect();
        let env = Env::from_fn(move |name| all.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()));
        QuarantinePlace::from_env(&env).unwrap()
    }
}
