//! What stands behind: `GANGWAY_APP` and `GANGWAY_APP_SECRETS`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::config::{ConfigError, Env};

const APP: &str = "GANGWAY_APP";
const SECRETS: &str = "GANGWAY_APP_SECRETS";
/// What every variable of this process's own begins with. The server behind it gets none of them.
pub const OWN: &str = "GANGWAY_";
/// The longest that the edge waits for an answer to begin, in seconds (CloudFront, origin response timeout).
const MAX_SECONDS: u64 = 120;

/// The server behind, and how it is reached (`GANGWAY_APP`, a JSON object).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// `"http"` or `"stdio"`.
    pub transport: Transport,
    /// The port of the loopback address on which it listens. With `http` alone, and needed there.
    port: Option<u16>,
    /// The path of its MCP endpoint. With `http` alone. Default `/mcp`.
    path: Option<String>,
    /// The program and its arguments. Default: what follows `--` on the command line.
    #[serde(default)]
    pub command: Vec<String>,
    /// Variables for it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Which callers share a session of it. Default: all of them.
    #[serde(default)]
    pub sessions: Sessions,
    /// Most sessions at a time that are not shared, each of which is a process with `stdio`. 1 to 64; default 4.
    processes: Option<u64>,
    /// Longest time until an answer begins, in seconds. 1 to 120; default 30.
    request_seconds: Option<u64>,
    /// Scopes by tool.
    #[serde(default)]
    pub tools: ToolSettings,
}

/// How messages get to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// MCP's Streamable HTTP on the loopback address.
    Http,
    /// Lines on the standard streams of the process.
    Stdio,
}

/// Which callers share a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sessions {
    /// All of them.
    #[default]
    Shared,
    /// Each client has its own, and each of those who use it.
    PerCaller,
    /// Each request has its own.
    PerRequest,
}

impl fmt::Display for Sessions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Shared => "shared",
            Self::PerCaller => "per-caller",
            Self::PerRequest => "per-request",
        })
    }
}

/// The scope that a tool needs besides `read`, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolSettings {
    /// Of the tools that are not named.
    pub default: ToolDefault,
    /// Tools that need `read` alone.
    pub read: Vec<String>,
    /// Tools that need `write` as well.
    pub write: Vec<String>,
    /// Tools that are neither listed nor called.
    pub hidden: Vec<String>,
}

/// The scope of tools that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolDefault {
    /// What their annotations say: `readOnlyHint: true` is `read`, all else is `write`.
    #[default]
    Annotations,
    Read,
    Write,
}

impl App {
    /// Reads `GANGWAY_APP`. `after` is what follows `--` on the command line.
    ///
    /// # Errors
    /// Names the variable and, within it, the key.
    pub fn from_env(env: &Env, after: &[String]) -> Result<Self, ConfigError> {
        let text = env.required(APP)?;
        let wrong = |problem: String| ConfigError::new(APP, problem);
        let mut app: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if app.command.is_empty() {
            app.command = after.to_vec();
        }
        app.check().map_err(wrong)?;
        Ok(app)
    }

    fn check(&self) -> Result<(), String> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err("command: is not there; give one, or write it after `gangway run --`".to_owned());
        }
        match (self.transport, self.port, &self.path) {
            (Transport::Http, None | Some(0), _) => {
                return Err("port: must be set where transport is \"http\", 1 to 65535".to_owned());
            }
            (Transport::Http, _, Some(path)) if path.parse::<axum::http::uri::PathAndQuery>().is_err() => {
                return Err(format!("path: {path:?} is not a path such as /mcp"));
            }
            (Transport::Http, _, Some(path)) if !path.starts_with('/') => {
                return Err(format!("path: {path:?} must begin with a slash"));
            }
            (Transport::Stdio, Some(_), _) => return Err("port: is for transport \"http\" alone".to_owned()),
            (Transport::Stdio, _, Some(_)) => return Err("path: is for transport \"http\" alone".to_owned()),
            _ => {}
        }
        if self.processes.is_some_and(|number| !(1..=64).contains(&number)) {
            return Err("processes: must be a whole number, 1 to 64".to_owned());
        }
        if self.request_seconds.is_some_and(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
            return Err(format!("request_seconds: must be a whole number, 1 to {MAX_SECONDS}, which the edge waits"));
        }
        self.environment
            .iter()
            .try_for_each(|(name, value)| variable(name, value).map_err(|problem| format!("environment: {problem}")))?;
        self.tools.check()
    }

    /// The port, with `http`.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_default()
    }

    /// The path of its endpoint, with `http`.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or("/mcp")
    }

    /// Most sessions that are not shared.
    pub fn processes(&self) -> usize {
        self.processes.and_then(|most| usize::try_from(most).ok()).unwrap_or(4)
    }

    /// Most processes for those sessions: over HTTP, they are all with the one.
    pub fn own_processes(&self) -> usize {
        let own = self.transport == Transport::Stdio && self.sessions != Sessions::Shared;
        if own { self.processes() } else { 0 }
    }

    /// Longest time until an answer begins.
    pub fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds.unwrap_or(30))
    }
}

impl ToolSettings {
    fn check(&self) -> Result<(), String> {
        let lists = [("read", &self.read), ("write", &self.write), ("hidden", &self.hidden)];
        for (nth, (list, names)) in lists.iter().enumerate() {
            for (other, others) in lists.iter().skip(nth + 1) {
                if let Some(twice) = names.iter().find(|name| others.contains(name)) {
                    return Err(format!("tools: {twice:?} is in {list} and in {other}; it can be in one of them"));
                }
            }
        }
        Ok(())
    }
}

