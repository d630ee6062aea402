//! Configuration, all of it from the environment.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Uri;

use crate::budget::Budget;
use crate::quarantine::Place;

/// A variable that is missing or invalid. Displayed as `NAME: problem`.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl ConfigError {
    /// An error about `variable`.
    pub fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self { variable, problem: problem.into() }
    }
}

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where variables are looked up: the process's environment, or a table in tests.
pub struct Env(Box<Lookup>);

impl Env {
    /// The environment of this process.
    pub fn process() -> Self {
        Self::from_fn(|name| std::env::var(name).ok())
    }

    /// Variables from a function: their value by name.
    pub fn from_fn(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Box::new(lookup))
    }

    /// The variable's value without spaces around it. An empty one counts as unset, because a CloudFormation
    /// template cannot easily leave a variable out.
    pub fn get(&self, variable: &str) -> Option<String> {
        let value = self.0(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The variable's value.
    ///
    /// # Errors
    /// If it is not set.
    pub fn required(&self, variable: &'static str) -> Result<String, ConfigError> {
        self.get(variable).ok_or_else(|| ConfigError::new(variable, "must be set"))
    }

    /// The variable as an absolute http(s) URL, without its trailing slash. `None` if it is not set.
    ///
    /// # Errors
    /// If it is not such a URL, or has a fragment, a quote or a backslash.
    pub fn url(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        self.get(variable).map(|value| absolute_url(variable, &value)).transpose()
    }

    fn required_url(&self, variable: &'static str) -> Result<String, ConfigError> {
        absolute_url(variable, &self.required(variable)?)
    }

    fn list(&self, variable: &str) -> Vec<String> {
        let value = self.get(variable).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    }
}

/// The limits of a server. The defaults are for production; tests use smaller ones.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body, in bytes (`GANGWAY_MAX_BODY_BYTES`). Default 64 KiB: what the web ACL of the stack
    /// lets through.
    pub body_bytes: usize,
    /// Most values in the JSON of a body. Default 16,384.
    pub body_values: usize,
    /// Memory for the requests under way, in bytes (`GANGWAY_MEMORY_BYTES`). Default 128 MiB, a quarter of the
    /// smallest task.
    pub memory_bytes: usize,
    /// Longest time for a request body to arrive. Default 10 s.
    pub body_time: Duration,
    /// Longest time without a complete request head on a connection, pauses between requests included.
    /// Default 150 s: longer than the load balancer keeps an idle connection, or it would send requests
    /// on connections that are being closed.
    pub head_time: Duration,
    /// Longest time until the first request head of a connection is complete. Default 10 s: the load balancer
    /// opens a connection when it has a request for it.
    pub first_head_time: Duration,
    /// Longest time in which a client reads nothing of what is sent to it. Default 30 s.
    pub write_time: Duration,
    /// Most connections at the same time. Default 1,024, and less where the process may open fewer files.
    pub connections: usize,
    /// Longest time until a response begins (`GANGWAY_REQUEST_SECONDS`). Default 30 s.
    pub request_time: Duration,
    /// Most requests at the same time (`GANGWAY_MAX_REQUESTS`). Default 512.
    pub concurrent_requests: usize,
    /// Most requests of one caller in a minute (`GANGWAY_REQUESTS_PER_MINUTE`), by its client and its subject, to this
    /// process. Default none.
    pub caller_requests: Option<u32>,
    /// Longest life of a token, in seconds from its issue. Default 1 day, the most that Cognito gives an access
    /// token (Cognito developer guide, "Token expiration").
    pub token_life: Duration,
    /// Longest wait for requests in flight after a signal to stop. Default 50 s: less than the 60 s after
    /// which ECS kills the container.
    pub drain_time: Duration,
    /// Longest time for fetching the issuer's keys once. Default 5 s.
    pub jwks_time: Duration,
    /// Shortest time between two JWKS fetches caused by unknown keys. Default 30 s.
    pub jwks_interval: Duration,
    /// Age from which the JWKS is fetched again, while requests still use the old one. Default 1 hour.
    pub jwks_max_age: Duration,
    /// Time between two reads of the callers that are kept out. Default 5 s; after one that failed 1 s. With
    /// [`quarantine_time`](Self::quarantine_time) it makes sure that a new entry holds within 15 s, also if one read
    /// fails.
    pub quarantine_interval: Duration,
    /// Longest time for reading them once. Default 3 s.
    pub quarantine_time: Duration,
    /// How long a server that starts waits for them before it says that it is ready. Default 10 s.
    pub quarantine_grace: Duration,
    /// Time that one line of metrics sums up. Default 1 minute.
    pub metrics_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_values: 16 * 1024,
            memory_bytes: 128 * 1024 * 1024,
            body_time: Duration::from_secs(10),
            head_time: Duration::from_secs(150),
            first_head_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            connections: 1024,
            request_time: Duration::from_secs(30),
            concurrent_requests: 512,
            caller_requests: None,
            token_life: Duration::from_secs(86_400),
            drain_time: Duration::from_secs(50),
            jwks_time: Duration::from_secs(5),
            jwks_interval: Duration::from_secs(30),
            jwks_max_age: Duration::from_secs(3600),
            quarantine_interval: Duration::from_secs(5),
            quarantine_time: Duration::from_secs(3),
            quarantine_grace: Duration::from_secs(10),
            metrics_interval: Duration::from_secs(60),
        }
    }
}

