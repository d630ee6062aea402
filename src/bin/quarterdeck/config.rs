//! The user's configuration and the environment's file. A flag overrides an environment variable, which
//! overrides the file, which overrides the default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use jiff::tz::TimeZone;
use serde::Deserialize;

use quarterdeck::console::keymap::{BadBinding, Keymap};
use quarterdeck::core::destination::{Destination, Target, is_region};
use quarterdeck::core::environment::{Environment, InvalidEnvironment};
use quarterdeck::core::text::sanitise;
use quarterdeck::ui::theme::{BadTheme, PLAIN, Theme};

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
    /// What stands in one Fleet, and what `status` and `why` tell of, where nothing names one environment or cluster.
    pub fleet: Vec<Stand>,
    /// Never write.
    pub read_only: bool,
    /// `dark`, `light`, `high-contrast`, `colour-blind`, `terminal`, `none`, or a theme of `themes.toml`.
    pub theme: Option<String>,
    /// Whether the mouse selects, opens and scrolls. Where it does not, the terminal selects text with it.
    pub mouse: Option<bool>,
    /// The log screen.
    pub logs: LogView,
    /// Other keys for actions: name of the action to a key or a list of keys.
    pub keys: BTreeMap<String, Keys>,
}

/// A place of the Fleet: an environment or a cluster, one of both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stand {
    /// Environment, deployed with quarterdeck.
    pub environment: Option<String>,
    /// ECS cluster, where it was not deployed with quarterdeck.
    pub cluster: Option<String>,
    /// AWS region; else the profile's.
    pub region: Option<String>,
    /// AWS profile; else the standard chain of credentials.
    pub profile: Option<String>,
}

impl Stand {
    /// Where that is.
    ///
    /// # Errors
    /// What is wrong with it, in words that name its keys.
    pub fn destination(&self) -> Result<Destination, &'static str> {
        let Self { environment, cluster, region, profile } = self.clone();
        let target = match (environment.filter(|name| !name.is_empty()), cluster.filter(|name| !name.is_empty())) {
            (Some(name), None) => Target::Environment(name),
            (None, Some(name)) => Target::of_cluster(&name),
            (None, None) | (Some(_), Some(_)) => return Err("it names either an `environment` or a `cluster`"),
        };
        if region.as_deref().is_some_and(|region| !is_region(region)) {
            return Err("`region` is not formed as the name of an AWS region, such as eu-west-1");
        }
        Ok(Destination { profile, region, target: Some(target) })
    }
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
    #[error("{path} cannot be read: {error}", path = shown(path))]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}", path = shown(path))]
    Parse { path: PathBuf, error: NotToml },
    #[error("{path}: {error}", path = shown(path))]
    Environment { path: PathBuf, error: InvalidEnvironment },
    #[error("{said}: there is no theme {name:?}; there are {known}")]
    Theme { said: String, name: String, known: String },
    #[error("{path}: fleet, entry {entry}: {why}", path = path.display())]
    Fleet { path: PathBuf, entry: usize, why: &'static str },
    #[error("{path}: {error}", path = path.display())]
    Themes { path: PathBuf, error: BadTheme },
    #[error("{path}: {error}", path = path.display())]
    Keys { path: PathBuf, error: BadBinding },
}

/// A path, without what a terminal would obey.
fn shown(path: &Path) -> String {
    sanitise(&path.to_string_lossy())
}

/// Where a text is no TOML, or not the one that is wanted, and why. What stands there is not repeated but for the key: a
/// value may be secret.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}{}: {why}", key.as_ref().map(|key| format!(" ({key})")).unwrap_or_default())]
pub struct NotToml {
    line: usize,
    column: usize,
    /// What stands before the equals sign of that line.
    key: Option<String>,
    why: String,
}

impl NotToml {
    fn of(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let key = line.split_once('=').map(|(key, _)| sanitise(key.trim())).filter(|key| key.len() <= LONGEST_KEY);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            key: key.filter(|key| !key.is_empty()),
            why: sanitise(&without_values(error.message())),
        }
    }
}

/// A longer key is not repeated, in bytes.
const LONGEST_KEY: usize = 60;

/// A message of the parser without the strings that it quotes: `invalid type: string "…", expected a sequence`.
fn without_values(message: &str) -> String {
    let Some((before, rest)) = message.split_once("string \"") else { return message.to_owned() };
    match rest.rsplit_once("\", expected") {
        Some((_, expected)) => format!("{before}a string, expected{expected}"),
        None => format!("{before}a string"),
    }
}

