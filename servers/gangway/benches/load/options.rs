//! The command line.

use std::path::PathBuf;

use serde_json::{Value, json};

/// What to load, and how hard.
pub struct Options {
    pub url: Option<String>,
    pub server: PathBuf,
    pub tool: String,
    pub arguments: Value,
    pub headers: Vec<(String, String)>,
    pub pid: Option<u32>,
    pub connections: usize,
    pub seconds: u64,
    pub rate: u32,
}

impl Options {
    /// The options, or what is wrong with them.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let mut options = Self {
            url: None,
            server: target.join("image/mcp-time"),
            tool: "get_current_time".to_owned(),
            arguments: json!({ "timezone": "Europe/Berlin" }),
            headers: Vec::new(),
            pid: None,
            connections: 32,
            seconds: 10,
            rate: 1000,
        };
        while let Some(name) = args.next() {
            // Cargo says so to every bench.
            if name == "--bench" {
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{name} needs a value, or is not known"))?;
            options.set(&name, &value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("{name}: {value:?} cannot be used");
        match name {
            "--url" => self.url = Some(value.to_owned()),
            "--server" => self.server = PathBuf::from(value),
            "--tool" => self.tool = value.to_owned(),
            "--arguments" => self.arguments = serde_json::from_str(value).map_err(|_| wrong())?,
            "--header" => {
                let (name, value) = value.split_once(':').ok_or_else(wrong)?;
                self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            "--pid" => self.pid = Some(value.parse().map_err(|_| wrong())?),
            "--connections" => self.connections = at_least_one(value).ok_or_else(wrong)? as usize,
            "--seconds" => self.seconds = u64::from(at_least_one(value).ok_or_else(wrong)?),
            "--rate" => self.rate = at_least_one(value).ok_or_else(wrong)?,
            _ => return Err(format!("{name} is not known; see the head of benches/load/main.rs")),
        }
        Ok(())
    }
}

fn at_least_one(value: &str) -> Option<u32> {
    value.parse().ok().filter(|number| *number > 0)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The token, from where no list of processes shows it. Empty for a server that asks for none.
pub fn token() -> Result<String, String> {
    let token = std::env::var("LOAD_TOKEN").unwrap_or_default();
    if token != "-" {
        return Ok(token);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| format!("standard input: {error}"))?;
    Ok(line.trim().to_owned())
}
