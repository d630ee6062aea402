//! What the operator is told of a trial.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kept::{Kept, KeptTools};
use super::scope::{Scope, scopes};
use super::{Answered, Tried, Way};
use crate::core::environment::Tools;
use crate::core::meaning::Meaning;
use crate::core::text::{count, milliseconds, sanitise};

/// The trial of one server, as a plan shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTrial {
    pub server: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it did without, that it has at AWS: variables that had a placeholder.
    pub placeholders: Vec<String>,
    /// Why it is not known which variables it has in its Secret, so that it had none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// It answered, now or when the same was deployed.
    Fine(Fine),
    /// It could not be started on this machine, which says nothing of it.
    NotTried { why: String },
    /// It ended, or gave no answer of the protocol.
    Failed { why: String, said: Vec<String> },
    /// It ran until the time was over, and had not answered.
    Unknown { why: String, said: Vec<String> },
}

/// What a server has that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fine {
    /// Whether this is what the last deploy has kept, of the same image with the same settings.
    pub kept: bool,
    /// The revision of MCP; `None` where it is kept, which does not say it.
    pub revision: Option<String>,
    /// The scope of each tool, by name. `None` where it is kept, and there was no room for the names.
    pub tools: Option<BTreeMap<String, Scope>>,
    /// Memory after the start, in MiB; `None` where it was not measured.
    pub memory_mib: Option<u64>,
    /// Memory of its task, in MiB.
    pub task_memory_mib: u64,
    /// Time from its start until its tools were known, in milliseconds.
    pub answered_ms: u64,
    pub compared: Compared,
}

/// Its tools, compared with those that the last deploy has kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "since", rename_all = "kebab-case")]
pub enum Compared {
    /// No deploy has kept any.
    Nothing,
    Same,
    Changed {
        added: Vec<String>,
        vanished: Vec<String>,
        /// Those that need another scope than before.
        moved: Vec<Moved>,
    },
    /// It is another list, and there was no room to keep which one it was.
    AnotherOf {
        number: u64,
    },
}

/// A tool that needs another scope than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub tool: String,
    pub before: Scope,
    pub after: Scope,
}

impl Compared {
    /// Compares a list with what is kept. `digest` is that of [`super::kept::listed`] of the list.
    pub fn of(before: Option<&Kept>, now: &BTreeMap<String, Scope>, digest: &str) -> Self {
        let was = match before.map(|kept| &kept.tools) {
            None => return Self::Nothing,
            Some(KeptTools::Counted { digest: was, .. }) if was == digest => return Self::Same,
            Some(KeptTools::Counted { number, .. }) => return Self::AnotherOf { number: *number },
            Some(KeptTools::Named(was)) if was == now => return Self::Same,
            Some(KeptTools::Named(was)) => was,
        };
        let without = |these: &BTreeMap<String, Scope>, others: &BTreeMap<String, Scope>| {
            these.keys().filter(|name| !others.contains_key(*name)).cloned().collect()
        };
        let moved = |(tool, after): (&String, &Scope)| {
            let before = *was.get(tool)?;
            (before != *after).then(|| Moved { tool: tool.clone(), before, after: *after })
        };
        Self::Changed {
            added: without(now, was),
            vanished: without(was, now),
            moved: now.iter().filter_map(moved).collect(),
        }
    }
}

impl ServerTrial {
    /// What was kept, of a server whose image and settings are the same as then.
    pub fn kept(server: &str, kept: &Kept, task_memory_mib: u64) -> Self {
        let tools = match &kept.tools {
            KeptTools::Named(tools) => Some(tools.clone()),
            KeptTools::Counted { .. } => None,
        };
        let fine = Fine {
            kept: true,
            revision: None,
            tools,
            memory_mib: kept.memory_mib,
            task_memory_mib,
            answered_ms: kept.answered_ms,
            compared: Compared::Same,
        };
        Self { server: server.to_owned(), outcome: Outcome::Fine(fine), placeholders: Vec::new(), unread: None }
    }

    /// One that could not be started here.
    pub fn not_tried(server: &str, why: impl Into<String>) -> Self {
        let outcome = Outcome::NotTried { why: why.into() };
        Self { server: server.to_owned(), outcome, placeholders: Vec::new(), unread: None }
    }