/// How the log names the subject of a token, which may be a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subjects {
    /// By a hash: the same for the same subject.
    #[default]
    Hashed,
    /// As the issuer does.
    Plain,
    /// Not at all.
    Off,
}

/// Configuration of a server. Each field names its variable; `servers/README.md` describes them.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on (`GANGWAY_ADDR`).
    pub addr: SocketAddr,
    /// Name of the server in its log (`GANGWAY_SERVER`).
    pub server: String,
    /// Public URL of the MCP endpoint, which is the OAuth resource (RFC 8707) and ends in `{path}/mcp`
    /// (`GANGWAY_RESOURCE_URL`).
    pub resource_url: String,
    /// Path prefix, empty or with a leading and no trailing slash (`GANGWAY_PATH`).
    pub path: String,
    /// Expected `iss` of tokens, compared letter by letter (`GANGWAY_ISSUER`).
    pub issuer: String,
    /// Where the issuer's keys are (`GANGWAY_JWKS_URL`).
    pub jwks_url: String,
    /// Base of the metadata documents' URLs (`GANGWAY_PUBLIC_BASE_URL`).
    pub public_base_url: String,
    /// Token endpoint named in the metadata (`GANGWAY_TOKEN_ENDPOINT`).
    pub token_endpoint: String,
    /// Authorization endpoint named in the metadata (`GANGWAY_AUTHORIZATION_ENDPOINT`).
    pub authorization_endpoint: String,
    /// Authorization server whose metadata clients are sent to (`GANGWAY_AUTHORIZATION_SERVER`). `None`:
    /// this server, which serves a description of the issuer itself.
    pub authorization_server: Option<String>,
    /// Ids of the clients whose tokens are accepted without an audience (`GANGWAY_ALLOWED_CLIENTS`).
    pub allowed_clients: Vec<String>,
    /// Values of the Host header that are served, as `host` or `host:port`. Never empty
    /// (`GANGWAY_ALLOWED_HOSTS`).
    pub allowed_hosts: Vec<String>,
    /// Browser origins that are served, each with its port or `:*` (`GANGWAY_ALLOWED_ORIGINS`).
    pub allowed_origins: Vec<String>,
    /// Whether metrics are written to the log (`GANGWAY_METRICS`).
    pub metrics: bool,
    /// Environment in the dimensions of the metrics (`GANGWAY_ENVIRONMENT`). `None`: they have none.
    pub environment: Option<String>,
    /// How the log names whose request was refused (`GANGWAY_LOG_SUBJECTS`).
    pub subjects: Subjects,
    /// Where the callers are listed that are kept out (`GANGWAY_QUARANTINE_TABLE`). `None`: nobody is.
    pub quarantine: Option<Place>,
    /// Limits. Those that a server may need to change have variables.
    pub limits: Limits,
}

impl Config {
    /// Address to listen on when `GANGWAY_ADDR` is not set.
    pub const DEFAULT_ADDR: &str = "0.0.0.0:8080";

