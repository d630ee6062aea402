//! Which tools there are, which of them change something, and which are hidden.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::parameters::{self, Parameter};
use super::protocol::Fault;
use super::settings::{ToolDefault, ToolSettings};
use crate::log::Log;
use crate::raw::Members;
use axum::http::HeaderMap;

/// The most tools that are remembered.
const MOST: usize = 10_000;

/// What a listed tool says about itself, as far as it is read.
#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    annotations: Option<Annotations>,
    #[serde(default, rename = "inputSchema")]
    schema: Option<Box<RawValue>>,
}

/// Hints (MCP, schema, `ToolAnnotations`). They are the server's own word.
#[derive(Deserialize)]
struct Annotations {
    #[serde(default, rename = "readOnlyHint")]
    read_only: Option<bool>,
}

/// What is remembered of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// It said at the start that it changes nothing, and never anything else since.
    reads: bool,
    /// The server listed it at its first start.
    first: bool,
    /// A change was logged.
    told: bool,
}

/// The tools. Who may call one is settled when the server has first started: a tool that comes later, or says
/// only later that it changes nothing, needs `write`.
pub struct ToolTable {
    settings: ToolSettings,
    known: RwLock<BTreeMap<String, Known>>,
    /// The arguments that headers repeat, of the tools that have any.
    repeated: RwLock<BTreeMap<String, Vec<Parameter>>>,
    /// The server has said which tools it has, or that it has none.
    listed: AtomicBool,
    log: Log,
}

impl ToolTable {
    /// No tools yet.
    pub fn new(settings: ToolSettings, log: Log) -> Self {
        Self { settings, known: RwLock::default(), repeated: RwLock::default(), listed: AtomicBool::new(false), log }
    }

    /// Whether the server has listed its tools once: later lists are compared with the first.
    pub fn are_listed(&self) -> bool {
        self.listed.load(Ordering::Acquire)
    }

    /// Notes that the server has listed them all.
    pub fn all_listed(&self) {
        self.listed.store(true, Ordering::Release);
    }

    pub fn is_hidden(&self, tool: &str) -> bool {
        self.settings.hidden.iter().any(|name| name == tool)
    }

    /// Takes in a listed tool, as it was written, and returns whether callers may see it. `first` is the list
    /// that the server gave when it had first started.
    pub fn learn(&self, tool: &RawValue, first: bool) -> bool {
        // A tool without a name cannot be called by one.
        let Ok(tool) = serde_json::from_str::<Listed>(tool.get()) else { return false };
        let reads = tool.annotations.is_some_and(|hints| hints.read_only == Some(true));
        let visible = !self.is_hidden(&tool.name);
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&tool.name) {
            return visible;
        }
        self.repeats(&tool.name, tool.schema.as_deref().map(parameters::of_schema).unwrap_or_default());
        let known = all.entry(tool.name.clone()).or_insert(Known { reads: reads && first, first, told: false });
        let was = *known;
        known.reads &= reads;
        let change = match was {
            Known { first: false, .. } => Some("is new since the server first started, and needs write"),
            Known { reads: false, .. } if reads && !first => {
                Some("said that it changes something, now that it does not, and needs write")
            }
            Known { reads: true, .. } if !reads => {
                Some("does not say any more that it changes nothing, and needs write")
            }
            _ => None,
        };
        if let Some(change) = change.filter(|_| !was.told && self.goes_by_hints(&tool.name)) {
            known.told = true;
            let name: String = tool.name.chars().filter(|c| !c.is_control()).take(128).collect();
            self.log.event("warn", "tool_changed", &format!("{name:?} {change}"));
        }
        visible
    }

    /// Keeps what a tool's newest schema says of headers.
    fn repeats(&self, tool: &str, parameters: Vec<Parameter>) {
        let mut all = self.repeated.write().unwrap_or_else(PoisonError::into_inner);
        if parameters.is_empty() {
            all.remove(tool);
        } else {
            all.insert(tool.to_owned(), parameters);
        }
    }

    /// Checks that the headers of a call repeat its arguments where the tool wants that.
    ///
    /// # Errors
    /// Names the header.
    pub fn check(&self, tool: &str, call: &Members<'_>, headers: &HeaderMap) -> Result<(), Fault> {
        let all = self.repeated.read().unwrap_or_else(PoisonError::into_inner);
        let Some(parameters) = all.get(tool) else { return Ok(()) };
        let arguments = call.object("params").and_then(|params| params.read("arguments")).unwrap_or_default();
        parameters::check(parameters, &arguments, headers)
    }

    fn goes_by_hints(&self, tool: &str) -> bool {
        let named = [&self.settings.read, &self.settings.write, &self.settings.hidden];
        self.settings.default == ToolDefault::Annotations
            && !named.iter().any(|names| names.iter().any(|name| name == tool))
    }

    /// The result of a `tools/list` with the hidden tools left out.
    pub fn show(&self, result: &mut Members<'_>, first: bool) {
        let Some(tools) = result.read::<Vec<Box<RawValue>>>("tools") else { return };
        let visible: Vec<_> = tools.iter().filter(|tool| self.learn(tool, first)).collect();
        if visible.len() < tools.len() {
            result.set("tools", &visible);
        }
    }
}

