//! A trial in words: what a plan shows of it, and what it warns of.

use std::collections::BTreeMap;

use super::{Compared, Fine, Moved, Outcome, ServerTrial};
use crate::core::meaning::Meaning;
use crate::core::text::{count, milliseconds, sanitise};
use crate::core::trial::{Scope, Way};

impl ServerTrial {
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
        let all_of_them = |used: &u64| used * self.processes;
        if let Some(used) = self.memory_mib.filter(|used| all_of_them(used) > most) {
            let (takes, way_out) = match self.processes {
                1 => ("it takes".to_owned(), "raise memory"),
                many => {
                    (format!("up to {many} processes of it, {used} MiB each, take"), "raise memory, or lower processes")
                }
            };
            all.push(format!(
                "{server}: just started, {takes} {} of the {} MiB of its task, and gangway needs some of them; {way_out}",
                all_of_them(&used),
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
pub(super) fn shown(tools: &BTreeMap<String, Scope>) -> BTreeMap<String, Scope> {
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