    /// Reads the configuration.
    ///
    /// # Errors
    /// Names the first variable that is missing or invalid.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let path = path(&env.required("GANGWAY_PATH")?)?;
        let resource_url = env.required_url("GANGWAY_RESOURCE_URL")?;
        if !resource_url.ends_with(&format!("{path}/mcp")) {
            let problem = format!("must end in {path}/mcp, the path that GANGWAY_PATH serves");
            return Err(ConfigError::new("GANGWAY_RESOURCE_URL", problem));
        }
        // Compared with `iss` letter by letter, so it is kept as it is written.
        let issuer = env.required("GANGWAY_ISSUER")?;
        let issuer_url = absolute_url("GANGWAY_ISSUER", &issuer)?;
        let public_base_url = env.required_url("GANGWAY_PUBLIC_BASE_URL")?;
        Ok(Self {
            addr: Self::addr_from_env(env)?,
            server: plain_name("GANGWAY_SERVER", env.required("GANGWAY_SERVER")?)?,
            jwks_url: env.url("GANGWAY_JWKS_URL")?.unwrap_or_else(|| format!("{issuer_url}/.well-known/jwks.json")),
            token_endpoint: env.required_url("GANGWAY_TOKEN_ENDPOINT")?,
            authorization_endpoint: env.required_url("GANGWAY_AUTHORIZATION_ENDPOINT")?,
            authorization_server: authorization_server(env)?,
            allowed_clients: env.required("GANGWAY_ALLOWED_CLIENTS").map(|_| env.list("GANGWAY_ALLOWED_CLIENTS"))?,
            allowed_hosts: allowed_hosts(env, &public_base_url)?,
            allowed_origins: allowed_origins(env)?,
            metrics: metrics(env)?,
            environment: env
                .get("GANGWAY_ENVIRONMENT")
                .map(|name| plain_name("GANGWAY_ENVIRONMENT", name))
                .transpose()?,
            subjects: subjects(env)?,
            quarantine: Place::from_env(env)?,
            limits: limits(env)?,
            path,
            resource_url,
            issuer,
            public_base_url,
        })
    }

    /// The address alone, which is all that the health command needs.
    ///
    /// # Errors
    /// If `GANGWAY_ADDR` is set and is not an address with a port.
    pub fn addr_from_env(env: &Env) -> Result<SocketAddr, ConfigError> {
        let value = env.get("GANGWAY_ADDR").unwrap_or_else(|| Self::DEFAULT_ADDR.to_owned());
        value
            .parse()
            .map_err(|_| ConfigError::new("GANGWAY_ADDR", "must be an address and a port, such as 0.0.0.0:8080"))
    }

    /// Path of the MCP endpoint.
    pub fn endpoint(&self) -> String {
        format!("{}/mcp", self.path)
    }

    /// The scope `name` ("read" or "write") of this server's resource.
    pub fn scope(&self, name: &str) -> String {
        format!("{}/{name}", self.resource_url)
    }
}

/// The longest time that the edge waits for an answer, in seconds (CloudFront, origin response timeout, as
/// the stack sets it).
const EDGE_SECONDS: usize = 120;

fn limits(env: &Env) -> Result<Limits, ConfigError> {
    let defaults = Limits::default();
    let limits = Limits {
        body_bytes: number(env, "GANGWAY_MAX_BODY_BYTES", 1024..=16 * 1024 * 1024)?.unwrap_or(defaults.body_bytes),
        memory_bytes: number(env, "GANGWAY_MEMORY_BYTES", 1024 * 1024..=1 << 40)?.unwrap_or(defaults.memory_bytes),
        concurrent_requests: number(env, "GANGWAY_MAX_REQUESTS", 1..=65_536)?.unwrap_or(defaults.concurrent_requests),
        // Zero is no limit: a template has no other word for it.
        caller_requests: number(env, "GANGWAY_REQUESTS_PER_MINUTE", 0..=1_000_000)?
            .and_then(|most| u32::try_from(most).ok())
            .filter(|most| *most > 0),
        request_time: number(env, "GANGWAY_REQUEST_SECONDS", 1..=EDGE_SECONDS)?
            .map_or(defaults.request_time, |seconds| Duration::from_secs(seconds as u64)),
        ..defaults
    };
    let one = Budget::cost(limits.body_bytes, limits.body_values);
    if one > limits.memory_bytes {
        let problem = format!("must be at least {one}, what one body of GANGWAY_MAX_BODY_BYTES may take");
        return Err(ConfigError::new("GANGWAY_MEMORY_BYTES", problem));
    }
    Ok(limits)
}

