//! Headers that repeat arguments of a tool, where its schema asks for it (MCP 2026-07-28, Transports, "Custom Headers
//! from Tool Parameters"): whoever stands between goes by them, so they must say what the body says.
//!
//! A server that is reached over HTTP in that revision checks them itself. Of any other, nobody else sees them.

use axum::http::{HeaderMap, HeaderName};
use serde_json::Value;
use serde_json::value::RawValue;

use super::protocol::{Fault, decoded, mismatch};

/// What a property is annotated with.
const ANNOTATION: &str = "x-mcp-header";
const PREFIX: &str = "mcp-param-";
/// Most arguments of a tool that are repeated, and how deep they may lie. A tool with more is called without a check.
const MOST: usize = 64;
const DEEPEST: usize = 16;

/// An argument that a header repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    header: HeaderName,
    /// The names of the properties from the root to it.
    path: Vec<String>,
}

/// The arguments that the schema of a tool wants repeated. Empty also if an annotation of it is not valid: clients leave
/// such a tool out, and the others have nothing to repeat.
pub fn of_schema(schema: &RawValue) -> Vec<Parameter> {
    // Hardly any has one, and lists of tools are long.
    let annotated = schema.get().contains(ANNOTATION);
    let Some(schema) = annotated.then(|| serde_json::from_str::<Value>(schema.get()).ok()).flatten() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if collect(&schema, &mut Vec::new(), &mut found).is_some() { found } else { Vec::new() }
}

/// Collects the annotations that are reached by `properties` alone. `None` if one is not valid.
fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Parameter>) -> Option<()> {
    let Some(properties) = schema["properties"].as_object() else { return Some(()) };
    for (name, property) in properties {
        path.push(name.clone());
        if let Some(annotation) = property.get(ANNOTATION) {
            let primitive = matches!(property["type"].as_str(), Some("string" | "integer" | "number" | "boolean"));
            let suffix = annotation.as_str().filter(|text| primitive && !text.is_empty())?;
            let header = HeaderName::try_from(format!("{PREFIX}{suffix}")).ok()?;
            if found.len() >= MOST || found.iter().any(|other| other.header == header) {
                return None;
            }
            found.push(Parameter { header, path: path.clone() });
        }
        if path.len() < DEEPEST {
            collect(property, path, found)?;
        }
        path.pop();
    }
    Some(())
}

/// Checks that the headers repeat the arguments of a call, each that is there and no other.
pub fn check(parameters: &[Parameter], arguments: &Value, headers: &HeaderMap) -> Result<(), Fault> {
    for Parameter { header, path } in parameters {
        let value = path.iter().try_fold(arguments, |value, name| value.get(name)).filter(|value| !value.is_null());
        let mut given = headers.get_all(header).iter();
        let problem = match (given.next().map(|given| given.to_str().ok().and_then(decoded)), value) {
            _ if given.next().is_some() => "is there twice",
            (None, None) => continue,
            (None, Some(_)) => "is not there",
            (Some(_), None) => "repeats an argument that is not there",
            (Some(None), _) => "is not valid Base64, or no text",
            (Some(Some(given)), Some(value)) if says(value, &given) => continue,
            (Some(Some(_)), Some(_)) => "is not the argument of the body",
        };
        return Err(mismatch(header.as_str(), problem));
    }
    Ok(())
}

