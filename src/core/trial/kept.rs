//! What a deploy keeps of a trial with its environment: the parameter `AppTools` of the server's stack.
//!
//! It lies there because that is what every operator reads, whatever machine they sit at, and what changes with the
//! deploy and with nothing else. It is in no task definition, so that a list alone that has changed replaces no task.
//! CloudFormation takes 4,096 bytes in a parameter ("AWS CloudFormation quotas"), which is room for some two hundred
//! tools; of a longer list the digest is kept, by which it can be said that it changed, and not how.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::scope::Scope;

/// The parameter of the server's template.
pub const PARAMETER: &str = "AppTools";
/// The most bytes that CloudFormation takes in the value of a parameter.
const MOST: usize = 4_096;

/// What is kept of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What was tried, as a digest of the image and of all that it was started with.
    pub of: String,
    pub tools: KeptTools,
    /// Memory after the start, in MiB; `None` where it was not measured.
    pub memory_mib: Option<u64>,
    /// Time until its tools were known, in milliseconds.
    pub answered_ms: u64,
}

/// The tools of a trial, as far as there was room for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptTools {
    Named(BTreeMap<String, Scope>),
    /// There was no room: how many, and their digest.
    Counted {
        number: u64,
        digest: String,
    },
}

/// As it is written: short, because there is little room.
#[derive(Serialize, Deserialize)]
struct Written {
    of: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mib: Option<u64>,
    ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    r: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    w: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    h: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl Kept {
    /// Reads the parameter. `None` where nothing is kept, or what an operator of another version has kept.
    pub fn read(parameter: &str) -> Option<Self> {
        let Written { of, mib, ms, r, w, h, n, sha256 } = serde_json::from_str(parameter).ok()?;
        let tools = match (n, sha256) {
            (Some(number), Some(digest)) => KeptTools::Counted { number, digest },
            (None, None) => {
                let each = [(r, Scope::Read), (w, Scope::Write), (h, Scope::Hidden)].into_iter();
                KeptTools::Named(
                    each.flat_map(|(names, scope)| names.into_iter().map(move |name| (name, scope))).collect(),
                )
            }
            _ => return None,
        };
        Some(Self { of, tools, memory_mib: mib, answered_ms: ms })
    }

    /// The value of the parameter, on one line. `digest` is that of [`listed`].
    pub fn written(
        of: &str,
        tools: &BTreeMap<String, Scope>,
        digest: &str,
        memory_mib: Option<u64>,
        ms: u64,
    ) -> String {
        let names = |wanted: Scope| {
            tools.iter().filter(|(_, scope)| **scope == wanted).map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let whole = Written {
            of: of.to_owned(),
            mib: memory_mib,
            ms,
            r: names(Scope::Read),
            w: names(Scope::Write),
            h: names(Scope::Hidden),
            n: None,
            sha256: None,
        };
        let text = ascii(&whole);
        if text.len() <= MOST {
            return text;
        }
        let (number, digest) = (Some(tools.len() as u64), Some(digest.to_owned()));
        ascii(&Written { r: Vec::new(), w: Vec::new(), h: Vec::new(), n: number, sha256: digest, ..whole })
    }
}

/// The text of a list, of which a digest is made where there is no room for it.
pub fn listed(tools: &BTreeMap<String, Scope>) -> String {
    serde_json::to_string(tools).unwrap_or_default()
}

/// JSON in ASCII, which no tool on the way can read as something else.
fn ascii(written: &Written) -> String {
    let mut text = String::new();
    for c in serde_json::to_string(written).unwrap_or_default().chars() {
        if c.is_ascii() {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn tools(of: &[(&str, Scope)]) -> BTreeMap<String, Scope> {
        of.iter().map(|(name, scope)| ((*name).to_owned(), *scope)).collect()
    }

    #[rstest]
    #[case::none(&[], r#"{"of":"ab","mib":78,"ms":812}"#)]
    #[case::each(
        &[("b", Scope::Read), ("a", Scope::Read), ("set", Scope::Write), ("raw", Scope::Hidden)],
        r#"{"of":"ab","mib":78,"ms":812,"r":["a","b"],"w":["set"],"h":["raw"]}"#
    )]
    #[case::strange(&[("a\"é🦀", Scope::Write)], r#"{"of":"ab","mib":78,"ms":812,"w":["a\"\u00e9\ud83e\udd80"]}"#)]
    fn what_is_kept_is_short_and_comes_back(#[case] of: &[(&str, Scope)], #[case] expected: &str) {
        let tools = tools(of);
        let text = Kept::written("ab", &tools, "d", Some(78), 812);
        assert_eq!(text, expected);
        let kept = Kept::read(&text).unwrap();
        assert_eq!(kept.tools, KeptTools::Named(tools));
        assert_eq!((&*kept.of, kept.memory_mib, kept.answered_ms), ("ab", Some(78), 812));
    }

    #[test]
    fn of_a_list_without_room_the_digest_is_kept() {
        let many: BTreeMap<String, Scope> = (0..400).map(|at| (format!("a_tool_of_many_{at}"), Scope::Write)).collect();
        let text = Kept::written("ab", &many, "cd", None, 9);
        assert_eq!(text, r#"{"of":"ab","ms":9,"n":400,"sha256":"cd"}"#);
        let kept = Kept::read(&text).unwrap();
        assert_eq!(kept.tools, KeptTools::Counted { number: 400, digest: "cd".into() });
        let fits: BTreeMap<String, Scope> = (0..150).map(|at| (format!("a_tool_of_many_{at}"), Scope::Write)).collect();
        let text = Kept::written("ab", &fits, "cd", None, 9);
        assert!(text.len() <= MOST && Kept::read(&text).unwrap().tools == KeptTools::Named(fits), "{}", text.len());
    }

    #[rstest]
    #[case("")]
    #[case("{}")]
    #[case(r#"{"of":"a","ms":1,"n":3}"#)]
    fn what_is_not_understood_is_nothing(#[case] text: &str) {
        assert_eq!(Kept::read(text), None);
    }
}