    /// What came of a trial. `digest` is that of a text, as hexadecimal digits.
    pub fn of(
        trial: &super::Trial,
        tools: &Tools,
        tried: Tried,
        before: Option<&Kept>,
        digest: fn(&str) -> String,
    ) -> Self {
        let outcome = match tried {
            Tried::NotTried(why) => Outcome::NotTried { why },
            Tried::Failed { why, said } => Outcome::Failed { why, said },
            Tried::Unknown { why, said } => Outcome::Unknown { why, said },
            Tried::Answered(Answered { revision, tools: listed, memory_mib, answered_ms }) => {
                let tools = shown(&scopes(tools, &listed));
                let compared = Compared::of(before, &tools, &digest(&super::kept::listed(&tools)));
                Outcome::Fine(Fine {
                    kept: false,
                    revision: Some(revision),
                    tools: Some(tools),
                    memory_mib,
                    task_memory_mib: trial.memory_mib,
                    answered_ms,
                    compared,
                })
            }
        };
        let (placeholders, unread) = (trial.secrets.clone(), trial.unread.clone());
        Self { server: trial.server.clone(), outcome, placeholders, unread }
    }

    /// What the next deploy keeps of it, as the value of the parameter; `None` where there is nothing new to keep.
    pub fn to_keep(&self, of: &str, digest: fn(&str) -> String) -> Option<String> {
        let Outcome::Fine(Fine { kept: false, tools: Some(tools), memory_mib, answered_ms, .. }) = &self.outcome else {
            return None;
        };
        Some(Kept::written(of, tools, &digest(&super::kept::listed(tools)), *memory_mib, *answered_ms))
    }

    /// What the operator should know before saying yes.
    pub fn warnings(&self) -> Vec<String> {
        let server = &self.server;
        match &self.outcome {
            Outcome::NotTried { .. } | Outcome::Unknown { .. } => Vec::new(),
            Outcome::Failed { why, said } => {
                let last = said.last().map(|line| format!("; its last line: {line}")).unwrap_or_default();
                let lack = match self.placeholders.as_slice() {
                    [] => "no network and no rights at AWS".to_owned(),
                    names => format!("no network, no rights at AWS and placeholders for {}", names.join(", ")),
                };
                vec![format!(
                    "{server}: its image did not answer on this machine, where it had {lack}, which may be why: {why}{last}"
                )]
            }
            Outcome::Fine(fine) => fine.warnings(server),
        }
    }

    /// The same for a list, line by line: the first one says what came of it.
    pub fn lines(&self) -> Vec<(Meaning, String)> {
        let mut lines = vec![self.headline()];
        let mut say = |meaning, text: String| lines.push((meaning, format!("  {text}")));
        match &self.outcome {
            Outcome::NotTried { .. } => {}
            Outcome::Failed { said, .. } | Outcome::Unknown { said, .. } => {
                said.iter().for_each(|line| say(Meaning::Plain, format!("it said: {line}")));
            }
            Outcome::Fine(fine) => {
                for (scope, names) in fine.by_scope() {
                    say(Meaning::Plain, format!("{scope:<6}  {}", names.join(", ")));
                }
                fine.compared.lines().into_iter().for_each(|(meaning, text)| say(meaning, text));
            }
        }
        if matches!(self.outcome, Outcome::NotTried { .. }) {
            return lines;
        }
        let may = if matches!(self.outcome, Outcome::Fine(_)) { "" } else { ", which may be why" };
        if !self.placeholders.is_empty() {
            say(Meaning::Plain, format!("with a placeholder for {}{may}", self.placeholders.join(", ")));
        }
        if let Some(why) = &self.unread {
            say(Meaning::Plain, format!("without what `quarterdeck secret set` has set{may}: {why}"));
        }
        lines
    }

    fn headline(&self) -> (Meaning, String) {
        let server = &self.server;
        match &self.outcome {
            Outcome::NotTried { why } => (Meaning::Plain, format!("{server}: not tried: {why}")),
            Outcome::Failed { why, .. } => (Meaning::Warn, format!("{server}: failed here: {why}")),
            Outcome::Unknown { why, .. } => (Meaning::Warn, format!("{server}: not known: {why}")),
            Outcome::Fine(fine) => (Meaning::Good, format!("{server}: {}", fine.summary())),
        }
    }
}

