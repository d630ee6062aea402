//! A client of the Docker API, which Docker and Podman both have, over a socket.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::local::error::LocalError;

/// Time limit of a call to an engine.
const QUESTION: Duration = Duration::from_secs(30);
/// Time limit of an image build.
const BUILD: Duration = Duration::from_secs(300);

/// A connection to an engine.
#[derive(Debug, Clone)]
pub(in crate::local) struct Api {
    http: reqwest::Client,
    base: Url,
    endpoint: String,
}

/// A container, as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineContainer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// `running`, `exited` and so on.
    pub state: String,
}

impl Api {
    /// A client for an endpoint as `DOCKER_HOST` writes it: `unix:///path` or `tcp://host:port`. Calls
    /// nobody.
    pub fn open(endpoint: &str) -> Result<Self, LocalError> {
        let refuse = |reason: String| LocalError::Engine { endpoint: endpoint.to_owned(), reason };
        let mut builder = reqwest::Client::builder().no_proxy();
        let base = if let Some(path) = endpoint.strip_prefix("unix://") {
            builder = builder.unix_socket(std::path::PathBuf::from(path));
            "http://engine".to_owned()
        } else if let Some(host) = endpoint.strip_prefix("tcp://") {
            format!("http://{host}")
        } else {
            return Err(refuse("only unix:// and tcp:// can be used; set DOCKER_HOST to one of these".to_owned()));
        };
        let base = Url::parse(&base).map_err(|error| refuse(error.to_string()))?;
        let http = builder.build().map_err(|error| refuse(error.to_string()))?;
        Ok(Self { http, base, endpoint: endpoint.to_owned() })
    }

    /// Whether the engine answers.
    pub async fn answers(&self) -> bool {
        let ping = self.request(Method::GET, "/_ping", &[]).timeout(Duration::from_secs(3)).send().await;
        ping.is_ok_and(|response| response.status().is_success())
    }

    /// The document at this path, which must exist.
    pub async fn get(&self, path: &str) -> Result<Value, LocalError> {
        let response = self.send(self.request(Method::GET, path, &[])).await?;
        self.json(response).await
    }

    /// Where the engine answers, as `DOCKER_HOST` writes it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What an image says of itself; `None` if there is no such image.
    pub async fn image(&self, image: &str) -> Result<Option<Value>, LocalError> {
        let sent = self.request(Method::GET, &format!("/images/{image}/json"), &[]).timeout(QUESTION).send().await;
        let response = sent.map_err(|error| self.failed(&error))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.json(self.checked(response).await?).await.map(Some)
    }

    /// The value of a label of an image; `None` if there is no such label or image.
    pub async fn image_label(&self, image: &str, label: &str) -> Result<Option<String>, LocalError> {
        let found = self.image(image).await?;
        Ok(found.and_then(|found| found["Config"]["Labels"][label].as_str().map(str::to_owned)))
    }

    /// Pulls an image from its registry, without credentials.
    pub async fn pull(&self, image: &str) -> Result<(), LocalError> {
        let request = self.request(Method::POST, "/images/create", &[("fromImage", image)]);
        let sent = request.timeout(BUILD).send().await.map_err(|error| self.failed(&error))?;
        self.report(sent).await
    }

    /// Gives an image a further reference, `repository:tag`.
    pub async fn tag(&self, image: &str, reference: &str) -> Result<(), LocalError> {
        let (repository, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let params = [("repo", repository), ("tag", tag)];
        self.send(self.request(Method::POST, &format!("/images/{image}/tag"), &params)).await.map(drop)
    }

    /// Builds an image from a tar archive.
    pub async fn build(&self, archive: Vec<u8>, params: &[(&str, &str)]) -> Result<(), LocalError> {
        let request = self.request(Method::POST, "/build", params).header("Content-Type", "application/x-tar");
        let sent = request.body(archive).timeout(BUILD).send().await.map_err(|error| self.failed(&error))?;
        self.report(sent).await
    }

    /// Reads a stream of documents to its end.
    async fn report(&self, sent: Response) -> Result<(), LocalError> {
        let report = self.checked(sent).await?.text().await.map_err(|error| self.failed(&error))?;
        // If the work fails, the status is 200 all the same; the error is in the stream of documents.
        let error = report.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        match error.filter_map(|line| line["error"].as_str().map(str::to_owned)).next() {
            Some(reason) => Err(self.refused(reason)),
            None => Ok(()),
        }
    }

    /// Containers in any state that carry all the labels (`key=value`).
    pub async fn containers(&self, labels: &[&str]) -> Result<Vec<EngineContainer>, LocalError> {
        let filters = serde_json::json!({ "label": labels }).to_string();
        let request = self.request(Method::GET, "/containers/json", &[("all", "true"), ("filters", &filters)]);
        let response = self.send(request).await?;
        let listed = self.json(response).await?;
        Ok(listed.as_array().into_iter().flatten().map(container).collect())
    }

    /// Creates and starts a container, and returns its id.
    pub async fn run(&self, name: &str, spec: &Value) -> Result<String, LocalError> {
        let request = self.request(Method::POST, "/containers/create", &[("name", name)]).json(spec);
        let response = self.send(request).await?;
        let created = self.json(response).await?;
        let id = created["Id"].as_str().unwrap_or_default().to_owned();
        self.send(self.request(Method::POST, &format!("/containers/{id}/start"), &[])).await?;
        Ok(id)
    }

    /// Removes a container, running or not. It is no error if there is none.
    pub async fn remove(&self, id: &str) -> Result<(), LocalError> {
        let path = format!("/containers/{id}");
        let request = self.request(Method::DELETE, &path, &[("force", "true"), ("v", "true")]);
        let response = request.timeout(QUESTION).send().await.map_err(|error| self.failed(&error))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        self.checked(response).await.map(|_| ())
    }

    fn request(&self, method: Method, path: &str, params: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        if !params.is_empty() {
            url.query_pairs_mut().extend_pairs(params);
        }
        self.http.request(method, url)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, LocalError> {
        let response = request.timeout(QUESTION).send().await.map_err(|error| self.failed(&error))?;
        self.checked(response).await
    }

    async fn checked(&self, response: Response) -> Result<Response, LocalError> {
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let (status, path) = (response.status(), response.url().path().to_owned());
        let text = response.text().await.unwrap_or_default();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let reason = document["message"].as_str().unwrap_or(text.trim()).to_owned();
        Err(self.refused(format!("{path}: {status}: {reason}")))
    }

    async fn json(&self, response: Response) -> Result<Value, LocalError> {
        response.json().await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &reqwest::Error) -> LocalError {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        self.refused(format!("{error}{cause}"))
    }

    fn refused(&self, reason: String) -> LocalError {
        LocalError::Engine { endpoint: self.endpoint.clone(), reason }
    }
}

fn container(listed: &Value) -> EngineContainer {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    EngineContainer {
        id: text(&listed["Id"]),
        name: listed["Names"][0].as_str().unwrap_or_default().trim_start_matches('/').to_owned(),
        image: text(&listed["Image"]),
        state: text(&listed["State"]),
    }
}
