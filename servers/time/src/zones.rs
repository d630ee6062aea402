//! The IANA time zone database of the binary.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The longest name of a zone that is looked up, in bytes. The longest there is has 32.
pub const MAX_NAME: usize = 64;
/// Most names offered when one is not known.
const SUGGESTIONS: usize = 5;

/// Looks time zones up by name.
#[derive(Clone)]
pub struct Zones(TimeZoneDatabase);

impl Default for Zones {
    fn default() -> Self {
        Self(TimeZoneDatabase::bundled())
    }
}

impl Zones {
    /// The zone `name`, in any case. The error helps to find the right name.
    pub fn get(&self, name: &str) -> Result<TimeZone, String> {
        let name = name.trim();
        if name.len() > MAX_NAME {
            return Err(format!("A time zone name has at most {MAX_NAME} characters; this one has {}.", name.len()));
        }
        self.0.get(name).map_err(|_| self.unknown(name))
    }

    /// The names that begin with `prefix`, in any case, sorted.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let prefix = prefix.trim().to_ascii_lowercase();
        self.matching(|name| name.starts_with(&prefix))
    }

    fn matching(&self, accept: impl Fn(&str) -> bool) -> Vec<String> {
        let names = self.0.available().map(|name| name.to_string());
        let mut names: Vec<_> = names.filter(|name| accept(&name.to_ascii_lowercase())).collect();
        names.sort();
        names
    }

    fn unknown(&self, name: &str) -> String {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        // "new york" and "NewYork, US" are both meant as America/New_York.
        let city = shown.split(',').next().unwrap_or_default().trim();
        let wanted = city.to_ascii_lowercase().replace(' ', "_");
        let near = if wanted.len() < 3 { Vec::new() } else { self.matching(|n| n.contains(&wanted)) };
        let hint = if near.is_empty() {
            "Use list_timezones, perhaps with a prefix such as \"Europe/\", to find the name.".to_owned()
        } else {
            let near = &near[..near.len().min(SUGGESTIONS)];
            format!("Did you mean {}?", near.join(", "))
        };
        format!("{shown:?} is not an IANA time zone name such as \"America/New_York\". {hint}")
    }
}
