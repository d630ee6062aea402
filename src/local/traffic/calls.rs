//! Chooses which tool to call and with what: mostly good arguments, sometimes wrong ones.

use serde_json::{Map, Value, json};

/// A `tools/call` request to make.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToolCall {
    /// Name of the tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
}

/// A call of a tool, and what is wrong with it on purpose.
pub(super) struct PlannedCall {
    pub request: ToolCall,
    pub with_token: bool,
    pub wrong: bool,
}

/// The call number `turn`, from 0. `tools` are documents of `tools/list`; there must be at least one. Every
/// `wrong_every`th call is wrong, none for 0.
pub(super) fn plan(tools: &[Value], turn: u64, wrong_every: u64) -> PlannedCall {
    let pick = |count: usize| usize::try_from(turn % (count.max(1) as u64)).unwrap_or_default();
    let tool = tools.get(pick(tools.len())).cloned().unwrap_or_default();
    let name = tool["name"].as_str().unwrap_or_default().to_owned();
    let request =
        ToolCall { arguments: arguments(&name, &tool["inputSchema"], turn / (tools.len().max(1) as u64)), tool: name };
    if wrong_every == 0 || turn % wrong_every != wrong_every - 1 {
        return PlannedCall { request, with_token: true, wrong: false };
    }
    let (request, with_token) = match (turn / wrong_every) % 3 {
        0 => (ToolCall { arguments: spoilt(&request.arguments), ..request }, true),
        1 => (ToolCall { tool: "no_such_tool".to_owned(), arguments: json!({}) }, true),
        _ => (request, false),
    };
    PlannedCall { request, with_token, wrong: true }
}

/// Arguments that the example servers understand; for other tools, arguments that their schema allows.
fn arguments(tool: &str, schema: &Value, turn: u64) -> Value {
    let zones = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC", "Australia/Sydney"];
    let places = [(39.7392, -104.9903), (40.7128, -74.006), (47.6062, -122.3321), (25.7617, -80.1918)];
    let states = ["CA", "TX", "NY", "FL", "CO"];
    let pick = |count: usize| usize::try_from(turn % (count as u64)).unwrap_or_default();
    match tool {
        "get_current_time" => json!({ "timezone": zones[pick(zones.len())] }),
        "convert_time" => json!({
            "source_timezone": zones[pick(zones.len())],
            "time": format!("{:02}:30", turn % 24),
            "target_timezone": zones[(pick(zones.len()) + 1) % zones.len()],
        }),
        "list_timezones" => json!({ "prefix": "Europe/" }),
        "get_forecast" => {
            let (latitude, longitude) = places[pick(places.len())];
            json!({ "latitude": latitude, "longitude": longitude })
        }
        "get_alerts" => json!({ "state": states[pick(states.len())] }),
        _ => Value::Object(required(schema)),
    }
}

/// The required properties of a schema, each with a simple value of its type.
fn required(schema: &Value) -> Map<String, Value> {
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| (name.to_owned(), plainest(&schema["properties"][name]))).collect()
}

fn plainest(schema: &Value) -> Value {
    for given in [&schema["default"], &schema["const"], &schema["enum"][0], &schema["examples"][0]] {
        if !given.is_null() {
            return given.clone();
        }
    }
    match schema["type"].as_str() {
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => Value::Object(required(schema)),
        _ => json!("test"),
    }
}

/// The same arguments with values that no tool accepts.
fn spoilt(arguments: &Value) -> Value {
    let spoil = |value: &Value| match value {
        Value::Number(_) => json!(9999),
        _ => json!("Nowhere/At_All"),
    };
    match arguments.as_object() {
        Some(all) => Value::Object(all.iter().map(|(name, value)| (name.clone(), spoil(value))).collect()),
        None => json!("not an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Vec<Value> {
        vec![json!({ "name": "get_current_time" }), json!({ "name": "get_alerts" })]
    }

    #[test]
    fn calls_alternate_between_tools_and_arguments() {
        let calls: Vec<_> = (0..4).map(|turn| plan(&tools(), turn, 0).request).collect();
        let names: Vec<_> = calls.iter().map(|call| call.tool.as_str()).collect();
        assert_eq!(names, ["get_current_time", "get_alerts", "get_current_time", "get_alerts"]);
        assert_ne!(calls[0].arguments, calls[2].arguments);
    }

    #[test]
    fn every_nth_call_is_wrong_each_time_in_another_way() {
        let planned: Vec<_> = (0..30).map(|turn| plan(&tools(), turn, 10)).collect();
        let wrong: Vec<_> = planned.iter().enumerate().filter(|(_, one)| one.wrong).map(|(turn, _)| turn).collect();
        assert_eq!(wrong, [9, 19, 29]);
        assert_eq!(planned[9].request.arguments, json!({ "state": "Nowhere/At_All" }));
        assert_eq!(planned[19].request.tool, "no_such_tool");
        assert!(!planned[29].with_token);
    }

    #[test]
    fn an_unknown_tool_gets_what_its_schema_requires() {
        let schema = json!({
            "required": ["a", "b", "c", "d"],
            "properties": {
                "a": { "type": "integer", "minimum": 5 }, "b": { "enum": ["x", "y"] },
                "c": { "type": "object", "required": ["e"], "properties": { "e": { "type": "boolean" } } },
                "d": {}, "not_needed": { "type": "string" },
            },
        });
        assert_eq!(arguments("new_tool", &schema, 0), json!({ "a": 5, "b": "x", "c": { "e": true }, "d": "test" }));
    }
}