/// A whole number within a range; `None` if it is not set.
fn number(
    env: &Env,
    variable: &'static str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<Option<usize>, ConfigError> {
    let Some(text) = env.get(variable) else { return Ok(None) };
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => {
            let problem = format!("must be a whole number, {} to {}", range.start(), range.end());
            Err(ConfigError::new(variable, problem))
        }
    }
}

fn absolute_url(variable: &'static str, value: &str) -> Result<String, ConfigError> {
    let invalid = || ConfigError::new(variable, "must be an absolute http or https URL");
    let uri: Uri = value.parse().map_err(|_| invalid())?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    // Quotes and backslashes would end the quoted strings of a challenge.
    if !web || uri.host().is_none_or(str::is_empty) || value.contains(['#', '"', '\\']) {
        return Err(invalid());
    }
    Ok(value.trim_end_matches('/').to_owned())
}

fn path(value: &str) -> Result<String, ConfigError> {
    let path = value.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    if !(path.is_empty() || path.starts_with('/')) || !path.chars().all(plain) {
        let problem = "must be a path such as /time: a slash, then letters, digits and -_.~";
        return Err(ConfigError::new("GANGWAY_PATH", problem));
    }
    Ok(path.to_owned())
}

fn plain_name(variable: &'static str, value: String) -> Result<String, ConfigError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if value.len() > 64 || !value.chars().all(plain) {
        let problem = "must be at most 64 letters, digits and -_.";
        return Err(ConfigError::new(variable, problem));
    }
    Ok(value)
}

/// Clients compare it with the `issuer` of its metadata letter by letter (RFC 8414 section 3.3), so it
/// is kept as it is written.
fn authorization_server(env: &Env) -> Result<Option<String>, ConfigError> {
    env.url("GANGWAY_AUTHORIZATION_SERVER")?;
    Ok(env.get("GANGWAY_AUTHORIZATION_SERVER"))
}

fn allowed_hosts(env: &Env, public_base_url: &str) -> Result<Vec<String>, ConfigError> {
    let mut hosts = env.list("GANGWAY_ALLOWED_HOSTS");
    if hosts.is_empty() {
        // An empty list would let every Host through: the public one is the default.
        let uri: Option<Uri> = public_base_url.parse().ok();
        hosts.extend(uri.and_then(|uri| uri.host().map(str::to_owned)));
    }
    for host in &hosts {
        if host.parse::<axum::http::uri::Authority>().is_err() {
            let problem = format!("{host:?} is not a host or host:port");
            return Err(ConfigError::new("GANGWAY_ALLOWED_HOSTS", problem));
        }
    }
    Ok(hosts)
}

fn metrics(env: &Env) -> Result<bool, ConfigError> {
    match env.get("GANGWAY_METRICS").as_deref() {
        None | Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) => Err(ConfigError::new("GANGWAY_METRICS", "must be on or off")),
    }
}

fn subjects(env: &Env) -> Result<Subjects, ConfigError> {
    match env.get("GANGWAY_LOG_SUBJECTS").as_deref() {
        None | Some("hashed") => Ok(Subjects::Hashed),
        Some("plain") => Ok(Subjects::Plain),
        Some("off") => Ok(Subjects::Off),
        Some(_) => Err(ConfigError::new("GANGWAY_LOG_SUBJECTS", "must be hashed, plain or off")),
    }
}

/// Origins, each with its port: rmcp takes an origin without one to mean any port.
fn allowed_origins(env: &Env) -> Result<Vec<String>, ConfigError> {
    let origins = env.list("GANGWAY_ALLOWED_ORIGINS");
    origins.into_iter().map(|origin| with_port(&origin).ok_or_else(|| not_an_origin(&origin))).collect()
}

/// `origin` with its port: the default port of the scheme if it names none. `None` if it is not an origin.
pub(crate) fn with_port(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let any_port = origin.strip_suffix(":*");
    let uri: Uri = any_port.unwrap_or(&origin).parse().ok()?;
    let default_port = match uri.scheme_str()? {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let has_port = uri.port().is_some();
    if uri.path() != "/" || uri.query().is_some() || origin.ends_with('/') || (any_port.is_some() && has_port) {
        return None;
    }
    Some(if any_port.is_some() || has_port { origin } else { format!("{origin}:{default_port}") })
}

fn not_an_origin(origin: &str) -> ConfigError {
    let problem = format!("{origin:?} is not an origin such as https://app.example.com");
    ConfigError::new("GANGWAY_ALLOWED_ORIGINS", problem)
}