/// A value from the text of a file.
fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Parse { path: path.to_owned(), error: NotToml::of(text, &error) })
}

/// Where this user's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Configuration; `None` if there is no home directory.
    pub config: Option<PathBuf>,
    /// Audit and log; `None` if there is no home directory.
    pub state: Option<PathBuf>,
}

/// Why there is no place for this user's files.
pub const NO_HOME: &str = "no home directory is known; set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME";

impl Places {
    /// The XDG directories, with this program's name.
    pub fn find() -> Self {
        let Ok(xdg) = etcetera::base_strategy::Xdg::new() else {
            return Self::without_home(|name| std::env::var_os(name).map(PathBuf::from));
        };
        let state = xdg.state_dir().unwrap_or_else(|| xdg.data_dir());
        Self::below(Some(xdg.config_dir()), Some(state))
    }

    /// The directories that variables name.
    fn without_home(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        Self::below(absolute("XDG_CONFIG_HOME"), absolute("XDG_STATE_HOME"))
    }

    fn below(config: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        Self {
            config: config.map(|config| config.join("quarterdeck/config.toml")),
            state: state.map(|state| state.join("quarterdeck")),
        }
    }
}

/// The longest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

fn read(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read as _;
    let failed = |error| ConfigError::Read { path: path.to_owned(), error };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // A device has no end.
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(failed(std::io::Error::other(format!("it is longer than {} KiB", LARGEST / 1024))));
    }
    Ok(text)
}

/// What the user's files say.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub keymap: Keymap,
    /// All themes, the one in force first.
    pub themes: Vec<Theme>,
}

/// The user's configuration: the file named, else the one in the usual place, else the defaults. `theme` is the theme
/// of the command line.
///
/// # Errors
/// When a named file is missing, or a file cannot be read or has an unknown key.
pub fn load(named: Option<&Path>, theme: Option<&str>, places: &Places) -> Result<Loaded, ConfigError> {
    let usual = || places.config.as_deref().filter(|path| path.exists());
    let path = named.or_else(usual).map(Path::to_owned);
    // Own themes lie beside the configuration, whether that is there or not.
    let beside = path.as_deref().or(places.config.as_deref()).map(|path| path.with_file_name(THEMES_FILE));
    let own = beside.map(|path| themes(&path)).transpose()?.unwrap_or_default();
    let (config, keymap) = path.as_deref().map(configuration).transpose()?.unwrap_or_default();
    let (said, name) = match (theme, &config.theme, path) {
        (Some(name), ..) => ("--theme".to_owned(), Some(name.to_owned())),
        (None, Some(name), Some(path)) => (format!("{}: theme", path.display()), Some(name.clone())),
        _ => (String::new(), None),
    };
    // Every command checks it, not only the console: who has just edited the file tries it with any.
    let themes = in_force(&said, name, own, no_colour())?;
    Ok(Loaded { config, keymap, themes })
}

/// Name of the file with the operator's own themes.
pub const THEMES_FILE: &str = "themes.toml";

/// Whether the operator wants no colour (no-color.org).
fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// All themes, the one of this name first; without a name the first one. Where no colour is wanted, the one without
/// comes first, and the others can still be chosen.
fn in_force(said: &str, name: Option<String>, own: Vec<Theme>, no_colour: bool) -> Result<Vec<Theme>, ConfigError> {
    let mut all = Theme::built_in(&TimeZone::system());
    all.extend(own);
    let name = name.map(|name| if name == "plain" { PLAIN.to_owned() } else { name });
    if let Some(name) = name.as_ref().filter(|name| all.iter().all(|theme| theme.name() != name.as_str())) {
        let known = all.iter().map(Theme::name).collect::<Vec<_>>().join(", ");
        return Err(ConfigError::Theme { said: said.to_owned(), name: name.clone(), known });
    }
    let first = if no_colour { Some(PLAIN.to_owned()) } else { name };
    if let Some(at) = first.and_then(|name| all.iter().position(|theme| theme.name() == name)) {
        all[..=at].rotate_right(1);
    }
    Ok(all)
}

/// The operator's own themes: a table for each.
fn themes(path: &Path) -> Result<Vec<Theme>, ConfigError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let tables: BTreeMap<String, BTreeMap<String, String>> = parse(path, &read(path)?)?;
    let own = tables.iter().map(|(name, table)| Theme::own(name, table, TimeZone::system()));
    own.collect::<Result<_, _>>().map_err(|error| ConfigError::Themes { path: path.to_owned(), error })
}

