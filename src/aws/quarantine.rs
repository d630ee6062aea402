//! The table of the callers that are kept out of the servers.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::AwsCloud;
use super::convert::some_text;
use crate::cloud::{CloudError, CloudResult, ErrorKind, Quarantines};
use crate::core::quarantine::{Entry, Quarantine, Who};

const QUERY: &str = "dynamodb:Query";
/// The one partition of the table: a single query reads all of it.
pub(super) const LIST: &str = "quarantine";
/// Pages after which the list is taken for one that does not end, of 1 MB each (API reference, Query).
const PAGES: usize = 10;

#[async_trait]
impl Quarantines for AwsCloud {
    async fn quarantine(&self, table: &str) -> CloudResult<Quarantine> {
        self.within(QUERY, self.read_quarantine(table)).await
    }
}

impl AwsCloud {
    pub(super) async fn read_quarantine(&self, table: &str) -> CloudResult<Quarantine> {
        let call = self.read.dynamodb.query().table_name(table).consistent_read(true);
        let call = call.key_condition_expression("#l = :l").expression_attribute_names("#l", "list");
        let call = call.expression_attribute_values(":l", AttributeValue::S(LIST.into()));
        let (mut list, mut from) = (Quarantine::default(), None);
        for _ in 0..PAGES {
            let page = call.clone().set_exclusive_start_key(from).send().await.map_err(self.failed(QUERY))?;
            for item in page.items() {
                match entry(item) {
                    Some(entry) => list.entries.push(entry),
                    None => list.unclear += 1,
                }
            }
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                list.entries.sort_by(|a, b| a.who.cmp(&b.who));
                return Ok(list);
            }
        }
        let why = format!("the table {table} has more than {PAGES} pages");
        Err(CloudError::new(ErrorKind::Garbled, QUERY, why))
    }
}

fn entry(item: &HashMap<String, AttributeValue>) -> Option<Entry> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let moment = |name: &str| Timestamp::from_second(item.get(name)?.as_n().ok()?.parse().ok()?).ok();
    let who = Who::of_key(text("who")?)?;
    Some(Entry { who, until: moment("until")?, by: some_text(text("by").map(String::as_str)), since: moment("since") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(members: &[(&str, AttributeValue)]) -> HashMap<String, AttributeValue> {
        members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn an_entry_is_read_whatever_else_it_has_and_none_that_is_odd() {
        let (text, number) = (|text: &str| AttributeValue::S(text.into()), |text: &str| AttributeValue::N(text.into()));
        let good = item(&[
            ("who", text("client#a")),
            ("until", number("10")),
            ("by", text("x\u{1b}[2J")),
            ("new", AttributeValue::Bool(true)),
        ]);
        let found = entry(&good).unwrap();
        assert_eq!((found.who, found.until.as_second(), found.since), (Who::Client("a".into()), 10, None));
        assert!(!found.by.unwrap().contains('\u{1b}'));
        for odd in [
            item(&[]),
            item(&[("who", text("client#a"))]),
            item(&[("who", text("client#a")), ("until", text("10"))]),
            item(&[("who", text("client#a")), ("until", number("soon"))]),
            item(&[("who", text("client#a")), ("until", number("9999999999999999"))]),
            item(&[("who", number("1")), ("until", number("10"))]),
            item(&[("who", text("pool#a")), ("until", number("10"))]),
        ] {
            assert_eq!(entry(&odd), None, "{odd:?}");
        }
    }
}