/// Whether a variable can be set for the server. The value is not repeated: it may be a secret.
fn variable(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("{name:?} is not the name of a variable"));
    }
    if name.starts_with(OWN) {
        return Err(format!("{name}: variables that begin with {OWN} are gangway's own"));
    }
    if value.contains('\0') { Err(format!("{name}: the value has a NUL byte")) } else { Ok(()) }
}

/// Variables whose values nobody may read. They are not displayed, whatever displays this.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Reads `GANGWAY_APP_SECRETS`, an object of strings. None if it is not set.
    ///
    /// # Errors
    /// Names the key, never a value.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let wrong = |problem: String| ConfigError::new(SECRETS, problem);
        let Some(text) = env.get(SECRETS) else { return Ok(Self::default()) };
        let Ok(Value::Object(given)) = serde_json::from_str(&text) else {
            return Err(wrong("must be a JSON object of strings".to_owned()));
        };
        let mut secrets = BTreeMap::new();
        for (name, value) in given {
            let Value::String(value) = value else { return Err(wrong(format!("{name}: must be a string"))) };
            variable(&name, &value).map_err(wrong)?;
            secrets.insert(name, value);
        }
        Ok(Self(secrets))
    }

    /// The variables.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text without the values, where a server writes one.
    pub fn hide(&self, text: String) -> String {
        /// A shorter value is in too many words.
        const SHORTEST: usize = 4;
        // A key may have many lines, and it is written line by line.
        let lines = self.0.values().flat_map(|value| value.lines()).map(str::trim);
        lines
            .filter(|line| line.len() >= SHORTEST)
            .fold(text, |text, line| if text.contains(line) { text.replace(line, "[redacted]") } else { text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(app: &'static str) -> Result<App, String> {
        let env = Env::from_fn(move |name| (name == APP).then(|| app.to_owned()));
        App::from_env(&env, &["after".to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let app = read(r#"{"transport":"http","port":3000}"#).unwrap();
        assert_eq!((app.path(), app.port(), app.request_time()), ("/mcp", 3000, Duration::from_secs(30)));
        assert_eq!(app.command, ["after"]);
        assert_eq!((app.sessions, app.processes(), &app.tools), (Sessions::Shared, 4, &ToolSettings::default()));
        for mode in ["shared", "per-caller", "per-request"] {
            let text = format!(r#"{{"transport":"stdio","command":["x"],"sessions":"{mode}"}}"#);
            assert_eq!(serde_json::from_str::<App>(&text).unwrap().sessions.to_string(), mode);
        }
        let app = read(r#"{"transport":"stdio","command":["x","y"],"sessions":"shared","processes":4}"#).unwrap();
        assert_eq!(app.command, ["x", "y"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("{}", "transport"),
            ("x", "expected"),
            (r#"{"transport":"sse"}"#, "sse"),
            (r#"{"transport":"stdio","pot":1}"#, "`pot`"),
            (r#"{"transport":"stdio","tools":{"reed":[]}}"#, "`reed`"),
            (r#"{"transport":"http"}"#, "port"),
            (r#"{"transport":"http","port":0}"#, "port"),
            (r#"{"transport":"http","port":70000}"#, "70000"),
            (r#"{"transport":"http","port":1,"path":"mcp"}"#, "path"),
            (r#"{"transport":"stdio","port":1}"#, "port"),
            (r#"{"transport":"stdio","path":"/mcp"}"#, "path"),
            (r#"{"transport":"stdio","command":[""]}"#, "command"),
            (r#"{"transport":"stdio","sessions":"mine"}"#, "mine"),
            (r#"{"transport":"stdio","processes":0}"#, "processes"),
            (r#"{"transport":"stdio","request_seconds":121}"#, "request_seconds"),
            (r#"{"transport":"stdio","environment":{"GANGWAY_X":""}}"#, "GANGWAY_X"),
            (r#"{"transport":"stdio","environment":{"A=":""}}"#, "A="),
            (r#"{"transport":"stdio","environment":{"A":"\u0000"}}"#, "NUL"),
            (r#"{"transport":"stdio","tools":{"read":["a"],"hidden":["a"]}}"#, "\"a\" is in read and in hidden"),
        ];
        for (text, words) in cases {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("GANGWAY_APP: ") && error.contains(words), "{text}: {error}");
        }
        let none = Env::from_fn(|name| (name == APP).then(|| r#"{"transport":"stdio"}"#.to_owned()));
        assert!(App::from_env(&none, &[]).unwrap_err().to_string().contains("command"));
    }

    #[test]
    fn secrets_are_never_repeated() {
        let read = |text: &'static str| Secrets::from_env(&Env::from_fn(move |_| Some(text.to_owned())));
        for bad in [
            "hunter2",
            "[\"hunter2\"]",
            r#"{"A":["hunter2"]}"#,
            r#"{"GANGWAY_A":"hunter2"}"#,
            r#"{"A":"hunter2\u0000"}"#,
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with("GANGWAY_APP_SECRETS: ") && !error.contains("hunter2"), "{error}");
        }
        let secrets = read(r#"{"KEY":"hunter2","X":"a","EMPTY":""}"#).unwrap();
        assert!(!format!("{secrets:?}").contains("hunter2"));
        assert_eq!(secrets.hide("a hunter2 b".to_owned()), "a [redacted] b");
        assert_eq!(secrets.variables().count(), 3);
        assert_eq!(Secrets::from_env(&Env::from_fn(|_| None)).unwrap().variables().count(), 0);
    }
}
