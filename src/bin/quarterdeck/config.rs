//! The user's configuration and the environment's file. A flag overrides an environment variable, which
//! overrides the file, which overrides the default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::Deserialize;

use quarterdeck::console::keymap::{BadBinding, Keymap};
use quarterdeck::core::environment::{Environment, InvalidEnvironment};

/// The user's configuration, from `$XDG_CONFIG_HOME/quarterdeck/config.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// AWS profile.
    pub profile: Option<String>,
    /// AWS region.
    pub region: Option<String>,
    /// Environment, if no `quarterdeck.toml` names it.
    pub environment: Option<String>,
    /// Never write.
    pub read_only: bool,
    /// `dark`, `light` or `none`.
    pub theme: Option<String>,
    /// The log screen.
    pub logs: LogView,
    /// Other keys for actions: name of the action to a key or a list of keys.
    pub keys: BTreeMap<String, Keys>,
}

/// How the log screen begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogView {
    /// The fields of JSON lines that are shown first, in this order; `a.b` is `b` in the object `a`.
    pub fields: Vec<String>,
}

/// One key or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Keys {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error("{path} cannot be read: {error}", path = path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}", path = path.display())]
    Parse { path: PathBuf, error: toml::de::Error },
    #[error("{path}: {error}", path = path.display())]
    Environment { path: PathBuf, error: InvalidEnvironment },
    #[error("{path}: {error}", path = path.display())]
    Keys { path: PathBuf, error: BadBinding },
    #[error("no home directory is known; set HOME, or XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_DATA_HOME")]
    NoHome,
}

/// Where this user's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Configuration.
    pub config: PathBuf,
    /// Audit, logs, the local cloud's state.
    pub state: PathBuf,
}

impl Places {
    /// The XDG directories, with this program's name.
    ///
    /// # Errors
    /// When no home directory is known.
    pub fn find() -> Result<Self, ConfigError> {
        let xdg = etcetera::base_strategy::Xdg::new().map_err(|_| ConfigError::NoHome)?;
        let state = xdg.state_dir().unwrap_or_else(|| xdg.data_dir());
        Ok(Self { config: xdg.config_dir().join("quarterdeck/config.toml"), state: state.join("quarterdeck") })
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.to_owned(), error })
}

/// The user's configuration: the file named, else the one in the usual place, else the defaults.
///
/// # Errors
/// When a named file is missing, or a file cannot be read or has an unknown key.
pub fn load(named: Option<&Path>, places: &Places) -> Result<(Config, Keymap), ConfigError> {
    let path = named.unwrap_or(&places.config).to_owned();
    if named.is_none() && !path.exists() {
        return Ok((Config::default(), Keymap::default()));
    }
    let config: Config =
        toml::from_str(&read(&path)?).map_err(|error| ConfigError::Parse { path: path.clone(), error })?;
    let list = |keys: &Keys| match keys {
        Keys::One(key) => vec![key.clone()],
        Keys::Many(keys) => keys.clone(),
    };
    let overrides = config.keys.iter().map(|(action, keys)| (action.clone(), list(keys))).collect();
    let keymap = Keymap::with(&overrides).map_err(|error| ConfigError::Keys { path, error })?;
    Ok((config, keymap))
}

/// Name of the environment's file.
pub const ENVIRONMENT_FILE: &str = "quarterdeck.toml";

/// The environment's file: the one named, else `quarterdeck.toml` here, if there is one.
///
/// # Errors
/// When a named file is missing, or a file cannot be read, has an unknown key or an impossible value.
pub fn environment(named: Option<&Path>) -> Result<Option<Environment>, ConfigError> {
    let path = named.unwrap_or(Path::new(ENVIRONMENT_FILE)).to_owned();
    if named.is_none() && !path.exists() {
        return Ok(None);
    }
    parse_environment(&path, &read(&path)?).map(Some)
}

/// An environment from its text; `path` is for messages.
///
/// # Errors
/// When the text has an unknown key or an impossible value.
pub fn parse_environment(path: &Path, text: &str) -> Result<Environment, ConfigError> {
    let environment: Environment =
        toml::from_str(text).map_err(|error| ConfigError::Parse { path: path.to_owned(), error })?;
    environment.validate().map_err(|error| ConfigError::Environment { path: path.to_owned(), error })?;
    Ok(environment)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end at a broken expectation")]
    use super::*;
    use rstest::rstest;

    fn load_text(text: &str) -> Result<(Config, Keymap), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let places = Places { config: "none".into(), state: "none".into() };
        load(Some(file.path()), &places).map_err(|error| error.to_string())
    }

    #[rstest]
    #[case("regoin = 'eu-west-1'", "unknown field `regoin`")]
    #[case("[keys]\nscael = 'S'", "keys.scael: there is no such action")]
    #[case("[keys]\nscale = 's'", "not a capital letter")]
    #[case("[keys]\nrefresh = 'ctrl-z'", "ctrl-z suspends the console")]
    #[case("read_only = 'yes'", "expected a boolean")]
    #[case("[logs]\nfield = ['tool']", "unknown field `field`")]
    fn bad_configurations_are_named(#[case] text: &str, #[case] part: &str) {
        let error = load_text(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn a_missing_file_is_no_configuration_unless_it_was_named() {
        let places = Places { config: "no/such/file.toml".into(), state: "none".into() };
        assert_eq!(load(None, &places).unwrap().0, Config::default());
        assert!(load(Some(Path::new("no/such/file.toml")), &places).is_err());
    }

    #[rstest]
    #[case("environment = 'Prod'\nregion = 'eu-west-1'", "environment: \"Prod\" is not possible")]
    #[case("environment = 'prod'\nregion = 'mars-1'", "region: \"mars-1\" is not an AWS region")]
    #[case("environment = 'prod'\nregion = 'eu-west-1'\n[network]\nzones = 9", "network.zones: 9")]
    #[case(
        "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'time'\nimage = 'x'\nmin = 3\nmax = 2",
        "3..2"
    )]
    #[case(
        "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'platform'\nimage = 'x'",
        "stack of every environment"
    )]
    #[case("environment = 'prod'\nregion = 'eu-west-1'\nextra = 1", "unknown field `extra`")]
    #[case("environment = 'prod'\nregion = 'eu-west-1'\n[network]\nnat = 'singel'", "`none`, `single`, `per-zone`")]
    #[case("environment = 'prod'\nregion = 'eu-west-1'\n[network]\nnat = 'singel'", "nat = 'singel'")]
    fn bad_environments_are_named(#[case] text: &str, #[case] part: &str) {
        let error = parse_environment(Path::new("quarterdeck.toml"), text).unwrap_err().to_string();
        assert!(error.contains(part) && error.starts_with("quarterdeck.toml"), "{error}");
    }
}
