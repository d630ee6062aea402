//! The tables of `fixtures.json`.

use std::collections::HashMap;

use rmcp::model::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::questions::Questions;

/// What is listed, and what has always the same answer.
#[derive(Deserialize)]
pub struct Tables {
    pub tools: Vec<Tool>,
    tool_results: HashMap<String, CallToolResult>,
    pub resources: Vec<Resource>,
    pub resource_templates: Vec<ResourceTemplate>,
    contents: HashMap<String, ResourceContents>,
    pub prompts: Vec<Prompt>,
    /// Messages with `{argument}` where an argument goes.
    prompt_results: HashMap<String, Value>,
    pub questions: HashMap<String, Questions>,
}

impl Tables {
    /// Reads the tables, which are in the binary.
    pub fn read() -> serde_json::Result<Self> {
        let mut tables: Self = serde_json::from_str(include_str!("fixtures.json"))?;
        for result in tables.tool_results.values_mut() {
            result.result_type = Some(ResultType::COMPLETE);
        }
        Ok(tables)
    }

    /// The answer of a tool that knows only one.
    pub fn tool_result(&self, name: &str) -> Option<CallToolResult> {
        self.tool_results.get(name).cloned()
    }

    /// What is at `uri`: in the table, or made by the template.
    pub fn content(&self, uri: &str) -> Option<ResourceContents> {
        let made = || {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            Some(ResourceContents::text(data.to_string(), uri).with_mime_type("application/json"))
        };
        self.contents.get(uri).cloned().or_else(made)
    }

    /// The messages of a prompt that asks nothing.
    pub fn prompt_messages(&self, name: &str, arguments: &[(&String, &str)]) -> Option<Vec<PromptMessage>> {
        let mut result = self.prompt_results.get(name)?.clone();
        crate::fill(&mut result, arguments);
        serde_json::from_value(result["messages"].take()).ok()
    }
}
