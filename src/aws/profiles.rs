//! The profiles in the AWS configuration files. The SDK reads them, too, but tells neither a profile that is
//! not there nor a file that it cannot read from one without a region.

use std::path::{Path, PathBuf};

use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::destination::{Profile, SignIn};
use crate::core::text::sanitise;

/// Which of the two files it is: they name profiles differently (AWS SDKs and Tools reference guide, "Shared
/// config and credentials files").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Config,
    Credentials,
}

/// A section, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    /// What stands between the brackets.
    head: String,
    meaning: Meaning,
    line: usize,
    /// Keys in lower case, with their values and lines.
    properties: Vec<(String, String, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Profile(String),
    SsoSession(String),
    Other,
    /// The SDK passes over it, because of this.
    Ignored(String),
}

/// A file, with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    path: PathBuf,
    kind: Kind,
    there: bool,
    sections: Vec<Section>,
    /// Why it cannot be read, with the line where there is one.
    trouble: Option<(Option<usize>, String)>,
}

/// Both files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files([File; 2]);

impl Files {
    /// Reads the files that the variables name, else those in the home directory.
    pub(super) fn read() -> Self {
        let place = |variable: &str, usual: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from);
            let path = named.unwrap_or_else(|| Path::new("~/.aws").join(usual));
            let home = std::env::var_os("HOME").map(PathBuf::from);
            match (path.strip_prefix("~"), home) {
                (Ok(rest), Some(home)) => home.join(rest),
                _ => path,
            }
        };
        Self([
            File::read(place("AWS_CONFIG_FILE", "config"), Kind::Config),
            File::read(place("AWS_SHARED_CREDENTIALS_FILE", "credentials"), Kind::Credentials),
        ])
    }

    /// An error if one of the files cannot be read.
    pub(super) fn readable(&self) -> CloudResult<()> {
        match self.0.iter().find_map(|file| Some((file, file.trouble.as_ref()?))) {
            None => Ok(()),
            Some((file, (line, why))) => Err(invalid(format!("{}: {why}", at(&file.path, *line)))
                .with_hint("no profile can be read until that is mended")),
        }
    }

    /// An error unless the profile is there, with everything that it refers to.
    pub(super) fn usable(&self, profile: &str) -> CloudResult<()> {
        self.readable()?;
        if self.sections(profile).next().is_none() {
            return Err(self.missing(profile));
        }
        let (mut seen, mut next) = (Vec::new(), Some(profile.to_owned()));
        while let Some(profile) = next.filter(|profile| !seen.contains(profile)) {
            self.session_of(&profile)?;
            next = self.source_of(&profile)?;
            seen.push(profile);
        }
        Ok(())
    }

    /// The profiles that are there, by name.
    pub(super) fn profiles(&self) -> CloudResult<Vec<Profile>> {
        self.readable()?;
        let profile = |name: &str| Profile {
            name: sanitise(name),
            region: self.property(name, "region").map(|(_, region, _)| sanitise(region)),
            sign_in: self.sign_in(name),
        };
        Ok(self.names().into_iter().map(profile).collect())
    }

    /// How one signs in for a profile, or for the one from which it has its credentials.
    pub(super) fn sign_in(&self, profile: &str) -> Option<SignIn> {
        let (mut seen, mut next) = (Vec::new(), Some(profile));
        while let Some(profile) = next.filter(|profile| !seen.contains(profile)) {
            let has = |key| self.property(profile, key).is_some();
            if has("sso_session") || has("sso_start_url") {
                return Some(SignIn::Sso);
            }
            if has("login_session") {
                return Some(SignIn::Console);
            }
            next = self.property(profile, "source_profile").map(|(_, source, _)| source);
            seen.push(profile);
        }
        None
    }

    /// Whether the profile says that endpoints of the configuration do not count.
    pub(super) fn ignores_endpoints(&self, profile: &str) -> bool {
        let value = self.property(profile, "ignore_configured_endpoint_urls");
        value.is_some_and(|(_, value, _)| value.eq_ignore_ascii_case("true"))
    }

    fn sections(&self, profile: &str) -> impl Iterator<Item = (&File, &Section)> {
        let wanted = Meaning::Profile(profile.to_owned());
        let all = self.0.iter().flat_map(|file| file.sections.iter().map(move |section| (file, section)));
        all.filter(move |(_, section)| section.meaning == wanted)
    }

    /// A property of a profile. Where both files have it, the one with the credentials counts.
    fn property(&self, profile: &str, key: &str) -> Option<(&File, &str, usize)> {
        let found = self.sections(profile).flat_map(|(file, section)| {
            let named = section.properties.iter().filter(|(name, ..)| name == key);
            named.map(move |(_, value, line)| (file, value.as_str(), *line))
        });
        found.last()
    }

    fn session_of(&self, profile: &str) -> CloudResult<()> {
        let Some((file, session, line)) = self.property(profile, "sso_session") else { return Ok(()) };
        let sessions: Vec<&str> = self
            .0
            .iter()
            .flat_map(|file| &file.sections)
            .filter_map(|section| match &section.meaning {
                Meaning::SsoSession(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        if sessions.contains(&session) {
            return Ok(());
        }
        let why = format!("profile `{profile}` names the sso-session `{session}`, which is not there");
        let hint = match sessions.as_slice() {
            [] => format!("there is none; it is written `[sso-session {session}]` in the configuration file"),
            some => format!("there are the sso-sessions {}", some.join(", ")),
        };
        Err(invalid(format!("{}: {why}", at(&file.path, Some(line)))).with_hint(sanitise(&hint)))
    }

    /// The profile from which another one has its credentials.
    fn source_of(&self, profile: &str) -> CloudResult<Option<String>> {
        let Some((file, source, line)) = self.property(profile, "source_profile") else { return Ok(None) };
        if self.sections(source).next().is_some() {
            return Ok(Some(source.to_owned()));
        }
        let why = format!("profile `{profile}` has its credentials from profile `{source}`, which is not there");
        Err(invalid(format!("{}: {why}", at(&file.path, Some(line)))).with_hint(self.known()))
    }

    /// That a profile is not there, and why a section that looks like it is not it.
    fn missing(&self, profile: &str) -> CloudError {
        let all = self.0.iter().flat_map(|file| file.sections.iter().map(move |section| (file, section)));
        let ignored = all.filter_map(|(file, section)| match &section.meaning {
            Meaning::Ignored(why) if section.resembles(profile) => {
                Some(format!("; {}: `[{}]` is passed over: {why}", at(&file.path, Some(section.line)), section.head))
            }
            _ => None,
        });
        let places = self.0.each_ref().map(|file| match file.there {
            true => file.path.display().to_string(),
            false => format!("{} (which is not there)", file.path.display()),
        });
        let passed: String = ignored.collect();
        invalid(format!("there is no profile `{profile}` in {}{passed}", places.join(" or "))).with_hint(self.known())
    }

    /// The names of the profiles that are there, in order.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .0
            .iter()
            .flat_map(|file| &file.sections)
            .filter_map(|section| match &section.meaning {
                Meaning::Profile(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The profiles that are there, in words.
    fn known(&self) -> String {
        match self.names().as_slice() {
            [] => "no profile is there; `aws configure` makes one".to_owned(),
            [one] => sanitise(&format!("there is {one}")),
            some => sanitise(&format!("there are {}", some.join(", "))),
        }
    }
}

impl Section {
    /// Whether it was probably meant to be this profile.
    fn resembles(&self, profile: &str) -> bool {
        let plain = |text: &str| text.trim_start_matches("profile").replace(['"', '\'', ' ', '\t'], "").to_lowercase();
        plain(&self.head) == plain(profile)
    }
}

impl File {
    fn read(path: PathBuf, kind: Kind) -> Self {
        let (there, text) = match std::fs::read(&path) {
            Ok(bytes) => (true, String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (false, Ok(String::new())),
            Err(error) => (true, Err(format!("it cannot be read: {error}"))),
        };
        match text.map_err(|why| (None, why)).and_then(|text| parse(&text, kind)) {
            Ok(sections) => Self { path, kind, there, sections, trouble: None },
            Err(trouble) => Self { path, kind, there, sections: Vec::new(), trouble: Some(trouble) },
        }
    }
}

/// Reads a file as the SDK does. No message has more of a line than its number: there may be keys in it.
fn parse(text: &str, kind: Kind) -> Result<Vec<Section>, (Option<usize>, String)> {
    const BLANK: [char; 2] = [' ', '\t'];
    if text.starts_with('\u{feff}') {
        let why = "it begins with a byte order mark (BOM); save it as UTF-8 without one";
        return Err((Some(1), why.to_owned()));
    }
    let mut sections: Vec<Section> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        let wrong = |why: &str| Err((Some(line), why.to_owned()));
        if raw.trim_matches(BLANK).is_empty() || raw.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = raw.strip_prefix('[') {
            let rest = rest.split(['#', ';']).next().unwrap_or(rest).trim_matches(BLANK);
            let Some(head) = rest.strip_suffix(']') else {
                return wrong("a section does not end with `]`");
            };
            let head = head.trim_matches(BLANK).to_owned();
            sections.push(Section { meaning: meaning(&head, kind), head, line, properties: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return wrong("something stands before the first section, such as `[default]`");
        };
        if raw.starts_with(BLANK) {
            match section.properties.last() {
                None => return wrong("a line that is indented follows no property"),
                Some((_, value, _)) if value.is_empty() && !raw.contains('=') => {
                    return wrong("a property has no `=`");
                }
                Some(_) => continue,
            }
        }
        match raw.split_once('=') {
            None => return wrong("a property has no `=`"),
            Some((key, _)) if key.trim_matches(BLANK).is_empty() => return wrong("a property has no name"),
            Some((key, value)) => {
                let value = value.split(" #").next().unwrap_or(value).split(" ;").next().unwrap_or_default();
                let key = key.trim_matches(BLANK).to_ascii_lowercase();
                section.properties.push((key, value.trim_matches(BLANK).to_owned(), line));
            }
        }
    }
    Ok(sections)
}

/// What a section is, by its head and the file that it is in.
fn meaning(head: &str, kind: Kind) -> Meaning {
    let good =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c));
    const NAME: &str = "a name has letters, digits and _ - / . % @ : + only, and no spaces";
    match (kind, head.split_once([' ', '\t']).map(|(prefix, name)| (prefix, name.trim()))) {
        (Kind::Config, Some(("profile", name))) if good(name) => Meaning::Profile(name.to_owned()),
        (Kind::Config, Some(("sso-session", name))) if good(name) => Meaning::SsoSession(name.to_owned()),
        (Kind::Config, Some(("profile" | "sso-session", _))) => Meaning::Ignored(NAME.to_owned()),
        (Kind::Config, None) if head == "default" => Meaning::Profile(head.to_owned()),
        (Kind::Config, None) => {
            Meaning::Ignored(format!("in the configuration file a profile is written `[profile {head}]`"))
        }
        (Kind::Credentials, None) if good(head) => Meaning::Profile(head.to_owned()),
        (Kind::Credentials, Some(("profile", name))) => {
            Meaning::Ignored(format!("in the credentials file a profile is written `[{name}]`"))
        }
        (Kind::Credentials, _) => Meaning::Ignored(NAME.to_owned()),
        (Kind::Config, Some((_, name))) if good(name) => Meaning::Other,
        (Kind::Config, Some(_)) => {
            Meaning::Ignored(format!("in the configuration file a profile is written `[profile NAME]`, and {NAME}"))
        }
    }
}

fn at(path: &Path, line: Option<usize>) -> String {
    let path = path.display();
    line.map_or_else(|| path.to_string(), |line| format!("{path}:{line}"))
}

fn invalid(message: impl AsRef<str>) -> CloudError {
    CloudError::new(ErrorKind::Invalid, "aws:Configure", sanitise(message.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SESSION: &str = "[profile dev]\nsso_session = corp\nregion = eu-west-1\n";

    fn files(config: &str, credentials: &str) -> Files {
        let file = |path: &str, kind, text: &str| match parse(text, kind) {
            Ok(sections) => File { path: path.into(), kind, there: true, sections, trouble: None },
            Err(trouble) => File { path: path.into(), kind, there: true, sections: Vec::new(), trouble: Some(trouble) },
        };
        Files([file("/a/config", Kind::Config, config), file("/a/credentials", Kind::Credentials, credentials)])
    }

    #[rstest]
    #[case::not_there("[profile dev]\nregion = eu-west-1\n", "[ops]\n", &["there is no profile `prod` in /a/config or /a/credentials", "there are dev, ops"])]
    #[case::nothing("", "", &["there is no profile `prod`", "no profile is there"])]
    #[case::without_prefix("[default]\n\n[prod]\nregion = x\n", "", &["/a/config:3: `[prod]` is passed over", "`[profile prod]`", "there is default"])]
    #[case::with_prefix_in_credentials("", "[profile prod]\n", &["/a/credentials:1:", "written `[prod]`"])]
    #[case::quoted("[profile \"prod\"]\n", "", &["/a/config:1:", "no spaces"])]
    #[case::another_case("[profile PROD]\n", "", &["there is no profile `prod`", "there is PROD"])]
    #[case::byte_order_mark("\u{feff}[profile prod]\n", "", &["/a/config:1: it begins with a byte order mark"])]
    #[case::broken_section("[default]\n[profile prod\nregion = x\n", "", &["/a/config:2: a section does not end with `]`"])]
    #[case::no_section("region = x\n", "", &["/a/config:1: something stands before the first section"])]
    #[case::no_equals("[profile prod]\nregion\n", "", &["/a/config:2: a property has no `=`"])]
    #[case::no_name("[profile prod]\n= x\n", "", &["/a/config:2: a property has no name"])]
    #[case::indented("[profile prod]\n  region = x\n", "", &["/a/config:2: a line that is indented"])]
    #[case::broken_credentials("[profile prod]\n", "[x\n", &["/a/credentials:1:"])]
    #[case::source("[profile prod]\nrole_arn = x\nsource_profile = base\n", "", &["/a/config:3: profile `prod`", "from profile `base`, which is not there", "there is prod"])]
    #[case::source_of_source("[profile prod]\nsource_profile = base\n[profile base]\nsso_session = corp\n", "", &["/a/config:4: profile `base` names the sso-session `corp`"])]
    fn a_profile_that_cannot_be_used_is_told_with_file_and_line(
        #[case] config: &str,
        #[case] credentials: &str,
        #[case] parts: &[&str],
    ) {
        let error = files(config, credentials).usable("prod").expect_err("it cannot be used");
        let said = format!("{} / {}", error.message, error.hint.clone().unwrap_or_default());
        for part in parts {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(error.kind, ErrorKind::Invalid);
    }

    #[test]
    fn names_with_spaces_are_told() {
        let error = files("[profile my prod]\n", "").usable("my prod").expect_err("it cannot be used");
        assert!(error.message.contains("/a/config:1: `[profile my prod]` is passed over"), "{error}");
    }

    #[rstest]
    #[case::no_session(SESSION, false)]
    #[case::session("[sso-session corp]\nsso_region = x\n[profile dev]\nsso_session = corp\n", true)]
    #[case::itself("[profile dev]\nsource_profile = dev\n", true)]
    #[case::nested("[profile dev]\ns3 =\n  max = 1\nregion = x # here\n", true)]
    #[case::comments("# x\n; y\n[profile dev] ; z\n", true)]
    fn what_a_profile_refers_to_must_be_there(#[case] config: &str, #[case] good: bool) {
        assert_eq!(files(config, "").usable("dev").is_ok(), good);
    }

    #[rstest]
    #[case::session("[profile dev]\nsso_session = corp\n", Some(SignIn::Sso))]
    #[case::start_url("[profile dev]\nsso_start_url = https://x\n", Some(SignIn::Sso))]
    #[case::login("[profile dev]\nlogin_session = arn:x\n", Some(SignIn::Console))]
    #[case::source("[profile dev]\nsource_profile = base\n[profile base]\nsso_session = corp\n", Some(SignIn::Sso))]
    #[case::circle("[profile dev]\nsource_profile = dev\n", None)]
    #[case::keys("[profile dev]\naws_access_key_id = x\n", None)]
    fn how_one_signs_in_is_known(#[case] config: &str, #[case] expected: Option<SignIn>) {
        assert_eq!(files(config, "").sign_in("dev"), expected);
        assert_eq!(files(config, "").profiles().map(|all| all.len()), Ok(config.matches("[profile").count()));
    }

    #[test]
    fn profiles_are_listed_with_their_regions() {
        let files = files("[profile b]\nregion = eu-west-1\n[default]\n", "[a]\n[b]\n");
        let all = files.profiles().expect("readable");
        let listed: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.region.as_deref())).collect();
        assert_eq!(listed, [("a", None), ("b", Some("eu-west-1")), ("default", None)]);
    }

    #[test]
    fn keys_are_in_no_message() {
        let said = format!("{:?}", files("", "[default]\naws_secret_access_key HUNTER2\n").usable("default"));
        assert!(said.contains(":2:") || said.contains("line"), "{said}");
        assert!(!said.contains("HUNTER2"), "{said}");
    }

    #[test]
    fn endpoints_are_ignored_where_the_profile_says_so() {
        let files = files("[profile dev]\nignore_configured_endpoint_urls = True\n[default]\n", "");
        assert!(files.ignores_endpoints("dev") && !files.ignores_endpoints("default"));
    }
}
