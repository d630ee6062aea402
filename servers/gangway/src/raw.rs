//! JSON objects of which a few members are read and the rest is kept as it was written.
//!
//! Why not types: a member that a later revision of the protocol adds, and the form of a number, must come
//! through as they are.

use std::borrow::Cow;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// Whether a value may be the id of a request: a text or a number (MCP, schema, `RequestId`). It is kept as it was
/// written, because numbers of JSON are larger than those of programs, and a client looks for its own.
pub fn is_id(value: &RawValue) -> bool {
    value.get().starts_with(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
}

/// The members of an object, in their order.
#[derive(Debug, Clone, Default)]
pub struct Members<'a>(Vec<(String, Cow<'a, RawValue>)>);

impl<'a> Members<'a> {
    /// The members of a text that is one object. `None` if it is none, or has a member twice.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// A member as it was written.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| &**value)
    }

    /// A member, read as a `T`. `None` also if it is something else.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// A member that is an object.
    pub fn object(&self, name: &str) -> Option<Members<'_>> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Writes a member, in its place if there is one.
    pub fn set(&mut self, name: &str, value: &impl Serialize) {
        self.set_raw(name, to_raw_value(value).unwrap_or_default());
    }

    /// Writes a member as it is given.
    pub fn set_raw(&mut self, name: &str, value: Box<RawValue>) {
        let value = Cow::Owned(value);
        match self.0.iter_mut().find(|(given, _)| given == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Writes a member unless it is there.
    pub fn set_default(&mut self, name: &str, value: &impl Serialize) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    /// Leaves a member out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(given, _)| given != name);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object as a value of another one.
    pub fn raw(&self) -> Box<RawValue> {
        to_raw_value(self).unwrap_or_default()
    }

    /// The object in one line, as server-sent events and messages between lines need it.
    pub fn line(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        // Valid JSON has line breaks between its parts only: in a string they are escaped.
        text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        text
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &**value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, Cow<'de, RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Cow::Borrowed(value)));
                }
                // Sorted: to look for each among the others would cost the square of their number.
                let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                if names.windows(2).any(|two| two.first() == two.last()) {
                    return Err(de::Error::custom("a member is there twice"));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_kept_as_it_was_written() {
        let text = br#"{"id": 1.50, "b":{"x":[1e400, "\u00e9"]},"c":12345678901234567890123}"#;
        let mut members = Members::parse(text).unwrap();
        members.set("id", &7);
        members.set("new", &true);
        members.remove("c");
        assert_eq!(String::from_utf8(members.line()).unwrap(), r#"{"id":7,"b":{"x":[1e400, "\u00e9"]},"new":true}"#);
    }

    #[test]
    fn a_line_has_no_breaks() {
        let members = Members::parse(b"{\"a\":[1,\r\n2],\"b\":\"x\\ny\"}").unwrap();
        assert_eq!(members.line(), br#"{"a":[1,  2],"b":"x\ny"}"#);
    }

    #[test]
    fn what_is_no_object_or_contradicts_itself_is_nothing() {
        for bad in ["[]", "1", "", "{", r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, "{\"a\":\"\n\"}", "{}x"] {
            assert!(Members::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
