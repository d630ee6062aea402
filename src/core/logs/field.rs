//! A field of a line by its name, without building the whole object: JSON, or `key=value` in plain text.

use std::borrow::Cow;
use std::fmt;

use super::payload;
use crate::core::text::sanitise_event;
use memchr::{memchr, memmem};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Bool(bool),
    Null,
    /// An object or a list.
    Nested,
}

impl Value<'_> {
    fn owned<'a>(self) -> Value<'a> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => Value::Number(number),
            Self::Bool(truth) => Value::Bool(truth),
            Self::Null => Value::Null,
            Self::Nested => Value::Nested,
        }
    }

    /// As text; an object or a list has none.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(number.to_string().into()),
            Self::Bool(truth) => Some(truth.to_string().into()),
            Self::Null => Some("null".into()),
            Self::Nested => None,
        }
    }

    /// As a number, if it is one or is written like one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// A value of a JSON object as text. Parsing has undone the escapes of the line, so it is sanitised again,
/// inside objects and lists too; line breaks stay, as in a line's own text.
pub fn as_text(value: &serde_json::Value) -> String {
    match value.as_str() {
        Some(text) => sanitise_event(text),
        None => sanitise_event(&value.to_string()),
    }
}

/// The field of this name in a line, or in what a router wrapped in it. `a.b` is the key `a.b`, or `b` in the
/// object `a`.
pub fn lookup<'a>(line: &'a str, path: &str) -> Option<Value<'a>> {
    let line = payload::bare(line);
    if !line.starts_with('{') {
        return logfmt(line, path);
    }
    json(line, path).or_else(|| match payload::inner(line) {
        Cow::Owned(log) if log.starts_with('{') => json(&log, path).map(Value::owned),
        Cow::Owned(log) => logfmt(&log, path).map(Value::owned),
        Cow::Borrowed(_) => None,
    })
}

fn json<'a>(line: &'a str, path: &str) -> Option<Value<'a>> {
    // Most lines without the field do not contain its name. A backslash may hide it: `\u0061`.
    let first = path.split('.').next().unwrap_or(path);
    if memmem::find(line.as_bytes(), first.as_bytes()).is_none() && memchr(b'\\', line.as_bytes()).is_none() {
        return None;
    }
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_str(line);
    // Reading stops with an error as soon as the field is found, so the error says nothing.
    let _ = Find { path, found: &mut found }.deserialize(&mut reader);
    found
}

/// Reads a value: the wanted one where `path` is empty, else an object that may hold it.
struct Find<'p, 'f, 'de> {
    path: &'p str,
    found: &'f mut Option<Value<'de>>,
}

impl<'de> Find<'_, '_, 'de> {
    /// Takes the value if it is the wanted one, and then stops the reader.
    fn take<E: Error>(self, value: Value<'de>) -> Result<(), E> {
        if !self.path.is_empty() {
            return Ok(());
        }
        *self.found = Some(value);
        Err(E::custom(""))
    }
}

impl<'de> DeserializeSeed<'de> for Find<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

