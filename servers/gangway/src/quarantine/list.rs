//! The list: who, and until when.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::facts::hashed;
use crate::token::Caller;

/// Longest name that is taken from the table, in bytes: a `sub` has at most 255 (OpenID Connect Core, section 2).
const LONGEST: usize = 256;

/// Who is kept out, until when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// By kind and name, `client#NAME` or `subject#NAME`: the seconds since 1970 at which it ends.
    entries: BTreeMap<String, i64>,
    /// Entries that say nothing that is understood here.
    odd: usize,
}

/// What the log says of a list that is new here.
#[derive(Serialize)]
pub struct Told {
    message: String,
    /// Which list it is: [`List::name`].
    list: String,
}

impl List {
    /// Takes in the items of the table. What is not understood is counted and left out: a later version may know it.
    pub fn add(&mut self, items: &[Value]) {
        for item in items {
            match entry(item) {
                Some((who, until)) => drop(self.entries.insert(who, until)),
                None => self.odd += 1,
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len() + self.odd
    }

    /// Whether a caller is kept out at a moment, by its client or its subject. A subject may be named as the log names
    /// it, by its hash.
    pub fn refuses(&self, caller: &Caller, now: i64) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let names = |kind: &str, name: &str| self.entries.get(&format!("{kind}#{name}")).is_some_and(|end| *end > now);
        let subject = caller.subject.as_deref();
        names("client", &caller.client_id)
            || subject.is_some_and(|subject| names("subject", subject) || names("subject", &hashed(subject)))
    }

    /// The same for the same list: the first 16 digits of the SHA-256 of its lines, each `KIND#NAME END`.
    pub fn name(&self) -> String {
        hashed(&self.entries.iter().map(|(who, until)| format!("{who} {until}\n")).collect::<String>())
    }

    /// For the log. Names are not told: the list says of whom an operator thinks ill.
    pub fn told(&self) -> Told {
        let of = |kind: &str| self.entries.keys().filter(|who| who.starts_with(kind)).count();
        let mut message = format!("the list has {} clients and {} subjects", of("client#"), of("subject#"));
        if self.odd > 0 {
            message += &format!(", and {} entries that are not understood here", self.odd);
        }
        Told { message, list: self.name() }
    }
}

/// `{"who": {"S": "client#NAME"}, "until": {"N": "1764200000"}}`; other members are left alone.
fn entry(item: &Value) -> Option<(String, i64)> {
    let who = item["who"]["S"].as_str()?;
    let (kind, name) = who.split_once('#')?;
    let known = matches!(kind, "client" | "subject") && (1..=LONGEST).contains(&name.len());
    let until = item["until"]["N"].as_str()?.parse().ok()?;
    known.then(|| (who.to_owned(), until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn caller(client: &str, subject: Option<&str>) -> Caller {
        let subject = subject.map(str::to_owned);
        Caller { client_id: client.to_owned(), subject, may_read: true, may_write: true }
    }

    fn item(who: &str, until: &str) -> Value {
        json!({ "list": { "S": "quarantine" }, "who": { "S": who }, "until": { "N": until } })
    }

    fn list(items: &[Value]) -> List {
        let mut list = List::default();
        list.add(items);
        list
    }

    #[test]
    fn a_client_and_a_subject_are_kept_out_until_their_end_and_nobody_else() {
        let list = list(&[item("client#web", "100"), item("subject#ann@example.com", "200")]);
        for (client, subject, at, refused) in [
            ("web", Some("bob"), 99, true),
            ("web", None, 99, true),
            ("web", Some("bob"), 100, false),
            ("cli", Some("ann@example.com"), 199, true),
            ("cli", Some("ann@example.com"), 200, false),
            ("cli", Some("bob"), 0, false),
            ("Web", None, 0, false),
            ("ann@example.com", None, 0, false),
            ("cli", Some("web"), 0, false),
            ("cli", None, 0, false),
            ("", Some(""), 0, false),
        ] {
            assert_eq!(list.refuses(&caller(client, subject), at), refused, "{client} {subject:?} at {at}");
        }
    }

    #[test]
    fn a_subject_may_be_named_as_the_log_does() {
        // printf %s ann@example.com | sha256sum
        let list = list(&[item("subject#71d4f55f72fa128d", "100")]);
        assert!(list.refuses(&caller("cli", Some("ann@example.com")), 0));
        assert!(!list.refuses(&caller("cli", Some("bob")), 0));
        assert!(!list.refuses(&caller("71d4f55f72fa128d", None), 0));
    }

    #[test]
    fn what_is_not_understood_is_left_out_and_the_rest_holds() {
        let odd = [
            json!(null),
            json!("client#web"),
            json!({}),
            json!({ "who": { "S": "client#a" } }),
            json!({ "who": { "N": "1" }, "until": { "N": "100" } }),
            json!({ "who": { "S": "client#b" }, "until": { "S": "100" } }),
            json!({ "who": { "S": "client#c" }, "until": { "N": 100 } }),
            item("client#d", "soon"),
            item("client#e", "1e99"),
            item("client#f", "99999999999999999999999"),
            item("client#", "100"),
            item("web", "100"),
            item("pool#x", "100"),
            item("CLIENT#x", "100"),
            item(&format!("client#{}", "a".repeat(LONGEST + 1)), "100"),
        ];
        let mut more = item("client#web", "100");
        more["note"] = json!({ "M": { "x": { "L": [] } } });
        let list = list(&[odd.as_slice(), &[more, item("client#past", "-5")]].concat());
        assert!(list.refuses(&caller("web", None), 0));
        assert_eq!((list.entries.len(), list.odd), (2, odd.len()));
        let told = serde_json::to_value(list.told()).unwrap();
        assert_eq!(
            told["message"],
            "the list has 2 clients and 0 subjects, and 15 entries that are not understood here"
        );
        assert!(!told.to_string().contains("web"), "{told}");
    }

    #[test]
    fn a_list_has_one_name_whatever_the_order() {
        let (a, b) = (item("client#a", "1"), item("subject#b", "2"));
        let name = list(&[a.clone(), b.clone()]).name();
        assert_eq!(name, list(&[b, a.clone()]).name());
        assert_ne!(name, list(&[a]).name());
        // printf 'client#a 1\nsubject#b 2\n' | sha256sum
        assert_eq!(name, "7c43a08669e894a1");
    }
}