impl Fine {
    fn summary(&self) -> String {
        let tools = self
            .tools
            .as_ref()
            .map_or_else(|| "more tools than are kept".to_owned(), |tools| count(tools.len(), "tool"));
        // Milliseconds of less than a day are whole numbers in a float.
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let time = milliseconds(self.answered_ms as f64);
        let memory = match self.memory_mib {
            Some(used) => format!("{used} of {} MiB after its start", self.task_memory_mib),
            None => format!("memory not measured, {} MiB for its task", self.task_memory_mib),
        };
        let revision = self.revision.as_ref().map(|revision| format!(", revision {revision}")).unwrap_or_default();
        let when = if self.kept { "as kept from the last deploy, of the same image and settings: " } else { "" };
        format!("{when}{tools} after {time}, {memory}{revision}")
    }

    /// The names of the tools by scope, those scopes first that ask for least.
    fn by_scope(&self) -> Vec<(Scope, Vec<String>)> {
        let of = |wanted: Scope| {
            let tools = self.tools.iter().flatten().filter(|(_, scope)| **scope == wanted);
            (wanted, tools.map(|(name, _)| name.clone()).collect::<Vec<_>>())
        };
        Scope::ALL.map(of).into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }

    fn warnings(&self, server: &str) -> Vec<String> {
        let mut all = self.compared.warnings(server);
        let most = self.task_memory_mib * 4 / 5;
        if let Some(used) = self.memory_mib.filter(|used| *used > most) {
            all.push(format!(
                "{server}: it takes {used} of the {} MiB of its task when it has just started, and gangway needs some of \
                 them; raise memory",
                self.task_memory_mib
            ));
        }
        all
    }
}

impl Compared {
    fn warnings(&self, server: &str) -> Vec<String> {
        let Self::Changed { vanished, moved, .. } = self else { return Vec::new() };
        let mut all = Vec::new();
        if !vanished.is_empty() {
            all.push(format!("{server}: gone since the last deploy: {}; calls of it will fail", vanished.join(", ")));
        }
        all.extend(moved.iter().map(|tool| format!("{server}: {tool}")));
        all
    }

    fn lines(&self) -> Vec<(Meaning, String)> {
        match self {
            Self::Nothing => vec![(Meaning::Plain, "no earlier deploy has kept its tools".to_owned())],
            Self::Same => vec![(Meaning::Plain, "the same tools as at the last deploy".to_owned())],
            Self::AnotherOf { number } => vec![(
                Meaning::Warn,
                format!("not the same as at the last deploy, which had {number} tools, too many to keep their names"),
            )],
            Self::Changed { added, vanished, moved } => {
                let mut all = Vec::new();
                let mut list = |meaning, word: &str, names: &[String]| {
                    if !names.is_empty() {
                        all.push((meaning, format!("{word} since the last deploy: {}", names.join(", "))));
                    }
                };
                list(Meaning::Plain, "new", added);
                list(Meaning::Warn, "gone", vanished);
                all.extend(moved.iter().map(|tool| (Meaning::Warn, tool.to_string())));
                all
            }
        }
    }
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tool, before, after } = self;
        write!(
            f,
            "{tool} {}: ",
            match after {
                Scope::Hidden => "is hidden now".to_owned(),
                needs => format!("needs {needs} now"),
            }
        )?;
        match (before, after) {
            (Scope::Hidden, _) => f.write_str("until now it was hidden"),
            (_, Scope::Hidden) => write!(f, "until now it needed {before}"),
            (Scope::Read, _) => f.write_str("until now read was enough, and a token without write gets 403"),
            (Scope::Write, _) => f.write_str("until now it needed write, and a token with read alone may use it"),
        }
    }
}

/// Longest name that is shown whole, in characters, as the specification has it (MCP 2025-11-25, "Tool Names").
const LONGEST: usize = 128;