/// One table for the checks in front and the server behind.
pub struct Shown(pub Arc<ToolTable>);

impl crate::shared::Tools for Shown {
    fn are_known(&self) -> bool {
        self.0.are_listed()
    }

    fn lists(&self, tool: &str) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        !self.0.is_hidden(tool) && known.contains_key(tool)
    }

    fn writes(&self, tool: &str) -> bool {
        let ToolSettings { default, read, write, .. } = &self.0.settings;
        let named = |names: &[String]| names.iter().any(|name| name == tool);
        if named(write) {
            return true;
        }
        if named(read) {
            return false;
        }
        match default {
            ToolDefault::Read => false,
            ToolDefault::Write => true,
            ToolDefault::Annotations => {
                let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
                !known.get(tool).is_some_and(|tool| tool.reads)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Tools;
    use serde_json::value::to_raw_value;

    fn table(settings: &str) -> Arc<ToolTable> {
        let settings = serde_json::from_str(settings).unwrap();
        Arc::new(ToolTable::new(settings, Log::new("test", std::io::sink())))
    }

    fn tool(name: &str, hint: Option<bool>) -> Box<RawValue> {
        let annotations = hint.map(|hint| serde_json::json!({ "readOnlyHint": hint }));
        to_raw_value(&serde_json::json!({ "name": name, "annotations": annotations })).unwrap()
    }

    fn writes(table: &Arc<ToolTable>, tool: &str) -> bool {
        Shown(table.clone()).writes(tool)
    }

    #[test]
    fn annotations_say_which_tools_write_unless_a_name_is_given() {
        let table = table(r#"{"read":["named"],"write":["list"],"hidden":["raw"]}"#);
        for (name, hint) in
            [("get", Some(true)), ("set", Some(false)), ("mute", None), ("list", Some(true)), ("named", None)]
        {
            assert!(table.learn(&tool(name, hint), true), "{name}");
        }
        assert!(!table.learn(&tool("raw", Some(true)), true), "hidden");
        let needs: Vec<_> =
            ["get", "set", "mute", "list", "named", "unknown"].map(|name| writes(&table, name)).to_vec();
        assert_eq!(needs, [false, true, true, true, false, true]);
        let shown = Shown(table);
        assert!(shown.lists("get") && !shown.lists("raw") && !shown.lists("unknown"));
    }

    #[test]
    fn the_default_can_be_one_scope() {
        assert!(!writes(&table(r#"{"default":"read"}"#), "any"));
        assert!(writes(&table(r#"{"default":"write"}"#), "any"));
        assert!(writes(&table(r#"{"default":"read","write":["any"]}"#), "any"));
    }

    #[test]
    fn what_changes_later_needs_write() {
        let table = table("{}");
        let lists = [
            ("stays", Some(true), Some(true), false),
            ("turns", None, Some(true), true),
            ("worse", Some(true), None, true),
        ];
        for (name, first, later, _) in lists {
            table.learn(&tool(name, first), true);
            table.learn(&tool(name, later), false);
        }
        table.learn(&tool("new", Some(true)), false);
        // It said once that it changes something.
        table.learn(&tool("worse", Some(true)), false);
        for (name, _, _, expected) in lists {
            assert_eq!(writes(&table, name), expected, "{name}");
        }
        assert!(writes(&table, "new"));
    }

    /// The console says in its plan what is decided here (`src/core/trial/scope.rs`), and is tested with the same cases.
    #[test]
    fn the_plan_and_gangway_have_one_rule() {
        let cases: Vec<serde_json::Value> = serde_json::from_str(include_str!("../../tests/scopes.json")).unwrap();
        assert!(cases.len() >= 8, "{}", cases.len());
        for case in cases {
            let table = table(&case["tools"].to_string());
            let listed = case["listed"].as_array().unwrap();
            for tool in listed {
                table.learn(&to_raw_value(tool).unwrap(), true);
            }
            let shown = Shown(table.clone());
            let known: Vec<String> = table.known.read().unwrap().keys().cloned().collect();
            let needs = known.into_iter().map(|tool| {
                let needs = match (shown.lists(&tool), shown.writes(&tool)) {
                    (false, _) => "hidden",
                    (true, true) => "write",
                    (true, false) => "read",
                };
                (tool, needs.into())
            });
            assert_eq!(serde_json::Value::Object(needs.collect()), case["needs"], "{}", case["what"]);
        }
    }

    #[test]
    fn hidden_tools_are_not_listed_and_the_rest_is_as_it_was() {
        let table = table(r#"{"hidden":["raw"]}"#);
        let text = br#"{"tools":[{"name":"a","x":1.0},{"name":"raw"}],"nextCursor":"n"}"#;
        let mut result = Members::parse(text).unwrap();
        table.show(&mut result, true);
        assert_eq!(result.line(), br#"{"tools":[{"name":"a","x":1.0}],"nextCursor":"n"}"#);
    }
}