/// Below it, two numbers that differ are two floats that differ.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Whether a header says the same as an argument. Numbers are compared as numbers: 42.0 is 42.
fn says(value: &Value, given: &str) -> bool {
    match value {
        Value::String(text) => text == given,
        Value::Bool(yes) => given == if *yes { "true" } else { "false" },
        Value::Number(number) => {
            let exact = number.as_f64().filter(|number| number.abs() < EXACT);
            number.to_string() == given || exact.is_some_and(|number| given.parse::<f64>().is_ok_and(|it| it == number))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn schema() -> Value {
        json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
            "flag": { "type": "boolean", "x-mcp-header": "Flag" },
            "query": { "type": "string" },
            "where": { "type": "object", "properties": { "zone": { "type": "string", "x-mcp-header": "Zone" } } },
            "list": { "type": "array", "items": { "type": "string", "x-mcp-header": "Item" } },
        }})
    }

    fn parameters(schema: &Value) -> Vec<Parameter> {
        of_schema(&serde_json::value::to_raw_value(schema).unwrap())
    }

    fn checked(arguments: Value, headers: Headers<'_>) -> Result<(), String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let result = check(&parameters(&schema()), &arguments, &map);
        result.map_err(|fault| format!("{} {}", fault.code, fault.message))
    }

    #[test]
    fn headers_must_say_what_the_body_says() {
        let good: [(Value, Headers<'_>); 8] = [
            (json!({}), &[]),
            (json!({ "query": "x", "region": null }), &[]),
            (json!({ "region": "eu", "list": ["a"] }), &[("mcp-param-region", "eu"), ("mcp-param-item", "b")]),
            (json!({ "region": "Hello" }), &[("mcp-param-region", "=?base64?SGVsbG8=?=")]),
            (json!({ "region": "=?base64?SGVsbG8=" }), &[("mcp-param-region", "=?base64?SGVsbG8=")]),
            (json!({ "count": 42, "flag": false }), &[("mcp-param-count", "42.0"), ("mcp-param-flag", "false")]),
            (json!({ "count": 42.0 }), &[("mcp-param-count", "42")]),
            (json!({ "where": { "zone": "a" } }), &[("mcp-param-zone", "a")]),
        ];
        for (arguments, headers) in good {
            assert_eq!(checked(arguments.clone(), headers), Ok(()), "{arguments}");
        }
        let bad: [(Value, Headers<'_>, &str); 10] = [
            (json!({ "region": "eu" }), &[], "is not there"),
            (json!({ "region": "eu" }), &[("mcp-param-region", "us")], "is not the argument"),
            (json!({ "region": "eu" }), &[("mcp-param-region", "eu"), ("mcp-param-region", "eu")], "twice"),
            (json!({}), &[("mcp-param-region", "us")], "argument that is not there"),
            (json!({ "region": null }), &[("mcp-param-region", "null")], "argument that is not there"),
            (json!({ "region": "Hello" }), &[("mcp-param-region", "=?base64?SGVsbG8?=")], "not valid Base64"),
            (json!({ "count": 42 }), &[("mcp-param-count", "43")], "is not the argument"),
            (
                json!({ "count": 9_007_199_254_740_993_u64 }),
                &[("mcp-param-count", "9007199254740992")],
                "is not the argument",
            ),
            (json!({ "flag": true }), &[("mcp-param-flag", "True")], "is not the argument"),
            (json!({ "where": { "zone": "a" } }), &[], "is not there"),
        ];
        for (arguments, headers, words) in bad {
            let said = checked(arguments.clone(), headers).unwrap_err();
            assert!(said.starts_with("-32020 ") && said.contains(words), "{arguments}: {said}");
        }
    }

    #[test]
    fn a_schema_with_an_annotation_that_is_not_valid_asks_for_nothing() {
        let fine = json!({ "type": "string", "x-mcp-header": "Fine" });
        let of = |property: Value| parameters(&json!({ "properties": { "fine": fine, "x": property } }));
        assert_eq!(of(json!({ "type": "string" })).len(), 1);
        for bad in [
            json!({ "type": "string", "x-mcp-header": "" }),
            json!({ "type": "string", "x-mcp-header": "two words" }),
            json!({ "type": "string", "x-mcp-header": 1 }),
            json!({ "type": "string", "x-mcp-header": "FINE" }),
            json!({ "type": "array", "x-mcp-header": "List" }),
        ] {
            assert_eq!(of(bad.clone()), [], "{bad}");
        }
        let many =
            (0..=MOST).map(|nth| (nth.to_string(), json!({ "type": "string", "x-mcp-header": format!("h{nth}") })));
        assert_eq!(parameters(&json!({ "properties": many.collect::<serde_json::Map<_, _>>() })), []);
        for none in [json!(null), json!([]), json!({ "properties": [] }), json!({ "properties": { "x": true } })] {
            assert_eq!(parameters(&none), [], "{none}");
        }
    }
}