/// The tools by names that cannot be mistaken for something else. A server names its tools as it likes.
fn shown(tools: &BTreeMap<String, Scope>) -> BTreeMap<String, Scope> {
    let mut all = BTreeMap::new();
    for (name, scope) in tools {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let fits = !name.is_empty() && name.len() <= LONGEST && name.chars().all(plain);
        let name = match fits {
            true => name.clone(),
            false => format!("{:?}", sanitise(name).chars().take(LONGEST).collect::<String>()),
        };
        // Where two become one, the one counts that asks for more.
        let before = all.entry(name).or_insert(*scope);
        *before = (*scope).max(*before);
    }
    all
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdio => f.write_str("its standard streams"),
            Self::Http { port, path } => write!(f, "port {port}, path {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::trial::{Listed, Trial};
    use rstest::rstest;

    fn digest(text: &str) -> String {
        format!("d{}", text.len())
    }

    fn trial(memory: &str) -> Trial {
        let parameters = [
            ("ServerName", "files"),
            ("App", r#"{"transport":"stdio"}"#),
            ("SecretA", "API_KEY arn:x"),
            ("Memory", memory),
        ];
        Trial::of(&parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into()).unwrap().0
    }

    fn answered(listed: &[(&str, bool)], memory_mib: Option<u64>) -> Tried {
        let tools = listed.iter().map(|(name, reads)| Listed { name: (*name).to_owned(), reads: *reads }).collect();
        Tried::Answered(Answered { revision: "2025-06-18".into(), tools, memory_mib, answered_ms: 812 })
    }

    fn told(tools: &str, tried: Tried, before: Option<&str>) -> ServerTrial {
        let before = before.map(|text| Kept::read(text).unwrap());
        let tools: Tools = serde_json::from_str(tools).unwrap();
        ServerTrial::of(&trial("512"), &tools, tried, before.as_ref(), digest)
    }

    /// A server that wants its key may not take a placeholder for one.
    #[test]
    fn what_a_server_did_without_is_told_and_may_be_why_it_failed() {
        let lines = |tried, unread: Option<&str>| {
            let trial = Trial { unread: unread.map(str::to_owned), ..trial("512") };
            let told = ServerTrial::of(&trial, &Tools::default(), tried, None, digest);
            told.lines().into_iter().skip(1).map(|(_, line)| line).collect::<Vec<_>>()
        };
        let failed = || Tried::Failed { why: "it ended with exit code 1".into(), said: Vec::new() };
        assert_eq!(lines(failed(), None), ["  with a placeholder for API_KEY, which may be why"]);
        let unread = "  without what `quarterdeck secret set` has set, which may be why: denied";
        assert_eq!(lines(failed(), Some("denied"))[1], unread);
        let fine = lines(answered(&[], None), Some("denied"));
        assert_eq!(
            fine[1..],
            ["  with a placeholder for API_KEY", "  without what `quarterdeck secret set` has set: denied"]
        );
        assert!(lines(Tried::NotTried("no engine".into()), Some("denied")).is_empty());
    }

    fn text(trial: &ServerTrial) -> String {
        trial.lines().into_iter().map(|(_, line)| line + "\n").collect()
    }

    #[rstest]
    #[case::first(None, "  no earlier deploy has kept its tools\n", &[])]
    #[case::the_same(Some(r#"{"of":"a","ms":1,"r":["get"],"w":["set"]}"#), "  the same tools as at the last deploy\n", &[])]
    #[case::added(Some(r#"{"of":"a","ms":1,"r":["get"]}"#), "  new since the last deploy: set\n", &[])]
    #[case::vanished(
        Some(r#"{"of":"a","ms":1,"r":["get","old"],"w":["set"]}"#),
        "  gone since the last deploy: old\n",
        &["files: gone since the last deploy: old; calls of it will fail"]
    )]
    #[case::needs_less(
        Some(r#"{"of":"a","ms":1,"w":["set","get"]}"#),
        "  get needs read now: until now it needed write, and a token with read alone may use it\n",
        &["files: get needs read now: until now it needed write, and a token with read alone may use it"]
    )]
    #[case::needs_more(
        Some(r#"{"of":"a","ms":1,"r":["set","get"]}"#),
        "  set needs write now: until now read was enough, and a token without write gets 403\n",
        &["files: set needs write now: until now read was enough, and a token without write gets 403"]
    )]
    #[case::no_more_hidden(
        Some(r#"{"of":"a","ms":1,"r":["get"],"h":["set"]}"#),
        "  set needs write now: until now it was hidden\n",
        &["files: set needs write now: until now it was hidden"]
    )]
    #[case::too_many(
        Some(r#"{"of":"a","ms":1,"n":400,"sha256":"x"}"#),
        "  not the same as at the last deploy, which had 400 tools, too many to keep their names\n",
        &[]
    )]
    #[case::too_many_and_the_same(
        Some(r#"{"of":"a","ms":1,"n":2,"sha256":"d28"}"#),
        "  the same tools as at the last deploy\n",
        &[]
    )]
    fn a_list_is_compared_with_that_of_the_last_deploy(
        #[case] before: Option<&str>,
        #[case] said: &str,
        #[case] warnings: &[&str],
    ) {
        let told = told("{}", answered(&[("get", true), ("set", false)], Some(78)), before);
        let expected = format!(
            "files: 2 tools after 812ms, 78 of 512 MiB after its start, revision 2025-06-18\n  read    get\n  write   set\n\
             {said}  with a placeholder for API_KEY\n"
        );
        assert_eq!(text(&told), expected);
        assert_eq!(told.warnings(), warnings);
    }

    #[test]
    fn four_values_are_never_one() {
        let said = vec!["KeyError: 'API_KEY'".to_owned()];
        let outcomes = [
            answered(&[], None),
            Tried::NotTried("there is no container engine".into()),
            Tried::Failed { why: "it ended with exit code 1".into(), said: said.clone() },
            Tried::Unknown { why: "no answer in 60 s".into(), said },
        ];
        let told = outcomes.map(|tried| told("{}", tried, None));
        let words =
            told.each_ref().map(|told| serde_json::to_value(told).unwrap()["result"].as_str().unwrap().to_owned());
        assert_eq!(words, ["fine", "not-tried", "failed", "unknown"]);
        let first = told.each_ref().map(|told| told.lines().remove(0).1);
        assert_eq!(
            first,
            [
                "files: 0 tools after 812ms, memory not measured, 512 MiB for its task, revision 2025-06-18",
                "files: not tried: there is no container engine",
                "files: failed here: it ended with exit code 1",
                "files: not known: no answer in 60 s",
            ]
        );
        let warned = told.each_ref().map(|told| told.warnings().len());
        assert_eq!(warned, [0, 0, 1, 0]);
        let warning = told[2].warnings().remove(0);
        assert!(
            warning.contains("placeholders for API_KEY") && warning.ends_with("its last line: KeyError: 'API_KEY'"),
            "{warning}"
        );
        assert!(told.iter().skip(1).all(|told| told.to_keep("x", digest).is_none()));
        for told in &told {
            let text = serde_json::to_string(told).unwrap();
            assert_eq!(&serde_json::from_str::<ServerTrial>(&text).unwrap(), told, "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_shown_as_kept_and_is_not_kept_again() {
        let first = told(r#"{"hidden":["raw"]}"#, answered(&[("raw", true), ("get", true)], Some(78)), None);
        let text = first.to_keep("of", digest).unwrap();
        assert_eq!(text, r#"{"of":"of","mib":78,"ms":812,"r":["get"],"h":["raw"]}"#);
        let again = ServerTrial::kept("files", &Kept::read(&text).unwrap(), 512);
        let line = again.lines().remove(0).1;
        assert_eq!(
            line,
            "files: as kept from the last deploy, of the same image and settings: 2 tools after 812ms, 78 of 512 MiB after its start"
        );
        assert_eq!(again.to_keep("of", digest), None);
    }

    #[rstest]
    #[case(409, 0)]
    #[case(410, 1)]
    fn little_memory_that_is_left_is_a_warning(#[case] used: u64, #[case] warned: usize) {
        assert_eq!(told("{}", answered(&[], Some(used)), None).warnings().len(), warned);
    }

    #[test]
    fn a_name_is_shown_so_that_it_cannot_pass_for_another() {
        let names = [("a, b", true), ("x\u{1b}[31m\u{202e}y", true), ("", false), ("plain/1.0", true)];
        let told = told("{}", answered(&names, None), None);
        let Outcome::Fine(fine) = &told.outcome else { panic!("{told:?}") };
        let names: Vec<&String> = fine.tools.as_ref().unwrap().keys().collect();
        assert_eq!(names, ["\"\"", "\"a, b\"", "\"xy\"", "plain/1.0"]);
        // Of two that look the same the one counts that asks for more.
        let twins = [("x\u{1}y", false), ("x\u{2}y", true)];
        for twins in [twins, [twins[1], twins[0]]] {
            let told = self::told("{}", answered(&twins, None), None);
            let Outcome::Fine(fine) = &told.outcome else { panic!("{told:?}") };
            assert_eq!(fine.tools, Some([("\"xy\"".to_owned(), Scope::Write)].into()));
        }
    }
}
