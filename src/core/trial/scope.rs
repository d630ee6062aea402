//! Which scope a tool of a server behind gangway needs.
//!
//! gangway decides it when it serves (`servers/gangway/src/front/tools.rs`), and this says beforehand what it will
//! decide. Two programs, one rule: both are tested with the cases of `servers/gangway/tests/scopes.json`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::environment::{ToolScope, Tools};

/// What a caller's token must have to use a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The scope `read`, which everybody needs.
    Read,
    /// The scope `write` as well.
    Write,
    /// No token helps: it is neither listed nor called.
    Hidden,
}

impl Scope {
    /// Each of them, those that ask for least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Hidden];
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Hidden => "hidden",
        })
    }
}

/// A tool as its server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// Whether it says `readOnlyHint: true` (MCP, schema, `ToolAnnotations`).
    pub reads: bool,
}

impl Listed {
    /// Reads a tool. `None` where gangway would not take it for one: it has no name, or its hint is no hint.
    pub fn of(tool: &Value) -> Option<Self> {
        let name = tool.get("name")?.as_str()?.to_owned();
        let reads = match tool.get("annotations") {
            None | Some(Value::Null) => false,
            Some(Value::Object(hints)) => match hints.get("readOnlyHint") {
                None | Some(Value::Null) => false,
                Some(hint) => hint.as_bool()?,
            },
            Some(_) => return None,
        };
        Some(Self { name, reads })
    }
}

/// The scope that a tool needs.
pub fn scope(tools: &Tools, tool: &Listed) -> Scope {
    let named = |names: &[String]| names.contains(&tool.name);
    if named(&tools.hidden) {
        return Scope::Hidden;
    }
    if named(&tools.write) {
        return Scope::Write;
    }
    if named(&tools.read) {
        return Scope::Read;
    }
    match tools.default.unwrap_or(ToolScope::Annotations) {
        ToolScope::Read => Scope::Read,
        ToolScope::Annotations if tool.reads => Scope::Read,
        ToolScope::Annotations | ToolScope::Write => Scope::Write,
    }
}

/// The scopes of a list. Of a name that it has twice the one counts that asks for more, as gangway believes a hint
/// only where it always stands.
pub fn scopes(tools: &Tools, listed: &[Listed]) -> std::collections::BTreeMap<String, Scope> {
    let mut all = std::collections::BTreeMap::new();
    for tool in listed {
        let needs = scope(tools, tool);
        let before = all.entry(tool.name.clone()).or_insert(needs);
        *before = needs.max(*before);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        what: String,
        tools: Value,
        listed: Vec<Value>,
        needs: std::collections::BTreeMap<String, Scope>,
    }

    #[test]
    fn gangway_and_the_plan_have_one_rule() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../servers/gangway/tests/scopes.json")).unwrap();
        assert!(cases.len() >= 8, "{}", cases.len());
        for case in cases {
            let tools: Tools = serde_json::from_value(case.tools).unwrap();
            let listed: Vec<Listed> = case.listed.iter().filter_map(Listed::of).collect();
            assert_eq!(scopes(&tools, &listed), case.needs, "{}", case.what);
        }
    }
}
