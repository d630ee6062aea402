//! What is started in a trial: the server as its stack describes it, without what is only at AWS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::environment::{BETWEEN_ARGUMENTS, Sessions, Template, Tools, Transport};

/// The value of a variable whose real one is a secret: a server that only looks whether it is set starts.
pub const PLACEHOLDER: &str = "quarterdeck-placeholder";

/// A server's image, and what it is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    pub server: String,
    /// The image, by a name or an id that the engine knows.
    pub image: String,
    /// An image that has gangway in it, which reaches a server that listens on the loopback address of its
    /// container alone. `None` is that of the server.
    pub gangway: Option<String>,
    pub way: Way,
    /// The program and its arguments; empty is what the image says.
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// Variables whose values are at AWS. Here they have [`PLACEHOLDER`].
    pub secrets: Vec<String>,
    /// Why it is not known which of them lie in the server's own Secret. Nothing is decided by it.
    #[serde(skip)]
    pub unread: Option<String>,
    /// User and group by number.
    pub user: String,
    pub read_only: bool,
    /// Folders that it may write to.
    pub folders: Vec<String>,
    /// Memory of its task, in MiB, which it does not get more of.
    pub memory_mib: u64,
    /// Most processes of it in a task: what the trial starts is one.
    #[serde(skip)]
    pub processes: u64,
    /// Longest time until its tools are known, in seconds.
    pub seconds: u64,
}

/// How one speaks with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Lines on its standard streams.
    Stdio,
    /// Streamable HTTP on a port of the loopback address of its container.
    Http { port: u32, path: String },
}

/// The value of the parameter `App`, as far as it is needed.
#[derive(Deserialize)]
struct Told {
    transport: Transport,
    #[serde(default)]
    port: Option<u32>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    sessions: Option<Sessions>,
    #[serde(default)]
    processes: Option<u64>,
    #[serde(default)]
    tools: Tools,
}

impl Told {
    /// Most processes at a time. Where callers do not share one, another one says who the server is.
    fn processes(&self) -> u64 {
        match (self.transport, self.sessions) {
            (Transport::Stdio, Some(Sessions::PerCaller | Sessions::PerRequest)) => self.processes.unwrap_or(4) + 1,
            _ => 1,
        }
    }
}

/// The longest that a plan waits for one server, in seconds, however long the server may take to start at AWS.
const MOST_SECONDS: u64 = 60;

impl Trial {
    /// What the stack with these parameters would start, and the scopes of its tools. `None` where it is a server that is
    /// built on gangway, or one whose `App` somebody has written who did not mean us to read it.
    pub fn of(parameters: &BTreeMap<String, String>) -> Option<(Self, Tools)> {
        let value = |name: &str| {
            let given = parameters.get(name).map(String::as_str);
            given.or_else(|| Template::Server.default_of(name)).unwrap_or_default()
        };
        let told: Told = serde_json::from_str(value("App")).ok()?;
        let processes = told.processes();
        let way = match told.transport {
            Transport::Stdio => Way::Stdio,
            Transport::Http => Way::Http { port: told.port?, path: told.path.unwrap_or_else(|| "/mcp".to_owned()) },
        };
        let said = value("AppCommand");
        let command = match said {
            "" => told.command,
            said => said.split(BETWEEN_ARGUMENTS).map(str::to_owned).collect(),
        };
        let each = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| value(name)).filter(|value| !value.is_empty()).map(str::to_owned).collect()
        };
        let named = each(&SECRETS);
        let secrets = named.iter().filter_map(|secret| Some(secret.split_once(' ')?.0.to_owned())).collect();
        let trial = Self {
            server: value("ServerName").to_owned(),
            image: value("Image").to_owned(),
            gangway: Some(value("GangwayImage").to_owned()).filter(|image| !image.is_empty()),
            way,
            command,
            environment: told.environment,
            secrets,
            unread: None,
            user: value("User").to_owned(),
            read_only: value("ReadOnlyRoot") != "false",
            folders: each(&FOLDERS),
            memory_mib: value("Memory").parse().ok()?,
            processes,
            seconds: value("StartSeconds").parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS),
        };
        Some((trial, told.tools))
    }

    /// All that decides what comes of it, as one text, with what `image` is, whatever it is called here. It holds
    /// which scopes the tools need, too. gangway is not part of it: it only passes on what is said.
    pub fn settings(&self, tools: &Tools, image: &str) -> String {
        let trial = Self { image: image.to_owned(), gangway: None, ..self.clone() };
        serde_json::json!([VERSION, trial, tools]).to_string()
    }
}

/// Raised when what a trial does, or what is kept of it, changes in meaning.
const VERSION: u32 = 1;
const SECRETS: [&str; 8] = ["SecretA", "SecretB", "SecretC", "SecretD", "SecretE", "SecretF", "SecretG", "SecretH"];
const FOLDERS: [&str; 4] = ["WritableA", "WritableB", "WritableC", "WritableD"];

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parameters(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_server_is_started_as_its_stack_describes_it() {
        let given = parameters(&[
            ("ServerName", "files"),
            ("Image", "files:1"),
            (
                "App",
                r#"{"transport":"stdio","environment":{"LOG":"1"},"sessions":"shared","tools":{"default":"write","read":["a"]}}"#,
            ),
            ("AppCommand", "node~|~a b.js"),
            ("SecretA", "API_KEY arn:aws:secretsmanager:eu-west-1:1:secret:x::"),
            ("Memory", "1024"),
            ("ReadOnlyRoot", "false"),
            ("StartSeconds", "300"),
            ("WritableA", "/tmp"),
            ("WritableB", "/var/cache"),
        ]);
        let (trial, tools) = Trial::of(&given).unwrap();
        assert_eq!(trial.command, ["node", "a b.js"]);
        assert_eq!(
            (trial.way.clone(), trial.memory_mib, trial.read_only, trial.seconds),
            (Way::Stdio, 1024, false, 60)
        );
        assert_eq!(
            (trial.secrets.clone(), trial.folders.clone()),
            (vec!["API_KEY".to_owned()], vec!["/tmp".into(), "/var/cache".into()])
        );
        assert_eq!((&*trial.user, trial.gangway.as_deref()), ("65532:65532", None));
        assert_eq!(tools.read, ["a"]);
        let other = Trial { memory_mib: 512, ..trial.clone() };
        assert_ne!(trial.settings(&tools, "x"), other.settings(&tools, "x"));
        assert_ne!(trial.settings(&tools, "x"), trial.settings(&Tools::default(), "x"));
        let elsewhere = Trial { image: "sha256:1".into(), gangway: Some("g".into()), ..trial.clone() };
        assert_eq!(trial.settings(&tools, "x"), elsewhere.settings(&tools, "x"));
    }

    #[rstest]
    #[case::http(r#"{"transport":"http","port":3000}"#, Some(Way::Http { port: 3000, path: "/mcp".into() }))]
    #[case::path(r#"{"transport":"http","port":3000,"path":"/x"}"#, Some(Way::Http { port: 3000, path: "/x".into() }))]
    #[case::of_ours("", None)]
    #[case::by_hand("{}", None)]
    fn the_way_to_it_is_that_of_gangway(#[case] app: &str, #[case] expected: Option<Way>) {
        let found = Trial::of(&parameters(&[("App", app)]));
        assert_eq!(found.map(|(trial, _)| trial.way), expected);
    }
}
