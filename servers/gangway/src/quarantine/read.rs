//! Reads the list: one query of DynamoDB.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::list::List;
use super::place::Place;
use super::sign::sign;
use crate::client::{ClientError, http_client, read_limited};

/// DynamoDB sends at most 1 MB of items at a time (API reference, Query), which its JSON makes larger.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most entries that are held. The console adds none above 1,000.
const MAX_ENTRIES: usize = 10_000;

/// Why the list could not be read. Nothing of what was answered is in the text.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(
        "there are no credentials: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set as it is where the task has a role"
    )]
    NoCredentials,
    #[error("the task's credentials: {0}")]
    Credentials(ClientError),
    #[error("the task's credentials: status {0}")]
    CredentialsStatus(u16),
    #[error("the task's credentials: not what was expected")]
    CredentialsContent,
    #[error("the task's credentials: the token's file: {0}")]
    TokenFile(std::io::Error),
    #[error("DynamoDB: {0}")]
    Client(#[from] ClientError),
    #[error("DynamoDB answers {0}, {1}")]
    Status(u16, &'static str),
    #[error("the answer is not one of DynamoDB's")]
    Content,
    #[error("it has more than {MAX_ENTRIES} entries")]
    TooMany,
}

/// Errors of DynamoDB that say what to do (API reference, "Common errors").
const KNOWN: [&str; 8] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "ProvisionedThroughputExceededException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "UnrecognizedClientException",
];

/// What is read of an answer.
#[derive(Deserialize)]
struct Page {
    #[serde(rename = "Items")]
    items: Vec<Value>,
    #[serde(rename = "LastEvaluatedKey")]
    next: Option<Value>,
}

/// Reads the list at one place.
pub struct Reader {
    place: Place,
    client: Client,
    time: Duration,
}

impl Reader {
    /// Each read takes at most `time`.
    pub fn new(place: Place, time: Duration) -> Result<Self, ClientError> {
        let client = http_client(concat!("gangway/", env!("CARGO_PKG_VERSION")), time)?;
        Ok(Self { place, client, time })
    }

    /// The list as it is now: what was written before this is in it.
    pub async fn read(&self) -> Result<List, ReadError> {
        let read = tokio::time::timeout(self.time, self.read_pages()).await;
        read.unwrap_or_else(|_| Err(ReadError::Client(ClientError::Late)))
    }

    async fn read_pages(&self) -> Result<List, ReadError> {
        let (mut list, mut next) = (List::default(), None);
        loop {
            let page = self.page(next).await?;
            list.add(&page.items);
            if list.len() > MAX_ENTRIES {
                return Err(ReadError::TooMany);
            }
            next = page.next;
            if next.is_none() {
                return Ok(list);
            }
        }
    }

    async fn page(&self, from: Option<Value>) -> Result<Page, ReadError> {
        let Place { table, region, endpoint, credentials } = &self.place;
        let mut query = json!({
            "TableName": table,
            "ConsistentRead": true,
            "KeyConditionExpression": "#l = :l",
            "ProjectionExpression": "#w, #u",
            "ExpressionAttributeNames": { "#l": "list", "#w": "who", "#u": "until" },
            "ExpressionAttributeValues": { ":l": { "S": "quarantine" } },
        });
        if let Some(from) = from {
            query["ExclusiveStartKey"] = from;
        }
        let body = query.to_string();
        let key = credentials.get(&self.client).await?;
        let mut request = self.client.post(format!("{endpoint}/"));
        let host = endpoint.split_once("://").map_or("", |(_, host)| host);
        for (name, value) in sign(key.as_ref(), host, region, &body, Timestamp::now()) {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.map_err(ClientError::from)?;
        let status = response.status();
        let answer = read_limited(response, MAX_BYTES).await?;
        if !status.is_success() {
            let what = error_word(&answer);
            if status == StatusCode::BAD_REQUEST || status == StatusCode::FORBIDDEN {
                credentials.forget().await;
            }
            return Err(ReadError::Status(status.as_u16(), what));
        }
        serde_json::from_slice(&answer).map_err(|_| ReadError::Content)
    }
}

/// The name of an error, if it is a known one: `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException`.
fn error_word(answer: &[u8]) -> &'static str {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let name = answer["__type"].as_str().unwrap_or_default();
    let name = name.rsplit_once('#').map_or(name, |(_, name)| name);
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("an error that is not known here")
}