fn configuration(path: &Path) -> Result<(Config, Keymap), ConfigError> {
    let config: Config = parse(path, &read(path)?)?;
    for (index, stand) in config.fleet.iter().enumerate() {
        stand.destination().map_err(|why| ConfigError::Fleet { path: path.to_owned(), entry: index + 1, why })?;
    }
    let list = |keys: &Keys| match keys {
        Keys::One(key) => vec![key.clone()],
        Keys::Many(keys) => keys.clone(),
    };
    let overrides = config.keys.iter().map(|(action, keys)| (action.clone(), list(keys))).collect();
    let keymap = Keymap::with(&overrides).map_err(|error| ConfigError::Keys { path: path.to_owned(), error })?;
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
    let mut environment: Environment = parse(path, text)?;
    environment.validate().map_err(|error| ConfigError::Environment { path: path.to_owned(), error })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for build in environment.servers.iter_mut().filter_map(|server| server.build.as_mut()) {
        *build = folder.join(&*build).display().to_string();
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end at a broken expectation")]
    use super::*;
    use rstest::rstest;

    fn load_text(text: &str) -> Result<Loaded, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let places = Places { config: None, state: None };
        let loaded = load(Some(file.path()), None, &places).map_err(|error| error.to_string());
        loaded.inspect_err(|error| assert!(error.starts_with(&*file.path().to_string_lossy()), "{error}"))
    }

    #[rstest]
    #[case("regoin = 'eu-west-1'", "unknown field `regoin`")]
    #[case("[keys]\nscael = 'S'", "keys.scael: there is no such action")]
    #[case("[keys]\nscale = 's'", "not a capital letter")]
    #[case("[keys]\nrefresh = 'ctrl-z'", "ctrl-z suspends the console")]
    #[case("theme = 'drak'", "theme: there is no theme \"drak\"; there are dark, light, high-contrast")]
    #[case("read_only = 'yes'", "expected a boolean")]
    #[case("[logs]\nfield = ['tool']", "unknown field `field`")]
    #[case("[[fleet]]\nenvironment = 'a'\n[[fleet]]\nregion = 'eu-west-1'", "fleet, entry 2: it names either an")]
    #[case("[[fleet]]\nenvironment = 'a'\ncluster = 'b'", "fleet, entry 1: it names either an")]
    #[case("[[fleet]]\ncluster = 'b'\nregion = 'ireland'", "fleet, entry 1: `region` is not formed")]
    #[case("[[fleet]]\ncluster = 'b'\nregoin = 'ireland'", "unknown field `regoin`")]
    fn bad_configurations_are_named(#[case] text: &str, #[case] part: &str) {
        let error = load_text(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }

    #[rstest]
    #[case::type_of_a_value(
        "[server.app]\ncommand = 'node --token ghp_secret'",
        "(command): invalid type: a string, expected"
    )]
    #[case::missing_quote("token = \"sk-secret", "(token)")]
    #[case::key("sk-secret-as-a-key = 1\n", "unknown field `sk-secret-as-a-key`")]
    #[case::comma("env = { API_KEY = \"sk-secret\" B = 1 }", "(env)")]
    #[case::control("a = \"\u{1b}[31msecret", "(a)")]
    fn a_refusal_names_the_place_and_repeats_no_value(#[case] line: &str, #[case] part: &str) {
        let text = format!("environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'a'\n{line}");
        let error = parse_environment(Path::new("quarterdeck.toml"), &text).unwrap_err().to_string();
        assert!(error.starts_with("quarterdeck.toml: line ") && error.contains(part), "{error}");
        assert!(!error.replace("sk-secret-as-a-key", "").contains("secret"), "{error}");
        assert!(!error.contains('\u{1b}') && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        let error = environment(Some(Path::new("/dev/zero"))).unwrap_err().to_string();
        assert!(error.contains("longer than 1024 KiB"), "{error}");
    }

    #[test]
    fn without_a_home_directory_there_are_the_places_that_variables_name() {
        let set = |name: &str| (name == "XDG_STATE_HOME").then(|| PathBuf::from("/s"));
        assert_eq!(Places::without_home(set), Places { config: None, state: Some("/s/quarterdeck".into()) });
        assert_eq!(Places::without_home(|_| Some("relative".into())), Places { config: None, state: None });
        assert_eq!(load(None, None, &Places { config: None, state: None }).unwrap().config, Config::default());
    }

    fn names(themes: &[Theme]) -> Vec<&str> {
        themes.iter().map(Theme::name).collect()
    }

    #[test]
    fn own_themes_lie_beside_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { config: Some(folder.path().join("config.toml")), state: None };
        let file = folder.path().join(THEMES_FILE);
        let loaded = |theme: Option<&str>| load(None, theme, &places).map(|loaded| loaded.themes);
        std::fs::write(&file, "[mine]\nbase = 'light'\ngood = '#00d787 bold'\n").unwrap();
        assert_eq!(names(&loaded(Some("mine")).unwrap())[..2], ["mine", "dark"]);
        for (text, part) in [
            ("[mine]\ngud = 'green'\n", "themes.toml: mine: there is no \"gud\"; a theme has base, text, good"),
            ("[mine]\ngood = 'grene'\n", "mine.good: \"grene\" is no colour and no modifier"),
            ("[mine]\nselected = 'on'\n", "mine.selected: \"on\""),
            ("[mine]\nbase = 'drak'\n", "mine.base: there is no theme \"drak\""),
            ("[dark]\n", "dark: a theme of this name comes with quarterdeck"),
            ("good = 'green'\n", "invalid type"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = loaded(None).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_theme_that_is_named_comes_first_and_no_colour_before_it() {
        let first = |name: Option<&str>, no_colour| {
            let all = in_force("--theme", name.map(str::to_owned), Vec::new(), no_colour).unwrap();
            assert_eq!(all.len(), Theme::built_in(&TimeZone::UTC).len());
            all[0].name().to_owned()
        };
        assert_eq!((first(None, false), first(Some("light"), false)), ("dark".into(), "light".into()));
        assert_eq!((first(Some("plain"), false), first(Some("light"), true)), ("none".into(), "none".into()));
        let error = in_force("--theme", Some("drak".into()), Vec::new(), true).unwrap_err().to_string();
        assert!(error.starts_with("--theme: there is no theme \"drak\"; there are dark, light"), "{error}");
    }

    #[test]
    fn a_missing_file_is_no_configuration_unless_it_was_named() {
        let places = Places { config: Some("no/such/file.toml".into()), state: None };
        assert_eq!(load(None, None, &places).unwrap().config, Config::default());
        assert!(load(Some(Path::new("no/such/file.toml")), None, &places).is_err());
    }

    #[rstest]
    #[case("quarterdeck.toml", "./files", "./files")]
    #[case("ops/prod.toml", "../files", "ops/../files")]
    #[case("ops/prod.toml", "/srv/files", "/srv/files")]
    fn a_folder_is_built_from_where_the_file_is(#[case] path: &str, #[case] build: &str, #[case] expected: &str) {
        let text = format!(
            "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'files'\nimage = 'x'\nbuild = '{build}'"
        );
        let environment = parse_environment(Path::new(path), &text).unwrap();
        assert_eq!(environment.servers[0].build.as_deref(), Some(expected));
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
    #[case(
        "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'files'\nimage = 'x'\nbuild = 'a'\nfrom = 'b'",
        "server.files.build: an image is built, or it is taken"
    )]
    #[case(
        "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'files'\nimage = 'x'\nfrom = '--creds'",
        "server.files.from: it is empty or begins with -"
    )]
    #[case(
        "environment = 'prod'\nregion = 'eu-west-1'\n[[server]]\nname = 'files'\nimage = 'x'\nkeep_images = 0",
        "server.files.keep_images: 0 is not possible"
    )]
    #[case("environment = 'prod'\nregion = 'eu-west-1'\nextra = 1", "unknown field `extra`")]
    #[case("environment = 'prod'\nregion = 'eu-west-1'\n[network]\nnat = 'singel'", "`none`, `single`, `per-zone`")]
    #[case("environment = 'prod'\nregion = 'eu-west-1'\n[network]\nnat = 'singel'", "line 4, column 7 (nat)")]
    fn bad_environments_are_named(#[case] text: &str, #[case] part: &str) {
        let error = parse_environment(Path::new("quarterdeck.toml"), text).unwrap_err().to_string();
        assert!(error.contains(part) && error.starts_with("quarterdeck.toml"), "{error}");
    }
}
