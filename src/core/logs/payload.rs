//! What a program wrote, inside what a router or a runtime wrapped it in.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The line without what a container runtime (CRI: `time stdout F …`) and blanks put before it.
pub fn bare(text: &str) -> &str {
    let text = text.trim_start();
    cri(text).unwrap_or(text)
}

/// The line as its program wrote it: without [`bare`]'s wrapping, and out of the `log` field in which FireLens puts
/// it. Borrowed where nothing had to be unwrapped.
pub fn inner(text: &str) -> Cow<'_, str> {
    let text = bare(text);
    match routed(text) {
        Some(log) => Cow::Owned(log),
        None => Cow::Borrowed(text),
    }
}

/// The fields of a line that is a JSON object; those that a router wrapped stand beside its own.
pub fn fields(text: &str) -> Option<Map<String, Value>> {
    let mut fields = object(bare(text))?;
    let log = fields.get("log").and_then(Value::as_str).map(str::trim);
    if let Some(inner) = log.and_then(object) {
        fields.remove("log");
        fields.extend(inner);
    }
    Some(fields)
}

/// An object that is the whole of a text. A line break inside a string is no JSON, but programs write it.
fn object(text: &str) -> Option<Map<String, Value>> {
    if !text.starts_with('{') {
        return None;
    }
    let parsed = serde_json::from_str(text);
    parsed.ok().or_else(|| text.contains('\n').then(|| serde_json::from_str(&text.replace('\n', " ")).ok()).flatten())
}

/// The text of the field `log`, if it stands in an object as FireLens writes it.
fn routed(text: &str) -> Option<String> {
    // Most lines end here, before anything is parsed.
    if !text.starts_with('{') || !text.contains("\"log\"") {
        return None;
    }
    #[derive(serde::Deserialize)]
    struct Routed<'a> {
        #[serde(borrow)]
        log: Cow<'a, str>,
    }
    let Routed { log } = serde_json::from_str(text).ok()?;
    Some(log.trim().to_owned())
}

/// What follows `2026-11-25T10:00:00.000000000Z stderr F ` (Kubernetes CRI log format).
fn cri(text: &str) -> Option<&str> {
    let (time, rest) = text.split_once(' ')?;
    let rest = rest.strip_prefix("stdout ").or_else(|| rest.strip_prefix("stderr "))?;
    let rest = rest.strip_prefix("F ").or_else(|| rest.strip_prefix("P "))?;
    (time.len() >= 20 && time.as_bytes().get(10) == Some(&b'T')).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain", "plain")]
    #[case("  {\"a\":1}", "{\"a\":1}")]
    #[case("2026-11-25T10:00:00.000000000Z stderr F {\"a\":1}", "{\"a\":1}")]
    #[case("2026-11-25T10:00:00+01:00 stdout P part", "part")]
    #[case("2026-11-25 stdout F is text", "2026-11-25 stdout F is text")]
    #[case(r#"{"container_name":"app","log":"{\"a\":1}\n"}"#, "{\"a\":1}")]
    #[case(r#"{"log":{"level":"error"}}"#, r#"{"log":{"level":"error"}}"#)]
    #[case(r#"{"catalog":"log"}"#, r#"{"catalog":"log"}"#)]
    fn a_line_is_unwrapped(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(inner(text), expected);
    }

    #[rstest]
    #[case(r#"{"log":"{\"tool\":\"now\"}","source":"stdout"}"#, &["source", "tool"])]
    #[case(r#"{"log":"text","source":"stdout"}"#, &["log", "source"])]
    #[case("  {\"a\":1}", &["a"])]
    #[case("{\"a\":\"x\ny\"}", &["a"])]
    fn the_fields_of_a_wrapped_line_stand_beside_the_router_s(#[case] text: &str, #[case] names: &[&str]) {
        let mut found: Vec<String> = fields(text).expect("an object").into_iter().map(|(name, _)| name).collect();
        found.sort();
        assert_eq!(found, names);
    }
}
