//! Callers that are kept out of an environment's servers for a time, whatever their tokens say.

use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

/// Within how long every task of every server acts on a change of the list.
pub const REACH: SignedDuration = SignedDuration::from_secs(15);
/// Most entries that the list may have. Every task reads all of it every few seconds, and DynamoDB bills each 4 KB
/// (some twenty entries) as one more read.
pub const MOST: usize = 1_000;
/// The longest that somebody may be kept out at once: a month. Whoever is to stay out for good loses the client, or is
/// disabled.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How long somebody is kept out where nobody says so.
pub const USUAL: SignedDuration = SignedDuration::from_hours(1);
/// Longest name, in bytes: a `sub` has at most 255 (OpenID Connect Core, section 2).
const LONGEST_NAME: usize = 255;

/// Who is kept out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Who {
    /// An app client, by its id: everybody who comes with a token of it.
    Client(String),
    /// The `sub` of a token, by whatever client; or the hash by which gangway's log names it.
    Subject(String),
}

impl Who {
    /// As the table has it.
    pub fn key(&self) -> String {
        match self {
            Self::Client(id) => format!("client#{id}"),
            Self::Subject(sub) => format!("subject#{sub}"),
        }
    }

    /// Who it is by what the table has; `None` of what this version does not know.
    pub fn of_key(key: &str) -> Option<Self> {
        let (kind, name) = key.split_once('#')?;
        let plain = (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
        match kind {
            "client" if plain => Some(Self::Client(name.to_owned())),
            "subject" if plain => Some(Self::Subject(name.to_owned())),
            _ => None,
        }
    }

    /// The id or the `sub`.
    pub fn name(&self) -> &str {
        let (Self::Client(name) | Self::Subject(name)) = self;
        name
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client {id}"),
            Self::Subject(sub) => write!(f, "subject {sub}"),
        }
    }
}

/// One who is kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub who: Who,
    /// In whole seconds.
    pub until: Timestamp,
    /// ARN of who has written it, if it says so.
    pub by: Option<String>,
    /// When, if it says so.
    pub since: Option<Timestamp>,
}

/// The list of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Quarantine {
    /// By who it is; also those that have ended and are not yet deleted.
    pub entries: Vec<Entry>,
    /// Entries that this version does not understand. The servers leave them alone, too, unless they are newer.
    pub unclear: usize,
}

impl Quarantine {
    /// The entry of somebody, also one that has ended.
    pub fn entry(&self, who: &Who) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.who == *who)
    }

    /// The end of somebody's entry, if that is in force.
    pub fn until(&self, who: &Who, now: Timestamp) -> Option<Timestamp> {
        self.entry(who).map(|entry| entry.until).filter(|until| *until > now)
    }

    /// Those in force.
    pub fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.until > now)
    }
}

/// Reads how long somebody is to be kept out, in seconds: `30m`, `24h` or `7d`.
///
/// # Errors
/// Says what was expected, with the limits.
pub fn length(text: &str) -> Result<i64, String> {
    let days = SpanRelativeTo::days_are_24_hours();
    let read = text.trim().parse::<Span>().and_then(|span| span.to_duration(days)).map(|length| length.as_secs());
    let possible = 1..=LONGEST.as_secs();
    let why = "how long is a time from 1s to 31d, such as 30m, 24h or 7d";
    read.ok().filter(|seconds| possible.contains(seconds)).ok_or_else(|| why.to_owned())
}

/// The name of a table by its ARN.
pub fn table_name(arn: &str) -> &str {
    arn.split_once(":table/").map_or(arn, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_it_is_goes_to_the_table_and_comes_back() {
        for who in [Who::Client("6abc".into()), Who::Subject("0a1b#2".into()), Who::Subject("ann@example.com".into())] {
            assert_eq!(Who::of_key(&who.key()), Some(who));
        }
        let long = format!("client#{}", "a".repeat(LONGEST_NAME + 1));
        for unknown in ["", "client", "client#", "pool#x", "Client#x", "client#a\u{1b}[2J", &long] {
            assert_eq!(Who::of_key(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_length_is_a_time_within_the_limits() {
        for (text, seconds) in
            [("1s", 1), (" 90m ", 5_400), ("1h30m", 5_400), ("7d", 604_800), ("31d", LONGEST.as_secs())]
        {
            assert_eq!(length(text), Ok(seconds), "{text}");
        }
        for wrong in ["", "0s", "-1h", "31d1s", "1mo", "90", "soon", "1s ago"] {
            assert!(length(wrong).unwrap_err().contains("from 1s to 31d"), "{wrong}");
        }
    }

    #[test]
    fn what_has_ended_is_not_in_force() {
        let who = Who::Client("a".into());
        let until = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10);
        let entry = Entry { who: who.clone(), until, by: None, since: None };
        let list = Quarantine { entries: vec![entry], unclear: 0 };
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        assert_eq!(list.until(&who, at(9)), Some(until));
        assert_eq!((list.until(&who, at(10)), list.in_force(at(10)).count()), (None, 0));
        assert_eq!(list.until(&Who::Subject("a".into()), at(0)), None);
        assert!(list.entry(&who).is_some());
    }
}