#[allow(clippy::cast_precision_loss, reason = "numbers are compared as JSON's own, which are doubles")]
impl<'de> Visitor<'de> for Find<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.take(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.take(Value::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.take(Value::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.take(Value::Number(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.take(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.take(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.take(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.take(Value::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        if self.path.is_empty() {
            return self.take(Value::Nested);
        }
        while let Some(rest) = object.next_key_seed(KeySeed(self.path))? {
            match rest {
                Some(path) => object.next_value_seed(Find { path, found: &mut *self.found })?,
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a key: what is left of the path after it, or `None` where it is another's.
struct KeySeed<'p>(&'p str);

impl<'de, 'p> DeserializeSeed<'de> for KeySeed<'p> {
    type Value = Option<&'p str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for KeySeed<'p> {
    type Value = Option<&'p str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let rest = self.0.strip_prefix(key);
        Ok(rest.and_then(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }))
    }
}

/// `key=value` or `key="value"`, at the beginning of the line or after a space, a comma or a bracket.
fn logfmt<'a>(line: &'a str, key: &str) -> Option<Value<'a>> {
    let bytes = line.as_bytes();
    let begins =
        |at: usize| at == 0 || matches!(bytes[at - 1], b' ' | b'\n' | b',' | b'(' | b'[' | b'{' | b';' | b'?' | b'&');
    let mut found = memmem::find_iter(bytes, key).filter(|at| begins(*at));
    let value = found.find_map(|at| line[at + key.len()..].strip_prefix('='))?;
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or(quoted),
        None => value.split([' ', '\n', ',', ')', ']', '}', ';', '&', '"']).next().unwrap_or(value),
    };
    Some(Value::Text(Cow::Borrowed(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn text(text: &str) -> Option<Value<'_>> {
        Some(Value::Text(text.into()))
    }

    #[rstest]
    #[case(r#"{"tool":"now","n":1}"#, "tool", text("now"))]
    #[case(r#"{"a":{"b":{"c":2.5}}}"#, "a.b.c", Some(Value::Number(2.5)))]
    #[case(r#"{"a.b":{"c":-2}}"#, "a.b.c", Some(Value::Number(-2.0)))]
    #[case(r#"{"x":{"tool":"inner"},"tool":"outer"}"#, "tool", text("outer"))]
    #[case(r#"{"m":"\"tool\":\"fake\"","tool":true}"#, "tool", Some(Value::Bool(true)))]
    #[case(r#"{"\u0074ool":"esc\naped"}"#, "tool", text("esc\naped"))]
    #[case(r#"{"a":{"b":1},"a.b":2}"#, "a.b", Some(Value::Number(1.0)))]
    #[case(r#"{"a":[1,2],"b":null}"#, "a", Some(Value::Nested))]
    #[case(r#"{"a":[1,2],"b":null}"#, "b", Some(Value::Null))]
    #[case(r#"{"a":1}"#, "a.b", None)]
    #[case(r#"{"a":1"#, "a", Some(Value::Number(1.0)))]
    #[case(r#"{broken "a":1"#, "a", None)]
    #[case("level=warn tool=now ms=5", "tool", text("now"))]
    #[case(r#"msg="two words" tool=now"#, "msg", text("two words"))]
    #[case("first\ntool=now\nthird", "tool", text("now"))]
    #[case("  {\"tool\":\"now\"}", "tool", text("now"))]
    #[case(r#"{"log":"{\"tool\":\"now\"}","source":"stdout"}"#, "tool", text("now"))]
    #[case(r#"{"log":"ms=5 tool=now","source":"stdout"}"#, "tool", text("now"))]
    #[case(r#"{"log":"{\"tool\":\"now\"}","source":"stdout"}"#, "source", text("stdout"))]
    #[case("mytool=x", "tool", None)]
    #[case("tool", "tool", None)]
    fn a_field_is_found_by_its_path(#[case] line: &str, #[case] path: &str, #[case] expected: Option<Value<'_>>) {
        assert_eq!(lookup(line, path), expected);
    }

    proptest! {
        /// What is looked up is what a full parse finds.
        #[test]
        fn agrees_with_a_full_parse(pairs in prop::collection::btree_map("[a-c\"\\\\é]{1,3}", "\\PC{0,8}", 0..6), key in "[a-c\"\\\\é]{1,3}") {
            let line = serde_json::to_string(&pairs).expect("JSON");
            let expected = pairs.get(&key).map(|value| Value::Text(value.into()));
            prop_assert_eq!(lookup(&line, &key), expected);
        }

        #[test]
        fn no_line_makes_the_lookup_fail(line in "\\{?\\PC*", path in "[a-z.=\"]{0,6}") {
            lookup(&line, &path);
        }
    }
}
